//! Initial weights, by the rules of PyTorch and of the original students.

use eyas_lanes::Stream;

use crate::{Architecture, Network};

/// How the weights of a new network are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// PyTorch's default: dense weights and biases `U(±1/√inputs)`, recurrent ones `U(±1/√width)`.
    Torch,
    /// The students of the original: dense and recurrent-to-recurrent weights orthogonal with gain 1,
    /// input-to-recurrent weights Xavier-uniform, biases 0.
    Orthogonal,
}

impl Network {
    /// A network with fresh weights; the same stream gives the same weights.
    #[must_use]
    pub fn new(architecture: Architecture, init: Init, stream: Stream) -> Self {
        let mut parameters = vec![0.0; architecture.num_parameters()];
        for (index, tensor) in architecture.tensors().iter().enumerate() {
            let values = &mut parameters[tensor.range.clone()];
            let draws = Tensor { stream, index: index as u32 };
            let is_core = tensor.name.starts_with("core");
            match (init, tensor.shape.as_slice()) {
                (Init::Torch, shape) => {
                    // A bias has the fan-in of its weight, which is the tensor before it.
                    let fan_in = match shape {
                        _ if is_core => architecture.core.map_or(1, |core| core.width),
                        [_, inputs] => *inputs,
                        _ => architecture.tensors()[index - 1].shape[1],
                    };
                    draws.uniform(values, 1.0 / (fan_in as f32).sqrt());
                }
                (Init::Orthogonal, [rows, columns]) if tensor.name.contains("weight_ih") => {
                    draws.uniform(values, (6.0 / (rows + columns) as f32).sqrt());
                }
                (Init::Orthogonal, [rows, columns]) => draws.orthogonal(values, *rows, *columns),
                (Init::Orthogonal, _) => {}
            }
        }
        Self { architecture, parameters }
    }
}

struct Tensor {
    stream: Stream,
    index: u32,
}

impl Tensor {
    fn uniform(&self, values: &mut [f32], bound: f32) {
        for (place, value) in values.iter_mut().enumerate() {
            *value = bound * (2.0 * self.stream.uniform([place as u32, self.index, 0, 0]) - 1.0);
        }
    }

    /// Orthonormal rows or columns, whichever are fewer: Gram–Schmidt, twice for accuracy, on normal draws.
    fn orthogonal(&self, values: &mut [f32], rows: usize, columns: usize) {
        let (count, length) = (rows.min(columns), rows.max(columns));
        let mut vectors: Vec<Vec<f64>> = (0..count)
            .map(|vector| {
                (0..length)
                    .map(|place| {
                        let index = (vector * length + place) as u32;
                        f64::from(self.stream.normals([index, self.index, 1, 0])[0])
                    })
                    .collect()
            })
            .collect();
        for vector in 0..count {
            let (done, rest) = vectors.split_at_mut(vector);
            let current = &mut rest[0];
            for _ in 0..2 {
                for other in &*done {
                    let overlap: f64 = current.iter().zip(other).map(|(a, b)| a * b).sum();
                    for (a, b) in current.iter_mut().zip(other) {
                        *a -= overlap * b;
                    }
                }
                let norm = current.iter().map(|a| a * a).sum::<f64>().sqrt();
                for a in current.iter_mut() {
                    *a /= norm;
                }
            }
        }
        for row in 0..rows {
            for column in 0..columns {
                let value = if rows <= columns { vectors[row][column] } else { vectors[column][row] };
                values[row * columns + column] = value as f32;
            }
        }
    }
}
