//! Vehicles that come with the program.

use eyas_sim::{ActionLimit, VehicleParameters};

use crate::{FleetVehicle, VehicleFile};

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
            json: include_str!(concat!("../vehicles/", $name, ".json")),
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
        self.fleet_vehicle().dynamics
    }

    /// It as a vehicle of a fleet.
    ///
    /// # Panics
    ///
    /// Never: a test reads every file.
    #[must_use]
    pub fn fleet_vehicle(&self) -> FleetVehicle {
        VehicleFile::parse(self.json)
            .expect("the files that are compiled in are tested")
            .fleet_vehicle(self.name)
    }
}

/// The Crazyflie 2.1 of RLtools' registry: what `Eyas-Raptor-v0` flies by default, and what vehicles are grown from.
#[must_use]
pub fn crazyflie() -> VehicleParameters {
    VEHICLES[0].parameters()
}

/// Distance from the centre to each motor axis of [`foundation_crazyflie`], m.
pub const FOUNDATION_ARM_LENGTH_M: f64 = 0.04384;
/// Revolutions a minute in rad/s.
const RPM: f64 = std::f64::consts::TAU / 60.0;

/// The Crazyflie of Foundation's `simple_controller.py` and `quad_point_ctrl_env_single_dense.py`, 28.2 g: what its
/// tasks fly by default. It is in no registry: its motors are in another order, front left, front right, back right,
/// back left.
#[must_use]
pub fn foundation_crazyflie() -> VehicleParameters {
    let lever = FOUNDATION_ARM_LENGTH_M * std::f64::consts::FRAC_1_SQRT_2;
    let diagonal = |x: f64, y: f64, z: f64| [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]];
    let (jx, jy, jz) = (2.448_64e-5, 2.448_64e-5, 3.615_04e-5);
    VehicleParameters {
        rotor_positions: [
            [lever, lever, 0.0],
            [lever, -lever, 0.0],
            [-lever, -lever, 0.0],
            [-lever, lever, 0.0],
        ],
        rotor_thrust_directions: [[0.0, 0.0, 1.0]; 4],
        rotor_torque_directions: [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]],
        rotor_thrust_coefficients: [[5.844_226_91e-3, -2.550_030_87e-5, 9.960_631_25e-8]; 4],
        rotor_torque_constants: [0.005_964_552; 4],
        rotor_time_constants_rising: [0.05; 4],
        rotor_time_constants_falling: [0.05; 4],
        mass: 0.0282,
        gravity: [0.0, 0.0, -9.81],
        inertia: diagonal(jx, jy, jz),
        inertia_inverse: diagonal(1.0 / jx, 1.0 / jy, 1.0 / jz),
        hovering_throttle_relative: 0.339_2,
        action_limit: ActionLimit { min: 1200.0 * RPM, max: 24_000.0 * RPM },
    }
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
