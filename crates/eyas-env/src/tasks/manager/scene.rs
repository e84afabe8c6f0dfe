//! What terms see of the vehicles.

use eyas_lanes::{LANES, Lanes, Real, Row};
use eyas_sim::{Body, State, Vector, matrix_from_quaternion};

use super::command::CommandState;
use crate::rows::{bits_of, load_four, load_vector};

/// Actions of one step and of the step before, raw and as they are applied.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ActionState {
    pub(super) raw: [Row; 4],
    pub(super) processed: [Row; 4],
    pub(super) last_raw: [Row; 4],
    pub(super) last_processed: [Row; 4],
}

impl ActionState {
    pub(super) const ZERO: Self = Self {
        raw: [Row::ZERO; 4],
        processed: [Row::ZERO; 4],
        last_raw: [Row::ZERO; 4],
        last_processed: [Row::ZERO; 4],
    };

    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        let Self { raw, processed, last_raw, last_processed } = self;
        [raw, processed, last_raw, last_processed].into_iter().flatten()
    }
}

/// Which action of an env.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// The last, as it was given.
    Raw,
    /// The last, scaled and limited.
    Processed,
    /// The one before, as it was given.
    LastRaw,
    /// The one before, scaled and limited.
    LastProcessed,
}

/// An env as terms see it. Terms are formulas over [`Real`]: where the numbers come from, rows of a block or a recording,
/// is the scene's.
pub(super) trait Scene<R: Real> {
    /// The vehicle; for an observation as it is measured.
    fn state(&self) -> &State<R>;
    /// The body's orientation as a matrix from body to world.
    fn matrix(&self) -> &[Vector<R>; 3];
    /// Where a command is.
    fn command_position(&self, command: usize) -> Vector<R>;
    /// How fast it moves.
    fn command_velocity(&self, command: usize) -> Vector<R>;
    /// An action.
    fn action(&self, which: Which) -> [R; 4];
    /// Mass over that of the configured vehicle.
    fn mass_factor(&self) -> R;
    /// The least rotor speed, and 1 over the range.
    fn rotor_range(&self) -> [f64; 2];
    /// Control steps since the start of the episode.
    fn episode_steps(&self) -> R;
    /// Whether one of a set of terminations holds, one bit for each.
    fn is_terminated(&self, set: u32) -> R::Mask;

    /// The vehicle's motion.
    #[inline(always)]
    fn body<'a>(&'a self) -> &'a Body<R>
    where
        R: 'a,
    {
        &self.state().body
    }
}

/// One vector of lanes of a block.
pub(super) struct BlockScene<'a, L> {
    half: usize,
    state: State<L>,
    matrix: [Vector<L>; 3],
    parts: SceneParts<'a>,
}

impl<'a, L: Lanes> BlockScene<'a, L> {
    /// The scene around a state.
    #[inline(always)]
    pub(super) fn new(parts: SceneParts<'a>, half: usize) -> Self {
        let state = parts.state.load::<L>(half);
        Self { half, matrix: matrix_from_quaternion(state.body.orientation), state, parts }
    }

    /// The same with the terminations that hold, one mask of the lanes of the block for each.
    #[inline(always)]
    pub(super) fn with_causes(self, causes: &'a [u32]) -> Self {
        Self { parts: SceneParts { causes, ..self.parts }, ..self }
    }
}

impl<L: Lanes> Scene<L> for BlockScene<'_, L> {
    #[inline(always)]
    fn state(&self) -> &State<L> {
        &self.state
    }
    #[inline(always)]
    fn matrix(&self) -> &[Vector<L>; 3] {
        &self.matrix
    }
    #[inline(always)]
    fn command_position(&self, command: usize) -> Vector<L> {
        load_vector(&self.parts.commands[command].target.reference.position, self.half)
    }
    #[inline(always)]
    fn command_velocity(&self, command: usize) -> Vector<L> {
        load_vector(&self.parts.commands[command].target.reference.velocity, self.half)
    }
    #[inline(always)]
    fn action(&self, which: Which) -> [L; 4] {
        let ActionState { raw, processed, last_raw, last_processed } = self.parts.actions;
        let rows = match which {
            Which::Raw => raw,
            Which::Processed => processed,
            Which::LastRaw => last_raw,
            Which::LastProcessed => last_processed,
        };
        load_four(rows, self.half)
    }
    #[inline(always)]
    fn mass_factor(&self) -> L {
        self.parts.mass_factor.load(self.half)
    }
    #[inline(always)]
    fn rotor_range(&self) -> [f64; 2] {
        self.parts.rotor_range
    }
    #[inline(always)]
    fn episode_steps(&self) -> L {
        let mut steps = [0.0; LANES];
        for (value, age) in steps.iter_mut().zip(&self.parts.age[self.half * LANES..]) {
            *value = *age as f32;
        }
        L::from_array(&steps)
    }
    #[inline(always)]
    fn is_terminated(&self, set: u32) -> L::Mask {
        let mut lanes = 0;
        for (index, cause) in self.parts.causes.iter().enumerate() {
            if set >> index & 1 == 1 {
                lanes |= *cause;
            }
        }
        L::mask(bits_of(lanes, self.half))
    }
}

/// What the scenes of a block are cut from.
#[derive(Clone, Copy)]
pub(super) struct SceneParts<'a> {
    pub(super) state: &'a State<Row>,
    pub(super) commands: &'a [CommandState],
    pub(super) actions: &'a ActionState,
    /// Mass of each vehicle over that of the configured one.
    pub(super) mass_factor: &'a Row,
    /// The least rotor speed, and 1 over the range.
    pub(super) rotor_range: [f64; 2],
    /// Control steps since the start of each lane's episode.
    pub(super) age: &'a [u32],
    /// One mask of the lanes of the block for each termination.
    pub(super) causes: &'a [u32],
}
