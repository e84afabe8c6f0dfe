//! Tables that grow while a run goes on.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use eyas_learn::distill::EpochReport;
use eyas_run::RunDir;

use crate::failure::Failure;

/// `test_stats.csv` with RAPTOR's columns, and `epochs.csv` with the course of a fleet's distillation.
pub(crate) struct EpochCsv {
    files: Option<[File; 2]>,
    /// Wall time of the epochs that an earlier process learned in, s.
    earlier_s: f64,
}

const TEST_STATS: &str = "epoch,global_batch,model,teacher_selection,return_mean,return_std,episode_length_mean,episode_length_std,share_terminated\n";
const EPOCHS: &str = "epoch,wall_time_s,teacher_forced,return_mean,episode_length_mean,share_terminated,loss,batches,collecting_s,fitting_s,evaluating_s,evaluation_return,evaluation_terminated\n";

impl EpochCsv {
    /// Opens both if `is_wanted`, and cuts off what an earlier process wrote of `epoch` and later ones. `is_tested` says
    /// whether the epoch before ended with a flight of the named vehicles; at the end of a run they are flown once more.
    pub(crate) fn open(run: &RunDir, is_wanted: bool, epoch: u32, is_tested: bool) -> Result<Self, Failure> {
        let open = |name: &str, head: &str, first: u32, key: usize| -> Result<(File, String), Failure> {
            let path = run.file(name);
            let kept = kept_lines(&path, first, key).unwrap_or_default();
            eyas_formats::atomic::write(&path, format!("{head}{kept}").as_bytes())?;
            Ok((OpenOptions::new().append(true).open(&path)?, kept))
        };
        if !is_wanted {
            return Ok(Self { files: None, earlier_s: 0.0 });
        }
        // Epochs stand there as 1 and up; the first flight of a vehicle after one is that of its student.
        let (test_stats, _) = open("test_stats.csv", TEST_STATS, epoch + u32::from(is_tested), 3)?;
        let (epochs, kept) = open("epochs.csv", EPOCHS, epoch, 1)?;
        Ok(Self { files: Some([test_stats, epochs]), earlier_s: last_wall_time(&kept) })
    }

    /// A flight of a named vehicle after an epoch: mean and deviation of return and of length, share terminated.
    pub(crate) fn test(
        &mut self,
        epoch: u32,
        batches: u64,
        vehicle: &str,
        selection: &str,
        numbers: &[f64; 5],
    ) -> Result<(), Failure> {
        let Some([file, _]) = &mut self.files else { return Ok(()) };
        let mut line = format!("{epoch},{batches},{vehicle},{selection}");
        for number in numbers {
            let _ = write!(line, ",{number}");
        }
        Ok(writeln!(file, "{line}")?)
    }

    /// An epoch, `seconds` after this process began to learn.
    pub(crate) fn epoch(&mut self, report: &EpochReport, seconds: f64) -> Result<(), Failure> {
        let Some([_, file]) = &mut self.files else { return Ok(()) };
        let EpochReport { epoch, beta, collected, losses, .. } = report;
        let [collecting, fitting, evaluating] = report.seconds;
        let evaluation = report.evaluation.as_ref().map_or_else(
            || ",".to_owned(),
            |it| format!("{},{}", it.summary().mean_return, it.summary().crash_rate),
        );
        Ok(writeln!(
            file,
            "{epoch},{:.2},{},{},{},{},{},{},{collecting:.3},{fitting:.3},{evaluating:.3},{evaluation}",
            self.earlier_s + seconds,
            u8::from(*beta > 0.0),
            collected.mean_return,
            collected.mean_length,
            collected.crash_rate,
            report.loss(),
            losses.len(),
        )?)
    }
}

/// The second number of the last line; 0 if there is none.
fn last_wall_time(epochs: &str) -> f64 {
    epochs.lines().last().and_then(|line| line.split(',').nth(1)?.parse().ok()).unwrap_or(0.0)
}

/// The lines after the first whose first number is below `epoch`; of those that agree in their first `key` cells the first.
fn kept_lines(path: &Path, epoch: u32, key: usize) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let is_earlier =
        |line: &&str| line.split(',').next().and_then(|it| it.parse().ok()).is_some_and(|it: u32| it < epoch);
    let mut seen = HashSet::new();
    let is_first = |line: &&str| seen.insert(line.split(',').take(key).collect::<Vec<_>>().join(","));
    let kept = text.lines().skip(1).filter(is_earlier).filter(is_first);
    Some(kept.fold(String::new(), |kept, line| kept + line + "\n"))
}
