//! Flying whole episodes while the teacher labels every visited state.

use std::ops::Range;

use eyas_env::Step;
use eyas_lanes::{BLOCK, Row, Stream, lanes_of};
use eyas_policy::{Inference, Scratch};
use rayon::prelude::*;

use super::config::DistillConfig;
use super::dataset::Episode;
use super::teachers::Teacher;
use crate::actor::Actor;
use crate::engine::{AnyBlock, BlockPlan, Engine, EpisodePlan, FlownEpisode, Next, Rollout};
use crate::finite::NotFinite;

/// Flies the episodes of an epoch.
pub(super) struct LabelledFlights {
    features: Range<usize>,
    num_actions: usize,
    episode_steps: u32,
    clamp_labels: bool,
    noise: Stream,
    /// The teacher of each block.
    teachers: Vec<usize>,
    buffers: Vec<Buffers>,
}

/// Episodes of one epoch, in the order of their envs.
#[derive(Clone, Debug, Default)]
pub(super) struct Rollouts {
    /// The episodes.
    pub(super) episodes: Vec<Episode>,
}

/// Who flies, who labels, and where.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    /// Who flies; none: each teacher its own vehicle.
    pub(super) actor: Option<&'a Actor>,
    /// Who labels.
    pub(super) teachers: &'a [Teacher],
    /// Which teachers' vehicles fly.
    pub(super) flies: &'a [bool],
    /// Number of the flight in the run.
    pub(super) index: u32,
}

impl<'a> Plan<'a> {
    /// What becomes of the actions of a teacher.
    fn labels(&self, teacher: usize, clamp: bool, noise: Stream) -> Labels<'a> {
        Labels { teacher: &self.teachers[teacher], clamp, noise, flight: self.index }
    }
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

/// What a block goes on with from step to step, kept from epoch to epoch.
#[derive(Default)]
struct Buffers {
    /// Episodes that each lane has to fly.
    quota: [u32; BLOCK],
    open: Vec<Episode>,
    done: Vec<(usize, Episode)>,
    label: Vec<Row>,
    state: Vec<Row>,
    teacher_state: Vec<Row>,
    scratch: [Scratch; 2],
}

impl LabelledFlights {
    /// `num_teachers` teachers share the blocks evenly and in order; each flies `num_episodes` of the configuration.
    pub(super) fn new(
        config: &DistillConfig,
        engine: &dyn Engine,
        num_teachers: usize,
        features: Range<usize>,
        noise: Stream,
    ) -> Self {
        let mut buffers = Vec::new();
        buffers.resize_with(engine.num_blocks(), Buffers::default);
        let per_teacher = buffers.len() / num_teachers;
        for own in buffers.chunks_mut(per_teacher) {
            let envs = engine.num_envs().min(own.len() * BLOCK);
            share_episodes(own, config.num_episodes as usize, envs);
        }
        Self {
            features,
            num_actions: engine.spec().num_actions,
            episode_steps: config.episode_steps,
            clamp_labels: config.clamp_labels,
            noise,
            teachers: (0..buffers.len()).map(|block| block / per_teacher).collect(),
            buffers,
        }
    }

    /// Flies the episodes of a plan: every env its share, each to its own end, so that long episodes are as likely to be
    /// kept as short ones.
    pub(super) fn collect(&mut self, engine: &mut dyn Engine, plan: &Plan) -> Result<Rollouts, NotFinite> {
        if let Some(flown) = engine.fly_episodes(&self.described(plan)) {
            return Ok(Rollouts { episodes: self.labelled(plan, flown) });
        }
        let Self { features, num_actions, episode_steps, clamp_labels, noise, teachers, buffers } = self;
        let mut rollouts: Vec<Labelled> = buffers
            .iter_mut()
            .zip(&*teachers)
            .map(|(buffers, index)| {
                let teacher = &plan.teachers[*index];
                let actor = plan.actor.unwrap_or(&teacher.actor);
                buffers.prepare(*num_actions, actor, &teacher.actor);
                Labelled {
                    flies: plan.flies[*index],
                    actor,
                    labels: plan.labels(*index, *clamp_labels, *noise),
                    features: features.clone(),
                    episode_steps: *episode_steps,
                    left: buffers.quota,
                    flying: 0,
                    lost: 0,
                    step: 0,
                    buffers,
                }
            })
            .collect();
        engine.fly_all(&mut rollouts)?;
        let mut episodes = Vec::new();
        for (buffers, teacher) in buffers.iter_mut().zip(teachers) {
            // Lanes finish in any order of time; episodes are kept in the order of envs.
            buffers.done.sort_by_key(|(lane, _)| *lane);
            let teacher = *teacher as u32;
            episodes.extend(buffers.done.drain(..).map(|(_, episode)| Episode { teacher, ..episode }));
        }
        Ok(Rollouts { episodes })
    }

    /// The same flights for an engine that flies whole episodes.
    fn described<'a>(&self, plan: &Plan<'a>) -> EpisodePlan<'a> {
        let of_block = |(buffers, index): (&Buffers, &usize)| {
            let teacher = &plan.teachers[*index];
            plan.flies[*index].then(|| BlockPlan {
                actor: plan.actor.unwrap_or(&teacher.actor),
                labeller: Some(&teacher.actor),
                first_episode: Some(buffers.quota.map(|quota| first_episode(plan.index, quota))),
                quota: buffers.quota,
            })
        };
        EpisodePlan {
            blocks: self.buffers.iter().zip(&self.teachers).map(of_block).collect(),
            episode_steps: self.episode_steps,
            records: Some(self.features.clone()),
            measures: None,
        }
    }

    /// What such an engine flew, with the teachers' actions turned into labels.
    fn labelled(&self, plan: &Plan, flown: Vec<Vec<FlownEpisode>>) -> Vec<Episode> {
        let width = self.features.len() + self.num_actions;
        let of_block = |(flown, teacher): (Vec<FlownEpisode>, &usize)| {
            let labels = plan.labels(*teacher, self.clamp_labels, self.noise);
            let (mut env, mut step) = (None, 0);
            let finish = move |flown: FlownEpisode| {
                if env.replace(flown.env) != Some(flown.env) {
                    step = 0;
                }
                let FlownEpisode { mut records, episode_return, crashed, .. } = flown;
                for record in records.chunks_exact_mut(width) {
                    labels.finish_record(flown.env, step, &mut record[self.features.len()..]);
                    if let Some(resting) = &labels.teacher.resting {
                        resting.subtract_from(record);
                    }
                    step += 1;
                }
                Episode { records, width, episode_return, crashed, teacher: *teacher as u32 }
            };
            flown.into_iter().map(finish).collect::<Vec<_>>()
        };
        let blocks = flown.into_par_iter().zip(&self.teachers);
        blocks.map(of_block).collect::<Vec<_>>().into_iter().flatten().collect()
    }
}

/// Episodes are numbered through the run, so that a resumed run starts them where it left off.
fn first_episode(flight: u32, quota: u32) -> u32 {
    flight * quota
}

/// Spreads episodes evenly over the first envs.
fn share_episodes(buffers: &mut [Buffers], episodes: usize, num_envs: usize) {
    let envs = episodes.min(num_envs);
    for env in 0..envs {
        let share = episodes / envs + usize::from(env < episodes % envs);
        buffers[env / BLOCK].quota[env % BLOCK] = share as u32;
    }
}

struct Labels<'a> {
    teacher: &'a Teacher,
    clamp: bool,
    noise: Stream,
    flight: u32,
}

/// A block's episodes, every state of which the teacher labels.
struct Labelled<'a> {
    flies: bool,
    actor: &'a Actor,
    labels: Labels<'a>,
    features: Range<usize>,
    episode_steps: u32,
    /// Episodes that each lane still has to end.
    left: [u32; BLOCK],
    /// Bits of the lanes that have any.
    flying: u32,
    /// Bits of those whose step is left out.
    lost: u32,
    step: u32,
    buffers: &'a mut Buffers,
}

impl Buffers {
    fn prepare(&mut self, actions: usize, actor: &Actor, teacher: &Actor) {
        self.label.resize(actions, Row::ZERO);
        self.state.clear();
        self.state.resize(actor.inference.state_width(), Row::ZERO);
        self.teacher_state.clear();
        self.teacher_state.resize(teacher.inference.state_width(), Row::ZERO);
        self.open.resize_with(BLOCK, Episode::default);
    }
}

impl Rollout for Labelled<'_> {
    fn begin(&mut self, block: &mut AnyBlock, _used: u32) -> bool {
        if !self.flies {
            return false;
        }
        for lane in 0..BLOCK {
            block.set_next_episode(lane, first_episode(self.labels.flight, self.left[lane]));
        }
        self.flying = (0..BLOCK).filter(|lane| self.left[*lane] > 0).fold(0, |bits, lane| bits | 1 << lane);
        block.reset(self.flying);
        self.flying != 0
    }

    fn act(&mut self, block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
        let Buffers { state, teacher_state, label, scratch: [scratch, teacher_scratch], .. } =
            &mut *self.buffers;
        self.actor.inference.act(&observation[self.actor.features.clone()], state, scratch, action);
        let teacher = &self.labels.teacher.actor;
        teacher.inference.act(&observation[teacher.features.clone()], teacher_state, teacher_scratch, label);
        self.labels.finish(block.first_env(), self.step, label);
    }

    fn lose(&mut self, lanes: u32) {
        self.lost = lanes;
    }

    fn record(
        &mut self,
        _block: &mut AnyBlock,
        observation: &mut [Row],
        _action: &[Row],
        step: &Step,
    ) -> Next {
        let Buffers { open, done, label, state, teacher_state, .. } = &mut *self.buffers;
        let width = self.features.len() + label.len();
        let longest = self.episode_steps as usize * width;
        let resting = self.labels.teacher.resting.as_ref();
        let lost = std::mem::take(&mut self.lost);
        let mut ended = 0;
        for lane in lanes_of(self.flying) {
            let episode = &mut open[lane];
            if lost >> lane & 1 == 0 {
                let record = observation[self.features.clone()].iter().chain(&*label);
                episode.push(record.map(|row| row[lane]), resting);
            }
            episode.episode_return += step.reward[lane];
            let is_late = episode.records.len() >= longest;
            ended |= u32::from((step.terminated | step.truncated) >> lane & 1 == 1 || is_late) << lane;
        }
        for lane in lanes_of(ended) {
            let mut episode = std::mem::take(&mut open[lane]);
            episode.width = width;
            episode.crashed = step.terminated >> lane & 1 == 1;
            if !episode.records.is_empty() {
                done.push((lane, episode));
            }
            self.left[lane] -= 1;
            if self.left[lane] == 0 {
                self.flying &= !(1 << lane);
            }
        }
        for state in [state, teacher_state] {
            Inference::forget(state, ended | lost);
        }
        self.step += 1;
        Next { reset: ended & self.flying, is_last: self.flying == 0 }
    }
}

impl Labels<'_> {
    /// Turns the teacher's actions into labels.
    fn finish(&self, first_env: u32, step: u32, label: &mut [Row]) {
        if let Some(std) = &self.teacher.label_std {
            for lane in 0..BLOCK {
                for (row, noise) in label.iter_mut().zip(self.noise(std, first_env + lane as u32, step)) {
                    row[lane] += noise;
                }
            }
        }
        for row in label {
            self.limit(&mut row.0);
        }
    }

    /// The same of an env.
    fn finish_record(&self, env: u32, step: u32, label: &mut [f32]) {
        if let Some(std) = &self.teacher.label_std {
            for (value, noise) in label.iter_mut().zip(self.noise(std, env, step)) {
                *value += noise;
            }
        }
        self.limit(label);
    }

    /// What is added to the actions at a step of the flight.
    fn noise(&self, std: &[f32], env: u32, step: u32) -> impl Iterator<Item = f32> {
        // A vehicle's four motors for each draw; step and draw share a counter.
        std.chunks(4).enumerate().flat_map(move |(draw, std)| {
            let noise = self.noise.normals([env, self.flight, step, draw as u32]);
            std.iter().zip(noise).map(|(std, noise)| std * noise)
        })
    }

    fn limit(&self, label: &mut [f32]) {
        if self.clamp {
            for value in label {
                *value = value.clamp(-1.0, 1.0);
            }
        }
    }
}
