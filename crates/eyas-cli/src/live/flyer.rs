//! A policy in envs of its own, one control step at a time, without end.

use std::sync::Arc;

use eyas_env::{DelayLine, Perturbation, Step, Telemetry};
use eyas_lanes::{BLOCK, Row, lanes_of};
use eyas_learn::{Actor, AnyBlock, Controller, Engine, Next, NotFinite, Rollout};
use eyas_policy::{Inference, Scratch};
use eyas_web::{Poses, VehiclePose};

/// Envs that fly one policy; an episode that ends is followed by another.
pub(crate) struct Flyer {
    engine: Box<dyn Engine>,
    actor: Actor,
    blocks: Vec<BlockState>,
    /// What happens to the vehicles.
    perturbation: Arc<Perturbation>,
    /// Control steps from an action to its effect.
    delay: u32,
    /// Control steps that each env has flown.
    steps: u64,
}

/// What is remembered of a block between steps.
#[derive(Default)]
struct BlockState {
    state: Vec<Row>,
    scratch: Scratch,
    late: DelayLine,
    /// Bits of the lanes that are envs; 0 before the first episodes.
    used: u32,
    /// Bits of the lanes whose episode has just begun.
    fresh: u32,
    episodes: u32,
    crashes: u32,
    /// Where the vehicles are, when that was asked last.
    seen: Vec<Telemetry>,
}

/// What to do with a block.
#[derive(Clone, Copy)]
enum Task {
    /// Fly a control step.
    Fly,
    /// Change what happens to its vehicles.
    Disturb,
    /// See where they are.
    Look,
}

struct Live<'a> {
    task: Task,
    actor: &'a Actor,
    perturbation: &'a Arc<Perturbation>,
    delay: u32,
    memory: &'a mut BlockState,
}

impl Flyer {
    /// Starts an episode in every env.
    pub(crate) fn new(engine: Box<dyn Engine>, actor: Actor) -> Self {
        let mut blocks = Vec::new();
        blocks.resize_with(engine.num_blocks(), BlockState::default);
        let mut flyer = Self { engine, actor, blocks, perturbation: Arc::default(), delay: 0, steps: 0 };
        flyer.forget();
        flyer.look();
        flyer
    }

    /// Lets another policy of the same task fly on from here, with an empty memory.
    pub(crate) fn hand_over(&mut self, actor: Actor) {
        self.actor = actor;
        self.forget();
    }

    fn forget(&mut self) {
        let width = self.actor.state_width();
        for memory in &mut self.blocks {
            memory.state.clear();
            memory.state.resize(width, Row::ZERO);
            memory.scratch = Scratch::default();
        }
    }

    /// Changes what happens to the vehicles from now on; the delay is in control steps.
    pub(crate) fn disturb(&mut self, perturbation: Perturbation, delay: u32) {
        (self.perturbation, self.delay) = (Arc::new(perturbation), delay);
        // No step is flown that a number could go wrong in.
        let _ = self.each_block(Task::Disturb);
    }

    fn look(&mut self) {
        let _ = self.each_block(Task::Look);
    }

    /// Flies one control step in every env.
    pub(crate) fn step(&mut self) -> Result<(), NotFinite> {
        self.steps += 1;
        self.each_block(Task::Fly)
    }

    fn each_block(&mut self, task: Task) -> Result<(), NotFinite> {
        let Self { engine, actor, blocks, perturbation, delay, .. } = self;
        let live = |memory| Live { task, actor, perturbation, delay: *delay, memory };
        engine.fly_all(&mut blocks.iter_mut().map(live).collect::<Vec<_>>())
    }

    /// Where everyone is; `speed` is flown time over time.
    pub(crate) fn poses(&mut self, speed: f32) -> Poses {
        self.look();
        let vehicles = self.blocks.iter().flat_map(|block| &block.seen).map(|it| VehiclePose {
            position: it.position,
            orientation: it.orientation,
            target: it.desired_position,
        });
        Poses {
            vehicles: vehicles.collect(),
            time_s: self.steps as f64 / self.engine.spec().control_rate_hz,
            speed,
            crashes: self.blocks.iter().map(|it| it.crashes).sum(),
            episodes: self.blocks.iter().map(|it| it.episodes).sum(),
        }
    }
}

impl Rollout for Live<'_> {
    fn goes_on(&self) -> bool {
        self.memory.used != 0
    }

    fn is_continued(&self) -> bool {
        true
    }

    fn perturbation(&self) -> Option<&Arc<Perturbation>> {
        Some(self.perturbation)
    }

    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        let memory = &mut *self.memory;
        if memory.used == 0 {
            block.reset(u32::MAX);
            (memory.used, memory.fresh) = (used, u32::MAX);
            memory.episodes = used.count_ones();
        }
        match self.task {
            Task::Fly => return true,
            Task::Disturb => block.perturb(self.perturbation.as_ref().clone()),
            Task::Look => {
                let block = &*block;
                let of_lane = |lane| {
                    (0..block.num_vehicles()).map(move |vehicle| block.vehicle_telemetry(lane, vehicle))
                };
                memory.seen.clear();
                memory.seen.extend(lanes_of(used).flat_map(of_lane));
            }
        }
        false
    }

    fn act(&mut self, block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
        let BlockState { state, scratch, late, fresh, .. } = &mut *self.memory;
        self.actor.act(block, observation, state, scratch, action);
        action.copy_from_slice(late.pass(action, &[self.delay; BLOCK], *fresh));
    }

    fn record(
        &mut self,
        block: &mut AnyBlock,
        _observation: &mut [Row],
        _action: &[Row],
        step: &Step,
    ) -> Next {
        let memory = &mut *self.memory;
        // An env that is reset for a number that is not finite has been terminated.
        let ended = block.ended() | step.terminated;
        memory.crashes += (step.terminated & memory.used).count_ones();
        memory.episodes += (ended & memory.used).count_ones();
        memory.fresh = ended;
        Inference::forget(&mut memory.state, ended);
        Next { reset: ended, is_last: true }
    }
}
