use std::fs;
use std::path::Path;

use eyas_run::run_dir::{Resumable, find_resumable, find_run, find_run_dir};
use eyas_run::{RunDir, RunError, Value};
use jiff::ZonedDateTime;

fn start() -> ZonedDateTime {
    jiff::civil::date(2025, 1, 31).at(14, 5, 9, 0).in_tz("UTC").unwrap()
}

/// A manifest of this program's own, as [`touch`] makes it.
const MANIFEST: &str = "./manifest.json";

/// Makes empty files, and [`MANIFEST`]; their directories come with them.
fn touch(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text: &[u8] = if *file == MANIFEST { br#"{"format": "eyas-manifest"}"# } else { b"" };
        fs::write(path, text).unwrap();
    }
}

#[test]
fn the_name_is_the_start_and_the_run_name() {
    let root = tempfile::tempdir().unwrap();
    let plain = RunDir::create_at(root.path(), "point_ctrl", "", &start()).unwrap();
    let named = RunDir::create_at(root.path(), "point_ctrl", "gru", &start()).unwrap();
    assert_eq!(plain.path(), root.path().join("point_ctrl/2025-01-31_14-05-09"));
    assert_eq!(named.path(), root.path().join("point_ctrl/2025-01-31_14-05-09_gru"));
    assert_eq!(named.file("best_student.pt"), named.path().join("best_student.pt"));
    assert_eq!(named.videos("distillation"), named.path().join("videos/distillation"));
    assert_eq!(RunDir::open(named.path()).unwrap().path(), named.path());
}

#[test]
fn runs_of_one_second_get_their_own_directories() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..3)
        .map(|_| RunDir::create_at(root.path(), "a", "b", &start()).unwrap())
        .map(|run| run.path().file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["2025-01-31_14-05-09_b", "2025-01-31_14-05-09_b_1", "2025-01-31_14-05-09_b_2"]);
}

#[test]
fn names_that_leave_the_directory_are_rejected() {
    let root = tempfile::tempdir().unwrap();
    for name in ["..", ".", "a/b", "/a", "a/", r"a\b", "a\0"] {
        let experiment = RunDir::create(root.path(), name, "").unwrap_err();
        let run = RunDir::create(root.path(), "a", name).unwrap_err();
        assert!(matches!(experiment, RunError::NotAName { name: "experiment_name", .. }), "{name}");
        assert!(matches!(run, RunError::NotAName { name: "run_name", .. }), "{name}");
    }
    assert!(RunDir::create(root.path(), "", "").is_err());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn params_are_written_beside_the_run() {
    let root = tempfile::tempdir().unwrap();
    let run = RunDir::create(root.path(), "a", "").unwrap();
    run.params("env", &"{seed: 1}".parse().unwrap()).unwrap();
    let path = run.file("params/env.yaml");
    assert_eq!(path, run.path().join("params/env.yaml"));
    assert_eq!(fs::read_to_string(path).unwrap(), "seed: 1\n");
    assert!(run.params("../env", &Value::Null).is_err());
}

#[test]
fn the_newest_checkpoint_of_the_newest_run_is_found() {
    let root = tempfile::tempdir().unwrap();
    touch(
        root.path(),
        &[
            "2025-01-01_00-00-00/model_5000.pt",
            "2025-01-02_00-00-00/model_999.pt",
            "2025-01-02_00-00-00/model_1000.pt",
            "2025-01-02_00-00-00/params/env.yaml",
            "2025-01-03.txt",
        ],
    );
    let newest = root.path().join("2025-01-02_00-00-00");
    assert_eq!(find_run(root.path(), ".*", "model_.*.pt").unwrap(), newest.join("model_1000.pt"));
    assert_eq!(find_run(root.path(), ".*", "model_9").unwrap(), newest.join("model_999.pt"));
    assert_eq!(find_run_dir(root.path(), "2025-01-01").unwrap(), root.path().join("2025-01-01_00-00-00"));
    let either = find_run(root.path(), "x|2025-01-01", "model").unwrap();
    assert!(either.ends_with("2025-01-01_00-00-00/model_5000.pt"));
}

/// Names longer than Isaac Lab's padding used to sort by their first digit: epoch 90 after epoch 100.
#[test]
fn the_newest_checkpoint_is_found_however_long_its_name() {
    let root = tempfile::tempdir().unwrap();
    touch(
        root.path(),
        &["run/checkpoint_epoch_90.pt", "run/checkpoint_epoch_100.pt", "run/checkpoint_epoch_1.pt"],
    );
    let newest = find_run(root.path(), ".*", "checkpoint_epoch_.*.pt").unwrap();
    assert!(newest.ends_with("run/checkpoint_epoch_100.pt"), "{}", newest.display());
}

#[test]
fn a_run_without_a_checkpoint_can_be_begun_anew() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["run/best_model.pt"]);
    let find = || find_resumable(root.path(), ".*", "model_.*.pt", "model_");
    assert_eq!(find().unwrap(), Resumable { run: root.path().join("run"), checkpoint: None });
    touch(root.path(), &["run/model_5.pt"]);
    assert_eq!(find().unwrap().checkpoint, Some(root.path().join("run/model_5.pt")));
    assert!(
        find_resumable(root.path(), ".*", "model_6", "model_").is_err(),
        "what was asked for is not there"
    );
    touch(root.path(), &["run_trajectory_tracking/tracking_statistics.txt"]);
    assert!(find_resumable(root.path(), "run_t", "model_.*.pt", "model_").is_err(), "a flight is no run");
}

#[test]
fn patterns_match_from_the_start_only() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["run/best_model.pt"]);
    assert!(find_run(root.path(), "run", "best").is_ok());
    assert!(find_run(root.path(), "run", "model").is_err());
    assert!(find_run(root.path(), "un", "best").is_err());
}

#[test]
fn a_failed_search_lists_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["run/best_student.pt", "run/notes.txt"]);
    let error = find_run(root.path(), ".*", "model_.*.pt").unwrap_err();
    let shown = error.to_string().replace(root.path().to_str().unwrap(), "ROOT");
    assert_eq!(shown, "no checkpoint in `ROOT/run` matches `model_.*.pt`");
    assert_eq!(error.hint().unwrap(), "it holds `best_student.pt`, `notes.txt`");
    let error = find_run(root.path(), "2025", ".*").unwrap_err();
    assert_eq!(error.hint().unwrap(), "it holds `run`");
    assert!(matches!(find_run(root.path(), "(", ".*").unwrap_err(), RunError::Pattern { .. }));
    assert!(matches!(find_run(root.path().join("none"), "", "").unwrap_err(), RunError::Io { .. }));
}

#[test]
fn a_run_goes_on_in_a_folder_of_its_own_kind() {
    let kind = ["env", "agent", "distill"];
    let resumable = |files: &[&str], checkpoint: Option<&str>| {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), files);
        let run = root.path().to_owned();
        let checkpoint = checkpoint.map(|name| run.join(name));
        let outcome = Resumable { run, checkpoint }.open(&kind);
        outcome.map(|_| ()).map_err(|error| {
            let shown = error.to_string().replace(root.path().to_str().unwrap(), "ROOT");
            (shown, error.hint().unwrap())
        })
    };
    let whole = [".eyas.lock", "params/env.yaml", "params/agent.yaml", "params/distill.yaml", MANIFEST];
    for killed_at in 0..=whole.len() {
        assert_eq!(resumable(&whole[..killed_at], None), Ok(()), "{killed_at} files");
    }
    assert_eq!(
        resumable(&[".eyas.lock", "params/.env.yaml.1-0.tmp"], None),
        Ok(()),
        "killed while it wrote the first"
    );

    let hint = "`--resume` goes on with a run of the same command, whose folder has params `env`, `agent`, `distill`";
    let refused = |holds: &str| Err((format!("`ROOT` holds {holds}"), hint.to_owned()));
    let training = ["params/env.yaml", "params/agent.yaml", MANIFEST];
    assert_eq!(resumable(&training, None), refused("another run, with params `agent`, `env`"));
    let fleet = ["params/env.yaml", "params/agent.yaml", "params/fleet.yaml", MANIFEST];
    assert_eq!(resumable(&fleet, None), refused("another run, with params `agent`, `env`, `fleet`"));
    assert_eq!(resumable(&["thesis.tex"], None), refused("no run"));
}

/// `--resume` used to write its own settings over those of Isaac Lab, and then refused Isaac Lab's checkpoints.
#[test]
fn a_run_that_another_program_wrote_is_not_gone_on_with() {
    for files in
        [&["params/env.yaml", "params/agent.yaml", "model_1.pt"][..], &["model_1.pt", "manifest.json"]]
    {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), files);
        let checkpoint = Some(root.path().join("model_1.pt"));
        let error =
            Resumable { run: root.path().to_owned(), checkpoint }.open(&["env", "agent"]).unwrap_err();
        assert!(matches!(error, RunError::Foreign { .. }), "{error}");
        assert!(error.hint().unwrap().contains("--checkpoint FILE"));
        assert!(!root.path().join(".eyas.lock").exists(), "nothing is written");
    }
}

#[test]
fn one_process_at_a_time_has_a_run() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("run");
    let run = RunDir::create_as(&path).unwrap();
    // A lock belongs to an open file, so that a second one of this process stands for another process.
    for refused in [RunDir::create_as(&path), RunDir::open(&path).unwrap().lock()] {
        let error = refused.unwrap_err();
        let RunError::InUse { holder, .. } = &error else { panic!("{error}") };
        assert!(holder.starts_with(&format!("process {} on ", std::process::id())), "{holder}");
    }
    assert!(RunDir::is_in_use(&path));
    drop(run.clone());
    assert!(RunDir::is_in_use(&path), "a clone is left");
    drop(run);
    assert!(!RunDir::is_in_use(&path));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "no file is left");
}

/// Process ids repeat in containers, and the file of a killed process stays.
#[test]
fn the_lock_of_a_killed_process_is_taken_over() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(".eyas.lock"), format!("process {} on here", std::process::id())).unwrap();
    assert!(!RunDir::is_in_use(root.path()));
    let run = RunDir::create_as(root.path()).unwrap();
    assert!(RunDir::is_in_use(run.path()));
}

#[test]
fn many_processes_that_want_one_run_get_it_one_after_the_other() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let root = tempfile::tempdir().unwrap();
    let (inside, had) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut own = 0;
                while own < 20 {
                    let Ok(run) = RunDir::open(root.path()).unwrap().lock() else { continue };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have it");
                    had.fetch_add(1, Ordering::SeqCst);
                    own += 1;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(run);
                }
            });
        }
    });
    assert_eq!(had.load(Ordering::SeqCst), 160);
}

#[test]
fn what_a_killed_process_left_half_written_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let left = [".model_4.pt.1-0.tmp", "params/.env.yaml.7-18f3a-2.tmp", "notes.tmp", ".eyas.lock"];
    touch(root.path(), &left);
    let run = RunDir::open(root.path()).unwrap().lock().unwrap();
    assert_eq!(left.map(|name| run.file(name).exists()), [false, false, true, true]);
}
