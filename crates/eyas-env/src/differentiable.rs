//! Tasks whose cost can be differentiated through policy, motors and physics.

use std::fmt::Debug;

use eyas_lanes::{Fields as _, Kernel, Lanes, Number, Real, Row, VECTORS, dispatch};
use eyas_sim::{Body, Langevin, State, Vector, Vehicle, dot, scale};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::reality::{Flown as RealFlown, flight, note};
use crate::rows::{bits_of, load_four, load_vector};
use crate::task::{Flown, LimitsOf, MemoryOf, Moment, Task};
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

/// Derivative of a cost with respect to an env between two control steps; of a block, if not said otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Derivative<R = Row> {
    /// With respect to bodies and rotor speeds.
    pub(crate) state: State<R>,
    /// With respect to the last command, as observations and costs of its change know it.
    pub(crate) command: [R; 4],
}

impl Derivative {
    /// One vector of lanes.
    #[inline(always)]
    fn load<L: Lanes>(&self, vector: usize) -> Derivative<L> {
        Derivative { state: self.state.load(vector), command: load_four(&self.command, vector) }
    }

    /// Overwrites one vector of lanes.
    #[inline(always)]
    fn store<L: Lanes>(&mut self, vector: usize, values: &Derivative<L>) {
        self.state.store(vector, &values.state);
        for (row, value) in self.command.iter_mut().zip(values.command) {
            row.store(vector, value);
        }
    }

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
            for vector in 0..VECTORS {
                let mask = L::mask(bits_of(forgotten, vector));
                let faded = L::splat(discount) * row.load(vector);
                row.store(vector, L::select(mask, L::splat(0.0), faded));
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

/// A task whose steps can be gone back through, as pure functions; see [`Task`].
pub trait Differentiable: Task {
    /// Smooth stand-in for the task's reward.
    type Surrogate: Surrogate;

    /// Surrogate cost of a step, and its slope along the action with what later costs add. `derivative` changes from the
    /// one after the step to the one before, less what the observation adds.
    fn pull_back_step<R: Real, const ALIGNED: bool>(
        &self,
        surrogate: &Self::Surrogate,
        step: &FlownStep<R, Self, ALIGNED>,
        limits: &LimitsOf<Self, R>,
        derivative: &mut Derivative<R>,
    ) -> (R, [R; 4]);

    /// Adds to `derivative` what the slopes along the features of the observation in a moment pass on.
    fn pull_back_observation<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        moment: &Moment<R, Self>,
        slopes: &impl Slopes<R>,
        derivative: &mut Derivative<R>,
    );
}

/// A control step as going back through it knows it.
pub struct FlownStep<R: Number, T: Task, const ALIGNED: bool> {
    /// What it was flown with.
    pub flown: Flown<R, ALIGNED>,
    /// Voltage over that of the full battery, where it may differ from 1.
    pub voltage: Option<R>,
    /// The env before it.
    pub before: Moment<R, T>,
    /// The action that was given.
    pub action: [R; 4],
    /// The body after it.
    pub after: Body<R>,
    /// Position of the reference after it.
    pub reference_after: Vector<R>,
}

/// Slopes of a cost along the features of an observation.
pub trait Slopes<R: Real> {
    /// Along one feature.
    fn along(&self, feature: usize) -> R;

    /// Along a feature and those that follow it.
    #[inline(always)]
    fn along_all<const N: usize>(&self, first: usize) -> [R; N] {
        let mut slopes = [R::zero(); N];
        for (offset, slope) in slopes.iter_mut().enumerate() {
            *slope = self.along(first + offset);
        }
        slopes
    }
}

impl<R: Real> Slopes<R> for &[R] {
    fn along(&self, feature: usize) -> R {
        self[feature]
    }
}

/// Those of one vector of lanes.
struct SlopeRows<'a> {
    rows: &'a [Row],
    vector: usize,
}

impl<L: Lanes> Slopes<L> for SlopeRows<'_> {
    #[inline(always)]
    fn along(&self, feature: usize) -> L {
        self.rows[feature].load(self.vector)
    }
}

/// One control step of a block.
pub struct Record<T: Task> {
    before: State<Row>,
    memory: MemoryOf<T, Row>,
    /// Position and velocity of the reference before it.
    reference: [[Row; 3]; 2],
    action: [Row; 4],
    flown: Option<Box<RealFlown>>,
    after: Body<Row>,
    reference_after: [Row; 3],
}

impl<T: Task> Clone for Record<T> {
    fn clone(&self) -> Self {
        Self { flown: self.flown.clone(), ..*self }
    }
}

impl<T: Task> Default for Record<T> {
    fn default() -> Self {
        Self {
            before: State::default(),
            memory: T::Memory::splat(Row::ZERO),
            reference: Default::default(),
            action: Default::default(),
            flown: None,
            after: Body::default(),
            reference_after: Default::default(),
        }
    }
}

impl<T: Task> Record<T> {
    /// One vector of lanes before the step.
    #[inline(always)]
    fn moment<L: Lanes>(&self, vector: usize) -> Moment<L, T> {
        let [position, velocity] = &self.reference;
        Moment {
            state: self.before.load(vector),
            memory: T::Memory::load(&self.memory, vector),
            reference: Langevin {
                position: load_vector(position, vector),
                velocity: load_vector(velocity, vector),
                ..Langevin::at_rest()
            },
        }
    }
}

impl<T: Differentiable> DifferentiableBlock for Block<T> {
    type Record = Record<T>;
    type Surrogate = T::Surrogate;

    fn record_state(&self, record: &mut Record<T>) {
        record.before = self.state;
        record.memory = self.memory;
        record.reference = [self.target.reference.position, self.target.reference.velocity];
    }

    fn step_recorded(&mut self, action: &[Row], record: &mut Record<T>) -> Step {
        self.record_state(record);
        record.action.copy_from_slice(action);
        let step = self.step(action);
        note(self.reality.as_deref(), &mut record.flown);
        record.after = self.state.body;
        record.reference_after = self.target.reference.position;
        step
    }

    fn pull_back_step(
        &self,
        surrogate: &T::Surrogate,
        record: &Record<T>,
        derivative: &mut Derivative,
        action: &mut [Row],
    ) -> Row {
        if self.is_aligned() {
            dispatch(PullBackStep::<T, true> { block: self, surrogate, record, derivative, action })
        } else {
            dispatch(PullBackStep::<T, false> { block: self, surrogate, record, derivative, action })
        }
    }

    fn pull_back_observation(&self, record: &Record<T>, observation: &[Row], derivative: &mut Derivative) {
        dispatch(PullBackObservation { block: self, record, observation, derivative });
    }
}

struct PullBackStep<'a, T: Differentiable, const ALIGNED: bool> {
    block: &'a Block<T>,
    surrogate: &'a T::Surrogate,
    record: &'a Record<T>,
    derivative: &'a mut Derivative,
    action: &'a mut [Row],
}

impl<T: Differentiable, const ALIGNED: bool> Kernel for PullBackStep<'_, T, ALIGNED> {
    type Output = Row;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Row {
        let Self { block, surrogate, record, derivative, action } = self;
        let mut cost = Row::ZERO;
        for vector in 0..VECTORS {
            let flown = record.flown.as_deref();
            let no_push = ([L::splat(0.0); 3], None);
            let (vehicle, disturbance) = flight::<L, ALIGNED>(flown, block.vehicles.flown(), no_push, vector);
            let step = FlownStep {
                flown: Flown { vehicle, disturbance },
                voltage: flown.map(|it| it.voltage(vector)),
                before: record.moment(vector),
                action: load_four(&record.action, vector),
                after: record.after.load(vector),
                reference_after: load_vector(&record.reference_after, vector),
            };
            let limits = T::Limits::load(&block.vehicles.limits, vector);
            let mut pulled = derivative.load::<L>(vector);
            let (value, of_action) = block.shared.task.pull_back_step(surrogate, &step, &limits, &mut pulled);
            derivative.store(vector, &pulled);
            for (row, slope) in action.iter_mut().zip(of_action) {
                row.store(vector, slope);
            }
            cost.store(vector, value);
        }
        cost
    }
}

struct PullBackObservation<'a, T: Differentiable> {
    block: &'a Block<T>,
    record: &'a Record<T>,
    observation: &'a [Row],
    derivative: &'a mut Derivative,
}

impl<T: Differentiable> Kernel for PullBackObservation<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, record, observation, derivative } = self;
        for vector in 0..VECTORS {
            let mut pulled = derivative.load::<L>(vector);
            let vehicle = Vehicle::load(block.vehicles.flown(), vector);
            let slopes = SlopeRows { rows: observation, vector };
            block.shared.task.pull_back_observation(&vehicle, &record.moment(vector), &slopes, &mut pulled);
            derivative.store(vector, &pulled);
        }
    }
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
