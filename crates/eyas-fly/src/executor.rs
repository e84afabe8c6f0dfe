//! A policy that was trained at one rate, flown by a loop that runs faster.
//!
//! A recurrent policy advances its state at the rate that it was trained at and no other; a control loop may call four times
//! as often. A *native* step keeps the new state. An *intermediate* step between two of them computes a newer action from a
//! copy, and forgets it. The idea is that of RLtools' `inference/executor`; what is done otherwise:
//!
//! - Native steps keep their phase: one that comes late does not delay those after it, so jitter does not lower the rate.
//! - The action before, which the policy observes, is the average over time since the last native step, not over calls.
//! - Time that goes backwards changes nothing; a gap longer than the time-out begins a new episode, and is reported.
//! - A number that is not finite is an error, and the state stays as it was.
//! - The newest observation is used as it is. RLtools averages those since the last step, and then uses the newest.

use eyas_lanes::Real;

use crate::{Error, Policy};

/// Steps that [`Timing`] looks back on.
const WINDOW: usize = 100;

/// Intervals outside of this range of the nominal one are jitter; their mean outside of it is bias.
const TOLERATED: [f32; 2] = [0.8, 1.2];

/// When the loop calls, and what of it is too late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Time between native steps, ns: that of the training.
    pub native_ns: u64,
    /// Time between calls, ns, as it should be.
    pub call_ns: u64,
    /// A longer gap between calls begins a new episode, ns.
    pub timeout_ns: u64,
    /// Features of the observation that are the action before, which the executor fills in: the first of them.
    pub previous_action: Option<usize>,
    /// What the action before is at the beginning of an episode.
    pub first_action: f32,
}

/// What a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The state advanced.
    Native,
    /// The state is as before.
    Intermediate,
}

/// Intervals of the last hundred steps of a kind, over the nominal one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// Their mean.
    pub mean: f32,
    /// The least.
    pub least: f32,
    /// The greatest.
    pub greatest: f32,
}

impl Timing {
    /// Whether one of them was far from the nominal interval.
    #[must_use]
    pub fn jitters(&self) -> bool {
        self.least < TOLERATED[0] || self.greatest > TOLERATED[1]
    }

    /// Whether they are too short or too long on average: the policy runs at another rate.
    #[must_use]
    pub fn is_biased(&self) -> bool {
        self.mean < TOLERATED[0] || self.mean > TOLERATED[1]
    }
}

/// What a call gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step<const ACTIONS: usize> {
    /// Numbers in `[-1, 1]`.
    pub action: [f32; ACTIONS],
    /// Whether the state advanced.
    pub kind: Kind,
    /// Whether an episode began, at the first call or after a gap.
    pub is_first: bool,
    /// Of the native steps, once there are a hundred.
    pub native: Option<Timing>,
    /// Of the calls, once there are a hundred.
    pub calls: Option<Timing>,
}

/// Why a call gave no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The time is before that of the last call.
    TimeWentBack,
    /// As the policy said.
    Policy(Error),
}

/// The last intervals of a kind of step, in shares of the nominal one.
#[derive(Clone, Copy, Debug)]
struct Intervals {
    ring: [f32; WINDOW],
    next: usize,
    count: usize,
}

impl Intervals {
    const NONE: Self = Self { ring: [0.0; WINDOW], next: 0, count: 0 };

    fn push(&mut self, interval_ns: u64, nominal_ns: u64) {
        if let Some(place) = self.ring.get_mut(self.next) {
            *place = interval_ns as f32 / nominal_ns as f32;
        }
        self.next = if self.next + 1 < WINDOW { self.next + 1 } else { 0 };
        self.count = (self.count + 1).min(WINDOW);
    }

    fn timing(&self) -> Option<Timing> {
        (self.count == WINDOW).then(|| {
            let ends = |(least, greatest): (f32, f32), it: &f32| {
                (if *it < least { *it } else { least }, if *it > greatest { *it } else { greatest })
            };
            let (least, greatest) = self.ring.iter().fold((f32::INFINITY, 0.0), ends);
            Timing { mean: self.ring.iter().sum::<f32>() / WINDOW as f32, least, greatest }
        })
    }
}

/// A policy and all that is remembered while it flies. `STATE` and `SCRATCH` are at least what the policy asks for.
pub struct Executor<
    'a,
    const OBSERVATIONS: usize,
    const ACTIONS: usize,
    const STATE: usize,
    const SCRATCH: usize,
> {
    policy: Policy<'a>,
    rates: Rates,
    state: [f32; STATE],
    copy: [f32; STATE],
    scratch: [f32; SCRATCH],
    last: Option<Last<ACTIONS>>,
    calls: Intervals,
    natives: Intervals,
}

/// What the last call left.
#[derive(Clone, Copy)]
struct Last<const ACTIONS: usize> {
    call_ns: u64,
    native_ns: u64,
    /// When the next native step is due.
    due_ns: u64,
    /// The action that flies since the last call.
    action: [f32; ACTIONS],
    /// Actions times seconds since the last native step.
    sum: [f32; ACTIONS],
    /// The action before that the policy was last told.
    told: [f32; ACTIONS],
}

fn seconds(ns: u64) -> f32 {
    ns as f32 * 1e-9
}

impl<'a, const OBSERVATIONS: usize, const ACTIONS: usize, const STATE: usize, const SCRATCH: usize>
    Executor<'a, OBSERVATIONS, ACTIONS, STATE, SCRATCH>
{
    /// Takes a policy that acts as its test vectors say.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] if the policy has other widths or wants more memory, or if the action before lies outside of the
    /// observation; [`Error::Fact`] if an interval is 0 or the self-test fails.
    pub fn new(policy: Policy<'a>, rates: Rates) -> Result<Self, Error> {
        let fits = policy.num_observations() == OBSERVATIONS
            && policy.num_actions() == ACTIONS
            && policy.state_len() <= STATE
            && policy.scratch_len() <= SCRATCH
            && rates.previous_action.is_none_or(|first| first.saturating_add(ACTIONS) <= OBSERVATIONS);
        if !fits {
            return Err(Error::Memory);
        }
        if rates.native_ns == 0 || rates.call_ns == 0 {
            return Err(Error::Fact);
        }
        let mut executor = Self {
            policy,
            rates,
            state: [0.0; STATE],
            copy: [0.0; STATE],
            scratch: [0.0; SCRATCH],
            last: None,
            calls: Intervals::NONE,
            natives: Intervals::NONE,
        };
        let (mut observation, mut action) = ([0.0; OBSERVATIONS], [0.0; ACTIONS]);
        let Self { state, scratch, .. } = &mut executor;
        let difference = policy.self_test(state, scratch, &mut observation, &mut action)?;
        if difference <= policy.facts().tolerance { Ok(executor) } else { Err(Error::Fact) }
    }

    /// The next call begins an episode.
    pub fn reset(&mut self) {
        self.last = None;
        self.state = [0.0; STATE];
        (self.calls, self.natives) = (Intervals::NONE, Intervals::NONE);
    }

    /// An action for the newest observation at a time that never goes back, ns. What is returned is taken to fly until the
    /// next call.
    ///
    /// # Errors
    ///
    /// [`Fault::TimeWentBack`], and [`Fault::Policy`] of what is not finite; neither changes what is remembered.
    pub fn control(
        &mut self,
        now_ns: u64,
        observation: &[f32; OBSERVATIONS],
    ) -> Result<Step<ACTIONS>, Fault> {
        let since = match &self.last {
            None => None,
            Some(last) => Some(now_ns.checked_sub(last.call_ns).ok_or(Fault::TimeWentBack)?),
        };
        let is_first = since.is_none_or(|since| since > self.rates.timeout_ns);
        if is_first {
            self.reset();
        }
        let before = self.before(now_ns);
        let kind = if is_first || self.last.as_ref().is_none_or(|last| now_ns >= last.due_ns) {
            Kind::Native
        } else {
            Kind::Intermediate
        };
        let mut observation = *observation;
        if let Some(features) = self.rates.previous_action.and_then(|first| observation.get_mut(first..)) {
            for (feature, action) in features.iter_mut().zip(before.told) {
                *feature = action;
            }
        }
        let mut action = [0.0; ACTIONS];
        self.copy = self.state;
        // A policy may want less than the arrays hold.
        let state = self.copy.get_mut(..self.policy.state_len()).ok_or(Fault::Policy(Error::Memory))?;
        self.policy.act(&observation, state, &mut self.scratch, &mut action).map_err(Fault::Policy)?;
        for number in &mut action {
            *number = Real::clamp(*number, -1.0, 1.0);
        }
        if kind == Kind::Native {
            self.state = self.copy;
        }
        self.remember(now_ns, kind, before, action);
        Ok(Step { action, kind, is_first, native: self.natives.timing(), calls: self.calls.timing() })
    }

    /// The actions of the window since the last native step, up to now.
    fn before(&self, now_ns: u64) -> Last<ACTIONS> {
        let Some(mut last) = self.last else {
            let first = [self.rates.first_action; ACTIONS];
            let (sum, action) = ([0.0; ACTIONS], first);
            return Last { call_ns: now_ns, native_ns: now_ns, due_ns: now_ns, action, sum, told: first };
        };
        let held = seconds(now_ns.saturating_sub(last.call_ns));
        let window = seconds(now_ns.saturating_sub(last.native_ns));
        for ((sum, told), action) in last.sum.iter_mut().zip(&mut last.told).zip(last.action) {
            *sum = Real::mul_add(action, held, *sum);
            if window > 0.0 {
                *told = *sum / window;
            }
        }
        last
    }

    fn remember(&mut self, now_ns: u64, kind: Kind, before: Last<ACTIONS>, action: [f32; ACTIONS]) {
        let Rates { native_ns, call_ns, .. } = self.rates;
        let is_first = self.last.is_none();
        let mut last = Last { action, ..before };
        if !is_first {
            self.calls.push(now_ns.saturating_sub(before.call_ns), call_ns);
        }
        if kind == Kind::Native {
            if !is_first {
                self.natives.push(now_ns.saturating_sub(before.native_ns), native_ns);
            }
            // The phase is kept, unless a whole interval was missed.
            let due = before.due_ns.saturating_add(native_ns);
            last.due_ns = if due > now_ns { due } else { now_ns.saturating_add(native_ns) };
            last.native_ns = now_ns;
            last.sum = [0.0; ACTIONS];
        }
        last.call_ns = now_ns;
        self.last = Some(last);
    }
}
