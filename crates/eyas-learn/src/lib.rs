//! Rollouts, dataset, PPO, DAgger distillation and evaluation.

mod actor;
mod analysis;
pub mod apg;
mod black_box;
mod bounds;
mod confidence;
mod controller;
pub mod distill;
mod engine;
mod evaluation;
mod finite;
mod geometric;
pub mod ppo;
mod probe;
mod spares;
mod torture;

pub use actor::{Actor, Misfit};
pub use analysis::{FinalState, Quantity, final_states, quantities, vertical_speeds};
pub use black_box::{BLACK_BOX_STEPS, BlackBox, Origin, Replayed, STATE_WIDTH};
pub use controller::{Controller, InTurns, Steering};
pub use engine::{
    AnyBlock, BlockPlan, CpuEngine, Engine, EpisodeFlyer, EpisodePlan, FlownEpisode, Measured, Measures,
    Next, Rollout,
};
pub use evaluation::{Evaluation, Outcome, SETTLE_STEPS, Summary, Watched, evaluate, evaluate_watched};
pub use finite::{NotFinite, OnNan};
pub use geometric::{Se3Actor, Unguidable};
pub use probe::{LinearProbe, Singular, score};
pub use torture::{Disturbance, Torture, TortureConfig, TortureFlight, TortureSummary};
