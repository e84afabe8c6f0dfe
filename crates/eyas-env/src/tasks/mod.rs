//! The tasks, one folder each: formulas, configuration, what is observed and what ends an episode.

pub(crate) mod direct;
pub(crate) mod formation;
pub(crate) mod manager;
pub(crate) mod point;
pub(crate) mod raptor;
