//! What training logs of the episodes that ended.

use crate::{Cause, Ended};

/// A number of the ended episodes, under the tag that the task's original logs it by.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeScalar {
    /// Its tag.
    pub tag: String,
    /// What is taken of an episode.
    pub quantity: EpisodeQuantity,
    /// How episodes are summed up.
    pub statistic: EpisodeStatistic,
    /// What that is multiplied by.
    pub factor: f64,
}

/// What is taken of an ended episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpisodeQuantity {
    /// 1.
    One,
    /// The sum of a reward term, by its index.
    Term(usize),
    /// 1 where one of these bits of the cause is set, else 0.
    Cause(u32),
    /// Speed at the end, m/s.
    FinalSpeed,
    /// Distance to the reference at the end, m.
    FinalDistance,
}

/// How episodes are summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpisodeStatistic {
    /// Mean over those that ended since the last time.
    Mean,
    /// Mean over the last 100 of the run.
    RecentMean,
    /// Sum over those that ended since the last time, for each step that an env took.
    PerEnvStep,
    /// The same for each step that all envs took together.
    PerStep,
    /// Sum over the run.
    Total,
}

impl EpisodeQuantity {
    /// Its value.
    #[must_use]
    pub fn of(self, episode: &Ended) -> f64 {
        match self {
            Self::One => 1.0,
            Self::Term(index) => f64::from(episode.terms[index]),
            Self::Cause(bits) => f64::from(u8::from(episode.cause.bits & bits != 0)),
            Self::FinalSpeed => f64::from(episode.final_speed),
            Self::FinalDistance => f64::from(episode.final_distance),
        }
    }
}

/// All bits of terminations.
const DIED: u32 = !Cause::TIME_OUT;

impl EpisodeScalar {
    fn new(
        tag: impl Into<String>,
        quantity: EpisodeQuantity,
        statistic: EpisodeStatistic,
        factor: f64,
    ) -> Self {
        Self { tag: tag.into(), quantity, statistic, factor }
    }

    /// What the env of Foundation logs.
    #[must_use]
    pub fn foundation(terms: &[&str], terminations: &[&str]) -> Vec<Self> {
        use EpisodeQuantity::{Cause as Has, FinalSpeed, One, Term};
        use EpisodeStatistic::{Mean, PerEnvStep, RecentMean, Total};
        let rewards = terms.iter().enumerate();
        let rewards =
            rewards.map(|(index, term)| Self::new(format!("Episode_Reward/{term}"), Term(index), Mean, 1.0));
        let percent = |tag: String, bits: u32| Self::new(tag, Has(bits), RecentMean, 100.0);
        let causes = terminations.iter().enumerate();
        let causes = causes.map(|(bit, name)| percent(format!("Metrics/Died/{name}"), 1 << bit));
        rewards
            .chain([
                percent("Episode_Termination/died".into(), DIED),
                percent("Episode_Termination/time_out".into(), Cause::TIME_OUT),
            ])
            .chain(causes)
            .chain([
                Self::new("Metrics/died_episodes_per_step", Has(DIED), PerEnvStep, 1.0),
                Self::new("Metrics/completed_episodes_per_step", One, PerEnvStep, 1.0),
                Self::new("Metrics/timeout_episodes_per_step", Has(Cause::TIME_OUT), PerEnvStep, 1.0),
                Self::new("Metrics/average_velocity", FinalSpeed, RecentMean, 1.0),
                Self::new("Metrics/episodes_completed", One, Total, 1.0),
            ])
            .collect()
    }

    /// What the tasks of Isaac Lab log, whose episodes may last `episode_length_s`: rewards for each second of a full
    /// episode, and how many envs are reset in a step.
    #[must_use]
    pub fn isaac_lab(terms: &[&str], terminations: &[&str], episode_length_s: f64) -> Vec<Self> {
        use EpisodeQuantity::{Cause as Has, Term};
        use EpisodeStatistic::{Mean, PerStep};
        let rewards = terms.iter().enumerate().map(|(index, term)| {
            Self::new(format!("Episode_Reward/{term}"), Term(index), Mean, 1.0 / episode_length_s)
        });
        let causes = terminations.iter().enumerate().map(|(bit, name)| (*name, 1 << bit));
        let causes = causes.chain([("time_out", Cause::TIME_OUT)]);
        let causes = causes
            .map(|(name, bits)| Self::new(format!("Episode_Termination/{name}"), Has(bits), PerStep, 1.0));
        rewards.chain(causes).collect()
    }

    /// The distance to the goal at the end.
    #[must_use]
    pub fn final_distance_to_goal() -> Self {
        let tag = "Metrics/final_distance_to_goal";
        Self::new(tag, EpisodeQuantity::FinalDistance, EpisodeStatistic::Mean, 1.0)
    }
}
