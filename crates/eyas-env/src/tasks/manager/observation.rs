//! Observations: what a policy sees.

use eyas_lanes::{Draws, Real};
use eyas_sim::{Vector, VehicleParameters, body_from_world, sub};

use super::arguments::{Arguments, Names, terms};
use super::config::{NoiseConfig, NoiseKind, ObservationConfig, Operation};
use super::registry::{COMMAND, Manager, TermInfo};
use super::scene::{Scene, Which};
use super::terms::{Param, Terms};
use crate::Frame;
use crate::rows::not_a_number_to_zero;
use crate::task::Features;

/// What a term of an observation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Number of features.
    pub width: usize,
    /// Their frame.
    pub frame: Frame,
    /// Their unit, `1` if there is none.
    pub unit: &'static str,
}

/// Declares terms: their documentation, what they give, and the formula of their features.
macro_rules! features {
    ($($term:ident $name:literal $meaning:literal [$width:literal $frame:ident $unit:literal]
        ($($command:ident)?) |$scene:ident, $it:ident| $value:expr;)+) => {
        $(features! { @term $term $name $meaning [$width $frame $unit] ($($command)?) |$scene, $it| $value })+

        terms! {
            /// The terms of observations.
            ObservationTerm of Observations { $($term),+ }
            [fn write<R: Real>(&self, scene: &impl Scene<R>, out: &mut impl Features<R>)] self => write(scene, out)
        }

        impl ObservationTerm {
            /// What it gives.
            pub(super) fn output(&self) -> Output {
                match self {
                    $(Self::$term(_) => $term::OUTPUT),+
                }
            }

            /// What the term of that name gives.
            pub(super) fn output_of(name: &str) -> Option<Output> {
                [$(($term::INFO.name, $term::OUTPUT)),+]
                    .into_iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, output)| output)
            }
        }
    };
    (@term $term:ident $name:literal $meaning:literal [$width:literal $frame:ident $unit:literal]
        () |$scene:ident, $it:ident| $value:expr) => {
        #[derive(Clone, Debug)]
        pub(super) struct $term;

        impl $term {
            const INFO: TermInfo = TermInfo { name: $name, meaning: $meaning, parameters: &[] };

            fn new(_: &Arguments<'_>) -> Result<Self, String> {
                Ok(Self)
            }
        }

        features! { @write $term [$width $frame $unit] |$scene, $it| $value }
    };
    (@term $term:ident $name:literal $meaning:literal [$width:literal $frame:ident $unit:literal]
        (command) |$scene:ident, $it:ident| $value:expr) => {
        #[derive(Clone, Debug)]
        pub(super) struct $term {
            command: usize,
        }

        impl $term {
            const INFO: TermInfo = TermInfo { name: $name, meaning: $meaning, parameters: &[COMMAND] };

            fn new(it: &Arguments<'_>) -> Result<Self, String> {
                Ok(Self { command: it.command()? })
            }
        }

        features! { @write $term [$width $frame $unit] |$scene, $it| $value }
    };
    (@write $term:ident [$width:literal $frame:ident $unit:literal] |$scene:ident, $it:ident| $value:expr) => {
        impl $term {
            const OUTPUT: Output = Output { width: $width, frame: Frame::$frame, unit: $unit };

            #[inline(always)]
            fn write<R: Real>(&self, $scene: &impl Scene<R>, out: &mut impl Features<R>) {
                let $it = self;
                let values: [R; $width] = $value;
                out.put_all(values);
            }
        }
    };
}

features! {
    PositionErrorB "position_error_b" "position minus command" [3 Body "m"] (command) |scene, it|
        body_from_world(scene.matrix(), position_error(scene, it.command));
    PositionErrorW "position_error_w" "position minus command" [3 World "m"] (command) |scene, it|
        position_error(scene, it.command);
    VelocityErrorB "velocity_error_b" "velocity minus the command's" [3 Body "m/s"] (command) |scene, it|
        body_from_world(scene.matrix(), velocity_error(scene, it.command));
    VelocityErrorW "velocity_error_w" "velocity minus the command's" [3 World "m/s"] (command) |scene, it|
        velocity_error(scene, it.command);
    GeneratedCommands "generated_commands" "position and velocity of the command" [6 World "m, m/s"] (command)
        |scene, it| {
            let [x, y, z] = scene.command_position(it.command);
            let [u, v, w] = scene.command_velocity(it.command);
            [x, y, z, u, v, w]
        };
    CommandB "command_b" "command minus position, as Isaac-Quadcopter-Direct-v0 shows its goal" [3 Body "m"] (command)
        |scene, it| body_from_world(
            scene.matrix(),
            sub(scene.command_position(it.command), scene.body().position),
        );
    RotationMatrix "rotation_matrix" "body-to-world rotation, row-major" [9 WorldFromBody "1"] () |scene, _it| {
        let [[a, b, c], [d, e, f], [g, h, i]] = *scene.matrix();
        [a, b, c, d, e, f, g, h, i]
    };
    RootQuatW "root_quat_w" "orientation as a quaternion w, x, y, z" [4 WorldFromBody "1"] () |scene, _it|
        scene.body().orientation;
    ProjectedGravity "projected_gravity" "direction of gravity" [3 Body "1"] () |scene, _it| {
        let [x, y, z] = scene.matrix()[2];
        [-x, -y, -z]
    };
    RootPosW "root_pos_w" "position from the spawn point" [3 World "m"] () |scene, _it| scene.body().position;
    BasePosZ "base_pos_z" "height above the spawn point" [1 World "m"] () |scene, _it|
        [scene.body().position[2]];
    BaseLinVel "base_lin_vel" "velocity" [3 Body "m/s"] () |scene, _it|
        body_from_world(scene.matrix(), scene.body().velocity);
    RootLinVelW "root_lin_vel_w" "velocity" [3 World "m/s"] () |scene, _it| scene.body().velocity;
    BaseAngVel "base_ang_vel" "angular velocity" [3 Body "rad/s"] () |scene, _it|
        scene.body().angular_velocity;
    RootAngVelW "root_ang_vel_w" "angular velocity" [3 World "rad/s"] () |scene, _it|
        world_from_body(scene, scene.body().angular_velocity);
    LastAction "last_action" "last raw action, 0 after a reset" [4 Motors "1"] () |scene, _it|
        scene.action(Which::Raw);
    LastProcessedAction "last_processed_action" "last action as it was applied, 0 after a reset" [4 Motors "1"] ()
        |scene, _it| scene.action(Which::Processed);
    RotorSpeed "rotor_speed" "rotor speed relative to the range of set-points" [4 Motors "1"] () |scene, _it| {
        let [low, range_inverse] = scene.rotor_range();
        let mut speeds = scene.state().rotor_speed;
        for speed in &mut speeds {
            *speed = (*speed - R::constant(low)) * R::constant(range_inverse);
        }
        speeds
    };
    MassFactor "mass_factor" "mass over that of the configured vehicle" [1 Body "1"] () |scene, _it|
        [scene.mass_factor()];
    EpisodeTime "episode_time" "control steps since the start of the episode" [1 World "control steps"] ()
        |scene, _it| [scene.episode_steps()];
}

#[inline(always)]
fn position_error<R: Real>(scene: &impl Scene<R>, command: usize) -> Vector<R> {
    sub(scene.body().position, scene.command_position(command))
}

#[inline(always)]
fn velocity_error<R: Real>(scene: &impl Scene<R>, command: usize) -> Vector<R> {
    sub(scene.body().velocity, scene.command_velocity(command))
}

#[inline(always)]
fn world_from_body<R: Real>(scene: &impl Scene<R>, v: Vector<R>) -> Vector<R> {
    let mut rotated = v;
    for (value, row) in rotated.iter_mut().zip(scene.matrix()) {
        *value = eyas_sim::dot(*row, v);
    }
    rotated
}

/// The least rotor speed, and 1 over the range.
pub(super) fn rotor_range(robot: &VehicleParameters) -> [f64; 2] {
    let limit = robot.action_limit;
    [limit.min, 1.0 / (limit.max - limit.min)]
}

/// A term with what is done to its features.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) term: ObservationTerm,
    noise: Option<NoiseConfig>,
    clip: Option<[f64; 2]>,
    scale: Option<f64>,
    /// Steps that it is late by.
    pub(super) delay: usize,
    /// Values that are shown.
    pub(super) history: usize,
    /// The first of its kept values among all.
    pub(super) first_kept: usize,
    /// What sets its draws apart.
    index: u32,
}

/// Most steps of delay and history.
const MOST_STEPS: u32 = 64;

impl Observed {
    /// The term of a file, which comes after `first_kept` kept values; `index` sets its draws apart.
    pub(super) fn new(
        key: &str,
        config: &ObservationConfig,
        names: &Names<'_>,
        is_corrupted: bool,
        [first_kept, index]: [usize; 2],
    ) -> Result<Self, String> {
        let term = ObservationTerm::new(key, &config.func, &config.params, names)?;
        super::program::check_ascending(key, "clip", config.clip)?;
        if let Some(scale) = config.scale {
            super::program::check_finite(key, "scale", scale)?;
        }
        for (name, steps) in [("delay", config.delay), ("history_length", config.history_length)] {
            if steps > MOST_STEPS {
                return Err(format!("`{key}.{name}` = {steps}, expected at most {MOST_STEPS} control steps"));
            }
        }
        if let Some(NoiseConfig { mean, std, n_min, n_max, .. }) = config.noise {
            for (name, value) in [("mean", mean), ("std", std), ("n_min", n_min), ("n_max", n_max)] {
                super::program::check_finite(key, &format!("noise.{name}"), value)?;
            }
            if std < 0.0 {
                return Err(format!("`{key}.noise.std` = {std}, expected a number of at least 0"));
            }
            super::program::check_ascending(key, "noise.[n_min, n_max]", Some([n_min, n_max]))?;
        }
        Ok(Self {
            term,
            noise: config.noise.clone().filter(|_| is_corrupted),
            clip: config.clip,
            scale: config.scale,
            delay: config.delay as usize,
            history: config.history_length.max(1) as usize,
            first_kept,
            index: index as u32,
        })
    }

    /// Features of one value.
    pub(super) fn width(&self) -> usize {
        self.term.output().width
    }

    /// Unit of the features, `1` if there is none or they are scaled.
    pub(super) fn unit(&self) -> &'static str {
        if matches!(self.scale, None | Some(1.0)) { self.term.output().unit } else { "1" }
    }

    /// Features of all values that are shown.
    pub(super) fn features(&self) -> usize {
        self.width() * self.history
    }

    /// Numbers that have to be kept, the oldest value first; none where the present one is all that is shown.
    pub(super) fn kept(&self) -> usize {
        if self.delay == 0 && self.history == 1 { 0 } else { (self.delay + self.history) * self.width() }
    }

    /// Whether it is drawn anew for each group that has it.
    pub(super) fn is_noisy(&self) -> bool {
        self.noise.is_some()
    }

    /// The present value, as it is shown or kept: with noise, within its limits, scaled.
    #[inline(always)]
    pub(super) fn sample<R: Real>(
        &self,
        scene: &impl Scene<R>,
        draws: &impl Draws<R>,
        out: &mut impl Features<R>,
    ) {
        if self.noise.is_none() && self.clip.is_none() && self.scale.is_none() {
            self.term.write(scene, out);
            return;
        }
        let mut value = Value::new();
        self.term.write(scene, &mut value);
        let features = &mut value.features[..value.width];
        if let Some(noise) = &self.noise {
            self.corrupt(noise, draws, features);
        }
        if let Some([low, high]) = self.clip {
            for feature in features.iter_mut() {
                *feature = feature.clamp(R::constant(low), R::constant(high));
            }
        }
        if let Some(scale) = self.scale {
            for feature in features.iter_mut() {
                *feature = *feature * R::constant(scale);
            }
        }
        for feature in features {
            out.put(*feature);
        }
    }

    #[inline(always)]
    fn corrupt<R: Real>(&self, noise: &NoiseConfig, draws: &impl Draws<R>, features: &mut [R]) {
        for (chunk, features) in features.chunks_mut(4).enumerate() {
            // A term has at most nine features: three draws of four numbers.
            let words = draws.words(4 * self.index + chunk as u32);
            let normal = R::normals(words);
            for ((feature, normal), word) in features.iter_mut().zip(normal).zip(words) {
                let drawn = match noise.func {
                    NoiseKind::Gaussian => normal.mul_add(R::constant(noise.std), R::constant(noise.mean)),
                    NoiseKind::Uniform => {
                        let range = R::constant(noise.n_max - noise.n_min);
                        R::uniform(word).mul_add(range, R::constant(noise.n_min))
                    }
                    NoiseKind::Constant => R::constant(noise.mean),
                };
                *feature = match noise.operation {
                    Operation::Add => *feature + drawn,
                    Operation::Scale => *feature * drawn,
                    Operation::Abs => drawn,
                };
            }
        }
    }
}

/// Most features of a term.
const MAX_WIDTH: usize = 9;

/// The features of a term before they are shown.
pub(super) struct Value<R> {
    pub(super) features: [R; MAX_WIDTH],
    width: usize,
}

impl<R: Real> Value<R> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { features: [R::zero(); MAX_WIDTH], width: 0 }
    }
}

impl<R: Real> Features<R> for Value<R> {
    #[inline(always)]
    fn put(&mut self, value: R) {
        self.features[self.width] = not_a_number_to_zero(value);
        self.width += 1;
    }
}
