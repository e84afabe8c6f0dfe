//! References that move along a given course, in m and m/s, relative to the spawn point.

mod config;
mod minimum_snap;
mod samples;

use std::f64::consts::TAU;

pub use config::{
    CircleConfig, CourseConfig, CourseError, CourseKind, FigureEightConfig, LissajousConfig,
    MinimumSnapConfig, SamplesConfig, StepConfig, ZigzagConfig,
};
pub use minimum_snap::MinimumSnap;
use samples::Samples;

use crate::Vector;
use crate::vector::{norm, scale, sub};

const REST: (Vector<f64>, Vector<f64>) = ([0.0; 3], [0.0; 3]);

/// A course that a reference follows; it starts at the spawn point.
#[derive(Clone, Debug)]
pub struct Course {
    rest_s: f64,
    ramp_s: f64,
    path: Path,
}

/// Position and velocity as functions of the time since the end of the rest.
#[derive(Clone, Debug)]
enum Path {
    FigureEight(FigureEightConfig),
    Circle(CircleConfig),
    Lissajous(LissajousConfig),
    Step(StepConfig),
    Zigzag(ZigzagConfig),
    MinimumSnap(MinimumSnap),
    Samples(Samples),
}

impl Course {
    /// The course that a configuration chooses, or none.
    ///
    /// # Errors
    ///
    /// As [`CourseConfig::validate`].
    pub fn new(config: &CourseConfig) -> Result<Option<Self>, CourseError> {
        config.validate()?;
        let Some(kind) = config.kind else { return Ok(None) };
        let path = match kind {
            CourseKind::Figure8 => Path::FigureEight(config.figure8.clone()),
            CourseKind::Circle => Path::Circle(config.circle.clone()),
            CourseKind::Lissajous => Path::Lissajous(config.lissajous.clone()),
            CourseKind::Step => Path::Step(config.step.clone()),
            CourseKind::Zigzag => Path::Zigzag(config.zigzag.clone()),
            CourseKind::MinimumSnap => {
                let it = &config.minimum_snap;
                let start = it.waypoints_m[0];
                let waypoints: Vec<_> = it.waypoints_m.iter().map(|point| sub(*point, start)).collect();
                Path::MinimumSnap(MinimumSnap::new(&waypoints, &it.times()))
            }
            CourseKind::Samples => Path::Samples(Samples::new(&config.samples)),
        };
        Ok(Some(Self { rest_s: config.rest_s, ramp_s: config.ramp_s, path }))
    }

    /// Position and velocity `time_s` seconds after the start of an episode.
    #[must_use]
    pub fn at(&self, time_s: f64) -> (Vector<f64>, Vector<f64>) {
        let time = time_s - self.rest_s;
        if time < 0.0 {
            return REST;
        }
        match &self.path {
            Path::FigureEight(it) => {
                let (phase, rate) = self.phase(time, it.lap_s);
                let [x, y] = it.size_m;
                let (sine, cosine) = libm::sincos(phase);
                let (double_sine, double_cosine) = libm::sincos(2.0 * phase);
                ([x * sine, y * double_sine, 0.0], [x * rate * cosine, 2.0 * y * rate * double_cosine, 0.0])
            }
            Path::Circle(it) => {
                let (phase, rate) = self.phase(time, it.lap_s);
                let (sine, cosine) = libm::sincos(phase);
                let r = it.radius_m;
                ([r * sine, r * (1.0 - cosine), 0.0], [r * rate * cosine, r * rate * sine, 0.0])
            }
            Path::Lissajous(it) => {
                let (phase, rate) = self.phase(time, it.lap_s);
                let (mut position, mut velocity) = REST;
                for axis in 0..3 {
                    let (size, turns) = (it.size_m[axis], f64::from(it.cycles[axis]));
                    let (sine, cosine) = libm::sincos(turns * phase + it.phase_rad[axis]);
                    position[axis] = size * (sine - libm::sin(it.phase_rad[axis]));
                    velocity[axis] = size * turns * rate * cosine;
                }
                (position, velocity)
            }
            Path::Step(it) => (it.to_m, [0.0; 3]),
            Path::Zigzag(it) => zigzag(it, time),
            Path::MinimumSnap(it) => it.at(time),
            Path::Samples(it) => it.at(time),
        }
    }

    /// Phase, rad, and its rate, rad/s, of laps of `lap_s` seconds that come up to speed over the ramp: the
    /// rate's share rises as `3u² − 2u³`, so that position and velocity are continuous.
    fn phase(&self, time: f64, lap_s: f64) -> (f64, f64) {
        let omega = TAU / lap_s;
        if time >= self.ramp_s {
            return (omega * (time - 0.5 * self.ramp_s), omega);
        }
        let u = time / self.ramp_s;
        (omega * self.ramp_s * u * u * u * (1.0 - 0.5 * u), omega * u * u * (3.0 - 2.0 * u))
    }
}

/// Straight legs at constant speed, there and back.
fn zigzag(it: &ZigzagConfig, time: f64) -> (Vector<f64>, Vector<f64>) {
    let [x, y] = it.leg_m;
    let legs_per_s = it.speed_m_s / norm([x, y, 0.0]);
    // Legs flown, folded back and forth between 0 and a number of them.
    let folded = |legs: f64| {
        let place = (legs_per_s * time) % (2.0 * legs);
        if place < legs { (place, 1.0) } else { (2.0 * legs - place, -1.0) }
    };
    let (along, along_sign) = folded(f64::from(it.legs));
    let (across, across_sign) = folded(1.0);
    let velocity = scale(legs_per_s, [along_sign * x, across_sign * y, 0.0]);
    ([along * x, across * y, 0.0], velocity)
}
