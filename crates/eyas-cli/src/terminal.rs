//! Who hears a run for the program: the terminal, as lines or as a dashboard, and the live view.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use eyas::observer::{Activity, MakeActor, Table};
use eyas::run_files::LOG;
use eyas::text::printable;
use eyas::{AnyTask, Failure, Observer};
use eyas_run::{Interrupt, Progress};
use eyas_web::LiveView;

use crate::dashboard::{Dashboard, DashboardState};
use crate::live::{self, LiveRun};
use crate::print::{say, tell};

/// What the flags ask for, and what has come of it.
pub(crate) struct Terminal {
    is_quiet: bool,
    has_dashboard: bool,
    address: Option<SocketAddr>,
    interrupt: Interrupt,
    view: Option<LiveView>,
    live: Option<LiveRun>,
    bar: Option<Progress>,
    dashboard: Option<Dashboard>,
    log: Log,
}

/// Where lines are kept: in the folder of the run, once it has one.
enum Log {
    Waiting(Vec<String>),
    Kept(File, PathBuf),
}

impl Log {
    fn add(&mut self, line: &str) -> Result<(), Failure> {
        match self {
            Self::Waiting(lines) => lines.push(line.to_owned()),
            Self::Kept(file, path) => {
                writeln!(file, "{line}").map_err(|error| Failure::from(error).at(&path.display()))?;
            }
        }
        Ok(())
    }

    /// Keeps lines in a folder, after those of the processes before.
    fn keep_in(&mut self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(LOG);
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|error| Failure::from(error).at(&path.display()))?;
        if let Self::Waiting(lines) = std::mem::replace(self, Self::Kept(file, path)) {
            lines.iter().try_for_each(|line| self.add(line))?;
        }
        Ok(())
    }
}

impl Terminal {
    /// Lines and a progress line, or a dashboard; and a live view at an address.
    pub(crate) fn new(
        is_quiet: bool,
        has_dashboard: bool,
        address: Option<SocketAddr>,
        interrupt: &Interrupt,
    ) -> Self {
        Self {
            is_quiet,
            has_dashboard,
            address,
            interrupt: interrupt.clone(),
            view: None,
            live: None,
            bar: None,
            dashboard: None,
            log: Log::Waiting(Vec::new()),
        }
    }

    /// Lines and a progress line.
    pub(crate) fn with_bar(is_quiet: bool, interrupt: &Interrupt) -> Self {
        Self::new(is_quiet, false, None, interrupt)
    }

    /// Shows a line without printing it.
    fn show_line(&self, line: &str) {
        if let Some(live) = &self.live {
            live.feed().line(line);
        }
        self.state(|state| state.line(line));
    }

    fn state(&self, change: impl FnOnce(&mut DashboardState)) {
        if let Some(dashboard) = &self.dashboard {
            dashboard.change(change);
        }
    }
}

impl Observer for Terminal {
    fn accepted(&mut self) -> Result<(), Failure> {
        self.view = live::open_for_run(self.address)?;
        Ok(())
    }

    fn started(&mut self, activity: &Activity) -> Result<(), Failure> {
        let Activity { name, step_unit, rate_unit, position, total, folder, .. } = *activity;
        self.live = self.view.take().map(|view| LiveRun::start(view, activity)).transpose()?;
        let is_hidden = self.is_quiet || self.has_dashboard;
        let bar = if is_hidden { Progress::hidden(name, total) } else { Progress::new(name, total) };
        let bar = bar.with_unit(rate_unit);
        bar.set(position);
        self.bar = Some(bar);
        if self.has_dashboard {
            let state = DashboardState::new(name, [step_unit, rate_unit], position, total);
            self.dashboard = Some(Dashboard::open(state, &self.interrupt)?);
        }
        if let Some(folder) = folder {
            self.log.keep_in(folder)?;
            self.show_line(&format!("Folder of the run: {}", std::path::absolute(folder)?.display()));
        }
        Ok(())
    }

    fn configured(&mut self, group: &str, yaml: &str) {
        if let Some(live) = &self.live {
            live.feed().text(&format!("{group}.yaml"), yaml);
        }
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        let line = &*printable(line);
        self.log.add(line)?;
        self.show_line(line);
        match (&self.dashboard, &self.bar) {
            (Some(_), _) => Ok(()),
            (None, Some(bar)) => Ok(bar.println(line)?),
            (None, None) => say(line),
        }
    }

    fn warning(&mut self, text: &str) {
        // A log that cannot be written ends the run at its next line.
        let _ = self.log.add(&printable(text));
        tell(text);
    }

    fn position(&mut self, position: u64) {
        self.bar.iter().for_each(|bar| bar.set(position));
        self.live.iter().for_each(|live| live.position(position));
        self.state(|state| state.set_position(position));
    }

    fn count(&mut self, units: u64) {
        self.bar.iter().for_each(|bar| bar.count(units));
        self.state(|state| state.count(units));
    }

    fn scalar(&mut self, tag: &str, step: u64, value: f64) {
        if let Some(live) = &self.live {
            live.feed().scalar(tag, step, value);
        }
        self.state(|state| state.scalar(tag, step, value));
    }

    fn returns(&mut self, epoch: u32, teachers: &[String], returns: &[f64]) {
        if let Some(live) = &mut self.live {
            live.returns(epoch, teachers, returns);
        }
        self.state(|state| state.returns(teachers, returns));
    }

    fn shows_tables(&self) -> bool {
        self.live.is_some() || self.dashboard.is_some()
    }

    fn table(&mut self, name: &str, table: Table) {
        let table = eyas_web::Table { columns: table.columns, rows: table.rows };
        if let Some(live) = &self.live {
            live.feed().table(name, &table);
        }
        self.state(|state| state.table(name, table));
    }

    fn policy(&mut self, actor: MakeActor) -> Result<(), Failure> {
        self.live.as_mut().map_or(Ok(()), |live| live.show(actor))
    }

    fn policy_in(&mut self, task: &dyn Fn() -> Box<dyn AnyTask>, actor: MakeActor) -> Result<(), Failure> {
        self.live.as_mut().map_or(Ok(()), |live| live.show_in(task, actor))
    }

    /// Gives the terminal back: lines are printed from here on.
    fn stopped(&mut self) {
        (self.bar, self.dashboard) = (None, None);
    }
}
