//! What a run writes down while it learns, and who is told: its curves, the live view, the dashboard, the terminal.

use std::path::Path;

use eyas_learn::Pilot;
use eyas_policy::Network;
use eyas_run::events::Image;
use eyas_run::{EventWriter, Interrupt, Layers, Progress, RunDir};
use eyas_view::Frame;
use eyas_web::Table;

use crate::dashboard::{Dashboard, Story};
use crate::failure::Failure;
use crate::live::Spectacle;
use crate::report;
use crate::setup;
use crate::tasks::Task;

/// How far a run is, and how it shows it in the terminal.
pub(crate) struct Course<'a> {
    /// What runs.
    pub(crate) activity: &'a str,
    /// What the position counts, and what the rate does.
    pub(crate) units: [&'a str; 2],
    /// Where it begins or goes on.
    pub(crate) position: u64,
    pub(crate) total: u64,
    /// Shows no progress line.
    pub(crate) is_quiet: bool,
    /// Shows a dashboard instead of lines.
    pub(crate) has_dashboard: bool,
}

/// TensorBoard's file, a progress line or a dashboard, and a live view if there is one.
pub(crate) struct Journal {
    events: EventWriter,
    live: Option<Spectacle>,
    bar: Option<Progress>,
    dashboard: Option<Dashboard>,
}

impl Journal {
    /// Starts an event file in the folder of a run.
    pub(crate) fn start(
        run: &RunDir,
        live: Option<Spectacle>,
        course: &Course,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let Course { activity, units, position, total, .. } = *course;
        let bar = setup::progress(course.is_quiet || course.has_dashboard, activity, total, units[1]);
        bar.set(position);
        let events = EventWriter::create(run.path())?;
        let dashboard = course
            .has_dashboard
            .then(|| Dashboard::open(Story::new(activity, units, position, total), interrupt))
            .transpose()?;
        let journal = Self { events, live, bar: Some(bar), dashboard };
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
        self.events.session_start(&layers.provenance()?, metrics)?;
        let Some(live) = &self.live else { return Ok(()) };
        for section in sections {
            live.feed().text(&format!("{section}.yaml"), &layers.to_yaml(section)?);
        }
        Ok(())
    }

    /// Moves the position.
    pub(crate) fn set(&self, position: u64) {
        self.bar.iter().for_each(|bar| bar.set(position));
        self.tell(|story| story.set_position(position));
    }

    /// Adds finished units to the rate.
    pub(crate) fn count(&self, units: u64) {
        self.bar.iter().for_each(|bar| bar.count(units));
        self.tell(|story| story.count(units));
    }

    /// Adds a point to a curve.
    pub(crate) fn scalar(&mut self, tag: &str, step: u64, value: f32) -> Result<(), Failure> {
        if let Some(live) = &self.live {
            live.feed().scalar(tag, step, f64::from(value));
        }
        self.tell(|story| story.scalar(tag, step, f64::from(value)));
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

    /// Prints a line, or shows it in the dashboard; viewers see it as well.
    pub(crate) fn say(&self, line: &str) -> Result<(), Failure> {
        self.line(line);
        match (&self.dashboard, &self.bar) {
            (Some(_), _) => Ok(()),
            (None, Some(bar)) => Ok(bar.println(line)?),
            (None, None) => report::say(line),
        }
    }

    /// Shows a line without printing it.
    fn line(&self, line: &str) {
        if let Some(live) = &self.live {
            live.feed().line(line);
        }
        self.tell(|story| story.line(line));
    }

    /// Shows the policy of the moment.
    pub(crate) fn policy(&mut self, pilot: impl FnOnce() -> Result<Pilot, Failure>) -> Result<(), Failure> {
        self.live.as_mut().map_or(Ok(()), |live| live.show(pilot))
    }

    /// Shows a policy on another vehicle.
    pub(crate) fn policy_in(
        &mut self,
        env: impl FnOnce() -> Box<dyn Task>,
        pilot: impl FnOnce() -> Result<Pilot, Failure>,
    ) -> Result<(), Failure> {
        self.live.as_mut().map_or(Ok(()), |live| live.show_in(env, pilot))
    }

    /// Shows the returns of an epoch with each of many teachers.
    pub(crate) fn returns(&mut self, epoch: u32, teachers: &[String], returns: &[f64]) {
        if let Some(live) = &mut self.live {
            live.returns(epoch, teachers, returns);
        }
        self.tell(|story| story.returns(teachers, returns));
    }

    /// Whether anybody sees tables.
    pub(crate) fn shows_tables(&self) -> bool {
        self.live.is_some() || self.dashboard.is_some()
    }

    /// Shows a table in place of the one of the same name.
    pub(crate) fn table(&self, name: &str, table: Table) {
        if let Some(live) = &self.live {
            live.feed().table(name, &table);
        }
        self.tell(|story| story.table(name, table));
    }

    /// Gives the terminal back: lines are printed from here on.
    pub(crate) fn close(&mut self) {
        (self.bar, self.dashboard) = (None, None);
    }

    fn tell(&self, tell: impl FnOnce(&mut Story)) {
        if let Some(dashboard) = &self.dashboard {
            dashboard.tell(tell);
        }
    }
}

fn absolute(path: &Path) -> Result<String, Failure> {
    Ok(std::path::absolute(path)?.display().to_string())
}
