//! `eyas eval --suite torture` measures policies side by side; trajectories are flown by name and by file.

use std::fs;

use crate::program::{TASK, Workspace, assert_in_order, data, files};

const RAPTOR: &str = "--task Eyas-Raptor-v0";

fn student() -> String {
    data("rltools_released_student.h5").display().to_string()
}

#[test]
fn policies_fly_the_same_disturbances_side_by_side() {
    let it = Workspace::empty();
    let run = |threads: u32| {
        let out = format!("out_{threads}");
        let command = format!(
            "eval {RAPTOR} --suite torture --checkpoint {} --checkpoint se3 --episodes 5 --out {out} \
             --threads {threads} torture.duration_s=4 torture.onset_s=1",
            student()
        );
        let stdout = it.eyas(&command).succeed();
        let folder = it.path(&out);
        assert_eq!(files(&folder), ["torture.csv", "torture.md", "torture.png"]);
        let bytes = |name: &str| fs::read(folder.join(name)).unwrap();
        (stdout, bytes("torture.csv"), bytes("torture.md"), bytes("torture.png"))
    };
    let one = run(1);
    assert!(one == run(3), "results depend on the threads");
    let (stdout, csv, markdown, png) = one;
    assert_in_order(
        &stdout,
        &["policy", "rltools_released_student", "none", "inverted", "se3", "none", "100.0 %"],
    );
    assert_eq!(&png[..4], b"\x89PNG");
    let markdown = String::from_utf8(markdown).unwrap();
    assert_eq!(markdown.lines().filter(|line| line.starts_with("| se3 |")).count(), 54);
    let csv = String::from_utf8(csv).unwrap();
    let mut lines = csv.lines();
    assert_eq!(
        lines.next().unwrap(),
        "policy,trajectory,disturbance,seeds,rmse_m,rmse_ci95_m,max_error_m,max_error_ci95_m,success,\
         success_ci_low,success_ci_high"
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2 * 6 * 9);
    for row in &rows {
        let number = |column: usize| -> f64 { row[column].parse().unwrap() };
        assert_eq!(row.len(), 11);
        assert_eq!(row[3], "5");
        assert!(number(4) > 0.0 && number(4) <= number(6), "{row:?}");
        assert!(number(9) <= number(8) && number(8) <= number(10), "{row:?}");
    }
    let hover = |row: &&Vec<&str>| row[1] == "hover" && row[2] == "none";
    assert!(rows.iter().filter(hover).all(|row| row[8] == "1"), "{csv}");
}

#[test]
fn the_suite_shows_its_configuration() {
    let it = Workspace::empty();
    let command = format!("eval {RAPTOR} --suite torture --checkpoint se3 --out none torture.delay_s=0.05");
    let shown = it.eyas(&format!("{command} --cfg job --package torture")).succeed();
    assert!(shown.lines().any(|line| line == "delay_s: 0.05"), "{shown}");
    assert!(!it.path("none").exists());
    // No training starts from there unless it is told to.
    let seed = |more: &str| {
        let shown = it.eyas(&format!("{command} --cfg job --package agent {more}")).succeed();
        shown.lines().find_map(|line| line.strip_prefix("seed: ").map(str::to_owned)).unwrap()
    };
    assert_eq!((seed("").as_str(), seed("--seed 7").as_str()), ("3886088193", "7"));
}

#[test]
fn policies_have_the_labels_that_they_are_given() {
    let it = Workspace::empty();
    let suite = |flags: &str| {
        it.eyas(&format!(
            "eval {RAPTOR} --suite torture --checkpoint {} --checkpoint se3 --episodes 1 --out out \
             torture.duration_s=1 torture.onset_s=0.5 {flags}",
            student()
        ))
    };
    let stdout = suite("--labels 教师,几何控制器").succeed();
    // Names take two places for each character: all lines end at the same one.
    let width = |line: &str| line.chars().map(|it| 1 + usize::from(!it.is_ascii())).sum::<usize>();
    let widths: Vec<usize> = stdout.lines().map(width).collect();
    assert!(widths.len() > 18 && widths.iter().all(|it| *it == widths[0]), "{stdout}");
    let table = fs::read_to_string(it.path("out/torture.csv")).unwrap();
    assert!(table.contains("\n教师,hover,none,") && table.contains("\n几何控制器,hover,none,"), "{table}");
    suite("--labels a").fail_with(&["1 names in `--labels` for 2 policies"]);
    suite("--labels a,a").fail_with(&["`--labels` has `a` twice"]);
    suite("--labels a,b|c").fail_with(&["policy `b|c` cannot be the name of a line"]);
}

#[test]
fn the_suite_says_what_it_cannot_do() {
    let it = Workspace::empty();
    let suite = |flags: &str, parts: &[&str]| {
        it.eyas(&format!("eval --suite torture --out none {flags}")).fail_with(parts);
        assert!(!it.path("none").exists());
    };
    suite(&format!("{RAPTOR} --checkpoint se3 --checkpoint se3"), &["is given twice", "`--labels`"]);
    suite(&format!("{RAPTOR} --checkpoint se3 --episodes 0"), &["`--episodes`"]);
    suite(&format!("{RAPTOR} --checkpoint se3 --json"), &["--json"]);
    suite(
        &format!("{RAPTOR} --checkpoint se3 torture.motor_efficiency=1.5"),
        &["`torture.motor_efficiency` = 1.5, expected a share"],
    );
    suite(
        &format!("{RAPTOR} --checkpoint se3 torture.wind_to_wieght=1"),
        &["wind_to_wieght", "wind_to_weight"],
    );
    it.eyas(&format!("eval {RAPTOR} --checkpoint se3 --checkpoint {}", student()))
        .fail_with(&["flies one policy", "--suite torture"]);
    it.eyas(&format!("play {RAPTOR} --checkpoint se3 --web 127.0.0.1:0")).fail_with(&["`--checkpoint se3`"]);
    it.eyas(&format!("play {RAPTOR} --checkpoint se3 --vehicles x500,mrs"))
        .fail_with(&["`--checkpoint se3`: the controller is made for one vehicle", "--vehicle`"]);
}

/// Its limits of tilt and speed are lifted: training ends flights that tilt beyond 90°.
#[test]
fn the_point_task_is_flown_from_upside_down() {
    let it = Workspace::empty();
    let command = format!("eval {TASK} --suite torture --checkpoint se3 --episodes 6 --out out");
    it.eyas(&format!("{command} torture.duration_s=6 torture.onset_s=1")).succeed();
    let csv = fs::read_to_string(it.path("out/torture.csv")).unwrap();
    let success = |disturbance: &str| {
        let row = csv.lines().find(|line| line.contains(&format!(",hover,{disturbance},"))).unwrap();
        row.split(',').nth(8).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(csv.lines().count(), 1 + 6 * 9);
    for disturbance in ["none", "wind", "tilted", "inverted"] {
        assert!(success(disturbance) > 0.6, "{disturbance}: {csv}");
    }
}

#[test]
fn every_trajectory_flies_in_both_tasks() {
    let it = Workspace::empty();
    for task in [RAPTOR, TASK] {
        for trajectory in
            ["hover", "langevin", "figure8", "circle", "lissajous", "step", "zigzag", "minimum_snap"]
        {
            let command = format!("play {task} --checkpoint se3 --trajectory {trajectory} --num_envs 1");
            let stdout = it.eyas(&format!("{command} --max_steps 300 --experiment_name all")).succeed();
            assert_in_order(&stdout, &[&format!("Trajectory: {trajectory}"), "Crashed: 0 of 1"]);
        }
    }
    let error = |flags: &str| {
        let command = format!(
            "eval {RAPTOR} --checkpoint se3 --episodes 8 --steps 800 --trajectory {flags} env.init.guidance=1 --json"
        );
        let json: serde_json::Value = serde_json::from_str(&it.eyas(&command).succeed()).unwrap();
        json["all"]["position_rmse_m"].as_f64().unwrap()
    };
    assert!(error("figure8") < 0.2);
    assert!(error("figure8 env.course.figure8.lap_s=6") > 2.0 * error("figure8"));
    it.eyas(&format!("play {RAPTOR} --checkpoint se3 --trajectory circle env.course.circle.lap_s=0"))
        .fail_with(&["`env.course.circle.lap_s` = 0, expected a positive number", "-->"]);
    // In single precision it would be infinite, and a random motion would run away.
    it.eyas(&format!("play {RAPTOR} --checkpoint se3 --trajectory circle env.course.circle.radius_m=1e39"))
        .fail_with(&["`env.course.circle.radius_m` = 1", "expected numbers of at most 1000000 m", "-->"]);
    it.eyas(&format!("play {RAPTOR} --checkpoint se3 --trajectory langevin env.langevin.gamma=1000"))
        .fail_with(&[
            "`env.langevin` with gamma = 1000 and omega = 2 is unstable at control steps of 0.01 s",
        ]);
    it.eyas(&format!("play {RAPTOR} --checkpoint se3 --trajectory minimum_snap"))
        .arg("env.course.minimum_snap.waypoints_m=[[0,0,0],[1,0,0],[1.000001,0,0],[2,1,0]]")
        .fail_with(&["`env.course.minimum_snap.waypoints_m` = 0.00000", "at least 1/200 of the longest leg"]);
    it.eyas(&format!("play {TASK} --checkpoint se3 --trajectory spiral")).fail_with(&[
        "`--trajectory spiral`",
        "minimum_snap",
        "figure8",
    ]);
}

#[test]
fn a_csv_file_is_flown_or_its_fault_is_named() {
    let it = Workspace::empty();
    let play = |text: &str| {
        fs::write(it.path("way.csv"), text).unwrap();
        it.eyas(&format!(
            "play {RAPTOR} --checkpoint se3 --trajectory way.csv --num_envs 1 --max_steps 400 env.course.rest_s=0.5"
        ))
    };
    let stdout = play("time_s,x_m,y_m,z_m\n10,1,1,1\n11,1.2,1,1\n12.5,1.5,1.4,1.2\n").succeed();
    assert_in_order(&stdout, &["Trajectory: way.csv", "Crashed: 0 of 1", "Tracking data saved"]);
    let velocities = "time_s,x_m,y_m,z_m,vx_m_s,vy_m_s,vz_m_s\n0,0,0,0,0,0,0\n1,0.2,0,0,0.1,0,0\n";
    play(velocities).succeed();
    for (text, parts) in [
        ("time_s,x_m,y_m,z_m\n0,0,0,0\n1,0,oops,0\n", ["`oops` in column `y_m`", "way.csv:3"]),
        ("time_s,x_m,y_m,z_m\n0,0,0,0\n1,0,,0\n", ["no number in column `y_m`", "way.csv:3"]),
        ("time_s,x_m,y_m,z_m\n0,0,0,0\n\n0,0,0,0\n", ["`time_s` = 0 after 0", "way.csv:4"]),
        ("time_s,x_m,y_m\n0,0,0\n1,0,0\n", ["no column `z_m`", "way.csv"]),
        ("time_s,x_m,y_m,z_m,vx_m_s\n0,0,0,0,0\n1,0,0,0,0\n", ["no column `vy_m_s`", "way.csv"]),
        ("time_s,x_m,y_m,z_m\n0,0,0,0\n", ["one sample, expected at least 2", "way.csv"]),
        ("time_s,x_m,y_m,z_m\n0,0,0,0\n1,inf,0,0\n", ["`inf` in column `x_m`", "way.csv:3"]),
        ("time_s,x_m,x_m,y_m,z_m\n0,0,5,0,1\n1,0.1,9,0,1\n", ["column `x_m` stands there twice", "way.csv"]),
    ] {
        play(text).fail_with(&parts);
    }
}
