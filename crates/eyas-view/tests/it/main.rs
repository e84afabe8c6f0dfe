//! Public behaviour of the renderer; each module is named after what it promises.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod draws_the_same_everywhere;
mod plays;
mod plots_the_same_everywhere;
mod script;
mod teams;
