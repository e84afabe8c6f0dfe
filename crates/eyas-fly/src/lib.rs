//! Policies on a flight controller: no standard library, no heap, no panic.
//!
//! [`formulas`] are those of every network of Eyas: `eyas-policy` evaluates them on sixteen lanes, this crate on one number
//! with the same bits. A [`Policy`] lies in flash as [`blob`] describes; an [`Executor`] flies it at the rate that it was
//! trained at from a loop that runs faster.

#![no_std]

pub mod blob;
mod executor;
pub mod formulas;
mod policy;

pub use executor::{Executor, Fault, Kind, Rates, Step, Timing};
pub use policy::{Error, Policy, Sections};
