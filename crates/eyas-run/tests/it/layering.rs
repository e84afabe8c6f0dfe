use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use eyas_run::{ConfigError, Layers, Origin, Value};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    env: Env,
    agent: Agent,
    distill: Distill,
}

impl Default for Config {
    fn default() -> Self {
        let terms = BTreeMap::from([("alive".to_owned(), 1.0)]);
        Self {
            env: Env {
                scene: Scene { num_envs: 512 },
                sim: Sim { device: "cpu".into(), dt_s: 0.01 },
                seed: 42,
                terms,
            },
            agent: Agent {
                seed: 42,
                run_name: String::new(),
                hidden_dims: vec![64, 64, 64],
                activation: Activation::Elu,
                clip_actions: None,
                schedule: Some("fixed".into()),
            },
            distill: Distill { learning_rate: 1e-4, shuffle: true },
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Env {
    scene: Scene,
    sim: Sim,
    seed: u64,
    terms: BTreeMap<String, f32>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Scene {
    num_envs: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sim {
    device: String,
    dt_s: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Activation {
    #[default]
    Elu,
    Relu,
    Tanh,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Agent {
    seed: u64,
    run_name: String,
    hidden_dims: Vec<usize>,
    activation: Activation,
    clip_actions: Option<f32>,
    schedule: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Distill {
    learning_rate: f64,
    shuffle: bool,
}

fn layers() -> Layers {
    Layers::new(&Config::default()).unwrap()
}

fn with(overrides: &[&str]) -> Config {
    let mut layers = layers();
    layers.overrides(overrides).unwrap_or_else(|error| panic!("{error}"));
    layers.finish().unwrap()
}

fn rejected(text: &str) -> ConfigError {
    layers().overrides(&[text]).unwrap_err()
}

/// Message and hint as a program prints them.
fn report(error: &ConfigError) -> String {
    let origin = error.origin().map_or_else(String::new, |origin| format!("\n  --> {origin}"));
    let hint = error.hint().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
    format!("error: {error}{origin}{hint}\n")
}

/// A file in its own directory, and its path.
fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hover.yaml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

/// The report of a file with `text`, its directory left out.
fn rejected_file(text: &str) -> String {
    let (directory, path) = file(text);
    let mut layers = layers();
    let error = match layers.file(&path) {
        Ok(layers) => layers.finish::<Config>().unwrap_err(),
        Err(error) => error,
    };
    report(&error).replace(&format!("{}/", directory.path().display()), "")
}

#[test]
fn defaults_come_back_unchanged() {
    assert_eq!(layers().finish::<Config>().unwrap(), Config::default());
    assert_eq!(layers().section::<Env>("env").unwrap(), Config::default().env);
}

#[test]
fn later_layers_win_and_are_remembered() {
    let (_directory, path) = file("env:\n  seed: 1\n  sim: {device: a}\nagent:\n  seed: 1\ndistill:\n");
    let mut layers = layers();
    layers
        .preset("small", "env: {scene: {num_envs: 4}, seed: 9}\n")
        .unwrap()
        .overrides(&["env.seed=2"])
        .unwrap()
        .set("agent.seed", 3, Origin::flag("--seed"))
        .unwrap();
    let at = |line, column| Origin::File { path: path.clone(), line, column };
    let error = layers.clone().file(&path).unwrap_err(); // `distill:` is null, and no Option
    assert!(matches!(error, ConfigError::WrongType { .. }), "{error}");

    fs::write(&path, "env:\n  sim: {device: a}\nagent:\n  hidden_dims:\n  - 32\n").unwrap();
    layers.file(&path).unwrap();
    let config: Config = layers.finish().unwrap();
    assert_eq!((config.env.seed, config.agent.seed, config.env.scene.num_envs), (2, 3, 4));
    assert_eq!(config.agent.hidden_dims, [32]);
    assert_eq!(layers.origin("env.scene.num_envs"), Some(&Origin::Preset("small".into())));
    assert_eq!(layers.origin("env.seed"), Some(&Origin::Override("env.seed=2".into())));
    assert_eq!(layers.origin("agent.seed"), Some(&Origin::flag("--seed")));
    assert_eq!(layers.origin("env.sim.device"), Some(&at(2, 17)));
    assert_eq!(layers.origin("agent.hidden_dims"), Some(&at(4, 3)));
    assert_eq!(layers.origin("distill.shuffle"), Some(&Origin::Default));
}

#[test]
fn provenance_lists_every_value_in_order() {
    let mut layers = layers();
    layers.overrides(&["scene.num_envs=8", "agent.clip_actions=1", "agent.schedule=null"]).unwrap();
    let settings = layers.provenance().unwrap();
    let lines =
        settings.iter().map(|setting| format!("{} = {}  ({})", setting.key, setting.value, setting.origin));
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    env.scene.num_envs = 8  (override `scene.num_envs=8`)
    env.sim.device = cpu  (default)
    env.sim.dt_s = 0.01  (default)
    env.seed = 42  (default)
    env.terms.alive = 1.0  (default)
    agent.seed = 42  (default)
    agent.run_name = ''  (default)
    agent.hidden_dims = [64,64,64]  (default)
    agent.activation = elu  (default)
    agent.clip_actions = 1  (override `agent.clip_actions=1`)
    agent.schedule = null  (override `agent.schedule=null`)
    distill.learning_rate = 0.0001  (default)
    distill.shuffle = true  (default)
    ");
}

#[test]
fn subtrees_are_written_as_yaml() {
    insta::assert_snapshot!(layers().to_yaml("agent").unwrap(), @r"
    seed: 42
    run_name: ''
    hidden_dims:
    - 64
    - 64
    - 64
    activation: elu
    clip_actions: null
    schedule: fixed
    ");
}

#[test]
fn params_of_a_run_can_be_read_back() {
    let mut changed = layers();
    changed.overrides(&["sim.dt_s=1e-5", "+env.terms.tilt=-0.1", "scene.num_envs=3"]).unwrap();
    let (_directory, path) = file(&changed.to_yaml("env").unwrap());
    let mut again = layers();
    again.file_under("env", &path).unwrap();
    assert_eq!(again.finish::<Config>().unwrap(), changed.finish().unwrap());
}

#[test]
fn keys_without_group_work_where_they_are_unique() {
    assert_eq!(with(&["scene.num_envs=2048"]).env.scene.num_envs, 2048);
    assert_eq!(with(&["sim.device=cuda:0"]).env.sim.device, "cuda:0");
    assert_eq!(with(&["hidden_dims=[1,2]"]).agent.hidden_dims, [1, 2]);
    assert_eq!(with(&["+terms.tilt=2"]).env.terms["tilt"], 2.0);
    let (_directory, path) = file("scene:\n  num_envs: 5\nlearning_rate: 0.5\n");
    let config: Config = layers().file(&path).unwrap().finish().unwrap();
    assert_eq!((config.env.scene.num_envs, config.distill.learning_rate), (5, 0.5));
    insta::assert_snapshot!(report(&rejected("seed=3")), @r"
    error: key `seed` is ambiguous: it may be `env.seed` or `agent.seed`
      --> override `seed=3`
      hint: write the full key, such as `env.seed=…`
    ");
}

#[test]
fn unknown_keys_name_the_closest_known_ones() {
    let texts = [
        "distill.learnig_rate=1",
        "learnig_rate=1",
        "agnt.seed=1",
        "env.scen.num_env=1",
        "agent.policy.hidden_dims=[1]",
        "num_envs=1",
        "agent.learning_rate=1",
        "completely.else=1",
        "+env.scene.gravity=1",
        "++distill.batch=1",
        "~env.nothing",
        "env.terms.tilt=1",
        "env.scene={num_env: 4}",
        "env.seed.x=1",
    ];
    insta::assert_snapshot!(texts.map(|text| report(&rejected(text))).concat(), @r"
    error: unknown key `learnig_rate` under `distill`
      --> override `distill.learnig_rate=1`
      hint: did you mean `distill.learning_rate`?
    error: unknown key `learnig_rate`
      --> override `learnig_rate=1`
      hint: did you mean `distill.learning_rate`?
    error: unknown key `seed` under `agnt`
      --> override `agnt.seed=1`
      hint: did you mean `agent.seed`?
    error: unknown key `num_env` under `env.scen`
      --> override `env.scen.num_env=1`
      hint: did you mean `env.scene.num_envs`?
    error: unknown key `hidden_dims` under `agent.policy`
      --> override `agent.policy.hidden_dims=[1]`
      hint: did you mean `agent.hidden_dims`?
    error: unknown key `num_envs`
      --> override `num_envs=1`
      hint: did you mean `env.scene.num_envs`?
    error: unknown key `learning_rate` under `agent`
      --> override `agent.learning_rate=1`
      hint: did you mean `distill.learning_rate`?
    error: unknown key `else` under `completely`
      --> override `completely.else=1`
      hint: the keys at the top are `env`, `agent`, `distill`
    error: unknown key `gravity` under `env.scene`
      --> override `+env.scene.gravity=1`
      hint: the keys under `env.scene` are `num_envs`
    error: unknown key `batch` under `distill`
      --> override `++distill.batch=1`
      hint: the keys under `distill` are `learning_rate`, `shuffle`
    error: unknown key `nothing` under `env`
      --> override `~env.nothing`
      hint: the keys under `env` are `scene`, `sim`, `seed`, `terms`
    error: unknown key `tilt` under `env.terms`
      --> override `env.terms.tilt=1`
      hint: to add a new key here, write `+env.terms.tilt=…`
    error: unknown key `num_env` under `env.scene`
      --> override `env.scene={num_env: 4}`
      hint: did you mean `env.scene.num_envs`?
    error: unknown key `x` under `env.seed`
      --> override `env.seed.x=1`
      hint: the keys under `env` are `scene`, `sim`, `seed`, `terms`
    ");
}

#[test]
fn values_must_fit_the_type_of_the_default() {
    let texts = [
        "scene.num_envs=many",
        "scene.num_envs=1e3",
        "scene.num_envs=true",
        "scene.num_envs=null",
        "distill.learning_rate=fast",
        "distill.shuffle=1",
        "run_name=2025",
        "hidden_dims=64",
        "hidden_dims=[64,x]",
        "agent.schedule=3",
        "env.scene=3",
        "env.scene=null",
    ];
    insta::assert_snapshot!(texts.map(|text| report(&rejected(text))).concat(), @r#"
    error: `env.scene.num_envs` = many: expected an integer, found a string
      --> override `scene.num_envs=many`
    error: `env.scene.num_envs` = 1000.0: expected an integer, found a float
      --> override `scene.num_envs=1e3`
      hint: write it without point and exponent: `env.scene.num_envs=1000`
    error: `env.scene.num_envs` = true: expected an integer, found a bool
      --> override `scene.num_envs=true`
    error: `env.scene.num_envs` = null: expected an integer, found null
      --> override `scene.num_envs=null`
    error: `distill.learning_rate` = fast: expected a float, found a string
      --> override `distill.learning_rate=fast`
    error: `distill.shuffle` = 1: expected a bool (true or false), found an integer
      --> override `distill.shuffle=1`
    error: `agent.run_name` = 2025: expected a string, found an integer
      --> override `run_name=2025`
      hint: quote it twice, once for the shell: "agent.run_name='2025'"
    error: `agent.hidden_dims` = 64: expected a list, each item an integer, found an integer
      --> override `hidden_dims=64`
      hint: write one item as `agent.hidden_dims=[64]`
    error: `agent.hidden_dims` = [64,x]: expected a list, each item an integer, found a list
      --> override `hidden_dims=[64,x]`
    error: `agent.schedule` = 3: expected a string or null, found an integer
      --> override `agent.schedule=3`
      hint: quote it twice, once for the shell: "agent.schedule='3'"
    error: `env.scene` = 3: expected a table, found an integer
      --> override `env.scene=3`
    error: `env.scene` = null: expected a table, found null
      --> override `env.scene=null`
    "#);
}

#[test]
fn integers_and_floats_convert_only_without_loss() {
    let config =
        with(&["learning_rate=1", "sim.dt_s=0.1", "terms.alive=2", "run_name='2025'", "hidden_dims=[]"]);
    assert_eq!(
        (config.distill.learning_rate, config.env.sim.dt_s, config.env.terms["alive"]),
        (1.0, 0.1, 2.0)
    );
    assert_eq!((config.agent.run_name.as_str(), config.agent.hidden_dims.len()), ("2025", 0));
}

#[test]
fn options_take_null_and_a_value() {
    let config = with(&["clip_actions=0.5", "schedule=null"]);
    assert_eq!((config.agent.clip_actions, config.agent.schedule), (Some(0.5), None));
    assert_eq!(with(&["~agent.schedule"]).agent.schedule, None);
    assert_eq!(with(&["~agent.schedule=fixed"]).agent.schedule, None);
}

#[test]
fn maps_take_new_keys_and_structs_do_not() {
    let config = with(&["+env.terms.tilt=-0.1", "++env.terms.alive=3", "++env.terms.effort=1"]);
    assert_eq!(config.env.terms.len(), 3);
    assert_eq!(config.env.terms["alive"], 3.0);
    assert!(with(&["~env.terms.alive"]).env.terms.is_empty());
    assert_eq!(with(&["+env.terms={tilt: 1, spin: 2}"]).env.terms.len(), 3);
    let error = rejected("env.terms.tilt=1");
    assert!(matches!(error, ConfigError::UnknownKey { known, .. } if known.is_open));
    let (_directory, path) = file("env:\n  terms:\n    tilt: -0.5\n");
    let config: Config = layers().file(&path).unwrap().finish().unwrap();
    assert_eq!(config.env.terms["tilt"], -0.5);
}

#[test]
fn marked_tables_take_new_keys() {
    let mut layers = layers();
    layers.free_form("env.scene").unwrap().overrides(&["+env.scene.extra=[1,2]"]).unwrap();
    assert_eq!(layers.get("scene.extra").unwrap().to_string(), "[1,2]");
}

#[test]
fn additions_and_removals_that_make_no_sense_are_errors() {
    let texts = ["+env.seed=1", "+env.terms.alive=2", "~env.seed", "~agent.schedule=adaptive"];
    insta::assert_snapshot!(texts.map(|text| report(&rejected(text))).concat(), @r"
    error: cannot add `env.seed`: it is already 42
      --> override `+env.seed=1`
      hint: to change it, write `env.seed=…` or `++env.seed=…`
    error: cannot add `env.terms.alive`: it is already 1.0
      --> override `+env.terms.alive=2`
      hint: to change it, write `env.terms.alive=…` or `++env.terms.alive=…`
    error: cannot remove `env.seed`: it is neither optional nor in a free-form table
      --> override `~env.seed`
    error: cannot remove `agent.schedule`: it is fixed, not adaptive
      --> override `~agent.schedule=adaptive`
    ");
}

#[test]
fn errors_in_files_have_a_place() {
    let files = [
        "distill:\n  shuffle: true\n  learnig_rate: 1.0e-3\n",
        "env:\n  scene:\n    num_envs: many\n",
        "sceen:\n  num_envs: 4\n",
        "env: [1, 2\n",
        "env:\n  seed: 1\n  seed: 2\n",
        "- 1\n",
        "agent:\n  activation: rellu\n",
        "env:\n  seed: -1\n",
        "env:\n  terms:\n    tilt: steep\n",
        "agent:\n  seed: 1\nseed: 3\n",
    ];
    insta::assert_snapshot!(files.map(rejected_file).concat(), @r#"
    error: unknown key `learnig_rate` under `distill`
      --> hover.yaml:3:3
      hint: did you mean `distill.learning_rate`?
    error: `env.scene.num_envs` = many: expected an integer, found a string
      --> hover.yaml:3:15
    error: unknown key `sceen`
      --> hover.yaml:1:1
      hint: did you mean `env.scene`?
    error: not valid YAML: unclosed bracket '['
      --> hover.yaml:1:6
    error: not valid YAML: duplicate mapping key `seed` is not allowed here
      --> hover.yaml:3:3
    error: not valid YAML: expected `key: value` lines at the top level
      --> hover.yaml:1:1
    error: `agent.activation`: unknown choice `rellu`, expected one of `elu`, `relu`, `tanh`
      --> hover.yaml:2:15
      hint: did you mean `relu`?
    error: `env.seed`: invalid value: integer `-1`, expected u64
      --> hover.yaml:2:9
    error: `env.terms.tilt`: invalid type: string "steep", expected f32
      --> hover.yaml:3:5
    error: key `seed` is ambiguous: it may be `env.seed` or `agent.seed`
      --> hover.yaml:3:1
      hint: write the full key, such as `env.seed=…`
    "#);
    let error = layers().file("/none.yaml").unwrap_err();
    assert_eq!(error.to_string(), "cannot read configuration `/none.yaml`");
}

#[test]
fn variants_in_files_replace_each_other() {
    #[derive(Serialize, Deserialize)]
    struct Task {
        target: Target,
    }
    let (_directory, path) = file("target:\n  Circle:\n    radius_m: 2\n");
    for start in [Target::Hover, Target::Circle { radius_m: 1.0 }, Target::Point([0.0; 3])] {
        let task: Task = Layers::new(&Task { target: start }).unwrap().file(&path).unwrap().finish().unwrap();
        assert_eq!(task.target, Target::Circle { radius_m: 2.0 });
    }
}

#[test]
fn foreign_params_are_read_with_their_python_tags() {
    let (_directory, path) = file("sim:\n  gravity: !!python/tuple\n  - 0.0\n  - -9.81\n  dt: 1.0e-02\n");
    let params = Value::read_yaml(&path).unwrap();
    assert_eq!(params.get("sim.gravity").unwrap().to_string(), "[0.0,-9.81]");
    assert_eq!(params.get("sim.dt"), Some(&Value::Float(0.01)));
}

#[test]
fn empty_files_change_nothing() {
    let (_directory, path) = file("# nothing yet\n");
    assert_eq!(layers().file(&path).unwrap().finish::<Config>().unwrap(), Config::default());
}

#[test]
fn files_read_numbers_as_yaml_1_2_does() {
    let (_directory, path) =
        file("distill:\n  learning_rate: 1e-4\nagent:\n  run_name: no\n  clip_actions: .inf\n");
    let config: Config = layers().file(&path).unwrap().finish().unwrap();
    assert_eq!((config.distill.learning_rate, config.agent.run_name.as_str()), (1e-4, "no"));
    assert_eq!(config.agent.clip_actions, Some(f32::INFINITY));
}

#[test]
fn single_precision_defaults_print_as_written() {
    assert_eq!(layers().get("sim.dt_s").unwrap().to_string(), "0.01");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Target {
    Hover,
    Circle { radius_m: f64 },
    Point([f64; 3]),
}

#[test]
fn enums_with_content_change_their_variant() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Task {
        target: Target,
    }
    let set = |start: Target, text: &str| -> Result<Target, ConfigError> {
        let mut layers = Layers::new(&Task { target: start })?;
        Ok(layers.overrides(&[text])?.finish::<Task>()?.target)
    };
    let circle = || Target::Circle { radius_m: 1.0 };
    assert_eq!(set(circle(), "target.Circle.radius_m=2").unwrap(), Target::Circle { radius_m: 2.0 });
    assert_eq!(set(Target::Point([0.0; 3]), "target.Point=[1,2,3]").unwrap(), Target::Point([1.0, 2.0, 3.0]));
    assert_eq!(set(circle(), "target=Hover").unwrap(), Target::Hover);
    assert_eq!(
        set(Target::Hover, "target={Circle: {radius_m: 3}}").unwrap(),
        Target::Circle { radius_m: 3.0 }
    );
    let error = set(Target::Point([0.0; 3]), "target.Point=[1,2]").unwrap_err();
    assert_eq!(error.to_string(), "`target.Point`: invalid length 2, expected an array of length 3");
    let error = set(circle(), "target=Hovr").unwrap_err();
    assert_eq!(error.hint().unwrap(), "did you mean `Hover`?");
}
