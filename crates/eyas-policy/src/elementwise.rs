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
    fn value<L: Lanes>(x: L) -> L;
}

trait Slope: Function {
    /// The derivative where the function takes the value `y`.
    fn slope<L: Lanes>(y: L) -> L;
}

macro_rules! function {
    ($name:ident, $value:path) => {
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn value<L: Lanes>(x: L) -> L {
                $value(x)
            }
        }
    };
    ($name:ident, $value:path, |$y:ident| $slope:expr) => {
        function!($name, $value);
        impl Slope for $name {
            #[inline(always)]
            fn slope<L: Lanes>($y: L) -> L {
                $slope
            }
        }
    };
}

function!(Elu, elu, |y| y.min(L::splat(0.0)) + L::splat(1.0));
function!(Relu, relu, |y| L::select(L::splat(0.0).less(y), L::splat(1.0), L::splat(0.0)));
function!(Tanh, Real::tanh, |y| (-y).mul_add(y, L::splat(1.0)));
function!(Selu, selu, |y| L::select(
    L::splat(0.0).less(y),
    L::splat(SELU_SCALE),
    y + L::splat(SELU_SCALE * SELU_ALPHA)
));
function!(LeakyRelu, leaky_relu, |y| L::select(L::splat(0.0).less(y), L::splat(1.0), L::splat(0.01)));
function!(Sigmoid, Real::sigmoid, |y| y * (L::splat(1.0) - y));
function!(Softplus, softplus, |y| L::splat(1.0) - (-y).exp());
function!(Silu, silu);
function!(Mish, mish);
function!(Gelu, gelu);
