//! Flying whole episodes while the teacher labels every visited state.

use std::ops::Range;

use eyas_env::{EnvBlock, VecEnv};
use eyas_lanes::{BLOCK, Row, Stream, lanes_of};
use eyas_policy::{Inference, Scratch};

use super::config::DistillConfig;
use super::dataset::Episode;
use super::faculty::Teacher;
use crate::pilot::{Pilot, each_block};

/// Flies the episodes of an epoch.
pub struct Collector {
    features: Range<usize>,
    num_actions: usize,
    episode_steps: u32,
    clamp_labels: bool,
    noise: Stream,
    /// The teacher of each block.
    teachers: Vec<usize>,
    memories: Vec<Memory>,
}

/// Episodes of one epoch, in the order of their envs.
#[derive(Clone, Debug, Default)]
pub(super) struct Rollouts {
    /// The episodes.
    pub(super) episodes: Vec<Episode>,
}

/// One flight of all envs that take part.
pub(super) struct Flight<'a> {
    /// Who flies; none: each teacher its own vehicle.
    pub(super) pilot: Option<&'a Pilot>,
    /// Who labels.
    pub(super) teachers: &'a [Teacher],
    /// Which teachers' vehicles fly.
    pub(super) flies: &'a [bool],
    /// Number of the flight in the run.
    pub(super) index: u32,
}

/// Statistics of the episodes of one epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    /// Mean return with each teacher; not a number where none flew.
    pub returns: Vec<f64>,
    /// Whole episodes.
    pub episodes: usize,
    /// Samples in them.
    pub samples: usize,
    /// Mean return.
    pub mean_return: f64,
    /// Standard deviation of the returns.
    pub std_return: f64,
    /// Mean length, control steps.
    pub mean_length: f64,
    /// Share that crashed.
    pub crash_rate: f64,
}

impl Rollouts {
    /// Mean return with each teacher; not a number where none flew.
    fn returns(&self, teachers: usize) -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); teachers];
        for episode in &self.episodes {
            let (sum, count) = &mut sums[episode.teacher as usize];
            *sum += f64::from(episode.episode_return);
            *count += 1.0;
        }
        sums.into_iter().map(|(sum, count)| sum / count).collect()
    }

    /// Forgets the episodes of teachers that do not label them.
    pub(super) fn keep(&mut self, active: &[bool]) {
        self.episodes.retain(|episode| active[episode.teacher as usize]);
    }

    /// Statistics of the episodes.
    #[must_use]
    pub(super) fn summary(&self, teachers: usize) -> Collected {
        let count = self.episodes.len().max(1) as f64;
        let mean = |value: &dyn Fn(&Episode) -> f64| self.episodes.iter().map(value).sum::<f64>() / count;
        let mean_return = mean(&|it| f64::from(it.episode_return));
        Collected {
            returns: self.returns(teachers),
            episodes: self.episodes.len(),
            samples: self.episodes.iter().map(Episode::num_samples).sum(),
            mean_return,
            std_return: mean(&|it| (f64::from(it.episode_return) - mean_return).powi(2)).sqrt(),
            mean_length: mean(&|it| it.num_samples() as f64),
            crash_rate: mean(&|it| f64::from(u8::from(it.crashed))),
        }
    }
}

#[derive(Default)]
struct Memory {
    /// Episodes that each lane still has to begin.
    quota: [u32; BLOCK],
    open: Vec<Episode>,
    done: Vec<(usize, Episode)>,
    observation: Vec<Row>,
    action: Vec<Row>,
    label: Vec<Row>,
    state: Vec<Row>,
    teacher_state: Vec<Row>,
    scratch: [Scratch; 2],
}

impl Collector {
    /// `num_teachers` teachers share the blocks evenly and in order; each flies `num_episodes` of the configuration.
    pub(super) fn new(
        config: &DistillConfig,
        env: &dyn VecEnv,
        num_teachers: usize,
        features: Range<usize>,
        noise: Stream,
    ) -> Self {
        let mut memories = Vec::new();
        memories.resize_with(env.num_envs().div_ceil(BLOCK), Memory::default);
        let per_teacher = memories.len() / num_teachers;
        for own in memories.chunks_mut(per_teacher) {
            let envs = env.num_envs().min(own.len() * BLOCK);
            share_episodes(own, config.num_episodes as usize, envs);
        }
        Self {
            features,
            num_actions: env.spec().num_actions,
            episode_steps: config.episode_steps,
            clamp_labels: config.clamp_labels,
            noise,
            teachers: (0..memories.len()).map(|block| block / per_teacher).collect(),
            memories,
        }
    }

    /// Flies the episodes of a flight: every env its share, each to its own end, so that long episodes are as likely to
    /// be kept as short ones.
    pub(super) fn collect(&mut self, env: &mut dyn VecEnv, flight: &Flight) -> Rollouts {
        let observations = env.spec().num_observations();
        let Self { features, num_actions, episode_steps, clamp_labels, noise, teachers, memories } = self;
        each_block(env, memories, |block, _, memory| {
            let index = teachers[block.first_env() as usize / BLOCK];
            if !flight.flies[index] {
                return;
            }
            let teacher = &flight.teachers[index];
            let pilot = flight.pilot.unwrap_or(&teacher.pilot);
            let labels = Labels { teacher, clamp: *clamp_labels, noise: *noise, flight: flight.index };
            memory.prepare(observations, *num_actions, pilot, &teacher.pilot);
            memory.fly(block, pilot, features.clone(), *episode_steps, &labels);
        });
        let mut episodes = Vec::new();
        for (memory, teacher) in memories.iter_mut().zip(teachers) {
            // Lanes finish in any order of time; episodes are kept in the order of envs.
            memory.done.sort_by_key(|(lane, _)| *lane);
            let teacher = *teacher as u32;
            episodes.extend(memory.done.drain(..).map(|(_, episode)| Episode { teacher, ..episode }));
        }
        Rollouts { episodes }
    }
}

/// Spreads episodes evenly over the first envs.
fn share_episodes(memories: &mut [Memory], episodes: usize, num_envs: usize) {
    let envs = episodes.min(num_envs);
    for env in 0..envs {
        let share = episodes / envs + usize::from(env < episodes % envs);
        memories[env / BLOCK].quota[env % BLOCK] = share as u32;
    }
}

struct Labels<'a> {
    teacher: &'a Teacher,
    clamp: bool,
    noise: Stream,
    flight: u32,
}

impl Memory {
    fn prepare(&mut self, observations: usize, actions: usize, pilot: &Pilot, teacher: &Pilot) {
        self.observation.resize(observations, Row::ZERO);
        self.action.resize(actions, Row::ZERO);
        self.label.resize(actions, Row::ZERO);
        self.state.clear();
        self.state.resize(pilot.inference.state_width(), Row::ZERO);
        self.teacher_state.clear();
        self.teacher_state.resize(teacher.inference.state_width(), Row::ZERO);
        self.open.resize_with(BLOCK, Episode::default);
    }

    fn fly(
        &mut self,
        block: &mut dyn EnvBlock,
        pilot: &Pilot,
        features: Range<usize>,
        episode_steps: u32,
        labels: &Labels,
    ) {
        let Teacher { pilot: teacher, resting, .. } = labels.teacher;
        let mut left = self.quota;
        // Episodes are numbered through the run, so that a resumed run starts them where it left off.
        for lane in 0..BLOCK {
            block.set_next_episode(lane, labels.flight * self.quota[lane]);
        }
        let mut flying = (0..BLOCK).filter(|lane| left[*lane] > 0).fold(0, |bits, lane| bits | 1_u32 << lane);
        block.reset(flying);
        let width = features.len();
        let mut step = 0;
        while flying != 0 {
            block.observe(&mut self.observation);
            let Self { state, teacher_state, scratch: [scratch, teacher_scratch], .. } = self;
            pilot.inference.act(&self.observation[pilot.features.clone()], state, scratch, &mut self.action);
            let observed = &self.observation[teacher.features.clone()];
            teacher.inference.act(observed, teacher_state, teacher_scratch, &mut self.label);
            labels.finish(block.first_env(), step, &mut self.label);
            let outcome = block.step(&self.action);
            for lane in lanes_of(flying) {
                let episode = &mut self.open[lane];
                let record = self.observation[features.clone()].iter().chain(&self.label);
                episode.push(record.map(|row| row[lane]), resting.as_ref());
                episode.episode_return += outcome.reward[lane];
            }
            let late = lanes_of(flying)
                .filter(|lane| {
                    self.open[*lane].records.len() >= episode_steps as usize * (width + self.label.len())
                })
                .fold(0, |bits, lane| bits | 1_u32 << lane);
            let ended = flying & (outcome.terminated | outcome.truncated | late);
            for lane in lanes_of(ended) {
                let mut episode = std::mem::take(&mut self.open[lane]);
                episode.width = width + self.label.len();
                episode.crashed = outcome.terminated >> lane & 1 == 1;
                self.done.push((lane, episode));
                left[lane] -= 1;
                if left[lane] == 0 {
                    flying &= !(1 << lane);
                }
            }
            for state in [&mut self.state, &mut self.teacher_state] {
                Inference::forget(state, ended);
            }
            block.reset(ended & flying);
            step += 1;
        }
    }
}

impl Labels<'_> {
    /// Turns the teacher's actions into labels.
    fn finish(&self, first_env: u32, step: u32, label: &mut [Row]) {
        if let Some(std) = &self.teacher.label_std {
            for lane in 0..BLOCK {
                let env = first_env + lane as u32;
                for (draw, (rows, std)) in label.chunks_mut(4).zip(std.chunks(4)).enumerate() {
                    // A vehicle's four motors for each draw; step and draw share a counter.
                    let noise = self.noise.normals([env, self.flight, step, draw as u32]);
                    for ((row, std), noise) in rows.iter_mut().zip(std).zip(noise) {
                        row[lane] += std * noise;
                    }
                }
            }
        }
        if self.clamp {
            label.iter_mut().flat_map(|row| &mut row.0).for_each(|value| *value = value.clamp(-1.0, 1.0));
        }
    }
}
