//! Names, numbers and motor bars over a picture.

use crate::flight::Moment;
use crate::frame::{Color, Frame, palette};
use crate::plot::gradient::diverging;
use crate::text::{self, Size};

/// What a picture is labelled with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    /// Who flies: the policy.
    pub title: String,
    /// What flies, and along what.
    pub subtitle: String,
    /// Names of the motors, in the order of the actions.
    pub motors: [String; 4],
}

/// Below this width, px, a picture gets smaller cards and no map.
pub(crate) const COMPACT_WIDTH: usize = 900;
/// Below this one, px, only the essentials.
const MINIATURE_WIDTH: usize = 560;
/// Below this one, px, names on two lines and nothing that takes half of the picture.
const THUMBNAIL_WIDTH: usize = 280;

const MARGIN: f32 = 20.0;
/// Width and height of the card of the motors, px.
const MOTORS: [f32; 2] = [184.0, 142.0];
/// Distance from the edges, width and height of smaller ones, px.
const COMPACT_MOTORS: [f32; 3] = [10.0, 92.0, 56.0];
const SMALL_MOTORS: [f32; 3] = [6.0, 64.0, 42.0];
/// Least width of the card of a labelled memory, px.
const MEMORY_LABEL: f32 = 236.0;
const CARD_OPACITY: f32 = 0.80;

/// What the numbers over a picture say.
pub(crate) struct Shown<'a> {
    /// The vehicle, or the first of several, whose motors are shown.
    pub(crate) moment: &'a Moment,
    /// How many vehicles there are.
    pub(crate) num_vehicles: usize,
    /// Mean distance of the vehicles to their targets, m.
    pub(crate) position_error: f32,
    /// Whether one of them has crashed.
    pub(crate) has_crashed: bool,
    /// Time since the episode began, s.
    pub(crate) time_s: f32,
}

/// Everything but the legend; `memory` is the hidden state of a recurrent policy, else empty.
pub(crate) fn draw(frame: &mut Frame, caption: &Caption, shown: &Shown, memory: &[f32]) {
    if frame.width < THUMBNAIL_WIDTH {
        thumbnail(frame, caption, shown);
        // There is room for one of both.
        if memory.is_empty() {
            small_motors(frame, caption, shown, SMALL_MOTORS);
        }
    } else if frame.width < MINIATURE_WIDTH {
        miniature(frame, caption, shown);
    } else if frame.width < COMPACT_WIDTH {
        compact(frame, caption, shown);
    } else {
        title(frame, caption);
        numbers(frame, shown);
        motors(frame, caption, shown);
    }
    hidden_state(frame, memory);
    if shown.has_crashed {
        crash(frame);
    }
}

/// Distance of cards from the edges of a picture, px.
pub(crate) fn inset(width: usize) -> f32 {
    match width {
        0..MINIATURE_WIDTH => 6.0,
        MINIATURE_WIDTH..COMPACT_WIDTH => 10.0,
        _ => MARGIN,
    }
}

fn card(frame: &mut Frame, place: [f32; 4]) {
    frame.rounded(place, 8.0, palette::PAPER, CARD_OPACITY);
}

fn title(frame: &mut Frame, caption: &Caption) {
    let limit = 0.5 * frame.width as f32;
    let title = text::fitted(&caption.title, Size::Medium, limit);
    let subtitle = text::fitted(&caption.subtitle, Size::Small, limit);
    let width = text::width(&title, Size::Medium).max(text::width(&subtitle, Size::Small));
    card(frame, [MARGIN, MARGIN, width + 32.0, 62.0]);
    text::write(frame, &title, Size::Medium, [MARGIN + 16.0, MARGIN + 9.0], palette::INK);
    text::write(frame, &subtitle, Size::Small, [MARGIN + 16.0, MARGIN + 35.0], palette::FAINT_INK);
}

/// A length for people: millimetres below a metre.
fn length(meters: f32) -> (String, &'static str) {
    if meters < 0.9995 { (format!("{:.0}", 1000.0 * meters), "mm") } else { (format!("{meters:.2}"), "m") }
}

fn numbers(frame: &mut Frame, shown: &Shown) {
    let (error, unit) = length(shown.position_error);
    let time = format!("{:.2}", shown.time_s);
    let columns = [("time", time.as_str(), "s"), ("position error", error.as_str(), unit)];
    let column_width = 132.0;
    let width = 2.0 * column_width + 24.0;
    let left = frame.width as f32 - MARGIN - width;
    card(frame, [left, MARGIN, width, 78.0]);
    for (index, (name, value, unit)) in columns.into_iter().enumerate() {
        let right = left + 8.0 + (index + 1) as f32 * column_width;
        text::write(
            frame,
            name,
            Size::Small,
            [right - text::width(name, Size::Small), MARGIN + 9.0],
            palette::FAINT_INK,
        );
        let unit_left = right - text::width(unit, Size::Medium);
        let base = MARGIN + 28.0 + text::ascent(Size::Large);
        text::write(
            frame,
            unit,
            Size::Medium,
            [unit_left, base - text::ascent(Size::Medium)],
            palette::FAINT_INK,
        );
        let value_left = unit_left - 5.0 - text::width(value, Size::Large);
        text::write(frame, value, Size::Large, [value_left, MARGIN + 28.0], palette::INK);
    }
}

fn motors(frame: &mut Frame, caption: &Caption, shown: &Shown) {
    let [width, height] = MOTORS;
    let top = frame.height as f32 - MARGIN - height;
    card(frame, [MARGIN, top, width, height]);
    let label = if shown.num_vehicles > 1 { "motors of the first, %" } else { "motor commands, %" };
    text::write(frame, label, Size::Small, [MARGIN + 16.0, top + 9.0], palette::FAINT_INK);
    for motor in 0..4 {
        let left = MARGIN + 20.0 + 40.0 * motor as f32;
        let share = shown.moment.throttle[motor];
        bar(frame, [left, top + 34.0, 24.0, 62.0], share, motor_color(&caption.motors[motor]));
        let middle = left + 12.0;
        let number = format!("{:.0}", 100.0 * share);
        for (label, y, color) in
            [(number.as_str(), 98.0, palette::INK), (&caption.motors[motor], 116.0, palette::FAINT_INK)]
        {
            let start = middle - 0.5 * text::width(label, Size::Small);
            text::write(frame, label, Size::Small, [start, top + y], color);
        }
    }
}

/// As the propellers: orange ahead, blue behind.
fn motor_color(name: &str) -> Color {
    if name.starts_with('F') { palette::ACCENT } else { palette::REFERENCE }
}

fn bar(frame: &mut Frame, [x, y, width, height]: [f32; 4], share: f32, color: Color) {
    frame.rounded([x, y, width, height], 3.0, palette::RULE, 0.55);
    let filled = (height * share.clamp(0.0, 1.0)).max(1.0);
    frame.rounded([x, y + height - filled, width, filled], 3.0, color, 1.0);
}

fn compact(frame: &mut Frame, caption: &Caption, shown: &Shown) {
    let (error, unit) = length(shown.position_error);
    let limit = frame.width as f32 - 210.0;
    let title = text::fitted(&caption.title, Size::Medium, limit);
    let subtitle = text::fitted(&caption.subtitle, Size::Small, limit);
    let width = text::width(&title, Size::Medium).max(text::width(&subtitle, Size::Small)) + 24.0;
    card(frame, [10.0, 10.0, width, 54.0]);
    text::write(frame, &title, Size::Medium, [22.0, 14.0], palette::INK);
    text::write(frame, &subtitle, Size::Small, [22.0, 39.0], palette::FAINT_INK);
    let lines = [format!("{:.2} s", shown.time_s), format!("error {error} {unit}")];
    let left = frame.width as f32 - 10.0 - 122.0;
    card(frame, [left, 10.0, 122.0, 54.0]);
    for (line, (size, y, color)) in
        lines.iter().zip([(Size::Small, 16.0, palette::FAINT_INK), (Size::Small, 38.0, palette::INK)])
    {
        let start = left + 110.0 - text::width(line, size);
        text::write(frame, line, size, [start, y], color);
    }
    small_motors(frame, caption, shown, COMPACT_MOTORS);
}

/// Motor bars without numbers in the lower left corner: distance from the edges, width and height, px.
fn small_motors(frame: &mut Frame, caption: &Caption, shown: &Shown, [inset, width, height]: [f32; 3]) {
    let top = frame.height as f32 - inset - height;
    card(frame, [inset, top, width, height]);
    let pitch = (width - 12.0) / 4.0;
    for motor in 0..4 {
        let left = inset + 9.0 + pitch * motor as f32;
        let color = motor_color(&caption.motors[motor]);
        bar(frame, [left, top + 8.0, pitch - 6.0, height - 16.0], shown.moment.throttle[motor], color);
    }
}

fn miniature(frame: &mut Frame, caption: &Caption, shown: &Shown) {
    let (error, unit) = length(shown.position_error);
    let numbers = format!("{:.2} s   {error} {unit}", shown.time_s);
    let numbers_width = text::width(&numbers, Size::Small) + 16.0;
    let title = text::fitted(&caption.title, Size::Small, frame.width as f32 - numbers_width - 36.0);
    card(frame, [6.0, 6.0, text::width(&title, Size::Small) + 16.0, 26.0]);
    text::write(frame, &title, Size::Small, [14.0, 10.0], palette::INK);
    let left = frame.width as f32 - 6.0 - numbers_width;
    card(frame, [left, 6.0, numbers_width, 26.0]);
    text::write(frame, &numbers, Size::Small, [left + 8.0, 10.0], palette::INK);
    small_motors(frame, caption, shown, SMALL_MOTORS);
}

/// Who and what in two lines, and the error.
fn thumbnail(frame: &mut Frame, caption: &Caption, shown: &Shown) {
    let limit = frame.width as f32 - 28.0;
    let title = text::fitted(&caption.title, Size::Small, limit);
    let subtitle = text::fitted(&caption.subtitle, Size::Small, limit);
    let width = text::width(&title, Size::Small).max(text::width(&subtitle, Size::Small)) + 16.0;
    card(frame, [6.0, 6.0, width, 42.0]);
    text::write(frame, &title, Size::Small, [14.0, 9.0], palette::INK);
    text::write(frame, &subtitle, Size::Small, [14.0, 26.0], palette::FAINT_INK);
    let (error, unit) = length(shown.position_error);
    let error = format!("{error} {unit}");
    let width = text::width(&error, Size::Small) + 16.0;
    let [left, top] = [frame.width as f32 - 6.0 - width, frame.height as f32 - 32.0];
    card(frame, [left, top, width, 26.0]);
    text::write(frame, &error, Size::Small, [left + 8.0, top + 4.0], palette::INK);
}

/// Cells of a row of the hidden state, and rows of it: wider states are cut.
const CELLS: usize = 16;
const ROWS: usize = 4;

/// The hidden state as cells of colours, above the motors where they are shown; nothing if there is none.
fn hidden_state(frame: &mut Frame, numbers: &[f32]) {
    if numbers.is_empty() {
        return;
    }
    let (cell, above) = match frame.width {
        0..THUMBNAIL_WIDTH => (6.0, SMALL_MOTORS[0]),
        THUMBNAIL_WIDTH..MINIATURE_WIDTH => (6.0, SMALL_MOTORS[0] + SMALL_MOTORS[2] + 4.0),
        MINIATURE_WIDTH..COMPACT_WIDTH => (8.0, COMPACT_MOTORS[0] + COMPACT_MOTORS[2] + 6.0),
        _ => (12.0, MARGIN + MOTORS[1] + 10.0),
    };
    let is_labelled = frame.width >= COMPACT_WIDTH;
    let head = if is_labelled { 24.0 } else { 0.0 };
    let pad = if is_labelled { 12.0 } else { 5.0 };
    let rows = numbers.len().div_ceil(CELLS).min(ROWS);
    let columns = numbers.len().min(CELLS);
    let (width, height) = (columns as f32 * cell + 2.0 * pad, rows as f32 * cell + 2.0 * pad + head);
    let (left, top) = (inset(frame.width), frame.height as f32 - above - height);
    card(frame, [left, top, if is_labelled { width.max(MEMORY_LABEL) } else { width }, height]);
    if is_labelled {
        let shown = CELLS * ROWS;
        let label = if numbers.len() > shown {
            format!("hidden state, {shown} of {}, −1 to 1", numbers.len())
        } else {
            "hidden state, −1 to 1".into()
        };
        text::write(frame, &label, Size::Small, [left + pad, top + 8.0], palette::FAINT_INK);
    }
    for (place, number) in numbers.iter().take(CELLS * ROWS).enumerate() {
        let at = |index: usize| index as f32 * cell + pad;
        let corner = [left + at(place % CELLS), top + head + at(place / CELLS)];
        frame.fill([corner[0], corner[1], cell - 1.0, cell - 1.0], palette::RULE, 1.0);
        let inner = [corner[0] + 0.5, corner[1] + 0.5, cell - 2.0, cell - 2.0];
        frame.fill(inner, diverging(*number), 1.0);
    }
}

fn crash(frame: &mut Frame) {
    let (label, size, top, height) = match frame.width {
        0..THUMBNAIL_WIDTH => ("limits exceeded", Size::Small, 54.0, 26.0),
        THUMBNAIL_WIDTH..MINIATURE_WIDTH => ("limits exceeded", Size::Small, 38.0, 26.0),
        MINIATURE_WIDTH..COMPACT_WIDTH => ("episode ended: limits exceeded", Size::Medium, 74.0, 40.0),
        _ => ("episode ended: limits exceeded", Size::Medium, MARGIN, 40.0),
    };
    let width = text::width(label, size) + 36.0;
    let left = 0.5 * (frame.width as f32 - width);
    frame.rounded([left, top, width, height], 8.0, palette::FLOWN, 0.94);
    let text_top = top + 0.5 * (height - text::line_height(size));
    text::write(frame, label, size, [left + 18.0, text_top], palette::PAPER);
}

/// What the lines are, and how large the grid is.
pub(crate) fn legend(frame: &mut Frame, grid_m: f32, magnification: f32, [edge, right]: [f32; 2]) {
    let is_thumbnail = frame.width < THUMBNAIL_WIDTH;
    let is_miniature = frame.width < MINIATURE_WIDTH;
    let mut notes = Vec::new();
    if !is_miniature {
        notes.push((Some(palette::FLOWN), "flown".to_owned()));
        notes.push((Some(palette::REFERENCE), "target".to_owned()));
    }
    if !is_thumbnail {
        notes.push((None, format!("grid {grid_m} m")));
    }
    if magnification > 1.05 {
        let what = if is_thumbnail { "" } else { "vehicle " };
        notes.push((None, format!("{what}×{magnification:.1}")));
    }
    if notes.is_empty() {
        return;
    }
    let widths: Vec<f32> = notes
        .iter()
        .map(|(mark, note)| text::width(note, Size::Small) + if mark.is_some() { 26.0 } else { 0.0 })
        .collect();
    let width = widths.iter().sum::<f32>() + 18.0 * (notes.len() - 1) as f32 + 28.0;
    let height = if is_miniature { 26.0 } else { 30.0 };
    // A thumbnail's error stands below.
    let below = if is_thumbnail { height + 4.0 } else { 0.0 };
    let top = frame.height as f32 - (frame.width as f32 - edge) - height - below;
    let mut pen = right - width;
    card(frame, [pen, top, width, height]);
    pen += 14.0;
    let text_top = top + 0.5 * (height - text::line_height(Size::Small));
    for ((mark, note), width) in notes.iter().zip(widths) {
        let mut start = pen;
        if let Some(color) = mark {
            frame.rounded([start, top + 0.5 * height - 2.0, 18.0, 4.0], 2.0, *color, 1.0);
            start += 26.0;
        }
        text::write(frame, note, Size::Small, [start, text_top], palette::INK);
        pen += width + 18.0;
    }
}
