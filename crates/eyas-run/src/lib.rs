//! Configuration, run directory, TensorBoard, progress and interruption of a run.
//!
//! - [`config`]: defaults, YAML files, presets, Hydra-style overrides and flags, merged with the
//!   origin of every value;
//! - [`run_dir`], [`manifest`] and [`resumes`]: where a run writes, what is needed to repeat it, and what later processes
//!   have changed;
//! - [`events`]: TensorBoard event files, written and read;
//! - [`progress`] and [`interrupt`]: what a person at the terminal sees and presses;

pub mod config;
mod error;
pub mod events;
pub mod interrupt;
mod lock;
pub mod manifest;
pub mod progress;
pub mod resumes;
pub mod run_dir;

pub use config::{ConfigError, Layers, Origin, Value};
pub use error::RunError;
pub use events::EventWriter;
pub use interrupt::Interrupt;
pub use manifest::Manifest;
pub use progress::Progress;
pub use run_dir::RunDir;
