//! Configuration of the RAPTOR environment; names as in RLtools' parameter files.

use eyas_sim::{CourseConfig, LangevinConfig, VehicleParameters};
use eyas_trace::Form;
use eyas_vehicles::{FleetVehicle, crazyflie};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Raptor, RaptorSurrogate};
use crate::check::{self, at_least, at_most, finite, not_negative, positive, share};
use crate::config::MOST_SUBSTEPS;
use crate::course;
use crate::reality::MAX_DELAY_STEPS;
use crate::registry::RAPTOR_TASK;
use crate::task::FOREVER_S;
use crate::{RealityConfig, Recorded, SceneConfig, SimConfig, TaskConfig, TaskRecorder, VecEnv};

/// Configuration of the RAPTOR environment.
///
/// The defaults are those of `src/foundation_policy/pre_training` of RLtools at 460bae06^, with the repairs
/// that [`Protocol::Eyas`] names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RaptorConfig {
    /// Number of envs.
    pub scene: SceneConfig,
    /// Control step and integrator.
    pub sim: SimConfig,
    /// Length of an episode, s. Positive.
    pub episode_length_s: f64,
    /// What is meant by the settings that are left open (null).
    pub protocol: Protocol,
    /// What a policy sees of position and velocity.
    pub observation: Observation,
    /// How episodes start.
    pub init: InitConfig,
    /// What a step is worth.
    pub reward: RewardConfig,
    /// What ends an episode.
    pub termination: TerminationConfig,
    /// Share of episodes whose reference stays at the origin. In `[0, 1]`.
    pub prob_null_trajectory: f64,
    /// The reference's random motion in the other episodes.
    pub langevin: LangevinConfig,
    /// A course that it follows instead.
    pub course: CourseConfig,
    /// What pushes the vehicle.
    pub disturbances: DisturbancesConfig,
    /// How late a policy sees what it sees.
    pub observation_delay: ObservationDelayConfig,
    /// What separates flying from simulating.
    pub reality: RealityConfig,
    /// The vehicle.
    pub robot: VehicleParameters,
}

/// Where the C++ system falls short of what its paper says, and how that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// As the paper says: starts within ten rotor distances of the origin, tilted by up to 90°.
    Eyas,
    /// As the C++ system rolls out and evaluates: starts within 0.5 m of the origin whatever the vehicle's
    /// size, tilted by up to 1 rad.
    Raptor,
}

/// What the group `policy` sees of position and velocity; a teacher sees the errors in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// Their difference to the reference's.
    TrackingError,
    /// Both as they are, as the C++ system distils: the reference is not seen.
    Absolute,
}

/// How episodes start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InitConfig {
    /// Share of episodes that start at the origin, level and not moving. In `[0, 1]`.
    pub guidance: f64,
    /// Limit of each axis of the position, m; null: as the protocol says. At least 0.
    pub max_position: Option<f64>,
    /// Limit of the angle about a random axis, rad; null: as the protocol says. At least 0.
    pub max_angle: Option<f64>,
    /// Share of episodes that start within the limits of protocol `raptor` whatever the protocol. In `[0, 1]`.
    pub raptor_share: f64,
    /// Limit of each axis of the velocity, m/s. At least 0.
    pub max_linear_velocity: f64,
    /// Limit of each axis of the angular velocity, rad/s. At least 0.
    pub max_angular_velocity: f64,
    /// Least rotor speed, as the action that holds it. In `[-1, 1]`.
    pub min_rpm: f64,
    /// Largest rotor speed, as the action that holds it. In `[-1, 1]`, at least `min_rpm`.
    pub max_rpm: f64,
}

/// What a step is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RewardConfig {
    /// Reward of each step.
    pub constant: f64,
    /// Reward of a step that ends in a termination, in place of all else.
    pub termination_penalty: f64,
    /// Weight of the position error in m. At least 0.
    pub position: f64,
    /// Weight of the yaw-like orientation error `2 acos(1 − |q_z|)` in rad. At least 0.
    pub orientation: f64,
    /// Weight of the change of the raw action. At least 0.
    pub d_action: f64,
}

/// Limits beyond which an episode ends, each axis on its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TerminationConfig {
    /// Of the position, m; null: twenty rotor distances of the vehicle. Positive.
    pub position_threshold: Option<f64>,
    /// Of the linear velocity, m/s. Positive.
    pub linear_velocity_threshold: f64,
    /// Of the angular velocity, rad/s. Positive.
    pub angular_velocity_threshold: f64,
}

/// What pushes a vehicle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DisturbancesConfig {
    /// A force that is constant over an episode.
    pub random_force: RandomForce,
}

/// A force drawn once for each episode, each axis of the world frame normally distributed around 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RandomForce {
    /// Standard deviation, N. At least 0.
    pub std: f64,
}

/// How late a policy sees what it sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ObservationDelayConfig {
    /// Of the linear velocity, control steps; before that much has been flown, the start's velocity is seen. At most
    /// 64.
    pub linear_velocity: u32,
}

impl Default for InitConfig {
    fn default() -> Self {
        Self {
            guidance: 0.1,
            max_position: None,
            max_angle: None,
            raptor_share: 0.0,
            max_linear_velocity: 1.0,
            max_angular_velocity: 1.0,
            min_rpm: -1.0,
            max_rpm: 0.0,
        }
    }
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self { constant: 1.5, termination_penalty: -100.0, position: 1.0, orientation: 0.1, d_action: 1.0 }
    }
}

impl Default for TerminationConfig {
    fn default() -> Self {
        Self { position_threshold: None, linear_velocity_threshold: 2.0, angular_velocity_threshold: 35.0 }
    }
}

impl Default for RaptorConfig {
    fn default() -> Self {
        Self {
            scene: SceneConfig::default(),
            sim: SimConfig::default(),
            episode_length_s: 5.0,
            protocol: Protocol::Eyas,
            observation: Observation::TrackingError,
            init: InitConfig::default(),
            reward: RewardConfig::default(),
            termination: TerminationConfig::default(),
            prob_null_trajectory: 0.5,
            langevin: LangevinConfig { gamma: 1.0, omega: 2.0, sigma: 0.5, alpha: 0.01 },
            course: CourseConfig::default(),
            disturbances: DisturbancesConfig::default(),
            observation_delay: ObservationDelayConfig::default(),
            reality: RealityConfig::default(),
            robot: crazyflie(),
        }
    }
}

/// Starts of the C++ system, m and rad.
pub(super) const RAPTOR_MAX_POSITION: f64 = 0.5;
pub(super) const RAPTOR_MAX_ANGLE: f64 = 1.0;

impl RaptorConfig {
    /// What separates flying from simulating, with the delay that has a key of its own.
    pub(super) fn flown_reality(&self) -> RealityConfig {
        let mut reality = self.reality.clone();
        let delay = self.observation_delay.linear_velocity;
        if delay > 0 {
            reality.observation_delay.velocity_steps = [delay; 2];
        }
        reality
    }

    /// The configured vehicle.
    #[must_use]
    pub fn fleet_vehicle(&self) -> FleetVehicle {
        FleetVehicle {
            id: String::new(),
            dynamics: self.robot.clone(),
            random_force_std: self.disturbances.random_force.std,
            max_position: None,
            position_threshold: None,
        }
    }

    /// The same for another vehicle, with what its file says of how it is flown where nothing else is set.
    #[must_use]
    pub fn of(&self, vehicle: &FleetVehicle) -> Self {
        let mut config = self.clone();
        config.robot = vehicle.dynamics.clone();
        config.disturbances.random_force.std = vehicle.random_force_std;
        config.init.max_position = Some(self.max_start_position(vehicle));
        config.termination.position_threshold = Some(self.position_threshold(vehicle));
        config
    }

    /// Limit of each axis of the start position of a vehicle, m.
    #[must_use]
    pub fn max_start_position(&self, vehicle: &FleetVehicle) -> f64 {
        self.init.max_position.unwrap_or_else(|| match self.protocol {
            Protocol::Eyas => vehicle.max_position.unwrap_or(10.0 * vehicle.dynamics.rotor_distance()),
            Protocol::Raptor => RAPTOR_MAX_POSITION,
        })
    }

    /// Limit of the start's angle, rad.
    #[must_use]
    pub fn max_start_angle(&self) -> f64 {
        self.init.max_angle.unwrap_or(match self.protocol {
            Protocol::Eyas => std::f64::consts::FRAC_PI_2,
            Protocol::Raptor => RAPTOR_MAX_ANGLE,
        })
    }

    /// Limit of each axis of the position of a vehicle, m.
    #[must_use]
    pub fn position_threshold(&self, vehicle: &FleetVehicle) -> f64 {
        let of_vehicle = vehicle.position_threshold.unwrap_or(20.0 * vehicle.dynamics.rotor_distance());
        self.termination.position_threshold.unwrap_or(of_vehicle)
    }
}

/// Longest Runge–Kutta step, in time constants of a rotor, that is left as it is configured: from 2.785 on a step is unstable,
/// and at this one an error has shrunk to a third.
const LONGEST_STEP: f64 = 2.0;

impl RaptorConfig {
    /// The same with steps that the fastest rotor of a fleet can follow: no longer than its time constant, where those that are
    /// configured are longer than two of them.
    pub(super) fn settled(&self, fleet: &[FleetVehicle]) -> Self {
        let lags = fleet.iter().flat_map(|it| {
            let it = &it.dynamics;
            it.rotor_time_constants_rising.into_iter().chain(it.rotor_time_constants_falling)
        });
        let shortest = lags.fold(f64::INFINITY, f64::min);
        let mut settled = self.clone();
        if self.sim.dt / f64::from(self.sim.substeps) > LONGEST_STEP * shortest {
            settled.sim.substeps = (self.sim.dt / shortest).ceil().min(MOST_SUBSTEPS) as u32;
        }
        settled
    }
}

impl TaskConfig for RaptorConfig {
    const ID: &'static str = RAPTOR_TASK;
    const EVALUATION_STEPS: u32 = 500;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        self.env(num_envs, seed)
    }

    fn validate(&self) -> Result<(), String> {
        let Self { init, reward, termination, langevin, .. } = self;
        let vehicle = self.fleet_vehicle();
        positive(&[
            ("sim.dt", self.sim.dt),
            ("episode_length_s", self.episode_length_s),
            ("termination.position_threshold", self.position_threshold(&vehicle)),
            ("termination.linear_velocity_threshold", termination.linear_velocity_threshold),
            ("termination.angular_velocity_threshold", termination.angular_velocity_threshold),
        ])?;
        not_negative(&[
            ("init.max_position", self.max_start_position(&vehicle)),
            ("init.max_angle", self.max_start_angle()),
            ("init.max_linear_velocity", init.max_linear_velocity),
            ("init.max_angular_velocity", init.max_angular_velocity),
            ("init.max_rpm - init.min_rpm", init.max_rpm - init.min_rpm),
            ("init.min_rpm + 1", init.min_rpm + 1.0),
            ("1 - init.max_rpm", 1.0 - init.max_rpm),
            ("reward.position", reward.position),
            ("reward.orientation", reward.orientation),
            ("reward.d_action", reward.d_action),
            ("langevin.gamma", langevin.gamma),
            ("langevin.omega", langevin.omega),
            ("langevin.sigma", langevin.sigma),
            ("disturbances.random_force.std", self.disturbances.random_force.std),
        ])?;
        share(&[
            ("init.guidance", init.guidance),
            ("init.raptor_share", init.raptor_share),
            ("prob_null_trajectory", self.prob_null_trajectory),
            ("langevin.alpha", langevin.alpha),
        ])?;
        finite(&[
            ("reward.constant", reward.constant),
            ("reward.termination_penalty", reward.termination_penalty),
        ])?;
        let delay = f64::from(self.observation_delay.linear_velocity);
        at_most(&[("observation_delay.linear_velocity", delay, f64::from(MAX_DELAY_STEPS))])?;
        self.reality.validate()?;
        let velocity_steps = self.reality.observation_delay.velocity_steps;
        if delay > 0.0 && velocity_steps != [0; 2] {
            return Err(format!(
                "`env.observation_delay.linear_velocity` = {delay}, expected 0 beside \
                 `env.reality.observation_delay.velocity_steps` = {velocity_steps:?}, which delays the same"
            ));
        }
        at_least(&[("sim.substeps", f64::from(self.sim.substeps), 1.0)])?;
        self.scene.validate()?;
        self.sim.validate()?;
        check::langevin("env.langevin", langevin, self.control_period())?;
        course::validate(&self.course)?;
        check::vehicle(&self.robot)
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    fn control_period(&self) -> f64 {
        self.sim.dt
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
        TaskRecorder { task: &Raptor::new(&self.settled(&[self.fleet_vehicle()])), form }
            .formulas_and_adjoints(&RaptorSurrogate::default())
    }
}
