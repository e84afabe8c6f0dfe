//! Configuration of the formation task; names as in Isaac Lab and in the point task.

use std::f64::consts::PI;

use eyas_sim::{CourseConfig, LangevinConfig, Vector, VehicleParameters, norm, sub};
use eyas_trace::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Formation;
use super::downwash::DownwashConfig;
use crate::config::MOST_DECIMATION;
use crate::multi_agent::{MAX_AGENTS, multi_agent_to_single_agent};
use crate::registry::FORMATION_TASK;
use crate::task::FOREVER_S;
use crate::{
    PointConfig, Recorded, SceneConfig, SimConfig, TaskConfig, TaskRecorder, Thresholds, VecEnv, check,
    course,
};

/// Configuration of the formation task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FormationConfig {
    /// Number of envs.
    pub scene: SceneConfig,
    /// Time step.
    pub sim: SimConfig,
    /// Simulation steps in a control step. At least 1.
    pub decimation: u32,
    /// Length of an episode, s. Positive.
    pub episode_length_s: f64,
    /// Vehicles of each env, the agents `quad_0`, `quad_1`, …. At least 2, at most 8.
    pub num_agents: usize,
    /// Where each vehicle flies around the centre.
    pub formation: PlacesConfig,
    /// Width of the env's state: -1 for the observations of all agents, 0 for none, else that of the task's own state,
    /// 18 for each vehicle and 6.
    pub state_space: i32,
    /// Whether the policy of all agents observes the state instead of their observations.
    pub state_as_observation: bool,
    /// Share of episodes in which the centre stays where it is. In `[0, 1]`.
    pub prob_null_trajectory: f64,
    /// Share of episodes in which all vehicles start at rest in their places. In `[0, 1]`.
    pub prob_perfect_start: f64,
    /// Radius of the ball of start positions around each place, m. At least 0.
    pub init_position_radius: f64,
    /// Radius of the ball of start velocities, m/s. At least 0.
    pub init_linear_velocity: f64,
    /// Radius of the ball of start angular velocities, rad/s. At least 0.
    pub init_angular_velocity: f64,
    /// Limit of roll, pitch and yaw at the start, rad. In `[0, 1.5]`.
    pub init_angle: f64,
    /// Limits of an episode's maximum speed of the centre, m/s. Ascending, at least 0.
    pub langevin_max_speed: [f64; 2],
    /// The centre's random motion.
    pub langevin: LangevinConfig,
    /// A course that the centre follows instead.
    pub course: CourseConfig,
    /// What ends the flight of a vehicle; positions are those relative to its place at the start.
    pub thresholds: Thresholds,
    /// Distance below which two vehicles collide, m. At least 0.
    pub collision_distance: f64,
    /// Whether a collision ends the flight of all vehicles of the env, not only of the two.
    pub end_on_collision: bool,
    /// Distance below which two vehicles are too near, m. Positive.
    pub proximity_distance: f64,
    /// Weight of the distance to a vehicle's place, m. At least 0.
    pub reward_coef_position_cost: f64,
    /// Weight of the yaw-like orientation error in rad. At least 0.
    pub reward_coef_orientation_cost: f64,
    /// Weight of the change of the set-point. At least 0.
    pub reward_coef_d_action_cost: f64,
    /// Weight of how far others are within `proximity_distance`, as a share of it. At least 0.
    pub reward_coef_proximity_cost: f64,
    /// Penalty of a crash. At least 0.
    pub reward_coef_termination_penalty: f64,
    /// Reward of each step that a vehicle flies.
    pub reward_constant: f64,
    /// The air that one vehicle pushes down on another.
    pub downwash: DownwashConfig,
    /// Time constant of the motors, s. At least 0.
    pub motor_tau: f64,
    /// The vehicle, alike for all agents.
    pub robot: VehicleParameters,
}

/// Where the vehicles fly around the centre of a formation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlacesConfig {
    /// How they stand.
    pub shape: Shape,
    /// Distance between neighbours, m. Positive.
    pub spacing: f64,
    /// Places of the shape `offsets`, one for each vehicle: from the centre, world frame, m.
    pub offsets: Vec<[f64; 3]>,
}

/// How vehicles stand around the centre of a formation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// On the corners of a level regular polygon; the first in front, the others counterclockwise.
    Polygon,
    /// Abreast, from left to right.
    Line,
    /// At the given `offsets`.
    Offsets,
}

impl Default for PlacesConfig {
    fn default() -> Self {
        Self { shape: Shape::Polygon, spacing: 0.8, offsets: Vec::new() }
    }
}

impl PlacesConfig {
    /// Places of `count` vehicles from the centre, world frame, m.
    #[must_use]
    pub fn places(&self, count: usize) -> Vec<Vector<f64>> {
        let total = count as f64;
        // Neighbours on a circle are a chord apart.
        let radius = 0.5 * self.spacing / libm::sin(PI / total);
        let place = |index: usize| {
            let index = index as f64;
            match self.shape {
                Shape::Polygon => {
                    let (sin, cos) = libm::sincos(2.0 * PI * index / total);
                    [radius * cos, radius * sin, 0.0]
                }
                Shape::Line => [0.0, self.spacing * (0.5 * (total - 1.0) - index), 0.0],
                Shape::Offsets => unreachable!("offsets are the places themselves"),
            }
        };
        match self.shape {
            Shape::Offsets => self.offsets.clone(),
            Shape::Polygon | Shape::Line => (0..count).map(place).collect(),
        }
    }

    fn validate(&self, count: usize) -> Result<(), String> {
        check::positive(&[("formation.spacing", self.spacing)])?;
        let given = self.offsets.len();
        if self.shape == Shape::Offsets && given != count {
            return Err(format!(
                "`env.formation.offsets` has {given} places, expected {count}: one for each of `env.num_agents`"
            ));
        }
        match self.offsets.iter().flatten().find(|value| !value.is_finite()) {
            Some(value) => Err(format!("`env.formation.offsets` has {value}, expected finite numbers")),
            None => Ok(()),
        }
    }
}

impl Default for FormationConfig {
    fn default() -> Self {
        let point = PointConfig::default();
        Self {
            scene: point.scene,
            sim: point.sim,
            decimation: point.decimation,
            episode_length_s: 20.0,
            num_agents: 3,
            formation: PlacesConfig::default(),
            state_space: -1,
            state_as_observation: false,
            prob_null_trajectory: point.prob_null_trajectory,
            prob_perfect_start: point.prob_perfect_start,
            init_position_radius: 0.2,
            init_linear_velocity: 0.5,
            init_angular_velocity: 1.0,
            init_angle: 0.5,
            langevin_max_speed: [0.5, 1.5],
            langevin: point.langevin,
            course: CourseConfig::default(),
            thresholds: point.thresholds,
            collision_distance: 0.15,
            end_on_collision: false,
            proximity_distance: 0.4,
            reward_coef_position_cost: point.reward_coef_position_cost,
            reward_coef_orientation_cost: point.reward_coef_orientation_cost,
            reward_coef_d_action_cost: point.reward_coef_d_action_cost,
            reward_coef_proximity_cost: 1.0,
            reward_coef_termination_penalty: point.reward_coef_termination_penalty,
            reward_constant: point.reward_constant,
            downwash: DownwashConfig::default(),
            motor_tau: point.motor_tau,
            robot: point.robot,
        }
    }
}

impl FormationConfig {
    /// Width of the task's own state.
    pub(super) fn own_state(&self) -> usize {
        18 * self.num_agents + 6
    }
}

impl TaskConfig for FormationConfig {
    const ID: &'static str = FORMATION_TASK;
    const EVALUATION_STEPS: u32 = 2000;

    /// All vehicles as one agent.
    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        let env = multi_agent_to_single_agent(self.agents(num_envs, seed), self.state_as_observation);
        Box::new(env.expect("`validate` asks for a state where it is the observation"))
    }

    fn validate(&self) -> Result<(), String> {
        check::positive(&[
            ("sim.dt", self.sim.dt),
            ("episode_length_s", self.episode_length_s),
            ("proximity_distance", self.proximity_distance),
        ])?;
        let [slow, fast] = self.langevin_max_speed;
        check::not_negative(&[
            ("init_position_radius", self.init_position_radius),
            ("init_linear_velocity", self.init_linear_velocity),
            ("init_angular_velocity", self.init_angular_velocity),
            ("init_angle", self.init_angle),
            ("langevin_max_speed[0]", slow),
            ("langevin_max_speed[1] - langevin_max_speed[0]", fast - slow),
            ("collision_distance", self.collision_distance),
            ("reward_coef_position_cost", self.reward_coef_position_cost),
            ("reward_coef_orientation_cost", self.reward_coef_orientation_cost),
            ("reward_coef_d_action_cost", self.reward_coef_d_action_cost),
            ("reward_coef_proximity_cost", self.reward_coef_proximity_cost),
            ("reward_coef_termination_penalty", self.reward_coef_termination_penalty),
            ("motor_tau", self.motor_tau),
            ("langevin.gamma", self.langevin.gamma),
            ("langevin.omega", self.langevin.omega),
            ("langevin.sigma", self.langevin.sigma),
        ])?;
        check::share(&[
            ("prob_null_trajectory", self.prob_null_trajectory),
            ("prob_perfect_start", self.prob_perfect_start),
            ("langevin.alpha", self.langevin.alpha),
        ])?;
        check::at_least(&[
            ("decimation", f64::from(self.decimation), 1.0),
            ("sim.substeps", f64::from(self.sim.substeps), 1.0),
            ("num_agents", self.num_agents as f64, 2.0),
        ])?;
        check::at_most(&[
            ("decimation", f64::from(self.decimation), MOST_DECIMATION),
            ("num_agents", self.num_agents as f64, MAX_AGENTS as f64),
            ("init_angle", self.init_angle, 1.5),
        ])?;
        self.thresholds.validate()?;
        self.scene.validate()?;
        self.sim.validate()?;
        check::langevin("env.langevin", &self.langevin, self.control_period())?;
        course::validate(&self.course)?;
        self.downwash.validate()?;
        self.formation.validate(self.num_agents)?;
        self.validate_starts()?;
        self.validate_state()?;
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
        TaskRecorder { task: &Formation::new(self), form }.formulas_of_agents()
    }
}

impl FormationConfig {
    /// No two vehicles collide where they start.
    fn validate_starts(&self) -> Result<(), String> {
        let places = self.formation.places(self.num_agents);
        let nearest = (1..places.len())
            .flat_map(|one| (0..one).map(move |other| (one, other)))
            .map(|(one, other)| norm(sub(places[one], places[other])))
            .fold(f64::INFINITY, f64::min);
        if nearest - 2.0 * self.init_position_radius > self.collision_distance {
            return Ok(());
        }
        Err(format!(
            "`env.init_position_radius` = {}, expected less than half of what the nearest places of the formation, \
             {nearest} m, are apart beyond `env.collision_distance` = {}: vehicles would collide where they start",
            self.init_position_radius, self.collision_distance
        ))
    }

    fn validate_state(&self) -> Result<(), String> {
        let own = self.own_state();
        if self.state_space > 0 && self.state_space as usize != own || self.state_space < -1 {
            return Err(format!(
                "`env.state_space` = {}, expected -1 for the observations of all agents, 0 for none or {own} for the \
                 state of {} vehicles",
                self.state_space, self.num_agents
            ));
        }
        if self.state_as_observation && self.state_space == 0 {
            return Err("`env.state_as_observation` = true with `env.state_space` = 0, expected a state to observe: -1 \
                        or the width of the task's own state"
                .into());
        }
        Ok(())
    }
}
