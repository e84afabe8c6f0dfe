//! Eyas as a library: teachers are trained, distilled into a student, flown, measured and reported on.
//!
//! Each command of the program is a function here: a typed configuration goes in, an [`Observer`] hears what happens, a
//! typed result comes out. Nothing is printed, and no process ends.
//!
//! ```no_run
//! use eyas::{Algorithm, Silent, TrainConfig, tasks, train};
//! use eyas_run::Interrupt;
//!
//! # fn main() -> Result<(), eyas::Failure> {
//! let task = tasks::find("Isaac-Quadcopter-Point-Ctrl-v0")?;
//! let mut layers = TrainConfig::layers(task.as_ref(), Algorithm::Apg, "eyas")?;
//! layers.overrides(&["agent.max_iterations=100", "env.scene.num_envs=512"])?;
//! let config = TrainConfig::read(task.as_ref(), Algorithm::Apg, &layers)?;
//! let result = train(&config, &mut Silent, &Interrupt::new())?;
//! println!("{}", result.best_model.display());
//! # Ok(())
//! # }
//! ```

pub mod black_box;
mod budget;
mod compiled;
pub mod configuration;
pub mod contract;
pub mod csv;
mod dataset_file;
pub mod device;
pub mod distill;
mod epoch_csv;
pub mod evaluate;
mod failure;
pub mod fleet;
pub mod fly;
pub mod flyable;
mod footage;
pub mod labels;
pub mod learner;
mod mismatch;
pub mod observer;
pub mod policies;
pub mod provenance;
pub mod report;
pub mod resumption;
pub mod run_files;
pub mod run_location;
mod run_logger;
pub mod run_result;
mod self_check;
mod snapshot;
pub mod task_of_run;
pub mod tasks;
pub mod teachers;
pub mod text;
pub mod tracking;
pub mod train;
pub mod trained_on;
pub mod trajectory;
pub mod video;

pub use distill::distill;
pub use evaluate::evaluate;
pub use failure::Failure;
pub use fleet::{TrainFleetConfig, train_fleet};
pub use fly::fly;
pub use learner::Algorithm;
pub use observer::{Observer, Silent};
pub use report::report;
pub use tasks::AnyTask;
pub use train::{TrainConfig, train};
