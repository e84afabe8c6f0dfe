//! `eyas`: the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    eyas_cli::main()
}
