//! Manager-based tasks are what their files say.

mod commands;
mod curriculum;
mod equals_point;
mod events;
mod observations;
mod refuses;
mod resumes;
mod terms;

use eyas_env::{EnvBlock, ManagerConfig, TaskConfig as _, VecEnv};
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_sim::Body;

/// The task of a file, if it has the keys of one.
fn parse(yaml: &str) -> Result<ManagerConfig, String> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
    };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| error.to_string())
}

/// The task of a file, which must be valid.
fn task(yaml: &str) -> ManagerConfig {
    let task = parse(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    task.validate().unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    task
}

/// Managers that a file needs, unless it is about them.
const ACTIONS: &str = "actions: {motors: {func: motor_set_points}}\n";
const REWARDS: &str = "rewards: {alive: {func: is_alive, weight: 1.0}}\n";
/// All there is to know of a state.
const STATE: &str = "
observations:
  policy:
    terms:
      position: {func: root_pos_w}
      orientation: {func: root_quat_w}
      velocity: {func: root_lin_vel_w}
      rate: {func: base_ang_vel}
      action: {func: last_action}
      set_point: {func: last_processed_action}
      rotor_speed: {func: rotor_speed}
";

/// Envs whose episodes have begun.
fn started(task: &ManagerConfig, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
    let mut env = task.make(num_envs, seed);
    env.blocks().iter_mut().for_each(|block| block.reset(u32::MAX));
    env
}

/// The full observation of each lane of a block.
fn observed(block: &dyn EnvBlock, width: usize) -> Vec<Vec<f64>> {
    let mut rows = vec![Row::ZERO; width];
    block.observe(&mut rows);
    (0..BLOCK).map(|lane| rows.iter().map(|row| f64::from(row[lane])).collect()).collect()
}

/// A body of a lane that is anywhere, turns and moves.
fn anywhere(lane: usize) -> Body<f32> {
    let stream = Stream::new(17, "bodies");
    let normal = |draw: u32| stream.normals([lane as u32, 0, 0, draw]);
    let [position, velocity, rate, q] = [normal(0), normal(1), normal(2), normal(3)];
    let length = q.iter().map(|x| x * x).sum::<f32>().sqrt();
    let vector = |[x, y, z, _]: [f32; 4], size: f32| [size * x, size * y, size * z];
    Body {
        position: vector(position, 1.0),
        orientation: q.map(|x| x / length),
        velocity: vector(velocity, 1.0),
        angular_velocity: vector(rate, 3.0),
    }
}

/// Actions of a lane at a step.
fn actions(step: u32) -> [Row; 4] {
    let stream = Stream::new(5, "actions");
    let mut rows = [Row::ZERO; 4];
    for lane in 0..BLOCK {
        for (row, action) in rows.iter_mut().zip(stream.normals([lane as u32, 0, step, 0])) {
            row[lane] = 0.6 * action - 0.3;
        }
    }
    rows
}

#[track_caller]
fn near(found: f64, expected: f64, what: &str) {
    // A few dozen roundings of single precision.
    let tolerance = 4e-6 * (1.0 + expected.abs());
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}
