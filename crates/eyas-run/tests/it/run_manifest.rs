use std::fs;

use eyas_run::config::Setting;
use eyas_run::manifest::{self, InputFile, Manifest};
use eyas_run::{Origin, RunDir, Value};

#[test]
fn inputs_are_fingerprinted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher.pt");
    fs::write(&path, b"abc").unwrap();
    let input = InputFile::read(&path).unwrap();
    assert_eq!(input.num_bytes, 3);
    // FIPS 180-4, the one-block example.
    assert_eq!(input.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert!(InputFile::read(directory.path().join("none")).is_err());
}

#[test]
fn the_manifest_says_how_to_repeat_the_run() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "a", "").unwrap();
    let setting = |key: &str, value: Value, origin| Setting { key: key.into(), value, origin };
    let manifest = Manifest {
        command_line: vec!["eyas".into(), "distill".into(), "--seed".into(), "7".into()],
        task: Some("Isaac-Quadcopter-Point-Ctrl-v0".into()),
        start: jiff::civil::date(2025, 1, 31).at(14, 5, 9, 0).in_tz("UTC").unwrap(),
        inputs: vec![InputFile { path: "a.pt".into(), num_bytes: 3, sha256: "ba78".into() }],
        config: vec![
            setting("agent.seed", 7.into(), Origin::flag("--seed")),
            setting("agent.clip", f64::INFINITY.into(), Origin::Default),
        ],
        ..Manifest::new("eyas 0.1.0", 7)
    };
    let path = run.manifest(&manifest).unwrap();
    insta::assert_snapshot!(fs::read_to_string(path).unwrap(), @r#"
    {
      "format": "eyas-manifest",
      "format_version": 1,
      "program": "eyas 0.1.0",
      "command_line": [
        "eyas",
        "distill",
        "--seed",
        "7"
      ],
      "task": "Isaac-Quadcopter-Point-Ctrl-v0",
      "seed": 7,
      "start": "2025-01-31T14:05:09+00:00",
      "inputs": [
        {
          "path": "a.pt",
          "num_bytes": 3,
          "sha256": "ba78"
        }
      ],
      "config": {
        "agent.seed": {
          "value": 7,
          "origin": "flag `--seed`"
        },
        "agent.clip": {
          "value": "inf",
          "origin": "default"
        }
      }
    }
    "#);
}

#[test]
fn a_run_tells_its_task_if_its_manifest_does() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "a", "").unwrap();
    let task = || manifest::task_of(run.path());
    assert_eq!(task().unwrap(), None, "there is no manifest yet");
    for id in [None, Some("Eyas-Raptor-v0".to_owned())] {
        run.manifest(&Manifest { task: id.clone(), ..Manifest::new("eyas 0.1.0", 7) }).unwrap();
        assert_eq!(task().unwrap(), id);
    }
    // As it was before tasks were written down.
    let path = run.file("manifest.json");
    fs::write(&path, r#"{"format": "eyas-manifest", "format_version": 1, "seed": 7}"#).unwrap();
    assert_eq!(task().unwrap(), None);
    fs::write(&path, r#"{"format": "eyas-man"#).unwrap();
    let error = task().unwrap_err();
    assert!(error.to_string().ends_with("manifest.json` is no manifest of a run"), "{error}");
    assert!(error.hint().is_some());
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_unicode_is_written_with_a_replacement() {
    use std::os::unix::ffi::OsStrExt as _;

    let path = std::ffi::OsStr::from_bytes(b"b\xff.pt").into();
    let inputs = vec![InputFile { path, num_bytes: 3, sha256: "ba78".into() }];
    let json = Manifest { inputs, ..Manifest::new("eyas 0.1.0", 7) }.to_json();
    assert!(json.contains("\"path\": \"b\u{fffd}.pt\""), "{json}");
}
