//! Thirty-two episodes of the formation task.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Row, Stream, dispatch};
use eyas_sim::{Body, SpeedLag, State, VEHICLE_NUMBERS, Vector, Vehicle};

use super::config::FormationConfig;
use super::downwash::Downwash;
use super::observe::{Observe, ObserveRotors, ObserveState};
use super::spec::{CAUSES, spec};
use super::step::{Advance, Outcome};
use crate::episode::{Episodes, reset_lanes};
use crate::multi_agent::{MultiAgentBlock, MultiAgentSpec};
use crate::rows::at_rest;
use crate::target::{Motion, Path, Target};
use crate::{Ended, Perturbation, Step, TaskConfig as _, Telemetry, visit_rows, visit_words};

/// What all blocks of an env share.
pub(super) struct Shared {
    pub(super) config: FormationConfig,
    pub(super) spec: MultiAgentSpec,
    /// Where each vehicle flies from the centre, world frame, m.
    pub(super) places: Vec<Vector<f64>>,
    pub(super) lag: SpeedLag,
    pub(super) downwash: Option<Downwash>,
    pub(super) motion: Motion,
    /// Of the centre.
    pub(super) noise: Stream,
    pub(super) start: Stream,
    /// The same in every lane of a block.
    vehicle_rows: Box<[Row; VEHICLE_NUMBERS]>,
    /// Whether it is [aligned](eyas_sim::VehicleParameters::is_aligned).
    aligned: bool,
}

impl Shared {
    pub(super) fn new(config: &FormationConfig, seed: u64) -> Self {
        Self {
            spec: spec(config),
            places: config.formation.places(config.num_agents),
            lag: SpeedLag::new(config.control_period(), config.motor_tau),
            downwash: Downwash::new(&config.downwash, &config.robot),
            motion: Motion {
                path: Path::new(&config.course, config.langevin),
                at_rest: config.prob_null_trajectory,
                max_speed: Some(config.langevin_max_speed),
            },
            noise: Stream::new(seed, "env/target"),
            start: Stream::new(seed, "env/start"),
            vehicle_rows: Vehicle::rows([&config.robot; BLOCK]),
            aligned: config.robot.is_aligned(),
            config: config.clone(),
        }
    }
}

/// One vehicle of each env.
pub(super) struct Quad {
    pub(super) state: State<Row>,
    pub(super) set_point: [Row; 4],
    /// Bit `i`: its flight in env `i` has ended.
    pub(super) down: u32,
}

/// Thirty-two episodes of the formation task; positions are relative to where the centre starts.
pub struct FormationBlock {
    pub(super) shared: Arc<Shared>,
    pub(super) episodes: Episodes,
    pub(super) quads: Vec<Quad>,
    pub(super) target: Target,
    /// Lanes in which a vehicle's flight has ended for each cause.
    pub(super) causes: [u32; CAUSES],
    /// The vehicle of each lane as it flies, where a perturbation changes it.
    altered: Option<Box<[Row; VEHICLE_NUMBERS]>>,
    /// What pushes each, world frame, N.
    pub(super) push: [Row; 3],
}

impl FormationBlock {
    /// [`Vehicle::numbers`](eyas_sim::Vehicle::numbers) of each lane as it flies.
    #[inline(always)]
    pub(super) fn flown(&self) -> &[Row; VEHICLE_NUMBERS] {
        self.altered.as_deref().unwrap_or(&self.shared.vehicle_rows)
    }

    pub(super) fn new(shared: Arc<Shared>, first_env: u32) -> Self {
        let quad = || Quad { state: at_rest(), set_point: [Row::ZERO; 4], down: 0 };
        Self {
            episodes: Episodes::new(first_env, shared.spec.reward_terms.len()),
            quads: shared.places.iter().map(|_| quad()).collect(),
            target: Target::default(),
            causes: [0; CAUSES],
            altered: None,
            push: [Row::ZERO; 3],
            shared,
        }
    }
}

impl MultiAgentBlock for FormationBlock {
    fn spec(&self) -> &MultiAgentSpec {
        &self.shared.spec
    }

    fn first_env(&self) -> u32 {
        self.episodes.first_env
    }

    fn set_first_env(&mut self, first_env: u32) {
        self.episodes.first_env = first_env;
    }

    fn reset(&mut self, mask: u32) {
        self.episodes.reset(mask);
        for quad in &mut self.quads {
            quad.down &= !mask;
        }
        for cause in &mut self.causes {
            *cause &= !mask;
        }
        reset_lanes(self, mask);
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.episodes.set_next_episode(lane, episode);
    }

    fn observe(&self, agent: usize, observation: &mut [Row]) {
        dispatch(Observe { block: self, agent, observation });
    }

    fn observe_privileged(&self, agent: usize, observation: &mut [Row]) {
        dispatch(ObserveRotors { block: self, agent, observation });
    }

    fn observe_state(&self, state: &mut [Row]) {
        dispatch(ObserveState { block: self, state });
    }

    fn step(&mut self, actions: &[&[Row]], outcomes: &mut [Step]) {
        let live = !self.episodes.ended;
        let Outcome { rewards, sum } = if self.shared.aligned {
            dispatch(Advance::<true> { block: self, actions })
        } else {
            dispatch(Advance::<false> { block: self, actions })
        };
        let all_down = self.quads.iter().fold(live, |lanes, quad| lanes & quad.down);
        let causes = self.causes.map(|lanes| lanes & all_down);
        // Isaac Lab's `episode_length_buf >= max_episode_length - 1`.
        let limit = self.shared.spec.max_episode_length - 1;
        let env = self.episodes.advance(sum, &causes, limit);
        for ((outcome, reward), quad) in outcomes.iter_mut().zip(rewards).zip(&self.quads) {
            *outcome = Step { reward, terminated: quad.down & live, truncated: env.truncated };
        }
    }

    fn ended(&self) -> u32 {
        self.episodes.ended
    }

    fn episode(&self, lane: usize) -> Ended {
        let last: Vec<Telemetry> = (0..self.quads.len()).map(|quad| self.telemetry(lane, quad)).collect();
        self.episodes.episode(lane, &last)
    }

    fn num_vehicles(&self) -> usize {
        self.quads.len()
    }

    fn telemetry(&self, lane: usize, vehicle: usize) -> Telemetry {
        let place = self.shared.places[vehicle].map(|value| value as f32);
        let of_centre = self.target.telemetry(lane, &self.quads[vehicle].state.body);
        let centre = of_centre.desired_position;
        Telemetry { desired_position: [0, 1, 2].map(|axis| centre[axis] + place[axis]), ..of_centre }
    }

    fn fallen(&self, vehicle: usize) -> u32 {
        self.quads[vehicle].down
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.episodes.age[lane] = steps;
    }

    /// Each vehicle as far from its place as the body is from the origin.
    fn put(&mut self, lane: usize, body: &Body<f32>) {
        for (quad, place) in self.quads.iter_mut().zip(&self.shared.places) {
            let position = [0, 1, 2].map(|axis| body.position[axis] + place[axis] as f32);
            quad.state.body.set_lane(lane, &Body { position, ..*body });
        }
    }

    fn perturb(&mut self, perturbation: Perturbation) {
        self.altered = perturbation.altered(&self.shared.vehicle_rows);
        self.push = perturbation.force_world;
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { shared: _, episodes, quads, target, causes, altered: _, push: _ } = self;
        episodes.visit_state(visit);
        target.visit_state(visit);
        for Quad { state, set_point, down } in quads {
            visit_rows(state.fields_mut(), visit);
            visit_rows(set_point, visit);
            visit(down);
        }
        visit_words(causes, visit);
    }
}
