//! Configuration of Isaac Lab's quadcopter task; names as in its `QuadcopterEnvCfg`.

use eyas_sim::{CourseConfig, Vector, VehicleParameters};
use eyas_trace::Form;
use eyas_vehicles::foundation_crazyflie;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Direct, DirectSurrogate};
use crate::config::MOST_DECIMATION;
use crate::registry::DIRECT_TASK;
use crate::task::FOREVER_S;
use crate::{
    RealityConfig, Recorded, SceneConfig, SimConfig, TaskConfig, TaskRecorder, VecEnv, check, course,
};

/// Configuration of the task of flying to a goal by thrust and moments.
///
/// The defaults are those of Isaac Lab's `QuadcopterEnvCfg`; what it writes as numbers in its code is a key here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DirectConfig {
    /// Number of envs.
    pub scene: SceneConfig,
    /// Time step.
    pub sim: SimConfig,
    /// Simulation steps in a control step. At least 1.
    pub decimation: u32,
    /// Length of an episode, s. Positive.
    pub episode_length_s: f64,
    /// Thrust of action 1 over the weight. Positive.
    pub thrust_to_weight: f64,
    /// Moment of action 1 about each body axis, N m. Positive.
    pub moment_scale: f64,
    /// Reward of each (m/s)² of squared speed, 1/s.
    pub lin_vel_reward_scale: f64,
    /// Reward of each (rad/s)² of squared angular speed, 1/s.
    pub ang_vel_reward_scale: f64,
    /// Reward at the goal, 1/s; farther away it is multiplied by `1 − tanh(distance / distance_to_goal_std)`.
    pub distance_to_goal_reward_scale: f64,
    /// Scale of that distance, m. Positive.
    pub distance_to_goal_std: f64,
    /// Where goals are drawn.
    pub goal: GoalConfig,
    /// A course that the goal follows from the spawn point instead.
    pub course: CourseConfig,
    /// Heights that end an episode.
    pub height: HeightConfig,
    /// What separates flying from simulating, as far as it needs no rotors.
    pub reality: RealityConfig,
    /// The vehicle.
    pub robot: RigidBodyConfig,
}

/// Where goals are drawn, uniformly; relative to an env's origin on the ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GoalConfig {
    /// Limits along x, m. Ascending.
    pub pos_x: [f64; 2],
    /// Limits along y, m. Ascending.
    pub pos_y: [f64; 2],
    /// Limits of the height, m. Ascending.
    pub pos_z: [f64; 2],
}

/// Heights above the ground that end an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeightConfig {
    /// Below this, m. Lower than the spawn point.
    pub minimum: f64,
    /// Above this, m. Higher than the spawn point.
    pub maximum: f64,
}

/// The vehicle as one rigid body, at whose centre of mass thrust and moments act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "RigidBodyKeys", into = "RigidBodyKeys")]
#[schemars(with = "RigidBodyKeys")]
pub struct RigidBodyConfig {
    /// Where it starts; relative to an env's origin on the ground.
    pub init_state: InitState,
    vehicle: VehicleParameters,
}

/// Where a vehicle starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InitState {
    /// The spawn point relative to an env's origin on the ground, m.
    pub pos: Vector<f64>,
}

/// [`RigidBodyConfig`] as files have it.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RigidBodyKeys {
    /// Where it starts.
    init_state: InitState,
    /// Mass, kg. Positive.
    mass: f64,
    /// Moments of inertia about the body axes, kg m². Positive.
    diagonal_inertia: Vector<f64>,
}

impl RigidBodyConfig {
    /// A vehicle of a mass in kg and moments of inertia about the body axes in kg m², drawn as a Crazyflie.
    #[must_use]
    pub fn new(init_state: InitState, mass: f64, diagonal_inertia: Vector<f64>) -> Self {
        let diagonal = |[x, y, z]: Vector<f64>| [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]];
        let vehicle = VehicleParameters {
            mass,
            inertia: diagonal(diagonal_inertia),
            inertia_inverse: diagonal(diagonal_inertia.map(|it| 1.0 / it)),
            ..foundation_crazyflie()
        };
        Self { init_state, vehicle }
    }

    /// Mass and moment of inertia that fly, and the Crazyflie's rotors, which viewers draw.
    #[must_use]
    pub fn vehicle(&self) -> &VehicleParameters {
        &self.vehicle
    }

    fn diagonal_inertia(&self) -> Vector<f64> {
        [0, 1, 2].map(|axis| self.vehicle.inertia[axis][axis])
    }
}

impl From<RigidBodyKeys> for RigidBodyConfig {
    fn from(keys: RigidBodyKeys) -> Self {
        Self::new(keys.init_state, keys.mass, keys.diagonal_inertia)
    }
}

impl From<RigidBodyConfig> for RigidBodyKeys {
    fn from(it: RigidBodyConfig) -> Self {
        Self { mass: it.vehicle.mass, diagonal_inertia: it.diagonal_inertia(), init_state: it.init_state }
    }
}

impl Default for RigidBodyKeys {
    fn default() -> Self {
        RigidBodyConfig::default().into()
    }
}

impl Default for RigidBodyConfig {
    /// The body of `cf2x.usd` with what Foundation writes onto it.
    fn default() -> Self {
        let vehicle = foundation_crazyflie();
        Self { init_state: InitState::default(), vehicle }
    }
}

impl Default for InitState {
    fn default() -> Self {
        Self { pos: [0.0, 0.0, 0.5] }
    }
}

impl Default for GoalConfig {
    fn default() -> Self {
        Self { pos_x: [-2.0, 2.0], pos_y: [-2.0, 2.0], pos_z: [0.5, 1.5] }
    }
}

impl Default for HeightConfig {
    fn default() -> Self {
        Self { minimum: 0.1, maximum: 2.0 }
    }
}

impl Default for DirectConfig {
    fn default() -> Self {
        Self {
            scene: SceneConfig { num_envs: 4096 },
            sim: SimConfig::default(),
            decimation: 2,
            episode_length_s: 10.0,
            thrust_to_weight: 1.9,
            moment_scale: 0.01,
            lin_vel_reward_scale: -0.05,
            ang_vel_reward_scale: -0.01,
            distance_to_goal_reward_scale: 15.0,
            distance_to_goal_std: 0.8,
            goal: GoalConfig::default(),
            course: CourseConfig::default(),
            height: HeightConfig::default(),
            reality: RealityConfig::default(),
            robot: RigidBodyConfig::default(),
        }
    }
}

impl DirectConfig {
    /// Thrust of action 1, N.
    #[must_use]
    pub fn full_thrust(&self) -> f64 {
        self.thrust_to_weight * self.robot.vehicle.weight()
    }
}

impl TaskConfig for DirectConfig {
    const ID: &'static str = DIRECT_TASK;
    const EVALUATION_STEPS: u32 = 500;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        self.env(num_envs, seed)
    }

    fn validate(&self) -> Result<(), String> {
        let spawn = self.robot.init_state.pos;
        let length = |[low, high]: [f64; 2]| high - low;
        let inertia = self.robot.diagonal_inertia();
        check::positive(&[
            ("sim.dt", self.sim.dt),
            ("episode_length_s", self.episode_length_s),
            ("thrust_to_weight", self.thrust_to_weight),
            ("moment_scale", self.moment_scale),
            ("distance_to_goal_std", self.distance_to_goal_std),
            ("robot.mass", self.robot.vehicle.mass),
            ("robot.diagonal_inertia[0]", inertia[0]),
            ("robot.diagonal_inertia[1]", inertia[1]),
            ("robot.diagonal_inertia[2]", inertia[2]),
            ("robot.init_state.pos[2] - height.minimum", spawn[2] - self.height.minimum),
            ("height.maximum - robot.init_state.pos[2]", self.height.maximum - spawn[2]),
        ])?;
        check::not_negative(&[
            ("goal.pos_x[1] - goal.pos_x[0]", length(self.goal.pos_x)),
            ("goal.pos_y[1] - goal.pos_y[0]", length(self.goal.pos_y)),
            ("goal.pos_z[1] - goal.pos_z[0]", length(self.goal.pos_z)),
        ])?;
        check::finite(&[
            ("lin_vel_reward_scale", self.lin_vel_reward_scale),
            ("ang_vel_reward_scale", self.ang_vel_reward_scale),
            ("distance_to_goal_reward_scale", self.distance_to_goal_reward_scale),
            ("robot.init_state.pos[0]", spawn[0]),
            ("robot.init_state.pos[1]", spawn[1]),
        ])?;
        check::at_least(&[
            ("decimation", f64::from(self.decimation), 1.0),
            ("sim.substeps", f64::from(self.sim.substeps), 1.0),
        ])?;
        check::at_most(&[("decimation", f64::from(self.decimation), MOST_DECIMATION)])?;
        self.scene.validate()?;
        self.sim.validate()?;
        self.reality.validate()?;
        self.reality.validate_without_rotors()?;
        course::validate(&self.course)
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    /// `step_dt` of Isaac Lab.
    fn control_period(&self) -> f64 {
        self.sim.dt * f64::from(self.decimation)
    }

    fn episode_length_s(&self) -> f64 {
        self.episode_length_s
    }

    fn vehicle(&self) -> &VehicleParameters {
        self.robot.vehicle()
    }

    fn untimed(&self) -> Self {
        Self { episode_length_s: FOREVER_S, ..self.clone() }
    }

    fn recorded(&self, form: Form) -> Vec<Recorded> {
        TaskRecorder { task: &Direct::new(self), form }.formulas_and_adjoints(&DirectSurrogate::default())
    }
}
