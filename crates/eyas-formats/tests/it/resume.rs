//! A run that is written and read back continues where it was.

use eyas_formats::rsl_rl::{self, PpoCheckpoint};
use eyas_formats::student::{self, StudentCheckpoint};
use eyas_formats::{Checkpoint, FormatError, Layout, LoadOptions, Tensor, Value};
use eyas_policy::{Activation, Architecture, Cell, Core, Output, Policy};

use crate::fixtures::{adam, data, mlp_policy, network, normalizer};

fn extra() -> Value {
    Value::dict([("contract", Value::from("point_ctrl")), ("seed", Tensor::from_i64(&[2], &[7, -1]).into())])
}

fn round_trip_student(policy: &Policy, step: u64) -> student::StudentRun {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("student.pt");
    let optimizer = adam(policy.network.parameters.len(), step);
    let optimizer = if step == 0 {
        eyas_formats::AdamState::new(policy.network.parameters.len(), optimizer.learning_rate)
    } else {
        optimizer
    };
    let extra = extra();
    let written = StudentCheckpoint {
        epoch: 41,
        policy,
        optimizer: &optimizer,
        best_return: -12.5,
        extra: Some(&extra),
    };
    student::write(&path, &written).unwrap();
    let run = student::read(&path).unwrap();
    assert_eq!((run.epoch, run.best_return), (41, -12.5));
    assert_eq!(run.optimizer.as_ref(), Some(&optimizer));
    assert_eq!(run.extra.as_ref(), Some(&extra));
    run
}

#[test]
fn students_of_both_kinds() {
    let mut tanh = mlp_policy();
    tanh.output = Output::Tanh;
    tanh.network.architecture.activation = Activation::Mish;
    let gru = network(Architecture::gru_student(22, 16, 4));
    let gru = Policy { normalizer: None, network: gru, output: Output::Identity };
    for policy in [mlp_policy(), tanh, gru] {
        assert_eq!(round_trip_student(&policy, 9).policy, policy);
        assert_eq!(round_trip_student(&policy, 0).policy, policy);
    }
}

#[test]
fn the_student_of_the_original_script_with_a_numpy_float() {
    let run = student::read(&data("made_student_numpy.pt")).unwrap();
    assert_eq!((run.epoch, run.best_return), (12, 45.25));
    let optimizer = run.optimizer.unwrap();
    assert_eq!((optimizer.step, optimizer.learning_rate), (3, 1e-4));
    assert!(optimizer.exp_avg_sq.iter().all(|moment| *moment > 0.0));
}

#[test]
fn a_student_that_no_layout_expresses_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("student.pt");
    let mut normalised = mlp_policy();
    normalised.normalizer = Some(normalizer(5));
    let mut deep = Architecture::gru_student(22, 16, 4);
    deep.hidden = vec![8];
    let mut lstm = Architecture::gru_student(22, 16, 4);
    lstm.core = Some(Core { cell: Cell::Lstm, width: 16, layers: 1 });
    let of =
        |architecture| Policy { normalizer: None, network: network(architecture), output: Output::Identity };
    for policy in [normalised, of(deep), of(lstm)] {
        let optimizer = adam(policy.network.parameters.len(), 1);
        let checkpoint = StudentCheckpoint {
            epoch: 0,
            policy: &policy,
            optimizer: &optimizer,
            best_return: 0.0,
            extra: None,
        };
        let error = student::write(&path, &checkpoint).unwrap_err();
        assert!(matches!(error, FormatError::Inexpressible { .. }), "{error}");
        assert!(!path.exists());
    }
}

fn ppo_networks(core: Option<Core>) -> (Policy, eyas_policy::Network) {
    let shape = |inputs, outputs| Architecture {
        core,
        ..Architecture::mlp(inputs, &[6, 3], outputs, Activation::Elu)
    };
    let actor =
        Policy { normalizer: Some(normalizer(5)), network: network(shape(5, 2)), output: Output::Identity };
    (actor, network(shape(7, 1)))
}

#[test]
fn ppo_with_and_without_a_core() {
    let lstm = Core { cell: Cell::Lstm, width: 4, layers: 2 };
    let gru = Core { cell: Cell::Gru, width: 4, layers: 1 };
    for core in [None, Some(gru), Some(lstm)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model_7.pt");
        let (actor, critic) = ppo_networks(core);
        let critic_normalizer = normalizer(7);
        let std = [0.5, 0.25];
        let optimizer = adam(2 + actor.network.parameters.len() + critic.parameters.len(), 1234);
        let extra = extra();
        let checkpoint = PpoCheckpoint {
            actor: &actor,
            std: &std,
            critic: &critic,
            critic_normalizer: Some(&critic_normalizer),
            optimizer: &optimizer,
            iteration: 7,
            extra: Some(&extra),
        };
        rsl_rl::write_ppo(&path, &checkpoint).unwrap();
        let run = rsl_rl::read_ppo(&path).unwrap();
        assert_eq!(run.actor, actor);
        assert_eq!(run.critic, critic);
        assert_eq!((run.critic_normalizer, run.std), (Some(critic_normalizer), std.to_vec()));
        assert_eq!((run.optimizer, run.iteration, run.extra), (Some(optimizer), 7, Some(extra)));

        let read = Checkpoint::read(&path).unwrap();
        assert_eq!(read.kind(), Layout::RslRlModels);
        assert_eq!(read.policy(&LoadOptions::default()).unwrap().std, Some(std.to_vec()));
    }
}

#[test]
fn an_actor_by_itself_is_read_back_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher.pt");
    let teacher = Policy {
        normalizer: Some(normalizer(26)),
        network: network(Architecture::mlp(26, &[64, 64], 4, Activation::Elu)),
        output: Output::Tanh,
    };
    let (plain, _) = ppo_networks(None);
    let (recurrent, _) = ppo_networks(Some(Core { cell: Cell::Gru, width: 4, layers: 1 }));
    let extra = extra();
    for policy in [teacher, Policy { normalizer: None, ..plain }, recurrent] {
        let std: Vec<f32> = (1..=policy.num_actions()).map(|action| 0.25 * action as f32).collect();
        rsl_rl::write_actor(&path, &policy, &std, 300, Some(&extra)).unwrap();
        let read = Checkpoint::read(&path).unwrap();
        let loaded = read.policy(&LoadOptions::default()).unwrap();
        assert_eq!((loaded.policy, loaded.std), (policy, Some(std)));
        assert_eq!((read.kind(), read.iteration()), (Layout::RslRlModels, Some(300)));
        assert_eq!((read.extra(), read.has_optimizer()), (Some(&extra), false));
        // 26-64-64-4 is 6148 parameters of 4 bytes; names and the archive take the rest.
        assert!(read.num_bytes() < 32_000, "{}", read.num_bytes());
        let error = rsl_rl::read_ppo(&path).unwrap_err();
        assert!(matches!(error, FormatError::MissingSide { side: "critic", .. }), "{error}");
    }
}

#[test]
fn an_actor_that_the_layout_cannot_hold_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher.pt");
    let (actor, _) = ppo_networks(None);
    let beta = Policy { output: Output::Beta, ..actor.clone() };
    let gru = network(Architecture::gru_student(22, 16, 2));
    let encoder = Policy { normalizer: None, network: gru, output: Output::Identity };
    for (policy, std, what) in [
        (actor, &[0.5_f32; 3][..], "3 deviations for 2 actions"),
        (beta, &[0.5], "a Beta output"),
        (encoder, &[0.5; 2], "dense layers before the recurrent core"),
    ] {
        let error = rsl_rl::write_actor(&path, &policy, std, 0, None).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn a_real_run_is_written_as_the_library_wrote_it() {
    let original = data("point_ctrl_rsl_rl_5.5.1/model_best.pt");
    let run = rsl_rl::read_ppo(&original).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model_152.pt");
    let checkpoint = PpoCheckpoint {
        actor: &run.actor,
        std: &run.std,
        critic: &run.critic,
        critic_normalizer: run.critic_normalizer.as_ref(),
        optimizer: run.optimizer.as_ref().unwrap(),
        iteration: run.iteration,
        extra: None,
    };
    rsl_rl::write_ppo(&path, &checkpoint).unwrap();
    let (original, again) = (Checkpoint::read(&original).unwrap(), Checkpoint::read(&path).unwrap());
    for (key, value) in original.root().entries().unwrap() {
        assert_eq!(again.root().get(key.as_str().unwrap()), Some(value), "{key:?}");
    }
}

#[test]
fn ppo_sizes_that_do_not_fit_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (actor, critic) = ppo_networks(None);
    let optimizer = adam(3, 1);
    let checkpoint = PpoCheckpoint {
        actor: &actor,
        std: &[0.5; 2],
        critic: &critic,
        critic_normalizer: None,
        optimizer: &optimizer,
        iteration: 0,
        extra: None,
    };
    let error = rsl_rl::write_ppo(&directory.path().join("model.pt"), &checkpoint).unwrap_err();
    assert!(error.to_string().contains("moments of 3 parameters"), "{error}");
}

#[test]
fn moments_of_an_optimiser_with_other_settings_are_refused() {
    let (mut root, _) = eyas_formats::torch::read(&data("made_student_numpy.pt")).unwrap();
    let Value::Dict(entries) = &mut root else { panic!("{root:?}") };
    let optimizer = entries.iter_mut().find(|(key, _)| key.as_str() == Some("optimizer_state_dict")).unwrap();
    let group = Value::dict([("lr", Value::from(1e-3)), ("weight_decay", Value::from(0.01))]);
    optimizer.1 = Value::dict([("state", Value::Dict(vec![])), ("param_groups", vec![group].into())]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("student.pt");
    eyas_formats::torch::write(&path, &root).unwrap();
    let error = student::read(&path).unwrap_err();
    assert!(error.to_string().ends_with("has weight decay 0.01, expected 0"), "{error}");
    // The policy itself does not depend on it.
    assert!(Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).is_ok());
}
