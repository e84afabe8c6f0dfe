//! A run that goes on is the run that it was.

use std::fs;
use std::path::Path;

use eyas::{Algorithm, Failure, Observer, Silent, TrainConfig, resumption, tasks, train};
use eyas_run::{Interrupt, RunDir, events};
use tempfile::TempDir;

const TASK: &str = "Isaac-Quadcopter-Point-Ctrl-v0";
const SMALL: [&str; 3] =
    ["env.scene.num_envs=32", "agent.num_steps_per_env=8", "agent.algorithm.num_mini_batches=1"];

/// A PPO training with overrides; `run` goes on with its own settings below them.
fn training(task: &str, overrides: &[&str], run: &Path) -> TrainConfig {
    let task = tasks::find(task).unwrap();
    let mut layers = TrainConfig::layers(task.as_ref(), Algorithm::Ppo, "eyas").unwrap();
    let resumes = run.is_dir();
    let has_settings =
        resumes && resumption::layer_run(&mut layers, run, &eyas::train::GROUPS, None).unwrap();
    if !has_settings {
        layers.overrides(&SMALL).unwrap();
    }
    layers.overrides(overrides).unwrap();
    let mut config = TrainConfig::read(task.as_ref(), Algorithm::Ppo, &layers).unwrap();
    config.settings.resume = resumes;
    TrainConfig { run_dir: Some(run.to_owned()), ..config }
}

#[derive(Default)]
struct Lines(Vec<String>);

impl Observer for Lines {
    fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.0.push(line.to_owned());
        Ok(())
    }
}

/// All files of a folder and below, with their bytes.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn settings_stay_and_changes_are_said_and_written_down() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    train(&training(TASK, &["agent.max_iterations=2", "agent.seed=7"], &run), &mut Silent, &Interrupt::new())
        .unwrap();
    let begun =
        ["params/agent.yaml", "params/env.yaml", "manifest.json"].map(|it| fs::read(run.join(it)).unwrap());
    let config = training(TASK, &["agent.max_iterations=3", "agent.algorithm.gamma=0.9"], &run);
    assert_eq!(config.settings.seed, 7, "a run keeps its seed");
    let mut lines = Lines::default();
    train(&config, &mut lines, &Interrupt::new()).unwrap();
    let said: Vec<&String> = lines.0.iter().filter(|it| it.contains("Changed from iteration 2 on")).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|it| it.contains("agent.algorithm.gamma: 0.99 → 0.9 (override")), "{said:?}");
    let now =
        ["params/agent.yaml", "params/env.yaml", "manifest.json"].map(|it| fs::read(run.join(it)).unwrap());
    assert!(begun == now, "what the run was begun with is written over");
    assert!(fs::read_to_string(run.join("resumes.json")).unwrap().contains("agent.algorithm.gamma"));

    let steps: Vec<u64> = events::read_run(&run)
        .unwrap()
        .iter()
        .filter(|it| it.tag == "Loss/surrogate")
        .map(|it| it.step)
        .collect();
    assert_eq!(steps, [1, 2, 3]);
}

#[test]
fn a_run_that_goes_on_from_an_older_checkpoint_logs_each_step_once() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let begun = training(TASK, &["agent.max_iterations=4", "agent.save_interval=2"], &run);
    train(&begun, &mut Silent, &Interrupt::new()).unwrap();
    let mut config = training(TASK, &["agent.max_iterations=3"], &run);
    config.checkpoint = Some("model_2.pt".into());
    train(&config, &mut Silent, &Interrupt::new()).unwrap();
    let scalars = events::read_run(&run).unwrap();
    let steps = |tag: &str| scalars.iter().filter(|it| it.tag == tag).map(|it| it.step).collect::<Vec<_>>();
    assert_eq!(steps("Loss/surrogate"), [1, 2, 3]);
    assert_eq!(steps("evaluation/mean_return"), [3], "that of iteration 4 is void");
}

#[test]
fn a_finished_run_that_is_resumed_as_it_was_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    train(&training(TASK, &["agent.max_iterations=2"], &run), &mut Silent, &Interrupt::new()).unwrap();
    let before = content(&run);
    let result = train(&training(TASK, &[], &run), &mut Silent, &Interrupt::new()).unwrap();
    assert!(result.was_complete && result.is_complete && result.iteration == 2);
    assert!(content(&run) == before, "something was written");
}

#[test]
fn a_checkpoint_beyond_what_is_asked_for_is_refused_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    let [run, new] = ["run", "new"].map(|name| folder.path().join(name));
    train(&training(TASK, &["agent.max_iterations=3"], &run), &mut Silent, &Interrupt::new()).unwrap();
    let before = content(&run);
    let refused = |config: &TrainConfig, numbers: [&str; 2]| {
        let failure = train(config, &mut Silent, &Interrupt::new()).err().unwrap();
        let text = failure.to_string();
        assert!(numbers.iter().all(|it| text.contains(it)), "{text}");
        assert!(failure.advice().unwrap().contains("--max_iterations"));
    };
    refused(
        &training(TASK, &["agent.max_iterations=2"], &run),
        ["done 3 iterations", "`agent.max_iterations` = 2"],
    );
    // Another setting changes nothing where nothing is left to do.
    refused(&training(TASK, &["agent.algorithm.gamma=0.9"], &run), ["done 3 iterations", "= 3"]);
    assert!(content(&run) == before, "something was written");
    for iterations in ["agent.max_iterations=3", "agent.max_iterations=2"] {
        let mut config = training(TASK, &[iterations], &new);
        config.checkpoint = Some(run.join("model_3.pt").display().to_string());
        refused(&config, ["done 3 iterations", "`agent.max_iterations` = "]);
        assert!(!new.exists(), "an empty run is left behind");
    }
}

#[test]
fn a_run_in_use_is_refused() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    train(&training(TASK, &["agent.max_iterations=2"], &run), &mut Silent, &Interrupt::new()).unwrap();
    let config = training(TASK, &["agent.max_iterations=3"], &run);
    let held = RunDir::open(&run).unwrap().lock().unwrap();
    let before = content(&run);
    let failure = train(&config, &mut Silent, &Interrupt::new()).err().unwrap();
    assert!(failure.to_string().contains("is in use by process"), "{failure}");
    assert!(content(&run) == before, "something was written");
    drop(held);
    train(&config, &mut Silent, &Interrupt::new()).unwrap();
}

/// Isaac Lab keeps its runs where Eyas does, and has no manifest.
#[test]
fn a_run_that_another_program_wrote_is_read_and_never_written() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    train(&training(TASK, &["agent.max_iterations=2"], &run), &mut Silent, &Interrupt::new()).unwrap();
    fs::remove_file(run.join("manifest.json")).unwrap();
    let before = content(&run);
    let mut config = training(TASK, &["agent.max_iterations=3"], &run);
    let failure = train(&config, &mut Silent, &Interrupt::new()).err().unwrap();
    assert!(failure.to_string().contains("is a run that Eyas did not write"), "{failure}");
    config.checkpoint = Some(run.join("model_2.pt").display().to_string());
    config.settings.resume = false;
    config.run_dir = Some(folder.path().join("own"));
    assert_eq!(train(&config, &mut Silent, &Interrupt::new()).unwrap().iteration, 3);
    assert!(content(&run) == before, "something was written");
}

/// A checkpoint without a normaliser used to train under settings that ask for one, and its files were refused afterwards.
#[test]
fn a_network_that_is_not_of_the_settings_is_refused_with_the_key_that_says_otherwise() {
    let folder = TempDir::new().unwrap();
    let [run, new] = ["run", "new"].map(|name| folder.path().join(name));
    let without = ["agent.max_iterations=2", "agent.actor.obs_normalization=false"];
    train(&training(TASK, &without, &run), &mut Silent, &Interrupt::new()).unwrap();
    let normalizes = "agent.actor.obs_normalization=true";
    for (setting, said) in [
        (normalizes, "`agent.actor.obs_normalization` = true, the file has false"),
        ("agent.actor.activation=tanh", "`agent.actor.activation` = tanh, the file has elu"),
        ("agent.critic.hidden_dims=[8]", "`agent.critic.hidden_dims` = [8], the file has [128, 128]"),
    ] {
        let more = ["agent.actor.obs_normalization=false", setting, "agent.max_iterations=3"];
        let mut config = training(TASK, &more, &new);
        config.checkpoint = Some(run.join("model_2.pt").display().to_string());
        let failure = train(&config, &mut Silent, &Interrupt::new()).err().unwrap();
        assert!(failure.to_string().contains(said), "{failure}");
        assert!(!new.exists());
    }
}

/// The reward `alive` ramps from weight 1 to 10 within 200 control steps.
#[test]
fn a_curriculum_counts_the_steps_of_the_run() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let task = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ramp.yaml");
    let task = task.to_str().unwrap();
    let small = ["agent.num_steps_per_env=16", "agent.eval_interval=25"];
    let reward = |run: &Path, iteration: u64| {
        let scalars = events::read_run(run).unwrap();
        let found = scalars.iter().find(|it| it.tag == "Episode_Reward/alive" && it.step == iteration);
        found.map(|it| f64::from(it.value))
    };
    let begun = [&small[..], &["agent.max_iterations=25"]].concat();
    train(&training(task, &begun, &path("a")), &mut Silent, &Interrupt::new()).unwrap();
    let last = (20..=25).filter_map(|it| reward(&path("a"), it)).next_back().unwrap();
    for (name, num_envs, checkpoint) in
        [("b", "32", "model_25.pt"), ("c", "64", "model_25.pt"), ("d", "32", "best_model.pt")]
    {
        let envs = format!("env.scene.num_envs={num_envs}");
        let more = [&small[..], &["agent.max_iterations=30", &envs]].concat();
        let mut config = training(task, &more, &path(name));
        config.checkpoint = Some(path("a").join(checkpoint).display().to_string());
        train(&config, &mut Silent, &Interrupt::new()).unwrap();
        let first = (26..=30).find_map(|it| reward(&path(name), it)).unwrap();
        // The ramp begins at a tenth of its end.
        assert!((0.3..3.0).contains(&(first / last)), "{name}: {first} after {last}");
    }
}
