//! What a run writes down while it learns: its curves, and the live view beside them.

use std::path::Path;

use eyas_learn::Pilot;
use eyas_policy::Network;
use eyas_run::events::Image;
use eyas_run::{EventWriter, Layers, RunDir};
use eyas_view::Frame;

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

    /// Logs the configuration as what the run is compared by, in the curves of the given tags, and shows sections
    /// of it.
    pub(crate) fn configured(
        &mut self,
        layers: &Layers,
        sections: &[&str],
        metrics: &[&str],
    ) -> Result<(), Failure> {
        self.events.session_start(&layers.provenance(), metrics)?;
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

    /// Adds a histogram of each tensor of a network.
    pub(crate) fn weights(&mut self, step: u64, network: &Network) -> Result<(), Failure> {
        for tensor in network.architecture.tensors() {
            let tag = format!("weights/{}", tensor.name);
            self.events.histogram(&tag, step, &network.parameters[tensor.range])?;
        }
        Ok(())
    }

    /// Adds a picture.
    pub(crate) fn picture(&mut self, tag: &str, step: u64, picture: &Frame) -> Result<(), Failure> {
        let png = picture.png();
        let image = Image { width: picture.width, height: picture.height, png: &png };
        Ok(self.events.image(tag, step, &image)?)
    }

    /// Notes that the run did all it was to do.
    pub(crate) fn completed(&mut self) -> Result<(), Failure> {
        self.events.session_end()?;
        self.flush()
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
