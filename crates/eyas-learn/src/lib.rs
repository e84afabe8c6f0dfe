//! Rollouts, dataset, PPO, DAgger distillation and evaluation.

mod analysis;
pub mod apg;
pub mod distill;
mod evaluation;
mod pilot;
pub mod ppo;
mod probe;

pub use analysis::{Quantity, final_states, quantities, vertical_speeds};
pub use evaluation::{Evaluation, Moment, Outcome, SETTLE_STEPS, Summary, evaluate, evaluate_watched};
pub use pilot::{Misfit, Pilot, each_block};
pub use probe::{LinearProbe, Singular, score};
