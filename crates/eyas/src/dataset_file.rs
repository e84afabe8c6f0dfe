//! The dataset of a distillation beside its checkpoint.
//!
//! Off-policy training cannot go on without the data of all epochs so far. `dataset_epoch_N.npz` is written before
//! `checkpoint_epoch_N.pt`, and older datasets go only once that is on the disk: whenever the program is killed, the
//! newest checkpoint has its dataset beside it. Once all epochs are done none is needed, unless more are to come.

use std::fs;
use std::path::{Path, PathBuf};

use eyas_formats::npy::{self, Array, Data};
use eyas_learn::distill::{Dataset, Episode};

use crate::failure::Failure;

const PREFIX: &str = "dataset_epoch_";

/// The dataset of the checkpoint of an epoch.
fn path_of(run: &Path, epoch: u32) -> PathBuf {
    run.join(format!("{PREFIX}{epoch}.npz"))
}

/// Writes the dataset that goes with the checkpoint of `epoch`.
pub(crate) fn write(run: &Path, dataset: &Dataset, epoch: u32) -> Result<(), Failure> {
    let episodes = &dataset.episodes;
    let integers = |values: Vec<i64>| Array::new(&[values.len()], Data::I64(values));
    let per_episode = |value: &dyn Fn(&Episode) -> i64| integers(episodes.iter().map(value).collect());
    let arrays = [
        ("numbers", per_episode(&|it| it.records.len() as i64)),
        ("width", per_episode(&|it| it.width as i64)),
        ("crashed", per_episode(&|it| i64::from(it.crashed))),
        ("keys", integers(dataset.keys.iter().map(|it| i64::from(*it)).collect())),
        ("seen_and_epoch", integers(vec![dataset.seen as i64, i64::from(epoch)])),
    ];
    let named: Vec<(&str, &Array)> = arrays.iter().map(|(name, array)| (*name, array)).collect();
    let records = episodes.iter().map(|it| it.records.as_slice());
    npy::write_npz_in_pieces(&path_of(run, epoch), ("records", records), &named)?;
    Ok(())
}

/// Removes the datasets of all epochs but one at most, and what a killed program left of one half written.
pub(crate) fn keep_only(run: &Path, epoch: Option<u32>) -> Result<(), Failure> {
    let kept = epoch.map(|epoch| path_of(run, epoch));
    for path in all_in(run)? {
        if Some(&path) != kept.as_ref() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// The datasets in the folder of a run, half written ones too.
fn all_in(run: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(run)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.trim_start_matches('.').starts_with(PREFIX) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Fills `dataset` with what goes with the checkpoint of `epoch`; a record is `width` numbers.
pub(crate) fn read(run: &Path, dataset: &mut Dataset, epoch: u32, width: usize) -> Result<(), Failure> {
    let path = path_of(run, epoch);
    if !path.exists() && all_in(run)?.is_empty() {
        return Err(Failure::new(format!(
            "the run keeps no dataset, without which learning off-policy cannot go on from epoch {epoch}"
        ))
        .at(&run.display())
        .hint("begin anew without `--resume`; `--keep_dataset` keeps the dataset of a run that is to be given more epochs"));
    }
    if !path.exists() {
        return Err(Failure::new(format!("the checkpoint of epoch {epoch} has no dataset beside it"))
            .at(&path.display())
            .hint("a run keeps the dataset of its newest checkpoint only: resume from that one"));
    }
    let damaged = |problem: String| {
        Failure::new(format!("the dataset does not fit the checkpoint of epoch {epoch}: {problem}"))
            .at(&path.display())
            .hint("resume with the options that the run was started with; if they are the same, the file is damaged")
    };
    let mut arrays = npy::read_npz(&path)?;
    let mut take = |name: &str| {
        let place = arrays.iter().position(|(key, _)| key == name);
        place.map(|place| arrays.swap_remove(place).1.into_data())
    };
    let Some(Data::F32(records)) = take("records") else {
        return Err(damaged("`records` is no array of float32".into()));
    };
    let mut integers = |name: &str| match take(name) {
        Some(Data::I64(values)) => Ok(values),
        _ => Err(damaged(format!("`{name}` is no array of integers"))),
    };
    let [seen, stored_epoch] = integers("seen_and_epoch")?[..] else {
        return Err(damaged("`seen_and_epoch` does not hold two numbers".into()));
    };
    let (numbers, widths) = (integers("numbers")?, integers("width")?);
    let (crashed, keys) = (integers("crashed")?, integers("keys")?);
    if stored_epoch != i64::from(epoch) {
        return Err(damaged(format!("it is that of epoch {stored_epoch}")));
    }
    if [widths.len(), crashed.len(), keys.len()] != [numbers.len(); 3] {
        return Err(damaged("its arrays disagree on the number of episodes".into()));
    }
    if let Some(found) = widths.iter().find(|found| **found != width as i64) {
        return Err(damaged(format!("its records are {found} numbers wide, expected {width}")));
    }
    let whole = |count: &i64| usize::try_from(*count).ok().filter(|count| count.is_multiple_of(width));
    let lengths: Option<Vec<usize>> = numbers.iter().map(whole).collect();
    let total = lengths.iter().flatten().try_fold(0_usize, |sum, length| sum.checked_add(*length));
    let Some(lengths) = lengths.filter(|_| total == Some(records.len())) else {
        return Err(damaged(format!("its {} numbers are not the records of its episodes", records.len())));
    };
    let seen = u64::try_from(seen).map_err(|_| damaged(format!("it has seen {seen} episodes")))?;
    let keys: Result<Vec<u32>, _> = keys.into_iter().map(u32::try_from).collect();
    let keys = keys.map_err(|_| damaged("a key is no 32-bit number".into()))?;
    dataset.restore(cut(records, &lengths, &crashed, width), keys, seen);
    Ok(())
}

/// The episodes of a run of records, taken from its end so that its memory is given back on the way.
fn cut(mut records: Vec<f32>, lengths: &[usize], crashed: &[i64], width: usize) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::with_capacity(lengths.len());
    for (length, crashed) in lengths.iter().zip(crashed).rev() {
        let own = records.split_off(records.len() - length);
        records.shrink_to_fit();
        episodes.push(Episode { records: own, width, crashed: *crashed != 0, ..Episode::default() });
    }
    episodes.reverse();
    episodes
}
