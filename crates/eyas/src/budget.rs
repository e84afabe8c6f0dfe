//! How much of a run's time goes to looking at it.

use std::time::Instant;

/// A share of the time that has passed. What is paid from it changes no result, only whether it is done.
pub(crate) struct Budget {
    share: f64,
    clock: Instant,
    spent_s: f64,
    longest_s: f64,
    uses: u32,
}

impl Budget {
    /// A share in `[0, 1]` of the time from now on.
    pub(crate) fn new(share: f64) -> Self {
        Self { share, clock: Instant::now(), spent_s: 0.0, longest_s: 0.0, uses: 0 }
    }

    /// The first use always is; another one if it keeps the share.
    pub(crate) fn is_affordable(&self) -> bool {
        let allowed = self.share * self.clock.elapsed().as_secs_f64();
        self.uses == 0 || self.share >= 1.0 || self.spent_s + self.longest_s <= allowed
    }

    /// Takes off what a use took, s.
    pub(crate) fn charge(&mut self, seconds: f64) {
        self.spent_s += seconds;
        self.longest_s = self.longest_s.max(seconds);
        self.uses += 1;
    }

    /// Time spent, s.
    pub(crate) fn spent_s(&self) -> f64 {
        self.spent_s
    }

    /// How often.
    pub(crate) fn uses(&self) -> u32 {
        self.uses
    }
}
