//! A flight in real time that viewers disturb.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use eyas::Failure;
use eyas::policies::load_policy;
use eyas::tasks::AnyTask;
use eyas::video::motor_names;
use eyas_env::Actuation;
use eyas_formats::LoadOptions;
use eyas_learn::{Actor, Engine, OnNan};
use eyas_run::Interrupt;
use eyas_web::{Feed, Request, Scene, Settings};

use super::controls::Disturbances;
use super::flyer::Flyer;
use super::scene;

/// Control steps from pose to pose.
const POSE_INTERVAL: u64 = 2;
/// How long to sleep while nobody looks.
const NAP: Duration = Duration::from_millis(50);

/// From one look for new policies to the next.
const LOOKING_INTERVAL: Duration = Duration::from_secs(2);

/// What is flown, and what viewers may choose instead.
pub(crate) struct Stage {
    /// What is going on.
    pub(crate) activity: String,
    /// What the curves count, where there are any.
    pub(crate) step_unit: String,
    /// The task along each trajectory, by its name.
    pub(crate) trajectories: Vec<(String, Box<dyn AnyTask>)>,
    /// The one to start with.
    pub(crate) trajectory: String,
    /// The policy; the others of its folder can be chosen.
    pub(crate) checkpoint: PathBuf,
    pub(crate) options: LoadOptions,
    pub(crate) seed: u64,
    /// What becomes of an env with a number that is not finite.
    pub(crate) on_nan: OnNan,
}

impl Stage {
    /// The envs of a task that is flown.
    fn make(&self, env: &dyn AnyTask) -> Box<dyn Engine> {
        let mut made = env.make(env.num_envs(), self.seed);
        made.set_on_nan(self.on_nan);
        made
    }
}

/// Flies until interrupted, while someone looks.
pub(crate) fn play(
    stage: &Stage,
    feed: &Feed,
    requests: &Receiver<Request>,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut flight = LiveFlight::start(stage)?;
    feed.scene(flight.scene());
    feed.settings(&flight.settings());
    let mut pace = Pace::new(flight.env().control_period());
    let mut looked = Instant::now();
    while !interrupt.interrupted() {
        if looked.elapsed() >= LOOKING_INTERVAL {
            looked = Instant::now();
            if flight.looks_for_policies() {
                feed.scene(flight.scene());
                feed.settings(&flight.settings());
            }
        }
        let wait = if feed.num_viewers() == 0 { NAP } else { pace.until_due() };
        match requests.recv_timeout(wait) {
            Ok(request) => {
                let failure = flight.carry_out(request).err();
                feed.error(&failure.map_or_else(String::new, |it| it.to_string()));
                feed.settings(&flight.settings());
            }
            Err(RecvTimeoutError::Timeout) if feed.num_viewers() > 0 => {
                flight.step()?;
                pace.stepped();
                if flight.steps.is_multiple_of(POSE_INTERVAL) {
                    feed.poses(&flight.flyer.poses(pace.speed));
                }
            }
            Err(RecvTimeoutError::Timeout) => pace.rest(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(())
}

struct LiveFlight<'a> {
    stage: &'a Stage,
    trajectory: &'a str,
    policy: String,
    /// Those that can be chosen.
    policies: Vec<String>,
    actor: Actor,
    flyer: Flyer,
    disturbances: Disturbances,
    steps: u64,
}

impl<'a> LiveFlight<'a> {
    fn start(stage: &'a Stage) -> Result<Self, Failure> {
        let env = env_of(stage, &stage.trajectory);
        let made = stage.make(env);
        let motors = motor_names(made.spec());
        let weakened = match made.spec().actuation {
            Actuation::Rotors => motors.as_slice(),
            Actuation::Wrench => &[],
        };
        let actor = actor_of(stage, &stage.checkpoint)?;
        Ok(Self {
            stage,
            trajectory: &stage.trajectory,
            policy: file_name(&stage.checkpoint),
            policies: policies_beside(&stage.checkpoint),
            flyer: Flyer::new(made, actor.clone()),
            actor,
            disturbances: Disturbances::new(env, weakened),
            steps: 0,
        })
    }

    fn env(&self) -> &'a dyn AnyTask {
        env_of(self.stage, self.trajectory)
    }

    fn scene(&self) -> Scene {
        let stage = self.stage;
        Scene {
            controls: self.disturbances.controls().to_vec(),
            can_push: true,
            trajectories: stage.trajectories.iter().map(|(name, _)| name.clone()).collect(),
            policies: self.policies.clone(),
            ..scene(&stage.activity, &stage.step_unit, self.env(), self.env().num_envs())
        }
    }

    /// Whether there are others than before.
    fn looks_for_policies(&mut self) -> bool {
        let now = policies_beside(&self.stage.checkpoint);
        let has_changed = now != self.policies;
        self.policies = now;
        has_changed
    }

    fn settings(&self) -> Settings {
        Settings {
            values: self.disturbances.values().clone(),
            trajectory: self.trajectory.into(),
            policy: self.policy.clone(),
        }
    }

    fn step(&mut self) -> Result<(), Failure> {
        self.flyer.step().map_err(|error| {
            Failure::from(error).not_finite_in_flight(("the flight", self.stage.seed), Path::new(""))
        })?;
        self.steps += 1;
        if self.disturbances.advance() {
            self.disturb();
        }
        Ok(())
    }

    fn disturb(&mut self) {
        let (perturbation, delay) = self.disturbances.now();
        self.flyer.disturb(perturbation, delay);
    }

    fn restart(&mut self) {
        let env = self.env();
        self.flyer = Flyer::new(self.stage.make(env), self.actor.clone());
        self.disturb();
    }

    /// Does what a viewer asks for, which was checked against the scene.
    fn carry_out(&mut self, request: Request) -> Result<(), Failure> {
        match request {
            Request::Set { control, value } => {
                self.disturbances.set(&control, value);
                self.disturb();
            }
            Request::Push {} => {
                self.disturbances.push();
                self.disturb();
            }
            Request::Trajectory { name } => {
                let known = self.stage.trajectories.iter().find(|(known, _)| *known == name);
                if let Some((known, _)) = known {
                    self.trajectory = known;
                    self.restart();
                }
            }
            Request::Policy { name } => {
                self.actor = actor_of(self.stage, &self.stage.checkpoint.with_file_name(&name))?;
                self.policy = name;
                self.restart();
            }
        }
        Ok(())
    }
}

fn env_of<'a>(stage: &'a Stage, trajectory: &str) -> &'a dyn AnyTask {
    let known = stage.trajectories.iter().find(|(name, _)| *name == trajectory);
    known.expect("a stage starts along one of its trajectories").1.as_ref()
}

fn actor_of(stage: &Stage, path: &Path) -> Result<Actor, Failure> {
    let loaded = load_policy(path, &stage.options)?;
    let spec = env_of(stage, &stage.trajectory).make(1, 0).spec().clone();
    Actor::new(&loaded.policy, &spec).map_err(|error| Failure::from(error).at(&path.display()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Names of the checkpoints in the folder of one, sorted; the one itself in any case.
fn policies_beside(checkpoint: &Path) -> Vec<String> {
    let folder = checkpoint.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_checkpoint =
        |path: &Path| path.is_file() && path.extension().is_some_and(|it| it == "pt" || it == "h5");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = entries.filter(|it| is_checkpoint(it)).map(|it| file_name(&it)).collect();
    names.push(file_name(checkpoint));
    names.sort();
    names.dedup();
    names
}

/// Keeps to the clock; what is late is not made up for in a burst.
pub(super) struct Pace {
    period: Duration,
    due: Instant,
    /// Flown time over time, of the last half second or more.
    pub(super) speed: f32,
    counted_since: Instant,
    counted: u32,
}

/// From one measurement of speed to the next.
const MEASURING: Duration = Duration::from_millis(500);
/// How late a step may be before the clock starts anew.
const LATEST: Duration = Duration::from_millis(50);

impl Pace {
    pub(super) fn new(period_s: f64) -> Self {
        let now = Instant::now();
        let period = Duration::from_secs_f64(period_s);
        Self { period, due: now, speed: 1.0, counted_since: now, counted: 0 }
    }

    pub(super) fn until_due(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// A step was flown.
    pub(super) fn stepped(&mut self) {
        let now = Instant::now();
        self.due += self.period;
        if now > self.due + LATEST {
            self.due = now;
        }
        self.counted += 1;
        let elapsed = now - self.counted_since;
        if elapsed > MEASURING {
            self.speed = self.period.as_secs_f32() * self.counted as f32 / elapsed.as_secs_f32();
            (self.counted_since, self.counted) = (now, 0);
        }
    }

    /// Nobody looks: the clock starts anew.
    pub(super) fn rest(&mut self) {
        *self = Self::new(self.period.as_secs_f64());
    }
}
