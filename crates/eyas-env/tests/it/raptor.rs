//! The RAPTOR environment does what its documentation says.

use eyas_env::{
    Cause, DifferentiableTask as _, EnvBlock, InitConfig, Observation, Protocol, RaptorConfig,
    TaskConfig as _, VecEnv,
};
use eyas_lanes::{BLOCK, Row, lanes_of};
use eyas_vehicles::vehicles;

/// Starts at the origin, level and not moving, under a reference that rests.
fn at_rest() -> RaptorConfig {
    let init = InitConfig { guidance: 1.0, ..InitConfig::default() };
    RaptorConfig { init, prob_null_trajectory: 1.0, ..RaptorConfig::default() }
}

/// The same where nobody crashes however it drifts.
fn without_limits() -> RaptorConfig {
    let mut config = at_rest();
    config.termination.position_threshold = Some(1e3);
    config.termination.linear_velocity_threshold = 1e3;
    config.termination.angular_velocity_threshold = 1e3;
    config
}

fn started(config: &RaptorConfig, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
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
fn rotors_lag_and_rewards_add_up_as_the_written_formulas_say() {
    let mut env = started(&at_rest(), 1, 3);
    let block = &mut env.blocks()[0];
    let start = observe(block.as_ref());
    let mut speeds: [f64; 4] = std::array::from_fn(|motor| 0.5 * (f64::from(start[22 + motor][0]) + 1.0));
    for (motor, speed) in speeds.iter().enumerate() {
        assert!((0.0..=0.5).contains(speed), "a rotor starts at {speed}");
        // The action that would have held it.
        assert_eq!(start[18 + motor][0], start[22 + motor][0]);
    }
    let (rising, falling) = (0.055_454_545, 0.249_393_939);
    let mut last = [0.0; 4];
    for step in 0..3 {
        let action = [0.9, -0.4, 1.6][step];
        let observation = observe(block.as_ref());
        let set_point = 0.5 * (f64::clamp(action, -1.0, 1.0) + 1.0);
        for (motor, speed) in speeds.iter_mut().enumerate() {
            let found = f64::from(observation[22 + motor][0]);
            assert!((found - (2.0 * *speed - 1.0)).abs() < 1e-5, "step {step}: {found} for {speed}");
            // The exact solution of (M7), which the Runge-Kutta step meets to its fifth order.
            let constant = if set_point < *speed { falling } else { rising };
            *speed = set_point + (*speed - set_point) * f64::exp(-0.01 / constant);
        }
        let before = block.telemetry(0).position.map(f64::from);
        let outcome = block.step(&[Row::splat(action as f32); 4]);
        let change = last.iter().map(|it| (action - it) * (action - it)).sum::<f64>().sqrt();
        let distance = before.iter().map(|p| p * p).sum::<f64>().sqrt();
        let q_z = f64::from(block.telemetry(0).orientation[3]).abs();
        let expected = 1.5 - distance - 0.2 * (1.0 - q_z).acos() - change;
        // The orientation cost is that of the state before the step; at rest both are near 0.
        assert!((f64::from(outcome.reward[0]) - expected).abs() < 0.02, "{} {expected}", outcome.reward[0]);
        last = [action; 4];
    }
}

#[test]
fn starts_lie_in_their_documented_ranges() {
    for (protocol, position, angle) in
        [(Protocol::Eyas, 0.395_98, std::f64::consts::FRAC_PI_2), (Protocol::Raptor, 0.5, 1.0)]
    {
        let config = RaptorConfig { protocol, ..RaptorConfig::default() };
        let mut env = started(&config, 4096, 5);
        let (mut guided, mut farthest, mut widest, mut fastest) = (0, 0.0_f32, 0.0_f32, 0.0_f32);
        for block in env.blocks() {
            for lane in 0..BLOCK {
                let it = block.telemetry(lane);
                guided += u32::from(it.position == [0.0; 3] && it.orientation == [1.0, 0.0, 0.0, 0.0]);
                farthest = it.position.iter().fold(farthest, |most, p| most.max(p.abs()));
                fastest = it.velocity.iter().fold(fastest, |most, v| most.max(v.abs()));
                widest = widest.max(2.0 * it.orientation[0].min(1.0).acos());
                assert_eq!(it.desired_position, [0.0; 3]);
            }
        }
        // Ten times the deviation of a binomial count.
        assert!((f64::from(guided) - 409.6).abs() < 192.0, "{guided} of 4096 are guided");
        for (found, limit) in
            [(f64::from(farthest), position), (f64::from(widest), angle), (f64::from(fastest), 1.0)]
        {
            assert!(found <= limit * (1.0 + 1e-5) && found > 0.98 * limit, "{found} of {limit}");
        }
    }
}

#[test]
fn a_termination_costs_a_hundred_and_nothing_else() {
    let mut env = started(&at_rest(), BLOCK, 0);
    let block = &mut env.blocks()[0];
    // Falling: 2 m/s are reached after a fifth of a second.
    let mut before = [0.0_f32; BLOCK];
    for step in 0.. {
        assert!(step < 60, "nobody fell");
        let outcome = block.step(&[Row::splat(-1.0); 4]);
        for lane in lanes_of(outcome.terminated) {
            assert_eq!(outcome.reward[lane], -100.0);
            let ended = block.episode(lane);
            assert_eq!(ended.cause.bits, 1 << 1, "died_lin_vel");
            assert!(ended.cause.is_terminated());
            assert_eq!(ended.terms[4], -100.0);
            assert!((ended.episode_return - (before[lane] - 100.0)).abs() < 1e-3);
        }
        for lane in 0..BLOCK {
            before[lane] += outcome.reward[lane];
        }
        if block.ended() == u32::MAX {
            return;
        }
    }
}

#[test]
fn time_runs_out_after_five_seconds_and_is_no_termination() {
    let config = without_limits();
    let hover = config.hover_action()[0];
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    for step in 1..=500 {
        let outcome = block.step(&[Row::splat(hover); 4]);
        assert_eq!(outcome.truncated & 1 == 1, step == 500, "step {step}");
        assert_eq!(outcome.terminated & 1, 0);
    }
    assert_eq!(block.episode(0).cause.bits, Cause::TIME_OUT);
}

#[test]
fn every_vehicle_hovers_on_its_hover_action() {
    for vehicle in vehicles() {
        let mut config = without_limits();
        config.robot = vehicle.parameters();
        let hover = config.hover_action();
        // Rotors start at the speed that carries the vehicle.
        (config.init.min_rpm, config.init.max_rpm) = (f64::from(hover[0]), f64::from(hover[0]));
        let mut env = started(&config, 1, 1);
        let block = &mut env.blocks()[0];
        let action: Vec<Row> = hover.iter().map(|value| Row::splat(*value)).collect();
        for _ in 0..100 {
            block.step(&action);
        }
        // Thrust is rounded to f32: 1e-6 of gravity over a second.
        let it = block.telemetry(0);
        assert!(it.position[2].abs() < 1e-4 && it.velocity[2].abs() < 1e-4, "{}: {it:?}", vehicle.name);
    }
}

#[test]
fn a_random_force_pushes_each_episode_its_own_way() {
    let mut config = at_rest();
    config.disturbances.random_force.std = 0.05;
    let mut env = started(&config, 1024, 2);
    let hover = config.hover_action()[0];
    let mut sum = [0.0_f64; 2];
    let mass = config.robot.mass;
    for block in env.blocks() {
        block.step(&[Row::splat(hover); 4]);
        for lane in 0..BLOCK {
            let it = block.telemetry(lane);
            let force = f64::from(it.velocity[0]) / 0.01 * mass;
            sum[0] += force;
            sum[1] += force * force;
        }
    }
    let (mean, deviation) = (sum[0] / 1024.0, (sum[1] / 1024.0).sqrt());
    // Four standard errors.
    assert!(mean.abs() < 4.0 * 0.05 / 32.0, "mean {mean} N");
    assert!((deviation - 0.05).abs() < 4.0 * 0.05 / 45.0, "deviation {deviation} N");
}

#[test]
fn a_state_that_was_saved_goes_on_as_the_one_that_was_not() {
    let mut config = RaptorConfig { protocol: Protocol::Eyas, ..RaptorConfig::default() };
    config.observation_delay.linear_velocity = 3;
    let fly = |block: &mut Box<dyn EnvBlock>, steps: u32| {
        for step in 0..steps {
            block.step(&[Row::splat(0.4 + 0.01 * step as f32); 4]);
            let ended = block.ended();
            block.reset(ended);
        }
    };
    let bits = |block: &mut Box<dyn EnvBlock>| {
        let mut bits = Vec::new();
        block.visit_state(&mut |word| bits.push(*word));
        bits
    };
    let mut env = started(&config, BLOCK, 9);
    fly(&mut env.blocks()[0], 37);
    let saved = bits(&mut env.blocks()[0]);
    fly(&mut env.blocks()[0], 50);
    let mut other = started(&config, BLOCK, 9);
    let mut words = saved.into_iter();
    other.blocks()[0].visit_state(&mut |word| *word = words.next().unwrap());
    assert!(words.next().is_none());
    fly(&mut other.blocks()[0], 50);
    assert!(bits(&mut env.blocks()[0]) == bits(&mut other.blocks()[0]));
}

#[test]
fn a_late_velocity_is_that_of_so_many_steps_before() {
    for (delay, kind) in [
        (0, Observation::TrackingError),
        (1, Observation::TrackingError),
        (5, Observation::Absolute),
        (64, Observation::TrackingError),
    ] {
        let mut config = RaptorConfig { observation: kind, prob_null_trajectory: 0.0, ..without_limits() };
        config.init.guidance = 0.0;
        config.observation_delay.linear_velocity = delay;
        config.validate().unwrap();
        let mut env = started(&config, BLOCK, 21);
        let features = env.spec().num_observations();
        let block = &mut env.blocks()[0];
        let mut seen = vec![Row::ZERO; features];
        let mut velocities: Vec<Vec<[f32; 3]>> = vec![Vec::new(); BLOCK];
        for step in 0..150 {
            if step == 90 {
                // Another episode begins in some lanes while the others fly on.
                block.reset(0xff);
                velocities[..8].iter_mut().for_each(Vec::clear);
            }
            block.observe(&mut seen);
            for (lane, past) in velocities.iter_mut().enumerate() {
                let now = block.telemetry(lane);
                past.push(now.velocity);
                let late = past[past.len().saturating_sub(delay as usize + 1)];
                let error = |axis: usize| late[axis] - now.desired_velocity[axis];
                let teacher = if kind == Observation::Absolute { 22 + 12 } else { 12 };
                for axis in 0..3 {
                    assert_eq!(
                        seen[teacher + axis][lane],
                        error(axis),
                        "delay {delay}, step {step}, lane {lane}"
                    );
                    if kind == Observation::Absolute {
                        assert_eq!(seen[12 + axis][lane], late[axis]);
                    }
                    assert_eq!(
                        seen[teacher - 12 + axis][lane],
                        now.position[axis] - now.desired_position[axis]
                    );
                }
            }
            block.step(&[0.1, 0.3, 0.2, 0.25].map(Row::splat));
        }
    }
}

#[test]
fn a_delay_has_a_limit_and_no_gradient() {
    let mut config = RaptorConfig::default();
    assert_eq!(config.validate_gradient(), Ok(()));
    config.observation_delay.linear_velocity = 65;
    let message = config.validate().unwrap_err();
    assert_eq!(message, "`env.observation_delay.linear_velocity` = 65, expected at most 64");
    config.observation_delay.linear_velocity = 2;
    config.validate().unwrap();
    assert!(config.validate_gradient().unwrap_err().contains("expected 0"));
}
