//! What data looks like: lines with gaps, bands, markers.

use crate::frame::{Color, Frame, color, palette};
use crate::line::Stencil;

/// Colours of series, after Okabe and Ito (2008), "Color Universal Design": those that stand out from white.
const COLORS: [Color; 7] = [
    color(0x0000_72b2),
    color(0x00d5_5e00),
    color(0x0000_9e73),
    color(0x00cc_79a7),
    color(0x00e6_9f00),
    color(0x0056_b4e9),
    palette::INK,
];

/// Strokes and gaps, px; drawn with round ends.
const DASHES: [&[f32]; 4] = [&[], &[13.0, 7.0], &[15.0, 6.5, 0.5, 6.5], &[0.5, 6.0]];

const WIDTH: f32 = 2.6;
const BAND_OPACITY: f32 = 0.2;

/// How a series looks: 28 of them differ in colour or dashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) color: Color,
    dash: &'static [f32],
    shape: usize,
}

impl Style {
    pub(crate) fn new(index: usize) -> Self {
        Self { color: COLORS[index % COLORS.len()], dash: DASHES[index % DASHES.len()], shape: index % 4 }
    }

    /// What lies below a line in space.
    pub(crate) fn shadow() -> Self {
        Self { color: palette::RULE, dash: &[], shape: 0 }
    }
}

/// The part of a picture inside of the axes, px.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
}

/// A place in an area: shares of its width from the left and of its height from below.
pub(crate) type Place = [f64; 2];

impl Area {
    pub(crate) fn right(&self) -> f32 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f32 {
        self.top + self.height
    }

    pub(crate) fn pixel(&self, [x, y]: Place) -> [f32; 2] {
        [self.left + self.width * x as f32, self.bottom() - self.height * y as f32]
    }
}

/// A line through places, broken where there is none and cut at the edges of the area; a marker where there is only one
/// between two breaks, since a line through it would have no length.
pub(crate) fn line(frame: &mut Frame, area: &Area, places: &[Option<Place>], style: Style) {
    let mut stencil = Stencil::default();
    stencil.resize(frame.width, frame.height);
    for run in places.split(Option::is_none) {
        if run.len() == 1 {
            markers(frame, area, run, style);
            continue;
        }
        let run: Vec<Place> = run.iter().copied().flatten().collect();
        for piece in cut(&run) {
            let points: Vec<[f32; 2]> = piece.into_iter().map(|place| area.pixel(place)).collect();
            stencil.stroke(frame, &points, (style.color, WIDTH), style.dash);
        }
    }
}

/// The pieces of a line that lie in the unit square.
fn cut(run: &[Place]) -> Vec<Vec<Place>> {
    let mut pieces: Vec<Vec<Place>> = Vec::new();
    for pair in run.windows(2) {
        let Some([from, to]) = clip([pair[0], pair[1]]) else { continue };
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => pieces.push(vec![from, to]),
        }
    }
    pieces
}

/// The part of a segment in the unit square (Liang and Barsky, 1984).
fn clip([from, to]: [Place; 2]) -> Option<[Place; 2]> {
    let (mut start, mut end) = (0.0_f64, 1.0_f64);
    for axis in 0..2 {
        let along = to[axis] - from[axis];
        let [enter, leave] = [-from[axis] / along, (1.0 - from[axis]) / along];
        if along > 0.0 {
            (start, end) = (start.max(enter), end.min(leave));
        } else if along < 0.0 {
            (start, end) = (start.max(leave), end.min(enter));
        } else if !(0.0..=1.0).contains(&from[axis]) {
            return None;
        }
    }
    let at = |share: f64| [0, 1].map(|axis| from[axis] + share * (to[axis] - from[axis]));
    let whole = |share: f64, place: Place| if share.fract() == 0.0 { place } else { at(share) };
    (start <= end).then(|| [whole(start, from), whole(end, to)])
}

/// Fills between a low and a high line: places `[x, low, high]`, x ascending.
pub(crate) fn band(frame: &mut Frame, area: &Area, places: &[Option<[f64; 3]>], style: Style) {
    /// Parts of a pixel's width whose heights are averaged.
    const PARTS: f32 = 4.0;
    let mut coverage = vec![0.0; frame.width * frame.height];
    for pair in places.windows(2) {
        let [Some(from), Some(to)] = [pair[0], pair[1]] else { continue };
        let [[start, _], [end, _]] = [from, to].map(|[x, ..]| area.pixel([x.clamp(0.0, 1.0), 0.0]));
        let [first, last] = [start, end].map(|x| (PARTS * x - 0.5).ceil() as usize);
        for part in first..last {
            let x = (part as f32 + 0.5) / PARTS;
            let share = (f64::from((x - area.left) / area.width) - from[0]) / (to[0] - from[0]);
            let edge = |i: usize| {
                let height = from[i] + share * (to[i] - from[i]);
                area.pixel([0.0, height.clamp(0.0, 1.0)])[1]
            };
            let (top, bottom) = (edge(1).min(edge(2)), edge(1).max(edge(2)));
            for row in top as usize..(bottom.ceil() as usize).min(frame.height) {
                let height = bottom.min(row as f32 + 1.0) - top.max(row as f32);
                coverage[row * frame.width + x as usize] += height / PARTS;
            }
        }
    }
    for (index, share) in coverage.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let (x, y) = (index % frame.width, index / frame.width);
        frame.blend(x as i32, y as i32, style.color, BAND_OPACITY * share.min(1.0));
    }
}

/// Markers at the places inside of the area, smaller where there are many.
pub(crate) fn markers(frame: &mut Frame, area: &Area, places: &[Option<Place>], style: Style) {
    let radius = if places.len() > 400 { 3.5 } else { 5.5 };
    let is_inside = |place: &Place| place.iter().all(|share| (0.0..=1.0).contains(share));
    for place in places.iter().copied().flatten().filter(is_inside) {
        marker(frame, area.pixel(place), radius, style);
    }
}

/// A circle, square, diamond or triangle with a white rim, so that neighbours stay apart.
fn marker(frame: &mut Frame, [x, y]: [f32; 2], radius: f32, style: Style) {
    let reach = 2.0 * radius + 2.0;
    for row in (y - reach) as i32..=(y + reach) as i32 {
        for column in (x - reach) as i32..=(x + reach) as i32 {
            let distance = distance(style.shape, radius, [column as f32 + 0.5 - x, row as f32 + 0.5 - y]);
            frame.blend(column, row, palette::PAPER, 0.8 * (1.5 - distance).clamp(0.0, 1.0));
            frame.blend(column, row, style.color, (0.5 - distance).clamp(0.0, 1.0));
        }
    }
}

/// From the edge of a shape, px, negative inside; the shapes have about the same area.
fn distance(shape: usize, radius: f32, [x, y]: [f32; 2]) -> f32 {
    match shape {
        0 => (x * x + y * y).sqrt() - radius,
        1 => x.abs().max(y.abs()) - 0.88 * radius,
        2 => (x.abs() + y.abs() - 1.25 * radius) * std::f32::consts::FRAC_1_SQRT_2,
        // The normals of an equilateral triangle: down, and 60° from it to both sides.
        _ => (y - 0.1 * radius).max(0.866_025_4 * x.abs() - 0.5 * (y - 0.1 * radius)) - 0.72 * radius,
    }
}

/// What a legend shows of a series, between `start` and 36 px to the right of it.
pub(crate) fn sample(frame: &mut Frame, [start, middle]: [f32; 2], style: Style, kinds: [bool; 3]) {
    let area = Area { left: start, top: middle - 7.0, width: SAMPLE_WIDTH, height: 14.0 };
    let [has_band, has_line, has_markers] = kinds;
    if has_band {
        frame.fill([area.left, area.top, area.width, area.height], style.color, BAND_OPACITY);
    }
    if has_line {
        line(frame, &area, &[Some([0.0, 0.5]), Some([1.0, 0.5])], style);
    }
    if has_markers {
        markers(frame, &area, &[Some([0.5, 0.5])], style);
    }
}

pub(crate) const SAMPLE_WIDTH: f32 = 40.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_edges() {
        assert_eq!(clip([[0.5, 0.5], [1.5, 0.5]]), Some([[0.5, 0.5], [1.0, 0.5]]));
        assert_eq!(clip([[-1.0, 0.5], [-0.5, 0.5]]), None);
        let pieces = cut(&[[0.25, 0.5], [0.5, 1.5], [0.75, 0.5], [1.0, 0.5]]);
        assert_eq!(pieces, [vec![[0.25, 0.5], [0.375, 1.0]], vec![[0.625, 1.0], [0.75, 0.5], [1.0, 0.5]]]);
    }

    #[test]
    fn a_place_alone_is_a_marker() {
        let area = Area { left: 0.0, top: 0.0, width: 60.0, height: 60.0 };
        let drawn = |draw: fn(&mut Frame, &Area, &[Option<Place>], Style), places: &[Option<Place>]| {
            let mut frame = Frame::new(60, 60);
            draw(&mut frame, &area, places, Style::new(0));
            frame
        };
        let alone = [None, Some([0.5, 0.5]), None];
        assert!(drawn(line, &alone) == drawn(markers, &alone));
        assert!(drawn(line, &alone) != drawn(line, &[]));
    }
}
