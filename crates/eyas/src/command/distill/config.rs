//! The configuration of a distillation, by defaults, presets, files, overrides and flags.

use eyas_learn::distill::DistillConfig;
use eyas_run::{Layers, Origin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::Distill;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::setup::{self, AgentConfig, check, check_env, layer};

/// What a distillation is made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Config<T> {
    pub(super) env: T,
    pub(super) agent: AgentConfig,
    pub(super) distill: DistillConfig,
}

/// All layers, and whether an earlier run goes on.
pub(super) fn layers_of<T: Flyable>(base: T, arguments: &Distill) -> Result<(Layers, bool), Failure> {
    let mut layers = Layers::documented(&Config {
        env: base,
        agent: AgentConfig::default(),
        distill: DistillConfig::default(),
    })?;
    for key in ["distill.episode_steps", "distill.eval_steps"] {
        layers.set(key, T::DISTILLATION_STEPS, Origin::Preset("task".into()))?;
    }
    let is_many = arguments.teacher_dir.is_some() || arguments.teacher_checkpoint.len() > 1;
    match (arguments.preset.as_deref(), T::TAKES_VEHICLES) {
        (Some("raptor"), true) => {
            layers.preset("raptor", T::RAPTOR_PRESET)?;
        }
        (Some("eyas"), true) => {
            layers.preset("eyas", T::FLEET_PRESET)?;
        }
        (None, true) if is_many => {
            layers.preset("eyas", T::FLEET_PRESET)?;
        }
        (None, _) => {}
        (Some(other), _) => {
            let known = if T::TAKES_VEHICLES { "expected eyas or raptor" } else { "this task has none" };
            return Err(Failure::new(format!("`--preset {other}`: {known}")));
        }
    }
    layer::<T>(&mut layers, &arguments.flight)?;
    let mut set = |key: &str, flag: &str, value: Option<eyas_run::Value>| -> Result<(), Failure> {
        if let Some(value) = value {
            layers.set(&format!("distill.{key}"), value, Origin::flag(flag))?;
        }
        Ok(())
    };
    set("student.kind", "--student", arguments.student.clone().map(Into::into))?;
    set("n_epochs", "--n_epochs", arguments.n_epochs.map(Into::into))?;
    set("num_episodes", "--num_episodes", arguments.num_episodes.map(Into::into))?;
    set("batch_size", "--batch_size", arguments.batch_size.map(Into::into))?;
    set("sequence_length", "--sequence_length", arguments.sequence_length.map(Into::into))?;
    set("learning_rate", "--learning_rate", arguments.learning_rate.map(Into::into))?;
    set("epoch_teacher_forcing", "--epoch_teacher_forcing", arguments.epoch_teacher_forcing.map(Into::into))?;
    for (key, flag, yes, no) in [
        ("shuffle", "--shuffle", arguments.shuffle, arguments.no_shuffle),
        ("on_policy", "--on_policy", arguments.on_policy, arguments.no_on_policy),
        (
            "teacher_deterministic",
            "--teacher_deterministic",
            arguments.teacher_deterministic,
            arguments.no_teacher_deterministic,
        ),
    ] {
        set(key, flag, (yes || no).then(|| (!no).into()))?;
    }
    for (key, flag, value) in [
        ("selection", "--teacher_selection", &arguments.teacher_selection),
        ("on_weak_teacher", "--on_weak_teacher", &arguments.on_weak_teacher),
        ("active", "--active", &arguments.active),
    ] {
        set(&format!("teachers.{key}"), flag, value.clone().map(Into::into))?;
    }
    for (key, flag, value) in [
        ("num_teachers", "--num_teachers", arguments.num_teachers),
        ("num_active_teachers", "--num_active_teachers", arguments.num_active_teachers),
    ] {
        set(&format!("teachers.{key}"), flag, value.map(Into::into))?;
    }
    let memory = arguments.max_memory.as_deref().map(parse_bytes).transpose()?;
    set("max_memory", "--max_memory", memory.map(Into::into))?;
    if arguments.init_noise_std.is_some_and(|std| std != 0.0) {
        return Err(Failure::new(
            "`--init_noise_std`: students act deterministically, expected 0 or no flag",
        )
        .hint("noise of the labels comes from the teacher: `--no-teacher_deterministic`"));
    }
    let resumes = setup::layer_resume(&mut layers, &arguments.resume, arguments.checkpoint.as_deref())?;
    Ok((layers, resumes))
}

/// The configuration, every range checked.
pub(super) fn validated<T: Flyable>(layers: &Layers) -> Result<Config<T>, Failure> {
    let config: Config<T> = layers.finish()?;
    check_env(layers, &config.env)?;
    check(layers, config.agent.validate())?;
    check(layers, config.distill.validate())?;
    if config.distill.registry_interval > 0 && config.env.registry(1, 0).is_empty() {
        return Err(Failure::new(format!(
            "`distill.registry_interval`: task `{}` has no named vehicles",
            T::ID
        ))
        .hint("leave it at 0"));
    }
    Ok(config)
}

/// `512M`, `2G`, `1000000`.
fn parse_bytes(text: &str) -> Result<u64, Failure> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 0,
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(Failure::new(format!("`--max_memory {text}`: expected a size such as 512M or 2G"))),
    }
}
