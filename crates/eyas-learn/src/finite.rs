//! Numbers that are not finite end a run where they appear.

use eyas_env::EnvSpec;
use eyas_lanes::{Kernel, Lanes, Row, VECTORS, dispatch};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::black_box::BlackBox;

/// A number is infinite or none at all, so nothing that follows from it means anything.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotFinite {
    /// One that an env shows or is given.
    #[error("{quantity} of env {env} is not finite in control step {step} of a flight")]
    Flown {
        /// What it is: a feature of the observation, an action, the reward.
        quantity: String,
        /// Global index of the env.
        env: u32,
        /// From 0.
        step: u32,
        /// The last steps of the env, where they can be flown again.
        black_box: Option<Box<BlackBox>>,
    },
    /// One that learning makes: a loss, the norm of a gradient, a weight.
    #[error("the {0} is not finite")]
    Learned(&'static str),
}

/// What becomes of an env of a training one of whose numbers is not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnNan {
    /// The run ends there and leaves the black box of the env.
    #[default]
    Stop,
    /// The env is reset and counted, and learning has no part of that step. What learning itself makes still ends the run.
    Reset,
}

/// Numbers that are looked at together.
const STRETCH: usize = 256;

impl NotFinite {
    /// Refuses numbers that learning made of which one is not finite.
    pub(crate) fn check(name: &'static str, numbers: &[f32]) -> Result<(), Self> {
        // No early end within a stretch: a processor then looks at several at once.
        let is_finite = |stretch: &[f32]| stretch.iter().fold(true, |all, it| all & it.is_finite());
        if numbers.chunks(STRETCH).all(is_finite) { Ok(()) } else { Err(Self::Learned(name)) }
    }
}

/// What a block shows and is given in a step.
pub(crate) struct StepRows<'a> {
    /// Whether what is observed is looked at too, and not only to name it where an action or the reward is not finite.
    pub(crate) looks_at_observation: bool,
    pub(crate) observation: &'a [Row],
    pub(crate) action: &'a [Row],
    pub(crate) reward: &'a Row,
}

impl StepRows<'_> {
    /// The lanes of `live` that have a number which is not finite.
    pub(crate) fn lost(&self, live: u32) -> u32 {
        let reward = std::slice::from_ref(self.reward);
        let seen = if self.looks_at_observation { self.observation } else { &[] };
        live & dispatch(NotFiniteLanes([seen, self.action, reward]))
    }

    /// What number of a lane is not finite, where one is.
    pub(crate) fn name(&self, spec: &EnvSpec, lane: usize) -> String {
        let find = |rows: &[Row]| rows.iter().position(|row| !row[lane].is_finite());
        match (find(self.observation), find(self.action)) {
            (Some(feature), _) => format!("observation `{}`", spec.feature_name(feature)),
            (None, Some(action)) => format!("action {action}"),
            (None, None) => "the reward".into(),
        }
    }
}

/// Bits of the lanes in which a number of the rows is not finite.
struct NotFiniteLanes<'a>([&'a [Row]; 3]);

impl Kernel for NotFiniteLanes<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> u32 {
        let mut bits = 0;
        for vector in 0..VECTORS {
            // 0 times a number that is not finite is none, and a sum with it too.
            let mut probe = L::splat(0.0);
            for row in self.0.into_iter().flatten() {
                probe = row.load::<L>(vector).mul_add(L::splat(0.0), probe);
            }
            bits |= L::bits(L::not(L::splat(-1.0).less(probe))) << (vector * eyas_lanes::LANES);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use eyas_env::{PointConfig, TaskConfig as _};
    use eyas_lanes::lanes_of;

    use super::*;

    #[test]
    fn a_lane_is_refused_by_the_name_of_its_number_and_only_where_it_flies() {
        let spec = PointConfig::default().spec();
        let zeros = |rows: usize| vec![Row::splat(0.5); rows];
        let find = |[observation, action]: [&[Row]; 2], reward: &Row, live: u32| {
            let rows = StepRows { looks_at_observation: true, observation, action, reward };
            lanes_of(rows.lost(live)).next().map(|lane| (lane, rows.name(&spec, lane)))
        };
        let (observation, action, reward) = (zeros(26), zeros(4), Row::ZERO);
        assert_eq!(find([&observation, &action], &reward, u32::MAX), None);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let flown = |quantity: &str| Some((19, quantity.to_owned()));
            let mut seen = observation.clone();
            seen[4][19] = bad;
            assert_eq!(find([&seen, &action], &reward, u32::MAX), flown("observation `rotation_matrix[1]`"));
            assert_eq!(find([&seen, &action], &reward, !(1 << 19)), None);
            let mut given = action.clone();
            given[3][19] = bad;
            assert_eq!(find([&observation, &given], &reward, u32::MAX), flown("action 3"));
            let mut earned = reward;
            earned[19] = bad;
            assert_eq!(find([&observation, &action], &earned, u32::MAX), flown("the reward"));
            let learned = NotFinite::check("loss", &[1.0, bad, 2.0]);
            assert!(matches!(learned, Err(NotFinite::Learned("loss"))), "{learned:?}");
        }
        assert!(NotFinite::check("loss", &[1.0, f32::MAX, -f32::MAX]).is_ok());
    }
}
