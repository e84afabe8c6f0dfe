//! Triangles and propeller discs, with eight samples in each pixel.

use eyas_lanes::{Kernel, Lanes, dispatch};

use crate::airframe::{Airframe, Propeller, SUN};
use crate::frame::{Color, Frame, blend, pack};
use crate::mesh::Vertex;
use crate::space::{Lens, NEAR, Pixel, Pose, Vector, add, dot, rotate, scale, smoothstep, sub, unit};

/// Samples in a pixel.
const SAMPLES: usize = 8;
/// Their places from the middle of the pixel, px: no two share a row or column, so that edges of every direction
/// have as many steps (the standard pattern of Direct3D 11).
const PLACES: [[f32; 2]; SAMPLES] = [
    [0.0625, -0.1875],
    [-0.0625, 0.1875],
    [0.3125, 0.0625],
    [-0.1875, -0.3125],
    [-0.3125, 0.3125],
    [-0.4375, -0.0625],
    [0.1875, 0.4375],
    [0.4375, -0.4375],
];

/// A vehicle at a place, and how it looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Craft<'a> {
    /// Its shape.
    pub(crate) airframe: &'a Airframe,
    /// Where it is.
    pub(crate) pose: Pose,
    /// Size over true size, so that it can be seen from afar.
    pub(crate) magnification: f32,
    /// Speed of each rotor in its range, in `[0, 1]`.
    pub(crate) throttle: [f32; 4],
    /// Angle of each rotor, rad.
    pub(crate) angle: [f32; 4],
}

/// Colours and depths of the samples of an image; a pixel is filled when something first covers it.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    width: usize,
    height: usize,
    /// 1 / depth of each sample, 0 where nothing is.
    nearness: Vec<[f32; SAMPLES]>,
    colors: Vec<[u32; SAMPLES]>,
    is_used: Vec<bool>,
    /// Pixels in use, in the order of their first use.
    used: Vec<u32>,
}

/// A vertex on the image with its shaded colour.
#[derive(Clone, Copy, Debug)]
struct Corner {
    pixel: Pixel,
    color: Color,
}

/// A quantity that is linear in the image: value at the origin and its changes.
#[derive(Clone, Copy)]
struct Plane([f32; 3]);

impl Plane {
    /// Through three values at three corners; `scale` is 1 / twice the triangle's area.
    #[inline(always)]
    fn through(corners: &[Corner; 3], values: [f32; 3], scale: f32) -> Self {
        let [a, b, c] = corners.map(|corner| corner.pixel);
        let (u, v) = (values[1] - values[0], values[2] - values[0]);
        let dx = (u * (c.y - a.y) - v * (b.y - a.y)) * scale;
        let dy = (v * (b.x - a.x) - u * (c.x - a.x)) * scale;
        Self([values[0] - dx * a.x - dy * a.y, dx, dy])
    }

    #[inline(always)]
    fn at(&self, x: f32, y: f32) -> f32 {
        self.0[0] + self.0[1] * x + self.0[2] * y
    }

    /// What is to be added at the sample places.
    #[inline(always)]
    fn steps(&self) -> [f32; SAMPLES] {
        let mut steps = [0.0; SAMPLES];
        for sample in 0..SAMPLES {
            let [x, y] = PLACES[sample];
            steps[sample] = self.0[1] * x + self.0[2] * y;
        }
        steps
    }
}

impl Samples {
    /// Makes room for an image of a size.
    pub(crate) fn resize(&mut self, width: usize, height: usize) {
        if (self.width, self.height) != (width, height) {
            let count = width * height;
            *self = Self {
                width,
                height,
                nearness: vec![[0.0; SAMPLES]; count],
                colors: vec![[0; SAMPLES]; count],
                is_used: vec![false; count],
                used: Vec::new(),
            };
        }
    }

    #[inline(always)]
    fn touch(&mut self, index: usize, frame: &Frame) {
        if !self.is_used[index] {
            self.is_used[index] = true;
            self.used.push(index as u32);
            self.nearness[index] = [0.0; SAMPLES];
            self.colors[index] = [frame.pixels[index]; SAMPLES];
        }
    }

    /// Draws a vehicle over what is there; [`resolve`](Self::resolve) shows it.
    pub(crate) fn draw(&mut self, frame: &Frame, lens: &Lens, craft: &Craft) {
        dispatch(Draw { samples: self, frame, lens, craft });
    }

    #[inline(always)]
    fn draw_all(&mut self, frame: &Frame, lens: &Lens, craft: &Craft) {
        let rows = craft.pose.world_from_body();
        let place = |body: Vector| add(craft.pose.position, rotate(&rows, scale(craft.magnification, body)));
        let mut corners = Vec::with_capacity(craft.airframe.mesh.vertices.len());
        for vertex in &craft.airframe.mesh.vertices {
            let world = place(vertex.position);
            let to_eye = unit(sub(lens.camera.position, world));
            let color = || shaded(vertex, rotate(&rows, vertex.normal), to_eye);
            corners.push(lens.project(world).map(|pixel| Corner { pixel, color: color() }));
        }
        for triangle in &craft.airframe.mesh.triangles {
            if let [Some(a), Some(b), Some(c)] = triangle.map(|corner| corners[corner as usize]) {
                self.triangle(frame, &[a, b, c]);
            }
        }
        for rotor in propellers_from_far(lens, craft, place) {
            let propeller = &craft.airframe.propellers[rotor];
            let disc = Disc::new(lens, craft, rotor, propeller, place(propeller.center), &rows);
            self.disc(frame, lens, &disc);
        }
    }

    #[inline(always)]
    fn triangle(&mut self, frame: &Frame, corners: &[Corner; 3]) {
        let [a, b, c] = corners.map(|corner| corner.pixel);
        let area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
        // Counter-clockwise from outside is clockwise where y points down: others look away.
        if area >= -1e-6 {
            return;
        }
        let [columns, rows] = self.boxed(&[a, b, c]);
        if columns[0] == columns[1] || rows[0] == rows[1] {
            return;
        }
        let scale = 1.0 / area;
        let edge = |values| Plane::through(corners, values, scale);
        let edges = [edge([1.0, 0.0, 0.0]), edge([0.0, 1.0, 0.0]), edge([0.0, 0.0, 1.0])];
        let near = Plane::through(corners, [1.0 / a.depth, 1.0 / b.depth, 1.0 / c.depth], scale);
        let channels = [0, 1, 2].map(|i| {
            let values = corners.map(|corner| corner.color[i]);
            let limits = [values[0].min(values[1]).min(values[2]), values[0].max(values[1]).max(values[2])];
            (Plane::through(corners, values, scale), limits)
        });
        let edge_steps = [edges[0].steps(), edges[1].steps(), edges[2].steps()];
        let near_steps = near.steps();
        for row in rows[0]..rows[1] {
            let y = row as f32 + 0.5;
            for column in columns[0]..columns[1] {
                let x = column as f32 + 0.5;
                let at = [edges[0].at(x, y), edges[1].at(x, y), edges[2].at(x, y)];
                let depth = near.at(x, y);
                let mut inside = [false; SAMPLES];
                let mut any = false;
                for sample in 0..SAMPLES {
                    let mut least = at[0] + edge_steps[0][sample];
                    for edge in 1..3 {
                        let own = at[edge] + edge_steps[edge][sample];
                        least = if own < least { own } else { least };
                    }
                    inside[sample] = least >= 0.0;
                    any |= inside[sample];
                }
                if !any {
                    continue;
                }
                let index = row * self.width + column;
                self.touch(index, frame);
                let color = pack([0, 1, 2].map(|i| {
                    let (plane, [low, high]) = &channels[i];
                    plane.at(x, y).clamp(*low, *high)
                }));
                let (nearness, colors) = (&mut self.nearness[index], &mut self.colors[index]);
                for sample in 0..SAMPLES {
                    let own = depth + near_steps[sample];
                    if inside[sample] && own > nearness[sample] {
                        nearness[sample] = own;
                        colors[sample] = color;
                    }
                }
            }
        }
    }

    /// Columns and rows that hold some points, cut to the image.
    #[inline(always)]
    fn boxed(&self, points: &[Pixel]) -> [[usize; 2]; 2] {
        let range = |value: fn(&Pixel) -> f32, limit: usize| {
            let low = points.iter().map(value).fold(f32::INFINITY, f32::min);
            let high = points.iter().map(value).fold(f32::NEG_INFINITY, f32::max);
            let limit = limit as f32;
            [low.floor().clamp(0.0, limit) as usize, high.ceil().clamp(0.0, limit) as usize]
        };
        [range(|pixel| pixel.x, self.width), range(|pixel| pixel.y, self.height)]
    }

    #[inline(always)]
    fn disc(&mut self, frame: &Frame, lens: &Lens, disc: &Disc) {
        let Some(bounds) = disc.bounds(lens) else { return };
        let [columns, rows] = self.boxed(&bounds);
        for row in rows[0]..rows[1] {
            let up = (lens.center[1] - (row as f32 + 0.5)) / lens.focal;
            for column in columns[0]..columns[1] {
                let right = (column as f32 + 0.5 - lens.center[0]) / lens.focal;
                let Some((depth, color, share)) = disc.look(right, up) else { continue };
                let index = row * self.width + column;
                self.touch(index, frame);
                let own = 1.0 / depth;
                let (nearness, colors) = (&self.nearness[index], &mut self.colors[index]);
                if nearness.iter().all(|near| *near <= 0.0) {
                    // Nothing solid here: all samples are alike unless another disc's edge passes, which is soft.
                    *colors = [blend(colors[0], color, share); SAMPLES];
                    continue;
                }
                for sample in 0..SAMPLES {
                    if own > nearness[sample] {
                        colors[sample] = blend(colors[sample], color, share);
                    }
                }
            }
        }
    }

    /// Averages the samples into the frame and forgets them.
    pub(crate) fn resolve(&mut self, frame: &mut Frame) {
        for index in self.used.drain(..) {
            let index = index as usize;
            self.is_used[index] = false;
            let mut sum = [0; 3];
            for pixel in self.colors[index] {
                sum[0] += pixel >> 16 & 255;
                sum[1] += pixel >> 8 & 255;
                sum[2] += pixel & 255;
            }
            frame.pixels[index] = pack(sum.map(|channel| channel as f32 / SAMPLES as f32));
        }
    }
}

/// [`Samples::draw`] compiled for the machine's instruction set: eight samples are one vector of it.
struct Draw<'a, 'b> {
    samples: &'a mut Samples,
    frame: &'a Frame,
    lens: &'a Lens,
    craft: &'a Craft<'b>,
}

impl Kernel for Draw<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        self.samples.draw_all(self.frame, self.lens, self.craft);
    }
}

/// The rotors of a vehicle, the furthest first: discs are blended over each other.
fn propellers_from_far(lens: &Lens, craft: &Craft, place: impl Fn(Vector) -> Vector) -> [usize; 4] {
    let depth = craft.airframe.propellers.map(|propeller| lens.view(place(propeller.center))[2]);
    let mut order = [0, 1, 2, 3];
    order.sort_by(|a, b| depth[*b].total_cmp(&depth[*a]));
    order
}

/// Light of a high sun and a wide sky on a surface, as seen.
#[inline(always)]
fn shaded(vertex: &Vertex, normal: Vector, to_eye: Vector) -> Color {
    const SUNLIGHT: Vector = [1.55, 1.48, 1.36];
    const SKY: Vector = [0.62, 0.70, 0.80];
    const BOUNCE: Vector = [0.36, 0.35, 0.34];
    let sun = dot(normal, SUN).max(0.0);
    let up = 0.5 + 0.5 * normal[2];
    let half = unit(add(SUN, to_eye));
    let mut highlight = dot(normal, half).max(0.0);
    for _ in 0..5 {
        highlight *= highlight;
    }
    let grazing = 1.0 - dot(normal, to_eye).max(0.0);
    let rim = grazing * grazing * grazing * grazing * (0.05 + 0.25 * vertex.gloss);
    [0, 1, 2].map(|i| {
        let sky = BOUNCE[i] + up * (SKY[i] - BOUNCE[i]);
        let light = vertex.albedo[i] * (sun * SUNLIGHT[i] + sky)
            + vertex.gloss * highlight * 0.55 * SUNLIGHT[i] * sun
            + rim * sky;
        255.0 * light.clamp(0.0, 1.0).sqrt()
    })
}

/// A turning propeller: blades blurred over the time that a frame is exposed.
struct Disc {
    /// In the camera's axes: middle, unit normal, and two unit vectors in the plane, the first along a blade.
    center: Vector,
    normal: Vector,
    along: Vector,
    across: Vector,
    world_center: Vector,
    world_axes: [Vector; 2],
    radius: f32,
    color: Color,
    /// Width of a pixel at the middle, m.
    pixel: f32,
    /// How smeared the blades are, in `[0, 1]`.
    blur: f32,
}

impl Disc {
    fn new(
        lens: &Lens,
        craft: &Craft,
        rotor: usize,
        propeller: &Propeller,
        center: Vector,
        rows: &[Vector; 3],
    ) -> Self {
        let axis = rotate(rows, propeller.axis);
        let ahead = rotate(rows, [1.0, 0.0, 0.0]);
        let first = unit(sub(ahead, scale(dot(ahead, axis), axis)));
        let second = crate::space::cross(axis, first);
        let (sin, cos) = crate::space::sin_cos(propeller.sense * craft.angle[rotor]);
        let blade = add(scale(cos, first), scale(sin, second));
        let beside = add(scale(cos, second), scale(-sin, first));
        let into_camera =
            |a: Vector| [dot(a, lens.camera.right), dot(a, lens.camera.up), dot(a, lens.camera.forward)];
        let view = lens.view(center);
        Self {
            center: view,
            normal: into_camera(axis),
            along: into_camera(blade),
            across: into_camera(beside),
            world_center: center,
            world_axes: [blade, beside],
            radius: craft.magnification * propeller.radius,
            color: propeller.color,
            pixel: view[2].max(NEAR) / lens.focal,
            blur: smoothstep(0.02, 0.12, craft.throttle[rotor]),
        }
    }

    fn bounds(&self, lens: &Lens) -> Option<[Pixel; 4]> {
        let [a, b] = self.world_axes.map(|axis| scale(1.02 * self.radius + self.pixel, axis));
        let corners = [add(a, b), sub(a, b), sub(b, a), scale(-1.0, add(a, b))];
        let pixels: Vec<Pixel> =
            corners.iter().filter_map(|corner| lens.project(add(self.world_center, *corner))).collect();
        pixels.try_into().ok()
    }

    /// Depth, colour and opacity along a ray of two slopes.
    #[inline(always)]
    fn look(&self, right: f32, up: f32) -> Option<(f32, Color, f32)> {
        let facing = self.normal[0] * right + self.normal[1] * up + self.normal[2];
        if facing.abs() < 1e-4 {
            return None;
        }
        let depth = dot(self.center, self.normal) / facing;
        if depth < NEAR {
            return None;
        }
        let offset = sub([depth * right, depth * up, depth], self.center);
        let (x, y) = (dot(offset, self.along) / self.radius, dot(offset, self.across) / self.radius);
        let square = x * x + y * y;
        // Seen from the side a pixel covers more of the disc.
        let soft = self.pixel / (self.radius * facing.abs().max(0.05));
        if square > (1.0 + soft) * (1.0 + soft) {
            return None;
        }
        let distance = square.sqrt();
        let edge = ((1.0 - distance) / soft + 0.5).clamp(0.0, 1.0);
        let ring = 1.0 - ((distance - 0.96).abs() / (0.035 + 0.5 * soft)).min(1.0);
        // Two blades: the cosine of twice the angle to them.
        let blades = (x * x - y * y) / (square + 1e-6);
        let streak = blades.max(0.0) * blades.max(0.0);
        let streak = streak * streak * (0.22 + 1.2 * (1.0 - self.blur)) * (1.0 - 0.35 * distance);
        let veil = 0.20 * self.blur * (0.55 + 0.45 * distance);
        let share = edge * (veil + 0.34 * ring * self.blur + streak).min(0.85);
        let light = 0.25 * streak;
        let color = [0, 1, 2].map(|i| self.color[i] + light * (255.0 - self.color[i]));
        Some((depth, color, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::unpack;

    fn brightness(pixel: u32) -> f32 {
        unpack(pixel).iter().sum::<f32>() / 3.0
    }
    #[test]
    fn a_square_of_two_triangles_has_no_seam() {
        let mut frame = Frame::new(32, 32);
        let mut samples = Samples::default();
        samples.resize(32, 32);
        let corner = |x: f32, y: f32| Corner { pixel: Pixel { x, y, depth: 1.0 }, color: [200.0; 3] };
        let [a, b, c, d] = [corner(4.3, 3.7), corner(28.1, 3.7), corner(28.1, 28.4), corner(4.3, 28.4)];
        samples.triangle(&frame, &[a, d, b]);
        samples.triangle(&frame, &[b, d, c]);
        samples.resolve(&mut frame);
        for y in 5..28 {
            for x in 6..27 {
                assert!((brightness(frame.pixels[y * 32 + x]) - 200.0).abs() < 0.6, "{x} {y}");
            }
        }
        // 0.7 of column 4 is covered, in eighths.
        let left = brightness(frame.pixels[16 * 32 + 4]) / 200.0;
        assert!((left - 0.7).abs() < 0.13, "{left}");
    }
}
