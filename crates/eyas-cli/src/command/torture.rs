//! `eyas eval --suite torture`: policies side by side on trajectories under disturbances.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use eyas::Failure;
use eyas::configuration::{AgentConfig, allow_steps, check};
use eyas::evaluate::set_seed;
use eyas::labels::{can_be_drawn, labels_of};
use eyas::policies::load_controller;
use eyas::run_files::write_file;
use eyas::tasks::AnyTask;
use eyas::teachers::{envs_of, vehicles_of};
use eyas::text::{aligned, lost_told};
use eyas_env::Actuation;
use eyas_learn::{Controller, Disturbance, Engine, NotFinite, OnNan, Torture, TortureConfig, TortureSummary};
use eyas_run::{Layers, Origin};
use eyas_sim::{CourseConfig, CourseKind, VehicleParameters};
use eyas_vehicles::FleetVehicle;
use eyas_view::Heatmap;
use rayon::prelude::*;

use super::eval::{fleet_of, refuse};
use crate::arguments::Eval;
use crate::configuration;
use crate::flags::{layer, warn_of_vehicle};
use crate::print::{say, tell};

/// Flights of each cell, if not said otherwise.
const FLIGHTS: usize = 100;

/// What the suite is made of.
struct Config {
    env: Box<dyn AnyTask>,
    agent: AgentConfig,
    torture: TortureConfig,
}

/// What flies where.
struct Suite {
    config: Config,
    fleet: Vec<FleetVehicle>,
    vehicles: Vec<VehicleParameters>,
    flights: usize,
    on_nan: OnNan,
}

pub(super) fn run(base: &dyn AnyTask, arguments: &Eval) -> Result<ExitCode, Failure> {
    refuse(arguments)?;
    let Some(suite) = Suite::new(base, arguments)? else { return Ok(ExitCode::SUCCESS) };
    let trajectories = trajectories(suite.config.env.as_ref(), &suite.config.torture);
    let spec = suite.envs(suite.config.env.as_ref()).spec().clone();
    if spec.actuation == Actuation::Wrench {
        let (left_out, id) = (Disturbance::MotorLoss.name(), base.id());
        tell(format!("[INFO] {left_out} is left out: the vehicle of `{id}` has no rotors to weaken"));
    }
    let options = arguments.reading.load_options();
    let names = names(&arguments.labels, &arguments.checkpoint)?;
    let actors = arguments
        .checkpoint
        .iter()
        .map(|checkpoint| {
            load_controller(checkpoint, &options, &suite.vehicles, &spec, &mut |it: &str| tell(it))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    std::fs::create_dir_all(&arguments.out).map_err(|error| {
        Failure::new(format!("cannot make `--out`: {error}")).at(&arguments.out.display())
    })?;

    let mut places = Vec::new();
    for policy in 0..actors.len() {
        for trajectory in 0..trajectories.len() {
            let disturbances = Disturbance::of(spec.actuation);
            places.extend(disturbances.map(|disturbance| (policy, trajectory, disturbance)));
        }
    }
    let fly = |(policy, trajectory, disturbance): (usize, usize, Disturbance)| {
        let (name, env) = &trajectories[trajectory];
        let flown = suite.fly(actors[policy].as_ref(), env.as_ref(), disturbance);
        let (policy, disturbance) = (names[policy].clone(), disturbance.name());
        let summary = flown.map_err(|error| (format!("{policy} on {name} under {disturbance}"), error))?;
        Ok(Cell { policy, trajectory: name, disturbance, summary })
    };
    let cells: Vec<Result<Cell, (String, NotFinite)>> = places.into_par_iter().map(fly).collect();
    // The first that failed, whichever failed first.
    let cells: Result<Vec<Cell>, _> = cells.into_iter().collect();
    let cells = cells.map_err(|(flight, error)| {
        let seed = suite.config.agent.seed;
        Failure::from(error).not_finite_in_flight((&flight, seed), &arguments.out)
    })?;

    for (name, bytes) in [
        ("torture.csv", table(&cells).into_bytes()),
        ("torture.md", markdown(&cells, suite.flights).into_bytes()),
        ("torture.png", plot(&cells, &names)),
    ] {
        let path = arguments.out.join(name);
        write_file(&path, &bytes)?;
        tell(path.display());
    }
    say(overview(&cells, &names).trim_end())?;
    let num_lost = cells.iter().map(|it| it.summary.num_lost).sum();
    lost_told(num_lost, cells.len() * suite.flights).iter().for_each(tell);
    Ok(ExitCode::SUCCESS)
}

impl Suite {
    /// None where the configuration was only to be shown.
    fn new(base: &dyn AnyTask, arguments: &Eval) -> Result<Option<Self>, Failure> {
        let settings = base.torture().map_err(|reason| {
            Failure::new(format!("`--suite torture`: task `{}` {reason}", base.id()))
                .hint(format!("fly the suite in another task, such as `{}`", eyas_env::RAPTOR_TASK))
        })?;
        let flights = arguments.episodes.unwrap_or(FLIGHTS);
        if flights == 0 {
            return Err(Failure::new("`--episodes` must be at least 1"));
        }
        let mut layers = Layers::of_groups([
            ("env", base.layers()?),
            ("agent", Layers::documented(&AgentConfig::default())?),
            ("torture", Layers::documented(&TortureConfig::default())?),
        ]);
        for (key, value) in settings {
            layers.set(key, value, Origin::Preset("torture".into()))?;
        }
        set_seed(&mut layers)?;
        layers.set("agent.experiment_name", base.experiment(), Origin::Preset("task".into()))?;
        layer(&mut layers, base, &arguments.flight)?;
        layers.set("env.scene.num_envs", flights, Origin::flag("--episodes"))?;
        let torture: TortureConfig = layers.section("torture")?;
        check(&layers, torture.validate())?;
        let period = base.read(&layers)?.control_period();
        allow_steps(&mut layers, base, (torture.duration_s / period).ceil() as u32, Origin::flag("--steps"))?;
        if configuration::show(&layers, &arguments.flight.configuration)? {
            return Ok(None);
        }
        let agent: AgentConfig = layers.section("agent")?;
        let config = Config { env: base.read(&layers)?, agent, torture };
        check(&layers, config.env.validate())?;
        warn_of_vehicle(config.env.as_ref());
        check(&layers, config.agent.validate())?;
        for (_, env) in trajectories(config.env.as_ref(), &config.torture) {
            check(&layers, env.validate())?;
        }
        let fleet = fleet_of(base, arguments, flights)?;
        let vehicles = vehicles_of(config.env.as_ref(), &fleet);
        Ok(Some(Self { vehicles, config, fleet, flights, on_nan: arguments.nan.on_nan }))
    }

    fn envs(&self, env: &dyn AnyTask) -> Box<dyn Engine> {
        let mut envs = envs_of(env, &self.fleet, self.flights, self.config.agent.seed);
        envs.set_on_nan(self.on_nan);
        envs
    }

    fn fly(
        &self,
        actor: &dyn Controller,
        env: &dyn AnyTask,
        disturbance: Disturbance,
    ) -> Result<TortureSummary, NotFinite> {
        let torture = Torture {
            config: &self.config.torture,
            disturbance,
            vehicles: &self.vehicles,
            seed: self.config.agent.seed,
        };
        Ok(TortureSummary::of(&torture.fly(self.envs(env).as_mut(), actor)?, self.fleet.len()))
    }
}

/// The task along each trajectory, by its name.
fn trajectories(env: &dyn AnyTask, torture: &TortureConfig) -> Vec<(&'static str, Box<dyn AnyTask>)> {
    let figure8 = |lap_s: f64| {
        let mut course = env.course().clone();
        course.figure8.lap_s = lap_s;
        CourseConfig { kind: Some(CourseKind::Figure8), ..course }
    };
    let of_kind = |kind: CourseKind| CourseConfig { kind: Some(kind), ..env.course().clone() };
    let [slow, medium, fast] = torture.figure8_laps_s;
    [
        ("hover", None),
        ("step", Some(of_kind(CourseKind::Step))),
        ("figure8_slow", Some(figure8(slow))),
        ("figure8_medium", Some(figure8(medium))),
        ("figure8_fast", Some(figure8(fast))),
        ("zigzag", Some(of_kind(CourseKind::Zigzag))),
    ]
    .map(|(name, course)| (name, env.with_course(course)))
    .into()
}

/// One line of the table.
struct Cell {
    policy: String,
    trajectory: &'static str,
    disturbance: &'static str,
    summary: TortureSummary,
}

/// What the policies are called: by their labels, else by their files.
fn names(labels: &[String], checkpoints: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let paths: Vec<PathBuf> = checkpoints.iter().map(|it| it.with_extension("")).collect();
    let names = labels_of(labels, &paths, "policies of `--checkpoint`")?;
    for name in &names {
        if name.contains([',', '"', '\n', '\r', '|']) {
            return Err(Failure::new(format!("policy `{name}` cannot be the name of a line"))
                .hint("name it with `--labels`, without commas, quotes, bars and line breaks"));
        }
        can_be_drawn(name)?;
    }
    Ok(names)
}

fn table(cells: &[Cell]) -> String {
    let mut text = String::from(
        "policy,trajectory,disturbance,seeds,rmse_m,rmse_ci95_m,max_error_m,max_error_ci95_m,success,success_ci_low,success_ci_high\n",
    );
    for Cell { policy, trajectory, disturbance, summary: it } in cells {
        let ([rmse, rmse_half], [largest, largest_half]) = (it.rmse_m, it.max_error_m);
        let [success, low, high] = it.success;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{policy},{trajectory},{disturbance},{},{rmse},{rmse_half},{largest},{largest_half},{success},{low},{high}",
            it.flights
        );
    }
    text
}

fn markdown(cells: &[Cell], flights: usize) -> String {
    let mut text = format!(
        "Each line: {flights} flights, the same starts and disturbances for every policy; mean ± half of the 95 % interval.\n\n\
         | policy | trajectory | disturbance | RMSE, m | largest error, m | success, % |\n|---|---|---|---|---|---|\n"
    );
    for Cell { policy, trajectory, disturbance, summary: it } in cells {
        let [success, low, high] = it.success.map(|share| 100.0 * share);
        let _ = writeln!(
            text,
            "| {policy} | {trajectory} | {disturbance} | {:.3} ± {:.3} | {:.3} ± {:.3} | {success:.0} ({low:.0}–{high:.0}) |",
            it.rmse_m[0], it.rmse_m[1], it.max_error_m[0], it.max_error_m[1]
        );
    }
    text
}

/// Policies side by side on each trajectory; where most flights fail an error says little.
fn plot(cells: &[Cell], names: &[String]) -> Vec<u8> {
    let trajectories = first_uses(cells, |it| it.trajectory);
    let columns: Vec<String> = trajectories
        .iter()
        .flat_map(|trajectory| names.iter().map(move |name| format!("{trajectory} · {name}")))
        .collect();
    let rows = first_uses(cells, |it| it.disturbance);
    let mut values = Vec::with_capacity(cells.len());
    for row in &rows {
        for trajectory in &trajectories {
            for name in names {
                let is_it =
                    |it: &&Cell| it.policy == *name && it.trajectory == *trajectory && it.disturbance == *row;
                let it = &cells.iter().find(is_it).expect("every cell was flown").summary;
                values.push(if it.success[0] < 0.5 { f64::NAN } else { it.rmse_m[0] });
            }
        }
    }
    let width = (60 * columns.len() + 320).clamp(900, 3000);
    Heatmap::new("Position error under disturbances (–: less than half succeed)", &rows, &columns, &values)
        .size(width, 860)
        .x("trajectory · policy", "")
        .y("disturbance", "")
        .value("RMSE", "m")
        .png()
}

/// Share of successes and mean RMSE over all trajectories.
fn overview(cells: &[Cell], names: &[String]) -> String {
    let mut rows = vec![["policy", "disturbance", "success", "RMSE"].map(str::to_owned)];
    let disturbances = first_uses(cells, |it| it.disturbance);
    for name in names {
        for disturbance in disturbances.iter().copied() {
            let own: Vec<&Cell> =
                cells.iter().filter(|it| it.policy == *name && it.disturbance == disturbance).collect();
            let mean = |value: fn(&TortureSummary) -> f64| {
                own.iter().map(|it| value(&it.summary)).sum::<f64>() / own.len() as f64
            };
            let success = format!("{:.1} %", 100.0 * mean(|it| it.success[0]));
            let rmse = format!("{:.3} m", mean(|it| it.rmse_m[0]));
            rows.push([name.clone(), disturbance.to_owned(), success, rmse]);
        }
    }
    aligned(2, &rows)
}

fn first_uses<'a>(cells: &'a [Cell], of: fn(&'a Cell) -> &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for name in cells.iter().map(of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
