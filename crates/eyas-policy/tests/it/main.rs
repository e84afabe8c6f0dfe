//! The promises of the policy crate, one module each.

mod adam;
mod gradients;
mod inference;
mod oracle;
