//! The shape of a network and where its parameters lie.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Activation;

/// Which recurrent cell a network carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// Gated recurrent unit, gates stacked `r, z, n` as in PyTorch; one state vector.
    Gru,
    /// Long short-term memory, gates stacked `i, f, g, o` as in PyTorch; two state vectors, `h` and `c`.
    Lstm,
}

impl Cell {
    /// Rows of a weight matrix for each unit: 3 for a GRU, 4 for an LSTM.
    #[must_use]
    pub const fn gates(self) -> usize {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }
}

/// A stack of recurrent layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// The cell of every layer.
    pub cell: Cell,
    /// Units in each layer, at least 1.
    pub width: usize,
    /// Layers on top of each other, at least 1.
    pub layers: usize,
}

/// Dense encoder, optional recurrent core and dense head: the one shape that all policies here have.
///
/// ```text
/// inputs → [Linear → activation]* → [recurrent core] → [Linear → activation]* → Linear → outputs
///            encoder widths            core               hidden widths
/// ```
///
/// A plain MLP has neither encoder nor core. Parameters of a network lie in one flat vector in the
/// order of [`tensors`](Self::tensors).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Width of the input.
    pub inputs: usize,
    /// Widths of the dense layers before the core; empty without a core.
    #[serde(default)]
    pub encoder: Vec<usize>,
    /// The recurrent core, if any.
    #[serde(default)]
    pub core: Option<Core>,
    /// Widths of the hidden dense layers after the core.
    pub hidden: Vec<usize>,
    /// Width of the output of the last layer.
    pub outputs: usize,
    /// Follows every dense layer but the last.
    pub activation: Activation,
}

/// Name, shape and place of one parameter tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// `encoder.0.weight`, `core.weight_ih_l0`, `head.2.bias`, …: layers count from 0 within their part.
    pub name: String,
    /// PyTorch's shape: `[outputs, inputs]` of a weight, `[outputs]` of a bias.
    pub shape: Vec<usize>,
    /// Place in the flat parameter vector, row-major.
    pub range: Range<usize>,
}

/// Inputs, outputs and places of one dense layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Width of the input.
    pub inputs: usize,
    /// Width of the output.
    pub outputs: usize,
    /// Place of the weight, `[outputs, inputs]` row-major.
    pub weight: Range<usize>,
    /// Place of the bias, `[outputs]`.
    pub bias: Range<usize>,
}

/// Inputs, units and places of one recurrent layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrent {
    /// Width of the input.
    pub inputs: usize,
    /// Units.
    pub width: usize,
    /// Place of the input weight, `[gates · width, inputs]` row-major.
    pub weight_ih: Range<usize>,
    /// Place of the hidden weight, `[gates · width, width]` row-major.
    pub weight_hh: Range<usize>,
    /// Place of the input bias, `[gates · width]`.
    pub bias_ih: Range<usize>,
    /// Place of the hidden bias, `[gates · width]`.
    pub bias_hh: Range<usize>,
}

impl Architecture {
    /// An MLP with the given hidden widths.
    #[must_use]
    pub fn mlp(inputs: usize, hidden: &[usize], outputs: usize, activation: Activation) -> Self {
        Self { inputs, encoder: Vec::new(), core: None, hidden: hidden.to_vec(), outputs, activation }
    }

    /// The student of RAPTOR: `Linear(inputs → width) → ReLU → GRU(width) → Linear(width → outputs)`.
    #[must_use]
    pub fn gru_student(inputs: usize, width: usize, outputs: usize) -> Self {
        Self {
            inputs,
            encoder: vec![width],
            core: Some(Core { cell: Cell::Gru, width, layers: 1 }),
            hidden: Vec::new(),
            outputs,
            activation: Activation::Relu,
        }
    }

    /// The dense layers of the encoder.
    #[must_use]
    pub fn encoder_layers(&self) -> Vec<Linear> {
        chain(self.inputs, &self.encoder, &mut 0)
    }

    /// The recurrent layers.
    #[must_use]
    pub fn core_layers(&self) -> Vec<Recurrent> {
        let Some(core) = self.core else { return Vec::new() };
        let mut offset = self.encoder_layers().last().map_or(0, |layer| layer.bias.end);
        let mut inputs = self.encoder.last().copied().unwrap_or(self.inputs);
        let rows = core.cell.gates() * core.width;
        let mut layers = Vec::with_capacity(core.layers);
        for _ in 0..core.layers {
            layers.push(Recurrent {
                inputs,
                width: core.width,
                weight_ih: take(&mut offset, rows * inputs),
                weight_hh: take(&mut offset, rows * core.width),
                bias_ih: take(&mut offset, rows),
                bias_hh: take(&mut offset, rows),
            });
            inputs = core.width;
        }
        layers
    }

    /// The dense layers after the core, the output layer last.
    #[must_use]
    pub fn head_layers(&self) -> Vec<Linear> {
        let before_core = self.encoder_layers().last().map_or(0, |layer| layer.bias.end);
        let mut offset = self.core_layers().last().map_or(before_core, |layer| layer.bias_hh.end);
        let widths: Vec<usize> = self.hidden.iter().copied().chain([self.outputs]).collect();
        chain(self.head_inputs(), &widths, &mut offset)
    }

    /// Width of what the head reads: the core's, the encoder's, or the input itself.
    #[must_use]
    pub fn head_inputs(&self) -> usize {
        self.core.map(|core| core.width).or_else(|| self.encoder.last().copied()).unwrap_or(self.inputs)
    }

    /// Number of parameters.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.head_layers().last().map_or(0, |layer| layer.bias.end)
    }

    /// Width of the recurrent state of one environment: 0 without a core, `h` of every layer for a
    /// GRU, `h` of every layer and then `c` of every layer for an LSTM.
    #[must_use]
    pub fn state_width(&self) -> usize {
        self.core.map_or(0, |core| {
            let vectors = if core.cell == Cell::Lstm { 2 } else { 1 };
            vectors * core.layers * core.width
        })
    }

    /// Every parameter tensor in the order of the flat vector.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        let mut push = |name: String, shape: Vec<usize>, range: &Range<usize>| {
            tensors.push(Tensor { name, shape, range: range.clone() });
        };
        for (part, layers) in [("encoder", self.encoder_layers()), ("head", self.head_layers())] {
            if part == "head" {
                for (index, layer) in self.core_layers().iter().enumerate() {
                    let rows = layer.bias_ih.len();
                    push(format!("core.weight_ih_l{index}"), vec![rows, layer.inputs], &layer.weight_ih);
                    push(format!("core.weight_hh_l{index}"), vec![rows, layer.width], &layer.weight_hh);
                    push(format!("core.bias_ih_l{index}"), vec![rows], &layer.bias_ih);
                    push(format!("core.bias_hh_l{index}"), vec![rows], &layer.bias_hh);
                }
            }
            for (index, layer) in layers.iter().enumerate() {
                push(format!("{part}.{index}.weight"), vec![layer.outputs, layer.inputs], &layer.weight);
                push(format!("{part}.{index}.bias"), vec![layer.outputs], &layer.bias);
            }
        }
        tensors
    }
}

fn take(offset: &mut usize, length: usize) -> Range<usize> {
    let start = *offset;
    *offset += length;
    start..*offset
}

fn chain(mut inputs: usize, widths: &[usize], offset: &mut usize) -> Vec<Linear> {
    let mut layers = Vec::with_capacity(widths.len());
    for &outputs in widths {
        let weight = take(offset, outputs * inputs);
        layers.push(Linear { inputs, outputs, weight, bias: take(offset, outputs) });
        inputs = outputs;
    }
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn student_sizes_are_those_of_the_originals() {
        let mlp = Architecture::mlp(26, &[256, 256, 256], 4, Activation::Elu);
        assert_eq!(mlp.num_parameters(), 139_524);
        assert_eq!(Architecture::gru_student(22, 16, 4).num_parameters(), 2_068);
    }

    #[test]
    fn tensors_tile_the_flat_vector() {
        let mut network = Architecture::gru_student(22, 16, 4);
        network.hidden = vec![32, 8];
        network.core = Some(Core { cell: Cell::Lstm, width: 12, layers: 2 });
        let mut end = 0;
        for tensor in network.tensors() {
            assert_eq!(tensor.range.start, end, "{}", tensor.name);
            assert_eq!(tensor.range.len(), tensor.shape.iter().product::<usize>());
            end = tensor.range.end;
        }
        assert_eq!(end, network.num_parameters());
        assert_eq!(network.state_width(), 48);
    }
}
