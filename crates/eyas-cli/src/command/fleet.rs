//! `eyas train --vehicles`: a teacher for each vehicle of a fleet.

use std::path::Path;
use std::process::ExitCode;

use eyas::fleet::{GROUPS, Score, TeacherResult};
use eyas::resumption::require_task;
use eyas::text::shell_word;
use eyas::{Failure, Observer as _, TrainFleetConfig, train_fleet};
use eyas_env::{RAPTOR_TASK, RaptorConfig};
use eyas_run::Interrupt;
use eyas_vehicles::FleetVehicle;

use super::train::{algorithm_of, goes_on, layer_flags, preset_of, terminal};
use crate::arguments::Train;
use crate::configuration::{self, layer_over};
use crate::flags::{read_fleet, warn_of_motors, warn_of_vehicle};
use crate::print::go_on_with;

pub(super) fn run(arguments: &Train, interrupt: &Interrupt) -> Result<ExitCode, Failure> {
    let task = RaptorConfig::default();
    let algorithm = algorithm_of(&task, arguments)?;
    if arguments.flight.video.video || arguments.checkpoint.is_some() {
        return Err(Failure::new("`--video` and `--checkpoint` are for the training of one teacher")
            .hint("leave the flag out; `eyas play` records a teacher of the fleet"));
    }
    let compose = |run: Option<&Path>| {
        let mut layers = TrainFleetConfig::layers(algorithm, preset_of(arguments))?;
        let goes_on = run.map(|run| goes_on(arguments, run, &GROUPS));
        layer_over(&mut layers, goes_on.as_ref(), |layers| layer_flags(layers, &task, arguments))?;
        Ok::<_, Failure>(layers)
    };
    let mut layers = compose(None)?;
    if arguments.resume.resume.unwrap_or(false)
        && let Some(run) = TrainFleetConfig::run_to_go_on_with(&layers, arguments.resume.run_dir.as_deref())?
    {
        require_task(&run, RAPTOR_TASK)?;
        layers = compose(Some(&run))?;
    }
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = TrainFleetConfig::read(algorithm, &layers)?;
    warn_of_vehicle(&config.task);
    let vehicles = arguments.fleet.vehicles.as_deref().expect("a fleet has vehicles");
    config.vehicles = chosen(arguments, read_fleet(vehicles)?)?;
    let flown = config.vehicles.iter().map(|(_, it)| (it.id.as_str(), &it.dynamics));
    warn_of_motors(&config.task, flown, None);
    config.vehicle_file = vehicles.is_file().then(|| vehicles.to_owned());
    config.run_dir.clone_from(&arguments.resume.run_dir);
    let mut terminal = terminal(arguments, interrupt);
    let result = train_fleet(&config, &mut terminal, interrupt)?;
    let mut say = |line: String| terminal.line(&line);
    say(format!("{} of {} teachers", result.teachers.len(), result.num_vehicles))?;
    for (name, score) in [
        ("from starts of the C++ system", (|it| it.raptor) as fn(&TeacherResult) -> Score),
        ("from their own starts", |it| it.own),
    ] {
        say(format!(
            "  {name}: return {:.1}, length {:.1}, {:.2} % terminated",
            result.mean(&|it| score(it).mean_return),
            result.mean(&|it| score(it).mean_length),
            100.0 * result.mean(&|it| score(it).terminated)
        ))?;
    }
    say(format!("  {:.1} s of a core for each", result.mean(&|it| it.seconds)))?;
    if result.is_interrupted {
        let run_dir = arguments.resume.run_dir.as_deref();
        say(format!("Interrupted\n{}", go_on_with(&result.run, run_dir)))?;
        return Ok(ExitCode::from(130));
    }
    let directory = shell_word(result.run.display());
    say(format!("Distil them: eyas distill --task Eyas-Raptor-v0 --teacher_dir {directory}"))?;
    let weak = result.teachers.iter().filter(|it| !it.accepted).count();
    if weak > 0 {
        say(format!("{weak} stay below the bar, see {}", result.run.join("ranking.csv").display()))?;
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

/// The numbered vehicles that this machine trains teachers for.
fn chosen(arguments: &Train, fleet: Vec<FleetVehicle>) -> Result<Vec<(usize, FleetVehicle)>, Failure> {
    let known = fleet.len();
    let wanted = arguments.fleet.num_teachers.unwrap_or(known);
    if wanted == 0 || wanted > known {
        return Err(Failure::new(format!(
            "`--num_teachers {wanted}`: the fleet has {known} vehicles, expected 1 to {known}"
        )));
    }
    let (index, shards) = match &arguments.fleet.shard {
        None => (1, 1),
        Some(text) => text
            .split_once('/')
            .and_then(|(index, shards)| Some((index.parse().ok()?, shards.parse().ok()?)))
            .filter(|(index, shards)| (1..=*shards).contains(index))
            .ok_or_else(|| {
                Failure::new(format!("`--shard {text}`: expected I/N with 1 ≤ I ≤ N, such as 2/3"))
            })?,
    };
    let numbered = fleet.into_iter().take(wanted).enumerate();
    Ok(numbered.filter(|(teacher, _)| teacher % shards == index - 1).collect())
}
