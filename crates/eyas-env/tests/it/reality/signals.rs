//! Delays and errors of what is commanded and measured.

use eyas_env::{
    Observation, PointConfig, RaptorConfig, RealityConfig, SignalDelays, SignalErrors, TaskConfig,
};
use eyas_lanes::{BLOCK, Row};

use super::{everywhere, hovering, is_near, observe, started};

/// Another one for each step.
fn action(step: i32) -> [Row; 4] {
    let step = step.max(0) as f32;
    [0.3, 0.31, 0.29, 0.3].map(|base: f32| Row::splat(base + 0.1 * (0.9 * step).sin()))
}

/// What there is to see of a flight, less the actions: they are shown as they were given.
fn states<T: TaskConfig>(config: &T, actions: impl Fn(i32) -> [Row; 4]) -> Vec<Vec<Row>> {
    config.validate().unwrap();
    let mut env = config.make(BLOCK, 11);
    let block = &mut env.blocks()[0];
    block.reset(u32::MAX);
    let fly = |step: i32| {
        let mut seen = vec![Row::ZERO; 26];
        block.observe(&mut seen);
        block.step(&actions(step));
        seen.drain(18..22);
        seen
    };
    (0..40).map(fly).collect()
}

fn late_actions<T: TaskConfig>(config: impl Fn(RealityConfig) -> T) {
    let delayed = |span| config(RealityConfig { action_delay_steps: span, ..RealityConfig::default() });
    let delays: Vec<_> = (0..=5).map(|delay| states(&delayed([0; 2]), |step| action(step - delay))).collect();
    assert_eq!(states(&delayed([3; 2]), action), delays[3]);
    let mixed = states(&delayed([0, 5]), action);
    let mut seen = [0; 6];
    for lane in 0..BLOCK {
        let is_as = |other: &Vec<Vec<Row>>| {
            let rows = mixed.iter().flatten().zip(other.iter().flatten());
            rows.into_iter().all(|(a, b)| a[lane] == b[lane])
        };
        let delay = delays.iter().position(is_as);
        seen[delay.unwrap_or_else(|| panic!("lane {lane} flies with none of the delays"))] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn a_late_action_is_that_of_so_many_steps_before() {
    late_actions(|reality| RaptorConfig { reality, ..hovering(RealityConfig::default()) });
    late_actions(|reality| PointConfig { reality, train_or_play: false, ..PointConfig::default() });
}

/// Rewards and observations know an action as it was given.
#[test]
fn an_action_is_shown_when_it_is_given_not_when_it_acts() {
    let config = hovering(RealityConfig { action_delay_steps: [7; 2], ..RealityConfig::default() });
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    for step in 0..5 {
        block.step(&action(step));
        let seen = observe(block.as_ref());
        for motor in 0..4 {
            assert_eq!(seen[18 + motor][0], action(step)[motor][0]);
        }
    }
}

#[test]
fn each_signal_is_late_by_itself() {
    let mut base = RaptorConfig { observation: Observation::Absolute, ..hovering(RealityConfig::default()) };
    base.init.guidance = 0.0;
    // Of the group `policy`: position, rotation matrix, velocity, angular velocity.
    let signals = [0..3, 12..15, 3..12, 15..18];
    for (signal, late) in signals.iter().enumerate() {
        let delay = 1 + 2 * signal as u32;
        let mut spans = [[0; 2]; 4];
        spans[signal] = [delay; 2];
        let [position_steps, velocity_steps, attitude_steps, angular_velocity_steps] = spans;
        let observation_delay =
            SignalDelays { position_steps, velocity_steps, attitude_steps, angular_velocity_steps };
        let mut config = base.clone();
        config.reality.observation_delay = observation_delay;
        let (mut plain, mut delayed) = (started(&base, BLOCK, 4), started(&config, BLOCK, 4));
        let (mut past, mut starts) = (Vec::new(), [0; BLOCK]);
        for step in 0..40_usize {
            if step == 25 {
                // Other episodes begin while some fly on.
                for env in [&mut plain, &mut delayed] {
                    env.blocks()[0].reset(0xff);
                }
                starts[..8].fill(step);
            }
            let mut observations = [vec![Row::ZERO; 48], vec![Row::ZERO; 48]];
            for (env, observation) in [&mut plain, &mut delayed].into_iter().zip(&mut observations) {
                env.blocks()[0].observe(observation);
                env.blocks()[0].step(&action(step as i32));
            }
            let [truth, seen] = observations;
            past.push(truth);
            for lane in 0..BLOCK {
                let then = starts[lane].max(step.saturating_sub(delay as usize));
                for feature in 0..22 {
                    let time = if late.contains(&feature) { then } else { step };
                    assert_eq!(
                        seen[feature][lane], past[time][feature][lane],
                        "signal {signal}, step {step}, lane {lane}, feature {feature}"
                    );
                }
            }
        }
    }
}

/// What is measured of a vehicle at rest, level at the origin, is the error.
fn errors(reality: RealityConfig, num_envs: usize, steps: usize, episodes: usize) -> Vec<Vec<[f64; 12]>> {
    let mut config = hovering(reality);
    // Nothing moves it.
    config.robot.gravity = [0.0; 3];
    config.robot.rotor_thrust_coefficients = [[0.0; 3]; 4];
    let mut env = started(&config, num_envs, 17);
    let mut found = vec![Vec::new(); num_envs];
    for (index, block) in env.blocks().iter_mut().enumerate() {
        for _ in 0..episodes {
            block.reset(u32::MAX);
            for _ in 0..steps {
                let seen = observe(block.as_ref());
                assert_eq!(seen, observe(block.as_ref()), "observing changes nothing");
                for lane in 0..BLOCK {
                    let at = |feature: usize| f64::from(seen[feature][lane]);
                    // Of a small turn: R₂₁, R₀₂ and R₁₀ are the sines of its angles.
                    let attitude = [at(3 + 7), at(3 + 2), at(3 + 3)];
                    let [x, y, z] = attitude;
                    let signals =
                        [at(0), at(1), at(2), at(12), at(13), at(14), x, y, z, at(15), at(16), at(17)];
                    found[index * BLOCK + lane].push(signals);
                }
                block.step(&everywhere(0.0));
            }
        }
    }
    found
}

#[test]
fn noise_has_the_deviation_of_each_signal_and_no_memory() {
    let noise = SignalErrors {
        position_m: [0.02; 2],
        velocity_m_s: [0.1; 2],
        attitude_rad: [0.01; 2],
        angular_velocity_rad_s: [0.3; 2],
    };
    let num_envs = 256;
    let found = errors(RealityConfig { noise, ..RealityConfig::default() }, num_envs, 40, 1);
    let count = (num_envs * 40) as f64;
    for (feature, std) in [0.02, 0.1, 0.01, 0.3].into_iter().flat_map(|std| [std; 3]).enumerate() {
        let values = || found.iter().flatten().map(|it| it[feature] / std);
        is_near(values().sum::<f64>() / count, 0.0, 5.0 / count.sqrt(), "mean");
        let square = values().map(|it| it * it).sum::<f64>() / count;
        is_near(square, 1.0, 5.0 * (2.0 / count).sqrt(), &format!("variance of feature {feature}"));
        let neighbours = found
            .iter()
            .flat_map(|env| env.windows(2).map(|it| it[0][feature] * it[1][feature] / (std * std)));
        is_near(neighbours.sum::<f64>() / count, 0.0, 5.0 / count.sqrt(), "correlation of steps");
        let other = (feature + 1) % 12;
        let product = found.iter().flatten().map(|it| it[feature] * it[other]);
        let size: f64 = found.iter().flatten().map(|it| it[other].powi(2)).sum::<f64>().sqrt() * std;
        is_near(product.sum::<f64>() / size, 0.0, 5.0, "correlation of features, in deviations");
    }
}

#[test]
fn a_bias_stays_for_an_episode_and_only_for_it() {
    let bias = SignalErrors {
        position_m: [0.01, 0.03],
        velocity_m_s: [0.05; 2],
        attitude_rad: [0.0; 2],
        angular_velocity_rad_s: [0.0, 0.2],
    };
    let found = errors(RealityConfig { bias, ..RealityConfig::default() }, 64, 5, 2);
    let mut negative = 0;
    for episodes in &found {
        let [first, second] = [&episodes[..5], &episodes[5..]];
        assert!(first.iter().all(|it| *it == first[0]) && second.iter().all(|it| *it == second[0]));
        for axis in 0..3 {
            assert!((0.01..0.03).contains(&first[0][axis].abs()), "{}", first[0][axis]);
            is_near(first[0][3 + axis].abs(), 0.05, 1e-7, "a fixed size");
            is_near(first[0][6 + axis], 0.0, 0.0, "no bias of the attitude");
            assert!(first[0][9 + axis].abs() < 0.2);
            assert!(first[0][axis].to_bits() != second[0][axis].to_bits(), "another episode, another bias");
            negative += u32::from(first[0][axis] < 0.0);
        }
    }
    // Half of 192, five deviations.
    is_near(f64::from(negative), 96.0, 5.0 * 6.93, "negative biases");
}

/// All features that show one quantity err alike, and an attitude stays a rotation.
#[test]
fn errors_are_those_of_quantities_not_of_features() {
    let [small, large] = [[0.1; 2], [0.5; 2]];
    let noise = SignalErrors {
        position_m: small,
        velocity_m_s: small,
        attitude_rad: large,
        angular_velocity_rad_s: small,
    };
    let mut config = hovering(RealityConfig { noise, ..RealityConfig::default() });
    config.observation = Observation::Absolute;
    let mut env = started(&config, BLOCK, 0);
    let block = &mut env.blocks()[0];
    let mut seen = vec![Row::ZERO; 48];
    block.observe(&mut seen);
    for feature in 0..22 {
        assert_eq!(seen[feature], seen[22 + feature]);
    }
    for lane in 0..BLOCK {
        let row = |row: usize| [0, 1, 2].map(|column| f64::from(seen[3 + 3 * row + column][lane]));
        for (a, b) in [(0, 0), (0, 1), (1, 2), (2, 2)] {
            let product: f64 = row(a).iter().zip(row(b)).map(|(a, b)| a * b).sum();
            is_near(product, if a == b { 1.0 } else { 0.0 }, 1e-6, "RᵀR");
        }
    }
}

/// The seed decides, and nothing else.
#[test]
fn another_seed_is_another_reality() {
    let noise = SignalErrors { position_m: [0.1; 2], ..SignalErrors::default() };
    let config = hovering(RealityConfig { noise, ..RealityConfig::default() });
    let seen = |seed: u64| observe(started(&config, 1, seed).blocks()[0].as_ref())[0];
    assert_eq!(seen(1), seen(1));
    assert_ne!(seen(1), seen(2));
    // No env errs as another does.
    let mut values: Vec<u32> = seen(1).0.iter().map(|it| it.to_bits()).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), BLOCK);
}
