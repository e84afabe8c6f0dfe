//! Perturbation moves vehicles as mechanics says, and only then.

use eyas_env::{EnvBlock, Perturbation, PointConfig, RaptorConfig, TaskConfig};
use eyas_lanes::Row;
use eyas_sim::Body;

const SEED: u64 = 5;

/// Positions and velocities of all lanes after as many steps of an action that changes from step to step.
fn flown<T: TaskConfig>(config: &T, perturbation: Perturbation, steps: u32) -> Vec<f32> {
    let mut env = config.make(32, SEED);
    let block = &mut env.blocks()[0];
    block.reset(u32::MAX);
    block.perturb(perturbation);
    for step in 0..steps {
        let wave = 0.02 * (0.3 * f64::from(step)).sin() as f32;
        block.step(&[-0.25 + wave, -0.25, -0.25 - wave, -0.25].map(Row::splat));
    }
    moved(block.as_ref())
}

/// The same for every lane.
fn rows<const N: usize>(values: [f64; N]) -> [Row; N] {
    values.map(|value| Row::splat(value as f32))
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
    let perturbation = Perturbation { force_world: rows(force_world), ..Perturbation::default() };
    let (still, pushed) = (flown(config, Perturbation::default(), 1), flown(config, perturbation, 1));
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
    let perturbation = |factor: f64| Perturbation {
        force_world: rows(force.map(|it| factor * it)),
        mass_factor: Row::splat(factor as f32),
        rotor_efficiency: rows([factor; 4]),
        ..Perturbation::default()
    };
    let (whole, vector) = (flown(config, perturbation(1.0), 20), flown(config, perturbation(0.5), 20));
    // A factor of one half is exact in binary.
    assert_eq!(whole, vector);
    let heavy = flown(config, Perturbation { mass_factor: Row::splat(2.0), ..perturbation(1.0) }, 20);
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
    block.perturb(Perturbation { rotor_efficiency: rows([0.5, 1.0, 1.0, 1.0]), ..Perturbation::default() });
    for _ in 0..10 {
        block.step(&[Row::splat(-0.3); 4]);
    }
    let [w, x, y, _] = block.telemetry(0).orientation;
    assert!(w * x < -1e-3 && w * y > 1e-3, "roll {x}, pitch {y}");
}

#[test]
fn it_lasts_until_it_is_taken_back() {
    let config = PointConfig { train_or_play: false, ..PointConfig::default() };
    let steps = |perturbation: &[Perturbation]| {
        let mut env = config.make(1, SEED);
        let block = &mut env.blocks()[0];
        block.reset(1);
        for perturbation in perturbation {
            block.perturb(perturbation.clone());
        }
        block.reset(1);
        block.step(&[Row::splat(0.0); 4]);
        moved(block.as_ref())
    };
    let pushes = Perturbation { force_world: rows([0.1, 0.0, 0.0]), ..Perturbation::default() };
    assert_ne!(steps(&[]), steps(std::slice::from_ref(&pushes)));
    assert_eq!(steps(&[]), steps(&[pushes, Perturbation::default()]));
}

/// A payload of the vehicle's own mass halves what thrust and force add to free fall, and turns nothing.
#[test]
fn a_payload_slows_what_accelerates_but_not_what_turns() {
    let config = RaptorConfig::default();
    let mass = config.robot.mass;
    let after_a_step = |payload: f64| {
        let mut env = config.make(32, SEED);
        let block = &mut env.blocks()[0];
        block.reset(u32::MAX);
        let before: Vec<[f32; 3]> = (0..32).map(|lane| block.telemetry(lane).velocity).collect();
        let force_world = rows([0.0, 2.0 * mass, 0.0]);
        let payload = Row::splat(payload as f32);
        block.perturb(Perturbation { force_world, payload, ..Perturbation::default() });
        block.step(&[0.1, 0.3, -0.1, 0.2].map(Row::splat));
        (0..32)
            .map(|lane| (block.telemetry(lane), before[lane]))
            .map(|(it, before)| {
                ([0, 1, 2].map(|axis| f64::from(it.velocity[axis] - before[axis])), it.orientation)
            })
            .collect::<Vec<_>>()
    };
    let gained = |velocity: [f64; 3]| [velocity[0], velocity[1], velocity[2] + 9.81 * config.sim.dt];
    for ((light, turned), (heavy, turned_too)) in after_a_step(0.0).into_iter().zip(after_a_step(mass)) {
        for (light, heavy) in gained(light).into_iter().zip(gained(heavy)) {
            assert!((light - 2.0 * heavy).abs() < 2e-6, "{light} against twice {heavy}");
        }
        assert_eq!(turned, turned_too);
    }
}

#[test]
fn each_lane_is_disturbed_on_its_own() {
    let config = RaptorConfig::default();
    let mut payload = Row::ZERO;
    payload[7] = 0.01;
    let [still, loaded] = [Row::ZERO, payload]
        .map(|payload| flown(&config, Perturbation { payload, ..Perturbation::default() }, 5));
    for (lane, (still, loaded)) in still.chunks(6).zip(loaded.chunks(6)).enumerate() {
        assert_eq!(still != loaded, lane == 7, "lane {lane}");
    }
}

#[test]
fn a_vehicle_goes_on_from_where_it_is_put() {
    let body = Body {
        position: [0.3, -0.1, 0.2],
        orientation: [0.0, 1.0, 0.0, 0.0],
        velocity: [0.1, 0.2, -0.3],
        angular_velocity: [0.0; 3],
    };
    let config = RaptorConfig::default();
    let mut env = config.make(2, SEED);
    let block = &mut env.blocks()[0];
    block.reset(u32::MAX);
    let other = block.telemetry(1);
    block.put(0, &body);
    let it = block.telemetry(0);
    assert_eq!((it.position, it.velocity, it.orientation), (body.position, body.velocity, body.orientation));
    assert_eq!(block.telemetry(1), other);
    block.perturb(Perturbation { rotor_efficiency: [Row::ZERO; 4], ..Perturbation::default() });
    block.step(&[Row::ZERO; 4]);
    // Without thrust it falls, upside down or not.
    let fallen = block.telemetry(0);
    assert!((fallen.velocity[2] - (-0.3 - 0.0981)).abs() < 1e-6 && (fallen.velocity[0] - 0.1).abs() < 1e-7);
}
