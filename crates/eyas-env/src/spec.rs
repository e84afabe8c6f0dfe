//! What an observation and an action mean.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::EpisodeScalar;

/// The frame that an observation part is expressed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// x forward, y left, z up, fixed to the vehicle.
    Body,
    /// x forward, y left, z up, fixed to the ground.
    World,
    /// Rotation from body to world.
    WorldFromBody,
    /// One value for each motor, in the vehicle's motor order.
    Motors,
}

/// What an action moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Actuation {
    /// Rotors, one number for each.
    Rotors,
    /// The body: thrust, then a moment about each of its axes. There are no rotors that could get weak.
    Wrench,
}

/// A named run of observation features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Name, as in the policy contract.
    pub name: &'static str,
    /// Number of features.
    pub width: usize,
    /// Frame of the features.
    pub frame: Frame,
    /// Unit, `1` if there is none.
    pub unit: &'static str,
    /// One sentence on what it is.
    pub meaning: &'static str,
}

/// Name of the part that says how far a vehicle is from where it should be.
pub const POSITION_ERROR: &str = "position_error";

impl Part {
    /// Whether it is a vector in metres, in the frame of the body or the world.
    #[must_use]
    pub fn is_vector_in_metres(&self) -> bool {
        self.width == 3 && self.unit == "m" && matches!(self.frame, Frame::Body | Frame::World)
    }
}

/// A named selection of observation features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Name, as in Isaac Lab: `policy`, `teacher`, ….
    pub name: &'static str,
    /// Features of the full observation.
    pub features: Range<usize>,
}

/// A symmetry of a task: flying the mirrored observation with the mirrored action is the same flight,
/// mirrored.
#[derive(Clone, Debug, PartialEq)]
pub struct Symmetry {
    /// Feature `i` of the mirrored observation is `sign · observation[source]`.
    pub observation: Vec<(usize, f32)>,
    /// Element `i` of the mirrored action is `sign · action[source]`.
    pub action: Vec<(usize, f32)>,
}

/// What a task observes, takes and ends by.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvSpec {
    /// Id of the task.
    pub task: &'static str,
    /// Parts of the full observation in order.
    pub parts: Vec<Part>,
    /// Selections of it.
    pub groups: Vec<Group>,
    /// Width of an action.
    pub num_actions: usize,
    /// Meaning of an action.
    pub action: &'static str,
    /// What an action moves.
    pub actuation: Actuation,
    /// Motor order of an action, or what its numbers stand for where there are no motors.
    pub motor_order: &'static str,
    /// Control steps a second, Hz.
    pub control_rate_hz: f64,
    /// Control steps after which an episode is cut.
    pub max_episode_length: u32,
    /// Names of the reward's terms, at most [`MAX_TERMS`](crate::MAX_TERMS).
    pub reward_terms: Vec<&'static str>,
    /// Names of the conditions that end the task, in the order of the bits of a [`Cause`](crate::Cause).
    pub terminations: Vec<&'static str>,
    /// What training logs of ended episodes.
    pub episode_log: Vec<EpisodeScalar>,
    /// Symmetries beside the identity; with it they form a group.
    pub symmetries: Vec<Symmetry>,
}

impl EnvSpec {
    /// Width of the full observation.
    #[must_use]
    pub fn num_observations(&self) -> usize {
        self.parts.iter().map(|part| part.width).sum()
    }

    /// The part of the full observation that a feature belongs to, and its place there.
    #[must_use]
    pub fn feature_name(&self, feature: usize) -> String {
        let found = self.layout().find(|(_, features)| features.contains(&feature));
        found.map_or_else(
            || feature.to_string(),
            |(part, of)| format!("{}[{}]", part.name, feature - of.start),
        )
    }

    /// Each part with its features of the full observation, in order.
    pub fn layout(&self) -> impl Iterator<Item = (&Part, Range<usize>)> {
        self.parts.iter().scan(0, |end, part| {
            let first = *end;
            *end += part.width;
            Some((part, first..*end))
        })
    }

    /// Features of the first part of that name.
    #[must_use]
    pub fn features_of(&self, name: &str) -> Option<Range<usize>> {
        self.layout().find(|(part, _)| part.name == name).map(|(_, features)| features)
    }

    /// The first part named `position_error` that is a vector in metres, and its features: how far the vehicle is from
    /// where it should be.
    #[must_use]
    pub fn position_error(&self) -> Option<(&Part, Range<usize>)> {
        self.layout().find(|(part, _)| part.name == POSITION_ERROR && part.is_vector_in_metres())
    }

    /// The group of that name.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// What a policy is trained on that needs no teacher: the group `teacher`, or `policy` where there is none, or all.
    #[must_use]
    pub fn trained_features(&self) -> Range<usize> {
        let group = self.group("teacher").or_else(|| self.group("policy"));
        group.map_or(0..self.num_observations(), |group| group.features.clone())
    }

    /// The smallest group of that width.
    #[must_use]
    pub fn group_of_width(&self, width: usize) -> Option<&Group> {
        self.groups.iter().find(|group| group.features.len() == width)
    }
}

/// A name that lives as long as the program, for those that users give: equal names are kept once.
#[must_use]
pub fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}
