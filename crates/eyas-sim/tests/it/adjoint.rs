//! Hand-written derivatives agree with central differences of the forward step, in `f64`.

use eyas_sim::{Disturbance, HeldStep, SpeedLag, matrix_from_quaternion, pull_back_matrix, step_held};

use crate::vehicles::{asymmetric, body, from_numbers, normals, numbers};

const STEP: f64 = 1e-6;

/// Compares with a tolerance relative to the largest derivative at hand.
fn assert_close(analytic: &[f64], numeric: &[f64], what: &str) {
    let scale = numeric.iter().fold(1e-3_f64, |largest, value| largest.max(value.abs()));
    for (index, (analytic, numeric)) in analytic.iter().zip(numeric).enumerate() {
        assert!((analytic - numeric).abs() < 1e-6 * scale, "{what} {index}: {analytic} against {numeric}");
    }
}

fn differences<const N: usize>(at: [f64; N], cost: impl Fn([f64; N]) -> f64) -> [f64; N] {
    std::array::from_fn(|index| {
        let shifted = |by: f64| {
            let mut place = at;
            place[index] += by;
            cost(place)
        };
        (shifted(STEP) - shifted(-STEP)) / (2.0 * STEP)
    })
}

#[test]
fn a_step_pulls_back_like_finite_differences() {
    let vehicle = asymmetric();
    let disturbance = Disturbance { force_world: [0.2, -0.1, 0.3], torque_body: [1e-3, -2e-3, 5e-4] };
    for place in 0..50 {
        let before = body(place);
        let weights: [f64; 13] = normals(1000 + place);
        let [a, b, c, d, e, f] = normals(2000 + place);
        let wrench = [a, b, 4.0 + c, 1e-2 * d, 1e-2 * e, 1e-2 * f];
        for substeps in [1, 3] {
            let cost = |state: [f64; 13], wrench: [f64; 6]| {
                let [fx, fy, fz, tx, ty, tz] = wrench;
                let wrench = ([fx, fy, fz], [tx, ty, tz]);
                let after = step_held(&vehicle, &from_numbers(state), wrench, &disturbance, 0.01, substeps);
                numbers(&after).iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>()
            };
            let [fx, fy, fz, tx, ty, tz] = wrench;
            let step = HeldStep {
                vehicle: &vehicle,
                body: &before,
                wrench: ([fx, fy, fz], [tx, ty, tz]),
                disturbance: &disturbance,
                dt: 0.01,
                substeps,
            };
            let derivative = step.pull_back(&from_numbers(weights));
            let of_state = differences(numbers(&before), |state| cost(state, wrench));
            assert_close(&numbers(&derivative.body), &of_state, "state");
            let of_wrench = differences(wrench, |wrench| cost(numbers(&before), wrench));
            let found: Vec<f64> = derivative.force.into_iter().chain(derivative.torque).collect();
            assert_close(&found, &of_wrench, "wrench");
        }
    }
}

#[test]
fn wrench_lag_and_rotation_matrix_pull_back_like_finite_differences() {
    let vehicle = asymmetric();
    for place in 0..50 {
        let speeds: [f64; 4] = normals::<4>(place).map(|value| 0.5 + 0.2 * value);
        let [a, b, c, d, e, f] = normals(100 + place);
        let cost = |speeds: [f64; 4]| {
            let (force, torque) = vehicle.wrench(&speeds);
            let sum = |x: [f64; 3], y: [f64; 3]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            sum(force, [a, b, c]) + sum(torque, [d, e, f])
        };
        let found = vehicle.pull_back_wrench(&speeds, [a, b, c], [d, e, f]);
        assert_close(&found, &differences(speeds, cost), "rotor");

        let quaternion = body(place).orientation;
        let [p, q, r, s, t, u, v, w, x] = normals(200 + place);
        let weights = [[p, q, r], [s, t, u], [v, w, x]];
        let cost = |quaternion: [f64; 4]| {
            let matrix = matrix_from_quaternion(quaternion);
            matrix.iter().flatten().zip(weights.iter().flatten()).map(|(x, y)| x * y).sum::<f64>()
        };
        assert_close(&pull_back_matrix(quaternion, &weights), &differences(quaternion, cost), "quaternion");
    }
    let lag = SpeedLag::new(0.01, 0.05);
    let (of_speed, of_set_point) = lag.pull_back(2.0_f64);
    let numeric = differences([0.3, 0.8], |[speed, set_point]| 2.0 * lag.apply(speed, set_point));
    assert_close(&[of_speed, of_set_point], &numeric, "lag");
}
