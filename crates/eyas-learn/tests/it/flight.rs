//! The point task and its surrogate cost in plain scalar `f64`, written from the formulas of
//! `docs/model.md`, `docs/tasks/point_ctrl.md` and `PointSurrogate`; shares no code with the library.

use eyas_env::{Barrier, PointSurrogate};
use eyas_policy::{Architecture, Normalizer};

/// Moments of inertia of the default vehicle, kg m².
const INERTIA: [f64; 3] = [2.448_64e-5, 2.448_64e-5, 3.615_04e-5];
/// Its mass, kg.
const MASS: f64 = 0.0282;
/// Acceleration of gravity, m/s².
const GRAVITY: f64 = 9.81;
/// Centre to motor along an axis, m.
const LEVER: f64 = 0.04384 * std::f64::consts::FRAC_1_SQRT_2;
/// Reaction torque over thrust, m.
const DRAG: f64 = 0.005_964_552;
/// Control period, s.
const DT: f64 = 0.01;
/// Share of the set-point in a rotor's new speed: `dt / (dt + τ)` with τ = 0.05 s.
const LAG: f64 = 1.0 / 6.0;
/// Rotor speed at action −1 and 1, rad/s.
const SPEED: [f64; 2] = [1200.0 * std::f64::consts::TAU / 60.0, 24_000.0 * std::f64::consts::TAU / 60.0];

/// Position, quaternion, velocity and angular velocity.
type Body = [f64; 13];

/// One vehicle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vehicle {
    pub(crate) body: Body,
    /// Rotor speeds over the range of set-points.
    pub(crate) rotor: [f64; 4],
    pub(crate) set_point: [f64; 4],
}

/// Where a vehicle should be, and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) position: [f64; 3],
    pub(crate) velocity: [f64; 3],
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn matrix(q: &[f64]) -> [[f64; 3]; 3] {
    let [w, x, y, z] = [q[0], q[1], q[2], q[3]];
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

fn rate(body: &Body, thrust: f64, torque: [f64; 3]) -> Body {
    let (q, omega) = (&body[3..7], [body[10], body[11], body[12]]);
    let u = [q[1], q[2], q[3]];
    // v + w t + u × t with t = 2 u × v, of v = (0, 0, thrust).
    let t = cross(u, [0.0, 0.0, 2.0 * thrust]);
    let ut = cross(u, t);
    let push = [q[0] * t[0] + ut[0], q[0] * t[1] + ut[1], thrust + q[0] * t[2] + ut[2]];
    let spin = cross(u, omega);
    let momentum = std::array::from_fn(|axis| INERTIA[axis] * omega[axis]);
    let gyroscopic = cross(omega, momentum);
    let mut rate = [0.0; 13];
    rate[..3].copy_from_slice(&body[7..10]);
    rate[3] = -0.5 * (u[0] * omega[0] + u[1] * omega[1] + u[2] * omega[2]);
    for axis in 0..3 {
        rate[4 + axis] = 0.5 * (q[0] * omega[axis] + spin[axis]);
        rate[7 + axis] = push[axis] / MASS;
        rate[10 + axis] = (torque[axis] - gyroscopic[axis]) / INERTIA[axis];
    }
    rate[9] -= GRAVITY;
    rate
}

fn fly(body: &Body, thrust: f64, torque: [f64; 3]) -> Body {
    let ahead = |factor: f64, rate: &Body| -> Body { std::array::from_fn(|i| body[i] + factor * rate[i]) };
    let a = rate(body, thrust, torque);
    let b = rate(&ahead(0.5 * DT, &a), thrust, torque);
    let c = rate(&ahead(0.5 * DT, &b), thrust, torque);
    let d = rate(&ahead(DT, &c), thrust, torque);
    let mut next: Body =
        std::array::from_fn(|i| body[i] + DT / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]));
    let norm = next[3..7].iter().map(|q| q * q).sum::<f64>().sqrt();
    next[3..7].iter_mut().for_each(|q| *q /= norm);
    next
}

impl Vehicle {
    pub(crate) fn observe(&self, target: &Target) -> Vec<f64> {
        let matrix = matrix(&self.body[3..7]);
        let to_body = |v: [f64; 3]| -> [f64; 3] {
            std::array::from_fn(|axis| (0..3).map(|row| matrix[row][axis] * v[row]).sum())
        };
        let position: [f64; 3] = std::array::from_fn(|axis| self.body[axis] - target.position[axis]);
        let velocity: [f64; 3] = std::array::from_fn(|axis| self.body[7 + axis] - target.velocity[axis]);
        let parts: [&[f64]; 6] = [
            &to_body(position),
            matrix.as_flattened(),
            &to_body(velocity),
            &self.body[10..],
            &self.set_point,
            &self.rotor,
        ];
        parts.concat()
    }

    /// Flies one control step; returns its surrogate cost against the target at its end.
    pub(crate) fn step(&mut self, action: &[f64], target: &Target, surrogate: &PointSurrogate) -> f64 {
        let (mut change, mut outside) = (0.0, 0.0);
        let mut thrusts = [0.0; 4];
        for motor in 0..4 {
            let command = action[motor].clamp(-1.0, 1.0);
            outside += (action[motor] - command).powi(2);
            let set_point = 0.5 * (command + 1.0);
            change += (set_point - self.set_point[motor]).powi(2);
            self.set_point[motor] = set_point;
            self.rotor[motor] += LAG * (set_point - self.rotor[motor]);
            let speed = SPEED[0] + self.rotor[motor] * (SPEED[1] - SPEED[0]);
            thrusts[motor] = 9.960_631_25e-8 * speed * speed - 2.550_030_87e-5 * speed + 5.844_226_91e-3;
        }
        let [a, b, c, d] = thrusts;
        let torque = [LEVER * (a - b - c + d), LEVER * (d - a - b + c), DRAG * (a - b + c - d)];
        self.body = fly(&self.body, a + b + c + d, torque);
        let rounded = |square: f64, rounding: f64| (square + rounding * rounding).sqrt() - rounding;
        self.state_cost(target, surrogate)
            + rounded(change, surrogate.d_action_rounding)
            + surrogate.saturation_weight * outside
    }

    fn state_cost(&self, target: &Target, surrogate: &PointSurrogate) -> f64 {
        let body = &self.body;
        let error: f64 = (0..3).map(|axis| (body[axis] - target.position[axis]).powi(2)).sum();
        let rounding = surrogate.position_rounding_m;
        let cusp = surrogate.orientation_cusp;
        let z = body[6].abs();
        let angle = |z: f64| 2.0 * (0.5 * z).sqrt().asin();
        let orientation = if z < cusp {
            angle(cusp) + (z * z - cusp * cusp) / (2.0 * cusp) / (cusp * (2.0 - cusp)).sqrt()
        } else {
            angle(z)
        };
        let barrier = |it: Barrier, limit: f64, x: f64| it.weight * (x - (limit - it.reach)).max(0.0).powi(2);
        let speeds = body[7..10].iter().map(|v| barrier(surrogate.linear_velocity_barrier, 4.0, v.abs()));
        let rates = body[10..].iter().map(|w| barrier(surrogate.angular_velocity_barrier, 35.0, w.abs()));
        let upright = 1.0 - 2.0 * (body[4] * body[4] + body[5] * body[5]);
        let distance = body[..3].iter().map(|p| p * p).sum::<f64>().sqrt();
        (error + rounding * rounding).sqrt() - rounding
            + 0.2 * orientation
            + speeds.chain(rates).sum::<f64>()
            + barrier(surrogate.tilt_barrier, 0.0, -upright)
            + barrier(surrogate.position_barrier, 15.0, distance)
    }
}

/// An MLP with ELU between its layers, behind `(x − mean) / (std + 0.01)`.
pub(crate) fn act(
    architecture: &Architecture,
    normalizer: &Normalizer,
    parameters: &[f64],
    observation: &[f64],
) -> Vec<f64> {
    let statistics = normalizer.mean.iter().zip(&normalizer.std);
    let mut x: Vec<f64> = observation
        .iter()
        .zip(statistics)
        .map(|(x, (mean, std))| (x - f64::from(*mean)) / (f64::from(*std) + 0.01))
        .collect();
    let layers = architecture.head_layers();
    for (index, layer) in layers.iter().enumerate() {
        let rows = parameters[layer.weight.clone()].chunks_exact(layer.inputs);
        x = rows
            .zip(&parameters[layer.bias.clone()])
            .map(|(row, bias)| row.iter().zip(&x).map(|(w, x)| w * x).sum::<f64>() + bias)
            .map(|sum| if index + 1 == layers.len() || sum > 0.0 { sum } else { sum.exp_m1() })
            .collect();
    }
    x
}
