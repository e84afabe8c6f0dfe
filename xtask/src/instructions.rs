//! The hottest kernels execute no more instructions than stated: time varies with the machine and with what else runs on
//! it, a count under `valgrind --tool=callgrind` does not.

use std::path::Path;
use std::process::Command;

use eyas_testing::Skipped;

use crate::{Outcome, Tally, binary, cargo, require, works};

/// A work of `eyas bench`, how many units it does at a time, and instructions for each of them on AVX2, which is the
/// widest set that valgrind knows. Compilers differ: a count may grow by [`MARGIN`] before it fails.
const KERNELS: [(&str, f64, f64); 4] = [
    ("dynamics", 409_600.0, 102.8),
    ("gru_rollout", 409_600.0, 1_126.0),
    ("gru_update", 64.0, 1_166_500.0),
    ("mlp_inference_256", 4096.0, 37_810.0),
];

/// Largest count, as a share of the stated one.
const MARGIN: f64 = 1.25;

/// Times that a work is done beyond the first, which prepares it.
const TIMES: u64 = 2;

pub(crate) fn check(root: &Path) -> Outcome {
    if !works(Command::new("valgrind").arg("--version")) || !cfg!(target_arch = "x86_64") {
        let skipped = Skipped { test: "xtask instructions".into(), needs: "valgrind on x86-64".into() };
        return Ok(Tally { passed: 0, skipped: vec![skipped] });
    }
    require(&mut cargo(root, &["build", "--release", "--package", "eyas-cli"]))?;
    let mut problems = Vec::new();
    for (work, units, stated) in KERNELS {
        let counted = (count(root, work, 1 + TIMES)? - count(root, work, 1)?) as f64;
        let each = counted / TIMES as f64 / units;
        eprintln!("   {work}: {each:.1} instructions a unit, stated {stated:.1}");
        if each > MARGIN * stated {
            problems
                .push(format!("  {work}: {each:.1} instructions a unit, more than {MARGIN} × {stated:.1}"));
        }
    }
    if problems.is_empty() { Ok(Tally::one()) } else { Err(problems.join("\n")) }
}

/// Instructions of a whole process that does a work so many times.
fn count(root: &Path, work: &str, times: u64) -> Result<u64, String> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(binary(root)).args(["bench", "--work", work, "--times", &times.to_string()]);
    let output = command.output().map_err(|error| format!("  cannot start {command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1)?.trim().parse().ok());
    collected.ok_or_else(|| format!("  no count in what {command:?} said:\n{text}"))
}
