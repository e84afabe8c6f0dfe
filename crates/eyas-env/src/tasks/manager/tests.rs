//! Tasks of all terms, replayed from their recordings, give the bits of a block.

use std::fmt::Write as _;

use eyas_lanes::{BLOCK, Fields as _, Row, Stream, lanes_of};
use eyas_sim::{Disturbance, Langevin, State};
use eyas_trace::{Draw, Form, Program, Replay};

use super::command::CommandTerm;
use super::task::{Lag, ManagerBlock};
use super::{Manager, ManagerConfig, ManagerTask};
use crate::block::Block;
use crate::recorded::tests::{arranged, normal, numbers, same};
use crate::recorded::{Surroundings, TaskRecorder};
use crate::rows::not_a_number_to_zero;
use crate::target::{Motion, Path};
use crate::{EnvBlock as _, TaskConfig as _};

const SEED: u64 = 29;
const STEPS: u32 = 80;

/// Every command, observation, reward, termination and event, with every kind of noise, delay and history.
fn all_terms(action: &str, update: &str, reality: &str) -> ManagerConfig {
    let mut file = format!(
        "episode_length_s: 0.7\ndecimation: 2\ncommand_update: {update}\n{reality}actions: {{it: {{func: {action}}}}}\n"
    );
    file += "commands:\n";
    for (index, term) in Manager::Commands.terms().iter().enumerate() {
        let again = if index % 2 == 0 { "resampling_time_range: [0.1, 0.3], " } else { "" };
        let rests = term.parameters.iter().any(|it| it.name == "prob_null_trajectory");
        let params = match term.name {
            // Away from the start, where it would end each episode at once.
            "hold" => "params: {position: [0.4, -0.3, 0.2]}",
            _ if rests => "params: {prob_null_trajectory: 0.3}",
            _ => "",
        };
        writeln!(file, "  c{index}: {{func: {}, {again}{params}}}", term.name).unwrap();
    }
    file += "observations:\n  policy:\n    terms:\n";
    for term in Manager::Observations.terms() {
        writeln!(file, "      {0}: {{func: {0}}}", term.name).unwrap();
    }
    file += "  noisy:\n    terms:\n";
    let kinds = [
        "noise: {func: gaussian, std: 0.02}",
        "noise: {func: uniform, n_min: -0.1, n_max: 0.2, operation: scale}",
        "noise: {func: constant, mean: 0.3}, clip: [-1, 1]",
        "scale: 2.0, delay: 1",
        "history_length: 3",
        "delay: 2, history_length: 2, noise: {func: uniform, n_min: 0, n_max: 1, operation: abs}",
        "delay: 3, clip: [-2, 2], noise: {func: gaussian, std: 0.1}",
    ];
    for (index, term) in Manager::Observations.terms().iter().enumerate() {
        let mut command = String::new();
        if !term.parameters.is_empty() {
            command = format!(", params: {{command_name: c{}}}", index % Manager::Commands.terms().len());
        }
        writeln!(file, "      n{0}: {{func: {0}, {1}{command}}}", term.name, kinds[index % kinds.len()])
            .unwrap();
    }
    file += "rewards:\n";
    for term in Manager::Rewards.terms() {
        let of_terms = term.parameters.iter().any(|it| it.name == "term_keys");
        let params =
            if of_terms { ", params: {term_keys: [t_position_limit, t_bad_orientation]}" } else { "" };
        writeln!(file, "  {0}: {{func: {0}, weight: -0.3{params}}}", term.name).unwrap();
    }
    file += "terminations:\n";
    for term in Manager::Terminations.terms() {
        let cuts = ["time_out", "out_of_bounds", "goal_reached"].contains(&term.name);
        writeln!(file, "  t_{0}: {{func: {0}, time_out: {cuts}}}", term.name).unwrap();
    }
    file += "events:\n";
    for term in Manager::Events.terms() {
        let name = term.name;
        let params = match name {
            "push_by_setting_velocity" => ", params: {x: [-1, 1], roll: [-2, 2]}",
            "apply_external_force_torque" => {
                ", params: {force_range: [-0.02, 0.02], torque_range: [-0.0001, 0.0001]}"
            }
            "randomize_thrust_curve" => ", params: {per_rotor: true}",
            _ => "",
        };
        if !name.starts_with("reset") {
            let interval = "mode: interval, interval_range_s: [0.1, 0.4]";
            writeln!(file, "  i_{name}: {{func: {name}, {interval}{params}}}").unwrap();
        }
        writeln!(file, "  r_{name}: {{func: {name}, mode: reset{params}}}").unwrap();
    }
    file += "  mass: {func: randomize_rigid_body_mass, mode: startup}\n";
    let config: ManagerConfig = serde_saphyr::from_str(&file).unwrap_or_else(|it| panic!("{it}\n{file}"));
    config.validate().unwrap_or_else(|it| panic!("{it}\n{file}"));
    config
}

/// A block, and the programs of its task.
struct Flight {
    block: ManagerBlock,
    config: ManagerConfig,
    start_up: Program,
    reset: Program,
    observe: Program,
    step: Program,
    follow: Program,
    note: Program,
    has_reality: bool,
    /// Lanes that have ended by a condition, and that went on.
    counts: [u32; 2],
}

type Groups = Vec<(&'static str, Vec<f32>)>;

impl Flight {
    fn new(config: ManagerConfig) -> Self {
        let task = ManagerTask::new(&config);
        let has_reality = !config.reality.is_off();
        let recorder = TaskRecorder { task: &task, form: Form::default() };
        let surroundings = if has_reality { Surroundings::Reality } else { Surroundings::Push };
        assert!(config.robot.is_aligned() && config.reality.keeps_alignment());
        Self {
            start_up: recorder.start_up(),
            reset: recorder.reset(),
            observe: recorder.observe(),
            step: recorder.step::<true>(surroundings),
            follow: recorder.follow(),
            note: recorder.note(),
            block: Block::alike(task, &config.robot, Lag::of(&config, [1.0; 4]), 1, SEED).remove(0),
            has_reality,
            config,
            counts: [0; 2],
        }
    }

    fn numbers(&self, lane: usize) -> Vec<f32> {
        self.block.numbers.iter().map(|row| row[lane]).collect()
    }

    fn state(&self, lane: usize) -> Vec<f32> {
        self.block.state.fields().iter().map(|row| row[lane]).collect()
    }

    /// As it is measured.
    fn seen(&self, lane: usize) -> Vec<f32> {
        let body = self.block.measured().unwrap_or(self.block.state.body);
        State { body, ..self.block.state }.fields().iter().map(|row| row[lane]).collect()
    }

    /// Where courses are at the end of the step that a lane is about to take.
    fn courses(&self, program: &Program, clock: u32) -> Vec<(String, Vec<f32>)> {
        let commands = &self.block.shared.task.program.commands;
        let of = |name: &str| {
            let command = commands.iter().find(|it| it.streams()[1] == name)?;
            let CommandTerm::Moving(Motion { path: Path::Course(course), .. }) = &command.term else {
                return None;
            };
            let (position, velocity) = course.at(f64::from(clock + 1) * self.config.control_period());
            let numbers = position.into_iter().chain(velocity).map(|it| it as f32).collect();
            Some((name.to_owned(), numbers))
        };
        program.inputs().iter().filter_map(|group| of(&group.name)).collect()
    }

    /// Replays a program for a lane at a step of its episode.
    fn replay<'a>(
        &self,
        program: &'a Program,
        lane: usize,
        clock: u32,
        mut groups: Groups,
    ) -> Replay<'a, f32> {
        groups.push(("steps", vec![clock as f32]));
        let courses = self.courses(program, clock);
        let groups: Vec<(&str, Vec<f32>)> =
            courses.iter().map(|(name, values)| (name.as_str(), values.clone())).chain(groups).collect();
        let episode = self.block.episodes.episode[lane];
        let word = |draw: &Draw| {
            let place = [lane as u32, episode, clock, draw.draw];
            Stream::new(SEED, &draw.purpose).words(place)[usize::from(draw.word)]
        };
        program.replay(&arranged(program, &groups), word)
    }

    fn vehicle(&self, lane: usize) -> Vec<f32> {
        let rows = match &self.block.reality {
            Some(reality) => &reality.flown().vehicle,
            None => self.block.vehicles.flown(),
        };
        rows.iter().map(|row| row[lane]).collect()
    }

    fn limits(&self, lane: usize) -> Vec<f32> {
        numbers::<Lag<()>, f32>(&<Lag<()>>::lane(&self.block.vehicles.limits, lane))
    }

    fn fly(mut self) {
        for lane in 0..BLOCK {
            let place = |draw: &Draw| [lane as u32, 0, 0, draw.draw];
            let word =
                |draw: &Draw| Stream::new(SEED, &draw.purpose).words(place(draw))[usize::from(draw.word)];
            let zeros = vec![0.0; self.block.numbers.len()];
            let inputs = arranged(&self.start_up, &[("numbers", zeros), ("steps", vec![0.0])]);
            same(
                "startup",
                lane,
                &self.start_up.replay(&inputs, word).numbers("numbers"),
                &self.numbers(lane),
            );
        }
        for step in 0..STEPS {
            self.check_reset();
            self.check_observation();
            self.check_step(step);
        }
        assert!(self.counts.iter().all(|count| *count > 50), "{:?}", self.counts);
    }

    fn check_reset(&mut self) {
        let ended = self.block.ended();
        let before: Vec<Vec<f32>> = (0..BLOCK).map(|lane| self.numbers(lane)).collect();
        self.block.reset(ended);
        for lane in lanes_of(ended) {
            let groups = vec![
                ("vehicle", self.vehicle(lane)),
                ("limits", self.limits(lane)),
                ("numbers", before[lane].clone()),
            ];
            let replay = self.replay(&self.reset, lane, 0, groups);
            same("reset", lane, &replay.numbers("state"), &self.state(lane));
            self.check_note(lane, 0, replay.numbers("numbers"), [0.0, 1.0]);
        }
    }

    fn check_note(&self, lane: usize, clock: u32, numbers: Vec<f32>, masks: [f32; 2]) {
        let groups =
            vec![("state", self.seen(lane)), ("again and anew", masks.to_vec()), ("numbers", numbers)];
        let found = self.replay(&self.note, lane, clock, groups).numbers("numbers");
        same("numbers", lane, &found, &self.numbers(lane));
    }

    fn check_observation(&self) {
        let mut rows = vec![Row::ZERO; self.block.shared.task.program.spec.num_observations()];
        self.block.observe(&mut rows);
        for lane in 0..BLOCK {
            let groups = vec![
                ("vehicle", self.vehicle(lane)),
                ("state", self.seen(lane)),
                ("memory", Vec::new()),
                ("reference", vec![0.0; numbers::<Langevin<()>, ()>(&<Langevin<()>>::splat(())).len()]),
                ("numbers", self.numbers(lane)),
            ];
            let replay = self.replay(&self.observe, lane, self.block.episodes.age[lane], groups);
            let found: Vec<f32> =
                replay.numbers("observation").into_iter().map(not_a_number_to_zero).collect();
            let shown: Vec<f32> = rows.iter().map(|row| row[lane]).collect();
            same("observation", lane, &found, &shown);
        }
    }

    fn check_step(&mut self, step: u32) {
        let column = |rows: &[Row], lane: usize| -> Vec<f32> { rows.iter().map(|row| row[lane]).collect() };
        let mut action = [Row::ZERO; 4];
        for (motor, row) in action.iter_mut().enumerate() {
            (0..BLOCK).for_each(|lane| row[lane] = 0.5 * normal("action", step, lane * 4 + motor) as f32);
        }
        let mut given: Vec<Groups> = (0..BLOCK)
            .map(|lane| {
                vec![
                    ("vehicle", self.vehicle(lane)),
                    ("force", vec![0.0; 3]),
                    ("state", self.state(lane)),
                    ("memory", Vec::new()),
                    ("reference", vec![0.0; 12]),
                    ("limits", self.limits(lane)),
                    ("action", column(&action, lane)),
                    ("numbers", self.numbers(lane)),
                ]
            })
            .collect();
        let clocks = self.block.episodes.clock;
        let outcome = self.block.step(&action);
        for (lane, mut groups) in given.drain(..).enumerate() {
            if let Some(reality) = &self.block.reality {
                let Disturbance { force_world, torque_body } = &reality.flown().disturbance;
                groups[0].1 = self.vehicle(lane);
                groups.push(("air", column(force_world, lane)));
                groups.push(("torque", column(torque_body, lane)));
                groups.push(("applied", column(reality.action(&action), lane)));
            }
            let replay = self.replay(&self.step, lane, clocks[lane], groups);
            let reward =
                replay.numbers("terms").into_iter().fold(0.0, |sum, it| sum + not_a_number_to_zero(it));
            same("reward", lane, &[reward], &[outcome.reward[lane]]);
            let causes = replay.masks("causes");
            let (ends, cuts) = causes.split_at(self.block.shared.task.program.terminations.len());
            assert_eq!(ends.contains(&true), outcome.terminated >> lane & 1 == 1, "lane {lane}");
            let is_truncated = outcome.truncated >> lane & 1 == 1;
            assert!(is_truncated || !cuts.contains(&true), "lane {lane}");
            let (mut state, mut numbers) = (replay.numbers("state"), replay.numbers("numbers"));
            if self.block.ended() >> lane & 1 == 0 {
                let groups = vec![("state", state), ("numbers", numbers)];
                let replay = self.replay(&self.follow, lane, clocks[lane] + 1, groups);
                (state, numbers) = (replay.numbers("state"), replay.numbers("numbers"));
                self.check_note(lane, clocks[lane] + 1, numbers, [1.0, 0.0]);
                self.counts[1] += 1;
            } else {
                same("numbers", lane, &numbers, &self.numbers(lane));
                self.counts[0] += 1;
            }
            same("state", lane, &state, &self.state(lane));
        }
        assert_eq!(self.has_reality, self.block.reality.is_some());
    }
}

/// What has no memory that a recording does not know of.
const REALITY: &str = "reality:
  drag: {linear_x_n_s_m: [0.01, 0.02]}
  wind: {mean_m_s: [0.0, 2.0]}
  noise: {velocity_m_s: [0.01, 0.05]}
";

#[test]
fn every_term_replays_to_the_bit() {
    for action in Manager::Actions.terms() {
        Flight::new(all_terms(action.name, "before_physics", "")).fly();
    }
    Flight::new(all_terms("motor_set_points", "after_reset", "")).fly();
    Flight::new(all_terms("motor_set_points", "after_reset", REALITY)).fly();
}
