//! Interpolations stand for what they refer to when all layers are there; what they cannot stand for has a place.

use std::fs;

use eyas_run::config::{Layers, Manual};
use eyas_run::{ConfigError, Origin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A training.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Config {
    env: Env,
    agent: Agent,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Env {
    /// Length of an episode, s. Positive.
    episode_length_s: f64,
    /// Envs side by side. At least 1.
    num_envs: u32,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
struct Agent {
    /// Seed of every draw.
    seed: u64,
    /// Suffix of the run's folder.
    run_name: String,
    /// Which activation.
    activation: Activation,
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Activation {
    /// Smooth.
    #[default]
    Elu,
    /// Not.
    Relu,
}

fn layers() -> Layers {
    Layers::documented(&Config::default()).unwrap()
}

fn report(error: &ConfigError) -> String {
    let origin = error.origin().map_or_else(String::new, |origin| format!("\n  --> {origin}"));
    let hint = error.hint().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
    format!("error: {error}{origin}{hint}\n")
}

#[test]
fn a_value_keeps_the_origin_of_its_interpolation() {
    let mut layers = layers();
    layers.overrides(&["agent.seed=${env.num_envs}", "env.num_envs=8"]).unwrap();
    let settings = layers.provenance().unwrap();
    let seed = settings.iter().find(|it| it.key == "agent.seed").unwrap();
    assert_eq!(seed.value.to_string(), "8");
    assert_eq!(seed.origin, Origin::Override("agent.seed=${env.num_envs}".into()));
    assert_eq!(layers.unresolved("agent.seed").unwrap().to_string(), "'${env.num_envs}'");
    assert_eq!(layers.finish::<Config>().unwrap().agent.seed, 8);
    assert_eq!(layers.section::<Agent>("agent").unwrap().seed, 8);
    assert!(layers.to_yaml("agent").unwrap().starts_with("seed: 8\n"));
}

#[test]
fn errors_of_interpolations_have_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hover.yaml");
    let texts = [
        "agent:\n  seed: ${agent.sead}\n",
        "agent:\n  seed: ${agent.run_name}\n  run_name: ${agent.seed}\n",
        "agent:\n  run_name: fast\n  seed: ${.run_name}\n",
        "env:\n  num_envs: ${oc.env:EYAS_NOT_SET}\n",
        "env:\n  num_envs: ???\n",
        "env:\n  num_envs: ${now:%Y}\n",
        "env:\n  episode_length_s: long\n",
        "env:\n  num_envs: 1.5\n",
    ];
    let reports = texts.map(|text| {
        fs::write(&path, text).unwrap();
        let mut layers = layers();
        let error = match layers.file(&path) {
            Ok(layers) => layers.finish::<Config>().err().unwrap(),
            Err(error) => error,
        };
        report(&error).replace(&format!("{}/", folder.path().display()), "")
    });
    insta::assert_snapshot!(reports.concat(), @r"
    error: `agent.seed` = '${agent.sead}': there is no key `agent.sead`
      --> hover.yaml:2:9
    error: `agent.seed` = '${agent.run_name}': it refers to itself: agent.seed → agent.run_name → agent.seed
      --> hover.yaml:2:9
    error: `agent.seed` = '${.run_name}': it stands for fast, expected an integer
      --> hover.yaml:3:9
    error: `env.num_envs` = '${oc.env:EYAS_NOT_SET}': environment variable `EYAS_NOT_SET` is not set
      --> hover.yaml:2:13
    error: `env.num_envs` = '???': the value is missing and must be given
      --> hover.yaml:2:13
    error: `env.num_envs` = '${now:%Y}': no resolver `now`: there are oc.env, oc.select and oc.decode
      --> hover.yaml:2:13
    error: `env.episode_length_s` = long: expected a float in s, positive, found a string
      --> hover.yaml:2:21
    error: `env.num_envs` = 1.5: expected an integer, at least 1, found a float
      --> hover.yaml:2:13
    ");
}

#[test]
fn hostile_interpolations_are_errors_and_not_crashes() {
    let nested = format!("agent.run_name='{}x{}'", "${a.".repeat(5000), "}".repeat(5000));
    let many = format!("agent.run_name='{}'", "${".repeat(5000));
    for text in [nested, many] {
        let mut layers = layers();
        layers.overrides(&[text]).unwrap();
        assert!(matches!(layers.finish::<Config>(), Err(ConfigError::Interpolation { .. })));
    }
}

#[test]
fn a_manual_is_read_off_the_types() {
    let manual = Manual::of::<Config>();
    let length = manual.get("env.episode_length_s").unwrap();
    assert_eq!(
        (length.meaning.as_str(), length.unit.as_str(), length.range.as_str()),
        ("Length of an episode", "s", "positive")
    );
    assert_eq!(manual.get("agent.activation").unwrap().choices, ["elu", "relu"]);
    assert!(manual.get("agent.nothing").is_none());
}
