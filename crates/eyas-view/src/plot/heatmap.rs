//! Heat maps: a matrix as colours, with a scale beside it.

use super::axis::{Axis, Scale, minus};
use super::gradient::viridis;
use super::mark::Area;
use super::{GAP, MARGIN, centered, heading, limits, middle, widest};
use crate::frame::{Frame, palette};
use crate::text::{self, Size};

/// Width of the scale, px.
const BAR: f32 = 24.0;
/// Height of a point at its end, px.
const POINT: f32 = 14.0;
/// Cells at least this large, px, are drawn apart.
const APART: f32 = 10.0;

/// A matrix of numbers as colours, drawn as PNG.
///
/// Numbers stand in the cells where all of them fit. Cells without a finite number are grey. A few numbers far from all
/// others do not take the colours from those: they have the first or the last one, and the scale ends in a point there.
///
/// # Examples
///
/// ```
/// let rows = ["hover", "figure-8"];
/// let columns = ["crazyflie", "x500", "soft"];
/// let map = eyas_view::Heatmap::new("Position error", &rows, &columns, &[1.2, 3.4, 2.2, 5.6, 8.1, f64::NAN])
///     .x("vehicle", "")
///     .value("RMSE", "cm");
/// assert!(map.png().starts_with(b"\x89PNG"));
/// ```
#[derive(Clone, Debug)]
pub struct Heatmap {
    title: String,
    size: (usize, usize),
    x: Axis,
    y: Axis,
    value: Axis,
    rows: Vec<String>,
    columns: Vec<String>,
    /// Row by row.
    values: Vec<f64>,
}

/// How the names of columns are written.
#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Across,
    Up,
}

impl Heatmap {
    /// A map of 1200 × 800 px of values `[rows][columns]`, the first row on top.
    ///
    /// # Panics
    ///
    /// If there is no value, or their number is not that of rows times columns.
    pub fn new(title: &str, rows: &[impl AsRef<str>], columns: &[impl AsRef<str>], values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a heat map of no value");
        assert_eq!(
            values.len(),
            rows.len() * columns.len(),
            "values of {} × {} cells",
            rows.len(),
            columns.len()
        );
        Self {
            title: title.into(),
            size: (1200, 800),
            x: Axis::default(),
            y: Axis::default(),
            value: Axis::default(),
            rows: rows.iter().map(|name| name.as_ref().to_owned()).collect(),
            columns: columns.iter().map(|name| name.as_ref().to_owned()).collect(),
            values: values.to_vec(),
        }
    }

    /// Width and height of the picture, px; at least 400 × 300.
    pub fn size(mut self, width: usize, height: usize) -> Self {
        self.size = (width.max(400), height.max(300));
        self
    }

    /// What the columns are, and the unit of their names.
    pub fn x(mut self, label: &str, unit: &str) -> Self {
        (self.x.label, self.x.unit) = (label.into(), unit.into());
        self
    }

    /// What the rows are, and the unit of their names.
    pub fn y(mut self, label: &str, unit: &str) -> Self {
        (self.y.label, self.y.unit) = (label.into(), unit.into());
        self
    }

    /// What the values are, and their unit.
    pub fn value(mut self, label: &str, unit: &str) -> Self {
        (self.value.label, self.value.unit) = (label.into(), unit.into());
        self
    }

    /// Values of the first and the last colour; else the smallest and the largest one that are not far from the others.
    ///
    /// # Panics
    ///
    /// If `low < high` does not hold or one of them is not finite.
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.value.limits = Some(limits(low, high));
        self
    }

    /// The map as a PNG file; the same bytes on every machine.
    pub fn png(&self) -> Vec<u8> {
        self.frame().png()
    }

    /// The map as a picture.
    pub fn frame(&self) -> Frame {
        let mut frame = Frame::paper(self.size.0, self.size.1);
        let scale = Scale::new(&self.value, without_outliers(&self.values), 0.0);
        let (area, direction) = self.layout(&scale);
        heading(&mut frame, &self.title, [area.left, self.size.0 as f32 - area.left - MARGIN]);
        self.cells(&mut frame, &area, &scale);
        self.numbers(&mut frame, &area, &scale);
        self.row_names(&mut frame, &area);
        self.column_names(&mut frame, &area, direction);
        self.bar(&mut frame, &area, &scale);
        frame
    }

    /// Where the cells are, and how the names of the columns are written.
    fn layout(&self, scale: &Scale) -> (Area, Direction) {
        let (width, height) = (self.size.0 as f32, self.size.1 as f32);
        let line = text::line_height(Size::Plot);
        let top = MARGIN + if self.title.is_empty() { 0.0 } else { text::line_height(Size::Heading) + GAP };
        let names = longest(&self.rows).min(0.3 * width);
        let y_label = if self.y.label.is_empty() { 0.0 } else { line + GAP };
        let left = (MARGIN + y_label + names + 12.0).round();
        let bar_label = if self.value.label.is_empty() { 0.0 } else { line + GAP };
        let bar_numbers = widest(&scale.ticks(7)) + 12.0;
        let right = width - MARGIN - bar_label - bar_numbers - BAR - 28.0;
        let pitch = (right - left) / self.columns.len() as f32;
        let direction =
            if longest(&self.columns) + 10.0 <= pitch { Direction::Across } else { Direction::Up };
        let names = match direction {
            Direction::Across => line,
            Direction::Up => longest(&self.columns).min(0.3 * height),
        };
        let x_label = if self.x.label.is_empty() { 0.0 } else { line + 4.0 };
        let bottom = height - MARGIN - x_label - names - 4.0;
        (Area { left, top: top.round(), width: right - left, height: bottom - top.round() }, direction)
    }

    fn cells(&self, frame: &mut Frame, area: &Area, scale: &Scale) {
        let (width, height) = (area.width as usize, area.height as usize);
        for row in 0..height {
            for column in 0..width {
                let value = self.values[row * self.rows.len() / height * self.columns.len()
                    + column * self.columns.len() / width];
                let color = scale.share(value).map_or(palette::RULE, viridis);
                frame.blend(area.left as i32 + column as i32, area.top as i32 + row as i32, color, 1.0);
            }
        }
        let pitch = self.pitch(area);
        if pitch[0].min(pitch[1]) >= APART {
            for column in 1..self.columns.len() {
                let x = (area.left + column as f32 * pitch[0]).round() - 1.0;
                frame.fill([x, area.top, 2.0, area.height], palette::PAPER, 1.0);
            }
            for row in 1..self.rows.len() {
                let y = (area.top + row as f32 * pitch[1]).round() - 1.0;
                frame.fill([area.left, y, area.width, 2.0], palette::PAPER, 1.0);
            }
        }
    }

    /// Width and height of a cell, px.
    fn pitch(&self, area: &Area) -> [f32; 2] {
        [area.width / self.columns.len() as f32, area.height / self.rows.len() as f32]
    }

    /// Values in their cells, in the largest size that all of them fit in.
    fn numbers(&self, frame: &mut Frame, area: &Area, scale: &Scale) {
        let labels = labels(&self.values);
        let pitch = self.pitch(area);
        let fits = |size: &Size| {
            let widest = labels.iter().map(|label| text::width(label, *size)).fold(0.0, f32::max);
            widest + 8.0 <= pitch[0] && text::line_height(*size) + 2.0 <= pitch[1]
        };
        let Some(size) = [Size::Plot, Size::Small].into_iter().find(fits) else { return };
        for (index, label) in labels.iter().enumerate() {
            let (row, column) = (index / self.columns.len(), index % self.columns.len());
            let color = match scale.share(self.values[index]).map(viridis) {
                Some([r, g, b]) if 0.3 * r + 0.6 * g + 0.1 * b < 130.0 => palette::PAPER,
                _ => palette::INK,
            };
            let x = area.left + (column as f32 + 0.5) * pitch[0] - 0.5 * text::width(label, size);
            let y = area.top + (row as f32 + 0.5) * pitch[1] - 0.5 * text::line_height(size);
            text::write(frame, label, size, [x, y], color);
        }
    }

    fn row_names(&self, frame: &mut Frame, area: &Area) {
        let pitch = self.pitch(area)[1];
        let stride = stride(pitch);
        for (row, name) in self.rows.iter().enumerate().step_by(stride) {
            let name = text::fitted(name, Size::Plot, 0.3 * frame.width as f32);
            let x = area.left - 10.0 - text::width(&name, Size::Plot);
            let y = area.top + (row as f32 + 0.5) * pitch - middle();
            text::write(frame, &name, Size::Plot, [x, y], palette::INK);
        }
        up(frame, &self.y.title(0), MARGIN - 6.0, area);
    }

    fn column_names(&self, frame: &mut Frame, area: &Area, direction: Direction) {
        let pitch = self.pitch(area)[0];
        let line = text::line_height(Size::Plot);
        let stride = if direction == Direction::Up { stride(pitch) } else { 1 };
        for (column, name) in self.columns.iter().enumerate().step_by(stride) {
            let x = area.left + (column as f32 + 0.5) * pitch;
            if direction == Direction::Across {
                centered(frame, name, [x, area.bottom() + 6.0]);
            } else {
                let name = text::fitted(name, Size::Plot, 0.3 * frame.height as f32);
                let y = area.bottom() + 10.0 + text::width(&name, Size::Plot);
                text::write_up(frame, &name, Size::Plot, [x - middle(), y], palette::INK);
            }
        }
        let y = frame.height as f32 - MARGIN - line + 6.0;
        centered(frame, &self.x.title(0), [area.left + 0.5 * area.width, y]);
    }

    fn bar(&self, frame: &mut Frame, area: &Area, scale: &Scale) {
        let bar = Area { left: area.right().round() + 28.0, width: BAR, ..*area };
        for row in 0..bar.height as usize {
            let color = viridis(1.0 - (row as f64 + 0.5) / f64::from(bar.height));
            frame.fill([bar.left, bar.top + row as f32, BAR, 1.0], color, 1.0);
        }
        self.points(frame, &bar, scale);
        let ticks = scale.ticks((bar.height / 55.0).clamp(3.0, 8.0) as usize);
        for tick in &ticks.marks {
            let row = bar.pixel([0.0, tick.share])[1].round().min(bar.bottom() - 1.0);
            frame.fill([bar.right(), row, 6.0, 1.0], palette::INK, 0.8);
            text::write(frame, &tick.label, Size::Plot, [bar.right() + 11.0, row - middle()], palette::INK);
        }
        let left = frame.width as f32 - MARGIN - text::line_height(Size::Plot) + 6.0;
        up(frame, &self.value.title(ticks.exponent), left, area);
    }
}

impl Heatmap {
    /// Points at the ends of the bar beyond which there are values.
    fn points(&self, frame: &mut Frame, bar: &Area, scale: &Scale) {
        let [low, high] = scale.ends();
        let finite = || self.values.iter().filter(|value| value.is_finite());
        for row in 0..POINT as usize {
            let inset = (row as f32 + 1.0) * 0.5 * BAR / POINT;
            let line = [bar.left + inset, BAR - 2.0 * inset];
            if finite().any(|value| *value > high) {
                frame.fill([line[0], bar.top - 1.0 - row as f32, line[1], 1.0], viridis(1.0), 1.0);
            }
            if finite().any(|value| *value < low) {
                frame.fill([line[0], bar.bottom() + row as f32, line[1], 1.0], viridis(0.0), 1.0);
            }
        }
    }
}

/// Finite values within the outer fences of Tukey (1977): three times the range of the middle half from either end of it.
fn without_outliers(values: &[f64]) -> impl Iterator<Item = f64> {
    /// Fewer have no middle half to speak of.
    const FEWEST: usize = 8;
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut fences = [f64::NEG_INFINITY, f64::INFINITY];
    if sorted.len() >= FEWEST {
        let [first, third] = [sorted[sorted.len() / 4], sorted[(3 * sorted.len()) / 4]];
        let range = third - first;
        if range > 0.0 {
            fences = [first - 3.0 * range, third + 3.0 * range];
        }
    }
    sorted.into_iter().filter(move |value| (fences[0]..=fences[1]).contains(value))
}

/// A label that is read from below, at the middle of an area's height.
fn up(frame: &mut Frame, title: &str, left: f32, area: &Area) {
    let title = text::fitted(title, Size::Plot, area.height + 40.0);
    let start = area.top + 0.5 * (area.height + text::width(&title, Size::Plot));
    text::write_up(frame, &title, Size::Plot, [left, start], palette::INK);
}

/// Every how many lines of names, `pitch` px apart, there is room for one.
fn stride(pitch: f32) -> usize {
    // Letters from the highest to the lowest take 0.8 of a line.
    (0.8 * text::line_height(Size::Plot) / pitch).ceil().max(1.0) as usize
}

fn longest(names: &[String]) -> f32 {
    names.iter().map(|name| text::width(name, Size::Plot)).fold(0.0, f32::max)
}

/// Values with as many decimals as show three digits of the largest one; whole numbers have none.
fn labels(values: &[f64]) -> Vec<String> {
    let finite = || values.iter().filter(|value| value.is_finite());
    let largest = finite().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let are_whole = finite().all(|value| value.fract() == 0.0);
    let decimals = [100.0, 10.0, 1.0, 0.1, 0.01].iter().take_while(|limit| largest < **limit).count();
    let decimals = if are_whole { 0 } else { decimals };
    let label = |value: &f64| {
        if value.is_finite() { minus(&format!("{value:.decimals$}")) } else { "–".to_owned() }
    };
    values.iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_does_not_take_the_colours() {
        let mut values: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(without_outliers(&values).count(), 20);
        values.extend([1e6, f64::NAN]);
        let kept: Vec<f64> = without_outliers(&values).collect();
        assert_eq!((kept[0], kept[kept.len() - 1]), (0.0, 19.0));
        assert_eq!(without_outliers(&[0.0, 1e6]).count(), 2);
        // Most are the same: the others are what there is to see.
        assert_eq!(without_outliers(&[&[1.0; 20][..], &[5.0]].concat()).count(), 21);
    }

    #[test]
    fn numbers_show_three_digits_of_the_largest() {
        assert_eq!(labels(&[0.5, 12.25, f64::NAN]), ["0.5", "12.2", "–"]);
        assert_eq!(labels(&[-0.001, 0.5]), ["−0.001", "0.500"]);
        assert_eq!(labels(&[3.0, -120.0]), ["3", "−120"]);
    }
}
