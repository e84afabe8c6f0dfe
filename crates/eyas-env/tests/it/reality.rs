//! What separates flying from simulating does what physics says, and only where it is switched on.

mod air;
mod signals;
mod vehicle;
mod whole;

use eyas_env::{EnvBlock, InitConfig, RaptorConfig, RealityConfig, TaskConfig as _, VecEnv};
use eyas_lanes::Row;

const DT: f64 = 0.01;
const GRAVITY: f64 = 9.81;

/// A Crazyflie that starts at the origin, level and not moving, its rotors as fast as its hover action holds them, and
/// that nothing ends.
fn hovering(reality: RealityConfig) -> RaptorConfig {
    let mut config = RaptorConfig { reality, prob_null_trajectory: 1.0, ..RaptorConfig::default() };
    let hover = f64::from(hover(&config));
    config.init = InitConfig { guidance: 1.0, min_rpm: hover, max_rpm: hover, ..InitConfig::default() };
    config.termination.position_threshold = Some(1e4);
    config.termination.linear_velocity_threshold = 1e4;
    config.termination.angular_velocity_threshold = 1e4;
    config.episode_length_s = 1e4;
    config
}

fn hover(config: &RaptorConfig) -> f32 {
    eyas_env::DifferentiableTask::hover_action(config)[0]
}

/// The same as a body that nothing but the air moves.
fn weightless(reality: RealityConfig) -> RaptorConfig {
    let mut config = hovering(reality);
    config.robot.rotor_thrust_coefficients = [[0.0; 3]; 4];
    config.robot.gravity = [0.0; 3];
    config
}

fn started(config: &RaptorConfig, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
    // What is weightless or has no thrust is no vehicle that flies, and is measured all the same.
    let flown = RaptorConfig { robot: RaptorConfig::default().robot, ..config.clone() };
    flown.validate().unwrap();
    let mut env = config.make(num_envs, seed);
    for block in env.blocks() {
        block.reset(u32::MAX);
    }
    env
}

fn velocity(block: &dyn EnvBlock, lane: usize) -> [f64; 3] {
    block.telemetry(lane).velocity.map(f64::from)
}

fn observe(block: &dyn EnvBlock) -> Vec<Row> {
    let mut observation = vec![Row::ZERO; 26];
    block.observe(&mut observation);
    observation
}

fn everywhere(action: f32) -> [Row; 4] {
    [Row::splat(action); 4]
}

fn is_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found} against {expected}");
}
