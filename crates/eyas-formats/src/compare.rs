//! Two policies side by side: what their files say, their weights, their actions on the same observations.

use std::fmt;

use eyas_policy::{Contract, Normalizer, Output, Policy};
use serde::Serialize;

use crate::checkpoint::chain;
use crate::contract::output_name;
use crate::onnx::ActionError;

/// What differs between two policies, A and B.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Facts that differ.
    pub facts: Vec<Fact>,
    /// Parameter tensors that differ, by Eyas' names, where the shapes are the same.
    pub tensors: Vec<TensorDifference>,
    /// How far B's actions are from A's on A's test vectors; `None` if B cannot fly them.
    pub actions: Option<ActionError>,
    /// Largest difference of actions that single precision explains.
    pub tolerance: f64,
}

/// A fact that two files state differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub what: String,
    /// What A says.
    pub a: String,
    /// What B says.
    pub b: String,
}

/// A parameter tensor that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TensorDifference {
    /// Its name.
    pub name: String,
    /// The largest difference of an element.
    pub largest: f32,
}

/// A policy and the contract of its file, where it has one.
pub type Stated<'a> = (&'a Policy, Option<&'a Contract>);

impl Comparison {
    /// Compares two policies.
    #[must_use]
    pub fn between(a: Stated<'_>, b: Stated<'_>) -> Self {
        let mut facts = Vec::new();
        compare_policies(a.0, b.0, &mut facts);
        if let (Some(a), Some(b)) = (a.1, b.1) {
            compare_contracts(a, b, &mut facts);
        }
        let own = Contract::of(a.0);
        let contract = a.1.unwrap_or(&own);
        let fits = (a.0.num_observations(), a.0.num_actions()) == (b.0.num_observations(), b.0.num_actions());
        let actions = fits.then(|| ActionError::of(b.0, a.0, &contract.test.observations));
        let same_shape = tensors_of(a.0).eq(tensors_of(b.0));
        let tensors = if same_shape { differing_tensors(a.0, b.0) } else { Vec::new() };
        let tolerance = f64::from(contract.test.tolerance);
        Self { facts, tensors, actions, tolerance }
    }

    /// Whether both fly the same and no fact differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.facts.is_empty() && self.flies_the_same()
    }

    /// Whether both give the same actions.
    #[must_use]
    pub fn flies_the_same(&self) -> bool {
        self.actions.is_some_and(|error| error.largest <= self.tolerance)
    }
}

fn tensors_of(policy: &Policy) -> impl Iterator<Item = (String, Vec<usize>)> {
    policy.network.architecture.tensors().into_iter().map(|tensor| (tensor.name, tensor.shape))
}

fn compare_policies(a: &Policy, b: &Policy, facts: &mut Vec<Fact>) {
    let mut fact = |what: &str, a: String, b: String| {
        if a != b {
            facts.push(Fact { what: what.to_owned(), a, b });
        }
    };
    let (one, other) = (&a.network.architecture, &b.network.architecture);
    fact("shape", chain(one), chain(other));
    // Without a hidden layer an activation acts on nothing.
    if !(one.hidden.is_empty()
        && one.encoder.is_empty()
        && other.hidden.is_empty()
        && other.encoder.is_empty())
    {
        fact("activation", one.activation.to_string(), other.activation.to_string());
    }
    let squash = |output: Output| output_name(output).to_owned();
    fact("squash", squash(a.output), squash(b.output));
    let normalizer = |it: &Option<Normalizer>| match it.as_ref().map(|it| it.clip) {
        None => "none".to_owned(),
        Some(None) => "inside".to_owned(),
        Some(Some(limit)) => format!("inside, limited to ±{limit}"),
    };
    fact("normaliser", normalizer(&a.normalizer), normalizer(&b.normalizer));
}

fn compare_contracts(a: &Contract, b: &Contract, facts: &mut Vec<Fact>) {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "not stated".to_owned());
    let number = |value: Option<f64>| value.map_or("not stated".to_owned(), |value| value.to_string());
    let parts = |contract: &Contract| {
        let part = |part: &eyas_policy::ObservationPart| {
            format!("{}[{}] {} in {}", part.name, part.width, part.unit, part.frame)
        };
        let parts: Vec<String> = contract.observation.parts.iter().map(part).collect();
        if parts.is_empty() { "not stated".to_owned() } else { parts.join(", ") }
    };
    let range = |contract: &Contract| {
        contract.action.range.map_or("not stated".to_owned(), |[low, high]| format!("[{low}, {high}]"))
    };
    let spin = |contract: &Contract| contract.action.spin.as_ref().map(|spin| spin.join(", "));
    let rotors = |contract: &Contract| {
        let positions = contract.action.rotor_positions_m.as_ref();
        positions.map(|it| it.iter().map(|place| format!("{place:?}")).collect::<Vec<_>>().join(", "))
    };
    for (what, a, b) in [
        ("task", text(&a.task), text(&b.task)),
        ("control rate, Hz", number(a.control_rate_hz), number(b.control_rate_hz)),
        ("observation", parts(a), parts(b)),
        ("action", text(&a.action.meaning), text(&b.action.meaning)),
        ("range of actions", range(a), range(b)),
        ("motor order", text(&a.action.motor_order), text(&b.action.motor_order)),
        ("spin", text(&spin(a)), text(&spin(b))),
        ("places of the rotors, m", text(&rotors(a)), text(&rotors(b))),
    ] {
        if a != b {
            facts.push(Fact { what: what.to_owned(), a, b });
        }
    }
}

fn differing_tensors(a: &Policy, b: &Policy) -> Vec<TensorDifference> {
    let largest = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let tensors = a.network.architecture.tensors().into_iter().map(|tensor| {
        let own = &a.network.parameters[tensor.range.clone()];
        TensorDifference { largest: largest(own, &b.network.parameters[tensor.range]), name: tensor.name }
    });
    let mut found: Vec<_> = tensors.filter(|tensor| tensor.largest > 0.0).collect();
    if let (Some(a), Some(b)) = (&a.normalizer, &b.normalizer) {
        for (name, a, b) in [("normaliser mean", &a.mean, &b.mean), ("normaliser deviation", &a.std, &b.std)]
        {
            let largest = largest(a, b);
            if largest > 0.0 {
                found.push(TensorDifference { name: name.to_owned(), largest });
            }
        }
    }
    found
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fact in &self.facts {
            writeln!(formatter, "{}: {} | {}", fact.what, fact.a, fact.b)?;
        }
        for tensor in &self.tensors {
            writeln!(formatter, "{}: differs by up to {:.3e}", tensor.name, tensor.largest)?;
        }
        match self.actions {
            None => write!(formatter, "actions: cannot be compared, the widths differ"),
            Some(error) => write!(formatter, "actions: {error}"),
        }
    }
}
