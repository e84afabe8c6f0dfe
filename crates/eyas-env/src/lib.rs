//! Quadrotor tasks: observation, action, reward, termination and reset of vectorised environments.

mod check;
mod course;
mod differentiable;
mod episode;
mod interference;
mod noise;
mod point;
mod raptor;
mod reality;
mod registry;
mod rows;
mod spec;
mod symmetry;
mod task;
mod vec_env;

pub use differentiable::{Barrier, Derivative, DifferentiableBlock, DifferentiableTask, Surrogate};
pub use episode::{Cause, Ended, MAX_TERMS};
pub use interference::Interference;
pub use noise::SensorNoise;
pub use point::{
    PointBlock, PointConfig, PointEnv, PointRecord, PointSurrogate, SceneConfig, SimConfig, Thresholds,
    TrajectoryType,
};
pub use raptor::{
    Craft, DisturbancesConfig, DomainRandomization, FlatParameters, FleetError, FleetProblem, FleetSurvey,
    InitConfig, NamedVehicle, Observation, ObservationDelayConfig, Protocol, Quantity, RandomForce,
    RaptorBlock, RaptorConfig, RaptorEnv, RaptorRecord, RaptorSurrogate, RecordedState, Replay, ReplayError,
    RewardConfig, SamplerConfig, TerminationConfig, Transition, VehicleFile, VehicleFileError, find_vehicle,
    fits_a_table, fleet_to_csv, fleet_to_json, read_fleet, sample_fleet, survey_fleet, vehicles,
};
pub use reality::{
    BatteryConfig, DelayLine, DragConfig, GroundConfig, GustConfig, PayloadConfig, RealityConfig,
    RotorFailureConfig, SignalDelays, SignalErrors, TurbulenceConfig, WindConfig,
};
pub use registry::{POINT_TASK, RAPTOR_TASK, TaskInfo, UnknownTask, find_task, tasks};
pub use spec::{EnvSpec, Frame, Group, Part, Symmetry, intern};
pub use task::TaskConfig;
pub use vec_env::{EnvBlock, Step, Telemetry, VecEnv, visit_rows, visit_words};
