//! `eyas report` tells in one page what runs did, and says what is missing.

use std::fs;
use std::path::Path;

use crate::program::{TASK, TINY, Workspace, assert_in_order, files};

/// What is written below a folder of the workspace, in whole.
fn contents(it: &Workspace, folder: &str) -> Vec<(String, Vec<u8>)> {
    let names = files(&it.path(folder)).into_iter();
    names.map(|name| (name.clone(), fs::read(it.path(folder).join(&name)).unwrap())).collect()
}

/// Copies a folder and all below.
fn copy(from: &Path, to: &Path) {
    for name in files(from) {
        let target = to.join(&name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&name), target).unwrap();
    }
}

fn page(it: &Workspace, folder: &str) -> String {
    fs::read_to_string(it.path(folder).join("report.html")).unwrap()
}

#[test]
fn seeds_share_a_line_and_differences_have_a_table() {
    let it = Workspace::with_teacher();
    for (name, flags) in [("a", "--seed 1"), ("b", "--seed 2"), ("c", "--seed 1 --student gru")] {
        it.distill(&format!("{TINY} {flags} --run_dir {name}")).succeed();
    }
    assert_in_order(&it.eyas("report a b c").succeed(), &["Report of ", " written to: report/report.html"]);
    let html = page(&it, "report");
    assert_in_order(
        &html,
        &[
            "prefers-color-scheme: dark",
            "<nav aria-label=\"Contents\">",
            "<a href=\"#1.3\">Learning curves</a>",
            "<h2 id=\"1\">Distillation</h2>",
            "Results",
            "(2 seeds)",
            "one standard deviation over runs that differ in their seeds at most",
            "a: student / teacher",
            "Learning curves",
            "data:image/png;base64,",
            "trajectory figure8",
            "Differences",
            "<th scope=\"row\">agent.seed</th><td>1</td><td>2</td><td>1</td>",
            "<th scope=\"row\">distill.student.kind</th><td>mlp</td><td>mlp</td><td>gru</td>",
            "Where it comes from",
        ],
    );
    assert!(!html.contains("http://") && !html.contains("https://"), "something is asked for elsewhere");
    assert!(it.path("report/distillation_evaluation_mean_return_over_time.png").is_file());
    // All but the page itself.
    let pictures = files(&it.path("report")).len() - 1;
    assert!(pictures > 15, "{pictures}");
    assert_eq!(html.matches("<img ").count(), pictures);

    it.eyas("report a b c --out again").succeed();
    assert!(contents(&it, "report") == contents(&it, "again"));

    it.eyas("report a b c --out named --labels first,second,循环").succeed();
    let html = page(&it, "named");
    assert_in_order(&html, &["first, second (2 seeds)", "循环", "first: student / teacher"]);
    // The same run twice is no two seeds.
    copy(&it.path("a"), &it.path("d"));
    it.eyas("report a d --out twice --labels x,y").succeed();
    assert_in_order(&page(&it, "twice"), &["x, y (2 runs)", "at most"]);
    it.eyas("report a b --labels x").fail_with(&["1 names in `--labels` for 2 runs"]);
    it.eyas("report a b --labels x,🚀").fail_with(&["`🚀` cannot be written into a picture"]);
}

#[test]
fn a_student_flies_alone_where_its_teacher_has_gone() {
    let it = Workspace::with_teacher();
    it.distill(&format!("{TINY} --run_dir a")).succeed();
    it.eyas("report a").succeed();
    assert_in_order(&page(&it, "a/report"), &["Tracking", ">student</th>", ">teacher</th>"]);
    fs::remove_file(it.path("teacher/model_best.pt")).unwrap();
    it.eyas("report a --out alone").succeed();
    let html = page(&it, "alone");
    assert_in_order(&html, &["Tracking", ">student</th>", "there is no file teacher/model_best.pt any more"]);
    assert!(!html.contains(">teacher</th>"));
}

#[test]
fn trainings_and_the_jobs_of_a_multirun_are_told() {
    let it = Workspace::empty();
    let short =
        "--max_iterations 2 --num_envs 64 agent.eval_interval=1 agent.algorithm.learning_rate=1e-3,2e-3";
    it.eyas(&format!("train {TASK} {short} --multirun --run_dir sweep")).succeed();
    it.eyas("report sweep").succeed();
    let html = page(&it, "sweep/report");
    assert_in_order(&html, &["Report of 2 runs", "Training", "learning_rate 0.001", "learning_rate 0.002"]);
    assert!(it.path("sweep/report/training_evaluation_mean_return.png").is_file());
}

#[test]
fn a_torture_suite_has_its_policies_side_by_side() {
    let it = Workspace::empty();
    fs::create_dir_all(it.path("run/params")).unwrap();
    fs::write(it.path("run/params/distill.yaml"), "n_epochs: 4\n").unwrap();
    let table = "policy,trajectory,disturbance,seeds,rmse_m,rmse_ci95_m,max_error_m,max_error_ci95_m,success,success_ci_low,success_ci_high\n\
                 student,figure8,wind,20,0.25,0.01,0.5,0.02,0.95,0.8,1\n\
                 teacher,figure8,wind,20,0.125,0.01,,,1,0.9,1\n";
    fs::write(it.path("run/torture.csv"), table).unwrap();
    it.eyas("report run").succeed();
    assert_in_order(
        &page(&it, "run/report"),
        &[
            "Not finished: run.",
            "that is measured at its end",
            "No point yet: run.",
            "run: no policy yet.",
            ">student</th>",
            ">teacher</th>",
            "<td>wind</td><td>20</td><td>0.250 ± 0.010</td><td>0.500 ± 0.020</td><td>95.0 [80.0, 100.0]</td>\
             <td>0.125 ± 0.010</td><td>–</td><td>100.0 [90.0, 100.0]</td>",
        ],
    );
}

#[test]
fn what_is_no_run_is_refused() {
    let it = Workspace::empty();
    fs::create_dir_all(it.path("empty")).unwrap();
    fs::create_dir_all(it.path("begun/params")).unwrap();
    fs::write(it.path("begun/params/env.yaml"), "a: 1\n").unwrap();
    fs::create_dir_all(it.path("sweep")).unwrap();
    fs::write(it.path("sweep/multirun.json"), "{}").unwrap();
    it.eyas("report").fail_with(&["RUN_DIR"]);
    it.eyas("report none").fail_with(&["error: cannot open run directory `none`"]);
    it.eyas("report empty").fail_with(&["not the folder of a run", "--> empty", "hint: "]);
    it.eyas("report sweep").fail_with(&["none of whose jobs has begun", "--> sweep"]);
    it.eyas("report begun begun").fail_with(&["given twice", "--> begun"]);
    fs::write(it.path("begun/params/env.yaml"), "a: [\n").unwrap();
    it.eyas("report begun").fail_with(&["error: ", "begun/params/env.yaml"]);
    assert!(!it.path("begun/report").exists() && !it.path("report").exists());
}
