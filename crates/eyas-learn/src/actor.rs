//! A policy at the controls of an env.

use eyas_env::EnvSpec;
use eyas_lanes::{BLOCK, Row};
use eyas_policy::{Inference, Policy};
use std::ops::Range;

/// A policy and the observation features it reads.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The policy, packed.
    pub inference: Inference,
    /// Features of the full observation.
    pub features: Range<usize>,
}

/// A policy does not fit a task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Misfit {
    #[error("the policy reads {found} observation features, task `{task}` provides {}", widths(.groups))]
    Observation { task: &'static str, found: usize, groups: Vec<(&'static str, usize)> },
    #[error("the policy gives {found} actions, task `{task}` takes {expected}")]
    Action { task: &'static str, found: usize, expected: usize },
}

fn widths(groups: &[(&'static str, usize)]) -> String {
    let each: Vec<String> = groups.iter().map(|(name, width)| format!("{width} (`{name}`)")).collect();
    each.join(" or ")
}

impl Actor {
    /// Seats a policy; the observation group is the one of its width.
    pub fn new(policy: &Policy, spec: &EnvSpec) -> Result<Self, Misfit> {
        let (found, actions) = (policy.num_observations(), policy.num_actions());
        let Some(group) = spec.group_of_width(found) else {
            let groups = spec.groups.iter().map(|group| (group.name, group.features.len())).collect();
            return Err(Misfit::Observation { task: spec.task, found, groups });
        };
        if actions != spec.num_actions {
            return Err(Misfit::Action { task: spec.task, found: actions, expected: spec.num_actions });
        }
        Ok(Self { inference: Inference::new(policy), features: group.features.clone() })
    }
}

/// Copies rows, through a symmetry if there is one.
pub(crate) fn mirror(symmetry: Option<&[(usize, f32)]>, source: &[Row], target: &mut [Row]) {
    let Some(symmetry) = symmetry else {
        target.copy_from_slice(source);
        return;
    };
    for (target, (from, sign)) in target.iter_mut().zip(symmetry) {
        for lane in 0..BLOCK {
            target[lane] = sign * source[*from][lane];
        }
    }
}
