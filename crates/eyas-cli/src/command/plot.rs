//! `eyas plot`: columns of CSV files and curves of runs as PNG.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyas::Failure;
use eyas::csv::Table;
use eyas::labels::{can_be_drawn, labels_of, names_of};
use eyas::run_files::write_file;
use eyas_view::Chart;

use crate::arguments::{Columns, Heatmap, Lines, Picture, Plot, PlotCommand, Range};
use crate::print::tell;

pub(crate) fn run(arguments: &Plot) -> Result<ExitCode, Failure> {
    match &arguments.command {
        PlotCommand::Lines(Lines { columns, band }) => chart(columns, &Mark::Line(band)),
        PlotCommand::Scatter(columns) => chart(columns, &Mark::Points),
        PlotCommand::Heatmap(it) => heatmap(it),
    }
}

/// How rows are drawn.
enum Mark<'a> {
    /// With the columns of a band, or none.
    Line(&'a [String]),
    Points,
}

fn chart(arguments: &Columns, mark: &Mark) -> Result<ExitCode, Failure> {
    let out = target(&arguments.picture)?;
    let panels = panels(arguments, mark)?;
    let tables = arguments.files.iter().map(|file| Table::read(file)).collect::<Result<Vec<_>, _>>()?;
    let sources = Sources { arguments, mark, tables: tables.into_iter().zip(labels(arguments)?).collect() };
    let (width, height) = arguments.picture.size;
    let (label, unit) = label_and_unit(arguments.x_label.as_deref(), &arguments.x);
    let mut chart = Chart::new(&arguments.picture.title).size(width, height).x(&label, &unit);
    if arguments.log_x {
        chart = chart.log_x();
    }
    if let Some([low, high]) = limits(arguments.x_range.as_ref(), arguments.log_x, "x_range")? {
        chart = chart.x_range(low, high);
    }
    let is_alone = sources.is_alone(&panels);
    for (index, columns) in panels.iter().enumerate() {
        chart = axis(chart, arguments, index, columns)?;
        for (table, label) in &sources.tables {
            for column in columns {
                let name = if is_alone { String::new() } else { sources.name(label, column, columns.len()) };
                chart = sources.draw(chart, table, column, (&name, index))?;
            }
        }
    }
    let texts = [arguments.picture.title.as_str(), &label, &unit];
    let names = sources.tables.iter().map(|(_, name)| name.as_str()).filter(|_| !is_alone);
    let others = panels.iter().flatten().chain(&arguments.y_label).map(String::as_str);
    let references = arguments.reference.iter().map(|(_, label)| label.as_str());
    texts.into_iter().chain(names).chain(others).chain(references).try_for_each(can_be_drawn)?;
    match chart.num_without_place() {
        0 => {}
        count => tell(format!(
            "warning: {}: an axis holds numbers between ±1e300, a logarithmic one those from 1e-300",
            match count {
                1 => "one of the points has no place in the plot and is a gap".to_owned(),
                _ => format!("{count} of the points have no place in the plot and are gaps"),
            }
        )),
    }
    write(out, &chart.png())
}

/// Starts a panel: label, limits and, in the first one, references.
fn axis(mut chart: Chart, arguments: &Columns, index: usize, columns: &[String]) -> Result<Chart, Failure> {
    let only = if let [column] = columns { column } else { "" };
    let (label, unit) = label_and_unit(arguments.y_label.get(index).map(String::as_str), only);
    chart = if index == 0 { chart.y(&label, &unit) } else { chart.panel(&label, &unit) };
    if arguments.log_y {
        chart = chart.log_y();
    }
    if let Some([low, high]) = limits(arguments.y_range.get(index), arguments.log_y, "y_range")? {
        chart = chart.y_range(low, high);
    }
    if index == 0 {
        chart = arguments.reference.iter().fold(chart, |it, (value, label)| it.reference(*value, label));
    }
    Ok(chart)
}

/// What is drawn from.
struct Sources<'a> {
    arguments: &'a Columns,
    mark: &'a Mark<'a>,
    /// Each file and its name in the legend.
    tables: Vec<(Table, String)>,
}

impl Sources<'_> {
    /// A single series in each panel needs no legend unless one was asked for.
    fn is_alone(&self, panels: &[Vec<String>]) -> bool {
        self.tables.len() == 1 && self.arguments.labels.is_empty() && panels.iter().all(|it| it.len() == 1)
    }

    /// The name of a series in a panel of some columns.
    fn name(&self, label: &str, column: &str, columns: usize) -> String {
        match (columns, self.tables.len()) {
            (1, _) => label.to_owned(),
            (_, 1) if self.arguments.labels.is_empty() => column.to_owned(),
            _ => format!("{label}: {column}"),
        }
    }

    /// Adds a series of a name to a panel.
    fn draw(
        &self,
        chart: Chart,
        table: &Table,
        column: &str,
        (name, panel): (&str, usize),
    ) -> Result<Chart, Failure> {
        let points = Points::read(table, self.arguments, column)?;
        Ok(match self.mark {
            Mark::Points => chart.points(name, &points.pairs()),
            Mark::Line(band) if panel == 0 && !band.is_empty() => {
                chart.line_with_band(name, &points.with_band(table, band)?)
            }
            Mark::Line(_) => chart.line(name, &points.pairs()),
        })
    }
}

/// The columns of each panel; flags that do not fit them are errors.
fn panels(arguments: &Columns, mark: &Mark) -> Result<Vec<Vec<String>>, Failure> {
    let mut panels = vec![arguments.y.clone()];
    panels.extend(arguments.panel.iter().map(|it| it.split(',').map(str::to_owned).collect()));
    for (flag, count) in [("y_label", arguments.y_label.len()), ("y_range", arguments.y_range.len())] {
        if count > panels.len() {
            return Err(Failure::new(format!("{count} times `--{flag}` for {} panels", panels.len())));
        }
    }
    match mark {
        Mark::Line([] | [_, _]) | Mark::Points => {}
        Mark::Line(band) => {
            let message = format!("`--band` names {} columns, expected a low and a high one", band.len());
            return Err(Failure::new(message));
        }
    }
    if matches!(mark, Mark::Line([_, ..])) && arguments.y.len() > 1 {
        let message = format!("`--band` with {} columns in `--y`, expected one", arguments.y.len());
        return Err(
            Failure::new(message).hint("draw the other columns in a panel of their own: `--panel COLUMN`")
        );
    }
    Ok(panels)
}

/// Names of the files in the legend.
fn labels(arguments: &Columns) -> Result<Vec<String>, Failure> {
    let stem = |file: &PathBuf| if file.is_dir() { file.clone() } else { file.with_extension("") };
    let stems: Vec<PathBuf> = arguments.files.iter().map(stem).collect();
    // `a.csv` and `a.tsv` are told apart by their endings.
    let paths = if names_of(&stems).is_some() { &stems } else { &arguments.files };
    labels_of(&arguments.labels, paths, "files")
}

/// The rows of a table that hold both x and y.
struct Points {
    /// Row, x and y.
    rows: Vec<(usize, f64, f64)>,
}

impl Points {
    fn read(table: &Table, arguments: &Columns, column: &str) -> Result<Self, Failure> {
        let (xs, ys) = (table.numbers(&arguments.x)?, table.numbers(column)?);
        let pairs = xs.into_iter().zip(ys).enumerate();
        let rows: Vec<_> = pairs.filter_map(|(row, (x, y))| Some((row, x?, y?))).collect();
        let can_show = |value: f64, is_log: bool| Chart::has_place(value, is_log);
        let is_shown =
            |(_, x, y): &(usize, f64, f64)| can_show(*x, arguments.log_x) && can_show(*y, arguments.log_y);
        if rows.iter().any(is_shown) {
            return Ok(Self { rows });
        }
        let kind = if arguments.log_x || arguments.log_y {
            "numbers between ±1e300, from 1e-300 on where logarithmic,"
        } else {
            "numbers between ±1e300"
        };
        let message = format!("no row has {kind} in `{}` and `{column}`", arguments.x);
        Err(Failure::new(message).at(&table.path().display()))
    }

    fn pairs(&self) -> Vec<[f64; 2]> {
        self.rows.iter().map(|(_, x, y)| [*x, *y]).collect()
    }

    fn with_band(&self, table: &Table, band: &[String]) -> Result<Vec<[f64; 4]>, Failure> {
        let (low, high) = (table.numbers(&band[0])?, table.numbers(&band[1])?);
        let or_gap = |value: Option<f64>| value.unwrap_or(f64::NAN);
        Ok(self.rows.iter().map(|(row, x, y)| [*x, *y, or_gap(low[*row]), or_gap(high[*row])]).collect())
    }
}

fn heatmap(arguments: &Heatmap) -> Result<ExitCode, Failure> {
    let out = target(&arguments.picture)?;
    let table = Table::read(&arguments.file)?;
    let [corner, columns @ ..] = table.names() else { unreachable!("a table has a column") };
    let numbers =
        (1..=columns.len()).map(|column| table.numbers_at(column)).collect::<Result<Vec<_>, _>>()?;
    let rows = table.texts(0);
    let value = |row: usize, column: &Vec<Option<f64>>| column[row].unwrap_or(f64::NAN);
    let values: Vec<f64> =
        (0..rows.len()).flat_map(|row| numbers.iter().map(move |column| value(row, column))).collect();
    if !values.iter().any(|value| value.is_finite()) {
        let hint = "a heat map's file has a header line, then lines of a name and numbers";
        return Err(Failure::new("no numbers").at(&arguments.file.display()).hint(hint));
    }
    let (x, x_unit) = label_and_unit(arguments.x_label.as_deref(), "");
    let (y, y_unit) = label_and_unit(arguments.y_label.as_deref(), corner);
    let (label, unit) = label_and_unit(arguments.value_label.as_deref(), "");
    let texts = [arguments.picture.title.as_str(), &x, &x_unit, &y, &y_unit, &label, &unit];
    let names = rows.iter().chain(columns).map(String::as_str);
    texts.into_iter().chain(names).try_for_each(can_be_drawn)?;
    let (width, height) = arguments.picture.size;
    let mut map = eyas_view::Heatmap::new(&arguments.picture.title, &rows, columns, &values)
        .size(width, height)
        .x(&x, &x_unit)
        .y(&y, &y_unit)
        .value(&label, &unit);
    if let Some(range) = arguments.range {
        map = map.range(range.low, range.high);
    }
    write(out, &map.png())
}

fn target(picture: &Picture) -> Result<&Path, Failure> {
    if picture.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        return Ok(&picture.out);
    }
    let message = format!("`--out {}`, expected a file that ends in `.png`", picture.out.display());
    Err(Failure::new(message))
}

fn write(out: &Path, png: &[u8]) -> Result<ExitCode, Failure> {
    write_file(out, png)?;
    Ok(ExitCode::SUCCESS)
}

/// The limits of an axis as a flag gives them.
fn limits(range: Option<&Range>, is_log: bool, flag: &str) -> Result<Option<[f64; 2]>, Failure> {
    match range {
        Some(range) if is_log && range.low <= 0.0 => {
            let message =
                format!("`--{flag}` starts at {}, a logarithmic axis has positive numbers", range.low);
            Err(Failure::new(message))
        }
        range => Ok(range.map(|range| [range.low, range.high])),
    }
}

/// Label and unit from a text like `wall time (min)`, else from the name of a column like `wall_time_s`.
fn label_and_unit(text: Option<&str>, column: &str) -> (String, String) {
    /// Endings of names, longer ones first.
    const UNITS: [(&str, &str); 14] = [
        ("_rad_s", "rad/s"),
        ("_m_s2", "m/s²"),
        ("_m_s", "m/s"),
        ("_rad", "rad"),
        ("_deg", "°"),
        ("_min", "min"),
        ("_percent", "%"),
        ("_hz", "Hz"),
        ("_kg", "kg"),
        ("_mm", "mm"),
        ("_cm", "cm"),
        ("_ms", "ms"),
        ("_m", "m"),
        ("_s", "s"),
    ];
    if let Some(text) = text {
        let parts = text.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
        return match parts {
            Some((label, unit)) => (label.trim().to_owned(), unit.trim().to_owned()),
            None => (text.to_owned(), String::new()),
        };
    }
    let known = UNITS.iter().find_map(|(ending, unit)| Some((column.strip_suffix(ending)?, *unit)));
    let (label, unit) = known.unwrap_or((column, ""));
    (label.replace('_', " "), unit.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_read_off_a_label_or_a_name() {
        let pair = |label: &str, unit: &str| (label.to_owned(), unit.to_owned());
        assert_eq!(label_and_unit(Some("wall time (min)"), "x"), pair("wall time", "min"));
        assert_eq!(label_and_unit(Some("return"), "x_s"), pair("return", ""));
        assert_eq!(label_and_unit(None, "wall_time_s"), pair("wall time", "s"));
        assert_eq!(label_and_unit(None, "evaluation/mean_return"), pair("evaluation/mean return", ""));
    }
}
