//! Activation functions by the names of rsl_rl.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scalar activation; names and constants as in rsl_rl and PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Activation {
    /// `x` if positive, else `eˣ − 1`.
    #[default]
    Elu,
    /// Scaled ELU of Klambauer et al. (2017).
    Selu,
    /// `max(x, 0)`.
    Relu,
    /// PyTorch's CELU with α = 1, which equals ELU; rsl_rl calls it `crelu`.
    Celu,
    /// `x` if positive, else `0.01 x`.
    LeakyRelu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// Gaussian error linear unit, exact (erf) form.
    Gelu,
    /// `x · sigmoid(x)`; rsl_rl calls it `swish`.
    Silu,
    /// `x · tanh(softplus(x))`.
    Mish,
    /// `x`.
    Identity,
}

const NAMES: [(Activation, &str); 15] = [
    (Activation::Elu, "elu"),
    (Activation::Selu, "selu"),
    (Activation::Relu, "relu"),
    (Activation::Celu, "crelu"),
    (Activation::Celu, "celu"),
    (Activation::LeakyRelu, "lrelu"),
    (Activation::LeakyRelu, "leaky_relu"),
    (Activation::Tanh, "tanh"),
    (Activation::Sigmoid, "sigmoid"),
    (Activation::Softplus, "softplus"),
    (Activation::Gelu, "gelu"),
    (Activation::Silu, "swish"),
    (Activation::Silu, "silu"),
    (Activation::Mish, "mish"),
    (Activation::Identity, "identity"),
];

impl Activation {
    /// Every accepted name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }
}

/// The name is not an activation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown activation `{0}`, expected one of {names}", names = Activation::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownActivation(pub String);

impl FromStr for Activation {
    type Err = UnknownActivation;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let lower = name.to_ascii_lowercase();
        NAMES
            .iter()
            .find(|(_, known)| *known == lower)
            .map(|(activation, _)| *activation)
            .ok_or_else(|| UnknownActivation(name.to_owned()))
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) =
            NAMES.iter().find(|(activation, _)| activation == self).expect("every variant is named");
        formatter.write_str(name)
    }
}

impl TryFrom<String> for Activation {
    type Error = UnknownActivation;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.to_string()
    }
}
