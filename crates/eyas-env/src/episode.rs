//! What is known of an episode when it ends.

/// Why an episode ended; several may hold at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Names of the conditions that held, one bit for each of [`Cause::NAMES`].
    pub bits: u8,
}

impl Cause {
    /// Terminating conditions by the names that Foundation logs them under, then the time limit.
    pub const NAMES: [&'static str; 7] = [
        "died_pos_limit",
        "died_lin_vel",
        "died_ang_vel",
        "died_tilt",
        "died_nan",
        "position_exceeded_langevin",
        "time_out",
    ];

    /// Bit of the time limit.
    pub const TIME_OUT: u8 = 1 << 6;

    /// Whether the task ended, rather than the time.
    #[must_use]
    pub fn is_terminated(self) -> bool {
        self.bits & !Self::TIME_OUT != 0
    }
}

/// Most terms that a reward has.
pub const MAX_TERMS: usize = 8;

/// An episode that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ended {
    /// Global index of the env.
    pub env: u32,
    /// Control steps flown.
    pub length: u32,
    /// Sum of the rewards.
    pub episode_return: f32,
    /// Sum of each reward term, in the order of [`EnvSpec::reward_terms`](crate::EnvSpec::reward_terms).
    pub terms: [f32; MAX_TERMS],
    /// Why it ended.
    pub cause: Cause,
    /// Speed at the end, m/s.
    pub final_speed: f32,
}
