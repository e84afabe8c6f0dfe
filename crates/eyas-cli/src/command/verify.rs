//! `eyas verify`: whether a policy file does what it says.

use std::process::ExitCode;

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::verify;
use eyas_policy::Contract;

use eyas::Failure;

use crate::arguments::Verify;
use crate::print::{say, tell};

/// Exit code 1: the file has a fault.
pub(crate) fn run(arguments: &Verify) -> Result<ExitCode, Failure> {
    let mut found =
        verify::verify(&arguments.file, &arguments.reading.load_options(), arguments.against.as_deref())?;
    if let Some(parameters) = arguments.nn_control {
        if found.nn_control.is_none() {
            return Err(Failure::new(
                "`--nn_control` is for what PX4's mc_nn_control flies, and this is no TFLite file",
            )
            .at(&arguments.file.display())
            .hint("write one with `eyas export … --to px4_nn`"));
        }
        found.nn_control = Some(parameters);
    }
    found.decisions.iter().for_each(tell);
    say(&found)?;
    if let Some(target) = &arguments.repair {
        let examination = found.onnx.as_ref().ok_or_else(|| {
            Failure::new("`--repair` puts ONNX files right, and this is none").at(&arguments.file.display())
        })?;
        if examination.is_sound() {
            tell("nothing to repair: no file was written");
            return Ok(ExitCode::SUCCESS);
        }
        let policy = examination.right.as_ref().ok_or_else(|| {
            Failure::new("nothing tells what the right policy is")
                .at(&arguments.file.display())
                .hint("give `--against MODEL`, the checkpoint that it was exported from")
        })?;
        let contract = examination.repaired_contract().unwrap_or_else(|| Contract::of(policy));
        let export = Export { policy, contract: &contract, std: None, critic: None, iteration: 0 };
        convert::write(target, Kind::Onnx, &export)?;
        let difference = convert::read_back(target, Kind::Onnx, &contract)?;
        say(format!(
            "{}: written right; read back, its actions differ by up to {difference:.1e}",
            target.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(if found.holds() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
