//! `eyas eval`: a policy over many episodes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use eyas_learn::{Evaluation, evaluate};
use eyas_run::{Layers, Origin};
use eyas_vehicles::FleetVehicle;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::torture;
use crate::any_task::{AnyTask, for_task};
use crate::arguments::Eval;
use crate::configuration;
use crate::crew::{envs_of, read_fleet_for, vehicles_of};
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::report;
use crate::seat::seat;
use crate::setup::{AgentConfig, allow_steps, check, check_env, layer, write_file};
use crate::trajectory;

/// Episodes, if not said otherwise.
const EPISODES: usize = 1000;

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config<T> {
    env: T,
    agent: AgentConfig,
}

pub(crate) fn run(arguments: &Eval) -> Result<ExitCode, Failure> {
    for_task!(AnyTask::find(&arguments.flight.task)?, |base| run_task(base, arguments))
}

fn run_task<T: Flyable>(base: T, arguments: &Eval) -> Result<ExitCode, Failure> {
    if arguments.suite.is_some() {
        return torture::run(base, arguments);
    }
    let [checkpoint] = &arguments.checkpoint[..] else {
        return Err(Failure::new("`--checkpoint`: an evaluation flies one policy")
            .hint("`--suite torture` flies several side by side"));
    };
    let mut layers = Layers::documented(&Config { env: base, agent: AgentConfig::default() })?;
    if let Some(asked) = &arguments.trajectory {
        trajectory::layer(&mut layers, trajectory::find::<T>(Some(asked))?.1)?;
    }
    layer::<T>(&mut layers, &arguments.flight)?;
    refuse(arguments)?;
    let episodes = arguments.episodes.unwrap_or(EPISODES);
    let steps = arguments.steps.unwrap_or(T::EVALUATION_STEPS);
    if episodes == 0 || steps == 0 {
        return Err(Failure::new("`--episodes` and `--steps` must be at least 1"));
    }
    layers.set("env.scene.num_envs", episodes, Origin::flag("--episodes"))?;
    allow_steps::<T>(&mut layers, steps)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let config: Config<T> = layers.finish()?;
    check_env(&layers, &config.env)?;
    check(&layers, config.agent.validate())?;

    let fleet = fleet_of::<T>(arguments, episodes)?;
    let mut env = envs_of(&config.env, &fleet, episodes, config.agent.seed);
    let vehicles = vehicles_of(&config.env, &fleet);
    let pilot = seat(checkpoint, &arguments.reading.load_options(), &vehicles, env.spec())?;
    let evaluation = evaluate(env.as_mut(), pilot.as_ref(), None, steps);
    let summary = evaluation.summary();
    if let Some(path) = &arguments.per_vehicle {
        write_file(path, table(&fleet, &evaluation).as_bytes())?;
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let json = serde_json::json!({
            "all": summary, "hover": evaluation.hover(), "moving": evaluation.moving(),
        });
        writeln!(out, "{json:#}")?;
    } else {
        write!(out, "{}", report::comparison(&[("policy", &evaluation)]))?;
        writeln!(out, "{}", report::LEGEND)?;
    }
    Ok(match arguments.require_return {
        Some(minimum) if summary.mean_return >= minimum => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(1),
        None => ExitCode::SUCCESS,
    })
}

/// Refuses flags that an evaluation has no use for.
pub(super) fn refuse(arguments: &Eval) -> Result<(), Failure> {
    if arguments.flight.video.video {
        return Err(Failure::new("`--video`: an evaluation records none")
            .hint("`eyas play --video` records a flight of the policy"));
    }
    if arguments.flight.num_envs.is_some() {
        return Err(Failure::new("`--num_envs`: an evaluation flies one env for each episode")
            .hint("give `--episodes N` instead"));
    }
    let flight = &arguments.flight;
    for (flag, name) in [("--experiment_name", &flight.experiment_name), ("--run_name", &flight.run_name)] {
        if name.is_some() {
            return Err(Failure::new(format!("`{flag}`: an evaluation makes no folder of a run"))
                .hint("leave the flag out"));
        }
    }
    if let Some(minimum) = arguments.require_return.filter(|it| !it.is_finite()) {
        return Err(Failure::new(format!("`--require_return` is {minimum}, expected a finite number")));
    }
    Ok(())
}

/// The vehicles of `--vehicles`, or none.
pub(super) fn fleet_of<T: Flyable>(arguments: &Eval, episodes: usize) -> Result<Vec<FleetVehicle>, Failure> {
    let Some(path) = &arguments.vehicles else { return Ok(Vec::new()) };
    let fleet = read_fleet_for::<T>("--vehicles", path)?;
    if episodes < fleet.len() {
        return Err(Failure::new(format!(
            "`--episodes {episodes}` for {} vehicles, expected at least one for each",
            fleet.len()
        )));
    }
    Ok(fleet)
}

/// One line for each vehicle of a fleet, whose episodes follow each other in turns.
fn table(fleet: &[FleetVehicle], evaluation: &Evaluation) -> String {
    let mut text = String::from(
        "vehicle,episodes,return_mean,return_std,episode_length_mean,share_terminated,position_rmse_m,mass,thrust_to_weight,rotor_distance\n",
    );
    for (index, vehicle) in fleet.iter().enumerate() {
        let outcomes = evaluation.outcomes.iter().skip(index).step_by(fleet.len()).copied().collect();
        let own = Evaluation::unlabelled(outcomes).summary();
        let it = &vehicle.dynamics;
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{}",
            vehicle.id,
            own.episodes,
            own.mean_return,
            own.std_return,
            own.mean_length,
            own.crash_rate,
            own.position_rmse,
            it.mass,
            it.thrust_to_weight(),
            it.rotor_distance()
        );
    }
    text
}
