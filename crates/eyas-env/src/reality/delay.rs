//! Numbers that arrive late.

use std::collections::VecDeque;

use eyas_lanes::{BLOCK, Row, lanes_of};

use crate::visit_rows;

/// Longest delay, control steps.
pub(crate) const MAX_DELAY_STEPS: u32 = 64;

/// The last rows of a block's actions, or of what its sensors measure, for each lane to see some steps late.
#[derive(Clone, Debug, Default)]
pub struct DelayLine {
    /// The oldest first.
    past: VecDeque<Vec<Row>>,
    late: Vec<Row>,
}

impl DelayLine {
    /// A line that remembers the last `length` pushes of `width` rows.
    pub(crate) fn new(width: usize, length: usize) -> Self {
        Self { past: vec![vec![Row::ZERO; width]; length].into(), late: vec![Row::ZERO; width] }
    }

    /// Takes an action and returns the one that was given `delay` control steps ago, in each lane by its own delay, with
    /// which the line may grow and shrink. An episode, which begins in the lanes whose bit of `fresh` is set, does so as
    /// if its first action had been given before; while a delay grows the oldest action is held.
    pub fn pass(&mut self, action: &[Row], delay: &[u32; BLOCK], fresh: u32) -> &[Row] {
        let length = delay.iter().fold(0, |most, it| most.max(*it)) as usize + 1;
        while self.past.len() > length {
            self.past.pop_front();
        }
        while self.past.len() < length {
            let oldest = self.past.front().map_or_else(|| action.to_vec(), Clone::clone);
            self.past.push_front(oldest);
        }
        self.late.resize(action.len(), Row::ZERO);
        self.pass_held(action, delay, fresh)
    }

    /// [`pass`](Self::pass) through a line that keeps its length, which is more than each delay.
    pub(crate) fn pass_held(&mut self, action: &[Row], delay: &[u32; BLOCK], fresh: u32) -> &[Row] {
        self.restart(fresh, action);
        self.push(action);
        for feature in 0..self.late.len() {
            for (lane, delay) in delay.iter().enumerate() {
                self.late[feature][lane] = self.get(*delay, feature, lane);
            }
        }
        &self.late
    }

    /// Lets the lanes of a mask remember nothing but this.
    pub(crate) fn restart(&mut self, mask: u32, rows: &[Row]) {
        for lane in lanes_of(mask) {
            for (past, row) in self.past.iter_mut().flat_map(|past| past.iter_mut().zip(rows)) {
                past[lane] = row[lane];
            }
        }
    }

    /// Remembers rows in place of the oldest.
    pub(crate) fn push(&mut self, rows: &[Row]) {
        if let Some(mut oldest) = self.past.pop_front() {
            oldest.copy_from_slice(rows);
            self.past.push_back(oldest);
        }
    }

    /// What was pushed `delay` pushes before the last one.
    pub(crate) fn get(&self, delay: u32, feature: usize, lane: usize) -> f32 {
        self.past[self.past.len() - 1 - delay as usize][feature][lane]
    }

    /// [`EnvBlock::visit_state`](crate::EnvBlock::visit_state) of what is remembered.
    pub(crate) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        visit_rows(self.past.iter_mut().flatten(), visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_waits_as_many_steps_as_the_delay() {
        let mut line = DelayLine::default();
        let mut effects = Vec::new();
        for (step, delay) in [0, 0, 2, 2, 2, 2, 0].into_iter().enumerate() {
            effects.push(line.pass(&[Row::splat(step as f32)], &[delay; BLOCK], 0)[0][5] as usize);
        }
        assert_eq!(effects, [0, 1, 1, 1, 2, 3, 6]);
        let effect = line.pass(&[Row::splat(9.0)], &[1; BLOCK], 1 << 5);
        assert_eq!([4, 5].map(|lane| effect[0][lane] as usize), [6, 9]);
    }

    #[test]
    fn each_lane_waits_for_itself() {
        let mut line = DelayLine::new(1, 4);
        let mut delay = [0; BLOCK];
        (delay[1], delay[2]) = (1, 3);
        for step in 0..8 {
            let effect =
                line.pass_held(&[Row::splat(step as f32)], &delay, if step == 0 { u32::MAX } else { 0 });
            let expected = [step, (step - 1).max(0), (step - 3).max(0)];
            assert_eq!([0, 1, 2].map(|lane| effect[0][lane] as i32), expected);
        }
    }
}
