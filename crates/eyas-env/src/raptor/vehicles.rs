//! Vehicles that come with the program.

use eyas_sim::VehicleParameters;

use super::craft::Craft;
use super::vehicle_file::VehicleFile;

/// A vehicle that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct NamedVehicle {
    /// Its name.
    pub name: &'static str,
    /// What it is and where its numbers are from.
    pub source: &'static str,
    json: &'static str,
}

macro_rules! named {
    ($name:literal, $source:literal) => {
        NamedVehicle {
            name: $name,
            source: $source,
            json: include_str!(concat!("../../vehicles/", $name, ".json")),
        }
    };
}

/// The registry of RLtools (Eschmann, Albani and Loianno, 2025, arXiv:2509.11481) at 460bae06^,
/// `rl/environments/l2f/parameters/dynamics/registry.h`, in double precision; motors front right, back right, back
/// left, front left, permuted where the source has PX4's order.
const VEHICLES: &[NamedVehicle] = &[
    named!("crazyflie", "Bitcraze Crazyflie 2.1, 31 g"),
    named!(
        "x500",
        "Holybro X500 V2, 2 kg; J_xx is the 0.021705 kg m² meant, which a typo in RLtools turned into 0.1705"
    ),
    named!("x500_sim", "the X500 of PX4's Gazebo model, 2 kg"),
    named!(
        "mrs",
        "the MRS drone of CTU Prague, 1.7 kg, rotor speeds in rpm; six decimals would take 12 % of its thrust"
    ),
    named!("fs", "\"Large\", 3.35 kg"),
    named!("arpl", "the racing drone of ARPL, NYU, 0.78 kg"),
    named!("flightmare", "the simulated drone of Flightmare, 0.73 kg, thrust to weight 12"),
    named!("soft", "a drone with a soft frame, 0.97 kg"),
    named!("soft_rigid", "the same with a rigid frame, 0.80 kg"),
];

/// Every vehicle that comes with the program.
#[must_use]
pub fn vehicles() -> &'static [NamedVehicle] {
    VEHICLES
}

/// The vehicle of that name.
#[must_use]
pub fn find_vehicle(name: &str) -> Option<&'static NamedVehicle> {
    VEHICLES.iter().find(|vehicle| vehicle.name == name)
}

impl NamedVehicle {
    /// Its parameters.
    ///
    /// # Panics
    ///
    /// Never: a test reads every file.
    #[must_use]
    pub fn parameters(&self) -> VehicleParameters {
        self.craft().dynamics
    }

    /// It as a vehicle of a fleet.
    ///
    /// # Panics
    ///
    /// Never: a test reads every file.
    #[must_use]
    pub fn craft(&self) -> Craft {
        VehicleFile::parse(self.json).expect("the files that are compiled in are tested").craft(self.name)
    }
}

pub(super) fn crazyflie() -> VehicleParameters {
    VEHICLES[0].parameters()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vehicle_hovers_within_its_range_and_inverts_its_inertia() {
        for vehicle in vehicles() {
            let it = vehicle.parameters();
            let throttle = it.hovering_throttle().expect("a speed that carries the weight");
            assert!(0.05 < throttle && throttle < 0.95, "{}: {throttle}", vehicle.name);
            for axis in 0..3 {
                let product = it.inertia[axis][axis] * it.inertia_inverse[axis][axis];
                // The X500's inverse was rounded from other digits than its inertia.
                assert!((product - 1.0).abs() < 2e-2, "{}: axis {axis}, {product}", vehicle.name);
            }
        }
    }
}
