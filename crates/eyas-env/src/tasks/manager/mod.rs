//! Manager-based tasks: made of documented terms by a YAML file, in Isaac Lab's words and semantics.

mod action;
mod arguments;
mod command;
mod config;
mod curriculum;
mod event;
mod event_terms;
mod observation;
mod program;
mod registry;
mod reward;
mod scene;
mod task;
mod termination;
mod terms;
#[cfg(test)]
mod tests;

pub use config::{
    ActionConfig, CommandConfig, CommandUpdate, CurriculumConfig, EventConfig, EventMode, ManagerConfig,
    NoiseConfig, NoiseKind, ObservationConfig, ObservationGroupConfig, Operation, RewardTermConfig,
    TerminationTermConfig,
};
pub use observation::Output;
pub use registry::{Kind, Manager, Parameter, Range, TermInfo};
pub use task::{ManagerBlock, ManagerTask};
pub use terms::{Param, Terms};

/// What the term of an observation of that name gives.
#[must_use]
pub fn observation_output(name: &str) -> Option<Output> {
    observation::ObservationTerm::output_of(name)
}
