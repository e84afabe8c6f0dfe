//! Every file format a policy lives in, read and written without executing anything.
//!
//! - [`Checkpoint`] reads what rsl_rl 1.x to 5.x, Foundation, rl_games, skrl, Stable-Baselines3, sample-factory,
//!   RLtools and Eyas itself wrote, and loads
//!   policies from it; [`LoadedPolicy::decisions`] says what had to be decided and why.
//! - [`convert`] writes a policy in the format of another program, with its [`Contract`](eyas_policy::Contract);
//!   [`verify`](mod@verify) tells whether a file does what it says, [`Comparison`] what two files differ in, and [`onnx`]
//!   the faults of exported graphs; [`px4`] says what PX4's loader would.
//! - [`rsl_rl`] and [`student`] write checkpoints that those programs load, and read them back.
//! - [`torch`] is the container below, [`Value`] and [`Tensor`] what it holds.
//! - [`npy`] holds arrays.
//! - [`atomic`] is no format: it replaces files so that they are old or new, never half. It stands here because all
//!   that writes files, here and above, uses this crate.

pub mod atomic;
mod c;
mod checkpoint;
mod compare;
mod container;
mod contract;
pub mod convert;
mod error;
mod firmware;
mod fly;
pub mod input;
mod leapp;
pub mod onnx;
pub mod px4;
mod rltools;
mod stages;
mod tflite;
mod torchscript;
pub mod verify;

pub use checkpoint::{
    AdamState, Checkpoint, ContractSummary, Decision, Description, Layout, LoadOptions, LoadedCritic,
    LoadedPolicy, NetworkSummary, NormalizerChoice, OpaqueSummary, OutputChoice, Role, Side, TensorSummary,
    UnknownChoice, rsl_rl, student,
};
pub use compare::{Comparison, Fact, Stated, TensorDifference};
pub use container::tensor::{DType, Tensor};
pub use container::value::Value;
pub use container::{npy, torch};
pub use convert::Kind;
pub use error::FormatError;

/// The top-level key under which Eyas keeps what a layout cannot say; other programs ignore it.
const EYAS_KEY: &str = "eyas";

/// Version of what stands under [`EYAS_KEY`].
const FORMAT_VERSION: i64 = 1;
