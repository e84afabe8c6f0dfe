//! Policy files from one format into another, and checked.

use std::path::PathBuf;

use clap::Args;
use eyas_formats::Kind;
use eyas_formats::px4::NnControl;

use super::policy::Reading;

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Convert {
    /// File with the policy, of any format that is read
    pub(crate) source: PathBuf,
    /// File to write
    pub(crate) target: PathBuf,
    /// Format: `onnx`, `torchscript`, `leapp` (`NAME.yaml`), `safetensors`, `npz`, `pt` (rsl_rl 5.x), `rsl_rl2` to
    /// `rsl_rl5`, `student`, `sequential`, `c` (C99), `c_int8` (the same with weights of 8 bits), `h5` (RLtools), `px4` (`policy.tar` of PX4), `px4_nn` (`mc_nn_control`),
    /// `eyas-fly` (flash), `crazyflie` and `betaflight` (folders of sources for the Crazyflie's firmware and for `INDIflight`)
    /// [default: what the target's extension says]
    #[arg(long, value_name = "KIND")]
    pub(crate) to: Option<Kind>,
    #[command(flatten)]
    pub(crate) stated: Stated,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Export {
    /// File with the policy, of any format that is read
    pub(crate) policy: PathBuf,
    /// Format: `onnx`, `torchscript`, `leapp` (`NAME.yaml`), `safetensors`, `npz`, `pt` (rsl_rl 5.x), `rsl_rl2` to
    /// `rsl_rl5`, `student`, `sequential`, `c` (C99), `c_int8` (the same with weights of 8 bits), `h5` (RLtools), `px4` (`policy.tar` of PX4), `px4_nn` (`mc_nn_control`),
    /// `eyas-fly` (flash), `crazyflie` and `betaflight` (folders of sources for the Crazyflie's firmware and for `INDIflight`)
    #[arg(long, value_name = "KIND")]
    pub(crate) to: Kind,
    /// Where to write it [default: the policy's name with the format's extension]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) stated: Stated,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// What the user knows of a policy that its file does not say.
#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Stated {
    /// Task that the policy was trained on: its observation, action and rate go into the contract
    /// [default: what the file's own contract says, else the run in whose folder the policy lies]
    #[arg(long, value_name = "ID|FILE")]
    pub(crate) task: Option<String>,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Verify {
    /// The file
    pub(crate) file: PathBuf,
    /// The file that it was exported from: weights, normaliser, squash and actions must be the same
    #[arg(long, value_name = "OTHER")]
    pub(crate) against: Option<PathBuf>,
    /// Of a TFLite file: `MC_NN_THRST_COEF`, `MC_NN_MIN_RPM` and `MC_NN_MAX_RPM` of the vehicle that is to fly it
    /// [default: 1.2,1000,22000]
    #[arg(long, value_name = "K,MIN,MAX", value_parser = nn_control)]
    pub(crate) nn_control: Option<NnControl>,
    /// Where to write a right ONNX file if the file has a fault that can be put right
    #[arg(long, value_name = "FILE")]
    pub(crate) repair: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
#[command(rename_all = "snake_case")]
pub(crate) struct Diff {
    /// A file with a policy
    pub(crate) a: PathBuf,
    /// Another one
    pub(crate) b: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Three numbers, of which the second is below the third.
fn nn_control(text: &str) -> Result<NnControl, String> {
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[thrust_coefficient, min_rpm, max_rpm])
            if thrust_coefficient > 0.0 && min_rpm >= 0.0 && max_rpm > min_rpm && max_rpm.is_finite() =>
        {
            Ok(NnControl { thrust_coefficient, min_rpm, max_rpm })
        }
        _ => {
            Err("expected a positive coefficient and two speeds, the lower first, such as 1.2,1000,22000"
                .into())
        }
    }
}
