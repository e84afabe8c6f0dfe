//! torch's Adam state, from and to flat vectors.

use std::path::Path;

use eyas_policy::Adam;

use crate::{FormatError, Tensor, Value};

/// The state of Adam over a flat parameter vector.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamState {
    /// Steps taken.
    pub step: u64,
    /// Running mean of the gradient, one per parameter.
    pub exp_avg: Vec<f32>,
    /// Running mean of its square, one per parameter.
    pub exp_avg_sq: Vec<f32>,
    /// Learning rate in force.
    pub learning_rate: f64,
}

impl AdamState {
    /// No step taken yet.
    #[must_use]
    pub fn new(num_parameters: usize, learning_rate: f64) -> Self {
        let zeros = vec![0.0; num_parameters];
        Self { step: 0, exp_avg: zeros.clone(), exp_avg_sq: zeros, learning_rate }
    }

    /// An optimiser as it is stored.
    #[must_use]
    pub fn of(adam: Adam, learning_rate: f64) -> Self {
        let Adam { step, exp_avg, exp_avg_sq } = adam;
        Self { step, exp_avg, exp_avg_sq, learning_rate }
    }
}

impl From<AdamState> for Adam {
    fn from(AdamState { step, exp_avg, exp_avg_sq, .. }: AdamState) -> Self {
        Self { step, exp_avg, exp_avg_sq }
    }
}

/// torch's defaults, which every program here uses and Eyas always does.
const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

/// One parameter tensor: its shape and its place in the flat vector.
pub(crate) type Parameter = (Vec<usize>, std::ops::Range<usize>);

/// torch's `optimizer_state_dict`; `parameters` are in the order in which the optimiser counts them.
pub(crate) fn to_value(adam: &AdamState, parameters: &[Parameter]) -> Value {
    // torch fills the state of a parameter at its first step.
    let stepped = if adam.step == 0 { &[] } else { parameters };
    let state = stepped.iter().enumerate().map(|(index, (shape, range))| {
        let entry = Value::dict([
            ("step", Tensor::from_f32(&[], &[adam.step as f32])),
            ("exp_avg", Tensor::from_f32(shape, &adam.exp_avg[range.clone()])),
            ("exp_avg_sq", Tensor::from_f32(shape, &adam.exp_avg_sq[range.clone()])),
        ]);
        (Value::Int(index as i64), entry)
    });
    let group = Value::dict([
        ("lr", Value::from(adam.learning_rate)),
        ("betas", Value::Tuple(BETAS.map(Value::from).to_vec())),
        ("eps", EPSILON.into()),
        ("weight_decay", 0.into()),
        ("amsgrad", false.into()),
        ("maximize", false.into()),
        ("foreach", Value::None),
        ("capturable", false.into()),
        ("differentiable", false.into()),
        ("fused", Value::None),
        ("decoupled_weight_decay", false.into()),
        ("params", (0..parameters.len()).map(|index| Value::Int(index as i64)).collect::<Vec<_>>().into()),
    ]);
    Value::dict([("state", Value::Dict(state.collect())), ("param_groups", vec![group].into())])
}

/// Reads torch's `optimizer_state_dict` into flat vectors of `length`.
///
/// A parameter without state has had no gradient: its moments are 0. torch counts steps for each
/// parameter; they differ only for such ones, so the largest is the optimiser's.
pub(crate) fn from_value(
    value: &Value,
    parameters: &[Parameter],
    length: usize,
    path: &Path,
) -> Result<AdamState, FormatError> {
    let group = value.get("param_groups").and_then(Value::items).and_then(<[Value]>::first);
    let learning_rate = group
        .and_then(|group| group.get("lr"))
        .and_then(Value::as_f64)
        .ok_or_else(|| FormatError::damaged(path, "optimizer_state_dict has no learning rate"))?;
    check_settings(group.unwrap_or(&Value::None), path)?;
    let mut adam = AdamState::new(length, learning_rate);
    for (index, entry) in value.get("state").and_then(Value::entries).unwrap_or_default() {
        let (shape, range) =
            index.as_i64().and_then(|index| parameters.get(usize::try_from(index).ok()?)).ok_or_else(
                || FormatError::damaged(path, "optimizer_state_dict has more parameters than the networks"),
            )?;
        let step = entry.get("step").and_then(Value::as_f64).unwrap_or_default();
        adam.step = adam.step.max(step as u64);
        for (name, moments) in [("exp_avg", &mut adam.exp_avg), ("exp_avg_sq", &mut adam.exp_avg_sq)] {
            let tensor = entry.get(name).and_then(Value::as_tensor);
            let tensor = tensor.ok_or_else(|| FormatError::MissingKey {
                path: path.to_owned(),
                key: format!("optimizer_state_dict/{name}"),
                present: "the state of an optimiser other than Adam".to_owned(),
            })?;
            if tensor.shape() != shape {
                return Err(FormatError::ShapeMismatch {
                    path: path.to_owned(),
                    key: format!("optimizer_state_dict/state/{}/{name}", index.as_i64().unwrap_or_default()),
                    found: tensor.shape().to_vec(),
                    expected: format!("{shape:?}"),
                });
            }
            moments[range.clone()].copy_from_slice(&tensor.to_f32());
        }
    }
    Ok(adam)
}

/// Refuses settings under which the moments would mean something else. What is absent has its default.
fn check_settings(group: &Value, path: &Path) -> Result<(), FormatError> {
    let number = |key| group.get(key).and_then(Value::as_f64);
    let beta = |index: usize| group.get("betas").and_then(Value::items)?.get(index)?.as_f64();
    let settings = [
        ("first beta", beta(0), BETAS[0]),
        ("second beta", beta(1), BETAS[1]),
        ("epsilon", number("eps"), EPSILON),
        ("weight decay", number("weight_decay"), 0.0),
    ];
    for (setting, found, expected) in settings {
        if let Some(found) = found.filter(|found| found.to_bits() != expected.to_bits()) {
            return Err(FormatError::ForeignOptimizer { path: path.to_owned(), setting, found, expected });
        }
    }
    Ok(())
}
