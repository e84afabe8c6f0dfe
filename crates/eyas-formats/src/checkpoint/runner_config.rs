//! `params/agent.yaml`: what a run says about its networks and the checkpoint does not.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use super::layout::Layout;
use crate::FormatError;

/// The part of a runner config that a loader needs; everything else is ignored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunnerConfig {
    /// One section for all networks, rsl_rl 1.x to 3.x.
    policy: Option<ModelConfig>,
    /// One section for each network, rsl_rl 4.x and 5.x.
    actor: Option<ModelConfig>,
    critic: Option<ModelConfig>,
    student: Option<ModelConfig>,
    teacher: Option<ModelConfig>,
    empirical_normalization: Option<bool>,
    #[serde(skip)]
    pub(crate) path: PathBuf,
    /// The whole, for what other programs than rsl_rl say in it.
    #[serde(skip)]
    rest: Json,
}

/// The section of one network; the names are those of rsl_rl, from 1.x to 5.x.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ModelConfig {
    activation: Option<String>,
    obs_normalization: Option<bool>,
    actor_obs_normalization: Option<bool>,
    critic_obs_normalization: Option<bool>,
    student_obs_normalization: Option<bool>,
    teacher_obs_normalization: Option<bool>,
    state_dependent_std: Option<bool>,
    distribution_cfg: Option<DistributionConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct DistributionConfig {
    class_name: Option<String>,
    action_range: Option<Vec<f64>>,
}

/// How a stochastic model of rsl_rl turns outputs into actions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Distribution {
    /// The outputs are the means.
    Gaussian,
    /// The first half of the outputs are the means.
    Heteroscedastic,
    /// The outputs parametrise a Beta distribution over this range.
    Beta { range: Vec<f64> },
}

/// Whether a factor changes nothing.
fn is_one(factor: f64) -> bool {
    factor.to_bits() == 1.0_f64.to_bits()
}

/// What follows the last layer of an actor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Squash {
    /// Nothing.
    Identity,
    /// The hyperbolic tangent.
    Tanh,
    /// Something else, in the words of the config.
    Other(String),
}

/// A value and the key that gave it.
pub(crate) type Found<T> = (T, String);

impl RunnerConfig {
    /// Reads the config of the run that a checkpoint belongs to, if it is there: `path` if given, else
    /// `params/agent.yaml` in the checkpoint's directory or in the one above, `config.json` of sample-factory.
    pub(crate) fn beside(
        checkpoint: &Path,
        path: Option<&Path>,
        layout: Layout,
    ) -> Result<Option<Self>, FormatError> {
        if let Some(path) = path {
            return Self::read(path).map(Some);
        }
        let directory = checkpoint.parent().unwrap_or(Path::new(""));
        let name = if layout == Layout::SampleFactory { "config.json" } else { "params/agent.yaml" };
        for candidate in [directory.join(name), directory.join("..").join(name)] {
            match Self::read(&candidate) {
                Err(FormatError::Missing { .. }) => {}
                found => return found.map(Some),
            }
        }
        Ok(None)
    }

    fn read(path: &Path) -> Result<Self, FormatError> {
        let text = crate::input::read_text(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotADirectory => FormatError::Missing { path: path.to_owned() },
            _ => FormatError::reading(path, source),
        })?;
        // `clip_actions: .inf` is how PyYAML writes that nothing is clipped.
        let options = serde_saphyr::options! {
            non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        };
        let wrong = |source: serde_saphyr::Error| FormatError::RunnerConfig {
            path: path.to_owned(),
            source: source.into(),
        };
        let config: Self = serde_saphyr::from_str_with_options(&text, options.clone()).map_err(wrong)?;
        let rest = serde_saphyr::from_str_with_options(&text, options).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), rest, ..config })
    }

    /// The first of these places that holds something, its keys joined by dots.
    fn told(&self, places: &[&str]) -> Option<Found<&Json>> {
        places.iter().find_map(|place| {
            let value = self.rest.pointer(place).filter(|value| !value.is_null())?;
            Some((value, place.trim_start_matches('/').replace('/', ".")))
        })
    }

    /// The activation by the words of rl_games, skrl and sample-factory.
    pub(crate) fn foreign_activation(&self) -> Option<Found<&str>> {
        let (value, key) = self.told(&[
            "/params/network/mlp/activation",
            "/models/policy/network/0/activations",
            "/nonlinearity",
        ])?;
        // skrl takes one for all layers, or one for each; those of a policy here are the same.
        let name = match value {
            Json::Array(names) if names.iter().all(|name| *name == names[0]) => names.first()?.as_str(),
            value => value.as_str(),
        };
        Some((name?, key))
    }

    /// What follows the last layer by the words of rl_games, skrl and sample-factory.
    pub(crate) fn squash(&self) -> Option<Found<Squash>> {
        let places = ["/params/network/space/continuous/mu_activation", "/models/policy/output"];
        if let Some((value, key)) = self.told(&places) {
            let text = value.as_str()?;
            return Some((
                match text.to_ascii_lowercase().as_str() {
                    "none" | "actions" => Squash::Identity,
                    "tanh" | "tanh(actions)" => Squash::Tanh,
                    _ => Squash::Other(text.to_owned()),
                },
                key,
            ));
        }
        let (scale, key) = self.told(&["/continuous_tanh_scale"])?;
        let scale = scale.as_f64()?;
        Some((
            if scale <= 0.0 || self.rest["adaptive_stddev"] == true {
                Squash::Identity
            } else if is_one(scale) {
                Squash::Tanh
            } else {
                Squash::Other(format!("{scale} tanh(x / {scale})"))
            },
            key,
        ))
    }

    /// What sample-factory subtracts from observations and divides them by before it normalises them.
    pub(crate) fn scaling(&self) -> Option<Found<(f64, f64)>> {
        let number = |key: &str, default| self.rest[key].as_f64().unwrap_or(default);
        let (shift, scale) = (number("obs_subtract_mean", 0.0), number("obs_scale", 1.0));
        let is_given = shift != 0.0 || !is_one(scale);
        is_given.then(|| ((shift, scale), "obs_subtract_mean and obs_scale".to_owned()))
    }

    /// The section of a network and its name.
    fn section(&self, model: &'static str) -> Option<(&ModelConfig, &'static str)> {
        let own = match model {
            "actor" => &self.actor,
            "critic" => &self.critic,
            "student" => &self.student,
            _ => &self.teacher,
        };
        own.as_ref()
            .map(|section| (section, model))
            .or(self.policy.as_ref().map(|section| (section, "policy")))
    }

    /// The activation of `model`, one of `actor`, `critic`, `student`, `teacher`.
    pub(crate) fn activation(&self, model: &'static str) -> Option<Found<&str>> {
        let (section, name) = self.section(model)?;
        Some((section.activation.as_deref()?, format!("{name}.activation")))
    }

    /// Whether `model` normalises its observations.
    pub(crate) fn normalization(&self, model: &'static str) -> Option<Found<bool>> {
        let own = self.section(model).and_then(|(section, name)| {
            if name != "policy" {
                return Some((section.obs_normalization?, format!("{name}.obs_normalization")));
            }
            let value = match model {
                "actor" => section.actor_obs_normalization,
                "critic" => section.critic_obs_normalization,
                "student" => section.student_obs_normalization,
                _ => section.teacher_obs_normalization,
            };
            Some((value?, format!("policy.{model}_obs_normalization")))
        });
        let own = own.or_else(|| {
            let (value, key) = self.told(&["/params/config/normalize_input", "/normalize_input"])?;
            Some((value.as_bool()?, key))
        });
        own.or(self.empirical_normalization.map(|value| (value, "empirical_normalization".to_owned())))
    }

    /// The action distribution of `model`.
    pub(crate) fn distribution(&self, model: &'static str) -> Option<Found<Distribution>> {
        let (section, name) = self.section(model)?;
        if let Some(dependent) = section.state_dependent_std {
            let distribution = if dependent { Distribution::Heteroscedastic } else { Distribution::Gaussian };
            return Some((distribution, format!("{name}.state_dependent_std")));
        }
        let config = section.distribution_cfg.as_ref()?;
        let class = config.class_name.as_deref()?;
        let distribution = if class.contains("Heteroscedastic") {
            Distribution::Heteroscedastic
        } else if class.contains("Beta") {
            Distribution::Beta { range: config.action_range.clone().unwrap_or_else(|| vec![-1.0, 1.0]) }
        } else {
            Distribution::Gaussian
        };
        Some((distribution, format!("{name}.distribution_cfg.class_name")))
    }
}
