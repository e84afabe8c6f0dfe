//! The way through waypoints with the least integral of squared snap.

use crate::Vector;
use crate::linear::solve;

/// Coefficients of a polynomial of the seventh degree, of rising powers.
type Polynomial = [f64; 8];
/// Position, velocity, acceleration and jerk at a waypoint.
type Knot = [f64; 4];

/// A piecewise polynomial of the seventh degree through waypoints at given times, from rest to rest: of all ways with
/// these waypoints and times the one with the least `∫ ‖d⁴x/dt⁴‖² dt` (Mellinger and Kumar, 2011,
/// doi:10.1109/ICRA.2011.5980409).
///
/// Velocity, acceleration and jerk are zero at both ends and continuous at the waypoints between. What is left is a
/// quadratic program without inequalities; its stationarity with respect to velocity, acceleration and jerk of a
/// waypoint says that the sixth, fifth and fourth derivatives are continuous there as well, so that the minimum is the
/// solution of one linear system for each axis.
#[derive(Clone, Debug)]
pub struct MinimumSnap {
    /// When each waypoint is passed, s, from 0.
    times: Vec<f64>,
    /// Of the time within the segment over its length, for each axis.
    segments: Vec<[Polynomial; 3]>,
}

impl MinimumSnap {
    /// Through at least 2 waypoints, m, at ascending times, s, which count from the first.
    ///
    /// # Panics
    ///
    /// If there are less than 2, their number is not that of the times, or these do not ascend.
    #[must_use]
    pub fn new(waypoints: &[Vector<f64>], times: &[f64]) -> Self {
        assert!(waypoints.len() >= 2 && waypoints.len() == times.len(), "two waypoints, a time for each");
        let lengths: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(lengths.iter().all(|length| *length > 0.0), "times ascend");
        let axes = [0, 1, 2].map(|axis| {
            let positions: Vec<f64> = waypoints.iter().map(|point| point[axis]).collect();
            polynomials(&positions, &lengths)
        });
        let segments = (0..lengths.len()).map(|place| [0, 1, 2].map(|axis| axes[axis][place])).collect();
        Self { times: times.iter().map(|time| time - times[0]).collect(), segments }
    }

    /// Position, m, and velocity, m/s, so many seconds after the first waypoint; at rest at the last one from then on.
    #[must_use]
    pub fn at(&self, time: f64) -> (Vector<f64>, Vector<f64>) {
        (self.derivative(time, 0), self.derivative(time, 1))
    }

    /// The derivative of an order up to 7, m/s^order.
    #[must_use]
    pub fn derivative(&self, time: f64, order: usize) -> Vector<f64> {
        let last = self.times.len() - 1;
        let time_inside = time.clamp(0.0, self.times[last]);
        if order > 0 && time_inside < time {
            return [0.0; 3];
        }
        let place = self.times.partition_point(|it| *it <= time_inside).clamp(1, last) - 1;
        let length = self.times[place + 1] - self.times[place];
        let u = (time_inside - self.times[place]) / length;
        self.segments[place].map(|polynomial| derivative(&polynomial, u, order) / length.powi(order as i32))
    }
}

/// The polynomials of one axis.
fn polynomials(positions: &[f64], lengths: &[f64]) -> Vec<Polynomial> {
    let inner = positions.len() - 2;
    // Velocities, accelerations and jerks of the waypoints between, which the jumps are an affine function of.
    let mut unknowns = vec![0.0; 3 * inner];
    let rest = jumps(positions, &unknowns, lengths);
    let mut columns = Vec::with_capacity(3 * inner);
    for index in 0..3 * inner {
        unknowns[index] = 1.0;
        columns.push(jumps(&vec![0.0; positions.len()], &unknowns, lengths));
        unknowns[index] = 0.0;
    }
    let unknowns = solve(&columns, &rest.iter().map(|jump| -jump).collect::<Vec<_>>());
    let knots = knots(positions, &unknowns, mean(lengths));
    knots.windows(2).zip(lengths).map(|(pair, length)| segment(pair, *length)).collect()
}

/// Jumps of the fourth, fifth and sixth derivative at each waypoint between, in powers of the mean length of a
/// segment.
fn jumps(positions: &[f64], unknowns: &[f64], lengths: &[f64]) -> Vec<f64> {
    let unit = mean(lengths);
    let knots = knots(positions, unknowns, unit);
    let segments: Vec<Polynomial> =
        knots.windows(2).zip(lengths).map(|(pair, length)| segment(pair, *length)).collect();
    let mut jumps = Vec::with_capacity(unknowns.len());
    for (pair, lengths) in segments.windows(2).zip(lengths.windows(2)) {
        for order in [4, 5, 6] {
            let at = |place: usize, u: f64| {
                derivative(&pair[place], u, order) * (unit / lengths[place]).powi(order as i32)
            };
            jumps.push(at(1, 0.0) - at(0, 1.0));
        }
    }
    jumps
}

fn mean(lengths: &[f64]) -> f64 {
    lengths.iter().sum::<f64>() / lengths.len() as f64
}

/// Knots of positions and of the unknowns, which are given in powers of `unit` seconds so that all are of like size.
fn knots(positions: &[f64], unknowns: &[f64], unit: f64) -> Vec<Knot> {
    let mut knots: Vec<Knot> = positions.iter().map(|position| [*position, 0.0, 0.0, 0.0]).collect();
    for (knot, own) in knots[1..].iter_mut().zip(unknowns.chunks_exact(3)) {
        for (order, value) in own.iter().enumerate() {
            knot[order + 1] = value / unit.powi(order as i32 + 1);
        }
    }
    knots
}

/// The polynomial of the seventh degree between two knots, of the time over its length.
fn segment(knots: &[Knot], length: f64) -> Polynomial {
    let scaled = |knot: &Knot| {
        let [x, v, a, j] = *knot;
        [x, v * length, a * length.powi(2), j * length.powi(3)]
    };
    let ([x, v, a, j], end) = (scaled(&knots[0]), scaled(&knots[1]));
    let mut polynomial = [x, v, a / 2.0, j / 6.0, 0.0, 0.0, 0.0, 0.0];
    // What the upper four powers have to add at the end.
    let [r, s, t, w] = [0, 1, 2, 3].map(|order| end[order] - derivative(&polynomial, 1.0, order));
    polynomial[4] = 35.0 * r - 15.0 * s + 2.5 * t - w / 6.0;
    polynomial[5] = -84.0 * r + 39.0 * s - 7.0 * t + 0.5 * w;
    polynomial[6] = 70.0 * r - 34.0 * s + 6.5 * t - 0.5 * w;
    polynomial[7] = -20.0 * r + 10.0 * s - 2.0 * t + w / 6.0;
    polynomial
}

/// The derivative of an order.
fn derivative(polynomial: &Polynomial, u: f64, order: usize) -> f64 {
    let factor = |power: usize| (power + 1 - order..=power).map(|it| it as f64).product::<f64>();
    (order..8).rev().fold(0.0, |sum, power| sum * u + factor(power) * polynomial[power])
}
