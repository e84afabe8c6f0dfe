//! Charts: lines, bands and points over axes, in panels that share x.

use super::axis::{Axis, Scale, Ticks};
use super::mark::{self, Area, Style};
use super::{GAP, MARGIN, centered, heading};
use crate::frame::{Frame, palette};
use crate::line::Stencil;
use crate::text::{self, Size};

/// Share of an axis left free beyond the data.
const SLACK: f64 = 0.04;
/// Height of the first panel over that of each other one.
const FIRST_PANEL: f32 = 1.6;

/// A chart of series over a common x, drawn as PNG.
///
/// Numbers that are not finite, and those that are not positive on a logarithmic axis, leave gaps. Series of the same
/// name look alike in all panels and stand in the legend once; those without a name do not stand there.
///
/// # Examples
///
/// ```
/// let chart = eyas_view::Chart::new("Learning curves")
///     .x("wall time", "min")
///     .y("mean return", "1")
///     .line("Eyas", &[[0.0, 120.0], [1.0, 540.0], [2.0, 610.0]])
///     .reference(620.5, "released student")
///     .panel("terminated share", "%")
///     .line("Eyas", &[[0.0, 80.0], [1.0, 4.0], [2.0, 0.5]]);
/// assert!(chart.png().starts_with(b"\x89PNG"));
/// ```
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    size: (usize, usize),
    x: Axis,
    /// The one being filled is the last.
    panels: Vec<Panel>,
    /// Least length of both axes, if a unit is as long along x as along y.
    equal_units: Option<f64>,
}

#[derive(Clone, Debug, Default)]
struct Panel {
    y: Axis,
    series: Vec<Series>,
    references: Vec<(f64, String)>,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    points: Vec<[f64; 2]>,
    /// x, low, high.
    band: Vec<[f64; 3]>,
    is_line: bool,
}

/// A panel laid out.
struct Drawn<'a> {
    panel: &'a Panel,
    area: Area,
    y: Scale,
    ticks: Ticks,
}

impl Chart {
    /// A chart with one empty panel, 1200 × 800 px; an empty title takes no room.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.into(),
            size: (1200, 800),
            x: Axis::default(),
            panels: vec![Panel::default()],
            equal_units: None,
        }
    }

    /// Width and height of the picture, px; at least 400 × 300.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = (width.max(400), height.max(300));
        self
    }

    /// Label and unit of the x axis; the unit of a pure number is `1` or empty.
    pub fn x(mut self, label: &str, unit: &str) -> Self {
        (self.x.label, self.x.unit) = (label.into(), unit.into());
        self
    }

    /// Label and unit of the y axis of this panel.
    pub fn y(mut self, label: &str, unit: &str) -> Self {
        let y = &mut self.last().y;
        (y.label, y.unit) = (label.into(), unit.into());
        self
    }

    /// Makes the x axis logarithmic.
    pub fn log_x(mut self) -> Self {
        self.x.is_log = true;
        self
    }

    /// Makes the y axis of this panel logarithmic.
    pub fn log_y(mut self) -> Self {
        self.last().y.is_log = true;
        self
    }

    /// Limits of the x axis, `low < high`, both positive on a logarithmic one; else those of the data.
    ///
    /// # Panics
    ///
    /// If `low < high` does not hold or one of them is not finite.
    pub fn x_range(mut self, low: f64, high: f64) -> Self {
        self.x.limits = Some(super::limits(low, high));
        self
    }

    /// Limits of the y axis of this panel, as [`x_range`](Self::x_range).
    ///
    /// # Panics
    ///
    /// As [`x_range`](Self::x_range).
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.last().y.limits = Some(super::limits(low, high));
        self
    }

    /// Makes a unit as long along x as along y, as on a map; the axes then show at least `least` units. For a chart
    /// with one panel and linear axes.
    pub fn equal_units(mut self, least: f64) -> Self {
        self.equal_units = Some(least);
        self
    }

    /// Starts a panel below that shares x; what follows goes there.
    pub fn panel(mut self, label: &str, unit: &str) -> Self {
        self.panels.push(Panel::default());
        self.y(label, unit)
    }

    /// A line through points `[x, y]` in their order.
    pub fn line(mut self, name: &str, points: &[[f64; 2]]) -> Self {
        let (points, band) = (points.to_vec(), Vec::new());
        self.last().series.push(Series { name: name.into(), points, band, is_line: true });
        self
    }

    /// A line through points `[x, y, low, high]`, x ascending, and a band from low to high.
    pub fn line_with_band(mut self, name: &str, points: &[[f64; 4]]) -> Self {
        let band = points.iter().map(|&[x, _, low, high]| [x, low, high]).collect();
        let points = points.iter().map(|&[x, y, ..]| [x, y]).collect();
        self.last().series.push(Series { name: name.into(), points, band, is_line: true });
        self
    }

    /// Markers at points `[x, y]`.
    pub fn points(mut self, name: &str, points: &[[f64; 2]]) -> Self {
        let (points, band) = (points.to_vec(), Vec::new());
        self.last().series.push(Series { name: name.into(), points, band, is_line: false });
        self
    }

    /// A labelled horizontal line across this panel.
    pub fn reference(mut self, value: f64, label: &str) -> Self {
        self.last().references.push((value, label.into()));
        self
    }

    /// Whether a number can be shown on an axis.
    pub fn has_place(value: f64, is_log: bool) -> bool {
        Scale::has_place(value, is_log)
    }

    /// How many points have numbers and yet no place: on a logarithmic axis those that are not positive, on any those that
    /// are infinite or beyond 1e300.
    pub fn num_without_place(&self) -> usize {
        let x = self.x_scale();
        let count = |panel: &Panel| {
            let y = panel.scale();
            let points = panel.series.iter().flat_map(|series| &series.points);
            let numbers = points.filter(|[at, value]| !at.is_nan() && !value.is_nan());
            numbers.filter(|[at, value]| x.share(*at).is_none() || y.share(*value).is_none()).count()
        };
        self.panels.iter().map(count).sum()
    }

    fn last(&mut self) -> &mut Panel {
        self.panels.last_mut().expect("a chart starts with a panel")
    }

    /// The chart as a PNG file; the same bytes on every machine.
    pub fn png(&self) -> Vec<u8> {
        self.frame().png()
    }

    /// The chart as a picture.
    pub fn frame(&self) -> Frame {
        if let Some(least) = self.equal_units {
            return self.with_equal_units(least).frame();
        }
        let mut frame = Frame::paper(self.size.0, self.size.1);
        let names = self.names();
        let x = self.x_scale();
        let (drawn, legend) = self.layout(&names);
        let x_ticks = fitting_ticks(&x, drawn[0].area.width);

        heading(&mut frame, &self.title, [drawn[0].area.left, drawn[0].area.width]);
        self.legend(&mut frame, &names, &legend, drawn[0].area.left);
        for panel in &drawn {
            panel.grid(&mut frame, &x_ticks);
            panel.data(&mut frame, &x, &names);
            panel.frame(&mut frame, &x_ticks);
            panel.references(&mut frame);
        }
        let lowest = drawn[drawn.len() - 1].area;
        x_numbers(&mut frame, &lowest, &x_ticks);
        let title = self.x.title(x_ticks.exponent);
        let y = self.size.1 as f32 - MARGIN - text::line_height(Size::Plot) + 4.0;
        centered(&mut frame, &title, [lowest.left + 0.5 * lowest.width, y]);
        frame
    }

    fn x_scale(&self) -> Scale {
        let series = || self.panels.iter().flat_map(|panel| &panel.series);
        let xs = series().flat_map(|it| it.points.iter().map(|point| point[0]));
        // A map has free space on all sides.
        let is_flush = series().all(|it| it.is_line) && self.equal_units.is_none();
        Scale::new(&self.x, xs, if is_flush { 0.0 } else { SLACK })
    }

    /// The same with limits that make units equal.
    fn with_equal_units(&self, least: f64) -> Self {
        let mut it = Self { equal_units: None, ..self.clone() };
        let ends = [self.x_scale(), self.panels[0].scale()].map(|scale| scale.ends());
        // The width of the numbers beside the axis changes with its limits: a second round settles it.
        for _ in 0..2 {
            let area = it.layout(&it.names()).0[0].area;
            let pixels = [area.width, area.height].map(f64::from);
            let per_pixel = [0, 1].map(|i| (ends[i][1] - ends[i][0]).max(least) / pixels[i]);
            let per_pixel = per_pixel[0].max(per_pixel[1]);
            let limits = [0, 1].map(|i| {
                let (middle, half) = (0.5 * (ends[i][0] + ends[i][1]), 0.5 * per_pixel * pixels[i]);
                Some([middle - half, middle + half])
            });
            (it.x.limits, it.panels[0].y.limits) = (limits[0], limits[1]);
        }
        it
    }

    /// Names of series in the order of their first use.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        names
    }

    /// Where panels and the entries of the legend stand: row and distance from the left of each name.
    fn layout<'a>(&'a self, names: &[&str]) -> (Vec<Drawn<'a>>, Vec<(usize, f32)>) {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        let line = text::line_height(Size::Plot);
        let legend = legend_places(names, width - 150.0);
        let top = below_title(&self.title) + legend_height(&legend) + 4.0;
        let x_label = if self.x.label.is_empty() { 0.0 } else { line + 2.0 };
        let bottom = height - MARGIN - x_label - line - 6.0;

        let between = 26.0;
        let others = self.panels.len() as f32 - 1.0;
        let unit = (bottom - top - others * between) / (FIRST_PANEL + others);
        let mut start = top;
        let mut drawn: Vec<Drawn> = Vec::new();
        for (index, panel) in self.panels.iter().enumerate() {
            let height = if index == 0 { FIRST_PANEL * unit } else { unit }.max(20.0);
            let y = panel.scale();
            let ticks = y.ticks((height / 44.0) as usize);
            let area = Area { left: 0.0, top: start.round(), width: 0.0, height: height.round() };
            drawn.push(Drawn { panel, area, y, ticks });
            start += height + between;
        }
        let numbers = drawn.iter().map(|it| super::widest(&it.ticks)).fold(0.0, f32::max);
        let has_label = self.panels.iter().any(|panel| !panel.y.label.is_empty());
        let left = (MARGIN + numbers + 12.0 + if has_label { line + GAP } else { 0.0 }).round();
        for it in &mut drawn {
            (it.area.left, it.area.width) = (left, width - left - MARGIN - 12.0);
        }
        (drawn, legend)
    }

    fn legend(&self, frame: &mut Frame, names: &[&str], places: &[(usize, f32)], left: f32) {
        let entries: Vec<Entry> = names
            .iter()
            .map(|name| {
                let all =
                    || self.panels.iter().flat_map(|panel| &panel.series).filter(|it| it.name == **name);
                let kinds = [
                    all().any(|it| !it.band.is_empty()),
                    all().any(|it| it.is_line),
                    all().any(|it| !it.is_line),
                ];
                Entry { name, kinds }
            })
            .collect();
        draw_legend(frame, &entries, places, [left, below_title(&self.title)]);
    }
}

/// What a legend says of the series of one name.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    /// Whether it has a band, a line, markers.
    pub(super) kinds: [bool; 3],
}

/// Where what follows the title begins, px.
pub(super) fn below_title(title: &str) -> f32 {
    MARGIN + if title.is_empty() { 0.0 } else { text::line_height(Size::Heading) + GAP }
}

/// Height of a legend of some rows, px.
pub(super) fn legend_height(places: &[(usize, f32)]) -> f32 {
    let row = text::line_height(Size::Plot) + 4.0;
    places.last().map_or(0.0, |(last, _)| (*last as f32 + 1.0) * row + GAP)
}

/// Draws a legend from its upper left corner on; series without a name have no place.
pub(super) fn draw_legend(
    frame: &mut Frame,
    entries: &[Entry],
    places: &[(usize, f32)],
    [left, top]: [f32; 2],
) {
    let line = text::line_height(Size::Plot);
    let named = entries.iter().enumerate().filter(|(_, entry)| !entry.name.is_empty());
    for ((index, Entry { name, kinds }), (row, start)) in named.zip(places) {
        let top = top + *row as f32 * (line + 4.0);
        mark::sample(frame, [left + start, top + 0.5 * line], Style::new(index), *kinds);
        let place = [left + start + mark::SAMPLE_WIDTH + 10.0, top];
        text::write(frame, name, Size::Plot, place, palette::INK);
    }
}

/// Row and distance from the left of each name, rows being `width` px wide.
pub(super) fn legend_places(names: &[&str], width: f32) -> Vec<(usize, f32)> {
    let (mut row, mut start) = (0, 0.0);
    let mut places = Vec::new();
    for name in names.iter().filter(|name| !name.is_empty()) {
        let own = mark::SAMPLE_WIDTH + 10.0 + text::width(name, Size::Plot);
        if start > 0.0 && start + own > width {
            (row, start) = (row + 1, 0.0);
        }
        places.push((row, start));
        start += own + 32.0;
    }
    places
}

/// As many numbers as stand beside each other.
fn fitting_ticks(scale: &Scale, width: f32) -> Ticks {
    let is_fitting = |ticks: &Ticks| {
        let labelled = ticks.marks.iter().filter(|tick| !tick.label.is_empty());
        let mut ends: Vec<(f32, f32)> = labelled
            .map(|tick| (width * tick.share as f32, 0.5 * text::width(&tick.label, Size::Plot)))
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.windows(2).all(|pair| pair[0].0 + pair[0].1 + 24.0 < pair[1].0 - pair[1].1)
    };
    let most = (4..=10).rev().map(|most| scale.ticks(most)).find(is_fitting);
    most.unwrap_or_else(|| scale.ticks(3))
}

impl Panel {
    fn scale(&self) -> Scale {
        let points = self.series.iter().flat_map(|it| it.points.iter().map(|point| point[1]));
        let bands = self.series.iter().flat_map(|it| it.band.iter().flat_map(|&[_, low, high]| [low, high]));
        let references = self.references.iter().map(|(value, _)| *value);
        Scale::new(&self.y, points.chain(bands).chain(references), SLACK)
    }
}

impl Drawn<'_> {
    fn grid(&self, frame: &mut Frame, x: &Ticks) {
        let Area { left, top, width, height } = self.area;
        let share = |label: &str| if label.is_empty() { 0.22 } else { 0.6 };
        for tick in &x.marks {
            let column = self.area.pixel([tick.share, 0.0])[0].round();
            frame.fill([column, top, 1.0, height], palette::RULE, share(&tick.label));
        }
        for tick in &self.ticks.marks {
            let row = self.area.pixel([0.0, tick.share])[1].round();
            frame.fill([left, row, width, 1.0], palette::RULE, share(&tick.label));
        }
    }

    fn data(&self, frame: &mut Frame, x: &Scale, names: &[&str]) {
        let style = |series: &Series| {
            Style::new(names.iter().position(|name| *name == series.name).expect("every name is listed"))
        };
        for series in &self.panel.series {
            let place =
                |&[at, low, high]: &[f64; 3]| Some([x.share(at)?, self.y.share(low)?, self.y.share(high)?]);
            let places: Vec<_> = series.band.iter().map(place).collect();
            mark::band(frame, &self.area, &places, style(series));
        }
        for series in &self.panel.series {
            let place = |point: &[f64; 2]| Some([x.share(point[0])?, self.y.share(point[1])?]);
            let places: Vec<_> = series.points.iter().map(place).collect();
            let draw = if series.is_line { mark::line } else { mark::markers };
            draw(frame, &self.area, &places, style(series));
        }
    }

    /// Axes, numbers of y and its label.
    fn frame(&self, frame: &mut Frame, x: &Ticks) {
        let Area { left, top, height, .. } = self.area;
        let bottom = self.area.bottom();
        frame.fill([left - 1.0, top, 2.0, height + 1.0], palette::INK, 0.8);
        frame.fill([left + 1.0, bottom - 1.0, self.area.width - 1.0, 2.0], palette::INK, 0.8);
        for tick in &x.marks {
            let column = self.area.pixel([tick.share, 0.0])[0].round();
            let length = if tick.label.is_empty() { 3.0 } else { 6.0 };
            frame.fill([column, bottom + 1.0, 1.0, length], palette::INK, 0.8);
        }
        for tick in &self.ticks.marks {
            let row = self.area.pixel([0.0, tick.share])[1].round();
            let length = if tick.label.is_empty() { 3.0 } else { 6.0 };
            frame.fill([left - 1.0 - length, row, length, 1.0], palette::INK, 0.8);
            let place = [left - 12.0 - text::width(&tick.label, Size::Plot), row - super::middle()];
            text::write(frame, &tick.label, Size::Plot, place, palette::INK);
        }
        let title = text::fitted(&self.panel.y.title(self.ticks.exponent), Size::Plot, height + 40.0);
        let start = top + 0.5 * (height + text::width(&title, Size::Plot));
        text::write_up(frame, &title, Size::Plot, [MARGIN - 6.0, start], palette::INK);
    }

    fn references(&self, frame: &mut Frame) {
        let mut stencil = Stencil::default();
        stencil.resize(frame.width, frame.height);
        let is_inside = |share: &f64| (0.0..=1.0).contains(share);
        let shown = || {
            let all = self.panel.references.iter();
            all.filter_map(|(value, label)| Some((self.y.share(*value).filter(is_inside)?, label)))
        };
        // Labels look for room among the data, which is not to be hidden by other labels.
        let places: Vec<_> = shown().map(|(share, label)| self.free_place(frame, share, label)).collect();
        for (share, _) in shown() {
            let ends = [self.area.pixel([0.0, share]), self.area.pixel([1.0, share])];
            stencil.stroke(frame, &ends, (palette::FAINT_INK, 1.8), &[7.0, 5.0]);
        }
        for ((_, label), [left, top]) in shown().zip(places) {
            let size = [text::width(label, Size::Plot) + 8.0, text::line_height(Size::Plot) - 4.0];
            frame.rounded([left - 4.0, top + 2.0, size[0], size[1]], 3.0, palette::PAPER, 0.8);
            text::write(frame, label, Size::Plot, [left, top], palette::FAINT_INK);
        }
    }

    /// Where the label of a reference hides least: above the line or below, from the right to the left.
    fn free_place(&self, frame: &Frame, share: f64, label: &str) -> [f32; 2] {
        let (width, height) = (text::width(label, Size::Plot), text::line_height(Size::Plot));
        let row = self.area.pixel([0.0, share])[1];
        let room = (self.area.width - width - 16.0).max(0.0);
        let tops = [row - height - 1.0, row + 3.0];
        // Letters begin 5 px below the top of their line, and there is room above a panel.
        let is_inside = |top: &f32| *top + 13.0 >= self.area.top && top + height <= self.area.bottom();
        let tops = tops.into_iter().filter(is_inside);
        let places = tops.flat_map(|top| {
            (0..=8).rev().map(move |eighth| [self.area.left + 8.0 + 0.125 * eighth as f32 * room, top])
        });
        // The first of the best: `min_by_key` keeps it.
        let best = places.min_by_key(|[left, top]| frame.ink([*left, *top, width, height]));
        best.unwrap_or([self.area.left + 8.0 + room, row - height - 1.0])
    }
}

fn x_numbers(frame: &mut Frame, area: &Area, ticks: &Ticks) {
    for tick in &ticks.marks {
        let column = area.pixel([tick.share, 0.0])[0];
        centered(frame, &tick.label, [column, area.bottom() + 8.0]);
    }
}
