//! `Eyas-Raptor-v0`: any quadrotor holds a point or follows a slow reference, by motor set-points.

mod block;
mod config;
mod craft;
mod env;
mod gradient;
mod replay;
mod rules;
mod vehicles;

pub use block::RaptorBlock;
pub use config::{
    DisturbancesConfig, InitConfig, Observation, Protocol, RandomForce, RaptorConfig, RewardConfig,
    TerminationConfig,
};
pub use craft::Craft;
pub use env::RaptorEnv;
pub use gradient::{RaptorRecord, RaptorSurrogate};
pub use replay::{FlatParameters, Quantity, RecordedState, Replay, ReplayError, Transition};
pub use vehicles::{NamedVehicle, VehicleFile, VehicleFileError, vehicles};
