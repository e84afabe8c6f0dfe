//! How far each teacher of a fleet is, for whoever watches.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eyas_vehicles::FleetVehicle;

use super::{Score, TeacherResult};
use crate::failure::Failure;
use crate::observer::{MakeActor, Table};
use crate::run_logger::RunLogger;
use crate::tasks::AnyTask;

/// Name of the table.
const TABLE: &str = "Teachers";
/// From table to table: a fleet of thousands changes all the time.
const INTERVAL: Duration = Duration::from_millis(500);

/// What a teacher does; those that are watched first come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Learns,
    BelowTheBar,
    Accepted,
    Waits,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Learns => "learns",
            Self::BelowTheBar => "below the bar",
            Self::Accepted => "accepted",
            Self::Waits => "waits",
        }
    }
}

/// One teacher.
struct Standing {
    teacher: usize,
    vehicle: String,
    state: State,
    attempt: u32,
    iteration: u32,
    score: Option<Score>,
}

impl Standing {
    fn row(&self) -> Vec<String> {
        let count = |count: u32| if count == 0 { String::new() } else { count.to_string() };
        let score = |text: &dyn Fn(&Score) -> String| self.score.as_ref().map(text).unwrap_or_default();
        vec![
            self.teacher.to_string(),
            self.vehicle.clone(),
            self.state.name().into(),
            count(self.attempt),
            count(self.iteration),
            score(&|it| format!("{:.1}", it.mean_return)),
            score(&|it| format!("{:.2} %", 100.0 * it.terminated)),
        ]
    }
}

/// The log of a fleet, which its threads share.
pub(super) struct Board<'a> {
    inner: Mutex<Inner<'a>>,
}

struct Inner<'a> {
    logger: RunLogger<'a>,
    standings: Vec<Standing>,
    /// Teachers that are done.
    done: u64,
    shown: Option<Instant>,
}

impl<'a> Board<'a> {
    /// All teachers, and the results of those that are there already.
    pub(super) fn new<'f>(
        logger: RunLogger<'a>,
        fleet: impl Iterator<Item = (&'f (usize, FleetVehicle), Option<TeacherResult>)>,
    ) -> Self {
        let mut inner = Inner { logger, standings: Vec::new(), done: 0, shown: None };
        for ((teacher, vehicle), result) in fleet {
            inner.standings.push(Standing {
                teacher: *teacher,
                vehicle: vehicle.id.clone(),
                state: State::Waits,
                attempt: 0,
                iteration: 0,
                score: None,
            });
            if let Some(result) = result {
                inner.finish(&result);
            }
        }
        inner.show();
        Self { inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<'a>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds env steps to the rate.
    pub(super) fn count(&self, env_steps: u64) {
        self.inner().logger.count(env_steps);
    }

    /// A teacher was measured after so many iterations with its n-th seed, counted from 1.
    pub(super) fn measured(
        &self,
        teacher: usize,
        [attempt, iteration]: [u32; 2],
        score: Score,
        task: &dyn Fn() -> Box<dyn AnyTask>,
        actor: MakeActor,
    ) -> Result<(), Failure> {
        let mut inner = self.inner();
        if let Some(it) = inner.standing(teacher) {
            (it.state, it.attempt, it.iteration, it.score) = (State::Learns, attempt, iteration, Some(score));
        }
        inner.show_if_due();
        inner.logger.policy_in(task, actor)
    }

    /// Learning with a seed met a number that is not finite.
    pub(super) fn diverged(&self, failure: &Failure) -> Result<(), Failure> {
        let advice = failure.advice().map(|advice| format!(" ({advice})")).unwrap_or_default();
        self.inner().logger.say(&format!("[WARNING] {failure}{advice}"))
    }

    /// A teacher is done; what of the bar it has not met.
    pub(super) fn finished(&self, result: &TeacherResult, missed: &str) -> Result<(), Failure> {
        let mut inner = self.inner();
        inner.finish(result);
        inner.show_if_due();
        let TeacherResult { teacher, raptor, own, .. } = result;
        for (tag, value) in [
            ("fleet/return", raptor.mean_return),
            ("fleet/terminated", raptor.terminated),
            ("fleet/own_return", own.mean_return),
            ("fleet/own_terminated", own.terminated),
            ("fleet/attempts", f64::from(result.attempts)),
            ("fleet/seconds", result.seconds),
        ] {
            inner.logger.scalar(tag, *teacher as u64, value as f32)?;
        }
        if !result.accepted {
            inner.logger.say(&format!(
                "[WARNING] Teacher {teacher} (vehicle {}) stays below the bar after {} attempts: {}",
                result.vehicle, result.attempts, missed
            ))?;
        }
        Ok(())
    }

    /// Writes down what is left.
    pub(super) fn close(self) -> Result<(), Failure> {
        let mut inner = self.inner.into_inner().unwrap_or_else(PoisonError::into_inner);
        inner.show();
        let is_done = |it: &Standing| matches!(it.state, State::Accepted | State::BelowTheBar);
        if inner.standings.iter().all(is_done) {
            inner.logger.completed()?;
        } else {
            inner.logger.flush()?;
        }
        inner.logger.stopped();
        Ok(())
    }
}

impl Inner<'_> {
    fn standing(&mut self, teacher: usize) -> Option<&mut Standing> {
        self.standings.iter_mut().find(|it| it.teacher == teacher)
    }

    fn finish(&mut self, result: &TeacherResult) {
        if let Some(it) = self.standing(result.teacher) {
            it.state = if result.accepted { State::Accepted } else { State::BelowTheBar };
            (it.attempt, it.iteration, it.score) = (result.attempts, result.iteration, Some(result.raptor));
        }
        self.done += 1;
        self.logger.set(self.done);
    }

    fn show_if_due(&mut self) {
        if self.shown.is_none_or(|it| it.elapsed() >= INTERVAL) {
            self.show();
        }
    }

    fn show(&mut self) {
        if !self.logger.shows_tables() {
            return;
        }
        let mut order: Vec<&Standing> = self.standings.iter().collect();
        order.sort_by_key(|it| (it.state, it.teacher));
        let columns = ["teacher", "vehicle", "state", "attempt", "iteration", "return", "terminated"];
        let rows = order.into_iter().map(Standing::row).collect();
        self.logger.table(TABLE, Table { columns: columns.map(String::from).to_vec(), rows });
        self.shown = Some(Instant::now());
    }
}
