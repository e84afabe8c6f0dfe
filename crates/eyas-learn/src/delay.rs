//! Actions that take effect late.

use std::collections::VecDeque;

use eyas_lanes::{Row, lanes_of};

/// Actions of a block on their way to the motors.
#[derive(Clone, Debug, Default)]
pub struct DelayLine {
    /// The oldest first.
    waiting: VecDeque<Vec<Row>>,
}

impl DelayLine {
    /// Takes an action and returns the one that was given `delay` control steps ago. An episode, which begins in the
    /// lanes whose bit of `fresh` is set, does so as if its first action had been given before; while a delay grows the
    /// oldest action is held.
    pub fn pass(&mut self, action: &[Row], delay: usize, fresh: u32) -> &[Row] {
        for lane in lanes_of(fresh) {
            for (waiting, action) in
                self.waiting.iter_mut().flat_map(|waiting| waiting.iter_mut().zip(action))
            {
                waiting[lane] = action[lane];
            }
        }
        self.waiting.push_back(action.to_vec());
        while self.waiting.len() > delay + 1 {
            self.waiting.pop_front();
        }
        while self.waiting.len() <= delay {
            self.waiting.push_front(self.waiting[0].clone());
        }
        &self.waiting[0]
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
            effects.push(line.pass(&[Row::splat(step as f32)], delay, 0)[0][5] as usize);
        }
        assert_eq!(effects, [0, 1, 1, 1, 2, 3, 6]);
        let effect = line.pass(&[Row::splat(9.0)], 1, 1 << 5);
        assert_eq!([4, 5].map(|lane| effect[0][lane] as usize), [6, 9]);
    }
}
