//! One command makes a run for each combination of swept values, and loses none of them.

use std::fs;
use std::process::Stdio;

use eyas_run::RunDir;

use crate::goes_on::LONG;
use crate::program::{Workspace, assert_in_order};

/// A distillation of a tenth of a second, many times.
const SWEEP: &str = "--quiet --n_epochs 2 --num_episodes 4 --epoch_teacher_forcing 1 distill.episode_steps=60 \
                     distill.samples_per_epoch=500 distill.eval_episodes=8 distill.eval_steps=60 distill.final_episodes=8 \
                     distill.student.hidden_dims=[8],[16,16] distill.learning_rate=choice(1e-3,1e-4) --multirun";

#[test]
fn every_combination_is_a_run_of_its_own() {
    let it = Workspace::with_teacher();
    let stdout = it.distill(SWEEP).succeed();
    assert_in_order(&stdout, &["Multirun of 4 jobs", "job  distill.student.hidden_dims", "4 of 4 jobs"]);
    let run = &it.runs("multirun", "distill")[0];
    let table = fs::read_to_string(run.join("multirun.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_in_order(lines[0], &["job,distill.student.hidden_dims,distill.learning_rate,state,mean_return"]);
    for (line, start) in lines[1..].iter().zip([
        "0,[8],1e-3,done,",
        "1,[8],1e-4,done,",
        "2,\"[16,16]\",1e-3,done,",
        "3,\"[16,16]\",1e-4,done,",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(fs::read(run.join("multirun.png")).unwrap().starts_with(b"\x89PNG"));

    // A job has the bytes of the same run alone, and what a run has.
    let alone = SWEEP.replace("[8],[16,16]", "[16,16]").replace("choice(1e-3,1e-4)", "1e-4");
    it.distill(&alone.replace("--multirun", "--run_dir alone")).succeed();
    let student = |run: &std::path::Path| fs::read(run.join("best_student.pt")).unwrap();
    assert!(student(&run.join("3")) == student(&it.path("alone")), "the bytes differ");
    let manifest = fs::read_to_string(run.join("3/manifest.json")).unwrap();
    assert!(manifest.contains("override `distill.learning_rate=1e-4`"), "{manifest}");
}

#[test]
fn a_resumed_multirun_runs_only_what_is_left() {
    let it = Workspace::with_teacher();
    it.distill(SWEEP).arg("--run_dir").arg("sweep").succeed();
    let read = |name: &str| fs::read(it.path("sweep").join(name)).unwrap();
    let whole = read("2/final_student.pt");
    // As if the third job had been killed after its first epoch.
    for name in ["2/result.json", "2/final_student.pt", "2/checkpoint_epoch_2.pt"] {
        _ = fs::remove_file(it.path("sweep").join(name));
    }
    let stdout = it.distill(SWEEP).and("--resume --run_dir sweep --jobs 1").succeed();
    assert!(stdout.contains("[2] ") && !stdout.contains("[0] "), "{stdout}");
    assert!(whole == read("2/final_student.pt"), "the bytes differ");

    let other = SWEEP.replace("1e-4", "1e-5");
    it.distill(&other).and("--resume --run_dir sweep").fail_with(&["other jobs", "hint: resume it with"]);
}

#[test]
fn a_job_that_fails_takes_no_other_with_it() {
    let it = Workspace::with_teacher();
    let broken = SWEEP.replace("choice(1e-3,1e-4)", "1e-3,1e20");
    let ended = it.distill(&broken).run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_in_order(&ended.stdout, &["2 of 4 jobs"]);
    assert!(ended.stdout.contains("failed: epoch "));
    let table = fs::read_to_string(it.runs("multirun", "distill")[0].join("multirun.csv")).unwrap();
    assert!(table.contains("1,[8],1e20,failed,"), "{table}");
}

#[test]
fn what_cannot_be_swept_is_refused_before_anything_runs() {
    let it = Workspace::with_teacher();
    it.distill("seed=1,2").fail_with(&["a comma outside of brackets is a sweep", "--multirun"]);
    it.distill("seed=range(0) --multirun").fail_with(&["`range` has 0 values"]);
    it.distill("seed=1,2 --multirun --jobs 0").fail_with(&["`--jobs` is 0"]);
    it.distill("seed=1,2 --jobs 2").fail_with(&["--multirun"]);
    it.distill("seed=1 --seed 2").fail_with(&["`agent.seed` is given twice", "hint: leave one of them out"]);
    assert!(!it.path("logs").exists());
    fs::create_dir(it.path("full")).unwrap();
    fs::write(it.path("full/notes.txt"), "mine").unwrap();
    it.distill("seed=1,2 --multirun --run_dir full").fail_with(&["`full` is there already", "--resume"]);
    assert_eq!(fs::read_to_string(it.path("full/notes.txt")).unwrap(), "mine");
}

/// They used to go on, and to write into the folders of the jobs of a resumed multirun.
#[test]
fn jobs_of_a_killed_multirun_write_a_checkpoint_and_end() {
    let it = Workspace::with_teacher();
    let sweep = format!("{LONG} --quiet distill.learning_rate=1e-3,1e-4 --multirun --run_dir sweep");
    let jobs = ["0", "1"].map(|name| it.path("sweep").join(name));
    let log = || fs::read_to_string(it.path("sweep/0.log")).unwrap_or_default();
    let mut multirun = it.distill(&format!("{sweep} --jobs 1")).spawn_with(Stdio::null());
    while !log().contains("Epoch 3/400") {
        assert!(multirun.try_wait().unwrap().is_none(), "{}", log());
        std::thread::yield_now();
    }
    multirun.kill().unwrap();
    multirun.wait().unwrap();
    // It takes up the jobs as soon as their folders are free.
    let stdout = it.distill(&format!("{sweep} --resume")).succeed();
    assert!(stdout.contains("2 of 2 jobs"), "{stdout}");
    assert_in_order(
        &log(),
        &["Interrupted after epoch", "Loading model checkpoint from", "Training completed!"],
    );
    assert!(jobs.iter().all(|job| !RunDir::is_in_use(job)));
}

#[test]
fn a_multirun_killed_before_it_wrote_its_jobs_down_is_begun_by_its_resume() {
    let it = Workspace::with_teacher();
    fs::create_dir(it.path("sweep")).unwrap();
    for left in [".eyas.lock", ".multirun.json.7-1f-0.tmp"] {
        fs::write(it.path("sweep").join(left), "").unwrap();
    }
    let stdout = it.distill(SWEEP).and("--resume --run_dir sweep").succeed();
    assert!(stdout.contains("4 of 4 jobs"), "{stdout}");
}
