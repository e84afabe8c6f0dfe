//! A reference that rests in some episodes and moves in others.

use eyas_lanes::{LANES, Lanes, Row, Stream, normals};
use eyas_sim::{Course, Langevin, LangevinConfig};

use crate::course;
use crate::episode::Ledger;
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
    /// At rest at the origin in the lanes of a mask, to move at up to `max_speed` m/s where `is_moving` is 1.
    #[inline(always)]
    pub(crate) fn reset<L: Lanes>(&mut self, half: usize, mask: L::Mask, max_speed: L, is_moving: L) {
        self.reference.store_where(half, mask, &Langevin::<L>::at_rest());
        self.max_speed.store(half, L::select(mask, max_speed, self.max_speed.load(half)));
        self.moving.store(half, L::select(mask, is_moving, self.moving.load(half)));
    }

    /// One control step of the lanes of one vector that are `live`.
    #[inline(always)]
    pub(crate) fn advance<L: Lanes>(
        &mut self,
        half: usize,
        live: u32,
        motion: &Motion,
        ledger: &Ledger,
    ) -> Langevin<L> {
        let clock = Ledger::lanes_of(&ledger.clock, half);
        let next = if let Some(course) = &motion.course {
            course::next(course, &clock, motion.period)
        } else {
            let first_env = ledger.first_env + (half * LANES) as u32;
            let episode = Ledger::lanes_of(&ledger.episode, half);
            let draws = motion.noise.lanes(first_env, &episode, &clock, 0);
            let [x, y, z, _] = normals::<L>(&draws);
            let current = self.reference.load::<L>(half);
            current.step(&motion.langevin, motion.period, [x, y, z], Some(self.max_speed.load(half)))
        };
        let moving = L::bits(L::splat(0.5).less(self.moving.load(half)));
        self.reference.store_where(half, L::mask(live), &Langevin::<L>::at_rest());
        self.reference.store_where(half, L::mask(live & moving), &next);
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
