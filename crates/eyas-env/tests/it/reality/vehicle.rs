//! Ground, battery, rotors and payload.

use eyas_env::{
    BatteryConfig, EnvBlock, GroundConfig, PayloadConfig, Perturbation, RaptorConfig, RealityConfig,
    RotorFailureConfig,
};
use eyas_lanes::{BLOCK, Row};
use eyas_sim::{Body, VehicleParameters, cross};

use super::{DT, GRAVITY, everywhere, hover, hovering, is_near, observe, started, velocity};

/// Cheeseman and Bennett (1955).
fn lift(radius: f64, height: f64) -> f64 {
    1.0 / (1.0 - (radius / (4.0 * height)).powi(2))
}

/// What a vehicle on its hover action gains in a step at a height above the ground, over what gravity takes.
fn share_of_weight_gained(radius: f64, height: f64) -> f64 {
    let ground = GroundConfig { rotor_radius_m: [radius; 2], below_spawn_m: [1.0; 2] };
    let config = hovering(RealityConfig { ground, ..RealityConfig::default() });
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    block.put(0, &Body { position: [0.0, 0.0, (height - 1.0) as f32], ..Body::at_rest() });
    block.step(&everywhere(hover(&config)));
    velocity(block.as_ref(), 0)[2] / (GRAVITY * DT)
}

#[test]
fn the_ground_lifts_by_the_formula_and_not_far_away() {
    let radius = 0.1;
    for height in [0.06, 0.1, 0.2, 0.5] {
        // The thrust of the hover action is the weight to 1e-6.
        is_near(share_of_weight_gained(radius, height), lift(radius, height) - 1.0, 1e-5, "lift");
    }
    is_near(share_of_weight_gained(radius, 20.0), 0.0, 5e-6, "lift far away");
    for height in [0.05, 0.0, -3.0] {
        is_near(share_of_weight_gained(radius, height), 1.0 / 3.0, 1e-5, "largest lift");
    }
}

#[test]
fn near_the_ground_less_throttle_carries_the_vehicle() {
    let (radius, height) = (0.1, 0.08);
    let ground = GroundConfig { rotor_radius_m: [radius; 2], below_spawn_m: [height; 2] };
    let mut config = hovering(RealityConfig { ground, ..RealityConfig::default() });
    let far = hover(&config);
    // The hover action of a vehicle as much lighter.
    let mut lighter = config.clone();
    lighter.robot.mass /= lift(radius, height);
    let near = hover(&lighter);
    assert!(near < far - 0.01, "{near} against {far}");
    (config.init.min_rpm, config.init.max_rpm) = (f64::from(near), f64::from(near));
    let mut env = started(&config, 1, 0);
    for _ in 0..100 {
        env.blocks()[0].step(&everywhere(near));
    }
    is_near(velocity(env.blocks()[0].as_ref(), 0)[2], 0.0, 1e-4, "vertical speed");
}

/// Power over that of hovering, at speeds in the observation's unit.
fn power(robot: &VehicleParameters, speeds: [f64; 4]) -> f64 {
    let range = robot.action_limit.max - robot.action_limit.min;
    let per_rotor = |rotor: usize, relative: f64| {
        let speed = robot.action_limit.min + 0.5 * (relative + 1.0) * range;
        let [a, b, c] = robot.rotor_thrust_coefficients[rotor];
        let thrust = a + speed * (b + speed * c);
        0.25 * (4.0 * thrust / robot.weight()).max(0.0).powf(1.5)
    };
    speeds.into_iter().enumerate().map(|(rotor, speed)| per_rotor(rotor, speed)).sum()
}

/// At full throttle the rotors go for the speed that the voltage lets them have, so that their speeds tell it.
#[test]
fn a_battery_sags_with_the_charge_and_the_current_that_it_gives() {
    let battery = BatteryConfig {
        hover_endurance_s: [6.0; 2],
        charge: [1.0; 2],
        voltage_slope: [0.25; 2],
        resistance: [0.06; 2],
    };
    let mut config = hovering(RealityConfig { battery, ..RealityConfig::default() });
    config.robot.rotor_time_constants_rising = [DT; 4];
    config.robot.rotor_time_constants_falling = [DT; 4];
    // What the Runge-Kutta step leaves of a difference to the set-point after one time constant: e⁻¹ to its fourth order.
    let kept = 0.5 - 1.0 / 6.0 + 1.0 / 24.0;
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    let speeds = |block: &dyn EnvBlock| {
        let observation = observe(block);
        [22, 23, 24, 25].map(|feature| f64::from(observation[feature][0]))
    };
    let (mut used, mut last) = (0.0_f64, 1.0);
    for step in 0..600 {
        let before = speeds(block.as_ref());
        let load = power(&config.robot, before);
        block.step(&everywhere(1.0));
        let set_point = (speeds(block.as_ref())[0] - kept * before[0]) / (1.0 - kept);
        let voltage = 0.5 * (set_point + 1.0);
        // Once the rotors are up to speed, until nothing is left and they slow down.
        assert!(voltage <= last + 1e-6 || step < 20 || used == 1.0, "step {step}: {voltage} after {last}");
        last = voltage;
        let current = load / voltage;
        // u = 1 − s · used − r i: what it has given is what it lacks.
        let expected = 1.0 - 0.25 * used - 0.06 * current;
        is_near(voltage, expected, 1e-5, &format!("voltage in step {step}"));
        used = (used + current * DT / 6.0).min(1.0);
    }
    assert!(used == 1.0, "it is empty at the end: {used}");
    // Empty, it gives 0.75 at rest.
    assert!(last < 0.75 && last > 0.5, "{last}");
}

#[test]
fn an_untouched_vehicle_flies_on_half_a_charge_as_on_less_throttle() {
    let battery = BatteryConfig {
        hover_endurance_s: [1e6; 2],
        charge: [0.5; 2],
        voltage_slope: [0.2; 2],
        resistance: [0.0; 2],
    };
    let config = hovering(RealityConfig { battery, ..RealityConfig::default() });
    let full = hovering(RealityConfig::default());
    // u = 0.9: an action a asks for 0.9 (a + 1) − 1.
    let action = (hover(&full) + 1.0) / 0.9 - 1.0;
    let mut env = started(&config, 1, 0);
    for _ in 0..100 {
        env.blocks()[0].step(&everywhere(action));
    }
    is_near(velocity(env.blocks()[0].as_ref(), 0)[2], 0.0, 1e-3, "vertical speed");
}

/// Rates about the body axes that a torque gives in a step from rest.
fn spun(config: &RaptorConfig, torque: [f64; 3]) -> [f64; 3] {
    let inverse = config.robot.inertia_inverse;
    [0, 1, 2].map(|axis| DT * (0..3).map(|other| inverse[axis][other] * torque[other]).sum::<f64>())
}

fn rates(block: &dyn EnvBlock, lane: usize) -> [f64; 3] {
    let observation = observe(block);
    [15, 16, 17].map(|feature| f64::from(observation[feature][lane]))
}

#[test]
fn a_rotor_that_fails_lets_its_side_down_from_then_on() {
    let rotor_failure = RotorFailureConfig { probability: 1.0, onset_s: [0.05; 2], efficiency: [0.3; 2] };
    let config = hovering(RealityConfig { rotor_failure, ..RealityConfig::default() });
    let num_envs = 1024;
    let mut env = started(&config, num_envs, 1);
    let robot = &config.robot;
    // Each rotor carries a quarter of the weight; what fails is what its thrust and its reaction gave.
    let predicted = [0, 1, 2, 3].map(|rotor| {
        let lost = -0.7 * 0.25 * robot.weight();
        let lever = cross(robot.rotor_positions[rotor], robot.rotor_thrust_directions[rotor]);
        let reaction =
            robot.rotor_torque_directions[rotor].map(|it| robot.rotor_torque_constants[rotor] * it);
        spun(&config, [0, 1, 2].map(|axis| lost * (lever[axis] + reaction[axis])))
    });
    let mut counts = [0_u32; 4];
    for block in env.blocks() {
        for _ in 0..5 {
            block.step(&everywhere(hover(&config)));
            assert!(rates(block.as_ref(), 3).iter().all(|rate| rate.abs() < 1e-6), "before the failure");
        }
        block.step(&everywhere(hover(&config)));
        for lane in 0..BLOCK {
            let found = rates(block.as_ref(), lane);
            let fits = |rates: &[f64; 3]| {
                rates.iter().zip(found).all(|(a, b)| (a - b).abs() < 2e-3 * (1.0 + a.abs()))
            };
            let rotor = predicted.iter().position(fits);
            counts[rotor.unwrap_or_else(|| panic!("{found:?} is none of {predicted:?}"))] += 1;
        }
    }
    for count in counts {
        // Five deviations of a binomial count.
        is_near(f64::from(count), 256.0, 5.0 * 14.0, "failures of a rotor");
    }
}

#[test]
fn a_failure_comes_to_as_many_episodes_as_it_should() {
    let rotor_failure = RotorFailureConfig { probability: 0.25, onset_s: [0.0; 2], efficiency: [0.0; 2] };
    let config = hovering(RealityConfig { rotor_failure, ..RealityConfig::default() });
    let mut env = started(&config, 4096, 2);
    let mut failed = 0;
    for block in env.blocks() {
        block.step(&everywhere(hover(&config)));
        failed += (0..BLOCK).filter(|lane| rates(block.as_ref(), *lane)[0].abs() > 0.1).count();
    }
    is_near(failed as f64, 1024.0, 5.0 * 27.7, "episodes with a failure");
}

#[test]
fn weak_rotors_carry_less() {
    let config = hovering(RealityConfig { rotor_efficiency: [0.9; 2], ..RealityConfig::default() });
    let mut env = started(&config, 1, 0);
    env.blocks()[0].step(&everywhere(hover(&config)));
    is_near(velocity(env.blocks()[0].as_ref(), 0)[2], -0.1 * GRAVITY * DT, 1e-6, "vertical speed");

    let config = hovering(RealityConfig { rotor_efficiency: [0.5, 1.0], ..RealityConfig::default() });
    let mut env = started(&config, 1024, 0);
    let mut sum = 0.0;
    for block in env.blocks() {
        block.step(&everywhere(hover(&config)));
        sum += (0..BLOCK).map(|lane| velocity(block.as_ref(), lane)[2]).sum::<f64>();
    }
    // A mean of four uniform numbers deviates by 0.5 / √12 / 2.
    is_near(sum / 1024.0, -0.25 * GRAVITY * DT, 5.0 * 0.0722 / 32.0 * GRAVITY * DT, "mean");
}

#[test]
fn a_payload_weighs_from_when_it_is_taken_up() {
    let mass = RaptorConfig::default().robot.mass;
    let payload =
        PayloadConfig { mass_kg: [0.25 * mass; 2], attach_s: [0.03; 2], ..PayloadConfig::default() };
    let config = hovering(RealityConfig { payload, ..RealityConfig::default() });
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    for step in 0..6 {
        let before = velocity(block.as_ref(), 0)[2];
        block.step(&everywhere(hover(&config)));
        // g − T / (m + m_p) with T = m g
        let expected = if step < 3 { 0.0 } else { -0.2 * GRAVITY * DT };
        is_near(velocity(block.as_ref(), 0)[2] - before, expected, 1e-6, &format!("step {step}"));
    }
}

/// Thrust beside the common centre of gravity turns the vehicle; gravity does not.
#[test]
fn an_offset_payload_turns_the_vehicle_about_the_common_centre_of_gravity() {
    let (load, offset) = (0.01, [0.02, -0.03, -0.05]);
    let [x, y, z] = offset.map(|it| [it; 2]);
    let payload = PayloadConfig {
        mass_kg: [load; 2],
        offset_x_m: x,
        offset_y_m: y,
        offset_z_m: z,
        ..PayloadConfig::default()
    };
    let config = hovering(RealityConfig { payload, ..RealityConfig::default() });
    let robot = &config.robot;
    let total = robot.mass + load;
    let centre = offset.map(|it| load / total * it);
    // Both bodies about the common centre: the parallel axis theorem, twice.
    let steiner = |mass: f64, at: [f64; 3], row: usize, column: usize| {
        let square = at.iter().map(|it| it * it).sum::<f64>();
        mass * (if row == column { square } else { 0.0 } - at[row] * at[column])
    };
    let beside = [0, 1, 2].map(|axis| offset[axis] - centre[axis]);
    let inertia: [[f64; 3]; 3] = std::array::from_fn(|row| {
        std::array::from_fn(|column| {
            robot.inertia[row][column]
                + steiner(robot.mass, centre, row, column)
                + steiner(load, beside, row, column)
        })
    });
    let torque = cross(centre.map(|it| -it), [0.0, 0.0, robot.weight()]);
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    block.step(&everywhere(hover(&config)));
    let turn = rates(block.as_ref(), 0).map(|rate| rate / DT);
    // J α = τ, as rates are still small: their products are below 1 % of it.
    let size = torque.iter().fold(0.0_f64, |most, it| most.max(it.abs()));
    for axis in 0..3 {
        let found: f64 = (0..3).map(|other| inertia[axis][other] * turn[other]).sum();
        is_near(found, torque[axis], 0.02 * size, "torque");
    }
    let fall = velocity(block.as_ref(), 0)[2];
    is_near(fall, -load / total * GRAVITY * DT, 0.01 * GRAVITY * DT, "vertical speed");
}

/// Someone who interferes does so with the vehicle as it is.
#[test]
fn interference_adds_to_what_happens_by_itself() {
    let mass = RaptorConfig::default().robot.mass;
    let payload = PayloadConfig { mass_kg: [mass; 2], ..PayloadConfig::default() };
    let config = hovering(RealityConfig { payload, rotor_efficiency: [0.5; 2], ..RealityConfig::default() });
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    block.step(&everywhere(hover(&config)));
    // A thrust of ½ m g on 2 m.
    is_near(velocity(block.as_ref(), 0)[2], -0.75 * GRAVITY * DT, 1e-6, "alone");
    let perturbation = Perturbation {
        force_world: [Row::ZERO, Row::splat((0.4 * mass) as f32), Row::ZERO],
        payload: Row::splat((2.0 * mass) as f32),
        rotor_efficiency: everywhere(0.5),
        ..Perturbation::default()
    };
    block.perturb(perturbation);
    let before = velocity(block.as_ref(), 0);
    block.step(&everywhere(hover(&config)));
    let after = velocity(block.as_ref(), 0);
    // ¼ m g and 0.4 m on 4 m.
    is_near(after[2] - before[2], (0.0625 - 1.0) * GRAVITY * DT, 1e-6, "together");
    is_near(after[1] - before[1], 0.1 * DT, 1e-7, "force");
}
