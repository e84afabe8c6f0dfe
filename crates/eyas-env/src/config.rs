//! What the configurations of several tasks share; names as in Isaac Lab.

use std::f64::consts::FRAC_PI_2;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check;
use crate::formulas::upright_at;

/// Number of envs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SceneConfig {
    /// Environments flown side by side. At least 1.
    pub num_envs: usize,
}

/// Time step and integrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimConfig {
    /// Simulation step, s. Positive.
    pub dt: f64,
    /// Runge–Kutta steps in a simulation step. At least 1.
    pub substeps: u32,
    /// Where to compute: `cpu`; `auto` chooses it.
    pub device: String,
}

/// More simulation steps in a control step than any task asks for.
pub(crate) const MOST_DECIMATION: f64 = 1000.0;
/// Of a rotor that is as fast as that nothing is left of its lag.
pub(crate) const MOST_SUBSTEPS: f64 = 1e5;

/// Limits beyond which an episode ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Distance from the spawn point, m. Positive.
    pub position: f64,
    /// Distance of the target from the spawn point, m. Positive.
    pub position_langevin: f64,
    /// Velocity along each world axis, m/s. Positive.
    pub linear_velocity: f64,
    /// Angular velocity about each body axis, rad/s. Positive.
    pub angular_velocity: f64,
    /// Tilt, rad; from π on there is no limit. Positive.
    pub tilt: f64,
}

impl Thresholds {
    /// Checks ranges; the message names key, value and range.
    pub(crate) fn validate(&self) -> Result<(), String> {
        check::positive(&[
            ("thresholds.position", self.position),
            ("thresholds.position_langevin", self.position_langevin),
            ("thresholds.linear_velocity", self.linear_velocity),
            ("thresholds.angular_velocity", self.angular_velocity),
            ("thresholds.tilt", self.tilt),
        ])
    }

    /// The cosine of the tilt below which an episode ends.
    pub(crate) fn least_upright(&self) -> f64 {
        if self.tilt < std::f64::consts::PI { upright_at(self.tilt) } else { f64::NEG_INFINITY }
    }
}

impl Default for SceneConfig {
    fn default() -> Self {
        Self { num_envs: 512 }
    }
}

impl SceneConfig {
    /// Checks ranges; the message names key, value and range.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let num_envs = self.num_envs as f64;
        check::at_least(&[("scene.num_envs", num_envs, 1.0)])?;
        // Env indices are 32-bit counters of the random streams.
        check::at_most(&[("scene.num_envs", num_envs, f64::from(1 << 24))])
    }
}

impl SimConfig {
    /// Checks what this build can do, and that a step ends.
    pub(crate) fn validate(&self) -> Result<(), String> {
        check::at_most(&[("sim.substeps", f64::from(self.substeps), MOST_SUBSTEPS)])?;
        check_device("env.sim.device", &self.device)
    }
}

/// Checks that this build can compute where a key says; `auto` is wherever it computes.
pub fn check_device(key: &str, device: &str) -> Result<(), String> {
    if ["cpu", "auto"].contains(&device) {
        return Ok(());
    }
    Err(format!("`{key}` = \"{device}\", expected \"cpu\" or \"auto\": this build computes on the CPU"))
}

impl Default for SimConfig {
    fn default() -> Self {
        Self { dt: 0.01, substeps: 1, device: "cpu".into() }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            position: 15.0,
            position_langevin: 14.0,
            linear_velocity: 4.0,
            angular_velocity: 35.0,
            tilt: FRAC_PI_2,
        }
    }
}
