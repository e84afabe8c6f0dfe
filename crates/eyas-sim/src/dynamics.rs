//! Integration of the equations of motion.

use eyas_lanes::Real;

use crate::rotation::{normalized, product_with_imaginary};
use crate::vector::{add, cross_add, scale_add};
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

/// Numbers that a Runge–Kutta step advances, given their rates at each of its four stages. A trait with inlined
/// methods, not a closure, so that every stage is compiled for the instruction set at hand.
trait Part<R, const N: usize> {
    fn rate(&self, stage: usize, values: &[R; N]) -> [R; N];
}

/// Where a Runge–Kutta step evaluates rates, and where it ends.
#[derive(Clone, Copy)]
pub(crate) struct Course<S> {
    pub(crate) stages: [S; 4],
    pub(crate) end: S,
}

/// `values + factor · rate`.
#[inline(always)]
pub(crate) fn advanced<R: Real, const N: usize>(mut values: [R; N], factor: R, rate: &[R; N]) -> [R; N] {
    for (value, rate) in values.iter_mut().zip(rate) {
        *value = factor.mul_add(*rate, *value);
    }
    values
}

/// The classical fourth-order Runge–Kutta step of one part.
#[inline(always)]
fn rk4<R: Real, const N: usize>(part: &impl Part<R, N>, start: [R; N], dt: R) -> Course<[R; N]> {
    let half = R::constant(0.5) * dt;
    let (sixth, third_share) = (R::constant(1.0 / 6.0) * dt, R::constant(1.0 / 3.0) * dt);
    let rate = part.rate(0, &start);
    let (second, end) = (advanced(start, half, &rate), advanced(start, sixth, &rate));
    let rate = part.rate(1, &second);
    let (third, end) = (advanced(start, half, &rate), advanced(end, third_share, &rate));
    let rate = part.rate(2, &third);
    let (fourth, end) = (advanced(start, dt, &rate), advanced(end, third_share, &rate));
    let rate = part.rate(3, &fourth);
    Course { stages: [start, second, third, fourth], end: advanced(end, sixth, &rate) }
}

/// (M7): each rotor speed on its way to its set-point.
struct Speeds<'a, R> {
    set_point: &'a [R; 4],
    /// 1 / time constant of each rotor, 1/s.
    lag_rate: [R; 4],
}

impl<R: Real> Part<R, 4> for Speeds<'_, R> {
    #[inline(always)]
    fn rate(&self, _stage: usize, speeds: &[R; 4]) -> [R; 4] {
        let mut rates = self.lag_rate;
        for (index, rate) in rates.iter_mut().enumerate() {
            *rate = (self.set_point[index] - speeds[index]) * *rate;
        }
        rates
    }
}

/// (M6): the angular velocity under the torque of each stage.
struct Spin<'a, R, const ALIGNED: bool> {
    vehicle: &'a Vehicle<R, ALIGNED>,
    torque: [Vector<R>; 4],
}

impl<R: Real, const ALIGNED: bool> Part<R, 3> for Spin<'_, R, ALIGNED> {
    #[inline(always)]
    fn rate(&self, stage: usize, omega: &Vector<R>) -> Vector<R> {
        let momentum = Vehicle::<R, ALIGNED>::about_axes(&self.vehicle.inertia, *omega);
        let turn = cross_add(momentum, *omega, self.torque[stage]);
        Vehicle::<R, ALIGNED>::about_axes(&self.vehicle.inertia_inverse, turn)
    }
}

/// (M4) without its ½: the orientation under the angular velocity of each stage.
struct Attitude<'a, R>(&'a [Vector<R>; 4]);

impl<R: Real> Part<R, 4> for Attitude<'_, R> {
    #[inline(always)]
    fn rate(&self, stage: usize, orientation: &[R; 4]) -> [R; 4] {
        product_with_imaginary(*orientation, self.0[stage])
    }
}

/// (M3): numbers whose rates do not depend on themselves.
struct Known<'a, R>(&'a [Vector<R>; 4]);

impl<R: Real> Part<R, 3> for Known<'_, R> {
    #[inline(always)]
    fn rate(&self, stage: usize, _values: &Vector<R>) -> Vector<R> {
        self.0[stage]
    }
}

/// A step of (M3)–(M6) under the body wrench of each stage, external torque included.
///
/// Torque turns the vehicle, its attitude directs the thrust, acceleration moves it, and nothing acts back: so each
/// part takes all its stages before the next one begins. The numbers are those of one step of all 13, but few enough
/// at a time to stay in registers.
#[inline(always)]
fn body_course<R: Real, const ALIGNED: bool>(
    vehicle: &Vehicle<R, ALIGNED>,
    body: &Body<R>,
    wrenches: [(Vector<R>, Vector<R>); 4],
    force_world: Vector<R>,
    dt: R,
) -> Course<Body<R>> {
    let [(_, a), (_, b), (_, c), (_, d)] = wrenches;
    let spin = rk4(&Spin { vehicle, torque: [a, b, c, d] }, body.angular_velocity, dt);
    let attitude = rk4(&Attitude(&spin.stages), body.orientation, R::constant(0.5) * dt);
    let fall = scale_add(vehicle.mass_inverse, force_world, vehicle.gravity);
    let mut acceleration = [fall; 4];
    for stage in 0..4 {
        acceleration[stage] = vehicle.accelerated(attitude.stages[stage], wrenches[stage].0, fall);
    }
    let velocity = rk4(&Known(&acceleration), body.velocity, dt);
    let position = rk4(&Known(&velocity.stages), body.position, dt);
    let body = |position, orientation, velocity, angular_velocity| Body {
        position,
        orientation,
        velocity,
        angular_velocity,
    };
    let stage =
        |it: usize| body(position.stages[it], attitude.stages[it], velocity.stages[it], spin.stages[it]);
    Course {
        stages: [stage(0), stage(1), stage(2), stage(3)],
        end: body(position.end, attitude.end, velocity.end, spin.end),
    }
}

/// Equations of motion that Runge–Kutta steps integrate.
pub(crate) trait System<R: Real> {
    type State: Copy;
    /// One step of `dt` seconds.
    fn course(&self, state: &Self::State, dt: R) -> Course<Self::State>;
    /// What is done to a state after each step.
    fn settle(&self, state: &mut Self::State);
}

/// Advances a system by Runge–Kutta steps of `dt` seconds each.
#[inline(always)]
pub(crate) fn integrate<R: Real, S: System<R>>(system: &S, state: &S::State, dt: R, steps: u32) -> S::State {
    let mut state = *state;
    for _ in 0..steps {
        state = system.course(&state, dt).end;
        system.settle(&mut state);
    }
    state
}

pub(crate) struct Held<'a, R, const ALIGNED: bool> {
    pub(crate) vehicle: &'a Vehicle<R, ALIGNED>,
    pub(crate) wrench: (Vector<R>, Vector<R>),
    pub(crate) disturbance: &'a Disturbance<R>,
}

impl<R: Real, const ALIGNED: bool> System<R> for Held<'_, R, ALIGNED> {
    type State = Body<R>;

    #[inline(always)]
    fn course(&self, body: &Body<R>, dt: R) -> Course<Body<R>> {
        let Disturbance { force_world, torque_body } = *self.disturbance;
        let wrench = (self.wrench.0, add(self.wrench.1, torque_body));
        body_course(self.vehicle, body, [wrench; 4], force_world, dt)
    }

    #[inline(always)]
    fn settle(&self, body: &mut Body<R>) {
        body.orientation = normalized(body.orientation);
    }
}

/// Advances a body by `dt` seconds in `substeps` Runge–Kutta steps under a constant body wrench.
#[inline(always)]
pub fn step_held<R: Real, const ALIGNED: bool>(
    vehicle: &Vehicle<R, ALIGNED>,
    body: &Body<R>,
    wrench: (Vector<R>, Vector<R>),
    disturbance: &Disturbance<R>,
    dt: f64,
    substeps: u32,
) -> Body<R> {
    integrate(&Held { vehicle, wrench, disturbance }, body, R::constant(dt / f64::from(substeps)), substeps)
}

/// Magnitude that `l2f` clips positions and velocities to.
pub(crate) const STATE_LIMIT: f64 = 1e5;

pub(crate) struct Lagged<'a, R, const ALIGNED: bool> {
    pub(crate) vehicle: &'a Vehicle<R, ALIGNED>,
    pub(crate) set_point: &'a [R; 4],
    pub(crate) disturbance: &'a Disturbance<R>,
}

impl<R: Real, const ALIGNED: bool> Lagged<'_, R, ALIGNED> {
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

impl<R: Real, const ALIGNED: bool> System<R> for Lagged<'_, R, ALIGNED> {
    type State = State<R>;

    /// The time constant of (M7) is chosen once a step. RLtools chooses in each stage, which is the same unless a stage
    /// passes the set-point: for a time constant below 0.63 `dt`.
    #[inline(always)]
    fn course(&self, state: &State<R>, dt: R) -> Course<State<R>> {
        let Self { vehicle, set_point, disturbance } = *self;
        let speeds =
            rk4(&Speeds { set_point, lag_rate: self.lag_rates(&state.rotor_speed) }, state.rotor_speed, dt);
        let wrench = |stage: usize| vehicle.wrench_over(&speeds.stages[stage], disturbance.torque_body);
        let wrenches = [wrench(0), wrench(1), wrench(2), wrench(3)];
        let body = body_course(vehicle, &state.body, wrenches, disturbance.force_world, dt);
        let stage = |it: usize| State { body: body.stages[it], rotor_speed: speeds.stages[it] };
        Course {
            stages: [stage(0), stage(1), stage(2), stage(3)],
            end: State { body: body.end, rotor_speed: speeds.end },
        }
    }

    #[inline(always)]
    fn settle(&self, state: &mut State<R>) {
        state.body.orientation = normalized(state.body.orientation);
        let limit = R::constant(STATE_LIMIT);
        for value in state.body.clipped_mut() {
            *value = value.clamp(-limit, limit);
        }
        for speed in &mut state.rotor_speed {
            *speed = speed.clamp(self.vehicle.speed_min, self.vehicle.speed_max);
        }
    }
}

/// Advances a vehicle by `dt` seconds in `substeps` Runge–Kutta steps towards rotor set-points, as RLtools'
/// `l2f` does: after each, the quaternion is normalised, positions and velocities are clipped to ±1e5 and rotor
/// speeds to their range.
#[inline(always)]
pub fn step_lagged<R: Real, const ALIGNED: bool>(
    vehicle: &Vehicle<R, ALIGNED>,
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
        lagged(R::constant(self.alpha), speed, set_point)
    }
}

/// (M8) for a share `alpha` of the set-point in the new speed.
#[inline(always)]
pub fn lagged<R: Real>(alpha: R, speed: R, set_point: R) -> R {
    alpha.mul_add(set_point - speed, speed)
}
