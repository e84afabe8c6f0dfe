//! Videos of a run: when one is due, what it shows and where it lies.
//!
//! A video is flown in envs of its own, with starts of its own, by the policy as it is then: recording draws no number
//! of the run and changes none of its results.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eyas_env::{EnvSpec, PointConfig, vehicles};
use eyas_learn::Pilot;
use eyas_view::{Airframe, Caption, Film, Flight, Scene, VideoError, View};

use crate::arguments::Video;
use crate::budget::Budget;
use crate::failure::Failure;
use crate::report::say;
use crate::setup::write_file;
use crate::tasks::Task;

/// Starts of the recorded flights, which nothing else uses.
pub(crate) const VIDEO_SEED: u64 = 0x071d_e05e;
/// Size of a video, px.
const SIZE: (usize, usize) = (1280, 720);
/// Width over height that the picture of one vehicle comes nearest to.
const SHAPE: f64 = 4.0 / 3.0;
/// Steps of a video and from video to video, as in Isaac Lab's scripts.
const LENGTH: u32 = 200;
const INTERVAL: u64 = 2000;
/// Widths and heights of a video, px.
const SIZES: std::ops::RangeInclusive<usize> = 64..=4096;
/// Most vehicles that can still be told apart.
pub(crate) const MOST_ENVS: usize = 64;

/// What counts towards the next video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Step,
    Episode,
}

/// What a video's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Mp4,
    AnimatedPng,
}

impl Format {
    fn of(name: Option<&str>) -> Result<Self, Failure> {
        match name {
            None | Some("mp4") => Ok(Self::Mp4),
            Some("png") => Ok(Self::AnimatedPng),
            Some(other) => {
                Err(Failure::new(format!("`--video_format {other}`: unknown, expected mp4 or png")))
            }
        }
    }

    /// How the file's name ends, and its media type.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Mp4 => ["mp4", "video/mp4"],
            Self::AnimatedPng => ["png", "image/apng"],
        }
    }

    fn encode(self, film: &Film) -> Result<Vec<u8>, VideoError> {
        match self {
            Self::Mp4 => film.encode(),
            Self::AnimatedPng => film.encode_png(),
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Control steps; the whole flight or episode if an episode triggers and nothing else was said.
    pub(crate) length: Option<u32>,
    pub(crate) interval: u64,
    pub(crate) trigger: Trigger,
    view: View,
    size: (usize, usize),
    format: Format,
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
            size: video.video_size.unwrap_or(SIZE),
            format: Format::of(video.video_format.as_deref())?,
            num_envs: video.video_envs.unwrap_or(defaults.num_envs),
            max_share: video.video_max_share,
        };
        plan.validate()?;
        Ok(Some(plan))
    }

    /// Scenes in a grid.
    fn film(&self, scenes: Vec<Scene>) -> Film {
        Film::new(self.size, columns(scenes.len(), self.size), scenes)
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
        let (width, height) = self.size;
        let is_good = |size: usize| size.is_multiple_of(2) && SIZES.contains(&size);
        if !is_good(width) || !is_good(height) {
            let expected = format!("even numbers from {} to {}", SIZES.start(), SIZES.end());
            return refused("--video_size", format!("{width}x{height}"), &expected);
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
pub(crate) struct Videos {
    plan: Plan,
    folder: PathBuf,
    env: Box<dyn Task>,
    /// Flies beside the learner from the same starts.
    teacher: Option<Seat>,
    /// The count at which the next video is due.
    next: u64,
    budget: Budget,
    left_out: u64,
}

impl Videos {
    /// Videos in a folder, none of which starts before a count.
    pub(crate) fn new(plan: Plan, folder: PathBuf, env: &dyn Task, first: u64) -> Self {
        Self {
            plan,
            folder,
            env: env.clone_task(),
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
        write(&film, &self.folder, &self.plan, due, steps)?;
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
        let subtitle = format!("{} · {unit} {due}", vehicle_name(self.env.as_ref()));
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
        self.plan.film(scenes)
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

/// Columns of a grid of pictures: near the shape that suits one, with few places empty.
fn columns(count: usize, (width, height): (usize, usize)) -> usize {
    let fault = |columns: usize| {
        let rows = count.div_ceil(columns);
        let shape = (width * rows) as f64 / (height * columns) as f64;
        let empty = (rows * columns - count) as f64 / count as f64;
        // An empty place is worse than a picture of another shape.
        libm::fabs(libm::log(shape / SHAPE)) + 3.0 * empty
    };
    (1..=count).min_by(|a, b| fault(*a).total_cmp(&fault(*b))).unwrap_or(1)
}

/// A flight that was flown anyhow, and what flew.
pub(crate) struct Flown {
    pub(crate) flight: Flight,
    pub(crate) airframe: Airframe,
    pub(crate) caption: Caption,
}

/// Records flights, each on its own or all in one grid.
pub(crate) fn record_flights(plan: &Plan, folder: &Path, flights: &[Flown]) -> Result<usize, Failure> {
    let scene = |flown: &Flown, steps: Range<usize>| Scene {
        flight: flown.flight.part(steps),
        airframe: flown.airframe.clone(),
        caption: flown.caption.clone(),
        view: plan.view,
    };
    let mut recorded = 0;
    if plan.trigger == Trigger::Episode {
        // Each env flies one episode.
        for (number, flown) in flights.iter().enumerate().step_by(plan.interval as usize) {
            let length = plan.length.map_or(usize::MAX, |length| length as usize);
            write(&plan.film(vec![scene(flown, 0..length)]), folder, plan, number as u64, 0)?;
            recorded += 1;
        }
        return Ok(recorded);
    }
    let steps = flights.iter().map(|flown| flown.flight.moments().len()).max().unwrap_or(0);
    let length = plan.length.unwrap_or(LENGTH) as usize;
    for start in (0..steps).step_by(plan.interval as usize) {
        let shown = flights.iter().take(plan.num_envs);
        let scenes = shown.map(|flown| scene(flown, start..start + length)).collect();
        write(&plan.film(scenes), folder, plan, start as u64, start as u64)?;
        recorded += 1;
    }
    Ok(recorded)
}

/// Writes `rl-video-step-N.mp4`, or `rl-video-episode-N.mp4` with the `.meta.json` that gym wrote beside it.
fn write(film: &Film, folder: &Path, plan: &Plan, number: u64, step: u64) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::from(error).at(&folder.display()))?;
    let [extension, media_type] = plan.format.names();
    let name = match plan.trigger {
        Trigger::Step => format!("rl-video-step-{number}"),
        Trigger::Episode => format!("rl-video-episode-{number}"),
    };
    let save = |name: String, bytes: &[u8]| {
        let path = folder.join(name);
        write_file(&path, bytes)
    };
    save(format!("{name}.{extension}"), &plan.format.encode(film)?)?;
    if plan.trigger == Trigger::Episode {
        let meta = serde_json::json!({
            "step_id": step, "episode_id": number, "content_type": media_type,
        });
        save(format!("{name}.meta.json"), meta.to_string().as_bytes())?;
    }
    Ok(())
}

/// What flies, for a caption.
pub(crate) fn vehicle_name(env: &dyn Task) -> String {
    let vehicle = env.vehicle();
    let named = vehicles().iter().find(|it| it.parameters() == *vehicle).map(|it| it.name);
    let own = (*vehicle == PointConfig::default().robot).then_some("crazyflie");
    format!("{}, {}", named.or(own).unwrap_or("quadrotor"), mass(vehicle.mass))
}

/// A mass for people: grams below a kilogram.
pub(crate) fn mass(kilograms: f64) -> String {
    if kilograms < 0.9995 { format!("{:.0} g", 1000.0 * kilograms) } else { format!("{kilograms:.2} kg") }
}

/// Initials of the motors: `FL` for `front left`.
pub(crate) fn motor_names(spec: &EnvSpec) -> [String; 4] {
    let mut names = spec.motor_order.split(", ").map(|name| {
        name.split_whitespace().filter_map(|word| word.chars().next()).collect::<String>().to_uppercase()
    });
    [(); 4].map(|()| names.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_leave_few_places_empty() {
        let wide = [(1, 1), (2, 2), (3, 3), (4, 2), (8, 4), (9, 3), (10, 4), (15, 5), (16, 4), (64, 8)];
        for (count, expected) in wide {
            assert_eq!(columns(count, SIZE), expected, "{count}");
        }
        assert_eq!(columns(10, (960, 400)), 5);
        assert_eq!(columns(10, (400, 960)), 2);
    }
}
