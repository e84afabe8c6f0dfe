//! Public behaviour of the library; each module is named after what it promises.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod black_box;
mod resumed;
mod runs;
