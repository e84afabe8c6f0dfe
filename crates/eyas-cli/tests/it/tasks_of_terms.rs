//! A user's own task, a YAML file of terms, runs through every command without a compiler.

use std::fs;

use crate::program::{Workspace, assert_in_order, files};

/// A task with everything that has a memory: noise, delay, history, events at intervals, a curriculum.
const TASK: &str = "\
# A task of a user's own.
episode_length_s: 1.0
decimation: 2
commands:
  goal: {func: uniform_position, resampling_time_range: [0.2, 0.5], params: {x: [-1, 1], y: [-1, 1]}}
actions:
  motors: {func: motor_set_points}
observations:
  policy:
    terms:
      position_error: {func: position_error_b, noise: {func: gaussian, std: 0.01}, delay: 1}
      orientation: {func: rotation_matrix}
      velocity: {func: base_lin_vel, history_length: 2, scale: 0.5}
      angular_velocity: {func: base_ang_vel, clip: [-20, 20]}
      action: {func: last_action}
  teacher:
    enable_corruption: false
    terms:
      position_error: {func: position_error_b}
      orientation: {func: rotation_matrix}
      velocity: {func: base_lin_vel}
      angular_velocity: {func: base_ang_vel}
      action: {func: last_action}
      rotor_speed: {func: rotor_speed}
      mass: {func: mass_factor}
events:
  mass: {func: randomize_rigid_body_mass, mode: startup}
  start: {func: reset_root_state_ball, params: {prob_perfect_start: 0.2}}
  thrust: {func: randomize_thrust_curve}
  push: {func: push_by_setting_velocity, mode: interval, interval_range_s: [0.2, 0.6], params: {x: [-0.5, 0.5]}}
rewards:
  position: {func: position_error_tanh, weight: 15.0}
  rate: {func: action_rate_l2, weight: -0.1}
terminations:
  tilt: {func: bad_orientation}
  far: {func: position_limit, params: {limit: 5.0}}
  time_out: {func: time_out, time_out: true}
curriculum:
  rate: {func: ramp_reward_weight, params: {term_name: rate, weight: -0.5, num_steps: 100}}
";

const SHORT: &str = "--task mine.yaml --num_envs 64 --run_dir run --max_iterations 6 agent.save_interval=2 \
                     agent.eval_interval=3 agent.num_steps_per_env=24";

fn workspace(task: &str) -> Workspace {
    let workspace = Workspace::empty();
    fs::write(workspace.path("mine.yaml"), task).unwrap();
    workspace
}

#[test]
fn it_trains_goes_on_exactly_flies_and_distils() {
    let it = workspace(TASK);
    let stdout = it.eyas(&format!("train {SHORT}")).succeed();
    assert_in_order(
        &stdout,
        &[
            "Learning iteration 6/6",
            "Distil it: eyas distill --task mine.yaml --teacher_checkpoint run/best_model.pt",
        ],
    );
    let run = it.path("run");
    let models = || ["model_6.pt", "best_model.pt"].map(|name| fs::read(run.join(name)).unwrap());
    let whole = models();
    for checkpoint in ["model_4.pt", "model_2.pt"] {
        // As if killed after that checkpoint.
        fs::remove_file(run.join("model_6.pt")).unwrap();
        let stdout = it.eyas(&format!("train {SHORT} --resume --checkpoint {checkpoint}")).succeed();
        assert!(!stdout.contains("they start anew"), "{stdout}");
        assert!(models() == whole, "the bytes differ after {checkpoint}");
    }

    let eval = "eval --task mine.yaml --checkpoint run/best_model.pt --episodes 32 --steps 40";
    assert!(it.eyas(eval).succeed().contains("policy, all"));
    for trajectory in ["", "--trajectory hover", "--trajectory figure8"] {
        let play =
            format!("play --task mine.yaml --checkpoint run/best_model.pt --max_steps 20 {trajectory}");
        it.eyas(&play).succeed();
    }
    for student in ["mlp", "gru distill.samples_per_epoch=200"] {
        let distil = format!(
            "distill --task mine.yaml --teacher_checkpoint run/best_model.pt --student {student} --n_epochs 2 \
            --num_episodes 4 --epoch_teacher_forcing 1 distill.episode_steps=40 distill.eval_episodes=8 \
            distill.eval_steps=40 distill.final_episodes=8 distill.student.hidden_dims=[8] \
            distill.student.observation=policy"
        );
        let stdout = it.eyas(&distil).succeed();
        // The student sees the noisy group, the teacher its own.
        assert_in_order(
            &stdout,
            &["Teacher observation dim: 27, Student observation dim: 25", "Training completed!"],
        );
    }
}

/// The run alone tells what it flew: the file may be gone.
#[test]
fn a_run_keeps_its_task() {
    let it = workspace(TASK);
    it.eyas(&format!("train {SHORT} env.rewards.rate.weight=-0.3")).succeed();
    fs::remove_file(it.path("mine.yaml")).unwrap();
    let env = fs::read_to_string(it.path("run/params/env.yaml")).unwrap();
    assert_in_order(&env, &["uniform_position", "rewards:", "weight: -0.3", "ramp_reward_weight"]);
    it.eyas("report run").succeed();
    assert!(files(&it.path("run")).contains(&"report/report.html".to_owned()));
    // What it stored is a task file itself.
    let again = SHORT.replace("mine.yaml", "run/params/env.yaml").replace("--run_dir run", "--run_dir again");
    it.eyas(&format!("train {again}")).succeed();
    let model = |run: &str| fs::read(it.path(run).join("model_6.pt")).unwrap();
    assert!(model("run") == model("again"), "the same task learns the same");
}

#[test]
fn it_is_shown_and_configured_as_every_task_is() {
    let it = workspace(TASK);
    assert_in_order(
        &it.eyas("task show mine.yaml").succeed(),
        &[
            "observation, 52 features",
            "position_error",
            "policy     features 0-24 (25)",
            "teacher    features 25-51 (27)",
            "control rate: 50 Hz",
            "reward terms: position, rate",
            "terminations: tilt, far",
            "events:",
            "push",
            "interval x=[-0.5, 0.5]",
            "curriculum:",
        ],
    );
    let overrides = "env.rewards.position.weight=2 +env.rewards.mine={func:lin_vel_l2,weight:-0.5} \
        ~env.rewards.rate ~env.curriculum.rate +env.rewards.position.params.std=0.3";
    let shown =
        it.eyas(&format!("train --task mine.yaml --cfg job --package env.rewards {overrides}")).succeed();
    assert_in_order(
        &shown,
        &["position:", "weight: 2.0", "std: 0.3", "mine:", "func: lin_vel_l2", "weight: -0.5"],
    );
    assert!(!shown.contains("rate"), "{shown}");
    it.eyas(&format!("train {SHORT} {overrides}")).succeed();

    let keys = it.eyas("config list --task mine.yaml env.events.start").succeed();
    assert_in_order(
        &keys,
        &[
            "env.events.start.params.prob_perfect_start = 0.2",
            "in [0, 1]",
            "share of episodes that start at rest",
        ],
    );
}

#[test]
fn every_term_is_documented() {
    let it = Workspace::empty();
    assert_in_order(
        &it.eyas("task terms").succeed(),
        &["commands:", "actions:", "observations:", "events:", "rewards:", "terminations:", "curriculum:"],
    );
    assert_in_order(
        &it.eyas("task terms position_error_tanh").succeed(),
        &["rewards:", "position_error_tanh", "command_name", "std = 0.8", "a number, positive"],
    );
    it.eyas("task terms rewrds")
        .fail_with(&["no manager and no term is called `rewrds`", "hint: did you mean rewards"]);
    assert!(it.eyas("task list").succeed().contains("Eyas-Quadcopter-Manager-v0"));
}

/// A mistake in a file is answered with its key, where it stands and what would be right, and leaves no run.
#[test]
fn mistakes_are_answered_with_their_place() {
    let alter = |from: &str, to: &str| {
        assert!(TASK.contains(from), "{from}");
        TASK.replace(from, to)
    };
    let cases: [(String, &[&str]); 12] = [
        (
            alter("position_error_tanh", "position_eror_tanh"),
            &[
                "`env.rewards.position.func` = \"position_eror_tanh\"",
                "perhaps position_error_tanh",
                "mine.yaml:32:",
            ],
        ),
        (
            alter("{limit: 5.0}", "{limt: 5.0}"),
            &["`env.terminations.far.params.limt`", "perhaps limit", "mine.yaml:36:"],
        ),
        (
            alter("{limit: 5.0}", "{limit: five}"),
            &["`env.terminations.far.params.limit` = \"five\"", "a number, positive, in m", "mine.yaml:36:"],
        ),
        (
            alter("{limit: 5.0}", "{limit: .nan}"),
            &["`env.terminations.far.params.limit` = NaN", "a number, positive", "mine.yaml:36:"],
        ),
        (
            alter("weight: 15.0", "weight: heavy"),
            &["`env.rewards.position.weight`", "\"heavy\"", "mine.yaml:32:"],
        ),
        (alter("weight: 15.0", "wieght: 15.0"), &["`wieght`", "mine.yaml:32:", "did you mean `weight`?"]),
        (
            alter("history_length: 2", "history_length: 1000000000"),
            &["`env.observations.policy.terms.velocity.history_length`", "at most 64", "mine.yaml:9:"],
        ),
        (alter("  policy:\n", "  polcy:\n"), &["no group `policy`", "perhaps polcy", "mine.yaml"]),
        (alter("decimation: 2", "decimation: 99999999999999999999999"), &["decimation", "mine.yaml:3:"]),
        (alter("commands:\n", "commands: &it\n  loop: *it\n"), &["not valid YAML", "mine.yaml:"]),
        (alter("terms:\n", "terms: [\n"), &["not valid YAML", "mine.yaml:"]),
        (String::new(), &["`env.actions` has 0 terms", "mine.yaml"]),
    ];
    for (task, parts) in cases {
        let it = workspace(&task);
        for command in ["train --task mine.yaml", "task show mine.yaml"] {
            it.eyas(command).fail_with(&[&["error: "], parts].concat());
        }
        assert_eq!(files(&it.path("")), ["mine.yaml"], "nothing is made");
    }
    let it = workspace(TASK);
    it.eyas("train --task other.yaml").fail_with(&["error: ", "other.yaml"]);
    it.eyas("train --task mine.yaml env.rewards.positon.weight=1")
        .fail_with(&["unknown key", "hint: did you mean `env.rewards.position.weight`?"]);
    it.eyas("train --task mine.yaml env.terminations.far.params.limit=-1").fail_with(&[
        "`env.terminations.far.params.limit` = -1",
        "override `env.terminations.far.params.limit=-1`",
    ]);
    it.eyas("train --task mine.yaml --algorithm apg").fail_with(&["has no gradient", "--algorithm ppo"]);
}

/// A file that has the group `policy` alone: the commands that are printed work as they stand.
#[test]
fn a_student_reads_the_only_group() {
    let teacher = TASK.find("  teacher:").unwrap();
    let events = TASK.find("events:").unwrap();
    let it = workspace(&(TASK[..teacher].to_owned() + &TASK[events..]));
    let settings = "--max_iterations 2 --num_envs 32 agent.num_steps_per_env=8 env.episode_length_s=3";
    let printed = |stdout: &str, start: &str| {
        let line = stdout.lines().find_map(|line| line.strip_prefix(start)).expect(start);
        line.strip_prefix("eyas ").unwrap().to_owned()
    };
    let stdout = it.eyas(&format!("train --task mine.yaml {settings} --run_dir run")).succeed();
    let distil = printed(&stdout, "Distil it: ");
    // The student learns in what its teacher has learned in.
    assert!(distil.starts_with("distill --task mine.yaml env.episode_length_s=3"), "{distil}");
    assert!(distil.ends_with(" --teacher_checkpoint run/best_model.pt"), "{distil}");
    let short = "--n_epochs 1 --num_episodes 4 distill.eval_episodes=8 --run_dir student";
    let stdout = it.eyas(&format!("{distil} {short}")).succeed();
    assert_in_order(
        &stdout,
        &["The student reads the observation group `policy`: the task has no `teacher`"],
    );
    it.eyas(&format!("{} --max_steps 20", printed(&stdout, "Fly it: "))).succeed();
    it.eyas(&format!("{distil} distill.student.observation=teacher")).fail_with(&[
        "the student reads the observation group `teacher`, the task has policy",
        "hint: add it to the task's `observations`",
    ]);
}

/// The task of terms that ships is the point task: PPO learns the same bytes in both, given the same settings.
#[test]
fn the_shipped_file_learns_what_the_point_task_does() {
    let it = Workspace::empty();
    let settings = "--algorithm ppo --preset foundation --num_envs 64 --max_iterations 3 agent.num_steps_per_env=24 \
        agent.algorithm.num_mini_batches=2";
    for (task, run) in [("Isaac-Quadcopter-Point-Ctrl-v0", "direct"), ("manager", "terms")] {
        it.eyas(&format!("train --task {task} {settings} --run_dir {run}")).succeed();
    }
    let model = |run: &str| fs::read(it.path(run).join("best_model.pt")).unwrap();
    assert!(model("direct") == model("terms"), "the bytes differ");
}
