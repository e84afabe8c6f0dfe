//! What each vehicle of a formation observes and does.

use super::config::FormationConfig;
use crate::episode::FOUNDATION_TERMINATIONS;
use crate::multi_agent::{AgentSpec, MAX_AGENTS, MultiAgentSpec, StateSpace};
use crate::registry::FORMATION_TASK;
use crate::{Actuation, Frame, Part, TaskConfig as _};

const NAMES: [&str; MAX_AGENTS] =
    ["quad_0", "quad_1", "quad_2", "quad_3", "quad_4", "quad_5", "quad_6", "quad_7"];

/// Names of the terms of the reward.
pub(super) const REWARD_TERMS: [&str; 6] =
    ["position", "orientation", "action_smooth", "base", "proximity", "terminal"];

/// Conditions that end the flight of a vehicle: those of the point task, and collisions.
pub(super) const CAUSES: usize = FOUNDATION_TERMINATIONS.len() + 1;

const fn part(
    name: &'static str,
    width: usize,
    frame: Frame,
    unit: &'static str,
    meaning: &'static str,
) -> Part {
    Part { name, width, frame, unit, meaning }
}

/// Parts of one vehicle's observation.
fn observation(others: usize) -> Vec<Part> {
    vec![
        part("position_error", 3, Frame::Body, "m", "position minus place in the formation"),
        part("rotation_matrix", 9, Frame::WorldFromBody, "1", "body-to-world rotation, row-major"),
        part("velocity_error", 3, Frame::Body, "m/s", "velocity minus that of the place"),
        part("angular_velocity", 3, Frame::Body, "rad/s", "angular velocity"),
        part("previous_set_point", 4, Frame::Motors, "1", "last set-point in [0, 1], 0 after a reset"),
        part("relative_position", 3 * others, Frame::Body, "m", "from here to each other agent, in order"),
        part("relative_velocity", 3 * others, Frame::Body, "m/s", "velocity of each other minus the own"),
    ]
}

const ROTOR_SPEED: Part =
    part("rotor_speed", 4, Frame::Motors, "1", "rotor speed relative to the range of set-points");

/// Parts of the state of an env as a whole.
fn state(count: usize) -> Vec<Part> {
    let vehicles = NAMES[..count].iter().flat_map(|name| {
        let named = |it: &str| crate::intern(&format!("{name}/{it}"));
        [
            part(named("position"), 3, Frame::World, "m", "position from the origin of the env"),
            part(named("rotation_matrix"), 9, Frame::WorldFromBody, "1", "body-to-world rotation, row-major"),
            part(named("velocity"), 3, Frame::World, "m/s", "velocity"),
            part(named("angular_velocity"), 3, Frame::Body, "rad/s", "angular velocity"),
        ]
    });
    let centre = [
        part("centre_position", 3, Frame::World, "m", "centre of the formation as it should be"),
        part("centre_velocity", 3, Frame::World, "m/s", "its velocity"),
    ];
    vehicles.chain(centre).collect()
}

/// The spec of a configuration.
pub(super) fn spec(config: &FormationConfig) -> MultiAgentSpec {
    let count = config.num_agents;
    MultiAgentSpec {
        task: FORMATION_TASK,
        agents: NAMES[..count]
            .iter()
            .map(|name| AgentSpec {
                name,
                observation: observation(count - 1),
                privileged: vec![ROTOR_SPEED],
                num_actions: 4,
            })
            .collect(),
        state: match config.state_space {
            -1 => StateSpace::Observations,
            0 => StateSpace::None,
            _ => StateSpace::Custom(state(count)),
        },
        action: "motor set-points of each vehicle in [-1, 1]: its least rotor speed at -1, its most at 1, clamped \
                 outside",
        actuation: Actuation::Rotors,
        motor_order: "front left, front right, back right, back left",
        control_rate_hz: 1.0 / config.control_period(),
        max_episode_length: config.max_episode_length(),
        reward_terms: REWARD_TERMS.to_vec(),
        terminations: FOUNDATION_TERMINATIONS.into_iter().chain(["collision"]).collect(),
    }
}
