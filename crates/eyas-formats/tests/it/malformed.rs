//! A table of damaged and misshapen files, and what is said of each: what is wrong, where, and what to do.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, FormatError, LoadOptions};
use eyas_policy::{Activation, Architecture, Contract, Output, Policy};
use zip::CompressionMethod::Stored;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::fixtures::{data, network, normalizer};

/// Each entry: a format and a change to a whole file of it, and in the lines below what is said of the result.
const TABLE: &str = "malformed.txt";

/// A whole file of a format, by what the table calls it.
fn whole(format: &str, folder: &Path) -> PathBuf {
    let committed = |name: &str| {
        let to = folder.join(Path::new(name).file_name().unwrap());
        fs::copy(data(name), &to).unwrap();
        to
    };
    match format {
        "legacy" => return committed("containers_legacy.pt"),
        "rl_games" => return committed("foreign/rl_games_mlp.pth"),
        "sb3" => return committed("foreign/sb3_ppo_default/model.zip"),
        "skrl" => return committed("foreign/skrl_mlp.pt"),
        _ => {}
    }
    let kind: Kind = format.parse().unwrap();
    let policy = match kind {
        Kind::Px4 | Kind::RlTools => Policy {
            normalizer: None,
            network: network(Architecture::gru_student(22, 16, 4)),
            output: Output::Identity,
        },
        Kind::Px4Nn => Policy {
            normalizer: None,
            network: network(Architecture::mlp(15, &[8], 4, Activation::Relu)),
            output: Output::Identity,
        },
        _ => Policy {
            normalizer: Some(normalizer(5)),
            network: network(Architecture::mlp(5, &[4], 2, Activation::Elu)),
            output: Output::Identity,
        },
    };
    let contract = Contract::of(&policy);
    let export = Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
    let path = folder.join("policy").with_extension(kind.extension());
    convert::write(&path, kind, &export).unwrap();
    kind.artefact(&path)
}

/// Bytes as the table writes them: text with `\xNN` and `\n`.
fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(hex) = rest.strip_prefix("\\x") {
            bytes.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            rest = &hex[2..];
        } else if let Some(after) = rest.strip_prefix("\\n") {
            bytes.push(b'\n');
            rest = after;
        } else {
            bytes.extend(first.to_string().as_bytes());
            rest = &rest[first.len_utf8()..];
        }
    }
    bytes
}

/// The bytes after a change: `keep N` bytes, `keep -N` all but so many, `keep N%`; `put PLACE BYTES`, of which a negative place
/// counts from the end and a share from the beginning; `swap OLD => NEW` the first; `all OLD => NEW`; `only BYTES`. `in ENTRY
/// CHANGE` is one of an archive's entry, whose checksum is right again.
fn changed(bytes: &[u8], change: &str) -> Vec<u8> {
    let (verb, rest) = change.split_once(' ').unwrap();
    let place = |text: &str| match text.strip_suffix('%') {
        Some(share) => bytes.len() * share.parse::<usize>().unwrap() / 100,
        None if text.starts_with('-') => bytes.len() - text[1..].parse::<usize>().unwrap(),
        None => text.parse().unwrap(),
    };
    match verb {
        "keep" => bytes[..place(rest)].to_vec(),
        "put" => {
            let (at, new) = rest.split_once(' ').unwrap();
            let (at, new) = (place(at), bytes_of(new));
            let mut bytes = bytes.to_vec();
            bytes[at..at + new.len()].copy_from_slice(&new);
            bytes
        }
        "swap" | "all" => {
            let (old, new) = rest.split_once(" =>").unwrap();
            let (old, new) = (bytes_of(old), bytes_of(new.strip_prefix(' ').unwrap_or(new)));
            let mut out = Vec::new();
            let mut rest = bytes;
            assert!(rest.windows(old.len()).any(|it| it == old), "no {} in the file", old.escape_ascii());
            while let Some(at) = rest.windows(old.len()).position(|it| it == old) {
                out.extend(&rest[..at]);
                out.extend(&new);
                rest = &rest[at + old.len()..];
                if verb == "swap" {
                    break;
                }
            }
            out.extend(rest);
            out
        }
        "only" => bytes_of(rest),
        "in" => {
            let (entry, change) = rest.split_once(' ').unwrap();
            let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
            let mut out = ZipWriter::new(Cursor::new(Vec::new()));
            for index in 0..archive.len() {
                let mut file = archive.by_index(index).unwrap();
                let name = file.name().unwrap().into_owned();
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                let bytes = if name.ends_with(entry) { changed(&bytes, change) } else { bytes };
                out.start_file(name, SimpleFileOptions::default().compression_method(Stored)).unwrap();
                out.write_all(&bytes).unwrap();
            }
            out.finish().unwrap().into_inner()
        }
        _ => panic!("no change is called `{verb}`"),
    }
}

fn read(format: &str, path: &Path) -> Result<(), FormatError> {
    let checkpoint = Checkpoint::read(path)?;
    // The one file in torch's container of before 1.6 that is here holds tensors of every type, and no policy.
    if format == "legacy" {
        return Ok(());
    }
    let policy = checkpoint.policy(&LoadOptions::default())?.policy;
    checkpoint.contract_for(&policy)?;
    Ok(())
}

/// What a command would print, with the file called FILE.
fn said_of(path: &Path, error: &FormatError) -> String {
    let mut said = format!("error: {error}");
    let mut cause = error.source();
    while let Some(it) = cause {
        write!(said, "\ncaused by: {it}").unwrap();
        cause = it.source();
    }
    if let Some(hint) = error.hint() {
        write!(said, "\nhint: {hint}").unwrap();
    }
    let folder = path.parent().unwrap().display().to_string();
    said.replace(&path.display().to_string(), "FILE").replace(&folder, "FOLDER")
}

#[test]
fn every_malformed_file_of_the_table_gets_the_error_that_it_states() {
    let mut text = fs::read_to_string(data(TABLE)).unwrap();
    let mut found = String::new();
    let mut seen = BTreeSet::new();
    for entry in text.lines().filter(|line| !line.starts_with("  ")) {
        writeln!(found, "{entry}").unwrap();
        let Some((format, change)) = entry.split_once(": ").filter(|_| !entry.starts_with('#')) else {
            continue;
        };
        assert!(seen.insert(entry), "{entry} stands there twice");
        let folder = tempfile::tempdir().unwrap();
        let path = whole(format, folder.path());
        read(format, &path).unwrap_or_else(|error| panic!("{format}: the whole file is read: {error}"));
        let bytes = fs::read(&path).unwrap();
        let broken = changed(&bytes, change);
        assert!(bytes != broken, "{entry} changes nothing");
        fs::write(&path, broken).unwrap();
        let said = match read(format, &path) {
            Ok(()) => "nothing: it is read".to_owned(),
            Err(error) => said_of(&path, &error),
        };
        for line in said.lines() {
            writeln!(found, "  {line}").unwrap();
        }
    }
    assert!(seen.len() >= 100, "{} files", seen.len());
    if std::env::var_os("EYAS_ACCEPT").is_some() {
        fs::write(data(TABLE), &found).unwrap();
        text.clone_from(&found);
    }
    assert!(!found.contains("nothing: it is read"), "a file of the table is no longer refused:\n{found}");
    for (found, stated) in found.lines().zip(text.lines()) {
        assert_eq!(found, stated, "EYAS_ACCEPT=1 accepts what is said now");
    }
    assert_eq!(found.lines().count(), text.lines().count());
}
