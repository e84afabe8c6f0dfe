//! What Isaac Lab's quadcopter task observes, takes and ends by.

use super::config::DirectConfig;
use crate::registry::DIRECT_TASK;
use crate::symmetry::wrench_mirrors;
use crate::{Actuation, EnvSpec, EpisodeScalar, Frame, Group, Part, TaskConfig as _};

/// The observation, by Isaac Lab's names.
const PARTS: &[Part] = &[
    Part { name: "root_lin_vel_b", width: 3, frame: Frame::Body, unit: "m/s", meaning: "velocity" },
    Part { name: "root_ang_vel_b", width: 3, frame: Frame::Body, unit: "rad/s", meaning: "angular velocity" },
    Part {
        name: "projected_gravity_b",
        width: 3,
        frame: Frame::Body,
        unit: "1",
        meaning: "unit vector of gravity",
    },
    Part { name: "desired_pos_b", width: 3, frame: Frame::Body, unit: "m", meaning: "goal minus position" },
];

/// Width of the observation.
pub(super) const OBSERVATIONS: usize = 12;

/// Names that Isaac Lab logs the terms under.
pub(super) const REWARD_TERMS: [&str; 3] = ["lin_vel", "ang_vel", "distance_to_goal"];

/// Name that Isaac Lab logs the termination under.
const TERMINATIONS: [&str; 1] = ["died"];

/// What the task observes, takes and ends by.
pub(super) fn spec(config: &DirectConfig) -> EnvSpec {
    let mut episode_log = EpisodeScalar::isaac_lab(&REWARD_TERMS, &TERMINATIONS, config.episode_length_s);
    episode_log.push(EpisodeScalar::final_distance_to_goal());
    EnvSpec {
        task: DIRECT_TASK,
        parts: PARTS.to_vec(),
        groups: ["policy", "teacher"].map(|name| Group { name, features: 0..OBSERVATIONS }).to_vec(),
        num_actions: 4,
        action: "thrust and moments about the body axes in [-1, 1]: no thrust at -1, `thrust_to_weight` weights at 1; \
                 `moment_scale` N m at 1; clamped outside",
        actuation: Actuation::Wrench,
        motor_order: "thrust, roll, pitch, yaw",
        control_rate_hz: 1.0 / config.control_period(),
        max_episode_length: config.max_episode_length(),
        reward_terms: REWARD_TERMS.to_vec(),
        terminations: TERMINATIONS.to_vec(),
        episode_log,
        symmetries: if config.reality.is_symmetric() { wrench_mirrors() } else { Vec::new() },
    }
}
