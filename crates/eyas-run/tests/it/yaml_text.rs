use eyas_run::config::{Layers, Value};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde::{Deserialize, Serialize};

use crate::python;

fn value(text: &str) -> Value {
    text.parse().unwrap()
}

/// The text that `PyYAML` 6 writes for the same data with `sort_keys=False`.
#[test]
fn text_looks_like_isaac_labs_dump() {
    let data = value(
        "{seed: 42, lr: 1e-5, big: 1e16, gamma: 0.99, whole: 1.0, clip: null, inf: inf, \
         policy: {class_name: ActorCritic, dims: [64, 64], empty: [], none: {}, nested: [[1, 2], [3]]}, \
         terms: [{name: a, weight: -1.5e-7}, {name: b}], load_run: '.*', ckpt: 'model_.*.pt', \
         func: 'isaaclab.envs:Env', no: 'no', number: '1e-4', time: '12:30', text: 'a: b', star: '*', \
         quote: \"it's\", blank: '', device: 'cuda:0'}",
    );
    insta::assert_snapshot!(data.to_yaml(), @r"
    seed: 42
    lr: 1.0e-05
    big: 1.0e+16
    gamma: 0.99
    whole: 1.0
    clip: null
    'inf': .inf
    policy:
      class_name: ActorCritic
      dims:
      - 64
      - 64
      empty: []
      none: {}
      nested:
      - - 1
        - 2
      - - 3
    terms:
    - name: a
      weight: -1.5e-07
    - name: b
    load_run: .*
    ckpt: model_.*.pt
    func: isaaclab.envs:Env
    'no': 'no'
    number: '1e-4'
    time: '12:30'
    text: 'a: b'
    star: '*'
    quote: 'it''s'
    blank: ''
    device: cuda:0
    ");
}

#[test]
fn control_characters_are_escaped() {
    assert_eq!(Value::from("a\nb\t\"\\\u{7}\u{2028}").to_yaml(), "\"a\\nb\\t\\\"\\\\\\x07\\u2028\"\n");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Holder {
    value: Value,
}

/// Our own reader, which is YAML 1.2.
fn read_back(value: &Value) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    let holder = Holder { value: value.clone() };
    std::fs::write(file.path(), Layers::new(&holder).unwrap().unresolved("").unwrap().to_yaml()).unwrap();
    let mut layers = Layers::new(&Holder { value: Value::Null }).unwrap();
    layers.file(file.path()).unwrap();
    layers.unresolved("value").unwrap()
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,10}",
        r#"[-+.:#'"\\,\[\]{}&*!|>%@`?~=<0-9a-fxoenyNY_ \t\n]{0,6}"#,
        "(?i)true|false|yes|no|on|off|null|~|y|n|\\.inf|\\.nan|0x1f|0o17|1_000|1e5|1e-05|12:30:00|2001-12-14",
    ]
}

fn leaves() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("NaN", |float| !float.is_nan()).prop_map(Value::from),
        any::<f32>().prop_filter("NaN", |float| !float.is_nan()).prop_map(Value::from),
        texts().prop_map(Value::from),
    ]
}

/// Keys are free of dots, which separate levels.
fn values() -> impl Strategy<Value = Value> {
    leaves().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((texts().prop_map(|key| key.replace('.', "_")), inner), 0..6)
                .prop_map(|entries| Value::Table(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn our_reader_reads_our_text(value in values()) {
        prop_assert_eq!(read_back(&value), value);
    }
}

/// `PyYAML` is YAML 1.1: it must see the same types and the same bits.
#[test]
fn pyyaml_reads_our_text() {
    const SCRIPT: &str = r"
import json, struct, sys, yaml
def tag(value):
    if isinstance(value, float):
        return 'float ' + struct.pack('>d', value).hex()
    if isinstance(value, str):
        return 'text ' + value
    if isinstance(value, list):
        return [tag(item) for item in value]
    if isinstance(value, dict):
        return {key: tag(item) for key, item in value.items()}
    return value
for text in json.load(open(sys.argv[1], encoding='utf-8')):
    print(json.dumps(tag(yaml.safe_load(text))))
";
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Value> = (0..500).map(|_| values().new_tree(&mut runner).unwrap().current()).collect();
    let texts: Vec<String> = cases.iter().map(Value::to_yaml).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), serde_json::to_string(&texts).unwrap()).unwrap();
    let Some(output) = python::run("yaml", SCRIPT, &[file.path().to_str().unwrap()]) else { return };
    assert_eq!(output.lines().count(), cases.len());
    for ((line, case), text) in output.lines().zip(&cases).zip(&texts) {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(read, tagged(case), "{text}");
    }
}

/// JSON with the bits of floats: JSON itself has no infinity and may round.
fn tagged(value: &Value) -> serde_json::Value {
    match value {
        Value::Float(float) => format!("float {:016x}", float.to_bits()).into(),
        Value::String(text) => format!("text {text}").into(),
        Value::List(items) => items.iter().map(tagged).collect(),
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), tagged(value))).collect(),
        other => serde_json::to_value(other).unwrap(),
    }
}
