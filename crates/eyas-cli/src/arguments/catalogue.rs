//! Commands that say what there is: `config`, `task`.

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// List every key with its default, unit, range and meaning
    List {
        /// Only keys below this one, such as `env.scene` or `learning_rate`
        #[arg(default_value = "", hide_default_value = true, value_name = "PREFIX")]
        prefix: String,
        /// Task id, see `eyas task list`, or the YAML file of a task of terms
        #[arg(long, value_name = "ID|FILE", default_value = "Isaac-Quadcopter-Point-Ctrl-v0")]
        task: String,
        /// Whose keys `agent` has: apg or ppo
        /// [default: what the task is trained with]
        #[arg(long, value_name = "NAME")]
        algorithm: Option<String>,
        /// Print a JSON list with key, default, unit, range, choices and meaning of each
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Task {
    #[command(subcommand)]
    pub(crate) command: TaskCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// List every task
    List,
    /// Describe a task: observation, action, reward terms
    Show {
        /// Task id, or the YAML file of a task of terms
        #[arg(value_name = "ID|FILE")]
        id: String,
        /// How many operations its formulas take instead, by kind, see `docs/recorder.md`
        #[arg(long)]
        operations: bool,
    },
    /// Describe the terms that tasks are made of, with their parameters, units and ranges
    Terms {
        /// Only those of a manager, such as `rewards`, or of one name
        name: Option<String>,
    },
}
