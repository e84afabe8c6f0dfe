//! `eyas plot`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::flight::pixels;

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Plot {
    #[command(subcommand)]
    pub(crate) command: PlotCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlotCommand {
    /// Draw columns as lines over another column
    Lines(Lines),
    /// Draw columns as points over another column
    Scatter(Columns),
    /// Draw a matrix as colours
    Heatmap(Heatmap),
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Lines {
    #[command(flatten)]
    pub(crate) columns: Columns,
    /// Columns between which a band is filled behind the only column of `--y`
    #[arg(long, value_name = "LOW,HIGH", num_args = 1, value_delimiter = ',')]
    pub(crate) band: Vec<String>,
}

/// Which columns are drawn, and how.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Columns {
    /// CSV files with a header line, or folders of runs: their TensorBoard tags are columns beside `step` and
    /// `wall_time_s`
    #[arg(required = true, value_name = "FILE|RUN")]
    pub(crate) files: Vec<PathBuf>,
    /// Column along x
    #[arg(long, value_name = "COLUMN")]
    pub(crate) x: String,
    /// Columns along y
    #[arg(long, required = true, value_name = "COLUMN[,…]", value_delimiter = ',')]
    pub(crate) y: Vec<String>,
    /// Columns of one more panel below that shares x; may be repeated
    #[arg(long, value_name = "COLUMN[,…]")]
    pub(crate) panel: Vec<String>,
    /// Names of the files in the legend [default: names of the files]
    #[arg(long, value_name = "NAME[,…]", value_delimiter = ',')]
    pub(crate) labels: Vec<String>,
    /// Make x logarithmic
    #[arg(long, alias = "log-x")]
    pub(crate) log_x: bool,
    /// Make y logarithmic, in all panels
    #[arg(long, alias = "log-y")]
    pub(crate) log_y: bool,
    /// Label of x, such as "wall time (min)" [default: the column's name]
    #[arg(long, alias = "x-label", value_name = "TEXT")]
    pub(crate) x_label: Option<String>,
    /// Label of y; may be repeated, once for each panel [default: the column's name]
    #[arg(long, alias = "y-label", value_name = "TEXT")]
    pub(crate) y_label: Vec<String>,
    /// What of x is shown [default: all]
    #[arg(long, alias = "x-range", value_name = "LOW:HIGH", allow_hyphen_values = true, value_parser = range)]
    pub(crate) x_range: Option<Range>,
    /// What of y is shown; may be repeated, once for each panel [default: all]
    #[arg(long, alias = "y-range", value_name = "LOW:HIGH", allow_hyphen_values = true, value_parser = range)]
    pub(crate) y_range: Vec<Range>,
    /// Labelled horizontal line in the first panel; may be repeated
    #[arg(long, value_name = "VALUE:LABEL", allow_hyphen_values = true, value_parser = reference)]
    pub(crate) reference: Vec<(f64, String)>,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Heatmap {
    /// CSV file: a header line with the names of the columns, then lines of a name and numbers
    pub(crate) file: PathBuf,
    /// What the columns are
    #[arg(long, alias = "x-label", value_name = "TEXT")]
    pub(crate) x_label: Option<String>,
    /// What the rows are [default: the first cell of the header]
    #[arg(long, alias = "y-label", value_name = "TEXT")]
    pub(crate) y_label: Option<String>,
    /// What the numbers are, such as "position RMSE (cm)"
    #[arg(long, alias = "value-label", value_name = "TEXT")]
    pub(crate) value_label: Option<String>,
    /// Numbers of the first and the last colour [default: the smallest and the largest]
    #[arg(long, value_name = "LOW:HIGH", allow_hyphen_values = true, value_parser = range)]
    pub(crate) range: Option<Range>,
    #[command(flatten)]
    pub(crate) picture: Picture,
}

/// What every plot has.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Picture {
    /// Title
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    pub(crate) title: String,
    /// Width and height, px
    #[arg(long, default_value = "1200x800", value_name = "WIDTHxHEIGHT", value_parser = size)]
    pub(crate) size: (usize, usize),
    /// Where to write the picture, `.png`
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// A part of an axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

fn range(text: &str) -> Result<Range, String> {
    let parts = text.split_once(':').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    match parts {
        Some((low, high)) if low < high && f64::is_finite(high - low) => Ok(Range { low, high }),
        _ => Err("expected two numbers in order, such as 0:10".into()),
    }
}

fn reference(text: &str) -> Result<(f64, String), String> {
    let parts = text.split_once(':').and_then(|(value, label)| Some((value.parse().ok()?, label.trim())));
    match parts {
        Some((value, label)) if f64::is_finite(value) => Ok((value, label.to_owned())),
        _ => Err("expected a number and a label, such as \"620.5:released student\"".into()),
    }
}

fn size(text: &str) -> Result<(usize, usize), String> {
    match pixels(text) {
        Ok((width @ 400..=8000, height @ 300..=8000)) => Ok((width, height)),
        _ => Err("expected 400x300 to 8000x8000".into()),
    }
}
