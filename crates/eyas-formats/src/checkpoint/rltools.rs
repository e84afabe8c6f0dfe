//! The policy in a checkpoint of RLtools.
//!
//! Source: the `persist.h` of `nn/layers/*`, `nn_models/{sequential,mlp,mlp_unconditional_stddev}` and
//! `rl/loop/steps/checkpoint` in github.com/rl-tools/rl-tools. Layers are groups; `type` and
//! `activation_function` are attributes; each parameter is a group with the dataset `parameters`.

use eyas_policy::{Activation, Architecture, Cell, Core, Inference, Network, Normalizer, Output, Policy};

use super::layout::Role;
use super::state_dict::{StateDict, summary};
use crate::{FormatError, Value};

use super::decide::{first_half_of, other_normalizer};
use super::{Checkpoint, Decision, LoadOptions, LoadedPolicy, NormalizerChoice, OutputChoice};

/// Sums in another order over hundreds of recurrent steps stay below it; another activation does not.
const EXAMPLE_TOLERANCE: f32 = 1e-3;

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind<'a> {
    /// With the name of its activation.
    Dense(&'a str),
    Gru,
    /// `(x − mean) · precision`, without the product where the precision is 0.
    Standardize,
    /// `tanh` of the first half of its inputs; the second is the logarithm of the deviation.
    SampleAndSquash,
}

/// A layer and the key of its group.
struct Layer<'a> {
    kind: Kind<'a>,
    stem: String,
}

/// The layers in their order, and the key of a deviation that does not depend on the state.
#[derive(Default)]
struct Chain<'a> {
    layers: Vec<Layer<'a>>,
    log_std: Option<String>,
}

struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    options: &'a LoadOptions,
    dict: StateDict<'a>,
    decisions: Vec<Decision>,
}

/// Loads the policy and compares it with the example that the file holds.
pub(super) fn policy(checkpoint: &Checkpoint, options: &LoadOptions) -> Result<LoadedPolicy, FormatError> {
    let key = checkpoint.model_key;
    let model = checkpoint.root.get(key).unwrap_or(&checkpoint.root);
    let dict = StateDict::nested(&checkpoint.path, key, model);
    let mut loader = Loader { checkpoint, options, dict, decisions: Vec::new() };
    let mut chain = Chain::default();
    loader.collect(model, "", &mut chain)?;
    let standardize = chain.layers.first().is_some_and(|layer| layer.kind == Kind::Standardize);
    let squash = chain.layers.last().is_some_and(|layer| layer.kind == Kind::SampleAndSquash);
    let inner = chain.layers.get(usize::from(standardize)..chain.layers.len() - usize::from(squash));
    let (network, last) = loader.network(inner.unwrap_or_default())?;
    let (output, network) = loader.output(network, last, squash)?;
    let first = chain.layers.first().filter(|_| standardize);
    let normalizer = loader.normalizer(first, network.architecture.inputs)?;
    let policy = Policy { normalizer, network, output };
    let std = chain.log_std.map(|key| loader.dict.vector(&key, policy.num_actions())).transpose()?;
    let example_difference = loader.replay(&policy)?;
    Ok(LoadedPolicy {
        role: Role::Actor,
        policy,
        std: std.map(|values| values.into_iter().map(libm::expf).collect()),
        decisions: loader.decisions,
        example_difference,
    })
}

impl<'a> Loader<'a> {
    fn decide(&mut self, what: &'static str, value: impl Into<String>, reason: impl Into<String>) {
        self.decisions.push(Decision { what, value: value.into(), reason: reason.into() });
    }

    fn unsupported(&self, problem: impl Into<String>) -> FormatError {
        FormatError::unsupported(&self.checkpoint.path, problem)
    }

    fn unsupported_layer(&self, stem: &str, problem: String, advice: Option<String>) -> FormatError {
        let layer = self.dict.full_name(stem);
        FormatError::UnsupportedLayer { path: self.checkpoint.path.clone(), layer, problem, advice }
    }

    /// Appends the layers of a model or layer; `stem` is its key.
    fn collect(&self, model: &'a Value, stem: &str, chain: &mut Chain<'a>) -> Result<(), FormatError> {
        let below = |name: &str| if stem.is_empty() { name.to_owned() } else { format!("{stem}/{name}") };
        let mut push = |kind| chain.layers.push(Layer { kind, stem: stem.to_owned() });
        match attribute(model, "type") {
            Some("dense") => push(Kind::Dense(attribute(model, "activation_function").unwrap_or("nothing"))),
            Some("gru") => push(Kind::Gru),
            Some("standardize") => push(Kind::Standardize),
            Some("sample_and_squash") => push(Kind::SampleAndSquash),
            Some("sequential") => {
                let layers = self.member(model, &below("layers"))?;
                for index in 0..members(layers) {
                    let key = below(&format!("layers/{index}"));
                    self.collect(self.member(layers, &key)?, &key, chain)?;
                }
            }
            Some("mlp") => self.collect_mlp(model, stem, chain)?,
            // The noise of TD3 leaves an empty group.
            None if model.entries().is_some_and(<[_]>::is_empty) => {}
            found => {
                let problem = format!(
                    "is {}, known are dense, gru, standardize, sample_and_squash, mlp and sequential",
                    found.map_or("no layer".to_owned(), |kind| format!("a layer of type `{kind}`"))
                );
                return Err(self.unsupported_layer(stem, problem, None));
            }
        }
        Ok(())
    }

    /// `input_layer`, `hidden_layers/0`, … (before 2025-10 `hidden_layer_0`, …), `output_layer`.
    fn collect_mlp(&self, model: &'a Value, stem: &str, chain: &mut Chain<'a>) -> Result<(), FormatError> {
        let below = |name: &str| if stem.is_empty() { name.to_owned() } else { format!("{stem}/{name}") };
        let count = attribute(model, "num_layers").and_then(|count| count.parse::<usize>().ok());
        let Some(hidden) = count.and_then(|count| count.checked_sub(2)) else {
            let problem = "does not say how many layers it has, at least 2".to_owned();
            return Err(self.unsupported_layer(stem, problem, None));
        };
        let mut layer = |group: &'a Value, name: &str| {
            let key = below(name);
            self.collect(self.member(group, &key)?, &key, chain)
        };
        layer(model, "input_layer")?;
        for index in 0..hidden {
            match model.get("hidden_layers") {
                Some(layers) => layer(layers, &format!("hidden_layers/{index}"))?,
                None => layer(model, &format!("hidden_layer_{index}"))?,
            }
        }
        layer(model, "output_layer")?;
        if model.get("log_std").is_some() {
            chain.log_std = Some(below("log_std/parameters"));
        }
        Ok(())
    }

    /// The member of `group` that the last part of `key` names.
    fn member(&self, group: &'a Value, key: &str) -> Result<&'a Value, FormatError> {
        let name = key.rsplit('/').next().unwrap_or(key);
        group.get(name).ok_or_else(|| FormatError::MissingKey {
            path: self.checkpoint.path.clone(),
            key: self.dict.full_name(key),
            present: summary(group.entries().unwrap_or_default().iter().filter_map(|(key, _)| key.as_str())),
        })
    }

    /// The network, and the activation of its last layer.
    fn network(&mut self, layers: &[Layer<'a>]) -> Result<(Network, &'a str), FormatError> {
        let is_gru = |layer: &Layer<'_>| layer.kind == Kind::Gru;
        let cores = layers.iter().filter(|layer| is_gru(layer)).count();
        let encoder = layers.iter().position(is_gru).unwrap_or(0);
        let head = encoder + cores;
        let out_of_place = layers
            .iter()
            .enumerate()
            .find(|(index, layer)| is_gru(layer) != (encoder..head).contains(index) || !is_inner(layer));
        if let Some((_, layer)) = out_of_place {
            let problem = "stands where a policy here has no such layer".to_owned();
            let advice =
                "policies are [standardize] [dense …] [gru …] dense … [sample_and_squash]".to_owned();
            return Err(self.unsupported_layer(&layer.stem, problem, Some(advice)));
        }
        let Some(Layer { kind: Kind::Dense(last), .. }) = layers[head..].last() else {
            return Err(self.unsupported("its last layer is not dense"));
        };
        let activation = self.activation(layers[..encoder].iter().chain(&layers[head..layers.len() - 1]))?;

        let (mut widths, mut parameters) = (Vec::<[usize; 2]>::new(), Vec::new());
        for layer in layers {
            let inputs = widths.last().map(|layer| layer[1]);
            widths.push(self.layer(layer, inputs, &mut parameters)?);
        }
        let width = |index: usize| widths[index][1];
        if (encoder..head).any(|index| width(index) != width(encoder)) {
            return Err(self.unsupported("its recurrent layers have different widths"));
        }
        let core = (cores > 0).then(|| Core { cell: Cell::Gru, width: width(encoder), layers: cores });
        let architecture = Architecture {
            inputs: widths[0][0],
            encoder: (0..encoder).map(width).collect(),
            core,
            hidden: (head..layers.len() - 1).map(width).collect(),
            outputs: width(layers.len() - 1),
            activation,
        };
        Ok((Network { architecture, parameters }, last))
    }

    /// Appends the parameters of a layer in the order of [`Architecture::tensors`]; its inputs and outputs.
    fn layer(
        &self,
        layer: &Layer<'_>,
        inputs: Option<usize>,
        parameters: &mut Vec<f32>,
    ) -> Result<[usize; 2], FormatError> {
        let key = |name: &str| format!("{}/{name}/parameters", layer.stem);
        let weights = key(if layer.kind == Kind::Gru { "weights_input" } else { "weights" });
        let [rows, columns] = self.dict.matrix(&weights)?;
        let gates = if layer.kind == Kind::Gru { Cell::Gru.gates() } else { 1 };
        if inputs.is_some_and(|inputs| inputs != columns) || rows % gates != 0 {
            let expected = inputs.map_or_else(|| "columns".to_owned(), |inputs| inputs.to_string());
            let expected = format!("[{gates} · outputs, {expected}]");
            return Err(self.dict.shape_mismatch(&weights, self.dict.get(&weights)?, expected));
        }
        parameters.extend(self.dict.values(&weights, &[rows, columns])?);
        let outputs = rows / gates;
        if layer.kind != Kind::Gru {
            parameters.extend(self.dict.vector(&key("biases"), rows)?);
            return Ok([columns, outputs]);
        }
        parameters.extend(self.dict.values(&key("weights_hidden"), &[rows, outputs])?);
        parameters.extend(self.dict.vector(&key("biases_input"), rows)?);
        parameters.extend(self.dict.vector(&key("biases_hidden"), rows)?);
        let initial = key("initial_hidden_state");
        if self.dict.contains(&initial)
            && self.dict.vector(&initial, outputs)?.iter().any(|&value| value != 0.0)
        {
            let problem =
                "begins an episode with a learnt state; the policies here begin with zeros".to_owned();
            let advice = "train with LEARN_INITIAL_HIDDEN_STATE off, which is RLtools' default".to_owned();
            return Err(self.unsupported_layer(&layer.stem, problem, Some(advice)));
        }
        Ok([columns, outputs])
    }

    /// The one activation of the hidden layers.
    fn activation<'b>(
        &mut self,
        hidden: impl Iterator<Item = &'b Layer<'a>>,
    ) -> Result<Activation, FormatError>
    where
        'a: 'b,
    {
        if let Some(activation) = self.options.activation {
            self.decide("activation", activation, "given by option");
            return Ok(activation);
        }
        let mut found = None;
        for layer in hidden {
            let Kind::Dense(name) = layer.kind else { continue };
            let activation = match name {
                "RELU" => Activation::Relu,
                "TANH" => Activation::Tanh,
                "SIGMOID" => Activation::Sigmoid,
                "IDENTITY" => Activation::Identity,
                _ => return Err(self.unknown_activation(layer, name)),
            };
            if found.is_some_and(|found| found != activation) {
                let problem = format!("ends in {name}, other hidden layers do not");
                return Err(self.unsupported_layer(&layer.stem, problem, None));
            }
            found = Some(activation);
        }
        match found {
            Some(activation) => self.decide("activation", activation, "the file says so"),
            None => self.decide("activation", Activation::Identity, "no hidden layer has one"),
        }
        Ok(found.unwrap_or(Activation::Identity))
    }

    fn unknown_activation(&self, layer: &Layer<'_>, name: &str) -> FormatError {
        let problem =
            format!("ends in {name}, which is not computed here; known are RELU, TANH, SIGMOID, IDENTITY");
        let advice = match name {
            "FAST_TANH" => {
                Some("tanh differs from it by up to 0.024; --teacher_activation tanh takes it all the same")
            }
            "GELU" => Some(
                "RLtools computes GELU through a tanh; --teacher_activation gelu takes the exact form, which differs \
                 by up to 5e-4",
            ),
            _ => None,
        };
        self.unsupported_layer(&layer.stem, problem, advice.map(str::to_owned))
    }

    /// Decides the output map; drops the rows of the last layer that only give the deviation.
    fn output(
        &mut self,
        network: Network,
        last: &str,
        squash: bool,
    ) -> Result<(Output, Network), FormatError> {
        let outputs = network.architecture.outputs;
        let (output, reason) = match (self.options.output, last, squash) {
            (OutputChoice::Identity | OutputChoice::Mean, ..) => (Output::Identity, "given by option"),
            (OutputChoice::Tanh, ..) => (Output::Tanh, "given by option"),
            (OutputChoice::Beta, ..) => (Output::Beta, "given by option"),
            (OutputChoice::Auto, "IDENTITY", true) => (Output::Tanh, "its last layer is sample_and_squash"),
            (OutputChoice::Auto, "IDENTITY", false) => (Output::Identity, "the file says so"),
            (OutputChoice::Auto, "TANH", false) => (Output::Tanh, "the file says so"),
            _ => {
                let then = if squash { " before sample_and_squash" } else { "" };
                return Err(self.unsupported(format!("its last dense layer ends in {last}{then}")));
            }
        };
        let first_half = squash || self.options.output == OutputChoice::Mean;
        let is_beta = output == Output::Beta;
        if (squash && is_beta) || ((first_half || is_beta) && !outputs.is_multiple_of(2)) {
            let problem = format!(
                "its {outputs} outputs are no two values for each action, as the output map that was asked for needs"
            );
            return Err(self.unsupported(problem));
        }
        let name = match output {
            Output::Identity => "identity",
            Output::Tanh => "tanh",
            Output::Beta => "beta",
        };
        let half = if first_half { format!(" of the first {} outputs", outputs / 2) } else { String::new() };
        self.decide("output", format!("{name}{half}"), reason);
        Ok((output, if first_half { first_half_of(network) } else { network }))
    }

    fn normalizer(
        &mut self,
        standardize: Option<&Layer<'_>>,
        width: usize,
    ) -> Result<Option<Normalizer>, FormatError> {
        match (&self.options.normalizer, standardize) {
            (NormalizerChoice::Off, _) => {
                self.decide("normaliser", "off", "given by option");
                Ok(None)
            }
            (NormalizerChoice::Path(path), _) => {
                let found = other_normalizer(path, self.options, Role::Actor, width)?;
                self.decide("normaliser", path.display().to_string(), "given by option");
                Ok(Some(found.normalizer))
            }
            (NormalizerChoice::Auto, None) => {
                self.decide("normaliser", "none", "the file holds none");
                Ok(None)
            }
            (NormalizerChoice::Auto, Some(layer)) => {
                let mean = self.dict.vector(&format!("{}/mean/parameters", layer.stem), width)?;
                let precision = self.dict.vector(&format!("{}/precision/parameters", layer.stem), width)?;
                // The normaliser here adds ε to the deviation, that of RLtools does not.
                let deviation = |precision: f32| if precision == 0.0 { 1.0 } else { 1.0 / precision };
                let std: Vec<f32> =
                    precision.into_iter().map(|it| deviation(it) - Normalizer::EPSILON).collect();
                let var = std.iter().map(|std| std * std).collect();
                self.decide("normaliser", self.dict.full_name(&layer.stem), "the file holds it");
                Ok(Some(Normalizer { mean, var, std, count: 0, clip: None }))
            }
        }
    }

    /// The largest difference to the actions of `example`; `None` if the file holds none.
    fn replay(&mut self, policy: &Policy) -> Result<Option<f32>, FormatError> {
        let path = &self.checkpoint.path;
        let Some(example) = self.checkpoint.root.get("example") else { return Ok(None) };
        let example = StateDict::nested(path, "example", example);
        let shape = example.get("input")?.shape();
        let (times, batch) = match *shape {
            [times, batch, inputs] if inputs == policy.num_observations() && times * batch > 0 => {
                (times, batch)
            }
            [batch, inputs] if inputs == policy.num_observations() && batch > 0 => (1, batch),
            _ => {
                let expected = format!("[steps, environments, {}]", policy.num_observations());
                return Err(example.shape_mismatch("input", example.get("input")?, expected));
            }
        };
        let expected_shape = [&shape[..shape.len() - 1], &[policy.num_actions()]].concat();
        let inputs = example.values("input", shape)?;
        let expected = example.values("output", &expected_shape)?;
        let found = Inference::new(policy).act_on_record(&inputs, times, batch);
        let differences = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        // `f32::max` would pass over a NaN.
        let difference = differences.fold(0.0, |max, it| if it > max || it.is_nan() { it } else { max });
        let options = self.options;
        let as_the_file_says = options.activation.is_none()
            && options.output == OutputChoice::Auto
            && options.normalizer == NormalizerChoice::Auto;
        if as_the_file_says && (difference.is_nan() || difference > EXAMPLE_TOLERANCE) {
            return Err(FormatError::FailsExample {
                path: path.clone(),
                examples: times * batch,
                difference,
            });
        }
        self.decide(
            "example",
            format!("largest difference {difference:.1e}"),
            format!("the file holds {} observations with their actions", times * batch),
        );
        Ok(Some(difference))
    }
}

/// Whether a layer may stand between normaliser and output map.
fn is_inner(layer: &Layer<'_>) -> bool {
    matches!(layer.kind, Kind::Dense(_) | Kind::Gru)
}

/// An attribute of a group.
fn attribute<'a>(group: &'a Value, name: &str) -> Option<&'a str> {
    group.get(&format!("@{name}"))?.as_str()
}

/// How many members a group has, attributes aside.
fn members(group: &Value) -> usize {
    let names = group.entries().unwrap_or_default().iter().filter_map(|(name, _)| name.as_str());
    names.filter(|name| !name.starts_with(crate::container::hdf5::ATTRIBUTE)).count()
}
