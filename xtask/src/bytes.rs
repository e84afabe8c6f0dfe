//! Same configuration and seed, same bytes: models, students and tables of short runs have the hashes that were accepted.
//!
//! They are the same on every machine, at any number of threads. A change of the arithmetic that is meant is accepted with
//! `EYAS_ACCEPT=1 cargo xtask bytes`, and told of in CHANGELOG.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

use crate::{Outcome, Tally, binary, cargo, require};

/// Files that hold times of day, wall-clock times or paths.
const UNSTEADY: [&str; 4] = ["manifest.json", "result.json", "epochs.csv", "ranking.csv"];
/// Kinds of files that are compared.
const KINDS: [&str; 4] = ["pt", "csv", "npz", "json"];

pub(crate) fn check(root: &Path) -> Outcome {
    require(&mut cargo(root, &["build", "--release", "--package", "eyas-cli"]))?;
    let folder = env::temp_dir().join(format!("eyas-bytes-{}", std::process::id()));
    let found = fly(root, &folder).map_err(|message| format!("{message}\n  see {}", folder.display()))?;
    let table = root.join("xtask/data/bytes.txt");
    if env::var_os("EYAS_ACCEPT").is_some() {
        let lines: Vec<String> = found.iter().map(|(file, hash)| format!("{hash}  {file}\n")).collect();
        fs::write(&table, lines.concat())
            .map_err(|error| format!("  cannot write {}: {error}", table.display()))?;
    }
    let accepted = read(&table)?;
    let names: std::collections::BTreeSet<&String> = accepted.keys().chain(found.keys()).collect();
    let problems: Vec<String> = names
        .into_iter()
        .filter_map(|file| match (accepted.get(file), found.get(file)) {
            (Some(then), Some(now)) if then == now => None,
            (Some(_), Some(_)) => Some(format!("  {file} has other bytes")),
            (Some(_), None) => Some(format!("  {file} is missing")),
            _ => Some(format!("  {file} is new")),
        })
        .collect();
    if problems.is_empty() {
        eprintln!("   {} files", found.len());
        return fs::remove_dir_all(&folder)
            .map_err(|error| format!("  cannot remove {}: {error}", folder.display()))
            .map(|()| Tally::one());
    }
    Err(format!("{}\n  see {} and xtask/data/runs.txt", problems.join("\n"), folder.display()))
}

/// Does the runs; gives the hash of each of their files.
fn fly(root: &Path, folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let runs = root.join("xtask/data/runs.txt");
    let text =
        fs::read_to_string(&runs).map_err(|error| format!("  cannot read {}: {error}", runs.display()))?;
    let mut hashes = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, arguments) = line.split_once(": ").ok_or_else(|| format!("  no run: {line}"))?;
        let own = folder.join(name);
        fs::create_dir_all(&own).map_err(|error| format!("  cannot make {}: {error}", own.display()))?;
        let assets = root.join("assets");
        let mut command = Command::new(binary(root));
        command.args(arguments.split_whitespace().map(|it| it.replace("ASSETS", &assets.to_string_lossy())));
        command.current_dir(&own).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.output().map_err(|error| format!("  cannot start {command:?}: {error}"))?;
        // 1 says that a threshold was not met, as a short training does not.
        if !matches!(output.status.code(), Some(0 | 1)) {
            return Err(format!("  {name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
        }
        for file in files(&own)? {
            let bytes =
                fs::read(&file).map_err(|error| format!("  cannot read {}: {error}", file.display()))?;
            let digits: Vec<String> =
                Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let below = file.strip_prefix(folder).unwrap_or(&file);
            hashes.insert(below.to_string_lossy().replace('\\', "/"), digits.concat());
        }
    }
    Ok(hashes)
}

/// The files below a folder that are compared.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(folder).map_err(|error| format!("  cannot list {}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path)?);
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A contract follows from the model beside it.
        let is_steady = !UNSTEADY.contains(&name.as_ref()) && !name.ends_with(".contract.json");
        if is_steady && path.extension().is_some_and(|it| KINDS.iter().any(|kind| *kind == it)) {
            found.push(path);
        }
    }
    Ok(found)
}

fn read(table: &Path) -> Result<BTreeMap<String, String>, String> {
    let text =
        fs::read_to_string(table).map_err(|error| format!("  cannot read {}: {error}", table.display()))?;
    let pairs = text.lines().filter_map(|line| line.split_once("  "));
    Ok(pairs.map(|(hash, file)| (file.to_owned(), hash.to_owned())).collect())
}
