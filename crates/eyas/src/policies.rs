//! Who flies: a policy from a file, or the controller that comes with the program.

use std::path::Path;

use eyas_env::EnvSpec;
use eyas_formats::{Checkpoint, LoadOptions, LoadedPolicy};
use eyas_learn::{Actor, Controller, Se3Actor};
use eyas_sim::VehicleParameters;

use crate::compiled::{Compiled, NoCompiler, is_source};
use crate::failure::Failure;
use crate::trained_on;

/// What the geometric controller is called in place of a checkpoint.
const SE3: &str = "se3";

/// Whether the geometric controller is asked for; a file of that name is `./se3`.
pub fn is_geometric(checkpoint: &Path) -> bool {
    checkpoint == Path::new(SE3)
}

/// Reads a policy from a checkpoint.
pub fn load_policy(path: &Path, options: &LoadOptions) -> Result<LoadedPolicy, Failure> {
    Ok(Checkpoint::read(path)?.policy(options)?)
}

/// The policy of a checkpoint, or the geometric controller of vehicles that the envs fly in turns; of C the code itself
/// flies, compiled. `decided` hears what the file left open, and how the vehicles differ from those that it was trained on.
pub fn load_controller(
    checkpoint: &Path,
    options: &LoadOptions,
    vehicles: &[VehicleParameters],
    spec: &EnvSpec,
    decided: &mut dyn FnMut(&str),
) -> Result<Box<dyn Controller>, Failure> {
    if is_geometric(checkpoint) {
        let controller = Se3Actor::new(vehicles, spec).map_err(|error| Failure::new(error).at(&SE3))?;
        return Ok(Box::new(controller));
    }
    let loaded = load_for_flight(checkpoint, options, vehicles, spec, decided)?;
    let actor =
        Actor::new(&loaded.policy, spec).map_err(|error| Failure::from(error).at(&checkpoint.display()))?;
    if is_source(checkpoint) {
        match Compiled::new(checkpoint, &actor)? {
            Ok(compiled) => return Ok(Box::new(compiled)),
            Err(NoCompiler) => {
                decided("warning: no C compiler (`cc`): what flies is what was read of the source");
            }
        }
    }
    Ok(Box::new(actor))
}

/// Reads the policy of a checkpoint that is to fly vehicles in a task; `decided` hears what the file left open, and how task and
/// vehicles differ from those that it was trained on.
pub fn load_for_flight(
    checkpoint: &Path,
    options: &LoadOptions,
    vehicles: &[VehicleParameters],
    spec: &EnvSpec,
    decided: &mut dyn FnMut(&str),
) -> Result<LoadedPolicy, Failure> {
    let file = Checkpoint::read(checkpoint)?;
    let loaded = file.policy(options)?;
    loaded.decisions.iter().for_each(|decision| decided(&decision.to_string()));
    trained_on::compare(&file, &loaded.policy, vehicles, spec, decided);
    Ok(loaded)
}
