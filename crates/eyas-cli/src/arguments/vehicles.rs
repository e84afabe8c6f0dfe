//! `eyas vehicles`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Configuration;

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Vehicles {
    #[command(subcommand)]
    pub(crate) command: VehiclesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VehiclesCommand {
    /// List the vehicles that come with the program
    List,
    /// Describe a vehicle
    Show {
        /// A vehicle that comes with the program, or a parameter file of RLtools
        #[arg(value_name = "NAME|FILE")]
        vehicle: String,
        /// Print the parameter file, every field with all its digits
        #[arg(long)]
        json: bool,
    },
    /// Draw vehicles at random, as RAPTOR draws those of its teachers
    Sample(Box<Sample>),
    /// Write a fleet in another form
    Convert {
        /// A directory of parameter files, one parameter file, a list (.json, .json.gz) or a table (.csv)
        from: PathBuf,
        /// A directory, or a file that ends in .csv, .json or .json.gz
        to: PathBuf,
        /// Rotors of each vehicle in the order in which they are written, such as `1,4,2,3`
        #[arg(long = "motor_order", value_name = "ORDER")]
        motor_order: Option<String>,
        /// Write over files of the same names
        #[arg(long)]
        force: bool,
    },
    /// Check every vehicle of a fleet; exit code 2 and every problem where one cannot be flown
    Check {
        /// A directory of parameter files, one parameter file, a list (.json, .json.gz) or a table (.csv)
        path: PathBuf,
    },
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Sample {
    /// Vehicles to draw
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) num: usize,
    /// Seed of the draws; a vehicle does not depend on how many are drawn
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Directory to write a parameter file for each vehicle and `vehicles.csv` to
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// eyas (as the paper says) or raptor (as the C++ system draws) [default: eyas]
    #[arg(long, value_name = "NAME")]
    pub(crate) protocol: Option<String>,
    /// Write over files of the same names
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
    /// Ranges, such as `mass_max=2`
    #[arg(value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}
