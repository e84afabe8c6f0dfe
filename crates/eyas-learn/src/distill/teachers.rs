//! The teachers of a distillation, and which of them teach in an epoch.

use eyas_lanes::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resting::RestingError;
use crate::actor::Actor;
use crate::bounds;

/// A teacher and what is known of it.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// The teacher at the controls.
    pub actor: Actor,
    /// Standard deviation of its labels, if they are samples of its distribution.
    pub label_std: Option<Vec<f32>>,
    /// Where it comes to rest beside a target that rests, if that is to be corrected. Its students are told that this is
    /// no error, so they learn what it does there and come to rest at the target themselves.
    pub resting: Option<RestingError>,
    /// Mean return on its own vehicle, if it was measured.
    pub mean_return: f64,
}

impl Teacher {
    /// A teacher of which nothing is known: labels are its mean actions.
    #[must_use]
    pub fn new(actor: Actor) -> Self {
        Self { actor, label_std: None, resting: None, mean_return: f64::NAN }
    }
}

/// Which teachers a run takes and how it uses them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TeachersConfig {
    /// Which of the teachers given, by the return of their admission.
    pub selection: Selection,
    /// How many of them; null: all. At least 1.
    pub num_teachers: Option<usize>,
    /// Return that a teacher must reach on its own vehicle to be admitted: `SOLVED_RETURN` of RAPTOR.
    pub solved_return: f64,
    /// Episodes of an admission. At least 1.
    pub admission_episodes: usize,
    /// What happens if a teacher does not reach it.
    pub on_weak_teacher: OnWeakTeacher,
    /// Whether students are told the position from where their teacher comes to rest instead of from the target.
    /// Off where they see no part `position_error` or `position` that is a vector in m; who asks for it there is refused.
    pub correct_position_offset: bool,
    /// Vehicles that fly in an epoch, in turns; null: all. At least 1.
    pub vehicles_per_epoch: Option<usize>,
    /// Of the teachers whose vehicles fly, how many label an epoch of the student's flights; null: all. At least 1.
    pub num_active_teachers: Option<usize>,
    /// Which.
    pub active: Active,
    /// Flights of the teachers that are added to each epoch in which the student flies.
    pub teacher_student_mix: u32,
}

/// Which teachers a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Selection {
    /// In the order given.
    All,
    /// Those of the highest returns.
    Best,
    /// Those of the lowest returns.
    Worst,
    /// Drawn by the run's seed.
    Random,
}

/// What happens if a teacher is below the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnWeakTeacher {
    /// The run ends before it has begun.
    Stop,
    /// The run goes on without it.
    Skip,
}

/// Which teachers label the student's flights of an epoch, by its returns on their vehicles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Active {
    /// All.
    All,
    /// Those on whose vehicles it does worst.
    Hardest,
    /// Those on whose vehicles it does best.
    Easiest,
    /// Those whom it falls behind most.
    Regret,
}

impl Default for TeachersConfig {
    /// RAPTOR's, `src/foundation_policy/post_training/config.h` of RLtools at 460bae06^.
    fn default() -> Self {
        Self {
            selection: Selection::All,
            num_teachers: None,
            solved_return: 300.0,
            admission_episodes: 100,
            on_weak_teacher: OnWeakTeacher::Stop,
            correct_position_offset: true,
            vehicles_per_epoch: None,
            num_active_teachers: None,
            active: Active::All,
            teacher_student_mix: 0,
        }
    }
}

impl TeachersConfig {
    /// Checks ranges; the message names key, value and range.
    pub(super) fn validate(&self) -> Result<(), String> {
        for (name, value) in [
            ("num_teachers", self.num_teachers.unwrap_or(1)),
            ("admission_episodes", self.admission_episodes),
            ("vehicles_per_epoch", self.vehicles_per_epoch.unwrap_or(1)),
            ("num_active_teachers", self.num_active_teachers.unwrap_or(1)),
        ] {
            if value < 1 {
                return Err(format!("`distill.teachers.{name}` = {value}, expected at least 1"));
            }
        }
        bounds::at_most(
            "distill.teachers",
            &[
                ("admission_episodes", self.admission_episodes as u64, 1 << 22),
                ("teacher_student_mix", u64::from(self.teacher_student_mix), 1 << 16),
            ],
        )?;
        if self.solved_return.is_nan() {
            return Err("`distill.teachers.solved_return` is not a number".into());
        }
        if (self.active == Active::All) != self.num_active_teachers.is_none() {
            return Err(
                "of `distill.teachers.active` and `distill.teachers.num_active_teachers` one is given: \
                        give both, or neither for all"
                    .into(),
            );
        }
        Ok(())
    }

    /// Places of the teachers to take, by their returns.
    #[must_use]
    pub fn select(&self, returns: &[f64], seed: u64) -> Vec<usize> {
        let count = self.num_teachers.unwrap_or(returns.len()).min(returns.len());
        let mut places: Vec<usize> = (0..returns.len()).collect();
        match self.selection {
            Selection::All => {}
            Selection::Best => places.sort_by(|a, b| returns[*b].total_cmp(&returns[*a])),
            Selection::Worst => places.sort_by(|a, b| returns[*a].total_cmp(&returns[*b])),
            Selection::Random => {
                let drawn = Stream::new(seed, "distill/selection").permutation(returns.len(), count, 0, 0);
                places = drawn.into_iter().map(|it| it as usize).collect();
            }
        }
        places.truncate(count);
        // The order of flights and seeds does not depend on how they were chosen.
        places.sort_unstable();
        places
    }

    /// Which of `teachers` fly in an epoch: `vehicles_per_epoch` of them in turns, each round in an order of its own.
    pub(super) fn flying(&self, teachers: usize, epoch: u32, stream: Stream) -> Vec<bool> {
        let Some(count) = self.vehicles_per_epoch.filter(|it| *it < teachers) else {
            return vec![true; teachers];
        };
        let mut flies = vec![false; teachers];
        let mut round = (u32::MAX, Vec::new());
        for turn in (u64::from(epoch) * count as u64..).take(count) {
            let number = (turn / teachers as u64) as u32;
            if round.0 != number {
                round = (number, stream.permutation(teachers, teachers, number, 0));
            }
            flies[round.1[(turn % teachers as u64) as usize] as usize] = true;
        }
        flies
    }

    /// Which of the teachers whose vehicles flew label the flights, given the student's mean return with each, not a
    /// number where it did not fly.
    pub(super) fn active(&self, returns: &[f64], teachers: &[Teacher]) -> Vec<bool> {
        let mut places: Vec<usize> = (0..returns.len()).filter(|it| returns[*it].is_finite()).collect();
        let first = |place: &usize| match self.active {
            Active::All => 0.0,
            Active::Hardest => returns[*place],
            Active::Easiest => -returns[*place],
            Active::Regret => returns[*place] - teachers[*place].mean_return,
        };
        places.sort_by(|a, b| first(a).total_cmp(&first(b)));
        places.truncate(self.num_active_teachers.unwrap_or(places.len()));
        let mut active = vec![false; returns.len()];
        for place in places {
            active[place] = true;
        }
        active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns() -> Vec<f64> {
        vec![500.0, 700.0, f64::NAN, 300.0, 600.0]
    }

    fn teachers(own: &[f64]) -> Vec<Teacher> {
        let policy = crate::distill::StudentConfig::default().policy(22, 4, Stream::new(0, "test"));
        let inference = eyas_policy::Inference::new(&policy);
        own.iter()
            .map(|own| Teacher {
                mean_return: *own,
                ..Teacher::new(Actor { inference: inference.clone(), features: 0..22 })
            })
            .collect()
    }

    #[test]
    fn active_teachers_are_ranked_by_the_return_on_their_own_vehicle() {
        let teachers = teachers(&[710.0, 705.0, 700.0, 320.0, 690.0]);
        let active = |active, count| {
            TeachersConfig { active, num_active_teachers: Some(count), ..TeachersConfig::default() }
                .active(&returns(), &teachers)
        };
        assert_eq!(active(Active::Hardest, 2), [true, false, false, true, false]);
        assert_eq!(active(Active::Easiest, 2), [false, true, false, false, true]);
        // It is 210, 5, 20 and 90 behind.
        assert_eq!(active(Active::Regret, 2), [true, false, false, false, true]);
        let all = TeachersConfig::default().active(&returns(), &teachers);
        assert_eq!(all, [true, true, false, true, true]);
    }

    #[test]
    fn vehicles_take_turns() {
        let config = TeachersConfig { vehicles_per_epoch: Some(3), ..TeachersConfig::default() };
        let mut flown = [0; 7];
        for epoch in 0..14 {
            let flies = config.flying(7, epoch, Stream::new(1, "turns"));
            // At the seam of two rounds one vehicle may be next in both.
            assert!((2..=3).contains(&flies.iter().filter(|it| **it).count()));
            flies.iter().zip(&mut flown).for_each(|(flies, flown)| *flown += u32::from(*flies));
        }
        assert!(flown.iter().all(|it| (4..=6).contains(it)), "{flown:?}");
    }

    #[test]
    fn a_selection_takes_teachers_by_their_own_return() {
        let own = [3.0, 9.0, 5.0, 7.0];
        let select = |selection| {
            TeachersConfig { selection, num_teachers: Some(2), ..TeachersConfig::default() }.select(&own, 4)
        };
        assert_eq!(select(Selection::All), [0, 1]);
        assert_eq!(select(Selection::Best), [1, 3]);
        assert_eq!(select(Selection::Worst), [0, 2]);
        assert_eq!(select(Selection::Random).len(), 2);
    }
}
