//! What someone does to vehicles while they fly.

use eyas_lanes::{Lanes, Row};
use eyas_sim::{Disturbance, Vehicle};

use crate::rows::load_vector;

/// Changes that a policy is not told of, for each vehicle of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Interference {
    /// Force on the vehicle, world frame, N.
    pub force_world: [Row; 3],
    /// Mass and moment of inertia over those of the vehicle. Positive.
    pub mass_factor: Row,
    /// Mass that rides at the centre of gravity, kg; the moment of inertia does not know it. At least 0.
    pub payload: Row,
    /// Thrust and reaction torque of each rotor over those of the vehicle. In `[0, 1]`.
    pub rotor_efficiency: [Row; 4],
}

impl Default for Interference {
    /// None.
    fn default() -> Self {
        let one = Row::splat(1.0);
        Self { force_world: [Row::ZERO; 3], mass_factor: one, payload: Row::ZERO, rotor_efficiency: [one; 4] }
    }
}

impl Interference {
    /// Itself, or nothing where it changes nothing: flights then have the same bits as without it.
    pub(crate) fn effective(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }

    /// Changes the vehicles of one vector of lanes and what pushes them.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(
        &self,
        half: usize,
        vehicle: &mut Vehicle<L>,
        disturbance: &mut Disturbance<L>,
    ) {
        let [a, b, c, d] = &self.rotor_efficiency;
        let efficiency = [a.load(half), b.load(half), c.load(half), d.load(half)];
        *vehicle = vehicle.altered(self.mass_factor.load(half), &efficiency);
        // 1 / (m + m_p)
        let ratio = self.payload.load::<L>(half).mul_add(vehicle.mass_inverse, L::splat(1.0));
        vehicle.mass_inverse = vehicle.mass_inverse / ratio;
        for (sum, force) in disturbance.force_world.iter_mut().zip(load_vector::<L>(&self.force_world, half))
        {
            *sum = *sum + force;
        }
    }
}
