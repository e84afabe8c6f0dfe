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
    /// Itself, or nothing where it changes nothing: flights then have the same bits as without it.
    pub(crate) fn effective(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }

    /// Changes a vehicle and what pushes it.
    #[inline(always)]
    pub(crate) fn apply<R: Real>(&self, vehicle: &mut Vehicle<R>, disturbance: &mut Disturbance<R>) {
        let c = R::constant;
        let [a, b, d, e] = self.rotor_efficiency;
        *vehicle = vehicle.altered(c(self.mass_factor), &[c(a), c(b), c(d), c(e)]);
        for (sum, force) in disturbance.force_world.iter_mut().zip(self.force_world) {
            *sum = *sum + c(force);
        }
    }
}
