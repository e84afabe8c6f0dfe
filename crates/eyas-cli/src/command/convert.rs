//! `eyas convert` and `eyas export`: a policy from one format into another.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use eyas::contract::state_task;
use eyas::task_of_run::task_of_run;
use eyas::{Failure, tasks};
use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, LoadOptions, LoadedPolicy, Role};
use eyas_policy::{Contract, Origin};

use crate::arguments::{Convert, Export as ExportArguments};
use crate::print::{say, tell};

/// `eyas convert`.
pub(crate) fn run(arguments: &Convert) -> Result<ExitCode, Failure> {
    let Convert { source, target, to, stated, reading } = arguments;
    write(source, target, *to, stated.task.as_deref(), &reading.load_options())
}

/// `eyas export`.
pub(crate) fn export(arguments: &ExportArguments) -> Result<ExitCode, Failure> {
    let ExportArguments { policy, to, output, stated, reading } = arguments;
    let target = output.clone().unwrap_or_else(|| policy.with_extension(to.extension()));
    write(policy, &target, Some(*to), stated.task.as_deref(), &reading.load_options())
}

fn write(
    source: &Path,
    target: &Path,
    to: Option<Kind>,
    task: Option<&str>,
    options: &LoadOptions,
) -> Result<ExitCode, Failure> {
    if let (Ok(from), Ok(to)) = (fs::canonicalize(source), fs::canonicalize(target))
        && from == to
    {
        return Err(Failure::new("the file to write is the file to read")
            .at(&target.display())
            .hint("give another name for what is written"));
    }
    let checkpoint = Checkpoint::read(source)?;
    let loaded = checkpoint.policy(options)?;
    loaded.decisions.iter().for_each(tell);
    let kind = to.or_else(|| Kind::of_extension(target, &loaded.policy)).ok_or_else(|| {
        let kinds = Kind::names().collect::<Vec<_>>().join(", ");
        Failure::new("its extension says nothing of the format")
            .at(&target.display())
            .hint(format!("give `--to KIND`, one of {kinds}"))
    })?;
    let contract = contract(&checkpoint, &loaded, task)?;
    // A value function that cannot be read is no obstacle to a policy that can.
    let critic = checkpoint
        .roles()
        .contains(&Role::Critic)
        .then(|| checkpoint.critic(&LoadOptions::default()).ok())
        .flatten();
    let written = convert::write(
        target,
        kind,
        &Export {
            policy: &loaded.policy,
            contract: &contract,
            std: loaded.std.as_deref(),
            critic: critic.as_ref().map(|critic| (&critic.network, critic.normalizer.as_ref())),
            iteration: checkpoint.iteration().or(checkpoint.epoch()).unwrap_or(0),
        },
    )?;
    written.remarks.iter().for_each(|remark| tell(format!("note: {remark}")));
    let difference = convert::read_back(target, kind, &contract)?;
    let steps = contract.test.observations.len();
    say(format!(
        "{}: {kind}; read back, its actions over {steps} steps differ by up to {difference:.1e}",
        target.display()
    ))?;
    for (path, what) in &written.beside {
        say(format!("{}: {what}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The contract in the file, or what the policy says of itself; with what the task says.
fn contract(checkpoint: &Checkpoint, loaded: &LoadedPolicy, task: Option<&str>) -> Result<Contract, Failure> {
    let mut contract = match checkpoint.contract_for(&loaded.policy)? {
        Some(contract) => contract,
        None => own_contract(checkpoint, loaded),
    };
    if let Some(id) = task {
        state_task(&mut contract, &tasks::find(id)?.spec(), "given by option")
            .map_err(|misfit| misfit.at(&format!("--task {id}")))?;
    } else if contract.task.is_none() {
        state_task_of_run(&mut contract, checkpoint.path());
    }
    Ok(contract)
}

/// Puts the task of the run in whose folder a policy lies into its contract. A run of another program does not read as
/// one of Eyas, and then nothing is stated.
fn state_task_of_run(contract: &mut Contract, policy: &Path) {
    let Some(run) = policy.parent() else { return };
    if let Ok(task) = task_of_run(run) {
        let mut stated = contract.clone();
        if state_task(&mut stated, &task.spec(), "the files of its run say so").is_ok() {
            *contract = stated;
        }
    }
}

fn own_contract(checkpoint: &Checkpoint, loaded: &LoadedPolicy) -> Contract {
    let mut contract = Contract::of(&loaded.policy);
    let file = checkpoint.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let origin = |what: &str, value: String, reason: String| Origin { what: what.to_owned(), value, reason };
    contract.origin.push(origin("file", file, checkpoint.description()));
    let decisions = loaded.decisions.iter();
    contract.origin.extend(decisions.map(|it| origin(it.what, it.value.clone(), it.reason.clone())));
    contract
}
