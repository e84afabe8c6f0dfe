//! Thirty-two episodes of a manager-based task.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Row, Stream, dispatch, lanes_of};
use eyas_sim::{Body, SpeedLag, State, VEHICLE_NUMBERS, Vehicle};

use super::command::{CommandState, CommandStreams};
use super::config::{CommandUpdate, ManagerConfig};
use super::curriculum::Effects;
use super::event::Circumstances;
use super::kernels::{Advance, Follow, Judge, Observe, Record, Startup};
use super::program::Program;
use super::scene::{ActionState, SceneParts};
use crate::episode::{Ledger, reset_lanes};
use crate::reality::{Reality, VEHICLE};
use crate::rows::at_rest;
use crate::target::Target;
use crate::{
    Ended, Env, EnvBlock, EnvSpec, Interference, Step, TaskConfig as _, Telemetry, visit_rows, visit_words,
};

/// What all blocks of an env share.
#[expect(clippy::struct_excessive_bools, reason = "what a step need not do is independent of each other")]
pub(super) struct Shared {
    pub(super) config: ManagerConfig,
    pub(super) program: Program,
    /// The configured vehicle, the same in every lane of a block.
    vehicle: Box<[Row; VEHICLE_NUMBERS]>,
    /// Whether it is [aligned](eyas_sim::VehicleParameters::is_aligned), and stays so.
    aligned: bool,
    seed: u64,
    pub(super) rotor_range: [f64; 2],
    pub(super) command_streams: Vec<CommandStreams>,
    pub(super) event_streams: Vec<Stream>,
    pub(super) noise: Stream,
    /// Whether a term is kept over several steps.
    keeps: bool,
    /// Whether air acts on the vehicles.
    pub(super) has_wind: bool,
    /// Whether something happens between the reward and the next observation.
    follows: bool,
}

impl Shared {
    /// # Panics
    ///
    /// If the configuration is not valid.
    pub(super) fn new(config: &ManagerConfig, seed: u64) -> Self {
        let program = Program::new(config).expect("configurations are validated before envs are made");
        Self {
            vehicle: Vehicle::rows([&config.robot; BLOCK]),
            aligned: config.robot.is_aligned() && config.reality.keeps_alignment(),
            seed,
            rotor_range: super::observation::rotor_range(&config.robot),
            command_streams: program.commands.iter().map(|it| it.streams(seed)).collect(),
            event_streams: program.events.iter().map(|it| it.stream(seed)).collect(),
            noise: Stream::new(seed, "env/observations"),
            has_wind: program.has_wind(),
            keeps: program.observations.iter().any(|it| it.kept() > 0),
            follows: config.command_update == CommandUpdate::AfterReset
                || program.events.iter().any(super::event::Event::is_interval),
            config: config.clone(),
            program,
        }
    }

    pub(super) fn spec(&self) -> &EnvSpec {
        &self.program.spec
    }
}

/// Thirty-two episodes of a manager-based task; positions are relative to each env's spawn point.
pub struct ManagerBlock {
    pub(super) shared: Arc<Shared>,
    pub(super) ledger: Ledger,
    pub(super) state: State<Row>,
    pub(super) actions: ActionState,
    pub(super) commands: Vec<CommandState>,
    pub(super) circumstances: Circumstances,
    /// What startup made of them: what a reset goes back to.
    pub(super) startup: Circumstances,
    /// Time until each event of mode `interval` happens, s.
    pub(super) time_left: Vec<Row>,
    /// Values of terms with delay or history, the oldest first, term after term.
    pub(super) kept: Vec<Row>,
    /// Control steps since the block was made.
    common_step: u32,
    /// The same when the curriculum was last applied.
    curriculum_step: u32,
    pub(super) effects: Effects,
    /// Weight of each reward as it is multiplied.
    pub(super) weights: Vec<f32>,
    /// The vehicle of each lane under its circumstances, where they change it.
    vehicle: Option<Box<[Row; VEHICLE_NUMBERS]>>,
    /// The same as it flies, where an interference changes it.
    altered: Option<Box<[Row; VEHICLE_NUMBERS]>>,
    /// Share of the set-point in each rotor's next speed, rising and falling.
    pub(super) lag: [[Row; 4]; 2],
    interference: Option<Interference>,
    /// What an interference pushes each with, world frame, N.
    pub(super) push: [Row; 3],
    /// What separates flying from simulating.
    reality: Option<Box<Reality>>,
}

impl ManagerBlock {
    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    pub(super) fn env(config: &ManagerConfig, num_envs: usize, seed: u64) -> Env {
        let shared = Arc::new(Shared::new(config, seed));
        let first_envs = (0..num_envs.div_ceil(BLOCK)).map(|block| (block * BLOCK) as u32);
        let blocks = first_envs.map(|first| Self::new(Arc::clone(&shared), first)).collect();
        Env::new(shared.spec().clone(), num_envs, blocks)
    }

    fn new(shared: Arc<Shared>, first_env: u32) -> Self {
        let program = &shared.program;
        let kept = program.observations.iter().map(|it| it.kept() * it.width()).sum();
        let mut block = Self {
            ledger: Ledger::new(first_env, program.rewards.len()),
            state: at_rest(),
            actions: ActionState::ZERO,
            commands: vec![CommandState::default(); program.commands.len()],
            circumstances: Circumstances::PLAIN,
            startup: Circumstances::PLAIN,
            time_left: vec![Row::ZERO; program.events.len()],
            kept: vec![Row::ZERO; kept],
            common_step: 0,
            curriculum_step: 0,
            effects: program.effects.clone(),
            weights: vec![0.0; program.rewards.len()],
            vehicle: None,
            altered: None,
            lag: [[Row::ZERO; 4]; 2],
            interference: None,
            push: [Row::ZERO; 3],
            reality: Reality::new(
                &shared.config.reality,
                shared.config.control_period(),
                program.spec.num_actions,
                shared.seed,
                VEHICLE,
            ),
            shared,
        };
        block.apply_curriculum();
        dispatch(Startup { block: &mut block });
        block.circumstances = block.startup.clone();
        block.alter_vehicles(u32::MAX);
        block
    }

    /// Weights and strengths that the curriculum says for its last step.
    fn apply_curriculum(&mut self) {
        let program = &self.shared.program;
        program.effects_at(self.curriculum_step, &mut self.effects);
        for (weight, value) in self.weights.iter_mut().zip(&self.effects.weights) {
            *weight = (value * program.reward_scale) as f32;
        }
    }

    /// The vehicles of lanes under their circumstances.
    fn alter_vehicles(&mut self, mask: u32) {
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
        let config = &self.shared.config;
        if self.shared.program.changes_vehicles() {
            let vehicle = self.vehicle.get_or_insert_with(|| self.shared.vehicle.clone());
            self.circumstances.alter(&self.shared.vehicle, vehicle, mask);
        }
        self.altered = self.interference.as_ref().and_then(|it| it.altered(self.own()));
        let robot = &config.robot;
        let constants = [robot.rotor_time_constants_rising, robot.rotor_time_constants_falling];
        for (rows, constants) in self.lag.iter_mut().zip(constants) {
            for ((row, constant), factor) in rows.iter_mut().zip(constants).zip(&self.circumstances.lag) {
                for lane in lanes_of(mask) {
                    let time_constant = constant * f64::from(factor[lane]);
                    row[lane] = SpeedLag::new(config.control_period(), time_constant).alpha as f32;
                }
            }
        }
    }

    /// [`Vehicle::numbers`] of each lane under its circumstances.
    fn own(&self) -> &[Row; VEHICLE_NUMBERS] {
        self.vehicle.as_deref().unwrap_or(&self.shared.vehicle)
    }

    /// The same as it flies.
    #[inline(always)]
    pub(super) fn flown(&self) -> &[Row; VEHICLE_NUMBERS] {
        self.altered.as_deref().unwrap_or(self.own())
    }

    /// Keeps the present values of terms with delay or history: one more for lanes of `push`, nothing else for lanes of
    /// `fill`.
    fn record(&mut self, push: u32, fill: u32) {
        if self.shared.keeps {
            let seen = self.sensed();
            dispatch(Record { block: self, seen: seen.as_ref(), push, fill });
        }
    }

    /// The state as it is measured, where it is not as it is.
    fn sensed(&self) -> Option<State<Row>> {
        let body = self.reality.as_ref()?.sense(&self.ledger, &self.state.body)?;
        Some(State { body, rotor_speed: self.state.rotor_speed })
    }

    /// What the scenes of a state are cut from.
    pub(super) fn scene_parts<'a>(&'a self, state: &'a State<Row>) -> SceneParts<'a> {
        SceneParts {
            state,
            commands: &self.commands,
            actions: &self.actions,
            mass_factor: &self.circumstances.mass,
            rotor_range: self.shared.rotor_range,
            age: &self.ledger.age,
            causes: &[],
        }
    }
}

impl EnvBlock for ManagerBlock {
    fn first_env(&self) -> u32 {
        self.ledger.first_env
    }

    fn reset(&mut self, mask: u32) {
        if mask == 0 {
            return;
        }
        let program = &self.shared.program;
        let changes_vehicles = program.changes_vehicles();
        if !program.curriculum.is_empty() {
            self.curriculum_step = self.common_step;
            self.apply_curriculum();
        }
        self.ledger.reset(mask);
        reset_lanes(self, mask);
        if changes_vehicles {
            self.alter_vehicles(mask);
        }
        if let Some(reality) = &mut self.reality {
            reality.reset(mask, &self.ledger, &self.state.body);
        }
        self.record(0, mask);
    }

    fn set_next_episode(&mut self, lane: usize, episode: u32) {
        self.ledger.set_next_episode(lane, episode);
    }

    fn observe(&self, observation: &mut [Row]) {
        let seen = self.sensed();
        dispatch(Observe { block: self, seen: seen.as_ref().unwrap_or(&self.state), observation });
    }

    /// Terms have noise, delays and clips of their own.
    fn senses_truly(&self) -> bool {
        false
    }

    fn step(&mut self, action: &[Row]) -> Step {
        let mut reality = self.reality.take();
        if let Some(reality) = &mut reality {
            reality.begin_step(action, &self.ledger, &self.state, self.flown());
        }
        let flies = reality.as_deref();
        let shared = &*Arc::clone(&self.shared);
        if shared.aligned {
            dispatch(Advance::<true> { block: self, shared, reality: flies, action });
        } else {
            dispatch(Advance::<false> { block: self, shared, reality: flies, action });
        }
        self.reality = reality;
        let outcome = dispatch(Judge { block: self, shared });
        self.common_step = self.common_step.saturating_add(1);
        let causes = &outcome.causes[..self.shared.program.terminations.len()];
        let limit = self.shared.program.limit;
        let step = self.ledger.advance_or_cut(outcome.reward, causes, limit, outcome.cut);
        let live = !self.ledger.ended;
        if self.shared.follows && live != 0 {
            let altered = dispatch(Follow { block: self, live });
            if altered != 0 {
                self.alter_vehicles(altered);
            }
        }
        self.record(live, 0);
        step
    }

    fn episode(&self, lane: usize) -> Ended {
        self.ledger.episode(lane, &[self.telemetry(lane)])
    }

    fn telemetry(&self, lane: usize) -> Telemetry {
        let at_origin = Target::default();
        let target = self.commands.first().map_or(&at_origin, |command| &command.target);
        target.telemetry(lane, &self.state.body)
    }

    fn ended(&self) -> u32 {
        self.ledger.ended
    }

    fn set_age(&mut self, lane: usize, steps: u32) {
        self.ledger.age[lane] = steps;
    }

    fn put(&mut self, lane: usize, body: &Body<f32>) {
        self.state.body.set_lane(lane, body);
        if let Some(reality) = &mut self.reality {
            reality.put(lane, &self.state.body);
        }
        self.record(0, 1 << lane);
    }

    fn interfere(&mut self, interference: Interference) {
        self.altered = interference.altered(self.own());
        if let Some(reality) = &mut self.reality {
            reality.refit();
        }
        self.push = interference.force_world;
        self.interference = Some(interference);
    }

    fn set_steps_flown(&mut self, steps: u32) {
        (self.common_step, self.curriculum_step) = (steps, steps);
        self.apply_curriculum();
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self {
            shared,
            ledger,
            state,
            actions,
            commands,
            circumstances,
            startup: _,
            time_left,
            kept,
            common_step,
            curriculum_step,
            effects: _,
            weights: _,
            vehicle: _,
            altered: _,
            lag: _,
            interference: _,
            push: _,
            reality,
        } = self;
        let changes_vehicles = shared.program.changes_vehicles();
        ledger.visit_state(visit);
        visit_rows(state.fields_mut(), visit);
        visit_rows(actions.rows_mut(), visit);
        visit_rows(commands.iter_mut().flat_map(CommandState::rows_mut), visit);
        visit_rows(circumstances.rows_mut(), visit);
        visit_rows(time_left.iter_mut().chain(kept), visit);
        visit_words([common_step, curriculum_step], visit);
        if let Some(reality) = reality {
            reality.visit_state(visit);
        }
        // What follows from these numbers.
        self.apply_curriculum();
        if changes_vehicles {
            self.alter_vehicles(u32::MAX);
        }
    }
}
