//! Flags that say where a configuration comes from, and what of it is printed.

use std::io::Write as _;
use std::path::Path;

use eyas::Failure;
use eyas::configuration::Sources;
use eyas::resumption::layer_run;
use eyas_run::Layers;
use eyas_run::config::{Unused, Value};

use crate::arguments::Configuration;
use crate::hydra;
use crate::print::{tell, text_out};

/// What flags and overrides say of the sources.
pub(crate) fn sources(configuration: &Configuration, overrides: &[String]) -> Sources {
    Sources {
        config: configuration.config.clone(),
        config_dir: configuration.config_dir.clone(),
        config_name: configuration.config_name.clone(),
        params: configuration.params.clone(),
        overrides: overrides.to_vec(),
    }
}

/// Layers the settings of an earlier run, files and groups, and overrides; says on stderr what of the earlier run's
/// settings has no use here.
pub(crate) fn layer(
    layers: &mut Layers,
    configuration: &Configuration,
    overrides: &[String],
) -> Result<(), Failure> {
    hydra::refuse(overrides)?;
    sources(configuration, overrides).layer(layers, &mut |Unused { key, value, reason, origin }| {
        tell(format!("[INFO] not used: {key} = {} ({reason}) at {origin}", shortened(value)));
    })
}

/// An earlier run that a command goes on with.
pub(crate) struct GoesOn<'a> {
    pub(crate) run: &'a Path,
    /// The groups of its settings.
    pub(crate) groups: &'a [&'a str],
    /// The preset that the command line asks for.
    pub(crate) preset: Option<&'a str>,
    /// The seed that it asks for.
    pub(crate) seed: Option<i64>,
}

/// Layers what a command line says over the settings of the run that it goes on with, if it does. Such a run keeps the seed
/// that it has drawn.
pub(crate) fn layer_over(
    layers: &mut Layers,
    goes_on: Option<&GoesOn>,
    command_line: impl FnOnce(&mut Layers) -> Result<(), Failure>,
) -> Result<(), Failure> {
    const SEED: &str = "agent.seed";
    let mut drawn = None;
    if let Some(GoesOn { run, groups, preset, seed }) = goes_on
        && layer_run(layers, run, groups, *preset)?
        && *seed == Some(-1)
    {
        drawn = layers.get(SEED).zip(layers.origin(SEED).cloned());
    }
    command_line(layers)?;
    if let Some((seed, origin)) = drawn {
        layers.set(SEED, seed, origin)?;
    }
    Ok(())
}

/// A value on one line of a terminal.
fn shortened(value: &Value) -> String {
    const MAX_CHARACTERS: usize = 100;
    let text = value.to_string();
    match text.char_indices().nth(MAX_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Keys longer than this stand out of their column.
const WIDEST: usize = 100;

/// Prints what `--cfg` and `--info` ask for; true if that was all there is to do.
pub(crate) fn show(layers: &Layers, configuration: &Configuration) -> Result<bool, Failure> {
    let mut out = text_out();
    if configuration.cfg.is_some() {
        let key = configuration.package.as_deref().unwrap_or_default();
        let tree = if configuration.resolve { layers.table(key)? } else { layers.unresolved(key)? };
        write!(out, "{}", tree.to_yaml())?;
    }
    match configuration.info.as_deref() {
        None => {}
        Some("defaults") => {
            for part in layers.composed() {
                let package = if part.package.is_empty() { "the top" } else { &part.package };
                writeln!(out, "# {} at {package}, from {}", part.path, part.origin)?;
            }
            let settings = layers.provenance()?;
            let width = settings.iter().map(|it| it.key.len()).max().unwrap_or(0).min(WIDEST);
            for setting in settings {
                writeln!(out, "{:<width$} = {}  ({})", setting.key, setting.value, setting.origin)?;
            }
        }
        Some("") => {
            return Err(Failure::new("`--info` is for the app of Isaac Sim, and there is none here")
                .hint("leave the flag out, or write `--info defaults` to see where each value comes from"));
        }
        Some(other) => {
            return Err(Failure::new(format!("`--info {other}`: unknown, expected defaults"))
                .hint("`--info defaults` prints every value with where it comes from"));
        }
    }
    Ok(configuration.only_shows())
}
