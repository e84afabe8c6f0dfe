//! The configuration of a run as the run writes it down.

use std::path::Path;

use eyas_run::config::{Setting, Value};
use eyas_run::{ConfigError, Layers, RunDir, manifest};

use crate::failure::Failure;

/// Every value of a configuration, and where it comes from.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// The groups that a run writes below `params`, by their names.
    pub groups: Vec<(&'static str, Value)>,
    /// Every value with its full key and its origin.
    pub settings: Vec<Setting>,
}

impl Provenance {
    /// Those of a configuration that is put together.
    pub fn of(layers: &Layers, groups: &[&'static str]) -> Result<Self, ConfigError> {
        let read = |group: &&'static str| Ok((*group, layers.table(group)?));
        Ok(Self {
            groups: groups.iter().map(read).collect::<Result<_, ConfigError>>()?,
            settings: layers.provenance()?,
        })
    }

    /// Writes `params/*.yaml` and `manifest.json`: program, command, seed, input files, values with origins.
    pub(crate) fn write(&self, run: &RunDir, seed: u64, inputs: &[&Path]) -> Result<(), Failure> {
        for (group, value) in &self.groups {
            run.params(group, value)?;
        }
        let mut manifest = eyas_run::Manifest::new(format!("eyas {}", env!("CARGO_PKG_VERSION")), seed);
        for path in inputs {
            manifest.inputs.push(manifest::InputFile::read(path)?);
        }
        manifest.config.clone_from(&self.settings);
        run.manifest(&manifest)?;
        Ok(())
    }
}
