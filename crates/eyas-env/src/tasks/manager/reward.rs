//! Rewards: what a step is worth.

use eyas_lanes::Real;
use eyas_sim::{Vector, dot, norm, sub};

use super::arguments::{Arguments, Names, terms};
use super::registry::{COMMAND, Kind, Manager, Parameter, Range, TermInfo};
use super::scene::{Scene, Which};
use super::terms::{Param, Terms};
use crate::formulas;

terms! {
    /// The terms of rewards.
    RewardTerm of Rewards {
        IsAlive, IsTerminated, IsTerminatedTerm, Constant, PositionError, PositionErrorL2, PositionErrorTanh,
        PositionErrorExp, VelocityErrorL2, VelocityErrorExp, YawError, TiltL2, FlatOrientationL2, BaseHeightL2,
        LinVelL2, LinVelZL2, AngVelL2, AngVelXyL2, ActionL2, ActionRateL2, SetPointChange, SetPointL2, GoalReached,
    }
    [fn value<R: Real>(&self, scene: &impl Scene<R>) -> R] self => value(scene)
}

const STD: Parameter = Parameter::new(
    "std",
    "1",
    Kind::Number(Range::Positive, 0.8),
    "error at which it has fallen far, in the unit of the error",
);

/// A term without parameters, which are all that it could be made of.
macro_rules! plain {
    ($($term:ident $name:literal $meaning:literal |$scene:ident| $value:expr;)+) => {$(
        #[derive(Clone, Debug)]
        pub(super) struct $term;

        impl $term {
            const INFO: TermInfo = TermInfo { name: $name, meaning: $meaning, parameters: &[] };

            fn new(_: &Arguments<'_>) -> Result<Self, String> {
                Ok(Self)
            }

            #[inline(always)]
            fn value<R: Real>(&self, $scene: &impl Scene<R>) -> R {
                $value
            }
        }
    )+};
}

plain! {
    Constant "constant" "1 in each step" |_scene| R::constant(1.0);
    YawError "yaw_error" "`arccos(1 - |q_z|)` in rad: the orientation error of the point task, which knows of yaw only"
        |scene| formulas::yaw_error(&scene.body().orientation);
    TiltL2 "tilt_l2" "square of the angle between the body's z axis and that of the world, in rad²" |scene| {
        // The angle by its half, which loses no digits near 0: 1 − R₃₃ = 2 sin²(θ/2).
        let upright = formulas::upright(&scene.body().orientation);
        let tilt = tilt(upright);
        tilt * tilt
    };
    FlatOrientationL2 "flat_orientation_l2" "square of the horizontal part of the gravity's direction in the body frame"
        |scene| {
            let [x, y, _] = scene.matrix()[2];
            x.mul_add(x, y * y)
        };
    LinVelL2 "lin_vel_l2" "square of the speed, in (m/s)²" |scene| {
        let velocity = scene.body().velocity;
        dot(velocity, velocity)
    };
    LinVelZL2 "lin_vel_z_l2" "square of the vertical velocity, in (m/s)²" |scene| {
        let [_, _, z] = scene.body().velocity;
        z * z
    };
    AngVelL2 "ang_vel_l2" "square of the angular velocity, in (rad/s)²" |scene| {
        let rate = scene.body().angular_velocity;
        dot(rate, rate)
    };
    AngVelXyL2 "ang_vel_xy_l2" "square of the angular velocity about the body's x and y axes, in (rad/s)²" |scene| {
        let [x, y, _] = scene.body().angular_velocity;
        x.mul_add(x, y * y)
    };
    ActionL2 "action_l2" "square of the raw action" |scene| squared(&scene.action(Which::Raw));
    ActionRateL2 "action_rate_l2" "square of the change of the raw action" |scene| {
        let change = formulas::change(&scene.action(Which::Raw), &scene.action(Which::LastRaw));
        change * change
    };
    SetPointChange "set_point_change" "norm of the change of the processed action: the smoothness of the point task"
        |scene| formulas::change(
            &scene.action(Which::Processed),
            &scene.action(Which::LastProcessed),
        );
    IsAlive "is_alive" "1 unless the task ends" |scene| {
        let (zero, one) = (R::constant(0.0), R::constant(1.0));
        R::select(scene.is_terminated(u32::MAX), zero, one)
    };
    IsTerminated "is_terminated" "1 if the task ends, but not if the time does" |scene| {
        let (zero, one) = (R::constant(0.0), R::constant(1.0));
        R::select(scene.is_terminated(u32::MAX), one, zero)
    };
}

/// The angle whose cosine is given, in `[0, π]`.
#[inline(always)]
fn tilt<R: Real>(cosine: R) -> R {
    let (zero, one, pi) = (R::constant(0.0), R::constant(1.0), R::constant(std::f64::consts::PI));
    // One angle of the two that are asked for: `1 − |cos|` is what both are measured by.
    let points_down = cosine.less(zero);
    let upright = R::select(points_down, -cosine, cosine);
    let angle = (one - upright).max(zero).min(one).acos_one_minus();
    R::select(points_down, pi - angle, angle)
}

#[inline(always)]
fn squared<R: Real>([a, b, c, d]: &[R; 4]) -> R {
    d.mul_add(*d, c.mul_add(*c, b.mul_add(*b, *a * *a)))
}

/// 1 if one of some terminations holds.
#[derive(Clone, Debug)]
pub(super) struct IsTerminatedTerm {
    set: u32,
}

impl IsTerminatedTerm {
    const INFO: TermInfo = TermInfo {
        name: "is_terminated_term",
        meaning: "1 if one of these terminations ends the task",
        parameters: &[Parameter::new(
            "term_keys",
            "1",
            Kind::TermsOf(Manager::Terminations),
            "which terminations",
        )],
    };

    fn new(it: &Arguments<'_>) -> Result<Self, String> {
        Ok(Self { set: it.terms("term_keys")?.into_iter().fold(0, |set, term| set | 1 << term) })
    }

    #[inline(always)]
    fn value<R: Real>(&self, scene: &impl Scene<R>) -> R {
        R::select(scene.is_terminated(self.set), R::constant(1.0), R::constant(0.0))
    }
}

/// Declares a term about the error of a command, `position` or `velocity`, with a kernel.
macro_rules! tracking {
    ($($term:ident $name:literal $meaning:literal $what:ident
        ($($field:ident: $parameter:ident),*) |$error:ident, $it:ident| $value:expr;)+) => {$(
        #[derive(Clone, Debug)]
        pub(super) struct $term {
            command: usize,
            $($field: f64),*
        }

        impl $term {
            const INFO: TermInfo =
                TermInfo { name: $name, meaning: $meaning, parameters: &[COMMAND, $($parameter),*] };

            fn new(it: &Arguments<'_>) -> Result<Self, String> {
                Ok(Self { command: it.command()?, $($field: it.number($parameter.name)),* })
            }

            #[inline(always)]
            fn value<R: Real>(&self, scene: &impl Scene<R>) -> R {
                let $it = self;
                let $error = $what(scene, self.command);
                $value
            }
        }
    )+};
}

#[inline(always)]
fn position<R: Real>(scene: &impl Scene<R>, command: usize) -> Vector<R> {
    sub(scene.body().position, scene.command_position(command))
}

#[inline(always)]
fn velocity<R: Real>(scene: &impl Scene<R>, command: usize) -> Vector<R> {
    sub(scene.body().velocity, scene.command_velocity(command))
}

const RADIUS: Parameter =
    Parameter::new("radius", "m", Kind::Number(Range::Positive, 0.1), "distance within which it counts");

tracking! {
    PositionError "position_error" "distance to the command, in m" position () |error, _it| norm(error);
    PositionErrorL2 "position_error_l2" "square of the distance to the command, in m²" position ()
        |error, _it| dot(error, error);
    PositionErrorTanh "position_error_tanh" "`1 - tanh(distance / std)`" position (std: STD)
        |error, it| R::constant(1.0) - (norm(error) * R::constant(1.0 / it.std)).tanh();
    PositionErrorExp "position_error_exp" "`exp(-distance² / std²)`" position (std: STD)
        |error, it| (dot(error, error) * R::constant(-1.0 / (it.std * it.std))).exp();
    VelocityErrorL2 "velocity_error_l2" "square of the velocity's error, in (m/s)²" velocity ()
        |error, _it| dot(error, error);
    VelocityErrorExp "velocity_error_exp" "`exp(-|velocity error|² / std²)`" velocity (std: STD)
        |error, it| (dot(error, error) * R::constant(-1.0 / (it.std * it.std))).exp();
    GoalReached "goal_reached" "1 within a distance of the command" position (radius: RADIUS)
        |error, it| R::select(norm(error).less(R::constant(it.radius)), R::constant(1.0), R::constant(0.0));
}

/// Square of the height's error.
#[derive(Clone, Debug)]
pub(super) struct BaseHeightL2 {
    target: f64,
}

impl BaseHeightL2 {
    const INFO: TermInfo = TermInfo {
        name: "base_height_l2",
        meaning: "square of the height's distance from a target, in m²",
        parameters: &[Parameter::new(
            "target_height",
            "m",
            Kind::Number(Range::Any, 0.0),
            "the height, above the spawn point",
        )],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    fn new(it: &Arguments<'_>) -> Result<Self, String> {
        Ok(Self { target: it.number("target_height") })
    }

    #[inline(always)]
    fn value<R: Real>(&self, scene: &impl Scene<R>) -> R {
        let error = scene.body().position[2] - R::constant(self.target);
        error * error
    }
}

/// Square of the processed action's distance from a value.
#[derive(Clone, Debug)]
pub(super) struct SetPointL2 {
    target: f64,
}

impl SetPointL2 {
    const INFO: TermInfo = TermInfo {
        name: "set_point_l2",
        meaning: "square of the processed action's distance from a value, such as the throttle that hovers",
        parameters: &[Parameter::new("target", "1", Kind::Number(Range::Any, 0.0), "the value")],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    fn new(it: &Arguments<'_>) -> Result<Self, String> {
        Ok(Self { target: it.number("target") })
    }

    #[inline(always)]
    fn value<R: Real>(&self, scene: &impl Scene<R>) -> R {
        let mut error = scene.action(Which::Processed);
        for value in &mut error {
            *value = *value - R::constant(self.target);
        }
        squared(&error)
    }
}
