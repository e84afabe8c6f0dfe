//! `eyas task`: what can be flown.

use std::io::Write as _;
use std::process::ExitCode;

use eyas_env::{Actuation, TaskConfig as _, find_task, tasks};

use crate::any_task::{AnyTask, for_task};
use crate::arguments::{Task, TaskCommand};
use crate::failure::Failure;

pub(crate) fn run(arguments: &Task) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout().lock();
    match &arguments.command {
        TaskCommand::List => {
            for task in tasks() {
                writeln!(out, "{}\n    {}\n    aliases: {}", task.id, task.summary, task.aliases.join(", "))?;
            }
        }
        TaskCommand::Show { id } => {
            let task = find_task(id)?;
            let spec = for_task!(AnyTask::find(id)?, |base| base.spec());
            writeln!(out, "{}: {}\n", task.id, task.summary)?;
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
            writeln!(out, "terminations: {}", spec.terminations.join(", "))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
