//! A task's file as what its blocks execute: every name resolved, every number checked.

use super::action::Action;
use super::arguments::{Names, perhaps};
use super::command::{Command, CommandTerm};
use super::config::{EventMode, ManagerConfig, ObservationConfig};
use super::curriculum::{CurriculumTerm, Effects};
use super::event::Event;
use super::observation::Observed;
use super::registry::Manager;
use super::reward::RewardTerm;
use super::scene::Places;
use super::termination::TerminationTerm;
use super::terms::Terms;
use crate::episode::MAX_TERMS;
use crate::target::{Motion, Path};
use crate::{EnvSpec, EpisodeScalar, Group, Part, TaskConfig as _, check, intern};

/// A task, resolved.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) commands: Vec<Command>,
    pub(super) action: Action,
    pub(super) observations: Vec<Observed>,
    pub(super) events: Vec<Event>,
    pub(super) rewards: Vec<RewardTerm>,
    /// What ends the task, in the order of [`EnvSpec::terminations`].
    pub(super) terminations: Vec<TerminationTerm>,
    /// What ends the time, beside `limit`.
    pub(super) cuts: Vec<TerminationTerm>,
    /// Control steps after which an episode is cut.
    pub(super) limit: u32,
    pub(super) curriculum: Vec<CurriculumTerm>,
    /// Weights and strengths of the file.
    pub(super) effects: Effects,
    /// What rewards are multiplied by beside their weights.
    reward_scale: f64,
    pub(super) places: Places,
    pub(super) spec: EnvSpec,
}

/// Most features of a full observation.
const MAX_FEATURES: usize = 4096;
/// Most groups of observations.
const MAX_GROUPS: usize = 16;
/// Most terms of a manager.
const MAX_ENTRIES: usize = 64;

impl Program {
    /// Resolves a configuration; the message names key, value and what would be right.
    pub(super) fn new(config: &ManagerConfig) -> Result<Self, String> {
        let names = Names {
            commands: config.commands.names().collect(),
            terminations: config.terminations.iter().filter(|(_, it)| !it.time_out).map(|it| it.0).collect(),
            rewards: config.rewards.names().collect(),
            events: config.events.names().collect(),
        };
        at_most("env.commands", names.commands.len(), MAX_ENTRIES)?;
        at_most("env.events", names.events.len(), MAX_ENTRIES)?;
        at_most("env.rewards", names.rewards.len(), MAX_TERMS)?;
        // The last bit of a cause is the time limit's.
        at_most("env.terminations", config.terminations.len(), MAX_TERMS - 1)?;
        at_most("env.curriculum", config.curriculum.len(), MAX_ENTRIES)?;

        let commands = commands(config, &names)?;
        let action = action(config, &names)?;
        let Layout { observations, parts, groups } = Layout::new(config, &names)?;
        let events = events(config, &names)?;
        let mut rewards = Vec::new();
        let mut weights = Vec::new();
        for (name, reward) in config.rewards.iter() {
            let key = format!("env.rewards.{name}");
            rewards.push(RewardTerm::new(&key, &reward.func, &reward.params, &names)?);
            check_finite(&key, "weight", reward.weight)?;
            weights.push(reward.weight);
        }
        if rewards.is_empty() {
            return Err("`env.rewards` has no term, expected at least one: nothing could be learned".into());
        }
        let Endings { terminations, cuts, limit } = Endings::new(config, &names)?;
        let mut curriculum = Vec::new();
        for (name, term) in config.curriculum.iter() {
            curriculum.push(CurriculumTerm::new(&format!("env.curriculum.{name}"), term, &names)?);
        }
        let interned = |names: &[&str]| names.iter().map(|name| intern(name)).collect();
        let spec = EnvSpec {
            task: crate::registry::MANAGER_TASK,
            parts,
            groups,
            num_actions: 4,
            action: action.term.description(),
            actuation: action.term.actuation(),
            motor_order: action.term.order(),
            control_rate_hz: 1.0 / config.control_period(),
            max_episode_length: config.max_episode_length(),
            episode_log: EpisodeScalar::isaac_lab(
                &names.rewards,
                &names.terminations,
                config.episode_length_s,
            ),
            reward_terms: interned(&names.rewards),
            terminations: interned(&names.terminations),
            symmetries: Vec::new(),
        };
        let kept = observations.iter().map(Observed::kept).sum();
        Ok(Self {
            places: Places::new(commands.len(), events.len(), kept),
            commands,
            action,
            observations,
            effects: Effects { weights, strengths: vec![1.0; events.len()] },
            events,
            rewards,
            terminations,
            cuts,
            limit,
            curriculum,
            reward_scale: if config.scale_rewards_by_dt { config.control_period() } else { 1.0 },
            spec,
        })
    }

    /// Weights as rewards are multiplied, then strengths, after so many control steps.
    pub(super) fn settings_at(&self, step: u32, settings: &mut [f32]) {
        let mut effects = self.effects.clone();
        for term in &self.curriculum {
            term.apply(step, &mut effects);
        }
        let weights = effects.weights.iter().map(|weight| weight * self.reward_scale);
        for (setting, value) in settings.iter_mut().zip(weights.chain(effects.strengths)) {
            *setting = value as f32;
        }
    }

    /// Names of the streams: of observations, of each command, of each event.
    pub(super) fn streams(&self) -> Vec<String> {
        let of_commands = self.commands.iter().flat_map(Command::streams);
        std::iter::once("env/observations".to_owned())
            .chain(of_commands)
            .chain(self.events.iter().map(Event::stream))
            .collect()
    }

    /// Of the events, where they stand among the streams.
    pub(super) fn event_stream(&self, event: usize) -> usize {
        command_stream(self.commands.len()) + event
    }

    /// Whether an event changes numbers of the vehicle that the dynamics read.
    pub(super) fn changes_vehicles(&self) -> bool {
        self.events.iter().any(|event| event.term.changes_vehicles())
    }

    /// Whether air acts on the vehicles.
    pub(super) fn has_wind(&self) -> bool {
        self.events.iter().any(|event| event.term.is_wind())
    }
}

/// Of the noise of observations, where it stands among the streams.
pub(super) const NOISE_STREAM: usize = 0;

/// The first of a command.
pub(super) fn command_stream(command: usize) -> usize {
    1 + 2 * command
}

fn commands(config: &ManagerConfig, names: &Names<'_>) -> Result<Vec<Command>, String> {
    let mut commands = Vec::new();
    for (name, command) in config.commands.iter() {
        let key = format!("env.commands.{name}");
        let command = Command::new(name, &key, command, names)?;
        if let CommandTerm::Moving(Motion { path: Path::Random(langevin), .. }) = &command.term {
            check::langevin(&key, langevin, config.control_period())?;
        }
        commands.push(command);
    }
    let first = match (config.command_at_rest, config.course.kind) {
        (true, _) => CommandTerm::Hold([0.0; 3]),
        (false, Some(_)) => {
            CommandTerm::course(&config.course, 0.0).map_err(|error| format!("`env.course`: {error}"))?
        }
        (false, None) => return Ok(commands),
    };
    // A task without commands is flown as it is: it has no reference that could be another.
    if let Some(command) = commands.first_mut() {
        command.term = first;
        command.resampling_time_range = None;
    }
    Ok(commands)
}

fn action(config: &ManagerConfig, names: &Names<'_>) -> Result<Action, String> {
    let mut actions = config.actions.iter();
    let (Some((name, action)), None) = (actions.next(), actions.next()) else {
        return Err(format!(
            "`env.actions` has {} terms, expected exactly one: motor_set_points, thrust_and_moments or \
            thrust_and_body_rates",
            config.actions.len()
        ));
    };
    Action::new(&format!("env.actions.{name}"), action, names, &config.robot)
}

fn events(config: &ManagerConfig, names: &Names<'_>) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for (name, event) in config.events.iter() {
        let key = format!("env.events.{name}");
        events.push(Event::new(name, &key, event, names, &config.robot)?);
    }
    if !config.train_or_play {
        // None but those of startup, in the places that curricula know.
        events.iter_mut().filter(|it| it.mode != EventMode::Startup).for_each(Event::disable);
    }
    Ok(events)
}

/// What ends episodes.
struct Endings {
    terminations: Vec<TerminationTerm>,
    cuts: Vec<TerminationTerm>,
    limit: u32,
}

impl Endings {
    fn new(config: &ManagerConfig, names: &Names<'_>) -> Result<Self, String> {
        let mut endings = Self { terminations: Vec::new(), cuts: Vec::new(), limit: u32::MAX };
        for (name, termination) in config.terminations.iter() {
            let key = format!("env.terminations.{name}");
            let term = TerminationTerm::new(&key, &termination.func, &termination.params, names)?;
            match term {
                TerminationTerm::TimeOut(_) if !termination.time_out => {
                    return Err(format!(
                        "`{key}.time_out` = false, expected true: the time ends, not the task"
                    ));
                }
                TerminationTerm::TimeOut(_) if !config.train_or_play => {}
                TerminationTerm::TimeOut(it) => {
                    endings.limit = (config.max_episode_length() - it.steps_early).max(1);
                }
                other if termination.time_out => endings.cuts.push(other),
                other => endings.terminations.push(other),
            }
        }
        Ok(endings)
    }
}

/// The full observation.
struct Layout {
    observations: Vec<Observed>,
    parts: Vec<Part>,
    groups: Vec<Group>,
}

impl Layout {
    /// Groups one after the other; a group that begins with all terms of the one before it, none of them noisy, shares
    /// their features.
    fn new(config: &ManagerConfig, names: &Names<'_>) -> Result<Self, String> {
        at_most("env.observations", config.observations.len(), MAX_GROUPS)?;
        let mut layout = Self { observations: Vec::new(), parts: Vec::new(), groups: Vec::new() };
        let mut before: Option<(&Terms<ObservationConfig>, bool)> = None;
        let mut first = 0;
        for (name, group) in config.observations.iter() {
            let key = format!("env.observations.{name}");
            at_most(&format!("{key}.terms"), group.terms.len(), MAX_ENTRIES)?;
            if group.terms.is_empty() {
                return Err(format!("`{key}.terms` has none, expected at least one"));
            }
            let shared = match before {
                Some((terms, is_noisy)) if !is_noisy && begins_with(&group.terms, terms) => terms.len(),
                _ => {
                    first = layout.width();
                    0
                }
            };
            let is_corrupted = group.enable_corruption && config.train_or_play;
            for (term_name, term) in group.terms.iter().skip(shared) {
                let key = format!("{key}.terms.{term_name}");
                let place = [layout.kept(), layout.observations.len()];
                let observed = Observed::new(&key, term, names, is_corrupted, place)?;
                let output = observed.term.output();
                layout.parts.push(Part {
                    name: intern(term_name),
                    width: observed.features(),
                    frame: output.frame,
                    unit: observed.unit(),
                    meaning: Manager::Observations.find(&term.func).map_or("", |it| it.meaning),
                });
                layout.observations.push(observed);
            }
            let width = layout.width();
            if width > MAX_FEATURES {
                return Err(format!(
                    "`{key}` makes {width} features, expected at most {MAX_FEATURES} in all"
                ));
            }
            let features = first..width;
            let is_alike = |it: &&Group| it.features.len() == features.len() && it.features != features;
            if let Some(other) = layout.groups.iter().find(is_alike) {
                return Err(format!(
                    "`{key}` has {} features as `{}` has, which are others: policies find their group by its \
                    width, add or drop a term",
                    features.len(),
                    other.name
                ));
            }
            layout.groups.push(Group { name: intern(name), features });
            let is_noisy = layout.observations.iter().any(Observed::is_noisy);
            before = Some((&group.terms, is_noisy));
        }
        if layout.groups.iter().all(|group| group.name != "policy") {
            let known: Vec<&str> = config.observations.names().collect();
            return Err(format!(
                "`env.observations` has no group `policy`, which every policy reads{}; a group `teacher` \
                is what teachers read that students are distilled from",
                perhaps("policy", known)
            ));
        }
        Ok(layout)
    }

    fn width(&self) -> usize {
        self.parts.iter().map(|part| part.width).sum()
    }

    fn kept(&self) -> usize {
        self.observations.iter().map(Observed::kept).sum()
    }
}

fn begins_with(terms: &Terms<ObservationConfig>, beginning: &Terms<ObservationConfig>) -> bool {
    terms.len() >= beginning.len() && terms.iter().zip(beginning.iter()).all(|(a, b)| a == b)
}

fn at_most(key: &str, found: usize, most: usize) -> Result<(), String> {
    if found <= most { Ok(()) } else { Err(format!("`{key}` has {found} entries, expected at most {most}")) }
}

/// A number that a file gives.
pub(super) fn check_finite(key: &str, name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(format!("`{key}.{name}` = {value}, expected a finite number"))
    }
}

/// Two limits that a file gives.
pub(super) fn check_ascending(key: &str, name: &str, limits: Option<[f64; 2]>) -> Result<(), String> {
    let Some([low, high]) = limits else { return Ok(()) };
    if low.is_finite() && high.is_finite() && low <= high {
        Ok(())
    } else {
        Err(format!("`{key}.{name}` = [{low}, {high}], expected ascending finite limits"))
    }
}

/// Two limits of times that a file gives.
pub(super) fn check_times(key: &str, name: &str, limits: Option<[f64; 2]>) -> Result<(), String> {
    check_ascending(key, name, limits)?;
    match limits {
        Some([low, high]) if low <= 0.0 => {
            Err(format!("`{key}.{name}` = [{low}, {high}], expected positive times in s"))
        }
        _ => Ok(()),
    }
}
