//! Elementary functions over lanes, made of IEEE operations only so that each target gives the same bytes.

use crate::Lanes;

#[inline(always)]
fn polynomial<L: Lanes, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    let mut sum = L::splat(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = sum.mul_add(x, L::splat(*coefficient));
    }
    sum
}

/// Cody–Waite reduction and the degree-5 polynomial of Cephes `expf`.
#[inline(always)]
pub(crate) fn exp<L: Lanes>(x: L) -> L {
    let x = x.max(L::splat(-87.0)).min(L::splat(88.0));
    let power = (x * L::splat(std::f32::consts::LOG2_E)).round();
    // ln 2 in two pieces; the first has trailing zeros, so that its product with `power` is exact.
    let rest = power.mul_add(L::splat(-0.693_359_4), x);
    let rest = power.mul_add(L::splat(2.121_944_4e-4), rest);
    let series =
        polynomial(rest, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let mantissa = series.mul_add(rest * rest, rest) + L::splat(1.0);
    mantissa * power.power_of_two()
}

/// Rational approximation x·P(x²)/Q(x²) of degrees 13/6 with the coefficients of Eigen's `ptanh`.
#[inline(always)]
pub(crate) fn tanh<L: Lanes>(x: L) -> L {
    // Beyond this the approximation passes 1 in f32.
    let limit = L::splat(7.905_311);
    let x = x.max(-limit).min(limit);
    let square = x * x;
    let numerator = polynomial(
        square,
        [
            -2.760_768_5e-16,
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297e-8,
            1.485_722_4e-5,
            6.372_619e-4,
            4.893_524_6e-3,
        ],
    );
    let denominator = polynomial(square, [1.198_258_4e-6, 1.185_347e-4, 2.268_434_6e-3, 4.893_525e-3]);
    x * numerator / denominator
}

/// The polynomial of Cephes `logf`.
#[inline(always)]
pub(crate) fn ln<L: Lanes>(x: L) -> L {
    let (mantissa, exponent) = x.split_exponent();
    let low = mantissa.less(L::splat(std::f32::consts::FRAC_1_SQRT_2));
    let one = L::splat(1.0);
    let exponent = L::select(low, exponent - one, exponent);
    let f = L::select(low, mantissa + mantissa, mantissa) - one;
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
    let correction = exponent.mul_add(L::splat(-2.121_944_4e-4), f * square * series);
    let sum = square.mul_add(L::splat(-0.5), correction) + f;
    exponent.mul_add(L::splat(0.693_359_4), sum)
}

/// Quarter-turn reduction and the polynomials of Cephes `sinf` and `cosf` on `[-π/4, π/4]`.
#[inline(always)]
pub(crate) fn sin_cos_turns<L: Lanes>(turns: L) -> (L, L) {
    let quarters = (turns * L::splat(4.0)).round();
    let angle = quarters.mul_add(L::splat(-0.25), turns) * L::splat(std::f32::consts::TAU);
    let square = angle * angle;
    let sine = polynomial(square, [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]);
    let sine = (sine * square).mul_add(angle, angle);
    let cosine = polynomial(square, [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]);
    let cosine = (cosine * square).mul_add(square, square.mul_add(L::splat(-0.5), L::splat(1.0)));
    // Quarter turns in {-2, …, 2}: sine and cosine swap in odd quadrants.
    let quadrant = quarters - (quarters * L::splat(0.25)).round() * L::splat(4.0);
    let half = L::splat(0.5);
    let odd = (quadrant.abs() - L::splat(1.0)).abs().less(half);
    let opposite = L::splat(1.5).less(quadrant.abs());
    let sine_negative = L::or(quadrant.less(-half), opposite);
    let cosine_negative = L::or(half.less(quadrant), opposite);
    let (new_sine, new_cosine) = (L::select(odd, cosine, sine), L::select(odd, sine, cosine));
    (L::select(sine_negative, -new_sine, new_sine), L::select(cosine_negative, -new_cosine, new_cosine))
}

/// `acos(1 − x) = 2 asin √(x/2)`, with the polynomial of Cephes `asinf`.
#[inline(always)]
pub(crate) fn acos_one_minus<L: Lanes>(x: L) -> L {
    let y = (x * L::splat(0.5)).max(L::splat(0.0)).sqrt();
    let half = L::splat(0.5);
    let large = half.less(y);
    let folded = (half * (L::splat(1.0) - y)).max(L::splat(0.0)).sqrt();
    let z = L::select(large, folded, y);
    let square = z * z;
    let series =
        polynomial(square, [4.216_32e-2, 2.418_131e-2, 4.547_002_6e-2, 7.495_300_3e-2, 1.666_675_2e-1]);
    let arc = (series * square).mul_add(z, z);
    let arc = L::select(large, L::splat(std::f32::consts::FRAC_PI_2) - (arc + arc), arc);
    arc + arc
}
