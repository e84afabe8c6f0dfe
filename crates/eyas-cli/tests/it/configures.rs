//! A configuration is put together as in Hydra, and says where each value comes from.

use std::fs;
use std::path::Path;

use crate::program::{TASK, TINY, Workspace, assert_in_order};

/// A folder `conf` with a configuration, a group of its own and one below it.
fn with_conf() -> Workspace {
    let it = Workspace::with_teacher();
    for (path, text) in [
        ("conf/hover.yaml", "defaults:\n- agent: slow\n- _self_\nenv:\n  scene:\n    num_envs: 16\n"),
        ("conf/agent/slow.yaml", "max_iterations: 1000\nrun_name: slow\n"),
        ("conf/agent/quick.yaml", "max_iterations: 2\nrun_name: quick_${.seed}\n"),
        ("conf/student/small.yaml", "# @package distill.student\nhidden_dims: [8]\n"),
        ("conf/student/smaller.yaml", "# @package distill.student\nhidden_dims: [4]\n"),
    ] {
        let path = it.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    it
}

#[test]
fn cfg_job_prints_what_would_run() {
    let it = with_conf();
    let train = format!("train {TASK} --config-dir conf --config-name hover");
    let slow = it.eyas(&train).and("--cfg job").succeed();
    assert_in_order(&slow, &["env:", "num_envs: 16", "agent:", "max_iterations: 1000", "run_name: slow"]);
    let quick = it.eyas(&train).and("agent=quick agent.seed=7 --cfg job --package agent").succeed();
    assert_in_order(&quick, &["seed: 7\n", "max_iterations: 2\n", "run_name: 'quick_${.seed}'\n"]);
    assert!(!quick.contains("env:"), "{quick}");
    let resolved =
        it.eyas(&train).and("agent=quick agent.seed=7 --cfg job --package agent --resolve").succeed();
    assert_in_order(&resolved, &["run_name: quick_7\n"]);
    let file = it.eyas(&format!("train {TASK} --config conf/hover.yaml agent=quick --cfg job")).succeed();
    assert_in_order(&file, &["num_envs: 16", "max_iterations: 2"]);
    let distill = it.distill("--n_epochs 3 --cfg job --package distill").succeed();
    assert_in_order(&distill, &["n_epochs: 3"]);
    for command in ["play", "eval"] {
        let printed = it.eyas(&format!("{command} {TASK} --checkpoint none.pt --seed 3 --cfg job")).succeed();
        assert_in_order(&printed, &["env:", "agent:", "seed: 3"]);
    }
    assert!(!it.path("logs").exists(), "nothing runs");
}

#[test]
fn info_defaults_says_where_each_value_comes_from() {
    let it = with_conf();
    let told = it
        .eyas(&format!("train {TASK} --config-dir conf --config-name hover --max_iterations 5 agent.seed=7"))
        .and("agent=quick --info defaults")
        .succeed();
    assert_in_order(
        &told,
        &[
            "# agent/quick at agent, from conf/agent/quick.yaml:1:1",
            "# hover at the top, from conf/hover.yaml:1:1",
        ],
    );
    for (key, rest) in [
        ("env.scene.num_envs ", "= 16  (conf/hover.yaml:6:15)"),
        ("env.decimation ", "= 1  (default)"),
        ("agent.seed ", "= 7  (override `agent.seed=7`)"),
        ("agent.max_iterations ", "= 5  (flag `--max_iterations`)"),
        ("agent.run_name ", "= quick_7  (conf/agent/quick.yaml:2:11)"),
    ] {
        assert!(told.lines().any(|line| line.starts_with(key) && line.ends_with(rest)), "{key}: {told}");
    }
}

#[test]
fn groups_come_with_the_program() {
    let it = Workspace::empty();
    let windy =
        it.eyas("train --task Eyas-Raptor-v0 physics=windy --cfg job --package env.disturbances").succeed();
    assert_eq!(windy, "random_force:\n  std: 0.027\n");
    let fast = it.eyas(&format!("train {TASK} agent=fast --info defaults")).succeed();
    assert_in_order(&fast, &["# agent/fast at agent", "agent.max_iterations", "= 20  (preset `agent/fast`)"]);
    it.eyas(&format!("train {TASK} physics=windy --cfg job"))
        .fail_with(&["unknown key `disturbances` under `env`", "preset `physics/windy`"]);
    it.eyas(&format!("train {TASK} agent=faster --cfg job")).fail_with(&[
        "no configuration `agent/faster`",
        "override `agent=faster`",
        "the options of `agent` are fast",
    ]);
}

#[test]
fn flags_that_do_not_apply_are_refused() {
    let it = with_conf();
    let train = |more: &str| it.eyas(&format!("train {TASK} {more}"));
    train("--config-name hover").fail_with(&["--config-dir"]);
    train("--config-dir nowhere").fail_with(&["`--config-dir` is no folder", "nowhere"]);
    train("--config-dir conf --config-name nothing").fail_with(&["no configuration `nothing`"]);
    train("--config-dir conf --config conf/hover.yaml").fail_with(&["cannot be used with"]);
    train("--cfg hydra").fail_with(&["invalid value 'hydra'", "job"]);
    train("--resolve").fail_with(&["--cfg"]);
    train("--info").fail_with(&["`--info` is for the app of Isaac Sim", "--info defaults"]);
    train("--info searchpath").fail_with(&["`--info searchpath`: unknown"]);
    train("--multirun agent.seed=1,2 --cfg job").fail_with(&["cannot be used with"]);
    train("--config-dir conf --config-name hover student=small")
        .fail_with(&["cannot override the group `student`", "write `+student=small`"]);
}

#[test]
fn params_of_isaac_lab_are_used_where_they_can_be() {
    let it = Workspace::empty();
    fs::create_dir_all(it.path("run/params")).unwrap();
    let env = "viewer:\n  eye: !!python/tuple\n  - 7.5\n  - 7.5\nsim:\n  dt: 0.02\n  device: cuda:0\nscene:\n  num_envs: 4\n  \
               env_spacing: 2.5\nevents:\n  joint_ids: !!python/object/apply:builtins.slice\n  - null\n  - null\n  - null\n";
    let agent =
        "seed: 11\nempirical_normalization: false\npolicy:\n  class_name: ActorCritic\nmax_iterations: 3\n";
    fs::write(it.path("run/params/env.yaml"), env).unwrap();
    fs::write(it.path("run/params/agent.yaml"), agent).unwrap();
    let ended = it.eyas(&format!("train {TASK} --params run --info defaults")).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_in_order(
        &ended.stderr,
        &[
            "not used: env.viewer = {eye:[7.5,7.5]} (no such key) at run/params/env.yaml:1:1",
            "not used: env.scene.env_spacing = 2.5",
            "not used: env.events = {joint_ids:[null,null,null]}",
            "not used: env.sim.device = 'cuda:0' (`--device` says where this run computes) at run/params/env.yaml:7:11",
            "not used: agent.policy.class_name = ActorCritic",
        ],
    );
    for (key, rest) in [
        ("env.sim.dt ", "= 0.02  (run/params/env.yaml:6:7)"),
        ("env.scene.num_envs ", "= 4  (run/params/env.yaml:9:13)"),
        ("env.sim.device ", "= cpu  (flag `--params`)"),
        ("agent.seed ", "= 11  (run/params/agent.yaml:1:7)"),
        ("agent.max_iterations ", "= 3  (run/params/agent.yaml:5:17)"),
    ] {
        let stands = ended.stdout.lines().any(|line| line.starts_with(key) && line.ends_with(rest));
        assert!(stands, "{key}: {}", ended.stdout);
    }
    it.eyas(&format!("train {TASK} --params nowhere"))
        .fail_with(&["`--params`: there is no `env.yaml`", "nowhere"]);
}

#[test]
fn a_run_of_isaac_labs_quadcopter_goes_on_here_under_its_own_settings() {
    let it = Workspace::empty();
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/isaac_lab_quadcopter");
    let train = format!("train --task Isaac-Quadcopter-Direct-v0 --algorithm ppo --params {}", run.display());
    let ended = it.eyas(&format!("{train} --info defaults")).run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for (key, value) in [
        ("env.scene.num_envs", "1024"),
        ("env.episode_length_s", "8.0"),
        ("env.moment_scale", "0.02"),
        ("env.ang_vel_reward_scale", "-0.02"),
        ("env.distance_to_goal_reward_scale", "12.0"),
        ("env.robot.init_state.pos", "[0.0,0.0,0.6]"),
        ("agent.seed", "7"),
        ("agent.num_steps_per_env", "48"),
        ("agent.actor.hidden_dims", "[96,48]"),
        ("agent.critic.hidden_dims", "[128,64]"),
        ("agent.actor.obs_normalization", "false"),
        ("agent.critic.obs_normalization", "false"),
        ("agent.actor.distribution_cfg.init_std", "0.8"),
        ("agent.algorithm.entropy_coef", "0.001"),
        ("agent.algorithm.symmetry_cfg.use_data_augmentation", "false"),
    ] {
        let line = ended.stdout.lines().find(|line| line.split_whitespace().next() == Some(key));
        let line = line.unwrap_or_else(|| panic!("{key} in {}", ended.stdout));
        let is_from_file = line.contains("isaac_lab_quadcopter");
        assert!(line.contains(&format!("= {value} ")) && is_from_file, "{line}, expected {value}");
    }
    let unused: Vec<&str> =
        ended.stderr.lines().filter_map(|it| it.strip_prefix("[INFO] not used: ")).collect();
    for key in
        ["env.scene.env_spacing", "env.terrain", "env.robot.spawn", "agent.logger", "agent.clip_actions"]
    {
        assert!(unused.iter().any(|line| line.starts_with(&format!("{key} = "))), "{key}: {unused:?}");
    }
    assert!(unused.iter().all(|line| !line.contains("hidden_dims")), "{unused:?}");
    it.eyas(&format!("{train} --max_iterations 1 --num_envs 32 --run_dir run")).succeed();
}

#[test]
fn folders_are_named_in_hydras_words_too() {
    let it = Workspace::empty();
    let train = format!("train {TASK} --max_iterations 1 --num_envs 32 agent.algorithm.window_steps=4");
    it.eyas(&format!("{train} hydra.run.dir=here/it/is")).succeed();
    assert!(it.path("here/it/is/best_model.pt").is_file());
    it.eyas(&format!("{train} --multirun seed=1,2 hydra.sweep.dir=sweep --jobs 1")).succeed();
    assert!(it.path("sweep/0/best_model.pt").is_file() && it.path("sweep/1/best_model.pt").is_file());
    for (overrides, reason) in [
        ("hydra.sweep.dir=x", "the runs of `--multirun`"),
        ("hydra.run.dir=x --run_dir y", "`--run_dir` names another folder"),
        ("hydra.run.dir=${seed}", "expected the name of a folder"),
        ("~hydra.run.dir", "expected the name of a folder"),
        ("hydra.job.num=3", "a job has no settings here"),
        ("--multirun hydra.sweep.subdir=x", "named by their numbers"),
        ("+hydra.verbose=true", "configures Hydra itself"),
    ] {
        it.eyas(&format!("{train} {overrides}")).fail_with(&["hydra.", reason, "hint:"]);
    }
    it.eyas(&format!("eval {TASK} --checkpoint se3 hydra.run.dir=x")).fail_with(&["eyas train"]);
}

#[test]
fn analyses_and_samples_are_configured_like_runs() {
    let it = with_conf();
    let delay = "analyze delay --checkpoint se3 --cfg job";
    let shown = it.eyas(&format!("{delay} physics=windy agent.seed=3 --package agent")).succeed();
    assert!(shown.starts_with("seed: 3\n"), "{shown}");
    let sample = "vehicles sample --num 2 --out fleet";
    fs::write(it.path("heavy.yaml"), "domain_randomization:\n  mass_max: 3.0\n").unwrap();
    let shown = it.eyas(&format!("{sample} --config heavy.yaml mass_min=2.5 --info defaults")).succeed();
    for (key, origin) in [("mass_min", "override"), ("mass_max", "heavy.yaml:2:13"), ("protocol", "default")]
    {
        let line = shown.lines().find(|line| line.contains(&format!("{key} "))).unwrap();
        assert!(line.contains(origin), "{line}");
    }
    assert!(!it.path("fleet").exists());
    it.eyas(&format!("{sample} --config heavy.yaml mass_min=2.5")).succeed();
    assert!(it.path("fleet/vehicles.csv").is_file());
}

#[test]
fn keys_are_listed_for_programs() {
    let it = Workspace::empty();
    let list = "config list env.height --task quadcopter_direct --json";
    let found: serde_json::Value = serde_json::from_str(&it.eyas(list).succeed()).unwrap();
    assert_eq!(found[0]["key"], "env.height.minimum");
    assert_eq!(found[0]["default"], 0.1);
    assert_eq!(found[0]["unit"], "m");
    let list = "config list decimation --task quadcopter_direct --json";
    let found: serde_json::Value = serde_json::from_str(&it.eyas(list).succeed()).unwrap();
    assert_eq!((&found[0]["range"], &found[0]["default"]), (&"at least 1".into(), &2.into()));
    assert!(found[0]["meaning"].as_str().unwrap().contains("Simulation steps"));
}

#[test]
fn a_run_takes_its_seed_from_the_environment() {
    let it = Workspace::with_teacher();
    it.distill(TINY)
        .and("--run_dir run agent.seed=${oc.env:EYAS_TEST_SEED,3}")
        .env("EYAS_TEST_SEED", "9")
        .succeed();
    let params = fs::read_to_string(it.path("run/params/agent.yaml")).unwrap();
    assert!(params.starts_with("seed: 9\n"), "{params}");
    let manifest = fs::read_to_string(it.path("run/manifest.json")).unwrap();
    assert!(manifest.contains("override `agent.seed=${oc.env:EYAS_TEST_SEED,3}`"), "{manifest}");
    assert!(it.path("run/params/distill.pkl").is_file());
}

#[test]
fn a_multirun_runs_every_option_of_a_group() {
    let it = with_conf();
    let tiny = TINY.replace("distill.student.hidden_dims=[32,32]", "");
    let stdout = it
        .distill(&tiny)
        .and("--config-dir conf --quiet --multirun student=glob(small*) --run_dir sweep")
        .succeed();
    assert_in_order(&stdout, &["Multirun of 2 jobs", "2 of 2 jobs"]);
    for (job, width) in [("0", "- 8\n"), ("1", "- 4\n")] {
        let params = fs::read_to_string(it.path("sweep").join(job).join("params/distill.yaml")).unwrap();
        assert_in_order(&params, &["hidden_dims:\n", width]);
    }
    let table = fs::read_to_string(it.path("sweep/multirun.csv")).unwrap();
    assert_in_order(&table, &["job,student,state", "0,small,done", "1,smaller,done"]);
}

#[test]
fn config_list_describes_every_key() {
    let it = Workspace::empty();
    let all = it.eyas("config list").succeed();
    assert_in_order(
        &all,
        &["env.scene.num_envs = 512", "agent.seed = 42", "distill.n_epochs = 100", "fleet."],
    );
    let thresholds = it.eyas("config list env.thresholds").succeed();
    assert_eq!(
        thresholds,
        "env.thresholds.position = 15.0 [m]  positive\n    Distance from the spawn point\n\
         env.thresholds.position_langevin = 14.0 [m]  positive\n    Distance of the target from the spawn point\n\
         env.thresholds.linear_velocity = 4.0 [m/s]  positive\n    Velocity along each world axis\n\
         env.thresholds.angular_velocity = 35.0 [rad/s]  positive\n    Angular velocity about each body axis\n\
         env.thresholds.tilt = 1.5707963267948966 [rad]  positive\n    Tilt; from π on there is no limit\n"
    );
    let bare = it.eyas("config list student.kind").succeed();
    assert_in_order(&bare, &["distill.student.kind = ", "one of mlp, gru"]);
    let ppo = it.eyas("config list agent.algorithm.lam --algorithm ppo --task Eyas-Raptor-v0").succeed();
    assert_eq!(ppo, "agent.algorithm.lam = 0.95  in [0, 1]\n    λ of the advantage estimate\n");
    it.eyas("config list env.treshold")
        .fail_with(&["no key begins with `env.treshold`", "did you mean `env.threshold"]);
    it.eyas("config list --algorithm sac").fail_with(&["`--algorithm sac`: unknown"]);
}

#[test]
fn a_type_error_names_file_line_value_unit_and_range() {
    let it = Workspace::empty();
    fs::write(it.path("hover.yaml"), "env:\n  episode_length_s: long\n").unwrap();
    it.eyas(&format!("train {TASK} --config hover.yaml")).fail_with(&[
        "`env.episode_length_s` = long: expected a float in s, positive, found a string",
        "--> hover.yaml:2:21",
    ]);
}
