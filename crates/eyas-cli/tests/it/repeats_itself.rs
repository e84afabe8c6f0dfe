//! The same configuration and seed give the same bytes, whatever the number of threads.

use std::fs;

use crate::program::{TASK, TINY, Workspace};

/// Bytes of the final and of the best student of a tiny distillation.
fn students(arguments: &str) -> [Vec<u8>; 2] {
    let workspace = Workspace::with_teacher();
    workspace.distill(&format!("{TINY} --experiment_name it {arguments}")).succeed();
    let run = workspace.distillation("it");
    ["final_student.pt", "best_student.pt"].map(|name| fs::read(run.join(name)).unwrap())
}

#[test]
fn students_do_not_depend_on_threads_or_time() {
    for student in ["mlp", "gru"] {
        let one = students(&format!("--student {student} --threads 1"));
        assert!(one == students(&format!("--student {student} --threads 2")), "{student}: two threads");
        assert!(one == students(&format!("--student {student} --threads 1")), "{student}: again");
    }
}

#[test]
fn students_depend_on_the_seed() {
    assert_ne!(students("--seed 1")[0], students("--seed 2")[0]);
    assert_eq!(students("--seed 42")[0], students("")[0]);
}

#[test]
fn teachers_do_not_depend_on_threads() {
    let model = |algorithm: &str, threads: usize| {
        let workspace = Workspace::empty();
        let settings = "--max_iterations 3 --num_envs 96 --experiment_name it";
        workspace.eyas(&format!("train {TASK} {settings} {algorithm} --threads {threads}")).succeed();
        fs::read(workspace.runs("rsl_rl", "it")[0].join("model_3.pt")).unwrap()
    };
    for algorithm in
        ["--algorithm ppo agent.num_steps_per_env=8", "--algorithm apg agent.algorithm.window_steps=20"]
    {
        assert!(model(algorithm, 1) == model(algorithm, 2), "{algorithm}");
    }
}

#[test]
fn evaluations_do_not_depend_on_threads() {
    let workspace = Workspace::with_teacher();
    let eval = |threads: usize| {
        let policy = "--checkpoint teacher/model_best.pt --episodes 100 --steps 60 --json";
        workspace.eyas(&format!("eval {TASK} {policy} --threads {threads}")).succeed()
    };
    assert_eq!(eval(1), eval(2));
}
