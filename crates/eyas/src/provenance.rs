//! The configuration of a run as the run writes it down.

use std::path::Path;

use eyas_run::config::{Setting, Value};
use eyas_run::resumes::{self, Change, RunSettings};
use eyas_run::{ConfigError, Layers, Manifest, Origin, RunDir, manifest};

use crate::failure::Failure;

/// Settings that say which run goes on and where it is, and nothing of what it does.
pub(crate) const WHICH_RUN: [&str; 5] =
    ["agent.resume", "agent.load_run", "agent.load_checkpoint", "agent.run_name", "agent.experiment_name"];

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

    /// Where a value comes from; the program's own default where nothing is known of it.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let setting = self.settings.iter().find(|it| it.key == key);
        setting.map_or(Origin::Default, |it| it.origin.clone())
    }

    /// Writes down another value of a key, as the program itself decided.
    pub(crate) fn decide(&mut self, key: &str, value: &Value, decided_by: &str) {
        if let Some(setting) = self.settings.iter_mut().find(|it| it.key == key) {
            setting.value = value.clone();
            setting.origin = Origin::Preset(decided_by.into());
        }
        let (group, path) = key.split_once('.').unwrap_or((key, ""));
        let found = self.groups.iter_mut().find(|(name, _)| *name == group).map(|(_, value)| value);
        let place = path.split('.').try_fold(found, |around, part| match around {
            Some(Value::Table(table)) => Some(table.get_mut(part)),
            _ => None,
        });
        if let Some(Some(place)) = place {
            *place = value.clone();
        }
    }

    /// Writes `params/*.yaml` and `manifest.json`: program, command, id of the task, seed, input files, values with origins.
    pub(crate) fn write(
        &self,
        run: &RunDir,
        task: &'static str,
        seed: u64,
        inputs: &[&Path],
    ) -> Result<(), Failure> {
        for (group, value) in &self.groups {
            run.params(group, value)?;
        }
        let mut manifest = manifest_of(seed, inputs)?;
        manifest.task = Some(task.into());
        manifest.config.clone_from(&self.settings);
        run.manifest(&manifest)?;
        Ok(())
    }

    /// What of the settings of the run in a folder this configuration changes; none if the run was killed before it wrote
    /// them down.
    pub(crate) fn changes(&self, run: &Path) -> Result<Option<Vec<Change>>, Failure> {
        Ok(RunSettings::read(run)?.map(|earlier| earlier.changes(&self.settings, &WHICH_RUN)))
    }

    /// Adds a process that goes on with a run, `at` iterations or epochs, to what the run has written down. Its `params`
    /// and its manifest stay.
    pub(crate) fn go_on(
        run: &RunDir,
        seed: u64,
        inputs: &[&Path],
        at: u32,
        changes: &[Change],
    ) -> Result<(), Failure> {
        Ok(resumes::record(run, &manifest_of(seed, inputs)?, u64::from(at), changes)?)
    }
}

/// Program, command, seed and inputs of this process.
fn manifest_of(seed: u64, inputs: &[&Path]) -> Result<Manifest, Failure> {
    let mut manifest = Manifest::new(format!("eyas {}", env!("CARGO_PKG_VERSION")), seed);
    for path in inputs {
        manifest.inputs.push(manifest::InputFile::read(path)?);
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_of_the_program_is_written_where_the_value_stands() {
        let defaults = serde_json::json!({"distill": {"teachers": {"many": true, "few": true}}});
        let mut layers = Layers::new(&defaults).unwrap();
        layers.overrides(&["distill.teachers.few=false"]).unwrap();
        let mut provenance = Provenance::of(&layers, &["distill"]).unwrap();
        assert_eq!(provenance.origin("distill.teachers.many"), Origin::Default);
        assert!(matches!(provenance.origin("distill.teachers.few"), Origin::Override(_)));
        provenance.decide("distill.teachers.many", &false.into(), "task");
        let text = provenance.groups[0].1.to_yaml();
        assert!(text.contains("many: false") && text.contains("few: false"), "{text}");
        assert_eq!(provenance.origin("distill.teachers.many"), Origin::Preset("task".into()));
        assert_eq!(provenance.settings.iter().filter(|it| it.value == Value::Bool(false)).count(), 2);
    }
}
