//! The picture of a run.

use eyas_run::progress;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Axis, Block, BorderType, Chart, Dataset, GraphType, LineGauge, Paragraph, Row, Table,
};

use super::state::DashboardState;

/// One panel: its title, whether it is logarithmic, and the tags that it shows if a run has them, each with its name.
struct Panel {
    title: &'static str,
    is_logarithmic: bool,
    tags: &'static [[&'static str; 2]],
}

/// Curves that say how a run goes, whatever learns.
const PANELS: [Panel; 3] = [
    Panel {
        title: "return",
        is_logarithmic: false,
        tags: &[
            ["evaluation/mean_return", "evaluated"],
            ["data_collection/mean_return", "collected"],
            ["Train/mean_reward", "train"],
            ["fleet/return", "of teacher"],
        ],
    },
    Panel {
        title: "loss",
        is_logarithmic: true,
        tags: &[["training/loss", ""], ["Loss/cost", "cost"], ["Loss/value_function", "value"]],
    },
    Panel {
        title: "crash rate",
        is_logarithmic: false,
        tags: &[
            ["evaluation/crash_rate", "evaluated"],
            ["data_collection/crash_rate", "collected"],
            ["fleet/terminated", "of teacher"],
        ],
    },
];
/// Colours of the curves of a panel, which colour-blind eyes tell apart in most palettes of terminals.
const COLORS: [Color; 2] = [Color::LightYellow, Color::LightBlue];
const FAINT: Style = Style::new().fg(Color::DarkGray);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame, state: &DashboardState) {
    draw_at(frame, state, state.elapsed_s());
}

/// The picture after so many seconds.
fn draw_at(frame: &mut Frame, state: &DashboardState, elapsed_s: f64) {
    let [head, charts, middle, log, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Fill(5),
        Constraint::Fill(4),
        Constraint::Fill(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(frame, head, state, elapsed_s);
    let is_known = |panel: &&Panel| panel.tags.iter().any(|[tag, _]| state.curves.contains_key(*tag));
    let known: Vec<&Panel> = PANELS.iter().filter(is_known).collect();
    let areas = Layout::horizontal(vec![Constraint::Fill(1); known.len()]).split(charts);
    for (panel, area) in known.into_iter().zip(areas.iter()) {
        draw_panel(frame, *area, state, panel);
    }
    let [left, right] = if state.table.is_some() {
        Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(middle)
    } else {
        [Rect::default(), middle]
    };
    draw_table(frame, left, state);
    draw_phases(frame, right, state, elapsed_s);
    draw_log(frame, log, state);
    let keys = match (state.is_stopping, state.table.is_some()) {
        (true, _) => " stopping after this step; again: stop at once, without a checkpoint",
        (false, true) => " q, Ctrl-C: write a checkpoint and stop    ↑ ↓ PgUp PgDn Home: scroll the table",
        (false, false) => " q, Ctrl-C: write a checkpoint and stop",
    };
    frame.render_widget(Line::styled(keys, if state.is_stopping { STRONG } else { FAINT }), foot);
}

fn draw_head(frame: &mut Frame, area: Rect, state: &DashboardState, elapsed_s: f64) {
    let [title, gauge] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let mut words = vec![
        Span::styled(format!(" eyas {}", state.title), STRONG),
        Span::raw(format!("   {} {}/{}", state.step_unit, state.position, state.total)),
        Span::raw(format!("   {} so far", progress::duration(elapsed_s))),
    ];
    if let Some(left_s) = state.left_s(elapsed_s) {
        words.push(Span::raw(format!("   {} left", progress::duration(left_s))));
    }
    if let Some(rate) = state.rate(elapsed_s) {
        words.push(Span::raw(format!("   {} {}/s", progress::rate(rate), state.rate_unit)));
    }
    frame.render_widget(Line::from(words), title);
    let share = state.position as f64 / state.total.max(1) as f64;
    let bar = LineGauge::default()
        .ratio(share.clamp(0.0, 1.0))
        .label(format!(" {:3.0} %", 100.0 * share))
        .filled_style(Style::new().fg(COLORS[0]))
        .unfilled_style(FAINT);
    frame.render_widget(bar, gauge);
}

fn framed<'a>(title: impl Into<Line<'a>>) -> Block<'a> {
    Block::bordered().border_type(BorderType::Rounded).border_style(FAINT).title(title)
}

fn draw_panel(frame: &mut Frame, area: Rect, state: &DashboardState, panel: &Panel) {
    let known = panel.tags.iter().filter_map(|[tag, name]| Some((name, state.curves.get(*tag)?)));
    let drawn = |value: f64| if panel.is_logarithmic { libm::log10(value) } else { value };
    let mut title = vec![Span::styled(format!(" {} ", panel.title), STRONG)];
    let mut lines: Vec<Vec<(f64, f64)>> = Vec::new();
    for ((name, curve), color) in known.zip(COLORS) {
        let points = curve.points().map(|(step, value)| (step, drawn(value)));
        lines.push(points.filter(|(_, value)| value.is_finite()).collect());
        if let Some((_, last)) = curve.points().last() {
            title.push(Span::styled(format!("{name} {} ", number(last)), Style::new().fg(color)));
        }
    }
    let block = framed(Line::from(title));
    let all = || lines.iter().flatten();
    let Some((x, y)) = bounds(all().map(|it| it.0)).zip(bounds(all().map(|it| it.1))) else {
        frame.render_widget(block, area);
        return;
    };
    let value = |at: f64| number(if panel.is_logarithmic { libm::exp10(at) } else { at });
    let label = |text: String| Span::styled(text, FAINT);
    let datasets = lines
        .iter()
        .zip(COLORS)
        .map(|(points, color)| {
            // Teachers of a fleet are done in any order.
            let is_ordered = points.windows(2).all(|pair| pair[0].0 <= pair[1].0);
            Dataset::default()
                .marker(Marker::Braille)
                .graph_type(if is_ordered { GraphType::Line } else { GraphType::Scatter })
                .style(Style::new().fg(color))
                .data(points)
        })
        .collect();
    let chart = Chart::new(datasets)
        .block(block)
        .legend_position(None)
        .x_axis(Axis::default().bounds(x).labels(x.map(|at| label(format!("{at:.0}")))).style(FAINT))
        .y_axis(
            Axis::default()
                .bounds(y)
                .labels([y[0], 0.5 * (y[0] + y[1]), y[1]].map(|at| label(value(at))))
                .style(FAINT),
        );
    frame.render_widget(chart, area);
}

/// The least and the largest of numbers, apart from each other; nothing if there are none.
fn bounds(numbers: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let start = [f64::INFINITY, f64::NEG_INFINITY];
    let [low, high] = numbers.fold(start, |[low, high], it| [low.min(it), high.max(it)]);
    let pad = if low < high { 0.0 } else { 0.5 };
    // A rate that is always 0 lies on the axis.
    let low = if low == 0.0 { low } else { low - pad };
    (low <= high).then_some([low, high + pad])
}

/// Four digits at most.
fn number(value: f64) -> String {
    match libm::fabs(value) {
        size if size >= 1e5 => format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || value == 0.0 => format!("{value:.2}"),
        size if size >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

fn draw_table(frame: &mut Frame, area: Rect, state: &DashboardState) {
    let Some((title, table)) = &state.table else { return };
    let height = usize::from(area.height.saturating_sub(3));
    let first = state.first_row.min(table.rows.len().saturating_sub(height));
    let last = (first + height).min(table.rows.len());
    let title = format!(" {title}, {}–{last} of {} ", first + usize::from(last > 0), table.rows.len());
    let widths = (0..table.columns.len()).map(|column| {
        let cells = table.rows.iter().chain([&table.columns]).map(|row| row[column].chars().count());
        Constraint::Length(cells.max().unwrap_or_default().min(24) as u16)
    });
    let rows = table.rows[first..last].iter().map(|row| Row::new(row.iter().map(String::as_str)));
    let shown = Table::new(rows, widths)
        .header(Row::new(table.columns.iter().map(String::as_str)).style(FAINT))
        .column_spacing(2)
        .block(framed(title));
    frame.render_widget(shown, area);
}

/// What the time went into.
fn draw_phases(frame: &mut Frame, area: Rect, state: &DashboardState, elapsed_s: f64) {
    let known: f64 = state.phases.values().sum();
    let rest = ("other", (elapsed_s - known).max(0.0));
    let phases = state.phases.iter().map(|(name, seconds)| (name.as_str(), *seconds)).chain([rest]);
    let share = |seconds: f64| 100.0 * seconds / elapsed_s.max(known).max(f64::MIN_POSITIVE);
    let lines: Vec<Line> = phases
        .map(|(name, seconds)| {
            let bar = "▇".repeat((0.2 * share(seconds)).round() as usize);
            Line::from(vec![
                Span::raw(format!(
                    " {name:<11}{:>12} {:>4.0} % ",
                    progress::duration(seconds),
                    share(seconds)
                )),
                Span::styled(bar, Style::new().fg(COLORS[1])),
            ])
        })
        .collect();
    frame.render_widget(Paragraph::new(lines).block(framed(" time ")), area);
}

fn draw_log(frame: &mut Frame, area: Rect, state: &DashboardState) {
    let shown = usize::from(area.height.saturating_sub(2));
    // Rules part the lines of a page; here they are in the way.
    let lines = state.lines.iter().filter(|line| !line.trim_start_matches('=').is_empty());
    let skipped = lines.clone().count().saturating_sub(shown);
    let lines: Vec<Line> = lines.skip(skipped).map(|line| Line::raw(line.as_str())).collect();
    frame.render_widget(Paragraph::new(lines).block(framed(" log ")), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn state() -> DashboardState {
        let mut state = DashboardState::new("distill", ["epoch", "samples"], 0, 100);
        for epoch in 0..40_u32 {
            let x = f64::from(epoch);
            state.scalar("training/loss", u64::from(epoch), 0.2 / (1.0 + x));
            state.scalar("data_collection/mean_return", u64::from(epoch), 700.0 - 300.0 / (1.0 + 0.3 * x));
            state.scalar("data_collection/crash_rate", u64::from(epoch), 0.5 / (1.0 + x));
            if epoch % 5 == 0 {
                state.scalar("evaluation/mean_return", u64::from(epoch), 690.0 - 600.0 / (1.0 + 0.3 * x));
                state.scalar("evaluation/crash_rate", u64::from(epoch), 1.0 / (1.0 + x));
            }
            state.scalar("perf/collection_s", u64::from(epoch), 0.6);
            state.scalar("perf/training_s", u64::from(epoch), 1.2);
            state.scalar("perf/evaluation_s", u64::from(epoch), 0.1);
        }
        state.set_position(40);
        state.count(3_200_000);
        state
            .line("Training - Mean loss: 0.005000\n\n[INFO] Checkpoint saved to logs/checkpoint_epoch_40.pt");
        state
    }

    fn picture(state: &DashboardState, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw_at(frame, state, 80.0)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_distillation_of_many_teachers_looks_like_this() {
        let mut state = state();
        let names: Vec<String> = (0..20).map(|teacher| format!("{teacher:04}")).collect();
        let returns: Vec<f64> = (0..20).map(|teacher| 700.0 - 13.0 * f64::from(teacher)).collect();
        state.returns(&names, &returns);
        insta::assert_snapshot!(picture(&state, 120, 34));
    }

    #[test]
    fn a_run_of_one_teacher_fits_into_a_small_terminal() {
        insta::assert_snapshot!(picture(&state(), 80, 24));
    }

    #[test]
    fn a_terminal_without_room_is_no_panic() {
        let mut state = state();
        state.returns(&["a".into()], &[1.0]);
        for (width, height) in [(1, 1), (7, 3), (20, 5), (300, 2)] {
            picture(&state, width, height);
        }
    }

    #[test]
    fn a_run_that_has_told_nothing_is_drawn() {
        let told = picture(&DashboardState::new("train", ["iteration", "steps"], 0, 10), 80, 24);
        assert!(told.contains("iteration 0/10") && !told.contains("left"), "{told}");
    }
}
