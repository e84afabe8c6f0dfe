//! Networks from and to the keys of a state dict.

use eyas_policy::{Activation, Architecture, Cell, Core, Network, Normalizer};

use super::state_dict::{StateDict, summary};
use crate::{FormatError, Tensor, Value};

/// Where the layers of one network stand in a state dict.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stems {
    /// Keys of the encoder's layers less `.weight` or `.bias`.
    pub(crate) encoder: Vec<String>,
    /// What stands before `weight_ih_l0`.
    pub(crate) core: Option<String>,
    /// Keys of the head's layers less `.weight` or `.bias`.
    pub(crate) head: Vec<String>,
}

impl Stems {
    /// The stems under which a network of this shape is written: `{head}0`, `{head}2`, … and `{core}`.
    pub(crate) fn sequential(architecture: &Architecture, head: &str, core: &str) -> Self {
        Self {
            encoder: Vec::new(),
            core: architecture.core.map(|_| core.to_owned()),
            head: (0..=architecture.hidden.len()).map(|layer| format!("{head}{}", 2 * layer)).collect(),
        }
    }

    /// The keys of [`Architecture::tensors`], in its order.
    pub(crate) fn keys(&self, layers: usize) -> Vec<String> {
        let dense = |stem: &String| [format!("{stem}.weight"), format!("{stem}.bias")];
        let recurrent = |prefix: &String| -> Vec<String> {
            let parts = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"];
            (0..layers).flat_map(|layer| parts.map(|part| format!("{prefix}{part}_l{layer}"))).collect()
        };
        let encoder = self.encoder.iter().flat_map(dense);
        encoder.chain(self.core.iter().flat_map(recurrent)).chain(self.head.iter().flat_map(dense)).collect()
    }

    /// Keys of a network of this shape.
    pub(crate) fn keys_of(&self, architecture: &Architecture) -> Vec<String> {
        self.keys(architecture.core.map_or(0, |core| core.layers))
    }

    /// Reads the network: shapes give the architecture, and every value must be finite.
    pub(crate) fn load(&self, dict: &StateDict<'_>, activation: Activation) -> Result<Network, FormatError> {
        let architecture = self.architecture(dict, activation)?;
        let mut parameters = Vec::with_capacity(architecture.num_parameters());
        for (tensor, key) in architecture.tensors().iter().zip(self.keys_of(&architecture)) {
            parameters.extend(dict.values(&key, &tensor.shape)?);
        }
        Ok(Network { architecture, parameters })
    }

    fn architecture(
        &self,
        dict: &StateDict<'_>,
        activation: Activation,
    ) -> Result<Architecture, FormatError> {
        let dense = |stem: &String| dict.matrix(&format!("{stem}.weight"));
        let encoder = self.encoder.iter().map(dense).collect::<Result<Vec<_>, _>>()?;
        let core = self.core.as_deref().map(|prefix| core(dict, prefix)).transpose()?;
        let head = self.head.iter().map(dense).collect::<Result<Vec<_>, _>>()?;
        let inputs = encoder.first().map(|layer| layer[1]).or(core.map(|(inputs, _)| inputs));
        let (Some(&[outputs, head_inputs]), Some(hidden)) = (head.last(), head.len().checked_sub(1)) else {
            return Err(FormatError::unsupported(dict.path, "it has no linear layers"));
        };
        Ok(Architecture {
            inputs: inputs.unwrap_or(head.first().map_or(head_inputs, |layer| layer[1])),
            encoder: encoder.iter().map(|layer| layer[0]).collect(),
            core: core.map(|(_, core)| core),
            hidden: head[..hidden].iter().map(|layer| layer[0]).collect(),
            outputs,
            activation,
        })
    }

    /// The state-dict entries of a network.
    pub(crate) fn entries(&self, network: &Network) -> Vec<(String, Value)> {
        let tensors = network.architecture.tensors();
        self.keys_of(&network.architecture)
            .into_iter()
            .zip(tensors)
            .map(|(key, tensor)| {
                let values = &network.parameters[tensor.range];
                (key, Tensor::from_f32(&tensor.shape, values).into())
            })
            .collect()
    }
}

/// Input width and shape of the recurrent layers under `prefix`.
fn core(dict: &StateDict<'_>, prefix: &str) -> Result<(usize, Core), FormatError> {
    let key = format!("{prefix}weight_hh_l0");
    let [rows, width] = dict.matrix(&key)?;
    let cell = match rows / width {
        3 if rows % width == 0 => Cell::Gru,
        4 if rows % width == 0 => Cell::Lstm,
        _ => {
            let expected =
                format!("[{}, {width}] of a GRU or [{}, {width}] of an LSTM", 3 * width, 4 * width);
            return Err(dict.shape_mismatch(&key, dict.get(&key)?, expected));
        }
    };
    let [_, inputs] = dict.matrix(&format!("{prefix}weight_ih_l0"))?;
    let mut layers = 1;
    while dict.contains(&format!("{prefix}weight_ih_l{layers}")) {
        layers += 1;
    }
    Ok((inputs, Core { cell, width, layers }))
}

/// The stems of a torch `Sequential` of linear layers and activations: `{prefix}0`, `{prefix}2`, ….
pub(crate) fn sequential_stems(dict: &StateDict<'_>, prefix: &str) -> Result<Vec<String>, FormatError> {
    let mut indices: Vec<usize> = dict
        .keys()
        .filter_map(|key| key.strip_prefix(prefix)?.strip_suffix(".weight")?.parse().ok())
        .collect();
    indices.sort_unstable();
    if indices.iter().enumerate().any(|(layer, &index)| index != 2 * layer) {
        let problem = format!(
            "the layers of {} are numbered {indices:?}, not 0, 2, 4, …: something other than an activation stands \
             between its linear layers",
            dict.full_name(prefix)
        );
        return Err(FormatError::unsupported(dict.path, problem));
    }
    Ok(indices.into_iter().map(|index| format!("{prefix}{index}")).collect())
}

/// Names every key that `known` does not list and no prefix in `ignored` covers.
pub(crate) fn refuse_unknown_keys(
    dict: &StateDict<'_>,
    known: &[String],
    ignored: &[&str],
) -> Result<(), FormatError> {
    let unknown: Vec<&str> = dict
        .keys()
        .filter(|key| !known.iter().any(|known| known == key))
        .filter(|key| !ignored.iter().any(|prefix| key.starts_with(prefix)))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let kind = if unknown.iter().any(|key| key.contains("cnn")) {
        "convolutional layers"
    } else if unknown.iter().any(|key| key.contains("attention") || key.contains("attn")) {
        "attention layers"
    } else {
        "layers that are neither linear, GRU nor LSTM"
    };
    let keys = summary(unknown.into_iter());
    Err(FormatError::unsupported(dict.path, format!("the policy has {kind}: {keys}")))
}

/// Names of the buffers of rsl_rl's `EmpiricalNormalization`.
pub(crate) const NORMALIZER_KEYS: [&str; 4] = ["_mean", "_var", "_std", "count"];

/// Reads a normaliser of `width` features under `prefix`.
pub(crate) fn load_normalizer(
    dict: &StateDict<'_>,
    prefix: &str,
    width: usize,
) -> Result<Normalizer, FormatError> {
    let [mean, var, std, count] = NORMALIZER_KEYS.map(|key| format!("{prefix}{key}"));
    let counted = Value::Tensor(dict.get(&count)?.clone());
    let counted = counted.as_i64().and_then(|count| u64::try_from(count).ok());
    Ok(Normalizer {
        mean: dict.vector(&mean, width)?,
        var: dict.vector(&var, width)?,
        std: dict.vector(&std, width)?,
        count: counted.ok_or_else(|| FormatError::WrongType {
            path: dict.path.to_owned(),
            key: dict.full_name(&count),
            found: "no count",
            expected: "one integer, not negative",
        })?,
    })
}

/// The state-dict entries of a normaliser under `prefix`, with rsl_rl's shapes.
pub(crate) fn normalizer_entries(normalizer: &Normalizer, prefix: &str) -> Vec<(String, Value)> {
    let row = |values: &[f32]| Value::Tensor(Tensor::from_f32(&[1, values.len()], values));
    let values = [
        row(&normalizer.mean),
        row(&normalizer.var),
        row(&normalizer.std),
        Tensor::from_i64(&[], &[normalizer.count.cast_signed()]).into(),
    ];
    NORMALIZER_KEYS.iter().map(|key| format!("{prefix}{key}")).zip(values).collect()
}
