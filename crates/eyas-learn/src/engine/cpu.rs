//! Envs on the cores of this machine.

use eyas_env::{EnvBlock, EnvSpec, VecEnv};
use eyas_lanes::{Row, lanes_of};
use eyas_policy::PARAMETERS_AT_ONCE;
use rayon::prelude::*;

use super::{AnyBlock, Engine, EpisodeFlyer, EpisodePlan, FlownEpisode, Rollout};
use crate::black_box::{Origin, Tape};
use crate::finite::{NotFinite, OnNan, StepRows};

/// Envs in memory, whose blocks fly on all cores, each from its first step to its last: a block stays in the caches of
/// one core.
pub struct CpuEngine {
    env: Box<dyn VecEnv>,
    spec: EnvSpec,
    num_vehicles: usize,
    tapes: Vec<Tape>,
    origin: Option<Origin>,
    on_nan: OnNan,
    num_lost: u64,
    flyer: Option<Box<dyn EpisodeFlyer>>,
}

impl CpuEngine {
    /// The engine of such envs.
    #[must_use]
    pub fn new(mut env: Box<dyn VecEnv>) -> Self {
        let num_vehicles = env.blocks().first().map_or(1, |block| block.num_vehicles());
        let mut tapes = Vec::new();
        tapes.resize_with(env.blocks().len(), Tape::default);
        Self {
            spec: env.spec().clone(),
            env,
            num_vehicles,
            tapes,
            origin: None,
            on_nan: OnNan::Stop,
            num_lost: 0,
            flyer: None,
        }
    }

    /// The same, with what makes its envs again.
    #[must_use]
    pub fn made_by(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }
}

impl Engine for CpuEngine {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn num_envs(&self) -> usize {
        self.env.num_envs()
    }

    fn num_vehicles(&self) -> usize {
        self.num_vehicles
    }

    fn fly(&mut self, rollouts: &mut [&mut dyn Rollout]) -> Result<(), NotFinite> {
        let used: Vec<u32> = (0..rollouts.len()).map(|block| self.env.used_lanes(block)).collect();
        let spec = &self.spec;
        let shared = Shared { spec, origin: self.origin.as_ref(), on_nan: self.on_nan };
        let buffers = || [spec.num_observations(), spec.num_actions].map(|width| vec![Row::ZERO; width]);
        let own = || (buffers(), Tape::default());
        let blocks = self.env.blocks();
        // A single block goes without the thread pool, which may be busy with other work.
        let tapes = &mut self.tapes[..];
        if let ([block, ..], [rollout], [used], [tape, ..]) =
            (&mut *blocks, &mut *rollouts, &used[..], &mut *tapes)
        {
            self.num_lost += fly_taped((block.as_mut(), *used), *rollout, shared, tape, &mut own())?;
            return Ok(());
        }
        let flown = blocks.par_iter_mut().zip(rollouts).zip(used).zip(tapes);
        let flown: Vec<Result<u64, NotFinite>> = flown
            .map_init(own, |own, (((block, rollout), used), tape)| {
                fly_taped((block.as_mut(), used), *rollout, shared, tape, own)
            })
            .collect();
        for lost in flown {
            self.num_lost += lost?;
        }
        Ok(())
    }

    fn set_episode_flyer(&mut self, flyer: Box<dyn EpisodeFlyer>) {
        self.flyer = Some(flyer);
    }

    fn fly_episodes(&mut self, plan: &EpisodePlan) -> Option<Vec<Vec<FlownEpisode>>> {
        self.flyer.as_mut()?.fly_episodes(self.env.blocks(), plan)
    }

    fn set_on_nan(&mut self, on_nan: OnNan) {
        self.on_nan = on_nan;
    }

    fn num_lost(&self) -> u64 {
        self.num_lost
    }

    fn set_steps_flown(&mut self, steps: u32) {
        self.tapes.iter_mut().for_each(Tape::clear);
        for block in self.env.blocks() {
            block.set_steps_flown(steps);
        }
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        // A state may be put back, from which nothing that was flown before leads on.
        self.tapes.iter_mut().for_each(Tape::clear);
        for block in self.env.blocks() {
            block.visit_state(visit);
        }
    }
}

/// A block's rollout on its own tape, if that may go on later, else on one of the thread's, which stays in the caches.
fn fly_taped(
    block: (&mut AnyBlock, u32),
    rollout: &mut dyn Rollout,
    shared: Shared,
    tape: &mut Tape,
    (buffers, tape_of_thread): &mut ([Vec<Row>; 2], Tape),
) -> Result<u64, NotFinite> {
    let kept = if rollout.is_continued() {
        tape
    } else {
        tape.clear();
        tape_of_thread
    };
    fly_block(block, rollout, shared, kept, buffers)
}

/// Observations are looked at in every so many steps: they are most of a step's numbers, and one that is not finite stays so.
const STEPS_BETWEEN_LOOKS: u32 = 8;

/// What all blocks read.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) spec: &'a EnvSpec,
    pub(crate) origin: Option<&'a Origin>,
    pub(crate) on_nan: OnNan,
}

/// One block's rollout, with the bits of the lanes that are envs: all the loops there are. The tape keeps what it flies; the
/// buffers hold what is observed and what is done. Gives how often an env was reset for a number that is not finite.
pub(crate) fn fly_block<B: EnvBlock + ?Sized>(
    (block, used): (&mut B, u32),
    rollout: &mut (impl Rollout<B> + ?Sized),
    Shared { spec, origin, on_nan }: Shared,
    tape: &mut Tape,
    [observation, action]: &mut [Vec<Row>; 2],
) -> Result<u64, NotFinite> {
    let is_taped = rollout.is_taped();
    if !(is_taped && rollout.goes_on()) {
        tape.clear();
    }
    if !rollout.begin(block, used) {
        return Ok(0);
    }
    let mut num_lost = 0;
    for step in 0.. {
        let flying = !block.ended();
        block.observe(observation);
        rollout.act(block, observation, action);
        if is_taped {
            tape.keep(block, action, rollout.perturbation().cloned());
        }
        let mut outcome = rollout.step(block, action);
        let looks_at_observation = step % STEPS_BETWEEN_LOOKS == 0;
        let rows = StepRows { looks_at_observation, observation, action, reward: &outcome.reward };
        // Lanes that are no env fly too, and a weight of 0 does not make their numbers finite.
        let lost = rows.lost(flying);
        if lost != 0 {
            if let (OnNan::Stop, Some(lane)) = (on_nan, lanes_of(lost & used).next()) {
                let quantity = rows.name(spec, lane);
                let black_box = is_taped.then(|| Box::new(tape.black_box(block, lane, spec, origin)));
                let env = block.first_env() + lane as u32;
                return Err(NotFinite::Flown { quantity, env, step, black_box });
            }
            num_lost += u64::from((lost & used).count_ones());
            outcome.terminated |= lost;
            outcome.truncated &= !lost;
            lanes_of(lost).for_each(|lane| outcome.reward[lane] = 0.0);
            rollout.lose(lost);
        }
        let next = rollout.record(block, observation, action, &outcome);
        let reset = next.reset | lost;
        if reset != 0 {
            block.reset(reset);
            if is_taped {
                tape.keep_reset(reset);
            }
        }
        if next.is_last {
            break;
        }
    }
    rollout.end(block, observation);
    Ok(num_lost)
}

/// `sum = scale Σ gradient`, where `differentiate` finds the gradient of each shard of a batch, on all cores; they are
/// summed in the order of the shards.
pub(crate) fn sum_of_shards<S: Send>(
    shards: &mut [S],
    scale: f32,
    sum: &mut [f32],
    differentiate: impl Fn(&mut S) -> &[f32] + Send + Sync,
) {
    let gradients: Vec<&[f32]> = shards.par_iter_mut().map(differentiate).collect();
    sum.par_chunks_mut(PARAMETERS_AT_ONCE).enumerate().for_each(|(index, sum)| {
        sum.fill(0.0);
        for gradient in &gradients {
            for (sum, value) in sum.iter_mut().zip(&gradient[index * PARAMETERS_AT_ONCE..]) {
                *sum += scale * value;
            }
        }
    });
}
