//! Lanes of NEON.

// The intrinsics are sound to call because every processor that programs for aarch64 are compiled for has NEON.
#![allow(unsafe_code, reason = "SIMD intrinsics")]
// Clippy lets wildcards pass in test builds.
#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "forty intrinsics of one prefix"))]

use std::arch::aarch64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{LANES, Lanes, quarter_turns, uniforms};
use crate::float::{QuarterTurn, ROOT_HALF};
use crate::random::{FACTORS, Keys};
use crate::{Kernel, Real, Row, Words};

/// Lanes of a register.
const WIDTH: usize = 4;

/// Registers of sixteen lanes.
const REGISTERS: usize = LANES / WIDTH;

/// Four NEON registers.
#[derive(Clone, Copy)]
pub(crate) struct Neon([float32x4_t; REGISTERS]);

/// What a function gives for each of four registers.
#[inline(always)]
fn each<T>(function: impl Fn(usize) -> T) -> [T; REGISTERS] {
    [function(0), function(1), function(2), function(3)]
}

macro_rules! neon_binary {
    ($($operator:ident $method:ident $intrinsic:ident),*) => {$(
        impl $operator for Neon {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the head of this file.
                Self(each(|i| unsafe { $intrinsic(self.0[i], other.0[i]) }))
            }
        }
    )*};
}
neon_binary!(Add add vaddq_f32, Sub sub vsubq_f32, Mul mul vmulq_f32, Div div vdivq_f32);

impl Neg for Neon {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: see the head of this file.
        Self(each(|i| unsafe { vnegq_f32(self.0[i]) }))
    }
}

// SAFETY of every block below: see the head of this file.
impl Real for Neon {
    type Mask = [uint32x4_t; REGISTERS];
    type Word = [u32; LANES];

    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self::splat(value as f32)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(each(|i| unsafe { vfmaq_f32(addend.0[i], self.0[i], factor.0[i]) }))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(each(|i| unsafe { vsqrtq_f32(self.0[i]) }))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(each(|i| unsafe { vabsq_f32(self.0[i]) }))
    }
    /// Compares and selects: of a number and none `vminq_f32` gives none, of two zeros the negative one.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(each(|i| unsafe { vbslq_f32(vcltq_f32(self.0[i], other.0[i]), self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(each(|i| unsafe { vbslq_f32(vcgtq_f32(self.0[i], other.0[i]), self.0[i], other.0[i]) }))
    }
    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        each(|i| unsafe { vcltq_f32(self.0[i], other.0[i]) })
    }
    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(each(|i| unsafe { vbslq_f32(mask[i], yes.0[i], no.0[i]) }))
    }
    #[inline(always)]
    fn round(self) -> Self {
        Self(each(|i| unsafe { vrndnq_f32(self.0[i]) }))
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(each(|i| unsafe {
            let exponent = vaddq_s32(vcvtq_s32_f32(self.0[i]), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        }))
    }
    #[inline(always)]
    fn split_exponent(self) -> (Self, Self) {
        let bits = each(|i| unsafe { vreinterpretq_s32_f32(self.0[i]) });
        let power = each(|i| unsafe { vshrq_n_s32::<23>(vsubq_s32(bits[i], vdupq_n_s32(ROOT_HALF))) });
        let mantissa =
            each(|i| unsafe { vreinterpretq_f32_s32(vsubq_s32(bits[i], vshlq_n_s32::<23>(power[i]))) });
        (Self(mantissa), Self(each(|i| unsafe { vcvtq_f32_s32(power[i]) })))
    }
    #[inline(always)]
    fn and(left: Self::Mask, right: Self::Mask) -> Self::Mask {
        each(|i| unsafe { vandq_u32(left[i], right[i]) })
    }
    #[inline(always)]
    fn or(left: Self::Mask, right: Self::Mask) -> Self::Mask {
        each(|i| unsafe { vorrq_u32(left[i], right[i]) })
    }
    #[inline(always)]
    fn not(mask: Self::Mask) -> Self::Mask {
        each(|i| unsafe { vmvnq_u32(mask[i]) })
    }
    #[inline(always)]
    fn uniform(word: [u32; LANES]) -> Self {
        uniforms(&word)
    }
    #[inline(always)]
    fn quarter_turn(word: [u32; LANES]) -> QuarterTurn<Self> {
        quarter_turns(&word)
    }
}

impl Lanes for Neon {
    // 32 registers of four lanes.
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        crate::dispatch::neon(kernel)
    }
    #[inline(always)]
    fn from_array(values: &[f32; LANES]) -> Self {
        Self(each(|i| unsafe { vld1q_f32(values[WIDTH * i..][..WIDTH].as_ptr()) }))
    }
    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut values = [0.0; LANES];
        for i in 0..REGISTERS {
            unsafe { vst1q_f32(values[WIDTH * i..][..WIDTH].as_mut_ptr(), self.0[i]) };
        }
        values
    }
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([unsafe { vdupq_n_f32(value) }; REGISTERS])
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        let [a, b, c, d] = Self::and(mask, lane_bits());
        // No bit stands in two lanes: their sum is all of them.
        unsafe { vaddvq_u32(vorrq_u32(vorrq_u32(a, b), vorrq_u32(c, d))) }
    }
    #[inline(always)]
    fn mask(bits: u32) -> Self::Mask {
        let (bits, lane_bits) = (unsafe { vdupq_n_u32(bits) }, lane_bits());
        each(|i| unsafe { vtstq_u32(bits, lane_bits[i]) })
    }
    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let mut columns = rows;
        for row in 0..REGISTERS {
            for column in 0..REGISTERS {
                let block = transpose4(each(|i| rows[WIDTH * row + i].0[column]));
                for i in 0..WIDTH {
                    columns[WIDTH * column + i].0[row] = block[i];
                }
            }
        }
        columns
    }
    /// Folds of each vector to 8 and to 4 lanes, then of two rows side by side to 2 each, of four rows to 1 each.
    #[inline(always)]
    fn sums_of_lanes(rows: [Self; LANES]) -> Self {
        let four = |row: usize| unsafe {
            let [a, b, c, d] = rows[row].0;
            vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d))
        };
        let two = |row: usize| unsafe {
            let (a, b) = (vreinterpretq_f64_f32(four(row)), vreinterpretq_f64_f32(four(row + 1)));
            vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(a, b)), vreinterpretq_f32_f64(vzip2q_f64(a, b)))
        };
        Self(each(|i| unsafe { vpaddq_f32(two(WIDTH * i), two(WIDTH * i + 2)) }))
    }
    /// In blocks of 4 × 4, each of which fits into the registers.
    #[inline(always)]
    fn transpose_rows(rows: &[Row], from: usize, columns: &mut [Row], to: usize) {
        for (block_row, rows) in rows.chunks(WIDTH).enumerate() {
            for (block_column, columns) in columns.chunks_exact_mut(WIDTH).enumerate() {
                let place = from * LANES + WIDTH * block_column;
                // The last row stands for those that are missing.
                let block = transpose4(each(|i| {
                    let row = &rows[i.min(rows.len() - 1)];
                    unsafe { vld1q_f32(row.0[place..place + WIDTH].as_ptr()) }
                }));
                let place = to * LANES + WIDTH * block_row;
                for (column, values) in columns.iter_mut().zip(block) {
                    unsafe { vst1q_f32(column.0[place..place + WIDTH].as_mut_ptr(), values) };
                }
            }
        }
    }
}

/// One bit in each lane, in the order of [`Lanes::bits`].
#[inline(always)]
fn lane_bits() -> [uint32x4_t; REGISTERS] {
    let bits: [u32; LANES] = std::array::from_fn(|lane| 1 << lane);
    each(|i| unsafe { vld1q_u32(bits[WIDTH * i..][..WIDTH].as_ptr()) })
}

/// Ten rounds of Philox for sixteen lanes. NEON multiplies 32 bits to 64 but not 64 bits, so that the compiler makes scalar
/// code of what other targets do.
#[inline(always)]
pub(crate) fn philox(counter: &mut Words, keys: &Keys) {
    // Upper and lower halves of the products.
    let multiply = |words: uint32x4_t, factor: u32| unsafe {
        let low = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(words), factor));
        let high = vreinterpretq_u32_u64(vmull_high_n_u32(words, factor));
        (vuzp2q_u32(low, high), vuzp1q_u32(low, high))
    };
    let mut words =
        counter.each_ref().map(|words| each(|i| unsafe { vld1q_u32(words[WIDTH * i..][..WIDTH].as_ptr()) }));
    for [left, right] in keys {
        let (left, right) = unsafe { (vdupq_n_u32(*left as u32), vdupq_n_u32(*right as u32)) };
        for i in 0..REGISTERS {
            let (first_high, first_low) = multiply(words[0][i], FACTORS[0]);
            let (second_high, second_low) = multiply(words[2][i], FACTORS[1]);
            words[0][i] = unsafe { veorq_u32(veorq_u32(words[1][i], left), second_high) };
            words[1][i] = second_low;
            words[2][i] = unsafe { veorq_u32(veorq_u32(words[3][i], right), first_high) };
            words[3][i] = first_low;
        }
    }
    for (counter, words) in counter.iter_mut().zip(words) {
        for i in 0..REGISTERS {
            unsafe { vst1q_u32(counter[WIDTH * i..][..WIDTH].as_mut_ptr(), words[i]) };
        }
    }
}

/// Transposes a 4 × 4 matrix given by its rows.
#[inline(always)]
fn transpose4([a, b, c, d]: [float32x4_t; WIDTH]) -> [float32x4_t; WIDTH] {
    unsafe {
        let (ac_low, ac_high) = (vzip1q_f32(a, c), vzip2q_f32(a, c));
        let (bd_low, bd_high) = (vzip1q_f32(b, d), vzip2q_f32(b, d));
        [
            vzip1q_f32(ac_low, bd_low),
            vzip2q_f32(ac_low, bd_low),
            vzip1q_f32(ac_high, bd_high),
            vzip2q_f32(ac_high, bd_high),
        ]
    }
}
