//! What is printed: lines, and failures.

use std::fmt::{Display, Write as _};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use eyas::Failure;
use eyas::text::shell_word;

/// Writes a line to stdout; a reader that has gone is an error, not a panic.
pub(crate) fn say(line: impl Display) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}

/// Writes a line to stderr, if anybody reads it.
pub(crate) fn tell(line: impl Display) {
    // Who does not listen cannot be told so, and it is no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// How an interrupted run says that it goes on.
pub(crate) fn go_on_with(run: &Path, run_dir: Option<&Path>) -> String {
    let name = run.file_name().unwrap_or_default().to_string_lossy();
    let which = if run_dir.is_some() { String::new() } else { format!(" --load_run {}", shell_word(name)) };
    format!("Go on with: the same command and --resume{which}")
}

/// Prints a failure to stderr; exit code 2. Where the reader of stdout has gone there is nothing to say, and the code is
/// that of a program which SIGPIPE ends.
pub(crate) fn fail(failure: &Failure) -> ExitCode {
    const NO_READER: u8 = 141;
    let error = failure.error();
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if failure.place().is_none() && error.downcast_ref().is_some_and(is_broken) {
        return ExitCode::from(NO_READER);
    }
    let mut text = format!("error: {error}\n");
    if let Some(place) = failure.place() {
        let _ = writeln!(text, "  --> {place}");
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(text, "  caused by: {error}");
        cause = error.source();
    }
    if let Some(hint) = failure.advice() {
        let _ = writeln!(text, "  hint: {hint}");
    }
    tell(text.trim_end());
    ExitCode::from(2)
}
