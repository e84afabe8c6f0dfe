//! `--multirun`: one run for each combination of swept values, each a process of its own.

mod command_line;
mod summary;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{self, Child, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use eyas::Failure;
use eyas::run_files::write_file;
use eyas::run_location::RunLocation;
use eyas::run_result::RunResult;
use eyas_run::config::{Sweep, jobs};
use eyas_run::{Interrupt, Progress, RunDir};
use serde::{Deserialize, Serialize};

use super::{distill, train};
use crate::arguments::{Arguments, Command, FlightFlags, Multirun, Resume};
use crate::configuration;
use crate::flags::GRACE;
use crate::hydra;
use crate::print::{go_on_with, say};

/// Folder of all multiruns.
const ROOT: &str = "logs/multirun";
/// The jobs of a multirun, in its folder.
const JOBS: &str = "multirun.json";
/// How often the jobs are looked at.
const POLL: Duration = Duration::from_millis(50);
/// How long a job of a killed multirun may keep its folder: twice what it gets to write a checkpoint.
const MOST_WAIT: Duration = GRACE.saturating_mul(2);

/// One run.
struct Job {
    index: usize,
    /// All its overrides.
    overrides: Vec<String>,
    /// Those that differ between the jobs, in the order of the sweeps.
    values: Vec<String>,
    state: State,
}

/// How far a job is.
enum State {
    Waiting,
    Running(Child, Instant),
    /// In how many seconds, if this process has seen it.
    Done(RunResult, Option<f64>),
    Failed(String),
}

pub(crate) fn run(
    kind: &str,
    flight: &FlightFlags,
    resume: &Resume,
    multirun: &Multirun,
    threads: Option<usize>,
) -> Result<ExitCode, Failure> {
    let run_dir = resume.run_dir.as_deref();
    let (library, _) = configuration::sources(&flight.configuration, &[]).library();
    let sweeps =
        flight.overrides.iter().map(|it| Sweep::parse(it, &library)).collect::<Result<Vec<_>, _>>()?;
    let jobs = jobs(&sweeps);
    let threads = threads.unwrap_or_else(rayon::current_num_threads);
    let at_once = multirun.jobs.unwrap_or(threads).min(jobs.len());
    if at_once == 0 {
        return Err(Failure::new("`--jobs` is 0, expected at least 1"));
    }
    let arguments = command_line::of_jobs(std::env::args_os().skip(1), &flight.overrides)?;
    check_all(&arguments, &jobs)?;
    let interrupt = Interrupt::install()?;
    let location = RunLocation {
        root: ROOT,
        experiment: flight.experiment_name.as_deref().unwrap_or(kind),
        run_name: flight.run_name.as_deref().unwrap_or_default(),
        run_dir,
    };
    let run = open(&location, resume, &jobs)?;
    say(format!(
        "[INFO] Multirun of {} jobs, {at_once} at once, in directory: {}",
        jobs.len(),
        std::path::absolute(run.path())?.display()
    ))?;
    let swept: Vec<&Sweep> = sweeps.iter().filter(|it| it.is_swept()).collect();
    let total = jobs.len() as u64;
    let mut session = Session {
        arguments,
        threads: (threads / at_once).max(1),
        jobs: jobs.into_iter().enumerate().map(|(index, job)| Job::new(index, job, &sweeps)).collect(),
        bar: if flight.quiet {
            Progress::hidden("multirun", total)
        } else {
            Progress::new("multirun", total)
        },
        keys: swept.iter().map(|it| it.key.trim_start_matches('+').to_owned()).collect(),
        run,
    };
    session.fly(at_once, &interrupt)?;
    session.finish(&interrupt, run_dir)
}

/// Puts the configuration of every job together, so that one that cannot run is found before any has.
fn check_all(arguments: &[OsString], jobs: &[Vec<String>]) -> Result<(), Failure> {
    for (index, overrides) in jobs.iter().enumerate() {
        let line = arguments.iter().cloned().chain(overrides.iter().map(OsString::from));
        // The arguments of the multirun itself were parsed before.
        let Ok(parsed) = Arguments::of(std::iter::once("eyas".into()).chain(line)) else {
            continue;
        };
        let checked = match parsed.command {
            Command::Train(mut it) if it.fleet.vehicles.is_none() => {
                hydra::take_vehicle(&mut it.flight).and_then(|()| train::check(&it))
            }
            Command::Distill(mut it) => {
                hydra::take_vehicle(&mut it.flight).and_then(|()| distill::check(&it))
            }
            _ => Ok(()),
        };
        checked.map_err(|failure| failure.of(&format!("job {index}, {}", overrides.join(" "))))?;
    }
    Ok(())
}

/// What a multirun runs; a resumed one must be the same.
#[derive(PartialEq, Serialize, Deserialize)]
struct JobList {
    jobs: Vec<Vec<String>>,
}

/// Makes the folder, or finds that of an earlier multirun of the same jobs.
fn open(location: &RunLocation, resume: &Resume, jobs: &[Vec<String>]) -> Result<RunDir, Failure> {
    let list = JobList { jobs: jobs.to_vec() };
    let begin = |run: RunDir| {
        let text = serde_json::to_string_pretty(&list).map_err(Failure::new)?;
        write_file(&run.file(JOBS), text.as_bytes())?;
        Ok(run)
    };
    if !resume.resume.unwrap_or(false) {
        return begin(location.make()?);
    }
    let mut run = RunDir::open(location.find(resume.load_run.as_deref().unwrap_or(".*"))?)?;
    let path = run.file(JOBS);
    if path.is_file() || RunDir::is_own(run.path()) {
        run = run.lock()?;
        // It was killed before it had written down what it is.
        if run.holds_nothing()? {
            return begin(run);
        }
    }
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(format!("this is no multirun: {error}"))
            .at(&path.display())
            .hint("`--resume --load_run REGEX` chooses another one")
    })?;
    let earlier: JobList =
        serde_json::from_str(&text).map_err(|error| Failure::new(error).at(&path.display()))?;
    if earlier == list {
        return Ok(run);
    }
    Err(Failure::new("the multirun to go on with has other jobs")
        .at(&path.display())
        .hint("resume it with the overrides that it was started with"))
}

impl Job {
    fn new(index: usize, overrides: Vec<String>, sweeps: &[Sweep]) -> Self {
        let swept = overrides.iter().zip(sweeps).filter(|(_, sweep)| sweep.is_swept());
        let value = |text: &String| text.split_once('=').map_or("", |(_, value)| value).to_owned();
        let values = swept.map(|(text, _)| value(text)).collect();
        Self { index, values, overrides, state: State::Waiting }
    }

    fn folder(&self, run: &RunDir) -> PathBuf {
        run.file(self.index.to_string())
    }

    fn log(&self, run: &RunDir) -> PathBuf {
        run.file(format!("{}.log", self.index))
    }
}

struct Session {
    run: RunDir,
    /// What all jobs are called with, from the subcommand on.
    arguments: Vec<OsString>,
    /// Threads of each job.
    threads: usize,
    jobs: Vec<Job>,
    /// The swept keys.
    keys: Vec<String>,
    bar: Progress,
}

impl Session {
    /// Runs every job that is not done, some at once. A job that fails stops none of the others.
    fn fly(&mut self, at_once: usize, interrupt: &Interrupt) -> Result<(), Failure> {
        for job in &mut self.jobs {
            if let Some(result) = RunResult::read(&job.folder(&self.run)) {
                job.state = State::Done(result, None);
            }
        }
        let mut asked_to_stop = None;
        let began = Instant::now();
        loop {
            for index in 0..self.jobs.len() {
                if let State::Running(child, start) = &mut self.jobs[index].state
                    && let Some(status) = child.try_wait()?
                {
                    let seconds = start.elapsed().as_secs_f64();
                    self.end(index, status, seconds)?;
                }
            }
            let is_running = |job: &&mut Job| matches!(job.state, State::Running(..));
            let running = self.jobs.iter_mut().filter(is_running).count();
            let is_waiting = |job: &&Job| matches!(job.state, State::Waiting);
            let num_waiting = self.jobs.iter().filter(is_waiting).count();
            // A job of a multirun that was killed just now may still be writing its checkpoint.
            let is_free =
                |job: &Job| began.elapsed() > MOST_WAIT || !RunDir::is_in_use(&job.folder(&self.run));
            let waiting = self.jobs.iter().position(|job| is_waiting(&job) && is_free(job));
            if interrupt.interrupted() {
                let since = *asked_to_stop.get_or_insert_with(Instant::now);
                if running == 0 {
                    return Ok(());
                }
                if since.elapsed() > GRACE {
                    self.jobs.iter_mut().filter(is_running).for_each(Job::kill);
                }
            } else if let Some(index) = waiting.filter(|_| running < at_once) {
                self.start(index)?;
                continue;
            } else if running == 0 && num_waiting == 0 {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
    }

    fn start(&mut self, index: usize) -> Result<(), Failure> {
        let job = &mut self.jobs[index];
        let folder = job.folder(&self.run);
        let log = File::options().create(true).append(true).open(job.log(&self.run))?;
        let mut command = process::Command::new(std::env::current_exe()?);
        command.args(&self.arguments).args(&job.overrides).arg("--run_dir").arg(&folder);
        command.args(["--threads", &self.threads.to_string(), "--ends_with_stdin"]);
        if folder.is_dir() {
            command.arg("--resume");
        }
        // Its other end is closed when this process dies, however it does.
        let command = command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        job.state = State::Running(command.spawn()?, Instant::now());
        Ok(())
    }

    /// Notes how a job ended, and writes the table of those that have.
    fn end(&mut self, index: usize, status: ExitStatus, seconds: f64) -> Result<(), Failure> {
        let job = &mut self.jobs[index];
        job.state = match RunResult::read(&job.folder(&self.run)) {
            Some(result) => State::Done(result, Some(seconds)),
            // The signal came from the terminal, for all of us.
            None if status.code() == Some(130) => State::Waiting,
            None => State::Failed(reason(status, &job.log(&self.run))),
        };
        if !matches!(job.state, State::Waiting) {
            self.bar.advance(1);
            self.bar.println(summary::line(&self.keys, job))?;
        }
        self.write_table()
    }

    fn write_table(&self) -> Result<(), Failure> {
        write_file(&self.run.file("multirun.csv"), summary::table(&self.keys, &self.jobs).as_bytes())
    }

    fn finish(self, interrupt: &Interrupt, run_dir: Option<&Path>) -> Result<ExitCode, Failure> {
        self.write_table()?;
        if let Some(plot) = summary::plot(&self.keys, &self.jobs) {
            write_file(&self.run.file("multirun.png"), &plot)?;
        }
        let Self { bar, run, jobs, keys, .. } = self;
        drop(bar);
        let done = jobs.iter().filter(|job| matches!(job.state, State::Done(..))).count();
        if done > 0 {
            say(summary::report(&keys, &jobs).trim_end())?;
        }
        say(format!(
            "{done} of {} jobs; table and plot: {}",
            jobs.len(),
            run.file("multirun.csv").display()
        ))?;
        if interrupt.interrupted() && done < jobs.len() {
            say(go_on_with(run.path(), run_dir))?;
            return Ok(ExitCode::from(130));
        }
        Ok(ExitCode::from(u8::from(done < jobs.len())))
    }
}

impl Job {
    fn kill(&mut self) {
        if let State::Running(child, _) = &mut self.state {
            // It may have ended just now.
            let _ = child.kill();
        }
    }
}

/// The first error that a job printed, else how it ended.
fn reason(status: ExitStatus, log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let error = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let reason = error.map_or_else(|| status.to_string(), str::to_owned);
    format!("{reason} (see {})", log.display())
}
