//! What someone does to vehicles while they fly.

use eyas_lanes::{BLOCK, Row};
use eyas_sim::{VEHICLE_NUMBERS, Vehicle};

/// Changes that a policy is not told of, for each vehicle of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Perturbation {
    /// Force on the vehicle, world frame, N.
    pub force_world: [Row; 3],
    /// Mass and moment of inertia over those of the vehicle. Positive.
    pub mass_factor: Row,
    /// Mass that rides at the centre of gravity, kg; the moment of inertia does not know it. At least 0.
    pub payload: Row,
    /// Thrust and reaction torque of each rotor over those of the vehicle. In `[0, 1]`.
    pub rotor_efficiency: [Row; 4],
}

impl Default for Perturbation {
    /// None.
    fn default() -> Self {
        let one = Row::splat(1.0);
        Self { force_world: [Row::ZERO; 3], mass_factor: one, payload: Row::ZERO, rotor_efficiency: [one; 4] }
    }
}

/// Numbers of a [`Perturbation`] in a lane.
pub const PERTURBATION_NUMBERS: usize = 9;

impl Perturbation {
    /// Its numbers in a lane, in the order of its fields.
    #[must_use]
    pub fn of_lane(&self, lane: usize) -> [f32; PERTURBATION_NUMBERS] {
        let Self { force_world: [x, y, z], mass_factor, payload, rotor_efficiency: [a, b, c, d] } = self;
        [x, y, z, mass_factor, payload, a, b, c, d].map(|row| row[lane])
    }

    /// Puts the numbers of [`of_lane`](Self::of_lane) into a lane.
    pub fn set_lane(&mut self, lane: usize, numbers: &[f32; PERTURBATION_NUMBERS]) {
        let Self { force_world: [x, y, z], mass_factor, payload, rotor_efficiency: [a, b, c, d] } = self;
        for (row, number) in [x, y, z, mass_factor, payload, a, b, c, d].into_iter().zip(numbers) {
            row[lane] = *number;
        }
    }

    /// The vehicles of a block with other mass and weaker rotors; none where nothing about them changes.
    pub(crate) fn altered(&self, own: &[Row; VEHICLE_NUMBERS]) -> Option<Box<[Row; VEHICLE_NUMBERS]>> {
        let Self { force_world: _, mass_factor, payload, rotor_efficiency } = self;
        let none = Self::default();
        if (mass_factor, payload, rotor_efficiency)
            == (&none.mass_factor, &none.payload, &none.rotor_efficiency)
        {
            return None;
        }
        let mut flown = Box::new(*own);
        for lane in 0..BLOCK {
            let own = Vehicle::<f32>::from_numbers(&own.map(|row| row[lane]));
            let efficiency = self.rotor_efficiency.each_ref().map(|row| row[lane]);
            let altered = own.altered(self.mass_factor[lane], &efficiency);
            let (loaded, _) = altered.loaded(self.payload[lane], [0.0; 3]);
            for (row, number) in flown.iter_mut().zip(loaded.numbers()) {
                row[lane] = number;
            }
        }
        Some(flown)
    }
}
