//! The promises of the simulator, one module each.

#![allow(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod adjoint;
mod conservation;
mod vehicles;
