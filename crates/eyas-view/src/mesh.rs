//! Solids of revolution and their relatives as triangles.

use crate::space::{Vector, add, cross, dot, scale, sin_cos, sub, unit};

/// A corner of a triangle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vertex {
    pub(crate) position: Vector,
    pub(crate) normal: Vector,
    /// Share of red, green and blue that it reflects, linear.
    pub(crate) albedo: Vector,
    /// How shiny, in `[0, 1]`.
    pub(crate) gloss: f32,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Mesh {
    pub(crate) vertices: Vec<Vertex>,
    /// Corners, counter-clockwise from outside.
    pub(crate) triangles: Vec<[u32; 3]>,
}

/// What a solid is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Material {
    pub(crate) albedo: Vector,
    pub(crate) gloss: f32,
}

/// A closed curve swept along an axis: circles give cylinders, cones and domes, higher exponents rounded boxes.
pub(crate) struct Lathe {
    pub(crate) origin: Vector,
    /// Unit axis.
    pub(crate) axis: Vector,
    /// Unit vector across, where the curve's first half width points.
    pub(crate) across: Vector,
    /// Half widths along `across` and along the third direction, for radius 1.
    pub(crate) widths: [f32; 2],
    /// Exponent of the superellipse: 2 for an ellipse, 4 or more for a box with round corners.
    pub(crate) exponent: f32,
    pub(crate) segments: usize,
}

impl Lathe {
    /// A round one.
    pub(crate) fn round(origin: Vector, axis: Vector, segments: usize) -> Self {
        let across = if axis[2].abs() < 0.9 { [0.0, 0.0, 1.0] } else { [1.0, 0.0, 0.0] };
        let across = unit(sub(across, scale(dot(across, axis), axis)));
        Self { origin, axis, across, widths: [1.0; 2], exponent: 2.0, segments }
    }

    /// The curve, for radius 1, and its outward normals.
    fn curve(&self) -> Vec<(Vector, Vector)> {
        let third = cross(self.axis, self.across);
        let power = |value: f32, exponent: f32| {
            let size = libm::powf(value.abs(), exponent);
            if value < 0.0 { -size } else { size }
        };
        (0..self.segments)
            .map(|segment| {
                let (sin, cos) = sin_cos(std::f32::consts::TAU * segment as f32 / self.segments as f32);
                let inverse = 2.0 / self.exponent;
                let [x, y] = [power(cos, inverse), power(sin, inverse)];
                let place = add(scale(self.widths[0] * x, self.across), scale(self.widths[1] * y, third));
                let slope = [power(x, self.exponent - 1.0), power(y, self.exponent - 1.0)];
                let normal = add(
                    scale(slope[0] / self.widths[0], self.across),
                    scale(slope[1] / self.widths[1], third),
                );
                (place, unit(normal))
            })
            .collect()
    }

    /// Adds the solid with a profile of (radius, height), from the bottom to the top; edges above 40° stay sharp.
    pub(crate) fn turn(&self, mesh: &mut Mesh, profile: &[[f32; 2]], material: Material) {
        let curve = self.curve();
        let directions: Vec<[f32; 2]> = profile.windows(2).map(|pair| outward(pair[0], pair[1])).collect();
        for (band, pair) in profile.windows(2).enumerate() {
            let own = directions[band];
            let smooth = |other: Option<&[f32; 2]>| match other {
                Some(other) if own[0] * other[0] + own[1] * other[1] > 0.766 => {
                    [own[0] + other[0], own[1] + other[1]]
                }
                _ => own,
            };
            let lower = smooth(band.checked_sub(1).and_then(|below| directions.get(below)));
            let upper = smooth(directions.get(band + 1));
            let first = mesh.vertices.len() as u32;
            for ([radius, height], [out, up]) in [(pair[0], lower), (pair[1], upper)] {
                mesh.vertices.extend(curve.iter().map(|(place, normal)| Vertex {
                    position: add(self.origin, add(scale(radius, *place), scale(height, self.axis))),
                    normal: unit(add(scale(out, *normal), scale(up, self.axis))),
                    albedo: material.albedo,
                    gloss: material.gloss,
                }));
            }
            let count = self.segments as u32;
            for segment in 0..count {
                let next = (segment + 1) % count;
                let [a, b] = [first + segment, first + next];
                let [c, d] = [a + count, b + count];
                if pair[0][0] > 0.0 {
                    mesh.triangles.push([a, b, d]);
                }
                if pair[1][0] > 0.0 {
                    mesh.triangles.push([a, d, c]);
                }
            }
        }
    }
}

/// Normal of a step of a profile: radially out and along the axis.
fn outward(from: [f32; 2], to: [f32; 2]) -> [f32; 2] {
    let (out, up) = (to[1] - from[1], from[0] - to[0]);
    let length = (out * out + up * up).sqrt().max(1e-12);
    [out / length, up / length]
}

/// A profile of a rod of a radius whose edges are rounded.
pub(crate) fn rounded(radius: f32, bottom: f32, top: f32, edge: f32) -> Vec<[f32; 2]> {
    let corner = |share: f32| {
        let (sin, cos) = sin_cos(std::f32::consts::FRAC_PI_2 * share);
        [edge * (1.0 - cos), edge * (1.0 - sin)]
    };
    let shares = [0.0, 0.33, 0.67, 1.0];
    let mut profile = vec![[0.0, bottom]];
    profile.extend(shares.iter().map(|share| {
        let [_, inset] = corner(*share);
        let [rise, _] = corner(*share);
        [radius - inset, bottom + rise]
    }));
    profile.extend(shares.iter().rev().map(|share| {
        let [rise, inset] = corner(*share);
        [radius - inset, top - rise]
    }));
    profile.push([0.0, top]);
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_look_outward() {
        let mut mesh = Mesh::default();
        let material = Material { albedo: [0.5; 3], gloss: 0.0 };
        Lathe::round([0.0; 3], [0.0, 0.0, 1.0], 16).turn(&mut mesh, &rounded(1.0, -1.0, 1.0, 0.2), material);
        for corners in &mesh.triangles {
            let [a, b, c] = corners.map(|corner| mesh.vertices[corner as usize].position);
            let normal = cross(sub(b, a), sub(c, a));
            let center = scale(1.0 / 3.0, add(a, add(b, c)));
            assert!(dot(normal, center) > 0.0, "{a:?} {b:?} {c:?}");
        }
    }
}
