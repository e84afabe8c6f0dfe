//! Other programs, each a process that does a work when it is asked and says how much of it in what time.
//!
//! A peer prints one line of JSON when it is ready, `{"peer": NAME, "works": [NAME, …]}`. For each line `NAME SECONDS` on
//! its stdin it does that work for about as long and prints `{"units": N, "seconds": S}`, or `{"error": TEXT}`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use eyas::Failure;
use eyas::device::ComputeDevice;
use eyas_lanes::Isa;
use serde::Deserialize;

use crate::arguments::Against;

/// How a program is started.
fn command_of(against: Against, device: ComputeDevice) -> Result<Command, Failure> {
    match against {
        Against::Pytorch => {
            let python = std::env::var_os("EYAS_PYTHON").unwrap_or_else(|| "python3".into());
            let mut command = Command::new(python);
            command.args(["-c", include_str!("../../../peers/pytorch.py"), "--device", &device.to_string()]);
            Ok(command)
        }
        Against::L2f => std::env::var_os("EYAS_L2F").map(Command::new).ok_or_else(|| {
            Failure::new("`--against l2f`: no program to compare with").hint(
                "compile crates/eyas-cli/peers/l2f.cpp as its first lines say, and name the program in EYAS_L2F",
            )
        }),
    }
}

#[derive(Deserialize)]
struct Hello {
    peer: String,
    works: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Measured { units: f64, seconds: f64 },
    Failed { error: String },
}

/// What tells `PyTorch`, `oneDNN`, MKL and `OpenBLAS` which instructions they may use. A program compiled for wider
/// ones uses them all the same.
fn limits(isa: Isa) -> Vec<(&'static str, &'static str)> {
    let names = ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE"];
    let values = match isa {
        Isa::Avx512 | Isa::Neon => return Vec::new(),
        Isa::Avx2 => ["avx2", "AVX2", "AVX2", "Haswell"],
        Isa::Portable => ["default", "SSE41", "SSE4_2", "Nehalem"],
    };
    names.into_iter().zip(values).collect()
}

/// A program that answers.
pub(super) struct Peer {
    /// What it calls itself, versions included.
    pub(super) name: String,
    works: Vec<String>,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a program, in one thread and with no wider instructions than `isa`; on a GPU if it knows works for one.
    pub(super) fn start(against: Against, isa: Isa, device: ComputeDevice) -> Result<Self, Failure> {
        let mut command = command_of(against, device)?;
        let threads = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"].map(|it| (it, "1"));
        command.envs(threads).envs(limits(isa)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| Failure::new(format!("cannot run `{program}`: {error}"));
        let mut process = command.spawn().map_err(failed)?;
        let input = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut peer = Self { name: program.clone(), works: Vec::new(), process, input, output };
        let hello: Hello = peer.answer().map_err(|failure| {
            failure.hint(match against {
                Against::Pytorch => "EYAS_PYTHON names a Python that has torch",
                Against::L2f => "EYAS_L2F names the program made from crates/eyas-cli/peers/l2f.cpp",
            })
        })?;
        (peer.name, peer.works) = (hello.peer, hello.works);
        Ok(peer)
    }

    pub(super) fn knows(&self, work: &str) -> bool {
        self.works.iter().any(|it| it == work)
    }

    /// Units a second of a work.
    pub(super) fn measure(&mut self, work: &str, seconds: f64) -> Result<f64, Failure> {
        writeln!(self.input, "{work} {seconds}")?;
        self.input.flush()?;
        match self.answer()? {
            Answer::Measured { units, seconds } if seconds > 0.0 => Ok(units / seconds),
            Answer::Measured { .. } => Err(Failure::new(format!("`{}` did `{work}` in no time", self.name))),
            Answer::Failed { error } => {
                Err(Failure::new(format!("`{}` cannot do `{work}`: {error}", self.name)))
            }
        }
    }

    fn answer<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            return Err(Failure::new(format!("`{}` ended without an answer", self.name)));
        }
        let failed = |error| Failure::new(format!("`{}` answered `{}`: {error}", self.name, line.trim()));
        serde_json::from_str(&line).map_err(failed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input ends it; one that hangs is not waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
