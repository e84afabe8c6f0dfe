//! What drives a task's formulas lends them of an env.

use eyas_lanes::{Draws, Fields, Kernel, LANES, LaneDraws, Lanes, Map, Real, Row, Stream, Zip};
use eyas_sim::Langevin;

use crate::episode::{Counters, Episodes};
use crate::rows::{MISSING, holds};
use crate::target::{Motion, moved};

/// What a driver lends formulas of an env beside a [`Moment`](crate::Moment): random words, those of the starts of episodes
/// and of [`Extras::streams`](crate::Extras::streams), and as many numbers as [`Extras::numbers`](crate::Extras::numbers)
/// says.
///
/// Tasks whose [`Memory`](crate::TaskBase::Memory) is all that they remember need no more of it than the words.
pub trait Driver<R: Real>: Draws<R> {
    /// Draws of a stream at this step of the episode.
    fn draws(&self, stream: usize) -> impl Draws<R>;

    /// A number.
    fn number(&self, place: usize) -> R;

    /// A setting, the same for all envs of a block.
    fn setting(&self, place: usize) -> f32;

    /// Control steps since the start of the episode.
    fn episode_steps(&self) -> R;

    /// Whether a mask holds for an env that is driven. What holds for none need not be computed.
    fn any(&self, mask: R::Mask) -> bool;

    /// So many numbers that stand one after the other.
    #[inline(always)]
    fn numbers<const N: usize>(&self, first: usize) -> [R; N]
    where
        Self: Sized,
    {
        self.load::<[(); N]>(first)
    }

    /// Numbers that stand one after the other, as fields of a struct.
    #[inline(always)]
    fn load<F: Fields>(&self, first: usize) -> F::Of<R>
    where
        Self: Sized,
    {
        F::map(&F::splat(()), &mut Load { driver: self, place: first })
    }
}

/// A driver whose numbers may change.
pub trait DriverMut<R: Real>: Driver<R> {
    /// Overwrites a number.
    fn set(&mut self, place: usize, value: R);

    /// Moves a reference on by a control step, where it moves. Its numbers stand one after the other: four vectors in the
    /// order of [`Langevin`], the most speed of the episode, and 1 where it moves.
    fn move_reference(&mut self, first: usize, motion: &Motion, stream: usize);

    /// Overwrites numbers that stand one after the other.
    #[inline(always)]
    fn store<F: Fields>(&mut self, first: usize, values: &F::Of<R>)
    where
        Self: Sized,
    {
        F::zip(&mut F::splat(()), values, &mut Store { driver: self, place: first });
    }
}

struct Load<'a, D> {
    driver: &'a D,
    place: usize,
}

impl<R: Real, D: Driver<R>> Map<(), R> for Load<'_, D> {
    #[inline(always)]
    fn one(&mut self, (): &()) -> R {
        self.place += 1;
        self.driver.number(self.place - 1)
    }
}

struct Store<'a, D> {
    driver: &'a mut D,
    place: usize,
}

impl<R: Real, D: DriverMut<R>> Zip<(), R> for Store<'_, D> {
    #[inline(always)]
    fn pair(&mut self, (): &mut (), value: &R) {
        self.place += 1;
        self.driver.set(self.place - 1, *value);
    }
}

/// Streams of an env, those of its task after that of the starts of episodes.
pub(crate) struct Streams {
    pub(crate) start: Stream,
    pub(crate) more: Vec<Stream>,
}

/// Drives one vector of lanes of a block: `N` are its numbers, which may change or not.
pub(crate) struct LaneDriver<'a, N> {
    pub(crate) numbers: N,
    pub(crate) at: Counters<'a>,
    /// The lanes that are driven.
    pub(crate) bits: u32,
    pub(crate) age: &'a [u32; LANES],
    pub(crate) streams: &'a Streams,
    pub(crate) settings: &'a [f32],
}

impl<'a, N> LaneDriver<'a, N> {
    /// Lanes of one vector at their steps of their episodes.
    #[inline(always)]
    pub(crate) fn new(
        numbers: N,
        (at, bits): (Counters<'a>, u32),
        episodes: &'a Episodes,
        streams: &'a Streams,
        settings: &'a [f32],
    ) -> Self {
        let age = Episodes::lanes_of(&episodes.age, at.vector);
        Self { numbers, at, bits, age, streams, settings }
    }

    #[inline(always)]
    fn of(&self, stream: &'a Stream) -> LaneDraws<'a> {
        stream.at_lanes(self.at.first_env, self.at.episode, self.at.clock)
    }
}

impl<L: Lanes, N> Draws<L> for LaneDriver<'_, N> {
    #[inline(always)]
    fn words(&self, draw: u32) -> [[u32; LANES]; 4] {
        Draws::<L>::words(&self.of(&self.streams.start), draw)
    }

    #[inline(always)]
    fn normals(&self, draw: u32) -> [L; 4] {
        self.of(&self.streams.start).normals(draw)
    }
}

impl<L: Lanes, N: AsRef<[Row]>> Driver<L> for LaneDriver<'_, N> {
    #[inline(always)]
    fn draws(&self, stream: usize) -> impl Draws<L> {
        self.of(&self.streams.more[stream])
    }
    #[inline(always)]
    fn number(&self, place: usize) -> L {
        self.numbers.as_ref()[place].load(self.at.vector)
    }
    #[inline(always)]
    fn load<F: Fields>(&self, first: usize) -> F::Of<L> {
        let rows = self.numbers.as_ref()[first..].iter();
        F::map(&F::splat(()), &mut LoadRows { rows, vector: self.at.vector })
    }
    #[inline(always)]
    fn setting(&self, place: usize) -> f32 {
        self.settings[place]
    }
    #[inline(always)]
    fn episode_steps(&self) -> L {
        let mut steps = [0.0; LANES];
        for (value, age) in steps.iter_mut().zip(self.age) {
            *value = *age as f32;
        }
        L::from_array(&steps)
    }
    #[inline(always)]
    fn any(&self, mask: L::Mask) -> bool {
        L::bits(mask) & self.bits != 0
    }
}

impl<'a, L: Lanes> DriverMut<L> for LaneDriver<'a, &'a mut [Row]> {
    #[inline(always)]
    fn set(&mut self, place: usize, value: L) {
        self.numbers[place].store_where(self.at.vector, L::mask(self.bits), value);
    }

    /// As one by one, with a mask that is made once.
    #[inline(always)]
    fn store<F: Fields>(&mut self, first: usize, values: &F::Of<L>) {
        let (vector, mask) = (self.at.vector, L::mask(self.bits));
        let rows = self.numbers[first..].iter_mut();
        F::zip(&mut F::splat(()), values, &mut StoreRows { rows, vector, mask });
    }

    #[inline(always)]
    fn move_reference(&mut self, first: usize, motion: &Motion, stream: usize) {
        let [_, moving] = OF_REFERENCE;
        let moves = holds::<L>(self.number(first + moving));
        let live = self.bits;
        self.bits &= L::bits(moves);
        if self.bits != 0 {
            L::call(Move { driver: self, first, motion, stream });
        }
        self.bits = live;
    }
}

struct LoadRows<'a> {
    rows: std::slice::Iter<'a, Row>,
    vector: usize,
}

impl<L: Lanes> Map<(), L> for LoadRows<'_> {
    #[inline(always)]
    fn one(&mut self, (): &()) -> L {
        self.rows.next().expect(MISSING).load(self.vector)
    }
}

struct StoreRows<'a, M> {
    rows: std::slice::IterMut<'a, Row>,
    vector: usize,
    mask: M,
}

impl<L: Lanes> Zip<(), L> for StoreRows<'_, L::Mask> {
    #[inline(always)]
    fn pair(&mut self, (): &mut (), value: &L) {
        self.rows.next().expect(MISSING).store_where(self.vector, self.mask, *value);
    }
}

/// Where the most speed of a reference stands, and whether it moves.
const OF_REFERENCE: [usize; 2] = [12, 13];

/// A function of its own, whose constants leave the registers of the rest of a step alone.
struct Move<'a, 'b> {
    driver: &'a mut LaneDriver<'b, &'b mut [Row]>,
    first: usize,
    motion: &'a Motion,
    stream: usize,
}

impl Kernel for Move<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { driver, first, motion, stream } = self;
        let now: Langevin<L> = driver.load::<Langevin<()>>(first);
        let [max_speed, _] = OF_REFERENCE;
        let max_speed = driver.number(first + max_speed);
        if let Some(next) = moved(motion, &now, max_speed, &driver.at, &driver.streams.more[stream]) {
            driver.store::<Langevin<()>>(first, &next);
        }
    }
}
