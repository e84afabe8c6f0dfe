//! What a network computes element by element, over any [`Real`].

use eyas_lanes::Real;

/// A constant that is an `f32`: exact.
#[inline(always)]
fn exact<R: Real>(value: f32) -> R {
    R::constant(f64::from(value))
}

/// `(x − mean) · scale`.
#[inline(always)]
pub fn normalize<R: Real>(x: R, mean: R, scale: R) -> R {
    (x - mean) * scale
}

/// `x` limited to `[−limit, limit]`; what is no number stays so, and is seen.
#[inline(always)]
pub fn clip<R: Real>(x: R, limit: R) -> R {
    let below = R::select(limit.less(x), limit, x);
    R::select(below.less(-limit), -limit, below)
}

/// `x` if positive, else `eˣ − 1`.
#[inline(always)]
pub fn elu<R: Real>(x: R) -> R {
    x.max(R::zero()) + x.min(R::zero()).exp_minus_one()
}

/// Scale of [`selu`], of Klambauer et al. (2017), as PyTorch has it.
pub const SELU_SCALE: f32 = 1.050_701;
/// α of [`selu`].
pub const SELU_ALPHA: f32 = 1.673_263_2;

/// Scaled ELU.
#[inline(always)]
pub fn selu<R: Real>(x: R) -> R {
    let negative = exact::<R>(SELU_ALPHA) * x.min(R::zero()).exp_minus_one();
    exact::<R>(SELU_SCALE) * (x.max(R::zero()) + negative)
}

/// `max(x, 0)`.
#[inline(always)]
pub fn relu<R: Real>(x: R) -> R {
    x.max(R::zero())
}

/// `x` if positive, else `0.01 x`.
#[inline(always)]
pub fn leaky_relu<R: Real>(x: R) -> R {
    x.max(x * exact(0.01))
}

/// `ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|)`.
#[inline(always)]
pub fn softplus<R: Real>(x: R) -> R {
    x.max(R::zero()) + ((-x.abs()).exp() + R::one()).ln()
}

/// `x · σ(x)`.
#[inline(always)]
pub fn silu<R: Real>(x: R) -> R {
    x * x.sigmoid()
}

/// `x · tanh(softplus(x))`.
#[inline(always)]
pub fn mish<R: Real>(x: R) -> R {
    x * softplus(x).tanh()
}

/// `x Φ(x)`, with erfc by Abramowitz and Stegun 7.1.26: absolute error below 2e-7.
#[inline(always)]
pub fn gelu<R: Real>(x: R) -> R {
    let z = x.abs() * exact(core::f32::consts::FRAC_1_SQRT_2);
    let t = R::one() / z.mul_add(exact(0.327_591_1), R::one());
    let series = t.mul_add(exact(1.061_405_4), exact(-1.453_152_1));
    let series = series.mul_add(t, exact(1.421_413_8));
    let series = series.mul_add(t, exact(-0.284_496_74));
    let series = series.mul_add(t, exact(0.254_829_6));
    let tail = exact::<R>(0.5) * series * t * (-z * z).exp();
    x * R::select(x.less(R::zero()), tail, R::one() - tail)
}

/// Gates `r, z, n` and the next state of a unit of a GRU:
///
/// ```text
/// r = σ(i_r + s_r)    z = σ(i_z + s_z)    n = tanh(i_n + r ⊙ s_n)    h ← (1 − z) ⊙ n + z ⊙ h
/// ```
///
/// with `i = W_ih x + b_ih` and `s = W_hh h + b_hh`.
#[inline(always)]
pub fn gru<R: Real>(from_input: [R; 3], from_state: [R; 3], state: R) -> ([R; 3], R) {
    let reset = (from_input[0] + from_state[0]).sigmoid();
    let update = (from_input[1] + from_state[1]).sigmoid();
    let new = reset.mul_add(from_state[2], from_input[2]).tanh();
    ([reset, update, new], update.mul_add(state - new, new))
}

/// The next `h` and `c` of a unit of an LSTM: `c ← f ⊙ c + i ⊙ g`, `h ← o ⊙ tanh c` from the sums of its gates `i, f, g, o`.
#[inline(always)]
pub fn lstm<R: Real>(sums: [R; 4], cell: R) -> (R, R) {
    let (input, forget, new, output) =
        (sums[0].sigmoid(), sums[1].sigmoid(), sums[2].tanh(), sums[3].sigmoid());
    let cell = forget.mul_add(cell, input * new);
    (output * cell.tanh(), cell)
}

/// The mean of a Beta distribution on `[-1, 1]`, of which `α` and `β` are `softplus + 1` of what the network gives.
#[inline(always)]
pub fn beta_mean<R: Real>(alpha: R, beta: R) -> R {
    let (alpha, beta) = (softplus(alpha) + R::one(), softplus(beta) + R::one());
    exact::<R>(2.0) * alpha / (alpha + beta) - R::one()
}
