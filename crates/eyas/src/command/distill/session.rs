//! A distillation that goes on: what it prints, logs, records and saves.

use std::path::PathBuf;
use std::process::ExitCode;

use eyas_env::Craft;
use eyas_formats::{AdamState, Value, student};
use eyas_learn::distill::{Collected, Continue, Dataset, EpochReport, Observer, Progress, Stored, Student};
use eyas_learn::{Evaluation, Pilot, evaluate};
use eyas_run::{Interrupt, RunDir};

use super::config::Config;
use super::{CHECKPOINT, EXPONENTS};
use crate::arguments::Distill;
use crate::crew::{self, Crew};
use crate::dataset_file;
use crate::failure::Failure;
use crate::journal::Journal;
use crate::outcome::{Comparison, Outcome};
use crate::place::go_on_with;
use crate::report::{self, shell_word};
use crate::run_files::{BEST_STUDENT, FINAL_STUDENT};
use crate::setup::{self, load_policy};
use crate::snapshot::Snapshots;
use crate::tables::Tables;
use crate::video::Videos;

/// Seeds of the starts of the final comparison and of the named vehicles, which no training uses.
const FINAL_SEED: u64 = 0xf1a1;
const REGISTRY_SEED: u64 = 0x7e57;

/// A run that goes on: what it writes, shows and measures.
pub(super) struct Session {
    pub(super) config: Config,
    pub(super) run: RunDir,
    pub(super) journal: Journal,
    pub(super) interrupt: Interrupt,
    pub(super) best: f64,
    pub(super) clock: std::time::Instant,
    pub(super) videos: Option<Videos>,
    pub(super) snapshots: Snapshots,
    pub(super) crew: Crew,
    /// Vehicles that the student is measured on at the end, if not on those of its teachers.
    pub(super) test_fleet: Vec<Craft>,
    pub(super) tables: Tables,
    /// Batches that the student has learned from.
    pub(super) batches: u64,
}

impl Session {
    /// Shows the student to whoever looks; records it and the teacher if a video is due before an epoch.
    pub(super) fn record(&mut self, epoch: u32, student: &Student) -> Result<(), Failure> {
        self.journal.policy(|| Ok(student.pilot()))?;
        let Some(videos) = &mut self.videos else { return Ok(()) };
        let [steps, episodes] = flown_after(&self.config, epoch);
        videos.at(steps, episodes, "student", || Ok(student.pilot()))
    }

    fn teacher_name(&self) -> &'static str {
        if self.crew.teachers.len() == 1 { "teacher" } else { "teachers" }
    }

    /// Flies the named vehicles after an epoch, if the run does: RAPTOR's registry test.
    fn fly_registry(&mut self, epoch: u32, pilot: &Pilot) -> Result<(), Failure> {
        let distill = &self.config.distill;
        if distill.registry_interval == 0 {
            return Ok(());
        }
        for (name, mut env) in self.config.env.registry(distill.registry_episodes, REGISTRY_SEED) {
            let it = evaluate(env.as_mut(), pilot, None, distill.eval_steps);
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
                self.journal.scalar(&format!("test/{name}/{tag}"), u64::from(epoch), value as f32)?;
            }
            let selection = &distill.teachers.selection;
            self.tables.test(
                epoch,
                self.batches,
                name,
                &format!("{selection:?}").to_lowercase(),
                &numbers,
            )?;
            let line = format!(
                "Test - {name}: return {:.1}, length {:.1}, {:.1} % terminated",
                it.mean_return,
                it.mean_length,
                100.0 * it.crash_rate
            );
            self.say(&line)?;
        }
        Ok(())
    }

    fn say(&self, line: &str) -> Result<(), Failure> {
        self.journal.say(line)
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
            self.journal.scalar(tag, step, value as f32)?;
        }
        for (batch, loss) in report.losses.iter().enumerate() {
            self.journal.scalar("loss", self.batches + batch as u64, *loss as f32)?;
        }
        self.journal.returns(report.epoch, &self.crew.names(), &collected.returns);
        self.tables.epoch(report, self.clock.elapsed().as_secs_f64())
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
                self.journal.scalar(tag, step, value as f32)?;
            }
        }
        self.journal.weights(step, &student.stored().policy.network)?;
        let captions = ["student", &format!("epoch {}", epoch + 1)];
        self.snapshots.take(&mut self.journal, step, captions, || Ok(student.pilot()))?;
        self.say(&format!(
            "Evaluation - Mean return: {:.2} ± {:.2}, Mean length: {:.1}",
            summary.mean_return, summary.std_return, summary.mean_length
        ))?;
        self.say(&format!(
            "Evaluation - Crashed: {:.1} %, Position RMSE: {}{}",
            100.0 * summary.crash_rate,
            report::position(&summary),
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

    pub(super) fn finish(mut self, arguments: &Distill, progress: &Progress) -> Result<ExitCode, Failure> {
        self.journal.flush()?;
        self.journal.close();
        if let Some(videos) = &self.videos {
            videos.finish()?;
        }
        let epochs = self.config.distill.n_epochs;
        if progress.epoch < epochs {
            self.say(&format!("Interrupted after epoch {} of {epochs}", progress.epoch))?;
            self.say(&go_on_with(&self.run, arguments.resume.run_dir.as_deref()))?;
            return Ok(ExitCode::from(130));
        }
        let final_path = self.save(FINAL_STUDENT, epochs, &progress.student)?;
        let best_path = self.run.file(BEST_STUDENT);
        let best = load_policy(&best_path, &eyas_formats::LoadOptions::default())?;
        let features = progress.student.pilot().features;
        let best_pilot = Pilot { inference: eyas_policy::Inference::new(&best.policy), features };
        let (episodes, steps) = (self.config.distill.final_episodes, self.config.distill.eval_steps);
        let of_teacher = self.crew.fly_teachers(episodes, FINAL_SEED, steps);
        let of_student = self.crew.fly(&best_pilot, episodes, FINAL_SEED, steps);
        let on_others = (!self.test_fleet.is_empty()).then(|| {
            let mut env = crew::envs_of(self.crew.env.as_ref(), &self.test_fleet, episodes, FINAL_SEED);
            evaluate(env.as_mut(), &best_pilot, None, steps)
        });
        self.say("")?;
        self.say(&format!("Training completed! ({:.1} s)", self.clock.elapsed().as_secs_f64()))?;
        self.say(&format!("Best return: {:.2}", self.best))?;
        self.say(&format!("Final model saved to: {}", final_path.display()))?;
        self.say(&format!("Best model saved to: {}", best_path.display()))?;
        self.say("")?;
        let mut rows = vec![(self.teacher_name(), &of_teacher), ("best student", &of_student)];
        rows.extend(on_others.iter().map(|it| ("on test vehicles", it)));
        self.say(report::comparison(&rows).trim_end())?;
        self.say(report::LEGEND)?;
        let returns = [&of_student, &of_teacher].map(|it| it.summary().mean_return);
        self.say(&report::share_of_teacher(returns))?;
        self.fly_registry(epochs, &best_pilot)?;
        Comparison { teacher: of_teacher.summary(), student: of_student.summary() }.write(&self.run)?;
        Outcome::from(on_others.unwrap_or(of_student).summary()).write(&self.run)?;
        self.journal.completed()?;
        let what_flies = setup::what_flies(&arguments.flight);
        let checkpoint = shell_word(best_path.display());
        self.say(&format!("Fly it: eyas play {what_flies} --checkpoint {checkpoint}"))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Observer for Session {
    type Error = Failure;

    fn begin(&mut self, epoch: u32, is_teacher_forced: bool) -> Result<(), Failure> {
        let rule = "=".repeat(60);
        let distill = &self.config.distill;
        let pilot = if is_teacher_forced { self.teacher_name() } else { "student" };
        let teachers = self.crew.teachers.len();
        let vehicles = distill.teachers.vehicles_per_epoch.map_or(teachers, |it| it.min(teachers));
        self.say(&format!("\n{rule}\nEpoch {}/{}\n{rule}", epoch + 1, distill.n_epochs))?;
        let episodes = u64::from(distill.num_episodes) * vehicles as u64;
        self.say(&format!("[INFO] Collecting {episodes} episodes using {pilot}..."))
    }

    fn collected(&mut self, collected: &Collected, training_samples: usize) -> Result<(), Failure> {
        self.say(&format!(
            "Data collection - Mean return: {:.2} ± {:.2}",
            collected.mean_return, collected.std_return
        ))?;
        self.say(&format!("[INFO] Training on {training_samples} samples..."))
    }

    fn finish(
        &mut self,
        report: &EpochReport,
        student: &Student,
        dataset: &Dataset,
    ) -> Result<Continue, Failure> {
        let (epoch, step) = (report.epoch, u64::from(report.epoch));
        self.journal.set(step + 1);
        self.journal.count((report.collected.samples + report.trained_samples) as u64);
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
            self.journal.scalar(tag, step, value as f32)?;
        }
        if self.crew.teachers.len() > 1 {
            self.log_fleet(report)?;
        }
        self.batches += report.losses.len() as u64;
        if let Some(evaluation) = &report.evaluation {
            self.say("[INFO] Evaluating student policy...")?;
            self.evaluated(evaluation, epoch, student)?;
        }
        if self.config.distill.flies_registry(epoch) {
            self.fly_registry(epoch + 1, &student.pilot())?;
        }
        self.record(epoch + 1, student)?;
        let stops = self.interrupt.interrupted();
        if (epoch + 1).is_multiple_of(self.config.distill.save_interval) || stops {
            self.journal.flush()?;
            let is_off_policy = !self.config.distill.on_policy;
            if is_off_policy {
                dataset_file::write(self.run.path(), dataset, epoch + 1)?;
            }
            let path = self.save(&format!("{CHECKPOINT}{}.pt", epoch + 1), epoch + 1, student)?;
            if is_off_policy {
                dataset_file::remove_others(self.run.path(), epoch + 1)?;
            }
            self.say(&format!("[INFO] Checkpoint saved to {}", path.display()))?;
        }
        Ok(if stops { Continue::No } else { Continue::Yes })
    }
}

/// Control steps of each env, and episodes, that are flown before an epoch.
pub(super) fn flown_after(config: &Config, epoch: u32) -> [u64; 2] {
    let episodes = u64::from(config.distill.num_episodes);
    let rounds = episodes.div_ceil(config.env.num_envs() as u64);
    [rounds * u64::from(config.distill.episode_steps), episodes].map(|each| each * u64::from(epoch))
}
