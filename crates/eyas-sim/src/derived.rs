//! What follows from a vehicle's parameters.

use crate::vector::{norm, transform};
use crate::{Vector, VehicleParameters};

impl VehicleParameters {
    /// Thrust of all rotors at one speed, N, wherever each pushes; the speed in the unit of `action_limit`.
    #[must_use]
    pub fn thrust(&self, speed: f64) -> f64 {
        self.rotor_thrust_coefficients.iter().map(|[a, b, c]| a + speed * (b + speed * c)).sum()
    }

    /// Force of all rotors at one speed along the body's z axis, N; the speed in the unit of `action_limit`.
    #[must_use]
    pub fn lift(&self, speed: f64) -> f64 {
        let rotors = self.rotor_thrust_coefficients.iter().zip(&self.rotor_thrust_directions);
        rotors.map(|([a, b, c], direction)| (a + speed * (b + speed * c)) * direction[2]).sum()
    }

    /// Weight, N.
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.mass * norm(self.gravity)
    }

    /// Lift at full thrust over weight. RLtools leaves out where the rotors push, which is the same along z.
    #[must_use]
    pub fn thrust_to_weight(&self) -> f64 {
        self.lift(self.action_limit.max) / self.weight()
    }

    /// The same vehicle with rotors as much stronger or weaker as gives it this ratio of full thrust to weight.
    #[must_use]
    pub fn with_thrust_to_weight(&self, ratio: f64) -> Self {
        let factor = ratio / self.thrust_to_weight();
        let mut scaled = self.clone();
        scaled.rotor_thrust_coefficients = self.rotor_thrust_coefficients.map(|it| it.map(|c| c * factor));
        if let Some(throttle) = scaled.hovering_throttle() {
            scaled.hovering_throttle_relative = throttle;
        }
        scaled
    }

    /// Torque of a rotor about x at full thrust over inertia, rad/s², as RLtools' sampler has it:
    /// `√2 |x₀| · (T_max / 4) · J_inv,xx`, with the inverse because files of six decimals resolve it better.
    #[must_use]
    pub fn torque_to_inertia(&self) -> f64 {
        let lever = std::f64::consts::SQRT_2 * self.rotor_positions[0][0].abs();
        lever * self.thrust(self.action_limit.max) / 4.0 * self.inertia_inverse[0][0]
    }

    /// Largest distance of a rotor from the centre, m.
    #[must_use]
    pub fn rotor_distance(&self) -> f64 {
        self.rotor_positions.iter().map(|position| norm(*position)).fold(0.0, f64::max)
    }

    /// Speed of all rotors that carries the weight of the level vehicle, as a share of the range of `action_limit`;
    /// none: no speed of the range does, or gravity does not point down.
    #[must_use]
    pub fn hovering_throttle(&self) -> Option<f64> {
        if self.gravity[2] >= 0.0 {
            return None;
        }
        let rotors = || self.rotor_thrust_coefficients.iter().zip(&self.rotor_thrust_directions);
        let sum = |power: usize| rotors().map(|(it, direction)| it[power] * direction[2]).sum::<f64>();
        let (a, b, c) = (sum(2), sum(1), sum(0) - self.weight());
        // The form of the quadratic formula that subtracts no near numbers and allows a = 0.
        let q = -0.5 * (b + (b * b - 4.0 * a * c).sqrt().copysign(b));
        let (min, max) = (self.action_limit.min, self.action_limit.max);
        let roots = [q / a, c / q].into_iter().filter(|speed| (min..=max).contains(speed));
        roots.reduce(f64::min).map(|speed| (speed - min) / (max - min))
    }

    /// Largest entry of `J · J_inv − 1`.
    #[must_use]
    pub fn inertia_mismatch(&self) -> f64 {
        let column =
            |axis: usize| -> Vector<f64> { std::array::from_fn(|row| self.inertia_inverse[row][axis]) };
        let error = |axis: usize| {
            let product = transform(&self.inertia, column(axis));
            (0..3).map(|row| (product[row] - f64::from(u8::from(row == axis))).abs()).fold(0.0, f64::max)
        };
        (0..3).map(error).fold(0.0, f64::max)
    }
}
