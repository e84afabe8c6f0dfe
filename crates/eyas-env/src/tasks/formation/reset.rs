//! The start of an episode of the formation task.

use std::sync::Arc;

use eyas_lanes::{LANES, Lanes};
use eyas_sim::{Body, State, add, quaternion_from_euler_turns};

use super::block::FormationBlock;
use crate::episode::{Episodes, ResetLanes};
use crate::formulas::in_ball;
use crate::target::Target;

/// Draws of one vehicle, beside the first that is for all.
const DRAWS: u32 = 5;

impl ResetLanes for FormationBlock {
    #[inline(always)]
    fn reset_lanes<L: Lanes>(&mut self, vector: usize, bits: u32) {
        let mask = L::mask(bits);
        let shared = Arc::clone(&self.shared);
        let config = &shared.config;
        let first_env = self.episodes.first_env + (vector * LANES) as u32;
        let episode = Episodes::lanes_of(&self.episodes.episode, vector);
        let zero = L::splat(0.0);
        let kind = shared.start.lanes(first_env, episode, &[0; LANES], 0);
        self.target.store_where(vector, mask, &Target::<L>::start(&shared.motion, [kind[0], kind[1]]));
        let is_perfect = L::uniform(kind[2]).less(L::constant(config.prob_perfect_start));
        // ±`init_angle` in turns, from a number in [0, 1).
        let turns = L::constant(config.init_angle * std::f64::consts::FRAC_1_PI);
        for (index, place) in shared.places.iter().enumerate() {
            let first = 1 + DRAWS * index as u32;
            let draw = |it: u32| shared.start.lanes(first_env, episode, &[0; LANES], first + it);
            let (attitude, radius) = (draw(3), draw(4));
            let offset = in_ball::<L>(draw(0), radius[0], config.init_position_radius);
            let velocity = in_ball::<L>(draw(1), radius[1], config.init_linear_velocity);
            let angular_velocity = in_ball::<L>(draw(2), radius[2], config.init_angular_velocity);
            let place = [L::constant(place[0]), L::constant(place[1]), L::constant(place[2])];
            let angle = |axis: usize| (L::uniform(attitude[axis]) - L::splat(0.5)) * turns;
            let orientation = quaternion_from_euler_turns(angle(0), angle(1), angle(2));
            let position = add(place, offset);
            let body = Body { position, orientation, velocity, angular_velocity };
            let mut state = State { body, rotor_speed: [zero; 4] };
            let rest = Body { position: place, ..Body::<L>::at_rest() };
            let rest = State { body: rest, rotor_speed: [zero; 4] };
            for (value, rest) in state.fields_mut().into_iter().zip(rest.fields()) {
                *value = L::select(is_perfect, *rest, *value);
            }
            let quad = &mut self.quads[index];
            quad.state.store_where(vector, mask, &state);
            for row in &mut quad.set_point {
                row.store_where(vector, mask, zero);
            }
        }
    }
}
