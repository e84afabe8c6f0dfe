//! Teachers and the vehicles that they fly.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyas_env::EnvSpec;
use eyas_formats::{LoadOptions, LoadedPolicy};
use eyas_learn::distill::Teacher;
use eyas_learn::{Actor, Engine, Evaluation, InTurns, NotFinite, OnNan, Summary, evaluate};
use eyas_sim::VehicleParameters;
use eyas_vehicles::{FleetVehicle, read_fleet};
use rayon::prelude::*;

use crate::configuration::read_vehicle;
use crate::device::EpisodeDevice;
use crate::evaluate::apart_from;
use crate::failure::Failure;
use crate::policies::load_policy;
use crate::run_files::{BEST_MODEL, DYNAMICS, FOLDER, VEHICLE};
use crate::tasks::AnyTask;

/// Starts of the admission, which no training uses.
const ADMISSION_SEED: u64 = 0xad31;

/// Teachers in the env that they teach in, each on a vehicle of its own if there is a fleet.
pub struct Teachers {
    /// The task, without a time limit that one could reach.
    pub task: Box<dyn AnyTask>,
    /// The vehicle of each teacher; empty: all fly the task's.
    pub fleet: Vec<FleetVehicle>,
    /// The teachers.
    pub teachers: Arc<[Teacher]>,
    /// What becomes of an env with a number that is not finite.
    pub on_nan: OnNan,
    /// Where episodes fly.
    pub device: EpisodeDevice,
}

impl Teachers {
    /// What each teacher is called: as its vehicle, or by its place.
    pub fn names(&self) -> Vec<String> {
        let name = |place: usize| self.fleet.get(place).map_or_else(|| place.to_string(), |it| it.id.clone());
        (0..self.teachers.len()).map(name).collect()
    }

    /// Episodes spread evenly over all vehicles.
    pub fn envs(&self, episodes: usize, seed: u64) -> Box<dyn Engine> {
        self.measuring(envs_of(self.task.as_ref(), &self.fleet, episodes, seed))
    }

    /// The same envs, as all that a run measures fly: where its episodes do, and with what it makes of numbers that are not
    /// finite.
    pub fn measuring(&self, mut engine: Box<dyn Engine>) -> Box<dyn Engine> {
        engine.set_on_nan(self.on_nan);
        self.device.lend(engine.as_mut());
        engine
    }

    /// Flies a policy; a single teacher is asked for its action in every state.
    pub fn fly(
        &self,
        actor: &Actor,
        episodes: usize,
        seed: u64,
        steps: u32,
    ) -> Result<Evaluation, NotFinite> {
        let labeller = match &*self.teachers {
            [teacher] => Some(&teacher.actor),
            _ => None,
        };
        let evaluation = evaluate(self.envs(episodes, seed).as_mut(), actor, labeller, steps)?;
        Ok(evaluation.of_vehicles(self.fleet.len()))
    }

    /// Flies every teacher on its own vehicle, from the starts that [`fly`](Self::fly) flies a policy from.
    pub fn fly_teachers(&self, episodes: usize, seed: u64, steps: u32) -> Result<Evaluation, NotFinite> {
        if let [teacher] = &*self.teachers {
            return self.fly(&teacher.actor, episodes, seed, steps);
        }
        let actors: Vec<&Actor> = self.teachers.iter().map(|it| &it.actor).collect();
        let evaluation = evaluate(self.envs(episodes, seed).as_mut(), &InTurns(&actors), None, steps)?;
        Ok(evaluation.of_vehicles(self.fleet.len()))
    }

    /// Flies every teacher on its own vehicle, so many episodes each, as an admission does; or gives the place of the first
    /// whose flight has a number that is not finite.
    pub fn fly_each(
        &self,
        episodes: usize,
        seed: u64,
        steps: u32,
    ) -> Result<Vec<Evaluation>, (usize, NotFinite)> {
        let fly = |(index, teacher): (usize, &Teacher)| {
            let env = if self.fleet.is_empty() {
                self.task.make(episodes, seed)
            } else {
                self.task.make_fleet(&self.fleet, &vec![index; episodes], seed)
            };
            evaluate(self.measuring(env).as_mut(), &teacher.actor, None, steps)
                .map_err(|error| (index, error))
        };
        let flights: Vec<Result<_, _>> = self.teachers.par_iter().enumerate().map(fly).collect();
        flights.into_iter().collect()
    }
}

/// Episodes spread evenly over the vehicles of a fleet, or of the task's own if it is empty.
pub fn envs_of(env: &dyn AnyTask, fleet: &[FleetVehicle], episodes: usize, seed: u64) -> Box<dyn Engine> {
    if fleet.is_empty() {
        return env.make(episodes, seed);
    }
    let vehicles: Vec<usize> = (0..episodes).map(|episode| episode % fleet.len()).collect();
    env.make_fleet(fleet, &vehicles, seed)
}

/// The vehicles that the envs of [`envs_of`] fly in turns.
pub fn vehicles_of(env: &dyn AnyTask, fleet: &[FleetVehicle]) -> Vec<VehicleParameters> {
    if fleet.is_empty() {
        return vec![env.vehicle().clone()];
    }
    fleet.iter().map(|vehicle| vehicle.dynamics.clone()).collect()
}

/// A teacher's file and what flies with it.
pub struct Candidate {
    /// What it is called in tables.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// What the file holds.
    pub loaded: LoadedPolicy,
    /// The vehicle beside it, if there is one.
    pub vehicle: Option<FleetVehicle>,
}

impl Candidate {
    /// It with the features of the observation that it reads.
    pub fn actor(&self, spec: &EnvSpec) -> Result<Actor, Failure> {
        Actor::new(&self.loaded.policy, spec).map_err(|error| Failure::from(error).at(&self.path.display()))
    }
}

/// Whether a teacher is the only one, and has no vehicle of its own: there is nothing to admit and nothing to choose.
pub fn is_alone(candidates: &[Candidate]) -> bool {
    matches!(candidates, [Candidate { vehicle: None, .. }])
}

/// Which teachers of a folder.
pub struct TeacherFolder<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// Which of them, such as `0-99,120`; none: all.
    pub ids: Option<&'a str>,
    /// Which of them not.
    pub exclude: Option<&'a str>,
}

impl TeacherFolder<'_> {
    /// Reads the teachers and vehicles of a folder `teacher_0000/best_model.pt`, `teacher_0000/vehicle.json`; where a
    /// vehicle is missing, the row of `teacher_dynamics.csv` stands for it.
    pub fn read(&self, options: &LoadOptions) -> Result<Vec<Candidate>, Failure> {
        let known = numbered(self.folder)?;
        let ids = match self.ids {
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
        let is_chosen = |id: &usize| ids.binary_search(id).is_ok() && excluded.binary_search(id).is_err();
        let chosen: Vec<&(usize, PathBuf)> = known.iter().filter(|(id, _)| is_chosen(id)).collect();
        if chosen.is_empty() {
            return Err(Failure::new("no teacher is left").at(&self.folder.display()));
        }
        let table = self.folder.join(DYNAMICS);
        let is_needed = chosen.iter().any(|(_, folder)| !folder.join(VEHICLE).is_file());
        let table = if is_needed && table.is_file() { read_fleet(&table)? } else { Vec::new() };
        chosen
            .into_par_iter()
            .map(|(id, folder)| {
                let path = model_in(folder)?;
                let vehicle = folder.join(VEHICLE);
                let vehicle = if vehicle.is_file() {
                    read_vehicle(&vehicle)?.fleet_vehicle(id.to_string())
                } else {
                    let row = table.iter().find(|vehicle| vehicle.id.parse() == Ok(*id)).cloned();
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
pub fn read_checkpoints(paths: &[PathBuf], options: &LoadOptions) -> Result<Vec<Candidate>, Failure> {
    for (place, path) in paths.iter().enumerate() {
        if paths[..place].contains(path) {
            return Err(Failure::new("`--teacher_checkpoint` names a file twice").at(&path.display()));
        }
    }
    let read = |(place, path): (usize, &PathBuf)| {
        let vehicle = path.with_file_name(VEHICLE);
        let name = place.to_string();
        let file = vehicle.is_file().then(|| read_vehicle(&vehicle)).transpose()?;
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
    let best = folder.join(BEST_MODEL);
    if best.is_file() {
        return Ok(best);
    }
    let number = |path: &PathBuf| -> Option<u64> {
        path.file_name()?.to_str()?.strip_prefix("model_")?.strip_suffix(".pt")?.parse().ok()
    };
    let files = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| number(path).is_some()).max_by_key(number).ok_or_else(|| {
        Failure::new(format!("a teacher without a model: expected `{BEST_MODEL}` or `model_*.pt`"))
            .at(&folder.display())
    })
}

/// `0-99,120`.
pub fn parse_ids(flag: &str, text: &str) -> Result<Vec<usize>, Failure> {
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
pub struct Admission<'a> {
    /// What it is called in tables.
    pub name: &'a str,
    /// How it flew.
    pub summary: Summary,
    /// Where it comes to rest, m, in the frame of the task's `position_error`, the world's in a task without one.
    pub offset: [f64; 3],
}

impl<'a> Admission<'a> {
    /// Flies every candidate, each a teacher at the same place, on its own vehicle. The black box of a flight with a number
    /// that is not finite is left in `folder`.
    pub fn of_all(
        candidates: &'a [Candidate],
        teachers: &Teachers,
        training_seed: u64,
        (episodes, steps): (usize, u32),
        folder: &Path,
    ) -> Result<Vec<Self>, Failure> {
        let seed = apart_from(training_seed, ADMISSION_SEED);
        let flights = teachers.fly_each(episodes, seed, steps).map_err(|(index, error)| {
            let Candidate { name, path, .. } = &candidates[index];
            let flight = format!("the admission flight of teacher {name}");
            Failure::from(error).not_finite_in_flight((&flight, seed), folder).at(&path.display())
        })?;
        let admission = |(candidate, it): (&'a Candidate, Evaluation)| Self {
            name: &candidate.name,
            summary: it.summary(),
            offset: it.steady_state_offset(),
        };
        Ok(candidates.iter().zip(flights).map(admission).collect())
    }
}

/// A table of admissions: one line for each teacher. Lengths in m.
pub fn admission_table(admissions: &[Admission], solved_return: f64) -> String {
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
