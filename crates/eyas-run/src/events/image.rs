//! A picture among the summaries of a run.

use super::message::Message;

/// A picture as TensorBoard shows it.
#[derive(Clone, Copy, Debug)]
pub struct Image<'b> {
    /// Width, px.
    pub width: usize,
    /// Height, px.
    pub height: usize,
    /// The bytes of a PNG file of red, green and blue.
    pub png: &'b [u8],
}

impl Image<'_> {
    /// `Summary.Image` of `tensorflow/core/framework/summary.proto`.
    pub(super) fn encode(&self, value: &mut Message, tag: &str) {
        const RGB: u64 = 3;
        value.bytes(1, tag.as_bytes());
        value.nested(4, |image| {
            image.varint(1, self.height as u64);
            image.varint(2, self.width as u64);
            image.varint(3, RGB);
            image.bytes(4, self.png);
        });
    }
}
