//! Plots have the same pixels on every machine: those of the pictures in `tests/data`.

use eyas_view::{Chart, Heatmap};

use crate::draws_the_same_everywhere::assert_stored;

/// A number in `[-1, 1)` that looks random.
fn noise(index: u32) -> f64 {
    let mixed = (index ^ 0x9e37).wrapping_mul(0x85eb_ca6b);
    let mixed = (mixed ^ mixed >> 13).wrapping_mul(0xc2b2_ae35);
    f64::from(mixed ^ mixed >> 16) / 2_147_483_648.0 - 1.0
}

/// Returns of a run, with a band: x, y, low, high.
fn curve(seed: u32, limit: f64, rate: f64) -> Vec<[f64; 4]> {
    let point = |index: u32| {
        let time = 0.05 * f64::from(index);
        let mean = limit * (1.0 - 1.3 / (1.0 + rate * time * time)) + 12.0 * noise(1000 * seed + index);
        let width = 25.0 + 150.0 / (1.0 + rate * time);
        [time, mean, mean - width, mean + width]
    };
    (0..=120).map(point).collect()
}

fn share(seed: u32, rate: f64) -> Vec<[f64; 2]> {
    let point = |index: u32| {
        let time = 0.05 * f64::from(index);
        // A crash of the logger: two points are missing.
        let is_missing = seed == 2 && (60..62).contains(&index);
        let share = 100.0 / (1.0 + rate * time * time) + 0.4 * noise(7000 * seed + index).abs();
        [time, if is_missing { f64::NAN } else { share }]
    };
    (0..=120).map(point).collect()
}

#[test]
fn curves_in_two_panels_are_as_stored() {
    let chart = Chart::new("Point control: return and crashes against wall time")
        .size(900, 640)
        .x("wall time", "min")
        .y("mean return", "1")
        .line_with_band("Eyas, analytic gradient", &curve(1, 640.0, 9.0))
        .line_with_band("Eyas, PPO", &curve(2, 600.0, 1.5))
        .line("rsl_rl", &curve(3, 560.0, 0.3).iter().map(|it| [it[0], it[1]]).collect::<Vec<_>>())
        .reference(620.5, "released student")
        .panel("terminated share", "%")
        .log_y()
        .line("Eyas, analytic gradient", &share(1, 60.0))
        .line("Eyas, PPO", &share(2, 8.0))
        .line("rsl_rl", &share(3, 1.0));
    assert_stored("curves", &chart.frame());
}

#[test]
fn points_over_logarithmic_axes_are_as_stored() {
    let cloud = |seed: u32| -> Vec<[f64; 2]> {
        let point = |index: u32| {
            let mass = libm::exp10(-1.5 + 1.2 * noise(seed + 2 * index));
            [mass, 3e-6 * (2.0 + 0.8 * noise(seed + 2 * index + 1)) * mass * f64::from(seed)]
        };
        (0..40).map(point).collect()
    };
    let chart = Chart::new("Vehicles")
        .size(640, 480)
        .x("mass", "kg")
        .y("inertia", "kg m²")
        .log_x()
        .log_y()
        .points("sampled", &cloud(1))
        .points("sampled, ±20 %", &cloud(7))
        .points("measured", &cloud(40));
    assert_stored("points", &chart.frame());
}

#[test]
fn a_heat_map_is_as_stored() {
    let rows = ["hover", "figure-8", "Langevin", "step of 1 m"];
    let columns = ["crazyflie", "x500", "mrs", "arpl", "soft_rigid"];
    let mut values: Vec<f64> = (0..20).map(|index| 4.5 + 4.0 * noise(index)).collect();
    values[7] = f64::NAN;
    let map = Heatmap::new("Position error of the student", &rows, &columns, &values)
        .size(800, 480)
        .x("vehicle", "")
        .y("trajectory", "")
        .value("position RMSE", "cm");
    assert_stored("heatmap", &map.frame());
}

#[test]
fn what_has_no_number_is_an_empty_plot() {
    let empty = Chart::new("").line("", &[]).frame();
    let gaps =
        Chart::new("").line("", &[[0.5, f64::NAN], [0.5, f64::INFINITY], [0.0, f64::NAN], [1.0, f64::NAN]]);
    assert!(gaps.frame() == empty);
    let odd = Heatmap::new("", &["a"], &["b"], &[f64::NAN]);
    assert!(!odd.png().is_empty());
}
