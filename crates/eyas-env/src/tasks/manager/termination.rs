//! Terminations: what ends an episode.

use eyas_lanes::Real;
use eyas_sim::{norm, sub};

use super::arguments::{Arguments, Names, terms};
use super::registry::{COMMAND, Kind, Manager, Parameter, Range, TermInfo};
use super::scene::Scene;
use super::terms::{Param, Terms};
use crate::formulas;
use crate::rows::{largest, not_finite};

terms! {
    /// The terms of terminations.
    TerminationTerm of Terminations {
        TimeOut, PositionLimit, LinearVelocityLimit, AngularVelocityLimit, BadOrientation, NotFinite, CommandLimit,
        PositionErrorLimit, RootHeightBelowMinimum, RootHeightAboveMaximum, OutOfBounds, GoalReached,
    }
    [fn holds<R: Real>(&self, scene: &impl Scene<R>) -> R::Mask] self => holds(scene)
}

/// Declares a term with one number, `limit`, and a condition that gives a mask.
macro_rules! limits {
    ($($term:ident $name:literal $meaning:literal $parameter:expr; |$scene:ident, $limit:ident| $mask:expr;)+) => {$(
        #[derive(Clone, Debug)]
        pub(super) struct $term {
            limit: f64,
        }

        impl $term {
            const PARAMETER: Parameter = $parameter;
            const INFO: TermInfo =
                TermInfo { name: $name, meaning: $meaning, parameters: &[Self::PARAMETER] };

            fn new(it: &Arguments<'_>) -> Result<Self, String> {
                Ok(Self { limit: it.number(Self::PARAMETER.name) })
            }

            #[inline(always)]
            fn holds<R: Real>(&self, $scene: &impl Scene<R>) -> R::Mask {
                let $limit = self.limit;
                $mask
            }
        }
    )+};
}

limits! {
    PositionLimit "position_limit" "farther from the spawn point than a limit"
        Parameter::new("limit", "m", Kind::Number(Range::Positive, 15.0), "the limit");
        |scene, limit| R::constant(limit).less(norm(scene.body().position));
    LinearVelocityLimit "linear_velocity_limit" "faster along a world axis than a limit"
        Parameter::new("limit", "m/s", Kind::Number(Range::Positive, 4.0), "the limit");
        |scene, limit| R::constant(limit).less(largest(scene.body().velocity));
    AngularVelocityLimit "angular_velocity_limit" "faster about a body axis than a limit"
        Parameter::new("limit", "rad/s", Kind::Number(Range::Positive, 35.0), "the limit");
        |scene, limit| R::constant(limit).less(largest(scene.body().angular_velocity));
    BadOrientation "bad_orientation" "tilted more than a limit"
        Parameter::new(
            "limit_angle",
            "rad",
            Kind::Number(Range::Within(0.0, std::f64::consts::PI), std::f64::consts::FRAC_PI_2),
            "the limit",
        );
        |scene, limit| formulas::upright(&scene.body().orientation)
            .less(R::constant(formulas::upright_at(limit)));
    RootHeightBelowMinimum "root_height_below_minimum" "lower than a limit, which is relative to the spawn point"
        Parameter::new("minimum_height", "m", Kind::Number(Range::Any, -1.0), "the limit");
        |scene, limit| scene.body().position[2].less(R::constant(limit));
    RootHeightAboveMaximum "root_height_above_maximum" "higher than a limit, which is relative to the spawn point"
        Parameter::new("maximum_height", "m", Kind::Number(Range::Any, 1.0), "the limit");
        |scene, limit| R::constant(limit).less(scene.body().position[2]);
}

/// Declares a term about a command and a number.
macro_rules! about_a_command {
    ($($term:ident $name:literal $meaning:literal $parameter:expr;
        |$scene:ident, $command:ident, $limit:ident| $mask:expr;)+) => {$(
        #[derive(Clone, Debug)]
        pub(super) struct $term {
            command: usize,
            limit: f64,
        }

        impl $term {
            const PARAMETER: Parameter = $parameter;
            const INFO: TermInfo =
                TermInfo { name: $name, meaning: $meaning, parameters: &[COMMAND, Self::PARAMETER] };

            fn new(it: &Arguments<'_>) -> Result<Self, String> {
                Ok(Self { command: it.command()?, limit: it.number(Self::PARAMETER.name) })
            }

            #[inline(always)]
            fn holds<R: Real>(&self, $scene: &impl Scene<R>) -> R::Mask {
                let ($command, $limit) = (self.command, R::constant(self.limit));
                $mask
            }
        }
    )+};
}

about_a_command! {
    CommandLimit "command_limit" "the command is farther from the spawn point than a limit"
        Parameter::new("limit", "m", Kind::Number(Range::Positive, 14.0), "the limit");
        |scene, command, limit| limit.less(norm(scene.command_position(command)));
    PositionErrorLimit "position_error_limit" "farther from the command than a limit"
        Parameter::new("limit", "m", Kind::Number(Range::Positive, 2.0), "the limit");
        |scene, command, limit|
            limit.less(norm(sub(scene.body().position, scene.command_position(command))));
    GoalReached "goal_reached" "within a distance of the command"
        Parameter::new("radius", "m", Kind::Number(Range::Positive, 0.1), "the distance");
        |scene, command, limit|
            norm(sub(scene.body().position, scene.command_position(command))).less(limit);
}

/// The time limit.
#[derive(Clone, Debug)]
pub(super) struct TimeOut {
    pub(super) steps_early: u32,
}

impl TimeOut {
    const INFO: TermInfo = TermInfo {
        name: "time_out",
        meaning: "the episode is `episode_length_s` long; needs `time_out: true`",
        parameters: &[Parameter::new(
            "steps_early",
            "1",
            Kind::Integer(Range::Within(0.0, 1.0), 0.0),
            "control steps before that: 0 as in Isaac Lab's manager-based tasks, 1 as in its direct ones",
        )],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    fn new(it: &Arguments<'_>) -> Result<Self, String> {
        Ok(Self { steps_early: it.number("steps_early") as u32 })
    }

    /// The clocks of the episodes see to it.
    #[inline(always)]
    #[expect(clippy::unused_self, reason = "other terms have parameters")]
    fn holds<R: Real>(&self, _scene: &impl Scene<R>) -> R::Mask {
        R::never()
    }
}

/// A number that is not finite.
#[derive(Clone, Debug)]
pub(super) struct NotFinite;

impl NotFinite {
    const INFO: TermInfo = TermInfo {
        name: "not_finite",
        meaning: "a number of the state is infinite or none",
        parameters: &[],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    fn new(_: &Arguments<'_>) -> Result<Self, String> {
        Ok(Self)
    }

    #[inline(always)]
    #[expect(clippy::unused_self, reason = "other terms have parameters")]
    fn holds<R: Real>(&self, scene: &impl Scene<R>) -> R::Mask {
        not_finite(scene.state())
    }
}

/// Outside of a box.
#[derive(Clone, Debug)]
pub(super) struct OutOfBounds {
    limits: [[f64; 2]; 3],
}

impl OutOfBounds {
    const INFO: TermInfo = TermInfo {
        name: "out_of_bounds",
        meaning: "outside of a box around the spawn point",
        parameters: &[
            Parameter::new("x", "m", Kind::Interval(Range::Any, [-5.0, 5.0]), "its limits along x"),
            Parameter::new("y", "m", Kind::Interval(Range::Any, [-5.0, 5.0]), "its limits along y"),
            Parameter::new("z", "m", Kind::Interval(Range::Any, [-2.0, 2.0]), "its limits along z"),
        ],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    fn new(it: &Arguments<'_>) -> Result<Self, String> {
        Ok(Self { limits: ["x", "y", "z"].map(|axis| it.interval(axis)) })
    }

    #[inline(always)]
    fn holds<R: Real>(&self, scene: &impl Scene<R>) -> R::Mask {
        let mut outside = R::never();
        for axis in 0..3 {
            let [low, high] = self.limits[axis];
            let position = scene.body().position[axis];
            let beyond = R::or(position.less(R::constant(low)), R::constant(high).less(position));
            outside = R::or(outside, beyond);
        }
        outside
    }
}
