//! Reading the parameters of terms by their documentation.

use super::registry::{COMMAND, Kind, Manager, TermInfo};
use super::terms::{Param, Terms};

/// Names that others may mean.
pub(super) struct Names<'a> {
    pub(super) commands: Vec<&'a str>,
    pub(super) terminations: Vec<&'a str>,
    pub(super) rewards: Vec<&'a str>,
    pub(super) events: Vec<&'a str>,
}

impl Names<'_> {
    fn of(&self, manager: Manager) -> &[&str] {
        match manager {
            Manager::Commands => &self.commands,
            Manager::Terminations => &self.terminations,
            Manager::Rewards => &self.rewards,
            Manager::Events => &self.events,
            Manager::Actions | Manager::Observations | Manager::Curriculum => &[],
        }
    }
}

/// The parameters of a term of a file, checked against its documentation.
pub(super) struct Arguments<'a> {
    /// The term's key, such as `env.rewards.position`.
    pub(super) key: &'a str,
    info: &'static TermInfo,
    params: &'a Terms<Param>,
    names: &'a Names<'a>,
}

impl<'a> Arguments<'a> {
    /// Checks `params` of a term; the message names the key and what would be right.
    pub(super) fn new(
        key: &'a str,
        manager: Manager,
        func: &str,
        params: &'a Terms<Param>,
        names: &'a Names<'a>,
    ) -> Result<Self, String> {
        let Some(info) = manager.find(func) else {
            let known = manager.terms().iter().map(|term| term.name);
            return Err(format!(
                "`{key}.func` = \"{func}\", expected a term of {}{}; `eyas task terms {}` lists all",
                manager.key(),
                perhaps(func, known),
                manager.key()
            ));
        };
        for (name, value) in params.iter() {
            let Some(parameter) = info.parameters.iter().find(|it| it.name == name) else {
                let known: Vec<&str> = info.parameters.iter().map(|it| it.name).collect();
                let known = match perhaps(name, known.iter().copied()) {
                    text if text.is_empty() && known.is_empty() => ", and it takes none".to_owned(),
                    text if text.is_empty() => format!(", expected one of {}", known.join(", ")),
                    text => text,
                };
                return Err(format!("`{key}.params.{name}`: `{func}` takes no such parameter{known}"));
            };
            if !parameter.kind.accepts(value) {
                let unit =
                    if parameter.unit == "1" { String::new() } else { format!(", in {}", parameter.unit) };
                return Err(format!("`{key}.params.{name}` = {value}, expected {}{unit}", parameter.kind));
            }
        }
        Ok(Self { key, info, params, names })
    }

    fn kind(&self, name: &str) -> Kind {
        let parameter = self.info.parameters.iter().find(|it| it.name == name);
        parameter.expect("terms read parameters that they document").kind
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        match (self.params.get(name), self.kind(name)) {
            (Some(Param::Flag(value)), _) => *value,
            (_, Kind::Flag(value)) => value,
            _ => unreachable!("parameters are checked before they are read"),
        }
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        match (self.params.get(name), self.kind(name)) {
            (Some(Param::Number(value)), _) => *value,
            (_, Kind::Number(_, value) | Kind::Integer(_, value)) => value,
            _ => unreachable!("parameters are checked before they are read"),
        }
    }

    pub(super) fn interval(&self, name: &str) -> [f64; 2] {
        match (self.numbers_given(name), self.kind(name)) {
            (Some(values), _) => [values[0], values[1]],
            (None, Kind::Interval(_, value)) => value,
            _ => unreachable!("parameters are checked before they are read"),
        }
    }

    pub(super) fn vector(&self, name: &str) -> [f64; 3] {
        match (self.numbers_given(name), self.kind(name)) {
            (Some(values), _) => [values[0], values[1], values[2]],
            (None, Kind::Vector(_, value)) => value,
            _ => unreachable!("parameters are checked before they are read"),
        }
    }

    pub(super) fn numbers(&self, name: &str) -> Vec<f64> {
        match (self.numbers_given(name), self.kind(name)) {
            (Some(values), _) => values,
            (None, Kind::Numbers(_, values)) => values.to_vec(),
            _ => unreachable!("parameters are checked before they are read"),
        }
    }

    pub(super) fn vectors(&self, name: &str) -> Vec<[f64; 3]> {
        match (self.params.get(name), self.kind(name)) {
            (Some(Param::List(items)), _) => {
                items.iter().map(numbers_in).map(|it| [it[0], it[1], it[2]]).collect()
            }
            (_, Kind::Vectors(values)) => values.to_vec(),
            _ => unreachable!("parameters are checked before they are read"),
        }
    }

    pub(super) fn choice(&self, name: &str) -> &str {
        match (self.params.get(name), self.kind(name)) {
            (Some(Param::Text(value)), _) => value,
            (_, Kind::Choice(names)) => names[0],
            _ => unreachable!("parameters are checked before they are read"),
        }
    }

    /// Which command the term is about.
    pub(super) fn command(&self) -> Result<usize, String> {
        let commands = self.names.of(Manager::Commands);
        match self.params.get(COMMAND.name) {
            Some(Param::Text(name)) => self.place_of(COMMAND.name, name, Manager::Commands),
            _ if commands.is_empty() => {
                Err(format!("`{}.func` is about a command, and `env.commands` has none", self.key))
            }
            _ => Ok(0),
        }
    }

    /// Which terms of another manager the parameter names.
    pub(super) fn terms(&self, name: &str) -> Result<Vec<usize>, String> {
        let Kind::TermsOf(manager) = self.kind(name) else {
            unreachable!("parameters are read as they are documented")
        };
        let missing = || format!("`{}.params.{name}` is missing, expected {}", self.key, self.kind(name));
        match self.params.get(name) {
            Some(Param::Text(term)) => Ok(vec![self.place_of(name, term, manager)?]),
            Some(Param::List(items)) if !items.is_empty() => items
                .iter()
                .filter_map(|item| match item {
                    Param::Text(term) => Some(self.place_of(name, term, manager)),
                    _ => None,
                })
                .collect(),
            _ => Err(missing()),
        }
    }

    fn place_of(&self, parameter: &str, name: &str, manager: Manager) -> Result<usize, String> {
        let known = self.names.of(manager);
        known.iter().position(|it| *it == name).ok_or_else(|| {
            let perhaps = match perhaps(name, known.iter().copied()) {
                text if text.is_empty() => format!(", which has {}", known.join(", ")),
                text => text,
            };
            format!(
                "`{}.params.{parameter}` = \"{name}\", expected a term of `env.{}`{perhaps}",
                self.key,
                manager.key()
            )
        })
    }

    fn numbers_given(&self, name: &str) -> Option<Vec<f64>> {
        self.params.get(name).map(numbers_in)
    }
}

/// The numbers of a list that was checked to hold nothing else.
fn numbers_in(value: &Param) -> Vec<f64> {
    let Param::List(items) = value else { return Vec::new() };
    let number = |item: &Param| match item {
        Param::Number(value) => Some(*value),
        _ => None,
    };
    items.iter().filter_map(number).collect()
}

/// What an unknown name may have meant: `, perhaps …`, or nothing.
pub(super) fn perhaps<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let similarity = |name: &str| strsim::normalized_damerau_levenshtein(wanted, name);
    let mut alike: Vec<(f64, &str)> =
        known.into_iter().map(|name| (similarity(name), name)).filter(|(it, _)| *it >= 0.5).collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names: Vec<&str> = alike.into_iter().take(3).map(|(_, name)| name).collect();
    if names.is_empty() { String::new() } else { format!(", perhaps {}", names.join(" or ")) }
}

/// An enum of the terms of a manager: their documentation, one made by name, and one method that all share.
macro_rules! terms {
    (
        $(#[$meta:meta])*
        $enum:ident of $manager:ident { $($term:ident),+ $(,)? }
        [$($header:tt)*] $self:ident => $method:ident $arguments:tt
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub(super) enum $enum {
            $($term($term)),+
        }

        impl $enum {
            /// The documentation of each.
            pub(super) const INFOS: &'static [TermInfo] = &[$($term::INFO),+];

            /// The term that a file names.
            pub(super) fn new(
                key: &str,
                func: &str,
                params: &Terms<Param>,
                names: &Names<'_>,
            ) -> Result<Self, String> {
                let arguments = Arguments::new(key, Manager::$manager, func, params, names)?;
                $(if func == $term::INFO.name {
                    return $term::new(&arguments).map(Self::$term);
                })+
                unreachable!("only documented terms have arguments")
            }

            #[inline(always)]
            pub(super) $($header)* {
                match $self {
                    $(Self::$term(it) => it.$method $arguments),+
                }
            }
        }
    };
}
pub(super) use terms;
