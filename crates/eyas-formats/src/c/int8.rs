//! Weights as whole numbers of eight bits: each row of a matrix is a scale times numbers from −127 to 127.

use eyas_policy::Policy;

/// Greatest magnitude of a number; −128 has no counterpart.
const MOST: f32 = 127.0;

/// A matrix, rows first.
pub(crate) struct Rows {
    /// One for each row.
    pub(crate) scales: Vec<f32>,
    /// All rows.
    pub(crate) numbers: Vec<i8>,
}

impl Rows {
    /// The nearest numbers, on a scale on which the greatest of a row is ±127.
    pub(crate) fn of(weights: &[f32], columns: usize) -> Self {
        let mut rows = Self { scales: Vec::new(), numbers: Vec::with_capacity(weights.len()) };
        for row in weights.chunks(columns.max(1)) {
            let greatest = row.iter().fold(0.0_f32, |greatest, weight| greatest.max(weight.abs()));
            let scale = if greatest > 0.0 { greatest / MOST } else { 1.0 };
            rows.scales.push(scale);
            rows.numbers
                .extend(row.iter().map(|weight| libm::roundf(weight / scale).clamp(-MOST, MOST) as i8));
        }
        rows
    }

    /// The weights that these stand for.
    pub(crate) fn weights(&self) -> Vec<f32> {
        let columns = self.numbers.len() / self.scales.len().max(1);
        let rows = self.numbers.chunks(columns.max(1)).zip(&self.scales);
        rows.flat_map(|(row, scale)| row.iter().map(move |number| f32::from(*number) * scale)).collect()
    }
}

/// The policy with the weights that are left of its own.
pub(crate) fn quantized(policy: &Policy) -> Policy {
    let mut quantized = policy.clone();
    for tensor in policy.network.architecture.tensors() {
        if let [_, columns] = tensor.shape[..] {
            let rows = Rows::of(&policy.network.parameters[tensor.range.clone()], columns);
            quantized.network.parameters[tensor.range].copy_from_slice(&rows.weights());
        }
    }
    quantized
}
