//! The archives of Stable-Baselines3, and the `VecNormalize` that it keeps beside them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::container::archive::Archive;
use crate::container::pickle;
use crate::container::torch;
use crate::{FormatError, Value};

/// The key of the version in what is made of an archive: no other file has it.
pub(crate) const MARK: &str = "_stable_baselines3_version";

/// The key of a `VecNormalize`, in what is made of an archive and of a pickle by itself.
pub(crate) const STATISTICS: &str = "vec_normalize";

/// Where the path of the statistics stands in what is made of an archive.
pub(crate) const STATISTICS_PATH: &str = "vec_normalize_path";

/// Whether a zip archive is one that Stable-Baselines3 saved.
pub(crate) fn is_archive(names: &[String]) -> bool {
    ["data", "policy.pth"].iter().all(|known| names.iter().any(|name| name == known))
}

/// The parameters of the policy, the hyperparameters as far as they are JSON, and the statistics beside the file.
pub(crate) fn read<R: io::Read + io::Seek>(
    path: &Path,
    mut archive: Archive<R>,
) -> Result<Value, FormatError> {
    let policy = archive.read("policy.pth", torch::MAX_FILE_BYTES)?;
    let policy = torch::from_bytes(path, policy)?;
    let data = archive.read("data", torch::MAX_PICKLE_BYTES)?;
    let data: Json = serde_json::from_slice(&data)
        .map_err(|error| FormatError::damaged(path, format!("its entry `data` is no JSON: {error}")))?;
    let version = if archive.contains(MARK) {
        String::from_utf8_lossy(&archive.read(MARK, 64)?).trim().to_owned()
    } else {
        "of before 1.6".to_owned()
    };
    let mut entries = vec![(MARK, version.into()), ("policy", policy), ("data", value(&data))];
    if let Some(beside) = statistics_beside(path) {
        let statistics = read_statistics(&beside)?.ok_or_else(|| {
            FormatError::unsupported(&beside, "it is no VecNormalize, as its name beside a policy says")
        })?;
        entries.push((STATISTICS, statistics));
        entries.push((STATISTICS_PATH, beside.display().to_string().into()));
    }
    Ok(Value::dict(entries))
}

/// JSON as values; what is pickled within it stays unread and is named.
fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or(f64::NAN)), Value::Int)
        }
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(entries) => {
            let class = entries
                .get(":type:")
                .and_then(Json::as_str)
                .map(|class| class.trim_start_matches("<class '").trim_end_matches("'>").to_owned());
            let told = entries.iter().filter(|(key, _)| !key.starts_with(':'));
            let mut told: Vec<(String, Value)> = told.map(|(key, json)| (key.clone(), value(json))).collect();
            if entries.contains_key(":serialized:") {
                told.push((":serialized:".to_owned(), Value::Opaque(class.unwrap_or_default())));
            }
            Value::dict(told)
        }
    }
}

/// Where the statistics of a model lie: `vecnormalize.pkl` by the examples and the zoo of the library,
/// `NAME_vecnormalize.pkl` by Isaac Lab, `PREFIX_vecnormalize_STEPS_steps.pkl` by `CheckpointCallback`.
fn statistics_beside(path: &Path) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?;
    let mut names = vec![format!("{stem}_vecnormalize.pkl")];
    if let Some((prefix, steps)) = stem.strip_suffix("_steps").and_then(|rest| rest.rsplit_once('_')) {
        names.insert(0, format!("{prefix}_vecnormalize_{steps}_steps.pkl"));
    }
    names.extend(["vecnormalize.pkl".to_owned(), "vec_normalize.pkl".to_owned()]);
    names.into_iter().map(|name| path.with_file_name(name)).find(|path| path.is_file())
}

/// A `VecNormalize` as it was pickled; `None` for any other pickle, or none.
pub(crate) fn read_statistics(path: &Path) -> Result<Option<Value>, FormatError> {
    let reading = |source| FormatError::reading(path, source);
    let found = fs::metadata(path).map_err(reading)?.len();
    if found > torch::MAX_PICKLE_BYTES {
        let part = "the pickle".to_owned();
        return Err(FormatError::TooLarge {
            path: path.to_owned(),
            part,
            found,
            limit: torch::MAX_PICKLE_BYTES,
        });
    }
    let bytes = fs::read(path).map_err(reading)?;
    pickle::vec_normalize(&bytes, path)
}
