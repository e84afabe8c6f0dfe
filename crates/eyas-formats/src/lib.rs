//! Every file format a policy lives in, read and written without executing anything.
//!
//! - [`Checkpoint`] reads what rsl_rl 1.x to 5.x, Foundation, RLtools and Eyas itself wrote, and loads
//!   policies from it; [`LoadedPolicy::decisions`] says what had to be decided and why.
//! - [`rsl_rl`] and [`student`] write checkpoints that those programs load, and read them back.
//! - [`torch`] is the container below, [`Value`] and [`Tensor`] what it holds.
//! - [`npy`] holds arrays; [`atomic`] writes files that are either old or new, never half.

mod adam;
mod archive;
pub mod atomic;
mod checkpoint;
mod describe;
mod error;
mod hdf5;
mod layout;
mod network;
pub mod npy;
mod pickle;
pub mod rsl_rl;
mod runner_config;
mod sniff;
mod state_dict;
pub mod student;
mod tensor;
pub mod torch;
mod value;

pub use adam::AdamState;
pub use checkpoint::{
    Checkpoint, Decision, LoadOptions, LoadedCritic, LoadedPolicy, NormalizerChoice, OutputChoice, Side,
    UnknownChoice,
};
pub use describe::{Description, NetworkSummary, TensorSummary};
pub use error::FormatError;
pub use layout::{Layout, Role};
pub use tensor::{DType, Tensor};
pub use value::Value;

/// The top-level key under which Eyas keeps what a layout cannot say; other programs ignore it.
const EYAS_KEY: &str = "eyas";

/// Version of what stands under [`EYAS_KEY`].
const FORMAT_VERSION: i64 = 1;
