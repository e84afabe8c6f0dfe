//! What a run writes down while it learns: its curves; and who is told.

use eyas_policy::Network;
use eyas_run::events::Image;
use eyas_run::{EventWriter, RunDir};
use eyas_view::Frame;

use crate::failure::Failure;
use crate::observer::{Activity, MakeActor, Observer, Table};
use crate::provenance::Provenance;
use crate::tasks::AnyTask;

/// How the curves of a run go on, see [`EventWriter::go_on`].
pub(crate) struct Continued {
    /// The first step that is logged.
    pub(crate) first: u64,
    /// A curve whose steps are counted so.
    pub(crate) clock: &'static str,
    /// Curves whose steps count something else.
    pub(crate) is_other: fn(&str) -> bool,
}

/// TensorBoard's file, and whoever listens.
pub(crate) struct RunLogger<'a> {
    events: EventWriter,
    observer: &'a mut dyn Observer,
}

impl<'a> RunLogger<'a> {
    /// Starts an event file in the folder of a run, with the configuration as what the run is compared by in the curves of
    /// the given tags. If the run is continued, what is logged once more is void in earlier files.
    pub(crate) fn start(
        run: &RunDir,
        observer: &'a mut dyn Observer,
        activity: &Activity,
        provenance: &Provenance,
        metrics: &[&str],
        continued: Option<&Continued>,
    ) -> Result<Self, Failure> {
        let mut events = EventWriter::create(run.path())?;
        if let Some(Continued { first, clock, is_other }) = continued {
            events.go_on(*first, clock, is_other)?;
        }
        observer.started(activity)?;
        events.session_start(&provenance.settings, metrics)?;
        for (group, value) in &provenance.groups {
            observer.configured(group, &value.to_yaml());
        }
        Ok(Self { events, observer })
    }

    /// Moves the position.
    pub(crate) fn set(&mut self, position: u64) {
        self.observer.position(position);
    }

    /// Adds finished units to the rate.
    pub(crate) fn count(&mut self, units: u64) {
        self.observer.count(units);
    }

    /// Adds a point to a curve.
    pub(crate) fn scalar(&mut self, tag: &str, step: u64, value: f32) -> Result<(), Failure> {
        self.observer.scalar(tag, step, f64::from(value));
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

    /// Says a line.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), Failure> {
        self.observer.line(line)
    }

    /// Shows the policy of the moment.
    pub(crate) fn policy(&mut self, actor: MakeActor) -> Result<(), Failure> {
        self.observer.policy(actor)
    }

    /// Shows a policy on another vehicle.
    pub(crate) fn policy_in(
        &mut self,
        task: &dyn Fn() -> Box<dyn AnyTask>,
        actor: MakeActor,
    ) -> Result<(), Failure> {
        self.observer.policy_in(task, actor)
    }

    /// Shows the returns of an epoch with each of many teachers.
    pub(crate) fn returns(&mut self, epoch: u32, teachers: &[String], returns: &[f64]) {
        self.observer.returns(epoch, teachers, returns);
    }

    /// Whether anybody sees tables.
    pub(crate) fn shows_tables(&self) -> bool {
        self.observer.shows_tables()
    }

    /// Shows a table in place of the one of the same name.
    pub(crate) fn table(&mut self, name: &str, table: Table) {
        self.observer.table(name, table);
    }

    /// Says that the run has learned all it will.
    pub(crate) fn stopped(&mut self) {
        self.observer.stopped();
    }
}
