//! `eyas config`: what can be configured.

use std::io::Write as _;
use std::process::ExitCode;

use eyas_learn::distill::DistillConfig;
use eyas_learn::ppo;
use eyas_run::config::{ManualEntry, Setting, closest};
use eyas_run::{Layers, Value};
use schemars::JsonSchema;
use serde::Serialize;

use crate::any_task::{AnyTask, for_task};
use crate::arguments::{Config, ConfigCommand};
use crate::command::fleet::FleetConfig;
use crate::command::train::unknown_algorithm;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::learner::Recipe;

/// Every key there is for a task and an algorithm.
#[derive(Serialize, JsonSchema)]
struct Keys<T, A> {
    env: T,
    agent: A,
    distill: DistillConfig,
    fleet: FleetConfig,
}

pub(crate) fn run(arguments: &Config) -> Result<ExitCode, Failure> {
    let ConfigCommand::List { prefix, task, algorithm, json } = &arguments.command;
    let layers = for_task!(AnyTask::find(task)?, |base| layers_of(base, algorithm.as_deref())?);
    let all = layers.provenance()?;
    let settings: Vec<&Setting> = all.iter().filter(|it| is_below(&it.key, prefix)).collect();
    if settings.is_empty() {
        let tables = all.iter().flat_map(|it| it.key.match_indices('.').map(|(end, _)| &it.key[..end]));
        let names = tables.chain(all.iter().map(|it| it.key.as_str()));
        let hint = match closest(prefix, names).into_iter().next() {
            Some(name) => format!("did you mean `{name}`?"),
            None => "the keys begin with env, agent, distill and fleet".into(),
        };
        return Err(Failure::new(format!("no key begins with `{prefix}`")).hint(hint));
    }
    let mut out = std::io::stdout().lock();
    if *json {
        let list: Vec<Described> =
            settings.iter().map(|it| Described::new(it, layers.manual().get(&it.key))).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&list).map_err(Failure::new)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for setting in settings {
        write!(out, "{}", describe(setting, layers.manual().get(&setting.key)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn layers_of<T: Flyable>(env: T, algorithm: Option<&str>) -> Result<Layers, Failure> {
    match algorithm.unwrap_or(T::ALGORITHM) {
        "apg" => keys::<T, T::Gradient>(env),
        "ppo" => keys::<T, ppo::RunnerConfig>(env),
        other => Err(unknown_algorithm(other)),
    }
}

fn keys<T: Flyable, A: Recipe<T>>(env: T) -> Result<Layers, Failure> {
    Ok(Layers::documented(&Keys {
        env,
        agent: A::default(),
        distill: DistillConfig::default(),
        fleet: FleetConfig::default(),
    })?)
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
    unit: &'a str,
    range: &'a str,
    choices: &'a [String],
    meaning: &'a str,
}

impl<'a> Described<'a> {
    fn new(setting: &'a Setting, entry: Option<&'a ManualEntry>) -> Self {
        let text = |of: fn(&ManualEntry) -> &String| entry.map_or("", |it| of(it).as_str());
        Self {
            key: &setting.key,
            default: &setting.value,
            unit: text(|it| &it.unit),
            range: text(|it| &it.range),
            choices: entry.map_or(&[], |it| it.choices.as_slice()),
            meaning: text(|it| &it.meaning),
        }
    }
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
    use eyas_env::{TaskInfo, tasks};
    use eyas_run::Origin;

    use super::*;

    #[test]
    fn every_key_is_documented() {
        let each = |task: &'static TaskInfo| ["apg", "ppo"].map(|algorithm| (task.id, algorithm));
        for (id, algorithm) in tasks().iter().flat_map(each) {
            let task = AnyTask::find(id).expect("it is registered");
            let layers = for_task!(task, |base| layers_of(base, Some(algorithm)));
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

    /// The documentation is what `config list` prints: it must not promise a range that nothing checks.
    #[test]
    fn documented_ranges_are_checked() {
        fn refuses<T: Flyable, A: Recipe<T>>(env: &T, key: &str, value: f64) -> bool {
            let mut layers = keys::<T, A>(env.clone()).expect("the defaults are a configuration");
            let is_integer = matches!(layers.get(key), Some(eyas_run::Value::Int(_)));
            let set = if is_integer {
                layers.set(key, value as i64, Origin::flag("test")).is_ok()
            } else {
                layers.set(key, value, Origin::flag("test")).is_ok()
            };
            let group = key.split('.').next().unwrap_or_default();
            let checked = match group {
                "env" => layers.section::<T>("env").map(|it| it.validate()),
                "agent" => layers.section::<A>("agent").map(|it| it.validate()),
                "distill" => layers.section::<DistillConfig>("distill").map(|it| it.validate()),
                _ => layers.section::<FleetConfig>("fleet").map(|it| it.validate()),
            };
            !set || !matches!(checked, Ok(Ok(())))
        }
        fn all<T: Flyable, A: Recipe<T>>(env: &T, unchecked: &mut Vec<String>) -> usize {
            let layers = keys::<T, A>(env.clone()).expect("the defaults are a configuration");
            let mut tried = 0;
            for Setting { key, value, .. } in layers.provenance().expect("they hold no interpolation") {
                let is_number = matches!(value, eyas_run::Value::Int(_) | eyas_run::Value::Float(_));
                let range = layers.manual().get(&key).map(|it| it.range.clone()).unwrap_or_default();
                for value in outside(&range).into_iter().filter(|_| is_number) {
                    tried += 1;
                    if !refuses::<T, A>(env, &key, value) {
                        unchecked.push(format!("{key} = {value}, but {range}"));
                    }
                }
            }
            tried
        }
        fn both<T: Flyable>(env: &T, unchecked: &mut Vec<String>) -> usize {
            all::<T, T::Gradient>(env, unchecked) + all::<T, ppo::RunnerConfig>(env, unchecked)
        }
        let mut unchecked = Vec::new();
        let mut tried = 0;
        for task in tasks() {
            let task = AnyTask::find(task.id).expect("it is registered");
            tried += for_task!(task, |base| both(&base, &mut unchecked));
        }
        assert!(tried > 100, "{tried}");
        assert!(unchecked.is_empty(), "{}", unchecked.join("\n"));
    }
}
