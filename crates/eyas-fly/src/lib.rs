//! Policies on a flight controller: no standard library, no heap, no panic.
//!
//! [`formulas`] are those of every network of Eyas: `eyas-policy` evaluates them on sixteen lanes, this crate on one number.

#![no_std]

pub mod formulas;
