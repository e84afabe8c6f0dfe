//! `eyas`: the command line. Flags become typed configurations of the library [`eyas`], which does the work; what it does
//! and what comes of it is printed here.

mod arguments;
mod command;
mod configuration;
mod dashboard;
mod flags;
mod hydra;
mod live;
mod print;
mod terminal;
mod video_flags;

use std::process::ExitCode;

use arguments::{Arguments, Command};

/// Runs the command that the process was started with; the code that the process is to end with.
#[must_use]
pub fn main() -> ExitCode {
    std::panic::catch_unwind(run).unwrap_or_else(|_| print::own_fault())
}

fn run() -> ExitCode {
    if let Err(error) = eyas_run::interrupt::outlive_file_size_limit() {
        return print::fail(&error.into());
    }
    let arguments = Arguments::of(std::env::args_os()).unwrap_or_else(|error| error.exit());
    if let Err(failure) = flags::limit_threads(arguments.threads) {
        return print::fail(&failure);
    }
    let threads = arguments.threads;
    let outcome = match arguments.command {
        Command::Train(mut it) => hydra::take_folder(&mut it.flight, &mut it.resume, it.multirun.multirun)
            .and_then(|()| {
                if it.multirun.multirun {
                    command::multirun::run("train", &it.flight, &it.resume, &it.multirun, threads)
                } else {
                    hydra::take_vehicle(&mut it.flight)?;
                    command::train::run(&it)
                }
            }),
        Command::Distill(mut it) => hydra::take_folder(&mut it.flight, &mut it.resume, it.multirun.multirun)
            .and_then(|()| {
                if it.multirun.multirun {
                    command::multirun::run("distill", &it.flight, &it.resume, &it.multirun, threads)
                } else {
                    hydra::take_vehicle(&mut it.flight)?;
                    command::distill::run(&it)
                }
            }),
        Command::Play(mut it) => hydra::take_vehicle(&mut it.flight).and_then(|()| command::play::run(&it)),
        Command::Eval(mut it) => hydra::take_vehicle(&mut it.flight).and_then(|()| command::eval::run(&it)),
        Command::Act(it) => command::act::run(&it),
        Command::Inspect(it) => command::inspect::run(&it),
        Command::Convert(it) => command::convert::run(&it),
        Command::Export(it) => command::convert::export(&it),
        Command::Verify(it) => command::verify::run(&it),
        Command::Diff(it) => command::diff::run(&it),
        Command::Replay(it) => command::replay::run(&it),
        Command::CheckDynamics(it) => command::check_dynamics::run(&it),
        Command::Analyze(it) => command::analyze::run(&it),
        Command::Plot(it) => command::plot::run(&it),
        Command::Bench(it) => command::bench::run(&it, threads),
        Command::Config(it) => command::config::run(&it),
        Command::Task(it) => command::task::run(&it),
        Command::Vehicles(it) => command::vehicles::run(&it),
        Command::Report(it) => command::report::run(&it),
        Command::View(it) => command::view::run(&it),
    };
    outcome.unwrap_or_else(|failure| print::fail(&failure))
}
