//! Thirty-two episodes of any task.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Fields as _, Kernel, LANES, Lanes, Row, Stream, VECTORS, dispatch, lanes_of};
use eyas_sim::{Body, State, VEHICLE_NUMBERS, Vehicle, VehicleParameters};
use eyas_trace::Form;

use crate::driver::{LaneDriver, Streams};
use crate::episode::{Counters, Episodes, MAX_TERMS, earn};
use crate::reality::{Reality, VEHICLE, flight};
use crate::rows::{bits_of, load_four, load_vector, not_a_number_to_zero};
use crate::target::Target;
use crate::task::{
    Action, After, BlockRules, Extras, Features, Flown, LimitsOf, MemoryOf, Moment, SavedRows, StateOf, Task,
    TaskBase, VehicleState as _, Verdict,
};
use crate::{Ended, EnvBlock, FlightFormulas, FlightRows, Perturbation, Step, Telemetry, visit_words};

/// Purpose of the stream that references move by.
pub(crate) const REFERENCE_STREAM: &str = "env/target";

/// What all blocks of an env share.
pub(crate) struct Shared<T> {
    pub(crate) task: T,
    pub(crate) rules: BlockRules,
    extras: Extras,
    pub(crate) streams: Streams,
    /// Of the references.
    pub(crate) noise: Stream,
    pub(crate) seed: u64,
}

impl<T: TaskBase> Shared<T> {
    /// Envs of a task whose every draw is keyed by `seed`.
    pub(crate) fn new(task: T, seed: u64) -> Arc<Self> {
        let (rules, extras) = (task.rules(), task.extras());
        let more = extras.streams.iter().map(|name| Stream::new(seed, name)).collect();
        Arc::new(Self {
            streams: Streams { start: Stream::new(seed, rules.start_stream), more },
            extras,
            noise: Stream::new(seed, REFERENCE_STREAM),
            task,
            rules,
            seed,
        })
    }
}

/// The vehicles of a block.
pub(crate) struct Vehicles<T: TaskBase> {
    /// [`Vehicle::numbers`] of each lane, as the vehicles are. Blocks whose vehicles are alike share them, so that they
    /// stay in the caches.
    own: Arc<[Row; VEHICLE_NUMBERS]>,
    /// The same before anything changed them.
    original: Arc<[Row; VEHICLE_NUMBERS]>,
    /// The same as they fly, where a perturbation changes them.
    altered: Option<Box<[Row; VEHICLE_NUMBERS]>>,
    /// Whether each of them is [aligned](VehicleParameters::is_aligned), and stays so.
    pub(crate) aligned: bool,
    /// What follows from each.
    pub(crate) limits: LimitsOf<T, Row>,
}

impl<T: TaskBase> Vehicles<T> {
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
        let original: Arc<[Row; VEHICLE_NUMBERS]> = Vehicle::rows(lanes.iter().copied()).into();
        Self {
            own: Arc::clone(&original),
            original,
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

impl<T: TaskBase> Clone for Vehicles<T> {
    fn clone(&self) -> Self {
        let Self { own, original, altered, aligned, limits } = self;
        Self {
            own: Arc::clone(own),
            original: Arc::clone(original),
            altered: altered.clone(),
            aligned: *aligned,
            limits: *limits,
        }
    }
}

/// Thirty-two episodes of a task; positions are relative to each env's spawn point.
pub struct Block<T: TaskBase> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) episodes: Episodes,
    pub(crate) vehicles: Vehicles<T>,
    pub(crate) state: StateOf<T, Row>,
    pub(crate) memory: MemoryOf<T, Row>,
    pub(crate) target: Target,
    /// What envs remember beside.
    pub(crate) numbers: Vec<Row>,
    pub(crate) settings: Vec<f32>,
    /// Control steps since the block was made, where there are settings.
    steps: u32,
    /// The same when the settings were made.
    set_at: u32,
    /// What somebody does to the vehicles, where they may change.
    perturbation: Option<Box<Perturbation>>,
    /// What pushes each vehicle under a perturbation, world frame, N.
    pub(crate) push: [Row; 3],
    /// What separates flying from simulating, if anything does.
    pub(crate) reality: Option<Box<Reality>>,
}

impl<T: TaskBase> Block<T> {
    /// Envs `first_env ..` of the vehicles of its lanes; all wait for a reset.
    pub(crate) fn new(shared: Arc<Shared<T>>, first_env: u32, vehicles: Vehicles<T>) -> Self {
        let (rules, extras) = (&shared.rules, &shared.extras);
        let mut block = Self {
            episodes: Episodes::new(first_env, rules.num_terms),
            vehicles,
            state: T::State::at_rest(),
            memory: T::Memory::splat(Row::ZERO),
            target: Target::default(),
            numbers: vec![Row::ZERO; extras.numbers],
            settings: vec![0.0; extras.settings],
            steps: 0,
            set_at: 0,
            perturbation: None,
            push: [Row::ZERO; 3],
            reality: Reality::new(&rules.reality, rules.period, 4, shared.seed, VEHICLE),
            shared,
        };
        block.start_up();
        block
    }

    /// Gives envs what they have from before their first episode.
    fn start_up(&mut self) {
        if self.shared.extras.numbers > 0 {
            self.set();
            dispatch(StartUp { block: self });
            self.change(u32::MAX);
        }
    }

    /// Settings as of the last reset.
    fn set(&mut self) {
        self.shared.task.set(self.set_at, &mut self.settings);
    }

    /// The vehicles of lanes as their numbers make them.
    fn change(&mut self, mask: u32) {
        if !self.shared.extras.changes_vehicles {
            return;
        }
        let Self { shared, vehicles: Vehicles { own, original, altered, limits, .. }, numbers, .. } = self;
        for lane in lanes_of(mask) {
            let vehicle = Vehicle::<f32>::from_numbers(&original.map(|row| row[lane]));
            if let Some((changed, follows)) = shared.task.changed(&vehicle, numbers, lane) {
                for (row, number) in Arc::make_mut(own).iter_mut().zip(changed.numbers()) {
                    row[lane] = number;
                }
                T::Limits::set_lane(limits, lane, &follows);
            }
        }
        *altered = self.perturbation.as_ref().and_then(|it| it.altered(own));
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
    }

    /// Whether somebody does anything to the vehicles.
    pub(crate) fn is_perturbed(&self) -> bool {
        self.vehicles.altered.is_some() || self.push != [Row::ZERO; 3]
    }

    /// Whether the vehicles may be taken as aligned.
    pub(crate) fn is_aligned(&self) -> bool {
        T::ALWAYS_ALIGNED || self.vehicles.aligned
    }

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

    /// [`EnvBlock::set_first_env`].
    pub(crate) fn begin_at(&mut self, first_env: u32) {
        self.episodes.first_env = first_env;
        self.start_up();
    }

    /// Starts the next episode wherever a bit of `mask` is set.
    pub(crate) fn start_episodes(&mut self, mask: u32) {
        if self.shared.extras.settings_change {
            self.set_at = self.steps;
            self.set();
        }
        self.episodes.reset(mask);
        dispatch(Reset { block: self, mask });
        self.change(mask);
    }

    /// [`EnvBlock::perturb`].
    pub(crate) fn change_under(&mut self, perturbation: Perturbation) {
        self.vehicles.altered = perturbation.altered(&self.vehicles.own);
        self.push = perturbation.force_world;
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
        self.perturbation = self.shared.extras.changes_vehicles.then(|| Box::new(perturbation));
    }

    /// [`EnvBlock::visit_state`].
    pub(crate) fn visit_saved(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self {
            shared: _,
            episodes,
            vehicles: _,
            state,
            memory,
            target,
            numbers,
            settings,
            steps,
            set_at,
            perturbation: _,
            push: _,
            reality,
        } = self;
        episodes.visit_state(visit);
        T::visit_state(SavedRows { state, memory, target, numbers }, visit);
        if !settings.is_empty() {
            visit_words([steps, set_at], visit);
        }
        if let Some(reality) = reality {
            reality.visit_state(visit);
        }
        // What follows from these numbers.
        self.set();
        self.change(u32::MAX);
    }
}

impl<T: Task> Block<T> {
    /// Lets envs take notes of what is seen.
    fn note(&mut self, again: u32, anew: u32) {
        if self.shared.extras.takes_notes && again | anew != 0 {
            let measured = self.measured();
            dispatch(Note { block: self, measured, again, anew });
        }
    }

    /// The motion as it is measured, where it is not as it is.
    pub(crate) fn measured(&self) -> Option<Body<Row>> {
        self.reality.as_ref().and_then(|it| it.sense(&self.episodes, &self.state.body))
    }
}

impl<T: Task> EnvBlock for Block<T> {
    fn first_env(&self) -> u32 {
        self.episodes.first_env
    }

    fn set_first_env(&mut self, first_env: u32) {
        self.begin_at(first_env);
    }

    fn reset(&mut self, mask: u32) {
        if mask == 0 {
            return;
        }
        self.start_episodes(mask);
        if let Some(reality) = &mut self.reality {
            reality.reset(mask, &self.episodes, &self.state.body);
        }
        self.note(0, mask);
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.episodes.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let measured = self.measured();
        dispatch(Observe { block: self, measured: measured.as_ref(), observation });
    }

    fn senses_truly(&self) -> bool {
        !self.shared.extras.distorts && self.reality.as_ref().is_none_or(|it| !it.has_sensors())
    }

    fn step(&mut self, action: &[Row]) -> Step {
        // Taken out, so that a step may read it while it changes the rest.
        let mut reality = self.reality.take();
        if let Some(reality) = &mut reality {
            reality.begin_step(action, &self.episodes, &self.state, self.vehicles.flown());
        }
        let flies = reality.as_deref();
        let BlockVerdict { reward, causes, num_causes } = if self.is_aligned() {
            dispatch(Advance::<T, true> { block: self, reality: flies, action })
        } else {
            dispatch(Advance::<T, false> { block: self, reality: flies, action })
        };
        self.reality = reality;
        let Extras { cuts, follows, .. } = self.shared.extras;
        let (ends, cuts) = causes[..num_causes].split_at(num_causes.saturating_sub(cuts));
        let cut = cuts.iter().fold(0, |lanes, cause| lanes | cause);
        let step = self.episodes.advance(reward, ends, self.shared.rules.time_limit, cut);
        if !self.settings.is_empty() {
            self.steps = self.steps.saturating_add(1);
        }
        let live = !self.episodes.ended;
        if follows && live != 0 {
            let changed = dispatch(Follow { block: self, live });
            if changed != 0 {
                self.change(changed);
            }
        }
        self.note(live, 0);
        step
    }

    fn episode(&self, lane: usize) -> Ended {
        self.episodes.episode(lane, &[self.telemetry(lane)])
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        let target = self.shared.task.shown(&self.numbers, lane).unwrap_or_else(|| self.target.lane(lane));
        target.beside(&<Body<()>>::lane(&self.state.body, lane))
    }

    fn ended(&self) -> u32 {
        self.episodes.ended
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.episodes.age[lane] = steps;
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        self.state.body.set_lane(lane, body);
        if let Some(reality) = &mut self.reality {
            reality.put(lane, &self.state.body);
        }
        self.note(0, 1 << lane);
    }

    fn perturb(&mut self, perturbation: Perturbation) {
        self.change_under(perturbation);
    }

    fn set_steps_flown(&mut self, steps: u32) {
        (self.steps, self.set_at) = (steps, steps);
        self.set();
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.visit_saved(visit);
    }

    fn flight_formulas(&self, form: Form) -> Option<FlightFormulas> {
        self.formulas(form)
    }

    fn flight_rows(&self) -> Option<FlightRows> {
        self.rows()
    }
}

/// The start of the episode of each lane of a mask.
struct Reset<'a, T: TaskBase> {
    block: &'a mut Block<T>,
    mask: u32,
}

impl<T: TaskBase> Kernel for Reset<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Block {
            shared,
            episodes,
            vehicles,
            numbers,
            settings,
            state: states,
            memory: memories,
            target,
            ..
        } = self.block;
        for vector in 0..VECTORS {
            let bits = bits_of(self.mask, vector);
            if bits != 0 {
                let mask = L::mask(bits);
                let at = Counters { clock: &[0; LANES], ..episodes.counters(vector, shared.rules.period) };
                let mut driver =
                    LaneDriver::new(&mut numbers[..], (at, bits), episodes, &shared.streams, settings);
                let vehicle = Vehicle::<L>::load(vehicles.flown(), vector);
                let limits = T::Limits::load(&vehicles.limits, vector);
                let start = shared.task.reset(&vehicle, &limits, &mut driver);
                T::State::store_where::<L>(states, vector, mask, &start.state);
                T::Memory::store_where::<L>(memories, vector, mask, &start.memory);
                target.store_where(vector, mask, &start.target);
            }
        }
    }
}

/// What envs have from before their first episode.
struct StartUp<'a, T: TaskBase> {
    block: &'a mut Block<T>,
}

impl<T: TaskBase> Kernel for StartUp<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Block { shared, episodes, numbers, settings, .. } = self.block;
        for vector in 0..VECTORS {
            let at = Counters {
                episode: &[0; LANES],
                clock: &[0; LANES],
                ..episodes.counters(vector, shared.rules.period)
            };
            let place = (at, bits_of(u32::MAX, vector));
            let mut driver = LaneDriver::new(&mut numbers[..], place, episodes, &shared.streams, settings);
            shared.task.start_up::<L>(&mut driver);
        }
    }
}

/// What happens before the next observation. Gives the lanes whose vehicle became another.
struct Follow<'a, T: Task> {
    block: &'a mut Block<T>,
    live: u32,
}

impl<T: Task> Kernel for Follow<'_, T> {
    type Output = u32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> u32 {
        let Block { shared, episodes, state: states, numbers, settings, .. } = self.block;
        let mut changed = 0;
        for vector in 0..VECTORS {
            let live = bits_of(self.live, vector);
            if live != 0 {
                let place = (episodes.counters(vector, shared.rules.period), live);
                let mut driver =
                    LaneDriver::new(&mut numbers[..], place, episodes, &shared.streams, settings);
                let mut state = states.load::<L>(vector);
                let mask = shared.task.follow(&mut state, &mut driver);
                states.store_where(vector, L::mask(live), &state);
                changed |= (L::bits(mask) & live) << (vector * LANES);
            }
        }
        changed
    }
}

/// Notes for later observations.
struct Note<'a, T: Task> {
    block: &'a mut Block<T>,
    /// The motion as it is measured, where it is not as it is.
    measured: Option<Body<Row>>,
    again: u32,
    anew: u32,
}

impl<T: Task> Kernel for Note<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block: Block { shared, episodes, state, numbers, settings, .. }, measured, .. } = self;
        for vector in 0..VECTORS {
            let [again, anew] = [bits_of(self.again, vector), bits_of(self.anew, vector)];
            if again | anew != 0 {
                let place = (episodes.counters(vector, shared.rules.period), again | anew);
                let mut driver =
                    LaneDriver::new(&mut numbers[..], place, episodes, &shared.streams, settings);
                let mut seen = state.load::<L>(vector);
                if let Some(measured) = &measured {
                    seen.body = measured.load(vector);
                }
                shared.task.note(&seen, &mut driver, [L::mask(again), L::mask(anew)]);
            }
        }
    }
}

/// The envs of one vector of lanes of a block.
#[inline(always)]
fn moment<L: Lanes, T: Task>(
    state: &State<Row>,
    memory: &MemoryOf<T, Row>,
    target: &Target,
    vector: usize,
) -> Moment<L, T> {
    let (memory, reference) = (T::Memory::load(memory, vector), target.reference.load(vector));
    Moment { state: state.load(vector), memory, reference }
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
    vector: usize,
}

impl<'a> FeatureRows<'a> {
    /// To rows in their order.
    #[inline(always)]
    pub(crate) fn new(rows: &'a mut [Row], vector: usize) -> Self {
        Self { rows, vector }
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
            row.store(self.vector, not_a_number_to_zero(value));
        }
        self.rows = rest;
    }
}

impl<T: Task> Kernel for Observe<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, measured, observation } = self;
        for vector in 0..VECTORS {
            let mut moment = moment::<L, T>(&block.state, &block.memory, &block.target, vector);
            if let Some(measured) = measured {
                moment.state.body = measured.load(vector);
            }
            let vehicle = Vehicle::load(block.vehicles.flown(), vector);
            let Block { shared, episodes, numbers, settings, .. } = block;
            let place = (episodes.counters(vector, shared.rules.period), bits_of(u32::MAX, vector));
            let driver = LaneDriver::new(&numbers[..], place, episodes, &shared.streams, settings);
            let mut features = FeatureRows::new(observation, vector);
            shared.task.observe(&vehicle, &moment, &driver, &mut features);
        }
    }
}

/// What a step of a block came to.
struct BlockVerdict {
    reward: Row,
    /// One mask of lanes for each terminating condition.
    causes: [u32; MAX_TERMS],
    /// How many conditions there are.
    num_causes: usize,
}

/// What a step of one vector of lanes came to, on its way to memory.
pub(crate) struct LaneVerdict<'a, L> {
    /// The vector, and the lanes whose episodes go on.
    pub(crate) place: (usize, u32),
    causes: &'a mut [u32; MAX_TERMS],
    pub(crate) num_causes: usize,
    /// Of the terms that are not taken yet.
    sums: std::slice::IterMut<'a, Row>,
    reward: L,
}

impl<'a, L: Lanes> LaneVerdict<'a, L> {
    /// Nothing yet; no terms are taken.
    #[inline(always)]
    pub(crate) fn new(place: (usize, u32), causes: &'a mut [u32; MAX_TERMS]) -> Self {
        Self { place, causes, num_causes: 0, sums: std::slice::IterMut::default(), reward: L::splat(0.0) }
    }
}

impl<L: Lanes> Verdict<L> for LaneVerdict<'_, L> {
    #[inline(always)]
    fn end<const N: usize>(&mut self, causes: [L::Mask; N]) {
        let (vector, live) = self.place;
        for cause in causes {
            self.causes[self.num_causes] |= (L::bits(cause) & live) << (vector * LANES);
            self.num_causes += 1;
        }
    }

    #[inline(always)]
    fn has_ended(&self, set: u32) -> L::Mask {
        let mut lanes = 0;
        for (bit, cause) in self.causes[..self.num_causes].iter().enumerate() {
            lanes |= if set >> bit & 1 == 1 { *cause } else { 0 };
        }
        L::mask(bits_of(lanes, self.place.0))
    }

    #[inline(always)]
    fn earn<const N: usize>(&mut self, terms: [L; N]) {
        let (vector, live) = self.place;
        for (term, sum) in terms.into_iter().zip(&mut self.sums) {
            self.reward = self.reward + earn(sum, vector, L::mask(live), term);
        }
    }
}

struct Advance<'a, T: Task, const ALIGNED: bool> {
    block: &'a mut Block<T>,
    reality: Option<&'a Reality>,
    action: &'a [Row],
}

impl<T: Task, const ALIGNED: bool> Kernel for Advance<'_, T, ALIGNED> {
    type Output = BlockVerdict;

    #[inline(always)]
    fn run<L: Lanes>(self) -> BlockVerdict {
        let Self { block, reality, action } = self;
        let mut outcome = BlockVerdict { reward: Row::ZERO, causes: [0; MAX_TERMS], num_causes: 0 };
        for vector in 0..VECTORS {
            let live = bits_of(!block.episodes.ended, vector);
            if live != 0 {
                block.step_lanes::<L, ALIGNED>((vector, live), reality, action, &mut outcome);
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
        (vector, live): (usize, u32),
        reality: Option<&Reality>,
        action: &[Row],
        outcome: &mut BlockVerdict,
    ) {
        let Self { shared, episodes, vehicles, state: states, memory: memories, target, push, .. } = self;
        let (numbers, settings) = (&mut self.numbers[..], &self.settings[..]);
        let rules = &shared.rules;
        let mask = L::mask(live);
        if T::REFERENCE_MOVES_FIRST {
            let at = episodes.counters(vector, rules.period);
            target.advance::<L>(&at, live, &rules.motion, &shared.noise);
        }
        let mut sums = std::mem::take(&mut episodes.sums);
        let place = (episodes.counters(vector, rules.period), live);
        let mut driver = LaneDriver::new(numbers, place, episodes, &shared.streams, settings);
        let action = Action {
            given: load_four(action, vector),
            applied: reality.map(|it| load_four(it.action(action), vector)),
        };
        let moment = moment::<L, T>(states, memories, target, vector);
        let pushed = shared.task.pushed(load_vector(push, vector), &moment, &driver);
        let (vehicle, disturbance) =
            flight::<L, ALIGNED>(reality.map(Reality::flown), vehicles.flown(), pushed, vector);
        let limits = T::Limits::load(&vehicles.limits, vector);
        let mut verdict = LaneVerdict::new((vector, live), &mut outcome.causes);
        verdict.sums = sums.iter_mut();
        let flown = Flown { vehicle, disturbance };
        let After { state, memory } =
            shared.task.step(&flown, &moment, &limits, &action, &mut driver, &mut verdict);
        let LaneVerdict { num_causes, reward, .. } = verdict;
        outcome.num_causes = num_causes;
        outcome.reward.store(vector, reward);
        episodes.sums = sums;

        states.store_where(vector, mask, &state);
        T::Memory::store_where::<L>(memories, vector, mask, &memory);
        if !T::REFERENCE_MOVES_FIRST {
            let at = episodes.counters(vector, rules.period);
            target.advance::<L>(&at, live, &rules.motion, &shared.noise);
        }
    }
}
