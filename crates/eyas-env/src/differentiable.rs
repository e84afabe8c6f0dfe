//! Tasks whose cost can be differentiated through policy, motors and physics.

use eyas_lanes::Row;
use serde::{Deserialize, Serialize};

use crate::{EnvBlock, EnvSpec, Step};

/// Smooth stand-in for a task's reward: its costs without their kinks, and barriers that rise before its
/// terminations, which have no gradient of their own.
///
/// Weights and scales of the costs themselves are the task's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SurrogateConfig {
    /// Below this distance the cost of the position error is rounded off, m. Positive.
    pub position_rounding_m: f64,
    /// The magnitude of `q_z` is taken to be at least this, where the slope of `acos(1 − |q_z|)` is infinite. In `(0, 1)`.
    pub orientation_cusp: f64,
    /// Below this the cost of the set-point's change is rounded off. Positive.
    pub d_action_rounding: f64,
    /// Before the limit of speed along a world axis; measured in m/s.
    pub linear_velocity_barrier: Barrier,
    /// Before the limit of angular velocity about a body axis; measured in rad/s.
    pub angular_velocity_barrier: Barrier,
    /// Before the limit of tilt; measured in the cosine of the tilt.
    pub tilt_barrier: Barrier,
    /// Before the limit of the distance from the spawn point; measured in m.
    pub position_barrier: Barrier,
    /// Weight of the square by which an action leaves `[-1, 1]`, where it has no effect. At least 0.
    pub saturation_weight: f64,
}

/// A cost `weight · relu(x − (limit − reach))²` that rises before `x` reaches a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Barrier {
    /// How far before the limit it begins, in the unit of what is limited. At least 0.
    pub reach: f64,
    /// Cost of a violation of 1. At least 0.
    pub weight: f64,
}

impl Default for SurrogateConfig {
    /// The barriers of tilt and speed were measured on the point task, where a tilt barrier of reach 0.35 loses
    /// 12 % of the Langevin episodes at an error of 0.26 m, 0.45 loses 3 % at 0.275 m, and 0.6 loses 1 % at
    /// 0.30 m. See `docs/algorithms/apg.md`.
    fn default() -> Self {
        Self {
            position_rounding_m: 1e-3,
            orientation_cusp: 2e-4,
            d_action_rounding: 1e-3,
            linear_velocity_barrier: Barrier { reach: 0.7, weight: 60.0 },
            angular_velocity_barrier: Barrier { reach: 10.0, weight: 0.02 },
            tilt_barrier: Barrier { reach: 0.45, weight: 20.0 },
            position_barrier: Barrier { reach: 1.0, weight: 1.0 },
            saturation_weight: 0.1,
        }
    }
}

impl SurrogateConfig {
    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [
            ("position_rounding_m", self.position_rounding_m),
            ("orientation_cusp", self.orientation_cusp),
            ("1 - orientation_cusp", 1.0 - self.orientation_cusp),
            ("d_action_rounding", self.d_action_rounding),
        ];
        for (name, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("`surrogate.{name}` = {value}, expected a positive number"));
            }
        }
        let not_negative = [
            ("linear_velocity_barrier.reach", self.linear_velocity_barrier.reach),
            ("linear_velocity_barrier.weight", self.linear_velocity_barrier.weight),
            ("angular_velocity_barrier.reach", self.angular_velocity_barrier.reach),
            ("angular_velocity_barrier.weight", self.angular_velocity_barrier.weight),
            ("tilt_barrier.reach", self.tilt_barrier.reach),
            ("tilt_barrier.weight", self.tilt_barrier.weight),
            ("position_barrier.reach", self.position_barrier.reach),
            ("position_barrier.weight", self.position_barrier.weight),
            ("saturation_weight", self.saturation_weight),
        ];
        for (name, value) in not_negative {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(format!("`surrogate.{name}` = {value}, expected a number of at least 0"));
            }
        }
        Ok(())
    }
}

/// A block of episodes whose steps can be differentiated.
///
/// A derivative is that of the summed surrogate cost, lane by lane. Going back in time, a caller hands the
/// derivative with respect to the state after a step to [`pull_back_step`](Self::pull_back_step), takes that
/// with respect to the action back through its policy, and hands that with respect to the observation to
/// [`pull_back_observation`](Self::pull_back_observation). What is drawn at random, such as a target's
/// motion, counts as given.
pub trait DifferentiableBlock: EnvBlock {
    /// What going back through one control step needs to know of it.
    type Record: Clone + Default + Send;
    /// Derivative with respect to the state between two steps.
    type Derivative: Clone + Default + Send;

    /// [`EnvBlock::step`], with a record of it.
    fn step_recorded(&mut self, action: &[Row], record: &mut Self::Record) -> Step;

    /// Surrogate cost of a recorded step. `derivative` changes from the one after the step to the one before,
    /// less what the observation adds; `action` becomes that with respect to the action.
    fn pull_back_step(
        &self,
        surrogate: &SurrogateConfig,
        record: &Self::Record,
        derivative: &mut Self::Derivative,
        action: &mut [Row],
    ) -> Row;

    /// Adds to `derivative` what the observation before a recorded step passes on.
    fn pull_back_observation(
        &self,
        record: &Self::Record,
        observation: &[Row],
        derivative: &mut Self::Derivative,
    );

    /// Forgets the derivative in some lanes: no cost of the next episode depends on the one before.
    fn forget(mask: u32, derivative: &mut Self::Derivative);
}

/// A task that offers [`DifferentiableBlock`]s.
pub trait DifferentiableTask {
    /// Its blocks.
    type Block: DifferentiableBlock;

    /// What the task observes, takes and ends by.
    fn spec(&self) -> EnvSpec;

    /// Blocks of 32 envs whose every draw is keyed by `seed`; all wait for a reset.
    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<Self::Block>;

    /// Typical value and deviation of each observation feature in flight.
    fn typical_observation(&self) -> Vec<(f32, f32)>;

    /// Action that keeps a vehicle at rest.
    fn hover_action(&self) -> Vec<f32>;
}
