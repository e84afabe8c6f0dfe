//! What a term is documented as.

use std::fmt;

use super::terms::Param;

/// The managers that terms belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// References that a vehicle is to follow.
    Commands,
    /// What an action does to the vehicle.
    Actions,
    /// What a policy sees.
    Observations,
    /// What happens to vehicles at the start, at resets and at intervals.
    Events,
    /// What a step is worth.
    Rewards,
    /// What ends an episode.
    Terminations,
    /// What changes while a policy learns.
    Curriculum,
}

impl Manager {
    /// All, in the order of a task's file.
    pub const ALL: [Self; 7] = [
        Self::Commands,
        Self::Actions,
        Self::Observations,
        Self::Events,
        Self::Rewards,
        Self::Terminations,
        Self::Curriculum,
    ];

    /// Its key in a task's file.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Commands => "commands",
            Self::Actions => "actions",
            Self::Observations => "observations",
            Self::Events => "events",
            Self::Rewards => "rewards",
            Self::Terminations => "terminations",
            Self::Curriculum => "curriculum",
        }
    }

    /// What it is for.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Commands => "references that the vehicle is to follow",
            Self::Actions => "what an action does to the vehicle; a task has one",
            Self::Observations => "what a policy sees, in groups",
            Self::Events => "what happens to vehicles at startup, at resets and at intervals",
            Self::Rewards => "what a step is worth: the sum of weighted terms",
            Self::Terminations => "what ends an episode",
            Self::Curriculum => "what changes while a policy learns, before episodes are reset",
        }
    }

    /// The terms that it can be made of.
    #[must_use]
    pub fn terms(self) -> &'static [TermInfo] {
        match self {
            Self::Commands => super::command::CommandTerm::INFOS,
            Self::Actions => super::action::ActionTerm::INFOS,
            Self::Observations => super::observation::ObservationTerm::INFOS,
            Self::Events => super::event::EventTerm::INFOS,
            Self::Rewards => super::reward::RewardTerm::INFOS,
            Self::Terminations => super::termination::TerminationTerm::INFOS,
            Self::Curriculum => super::curriculum::CurriculumTerm::INFOS,
        }
    }

    /// The term of that name.
    #[must_use]
    pub fn find(self, name: &str) -> Option<&'static TermInfo> {
        self.terms().iter().find(|term| term.name == name)
    }
}

/// A term that a task's file can name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TermInfo {
    /// What `func` names it by.
    pub name: &'static str,
    /// One sentence on what it is.
    pub meaning: &'static str,
    /// Its parameters.
    pub parameters: &'static [Parameter],
}

/// A parameter of a term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its key below `params`.
    pub name: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Unit, `1` if there is none.
    pub unit: &'static str,
    /// What it may hold, and what it holds if it is not given.
    pub kind: Kind,
}

/// What a parameter may hold, and what it holds if it is not given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag(bool),
    /// A number in a range.
    Number(Range, f64),
    /// A whole number in a range.
    Integer(Range, f64),
    /// Two ascending numbers in a range.
    Interval(Range, [f64; 2]),
    /// Three numbers in a range.
    Vector(Range, [f64; 3]),
    /// As many numbers as there shall be, each in a range.
    Numbers(Range, &'static [f64]),
    /// Several vectors of three numbers.
    Vectors(&'static [[f64; 3]]),
    /// One of several names; the first if it is not given.
    Choice(&'static [&'static str]),
    /// The name of a command; the first if it is not given.
    Command,
    /// The names of one or more terms of the manager; there is no default.
    TermsOf(Manager),
}

/// Where numbers lie; all are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// Anywhere.
    Any,
    /// Above 0.
    Positive,
    /// At 0 or above.
    NotNegative,
    /// Between two limits, which belong to it.
    Within(f64, f64),
}

impl Range {
    fn holds(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Any => true,
                Self::Positive => value > 0.0,
                Self::NotNegative => value >= 0.0,
                Self::Within(low, high) => (low..=high).contains(&value),
            }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("finite"),
            Self::Positive => f.write_str("positive"),
            Self::NotNegative => f.write_str("at least 0"),
            Self::Within(low, high) => write!(f, "in [{low}, {high}]"),
        }
    }
}

impl Kind {
    /// What it is if it is not given, as a file would say it.
    #[must_use]
    pub fn default(self) -> String {
        match self {
            Self::Flag(value) => value.to_string(),
            Self::Number(_, value) | Self::Integer(_, value) => value.to_string(),
            Self::Interval(_, [low, high]) => format!("[{low}, {high}]"),
            Self::Vector(_, [x, y, z]) => format!("[{x}, {y}, {z}]"),
            Self::Numbers(_, values) => format!("{values:?}"),
            Self::Vectors(values) => format!("{values:?}"),
            Self::Choice(names) => names[0].to_owned(),
            Self::Command => "the first command".into(),
            Self::TermsOf(_) => "none".into(),
        }
    }

    pub(super) fn accepts(self, value: &Param) -> bool {
        let numbers = |value: &Param, range: Range| -> Option<Vec<f64>> {
            let Param::List(items) = value else { return None };
            let number = |item: &Param| match item {
                Param::Number(value) if range.holds(*value) => Some(*value),
                _ => None,
            };
            items.iter().map(number).collect()
        };
        match self {
            Self::Flag(_) => matches!(value, Param::Flag(_)),
            Self::Number(range, _) => matches!(value, Param::Number(it) if range.holds(*it)),
            Self::Integer(range, _) => {
                matches!(value, Param::Number(it) if range.holds(*it) && it.fract() == 0.0)
            }
            Self::Interval(range, _) => {
                numbers(value, range).is_some_and(|it| it.len() == 2 && it[0] <= it[1])
            }
            Self::Vector(range, _) => numbers(value, range).is_some_and(|it| it.len() == 3),
            Self::Numbers(range, _) => numbers(value, range).is_some(),
            Self::Vectors(_) => {
                let Param::List(items) = value else { return false };
                items.iter().all(|item| numbers(item, Range::Any).is_some_and(|it| it.len() == 3))
            }
            Self::Choice(names) => matches!(value, Param::Text(it) if names.contains(&it.as_str())),
            Self::Command => matches!(value, Param::Text(_)),
            Self::TermsOf(_) => match value {
                Param::Text(_) => true,
                Param::List(items) => items.iter().all(|item| matches!(item, Param::Text(_))),
                _ => false,
            },
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(_) => f.write_str("true or false"),
            Self::Number(range, _) => write!(f, "a number, {range}"),
            Self::Integer(range, _) => write!(f, "a whole number, {range}"),
            Self::Interval(range, _) => write!(f, "[low, high], ascending numbers, each {range}"),
            Self::Vector(range, _) => write!(f, "[x, y, z], each {range}"),
            Self::Numbers(range, _) => write!(f, "a list of numbers, each {range}"),
            Self::Vectors(_) => f.write_str("a list of [x, y, z]"),
            Self::Choice(names) => write!(f, "one of {}", names.join(", ")),
            Self::Command => f.write_str("the name of a command"),
            Self::TermsOf(manager) => write!(f, "the name of one of the {}, or a list", manager.key()),
        }
    }
}

impl Parameter {
    pub(super) const fn new(
        name: &'static str,
        unit: &'static str,
        kind: Kind,
        meaning: &'static str,
    ) -> Self {
        Self { name, meaning, unit, kind }
    }
}

/// The command that a term is about.
pub(super) const COMMAND: Parameter =
    Parameter::new("command_name", "1", Kind::Command, "the command that it is about");
