//! Flying a window of control steps, and going back through it.

use eyas_env::{Derivative, DifferentiableBlock, EnvSpec, Step, Surrogate, Symmetry};
use eyas_lanes::{BLOCK, Row, Stream, lanes_of};
use eyas_policy::{Unroll, UnrollTape};

use super::config::ApgConfig;
use super::critic::{Critic, CriticShard, Window};
use crate::actor::mirror;
use crate::black_box::{Origin, Tape};
use crate::engine::{Next, Rollout, Shared, fly_block};
use crate::finite::{NotFinite, OnNan};

/// What all blocks read.
pub(super) struct Update<'a, S: Surrogate> {
    pub(super) config: &'a ApgConfig<S>,
    pub(super) spec: &'a EnvSpec,
    pub(super) origin: Option<&'a Origin>,
    pub(super) unroll: &'a Unroll,
    pub(super) critic: Option<&'a Critic>,
    pub(super) iteration: u32,
    pub(super) mirror: Stream,
}

/// What a block's window leaves for the way back. It is used up there, so blocks that a thread handles one after the
/// other take the same, which stays in the caches.
pub(super) struct Recording<B: DifferentiableBlock> {
    tape: UnrollTape,
    records: Vec<B::Record>,
    observation: Vec<Row>,
    mirrored: Vec<Row>,
    action: Vec<Row>,
}

/// A block of an update: what is known of its window, and its share of the gradient.
pub(super) struct Shard {
    /// Surrogate cost of each step.
    costs: Vec<Row>,
    /// Lanes that crashed, and lanes that were cut off by time, in each step; all were reset after it.
    crashed: Vec<u32>,
    cut: Vec<u32>,
    /// Steps since the last reset.
    pub(super) age: [u32; BLOCK],
    critic: CriticShard,
    /// What the block flew last.
    pub(super) tape: Tape,
    pub(super) gradient: Vec<f32>,
    pub(super) cost: f64,
    pub(super) reward: f64,
    pub(super) crashes: u32,
    /// What became of the window that was flown last.
    pub(super) flown: Result<(), NotFinite>,
}

impl<B: DifferentiableBlock> Recording<B> {
    pub(super) fn new(update: &Update<B::Surrogate>) -> Self {
        let Update { config, spec, unroll, .. } = *update;
        let mut tape = UnrollTape::default();
        unroll.prepare(config.window_steps, &mut tape);
        Self {
            tape,
            // One more, for the state at the window's end.
            records: vec![B::Record::default(); config.window_steps + 1],
            observation: vec![Row::ZERO; spec.num_observations()],
            mirrored: vec![Row::ZERO; spec.num_observations()],
            action: vec![Row::ZERO; spec.num_actions],
        }
    }
}

impl Shard {
    pub(super) fn new(
        first_env: u32,
        config: &ApgConfig<impl Surrogate>,
        critic: Option<&Critic>,
        ages: Stream,
    ) -> Self {
        let age = std::array::from_fn(|lane| {
            let env = first_env + lane as u32;
            (ages.uniform([env, 0, 0, 0]) * config.episode_steps as f32) as u32
        });
        Self {
            costs: vec![Row::ZERO; config.window_steps],
            crashed: vec![0; config.window_steps],
            cut: vec![0; config.window_steps],
            age,
            critic: critic.map(Critic::shard).unwrap_or_default(),
            tape: Tape::default(),
            gradient: Vec::new(),
            cost: 0.0,
            reward: 0.0,
            crashes: 0,
            flown: Ok(()),
        }
    }

    /// What the value function learns from.
    pub(super) fn window(&mut self) -> (&mut CriticShard, Window<'_>) {
        (&mut self.critic, Window { costs: &self.costs, crashed: &self.crashed, cut: &self.cut })
    }
}

/// A block's window while it is flown.
struct FlownWindow<'a, B: DifferentiableBlock> {
    shared: &'a Update<'a, B::Surrogate>,
    symmetry: Option<&'a Symmetry>,
    time: usize,
    shard: &'a mut Shard,
    recording: &'a mut Recording<B>,
}

impl<B: DifferentiableBlock> Rollout<B> for FlownWindow<'_, B> {
    fn goes_on(&self) -> bool {
        true
    }

    fn begin(&mut self, _block: &mut B, _used: u32) -> bool {
        (self.shard.reward, self.shard.crashes) = (0.0, 0);
        self.shared.config.window_steps > 0
    }

    fn act(&mut self, _block: &B, observation: &mut [Row], action: &mut [Row]) {
        let Recording { tape, mirrored, .. } = &mut *self.recording;
        mirror(self.symmetry.map(|it| it.observation.as_slice()), observation, mirrored);
        let output = self.shared.unroll.forward(self.time, mirrored, tape);
        mirror(self.symmetry.map(|it| it.action.as_slice()), output, action);
    }

    fn step(&mut self, block: &mut B, action: &[Row]) -> Step {
        block.step_recorded(action, &mut self.recording.records[self.time])
    }

    fn record(&mut self, block: &mut B, observation: &mut [Row], _action: &[Row], step: &Step) -> Next {
        let Self { shared, shard, time, .. } = self;
        shard.reward += f64::from(step.reward.0.iter().sum::<f32>());
        shard.crashes += step.terminated.count_ones();
        let mut done = step.terminated | step.truncated;
        for (lane, age) in shard.age.iter_mut().enumerate() {
            *age += 1;
            done |= u32::from(*age >= shared.config.episode_steps) << lane;
        }
        shard.crashed[*time] = step.terminated;
        shard.cut[*time] = done & !step.terminated;
        for lane in lanes_of(done) {
            shard.age[lane] = 0;
        }
        if let Some(critic) = shared.critic.filter(|_| shard.cut[*time] != 0) {
            let mirrored = &mut self.recording.mirrored;
            block.observe(observation);
            mirror(self.symmetry.map(|it| it.observation.as_slice()), observation, mirrored);
            critic.keep_cut(mirrored, &mut shard.critic);
        }
        *time += 1;
        Next { reset: done, is_last: *time == shared.config.window_steps }
    }
}

impl<S: Surrogate> Update<'_, S> {
    /// Flies a window, resetting envs that crash or come of age.
    pub(super) fn fly<B: DifferentiableBlock<Surrogate = S>>(
        &self,
        block: &mut B,
        shard: &mut Shard,
        recording: &mut Recording<B>,
    ) -> Result<(), NotFinite> {
        let symmetry = self.symmetry_of(block.first_env());
        let mut buffers = [std::mem::take(&mut recording.observation), std::mem::take(&mut recording.action)];
        let mut tape = std::mem::take(&mut shard.tape);
        let mut window = FlownWindow { shared: self, symmetry, time: 0, shard, recording };
        let shared = Shared { spec: self.spec, origin: self.origin, on_nan: OnNan::Stop };
        let flown = fly_block((block, u32::MAX), &mut window, shared, &mut tape, &mut buffers);
        shard.tape = tape;
        [recording.observation, recording.action] = buffers;
        flown.map(drop)
    }

    /// Derivative of the cost to come after the window with respect to the state at its end.
    fn look_ahead<B: DifferentiableBlock>(
        &self,
        block: &B,
        shard: &mut Shard,
        recording: &mut Recording<B>,
    ) -> Derivative {
        let mut derivative = Derivative::default();
        if let Some(critic) = self.critic {
            let symmetry = self.symmetry_of(block.first_env());
            let end = self.config.window_steps;
            block.record_state(&mut recording.records[end]);
            let Recording { tape, mirrored, observation, records, .. } = recording;
            block.observe(observation);
            mirror(symmetry.map(|it| it.observation.as_slice()), observation, mirrored);
            critic.close(tape.inputs(), mirrored, &mut shard.critic, observation);
            mirror(symmetry.map(|it| it.observation.as_slice()), observation, mirrored);
            block.pull_back_observation(&records[end], mirrored, &mut derivative);
        }
        derivative
    }

    /// Sums the cost of the window that was flown last and its gradient.
    pub(super) fn go_back<B: DifferentiableBlock<Surrogate = S>>(
        &self,
        block: &B,
        shard: &mut Shard,
        recording: &mut Recording<B>,
        parameters: usize,
    ) {
        let symmetry = self.symmetry_of(block.first_env());
        shard.gradient.clear();
        shard.gradient.resize(parameters, 0.0);
        shard.cost = 0.0;
        let mut derivative = self.look_ahead(block, shard, recording);
        let discount = self.config.gamma as f32;
        let Recording { tape, records, observation, mirrored, action: of_action } = recording;
        let mut action = of_action.clone();
        for time in (0..self.config.window_steps).rev() {
            let record = &records[time];
            derivative.fade(discount, shard.crashed[time] | shard.cut[time]);
            let cost = block.pull_back_step(&self.config.surrogate, record, &mut derivative, of_action);
            shard.cost += f64::from(cost.0.iter().sum::<f32>());
            shard.costs[time] = cost;
            mirror(symmetry.map(|it| it.action.as_slice()), of_action, &mut action);
            self.unroll.backward(time, &action, tape, mirrored);
            mirror(symmetry.map(|it| it.observation.as_slice()), mirrored, observation);
            block.pull_back_observation(record, observation, &mut derivative);
            self.unroll.add_gradient(time, tape, &mut shard.gradient);
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
