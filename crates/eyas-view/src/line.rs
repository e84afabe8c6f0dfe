//! Lines and marks of a width on the screen.

use crate::frame::{Color, Frame, blend};
use crate::space::{Lens, NEAR, Pixel, Vector, mix};

/// A line through points of the world frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Path {
    /// Its points, m, and opacity at each, in `[0, 1]`.
    pub(crate) points: Vec<(Vector, f32)>,
}

/// Opacities of one line being drawn: where it crosses itself it does not get darker.
#[derive(Debug, Default)]
pub(crate) struct Stencil {
    width: usize,
    opacity: Vec<u8>,
    /// First column, and column after the last, that each row uses.
    spans: Vec<[u32; 2]>,
}

/// An end of a piece of a line on the image.
#[derive(Clone, Copy)]
struct End {
    pixel: Pixel,
    opacity: f32,
}

impl Stencil {
    pub(crate) fn resize(&mut self, width: usize, height: usize) {
        if (self.width, self.spans.len()) != (width, height) {
            *self = Self { width, opacity: vec![0; width * height], spans: vec![[u32::MAX, 0]; height] };
        }
    }

    /// Draws the pieces of a line that `keep` holds for, given their depth; `width` in px.
    pub(crate) fn line(
        &mut self,
        frame: &mut Frame,
        lens: &Lens,
        path: &Path,
        (color, width): (Color, f32),
        keep: impl Fn(f32) -> bool,
    ) {
        let mut last: Option<End> = None;
        let count = path.points.len();
        for (index, pair) in path.points.windows(2).enumerate() {
            let Some((from, to)) = clip(lens, pair[0], pair[1]) else { continue };
            // Pieces shorter than a pixel are joined with the next ones.
            let from = last.take().unwrap_or(from);
            let short = (to.pixel.x - from.pixel.x).abs().max((to.pixel.y - from.pixel.y).abs()) < 1.5;
            if short && index + 2 < count {
                last = Some(from);
                continue;
            }
            if keep(0.5 * (from.pixel.depth + to.pixel.depth)) {
                self.piece(from, to, width);
            }
        }
        self.show(frame, color);
    }

    /// Draws a line through points of the image, px.
    ///
    /// `dash` holds lengths of strokes and gaps in turn, px; a solid line has none.
    pub(crate) fn stroke(
        &mut self,
        frame: &mut Frame,
        points: &[[f32; 2]],
        (color, width): (Color, f32),
        dash: &[f32],
    ) {
        let end = |[x, y]: [f32; 2]| End { pixel: Pixel { x, y, depth: 1.0 }, opacity: 1.0 };
        let mut pattern = dash.iter().copied().cycle();
        let (mut is_on, mut left) = (true, pattern.next().unwrap_or(f32::INFINITY));
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            let along = [to[0] - from[0], to[1] - from[1]];
            let length = (along[0] * along[0] + along[1] * along[1]).sqrt();
            let at = |done: f32| {
                let share = if length > 0.0 { done / length } else { 0.0 };
                end([from[0] + share * along[0], from[1] + share * along[1]])
            };
            let mut done = 0.0;
            while left < length - done {
                if is_on {
                    self.piece(at(done), at(done + left), width);
                }
                done += left;
                is_on = !is_on;
                left = pattern.next().unwrap_or(f32::INFINITY);
            }
            if is_on {
                self.piece(at(done), end(to), width);
            }
            left -= length - done;
        }
        self.show(frame, color);
    }

    fn piece(&mut self, from: End, to: End, width: f32) {
        let (a, b) = (from.pixel, to.pixel);
        let reach = 0.5 * width + 1.0;
        let limit = [self.width as f32, self.spans.len() as f32];
        let range = |a: f32, b: f32, limit: f32| {
            [
                (a.min(b) - reach).clamp(0.0, limit) as usize,
                (a.max(b) + reach).ceil().clamp(0.0, limit) as usize,
            ]
        };
        let (columns, rows) = (range(a.x, b.x, limit[0]), range(a.y, b.y, limit[1]));
        let along = [b.x - a.x, b.y - a.y];
        let length = along[0] * along[0] + along[1] * along[1];
        let inverse = if length > 1e-9 { 1.0 / length } else { 0.0 };
        for row in rows[0]..rows[1] {
            let y = row as f32 + 0.5 - a.y;
            let Some([start, end]) = crossing(a, along, y, reach, columns) else { continue };
            for column in start..end {
                let x = column as f32 + 0.5 - a.x;
                let share = ((x * along[0] + y * along[1]) * inverse).clamp(0.0, 1.0);
                let gap = [x - share * along[0], y - share * along[1]];
                let distance = (gap[0] * gap[0] + gap[1] * gap[1]).sqrt();
                let coverage = (0.5 * width + 0.5 - distance).clamp(0.0, 1.0);
                let opacity = from.opacity + share * (to.opacity - from.opacity);
                let level = (255.0 * coverage * opacity) as u8;
                let cell = &mut self.opacity[row * self.width + column];
                *cell = (*cell).max(level);
            }
            let span = &mut self.spans[row];
            *span = [span[0].min(start as u32), span[1].max(end as u32)];
        }
    }

    /// Blends the line over the frame and forgets it.
    fn show(&mut self, frame: &mut Frame, color: Color) {
        for (row, span) in self.spans.iter_mut().enumerate() {
            let [start, end] = std::mem::replace(span, [u32::MAX, 0]);
            for column in start..end.max(start) {
                let index = row * self.width + column as usize;
                let level = std::mem::take(&mut self.opacity[index]);
                if level > 0 {
                    let pixel = &mut frame.pixels[index];
                    *pixel = blend(*pixel, color, f32::from(level) * (1.0 / 255.0));
                }
            }
        }
    }
}

/// The columns of a row that a long piece can touch.
fn crossing(a: Pixel, along: [f32; 2], y: f32, reach: f32, columns: [usize; 2]) -> Option<[usize; 2]> {
    if along[1].abs() < 1.0 {
        return Some(columns);
    }
    let slope = along[0] / along[1];
    let middle = a.x + y * slope;
    let side = reach * (1.0 + slope * slope).sqrt() + slope.abs() + 1.0;
    let start = (middle - side).max(columns[0] as f32) as usize;
    let end = (middle + side).clamp(0.0, columns[1] as f32) as usize;
    (start < end).then_some([start, end])
}

/// The part of a piece that lies before the camera.
fn clip(lens: &Lens, from: (Vector, f32), to: (Vector, f32)) -> Option<(End, End)> {
    let (mut a, mut b) = (lens.view(from.0), lens.view(to.0));
    let near = 2.0 * NEAR;
    if a[2] < near && b[2] < near {
        return None;
    }
    if a[2] < near {
        a = mix(b, a, (b[2] - near) / (b[2] - a[2]));
    } else if b[2] < near {
        b = mix(a, b, (a[2] - near) / (a[2] - b[2]));
    }
    let end = |view: Vector, opacity: f32| End { pixel: lens.image(view), opacity };
    Some((end(a, from.1), end(b, to.1)))
}

/// A ball of a radius in the world with a ring around it: a target.
pub(crate) fn target(frame: &mut Frame, lens: &Lens, center: Vector, radius: f32, color: Color) {
    ringed_ball(frame, lens, center, (radius, 2.1), color);
}

/// A shaded ball of a radius in the world.
pub(crate) fn ball(frame: &mut Frame, lens: &Lens, center: Vector, radius: f32, color: Color) {
    ringed_ball(frame, lens, center, (radius, 0.0), color);
}

/// A ball, and a ring of a radius over the ball's; it is at least 3 px large.
fn ringed_ball(frame: &mut Frame, lens: &Lens, center: Vector, (radius, ring): (f32, f32), color: Color) {
    let Some(pixel) = lens.project(center) else { return };
    let inner = (radius * lens.focal / pixel.depth).clamp(3.0, 60.0);
    let outer = ring * inner;
    let reach = (outer.max(inner) + 2.0) as i32;
    let (left, top) = (pixel.x.floor() as i32, pixel.y.floor() as i32);
    for row in top - reach..=top + reach {
        for column in left - reach..=left + reach {
            let (x, y) = (column as f32 + 0.5 - pixel.x, row as f32 + 0.5 - pixel.y);
            let distance = (x * x + y * y).sqrt();
            let ball = (inner + 0.5 - distance).clamp(0.0, 1.0);
            let ring = (0.8 + 0.06 * inner - (distance - outer).abs() + 0.5).clamp(0.0, 1.0);
            if ball > 0.0 {
                let (across, down) = (x / inner, y / inner);
                let light = (0.75 - 0.35 * (across + down)).clamp(0.0, 1.2);
                let shade =
                    color.map(|value| (value * (0.55 + 0.55 * light) + 55.0 * light * light).min(255.0));
                frame.blend(column, row, shade, ball);
            } else if ring > 0.0 {
                frame.blend(column, row, color, 0.9 * ring);
            }
        }
    }
}
