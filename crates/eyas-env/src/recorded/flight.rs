//! What a block is flown with elsewhere than here.

use std::sync::Arc;

use eyas_lanes::{BLOCK, Fields, Map, Row};
use eyas_sim::{Langevin, State};
use eyas_trace::{Form, Program};

use super::{Surroundings, TaskRecorder};
use crate::block::Block;
use crate::target::Path;
use crate::task::{Extras, Task, TaskBase};

/// How the envs of a block fly, if these formulas are all there is to it: nothing separates flying from simulating, nobody
/// disturbs the vehicles, and references rest or move at random.
#[derive(Clone, Debug, PartialEq)]
pub struct FlightFormulas {
    /// `vehicle`, `limits` → `state`, `memory`, `reference`, `max_speed`, `moving`.
    pub reset: Program,
    /// `reference`, `max_speed`, `moving` → `reference` a control step later, where references move.
    pub reference: Option<Program>,
    /// `vehicle`, `state`, `memory`, `reference` → `observation`.
    pub observe: Program,
    /// `vehicle`, `force`, `state`, `memory`, `reference`, `limits`, `action` → `state`, `memory`, `terms`, `causes`.
    pub step: Program,
    /// Whether the reference moves on before a step or after it.
    pub reference_moves_first: bool,
    /// Control steps after which the time of an episode is over.
    pub time_limit: u32,
    /// Causes, the last ones, that cut an episode as if its time were over.
    pub cuts: usize,
    /// What all draws are keyed by.
    pub seed: u64,
    /// Where the position begins among the numbers of `state`, and that of the target among those of `reference`.
    pub positions: [usize; 2],
}

/// What such formulas take of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct FlightRows {
    /// Blocks of one env whose numbers are equal here have the same formulas.
    pub formulas: (usize, bool),
    /// Global index of the first env.
    pub first_env: u32,
    /// The input `vehicle`.
    pub vehicle: Vec<Row>,
    /// The input `limits`.
    pub limits: Vec<Row>,
    /// The episode that the next reset of each lane starts.
    pub next_episode: [u32; BLOCK],
}

impl<T: Task> Block<T> {
    /// Whether the formulas are all there is.
    fn is_plain(&self) -> bool {
        let Extras { numbers, settings, follows, takes_notes, changes_vehicles, distorts, .. } =
            self.shared.task.extras();
        let has_extras = numbers + settings > 0 || follows || takes_notes || changes_vehicles || distorts;
        let is_course = matches!(self.shared.rules.motion.path, Path::Course(_));
        !has_extras && !is_course && self.reality.is_none() && !self.is_perturbed()
    }

    /// Of [`EnvBlock::flight_formulas`](crate::EnvBlock::flight_formulas).
    pub(crate) fn formulas(&self, form: Form) -> Option<FlightFormulas> {
        if !self.is_plain() {
            return None;
        }
        let task = TaskRecorder { task: &self.shared.task, form };
        let aligned = self.is_aligned();
        Some(FlightFormulas {
            reset: task.reset(),
            reference: task.reference(),
            observe: task.observe(),
            step: if aligned {
                task.step::<true>(Surroundings::Push)
            } else {
                task.step::<false>(Surroundings::Push)
            },
            reference_moves_first: T::REFERENCE_MOVES_FIRST,
            time_limit: self.shared.rules.time_limit,
            cuts: self.shared.task.extras().cuts,
            seed: self.shared.seed,
            positions: [places::<State<()>>().body.position[0], places::<Langevin<()>>().position[0]]
                .map(|place: f32| place as usize),
        })
    }

    /// Of [`EnvBlock::flight_rows`](crate::EnvBlock::flight_rows).
    pub(crate) fn rows(&self) -> Option<FlightRows> {
        self.is_plain().then(|| FlightRows {
            formulas: (Arc::as_ptr(&self.shared).addr(), self.is_aligned()),
            first_env: self.episodes.first_env,
            vehicle: self.vehicles.flown().to_vec(),
            limits: rows_of::<T>(&self.vehicles.limits),
            next_episode: self.episodes.episode.map(|it| it.wrapping_add(1)),
        })
    }
}

/// The rows of what follows from vehicles, in their order.
fn rows_of<T: TaskBase>(limits: &<T::Limits as Fields>::Of<Row>) -> Vec<Row> {
    struct Collect(Vec<Row>);
    impl Map<Row, ()> for Collect {
        fn one(&mut self, row: &Row) {
            self.0.push(*row);
        }
    }
    let mut all = Collect(Vec::new());
    T::Limits::map(limits, &mut all);
    all.0
}

/// Fields that hold their own places.
fn places<F: Fields>() -> F::Of<f32> {
    struct Count(f32);
    impl Map<(), f32> for Count {
        fn one(&mut self, (): &()) -> f32 {
            self.0 += 1.0;
            self.0 - 1.0
        }
    }
    F::map(&F::splat(()), &mut Count(0.0))
}
