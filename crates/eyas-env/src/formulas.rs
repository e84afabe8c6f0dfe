//! Formulas that several tasks share.

use eyas_lanes::{Draws, Real};
use eyas_sim::{Body, Vector, norm, quaternion_from_euler_turns, scale};

use crate::rows::replace_where;

/// Set-points from 0 to 1 of an action.
#[inline(always)]
pub(crate) fn set_points<R: Real>(action: &[R; 4]) -> [R; 4] {
    let one = R::one();
    let mut set_points = [R::zero(); 4];
    for (set_point, action) in set_points.iter_mut().zip(action) {
        *set_point = (action.clamp(-one, one) + one) * R::constant(0.5);
    }
    set_points
}

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

/// The start of an episode: draws 1 to 5 of its place.
#[inline(always)]
pub(crate) fn draw_start<R: Real>(limits: &StartLimits, draws: &impl Draws<R>) -> Body<R> {
    let start = draws.words(1);
    let directions = [draws.words(2), draws.words(3), draws.words(4)];
    let drawn = drawn(limits, start, directions, draws.words(5));
    let is_rest = R::uniform(start[3]).less(R::constant(limits.at_rest));
    choose(is_rest, Body::at_rest(), drawn)
}

/// A vehicle at random, of words for its attitude, for the directions of position, velocity and angular velocity, and for
/// their sizes.
#[inline(always)]
pub(crate) fn drawn<R: Real>(
    limits: &StartLimits,
    attitude: [R::Word; 4],
    [position, velocity, angular_velocity]: [[R::Word; 4]; 3],
    radius: [R::Word; 4],
) -> Body<R> {
    let position = in_ball::<R>(position, radius[0], limits.position);
    let velocity = in_ball::<R>(velocity, radius[1], limits.linear_velocity);
    let angular_velocity = in_ball::<R>(angular_velocity, radius[2], limits.angular_velocity);
    let mut turns = [R::zero(); 3];
    for ((turn, word), width) in turns.iter_mut().zip(attitude).zip(limits.turns) {
        *turn = (R::uniform(word) - R::constant(0.5)) * R::constant(width);
    }
    let [roll, pitch, yaw] = turns;
    let orientation = quaternion_from_euler_turns(roll, pitch, yaw);
    Body { position, orientation, velocity, angular_velocity }
}

/// One body where a mask holds, else another.
#[inline(always)]
pub(crate) fn choose<R: Real>(mask: R::Mask, yes: Body<R>, no: Body<R>) -> Body<R> {
    let mut chosen = no;
    replace_where::<Body<()>, R>(&mut chosen, mask, &yes);
    chosen
}

/// Uniform in a ball: a normal direction and the cube root of a uniform radius.
#[inline(always)]
pub(crate) fn in_ball<R: Real>(direction: [R::Word; 4], radius: R::Word, limit: f64) -> Vector<R> {
    let [x, y, z, _] = R::normals(direction);
    let least = R::constant(f64::from(1e-9_f32));
    let cube_root = ((R::uniform(radius) + least).ln() * R::constant(1.0 / 3.0)).exp();
    let length = norm([x, y, z]).max(least);
    scale(R::constant(limit) * cube_root / length, [x, y, z])
}
