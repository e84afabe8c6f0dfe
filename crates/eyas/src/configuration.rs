//! How a configuration is put together: defaults, the vehicle, the settings of earlier runs, files and groups, overrides.

use std::path::{Path, PathBuf};

use eyas_env::{RAPTOR_TASK, check_device};
use eyas_formats::input::read_text;
use eyas_run::config::{BuiltIn, Library, Renamed, Unused, Value};
use eyas_run::{Layers, Origin};
use eyas_vehicles::{VehicleFile, find_vehicle, vehicles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device::{FLYING_DEVICE, LEARNING_DEVICE};
use crate::evaluate::{has_own_seed, set_seed};
use crate::failure::Failure;
use crate::tasks::AnyTask;

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
/// Key of the seed of every command that flies or learns.
pub(crate) const SEED_KEY: &str = "agent.seed";
/// Null in files of Isaac Lab: no use of symmetries.
const SYMMETRY: &str = "agent.algorithm.symmetry_cfg";

/// Where the values of a configuration come from, beside its defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A YAML file; with a `defaults` list, groups lie beside it.
    pub config: Option<PathBuf>,
    /// A folder of configuration files and of groups of them.
    pub config_dir: Option<PathBuf>,
    /// Configuration in that folder.
    pub config_name: Option<String>,
    /// The folder of an earlier run, of Isaac Lab too, or that of its `env.yaml` and `agent.yaml`.
    pub params: Option<PathBuf>,
    /// Overrides in Hydra's grammar.
    pub overrides: Vec<String>,
}

impl Sources {
    /// Where groups are, and which file of them comes first.
    pub fn library(&self) -> (Library, Option<String>) {
        let library = Library::new(&GROUPS);
        if let Some(folder) = &self.config_dir {
            let name = self.config_name.as_ref();
            return (library.with_folder(folder), name.map(|it| it.trim_end_matches(".yaml").to_owned()));
        }
        match self.config.as_deref().map(|path| (path, path.file_stem(), path.extension())) {
            Some((path, Some(stem), Some(extension))) if extension == "yaml" && path.is_file() => {
                let folder = path.parent().unwrap_or(Path::new(""));
                (library.with_folder(folder), Some(stem.to_string_lossy().into_owned()))
            }
            _ => (library, None),
        }
    }

    /// Layers the settings of an earlier run, files and groups, and overrides; `unused` hears what of an earlier run's
    /// settings has no use here.
    pub fn layer(&self, layers: &mut Layers, unused: &mut dyn FnMut(&Unused)) -> Result<(), Failure> {
        if let Some(folder) = &self.config_dir
            && !folder.is_dir()
        {
            return Err(Failure::new("`--config-dir` is no folder").at(&folder.display()));
        }
        if let Some(folder) = &self.params {
            layer_params(layers, folder, unused)?;
        }
        let (library, primary) = self.library();
        if let (Some(path), None) = (&self.config, &primary) {
            layers.file(path)?;
        }
        layers.compose(&library, primary.as_deref(), &self.overrides)?;
        Ok(())
    }
}

/// Layers `env.yaml` and `agent.yaml`.
fn layer_params(layers: &mut Layers, folder: &Path, unused: &mut dyn FnMut(&Unused)) -> Result<(), Failure> {
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
    let measures = has_own_seed(layers);
    for (section, path) in files {
        let mut left = layers.foreign(section, &path, &RENAMED)?;
        if measures {
            left.extend(keep_apart(layers)?);
        }
        without_symmetry(layers, &mut left)?;
        for key in [FLYING_DEVICE, LEARNING_DEVICE] {
            left.extend(keep_on_cpu(layers, key, &path)?);
        }
        left.iter().for_each(&mut *unused);
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

/// Takes back the seed of a run: what is measured never starts as it was trained.
fn keep_apart(layers: &mut Layers) -> Result<Option<Unused>, Failure> {
    let (Some(value), Some(origin)) = (layers.get(SEED_KEY), layers.origin(SEED_KEY).cloned()) else {
        return Ok(None);
    };
    if has_own_seed(layers) {
        return Ok(None);
    }
    set_seed(layers)?;
    let reason = "a measurement has a seed of its own; `--seed` gives another".into();
    Ok(Some(Unused { key: SEED_KEY.to_owned(), value, reason, origin }))
}

/// Takes back the device of a run that computed on a GPU, where it says nothing about the policy.
fn keep_on_cpu(layers: &mut Layers, key: &str, path: &Path) -> Result<Option<Unused>, Failure> {
    let (Some(value), Some(origin)) = (layers.get(key), layers.origin(key).cloned()) else { return Ok(None) };
    let is_from_file = matches!(&origin, Origin::File { path: file, .. } if file == path);
    if !is_from_file || value == Value::from("cpu") {
        return Ok(None);
    }
    layers.set(key, "cpu", Origin::flag("--params"))?;
    Ok(Some(Unused {
        key: key.to_owned(),
        value,
        reason: "`--device` says where this run computes".into(),
        origin,
    }))
}

/// Puts a vehicle in place of the task's own: one that comes with the program, or that of a file.
pub fn layer_vehicle(layers: &mut Layers, task: &dyn AnyTask, vehicle: &str) -> Result<(), Failure> {
    takes_vehicles(task, "--vehicle")?;
    let origin = Origin::flag("--vehicle");
    let robot = if let Some(named) = find_vehicle(vehicle) {
        named.parameters()
    } else {
        let file = read_vehicle(Path::new(vehicle))?;
        let force = file.random_force_std();
        layers.set("env.disturbances.random_force.std", force, origin.clone())?;
        file.dynamics
    };
    let robot = Value::of(&robot).map_err(Failure::new)?;
    layers.set("env.robot", robot, origin)?;
    Ok(())
}

/// Refuses a flag that names vehicles for a task that has one of its own.
pub fn takes_vehicles(task: &dyn AnyTask, flag: &str) -> Result<(), Failure> {
    if task.takes_vehicles() {
        return Ok(());
    }
    Err(Failure::new(format!("`{flag}`: task `{}` has a vehicle of its own", task.id()))
        .hint(format!("fly others in `{RAPTOR_TASK}`")))
}

/// Names of the vehicles that come with the program.
pub fn vehicle_names() -> String {
    vehicles().iter().map(|it| it.name).collect::<Vec<_>>().join(", ")
}

/// Reads the parameter file of a vehicle.
pub fn read_vehicle(path: &Path) -> Result<VehicleFile, Failure> {
    let text = read_text(path).map_err(|error| {
        Failure::new(format!("cannot read the vehicle: {error}"))
            .at(&path.display())
            .hint(format!("give a parameter file of RLtools (JSON), or one of {}", vehicle_names()))
    })?;
    VehicleFile::parse(&text).map_err(|error| Failure::new(error).at(&path.display()))
}

/// The part of Isaac Lab's runner config that runs without a PPO runner use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentConfig {
    /// Seed of every random draw.
    pub seed: u64,
    /// Where to learn: `cpu`; `cuda:0` and so on, an NVIDIA GPU that fits the student of a distillation; `auto`, a GPU where
    /// there is one.
    pub device: String,
    /// Folder of the run below the log root.
    pub experiment_name: String,
    /// Suffix of the run's folder.
    pub run_name: String,
    /// Regular expression for the folder of the run to go on with.
    pub load_run: String,
    /// Regular expression for the checkpoint to go on from.
    pub load_checkpoint: String,
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            device: "cpu".into(),
            experiment_name: "point_ctrl_direct".into(),
            run_name: String::new(),
            load_run: ".*".into(),
            load_checkpoint: "checkpoint_epoch_.*.pt".into(),
        }
    }
}

impl AgentConfig {
    /// Checks what a command can do that learns nothing; the message names key, value and what would be right.
    pub fn validate(&self) -> Result<(), String> {
        check_device(LEARNING_DEVICE, &self.device)
    }
}

/// Turns a failed range check into a failure that says where the value came from.
pub fn check(layers: &Layers, outcome: Result<(), String>) -> Result<(), Failure> {
    outcome.map_err(|message| {
        let key = message.split('`').nth(1).unwrap_or_default().to_owned();
        let mut failure = Failure::new(message);
        if [LEARNING_DEVICE, FLYING_DEVICE].contains(&key.as_str()) {
            failure = failure.hint(
                "give `--device auto`, or leave it out; on several cores the CPU flies millions of steps a second, as \
                `eyas bench` measures, and `eyas distill` and `eyas eval` take `--device cuda:0`",
            );
        }
        // A key that is missing is at fault where the table around it stands.
        let around = std::iter::successors(Some(key.as_str()), |key| Some(key.rsplit_once('.')?.0));
        match around.filter_map(|key| layers.origin(key)).find(|origin| **origin != Origin::Default) {
            None => failure,
            Some(origin) => failure.at(origin),
        }
    })
}

/// Lifts the task's own limit, which must not cut episodes short of the steps that were asked for.
pub fn allow_steps(
    layers: &mut Layers,
    task: &dyn AnyTask,
    steps: u32,
    origin: Origin,
) -> Result<(), Failure> {
    let seconds = f64::from(steps + 2) * task.read(layers)?.control_period();
    layers.set("env.episode_length_s", seconds, origin)?;
    Ok(())
}
