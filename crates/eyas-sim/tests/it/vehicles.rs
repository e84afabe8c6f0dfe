//! A vehicle with nothing symmetric about it, and random states.

use eyas_lanes::Stream;
use eyas_sim::{ActionLimit, Body, Vehicle, VehicleParameters};

pub(crate) fn asymmetric() -> Vehicle<f64> {
    Vehicle::new(&parameters())
}

pub(crate) fn parameters() -> VehicleParameters {
    let inertia = [[2.0e-3, 1.0e-4, -2.0e-4], [1.0e-4, 2.5e-3, 3.0e-4], [-2.0e-4, 3.0e-4, 4.0e-3]];
    VehicleParameters {
        rotor_positions: [[0.11, -0.1, 0.01], [-0.09, -0.12, 0.0], [-0.1, 0.1, 0.02], [0.12, 0.09, -0.01]],
        rotor_thrust_directions: [[0.0, 0.0, 1.0], [0.1, 0.0, 0.99], [0.0, -0.1, 0.99], [0.0, 0.0, 1.0]],
        rotor_torque_directions: [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0]],
        rotor_thrust_coefficients: [[0.01, 0.3, 2.0], [-0.02, 0.4, 1.9], [0.0, 0.2, 2.1], [0.03, 0.1, 2.2]],
        rotor_torque_constants: [0.02, 0.018, 0.021, 0.019],
        rotor_time_constants_rising: [0.05, 0.06, 0.055, 0.045],
        rotor_time_constants_falling: [0.2, 0.15, 0.17, 0.19],
        mass: 0.4,
        gravity: [0.0, 0.0, -9.81],
        inertia,
        inertia_inverse: inverse(inertia),
        hovering_throttle_relative: 0.5,
        action_limit: ActionLimit { min: 0.0, max: 1.0 },
    }
}

fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / determinant))
}

/// Standard normal numbers.
pub(crate) fn normals<const N: usize>(place: u32) -> [f64; N] {
    let stream = Stream::new(3, "states");
    std::array::from_fn(|index| f64::from(stream.normals([place, index as u32, 0, 0])[0]))
}

/// Metres, a unit quaternion, metres a second and several rad/s.
pub(crate) fn body(place: u32) -> Body<f64> {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m] = normals(place);
    let length = (d * d + e * e + f * f + g * g).sqrt();
    Body {
        position: [a, b, c],
        orientation: [d, e, f, g].map(|value| value / length),
        velocity: [h, i, j],
        angular_velocity: [5.0 * k, 5.0 * l, 5.0 * m],
    }
}
