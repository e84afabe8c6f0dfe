//! Videos of a run: when one is due, what it shows and where it lies.
//!
//! A video is flown in envs of its own, with starts of its own, by the policy as it is then: recording draws no number
//! of the run and changes none of its results.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eyas_env::{EnvSpec, TaskConfig, vehicles};
use eyas_learn::Pilot;
use eyas_view::{Airframe, Caption, Film, Flight, Scene, View};

use crate::arguments::Video;
use crate::budget::Budget;
use crate::failure::Failure;
use crate::report::say;
use crate::setup::write_file;

/// Starts of the recorded flights, which nothing else uses.
pub(crate) const VIDEO_SEED: u64 = 0x071d_e05e;
/// Size of every video, px.
const SIZE: (usize, usize) = (1280, 720);
/// Steps of a video and from video to video, as in Isaac Lab's scripts.
const LENGTH: u32 = 200;
const INTERVAL: u64 = 2000;
/// Most vehicles that can still be told apart.
const MOST_ENVS: usize = 64;

/// What counts towards the next video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Step,
    Episode,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Control steps; the whole flight or episode if an episode triggers and nothing else was said.
    pub(crate) length: Option<u32>,
    pub(crate) interval: u64,
    pub(crate) trigger: Trigger,
    view: View,
    pub(crate) num_envs: usize,
    max_share: f64,
}

/// What a command records if its flags leave it open.
#[derive(Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) view: View,
    pub(crate) num_envs: usize,
}

impl Plan {
    /// The plan of the flags; none without `--video`.
    pub(crate) fn of(video: &Video, defaults: Defaults) -> Result<Option<Self>, Failure> {
        if !video.video {
            return Ok(None);
        }
        let trigger = match video.video_trigger.as_deref() {
            None | Some("step") => Trigger::Step,
            Some("episode") => Trigger::Episode,
            Some(other) => {
                return Err(Failure::new(format!(
                    "`--video_trigger {other}`: unknown, expected step or episode"
                )));
            }
        };
        let view = match video.video_view.as_deref() {
            None => defaults.view,
            Some("chase") => View::Chase,
            Some("fixed") => View::Fixed,
            Some("orbit") => View::Orbit,
            Some("top") => View::Top,
            Some(other) => {
                return Err(Failure::new(format!(
                    "`--video_view {other}`: unknown, expected chase, fixed, orbit or top"
                )));
            }
        };
        let plan = Self {
            length: video.video_length.or((trigger == Trigger::Step).then_some(LENGTH)),
            interval: video
                .video_interval
                .map_or(if trigger == Trigger::Step { INTERVAL } else { 1 }, u64::from),
            trigger,
            view,
            num_envs: video.video_envs.unwrap_or(defaults.num_envs),
            max_share: video.video_max_share,
        };
        plan.validate()?;
        Ok(Some(plan))
    }

    fn validate(&self) -> Result<(), Failure> {
        let refused = |flag: &str, value: String, expected: &str| {
            Err(Failure::new(format!("`{flag}` is {value}, expected {expected}")))
        };
        if self.length == Some(0) {
            return refused("--video_length", "0".into(), "at least 1 step");
        }
        if self.interval == 0 {
            return refused("--video_interval", "0".into(), "at least 1");
        }
        if !(1..=MOST_ENVS).contains(&self.num_envs) {
            return refused("--video_envs", self.num_envs.to_string(), "a number from 1 to 64");
        }
        if !(0.0..=1.0).contains(&self.max_share) {
            return refused("--video_max_share", self.max_share.to_string(), "a share in [0, 1]");
        }
        Ok(())
    }
}

/// Someone at the controls, by name.
struct Seat {
    name: String,
    pilot: Pilot,
}

/// The videos of a run that learns.
pub(crate) struct Videos<T> {
    plan: Plan,
    folder: PathBuf,
    env: T,
    /// Flies beside the learner from the same starts.
    teacher: Option<Seat>,
    /// The count at which the next video is due.
    next: u64,
    budget: Budget,
    left_out: u64,
}

impl<T: TaskConfig> Videos<T> {
    /// Videos in a folder, none of which starts before a count.
    pub(crate) fn new(plan: Plan, folder: PathBuf, env: &T, first: u64) -> Self {
        Self {
            plan,
            folder,
            env: env.clone(),
            teacher: None,
            next: first.next_multiple_of(plan.interval),
            budget: Budget::new(plan.max_share),
            left_out: 0,
        }
    }

    /// Adds someone who flies beside the learner from the same starts.
    pub(crate) fn beside(mut self, name: &str, pilot: Pilot) -> Self {
        self.teacher = Some(Seat { name: name.into(), pilot });
        self
    }

    /// Records the learner if a video has become due at a count of steps or episodes.
    pub(crate) fn at(
        &mut self,
        steps: u64,
        episodes: u64,
        name: &str,
        pilot: impl FnOnce() -> Result<Pilot, Failure>,
    ) -> Result<(), Failure> {
        let count = if self.plan.trigger == Trigger::Step { steps } else { episodes };
        if count < self.next {
            return Ok(());
        }
        let interval = self.plan.interval;
        let due = count / interval * interval;
        self.left_out += (due - self.next) / interval;
        self.next = due + interval;
        if !self.budget.is_affordable() {
            self.left_out += 1;
            return Ok(());
        }
        let clock = Instant::now();
        let learner = Seat { name: name.into(), pilot: pilot()? };
        let film = self.film(&learner, due);
        write(&film, &self.folder, self.plan.trigger, due, steps)?;
        self.budget.charge(clock.elapsed().as_secs_f64());
        Ok(())
    }

    fn film(&self, learner: &Seat, due: u64) -> Film {
        let count = self.plan.num_envs;
        let mut seats: Vec<&Seat> = self.teacher.iter().collect();
        seats.push(learner);
        let mut motors = [const { String::new() }; 4];
        let flown: Vec<Vec<Flight>> = seats
            .iter()
            .map(|Seat { pilot, .. }| {
                let mut env = self.env.make(count, VIDEO_SEED);
                motors = motor_names(env.spec());
                let steps = self.plan.length.unwrap_or_else(|| env.spec().max_episode_length.min(2000));
                Flight::record(env.as_mut(), &pilot.inference, &pilot.features, steps)
            })
            .collect();
        let unit = if self.plan.trigger == Trigger::Step { "step" } else { "episode" };
        let subtitle = format!("{} · {unit} {due}", vehicle_name(&self.env));
        let airframe = Airframe::new(self.env.vehicle());
        let mut scenes = Vec::new();
        for env in 0..count {
            for (seat, flights) in seats.iter().zip(&flown) {
                scenes.push(Scene {
                    flight: flights[env].clone(),
                    airframe: airframe.clone(),
                    caption: Caption {
                        title: seat.name.clone(),
                        subtitle: subtitle.clone(),
                        motors: motors.clone(),
                    },
                    view: self.plan.view,
                });
            }
        }
        Film::new(SIZE, columns(scenes.len()), scenes)
    }

    /// Says what was recorded.
    pub(crate) fn finish(&self) -> Result<(), Failure> {
        let Self { budget, left_out, .. } = self;
        let videos = videos_of(budget.uses() as usize);
        say(format!("[INFO] Recorded {videos} in {:.1} s: {}", budget.spent_s(), self.folder.display()))?;
        if *left_out > 0 {
            let share = 100.0 * self.plan.max_share;
            say(format!(
                "[INFO] {left_out} more were due and left out, so that recording takes at most {share} % of the time; `--video_max_share 1` records all"
            ))?;
        }
        Ok(())
    }
}

/// A number of videos in words.
pub(crate) fn videos_of(count: usize) -> String {
    if count == 1 { "1 video".into() } else { format!("{count} videos") }
}

/// Columns of a grid of pictures: pairs side by side, more in a square.
fn columns(count: usize) -> usize {
    (1..=count).find(|columns| columns * columns >= count).unwrap_or(1)
}

/// Records flights that were flown anyhow, each on its own or all in one grid.
pub(crate) fn record_flights<T: TaskConfig>(
    plan: &Plan,
    folder: &Path,
    flights: &[Flight],
    caption: &Caption,
    env: &T,
) -> Result<usize, Failure> {
    let airframe = Airframe::new(env.vehicle());
    let scene = |number: usize, flight: Flight| Scene {
        flight,
        airframe: airframe.clone(),
        caption: Caption { subtitle: format!("{} · env {number}", caption.subtitle), ..caption.clone() },
        view: plan.view,
    };
    let mut recorded = 0;
    if plan.trigger == Trigger::Episode {
        // Each env flies one episode.
        for (number, flight) in flights.iter().enumerate().step_by(plan.interval as usize) {
            let length = plan.length.map_or(usize::MAX, |length| length as usize);
            let film = Film::new(SIZE, 1, vec![scene(number, flight.part(0..length))]);
            write(&film, folder, plan.trigger, number as u64, 0)?;
            recorded += 1;
        }
        return Ok(recorded);
    }
    let steps = flights.iter().map(|flight| flight.moments().len()).max().unwrap_or(0);
    let length = plan.length.unwrap_or(LENGTH) as usize;
    for start in (0..steps).step_by(plan.interval as usize) {
        let shown = flights.iter().take(plan.num_envs).enumerate();
        let scenes: Vec<Scene> =
            shown.map(|(number, flight)| scene(number, flight.part(start..start + length))).collect();
        let film = Film::new(SIZE, columns(scenes.len()), scenes);
        write(&film, folder, plan.trigger, start as u64, start as u64)?;
        recorded += 1;
    }
    Ok(recorded)
}

/// Writes `rl-video-step-N.mp4`, or `rl-video-episode-N.mp4` with the `.meta.json` that gym wrote beside it.
fn write(film: &Film, folder: &Path, trigger: Trigger, number: u64, step: u64) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::from(error).at(&folder.display()))?;
    let name = match trigger {
        Trigger::Step => format!("rl-video-step-{number}"),
        Trigger::Episode => format!("rl-video-episode-{number}"),
    };
    let save = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        write_file(&path, bytes)
    };
    save(format!("{name}.mp4"), &film.encode()?)?;
    if trigger == Trigger::Episode {
        let meta = serde_json::json!({
            "step_id": step, "episode_id": number, "content_type": "video/mp4",
        });
        save(format!("{name}.meta.json"), meta.to_string().as_bytes())?;
    }
    Ok(())
}

/// What flies, for a caption.
pub(crate) fn vehicle_name<T: TaskConfig>(env: &T) -> String {
    let vehicle = env.vehicle();
    let grams = 1000.0 * vehicle.mass;
    let named = vehicles().iter().find(|it| it.parameters() == *vehicle).map(|it| it.name);
    let own = (T::default().vehicle() == vehicle).then_some("crazyflie");
    format!("{}, {grams:.0} g", named.or(own).unwrap_or("quadrotor"))
}

/// Initials of the motors: `FL` for `front left`.
pub(crate) fn motor_names(spec: &EnvSpec) -> [String; 4] {
    let mut names = spec.motor_order.split(", ").map(|name| {
        name.split_whitespace().filter_map(|word| word.chars().next()).collect::<String>().to_uppercase()
    });
    [(); 4].map(|()| names.next().unwrap_or_default())
}
