//! Going on with an earlier run: what of it is kept, and what is said of it.

use std::path::{Path, PathBuf};

use eyas_run::resumes::RunSettings;
use eyas_run::run_dir::Resumable;
use eyas_run::{Layers, Origin, RunDir, manifest};

use crate::failure::Failure;
use crate::learner::Algorithm;
use crate::observer::Observer;
use crate::provenance::{Provenance, WHICH_RUN};
use crate::run_files::RESULT;
use crate::run_location::RunLocation;
use crate::run_result::RunResult;

/// Layers the settings of a run that goes on: it keeps its own, and what is layered after them changes it. `preset` is one
/// that the user asked for and that is layered already.
///
/// False where the run was killed before it wrote its settings down: then there are none.
pub fn layer_run(
    layers: &mut Layers,
    run: &Path,
    groups: &[&str],
    preset: Option<&str>,
) -> Result<bool, Failure> {
    let Some(earlier) = RunSettings::read(run)? else { return Ok(false) };
    if let Some(preset) = preset {
        refuse_other_preset(layers, &earlier, run, preset)?;
    }
    earlier.layer(layers, run, groups, &WHICH_RUN)?;
    Ok(true)
}

/// What a run learns with, as its settings say; none where it was killed before it wrote them down.
pub fn algorithm_of(run: &Path) -> Result<Option<Algorithm>, Failure> {
    let class = RunSettings::read(run)?.and_then(|it| Some(it.get("agent.algorithm.class_name")?.0));
    class.map(|it| it.to_lowercase().parse()).transpose()
}

/// A preset sets what the run has already: one that says anything else is not followed, and asking for it is an error.
fn refuse_other_preset(
    layers: &Layers,
    earlier: &RunSettings,
    run: &Path,
    preset: &str,
) -> Result<(), Failure> {
    for setting in layers.provenance()? {
        if setting.origin != Origin::Preset(preset.to_owned()) {
            continue;
        }
        let Some((value, origin)) = earlier.get(&setting.key) else { continue };
        let is_chosen = !(origin == Origin::Default.to_string() || origin.starts_with("preset"));
        if value != setting.value.to_string() && !is_chosen {
            let (key, wanted) = (setting.key, setting.value);
            return Err(Failure::new(format!(
                "`--preset {preset}`: the run that goes on was begun with other settings: `{key}` is {value}, not {wanted}"
            ))
            .at(&run.display())
            .hint("leave the flag out: a run keeps its settings; change single ones with `key=value`"));
        }
    }
    Ok(())
}

/// The folder of a run that goes on, if it is of this program; `groups` are the params that its kind of run has.
pub(crate) fn own_run(resumed: Option<Resumable>, groups: &[&str]) -> Result<Option<PathBuf>, Failure> {
    match resumed {
        Some(it) if RunDir::is_own(&it.run) => Ok(Some(it.check(groups)?.path().to_owned())),
        _ => Ok(None),
    }
}

/// Refuses a run of another task.
pub fn require_task(run: &Path, task: &str) -> Result<(), Failure> {
    match manifest::task_of(run)? {
        Some(own) if own != task => {
            Err(Failure::new(format!("the run to go on with is of task `{own}`, not `{task}`"))
                .at(&run.display())
                .hint(format!("give `--task {own}`")))
        }
        _ => Ok(()),
    }
}

/// A run that goes on in its own folder.
pub(crate) struct GoingOn {
    /// The folder, which no other process writes into.
    pub(crate) run: RunDir,
}

impl GoingOn {
    /// Takes the folder of a run for this process; `groups` are the params that its kind of run has.
    pub(crate) fn in_folder(resumed: &Resumable, groups: &[&str]) -> Result<Self, Failure> {
        Ok(Self { run: resumed.open(groups)? })
    }

    /// As [`in_folder`](Self::in_folder) of a run at a location; none where a checkpoint from elsewhere begins a run of its
    /// own, as one does that another program wrote: its folder is read, never written.
    pub(crate) fn at(
        location: &RunLocation,
        resumed: &Resumable,
        groups: &[&str],
    ) -> Result<Option<Self>, Failure> {
        if !location.holds(&resumed.run) {
            return Ok(None);
        }
        if !RunDir::is_own(&resumed.run) {
            return match (location.run_dir, &resumed.checkpoint) {
                (None, Some(_)) => Ok(None),
                // It says why not.
                _ => Self::in_folder(resumed, groups).map(Some),
            };
        }
        Self::in_folder(resumed, groups).map(Some)
    }

    /// Whether the run has done all it was to do and is to go on as it was: then there is nothing to do.
    pub(crate) fn is_finished(
        &self,
        provenance: &Provenance,
        done: u32,
        total: u32,
    ) -> Result<bool, Failure> {
        if done != total || !self.has_result() {
            return Ok(false);
        }
        Ok(provenance.changes(self.run.path())?.is_none_or(|changes| changes.is_empty()))
    }

    /// Whether the run was ended as it should be. One that was killed between its last checkpoint and its result is not.
    pub(crate) fn has_result(&self) -> bool {
        RunResult::read(self.run.path()).is_some()
    }

    /// Says what is changed, and writes it down; what the run was begun with stays. `at` counts what is done, in `unit`.
    pub(crate) fn begin(
        &self,
        provenance: &Provenance,
        task: &'static str,
        inputs: &[&Path],
        (at, unit): (u32, &str),
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<(), Failure> {
        // What it reached is not what it will have reached, and says that it is done.
        match std::fs::remove_file(self.run.file(RESULT)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let Some(changes) = provenance.changes(self.run.path())? else {
            return provenance.write(&self.run, task, seed, inputs);
        };
        for change in &changes {
            observer.line(&format!("[INFO]: Changed from {unit} {at} on: {change}"))?;
        }
        Provenance::go_on(&self.run, seed, inputs, at, &changes)
    }
}

/// Refuses to go on from a checkpoint that leaves nothing to do, before anything is written. `key` counts all of a run's
/// units, whichever process did them.
pub(crate) fn require_work(
    (done, unit): (u32, &str),
    (key, total): (&str, u32),
    flag: &str,
    going_on: Option<&GoingOn>,
    checkpoint: Option<&Path>,
) -> Result<(), Failure> {
    let has_to_end = done == total && going_on.is_some_and(|it| !it.has_result());
    if done < total || has_to_end {
        return Ok(());
    }
    let place = checkpoint.or(going_on.map(|it| it.run.path()));
    let failure = Failure::new(format!(
        "the checkpoint has done {done} {unit}, and `{key}` = {total} counts them all: nothing is left to do"
    ))
    .hint(format!("give more with `{flag}`"));
    Err(match place {
        Some(place) => failure.at(&place.display()),
        None => failure,
    })
}
