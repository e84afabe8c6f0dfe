//! Tasks by their configuration.

use std::fmt::Debug;

use eyas_sim::VehicleParameters;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::multi_agent::multi_agent_to_single_agent;
use crate::registry::{DIRECT_TASK, FORMATION_TASK, MANAGER_TASK, POINT_TASK, RAPTOR_TASK};
use crate::{
    DirectConfig, DirectEnv, EnvSpec, FormationConfig, FormationEnv, ManagerConfig, ManagerEnv, PointConfig,
    PointEnv, RaptorConfig, RaptorEnv, VecEnv,
};

/// The configuration of a task, and what there is to know of the task itself.
pub trait TaskConfig:
    Clone + Debug + PartialEq + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// Its id.
    const ID: &'static str;
    /// Control steps of an episode that measures a policy.
    const EVALUATION_STEPS: u32;

    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv>;

    /// What the task observes, takes and ends by.
    fn spec(&self) -> EnvSpec {
        self.make(1, 0).spec().clone()
    }

    /// Checks ranges; the message names key, value and range.
    fn validate(&self) -> Result<(), String>;

    /// Number of envs.
    fn num_envs(&self) -> usize;

    /// Control period, s.
    fn control_period(&self) -> f64;

    /// What flies.
    fn vehicle(&self) -> &VehicleParameters;

    /// The same without a time limit that one could reach.
    fn untimed(&self) -> Self;
}

/// A time limit that no episode reaches, s.
const FOREVER_S: f64 = 1e6;

impl TaskConfig for PointConfig {
    const ID: &'static str = POINT_TASK;
    const EVALUATION_STEPS: u32 = 2000;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(PointEnv::new(self, num_envs, seed))
    }

    fn validate(&self) -> Result<(), String> {
        self.validate()
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    fn control_period(&self) -> f64 {
        self.control_period()
    }

    fn vehicle(&self) -> &VehicleParameters {
        &self.robot
    }

    fn untimed(&self) -> Self {
        Self { episode_length_s: FOREVER_S, ..self.clone() }
    }
}

impl TaskConfig for DirectConfig {
    const ID: &'static str = DIRECT_TASK;
    const EVALUATION_STEPS: u32 = 500;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(DirectEnv::new(self, num_envs, seed))
    }

    fn validate(&self) -> Result<(), String> {
        self.validate()
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    fn control_period(&self) -> f64 {
        self.control_period()
    }

    fn vehicle(&self) -> &VehicleParameters {
        self.robot.vehicle()
    }

    fn untimed(&self) -> Self {
        Self { episode_length_s: FOREVER_S, ..self.clone() }
    }
}

impl TaskConfig for RaptorConfig {
    const ID: &'static str = RAPTOR_TASK;
    const EVALUATION_STEPS: u32 = 500;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(RaptorEnv::new(self, num_envs, seed))
    }

    fn validate(&self) -> Result<(), String> {
        self.validate()
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    fn control_period(&self) -> f64 {
        self.sim.dt
    }

    fn vehicle(&self) -> &VehicleParameters {
        &self.robot
    }

    fn untimed(&self) -> Self {
        Self { episode_length_s: FOREVER_S, ..self.clone() }
    }
}

impl TaskConfig for ManagerConfig {
    const ID: &'static str = MANAGER_TASK;
    const EVALUATION_STEPS: u32 = 2000;

    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(ManagerEnv::new(self, num_envs, seed))
    }

    fn validate(&self) -> Result<(), String> {
        self.validate()
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    fn control_period(&self) -> f64 {
        self.control_period()
    }

    fn vehicle(&self) -> &VehicleParameters {
        &self.robot
    }

    fn untimed(&self) -> Self {
        Self { episode_length_s: FOREVER_S, ..self.clone() }
    }
}

impl TaskConfig for FormationConfig {
    const ID: &'static str = FORMATION_TASK;
    const EVALUATION_STEPS: u32 = 2000;

    /// All vehicles as one agent.
    fn make(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        let env = FormationEnv::new(self, num_envs, seed);
        let env = multi_agent_to_single_agent(env, self.state_as_observation);
        Box::new(env.expect("`validate` asks for a state where it is the observation"))
    }

    fn validate(&self) -> Result<(), String> {
        self.validate()
    }

    fn num_envs(&self) -> usize {
        self.scene.num_envs
    }

    fn control_period(&self) -> f64 {
        self.control_period()
    }

    fn vehicle(&self) -> &VehicleParameters {
        &self.robot
    }

    fn untimed(&self) -> Self {
        Self { episode_length_s: FOREVER_S, ..self.clone() }
    }
}
