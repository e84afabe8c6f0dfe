//! Lanes of every target.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{LANES, Lanes, quarter_turns, uniforms};
use crate::float::QuarterTurn;
use crate::{Kernel, Real};

/// Sixteen lanes as an array: the fallback of every target and the reference of the others.
///
/// On x86-64 and aarch64, where hardly a machine needs them, the operations are functions: inlined they took most of the
/// time of a build on x86-64, where a fused multiply-add is a call for each lane, and two fifths on aarch64.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Portable([f32; LANES]);

macro_rules! portable_binary {
    ($($operator:ident $method:ident $symbol:tt),*) => {$(
        impl $operator for Portable {
            type Output = Self;
            #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
            #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
            fn $method(mut self, other: Self) -> Self {
                for lane in 0..LANES {
                    self.0[lane] $symbol other.0[lane];
                }
                self
            }
        }
    )*};
}
portable_binary!(Add add +=, Sub sub -=, Mul mul *=, Div div /=);

impl Neg for Portable {
    type Output = Self;
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn neg(self) -> Self {
        self.map(|x| -x)
    }
}

impl Portable {
    #[inline(always)]
    fn map(mut self, function: impl Fn(f32) -> f32) -> Self {
        for value in &mut self.0 {
            *value = function(*value);
        }
        self
    }
}

impl Real for Portable {
    type Mask = u32;
    type Word = [u32; LANES];

    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self([value as f32; LANES])
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn mul_add(mut self, factor: Self, addend: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = f32::mul_add(self.0[lane], factor.0[lane], addend.0[lane]);
        }
        self
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn abs(self) -> Self {
        self.map(f32::abs)
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn min(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = Real::min(self.0[lane], other.0[lane]);
        }
        self
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn max(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = Real::max(self.0[lane], other.0[lane]);
        }
        self
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn less(self, other: Self) -> u32 {
        (0..LANES).fold(0, |bits, lane| bits | (u32::from(self.0[lane] < other.0[lane]) << lane))
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn select(mask: u32, yes: Self, mut no: Self) -> Self {
        for lane in 0..LANES {
            if mask >> lane & 1 == 1 {
                no.0[lane] = yes.0[lane];
            }
        }
        no
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn round(self) -> Self {
        self.map(Real::round)
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn power_of_two(self) -> Self {
        self.map(Real::power_of_two)
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn split_exponent(self) -> (Self, Self) {
        (self.map(|x| x.split_exponent().0), self.map(|x| x.split_exponent().1))
    }
    #[inline(always)]
    fn and(left: u32, right: u32) -> u32 {
        left & right
    }
    #[inline(always)]
    fn or(left: u32, right: u32) -> u32 {
        left | right
    }
    #[inline(always)]
    fn not(mask: u32) -> u32 {
        !mask & 0xffff
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

impl Lanes for Portable {
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        crate::dispatch::portable(kernel)
    }
    #[inline(always)]
    fn from_array(values: &[f32; LANES]) -> Self {
        Self(*values)
    }
    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        self.0
    }
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    fn bits(mask: u32) -> u32 {
        mask
    }
    #[inline(always)]
    fn mask(bits: u32) -> u32 {
        bits
    }
    #[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(never))]
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), inline(always))]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        let mut columns = rows;
        for (column, values) in columns.iter_mut().enumerate() {
            for (row, value) in values.0.iter_mut().enumerate() {
                *value = rows[row].0[column];
            }
        }
        columns
    }
}
