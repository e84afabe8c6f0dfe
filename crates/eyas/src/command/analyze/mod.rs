//! `eyas analyze`: what teachers can do on other vehicles, what a student remembers, what a delay costs.

mod delay;
mod matrix;
mod probe;

use std::path::Path;
use std::process::ExitCode;

use eyas_env::{RaptorConfig, TaskConfig};
use eyas_learn::Pilot;
use eyas_run::config::Value;
use eyas_run::{Layers, Origin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::{Analysis, Analyze, AnalyzeCommand, PolicyFile};
use crate::configuration;
use crate::failure::Failure;
use crate::report::tell;
use crate::setup::{AgentConfig, allow_steps, check, check_env, seed_of, write_file};

pub(crate) fn run(arguments: &Analyze) -> Result<ExitCode, Failure> {
    match &arguments.command {
        AnalyzeCommand::Matrix(it) => matrix::run(it),
        AnalyzeCommand::Probe(it) => probe::run(it),
        AnalyzeCommand::Delay(it) => delay::run(it),
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    env: RaptorConfig,
    agent: AgentConfig,
}

/// What an analysis flies in.
struct Setting {
    env: RaptorConfig,
    seed: u64,
    /// Longest episode, control steps.
    steps: u32,
}

impl Setting {
    /// Layers as those of `eyas eval`: defaults, what the analysis sets, files and groups, overrides, flags. None where
    /// the configuration was only to be shown.
    fn new(analysis: &Analysis, own: &[(&str, Value)], episodes: usize) -> Result<Option<Self>, Failure> {
        let steps = analysis.steps.unwrap_or(<RaptorConfig as TaskConfig>::EVALUATION_STEPS);
        if episodes == 0 || steps == 0 {
            return Err(Failure::new("`--episodes` and `--steps` must be at least 1"));
        }
        let mut layers = Layers::documented(&Config::default())?;
        for (key, value) in own {
            layers.set(key, value.clone(), Origin::Preset("analysis".into()))?;
        }
        configuration::layer(&mut layers, &analysis.configuration, &analysis.overrides)?;
        if let Some(seed) = analysis.seed {
            layers.set("agent.seed", seed_of(seed)?, Origin::flag("--seed"))?;
        }
        allow_steps::<RaptorConfig>(&mut layers, steps)?;
        if configuration::show(&layers, &analysis.configuration)? {
            return Ok(None);
        }
        let Config { env, agent } = layers.finish()?;
        check_env(&layers, &env)?;
        check(&layers, agent.validate())?;
        Ok(Some(Self { env, seed: agent.seed, steps }))
    }

    /// Reads the policy and seats it.
    fn pilot(&self, policy: &PolicyFile) -> Result<Pilot, Failure> {
        Ok(Pilot::new(&policy.load()?.policy, &self.env.spec())?)
    }
}

/// Makes the directory, before anything flies.
fn prepare(out: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out)
        .map_err(|error| Failure::new(format!("cannot make `--out`: {error}")).at(&out.display()))
}

/// Writes table and plot under the analysis' name.
fn write(out: &Path, name: &str, table: &str, png: &[u8]) -> Result<(), Failure> {
    for (extension, bytes) in [("csv", table.as_bytes()), ("png", png)] {
        let path = out.join(format!("{name}.{extension}"));
        write_file(&path, bytes)?;
        tell(path.display());
    }
    Ok(())
}
