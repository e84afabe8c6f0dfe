//! A policy in envs of its own, one control step at a time, without end.

use eyas_env::{DelayLine, EnvBlock, Interference, VecEnv};
use eyas_lanes::{BLOCK, Row};
use eyas_learn::{Pilot, each_block};
use eyas_policy::{Inference, Scratch};
use eyas_web::{Poses, VehiclePose};

/// Envs that fly one policy; an episode that ends is followed by another.
pub(crate) struct Flyer {
    env: Box<dyn VecEnv>,
    pilot: Pilot,
    blocks: Vec<BlockState>,
    /// Control steps from an action to its effect.
    delay: u32,
    /// Control steps that each env has flown.
    steps: u64,
}

/// What is remembered of a block between steps.
#[derive(Default)]
struct BlockState {
    observation: Vec<Row>,
    state: Vec<Row>,
    scratch: Scratch,
    action: Vec<Row>,
    late: DelayLine,
    /// Bits of the lanes whose episode has just begun.
    fresh: u32,
    episodes: u32,
    crashes: u32,
}

impl Flyer {
    /// Starts an episode in every env.
    pub(crate) fn new(mut env: Box<dyn VecEnv>, pilot: Pilot) -> Self {
        let count = env.blocks().len();
        let mut blocks = Vec::new();
        blocks.resize_with(count, BlockState::default);
        for (index, memory) in blocks.iter_mut().enumerate() {
            memory.episodes = env.used_lanes(index).count_ones();
            memory.fresh = u32::MAX;
            env.blocks()[index].reset(u32::MAX);
        }
        let mut flyer = Self { env, pilot, blocks, delay: 0, steps: 0 };
        flyer.make_room();
        flyer
    }

    /// Lets another policy of the same task fly on from here, with an empty memory.
    pub(crate) fn hand_over(&mut self, pilot: Pilot) {
        self.pilot = pilot;
        self.make_room();
    }

    fn make_room(&mut self) {
        let inference = &self.pilot.inference;
        let observations = self.env.spec().num_observations();
        for memory in &mut self.blocks {
            memory.observation.resize(observations, Row::ZERO);
            memory.action.resize(inference.num_actions(), Row::ZERO);
            memory.state.clear();
            memory.state.resize(inference.state_width(), Row::ZERO);
            memory.scratch = Scratch::default();
        }
    }

    /// Changes what happens to the vehicles from now on; the delay is in control steps.
    pub(crate) fn disturb(&mut self, interference: &Interference, delay: u32) {
        self.delay = delay;
        for block in self.env.blocks() {
            block.interfere(interference.clone());
        }
    }

    /// Flies one control step in every env.
    pub(crate) fn step(&mut self) {
        let Self { env, pilot, blocks, delay, .. } = self;
        if let [memory] = &mut blocks[..] {
            // A single block goes without the thread pool, which may be busy learning.
            let used = env.used_lanes(0);
            memory.step(env.blocks()[0].as_mut(), used, pilot, *delay);
        } else {
            each_block(env.as_mut(), blocks, |block, used, memory| memory.step(block, used, pilot, *delay));
        }
        self.steps += 1;
    }

    /// Where everyone is; `speed` is flown time over time.
    pub(crate) fn poses(&mut self, speed: f32) -> Poses {
        let num_envs = self.env.num_envs();
        let period_s = 1.0 / self.env.spec().control_rate_hz;
        let blocks = self.env.blocks().iter().map(AsRef::as_ref);
        let lanes = blocks.flat_map(|block| (0..BLOCK).map(move |lane| (block, lane)));
        let of_lane = |(block, lane): (&dyn EnvBlock, usize)| {
            let seen = |vehicle| block.vehicle_telemetry(lane, vehicle);
            (0..block.num_vehicles()).map(seen).collect::<Vec<_>>()
        };
        let vehicles = lanes.take(num_envs).flat_map(of_lane).map(|it| VehiclePose {
            position: it.position,
            orientation: it.orientation,
            target: it.desired_position,
        });
        Poses {
            vehicles: vehicles.collect(),
            time_s: self.steps as f64 * period_s,
            speed,
            crashes: self.blocks.iter().map(|it| it.crashes).sum(),
            episodes: self.blocks.iter().map(|it| it.episodes).sum(),
        }
    }
}

impl BlockState {
    fn step(&mut self, block: &mut dyn EnvBlock, used: u32, pilot: &Pilot, delay: u32) {
        block.observe(&mut self.observation);
        let features = &self.observation[pilot.features.clone()];
        pilot.inference.act(features, &mut self.state, &mut self.scratch, &mut self.action);
        let outcome = block.step(self.late.pass(&self.action, &[delay; BLOCK], self.fresh));
        let ended = block.ended();
        self.crashes += (outcome.terminated & used).count_ones();
        self.episodes += (ended & used).count_ones();
        self.fresh = ended;
        if ended != 0 {
            block.reset(ended);
            Inference::forget(&mut self.state, ended);
        }
    }
}
