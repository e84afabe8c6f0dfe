//! One control step of the formation task.

use eyas_lanes::Real;
use eyas_sim::{Disturbance, Langevin, State, Vehicle, norm, step_held, sub};

use super::spec::{CAUSES, REWARD_TERMS};
use super::{FALLEN, Formation, SET_POINT, VEHICLE};
use crate::formulas::{self, set_points};
use crate::multi_agent::{AgentVerdict, MAX_AGENTS};
use crate::rows::{flag, holds, not_finite, replace_where};
use crate::tasks::point::causes;
use crate::{Driver, DriverMut};

/// Places among [`causes`] and collisions.
const NOT_FINITE: usize = 4;
const TARGET_TOO_FAR: usize = 5;
const COLLISION: usize = 6;

/// How near the others are to each vehicle.
struct Encounters<R: Real> {
    /// Sum of how far others are within the distance to keep, as shares of it.
    nearness: [R; MAX_AGENTS],
    /// Where each has collided.
    collided: [R::Mask; MAX_AGENTS],
}

/// What a vehicle's step ends with.
struct Conclusion<R: Real> {
    /// Where it ended its flight for each cause.
    causes: [R::Mask; CAUSES],
    /// Where it ended its flight.
    ends: R::Mask,
    terms: [R; REWARD_TERMS.len()],
}

/// Where a vehicle flies.
#[inline(always)]
fn flies<R: Real>(vehicle: usize, driver: &impl Driver<R>) -> R::Mask {
    R::not(holds(driver.number(VEHICLE * vehicle + FALLEN)))
}

impl Formation {
    /// Takes what each vehicle is told. Gives the norm of the change of its set-points.
    #[inline(always)]
    pub(super) fn command<R: Real>(actions: &[[R; 4]], driver: &mut impl DriverMut<R>) -> [R; MAX_AGENTS] {
        let mut change = [R::zero(); MAX_AGENTS];
        for (index, action) in actions.iter().enumerate() {
            let first = VEHICLE * index + SET_POINT;
            let mut set_point = driver.numbers::<4>(first);
            let next = set_points(action);
            change[index] = formulas::change(&next, &set_point);
            replace_where::<[(); 4], R>(&mut set_point, flies(index, driver), &next);
            driver.store::<[(); 4]>(first, &set_point);
        }
        change
    }

    /// A vehicle whose rotors have followed its set-points for a control step.
    #[inline(always)]
    fn turned<R: Real, const ALIGNED: bool>(
        &self,
        index: usize,
        vehicle: &Vehicle<R, ALIGNED>,
        driver: &impl Driver<R>,
    ) -> State<R> {
        let mut state = driver.load::<State<()>>(VEHICLE * index);
        let set_point = driver.numbers::<4>(VEHICLE * index + SET_POINT);
        let range = vehicle.speed_max - vehicle.speed_min;
        for (speed, set_point) in state.rotor_speed.iter_mut().zip(set_point) {
            *speed = self.lag.apply(*speed, set_point.mul_add(range, vehicle.speed_min));
        }
        state
    }

    /// What the air of the others pushes each vehicle down with, N.
    #[inline(always)]
    pub(super) fn downwash<R: Real, const ALIGNED: bool>(
        &self,
        vehicle: &Vehicle<R, ALIGNED>,
        driver: &impl Driver<R>,
    ) -> [R; MAX_AGENTS] {
        let mut forces = [R::zero(); MAX_AGENTS];
        let Some(jet) = &self.downwash else { return forces };
        for above in 0..self.places.len() {
            let State { body: high, rotor_speed } = self.turned(above, vehicle, driver);
            let thrust = R::select(flies(above, driver), norm(vehicle.wrench(&rotor_speed).0), R::zero());
            for (below, force) in forces.iter_mut().enumerate().take(self.places.len()) {
                if below != above {
                    let position = driver.numbers::<3>(VEHICLE * below);
                    *force = *force + jet.force(thrust, sub(position, high.position));
                }
            }
        }
        forces
    }

    /// Motors and physics of one vehicle. Gives where its numbers would not be finite; there it stays as it was.
    #[inline(always)]
    pub(super) fn fly<R: Real, const ALIGNED: bool>(
        &self,
        index: usize,
        vehicle: &Vehicle<R, ALIGNED>,
        disturbance: &Disturbance<R>,
        driver: &mut impl DriverMut<R>,
    ) -> R::Mask {
        let mut state = self.turned(index, vehicle, driver);
        let wrench = vehicle.wrench(&state.rotor_speed);
        for _ in 0..self.config.decimation {
            let (dt, substeps) = (self.config.sim.dt, self.config.sim.substeps);
            state.body = step_held(vehicle, &state.body, wrench, disturbance, dt, substeps);
        }
        let flies = flies(index, driver);
        let lost = R::and(flies, not_finite(&state));
        let mut next = driver.load::<State<()>>(VEHICLE * index);
        replace_where::<State<()>, R>(&mut next, R::and(flies, R::not(lost)), &state);
        driver.store::<State<()>>(VEHICLE * index, &next);
        lost
    }

    /// Terminations and rewards, vehicle by vehicle. The episode ends when all have fallen, for all that they fell for.
    #[inline(always)]
    pub(super) fn judge<R: Real>(
        &self,
        (change, lost): (&[R; MAX_AGENTS], &[R::Mask; MAX_AGENTS]),
        centre: &Langevin<R>,
        driver: &mut impl DriverMut<R>,
        verdict: &mut impl AgentVerdict<R>,
    ) {
        let encounters = self.encounters(driver);
        let mut fell_for = [R::never(); CAUSES];
        for (fell, number) in fell_for.iter_mut().zip(self.causes()) {
            *fell = holds(driver.number(number));
        }
        let mut all_fallen = R::not(R::never());
        for index in 0..self.places.len() {
            let step = (change[index], lost[index]);
            let Conclusion { causes, ends, terms } = self.conclude(index, step, centre, &encounters, driver);
            for (fell, cause) in fell_for.iter_mut().zip(causes) {
                *fell = R::or(*fell, cause);
            }
            let flew = flies(index, driver);
            let has_fallen = R::or(R::not(flew), ends);
            all_fallen = R::and(all_fallen, has_fallen);
            driver.set(VEHICLE * index + FALLEN, flag(has_fallen));
            verdict.agent(flew, has_fallen, terms);
        }
        for (fell, number) in fell_for.iter_mut().zip(self.causes()) {
            driver.set(number, flag(*fell));
            *fell = R::and(*fell, all_fallen);
        }
        verdict.end(fell_for);
    }

    /// Distances between all that fly; what has fallen is no obstacle.
    #[inline(always)]
    fn encounters<R: Real>(&self, driver: &impl Driver<R>) -> Encounters<R> {
        let zero = R::zero();
        let collision = R::constant(self.config.collision_distance);
        let proximity_inverse = R::constant(1.0 / self.config.proximity_distance);
        let mut found = Encounters { nearness: [zero; MAX_AGENTS], collided: [R::never(); MAX_AGENTS] };
        for one in 0..self.places.len() {
            let position = driver.numbers::<3>(VEHICLE * one);
            for other in 0..one {
                let both = R::and(flies(one, driver), flies(other, driver));
                let distance = norm(sub(position, driver.numbers::<3>(VEHICLE * other)));
                let collided = R::and(both, distance.less(collision));
                let share = (R::one() - distance * proximity_inverse).max(zero);
                let share = R::select(both, share, zero);
                for it in [one, other] {
                    found.collided[it] = R::or(found.collided[it], collided);
                    found.nearness[it] = found.nearness[it] + share;
                }
            }
        }
        found
    }

    /// Terminations and reward of one vehicle, whose set-points have changed so much and which was lost or not.
    #[inline(always)]
    fn conclude<R: Real>(
        &self,
        index: usize,
        (change, lost): (R, R::Mask),
        centre: &Langevin<R>,
        encounters: &Encounters<R>,
        driver: &impl Driver<R>,
    ) -> Conclusion<R> {
        let config = &self.config;
        let flies = flies(index, driver);
        // As a vehicle of the point task sees itself, whose place is where it starts.
        let mut own = driver.load::<State<()>>(VEHICLE * index);
        own.body.position = sub(own.body.position, self.place(index));
        let mut found = [R::never(); CAUSES];
        for (found, cause) in found.iter_mut().zip(causes(&config.thresholds, &own, centre)) {
            *found = R::and(flies, cause);
        }
        found[NOT_FINITE] = lost;
        found[COLLISION] = encounters.collided[index];
        let mut crashed = R::never();
        for (cause, holds) in found.iter().enumerate() {
            // The target's distance ends an episode without the penalty.
            if cause != TARGET_TOO_FAR {
                crashed = R::or(crashed, *holds);
            }
        }
        let mut ends = R::or(crashed, found[TARGET_TOO_FAR]);
        if config.end_on_collision {
            for collided in &encounters.collided {
                found[COLLISION] = R::or(found[COLLISION], R::and(flies, *collided));
            }
            ends = R::or(ends, found[COLLISION]);
        }
        let terms = [
            -R::constant(config.reward_coef_position_cost) * norm(sub(own.body.position, centre.position)),
            -R::constant(config.reward_coef_orientation_cost) * formulas::yaw_error(&own.body.orientation),
            -R::constant(config.reward_coef_d_action_cost) * change,
            R::constant(config.reward_constant),
            -R::constant(config.reward_coef_proximity_cost) * encounters.nearness[index],
            R::select(crashed, R::constant(-config.reward_coef_termination_penalty), R::zero()),
        ];
        Conclusion { causes: found, ends, terms }
    }
}
