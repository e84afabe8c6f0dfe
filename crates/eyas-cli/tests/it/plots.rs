//! `eyas plot` draws columns of files, and says what it cannot draw.

use std::fs;

use crate::program::{TINY, Workspace};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Two runs and a matrix.
fn workspace() -> Workspace {
    let it = Workspace::empty();
    let file = |row: fn(f64) -> String| {
        let rows = (1..50).map(|index| row(f64::from(index)) + "\n");
        "wall_time_s,return,low,high,terminated,note\n".to_owned() + &rows.collect::<String>()
    };
    let first = file(|time| {
        let share = 100.0 / time;
        format!("{time},{},{},{},{share},a", 600.0 - share, 590.0 - share, 620.0 - share)
    });
    let second = file(|time| format!("{time},{},,,{},\"b, c\"", 500.0 - 200.0 / time, 50.0 / time));
    fs::write(it.path("first.csv"), first).unwrap();
    fs::write(it.path("second.csv"), second).unwrap();
    fs::write(it.path("matrix.csv"), "trajectory,crazyflie,x500\nhover,1.5,2\nfigure-8,,4\n").unwrap();
    it
}

/// Width and height, px.
#[track_caller]
fn size(it: &Workspace, name: &str) -> [u32; 2] {
    let bytes = fs::read(it.path(name)).unwrap();
    assert_eq!(&bytes[..8], SIGNATURE);
    [16, 20].map(|at| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()))
}

#[test]
fn lines_of_several_files_stand_in_panels() {
    let it = workspace();
    let run = |out: &str| {
        let flags = "plot lines first.csv second.csv --x wall_time_s --y return --panel terminated --labels A,B \
                     --band low,high --log_x --y_range -100:700 --out";
        it.eyas(flags).arg(out).arg("--reference").arg("620.5:released student").succeed()
    };
    assert_eq!(run("a.png"), "");
    assert_eq!(size(&it, "a.png"), [1200, 800]);
    run("b.png");
    assert!(fs::read(it.path("a.png")).unwrap() == fs::read(it.path("b.png")).unwrap());
}

#[test]
fn points_and_matrices_are_drawn() {
    let it = workspace();
    let flags = "plot scatter first.csv --x return --y low,high --log-y --size 640x480 --out points.png";
    it.eyas(flags).succeed();
    assert_eq!(size(&it, "points.png"), [640, 480]);
    it.eyas("plot heatmap matrix.csv --value_label RMSE --range 0:10 --out map.png").succeed();
    assert_eq!(size(&it, "map.png"), [1200, 800]);
}

#[test]
fn curves_of_a_run_are_drawn() {
    let it = Workspace::with_teacher();
    it.distill(TINY).succeed();
    let run = it.distillation("point_ctrl_direct");
    let plot = |column: &str| it.eyas("plot lines").arg(&run).and("--x step --out run.png --y").arg(column);
    plot("evaluation/mean_return").succeed();
    assert_eq!(size(&it, "run.png"), [1200, 800]);
    plot("evaluation/mean_retrun").fail_with(&["no column", "hint: did you mean `evaluation/mean_return`"]);
}

#[test]
fn what_cannot_be_drawn_is_said() {
    let it = workspace();
    fs::write(it.path("header.csv"), "a,b\n").unwrap();
    fs::write(it.path("ragged.csv"), "a,b\n1,2\n3\n").unwrap();
    fs::write(it.path("gaps.csv"), "a,b\n1,nan\n2,-1\n").unwrap();
    let lines = |flags: &str| it.eyas(&format!("plot lines --out out.png {flags}"));
    lines("first.csv --x wall_time --y return").fail_with(&[
        "error: no column `wall_time`",
        "--> first.csv",
        "hint: did you mean `wall_time_s`?",
    ]);
    lines("first.csv --x zzz --y return")
        .fail_with(&["no column `zzz`", "hint: the columns are `wall_time_s`, "]);
    lines("first.csv --x wall_time_s --y note").fail_with(&["`a` in column `note`", "--> first.csv:2"]);
    lines("header.csv --x a --y b").fail_with(&["error: no numbers", "--> header.csv", "hint: "]);
    lines("ragged.csv --x a --y b").fail_with(&["1 cells in a row, the header has 2", "--> ragged.csv:3"]);
    lines("gaps.csv --x a --y b --log_y").fail_with(&["no row has finite numbers, positive", "--> gaps.csv"]);
    lines("none.csv --x a --y b").fail_with(&["error: ", "--> none.csv"]);
    lines("first.csv --x wall_time_s --y return --labels a,b")
        .fail_with(&["2 names in `--labels` for 1 files"]);
    lines("first.csv --x wall_time_s --y return --band low").fail_with(&["`--band` names 1 columns"]);
    lines("first.csv --x wall_time_s --y return --log_x --x_range -1:1")
        .fail_with(&["`--x_range` starts at -1"]);
    lines("first.csv --x wall_time_s --y return --y_range 3:1").fail_with(&["two numbers in order"]);
    lines("first.csv --x wall_time_s --y return --reference x").fail_with(&["a number and a label"]);
    it.eyas("plot heatmap matrix.csv --out map.pdf").fail_with(&["`--out map.pdf`", "`.png`"]);
    assert!(!it.path("out.png").exists());
}
