//! Formations, replayed from their recordings, give the bits of a block.

use eyas_lanes::{BLOCK, Row, Stream, lanes_of};
use eyas_sim::{CourseConfig, CourseKind, Langevin};
use eyas_trace::{Draw, Form, Program, Replay};

use super::{DownwashConfig, Formation, FormationBlock, FormationConfig, Shape};
use crate::block::Block;
use crate::multi_agent::{MultiAgentBlock as _, View};
use crate::recorded::TaskRecorder;
use crate::recorded::tests::{arranged, askew, normal, numbers, same};
use crate::rows::not_a_number_to_zero;
use crate::{Cause, Step, Target, TaskConfig as _};

const SEED: u64 = 31;
const STEPS: u32 = 150;

/// A block, and the programs of its task.
struct Flight {
    block: FormationBlock,
    start_up: Program,
    reset: Program,
    reference: Option<Program>,
    views: Vec<(View, Program)>,
    step: Program,
    /// Vehicles that had fallen while others flew, envs that ended by a condition, and references that moved.
    counts: [u32; 3],
}

type Groups = Vec<(&'static str, Vec<f32>)>;

fn lane_of(rows: &[Row], lane: usize) -> Vec<f32> {
    rows.iter().map(|row| row[lane]).collect()
}

impl Flight {
    fn new(config: &FormationConfig) -> Self {
        config.validate().unwrap();
        let task = Formation::new(config);
        let recorder = TaskRecorder { task: &task, form: Form::default() };
        let agents = (0..config.num_agents).flat_map(|it| [View::Observation(it), View::Privileged(it)]);
        let is_aligned = config.robot.is_aligned();
        Self {
            start_up: recorder.start_up(),
            reset: recorder.reset(),
            reference: recorder.reference(),
            views: agents.chain([View::State]).map(|view| (view, recorder.view(view))).collect(),
            step: if is_aligned {
                recorder.step_of_agents::<true>()
            } else {
                recorder.step_of_agents::<false>()
            },
            block: Block::alike(task, &config.robot, (), 1, SEED).remove(0),
            counts: [0; 3],
        }
    }

    fn replay<'a>(&self, program: &'a Program, lane: usize, clock: u32, groups: &Groups) -> Replay<'a, f32> {
        let episode = self.block.episodes.episode[lane];
        let word = |Draw { purpose, draw, word }: &Draw| {
            Stream::new(SEED, purpose).words([lane as u32, episode, clock, *draw])[usize::from(*word)]
        };
        program.replay(&arranged(program, groups), word)
    }

    /// Numbers that every formula may ask for.
    fn groups(&self, lane: usize) -> Groups {
        let Target { reference, max_speed, moving } = self.block.target.lane(lane);
        vec![
            ("vehicle", lane_of(self.block.vehicles.flown(), lane)),
            ("limits", Vec::new()),
            ("force", lane_of(&self.block.push, lane)),
            ("reference", numbers::<Langevin<()>, f32>(&reference)),
            ("max_speed", vec![max_speed]),
            ("moving", vec![moving]),
            ("numbers", lane_of(&self.block.numbers, lane)),
            ("steps", vec![self.block.episodes.age[lane] as f32]),
        ]
    }

    fn fly(mut self) {
        for lane in 0..BLOCK {
            let mut groups = self.groups(lane);
            groups.retain(|(name, _)| *name != "numbers");
            groups.push(("numbers", vec![0.0; self.block.numbers.len()]));
            let found = self.replay(&self.start_up, lane, 0, &groups).numbers("numbers");
            same("start up", lane, &found, &lane_of(&self.block.numbers, lane));
        }
        for step in 0..STEPS {
            self.check_reset();
            self.check_views();
            self.check_step(step);
        }
        let [fell, ended, moved] = self.counts;
        assert!(fell > 50 && ended > 10, "{fell}, {ended}");
        assert!(moved > 50 || self.reference.is_none(), "{moved}");
    }

    fn check_reset(&mut self) {
        let ended = self.block.ended();
        let before: Vec<Groups> = (0..BLOCK).map(|lane| self.groups(lane)).collect();
        self.block.reset(ended);
        for lane in lanes_of(ended) {
            let replay = self.replay(&self.reset, lane, 0, &before[lane]);
            let Target { reference, max_speed, moving } = self.block.target.lane(lane);
            same("numbers", lane, &replay.numbers("numbers"), &lane_of(&self.block.numbers, lane));
            same("reference", lane, &replay.numbers("reference"), &numbers::<Langevin<()>, f32>(&reference));
            same("max_speed", lane, &replay.numbers("max_speed"), &[max_speed]);
            same("moving", lane, &replay.numbers("moving"), &[moving]);
        }
    }

    fn check_views(&self) {
        for (view, program) in &self.views {
            let mut rows = vec![Row::ZERO; program.outputs()[0].len()];
            match *view {
                View::Observation(agent) => self.block.observe(agent, &mut rows),
                View::Privileged(agent) => self.block.observe_privileged(agent, &mut rows),
                View::State => self.block.observe_state(&mut rows),
            }
            for lane in 0..BLOCK {
                let found = self.replay(program, lane, 0, &self.groups(lane)).numbers("observation");
                let found: Vec<f32> = found.into_iter().map(not_a_number_to_zero).collect();
                same("observation", lane, &found, &lane_of(&rows, lane));
            }
        }
    }

    fn check_step(&mut self, step: u32) {
        let count = self.block.num_vehicles();
        let mut actions = vec![Row::ZERO; 4 * count];
        for (motor, row) in actions.iter_mut().enumerate() {
            for lane in 0..BLOCK {
                row[lane] = 0.3 * normal("action", step, 4 * count * lane + motor) as f32 - 0.25;
            }
        }
        let before: Vec<Groups> = (0..BLOCK).map(|lane| self.groups(lane)).collect();
        let clocks = self.block.episodes.clock;
        let slices: Vec<&[Row]> = actions.chunks(4).collect();
        let mut outcomes = vec![Step::default(); count];
        self.block.step(&slices, &mut outcomes);
        for (lane, mut groups) in before.into_iter().enumerate() {
            let after = numbers::<Langevin<()>, f32>(&self.block.target.lane(lane).reference);
            if let Some(program) = &self.reference {
                let next = self.replay(program, lane, clocks[lane], &groups).numbers("reference");
                same("reference", lane, &next, &after);
                self.counts[2] += u32::from(groups.iter().all(|(_, numbers)| *numbers != after));
            }
            groups.retain(|(name, _)| *name != "reference");
            groups.extend([("reference", after), ("actions", lane_of(&actions, lane))]);
            let replay = self.replay(&self.step, lane, clocks[lane], &groups);
            same("numbers", lane, &replay.numbers("numbers"), &lane_of(&self.block.numbers, lane));
            let fallen = replay.masks("fallen");
            let terms = replay.numbers("terms");
            for (agent, terms) in terms.chunks(terms.len() / count).enumerate() {
                let Step { reward, terminated, .. } = outcomes[agent];
                let found = terms.iter().fold(0.0, |sum, term| sum + not_a_number_to_zero(*term));
                same("reward", lane, &[found], &[reward[lane]]);
                assert_eq!(fallen[agent], terminated >> lane & 1 == 1, "lane {lane}, agent {agent}");
            }
            let causes = replay.masks("causes");
            let bits = causes.iter().rev().fold(0, |bits, holds| bits << 1 | u32::from(*holds));
            assert_eq!(self.block.episode(lane).cause.bits & !Cause::TIME_OUT, bits, "lane {lane}");
            let any = fallen.contains(&true);
            self.counts[0] += u32::from(any && fallen.contains(&false));
            self.counts[1] += u32::from(causes.contains(&true));
        }
    }
}

/// Near enough to each other to collide.
fn crowd(num_agents: usize) -> FormationConfig {
    let mut config = FormationConfig {
        num_agents,
        prob_null_trajectory: 0.3,
        init_position_radius: 0.05,
        episode_length_s: 0.9,
        ..FormationConfig::default()
    };
    config.formation.spacing = 0.3;
    config
}

#[test]
fn three_vehicles_replay_to_the_bit() {
    Flight::new(&crowd(3)).fly();
    Flight::new(&FormationConfig { end_on_collision: true, ..crowd(2) }).fly();
}

/// Along a course, with rotors that push to the side, and one above another.
#[test]
fn askew_vehicles_in_the_air_of_others_replay_to_the_bit() {
    let mut config = FormationConfig {
        course: CourseConfig { kind: Some(CourseKind::Circle), ..CourseConfig::default() },
        downwash: DownwashConfig { enabled: true, ..DownwashConfig::default() },
        ..crowd(4)
    };
    config.formation.shape = Shape::Offsets;
    config.formation.offsets = (0..4).map(|it| [0.1 * f64::from(it), 0.0, 0.3 * f64::from(it)]).collect();
    config.robot = askew(&config.robot);
    Flight::new(&config).fly();
}
