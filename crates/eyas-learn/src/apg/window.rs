//! Flying a window of control steps, and going back through it.

use eyas_env::{Derivative, DifferentiableBlock, EnvSpec, Surrogate, Symmetry};
use eyas_lanes::{BLOCK, Row, Stream, lanes_of};
use eyas_policy::{Unroll, UnrollTape};

use super::config::ApgConfig;
use super::critic::{Critic, CriticMemory, Window};
use crate::pilot::mirror;

/// Times whose share of the parameters' gradient is summed at once: their derivatives are still in the
/// second-level cache.
const CHUNK: usize = 16;

/// What all blocks read.
pub(super) struct Flight<'a, S: Surrogate> {
    pub(super) config: &'a ApgConfig<S>,
    pub(super) spec: &'a EnvSpec,
    pub(super) unroll: &'a Unroll,
    pub(super) critic: Option<&'a Critic>,
    pub(super) iteration: u32,
    pub(super) mirror: Stream,
}

/// One block's window.
pub(super) struct Memory<B: DifferentiableBlock> {
    tape: UnrollTape,
    records: Vec<B::Record>,
    /// Surrogate cost of each step.
    costs: Vec<Row>,
    /// Lanes that crashed, and lanes that were cut off by time, in each step; all were reset after it.
    crashed: Vec<u32>,
    cut: Vec<u32>,
    /// Steps since the last reset.
    pub(super) age: [u32; BLOCK],
    observation: Vec<Row>,
    mirrored: Vec<Row>,
    action: Vec<Row>,
    critic: CriticMemory,
    pub(super) gradient: Vec<f32>,
    pub(super) cost: f64,
    pub(super) reward: f64,
    pub(super) crashes: u32,
}

impl<B: DifferentiableBlock> Memory<B> {
    pub(super) fn new(block: &B, flight: &Flight<B::Surrogate>, ages: Stream) -> Self {
        let Flight { config, spec, unroll, critic, .. } = *flight;
        let mut tape = UnrollTape::default();
        unroll.prepare(config.window_steps, &mut tape);
        let age = std::array::from_fn(|lane| {
            let env = block.first_env() + lane as u32;
            (ages.uniform([env, 0, 0, 0]) * config.episode_steps as f32) as u32
        });
        Self {
            tape,
            // One more, for the state at the window's end.
            records: vec![B::Record::default(); config.window_steps + 1],
            costs: vec![Row::ZERO; config.window_steps],
            crashed: vec![0; config.window_steps],
            cut: vec![0; config.window_steps],
            age,
            observation: vec![Row::ZERO; spec.num_observations()],
            mirrored: vec![Row::ZERO; spec.num_observations()],
            action: vec![Row::ZERO; spec.num_actions],
            critic: critic.map(Critic::memory).unwrap_or_default(),
            gradient: Vec::new(),
            cost: 0.0,
            reward: 0.0,
            crashes: 0,
        }
    }
}

impl<B: DifferentiableBlock> Memory<B> {
    /// What the value function learns from.
    pub(super) fn window(&mut self) -> (&mut CriticMemory, Window<'_>) {
        (&mut self.critic, Window { costs: &self.costs, crashed: &self.crashed, cut: &self.cut })
    }
}

impl<S: Surrogate> Flight<'_, S> {
    /// Flies a window, resetting envs that crash or come of age.
    pub(super) fn fly<B: DifferentiableBlock<Surrogate = S>>(&self, block: &mut B, memory: &mut Memory<B>) {
        let symmetry = self.symmetry_of(block.first_env());
        (memory.reward, memory.crashes) = (0.0, 0);
        for time in 0..self.config.window_steps {
            self.look(block, memory);
            let output = self.unroll.forward(time, &memory.mirrored, &mut memory.tape);
            mirror(symmetry.map(|it| it.action.as_slice()), output, &mut memory.action);
            let step = block.step_recorded(&memory.action, &mut memory.records[time]);
            memory.reward += f64::from(step.reward.0.iter().sum::<f32>());
            memory.crashes += step.terminated.count_ones();
            let mut done = 0;
            for (lane, age) in memory.age.iter_mut().enumerate() {
                *age += 1;
                done |= u32::from(*age >= self.config.episode_steps) << lane;
            }
            done |= step.terminated | step.truncated;
            memory.crashed[time] = step.terminated;
            memory.cut[time] = done & !step.terminated;
            if let Some(critic) = self.critic.filter(|_| memory.cut[time] != 0) {
                self.look(block, memory);
                critic.keep_cut(&memory.mirrored, &mut memory.critic);
            }
            if done != 0 {
                block.reset(done);
                for lane in lanes_of(done) {
                    memory.age[lane] = 0;
                }
            }
        }
    }

    /// Observes a block as its symmetry shows it.
    fn look<B: DifferentiableBlock>(&self, block: &B, memory: &mut Memory<B>) {
        let symmetry = self.symmetry_of(block.first_env());
        block.observe(&mut memory.observation);
        mirror(symmetry.map(|it| it.observation.as_slice()), &memory.observation, &mut memory.mirrored);
    }

    /// Derivative of the cost to come after the window with respect to the state at its end.
    fn look_ahead<B: DifferentiableBlock>(&self, block: &B, memory: &mut Memory<B>) -> Derivative {
        let mut derivative = Derivative::default();
        if let Some(critic) = self.critic {
            let symmetry = self.symmetry_of(block.first_env());
            let end = self.config.window_steps;
            self.look(block, memory);
            block.record_state(&mut memory.records[end]);
            let Memory { tape, critic: own, mirrored, observation, records, .. } = memory;
            critic.close(tape.inputs(), mirrored, own, observation);
            mirror(symmetry.map(|it| it.observation.as_slice()), observation, mirrored);
            block.pull_back_observation(&records[end], mirrored, &mut derivative);
        }
        derivative
    }

    /// Sums the cost of the window and its gradient.
    pub(super) fn go_back<B: DifferentiableBlock<Surrogate = S>>(
        &self,
        block: &B,
        memory: &mut Memory<B>,
        parameters: usize,
    ) {
        let symmetry = self.symmetry_of(block.first_env());
        memory.gradient.clear();
        memory.gradient.resize(parameters, 0.0);
        memory.cost = 0.0;
        let mut derivative = self.look_ahead(block, memory);
        let discount = self.config.gamma as f32;
        let mut chunk_end = self.config.window_steps;
        let mut action = memory.action.clone();
        for time in (0..self.config.window_steps).rev() {
            let record = &memory.records[time];
            derivative.fade(discount, memory.crashed[time] | memory.cut[time]);
            let cost =
                block.pull_back_step(&self.config.surrogate, record, &mut derivative, &mut memory.action);
            memory.cost += f64::from(cost.0.iter().sum::<f32>());
            memory.costs[time] = cost;
            mirror(symmetry.map(|it| it.action.as_slice()), &memory.action, &mut action);
            self.unroll.backward(time, &action, &mut memory.tape, &mut memory.mirrored);
            mirror(symmetry.map(|it| it.observation.as_slice()), &memory.mirrored, &mut memory.observation);
            block.pull_back_observation(record, &memory.observation, &mut derivative);
            if time % CHUNK == 0 {
                self.unroll.add_gradient(time..chunk_end, &mut memory.tape, &mut memory.gradient);
                chunk_end = time;
            }
        }
    }

    /// The symmetry through which a block sees this window.
    fn symmetry_of(&self, first_env: u32) -> Option<&Symmetry> {
        if !self.config.symmetry_cfg.use_data_augmentation {
            return None;
        }
        let word = self.mirror.words([first_env, self.iteration, 0, 0])[0] as usize;
        let symmetries = &self.spec.symmetries;
        (word % (symmetries.len() + 1)).checked_sub(1).map(|index| &symmetries[index])
    }
}
