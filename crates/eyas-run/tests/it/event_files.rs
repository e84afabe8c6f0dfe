use std::fs;

use eyas_run::config::Setting;
use eyas_run::events::{self, Image, read_scalars};
use eyas_run::{EventWriter, Origin, RunError, Value};

use crate::python;

fn sample(directory: &std::path::Path) -> EventWriter {
    let mut events = EventWriter::create(directory).unwrap();
    for step in 0..3 {
        events.scalar("training/loss", step, 0.5 / (step + 1) as f32).unwrap();
        events.scalar("evaluation/mean_return", step * 1000, f32::INFINITY).unwrap();
    }
    events.text("notes", 0, "*hover*").unwrap();
    events.flush().unwrap();
    events
}

/// How a PNG file begins; nothing here decodes it.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// All other summaries of a run.
fn add_summaries(events: &mut EventWriter) {
    let setting = |(key, value): (&str, Value)| Setting { key: key.into(), value, origin: Origin::Default };
    let settings = [
        ("seed", 7.into()),
        ("lr", 1e-3.into()),
        ("on_policy", true.into()),
        ("kind", "gru".to_owned().into()),
        ("widths", "[64,32]".parse().unwrap()),
        ("batch", Value::Null),
    ]
    .map(setting);
    events.session_start(&settings, &["evaluation/mean_return"]).unwrap();
    events.histogram("weights", 3, &[-1.0, 0.0, 1.0, 1.0, f32::NAN]).unwrap();
    events.image("flight", 3, &Image { width: 1, height: 1, png: PNG }).unwrap();
    events.session_end().unwrap();
    events.flush().unwrap();
}

#[test]
fn other_summaries_are_no_scalars() {
    let directory = tempfile::tempdir().unwrap();
    let mut events = sample(directory.path());
    add_summaries(&mut events);
    assert_eq!(read_scalars(events.path()).unwrap().len(), 6);
}

#[test]
fn the_reader_returns_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let events = sample(directory.path());
    let scalars = read_scalars(events.path()).unwrap();
    let points: Vec<_> = scalars.iter().map(|s| (s.tag.as_str(), s.step, s.value)).collect();
    assert_eq!(points.len(), 6);
    assert_eq!(points[0], ("training/loss", 0, 0.5));
    assert_eq!(points[5], ("evaluation/mean_return", 2000, f32::INFINITY));
    assert!(scalars.windows(2).all(|pair| pair[0].wall_time_s <= pair[1].wall_time_s));
    assert!(scalars[0].wall_time_s > 1.7e9);
}

#[test]
fn files_start_with_the_version_record() {
    let directory = tempfile::tempdir().unwrap();
    let events = EventWriter::create(directory.path()).unwrap();
    let bytes = fs::read(events.path()).unwrap();
    // 9 bytes wall time, 2 bytes step, 2 + 13 bytes version.
    assert_eq!(bytes[..8], 26_u64.to_le_bytes());
    // The masked checksum of that length, of tensorboard's `masked_crc32c`.
    assert_eq!(bytes[8..12], MASKED_CRC_OF_26.to_le_bytes());
    assert_eq!(bytes[12], 1 << 3 | 1, "field 1, 64 bits");
    assert_eq!(bytes[21..], [&b"\x10\x00\x1a\x0dbrain.Event:2"[..], &bytes[38..]].concat());
    assert_eq!(bytes.len(), 12 + 26 + 4);
}

const MASKED_CRC_OF_26: u32 = 0x2dd8_9b12;

#[test]
fn names_are_those_of_tensorboard_and_never_collide() {
    let directory = tempfile::tempdir().unwrap();
    let first = EventWriter::create(directory.path()).unwrap();
    let second = EventWriter::create(directory.path()).unwrap();
    assert_ne!(first.path(), second.path());
    let name = first.path().file_name().unwrap().to_str().unwrap();
    let pattern = format!(r"^events\.out\.tfevents\.\d{{10}}\..+\.{}\.\d+$", std::process::id());
    assert!(regex::Regex::new(&pattern).unwrap().is_match(name), "{name}");
    assert_eq!(events::list(directory.path()).unwrap().len(), 2);
}

#[test]
fn a_killed_run_keeps_all_whole_records() {
    let directory = tempfile::tempdir().unwrap();
    let events = sample(directory.path());
    let bytes = fs::read(events.path()).unwrap();
    let cut = directory.path().join("cut");
    let mut longest = 0;
    for length in 0..=bytes.len() {
        fs::write(&cut, &bytes[..length]).unwrap();
        let num_scalars = read_scalars(&cut).unwrap().len();
        assert!(num_scalars >= longest);
        longest = num_scalars;
    }
    assert_eq!(longest, 6);
}

#[test]
fn damage_is_reported_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let events = sample(directory.path());
    let mut bytes = fs::read(events.path()).unwrap();
    bytes[60] ^= 0x40; // in the second record, which starts at 42
    fs::write(events.path(), &bytes).unwrap();
    let error = read_scalars(events.path()).unwrap_err();
    assert!(matches!(error, RunError::DamagedEvents { offset: 42, .. }), "{error}");
}

#[test]
fn tensorboard_reads_scalars_and_texts() {
    const SCRIPT: &str = r"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(events.file_version)
for tag in sorted(events.Tags()['scalars']):
    print(tag, [(e.step, e.value) for e in events.Scalars(tag)])
for tag in events.Tags()['tensors']:
    metadata = events.SummaryMetadata(tag)
    print(tag, metadata.plugin_data.plugin_name, events.Tensors(tag)[0].tensor_proto.string_val[0])
";
    let directory = tempfile::tempdir().unwrap();
    sample(directory.path());
    let Some(output) = python::run("tensorboard", SCRIPT, &[directory.path().to_str().unwrap()]) else {
        return;
    };
    insta::assert_snapshot!(output, @r"
    2.0
    evaluation/mean_return [(0, inf), (1000, inf), (2000, inf)]
    training/loss [(0, 0.5), (1, 0.25), (2, 0.1666666716337204)]
    notes/text_summary text b'*hover*'
    ");
}

/// A run of three steps in two files: the second process goes on from step 1. Wall-clock curves count seconds.
fn resumed(directory: &std::path::Path) {
    let log = |events: &mut EventWriter, steps: std::ops::Range<u64>, factor: f32| {
        for step in steps {
            events.scalar("loss", step, factor * step as f32).unwrap();
            events.scalar("loss/time", 10 * step, factor * step as f32).unwrap();
        }
        events.flush().unwrap();
    };
    log(&mut EventWriter::create(directory).unwrap(), 0..4, 1.0);
    let mut events = EventWriter::create(directory).unwrap();
    events.go_on(2, "loss", |tag| tag.ends_with("/time")).unwrap();
    log(&mut events, 2..3, -1.0);
}

#[test]
fn a_run_that_goes_on_has_each_step_once() {
    let directory = tempfile::tempdir().unwrap();
    resumed(directory.path());
    let scalars = events::read_run(directory.path()).unwrap();
    let curve = |tag: &str| -> Vec<(u64, f32)> {
        scalars.iter().filter(|it| it.tag == tag).map(|it| (it.step, it.value)).collect()
    };
    assert_eq!(curve("loss"), [(0, 0.0), (1, 1.0), (2, -2.0)]);
    assert_eq!(curve("loss/time"), [(0, 0.0), (10, 1.0), (20, -2.0)], "its steps are seconds");
}

#[test]
fn tensorboard_shows_each_step_of_a_run_that_goes_on_once() {
    const SCRIPT: &str = r"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0})
events.Reload()
for tag in sorted(events.Tags()['scalars']):
    print(tag, [(e.step, e.value) for e in events.Scalars(tag)])
";
    let directory = tempfile::tempdir().unwrap();
    resumed(directory.path());
    let Some(output) = python::run("tensorboard", SCRIPT, &[directory.path().to_str().unwrap()]) else {
        return;
    };
    insta::assert_snapshot!(output, @r"
    loss [(0, 0.0), (1, 1.0), (2, -2.0)]
    loss/time [(0, 0.0), (10, 1.0), (20, -2.0)]
    ");
}

#[test]
fn tensorboard_reads_settings_histograms_and_pictures() {
    const SCRIPT: &str = r"
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
events = EventAccumulator(sys.argv[1], size_guidance={'histograms': 0, 'images': 0})
events.Reload()
found = events.PluginTagToContent(metadata.PLUGIN_NAME)
experiment = metadata.parse_experiment_plugin_data(found[metadata.EXPERIMENT_TAG])
print([(info.name, info.type) for info in experiment.hparam_infos], [info.name.tag for info in experiment.metric_infos])
start = metadata.parse_session_start_info_plugin_data(found[metadata.SESSION_START_INFO_TAG])
values = {key: getattr(value, value.WhichOneof('kind')) for key, value in start.hparams.items()}
print(sorted(values.items()), start.start_time_secs > 1.7e9)
end = metadata.parse_session_end_info_plugin_data(found[metadata.SESSION_END_INFO_TAG])
print(end.status, end.end_time_secs >= start.start_time_secs)
[weights] = events.Histograms('weights')
it = weights.histogram_value
print(weights.step, it.min, it.max, it.num, it.sum, it.sum_squares, len(it.bucket), sum(it.bucket), it.bucket_limit[-1])
[flight] = events.Images('flight')
print(flight.step, flight.width, flight.height, flight.encoded_image_string[1:4])
";
    let directory = tempfile::tempdir().unwrap();
    add_summaries(&mut sample(directory.path()));
    let Some(output) = python::run("tensorboard", SCRIPT, &[directory.path().to_str().unwrap()]) else {
        return;
    };
    insta::assert_snapshot!(output, @r"
    [('seed', 3), ('lr', 3), ('on_policy', 2), ('kind', 1), ('widths', 1)] ['evaluation/mean_return']
    [('kind', 'gru'), ('lr', 0.001), ('on_policy', True), ('seed', 7.0), ('widths', '[64,32]')] True
    1 True
    3 -1.0 1.0 4.0 1.0 3.0 64 4.0 1.0
    3 1 1 b'PNG'
    ");
}
