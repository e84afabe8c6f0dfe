//! `Eyas-Raptor-v0`: any quadrotor holds a point or follows a slow reference, by motor set-points.

mod block;
mod config;
mod env;
mod gradient;
mod kernels;
mod replay;
mod rules;
mod spec;

pub use block::RaptorBlock;
pub use config::{
    DisturbancesConfig, InitConfig, Observation, ObservationDelayConfig, Protocol, RandomForce, RaptorConfig,
    RewardConfig, TerminationConfig,
};
pub use env::RaptorEnv;
pub use gradient::{RaptorRecord, RaptorSurrogate};
pub use replay::{FlatParameters, Quantity, RecordedState, Replay, ReplayError, Transition};
