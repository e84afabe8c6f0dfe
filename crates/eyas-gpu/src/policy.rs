//! Policies as the kernels that fly read them.

use cudarc::driver::DeviceRepr;
use eyas_learn::Actor;
use eyas_policy::{Activation, Cell, Matrix, Output, Part};

/// Outputs that a warp computes at once: `TILE` of the kernels.
const TILE: usize = 8;

/// `Stage` of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stage {
    kind: u32,
    inner: u32,
    outputs: u32,
    activation: u32,
    weights: u32,
    bias: u32,
    state_weights: u32,
    state_bias: u32,
    from: u32,
    to: u32,
    state: u32,
    cells: u32,
    gates: u32,
    limit: f32,
}

// SAFETY: plain numbers, laid out as the kernels' struct of the same name.
#[allow(unsafe_code, reason = "what a type is laid out like is promised to the driver")]
unsafe impl DeviceRepr for Stage {}

/// Kinds of stages, as the kernels number them.
const NORMALIZE: u32 = 0;
const DENSE: u32 = 1;
const GRU: u32 = 2;
const LSTM: u32 = 3;
const BETA: u32 = 4;

/// What a policy is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// To fly.
    Actor,
    /// To say what it would do.
    Labeller,
}

/// Rows of the frame that a policy reads and writes.
pub(crate) struct Places {
    /// First of the full observation.
    pub(crate) observation: usize,
    /// First of what it gives.
    pub(crate) action: usize,
    /// First of its recurrent state.
    pub(crate) state: usize,
    /// First of those that are free.
    pub(crate) scratch: usize,
}

/// A policy in a frame.
pub(crate) struct Image {
    pub(crate) numbers: Vec<f32>,
    pub(crate) stages: Vec<Stage>,
    /// Free rows that it needs.
    pub(crate) scratch_rows: usize,
    /// Rows of its widest layer.
    pub(crate) widest: usize,
}

impl Image {
    /// None if the kernels have no such part.
    pub(crate) fn new(actor: &Actor, places: &Places) -> Option<Self> {
        let parts = actor.inference.parts();
        let widest = parts.iter().map(rows_of).max().unwrap_or(0);
        let gates = parts.iter().map(gates_of).max().unwrap_or(0);
        let layers = parts.iter().filter(|it| matches!(it, Part::Recurrent(..))).count();
        let buffers = [places.scratch, places.scratch + widest];
        let mut image = Self {
            numbers: Vec::new(),
            stages: Vec::new(),
            scratch_rows: 2 * widest + gates,
            widest: widest.max(gates / 2),
        };
        let mut from = places.observation + actor.features.start;
        let mut layer = 0;
        for (index, part) in parts.iter().enumerate() {
            let (is_last, squash) = match parts.get(index + 1) {
                Some(Part::Squash(output)) => (*output != Output::Beta, *output),
                _ => (false, Output::Identity),
            };
            let to = if is_last { places.action } else { buffers[index % 2] };
            let stage = Stage { from: from as u32, to: to as u32, ..Stage::default() };
            from = to;
            match part {
                Part::Normalize { normalizer, clip } => {
                    let (means, scales): (Vec<f32>, Vec<f32>) = normalizer.iter().copied().unzip();
                    let outputs = normalizer.len() as u32;
                    let limit = clip.unwrap_or(0.0);
                    // The kernels take a limit of 0 for none.
                    if clip.is_some_and(|it| it <= 0.0) || is_last {
                        return None;
                    }
                    let (weights, bias) = (image.keep(&means), image.keep(&scales));
                    image.stages.push(Stage { kind: NORMALIZE, outputs, weights, bias, limit, ..stage });
                }
                Part::Dense(matrix, activation) => {
                    let activation = match (squash, activation) {
                        (Output::Tanh, Activation::Identity) => Activation::Tanh,
                        (Output::Tanh, _) => return None,
                        (_, activation) => *activation,
                    };
                    if !is_known(activation) {
                        return None;
                    }
                    let (weights, bias) = image.keep_matrix(matrix);
                    image.stages.push(Stage {
                        kind: DENSE,
                        inner: matrix.inputs as u32,
                        outputs: matrix.outputs as u32,
                        activation: activation as u32,
                        weights,
                        bias,
                        ..stage
                    });
                }
                Part::Recurrent(cell, [input, state]) => {
                    let width = state.inputs;
                    if is_last {
                        return None;
                    }
                    let (weights, bias) = image.keep_matrix(input);
                    let (state_weights, state_bias) = image.keep_matrix(state);
                    let hidden = places.state + layer * width;
                    image.stages.push(Stage {
                        kind: if *cell == Cell::Gru { GRU } else { LSTM },
                        inner: input.inputs as u32,
                        outputs: width as u32,
                        weights,
                        bias,
                        state_weights,
                        state_bias,
                        state: hidden as u32,
                        cells: (hidden + layers * width) as u32,
                        gates: (places.scratch + 2 * widest) as u32,
                        ..stage
                    });
                    from = hidden;
                    layer += 1;
                }
                Part::Squash(Output::Beta) => {
                    let outputs = actor.inference.num_actions() as u32;
                    let to = places.action as u32;
                    image.stages.push(Stage { kind: BETA, outputs, to, ..stage });
                }
                Part::Squash(_) => {}
            }
        }
        Some(image)
    }

    /// Keeps numbers, where four of them are read at once; gives their place.
    fn keep(&mut self, numbers: &[f32]) -> u32 {
        let place = self.numbers.len();
        self.numbers.extend_from_slice(numbers);
        self.numbers.resize(self.numbers.len().next_multiple_of(4), 0.0);
        place as u32
    }

    /// Weights as `[tile of outputs][input][output]`, what is missing of a tile being zero, and biases.
    fn keep_matrix(&mut self, matrix: &Matrix) -> (u32, u32) {
        let Matrix { inputs, outputs, weight, bias } = matrix;
        let wide = outputs.next_multiple_of(TILE);
        let mut packed = vec![0.0; wide * inputs];
        for (output, row) in weight.chunks_exact((*inputs).max(1)).enumerate() {
            for (input, value) in row.iter().enumerate() {
                packed[output / TILE * TILE * inputs + input * TILE + output % TILE] = *value;
            }
        }
        let mut padded = bias.clone();
        padded.resize(wide, 0.0);
        (self.keep(&packed), self.keep(&padded))
    }
}

/// Rows that a part gives.
fn rows_of(part: &Part) -> usize {
    match part {
        Part::Normalize { normalizer, .. } => normalizer.len(),
        Part::Dense(matrix, _) => matrix.outputs,
        Part::Recurrent(..) | Part::Squash(_) => 0,
    }
}

/// Rows that the gates of a part need.
fn gates_of(part: &Part) -> usize {
    match part {
        Part::Recurrent(_, [input, state]) => input.outputs + state.outputs,
        _ => 0,
    }
}

/// Whether the kernels have that activation.
fn is_known(activation: Activation) -> bool {
    use Activation::{Celu, Elu, Identity, LeakyRelu, Relu, Selu, Sigmoid, Softplus, Tanh};
    matches!(activation, Elu | Celu | Selu | Relu | LeakyRelu | Tanh | Sigmoid | Softplus | Identity)
}
