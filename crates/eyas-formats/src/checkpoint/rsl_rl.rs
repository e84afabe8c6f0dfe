//! PPO checkpoints that rsl_rl 5.x resumes from, written and read back; actors by themselves.

use std::path::Path;

use eyas_policy::{Network, Normalizer, Output, Policy};

use super::adam::{self, AdamState, Parameter};
use super::layout::{Layout, Part, Role};
use super::network::{NORMALIZER_KEYS, Stems, normalizer_entries};
use super::note;
use crate::convert::Export;
use crate::{Checkpoint, EYAS_KEY, FormatError, LoadOptions, Tensor, Value, torch};

/// A PPO run between two iterations, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct PpoCheckpoint<'a> {
    /// The policy.
    pub actor: &'a Policy,
    /// Standard deviation of the exploration noise, one per action.
    pub std: &'a [f32],
    /// The value function.
    pub critic: &'a Network,
    /// Applied to the critic's observation first.
    pub critic_normalizer: Option<&'a Normalizer>,
    /// Over `std`, the actor's parameters and the critic's, one after another.
    pub optimizer: &'a AdamState,
    /// Iterations done.
    pub iteration: u64,
    /// Whatever the program needs besides; other programs ignore it.
    pub extra: Option<&'a Value>,
}

/// A PPO run as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PpoRun {
    /// The policy.
    pub actor: Policy,
    /// Standard deviation of the exploration noise, one per action.
    pub std: Vec<f32>,
    /// The value function.
    pub critic: Network,
    /// Applied to the critic's observation first.
    pub critic_normalizer: Option<Normalizer>,
    /// Over `std`, the actor's parameters and the critic's, one after another; `None` if not stored.
    pub optimizer: Option<AdamState>,
    /// Iterations done.
    pub iteration: u64,
    /// What [`PpoCheckpoint::extra`] held.
    pub extra: Option<Value>,
}

const LAYOUT: &str = "the layout of rsl_rl 5.x";

/// Writes a checkpoint that `OnPolicyRunner.load` of rsl_rl 5.x accepts.
///
/// rsl_rl knows no tanh after the actor: such a policy loads there and acts differently. Eyas reads
/// the output map back from its own entry.
///
/// # Errors
///
/// [`FormatError::Inexpressible`] for an encoder, a Beta output or sizes that do not fit together.
pub fn write_ppo(path: &Path, checkpoint: &PpoCheckpoint<'_>) -> Result<(), FormatError> {
    check(path, checkpoint)?;
    let PpoCheckpoint { actor, std, critic, .. } = *checkpoint;
    let actor_entries = model(&actor.network, actor.normalizer.as_ref(), Some(std));
    let critic_entries = model(critic, checkpoint.critic_normalizer, None);
    let parameters = ppo_parameters(&actor_entries, &critic_entries, checkpoint);
    let activation = actor.network.architecture.activation;
    let root = Value::dict([
        ("actor_state_dict", Value::ordered_dict(actor_entries)),
        ("critic_state_dict", Value::ordered_dict(critic_entries)),
        ("optimizer_state_dict", adam::to_value(checkpoint.optimizer, &parameters)),
        ("iter", Value::Int(checkpoint.iteration.cast_signed())),
        ("infos", Value::None),
        (EYAS_KEY, note(activation, actor.output, checkpoint.extra, None)),
    ]);
    torch::write(path, &root)
}

/// Writes what flying needs of a PPO run: the actor with its normaliser, without critic and optimiser.
///
/// `std` is the standard deviation of the exploration noise, one per action. The layout is that of
/// [`write_ppo`], so [`Checkpoint::policy`] reads the same policy back; a run cannot be resumed from it.
///
/// # Errors
///
/// [`FormatError::Inexpressible`] as [`write_ppo`].
pub fn write_actor(
    path: &Path,
    policy: &Policy,
    std: &[f32],
    iteration: u64,
    extra: Option<&Value>,
) -> Result<(), FormatError> {
    check_actor(policy, std).map_err(|what| inexpressible(path, what))?;
    let entries = model(&policy.network, policy.normalizer.as_ref(), Some(std));
    let root = Value::dict([
        ("actor_state_dict", Value::ordered_dict(entries)),
        ("iter", Value::Int(iteration.cast_signed())),
        ("infos", Value::None),
        (EYAS_KEY, note(policy.network.architecture.activation, policy.output, extra, None)),
    ]);
    torch::write(path, &root)
}

/// The entries of one model in rsl_rl's order: normaliser, distribution, `mlp`, `rnn`.
fn model(network: &Network, normalizer: Option<&Normalizer>, std: Option<&[f32]>) -> Vec<(String, Value)> {
    let mut entries =
        normalizer.map_or_else(Vec::new, |normalizer| normalizer_entries(normalizer, "obs_normalizer."));
    let std = std.map(|std| Tensor::from_f32(&[std.len()], std).into());
    entries.extend(std.map(|std| ("distribution.std_param".to_owned(), std)));
    let layers = Stems::sequential(&network.architecture, "mlp.", "rnn.rnn.").entries(network);
    let (rnn, mlp): (Vec<_>, Vec<_>) = layers.into_iter().partition(|(key, _)| key.starts_with("rnn."));
    entries.extend(mlp);
    entries.extend(rnn);
    entries
}

fn check(path: &Path, checkpoint: &PpoCheckpoint<'_>) -> Result<(), FormatError> {
    let PpoCheckpoint { actor, std, critic, optimizer, .. } = *checkpoint;
    check_actor(actor, std).map_err(|what| inexpressible(path, what))?;
    let parameters = std.len() + actor.network.parameters.len() + critic.parameters.len();
    let what = if !critic.architecture.encoder.is_empty() {
        ENCODER.to_owned()
    } else if actor.network.architecture.activation != critic.architecture.activation {
        "different activations of actor and critic".to_owned()
    } else if [optimizer.exp_avg.len(), optimizer.exp_avg_sq.len()] != [parameters; 2] {
        format!("moments of {} parameters for {parameters}", optimizer.exp_avg.len())
    } else {
        return Ok(());
    };
    Err(inexpressible(path, what))
}

const ENCODER: &str = "dense layers before the recurrent core";

fn check_actor(actor: &Policy, std: &[f32]) -> Result<(), String> {
    if !actor.network.architecture.encoder.is_empty() {
        Err(ENCODER.to_owned())
    } else if let Some(clip) = actor.normalizer.as_ref().and_then(|it| it.clip) {
        Err(format!("a normaliser that limits its results to ±{clip}"))
    } else if actor.output == Output::Beta {
        Err("a Beta output beside a standard deviation".to_owned())
    } else if std.len() != actor.num_actions() {
        Err(format!("{} deviations for {} actions", std.len(), actor.num_actions()))
    } else {
        Ok(())
    }
}

fn inexpressible(path: &Path, what: String) -> FormatError {
    FormatError::Inexpressible { path: path.to_owned(), layout: LAYOUT, what }
}

/// How rsl_rl arranged its checkpoints over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// 2.x: one model, normalisers beside it.
    V2,
    /// 3.x: one model, normalisers inside.
    V3,
    /// 4.x: actor and critic apart, the deviation as `std`.
    V4,
    /// 5.x: actor and critic apart, the deviation in the distribution.
    V5,
}

/// The learning rate of an optimiser that has taken no step; rsl_rl's default.
const FRESH_LEARNING_RATE: f64 = 1e-3;

/// Writes a policy, and its critic if there is one, as a version of rsl_rl does.
pub(crate) fn write_generation(
    path: &Path,
    generation: Generation,
    export: &Export<'_>,
    contract: &str,
    remarks: &mut Vec<String>,
) -> Result<(), FormatError> {
    let policy = export.policy;
    let ones = vec![1.0; policy.num_actions()];
    let std = export.std.unwrap_or(&ones);
    check_actor(policy, std).map_err(|what| inexpressible(path, what))?;
    let critic = export.critic.filter(|(network, _)| network.architecture.encoder.is_empty());
    let mut root = match generation {
        Generation::V2 | Generation::V3 => one_model(generation, policy, std, critic),
        Generation::V4 | Generation::V5 => two_models(generation, policy, std, critic),
    };
    let parameters = count_parameters(&root);
    let optimizer =
        adam::to_value(&AdamState::new(0, FRESH_LEARNING_RATE), &vec![(Vec::new(), 0..0); parameters]);
    root.extend([
        ("optimizer_state_dict", optimizer),
        ("iter", Value::Int(export.iteration.cast_signed())),
        ("infos", Value::None),
        (EYAS_KEY, note(policy.network.architecture.activation, policy.output, None, Some(contract))),
    ]);
    if export.std.is_none() {
        remarks.push("the deviation of the exploration noise was set to 1: the source has none".to_owned());
    }
    if critic.is_none() {
        remarks.push(
            "no critic was written, the source has none: rsl_rl flies the actor but resumes no run"
                .to_owned(),
        );
    }
    if policy.output == Output::Tanh {
        remarks.push("rsl_rl knows no tanh after the actor: take it of what rsl_rl computes".to_owned());
    }
    remarks.push("the optimiser starts anew".to_owned());
    torch::write(path, &Value::dict(root))
}

type Critic<'a> = Option<(&'a Network, Option<&'a Normalizer>)>;

/// `model_state_dict` with `actor.*`, `critic.*` and their memories.
fn one_model(
    generation: Generation,
    policy: &Policy,
    std: &[f32],
    critic: Critic<'_>,
) -> Vec<(&'static str, Value)> {
    let mut entries = vec![("std".to_owned(), Value::from(Tensor::from_f32(&[std.len()], std)))];
    let mut beside = Vec::new();
    let actor = Some((&policy.network, policy.normalizer.as_ref()));
    for (part, network) in [("actor", actor), ("critic", critic)] {
        let Some((network, normalizer)) = network else { continue };
        let memory = if part == "actor" { "memory_a.rnn." } else { "memory_c.rnn." };
        entries
            .extend(Stems::sequential(&network.architecture, &format!("{part}."), memory).entries(network));
        let Some(normalizer) = normalizer else { continue };
        if generation == Generation::V3 {
            entries.extend(normalizer_entries(normalizer, &format!("{part}_obs_normalizer.")));
        } else {
            let key = if part == "actor" { "obs_norm_state_dict" } else { "privileged_obs_norm_state_dict" };
            beside.push((key, Value::ordered_dict(normalizer_entries(normalizer, ""))));
        }
    }
    let mut root = vec![("model_state_dict", Value::ordered_dict(entries))];
    root.extend(beside);
    root
}

/// `actor_state_dict` and `critic_state_dict`.
fn two_models(
    generation: Generation,
    policy: &Policy,
    std: &[f32],
    critic: Critic<'_>,
) -> Vec<(&'static str, Value)> {
    let mut actor = model(&policy.network, policy.normalizer.as_ref(), Some(std));
    if generation == Generation::V4 {
        for (key, _) in &mut actor {
            if *key == "distribution.std_param" {
                "std".clone_into(key);
            }
        }
    }
    let critic = critic.map(|(network, normalizer)| Value::ordered_dict(model(network, normalizer, None)));
    let mut root = vec![("actor_state_dict", Value::ordered_dict(actor))];
    root.extend(critic.map(|critic| ("critic_state_dict", critic)));
    root
}

/// Tensors that an optimiser trains: all but the statistics of normalisers.
fn count_parameters(root: &[(&'static str, Value)]) -> usize {
    let is_statistic = |key: &Value| {
        let last = key.as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
        NORMALIZER_KEYS.contains(&last)
    };
    let entries = root.iter().flat_map(|(_, dict)| dict.entries().unwrap_or_default());
    entries.filter(|(key, _)| !is_statistic(key)).count()
}

/// The optimiser's parameters in the order in which the entries stand.
fn ppo_parameters(
    actor_entries: &[(String, Value)],
    critic_entries: &[(String, Value)],
    checkpoint: &PpoCheckpoint<'_>,
) -> Vec<Parameter> {
    let actor = &checkpoint.actor.network;
    let stems = |network: &Network| Stems::sequential(&network.architecture, "mlp.", "rnn.rnn.");
    let keys = |entries: &[(String, Value)]| entries.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    let std = checkpoint.std.len();
    let places = places(&stems(actor), actor, std, Some("distribution.std_param"));
    let mut parameters = in_order(&keys(actor_entries), &places);
    let start = std + actor.parameters.len();
    let places = self::places(&stems(checkpoint.critic), checkpoint.critic, start, None);
    parameters.extend(in_order(&keys(critic_entries), &places));
    parameters
}

/// Key, shape and place of each parameter of a network whose flat vector begins at `start`; the
/// deviation, where there is one, stands at the very beginning.
fn places(stems: &Stems, network: &Network, start: usize, std: Option<&str>) -> Vec<(String, Parameter)> {
    let std = std.map(|key| (key.to_owned(), (vec![start], 0..start)));
    let tensors = network.architecture.tensors().into_iter();
    let shifted = tensors.map(|tensor| (tensor.shape, tensor.range.start + start..tensor.range.end + start));
    std.into_iter().chain(stems.keys_of(&network.architecture).into_iter().zip(shifted)).collect()
}

/// The parameters among `keys`, in their order: torch counts them as a state dict lists them.
fn in_order(keys: &[String], places: &[(String, Parameter)]) -> Vec<Parameter> {
    keys.iter()
        .filter_map(|key| places.iter().find(|(known, _)| known == key))
        .map(|(_, parameter)| parameter.clone())
        .collect()
}

/// Reads a PPO run of any version of rsl_rl, or one that [`write_ppo`] wrote.
///
/// # Errors
///
/// As [`Checkpoint::read`] and [`Checkpoint::policy`]; [`FormatError::MissingSide`] or
/// [`FormatError::MissingKey`] if the file is no PPO run.
pub fn read_ppo(path: &Path) -> Result<PpoRun, FormatError> {
    let checkpoint = Checkpoint::read(path)?;
    let options = LoadOptions::default();
    let (critic_part, actor_part) = (checkpoint.part(Role::Critic)?, checkpoint.part(Role::Actor)?);
    let actor = checkpoint.policy(&options)?;
    let critic = checkpoint.critic(&options)?;
    let std = actor.std.ok_or_else(|| {
        FormatError::unsupported(path, "its deviation depends on the state, which this PPO does not train")
    })?;
    let optimizer = checkpoint.root().get("optimizer_state_dict").map(|state| {
        let parameters = stored_parameters(
            &checkpoint,
            (&actor_part, &actor.policy.network),
            (&critic_part, &critic.network),
        );
        let length = std.len() + actor.policy.network.parameters.len() + critic.network.parameters.len();
        let mut adam = adam::from_value(state, &parameters, length, path)?;
        if actor_part.std.is_some_and(|(_, logarithmic)| logarithmic) {
            // rsl_rl trained the logarithm, this PPO trains the deviation: its moments start anew.
            adam.exp_avg[..std.len()].fill(0.0);
            adam.exp_avg_sq[..std.len()].fill(0.0);
        }
        Ok(adam)
    });
    Ok(PpoRun {
        optimizer: optimizer.transpose()?,
        actor: actor.policy,
        std,
        critic: critic.network,
        critic_normalizer: critic.normalizer,
        iteration: checkpoint.iteration().unwrap_or(0),
        extra: checkpoint.extra().cloned(),
    })
}

fn stored_parameters(
    checkpoint: &Checkpoint,
    (actor_part, actor): (&Part<'_>, &Network),
    (critic_part, critic): (&Part<'_>, &Network),
) -> Vec<Parameter> {
    let keys = |part: &Part<'_>| part.dict.keys().map(str::to_owned).collect::<Vec<_>>();
    let std = actor.architecture.outputs;
    let actor_places = places(&actor_part.stems, actor, std, actor_part.std.map(|(key, _)| key));
    let critic_places = places(&critic_part.stems, critic, std + actor.parameters.len(), None);
    if checkpoint.kind() == Layout::RslRlActorCritic {
        return in_order(&keys(actor_part), &[actor_places, critic_places].concat());
    }
    let mut parameters = in_order(&keys(actor_part), &actor_places);
    parameters.extend(in_order(&keys(critic_part), &critic_places));
    parameters
}
