//! Rollouts, dataset, PPO, DAgger distillation and evaluation.

pub mod apg;
pub mod distill;
mod evaluation;
mod pilot;
pub mod ppo;

pub use evaluation::{Evaluation, Outcome, SETTLE_STEPS, Summary, evaluate};
pub use pilot::{Misfit, Pilot, each_block};
