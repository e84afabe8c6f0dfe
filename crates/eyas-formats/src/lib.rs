//! Every file format a policy lives in, read and written without executing anything.
//!
//! - [`Checkpoint`] reads what rsl_rl 1.x to 5.x, Foundation, RLtools and Eyas itself wrote, and loads
//!   policies from it; [`LoadedPolicy::decisions`] says what had to be decided and why.
//! - [`rsl_rl`] and [`student`] write checkpoints that those programs load, and read them back.
//! - [`torch`] is the container below, [`Value`] and [`Tensor`] what it holds.
//! - [`npy`] holds arrays.
//! - [`atomic`] is no format: it replaces files so that they are old or new, never half. It stands here because all
//!   that writes files, here and above, uses this crate.

pub mod atomic;
mod checkpoint;
mod container;
mod error;

pub use checkpoint::{
    AdamState, Checkpoint, Decision, Description, Layout, LoadOptions, LoadedCritic, LoadedPolicy,
    NetworkSummary, NormalizerChoice, OutputChoice, Role, Side, TensorSummary, UnknownChoice, rsl_rl,
    student,
};
pub use container::tensor::{DType, Tensor};
pub use container::value::Value;
pub use container::{npy, torch};
pub use error::FormatError;

/// The top-level key under which Eyas keeps what a layout cannot say; other programs ignore it.
const EYAS_KEY: &str = "eyas";

/// Version of what stands under [`EYAS_KEY`].
const FORMAT_VERSION: i64 = 1;
