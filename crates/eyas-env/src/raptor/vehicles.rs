//! Named vehicles, and the vehicle of a parameter file.

use eyas_sim::{ParameterError, VehicleParameters};
use serde::Deserialize;

use super::config::DisturbancesConfig;

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

/// The registry of RLtools at 460bae06^, `rl/environments/l2f/parameters/dynamics/registry.h`, in double
/// precision; motors front right, back right, back left, front left.
const VEHICLES: &[NamedVehicle] = &[
    named!("crazyflie", "Bitcraze Crazyflie 2.1, 31 g"),
    named!(
        "x500",
        "Holybro X500 V2, 2 kg; J_xx is the 0.021705 kg m² meant, which a typo in RLtools turned into 0.1705"
    ),
    named!("x500_sim", "the X500 of PX4's Gazebo model"),
    named!("mrs", "the MRS drone of CTU Prague, rotor speeds in rpm"),
    named!("fs", "\"Large\", 3.35 kg"),
    named!("arpl", "the racing drone of ARPL, NYU"),
    named!("flightmare", "the simulated drone of Flightmare, thrust to weight 12"),
    named!("soft", "a drone with a soft frame"),
    named!("soft_rigid", "the same with a rigid frame"),
];

/// Every vehicle that comes with the program.
#[must_use]
pub fn vehicles() -> &'static [NamedVehicle] {
    VEHICLES
}

impl NamedVehicle {
    /// Its parameters.
    ///
    /// # Panics
    ///
    /// Never: a test reads every file.
    #[must_use]
    pub fn parameters(&self) -> VehicleParameters {
        VehicleFile::parse(self.json).expect("the files that are compiled in are tested").dynamics
    }
}

pub(super) fn crazyflie() -> VehicleParameters {
    VEHICLES[0].parameters()
}

/// What this version takes from a parameter file of RLtools: the vehicle and what pushes it. Rewards, limits
/// and starts are the task's; the file may hold them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct VehicleFile {
    /// The vehicle.
    pub dynamics: VehicleParameters,
    /// What pushes it.
    #[serde(default)]
    disturbances: FileDisturbances,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct FileDisturbances {
    random_force: FileForce,
    random_torque: FileForce,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct FileForce {
    mean: f64,
    std: f64,
}

/// Why a parameter file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum VehicleFileError {
    #[error("not a parameter file of RLtools: {source}")]
    Json { source: serde_json::Error },
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("`disturbances.{field}` is {value}, which this version does not simulate, expected 0")]
    Disturbance { field: &'static str, value: f64 },
}

impl VehicleFile {
    /// Reads the JSON text of a parameter file.
    pub fn parse(json: &str) -> Result<Self, VehicleFileError> {
        let file: Self = serde_json::from_str(json).map_err(|source| VehicleFileError::Json { source })?;
        file.dynamics.validate()?;
        let FileDisturbances { random_force, random_torque } = &file.disturbances;
        for (field, value) in [
            ("random_force.mean", random_force.mean),
            ("random_torque.mean", random_torque.mean),
            ("random_torque.std", random_torque.std),
        ] {
            if value != 0.0 {
                return Err(VehicleFileError::Disturbance { field, value });
            }
        }
        Ok(file)
    }

    /// What pushes the vehicle, as the environment's configuration says it.
    #[must_use]
    pub fn disturbances(&self) -> DisturbancesConfig {
        DisturbancesConfig {
            random_force: super::config::RandomForce { std: self.disturbances.random_force.std },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vehicle_hovers_within_its_range_and_inverts_its_inertia() {
        for vehicle in vehicles() {
            let it = vehicle.parameters();
            let thrust = |speed: f64| -> f64 {
                it.rotor_thrust_coefficients.iter().map(|[a, b, c]| a + speed * (b + speed * c)).sum()
            };
            let weight = -it.gravity[2] * it.mass;
            assert!(thrust(it.action_limit.min) < weight && weight < thrust(it.action_limit.max));
            for axis in 0..3 {
                let product = it.inertia[axis][axis] * it.inertia_inverse[axis][axis];
                // The X500's inverse was rounded from other digits than its inertia.
                assert!((product - 1.0).abs() < 2e-2, "{}: axis {axis}, {product}", vehicle.name);
            }
        }
    }
}
