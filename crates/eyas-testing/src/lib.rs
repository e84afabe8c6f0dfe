//! What tests need of a machine that may lack it, and which were skipped for that.
//!
//! A test that cannot run returns early, which `cargo test` counts as passed. It says so here, so that `cargo xtask`
//! counts it apart.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// The variable that names the file to which skipped tests are appended.
pub const SKIPPED: &str = "EYAS_SKIPPED";

/// Interpreters that tests look for modules in, in this order, before `python3`.
const INTERPRETERS: [&str; 2] = ["EYAS_PYTHON", "EYAS_TORCH_PYTHON"];

/// A test that did not run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Package and path of the test.
    pub test: String,
    /// What the machine lacks.
    pub needs: String,
}

/// Says that the test that calls this, which then returns, needs what the machine lacks.
///
/// # Panics
///
/// If the file that [`SKIPPED`] names cannot be written: the test would count as passed.
#[track_caller]
pub fn skip(needs: &str) {
    let test = test(Location::caller());
    eprintln!("skipped: needs {needs}");
    let Some(path) = env::var_os(SKIPPED) else { return };
    let path = Path::new(&path);
    // One write of one line: those of other processes come before or after it.
    let line = format!("{test}\t{needs}\n");
    let written = OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = written.and_then(|mut file| file.write_all(line.as_bytes())) {
        panic!("cannot note a skipped test in {}: {error}", path.display());
    }
}

/// Package and path of the test that runs: a thread of its own bears its name, unless the harness runs one at a time.
fn test(place: &Location) -> String {
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let thread = thread::current();
    let asked_for = || env::args().skip(1).find(|it| !it.starts_with('-') && it.contains("::"));
    let name = thread.name().filter(|name| *name != "main").map(str::to_owned);
    let name = name.or_else(asked_for).unwrap_or_else(|| format!("{}:{}", place.file(), place.line()));
    format!("{package} {name}")
}

/// The tests that were skipped, each once, in the order of their names; none if there is no such file.
///
/// # Errors
///
/// If the file cannot be read.
pub fn skipped(path: &Path) -> io::Result<Vec<Skipped>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let tests = text.lines().filter_map(|line| line.split_once('\t'));
    let mut tests: Vec<Skipped> =
        tests.map(|(test, needs)| Skipped { test: test.into(), needs: needs.into() }).collect();
    tests.sort();
    tests.dedup_by(|next, first| next.test == first.test);
    Ok(tests)
}

/// The first of `$EYAS_PYTHON`, `$EYAS_TORCH_PYTHON` and `python3` that imports all of `modules`, which commas separate.
/// If none does the test is [skipped](skip).
#[track_caller]
pub fn python_with(modules: &str) -> Option<PathBuf> {
    let named = INTERPRETERS.into_iter().filter_map(env::var_os);
    let imports = |python: &PathBuf| {
        let tried = Command::new(python).arg("-c").arg(format!("import {modules}")).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let found = named.map(PathBuf::from).chain(["python3".into()]).find(imports);
    if found.is_none() {
        skip(&format!("a Python with {modules}"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set in the process whose test is skipped.
    const SKIPS: &str = "EYAS_TEST_SKIPS";

    #[test]
    fn a_skipped_test_is_noted_once_by_its_name_and_what_it_needs() {
        if env::var_os(SKIPS).is_some() {
            skip("a moon");
            assert_eq!(python_with("no_such_module_anywhere"), None);
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("skipped");
        assert!(skipped(&path).unwrap().is_empty());
        let name = "tests::a_skipped_test_is_noted_once_by_its_name_and_what_it_needs";
        for threads in ["1", "2"] {
            let mut itself = Command::new(env::current_exe().unwrap());
            itself.args([name, "--exact", "--test-threads", threads]);
            let output = itself.env(SKIPS, "1").env(SKIPPED, &path).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        let noted = fs::read_to_string(&path).unwrap();
        assert_eq!(noted.lines().count(), 4, "{noted}");
        let needs = "a Python with no_such_module_anywhere".to_owned();
        assert_eq!(skipped(&path).unwrap(), [Skipped { test: format!("eyas-testing {name}"), needs }]);
    }
}
