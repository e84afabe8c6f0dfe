//! Programs replayed on `f32` beside a block that flies.

use eyas_lanes::{BLOCK, Fields as _, Row, Stream, lanes_of};
use eyas_sim::{Body, Disturbance, Langevin, State, add};
use eyas_trace::{Draw, Form, Program};

use super::{arranged, askew, direct, normal, numbers, point, raptor, replayed, same};
use crate::block::Block;
use crate::recorded::{Surroundings, TaskRecorder};
use crate::rows::not_a_number_to_zero;
use crate::{
    BatteryConfig, Cause, Derivative, Differentiable, DifferentiableBlock as _, DifferentiableTask as _,
    DragConfig, EnvBlock as _, GroundConfig, Perturbation, RaptorConfig, RealityConfig, Record, SignalErrors,
    Target, TurbulenceConfig, WindConfig,
};

const SEED: u64 = 17;
const STEPS: u32 = 150;

/// A block, and the programs of its task.
struct Flight<T: Differentiable> {
    block: Block<T>,
    surrogate: T::Surrogate,
    force: [Row; 3],
    episode: [u32; BLOCK],
    clock: [u32; BLOCK],
    programs: Programs,
    /// Steps that ended by a condition of the task.
    terminated: u32,
    /// Steps of references that moved.
    moved: u32,
}

struct Programs {
    reset: Program,
    reference: Option<Program>,
    observe: Program,
    step: Program,
    pull_back_step: Program,
    pull_back_observation: Program,
}

impl<T: Differentiable> Flight<T> {
    fn new(block: Block<T>, surrogate: T::Surrogate) -> Self {
        let task = TaskRecorder { task: &block.shared.task, form: Form::default() };
        let surroundings = match &block.reality {
            Some(_) => Surroundings::Reality,
            None => Surroundings::Push,
        };
        let (step, pull_back_step) = if block.is_aligned() {
            (task.step::<true>(surroundings), task.pull_back_step::<true>(&surrogate, surroundings))
        } else {
            (task.step::<false>(surroundings), task.pull_back_step::<false>(&surrogate, surroundings))
        };
        let programs = Programs {
            reset: task.reset(),
            reference: task.reference(),
            observe: task.observe(),
            step,
            pull_back_step,
            pull_back_observation: task.pull_back_observation(),
        };
        Self {
            block,
            surrogate,
            force: [Row::ZERO; 3],
            episode: [u32::MAX; BLOCK],
            clock: [0; BLOCK],
            programs,
            terminated: 0,
            moved: 0,
        }
    }

    /// Flies with random actions, and compares all that happens.
    fn fly(mut self) {
        for step in 0..STEPS {
            let ended = self.block.ended();
            self.block.reset(ended);
            for lane in lanes_of(ended) {
                self.episode[lane] = self.episode[lane].wrapping_add(1);
                self.clock[lane] = 0;
                self.check_reset(lane);
            }
            self.check_observation();
            let mut action = [Row::ZERO; 4];
            for (motor, row) in action.iter_mut().enumerate() {
                (0..BLOCK).for_each(|lane| row[lane] = 0.7 * normal("action", step, lane * 4 + motor) as f32);
            }
            self.step(&action);
        }
        assert!(self.terminated > 0, "no episode ended by itself");
        assert!(self.moved > 0 || self.programs.reference.is_none(), "no reference moved");
    }

    /// The word of a lane at a step of its episode.
    fn word(&self, lane: usize, step: u32, draw: &Draw) -> u32 {
        let Draw { purpose, draw, word } = draw;
        Stream::new(SEED, purpose).words([lane as u32, self.episode[lane], step, *draw])[usize::from(*word)]
    }

    fn vehicle(&self, lane: usize) -> Vec<f32> {
        let rows = match &self.block.reality {
            Some(reality) => &reality.flown().vehicle,
            None => self.block.vehicles.flown(),
        };
        lane_of(rows, lane)
    }

    fn limits(&self, lane: usize) -> Vec<f32> {
        numbers::<T::Limits, f32>(&T::Limits::lane(&self.block.vehicles.limits, lane))
    }

    fn check_reset(&self, lane: usize) {
        let program = &self.programs.reset;
        let own = lane_of(self.block.vehicles.flown(), lane);
        let inputs = arranged(program, &[("vehicle", own), ("limits", self.limits(lane))]);
        let replay = program.replay(&inputs, |draw| self.word(lane, 0, draw));
        let Target { reference, max_speed, moving } = &self.block.target;
        same("state", lane, &replay.numbers("state"), &state(&self.block.state, lane));
        let memory = numbers::<T::Memory, f32>(&T::Memory::lane(&self.block.memory, lane));
        same("memory", lane, &replay.numbers("memory"), &memory);
        same("reference", lane, &replay.numbers("reference"), &langevin(reference, lane));
        same("max_speed", lane, &replay.numbers("max_speed"), &[max_speed[lane]]);
        same("moving", lane, &replay.numbers("moving"), &[moving[lane]]);
    }

    fn check_observation(&self) {
        let program = &self.programs.observe;
        let num_features = program.outputs()[0].len();
        let mut rows = vec![Row::ZERO; num_features];
        self.block.observe(&mut rows);
        let measured =
            self.block.reality.as_ref().and_then(|it| it.sense(&self.block.episodes, &self.block.state.body));
        let body = measured.unwrap_or(self.block.state.body);
        let seen = State { body, ..self.block.state };
        for lane in 0..BLOCK {
            let own = lane_of(self.block.vehicles.flown(), lane);
            let replay = replayed(
                program,
                &[
                    ("vehicle", own),
                    ("state", state(&seen, lane)),
                    ("memory", numbers::<T::Memory, f32>(&T::Memory::lane(&self.block.memory, lane))),
                    ("reference", langevin(&self.block.target.reference, lane)),
                ],
            );
            let found: Vec<f32> =
                replay.numbers("observation").into_iter().map(not_a_number_to_zero).collect();
            same("observation", lane, &found, &lane_of(&rows, lane));
        }
    }

    fn step(&mut self, action: &[Row; 4]) {
        let before = (self.block.state, self.block.memory, self.block.target);
        let mut record = Record::<T>::default();
        let result = self.block.step_recorded(action, &mut record);
        for lane in 0..BLOCK {
            self.check_step(lane, &before, action, (result.reward[lane], result.terminated >> lane & 1 == 1));
            self.clock[lane] += 1;
        }
        self.check_pull_back(&before, action, &record);
    }

    /// Numbers that both a step and its adjoint take.
    fn groups(
        &self,
        lane: usize,
        (before, memory): (&State<Row>, &<T::Memory as eyas_lanes::Fields>::Of<Row>),
        reference: Vec<f32>,
        push: [f32; 3],
        action: &[Row; 4],
    ) -> Vec<(&'static str, Vec<f32>)> {
        let [mut force, mut torque] = [push, [0.0; 3]];
        if let Some(reality) = &self.block.reality {
            let Disturbance { force_world, torque_body } = &reality.flown().disturbance;
            force = add(push, force_world.map(|row| row[lane]));
            torque = torque_body.map(|row| row[lane]);
        }
        vec![
            ("vehicle", self.vehicle(lane)),
            ("force", force.to_vec()),
            ("torque", torque.to_vec()),
            ("state", state(before, lane)),
            ("memory", numbers::<T::Memory, f32>(&T::Memory::lane(memory, lane))),
            ("reference", reference),
            ("limits", self.limits(lane)),
            ("action", lane_of(action, lane)),
        ]
    }

    fn check_step(
        &mut self,
        lane: usize,
        (before, memory, target): &(State<Row>, <T::Memory as eyas_lanes::Fields>::Of<Row>, Target),
        action: &[Row; 4],
        (reward, is_terminated): (f32, bool),
    ) {
        let after = langevin(&self.block.target.reference, lane);
        let mut reference = langevin(&target.reference, lane);
        if let Some(program) = &self.programs.reference {
            let inputs = arranged(
                program,
                &[
                    ("reference", reference.clone()),
                    ("max_speed", vec![target.max_speed[lane]]),
                    ("moving", vec![target.moving[lane]]),
                ],
            );
            let next =
                program.replay(&inputs, |draw| self.word(lane, self.clock[lane], draw)).numbers("reference");
            same("reference", lane, &next, &after);
            self.moved += u32::from(next != reference);
        }
        if T::REFERENCE_MOVES_FIRST {
            reference.clone_from(&after);
        }
        let push = self.force.map(|row| row[lane]);
        let mut groups = self.groups(lane, (before, memory), reference, push, action);
        if let Some(reality) = &self.block.reality {
            groups.push(("applied", lane_of(reality.action(action), lane)));
        }
        let replay = replayed(&self.programs.step, &groups);
        same("state", lane, &replay.numbers("state"), &state(&self.block.state, lane));
        let memory = numbers::<T::Memory, f32>(&T::Memory::lane(&self.block.memory, lane));
        same("memory", lane, &replay.numbers("memory"), &memory);
        let found = replay.numbers("terms").into_iter().fold(0.0, |sum, it| sum + not_a_number_to_zero(it));
        same("reward", lane, &[found], &[reward]);
        let causes = replay.masks("causes");
        assert_eq!(causes.contains(&true), is_terminated, "lane {lane}");
        if is_terminated {
            self.terminated += 1;
            let bits =
                causes.iter().enumerate().fold(0, |bits, (bit, holds)| bits | u32::from(*holds) << bit);
            assert_eq!(self.block.episode(lane).cause.bits & !Cause::TIME_OUT, bits, "lane {lane}");
        }
    }

    fn check_pull_back(
        &self,
        (before, memory, target): &(State<Row>, <T::Memory as eyas_lanes::Fields>::Of<Row>, Target),
        action: &[Row; 4],
        record: &Record<T>,
    ) {
        let mut later: Derivative = Derivative::default();
        for (index, row) in later.state.fields_mut().into_iter().chain(&mut later.command).enumerate() {
            (0..BLOCK).for_each(|lane| row[lane] = normal("later", lane as u32, index) as f32);
        }
        let num_features = self.programs.pull_back_observation.input("of_observation").len();
        let slopes: Vec<Row> =
            (0..num_features).map(|it| Row::splat(normal("slopes", 0, it) as f32)).collect();
        let mut of_step = later;
        let mut of_action: [Row; 4] = [Row::ZERO; 4];
        let cost = self.block.pull_back_step(&self.surrogate, record, &mut of_step, &mut of_action);
        let mut of_observation = later;
        self.block.pull_back_observation(record, &slopes, &mut of_observation);
        for lane in 0..BLOCK {
            let mut reference = vec![0.0; 6];
            reference.extend_from_slice(&langevin(&target.reference, lane)[6..]);
            let mut groups = self.groups(lane, (before, memory), reference, [0.0; 3], action);
            let voltage = self.block.reality.as_ref().map_or(1.0, |it| it.flown().voltage[lane]);
            let State { body, rotor_speed: _ } = self.block.state;
            groups.extend([
                ("voltage", vec![voltage]),
                ("after", numbers::<Body<()>, f32>(&<Body<()>>::lane(&body, lane))),
                ("reference_after", lane_of(&self.block.target.reference.position, lane)),
                ("of_state", state(&later.state, lane)),
                ("of_command", lane_of(&later.command, lane)),
                ("of_observation", lane_of(&slopes, lane)),
            ]);
            let check = |name: &str, program: &Program, found: &Derivative| {
                let replay = replayed(program, &groups);
                same(name, lane, &replay.numbers("of_state"), &state(&found.state, lane));
                same(name, lane, &replay.numbers("of_command"), &lane_of(&found.command, lane));
            };
            check("step", &self.programs.pull_back_step, &of_step);
            let replay = replayed(&self.programs.pull_back_step, &groups);
            same("cost", lane, &replay.numbers("cost"), &[cost[lane]]);
            same("of_action", lane, &replay.numbers("of_action"), &lane_of(&of_action, lane));
            // What is observed of a vehicle is observed of the one that is its own.
            let own = lane_of(self.block.vehicles.flown(), lane);
            groups.retain(|(name, _)| *name != "vehicle");
            groups.push(("vehicle", own));
            let replay = replayed(&self.programs.pull_back_observation, &groups);
            same("observation", lane, &replay.numbers("of_state"), &state(&of_observation.state, lane));
            let command = lane_of(&of_observation.command, lane);
            same("observation", lane, &replay.numbers("of_command"), &command);
        }
    }

    /// Somebody pushes, and takes from the rotors.
    fn interfered(mut self) -> Self {
        let mut perturbation = Perturbation::default();
        for lane in 0..BLOCK {
            for axis in 0..3 {
                perturbation.force_world[axis][lane] = 0.05 * normal("push", 0, 3 * lane + axis) as f32;
            }
            perturbation.rotor_efficiency[lane % 4][lane] = 0.8;
        }
        self.force = perturbation.force_world;
        self.block.perturb(perturbation);
        self
    }
}

fn lane_of(rows: &[Row], lane: usize) -> Vec<f32> {
    rows.iter().map(|row| row[lane]).collect()
}

fn state(rows: &State<Row>, lane: usize) -> Vec<f32> {
    rows.fields().iter().map(|row| row[lane]).collect()
}

fn langevin(rows: &Langevin<Row>, lane: usize) -> Vec<f32> {
    numbers::<Langevin<()>, f32>(&<Langevin<()>>::lane(rows, lane))
}

/// All that happens to vehicles with rotors; drag and wind alone to those without.
fn reality(has_rotors: bool) -> RealityConfig {
    let mut reality = RealityConfig {
        action_delay_steps: [0, 2],
        noise: SignalErrors { velocity_m_s: [0.0, 0.1], ..SignalErrors::default() },
        drag: DragConfig {
            linear_x_n_s_m: [0.01, 0.02],
            quadratic_n_s2_m2: [0.001, 0.002],
            ..DragConfig::default()
        },
        wind: WindConfig {
            mean_m_s: [0.0, 2.0],
            turbulence: TurbulenceConfig { std_m_s: [0.5, 1.0], ..TurbulenceConfig::default() },
            ..WindConfig::default()
        },
        ..RealityConfig::default()
    };
    if has_rotors {
        reality.battery = BatteryConfig { hover_endurance_s: [20.0, 60.0], ..BatteryConfig::default() };
        reality.ground = GroundConfig { rotor_radius_m: [0.02, 0.03], ..GroundConfig::default() };
        reality.rotor_efficiency = [0.8, 1.0];
    }
    reality
}

#[test]
fn the_point_task() {
    let fly = |config: &crate::PointConfig| {
        let block = config.differentiable_blocks(1, SEED).remove(0);
        Flight::new(block, crate::PointSurrogate::default())
    };
    let config = point();
    fly(&config).fly();
    fly(&config).interfered().fly();
    fly(&crate::PointConfig { robot: askew(&config.robot), ..config.clone() }).fly();
    fly(&crate::PointConfig { reality: reality(true), ..config }).fly();
}

#[test]
fn the_raptor_environment() {
    let fly = |config: &RaptorConfig| {
        let block = config.differentiable_blocks(1, SEED).remove(0);
        Flight::new(block, crate::RaptorSurrogate::default())
    };
    let config = raptor();
    fly(&config).fly();
    fly(&config).interfered().fly();
    fly(&RaptorConfig { robot: askew(&config.robot), ..config.clone() }).fly();
    fly(&RaptorConfig { reality: reality(true), ..config }).fly();
}

#[test]
fn the_task_of_isaac_lab() {
    let fly = |config: &crate::DirectConfig| {
        let block = config.differentiable_blocks(1, SEED).remove(0);
        Flight::new(block, crate::DirectSurrogate::default())
    };
    let config = direct();
    fly(&config).fly();
    fly(&config).interfered().fly();
    fly(&crate::DirectConfig { reality: reality(false), ..config }).fly();
}
