//! Activations over rows of lanes, and their derivatives.

use eyas_lanes::{HALVES, Lanes, Row};

use crate::Activation;

/// Applies an activation in place.
#[inline(always)]
pub(crate) fn activate<L: Lanes>(activation: Activation, rows: &mut [Row]) {
    match activation {
        Activation::Elu | Activation::Celu => map::<L, Elu>(rows),
        Activation::Relu => map::<L, Relu>(rows),
        Activation::Tanh => map::<L, Tanh>(rows),
        Activation::Selu => map::<L, Selu>(rows),
        Activation::LeakyRelu => map::<L, LeakyRelu>(rows),
        Activation::Sigmoid => map::<L, Sigmoid>(rows),
        Activation::Softplus => map::<L, Softplus>(rows),
        Activation::Gelu => map::<L, Gelu>(rows),
        Activation::Silu => map::<L, Silu>(rows),
        Activation::Mish => map::<L, Mish>(rows),
        Activation::Identity => {}
    }
}

/// Multiplies a gradient by the derivative of the activation at the given outputs.
#[inline(always)]
pub(crate) fn activate_backward<L: Lanes>(activation: Activation, outputs: &[Row], gradient: &mut [Row]) {
    match activation {
        Activation::Elu | Activation::Celu => chain::<L, Elu>(outputs, gradient),
        Activation::Relu => chain::<L, Relu>(outputs, gradient),
        Activation::Tanh => chain::<L, Tanh>(outputs, gradient),
        Activation::Selu => chain::<L, Selu>(outputs, gradient),
        Activation::LeakyRelu => chain::<L, LeakyRelu>(outputs, gradient),
        Activation::Sigmoid => chain::<L, Sigmoid>(outputs, gradient),
        Activation::Softplus => chain::<L, Softplus>(outputs, gradient),
        Activation::Identity => {}
        Activation::Gelu | Activation::Silu | Activation::Mish => {
            unreachable!("`Activation::is_trainable` is checked before training")
        }
    }
}

impl Activation {
    /// Whether networks with this activation can be trained here: the backward pass keeps only the
    /// outputs, and GELU, SiLU and Mish are not monotonic, so their slope does not follow from them.
    #[must_use]
    pub fn is_trainable(self) -> bool {
        !matches!(self, Self::Gelu | Self::Silu | Self::Mish)
    }
}

/// `ln(1 + eˣ)`.
#[inline(always)]
pub(crate) fn softplus<L: Lanes>(x: L) -> L {
    Softplus::value(x)
}

#[inline(always)]
fn map<L: Lanes, F: Function>(rows: &mut [Row]) {
    for row in rows {
        for half in 0..HALVES {
            row.store(half, F::value(row.load::<L>(half)));
        }
    }
}

#[inline(always)]
fn chain<L: Lanes, F: Slope>(outputs: &[Row], gradient: &mut [Row]) {
    for (gradient, y) in gradient.iter_mut().zip(outputs) {
        for half in 0..HALVES {
            gradient.store(half, gradient.load::<L>(half) * F::slope(y.load(half)));
        }
    }
}

trait Function {
    fn value<L: Lanes>(x: L) -> L;
}

trait Slope: Function {
    /// The derivative where the function takes the value `y`.
    fn slope<L: Lanes>(y: L) -> L;
}

macro_rules! function {
    ($name:ident, |$x:ident| $value:expr) => {
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn value<L: Lanes>($x: L) -> L {
                $value
            }
        }
    };
    ($name:ident, |$x:ident| $value:expr, |$y:ident| $slope:expr) => {
        function!($name, |$x| $value);
        impl Slope for $name {
            #[inline(always)]
            fn slope<L: Lanes>($y: L) -> L {
                $slope
            }
        }
    };
}

/// Scale and α of Klambauer et al. (2017), as PyTorch has them.
const SELU_SCALE: f32 = 1.050_701;
const SELU_ALPHA: f32 = 1.673_263_2;

function!(
    Elu,
    |x| {
        let zero = L::splat(0.0);
        x.max(zero) + x.min(zero).exp_minus_one()
    },
    |y| y.min(L::splat(0.0)) + L::splat(1.0)
);
function!(Relu, |x| x.max(L::splat(0.0)), |y| L::select(L::splat(0.0).less(y), L::splat(1.0), L::splat(0.0)));
function!(Tanh, |x| x.tanh(), |y| (-y).mul_add(y, L::splat(1.0)));
function!(
    Selu,
    |x| {
        let zero = L::splat(0.0);
        L::splat(SELU_SCALE) * (x.max(zero) + L::splat(SELU_ALPHA) * x.min(zero).exp_minus_one())
    },
    |y| L::select(L::splat(0.0).less(y), L::splat(SELU_SCALE), y + L::splat(SELU_SCALE * SELU_ALPHA))
);
function!(LeakyRelu, |x| x.max(x * L::splat(0.01)), |y| L::select(
    L::splat(0.0).less(y),
    L::splat(1.0),
    L::splat(0.01)
));
function!(Sigmoid, |x| x.sigmoid(), |y| y * (L::splat(1.0) - y));
function!(
    Softplus,
    // max(x, 0) + ln(1 + e^-|x|)
    |x| x.max(L::splat(0.0)) + ((-x.abs()).exp() + L::splat(1.0)).ln(),
    |y| L::splat(1.0) - (-y).exp()
);
function!(Silu, |x| x * x.sigmoid());
function!(Mish, |x| x * Softplus::value(x).tanh());
function!(
    Gelu,
    // erfc by Abramowitz and Stegun 7.1.26, absolute error below 2e-7.
    |x| {
        let z = x.abs() * L::splat(std::f32::consts::FRAC_1_SQRT_2);
        let t = L::splat(1.0) / z.mul_add(L::splat(0.327_591_1), L::splat(1.0));
        let series = t.mul_add(L::splat(1.061_405_4), L::splat(-1.453_152_1));
        let series = series.mul_add(t, L::splat(1.421_413_8));
        let series = series.mul_add(t, L::splat(-0.284_496_74));
        let series = series.mul_add(t, L::splat(0.254_829_6));
        let tail = L::splat(0.5) * series * t * (-z * z).exp();
        x * L::select(x.less(L::splat(0.0)), tail, L::splat(1.0) - tail)
    }
);
