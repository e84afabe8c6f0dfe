//! One policy along a trajectory: what was flown, step by step, and how well it tracked.

use std::fmt::Write as _;
use std::path::Path;

use eyas_env::{EnvBlock, VecEnv};
use eyas_formats::npy::{self, Array, Data};
use eyas_lanes::{BLOCK, Row, lanes_of};
use eyas_learn::Controller;
use eyas_policy::Scratch;
use eyas_run::{Interrupt, RunDir};
use eyas_view::Flight;

use crate::failure::Failure;
use crate::observer::Observer;
use crate::text::metres;

/// Everything that was flown, `[step][env][vehicle]`; not a number after the flight of a vehicle has ended.
pub struct Recorder {
    num_envs: usize,
    /// Vehicles of each env.
    pub num_vehicles: usize,
    /// Control steps flown.
    pub steps: usize,
    /// World frame, m, `[step][env][vehicle][3]`.
    pub desired_position: Vec<f32>,
    /// The same.
    pub actual_position: Vec<f32>,
    desired_velocity: Vec<f32>,
    actual_velocity: Vec<f32>,
    /// `[step][env][action]`.
    pub actions: Vec<f32>,
    /// Of each env.
    pub returns: Vec<f32>,
    /// Of each vehicle.
    lengths: Vec<u32>,
    /// Whether the flight of each vehicle ended before the time.
    pub crashed: Vec<bool>,
    /// The same for viewers, of each env.
    pub flown: Vec<Flight>,
}

/// A block of envs in flight.
struct Flying<'a> {
    block: &'a mut Box<dyn EnvBlock>,
    /// Bits of the lanes that are envs.
    used: u32,
    /// Number of the first of them.
    first: usize,
    /// The policy's memory.
    state: Vec<Row>,
}

impl Recorder {
    /// Flies one episode of at most `max_steps` control steps in every env.
    pub fn fly(
        envs: &mut [Box<dyn VecEnv>],
        pilot: &dyn Controller,
        max_steps: u32,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Self {
        let num_envs = envs.iter().map(|env| env.num_envs()).sum();
        let spec = envs[0].spec().clone();
        let num_vehicles = envs[0].blocks()[0].num_vehicles();
        let mut recorder = Self {
            num_envs,
            num_vehicles,
            steps: 0,
            desired_position: Vec::new(),
            actual_position: Vec::new(),
            desired_velocity: Vec::new(),
            actual_velocity: Vec::new(),
            actions: Vec::new(),
            returns: vec![0.0; num_envs],
            lengths: vec![0; num_envs * num_vehicles],
            crashed: vec![false; num_envs * num_vehicles],
            flown: vec![Flight::new(1.0 / spec.control_rate_hz); num_envs],
        };
        // Steps of the episode of each env, and whether all of it has crashed.
        let mut episodes = vec![(0, false); num_envs];
        let mut observation = vec![Row::ZERO; spec.num_observations()];
        let mut action = vec![Row::ZERO; pilot.num_actions()];
        let mut scratch = Scratch::default();
        let mut crowd = Vec::new();
        let mut first = 0;
        for env in envs {
            let used: Vec<u32> = (0..env.num_envs().div_ceil(BLOCK)).map(|it| env.used_lanes(it)).collect();
            for (block, used) in env.blocks().iter_mut().zip(used) {
                block.reset(u32::MAX);
                crowd.push(Flying { block, used, first, state: vec![Row::ZERO; pilot.state_width()] });
                first += used.count_ones() as usize;
            }
        }
        for _ in 0..max_steps {
            let mut live = 0;
            for Flying { block, used, first, state } in &mut crowd {
                let before = block.ended();
                let fallen: Vec<u32> = (0..num_vehicles).map(|it| block.fallen(it)).collect();
                block.observe(&mut observation);
                pilot.act(block.as_ref(), &observation, state, &mut scratch, &mut action);
                let outcome = block.step(&action);
                for (place, lane) in lanes_of(*used).enumerate() {
                    let env = *first + place;
                    let goes_on = before >> lane & 1 == 0;
                    let of_each = action.len() / num_vehicles;
                    for (vehicle, fallen) in fallen.iter().enumerate() {
                        let flies = goes_on && fallen >> lane & 1 == 0;
                        let seen = block.vehicle_telemetry(lane, vehicle);
                        let keep = |value: f32| if flies { value } else { f32::NAN };
                        recorder.actual_position.extend(seen.position.map(keep));
                        recorder.actual_velocity.extend(seen.velocity.map(keep));
                        recorder.desired_position.extend(seen.desired_position.map(keep));
                        recorder.desired_velocity.extend(seen.desired_velocity.map(keep));
                        let own = &action[vehicle * of_each..][..of_each];
                        recorder.actions.extend(own.iter().map(|row| keep(row[lane])));
                        if flies {
                            let place = env * num_vehicles + vehicle;
                            recorder.lengths[place] += 1;
                            let ended = outcome.terminated | block.fallen(vehicle);
                            recorder.crashed[place] = ended >> lane & 1 == 1;
                        }
                    }
                    if goes_on {
                        recorder.returns[env] += outcome.reward[lane];
                        episodes[env] = (episodes[env].0 + 1, outcome.terminated >> lane & 1 == 1);
                        live += 1;
                    }
                    let memory: Vec<f32> = state.iter().map(|row| row[lane]).collect();
                    let (step, has_crashed) = episodes[env];
                    let moment = (0, step, has_crashed);
                    recorder.flown[env].push_env(block.as_ref(), lane, &action, &memory, moment);
                }
            }
            recorder.steps += 1;
            observer.position(recorder.steps as u64);
            if live == 0 || interrupt.interrupted() {
                break;
            }
        }
        recorder
    }

    /// Euclidean distances of `[step][env][3]` arrays.
    fn distances(left: &[f32], right: &[f32]) -> Vec<f32> {
        let squares = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        left.chunks_exact(3).zip(right.chunks_exact(3)).map(|pair| squares(pair).sqrt()).collect()
    }

    /// Distance to the target, m, `[step][env][vehicle]`.
    pub fn position_errors(&self) -> Vec<f32> {
        Self::distances(&self.actual_position, &self.desired_position)
    }

    /// The same of the velocity, m/s.
    pub fn velocity_errors(&self) -> Vec<f32> {
        Self::distances(&self.actual_velocity, &self.desired_velocity)
    }

    /// A line for each vehicle, which is called by the number of its env, or of several by both numbers, where there is
    /// no name. The return is that of the env.
    pub fn table(&self, names: &[&str]) -> String {
        let errors = self.position_errors();
        let width = names.iter().map(|name| name.chars().count()).fold(4, usize::max);
        let mut text = format!(
            "{:>width$} {:>8} {:>12} {:>9} {:>14} {:>14} {:>14}\n",
            "env", "steps", "return", "crashed", "mean error", "RMSE", "max error"
        );
        let count = self.crashed.len();
        for place in 0..count {
            let (env, vehicle) = (place / self.num_vehicles, place % self.num_vehicles);
            let it = Statistics::of(errors.iter().skip(place).step_by(count).copied());
            let crashed = if self.crashed[place] { "yes" } else { "no" };
            let number = if self.num_vehicles > 1 { format!("{env}.{vehicle}") } else { env.to_string() };
            let name = names.get(env).map_or(number, |name| (*name).to_owned());
            let _ = writeln!(
                text,
                "{name:>width$} {:>8} {:>12.1} {crashed:>9} {:>14} {:>14} {:>14}",
                self.lengths[place],
                self.returns[env],
                metres(it.mean),
                metres(it.rms),
                metres(it.max)
            );
        }
        text
    }

    /// The text of `tracking_statistics.txt`; the control period is in s.
    pub fn statistics(&self, checkpoint: &Path, trajectory: &str, period: f64) -> String {
        let vehicles = match self.num_vehicles {
            1 => String::new(),
            count => format!("Vehicles of each: {count}\n"),
        };
        let mut text = format!(
            "Trajectory tracking\nCheckpoint: {}\nTrajectory: {trajectory}\nEnvironments: {}\n{vehicles}Steps: {} ({:.2} s)\nCrashed: {} of {}\n",
            checkpoint.display(),
            self.num_envs,
            self.steps,
            self.steps as f64 * period,
            self.crashed.iter().filter(|it| **it).count(),
            self.crashed.len()
        );
        for (name, unit, errors) in [
            ("Position error", "m", self.position_errors()),
            ("Velocity error", "m/s", self.velocity_errors()),
        ] {
            let it = Statistics::of(errors.into_iter());
            let _ = writeln!(text, "\n{name} [{unit}]");
            for (name, value) in [
                ("mean", it.mean),
                ("std", it.std),
                ("median", it.median),
                ("max", it.max),
                ("95th percentile", it.percentile95),
                ("RMSE", it.rms),
            ] {
                let _ = writeln!(text, "  {name:<16} {value:.6}");
            }
        }
        text
    }

    /// Writes `tracking_errors.npz` and `trajectory_data.npz`; the control period is in s.
    pub fn write_arrays(&self, run: &RunDir, period: f64) -> Result<(), Failure> {
        let (steps, envs) = (self.steps, self.num_envs);
        // `[step][env]`, then the vehicle if there are several, then what there is of each.
        let array = |values: &[f32], width: usize| {
            let rest = [self.num_vehicles, width].into_iter().filter(|it| *it > 1);
            let shape: Vec<usize> = [steps, envs].into_iter().chain(rest).collect();
            Array::new(&shape, Data::F32(values.to_vec()))
        };
        let position_errors = array(&self.position_errors(), 1);
        let velocity_errors = array(&self.velocity_errors(), 1);
        let errors = [("position_errors", &position_errors), ("velocity_errors", &velocity_errors)];
        npy::write_npz(&run.file("tracking_errors.npz"), &errors)?;
        let timestamps = (1..=steps).map(|step| step as f64 * period).collect();
        npy::write_npz(
            &run.file("trajectory_data.npz"),
            &[
                ("desired_pos", &array(&self.desired_position, 3)),
                ("actual_pos", &array(&self.actual_position, 3)),
                ("desired_vel", &array(&self.desired_velocity, 3)),
                ("actual_vel", &array(&self.actual_velocity, 3)),
                ("position_error", &position_errors),
                ("velocity_error", &velocity_errors),
                ("actions", &array(&self.actions, self.actions.len() / (steps * self.crashed.len()))),
                ("timestamps", &Array::new(&[steps], Data::F64(timestamps))),
            ],
        )?;
        Ok(())
    }
}

/// Of the finite values; not numbers where there is none.
pub struct Statistics {
    /// Mean.
    pub mean: f64,
    std: f64,
    median: f64,
    /// The largest.
    pub max: f64,
    percentile95: f64,
    /// Root mean square.
    pub rms: f64,
}

impl Statistics {
    /// Those of some values.
    pub fn of(values: impl Iterator<Item = f32>) -> Self {
        let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).map(f64::from).collect();
        if sorted.is_empty() {
            let [mean, std, median, max, percentile95, rms] = [f64::NAN; 6];
            return Self { mean, std, median, max, percentile95, rms };
        }
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let mean_square = sorted.iter().map(|value| value * value).sum::<f64>() / count;
        // Linear between neighbours, as NumPy's percentile.
        let at = |share: f64| {
            let place = share * (count - 1.0);
            let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Self {
            mean,
            std: (mean_square - mean * mean).max(0.0).sqrt(),
            median: at(0.5),
            max: at(1.0),
            percentile95: at(0.95),
            rms: mean_square.sqrt(),
        }
    }
}
