//! The live view of a run that learns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use eyas::Failure;
use eyas::observer::{Activity, MakeActor};
use eyas::tasks::AnyTask;
use eyas_learn::Actor;
use eyas_learn::Engine;
use eyas_web::{Feed, HeatMap, LiveView, Progress};

use super::flyer::Flyer;
use super::play::Pace;
use super::scene;
use crate::dashboard::left_s;

/// Envs of the shown flights: half a block, of which a single thread flies thousands of steps a second.
const NUM_ENVS: usize = 16;
/// Their starts, which nothing else uses.
const SEED: u64 = 0x11fe;
/// From one change of the policy to the next.
const CHANGE_INTERVAL: Duration = Duration::from_millis(500);
/// How long to sleep while nobody looks.
const NAP: Duration = Duration::from_millis(50);
/// Cells of the matrix of returns; with more teachers it shows fewer epochs.
const MOST_CELLS: usize = 20_000;
/// Epochs in it.
const MOST_EPOCHS: usize = 100;

/// Numbers and lines of a run as they come, and the policy of the moment in envs of its own: nothing that the run
/// computes depends on it.
pub(crate) struct LiveRun {
    feed: Feed,
    activity: String,
    step_unit: String,
    begin: Instant,
    /// Where this process began, and where the run ends.
    ends: [u64; 2],
    policy: Arc<Policy>,
    changed: Option<Instant>,
    flight: Option<JoinHandle<()>>,
    returns: HeatMap,
    /// Ends when dropped, after the flight.
    _view: LiveView,
}

/// The policy of the moment, on its way to the thread that flies it.
#[derive(Default)]
struct Policy {
    next: Mutex<Option<Next>>,
    ends: AtomicBool,
}

/// A policy, and the envs that it flies in if they are others than before.
struct Next {
    actor: Actor,
    env: Option<Box<dyn Engine>>,
}

impl LiveRun {
    /// Shows in a live view what a run does in a task.
    pub(crate) fn start(
        view: LiveView,
        &Activity { name: activity, step_unit, position, total, task: env, .. }: &Activity,
    ) -> Result<Self, Failure> {
        let feed = view.feed();
        feed.scene(scene(activity, step_unit, env, NUM_ENVS));
        let policy = Arc::new(Policy::default());
        let (flown, env, shown) = (Arc::clone(&policy), env.clone_task(), feed.clone());
        let flight = thread::Builder::new()
            .name("live flight".into())
            .spawn(move || flown.fly(env.as_ref(), &shown))?;
        let returns = HeatMap {
            quantity: "mean return".into(),
            row_label: "teacher".into(),
            column_label: step_unit.into(),
            ..HeatMap::default()
        };
        let (activity, step_unit) = (activity.into(), step_unit.into());
        let it = Self {
            feed,
            activity,
            step_unit,
            begin: Instant::now(),
            ends: [position, total],
            policy,
            changed: None,
            flight: Some(flight),
            returns,
            _view: view,
        };
        it.position(position);
        Ok(it)
    }

    /// Shows how far the run has come, and how long it will take.
    pub(crate) fn position(&self, position: u64) {
        let [first, total] = self.ends;
        let left_s = left_s(self.begin.elapsed().as_secs_f64(), first, [position, total]);
        self.feed.progress(&Progress { unit: self.step_unit.clone(), position, total, left_s });
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Lets the policy of the moment fly on, if someone looks.
    pub(crate) fn show(&mut self, actor: MakeActor) -> Result<(), Failure> {
        if self.is_due() {
            self.policy.put(Next { actor: actor()?, env: None });
        }
        Ok(())
    }

    /// Lets a policy fly another vehicle of the task, if someone looks.
    pub(crate) fn show_in(
        &mut self,
        env: &dyn Fn() -> Box<dyn AnyTask>,
        actor: MakeActor,
    ) -> Result<(), Failure> {
        if self.is_due() {
            let env = env();
            self.feed.scene(scene(&self.activity, &self.step_unit, env.as_ref(), NUM_ENVS));
            self.policy.put(Next { actor: actor()?, env: Some(env.make(NUM_ENVS, SEED)) });
        }
        Ok(())
    }

    /// Whether the policy may change now; then it must.
    fn is_due(&mut self) -> bool {
        let is_seen = self.feed.num_viewers() > 0;
        let is_due = self.changed.is_none_or(|it| is_seen && it.elapsed() >= CHANGE_INTERVAL);
        if is_due {
            self.changed = Some(Instant::now());
        }
        is_due
    }

    /// Adds what was flown in an epoch with each of many teachers, by their names; not a number where none flew.
    pub(crate) fn returns(&mut self, epoch: u32, teachers: &[String], returns: &[f64]) {
        let map = &mut self.returns;
        map.rows = teachers.to_vec();
        map.values.resize_with(returns.len(), Vec::new);
        map.columns.push(epoch.to_string());
        let most = (MOST_CELLS / returns.len().max(1)).clamp(1, MOST_EPOCHS);
        let surplus = map.columns.len().saturating_sub(most);
        map.columns.drain(..surplus);
        for (row, value) in map.values.iter_mut().zip(returns) {
            row.push(value.is_finite().then_some(*value as f32));
            row.drain(..surplus);
        }
        self.feed.heat_map("Return with each teacher", map);
    }
}

impl Drop for LiveRun {
    fn drop(&mut self) {
        self.policy.ends.store(true, Ordering::Relaxed);
        let _ = self.flight.take().map(JoinHandle::join);
    }
}

impl Policy {
    fn put(&self, next: Next) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }

    fn take(&self) -> Option<Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fly(&self, env: &dyn AnyTask, feed: &Feed) {
        let mut flyer: Option<Flyer> = None;
        let mut pace = Pace::new(env.control_period());
        let mut steps = 0_u64;
        while !self.ends.load(Ordering::Relaxed) {
            if let Some(Next { actor, env: own }) = self.take() {
                if let (Some(flyer), None) = (&mut flyer, &own) {
                    flyer.hand_over(actor);
                } else {
                    flyer = Some(Flyer::new(own.unwrap_or_else(|| env.make(NUM_ENVS, SEED)), actor));
                }
            }
            let Some(flyer) = flyer.as_mut().filter(|_| feed.num_viewers() > 0) else {
                thread::sleep(NAP);
                pace.rest();
                continue;
            };
            thread::sleep(pace.until_due());
            if flyer.step().is_err() {
                // The policy has diverged, as its training will say.
                thread::sleep(NAP);
                continue;
            }
            pace.stepped();
            steps += 1;
            if steps.is_multiple_of(2) {
                feed.poses(&flyer.poses(pace.speed));
            }
        }
    }
}
