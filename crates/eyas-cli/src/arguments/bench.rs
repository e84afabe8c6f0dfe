//! `eyas bench`.

use clap::{Args, ValueEnum};

/// Rates are those of one thread unless `--threads` says otherwise.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Bench {
    /// Measure these in turns with it, one thread each
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) against: Vec<Against>,
    /// Which works, such as `gru_update,mlp_update` [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) work: Vec<String>,
    /// Rounds; each asks this program, then every other
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) rounds: usize,
    /// Time of each measurement, s
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    /// Instruction set to compute with, peers as far as they can be told: portable, AVX2, AVX-512 or NEON [default: the
    /// widest that this machine has]
    #[arg(long, value_name = "NAME")]
    pub(crate) isa: Option<String>,
    /// Where students are fitted: cpu, or cuda:0 and so on, which measures the works that a GPU has a part in
    #[arg(long, default_value = "cpu", value_name = "NAME")]
    pub(crate) device: String,
    /// Say what the works are, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Do each work so many times and print nothing: for profilers
    #[arg(long, value_name = "N", conflicts_with_all = ["against", "list", "json"])]
    pub(crate) times: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Programs to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Against {
    /// `PyTorch`, and `rsl_rl` if it is there; in the Python of `EYAS_PYTHON`, else `python3`
    Pytorch,
    /// `RLtools`' simulator `l2f`, compiled from crates/eyas-cli/peers/l2f.cpp to the program that `EYAS_L2F` names
    L2f,
}
