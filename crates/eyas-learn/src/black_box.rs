//! What an env flew before one of its numbers was not finite, and flying that again.
//!
//! Nothing but actions is kept while envs fly: what they are given, beside the state that each stretch of a flight begins
//! with. Everything else follows from these, so what was seen is found by flying the last steps once more.

use std::sync::Arc;

use eyas_env::{EnvBlock, EnvSpec, PERTURBATION_NUMBERS, Perturbation, Step};
use eyas_lanes::{BLOCK, Row};

use crate::engine::{AnyBlock, Engine, Next, Rollout};
use crate::finite::NotFinite;

/// Control steps of a black box; a state is kept as often, which takes about as long as to fly a step.
pub const BLACK_BOX_STEPS: usize = 200;
/// Numbers of a vehicle's state: position, orientation, velocity and angular velocity.
pub const STATE_WIDTH: usize = 13;

/// Gives what makes an env again, in the words of whoever made the envs; it is asked for by its global index.
pub type Origin = Arc<dyn Fn(u32) -> String + Send + Sync>;

/// The last control steps of an env, the last of which has a number that is not finite.
#[derive(Clone, Debug)]
pub struct BlackBox {
    /// Global index of the env.
    pub env: u32,
    /// What makes it again; empty if whoever made the envs did not say.
    pub origin: String,
    /// [`EnvBlock::visit_state`] of its block before the first of the steps.
    pub start: Vec<u32>,
    /// Before each step, and after the last: `[steps + 1][vehicle][13]`, position m, orientation `w, x, y, z`, velocity
    /// m/s, angular velocity rad/s; world frame but for the last, which is the body's.
    pub states: Vec<Vec<f32>>,
    /// What was seen before each step, `[steps][num_observations]`.
    pub observations: Vec<Vec<f32>>,
    /// What was done, `[steps][num_actions]`.
    pub actions: Vec<Vec<f32>>,
    /// Whether the env was reset after each step.
    pub resets: Vec<bool>,
    /// What was done to the vehicles in each step, [`Perturbation::of_lane`]; empty if nothing ever was.
    pub perturbations: Vec<[f32; PERTURBATION_NUMBERS]>,
}

/// What is done to the vehicles of a block, shared by the steps in which it is the same.
pub(crate) type Perturbed = Option<Arc<Perturbation>>;

/// A stretch of a block's flight.
#[derive(Default)]
struct Stretch {
    start: Vec<u32>,
    actions: Vec<Row>,
    resets: Vec<u32>,
    perturbed: Vec<Perturbed>,
}

impl Stretch {
    fn clear(&mut self) {
        self.start.clear();
        self.actions.clear();
        self.resets.clear();
        self.perturbed.clear();
    }

    /// Actions, resets and perturbations of its steps.
    fn steps(&self, num_actions: usize) -> impl Iterator<Item = (&[Row], u32, &Perturbed)> {
        let actions = self.actions.chunks_exact(num_actions.max(1));
        actions.zip(&self.resets).zip(&self.perturbed).map(|((action, reset), it)| (action, *reset, it))
    }
}

/// The last two stretches of a block's flight, which are at least [`BLACK_BOX_STEPS`] long if as many were flown.
#[derive(Default)]
pub(crate) struct Tape {
    before: Stretch,
    last: Stretch,
}

impl Tape {
    /// Forgets what was flown: what comes next does not follow from it.
    pub(crate) fn clear(&mut self) {
        self.before.clear();
        self.last.clear();
    }

    /// Keeps the actions of the step that a block is about to take, and what is done to its vehicles in it.
    #[inline]
    pub(crate) fn keep<B: EnvBlock + ?Sized>(&mut self, block: &mut B, action: &[Row], perturbed: Perturbed) {
        if matches!(self.last.resets.len(), 0 | BLACK_BOX_STEPS) {
            self.begin_stretch(block, action.len());
        }
        self.last.actions.extend_from_slice(action);
        self.last.resets.push(0);
        self.last.perturbed.push(perturbed);
    }

    #[cold]
    fn begin_stretch<B: EnvBlock + ?Sized>(&mut self, block: &mut B, num_actions: usize) {
        std::mem::swap(&mut self.before, &mut self.last);
        self.last.clear();
        let Stretch { start, actions, .. } = &mut self.last;
        actions.reserve(BLACK_BOX_STEPS * num_actions);
        block.visit_state(&mut |word| start.push(*word));
    }

    /// Keeps which lanes were reset after the step that was kept last.
    #[inline]
    pub(crate) fn keep_reset(&mut self, lanes: u32) {
        if let Some(last) = self.last.resets.last_mut() {
            *last = lanes;
        }
    }

    /// Flies what is kept once more and tells all of a lane.
    pub(crate) fn black_box<B: EnvBlock + ?Sized>(
        &self,
        block: &mut B,
        lane: usize,
        spec: &EnvSpec,
        origin: Option<&Origin>,
    ) -> BlackBox {
        let env = block.first_env() + lane as u32;
        let mut it = BlackBox {
            env,
            origin: origin.map(|origin| origin(env)).unwrap_or_default(),
            start: Vec::new(),
            states: Vec::new(),
            observations: Vec::new(),
            actions: Vec::new(),
            resets: Vec::new(),
            perturbations: Vec::new(),
        };
        let Self { before, last } = self;
        restore(block, if before.resets.is_empty() { &last.start } else { &before.start });
        let mut observation = vec![Row::ZERO; spec.num_observations()];
        let steps = [before, last].into_iter().flat_map(|stretch| stretch.steps(spec.num_actions));
        let flown = before.resets.len() + last.resets.len();
        for (index, (action, reset, perturbed)) in steps.enumerate() {
            if let Some(perturbation) = perturbed {
                block.perturb(perturbation.as_ref().clone());
            }
            if let Some(kept) = (index + BLACK_BOX_STEPS).checked_sub(flown) {
                if kept == 0 || index == 0 {
                    block.visit_state(&mut |word| it.start.push(*word));
                }
                block.observe(&mut observation);
                it.states.push(state_of(block, lane));
                it.observations.push(observation.iter().map(|row| row[lane]).collect());
                it.actions.push(action.iter().map(|row| row[lane]).collect());
                it.resets.push(reset >> lane & 1 == 1);
                it.perturbations.extend(perturbed.as_ref().map(|perturbation| perturbation.of_lane(lane)));
            }
            block.step(action);
            if index + 1 == flown {
                it.states.push(state_of(block, lane));
            }
            block.reset(reset);
        }
        it
    }
}

/// Puts a state of [`EnvBlock::visit_state`] back; words that are missing leave what is there.
fn restore<B: EnvBlock + ?Sized>(block: &mut B, words: &[u32]) {
    let mut words = words.iter();
    block.visit_state(&mut |word| *word = words.next().copied().unwrap_or(*word));
}

/// The states of the vehicles of a lane, in the order of [`BlackBox::states`].
fn state_of<B: EnvBlock + ?Sized>(block: &B, lane: usize) -> Vec<f32> {
    let of_vehicle = |vehicle| {
        let it = block.vehicle_telemetry(lane, vehicle);
        let parts: [&[f32]; 4] = [&it.position, &it.orientation, &it.velocity, &it.angular_velocity];
        parts.concat()
    };
    (0..block.num_vehicles()).flat_map(of_vehicle).collect()
}

/// What of the states of the vehicles of an env is not finite.
fn lost_in(state: &[f32]) -> Option<String> {
    let place = state.iter().position(|value| !value.is_finite())?;
    let name = match place % STATE_WIDTH {
        0..3 => "position",
        3..7 => "orientation",
        7..10 => "velocity",
        _ => "angular velocity",
    };
    Some(if state.len() > STATE_WIDTH {
        format!("the {name} of vehicle {}", place / STATE_WIDTH)
    } else {
        format!("the {name}")
    })
}

/// What came of flying a black box again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Steps that were flown.
    pub steps: usize,
    /// The first step, from 0, of which a bit differs, and of what.
    pub differs: Option<(usize, &'static str)>,
    /// The first step, from 0, with a number that is not finite, and its name.
    pub first: Option<(usize, String)>,
    /// Terms of the reward, by their places, whose sums over the episode were not finite then.
    pub terms: Vec<usize>,
}

impl BlackBox {
    /// Control steps in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether nothing was flown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Whether its parts are of one length, and each of its states one of whole vehicles.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let steps = self.len();
        let is_perturbed = !self.perturbations.is_empty();
        let lengths = [self.states.len(), self.observations.len() + 1, self.resets.len() + 1];
        steps > 0
            && lengths == [steps + 1; 3]
            && (!is_perturbed || self.perturbations.len() == steps)
            && self.states.iter().all(|it| !it.is_empty() && it.len().is_multiple_of(STATE_WIDTH))
    }

    /// Its place in its block: as many envs, and one more, fly it again.
    #[must_use]
    pub fn lane(&self) -> usize {
        self.env as usize % BLOCK
    }

    /// Flies it again in a block that its origin made, whichever; none if that is of another kind.
    pub fn fly(&self, engine: &mut dyn Engine) -> Option<Replayed> {
        if !self.is_whole() {
            return None;
        }
        let of = |_| Refly { it: self, lane: None, step: 0, replayed: Replayed::default(), fits: false };
        let mut rollouts: Vec<Refly> = (0..engine.num_blocks()).map(of).collect();
        let flown = engine.fly_all(&mut rollouts);
        let mut rollout = rollouts.into_iter().find(|it| it.fits)?;
        if let (Err(NotFinite::Flown { quantity, step, .. }), None) = (flown, &rollout.replayed.first) {
            rollout.replayed.first = Some((step as usize, quantity));
        }
        Some(rollout.replayed)
    }
}

/// Holds the actions of a black box and looks at what comes of them.
struct Refly<'a> {
    it: &'a BlackBox,
    lane: Option<usize>,
    step: usize,
    replayed: Replayed,
    fits: bool,
}

impl Refly<'_> {
    /// Does to the vehicle what was done to it in the step that comes next.
    fn perturb(&self, block: &mut AnyBlock) {
        if let (Some(lane), Some(numbers)) = (self.lane, self.it.perturbations.get(self.step)) {
            let mut perturbation = Perturbation::default();
            perturbation.set_lane(lane, numbers);
            block.perturb(perturbation);
        }
    }

    fn compare(&mut self, name: &'static str, found: &[f32], recorded: &[f32]) {
        let is_same = found.len() == recorded.len()
            && found.iter().zip(recorded).all(|(found, recorded)| found.to_bits() == recorded.to_bits());
        if !is_same && self.replayed.differs.is_none() {
            self.replayed.differs = Some((self.step, name));
        }
    }
}

impl Rollout for Refly<'_> {
    fn is_taped(&self) -> bool {
        false
    }

    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        let lane = self.it.lane();
        self.lane = Some(lane).filter(|lane| used >> lane & 1 == 1);
        // No env before it is made: how many there are says nothing but the file.
        block.set_first_env(self.it.env - lane as u32);
        let mut words = 0;
        block.visit_state(&mut |_| words += 1);
        self.fits = self.lane.is_some() && words == self.it.start.len();
        if self.fits {
            restore(block, &self.it.start);
            self.perturb(block);
        }
        self.fits
    }

    fn act(&mut self, block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
        let Some(lane) = self.lane else { return };
        self.compare("state", &state_of(block, lane), &self.it.states[self.step]);
        let seen: Vec<f32> = observation.iter().map(|row| row[lane]).collect();
        self.compare("observation", &seen, &self.it.observations[self.step]);
        for (row, value) in action.iter_mut().zip(&self.it.actions[self.step]) {
            *row = Row::ZERO;
            row[lane] = *value;
        }
    }

    fn step(&mut self, block: &mut AnyBlock, action: &[Row]) -> Step {
        let mut outcome = block.step(action);
        let Some(lane) = self.lane else { return outcome };
        self.replayed.steps = self.step + 1;
        let after = state_of(block, lane);
        // After a reset the next step's state is compared instead.
        if self.step + 1 == self.it.len() {
            self.compare("state", &after, &self.it.states[self.step + 1]);
        }
        // Actions are checked by the loop, after this: they came first.
        let is_given = action.iter().all(|row| row[lane].is_finite());
        if let (Some(quantity), None, true) = (lost_in(&after), &self.replayed.first, is_given) {
            self.replayed.first = Some((self.step, quantity));
        }
        if !outcome.reward[lane].is_finite() {
            let terms = block.episode(lane).terms;
            self.replayed.terms = (0..terms.len()).filter(|term| !terms[*term].is_finite()).collect();
        }
        // The other lanes fly something else.
        let reward = outcome.reward[lane];
        outcome.reward = Row::ZERO;
        outcome.reward[lane] = reward;
        outcome.terminated &= 1 << lane;
        outcome
    }

    fn record(&mut self, block: &mut AnyBlock, _: &mut [Row], _: &[Row], _: &Step) -> Next {
        let (Some(lane), step) = (self.lane, self.step) else { return Next { reset: 0, is_last: true } };
        self.step += 1;
        self.perturb(block);
        let reset = u32::from(self.it.resets[step]) << lane;
        Next { reset, is_last: self.step == self.it.len() }
    }
}
