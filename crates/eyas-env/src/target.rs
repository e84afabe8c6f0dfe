//! A reference that rests in some episodes and moves in others.

use eyas_lanes::{Fields as _, Kernel, Lanes, Real, Row, Stream};
use eyas_sim::{Body, Course, CourseConfig, Langevin, LangevinConfig};

use crate::course;
use crate::episode::Counters;
use crate::rows::holds;
use crate::{Telemetry, visit_rows};

/// How the references of an env move.
#[derive(Clone, Debug)]
pub struct Motion {
    /// Where they go.
    pub path: Path,
    /// Share of episodes in which they rest instead.
    pub at_rest: f64,
    /// Least and largest limit of the speed of a random motion, m/s, of which each episode draws its own; or no limit.
    pub max_speed: Option<[f64; 2]>,
}

/// Where a reference goes.
#[derive(Clone, Debug)]
pub enum Path {
    /// Nowhere: it stays where it is put.
    Rest,
    /// Anywhere: (M9) of the model.
    Random(LangevinConfig),
    /// Along a course.
    Course(Box<Course>),
}

impl Path {
    /// The course that a validated configuration chooses, or else at random.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    #[must_use]
    pub fn new(course: &CourseConfig, random: LangevinConfig) -> Self {
        course::chosen(course).map_or(Self::Random(random), |course| Self::Course(Box::new(course)))
    }
}

/// A reference that rests in some episodes and moves in others; of a block, if not said otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Target<R = Row> {
    /// Where it is.
    pub reference: Langevin<R>,
    /// Most speed of an episode, m/s.
    pub max_speed: R,
    /// 1 where it moves.
    pub moving: R,
}

impl<R: Real> Target<R> {
    /// At the origin at the start of an episode. Whether it rests there says the first word; how fast it may be
    /// otherwise, the second.
    #[inline(always)]
    pub fn start(motion: &Motion, [rest, speed]: [R::Word; 2]) -> Self {
        let rests = R::uniform(rest).less(R::constant(motion.at_rest));
        let mut max_speed = R::zero();
        if let Some([slow, fast]) = motion.max_speed {
            let [slow, fast] = [R::constant(slow), R::constant(fast)];
            max_speed = R::uniform(speed).mul_add(fast - slow, slow);
        }
        let moving = R::select(rests, R::zero(), R::one());
        Self { reference: Langevin::at_rest(), max_speed, moving }
    }
}

impl Target<f32> {
    /// A vehicle beside it.
    pub(crate) fn beside(&self, body: &Body<f32>) -> Telemetry {
        let Body { position, orientation, velocity, angular_velocity } = *body;
        let Langevin { position: desired_position, velocity: desired_velocity, .. } = self.reference;
        Telemetry {
            position,
            velocity,
            orientation,
            angular_velocity,
            desired_position,
            desired_velocity,
            is_moving_target: self.moving > 0.5,
        }
    }
}

impl Target {
    /// Overwrites the lanes of one vector that a mask holds for.
    #[inline(always)]
    pub(crate) fn store_where<L: Lanes>(&mut self, vector: usize, mask: L::Mask, values: &Target<L>) {
        self.reference.store_where(vector, mask, &values.reference);
        self.max_speed.store_where(vector, mask, values.max_speed);
        self.moving.store_where(vector, mask, values.moving);
    }

    /// Moves on by a control step in the lanes of one vector whose bits are set, where it moves.
    #[inline(always)]
    pub(crate) fn advance<L: Lanes>(
        &mut self,
        at: &Counters<'_>,
        live: u32,
        motion: &Motion,
        noise: &Stream,
    ) {
        let moving = live & L::bits(holds::<L>(self.moving.load(at.vector)));
        if moving != 0 {
            L::call(Advance { target: self, at, moving, motion, noise });
        }
    }

    /// That of a lane.
    pub(crate) fn lane(&self, lane: usize) -> Target<f32> {
        let reference = <Langevin<()>>::lane(&self.reference, lane);
        Target { reference, max_speed: self.max_speed[lane], moving: self.moving[lane] }
    }

    pub(crate) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        let Self { reference, max_speed, moving } = self;
        reference.fields_mut().chain([max_speed, moving])
    }

    pub(crate) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        visit_rows(self.rows_mut(), visit);
    }
}

/// A function of its own, whose constants leave the registers of the rest of a step alone.
struct Advance<'a> {
    target: &'a mut Target,
    at: &'a Counters<'a>,
    moving: u32,
    motion: &'a Motion,
    noise: &'a Stream,
}

impl Kernel for Advance<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { target: Target { reference, max_speed, .. }, at, moving, motion, noise } = self;
        let now = reference.load::<L>(at.vector);
        if let Some(next) = moved(motion, &now, max_speed.load(at.vector), at, noise) {
            reference.store_where(at.vector, L::mask(moving), &next);
        }
    }
}

/// Where references that move are at the end of a control step, if that is elsewhere.
#[inline(always)]
pub(crate) fn moved<L: Lanes>(
    motion: &Motion,
    reference: &Langevin<L>,
    max_speed: L,
    at: &Counters<'_>,
    noise: &Stream,
) -> Option<Langevin<L>> {
    match &motion.path {
        Path::Rest => None,
        Path::Course(course) => Some(course::next(course, at.clock, at.period)),
        Path::Random(config) => {
            let [x, y, z, _] = noise.normal_lanes::<L>(at.first_env, at.episode, at.clock, 0);
            let limit = if motion.max_speed.is_some() { Some(max_speed) } else { None };
            Some(reference.step(config, at.period, [x, y, z], limit))
        }
    }
}
