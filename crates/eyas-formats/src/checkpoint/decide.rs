//! What a checkpoint leaves open, decided with a reason.

use std::path::Path;

use eyas_policy::{Activation, Architecture, Network, Normalizer, Output, Policy};

use super::layout::{Layout, Part, Role, normalizer_alone, stray_normalizers};
use super::network::{FoundNormalizer, NORMALIZER_KEYS, load_normalizer, refuse_unknown_keys};
use super::runner_config::{Distribution, RunnerConfig};
use super::state_dict::{StateDict, summary};
use crate::contract::output_name;
use crate::{EYAS_KEY, FORMAT_VERSION, FormatError, Value};

use super::{Checkpoint, Decision, LoadOptions, LoadedCritic, LoadedPolicy, NormalizerChoice, OutputChoice};

/// Loads the policy that `part` found.
pub(super) fn policy(
    checkpoint: &Checkpoint,
    part: &Part<'_>,
    options: &LoadOptions,
) -> Result<LoadedPolicy, FormatError> {
    let mut loader = Loader::new(checkpoint, part, options)?;
    let network = loader.network()?;
    let (output, network) = loader.output(network)?;
    let normalizer = loader.normalizer(network.architecture.inputs)?;
    let policy = Policy { normalizer, network, output };
    let std = loader.std(policy.num_actions())?;
    let decisions = loader.decisions;
    Ok(LoadedPolicy { role: part.role, policy, std, decisions, example_difference: None })
}

/// Loads the value function that `part` found.
pub(super) fn critic(
    checkpoint: &Checkpoint,
    part: &Part<'_>,
    options: &LoadOptions,
) -> Result<LoadedCritic, FormatError> {
    let mut loader = Loader::new(checkpoint, part, options)?;
    let network = loader.network()?;
    let normalizer = loader.normalizer(network.architecture.inputs)?;
    Ok(LoadedCritic { network, normalizer, decisions: loader.decisions })
}

struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    part: &'a Part<'a>,
    options: &'a LoadOptions,
    config: Option<RunnerConfig>,
    decisions: Vec<Decision>,
}

impl<'a> Loader<'a> {
    fn new(
        checkpoint: &'a Checkpoint,
        part: &'a Part<'a>,
        options: &'a LoadOptions,
    ) -> Result<Self, FormatError> {
        // The students of distillation.py lie beside the config of the run that trained their teacher.
        let own_config =
            !matches!(checkpoint.layout, Layout::Student | Layout::GruStudent | Layout::BareSequential);
        let config = if own_config || options.runner_config.is_some() {
            RunnerConfig::beside(&checkpoint.path, options.runner_config.as_deref())?
        } else {
            None
        };
        Ok(Self { checkpoint, part, options, config, decisions: Vec::new() })
    }

    fn decide(&mut self, what: &'static str, value: impl Into<String>, reason: impl Into<String>) {
        self.decisions.push(Decision { what, value: value.into(), reason: reason.into() });
    }

    fn path(&self) -> &'a Path {
        &self.checkpoint.path
    }

    /// `PATH says KEY`, for the reason of a decision.
    fn config_says(&self, key: &str) -> String {
        let path = self.config.as_ref().map(|config| config.path.display().to_string());
        format!("{} says {key}", path.unwrap_or_default())
    }

    /// What an Eyas program noted about the policy.
    fn note(&self, key: &str) -> Option<&'a str> {
        self.checkpoint.root.get(EYAS_KEY)?.get(key)?.as_str()
    }

    fn network(&mut self) -> Result<Network, FormatError> {
        if let Some(wrapper) = self.part.dict.wrapper {
            let reason = format!("{} puts it before every key", wrapper.by);
            self.decide("keys", format!("without `{}`", wrapper.prefix), reason);
        }
        let activation = self.activation()?;
        let network = self.part.stems.load(&self.part.dict, activation)?;
        let mut known = self.part.stems.keys_of(&network.architecture);
        known.extend(self.part.std.map(|(key, _)| key.to_owned()));
        if let Some((_, prefix)) = &self.part.normalizer {
            known.extend(NORMALIZER_KEYS.map(|key| format!("{prefix}{key}")));
        }
        refuse_unknown_keys(&self.part.dict, &known, self.part.others)?;
        Ok(network)
    }

    fn activation(&mut self) -> Result<Activation, FormatError> {
        let (activation, reason) = if let Some(activation) = self.options.activation {
            (activation, "given by option".to_owned())
        } else if let Some(name) = self.note("activation") {
            (parse_activation(name, self.path())?, "the file says so".to_owned())
        } else if let Some((name, key)) =
            self.config.as_ref().and_then(|config| config.activation(self.part.role.name()))
        {
            let path = self.config.as_ref().map_or(self.path(), |config| &config.path);
            let mut reason = self.config_says(&key);
            if name.eq_ignore_ascii_case("crelu") && self.checkpoint.layout == Layout::RslRlActorCritic {
                reason += " crelu, which is CELU from rsl_rl 2.1 on; 1.x meant ReLU: give --teacher_activation relu \
                           for a run of it";
            }
            (parse_activation(name, path)?, reason)
        } else {
            match self.checkpoint.layout {
                Layout::Student => (Activation::Elu, "distillation.py builds its MLP student so".to_owned()),
                Layout::GruStudent => {
                    (Activation::Relu, "distillation.py builds its GRU student so".to_owned())
                }
                _ => (
                    Activation::Elu,
                    "rsl_rl's default; neither the file nor a params/agent.yaml beside it says otherwise"
                        .to_owned(),
                ),
            }
        };
        self.decide("activation", activation, reason);
        Ok(activation)
    }

    /// Decides the output map; drops the rows of the last layer that only give the deviation.
    fn output(&mut self, network: Network) -> Result<(Output, Network), FormatError> {
        let outputs = network.architecture.outputs;
        let distribution = self.distribution(outputs);
        let halves = matches!(distribution, Some((Distribution::Heteroscedastic, _)));
        let (output, first_half, reason) = match (self.options.output, distribution) {
            (OutputChoice::Mean, _) => (Output::Identity, true, "given by option".to_owned()),
            (OutputChoice::Beta, _) => (Output::Beta, false, "given by option".to_owned()),
            (OutputChoice::Identity, _) => (Output::Identity, halves, "given by option".to_owned()),
            (OutputChoice::Tanh, _) => (Output::Tanh, halves, "given by option".to_owned()),
            (OutputChoice::Auto, Some((Distribution::Heteroscedastic, key))) => {
                (Output::Identity, true, self.config_says(&key))
            }
            (OutputChoice::Auto, Some((Distribution::Beta { range }, key))) => {
                self.check_beta_range(&range)?;
                (Output::Beta, false, self.config_says(&key))
            }
            (OutputChoice::Auto, Some((Distribution::Gaussian, _))) => {
                let (output, reason) = self.default_output();
                (output, false, reason)
            }
            (OutputChoice::Auto, None) => {
                return Err(FormatError::AmbiguousOutput { path: self.path().to_owned(), outputs });
            }
        };
        if (first_half || output == Output::Beta) && (self.part.std.is_some() || !outputs.is_multiple_of(2)) {
            let problem = format!(
                "its {outputs} outputs are no two values for each action, as the output map that was asked for needs"
            );
            return Err(FormatError::unsupported(self.path(), problem));
        }
        let name = match output {
            Output::Identity if first_half => format!("identity of the first {} outputs", outputs / 2),
            Output::Identity => "identity".to_owned(),
            Output::Tanh => "tanh".to_owned(),
            Output::Beta => "beta".to_owned(),
        };
        self.decide("output", name, reason);
        Ok((output, if first_half { first_half_of(network) } else { network }))
    }

    /// The action distribution as far as it is known; `None` if two outputs may stand for each action.
    fn distribution(&self, outputs: usize) -> Option<(Distribution, String)> {
        // A network of its own has no rows for the deviation, whatever the run beside it had.
        if self.part.std.is_some() || self.checkpoint.layout == Layout::Network {
            return Some((Distribution::Gaussian, String::new()));
        }
        if let Some(found) =
            self.config.as_ref().and_then(|config| config.distribution(self.part.role.name()))
        {
            return Some(found);
        }
        // An actor of PPO always has a deviation, so without a parameter it must come from the network.
        let is_ppo = matches!(
            self.checkpoint.layout,
            Layout::RslRlActorCritic | Layout::RslRlModels | Layout::BareModel
        );
        let open = is_ppo
            && self.part.role == Role::Actor
            && outputs.is_multiple_of(2)
            && self.note("output").is_none();
        (!open).then(|| (Distribution::Gaussian, String::new()))
    }

    /// rsl_rl lets a run choose the range; the policies here act in `[-1, 1]`.
    fn check_beta_range(&self, range: &[f64]) -> Result<(), FormatError> {
        if range == [-1.0, 1.0] {
            return Ok(());
        }
        let problem = format!("its Beta distribution spans {range:?}, only [-1.0, 1.0] is supported");
        Err(FormatError::unsupported(self.path(), problem))
    }

    fn default_output(&self) -> (Output, String) {
        match (self.note("output"), self.checkpoint.layout) {
            (Some("tanh"), _) => (Output::Tanh, "the file says so".to_owned()),
            (Some("beta"), _) => (Output::Beta, "the file says so".to_owned()),
            (Some(_), _) => (Output::Identity, "the file says so".to_owned()),
            (None, Layout::CustomRecurrentStudent) => {
                (Output::Tanh, "Foundation's recurrent student and its teacher end in tanh".to_owned())
            }
            (None, Layout::RslRlActorCritic) => (
                Output::Identity,
                "rsl_rl has no other, and no file can tell: give --teacher_output tanh for a teacher of the \
                 Foundation fork"
                    .to_owned(),
            ),
            (None, _) => (Output::Identity, "the layout has no other".to_owned()),
        }
    }

    fn normalizer(&mut self, width: usize) -> Result<Option<Normalizer>, FormatError> {
        match &self.options.normalizer {
            NormalizerChoice::Off => {
                self.decide("normaliser", "off", "given by option");
                Ok(None)
            }
            NormalizerChoice::Path(path) => {
                let found = other_normalizer(path, self.options, self.part.role, width)?;
                let reason = format!("given by option, {}", found.note);
                self.decide("normaliser", path.display().to_string(), reason);
                Ok(Some(found.normalizer))
            }
            NormalizerChoice::Auto => self.own_normalizer(width),
        }
    }

    fn own_normalizer(&mut self, width: usize) -> Result<Option<Normalizer>, FormatError> {
        let model = self.part.role.name();
        if let Some((dict, prefix)) = &self.part.normalizer {
            let found = load_normalizer(dict, prefix, width)?;
            let place =
                if prefix.is_empty() { dict.name.to_owned() } else { dict.full_name(&format!("{prefix}*")) };
            self.decide("normaliser", place, format!("the file holds it, {}", found.note));
            return Ok(Some(found.normalizer));
        }
        let stray = stray_normalizers(&self.checkpoint.root, width);
        if !stray.is_empty() && self.part.role != Role::Critic {
            return Err(FormatError::StrayNormalizer {
                path: self.path().to_owned(),
                keys: summary(stray.into_iter()),
                role: model,
            });
        }
        let demanded = self.config.as_ref().and_then(|config| config.normalization(model));
        if let Some((true, key)) = demanded {
            let reason = self.config_says(&format!("{key} true"));
            return Err(FormatError::MissingNormalizer { path: self.path().to_owned(), reason });
        }
        self.decide("normaliser", "none", "the file holds none");
        Ok(None)
    }

    fn std(&self, actions: usize) -> Result<Option<Vec<f32>>, FormatError> {
        let Some((key, logarithmic)) = self.part.std else { return Ok(None) };
        let mut std = self.part.dict.vector(key, actions)?;
        if logarithmic {
            std = std.into_iter().map(libm::expf).collect();
        }
        Ok(Some(std))
    }
}

fn parse_activation(name: &str, path: &Path) -> Result<Activation, FormatError> {
    name.parse().map_err(|error| FormatError::RunnerConfig { path: path.to_owned(), source: Box::new(error) })
}

/// The normaliser of another file: the one of the same role in a checkpoint, a saved normaliser, or the only one that
/// the file holds under whatever name.
pub(super) fn other_normalizer(
    path: &Path,
    options: &LoadOptions,
    role: Role,
    width: usize,
) -> Result<FoundNormalizer, FormatError> {
    let other = Checkpoint::read(path)?;
    let missing = || FormatError::MissingNormalizer {
        path: path.to_owned(),
        reason: "it was given for its normaliser".to_owned(),
    };
    if other.layout == Layout::RlTools {
        let normalizer = other.policy(&LoadOptions::default())?.policy.normalizer.ok_or_else(missing)?;
        return Ok(FoundNormalizer { normalizer, note: "without count, as RLtools stores it".to_owned() });
    }
    let bare = StateDict::new(path, "", &other.root);
    if bare.contains("_mean") {
        return load_normalizer(&bare, "", width);
    }
    if let [key] = stray_normalizers(&other.root, width)[..] {
        let dict = StateDict::new(path, "", other.root.get(key).ok_or_else(missing)?);
        return load_normalizer(&dict, "", width);
    }
    if other.roles().is_empty() {
        let (dict, prefix) = normalizer_alone(&other.root, path, role).ok_or_else(missing)?;
        return load_normalizer(&dict, prefix, width);
    }
    let role = if role == Role::Critic { role } else { other.role(options.side)? };
    match &other.part(role)?.normalizer {
        Some((dict, prefix)) => load_normalizer(dict, prefix, width),
        None => Err(missing()),
    }
}

/// The network with only the first half of its outputs.
pub(super) fn first_half_of(network: Network) -> Network {
    let last = network.architecture.head_layers().pop().expect("a network has an output layer");
    let outputs = last.outputs / 2;
    let mut parameters = network.parameters;
    let bias = parameters[last.bias.start..last.bias.start + outputs].to_vec();
    parameters.truncate(last.weight.start + outputs * last.inputs);
    parameters.extend(bias);
    Network { architecture: Architecture { outputs, ..network.architecture }, parameters }
}

/// The note that a writer leaves under [`EYAS_KEY`]: what the layout itself cannot say.
pub(crate) fn note(
    activation: Activation,
    output: Output,
    extra: Option<&Value>,
    contract: Option<&str>,
) -> Value {
    let mut entries = vec![
        ("format_version", Value::from(FORMAT_VERSION)),
        ("writer", Value::from(concat!("eyas ", env!("CARGO_PKG_VERSION")))),
        ("activation", Value::from(activation.to_string())),
        ("output", Value::from(output_name(output))),
    ];
    entries.extend(extra.map(|extra| ("extra", extra.clone())));
    entries.extend(contract.map(|contract| ("contract", contract.into())));
    Value::dict(entries)
}
