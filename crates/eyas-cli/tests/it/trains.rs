//! `eyas train` writes the run that rsl_rl writes, and goes on with it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use eyas_run::events;

use crate::program::{TASK, TINY, Workspace, assert_in_order, files};

/// Two iterations of each algorithm, its name last.
const SHORT: [&str; 2] = [
    "--max_iterations 2 --num_envs 64 agent.num_steps_per_env=8 --algorithm ppo",
    "--max_iterations 2 --num_envs 64 agent.algorithm.window_steps=8 --algorithm apg",
];

/// The only run of a workspace that was trained in once.
fn only_run(workspace: &Workspace) -> PathBuf {
    let runs = workspace.runs("rsl_rl", "point_ctrl_direct");
    let [run] = &runs[..] else { panic!("one run was expected: {runs:?}") };
    run.clone()
}

#[test]
fn a_run_holds_models_parameters_and_logs() {
    for short in SHORT {
        let workspace = Workspace::empty();
        let stdout = workspace.eyas(&format!("train {TASK} {short} --run_name short")).succeed();
        let run = only_run(&workspace);
        assert!(run.to_string_lossy().ends_with("_short"));
        let found = files(&run);
        for file in ["model_2.pt", "best_model.pt", "params/agent.yaml", "params/env.yaml", "manifest.json"] {
            assert!(found.iter().any(|it| it == file), "{short}: {file} is missing in {found:?}");
        }
        assert_in_order(
            &stdout,
            &[
                "[INFO] Logging experiment in directory: ",
                "Learning iteration 2/2",
                "Training completed in",
                "Best model saved to: ",
                "eyas distill --task Isaac-Quadcopter-Point-Ctrl-v0 --teacher_checkpoint ",
            ],
        );
    }
}

#[test]
fn ppo_logs_the_tags_of_rsl_rl() {
    let workspace = Workspace::empty();
    let settings = "--algorithm ppo --max_iterations 8 --num_envs 64 agent.num_steps_per_env=8";
    workspace.eyas(&format!("train {TASK} {settings}")).succeed();
    let found = tags(&only_run(&workspace));
    let expected = [
        "Loss/value_function",
        "Loss/surrogate",
        "Loss/entropy",
        "Loss/learning_rate",
        "Policy/mean_std",
        "Policy/mean_noise_std",
        "Perf/total_fps",
        "Perf/learning_time",
        "Train/mean_reward",
        "Train/mean_reward/time",
        "Train/mean_episode_length",
        "Train/mean_episode_length/time",
        "Episode_Reward/position",
        "Episode_Reward/action_smooth",
        "Episode_Termination/died",
        "Episode_Termination/time_out",
        "Metrics/Died/died_tilt",
        "Metrics/average_velocity",
    ];
    for tag in expected {
        assert!(found.contains(tag), "{tag} is missing in {found:?}");
    }
}

#[test]
fn every_algorithm_logs_its_evaluations() {
    for short in SHORT {
        let workspace = Workspace::empty();
        workspace.eyas(&format!("train {TASK} {short}")).succeed();
        let found = tags(&only_run(&workspace));
        for tag in ["evaluation/mean_return", "evaluation/crash_rate", "Perf/total_fps", "Loss/learning_rate"]
        {
            assert!(found.contains(tag), "{short}: {tag} is missing in {found:?}");
        }
    }
}

fn tags(run: &Path) -> BTreeSet<String> {
    let scalars = events::list(run).unwrap().into_iter().flat_map(|file| events::read_scalars(file).unwrap());
    scalars.map(|it| it.tag).collect()
}

#[test]
fn a_run_goes_on_in_its_folder() {
    for short in SHORT {
        let workspace = Workspace::empty();
        workspace.eyas(&format!("train {TASK} {short}")).succeed();
        let more = short.replace("--max_iterations 2", "--max_iterations 4 --resume");
        let stdout = workspace.eyas(&format!("train {TASK} {more}")).succeed();
        assert_in_order(
            &stdout,
            &["Loading model checkpoint from: ", "model_2.pt", "Learning iteration 4/4"],
        );
        assert!(files(&only_run(&workspace)).iter().any(|it| it == "model_4.pt"));
    }
}

/// Six iterations with checkpoints at 2, 4 and 6 and evaluations at 3 and 6, its algorithm last.
const PARTED: [&str; 2] = [
    "--max_iterations 6 --num_envs 64 agent.save_interval=2 agent.eval_interval=3 agent.num_steps_per_env=24 \
     --algorithm ppo",
    "--max_iterations 6 --num_envs 64 agent.save_interval=2 agent.eval_interval=3 \
     agent.algorithm.window_steps=24 --algorithm apg",
];

fn models(run: &Path) -> [Vec<u8>; 2] {
    ["model_6.pt", "best_model.pt"].map(|name| fs::read(run.join(name)).unwrap())
}

/// The envs used to start anew, and the best return to be forgotten.
#[test]
fn a_run_that_goes_on_ends_with_the_bytes_of_a_whole_one() {
    for parted in PARTED {
        let workspace = Workspace::empty();
        workspace.eyas(&format!("train {TASK} {parted}")).succeed();
        let run = only_run(&workspace);
        let whole = models(&run);
        for checkpoint in ["model_4.pt", "model_2.pt"] {
            // As if killed after that checkpoint; what was best then comes again.
            fs::remove_file(run.join("model_6.pt")).unwrap();
            let more = format!("--resume --checkpoint {checkpoint}");
            let stdout = workspace.eyas(&format!("train {TASK} {parted} {more}")).succeed();
            assert_in_order(&stdout, &["Loading model checkpoint from: ", checkpoint, "best model, all"]);
            assert!(!stdout.contains("they start anew"), "{stdout}");
            assert!(models(&run) == whole, "{parted}: the bytes differ after {checkpoint}");
        }
    }
}

#[test]
fn a_run_killed_before_its_first_checkpoint_starts_from_its_beginning() {
    for parted in PARTED {
        let workspace = Workspace::empty();
        workspace.eyas(&format!("train {TASK} {parted}")).succeed();
        let run = only_run(&workspace);
        let whole = models(&run);
        for model in ["model_2.pt", "model_4.pt", "model_6.pt"] {
            fs::remove_file(run.join(model)).unwrap();
        }
        let stdout = workspace.eyas(&format!("train {TASK} {parted} --resume")).succeed();
        assert_in_order(
            &stdout,
            &["no checkpoint yet: it starts from the beginning", "Learning iteration 3/6"],
        );
        assert!(models(&run) == whole, "{parted}: the bytes differ");
    }
}

#[test]
fn the_folder_of_another_run_is_left_as_it_is() {
    let it = Workspace::with_teacher();
    it.eyas(&format!("train {TASK} {} --run_dir trained", SHORT[1])).succeed();
    it.distill(&format!("{TINY} --run_dir distilled")).succeed();
    fs::create_dir(it.path("other")).unwrap();
    fs::write(it.path("other/thesis.tex"), "").unwrap();
    let fleet = "train --task Eyas-Raptor-v0 --vehicles vehicles --resume --run_dir";
    it.eyas("vehicles sample --num 1 --out vehicles").succeed();
    let train = format!("train {TASK} {} --resume --run_dir", SHORT[1]);
    for (command, folder, holds) in [
        (it.distill(&format!("{TINY} --resume --run_dir")), "trained", "`agent`, `env`"),
        (it.eyas(fleet), "trained", "`agent`, `env`"),
        (it.eyas(&train), "distilled", "`agent`, `distill`, `env`"),
        (it.eyas(&train), "other", "no run"),
    ] {
        let content = || {
            let folder = it.path(folder);
            files(&folder)
                .into_iter()
                .map(move |name| fs::read(folder.join(name)).unwrap())
                .collect::<Vec<_>>()
        };
        let before = content();
        command.and(folder).fail_with(&[&format!("error: `{folder}` holds "), holds, "hint: `--resume`"]);
        assert!(content() == before, "{folder} was written to");
    }
}

#[test]
fn the_best_model_does_not_get_worse_when_a_run_goes_on() {
    let workspace = Workspace::empty();
    let settings = "--num_envs 64 --algorithm apg agent.eval_interval=1 agent.algorithm.window_steps=24";
    workspace.eyas(&format!("train {TASK} {settings} --max_iterations 30")).succeed();
    let best = fs::read(only_run(&workspace).join("best_model.pt")).unwrap();
    // Steps that ruin any policy.
    let ruin = "--resume true --max_iterations 32 agent.algorithm.learning_rate=100";
    let stdout = workspace.eyas(&format!("train {TASK} {settings} {ruin}")).succeed();
    assert_in_order(&stdout, &["Learning iteration 31/32", "best model, all"]);
    assert!(best == fs::read(only_run(&workspace).join("best_model.pt")).unwrap());
}

#[test]
fn envs_of_another_number_start_anew() {
    for short in SHORT {
        let workspace = Workspace::empty();
        workspace.eyas(&format!("train {TASK} {short}")).succeed();
        let more = short
            .replace("--max_iterations 2 --num_envs 64", "--resume true --max_iterations 3 --num_envs 96");
        let stdout = workspace.eyas(&format!("train {TASK} {more}")).succeed();
        assert_in_order(
            &stdout,
            &["holds no state of these envs: they start anew", "Learning iteration 3/3"],
        );
    }
}

#[test]
fn a_run_goes_on_although_a_flight_was_logged_after_it() {
    let [short, _] = SHORT;
    let workspace = Workspace::empty();
    workspace.eyas(&format!("train {TASK} {short}")).succeed();
    let model = only_run(&workspace).join("model_2.pt");
    workspace.eyas(&format!("play {TASK} --max_steps 10 --checkpoint")).arg(model).succeed();
    let more = short.replace("--max_iterations 2", "--max_iterations 3 --resume");
    workspace.eyas(&format!("train {TASK} {more}")).succeed();
}

#[test]
fn what_was_trained_can_be_distilled() {
    for short in SHORT {
        let workspace = Workspace::empty();
        workspace.eyas(&format!("train {TASK} {short}")).succeed();
        let model = only_run(&workspace).join("best_model.pt");
        let distill = format!("distill {TASK} {TINY} --teacher_checkpoint");
        let stdout = workspace.eyas(&distill).arg(model).succeed();
        assert_in_order(&stdout, &["Teacher architecture: obs=26, actions=4", "Training completed!"]);
    }
}

#[test]
fn the_settings_of_the_original_are_a_preset() {
    let workspace = Workspace::empty();
    let settings = "--algorithm ppo --preset foundation --max_iterations 1 --num_envs 32";
    let smaller = "agent.num_steps_per_env=32 agent.algorithm.num_mini_batches=4";
    workspace.eyas(&format!("train {TASK} {settings} {smaller}")).succeed();
    let agent = fs::read_to_string(only_run(&workspace).join("params/agent.yaml")).unwrap();
    assert_in_order(&agent, &["learning_rate: 0.0001"]);
    let ended = workspace.eyas(&format!("train {TASK} --algorithm ppo --preset other")).run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(&ended.stderr, &["`--preset other`: unknown, expected eyas or foundation"]);
    let ended = workspace.eyas(&format!("train {TASK} --algorithm other")).run();
    assert_eq!(ended.code, Some(2));
    assert_in_order(&ended.stderr, &["`--algorithm other`: unknown, expected apg or ppo"]);
}
