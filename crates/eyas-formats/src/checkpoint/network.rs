//! Networks from and to the keys of a state dict.

use eyas_policy::{Activation, Architecture, Cell, Core, Network, Normalizer, Policy};

use super::layout::Statistics;
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

/// What Eyas itself stores beside them: the limit of what the normaliser gives.
pub(crate) const CLIP_KEY: &str = "clip";

/// What a normaliser without a count is taken to have seen: enough that resuming a run moves it slowly, as rsl_rl's
/// default of 4096 envs and 24 steps does after a hundred iterations.
const UNKNOWN_COUNT: u64 = 100 * 24 * 4096;

/// A normaliser as it was read, and what was missing of it.
pub(crate) struct FoundNormalizer {
    pub(crate) normalizer: Normalizer,
    /// What the file does not store, and what stands in its place.
    pub(crate) note: String,
}

/// Reads a normaliser of `width` features under `prefix`.
///
/// rsl_rl 2.0 stores no count, forks store it as a float, and either of variance and deviation gives the other.
pub(crate) fn load_normalizer(
    dict: &StateDict<'_>,
    prefix: &str,
    width: usize,
) -> Result<FoundNormalizer, FormatError> {
    let [mean, var, std, count] = NORMALIZER_KEYS.map(|key| format!("{prefix}{key}"));
    let mut notes = Vec::new();
    let (var, std) = match (dict.contains(&var), dict.contains(&std)) {
        (false, true) => {
            let std = dict.vector(&std, width)?;
            notes.push("without variance, which is the square of the deviation".to_owned());
            (std.iter().map(|std| std * std).collect(), std)
        }
        (true, false) => {
            let var = dict.vector(&var, width)?;
            notes.push("without deviation, which is the root of the variance".to_owned());
            let roots = var.iter().map(|var| var.sqrt()).collect::<Vec<f32>>();
            if let Some(index) = roots.iter().position(|root| root.is_nan()) {
                let (path, key) = (dict.path.to_owned(), dict.full_name(&format!("{prefix}_var")));
                return Err(FormatError::NonFinite { path, key, index, value: f64::from(roots[index]) });
            }
            (var, roots)
        }
        _ => (dict.vector(&var, width)?, dict.vector(&std, width)?),
    };
    let count = if dict.contains(&count) {
        let samples = stored_count(dict, &count)?;
        notes.push(format!("count {samples}"));
        samples
    } else {
        notes.push(format!(
            "without its count, which rsl_rl 2.0 does not store: taken as {UNKNOWN_COUNT} samples"
        ));
        UNKNOWN_COUNT
    };
    let clip = format!("{prefix}{CLIP_KEY}");
    let clip = if dict.contains(&clip) { Some(limit(dict, &clip)?) } else { None };
    let normalizer = Normalizer { mean: dict.vector(&mean, width)?, var, std, count, clip };
    Ok(FoundNormalizer { normalizer, note: notes.join(", ") })
}

/// How rl_games, skrl, sample-factory and Stable-Baselines3 normalise:
/// `clamp((x − mean) / (√(var + a) + b), −clip, clip)`.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    /// Name of the mean.
    pub(crate) mean: &'static str,
    /// Name of the variance.
    pub(crate) var: &'static str,
    /// Name of the number of samples.
    pub(crate) count: Option<&'static str>,
    /// `a`.
    pub(crate) added_to_variance: f64,
    /// `b`.
    pub(crate) added_to_deviation: f64,
    /// What the results are limited to; `None` if they are not.
    pub(crate) clip: Option<f64>,
}

impl Moments {
    pub(crate) fn names(&self) -> Vec<&'static str> {
        [self.mean, self.var].into_iter().chain(self.count).collect()
    }

    /// The deviation takes up the difference of the ε that this program adds and rsl_rl's.
    pub(crate) fn load(
        &self,
        statistics: &Statistics<'_>,
        width: usize,
    ) -> Result<FoundNormalizer, FormatError> {
        let Statistics { dict, prefix, samples, .. } = statistics;
        let key = |name: &str| format!("{prefix}{name}");
        let mean = dict.vector(&key(self.mean), width)?;
        let mut std = Vec::with_capacity(width);
        for (index, var) in dict.vector(&key(self.var), width)?.into_iter().enumerate() {
            let divisor = (f64::from(var) + self.added_to_variance).sqrt() + self.added_to_deviation;
            // Also a negative variance, whose root is none.
            if divisor.is_nan() || divisor <= 0.0 {
                let (path, key) = (dict.path.to_owned(), dict.full_name(&key(self.var)));
                return Err(FormatError::NonFinite { path, key, index, value: 1.0 / divisor });
            }
            std.push((divisor - f64::from(Normalizer::EPSILON)) as f32);
        }
        let counted = self.count.map(key).filter(|key| dict.contains(key));
        let counted = counted.map(|key| dict.vector(&key, 1)).transpose()?;
        let count = samples.or(counted.map(|counted| f64::from(counted[0])));
        let clip = self.clip.map(|clip| clip as f32);
        let note = format!(
            "{}, {}",
            count.map_or("without its count".to_owned(), |count| format!("count {count:.0}")),
            clip.map_or("no limit".to_owned(), |clip| format!("what it gives limited to ±{clip}"))
        );
        let var = std.iter().map(|std| std * std).collect();
        let normalizer =
            Normalizer { mean, var, std, count: count.unwrap_or(0.0).max(0.0).round() as u64, clip };
        Ok(FoundNormalizer { normalizer, note })
    }
}

/// What a normaliser limits its results to.
fn limit(dict: &StateDict<'_>, key: &str) -> Result<f32, FormatError> {
    let limit = dict.vector(key, 1)?[0];
    if limit > 0.0 {
        return Ok(limit);
    }
    let (path, key) = (dict.path.to_owned(), dict.full_name(key));
    Err(FormatError::WrongType { path, key, found: "no limit", expected: "a positive number" })
}

/// A count as an integer, or as the float that some forks store.
fn stored_count(dict: &StateDict<'_>, key: &str) -> Result<u64, FormatError> {
    let counted = Value::Tensor(dict.get(key)?.clone());
    let whole = counted.as_i64().and_then(|count| u64::try_from(count).ok());
    let float =
        counted.as_f64().filter(|count| *count >= 0.0 && *count < u64::MAX as f64 && count.fract() == 0.0);
    whole.or(float.map(|count| count as u64)).ok_or_else(|| FormatError::WrongType {
        path: dict.path.to_owned(),
        key: dict.full_name(key),
        found: "no count",
        expected: "one whole number, not negative",
    })
}

/// The entries of a policy under Eyas' own names, as [`Layout::Network`](super::Layout::Network) reads them.
pub(crate) fn policy_entries(policy: &Policy, std: Option<&[f32]>) -> Vec<(String, Value)> {
    let normalizer = policy.normalizer.as_ref();
    let mut entries = normalizer.map_or_else(Vec::new, |it| normalizer_entries(it, "obs_normalizer."));
    entries.extend(std.map(|std| ("std".to_owned(), Tensor::from_f32(&[std.len()], std).into())));
    entries.extend(policy.network.architecture.tensors().into_iter().map(|tensor| {
        let values = &policy.network.parameters[tensor.range];
        (tensor.name, Tensor::from_f32(&tensor.shape, values).into())
    }));
    entries
}

/// The entries of a torch `Sequential`, `0.weight` and so on; `None` for a recurrent network.
pub(crate) fn bare_entries(policy: &Policy) -> Option<Vec<(String, Value)>> {
    let architecture = &policy.network.architecture;
    let is_plain = architecture.core.is_none() && architecture.encoder.is_empty();
    is_plain.then(|| Stems::sequential(architecture, "", "").entries(&policy.network))
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
    let mut entries: Vec<_> =
        NORMALIZER_KEYS.iter().map(|key| format!("{prefix}{key}")).zip(values).collect();
    let clip = normalizer.clip.map(|clip| Tensor::from_f32(&[1], &[clip]).into());
    entries.extend(clip.map(|clip| (format!("{prefix}{CLIP_KEY}"), clip)));
    entries
}
