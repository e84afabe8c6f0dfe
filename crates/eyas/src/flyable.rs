//! What the commands know of each task beyond its configuration.

use eyas_env::{
    Craft, DifferentiableTask, Observation, PointConfig, Protocol, RaptorConfig, RaptorEnv, TaskConfig,
    VecEnv, vehicles,
};
use eyas_run::config::Value;

/// A task that the commands fly.
pub(crate) trait Flyable: TaskConfig + DifferentiableTask {
    /// Eyas' own settings for training by the simulator's gradient; `docs/algorithms` says what they are
    /// worth.
    const APG_PRESET: &'static str;
    /// The same for PPO.
    const PPO_PRESET: &'static str;
    /// Whether a parameter file can change the vehicle.
    const TAKES_VEHICLES: bool;
    /// Folder of the runs of the task.
    const EXPERIMENT: &'static str;
    /// Longest episode of a distillation, control steps.
    const DISTILLATION_STEPS: u32;

    /// Trajectories that `eyas play` flies, each with the settings that select it; the last is the default.
    fn trajectories() -> Vec<(&'static str, Vec<(&'static str, Value)>)>;

    /// Eyas' own settings for distilling a fleet.
    const FLEET_PRESET: &'static str = "";
    /// The settings of the system that distilled fleets first.
    const RAPTOR_PRESET: &'static str = "";

    /// One env for each of `crafts`, which are indices into `fleet`; a task without vehicles of its own flies its own.
    fn make_fleet(&self, _fleet: &[Craft], crafts: &[usize], seed: u64) -> Box<dyn VecEnv> {
        self.make(crafts.len(), seed)
    }

    /// The task with another vehicle, if it takes any.
    fn with_craft(&self, _craft: &Craft) -> Self {
        self.clone()
    }

    /// Named vehicles that every student is flown on, each with as many envs.
    fn registry(&self, _episodes: usize, _seed: u64) -> Vec<(&'static str, Box<dyn VecEnv>)> {
        Vec::new()
    }

    /// Checks what only a training asks for.
    fn validate_training(&self) -> Result<(), String> {
        Ok(())
    }

    /// Settings of every flight of `eyas play`: start at rest, no time limit.
    fn play() -> Vec<(&'static str, Value)>;
}

impl Flyable for PointConfig {
    const APG_PRESET: &'static str = include_str!("../presets/point_ctrl_apg.yaml");
    const PPO_PRESET: &'static str = include_str!("../presets/point_ctrl_ppo.yaml");
    const TAKES_VEHICLES: bool = false;
    const EXPERIMENT: &'static str = "point_ctrl_direct";
    const DISTILLATION_STEPS: u32 = 1000;

    fn trajectories() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
        [("hover", "langevin", 1.0), ("langevin", "langevin", 0.0), ("figure8", "figure8", 0.0)]
            .map(|(name, kind, share)| {
                let settings = vec![
                    ("env.trajectory_type", kind.into()),
                    ("env.prob_null_trajectory", Value::from(share)),
                ];
                (name, settings)
            })
            .to_vec()
    }

    fn play() -> Vec<(&'static str, Value)> {
        vec![("env.train_or_play", false.into())]
    }
}

impl Flyable for RaptorConfig {
    const APG_PRESET: &'static str = include_str!("../presets/raptor_apg.yaml");
    const PPO_PRESET: &'static str = include_str!("../presets/raptor_ppo.yaml");
    const TAKES_VEHICLES: bool = true;
    const EXPERIMENT: &'static str = "raptor";
    const DISTILLATION_STEPS: u32 = 500;
    const FLEET_PRESET: &'static str = include_str!("../presets/raptor_distill.yaml");
    const RAPTOR_PRESET: &'static str = include_str!("../presets/raptor_distill_original.yaml");

    fn make_fleet(&self, fleet: &[Craft], crafts: &[usize], seed: u64) -> Box<dyn VecEnv> {
        Box::new(RaptorEnv::of_fleet(self, fleet, crafts, seed))
    }

    fn with_craft(&self, craft: &Craft) -> Self {
        self.of(craft)
    }

    /// The registry test of the C++ system: seven vehicles in the order of their names, its own starts, limits and
    /// reward for all, and nothing that pushes.
    fn registry(&self, episodes: usize, seed: u64) -> Vec<(&'static str, Box<dyn VecEnv>)> {
        let mut config =
            Self { protocol: Protocol::Raptor, observation: self.observation, ..Self::default() };
        config.reward.constant = 0.5;
        config.termination.position_threshold = Some(1.0);
        ["arpl", "crazyflie", "flightmare", "fs", "mrs", "soft", "x500"]
            .into_iter()
            .filter_map(|name| vehicles().iter().find(|it| it.name == name))
            .map(|it| (it.name, Self { robot: it.parameters(), ..config.clone() }.make(episodes, seed)))
            .collect()
    }

    fn trajectories() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
        [("hover", 1.0), ("langevin", 0.0)]
            .map(|(name, share)| (name, vec![("env.prob_null_trajectory", Value::from(share))]))
            .to_vec()
    }

    fn validate_training(&self) -> Result<(), String> {
        match self.observation {
            Observation::TrackingError => Ok(()),
            Observation::Absolute => {
                Err("`env.observation` = \"absolute\" is for students, whose teachers see the \
                tracking error; expected \"tracking_error\" to train one"
                    .into())
            }
        }
    }

    fn play() -> Vec<(&'static str, Value)> {
        vec![("env.init.guidance", 1.0.into()), ("env.episode_length_s", 1e6.into())]
    }
}
