//! `Eyas-Raptor-v0`: any quadrotor holds a point or follows a slow reference, by motor set-points.

mod block;
mod config;
mod craft;
mod env;
mod fleet;
mod gradient;
mod kernels;
mod replay;
mod rules;
mod sampler;
mod spec;
mod vehicle_file;
mod vehicles;

pub use block::RaptorBlock;
pub use config::{
    DisturbancesConfig, InitConfig, Observation, ObservationDelayConfig, Protocol, RandomForce, RaptorConfig,
    RewardConfig, TerminationConfig,
};
pub use craft::Craft;
pub use env::RaptorEnv;
pub use fleet::{
    FleetError, FleetProblem, FleetSurvey, fits_a_table, fleet_to_csv, fleet_to_json, read_fleet,
    survey_fleet,
};
pub use gradient::{RaptorRecord, RaptorSurrogate};
pub use replay::{FlatParameters, Quantity, RecordedState, Replay, ReplayError, Transition};
pub use sampler::{SamplerConfig, sample_fleet};
pub use vehicle_file::{DomainRandomization, VehicleFile, VehicleFileError};
pub use vehicles::{NamedVehicle, find_vehicle, vehicles};
