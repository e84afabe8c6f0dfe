//! Flags of `eyas report`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Report {
    /// Folders of runs of `eyas train` or `eyas distill`, finished or going on, or of a multirun
    #[arg(value_name = "RUN_DIR", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// Names of the runs, those of a multirun one by one [default: names of the folders]
    #[arg(long, value_name = "NAME[,…]", value_delimiter = ',')]
    pub(crate) labels: Vec<String>,
    /// Folder for `report.html` and its pictures [default: `report` in the only folder that is given, else here]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
}
