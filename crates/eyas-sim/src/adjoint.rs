//! Vector–Jacobian products of the dynamics: what a cost's derivative after a step says about the numbers
//! before it.
//!
//! A derivative with respect to a [`Body`] is kept in a [`Body`], number by number, as if each were free:
//! that of the quaternion has four independent entries. Stages of the integrator are recomputed instead of
//! stored: only attitude and angular velocity enter the derivatives, so that the compiler drops the rest.

use eyas_lanes::Real;

use crate::dynamics::{Course, Held, Lagged, STATE_LIMIT, System, advanced, integrate};
use crate::rotation::product_with_imaginary;
use crate::vector::{add, cross, cross_add, dot, scale, scale_add};
use crate::{Body, Disturbance, SpeedLag, State, Vector, Vehicle};

/// A step of [`step_held`](crate::step_held), to be differentiated.
#[derive(Clone, Copy, Debug)]
pub struct HeldStep<'a, R, const ALIGNED: bool> {
    /// The vehicle.
    pub vehicle: &'a Vehicle<R, ALIGNED>,
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

impl<R: Real, const ALIGNED: bool> HeldStep<'_, R, ALIGNED> {
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
pub struct LaggedStep<'a, R, const ALIGNED: bool> {
    /// The vehicle.
    pub vehicle: &'a Vehicle<R, ALIGNED>,
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

impl<R: Real, const ALIGNED: bool> LaggedStep<'_, R, ALIGNED> {
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

    /// Given the derivative with respect to the end of a step, the one with respect to its start; those with respect to
    /// the inputs are added up.
    fn pull_back_course(
        &self,
        course: &Course<Self::State>,
        after: &Self::State,
        dt: R,
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
        let course = system.course(&integrate(system, start, length, substep), length);
        let end = system.pull_back_settle(&course.end, &derivative);
        derivative = system.pull_back_course(&course, &end, length, inputs);
    }
    derivative
}

/// One part of the equations of motion, to be gone back through.
trait PartBack<R, const N: usize> {
    /// Adds to the derivative with respect to the numbers at a stage what their rate there passes on, given the derivative
    /// with respect to that rate.
    fn pull_back(&mut self, stage: usize, rate: &[R; N], values: [R; N]) -> [R; N];
}

/// Back through the Runge–Kutta step of one part, given derivatives with respect to its end and, by what it drives, with
/// respect to its stages.
#[inline(always)]
fn pull_back_rk4<R: Real, const N: usize>(
    part: &mut impl PartBack<R, N>,
    end: [R; N],
    stages: &[[R; N]; 4],
    dt: R,
) -> [R; N] {
    let half = R::constant(0.5) * dt;
    let (sixth, third_share) = (R::constant(1.0 / 6.0) * dt, R::constant(1.0 / 3.0) * dt);
    let (outer, inner) = (scaled(sixth, &end), scaled(third_share, &end));
    let one = R::one();
    let fourth = part.pull_back(3, &outer, stages[3]);
    let third = part.pull_back(2, &advanced(inner, dt, &fourth), stages[2]);
    let sum = advanced(advanced(end, one, &fourth), one, &third);
    let second = part.pull_back(1, &advanced(inner, half, &third), stages[1]);
    let first = part.pull_back(0, &advanced(outer, half, &second), stages[0]);
    advanced(advanced(sum, one, &second), one, &first)
}

/// `factor · values`.
#[inline(always)]
fn scaled<R: Real, const N: usize>(factor: R, values: &[R; N]) -> [R; N] {
    let mut scaled = *values;
    for value in &mut scaled {
        *value = factor * *value;
    }
    scaled
}

/// Of (M7).
struct SpeedsBack<'a, R> {
    lag_rate: [R; 4],
    set_point: &'a mut [R; 4],
}

impl<R: Real> PartBack<R, 4> for SpeedsBack<'_, R> {
    #[inline(always)]
    fn pull_back(&mut self, _stage: usize, rate: &[R; 4], mut speeds: [R; 4]) -> [R; 4] {
        for rotor in 0..4 {
            let passed = self.lag_rate[rotor] * rate[rotor];
            speeds[rotor] = speeds[rotor] - passed;
            self.set_point[rotor] = self.set_point[rotor] + passed;
        }
        speeds
    }
}

/// Of (M6): with `ν = J⁻ᵀ λ`, `∂ω = Jᵀ (ω × ν) + ν × J ω` and `∂τ = ν`.
struct SpinBack<'a, R, const ALIGNED: bool> {
    vehicle: &'a Vehicle<R, ALIGNED>,
    stages: [Vector<R>; 4],
    /// With respect to the torque of each stage.
    torque: [Vector<R>; 4],
}

impl<R: Real, const ALIGNED: bool> PartBack<R, 3> for SpinBack<'_, R, ALIGNED> {
    #[inline(always)]
    fn pull_back(&mut self, stage: usize, rate: &Vector<R>, of_omega: Vector<R>) -> Vector<R> {
        let (vehicle, omega) = (self.vehicle, self.stages[stage]);
        let torque = Vehicle::<R, ALIGNED>::about_axes_transposed(&vehicle.inertia_inverse, *rate);
        self.torque[stage] = torque;
        let momentum = Vehicle::<R, ALIGNED>::about_axes(&vehicle.inertia, omega);
        let of_momentum =
            Vehicle::<R, ALIGNED>::about_axes_transposed(&vehicle.inertia, cross(omega, torque));
        add(of_omega, cross_add(torque, momentum, of_momentum))
    }
}

/// Of (M4) without its ½: `∂q = λ ⊗ (0, −ω)` and `∂ω = Im(q* ⊗ λ)`.
struct AttitudeBack<R> {
    stages: [[R; 4]; 4],
    omega: [Vector<R>; 4],
    /// With respect to the angular velocity of each stage.
    of_omega: [Vector<R>; 4],
}

impl<R: Real> PartBack<R, 4> for AttitudeBack<R> {
    #[inline(always)]
    fn pull_back(&mut self, stage: usize, rate: &[R; 4], of_orientation: [R; 4]) -> [R; 4] {
        let [p, q, r] = self.omega[stage];
        self.of_omega[stage] = imaginary_product(self.stages[stage], *rate);
        advanced(of_orientation, R::one(), &product_with_imaginary(*rate, [-p, -q, -r]))
    }
}

/// Of the velocity of (M3), which its own acceleration does not depend on.
struct VelocityBack<R> {
    /// With respect to the acceleration of each stage.
    acceleration: [Vector<R>; 4],
}

impl<R: Real> PartBack<R, 3> for VelocityBack<R> {
    #[inline(always)]
    fn pull_back(&mut self, stage: usize, rate: &Vector<R>, of_velocity: Vector<R>) -> Vector<R> {
        self.acceleration[stage] = *rate;
        of_velocity
    }
}

/// Derivatives with respect to what goes into a step of a body.
struct BodyDerivative<R> {
    start: Body<R>,
    /// With respect to the wrench of each stage.
    force: [Vector<R>; 4],
    torque: [Vector<R>; 4],
}

/// Back through [`body_course`](crate::dynamics::body_course), part by part from the last that it takes.
#[inline(always)]
fn pull_back_body<R: Real, const ALIGNED: bool>(
    vehicle: &Vehicle<R, ALIGNED>,
    stages: &[Body<R>; 4],
    force: &[Vector<R>; 4],
    end: &Body<R>,
    dt: R,
) -> BodyDerivative<R> {
    let zeros = [[R::zero(); 3]; 4];
    let outer = scale(R::constant(1.0 / 6.0) * dt, end.position);
    let inner = scale(R::constant(1.0 / 3.0) * dt, end.position);
    let mut back = VelocityBack { acceleration: zeros };
    let velocity = pull_back_rk4(&mut back, end.velocity, &[outer, inner, inner, outer], dt);

    let (mut of_orientation, mut of_force) = ([[R::zero(); 4]; 4], zeros);
    for stage in 0..4 {
        (of_orientation[stage], of_force[stage]) =
            vehicle.pull_back_accelerated(stages[stage].orientation, force[stage], back.acceleration[stage]);
    }
    let [a, b, c, d] = stages;
    let omega = [a.angular_velocity, b.angular_velocity, c.angular_velocity, d.angular_velocity];
    let orientations = [a.orientation, b.orientation, c.orientation, d.orientation];
    let mut back = AttitudeBack { stages: orientations, omega, of_omega: zeros };
    let half = R::constant(0.5) * dt;
    let orientation = pull_back_rk4(&mut back, end.orientation, &of_orientation, half);

    let of_omega = back.of_omega;
    let mut back = SpinBack { vehicle, stages: omega, torque: zeros };
    let angular_velocity = pull_back_rk4(&mut back, end.angular_velocity, &of_omega, dt);
    let start = Body { position: end.position, orientation, velocity, angular_velocity };
    BodyDerivative { start, force: of_force, torque: back.torque }
}

impl<R: Real, const ALIGNED: bool> Differentiable<R> for Held<'_, R, ALIGNED> {
    type Inputs = (Vector<R>, Vector<R>);

    #[inline(always)]
    fn pull_back_course(
        &self,
        course: &Course<Body<R>>,
        end: &Body<R>,
        dt: R,
        (force, torque): &mut (Vector<R>, Vector<R>),
    ) -> Body<R> {
        let of = pull_back_body(self.vehicle, &course.stages, &[self.wrench.0; 4], end, dt);
        for stage in (0..4).rev() {
            *force = add(*force, of.force[stage]);
            *torque = add(*torque, of.torque[stage]);
        }
        of.start
    }

    #[inline(always)]
    fn pull_back_settle(&self, before: &Body<R>, after: &Body<R>) -> Body<R> {
        Body { orientation: pull_back_normalized(before.orientation, after.orientation), ..*after }
    }
}

impl<R: Real, const ALIGNED: bool> Differentiable<R> for Lagged<'_, R, ALIGNED> {
    type Inputs = [R; 4];

    /// Of (M7), and of the body under the wrench of each stage's own rotor speeds.
    #[inline(always)]
    fn pull_back_course(
        &self,
        course: &Course<State<R>>,
        end: &State<R>,
        dt: R,
        set_point: &mut [R; 4],
    ) -> State<R> {
        let vehicle = self.vehicle;
        let [a, b, c, d] = &course.stages;
        let bodies = [a.body, b.body, c.body, d.body];
        let force = |stage: &State<R>| vehicle.wrench(&stage.rotor_speed).0;
        let of = pull_back_body(vehicle, &bodies, &[force(a), force(b), force(c), force(d)], &end.body, dt);
        let mut of_speeds = [[R::zero(); 4]; 4];
        for stage in 0..4 {
            let speeds = &course.stages[stage].rotor_speed;
            of_speeds[stage] = vehicle.pull_back_wrench(speeds, of.force[stage], of.torque[stage]);
        }
        let mut back = SpeedsBack { lag_rate: self.lag_rates(&a.rotor_speed), set_point };
        State { body: of.start, rotor_speed: pull_back_rk4(&mut back, end.rotor_speed, &of_speeds, dt) }
    }

    #[inline(always)]
    fn pull_back_settle(&self, before: &State<R>, after: &State<R>) -> State<R> {
        let (limit, zero) = (R::constant(STATE_LIMIT), R::zero());
        let mut derivative = *after;
        for (value, before) in derivative.body.clipped_mut().into_iter().zip(before.body.clipped()) {
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

/// `Im(q* ⊗ λ)`.
#[inline(always)]
fn imaginary_product<R: Real>([w, x, y, z]: [R; 4], [a, b, c, d]: [R; 4]) -> Vector<R> {
    [
        w.mul_add(b, z.mul_add(c, -(x.mul_add(a, y * d)))),
        w.mul_add(c, x.mul_add(d, -(y.mul_add(a, z * b)))),
        w.mul_add(d, y.mul_add(b, -(z.mul_add(a, x * c)))),
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

impl<R: Real, const ALIGNED: bool> Vehicle<R, ALIGNED> {
    /// Of [`accelerated`](Self::accelerated): derivatives with respect to the orientation and the body force, given that
    /// with respect to the acceleration, λ. With `x = F / m`, `u` the imaginary part of q, `t = 2 u × x` and
    /// `s = w λ + λ × u`:
    ///
    /// ```text
    /// ∂q = (λ·t, t × λ + 2 x × s)        ∂F = (λ + 2 s × u) / m
    /// ```
    #[inline(always)]
    fn pull_back_accelerated(
        &self,
        [w, x, y, z]: [R; 4],
        force: Vector<R>,
        push: Vector<R>,
    ) -> ([R; 4], Vector<R>) {
        let (zero, two, imaginary) = (R::zero(), R::constant(2.0), [x, y, z]);
        if ALIGNED {
            let double = two * (self.mass_inverse * force[2]);
            let (t_x, t_y) = (double * y, -(double * x));
            let s_x = w.mul_add(push[0], push[1].mul_add(z, -(push[2] * y)));
            let s_y = w.mul_add(push[1], push[2].mul_add(x, -(push[0] * z)));
            let of_orientation = [
                push[1].mul_add(t_y, push[0] * t_x),
                (-double).mul_add(s_y, t_y * push[2]),
                double.mul_add(s_x, -(t_x * push[2])),
                t_x.mul_add(push[1], -(t_y * push[0])),
            ];
            let along = two.mul_add(s_x.mul_add(y, -(s_y * x)), push[2]);
            (of_orientation, [zero, zero, self.mass_inverse * along])
        } else {
            let double = scale(two, scale(self.mass_inverse, force));
            let t = cross(imaginary, double);
            let s = scale_add(w, push, cross(push, imaginary));
            let [a, b, c] = cross_add(double, s, cross(t, push));
            let of_force = scale_add(two, cross(s, imaginary), push);
            ([dot(push, t), a, b, c], scale(self.mass_inverse, of_force))
        }
    }

    /// A vector times the transposed moment of inertia or its inverse.
    #[inline(always)]
    fn about_axes_transposed(matrix: &[Vector<R>; 3], v: Vector<R>) -> Vector<R> {
        if ALIGNED { Self::about_axes(matrix, v) } else { transform_transposed(matrix, v) }
    }

    /// Derivative of a cost with respect to rotor speeds, given those with respect to the body force and
    /// torque of [`wrench`](Self::wrench): `(c1 + 2 c2 ω) (d·∂F + (r × d + c e)·∂τ)`.
    #[inline(always)]
    pub fn pull_back_wrench(&self, rotor_speed: &[R; 4], force: Vector<R>, torque: Vector<R>) -> [R; 4] {
        let mut derivative = [R::zero(); 4];
        for (index, rotor) in self.rotors.iter().enumerate() {
            let [_, c1, c2] = rotor.thrust;
            let slope = (c2 + c2).mul_add(rotor_speed[index], c1);
            let of_force = if ALIGNED { force[2] } else { dot(rotor.force, force) };
            derivative[index] = slope * (of_force + dot(rotor.torque, torque));
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
