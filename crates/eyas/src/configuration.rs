//! How a configuration is put together and shown: files, groups, the settings of earlier runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use eyas_run::config::{BuiltIn, Library, Renamed, Unused, Value};
use eyas_run::{Layers, Origin};

use crate::arguments::Configuration;
use crate::failure::Failure;
use crate::hydra;
use crate::report::tell;

/// Groups that come with the program; `docs/configuration.md` says what they are for.
const GROUPS: [BuiltIn; 3] = [
    BuiltIn { path: "agent/fast", yaml: include_str!("../presets/agent/fast.yaml") },
    BuiltIn { path: "physics/calm", yaml: include_str!("../presets/physics/calm.yaml") },
    BuiltIn { path: "physics/windy", yaml: include_str!("../presets/physics/windy.yaml") },
];

/// Keys of rsl_rl 1.x to 4.x, as runs of Isaac Lab keep them, and what they are called in 5.x. Isaac Lab's
/// `handle_deprecated_rsl_rl_cfg` moves the same.
const RENAMED: [Renamed; 10] = [
    Renamed { from: "agent.policy.actor_hidden_dims", to: &["agent.actor.hidden_dims"] },
    Renamed { from: "agent.policy.critic_hidden_dims", to: &["agent.critic.hidden_dims"] },
    Renamed { from: "agent.policy.activation", to: &["agent.actor.activation", "agent.critic.activation"] },
    Renamed { from: "agent.policy.init_noise_std", to: &[INIT_STD] },
    Renamed { from: "agent.policy.noise_std_type", to: &[STD_TYPE] },
    Renamed { from: "agent.policy.actor_obs_normalization", to: &[ACTOR_NORMALIZATION] },
    Renamed { from: "agent.policy.critic_obs_normalization", to: &[CRITIC_NORMALIZATION] },
    Renamed { from: "agent.empirical_normalization", to: &[ACTOR_NORMALIZATION, CRITIC_NORMALIZATION] },
    Renamed { from: "agent.actor.init_noise_std", to: &[INIT_STD] },
    Renamed { from: "agent.actor.noise_std_type", to: &[STD_TYPE] },
];
const INIT_STD: &str = "agent.actor.distribution_cfg.init_std";
const STD_TYPE: &str = "agent.actor.distribution_cfg.std_type";
const ACTOR_NORMALIZATION: &str = "agent.actor.obs_normalization";
const CRITIC_NORMALIZATION: &str = "agent.critic.obs_normalization";
/// Null in files of Isaac Lab: no use of symmetries.
const SYMMETRY: &str = "agent.algorithm.symmetry_cfg";

/// Where groups are, and which file of them comes first.
pub(crate) fn library(configuration: &Configuration) -> (Library, Option<String>) {
    let library = Library::new(&GROUPS);
    if let Some(folder) = &configuration.config_dir {
        let name = configuration.config_name.as_ref();
        return (library.with_folder(folder), name.map(|it| it.trim_end_matches(".yaml").to_owned()));
    }
    match configuration.config.as_deref().map(|path| (path, path.file_stem(), path.extension())) {
        Some((path, Some(stem), Some(extension))) if extension == "yaml" && path.is_file() => {
            let folder = path.parent().unwrap_or(Path::new(""));
            (library.with_folder(folder), Some(stem.to_string_lossy().into_owned()))
        }
        _ => (library, None),
    }
}

/// Layers the settings of an earlier run, files and groups, and overrides.
pub(crate) fn layer(
    layers: &mut Layers,
    configuration: &Configuration,
    overrides: &[String],
) -> Result<(), Failure> {
    hydra::refuse(overrides)?;
    if let Some(folder) = &configuration.config_dir
        && !folder.is_dir()
    {
        return Err(Failure::new("`--config-dir` is no folder").at(&folder.display()));
    }
    if let Some(folder) = &configuration.params {
        layer_params(layers, folder)?;
    }
    let (library, primary) = library(configuration);
    if let (Some(path), None) = (&configuration.config, &primary) {
        layers.file(path)?;
    }
    layers.compose(&library, primary.as_deref(), overrides)?;
    Ok(())
}

/// Layers `env.yaml` and `agent.yaml`, and says on stderr what of them has no use here.
fn layer_params(layers: &mut Layers, folder: &Path) -> Result<(), Failure> {
    let folder = if folder.join("params").is_dir() { folder.join("params") } else { folder.to_owned() };
    let files: Vec<(&str, PathBuf)> = ["env", "agent"]
        .map(|section| (section, folder.join(format!("{section}.yaml"))))
        .into_iter()
        .filter(|(_, path)| path.is_file())
        .collect();
    if files.is_empty() {
        return Err(Failure::new("`--params`: there is no `env.yaml` and no `agent.yaml`")
            .at(&folder.display())
            .hint("name the folder of a run, or its folder `params`"));
    }
    for (section, path) in files {
        let mut unused = layers.foreign(section, &path, &RENAMED)?;
        without_symmetry(layers, &mut unused)?;
        for key in ["env.sim.device", "agent.device"] {
            unused.extend(keep_on_cpu(layers, key, &path)?);
        }
        for Unused { key, value, reason, origin } in unused {
            tell(format!("[INFO] not used: {key} = {} ({reason}) at {origin}", shortened(&value)));
        }
    }
    Ok(())
}

/// Switches the use of symmetries off where a file has null for its settings.
fn without_symmetry(layers: &mut Layers, unused: &mut Vec<Unused>) -> Result<(), Failure> {
    let Some(place) = unused.iter().position(|it| it.key == SYMMETRY && it.value == Value::Null) else {
        return Ok(());
    };
    let origin = unused.remove(place).origin;
    layers.set(&format!("{SYMMETRY}.use_data_augmentation"), false, origin)?;
    Ok(())
}

/// Takes back the device of a run that computed on a GPU, where it says nothing about the policy.
fn keep_on_cpu(layers: &mut Layers, key: &str, path: &Path) -> Result<Option<Unused>, Failure> {
    let (Some(value), Some(origin)) = (layers.get(key), layers.origin(key).cloned()) else { return Ok(None) };
    let is_from_file = matches!(&origin, Origin::File { path: file, .. } if file == path);
    if !is_from_file || value == Value::from("cpu") {
        return Ok(None);
    }
    layers.set(key, "cpu", Origin::flag("--params"))?;
    Ok(Some(Unused { key: key.to_owned(), value, reason: "this build computes on the CPU".into(), origin }))
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

/// Prints what `--cfg` and `--info` ask for; true if that was all there is to do.
pub(crate) fn show(layers: &Layers, configuration: &Configuration) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
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
            let width = settings.iter().map(|it| it.key.len()).max().unwrap_or(0);
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
