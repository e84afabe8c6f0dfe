//! Recordings are what the formulas that they were made of are.

mod gives_the_same_bits;
mod goes_back;
mod keeps_what_is_needed;
mod refuses;

use eyas_lanes::{Draws, Real};

/// Numbers of all sorts: zeros of both signs, infinities, no number, subnormal, large, and plain ones.
const SPECIAL: [f32; 17] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.3,
    2.5,
    3.5,
    -7.25,
    1e-40,
    -1e-40,
    3e38,
    -3e38,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MIN_POSITIVE,
];

/// A formula with all that [`Real`] offers, of two numbers and of draws.
fn everything<R: Real>(x: R, y: R, draws: &impl Draws<R>) -> Vec<R> {
    let (sine, cosine) = x.sin_cos_turns();
    let (small_sine, small_cosine) = y.sin_cos_within_eighth();
    let (mantissa, exponent) = x.abs().split_exponent();
    let below = x.less(y);
    let tiny = x.abs().less(R::constant(1e-3));
    let either = R::or(below, R::not(tiny));
    let both = R::and(below, y.is_finite());
    let words = draws.words(3);
    let (turn_sine, turn_cosine) = R::direction(words[2]);
    let mut all = vec![
        x + y,
        x - y,
        x * y,
        x / y,
        -x,
        x.mul_add(y, R::constant(0.1)),
        x.abs().sqrt(),
        x.min(y),
        x.max(y),
        x.clamp(-R::one(), R::one()),
        x.round(),
        x.clamp(R::constant(-20.0), R::constant(20.0)).round().power_of_two(),
        mantissa,
        exponent,
        x.exp(),
        (-x.abs()).exp_minus_one(),
        x.tanh(),
        x.sigmoid(),
        x.abs().ln(),
        sine,
        cosine,
        small_sine,
        small_cosine,
        x.acos_one_minus(),
        R::select(either, x, y),
        R::select(both, x * R::constant(1.0 / 3.0), y),
        R::uniform(words[0]),
        turn_sine,
        turn_cosine,
    ];
    all.extend(draws.normals(4));
    all
}

/// Whether two numbers have the same bits, or are both no number.
fn same(left: f32, right: f32) -> bool {
    left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
}
