//! Public behaviour of `eyas-run`; each module is a promise.

#![expect(clippy::unwrap_used, reason = "a failed test should panic")]
#![expect(clippy::float_cmp, reason = "a configuration must keep every bit")]

mod event_files;
mod foreign_params;
mod hydra_table;
mod interpolations;
mod interruption;
mod layering;
mod override_grammar;
mod python;
mod resumed_runs;
mod run_directories;
mod run_manifest;
mod sweeps;
mod yaml_text;
