//! Events do what they say, when they say it.

use eyas_env::{EnvBlock, ManagerConfig};
use eyas_lanes::Row;

use super::{ACTIONS, REWARDS, STATE, actions, near, observed, started, task};

fn file(event: &str) -> String {
    format!("{ACTIONS}{REWARDS}{STATE}events: {{it: {event}}}\n")
}

/// A vehicle in empty space, whose rotors push with 1 N each however fast they turn, if they are to.
fn floating(event: &str, thrust: f64) -> ManagerConfig {
    let mut config = task(&file(event));
    config.robot.gravity = [0.0; 3];
    config.robot.rotor_thrust_coefficients = [[thrust, 0.0, 0.0]; 4];
    config
}

/// Speeds along z after one step.
fn climbs(block: &mut dyn EnvBlock) -> Vec<f64> {
    block.step(&[Row::ZERO; 4]);
    observed(block, 25).iter().map(|seen| seen[9]).collect()
}

#[track_caller]
fn spread(values: &[f64], low: f64, high: f64) {
    let (least, most) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), it| (a.min(*it), b.max(*it)));
    let slack = 1e-5 * (1.0 + high.abs());
    assert!(least >= low - slack && most <= high + slack, "[{least}, {most}] is not in [{low}, {high}]");
    // 32 uniform draws leave less than a third of the range uncovered on a side, but for one time in 10⁵.
    let width = high - low;
    assert!(least < low + 0.33 * width && most > high - 0.33 * width, "[{least}, {most}] of [{low}, {high}]");
}

#[test]
fn a_start_in_a_box_fills_it() {
    let event = "{func: reset_root_state_uniform, params: {x: [1, 2], y: [-3, -2], z: [0, 4], vx: [-1, 1], \
        vy: [2, 3], vz: [0, 0], wx: [1, 5], wy: [-2, -1], wz: [0, 9], yaw: [-1, 1]}}";
    let mut env = started(&task(&file(event)), 32, 3);
    let seen = observed(env.blocks()[0].as_ref(), 25);
    let feature = |index: usize| seen.iter().map(|it| it[index]).collect::<Vec<_>>();
    let limits =
        [(0, 1.0, 2.0), (1, -3.0, -2.0), (2, 0.0, 4.0), (7, -1.0, 1.0), (8, 2.0, 3.0), (10, 1.0, 5.0)];
    for (index, low, high) in limits.into_iter().chain([(11, -2.0, -1.0), (12, 0.0, 9.0)]) {
        spread(&feature(index), low, high);
    }
    let yaws: Vec<f64> = seen.iter().map(|it| 2.0 * it[6].atan2(it[3])).collect();
    spread(&yaws, -1.0, 1.0);
    assert!(feature(4).iter().chain(&feature(5)).all(|it| it.abs() < 1e-6), "no roll and no pitch");
}

#[test]
fn rotors_start_in_their_share_of_the_range() {
    let mut env = started(&task(&file("{func: reset_rotor_speeds, params: {share: [0.25, 0.5]}}")), 32, 3);
    let seen = observed(env.blocks()[0].as_ref(), 25);
    for motor in 0..4 {
        spread(&seen.iter().map(|it| it[21 + motor]).collect::<Vec<_>>(), 0.25, 0.5);
    }
}

#[test]
fn mass_divides_what_rotors_push_with() {
    for (operation, range, low, high) in [
        ("scale", [0.5, 2.0], 0.5, 2.0),
        ("add", [-0.0141, 0.0282], 0.5, 2.0),
        ("abs", [0.0141, 0.0564], 0.5, 2.0),
    ] {
        let event = format!(
            "{{func: randomize_rigid_body_mass, mode: startup, params: {{operation: {operation}, \
            mass_distribution_params: {range:?}}}}}"
        );
        let mut env = started(&floating(&event, 0.01), 32, 3);
        let block = env.blocks()[0].as_mut();
        let factors: Vec<f64> = climbs(block).iter().map(|it| 0.01 * 0.04 / 0.0282 / it).collect();
        spread(&factors, low, high);
        // What startup did outlives resets.
        block.reset(u32::MAX);
        let again: Vec<f64> = climbs(block).iter().map(|it| 0.01 * 0.04 / 0.0282 / it).collect();
        assert_eq!(factors, again, "{operation}");
    }
}

#[test]
fn a_new_episode_draws_a_new_vehicle() {
    let event = "{func: randomize_rigid_body_mass, params: {mass_distribution_params: [0.5, 2.0]}}";
    let mut env = started(&floating(event, 0.01), 32, 3);
    let block = env.blocks()[0].as_mut();
    let first = climbs(block);
    block.reset(0xffff);
    let next = climbs(block);
    assert!((0..16).all(|lane| first[lane] != next[lane]));
    for lane in 16..32 {
        near(next[lane], 2.0 * first[lane], "another lane flies on with its vehicle");
    }
}

#[test]
fn inertia_divides_torques_and_thrust_multiplies_them() {
    let push = "push: {func: apply_external_force_torque, params: {torque_range: [1.0e-4, 1.0e-4]}}";
    for (recompute, expected) in [
        ("{func: randomize_rigid_body_inertia}", [0.8, 1.2]),
        ("{func: randomize_rigid_body_mass, params: {recompute_inertia: false}}", [1.0, 1.0]),
    ] {
        let yaml = file(recompute).replace("events: {", &format!("events: {{{push}, "));
        let mut config = task(&yaml);
        config.robot.rotor_thrust_coefficients = [[0.0; 3]; 4];
        let mut env = started(&config, 32, 3);
        let block = env.blocks()[0].as_mut();
        block.step(&[Row::ZERO; 4]);
        let factors = |axis: usize, inertia: f64| -> Vec<f64> {
            observed(block, 25).iter().map(|it| 0.01 * 1e-4 / inertia / it[10 + axis]).collect()
        };
        for (axis, inertia) in [2.448_64e-5, 2.448_64e-5, 3.615_04e-5].into_iter().enumerate() {
            let found = factors(axis, inertia);
            // The gyroscopic torque of a step's spin.
            assert!(
                found.iter().all(|it| (expected[0] - 5e-3..=expected[1] + 5e-3).contains(it)),
                "{found:?}"
            );
            assert!(expected[0] == expected[1] || (found[0] - found[1]).abs() > 1e-3);
        }
    }
    let event = "{func: randomize_thrust_curve, params: {thrust_distribution_params: [0.5, 0.9]}}";
    let mut env = started(&floating(event, 0.01), 32, 3);
    let factors: Vec<f64> =
        climbs(env.blocks()[0].as_mut()).iter().map(|it| it / (0.01 * 0.04 / 0.0282)).collect();
    spread(&factors, 0.5, 0.9);
    // Equal rotors do not turn the vehicle, different ones do.
    let turns = |event: &str| {
        let mut env = started(&floating(event, 0.01), 32, 3);
        let block = env.blocks()[0].as_mut();
        block.step(&[Row::ZERO; 4]);
        observed(block, 25).iter().map(|it| it[10].abs() + it[11].abs()).sum::<f64>()
    };
    assert!(turns(event) < 1e-4);
    assert!(turns(&event.replace("params: {", "params: {per_rotor: true, ")) > 1.0);
}

#[test]
fn the_lag_of_motors_is_a_factor_of_the_vehicles() {
    let event = "{func: randomize_motor_lag, params: {time_constant_distribution_params: [0.5, 2.0]}}";
    let mut env = started(&task(&file(event)), 32, 3);
    let block = env.blocks()[0].as_mut();
    block.step(&[Row::splat(1.0); 4]);
    let rpm = std::f64::consts::TAU / 60.0;
    let (slowest, fastest) = (1200.0 * rpm, 24_000.0 * rpm);
    let factors: Vec<f64> = observed(block, 25)
        .iter()
        .map(|seen| {
            // Of (M8): α = dt / (dt + τ) of the way from rest.
            let alpha = (slowest + seen[21] * (fastest - slowest)) / fastest;
            (0.01 / alpha - 0.01) / 0.05
        })
        .collect();
    spread(&factors, 0.5, 2.0);
}

#[test]
fn pushes_come_at_intervals_and_change_velocities_by_their_range() {
    let event = "{func: push_by_setting_velocity, mode: interval, interval_range_s: [0.1, 0.2], \
        params: {x: [1, 2], yaw: [-4, -3]}}";
    let mut env = started(&floating(event, 0.0), 32, 3);
    let block = env.blocks()[0].as_mut();
    let mut before = observed(block, 25);
    let (mut since, mut pushes) = ([0; 32], Vec::new());
    for step in 0..100 {
        block.step(&actions(step));
        let now = observed(block, 25);
        for lane in 0..32 {
            since[lane] += 1;
            let change = now[lane][7] - before[lane][7];
            if change != 0.0 {
                assert!((10..=20).contains(&since[lane]), "after {} steps", since[lane]);
                since[lane] = 0;
                pushes.push(change);
                let turn = now[lane][12] - before[lane][12];
                assert!((-4.001..=-2.999).contains(&turn), "{turn}");
            }
        }
        before = now;
    }
    spread(&pushes[..32], 1.0, 2.0);
    // 1 s over 0.15 s, for each of 32.
    assert!((170..=260).contains(&pushes.len()), "{}", pushes.len());
}

#[test]
fn a_force_lasts_for_the_episode_and_ends_with_it() {
    let event = "{func: apply_external_force_torque, mode: interval, interval_range_s: [0.05, 0.05], \
        params: {force_range: [0.0282, 0.0282]}}";
    let mut env = started(&floating(event, 0.0), 32, 3);
    let block = env.blocks()[0].as_mut();
    let climb = |block: &mut dyn EnvBlock| {
        block.step(&[Row::ZERO; 4]);
        observed(block, 25)[3][7..10].to_vec()
    };
    for _ in 0..5 {
        assert_eq!(climb(block), [0.0; 3]);
    }
    for step in 1..20 {
        for velocity in climb(block) {
            near(velocity, 0.01 * f64::from(step), "1 m/s² along each axis");
        }
    }
    block.reset(1 << 3);
    assert_eq!(climb(block), [0.0; 3]);
}

#[test]
fn wind_drags_vehicles_along_until_they_are_as_fast() {
    let event = "{func: wind, params: {speed: [2, 2], drag: [0.0282, 0.0282]}}";
    let mut env = started(&floating(event, 0.0), 32, 3);
    let block = env.blocks()[0].as_mut();
    block.step(&[Row::ZERO; 4]);
    let speed = |seen: &[f64]| (seen[7].powi(2) + seen[8].powi(2)).sqrt();
    for seen in observed(block, 25) {
        // Drag over mass is 1/s: Euler's step of 0.01 s.
        near(speed(&seen), 0.02, "after a step");
        near(seen[9], 0.0, "the wind is horizontal");
    }
    for _ in 0..999 {
        block.step(&[Row::ZERO; 4]);
    }
    let seen = observed(block, 25);
    for seen in &seen {
        near(speed(seen), 2.0 * (1.0 - 0.99_f64.powi(1000)), "after 10 s");
    }
    let directions: Vec<f64> = seen.iter().map(|it| it[8].atan2(it[7])).collect();
    spread(&directions, -std::f64::consts::PI, std::f64::consts::PI);
}

#[test]
fn play_has_the_vehicles_of_startup_and_nothing_else() {
    let events = "events:
  mass: {func: randomize_rigid_body_mass, mode: startup, params: {mass_distribution_params: [2.0, 2.0]}}
  start: {func: reset_root_state_uniform, params: {x: [1, 1]}}
  push: {func: push_by_setting_velocity, mode: interval, interval_range_s: [0.01, 0.01], params: {x: [1, 1]}}
";
    let mut config = task(&format!("train_or_play: false\n{ACTIONS}{REWARDS}{STATE}{events}"));
    config.robot.gravity = [0.0; 3];
    config.robot.rotor_thrust_coefficients = [[0.01, 0.0, 0.0]; 4];
    let mut env = started(&config, 32, 3);
    let block = env.blocks()[0].as_mut();
    assert!(climbs(block).iter().all(|it| (it - 0.5 * 0.01 * 0.04 / 0.0282).abs() < 1e-6));
    let seen = observed(block, 25);
    assert!(seen.iter().all(|it| it[0].abs() < 1e-6 && it[7].abs() < 1e-6));
}

#[test]
fn an_interference_comes_on_top_and_goes_again() {
    let event = "{func: randomize_rigid_body_mass, params: {mass_distribution_params: [2.0, 2.0]}}";
    let mut env = started(&floating(event, 0.01), 32, 3);
    let block = env.blocks()[0].as_mut();
    let own = climbs(block)[0];
    let heavier = eyas_env::Perturbation { mass_factor: Row::splat(2.0), ..Default::default() };
    block.perturb(heavier);
    block.reset(u32::MAX);
    near(climbs(block)[0], 0.5 * own, "twice the mass");
    block.perturb(eyas_env::Perturbation::default());
    block.reset(u32::MAX);
    near(climbs(block)[0], own, "as ever");
}
