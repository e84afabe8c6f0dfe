//! Formulas that several tasks share.

use eyas_lanes::{Draws, LANES, Lanes, Real, Stream, normals, uniforms};
use eyas_sim::{Body, State, Vector, norm, quaternion_from_euler_turns, scale};

/// How far a set-point, or an action, is from the one before.
#[inline(always)]
pub(crate) fn change<R: Real>(now: &[R; 4], before: &[R; 4]) -> R {
    let mut squares = R::zero();
    for (now, before) in now.iter().zip(before) {
        let step = *now - *before;
        squares = step.mul_add(step, squares);
    }
    squares.sqrt()
}

/// `arccos(1 − |q_z|)`: Foundation's orientation error, which knows of yaw only.
#[inline(always)]
pub(crate) fn yaw_error<R: Real>(orientation: &[R; 4]) -> R {
    orientation[3].abs().min(R::one()).acos_one_minus()
}

/// The body's z axis along that of the world, `R₃₃`: the cosine of the tilt.
#[inline(always)]
pub(crate) fn upright<R: Real>(orientation: &[R; 4]) -> R {
    let [_, x, y, _] = *orientation;
    R::one() - R::constant(2.0) * x.mul_add(x, y * y)
}

/// What [`upright`] is at a tilt: its cosine, and exactly 0 at a right angle.
pub(crate) fn upright_at(tilt_rad: f64) -> f64 {
    libm::sin(std::f64::consts::FRAC_PI_2 - tilt_rad)
}

/// Body wrench of an action of Isaac Lab's quadcopter: no thrust at −1 and full thrust, in N, at 1; moments of
/// `moment_scale` N m at 1.
#[inline(always)]
pub(crate) fn thrust_and_moments<R: Real>(
    full_thrust: f64,
    moment_scale: f64,
    [thrust, x, y, z]: [R; 4],
) -> (Vector<R>, Vector<R>) {
    let moment = R::constant(moment_scale);
    let lift = R::constant(0.5 * full_thrust) * (thrust + R::one());
    ([R::zero(), R::zero(), lift], [moment * x, moment * y, moment * z])
}

/// Where episodes start at random, around the spawn point.
#[derive(Clone, Debug)]
pub(crate) struct StartLimits {
    /// Radius of the ball of positions, m.
    pub(crate) position: f64,
    /// Radius of the ball of velocities, m/s.
    pub(crate) linear_velocity: f64,
    /// Radius of the ball of angular velocities, rad/s.
    pub(crate) angular_velocity: f64,
    /// Widths of the ranges of roll, pitch and yaw about 0, in turns.
    pub(crate) turns: Vector<f64>,
    /// Share of episodes that start at rest.
    pub(crate) at_rest: f64,
}

/// The start of each lane's episode: draws 1 to 5 of its stream at step 0.
#[inline(always)]
pub(crate) fn draw_start<L: Lanes>(
    limits: &StartLimits,
    stream: &Stream,
    first_env: u32,
    episode: &[u32; LANES],
) -> Body<L> {
    let draw = |index: u32| stream.lanes(first_env, episode, &[0; LANES], index);
    let (start, radius) = (draw(1), draw(5));
    let position = in_ball::<L>(&draw(2), &radius[0], limits.position);
    let velocity = in_ball::<L>(&draw(3), &radius[1], limits.linear_velocity);
    let angular_velocity = in_ball::<L>(&draw(4), &radius[2], limits.angular_velocity);
    let centred = |words: &[u32; LANES]| uniforms::<L>(words) - L::splat(0.5);
    let [roll, pitch, yaw] = limits.turns.map(L::constant);
    let orientation = quaternion_from_euler_turns(
        centred(&start[0]) * roll,
        centred(&start[1]) * pitch,
        centred(&start[2]) * yaw,
    );
    let body = Body { position, orientation, velocity, angular_velocity };
    let is_rest = uniforms::<L>(&start[3]).less(L::constant(limits.at_rest));
    let rotor_speed = [L::splat(0.0); 4];
    let mut state = State { body, rotor_speed };
    let rest = State { body: Body::<L>::at_rest(), rotor_speed };
    for (value, rest) in state.fields_mut().into_iter().zip(rest.fields()) {
        *value = L::select(is_rest, *rest, *value);
    }
    state.body
}

/// Uniform in a ball: a normal direction and the cube root of a uniform radius.
#[inline(always)]
pub(crate) fn in_ball<L: Lanes>(direction: &Draws, radius: &[u32; LANES], limit: f64) -> Vector<L> {
    let [x, y, z, _] = normals::<L>(direction);
    let cube_root = ((uniforms::<L>(radius) + L::splat(1e-9)).ln() * L::splat(1.0 / 3.0)).exp();
    let length = norm([x, y, z]).max(L::splat(1e-9));
    scale(L::constant(limit) * cube_root / length, [x, y, z])
}
