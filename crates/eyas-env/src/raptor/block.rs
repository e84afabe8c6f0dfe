//! Thirty-two episodes of the RAPTOR environment.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Lanes, Row, Stream, dispatch};
use eyas_sim::{Body, State, VEHICLE_NUMBERS, Vehicle};
use eyas_vehicles::FleetVehicle;

use super::config::RaptorConfig;
use super::kernels::{Advance, Observe};
use super::spec::REWARD_TERMS;
use crate::episode::{Ledger, Outcome, reset_lanes};
use crate::reality::{Reality, VEHICLE};
use crate::rows::{at_rest, put};
use crate::target::{Motion, Path, Target};
use crate::{Ended, EnvBlock, Interference, Step, TaskConfig as _, Telemetry, visit_rows};

/// What all blocks of an env share.
pub(super) struct Shared {
    pub(super) config: RaptorConfig,
    pub(super) motion: Motion,
    /// Of the reference.
    pub(super) noise: Stream,
    max_episode_length: u32,
    pub(super) start: Stream,
    seed: u64,
}

impl Shared {
    pub(super) fn new(config: &RaptorConfig, seed: u64) -> Self {
        Self {
            motion: Motion {
                path: Path::new(&config.course, config.langevin),
                at_rest: config.prob_null_trajectory,
                max_speed: None,
            },
            noise: Stream::new(seed, "env/target"),
            max_episode_length: config.max_episode_length(),
            start: Stream::new(seed, "env/start"),
            config: config.clone(),
            seed,
        }
    }
}

/// The vehicle of each lane and what its size implies.
pub(super) struct Crafts {
    /// [`Vehicle::numbers`] of each lane, as the vehicles are.
    own: Box<[Row; VEHICLE_NUMBERS]>,
    /// The same as they fly, under an interference.
    pub(super) vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    /// Whether each of them is [aligned](eyas_sim::VehicleParameters::is_aligned).
    aligned: bool,
    pub(super) max_start_position: Row,
    pub(super) position_threshold: Row,
    pub(super) force_std: Row,
}

impl Crafts {
    /// The vehicles of the lanes of a block.
    fn new(config: &RaptorConfig, lanes: &[&FleetVehicle; BLOCK]) -> Self {
        let own = Vehicle::rows(lanes.iter().map(|craft| &craft.dynamics));
        let mut crafts = Self {
            vehicle: own.clone(),
            own,
            aligned: lanes.iter().all(|craft| craft.dynamics.is_aligned()),
            max_start_position: Row::ZERO,
            position_threshold: Row::ZERO,
            force_std: Row::ZERO,
        };
        for (lane, craft) in lanes.iter().enumerate() {
            crafts.max_start_position[lane] = config.max_start_position(craft) as f32;
            crafts.position_threshold[lane] = config.position_threshold(craft) as f32;
            crafts.force_std[lane] = craft.random_force_std as f32;
        }
        crafts
    }
}

/// Thirty-two episodes of the RAPTOR environment.
pub struct RaptorBlock {
    pub(super) shared: Arc<Shared>,
    pub(super) ledger: Ledger,
    pub(super) crafts: Crafts,
    pub(super) state: State<Row>,
    /// What a policy sees of its last action; after a reset the rotor speeds.
    pub(super) history: [Row; 4],
    /// What the reward compares an action with; 0 after a reset.
    pub(super) last_action: [Row; 4],
    /// External force on each vehicle, world frame, N.
    pub(super) force: [Row; 3],
    /// The same of an interference.
    pub(super) push: [Row; 3],
    pub(super) target: Target,
    /// What happens beside it, if anything does.
    pub(super) reality: Option<Box<Reality>>,
}

impl RaptorBlock {
    pub(super) fn new(shared: Arc<Shared>, first_env: u32, lanes: &[&FleetVehicle; BLOCK]) -> Self {
        let (reality, period) = (shared.config.flown_reality(), shared.config.sim.dt);
        Self {
            crafts: Crafts::new(&shared.config, lanes),
            reality: Reality::new(&reality, period, 4, shared.seed, VEHICLE),
            shared,
            ledger: Ledger::new(first_env, REWARD_TERMS.len()),
            state: at_rest(),
            history: [Row::ZERO; 4],
            last_action: [Row::ZERO; 4],
            force: [Row::ZERO; 3],
            target: Target::default(),
            push: [Row::ZERO; 3],
        }
    }

    /// Whether the vehicles may be taken as aligned.
    pub(super) fn is_aligned(&self) -> bool {
        self.crafts.aligned && self.shared.config.reality.keeps_alignment()
    }

    /// The vehicles of one vector of lanes, as they are told of.
    #[inline(always)]
    pub(super) fn vehicle<L: Lanes, const ALIGNED: bool>(&self, half: usize) -> Vehicle<L, ALIGNED> {
        Vehicle::load(&self.crafts.vehicle, half)
    }
}

impl EnvBlock for RaptorBlock {
    fn first_env(&self) -> u32 {
        self.ledger.first_env
    }

    fn reset(&mut self, mask: u32) {
        self.ledger.reset(mask);
        reset_lanes(self, mask);
        if let Some(reality) = &mut self.reality {
            reality.reset(mask, &self.ledger, &self.state.body);
        }
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.ledger.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let sensed = self.reality.as_ref().and_then(|it| it.sense(&self.ledger, &self.state.body));
        dispatch(Observe { block: self, sensed: sensed.as_ref(), observation });
    }

    fn step(&mut self, action: &[Row]) -> Step {
        // Taken out, so that a step may read it while it changes the rest.
        let mut reality = self.reality.take();
        if let Some(reality) = &mut reality {
            reality.begin_step(action, &self.ledger, &self.state, &self.crafts.vehicle);
        }
        let flies = reality.as_deref();
        let Outcome { reward, causes } = if self.is_aligned() {
            dispatch(Advance::<true> { block: self, reality: flies, action })
        } else {
            dispatch(Advance::<false> { block: self, reality: flies, action })
        };
        self.reality = reality;
        let limit = self.shared.max_episode_length;
        self.ledger.advance(reward, &causes, limit)
    }

    fn episode(&self, lane: usize) -> Ended {
        self.ledger.episode(lane, &[self.telemetry(lane)])
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        self.target.telemetry(lane, &self.state.body)
    }

    fn ended(&self) -> u32 {
        self.ledger.ended
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.ledger.age[lane] = steps;
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        put(&mut self.state.body, lane, body);
        if let Some(reality) = &mut self.reality {
            reality.put(lane, &self.state.body);
        }
    }

    fn interfere(&mut self, interference: Interference) {
        interference.alter(&self.crafts.own, &mut self.crafts.vehicle);
        self.push = interference.force_world;
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self {
            shared: _,
            crafts: _,
            ledger,
            state,
            history,
            last_action,
            force,
            target: Target { reference, max_speed: _, moving },
            reality,
            push: _,
        } = self;
        ledger.visit_state(visit);
        visit_rows(state.fields_mut(), visit);
        visit_rows(reference.fields_mut(), visit);
        visit_rows(history.iter_mut().chain(last_action).chain(force).chain([moving]), visit);
        if let Some(reality) = reality {
            reality.visit_state(visit);
        }
    }
}
