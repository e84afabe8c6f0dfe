//! The promises of the learners, one module each.

#![allow(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod apg;
mod flight;
