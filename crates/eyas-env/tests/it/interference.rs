//! Interference moves vehicles as mechanics says, and only then.

use eyas_env::{EnvBlock, Interference, PointConfig, RaptorConfig, TaskConfig};
use eyas_lanes::Row;

const SEED: u64 = 5;

/// Positions and velocities of all lanes after as many steps of an action that changes from step to step.
fn flown<T: TaskConfig>(config: &T, interference: Interference, steps: u32) -> Vec<f32> {
    let mut env = config.make(32, SEED);
    let block = &mut env.blocks()[0];
    block.reset(u32::MAX);
    block.interfere(interference);
    for step in 0..steps {
        let wave = 0.02 * (0.3 * f64::from(step)).sin() as f32;
        block.step(&[-0.25 + wave, -0.25, -0.25 - wave, -0.25].map(Row::splat));
    }
    moved(block.as_ref())
}

fn moved(block: &dyn EnvBlock) -> Vec<f32> {
    (0..32).map(|lane| block.telemetry(lane)).flat_map(|it| [it.position, it.velocity]).flatten().collect()
}

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

/// A force `F` for one step adds `F/m · dt` to the velocity, whatever else acts.
fn is_pushed<T: TaskConfig>(config: &T) {
    let mass = config.vehicle().mass;
    let force_world = [0.5 * mass, -0.25 * mass, mass];
    let interference = Interference { force_world, ..Interference::default() };
    let (still, pushed) = (flown(config, Interference::default(), 1), flown(config, interference, 1));
    for (still, pushed) in still.chunks(6).zip(pushed.chunks(6)) {
        for axis in 0..3 {
            let expected = force_world[axis] / mass * config.control_period();
            let found = f64::from(pushed[3 + axis] - still[3 + axis]);
            // Velocities are below 2 m/s, so their difference is exact to some 1e-7.
            assert!((found - expected).abs() < 1e-6, "axis {axis}: {found} against {expected}");
        }
    }
}

/// Where mass, moment of inertia, thrust and outer force are all scaled alike, nothing moves differently.
fn is_scaled<T: TaskConfig>(config: &T) {
    let force = [0.2 * config.vehicle().mass, 0.0, 0.0];
    let interference = |factor: f64| Interference {
        force_world: force.map(|it| factor * it),
        mass_factor: factor,
        rotor_efficiency: [factor; 4],
    };
    let (whole, half) = (flown(config, interference(1.0), 20), flown(config, interference(0.5), 20));
    // A factor of one half is exact in binary.
    assert_eq!(whole, half);
    let heavy = flown(config, Interference { mass_factor: 2.0, ..interference(1.0) }, 20);
    assert!(largest_difference(&whole, &heavy) > 0.1, "twice the mass must fall");
}

#[test]
fn a_force_accelerates_by_its_share_of_the_mass() {
    is_pushed(&PointConfig::default());
    is_pushed(&RaptorConfig::default());
}

#[test]
fn scaling_mass_thrust_and_force_alike_moves_nothing_differently() {
    is_scaled(&PointConfig::default());
    is_scaled(&RaptorConfig::default());
}

#[test]
fn a_weak_motor_lets_its_corner_down() {
    // Motor order of the point task: front left. Without it the vehicle rolls left and pitches forward.
    let config = PointConfig { train_or_play: false, ..PointConfig::default() };
    let mut env = config.make(1, SEED);
    let block = &mut env.blocks()[0];
    block.reset(1);
    block.interfere(Interference { rotor_efficiency: [0.5, 1.0, 1.0, 1.0], ..Interference::default() });
    for _ in 0..10 {
        block.step(&[Row::splat(-0.3); 4]);
    }
    let [w, x, y, _] = block.telemetry(0).orientation;
    assert!(w * x < -1e-3 && w * y > 1e-3, "roll {x}, pitch {y}");
}

#[test]
fn it_lasts_until_it_is_taken_back() {
    let config = PointConfig { train_or_play: false, ..PointConfig::default() };
    let steps = |interference: &[Interference]| {
        let mut env = config.make(1, SEED);
        let block = &mut env.blocks()[0];
        block.reset(1);
        for interference in interference {
            block.interfere(*interference);
        }
        block.reset(1);
        block.step(&[Row::splat(0.0); 4]);
        moved(block.as_ref())
    };
    let pushes = Interference { force_world: [0.1, 0.0, 0.0], ..Interference::default() };
    assert_ne!(steps(&[]), steps(&[pushes]));
    assert_eq!(steps(&[]), steps(&[pushes, Interference::default()]));
}
