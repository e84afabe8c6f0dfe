//! The state of a vehicle.

use eyas_lanes::{Fields, Lanes, Map, Number, Real, Row, Zip, fields};

fields! {
    /// Pose and velocity of a rigid body.
    #[derive(Default)]
    pub struct Body {
        /// Position, world frame, m.
        position: 3,
        /// Orientation, body to world, `w, x, y, z`.
        orientation: 4,
        /// Linear velocity, world frame, m/s.
        velocity: 3,
        /// Angular velocity, body frame, rad/s.
        angular_velocity: 3,
    }
}

/// A rigid body and the speeds of its rotors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State<R> {
    /// The rigid body.
    pub body: Body<R>,
    /// Rotor speeds in the unit of the vehicle's action limit.
    pub rotor_speed: [R; 4],
}

impl Fields for State<()> {
    type Of<R: Number> = State<R>;

    #[inline(always)]
    fn splat<R: Number>(value: R) -> State<R> {
        State { body: <Body<()> as Fields>::splat(value), rotor_speed: [value; 4] }
    }
    #[inline(always)]
    fn map<A: Number, B: Number>(from: &State<A>, map: &mut impl Map<A, B>) -> State<B> {
        let body = <Body<()> as Fields>::map(&from.body, map);
        State { body, rotor_speed: <[(); 4] as Fields>::map(&from.rotor_speed, map) }
    }
    #[inline(always)]
    fn zip<A: Number, B: Number>(into: &mut State<A>, from: &State<B>, zip: &mut impl Zip<A, B>) {
        <Body<()> as Fields>::zip(&mut into.body, &from.body, zip);
        <[(); 4] as Fields>::zip(&mut into.rotor_speed, &from.rotor_speed, zip);
    }
}

impl<R: Real> Body<R> {
    /// At the origin, level, not moving.
    #[inline(always)]
    pub fn at_rest() -> Self {
        let (zero, one) = (R::zero(), R::one());
        Self {
            position: [zero; 3],
            orientation: [one, zero, zero, zero],
            velocity: [zero; 3],
            angular_velocity: [zero; 3],
        }
    }
}

impl<R> Body<R> {
    /// The numbers that `l2f` clips: position and velocities.
    #[inline(always)]
    pub(crate) fn clipped_mut(&mut self) -> [&mut R; 9] {
        let Self { position: [a, b, c], velocity: [d, e, f], angular_velocity: [g, h, i], orientation: _ } =
            self;
        [a, b, c, d, e, f, g, h, i]
    }

    /// Those numbers in the same order.
    #[inline(always)]
    pub(crate) fn clipped(&self) -> [&R; 9] {
        let Self { position: p, velocity: v, angular_velocity: w, orientation: _ } = self;
        [&p[0], &p[1], &p[2], &v[0], &v[1], &v[2], &w[0], &w[1], &w[2]]
    }
}

impl<R> State<R> {
    /// The 17 numbers in the order of the fields.
    #[inline(always)]
    pub fn fields(&self) -> [&R; 17] {
        let Body { position: p, orientation: q, velocity: v, angular_velocity: w } = &self.body;
        let r = &self.rotor_speed;
        [
            &p[0], &p[1], &p[2], &q[0], &q[1], &q[2], &q[3], &v[0], &v[1], &v[2], &w[0], &w[1], &w[2], &r[0],
            &r[1], &r[2], &r[3],
        ]
    }

    /// The 17 numbers in the order of the fields.
    #[inline(always)]
    pub fn fields_mut(&mut self) -> [&mut R; 17] {
        let Body {
            position: [a, b, c],
            orientation: [d, e, f, g],
            velocity: [h, i, j],
            angular_velocity: [k, l, m],
        } = &mut self.body;
        let [n, o, p, q] = &mut self.rotor_speed;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]
    }

    /// The state of 17 numbers in the order of the fields.
    #[inline(always)]
    pub fn from_fields([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]: [R; 17]) -> Self {
        Self {
            body: Body {
                position: [a, b, c],
                orientation: [d, e, f, g],
                velocity: [h, i, j],
                angular_velocity: [k, l, m],
            },
            rotor_speed: [n, o, p, q],
        }
    }
}

impl Body<Row> {
    /// One vector of lanes of a block.
    #[inline(always)]
    pub fn load<L: Lanes>(&self, half: usize) -> Body<L> {
        <Body<()> as Fields>::load(self, half)
    }

    /// Overwrites one env of a block.
    pub fn set_lane(&mut self, lane: usize, body: &Body<f32>) {
        <Body<()> as Fields>::set_lane(self, lane, body);
    }
}

impl State<Row> {
    /// One vector of lanes of a block.
    #[inline(always)]
    pub fn load<L: Lanes>(&self, half: usize) -> State<L> {
        <State<()> as Fields>::load(self, half)
    }

    /// Overwrites one vector of lanes of a block.
    #[inline(always)]
    pub fn store<L: Lanes>(&mut self, half: usize, state: &State<L>) {
        <State<()> as Fields>::store(self, half, state);
    }

    /// Overwrites the lanes of one vector that a mask holds for.
    #[inline(always)]
    pub fn store_where<L: Lanes>(&mut self, half: usize, mask: L::Mask, state: &State<L>) {
        <State<()> as Fields>::store_where::<L>(self, half, mask, state);
    }
}
