//! Flights that are formulas: a vehicle that follows a figure-8 with a lag and banks into the turns.

use eyas_env::PointConfig;
use eyas_view::{Airframe, Caption, Film, Flight, Moment, Pose, Scene, View};

const PERIOD_S: f64 = 0.01;

/// The target at a time, s: a lap of 10 s.
fn target(time: f64) -> [f64; 3] {
    let phase = std::f64::consts::TAU * 0.1 * time;
    [libm::sin(phase), 0.5 * libm::sin(2.0 * phase), 0.15 * libm::cos(phase)]
}

/// A vehicle that is `lag` s late.
pub(crate) fn flight(lag: f64, steps: u32) -> Flight {
    remembering(lag, steps, 0)
}

/// The same with a policy that remembers so many numbers.
pub(crate) fn remembering(lag: f64, steps: u32, width: u32) -> Flight {
    let mut flight = Flight::new(PERIOD_S);
    for step in 1..=steps {
        let time = f64::from(step) * PERIOD_S + 1.2;
        let at = |offset: f64| target(time - lag + offset);
        let (before, here, after) = (at(-0.05), at(0.0), at(0.05));
        // Banked by four times what the turn needs, to be seen.
        let tilt = [0, 1].map(|i| 4.0 * (after[i] - 2.0 * here[i] + before[i]) / 0.0025 / 9.81);
        let [w, x, y, z] = [1.0, -0.5 * tilt[1], 0.5 * tilt[0], 0.1 * libm::sin(time)];
        let length = (w * w + x * x + y * y + z * z).sqrt();
        let throttle = [0.55, 0.48, 0.42, 0.51]
            .map(|middle| (middle + 0.18 * libm::sin(3.0 * time + 9.0 * middle)) as f32);
        let memory: Vec<f32> =
            (0..width).map(|cell| libm::sin(time + 0.7 * f64::from(cell)) as f32).collect();
        let moment = Moment {
            pose: Pose {
                position: here.map(|value| value as f32),
                orientation: [w, x, y, z].map(|value| (value / length) as f32),
            },
            target: target(time).map(|value| value as f32),
            throttle,
            episode: 0,
            step,
            has_crashed: false,
        };
        flight.push(moment, &memory);
    }
    flight
}

pub(crate) fn scenes(count: usize, view: View) -> Vec<Scene> {
    let scene = |index: usize| Scene {
        flight: flight(0.06 + 0.03 * index as f64, 500),
        airframe: Airframe::new(&PointConfig::default().robot),
        caption: Caption {
            title: if index == 0 { "student, GRU".into() } else { format!("teacher {index}") },
            subtitle: "Crazyflie · figure-8".into(),
            motors: ["FL", "FR", "BR", "BL"].map(Into::into),
        },
        view,
    };
    (0..count).map(scene).collect()
}

pub(crate) fn film(size: (usize, usize), view: View) -> Film {
    Film::new(size, 1, scenes(1, view))
}
