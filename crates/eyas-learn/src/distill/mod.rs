//! Policy distillation by DAgger (Ross, Gordon and Bagnell 2011, AISTATS, Algorithm 3.1).

mod collect;
mod config;
mod dataset;
mod fit;
mod resting;
mod student;
mod teachers;

use eyas_lanes::Stream;
use eyas_policy::Policy;

pub use collect::Collected;
pub use config::{DistillConfig, ObservationChoice, StudentConfig, StudentKind};
pub use dataset::{Dataset, Episode};
pub use fit::{
    CpuFitter, EpochData, FitError, Fitter, SHARD_BLOCKS, Sequence, blocks_of, power_of_two, scale_of,
    shards_of, squared_error,
};
pub use resting::{PositionFeatures, RestingError, Uncorrectable};
pub use student::{Stored, Student};
pub use teachers::{Active, OnWeakTeacher, Selection, Teacher, TeachersConfig};

use collect::{LabelledFlights, Plan, Rollouts};

use crate::actor::Actor;
use crate::engine::Engine;
use crate::evaluation::{Evaluation, evaluate};
use crate::finite::NotFinite;

/// What one epoch did.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// Epoch, from 0.
    pub epoch: u32,
    /// βᵢ, the share of the states that the teachers' own flights visit: 1 where they flew, 0 where the student did.
    pub beta: f64,
    /// Episodes flown, and how.
    pub collected: Collected,
    /// How often an env was reset for a number that is not finite.
    pub num_lost: u64,
    /// Samples in the dataset.
    pub dataset_samples: usize,
    /// Samples trained on.
    pub trained_samples: usize,
    /// Mean squared error of each batch.
    pub losses: Vec<f64>,
    /// The student on the evaluation's starts, in the epochs that evaluate.
    pub evaluation: Option<Evaluation>,
    /// Seconds spent collecting, fitting and evaluating.
    pub seconds: [f64; 3],
}

impl EpochReport {
    /// Mean squared error over the batches.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len().max(1) as f64
    }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continue {
    /// With the next epoch.
    Yes,
    /// No: the run was interrupted.
    No,
}

/// Watches a distillation: prints, logs, writes checkpoints.
pub trait Observer {
    /// The error that ends a run.
    type Error: From<NotFinite> + From<FitError>;

    /// An epoch begins, in which the teachers fly (`beta` 1) or the student does (0).
    fn begin(&mut self, epoch: u32, beta: f64) -> Result<(), Self::Error>;

    /// The epoch's episodes were flown; the student is about to train on so many samples of so many.
    fn collected(&mut self, collected: &Collected, samples: [usize; 2]) -> Result<(), Self::Error>;

    /// An epoch is done; `student` is what it left.
    fn finish(
        &mut self,
        report: &EpochReport,
        student: &Student,
        dataset: &Dataset,
    ) -> Result<Continue, Self::Error>;
}

/// Everything that a distillation goes on from.
pub struct Progress {
    /// The student and its optimiser.
    pub student: Student,
    /// The aggregated data.
    pub dataset: Dataset,
    /// The next epoch.
    pub epoch: u32,
}

/// Distils teachers into a student.
///
/// βᵢ is 1 in the first `epoch_teacher_forcing` epochs, when each teacher flies its vehicle, then 0: it only labels.
pub fn distill<O: Observer>(
    config: &DistillConfig,
    teachers: &[Teacher],
    collector: &mut Collector,
    progress: &mut Progress,
    observer: &mut O,
) -> Result<(), O::Error> {
    let Progress { student, dataset, epoch } = progress;
    while *epoch < config.n_epochs {
        let mut clock = Clock::start();
        // Sample trajectories with πᵢ = βᵢ π* + (1 − βᵢ) π̂ᵢ; the teacher π* labels every state visited.
        let beta = config.beta(*epoch);
        observer.begin(*epoch, beta)?;
        let lost_before = collector.engine.num_lost();
        let mut rollouts = collector.sample(beta, &student.actor(), teachers, *epoch)?;
        let collected = rollouts.summary(teachers.len());
        rollouts.keep(&config.labelling(beta, &collected.returns, teachers));
        // Aggregate: D ← D ∪ Dᵢ, or Dᵢ alone on-policy.
        if config.on_policy {
            dataset.clear();
        }
        dataset.aggregate(rollouts, *epoch);
        collector.sample_teachers(beta, teachers, *epoch, |rollouts| dataset.aggregate(rollouts, *epoch))?;
        let collecting = clock.lap();
        // Train π̂ᵢ₊₁ on D.
        let batches = student.choose(dataset, config, *epoch);
        observer.collected(&collected, [batches.samples, dataset.num_samples()])?;
        let losses = student.fit(dataset, &batches, config, *epoch)?;
        let fitting = clock.lap();
        // Keep the best π̂ᵢ on validation.
        let evaluation = collector.validate(&student.actor(), teachers, *epoch)?;
        let report = EpochReport {
            epoch: *epoch,
            beta,
            collected,
            num_lost: collector.engine.num_lost() - lost_before,
            dataset_samples: dataset.num_samples(),
            trained_samples: batches.samples,
            losses,
            evaluation,
            seconds: [collecting, fitting, clock.lap()],
        };
        *epoch += 1;
        if observer.finish(&report, student, dataset)? == Continue::No {
            break;
        }
    }
    Ok(())
}

/// Where a distillation flies: envs to collect in, and the means to make fresh ones to evaluate in.
pub struct Collector {
    engine: Box<dyn Engine>,
    flights: LabelledFlights,
    make_evaluation: Box<dyn Fn() -> Box<dyn Engine>>,
    config: DistillConfig,
    turns: Stream,
}

impl Collector {
    /// A collector for as many teachers, which share the blocks of `engine` evenly and in order; `make_evaluation` gives envs
    /// with the same starts every time.
    pub fn new(
        config: &DistillConfig,
        mut engine: Box<dyn Engine>,
        num_teachers: usize,
        student_features: std::ops::Range<usize>,
        seed: u64,
        make_evaluation: Box<dyn Fn() -> Box<dyn Engine>>,
    ) -> Self {
        let noise = Stream::new(seed, "distill/noise");
        let flights = LabelledFlights::new(config, engine.as_ref(), num_teachers, student_features, noise);
        let turns = Stream::new(seed, "distill/turns");
        engine.set_on_nan(config.on_nan);
        Self { engine, flights, make_evaluation, config: config.clone(), turns }
    }

    /// The trajectories of an epoch: of the teachers where `beta` is 1, of the learner where it is 0.
    fn sample(
        &mut self,
        beta: f64,
        learner: &Actor,
        teachers: &[Teacher],
        epoch: u32,
    ) -> Result<Rollouts, NotFinite> {
        let student = (beta < 1.0).then_some(learner);
        self.fly(student, teachers, epoch, 0)
    }

    /// What the teachers fly beside that, where a configuration mixes their flights in.
    fn sample_teachers(
        &mut self,
        beta: f64,
        teachers: &[Teacher],
        epoch: u32,
        mut aggregate: impl FnMut(Rollouts),
    ) -> Result<(), NotFinite> {
        for flight in self.config.more_teacher_flights(beta) {
            aggregate(self.fly(None, teachers, epoch, flight)?);
        }
        Ok(())
    }

    /// One flight of an epoch, by its number; of the teachers where there is no actor.
    fn fly(
        &mut self,
        actor: Option<&Actor>,
        teachers: &[Teacher],
        epoch: u32,
        flight: u32,
    ) -> Result<Rollouts, NotFinite> {
        let flies = self.config.teachers.flying(teachers.len(), epoch, self.turns);
        let index = epoch * self.config.flights_per_epoch() + flight;
        let plan = Plan { actor, teachers, flies: &flies, index };
        self.flights.collect(self.engine.as_mut(), &plan)
    }

    /// Flies a policy on the evaluation's starts in the epochs that evaluate, beside the labels of the teacher if there is
    /// one.
    fn validate(
        &self,
        actor: &Actor,
        teachers: &[Teacher],
        epoch: u32,
    ) -> Result<Option<Evaluation>, NotFinite> {
        if !self.config.evaluates(epoch) {
            return Ok(None);
        }
        let labeller = match teachers {
            [teacher] => Some(&teacher.actor),
            _ => None,
        };
        let mut engine = (self.make_evaluation)();
        engine.set_on_nan(self.config.on_nan);
        evaluate(engine.as_mut(), actor, labeller, self.config.eval_steps).map(Some)
    }
}

struct Clock(std::time::Instant);

impl Clock {
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Seconds since the last call.
    fn lap(&mut self) -> f64 {
        let now = std::time::Instant::now();
        let seconds = (now - self.0).as_secs_f64();
        self.0 = now;
        seconds
    }
}

/// A fresh student for a configuration.
pub fn new_student(
    config: &DistillConfig,
    features: std::ops::Range<usize>,
    num_actions: usize,
    seed: u64,
) -> Policy {
    config.student.policy(features.len(), num_actions, Stream::new(seed, "distill/student"))
}
