//! What `eyas-fly` promises of its machine code.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod no_panic;
