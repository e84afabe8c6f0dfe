//! The promises of the learners, one module each.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]
#![allow(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod apg;
mod flight;
mod geometric;
