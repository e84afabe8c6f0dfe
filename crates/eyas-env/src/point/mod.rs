//! `Isaac-Quadcopter-Point-Ctrl-v0`: hover at a point or follow a moving one by motor set-points.

mod block;
mod config;
mod env;
mod gradient;
mod spec;

pub use block::PointBlock;
pub(crate) use block::causes;
pub use config::{PointConfig, TrajectoryType};
pub use env::PointEnv;
pub use gradient::{PointRecord, PointSurrogate};
