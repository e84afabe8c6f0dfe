//! What a file leaves open is decided for a stated reason, or refused.

use std::path::{Path, PathBuf};

use eyas_formats::student::{self, StudentCheckpoint};
use eyas_formats::{
    AdamState, Checkpoint, FormatError, Layout, LoadOptions, LoadedPolicy, NormalizerChoice, OutputChoice,
    Role, Side, Tensor, Value, torch,
};
use eyas_policy::{Activation, Cell, Output};
use tempfile::TempDir;

use crate::fixtures::{data, load, mlp_policy, run_directory};

type Entries = Vec<(String, Value)>;

/// Entries of linear layers `{prefix}0`, `{prefix}2`, … of these widths; each row holds its index.
fn dense(prefix: &str, widths: &[usize]) -> Entries {
    let layer = |(index, pair): (usize, &[usize])| {
        let weights: Vec<f32> = (0..pair[1]).flat_map(|row| vec![row as f32; pair[0]]).collect();
        let bias: Vec<f32> = (0..pair[1]).map(|row| row as f32).collect();
        [
            (format!("{prefix}{}.weight", 2 * index), Tensor::from_f32(&[pair[1], pair[0]], &weights).into()),
            (format!("{prefix}{}.bias", 2 * index), Tensor::from_f32(&[pair[1]], &bias).into()),
        ]
    };
    widths.windows(2).enumerate().flat_map(layer).collect()
}

fn recurrent(prefix: &str, gates: usize, inputs: usize, width: usize) -> Entries {
    let zeros = |shape: &[usize]| Value::from(Tensor::from_f32(shape, &vec![0.0; shape.iter().product()]));
    let rows = gates * width;
    vec![
        (format!("{prefix}weight_ih_l0"), zeros(&[rows, inputs])),
        (format!("{prefix}weight_hh_l0"), zeros(&[rows, width])),
        (format!("{prefix}bias_ih_l0"), zeros(&[rows])),
        (format!("{prefix}bias_hh_l0"), zeros(&[rows])),
    ]
}

fn normalizer(prefix: &str, width: usize, mean: f32) -> Entries {
    let row = |value: f32| Value::from(Tensor::from_f32(&[1, width], &vec![value; width]));
    vec![
        (format!("{prefix}_mean"), row(mean)),
        (format!("{prefix}_var"), row(4.0)),
        (format!("{prefix}_std"), row(2.0)),
        (format!("{prefix}count"), Tensor::from_i64(&[], &[99]).into()),
    ]
}

fn vector(key: &str, values: &[f32]) -> Entries {
    vec![(key.to_owned(), Tensor::from_f32(&[values.len()], values).into())]
}

fn actor_critic(entries: Entries) -> Value {
    Value::dict([("model_state_dict", Value::ordered_dict(entries)), ("iter", 7.into())])
}

fn models(actor: Entries) -> Value {
    let critic = Value::ordered_dict(dense("mlp.", &[3, 4, 1]));
    Value::dict([("actor_state_dict", Value::ordered_dict(actor)), ("critic_state_dict", critic)])
}

fn plain_ppo() -> Value {
    actor_critic(
        [vector("std", &[0.5, 0.5]), dense("actor.", &[3, 4, 2]), dense("critic.", &[3, 4, 1])].concat(),
    )
}

fn policy(root: &Value, config: Option<&str>, options: &LoadOptions) -> Result<LoadedPolicy, FormatError> {
    let (directory, path) = run_directory(root, config);
    let loaded = Checkpoint::read(&path)?.policy(options);
    drop(directory);
    loaded
}

fn defaults(root: &Value, config: Option<&str>) -> Result<LoadedPolicy, FormatError> {
    policy(root, config, &LoadOptions::default())
}

fn reason<'a>(loaded: &'a LoadedPolicy, what: &str) -> &'a str {
    &loaded.decisions.iter().find(|decision| decision.what == what).unwrap().reason
}

fn output(choice: OutputChoice) -> LoadOptions {
    LoadOptions { output: choice, ..LoadOptions::default() }
}

#[test]
fn the_activation_comes_from_option_then_config_then_default() {
    let loaded = defaults(&plain_ppo(), None).unwrap();
    assert_eq!(loaded.policy.network.architecture.activation, Activation::Elu);
    assert!(reason(&loaded, "activation").contains("default"));

    let old = "policy:\n  class_name: ActorCritic\n  activation: tanh\n";
    let loaded = defaults(&plain_ppo(), Some(old)).unwrap();
    assert_eq!(loaded.policy.network.architecture.activation, Activation::Tanh);
    assert!(reason(&loaded, "activation").ends_with("params/agent.yaml says policy.activation"));

    let new = "actor:\n  activation: lrelu\ncritic:\n  activation: relu\npolicy: null\n";
    let loaded = defaults(&plain_ppo(), Some(new)).unwrap();
    assert_eq!(loaded.policy.network.architecture.activation, Activation::LeakyRelu);

    let options = LoadOptions { activation: Some(Activation::Gelu), ..LoadOptions::default() };
    let loaded = policy(&plain_ppo(), Some(old), &options).unwrap();
    assert_eq!(loaded.policy.network.architecture.activation, Activation::Gelu);
    assert_eq!(loaded.decisions[0].to_string(), "activation gelu: given by option");
}

#[test]
fn the_config_is_found_above_and_may_carry_python_tags() {
    let yaml = "policy:\n  activation: relu\n  dims: !!python/tuple\n  - 64\n  - 64\n\
                extra: !!python/object/apply:builtins.slice\n- null\n- 3\n- null\nempirical_normalization: false\n";
    let (directory, path) = run_directory(&plain_ppo(), Some(yaml));
    let below = directory.path().join("exported/model.pt");
    std::fs::create_dir(below.parent().unwrap()).unwrap();
    std::fs::rename(path, &below).unwrap();
    let loaded = load(&below, &LoadOptions::default());
    assert_eq!(loaded.policy.network.architecture.activation, Activation::Relu);
}

#[test]
fn a_config_that_cannot_be_read_is_an_error() {
    for yaml in ["policy: [", "policy:\n  activation: sine\n"] {
        let error = defaults(&plain_ppo(), Some(yaml)).unwrap_err();
        assert!(matches!(error, FormatError::RunnerConfig { .. }), "{error}");
    }
    let options =
        LoadOptions { runner_config: Some(PathBuf::from("/no/agent.yaml")), ..LoadOptions::default() };
    let error = policy(&plain_ppo(), None, &options).unwrap_err();
    assert_eq!(error.to_string(), "there is no file `/no/agent.yaml`");
}

#[test]
fn nothing_tells_a_tanh_of_the_fork_so_the_reason_names_the_flag() {
    let loaded = defaults(&plain_ppo(), None).unwrap();
    assert_eq!(loaded.policy.output, Output::Identity);
    assert!(reason(&loaded, "output").contains("--teacher_output tanh"));
    let loaded = policy(&plain_ppo(), None, &output(OutputChoice::Tanh)).unwrap();
    assert_eq!(loaded.policy.output, Output::Tanh);
}

#[test]
fn deviations_are_read_in_every_form() {
    let actor = || dense("mlp.", &[3, 4, 2]);
    for (key, logarithmic) in [
        ("std", false),
        ("log_std", true),
        ("distribution.std_param", false),
        ("distribution.log_std_param", true),
    ] {
        let values = if logarithmic { [0.25_f32.ln(), 2.0_f32.ln()] } else { [0.25, 2.0] };
        let loaded = defaults(&models([vector(key, &values), actor()].concat()), None).unwrap();
        let std = loaded.std.unwrap();
        assert!((std[0] - 0.25).abs() < 1e-6 && (std[1] - 2.0).abs() < 1e-6, "{key}: {std:?}");
    }
    let error = defaults(&models([vector("std", &[1.0; 3]), actor()].concat()), None).unwrap_err();
    assert!(matches!(error, FormatError::ShapeMismatch { .. }), "{error}");
}

#[test]
fn two_outputs_for_each_action_need_a_config_or_an_option() {
    let root = || models(dense("mlp.", &[3, 4, 4]));
    let error = defaults(&root(), None).unwrap_err();
    assert!(matches!(error, FormatError::AmbiguousOutput { outputs: 4, .. }), "{error}");
    assert!(error.hint().unwrap().contains("--teacher_output mean"));

    let distribution = |name: &str| format!("actor:\n  distribution_cfg:\n    class_name: {name}\n");
    for (config, options, expected, actions) in [
        (Some(distribution("HeteroscedasticGaussianDistribution")), OutputChoice::Auto, Output::Identity, 2),
        (Some(distribution("rsl_rl.modules:BetaDistribution")), OutputChoice::Auto, Output::Beta, 2),
        (Some("policy:\n  state_dependent_std: true\n".to_owned()), OutputChoice::Auto, Output::Identity, 2),
        (Some("policy:\n  state_dependent_std: true\n".to_owned()), OutputChoice::Tanh, Output::Tanh, 2),
        (None, OutputChoice::Mean, Output::Identity, 2),
        (None, OutputChoice::Beta, Output::Beta, 2),
        (None, OutputChoice::Identity, Output::Identity, 4),
    ] {
        let loaded = policy(&root(), config.as_deref(), &output(options)).unwrap();
        assert_eq!(
            (loaded.policy.output, loaded.policy.num_actions()),
            (expected, actions),
            "{config:?} {options:?}"
        );
        assert_eq!(loaded.std, None);
        // The rows that stay are the first ones.
        let outputs = loaded.policy.network.architecture.outputs;
        let bias: Vec<f32> = (0..outputs).map(|row| row as f32).collect();
        assert!(loaded.policy.network.parameters.ends_with(&bias));
        assert_eq!(
            loaded.policy.network.parameters.len(),
            loaded.policy.network.architecture.num_parameters()
        );
    }
    let range = distribution("BetaDistribution") + "    action_range: [0.0, 1.0]\n";
    let error = defaults(&root(), Some(&range)).unwrap_err();
    assert!(error.to_string().contains("[0.0, 1.0]"), "{error}");
    let error = policy(&plain_ppo(), None, &output(OutputChoice::Mean)).unwrap_err();
    assert!(matches!(error, FormatError::UnsupportedLayout { .. }), "{error}");
}

#[test]
fn normalisers_stand_inside_and_outside_the_model() {
    let model = |extra: Entries| {
        Value::ordered_dict(
            [vector("std", &[0.5; 2]), dense("actor.", &[3, 2]), dense("critic.", &[5, 1]), extra].concat(),
        )
    };
    let outside = Value::dict([
        ("model_state_dict", model(vec![])),
        ("obs_norm_state_dict", Value::ordered_dict(normalizer("", 3, 1.0))),
        ("privileged_obs_norm_state_dict", Value::ordered_dict(normalizer("", 5, 2.0))),
    ]);
    let inside = normalizer("actor_obs_normalizer.", 3, 1.0);
    let inside = actor_critic(
        [
            vector("std", &[0.5; 2]),
            dense("actor.", &[3, 2]),
            dense("critic.", &[5, 1]),
            inside,
            normalizer("critic_obs_normalizer.", 5, 2.0),
        ]
        .concat(),
    );
    for (root, version) in [(outside, "2.3"), (inside, "3.x")] {
        let (_directory, path) = run_directory(&root, None);
        let checkpoint = Checkpoint::read(&path).unwrap();
        assert!(checkpoint.description().contains(version), "{}", checkpoint.description());
        let loaded = checkpoint.policy(&LoadOptions::default()).unwrap();
        assert_eq!(loaded.policy.normalizer.as_ref().unwrap().mean, [1.0; 3]);
        assert!(reason(&loaded, "normaliser").contains("count 99"));
        let critic = checkpoint.critic(&LoadOptions::default()).unwrap();
        assert_eq!((critic.normalizer.unwrap().mean, critic.network.architecture.inputs), (vec![2.0; 5], 5));

        let off = LoadOptions { normalizer: NormalizerChoice::Off, ..LoadOptions::default() };
        assert_eq!(checkpoint.policy(&off).unwrap().policy.normalizer, None);
    }
}

#[test]
fn a_normaliser_that_the_config_demands_is_not_silently_missing() {
    for yaml in ["empirical_normalization: true\n", "actor:\n  obs_normalization: true\n"] {
        let error = defaults(&plain_ppo(), Some(yaml)).unwrap_err();
        assert!(matches!(error, FormatError::MissingNormalizer { .. }), "{error}");
        assert!(error.hint().unwrap().contains("--teacher_normalizer"));
    }
    let own = "empirical_normalization: true\npolicy:\n  actor_obs_normalization: false\n";
    assert_eq!(defaults(&plain_ppo(), Some(own)).unwrap().policy.normalizer, None);
}

#[test]
fn a_normaliser_may_come_from_another_file() {
    let (_saved, normalizer_file) = run_directory(&Value::ordered_dict(normalizer("", 3, 7.0)), None);
    let (_run, run_file) = run_directory(
        &models(
            [vector("std", &[0.5; 2]), dense("mlp.", &[3, 2]), normalizer("obs_normalizer.", 3, 7.0)]
                .concat(),
        ),
        None,
    );
    for file in [normalizer_file, run_file] {
        let options = LoadOptions { normalizer: NormalizerChoice::Path(file), ..LoadOptions::default() };
        let loaded = policy(&plain_ppo(), None, &options).unwrap();
        assert_eq!(loaded.policy.normalizer.unwrap().mean, [7.0; 3]);
    }
    let (_wrong, wrong_width) = run_directory(&Value::ordered_dict(normalizer("", 4, 7.0)), None);
    let options = LoadOptions { normalizer: NormalizerChoice::Path(wrong_width), ..LoadOptions::default() };
    let error = policy(&plain_ppo(), None, &options).unwrap_err();
    assert!(matches!(error, FormatError::ShapeMismatch { .. }), "{error}");
}

#[test]
fn a_recurrent_distillation_of_2_3_has_two_sides() {
    let model = [
        vector("std", &[0.1; 2]),
        dense("student.", &[6, 4, 2]),
        dense("teacher.", &[5, 8, 2]),
        recurrent("memory_s.rnn.", 4, 3, 6),
    ]
    .concat();
    let root = Value::dict([
        ("model_state_dict", Value::ordered_dict(model)),
        ("obs_norm_state_dict", Value::ordered_dict(normalizer("", 3, 1.0))),
        ("privileged_obs_norm_state_dict", Value::ordered_dict(normalizer("", 5, 2.0))),
    ]);
    let student = defaults(&root, None).unwrap();
    assert_eq!((student.role, student.policy.num_observations()), (Role::Student, 3));
    assert_eq!(student.policy.network.architecture.core.unwrap().cell, Cell::Lstm);
    assert_eq!(student.policy.normalizer.unwrap().mean, [1.0; 3]);
    let options = LoadOptions { side: Side::Teacher, ..LoadOptions::default() };
    let teacher = policy(&root, None, &options).unwrap();
    assert_eq!((teacher.policy.num_observations(), teacher.std), (5, None));
    assert_eq!(teacher.policy.normalizer.unwrap().mean, [2.0; 5]);
}

#[test]
fn the_recurrent_student_of_foundation_ends_in_tanh() {
    for rnn in ["rnn.", "memory_s.rnn."] {
        let model = [
            vector("std", &[0.0; 4]),
            dense("pre_rnn_mlp.", &[22, 16]),
            recurrent(rnn, 3, 16, 16),
            dense("post_rnn_mlp.", &[16, 16]),
            dense("student.", &[16, 256, 256, 128, 4]),
            dense("teacher.", &[26, 64, 64, 64, 4]),
        ]
        .concat();
        let (_directory, path) = run_directory(&actor_critic(model), None);
        let checkpoint = Checkpoint::read(&path).unwrap();
        assert_eq!(checkpoint.kind(), Layout::CustomRecurrentStudent);
        let student = checkpoint.policy(&LoadOptions::default()).unwrap();
        let architecture = &student.policy.network.architecture;
        assert_eq!(
            (architecture.encoder.as_slice(), architecture.hidden.as_slice()),
            (&[16][..], &[16, 256, 256, 128][..])
        );
        assert_eq!(architecture.num_parameters(), 105_828);
        assert_eq!(student.policy.output, Output::Tanh);
        let teacher =
            checkpoint.policy(&LoadOptions { side: Side::Teacher, ..LoadOptions::default() }).unwrap();
        assert_eq!((teacher.policy.num_observations(), teacher.policy.output), (26, Output::Tanh));
    }
}

#[test]
fn bare_state_dicts_are_policies_too() {
    let sequential = Value::ordered_dict(dense("", &[3, 4, 2]));
    let actor = Value::ordered_dict([vector("std", &[0.5; 2]), dense("actor.", &[3, 4, 2])].concat());
    let model = Value::ordered_dict([vector("std", &[0.5; 2]), dense("mlp.", &[3, 4, 2])].concat());
    let wrapped = Value::dict([("policy", actor.clone())]);
    for (root, layout) in [
        (sequential, Layout::BareSequential),
        (actor, Layout::RslRlActorCritic),
        (model, Layout::BareModel),
        (wrapped, Layout::RslRlActorCritic),
    ] {
        let (_directory, path) = run_directory(&root, None);
        let checkpoint = Checkpoint::read(&path).unwrap();
        assert_eq!(checkpoint.kind(), layout);
        let loaded = checkpoint.policy(&LoadOptions::default()).unwrap();
        assert_eq!((loaded.policy.num_observations(), loaded.policy.num_actions()), (3, 2));
    }
}

#[test]
fn the_config_of_its_teacher_does_not_shape_a_student() {
    let root = Value::dict([("model_state_dict", Value::ordered_dict(dense("network.", &[3, 4, 2])))]);
    let teacher_config = "policy:\n  activation: tanh\nempirical_normalization: true\n";
    let loaded = defaults(&root, Some(teacher_config)).unwrap();
    assert_eq!(loaded.policy.network.architecture.activation, Activation::Elu);
    assert_eq!(loaded.policy.normalizer, None);
}

#[test]
fn a_side_that_is_not_there_is_named_with_what_is() {
    let teacher = LoadOptions { side: Side::Teacher, ..LoadOptions::default() };
    let student = LoadOptions { side: Side::Student, ..LoadOptions::default() };
    let error = Checkpoint::read(&data("made_student_numpy.pt")).unwrap().policy(&teacher).unwrap_err();
    assert!(error.to_string().ends_with("has no teacher: it holds student"), "{error}");
    let error = policy(&plain_ppo(), None, &student).unwrap_err();
    assert!(error.to_string().ends_with("has no student: it holds actor and critic"), "{error}");
    // A PPO actor is what distillation takes for a teacher.
    assert_eq!(policy(&plain_ppo(), None, &teacher).unwrap().role, Role::Actor);
}

#[test]
fn layers_that_are_not_understood_are_named() {
    let cnn = [plain_entries(), vector("actor_cnns.depth.0.weight", &[1.0])].concat();
    let error = defaults(&actor_critic(cnn), None).unwrap_err();
    assert!(error.to_string().contains("convolutional layers: `actor_cnns.depth.0.weight`"), "{error}");

    let attention = [plain_entries(), vector("attention.in_proj_weight", &[1.0])].concat();
    let error = defaults(&actor_critic(attention), None).unwrap_err();
    assert!(error.to_string().contains("attention layers"), "{error}");

    let mut gap = dense("actor.", &[3, 4]);
    gap.extend(vector("actor.1.weight", &[1.0; 4]));
    let error = defaults(&actor_critic(gap), None).unwrap_err();
    assert!(error.to_string().contains("numbered [0, 1]"), "{error}");

    let error = defaults(&Value::dict([("weights", vec![])]), None).unwrap_err();
    assert!(error.to_string().contains("it holds `weights`"), "{error}");
    let error = defaults(&Value::List(vec![]), None).unwrap_err();
    assert!(error.to_string().contains("a list, not a dict"), "{error}");
}

fn plain_entries() -> Entries {
    [vector("std", &[0.5, 0.5]), dense("actor.", &[3, 4, 2])].concat()
}

#[test]
fn broken_weights_are_named() {
    let replaced = |key: &str, tensor: Tensor| {
        let mut entries = plain_entries();
        entries.iter_mut().find(|(known, _)| known == key).unwrap().1 = tensor.into();
        defaults(&actor_critic(entries), None).unwrap_err()
    };
    let error = replaced("actor.2.bias", Tensor::from_f32(&[2], &[0.0, f32::NAN]));
    assert!(error.to_string().starts_with("`model_state_dict/actor.2.bias` in"), "{error}");
    assert!(error.to_string().ends_with("is not finite: element 1 is NaN"), "{error}");
    let error = replaced("actor.2.weight", Tensor::from_f32(&[2, 3], &[0.0; 6]));
    assert!(error.to_string().ends_with("has shape [2, 3], expected [2, 4]"), "{error}");
    let error = replaced("actor.0.bias", Tensor::from_f32(&[4, 1], &[0.0; 4]));
    assert!(matches!(error, FormatError::ShapeMismatch { .. }), "{error}");

    let mut missing = plain_entries();
    missing.retain(|(key, _)| key != "actor.0.bias");
    let error = defaults(&actor_critic(missing), None).unwrap_err();
    assert!(
        matches!(&error, FormatError::MissingKey { key, .. } if key.ends_with("actor.0.bias")),
        "{error}"
    );

    let vanilla = [plain_entries(), recurrent("memory_a.rnn.", 1, 3, 3)].concat();
    let error = defaults(&actor_critic(vanilla), None).unwrap_err();
    assert!(error.to_string().contains("of a GRU or"), "{error}");
}

#[test]
fn a_file_of_a_later_eyas_names_the_version_to_use() {
    let root = Value::dict([
        ("model_state_dict", Value::ordered_dict(dense("network.", &[3, 2]))),
        ("eyas", Value::dict([("format_version", Value::from(2)), ("writer", "eyas 9.1.0".into())])),
    ]);
    let error = defaults(&root, None).unwrap_err();
    assert!(matches!(error, FormatError::NewerFormat { found: 2, .. }), "{error}");
    assert_eq!(error.hint().unwrap(), "use eyas 9.1.0 or later");
}

#[test]
fn a_description_says_all_of_it() {
    let checkpoint = Checkpoint::read(&data("point_ctrl_rsl_rl_5.5.1/model_best.pt")).unwrap();
    let description = checkpoint.describe(&LoadOptions::default());
    let text = description.to_string();
    for line in [
        "rsl_rl PPO, actor and critic apart (rsl_rl 5.x)",
        "  268085 bytes, torch zip archive, iteration 152, with optimiser state",
        "actor: 26 → 64 → 64 → 64 → 4, 4 actions, normalised by",
        "critic: 26 → 64 → 64 → 64 → 1, values, normalised by",
        "says actor.activation",
        "  optimizer_state_dict/… 51 tensors",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    let json = serde_json::to_value(&description).unwrap();
    assert_eq!(json["layout"], "rsl_rl_models");
    assert_eq!(json["networks"][0]["role"], "actor");
    assert_eq!(json["tensors"][0]["shape"], serde_json::json!([1, 26]));
    assert_eq!(json["tensors"][0]["dtype"], "f32");
}

#[test]
fn a_network_that_cannot_be_loaded_is_described_by_the_reason() {
    let (_directory, path) = run_directory(&models(dense("mlp.", &[3, 4, 4])), None);
    let description = Checkpoint::read(&path).unwrap().describe(&LoadOptions::default());
    assert!(description.networks[0].problem.as_ref().unwrap().contains("Beta"));
    assert!(description.networks[1].problem.is_none());
}

#[test]
fn an_infinite_best_return_is_kept() {
    let directory = TempDir::new().unwrap();
    let path: &Path = &directory.path().join("student.pt");
    let policy = mlp_policy();
    let optimizer = AdamState::new(policy.network.parameters.len(), 1e-4);
    let checkpoint = StudentCheckpoint {
        epoch: 0,
        policy: &policy,
        optimizer: &optimizer,
        best_return: f64::NEG_INFINITY,
        extra: None,
    };
    student::write(path, &checkpoint).unwrap();
    assert_eq!(Checkpoint::read(path).unwrap().best_return(), Some(f64::NEG_INFINITY));
    assert!(torch::read(path).is_ok());
}
