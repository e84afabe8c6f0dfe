//! The arithmetic that formulas of physics are written in.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A real number, or several side by side: `f64`, `f32`, or sixteen `f32` lanes.
pub trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The outcome of a comparison.
    type Mask: Copy;

    /// A constant; rounded once to the precision at hand.
    fn constant(value: f64) -> Self;
    /// `self · factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
    /// The smaller; `other` where `self` is not a number.
    fn min(self, other: Self) -> Self;
    /// The larger; `other` where `self` is not a number.
    fn max(self, other: Self) -> Self;
    /// `self < other`.
    fn less(self, other: Self) -> Self::Mask;
    /// `self` where the mask holds, else `other`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Either mask.
    fn or(left: Self::Mask, right: Self::Mask) -> Self::Mask;
    /// `acos(1 − x)` for `x` in `[0, 1]`, exact near 0 where the textbook form loses half its digits.
    fn acos_one_minus(self) -> Self;

    /// Zero.
    #[inline(always)]
    #[must_use]
    fn zero() -> Self {
        Self::constant(0.0)
    }

    /// One.
    #[inline(always)]
    #[must_use]
    fn one() -> Self {
        Self::constant(1.0)
    }

    /// Limited to `[low, high]`.
    #[inline(always)]
    #[must_use]
    fn clamp(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }
}

macro_rules! scalar {
    ($float:ty, $asin:path) => {
        impl Real for $float {
            type Mask = bool;

            #[inline(always)]
            fn constant(value: f64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                <$float>::mul_add(self, factor, addend)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$float>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$float>::abs(self)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self < other
            }
            #[inline(always)]
            fn select(mask: bool, yes: Self, no: Self) -> Self {
                if mask { yes } else { no }
            }
            #[inline(always)]
            fn or(left: bool, right: bool) -> bool {
                left || right
            }
            #[inline(always)]
            fn acos_one_minus(self) -> Self {
                2.0 * $asin((0.5 * self).sqrt())
            }
        }
    };
}

scalar!(f32, libm::asinf);
scalar!(f64, libm::asin);
