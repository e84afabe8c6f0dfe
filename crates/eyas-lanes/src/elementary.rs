//! Elementary functions made of IEEE operations only, so that `f32` and the lanes of each target give the same bytes.
//!
//! Each is what the method of [`Real`] of that name does on a number that knows no better way; domains and errors stand
//! there.

use crate::Real;

/// A constant that is an `f32`: exact.
#[inline(always)]
fn exact<R: Real>(value: f32) -> R {
    R::constant(f64::from(value))
}

#[inline(always)]
fn polynomial<R: Real, const N: usize>(x: R, coefficients: [f32; N]) -> R {
    let mut sum: R = exact(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = sum.mul_add(x, exact(*coefficient));
    }
    sum
}

/// Cody–Waite reduction and the degree-5 polynomial of Cephes `expf`.
#[inline(always)]
pub fn exp<R: Real>(x: R) -> R {
    let x = x.max(exact(-87.0)).min(exact(88.0));
    let power = (x * exact(core::f32::consts::LOG2_E)).round();
    // ln 2 in two pieces; the first has trailing zeros, so that its product with `power` is exact.
    let rest = power.mul_add(exact(-0.693_359_4), x);
    let rest = power.mul_add(exact(2.121_944_4e-4), rest);
    let series =
        polynomial(rest, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let mantissa = series.mul_add(rest * rest, rest) + exact(1.0);
    mantissa * power.power_of_two()
}

/// `2ᵖ (eʳ − 1) + (2ᵖ − 1)` with `x = p ln 2 + r`: for `x ≤ 0` what ln 2 loses in one piece vanishes with `2ᵖ`.
#[inline(always)]
pub fn exp_minus_one<R: Real>(x: R) -> R {
    // Below this the result is −1.
    let x = x.max(exact(-25.0));
    let power = (x * exact(core::f32::consts::LOG2_E)).round();
    let rest = power.mul_add(exact(-core::f32::consts::LN_2), x);
    let series = polynomial(rest, [8.374_648e-3, 4.189_832_5e-2, 1.666_645_7e-1, 4.999_914_8e-1]);
    let series = series.mul_add(rest * rest, rest);
    let scale = power.power_of_two();
    series.mul_add(scale, scale - exact(1.0))
}

/// `tanh x ≈ x P(x²) / Q(x²)` for `|x| ≤ 8`, of degrees 7 and 8, fitted to the smallest absolute error: coefficients of
/// `P` and `Q`, highest power first.
const TANH: ([f32; 4], [f32; 5]) = (
    [1.131_021_9e-5, 2.938_827_3e-3, 1.291_364_1e-1, 9.999_993_4e-1],
    [2.423_839_8e-7, 2.370_284e-4, 2.376_382_4e-2, 4.624_674e-1, 1.0],
);

/// Beyond this [`TANH`] passes 1 in `f32`.
const TANH_LIMIT: f32 = 8.0;

/// The quotient of two polynomials in `x²`.
#[inline(always)]
pub fn tanh<R: Real>(x: R) -> R {
    let limit: R = exact(TANH_LIMIT);
    let x = x.max(-limit).min(limit);
    let square = x * x;
    x * polynomial(square, TANH.0) / polynomial(square, TANH.1)
}

/// `½ + ½ tanh(x/2)`, with the halves in the coefficients.
#[inline(always)]
pub fn sigmoid<R: Real>(x: R) -> R {
    const HALVED: ([f32; 4], [f32; 5]) = (scaled(TANH.0, 0.25), scaled(TANH.1, 1.0));
    let limit: R = exact(2.0 * TANH_LIMIT);
    let x = x.max(-limit).min(limit);
    let square = x * x;
    x * polynomial(square, HALVED.0) / polynomial(square, HALVED.1) + exact(0.5)
}

/// The polynomial in `s` that takes the value of this one in `s/4`, times `factor`: exactly, as both are powers of two.
const fn scaled<const N: usize>(mut coefficients: [f32; N], mut factor: f32) -> [f32; N] {
    let mut index = N;
    while index > 0 {
        index -= 1;
        coefficients[index] *= factor;
        factor *= 0.25;
    }
    coefficients
}

/// The polynomial of Cephes `logf`.
#[inline(always)]
pub fn ln<R: Real>(x: R) -> R {
    let (mantissa, exponent) = x.split_exponent();
    let f = mantissa - exact(1.0);
    let square = f * f;
    let series = polynomial(
        f,
        [
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            0.333_333_3,
        ],
    );
    let correction = exponent.mul_add(exact(-2.121_944_4e-4), f * square * series);
    let sum = square.mul_add(exact(-0.5), correction) + f;
    exponent.mul_add(exact(0.693_359_4), sum)
}

/// Quarter-turn reduction and the polynomials of Cephes `sinf` and `cosf` on `[-π/4, π/4]`.
#[inline(always)]
pub fn sin_cos_turns<R: Real>(turns: R) -> (R, R) {
    let quarters = (turns * exact(4.0)).round();
    let angle = quarters.mul_add(exact(-0.25), turns) * exact(core::f32::consts::TAU);
    let (sine, cosine) = sin_cos_within_eighth(angle);
    // Quarter turns in {-2, …, 2}: sine and cosine swap in odd quadrants.
    let quadrant = quarters - (quarters * exact(0.25)).round() * exact(4.0);
    let half = exact(0.5);
    let odd = (quadrant.abs() - exact(1.0)).abs().less(half);
    let opposite = exact::<R>(1.5).less(quadrant.abs());
    let sine_negative = R::or(quadrant.less(-half), opposite);
    let cosine_negative = R::or(half.less(quadrant), opposite);
    let (new_sine, new_cosine) = (R::select(odd, cosine, sine), R::select(odd, sine, cosine));
    (R::select(sine_negative, -new_sine, new_sine), R::select(cosine_negative, -new_cosine, new_cosine))
}

/// Sine and cosine of an angle in `[-π/4, π/4]`.
#[inline(always)]
pub fn sin_cos_within_eighth<R: Real>(angle: R) -> (R, R) {
    let square = angle * angle;
    let sine = polynomial(square, [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let sine = (sine * square).mul_add(angle, angle);
    let cosine = polynomial(square, [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]);
    let cosine = (cosine * square).mul_add(square, square.mul_add(exact(-0.5), exact(1.0)));
    (sine, cosine)
}

/// `acos(1 − x) = 2 asin √s` with `s = x/2`: `asin √s = √s (1 + s P(s))`, `P` fitted on `[0, ½]`.
#[inline(always)]
pub fn acos_one_minus<R: Real>(x: R) -> R {
    let s = (x * exact(0.5)).max(exact(0.0));
    let root = s.sqrt();
    let series = polynomial(
        s,
        [1.114_232_6e-1, -7.120_308e-2, 7.030_527e-2, 3.631_111_6e-2, 7.580_939e-2, 1.666_389_1e-1],
    );
    let arc = (series * s).mul_add(root, root);
    arc + arc
}
