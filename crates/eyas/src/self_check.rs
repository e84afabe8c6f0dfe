//! A short flight of a teacher that shows whether its file was read as it was meant.

use std::path::Path;

use eyas_formats::{Checkpoint, LoadOptions, LoadedPolicy, NormalizerChoice, OutputChoice};
use eyas_learn::{Actor, OnNan, Summary, evaluate};
use eyas_policy::{Activation, Output};

use crate::failure::Failure;
use crate::observer::Observer;
use crate::tasks::AnyTask;

/// Episodes and steps.
const FLIGHT: (usize, u32) = (256, 500);
/// Its starts are those of no training.
const SEED: u64 = 0x5e1f;
/// A teacher that crashes more often is suspect. One that rsl_rl trained crashes in 1 to 3 % of the episodes, the
/// same without its normaliser in 37 %.
const SUSPICIOUS_CRASH_RATE: f64 = 0.2;

/// Flies the teacher and, where that goes badly, the other readings of its file; says which flags fly better.
pub(crate) fn self_check(
    env: &dyn AnyTask,
    loaded: &LoadedPolicy,
    options: &LoadOptions,
    path: &Path,
    observer: &mut dyn Observer,
) -> Result<(), Failure> {
    let (episodes, steps) = FLIGHT;
    let as_read = fly(env, loaded)?;
    observer.line(&format!(
        "[INFO] Teacher self-check, {episodes} episodes of {steps} steps: mean return {:.1}, {:.1} % crashed",
        as_read.mean_return,
        100.0 * as_read.crash_rate
    ))?;
    if !as_read.mean_return.is_finite() {
        return Err(Failure::new("the teacher's return is not finite").at(&path.display()));
    }
    if as_read.crash_rate > SUSPICIOUS_CRASH_RATE || as_read.mean_return <= 0.0 {
        let comparison = compare(env, loaded, options, path, &as_read)?;
        observer.warning(&warning(path, loaded, &as_read, &comparison));
    }
    Ok(())
}

fn fly(env: &dyn AnyTask, loaded: &LoadedPolicy) -> Result<Summary, Failure> {
    let (episodes, steps) = FLIGHT;
    let mut env = env.make(episodes, SEED);
    // A reading whose actions are no numbers is one that crashes.
    env.set_on_nan(OnNan::Reset);
    let actor = Actor::new(&loaded.policy, env.spec())?;
    Ok(evaluate(env.as_mut(), &actor, None, steps)?.summary())
}

/// Another way to read the file: the flags that ask for it.
struct Reading {
    flags: Vec<String>,
    options: LoadOptions,
}

/// How the other readings of a file fly.
#[derive(Default)]
struct Comparison {
    /// The best that flies clearly better than the one at hand.
    better: Option<(Reading, Summary)>,
    /// The single flags that were tried.
    tried: Vec<String>,
}

/// Flies all other readings.
fn compare(
    env: &dyn AnyTask,
    loaded: &LoadedPolicy,
    options: &LoadOptions,
    path: &Path,
    as_read: &Summary,
) -> Result<Comparison, Failure> {
    let checkpoint = Checkpoint::read(path)?;
    let mut comparison = Comparison::default();
    for reading in other_readings(loaded, options) {
        // What the file does not allow is no way to read it.
        let Ok(other) = checkpoint.policy(&reading.options) else { continue };
        if other.policy == loaded.policy {
            continue;
        }
        let Ok(summary) = fly(env, &other) else { continue };
        if let [flag] = &reading.flags[..] {
            comparison.tried.push(flag.clone());
        }
        let rival = comparison.better.as_ref().map_or(as_read, |(_, summary)| summary);
        // Twice both confidence intervals: the best of a dozen must not win by luck.
        let margin = 2.0 * (summary.ci95_return + rival.ci95_return);
        if summary.mean_return > rival.mean_return + margin && summary.crash_rate < rival.crash_rate {
            comparison.better = Some((reading, summary));
        }
    }
    Ok(comparison)
}

/// Every combination of what the loader may have got wrong, those of fewer flags first.
fn other_readings(loaded: &LoadedPolicy, options: &LoadOptions) -> Vec<Reading> {
    let output = match loaded.policy.output {
        Output::Identity => Some(("tanh", OutputChoice::Tanh)),
        Output::Tanh => Some(("identity", OutputChoice::Identity)),
        Output::Beta => None,
    };
    let outputs = [None, output];
    let normalizer = if loaded.policy.normalizer.is_some() {
        ("off", NormalizerChoice::Off)
    } else {
        ("auto", NormalizerChoice::Auto)
    };
    let normalizers = [None, (options.normalizer != normalizer.1).then_some(normalizer)];
    let present = loaded.policy.network.architecture.activation;
    let others =
        [Activation::Elu, Activation::Relu, Activation::Tanh].into_iter().filter(|it| *it != present);
    let activations: Vec<Option<Activation>> = std::iter::once(None).chain(others.map(Some)).collect();

    let mut readings = Vec::new();
    for output in &outputs {
        for normalizer in &normalizers {
            for activation in &activations {
                let mut reading = Reading { flags: Vec::new(), options: options.clone() };
                if let Some((name, choice)) = output {
                    reading.flags.push(format!("--teacher_output {name}"));
                    reading.options.output = *choice;
                }
                if let Some((name, choice)) = normalizer {
                    reading.flags.push(format!("--teacher_normalizer {name}"));
                    reading.options.normalizer = choice.clone();
                }
                if let Some(activation) = activation {
                    reading.flags.push(format!("--teacher_activation {activation}"));
                    reading.options.activation = Some(*activation);
                }
                readings.push(reading);
            }
        }
    }
    readings.retain(|it| !it.flags.is_empty());
    readings.sort_by_key(|it| it.flags.len());
    readings
}

fn warning(path: &Path, loaded: &LoadedPolicy, as_read: &Summary, comparison: &Comparison) -> String {
    let crashes = format!("the teacher crashes in {:.0} % of its episodes", 100.0 * as_read.crash_rate);
    if let Some((reading, summary)) = &comparison.better {
        return format!(
            "warning: {crashes}; with `{}` it crashes in {:.0} % and its return is {:.1} instead of {:.1}\n  \
             hint: give these flags if the teacher was trained so; `eyas inspect {}` shows what the file says",
            reading.flags.join(" "),
            100.0 * summary.crash_rate,
            summary.mean_return,
            as_read.mean_return,
            path.display()
        );
    }
    let hint = if loaded.policy.normalizer.is_some() {
        "it may be trained too little, or for another vehicle or task"
    } else {
        "it may be trained too little, or its observation normaliser lies in another file: \
         `--teacher_normalizer FILE`"
    };
    format!(
        "warning: {crashes}, and no other reading of its file flies clearly better (tried {})\n  \
         hint: {hint}; `eyas inspect {}` shows what the file says",
        comparison.tried.join(", "),
        path.display()
    )
}
