//! Runs checks in Python where the interpreter has the modules, and says so where not.

use std::process::{Command, Stdio};

/// The output of `script` under the first of `$EYAS_PYTHON` and `python3` that has `module`; `None`,
/// with a note, if neither has.
pub(crate) fn run(module: &str, script: &str, arguments: &[&str]) -> Option<String> {
    let candidates = std::env::var("EYAS_PYTHON").into_iter().chain(["python3".to_owned()]);
    let Some(python) = candidates.into_iter().find(|python| has(python, module)) else {
        eprintln!("skipped: needs {module}");
        return None;
    };
    let output = Command::new(&python).arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

fn has(python: &str, module: &str) -> bool {
    let import = format!("import {module}");
    let status =
        Command::new(python).args(["-c", &import]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
