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
    lines("gaps.csv --x a --y b --log_y")
        .fail_with(&["no row has numbers between ±1e300, from 1e-300", "--> gaps.csv"]);
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

/// Denormals used to lead to an axis without end, and numbers without a place on it were passed over in silence.
#[test]
fn numbers_that_an_axis_cannot_hold_are_said() {
    let it = Workspace::empty();
    for (name, rows) in [
        ("wide", "1,-1e308\n2,1e308\n"),
        ("denormal", "1,1e-320\n2,2e-320\n"),
        ("some", "1,5e-324\n2,1\n3,1e300\n4,-2\n5,1000\n"),
        ("fine", "1,5\n2,7\n"),
    ] {
        fs::write(it.path(&format!("{name}.csv")), format!("x,y\n{rows}")).unwrap();
    }
    let plot = |name: &str| it.eyas(&format!("plot lines {name}.csv --x x --y y --log_y --out {name}.png"));
    let nothing = ["no row has numbers between ±1e300, from 1e-300 on where logarithmic", "--> "];
    plot("wide").fail_with(&nothing);
    plot("denormal").fail_with(&nothing);
    it.eyas("plot lines wide.csv --x x --y y --out wide.png")
        .fail_with(&["no row has numbers between ±1e300"]);
    let some = plot("some").run();
    assert_eq!(some.code, Some(0));
    assert!(
        some.stderr.contains("warning: 3 of the points have no place in the plot and are gaps"),
        "{}",
        some.stderr
    );
    fs::write(it.path("one.csv"), "x,y\n1,5\n2,7\n3,-1\n").unwrap();
    let one = plot("one").run();
    assert!(
        one.stderr.contains("warning: one of the points has no place in the plot and is a gap:"),
        "{}",
        one.stderr
    );
    assert_eq!(plot("fine").run().stderr, "");
    assert!(
        it.path("some.png").is_file() && !it.path("wide.png").exists() && !it.path("denormal.png").exists()
    );
}

#[test]
fn names_of_other_languages_are_written_or_refused() {
    let it = Workspace::empty();
    fs::write(it.path("名.csv"), "t,奖励,č\n0,1,2\n1,2,1\n").unwrap();
    let plot = |flags: &str| it.eyas(&format!("plot lines 名.csv --x t --y 奖励,č --out out.png {flags}"));
    plot("--title Å").succeed();
    fs::remove_file(it.path("out.png")).unwrap();
    plot("--title 🚀")
        .fail_with(&["`🚀` cannot be written into a picture: its fonts have no U+1F680", "hint: "]);
    plot("--labels a🚀").fail_with(&["`a🚀` cannot be written"]);
    fs::write(it.path("map.csv"), "x,a\n🚀,1\n").unwrap();
    it.eyas("plot heatmap map.csv --out out.png").fail_with(&["`🚀` cannot be written"]);
    assert!(!it.path("out.png").exists());
}

#[test]
fn files_of_one_name_are_told_apart_by_their_folders() {
    let it = Workspace::empty();
    for folder in ["a", "b"] {
        fs::create_dir(it.path(folder)).unwrap();
        fs::write(it.path(&format!("{folder}/curve.csv")), "x,y\n0,1\n1,2\n").unwrap();
    }
    let plot = |flags: &str| {
        it.eyas(&format!("plot lines a/curve.csv b/curve.csv --x x --y y --out out.png {flags}")).succeed();
        fs::read(it.path("out.png")).unwrap()
    };
    assert!(plot("") == plot("--labels a,b"));
    it.eyas("plot lines a/curve.csv a/curve.csv --x x --y y --out out.png").fail_with(&[
        "one of the files is given twice",
        "--> a/curve.csv",
        "`--labels`",
    ]);
}
