//! A policy in envs of its own, one control step at a time, without end.

use std::collections::VecDeque;

use eyas_env::{EnvBlock, Interference, VecEnv};
use eyas_lanes::{BLOCK, Row, lanes_of};
use eyas_learn::{Pilot, each_block};
use eyas_policy::{Inference, Scratch};
use eyas_web::{Poses, VehiclePose};

/// Envs that fly one policy; an episode that ends is followed by another.
pub(crate) struct Flyer {
    env: Box<dyn VecEnv>,
    pilot: Pilot,
    blocks: Vec<Memory>,
    /// Control steps from an action to its effect.
    delay: usize,
    /// Control steps that each env has flown.
    steps: u64,
}

/// What is remembered of a block between steps.
#[derive(Default)]
struct Memory {
    observation: Vec<Row>,
    state: Vec<Row>,
    scratch: Scratch,
    action: Vec<Row>,
    /// Actions that wait for their effect, the oldest first.
    late: VecDeque<Vec<Row>>,
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
        blocks.resize_with(count, Memory::default);
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
    pub(crate) fn disturb(&mut self, interference: Interference, delay: usize) {
        self.delay = delay;
        for block in self.env.blocks() {
            block.interfere(interference);
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
        let lanes = self.env.blocks().iter().flat_map(|block| (0..BLOCK).map(|lane| block.telemetry(lane)));
        let vehicles = lanes.take(num_envs).map(|it| VehiclePose {
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

impl Memory {
    fn step(&mut self, block: &mut dyn EnvBlock, used: u32, pilot: &Pilot, delay: usize) {
        block.observe(&mut self.observation);
        let features = &self.observation[pilot.features.clone()];
        pilot.inference.act(features, &mut self.state, &mut self.scratch, &mut self.action);
        self.enqueue(delay);
        let outcome = block.step(&self.late[0]);
        let ended = block.ended();
        self.crashes += (outcome.terminated & used).count_ones();
        self.episodes += (ended & used).count_ones();
        self.fresh = ended;
        if ended != 0 {
            block.reset(ended);
            Inference::forget(&mut self.state, ended);
        }
    }

    /// Lines the action up so that the first in line is the one given `delay` steps ago. An episode begins as if its
    /// first action had been given before.
    fn enqueue(&mut self, delay: usize) {
        for lane in lanes_of(self.fresh) {
            for waiting in &mut self.late {
                for (waiting, action) in waiting.iter_mut().zip(&self.action) {
                    waiting[lane] = action[lane];
                }
            }
        }
        self.late.push_back(self.action.clone());
        while self.late.len() > delay + 1 {
            self.late.pop_front();
        }
        // A delay that has just grown holds the oldest action meanwhile.
        while self.late.len() <= delay {
            self.late.push_front(self.late[0].clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_waits_as_many_steps_as_the_delay() {
        let mut memory = Memory::default();
        let mut effects = Vec::new();
        for (step, delay) in [0, 0, 2, 2, 2, 2, 0].into_iter().enumerate() {
            memory.action = vec![Row::splat(step as f32)];
            memory.enqueue(delay);
            effects.push(memory.late[0][0][5] as usize);
        }
        assert_eq!(effects, [0, 1, 1, 1, 2, 3, 6]);
        memory.fresh = 1 << 5;
        memory.action = vec![Row::splat(9.0)];
        memory.enqueue(1);
        assert_eq!([4, 5].map(|lane| memory.late[0][0][lane] as usize), [6, 9]);
    }
}
