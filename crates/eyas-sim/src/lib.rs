//! Quadrotor dynamics, motors, vehicles and reference trajectories over lanes of vehicles; knows no reward.
//!
//! Equations are numbered (M1), (M2), … as in `docs/model.md`. World frame: x forward, y left, z up.
//! Body frame: x forward, y left, z up. Quaternions: w, x, y, z, body to world. SI units.

mod adjoint;
mod allocation;
mod course;
mod derived;
mod dynamics;
mod geometric;
mod linear;
mod payload;
mod rotation;
mod state;
mod trajectory;
mod vector;
mod vehicle;

pub use adjoint::{HeldDerivative, HeldStep, LaggedStep, pull_back_matrix};
pub use allocation::{Allocation, Axes, Unsteerable};
pub use course::{
    CircleConfig, Course, CourseConfig, CourseError, CourseKind, FigureEightConfig, LissajousConfig,
    MinimumSnap, MinimumSnapConfig, SamplesConfig, StepConfig, ZigzagConfig,
};
pub use dynamics::{Disturbance, SpeedLag, lagged, step_held, step_lagged};
pub use geometric::{GeometricController, Tracking};
pub use rotation::{
    body_from_world, matrix_from_quaternion, quaternion_from_euler_turns, turned_about_axes, world_from_body,
};
pub use state::{Body, State};
pub use trajectory::{Langevin, LangevinConfig};
pub use vector::{Vector, add, cross, dot, norm, scale, sub};
pub use vehicle::{
    ActionLimit, ParameterError, Rotor, RotorSet, VEHICLE_NUMBERS, Vehicle, VehicleParameters,
};
