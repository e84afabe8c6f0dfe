//! Flights to draw: one moment for each control step.

use std::ops::Range;

use eyas_env::{EnvBlock, Telemetry};
use eyas_lanes::Row;

use crate::space::{Pose, Vector};

/// One vehicle after one control step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Where the vehicle is.
    pub pose: Pose,
    /// Where it should be, world frame, m.
    pub target: Vector,
    /// Set-point of each rotor in its range, in `[0, 1]`.
    pub throttle: [f32; 4],
    /// Which episode of the flight it belongs to, from 0.
    pub episode: u32,
    /// Control steps since that episode began.
    pub step: u32,
    /// Whether the episode has ended here by its task, not by its time.
    pub has_crashed: bool,
}

impl Moment {
    /// What an env shows after a step with motor set-points in `[-1, 1]`.
    pub fn new(telemetry: &Telemetry, action: [f32; 4], episode: u32, step: u32, has_crashed: bool) -> Self {
        Self {
            pose: Pose { position: telemetry.position, orientation: telemetry.orientation },
            target: telemetry.desired_position,
            throttle: action.map(|command| 0.5 + 0.5 * command.clamp(-1.0, 1.0)),
            episode,
            step,
            has_crashed,
        }
    }

    /// Distance to the target, m.
    pub fn position_error(&self) -> f32 {
        crate::space::norm(crate::space::sub(self.pose.position, self.target))
    }

    fn is_finite(&self) -> bool {
        let numbers = [&self.pose.position[..], &self.pose.orientation, &self.target, &self.throttle];
        numbers.into_iter().flatten().all(|value| value.is_finite())
    }
}

/// The moments of one env: those of its vehicle, or of the first of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flight {
    /// Control period, s.
    pub period_s: f64,
    moments: Vec<Moment>,
    /// The env's other vehicles.
    others: Vec<Flight>,
    /// What a recurrent policy remembered at each moment, one after the other.
    memories: Vec<f32>,
}

impl Flight {
    /// An empty flight.
    pub fn new(period_s: f64) -> Self {
        Self { period_s, ..Self::default() }
    }

    /// Adds what the vehicles of an env, a lane of a block, show after a step with motor set-points in `[-1, 1]`, four
    /// for each; `memory` as in [`push`](Self::push).
    pub fn push_env(
        &mut self,
        block: &dyn EnvBlock,
        lane: usize,
        action: &[Row],
        memory: &[f32],
        (episode, step, has_crashed): (u32, u32, bool),
    ) {
        let period_s = self.period_s;
        self.others.resize_with(block.num_vehicles() - 1, || Self::new(period_s));
        for vehicle in 0..block.num_vehicles() {
            let command =
                [0, 1, 2, 3].map(|motor| action.get(4 * vehicle + motor).map_or(0.0, |row| row[lane]));
            let has_crashed = has_crashed || block.fallen(vehicle) >> lane & 1 == 1;
            let seen = block.vehicle_telemetry(lane, vehicle);
            let moment = Moment::new(&seen, command, episode, step, has_crashed);
            match vehicle.checked_sub(1) {
                None => self.push(moment, memory),
                Some(other) => self.others[other].push(moment, &[]),
            }
        }
    }

    /// The first moment at which something has moved, a target or a vehicle, by more than a few centimetres; none if all stays
    /// where it is.
    #[must_use]
    pub fn first_motion(&self) -> Option<usize> {
        const FAR_M: f32 = 0.05;
        let first = self.moments.first()?;
        let has_moved = |it: &Moment| {
            let ways = [(it.target, first.target), (it.pose.position, first.pose.position)];
            ways.iter().any(|(now, then)| crate::space::norm(crate::space::sub(*now, *then)) > FAR_M)
        };
        self.moments.iter().position(has_moved)
    }

    /// All vehicles of the env.
    pub(crate) fn vehicles(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// The moments of all vehicles at an index; the last of one that has fewer.
    pub(crate) fn moments_at(&self, index: usize) -> impl Iterator<Item = &Moment> {
        self.vehicles().filter_map(move |it| it.moments.get(index).or(it.moments.last()))
    }

    /// Adds a moment; one with numbers that are not finite repeats the last one, since it has no place.
    ///
    /// `memory` is the hidden state of a recurrent policy after the moment's action, as wide in all moments; empty of
    /// one that has none.
    pub fn push(&mut self, moment: Moment, memory: &[f32]) {
        let shown = if moment.is_finite() { Some(moment) } else { self.moments.last().copied() };
        if let Some(shown) = shown {
            self.moments.push(Moment { has_crashed: moment.has_crashed, ..shown });
            self.memories.extend(memory);
        }
    }

    /// What the policy remembered at a moment; empty if it remembers nothing.
    pub(crate) fn memory(&self, index: usize) -> &[f32] {
        let width = self.memories.len() / self.moments.len().max(1);
        &self.memories[index * width..(index + 1) * width]
    }

    /// The moments, in order.
    pub fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// The moments of a range of indices, as far as there are any.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.moments.len());
        let start = range.start.min(end);
        let width = self.memories.len() / self.moments.len().max(1);
        Self {
            period_s: self.period_s,
            moments: self.moments[start..end].to_vec(),
            others: self.others.iter().map(|it| it.part(range.clone())).collect(),
            memories: self.memories[start * width..end * width].to_vec(),
        }
    }

    /// Indices of the moments of the same episode as one.
    pub(crate) fn episode_of(&self, index: usize) -> Range<usize> {
        let episode = self.moments[index].episode;
        let start = self.moments.partition_point(|moment| moment.episode < episode);
        start..self.moments.partition_point(|moment| moment.episode <= episode)
    }
}
