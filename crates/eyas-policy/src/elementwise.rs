//! Activations over rows of lanes, and their derivatives.

use eyas_fly::formulas::{SELU_ALPHA, SELU_SCALE, elu, gelu, leaky_relu, mish, relu, selu, silu, softplus};
use eyas_lanes::{Lanes, Real, Row, VECTORS};

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
    /// Its value.
    #[must_use]
    pub fn value<R: Real>(self, x: R) -> R {
        match self {
            Self::Elu | Self::Celu => Elu::value(x),
            Self::Relu => Relu::value(x),
            Self::Tanh => Tanh::value(x),
            Self::Selu => Selu::value(x),
            Self::LeakyRelu => LeakyRelu::value(x),
            Self::Sigmoid => Sigmoid::value(x),
            Self::Softplus => Softplus::value(x),
            Self::Gelu => Gelu::value(x),
            Self::Silu => Silu::value(x),
            Self::Mish => Mish::value(x),
            Self::Identity => x,
        }
    }

    /// Its derivative where it takes the value `y`, if that [follows](Self::is_trainable) from it.
    #[must_use]
    pub fn slope<R: Real>(self, y: R) -> Option<R> {
        Some(match self {
            Self::Elu | Self::Celu => Elu::slope(y),
            Self::Relu => Relu::slope(y),
            Self::Tanh => Tanh::slope(y),
            Self::Selu => Selu::slope(y),
            Self::LeakyRelu => LeakyRelu::slope(y),
            Self::Sigmoid => Sigmoid::slope(y),
            Self::Softplus => Softplus::slope(y),
            Self::Identity => R::one(),
            Self::Gelu | Self::Silu | Self::Mish => return None,
        })
    }

    /// Whether networks with this activation can be trained here: the backward pass keeps only the
    /// outputs, and GELU, SiLU and Mish are not monotonic, so their slope does not follow from them.
    #[must_use]
    pub fn is_trainable(self) -> bool {
        !matches!(self, Self::Gelu | Self::Silu | Self::Mish)
    }
}

#[inline(always)]
fn map<L: Lanes, F: Function>(rows: &mut [Row]) {
    for row in rows {
        for vector in 0..VECTORS {
            row.store(vector, F::value(row.load::<L>(vector)));
        }
    }
}

#[inline(always)]
fn chain<L: Lanes, F: Slope>(outputs: &[Row], gradient: &mut [Row]) {
    for (gradient, y) in gradient.iter_mut().zip(outputs) {
        for vector in 0..VECTORS {
            gradient.store(vector, gradient.load::<L>(vector) * F::slope(y.load(vector)));
        }
    }
}

trait Function {
    fn value<R: Real>(x: R) -> R;
}

trait Slope: Function {
    /// The derivative where the function takes the value `y`.
    fn slope<R: Real>(y: R) -> R;
}

macro_rules! function {
    ($name:ident, $value:path) => {
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn value<R: Real>(x: R) -> R {
                $value(x)
            }
        }
    };
    ($name:ident, $value:path, |$y:ident| $slope:expr) => {
        function!($name, $value);
        impl Slope for $name {
            #[inline(always)]
            fn slope<R: Real>($y: R) -> R {
                $slope
            }
        }
    };
}

/// A constant that is an `f32`: exact.
#[inline(always)]
fn exact<R: Real>(value: f32) -> R {
    R::constant(f64::from(value))
}

function!(Elu, elu, |y| y.min(R::zero()) + R::one());
function!(Relu, relu, |y| R::select(R::zero().less(y), R::one(), R::zero()));
function!(Tanh, Real::tanh, |y| (-y).mul_add(y, R::one()));
function!(Selu, selu, |y| R::select(
    R::zero().less(y),
    exact(SELU_SCALE),
    y + exact(SELU_SCALE * SELU_ALPHA)
));
function!(LeakyRelu, leaky_relu, |y| R::select(R::zero().less(y), R::one(), exact(0.01)));
function!(Sigmoid, Real::sigmoid, |y| y * (R::one() - y));
function!(Softplus, softplus, |y| R::one() - (-y).exp());
function!(Silu, silu);
function!(Mish, mish);
function!(Gelu, gelu);
