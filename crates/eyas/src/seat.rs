//! Who flies: a policy from a file, or the controller that comes with the program.

use std::path::Path;

use eyas_env::{EnvSpec, RAPTOR_TASK};
use eyas_formats::LoadOptions;
use eyas_learn::{Controller, GeometricPilot, Pilot};
use eyas_sim::VehicleParameters;

use crate::failure::Failure;
use crate::setup::{MOST_WARNINGS, load_explained, tell_warnings};
use crate::trained_on;

/// What the geometric controller is called in place of a checkpoint.
const SE3: &str = "se3";

/// Whether the geometric controller is asked for; a file of that name is `./se3`.
pub(crate) fn is_geometric(checkpoint: &Path) -> bool {
    checkpoint == Path::new(SE3)
}

/// Seats the policy of a checkpoint, or the geometric controller of vehicles that the envs fly in turns.
pub(crate) fn seat(
    checkpoint: &Path,
    options: &LoadOptions,
    vehicles: &[VehicleParameters],
    spec: &EnvSpec,
) -> Result<Box<dyn Controller>, Failure> {
    if is_geometric(checkpoint) {
        let pilot = GeometricPilot::new(vehicles, spec).map_err(|error| Failure::new(error).at(&SE3))?;
        return Ok(Box::new(pilot));
    }
    let loaded = load_explained(checkpoint, options)?;
    if spec.task == RAPTOR_TASK {
        tell_warnings(&trained_on::differences(checkpoint, &loaded.policy, vehicles), MOST_WARNINGS, "these");
    }
    let pilot =
        Pilot::new(&loaded.policy, spec).map_err(|error| Failure::from(error).at(&checkpoint.display()))?;
    Ok(Box::new(pilot))
}
