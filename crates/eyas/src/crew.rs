//! Teachers and the vehicles that they fly.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyas_env::{EnvSpec, VecEnv};
use eyas_formats::{LoadOptions, LoadedPolicy};
use eyas_learn::distill::Teacher;
use eyas_learn::{Evaluation, Pilot, Summary, evaluate};
use eyas_sim::VehicleParameters;
use eyas_vehicles::{FleetVehicle, read_fleet};
use rayon::prelude::*;

use crate::command::train::BEST;
use crate::failure::Failure;
use crate::flyable::Flyable;
use crate::setup::{self, load_policy, read_vehicle};

/// Starts of the admission, which no training uses.
const ADMISSION_SEED: u64 = 0xad31;
/// The vehicle beside a teacher.
pub(crate) const VEHICLE: &str = "vehicle.json";
/// The table of the vehicles of a folder of teachers.
pub(crate) const DYNAMICS: &str = "teacher_dynamics.csv";
/// How the folder of a teacher is called, before its number.
pub(crate) const FOLDER: &str = "teacher_";

/// Folder of a teacher.
pub(crate) fn folder(teacher: usize) -> String {
    format!("{FOLDER}{teacher:04}")
}

/// Teachers in the env that they teach in, each on a vehicle of its own if there is a fleet.
pub(crate) struct Crew<T> {
    /// The task, without a time limit that one could reach.
    pub(crate) env: T,
    /// The vehicle of each teacher; empty: all fly the task's.
    pub(crate) fleet: Vec<FleetVehicle>,
    pub(crate) teachers: Arc<[Teacher]>,
}

impl<T: Flyable> Crew<T> {
    /// What each teacher is called: as its vehicle, or by its place.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |place: usize| self.fleet.get(place).map_or_else(|| place.to_string(), |it| it.id.clone());
        (0..self.teachers.len()).map(name).collect()
    }

    /// Episodes spread evenly over all vehicles.
    pub(crate) fn envs(&self, episodes: usize, seed: u64) -> Box<dyn VecEnv> {
        envs_of(&self.env, &self.fleet, episodes, seed)
    }

    /// Flies a policy; a single teacher is asked for its action in every state.
    pub(crate) fn fly(&self, pilot: &Pilot, episodes: usize, seed: u64, steps: u32) -> Evaluation {
        let labeller = match &*self.teachers {
            [teacher] => Some(&teacher.pilot),
            _ => None,
        };
        evaluate(self.envs(episodes, seed).as_mut(), pilot, labeller, steps)
    }

    /// Flies every teacher on its own vehicle, about that many episodes in all.
    pub(crate) fn fly_teachers(&self, episodes: usize, seed: u64, steps: u32) -> Evaluation {
        if let [teacher] = &*self.teachers {
            return self.fly(&teacher.pilot, episodes, seed, steps);
        }
        let each = episodes.div_ceil(self.teachers.len());
        let flights = self.fly_each(each, seed, steps);
        Evaluation::unlabelled(flights.into_iter().flat_map(|it| it.outcomes).collect())
    }

    /// Flies every teacher on its own vehicle, so many episodes each, as an admission does.
    pub(crate) fn fly_each(&self, episodes: usize, seed: u64, steps: u32) -> Vec<Evaluation> {
        let fly = |(index, teacher): (usize, &Teacher)| {
            let mut env = if self.fleet.is_empty() {
                self.env.make(episodes, seed)
            } else {
                self.env.make_fleet(&self.fleet, &vec![index; episodes], seed)
            };
            evaluate(env.as_mut(), &teacher.pilot, None, steps)
        };
        self.teachers.par_iter().enumerate().map(fly).collect()
    }
}

/// Reads the fleet that a flag names, for a task whose envs take vehicles.
pub(crate) fn read_fleet_for<T: Flyable>(flag: &str, path: &Path) -> Result<Vec<FleetVehicle>, Failure> {
    takes_vehicles::<T>(flag)?;
    setup::read_fleet(path)
}

/// Refuses a flag that names vehicles for a task that has one of its own.
pub(crate) fn takes_vehicles<T: Flyable>(flag: &str) -> Result<(), Failure> {
    if T::TAKES_VEHICLES {
        return Ok(());
    }
    Err(Failure::new(format!("`{flag}`: task `{}` has a vehicle of its own", T::ID))
        .hint(format!("fly others in `{}`", eyas_env::RAPTOR_TASK)))
}

/// Episodes spread evenly over the vehicles of a fleet, or of the task's own if it is empty.
pub(crate) fn envs_of<T: Flyable>(
    env: &T,
    fleet: &[FleetVehicle],
    episodes: usize,
    seed: u64,
) -> Box<dyn VecEnv> {
    if fleet.is_empty() {
        return env.make(episodes, seed);
    }
    let vehicles: Vec<usize> = (0..episodes).map(|episode| episode % fleet.len()).collect();
    env.make_fleet(fleet, &vehicles, seed)
}

/// The vehicles that the envs of [`envs_of`] fly in turns.
pub(crate) fn vehicles_of<T: Flyable>(env: &T, fleet: &[FleetVehicle]) -> Vec<VehicleParameters> {
    if fleet.is_empty() {
        return vec![env.vehicle().clone()];
    }
    fleet.iter().map(|vehicle| vehicle.dynamics.clone()).collect()
}

/// A teacher's file and what flies with it.
pub(crate) struct Candidate {
    /// What it is called in tables.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) loaded: LoadedPolicy,
    pub(crate) vehicle: Option<FleetVehicle>,
}

impl Candidate {
    /// Seats it.
    pub(crate) fn pilot(&self, spec: &EnvSpec) -> Result<Pilot, Failure> {
        Pilot::new(&self.loaded.policy, spec).map_err(|error| Failure::from(error).at(&self.path.display()))
    }
}

/// Which teachers of a folder.
pub(crate) struct Choice<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) ids: Option<&'a str>,
    pub(crate) exclude: Option<&'a str>,
}

impl Choice<'_> {
    /// Reads the teachers and vehicles of a folder `teacher_0000/best_model.pt`, `teacher_0000/vehicle.json`; where a
    /// vehicle is missing, the row of `teacher_dynamics.csv` stands for it.
    pub(crate) fn read(&self, options: &LoadOptions) -> Result<Vec<Candidate>, Failure> {
        let known = numbered(self.folder)?;
        let mut ids = match self.ids {
            Some(text) => parse_ids("--teacher_ids", text)?,
            None => known.iter().map(|(id, _)| *id).collect(),
        };
        let excluded = self.exclude.map(|text| parse_ids("--exclude_teacher_ids", text)).transpose()?;
        for (flag, ids) in
            [("--teacher_ids", &ids), ("--exclude_teacher_ids", &excluded.clone().unwrap_or_default())]
        {
            if let Some(id) = ids.iter().find(|id| known.binary_search_by_key(id, |(id, _)| id).is_err()) {
                return Err(Failure::new(format!("`{flag}`: there is no teacher {id}"))
                    .at(&self.folder.display())
                    .hint(format!(
                        "the folder has {} teachers, {} to {}",
                        known.len(),
                        known[0].0,
                        known[known.len() - 1].0
                    )));
            }
        }
        let excluded = excluded.unwrap_or_default();
        ids.retain(|id| !excluded.contains(id));
        if ids.is_empty() {
            return Err(Failure::new("no teacher is left").at(&self.folder.display()));
        }
        let folder_of = |id: usize| {
            let place = known.binary_search_by_key(&id, |(id, _)| *id).expect("checked above");
            &known[place].1
        };
        let table = self.folder.join(DYNAMICS);
        let is_needed = ids.iter().any(|id| !folder_of(*id).join(VEHICLE).is_file());
        let table = if is_needed && table.is_file() { read_fleet(&table)? } else { Vec::new() };
        ids.into_par_iter()
            .map(|id| {
                let folder = folder_of(id);
                let path = model_in(folder)?;
                let file = folder.join(VEHICLE);
                let vehicle = if file.is_file() {
                    read_vehicle(&file)?.fleet_vehicle(id.to_string())
                } else {
                    let row = table.iter().find(|vehicle| vehicle.id.parse() == Ok(id)).cloned();
                    row.ok_or_else(|| {
                        Failure::new(format!("teacher {id} has no vehicle")).at(&folder.display()).hint(format!(
                            "put its parameter file there as `{VEHICLE}`, or a row with id {id} into `{DYNAMICS}`"
                        ))
                    })?
                };
                let loaded = load_policy(&path, options)?;
                Ok(Candidate { name: id.to_string(), path, loaded, vehicle: Some(vehicle) })
            })
            .collect()
    }
}

/// Reads several checkpoints, each with the parameter file beside it if there is one.
pub(crate) fn read_checkpoints(paths: &[PathBuf], options: &LoadOptions) -> Result<Vec<Candidate>, Failure> {
    for (place, path) in paths.iter().enumerate() {
        if paths[..place].contains(path) {
            return Err(Failure::new("`--teacher_checkpoint` names a file twice").at(&path.display()));
        }
    }
    let read = |(place, path): (usize, &PathBuf)| {
        let file = path.with_file_name(VEHICLE);
        let name = place.to_string();
        let file = file.is_file().then(|| read_vehicle(&file)).transpose()?;
        let vehicle = file.map(|it| it.fleet_vehicle(&name));
        Ok(Candidate { name, path: path.clone(), loaded: load_policy(path, options)?, vehicle })
    };
    paths.iter().enumerate().map(read).collect()
}

/// The numbered folders of a folder of teachers, by their numbers.
fn numbered(folder: &Path) -> Result<Vec<(usize, PathBuf)>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        Failure::new(format!("cannot read `--teacher_dir`: {error}")).at(&folder.display())
    })?;
    let mut known = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(id) = name.strip_prefix(FOLDER).and_then(|digits| digits.parse().ok()) {
            known.push((id, path));
        }
    }
    known.sort();
    if let Some(pair) = known.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(
            Failure::new(format!("two folders are of teacher {}", pair[0].0)).at(&pair[1].1.display())
        );
    }
    if known.is_empty() {
        return Err(Failure::new("no teachers: expected folders `teacher_0000`, `teacher_0001`, …")
            .at(&folder.display())
            .hint("`eyas train --vehicles FLEET` makes such a folder"));
    }
    Ok(known)
}

/// `best_model.pt`, else the newest `model_*.pt`.
fn model_in(folder: &Path) -> Result<PathBuf, Failure> {
    let best = folder.join(BEST);
    if best.is_file() {
        return Ok(best);
    }
    let number = |path: &PathBuf| -> Option<u64> {
        path.file_name()?.to_str()?.strip_prefix("model_")?.strip_suffix(".pt")?.parse().ok()
    };
    let files = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| number(path).is_some()).max_by_key(number).ok_or_else(|| {
        Failure::new(format!("a teacher without a model: expected `{BEST}` or `model_*.pt`"))
            .at(&folder.display())
    })
}

/// `0-99,120`.
pub(crate) fn parse_ids(flag: &str, text: &str) -> Result<Vec<usize>, Failure> {
    let bad = |part: &str| {
        Failure::new(format!(
            "`{flag} {text}`: `{part}` is no number and no range, expected such as 0-99,120"
        ))
    };
    let mut ids = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => (first, last),
            _ => return Err(bad(part)),
        };
        // More than any folder holds is a mistake, not a reason to fill the memory.
        if last - first > 1_000_000 {
            return Err(bad(part));
        }
        ids.extend(first..=last);
    }
    ids.sort_unstable();
    if let Some([id, _]) = ids.array_windows().find(|[id, next]| id == next) {
        return Err(Failure::new(format!("`{flag} {text}` names {id} twice")));
    }
    Ok(ids)
}

/// How a teacher flew when it was admitted.
pub(crate) struct Admission<'a> {
    pub(crate) name: &'a str,
    pub(crate) summary: Summary,
    /// Where it comes to rest, m.
    pub(crate) offset: [f64; 3],
}

impl<'a> Admission<'a> {
    /// Flies every candidate, seated in a crew in the same order, on its own vehicle.
    pub(crate) fn of_all<T: Flyable>(
        candidates: &'a [Candidate],
        crew: &Crew<T>,
        episodes: usize,
        steps: u32,
    ) -> Vec<Self> {
        let flights = crew.fly_each(episodes, ADMISSION_SEED, steps);
        let admission = |(candidate, it): (&'a Candidate, Evaluation)| Self {
            name: &candidate.name,
            summary: it.summary(),
            offset: it.steady_state_offset(),
        };
        candidates.iter().zip(flights).map(admission).collect()
    }
}

/// A table of admissions: one line for each teacher. Lengths in m.
pub(crate) fn admission_table(admissions: &[Admission], solved_return: f64) -> String {
    let mut text = String::from(
        "teacher,return_mean,return_std,episode_length_mean,share_terminated,offset_x,offset_y,offset_z,admitted\n",
    );
    for Admission { name, summary: it, offset: [x, y, z] } in admissions {
        let admitted = it.mean_return >= solved_return;
        let _ = writeln!(
            text,
            "{name},{},{},{},{},{x},{y},{z},{admitted}",
            it.mean_return, it.std_return, it.mean_length, it.crash_rate
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbers_and_ranges() {
        assert_eq!(parse_ids("--teacher_ids", "0-2, 7").unwrap(), [0, 1, 2, 7]);
        for bad in ["", "1-", "3-1", "x", "1,1", "0-3,2", "0-99999999999"] {
            assert!(parse_ids("--teacher_ids", bad).is_err(), "{bad}");
        }
    }
}
