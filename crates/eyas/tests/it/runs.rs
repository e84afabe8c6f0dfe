//! A run is a call: a typed configuration goes in, an observer hears it, a typed result comes out.

use std::path::{Path, PathBuf};

use eyas::device::EpisodeDevice;
use eyas::distill::{DistillationConfig, distill};
use eyas::evaluate::{EvaluateConfig, evaluate};
use eyas::fly::FlyConfig;
use eyas::observer::Activity;
use eyas::policies::load_controller;
use eyas::report::Subject;
use eyas::run_result::RunResult;
use eyas::teachers::read_checkpoints;
use eyas::tracking::Recorder;
use eyas::{Algorithm, Failure, Observer, Silent, TrainConfig, fly, report, tasks, train, trajectory};
use eyas_formats::{LoadOptions, verify};
use eyas_learn::OnNan;
use eyas_policy::Contract;
use eyas_run::Interrupt;
use tempfile::TempDir;

const TASK: &str = "Isaac-Quadcopter-Point-Ctrl-v0";

/// A policy that rsl_rl trained on the task.
fn teacher() -> PathBuf {
    let data = "../eyas-formats/tests/data/point_ctrl_rsl_rl_5.5.1/model_best.pt";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(data)
}

/// A training of two iterations in a folder.
fn training(run: &Path) -> TrainConfig {
    let task = tasks::find(TASK).unwrap();
    let mut layers = TrainConfig::layers(task.as_ref(), Algorithm::Apg, "eyas").unwrap();
    let overrides = ["agent.max_iterations=2", "agent.eval_interval=2", "env.scene.num_envs=32"];
    layers.overrides(&overrides).unwrap();
    let config = TrainConfig::read(task.as_ref(), Algorithm::Apg, &layers).unwrap();
    TrainConfig { run_dir: Some(run.to_owned()), ..config }
}

/// What was heard.
#[derive(Default)]
struct Heard {
    units: Vec<String>,
    positions: Vec<u64>,
    counted: u64,
    tags: Vec<String>,
    lines: Vec<String>,
    /// Ends the run with the first line that holds it.
    refuses: Option<&'static str>,
}

impl Observer for Heard {
    fn started(&mut self, activity: &Activity) -> Result<(), Failure> {
        self.units.extend([activity.step_unit.to_owned(), activity.rate_unit.to_owned()]);
        Ok(())
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.lines.push(line.to_owned());
        match self.refuses {
            Some(word) if line.contains(word) => Err(Failure::new("nobody listens any more")),
            _ => Ok(()),
        }
    }

    fn position(&mut self, position: u64) {
        self.positions.push(position);
    }

    fn count(&mut self, units: u64) {
        self.counted += units;
    }

    fn scalar(&mut self, tag: &str, _: u64, _: f64) {
        self.tags.push(tag.to_owned());
    }
}

/// The contract of a model that a run saved, whose test vectors its actions keep.
fn contract(model: &Path) -> Contract {
    let found = verify::verify(model, &LoadOptions::default(), None).unwrap();
    assert!(found.holds(), "{found}");
    let (contract, difference) = found.contract.expect("a run writes contracts");
    assert!(difference == 0.0, "{difference}");
    contract
}

#[test]
fn a_training_is_heard_and_comes_to_a_typed_result() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let mut heard = Heard::default();
    let result = train(&training(&run), &mut heard, &Interrupt::new()).unwrap();
    assert_eq!((result.iteration, result.is_complete, result.run.as_path()), (2, true, run.as_path()));
    let best = result.best.unwrap().summary();
    assert_eq!(RunResult::read(&run), Some(best.into()));
    for model in [&result.best_model, &result.checkpoint] {
        let contract = contract(model);
        assert_eq!((contract.task.as_deref(), contract.control_rate_hz), (Some(TASK), Some(100.0)));
        assert_eq!(contract.observation.parts.iter().map(|it| it.width).sum::<usize>(), 26);
        assert!(contract.action.motor_order.unwrap().starts_with("front left"));
        let vehicles = contract.vehicles.unwrap();
        assert_eq!((vehicles.count, vehicles.mass_kg[0]), (1, vehicles.mass_kg[1]));
        assert!(vehicles.thrust_to_weight[0] > 1.0, "{vehicles:?}");
    }
    assert_eq!(heard.units, ["iteration", "steps"]);
    assert_eq!(heard.positions, [1, 2]);
    for tag in ["Loss/cost", "evaluation/mean_return"] {
        assert!(heard.tags.iter().any(|it| it == tag), "{tag} of {:?}", heard.tags);
    }
}

#[test]
fn who_listens_changes_no_byte() {
    let folder = TempDir::new().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    train(&training(&a), &mut Heard::default(), &Interrupt::new()).unwrap();
    train(&training(&b), &mut Silent, &Interrupt::new()).unwrap();
    for name in ["model_2.pt", "best_model.pt", "result.json", "params/env.yaml", "params/agent.yaml"] {
        assert!(std::fs::read(a.join(name)).unwrap() == std::fs::read(b.join(name)).unwrap(), "{name}");
    }
}

#[test]
fn an_interrupted_training_says_so_and_goes_on() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let interrupt = Interrupt::new();
    interrupt.trigger();
    let result = train(&training(&run), &mut Silent, &interrupt).unwrap();
    assert_eq!((result.iteration, result.is_complete, result.best.is_none()), (0, false, true));
    let mut config = training(&run);
    config.settings.resume = true;
    assert!(train(&config, &mut Silent, &Interrupt::new()).unwrap().is_complete);
}

#[test]
fn an_observer_that_refuses_ends_the_run() {
    let folder = TempDir::new().unwrap();
    let mut heard = Heard { refuses: Some("Learning iteration"), ..Heard::default() };
    let failure = train(&training(&folder.path().join("run")), &mut heard, &Interrupt::new()).err().unwrap();
    assert_eq!(failure.to_string(), "nobody listens any more");
}

#[test]
fn a_distillation_comes_to_students_and_a_comparison() {
    let folder = TempDir::new().unwrap();
    let run = folder.path().join("run");
    let task = tasks::find(TASK).unwrap();
    let mut layers = DistillationConfig::layers(task.as_ref(), None, false).unwrap();
    layers
        .overrides(&[
            "distill.n_epochs=2",
            "distill.num_episodes=4",
            "distill.epoch_teacher_forcing=1",
            "distill.episode_steps=50",
            "distill.samples_per_epoch=500",
            "distill.eval_episodes=8",
            "distill.eval_steps=50",
            "distill.final_episodes=16",
            "distill.student.hidden_dims=[16]",
        ])
        .unwrap();
    let mut config = DistillationConfig::read(task.as_ref(), &layers).unwrap();
    config.candidates = read_checkpoints(&[teacher()], &config.teacher_options).unwrap();
    config.run_dir = Some(run.clone());
    let mut heard = Heard::default();
    let result = distill(&config, &mut heard, &Interrupt::new()).unwrap();
    let end = result.end.unwrap();
    assert_eq!((result.epochs, end.num_teachers), ([2, 2], 1));
    assert_eq!((end.of_student.outcomes.len(), end.of_teachers.outcomes.len()), (16, 16));
    for student in [&end.best_student, &end.final_student] {
        assert_eq!(contract(student).task.as_deref(), Some(TASK));
    }
    assert_eq!(heard.positions, [1, 2]);
    assert!(heard.lines.iter().any(|it| it.starts_with("[INFO] Teacher self-check")), "{:?}", heard.lines);

    let subject = Subject { folders: &[run], labels: &[] };
    let written = report(&subject, &folder.path().join("report"), &|_| None, &Interrupt::new()).unwrap();
    let written = written.unwrap();
    assert!(written.page.is_file() && written.num_pictures > 0);
}

#[test]
fn an_evaluation_is_its_episodes() {
    let task = tasks::find(TASK).unwrap();
    let vehicles = [task.vehicle().clone()];
    let (path, options) = (teacher(), LoadOptions::default());
    let mut decisions = Vec::new();
    let mut decided = |it: &str| decisions.push(it.to_owned());
    let controller = load_controller(&path, &options, &vehicles, &task.spec(), &mut decided).unwrap();
    assert!(!decisions.is_empty());
    let task = task.untimed();
    let of = |episodes| {
        let config = EvaluateConfig {
            task: task.as_ref(),
            vehicles: &[],
            episodes,
            steps: 50,
            seed: 1,
            device: EpisodeDevice::default(),
            on_nan: OnNan::Stop,
        };
        evaluate(&config, controller.as_ref())
    };
    assert_eq!(of(5).unwrap().outcomes, of(8).unwrap().outcomes[..5]);
    assert!(of(0).is_err());
}

/// Its rate used to be 0.
#[test]
fn a_flight_counts_the_steps_of_its_envs() {
    let task = tasks::find(TASK).unwrap();
    let vehicles = [task.vehicle().clone()];
    let mut ignored = |_: &str| ();
    let controller =
        load_controller(&teacher(), &LoadOptions::default(), &vehicles, &task.spec(), &mut ignored).unwrap();
    let (mut envs, mut heard) = ([task.make(3, 1)], Heard::default());
    Recorder::fly(&mut envs, controller.as_ref(), 5, &mut heard, &Interrupt::new()).unwrap();
    assert_eq!((heard.positions.last(), heard.counted), (Some(&5), 15));
}

#[test]
fn a_flight_that_cannot_be_flown_writes_nothing() {
    let task = tasks::find(TASK).unwrap();
    let (name, settings) = trajectory::find(task.as_ref(), Some("hover")).unwrap();
    let layers = FlyConfig::layers(task.as_ref(), settings).unwrap();
    let config = FlyConfig::read(task.as_ref(), &layers, name, "missing.pt".into()).unwrap();
    assert!(fly(&config, &mut Silent, &Interrupt::new()).is_err());
    assert!(!Path::new("logs").exists());
}
