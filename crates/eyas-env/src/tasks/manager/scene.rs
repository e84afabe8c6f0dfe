//! What terms see of the vehicles.

use eyas_lanes::{Real, fields};
use eyas_sim::{Body, State, Vector};

use super::command::{COMMAND_NUMBERS, POSITION, VELOCITY};
use super::event::CIRCUMSTANCES;
use crate::{Driver, Verdict};

fields! {
    /// Actions of one step and of the step before, raw and as they are applied.
    pub(super) struct Actions {
        /// As it was given.
        raw: 4,
        /// Scaled and limited.
        processed: 4,
        /// The one before, as it was given.
        last_raw: 4,
        /// The one before, scaled and limited.
        last_processed: 4,
    }
}

/// Where the numbers of an env stand: actions, commands, circumstances, times left of events, kept values of terms; then
/// those that last from episode to episode, what startup made of the circumstances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) circumstances: usize,
    pub(super) time_left: usize,
    pub(super) kept: usize,
    pub(super) startup: usize,
    pub(super) len: usize,
}

impl Places {
    pub(super) const ACTIONS: usize = 0;
    const COMMANDS: usize = 16;

    /// Of so many commands, events and kept values.
    pub(super) fn new(commands: usize, events: usize, kept: usize) -> Self {
        let circumstances = Self::command(commands);
        let time_left = circumstances + CIRCUMSTANCES;
        let first_kept = time_left + events;
        let startup = first_kept + kept;
        Self { circumstances, time_left, kept: first_kept, startup, len: startup + CIRCUMSTANCES }
    }

    /// Of a command.
    pub(super) const fn command(index: usize) -> usize {
        Self::COMMANDS + COMMAND_NUMBERS * index
    }
}

/// Which action of an env.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// The last, as it was given.
    Raw,
    /// The last, scaled and limited.
    Processed,
    /// The one before, as it was given.
    LastRaw,
    /// The one before, scaled and limited.
    LastProcessed,
}

/// An env as terms see it. Terms are formulas over [`Real`]: where the numbers come from, rows of a block or a recording,
/// is the driver's.
pub(super) trait Scene<R: Real> {
    /// The vehicle; for an observation as it is measured.
    fn state(&self) -> &State<R>;
    /// The body's orientation as a matrix from body to world.
    fn matrix(&self) -> &[Vector<R>; 3];
    /// Where a command is.
    fn command_position(&self, command: usize) -> Vector<R>;
    /// How fast it moves.
    fn command_velocity(&self, command: usize) -> Vector<R>;
    /// An action.
    fn action(&self, which: Which) -> [R; 4];
    /// Mass over that of the configured vehicle.
    fn mass_factor(&self) -> R;
    /// The least rotor speed, and 1 over the range.
    fn rotor_range(&self) -> [f64; 2];
    /// Control steps since the start of the episode.
    fn episode_steps(&self) -> R;
    /// Whether one of a set of terminations holds, one bit for each.
    fn is_terminated(&self, set: u32) -> R::Mask;

    /// The vehicle's motion.
    #[inline(always)]
    fn body<'a>(&'a self) -> &'a Body<R>
    where
        R: 'a,
    {
        &self.state().body
    }
}

/// What a driver lends of an env, its state, and what the step comes to.
pub(super) struct EnvScene<'a, R: Real, D, V> {
    pub(super) state: &'a State<R>,
    pub(super) matrix: [Vector<R>; 3],
    pub(super) driver: &'a D,
    /// Where the driver keeps it.
    pub(super) mass_factor: usize,
    pub(super) rotor_range: [f64; 2],
    pub(super) verdict: &'a mut V,
}

/// Nothing ends between two steps, when observations are made.
pub(super) struct Unjudged;

impl<R: Real> Verdict<R> for Unjudged {
    #[inline(always)]
    fn end<const N: usize>(&mut self, _: [R::Mask; N]) {}
    #[inline(always)]
    fn has_ended(&self, _: u32) -> R::Mask {
        R::never()
    }
    #[inline(always)]
    fn earn<const N: usize>(&mut self, _: [R; N]) {}
}

impl<R: Real, D: Driver<R>, V: Verdict<R>> Scene<R> for EnvScene<'_, R, D, V> {
    #[inline(always)]
    fn state(&self) -> &State<R> {
        self.state
    }
    #[inline(always)]
    fn matrix(&self) -> &[Vector<R>; 3] {
        &self.matrix
    }
    #[inline(always)]
    fn command_position(&self, command: usize) -> Vector<R> {
        self.driver.numbers(Places::command(command) + POSITION)
    }
    #[inline(always)]
    fn command_velocity(&self, command: usize) -> Vector<R> {
        self.driver.numbers(Places::command(command) + VELOCITY)
    }
    #[inline(always)]
    fn action(&self, which: Which) -> [R; 4] {
        let first = match which {
            Which::Raw => 0,
            Which::Processed => 4,
            Which::LastRaw => 8,
            Which::LastProcessed => 12,
        };
        self.driver.numbers(Places::ACTIONS + first)
    }
    #[inline(always)]
    fn mass_factor(&self) -> R {
        self.driver.number(self.mass_factor)
    }
    #[inline(always)]
    fn rotor_range(&self) -> [f64; 2] {
        self.rotor_range
    }
    #[inline(always)]
    fn episode_steps(&self) -> R {
        self.driver.episode_steps()
    }
    #[inline(always)]
    fn is_terminated(&self, set: u32) -> R::Mask {
        self.verdict.has_ended(set)
    }
}
