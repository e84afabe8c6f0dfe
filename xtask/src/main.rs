//! Development tasks: `cargo xtask check`, and `cargo xtask test`, which `.ci/run` calls.

mod aarch64;
mod bytes;
mod documents;
mod end_to_end;
mod instructions;
mod layers;
mod watch;
mod words;

use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use eyas_testing::{SKIPPED, Skipped, skipped};

/// What a step found, or what it fails with: one or more lines for people.
type Outcome = Result<Tally, String>;

/// How many checks held, and which were not made because the machine lacks what they need.
#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: Vec<Skipped>,
}

impl Tally {
    /// A step that is one check, and holds.
    fn one() -> Self {
        Self { passed: 1, skipped: Vec::new() }
    }
}

/// A named check of the workspace at a path.
struct Step {
    name: &'static str,
    purpose: &'static str,
    run: fn(&Path) -> Outcome,
    /// Left out by `cargo xtask check`.
    is_slow: bool,
}

/// In the order in which they run: what fails fast comes first.
const STEPS: &[Step] = &[
    Step { name: "format", purpose: "cargo fmt --check", run: format, is_slow: false },
    Step {
        name: "layers",
        purpose: "crates depend on each other as ARCHITECTURE.md says",
        run: layers::check,
        is_slow: false,
    },
    Step {
        name: "documents",
        purpose: "every path that a document names exists",
        run: documents::check,
        is_slow: false,
    },
    Step { name: "words", purpose: "no word that marks unfinished work", run: words::check, is_slow: false },
    Step { name: "clippy", purpose: "cargo clippy, warnings denied", run: clippy, is_slow: false },
    Step {
        name: "deny",
        purpose: "licences, bans and sources of what is built in, where cargo-deny is installed",
        run: deny,
        is_slow: false,
    },
    Step { name: "docs", purpose: "cargo doc, warnings denied", run: docs, is_slow: false },
    Step {
        name: "tests",
        purpose: "all tests, with cargo-nextest where it is installed",
        run: tests,
        is_slow: false,
    },
    Step { name: "doctests", purpose: "the examples in the documentation", run: doc_tests, is_slow: false },
    Step {
        name: "end-to-end",
        purpose: "the release binary distils a teacher and flies the student",
        run: end_to_end::check,
        is_slow: true,
    },
    Step {
        name: "bytes",
        purpose: "short runs of every task and algorithm write the accepted bytes",
        run: bytes::check,
        is_slow: true,
    },
    Step {
        name: "instructions",
        purpose: "the hottest kernels execute no more instructions than stated",
        run: instructions::check,
        is_slow: true,
    },
    Step {
        name: "aarch64",
        purpose: "lanes of NEON give the bytes of a scalar, under QEMU",
        run: aarch64::check,
        is_slow: true,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let steps: Vec<&Step> = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["test"] => STEPS.iter().collect(),
        ["check"] => STEPS.iter().filter(|step| !step.is_slow).collect(),
        [name] => STEPS.iter().filter(|step| step.name == name).collect(),
        _ => Vec::new(),
    };
    if steps.is_empty() {
        eprint!("{}", usage());
        let asked = matches!(arguments[..], [ref one] if one == "help" || one == "--help");
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    run(&steps)
}

fn usage() -> String {
    let mut text =
        "Usage: cargo xtask test    every step\n       cargo xtask check   the quick steps\n       \
                    cargo xtask STEP    one step\n\nSteps:\n"
            .to_owned();
    for step in STEPS {
        let _ = writeln!(text, "  {:<12} {}", step.name, step.purpose);
    }
    text
}

/// Runs the steps in order up to the first that fails, and counts tests and the checks of other steps as `cargo test`
/// counts tests, those that were skipped apart.
fn run(steps: &[&Step]) -> ExitCode {
    let root = &root();
    let start = Instant::now();
    let mut total = Tally::default();
    let mut done = 0;
    let mut failure = None;
    for step in steps {
        eprintln!("── {}: {}", step.name, step.purpose);
        let clock = Instant::now();
        let outcome = (step.run)(root);
        let seconds = clock.elapsed().as_secs_f64();
        match outcome {
            Ok(tally) => {
                done += 1;
                total.passed += tally.passed;
                total.skipped.extend(tally.skipped);
                eprintln!("── {}: ok, {seconds:.1} s", step.name);
            }
            Err(message) => {
                eprintln!("error: step `{}` failed after {seconds:.1} s\n{message}", step.name);
                failure = Some(step.name);
                break;
            }
        }
    }
    let failed = usize::from(failure.is_some());
    let verdict = if failure.is_some() { "FAILED" } else { "ok" };
    for Skipped { test, needs } in &total.skipped {
        eprintln!("skipped: {test}: needs {needs}");
    }
    let summary = format!(
        "test result: {verdict}. {} passed; {failed} failed; {} skipped; 0 ignored; 0 measured; {} filtered out; \
         finished in {:.2}s",
        total.passed,
        total.skipped.len(),
        steps.len() - done - failed,
        start.elapsed().as_secs_f64()
    );
    // Nothing can be done about a closed pipe; the exit code tells.
    let _ = writeln!(std::io::stdout(), "{summary}");
    if failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The workspace: the one that `cargo run` was called in, which need not be the one this was compiled in where
/// several share a target directory.
fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().expect("this package lies in the workspace").to_owned()
}

/// The cargo that runs this program.
fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root);
    command
}

/// The release binary of `eyas`, once it is built.
fn binary(root: &Path) -> PathBuf {
    target(root).join("release/eyas")
}

/// Whether a program can be started, and succeeds with these arguments.
fn works(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a command to its end, with its output shown.
fn require(command: &mut Command) -> Result<(), String> {
    let line = format!("{command:?}");
    let status = command.status().map_err(|error| format!("  cannot start {line}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("  {line}: {status}")) }
}

/// Where cargo puts what it builds.
fn target(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |it| root.join(it))
}

fn format(root: &Path) -> Outcome {
    require(&mut cargo(root, &["fmt", "--all", "--check"])).map(|()| Tally::one())
}

fn clippy(root: &Path) -> Outcome {
    require(&mut cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
        .map(|()| Tally::one())
}

/// Advisories change without the workspace, and need a network.
fn deny(root: &Path) -> Outcome {
    if !works(&mut cargo(root, &["deny", "--version"])) {
        let skipped = Skipped { test: "xtask deny".into(), needs: "cargo-deny".into() };
        return Ok(Tally { passed: 0, skipped: vec![skipped] });
    }
    require(&mut cargo(root, &["deny", "--offline", "check", "licenses", "bans", "sources"]))
        .map(|()| Tally::one())
}

fn docs(root: &Path) -> Outcome {
    require(cargo(root, &["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
        .map(|()| Tally::one())
}

fn tests(root: &Path) -> Outcome {
    let has_nextest = works(&mut cargo(root, &["nextest", "--version"]));
    let runner: &[&str] = if has_nextest { &["nextest", "run"] } else { &["test"] };
    let mut command = cargo(root, runner);
    command.args(["--workspace", "--all-targets", "--no-fail-fast"]);
    let note = target(root).join("skipped-tests.txt");
    let problem = |error: std::io::Error| format!("  {}: {error}", note.display());
    match std::fs::remove_file(&note) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(problem(error)),
        _ => {}
    }
    // A snapshot that differs fails here; it is accepted by hand.
    let said = watch::require(command.env("INSTA_UPDATE", "no").env(SKIPPED, &note))?;
    let skipped = skipped(&note).map_err(problem)?;
    // A test that was skipped returned early, which its harness counts as passed.
    Ok(Tally { passed: watch::tests_passed(&said).saturating_sub(skipped.len()), skipped })
}

fn doc_tests(root: &Path) -> Outcome {
    let said = watch::require(&mut cargo(root, &["test", "--workspace", "--doc"]))?;
    Ok(Tally { passed: watch::tests_passed(&said), skipped: Vec::new() })
}
