//! Quadrotor tasks: observation, action, reward, termination and reset of vectorised environments.

mod block;
mod check;
mod config;
mod course;
mod differentiable;
mod driver;
mod episode;
mod episode_log;
mod formulas;
mod multi_agent;
mod noise;
mod perturbation;
mod reality;
mod recorded;
mod registry;
mod rows;
mod spec;
mod symmetry;
mod target;
mod task;
mod tasks;
mod vec_env;

pub use block::Block;
pub use config::{SceneConfig, SimConfig, Thresholds, check_device};
pub use differentiable::{
    Barrier, Derivative, Differentiable, DifferentiableBlock, DifferentiableTask, FlownStep, Record, Slopes,
    Surrogate,
};
pub use driver::{Driver, DriverMut};
pub use episode::{Cause, Ended, MAX_TERMS};
pub use episode_log::{EpisodeQuantity, EpisodeScalar, EpisodeStatistic};
pub use multi_agent::{
    AgentSpec, AgentVerdict, MAX_AGENTS, MultiAgentBlock, MultiAgentEnv, MultiAgentSpec, MultiAgentTask,
    NoState, OneAgent, SingleAgentBlock, StateSpace, VehicleNumbers, View, multi_agent_to_single_agent,
    multi_agent_with_one_agent,
};
pub use noise::SensorNoise;
pub use perturbation::{PERTURBATION_NUMBERS, Perturbation};
pub use reality::{
    BatteryConfig, DelayLine, DragConfig, GroundConfig, GustConfig, PayloadConfig, RealityConfig,
    RotorFailureConfig, SignalDelays, SignalErrors, TurbulenceConfig, WindConfig,
};
pub use recorded::{FlightFormulas, FlightRows, Recorded, Surroundings, TaskRecorder};
pub use registry::{
    DIRECT_TASK, FORMATION_TASK, MANAGER_TASK, POINT_TASK, RAPTOR_TASK, TaskInfo, UnknownTask, find_task,
    tasks,
};
pub use spec::{Actuation, EnvSpec, Frame, Group, POSITION_ERROR, Part, Symmetry, intern};
pub use target::{Motion, Path, Target};
pub use task::{
    Action, After, BlockRules, Extras, Features, Flown, LimitsOf, MemoryOf, Moment, SavedRows, Start,
    StateOf, Task, TaskBase, TaskConfig, VehicleState, Verdict,
};
pub use tasks::direct::{
    Direct, DirectBlock, DirectConfig, DirectSurrogate, GoalConfig, HeightConfig, InitState, RigidBodyConfig,
};
pub use tasks::formation::{DownwashConfig, Formation, FormationBlock, FormationConfig, PlacesConfig, Shape};
pub use tasks::manager::{
    ActionConfig, CommandConfig, CommandUpdate, CurriculumConfig, EventConfig, EventMode, Kind, Manager,
    ManagerBlock, ManagerConfig, ManagerTask, NoiseConfig, NoiseKind, ObservationConfig,
    ObservationGroupConfig, Operation, Output, Param, Parameter, Range, RewardTermConfig, TermInfo,
    TerminationTermConfig, Terms, observation_output,
};
pub use tasks::point::{Point, PointBlock, PointConfig, PointSurrogate, TrajectoryType};
pub use tasks::raptor::{
    DisturbancesConfig, FlatParameters, InitConfig, Observation, ObservationDelayConfig, Protocol, Quantity,
    RandomForce, Raptor, RaptorBlock, RaptorConfig, RaptorSurrogate, RecordedState, Replay, ReplayError,
    RewardConfig, TerminationConfig, Transition,
};
pub use vec_env::{Env, EnvBlock, Step, Telemetry, VecEnv, visit_rows, visit_words};
