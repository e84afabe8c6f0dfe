//! A distillation that goes on: what it says, logs, records and saves.

use std::path::PathBuf;

use eyas_formats::{AdamState, LoadOptions, Value, student};
use eyas_learn::distill::{Collected, Continue, Dataset, EpochReport, Observer, Progress, Stored, Student};
use eyas_learn::{Actor, Evaluation, OnNan, Summary, evaluate};
use eyas_run::{Interrupt, RunDir};

use super::{CHECKPOINT, Comparison, DistillationConfig, DistillationResult, EXPONENTS};
use crate::black_box::BLACK_BOX;
use crate::epoch_csv::EpochCsv;
use crate::evaluate::apart_from;
use crate::failure::Failure;
use crate::policies::load_policy;
use crate::run_files::{BEST_STUDENT, FINAL_STUDENT};
use crate::run_logger::RunLogger;
use crate::run_result::{RunResult, write_comparison};
use crate::snapshot::Snapshots;
use crate::teachers::{Teachers, envs_of, vehicles_of};
use crate::text;
use crate::video::Videos;
use crate::{contract, dataset_file};

/// Seeds of the starts of the final comparison and of the named vehicles, which no training uses.
const FINAL_SEED: u64 = 0xf1a1;
const REGISTRY_SEED: u64 = 0x7e57;

/// A run that goes on: what it writes, shows and measures.
pub(super) struct Session<'a> {
    pub(super) config: &'a DistillationConfig,
    pub(super) run: &'a RunDir,
    pub(super) logger: RunLogger<'a>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) best: f64,
    pub(super) clock: std::time::Instant,
    pub(super) videos: Option<Videos>,
    pub(super) snapshots: Snapshots,
    pub(super) teachers: Teachers,
    pub(super) csv: EpochCsv,
    /// Batches that the student has learned from.
    pub(super) batches: u64,
    /// How often an env was reset for a number that is not finite.
    pub(super) num_lost: u64,
    /// What the run can go on from.
    pub(super) last_checkpoint: Option<PathBuf>,
}

impl Session<'_> {
    /// Shows the student to whoever looks; records it and the teacher if a video is due before an epoch.
    pub(super) fn record(&mut self, epoch: u32, student: &Student) -> Result<(), Failure> {
        self.logger.policy(&|| Ok(student.actor()))?;
        let Some(videos) = &mut self.videos else { return Ok(()) };
        let [steps, episodes] = flown_after(self.config, epoch);
        videos.at(steps, episodes, "student", || Ok(student.actor()))
    }

    /// Says of a number that is not finite when it was found.
    pub(super) fn explain(&self, failure: Failure, epoch: u32, seed: u64) -> Failure {
        let moment = format!("epoch {}", epoch + 1);
        let file = self.run.file(BLACK_BOX);
        failure.not_finite_in((&moment, seed), &file, self.last_checkpoint.as_deref())
    }

    fn teacher_name(&self) -> &'static str {
        if self.teachers.teachers.len() == 1 { "teacher" } else { "teachers" }
    }

    /// Flies the named vehicles after an epoch, if the run does: RAPTOR's registry test.
    fn fly_registry(&mut self, epoch: u32, actor: &Actor) -> Result<Vec<(&'static str, Summary)>, Failure> {
        let distill = &self.config.distill;
        let mut flights = Vec::new();
        if distill.registry_interval == 0 {
            return Ok(flights);
        }
        let seed = apart_from(self.config.agent.seed, REGISTRY_SEED);
        for (name, task) in self.config.task.registry() {
            let mut env = self.teachers.measuring(task.make(distill.registry_episodes, seed));
            let it = evaluate(env.as_mut(), actor, None, distill.eval_steps)?;
            let lengths = it.outcomes.iter().map(|it| f64::from(it.length));
            let it = it.summary();
            let variance =
                lengths.map(|length| (length - it.mean_length).powi(2)).sum::<f64>() / it.episodes as f64;
            let numbers = [it.mean_return, it.std_return, it.mean_length, variance.sqrt(), it.crash_rate];
            for (tag, value) in
                ["return/mean", "return/std", "episode_length/mean", "episode_length/std", "share_terminated"]
                    .into_iter()
                    .zip(numbers)
            {
                self.logger.scalar(&format!("test/{name}/{tag}"), u64::from(epoch), value as f32)?;
            }
            let selection = &distill.teachers.selection;
            self.csv.test(epoch, self.batches, name, &format!("{selection:?}").to_lowercase(), &numbers)?;
            flights.push((name, it));
        }
        Ok(flights)
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        self.logger.say(line)
    }

    fn save(&self, name: &str, epoch: u32, student: &Student) -> Result<PathBuf, Failure> {
        let path = self.run.file(name);
        let Stored { policy, optimizer, exponents } = student.stored();
        let optimizer = AdamState::of(optimizer, f64::from(self.config.distill.learning_rate_of(epoch)));
        let exponents: Vec<Value> = exponents.into_iter().map(|it| Value::Int(i64::from(it))).collect();
        let extra = Value::dict([(EXPONENTS, exponents)]);
        student::write(
            &path,
            &student::StudentCheckpoint {
                epoch: u64::from(epoch),
                policy: &policy,
                optimizer: &optimizer,
                best_return: self.best,
                extra: Some(&extra),
            },
        )?;
        let task = self.teachers.task.as_ref();
        let vehicles = vehicles_of(task, &self.teachers.fleet);
        contract::write_beside(&path, &policy, (&task.spec(), student.actor().features.clone()), &vehicles)?;
        Ok(path)
    }

    /// The scalars of RAPTOR's TensorBoard log, of what was flown to learn from.
    fn log_fleet(&mut self, report: &EpochReport) -> Result<(), Failure> {
        let (step, collected) = (u64::from(report.epoch), &report.collected);
        let returns = || collected.returns.iter().filter(|it| it.is_finite());
        let count = returns().count().max(1) as f64;
        let mean = returns().sum::<f64>() / count;
        let std = (returns().map(|it| (it - mean).powi(2)).sum::<f64>() / count).sqrt();
        for (tag, value) in [
            ("evaluation/return/mean", mean),
            ("evaluation/return/std", std),
            ("evaluation/episode_length/mean", collected.mean_length),
            ("evaluation/share_terminated", collected.crash_rate),
        ] {
            self.logger.scalar(tag, step, value as f32)?;
        }
        for (batch, loss) in report.losses.iter().enumerate() {
            self.logger.scalar("loss", self.batches + batch as u64, *loss as f32)?;
        }
        self.logger.returns(report.epoch, &self.teachers.names(), &collected.returns);
        self.csv.epoch(report, self.clock.elapsed().as_secs_f64())
    }

    fn evaluated(&mut self, evaluation: &Evaluation, epoch: u32, student: &Student) -> Result<(), Failure> {
        let summary = evaluation.summary();
        let step = u64::from(epoch);
        for (tag, value) in [
            ("evaluation/mean_return", summary.mean_return),
            ("evaluation/std_return", summary.std_return),
            ("evaluation/mean_length", summary.mean_length),
            ("evaluation/crash_rate", summary.crash_rate),
            ("evaluation/position_rmse_m", summary.position_rmse),
            ("evaluation/action_rmse", summary.action_rmse),
        ] {
            if value.is_finite() {
                self.logger.scalar(tag, step, value as f32)?;
            }
        }
        self.logger.weights(step, &student.stored().policy.network)?;
        let captions = ["student", &format!("epoch {}", epoch + 1)];
        self.snapshots.take(&mut self.logger, step, captions, || Ok(student.actor()))?;
        self.say(&format!(
            "Evaluation - Mean return: {:.2} ± {:.2}, Mean length: {:.1}",
            summary.mean_return, summary.std_return, summary.mean_length
        ))?;
        self.say(&format!(
            "Evaluation - Crashed: {:.1} %, Position RMSE: {}{}",
            100.0 * summary.crash_rate,
            text::position(&summary),
            if summary.action_rmse.is_nan() {
                String::new()
            } else {
                format!(", Action error: {:.4}", summary.action_rmse)
            }
        ))?;
        if summary.mean_return > self.best {
            self.best = summary.mean_return;
            self.save(BEST_STUDENT, epoch + 1, student)?;
            self.say(&format!("[INFO] New best model saved! Return: {:.2}", self.best))?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self, progress: &Progress) -> Result<DistillationResult, Failure> {
        let epochs = [progress.epoch, self.config.distill.n_epochs];
        self.logger.flush()?;
        self.logger.stopped();
        let end = (progress.epoch >= self.config.distill.n_epochs)
            .then(|| self.compare(&progress.student))
            .transpose()?;
        Ok(DistillationResult {
            run: self.run.path().to_owned(),
            epochs,
            best_return: self.best,
            was_complete: false,
            best_student: self.run.file(BEST_STUDENT),
            seconds: self.clock.elapsed().as_secs_f64(),
            videos: self.videos.as_ref().map(Videos::recorded),
            end,
        })
    }

    /// Writes the last student, and flies the best one beside its teachers.
    fn compare(&mut self, student: &Student) -> Result<Comparison, Failure> {
        let distill = &self.config.distill;
        let (epochs, episodes, steps) = (distill.n_epochs, distill.final_episodes, distill.eval_steps);
        let final_student = self.save(FINAL_STUDENT, epochs, student)?;
        let best_student = self.run.file(BEST_STUDENT);
        let best = load_policy(&best_student, &LoadOptions::default())?;
        let features = student.actor().features;
        let best = Actor { inference: eyas_policy::Inference::new(&best.policy), features };
        if let Some(videos) = &mut self.videos {
            videos.best("best student", best.clone())?;
        }
        let seed = apart_from(self.config.agent.seed, FINAL_SEED);
        let of_teachers = self.teachers.fly_teachers(episodes, seed, steps)?;
        let of_student = self.teachers.fly(&best, episodes, seed, steps)?;
        let test_fleet = &self.config.test_fleet;
        let on_test_vehicles = if test_fleet.is_empty() {
            None
        } else {
            let envs = envs_of(self.teachers.task.as_ref(), test_fleet, episodes, seed);
            let mut engine = self.teachers.measuring(envs);
            Some(evaluate(engine.as_mut(), &best, None, steps)?.of_vehicles(test_fleet.len()))
        };
        let on_named_vehicles = self.fly_registry(epochs, &best)?;
        write_comparison(self.run, &of_teachers.summary(), &of_student.summary(), steps)?;
        RunResult::from(on_test_vehicles.as_ref().unwrap_or(&of_student).summary()).write(self.run)?;
        self.logger.completed()?;
        if !self.config.needs_dataset(epochs) {
            // One that was killed after its last checkpoint may have left one.
            dataset_file::keep_only(self.run.path(), None)?;
        }
        Ok(Comparison {
            final_student,
            best_student,
            num_teachers: self.teachers.teachers.len(),
            of_teachers,
            of_student,
            on_test_vehicles,
            steps,
            on_named_vehicles,
        })
    }
}

impl Observer for Session<'_> {
    type Error = Failure;

    fn begin(&mut self, epoch: u32, beta: f64) -> Result<(), Failure> {
        let rule = "=".repeat(60);
        let distill = &self.config.distill;
        let actor = if beta > 0.0 { self.teacher_name() } else { "student" };
        let teachers = self.teachers.teachers.len();
        let vehicles = distill.teachers.vehicles_per_epoch.map_or(teachers, |it| it.min(teachers));
        self.say(&format!("\n{rule}\nEpoch {}/{}\n{rule}", epoch + 1, distill.n_epochs))?;
        let episodes = u64::from(distill.num_episodes) * vehicles as u64;
        self.say(&format!("[INFO] Collecting {episodes} episodes using {actor}..."))
    }

    fn collected(&mut self, collected: &Collected, [trained, all]: [usize; 2]) -> Result<(), Failure> {
        for why in self.teachers.device.reasons() {
            self.say(&format!("[INFO] Episodes fly on the CPU: {why}"))?;
        }
        self.say(&format!(
            "Data collection - Mean return: {:.2} ± {:.2}",
            collected.mean_return, collected.std_return
        ))?;
        // A recurrent student sees its sequences several times.
        let of = if trained < all { format!(" of {all}") } else { String::new() };
        self.say(&format!("[INFO] Training on {trained}{of} samples..."))
    }

    fn finish(
        &mut self,
        report: &EpochReport,
        student: &Student,
        dataset: &Dataset,
    ) -> Result<Continue, Failure> {
        let (epoch, step) = (report.epoch, u64::from(report.epoch));
        self.logger.set(step + 1);
        self.logger.count((report.collected.samples + report.trained_samples) as u64);
        self.say(&format!("Training - Mean loss: {:.6}", report.loss()))?;
        for (tag, value) in [
            ("data_collection/mean_return", report.collected.mean_return),
            ("data_collection/std_return", report.collected.std_return),
            ("data_collection/crash_rate", report.collected.crash_rate),
            ("training/loss", report.loss()),
            ("training/learning_rate", f64::from(self.config.distill.learning_rate_of(epoch))),
            ("perf/collection_s", report.seconds[0]),
            ("perf/training_s", report.seconds[1]),
            ("perf/evaluation_s", report.seconds[2]),
        ] {
            self.logger.scalar(tag, step, value as f32)?;
        }
        if self.config.distill.on_nan == OnNan::Reset {
            self.logger.scalar("data_collection/not_finite_resets", step, report.num_lost as f32)?;
            self.num_lost += report.num_lost;
            if report.num_lost > 0 {
                let resets = text::resets_told(report.num_lost, self.num_lost);
                self.say(&format!("[WARNING] Epoch {}: {resets}", epoch + 1))?;
            }
        }
        if self.teachers.teachers.len() > 1 {
            self.log_fleet(report)?;
        }
        self.batches += report.losses.len() as u64;
        if let Some(evaluation) = &report.evaluation {
            self.say("[INFO] Evaluating student policy...")?;
            self.evaluated(evaluation, epoch, student)?;
        }
        if self.config.distill.flies_registry(epoch) {
            for (vehicle, summary) in self.fly_registry(epoch + 1, &student.actor())? {
                self.say(&text::on_named_vehicle(vehicle, &summary))?;
            }
        }
        self.record(epoch + 1, student)?;
        let stops = self.interrupt.interrupted();
        // The last one too, which the run is given more epochs from.
        let is_last = epoch + 1 == self.config.distill.n_epochs;
        if (epoch + 1).is_multiple_of(self.config.distill.save_interval) || is_last || stops {
            self.logger.flush()?;
            let needs_dataset = self.config.needs_dataset(epoch + 1);
            if needs_dataset {
                dataset_file::write(self.run.path(), dataset, epoch + 1)?;
            }
            let path = self.save(&format!("{CHECKPOINT}{}.pt", epoch + 1), epoch + 1, student)?;
            dataset_file::keep_only(self.run.path(), needs_dataset.then_some(epoch + 1))?;
            self.say(&format!("[INFO] Checkpoint saved to {}", path.display()))?;
            self.last_checkpoint = Some(path);
        }
        Ok(if stops { Continue::No } else { Continue::Yes })
    }
}

/// Control steps of each env, and episodes, that are flown before an epoch.
pub(super) fn flown_after(config: &DistillationConfig, epoch: u32) -> [u64; 2] {
    let episodes = u64::from(config.distill.num_episodes);
    let rounds = episodes.div_ceil(config.task.num_envs() as u64);
    [rounds * u64::from(config.distill.episode_steps), episodes].map(|each| each * u64::from(epoch))
}
