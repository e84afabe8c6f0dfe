//! What the RAPTOR environment observes, takes and ends by.

use super::config::{Observation, RaptorConfig};
use super::formulas::{OBSERVATIONS, POLICY_OBSERVATIONS};
use crate::episode::FOUNDATION_TERMINATIONS;
use crate::registry::RAPTOR_TASK;
use crate::{Actuation, EnvSpec, EpisodeScalar, Frame, Group, Part, TaskConfig as _};

const ROTATION_MATRIX: Part = Part {
    name: "rotation_matrix",
    width: 9,
    frame: Frame::WorldFromBody,
    unit: "1",
    meaning: "body-to-world rotation, row-major",
};

const ANGULAR_VELOCITY: Part = Part {
    name: "angular_velocity",
    width: 3,
    frame: Frame::Body,
    unit: "rad/s",
    meaning: "angular velocity",
};

const PREVIOUS_ACTION: Part = Part {
    name: "previous_action",
    width: 4,
    frame: Frame::Motors,
    unit: "1",
    meaning: "last action as it was given, after a reset the rotor speed",
};

/// The full observation where the reference is known; `policy` is all but the rotor speeds.
const PARTS: &[Part] = ABSOLUTE_PARTS.split_at(ABSOLUTE).1;

/// Parts that only the absolute observation has.
const ABSOLUTE: usize = 5;

/// The full observation where the policy sees where it is instead of how far it is from the reference: what it
/// sees, then all that the teacher does.
const ABSOLUTE_PARTS: &[Part] = &[
    Part { name: "position", width: 3, frame: Frame::World, unit: "m", meaning: "position from the origin" },
    ROTATION_MATRIX,
    Part { name: "velocity", width: 3, frame: Frame::World, unit: "m/s", meaning: "velocity" },
    ANGULAR_VELOCITY,
    PREVIOUS_ACTION,
    Part {
        name: "position_error",
        width: 3,
        frame: Frame::World,
        unit: "m",
        meaning: "position minus reference",
    },
    ROTATION_MATRIX,
    Part {
        name: "velocity_error",
        width: 3,
        frame: Frame::World,
        unit: "m/s",
        meaning: "velocity minus reference's",
    },
    ANGULAR_VELOCITY,
    PREVIOUS_ACTION,
    Part {
        name: "rotor_speed",
        width: 4,
        frame: Frame::Motors,
        unit: "1",
        meaning: "rotor speed as the action that holds it",
    },
];

/// Terms of the reward; `termination` stands in place of the others.
pub(super) const REWARD_TERMS: &[&str] = &["position", "orientation", "d_action", "constant", "termination"];

/// The same for all vehicles; symmetries are those of one.
pub(super) fn spec(config: &RaptorConfig) -> EnvSpec {
    let (parts, teacher) = match config.observation {
        Observation::TrackingError => (PARTS, 0),
        Observation::Absolute => (ABSOLUTE_PARTS, POLICY_OBSERVATIONS),
    };
    EnvSpec {
        task: RAPTOR_TASK,
        parts: parts.to_vec(),
        groups: vec![
            Group { name: "policy", features: 0..POLICY_OBSERVATIONS },
            Group { name: "teacher", features: teacher..teacher + OBSERVATIONS },
        ],
        num_actions: 4,
        action: "motor set-points in [-1, 1]: the vehicle's least rotor speed at -1, its most at 1, clamped outside",
        actuation: Actuation::Rotors,
        motor_order: "front right, back right, back left, front left",
        control_rate_hz: 1.0 / config.sim.dt,
        max_episode_length: config.max_episode_length(),
        reward_terms: REWARD_TERMS.to_vec(),
        terminations: FOUNDATION_TERMINATIONS.to_vec(),
        episode_log: EpisodeScalar::foundation(REWARD_TERMS, &FOUNDATION_TERMINATIONS),
        symmetries: Vec::new(),
    }
}
