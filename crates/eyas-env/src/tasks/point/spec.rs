//! What the point task observes, takes and ends by.

use super::config::PointConfig;
use crate::episode::FOUNDATION_TERMINATIONS;
use crate::registry::POINT_TASK;
use crate::symmetry::mirrors;
use crate::{Actuation, EnvSpec, EpisodeScalar, Frame, Group, Part, TaskConfig as _};

/// The full observation; `policy` is all but the rotor speeds.
const PARTS: &[Part] = &[
    Part {
        name: "position_error",
        width: 3,
        frame: Frame::Body,
        unit: "m",
        meaning: "position minus target",
    },
    Part {
        name: "rotation_matrix",
        width: 9,
        frame: Frame::WorldFromBody,
        unit: "1",
        meaning: "body-to-world rotation, row-major",
    },
    Part {
        name: "velocity_error",
        width: 3,
        frame: Frame::Body,
        unit: "m/s",
        meaning: "velocity minus target's",
    },
    Part {
        name: "angular_velocity",
        width: 3,
        frame: Frame::Body,
        unit: "rad/s",
        meaning: "angular velocity",
    },
    Part {
        name: "previous_set_point",
        width: 4,
        frame: Frame::Motors,
        unit: "1",
        meaning: "last applied set-point in [0, 1], 0 after a reset",
    },
    Part {
        name: "rotor_speed",
        width: 4,
        frame: Frame::Motors,
        unit: "1",
        meaning: "rotor speed relative to the range of set-points",
    },
];

/// Names that Foundation logs the terms under.
pub(super) const REWARD_TERMS: &[&str] = &["position", "orientation", "action_smooth", "base", "terminal"];

/// What the task observes, takes and ends by.
pub(super) fn spec(config: &PointConfig) -> EnvSpec {
    EnvSpec {
        task: POINT_TASK,
        parts: PARTS.to_vec(),
        groups: vec![Group { name: "policy", features: 0..22 }, Group { name: "teacher", features: 0..26 }],
        num_actions: 4,
        action: "motor set-points in [-1, 1]: rotor speed 1200 rpm at -1, 24000 rpm at 1, clamped outside",
        actuation: Actuation::Rotors,
        motor_order: "front left, front right, back right, back left",
        control_rate_hz: 1.0 / config.control_period(),
        max_episode_length: config.max_episode_length(),
        reward_terms: REWARD_TERMS.to_vec(),
        terminations: FOUNDATION_TERMINATIONS.to_vec(),
        episode_log: EpisodeScalar::foundation(REWARD_TERMS, &FOUNDATION_TERMINATIONS),
        symmetries: if config.reality.is_symmetric() { mirrors(&config.robot) } else { Vec::new() },
    }
}
