//! The part of Hydra's override grammar that makes several runs of one command.
//!
//! ```text
//! sweep   key=value,value,… | key=choice(value,…) | key=range([start,] stop [, step])
//! ```
//!
//! `range` leaves `stop` out, counts down with a negative step, and takes its arguments by name too. Left out, with an
//! error that says so: `glob` (there are no config groups), `interval`, `sort`, `shuffle` and `tag`.

use super::error::ConfigError;
use super::grammar::{Override, Syntax, value_texts};

/// More values than any sweep has; keeps a slip in `range` from filling the memory.
const MAX_VALUES: usize = 10_000;

/// An override and the values that it takes in the jobs of a sweep.
///
/// ```
/// use eyas_run::config::{Sweep, jobs};
///
/// let sweeps = [Sweep::parse("lr=1e-3,1e-4")?, Sweep::parse("seed=range(2)")?];
/// assert_eq!(jobs(&sweeps)[1], ["lr=1e-3", "seed=1"]);
/// # Ok::<(), eyas_run::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// What stands before the `=`, signs included.
    pub key: String,
    /// The values as an override of one run spells them; none for `~key`.
    pub values: Vec<String>,
}

impl Sweep {
    /// Parses one command-line argument.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Override`] if `text`, or one of the overrides that it stands for, is not of the grammar.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let Some((key, value)) = text.split_once('=') else {
            Override::parse(text)?;
            return Ok(Self { key: text.to_owned(), values: Vec::new() });
        };
        let values = expand(value.trim()).map_err(|syntax| syntax.in_override(text))?;
        let sweep = Self { key: key.to_owned(), values };
        for text in sweep.overrides() {
            Override::parse(&text)?;
        }
        Ok(sweep)
    }

    /// Whether it makes more than one run.
    #[must_use]
    pub fn is_swept(&self) -> bool {
        self.values.len() > 1
    }

    /// The override of each run.
    fn overrides(&self) -> Vec<String> {
        if self.values.is_empty() {
            return vec![self.key.clone()];
        }
        self.values.iter().map(|value| format!("{}={value}", self.key)).collect()
    }
}

/// The overrides of every job: each value of each sweep with each of the others. The last sweep varies fastest.
#[must_use]
pub fn jobs(sweeps: &[Sweep]) -> Vec<Vec<String>> {
    sweeps.iter().fold(vec![Vec::new()], |jobs, sweep| {
        let with = |job: &Vec<String>, text: String| [job.as_slice(), &[text]].concat();
        jobs.iter().flat_map(|job| sweep.overrides().into_iter().map(|text| with(job, text))).collect()
    })
}

fn expand(value: &str) -> Result<Vec<String>, Syntax> {
    let call = value.strip_suffix(')').and_then(|it| it.split_once('('));
    match call {
        Some(("choice", values)) if values.trim().is_empty() => Err(Syntax::new("`choice()` has no value")),
        Some(("choice", values)) => value_texts(values),
        Some(("range", arguments)) => range(arguments),
        Some((name @ ("glob" | "interval" | "sort" | "shuffle" | "tag"), _)) => {
            Err(Syntax::new(format!("`{name}` is not supported"))
                .advise("write the values, as `a,b,c`, or `range(start,stop,step)`"))
        }
        _ if value.is_empty() => Ok(vec![String::new()]),
        _ => value_texts(value),
    }
}

fn range(arguments: &str) -> Result<Vec<String>, Syntax> {
    let mut bounds = [None, None, None];
    let parts: Vec<&str> = arguments.split(',').map(str::trim).collect();
    let is_single = parts.len() == 1 && !parts[0].contains('=');
    for (index, part) in parts.into_iter().enumerate() {
        let (place, number) = match part.split_once('=').map(|(name, number)| (name.trim(), number.trim())) {
            Some(("start", number)) => (0, number),
            Some(("stop", number)) => (1, number),
            Some(("step", number)) => (2, number),
            Some((name, _)) => return Err(range_error(&format!("no argument `{name}`"))),
            None if is_single => (1, part),
            None => (index, part),
        };
        match bounds.get_mut(place) {
            Some(bound @ None) => *bound = Some(number),
            _ => return Err(range_error("an argument too many")),
        }
    }
    let [start, stop, step] = bounds;
    let start = start.or(is_single.then_some("0"));
    let (Some(start), Some(stop)) = (start, stop) else {
        return Err(range_error("`start` or `stop` is missing"));
    };
    let bounds = [start, stop, step.unwrap_or("1")];
    let numbers: Option<Vec<f64>> = bounds.iter().map(|it| it.parse().ok()).collect();
    let Some(&[start, stop, step]) = numbers.as_deref() else {
        return Err(range_error("an argument that is no number"));
    };
    let count = ((stop - start) / step).ceil();
    if step == 0.0 || !count.is_finite() {
        return Err(range_error("a step of 0, or a number that is not finite"));
    }
    if count < 1.0 || count > MAX_VALUES as f64 {
        return Err(range_error(&format!("{} values, expected 1 to {MAX_VALUES}", count.max(0.0))));
    }
    let is_integer = bounds.iter().all(|it| it.parse::<i64>().is_ok());
    let text = |value: f64| {
        if is_integer {
            return format!("{value:.0}");
        }
        // Twelve digits, so that ten steps of 0.1 do not end in 0.7000000000000001.
        let rounded: f64 = format!("{value:.11e}").parse().unwrap_or(value);
        format!("{rounded:?}")
    };
    Ok((0..count as usize).map(|index| text(start + index as f64 * step)).collect())
}

fn range_error(reason: &str) -> Syntax {
    Syntax::new(format!("`range` has {reason}")).advise("write `range(stop)` or `range(start,stop,step)`")
}
