//! Configuration of the point task; names as in Isaac Lab and Foundation.

use eyas_sim::{CourseConfig, CourseKind, LangevinConfig, VehicleParameters};
use eyas_trace::Form;
use eyas_vehicles::{FOUNDATION_ARM_LENGTH_M, foundation_crazyflie};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Point, PointSurrogate};
use crate::config::MOST_DECIMATION;
use crate::registry::POINT_TASK;
use crate::task::FOREVER_S;
use crate::{
    RealityConfig, Recorded, SceneConfig, SimConfig, TaskConfig, TaskRecorder, Thresholds, VecEnv, check,
    course,
};

/// Configuration of the point-control task.
///
/// The defaults are those of `quad_point_ctrl_env_single_dense.py` at Foundation c96c262.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PointConfig {
    /// Number of envs.
    pub scene: SceneConfig,
    /// Time step.
    pub sim: SimConfig,
    /// Simulation steps in a control step. At least 1.
    pub decimation: u32,
    /// Length of an episode, s. Positive.
    pub episode_length_s: f64,
    /// What the target does in the episodes that are not hover episodes.
    pub trajectory_type: TrajectoryType,
    /// Share of episodes whose target stays at the spawn point. In `[0, 1]`.
    pub prob_null_trajectory: f64,
    /// Training: random starts and a time limit. Play: start at rest, no time limit.
    pub train_or_play: bool,
    /// Share of training episodes that start at rest. In `[0, 1]`.
    pub prob_perfect_start: f64,
    /// Radius of the ball of start positions, m. At least 0.
    pub init_position_radius: f64,
    /// Radius of the ball of start velocities, m/s. At least 0.
    pub init_linear_velocity: f64,
    /// Radius of the ball of start angular velocities, rad/s. At least 0.
    pub init_angular_velocity: f64,
    /// Limits of an episode's maximum target speed, m/s. Ascending, at least 0.
    pub langevin_max_speed: [f64; 2],
    /// The target's random motion.
    pub langevin: LangevinConfig,
    /// A course that it follows instead, whatever `trajectory_type` is.
    pub course: CourseConfig,
    /// What ends an episode.
    pub thresholds: Thresholds,
    /// Weight of the position error in m. At least 0.
    pub reward_coef_position_cost: f64,
    /// Weight of the yaw-like orientation error in rad. At least 0.
    pub reward_coef_orientation_cost: f64,
    /// Weight of the change of the set-point. At least 0.
    pub reward_coef_d_action_cost: f64,
    /// Penalty of a crash. At least 0.
    pub reward_coef_termination_penalty: f64,
    /// Reward of each step.
    pub reward_constant: f64,
    /// Time constant of the motors, s. At least 0.
    pub motor_tau: f64,
    /// What separates flying from simulating.
    pub reality: RealityConfig,
    /// The vehicle.
    pub robot: VehicleParameters,
}

/// What the target does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrajectoryType {
    /// A second-order random motion.
    Langevin,
    /// The figure-8 of `course`; by default that of the original: 5 s at rest, then at full speed.
    Figure8,
}

impl Default for PointConfig {
    fn default() -> Self {
        let robot = foundation_crazyflie();
        Self {
            scene: SceneConfig::default(),
            sim: SimConfig::default(),
            decimation: 1,
            episode_length_s: 96.0,
            trajectory_type: TrajectoryType::Langevin,
            prob_null_trajectory: 0.5,
            train_or_play: true,
            prob_perfect_start: 0.1,
            init_position_radius: 10.0 * FOUNDATION_ARM_LENGTH_M,
            init_linear_velocity: 1.0,
            init_angular_velocity: 1.0,
            langevin_max_speed: [1.0, 3.0],
            langevin: LangevinConfig { gamma: 0.5, omega: 1.5, sigma: 3.0, alpha: 0.2 },
            course: CourseConfig { rest_s: 5.0, ramp_s: 0.0, ..CourseConfig::default() },
            thresholds: Thresholds::default(),
            reward_coef_position_cost: 1.0,
            reward_coef_orientation_cost: 0.2,
            reward_coef_d_action_cost: 1.0,
            reward_coef_termination_penalty: 100.0,
            reward_constant: 1.5,
            motor_tau: robot.rotor_time_constants_rising[0],
            reality: RealityConfig::default(),
            robot,
        }
    }
}

impl PointConfig {
    /// The course that the target flies, if it is not to move at random.
    pub(super) fn flown_course(&self) -> CourseConfig {
        let original = (self.trajectory_type == TrajectoryType::Figure8).then_some(CourseKind::Figure8);
        CourseConfig { kind: self.course.kind.or(original), ..self.course.clone() }
    }
}

impl TaskConfig for PointConfig {
    const ID: &'static str = POINT_TASK;
    const EVALUATION_STEPS: u32 = 2000;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        self.env(num_envs, seed)
    }

    fn validate(&self) -> Result<(), String> {
        let positive = [("sim.dt", self.sim.dt), ("episode_length_s", self.episode_length_s)];
        let not_negative = [
            ("init_position_radius", self.init_position_radius),
            ("init_linear_velocity", self.init_linear_velocity),
            ("init_angular_velocity", self.init_angular_velocity),
            ("langevin_max_speed[0]", self.langevin_max_speed[0]),
            (
                "langevin_max_speed[1] - langevin_max_speed[0]",
                self.langevin_max_speed[1] - self.langevin_max_speed[0],
            ),
            ("reward_coef_position_cost", self.reward_coef_position_cost),
            ("reward_coef_orientation_cost", self.reward_coef_orientation_cost),
            ("reward_coef_d_action_cost", self.reward_coef_d_action_cost),
            ("reward_coef_termination_penalty", self.reward_coef_termination_penalty),
            ("motor_tau", self.motor_tau),
            ("langevin.gamma", self.langevin.gamma),
            ("langevin.omega", self.langevin.omega),
            ("langevin.sigma", self.langevin.sigma),
            ("langevin.alpha", self.langevin.alpha),
        ];
        let shares = [
            ("prob_null_trajectory", self.prob_null_trajectory),
            ("prob_perfect_start", self.prob_perfect_start),
            ("langevin.alpha", self.langevin.alpha),
        ];
        check::positive(&positive)?;
        self.thresholds.validate()?;
        check::not_negative(&not_negative)?;
        check::share(&shares)?;
        check::at_least(&[
            ("decimation", f64::from(self.decimation), 1.0),
            ("sim.substeps", f64::from(self.sim.substeps), 1.0),
        ])?;
        check::at_most(&[("decimation", f64::from(self.decimation), MOST_DECIMATION)])?;
        self.scene.validate()?;
        self.sim.validate()?;
        self.reality.validate()?;
        check::langevin("env.langevin", &self.langevin, self.control_period())?;
        course::validate(&self.flown_course())?;
        check::vehicle(&self.robot)
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
        TaskRecorder { task: &Point::new(self), form }.formulas_and_adjoints(&PointSurrogate::default())
    }
}
