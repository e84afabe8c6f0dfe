//! What is needed to repeat a run: program, command line, seed, inputs and configuration.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use sha2::{Digest, Sha256};

use crate::config::{Setting, Value};
use crate::error::RunError;

/// The content of `manifest.json`.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Name and version of the program that ran.
    pub program: String,
    /// Arguments as given, program name first.
    pub command_line: Vec<String>,
    /// Id of the task that the run is of; none if it is of none.
    pub task: Option<String>,
    /// Seed after resolving a request for a random one.
    pub seed: u64,
    /// Start of the run, local time with its zone.
    pub start: ZonedDateTime,
    /// Files that the run read, such as teacher checkpoints.
    pub inputs: Vec<InputFile>,
    /// Every configuration value and its origin.
    pub config: Vec<Setting>,
}

/// A file that influenced a run, and a fingerprint of its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// The file as it was named.
    pub path: PathBuf,
    /// Length in bytes.
    pub num_bytes: u64,
    /// SHA-256 of the content in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Name of the file in a run's folder.
pub(crate) const FILE: &str = "manifest.json";

/// What the file says that it is.
const FORMAT: &str = "eyas-manifest";

/// Raised when a reader of an older version could misunderstand the file.
const FORMAT_VERSION: u32 = 1;

impl Manifest {
    /// A manifest of this process, started now, with its own command line.
    #[must_use]
    pub fn new(program: impl Into<String>, seed: u64) -> Self {
        Self {
            program: program.into(),
            command_line: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            task: None,
            seed,
            start: ZonedDateTime::now(),
            inputs: Vec::new(),
            config: Vec::new(),
        }
    }

    /// The file's text. JSON has no infinities and NaN: they are strings, as overrides spell them. Nor has it bytes that
    /// are no Unicode: they are replaced, in paths as in the command line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let input = |input: &InputFile| {
            json!({
                "path": input.path.to_string_lossy(),
                "num_bytes": input.num_bytes,
                "sha256": input.sha256,
            })
        };
        let setting = |setting: &Setting| {
            let entry = json!({ "value": to_json(&setting.value), "origin": setting.origin.to_string() });
            (setting.key.clone(), entry)
        };
        let document = json!({
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "program": self.program,
            "command_line": self.command_line,
            "task": self.task,
            "seed": self.seed,
            "start": self.start_text(),
            "inputs": self.inputs.iter().map(input).collect::<Vec<_>>(),
            "config": self.config.iter().map(setting).collect::<Map<_, _>>(),
        });
        format!("{document:#}\n")
    }

    /// The start as it is written down.
    pub(crate) fn start_text(&self) -> String {
        self.start.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }
}

/// What readers need of the file.
#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    format: String,
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    config: Map<String, serde_json::Value>,
}

/// The manifest in a folder, if there is one.
fn read(run: &Path) -> Result<Option<Read>, RunError> {
    let path = run.join(FILE);
    match std::fs::read(&path) {
        Ok(text) => {
            serde_json::from_slice(&text).map(Some).map_err(|source| RunError::Manifest { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RunError::io("read", &path)(error)),
    }
}

/// Whether a folder holds a manifest of this program, and not what another one calls so.
pub(crate) fn is_in(run: &Path) -> bool {
    read(run).is_ok_and(|it| it.is_some_and(|it| it.format == FORMAT))
}

/// A setting that a run was begun with: key, value and origin.
pub(crate) type Begun = (String, serde_json::Value, String);

/// Every setting that the run in a folder was begun with.
pub(crate) fn settings_of(run: &Path) -> Result<Option<Vec<Begun>>, RunError> {
    let setting = |(key, mut entry): (String, serde_json::Value)| {
        let origin = entry["origin"].as_str().unwrap_or_default().to_owned();
        (key, entry["value"].take(), origin)
    };
    Ok(read(run)?.map(|it| it.config.into_iter().map(setting).collect()))
}

/// The id of the task that the run in a folder is of; none where no manifest is or it tells none, as those of before it
/// was written down.
///
/// # Errors
///
/// [`RunError::Io`], or [`RunError::Manifest`] if the file is none.
pub fn task_of(run: &Path) -> Result<Option<String>, RunError> {
    Ok(read(run)?.and_then(|it| it.task))
}

impl InputFile {
    /// Reads a file once to fingerprint it.
    ///
    /// # Errors
    ///
    /// [`RunError::Io`] with the path.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, RunError> {
        let path = path.as_ref();
        let (num_bytes, sha256) = hash(path).map_err(RunError::io("read", path))?;
        Ok(Self { path: path.to_owned(), num_bytes, sha256 })
    }
}

fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut num_bytes = 0;
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((num_bytes, hexadecimal(&hasher.finalize())));
        }
        hasher.update(&buffer[..length]);
        num_bytes += length as u64;
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => json!(value),
        Value::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
            (Ok(int), _) => json!(int),
            (_, Ok(int)) => json!(int),
            _ => json!(int.to_string()),
        },
        Value::Float(float) if float.is_finite() => json!(float),
        Value::Float(_) => json!(value.to_string()),
        Value::String(text) => json!(text),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect(),
    }
}
