//! A block of a task of several agents.

use eyas_lanes::{Kernel, LANES, Lanes, Row, VECTORS, dispatch};
use eyas_sim::Body;

use super::task::{AgentVerdict, MultiAgentTask, VehicleNumbers, View};
use super::{MAX_AGENTS, MultiAgentBlock, MultiAgentSpec};
use crate::block::{Block, FeatureRows, LaneVerdict};
use crate::driver::LaneDriver;
use crate::episode::{MAX_TERMS, earn};
use crate::reality::flight;
use crate::rows::{bits_of, flagged, lane_of, load_four, load_vector, set_lane_of};
use crate::task::{Flown, Verdict as _};
use crate::{Ended, Perturbation, Step, Telemetry};

impl<T: MultiAgentTask> MultiAgentBlock for Block<T> {
    fn spec(&self) -> &MultiAgentSpec {
        self.shared.task.spec()
    }

    fn first_env(&self) -> u32 {
        self.episodes.first_env
    }

    fn set_first_env(&mut self, first_env: u32) {
        self.begin_at(first_env);
    }

    fn reset(&mut self, mask: u32) {
        self.start_episodes(mask);
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.episodes.set_next_episode(lane, episode);
    }

    fn observe(&self, agent: usize, observation: &mut [Row]) {
        dispatch(Observe { block: self, view: View::Observation(agent), rows: observation });
    }

    fn observe_privileged(&self, agent: usize, observation: &mut [Row]) {
        dispatch(Observe { block: self, view: View::Privileged(agent), rows: observation });
    }

    fn observe_state(&self, state: &mut [Row]) {
        dispatch(Observe { block: self, view: View::State, rows: state });
    }

    fn step(&mut self, actions: &[&[Row]], outcomes: &mut [Step]) {
        outcomes.fill(Step::default());
        let mut causes = [0; MAX_TERMS];
        let num_causes = if self.is_aligned() {
            dispatch(Advance::<T, true> { block: self, actions, outcomes, causes: &mut causes })
        } else {
            dispatch(Advance::<T, false> { block: self, actions, outcomes, causes: &mut causes })
        };
        let limit = self.shared.rules.time_limit;
        let Step { truncated, .. } = self.episodes.advance(Row::ZERO, &causes[..num_causes], limit, 0);
        for outcome in outcomes {
            outcome.truncated = truncated;
        }
    }

    fn ended(&self) -> u32 {
        self.episodes.ended
    }

    fn episode(&self, lane: usize) -> Ended {
        let last: Vec<Telemetry> = (0..self.num_vehicles()).map(|it| self.telemetry(lane, it)).collect();
        self.episodes.episode(lane, &last)
    }

    fn num_vehicles(&self) -> usize {
        self.shared.task.spec().agents.len()
    }

    fn telemetry(&self, lane: usize, vehicle: usize) -> Telemetry {
        let VehicleNumbers { body, offset, .. } = self.shared.task.vehicle(vehicle);
        let mut target = self.target.lane(lane);
        for (value, offset) in target.reference.position.iter_mut().zip(offset) {
            *value += offset as f32;
        }
        target.beside(&lane_of::<Body<()>>(&self.numbers[body..], lane))
    }

    fn fallen(&self, vehicle: usize) -> u32 {
        flagged(&self.numbers[self.shared.task.vehicle(vehicle).fallen])
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.episodes.age[lane] = steps;
    }

    /// Each vehicle as far from its place as the body is from the origin.
    fn put(&mut self, lane: usize, body: &Body<f32>) {
        for vehicle in 0..self.num_vehicles() {
            let VehicleNumbers { body: first, offset, .. } = self.shared.task.vehicle(vehicle);
            let position = [0, 1, 2].map(|axis| body.position[axis] + offset[axis] as f32);
            set_lane_of::<Body<()>>(&mut self.numbers[first..], lane, &Body { position, ..*body });
        }
    }

    fn perturb(&mut self, perturbation: Perturbation) {
        self.change_under(perturbation);
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.visit_saved(visit);
    }
}

struct Observe<'a, T: MultiAgentTask> {
    block: &'a Block<T>,
    view: View,
    rows: &'a mut [Row],
}

impl<T: MultiAgentTask> Kernel for Observe<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block: Block { shared, episodes, target, numbers, settings, .. }, view, rows } = self;
        for vector in 0..VECTORS {
            let place = (episodes.counters(vector, shared.rules.period), bits_of(u32::MAX, vector));
            let driver = LaneDriver::new(&numbers[..], place, episodes, &shared.streams, settings);
            let reference = target.reference.load::<L>(vector);
            shared.task.observe(view, &reference, &driver, &mut FeatureRows::new(rows, vector));
        }
    }
}

/// Gives how many conditions there are.
struct Advance<'a, T: MultiAgentTask, const ALIGNED: bool> {
    block: &'a mut Block<T>,
    actions: &'a [&'a [Row]],
    outcomes: &'a mut [Step],
    /// One mask of lanes for each terminating condition.
    causes: &'a mut [u32; MAX_TERMS],
}

impl<T: MultiAgentTask, const ALIGNED: bool> Kernel for Advance<'_, T, ALIGNED> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self) -> usize {
        let Self { block, actions, outcomes, causes } = self;
        let mut num_causes = 0;
        for vector in 0..VECTORS {
            let live = bits_of(!block.episodes.ended, vector);
            if live == 0 {
                continue;
            }
            let Block { shared, episodes, vehicles, target, numbers, settings, push, .. } = &mut *block;
            let rules = &shared.rules;
            target.advance::<L>(&episodes.counters(vector, rules.period), live, &rules.motion, &shared.noise);
            let mut sums = std::mem::take(&mut episodes.sums);
            let place = (episodes.counters(vector, rules.period), live);
            let mut driver = LaneDriver::new(&mut numbers[..], place, episodes, &shared.streams, settings);
            let pushed = (load_vector(push, vector), None);
            let (vehicle, disturbance) = flight::<L, ALIGNED>(None, vehicles.flown(), pushed, vector);
            let mut given = [[L::splat(0.0); 4]; MAX_AGENTS];
            for (given, action) in given.iter_mut().zip(actions) {
                *given = load_four(action, vector);
            }
            let mut verdict = LaneAgentVerdict {
                env: LaneVerdict::new((vector, live), causes),
                sums: &mut sums,
                outcomes: outcomes.iter_mut(),
            };
            shared.task.step(
                &Flown { vehicle, disturbance },
                &target.reference.load(vector),
                &given[..actions.len()],
                &mut driver,
                &mut verdict,
            );
            num_causes = verdict.env.num_causes;
            episodes.sums = sums;
        }
        num_causes
    }
}

/// What a step of one vector of lanes came to, on its way to memory.
struct LaneAgentVerdict<'a, L> {
    env: LaneVerdict<'a, L>,
    /// Of each term, over all agents.
    sums: &'a mut [Row],
    /// Of the agents that are not judged yet.
    outcomes: std::slice::IterMut<'a, Step>,
}

impl<L: Lanes> AgentVerdict<L> for LaneAgentVerdict<'_, L> {
    #[inline(always)]
    fn agent<const N: usize>(&mut self, flew: L::Mask, has_ended: L::Mask, terms: [L; N]) {
        let (vector, live) = self.env.place;
        let earns = L::and(L::mask(live), flew);
        let mut reward = L::splat(0.0);
        for (sum, term) in self.sums.iter_mut().zip(terms) {
            reward = reward + earn(sum, vector, earns, term);
        }
        let outcome = self.outcomes.next().expect("each agent has an outcome");
        outcome.reward.store(vector, reward);
        outcome.terminated |= (L::bits(has_ended) & live) << (vector * LANES);
    }

    #[inline(always)]
    fn end<const N: usize>(&mut self, causes: [L::Mask; N]) {
        self.env.end(causes);
    }
}
