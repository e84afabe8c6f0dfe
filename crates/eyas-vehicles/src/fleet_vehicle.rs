//! One vehicle of a fleet.

use eyas_sim::VehicleParameters;

/// A vehicle, and what its parameter file says of how it is flown.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetVehicle {
    /// What it is called: the stem of its file, or its number in the fleet.
    pub id: String,
    /// The vehicle.
    pub dynamics: VehicleParameters,
    /// Standard deviation of each axis of the force that pushes it for an episode, N.
    pub random_force_std: f64,
    /// Limit of each axis of the start position, m; none: ten rotor distances.
    pub max_position: Option<f64>,
    /// Limit of each axis of the position, m; none: twenty rotor distances.
    pub position_threshold: Option<f64>,
}
