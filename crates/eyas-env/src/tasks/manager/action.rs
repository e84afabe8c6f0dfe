//! Actions: what the four numbers of a policy do to the vehicle.

use eyas_lanes::Real;
use eyas_sim::{Body, Vector, Vehicle, VehicleParameters, lagged};

use super::arguments::{Arguments, Names};
use super::config::ActionConfig;
use super::registry::{Kind, Manager, Parameter, Range, TermInfo};
use crate::{Actuation, formulas};

/// The kinds of actions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ActionTerm {
    /// Set-points of the rotors, which lag behind them.
    MotorSetPoints,
    /// Thrust and moments.
    ThrustAndMoments { full_thrust: f64, moment_scale: f64 },
    /// Thrust and angular velocity.
    ThrustAndBodyRates { full_thrust: f64, max_body_rate: Vector<f64>, torque_gain: Vector<f64> },
}

/// How a raw action becomes a processed one.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) term: ActionTerm,
    scale: f64,
    offset: f64,
    clip: [f64; 2],
}

const THRUST_TO_WEIGHT: Parameter = Parameter::new(
    "thrust_to_weight",
    "1",
    Kind::Number(Range::Positive, 1.9),
    "thrust at action 1 over the vehicle's weight; at -1 there is none",
);

impl ActionTerm {
    pub(super) const INFOS: &'static [TermInfo] = &[
        TermInfo {
            name: "motor_set_points",
            meaning: "set-points of the rotors as shares of their range of speed, which they lag behind by the \
                vehicle's time constants; scale 0.5, offset 0.5, clip [0, 1]",
            parameters: &[],
        },
        TermInfo {
            name: "thrust_and_moments",
            meaning: "collective thrust and moments about the body axes, at once, as in \
                Isaac-Quadcopter-Direct-v0; scale 1, offset 0, clip [-1, 1]",
            parameters: &[
                THRUST_TO_WEIGHT,
                Parameter::new(
                    "moment_scale",
                    "N m",
                    Kind::Number(Range::NotNegative, 0.01),
                    "moment at action 1",
                ),
            ],
        },
        TermInfo {
            name: "thrust_and_body_rates",
            meaning: "collective thrust and angular velocities, which a proportional controller follows in each \
                simulation step; scale 1, offset 0, clip [-1, 1]",
            parameters: &[
                THRUST_TO_WEIGHT,
                Parameter::new(
                    "max_body_rate",
                    "rad/s",
                    Kind::Vector(Range::NotNegative, [6.0, 6.0, 3.0]),
                    "angular velocity about each body axis at action 1",
                ),
                Parameter::new(
                    "rate_gain",
                    "1/s",
                    Kind::Vector(Range::NotNegative, [20.0, 20.0, 10.0]),
                    "angular acceleration for each rad/s of error",
                ),
            ],
        },
    ];

    fn new(it: &Arguments<'_>, func: &str, robot: &VehicleParameters) -> Self {
        let full_thrust = || it.number(THRUST_TO_WEIGHT.name) * robot.weight();
        match func {
            "motor_set_points" => Self::MotorSetPoints,
            "thrust_and_moments" => {
                Self::ThrustAndMoments { full_thrust: full_thrust(), moment_scale: it.number("moment_scale") }
            }
            _ => {
                let gain = it.vector("rate_gain");
                Self::ThrustAndBodyRates {
                    full_thrust: full_thrust(),
                    max_body_rate: it.vector("max_body_rate"),
                    torque_gain: std::array::from_fn(|axis| gain[axis] * robot.inertia[axis][axis]),
                }
            }
        }
    }

    /// What an action means.
    pub(super) fn description(&self) -> &'static str {
        match self {
            Self::MotorSetPoints => {
                "motor set-points: rotor speeds from the least at -1 to the most at 1, clamped outside"
            }
            Self::ThrustAndMoments { .. } => {
                "collective thrust from none at -1, then moments about x, y and z"
            }
            Self::ThrustAndBodyRates { .. } => {
                "collective thrust from none at -1, then angular velocities about x, y and z"
            }
        }
    }

    /// What an action moves.
    pub(super) fn actuation(&self) -> Actuation {
        match self {
            Self::MotorSetPoints => Actuation::Rotors,
            Self::ThrustAndMoments { .. } | Self::ThrustAndBodyRates { .. } => Actuation::Wrench,
        }
    }

    /// What stands at the places of an action.
    pub(super) fn order(&self) -> &'static str {
        match self.actuation() {
            // A vehicle's own order is that of its file; this is the default vehicle's.
            Actuation::Rotors => "front left, front right, back right, back left",
            Actuation::Wrench => "thrust, roll, pitch, yaw",
        }
    }

    /// Body wrench of a processed action that knows no rotors.
    #[inline(always)]
    pub(super) fn wrench<R: Real>(&self, action: &[R; 4], body: &Body<R>) -> (Vector<R>, Vector<R>) {
        match self {
            Self::MotorSetPoints => ([R::zero(); 3], [R::zero(); 3]),
            Self::ThrustAndMoments { full_thrust, moment_scale } => {
                formulas::thrust_and_moments(*full_thrust, *moment_scale, *action)
            }
            Self::ThrustAndBodyRates { full_thrust, max_body_rate, torque_gain } => {
                let (force, mut torque) = formulas::thrust_and_moments(*full_thrust, 0.0, *action);
                for axis in 0..3 {
                    let rate = R::constant(max_body_rate[axis]) * action[axis + 1];
                    torque[axis] = R::constant(torque_gain[axis]) * (rate - body.angular_velocity[axis]);
                }
                (force, torque)
            }
        }
    }
}

impl Action {
    /// The action of a file.
    pub(super) fn new(
        key: &str,
        config: &ActionConfig,
        names: &Names<'_>,
        robot: &VehicleParameters,
    ) -> Result<Self, String> {
        let arguments = Arguments::new(key, Manager::Actions, &config.func, &config.params, names)?;
        let term = ActionTerm::new(&arguments, &config.func, robot);
        let (scale, offset, clip) = match term {
            ActionTerm::MotorSetPoints => (0.5, 0.5, [0.0, 1.0]),
            _ => (1.0, 0.0, [-1.0, 1.0]),
        };
        let action = Self {
            term,
            scale: config.scale.unwrap_or(scale),
            offset: config.offset.unwrap_or(offset),
            clip: config.clip.unwrap_or(clip),
        };
        super::program::check_finite(key, "scale", action.scale)?;
        super::program::check_finite(key, "offset", action.offset)?;
        super::program::check_ascending(key, "clip", Some(action.clip))?;
        if term == ActionTerm::MotorSetPoints && !(action.clip[0] >= 0.0 && action.clip[1] <= 1.0) {
            let [low, high] = action.clip;
            return Err(format!(
                "`{key}.clip` = [{low}, {high}], expected limits in [0, 1]: they are shares"
            ));
        }
        Ok(action)
    }

    /// Scaled, then limited.
    #[inline(always)]
    pub(super) fn processed<R: Real>(&self, raw: &[R; 4]) -> [R; 4] {
        let [low, high] = self.clip;
        let mut processed = *raw;
        for value in &mut processed {
            let scaled = value.mul_add(R::constant(self.scale), R::constant(self.offset));
            *value = scaled.clamp(R::constant(low), R::constant(high));
        }
        processed
    }
}

/// Rotor speeds on their way to their set-points, as shares of their range: (M8) with one share for each rotor and
/// direction.
#[inline(always)]
pub(super) fn turn_rotors<R: Real, const ALIGNED: bool>(
    vehicle: &Vehicle<R, ALIGNED>,
    speeds: &[R; 4],
    set_points: &[R; 4],
    rising: &[R; 4],
    falling: &[R; 4],
) -> [R; 4] {
    let range = vehicle.speed_max - vehicle.speed_min;
    let mut next = *speeds;
    for (motor, speed) in next.iter_mut().enumerate() {
        let goal = set_points[motor].mul_add(range, vehicle.speed_min);
        let alpha = R::select(goal.less(*speed), falling[motor], rising[motor]);
        *speed = lagged(alpha, *speed, goal);
    }
    next
}
