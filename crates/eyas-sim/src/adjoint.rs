//! Vector–Jacobian products of the dynamics: what a cost's derivative after a step says about the numbers
//! before it.
//!
//! A derivative with respect to a [`Body`] is kept in a [`Body`], number by number, as if each were free:
//! that of the quaternion has four independent entries. Stages of the integrator are recomputed instead of
//! stored: only attitude and angular velocity enter the derivatives, so that the compiler drops the rest.

use eyas_lanes::Real;

use crate::dynamics::{Held, Integrable, System};
use crate::rotation::{normalized, quaternion_rate};
use crate::vector::{add, cross, dot, scale, scale_add, sub, transform};
use crate::{Body, Disturbance, SpeedLag, Vector, Vehicle};

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
        let dt = R::constant(self.dt / f64::from(self.substeps));
        let mut sum = HeldDerivative { body: *after, force: [R::zero(); 3], torque: [R::zero(); 3] };
        for substep in (0..self.substeps).rev() {
            let mut body = *self.body;
            for _ in 0..substep {
                body = crate::dynamics::rk4(&system, &body, dt);
                body.orientation = normalized(body.orientation);
            }
            pull_back_rk4(&system, &body, dt, &mut sum);
        }
        sum
    }
}

/// One Runge–Kutta step and the normalisation after it; `sum.body` changes from the derivative after to the
/// one before.
#[inline(always)]
fn pull_back_rk4<R: Real>(system: &Held<R>, body: &Body<R>, dt: R, sum: &mut HeldDerivative<R>) {
    let half = R::constant(0.5) * dt;
    let (sixth, third_share) = (R::constant(1.0 / 6.0) * dt, R::constant(1.0 / 3.0) * dt);
    let first = system.rate(body);
    let second_stage = body.advanced(half, &first);
    let second = system.rate(&second_stage);
    let third_stage = body.advanced(half, &second);
    let third = system.rate(&third_stage);
    let fourth_stage = body.advanced(dt, &third);
    let fourth = system.rate(&fourth_stage);
    let end = body
        .advanced(sixth, &first)
        .advanced(third_share, &second)
        .advanced(third_share, &third)
        .advanced(sixth, &fourth);

    let mut after = sum.body;
    after.orientation = pull_back_normalized(end.orientation, after.orientation);
    let nothing = Body {
        position: [R::zero(); 3],
        orientation: [R::zero(); 4],
        velocity: [R::zero(); 3],
        angular_velocity: [R::zero(); 3],
    };
    let of_fourth = pull_back_rate(system, &fourth_stage, &nothing.advanced(sixth, &after), sum);
    let of_third = nothing.advanced(third_share, &after).advanced(dt, &of_fourth);
    let of_third = pull_back_rate(system, &third_stage, &of_third, sum);
    let of_second = nothing.advanced(third_share, &after).advanced(half, &of_third);
    let of_second = pull_back_rate(system, &second_stage, &of_second, sum);
    let of_first = nothing.advanced(sixth, &after).advanced(half, &of_second);
    let of_first = pull_back_rate(system, body, &of_first, sum);
    let one = R::one();
    sum.body = after
        .advanced(one, &of_fourth)
        .advanced(one, &of_third)
        .advanced(one, &of_second)
        .advanced(one, &of_first);
}

/// Of (M3)–(M6): given the derivative with respect to the rate, the one with respect to the body; those with
/// respect to force and torque are added to `sum`. With `u` the imaginary part of q, `t = 2 u × F`, and
/// `μ = λ_v / m`, `ν = J⁻ᵀ λ_ω`, `s = w μ + μ × u`:
///
/// ```text
/// ∂v = λ_p               ∂q = ½ λ_q ⊗ (0, −ω) + (μ·t, t × μ + 2 F × s)
/// ∂F = μ + 2 s × u       ∂ω = ½ Im(q* ⊗ λ_q) − (J ω) × ν − Jᵀ (ν × ω)        ∂τ = ν
/// ```
#[inline(always)]
fn pull_back_rate<R: Real>(
    system: &Held<R>,
    body: &Body<R>,
    rate: &Body<R>,
    sum: &mut HeldDerivative<R>,
) -> Body<R> {
    let vehicle = system.vehicle;
    let two = R::constant(2.0);
    let [w, x, y, z] = body.orientation;
    let (imaginary, force) = ([x, y, z], system.wrench.0);

    let push = scale(vehicle.mass_inverse, rate.velocity);
    let t = scale(two, cross(imaginary, force));
    let s = scale_add(w, push, cross(push, imaginary));
    sum.force = add(sum.force, scale_add(two, cross(s, imaginary), push));
    let tilt = scale_add(two, cross(force, s), cross(t, push));

    let omega = body.angular_velocity;
    let turn = transform_transposed(&vehicle.inertia_inverse, rate.angular_velocity);
    sum.torque = add(sum.torque, turn);
    let gyroscopic = add(
        cross(transform(&vehicle.inertia, omega), turn),
        transform_transposed(&vehicle.inertia, cross(turn, omega)),
    );

    let from_rate = quaternion_rate(rate.orientation, [-omega[0], -omega[1], -omega[2]]);
    Body {
        position: [R::zero(); 3],
        orientation: [
            from_rate[0] + dot(push, t),
            from_rate[1] + tilt[0],
            from_rate[2] + tilt[1],
            from_rate[3] + tilt[2],
        ],
        velocity: rate.position,
        angular_velocity: sub(half_imaginary_product(body.orientation, rate.orientation), gyroscopic),
    }
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
