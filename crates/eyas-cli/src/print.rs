//! What is printed: lines, and failures.

use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use eyas::Failure;
use eyas::text::{cut, printable, shell_word};

/// Stdout for texts that quote files: what moves the cursor of a terminal is escaped.
pub(crate) fn text_out() -> impl Write {
    struct Printable<W>(W);

    impl<W: Write> Write for Printable<W> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write_all(printable(&String::from_utf8_lossy(bytes)).as_bytes())?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    Printable(io::stdout().lock())
}

/// Writes a line to stdout; a reader that has gone is an error, not a panic.
pub(crate) fn say(line: impl Display) -> Result<(), Failure> {
    Ok(writeln!(io::stdout().lock(), "{}", printable(&line.to_string()))?)
}

/// Writes a line to stderr, if anybody reads it.
pub(crate) fn tell(line: impl Display) {
    // Who does not listen cannot be told so, and it is no reason to stop.
    let _ = writeln!(io::stderr().lock(), "{}", printable(&line.to_string()));
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
    /// Names and values of files may be as long as the files.
    const LONGEST: usize = 2000;
    let error = failure.error();
    let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if failure.place().is_none() && error.downcast_ref().is_some_and(is_broken) {
        return ExitCode::from(NO_READER);
    }
    let shown = |it: &dyn Display| cut(&it.to_string(), LONGEST).into_owned();
    let mut text = format!("error: {}\n", shown(&error));
    if let Some(place) = failure.place() {
        let _ = writeln!(text, "  --> {}", shown(&place));
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(text, "  caused by: {}", shown(&error));
        cause = error.source();
    }
    if let Some(hint) = failure.advice() {
        let _ = writeln!(text, "  hint: {}", shown(&hint));
    }
    tell(text.trim_end());
    ExitCode::from(2)
}

/// Says after a panic, which has told where it was, that it is nobody's fault but the program's; exit code 101.
pub(crate) fn own_fault() -> ExitCode {
    const PANICKED: u8 = 101;
    tell(
        "error: this is a bug of Eyas, not of your input\n  hint: report the lines above with the command line; what a \
        run has written is whole, and `--resume` goes on from its newest checkpoint",
    );
    ExitCode::from(PANICKED)
}
