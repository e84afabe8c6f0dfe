//! Runs checks in Python where an interpreter has the modules; elsewhere the test is skipped.

use std::process::Command;

/// The output of `script` under a Python that has `module`.
#[track_caller]
pub(crate) fn run(module: &str, script: &str, arguments: &[&str]) -> Option<String> {
    let python = eyas_testing::python_with(module)?;
    let output = Command::new(&python).arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}
