//! A run whose numbers are no longer finite stops there, says what it was and keeps what was good.

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
