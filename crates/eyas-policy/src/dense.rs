//! Forward and backward passes through a stack of dense layers.

use eyas_lanes::{Kernel, Lanes, Row, dispatch, transpose, transposed_rows};

use crate::kernel::{self, Matrix, Packed};
use crate::{Activation, Linear, elementwise};

/// Dense layers with their weights packed for the kernels.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    layers: Vec<Linear>,
    forward: Vec<Packed>,
    backward: Vec<Packed>,
    activation: Activation,
    /// Whether the activation follows the last layer too (an encoder) or not (a head).
    activate_last: bool,
}

/// What the forward pass leaves for the backward pass, and its working memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    /// The output of each layer, block after block.
    outputs: Vec<Vec<Row>>,
    /// Gradient of each hidden layer's output, for the blocks that are gone through together.
    gradients: Vec<Vec<Row>>,
    transposed: Vec<Row>,
}

impl Dense {
    pub(crate) fn new(layers: Vec<Linear>, activation: Activation, activate_last: bool) -> Self {
        let count = layers.len();
        Self {
            layers,
            forward: vec![Packed::default(); count],
            backward: vec![Packed::default(); count],
            activation,
            activate_last,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Takes over new parameters for the forward pass.
    pub(crate) fn pack(&mut self, parameters: &[f32]) {
        pack(&self.layers, &mut self.forward, parameters);
    }

    /// Takes over new parameters for both passes.
    pub(crate) fn pack_both(&mut self, parameters: &[f32]) {
        let Self { layers, forward, backward, .. } = self;
        rayon::join(
            || pack(layers, forward, parameters),
            || {
                for (layer, packed) in layers.iter().zip(backward) {
                    packed.pack_transposed(layer.inputs, layer.outputs, &parameters[layer.weight.clone()]);
                }
            },
        );
    }

    /// Makes room for the outputs of that many blocks, whatever the tape was used for before.
    pub(crate) fn prepare(&self, blocks: usize, tape: &mut Tape) {
        tape.outputs.resize_with(self.layers.len(), Vec::new);
        for (layer, rows) in self.layers.iter().zip(&mut tape.outputs) {
            rows.resize(blocks * layer.outputs, Row::ZERO);
        }
    }

    /// Its layers, and what follows each.
    pub(crate) fn matrices(&self) -> impl Iterator<Item = (Matrix, Activation)> {
        let activation =
            |layer| if self.is_activated(layer) { self.activation } else { Activation::Identity };
        self.forward.iter().enumerate().map(move |(layer, packed)| (packed.matrix(), activation(layer)))
    }

    fn is_activated(&self, layer: usize) -> bool {
        self.activate_last || layer + 1 < self.layers.len()
    }

    /// Runs the blocks of `input`, of which the first is block `first` of the tape; the output is
    /// [`Tape::output`].
    pub(crate) fn forward(&self, input: &[Row], first: usize, tape: &mut Tape) {
        if !self.is_empty() {
            dispatch(Forward { dense: self, input, first, outputs: &mut tape.outputs });
        }
    }

    /// Goes back through the blocks of `input`, of which the first is block `first` of the tape, given the
    /// gradient of their output, which is overwritten. Adds the gradient of the parameters, and writes
    /// that of the input if asked.
    pub(crate) fn backward(
        &self,
        input: &[Row],
        first: usize,
        tape: &mut Tape,
        output_gradient: &mut [Row],
        input_gradient: Option<&mut [Row]>,
        gradient: &mut [f32],
    ) {
        if !self.is_empty() {
            dispatch(Backward { dense: self, input, first, tape, output_gradient, input_gradient, gradient });
        }
    }

    /// Blocks of an input.
    #[inline(always)]
    fn num_blocks(&self, input: &[Row]) -> usize {
        input.len() / self.layers[0].inputs
    }
}

fn pack(layers: &[Linear], packed: &mut [Packed], parameters: &[f32]) {
    for (layer, packed) in layers.iter().zip(packed) {
        let (weight, bias) = (&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]);
        packed.pack(layer.outputs, layer.inputs, weight, bias);
    }
}

impl Tape {
    /// The output of the last layer.
    pub(crate) fn output(&self) -> &[Row] {
        self.outputs.last().expect("a forward pass has run")
    }
}

struct Forward<'a> {
    dense: &'a Dense,
    input: &'a [Row],
    first: usize,
    outputs: &'a mut [Vec<Row>],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { dense, input, first, outputs } = self;
        let blocks = dense.num_blocks(input);
        for (index, layer) in dense.layers.iter().enumerate() {
            let (before, rest) = outputs.split_at_mut(index);
            let x = before
                .last()
                .map_or(input, |rows| &rows[first * layer.inputs..(first + blocks) * layer.inputs]);
            let y = &mut rest[0][first * layer.outputs..(first + blocks) * layer.outputs];
            dense.forward[index].apply::<L>(x, y);
            if dense.is_activated(index) {
                elementwise::activate::<L>(dense.activation, y);
            }
        }
    }
}

struct Backward<'a> {
    dense: &'a Dense,
    input: &'a [Row],
    first: usize,
    tape: &'a mut Tape,
    output_gradient: &'a mut [Row],
    input_gradient: Option<&'a mut [Row]>,
    gradient: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { dense, input, first, tape, output_gradient, mut input_gradient, gradient } = self;
        let Tape { outputs, gradients, transposed } = tape;
        let blocks = dense.num_blocks(input);
        let last = dense.layers.len() - 1;
        gradients.resize_with(last, Vec::new);
        for (rows, layer) in gradients.iter_mut().zip(&dense.layers) {
            rows.resize(blocks * layer.outputs, Row::ZERO);
        }
        let part = |rows: usize| first * rows..(first + blocks) * rows;
        for (index, layer) in dense.layers.iter().enumerate().rev() {
            let (before, rest) = gradients.split_at_mut(index);
            let dy: &mut [Row] = rest.first_mut().map_or(&mut *output_gradient, Vec::as_mut_slice);
            if dense.is_activated(index) {
                let y = &outputs[index][part(layer.outputs)];
                elementwise::activate_backward::<L>(dense.activation, y, dy);
            }
            let x = if index == 0 { input } else { &outputs[index - 1][part(layer.inputs)] };
            LayerGradient { layer, dy, x, transposed, gradient }.run::<L>();
            let dx = before.last_mut().map(Vec::as_mut_slice).or_else(|| input_gradient.take());
            if let Some(dx) = dx {
                dense.backward[index].apply::<L>(dy, dx);
            }
        }
    }
}

/// Adds the gradient of a layer's weight and bias, given its inputs and the gradient of its outputs.
pub(crate) struct LayerGradient<'a> {
    pub(crate) layer: &'a Linear,
    pub(crate) dy: &'a [Row],
    pub(crate) x: &'a [Row],
    /// Working memory.
    pub(crate) transposed: &'a mut Vec<Row>,
    pub(crate) gradient: &'a mut [f32],
}

impl Kernel for LayerGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { layer, dy, x, transposed, gradient } = self;
        let rows = transposed_rows(layer.inputs);
        transposed.resize(x.len() / layer.inputs * rows, Row::ZERO);
        L::call(TransposeBlocks { x, features: layer.inputs, transposed });
        let weight = &mut gradient[layer.weight.clone()];
        kernel::add_weight_gradient::<L>(dy, layer.outputs, transposed, layer.inputs, weight);
        kernel::add_bias_gradient::<L>(dy, layer.outputs, &mut gradient[layer.bias.clone()]);
    }
}

/// Makes every block of `x` sample-major.
struct TransposeBlocks<'a> {
    x: &'a [Row],
    features: usize,
    transposed: &'a mut [Row],
}

impl Kernel for TransposeBlocks<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let rows = transposed_rows(self.features);
        for (x, transposed) in self.x.chunks_exact(self.features).zip(self.transposed.chunks_exact_mut(rows))
        {
            transpose::<L>(x, transposed);
        }
    }
}
