//! What each event does.

use eyas_lanes::{Draws, Real};
use eyas_sim::{Body, VehicleParameters, add, quaternion_from_euler_turns, scale};

use super::arguments::Arguments;
use super::event::Change;
use super::registry::{Kind, Parameter, Range, TermInfo};
use crate::formulas::{StartLimits, draw_start};

/// Random starts of the point task.
#[derive(Clone, Debug)]
pub(super) struct ResetRootStateBall(StartLimits);

impl ResetRootStateBall {
    pub(super) const INFO: TermInfo = TermInfo {
        name: "reset_root_state_ball",
        meaning: "position and velocities uniform in balls, roll, pitch and yaw uniform about 0; some start at rest",
        parameters: &[
            Parameter::new("position", "m", Kind::Number(Range::NotNegative, 0.4384), "radius of positions"),
            Parameter::new(
                "linear_velocity",
                "m/s",
                Kind::Number(Range::NotNegative, 1.0),
                "radius of velocities",
            ),
            Parameter::new(
                "angular_velocity",
                "rad/s",
                Kind::Number(Range::NotNegative, 1.0),
                "radius of angular velocities",
            ),
            Parameter::new(
                "tilt",
                "rad",
                Kind::Number(Range::Within(0.0, std::f64::consts::PI), std::f64::consts::FRAC_PI_2),
                "most roll and pitch",
            ),
            Parameter::new(
                "yaw",
                "rad",
                Kind::Number(Range::Within(0.0, std::f64::consts::PI), std::f64::consts::PI),
                "most yaw",
            ),
            Parameter::new(
                "prob_perfect_start",
                "1",
                Kind::Number(Range::Within(0.0, 1.0), 0.0),
                "share of episodes that start at rest",
            ),
        ],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    pub(super) fn new(it: &Arguments<'_>) -> Result<Self, String> {
        let turns = |name: &str| it.number(name) / std::f64::consts::PI;
        Ok(Self(StartLimits {
            position: it.number("position"),
            linear_velocity: it.number("linear_velocity"),
            angular_velocity: it.number("angular_velocity"),
            turns: [turns("tilt"), turns("tilt"), turns("yaw")],
            at_rest: it.number("prob_perfect_start"),
        }))
    }

    #[inline(always)]
    pub(super) fn apply<R: Real>(&self, change: &mut Change<'_, R, impl Draws<R>>) {
        let mut limits = self.0.clone();
        if change.strength < 1.0 {
            let strength = f64::from(change.strength);
            limits.position *= strength;
            limits.linear_velocity *= strength;
            limits.angular_velocity *= strength;
            limits.turns = limits.turns.map(|turns| turns * strength);
        }
        change.state.body = draw_start(&limits, &change.draws);
    }
}

/// Starts in boxes.
#[derive(Clone, Debug)]
pub(super) struct ResetRootStateUniform {
    /// Position, velocity, angular velocity; then roll, pitch, yaw in turns.
    ranges: [[[f64; 2]; 3]; 4],
}

const STILL: Kind = Kind::Interval(Range::Any, [0.0, 0.0]);
const TURN: f64 = std::f64::consts::TAU;
const ANGLE: Kind = Kind::Interval(Range::Within(-TURN, TURN), [0.0, 0.0]);

impl ResetRootStateUniform {
    pub(super) const INFO: TermInfo = TermInfo {
        name: "reset_root_state_uniform",
        meaning: "pose and velocities uniform in boxes",
        parameters: &[
            Parameter::new("x", "m", STILL, "limits of the position along x"),
            Parameter::new("y", "m", STILL, "along y"),
            Parameter::new("z", "m", STILL, "along z"),
            Parameter::new("roll", "rad", ANGLE, "limits of the roll"),
            Parameter::new("pitch", "rad", ANGLE, "of the pitch"),
            Parameter::new("yaw", "rad", ANGLE, "of the yaw"),
            Parameter::new("vx", "m/s", STILL, "limits of the velocity along the world's x"),
            Parameter::new("vy", "m/s", STILL, "along y"),
            Parameter::new("vz", "m/s", STILL, "along z"),
            Parameter::new("wx", "rad/s", STILL, "limits of the angular velocity about the body's x"),
            Parameter::new("wy", "rad/s", STILL, "about y"),
            Parameter::new("wz", "rad/s", STILL, "about z"),
        ],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    pub(super) fn new(it: &Arguments<'_>) -> Result<Self, String> {
        let of = |names: [&str; 3]| names.map(|name| it.interval(name));
        let angles = of(["roll", "pitch", "yaw"]).map(|range| range.map(|angle| angle / TURN));
        Ok(Self { ranges: [of(["x", "y", "z"]), of(["vx", "vy", "vz"]), of(["wx", "wy", "wz"]), angles] })
    }

    #[inline(always)]
    pub(super) fn apply<R: Real>(&self, change: &mut Change<'_, R, impl Draws<R>>) {
        let mut drawn = [[R::zero(); 3]; 4];
        for (index, (drawn, ranges)) in drawn.iter_mut().zip(&self.ranges).enumerate() {
            let [x, y, z, _] = change.draw(1 + index as u32, ranges);
            *drawn = [x, y, z];
        }
        let [position, velocity, angular_velocity, [roll, pitch, yaw]] = drawn;
        let orientation = quaternion_from_euler_turns(roll, pitch, yaw);
        change.state.body = Body { position, orientation, velocity, angular_velocity };
    }
}

/// Declares a term whose only parameters are ranges that are drawn from.
macro_rules! ranges {
    ($($term:ident $name:literal $meaning:literal [$($field:ident: $parameter:expr),+]
        |$it:ident, $change:ident| $body:block)+) => {$(
        #[derive(Clone, Debug)]
        pub(super) struct $term {
            $($field: [f64; 2]),+
        }

        impl $term {
            pub(super) const INFO: TermInfo =
                TermInfo { name: $name, meaning: $meaning, parameters: &[$($parameter),+] };

            pub(super) fn new(it: &Arguments<'_>) -> Result<Self, String> {
                Ok(Self { $($field: it.interval(const { $parameter.name })),+ })
            }

            #[inline(always)]
            pub(super) fn apply<R: Real>(&self, $change: &mut Change<'_, R, impl Draws<R>>) {
                let $it = self;
                $body
            }
        }
    )+};
}

const fn factor(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter::new(name, "1", Kind::Interval(Range::Within(0.01, 100.0), [0.8, 1.2]), meaning)
}

ranges! {
    ResetRotorSpeeds "reset_rotor_speeds" "rotor speeds uniform in their range"
        [share: Parameter::new("share", "1", Kind::Interval(Range::Within(0.0, 1.0), [0.0, 1.0]),
            "limits, as shares of the range of set-points")]
        |it, change| {
            let speeds = change.draw(6, &[it.share; 4]);
            let limit = change.robot.action_limit;
            for (speed, share) in change.state.rotor_speed.iter_mut().zip(speeds) {
                *speed = share.mul_add(R::constant(limit.max - limit.min), R::constant(limit.min));
            }
        }
    RandomizeInertia "randomize_rigid_body_inertia" "principal moments of inertia times a factor, each axis on its own"
        [range: factor("inertia_distribution_params", "limits of the factor")]
        |it, change| {
            let [x, y, z, _] = change.draw(0, &[it.range; 3]);
            change.circumstances.inertia = [x, y, z];
        }
    RandomizeMotorLag "randomize_motor_lag" "time constant of each rotor times a factor"
        [range: factor("time_constant_distribution_params", "limits of the factor")]
        |it, change| {
            change.circumstances.lag = change.draw(0, &[it.range; 4]);
        }
    PushBySettingVelocity "push_by_setting_velocity" "velocities change at once by what is drawn"
        [
            x: Parameter::new("x", "m/s", STILL, "limits along the world's x"),
            y: Parameter::new("y", "m/s", STILL, "along y"),
            z: Parameter::new("z", "m/s", STILL, "along z"),
            roll: Parameter::new("roll", "rad/s", STILL, "limits about the body's x"),
            pitch: Parameter::new("pitch", "rad/s", STILL, "about y"),
            yaw: Parameter::new("yaw", "rad/s", STILL, "about z")
        ]
        |it, change| {
            let [x, y, z, _] = change.draw(0, &[it.x, it.y, it.z]);
            let [roll, pitch, yaw, _] = change.draw(7, &[it.roll, it.pitch, it.yaw]);
            let body = &mut change.state.body;
            body.velocity = add(body.velocity, [x, y, z]);
            body.angular_velocity = add(body.angular_velocity, [roll, pitch, yaw]);
        }
    ApplyExternalForceTorque "apply_external_force_torque"
        "a constant force of the world frame and a torque of the body frame, each axis on its own, until the next one"
        [
            force: Parameter::new("force_range", "N", STILL, "limits of the force along each axis"),
            torque: Parameter::new("torque_range", "N m", STILL, "limits of the torque about each axis")
        ]
        |it, change| {
            let [x, y, z, _] = change.draw(0, &[it.force; 3]);
            let [roll, pitch, yaw, _] = change.draw(7, &[it.torque; 3]);
            change.circumstances.force = [x, y, z];
            change.circumstances.torque = [roll, pitch, yaw];
        }
    Wind "wind" "horizontal wind of any direction, until the next one, and drag in proportion to the airspeed"
        [
            speed: Parameter::new("speed", "m/s", Kind::Interval(Range::NotNegative, [0.0, 3.0]), "limits of its speed"),
            drag: Parameter::new("drag", "N s/m", Kind::Interval(Range::NotNegative, [0.01, 0.01]),
                "limits of the drag for each m/s of airspeed")
        ]
        |it, change| {
            let [speed, drag, ..] = change.draw(0, &[it.speed, it.drag]);
            let words = change.draws.words(7);
            let (sine, cosine) = (R::uniform(words[0]) - R::constant(0.5)).sin_cos_turns();
            change.circumstances.wind = scale(speed, [cosine, sine, R::zero()]);
            change.circumstances.drag = [drag];
        }
}

/// Another mass.
#[derive(Clone, Debug)]
pub(super) struct RandomizeMass {
    range: [f64; 2],
    operation: MassOperation,
    recompute_inertia: bool,
}

#[derive(Clone, Copy, Debug)]
enum MassOperation {
    Scale,
    Add,
    Abs,
}

impl RandomizeMass {
    pub(super) const INFO: TermInfo = TermInfo {
        name: "randomize_rigid_body_mass",
        meaning: "another mass",
        parameters: &[
            Parameter::new(
                "mass_distribution_params",
                "1",
                Kind::Interval(Range::Any, [0.8, 1.2]),
                "limits of what is drawn, in kg unless it is a factor",
            ),
            Parameter::new(
                "operation",
                "1",
                Kind::Choice(&["scale", "add", "abs"]),
                "whether it multiplies the vehicle's mass, is added to it, or stands in its place",
            ),
            Parameter::new(
                "recompute_inertia",
                "1",
                Kind::Flag(true),
                "whether the moment of inertia changes in proportion",
            ),
        ],
    };

    pub(super) fn new(it: &Arguments<'_>) -> Result<Self, String> {
        let operation = match it.choice("operation") {
            "add" => MassOperation::Add,
            "abs" => MassOperation::Abs,
            _ => MassOperation::Scale,
        };
        let range = it.interval("mass_distribution_params");
        // A sum is checked against the vehicle's mass where that is known.
        if !matches!(operation, MassOperation::Add) && range[0] <= 0.0 {
            let [low, high] = range;
            return Err(format!(
                "`{}.params.mass_distribution_params` = [{low}, {high}], expected positive limits",
                it.key
            ));
        }
        Ok(Self { range, operation, recompute_inertia: it.flag("recompute_inertia") })
    }

    /// The least mass over the vehicle's that can be drawn.
    fn least(&self, robot: &VehicleParameters) -> f64 {
        match self.operation {
            MassOperation::Scale => self.range[0],
            MassOperation::Add => 1.0 + self.range[0] / robot.mass,
            MassOperation::Abs => self.range[0] / robot.mass,
        }
    }

    /// Checks what depends on the vehicle.
    pub(super) fn check(&self, key: &str, robot: &VehicleParameters) -> Result<(), String> {
        if self.least(robot) > 0.0 {
            return Ok(());
        }
        let ([low, high], mass) = (self.range, robot.mass);
        Err(format!(
            "`{key}.params.mass_distribution_params` = [{low}, {high}], expected more than {} kg: the vehicle \
            has {mass} kg",
            -mass
        ))
    }

    #[inline(always)]
    pub(super) fn apply<R: Real>(&self, change: &mut Change<'_, R, impl Draws<R>>) {
        let [drawn, ..] = change.draw(0, &[self.range]);
        let mass_inverse = R::constant(1.0 / change.robot.mass);
        let factor = match self.operation {
            MassOperation::Scale => drawn,
            MassOperation::Add => drawn.mul_add(mass_inverse, R::one()),
            MassOperation::Abs => drawn * mass_inverse,
        };
        change.circumstances.mass = [factor];
        if self.recompute_inertia {
            change.circumstances.inertia = [factor; 3];
        }
    }
}

/// Other rotors or propellers.
#[derive(Clone, Debug)]
pub(super) struct RandomizeThrust {
    range: [f64; 2],
    per_rotor: bool,
}

impl RandomizeThrust {
    pub(super) const INFO: TermInfo = TermInfo {
        name: "randomize_thrust_curve",
        meaning: "thrust and reaction torque at every rotor speed times a factor",
        parameters: &[
            factor("thrust_distribution_params", "limits of the factor"),
            Parameter::new("per_rotor", "1", Kind::Flag(false), "whether each rotor has a factor of its own"),
        ],
    };

    #[expect(clippy::unnecessary_wraps, reason = "other terms may refuse their parameters")]
    pub(super) fn new(it: &Arguments<'_>) -> Result<Self, String> {
        Ok(Self { range: it.interval("thrust_distribution_params"), per_rotor: it.flag("per_rotor") })
    }

    #[inline(always)]
    pub(super) fn apply<R: Real>(&self, change: &mut Change<'_, R, impl Draws<R>>) {
        let mut drawn = change.draw(0, &[self.range; 4]);
        if !self.per_rotor {
            drawn = [drawn[0]; 4];
        }
        change.circumstances.thrust = drawn;
    }
}
