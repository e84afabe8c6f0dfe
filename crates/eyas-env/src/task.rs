//! What a task is: its configuration, and pure functions.

use std::fmt::Debug;

use eyas_lanes::{Fields, Map, Number, Real, Row};
use eyas_sim::{Disturbance, Langevin, State, Vector, Vehicle, VehicleParameters};
use eyas_trace::Form;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::reality::RealityConfig;
use crate::target::{Motion, Target};
use crate::{Driver, DriverMut, EnvSpec, Recorded, VecEnv, visit_rows};

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

    /// Checks ranges; the message names key, value and what would be right.
    fn validate(&self) -> Result<(), String>;

    /// Number of envs.
    fn num_envs(&self) -> usize;

    /// Control period, s.
    fn control_period(&self) -> f64;

    /// Length of an episode, s.
    fn episode_length_s(&self) -> f64;

    /// Control steps in an episode, rounded up.
    fn max_episode_length(&self) -> u32 {
        // A hair below the quotient, so that 96 s / 0.01 s is 9600 and not 9601.
        (self.episode_length_s() / self.control_period() - 1e-6).ceil().max(1.0) as u32
    }

    /// What flies.
    fn vehicle(&self) -> &VehicleParameters;

    /// The same without a time limit that one could reach.
    fn untimed(&self) -> Self;

    /// Its formulas as lists of operations, one for each that there is: reset, reference, observation, step and what a
    /// gradient goes back through.
    fn recorded(&self, form: Form) -> Vec<Recorded>;
}

/// What tasks of one vehicle and of several have in common: numbers in, numbers out, over any [`Real`].
///
/// Everything else is generic, and stands in [`Block`](crate::Block): lanes and their memory, which episodes are live, resets,
/// clocks and sums, references on their way, reality, perturbations, saved states. Nothing here loops over envs or knows
/// where a number is kept, so the same functions fly sixteen envs at a time, one env in double precision as an oracle of
/// tests, or are recorded as a list of operations.
pub trait TaskBase: Send + Sync + Sized + 'static {
    /// The vehicle of an env; `()` where there are several, which are [numbers](Extras::numbers) of the env.
    type State: VehicleState;
    /// What an env remembers beside vehicle and reference, such as its last action.
    type Memory: Fields;
    /// What follows from a vehicle, such as how far it may fly.
    type Limits: Fields;

    /// Whether every vehicle counts as [aligned](VehicleParameters::is_aligned), whatever its parameters.
    const ALWAYS_ALIGNED: bool = false;

    /// What a block has to know of the task.
    fn rules(&self) -> BlockRules;

    /// What a task needs beside, most of which no task does.
    fn extras(&self) -> Extras {
        Extras::default()
    }

    /// The start of an episode, of its draws at step 0.
    fn reset<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        limits: &LimitsOf<Self, R>,
        driver: &mut impl DriverMut<R>,
    ) -> Start<R, Self>;

    /// Overwrites the numbers of an env that last from episode to episode, once, before the first.
    fn start_up<R: Real>(&self, _driver: &mut impl DriverMut<R>) {}

    /// The vehicle that the numbers of a lane make of its own, and what follows from it, if [`Extras::changes_vehicles`].
    fn changed(
        &self,
        _own: &Vehicle<f32>,
        _numbers: &[Row],
        _lane: usize,
    ) -> Option<(Vehicle<f32>, LimitsOf<Self, f32>)> {
        None
    }

    /// Overwrites [`Extras::settings`] with those after so many control steps of a block.
    fn set(&self, _step: u32, _settings: &mut [f32]) {}

    /// Shows the rows of a block that later steps depend on, in the order that checkpoints keep them in:
    /// [`visit_rows`](crate::visit_rows) does it for some.
    fn visit_state(rows: SavedRows<'_, Self>, visit: &mut dyn FnMut(&mut u32)) {
        let SavedRows { state, memory, target, numbers: _ } = rows;
        *state = Self::State::map(state, &mut Visit(&mut *visit));
        target.visit_state(visit);
        *memory = Self::Memory::map(memory, &mut Visit(&mut *visit));
    }
}

/// A task of one vehicle as pure functions.
pub trait Task: TaskBase<State = State<()>> {
    /// Whether the reference moves on before a step, which then knows where it is at its end, or after it.
    const REFERENCE_MOVES_FIRST: bool;

    /// Hands the full observation to `out`, feature by feature.
    fn observe<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        moment: &Moment<R, Self>,
        driver: &impl Driver<R>,
        out: &mut impl Features<R>,
    );

    /// Holds an action for a control step. The verdict takes which conditions end the episode, in the order of
    /// [`EnvSpec::terminations`], then the terms of the reward.
    fn step<R: Real, const ALIGNED: bool>(
        &self,
        flown: &Flown<R, ALIGNED>,
        moment: &Moment<R, Self>,
        limits: &LimitsOf<Self, R>,
        action: &Action<R>,
        driver: &mut impl DriverMut<R>,
        verdict: &mut impl Verdict<R>,
    ) -> After<R, Self>;

    /// What pushes a vehicle beside reality, given what somebody pushes it with, world frame, N; and what turns it, body
    /// frame, N m, if anything does.
    #[inline(always)]
    fn pushed<R: Real>(
        &self,
        push: Vector<R>,
        _moment: &Moment<R, Self>,
        _driver: &impl Driver<R>,
    ) -> (Vector<R>, Option<Vector<R>>) {
        (push, None)
    }

    /// What happens between the end of a step and the next observation of episodes that go on, if [`Extras::follows`].
    /// Gives where the vehicle became another.
    fn follow<R: Real>(&self, _state: &mut State<R>, _driver: &mut impl DriverMut<R>) -> R::Mask {
        R::never()
    }

    /// Notes for later observations what is seen now, if [`Extras::takes_notes`]: one more note where `again`, no other
    /// than this where `anew`.
    fn note<R: Real>(
        &self,
        _seen: &State<R>,
        _driver: &mut impl DriverMut<R>,
        [_again, _anew]: [R::Mask; 2],
    ) {
    }

    /// The reference of a lane that reports show, where it is not the [`Target`].
    fn shown(&self, _numbers: &[Row], _lane: usize) -> Option<Target<f32>> {
        None
    }
}

/// What moves of an env, as a family of numbers.
pub trait VehicleState: Fields {
    /// Before the first episode.
    fn at_rest() -> Self::Of<Row>;
}

/// One vehicle rests level at the origin, its rotors too.
impl VehicleState for State<()> {
    fn at_rest() -> State<Row> {
        let mut state = State::from_fields([Row::ZERO; 17]);
        state.body.orientation[0] = Row::splat(1.0);
        state
    }
}

impl VehicleState for () {
    fn at_rest() {}
}

/// Shows the bits of rows, and goes on with what is left there.
pub(crate) struct Visit<'a>(pub(crate) &'a mut dyn FnMut(&mut u32));

impl Map<Row, Row> for Visit<'_> {
    fn one(&mut self, row: &Row) -> Row {
        let mut row = *row;
        visit_rows([&mut row], self.0);
        row
    }
}

/// [`TaskBase::State`] made of `R`.
pub type StateOf<T, R> = <<T as TaskBase>::State as Fields>::Of<R>;
/// [`TaskBase::Memory`] made of `R`.
pub type MemoryOf<T, R> = <<T as TaskBase>::Memory as Fields>::Of<R>;
/// [`TaskBase::Limits`] made of `R`.
pub type LimitsOf<T, R> = <<T as TaskBase>::Limits as Fields>::Of<R>;

/// What a block has to know of its task.
#[derive(Clone, Debug)]
pub struct BlockRules {
    /// Control period, s.
    pub period: f64,
    /// Control steps after which the time of an episode is over.
    pub time_limit: u32,
    /// Terms of the reward.
    pub num_terms: usize,
    /// How references move.
    pub motion: Motion,
    /// What separates flying from simulating.
    pub reality: RealityConfig,
    /// Name of the stream that [`TaskBase::reset`] draws from.
    pub start_stream: &'static str,
}

/// The start of an episode.
pub struct Start<R: Number, T: TaskBase> {
    /// The vehicle.
    pub state: StateOf<T, R>,
    /// What the env remembers.
    pub memory: MemoryOf<T, R>,
    /// The reference.
    pub target: Target<R>,
}

/// An env between two control steps.
pub struct Moment<R: Number, T: Task> {
    /// The vehicle; as it is measured, for an observation.
    pub state: State<R>,
    /// What the env remembers.
    pub memory: MemoryOf<T, R>,
    /// The reference.
    pub reference: Langevin<R>,
}

/// What a control step is flown with.
pub struct Flown<R, const ALIGNED: bool> {
    /// The vehicle under perturbations.
    pub vehicle: Vehicle<R, ALIGNED>,
    /// What pushes it.
    pub disturbance: Disturbance<R>,
}

/// An action in `[-1, 1]`; what lies outside is the task's to limit.
#[derive(Clone, Copy, Debug)]
pub struct Action<R> {
    /// As the policy gave it: what rewards and observations know of.
    pub given: [R; 4],
    /// As it reaches the motors, where that differs: late, or at the voltage of a battery.
    pub applied: Option<[R; 4]>,
}

impl<R: Copy> Action<R> {
    /// As it reaches the motors.
    #[inline(always)]
    pub fn applied(&self) -> [R; 4] {
        self.applied.unwrap_or(self.given)
    }
}

/// An env after a control step.
pub struct After<R: Number, T: Task> {
    /// The vehicle.
    pub state: State<R>,
    /// What the env remembers.
    pub memory: MemoryOf<T, R>,
}

/// Takes what a step came to.
pub trait Verdict<R: Real> {
    /// Takes where the next conditions hold that end an episode.
    fn end<const N: usize>(&mut self, causes: [R::Mask; N]);

    /// Where a condition holds of those whose bit is set in `set`.
    fn has_ended(&self, set: u32) -> R::Mask;

    /// Takes the next terms of the reward.
    fn earn<const N: usize>(&mut self, terms: [R; N]);
}

/// Takes the features of an observation in their order.
pub trait Features<R> {
    /// Takes the next one.
    fn put(&mut self, value: R);

    /// Takes the next ones.
    #[inline(always)]
    fn put_all<const N: usize>(&mut self, values: [R; N]) {
        for value in values {
            self.put(value);
        }
    }
}

impl<R> Features<R> for Vec<R> {
    fn put(&mut self, value: R) {
        self.push(value);
    }
}

/// The numbers of a block that later steps depend on, but for what all tasks save alike.
pub struct SavedRows<'a, T: TaskBase> {
    /// The vehicles.
    pub state: &'a mut StateOf<T, Row>,
    /// What the envs remember.
    pub memory: &'a mut MemoryOf<T, Row>,
    /// Their references.
    pub target: &'a mut Target,
    /// What else they remember.
    pub numbers: &'a mut [Row],
}

/// What a task needs beside its [`BlockRules`].
#[expect(clippy::struct_excessive_bools, reason = "what a block need not do is independent of each other")]
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// Names of the streams that it draws from beside that of the starts of episodes.
    pub streams: Vec<String>,
    /// Numbers that an env remembers beside [`TaskBase::Memory`].
    pub numbers: usize,
    /// Numbers that are the same for all envs of a block; see [`TaskBase::set`].
    pub settings: usize,
    /// Whether those change as a policy learns.
    pub settings_change: bool,
    /// Causes, the last ones, that cut an episode as if its time were over.
    pub cuts: usize,
    /// Whether [`Task::follow`] does anything.
    pub follows: bool,
    /// Whether [`Task::note`] does anything.
    pub takes_notes: bool,
    /// Whether an env's numbers make another vehicle of its own.
    pub changes_vehicles: bool,
    /// Whether observations have noise, delays or limits of their own.
    pub distorts: bool,
}

/// A time limit that no episode reaches, s.
pub(crate) const FOREVER_S: f64 = 1e6;
