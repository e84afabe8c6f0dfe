//! Three numbers.

use eyas_lanes::Real;

/// A vector; its frame and unit stand where it is used.
pub type Vector<R> = [R; 3];

/// `a + b`.
#[inline(always)]
pub fn add<R: Real>(a: Vector<R>, b: Vector<R>) -> Vector<R> {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `a − b`.
#[inline(always)]
pub fn sub<R: Real>(a: Vector<R>, b: Vector<R>) -> Vector<R> {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// `factor · a`.
#[inline(always)]
pub fn scale<R: Real>(factor: R, a: Vector<R>) -> Vector<R> {
    [factor * a[0], factor * a[1], factor * a[2]]
}

/// `factor · a + b`.
#[inline(always)]
pub(crate) fn scale_add<R: Real>(factor: R, a: Vector<R>, b: Vector<R>) -> Vector<R> {
    [factor.mul_add(a[0], b[0]), factor.mul_add(a[1], b[1]), factor.mul_add(a[2], b[2])]
}

/// `a · b`.
#[inline(always)]
pub fn dot<R: Real>(a: Vector<R>, b: Vector<R>) -> R {
    a[2].mul_add(b[2], a[1].mul_add(b[1], a[0] * b[0]))
}

/// `a × b`.
#[inline(always)]
pub fn cross<R: Real>(a: Vector<R>, b: Vector<R>) -> Vector<R> {
    [
        a[1].mul_add(b[2], -(a[2] * b[1])),
        a[2].mul_add(b[0], -(a[0] * b[2])),
        a[0].mul_add(b[1], -(a[1] * b[0])),
    ]
}

/// `a × b + c`.
#[inline(always)]
pub(crate) fn cross_add<R: Real>(a: Vector<R>, b: Vector<R>, c: Vector<R>) -> Vector<R> {
    [
        a[1].mul_add(b[2], (-a[2]).mul_add(b[1], c[0])),
        a[2].mul_add(b[0], (-a[0]).mul_add(b[2], c[1])),
        a[0].mul_add(b[1], (-a[1]).mul_add(b[0], c[2])),
    ]
}

/// `‖a‖`.
#[inline(always)]
pub fn norm<R: Real>(a: Vector<R>) -> R {
    dot(a, a).sqrt()
}

/// `M a` for rows of a matrix.
#[inline(always)]
pub(crate) fn transform<R: Real>(matrix: &[Vector<R>; 3], a: Vector<R>) -> Vector<R> {
    [dot(matrix[0], a), dot(matrix[1], a), dot(matrix[2], a)]
}
