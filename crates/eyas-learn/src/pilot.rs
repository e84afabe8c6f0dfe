//! A policy at the controls of an env.

use eyas_env::{EnvBlock, EnvSpec, VecEnv};
use eyas_lanes::{BLOCK, Row};
use eyas_policy::{Inference, Policy};
use rayon::prelude::*;
use std::ops::Range;

/// A policy and the observation features it reads.
#[derive(Clone, Debug)]
pub struct Pilot {
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

impl Pilot {
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

/// Runs `work` for every block of an env on all cores, each with its own memory and the lanes in use.
///
/// Blocks do not touch each other, so the outcome does not depend on the number of threads.
pub fn each_block<M: Send>(
    env: &mut dyn VecEnv,
    memories: &mut [M],
    work: impl Fn(&mut dyn EnvBlock, u32, &mut M) + Sync,
) {
    let used: Vec<u32> = (0..memories.len()).map(|block| env.used_lanes(block)).collect();
    env.blocks()
        .par_iter_mut()
        .zip(memories)
        .zip(used)
        .for_each(|((block, memory), used)| work(block.as_mut(), used, memory));
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
