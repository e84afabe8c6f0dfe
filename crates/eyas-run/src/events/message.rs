//! The few fields of TensorFlow's `Event` message that the summaries of a run need.
//!
//! Field numbers are those of `event.proto`, `summary.proto`, `tensor.proto` and
//! `tensor_shape.proto` in `tensorflow/core`. Unknown fields are skipped when reading.

use super::histogram::Histogram;
use super::hparams;
use super::image::Image;

/// One point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Name of the curve: `group/name`.
    pub tag: String,
    /// Position on the x axis.
    pub step: u64,
    /// The value, which TensorBoard keeps in single precision.
    pub value: f32,
    /// Time of writing, seconds since 1970.
    pub wall_time_s: f64,
}

pub(super) struct Event<'t> {
    pub(super) wall_time: f64,
    pub(super) step: u64,
    pub(super) what: What<'t>,
}

pub(super) enum What<'t> {
    /// The record that starts every file.
    FileVersion,
    /// A process goes on with the run: whatever was logged at this step and later ones is void.
    SessionStart,
    Scalar {
        tag: &'t str,
        value: f32,
    },
    Text {
        tag: &'t str,
        text: &'t str,
    },
    Histogram {
        tag: &'t str,
        histogram: &'t Histogram,
    },
    Image {
        tag: &'t str,
        image: &'t Image<'t>,
    },
    /// What the plugin `hparams` keeps under a tag of its own.
    Hparams {
        tag: &'static str,
        content: &'t [u8],
    },
}

impl Event<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut event = Message::default();
        event.double(1, self.wall_time);
        event.varint(2, self.step);
        match self.what {
            What::FileVersion => event.bytes(3, b"brain.Event:2"),
            What::SessionStart => event.nested(SESSION_LOG, |log| log.varint(1, SESSION_STARTS)),
            What::Scalar { tag, value } => {
                event.nested(5, |summary| {
                    summary.nested(1, |point| {
                        point.bytes(1, tag.as_bytes());
                        point.float(2, value);
                    });
                });
            }
            What::Text { tag, text } => {
                event.nested(5, |summary| summary.nested(1, |value| encode_text(value, tag, text)));
            }
            What::Histogram { tag, histogram } => {
                event.nested(5, |summary| summary.nested(1, |value| histogram.encode(value, tag)));
            }
            What::Image { tag, image } => {
                event.nested(5, |summary| summary.nested(1, |value| image.encode(value, tag)));
            }
            What::Hparams { tag, content } => {
                event.nested(5, |summary| summary.nested(1, |value| hparams::encode(value, tag, content)));
            }
        }
        event.0
    }
}

/// `session_log` of an event, and `SessionLog.START` in its field `status`.
const SESSION_LOG: u32 = 7;
const SESSION_STARTS: u64 = 1;

/// As `torch.utils.tensorboard` does: a string tensor of shape `[1]` for the plugin `text`.
fn encode_text(value: &mut Message, tag: &str, text: &str) {
    const DT_STRING: u64 = 7;
    value.bytes(1, format!("{tag}/text_summary").as_bytes());
    value.nested(8, |tensor| {
        tensor.varint(1, DT_STRING);
        tensor.nested(2, |shape| shape.nested(2, |dimension| dimension.varint(1, 1)));
        tensor.bytes(8, text.as_bytes());
    });
    value.nested(9, |metadata| metadata.nested(1, |plugin| plugin.bytes(1, b"text")));
}

/// A protobuf message under construction.
#[derive(Default)]
pub(super) struct Message(pub(super) Vec<u8>);

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH_DELIMITED: u32 = 2;
const FIXED32: u32 = 5;

impl Message {
    fn key(&mut self, field: u32, wire_type: u32) {
        self.raw_varint(u64::from(field << 3 | wire_type));
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn varint(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.raw_varint(value);
    }

    pub(super) fn double(&mut self, field: u32, value: f64) {
        self.key(field, FIXED64);
        self.0.extend(value.to_le_bytes());
    }

    pub(super) fn float(&mut self, field: u32, value: f32) {
        self.key(field, FIXED32);
        self.0.extend(value.to_le_bytes());
    }

    /// A packed list.
    pub(super) fn doubles(&mut self, field: u32, values: impl Iterator<Item = f64>) {
        let packed: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
        self.bytes(field, &packed);
    }

    pub(super) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, LENGTH_DELIMITED);
        self.raw_varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub(super) fn nested(&mut self, field: u32, build: impl FnOnce(&mut Self)) {
        let mut message = Self::default();
        build(&mut message);
        self.bytes(field, &message.0);
    }
}

/// Appends the scalars of an encoded event, or takes back those that it voids; `None` if it is not a message.
pub(super) fn decode(event: &[u8], scalars: &mut Vec<Scalar>) -> Option<()> {
    let mut wall_time_s = 0.0;
    let mut step = 0;
    let mut is_start = false;
    let mut points = Vec::new();
    for field in Fields(event) {
        match field? {
            (1, Field::Fixed64(bytes)) => wall_time_s = f64::from_le_bytes(bytes),
            (2, Field::Varint(value)) => step = value,
            (5, Field::Bytes(summary)) => decode_summary(summary, &mut points)?,
            (SESSION_LOG_KEY, Field::Bytes(log)) => is_start = starts_session(log)?,
            _ => {}
        }
    }
    if is_start {
        scalars.retain(|it| it.step < step);
    }
    scalars.extend(points.into_iter().map(|(tag, value)| Scalar { tag, step, value, wall_time_s }));
    Some(())
}

const SESSION_LOG_KEY: u64 = SESSION_LOG as u64;

fn starts_session(log: &[u8]) -> Option<bool> {
    let mut starts = false;
    for field in Fields(log) {
        if let (1, Field::Varint(status)) = field? {
            starts = status == SESSION_STARTS;
        }
    }
    Some(starts)
}

fn decode_summary(summary: &[u8], points: &mut Vec<(String, f32)>) -> Option<()> {
    for field in Fields(summary) {
        if let (1, Field::Bytes(value)) = field? {
            decode_point(value, points)?;
        }
    }
    Some(())
}

/// Values of other kinds than scalars are passed over.
fn decode_point(value: &[u8], points: &mut Vec<(String, f32)>) -> Option<()> {
    let mut tag = None;
    let mut scalar = None;
    for field in Fields(value) {
        match field? {
            (1, Field::Bytes(bytes)) => tag = Some(String::from_utf8(bytes.to_vec()).ok()?),
            (2, Field::Fixed32(bytes)) => scalar = Some(f32::from_le_bytes(bytes)),
            _ => {}
        }
    }
    points.extend(tag.zip(scalar));
    Some(())
}

enum Field<'b> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32([u8; 4]),
    Bytes(&'b [u8]),
}

/// The fields of a message as number and content; an inner `None` ends a malformed one.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Field<'b>)> {
        let key = self.varint()?;
        let field = match key as u32 & 7 {
            VARINT => Field::Varint(self.varint()?),
            FIXED64 => Field::Fixed64(self.take(8)?.try_into().ok()?),
            LENGTH_DELIMITED => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            FIXED32 => Field::Fixed32(self.take(4)?.try_into().ok()?),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Option<(u64, Field<'b>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}
