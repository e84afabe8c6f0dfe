//! A block flies on from its saved state, and alike whatever flies beside it.

use eyas_env::{EnvBlock, ManagerConfig};
use eyas_lanes::{BLOCK, Row};

use super::{actions, observed, started, task};

/// A task with everything that has a memory.
const FILE: &str = "
episode_length_s: 0.8
decimation: 2
reality:
  action_delay_steps: [0, 2]
  noise: {velocity_m_s: [0.01, 0.05]}
  drag: {linear_x_n_s_m: [0.01, 0.02]}
  wind: {mean_m_s: [0.0, 2.0]}
  rotor_efficiency: [0.9, 1.0]
commands:
  goal: {func: uniform_position, resampling_time_range: [0.1, 0.3]}
  other: {func: langevin, params: {prob_null_trajectory: 0.5}}
actions: {it: {func: motor_set_points}}
observations:
  policy:
    terms:
      error: {func: position_error_b, noise: {func: gaussian, std: 0.02}, delay: 2, history_length: 3}
      velocity: {func: base_lin_vel, history_length: 2}
      mass: {func: mass_factor}
      command: {func: generated_commands, params: {command_name: other}}
  teacher: {terms: {action: {func: last_action}, orientation: {func: root_quat_w, noise: {std: 0.1}}}}
events:
  mass: {func: randomize_rigid_body_mass, mode: startup}
  start: {func: reset_root_state_ball, params: {prob_perfect_start: 0.2}}
  rotors: {func: reset_rotor_speeds}
  inertia: {func: randomize_rigid_body_inertia}
  thrust: {func: randomize_thrust_curve, mode: interval, interval_range_s: [0.1, 0.2], params: {per_rotor: true}}
  lag: {func: randomize_motor_lag, mode: interval, interval_range_s: [0.3, 0.3]}
  push: {func: push_by_setting_velocity, mode: interval, interval_range_s: [0.1, 0.4], params: {x: [-1, 1]}}
  force: {func: apply_external_force_torque, params: {force_range: [-0.02, 0.02]}}
  wind: {func: wind, mode: interval, interval_range_s: [0.2, 0.2]}
rewards:
  tracking: {func: position_error_tanh, weight: 1.0}
  rate: {func: action_rate_l2, weight: -0.1}
terminations:
  time: {func: time_out, time_out: true}
  tilt: {func: bad_orientation}
  far: {func: position_limit, time_out: true, params: {limit: 1.0}}
curriculum:
  rate: {func: ramp_reward_weight, params: {term_name: rate, weight: -0.4, num_steps: 90}}
  push: {func: ramp_event_strength, params: {term_name: push, num_steps: 70}}
";

fn fly(block: &mut dyn EnvBlock, step: u32) -> ([u32; 2], Vec<u32>) {
    let outcome = block.step(&actions(step));
    // Some ended episodes wait for a while.
    block.reset((outcome.terminated | outcome.truncated) & 0x5555_5555);
    let rewards = outcome.reward.0.map(f32::to_bits).to_vec();
    ([outcome.terminated, outcome.truncated], rewards)
}

fn width(task: &ManagerConfig) -> usize {
    started(task, 1, 0).spec().num_observations()
}

#[test]
fn a_saved_state_is_all_that_a_block_goes_on_from() {
    let task = task(FILE);
    let width = width(&task);
    let mut env = started(&task, BLOCK, 3);
    let block = env.blocks()[0].as_mut();
    block.set_age(7, 20);
    for step in 0..60 {
        fly(block, step);
    }
    let mut state = Vec::new();
    block.visit_state(&mut |word| state.push(*word));
    assert_ne!(block.ended(), 0, "an ended episode is part of what is saved");

    let mut other = started(&task, BLOCK, 3);
    let other = other.blocks()[0].as_mut();
    let mut words = state.iter();
    other.visit_state(&mut |word| *word = *words.next().unwrap());
    assert_eq!(words.len(), 0);
    for step in 60..160 {
        assert_eq!(observed(block, width), observed(other, width), "step {step}");
        assert_eq!(fly(block, step), fly(other, step), "step {step}");
        if step % 20 == 0 {
            block.reset(u32::MAX);
            other.reset(u32::MAX);
        }
    }
    for lane in 0..BLOCK {
        assert_eq!(block.episode(lane), other.episode(lane));
        assert_eq!(block.telemetry(lane), other.telemetry(lane));
    }
}

#[test]
fn an_env_flies_alike_whatever_its_number_of_neighbours() {
    let task = task(FILE);
    let width = width(&task);
    let fly_lane = |num_envs: usize| -> Vec<Vec<f64>> {
        let mut env = started(&task, num_envs, 9);
        let block = env.blocks()[1].as_mut();
        (0..100)
            .map(|step| {
                fly(block, step);
                observed(block, width)[3].clone()
            })
            .collect()
    };
    assert_eq!(fly_lane(64), fly_lane(200));
}

#[test]
fn episodes_of_one_number_start_alike() {
    let task = task(FILE);
    let width = width(&task);
    let mut env = started(&task, 32, 2);
    let block = env.blocks()[0].as_mut();
    let mut seen = Vec::new();
    for episode in [17, 18, 17] {
        for step in 0..30 {
            fly(block, step);
        }
        block.set_next_episode(4, episode);
        block.reset(1 << 4);
        seen.push(observed(block, width)[4].clone());
    }
    assert_ne!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[test]
fn an_action_beyond_all_limits_does_no_harm() {
    let task = task(FILE);
    let width = width(&task);
    let mut env = started(&task, 32, 2);
    let block = env.blocks()[0].as_mut();
    for wild in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
        let outcome = block.step(&[Row::splat(wild); 4]);
        assert!(outcome.reward.0.iter().all(|it| it.is_finite()));
        assert!(observed(block, width).iter().flatten().all(|it| it.is_finite()));
        block.reset(u32::MAX);
    }
}
