//! Quadrotor tasks: observation, action, reward, termination and reset of vectorised environments.

mod differentiable;
mod episode;
mod point;
mod raptor;
mod registry;
mod spec;
mod vec_env;

pub use differentiable::{Barrier, DifferentiableBlock, DifferentiableTask, SurrogateConfig};
pub use episode::{Cause, Ended, MAX_TERMS};
pub use point::{
    PointBlock, PointConfig, PointDerivative, PointEnv, PointRecord, SceneConfig, SimConfig, Thresholds,
    TrajectoryType,
};
pub use raptor::{FlatParameters, Quantity, RecordedState, Replay, ReplayError, Transition};
pub use registry::{POINT_TASK, TaskInfo, UnknownTask, find_task, tasks};
pub use spec::{EnvSpec, Frame, Group, Part, Symmetry};
pub use vec_env::{EnvBlock, Step, Telemetry, VecEnv, visit_rows, visit_words};
