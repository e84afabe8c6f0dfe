//! Pictures of a policy in flight, for the log of a run that learns.
//!
//! As for videos, each is flown in an env of its own from the same start, so no result depends on it.

use std::time::Instant;

use eyas_learn::Actor;
use eyas_view::{Airframe, Caption, Film, Frame, Scene, View};

use crate::budget::Budget;
use crate::failure::Failure;
use crate::footage::shoot;
use crate::run_logger::RunLogger;
use crate::tasks::AnyTask;
use crate::video::{VIDEO_SEED, motor_names, vehicle_name};

/// Size of a picture, px.
const SIZE: (usize, usize) = (640, 360);
/// Length of the flight that it shows the end of, control steps.
const STEPS: u32 = 150;
/// Largest share of a run's time that pictures take.
const SHARE: f64 = 0.02;

/// The pictures of a run.
pub(crate) struct Snapshots {
    env: Box<dyn AnyTask>,
    budget: Budget,
}

impl Snapshots {
    /// Pictures of flights in a task.
    pub(crate) fn new(env: &dyn AnyTask) -> Self {
        Self { env: env.clone_task(), budget: Budget::new(SHARE) }
    }

    /// Logs how the policy flies now, at a step of the run; not where pictures have taken their share of the time.
    pub(crate) fn take(
        &mut self,
        logger: &mut RunLogger,
        step: u64,
        [title, subtitle]: [&str; 2],
        actor: impl FnOnce() -> Result<Actor, Failure>,
    ) -> Result<(), Failure> {
        if !self.budget.is_affordable() {
            return Ok(());
        }
        let clock = Instant::now();
        logger.picture("evaluation/flight", step, &self.picture(title, subtitle, &actor()?)?)?;
        self.budget.charge(clock.elapsed().as_secs_f64());
        Ok(())
    }

    fn picture(&self, title: &str, subtitle: &str, actor: &Actor) -> Result<Frame, Failure> {
        let mut env = self.env.make(1, VIDEO_SEED);
        let motors = motor_names(env.spec());
        let mut flights = shoot(env.as_mut(), actor, STEPS)?;
        let scene = Scene {
            flight: flights.swap_remove(0),
            airframe: Airframe::new(self.env.vehicle()),
            caption: Caption {
                title: title.into(),
                subtitle: format!("{} · {subtitle}", vehicle_name(self.env.as_ref())),
                motors,
            },
            view: View::Fixed,
        };
        let film = Film::new(SIZE, 1, vec![scene]);
        Ok(film.frame(film.num_frames().saturating_sub(1)))
    }
}
