//! The arithmetic that formulas are written in.

use core::ops::{Add, Div, Mul, Neg, Sub};

use crate::{elementary, ieee};

/// What `Fields` are made of, and what they are: plain values that threads may share.
pub trait Number: Copy + Send + Sync {}

impl<N: Copy + Send + Sync> Number for N {}

/// A real number, or several side by side: `f64`, `f32`, sixteen `f32` lanes, or an operation that is recorded.
///
/// What a formula may do: arithmetic, comparisons and what is chosen by them, elementary functions, random words. Each
/// operation of `f32` is one IEEE-754 operation rounded to nearest, and the elementary functions are the same polynomials
/// everywhere, so `f32` and a lane give the same bits; `f64` takes its functions from `libm`, as the oracle of tests.
/// What is memory stands in `Lanes`, which only drivers use.
pub trait Real:
    Number
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The outcome of a comparison.
    type Mask: Copy;
    /// 32 random bits, as a `Stream` draws them.
    type Word: Copy;

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
    /// Nearest integer, ties to even, for magnitudes below 2²².
    fn round(self) -> Self;
    /// 2 to the power of an integral value in `[-126, 127]`.
    fn power_of_two(self) -> Self;
    /// Splits positive normal numbers into a mantissa in `[√½, √2)` and an exponent.
    fn split_exponent(self) -> (Self, Self);
    /// `self < other`; false where either is not a number.
    fn less(self, other: Self) -> Self::Mask;
    /// `yes` where the mask holds, else `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// Both masks.
    fn and(left: Self::Mask, right: Self::Mask) -> Self::Mask;
    /// Either mask.
    fn or(left: Self::Mask, right: Self::Mask) -> Self::Mask;
    /// Where the mask does not hold.
    fn not(mask: Self::Mask) -> Self::Mask;
    /// The upper 24 bits of a word as a number in `[0, 1)`.
    fn uniform(word: Self::Word) -> Self;
    /// A word as a fraction of a turn, cut into what [`direction`](Self::direction) is made of.
    fn quarter_turn(word: Self::Word) -> QuarterTurn<Self>;

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

    /// A mask that holds nowhere.
    #[inline(always)]
    fn never() -> Self::Mask {
        Self::zero().less(Self::zero())
    }

    /// Limited to `[low, high]`; `high` where it is not a number.
    #[inline(always)]
    #[must_use]
    fn clamp(self, low: Self, high: Self) -> Self {
        self.max(low).min(high)
    }

    /// Where it is neither infinite nor not a number.
    #[inline(always)]
    #[must_use]
    fn is_finite(self) -> Self::Mask {
        self.abs().less(Self::constant(f64::INFINITY))
    }

    /// `eˣ`, relative error below 2.5e-7 for x in `[-87, 88]`, clamped outside.
    #[inline(always)]
    #[must_use]
    fn exp(self) -> Self {
        elementary::exp(self)
    }

    /// `eˣ − 1` for x ≤ 0, absolute error below 2e-7.
    #[inline(always)]
    #[must_use]
    fn exp_minus_one(self) -> Self {
        elementary::exp_minus_one(self)
    }

    /// Hyperbolic tangent, absolute error below 4.5e-7.
    #[inline(always)]
    #[must_use]
    fn tanh(self) -> Self {
        elementary::tanh(self)
    }

    /// Logistic function `1 / (1 + e⁻ˣ)`, absolute error below 3e-7.
    #[inline(always)]
    #[must_use]
    fn sigmoid(self) -> Self {
        elementary::sigmoid(self)
    }

    /// Natural logarithm of positive normal numbers, error below 3e-7 of the larger of its magnitude and 0.1.
    #[inline(always)]
    #[must_use]
    fn ln(self) -> Self {
        elementary::ln(self)
    }

    /// `(sin 2πx, cos 2πx)`, absolute error below 4e-7 for |x| ≤ 4.
    #[inline(always)]
    #[must_use]
    fn sin_cos_turns(self) -> (Self, Self) {
        elementary::sin_cos_turns(self)
    }

    /// `(sin x, cos x)` for x in `[-π/4, π/4]`.
    #[inline(always)]
    #[must_use]
    fn sin_cos_within_eighth(self) -> (Self, Self) {
        elementary::sin_cos_within_eighth(self)
    }

    /// `acos(1 − x)` for `x` in `[0, 1]`, absolute error below 5e-7 and exact near 0, where the textbook form loses half
    /// its digits.
    #[inline(always)]
    #[must_use]
    fn acos_one_minus(self) -> Self {
        elementary::acos_one_minus(self)
    }

    /// `(sin 2πu, cos 2πu)` of `u = word / 2³²`. The upper two bits of a word are its quarter turn, so that no number has
    /// to be reduced.
    #[inline(always)]
    #[must_use]
    fn direction(word: Self::Word) -> (Self, Self) {
        let QuarterTurn { rest, swap, sine, cosine } = Self::quarter_turn(word);
        let angle = rest * Self::constant(core::f64::consts::TAU / 4_294_967_296.0);
        let (s, c) = angle.sin_cos_within_eighth();
        let swap = swap.less(Self::zero());
        let (s, c) = (Self::select(swap, c, s), Self::select(swap, s, c));
        (s * sine, c * cosine)
    }

    /// Four independent standard normal numbers (Box and Muller, 1958).
    #[inline(always)]
    #[must_use]
    fn normals(words: [Self::Word; 4]) -> [Self; 4] {
        let half_step = Self::constant(0.5 / 16_777_216.0);
        let mut out = [Self::zero(); 4];
        for pair in 0..2 {
            // Shifted by half a step: the logarithm never sees zero.
            let radius = ((Self::uniform(words[2 * pair]) + half_step).ln() * Self::constant(-2.0)).sqrt();
            let (sine, cosine) = Self::direction(words[2 * pair + 1]);
            out[2 * pair] = radius * cosine;
            out[2 * pair + 1] = radius * sine;
        }
        out
    }
}

/// A fraction of a turn, `word / 2³²`, within an eighth of a multiple of a quarter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuarterTurn<R> {
    /// What is left of it beyond the quarters, in turns / 2³², in `[-2²⁹, 2²⁹]`.
    pub rest: R,
    /// −1 where sine and cosine change places, else 1.
    pub swap: R,
    /// Sign of the sine.
    pub sine: R,
    /// Sign of the cosine.
    pub cosine: R,
}

impl QuarterTurn<f32> {
    /// An eighth of a turn, as a word.
    pub const EIGHTH: u32 = 1 << 29;
    /// A quarter of a turn, as a word.
    pub const QUARTER: u32 = 1 << 30;

    /// That of a word.
    #[inline(always)]
    pub(crate) fn of(word: u32) -> Self {
        let signed_one = |sign: u32| f32::from_bits(1.0_f32.to_bits() | sign & 1 << 31);
        // Quarters begin an eighth before a multiple of a quarter.
        let turned = word.wrapping_add(Self::EIGHTH);
        Self {
            rest: ((turned & (Self::QUARTER - 1)) as i32 - Self::EIGHTH as i32) as f32,
            swap: signed_one(turned << 1),
            sine: signed_one(turned),
            cosine: signed_one(turned.wrapping_add(Self::QUARTER)),
        }
    }
}

/// The upper 24 bits as a number in `[0, 1)`.
#[inline(always)]
pub(crate) fn uniform(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

macro_rules! scalar_arithmetic {
    ($float:ty, $($functions:ident)::+) => {
        type Mask = bool;
        type Word = u32;

        #[inline(always)]
        fn constant(value: f64) -> Self {
            value as Self
        }
        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            $($functions)::+::mul_add(self, factor, addend)
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            $($functions)::+::sqrt(self)
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
        fn round(self) -> Self {
            $($functions)::+::round_ties_even(self)
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
        fn and(left: bool, right: bool) -> bool {
            left & right
        }
        #[inline(always)]
        fn or(left: bool, right: bool) -> bool {
            left | right
        }
        #[inline(always)]
        fn not(mask: bool) -> bool {
            !mask
        }
    };
}

/// The bits of √½: taken from those of `m · 2ᵉ` with `m` in `[√½, √2)`, they leave `e` in the upper nine.
pub const ROOT_HALF: i32 = 0x3f35_04f3;

impl Real for f32 {
    scalar_arithmetic!(f32, ieee);

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self::from_bits(((self as i32 + 127) << 23) as u32)
    }
    #[inline(always)]
    fn split_exponent(self) -> (Self, Self) {
        let power = (self.to_bits() as i32 - ROOT_HALF) >> 23;
        (Self::from_bits(self.to_bits().wrapping_sub((power << 23) as u32)), power as Self)
    }
    #[inline(always)]
    fn uniform(word: u32) -> Self {
        uniform(word)
    }
    #[inline(always)]
    fn quarter_turn(word: u32) -> QuarterTurn<Self> {
        QuarterTurn::of(word)
    }
}

/// Functions of `libm`, exact to double precision where those of `f32` are polynomials.
#[cfg(feature = "std")]
impl Real for f64 {
    scalar_arithmetic!(f64, f64);

    #[inline(always)]
    fn power_of_two(self) -> Self {
        libm::exp2(self)
    }
    #[inline(always)]
    fn split_exponent(self) -> (Self, Self) {
        let (mantissa, exponent) = libm::frexp(self);
        // `frexp` gives a mantissa in [½, 1).
        if mantissa < core::f64::consts::FRAC_1_SQRT_2 {
            (2.0 * mantissa, f64::from(exponent - 1))
        } else {
            (mantissa, f64::from(exponent))
        }
    }
    #[inline(always)]
    fn uniform(word: u32) -> Self {
        f64::from(uniform(word))
    }
    #[inline(always)]
    fn quarter_turn(word: u32) -> QuarterTurn<Self> {
        let QuarterTurn { rest, swap, sine, cosine } = QuarterTurn::of(word);
        QuarterTurn { rest: rest.into(), swap: swap.into(), sine: sine.into(), cosine: cosine.into() }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        libm::exp(self)
    }
    #[inline(always)]
    fn exp_minus_one(self) -> Self {
        libm::expm1(self)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        libm::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        1.0 / (1.0 + libm::exp(-self))
    }
    #[inline(always)]
    fn ln(self) -> Self {
        libm::log(self)
    }
    #[inline(always)]
    fn sin_cos_turns(self) -> (Self, Self) {
        libm::sincos(self * core::f64::consts::TAU)
    }
    #[inline(always)]
    fn sin_cos_within_eighth(self) -> (Self, Self) {
        libm::sincos(self)
    }
    #[inline(always)]
    fn acos_one_minus(self) -> Self {
        2.0 * libm::asin((0.5 * self).sqrt())
    }
}
