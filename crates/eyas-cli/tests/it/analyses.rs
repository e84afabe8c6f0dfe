//! `eyas analyze` measures teachers, memories and delays, and says what it cannot measure.

use std::fs;

use crate::program::{Workspace, assert_in_order, data, files};

/// Two teachers of a second's training, in `logs`.
fn with_teachers() -> (Workspace, String) {
    let it = Workspace::empty();
    it.eyas("vehicles sample --num 4 --seed 3 --out fleet").succeed();
    it.eyas("train --task Eyas-Raptor-v0 --vehicles fleet --num_teachers 2 --max_iterations 4 --quiet")
        .and("agent.algorithm.window_steps=20 agent.eval_interval=4")
        .run();
    let folder = it.runs("rsl_rl", "raptor_fleet")[0].display().to_string();
    (it, folder)
}

/// Rows of a table, each of as many cells as the header, which is left out.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> =
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{text}");
    rows.remove(0);
    rows
}

fn student() -> String {
    data("rltools_released_student.h5").display().to_string()
}

/// Runs on one thread and on three, in directories of their own; returns stdout and the table.
fn same_on_any_number_of_threads(it: &Workspace, name: &str, command: &str) -> [String; 2] {
    let run = |threads: u32| {
        let out = format!("{name}_{threads}");
        let stdout = it.eyas(&format!("analyze {command} --out {out} --threads {threads}")).succeed();
        let folder = it.path(&out);
        assert_eq!(files(&folder), [format!("{name}.csv"), format!("{name}.png")]);
        let png = fs::read(folder.join(format!("{name}.png"))).unwrap();
        assert_eq!(&png[..4], b"\x89PNG");
        (stdout, fs::read_to_string(folder.join(format!("{name}.csv"))).unwrap(), png)
    };
    let (one, three) = (run(1), run(3));
    assert!(one == three, "results depend on the threads");
    [one.0, one.1]
}

#[test]
fn every_teacher_flies_on_every_vehicle() {
    let (it, teachers) = with_teachers();
    let command = format!("matrix --teacher_dir {teachers} --episodes 3 --steps 40 env.protocol=raptor");
    let [stdout, table] = same_on_any_number_of_threads(&it, "matrix", &command);
    assert_in_order(&stdout, &["vehicle", "best teacher", "crazyflie", "x500", "soft_rigid"]);
    let rows = rows(&table);
    assert!(table.starts_with("teacher,crazyflie,x500,"), "{table}");
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["0", "1"]);
    assert!(rows.iter().all(|row| row.len() == 10));

    let command =
        format!("matrix --teacher_dir {teachers} --teacher_ids 1 --vehicles fleet --episodes 2 --steps 9");
    it.eyas(&format!("analyze {command}")).succeed();
    let table = fs::read_to_string(it.path("analysis/matrix.csv")).unwrap();
    assert!(table.starts_with("teacher,0000,0001,0002,0003\n1,"), "{table}");
    it.eyas(&format!("analyze matrix --teacher_dir {teachers} --teacher_ids 5 --out none"))
        .fail_with(&["there is no teacher 5", "2 teachers, 0 to 1"]);
    it.eyas(&format!("analyze matrix --teacher_dir {teachers} --episodes 0 --out none"))
        .fail_with(&["`--episodes`"]);
    it.eyas(&format!("analyze matrix --teacher_dir {teachers} --vehicles nowhere --out none"))
        .fail_with(&["--> nowhere"]);
    it.eyas(&format!("analyze matrix --teacher_dir {teachers} --out none env.protocoll=raptor"))
        .fail_with(&["env.protocoll"]);
    assert!(!it.path("none").exists());
}

#[test]
fn a_memory_tells_the_thrust_of_vehicles_it_was_not_fitted_to() {
    let it = Workspace::empty();
    it.eyas("vehicles sample --num 160 --seed 1 --out fleet").succeed();
    let command = format!(
        "probe --checkpoint {} --vehicles fleet --episodes 2 env.protocol=raptor env.prob_null_trajectory=1",
        student()
    );
    let [stdout, table] = same_on_any_number_of_threads(&it, "probe", &command);
    assert_in_order(&stdout, &["quantity", "thrust_to_weight", "log_mass", "lasted: "]);
    let rows = rows(&table);
    assert_eq!(rows.len(), 5);
    // The paper has 0.949 after 500 steps and with a thousand vehicles; half of 160 are few to fit to.
    let r_squared: f64 = rows[0][1].parse().unwrap();
    assert!(r_squared > 0.6 && r_squared < 1.0, "{table}");

    let teacher = data("point_ctrl_rsl_rl_5.5.1/model_best.pt").display().to_string();
    let probe = |flags: &str, parts: &[&str]| {
        it.eyas(&format!("analyze probe --out none {flags}")).fail_with(parts);
        assert!(!it.path("none").exists());
    };
    probe(&format!("--checkpoint {teacher} --vehicles fleet"), &["no memory to read"]);
    probe(&format!("--checkpoint {} --vehicles fleet --ridge -1", student()), &["`--ridge"]);
    fs::create_dir(it.path("few")).unwrap();
    for name in ["0000.json", "0001.json"] {
        fs::copy(it.path("fleet").join(name), it.path("few").join(name)).unwrap();
    }
    probe(
        &format!("--checkpoint {} --vehicles few", student()),
        &["2 vehicles, expected at least 4", "--> few"],
    );
}

#[test]
fn a_policy_without_memory_is_refused() {
    let (it, teachers) = with_teachers();
    it.eyas(&format!("analyze probe --checkpoint {teachers}/teacher_0000/best_model.pt --vehicles fleet"))
        .fail_with(&[
            "error: the policy has no memory",
            "best_model.pt",
            "hint: `eyas distill --student gru`",
        ]);
    assert!(!it.path("analysis").exists());
}

#[test]
fn a_late_velocity_makes_strong_rotors_oscillate() {
    let it = Workspace::empty();
    let command = format!(
        "delay --checkpoint {} --t2w 2..5:3 --delays 0,3,6 --episodes 32 --steps 300 env.protocol=raptor",
        student()
    );
    let [stdout, table] = same_on_any_number_of_threads(&it, "delay", &command);
    assert_in_order(&stdout, &["thrust/weight", "return at 0", "return at 6", "\n2 ", "\n5 "]);
    let rows = rows(&table);
    let pairs: Vec<[&str; 2]> = rows.iter().map(|row| [row[0].as_str(), row[1].as_str()]).collect();
    assert_eq!(pairs, [["2", "0"], ["2", "3"], ["2", "6"], ["5", "0"], ["5", "3"], ["5", "6"]]);
    let rms = |row: usize| rows[row][5].parse::<f64>().unwrap_or(f64::INFINITY);
    assert!(rms(3) < 0.1 && rms(4) > 2.0 * rms(3), "{table}");
    let delay = |flags: &str, parts: &[&str]| {
        it.eyas(&format!("analyze delay --checkpoint {} --out none {flags}", student())).fail_with(parts);
        assert!(!it.path("none").exists());
    };
    delay("--t2w 0.9,2", &["--t2w", "above 1"]);
    delay("--t2w 2..1:0.5", &["--t2w", "above 1"]);
    delay("--delays 60-65", &["`env.observation_delay.linear_velocity` = 65", "at most 64", "--> --delays"]);
    delay("--delays x", &["`--delays x`"]);
    delay("env.observation_delay.linear_velocity=3", &["what this analysis varies", "`--delays`"]);
    delay("--episodes 0", &["`--episodes`"]);
}

#[test]
fn the_gradient_refuses_a_delay() {
    let it = Workspace::empty();
    for flags in ["", "--vehicles fleet"] {
        it.eyas("vehicles sample --num 1 --force --out fleet").succeed();
        it.eyas(&format!("train --task Eyas-Raptor-v0 {flags} env.observation_delay.linear_velocity=2"))
            .fail_with(&["`env.observation_delay.linear_velocity` = 2, expected 0", "ppo"]);
    }
    assert!(!it.path("logs").exists());
}
