//! References along a course, one vector of lanes at a time.

use eyas_lanes::{LANES, Lanes};
use eyas_sim::{Course, CourseConfig, Langevin};

/// The course that a validated configuration chooses, or none.
pub(crate) fn chosen(config: &CourseConfig) -> Option<Course> {
    Course::new(config).expect("configurations are validated before envs are made")
}

/// Checks a course; the message names key, value and range.
pub(crate) fn validate(config: &CourseConfig) -> Result<(), String> {
    config
        .validate()
        .map_err(|it| format!("`env.course.{}` = {}, expected {}", it.key, it.found, it.expected))
}

/// Where a course is at the end of the step that each lane is about to take.
pub(crate) fn next<L: Lanes>(course: &Course, clock: &[u32; LANES], period: f64) -> Langevin<L> {
    let (mut position, mut velocity) = ([[0.0; LANES]; 3], [[0.0; LANES]; 3]);
    for (lane, steps) in clock.iter().enumerate() {
        let (p, v) = course.at(f64::from(steps + 1) * period);
        for axis in 0..3 {
            position[axis][lane] = p[axis] as f32;
            velocity[axis][lane] = v[axis] as f32;
        }
    }
    let [position, velocity] = [position, velocity].map(|axes| axes.map(|lanes| L::from_array(&lanes)));
    Langevin { raw_position: position, raw_velocity: velocity, position, velocity }
}
