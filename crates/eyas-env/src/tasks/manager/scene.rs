//! What terms see of the vehicles.

use eyas_lanes::{LANES, Lanes, Row};
use eyas_sim::{State, Vector, matrix_from_quaternion};

use super::command::CommandState;
use crate::rows::{bits_of, load_vector};

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

/// One vector of lanes of a block as terms see it.
pub(super) struct Scene<'a, L> {
    pub(super) half: usize,
    pub(super) state: State<L>,
    /// The body's orientation as a matrix from body to world.
    pub(super) matrix: [Vector<L>; 3],
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

impl<L: Lanes> Scene<'_, L> {
    #[inline(always)]
    pub(super) fn command_position(&self, command: usize) -> Vector<L> {
        load_vector(&self.commands[command].target.reference.position, self.half)
    }

    #[inline(always)]
    pub(super) fn command_velocity(&self, command: usize) -> Vector<L> {
        load_vector(&self.commands[command].target.reference.velocity, self.half)
    }

    /// Bits of this vector in a mask of the block.
    #[inline(always)]
    pub(super) fn bits_of(&self, block_mask: u32) -> u32 {
        bits_of(block_mask, self.half)
    }
}

impl<'a, L: Lanes> Scene<'a, L> {
    /// The scene around a state.
    #[inline(always)]
    pub(super) fn new(parts: &SceneParts<'a>, half: usize) -> Self {
        let state = parts.state.load::<L>(half);
        Self {
            half,
            matrix: matrix_from_quaternion(state.body.orientation),
            state,
            commands: parts.commands,
            actions: parts.actions,
            mass_factor: parts.mass_factor,
            rotor_range: parts.rotor_range,
            age: &parts.age[half * LANES..],
            causes: parts.causes,
        }
    }
}

/// What the scenes of a block are cut from.
#[derive(Clone, Copy)]
pub(super) struct SceneParts<'a> {
    pub(super) state: &'a State<Row>,
    pub(super) commands: &'a [CommandState],
    pub(super) actions: &'a ActionState,
    pub(super) mass_factor: &'a Row,
    pub(super) rotor_range: [f64; 2],
    pub(super) age: &'a [u32],
    pub(super) causes: &'a [u32],
}
