//! A reference that rests in some episodes and moves in others.

use eyas_lanes::{Draws, Kernel, LANES, Lanes, Row, Stream, uniforms};
use eyas_sim::{Course, Langevin, LangevinConfig};

use crate::course;
use crate::episode::Ledger;
use crate::rows::bits_of;
use crate::visit_rows;

/// What every reference of an env moves by.
pub(crate) struct Motion {
    /// The course that it follows instead of moving at random.
    pub(crate) course: Option<Course>,
    pub(crate) langevin: LangevinConfig,
    /// Control period, s.
    pub(crate) period: f64,
    pub(crate) noise: Stream,
}

impl Motion {
    /// Where references of one vector of lanes are a control step later, at random at up to `max_speed` m/s.
    #[inline(always)]
    pub(crate) fn next<L: Lanes>(
        &self,
        half: usize,
        ledger: &Ledger,
        current: &Langevin<L>,
        max_speed: Option<L>,
    ) -> Langevin<L> {
        let clock = Ledger::lanes_of(&ledger.clock, half);
        if let Some(course) = &self.course {
            return course::next(course, &clock, self.period);
        }
        let first_env = ledger.first_env + (half * LANES) as u32;
        let episode = Ledger::lanes_of(&ledger.episode, half);
        let [x, y, z, _] = self.noise.normal_lanes::<L>(first_env, &episode, &clock, 0);
        current.step(&self.langevin, self.period, [x, y, z], max_speed)
    }
}

/// The references of a block.
#[derive(Default)]
pub(crate) struct Target {
    pub(crate) reference: Langevin<Row>,
    /// Most speed of an episode, m/s.
    max_speed: Row,
    /// 1 where it moves.
    moving: Row,
}

impl Target {
    /// At rest at the origin in the lanes of a mask, to stay there in a share `null` of the episodes and to move at up to
    /// a speed within `[slow, fast]` m/s in the others.
    #[inline(always)]
    pub(crate) fn reset<L: Lanes>(
        &mut self,
        half: usize,
        mask: L::Mask,
        kind: &Draws,
        null: f64,
        speeds: [f64; 2],
    ) {
        let stays = uniforms::<L>(&kind[0]).less(L::constant(null));
        let moving = L::select(stays, L::splat(0.0), L::splat(1.0));
        let [slow, fast] = speeds.map(L::constant);
        let max_speed = uniforms::<L>(&kind[1]).mul_add(fast - slow, slow);
        self.reference.store_where(half, mask, &Langevin::<L>::at_rest());
        self.max_speed.store(half, L::select(mask, max_speed, self.max_speed.load(half)));
        self.moving.store(half, L::select(mask, moving, self.moving.load(half)));
    }

    /// One control step of the live lanes of one vector.
    #[inline(always)]
    pub(crate) fn advance<L: Lanes>(&mut self, half: usize, motion: &Motion, ledger: &Ledger) -> Langevin<L> {
        L::call(Advance { target: self, half, motion, ledger });
        self.reference.load(half)
    }

    pub(crate) fn is_moving(&self, lane: usize) -> bool {
        self.moving[lane] > 0.5
    }

    pub(crate) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { reference, max_speed, moving } = self;
        visit_rows(reference.fields_mut().chain([max_speed, moving]), visit);
    }
}

/// A function of its own, whose constants leave the registers of the rest of a step alone.
struct Advance<'a> {
    target: &'a mut Target,
    half: usize,
    motion: &'a Motion,
    ledger: &'a Ledger,
}

impl Kernel for Advance<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { target: Target { reference, max_speed, moving }, half, motion, ledger } = self;
        let live = bits_of(!ledger.ended, half);
        let moving = live & L::bits(L::splat(0.5).less(moving.load(half)));
        let current = reference.load::<L>(half);
        reference.store_where(half, L::mask(live), &Langevin::<L>::at_rest());
        if moving != 0 {
            let next = motion.next(half, ledger, &current, Some(max_speed.load(half)));
            reference.store_where(half, L::mask(moving), &next);
        }
    }
}
