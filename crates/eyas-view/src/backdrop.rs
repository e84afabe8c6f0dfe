//! Sky, ground, grid and shadows.

use eyas_lanes::{Kernel, LANES, Lanes, dispatch};

use crate::frame::{Color, Frame, blend, color, pack};
use crate::space::{Lens, Vector, smoothstep};

const ZENITH: Color = color(0x00a9_c6df);
const HORIZON: Color = color(0x00f3_f6f8);
const GROUND: Color = color(0x00e3_e8ec);
const FINE_LINE: Color = color(0x00c9_d2da);
const COARSE_LINE: Color = color(0x0098_a7b4);
const SHADOW: Color = color(0x0035_4452);

/// Width of the lines over the distance between them.
const FINE_WIDTH: f32 = 0.03;
const COARSE_WIDTH: f32 = 0.012;

/// A level ground with square grids, all of it endless.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ground {
    /// Height in the world frame, m.
    pub(crate) height: f32,
    /// Distance between the fine lines, m; between the coarse ones it is five times that.
    pub(crate) grid: f32,
}

impl Ground {
    /// Fine lines in a coarse cell.
    pub(crate) const FINE_IN_COARSE: f32 = 5.0;

    /// Distance at which the ground is half lost in haze, m.
    fn haze_distance(self, camera_height: f32) -> f32 {
        60.0 * self.grid + 8.0 * camera_height
    }
}

/// Paints every pixel of a frame.
pub(crate) fn paint(frame: &mut Frame, lens: &Lens, ground: Ground) {
    let above = lens.camera.position[2] - ground.height;
    let width = frame.width;
    for (y, row) in frame.pixels.chunks_exact_mut(width).enumerate() {
        let slope = (lens.center[1] - (y as f32 + 0.5)) / lens.focal;
        let rise = lens.camera.forward[2] + slope * lens.camera.up[2];
        let depth = if rise.abs() > 1e-9 { -above / rise } else { f32::INFINITY };
        // A camera below the ground sees it from below; what is behind it is sky.
        if depth > 0.0 && depth < 1e6 {
            dispatch(PaintRow { ground: GroundRow::new(lens, ground, slope, depth, above.abs()), row });
        } else {
            row.fill(pack(sky(rise, slope)));
        }
    }
}

fn sky(rise: f32, slope: f32) -> Color {
    let elevation = (rise / (1.0 + slope * slope).sqrt()).abs();
    let share = smoothstep(0.0, 0.75, elevation);
    [0, 1, 2].map(|i| HORIZON[i] + share * (ZENITH[i] - HORIZON[i]))
}

/// One row of ground: its depth is constant, and so coordinates of the ground are linear in the column.
struct GroundRow {
    /// Ground coordinates at column 0, in fine cells, and their change for each column.
    start: [f32; 2],
    step: [f32; 2],
    /// Change of the coordinates from row to row at column 0, and its change for each column.
    row_start: [f32; 2],
    row_step: [f32; 2],
    base: Color,
    fine: Color,
    coarse: Color,
}

impl GroundRow {
    fn new(lens: &Lens, ground: Ground, slope: f32, depth: f32, above: f32) -> Self {
        let camera = &lens.camera;
        let per_pixel = 1.0 / lens.focal;
        let left = (0.5 - lens.center[0]) * per_pixel;
        // A row lower, the ray falls faster: the depth changes by depth² up / above.
        let depth_change = depth * depth * camera.up[2] * per_pixel / above.max(1e-6);
        let cells = 1.0 / ground.grid;
        let axis = |i: usize| {
            let direction = camera.forward[i] + slope * camera.up[i] + left * camera.right[i];
            let sideways = camera.right[i] * per_pixel;
            [
                cells * (camera.position[i] + depth * direction),
                cells * depth * sideways,
                cells * (depth_change * direction - depth * camera.up[i] * per_pixel),
                cells * depth_change * sideways,
            ]
        };
        let (x, y) = (axis(0), axis(1));
        let far = depth / ground.haze_distance(above);
        let haze = far * far / (1.0 + far * far);
        let hazed = |own: Color| [0, 1, 2].map(|i| own[i] + haze * (HORIZON[i] - own[i]));
        Self {
            start: [x[0], y[0]],
            step: [x[1], y[1]],
            row_start: [x[2], y[2]],
            row_step: [x[3], y[3]],
            base: hazed(GROUND),
            fine: hazed(FINE_LINE),
            coarse: hazed(COARSE_LINE),
        }
    }

    /// Colours of sixteen pixels from a column on.
    #[inline(always)]
    fn pixels<L: Lanes>(&self, first: usize) -> [u32; LANES] {
        const OFFSETS: [f32; LANES] = {
            let mut offsets = [0.0; LANES];
            let mut lane = 0;
            while lane < LANES {
                offsets[lane] = lane as f32;
                lane += 1;
            }
            offsets
        };
        let column = L::splat(first as f32) + L::from_array(&OFFSETS);
        let one = L::splat(1.0);
        let (mut fine, mut coarse) = (one, one);
        let cells = 1.0 / Ground::FINE_IN_COARSE;
        for axis in 0..2 {
            let place = column.mul_add(L::splat(self.step[axis]), L::splat(self.start[axis]));
            // It hardly changes over sixteen columns.
            let down = self.row_start[axis] + (first as f32 + 7.5) * self.row_step[axis];
            let footprint = (self.step[axis] * self.step[axis] + down * down).sqrt() + 1e-6;
            fine = fine * (one - Lines::new(footprint, FINE_WIDTH).share(place));
            let lines = Lines::new(footprint * cells, COARSE_WIDTH);
            coarse = coarse * (one - lines.share(place * L::splat(cells)));
        }
        let red = self.channel(0, fine, coarse).to_array();
        let green = self.channel(1, fine, coarse).to_array();
        let blue = self.channel(2, fine, coarse).to_array();
        let mut pixels = [0; LANES];
        for lane in 0..LANES {
            pixels[lane] = pack([red[lane], green[lane], blue[lane]]);
        }
        pixels
    }

    /// A channel where shares `fine` and `coarse` of the pixels are free of lines.
    ///
    /// A function and not a closure: only what is inlined is compiled for the instruction set.
    #[inline(always)]
    fn channel<L: Lanes>(&self, i: usize, fine: L, coarse: L) -> L {
        let ground = fine.mul_add(L::splat(self.base[i] - self.fine[i]), L::splat(self.fine[i]));
        coarse.mul_add(ground - L::splat(self.coarse[i]), L::splat(self.coarse[i]))
    }
}

struct PaintRow<'a> {
    ground: GroundRow,
    row: &'a mut [u32],
}

impl Kernel for PaintRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (chunk, pixels) in self.row.chunks_mut(LANES).enumerate() {
            let painted = self.ground.pixels::<L>(chunk * LANES);
            pixels.copy_from_slice(&painted[..pixels.len()]);
        }
    }
}

/// Lines at whole numbers, as pixels of a footprint see them.
struct Lines {
    half: f32,
    reach: f32,
    sharpness: f32,
    /// How far away the lines are: 0 where each is seen, 1 where only their average is.
    far: f32,
    width: f32,
}

impl Lines {
    #[inline(always)]
    fn new(footprint: f32, width: f32) -> Self {
        Self {
            half: 0.5 * width,
            reach: 0.5 * footprint,
            sharpness: 1.0 / footprint,
            far: ((footprint - 0.35) * 2.5).clamp(0.0, 1.0),
            width,
        }
    }

    /// Share of a pixel's footprint that lies on lines.
    ///
    /// Exact for a box-shaped footprint up to half a cell; wider ones see the average of lines and gaps, so that a
    /// far grid turns grey instead of flickering.
    #[inline(always)]
    fn share<L: Lanes>(&self, place: L) -> L {
        // Adding and taking away 1.5 · 2²³ rounds to a whole number.
        let round = L::splat(12_582_912.0);
        let offset = place - ((place + round) - round);
        let (half, reach) = (L::splat(self.half), L::splat(self.reach));
        let covered = (offset + reach).min(half) - (offset - reach).max(-half);
        let near = L::splat(self.sharpness * (1.0 - self.far));
        covered.max(L::splat(0.0)).mul_add(near, L::splat(self.far * self.width))
    }
}

/// A soft dark shape on the ground: a segment with a radius.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shade {
    pub(crate) from: [f32; 2],
    pub(crate) to: [f32; 2],
    pub(crate) radius: f32,
    pub(crate) softness: f32,
    /// How much light it takes away, in `[0, 1]`.
    pub(crate) strength: f32,
}

impl Shade {
    fn light(&self, [x, y]: [f32; 2]) -> f32 {
        let along = [self.to[0] - self.from[0], self.to[1] - self.from[1]];
        let offset = [x - self.from[0], y - self.from[1]];
        let length = along[0] * along[0] + along[1] * along[1] + 1e-12;
        let share = ((offset[0] * along[0] + offset[1] * along[1]) / length).clamp(0.0, 1.0);
        let gap = [offset[0] - share * along[0], offset[1] - share * along[1]];
        let distance = (gap[0] * gap[0] + gap[1] * gap[1]).sqrt();
        1.0 - self.strength * (1.0 - smoothstep(-self.softness, self.softness, distance - self.radius))
    }

    /// Corners of a box on the ground around it.
    fn bounds(&self) -> [[f32; 2]; 2] {
        let reach = self.radius + self.softness;
        [0, 1].map(|i| [self.from[i].min(self.to[i]) - reach, self.from[i].max(self.to[i]) + reach])
    }
}

/// Darkens the ground under shapes.
pub(crate) fn shade(frame: &mut Frame, lens: &Lens, ground: Ground, shades: &[Shade]) {
    let Some([columns, rows]) = image_box(frame, lens, ground, shades) else { return };
    let above = lens.camera.position[2] - ground.height;
    for row in rows[0]..rows[1] {
        let slope = (lens.center[1] - (row as f32 + 0.5)) / lens.focal;
        let depth = -above / (lens.camera.forward[2] + slope * lens.camera.up[2]);
        if !(depth > 0.0 && depth < 1e6) {
            continue;
        }
        for column in columns[0]..columns[1] {
            let side = (column as f32 + 0.5 - lens.center[0]) / lens.focal;
            let at = [0, 1].map(|i| {
                let camera = &lens.camera;
                let direction = camera.forward[i] + slope * camera.up[i] + side * camera.right[i];
                camera.position[i] + depth * direction
            });
            let light: f32 = shades.iter().map(|shade| shade.light(at)).product();
            if light < 0.998 {
                let pixel = &mut frame.pixels[row * frame.width + column];
                *pixel = blend(*pixel, SHADOW, 1.0 - light);
            }
        }
    }
}

/// Columns and rows that hold all shapes; none if a corner is behind the camera.
fn image_box(frame: &Frame, lens: &Lens, ground: Ground, shades: &[Shade]) -> Option<[[usize; 2]; 2]> {
    let mut low = [f32::INFINITY; 2];
    let mut high = [f32::NEG_INFINITY; 2];
    for [x, y] in shades.iter().map(Shade::bounds) {
        for corner in [[x[0], y[0]], [x[0], y[1]], [x[1], y[0]], [x[1], y[1]]] {
            let corner: Vector = [corner[0], corner[1], ground.height];
            let pixel = lens.project(corner)?;
            for (axis, value) in [pixel.x, pixel.y].into_iter().enumerate() {
                low[axis] = low[axis].min(value);
                high[axis] = high[axis].max(value);
            }
        }
    }
    let size = [frame.width, frame.height];
    let boxed = [0, 1].map(|axis| {
        let limit = size[axis] as f32;
        [low[axis].floor().clamp(0.0, limit) as usize, high[axis].ceil().clamp(0.0, limit) as usize]
    });
    (boxed[0][0] < boxed[0][1] && boxed[1][0] < boxed[1][1]).then_some(boxed)
}

#[cfg(test)]
mod tests {
    use eyas_lanes::Portable;

    use super::*;

    #[test]
    fn lines_cover_their_share_of_the_ground_at_every_distance() {
        for footprint in [0.01, 0.1, 0.3, 0.5, 1.0, 4.0] {
            let count = 1000;
            let lines = Lines::new(footprint, 0.05);
            let share = |place: f32| lines.share(Portable::splat(place)).to_array()[0];
            let sum: f32 = (0..count).map(|i| share(i as f32 / count as f32)).sum();
            assert!((sum / count as f32 - 0.05).abs() < 2e-3, "{footprint}: {sum}");
        }
    }
}
