//! Thirty-two episodes of any task of one vehicle.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Fields as _, HALVES, Kernel, LANES, Lanes, Row, Stream, dispatch};
use eyas_sim::{Body, State, VEHICLE_NUMBERS, Vehicle, VehicleParameters};

use crate::episode::{Ledger, ResetLanes, reset_lanes};
use crate::reality::{Reality, VEHICLE, flight};
use crate::rows::{at_rest, bits_of, load_four, load_vector, not_a_number_to_zero};
use crate::target::Target;
use crate::task::{
    Action, BlockRules, Features, Flown, Judged, LimitsOf, MemoryOf, Moment, SavedRows, Start, Task,
};
use crate::{Ended, EnvBlock, Interference, Step, Telemetry};

/// Purpose of the stream that references move by.
pub(crate) const REFERENCE_STREAM: &str = "env/target";

/// What all blocks of an env share.
pub(crate) struct Shared<T> {
    pub(crate) task: T,
    pub(crate) rules: BlockRules,
    /// Of the starts of episodes.
    start: Stream,
    /// Of the references.
    noise: Stream,
    seed: u64,
}

impl<T: Task> Shared<T> {
    /// Envs of a task whose every draw is keyed by `seed`.
    pub(crate) fn new(task: T, seed: u64) -> Arc<Self> {
        let rules = task.rules();
        Arc::new(Self {
            start: Stream::new(seed, rules.start_stream),
            noise: Stream::new(seed, REFERENCE_STREAM),
            task,
            rules,
            seed,
        })
    }
}

/// The vehicles of a block.
pub(crate) struct Vehicles<T: Task> {
    /// [`Vehicle::numbers`] of each lane, as the vehicles are. Blocks whose vehicles are alike share them, so that they
    /// stay in the caches.
    own: Arc<[Row; VEHICLE_NUMBERS]>,
    /// The same as they fly, where an interference changes them.
    altered: Option<Box<[Row; VEHICLE_NUMBERS]>>,
    /// Whether each of them is [aligned](VehicleParameters::is_aligned), and stays so.
    pub(crate) aligned: bool,
    /// What follows from each.
    pub(crate) limits: LimitsOf<T, Row>,
}

impl<T: Task> Vehicles<T> {
    /// One for each lane, with what follows from each.
    pub(crate) fn new(
        rules: &BlockRules,
        lanes: &[&VehicleParameters; BLOCK],
        limits: impl Fn(usize) -> LimitsOf<T, f32>,
    ) -> Self {
        let mut rows = T::Limits::splat(Row::ZERO);
        for lane in 0..BLOCK {
            T::Limits::set_lane(&mut rows, lane, &limits(lane));
        }
        Self {
            own: Vehicle::rows(lanes.iter().copied()).into(),
            altered: None,
            aligned: rules.reality.keeps_alignment() && lanes.iter().all(|it| it.is_aligned()),
            limits: rows,
        }
    }

    /// [`Vehicle::numbers`] of each lane, as the vehicles fly.
    #[inline(always)]
    pub(crate) fn flown(&self) -> &[Row; VEHICLE_NUMBERS] {
        self.altered.as_deref().unwrap_or(&self.own)
    }
}

impl<T: Task> Clone for Vehicles<T> {
    fn clone(&self) -> Self {
        let Self { own, altered, aligned, limits } = self;
        Self { own: Arc::clone(own), altered: altered.clone(), aligned: *aligned, limits: *limits }
    }
}

/// Thirty-two episodes of a task; positions are relative to each env's spawn point.
pub struct Block<T: Task> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) ledger: Ledger,
    pub(crate) vehicles: Vehicles<T>,
    pub(crate) state: State<Row>,
    pub(crate) memory: MemoryOf<T, Row>,
    pub(crate) target: Target,
    /// What pushes each vehicle under an interference, world frame, N.
    push: [Row; 3],
    /// What separates flying from simulating, if anything does.
    pub(crate) reality: Option<Box<Reality>>,
}

impl<T: Task> Block<T> {
    /// Envs `first_env ..` of the vehicles of its lanes; all wait for a reset.
    pub(crate) fn new(shared: Arc<Shared<T>>, first_env: u32, vehicles: Vehicles<T>) -> Self {
        let rules = &shared.rules;
        Self {
            ledger: Ledger::new(first_env, rules.num_terms),
            vehicles,
            state: at_rest(),
            memory: T::Memory::splat(Row::ZERO),
            target: Target::default(),
            push: [Row::ZERO; 3],
            reality: Reality::new(&rules.reality, rules.period, 4, shared.seed, VEHICLE),
            shared,
        }
    }

    /// Whether the vehicles may be taken as aligned.
    pub(crate) fn is_aligned(&self) -> bool {
        T::ALWAYS_ALIGNED || self.vehicles.aligned
    }
}

impl<T: Task> Block<T> {
    /// Blocks of 32 envs that all fly the same vehicle, each with the envs after those of the one before. Every draw is
    /// keyed by `seed`, and all wait for a reset.
    pub fn alike(
        task: T,
        vehicle: &VehicleParameters,
        limits: LimitsOf<T, f32>,
        num_blocks: usize,
        seed: u64,
    ) -> Vec<Self> {
        let shared = Shared::new(task, seed);
        let vehicles = Vehicles::new(&shared.rules, &[vehicle; BLOCK], |_| limits);
        let first_envs = (0..num_blocks).map(|block| (block * BLOCK) as u32);
        first_envs.map(|first| Self::new(Arc::clone(&shared), first, vehicles.clone())).collect()
    }
}

impl<T: Task> EnvBlock for Block<T> {
    fn first_env(&self) -> u32 {
        self.ledger.first_env
    }

    fn reset(&mut self, mask: u32) {
        self.ledger.reset(mask);
        reset_lanes(self, mask);
        if let Some(reality) = &mut self.reality {
            reality.reset(mask, &self.ledger, &self.state.body);
        }
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.ledger.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let measured = self.reality.as_ref().and_then(|it| it.sense(&self.ledger, &self.state.body));
        dispatch(Observe { block: self, measured: measured.as_ref(), observation });
    }

    fn senses_truly(&self) -> bool {
        self.reality.as_ref().is_none_or(|it| !it.has_sensors())
    }

    fn step(&mut self, action: &[Row]) -> Step {
        // Taken out, so that a step may read it while it changes the rest.
        let mut reality = self.reality.take();
        if let Some(reality) = &mut reality {
            reality.begin_step(action, &self.ledger, &self.state, self.vehicles.flown());
        }
        let flies = reality.as_deref();
        let Outcome { reward, causes } = if self.is_aligned() {
            dispatch(Advance::<T, true> { block: self, reality: flies, action })
        } else {
            dispatch(Advance::<T, false> { block: self, reality: flies, action })
        };
        self.reality = reality;
        self.ledger.advance(reward, &causes, self.shared.rules.time_limit)
    }

    fn episode(&self, lane: usize) -> Ended {
        self.ledger.episode(lane, &[self.telemetry(lane)])
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        self.target.telemetry(lane, &self.state.body)
    }

    fn ended(&self) -> u32 {
        self.ledger.ended
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.ledger.age[lane] = steps;
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        self.state.body.set_lane(lane, body);
        if let Some(reality) = &mut self.reality {
            reality.put(lane, &self.state.body);
        }
    }

    fn interfere(&mut self, interference: Interference) {
        self.vehicles.altered = interference.altered(&self.vehicles.own);
        self.push = interference.force_world;
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { shared: _, ledger, vehicles: _, state, memory, target, push: _, reality } = self;
        ledger.visit_state(visit);
        T::visit_state(SavedRows { state, memory, target }, visit);
        if let Some(reality) = reality {
            reality.visit_state(visit);
        }
    }
}

impl<T: Task> ResetLanes for Block<T> {
    #[inline(always)]
    fn reset_lanes<L: Lanes>(&mut self, half: usize, bits: u32) {
        let mask = L::mask(bits);
        let first_env = self.ledger.first_env + (half * LANES) as u32;
        let episode = Ledger::lanes_of(&self.ledger.episode, half);
        let draws = self.shared.start.at_lanes(first_env, episode, &[0; LANES]);
        let vehicle = Vehicle::<L>::load(self.vehicles.flown(), half);
        let limits = T::Limits::load(&self.vehicles.limits, half);
        let Start { state, memory, target } = self.shared.task.reset(&vehicle, &limits, &draws);
        self.state.store_where(half, mask, &state);
        T::Memory::store_where::<L>(&mut self.memory, half, mask, &memory);
        self.target.store_where(half, mask, &target);
    }
}

/// The envs of one vector of lanes of a block.
#[inline(always)]
fn moment<L: Lanes, T: Task>(
    state: &State<Row>,
    memory: &MemoryOf<T, Row>,
    target: &Target,
    half: usize,
) -> Moment<L, T> {
    let (memory, reference) = (T::Memory::load(memory, half), target.reference.load(half));
    Moment { state: state.load(half), memory, reference }
}

struct Observe<'a, T: Task> {
    block: &'a Block<T>,
    /// The motion as it is measured, where it is not as it is.
    measured: Option<&'a Body<Row>>,
    observation: &'a mut [Row],
}

/// The features of one vector of lanes on their way to memory. What is no number becomes 0.
pub(crate) struct FeatureRows<'a> {
    rows: &'a mut [Row],
    half: usize,
}

impl<'a> FeatureRows<'a> {
    /// To rows in their order.
    #[inline(always)]
    pub(crate) fn new(rows: &'a mut [Row], half: usize) -> Self {
        Self { rows, half }
    }
}

impl<L: Lanes> Features<L> for FeatureRows<'_> {
    #[inline(always)]
    fn put(&mut self, value: L) {
        self.put_all([value]);
    }

    /// Whether there is room is asked once for all of them.
    #[inline(always)]
    fn put_all<const N: usize>(&mut self, values: [L; N]) {
        let rows = std::mem::take(&mut self.rows);
        let (rows, rest) = rows.split_first_chunk_mut::<N>().expect("an observation is as wide as its parts");
        for (row, value) in rows.iter_mut().zip(values) {
            row.store(self.half, not_a_number_to_zero(value));
        }
        self.rows = rest;
    }
}

impl<T: Task> Kernel for Observe<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, measured, observation } = self;
        for half in 0..HALVES {
            let mut moment = moment::<L, T>(&block.state, &block.memory, &block.target, half);
            if let Some(measured) = measured {
                moment.state.body = measured.load(half);
            }
            let vehicle = Vehicle::load(block.vehicles.flown(), half);
            let mut features = FeatureRows::new(observation, half);
            block.shared.task.observe(&vehicle, &moment, &mut features);
        }
    }
}

/// Most conditions that end an episode.
const MAX_CAUSES: usize = 8;

/// What a step of a block came to.
struct Outcome {
    reward: Row,
    /// One mask of lanes for each terminating condition.
    causes: [u32; MAX_CAUSES],
}

struct Advance<'a, T: Task, const ALIGNED: bool> {
    block: &'a mut Block<T>,
    reality: Option<&'a Reality>,
    action: &'a [Row],
}

impl<T: Task, const ALIGNED: bool> Kernel for Advance<'_, T, ALIGNED> {
    type Output = Outcome;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Outcome {
        let Self { block, reality, action } = self;
        let mut outcome = Outcome { reward: Row::ZERO, causes: [0; MAX_CAUSES] };
        for half in 0..HALVES {
            let live = bits_of(!block.ledger.ended, half);
            if live != 0 {
                block.step_lanes::<L, ALIGNED>((half, live), reality, action, &mut outcome);
            }
        }
        outcome
    }
}

impl<T: Task> Block<T> {
    /// Reference, vehicle, terminations and reward of one vector of lanes.
    #[inline(always)]
    fn step_lanes<L: Lanes, const ALIGNED: bool>(
        &mut self,
        (half, live): (usize, u32),
        reality: Option<&Reality>,
        action: &[Row],
        outcome: &mut Outcome,
    ) {
        let Self { shared, ledger, vehicles, state: states, memory: memories, target, push, .. } = self;
        let rules = &shared.rules;
        let mask = L::mask(live);
        if T::REFERENCE_MOVES_FIRST {
            let at = ledger.moment(half, rules.period);
            target.advance::<L>(&at, live, &rules.motion, &shared.noise);
        }
        let push = load_vector(push, half);
        let (vehicle, disturbance) =
            flight::<L, ALIGNED>(reality.map(Reality::flown), vehicles.flown(), push, half);
        let action = Action {
            given: load_four(action, half),
            applied: reality.map(|it| load_four(it.action(action), half)),
        };
        let moment = moment::<L, T>(states, memories, target, half);
        let limits = T::Limits::load(&vehicles.limits, half);
        let Judged { state, memory, terms, causes } =
            shared.task.step(&Flown { vehicle, disturbance }, &moment, &limits, &action);

        states.store_where(half, mask, &state);
        T::Memory::store_where::<L>(memories, half, mask, &memory);
        if !T::REFERENCE_MOVES_FIRST {
            let at = ledger.moment(half, rules.period);
            target.advance::<L>(&at, live, &rules.motion, &shared.noise);
        }
        for (lanes, cause) in outcome.causes.iter_mut().zip(causes.as_ref()) {
            *lanes |= (L::bits(*cause) & live) << (half * LANES);
        }
        outcome.reward.store(half, ledger.earn(half, mask, terms.as_ref()));
    }
}
