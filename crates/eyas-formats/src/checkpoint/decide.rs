//! What a checkpoint leaves open, decided with a reason.

use std::path::Path;

use eyas_policy::{Activation, Architecture, Network, Normalizer, Output, Policy};

use super::foreign;
use super::layout::{Layout, Part, Role, Statistics, normalizer_alone, stray_normalizers};
use super::network::{FoundNormalizer, load_normalizer, refuse_unknown_keys};
use super::runner_config::{Distribution, RunnerConfig, Squash};
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
            RunnerConfig::beside(&checkpoint.path, options.runner_config.as_deref(), checkpoint.layout)?
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
        known.extend(self.part.normalizer.iter().flat_map(Statistics::keys));
        refuse_unknown_keys(&self.part.dict, &known, self.part.others)?;
        Ok(network)
    }

    fn activation(&mut self) -> Result<Activation, FormatError> {
        let (activation, reason) = if let Some(activation) = self.options.activation {
            (activation, "given by option".to_owned())
        } else if let Some((name, key)) = self.hyperparameter("activation_fn") {
            (foreign_activation(name, self.path())?, format!("the file says {key}"))
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
        } else if let Some((name, key)) = self.config.as_ref().and_then(|config| config.foreign_activation())
        {
            let path = self.config.as_ref().map_or(self.path(), |config| &config.path);
            (foreign_activation(name, path)?, self.config_says(&key))
        } else {
            match self.checkpoint.layout {
                Layout::StableBaselines3 if self.part.dict.has_prefix("action_net.") => {
                    (Activation::Tanh, "default of Stable-Baselines3's actor-critic policies".to_owned())
                }
                Layout::StableBaselines3 => {
                    (Activation::Relu, "default of Stable-Baselines3's SAC, TD3 and DDPG".to_owned())
                }
                Layout::SampleFactory => (
                    Activation::Elu,
                    "sample-factory's default; no config.json beside it says otherwise".to_owned(),
                ),
                Layout::RlGames | Layout::Skrl => (
                    Activation::Elu,
                    "usual in this field; neither the file nor a params/agent.yaml beside it says otherwise: give \
                     --teacher_activation for another"
                        .to_owned(),
                ),
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
            (OutputChoice::Auto, Some((Distribution::Heteroscedastic, _)))
                if self.is(Layout::SampleFactory) =>
            {
                (
                    Output::Identity,
                    true,
                    "sample-factory's adaptive deviation, without a tensor of its own, is the other half"
                        .to_owned(),
                )
            }
            (OutputChoice::Auto, Some((Distribution::Heteroscedastic, key))) => {
                (Output::Identity, true, self.config_says(&key))
            }
            (OutputChoice::Auto, Some((Distribution::Beta { range }, key))) => {
                self.check_beta_range(&range)?;
                (Output::Beta, false, self.config_says(&key))
            }
            (OutputChoice::Auto, Some((Distribution::Gaussian, _))) => {
                let (output, reason) = self.default_output()?;
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
        if self.is(Layout::SampleFactory) {
            return Some((Distribution::Heteroscedastic, String::new()));
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

    fn default_output(&self) -> Result<(Output, String), FormatError> {
        if let Some(found) = self.foreign_output()? {
            return Ok(found);
        }
        Ok(match (self.note("output"), self.checkpoint.layout) {
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
        })
    }

    /// What the programs of [`foreign`] do after the last layer.
    fn foreign_output(&self) -> Result<Option<(Output, String)>, FormatError> {
        if self.is(Layout::StableBaselines3) {
            return Ok(Some(if !self.part.dict.has_prefix("action_net.") {
                (Output::Tanh, "Stable-Baselines3's SAC, TD3 and DDPG end in it".to_owned())
            } else if let Some(("True", key)) = self.hyperparameter("squash_output") {
                (Output::Tanh, format!("the file says {key}"))
            } else {
                (Output::Identity, "Stable-Baselines3's actor-critic policies end so".to_owned())
            }));
        }
        if !matches!(self.checkpoint.layout, Layout::RlGames | Layout::Skrl | Layout::SampleFactory) {
            return Ok(None);
        }
        let Some(config) = &self.config else {
            let reason =
                "no config beside the file says otherwise: give --teacher_output tanh if it ends in that";
            return Ok(Some((Output::Identity, reason.to_owned())));
        };
        let Some((squash, key)) = config.squash() else {
            return Ok(Some((Output::Identity, format!("{} names no other", config.path.display()))));
        };
        match squash {
            Squash::Identity => Ok(Some((Output::Identity, self.config_says(&key)))),
            Squash::Tanh => Ok(Some((Output::Tanh, self.config_says(&key)))),
            Squash::Other(function) => {
                let problem =
                    format!("its actions end in `{function}` ({key} of its config): only tanh is known");
                Err(FormatError::unsupported(self.path(), problem))
            }
        }
    }

    /// One of `policy_kwargs` of Stable-Baselines3, and its name.
    fn hyperparameter(&self, key: &'static str) -> Option<(&'a str, &'static str)> {
        let arguments = self.checkpoint.root.get("data").filter(|_| self.is(Layout::StableBaselines3))?;
        let value = arguments.get("policy_kwargs")?.get(key)?;
        let text = value.as_bool().map(|value| if value { "True" } else { "False" });
        Some((text.or(value.as_str())?, key))
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
        let scaled =
            self.config.as_ref().and_then(RunnerConfig::scaling).filter(|_| self.is(Layout::SampleFactory));
        if let Some(statistics) = &self.part.normalizer {
            let mut found = statistics.load(width)?;
            let beside = self.checkpoint.root.get(foreign::archive::STATISTICS_PATH).and_then(Value::as_str);
            let (place, holder) =
                beside.map_or((statistics.place(), "the file"), |path| (path.to_owned(), "it"));
            self.decide("normaliser", place, format!("{holder} holds it, {}", found.note));
            if let Some(((shift, scale), key)) = scaled {
                scale_first(&mut found.normalizer, shift, scale);
                let (value, reason) = (format!("(x - {shift}) / {scale} before it"), self.config_says(&key));
                self.decide("normaliser", value, reason);
            }
            return Ok(Some(found.normalizer));
        }
        if let Some(((shift, scale), key)) = scaled {
            let mut normalizer = Normalizer::new(width);
            normalizer.std.fill(1.0 - Normalizer::EPSILON);
            scale_first(&mut normalizer, shift, scale);
            self.decide("normaliser", format!("(x - {shift}) / {scale}"), self.config_says(&key));
            return Ok(Some(normalizer));
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
        let reason = if self.is(Layout::StableBaselines3) {
            "the file holds none, and beside it lies no vecnormalize.pkl, where Stable-Baselines3 has it: give \
             --teacher_normalizer FILE if there is one"
        } else {
            "the file holds none"
        };
        self.decide("normaliser", "none", reason);
        Ok(None)
    }

    fn is(&self, layout: Layout) -> bool {
        self.checkpoint.layout == layout
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

/// An activation under the name that torch's class, rl_games or skrl give it.
fn foreign_activation(name: &str, path: &Path) -> Result<Activation, FormatError> {
    let class = name.trim_end_matches("'>").rsplit('.').next().unwrap_or(name);
    match class.to_ascii_lowercase().as_str() {
        "leakyrelu" | "leaky_relu" => Ok(Activation::LeakyRelu),
        "swish" => Ok(Activation::Silu),
        "none" => Ok(Activation::Identity),
        other => parse_activation(other, path),
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
    if let Some(statistics) = other.root.get(foreign::archive::STATISTICS) {
        return foreign::vec_normalize(path, statistics)?.ok_or_else(missing)?.load(width);
    }
    if other.roles().is_empty() {
        return normalizer_alone(&other.root, path, role).ok_or_else(missing)?.load(width);
    }
    let role = if role == Role::Critic { role } else { other.role(options.side)? };
    other.part(role)?.normalizer.as_ref().ok_or_else(missing)?.load(width)
}

/// Puts `(x − shift) / scale` before a normaliser.
fn scale_first(normalizer: &mut Normalizer, shift: f64, scale: f64) {
    for (mean, std) in normalizer.mean.iter_mut().zip(&mut normalizer.std) {
        *mean = f64::from(*mean).mul_add(scale, shift) as f32;
        let divisor = (f64::from(*std) + f64::from(Normalizer::EPSILON)) * scale;
        *std = (divisor - f64::from(Normalizer::EPSILON)) as f32;
    }
    normalizer.var = normalizer.std.iter().map(|std| std * std).collect();
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
