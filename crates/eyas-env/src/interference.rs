//! What someone does to vehicles while they fly.

use eyas_lanes::Real;
use eyas_sim::{Disturbance, Vector, Vehicle};

/// Changes that a policy is not told of, the same for every vehicle of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interference {
    /// Force on the vehicle, world frame, N.
    pub force_world: Vector<f64>,
    /// Mass and moment of inertia over those of the vehicle. Positive.
    pub mass_factor: f64,
    /// Thrust and reaction torque of each rotor over those of the vehicle. In `[0, 1]`.
    pub rotor_efficiency: [f64; 4],
}

impl Default for Interference {
    /// None.
    fn default() -> Self {
        Self { force_world: [0.0; 3], mass_factor: 1.0, rotor_efficiency: [1.0; 4] }
    }
}

impl Interference {
    /// A vehicle with other mass and weaker rotors; the same bits where they are as ever.
    pub(crate) fn altered<R: Real>(&self, vehicle: &Vehicle<R>) -> Vehicle<R> {
        vehicle.altered(R::constant(self.mass_factor), &self.rotor_efficiency.map(R::constant))
    }

    /// What pushes a vehicle, besides what does anyway.
    #[inline(always)]
    pub(crate) fn pushed<R: Real>(&self, mut disturbance: Disturbance<R>) -> Disturbance<R> {
        for (sum, force) in disturbance.force_world.iter_mut().zip(self.force_world) {
            *sum = *sum + R::constant(force);
        }
        disturbance
    }
}
