//! Subcommands and flags.

mod analyze;
mod bench;
mod catalogue;
mod configuration;
mod convert;
mod distill;
mod flight;
mod fly;
mod live;
mod plot;
mod policy;
mod report;
mod run;
mod train;
mod vehicles;

use std::ffi::OsString;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use eyas_learn::OnNan;

pub(crate) use self::analyze::{Analysis, Analyze, AnalyzeCommand, Delay, Matrix, Probe};
pub(crate) use self::bench::{Against, Bench};
pub(crate) use self::catalogue::{Config, ConfigCommand, Task, TaskCommand};
pub(crate) use self::configuration::Configuration;
pub(crate) use self::convert::{Convert, Diff, Export, Verify};
pub(crate) use self::distill::Distill;
pub(crate) use self::flight::{FlightFlags, Video};
pub(crate) use self::fly::{CheckDynamics, Eval, Play, Replay};
pub(crate) use self::live::{View, Web};
pub(crate) use self::plot::{Columns, Heatmap, Lines, Picture, Plot, PlotCommand, Range};
pub(crate) use self::policy::{Act, Inspect, PolicyFile, Reading, TeacherOptions};
pub(crate) use self::report::Report;
pub(crate) use self::run::{Multirun, Resume, TerminalFlags};
pub(crate) use self::train::Train;
pub(crate) use self::vehicles::{Sample, Vehicles, VehiclesCommand};

/// Flags that may be followed by a truth, as argparse has them: an override that follows is none.
const TRUTHS: [&str; 4] = ["--resume", "--shuffle", "--on_policy", "--teacher_deterministic"];

/// A truth, in the words of argparse, YAML and the shell.
fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

/// What a flight that nothing learns from makes of an env with a number that is not finite.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct NanFlags {
    /// What becomes of an env with a number that is not finite: stop (the command ends with its black box) or reset (it begins
    /// anew, is counted, and what it flew counts as a crash)
    #[arg(long, value_name = "stop|reset", default_value = "stop", value_parser = on_nan)]
    pub(crate) on_nan: OnNan,
}

fn on_nan(text: &str) -> Result<OnNan, String> {
    match text {
        "stop" => Ok(OnNan::Stop),
        "reset" => Ok(OnNan::Reset),
        _ => Err("expected stop or reset".into()),
    }
}

impl Arguments {
    /// The arguments of a command line, of which the first is the program. Of a flag that is repeated the last counts, as
    /// argparse has it.
    ///
    /// # Errors
    ///
    /// What clap has to say, help and version too.
    pub(crate) fn of(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut joined: Vec<OsString> = Vec::new();
        for word in line {
            let before = joined.last().and_then(|it| it.to_str()).filter(|it| TRUTHS.contains(it));
            match (before, word.to_str()) {
                (Some(flag), Some(value)) if boolean(value).is_ok() => {
                    let both = format!("{flag}={value}").into();
                    joined.pop();
                    joined.push(both);
                }
                _ => joined.push(word),
            }
        }
        let last_counts = |command: clap::Command| command.args_override_self(true);
        let command = last_counts(Self::command()).mut_subcommands(last_counts);
        Self::from_arg_matches(&command.try_get_matches_from(joined)?)
    }
}

/// Train quadrotor teachers, distil them into one small student, fly it and ship it
#[derive(Debug, Parser)]
#[command(name = "eyas", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Threads to compute on; results do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a teacher from nothing
    Train(Train),
    /// Distil teachers into a student
    Distill(Box<Distill>),
    /// Fly a policy along a trajectory and write a tracking report
    Play(Play),
    /// Measure a policy over many episodes
    Eval(Eval),
    /// Run a policy over recorded observations
    Act(Act),
    /// Show what a checkpoint holds
    Inspect(Inspect),
    /// Write a policy in another format, its contract with it
    Convert(Convert),
    /// Write a policy for another program: ONNX, safetensors, NumPy, rsl_rl of any version
    Export(Export),
    /// Check that a policy file does what it says, and find the faults of exported graphs
    Verify(Verify),
    /// Compare two policy files: facts, weights, actions
    Diff(Diff),
    /// Fly the black box of a run again, which one leaves where a number is not finite
    Replay(Replay),
    /// Replay recorded transitions and compare
    CheckDynamics(CheckDynamics),
    /// Fly teachers on many vehicles, read a student's memory, or delay what it sees: tables and plots
    Analyze(Analyze),
    /// Draw columns of CSV files and curves of runs as PNG
    Plot(Plot),
    /// Measure how fast this machine flies and learns, beside other programs
    Bench(Bench),
    /// List what can be configured
    Config(Config),
    /// List and describe tasks
    Task(Task),
    /// List, describe, draw, convert and check vehicles
    Vehicles(Vehicles),
    /// Write curves, tracking plots and tables of runs as one HTML page
    Report(Report),
    /// Show a run in the browser: its curves, tables and configuration, and its best policy in flight
    View(View),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The commands of a README: lines of its code, and cells of its tables, without comments and redirections.
    fn commands_of(name: &str) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("eyas "));
        let cells = text.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('|'));
        let cells = cells.filter_map(|cell| cell.trim().strip_prefix('`')?.strip_suffix('`'));
        let commands = lines.chain(cells.filter(|cell| cell.starts_with("eyas ") && !cell.contains('`')));
        let without = |command: &str| {
            command.split([' ', '\t']).take_while(|it| !["#", ">"].contains(it)).collect::<Vec<_>>().join(" ")
        };
        commands.map(without).map(|it| it.trim_end().to_owned()).collect()
    }

    #[test]
    fn commands_of_the_readmes_are_understood_and_the_same_in_both_languages() {
        let commands = commands_of("README.md");
        assert!(commands.len() > 35, "{commands:?}");
        for command in &commands {
            let read = Arguments::of(command.split_whitespace().map(OsString::from));
            assert!(read.is_ok(), "`{command}`: {}", read.unwrap_err());
        }
        assert_eq!(commands, commands_of("README.zh-CN.md"));
    }
}
