//! What students are told of where their teachers come to rest, and of which tasks.

use std::fs;
use std::path::Path;

use eyas_formats::npy::{self, Data};

use crate::program::{Workspace, assert_in_order};

const KEY: &str = "distill.teachers.correct_position_offset";
/// One epoch in which each teacher flies one episode, after admissions that any teacher passes.
const TINY: &str = "--quiet --keep_dataset --n_epochs 1 --num_episodes 1 --epoch_teacher_forcing 1 distill.episode_steps=60 \
                    distill.eval_steps=60 distill.eval_episodes=32 distill.final_episodes=32 \
                    distill.samples_per_epoch=100 distill.save_interval=1 distill.teachers.admission_episodes=32 \
                    distill.teachers.solved_return=-1e9";
/// A teacher of a moment's training.
const SHORT: &str = "--algorithm ppo --max_iterations 1 --num_envs 32 agent.num_steps_per_env=4";
/// A task whose position is what the student sees second, and that no crash ends.
const TASK: &str = "\
commands:
  target: {func: hold}
actions:
  motors: {func: motor_set_points}
observations:
  policy:
    terms:
      velocity: {func: base_lin_vel}
      position_error: {func: position_error_w}
      rotation_matrix: {func: rotation_matrix}
      angular_velocity: {func: base_ang_vel}
  teacher:
    terms:
      velocity: {func: base_lin_vel}
      position_error: {func: position_error_w}
      rotation_matrix: {func: rotation_matrix}
      angular_velocity: {func: base_ang_vel}
      rotor_speed: {func: rotor_speed}
events:
  start: {func: reset_root_state_ball}
rewards:
  position: {func: position_error, weight: -1.0}
terminations:
  time_out: {func: time_out, time_out: true}
";

/// Two teachers of a task, and a distillation of both into the folder `run`.
struct Case<'a> {
    workspace: Workspace,
    task: &'a str,
}

impl<'a> Case<'a> {
    fn new(task: &'a str) -> Self {
        let workspace = Workspace::empty();
        fs::write(workspace.path("mine.yaml"), TASK).unwrap();
        for seed in [1, 2] {
            let train = format!("train --task {task} {SHORT} --seed {seed} --run_dir teacher_{seed}");
            workspace.eyas(&train).succeed();
        }
        Self { workspace, task }
    }

    fn command(&self, run: &str, more: &str) -> String {
        let [one, two] = [1, 2].map(|it| format!("--teacher_checkpoint teacher_{it}/model_1.pt"));
        format!("distill --task {} {one} {two} {TINY} --run_dir {run} {more}", self.task)
    }

    /// What it prints, and the records of both teachers' flights.
    fn distill(&self, run: &str, more: &str) -> (String, Vec<f32>) {
        let stdout = self.workspace.eyas(&self.command(run, more)).succeed();
        (stdout, records(&self.workspace.path(run)))
    }
}

/// All records of the only epoch of a run.
fn records(run: &Path) -> Vec<f32> {
    let arrays = npy::read_npz(&run.join("dataset_epoch_1.npz")).unwrap();
    let records = arrays.into_iter().find(|(name, _)| name == "records").unwrap().1;
    let Data::F32(records) = records.into_data() else { panic!("records are numbers of 32 bits") };
    records
}

#[test]
fn a_position_is_corrected_where_the_task_lists_it() {
    let case = Case::new("mine.yaml");
    let (stdout, corrected) = case.distill("corrected", &format!("{KEY}=true"));
    assert!(!stdout.contains(KEY), "{stdout}");
    let (_, plain) = case.distill("plain", &format!("{KEY}=false"));
    let table = fs::read_to_string(case.workspace.path("corrected/teachers.csv")).unwrap();
    let offsets: Vec<[f32; 3]> = table
        .lines()
        .skip(1)
        .map(|line| {
            let numbers: Vec<f64> = line.split(',').skip(5).take(3).map(|it| it.parse().unwrap()).collect();
            [0, 1, 2].map(|axis| numbers[axis] as f32)
        })
        .collect();
    assert!(offsets.len() == 2 && offsets.iter().flatten().all(|it| it.abs() > 1e-4), "{offsets:?}");
    // 22 features and 4 labels; each teacher flew 60 steps, the first one first.
    let width = 26;
    assert_eq!([corrected.len(), plain.len()], [2 * 60 * width; 2]);
    for (row, (corrected, plain)) in corrected.chunks(width).zip(plain.chunks(width)).enumerate() {
        let mut expected = plain.to_vec();
        for (position, offset) in expected[3..6].iter_mut().zip(offsets[row / 60]) {
            *position -= offset;
        }
        assert_eq!(corrected, expected, "record {row}");
    }
}

#[test]
fn a_velocity_is_no_position_to_correct() {
    let case = Case::new("Isaac-Quadcopter-Direct-v0");
    // Limits that nobody reaches: of teachers whose episodes all end early no error at rest is known.
    let high = "env.height.minimum=-100 env.height.maximum=100";
    let (stdout, default) = case.distill("default", high);
    let seen = "root_lin_vel_b, root_ang_vel_b, projected_gravity_b, desired_pos_b";
    assert_in_order(&stdout, &["[INFO]", KEY, "is off", seen, "2 of 2 teachers"]);
    let settings = fs::read_to_string(case.workspace.path("default/params/distill.yaml")).unwrap();
    assert!(settings.contains("correct_position_offset: false"), "{settings}");
    let (stdout, plain) = case.distill("plain", &format!("{high} {KEY}=false"));
    assert!(!stdout.contains(KEY), "{stdout}");
    assert!(default == plain, "features that are no position were changed");

    let asked = case.command("asked", &format!("{KEY}=true"));
    case.workspace.eyas(&asked).fail_with(&[KEY, seen, "set it to false"]);
    assert!(!case.workspace.path("asked").exists(), "a refused run leaves no folder");
}
