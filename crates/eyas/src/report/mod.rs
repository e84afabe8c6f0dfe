//! Curves, tracking plots and tables of runs as one HTML page.

mod curves;
mod flights;
mod page;
mod runs;
mod tables;

use std::path::{Path, PathBuf};

use eyas_formats::LoadOptions;
use eyas_run::Interrupt;

use self::curves::{Group, groups};
use self::flights::Flights;
use self::page::{Page, Table};
use self::runs::{Kind, Run};
use crate::failure::Failure;
use crate::labels::can_be_drawn;
use crate::run_files::write_file;

/// Kinds of runs, and how their section is called.
const KINDS: [(Kind, &str); 3] =
    [(Kind::Training, "Training"), (Kind::Distillation, "Distillation"), (Kind::Fleet, "Fleet of teachers")];

/// What a report needs to know of the command line that started a distillation.
pub struct DistillCommand {
    /// How the teacher's file was read.
    pub teacher_options: LoadOptions,
    /// Whether the vehicle was asked for by name.
    pub names_vehicle: bool,
}

/// Reads the words of a command line; none if they started no distillation that is known.
pub type ReadCommand<'a> = &'a dyn Fn(&[String]) -> Option<DistillCommand>;

/// A page that was written.
pub struct Report {
    /// The page.
    pub page: PathBuf,
    /// How many pictures lie beside it.
    pub num_pictures: usize,
}

/// What a report is about.
pub struct Subject<'a> {
    /// Folders of runs, finished or going on, or of multiruns.
    pub folders: &'a [PathBuf],
    /// What each run is called; where there is none, runs are called by their folders.
    pub labels: &'a [String],
}

/// Writes a page about runs into a folder; none if it was interrupted.
pub fn report(
    subject: &Subject,
    out: &Path,
    read: ReadCommand,
    interrupt: &Interrupt,
) -> Result<Option<Report>, Failure> {
    let runs = runs::read_all(subject.folders, subject.labels)?;
    for run in &runs {
        can_be_drawn(&run.name)?;
    }
    let is_labelled = !subject.labels.is_empty();
    let mut page = Page::new(&title(&runs));
    for (kind, name) in KINDS {
        let groups = groups(&runs, kind, is_labelled);
        if !groups.is_empty() {
            page.section(name);
            learned(&mut page, kind, &groups)?;
            flown(&mut page, &groups, read, interrupt);
            compared(&mut page, &groups);
        }
    }
    tortured(&mut page, &runs)?;
    page.section("Where it comes from");
    page.table(&tables::provenance(&runs));
    if interrupt.interrupted() {
        return Ok(None);
    }
    write(page, out).map(Some)
}

fn title(runs: &[Run]) -> String {
    match runs {
        [run] => format!("Report of {}", run.name),
        _ => format!("Report of {} runs", runs.len()),
    }
}

/// What the runs of a kind reached and how they came there.
fn learned(page: &mut Page, kind: Kind, groups: &[Group]) -> Result<(), Failure> {
    page.part("Results");
    page.table(&tables::results(groups));
    let is_repeated = groups.iter().any(|group| group.runs.len() > 1);
    if is_repeated {
        page.sentence("± and bands: one standard deviation over runs that differ in their seeds at most.");
    }
    let of = |keep: &dyn Fn(&Run) -> bool| {
        let kept = groups.iter().flat_map(|group| &group.runs).filter(|run| keep(run));
        kept.map(|run| run.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let going_on = of(&|run| run.result.is_none());
    if !going_on.is_empty() {
        page.sentence(&format!("Not finished: {going_on}."));
    }
    if kind == Kind::Distillation {
        page.part("Student and teacher");
        let all: Vec<&Run> = groups.iter().flat_map(|group| group.runs.iter().copied()).collect();
        match tables::comparison(&all)? {
            Some(table) => {
                page.table(&table);
                page.sentence("Both flew from the same starts. ± and [ ]: 95 % confidence.");
            }
            None => page.sentence(
                "No run has stored how its student and its teacher compare: that is measured at its end.",
            ),
        }
    }
    page.part("Learning curves");
    let without = of(&|run| run.curves.is_none());
    if !without.is_empty() {
        page.sentence(&format!("No point yet: {without}."));
    }
    page.pictures(curves::pictures(groups, kind)?);
    Ok(())
}

/// Flights of the best run of each group. What cannot be flown is said and stops no report.
fn flown(page: &mut Page, groups: &[Group], read: ReadCommand, interrupt: &Interrupt) {
    page.part("Tracking");
    for group in groups {
        let run = best(group);
        match flights::fly(run, read, interrupt) {
            Ok(Some(flights)) => show(page, run, &flights),
            Ok(None) => page.sentence(&format!("{}: no policy yet.", run.name)),
            Err(failure) => page.sentence(&format!("{}: its policy cannot be flown: {failure}.", run.name)),
        }
    }
}

/// The run of the greatest return, else the first.
fn best<'a>(group: &Group<'a>) -> &'a Run {
    let reached = |run: &Run| run.result.map_or(f64::NEG_INFINITY, |it| it.mean_return);
    group.runs[1..]
        .iter()
        .fold(group.runs[0], |best, run| if reached(run) > reached(best) { run } else { best })
}

fn show(page: &mut Page, run: &Run, flights: &Flights) {
    page.sentence(&format!("{}, trajectory {}:", run.name, flights.trajectory));
    page.table(&Table { rows: flights.rows(), ..Table::new(Flights::HEAD) });
    for remark in &flights.remarks {
        page.sentence(remark);
    }
    if !flights.flown.is_empty() {
        page.pictures(flights.pictures(&run.name.replace(['/', '\\'], "_")));
    }
}

/// What the runs of a kind differ in, if there are several.
fn compared(page: &mut Page, groups: &[Group]) {
    let runs: Vec<&Run> = groups.iter().flat_map(|group| group.runs.iter().copied()).collect();
    if runs.len() < 2 {
        return;
    }
    page.part("Differences");
    match tables::differences(&runs) {
        Some(table) => page.table(&table),
        None => page.sentence("All settings and teachers are the same."),
    }
}

fn tortured(page: &mut Page, runs: &[Run]) -> Result<(), Failure> {
    let mut has_title = false;
    for run in runs {
        let Some(table) = tables::torture(run)? else { continue };
        if !has_title {
            page.section("Torture suite");
            has_title = true;
        }
        page.part(&run.name);
        page.table(&table);
    }
    if has_title {
        page.sentence("± and [ ]: 95 % confidence.");
    }
    Ok(())
}

/// Writes the pictures, and last the page.
fn write(page: Page, out: &Path) -> Result<Report, Failure> {
    std::fs::create_dir_all(out).map_err(|error| Failure::from(error).at(&out.display()))?;
    let (html, pictures) = page.finish();
    for picture in &pictures {
        write_file(&out.join(&picture.name), &picture.png)?;
    }
    let path = out.join("report.html");
    write_file(&path, html.as_bytes())?;
    Ok(Report { page: path, num_pictures: pictures.len() })
}
