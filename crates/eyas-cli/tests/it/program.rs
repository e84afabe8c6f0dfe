//! The program under test, run in a directory of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The task that most tests fly, as a flag.
pub(crate) const TASK: &str = "--task Isaac-Quadcopter-Point-Ctrl-v0";

/// A distillation of a fraction of a second.
pub(crate) const TINY: &str = "--n_epochs 4 --num_episodes 8 --epoch_teacher_forcing 2 distill.episode_steps=100 \
                               distill.samples_per_epoch=2000 distill.eval_episodes=16 distill.eval_steps=100 \
                               distill.final_episodes=32 distill.student.hidden_dims=[32,32]";

/// A file below the test data of `eyas-formats`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../eyas-formats/tests/data").join(name)
}

/// A directory that runs start in.
pub(crate) struct Workspace {
    directory: TempDir,
}

/// How a run ended and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command line being put together.
pub(crate) struct Invocation(Command);

impl Workspace {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    /// A directory with `teacher/model_best.pt`, which rsl_rl trained on the task, and its runner config.
    pub(crate) fn with_teacher() -> Self {
        let workspace = Self::empty();
        fs::create_dir_all(workspace.path("teacher/params")).unwrap();
        for file in ["model_best.pt", "params/agent.yaml"] {
            let from = data("point_ctrl_rsl_rl_5.5.1").join(file);
            fs::copy(from, workspace.path("teacher").join(file)).unwrap();
        }
        workspace
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `eyas` with arguments separated by spaces.
    pub(crate) fn eyas(&self, arguments: &str) -> Invocation {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eyas"));
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        Invocation(command).and(arguments)
    }

    /// `eyas distill` of the teacher, with more arguments.
    pub(crate) fn distill(&self, arguments: &str) -> Invocation {
        self.eyas(&format!("distill {TASK} --teacher_checkpoint teacher/model_best.pt {arguments}"))
    }

    /// The directories of the runs below `logs/KIND/EXPERIMENT`, oldest first.
    pub(crate) fn runs(&self, kind: &str, experiment: &str) -> Vec<PathBuf> {
        let parent = self.path("logs").join(kind).join(experiment);
        let mut runs: Vec<_> = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).collect();
        runs.sort();
        runs
    }

    /// The only distillation run of an experiment.
    pub(crate) fn distillation(&self, experiment: &str) -> PathBuf {
        let runs = self.runs("distillation", experiment);
        let [run] = &runs[..] else { panic!("one run was expected: {runs:?}") };
        run.clone()
    }
}

impl Invocation {
    /// Adds arguments separated by spaces.
    pub(crate) fn and(mut self, arguments: &str) -> Self {
        self.0.args(arguments.split_whitespace());
        self
    }

    /// Adds one argument as it is.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Leaves out a variable of its environment.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Ended {
        let output = self.0.output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs to a successful end; returns stdout.
    pub(crate) fn succeed(self) -> String {
        let ended = self.run();
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// Runs to an error: exit code 2, these parts on stderr in this order, nothing on stdout.
    #[track_caller]
    pub(crate) fn fail_with(self, parts: &[&str]) {
        let ended = self.run();
        assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.stdout, "");
        assert_in_order(&ended.stderr, parts);
    }

    /// Starts it with stdout piped.
    pub(crate) fn spawn(self) -> Child {
        self.spawn_with(Stdio::inherit())
    }

    /// Starts it with stdout piped and stderr as given.
    pub(crate) fn spawn_with(mut self, stderr: Stdio) -> Child {
        self.0.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap()
    }
}

/// Each of `parts` stands in `text`, in this order; there may be more between them.
#[track_caller]
pub(crate) fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let found = rest.find(part);
        assert!(found.is_some(), "`{part}` is missing or out of order in:\n{text}");
        rest = &rest[found.unwrap_or_default() + part.len()..];
    }
}

/// Names of the files in a directory and below, relative to it, sorted.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(directory).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
