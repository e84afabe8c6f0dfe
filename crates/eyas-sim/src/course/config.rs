//! Which course, and its parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Vector;
use crate::vector::{norm, sub};

/// Farthest from the spawn point, m, and fastest, m/s, that a reference may be: single precision resolves 6 cm there.
const MOST: f64 = 1e6;
/// Shortest time between waypoints over the longest: below it polynomials of the seventh degree lose more than a
/// millionth to rounding.
const LEAST_TIME_RATIO: f64 = 5e-3;
/// Times between waypoints whose seventh powers double precision holds, s.
const TIMES: std::ops::RangeInclusive<f64> = 1e-6..=1e9;

/// A course of the reference, and the parameters of each kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CourseConfig {
    /// The kind that is flown; null: none.
    pub kind: Option<CourseKind>,
    /// Rest at the spawn point before the course, s. At least 0.
    pub rest_s: f64,
    /// Time in which figure-8, circle and Lissajous figure come up to speed, s. At least 0.
    pub ramp_s: f64,
    /// A horizontal figure-8.
    pub figure8: FigureEightConfig,
    /// A horizontal circle.
    pub circle: CircleConfig,
    /// A Lissajous figure.
    pub lissajous: LissajousConfig,
    /// A jump.
    pub step: StepConfig,
    /// Straight legs with sharp turns.
    pub zigzag: ZigzagConfig,
    /// The smoothest way through waypoints.
    pub minimum_snap: MinimumSnapConfig,
    /// A recorded or computed flight.
    pub samples: SamplesConfig,
}

/// The kinds of courses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CourseKind {
    /// [`FigureEightConfig`].
    Figure8,
    /// [`CircleConfig`].
    Circle,
    /// [`LissajousConfig`].
    Lissajous,
    /// [`StepConfig`].
    Step,
    /// [`ZigzagConfig`].
    Zigzag,
    /// [`MinimumSnapConfig`].
    MinimumSnap,
    /// [`SamplesConfig`].
    Samples,
}

/// A horizontal figure-8 `(a sin φ, b sin 2φ, 0)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FigureEightConfig {
    /// `a` and `b`, m.
    pub size_m: [f64; 2],
    /// Time of a lap, s. Positive.
    pub lap_s: f64,
}

/// A horizontal circle `(r sin φ, r (1 − cos φ), 0)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CircleConfig {
    /// `r`, m.
    pub radius_m: f64,
    /// Time of a lap, s. Positive.
    pub lap_s: f64,
}

/// A Lissajous figure: `a (sin(n φ + δ) − sin δ)` along each axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LissajousConfig {
    /// `a` of x, y and z, m.
    pub size_m: Vector<f64>,
    /// `n`: oscillations in a lap.
    pub cycles: [u32; 3],
    /// `δ`, rad.
    pub phase_rad: Vector<f64>,
    /// Time of a lap, s. Positive.
    pub lap_s: f64,
}

/// A jump to another point, without a velocity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StepConfig {
    /// The point, m.
    pub to_m: Vector<f64>,
}

/// Straight legs at constant speed, turning sharply, and back the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ZigzagConfig {
    /// How far a leg leads along x, and to and fro along y, m. One of them not 0.
    pub leg_m: [f64; 2],
    /// Legs before it turns back. At least 1.
    pub legs: u32,
    /// Speed, m/s. At least 0.
    pub speed_m_s: f64,
}

/// The way through waypoints, from rest to rest, that has the least integral of squared snap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MinimumSnapConfig {
    /// The waypoints, m, 2 to 64, flown relative to the first.
    pub waypoints_m: Vec<Vector<f64>>,
    /// When each is passed, s, ascending; empty: as `speed_m_s` says.
    pub times_s: Vec<f64>,
    /// Length of the straight line between neighbours over its time, m/s, where there are no times. Positive.
    pub speed_m_s: f64,
}

/// A flight given by samples, flown relative to the first, with cubic Hermite polynomials between them; it ends at rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamplesConfig {
    /// When each sample was taken, s. Ascending, at least 2.
    pub times_s: Vec<f64>,
    /// A position for each, m.
    pub positions_m: Vec<Vector<f64>>,
    /// A velocity for each, m/s; empty: differences of the neighbours.
    pub velocities_m_s: Vec<Vector<f64>>,
}

impl Default for CourseConfig {
    fn default() -> Self {
        Self {
            kind: None,
            rest_s: 1.0,
            ramp_s: 2.0,
            figure8: FigureEightConfig::default(),
            circle: CircleConfig::default(),
            lissajous: LissajousConfig::default(),
            step: StepConfig::default(),
            zigzag: ZigzagConfig::default(),
            minimum_snap: MinimumSnapConfig::default(),
            samples: SamplesConfig::default(),
        }
    }
}

impl Default for FigureEightConfig {
    /// That of Foundation's point task.
    fn default() -> Self {
        Self { size_m: [1.0, 0.5], lap_s: 10.0 }
    }
}

impl Default for CircleConfig {
    fn default() -> Self {
        Self { radius_m: 0.5, lap_s: 6.0 }
    }
}

impl Default for LissajousConfig {
    fn default() -> Self {
        Self { size_m: [0.8, 0.5, 0.2], cycles: [2, 3, 1], phase_rad: [0.0; 3], lap_s: 16.0 }
    }
}

impl Default for StepConfig {
    fn default() -> Self {
        Self { to_m: [0.5, 0.0, 0.0] }
    }
}

impl Default for ZigzagConfig {
    fn default() -> Self {
        Self { leg_m: [0.3, 0.6], legs: 4, speed_m_s: 0.5 }
    }
}

impl Default for MinimumSnapConfig {
    fn default() -> Self {
        let waypoints_m =
            vec![[0.0, 0.0, 0.0], [1.0, 0.5, 0.3], [0.5, 1.2, 0.6], [-0.5, 0.8, 0.2], [0.0, 0.0, 0.0]];
        Self { waypoints_m, times_s: Vec::new(), speed_m_s: 0.5 }
    }
}

/// A parameter of a course is out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` = {found}, expected {expected}")]
pub struct CourseError {
    /// The parameter's key within [`CourseConfig`].
    pub key: String,
    /// What it holds.
    pub found: String,
    /// What would be in the range.
    pub expected: &'static str,
}

impl MinimumSnapConfig {
    /// Most waypoints.
    pub const MOST: usize = 64;

    /// When each waypoint is passed, s.
    #[must_use]
    pub fn times(&self) -> Vec<f64> {
        if !self.times_s.is_empty() {
            return self.times_s.clone();
        }
        let mut times = vec![0.0];
        for pair in self.waypoints_m.windows(2) {
            times.push(times[times.len() - 1] + norm(sub(pair[1], pair[0])) / self.speed_m_s);
        }
        times
    }
}

/// A check of one number.
fn check(key: &str, value: f64, holds: bool, expected: &'static str) -> Result<(), CourseError> {
    if holds { Ok(()) } else { Err(CourseError { key: key.into(), found: value.to_string(), expected }) }
}

fn positive(key: &str, value: f64) -> Result<(), CourseError> {
    check(key, value, value > 0.0 && value.is_finite(), "a positive number")
}

fn not_negative(key: &str, value: f64) -> Result<(), CourseError> {
    check(key, value, value >= 0.0 && value.is_finite(), "a number of at least 0")
}

fn finite<'a>(key: &str, values: impl IntoIterator<Item = &'a f64>) -> Result<(), CourseError> {
    values.into_iter().try_for_each(|value| check(key, *value, value.is_finite(), "finite numbers"))
}

/// Finite and at most a million, whichever the sign.
fn in_reach<'a>(key: &str, values: impl IntoIterator<Item = &'a f64>) -> Result<(), CourseError> {
    let expected = "numbers of at most 1000000 m or m/s";
    values.into_iter().try_for_each(|value| check(key, *value, value.abs() <= MOST, expected))
}

/// The time of a lap in which a reference passes so many metres for each radian of the phase.
fn lap(key: &str, lap_s: f64, sizes: &[f64]) -> Result<(), CourseError> {
    positive(key, lap_s)?;
    let speed = |size: &f64| size.abs() * std::f64::consts::TAU / lap_s;
    let holds = sizes.iter().map(speed).all(|it| it <= MOST);
    check(key, lap_s, holds, "a lap with at most 1000000 m/s")
}

/// The least and the largest.
fn extremes(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, 0.0], |[least, most], it| [least.min(it), most.max(it)])
}

fn ascending(key: &str, times: &[f64]) -> Result<(), CourseError> {
    finite(key, times)?;
    match times.array_windows().find(|[time, next]| next <= time) {
        Some([_, next]) => check(key, *next, false, "times that ascend"),
        None => Ok(()),
    }
}

fn count(key: &str, found: usize, holds: bool, expected: &'static str) -> Result<(), CourseError> {
    let found = format!("{found} entries");
    if holds { Ok(()) } else { Err(CourseError { key: key.into(), found, expected }) }
}

impl CourseConfig {
    /// Checks the parameters of every kind, flown or not; samples there need be only where they are flown.
    pub fn validate(&self) -> Result<(), CourseError> {
        not_negative("rest_s", self.rest_s)?;
        not_negative("ramp_s", self.ramp_s)?;
        let [x, y] = self.figure8.size_m;
        in_reach("figure8.size_m", &[x, y])?;
        lap("figure8.lap_s", self.figure8.lap_s, &[x, 2.0 * y])?;
        in_reach("circle.radius_m", [&self.circle.radius_m])?;
        lap("circle.lap_s", self.circle.lap_s, &[self.circle.radius_m])?;
        let LissajousConfig { size_m, cycles, phase_rad, lap_s } = &self.lissajous;
        in_reach("lissajous.size_m", size_m)?;
        finite("lissajous.phase_rad", phase_rad)?;
        lap("lissajous.lap_s", *lap_s, &[0, 1, 2].map(|axis| size_m[axis] * f64::from(cycles[axis])))?;
        in_reach("step.to_m", &self.step.to_m)?;
        let ZigzagConfig { leg_m, legs, speed_m_s } = &self.zigzag;
        let length = norm([leg_m[0], leg_m[1], 0.0]);
        let holds = length > 0.0 && length <= MOST;
        check("zigzag.leg_m", length, holds, "a leg of some length, at most 1000000 m")?;
        let holds = *legs > 0 && f64::from(*legs) * length <= MOST;
        check("zigzag.legs", f64::from(*legs), holds, "at least 1, and at most 1000000 m in all")?;
        not_negative("zigzag.speed_m_s", *speed_m_s)?;
        in_reach("zigzag.speed_m_s", [speed_m_s])?;
        self.minimum_snap.validate()?;
        if self.kind == Some(CourseKind::Samples) { self.samples.validate() } else { Ok(()) }
    }
}

impl MinimumSnapConfig {
    fn validate(&self) -> Result<(), CourseError> {
        let points = &self.waypoints_m;
        let holds = (2..=Self::MOST).contains(&points.len());
        count("minimum_snap.waypoints_m", points.len(), holds, "2 to 64 waypoints")?;
        in_reach("minimum_snap.waypoints_m", points.iter().flatten())?;
        let legs = || points.windows(2).map(|it| norm(sub(it[1], it[0])));
        if self.times_s.is_empty() {
            positive("minimum_snap.speed_m_s", self.speed_m_s)?;
            in_reach("minimum_snap.speed_m_s", [&self.speed_m_s])?;
            let [shortest, longest] = extremes(legs());
            let expected = "neighbours that are apart by at least 1/200 of the longest leg, or `times_s`";
            let holds = shortest > 0.0 && shortest >= LEAST_TIME_RATIO * longest;
            check("minimum_snap.waypoints_m", shortest, holds, expected)?;
            let holds = [shortest, longest].iter().all(|leg| TIMES.contains(&(leg / self.speed_m_s)));
            let expected = "a speed with 1e-6 s to 1e9 s between neighbours";
            return check("minimum_snap.speed_m_s", self.speed_m_s, holds, expected);
        }
        let holds = self.times_s.len() == points.len();
        count("minimum_snap.times_s", self.times_s.len(), holds, "one for each waypoint, or none")?;
        ascending("minimum_snap.times_s", &self.times_s)?;
        let times = || self.times_s.windows(2).map(|it| it[1] - it[0]);
        let [shortest, longest] = extremes(times());
        let expected = "times that are apart by at least 1/200 of the longest of them";
        check("minimum_snap.times_s", shortest, shortest >= LEAST_TIME_RATIO * longest, expected)?;
        let holds = TIMES.contains(&shortest) && TIMES.contains(&longest);
        check("minimum_snap.times_s", shortest, holds, "times that are apart by 1e-6 s to 1e9 s")?;
        let fastest = legs().zip(times()).map(|(leg, time)| leg / time).fold(0.0, f64::max);
        check("minimum_snap.times_s", shortest, fastest <= MOST, "times that ask for at most 1000000 m/s")
    }
}

impl SamplesConfig {
    fn validate(&self) -> Result<(), CourseError> {
        let times = self.times_s.len();
        count("samples.times_s", times, times >= 2, "at least 2")?;
        ascending("samples.times_s", &self.times_s)?;
        let positions = self.positions_m.len();
        count("samples.positions_m", positions, positions == times, "one for each time")?;
        in_reach("samples.positions_m", self.positions_m.iter().flatten())?;
        let velocities = self.velocities_m_s.len();
        let holds = velocities == 0 || velocities == times;
        count("samples.velocities_m_s", velocities, holds, "one for each time, or none")?;
        if velocities > 0 {
            return in_reach("samples.velocities_m_s", self.velocities_m_s.iter().flatten());
        }
        let ends = self.times_s.windows(2).zip(self.positions_m.windows(2));
        let fastest = ends.map(|(t, p)| norm(sub(p[1], p[0])) / (t[1] - t[0])).fold(0.0, f64::max);
        check("samples.times_s", fastest, fastest <= MOST, "samples that ask for at most 1000000 m/s")
    }
}
