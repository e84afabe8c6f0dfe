//! What the blocks of every task do with rows.

use eyas_lanes::{Fields, LANES, Lanes, Real, Row, Zip};
use eyas_sim::{Body, State, Vector};

/// Bits of one vector of lanes in a mask of a block.
#[inline(always)]
pub(crate) fn bits_of(mask: u32, vector: usize) -> u32 {
    mask >> (vector * LANES) & 0xffff
}

/// One vector of lanes of three rows.
#[inline(always)]
pub(crate) fn load_vector<L: Lanes>(rows: &[Row], vector: usize) -> Vector<L> {
    [rows[0].load(vector), rows[1].load(vector), rows[2].load(vector)]
}

/// One vector of lanes of four rows.
#[inline(always)]
pub(crate) fn load_four<L: Lanes>(rows: &[Row], vector: usize) -> [L; 4] {
    [rows[0].load(vector), rows[1].load(vector), rows[2].load(vector), rows[3].load(vector)]
}

/// Vehicles that rest level at the origin, rotors too.
pub(crate) fn at_rest() -> State<Row> {
    let mut state = State::from_fields([Row::ZERO; 17]);
    state.body.orientation[0] = Row::splat(1.0);
    state
}

/// The largest magnitude of an entry.
#[inline(always)]
pub(crate) fn largest<R: Real>(v: Vector<R>) -> R {
    v[0].abs().max(v[1].abs()).max(v[2].abs())
}

/// Zero in place of what is infinite or not a number.
#[inline(always)]
pub(crate) fn not_a_number_to_zero<R: Real>(value: R) -> R {
    R::select(value.is_finite(), value, R::zero())
}

/// Where a number of the state is not finite.
#[inline(always)]
pub(crate) fn not_finite<R: Real>(state: &State<R>) -> R::Mask {
    let mut sum = R::zero();
    for value in state.fields() {
        sum = sum + value.abs();
    }
    R::not(sum.is_finite())
}

/// Overwrites numbers where a mask holds.
#[inline(always)]
pub(crate) fn replace_where<F: Fields, R: Real>(numbers: &mut F::Of<R>, mask: R::Mask, by: &F::Of<R>) {
    struct Replace<M>(M);
    impl<R: Real> Zip<R, R> for Replace<R::Mask> {
        #[inline(always)]
        fn pair(&mut self, number: &mut R, by: &R) {
            *number = R::select(self.0, *by, *number);
        }
    }
    F::zip(numbers, by, &mut Replace(mask));
}

/// The rows of a body.
pub(crate) fn body_rows(body: &mut Body<Row>) -> impl Iterator<Item = &mut Row> {
    let Body { position, orientation, velocity, angular_velocity } = body;
    position.iter_mut().chain(orientation).chain(velocity).chain(angular_velocity)
}
