//! One policy along a trajectory: what was flown, step by step, and how well it tracked.

use std::fmt::Write as _;
use std::path::Path;

use eyas_env::Step;
use eyas_formats::npy::{self, Array, Data};
use eyas_lanes::{Row, lanes_of};
use eyas_learn::{AnyBlock, Controller, Engine, Next, NotFinite, Rollout, Steering};
use eyas_policy::Inference;
use eyas_run::{Interrupt, RunDir};
use eyas_view::Flight;

use crate::failure::Failure;
use crate::observer::Observer;
use crate::text::{aligned, metres};

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
    /// Body to world, `w, x, y, z`.
    orientation: Vec<f32>,
    /// Body frame, rad/s.
    angular_velocity: Vec<f32>,
    /// What was seen before each step, `[step][env][feature]`.
    observations: Vec<f32>,
    /// `[step][env][action]`.
    pub actions: Vec<f32>,
    /// Of each env.
    pub returns: Vec<f32>,
    /// Of each vehicle.
    lengths: Vec<u32>,
    /// Whether the flight of each vehicle ended before the time.
    pub crashed: Vec<bool>,
    /// Envs whose flight ended for a number that is not finite, where that resets an env.
    pub num_lost: usize,
    /// The same for viewers, of each env.
    pub flown: Vec<Flight>,
}

/// One control step at a time of a block of envs, and what it has shown so far.
struct Tracked<'a> {
    steering: Steering<'a>,
    period_s: f64,
    has_begun: bool,
    used: u32,
    /// Bits of the lanes that fly still, of those whose flight ended for a number that is not finite, and of those in which
    /// each vehicle has fallen.
    live: u32,
    lost: u32,
    fallen: Vec<u32>,
    /// Of each lane that is an env: return, steps, whether all of it has crashed, and the flight.
    envs: Vec<(f32, u32, bool, Flight)>,
    /// Of each vehicle: steps, and whether it has crashed.
    vehicles: Vec<(u32, bool)>,
    /// Desired and actual position, desired and actual velocity, angular velocity, orientation, actions:
    /// `[step][env][vehicle][..]`; observations, `[step][env][..]`.
    tracks: [Vec<f32>; 8],
}

impl Rollout for Tracked<'_> {
    fn goes_on(&self) -> bool {
        self.has_begun
    }

    fn is_continued(&self) -> bool {
        true
    }

    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        if !self.has_begun {
            block.reset(u32::MAX);
            let count = used.count_ones() as usize;
            self.has_begun = true;
            self.used = used;
            self.live = used & !block.ended();
            self.fallen = vec![0; block.num_vehicles()];
            self.envs = vec![(0.0, 0, false, Flight::new(self.period_s)); count];
            self.vehicles = vec![(0, false); count * block.num_vehicles()];
        }
        true
    }

    fn act(&mut self, block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
        self.steering.act(block, observation, action);
    }

    /// It counts as crashed, and nothing of the flight that follows is kept.
    fn lose(&mut self, lanes: u32) {
        let num_vehicles = self.fallen.len();
        for (env, _) in
            lanes_of(self.used).enumerate().filter(|(_, lane)| (lanes & self.live) >> lane & 1 == 1)
        {
            self.envs[env].2 = true;
            for (_, has_crashed) in &mut self.vehicles[env * num_vehicles..][..num_vehicles] {
                *has_crashed = true;
            }
        }
        Inference::forget(&mut self.steering.state, lanes);
        self.lost |= lanes & self.used;
        self.live &= !lanes;
    }

    fn record(&mut self, block: &mut AnyBlock, observation: &mut [Row], action: &[Row], step: &Step) -> Next {
        let of_each = action.len() / self.fallen.len();
        for (env, lane) in lanes_of(self.used).enumerate() {
            let goes_on = self.live >> lane & 1 == 1;
            for (vehicle, fallen) in self.fallen.iter().enumerate() {
                let flies = goes_on && fallen >> lane & 1 == 0;
                let seen = block.vehicle_telemetry(lane, vehicle);
                let keep = |value: f32| if flies { value } else { f32::NAN };
                let shown = [
                    seen.desired_position,
                    seen.position,
                    seen.desired_velocity,
                    seen.velocity,
                    seen.angular_velocity,
                ];
                for (track, vector) in self.tracks.iter_mut().zip(shown) {
                    track.extend(vector.map(keep));
                }
                let own = &action[vehicle * of_each..][..of_each];
                self.tracks[5].extend(seen.orientation.map(keep));
                self.tracks[6].extend(own.iter().map(|row| keep(row[lane])));
                if flies {
                    let (length, has_crashed) = &mut self.vehicles[env * self.fallen.len() + vehicle];
                    *length += 1;
                    *has_crashed = (step.terminated | block.fallen(vehicle)) >> lane & 1 == 1;
                }
            }
            let keep = |row: &Row| if goes_on { row[lane] } else { f32::NAN };
            self.tracks[7].extend(observation.iter().map(keep));
            let (sum, length, has_crashed, flight) = &mut self.envs[env];
            if goes_on {
                *sum += step.reward[lane];
                (*length, *has_crashed) = (*length + 1, step.terminated >> lane & 1 == 1);
            }
            let memory: Vec<f32> = self.steering.state.iter().map(|row| row[lane]).collect();
            flight.push_env(block, lane, action, &memory, (0, *length, *has_crashed));
        }
        self.live = self.used & !block.ended() & !self.lost;
        for (vehicle, fallen) in self.fallen.iter_mut().enumerate() {
            *fallen = block.fallen(vehicle);
        }
        Next { reset: 0, is_last: true }
    }
}

impl Recorder {
    /// Flies one episode of at most `max_steps` control steps in every env.
    pub fn fly(
        engines: &mut [Box<dyn Engine>],
        controller: &dyn Controller,
        max_steps: u32,
        observer: &mut dyn Observer,
        interrupt: &Interrupt,
    ) -> Result<Self, NotFinite> {
        let period_s = 1.0 / engines[0].spec().control_rate_hz;
        let track = || Tracked {
            steering: Steering::new(controller),
            period_s,
            has_begun: false,
            used: 0,
            live: 0,
            lost: 0,
            fallen: Vec::new(),
            envs: Vec::new(),
            vehicles: Vec::new(),
            tracks: Default::default(),
        };
        let mut tracked: Vec<Vec<Tracked>> =
            engines.iter().map(|engine| (0..engine.num_blocks()).map(|_| track()).collect()).collect();
        let num_envs: usize = engines.iter().map(|engine| engine.num_envs()).sum();
        let mut steps = 0;
        while steps < max_steps as usize {
            let mut is_live = false;
            for (engine, blocks) in engines.iter_mut().zip(&mut tracked) {
                is_live |= blocks.iter().any(|it| !it.has_begun || it.live != 0);
                engine.fly_all(blocks)?;
            }
            steps += 1;
            observer.count(num_envs as u64);
            observer.position(steps as u64);
            if !is_live || interrupt.interrupted() {
                break;
            }
        }
        let num_vehicles = engines[0].num_vehicles();
        Ok(Self::of(tracked.into_iter().flatten().collect(), steps, num_envs, num_vehicles))
    }

    /// What all blocks have shown, in the order of their envs.
    fn of(mut blocks: Vec<Tracked>, steps: usize, num_envs: usize, num_vehicles: usize) -> Self {
        let track = |index: usize| {
            let mut all = Vec::new();
            for step in 0..steps {
                for Tracked { tracks, .. } in &blocks {
                    let width = tracks[index].len() / steps;
                    all.extend_from_slice(&tracks[index][step * width..][..width]);
                }
            }
            all
        };
        let [
            desired_position,
            actual_position,
            desired_velocity,
            actual_velocity,
            angular_velocity,
            orientation,
            actions,
            observations,
        ] = [0, 1, 2, 3, 4, 5, 6, 7].map(track);
        let num_lost = blocks.iter().map(|it| it.lost.count_ones() as usize).sum();
        let envs: Vec<_> = blocks.iter_mut().flat_map(|it| it.envs.drain(..)).collect();
        let vehicles: Vec<_> = blocks.iter_mut().flat_map(|it| it.vehicles.drain(..)).collect();
        Self {
            num_envs,
            num_vehicles,
            steps,
            desired_position,
            actual_position,
            desired_velocity,
            actual_velocity,
            orientation,
            angular_velocity,
            observations,
            actions,
            returns: envs.iter().map(|it| it.0).collect(),
            lengths: vehicles.iter().map(|it| it.0).collect(),
            crashed: vehicles.iter().map(|it| it.1).collect(),
            num_lost,
            flown: envs.into_iter().map(|it| it.3).collect(),
        }
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
        let head = ["env", "steps", "return", "crashed", "mean error", "RMSE", "max error"];
        let mut rows = vec![head.map(str::to_owned)];
        let count = self.crashed.len();
        for place in 0..count {
            let (env, vehicle) = (place / self.num_vehicles, place % self.num_vehicles);
            let it = Statistics::of(errors.iter().skip(place).step_by(count).copied());
            let number = if self.num_vehicles > 1 { format!("{env}.{vehicle}") } else { env.to_string() };
            rows.push([
                names.get(env).map_or(number, |name| (*name).to_owned()),
                self.lengths[place].to_string(),
                format!("{:.1}", self.returns[env]),
                if self.crashed[place] { "yes" } else { "no" }.to_owned(),
                metres(it.mean),
                metres(it.rms),
                metres(it.max),
            ]);
        }
        aligned(0, &rows)
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
        let seen = self.observations.len() / (steps * envs);
        let observations = Array::new(&[steps, envs, seen], Data::F32(self.observations.clone()));
        let timestamps = (1..=steps).map(|step| step as f64 * period).collect();
        npy::write_npz(
            &run.file("trajectory_data.npz"),
            &[
                ("desired_pos", &array(&self.desired_position, 3)),
                ("actual_pos", &array(&self.actual_position, 3)),
                ("desired_vel", &array(&self.desired_velocity, 3)),
                ("actual_vel", &array(&self.actual_velocity, 3)),
                ("orientation", &array(&self.orientation, 4)),
                ("angular_velocity", &array(&self.angular_velocity, 3)),
                ("observations", &observations),
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
