//! Layered configuration that knows where every value came from.
//!
//! The defaults of a typed struct fix the keys and the types; every later layer may only change
//! what is there. A struct's fields are fixed, a map's keys are free, and an `Option` may be null:
//! this is read off the serialised defaults, so no schema is written twice.
//!
//! ```
//! use eyas_run::config::{Layers, Origin};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct Agent { seed: u64, run_name: String }
//! #[derive(Default, Serialize, Deserialize)]
//! struct Config { agent: Agent }
//!
//! let mut layers = Layers::new(&Config::default())?;
//! layers.overrides(&["agent.run_name=first"])?.set("agent.seed", 7, Origin::flag("--seed"))?;
//! let config: Config = layers.finish()?;
//! assert_eq!((config.agent.seed, config.agent.run_name.as_str()), (7, "first"));
//! assert_eq!(layers.origin("agent.seed"), Some(&Origin::flag("--seed")));
//! # Ok::<(), eyas_run::ConfigError>(())
//! ```

mod defaults_list;
mod deserialize;
mod error;
mod grammar;
mod interpolation;
mod keys;
mod layers;
mod library;
mod manual;
mod node;
mod origin;
mod serialize;
mod sweep;
mod value;
mod yaml;

pub use error::{ConfigError, Known};
pub use grammar::{Action, Override};
pub use keys::closest;
pub use layers::{Composed, Layers, Renamed, Setting, Unused};
pub use library::{BuiltIn, Library};
pub use manual::{Entry as ManualEntry, Manual};
pub use origin::Origin;
pub use sweep::{Sweep, jobs};
pub use value::{Table, Value};
