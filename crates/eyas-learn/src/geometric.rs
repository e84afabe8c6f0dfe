//! The geometric controller at the controls of an env.

use std::ops::Range;

use eyas_env::{Actuation, EnvBlock, EnvSpec, Frame};
use eyas_lanes::{BLOCK, Row};
use eyas_policy::Scratch;
use eyas_sim::{GeometricController, Tracking, Unsteerable, Vector, VehicleParameters, scale, sub};

use crate::controller::Controller;

/// Flies each vehicle with the geometric controller made for it.
///
/// It sees what a policy does, and knows besides the vehicle's parameters and, by differences, the acceleration of the
/// reference. Rotor speeds are modelled, not seen.
#[derive(Clone, Debug)]
pub struct Se3Actor {
    controllers: Vec<GeometricController>,
    period: f64,
    position_error: Errors,
    velocity_error: Errors,
    rotation: Range<usize>,
    angular_velocity: Range<usize>,
    /// Actions that hold the rotors' speeds at the start of an episode, where the task shows them.
    first_action: Option<Range<usize>>,
}

/// Features of an error, and whether they stand in the body frame.
#[derive(Clone, Debug)]
struct Errors {
    features: Range<usize>,
    is_in_body: bool,
}

/// Rows of the memory: velocity of the reference, modelled rotor speeds as actions, whether the episode has begun.
const REFERENCE: usize = 0;
const ROTORS: usize = 3;
const HAS_BEGUN: usize = 7;
const MEMORY: usize = 8;

/// The geometric controller cannot fly a task.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Unguidable {
    /// Its rotors cannot.
    #[error(transparent)]
    Unsteerable(#[from] Unsteerable),
    /// It gives set-points of rotors, and the task takes none.
    #[error("the geometric controller commands rotors, and the vehicle of task `{0}` has none")]
    NoRotors(&'static str),
    /// It would be blind.
    #[error("the geometric controller needs to see `{part}`, which task `{task}` does not observe")]
    Unseen {
        /// The task.
        task: &'static str,
        /// What it does not observe.
        part: &'static str,
    },
}

impl Se3Actor {
    /// For envs that fly the vehicles in turns.
    ///
    /// # Panics
    ///
    /// If there is no vehicle.
    pub fn new<'a>(
        vehicles: impl IntoIterator<Item = &'a VehicleParameters>,
        spec: &EnvSpec,
    ) -> Result<Self, Unguidable> {
        if spec.actuation != Actuation::Rotors {
            return Err(Unguidable::NoRotors(spec.task));
        }
        let period = 1.0 / spec.control_rate_hz;
        let controllers = vehicles
            .into_iter()
            .map(|vehicle| GeometricController::new(vehicle, period))
            .collect::<Result<Vec<_>, _>>()?;
        assert!(!controllers.is_empty(), "a vehicle to fly");
        let features =
            |part: &'static str| spec.features_of(part).ok_or(Unguidable::Unseen { task: spec.task, part });
        let errors = |name: &'static str| -> Result<Errors, Unguidable> {
            let is_in_body = spec.parts.iter().any(|part| part.name == name && part.frame == Frame::Body);
            Ok(Errors { features: features(name)?, is_in_body })
        };
        Ok(Self {
            controllers,
            period,
            position_error: errors("position_error")?,
            velocity_error: errors("velocity_error")?,
            rotation: features("rotation_matrix")?,
            angular_velocity: features("angular_velocity")?,
            first_action: spec.features_of("previous_action"),
        })
    }

    fn tracking(&self, observation: &[Row], lane: usize, acceleration: Vector<f64>) -> Tracking {
        let vector = |start: usize| [0, 1, 2].map(|axis| f64::from(observation[start + axis][lane]));
        let rotation = [0, 3, 6].map(|row| vector(self.rotation.start + row));
        let error = |errors: &Errors| {
            let error = vector(errors.features.start);
            let dot = |row: Vector<f64>| row.iter().zip(error).map(|(a, b)| a * b).sum();
            if errors.is_in_body { rotation.map(dot) } else { error }
        };
        Tracking {
            position_error: error(&self.position_error),
            velocity_error: error(&self.velocity_error),
            acceleration,
            rotation,
            angular_velocity: vector(self.angular_velocity.start),
        }
    }
}

impl Controller for Se3Actor {
    fn num_actions(&self) -> usize {
        4
    }

    fn state_width(&self) -> usize {
        MEMORY
    }

    fn act(
        &self,
        block: &dyn EnvBlock,
        observation: &[Row],
        state: &mut [Row],
        _scratch: &mut Scratch,
        action: &mut [Row],
    ) {
        for lane in 0..BLOCK {
            let env = block.first_env() as usize + lane;
            let controller = &self.controllers[env % self.controllers.len()];
            let reference = block.telemetry(lane).desired_velocity.map(f64::from);
            let has_begun = state[HAS_BEGUN][lane] != 0.0;
            let before = if has_begun {
                [0, 1, 2].map(|axis| f64::from(state[REFERENCE + axis][lane]))
            } else {
                reference
            };
            let acceleration = scale(1.0 / self.period, sub(reference, before));
            let wanted = controller.rotor_speeds(&self.tracking(observation, lane, acceleration));
            let speeds = std::array::from_fn(|rotor| {
                let modelled = state[ROTORS + rotor][lane];
                let first = self.first_action.as_ref().map_or(-1.0, |it| observation[it.start + rotor][lane]);
                controller.speed_of_action(f64::from(if has_begun { modelled } else { first }))
            });
            let (set_points, next) = controller.overdriven(&speeds, &wanted);
            for rotor in 0..4 {
                action[rotor][lane] = controller.action_of(set_points[rotor]) as f32;
                state[ROTORS + rotor][lane] = controller.action_of(next[rotor]) as f32;
            }
            for (axis, velocity) in reference.into_iter().enumerate() {
                state[REFERENCE + axis][lane] = velocity as f32;
            }
            state[HAS_BEGUN][lane] = 1.0;
        }
    }
}
