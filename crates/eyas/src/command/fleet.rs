//! `eyas train --vehicles`: a teacher for each vehicle of a fleet, as one job.

mod board;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use eyas_env::{Protocol, RaptorConfig, RaptorEnv, TaskConfig as _};
use eyas_formats::{Value, atomic, rsl_rl};
use eyas_learn::{Pilot, Summary, evaluate, ppo};
use eyas_policy::Policy;
use eyas_run::run_dir::Resumable;
use eyas_run::{Interrupt, Layers, RunDir};
use eyas_vehicles::{FleetVehicle, VehicleFile, fleet_to_csv};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::board::Board;
use crate::arguments::Train;
use crate::command::train::{BEST, EVALUATION_SEED, Plan, ROOT, configure, unknown_algorithm};
use crate::configuration;
use crate::crew::{DYNAMICS, VEHICLE, folder};
use crate::failure::Failure;
use crate::flyable::Flyable as _;
use crate::journal::{Course, Journal};
use crate::learner::{ApgConfig, Recipe};
use crate::live::{self, Spectacle};
use crate::outcome::{Outcome, RESULT};
use crate::place::{Place, go_on_with};
use crate::report::{say, shell_word};
use crate::setup::{check, check_env, read_fleet, write_manifest};

/// What of the configuration is written into a fleet's `params`.
const SECTIONS: [&str; 3] = ["env", "agent", "fleet"];

/// When a teacher is good enough: returns are measured under the protocol of the C++ system, whose starts are the same
/// for vehicles of every size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FleetConfig {
    /// Mean return that a teacher must reach; below it another seed is tried, and half the learning rate.
    required_return: f64,
    /// Largest share of episodes that may end in a termination. In `[0, 1]`.
    max_terminated: f64,
    /// The same from the starts that it learns from. In `[0, 1]`.
    max_own_terminated: f64,
    /// Mean return at which training stops early; null: never.
    stop_return: Option<f64>,
    /// Share of terminated episodes at which it may. In `[0, 1]`.
    stop_terminated: f64,
    /// Seeds tried for one teacher. At least 1.
    max_attempts: u32,
    /// Episodes of an evaluation. At least 1.
    eval_episodes: usize,
}

impl Default for FleetConfig {
    fn default() -> Self {
        Self {
            required_return: 600.0,
            max_terminated: 0.02,
            max_own_terminated: 0.05,
            stop_return: Some(705.0),
            stop_terminated: 0.0,
            max_attempts: 3,
            eval_episodes: 256,
        }
    }
}

impl FleetConfig {
    pub(crate) fn validate(&self) -> Result<(), String> {
        for (name, value) in [
            ("max_terminated", self.max_terminated),
            ("max_own_terminated", self.max_own_terminated),
            ("stop_terminated", self.stop_terminated),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(format!("`fleet.{name}` = {value}, expected a share in [0, 1]"));
            }
        }
        let at_least_one =
            [("max_attempts", self.max_attempts as usize), ("eval_episodes", self.eval_episodes)];
        for (name, value) in at_least_one {
            if value < 1 {
                return Err(format!("`fleet.{name}` = {value}, expected at least 1"));
            }
        }
        Ok(())
    }

    fn accepts(&self, best: &Best) -> bool {
        best.raptor.mean_return >= self.required_return
            && best.raptor.terminated <= self.max_terminated
            && best.own.terminated <= self.max_own_terminated
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config<A> {
    env: RaptorConfig,
    agent: A,
    fleet: FleetConfig,
}

/// What is known of a trained teacher; beside its model as [`RESULT`], whose presence says that it is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TeacherResult {
    /// Number of the teacher, which names its folder.
    teacher: usize,
    /// Vehicle it flies.
    vehicle: String,
    /// Whether it met the bar.
    accepted: bool,
    /// Seeds tried.
    attempts: u32,
    /// Seed of the one kept.
    seed: u64,
    /// Updates after which it was kept.
    iteration: u32,
    /// Time that all attempts took, s.
    seconds: f64,
    /// Under the protocol of the C++ system.
    raptor: Score,
    /// From the starts that it learned from.
    own: Score,
}

/// How a teacher flies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Score {
    /// Mean return.
    mean_return: f64,
    /// Mean length, control steps.
    mean_length: f64,
    /// Share of episodes that end in a termination.
    terminated: f64,
}

impl From<Summary> for Score {
    fn from(it: Summary) -> Self {
        Self { mean_return: it.mean_return, mean_length: it.mean_length, terminated: it.crash_rate }
    }
}

pub(crate) fn run(arguments: &Train, interrupt: &Interrupt) -> Result<ExitCode, Failure> {
    match arguments.algorithm.as_deref().unwrap_or(RaptorConfig::ALGORITHM) {
        "apg" => run_recipe::<ApgConfig<RaptorConfig>>(arguments, interrupt),
        "ppo" => run_recipe::<ppo::RunnerConfig>(arguments, interrupt),
        other => Err(unknown_algorithm(other)),
    }
}

fn run_recipe<A: Recipe<RaptorConfig>>(
    arguments: &Train,
    interrupt: &Interrupt,
) -> Result<ExitCode, Failure> {
    if arguments.flight.video.video || arguments.checkpoint.is_some() {
        return Err(Failure::new("`--video` and `--checkpoint` are for the training of one teacher")
            .hint("leave the flag out; `eyas play` records a teacher of the fleet"));
    }
    let mut layers = Layers::documented(&Config::<A>::default())?;
    configure::<RaptorConfig, A>(arguments, &mut layers)?;
    if configuration::show(&layers, &arguments.flight.configuration)? {
        return Ok(ExitCode::SUCCESS);
    }
    let config: Config<A> = layers.finish()?;
    check_env(&layers, &config.env)?;
    check(&layers, config.agent.validate())?;
    check(&layers, A::validate_task(&config.env))?;
    check(&layers, config.fleet.validate())?;
    let plan = layers.section::<Plan>("agent")?;
    let vehicles = arguments.fleet.vehicles.as_deref().expect("a fleet has vehicles");
    let fleet = crews(arguments, read_fleet(vehicles)?)?;

    let place = Place {
        root: ROOT,
        experiment: &format!("{}_fleet", plan.experiment_name),
        run_name: &plan.run_name,
        run_dir: arguments.resume.run_dir.as_deref(),
    };
    let view = live::open_for_run(arguments.web.web)?;
    let run = if plan.resume {
        Resumable { run: place.find(&plan.load_run)?, checkpoint: None }.open(&SECTIONS)?
    } else {
        place.make()?
    };
    say(format!("[INFO] Logging experiment in directory: {}", std::path::absolute(run.path())?.display()))?;
    for section in SECTIONS {
        run.params(section, &layers.table(section)?)?;
    }
    let inputs: Vec<&Path> = if vehicles.is_file() { vec![vehicles] } else { Vec::new() };
    write_manifest(&run, plan.seed, &inputs, layers.provenance()?)?;

    let results: Vec<Option<TeacherResult>> =
        fleet.iter().map(|(teacher, _)| read_result(&run, *teacher)).collect();
    let left: Vec<&(usize, FleetVehicle)> =
        fleet.iter().zip(&results).filter(|(_, result)| result.is_none()).map(|(it, _)| it).collect();
    let done = fleet.len() - left.len();
    if done > 0 {
        say(format!("[INFO] {done} of {} teachers are there already", fleet.len()))?;
    }
    let shown = left.first().map_or_else(|| config.env.clone(), |(_, vehicle)| config.env.of(vehicle));
    let spectacle =
        view.map(|view| Spectacle::start(view, "train a fleet", "teacher", &shown)).transpose()?;
    let course = Course {
        activity: "train a fleet",
        units: ["teacher", "steps"],
        position: done as u64,
        total: fleet.len() as u64,
        is_quiet: arguments.flight.quiet,
        has_dashboard: arguments.terminal.tui,
    };
    let mut journal = Journal::start(&run, spectacle, &course, interrupt)?;
    journal.configured(&layers, &SECTIONS, &["fleet/return", "fleet/terminated"])?;
    let board = Board::new(journal, fleet.iter().zip(results));
    let job = Job { config: &config, plan: &plan, run: &run, interrupt, board };
    // Each teacher learns on one core, so that a fleet keeps all cores busy without waiting for each other.
    left.par_iter().with_max_len(1).try_for_each(|(teacher, vehicle)| job.train(*teacher, vehicle))?;
    job.board.close()?;
    finish(arguments, &run, &fleet, interrupt)
}

/// The numbered vehicles that this machine trains teachers for.
fn crews(arguments: &Train, fleet: Vec<FleetVehicle>) -> Result<Vec<(usize, FleetVehicle)>, Failure> {
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

fn read_result(run: &RunDir, teacher: usize) -> Option<TeacherResult> {
    let text = std::fs::read_to_string(run.path().join(folder(teacher)).join(RESULT)).ok()?;
    serde_json::from_str(&text).ok()
}

struct Job<'a, A> {
    config: &'a Config<A>,
    plan: &'a Plan,
    run: &'a RunDir,
    interrupt: &'a Interrupt,
    board: Board,
}

/// The best that a teacher was so far.
struct Best {
    actor: Policy,
    std: Vec<f32>,
    iteration: u32,
    seed: u64,
    raptor: Score,
    own: Score,
}

impl Best {
    fn total(&self) -> f64 {
        self.raptor.mean_return + self.own.mean_return
    }
}

impl<A: Recipe<RaptorConfig>> Job<'_, A> {
    /// Trains the teacher of one vehicle: other seeds until one meets the bar, then its files. An interrupted
    /// teacher leaves none.
    fn train(&self, teacher: usize, vehicle: &FleetVehicle) -> Result<(), Failure> {
        let clock = std::time::Instant::now();
        let fleet = &self.config.fleet;
        let mut best: Option<Best> = None;
        let mut attempts = 0;
        while attempts < fleet.max_attempts && !best.as_ref().is_some_and(|it| fleet.accepts(it)) {
            self.attempt(teacher, vehicle, attempts, &mut best)?;
            if self.interrupt.interrupted() {
                return Ok(());
            }
            attempts += 1;
        }
        let Some(best) = best else { return Ok(()) };
        let result = TeacherResult {
            teacher,
            vehicle: vehicle.id.clone(),
            accepted: fleet.accepts(&best),
            attempts,
            seed: best.seed,
            iteration: best.iteration,
            seconds: clock.elapsed().as_secs_f64(),
            raptor: best.raptor,
            own: best.own,
        };
        self.write(&result, &best, vehicle)?;
        self.board.finished(&result)
    }

    /// Learns with one seed, and keeps the best.
    fn attempt(
        &self,
        teacher: usize,
        vehicle: &FleetVehicle,
        attempt: u32,
        best: &mut Option<Best>,
    ) -> Result<(), Failure> {
        let env = self.config.env.of(vehicle);
        let seed = self.plan.seed + u64::from(attempt);
        let mut learner = self.config.agent.more_carefully(attempt).start(&env, seed)?;
        while learner.iteration() < self.plan.max_iterations && !self.interrupt.interrupted() {
            let steps = learner.iterate().env_steps;
            self.board.count(steps);
            let iteration = learner.iteration();
            if !iteration.is_multiple_of(self.plan.eval_interval) && iteration != self.plan.max_iterations {
                continue;
            }
            let now = Best {
                actor: learner.actor().clone(),
                std: learner.std().to_vec(),
                iteration,
                seed,
                raptor: self.measure(Protocol::Raptor, vehicle, learner.actor())?,
                own: self.measure(self.config.env.protocol, vehicle, learner.actor())?,
            };
            self.board.measured(
                teacher,
                [attempt + 1, iteration],
                now.raptor,
                || env.clone(),
                || Ok(Pilot::new(learner.actor(), &env.spec())?),
            )?;
            let fleet = &self.config.fleet;
            let stops = fleet.stop_return.is_some_and(|it| now.raptor.mean_return >= it)
                && now.raptor.terminated.max(now.own.terminated) <= fleet.stop_terminated;
            if best.as_ref().is_none_or(|best| now.total() > best.total()) {
                *best = Some(now);
            }
            if stops {
                break;
            }
        }
        Ok(())
    }

    fn measure(&self, protocol: Protocol, vehicle: &FleetVehicle, actor: &Policy) -> Result<Score, Failure> {
        let config = RaptorConfig { protocol, ..self.config.env.clone() };
        let vehicles = vec![0; self.config.fleet.eval_episodes];
        let mut env = RaptorEnv::of_fleet(&config, std::slice::from_ref(vehicle), &vehicles, EVALUATION_SEED);
        let pilot = Pilot::new(actor, eyas_env::VecEnv::spec(&env))?;
        Ok(evaluate(&mut env, &pilot, None, config.max_episode_length()).summary().into())
    }

    /// The model, the vehicle, and last what says that both are there.
    fn write(&self, result: &TeacherResult, best: &Best, vehicle: &FleetVehicle) -> Result<(), Failure> {
        let folder = self.run.path().join(folder(result.teacher));
        std::fs::create_dir_all(&folder)?;
        let extra = Value::dict([("best_return", result.own.mean_return)]);
        let iteration = u64::from(best.iteration);
        rsl_rl::write_actor(&folder.join(BEST), &best.actor, &best.std, iteration, Some(&extra))?;
        atomic::write(&folder.join(VEHICLE), VehicleFile::from(vehicle).to_json().as_bytes())?;
        let text = serde_json::to_string_pretty(result).map_err(Failure::new)?;
        Ok(atomic::write(&folder.join(RESULT), text.as_bytes())?)
    }
}

/// Tables of all teachers that are there, and what they are worth.
fn finish(
    arguments: &Train,
    run: &RunDir,
    fleet: &[(usize, FleetVehicle)],
    interrupt: &Interrupt,
) -> Result<ExitCode, Failure> {
    let mut done: Vec<TeacherResult> = Vec::new();
    let mut vehicles: Vec<FleetVehicle> = Vec::new();
    for (teacher, vehicle) in fleet {
        if let Some(result) = read_result(run, *teacher) {
            vehicles.push(FleetVehicle { id: format!("{teacher}"), ..vehicle.clone() });
            done.push(result);
        }
    }
    let table = fleet_to_csv(&vehicles).map_err(Failure::new)?;
    atomic::write(&run.file(DYNAMICS), table.as_bytes())?;
    done.sort_by(|a, b| {
        b.raptor.mean_return.total_cmp(&a.raptor.mean_return).then(a.teacher.cmp(&b.teacher))
    });
    atomic::write(&run.file("ranking.csv"), ranking(&done).as_bytes())?;
    let mean = |value: &dyn Fn(&TeacherResult) -> f64| {
        done.iter().map(value).sum::<f64>() / done.len().max(1) as f64
    };
    say(format!("{} of {} teachers", done.len(), fleet.len()))?;
    for (name, score) in [
        ("from starts of the C++ system", (|it| it.raptor) as fn(&TeacherResult) -> Score),
        ("from their own starts", |it| it.own),
    ] {
        say(format!(
            "  {name}: return {:.1}, length {:.1}, {:.2} % terminated",
            mean(&|it| score(it).mean_return),
            mean(&|it| score(it).mean_length),
            100.0 * mean(&|it| score(it).terminated)
        ))?;
    }
    say(format!("  {:.1} s of a core for each", mean(&|it| it.seconds)))?;
    if interrupt.interrupted() {
        say(format!("Interrupted\n{}", go_on_with(run, arguments.resume.run_dir.as_deref())))?;
        return Ok(ExitCode::from(130));
    }
    let of_all = |value: &dyn Fn(&Score) -> f64| mean(&|it| value(&it.raptor));
    Outcome {
        mean_return: of_all(&|it| it.mean_return),
        mean_length: of_all(&|it| it.mean_length),
        crash_rate: of_all(&|it| it.terminated),
        position_rmse_m: None,
        action_rmse: None,
    }
    .write(run)?;
    let directory = shell_word(run.path().display());
    say(format!("Distil them: eyas distill --task Eyas-Raptor-v0 --teacher_dir {directory}"))?;
    let weak = done.iter().filter(|it| !it.accepted).count();
    if weak > 0 {
        say(format!("{weak} stay below the bar, see {}", run.file("ranking.csv").display()))?;
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

fn ranking(done: &[TeacherResult]) -> String {
    let mut text = String::from(
        "rank,teacher,vehicle,return,length,terminated,own_return,own_length,own_terminated,accepted,attempts,seed,iteration,seconds\n",
    );
    for (rank, it) in done.iter().enumerate() {
        let TeacherResult { teacher, vehicle, raptor, own, accepted, attempts, seed, iteration, seconds } =
            it;
        let _ = writeln!(
            text,
            "{},{teacher},{vehicle},{},{},{},{},{},{},{accepted},{attempts},{seed},{iteration},{seconds:.2}",
            rank + 1,
            raptor.mean_return,
            raptor.mean_length,
            raptor.terminated,
            own.mean_return,
            own.mean_length,
            own.terminated,
        );
    }
    text
}
