//! Policy networks: forward, backward, normaliser, optimiser and the policy contract; knows no task.

mod activation;
mod adam;
mod architecture;
mod contract;
mod dense;
mod elementwise;
mod gru;
mod inference;
mod init;
mod kernel;
mod normalizer;
mod policy;
mod train;
mod unroll;

pub use activation::{Activation, UnknownActivation};
pub use adam::{Adam, PARAMETERS_AT_ONCE, adam_step, clip_gradient_norm};
pub use architecture::{Architecture, Cell, Core, Linear, Recurrent, Tensor};
pub use contract::{
    ActionContract, Contract, ContractMismatch, NormalizerContract, ObservationContract, ObservationPart,
    Origin, StateContract, TestVectors, VehicleRange,
};
pub use gru::gru_backward;
pub use inference::{Inference, Part, Scratch};
pub use init::Init;
pub use kernel::Matrix;
pub use normalizer::Normalizer;
pub use policy::{Network, Output, Policy};
pub use train::{Pass, Trainer, Untrainable};
pub use unroll::{Unroll, UnrollTape};
