//! Forward and backward passes through a stack of dense layers.

use eyas_lanes::{Kernel, Lanes, Row, dispatch, transpose, transposed_rows};

use crate::kernel::{self, Packed};
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

/// What the forward pass leaves for the backward pass: the output of each layer, block after block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tape {
    outputs: Vec<Vec<Row>>,
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
        for (layer, packed) in self.layers.iter().zip(&mut self.forward) {
            let (weight, bias) = (&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]);
            packed.pack(layer.outputs, layer.inputs, weight, bias);
        }
    }

    /// Takes over new parameters for the backward pass.
    pub(crate) fn pack_backward(&mut self, parameters: &[f32]) {
        for (layer, packed) in self.layers.iter().zip(&mut self.backward) {
            packed.pack_transposed(layer.inputs, layer.outputs, &parameters[layer.weight.clone()]);
        }
    }

    /// Makes room for the outputs of that many blocks, whatever the rows were used for before.
    #[inline(always)]
    pub(crate) fn prepare(&self, blocks: usize, outputs: &mut Vec<Vec<Row>>) {
        outputs.resize_with(self.layers.len(), Vec::new);
        for (layer, rows) in self.layers.iter().zip(outputs) {
            if rows.len() != blocks * layer.outputs {
                rows.resize(blocks * layer.outputs, Row::ZERO);
            }
        }
    }

    fn is_activated(&self, layer: usize) -> bool {
        self.activate_last || layer + 1 < self.layers.len()
    }

    /// Runs all blocks of `input`; the output is [`Tape::output`].
    pub(crate) fn forward(&self, input: &[Row], tape: &mut Tape) {
        let Some(first) = self.layers.first() else { return };
        let blocks = input.len() / first.inputs;
        self.prepare(blocks, &mut tape.outputs);
        dispatch(Forward { dense: self, input, outputs: &mut tape.outputs });
    }

    #[inline(always)]
    pub(crate) fn forward_lanes<L: Lanes>(&self, input: &[Row], outputs: &mut [Vec<Row>]) {
        for index in 0..self.layers.len() {
            let (before, rest) = outputs.split_at_mut(index);
            let input = before.last().map_or(input, |rows| rows.as_slice());
            self.forward[index].apply::<L>(input, &mut rest[0]);
            if self.is_activated(index) {
                elementwise::activate::<L>(self.activation, &mut rest[0]);
            }
        }
    }

    /// Adds the gradient of the parameters, and writes that of the input if asked.
    ///
    /// [`Tape::output_gradient`] holds the gradient of the output.
    pub(crate) fn backward(
        &self,
        input: &[Row],
        tape: &mut Tape,
        input_gradient: Option<&mut [Row]>,
        gradient: &mut [f32],
    ) {
        for (rows, outputs) in tape.gradients.iter_mut().zip(&tape.outputs) {
            rows.resize(outputs.len(), Row::ZERO);
        }
        let mut input_gradient = input_gradient;
        let Tape { outputs, gradients, transposed } = tape;
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (before, rest) = gradients.split_at_mut(index);
            let x = if index == 0 { input } else { &outputs[index - 1] };
            let activation = if self.is_activated(index) { self.activation } else { Activation::Identity };
            let dy = &mut rest[0];
            dispatch(Slope { activation, outputs: &outputs[index], gradient: dy });
            add_layer_gradient(layer, dy, x, transposed, gradient);
            if let Some(y) = before.last_mut().map(Vec::as_mut_slice).or_else(|| input_gradient.take()) {
                dispatch(Apply { packed: &self.backward[index], x: dy, y });
            }
        }
    }
}

impl Tape {
    /// The output of the last layer.
    pub(crate) fn output(&self) -> &[Row] {
        self.outputs.last().expect("a forward pass has run")
    }

    /// Output and room for its gradient, side by side.
    pub(crate) fn output_and_gradient(&mut self) -> (&[Row], &mut [Row]) {
        self.gradients.resize(self.outputs.len(), Vec::new());
        let outputs = self.outputs.last().expect("a forward pass has run");
        let gradients = self.gradients.last_mut().expect("as many as outputs");
        gradients.resize(outputs.len(), Row::ZERO);
        (outputs, gradients)
    }
}

struct Forward<'a> {
    dense: &'a Dense,
    input: &'a [Row],
    outputs: &'a mut [Vec<Row>],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        self.dense.forward_lanes::<L>(self.input, self.outputs);
    }
}

/// Multiplies a gradient by the slope of an activation.
struct Slope<'a> {
    activation: Activation,
    outputs: &'a [Row],
    gradient: &'a mut [Row],
}

impl Kernel for Slope<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        elementwise::activate_backward::<L>(self.activation, self.outputs, self.gradient);
    }
}

/// A packed matrix times every block.
pub(crate) struct Apply<'a> {
    pub(crate) packed: &'a Packed,
    pub(crate) x: &'a [Row],
    pub(crate) y: &'a mut [Row],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        self.packed.apply::<L>(self.x, self.y);
    }
}

/// Adds the gradient of a layer's weight and bias, given its inputs and the gradient of its outputs.
pub(crate) fn add_layer_gradient(
    layer: &Linear,
    dy: &[Row],
    x: &[Row],
    transposed: &mut Vec<Row>,
    gradient: &mut [f32],
) {
    dispatch(LayerGradient { layer, dy, x, transposed, gradient });
}

struct LayerGradient<'a> {
    layer: &'a Linear,
    dy: &'a [Row],
    x: &'a [Row],
    transposed: &'a mut Vec<Row>,
    gradient: &'a mut [f32],
}

impl Kernel for LayerGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { layer, dy, x, transposed, gradient } = self;
        transpose_blocks::<L>(x, layer.inputs, transposed);
        let weight = &mut gradient[layer.weight.clone()];
        kernel::add_weight_gradient::<L>(dy, layer.outputs, transposed, layer.inputs, weight);
        kernel::add_bias_gradient::<L>(dy, layer.outputs, &mut gradient[layer.bias.clone()]);
    }
}

/// Makes every block of `x` sample-major.
#[inline(always)]
fn transpose_blocks<L: Lanes>(x: &[Row], features: usize, transposed: &mut Vec<Row>) {
    let rows = transposed_rows(features);
    transposed.resize(x.len() / features * rows, Row::ZERO);
    for (x, transposed) in x.chunks_exact(features).zip(transposed.chunks_exact_mut(rows)) {
        transpose::<L>(x, transposed);
    }
}
