//! What TensorBoard's HPARAMS page compares: settings of a run, and which curves say what they led to.
//!
//! Field numbers are those of `tensorboard/plugins/hparams/plugin_data.proto` and `api.proto`, and of
//! `google/protobuf/struct.proto`.

use super::message::Message;
use crate::config::{Setting, Value};

/// Tags by which the plugin knows its three summaries.
pub(super) const EXPERIMENT: &str = "_hparams_/experiment";
pub(super) const SESSION_START: &str = "_hparams_/session_start_info";
pub(super) const SESSION_END: &str = "_hparams_/session_end_info";

/// `DataType` of `api.proto`.
#[derive(Clone, Copy, PartialEq)]
enum DataType {
    String = 1,
    Bool = 2,
    Float64 = 3,
}

/// The settings that a table can compare: single values and flat lists, as far as they are chosen.
fn comparable(settings: &[Setting]) -> impl Iterator<Item = (&Setting, DataType)> {
    let is_single = |value: &Value| !matches!(value, Value::List(_) | Value::Table(_));
    settings.iter().filter_map(move |setting| {
        let data_type = match &setting.value {
            Value::Null | Value::Table(_) => return None,
            Value::Bool(_) => DataType::Bool,
            Value::Int(_) | Value::Float(_) => DataType::Float64,
            Value::List(items) if !items.iter().all(is_single) => return None,
            Value::String(_) | Value::List(_) => DataType::String,
        };
        Some((setting, data_type))
    })
}

/// `HParamsPluginData` with an `Experiment`: names of the settings, and tags of the curves that measure them.
pub(super) fn experiment(settings: &[Setting], metrics: &[&str]) -> Vec<u8> {
    plugin_data(2, |experiment| {
        for (setting, data_type) in comparable(settings) {
            experiment.nested(4, |info| {
                info.bytes(1, setting.key.as_bytes());
                info.varint(4, data_type as u64);
            });
        }
        for tag in metrics {
            experiment.nested(5, |info| info.nested(1, |name| name.bytes(2, tag.as_bytes())));
        }
    })
}

/// The same with a `SessionStartInfo`: the value of each setting.
pub(super) fn session_start(settings: &[Setting], start_s: f64) -> Vec<u8> {
    plugin_data(3, |session| {
        for (setting, _) in comparable(settings) {
            session.nested(1, |entry| {
                entry.bytes(1, setting.key.as_bytes());
                entry.nested(2, |value| match &setting.value {
                    Value::Bool(truth) => value.varint(4, u64::from(*truth)),
                    Value::Int(number) => value.double(2, *number as f64),
                    Value::Float(number) => value.double(2, *number),
                    Value::String(text) => value.bytes(3, text.as_bytes()),
                    list => value.bytes(3, list.to_string().as_bytes()),
                });
            });
        }
        session.double(5, start_s);
    })
}

/// The same with a `SessionEndInfo` of a run that did all it was to do.
pub(super) fn session_end(end_s: f64) -> Vec<u8> {
    const SUCCESS: u64 = 1;
    plugin_data(4, |session| {
        session.varint(1, SUCCESS);
        session.double(2, end_s);
    })
}

fn plugin_data(field: u32, build: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut data = Message::default();
    // Version 0, the only one, is what a reader takes where there is none.
    data.nested(field, build);
    data.0
}

/// A summary that has nothing but its plugin's content; the tensor is there because every summary has a value.
pub(super) fn encode(value: &mut Message, tag: &str, content: &[u8]) {
    const DT_FLOAT: u64 = 1;
    value.bytes(1, tag.as_bytes());
    value.nested(8, |tensor| {
        tensor.varint(1, DT_FLOAT);
        tensor.nested(2, |shape| shape.nested(2, |dimension| dimension.varint(1, 1)));
        tensor.float(5, 0.0);
    });
    value.nested(9, |metadata| {
        metadata.nested(1, |plugin| {
            plugin.bytes(1, b"hparams");
            plugin.bytes(2, content);
        });
    });
}
