//! All of it together: bits, saved states, gradients and messages.

use eyas_env::{
    BatteryConfig, Derivative, DifferentiableBlock, DifferentiableTask, DirectConfig, DragConfig, EnvBlock,
    GroundConfig, GustConfig, PayloadConfig, PointConfig, RaptorConfig, RealityConfig, RotorFailureConfig,
    SignalDelays, SignalErrors, Surrogate, TaskConfig, TurbulenceConfig, WindConfig,
};
use eyas_lanes::{BLOCK, Isa, Row, force_isa};

use super::hover;

/// Everything at once, drawn anew in each episode.
fn everything() -> RealityConfig {
    RealityConfig {
        action_delay_steps: [0, 3],
        observation_delay: SignalDelays {
            position_steps: [0, 4],
            velocity_steps: [1, 2],
            attitude_steps: [0, 1],
            angular_velocity_steps: [0, 2],
        },
        noise: SignalErrors {
            position_m: [0.0, 0.01],
            velocity_m_s: [0.0, 0.05],
            attitude_rad: [0.0, 0.02],
            angular_velocity_rad_s: [0.0, 0.1],
        },
        bias: SignalErrors {
            position_m: [0.0, 0.02],
            velocity_m_s: [0.0, 0.02],
            attitude_rad: [0.0, 0.02],
            angular_velocity_rad_s: [0.0, 0.05],
        },
        drag: DragConfig {
            linear_x_n_s_m: [0.005, 0.02],
            linear_y_n_s_m: [0.005, 0.02],
            linear_z_n_s_m: [0.0, 0.01],
            quadratic_n_s2_m2: [0.0, 0.005],
        },
        wind: WindConfig {
            mean_m_s: [0.0, 2.0],
            turbulence: TurbulenceConfig { std_m_s: [0.2, 0.6], time_constant_s: [0.3, 1.0] },
            gust: GustConfig { amplitude_m_s: [1.0, 3.0], duration_s: [0.1, 0.3], rate_hz: [1.0, 5.0] },
            ..WindConfig::default()
        },
        ground: GroundConfig { rotor_radius_m: [0.02, 0.05], below_spawn_m: [0.05, 0.3] },
        battery: BatteryConfig { hover_endurance_s: [10.0, 20.0], ..BatteryConfig::default() },
        rotor_efficiency: [0.85, 1.0],
        rotor_failure: RotorFailureConfig { probability: 0.5, onset_s: [0.1, 0.4], efficiency: [0.5, 0.9] },
        payload: PayloadConfig {
            mass_kg: [0.0, 0.01],
            offset_x_m: [-0.01, 0.01],
            offset_y_m: [-0.01, 0.01],
            offset_z_m: [-0.05, 0.0],
            attach_s: [0.0, 0.3],
        },
    }
}

fn raptor(reality: RealityConfig) -> RaptorConfig {
    RaptorConfig { reality, ..RaptorConfig::default() }
}

fn direct(reality: RealityConfig) -> DirectConfig {
    DirectConfig { reality, ..DirectConfig::default() }
}

/// Everything that needs no rotors.
fn of_a_rigid_body() -> RealityConfig {
    let PayloadConfig { mass_kg, attach_s, .. } = everything().payload;
    let RealityConfig { ground, battery, rotor_efficiency, rotor_failure, .. } = RealityConfig::default();
    let payload = PayloadConfig { mass_kg, attach_s, ..PayloadConfig::default() };
    RealityConfig { ground, battery, rotor_efficiency, rotor_failure, payload, ..everything() }
}

fn point(reality: RealityConfig) -> PointConfig {
    PointConfig { reality, ..PointConfig::default() }
}

fn bits(block: &mut dyn EnvBlock) -> Vec<u32> {
    let mut bits = Vec::new();
    block.visit_state(&mut |word| bits.push(*word));
    bits
}

/// Flies on, episode after episode; what was seen last.
fn fly(block: &mut dyn EnvBlock, from: i32, steps: i32) -> Vec<Row> {
    let mut seen = vec![Row::ZERO; 26];
    for step in from..from + steps {
        let ended = block.ended();
        block.reset(ended);
        block.observe(&mut seen);
        // A clumsy actor, so that states differ from lane to lane.
        let action: Vec<Row> = (0..4)
            .map(|motor| {
                let mut row = seen[2];
                row.0.iter_mut().for_each(|z| *z = 0.3 - *z + 0.02 * (motor as f32 + step as f32).sin());
                row
            })
            .collect();
        block.step(&action);
    }
    seen
}

fn is_the_same_on_every_instruction_set<T: TaskConfig>(config: &T) {
    config.validate().unwrap();
    let flown = |isa: Isa| {
        force_isa(isa);
        let mut env = config.make(BLOCK, 5);
        let block = env.blocks()[0].as_mut();
        block.reset(u32::MAX);
        let seen = fly(block, 0, 150);
        (bits(block), seen)
    };
    let [first, others @ ..] = &Isa::available()[..] else { panic!("none is available") };
    let expected = flown(*first);
    for isa in others {
        assert!(flown(*isa) == expected, "{isa}");
    }
}

#[test]
fn all_instruction_sets_fly_the_same_reality() {
    is_the_same_on_every_instruction_set(&raptor(everything()));
    is_the_same_on_every_instruction_set(&point(everything()));
    is_the_same_on_every_instruction_set(&direct(of_a_rigid_body()));
}

fn goes_on_from_a_saved_state<T: TaskConfig>(config: &T) {
    for saved_at in [0, 1, 37] {
        let mut env = config.make(BLOCK, 9);
        let block = env.blocks()[0].as_mut();
        block.reset(u32::MAX);
        fly(block, 0, saved_at);
        let saved = bits(block);
        let seen = fly(block, saved_at, 60);
        let mut other = config.make(BLOCK, 9);
        let other = other.blocks()[0].as_mut();
        let mut words = saved.into_iter();
        other.visit_state(&mut |word| *word = words.next().unwrap());
        assert!(words.next().is_none());
        assert!(fly(other, saved_at, 60) == seen, "saved at {saved_at}");
        assert!(bits(block) == bits(other), "saved at {saved_at}");
    }
}

#[test]
fn a_state_that_was_saved_within_an_episode_goes_on_to_the_bit() {
    goes_on_from_a_saved_state(&raptor(everything()));
    goes_on_from_a_saved_state(&point(everything()));
    goes_on_from_a_saved_state(&direct(of_a_rigid_body()));
}

/// Lanes do not know of each other, so it does not matter how blocks are shared out.
#[test]
fn an_env_flies_the_same_wherever_it_stands() {
    let seen = |num_envs: usize, first: usize| {
        let mut env = raptor(everything()).make(num_envs, 7);
        let blocks = env.blocks();
        for block in blocks.iter_mut() {
            block.reset(u32::MAX);
        }
        fly(blocks[first].as_mut(), 0, 80)
    };
    assert_eq!(seen(BLOCK, 0), seen(4 * BLOCK, 0));
    assert_ne!(seen(4 * BLOCK, 0), seen(4 * BLOCK, 3));
}

/// What changes nothing changes no bit, although it goes the long way.
fn changes_nothing<T: TaskConfig>(config: impl Fn(RealityConfig) -> T) {
    let idle = RealityConfig {
        rotor_failure: RotorFailureConfig {
            probability: 1.0,
            efficiency: [1.0; 2],
            ..RotorFailureConfig::default()
        },
        // So far below that no lift is left in single precision.
        ground: GroundConfig { rotor_radius_m: [1e-3; 2], below_spawn_m: [1e3; 2] },
        ..RealityConfig::default()
    };
    assert!(!idle.is_off() && RealityConfig::default().is_off());
    let seen = |reality: RealityConfig| {
        let mut env = config(reality).make(BLOCK, 3);
        let block = env.blocks()[0].as_mut();
        block.reset(u32::MAX);
        fly(block, 0, 100)
    };
    assert_eq!(seen(RealityConfig::default()), seen(idle));
    assert_ne!(seen(RealityConfig::default()), seen(everything()));
}

#[test]
fn effects_of_size_nought_change_no_bit() {
    changes_nothing(raptor);
    changes_nothing(point);
}

/// A step's derivative with respect to what the motors are told, for a cost of the angular velocity after it.
fn action_derivative<B: DifferentiableBlock>(block: &mut B, hover: f32) -> Vec<Row> {
    let surrogate = B::Surrogate::default();
    surrogate.validate().unwrap();
    block.reset(u32::MAX);
    let mut record = B::Record::default();
    let mut action = vec![Row::splat(hover); 4];
    block.step_recorded(&action, &mut record);
    block.pull_back_step(&surrogate, &record, &mut Derivative::default(), &mut action);
    action
}

#[test]
fn the_gradient_is_that_of_the_vehicle_as_it_flies() {
    let rotor_failure = RotorFailureConfig { probability: 1.0, onset_s: [0.0; 2], efficiency: [0.0; 2] };
    let dead = RealityConfig { rotor_failure, ..RealityConfig::default() };
    let flies_without = |derivative: &[Row]| {
        for lane in 0..BLOCK {
            let dead = derivative.iter().filter(|row| row[lane] == 0.0).count();
            assert_eq!(
                dead,
                1,
                "lane {lane}: {:?}",
                derivative.iter().map(|row| row[lane]).collect::<Vec<_>>()
            );
        }
    };
    let mut config = RaptorConfig { reality: dead.clone(), ..raptor(RealityConfig::default()) };
    config.reward.d_action = 0.0;
    let hover = hover(&config);
    flies_without(&action_derivative(&mut config.differentiable_blocks(1, 2)[0], hover));
    let mut config = PointConfig { reality: dead, ..point(RealityConfig::default()) };
    config.reward_coef_d_action_cost = 0.0;
    let point_hover = config.hover_action()[0];
    flies_without(&action_derivative(&mut config.differentiable_blocks(1, 2)[0], point_hover));

    // At nine tenths of the voltage, an action that asks for the same speed moves nine tenths as much.
    let battery = BatteryConfig {
        hover_endurance_s: [1e9; 2],
        charge: [0.0; 2],
        voltage_slope: [0.1; 2],
        resistance: [0.0; 2],
    };
    let mut full = raptor(RealityConfig::default());
    full.reward.d_action = 0.0;
    let empty =
        RaptorConfig { reality: RealityConfig { battery, ..RealityConfig::default() }, ..full.clone() };
    let of_full = action_derivative(&mut full.differentiable_blocks(1, 2)[0], hover);
    let of_empty = action_derivative(&mut empty.differentiable_blocks(1, 2)[0], (hover + 1.0) / 0.9 - 1.0);
    for (full, empty) in of_full.iter().flat_map(|row| row.0).zip(of_empty.iter().flat_map(|row| row.0)) {
        assert!((empty - 0.9 * full).abs() < 1e-3 * full.abs(), "{empty} against nine tenths of {full}");
    }
}

#[test]
fn the_gradient_refuses_delays() {
    let delayed = RealityConfig { action_delay_steps: [0, 2], ..RealityConfig::default() };
    let message = point(delayed).validate_gradient().unwrap_err();
    assert!(message.starts_with("`env.reality.action_delay_steps` = [0, 2], expected [0, 0]"), "{message}");
    let mut late = raptor(RealityConfig::default());
    late.reality.observation_delay.attitude_steps = [1, 1];
    assert!(late.validate_gradient().unwrap_err().contains("observation_delay.attitude_steps` = [1, 1]"));
    let mut fine = everything();
    fine.action_delay_steps = [0; 2];
    fine.observation_delay = SignalDelays::default();
    assert_eq!(raptor(fine).validate_gradient(), Ok(()));
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let check = |change: fn(&mut RealityConfig), expected: &str| {
        let mut reality = everything();
        change(&mut reality);
        let message = raptor(reality.clone()).validate().unwrap_err();
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(point(reality).validate().unwrap_err(), message);
    };
    assert_eq!(raptor(everything()).validate(), Ok(()));
    check(
        |it| it.action_delay_steps = [0, 65],
        "`env.reality.action_delay_steps` = [0, 65], expected numbers in [0, 64]",
    );
    check(
        |it| it.drag.linear_x_n_s_m = [0.2, 0.1],
        "`env.reality.drag.linear_x_n_s_m` = [0.2, 0.1], expected two numbers in ascending order",
    );
    check(
        |it| it.noise.attitude_rad = [-0.1, 0.1],
        "`env.reality.noise.attitude_rad` = [-0.1, 0.1], expected numbers of at least 0",
    );
    check(
        |it| it.bias.position_m = [0.0, f64::NAN],
        "`env.reality.bias.position_m` = [0, NaN], expected two",
    );
    check(|it| it.drag = DragConfig::default(), "`env.reality.wind` blows without `env.reality.drag`");
    check(
        |it| it.wind.turbulence.time_constant_s = [0.0, 1.0],
        "`env.reality.wind.turbulence.time_constant_s` = [0, 1], expected positive numbers",
    );
    check(|it| it.wind.gust.duration_s = [0.0, 1.0], "`env.reality.wind.gust.duration_s` = [0, 1]");
    check(|it| it.battery.hover_endurance_s = [0.0, 9.0], "`env.reality.battery.hover_endurance_s` = [0, 9]");
    check(|it| it.rotor_efficiency = [0.5, 1.5], "`env.reality.rotor_efficiency` = [0.5, 1.5]");
    check(|it| it.rotor_failure.probability = 1.5, "`env.reality.rotor_failure.probability` = 1.5");
    check(|it| it.payload.mass_kg = [-1.0, 0.0], "`env.reality.payload.mass_kg` = [-1, 0]");

    let mut twice = raptor(RealityConfig::default());
    twice.observation_delay.linear_velocity = 2;
    twice.reality.observation_delay.velocity_steps = [1, 1];
    assert!(twice.validate().unwrap_err().contains("expected 0 beside"));
}

#[test]
fn a_vehicle_without_rotors_refuses_what_acts_on_them() {
    assert_eq!(direct(of_a_rigid_body()).validate(), Ok(()));
    let refuses = |change: fn(&mut RealityConfig), key: &str| {
        let mut reality = of_a_rigid_body();
        change(&mut reality);
        let message = direct(reality).validate().unwrap_err();
        assert!(
            message.starts_with(&format!("`env.reality.{key}` is set, expected its default")),
            "{message}"
        );
    };
    refuses(|it| it.ground.rotor_radius_m = [0.1; 2], "ground.rotor_radius_m");
    refuses(|it| it.battery.hover_endurance_s = [9.0; 2], "battery.hover_endurance_s");
    refuses(|it| it.rotor_efficiency = [0.9, 1.0], "rotor_efficiency");
    refuses(|it| it.rotor_failure.probability = 0.1, "rotor_failure.probability");
    refuses(|it| it.payload.offset_z_m = [-0.1, 0.0], "payload.offset_*_m");
}

/// Of a vehicle that a force carries: a payload makes it fall by its share of the mass, late actions come late.
#[test]
fn a_rigid_body_is_loaded_and_late_too() {
    let base = direct(RealityConfig::default());
    let hover = base.hover_action();
    let fall = |reality: RealityConfig, action: &[f32]| {
        let config = direct(reality);
        config.validate().unwrap();
        let mut env = config.make(1, 0);
        let block = env.blocks()[0].as_mut();
        block.reset(u32::MAX);
        block.step(&hover.iter().map(|it| Row::splat(*it)).collect::<Vec<_>>());
        block.step(&action.iter().map(|it| Row::splat(*it)).collect::<Vec<_>>());
        f64::from(block.telemetry(0).velocity[2])
    };
    let payload = PayloadConfig { mass_kg: [base.robot.vehicle().mass; 2], ..PayloadConfig::default() };
    let loaded = RealityConfig { payload, ..RealityConfig::default() };
    let steps = 2.0 * base.control_period() * 9.81;
    assert!((fall(loaded, &hover) + 0.5 * steps).abs() < 1e-5);
    let off = [-1.0, 0.0, 0.0, 0.0];
    assert!((fall(RealityConfig::default(), &off) + 0.5 * steps).abs() < 1e-5);
    let late = RealityConfig { action_delay_steps: [1; 2], ..RealityConfig::default() };
    assert!(fall(late, &off).abs() < 1e-5);
}

#[test]
fn mirror_images_need_a_wind_and_a_load_without_a_side() {
    let mirrors = |reality: RealityConfig| raptor(reality).make(1, 0).spec().symmetries.len();
    assert_eq!(mirrors(everything()), mirrors(RealityConfig::default()));
    let mut from_one_side = everything();
    from_one_side.wind.direction_rad = [0.0, 1.0];
    assert_eq!(mirrors(from_one_side), 0);
    let mut on_one_side = everything();
    on_one_side.payload.offset_y_m = [0.01, 0.02];
    assert_eq!(mirrors(on_one_side), 0);
}
