//! The promises of the live view's server, one module each.

#![allow(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod bundle;
mod server;
