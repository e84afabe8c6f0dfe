//! `eyas task`: what can be flown.

use std::any::Any;
use std::io::Write;
use std::process::ExitCode;

use eyas::Failure;
use eyas::tasks::{self, is_file};
use eyas_env::{
    Actuation, EnvSpec, Manager, ManagerConfig, Param, Recorded, TermInfo, Terms, find_task,
    observation_output,
};
use eyas_run::config::closest;
use eyas_trace::{Form, Functions, Kind};

use crate::arguments::{Task, TaskCommand};

pub(crate) fn run(arguments: &Task) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    match &arguments.command {
        TaskCommand::List => {
            for task in eyas_env::tasks() {
                writeln!(out, "{}\n    {}\n    aliases: {}", task.id, task.summary, task.aliases.join(", "))?;
            }
        }
        TaskCommand::Show { id, operations: true } => write_operations(&mut out, tasks::find(id)?.as_ref())?,
        TaskCommand::Show { id, operations: false } => {
            let task = tasks::find(id)?;
            if is_file(id) {
                writeln!(out, "{id}: a task of terms\n")?;
            } else {
                let known = find_task(id)?;
                writeln!(out, "{}: {}\n", known.id, known.summary)?;
            }
            write_spec(&mut out, &task.spec())?;
            let task: &dyn Any = task.as_ref();
            if let Some(config) = task.downcast_ref() {
                write_managers(&mut out, config)?;
            }
        }
        TaskCommand::Terms { name } => write_terms(&mut out, name.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// How many operations of each kind the formulas of a task take for one env.
fn write_operations(out: &mut impl Write, task: &dyn eyas::tasks::AnyTask) -> Result<(), Failure> {
    let recorded = task.recorded(Form::default());
    let expanded = task.recorded(Form { functions: Functions::Polynomials, ..Form::default() });
    let header: Vec<String> = Kind::ALL.iter().map(|kind| format!(" {:>8}", kind.name())).collect();
    writeln!(out, "operations of one env\n\n{:<38} {:>6} {:>9}{}", "", "total", "expanded", header.concat())?;
    for (Recorded { name, program }, expanded) in recorded.iter().zip(&expanded) {
        let counts = program.counts();
        let each: Vec<String> = Kind::ALL.iter().map(|kind| format!(" {:>8}", counts.get(*kind))).collect();
        let (total, expanded) = (counts.total(), expanded.program.counts().total());
        writeln!(out, "{name:<38} {total:>6} {expanded:>9}{}", each.concat())?;
    }
    writeln!(out, "\nexpanded: elementary functions as the polynomials that they are made of")?;
    Ok(())
}

/// What a task observes, takes and ends by.
fn write_spec(out: &mut impl Write, spec: &EnvSpec) -> Result<(), Failure> {
    writeln!(out, "observation, {} features:", spec.num_observations())?;
    let mut first = 0;
    for part in &spec.parts {
        let last = first + part.width - 1;
        writeln!(
            out,
            "  {first:>3}-{last:<3} {:<20} {:<6} {:<16} {}",
            part.name,
            part.unit,
            format!("{:?}", part.frame),
            part.meaning
        )?;
        first += part.width;
    }
    writeln!(out, "\ngroups:")?;
    for group in &spec.groups {
        let (first, last) = (group.features.start, group.features.end - 1);
        writeln!(out, "  {:<10} features {first}-{last} ({})", group.name, group.features.len())?;
    }
    writeln!(out, "\naction, {} numbers: {}", spec.num_actions, spec.action)?;
    let numbers = match spec.actuation {
        Actuation::Rotors => "motor order",
        Actuation::Wrench => "numbers",
    };
    writeln!(out, "{numbers}: {}", spec.motor_order)?;
    writeln!(out, "control rate: {} Hz", spec.control_rate_hz)?;
    writeln!(out, "episode: {} control steps", spec.max_episode_length)?;
    writeln!(out, "reward terms: {}", spec.reward_terms.join(", "))?;
    writeln!(out, "terminations: {}", spec.terminations.join(", "))?;
    Ok(())
}

/// The terms that a task is made of.
fn write_managers(out: &mut impl Write, task: &ManagerConfig) -> Result<(), Failure> {
    let mut list = |manager: Manager, terms: Vec<[String; 3]>| -> Result<(), Failure> {
        if terms.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}:", manager.key())?;
        for [name, func, rest] in terms {
            let line = format!("  {name:<28} {func:<28} {rest}");
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    };
    let row = |name: &str, func: &str, before: String, params: &Terms<Param>| {
        let params = params.iter().map(|(key, value)| format!("{key}={value}"));
        let before = Some(before).filter(|it| !it.is_empty());
        [name.to_owned(), func.to_owned(), before.into_iter().chain(params).collect::<Vec<_>>().join(" ")]
    };
    let commands = task.commands.iter().map(|(name, it)| row(name, &it.func, String::new(), &it.params));
    list(Manager::Commands, commands.collect())?;
    let actions = task.actions.iter().map(|(name, it)| row(name, &it.func, String::new(), &it.params));
    list(Manager::Actions, actions.collect())?;
    let groups = task.observations.iter();
    let observations =
        groups.flat_map(|(group, it)| it.terms.iter().map(move |(name, it)| (format!("{group}.{name}"), it)));
    let observations = observations.map(|(name, it)| row(&name, &it.func, String::new(), &it.params));
    list(Manager::Observations, observations.collect())?;
    let events = task
        .events
        .iter()
        .map(|(name, it)| row(name, &it.func, format!("{:?}", it.mode).to_lowercase(), &it.params));
    list(Manager::Events, events.collect())?;
    let rewards = task
        .rewards
        .iter()
        .map(|(name, it)| row(name, &it.func, format!("weight={}", it.weight), &it.params));
    list(Manager::Rewards, rewards.collect())?;
    let terminations = task.terminations.iter().map(|(name, it)| {
        let time = if it.time_out { "time_out" } else { "" };
        row(name, &it.func, time.to_owned(), &it.params)
    });
    list(Manager::Terminations, terminations.collect())?;
    let curriculum = task.curriculum.iter().map(|(name, it)| row(name, &it.func, String::new(), &it.params));
    list(Manager::Curriculum, curriculum.collect())
}

/// The documentation of terms, all or those that a name asks for.
fn write_terms(out: &mut impl Write, asked: Option<&str>) -> Result<(), Failure> {
    let is_asked_for =
        |manager: Manager, term: &TermInfo| asked.is_none_or(|it| it == manager.key() || it == term.name);
    let mut is_known = false;
    for manager in Manager::ALL {
        let terms: Vec<&TermInfo> = manager.terms().iter().filter(|it| is_asked_for(manager, it)).collect();
        if terms.is_empty() {
            continue;
        }
        let gap = if is_known { "\n" } else { "" };
        is_known = true;
        writeln!(out, "{gap}{}: {}", manager.key(), manager.meaning())?;
        for term in terms {
            write_term(out, manager, term)?;
        }
    }
    if is_known {
        return Ok(());
    }
    let asked = asked.unwrap_or_default();
    let terms = Manager::ALL.into_iter().flat_map(Manager::terms).map(|term| term.name);
    let names = closest(asked, Manager::ALL.map(Manager::key).into_iter().chain(terms));
    let hint = if names.is_empty() {
        "`eyas task terms` lists all".to_owned()
    } else {
        format!("did you mean {}?", names.join(" or "))
    };
    Err(Failure::new(format!("no manager and no term is called `{asked}`")).hint(hint))
}

fn write_term(out: &mut impl Write, manager: Manager, term: &TermInfo) -> Result<(), Failure> {
    let output = observation_output(term.name).filter(|_| manager == Manager::Observations);
    let output =
        output.map(|it| format!(" ({} features, {:?}, {})", it.width, it.frame, it.unit)).unwrap_or_default();
    writeln!(out, "  {}{output}\n      {}", term.name, term.meaning)?;
    for it in term.parameters {
        let unit = if it.unit == "1" { String::new() } else { format!(" [{}]", it.unit) };
        writeln!(out, "      {} = {}{unit}  {}", it.name, it.kind.default(), it.kind)?;
        writeln!(out, "          {}", it.meaning)?;
    }
    Ok(())
}
