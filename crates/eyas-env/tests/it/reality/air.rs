//! Drag and wind.

use eyas_env::{DragConfig, EnvBlock, GustConfig, RealityConfig, TurbulenceConfig, WindConfig};
use eyas_lanes::BLOCK;
use eyas_sim::Body;

use super::{DT, GRAVITY, everywhere, hovering, is_near, started, velocity, weightless};

/// Equal along all axes.
fn linear(coefficient: f64) -> DragConfig {
    let span = [coefficient; 2];
    DragConfig { linear_x_n_s_m: span, linear_y_n_s_m: span, linear_z_n_s_m: span, ..DragConfig::default() }
}

/// A vehicle that wind carries off: a drag of half of what stops it in a step.
fn feather(wind: WindConfig) -> eyas_env::RaptorConfig {
    let mut config = weightless(RealityConfig { wind, ..RealityConfig::default() });
    config.reality.drag = linear(0.5 * config.robot.mass / DT);
    config
}

/// The wind that accelerates a [`feather`] as it does in its next step.
fn felt(block: &mut dyn EnvBlock) -> Vec<[f64; 3]> {
    let before: Vec<_> = (0..BLOCK).map(|lane| velocity(block, lane)).collect();
    block.step(&everywhere(0.0));
    // v' = v − ½ (v − w)
    let wind = |lane: usize| {
        let after = velocity(block, lane);
        [0, 1, 2].map(|axis| 2.0 * after[axis] - before[lane][axis])
    };
    (0..BLOCK).map(wind).collect()
}

#[test]
fn a_fall_ends_at_the_speed_whose_drag_is_the_weight() {
    let weight = hovering(RealityConfig::default()).robot.mass * GRAVITY;
    let quadratic = |c: f64| DragConfig { quadratic_n_s2_m2: [c; 2], ..DragConfig::default() };
    let both = DragConfig { quadratic_n_s2_m2: [0.01; 2], ..linear(0.03) };
    // d v + c v² = m g
    let root = (0.03_f64.powi(2) + 4.0 * 0.01 * weight).sqrt();
    for (drag, expected) in [
        (linear(0.05), weight / 0.05),
        (quadratic(0.02), (weight / 0.02).sqrt()),
        (both, (root - 0.03) / 0.02),
    ] {
        let mut config = hovering(RealityConfig { drag, ..RealityConfig::default() });
        config.robot.rotor_thrust_coefficients = [[0.0; 3]; 4];
        let mut env = started(&config, 1, 0);
        for _ in 0..2000 {
            env.blocks()[0].step(&everywhere(-1.0));
        }
        let fall = velocity(env.blocks()[0].as_ref(), 0);
        is_near(-fall[2], expected, 1e-4 * expected, "speed of the fall");
        assert_eq!(fall[..2], [0.0; 2]);
    }
}

/// In a wind w a body at rest gets to `w (1 − e^(−d t / m))`.
#[test]
fn wind_carries_a_body_off_at_the_rate_of_its_drag() {
    let wind = WindConfig {
        mean_m_s: [3.0; 2],
        direction_rad: [0.7; 2],
        vertical_m_s: [-0.5; 2],
        ..WindConfig::default()
    };
    let config = weightless(RealityConfig { wind, drag: linear(0.03), ..RealityConfig::default() });
    let rate = 0.03 / config.robot.mass;
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    let air = [3.0 * f64::cos(0.7), 3.0 * f64::sin(0.7), -0.5];
    for step in 1..=400 {
        block.step(&everywhere(0.0));
        let share = 1.0 - (-rate * DT * f64::from(step)).exp();
        for (found, air) in velocity(block.as_ref(), 0).into_iter().zip(air) {
            // The step holds the force of its start: too strong by ½ d Δt / m of it.
            is_near(found, share * air, 0.5 * rate * DT * air.abs(), "velocity");
        }
    }
}

#[test]
fn rotors_drag_along_the_axes_of_the_body() {
    let drag = DragConfig { linear_x_n_s_m: [0.02; 2], linear_y_n_s_m: [0.05; 2], ..DragConfig::default() };
    let config = weightless(RealityConfig { drag, ..RealityConfig::default() });
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    // A quarter turn to the left: the body's y axis points to −x.
    let half = std::f32::consts::FRAC_1_SQRT_2;
    let body = Body { orientation: [half, 0.0, 0.0, half], velocity: [2.0, 1.0, 3.0], ..Body::at_rest() };
    block.put(0, &body);
    block.step(&everywhere(0.0));
    let found = velocity(block.as_ref(), 0);
    let per_mass = DT / config.robot.mass;
    for (axis, expected) in [2.0 - 2.0 * 0.05 * per_mass, 1.0 - 0.02 * per_mass, 3.0].into_iter().enumerate()
    {
        is_near(found[axis], expected, 1e-6, "velocity");
    }
}

/// However strong the drag, a step does not turn the motion round.
#[test]
fn no_drag_is_more_than_what_stops() {
    let mut config = weightless(RealityConfig { drag: linear(1e3), ..RealityConfig::default() });
    config.reality.drag.quadratic_n_s2_m2 = [1e3; 2];
    let mut env = started(&config, 1, 0);
    let block = &mut env.blocks()[0];
    block.put(0, &Body { velocity: [5.0, -3.0, 1.0], ..Body::at_rest() });
    for _ in 0..10 {
        block.step(&everywhere(0.0));
    }
    assert!(velocity(block.as_ref(), 0).iter().all(|it| it.abs() < 1e-5));
}

#[test]
fn turbulence_has_the_variance_and_the_memory_of_its_process() {
    let (std, time_constant) = (1.5, 0.4);
    let turbulence = TurbulenceConfig { std_m_s: [std; 2], time_constant_s: [time_constant; 2] };
    let config = feather(WindConfig { turbulence, ..WindConfig::default() });
    let num_envs = 4096;
    let mut env = started(&config, num_envs, 3);
    let steps = 60;
    // Of each axis of each env, step by step.
    let mut winds: Vec<Vec<f64>> = vec![Vec::new(); steps];
    for block in env.blocks() {
        for winds in &mut winds {
            winds.extend(felt(block.as_mut()).into_iter().flatten());
        }
    }
    let count = 3.0 * num_envs as f64;
    let mean_product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / count;
    for step in [0, 20, 59] {
        let mean = winds[step].iter().sum::<f64>() / count;
        // Five standard errors: σ / √n, and σ² √(2 / n).
        is_near(mean, 0.0, 5.0 * std / count.sqrt(), "mean");
        let variance = mean_product(&winds[step], &winds[step]);
        is_near(variance, std * std, 5.0 * std * std * (2.0 / count).sqrt(), "variance");
    }
    for lag in [1, 10, 40] {
        let correlation = mean_product(&winds[5], &winds[5 + lag]) / (std * std);
        let expected = (-DT * lag as f64 / time_constant).exp();
        // Five standard errors of a product's mean are below 5 √(2 / n).
        is_near(correlation, expected, 5.0 * (2.0 / count).sqrt(), "correlation");
    }
}

#[test]
fn a_gust_rises_and_falls_once_and_blows_one_way() {
    // The next gust comes at once.
    let gust = GustConfig { amplitude_m_s: [4.0; 2], duration_s: [1.0; 2], rate_hz: [1e4; 2] };
    let config = feather(WindConfig { gust, ..WindConfig::default() });
    let mut env = started(&config, 1, 8);
    let block = &mut env.blocks()[0];
    let winds: Vec<[f64; 3]> = (0..304).map(|_| felt(block.as_mut())[0]).collect();
    // One step of calm before each: the gust begins at its end.
    for (index, gust) in winds[..303].chunks(101).enumerate() {
        let way = gust[51].map(|it| it / 4.0);
        is_near(way[0].hypot(way[1]), 1.0, 1e-4, "size at the peak");
        let mut distance = 0.0;
        for (step, wind) in gust.iter().enumerate() {
            let turns = (step as f64 - 1.0).max(0.0) / 100.0;
            let speed = 2.0 * (1.0 - (std::f64::consts::TAU * turns).cos());
            for axis in 0..3 {
                is_near(wind[axis], speed * way[axis], 1e-3, &format!("gust {index}, step {step}"));
            }
            distance += DT * (wind[0] * way[0] + wind[1] * way[1]);
        }
        // ∫ ½ A (1 − cos) = ½ A T
        is_near(distance, 2.0, 1e-3, "distance");
    }
    let way = |gust: usize| winds[101 * gust + 51][1].atan2(winds[101 * gust + 51][0]);
    assert!((way(0) - way(1)).abs() > 1e-3, "gusts blow different ways");
}

#[test]
fn gusts_begin_as_often_as_their_rate_says() {
    let gust = GustConfig { amplitude_m_s: [1.0, 2.0], duration_s: [0.1, 0.3], rate_hz: [0.5; 2] };
    let config = feather(WindConfig { gust, ..WindConfig::default() });
    let mut env = started(&config, 1024, 4);
    let (mut calm_steps, mut begun) = (0_u32, 0_u32);
    for block in env.blocks() {
        let mut blew = [false; BLOCK];
        for _ in 0..300 {
            for (lane, wind) in felt(block.as_mut()).into_iter().enumerate() {
                let blows = wind[0].hypot(wind[1]) > 1e-4;
                calm_steps += u32::from(!blows);
                begun += u32::from(blows && !blew[lane]);
                blew[lane] = blows;
            }
        }
    }
    // The first step of a gust is still: what is counted as calm is one step longer for each.
    let expected = f64::from(calm_steps - begun) * (1.0 - (-0.5 * DT).exp());
    is_near(f64::from(begun), expected, 5.0 * expected.sqrt(), "gusts");
    assert!(begun > 1000, "{begun}");
}

#[test]
fn each_episode_draws_its_own_wind() {
    let wind = WindConfig { mean_m_s: [2.0, 4.0], ..WindConfig::default() };
    let mut env = started(&feather(wind), 1024, 6);
    let (mut speeds, mut ways) = (Vec::new(), [0_u32; 4]);
    for block in env.blocks() {
        let first = felt(block.as_mut());
        block.reset(u32::MAX);
        let second = felt(block.as_mut());
        for lane in 0..BLOCK {
            let [x, y, z] = first[lane];
            assert!((first[lane][0] - second[lane][0]).abs() > 1e-4);
            assert!(z.abs() < 1e-5);
            speeds.push(x.hypot(y));
            ways[usize::from(x > 0.0) + 2 * usize::from(y > 0.0)] += 1;
        }
    }
    let mean = speeds.iter().sum::<f64>() / 1024.0;
    // Five standard errors of a uniform number's mean, 2 / √12 / √n.
    is_near(mean, 3.0, 5.0 * 0.577 / 32.0, "mean speed");
    assert!(speeds.iter().all(|it| (1.9999..4.0001).contains(it)));
    for count in ways {
        is_near(f64::from(count), 256.0, 5.0 * 14.0, "winds of a quadrant");
    }
}
