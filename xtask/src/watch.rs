//! What test harnesses print: shown as it comes, and counted.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read, Write};
use std::process::{Command, Stdio};
use std::thread;

/// Runs a cargo command to its end with its output shown; returns that output, stdout before stderr.
pub(crate) fn require(command: &mut Command) -> Result<String, String> {
    let line = format!("{command:?}");
    if io::stderr().is_terminal() {
        // A pipe between does not take the colours.
        command.env("CARGO_TERM_COLOR", "always");
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("  cannot start {line}: {error}"))?;
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let (status, said) = thread::scope(|scope| {
        let other = scope.spawn(|| pass_on(stderr, io::stderr()));
        let mut said = pass_on(stdout, io::stdout());
        said.push_str(&other.join().expect("it does not panic"));
        (child.wait(), said)
    });
    match status {
        Ok(status) if status.success() => Ok(said),
        Ok(status) => Err(format!("  {line}: {status}")),
        Err(error) => Err(format!("  {line}: {error}")),
    }
}

/// Copies line by line; returns all of it.
fn pass_on(from: impl Read, mut to: impl Write) -> String {
    let mut all = String::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    // A reader that fails ends what is shown; the command's status tells how it ended.
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // Nothing can be done about a closed pipe.
        let _ = to.write_all(&line);
        all.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    all
}

/// Tests that passed, by the closing lines of `cargo test`, one for each binary, or by that of cargo-nextest.
pub(crate) fn tests_passed(said: &str) -> usize {
    let plain: Vec<String> = said.lines().map(without_colours).collect();
    let is_closing = |line: &&str| line.starts_with("test result: ") || line.starts_with("Summary [");
    let closing = plain.iter().map(|line| line.trim_start()).filter(is_closing);
    closing.filter_map(passed).sum()
}

/// The number before `passed`.
fn passed(line: &str) -> Option<usize> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let place = words.iter().position(|word| word.trim_end_matches([',', ';']) == "passed")?;
    words[..place].last()?.parse().ok()
}

/// A line without the sequences that colour it.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_by_the_closing_lines_of_either_harness() {
        let cargo = "running 2 tests\ntest a ... ok\n\ntest result: ok. 12 passed; 0 failed; 0 ignored; 0 measured\n\
                     1 passed\ntest result: ok. 30 passed; 0 failed\n";
        assert_eq!(tests_passed(cargo), 42);
        let nextest = "        PASS [   0.005s] xtask watch\n────────────\n     Summary [  12.512s] 702 tests run: \
                       701 passed (3 slow), 4 skipped\n";
        assert_eq!(tests_passed(nextest), 701);
        let coloured = "\u{1b}[32;1m     Summary\u{1b}[0m [  12.5s] \u{1b}[1m7\u{1b}[0m tests run: \
                        \u{1b}[1m7\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        assert_eq!(tests_passed(coloured), 7);
        assert_eq!(tests_passed("nothing of the kind"), 0);
    }
}
