//! The promises of the simulator, one module each.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]
#![allow(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod adjoint;
mod aligned;
mod conservation;
mod control;
mod courses;
mod vehicles;
