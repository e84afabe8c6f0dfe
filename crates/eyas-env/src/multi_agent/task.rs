//! A task of several agents as pure functions.

use eyas_lanes::Real;
use eyas_sim::{Langevin, Vector};

use super::MultiAgentSpec;
use crate::task::{Features, Flown, TaskBase};
use crate::{Driver, DriverMut};

/// A task of several agents, a vehicle each, as pure functions; see [`TaskBase`].
///
/// How many vehicles there are is known at run time, so all that an env remembers of them are
/// [numbers](crate::Extras::numbers).
pub trait MultiAgentTask: TaskBase<State = ()> {
    /// What each agent observes and does.
    fn spec(&self) -> &MultiAgentSpec;

    /// Where the numbers of a vehicle stand, and where it flies.
    fn vehicle(&self, vehicle: usize) -> VehicleNumbers;

    /// Hands what is seen of an env to `out`, feature by feature.
    fn observe<R: Real>(
        &self,
        view: View,
        reference: &Langevin<R>,
        driver: &impl Driver<R>,
        out: &mut impl Features<R>,
    );

    /// Holds an action of each agent, in `[-1, 1]`, for a control step, at whose end the reference is given. Vehicles are
    /// flown alike. The verdict takes what the step came to for each agent in order, then which conditions end the episode.
    fn step<R: Real, const ALIGNED: bool>(
        &self,
        flown: &Flown<R, ALIGNED>,
        reference: &Langevin<R>,
        actions: &[[R; 4]],
        driver: &mut impl DriverMut<R>,
        verdict: &mut impl AgentVerdict<R>,
    );
}

/// Where a vehicle stands among the numbers of its env, and where it flies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VehicleNumbers {
    /// First of the numbers of its [`Body`](eyas_sim::Body).
    pub body: usize,
    /// The number that is 1 where its flight has ended.
    pub fallen: usize,
    /// Where it should be as seen from the reference, world frame, m.
    pub offset: Vector<f64>,
}

/// What is seen of an env.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// [`AgentSpec::observation`](super::AgentSpec::observation) of an agent.
    Observation(usize),
    /// [`AgentSpec::privileged`](super::AgentSpec::privileged) of an agent.
    Privileged(usize),
    /// [`StateSpace::Custom`](super::StateSpace::Custom).
    State,
}

/// Takes what a step of several agents came to.
pub trait AgentVerdict<R: Real> {
    /// Takes where the next agent flew until now, where its flight has ended, now or before, and the terms of its reward,
    /// which it earns where it flew.
    fn agent<const N: usize>(&mut self, flew: R::Mask, has_ended: R::Mask, terms: [R; N]);

    /// Takes where conditions hold that end the episode, in the order of [`MultiAgentSpec::terminations`].
    fn end<const N: usize>(&mut self, causes: [R::Mask; N]);
}
