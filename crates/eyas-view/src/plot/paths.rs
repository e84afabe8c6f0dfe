//! Paths in space, in a box of three axes.

use super::axis::{Axis, Scale, Ticks};
use super::chart::{Entry, below_title, draw_legend, legend_height, legend_places};
use super::mark::{self, Area, Place, Style};
use super::{MARGIN, centered, heading};
use crate::frame::{Color, Frame, palette};
use crate::line::Stencil;
use crate::text::{self, Size};

/// Direction that the box is looked along: azimuth and elevation below the horizon, rad.
const LOOK: [f64; 2] = [0.95, 0.42];
/// Length of a side of the box over that of the longest one, at least.
const FLATTEST: f64 = 0.3;
/// Share of a side left free beyond the data, in all.
const SLACK: f64 = 0.1;
/// From an axis to the middle of its numbers, and from there to its label, px.
const TO_NUMBERS: f32 = 22.0;
const TO_LABEL: f32 = 30.0;

/// A point in space.
type Point = [f64; 3];

/// Paths in space, drawn as PNG: a metre is equally long along all axes, and each path has a shadow on the floor.
///
/// Points with numbers that are not finite leave gaps.
///
/// # Examples
///
/// ```
/// let path = [[0.0, 0.0, 1.0], [1.0, 0.5, 1.0], [1.0, 1.0, 1.5]];
/// let plot = eyas_view::Paths::new("Trajectory").path("flown", &path);
/// assert!(plot.png().starts_with(b"\x89PNG"));
/// ```
#[derive(Clone, Debug)]
pub struct Paths {
    title: String,
    size: (usize, usize),
    least_m: f64,
    lines: Vec<(String, Vec<Point>)>,
}

impl Paths {
    /// An empty box, 1200 × 800 px; an empty title takes no room.
    pub fn new(title: &str) -> Self {
        Self { title: title.into(), size: (1200, 800), least_m: 0.1, lines: Vec::new() }
    }

    /// Width and height of the picture, px; at least 400 × 300.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = (width.max(400), height.max(300));
        self
    }

    /// Least length of the longest side of the box, m.
    pub fn least(mut self, metres: f64) -> Self {
        self.least_m = metres;
        self
    }

    /// A line through points in the world frame, m.
    pub fn path(mut self, name: &str, points: &[Point]) -> Self {
        self.lines.push((name.into(), points.to_vec()));
        self
    }

    /// The plot as a PNG file; the same bytes on every machine.
    pub fn png(&self) -> Vec<u8> {
        self.frame().png()
    }

    /// The plot as a picture.
    pub fn frame(&self) -> Frame {
        let (width, height) = self.size;
        let mut frame = Frame::paper(width, height);
        let names: Vec<&str> = self.lines.iter().map(|(name, _)| name.as_str()).collect();
        let places = legend_places(&names, width as f32 - 2.0 * MARGIN);
        let top = below_title(&self.title);
        heading(&mut frame, &self.title, [MARGIN, width as f32 - 2.0 * MARGIN]);
        let entries: Vec<Entry> =
            names.iter().map(|name| Entry { name, kinds: [false, true, false] }).collect();
        draw_legend(&mut frame, &entries, &places, [MARGIN, top]);

        let view = View::new(self.sides(), [width as f32, height as f32], top + legend_height(&places));
        view.walls(&mut frame);
        let whole = Area { left: 0.0, top: 0.0, width: width as f32, height: height as f32 };
        let floor = view.sides[2][0];
        for (_, points) in &self.lines {
            let shadow: Vec<_> = points.iter().map(|&[x, y, _]| view.place([x, y, floor])).collect();
            mark::line(&mut frame, &whole, &shadow, Style::shadow());
        }
        for (index, (_, points)) in self.lines.iter().enumerate() {
            let line: Vec<_> = points.iter().map(|point| view.place(*point)).collect();
            mark::line(&mut frame, &whole, &line, Style::new(index));
        }
        frame
    }

    /// Least and greatest of what the box shows along each axis.
    fn sides(&self) -> [[f64; 2]; 3] {
        let ends = [0, 1, 2].map(|axis| {
            let values =
                self.lines.iter().flat_map(|(_, points)| points.iter().map(move |point| point[axis]));
            Scale::new(&Axis::default(), values, 0.0).ends()
        });
        let longest = ends.iter().map(|[low, high]| high - low).fold(self.least_m, f64::max);
        ends.map(|[low, high]| {
            let half = 0.5 * (1.0 + SLACK) * (high - low).min(longest).max(FLATTEST * longest);
            [0.5 * (low + high) - half, 0.5 * (low + high) + half]
        })
    }
}

/// A box as it is looked at: in parallel projection from the corner of its least x and y.
struct View {
    sides: [[f64; 2]; 3],
    /// Size of the picture, px.
    size: [f32; 2],
    /// Pixels of a metre, and where the projected origin lies, px.
    scale: f64,
    origin: [f64; 2],
}

impl View {
    /// Fits a box into a picture below some px that are taken.
    fn new(sides: [[f64; 2]; 3], size: [f32; 2], top: f32) -> Self {
        let mut it = Self { sides, size, scale: 1.0, origin: [0.0; 2] };
        let corners = (0..8).map(|corner| it.project([0, 1, 2].map(|axis| sides[axis][corner >> axis & 1])));
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for corner in corners {
            low = [0, 1].map(|i| low[i].min(corner[i]));
            high = [0, 1].map(|i| high[i].max(corner[i]));
        }
        // Numbers and labels stand to the left and below, the end of one to the right.
        let [left, right] = [MARGIN + TO_NUMBERS + TO_LABEL + 52.0, 2.0 * MARGIN];
        let below = MARGIN + TO_NUMBERS + 14.0;
        let room = [size[0] - left - right, size[1] - top - below - 8.0].map(f64::from);
        it.scale = (room[0] / (high[0] - low[0])).min(room[1] / (high[1] - low[1])).max(1e-9);
        let used = [0, 1].map(|i| it.scale * (high[i] - low[i]));
        it.origin = [
            f64::from(left) + 0.5 * (room[0] - used[0]) - it.scale * low[0],
            f64::from(top) + 8.0 + 0.5 * (room[1] - used[1]) + used[1] + it.scale * low[1],
        ];
        it
    }

    /// To the right and up, m.
    fn project(&self, point: Point) -> [f64; 2] {
        let ((sin, cos), (rise, run)) = (libm::sincos(LOOK[0]), libm::sincos(LOOK[1]));
        let [x, y, z] = [0, 1, 2].map(|axis| point[axis] - self.sides[axis][0]);
        [sin * x - cos * y, rise * (cos * x + sin * y) + run * z]
    }

    fn pixel(&self, point: Point) -> [f32; 2] {
        let [right, up] = self.project(point);
        [(self.origin[0] + self.scale * right) as f32, (self.origin[1] - self.scale * up) as f32]
    }

    fn place(&self, point: Point) -> Option<Place> {
        let [x, y] = self.pixel(point);
        (x.is_finite() && y.is_finite())
            .then(|| [f64::from(x / self.size[0]), f64::from(1.0 - y / self.size[1])])
    }

    /// The floor and the two walls behind, with their grids, numbers and labels.
    fn walls(&self, frame: &mut Frame) {
        let [[x0, x1], [y0, y1], [z0, z1]] = self.sides;
        let ticks = [0, 1, 2].map(|axis| self.ticks(axis));
        for tick in &ticks[0].marks {
            let x = self.at(0, tick.share);
            self.stroke(frame, &[[x, y0, z0], [x, y1, z0], [x, y1, z1]], (palette::RULE, 1.2));
        }
        for tick in &ticks[1].marks {
            let y = self.at(1, tick.share);
            self.stroke(frame, &[[x0, y, z0], [x1, y, z0], [x1, y, z1]], (palette::RULE, 1.2));
        }
        for tick in &ticks[2].marks {
            let z = self.at(2, tick.share);
            self.stroke(frame, &[[x0, y1, z], [x1, y1, z], [x1, y0, z]], (palette::RULE, 1.2));
        }
        let axes = [[x1, y0, z0], [x0, y0, z0], [x0, y1, z0], [x0, y1, z1]];
        self.stroke(frame, &axes, (palette::INK, 1.8));

        // Along the picture, away from the box.
        let corner = [x0, y0, z0];
        let away = |axis: usize| {
            let mut beside = corner;
            beside[axis] -= 1.0;
            let [right, up] = self.project(beside);
            let length = libm::hypot(right, up);
            [(right / length) as f32, (-up / length) as f32]
        };
        self.numbers(frame, 0, &ticks[0], (corner, away(1)));
        self.numbers(frame, 1, &ticks[1], (corner, away(0)));
        self.numbers(frame, 2, &ticks[2], ([x0, y1, z0], [-1.0, 0.0]));
    }

    /// Numbers and label of an axis that begins at a place, away from it on the picture.
    fn numbers(&self, frame: &mut Frame, axis: usize, ticks: &Ticks, (start, away): (Point, [f32; 2])) {
        let mut write = |text: &str, along: f64, distance: f32| {
            let mut place = start;
            place[axis] = self.at(axis, along);
            let [x, y] = self.pixel(place);
            let [x, y] = [x + distance * away[0], y + distance * away[1]];
            centered(frame, text, [x, y - 0.5 * text::line_height(Size::Plot)]);
        };
        for tick in &ticks.marks {
            // Beside an upright axis, wide numbers have their middle further from it.
            let own = 0.5 * text::width(&tick.label, Size::Plot) * away[0].abs();
            write(&tick.label, tick.share, TO_NUMBERS - 10.0 + own);
        }
        let widest = super::widest(ticks) * away[0].abs();
        let title = Axis { label: ["x", "y", "z"][axis].into(), unit: "m".into(), ..Axis::default() };
        write(&title.title(ticks.exponent), 0.5, TO_NUMBERS - 6.0 + widest + TO_LABEL);
    }

    /// The number at a share of a side.
    fn at(&self, axis: usize, share: f64) -> f64 {
        let [low, high] = self.sides[axis];
        low + share * (high - low)
    }

    fn stroke(&self, frame: &mut Frame, points: &[Point], style: (Color, f32)) {
        let mut stencil = Stencil::default();
        stencil.resize(frame.width, frame.height);
        let points: Vec<[f32; 2]> = points.iter().map(|point| self.pixel(*point)).collect();
        stencil.stroke(frame, &points, style, &[]);
    }

    /// Numbers of an axis, fewer where it is short on the picture.
    fn ticks(&self, axis: usize) -> Ticks {
        let [low, high] = self.sides[axis];
        let mut end = [0, 1, 2].map(|axis| self.sides[axis][0]);
        let start = self.pixel(end);
        end[axis] = high;
        let end = self.pixel(end);
        let length = libm::hypotf(end[0] - start[0], end[1] - start[1]);
        let limits = Some([low, high]);
        Scale::new(&Axis { limits, ..Axis::default() }, std::iter::empty(), 0.0)
            .ticks((length / 55.0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_lies_in_the_picture() {
        let flat = [[-3.0, 1.0, 2.0], [4.0, 1.5, 2.0], [f64::NAN, 0.0, 0.0]];
        let plot = Paths::new("").size(640, 480).path("flown", &flat);
        let sides = plot.sides();
        assert!(sides.iter().all(|[low, high]| high - low >= FLATTEST * 7.0), "{sides:?}");
        let view = View::new(sides, [640.0, 480.0], 40.0);
        for corner in 0..8 {
            let [x, y] = view.pixel([0, 1, 2].map(|axis| sides[axis][corner >> axis & 1]));
            assert!((0.0..640.0).contains(&x) && (40.0..480.0).contains(&y), "{x} {y}");
        }
        assert_eq!(view.place(flat[2]), None);
    }
}
