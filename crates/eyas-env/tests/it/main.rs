//! The promises of the tasks, one module each.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]
#![expect(clippy::float_cmp, reason = "what is copied or set is the same to the bit")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_for_each,
    reason = "tests say what failed by panicking"
)]

mod direct;
mod downwash;
mod formation;
mod formation_bytes;
mod formation_twin;
mod manager;
mod multi_agent;
mod perturbation;
mod point;
mod raptor;
mod reality;
mod replay;
