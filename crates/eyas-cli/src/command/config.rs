//! `eyas config`: what can be configured.

use std::io::Write as _;
use std::process::ExitCode;

use eyas::Failure;
use eyas::fleet::FleetConfig;
use eyas::tasks::{self, AnyTask};
use eyas_env::Manager;
use eyas_learn::TortureConfig;
use eyas_learn::distill::DistillConfig;
use eyas_run::Layers;
use eyas_run::config::{ManualEntry, Setting, Value, closest};
use serde::Serialize;

use crate::arguments::{Config, ConfigCommand};

pub(crate) fn run(arguments: &Config) -> Result<ExitCode, Failure> {
    let ConfigCommand::List { prefix, task, algorithm, json } = &arguments.command;
    let layers = layers_of(tasks::find(task)?.as_ref(), algorithm.as_deref())?;
    let all = layers.provenance()?;
    let settings: Vec<&Setting> = all.iter().filter(|it| is_below(&it.key, prefix)).collect();
    if settings.is_empty() {
        let tables = all.iter().flat_map(|it| it.key.match_indices('.').map(|(end, _)| &it.key[..end]));
        let names = tables.chain(all.iter().map(|it| it.key.as_str()));
        let hint = match closest(prefix, names).into_iter().next() {
            Some(name) => format!("did you mean `{name}`?"),
            None => "the keys begin with env, agent, distill, fleet and torture".into(),
        };
        return Err(Failure::new(format!("no key begins with `{prefix}`")).hint(hint));
    }
    let entry_of = |key: &str| parameter_of(&layers, key).or_else(|| layers.manual().get(key).cloned());
    let mut out = std::io::stdout().lock();
    if *json {
        let list: Vec<Described> = settings.iter().map(|it| Described::new(it, entry_of(&it.key))).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&list).map_err(Failure::new)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for setting in settings {
        write!(out, "{}", describe(setting, entry_of(&setting.key).as_ref()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every key there is for a task and an algorithm.
fn layers_of(task: &dyn AnyTask, algorithm: Option<&str>) -> Result<Layers, Failure> {
    let trainer = task.trainer(algorithm.map_or_else(|| Ok(task.algorithm()), str::parse)?)?;
    Ok(Layers::of_groups([
        ("env", task.layers()?),
        ("agent", trainer.layers()?),
        ("distill", Layers::documented(&DistillConfig::default())?),
        ("fleet", Layers::documented(&FleetConfig::default())?),
        ("torture", Layers::documented(&TortureConfig::default())?),
    ]))
}

/// Whether a key is the one asked for, or below it, with or without its group.
fn is_below(key: &str, prefix: &str) -> bool {
    let starts = |key: &str| {
        key.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || prefix.is_empty())
    };
    starts(key) || key.split_once('.').is_some_and(|(_, bare)| starts(bare))
}

/// A key for programs; texts are empty where there is nothing to say.
#[derive(Serialize)]
struct Described<'a> {
    key: &'a str,
    default: &'a Value,
    unit: String,
    range: String,
    choices: Vec<String>,
    meaning: String,
}

impl<'a> Described<'a> {
    fn new(setting: &'a Setting, entry: Option<ManualEntry>) -> Self {
        let ManualEntry { meaning, unit, range, choices } = entry.unwrap_or_default();
        Self { key: &setting.key, default: &setting.value, unit, range, choices, meaning }
    }
}

/// What the registry says of a key that is a parameter of a term.
fn parameter_of(layers: &Layers, key: &str) -> Option<ManualEntry> {
    let (term, name) = key.rsplit_once(".params.")?;
    let manager = Manager::ALL.into_iter().find(|it| term.starts_with(&format!("env.{}.", it.key())))?;
    let Some(Value::String(func)) = layers.get(&format!("{term}.func")) else { return None };
    let parameter = manager.find(&func)?.parameters.iter().find(|it| it.name == name)?;
    let unit = if parameter.unit == "1" { "" } else { parameter.unit };
    Some(ManualEntry {
        meaning: parameter.meaning.into(),
        unit: unit.into(),
        range: parameter.kind.to_string(),
        choices: Vec::new(),
    })
}

/// The key with its default, unit and range, and its meaning on a line of its own.
fn describe(setting: &Setting, entry: Option<&ManualEntry>) -> String {
    let Some(ManualEntry { meaning, unit, range, choices }) = entry else {
        return format!("{} = {}\n", setting.key, setting.value);
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
    let choices = if choices.is_empty() { String::new() } else { format!("  one of {}", choices.join(", ")) };
    let range = if range.is_empty() { choices } else { format!("  {range}") };
    format!("{} = {}{unit}{range}\n    {meaning}\n", setting.key, setting.value)
}

#[cfg(test)]
mod tests {
    use eyas_env::TaskInfo;
    use eyas_run::{Origin, Value};

    use super::*;
    use eyas::learner::Algorithm;

    #[test]
    fn every_key_is_documented() {
        let each = |task: &'static TaskInfo| [None, Some("ppo")].map(|algorithm| (task.id, algorithm));
        for (id, algorithm) in eyas_env::tasks().iter().flat_map(each) {
            let task = tasks::find(id).expect("it is registered");
            let layers = layers_of(task.as_ref(), algorithm);
            let layers = layers.expect("the defaults are a configuration");
            for Setting { key, .. } in layers.provenance().expect("they hold no interpolation") {
                let entry = layers.manual().get(&key);
                assert!(entry.is_some_and(|it| !it.meaning.is_empty()), "{key}");
            }
        }
    }

    /// A value just outside of the range that the documentation of a number states.
    fn outside(range: &str) -> Vec<f64> {
        let number = |text: &str| text.trim().parse::<f64>().ok();
        if range.starts_with("positive") {
            vec![0.0, -1.0]
        } else if let Some(least) =
            range.strip_prefix("at least ").and_then(|it| number(it.split(',').next()?))
        {
            vec![least - 1.0]
        } else if let Some(most) = range.strip_prefix("at most ").and_then(number) {
            vec![most + 1.0]
        } else if let Some((low, high)) = range
            .strip_prefix("in ")
            .and_then(|it| it.split(']').next()?.split(')').next()?.get(1..)?.split_once(','))
        {
            [number(low).map(|it| it - 0.1), number(high).map(|it| it + 0.1)].into_iter().flatten().collect()
        } else {
            Vec::new()
        }
    }

    /// Two numbers just outside of the range that their documentation states: not ascending, or one beyond a limit.
    fn pairs_outside(range: &str) -> Vec<[f64; 2]> {
        let Some(limits) = range.strip_prefix("ascending") else { return Vec::new() };
        let limit = |name: &str| limits.split(name).nth(1)?.split(',').next()?.trim().parse::<f64>().ok();
        let beyond = [limit("at least").map(|it| [it - 1.0, it]), limit("at most").map(|it| [it, it + 1.0])];
        [[2.0, 1.0]].into_iter().chain(beyond.into_iter().flatten()).collect()
    }

    /// Values of the type of a key's own that its documentation excludes.
    fn values_outside(own: &Value, range: &str) -> Vec<Value> {
        let like = |own: &Value, value: f64| match own {
            Value::Int(_) => Value::from(value as i64),
            _ => Value::from(value),
        };
        match own {
            Value::Int(_) | Value::Float(_) => outside(range).into_iter().map(|it| like(own, it)).collect(),
            Value::List(pair) if pair.len() == 2 => {
                let pairs = pairs_outside(range).into_iter();
                pairs.map(|it| Value::List(it.map(|value| like(&pair[0], value)).to_vec())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The documentation is what `config list` prints: it must not promise a range that nothing checks.
    #[test]
    fn documented_ranges_are_checked() {
        fn refuses(task: &dyn AnyTask, algorithm: Algorithm, key: &str, value: Value) -> bool {
            let trainer = task.trainer(algorithm).expect("the task has it");
            let mut layers =
                layers_of(task, Some(name_of(algorithm))).expect("the defaults are a configuration");
            let set = layers.set(key, value, Origin::flag("test")).is_ok();
            let group = key.split('.').next().unwrap_or_default();
            let checked = match group {
                "env" => task.read(&layers).map(|it| it.validate()),
                "agent" => trainer.read(&layers).map(|it| it.validate()),
                "distill" => layers.section::<DistillConfig>("distill").map(|it| it.validate()),
                "fleet" => layers.section::<FleetConfig>("fleet").map(|it| it.validate()),
                _ => layers.section::<TortureConfig>("torture").map(|it| it.validate()),
            };
            !set || !matches!(checked, Ok(Ok(())))
        }
        fn all(task: &dyn AnyTask, algorithm: Algorithm, unchecked: &mut Vec<String>) -> usize {
            let layers = layers_of(task, Some(name_of(algorithm))).expect("the defaults are a configuration");
            let mut tried = 0;
            for Setting { key, value, .. } in layers.provenance().expect("they hold no interpolation") {
                let range = layers.manual().get(&key).map(|it| it.range.clone()).unwrap_or_default();
                for value in values_outside(&value, &range) {
                    tried += 1;
                    if !refuses(task, algorithm, &key, value.clone()) {
                        unchecked.push(format!("{key} = {value:?}, but {range}"));
                    }
                }
            }
            tried
        }
        fn name_of(algorithm: Algorithm) -> &'static str {
            match algorithm {
                Algorithm::Apg => "apg",
                Algorithm::Ppo => "ppo",
            }
        }
        let mut unchecked = Vec::new();
        let mut tried = 0;
        for info in eyas_env::tasks() {
            let task = tasks::find(info.id).expect("it is registered");
            let task = task.as_ref();
            for algorithm in [Algorithm::Apg, Algorithm::Ppo] {
                if task.trainer(algorithm).is_ok() {
                    tried += all(task, algorithm, &mut unchecked);
                }
            }
        }
        assert!(tried > 100, "{tried}");
        assert!(unchecked.is_empty(), "{}", unchecked.join("\n"));
    }
}
