//! What the commands know of each task beyond its configuration.

use std::f64::consts::PI;

use eyas_env::{
    DirectConfig, FormationConfig, GoalConfig, ManagerConfig, Observation, PointConfig, Protocol,
    RaptorConfig, TaskConfig, VecEnv,
};
use eyas_run::config::Value;
use eyas_sim::CourseConfig;
use eyas_vehicles::{FleetVehicle, find_vehicle};

use crate::learner::{Algorithm, Analytic, Gradient};

/// A limit of the position along courses, m.
const FAR_M: f64 = 10.0;
/// A limit of the speed under disturbances, m/s.
const FAST_M_S: f64 = 20.0;
/// The same of the angular velocity, rad/s.
const FAST_RAD_S: f64 = 100.0;

/// Settings of a configuration, such as those that select a trajectory.
pub type Settings = Vec<(&'static str, Value)>;

/// Courses that every task flies, by the names of their kinds.
const COURSES: [&str; 6] = ["circle", "lissajous", "step", "zigzag", "minimum_snap", "figure8"];

/// A task that the commands fly.
pub trait Flyable: TaskConfig {
    /// How it is trained if not said otherwise.
    const ALGORITHM: Algorithm = Algorithm::Apg;
    /// Eyas' own settings for training by the simulator's gradient; `docs/algorithms` says what they are
    /// worth.
    const APG_PRESET: &'static str = "";
    /// The same for PPO.
    const PPO_PRESET: &'static str;
    /// What `--preset` calls the PPO settings of the task's original, and what they change of the defaults.
    const ORIGINAL_PRESET: (&'static str, &'static str) = ("foundation", "");
    /// Whether a parameter file can change the vehicle.
    const TAKES_VEHICLES: bool;
    /// Folder of the runs of the task.
    const EXPERIMENT: &'static str;
    /// Longest episode of a distillation, control steps.
    const DISTILLATION_STEPS: u32;

    /// How it learns by the simulator's gradient; none where it has none.
    fn gradient() -> Option<&'static dyn Gradient<Self>> {
        None
    }

    /// Trajectories that `eyas play` flies, each with the settings that select it; the last is the default.
    fn trajectories() -> Vec<(&'static str, Settings)>;

    /// Settings that let every reference fly a kind of course.
    fn along(kind: &'static str) -> Settings;

    /// Settings of the suite `torture`, whose flights none of the task's own limits is to end early; or why the task is
    /// not flown in it.
    fn torture() -> Result<Settings, &'static str> {
        Err("flies several vehicles together, and the suite judges one")
    }

    /// The parameters of its courses.
    fn course(&self) -> &CourseConfig;

    /// The task along a course, or with a reference that rests.
    fn with_course(&self, course: Option<CourseConfig>) -> Self;

    /// Eyas' own settings for distilling a fleet.
    const FLEET_PRESET: &'static str = "";
    /// The settings of the system that distilled fleets first.
    const RAPTOR_PRESET: &'static str = "";

    /// One env for each of `vehicles`, which are indices into `fleet`; a task without vehicles of its own flies its own.
    fn make_fleet(&self, _fleet: &[FleetVehicle], vehicles: &[usize], seed: u64) -> Box<dyn VecEnv> {
        self.make(vehicles.len(), seed)
    }

    /// The task with another vehicle, if it takes any.
    fn with_vehicle(&self, _craft: &FleetVehicle) -> Self {
        self.clone()
    }

    /// Named vehicles that every student is flown on, each with the task that it is flown in.
    fn registry(&self) -> Vec<(&'static str, Self)> {
        Vec::new()
    }

    /// Checks what only a training asks for.
    fn validate_training(&self) -> Result<(), String> {
        Ok(())
    }

    /// Settings of every flight of `eyas play`: start at rest, no time limit.
    fn play() -> Settings;
}

impl Flyable for PointConfig {
    const APG_PRESET: &'static str = include_str!("../presets/point_ctrl_apg.yaml");
    const PPO_PRESET: &'static str = include_str!("../presets/point_ctrl_ppo.yaml");
    const TAKES_VEHICLES: bool = false;
    const EXPERIMENT: &'static str = "point_ctrl_direct";
    const DISTILLATION_STEPS: u32 = 1000;

    fn gradient() -> Option<&'static dyn Gradient<Self>> {
        Some(&Analytic)
    }

    fn trajectories() -> Vec<(&'static str, Settings)> {
        let original = |kind: &str, share: f64| {
            vec![("env.trajectory_type", kind.into()), ("env.prob_null_trajectory", Value::from(share))]
        };
        let [courses @ .., _] = COURSES;
        [("hover", original("langevin", 1.0)), ("langevin", original("langevin", 0.0))]
            .into_iter()
            .chain(courses.map(|kind| (kind, Self::along(kind))))
            .chain([("figure8", original("figure8", 0.0))])
            .collect()
    }

    /// Other courses than the original's figure-8 begin smoothly.
    fn along(kind: &'static str) -> Settings {
        let mut settings = smooth_begin();
        settings.extend([("env.course.kind", kind.into()), ("env.prob_null_trajectory", 0.0.into())]);
        settings
    }

    fn torture() -> Result<Settings, &'static str> {
        let mut settings = smooth_begin();
        settings.extend([
            ("env.train_or_play", false.into()),
            ("env.thresholds.position", FAR_M.into()),
            ("env.thresholds.position_langevin", FAR_M.into()),
            ("env.thresholds.linear_velocity", FAST_M_S.into()),
            ("env.thresholds.angular_velocity", FAST_RAD_S.into()),
            ("env.thresholds.tilt", PI.into()),
        ]);
        Ok(settings)
    }

    fn course(&self) -> &CourseConfig {
        &self.course
    }

    fn with_course(&self, course: Option<CourseConfig>) -> Self {
        let prob_null_trajectory = f64::from(u8::from(course.is_none()));
        Self { course: course.unwrap_or_default(), prob_null_trajectory, ..self.clone() }
    }

    fn play() -> Settings {
        vec![("env.train_or_play", false.into())]
    }
}

impl Flyable for DirectConfig {
    const APG_PRESET: &'static str = include_str!("../presets/quadcopter_direct_apg.yaml");
    const PPO_PRESET: &'static str = include_str!("../presets/quadcopter_direct_ppo.yaml");
    const ORIGINAL_PRESET: (&'static str, &'static str) =
        ("isaaclab", include_str!("../presets/quadcopter_direct_ppo_isaaclab.yaml"));
    const TAKES_VEHICLES: bool = false;
    const EXPERIMENT: &'static str = "quadcopter_direct";
    const DISTILLATION_STEPS: u32 = 500;

    fn gradient() -> Option<&'static dyn Gradient<Self>> {
        Some(&Analytic)
    }

    /// The last flies to goals as in training.
    fn trajectories() -> Vec<(&'static str, Settings)> {
        let point = |at: f64| Value::from(vec![Value::from(at); 2]);
        let hover = [("env.goal.pos_x", 0.0), ("env.goal.pos_y", 0.0), ("env.goal.pos_z", 0.5)];
        [("hover", hover.map(|(key, at)| (key, point(at))).to_vec())]
            .into_iter()
            .chain(COURSES.map(|kind| (kind, Self::along(kind))))
            .chain([("goal", Vec::new())])
            .collect()
    }

    /// Courses lead lower and higher than goals lie.
    fn along(kind: &'static str) -> Settings {
        let mut settings = heights();
        settings.push(("env.course.kind", kind.into()));
        settings
    }

    fn torture() -> Result<Settings, &'static str> {
        Ok(heights())
    }

    fn course(&self) -> &CourseConfig {
        &self.course
    }

    /// A goal that rests does so at the spawn point.
    fn with_course(&self, course: Option<CourseConfig>) -> Self {
        let [pos_x, pos_y, pos_z] = self.robot.init_state.pos.map(|at| [at; 2]);
        let goal = GoalConfig { pos_x, pos_y, pos_z };
        Self { course: course.unwrap_or_default(), goal, ..self.clone() }
    }

    fn play() -> Settings {
        vec![("env.episode_length_s", 1e6.into())]
    }
}

/// A course of [`PointConfig`] that begins as those of other tasks do.
fn smooth_begin() -> Settings {
    let CourseConfig { rest_s, ramp_s, .. } = CourseConfig::default();
    vec![("env.course.rest_s", rest_s.into()), ("env.course.ramp_s", ramp_s.into())]
}

/// Limits of the height of [`DirectConfig`] that no course reaches.
fn heights() -> Settings {
    vec![("env.height.minimum", Value::from(-FAR_M)), ("env.height.maximum", FAR_M.into())]
}

impl Flyable for RaptorConfig {
    const APG_PRESET: &'static str = include_str!("../presets/raptor_apg.yaml");
    const PPO_PRESET: &'static str = include_str!("../presets/raptor_ppo.yaml");
    const TAKES_VEHICLES: bool = true;
    const EXPERIMENT: &'static str = "raptor";
    const DISTILLATION_STEPS: u32 = 500;
    const FLEET_PRESET: &'static str = include_str!("../presets/raptor_distill.yaml");
    const RAPTOR_PRESET: &'static str = include_str!("../presets/raptor_distill_original.yaml");

    fn gradient() -> Option<&'static dyn Gradient<Self>> {
        Some(&Analytic)
    }

    fn make_fleet(&self, fleet: &[FleetVehicle], vehicles: &[usize], seed: u64) -> Box<dyn VecEnv> {
        Box::new(self.env_of_fleet(fleet, vehicles, seed))
    }

    fn with_vehicle(&self, vehicle: &FleetVehicle) -> Self {
        self.of(vehicle)
    }

    /// The registry test of the C++ system: seven vehicles in the order of their names, its own starts, limits and
    /// reward for all, and nothing that pushes.
    fn registry(&self) -> Vec<(&'static str, Self)> {
        let mut config =
            Self { protocol: Protocol::Raptor, observation: self.observation, ..Self::default() };
        config.reward.constant = 0.5;
        config.termination.position_threshold = Some(1.0);
        ["arpl", "crazyflie", "flightmare", "fs", "mrs", "soft", "x500"]
            .into_iter()
            .filter_map(find_vehicle)
            .map(|it| (it.name, Self { robot: it.parameters(), ..config.clone() }))
            .collect()
    }

    fn trajectories() -> Vec<(&'static str, Settings)> {
        let original = |share: f64| vec![("env.prob_null_trajectory", Value::from(share))];
        [("hover", original(1.0))]
            .into_iter()
            .chain(COURSES.map(|kind| (kind, Self::along(kind))))
            .chain([("langevin", original(0.0))])
            .collect()
    }

    /// Courses lead farther than a small vehicle may go from the origin in training.
    fn along(kind: &'static str) -> Settings {
        vec![
            ("env.course.kind", kind.into()),
            ("env.termination.position_threshold", FAR_M.into()),
            ("env.prob_null_trajectory", 0.0.into()),
        ]
    }

    fn torture() -> Result<Settings, &'static str> {
        Ok(vec![
            ("env.init.guidance", 1.0.into()),
            ("env.termination.position_threshold", FAR_M.into()),
            ("env.termination.linear_velocity_threshold", FAST_M_S.into()),
            ("env.termination.angular_velocity_threshold", FAST_RAD_S.into()),
        ])
    }

    fn course(&self) -> &CourseConfig {
        &self.course
    }

    fn with_course(&self, course: Option<CourseConfig>) -> Self {
        let prob_null_trajectory = f64::from(u8::from(course.is_none()));
        Self { course: course.unwrap_or_default(), prob_null_trajectory, ..self.clone() }
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

    fn play() -> Settings {
        vec![("env.init.guidance", 1.0.into()), ("env.episode_length_s", 1e6.into())]
    }
}

/// A task of terms has no gradient, and no settings are tuned for it: nobody knows what its terms are.
impl Flyable for ManagerConfig {
    const ALGORITHM: Algorithm = Algorithm::Ppo;
    const PPO_PRESET: &'static str = include_str!("../presets/manager_ppo.yaml");
    const TAKES_VEHICLES: bool = false;
    const EXPERIMENT: &'static str = "quadcopter_manager";
    const DISTILLATION_STEPS: u32 = 1000;

    fn trajectories() -> Vec<(&'static str, Settings)> {
        [("hover", vec![("env.command_at_rest", true.into())])]
            .into_iter()
            .chain(COURSES.map(|kind| (kind, Self::along(kind))))
            .chain([("command", Settings::new())])
            .collect()
    }

    fn along(kind: &'static str) -> Settings {
        vec![("env.course.kind", kind.into()), ("env.command_at_rest", false.into())]
    }

    fn torture() -> Result<Settings, &'static str> {
        Err("has the terminations of its file, which would end the flights of the suite early")
    }

    fn course(&self) -> &CourseConfig {
        &self.course
    }

    fn with_course(&self, course: Option<CourseConfig>) -> Self {
        let command_at_rest = course.is_none();
        Self { course: course.unwrap_or_default(), command_at_rest, ..self.clone() }
    }

    fn play() -> Settings {
        vec![("env.train_or_play", false.into())]
    }
}

impl Flyable for FormationConfig {
    const ALGORITHM: Algorithm = Algorithm::Ppo;
    const PPO_PRESET: &'static str = include_str!("../presets/formation_ppo.yaml");
    const TAKES_VEHICLES: bool = false;
    const EXPERIMENT: &'static str = "formation";
    const DISTILLATION_STEPS: u32 = 500;

    fn trajectories() -> Vec<(&'static str, Settings)> {
        let original = |share: f64| vec![("env.prob_null_trajectory", Value::from(share))];
        [("hover", original(1.0))]
            .into_iter()
            .chain(COURSES.map(|kind| (kind, Self::along(kind))))
            .chain([("langevin", original(0.0))])
            .collect()
    }

    fn along(kind: &'static str) -> Settings {
        vec![("env.course.kind", kind.into()), ("env.prob_null_trajectory", 0.0.into())]
    }

    fn course(&self) -> &CourseConfig {
        &self.course
    }

    fn with_course(&self, course: Option<CourseConfig>) -> Self {
        let prob_null_trajectory = f64::from(u8::from(course.is_none()));
        Self { course: course.unwrap_or_default(), prob_null_trajectory, ..self.clone() }
    }

    fn play() -> Settings {
        vec![("env.prob_perfect_start", 1.0.into()), ("env.episode_length_s", 1e6.into())]
    }
}
