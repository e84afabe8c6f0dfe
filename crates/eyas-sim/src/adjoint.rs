//! Vector–Jacobian products of the dynamics: what a cost's derivative after a step says about the numbers
//! before it.
//!
//! A derivative with respect to a [`Body`] is kept in a [`Body`], number by number, as if each were free:
//! that of the quaternion has four independent entries. Stages of the integrator are recomputed instead of
//! stored: only attitude and angular velocity enter the derivatives, so that the compiler drops the rest.

use eyas_lanes::Real;

use crate::dynamics::{Held, Integrable, Lagged, STATE_LIMIT, System, integrate};
use crate::rotation::quaternion_rate;
use crate::vector::{add, cross, dot, scale, scale_add, sub, transform};
use crate::{Body, Disturbance, SpeedLag, State, Vector, Vehicle};

/// A step of [`step_held`](crate::step_held), to be differentiated.
#[derive(Clone, Copy, Debug)]
pub struct HeldStep<'a, R> {
    /// The vehicle.
    pub vehicle: &'a Vehicle<R>,
    /// Its state before the step.
    pub body: &'a Body<R>,
    /// Body force in N and torque in N m, constant over the step.
    pub wrench: (Vector<R>, Vector<R>),
    /// What else pushes.
    pub disturbance: &'a Disturbance<R>,
    /// Length of the step, s.
    pub dt: f64,
    /// Runge–Kutta steps in it.
    pub substeps: u32,
}

/// Derivatives of a cost with respect to what goes into a [`HeldStep`].
#[derive(Clone, Copy, Debug)]
pub struct HeldDerivative<R> {
    /// With respect to the body before the step.
    pub body: Body<R>,
    /// With respect to the body force.
    pub force: Vector<R>,
    /// With respect to the body torque.
    pub torque: Vector<R>,
}

impl<R: Real> HeldStep<'_, R> {
    /// Pulls the derivative of a cost with respect to the body after the step back to what went into it.
    ///
    /// The bodies between several substeps are flown again, so the time grows with the square of their
    /// number.
    #[inline(always)]
    pub fn pull_back(&self, after: &Body<R>) -> HeldDerivative<R> {
        let system = Held { vehicle: self.vehicle, wrench: self.wrench, disturbance: self.disturbance };
        let zero = [R::zero(); 3];
        let mut wrench = (zero, zero);
        let body = pull_back_integral(&system, self.body, after, self.dt, self.substeps, &mut wrench);
        HeldDerivative { body, force: wrench.0, torque: wrench.1 }
    }
}

/// A step of [`step_lagged`](crate::step_lagged), to be differentiated.
#[derive(Clone, Copy, Debug)]
pub struct LaggedStep<'a, R> {
    /// The vehicle.
    pub vehicle: &'a Vehicle<R>,
    /// Its state before the step.
    pub state: &'a State<R>,
    /// Rotor speeds that are commanded, in the unit of the vehicle's action limit.
    pub set_point: &'a [R; 4],
    /// What else pushes.
    pub disturbance: &'a Disturbance<R>,
    /// Length of the step, s.
    pub dt: f64,
    /// Runge–Kutta steps in it.
    pub substeps: u32,
}

impl<R: Real> LaggedStep<'_, R> {
    /// Pulls the derivative of a cost with respect to the state after the step back to the state before and
    /// the set-points. Numbers that the step clipped pass nothing on.
    ///
    /// The states between several substeps are flown again, so the time grows with the square of their
    /// number.
    #[inline(always)]
    pub fn pull_back(&self, after: &State<R>) -> (State<R>, [R; 4]) {
        let Self { vehicle, set_point, disturbance, .. } = *self;
        let system = Lagged { vehicle, set_point, disturbance };
        let mut of_set_point = [R::zero(); 4];
        let before =
            pull_back_integral(&system, self.state, after, self.dt, self.substeps, &mut of_set_point);
        (before, of_set_point)
    }
}

/// A [`System`] that can be gone back through.
trait Differentiable<R: Real>: System<R> {
    /// Derivatives with respect to what is constant over a step.
    type Inputs;

    /// Given the derivative with respect to the rate, the one with respect to the state; those with respect
    /// to the inputs are added up.
    fn pull_back_rate(
        &self,
        state: &Self::State,
        rate: &Self::State,
        inputs: &mut Self::Inputs,
    ) -> Self::State;

    /// Of [`System::settle`], given the state before it.
    fn pull_back_settle(&self, before: &Self::State, after: &Self::State) -> Self::State;
}

/// Back through the Runge–Kutta steps of [`integrate`].
#[inline(always)]
fn pull_back_integral<R: Real, S: Differentiable<R>>(
    system: &S,
    start: &S::State,
    after: &S::State,
    dt: f64,
    substeps: u32,
    inputs: &mut S::Inputs,
) -> S::State {
    let length = R::constant(dt / f64::from(substeps));
    let mut derivative = *after;
    for substep in (0..substeps).rev() {
        let state = integrate(system, start, length, substep);
        derivative = pull_back_rk4(system, &state, length, &derivative, inputs);
    }
    derivative
}

/// Back through one Runge–Kutta step and what settles it.
#[inline(always)]
fn pull_back_rk4<R: Real, S: Differentiable<R>>(
    system: &S,
    state: &S::State,
    dt: R,
    after: &S::State,
    inputs: &mut S::Inputs,
) -> S::State {
    let half = R::constant(0.5) * dt;
    let (sixth, third_share) = (R::constant(1.0 / 6.0) * dt, R::constant(1.0 / 3.0) * dt);
    let first = system.rate(state);
    let second_stage = state.advanced(half, &first);
    let second = system.rate(&second_stage);
    let third_stage = state.advanced(half, &second);
    let third = system.rate(&third_stage);
    let fourth_stage = state.advanced(dt, &third);
    let fourth = system.rate(&fourth_stage);
    let end = state
        .advanced(sixth, &first)
        .advanced(third_share, &second)
        .advanced(third_share, &third)
        .advanced(sixth, &fourth);

    let after = system.pull_back_settle(&end, after);
    let outer = S::State::zero().advanced(sixth, &after);
    let inner = S::State::zero().advanced(third_share, &after);
    let of_fourth = system.pull_back_rate(&fourth_stage, &outer, inputs);
    let of_third = system.pull_back_rate(&third_stage, &inner.advanced(dt, &of_fourth), inputs);
    let of_second = system.pull_back_rate(&second_stage, &inner.advanced(half, &of_third), inputs);
    let of_first = system.pull_back_rate(state, &outer.advanced(half, &of_second), inputs);
    let one = R::one();
    after
        .advanced(one, &of_fourth)
        .advanced(one, &of_third)
        .advanced(one, &of_second)
        .advanced(one, &of_first)
}

impl<R: Real> Differentiable<R> for Held<'_, R> {
    type Inputs = (Vector<R>, Vector<R>);

    #[inline(always)]
    fn pull_back_rate(
        &self,
        body: &Body<R>,
        rate: &Body<R>,
        (force, torque): &mut (Vector<R>, Vector<R>),
    ) -> Body<R> {
        let (body, of_force, of_torque) = pull_back_body_rate(self.vehicle, body, self.wrench.0, rate);
        *force = add(*force, of_force);
        *torque = add(*torque, of_torque);
        body
    }

    #[inline(always)]
    fn pull_back_settle(&self, before: &Body<R>, after: &Body<R>) -> Body<R> {
        Body { orientation: pull_back_normalized(before.orientation, after.orientation), ..*after }
    }
}

impl<R: Real> Differentiable<R> for Lagged<'_, R> {
    type Inputs = [R; 4];

    /// Of (M7), and of the body under the wrench of the stage's own rotor speeds.
    #[inline(always)]
    fn pull_back_rate(&self, state: &State<R>, rate: &State<R>, set_point: &mut [R; 4]) -> State<R> {
        let (force, _) = self.vehicle.wrench(&state.rotor_speed);
        let (body, of_force, of_torque) = pull_back_body_rate(self.vehicle, &state.body, force, &rate.body);
        let mut rotor_speed = self.vehicle.pull_back_wrench(&state.rotor_speed, of_force, of_torque);
        for (index, lag) in self.lag_rates(&state.rotor_speed).into_iter().enumerate() {
            let passed = lag * rate.rotor_speed[index];
            rotor_speed[index] = rotor_speed[index] - passed;
            set_point[index] = set_point[index] + passed;
        }
        State { body, rotor_speed }
    }

    #[inline(always)]
    fn pull_back_settle(&self, before: &State<R>, after: &State<R>) -> State<R> {
        let (limit, zero) = (R::constant(STATE_LIMIT), R::zero());
        let mut derivative = *after;
        for (value, before) in derivative.fields_mut().into_iter().zip(before.fields()) {
            *value = R::select(limit.less(before.abs()), zero, *value);
        }
        let Vehicle { speed_min, speed_max, .. } = *self.vehicle;
        for (value, speed) in derivative.rotor_speed.iter_mut().zip(before.rotor_speed) {
            let outside = R::or(speed.less(speed_min), speed_max.less(speed));
            *value = R::select(outside, zero, *value);
        }
        derivative.body.orientation =
            pull_back_normalized(before.body.orientation, derivative.body.orientation);
        derivative
    }
}

/// Of (M3)–(M6): given the derivative with respect to the rate, those with respect to body, force and torque.
/// With `u` the imaginary part of q, `t = 2 u × F`, and `μ = λ_v / m`, `ν = J⁻ᵀ λ_ω`, `s = w μ + μ × u`:
///
/// ```text
/// ∂v = λ_p               ∂q = ½ λ_q ⊗ (0, −ω) + (μ·t, t × μ + 2 F × s)
/// ∂F = μ + 2 s × u       ∂ω = ½ Im(q* ⊗ λ_q) − (J ω) × ν − Jᵀ (ν × ω)        ∂τ = ν
/// ```
#[inline(always)]
fn pull_back_body_rate<R: Real>(
    vehicle: &Vehicle<R>,
    body: &Body<R>,
    force: Vector<R>,
    rate: &Body<R>,
) -> (Body<R>, Vector<R>, Vector<R>) {
    let two = R::constant(2.0);
    let [w, x, y, z] = body.orientation;
    let imaginary = [x, y, z];

    let push = scale(vehicle.mass_inverse, rate.velocity);
    let t = scale(two, cross(imaginary, force));
    let s = scale_add(w, push, cross(push, imaginary));
    let of_force = scale_add(two, cross(s, imaginary), push);
    let tilt = scale_add(two, cross(force, s), cross(t, push));

    let omega = body.angular_velocity;
    let of_torque = transform_transposed(&vehicle.inertia_inverse, rate.angular_velocity);
    let gyroscopic = add(
        cross(transform(&vehicle.inertia, omega), of_torque),
        transform_transposed(&vehicle.inertia, cross(of_torque, omega)),
    );

    let from_rate = quaternion_rate(rate.orientation, [-omega[0], -omega[1], -omega[2]]);
    let body = Body {
        position: [R::zero(); 3],
        orientation: [
            from_rate[0] + dot(push, t),
            from_rate[1] + tilt[0],
            from_rate[2] + tilt[1],
            from_rate[3] + tilt[2],
        ],
        velocity: rate.position,
        angular_velocity: sub(half_imaginary_product(body.orientation, rate.orientation), gyroscopic),
    };
    (body, of_force, of_torque)
}

/// `½ Im(q* ⊗ λ)`.
#[inline(always)]
fn half_imaginary_product<R: Real>([w, x, y, z]: [R; 4], [a, b, c, d]: [R; 4]) -> Vector<R> {
    let half = R::constant(0.5);
    [
        half * w.mul_add(b, z.mul_add(c, -(x.mul_add(a, y * d)))),
        half * w.mul_add(c, x.mul_add(d, -(y.mul_add(a, z * b)))),
        half * w.mul_add(d, y.mul_add(b, -(z.mul_add(a, x * c)))),
    ]
}

/// `Mᵀ a` for rows of a matrix.
#[inline(always)]
fn transform_transposed<R: Real>(matrix: &[Vector<R>; 3], a: Vector<R>) -> Vector<R> {
    scale_add(a[2], matrix[2], scale_add(a[1], matrix[1], scale(a[0], matrix[0])))
}

/// Of `n = q / ‖q‖`: `(λ − n (n·λ)) / ‖q‖`.
#[inline(always)]
fn pull_back_normalized<R: Real>([w, x, y, z]: [R; 4], [a, b, c, d]: [R; 4]) -> [R; 4] {
    let inverse = R::one() / w.mul_add(w, x.mul_add(x, y.mul_add(y, z * z))).sqrt();
    let [w, x, y, z] = [w * inverse, x * inverse, y * inverse, z * inverse];
    let along = w.mul_add(a, x.mul_add(b, y.mul_add(c, z * d)));
    [
        (-along).mul_add(w, a) * inverse,
        (-along).mul_add(x, b) * inverse,
        (-along).mul_add(y, c) * inverse,
        (-along).mul_add(z, d) * inverse,
    ]
}

impl<R: Real> Vehicle<R> {
    /// Derivative of a cost with respect to rotor speeds, given those with respect to the body force and
    /// torque of [`wrench`](Self::wrench): `(c1 + 2 c2 ω) (d·∂F + (r × d + c e)·∂τ)`.
    #[inline(always)]
    pub fn pull_back_wrench(&self, rotor_speed: &[R; 4], force: Vector<R>, torque: Vector<R>) -> [R; 4] {
        let mut derivative = [R::zero(); 4];
        for (index, rotor) in self.rotors.iter().enumerate() {
            let [_, c1, c2] = rotor.thrust;
            let slope = (c2 + c2).mul_add(rotor_speed[index], c1);
            derivative[index] = slope * (dot(rotor.force, force) + dot(rotor.torque, torque));
        }
        derivative
    }
}

impl SpeedLag {
    /// Derivatives of a cost with respect to the speed before and the set-point, given that with respect to
    /// the speed after (M8).
    #[inline(always)]
    pub fn pull_back<R: Real>(self, after: R) -> (R, R) {
        (R::constant(1.0 - self.alpha) * after, R::constant(self.alpha) * after)
    }
}

/// Derivative of a cost with respect to a quaternion, given that with respect to the entries of
/// [`matrix_from_quaternion`](crate::matrix_from_quaternion).
#[inline(always)]
pub fn pull_back_matrix<R: Real>([w, x, y, z]: [R; 4], m: &[Vector<R>; 3]) -> [R; 4] {
    let two = R::constant(2.0);
    let (a, b, c) = (m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]);
    let (d, e, f) = (m[1][0] + m[0][1], m[0][2] + m[2][0], m[2][1] + m[1][2]);
    [
        two * x.mul_add(a, y.mul_add(b, z * c)),
        two * w.mul_add(a, y.mul_add(d, z * e)) - (two + two) * x * (m[1][1] + m[2][2]),
        two * w.mul_add(b, x.mul_add(d, z * f)) - (two + two) * y * (m[0][0] + m[2][2]),
        two * w.mul_add(c, x.mul_add(e, y * f)) - (two + two) * z * (m[0][0] + m[1][1]),
    ]
}
