//! `eyas analyze`: what teachers can do on other vehicles, what a student remembers, what a delay costs.

mod delay;
mod matrix;
mod probe;

use std::path::Path;
use std::process::ExitCode;

use eyas::Failure;
use eyas::configuration::{AgentConfig, allow_steps, check};
use eyas::evaluate::set_seed;
use eyas::policies::load_for_flight;
use eyas::run_files::write_file;
use eyas_env::{RaptorConfig, TaskConfig};
use eyas_learn::{Actor, NotFinite};
use eyas_run::config::Value;
use eyas_run::{Layers, Origin};
use eyas_sim::VehicleParameters;

use crate::arguments::{Analysis, Analyze, AnalyzeCommand, PolicyFile};
use crate::configuration;
use crate::flags::{seed_of, warn_of_vehicle};
use crate::print::tell;

pub(crate) fn run(arguments: &Analyze) -> Result<ExitCode, Failure> {
    match &arguments.command {
        AnalyzeCommand::Matrix(it) => matrix::run(it),
        AnalyzeCommand::Probe(it) => probe::run(it),
        AnalyzeCommand::Delay(it) => delay::run(it),
    }
}

/// Of each vehicle and policy; more fit into no memory.
const MOST_EPISODES: usize = 1 << 22;

/// What an analysis flies in.
struct AnalysisSetup {
    env: RaptorConfig,
    seed: u64,
    /// Longest episode, control steps.
    steps: u32,
}

impl AnalysisSetup {
    /// Layers as those of `eyas eval`: defaults, what the analysis sets, files and groups, overrides, flags. None where
    /// the configuration was only to be shown.
    fn new(analysis: &Analysis, own: &[(&str, Value)], episodes: usize) -> Result<Option<Self>, Failure> {
        let steps = analysis.steps.unwrap_or(<RaptorConfig as TaskConfig>::EVALUATION_STEPS);
        if !(1..=MOST_EPISODES).contains(&episodes) || steps == 0 {
            return Err(Failure::new(format!(
                "`--episodes` must be 1 to {MOST_EPISODES}, and `--steps` at least 1"
            )));
        }
        let mut layers = Layers::of_groups([
            ("env", Layers::documented(&RaptorConfig::default())?),
            ("agent", Layers::documented(&AgentConfig::default())?),
        ]);
        set_seed(&mut layers)?;
        for (key, value) in own {
            layers.set(key, value.clone(), Origin::Preset("analysis".into()))?;
        }
        configuration::layer(&mut layers, &analysis.configuration, &analysis.overrides)?;
        if let Some(seed) = analysis.seed {
            layers.set("agent.seed", seed_of(seed)?, Origin::flag("--seed"))?;
        }
        allow_steps(&mut layers, &RaptorConfig::default(), steps, Origin::flag("--steps"))?;
        if configuration::show(&layers, &analysis.configuration)? {
            return Ok(None);
        }
        let (env, agent): (RaptorConfig, AgentConfig) = (layers.section("env")?, layers.section("agent")?);
        check(&layers, env.validate())?;
        warn_of_vehicle(&env);
        check(&layers, agent.validate())?;
        Ok(Some(Self { env, seed: agent.seed, steps }))
    }

    /// Says of a number that is not finite in which flight it was; the black box is left in a folder.
    fn not_finite(&self, error: NotFinite, flight: &str, folder: &Path) -> Failure {
        Failure::from(error).not_finite_in_flight((flight, self.seed), folder)
    }

    /// Reads the policy, for the observation of the task and the vehicles that it is to fly.
    fn actor(&self, policy: &PolicyFile, vehicles: &[VehicleParameters]) -> Result<Actor, Failure> {
        let (spec, options) = (self.env.spec(), policy.load_options());
        let loaded =
            load_for_flight(&policy.checkpoint, &options, vehicles, &spec, &mut |it: &str| tell(it))?;
        Ok(Actor::new(&loaded.policy, &spec)?)
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
