//! Plots for papers: charts, heat maps, paths in space.

mod axis;
mod chart;
pub(crate) mod gradient;
mod heatmap;
mod mark;
mod paths;

pub use chart::Chart;
pub use heatmap::Heatmap;
pub use paths::Paths;

use axis::Ticks;

use crate::frame::{Frame, palette};
use crate::text::{self, Size};

/// Free space around a plot, px.
const MARGIN: f32 = 24.0;
/// Free space between its parts, px.
const GAP: f32 = 8.0;

/// Width of the longest number, px.
fn widest(ticks: &Ticks) -> f32 {
    ticks.marks.iter().map(|tick| text::width(&tick.label, Size::Plot)).fold(0.0, f32::max)
}

/// Distance from the top of a line of numbers to the middle of its digits, px.
fn middle() -> f32 {
    // Digits are as high as capital letters: 0.73 of the size in Inter.
    text::ascent(Size::Plot) - 0.5 * 0.73 * 20.0
}

fn limits(low: f64, high: f64) -> [f64; 2] {
    assert!(
        low < high && (high - low).is_finite(),
        "limits {low} and {high}, expected two finite numbers in order"
    );
    [low, high]
}

/// The title, from a left edge on.
fn heading(frame: &mut Frame, title: &str, [left, width]: [f32; 2]) {
    let title = text::fitted(title, Size::Heading, width);
    text::write(frame, &title, Size::Heading, [left, MARGIN - 6.0], palette::INK);
}

/// A text whose upper edge has its middle at a place.
fn centered(frame: &mut Frame, text: &str, [x, y]: [f32; 2]) {
    let left = x - 0.5 * text::width(text, Size::Plot);
    text::write(frame, text, Size::Plot, [left, y], palette::INK);
}
