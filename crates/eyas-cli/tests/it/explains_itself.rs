//! Help is complete, and what it says is true.

use eyas_env::MANAGER_TASK;

use crate::program::{Workspace, assert_in_order};

const COMMANDS: [&str; 15] = [
    "train",
    "distill",
    "play",
    "eval",
    "act",
    "inspect",
    "convert",
    "export",
    "verify",
    "diff",
    "check-dynamics",
    "plot",
    "config",
    "task",
    "vehicles",
];

#[test]
fn help_lists_every_command() {
    let help = Workspace::empty().eyas("--help").succeed();
    assert_in_order(&help, &["Train quadrotor teachers", "Usage: eyas", "Commands:"]);
    for command in COMMANDS {
        assert_in_order(&help, &[&format!("  {command} ")]);
    }
}

#[test]
fn without_a_command_it_shows_help_and_fails() {
    let ended = Workspace::empty().eyas("").run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert_in_order(&ended.stderr, &["Usage: eyas", "Commands:"]);
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let help = Workspace::empty().eyas(&format!("{command} --help")).succeed();
        assert_in_order(&help, &[&format!("Usage: eyas {command}"), "--help"]);
    }
}

#[test]
fn distill_has_every_flag_of_the_original() {
    let help = Workspace::empty().eyas("distill --help").succeed();
    let flags = [
        "task",
        "teacher_checkpoint",
        "video",
        "video_length",
        "video_interval",
        "num_envs",
        "seed",
        "n_epochs",
        "num_episodes",
        "batch_size",
        "sequence_length",
        "learning_rate",
        "epoch_teacher_forcing",
        "shuffle",
        "on_policy",
        "teacher_deterministic",
        "experiment_name",
        "run_name",
        "resume",
        "load_run",
        "checkpoint",
        "init_noise_std",
        "logger",
        "log_project_name",
        "headless",
        "device",
    ];
    for flag in flags {
        let stands = help.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.any(|word| word.split('[').next() == Some(&format!("--{flag}")))
        });
        assert!(stands, "--{flag} is missing in:\n{help}");
    }
    for default in ["Epochs in all [default: 100]", "[default: 256, 64]", "teacher flies [default: 50]"] {
        assert!(help.contains(default), "{default}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = Workspace::empty().eyas("--version").succeed();
    assert_eq!(version.trim(), concat!("eyas ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn operations_of_a_task_are_counted_by_kind() {
    let workspace = Workspace::empty();
    let shown = workspace.eyas("task show raptor --operations").succeed();
    let header = shown.lines().find(|line| line.contains("total")).expect("a header");
    let columns: Vec<&str> = header.split_whitespace().collect();
    assert_eq!(columns[..6], ["total", "expanded", "add", "multiply", "fused", "divide"]);
    for name in [
        "reset",
        "reference",
        "observe",
        "step, aligned vehicles",
        "step with reality, any vehicles",
        "pull back step, any vehicles",
        "pull back observation",
    ] {
        let line = shown.lines().find(|line| line.starts_with(&format!("{name} "))).expect(name);
        let numbers: Vec<usize> =
            line[name.len()..].split_whitespace().map(|it| it.parse().unwrap()).collect();
        assert_eq!(numbers.len(), columns.len(), "{line}");
        let [total, expanded, kinds @ ..] = &numbers[..] else { panic!("{line}") };
        assert_eq!(kinds.iter().sum::<usize>(), *total, "{line}");
        let functions = kinds[columns[2..].iter().position(|it| *it == "function").unwrap()];
        assert!(if functions == 0 { expanded == total } else { expanded > total }, "{line}");
    }
    let shown = workspace.eyas("task show formation --operations").succeed();
    for name in ["reset", "reference", "observe quad_2, privileged", "step, aligned vehicles"] {
        assert!(shown.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {shown}");
    }
}

#[test]
fn tasks_are_listed_and_described() {
    let workspace = Workspace::empty();
    let list = workspace.eyas("task list").succeed();
    assert_in_order(&list, &["Isaac-Quadcopter-Point-Ctrl-v0", "point_ctrl_single_dense, distillation"]);

    let by_id = workspace.eyas("task show Isaac-Quadcopter-Point-Ctrl-v0").succeed();
    assert_in_order(
        &by_id,
        &[
            "observation, 26 features",
            "0-2   position_error",
            "3-11  rotation_matrix",
            "12-14  velocity_error",
            "15-17  angular_velocity",
            "18-21  previous_set_point",
            "22-25  rotor_speed",
            "policy     features 0-21 (22)",
            "teacher    features 0-25 (26)",
            "action, 4 numbers",
            "motor order: front left, front right, back right, back left",
            "control rate: 100 Hz",
            "episode: 9600 control steps",
            "position, orientation, action_smooth, base, terminal",
        ],
    );
    assert_eq!(workspace.eyas("task show point_ctrl_single_dense").succeed(), by_id);
}

#[test]
fn the_trajectory_that_each_task_flies_by_itself_is_named() {
    let help = Workspace::empty().eyas("play --help").succeed();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for task in eyas::tasks::defaults() {
        let (last, _) = task.trajectories().pop().unwrap();
        let named = match (last, task.id()) {
            ("langevin", _) => "else langevin]".to_owned(),
            (_, MANAGER_TASK) => format!("{last} in tasks of terms"),
            (_, id) => format!("{last} in {id}"),
        };
        assert!(help.contains(&named), "{}: `{named}` is not in {help}", task.id());
    }
}
