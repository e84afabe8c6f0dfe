//! What Eyas makes of a command line is what Hydra makes of it: `tests/data/hydra/overrides.jsonl` holds the answers of
//! hydra-core 1.3.2, `ask_hydra.py` beside it has asked for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eyas_run::config::Library;
use eyas_run::{ConfigError, Layers, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::python;

/// The schema of `ask_hydra.py`.
#[derive(Serialize, Deserialize)]
struct Config {
    env: Env,
    agent: Agent,
    extras: BTreeMap<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Env {
    scene: Scene,
    sim: Sim,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
struct Scene {
    num_envs: u32,
}

#[derive(Serialize, Deserialize)]
struct Sim {
    device: String,
    dt_s: f64,
}

#[derive(Serialize, Deserialize)]
struct Agent {
    seed: u64,
    run_name: String,
    hidden_dims: Vec<usize>,
    learning_rate: f64,
    clip_actions: Option<f64>,
    shuffle: bool,
}

fn defaults() -> Config {
    Config {
        env: Env { scene: Scene { num_envs: 512 }, sim: Sim { device: "cpu".into(), dt_s: 0.01 }, seed: 42 },
        agent: Agent {
            seed: 42,
            run_name: String::new(),
            hidden_dims: vec![64, 64],
            learning_rate: 1e-3,
            clip_actions: None,
            shuffle: true,
        },
        extras: BTreeMap::new(),
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hydra").join(name)
}

/// Every value of a configuration by its full key, as `ask_hydra.py` spells it.
fn leaves(config: &str, overrides: &[String]) -> Result<BTreeMap<String, serde_json::Value>, ConfigError> {
    let library = Library::default().with_folder(data("conf"));
    let mut layers = Layers::new(&defaults())?;
    layers.compose(&library, Some(config), overrides)?;
    let tree = Value::of(&layers.finish::<Config>()?)?;
    let mut found = BTreeMap::new();
    visit(&tree, "", &mut found);
    Ok(found)
}

fn visit(value: &Value, key: &str, found: &mut BTreeMap<String, serde_json::Value>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                visit(value, &key, found);
            }
        }
        value => _ = found.insert(key.to_owned(), plain(value)),
    }
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Float(float) if float.is_nan() => json!({ "float": "nan" }),
        Value::Float(float) if float.is_infinite() => json!({ "float": float.to_string() }),
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Line {
    #[serde(default = "Line::config")]
    config: String,
    overrides: Vec<String>,
    changed: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    removed: Vec<String>,
    refused: Option<String>,
}

impl Line {
    fn config() -> String {
        "config".into()
    }
}

fn lines(text: &str) -> Vec<Line> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What Eyas makes of a line; the error is for people.
fn ours(
    config: &str,
    overrides: &[String],
    base: &BTreeMap<String, serde_json::Value>,
) -> Result<(BTreeMap<String, serde_json::Value>, Vec<String>), ConfigError> {
    let mut found = leaves(config, overrides)?;
    let removed = base.keys().filter(|key| !found.contains_key(*key)).cloned().collect();
    found.retain(|key, value| base.get(key) != Some(value));
    Ok((found, removed))
}

#[test]
fn eyas_and_hydra_agree_on_the_tree_or_on_refusal() {
    let base = leaves("config", &[]).unwrap();
    let lines = lines(&std::fs::read_to_string(data("overrides.jsonl")).unwrap());
    let (accepted, refused): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.changed.is_some());
    assert!(accepted.len() > 200 && refused.len() > 100, "{} and {}", accepted.len(), refused.len());
    let mut differences = Vec::new();
    for line in &lines {
        let Line { config, overrides, changed, removed, refused } = line;
        match (ours(config, overrides, &base), changed) {
            (Ok((own, gone)), Some(changed)) if own == *changed && gone == *removed => {}
            (Err(_), None) => {}
            (Ok(own), _) => differences.push(format!(
                "{config} {overrides:?}\n  hydra {changed:?} {removed:?} {refused:?}\n  eyas  {own:?}"
            )),
            (Err(error), _) => differences
                .push(format!("{config} {overrides:?}\n  hydra {changed:?} {removed:?}\n  eyas  {error}")),
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn hydra_still_answers_what_the_table_says() {
    let table = data("overrides.jsonl");
    let script = std::fs::read_to_string(data("ask_hydra.py")).unwrap();
    let script = script.replace("__file__", &format!("{:?}", data("ask_hydra.py").display().to_string()));
    let Some(answers) = python::run("hydra", &script, &[table.to_str().unwrap()]) else { return };
    for (told, stored) in lines(&answers).iter().zip(lines(&std::fs::read_to_string(table).unwrap())) {
        assert_eq!(*told, stored);
    }
}
