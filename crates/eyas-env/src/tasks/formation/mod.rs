//! `Eyas-Quadcopter-Formation-v0`: several vehicles hold a formation around a point that rests or moves.

mod block;
mod config;
mod downwash;
mod env;
mod observe;
mod reset;
mod spec;
mod step;

pub use block::FormationBlock;
pub use config::{FormationConfig, PlacesConfig, Shape};
pub use downwash::DownwashConfig;
pub use env::FormationEnv;
