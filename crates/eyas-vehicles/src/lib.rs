//! Vehicles: parameter files of RLtools, those that come with Eyas, drawn ones, and fleets of many.

mod file;
mod fleet;
mod fleet_vehicle;
mod lint;
mod motors;
mod named;
mod sampler;

pub use file::{DomainRandomization, VehicleFile, VehicleFileError};
pub use fleet::{
    FleetError, FleetProblem, FleetSurvey, fits_a_table, fleet_to_csv, fleet_to_json, open_text, read_fleet,
    survey_fleet,
};
pub use fleet_vehicle::FleetVehicle;
pub use lint::{Unflyable, step_warning, unflyable, vehicle_warnings};
pub use motors::{MotorLayout, MotorMismatch, motor_order, reordered};
pub use named::{
    FOUNDATION_ARM_LENGTH_M, NamedVehicle, crazyflie, find_vehicle, foundation_crazyflie, vehicles,
};
pub use sampler::{SamplerConfig, SamplerProtocol, sample_fleet};
