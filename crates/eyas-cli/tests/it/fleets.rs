//! A fleet's teachers are one job, and many teachers make one student.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Workspace, assert_in_order, files};

const TASK: &str = "--task Eyas-Raptor-v0";
/// A second of training for each teacher, which is too little to be accepted.
const SHORT: &str = "--max_iterations 20 agent.algorithm.window_steps=40 agent.eval_interval=10 fleet.eval_episodes=32 \
                     fleet.max_attempts=1 fleet.required_return=-1000 fleet.max_terminated=1 fleet.max_own_terminated=1 --quiet";
/// A distillation of seconds.
const TINY: &str = "--quiet --n_epochs 4 distill.samples_per_epoch=20000 --num_episodes 4 --epoch_teacher_forcing 2 distill.batch_size=16 \
                    distill.eval_interval=2 distill.eval_episodes=32 distill.final_episodes=32 distill.teachers.admission_episodes=8 \
                    distill.registry_interval=2 distill.registry_episodes=4 distill.save_interval=2";

/// The teachers that come with the program.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/teachers/raptor")
}

fn distill(it: &Workspace, more: &str) -> String {
    it.eyas(&format!("distill {TASK} {TINY}")).arg("--teacher_dir").arg(shipped()).and(more).succeed()
}

#[test]
fn every_vehicle_of_a_fleet_gets_a_teacher_and_a_resumed_job_the_same_bytes() {
    let it = Workspace::empty();
    it.eyas("vehicles sample --num 3 --seed 5 --out fleet").succeed();
    let train = format!("train {TASK} --vehicles fleet {SHORT}");
    let stdout = it.eyas(&format!("{train} --threads 1")).succeed();
    assert!(stdout.contains("3 of 3 teachers") && stdout.contains("--teacher_dir"), "{stdout}");
    let run = it.runs("rsl_rl", "raptor_fleet")[0].clone();
    for name in ["ranking.csv", "teacher_dynamics.csv", "teacher_0002/vehicle.json", "params/fleet.yaml"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    assert_eq!(fs::read_to_string(run.join("ranking.csv")).unwrap().lines().count(), 4);
    let log = fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log.ends_with(&stdout[stdout.find("3 of 3 teachers").unwrap()..]), "{log}");
    let models = || [0, 1, 2].map(|id| fs::read(run.join(format!("teacher_000{id}/best_model.pt"))).unwrap());
    let whole = models();
    // As if it had been killed while it wrote the second teacher.
    fs::remove_file(run.join("teacher_0001/result.json")).unwrap();
    fs::remove_file(run.join("teacher_0001/best_model.pt")).unwrap();
    let stdout = it.eyas(&format!("{train} --threads 2 --resume")).succeed();
    assert!(stdout.contains("2 of 3 teachers are there already"), "{stdout}");
    assert!(whole == models(), "the bytes differ");

    // Shards are parts of the same job.
    it.eyas(&format!("{train} --shard 2/2 --run_name shard")).succeed();
    let shard = it.runs("rsl_rl", "raptor_fleet").pop().unwrap();
    assert!(fs::read(shard.join("teacher_0001/best_model.pt")).unwrap() == whole[1]);
    assert!(!shard.join("teacher_0000").exists());
}

#[test]
fn a_teacher_below_the_bar_fails_the_job_but_loses_nothing() {
    let it = Workspace::empty();
    it.eyas("vehicles sample --num 2 --seed 5 --out fleet").succeed();
    let strict = SHORT.replace("required_return=-1000", "required_return=749");
    let ended = it.eyas(&format!("train {TASK} --vehicles fleet {strict}")).run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let run = &it.runs("rsl_rl", "raptor_fleet")[0];
    assert!(fs::read_to_string(run.join("ranking.csv")).unwrap().contains(",false,1,"));
    assert!(run.join("teacher_0001/best_model.pt").is_file());
}

#[test]
fn many_teachers_make_one_student_that_does_not_depend_on_threads() {
    let students = [1, 2].map(|threads| {
        let it = Workspace::empty();
        let stdout = distill(&it, &format!("--teacher_ids 3,45,54,113,131,159,163,191 --threads {threads}"));
        assert!(stdout.contains("8 of 8 teachers on their own vehicles"), "{stdout}");
        assert!(
            stdout.contains("Test - crazyflie") && stdout.contains("Student parameters: 2068"),
            "{stdout}"
        );
        let run = it.distillation("raptor");
        let stats = fs::read_to_string(run.join("test_stats.csv")).unwrap();
        assert!(run.join("result.json").is_file());
        assert_eq!(stats.lines().next().unwrap().split(',').count(), 9);
        // Seven vehicles after the second and the fourth epoch, and the best student once more.
        assert_eq!(stats.lines().count(), 1 + 3 * 7, "{stats}");
        assert_eq!(fs::read_to_string(run.join("epochs.csv")).unwrap().lines().count(), 5);
        assert_eq!(fs::read_to_string(run.join("teachers.csv")).unwrap().lines().count(), 9);
        fs::read(run.join("final_student.pt")).unwrap()
    });
    assert!(students[0] == students[1], "the bytes differ");
}

#[test]
fn a_distillation_of_many_goes_on_with_the_same_bytes() {
    for more in [
        "--on_policy",
        "--no_on_policy",
        "--active hardest --num_active_teachers 2",
        "distill.teachers.teacher_student_mix=1",
    ] {
        let it = Workspace::empty();
        let settings = format!("--teacher_ids 3,45,54,113 distill.teachers.vehicles_per_epoch=3 {more}");
        distill(&it, &settings);
        let run = it.distillation("raptor");
        let whole = fs::read(run.join("final_student.pt")).unwrap();
        if more == "--on_policy" {
            fs::remove_file(run.join("final_student.pt")).unwrap();
            fs::remove_file(run.join("checkpoint_epoch_4.pt")).unwrap();
            distill(&it, &format!("{settings} --resume"));
            assert!(whole == fs::read(run.join("final_student.pt")).unwrap(), "{more}");
            assert_eq!(fs::read_to_string(run.join("epochs.csv")).unwrap().lines().count(), 5);
        }
        assert!(files(&run).iter().any(|file| file == "best_student.pt"));
    }
}

#[test]
fn checkpoints_bring_the_vehicles_beside_them() {
    let it = Workspace::empty();
    let path = |id: &str| shipped().join(format!("teacher_{id}/best_model.pt"));
    let tiny = format!("distill {TASK} {TINY} distill.registry_interval=0 --student gru");
    let one = || it.eyas(&tiny).arg("--teacher_checkpoint").arg(path("0003"));
    assert!(one().succeed().contains("1 of 1 teachers on their own vehicles"));
    assert!(one().and("--vehicle x500").succeed().contains("Teacher self-check"));
    let two = || one().arg("--teacher_checkpoint").arg(path("0045"));
    assert!(two().succeed().contains("2 of 2 teachers on their own vehicles"));
    two().and("--vehicle x500").fail_with(&["each of many teachers has a vehicle of its own"]);
    two().arg("--teacher_checkpoint").arg(path("0003")).fail_with(&["names a file twice"]);
}

#[test]
fn the_original_constants_are_a_preset() {
    let it = Workspace::empty();
    distill(&it, "--teacher_ids 3,45 --preset raptor");
    let run = it.distillation("raptor");
    let env = fs::read_to_string(run.join("params/env.yaml")).unwrap();
    assert!(env.contains("observation: absolute") && env.contains("protocol: raptor"), "{env}");
    let settings = fs::read_to_string(run.join("params/distill.yaml")).unwrap();
    assert!(
        settings.contains("sequence_length: 500") && settings.contains("learning_rate: 0.0001"),
        "{settings}"
    );
}

#[test]
fn weak_teachers_stop_a_run_or_are_left_out() {
    let it = Workspace::empty();
    let arguments = format!("distill {TASK} {TINY} --teacher_ids 3,45,54 distill.teachers.solved_return=740");
    for (more, parts) in [
        ("", ["3 of 3 teachers are not admitted: 3, 45, 54", "--on_weak_teacher skip"]),
        ("--on_weak_teacher skip", ["no teacher is admitted", "solved_return"]),
    ] {
        let ended = it.eyas(&arguments).arg("--teacher_dir").arg(shipped()).and(more).run();
        assert_eq!(ended.code, Some(2));
        assert_in_order(&ended.stderr, &parts);
        assert!(ended.stdout.contains("[WARNING] Teacher 45: return "), "{}", ended.stdout);
    }
    assert!(!it.path("logs").exists(), "a refused run leaves no folder");
}

#[test]
fn what_is_missing_or_named_twice_is_said_before_any_work() {
    let it = Workspace::empty();
    let try_with = |more: &str, parts: &[&str]| {
        it.eyas(&format!("distill {TASK} {TINY}"))
            .arg("--teacher_dir")
            .arg(shipped())
            .and(more)
            .fail_with(parts);
    };
    try_with("--teacher_ids 3,4", &["`--teacher_ids`: there is no teacher 4", "16 teachers, 3 to 909"]);
    try_with("--teacher_ids 3,3", &["names 3 twice"]);
    try_with("--teacher_ids 9-3", &["`9-3` is no number and no range"]);
    try_with("--exclude_teacher_ids 5", &["`--exclude_teacher_ids`: there is no teacher 5"]);
    try_with("--active hardest", &["num_active_teachers", "give both"]);

    let copy = |from: &str, to: &str| {
        fs::create_dir_all(it.path(to).parent().unwrap()).unwrap();
        fs::copy(shipped().join(from), it.path(to)).unwrap();
    };
    for id in ["0003", "0045"] {
        copy(&format!("teacher_{id}/best_model.pt"), &format!("t/teacher_{id}/best_model.pt"));
        copy(&format!("teacher_{id}/vehicle.json"), &format!("t/teacher_{id}/vehicle.json"));
    }
    fs::remove_file(it.path("t/teacher_0045/vehicle.json")).unwrap();
    let distill = format!("distill {TASK} {TINY} --teacher_dir t");
    it.eyas(&distill).fail_with(&["teacher 45 has no vehicle", "teacher_0045", "vehicle.json"]);
    let vehicle = fs::read_to_string(it.path("t/teacher_0003/vehicle.json")).unwrap();
    let mass = vehicle.lines().find(|line| line.contains("\"mass\"")).unwrap_or("\"mass\": ").to_owned();
    fs::write(it.path("t/teacher_0045/vehicle.json"), vehicle.replace("\"mass\": ", "\"mass\": -")).unwrap();
    it.eyas(&distill).fail_with(&["mass", "teacher_0045"]);
    assert!(mass.contains("mass"));
    fs::remove_file(it.path("t/teacher_0045/best_model.pt")).unwrap();
    fs::write(it.path("t/teacher_0045/vehicle.json"), vehicle).unwrap();
    it.eyas(&distill).fail_with(&["a teacher without a model", "teacher_0045"]);
    let train = format!("train {TASK} --vehicles t/teacher_0003/vehicle.json");
    it.eyas(&format!("{train} --num_teachers 2")).fail_with(&["the fleet has 1 vehicles"]);
    it.eyas(&format!("{train} --shard 3/2")).fail_with(&["`--shard 3/2`: expected I/N"]);
    it.eyas("train --task Isaac-Quadcopter-Point-Ctrl-v0 --vehicles t").fail_with(&["--vehicles"]);
    assert!(!it.path("logs/distillation").exists(), "something was begun");
}

#[test]
fn a_fleet_is_measured_vehicle_by_vehicle() {
    let it = Workspace::empty();
    it.eyas("vehicles sample --num 5 --seed 5 --out fleet").succeed();
    it.eyas(&format!("eval {TASK} --vehicles fleet --episodes 20 --per_vehicle table.csv"))
        .arg("--checkpoint")
        .arg(shipped().join("teacher_0003/best_model.pt"))
        .succeed();
    let table = fs::read_to_string(it.path("table.csv")).unwrap();
    assert_eq!(table.lines().count(), 6);
    assert!(table.lines().nth(1).unwrap().split(',').nth(1) == Some("4"), "{table}");
}

#[test]
fn the_shipped_student_flies_the_vehicles_of_the_shipped_teachers() {
    let it = Workspace::empty();
    // 681 over the fleet that they are from; 637 for the student that RAPTOR released.
    it.eyas(&format!("eval {TASK} --episodes 320 --require_return 660 env.protocol=raptor"))
        .arg("--checkpoint")
        .arg(shipped().join("../../students/raptor.pt"))
        .arg("--vehicles")
        .arg(shipped().join("teacher_dynamics.csv"))
        .succeed();
}
