//! Sixteen virtual SIMD lanes, their elementary functions, run-time dispatch and counter-based random
//! numbers.
//!
//! A formula is written once, generic in [`Real`], and runs on `f64` (the test oracle), on `f32`, and on
//! sixteen `f32` [`Lanes`] at a time: one AVX-512 register, two AVX2 registers, four NEON registers or an
//! array that the compiler maps to what the target has. Every operation is one IEEE-754 operation for each lane in a
//! fixed order, so that all of them give the same bytes.
//!
//! Without the feature `std` what is left is [`Real`] on `f32`, with the same bits: what a microcontroller needs.

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
mod dispatch;
pub mod elementary;
#[cfg(feature = "std")]
mod fields;
mod float;
mod ieee;
#[cfg(feature = "std")]
mod lanes;
#[cfg(feature = "std")]
mod random;
#[cfg(feature = "std")]
mod row;

#[cfg(feature = "std")]
pub use dispatch::{Isa, Kernel, dispatch, dispatch_on, force_isa};
#[cfg(feature = "std")]
pub use fields::{Fields, Map, Zip};
pub use float::{Number, QuarterTurn, ROOT_HALF, Real};
#[cfg(feature = "std")]
pub use lanes::{LANES, Lanes, Portable};
#[cfg(feature = "std")]
pub use random::{Draws, EnvDraws, LaneDraws, Stream, Words, philox};
#[cfg(feature = "std")]
pub use row::{BLOCK, Row, VECTORS, lanes_of, prefetch, transpose, transposed_rows};
