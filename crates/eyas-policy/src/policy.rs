//! A policy: normaliser, network and output map.

use serde::{Deserialize, Serialize};

use crate::{Architecture, Normalizer};

/// A network: its shape and its parameters, flat in the order of [`Architecture::tensors`].
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The shape.
    pub architecture: Architecture,
    /// `architecture.num_parameters()` values.
    pub parameters: Vec<f32>,
}

/// How the raw network output becomes the deterministic action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// The output itself.
    #[default]
    Identity,
    /// Its hyperbolic tangent.
    Tanh,
    /// Mean of a Beta distribution: the first half of the outputs gives α, the second β, each
    /// `softplus(raw) + 1`; the mean `α / (α + β)` is mapped from `[0, 1]` to `[-1, 1]` (rsl_rl 5.x).
    Beta,
}

/// What maps an observation to an action in flight.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Applied to the observation first.
    pub normalizer: Option<Normalizer>,
    /// The network.
    pub network: Network,
    /// Applied to the network's output.
    pub output: Output,
}

impl Policy {
    /// Width of the observation.
    #[must_use]
    pub fn num_observations(&self) -> usize {
        self.network.architecture.inputs
    }

    /// Width of the action.
    #[must_use]
    pub fn num_actions(&self) -> usize {
        let outputs = self.network.architecture.outputs;
        if self.output == Output::Beta { outputs / 2 } else { outputs }
    }
}
