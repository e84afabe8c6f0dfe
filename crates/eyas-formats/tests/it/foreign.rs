//! Actors of rl_games, skrl, Stable-Baselines3 and sample-factory act as in those libraries, whose own files are read.

use std::fs;
use std::path::{Path, PathBuf};

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{
    Checkpoint, FormatError, Layout, LoadOptions, LoadedPolicy, NormalizerChoice, Tensor, Value, torch,
};
use eyas_policy::{Activation, Cell, Contract, Inference, Output};
use tempfile::TempDir;

use crate::fixtures::{data, json, load, sequence};
use crate::reference::{actions, distance};

/// The cell, the squash, the limit of the normaliser and the layout that a file is read with.
struct Case {
    file: &'static str,
    record: &'static str,
    layout: Layout,
    cell: Option<Cell>,
    output: Output,
    clip: Option<f32>,
}

const fn case(file: &'static str, record: &'static str, layout: Layout) -> Case {
    Case { file, record, layout, cell: None, output: Output::Identity, clip: None }
}

fn cases() -> Vec<Case> {
    let [rl_games, skrl, sb3, factory] =
        [Layout::RlGames, Layout::Skrl, Layout::StableBaselines3, Layout::SampleFactory];
    let (gru, lstm) = (Some(Cell::Gru), Some(Cell::Lstm));
    let (five, three) = (Some(5.0), Some(3.0));
    let last = "checkpoint_p0/checkpoint_000000003_65536.pth";
    let sample_factory = |name: &str| -> &'static str { format!("{name}/{last}").leak() };
    vec![
        Case { clip: five, ..case("rl_games_mlp.pth", "rl_games_mlp", rl_games) },
        case("rl_games_plain.pth", "rl_games_plain", rl_games),
        Case { cell: gru, clip: five, ..case("rl_games_gru.pth", "rl_games_gru", rl_games) },
        Case { cell: lstm, clip: five, ..case("rl_games_lstm_before.pth", "rl_games_lstm_before", rl_games) },
        Case { clip: five, ..case("skrl_mlp.pt", "skrl_mlp", skrl) },
        Case { output: Output::Tanh, clip: five, ..case("skrl_shared_tanh.pt", "skrl_shared_tanh", skrl) },
        Case { cell: gru, ..case("skrl_gru.pt", "skrl_gru", skrl) },
        Case { clip: three, ..case("sb3_ppo/model.zip", "sb3_ppo", sb3) },
        case("sb3_ppo_default/model.zip", "sb3_ppo_default", sb3),
        Case { output: Output::Tanh, clip: three, ..case("sb3_sac/model.zip", "sb3_sac", sb3) },
        Case { output: Output::Tanh, ..case("sb3_td3/model.zip", "sb3_td3", sb3) },
        Case { cell: lstm, clip: three, ..case("sb3_recurrent/model.zip", "sb3_recurrent", sb3) },
        Case {
            cell: gru,
            clip: five,
            ..case(sample_factory("sample_factory_gru"), "sample_factory_gru", factory)
        },
        Case {
            cell: lstm,
            output: Output::Tanh,
            clip: five,
            ..case(sample_factory("sample_factory_lstm"), "sample_factory_lstm", factory)
        },
    ]
}

fn file(name: &str) -> PathBuf {
    data("foreign").join(name)
}

/// The policy of a case; the config that says how the shared model of skrl ends lies in no file of its own.
fn loaded(case: &Case) -> LoadedPolicy {
    let directory = TempDir::new().unwrap();
    let config = directory.path().join("agent.yaml");
    fs::write(&config, "models: {policy: {output: tanh(ACTIONS), network: [{activations: [elu, elu]}]}}")
        .unwrap();
    let runner_config = (case.layout == Layout::Skrl && case.output == Output::Tanh).then_some(config);
    load(&file(case.file), &LoadOptions { runner_config, ..LoadOptions::default() })
}

#[test]
fn every_actor_acts_as_in_its_library() {
    for case in cases() {
        let name = case.record;
        let checkpoint = Checkpoint::read(&file(case.file)).unwrap();
        assert_eq!(checkpoint.kind(), case.layout, "{name}");
        let loaded = loaded(&case);
        let record = json(&file(&format!("{name}.json")));
        let (input, expected) = (sequence(&record["input"]), sequence(&record["action"]));
        let (exact, _) = actions(&loaded.policy, &input);
        // Inputs of up to 5 and weights of about 0.4 over a few dozen terms, in single precision; of a feature that never
        // varied Stable-Baselines3 divides by 1e-4 in double precision, of which the deviation here keeps five digits.
        let error = distance(&exact, &expected);
        assert!(error < 1e-4, "{name}: actions differ by {error:e}");
        let flat: Vec<f32> = input.iter().flatten().flatten().map(|value| *value as f32).collect();
        let flown = Inference::new(&loaded.policy).act_on_record(&flat, input.len(), input[0].len());
        let error =
            flown.iter().zip(expected.iter().flatten().flatten()).map(|(a, b)| (f64::from(*a) - b).abs());
        let error = error.fold(0.0, f64::max);
        assert!(error < 1e-4, "{name}: flown actions differ by {error:e}");

        let policy = &loaded.policy;
        assert_eq!(policy.network.architecture.core.map(|core| core.cell), case.cell, "{name}");
        assert_eq!(policy.output, case.output, "{name}");
        assert_eq!(policy.normalizer.as_ref().and_then(|it| it.clip), case.clip, "{name}");
        let counted = policy.normalizer.as_ref().map_or(1, |it| it.count);
        assert!(counted > 0, "{name}");
    }
}

#[test]
fn a_limit_that_is_left_out_is_a_wrong_action() {
    // The records go beyond every limit, so the test above would notice.
    for case in cases().into_iter().filter(|case| case.clip.is_some()) {
        let mut loaded = loaded(&case);
        loaded.policy.normalizer.as_mut().unwrap().clip = None;
        let record = json(&file(&format!("{}.json", case.record)));
        let (found, _) = actions(&loaded.policy, &sequence(&record["input"]));
        let error = distance(&found, &sequence(&record["action"]));
        assert!(error > 1e-3, "{}: {error:e}", case.record);
    }
}

#[test]
fn what_can_limit_takes_the_limit_along_and_the_rest_refuses() {
    let directory = TempDir::new().unwrap();
    for case in cases() {
        let policy = loaded(&case).policy;
        let contract = Contract::of(&policy);
        let export = Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
        let record = json(&file(&format!("{}.json", case.record)));
        let (input, expected) = (sequence(&record["input"]), sequence(&record["action"]));
        for kind in [Kind::Onnx, Kind::TorchScript, Kind::C, Kind::Safetensors, Kind::Npz, Kind::Fly] {
            let path = directory.path().join(format!("policy.{}", kind.extension()));
            convert::write(&path, kind, &export).unwrap();
            let found = load(&path, &LoadOptions::default()).policy;
            assert_eq!(
                found.normalizer.as_ref().and_then(|it| it.clip),
                case.clip,
                "{} as {kind}",
                case.record
            );
            let error = distance(&actions(&found, &input).0, &expected);
            assert!(error < 1e-4, "{} as {kind}: actions differ by {error:e}", case.record);
        }
        for kind in [Kind::RslRl5, Kind::Student, Kind::RlTools, Kind::Sequential] {
            let path = directory.path().join(format!("{}.x", case.record));
            if case.clip.is_some() {
                let error = convert::write(&path, kind, &export).unwrap_err();
                assert!(matches!(error, FormatError::Inexpressible { .. }), "{error}");
                assert!(error.to_string().contains("limits its results to ±"), "{error}");
                assert!(!path.exists());
            }
        }
    }
}

#[test]
fn decisions_say_what_a_file_leaves_open() {
    let decided = |path: &Path, options: &LoadOptions| {
        load(path, options).decisions.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let options = LoadOptions::default();
    let text = decided(&file("rl_games_mlp.pth"), &options);
    for part in [
        "keys without `_orig_mod.`",
        "give --teacher_activation",
        "model/running_mean_std.*: the file holds it, count 65537, what it gives limited to ±5",
        "give --teacher_output tanh",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = decided(&file("sb3_ppo/model.zip"), &options);
    for part in ["activation elu: the file says activation_fn", "vecnormalize.pkl: it holds it, count 4096"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = decided(&file("sb3_ppo_default/model.zip"), &options);
    for part in ["activation tanh: default of Stable-Baselines3", "no vecnormalize.pkl"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let text = decided(&file("sample_factory_lstm/checkpoint_p0/checkpoint_000000003_65536.pth"), &options);
    for part in
        ["config.json says nonlinearity", "(x - 0.5) / 2 before it", "config.json says continuous_tanh_scale"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn statistics_of_another_place_are_given_by_option() {
    let directory = TempDir::new().unwrap();
    let model = directory.path().join("model.zip");
    fs::copy(file("sb3_ppo/model.zip"), &model).unwrap();
    let beside = load(&file("sb3_ppo/model.zip"), &LoadOptions::default()).policy;
    assert_eq!(load(&model, &LoadOptions::default()).policy.normalizer, None);
    let normalizer = NormalizerChoice::Path(file("sb3_ppo/vecnormalize.pkl"));
    assert_eq!(load(&model, &LoadOptions { normalizer, ..LoadOptions::default() }).policy, beside);
    for name in ["model_vecnormalize.pkl", "vec_normalize.pkl"] {
        fs::copy(file("sb3_ppo/vecnormalize.pkl"), directory.path().join(name)).unwrap();
        assert_eq!(load(&model, &LoadOptions::default()).policy, beside, "{name}");
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    let steps = directory.path().join("rl_model_1000_steps.zip");
    fs::copy(&model, &steps).unwrap();
    let name = directory.path().join("rl_model_vecnormalize_1000_steps.pkl");
    fs::copy(file("sb3_ppo/vecnormalize.pkl"), &name).unwrap();
    assert_eq!(load(&steps, &LoadOptions::default()).policy, beside);
    assert_eq!(load(&model, &LoadOptions::default()).policy.normalizer, None);
}

#[test]
fn isaac_labs_configs_are_understood() {
    let directory = TempDir::new().unwrap();
    fs::create_dir_all(directory.path().join("params")).unwrap();
    fs::create_dir(directory.path().join("nn")).unwrap();
    let model = directory.path().join("nn/policy.pth");
    fs::copy(file("rl_games_plain.pth"), &model).unwrap();
    let config = |text: &str| fs::write(directory.path().join("params/agent.yaml"), text).unwrap();
    config(
        "params:\n  network:\n    mlp: {activation: relu}\n    space: {continuous: {mu_activation: tanh}}\n  config: \
         {normalize_input: false, clip_actions: .inf}\n",
    );
    let policy = load(&model, &LoadOptions::default()).policy;
    assert_eq!((policy.network.architecture.activation, policy.output), (Activation::Relu, Output::Tanh));

    config("params: {network: {mlp: {activation: swish}}, config: {normalize_input: true}}");
    let error = Checkpoint::read(&model).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(matches!(error, FormatError::MissingNormalizer { .. }), "{error}");
    let off = LoadOptions { normalizer: NormalizerChoice::Off, ..LoadOptions::default() };
    assert_eq!(load(&model, &off).policy.network.architecture.activation, Activation::Silu);

    config("params: {network: {space: {continuous: {mu_activation: softsign}}}}");
    let error = Checkpoint::read(&model).unwrap().policy(&LoadOptions::default()).unwrap_err();
    assert!(
        error.to_string().contains("`softsign` (params.network.space.continuous.mu_activation"),
        "{error}"
    );
}

fn refusal(path: &Path) -> String {
    Checkpoint::read(path).and_then(|it| it.policy(&LoadOptions::default())).unwrap_err().to_string()
}

#[test]
fn networks_that_no_policy_here_has_are_refused_by_what_they_have() {
    let error = refusal(&file("rl_games_concat.pth"));
    assert!(error.contains("`model/a2c_network.rnn.rnn.weight_ih_l0`"), "{error}");
    assert!(error.contains("expected [21, 5]"), "{error}");
    let error = refusal(&file("rl_games_layer_norm.pth"));
    assert!(error.contains("neither linear, GRU nor LSTM: `a2c_network.layer_norm.weight`"), "{error}");

    let directory = TempDir::new().unwrap();
    let path = directory.path().join("model.pth");
    let matrix = |rows: usize, columns: usize| {
        Value::from(Tensor::from_f32(&[rows, columns], &vec![0.1; rows * columns]))
    };
    let write = |key: &'static str, entries: Vec<(&str, Value)>, beside: &[&'static str]| {
        let mut root = vec![(key, Value::ordered_dict(entries))];
        root.extend(beside.iter().map(|key| (*key, Value::ordered_dict([("x", matrix(1, 1))]))));
        torch::write(&path, &Value::dict(root)).unwrap();
    };
    // The generalist of NTNU: two branches, of which one reads the vehicle.
    write(
        "model",
        vec![("a2c_network.linear1.weight", matrix(5, 3)), ("a2c_network.linear_1.weight", matrix(5, 4))],
        &[],
    );
    let error = refusal(&path);
    assert!(
        error.contains("one of its own, not rl_games' `actor_critic`: `a2c_network.linear1.weight`"),
        "{error}"
    );
    write("policy", vec![("net.0.weight", matrix(5, 3)), ("net.3.weight", matrix(2, 5))], &["value"]);
    assert!(
        refusal(&path).contains("between `net.0` and `net.3` stands something other"),
        "{}",
        refusal(&path)
    );
    let output = "action_parameterization.distribution_linear.weight";
    let two = vec![
        ("encoder.encoders.image.mlp_head.0.weight", matrix(5, 3)),
        ("encoder.encoders.obs.mlp_head.0.weight", matrix(5, 3)),
        (output, matrix(2, 5)),
    ];
    write("model", two, &[]);
    assert!(refusal(&path).contains("encodes 2 observations"), "{}", refusal(&path));
}

#[test]
fn damaged_archives_and_statistics_say_what_is_wrong() {
    let directory = TempDir::new().unwrap();
    let model = directory.path().join("model.zip");
    let pickle = directory.path().join("vecnormalize.pkl");
    fs::copy(file("sb3_ppo/model.zip"), &model).unwrap();
    let whole = fs::read(file("sb3_ppo/vecnormalize.pkl")).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&pickle, bytes).unwrap();
        refusal(&model)
    };
    assert!(refused(b"").contains("it is no VecNormalize"));
    assert!(refused(b"\x80\x04}.").contains("it is no VecNormalize"));
    assert!(
        refused(b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")
            .contains("`os.system`, which was not executed")
    );
    for length in (0..whole.len()).step_by(97) {
        assert!(refused(&whole[..length]).contains("it is no VecNormalize"), "{length}");
    }
    // Another byte may make another number of it, but never a panic.
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&pickle, bytes).unwrap();
        let _ = Checkpoint::read(&model).and_then(|it| it.policy(&LoadOptions::default()));
    }
    fs::remove_file(&pickle).unwrap();
    let archive = fs::read(&model).unwrap();
    for at in (0..archive.len()).step_by(97) {
        let mut bytes = archive.clone();
        bytes[at] ^= 0x55;
        fs::write(&model, bytes).unwrap();
        let _ = Checkpoint::read(&model).and_then(|it| it.policy(&LoadOptions::default()));
    }
    let mut narrow = whole;
    let deviation = narrow.windows(3).position(|bytes| bytes == b"var").unwrap();
    // The sizes of the array of variances: BININT1 6.
    let size =
        narrow[deviation..].windows(3).position(|bytes| bytes == b"K\x06\x85").unwrap() + deviation + 1;
    narrow[size] = 5;
    fs::write(&model, archive).unwrap();
    assert!(refused(&narrow).contains("no `vec_normalize/var`"), "{}", refused(&narrow));
}
