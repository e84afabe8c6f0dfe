//! `eyas eval`: a policy over many episodes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use eyas::Failure;
use eyas::configuration::{AgentConfig, allow_steps, check};
use eyas::device::{ComputeDevice, EpisodeDevice, LEARNING_DEVICE};
use eyas::evaluate::{self, EvaluateConfig, evaluate};
use eyas::flyable::Settings;
use eyas::policies::load_controller;
use eyas::run_files::write_file;
use eyas::tasks::{self, AnyTask};
use eyas::teachers::vehicles_of;
use eyas::text::{comparison, legend, lost_told};
use eyas::trajectory;
use eyas_learn::Evaluation;
use eyas_run::{Layers, Origin};
use eyas_vehicles::FleetVehicle;
use serde::de::DeserializeOwned;

use super::torture;
use crate::arguments::Eval;
use crate::configuration;
use crate::flags::{layer_for, read_fleet_for, warn_of_vehicle};
use crate::print::tell;

/// Episodes, if not said otherwise.
const EPISODES: usize = 1000;

pub(crate) fn run(arguments: &Eval) -> Result<ExitCode, Failure> {
    let task = tasks::find(&arguments.flight.task)?;
    if arguments.suite.is_some() {
        return torture::run(task.as_ref(), arguments);
    }
    let [checkpoint] = &arguments.checkpoint[..] else {
        return Err(Failure::new("`--checkpoint`: an evaluation flies one policy")
            .hint("`--suite torture` flies several side by side"));
    };
    let along = match &arguments.trajectory {
        Some(asked) => trajectory::find(task.as_ref(), Some(asked))?.1,
        None => Settings::new(),
    };
    let mut layers = evaluate::layers(task.as_ref(), along)?;
    layer_for(&mut layers, task.as_ref(), &arguments.flight, true)?;
    refuse(arguments)?;
    let episodes = match given::<usize>(&layers, "env.scene.num_envs")? {
        Some(envs) if arguments.episodes.is_none() => envs,
        _ => arguments.episodes.unwrap_or(EPISODES),
    };
    let length = given::<f64>(&layers, "env.episode_length_s")?.filter(|_| arguments.steps.is_none());
    let steps = match length {
        Some(seconds) => (seconds / task.read(&layers)?.control_period()).round() as u32,
        None => arguments.steps.unwrap_or(task.evaluation_steps()),
    };
    if episodes == 0 || steps == 0 {
        return Err(Failure::new("`--episodes` and `--steps` must be at least 1"));
    }
    layers.set("env.scene.num_envs", episodes, Origin::flag("--episodes"))?;
    let origin = if length.is_some() { Origin::Preset("eval".into()) } else { Origin::flag("--steps") };
    allow_steps(&mut layers, task.as_ref(), steps, origin)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let (task, agent) = (task.read(&layers)?, layers.section::<AgentConfig>("agent")?);
    check(&layers, task.validate())?;
    warn_of_vehicle(task.as_ref());
    let on_gpu = ComputeDevice::of(&layers, &agent)?;
    let device = EpisodeDevice::new(on_gpu).map_err(|failure| failure.of(&format!("`{LEARNING_DEVICE}`")))?;

    let fleet = fleet_of(task.as_ref(), arguments, episodes)?;
    let vehicles = vehicles_of(task.as_ref(), &fleet);
    let options = arguments.reading.load_options();
    let mut told = |decision: &str| tell(decision);
    let controller = load_controller(checkpoint, &options, &vehicles, &task.spec(), &mut told)?;
    let is_flown_here = on_gpu != ComputeDevice::Cpu && controller.actor().is_none();
    let config = EvaluateConfig {
        task: task.as_ref(),
        vehicles: &fleet,
        episodes,
        steps,
        seed: agent.seed,
        device: device.clone(),
        on_nan: arguments.nan.on_nan,
    };
    let evaluation = evaluate(&config, controller.as_ref())?;
    let reasons = device.reasons().into_iter().chain(is_flown_here.then(|| "who flies is no network".into()));
    for why in reasons {
        tell(format!("[INFO] Episodes flew on the CPU: {why}"));
    }
    let summary = evaluation.summary();
    if let Some(path) = &arguments.per_vehicle {
        write_file(path, table(&fleet, &evaluation).as_bytes())?;
    }
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let json = serde_json::json!({
            "all": summary, "hover": evaluation.hover(), "moving": evaluation.moving(),
            "not_finite_resets": evaluation.num_lost,
        });
        writeln!(out, "{json:#}")?;
    } else {
        write!(out, "{}", comparison(&[("policy", &evaluation)]))?;
        writeln!(out, "{}", legend(steps, task.control_period()))?;
    }
    lost_told(evaluation.num_lost, episodes).iter().for_each(tell);
    Ok(match arguments.require_return {
        Some(minimum) if summary.mean_return >= minimum => ExitCode::SUCCESS,
        Some(minimum) => {
            let found = summary.mean_return;
            tell(format!("the mean return {found:.1} is below `--require_return {minimum}`"));
            ExitCode::from(1)
        }
        None => ExitCode::SUCCESS,
    })
}

/// The value of a key, if an override gives it: what a flag says in this command's own words.
fn given<T: DeserializeOwned>(layers: &Layers, key: &str) -> Result<Option<T>, Failure> {
    let is_given = matches!(layers.origin(key), Some(Origin::Override(_)));
    Ok(is_given.then(|| layers.section(key)).transpose()?)
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
pub(super) fn fleet_of(
    task: &dyn AnyTask,
    arguments: &Eval,
    episodes: usize,
) -> Result<Vec<FleetVehicle>, Failure> {
    let Some(path) = &arguments.vehicles else { return Ok(Vec::new()) };
    let fleet = read_fleet_for(task, "--vehicles", path)?;
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
