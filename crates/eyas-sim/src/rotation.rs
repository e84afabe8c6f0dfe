//! Rotations as quaternions `w, x, y, z`, body to world.

use eyas_lanes::Real;

use crate::Vector;
use crate::vector::{add, cross, cross_add, scale, scale_add, transform};

/// (M5) `b + R(q) x = b + x + w t + u × t` with `t = 2 u × x` and `u` the imaginary part.
///
/// Not normalised, as in the stages of RLtools' integrator: the other textbook form differs by up to
/// 2e-3 where a stage's quaternion is off the unit sphere at high spin.
#[inline(always)]
pub(crate) fn rotate_add<R: Real>(quaternion: [R; 4], v: Vector<R>, base: Vector<R>) -> Vector<R> {
    let [w, x, y, z] = quaternion;
    let t = cross([x, y, z], scale(R::constant(2.0), v));
    cross_add([x, y, z], t, scale_add(w, t, add(v, base)))
}

/// [`rotate_add`] of `(0, 0, length)`, number for number.
#[inline(always)]
pub(crate) fn rotate_z_add<R: Real>([w, x, y, z]: [R; 4], length: R, base: Vector<R>) -> Vector<R> {
    let double = length + length;
    let (t_x, t_y) = (double * y, -(double * x));
    [
        (-z).mul_add(t_y, w.mul_add(t_x, base[0])),
        z.mul_add(t_x, w.mul_add(t_y, base[1])),
        x.mul_add(t_y, (-y).mul_add(t_x, length + base[2])),
    ]
}

/// The rotation matrix from body to world, row-major, of a unit quaternion.
#[inline(always)]
pub fn matrix_from_quaternion<R: Real>([w, x, y, z]: [R; 4]) -> [Vector<R>; 3] {
    let (one, two) = (R::one(), R::constant(2.0));
    let (xx, yy, zz) = (x * x, y * y, z * z);
    [
        [one - two * (yy + zz), two * (x * y - w * z), two * (x * z + w * y)],
        [two * (x * y + w * z), one - two * (xx + zz), two * (y * z - w * x)],
        [two * (x * z - w * y), two * (y * z + w * x), one - two * (xx + yy)],
    ]
}

/// A world vector in the body frame, given the matrix from body to world: `Rᵀ v`.
#[inline(always)]
pub fn body_from_world<R: Real>(matrix: &[Vector<R>; 3], v: Vector<R>) -> Vector<R> {
    let column = |c: usize| matrix[2][c].mul_add(v[2], matrix[1][c].mul_add(v[1], matrix[0][c] * v[0]));
    [column(0), column(1), column(2)]
}

/// A body vector in the world frame, given the matrix from body to world: `R v`.
#[inline(always)]
pub fn world_from_body<R: Real>(matrix: &[Vector<R>; 3], v: Vector<R>) -> Vector<R> {
    transform(matrix, v)
}

/// The orientation turned about the body axes by small angles, rad: `q ⊗ (1, ½ angles)`, normalised.
#[inline(always)]
pub fn turned_about_axes<R: Real>(orientation: [R; 4], angles: Vector<R>) -> [R; 4] {
    let turn = product_with_imaginary(orientation, scale(R::constant(0.5), angles));
    let mut turned = orientation;
    for (value, change) in turned.iter_mut().zip(turn) {
        *value = *value + change;
    }
    normalized(turned)
}

/// The quaternion of intrinsic yaw, pitch and roll (ZYX), each given in turns.
#[inline(always)]
pub fn quaternion_from_euler_turns<R: Real>(roll: R, pitch: R, yaw: R) -> [R; 4] {
    let half = R::constant(0.5);
    let (sr, cr) = (roll * half).sin_cos_turns();
    let (sp, cp) = (pitch * half).sin_cos_turns();
    let (sy, cy) = (yaw * half).sin_cos_turns();
    [
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    ]
}

/// `q ⊗ (0, ω)` with ω in the body frame, which is `2 q̇` of (M4).
#[inline(always)]
pub(crate) fn product_with_imaginary<R: Real>([w, x, y, z]: [R; 4], [p, q, r]: Vector<R>) -> [R; 4] {
    [
        -(x.mul_add(p, y.mul_add(q, z * r))),
        w.mul_add(p, y.mul_add(r, -(z * q))),
        w.mul_add(q, z.mul_add(p, -(x * r))),
        w.mul_add(r, x.mul_add(q, -(y * p))),
    ]
}

#[inline(always)]
pub(crate) fn normalized<R: Real>([w, x, y, z]: [R; 4]) -> [R; 4] {
    let inverse = R::one() / w.mul_add(w, x.mul_add(x, y.mul_add(y, z * z))).sqrt();
    [w * inverse, x * inverse, y * inverse, z * inverse]
}
