//! What the blocks of every task do with rows.

use eyas_lanes::{Fields, LANES, Lanes, Map, Real, Row, Zip};
use eyas_sim::{Body, State, Vector};

/// What it means that rows end too early.
pub(crate) const MISSING: &str = "an env has the numbers that its task asks for";

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

/// 1 where a mask holds, else 0: a mask as a number that lasts.
#[inline(always)]
pub(crate) fn flag<R: Real>(mask: R::Mask) -> R {
    R::select(mask, R::one(), R::zero())
}

/// Where a [`flag`] is 1.
#[inline(always)]
pub(crate) fn holds<R: Real>(flag: R) -> R::Mask {
    R::constant(0.5).less(flag)
}

/// Bits of the lanes in which a [`flag`] is 1.
pub(crate) fn flagged(flags: &Row) -> u32 {
    flags.0.iter().rev().fold(0, |bits, flag| bits << 1 | u32::from(*flag > 0.5))
}

/// [`visit_words`](crate::visit_words) of flags, one bit for each lane.
pub(crate) fn visit_flags(flags: &mut Row, visit: &mut dyn FnMut(&mut u32)) {
    let mut bits = flagged(flags);
    visit(&mut bits);
    for (lane, flag) in flags.0.iter_mut().enumerate() {
        *flag = (bits >> lane & 1) as f32;
    }
}

/// One lane of numbers that stand in rows one after the other.
struct LaneOf<I>(I, usize);

impl<'a, I: Iterator<Item = &'a Row>> Map<(), f32> for LaneOf<I> {
    fn one(&mut self, (): &()) -> f32 {
        self.0.next().expect(MISSING)[self.1]
    }
}

impl<'a, I: Iterator<Item = &'a mut Row>> Zip<(), f32> for LaneOf<I> {
    fn pair(&mut self, (): &mut (), value: &f32) {
        self.0.next().expect(MISSING)[self.1] = *value;
    }
}

/// Numbers of a lane that stand in rows one after the other.
pub(crate) fn lane_of<F: Fields>(rows: &[Row], lane: usize) -> F::Of<f32> {
    F::map(&F::splat(()), &mut LaneOf(rows.iter(), lane))
}

/// Overwrites them.
pub(crate) fn set_lane_of<F: Fields>(rows: &mut [Row], lane: usize, values: &F::Of<f32>) {
    F::zip(&mut F::splat(()), values, &mut LaneOf(rows.iter_mut(), lane));
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
