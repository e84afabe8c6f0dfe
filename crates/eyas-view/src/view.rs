//! Where cameras stand, and the ground that they see.

use std::ops::Range;

use crate::airframe::Airframe;
use crate::backdrop::Ground;
use crate::flight::{Flight, Moment};
use crate::space::{Camera, Lens, Vector, add, mix, norm, scale, sub};

/// How a flight is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// From behind and above, moving along.
    Chase,
    /// From one place that sees all of the flight.
    Fixed,
    /// On a circle around the vehicle.
    Orbit,
    /// Straight down; x is up and y to the left.
    Top,
}

/// Camera, ground and size of the vehicle in one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shot {
    pub(crate) camera: Camera,
    pub(crate) ground: Ground,
    /// Size of the vehicle over its true size.
    pub(crate) magnification: f32,
}

/// Azimuth and elevation of the camera that sees a whole flight, rad.
const FIXED: [f32; 2] = [0.62, -0.40];
/// Width of the vehicle that views from afar enlarge it to: a share of the image's height, and px.
const LEAST_SIZE: f32 = 0.11;
const LEAST_PIXELS: f32 = 36.0;
/// Shares of an image's width and height that a whole flight fills.
const FILL: [f32; 2] = [0.66, 0.60];
/// A turn of the orbiting camera, s.
const ORBIT_S: f32 = 20.0;

/// A shot for each moment of a flight.
pub(crate) fn shots(flight: &Flight, airframe: &Airframe, view: View, size: (usize, usize)) -> Vec<Shot> {
    let moments = flight.moments();
    let mut shots = Vec::with_capacity(moments.len());
    while shots.len() < moments.len() {
        let episode = flight.episode_of(shots.len());
        shots.extend(episode_shots(flight, episode, airframe, view, size));
    }
    shots
}

fn episode_shots(
    flight: &Flight,
    episode: Range<usize>,
    airframe: &Airframe,
    view: View,
    size: (usize, usize),
) -> Vec<Shot> {
    match view {
        View::Chase | View::Orbit => following(flight, episode, airframe, view),
        View::Fixed | View::Top => {
            vec![still(flight, &episode, airframe, view, size); episode.len()]
        }
    }
}

/// Where all vehicles are and should be, in the moments of a range.
fn places(flight: &Flight, episode: Range<usize>) -> impl Iterator<Item = Vector> {
    let moments = episode.flat_map(|index| flight.moments_at(index));
    moments.flat_map(|moment| [moment.pose.position, moment.target])
}

/// The middle of the vehicles, m, and how far the farthest is from it.
fn swarm(flight: &Flight, index: usize) -> (Vector, f32) {
    let mut moments = flight.moments_at(index).map(|moment| moment.pose.position);
    let first = moments.next().unwrap_or_default();
    // The place of an only vehicle, to the bit.
    let (sum, count) = moments.fold((first, 1.0), |(sum, count), place| (add(sum, place), count + 1.0));
    let center = if count > 1.0 { scale(1.0 / count, sum) } else { first };
    let places = flight.moments_at(index).map(|moment| moment.pose.position);
    (center, places.map(|place| norm(sub(place, center))).fold(0.0, f32::max))
}

/// Distance of the nearest two places of a formation, m; infinite for a vehicle alone.
fn least_distance(flight: &Flight, index: usize) -> f32 {
    let targets: Vec<Vector> = flight.moments_at(index).map(|moment| moment.target).collect();
    (1..targets.len())
        .flat_map(|one| (0..one).map(move |other| (one, other)))
        .map(|(one, other)| norm(sub(targets[one], targets[other])))
        .fold(f32::INFINITY, f32::min)
}

/// The box that a flight and its targets stay in.
struct Extent {
    low: Vector,
    high: Vector,
}

impl Extent {
    fn of(flight: &Flight, episode: &Range<usize>) -> Self {
        let points = || places(flight, episode.clone());
        let fold = |start: f32, pick: fn(f32, f32) -> f32| {
            points().fold([start; 3], |so_far, point| [0, 1, 2].map(|i| pick(so_far[i], point[i])))
        };
        Self { low: fold(f32::INFINITY, f32::min), high: fold(f32::NEG_INFINITY, f32::max) }
    }

    fn center(&self) -> Vector {
        mix(self.low, self.high, 0.5)
    }

    /// Radius of a sphere around it, m.
    fn radius(&self) -> f32 {
        0.5 * norm(sub(self.high, self.low))
    }
}

/// The ground below a flight: near enough for a shadow that tells the height.
fn ground(extent: &Extent, clearance: f32, grid: f32) -> Ground {
    Ground { height: extent.low[2] - clearance, grid: round_length(grid) }
}

/// 1, 2 or 5 times a power of ten, at most the length, m.
fn round_length(length: f32) -> f32 {
    let decade = libm::pow(10.0, libm::log10(f64::from(length)).floor());
    let share = f64::from(length) / decade;
    let step = if share >= 5.0 {
        5.0
    } else if share >= 2.0 {
        2.0
    } else {
        1.0
    };
    (step * decade) as f32
}

fn still(
    flight: &Flight,
    episode: &Range<usize>,
    airframe: &Airframe,
    view: View,
    (width, height): (usize, usize),
) -> Shot {
    let extent = Extent::of(flight, episode);
    let radius = extent.radius().max(6.0 * airframe.reach);
    let [azimuth, elevation] = if view == View::Top { [0.0, -std::f32::consts::FRAC_PI_2] } else { FIXED };
    let ground = ground(&extent, (0.35 * radius).min(1.0).max(4.0 * airframe.reach), 0.25 * radius);
    let (mut center, mut distance) = (extent.center(), 3.0 * radius);
    // Each round centres the picture of the flight and scales its size towards the frame's.
    for _ in 0..8 {
        let lens = Lens::new(Camera::looking_at(center, distance, azimuth, elevation), width, height);
        let Some([low, high]) = picture(&lens, flight, episode) else {
            distance *= 2.0;
            continue;
        };
        let per_pixel = distance / lens.focal;
        let shift = [0, 1].map(|axis| per_pixel * (0.5 * (low[axis] + high[axis]) - lens.center[axis]));
        let across = add(scale(shift[0], lens.camera.right), scale(-shift[1], lens.camera.up));
        center = add(center, across);
        let margin = 2.0 * airframe.reach / per_pixel;
        let filled = [0, 1].map(|axis| (high[axis] - low[axis] + margin) / (2.0 * lens.center[axis]));
        distance = (distance * (filled[0] / FILL[0]).max(filled[1] / FILL[1])).max(10.0 * airframe.reach);
    }
    let camera = Camera::looking_at(center, distance, azimuth, elevation);
    let size = 2.0 * airframe.reach * Lens::new(camera, width, height).focal / distance;
    let least = (LEAST_SIZE * height as f32).max(LEAST_PIXELS);
    // Vehicles of a formation stay apart.
    let most = 0.4 * least_distance(flight, episode.start) / airframe.reach;
    Shot { camera, ground, magnification: (least / size).min(most).max(1.0) }
}

/// Corners of the box that a flight fills in an image, px; nothing if part of it is behind the camera.
fn picture(lens: &Lens, flight: &Flight, episode: &Range<usize>) -> Option<[[f32; 2]; 2]> {
    let mut corners = [[f32::INFINITY; 2], [f32::NEG_INFINITY; 2]];
    let moments = episode.clone().step_by(5).flat_map(|index| flight.moments_at(index));
    for point in moments.flat_map(|moment| [moment.pose.position, moment.target]) {
        let pixel = lens.project(point)?;
        for (axis, value) in [pixel.x, pixel.y].into_iter().enumerate() {
            corners[0][axis] = corners[0][axis].min(value);
            corners[1][axis] = corners[1][axis].max(value);
        }
    }
    Some(corners)
}

fn following(flight: &Flight, episode: Range<usize>, airframe: &Airframe, view: View) -> Vec<Shot> {
    let reach = airframe.reach;
    let ground = ground(&Extent::of(flight, &episode), 2.6 * reach, 1.5 * reach);
    let moments = &flight.moments()[episode.clone()];
    // Share of the way that the camera catches up in a step, for time constants in s.
    let share = |constant: f32| {
        let period = flight.period_s as f32;
        period / (constant + period)
    };
    let (start, _) = swarm(flight, episode.start);
    let (mut center, mut heading, mut gap) = (start, yaw(&moments[0]), 0.0);
    let mut shots = Vec::with_capacity(moments.len());
    for (index, moment) in episode.zip(moments) {
        let (middle, spread) = swarm(flight, index);
        center = mix(center, middle, share(0.06));
        heading += share(1.2) * turn(yaw(moment) - heading);
        gap += share(0.4) * (moment.position_error().min(20.0 * reach) - gap);
        let time = moment.step as f32 * flight.period_s as f32;
        let (azimuth, elevation, distance) = match view {
            View::Orbit => (0.6 + std::f32::consts::TAU * time / ORBIT_S, -0.30, 6.2 * reach),
            _ => (heading + 0.52, -0.30, 6.0 * reach),
        };
        // The vehicle a little above the middle: its shadow is below.
        let look = add(center, scale(-0.4 * reach, [0.0, 0.0, 1.0]));
        let camera = Camera::looking_at(look, distance + 1.1 * gap + 2.2 * spread, azimuth, elevation);
        shots.push(Shot { camera, ground, magnification: 1.0 });
    }
    shots
}

/// Heading of the body's x axis, rad.
fn yaw(moment: &Moment) -> f32 {
    let [w, x, y, z] = moment.pose.orientation;
    libm::atan2f(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
}

/// An angle in `[-π, π]`.
fn turn(angle: f32) -> f32 {
    let turns = libm::roundf(angle / std::f32::consts::TAU);
    angle - turns * std::f32::consts::TAU
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_down_to_one_two_or_five() {
        for (length, expected) in [(0.107, 0.1), (0.26, 0.2), (0.99, 0.5), (1.0, 1.0), (7.0, 5.0)] {
            assert!((round_length(length) - expected).abs() < 1e-6, "{length}: {}", round_length(length));
        }
    }

    #[test]
    fn angles_turn_the_short_way() {
        assert!((turn(6.0) + 0.283_185).abs() < 1e-5);
        assert!((turn(-6.0) - 0.283_185).abs() < 1e-5);
    }
}
