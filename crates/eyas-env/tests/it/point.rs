//! The point task does what its documentation says.

use eyas_env::{Cause, EnvBlock, PointConfig, TaskConfig as _, VecEnv};
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_sim::Body;

/// Every episode starts at rest, its target stays, and no time runs out.
fn at_rest() -> PointConfig {
    PointConfig { train_or_play: false, prob_null_trajectory: 1.0, ..PointConfig::default() }
}

fn started(config: &PointConfig, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
    let mut env = config.make(num_envs, seed);
    for block in env.blocks() {
        block.reset(u32::MAX);
    }
    env
}

fn observe(block: &dyn EnvBlock) -> Vec<Row> {
    let mut observation = vec![Row::ZERO; 26];
    block.observe(&mut observation);
    observation
}

#[test]
fn vertical_flight_is_that_of_the_written_formulas() {
    let mut env = started(&at_rest(), 1, 0);
    let block = &mut env.blocks()[0];
    let (dt, mass, gravity) = (0.01, 0.0282, 9.81);
    let rpm = std::f64::consts::TAU / 60.0;
    let (slowest, fastest) = (1200.0 * rpm, 24_000.0 * rpm);
    let (mut height, mut velocity, mut speed, mut last) = (0.0_f64, 0.0_f64, 0.0_f64, 0.0_f64);
    for step in 0..150 {
        let observation = observe(block.as_ref());
        for (feature, expected) in
            [(2, height), (3, 1.0), (14, velocity), (18, last), (22, (speed - slowest) / (fastest - slowest))]
        {
            let found = f64::from(observation[feature][0]);
            assert!(
                (found - expected).abs() < 2e-5,
                "step {step}, feature {feature}: {found} against {expected}"
            );
        }
        // Beyond the range now and then: the task clamps.
        let action = 1.3 * (0.07 * f64::from(step)).sin() - 0.2;
        let set_point = 0.5 * (action.clamp(-1.0, 1.0) + 1.0);
        speed += (slowest + set_point * (fastest - slowest) - speed) / 6.0;
        let thrust = 9.960_631_25e-8 * speed * speed - 2.550_030_87e-5 * speed + 5.844_226_91e-3;
        let acceleration = 4.0 * thrust / mass - gravity;
        height += velocity * dt + 0.5 * acceleration * dt * dt;
        velocity += acceleration * dt;
        let outcome = block.step(&[Row::splat(action as f32); 4]);
        let expected = 1.5 - height.abs() - 2.0 * (set_point - last).abs();
        let crashed = velocity.abs() > 4.0;
        assert_eq!(outcome.terminated & 1 == 1, crashed, "step {step} at {velocity} m/s");
        if crashed {
            assert!(outcome.reward[0] < -98.0);
            return;
        }
        let found = f64::from(outcome.reward[0]);
        assert!((found - expected).abs() < 2e-5, "step {step}: reward {found} against {expected}");
        last = set_point;
    }
    panic!("the flight must end by its speed");
}

#[test]
fn each_motor_turns_the_vehicle_to_the_side_away_from_it() {
    // Motor order front left, front right, back right, back left: signs of roll, pitch and yaw rates.
    let signs = [[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [1.0, 1.0, -1.0]];
    for (motor, signs) in signs.iter().enumerate() {
        let mut env = started(&at_rest(), 1, 0);
        let block = &mut env.blocks()[0];
        let mut action = [Row::splat(-0.3); 4];
        action[motor] = Row::splat(0.0);
        for _ in 0..3 {
            block.step(&action);
        }
        let observation = observe(block.as_ref());
        for axis in 0..3 {
            let rate = observation[15 + axis][0];
            assert!(rate * signs[axis] > 0.0, "motor {motor}, axis {axis}: {rate} rad/s");
        }
    }
}

#[test]
fn mirrored_actions_fly_mirrored_flights() {
    let commands = Stream::new(4, "commands");
    let spec = at_rest().spec();
    assert_eq!(spec.symmetries.len(), 3);
    for symmetry in &spec.symmetries {
        let (mut plain, mut mirrored) = (started(&at_rest(), 1, 0), started(&at_rest(), 1, 0));
        for step in 0..40 {
            let action: Vec<Row> =
                commands.normals([step, 0, 0, 0]).iter().map(|it| Row::splat(0.1 * it - 0.3)).collect();
            let other: Vec<Row> =
                symmetry.action.iter().map(|(source, sign)| Row::splat(sign * action[*source][0])).collect();
            let left = plain.blocks()[0].step(&action);
            let right = mirrored.blocks()[0].step(&other);
            assert!((left.reward[0] - right.reward[0]).abs() < 1e-4);
            let (left, right) = (observe(plain.blocks()[0].as_ref()), observe(mirrored.blocks()[0].as_ref()));
            for (feature, (source, sign)) in symmetry.observation.iter().enumerate() {
                let (expected, found) = (sign * left[*source][0], right[feature][0]);
                assert!(
                    (expected - found).abs() < 1e-4,
                    "step {step}, feature {feature}: {found}, {expected}"
                );
            }
        }
    }
}

#[test]
fn time_runs_out_one_step_before_the_length_and_is_no_termination() {
    let config = PointConfig { episode_length_s: 0.05, prob_perfect_start: 1.0, ..PointConfig::default() };
    let mut env = started(&config, 1, 3);
    assert_eq!(env.spec().max_episode_length, 5);
    let block = &mut env.blocks()[0];
    let outcomes: Vec<_> = (0..6).map(|_| block.step(&[Row::splat(-0.3); 4])).collect();
    let truncated: Vec<bool> = outcomes.iter().map(|it| it.truncated & 1 == 1).collect();
    assert_eq!(truncated, [false, false, false, true, false, false]);
    assert!(outcomes.iter().all(|it| it.terminated & 1 == 0));
    let episode = block.episode(0);
    assert_eq!((episode.length, episode.cause), (4, Cause { bits: Cause::TIME_OUT }));
    // Frozen since: nothing is earned any more.
    assert!(outcomes[4].reward[0].abs() < f32::EPSILON);
    let flown: f32 = outcomes.iter().map(|it| it.reward[0]).sum();
    assert!((flown - episode.episode_return).abs() < 1e-5);
}

#[test]
fn tipping_over_is_a_termination_with_its_cause() {
    let mut env = started(&at_rest(), 1, 0);
    let block = &mut env.blocks()[0];
    let roll = [Row::splat(0.2), Row::splat(-0.8), Row::splat(-0.8), Row::splat(0.2)];
    let steps = (0..200).take_while(|_| block.step(&roll).terminated & 1 == 0).count();
    let cause = block.episode(0).cause;
    assert!(steps < 60 && cause.is_terminated(), "{steps} steps, {cause:?}");
    let names = env.spec().terminations.clone();
    let bit = |name: &str| 1 << names.iter().position(|it| *it == name).unwrap();
    assert!(cause.bits & (bit("died_tilt") | bit("died_ang_vel")) != 0, "{cause:?}");
}

#[test]
fn the_limit_of_the_tilt_is_where_it_is_set() {
    // Leaned over about the roll axis by so many degrees.
    let dies = |tilt: f64, degrees: f64| {
        let mut config = at_rest();
        config.thresholds.tilt = tilt;
        let mut env = started(&config, 1, 0);
        let block = &mut env.blocks()[0];
        let (sine, cosine) = (0.5 * degrees.to_radians()).sin_cos();
        let orientation = [cosine, sine, 0.0, 0.0].map(|it| it as f32);
        block.put(0, &Body { orientation, ..Body::at_rest() });
        block.step(&[Row::splat(-1.0); 4]).terminated & 1 == 1
    };
    let right_angle = PointConfig::default().thresholds.tilt;
    assert_eq!([dies(right_angle, 89.0), dies(right_angle, 91.0)], [false, true]);
    assert_eq!([dies(2.0, 114.0), dies(2.0, 116.0), dies(1.0, 58.0)], [false, true, true]);
    assert_eq!([dies(3.1, 180.0), dies(std::f64::consts::PI, 180.0)], [true, false]);
}

#[test]
fn starts_lie_in_their_documented_ranges() {
    let mut env = started(&PointConfig::default(), 4096, 11);
    let (mut rest, mut moving) = (0, 0);
    for block in env.blocks() {
        for lane in 0..BLOCK {
            let state = block.telemetry(lane);
            let norm = |v: [f32; 3]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!(norm(state.position) <= 0.438_41 && norm(state.velocity) <= 1.000_1);
            let [_, x, y, _] = state.orientation;
            assert!(1.0 - 2.0 * (x * x + y * y) >= -1e-6, "no start is tilted beyond 90°");
            rest += u32::from(norm(state.position) == 0.0);
            moving += u32::from(state.is_moving_target);
        }
    }
    // Five standard deviations of binomial counts with shares 0.1 and 0.5.
    assert!((rest as f32 - 409.6).abs() < 96.0, "{rest} of 4096 start at rest");
    assert!((moving as f32 - 2048.0).abs() < 160.0, "{moving} of 4096 targets move");
}

#[test]
fn a_reset_leaves_other_envs_untouched() {
    let mut env = started(&PointConfig::default(), 32, 5);
    let block = &mut env.blocks()[0];
    for _ in 0..3 {
        block.step(&[Row::splat(-0.3); 4]);
    }
    let before = observe(block.as_ref());
    block.reset(1 << 7);
    let after = observe(block.as_ref());
    for (before, after) in before.iter().zip(&after) {
        for lane in (0..BLOCK).filter(|lane| *lane != 7) {
            assert_eq!(before[lane].to_bits(), after[lane].to_bits());
        }
    }
    assert!(before.iter().zip(&after).any(|(before, after)| before[7].to_bits() != after[7].to_bits()));
}

#[test]
fn an_env_flies_alike_whatever_its_number_of_neighbours() {
    let fly = |num_envs: usize| -> Vec<u32> {
        let mut env = started(&PointConfig::default(), num_envs, 9);
        let block = &mut env.blocks()[1];
        (0..100)
            .flat_map(|_| {
                let outcome = block.step(&[Row::splat(-0.3); 4]);
                block.reset(outcome.terminated | outcome.truncated);
                observe(block.as_ref()).iter().map(|row| row[3].to_bits()).collect::<Vec<_>>()
            })
            .collect()
    };
    assert_eq!(fly(64), fly(1000));
}

#[test]
fn episodes_of_one_number_are_the_same_flight() {
    let mut env = started(&PointConfig::default(), 32, 2);
    let block = &mut env.blocks()[0];
    block.set_next_episode(4, 17);
    block.reset(1 << 4);
    let first = observe(block.as_ref()).iter().map(|row| row[4].to_bits()).collect::<Vec<_>>();
    block.reset(1 << 4);
    let next = observe(block.as_ref()).iter().map(|row| row[4].to_bits()).collect::<Vec<_>>();
    block.set_next_episode(4, 17);
    block.reset(1 << 4);
    let again = observe(block.as_ref()).iter().map(|row| row[4].to_bits()).collect::<Vec<_>>();
    assert_ne!(first, next);
    assert_eq!(first, again);
}

/// Whatever has happened to a block, its saved state makes another one fly on like it, to the bit.
#[test]
fn a_saved_state_is_all_that_a_block_goes_on_from() {
    let config = PointConfig { episode_length_s: 0.5, ..PointConfig::default() };
    let commands = Stream::new(9, "commands");
    let fly = |block: &mut dyn EnvBlock, step: u32| {
        let action = commands.normals([step, 0, 0, 0]).map(|it| Row::splat(0.3 * it));
        let outcome = block.step(&action);
        // Some ended episodes wait for a while.
        block.reset((outcome.terminated | outcome.truncated) & 0x5555_5555);
        outcome
    };
    let mut env = started(&config, BLOCK, 3);
    let block = env.blocks()[0].as_mut();
    block.set_age(7, 20);
    for step in 0..70 {
        fly(block, step);
    }
    let mut state = Vec::new();
    block.visit_state(&mut |word| state.push(*word));
    assert_ne!(block.ended(), 0, "an ended episode is part of what is saved");

    let mut other = started(&config, BLOCK, 3);
    let other = other.blocks()[0].as_mut();
    let mut words = state.iter();
    other.visit_state(&mut |word| *word = *words.next().unwrap());
    assert_eq!(words.len(), 0);
    for step in 70..140 {
        assert_eq!(fly(block, step), fly(other, step), "step {step}");
        assert_eq!(observe(block), observe(other), "step {step}");
    }
    for lane in 0..BLOCK {
        assert_eq!(block.episode(lane), other.episode(lane));
        assert_eq!(block.telemetry(lane), other.telemetry(lane));
    }
}
