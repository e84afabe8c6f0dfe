//! Videos of a run: when one is due, what it shows and where it lies.
//!
//! A video is flown in envs of its own, with starts of its own, by the policy as it is then: recording draws no number
//! of the run and changes none of its results.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use eyas_env::{EnvSpec, PointConfig};
use eyas_learn::Actor;
use eyas_vehicles::vehicles;
use eyas_view::{Airframe, Caption, Film, Flight, Scene, VideoError, View};

use crate::budget::Budget;
use crate::failure::Failure;
use crate::footage::shoot;
use crate::run_files::write_file;
use crate::tasks::AnyTask;

/// Starts of the recorded flights, which nothing else uses.
pub(crate) const VIDEO_SEED: u64 = 0x071d_e05e;
/// Size of a video, px.
const SIZE: (usize, usize) = (1280, 720);
/// Width over height that the picture of one vehicle comes nearest to.
const SHAPE: f64 = 4.0 / 3.0;
/// Steps of a video and from video to video, as in Isaac Lab's scripts.
pub const LENGTH: u32 = 200;
/// See [`LENGTH`].
pub const INTERVAL: u64 = 2000;
/// Largest share of a training's time, if neither it nor which videos are due is asked for.
pub const MAX_SHARE: f64 = 0.05;
/// Name of the video of the best policy of a run.
const BEST: &str = "rl-video-best";
/// Widths and heights of a video, px.
const SIZES: std::ops::RangeInclusive<usize> = 64..=4096;
/// Most vehicles that can still be told apart.
pub const MOST_ENVS: usize = 64;

/// What counts towards the next video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Control steps of an env.
    Step,
    /// Episodes.
    Episode,
}

/// What a video's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// H.264.
    Mp4,
    /// A picture that loops, for pages that show pictures only.
    AnimatedPng,
}

impl Format {
    /// How the file's name ends, and its media type.
    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Mp4 => ["mp4", "video/mp4"],
            Self::AnimatedPng => ["png", "image/apng"],
        }
    }

    fn encode(self, film: &Film, goes_on: &mut dyn FnMut(usize) -> bool) -> Result<Vec<u8>, VideoError> {
        match self {
            Self::Mp4 => film.encode(goes_on),
            Self::AnimatedPng => film.encode_png(goes_on),
        }
    }
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct VideoPlan {
    /// Control steps; none: the whole flight or episode.
    pub length: Option<u32>,
    /// Steps or episodes from video to video. At least 1.
    pub interval: u64,
    /// Which of them.
    pub trigger: Trigger,
    /// Where the camera is.
    pub view: View,
    /// Width and height, px. Even, in `[64, 4096]`.
    pub size: (usize, usize),
    /// What the file is.
    pub format: Format,
    /// Envs shown side by side. In `[1, 64]`.
    pub num_envs: usize,
    /// Largest share of a training's time that recording takes; the first video is always recorded. In `[0, 1]`.
    pub max_share: f64,
}

impl Default for VideoPlan {
    /// Of one env, seen from behind; as Isaac Lab's scripts record.
    fn default() -> Self {
        Self {
            length: Some(LENGTH),
            interval: INTERVAL,
            trigger: Trigger::Step,
            view: View::Chase,
            size: SIZE,
            format: Format::Mp4,
            num_envs: 1,
            max_share: MAX_SHARE,
        }
    }
}

impl VideoPlan {
    /// Scenes in a grid.
    fn film(&self, scenes: Vec<Scene>) -> Film {
        Film::new(self.size, columns(scenes.len(), self.size), scenes)
    }

    /// Checks ranges; the message names flag, value and range.
    pub fn validate(&self) -> Result<(), Failure> {
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
struct Flier {
    name: String,
    actor: Actor,
}

/// The videos of a run that learns.
pub(crate) struct Videos {
    plan: VideoPlan,
    folder: PathBuf,
    env: Box<dyn AnyTask>,
    /// Flies beside the learner from the same starts.
    teacher: Option<Flier>,
    /// The count at which the next video is due.
    next: u64,
    budget: Budget,
    left_out: u64,
}

impl Videos {
    /// Videos in a folder, none of which starts before a count.
    pub(crate) fn new(plan: VideoPlan, folder: PathBuf, env: &dyn AnyTask, first: u64) -> Self {
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
    pub(crate) fn beside(mut self, name: &str, actor: Actor) -> Self {
        self.teacher = Some(Flier { name: name.into(), actor });
        self
    }

    /// Records the learner if a video has become due at a count of steps or episodes.
    pub(crate) fn at(
        &mut self,
        steps: u64,
        episodes: u64,
        name: &str,
        actor: impl FnOnce() -> Result<Actor, Failure>,
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
        let learner = Flier { name: name.into(), actor: actor()? };
        let unit = if self.plan.trigger == Trigger::Step { "step" } else { "episode" };
        let film = self.film(&learner, &format!("{unit} {due}"))?;
        write(&film, &self.folder, &self.plan, (due, steps), &mut |_| true)?;
        self.budget.charge(clock.elapsed().as_secs_f64());
        Ok(())
    }

    /// Records the best of a finished run, whatever time that takes.
    pub(crate) fn best(&mut self, name: &str, actor: Actor) -> Result<(), Failure> {
        let clock = Instant::now();
        let film = self.film(&Flier { name: name.into(), actor }, "best")?;
        save(&self.folder, BEST, &self.plan, &film, &mut |_| true)?;
        self.budget.charge(clock.elapsed().as_secs_f64());
        Ok(())
    }

    fn film(&self, learner: &Flier, moment: &str) -> Result<Film, Failure> {
        let count = self.plan.num_envs;
        let mut fliers: Vec<&Flier> = self.teacher.iter().collect();
        fliers.push(learner);
        let mut motors = [const { String::new() }; 4];
        let flown = fliers
            .iter()
            .map(|Flier { actor, .. }| {
                let mut env = self.env.make(count, VIDEO_SEED);
                motors = motor_names(env.spec());
                let steps = self.plan.length.unwrap_or_else(|| env.spec().max_episode_length.min(2000));
                Ok(shoot(env.as_mut(), actor, steps)?)
            })
            .collect::<Result<Vec<Vec<Flight>>, Failure>>()?;
        let subtitle = format!("{} · {moment}", vehicle_name(self.env.as_ref()));
        let airframe = Airframe::new(self.env.vehicle());
        let mut scenes = Vec::new();
        for env in 0..count {
            for (flier, flights) in fliers.iter().zip(&flown) {
                scenes.push(Scene {
                    flight: flights[env].clone(),
                    airframe: airframe.clone(),
                    caption: Caption {
                        title: flier.name.clone(),
                        subtitle: subtitle.clone(),
                        motors: motors.clone(),
                    },
                    view: self.plan.view,
                });
            }
        }
        Ok(self.plan.film(scenes))
    }

    /// What was recorded.
    pub(crate) fn recorded(&self) -> Recorded {
        Recorded {
            folder: self.folder.clone(),
            count: self.budget.uses() as usize,
            seconds: self.budget.spent_s(),
            left_out: self.left_out,
            max_share: self.plan.max_share,
        }
    }
}

/// The videos that a run has recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Where they are.
    pub folder: PathBuf,
    /// How many.
    pub count: usize,
    /// Time that they took, s.
    pub seconds: f64,
    /// How many were due and left out, so that recording keeps its share of the time.
    pub left_out: u64,
    /// That share.
    pub max_share: f64,
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
pub struct Flown {
    /// The flight.
    pub flight: Flight,
    /// What the vehicle looks like.
    pub airframe: Airframe,
    /// What stands beside the picture.
    pub caption: Caption,
}

/// Steps that a film of a flight shows before something moves.
const LEAD_IN: usize = 50;

/// Records flights, each on its own or all in one grid, from where something happens; `goes_on` is told how many frames are
/// done and of how many, and where it answers with false the file that is being written ends there and is the last.
pub fn record_flights(
    plan: &VideoPlan,
    folder: &Path,
    flights: &[Flown],
    goes_on: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<usize, Failure> {
    let films = films_of(plan, flights);
    let total = films.iter().map(|(film, _)| film.num_frames()).sum();
    let (mut recorded, mut before, mut is_stopped) = (0, 0, false);
    for (film, place) in films {
        write(&film, folder, plan, place, &mut |frames| {
            is_stopped |= !goes_on(before + frames, total);
            !is_stopped
        })?;
        recorded += 1;
        before += film.num_frames();
        if is_stopped {
            break;
        }
    }
    Ok(recorded)
}

/// The films of flights, each with its number and its first step.
fn films_of(plan: &VideoPlan, flights: &[Flown]) -> Vec<(Film, (u64, u64))> {
    let scene = |flown: &Flown, steps: Range<usize>| Scene {
        flight: flown.flight.part(steps),
        airframe: flown.airframe.clone(),
        caption: flown.caption.clone(),
        view: plan.view,
    };
    if plan.trigger == Trigger::Episode {
        // Each env flies one episode.
        let length = plan.length.map_or(usize::MAX, |length| length as usize);
        let due = flights.iter().enumerate().step_by(plan.interval as usize);
        return due.map(|(number, it)| (plan.film(vec![scene(it, 0..length)]), (number as u64, 0))).collect();
    }
    let shown = &flights[..flights.len().min(plan.num_envs)];
    let steps = flights.iter().map(|flown| flown.flight.moments().len()).max().unwrap_or(0);
    let length = plan.length.unwrap_or(LENGTH) as usize;
    let moves = shown.iter().filter_map(|flown| flown.flight.first_motion()).min().unwrap_or(0);
    let starts = (moves.saturating_sub(LEAD_IN)..steps).step_by(plan.interval as usize);
    let film = |start: usize| plan.film(shown.iter().map(|it| scene(it, start..start + length)).collect());
    starts.map(|start| (film(start), (start as u64, start as u64))).collect()
}

/// Writes `rl-video-step-N.mp4`, or `rl-video-episode-N.mp4` with the `.meta.json` that gym wrote beside it.
fn write(
    film: &Film,
    folder: &Path,
    plan: &VideoPlan,
    (number, step): (u64, u64),
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<(), Failure> {
    let name = match plan.trigger {
        Trigger::Step => format!("rl-video-step-{number}"),
        Trigger::Episode => format!("rl-video-episode-{number}"),
    };
    save(folder, &name, plan, film, goes_on)?;
    if plan.trigger == Trigger::Episode {
        let [_, media_type] = plan.format.names();
        let meta = serde_json::json!({
            "step_id": step, "episode_id": number, "content_type": media_type,
        });
        write_file(&folder.join(format!("{name}.meta.json")), meta.to_string().as_bytes())?;
    }
    Ok(())
}

/// Encodes a film into a file of that name.
fn save(
    folder: &Path,
    name: &str,
    plan: &VideoPlan,
    film: &Film,
    goes_on: &mut dyn FnMut(usize) -> bool,
) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::from(error).at(&folder.display()))?;
    let [extension, _] = plan.format.names();
    write_file(&folder.join(format!("{name}.{extension}")), &plan.format.encode(film, goes_on)?)
}

/// What flies, for a caption.
pub fn vehicle_name(env: &dyn AnyTask) -> String {
    let vehicle = env.vehicle();
    let named = vehicles().iter().find(|it| it.parameters() == *vehicle).map(|it| it.name);
    let own = (*vehicle == PointConfig::default().robot).then_some("crazyflie");
    format!("{}, {}", named.or(own).unwrap_or("quadrotor"), mass(vehicle.mass))
}

/// A mass for people: grams below a kilogram.
pub fn mass(kilograms: f64) -> String {
    if kilograms < 0.9995 { format!("{:.0} g", 1000.0 * kilograms) } else { format!("{kilograms:.2} kg") }
}

/// Initials of the motors: `FL` for `front left`.
pub fn motor_names(spec: &EnvSpec) -> [String; 4] {
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
