//! `Isaac-Quadcopter-Direct-v0`: fly to a goal by thrust and moments.

mod block;
mod config;
mod env;
mod gradient;
mod spec;

pub use block::DirectBlock;
pub use config::{DirectConfig, GoalConfig, HeightConfig, InitState, RigidBodyConfig};
pub use env::DirectEnv;
pub use gradient::{DirectRecord, DirectSurrogate};
