//! What is drawn once for an episode.

use eyas_lanes::Stream;

/// The least and the largest value of a magnitude; each episode draws its own, uniformly.
pub(super) type Span = [f64; 2];

/// Whether a magnitude is 0 in every episode.
pub(super) fn is_zero([low, high]: Span) -> bool {
    low == 0.0 && high == 0.0
}

/// Random numbers of one episode of one env, one after another.
pub(super) struct Draw<'a> {
    stream: &'a Stream,
    env: u32,
    episode: u32,
    next: u32,
}

impl<'a> Draw<'a> {
    pub(super) fn new(stream: &'a Stream, env: u32, episode: u32) -> Self {
        Self { stream, env, episode, next: 0 }
    }

    /// In `[0, 1)`.
    pub(super) fn uniform(&mut self) -> f32 {
        self.next += 1;
        self.stream.uniform([self.env, self.episode, 0, self.next - 1])
    }

    /// Uniform within a span; one of no length is its value to the bit.
    pub(super) fn within(&mut self, [low, high]: Span) -> f32 {
        (f64::from(self.uniform()) * (high - low) + low) as f32
    }

    /// One of `low ..= high`, each as likely.
    pub(super) fn integer_within(&mut self, [low, high]: [u32; 2]) -> u32 {
        let count = f64::from(high - low) + 1.0;
        // A share below 1 times a count of at most 2³² is below the count in double precision.
        low + (f64::from(self.uniform()) * count) as u32
    }

    /// Of a size within a span, with either sign.
    pub(super) fn signed_within(&mut self, span: Span) -> f32 {
        let size = self.within(span);
        if self.uniform() < 0.5 { -size } else { size }
    }

    /// Three standard normal numbers.
    pub(super) fn normals(&mut self) -> [f32; 3] {
        self.next += 1;
        let [x, y, z, _] = self.stream.normals([self.env, self.episode, 0, self.next - 1]);
        [x, y, z]
    }

    /// The control step nearest to a time within a span, s.
    pub(super) fn step_within(&mut self, span: Span, period: f64) -> u32 {
        (f64::from(self.within(span)) / period).round() as u32
    }
}
