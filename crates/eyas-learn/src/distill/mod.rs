//! Policy distillation by DAgger (Ross, Gordon and Bagnell 2011, AISTATS, Algorithm 3.1).

mod collect;
mod config;
mod dataset;
mod student;

use eyas_env::VecEnv;
use eyas_lanes::Stream;
use eyas_policy::Policy;

pub use collect::{Collected, Collector};
pub use config::{DistillConfig, ObservationChoice, StudentConfig, StudentKind};
pub use dataset::{Dataset, Episode};
pub use student::{Stored, Student};

use crate::evaluation::{Evaluation, evaluate};
use crate::pilot::Pilot;

/// What one epoch did.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Whether the teacher flew.
    pub is_teacher_forced: bool,
    /// Episodes flown, and how.
    pub collected: Collected,
    /// Samples in the dataset.
    pub dataset_samples: usize,
    /// Samples trained on.
    pub trained_samples: usize,
    /// Mean squared error over the batches.
    pub loss: f64,
    /// The student on the evaluation's starts, in the epochs that evaluate.
    pub evaluation: Option<Evaluation>,
    /// Seconds spent collecting, fitting and evaluating.
    pub seconds: [f64; 3],
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
    type Error;

    /// An epoch begins.
    fn begin(&mut self, epoch: u32, is_teacher_forced: bool) -> Result<(), Self::Error>;

    /// The epoch's episodes were flown; the student is about to train on that many samples.
    fn collected(&mut self, collected: &Collected, training_samples: usize) -> Result<(), Self::Error>;

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

/// Distils a teacher into a student.
///
/// βᵢ is 1 in the first `epoch_teacher_forcing` epochs, when the teacher flies, then 0: it only labels.
pub fn distill<O: Observer>(
    config: &DistillConfig,
    teacher: &Pilot,
    arena: &mut Arena,
    progress: &mut Progress,
    observer: &mut O,
) -> Result<(), O::Error> {
    let Progress { student, dataset, epoch } = progress;
    while *epoch < config.n_epochs {
        let mut clock = Clock::start();
        // Sample trajectories with πᵢ = βᵢ π* + (1 − βᵢ) π̂ᵢ; the teacher π* labels every state visited.
        let is_teacher_forced = *epoch < config.epoch_teacher_forcing;
        observer.begin(*epoch, is_teacher_forced)?;
        let learner = student.pilot();
        let pilot = if is_teacher_forced { teacher } else { &learner };
        let rollouts = arena.collector.collect(arena.env.as_mut(), pilot, teacher, *epoch);
        let collected = rollouts.summary();
        // Aggregate: D ← D ∪ Dᵢ, or Dᵢ alone on-policy.
        if config.on_policy {
            dataset.clear();
        }
        dataset.aggregate(rollouts, *epoch);
        let collecting = clock.lap();
        // Train π̂ᵢ₊₁ on D.
        let lesson = student.choose(dataset, config, *epoch);
        observer.collected(&collected, lesson.samples)?;
        let loss = student.fit(dataset, &lesson, config, *epoch);
        let fitting = clock.lap();
        // Keep the best π̂ᵢ on validation.
        let evaluation = config.evaluates(*epoch).then(|| arena.evaluate(&student.pilot(), teacher));
        let report = EpochReport {
            epoch: *epoch,
            is_teacher_forced,
            collected,
            dataset_samples: dataset.num_samples(),
            trained_samples: lesson.samples,
            loss,
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

/// Where a distillation flies: one env to collect in, and the means to make fresh ones to evaluate in.
pub struct Arena {
    env: Box<dyn VecEnv>,
    collector: Collector,
    make_evaluation_env: Box<dyn Fn() -> Box<dyn VecEnv>>,
    evaluation_steps: u32,
}

impl Arena {
    /// An arena; `make_evaluation_env` gives an env with the same starts every time.
    pub fn new(
        config: &DistillConfig,
        env: Box<dyn VecEnv>,
        student_features: std::ops::Range<usize>,
        seed: u64,
        make_evaluation_env: Box<dyn Fn() -> Box<dyn VecEnv>>,
    ) -> Self {
        let collector =
            Collector::new(config, env.as_ref(), student_features, Stream::new(seed, "distill/noise"));
        Self { env, collector, make_evaluation_env, evaluation_steps: config.eval_steps }
    }

    /// Labels with samples around the teacher's action instead of with the action itself.
    pub fn sample_labels(&mut self, std: Vec<f32>) {
        self.collector.set_label_std(std);
    }

    /// Flies a policy on the evaluation's starts beside the teacher's labels.
    pub fn evaluate(&self, pilot: &Pilot, teacher: &Pilot) -> Evaluation {
        evaluate((self.make_evaluation_env)().as_mut(), pilot, Some(teacher), self.evaluation_steps)
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
