//! Faults planted into sound graphs are found, measured and put right.

use eyas_policy::{Activation, Architecture, Core, Network};

use super::model::{Attribute, Node};
use super::*;

/// A policy with distinct parameters, large enough that the state matters.
fn policy(core: Option<Core>, normalized: bool, output: Output) -> Policy {
    let architecture = Architecture { core, ..Architecture::mlp(5, &[7], 2, Activation::Elu) };
    let parameters =
        (0..architecture.num_parameters()).map(|it| (0.5 + it as f32).sqrt() % 1.0 - 0.5).collect();
    let normalizer = normalized.then(|| Normalizer {
        mean: vec![0.5, -1.0, 2.0, 0.0, 1.0],
        var: vec![4.0; 5],
        std: vec![2.0; 5],
        count: 9,
        clip: None,
    });
    Policy { normalizer, network: Network { architecture, parameters }, output }
}

const GRU: Option<Core> = Some(Core { cell: Cell::Gru, width: 6, layers: 2 });

const LSTM: Option<Core> = Some(Core { cell: Cell::Lstm, width: 6, layers: 1 });

/// Writes the policy's graph after a change and examines it.
fn examined(policy: &Policy, change: impl Fn(&mut Model), against: Option<&Policy>) -> Examination {
    let (_directory, path) = changed(policy, change);
    examine(&path, against).unwrap()
}

fn changed(policy: &Policy, change: impl Fn(&mut Model)) -> (tempfile::TempDir, std::path::PathBuf) {
    let mut model = build::model(policy, Vec::new());
    change(&mut model);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.onnx");
    fs::write(&path, model.encode()).unwrap();
    (directory, path)
}

fn recurrent_nodes(model: &mut Model) -> impl Iterator<Item = &mut Node> {
    model.graph.nodes.iter_mut().filter(|node| ["GRU", "LSTM"].contains(&node.operator.as_str()))
}

fn forget_linear_before_reset(model: &mut Model) {
    for node in recurrent_nodes(model) {
        node.attributes.retain(|(name, _)| name != "linear_before_reset");
    }
}

#[test]
fn a_sound_graph_has_no_fault() {
    for core in [None, GRU, LSTM] {
        for output in [Output::Identity, Output::Tanh] {
            let policy = policy(core, true, output);
            let found = examined(&policy, |_| {}, Some(&policy));
            assert!(found.is_sound() && found.dynamic_batch, "{:?}", found.faults);
            assert!(found.error.unwrap().largest < 1e-6);
            assert_eq!(found.policy.network, policy.network);
        }
    }
}

#[test]
fn a_gru_without_linear_before_reset_is_found_without_the_model_and_repaired() {
    let policy = policy(GRU, true, Output::Tanh);
    let found = examined(&policy, forget_linear_before_reset, None);
    assert_eq!(found.faults, [Fault::ResetBeforeProduct]);
    // The error is that of the graph as it stands: beyond rounding by orders of magnitude.
    let error = found.error.unwrap();
    assert!(error.largest > 1e-3 && error.rms > 0.0 && error.rms <= error.largest, "{error}");
    let right = found.right.unwrap();
    assert_eq!(right.network, policy.network);
    let repaired = examined(&right, |_| {}, Some(&policy));
    assert!(repaired.is_sound());

    // It is not flown as if nothing were wrong.
    let (_directory, path) = changed(&policy, forget_linear_before_reset);
    let error = crate::Checkpoint::read(&path).unwrap_err();
    assert!(error.to_string().contains("linear_before_reset"), "{error}");
    assert!(error.hint().unwrap().contains("--repair"));
}

#[test]
fn gates_in_another_order_are_named() {
    for (core, written, expected) in [(GRU, [0, 1, 2, 3], "r, z, h"), (LSTM, [0, 1, 2, 3], "i, f, c, o")] {
        let policy = policy(core, false, Output::Identity);
        let gates = core.unwrap().cell.gates();
        // As an exporter writes it that copies PyTorch's weights: blocks `order` brought to their old places.
        let scramble = |model: &mut Model| {
            let order = build::order(core.unwrap().cell);
            for (name, numbers) in &mut model.graph.initializers {
                let Some(part) = name.strip_prefix("core.") else { continue };
                let halves = if part.ends_with('B') { 2 } else { 1 };
                let size = numbers.values.len() / halves / gates;
                let old = numbers.values.clone();
                for half in 0..halves {
                    let start = half * gates * size;
                    for (block, &gate) in order.iter().enumerate() {
                        let to = start + written[gate] * size;
                        numbers.values[to..to + size].copy_from_slice(&old[start + block * size..][..size]);
                    }
                }
            }
        };
        let found = examined(&policy, scramble, Some(&policy));
        let [Fault::GateOrder { found: order, .. }] = &found.faults[..] else { panic!("{:?}", found.faults) };
        assert_eq!(order, expected);
        assert!(found.error.unwrap().largest > 1e-3);
    }
}

#[test]
fn a_normaliser_that_was_dropped_is_missed() {
    let right = policy(GRU, true, Output::Identity);
    let without = Policy { normalizer: None, ..right.clone() };
    let found = examined(&without, |_| {}, Some(&right));
    assert_eq!(found.faults, [Fault::MissingNormalizer("the model".into())]);
    assert!(found.error.unwrap().largest > 1e-2);
    // The contract in the file tells it too.
    let contract = contract::to_json(&Contract::of(&right));
    let told = |model: &mut Model| model.metadata.push((METADATA_KEY.into(), contract.clone()));
    let found = examined(&without, told, None);
    assert_eq!(found.faults, [Fault::MissingNormalizer("the contract in the file".into())]);
    assert!(found.right.is_none(), "the numbers are nowhere");
}

#[test]
fn a_squash_that_was_dropped_is_missed() {
    let right = policy(None, false, Output::Tanh);
    let without = Policy { output: Output::Identity, ..right.clone() };
    let found = examined(&without, |_| {}, Some(&right));
    assert_eq!(found.faults, [Fault::OtherSquash { found: "nothing", expected: "tanh" }]);
}

#[test]
fn a_state_that_is_not_fed_back_is_found() {
    let policy = policy(LSTM, false, Output::Identity);
    let forget = |model: &mut Model| {
        recurrent_nodes(model).for_each(|node| node.inputs.truncate(4));
        model.graph.inputs.truncate(1);
    };
    let found = examined(&policy, forget, None);
    assert!(matches!(&found.faults[..], [Fault::StateLost(_)]), "{:?}", found.faults);
    assert!(found.error.unwrap().largest > 1e-3);
    // An output that hands the input on is no state either.
    let hand_on = |model: &mut Model| {
        let concat = model.graph.nodes.iter_mut().find(|node| node.outputs == ["h_out"]).unwrap();
        (concat.operator, concat.inputs, concat.attributes) =
            ("Identity".into(), vec!["h_in".into()], Vec::new());
    };
    let found = examined(&policy, hand_on, None);
    assert!(matches!(&found.faults[..], [Fault::StateLost(_)]), "{:?}", found.faults);
}

#[test]
fn a_weight_that_changed_is_named() {
    let right = policy(GRU, false, Output::Identity);
    let mut other = right.clone();
    let place = right.network.architecture.head_layers()[0].bias.start;
    other.network.parameters[place] += 0.25;
    let found = examined(&other, |_| {}, Some(&right));
    let [Fault::OtherWeights { tensor, difference }] = &found.faults[..] else {
        panic!("{:?}", found.faults)
    };
    assert_eq!((tensor.as_str(), *difference), ("head.0.bias", 0.25));
}

#[test]
fn a_graph_that_clamps_its_observation_is_refused_by_the_operator() {
    let clamp = |model: &mut Model| {
        let first = model.graph.nodes.iter_mut().find(|node| node.inputs[0] == "obs").unwrap();
        first.inputs[0] = "clamped".into();
        let clip = Node {
            name: "clip".into(),
            operator: "Clip".into(),
            inputs: vec!["obs".into()],
            outputs: vec!["clamped".into()],
            attributes: vec![("min".into(), Attribute::Float(-5.0)), ("max".into(), Attribute::Float(5.0))],
            ..Node::default()
        };
        model.graph.nodes.insert(0, clip);
    };
    let (_directory, path) = changed(&policy(None, false, Output::Identity), clamp);
    let error = crate::Checkpoint::read(&path).unwrap_err();
    assert!(error.to_string().contains("Clip `clip` clamps"), "{error}");
}

#[test]
fn no_changed_byte_of_a_graph_panics() {
    let bytes = build::model(&policy(LSTM, true, Output::Tanh), Vec::new()).encode();
    let path = Path::new("policy.onnx");
    for at in (0..bytes.len()).step_by(3) {
        for value in [0, 0x7f, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            let _ = read(path, &bytes);
        }
    }
    for length in (0..bytes.len()).step_by(31) {
        let _ = read(path, &bytes[..length]);
    }
}
