//! Numbers that are not finite end a run where they appear.

use eyas_env::EnvSpec;
use eyas_lanes::{HALVES, Kernel, Lanes, Row, dispatch};

/// A number is infinite or none at all, so nothing that follows from it means anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    },
    /// One that learning makes: a loss, the norm of a gradient, a weight.
    #[error("the {0} is not finite")]
    Learned(&'static str),
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
    /// Refuses numbers of which one is not finite in a lane of `live`, of a block with that first env.
    pub(crate) fn check(
        &self,
        spec: &EnvSpec,
        first_env: u32,
        live: u32,
        step: u32,
    ) -> Result<(), NotFinite> {
        let reward = std::slice::from_ref(self.reward);
        let seen = if self.looks_at_observation { self.observation } else { &[] };
        let bad = live & dispatch(NotFiniteLanes([seen, self.action, reward]));
        if bad == 0 {
            return Ok(());
        }
        let lane = bad.trailing_zeros() as usize;
        let find = |rows: &[Row]| rows.iter().position(|row| !row[lane].is_finite());
        let quantity = match (find(self.observation), find(self.action)) {
            (Some(feature), _) => format!("observation `{}`", feature_name(spec, feature)),
            (None, Some(action)) => format!("action {action}"),
            (None, None) => "the reward".into(),
        };
        Err(NotFinite::Flown { quantity, env: first_env + lane as u32, step })
    }
}

/// The part of an observation that a feature belongs to, and its place there.
fn feature_name(spec: &EnvSpec, feature: usize) -> String {
    let mut start = 0;
    for part in &spec.parts {
        if feature < start + part.width {
            return format!("{}[{}]", part.name, feature - start);
        }
        start += part.width;
    }
    feature.to_string()
}

/// Bits of the lanes in which a number of the rows is not finite.
struct NotFiniteLanes<'a>([&'a [Row]; 3]);

impl Kernel for NotFiniteLanes<'_> {
    type Output = u32;

    #[inline(always)]
    fn run<L: Lanes>(self) -> u32 {
        let mut bits = 0;
        for half in 0..HALVES {
            // 0 times a number that is not finite is none, and a sum with it too.
            let mut probe = L::splat(0.0);
            for row in self.0.into_iter().flatten() {
                probe = row.load::<L>(half).mul_add(L::splat(0.0), probe);
            }
            bits |= L::bits(L::not(L::splat(-1.0).less(probe))) << (half * eyas_lanes::LANES);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use eyas_env::{PointConfig, TaskConfig as _};

    use super::*;

    #[test]
    fn a_lane_is_refused_by_the_name_of_its_number_and_only_where_it_flies() {
        let spec = PointConfig::default().spec();
        let zeros = |rows: usize| vec![Row::splat(0.5); rows];
        let check = |[observation, action]: [&[Row]; 2], reward: &Row, live: u32| {
            StepRows { looks_at_observation: true, observation, action, reward }.check(&spec, 64, live, 7)
        };
        let (observation, action, reward) = (zeros(26), zeros(4), Row::ZERO);
        assert_eq!(check([&observation, &action], &reward, u32::MAX), Ok(()));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let flown =
                |quantity: &str| Err(NotFinite::Flown { quantity: quantity.into(), env: 64 + 19, step: 7 });
            let mut seen = observation.clone();
            seen[4][19] = bad;
            assert_eq!(check([&seen, &action], &reward, u32::MAX), flown("observation `rotation_matrix[1]`"));
            assert_eq!(check([&seen, &action], &reward, !(1 << 19)), Ok(()));
            let mut given = action.clone();
            given[3][19] = bad;
            assert_eq!(check([&observation, &given], &reward, u32::MAX), flown("action 3"));
            let mut earned = reward;
            earned[19] = bad;
            assert_eq!(check([&observation, &action], &earned, u32::MAX), flown("the reward"));
            assert_eq!(NotFinite::check("loss", &[1.0, bad, 2.0]), Err(NotFinite::Learned("loss")));
        }
        assert_eq!(NotFinite::check("loss", &[1.0, f32::MAX, -f32::MAX]), Ok(()));
    }
}
