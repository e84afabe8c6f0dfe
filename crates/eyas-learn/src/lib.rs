//! Rollouts, dataset, PPO, DAgger distillation and evaluation.

mod analysis;
pub mod apg;
mod bounds;
mod confidence;
mod controller;
pub mod distill;
mod evaluation;
mod geometric;
mod pilot;
pub mod ppo;
mod probe;
mod spares;
mod sum;
mod torture;

pub use analysis::{Quantity, final_states, quantities, vertical_speeds};
pub use controller::Controller;
pub use evaluation::{Evaluation, Moment, Outcome, SETTLE_STEPS, Summary, evaluate, evaluate_watched};
pub use geometric::{GeometricPilot, Unguidable};
pub use pilot::{Misfit, Pilot, each_block};
pub use probe::{LinearProbe, Singular, score};
pub use torture::{Disturbance, Torture, TortureConfig, TortureFlight, TortureSummary};
