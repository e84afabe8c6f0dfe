//! A run whose numbers are no longer finite stops there, says what it was and keeps what was good.

use std::path::Path;

use eyas_formats::{Checkpoint, LoadOptions, rsl_rl};

use crate::program::{Invocation, TASK, TINY, Workspace, assert_in_order};

const PPO: &str = "--algorithm ppo --num_envs 32 -q \
                   agent.num_steps_per_env=8 agent.algorithm.num_mini_batches=1 agent.eval_interval=1 \
                   agent.save_interval=1 agent.algorithm.schedule=fixed";

/// The run ends with exit code 2, and says so in these parts.
#[track_caller]
fn diverges(run: Invocation, parts: &[&str]) {
    let ended = run.run();
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    assert_in_order(&ended.stderr, parts);
}

#[test]
fn ppo_stops_at_the_first_number_that_is_not_finite_and_names_the_last_good_checkpoint() {
    let it = Workspace::empty();
    let train = |run: &str, more: &str| it.eyas(&format!("train {TASK} {PPO} --run_dir {run} {more}"));
    let steep = "--max_iterations 10 agent.algorithm.learning_rate=1e20";
    let parts = ["error: iteration ", " with seed 42: ", "not finite", "hint: ", "smaller learning rate"];
    diverges(train("steep", steep), &parts);
    let large = "--max_iterations 10 agent.algorithm.reward_scale=1e25 agent.algorithm.max_grad_norm=1e30";
    let parts = ["error: iteration 1 with seed 42: the value loss is not finite", "hint: no checkpoint"];
    diverges(train("large", large), &parts);
    assert!(!it.path("large/best_model.pt").exists(), "a model that diverged is called the best");

    train("good", "--max_iterations 2").succeed();
    // What is asked for is followed, and what was good stays what a run can go on from.
    let parts = ["error: iteration 3 with seed 42: ", "hint: the last good checkpoint is ", "model_2.pt"];
    diverges(train("good", &format!("--resume {steep}")), &parts);
}

#[test]
fn a_distillation_stops_too() {
    let it = Workspace::with_teacher();
    let parts = ["error: epoch ", " with seed 42: ", "not finite", "hint: "];
    diverges(it.distill(&format!("{TINY} distill.learning_rate=1e20")), &parts);
}

/// Rewards that are beyond `f32` where an episode crashes away from the target.
const OVERFLOWING: &str = "env.reward_coef_position_cost=1e38 env.reward_coef_termination_penalty=3.3e38";

#[test]
fn a_black_box_flies_again_and_names_where_the_number_comes_from() {
    let it = Workspace::empty();
    let scaled = format!("{OVERFLOWING} agent.algorithm.reward_scale=1e-38");
    let train = |run: &str, more: &str| {
        it.eyas(&format!("train {TASK} {PPO} --max_iterations 8 --run_dir {run} {scaled} {more}"))
    };
    let parts = [
        "error: iteration ",
        " with seed 42: the reward of env ",
        " in control step ",
        "`eyas replay run/black_box.npz`",
    ];
    diverges(train("run", ""), &parts);
    let text = it.eyas("replay run/black_box.npz").succeed();
    let parts = [
        "Isaac-Quadcopter-Point-Ctrl-v0 with seed 42, env ",
        " control steps",
        "reproduced bit for bit",
        "first number that is not finite: the reward in step ",
        "it comes from the sum of the reward's terms, each of which is finite",
    ];
    assert_in_order(&text, &parts);
    it.eyas("replay run/params/agent.yaml").fail_with(&["error: `run/params/agent.yaml`", "hint: "]);

    let told = train("reset", "--on_nan reset").run();
    // Learning goes on to its end; returns that are beyond `f32` too make no model the best.
    assert!(told.stderr.contains("there is no file `reset/best_model.pt`"), "{}", told.stderr);
    let said = format!("{}{}", told.stdout, told.stderr);
    assert!(
        said.contains("[WARNING] Iteration ") && said.contains(" env resets for a number that is not"),
        "{said}"
    );
    it.eyas(&format!("train {TASK} --on_nan reset")).fail_with(&["`--on_nan reset`", "apg stops", "hint: "]);
    let parts = ["`agent.on_nan`", "go_on"];
    it.eyas(&format!("train {TASK} {PPO} --on_nan go_on")).fail_with(&parts);
}

/// As [`OVERFLOWING`], for `Eyas-Raptor-v0`.
const OVERFLOWING_RAPTOR: &str = "env.reward.constant=-3e38 env.reward.orientation=1e38";

#[test]
fn a_fleet_names_the_teacher_and_goes_on_to_its_next_seed() {
    let it = Workspace::empty();
    it.eyas("vehicles sample --num 1 --seed 5 --out fleet").succeed();
    let train = |more: &str| {
        it.eyas(&format!(
            "train --task Eyas-Raptor-v0 --vehicles fleet {} --max_iterations 4 fleet.max_attempts=2 \
             fleet.eval_episodes=32 {more}",
            PPO.replace("agent.save_interval=1 ", "")
        ))
    };
    let ended =
        train(&format!("--run_dir run agent.algorithm.reward_scale=1e-38 {OVERFLOWING_RAPTOR}")).run();
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    let parts = [
        "[WARNING] teacher 0, iteration 1 with seed 42: the reward of env ",
        " in control step ",
        "`eyas replay run/black_box_teacher_0000.npz`",
    ];
    assert_in_order(&ended.stdout, &parts);
    let parts = ["error: teacher 0, iteration 1 with seed 43: the reward of env ", "hint: its last "];
    assert_in_order(&ended.stderr, &parts);
    let text = it.eyas("replay run/black_box_teacher_0000.npz").succeed();
    assert_in_order(
        &text,
        &["Eyas-Raptor-v0 with seed 43, env ", "reproduced bit for bit", "the reward in step "],
    );
    diverges(
        train("--run_dir steep agent.algorithm.learning_rate=1e20"),
        &["error: teacher 0, iteration ", "not finite"],
    );
}

/// A shipped policy whose first action is infinite, whatever it sees: 3 × 10³⁸ and as much again for a unit that is at least 1.
fn write_overflowing(from: &str, to: &Path) {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let mut loaded = Checkpoint::read(&assets.join(from)).unwrap().policy(&LoadOptions::default()).unwrap();
    let network = &mut loaded.policy.network;
    let tensors = network.architecture.tensors();
    let [.., hidden_bias, last_weight, last_bias] = &tensors[..] else { panic!("two layers") };
    for (tensor, value) in [(hidden_bias, 1e10), (last_weight, 3e38), (last_bias, 3e38)] {
        network.parameters[tensor.range.start] = value;
    }
    let std = loaded.std.unwrap_or_else(|| vec![0.1; loaded.policy.num_actions()]);
    rsl_rl::write_actor(to, &loaded.policy, &std, 1, None).unwrap();
}

#[test]
fn evaluations_say_where_they_were_and_leave_a_black_box() {
    let it = Workspace::empty();
    write_overflowing("teachers/point_ctrl.pt", &it.path("huge.pt"));
    for (command, parts) in [
        (
            "eval --suite torture --episodes 2 --out suite",
            [
                "error: huge on hover under none with seed 3886088193: action 0 of env 0 ",
                "`eyas replay suite/black_box.npz`",
            ],
        ),
        (
            "eval --episodes 2",
            ["error: the flight with seed 3886088193: action 0 of env 0 ", "`eyas replay black_box.npz`"],
        ),
        (
            "play --trajectory hover --num_envs 2 --max_steps 20",
            ["error: the flight with seed 3886088193: ", "/black_box.npz`"],
        ),
    ] {
        diverges(it.eyas(&format!("{command} {TASK} --checkpoint huge.pt -q")), &parts);
    }
    let text = it.eyas("replay suite/black_box.npz").succeed();
    assert_in_order(
        &text,
        &["with seed 3886088193, env 0", "reproduced bit for bit", "action 0 in step 1", "the policy"],
    );
}

/// The policy's first action is infinite, so that every flight ends there.
#[test]
fn flights_that_reset_such_envs_count_them_as_crashed() {
    let it = Workspace::empty();
    write_overflowing("teachers/point_ctrl.pt", &it.path("huge.pt"));
    let flown = |command: &str| {
        let ended = it.eyas(&format!("{command} {TASK} --checkpoint huge.pt -q --on_nan reset")).run();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    };
    let told = flown("eval --episodes 3 --json");
    let all = "[WARNING] 3 of 3 flights ended with a number that is not finite: their envs were reset, and they count as crashed";
    assert!(told.stderr.lines().any(|line| line == all), "{}", told.stderr);
    let json: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&json["not_finite_resets"], &json["all"]["crash_rate"]), (&3.into(), &1.0.into()));

    let told = flown("play --trajectory hover --num_envs 2 --max_steps 20");
    assert!(told.stderr.contains("[WARNING] 2 of 2 flights ended with a number"), "{}", told.stderr);
    assert_in_order(&told.stdout, &["\n  0 ", "yes", "\n  1 ", "yes"]);

    let suite =
        "eval --suite torture --episodes 1 torture.duration_s=0.5 torture.final_s=0.1 torture.onset_s=0.1";
    let told = flown(suite);
    assert!(told.stderr.contains("[WARNING] 54 of 54 flights ended with a number"), "{}", told.stderr);
    let table = std::fs::read_to_string(it.path("torture/torture.csv")).unwrap();
    let mut rows = table.lines().skip(1);
    assert!(rows.all(|row| row.split(',').nth(8) == Some("0")), "{table}");

    let told = it.eyas(&format!("eval {TASK} --checkpoint huge.pt --on_nan go_on")).run();
    assert_eq!(told.code, Some(2));
    assert_in_order(&told.stderr, &["'go_on'", "expected stop or reset"]);
}

#[test]
fn an_admission_that_fails_names_the_teacher_and_makes_no_run() {
    let it = Workspace::empty();
    for (teacher, vehicle) in [("0", "x500"), ("1", "crazyflie")] {
        let folder = it.path(&format!("teachers/teacher_{teacher}"));
        std::fs::create_dir_all(&folder).unwrap();
        write_overflowing("teachers/raptor/teacher_0003/best_model.pt", &folder.join("best_model.pt"));
        let found = eyas_vehicles::find_vehicle(vehicle).unwrap().fleet_vehicle();
        let json = eyas_vehicles::VehicleFile::from(&found).to_json();
        std::fs::write(folder.join("vehicle.json"), json).unwrap();
    }
    let distill = "distill --task Eyas-Raptor-v0 --teacher_dir teachers --student gru distill.teachers.admission_episodes=4";
    let parts = [
        "error: the admission flight of teacher 0 with seed 44337: action 0 of env 0 is not finite",
        "--> teachers/teacher_0/best_model.pt",
        "hint: its last 1 control steps are in black_box.npz: `eyas replay black_box.npz`",
    ];
    diverges(it.eyas(distill), &parts);
    assert!(!it.path("logs").exists(), "a run is made");
    let text = it.eyas("replay black_box.npz").succeed();
    assert_in_order(&text, &["Eyas-Raptor-v0 with seed 44337, env 0", "reproduced bit for bit"]);
}

/// A crash is worth less than `f32` holds, what comes before it is not.
const OVERFLOWING_CRASH: &str =
    "env.reward_coef_position_cost=1e36 env.reward_coef_termination_penalty=3.4e38";

#[test]
fn a_distillation_that_resets_such_envs_counts_them_and_goes_on() {
    let it = Workspace::with_teacher();
    let told = it.distill(&format!("{TINY} --on_nan reset --run_dir run {OVERFLOWING_CRASH}")).run();
    let parts =
        ["Epoch 4/4", "[WARNING] Epoch 4: ", " env resets for a number that is not finite, ", " in all"];
    assert_in_order(&told.stdout, &parts);
    // It goes on to its end; returns that are beyond `f32` too make no student the best.
    assert!(told.stderr.contains("there is no file `run/best_student.pt`"), "{}", told.stderr);
    let stopped = it.distill(&format!("{TINY} --run_dir other {OVERFLOWING_CRASH}"));
    let parts = ["error: epoch ", " with seed 42: the reward of env ", "`eyas replay other/black_box.npz`"];
    diverges(stopped, &parts);
}
