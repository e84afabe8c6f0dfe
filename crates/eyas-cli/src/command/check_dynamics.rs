//! `eyas check-dynamics`: recorded transitions against our own.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::ExitCode;

use eyas::Failure;
use eyas_env::{Replay, Transition};
use eyas_vehicles::open_text;

use crate::arguments::CheckDynamics;

pub(crate) fn run(arguments: &CheckDynamics) -> Result<ExitCode, Failure> {
    let transitions = read(&arguments.file)?;
    let replay =
        Replay::run(&transitions).map_err(|error| Failure::new(error).at(&arguments.file.display()))?;
    let mut out = std::io::stdout().lock();
    write!(out, "{replay}")?;
    if replay.is_within(arguments.tolerance) {
        writeln!(out, "within {:.1e} in f64 and the bounds in f32", arguments.tolerance)?;
        Ok(ExitCode::SUCCESS)
    } else {
        writeln!(out, "not within {:.1e} in f64, or beyond a bound in f32", arguments.tolerance)?;
        Ok(ExitCode::from(1))
    }
}

fn read(path: &Path) -> Result<Vec<Transition>, Failure> {
    let at = |error: std::io::Error| {
        Failure::new(error)
            .at(&path.display())
            .hint("a recording is one JSON object a line, gzip-compressed or not")
    };
    let reader = open_text(path).map_err(at)?;
    let mut transitions = Vec::new();
    for (index, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.map_err(at)?;
        if line.trim().is_empty() {
            continue;
        }
        let transition = serde_json::from_str(&line)
            .map_err(|error| Failure::new(error).at(&format!("{}:{}", path.display(), index + 1)))?;
        transitions.push(transition);
    }
    Ok(transitions)
}
