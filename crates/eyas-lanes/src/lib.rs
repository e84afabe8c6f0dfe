//! Sixteen virtual SIMD lanes, their elementary functions, run-time dispatch and counter-based random
//! numbers.
//!
//! A formula is written once, generic in [`Real`], and runs on `f64` (the test oracle), on `f32`, and on
//! sixteen `f32` [`Lanes`] at a time: one AVX-512 register, two AVX2 registers, four NEON registers or an
//! array that the compiler maps to what the target has. Every operation is one IEEE-754 operation for each lane in a
//! fixed order, so that all of them give the same bytes.

mod dispatch;
pub mod elementary;
mod fields;
mod float;
mod lanes;
mod random;
mod row;

pub use dispatch::{Isa, Kernel, dispatch, dispatch_on, force_isa};
pub use fields::{Fields, Map, Number, Zip};
pub use float::{QuarterTurn, Real};
pub use lanes::{LANES, Lanes, Portable};
pub use random::{Draws, EnvDraws, LaneDraws, Stream, Words};
pub use row::{BLOCK, HALVES, Row, lanes_of, prefetch, transpose, transposed_rows};
