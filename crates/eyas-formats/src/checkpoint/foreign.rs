//! Actors of rl_games, skrl, Stable-Baselines3 and sample-factory: where their layers and their normalisers stand.
//!
//! Sources of the names: `algos_torch/{network_builder,models,running_mean_std}.py` of rl_games 1.6.5; `agents/torch`,
//! `utils/model_instantiators/torch` and `resources/preprocessors/torch` of skrl 2.1.1; `common/{policies,save_util}.py`
//! and `common/vec_env/vec_normalize.py` of Stable-Baselines3 2.3.2, `common/recurrent/policies.py` of sb3-contrib 2.3.0;
//! `model/{actor_critic,core,decoder,action_parameterization}.py`, `utils/normalize.py` and
//! `algo/utils/running_mean_std.py` of sample-factory 2.1.1.

use std::path::Path;

use super::layout::{Layout, Part, Role, Statistics};
use super::network::{Moments, Stems, sequential_stems};
use super::state_dict::{StateDict, summary};
use crate::{FormatError, Value};

pub(super) mod archive;

/// The layout of these programs that a file has, and the key of the dict with its networks.
pub(super) fn detect(root: &Value) -> Option<(Layout, &'static str)> {
    if root.get(archive::MARK).is_some() {
        return Some((Layout::StableBaselines3, "policy"));
    }
    let model = root.get("model").map(|model| StateDict::new(Path::new(""), "model", model));
    if let Some(model) = model {
        if model.has_prefix(RL_GAMES) {
            return Some((Layout::RlGames, "model"));
        }
        if model.has_prefix(SAMPLE_FACTORY_OUTPUT) {
            return Some((Layout::SampleFactory, "model"));
        }
    }
    let policy = root.get("policy").filter(|policy| policy.entries().is_some())?;
    let has_agent =
        ["value", "critic_1", "critic", "target_policy"].iter().any(|key| root.get(key).is_some());
    (has_agent || policy.get(SKRL_DEVIATION).is_some()).then_some((Layout::Skrl, "policy"))
}

/// What wrote a file of these layouts.
pub(super) fn writer(layout: Layout, root: &Value) -> Option<String> {
    Some(match layout {
        Layout::StableBaselines3 => {
            let version = root.get(archive::MARK)?.as_str()?;
            format!("Stable-Baselines3 {version}")
        }
        Layout::Skrl if root.get(SKRL_SCALERS[0]).is_some() => "skrl 2.x".to_owned(),
        _ => return None,
    })
}

/// Finds the actor of a file of these layouts; `None` for another layout or network.
pub(super) fn part<'a>(
    layout: Layout,
    role: Role,
    root: &'a Value,
    path: &'a Path,
) -> Result<Option<Part<'a>>, FormatError> {
    if role != Role::Actor {
        return Ok(None);
    }
    let dict = |key: &'static str| Some(StateDict::new(path, key, root.get(key)?));
    let found = match layout {
        Layout::RlGames => dict("model").map(|dict| rl_games(dict, root)),
        Layout::Skrl => dict("policy").map(|dict| skrl(dict, root)),
        Layout::StableBaselines3 => dict("policy").map(|dict| stable_baselines(dict, root)),
        Layout::SampleFactory => dict("model").map(sample_factory),
        _ => None,
    };
    found.transpose()
}

const RL_GAMES: &str = "a2c_network.";

fn rl_games<'a>(dict: StateDict<'a>, root: &'a Value) -> Result<Part<'a>, FormatError> {
    const MEAN: &str = "a2c_network.mu";
    if !dict.contains(&format!("{MEAN}.weight")) {
        let keys = summary(dict.keys().filter(|key| key.starts_with(RL_GAMES)));
        let problem = format!("its network is one of its own, not rl_games' `actor_critic`: {keys}");
        return Err(FormatError::unsupported(dict.path, problem));
    }
    let mlp = sequential_stems(&dict, "a2c_network.actor_mlp.")?;
    let cores = ["a2c_network.rnn.rnn.", "a2c_network.a_rnn.rnn."];
    let core = cores.into_iter().find(|core| dict.has_prefix(core));
    let stems = match core {
        Some(core) if reads_core(&dict, &mlp, core)? => Stems {
            encoder: Vec::new(),
            core: Some(core.to_owned()),
            head: mlp.into_iter().chain([MEAN.to_owned()]).collect(),
        },
        Some(core) => Stems { encoder: mlp, core: Some(core.to_owned()), head: vec![MEAN.to_owned()] },
        None => Stems { head: mlp.into_iter().chain([MEAN.to_owned()]).collect(), ..Stems::default() },
    };
    // Files of before 1.4 keep the statistics beside the model.
    let beside =
        root.get("running_mean_std").map(|value| StateDict::new(dict.path, "running_mean_std", value));
    let normalizer = if dict.has_prefix("running_mean_std.") {
        Some((dict.clone(), "running_mean_std."))
    } else {
        beside.map(|beside| (beside, ""))
    };
    let std = dict.contains("a2c_network.sigma").then_some(("a2c_network.sigma", true));
    Ok(Part {
        role: Role::Actor,
        normalizer: normalizer.map(|(dict, prefix)| Statistics::new(dict, prefix, Some(RUNNING_MEAN_STD))),
        dict,
        stems,
        std,
        others: &[
            "value_mean_std.",
            "a2c_network.value.",
            "a2c_network.sigma.",
            "a2c_network.critic_mlp.",
            "a2c_network.c_rnn.",
        ],
    })
}

/// `clamp((x − mean) / √(var + 1e-5), −5, 5)`: rl_games, and sample-factory after it.
const RUNNING_MEAN_STD: Moments = Moments {
    mean: "running_mean",
    var: "running_var",
    count: Some("count"),
    added_to_variance: 1e-5,
    added_to_deviation: 0.0,
    clip: Some(5.0),
};

/// Whether the dense layers follow the recurrent ones (`before_mlp`): the first one reads what they give, and they do
/// not read what the last one gives.
fn reads_core(dict: &StateDict<'_>, mlp: &[String], core: &str) -> Result<bool, FormatError> {
    let (Some(first), Some(last)) = (mlp.first(), mlp.last()) else { return Ok(false) };
    let [_, width] = dict.matrix(&format!("{core}weight_hh_l0"))?;
    let [_, reads] = dict.matrix(&format!("{core}weight_ih_l0"))?;
    let [_, inputs] = dict.matrix(&format!("{first}.weight"))?;
    let [outputs, _] = dict.matrix(&format!("{last}.weight"))?;
    Ok(inputs == width && reads != outputs)
}

const SKRL_DEVIATION: &str = "log_std_parameter";

/// skrl 1.x called the scaler of the policy's observations that of its states.
const SKRL_SCALERS: [&str; 2] = ["observation_preprocessor", "state_preprocessor"];

fn skrl<'a>(dict: StateDict<'a>, root: &'a Value) -> Result<Part<'a>, FormatError> {
    let scaler = SKRL_SCALERS.into_iter().find_map(|key| {
        let scaler = StateDict::new(dict.path, key, root.get(key)?);
        scaler.contains("running_mean").then_some(scaler)
    });
    let moments = Moments {
        mean: "running_mean",
        var: "running_variance",
        count: Some("current_count"),
        added_to_variance: 0.0,
        added_to_deviation: 1e-8,
        clip: Some(5.0),
    };
    let stems = in_order(&dict)?;
    Ok(Part {
        role: Role::Actor,
        normalizer: scaler.map(|scaler| Statistics::new(scaler, "", Some(moments))),
        std: dict.contains(SKRL_DEVIATION).then_some((SKRL_DEVIATION, true)),
        dict,
        stems,
        others: &["value_layer."],
    })
}

/// The layers of a model that its user named: torch lists them in the order in which the model made them, which has to be
/// that in which they act, and loading checks that each reads what the one before gives.
fn in_order(dict: &StateDict<'_>) -> Result<Stems, FormatError> {
    let (mut before, mut after, mut core) = (Vec::new(), Vec::new(), None);
    for key in dict.keys().filter(|key| !key.starts_with("value_layer.")) {
        if let Some(prefix) = key.strip_suffix("weight_ih_l0") {
            if core.replace(prefix.to_owned()).is_some() {
                return Err(FormatError::unsupported(dict.path, "its policy has two recurrent parts"));
            }
        } else if let Some(stem) = key.strip_suffix(".weight") {
            if core.is_some() { &mut after } else { &mut before }.push(stem.to_owned());
        }
    }
    check_numbers(dict, &before)?;
    check_numbers(dict, &after)?;
    Ok(match core {
        Some(_) => Stems { encoder: before, core, head: after },
        None => Stems { head: before, ..Stems::default() },
    })
}

/// Layers of one `Sequential` have an activation, and nothing else, between them.
fn check_numbers(dict: &StateDict<'_>, stems: &[String]) -> Result<(), FormatError> {
    let place = |stem: &str| {
        let (container, index) = stem.rsplit_once('.')?;
        Some((container.to_owned(), index.parse::<usize>().ok()?))
    };
    for pair in stems.windows(2) {
        let (Some((one, first)), Some((other, second))) = (place(&pair[0]), place(&pair[1])) else {
            continue;
        };
        if one == other && second != first + 2 {
            let problem =
                format!("between `{}` and `{}` stands something other than one activation", pair[0], pair[1]);
            return Err(FormatError::unsupported(dict.path, problem));
        }
    }
    Ok(())
}

fn stable_baselines<'a>(dict: StateDict<'a>, root: &'a Value) -> Result<Part<'a>, FormatError> {
    let layers = |prefix: &str| sequential_stems(&dict, prefix);
    let (head, output): (Vec<String>, Option<&str>) = if dict.has_prefix("action_net.") {
        let shared = layers("mlp_extractor.shared_net.")?;
        let own = layers("mlp_extractor.policy_net.")?;
        (shared.into_iter().chain(own).collect(), Some("action_net"))
    } else if dict.has_prefix("actor.latent_pi.") || dict.contains("actor.mu.weight") {
        (layers("actor.latent_pi.")?, Some("actor.mu"))
    } else {
        (layers("actor.mu.")?, None)
    };
    let head: Vec<String> = head.into_iter().chain(output.map(str::to_owned)).collect();
    if head.is_empty() {
        let problem = format!("its policy has no actor of continuous actions: {}", summary(dict.keys()));
        return Err(FormatError::unsupported(dict.path, problem));
    }
    let core = dict.has_prefix("lstm_actor.").then(|| "lstm_actor.".to_owned());
    // State-dependent exploration has a matrix of deviations, which no action has for itself.
    let is_vector = dict.get("log_std").is_ok_and(|std| std.shape().len() == 1);
    let normalizer =
        root.get(archive::STATISTICS).map(|value| vec_normalize(dict.path, value)).transpose()?;
    Ok(Part {
        role: Role::Actor,
        normalizer: normalizer.flatten(),
        std: is_vector.then_some(("log_std", true)),
        stems: Stems { encoder: Vec::new(), core, head },
        dict,
        others: &[
            "log_std",
            "value_net.",
            "mlp_extractor.value_net.",
            "lstm_critic.",
            "critic.",
            "critic_target.",
            "actor_target.",
            "actor.log_std.",
            "ent_coef",
        ],
    })
}

/// The statistics of observations in a pickled `VecNormalize`; `None` where it normalises none.
pub(super) fn vec_normalize<'a>(
    path: &'a Path,
    value: &'a Value,
) -> Result<Option<Statistics<'a>>, FormatError> {
    if value.get("norm_obs").and_then(Value::as_bool) == Some(false) {
        return Ok(None);
    }
    let statistics =
        value.get("obs_rms").filter(|it| it.get("mean").is_some_and(|it| it.as_tensor().is_some()));
    let statistics = statistics.ok_or_else(|| {
        FormatError::unsupported(
            path,
            "its VecNormalize has no single array of means: observations are a dict",
        )
    })?;
    let number = |key: &str, default: f64| value.get(key).and_then(Value::as_f64).unwrap_or(default);
    let dict = StateDict::new(path, archive::STATISTICS, statistics);
    let moments = Moments {
        mean: "mean",
        var: "var",
        count: None,
        added_to_variance: number("epsilon", 1e-8),
        added_to_deviation: 0.0,
        clip: Some(number("clip_obs", 10.0)),
    };
    let samples = statistics.get("count").and_then(Value::as_f64);
    Ok(Some(Statistics { samples, ..Statistics::new(dict, "", Some(moments)) }))
}

const SAMPLE_FACTORY_OUTPUT: &str = "action_parameterization.distribution_linear.";
const SAMPLE_FACTORY_DEVIATION: &str = "action_parameterization.learned_stddev";

fn sample_factory(dict: StateDict<'_>) -> Result<Part<'_>, FormatError> {
    // With weights of its own each part of the actor has the prefix.
    let own = if dict.has_prefix("actor_encoder.") { "actor_" } else { "" };
    let encoders = format!("{own}encoder.encoders.");
    let observations: Vec<String> = {
        let names = dict.keys().filter_map(|key| key.strip_prefix(&encoders)?.split_once('.'));
        let mut names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
        names.dedup();
        names
    };
    let [observation] = &observations[..] else {
        let problem = format!("it encodes {} observations, and policies here read one", observations.len());
        return Err(FormatError::unsupported(dict.path, problem));
    };
    let encoder = sequential_stems(&dict, &format!("{encoders}{observation}.mlp_head."))?;
    let decoder = sequential_stems(&dict, &format!("{own}decoder.mlp."))?;
    let core = format!("{own}core.core.");
    let core = dict.has_prefix(&core).then_some(core);
    let output = SAMPLE_FACTORY_OUTPUT.trim_end_matches('.').to_owned();
    let stems = match core {
        Some(_) => Stems { encoder, core, head: decoder.into_iter().chain([output]).collect() },
        None => Stems { head: [encoder, decoder, vec![output]].concat(), ..Stems::default() },
    };
    let statistics = format!("obs_normalizer.running_mean_std.running_mean_std.{observation}.");
    let normalizer = dict
        .has_prefix(&statistics)
        .then(|| Statistics::new(dict.clone(), &statistics, Some(RUNNING_MEAN_STD)));
    Ok(Part {
        role: Role::Actor,
        normalizer,
        std: dict.contains(SAMPLE_FACTORY_DEVIATION).then_some((SAMPLE_FACTORY_DEVIATION, true)),
        dict,
        stems,
        others: &["obs_normalizer.", "returns_normalizer.", "critic_"],
    })
}
