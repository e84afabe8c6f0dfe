//! How many of many numbers are how large.

use super::message::Message;

/// Buckets of one width; TensorBoard draws about as many.
const BUCKETS: usize = 64;

/// A histogram of the finite ones of some numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Histogram {
    low: f64,
    high: f64,
    sum: f64,
    sum_of_squares: f64,
    /// From `low` to `high`; empty if no number is finite.
    counts: Vec<u64>,
}

impl Histogram {
    pub(super) fn of(values: &[f32]) -> Self {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let low = f64::from(finite().fold(f32::INFINITY, f32::min));
        let high = f64::from(finite().fold(f32::NEG_INFINITY, f32::max));
        let mut it = Self { low, high, sum: 0.0, sum_of_squares: 0.0, counts: Vec::new() };
        if low > high {
            return Self { low: 0.0, high: 0.0, ..it };
        }
        // Numbers that are all the same fill one bucket.
        it.counts = vec![0; if low < high { BUCKETS } else { 1 }];
        let last = it.counts.len() - 1;
        let per_unit = if low < high { BUCKETS as f64 / (high - low) } else { 0.0 };
        for value in finite().map(f64::from) {
            it.sum += value;
            it.sum_of_squares += value * value;
            it.counts[(((value - low) * per_unit) as usize).min(last)] += 1;
        }
        it
    }

    /// `HistogramProto` of `tensorflow/core/framework/summary.proto`.
    pub(super) fn encode(&self, value: &mut Message, tag: &str) {
        value.bytes(1, tag.as_bytes());
        let num_values = self.counts.iter().sum::<u64>() as f64;
        let width = (self.high - self.low) / self.counts.len().max(1) as f64;
        let limit = |bucket: usize| {
            if bucket == self.counts.len() { self.high } else { self.low + width * bucket as f64 }
        };
        value.nested(5, |histogram| {
            for (field, number) in
                [(1, self.low), (2, self.high), (3, num_values), (4, self.sum), (5, self.sum_of_squares)]
            {
                histogram.double(field, number);
            }
            histogram.doubles(6, (1..=self.counts.len()).map(limit));
            histogram.doubles(7, self.counts.iter().map(|count| *count as f64));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_number_is_in_a_bucket() {
        let it = Histogram::of(&[-1.0, f32::NAN, 0.0, 1.0, 1.0, f32::INFINITY]);
        assert_eq!((it.low, it.high, it.sum, it.sum_of_squares), (-1.0, 1.0, 1.0, 3.0));
        assert_eq!((it.counts[0], it.counts[BUCKETS / 2], it.counts[BUCKETS - 1]), (1, 1, 2));
        assert_eq!(it.counts.iter().sum::<u64>(), 4);
        assert_eq!(Histogram::of(&[2.5; 3]).counts, [3]);
        assert!(Histogram::of(&[f32::NAN]).counts.is_empty());
    }
}
