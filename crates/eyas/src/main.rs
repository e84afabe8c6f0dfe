//! `eyas`: the command line; no algorithm.

mod any_task;
mod arguments;
mod budget;
mod command;
mod configuration;
mod crew;
mod dashboard;
mod dataset_file;
mod failure;
mod flyable;
mod hydra;
mod journal;
mod learner;
mod live;
mod outcome;
mod own_task;
mod place;
mod report;
mod seat;
mod self_check;
mod setup;
mod snapshot;
mod table;
mod tables;
mod tracking;
mod trajectory;
mod video;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(failure) = setup::limit_threads(arguments.threads) {
        return failure.report();
    }
    let threads = arguments.threads;
    let outcome = match arguments.command {
        Command::Train(mut it) => hydra::take_folder(&mut it.flight, &mut it.resume, it.multirun.multirun)
            .and_then(|()| {
                if it.multirun.multirun {
                    command::multirun::run("train", &it.flight, &it.resume, &it.multirun, threads)
                } else {
                    command::train::run(&it)
                }
            }),
        Command::Distill(mut it) => hydra::take_folder(&mut it.flight, &mut it.resume, it.multirun.multirun)
            .and_then(|()| {
                if it.multirun.multirun {
                    command::multirun::run("distill", &it.flight, &it.resume, &it.multirun, threads)
                } else {
                    command::distill::run(&it)
                }
            }),
        Command::Play(it) => command::play::run(&it),
        Command::Eval(it) => command::eval::run(&it),
        Command::Act(it) => command::act::run(&it),
        Command::Inspect(it) => command::inspect::run(&it),
        Command::Convert(it) => command::convert::run(&it),
        Command::Export(it) => command::convert::export(&it),
        Command::Verify(it) => command::verify::run(&it),
        Command::Diff(it) => command::diff::run(&it),
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
    outcome.unwrap_or_else(failure::Failure::report)
}
