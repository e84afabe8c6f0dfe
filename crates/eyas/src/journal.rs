//! What a run writes down while it learns: its curves, and the live view beside them.

use std::path::Path;

use eyas_learn::Pilot;
use eyas_run::{EventWriter, Layers, RunDir};

use crate::failure::Failure;
use crate::live::Spectacle;

/// TensorBoard's file, and a live view if there is one.
pub(crate) struct Journal {
    events: EventWriter,
    live: Option<Spectacle>,
}

impl Journal {
    /// Starts an event file in the folder of a run.
    pub(crate) fn start(run: &RunDir, live: Option<Spectacle>) -> Result<Self, Failure> {
        let journal = Self { events: EventWriter::create(run.path())?, live };
        journal.line(&format!("Folder of the run: {}", absolute(run.path())?));
        Ok(journal)
    }

    /// Shows sections of a configuration.
    pub(crate) fn show_config(&self, layers: &Layers, sections: &[&str]) -> Result<(), Failure> {
        let Some(live) = &self.live else { return Ok(()) };
        for section in sections {
            live.feed().text(&format!("{section}.yaml"), &layers.to_yaml(section)?);
        }
        Ok(())
    }

    /// Adds a point to a curve.
    pub(crate) fn scalar(&mut self, tag: &str, step: u64, value: f32) -> Result<(), Failure> {
        if let Some(live) = &self.live {
            live.feed().scalar(tag, step, f64::from(value));
        }
        Ok(self.events.scalar(tag, step, value)?)
    }

    /// Hands all points to the operating system.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.events.flush()?)
    }

    /// Shows a line that is printed.
    pub(crate) fn line(&self, line: &str) {
        if let Some(live) = &self.live {
            live.feed().line(line);
        }
    }

    /// Shows the policy of the moment.
    pub(crate) fn policy(&mut self, pilot: impl FnOnce() -> Result<Pilot, Failure>) -> Result<(), Failure> {
        self.live.as_mut().map_or(Ok(()), |live| live.show(pilot))
    }

    /// Shows the returns of an epoch with each of many teachers.
    pub(crate) fn returns(&mut self, epoch: u32, teachers: &[String], returns: &[f64]) {
        if let Some(live) = &mut self.live {
            live.returns(epoch, teachers, returns);
        }
    }
}

fn absolute(path: &Path) -> Result<String, Failure> {
    Ok(std::path::absolute(path)?.display().to_string())
}
