//! The promises of vehicle files, fleets and drawn vehicles, one module each.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]
#![expect(clippy::float_cmp, reason = "what is copied or set is the same to the bit")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests say what failed by panicking")]

mod compressed;
mod files;
mod lints;
mod motors;
mod sampler;
