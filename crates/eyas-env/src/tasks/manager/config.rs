//! Configuration of a manager-based task, in Isaac Lab's words.

use eyas_sim::{CourseConfig, VehicleParameters};
use eyas_trace::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ManagerTask;
use super::program::Program;
use super::terms::{Param, Terms};
use crate::config::MOST_DECIMATION;
use crate::registry::MANAGER_TASK;
use crate::task::FOREVER_S;
use crate::{
    Actuation, PointConfig, RealityConfig, Recorded, SceneConfig, SimConfig, TaskConfig, TaskRecorder,
    VecEnv, check, course,
};

/// A task that is made of terms: what stands in its YAML file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ManagerConfig {
    /// Number of envs.
    pub scene: SceneConfig,
    /// Time step.
    pub sim: SimConfig,
    /// Simulation steps in a control step. At least 1, at most 1000.
    pub decimation: u32,
    /// Length of an episode, s. Positive.
    pub episode_length_s: f64,
    /// Training as the file says, or play: start at rest, neither events but those of startup, nor corrupted
    /// observations, nor a time limit.
    pub train_or_play: bool,
    /// Whether weights of rewards are multiplied by the control period, as in Isaac Lab.
    pub scale_rewards_by_dt: bool,
    /// When commands move.
    pub command_update: CommandUpdate,
    /// Whether the first command rests at the spawn point instead.
    pub command_at_rest: bool,
    /// A course that the first command flies instead.
    pub course: CourseConfig,
    /// The vehicle.
    pub robot: VehicleParameters,
    /// What separates flying from simulating; off by default.
    pub reality: RealityConfig,
    /// References that the vehicle is to follow, by name.
    pub commands: Terms<CommandConfig>,
    /// What an action does, by name. Exactly one.
    pub actions: Terms<ActionConfig>,
    /// Groups of what is observed, by name: `policy`, `teacher`, ….
    pub observations: Terms<ObservationGroupConfig>,
    /// What happens to vehicles, by name.
    pub events: Terms<EventConfig>,
    /// Terms of the reward, by name.
    pub rewards: Terms<RewardTermConfig>,
    /// What ends episodes, by name.
    pub terminations: Terms<TerminationTermConfig>,
    /// What changes while a policy learns, by name.
    pub curriculum: Terms<CurriculumConfig>,
}

/// When commands move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandUpdate {
    /// After the reset of ended episodes, so that a step is rewarded by the command that its policy saw: Isaac Lab's
    /// manager-based tasks.
    #[default]
    AfterReset,
    /// Before the physics of a step: Isaac Lab's direct tasks.
    BeforePhysics,
}

/// A reference that the vehicle is to follow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandConfig {
    /// The term, see `eyas task terms commands`.
    pub func: String,
    /// Limits of the time after which it is drawn anew, s; null: once an episode. Ascending, positive.
    pub resampling_time_range: Option<[f64; 2]>,
    /// Prefix of the random streams that it draws from; null: a name of its own.
    pub stream: Option<String>,
    /// Its parameters.
    pub params: Terms<Param>,
}

/// What an action does to the vehicle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActionConfig {
    /// The term, see `eyas task terms actions`.
    pub func: String,
    /// What actions are multiplied by; null: as the term says.
    pub scale: Option<f64>,
    /// What is added then; null: as the term says.
    pub offset: Option<f64>,
    /// Limits of the outcome; null: as the term says. Ascending.
    pub clip: Option<[f64; 2]>,
    /// Its parameters.
    pub params: Terms<Param>,
}

/// Terms that are observed together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObservationGroupConfig {
    /// Whether its terms have their noise.
    pub enable_corruption: bool,
    /// Its terms by name.
    pub terms: Terms<ObservationConfig>,
}

/// A term of an observation: noise, then clip, then scale, then delay, then history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObservationConfig {
    /// The term, see `eyas task terms observations`.
    pub func: String,
    /// What it errs by; null: nothing.
    pub noise: Option<NoiseConfig>,
    /// Limits of each number; null: none. Ascending.
    pub clip: Option<[f64; 2]>,
    /// What each number is multiplied by; null: 1.
    pub scale: Option<f64>,
    /// How late it is, control steps. At most 64.
    pub delay: u32,
    /// How many last values are shown, the oldest first; 0: the present one. At most 64.
    pub history_length: u32,
    /// Its parameters.
    pub params: Terms<Param>,
}

/// What an observation errs by, each number on its own, independent from step to step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NoiseConfig {
    /// Its distribution.
    pub func: NoiseKind,
    /// How it enters.
    pub operation: Operation,
    /// Mean of `gaussian`; what `constant` is.
    pub mean: f64,
    /// Standard deviation of `gaussian`. At least 0.
    pub std: f64,
    /// The least of `uniform`.
    pub n_min: f64,
    /// The most of `uniform`.
    pub n_max: f64,
}

/// Distributions of noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseKind {
    /// Normal: `mean`, `std`.
    #[default]
    Gaussian,
    /// Uniform between `n_min` and `n_max`.
    Uniform,
    /// Always `mean`.
    Constant,
}

/// How a drawn number changes another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// It is added.
    #[default]
    Add,
    /// It multiplies.
    Scale,
    /// It stands in its place.
    Abs,
}

/// What happens to vehicles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventConfig {
    /// The term, see `eyas task terms events`.
    pub func: String,
    /// When it happens.
    pub mode: EventMode,
    /// Limits of the time between two, s, in mode `interval`. Ascending, positive.
    pub interval_range_s: Option<[f64; 2]>,
    /// Prefix of the random streams that it draws from; null: a name of its own.
    pub stream: Option<String>,
    /// Its parameters.
    pub params: Terms<Param>,
}

/// When an event happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventMode {
    /// Once for each env, and never taken back.
    Startup,
    /// At the start of each episode.
    #[default]
    Reset,
    /// Now and then while vehicles fly, until the next reset.
    Interval,
}

/// A term of the reward.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RewardTermConfig {
    /// The term, see `eyas task terms rewards`.
    pub func: String,
    /// What it is multiplied by.
    pub weight: f64,
    /// Its parameters.
    pub params: Terms<Param>,
}

/// What ends episodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TerminationTermConfig {
    /// The term, see `eyas task terms terminations`.
    pub func: String,
    /// Whether the episode is cut rather than the task ended, so that a learner counts on what would have followed.
    pub time_out: bool,
    /// Its parameters.
    pub params: Terms<Param>,
}

/// What changes while a policy learns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CurriculumConfig {
    /// The term, see `eyas task terms curriculum`.
    pub func: String,
    /// Its parameters.
    pub params: Terms<Param>,
}

impl Default for ObservationGroupConfig {
    fn default() -> Self {
        Self { enable_corruption: true, terms: Terms::default() }
    }
}

impl Default for ManagerConfig {
    /// No term at all, the vehicle and times of the point task: what a file begins with.
    fn default() -> Self {
        let PointConfig { scene, sim, decimation, episode_length_s, robot, .. } = PointConfig::default();
        Self {
            scene,
            sim,
            decimation,
            episode_length_s,
            train_or_play: true,
            scale_rewards_by_dt: true,
            command_update: CommandUpdate::default(),
            command_at_rest: false,
            course: CourseConfig::default(),
            robot,
            reality: RealityConfig::default(),
            commands: Terms::default(),
            actions: Terms::default(),
            observations: Terms::default(),
            events: Terms::default(),
            rewards: Terms::default(),
            terminations: Terms::default(),
            curriculum: Terms::default(),
        }
    }
}

impl ManagerConfig {
    /// The file of `Eyas-Quadcopter-Manager-v0`.
    pub const SHIPPED: &'static str = include_str!("quadcopter.yaml");

    /// The task of [`SHIPPED`](Self::SHIPPED).
    ///
    /// # Panics
    ///
    /// Never: tests read the file.
    #[must_use]
    pub fn shipped() -> Self {
        serde_saphyr::from_str(Self::SHIPPED).expect("the shipped file is a task")
    }
}

impl TaskConfig for ManagerConfig {
    const ID: &'static str = MANAGER_TASK;
    const EVALUATION_STEPS: u32 = 2000;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(ManagerTask::env(self, num_envs, seed))
    }

    fn validate(&self) -> Result<(), String> {
        check::positive(&[("sim.dt", self.sim.dt), ("episode_length_s", self.episode_length_s)])?;
        check::at_least(&[
            ("decimation", f64::from(self.decimation), 1.0),
            ("sim.substeps", f64::from(self.sim.substeps), 1.0),
        ])?;
        check::at_most(&[("decimation", f64::from(self.decimation), MOST_DECIMATION)])?;
        self.scene.validate()?;
        self.sim.validate()?;
        course::validate(&self.course)?;
        check::parameters(&self.robot)?;
        self.reality.validate()?;
        let program = Program::new(self)?;
        match program.spec.actuation {
            Actuation::Rotors => check::vehicle(&self.robot),
            Actuation::Wrench => self.reality.validate_without_rotors(),
        }
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    fn control_period(&self) -> f64 {
        self.sim.dt * f64::from(self.decimation)
    }

    fn episode_length_s(&self) -> f64 {
        self.episode_length_s
    }

    fn vehicle(&self) -> &VehicleParameters {
        &self.robot
    }

    fn untimed(&self) -> Self {
        Self { episode_length_s: FOREVER_S, ..self.clone() }
    }

    fn recorded(&self, form: Form) -> Vec<Recorded> {
        TaskRecorder { task: &ManagerTask::new(self), form }.formulas()
    }
}
