//! Tasks whose cost can be differentiated through policy, motors and physics.

use std::fmt::Debug;

use eyas_lanes::{HALVES, Kernel, Lanes, Real, Row, dispatch};
use eyas_sim::{State, Vector, dot, scale};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::rows::bits_of;
use crate::{EnvBlock, Step, TaskConfig};

/// Smooth stand-in for a task's reward: its costs without their kinks, and barriers that rise before its
/// terminations, which have no gradient of their own.
///
/// Weights and scales of the costs themselves are the task's.
pub trait Surrogate:
    Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static
{
    /// Checks ranges; the message names key, value and range.
    fn validate(&self) -> Result<(), String>;
}

/// A cost `weight · relu(x − (limit − reach))²` that rises before `x` reaches a limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Barrier {
    /// How far before the limit it begins, in the unit of what is limited. At least 0.
    pub reach: f64,
    /// Cost of a violation of 1. At least 0.
    pub weight: f64,
}

/// Checks ranges of a surrogate's settings; the message names key, value and range.
pub(crate) fn check_surrogate(
    positive: &[(&str, f64)],
    barriers: &[(&str, Barrier)],
    not_negative: &[(&str, f64)],
) -> Result<(), String> {
    for (name, value) in positive {
        if !(*value > 0.0 && value.is_finite()) {
            return Err(format!("`agent.algorithm.surrogate.{name}` = {value}, expected a positive number"));
        }
    }
    let parts = barriers.iter().flat_map(|(name, barrier)| {
        [(format!("{name}.reach"), barrier.reach), (format!("{name}.weight"), barrier.weight)]
    });
    let rest = not_negative.iter().map(|(name, value)| ((*name).to_owned(), *value));
    for (name, value) in parts.chain(rest) {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(format!(
                "`agent.algorithm.surrogate.{name}` = {value}, expected a number of at least 0"
            ));
        }
    }
    Ok(())
}

impl Barrier {
    /// Its value and slope at `x`, given the limit.
    #[inline(always)]
    pub(crate) fn at<R: Real>(self, limit: R, x: R) -> (R, R) {
        let excess = (x - (limit - R::constant(self.reach))).max(R::zero());
        let slope = R::constant(self.weight) * excess;
        (slope * excess, slope + slope)
    }

    /// The same before the limit of `|x|`.
    #[inline(always)]
    pub(crate) fn at_size<R: Real>(self, limit: R, x: R) -> (R, R) {
        let (value, slope) = self.at(limit, x.abs());
        (value, R::select(x.less(R::zero()), -slope, slope))
    }

    /// Values of the barriers before the limits of each axis, summed; the slopes are added to `derivative`.
    #[inline(always)]
    pub(crate) fn add_axes<R: Real>(self, limit: R, x: Vector<R>, derivative: &mut Vector<R>) -> R {
        let mut sum = R::zero();
        for axis in 0..3 {
            let (value, slope) = self.at_size(limit, x[axis]);
            sum = sum + value;
            derivative[axis] = derivative[axis] + slope;
        }
        sum
    }
}

/// `weight (√(‖x‖² + r²) − r)`: a distance without its kink, and its slope.
#[inline(always)]
pub(crate) fn rounded_distance<R: Real>(weight: f64, rounding: f64, x: Vector<R>) -> (R, Vector<R>) {
    let distance = (dot(x, x) + R::constant(rounding * rounding)).sqrt();
    let weight = R::constant(weight);
    (weight * (distance - R::constant(rounding)), scale(weight / distance, x))
}

/// `weight · acos(1 − |q_z|)` and its slope along `q_z`, with a parabola nearer to the kink than `cusp`.
#[inline(always)]
pub(crate) fn yaw_cost<R: Real>(weight: f64, cusp: f64, q_z: R) -> (R, R) {
    let (one, two, weight) = (R::one(), R::constant(2.0), R::constant(weight));
    // d acos(1 − s) / ds = 1 / √(2 s − s²)
    let s = q_z.abs().clamp(R::constant(cusp), one);
    let slope = weight / (s * (two - s)).sqrt();
    let nearer = q_z.mul_add(q_z, -(s * s)) / (s + s);
    let cost = weight.mul_add(s.acos_one_minus(), slope * nearer.min(R::zero()));
    (cost, slope * (q_z / s).clamp(-one, one))
}

/// Adds `weight (√(‖x‖² + r²) − r)` of the change of a command to a cost; gives the sum and the slope along the change.
#[inline(always)]
pub(crate) fn add_change_cost<R: Real>(cost: R, weight: R, rounding: f64, change: &[R; 4]) -> (R, [R; 4]) {
    let mut squares = R::zero();
    for step in change {
        squares = step.mul_add(*step, squares);
    }
    let size = (squares + R::constant(rounding * rounding)).sqrt();
    let mut slope = [R::zero(); 4];
    for (slope, step) in slope.iter_mut().zip(change) {
        *slope = weight * *step / size;
    }
    (weight.mul_add(size - R::constant(rounding), cost), slope)
}

/// How far an action lies outside of `[-1, 1]`, and where it lies inside.
#[inline(always)]
pub(crate) fn outside<R: Real>(action: R) -> (R, R::Mask) {
    let outside = action - action.clamp(-R::one(), R::one());
    (outside, outside.abs().less(R::constant(f64::from(f32::MIN_POSITIVE))))
}

/// Derivative of a cost with respect to the state of a block between two control steps.
#[derive(Clone, Debug, Default)]
pub struct Derivative {
    /// With respect to bodies and rotor speeds.
    pub(crate) state: State<Row>,
    /// With respect to the last command, as observations and costs of its change know it.
    pub(crate) command: [Row; 4],
}

impl Derivative {
    /// Multiplies by `discount`, and by zero in the lanes of `forgotten`: no cost of an episode depends on the
    /// one before.
    pub fn fade(&mut self, discount: f32, forgotten: u32) {
        if discount < 1.0 || forgotten != 0 {
            dispatch(Fade { derivative: self, discount, forgotten });
        }
    }
}

struct Fade<'a> {
    derivative: &'a mut Derivative,
    discount: f32,
    forgotten: u32,
}

impl Kernel for Fade<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { derivative, discount, forgotten } = self;
        let rows = derivative.state.fields_mut().into_iter().chain(&mut derivative.command);
        for row in rows {
            for half in 0..HALVES {
                let mask = L::mask(bits_of(forgotten, half));
                let faded = L::splat(discount) * row.load(half);
                row.store(half, L::select(mask, L::splat(0.0), faded));
            }
        }
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
    /// Smooth stand-in for the task's reward.
    type Surrogate: Surrogate;

    /// Records the state that [`pull_back_observation`](Self::pull_back_observation) goes back to.
    fn record_state(&self, record: &mut Self::Record);

    /// [`EnvBlock::step`], with a record of it.
    fn step_recorded(&mut self, action: &[Row], record: &mut Self::Record) -> Step;

    /// Surrogate cost of a recorded step. `derivative` changes from the one after the step to the one before,
    /// less what the observation adds; `action` becomes that with respect to the action.
    fn pull_back_step(
        &self,
        surrogate: &Self::Surrogate,
        record: &Self::Record,
        derivative: &mut Derivative,
        action: &mut [Row],
    ) -> Row;

    /// Adds to `derivative` what the observation in the recorded state passes on.
    fn pull_back_observation(&self, record: &Self::Record, observation: &[Row], derivative: &mut Derivative);
}

/// A task that offers [`DifferentiableBlock`]s.
pub trait DifferentiableTask: TaskConfig {
    /// Its blocks.
    type Block: DifferentiableBlock;

    /// Blocks of 32 envs whose every draw is keyed by `seed`; all wait for a reset.
    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<Self::Block>;

    /// Typical value and deviation of each observation feature in flight.
    fn typical_observation(&self) -> Vec<(f32, f32)>;

    /// Action that keeps a vehicle at rest.
    fn hover_action(&self) -> Vec<f32>;

    /// Checks for settings that the gradient does not go through; the message names key, value and range.
    fn validate_gradient(&self) -> Result<(), String> {
        Ok(())
    }
}
