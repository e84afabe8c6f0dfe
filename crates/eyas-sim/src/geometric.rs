//! Geometric tracking control on SE(3) of a known vehicle.

use crate::vector::{add, cross, dot, norm, scale, sub, transform};
use crate::{Allocation, Unsteerable, Vector, Vehicle, VehicleParameters, body_from_world};

/// Damping ratio of position and attitude.
const DAMPING: f64 = 1.0;
/// Bandwidth of the attitude times the lag of what turns it; the loop of a double integrator with this lag gets
/// unstable at `2 · DAMPING`.
const ATTITUDE_BANDWIDTH: f64 = 0.3;
/// Bandwidth of the position over that of the attitude, so that the two loops stay apart.
const POSITION_BANDWIDTH: f64 = 0.35;
/// How much faster than by itself a rotor is made by overdriving its set-point.
const ROTOR_SPEED_UP: f64 = 8.0;

/// The geometric tracking controller on SE(3) of Lee, Leok and McClamroch (2010, doi:10.1109/CDC.2010.5717652), for any
/// vehicle whose rotors can lift it and turn it about every axis:
///
/// ```text
/// F = m (−k_x e_x − k_v e_v − g + a*)          f = F · R e₃          R_c: e₃ along F, heading +x
/// τ = J (−k_R e_R − k_ω ω) + ω × J ω           e_R = ½ (R_cᵀ R − Rᵀ R_c)^∨
/// ```
///
/// The desired angular velocity is taken as 0. Thrusts follow from `(f, τ)` by the inverse of the allocation; where they
/// are out of range yaw gives way first, then lift. As rotors are slow, their set-points are overdriven by a model of
/// their lag (M7).
///
/// Gains follow from the vehicle and have no scale of their own. With the lag `T` of the overdriven rotors and of the
/// control step, `ω_R = 0.3 / T`, `k_R = ω_R²`, `k_ω = 2 ω_R`, `ω_x = 0.35 ω_R`, `k_x = ω_x²`, `k_v = 2 ω_x`.
///
/// Far away `k_x` falls with the root of the distance, so that the vehicle comes back no faster than it can brake.
#[derive(Clone, Debug)]
pub struct GeometricController {
    vehicle: Vehicle<f64>,
    allocation: Allocation,
    gains: Gains,
    /// Acceleration that a vehicle which comes back from far away brakes with, m/s²; the largest one asked for is twice as
    /// large.
    braking: f64,
    /// Shares of the way to a held set-point that a rotor goes in a control step, rising and falling.
    rotor_steps: [[f64; 2]; 4],
    /// Those that overdriving makes of them.
    rotor_step: f64,
}

/// Of position, velocity, attitude and angular velocity: 1/s², 1/s, 1/s², 1/s.
#[derive(Clone, Copy, Debug)]
struct Gains {
    position: f64,
    velocity: f64,
    attitude: f64,
    rate: f64,
}

/// What a controller knows of its vehicle and its reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracking {
    /// Position minus reference, world frame, m.
    pub position_error: Vector<f64>,
    /// Velocity minus the reference's, world frame, m/s.
    pub velocity_error: Vector<f64>,
    /// Acceleration of the reference, world frame, m/s².
    pub acceleration: Vector<f64>,
    /// Rotation from body to world, row by row.
    pub rotation: [Vector<f64>; 3],
    /// Angular velocity, body frame, rad/s.
    pub angular_velocity: Vector<f64>,
}

impl GeometricController {
    /// The controller of a vehicle that gives set-points every `period` seconds.
    pub fn new(parameters: &VehicleParameters, period: f64) -> Result<Self, Unsteerable> {
        let vehicle = Vehicle::new(parameters);
        let allocation = Allocation::new(parameters)?;
        let ratio = parameters.thrust_to_weight();
        // What full thrust accelerates by to the side, over gravity, while it carries the weight.
        let sideways = (ratio * ratio - 1.0).sqrt();
        if ratio.is_nan() || ratio <= 1.0 {
            return Err(Unsteerable::TooWeak(ratio));
        }
        let slowest = vehicle.rotors.iter().map(|it| 1.0 / it.rising_rate.min(it.falling_rate));
        let rotor_lag = (slowest.fold(0.0, f64::max) / ROTOR_SPEED_UP).max(period);
        let attitude = ATTITUDE_BANDWIDTH / (rotor_lag + period);
        let position = POSITION_BANDWIDTH * attitude;
        let step = |rate: f64| 1.0 - libm::exp(-period * rate);
        Ok(Self {
            allocation,
            gains: Gains {
                position: position * position,
                velocity: 2.0 * DAMPING * position,
                attitude: attitude * attitude,
                rate: 2.0 * DAMPING * attitude,
            },
            braking: 0.45 * sideways.min(1.0) * norm(parameters.gravity),
            rotor_steps: vehicle.rotors.map(|it| [step(it.rising_rate), step(it.falling_rate)]),
            rotor_step: step(1.0 / rotor_lag),
            vehicle,
        })
    }

    /// Rotor speeds that give the thrusts of [`Self::thrusts`] at rest, within the range of the vehicle's.
    #[must_use]
    pub fn rotor_speeds(&self, tracking: &Tracking) -> [f64; 4] {
        let thrusts = self.thrusts(tracking);
        std::array::from_fn(|rotor| self.speed_of(rotor, thrusts[rotor]))
    }

    /// Thrust of each rotor, N, within its range.
    #[must_use]
    pub fn thrusts(&self, tracking: &Tracking) -> [f64; 4] {
        let force = self.force(tracking);
        let rotation = &tracking.rotation;
        let lift = dot(force, [rotation[0][2], rotation[1][2], rotation[2][2]]);
        let error = attitude_error(rotation, &columns_along(force));
        let omega = tracking.angular_velocity;
        let inertia = &self.vehicle.inertia;
        let turn = add(scale(-self.gains.attitude, error), scale(-self.gains.rate, omega));
        let torque = add(transform(inertia, turn), cross(omega, transform(inertia, omega)));
        self.allocated(lift, torque)
    }

    /// The force that moves the vehicle back to its reference, world frame, N.
    fn force(&self, tracking: &Tracking) -> Vector<f64> {
        let Gains { position, velocity, .. } = self.gains;
        // Less than that of gravity, so that there is always something to lift.
        let most = 2.0 * self.braking;
        let distance = norm(tracking.position_error);
        let far = velocity * (2.0 * self.braking / distance.max(f64::MIN_POSITIVE)).sqrt();
        let back = scale(-position.min(far), tracking.position_error);
        let brake = scale(-velocity, tracking.velocity_error);
        let acceleration = limited(add(add(back, brake), limited(tracking.acceleration, most)), most);
        scale(1.0 / self.vehicle.mass_inverse, sub(acceleration, self.vehicle.gravity))
    }

    /// Thrusts of a lift, N, and a torque, N m.
    fn allocated(&self, lift: f64, torque: Vector<f64>) -> [f64; 4] {
        let inverse = &self.allocation.inverse;
        let range: [[f64; 2]; 4] = std::array::from_fn(|rotor| {
            [self.vehicle.speed_min, self.vehicle.speed_max].map(|speed| self.thrust_of(rotor, speed))
        });
        let tilt: [f64; 4] =
            std::array::from_fn(|rotor| inverse[rotor][1] * torque[0] + inverse[rotor][2] * torque[1]);
        // The lift nearest to the one asked for that leaves room for the tilt.
        let per_lift: [f64; 4] = std::array::from_fn(|rotor| inverse[rotor][0]);
        let bound =
            |side: usize| (0..4).map(move |rotor| (range[rotor][side] - tilt[rotor]) / per_lift[rotor]);
        let (least, most) =
            (bound(0).fold(f64::NEG_INFINITY, f64::max), bound(1).fold(f64::INFINITY, f64::min));
        let lift = if least <= most { lift.clamp(least, most) } else { 0.5 * (least + most) };
        let thrusts: [f64; 4] = std::array::from_fn(|rotor| per_lift[rotor] * lift + tilt[rotor]);
        // As much of the yaw as there is room for.
        let yaw: [f64; 4] = std::array::from_fn(|rotor| inverse[rotor][3] * torque[2]);
        let room = |rotor: usize| {
            let side = usize::from(yaw[rotor] > 0.0);
            ((range[rotor][side] - thrusts[rotor]) / yaw[rotor]).max(0.0)
        };
        let share = (0..4).filter(|rotor| yaw[*rotor] != 0.0).map(room).fold(1.0, f64::min);
        std::array::from_fn(|rotor| {
            let [low, high] = range[rotor];
            (thrusts[rotor] + share * yaw[rotor]).clamp(low, high)
        })
    }

    /// Thrust of a rotor at a speed, N.
    fn thrust_of(&self, rotor: usize, speed: f64) -> f64 {
        let [c0, c1, c2] = self.vehicle.rotors[rotor].thrust;
        c0 + speed * (c1 + speed * c2)
    }

    /// The speed in range at which a rotor gives a thrust: the root of (M1) where it rises.
    fn speed_of(&self, rotor: usize, thrust: f64) -> f64 {
        let [c0, c1, c2] = self.vehicle.rotors[rotor].thrust;
        let (min, max) = (self.vehicle.speed_min, self.vehicle.speed_max);
        let root = (c1 * c1 + 4.0 * c2 * (thrust - c0)).max(0.0).sqrt();
        // Two forms of the same root, each where it subtracts no near numbers.
        let speed = if c1 >= 0.0 { 2.0 * (thrust - c0) / (c1 + root) } else { (root - c1) / (2.0 * c2) };
        if speed.is_nan() { min } else { speed.clamp(min, max) }
    }

    /// Set-points, in the unit of the vehicle's rotor speeds, that bring rotors from the speeds that they are thought to
    /// have to those that are wanted faster than a held set-point would, and the speeds a control step later.
    #[must_use]
    pub fn overdriven(&self, speeds: &[f64; 4], wanted: &[f64; 4]) -> ([f64; 4], [f64; 4]) {
        let (min, max) = (self.vehicle.speed_min, self.vehicle.speed_max);
        let mut set_points = [0.0; 4];
        let mut next = [0.0; 4];
        for rotor in 0..4 {
            let change = wanted[rotor] - speeds[rotor];
            let own = self.rotor_steps[rotor][usize::from(change < 0.0)];
            let factor = (self.rotor_step / own).max(1.0);
            set_points[rotor] = (speeds[rotor] + factor * change).clamp(min, max);
            next[rotor] = speeds[rotor] + own * (set_points[rotor] - speeds[rotor]);
        }
        (set_points, next)
    }

    /// The action in `[-1, 1]` that asks for a rotor speed.
    #[must_use]
    pub fn action_of(&self, speed: f64) -> f64 {
        let (min, max) = (self.vehicle.speed_min, self.vehicle.speed_max);
        2.0 * (speed - min) / (max - min) - 1.0
    }

    /// The rotor speed that an action asks for.
    #[must_use]
    pub fn speed_of_action(&self, action: f64) -> f64 {
        let (min, max) = (self.vehicle.speed_min, self.vehicle.speed_max);
        min + 0.5 * (action.clamp(-1.0, 1.0) + 1.0) * (max - min)
    }
}

/// A vector of at most a length.
fn limited(vector: Vector<f64>, most: f64) -> Vector<f64> {
    let length = norm(vector);
    if length > most { scale(most / length, vector) } else { vector }
}

/// Columns of the attitude that lifts along a force and heads along x as far as it can.
fn columns_along(force: Vector<f64>) -> [Vector<f64>; 3] {
    let unit = |v: Vector<f64>| scale(1.0 / norm(v), v);
    let up = unit(force);
    let left = unit(cross(up, [1.0, 0.0, 0.0]));
    [cross(left, up), left, up]
}

/// `½ (R_cᵀ R − Rᵀ R_c)^∨`, body frame, of the rows of `R` and the columns of `R_c`.
fn attitude_error(rotation: &[Vector<f64>; 3], desired: &[Vector<f64>; 3]) -> Vector<f64> {
    // Column j of RᵀR_c.
    let relative = desired.map(|column| body_from_world(rotation, column));
    let skew = |a: usize, b: usize| 0.5 * (relative[a][b] - relative[b][a]);
    // (R_cᵀR)_ij = relative[i][j].
    [skew(2, 1), skew(0, 2), skew(1, 0)]
}
