//! A flight given by samples.

use super::SamplesConfig;
use crate::Vector;
use crate::vector::{scale, sub};

/// Samples with a velocity each, relative to the first.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    times: Vec<f64>,
    positions: Vec<Vector<f64>>,
    velocities: Vec<Vector<f64>>,
}

impl Samples {
    /// Of a configuration that was validated.
    pub(super) fn new(config: &SamplesConfig) -> Self {
        let (first_time, first) = (config.times_s[0], config.positions_m[0]);
        let times: Vec<f64> = config.times_s.iter().map(|time| time - first_time).collect();
        let positions: Vec<_> = config.positions_m.iter().map(|position| sub(*position, first)).collect();
        let last = times.len() - 1;
        let difference = |place: usize| {
            let (before, after) = (place.saturating_sub(1), (place + 1).min(last));
            scale(1.0 / (times[after] - times[before]), sub(positions[after], positions[before]))
        };
        let velocities = if config.velocities_m_s.is_empty() {
            (0..times.len()).map(difference).collect()
        } else {
            config.velocities_m_s.clone()
        };
        Self { times, positions, velocities }
    }

    /// Position and velocity; the last position at rest after the last sample.
    pub(super) fn at(&self, time: f64) -> (Vector<f64>, Vector<f64>) {
        let last = self.times.len() - 1;
        if time >= self.times[last] {
            return (self.positions[last], [0.0; 3]);
        }
        let place = self.times.partition_point(|it| *it <= time).max(1) - 1;
        let length = self.times[place + 1] - self.times[place];
        let u = (time - self.times[place]) / length;
        let (mut position, mut velocity) = ([0.0; 3], [0.0; 3]);
        for axis in 0..3 {
            let [p, q] = [place, place + 1].map(|it| self.positions[it][axis]);
            let [a, b] = [place, place + 1].map(|it| length * self.velocities[it][axis]);
            // p + a u + c u² + d u³ meets p, a at u = 0 and q, b at u = 1.
            let (c, d) = (3.0 * (q - p) - 2.0 * a - b, 2.0 * (p - q) + a + b);
            position[axis] = p + u * (a + u * (c + u * d));
            velocity[axis] = (a + u * (2.0 * c + u * 3.0 * d)) / length;
        }
        (position, velocity)
    }
}
