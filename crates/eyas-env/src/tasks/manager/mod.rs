//! Manager-based tasks: made of documented terms by a YAML file, in Isaac Lab's words and semantics.

mod action;
mod arguments;
mod block;
mod command;
mod config;
mod curriculum;
mod event;
mod event_terms;
mod kernels;
mod observation;
mod program;
mod registry;
mod reward;
mod scene;
mod termination;
mod terms;

pub use block::ManagerBlock;
pub use config::{
    ActionConfig, CommandConfig, CommandUpdate, CurriculumConfig, EventConfig, EventMode, ManagerConfig,
    NoiseConfig, NoiseKind, ObservationConfig, ObservationGroupConfig, Operation, RewardTermConfig,
    TerminationTermConfig,
};
pub use observation::Output;
pub use registry::{Kind, Manager, Parameter, Range, TermInfo};
pub use terms::{Param, Terms};

/// What the term of an observation of that name gives.
#[must_use]
pub fn observation_output(name: &str) -> Option<Output> {
    observation::ObservationTerm::output_of(name)
}
