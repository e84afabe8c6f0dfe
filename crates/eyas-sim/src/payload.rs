//! Vehicles that carry a mass.

use eyas_lanes::Real;

use crate::vector::{cross, dot, scale, sub};
use crate::{Vector, Vehicle};

impl<R: Real> Vehicle<R> {
    /// The rigid body of the vehicle and a point mass in kg at `offset` from its centre of gravity, body frame, m; and
    /// where the common centre of gravity lies, about which it turns, from the vehicle's own.
    ///
    /// Of masses `m` and `m_p` at `r` it is `c = m_p r / (m + m_p)`, and `J + μ (r² 1 − r rᵀ)` about it with the reduced mass
    /// `μ = m m_p / (m + m_p)`. Rotors at rᵢ push at `rᵢ − c`.
    #[inline(always)]
    #[must_use]
    pub fn loaded(&self, payload: R, offset: Vector<R>) -> (Self, Vector<R>) {
        let (zero, one) = (R::zero(), R::one());
        // 1 / (m + m_p) = (1 / m) / (1 + m_p / m)
        let ratio = payload.mul_add(self.mass_inverse, one);
        let mass_inverse = self.mass_inverse / ratio;
        let centre = scale(payload * mass_inverse, offset);
        let mut rotors = self.rotors;
        for rotor in &mut rotors {
            rotor.torque = sub(rotor.torque, cross(centre, rotor.force));
        }
        let reduced = payload / ratio;
        let square = dot(offset, offset);
        let (mut added, mut inertia) = ([[zero; 3]; 3], self.inertia);
        for row in 0..3 {
            for column in 0..3 {
                let own = if row == column { square } else { zero };
                added[row][column] = reduced * (own - offset[row] * offset[column]);
                inertia[row][column] = inertia[row][column] + added[row][column];
            }
        }
        // (J + S)⁻¹ = J⁻¹ (1 + S J⁻¹)⁻¹, which keeps the inverse that files carry beside J.
        let own_inverse = self.inertia_inverse;
        let mut factor = product(&added, &own_inverse);
        for axis in 0..3 {
            factor[axis][axis] = factor[axis][axis] + one;
        }
        let inertia_inverse = product(&own_inverse, &inverse(&factor));
        (Self { rotors, mass_inverse, inertia, inertia_inverse, ..*self }, centre)
    }
}

/// `A B` for rows of matrices.
#[inline(always)]
fn product<R: Real>(a: &[Vector<R>; 3], b: &[Vector<R>; 3]) -> [Vector<R>; 3] {
    let mut product = *a;
    for (row, target) in a.iter().zip(&mut product) {
        for (column, value) in target.iter_mut().enumerate() {
            *value = dot(*row, [b[0][column], b[1][column], b[2][column]]);
        }
    }
    product
}

/// The inverse of a matrix that has one, by its cofactors.
#[inline(always)]
fn inverse<R: Real>(m: &[Vector<R>; 3]) -> [Vector<R>; 3] {
    // Rows of the cofactors, which are the columns of the inverse times the determinant.
    let cofactors = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])];
    let scale_by = R::one() / dot(m[0], cofactors[0]);
    let mut inverse = *m;
    for (row, target) in inverse.iter_mut().enumerate() {
        for (column, value) in target.iter_mut().enumerate() {
            *value = scale_by * cofactors[column][row];
        }
    }
    inverse
}
