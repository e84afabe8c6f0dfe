//! What is known of an episode while it lasts and when it ends.

use eyas_lanes::{BLOCK, LANES, LaneDraws, Lanes, Row, Stream, lanes_of};
use eyas_sim::{norm, sub};

use crate::rows::not_a_number_to_zero;
use crate::{Step, Telemetry, visit_rows, visit_words};

/// Why an episode ended; several may hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The conditions that held: one bit for each of [`EnvSpec::terminations`](crate::EnvSpec::terminations), and
    /// [`TIME_OUT`](Self::TIME_OUT).
    pub bits: u32,
}

impl Cause {
    /// Bit of the time limit.
    pub const TIME_OUT: u32 = 1 << 31;

    /// Whether the task ended, rather than the time.
    #[must_use]
    pub fn is_terminated(self) -> bool {
        self.bits & !Self::TIME_OUT != 0
    }
}

/// Names that Foundation logs the terminating conditions of its task under.
pub(crate) const FOUNDATION_TERMINATIONS: [&str; 6] =
    ["died_pos_limit", "died_lin_vel", "died_ang_vel", "died_tilt", "died_nan", "position_exceeded_langevin"];

/// Most terms that a reward has.
pub const MAX_TERMS: usize = 32;

/// An episode that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended {
    /// Global index of the env.
    pub env: u32,
    /// Control steps flown.
    pub length: u32,
    /// Sum of the rewards.
    pub episode_return: f32,
    /// Sum of each reward term, in the order of [`EnvSpec::reward_terms`](crate::EnvSpec::reward_terms).
    pub terms: [f32; MAX_TERMS],
    /// Why it ended.
    pub cause: Cause,
    /// Speed at the end, m/s.
    pub final_speed: f32,
    /// Distance to the reference at the end, m.
    pub final_distance: f32,
}

/// Clocks, sums and causes of the episodes of a block, whatever the task.
#[derive(Clone, Debug)]
pub(crate) struct Episodes {
    pub(crate) first_env: u32,
    /// Control steps since the start of the episode, as the random streams count them.
    pub(crate) clock: [u32; BLOCK],
    /// `episode_length_buf` of Isaac Lab: the clock, possibly started late.
    pub(crate) age: [u32; BLOCK],
    pub(crate) episode: [u32; BLOCK],
    length: [u32; BLOCK],
    /// Sum of each reward term.
    pub(crate) sums: Vec<Row>,
    cause: [Cause; BLOCK],
    /// Bit `i`: env `i` has ended and waits for a reset.
    pub(crate) ended: u32,
}

impl Episodes {
    /// Episodes whose reward has `num_terms` terms; everything waits for a reset.
    pub(crate) fn new(first_env: u32, num_terms: usize) -> Self {
        Self {
            first_env,
            clock: [0; BLOCK],
            age: [0; BLOCK],
            // The first reset wraps to episode 0.
            episode: [u32::MAX; BLOCK],
            length: [0; BLOCK],
            sums: vec![Row::ZERO; num_terms],
            cause: [Cause::default(); BLOCK],
            ended: u32::MAX,
        }
    }

    /// Opens the next episode wherever a bit of `mask` is set.
    pub(crate) fn reset(&mut self, mask: u32) {
        for lane in lanes_of(mask) {
            self.episode[lane] = self.episode[lane].wrapping_add(1);
            self.clock[lane] = 0;
            self.age[lane] = 0;
            self.length[lane] = 0;
            self.cause[lane] = Cause::default();
            self.sums.iter_mut().for_each(|sum| sum[lane] = 0.0);
        }
        self.ended &= !mask;
    }

    /// Numbers the episode that the next reset of a lane starts.
    pub(crate) fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.episode[lane] = episode.wrapping_sub(1);
    }

    /// Counts a step of the episodes that were live, of which those in `causes`, one mask for each
    /// terminating condition, and those that reach `limit` control steps end. Those of `cut` end as if their time were over.
    pub(crate) fn advance(&mut self, reward: Row, causes: &[u32], limit: u32, cut: u32) -> Step {
        let live = !self.ended;
        for counter in [&mut self.clock, &mut self.age, &mut self.length] {
            count(counter, live);
        }
        let mut late = 0;
        // Most steps are no episode's last.
        if self.age.iter().fold(0, |oldest: u32, age| oldest.max(*age)) >= limit {
            late =
                lanes_of(live).filter(|lane| self.age[*lane] >= limit).fold(0, |bits, lane| bits | 1 << lane);
        }
        let truncated = (late | cut) & live;
        let terminated = causes.iter().fold(0, |lanes, cause| lanes | cause) & live;
        let ends = terminated | truncated;
        for lane in lanes_of(ends) {
            let mut bits = Cause::TIME_OUT * (truncated >> lane & 1);
            for (bit, mask) in causes.iter().enumerate() {
                bits |= (mask >> lane & 1) << bit;
            }
            self.cause[lane] = Cause { bits };
        }
        self.ended |= ends;
        Step { reward, terminated, truncated }
    }

    /// The episode of a lane so far, of which these are the last states of its vehicles.
    pub(crate) fn episode(&self, lane: usize, last: &[Telemetry]) -> Ended {
        let largest = |of: fn(&Telemetry) -> f32| last.iter().map(of).fold(0.0, f32::max);
        let mut terms = [0.0; MAX_TERMS];
        for (term, sum) in terms.iter_mut().zip(&self.sums) {
            *term = sum[lane];
        }
        Ended {
            env: self.first_env + lane as u32,
            length: self.length[lane],
            episode_return: terms.iter().sum(),
            terms,
            cause: self.cause[lane],
            final_speed: largest(|it| norm(it.velocity)),
            final_distance: largest(|it| norm(sub(it.position, it.desired_position))),
        }
    }

    /// [`EnvBlock::visit_state`](crate::EnvBlock::visit_state) of what is counted here.
    pub(crate) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { first_env: _, clock, age, episode, length, sums, cause, ended } = self;
        visit_rows(sums, visit);
        visit_words([clock, age, episode, length].into_iter().flatten().chain([ended]), visit);
        visit_words(cause.iter_mut().map(|it| &mut it.bits), visit);
    }

    /// Counters of the lanes of one vector.
    pub(crate) fn lanes_of(values: &[u32; BLOCK], vector: usize) -> &[u32; LANES] {
        values[vector * LANES..].first_chunk().expect("a block holds two vectors")
    }

    /// What the lanes of one vector draw of a stream at their steps.
    #[inline(always)]
    pub(crate) fn draws<'a>(&'a self, stream: &'a Stream, vector: usize) -> LaneDraws<'a> {
        let first_env = self.first_env + (vector * LANES) as u32;
        let [episode, clock] = [&self.episode, &self.clock].map(|it| Self::lanes_of(it, vector));
        stream.at_lanes(first_env, episode, clock)
    }

    /// Where and when the lanes of one vector draw, a control period in s.
    #[inline(always)]
    pub(crate) fn counters(&self, vector: usize, period: f64) -> Counters<'_> {
        Counters {
            vector,
            first_env: self.first_env + (vector * LANES) as u32,
            episode: Self::lanes_of(&self.episode, vector),
            clock: Self::lanes_of(&self.clock, vector),
            period,
        }
    }
}

/// Counts one more in the lanes of a mask.
fn count(counter: &mut [u32; BLOCK], lanes: u32) {
    if lanes == u32::MAX {
        for steps in counter {
            *steps += 1;
        }
    } else {
        for lane in lanes_of(lanes) {
            counter[lane] += 1;
        }
    }
}

/// Adds a term of a reward to its sum in the lanes of a mask, and gives what it is worth there. What is no number counts 0.
#[inline(always)]
pub(crate) fn earn<L: Lanes>(sum: &mut Row, vector: usize, mask: L::Mask, term: L) -> L {
    let zero = L::splat(0.0);
    let term = L::select(mask, not_a_number_to_zero(term), zero);
    sum.store(vector, sum.load::<L>(vector) + term);
    term
}

/// Where the lanes of one vector draw: what counts their steps, and so their random numbers.
pub(crate) struct Counters<'a> {
    pub(crate) vector: usize,
    /// Index of the env of the vector's first lane.
    pub(crate) first_env: u32,
    pub(crate) episode: &'a [u32; LANES],
    pub(crate) clock: &'a [u32; LANES],
    /// Control period, s.
    pub(crate) period: f64,
}
