//! Flags that say where a configuration comes from, and what to show of it.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

/// Where a configuration comes from, and what to show of it.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Configuration {
    /// Configuration file (YAML) with any of the keys env, agent, distill; with a `defaults` list, groups lie beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of configuration files and of groups of them: `agent=fast` is `agent/fast.yaml`
    #[arg(long = "config-dir", alias = "config_dir", value_name = "DIR", conflicts_with = "config")]
    pub(crate) config_dir: Option<PathBuf>,
    /// Configuration in that folder
    #[arg(long = "config-name", alias = "config_name", value_name = "NAME", requires = "config_dir")]
    pub(crate) config_name: Option<String>,
    /// Settings of an earlier run, of Isaac Lab too: its folder, or that of its `env.yaml` and `agent.yaml`; prints what
    /// of them cannot be used
    #[arg(long, value_name = "DIR")]
    pub(crate) params: Option<PathBuf>,
    /// Print the configuration as YAML instead of running: job
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new(["job"]))]
    pub(crate) cfg: Option<String>,
    /// Print only what is below this key
    #[arg(long, value_name = "KEY", requires = "cfg")]
    pub(crate) package: Option<String>,
    /// Print what interpolations `${…}` stand for
    #[arg(long, requires = "cfg")]
    pub(crate) resolve: bool,
    /// Print every value with where it comes from instead of running: defaults
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = ISAAC_SIM)]
    pub(crate) info: Option<String>,
}

/// `--info` without a value, which is a flag of Isaac Sim.
const ISAAC_SIM: &str = "";

impl Configuration {
    /// Whether nothing shall run.
    pub(crate) fn only_shows(&self) -> bool {
        self.cfg.is_some() || self.info.is_some()
    }
}
