//! Observations: what a policy sees.

use eyas_lanes::{Lanes, Row, Stream, normals, uniforms};
use eyas_sim::{Vector, VehicleParameters, body_from_world, sub};

use super::arguments::{Arguments, Names, terms};
use super::config::{NoiseConfig, NoiseKind, ObservationConfig, Operation};
use super::registry::{COMMAND, Manager, TermInfo};
use super::scene::Scene;
use super::terms::{Param, Terms};
use crate::Frame;
use crate::episode::Moment;
use crate::rows::not_a_number_to_zero;

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
            [fn write<L: Lanes>(&self, scene: &Scene<'_, L>, out: &mut [Row])] self => write(scene, out)
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
            fn write<L: Lanes>(&self, $scene: &Scene<'_, L>, out: &mut [Row]) {
                let $it = self;
                let values: [L; $width] = $value;
                for (row, value) in out.iter_mut().zip(values) {
                    row.store($scene.half, not_a_number_to_zero(value));
                }
            }
        }
    };
}

features! {
    PositionErrorB "position_error_b" "position minus command" [3 Body "m"] (command) |scene, it|
        body_from_world(&scene.matrix, position_error(scene, it.command));
    PositionErrorW "position_error_w" "position minus command" [3 World "m"] (command) |scene, it|
        position_error(scene, it.command);
    VelocityErrorB "velocity_error_b" "velocity minus the command's" [3 Body "m/s"] (command) |scene, it|
        body_from_world(&scene.matrix, velocity_error(scene, it.command));
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
            &scene.matrix,
            sub(scene.command_position(it.command), scene.state.body.position),
        );
    RotationMatrix "rotation_matrix" "body-to-world rotation, row-major" [9 WorldFromBody "1"] () |scene, _it| {
        let [[a, b, c], [d, e, f], [g, h, i]] = scene.matrix;
        [a, b, c, d, e, f, g, h, i]
    };
    RootQuatW "root_quat_w" "orientation as a quaternion w, x, y, z" [4 WorldFromBody "1"] () |scene, _it|
        scene.state.body.orientation;
    ProjectedGravity "projected_gravity" "direction of gravity" [3 Body "1"] () |scene, _it| {
        let [x, y, z] = scene.matrix[2];
        [-x, -y, -z]
    };
    RootPosW "root_pos_w" "position from the spawn point" [3 World "m"] () |scene, _it| scene.state.body.position;
    BasePosZ "base_pos_z" "height above the spawn point" [1 World "m"] () |scene, _it|
        [scene.state.body.position[2]];
    BaseLinVel "base_lin_vel" "velocity" [3 Body "m/s"] () |scene, _it|
        body_from_world(&scene.matrix, scene.state.body.velocity);
    RootLinVelW "root_lin_vel_w" "velocity" [3 World "m/s"] () |scene, _it| scene.state.body.velocity;
    BaseAngVel "base_ang_vel" "angular velocity" [3 Body "rad/s"] () |scene, _it|
        scene.state.body.angular_velocity;
    RootAngVelW "root_ang_vel_w" "angular velocity" [3 World "rad/s"] () |scene, _it|
        world_from_body(scene, scene.state.body.angular_velocity);
    LastAction "last_action" "last raw action, 0 after a reset" [4 Motors "1"] () |scene, _it|
        load(&scene.actions.raw, scene.half);
    LastProcessedAction "last_processed_action" "last action as it was applied, 0 after a reset" [4 Motors "1"] ()
        |scene, _it| load(&scene.actions.processed, scene.half);
    RotorSpeed "rotor_speed" "rotor speed relative to the range of set-points" [4 Motors "1"] () |scene, _it| {
        let [low, range_inverse] = scene.rotor_range.map(L::constant);
        let mut speeds = scene.state.rotor_speed;
        for speed in &mut speeds {
            *speed = (*speed - low) * range_inverse;
        }
        speeds
    };
    MassFactor "mass_factor" "mass over that of the configured vehicle" [1 Body "1"] () |scene, _it|
        [scene.mass_factor.load(scene.half)];
    EpisodeTime "episode_time" "control steps since the start of the episode" [1 World "control steps"] ()
        |scene, _it| {
            let mut steps = [0.0; eyas_lanes::LANES];
            for (value, age) in steps.iter_mut().zip(scene.age) {
                *value = *age as f32;
            }
            [L::from_array(&steps)]
        };
}

#[inline(always)]
fn position_error<L: Lanes>(scene: &Scene<'_, L>, command: usize) -> Vector<L> {
    sub(scene.state.body.position, scene.command_position(command))
}

#[inline(always)]
fn velocity_error<L: Lanes>(scene: &Scene<'_, L>, command: usize) -> Vector<L> {
    sub(scene.state.body.velocity, scene.command_velocity(command))
}

#[inline(always)]
fn world_from_body<L: Lanes>(scene: &Scene<'_, L>, v: Vector<L>) -> Vector<L> {
    let mut rotated = v;
    for (value, row) in rotated.iter_mut().zip(&scene.matrix) {
        *value = eyas_sim::dot(*row, v);
    }
    rotated
}

#[inline(always)]
fn load<L: Lanes>(rows: &[Row; 4], half: usize) -> [L; 4] {
    [rows[0].load(half), rows[1].load(half), rows[2].load(half), rows[3].load(half)]
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
    /// Its first feature in the full observation.
    pub(super) start: usize,
    /// What sets its draws apart.
    index: u32,
}

/// Most steps of delay and history.
const MOST_STEPS: u32 = 64;

impl Observed {
    /// The term of a file whose features begin at `start`; `index` sets its draws apart.
    pub(super) fn new(
        key: &str,
        config: &ObservationConfig,
        names: &Names<'_>,
        is_corrupted: bool,
        [start, index]: [usize; 2],
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
            start,
            index: index as u32,
        })
    }

    /// Features of one value.
    pub(super) fn width(&self) -> usize {
        self.term.output().width
    }

    /// Features of all values that are shown.
    pub(super) fn features(&self) -> usize {
        self.width() * self.history
    }

    /// Values that have to be kept; none where the present one is all that is shown.
    pub(super) fn kept(&self) -> usize {
        if self.delay == 0 && self.history == 1 { 0 } else { self.delay + self.history }
    }

    /// Whether it is drawn anew for each group that has it.
    pub(super) fn is_noisy(&self) -> bool {
        self.noise.is_some()
    }

    /// The present value, as it is shown or kept: with noise, within its limits, scaled.
    #[inline(always)]
    pub(super) fn sample<L: Lanes>(
        &self,
        scene: &Scene<'_, L>,
        stream: &Stream,
        at: &Moment<'_>,
        out: &mut [Row],
    ) {
        self.term.write(scene, out);
        if let Some(noise) = &self.noise {
            self.corrupt::<L>(noise, stream, at, out);
        }
        if let Some([low, high]) = self.clip {
            let (low, high) = (L::constant(low), L::constant(high));
            for row in out.iter_mut() {
                row.store(at.half, row.load::<L>(at.half).clamp(low, high));
            }
        }
        if let Some(scale) = self.scale {
            for row in out.iter_mut() {
                row.store(at.half, row.load::<L>(at.half) * L::constant(scale));
            }
        }
    }

    #[inline(always)]
    fn corrupt<L: Lanes>(&self, noise: &NoiseConfig, stream: &Stream, at: &Moment<'_>, out: &mut [Row]) {
        for (chunk, rows) in out.chunks_mut(4).enumerate() {
            // A term has at most nine features: three draws of four numbers.
            let words = stream.lanes(at.first_env, at.episode, at.clock, 4 * self.index + chunk as u32);
            let normal = normals::<L>(&words);
            for ((row, normal), words) in rows.iter_mut().zip(normal).zip(&words) {
                let drawn = match noise.func {
                    NoiseKind::Gaussian => normal.mul_add(L::constant(noise.std), L::constant(noise.mean)),
                    NoiseKind::Uniform => {
                        let range = L::constant(noise.n_max - noise.n_min);
                        uniforms::<L>(words).mul_add(range, L::constant(noise.n_min))
                    }
                    NoiseKind::Constant => L::constant(noise.mean),
                };
                let value = row.load::<L>(at.half);
                let value = match noise.operation {
                    Operation::Add => value + drawn,
                    Operation::Scale => value * drawn,
                    Operation::Abs => drawn,
                };
                row.store(at.half, value);
            }
        }
    }
}
