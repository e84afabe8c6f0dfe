//! Integration of the equations of motion.

use eyas_lanes::Real;

use crate::rotation::{normalized, quaternion_rate, rotate};
use crate::vector::{add, cross, scale_add, sub, transform};
use crate::{Body, State, Vector, Vehicle};

/// External force and torque, constant over a step.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance<R> {
    /// World frame, N.
    pub force_world: Vector<R>,
    /// Body frame, N m.
    pub torque_body: Vector<R>,
}

impl<R: Real> Disturbance<R> {
    /// Nothing pushes.
    #[inline(always)]
    pub fn none() -> Self {
        Self { force_world: [R::zero(); 3], torque_body: [R::zero(); 3] }
    }
}

/// Newton–Euler under a body wrench, (M3)–(M6) of `docs/model.md`:
///
/// ```text
/// ṗ = v           m v̇ = m g + R F + f_ext
/// q̇ = ½ q ⊗ ω     J ω̇ = τ + τ_ext − ω × J ω
/// ```
#[inline(always)]
fn body_rate<R: Real>(
    vehicle: &Vehicle<R>,
    body: &Body<R>,
    (force, torque): (Vector<R>, Vector<R>),
    disturbance: &Disturbance<R>,
) -> Body<R> {
    let omega = body.angular_velocity;
    let push = add(rotate(body.orientation, force), disturbance.force_world);
    let gyroscopic = cross(omega, transform(&vehicle.inertia, omega));
    let turn = sub(add(torque, disturbance.torque_body), gyroscopic);
    Body {
        position: body.velocity,
        orientation: quaternion_rate(body.orientation, omega),
        velocity: scale_add(vehicle.mass_inverse, push, vehicle.gravity),
        angular_velocity: transform(&vehicle.inertia_inverse, turn),
    }
}

/// A set of numbers that an integrator advances.
pub(crate) trait Integrable<R>: Copy {
    /// All numbers zero.
    fn zero() -> Self;
    /// `self + factor · rate`.
    fn advanced(&self, factor: R, rate: &Self) -> Self;
}

impl<R: Real> Integrable<R> for Body<R> {
    #[inline(always)]
    fn zero() -> Self {
        let zero = [R::zero(); 3];
        Self { position: zero, orientation: [R::zero(); 4], velocity: zero, angular_velocity: zero }
    }

    #[inline(always)]
    fn advanced(&self, factor: R, rate: &Self) -> Self {
        let mut orientation = self.orientation;
        for (q, rate) in orientation.iter_mut().zip(rate.orientation) {
            *q = factor.mul_add(rate, *q);
        }
        Self {
            position: scale_add(factor, rate.position, self.position),
            orientation,
            velocity: scale_add(factor, rate.velocity, self.velocity),
            angular_velocity: scale_add(factor, rate.angular_velocity, self.angular_velocity),
        }
    }
}

impl<R: Real> Integrable<R> for State<R> {
    #[inline(always)]
    fn zero() -> Self {
        Self { body: Body::zero(), rotor_speed: [R::zero(); 4] }
    }

    #[inline(always)]
    fn advanced(&self, factor: R, rate: &Self) -> Self {
        let mut rotor_speed = self.rotor_speed;
        for (speed, rate) in rotor_speed.iter_mut().zip(rate.rotor_speed) {
            *speed = factor.mul_add(rate, *speed);
        }
        Self { body: self.body.advanced(factor, &rate.body), rotor_speed }
    }
}

/// An ordinary differential equation. A trait with inlined methods, not a closure, so that every stage is
/// compiled for the instruction set at hand.
pub(crate) trait System<R: Real> {
    type State: Integrable<R>;
    fn rate(&self, state: &Self::State) -> Self::State;
    /// What is done to a state after each Runge–Kutta step.
    fn settle(&self, state: &mut Self::State);
}

/// Advances a system by Runge–Kutta steps of `dt` seconds each.
#[inline(always)]
pub(crate) fn integrate<R: Real, S: System<R>>(system: &S, state: &S::State, dt: R, steps: u32) -> S::State {
    let mut state = *state;
    for _ in 0..steps {
        state = rk4(system, &state, dt);
        system.settle(&mut state);
    }
    state
}

/// The classical fourth-order Runge–Kutta step.
#[inline(always)]
pub(crate) fn rk4<R: Real, S: System<R>>(system: &S, state: &S::State, dt: R) -> S::State {
    let half = R::constant(0.5) * dt;
    let first = system.rate(state);
    let second = system.rate(&state.advanced(half, &first));
    let third = system.rate(&state.advanced(half, &second));
    let fourth = system.rate(&state.advanced(dt, &third));
    let (sixth, third_share) = (R::constant(1.0 / 6.0) * dt, R::constant(1.0 / 3.0) * dt);
    state
        .advanced(sixth, &first)
        .advanced(third_share, &second)
        .advanced(third_share, &third)
        .advanced(sixth, &fourth)
}

pub(crate) struct Held<'a, R> {
    pub(crate) vehicle: &'a Vehicle<R>,
    pub(crate) wrench: (Vector<R>, Vector<R>),
    pub(crate) disturbance: &'a Disturbance<R>,
}

impl<R: Real> System<R> for Held<'_, R> {
    type State = Body<R>;

    #[inline(always)]
    fn rate(&self, body: &Body<R>) -> Body<R> {
        body_rate(self.vehicle, body, self.wrench, self.disturbance)
    }

    #[inline(always)]
    fn settle(&self, body: &mut Body<R>) {
        body.orientation = normalized(body.orientation);
    }
}

/// Advances a body by `dt` seconds in `substeps` Runge–Kutta steps under a constant body wrench.
#[inline(always)]
pub fn step_held<R: Real>(
    vehicle: &Vehicle<R>,
    body: &Body<R>,
    wrench: (Vector<R>, Vector<R>),
    disturbance: &Disturbance<R>,
    dt: f64,
    substeps: u32,
) -> Body<R> {
    integrate(&Held { vehicle, wrench, disturbance }, body, R::constant(dt / f64::from(substeps)), substeps)
}

/// Magnitude that `l2f` clips every number of a state to.
pub(crate) const STATE_LIMIT: f64 = 1e5;

pub(crate) struct Lagged<'a, R> {
    pub(crate) vehicle: &'a Vehicle<R>,
    pub(crate) set_point: &'a [R; 4],
    pub(crate) disturbance: &'a Disturbance<R>,
}

impl<R: Real> Lagged<'_, R> {
    /// 1 / time constant of each rotor, of rising or falling speed.
    #[inline(always)]
    pub(crate) fn lag_rates(&self, rotor_speed: &[R; 4]) -> [R; 4] {
        let mut rates = [R::zero(); 4];
        for (index, rotor) in self.vehicle.rotors.iter().enumerate() {
            let falls = self.set_point[index].less(rotor_speed[index]);
            rates[index] = R::select(falls, rotor.falling_rate, rotor.rising_rate);
        }
        rates
    }
}

impl<R: Real> System<R> for Lagged<'_, R> {
    type State = State<R>;

    /// (M7) `ω̇ = (ω* − ω) / T`, T of rising or falling speed, chosen in each stage.
    #[inline(always)]
    fn rate(&self, state: &State<R>) -> State<R> {
        let wrench = self.vehicle.wrench(&state.rotor_speed);
        let mut rotor_speed = self.lag_rates(&state.rotor_speed);
        for (index, rate) in rotor_speed.iter_mut().enumerate() {
            *rate = (self.set_point[index] - state.rotor_speed[index]) * *rate;
        }
        State { body: body_rate(self.vehicle, &state.body, wrench, self.disturbance), rotor_speed }
    }

    #[inline(always)]
    fn settle(&self, state: &mut State<R>) {
        state.body.orientation = normalized(state.body.orientation);
        let limit = R::constant(STATE_LIMIT);
        for value in state.fields_mut() {
            *value = value.clamp(-limit, limit);
        }
        for speed in &mut state.rotor_speed {
            *speed = speed.clamp(self.vehicle.speed_min, self.vehicle.speed_max);
        }
    }
}

/// Advances a vehicle by `dt` seconds in `substeps` Runge–Kutta steps towards rotor set-points, as RLtools'
/// `l2f` does: the quaternion is normalised, the state clipped to ±1e5 and rotor speeds to their range
/// after each.
#[inline(always)]
pub fn step_lagged<R: Real>(
    vehicle: &Vehicle<R>,
    state: &State<R>,
    set_point: &[R; 4],
    disturbance: &Disturbance<R>,
    dt: f64,
    substeps: u32,
) -> State<R> {
    let length = R::constant(dt / f64::from(substeps));
    integrate(&Lagged { vehicle, set_point, disturbance }, state, length, substeps)
}

/// First-order lag filter of a rotor speed, applied once a control step before the physics.
#[derive(Clone, Copy, Debug)]
pub struct SpeedLag {
    /// Share of the set-point in the new speed, `dt / (dt + τ)`.
    pub alpha: f64,
}

impl SpeedLag {
    /// The filter of a time constant τ at a control period, both in s.
    #[must_use]
    pub fn new(dt: f64, time_constant: f64) -> Self {
        Self { alpha: dt / (dt + time_constant) }
    }

    /// (M8) `ω ← α ω* + (1 − α) ω`.
    #[inline(always)]
    pub fn apply<R: Real>(self, speed: R, set_point: R) -> R {
        R::constant(self.alpha).mul_add(set_point - speed, speed)
    }
}
