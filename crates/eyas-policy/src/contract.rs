//! The policy contract: what a policy observes and commands, and numbers that tell whether a program flies it right.

use eyas_lanes::Stream;
use serde::{Deserialize, Serialize};

use crate::{Architecture, Cell, Inference, Normalizer, Output, Policy};

/// What has to hold where a policy flies, and how to check that it does.
///
/// `docs/formats.md` documents every field. What nobody stated is `None`: a file of another program says nothing of
/// frames or motors, and a guess would be worse than that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// [`Contract::VERSION`] of the program that wrote it.
    pub contract_version: u32,
    /// Program and version.
    pub writer: String,
    /// The task that the policy was trained on.
    pub task: Option<String>,
    /// Control steps a second, Hz; a recurrent policy steps at this rate and no other.
    pub control_rate_hz: Option<f64>,
    /// What the policy reads.
    pub observation: ObservationContract,
    /// What it commands.
    pub action: ActionContract,
    /// Shape of the network and its activation.
    pub network: Architecture,
    /// Rules of the hidden state; `None` for a policy without one.
    pub state: Option<StateContract>,
    /// The vehicles that it was trained on.
    #[serde(default)]
    pub vehicles: Option<VehicleRange>,
    /// Where each fact that the weights do not say came from.
    pub origin: Vec<Origin>,
    /// A short flight to replay.
    pub test: TestVectors,
}

/// What a policy reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservationContract {
    /// Number of features.
    pub width: usize,
    /// The features in order; empty where nobody stated them, else their widths add up to `width`.
    pub parts: Vec<ObservationPart>,
    /// Inside the policy: what feeds it does not normalise.
    pub normalizer: Option<NormalizerContract>,
}

/// A named run of features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservationPart {
    /// Name.
    pub name: String,
    /// Number of features.
    pub width: usize,
    /// Frame: `body` and `world` have x forward, y left, z up; `world_from_body`; `motors`.
    pub frame: String,
    /// Unit; `1` if there is none.
    pub unit: String,
    /// One sentence on what it is.
    pub meaning: String,
}

/// How a policy normalises what it reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormalizerContract {
    /// The formula, feature by feature.
    pub formula: String,
    /// Samples that the statistics come from; 0 if nobody counted.
    pub samples: u64,
}

/// What a policy commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionContract {
    /// Number of elements.
    pub width: usize,
    /// What an element stands for.
    pub meaning: Option<String>,
    /// Least and greatest value that means something.
    pub range: Option<[f32; 2]>,
    /// Whether what flies the policy clamps its output to the range.
    pub clamped: Option<bool>,
    /// The map after the last layer, inside the policy.
    pub squash: Output,
    /// Which motor each element moves.
    pub motor_order: Option<String>,
    /// Which way each motor of a vehicle turns, seen from above: `cw` or `ccw`.
    pub spin: Option<Vec<String>>,
    /// Where the hub of each stands in the body frame (x forward, y left, z up), m: of the first vehicle that it was trained on,
    /// whose others have theirs in the same directions.
    #[serde(default)]
    pub rotor_positions_m: Option<Vec<[f64; 3]>>,
}

/// Rules of the hidden state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateContract {
    /// The cell.
    pub cell: Cell,
    /// Layers on top of each other.
    pub layers: usize,
    /// Units of a layer.
    pub width: usize,
    /// What the state is before the first step.
    pub initial: String,
    /// When it goes back to that.
    pub reset: String,
    /// When it advances.
    pub step: String,
}

/// Least and greatest of each figure of the vehicles that a policy was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VehicleRange {
    /// Number of vehicles.
    pub count: usize,
    /// Mass, kg.
    pub mass_kg: [f64; 2],
    /// Lift at full thrust over weight.
    pub thrust_to_weight: [f64; 2],
    /// Largest distance of a rotor from the centre, m.
    pub rotor_distance_m: [f64; 2],
}

/// Where a fact came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The fact: `activation`, `output`, `normaliser`, `task`, `file`.
    pub what: String,
    /// Its value.
    pub value: String,
    /// What it rests on.
    pub reason: String,
}

/// Observations and the actions that answer them, step by step from the initial state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestVectors {
    /// `[steps][observation width]`.
    pub observations: Vec<Vec<f32>>,
    /// `[steps][action width]`.
    pub actions: Vec<Vec<f32>>,
    /// Largest difference that single precision explains.
    pub tolerance: f32,
}

/// The contract and a policy do not belong together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ContractMismatch {
    #[error("the contract is of a policy with {stated} {what}, this one has {found}")]
    Width { what: &'static str, stated: usize, found: usize },
    #[error("the contract lists {stated} features of the observation by name, the policy reads {found}")]
    Parts { stated: usize, found: usize },
    #[error("the contract's test vectors are not one observation and one action of its widths for each step")]
    Vectors,
    #[error("the contract says {what} {stated}, the policy has {found}")]
    Fact { what: &'static str, stated: String, found: String },
}

impl Contract {
    /// The version that this program writes; it reads all up to it.
    pub const VERSION: u32 = 2;

    /// Steps of the test vectors: long enough that a state which is not fed back shows.
    pub const TEST_STEPS: usize = 50;

    /// Largest difference that sums in another order explain over [`TEST_STEPS`](Self::TEST_STEPS): actions are of
    /// magnitude 1, a few hundred terms are summed in single precision.
    pub const TOLERANCE: f32 = 1e-5;

    /// What the policy itself says, with test vectors; no task, no origin.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let architecture = &policy.network.architecture;
        let squashed = policy.output != Output::Identity;
        Self {
            contract_version: Self::VERSION,
            writer: concat!("eyas ", env!("CARGO_PKG_VERSION")).to_owned(),
            task: None,
            control_rate_hz: None,
            observation: ObservationContract {
                width: policy.num_observations(),
                parts: Vec::new(),
                normalizer: policy.normalizer.as_ref().map(NormalizerContract::of),
            },
            action: ActionContract {
                width: policy.num_actions(),
                meaning: None,
                range: squashed.then_some([-1.0, 1.0]),
                clamped: None,
                squash: policy.output,
                motor_order: None,
                spin: None,
                rotor_positions_m: None,
            },
            network: architecture.clone(),
            state: architecture.core.map(|core| StateContract {
                cell: core.cell,
                layers: core.layers,
                width: core.width,
                initial: "zeros".to_owned(),
                reset: "at the start of every episode".to_owned(),
                step: "once a control step".to_owned(),
            }),
            vehicles: None,
            origin: Vec::new(),
            test: TestVectors::of(policy),
        }
    }

    /// Whether the contract is this policy's: widths, normaliser, squash and shape.
    ///
    /// # Errors
    ///
    /// The first thing that differs.
    pub fn check(&self, policy: &Policy) -> Result<(), ContractMismatch> {
        let width = |what, stated, found| {
            if stated == found { Ok(()) } else { Err(ContractMismatch::Width { what, stated, found }) }
        };
        width("observation features", self.observation.width, policy.num_observations())?;
        width("actions", self.action.width, policy.num_actions())?;
        let named: usize = self.observation.parts.iter().map(|part| part.width).sum();
        if !self.observation.parts.is_empty() && named != self.observation.width {
            return Err(ContractMismatch::Parts { stated: named, found: self.observation.width });
        }
        let fact = |what, stated: String, found: String| {
            if stated == found { Ok(()) } else { Err(ContractMismatch::Fact { what, stated, found }) }
        };
        let normalizer = |present| if present { "a normaliser" } else { "no normaliser" }.to_owned();
        let stated = self.observation.normalizer.is_some();
        fact("normaliser:", normalizer(stated), normalizer(policy.normalizer.is_some()))?;
        fact("squash", format!("{:?}", self.action.squash), format!("{:?}", policy.output))?;
        let activation = |network: &Architecture| network.activation.to_string();
        fact("activation", activation(&self.network), activation(&policy.network.architecture))?;
        self.test.check(self.observation.width, self.action.width)
    }
}

impl NormalizerContract {
    fn of(normalizer: &Normalizer) -> Self {
        let formula = format!("(x - mean) / (std + {})", Normalizer::EPSILON);
        let formula = match normalizer.clip {
            Some(limit) => format!("clip({formula}, -{limit}, {limit})"),
            None => formula,
        };
        Self { formula, samples: normalizer.count }
    }
}

impl TestVectors {
    /// Random observations, spread as the normaliser says, and the policy's actions.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let width = policy.num_observations();
        let stream = Stream::new(0, "contract");
        let observation = |step: usize| {
            let feature = |feature: usize| {
                let normal = stream.normals([(feature / 4) as u32, 0, step as u32, 0])[feature % 4];
                policy
                    .normalizer
                    .as_ref()
                    .map_or(normal, |it| it.std[feature].mul_add(normal, it.mean[feature]))
            };
            (0..width).map(feature).collect::<Vec<f32>>()
        };
        let observations: Vec<_> = (0..Contract::TEST_STEPS).map(observation).collect();
        let actions = actions(policy, &observations);
        Self { observations, actions, tolerance: Contract::TOLERANCE }
    }

    /// The actions of a policy for `[steps][observation width]`, from the initial state on.
    #[must_use]
    pub fn actions_of(policy: &Policy, observations: &[Vec<f32>]) -> Vec<Vec<f32>> {
        actions(policy, observations)
    }

    /// Largest difference between the stored actions and the policy's own over the same observations.
    ///
    /// # Panics
    ///
    /// If the vectors are not of the policy's widths, which [`Contract::check`] tells.
    #[must_use]
    pub fn replay(&self, policy: &Policy) -> f32 {
        largest_difference(&self.actions, &actions(policy, &self.observations))
    }

    fn check(&self, observations: usize, actions: usize) -> Result<(), ContractMismatch> {
        let fits = self.observations.len() == self.actions.len()
            && self.observations.iter().all(|row| row.len() == observations)
            && self.actions.iter().all(|row| row.len() == actions)
            && self.observations.iter().chain(&self.actions).flatten().all(|value| value.is_finite());
        if fits { Ok(()) } else { Err(ContractMismatch::Vectors) }
    }
}

/// Actions for `[steps][features]`, the state being zero before the first.
fn actions(policy: &Policy, observations: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let inference = Inference::new(policy);
    let flat: Vec<f32> = observations.iter().flatten().copied().collect();
    let actions = inference.act_on_record(&flat, observations.len(), 1);
    actions.chunks(policy.num_actions().max(1)).map(<[f32]>::to_vec).collect()
}

/// The largest difference between elements; NaN if one of them is.
fn largest_difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |largest, it| if it > largest || it.is_nan() { it } else { largest })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "made-up parameters may differ in the last bit")]
mod tests {
    use super::*;
    use crate::{Activation, Network};

    fn policy() -> Policy {
        let architecture = Architecture::gru_student(6, 5, 2);
        let parameters = (0..architecture.num_parameters()).map(|it| (it as f32 * 0.7).sin() * 0.5).collect();
        let normalizer = Some(Normalizer { std: vec![3.0; 6], ..Normalizer::new(6) });
        Policy { normalizer, network: Network { architecture, parameters }, output: Output::Tanh }
    }

    #[test]
    fn a_policy_keeps_its_own_contract_and_no_other_does() {
        let policy = policy();
        let contract = Contract::of(&policy);
        assert_eq!(contract.check(&policy), Ok(()));
        assert!(contract.test.replay(&policy) == 0.0);
        assert_eq!(contract.test.actions.len(), Contract::TEST_STEPS);

        let mut other = policy.clone();
        other.network.parameters[3] += 0.1;
        assert!(contract.test.replay(&other) > contract.test.tolerance, "a weight that changed is seen");
        for (change, what) in [
            (Policy { normalizer: None, ..policy.clone() }, "normaliser"),
            (Policy { output: Output::Identity, ..policy.clone() }, "squash"),
        ] {
            assert!(contract.check(&change).unwrap_err().to_string().contains(what));
        }
        let mut other = policy;
        other.network.architecture.activation = Activation::Elu;
        assert!(contract.check(&other).unwrap_err().to_string().contains("activation relu"));
    }

    #[test]
    fn a_difference_that_is_no_number_is_not_forgotten() {
        let difference = |found: [f32; 3]| largest_difference(&[vec![0.0; 3]], &[found.to_vec()]);
        assert!(difference([f32::NAN, 0.5, 0.25]).is_nan());
        assert!(difference([0.25, 0.5, f32::NAN]).is_nan());
        assert_eq!(difference([0.25, -0.5, 0.0]).to_bits(), 0.5_f32.to_bits());
    }

    #[test]
    fn steps_are_told_apart_and_a_state_matters() {
        let vectors = Contract::of(&policy()).test;
        assert!(vectors.observations.windows(2).all(|pair| pair[0] != pair[1]));
        // The state of the first step is zero; answers to the same observation later differ.
        let repeated = vec![vectors.observations[0].clone(); 2];
        let answers = actions(&policy(), &repeated);
        assert_ne!(answers[0], answers[1]);
    }
}
