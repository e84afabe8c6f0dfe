//! The lanes of NEON on a machine that has none: tests of the kernels, compiled for aarch64 and run under QEMU.

use std::env;
use std::path::Path;
use std::process::Command;

use eyas_testing::Skipped;

use crate::{Outcome, Tally, cargo, watch, works};

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Those whose tests compare instruction sets with each other and with scalars. Other tests fly and learn for minutes
/// under QEMU, and have the same kernels below them.
const PACKAGES: [&str; 3] = ["eyas-lanes", "eyas-sim", "eyas-policy"];

/// Cargo's variable for how to link for the target, and Debian's program.
const LINKER: (&str, &str) = ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");

/// Cargo's variable for how to run its programs.
const RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";

/// Where Debian has the target's C library.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

pub(crate) fn check(root: &Path) -> Outcome {
    if cfg!(target_arch = "aarch64") {
        eprintln!("   this machine has NEON, so the tests ran on it");
        return Ok(Tally::default());
    }
    let missing = missing();
    if !missing.is_empty() {
        let skipped = Skipped { test: "xtask aarch64".into(), needs: missing.join(", ") };
        return Ok(Tally { passed: 0, skipped: vec![skipped] });
    }
    let mut command = cargo(root, &["test", "--target", TARGET, "--tests"]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    let runner = format!("qemu-aarch64 -L {LIBRARIES}");
    for (variable, value) in [LINKER, (RUNNER, &runner)] {
        if env::var_os(variable).is_none() {
            command.env(variable, value);
        }
    }
    let said = watch::require(&mut command)?;
    Ok(Tally { passed: watch::tests_passed(&said), skipped: Vec::new() })
}

/// What is needed and not there. Who sets cargo's variables has a linker and a runner.
fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    if !has_standard_library() {
        missing.push(format!("standard library for {TARGET} (`rustup target add {TARGET}`)"));
    }
    let (variable, linker) = LINKER;
    if env::var_os(variable).is_none() && !works(Command::new(linker).arg("--version")) {
        missing.push(format!("{linker} (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)"));
    }
    if env::var_os(RUNNER).is_none() {
        if !works(Command::new("qemu-aarch64").arg("--version")) {
            missing.push("qemu-aarch64 (Debian: qemu-user)".to_owned());
        }
        if !Path::new(LIBRARIES).is_dir() {
            missing.push(format!("{LIBRARIES} (Debian: libc6-arm64-cross)"));
        }
    }
    missing
}

fn has_standard_library() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(output) = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output()
    else {
        return false;
    };
    let folder = String::from_utf8_lossy(&output.stdout);
    Path::new(folder.trim()).read_dir().is_ok_and(|entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}
