//! What each vehicle of a formation observes.

use eyas_lanes::{Kernel, Lanes, Row, VECTORS};
use eyas_sim::{State, Vector, add, body_from_world, matrix_from_quaternion, sub};

use super::block::FormationBlock;
use crate::rows::{bits_of, load_vector, not_a_number_to_zero};

/// Writes one number after the other.
struct Writer<'a> {
    rows: &'a mut [Row],
    vector: usize,
    next: usize,
}

impl Writer<'_> {
    #[inline(always)]
    fn put<L: Lanes>(&mut self, values: &[L]) {
        for value in values {
            self.rows[self.next].store(self.vector, not_a_number_to_zero(*value));
            self.next += 1;
        }
    }
}

impl FormationBlock {
    /// Position and velocity of the centre of the formation.
    #[inline(always)]
    fn centre<L: Lanes>(&self, vector: usize) -> (Vector<L>, Vector<L>) {
        let reference = &self.target.reference;
        (load_vector(&reference.position, vector), load_vector(&reference.velocity, vector))
    }
}

/// The observation of an agent.
pub(super) struct Observe<'a> {
    pub(super) block: &'a FormationBlock,
    pub(super) agent: usize,
    pub(super) observation: &'a mut [Row],
}

impl Kernel for Observe<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, agent, observation } = self;
        let quad = &block.quads[agent];
        let place = block.shared.places[agent];
        let place = [L::constant(place[0]), L::constant(place[1]), L::constant(place[2])];
        for vector in 0..VECTORS {
            let State { body, .. } = quad.state.load::<L>(vector);
            let matrix = matrix_from_quaternion(body.orientation);
            let (centre, velocity) = block.centre::<L>(vector);
            let mut writer = Writer { rows: observation, vector, next: 0 };
            writer.put(&body_from_world(&matrix, sub(body.position, add(centre, place))));
            for row in &matrix {
                writer.put(row);
            }
            writer.put(&body_from_world(&matrix, sub(body.velocity, velocity)));
            writer.put(&body.angular_velocity);
            for row in &quad.set_point {
                writer.put(&[row.load::<L>(vector)]);
            }
            for (other, it) in block.quads.iter().enumerate() {
                if other != agent {
                    let position = load_vector::<L>(&it.state.body.position, vector);
                    writer.put(&body_from_world(&matrix, sub(position, body.position)));
                }
            }
            for (other, it) in block.quads.iter().enumerate() {
                if other != agent {
                    let down = L::mask(bits_of(it.down, vector));
                    let mut velocity = load_vector::<L>(&it.state.body.velocity, vector);
                    for axis in &mut velocity {
                        // What is down lies still.
                        *axis = L::select(down, L::splat(0.0), *axis);
                    }
                    writer.put(&body_from_world(&matrix, sub(velocity, body.velocity)));
                }
            }
        }
    }
}

/// The rotor speeds of an agent.
pub(super) struct ObserveRotors<'a> {
    pub(super) block: &'a FormationBlock,
    pub(super) agent: usize,
    pub(super) observation: &'a mut [Row],
}

impl Kernel for ObserveRotors<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, agent, observation } = self;
        let limit = block.shared.config.robot.action_limit;
        let (min, range_inverse) = (L::constant(limit.min), L::constant(1.0 / (limit.max - limit.min)));
        for vector in 0..VECTORS {
            let mut writer = Writer { rows: observation, vector, next: 0 };
            for speed in &block.quads[agent].state.rotor_speed {
                writer.put(&[(speed.load::<L>(vector) - min) * range_inverse]);
            }
        }
    }
}

/// The state of an env as a whole.
pub(super) struct ObserveState<'a> {
    pub(super) block: &'a FormationBlock,
    pub(super) state: &'a mut [Row],
}

impl Kernel for ObserveState<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { block, state } = self;
        for vector in 0..VECTORS {
            let mut writer = Writer { rows: state, vector, next: 0 };
            for quad in &block.quads {
                let State { body, .. } = quad.state.load::<L>(vector);
                writer.put(&body.position);
                for row in &matrix_from_quaternion(body.orientation) {
                    writer.put(row);
                }
                writer.put(&body.velocity);
                writer.put(&body.angular_velocity);
            }
            let (centre, velocity) = block.centre::<L>(vector);
            writer.put(&centre);
            writer.put(&velocity);
        }
    }
}
