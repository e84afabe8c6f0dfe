//! Forward and backward passes for training, through dense layers and through time.

use eyas_lanes::{HALVES, Kernel, Lanes, Row, dispatch};

use crate::dense::{self, Apply, Dense, Tape};
use crate::kernel::Packed;
use crate::{Activation, Architecture, Cell, Linear, Recurrent};

/// Why a network cannot be trained here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrainable {
    /// The slope of the activation does not follow from its output.
    #[error("networks with activation `{0}` can fly but not be trained here")]
    Activation(Activation),
    /// Only a single GRU layer has a backward pass.
    #[error("of recurrent networks only those with one GRU layer can be trained here")]
    Core,
}

/// The weights of a network packed for both directions.
///
/// Immutable during a pass and shared between threads; each thread brings its own [`Pass`].
#[derive(Clone, Debug)]
pub struct Trainer {
    architecture: Architecture,
    encoder: Dense,
    gru: Option<Gru>,
    head: Dense,
}

#[derive(Clone, Debug)]
struct Gru {
    layer: Recurrent,
    from_input: Packed,
    from_state: Packed,
    to_input: Packed,
    to_state: Packed,
}

/// Working memory of one forward and backward pass.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    encoder: Tape,
    gru: GruTape,
    head: Tape,
    input_gradient: Vec<Row>,
}

/// All times of a block of sequences, time-major.
#[derive(Clone, Debug, Default)]
struct GruTape {
    /// `W_ih x + b_ih`, gates stacked; the backward pass overwrites it with its gradient.
    from_input: Vec<Row>,
    /// `W_hh h + b_hh`, gates stacked; the backward pass overwrites it with its gradient.
    from_state: Vec<Row>,
    /// `h` before each step and after the last.
    hidden: Vec<Row>,
    transposed: Vec<Row>,
    hidden_gradient: Vec<Row>,
    output_gradient: Vec<Row>,
}

impl Trainer {
    /// Prepares a network of this shape; call [`refresh`](Self::refresh) before the first pass.
    ///
    /// # Errors
    ///
    /// [`Untrainable`] if a part of it has no backward pass.
    pub fn new(architecture: &Architecture) -> Result<Self, Untrainable> {
        if !architecture.activation.is_trainable() {
            return Err(Untrainable::Activation(architecture.activation));
        }
        if architecture.core.is_some_and(|core| core.cell != Cell::Gru || core.layers != 1) {
            return Err(Untrainable::Core);
        }
        let gru = architecture.core_layers().pop().map(|layer| Gru {
            layer,
            from_input: Packed::default(),
            from_state: Packed::default(),
            to_input: Packed::default(),
            to_state: Packed::default(),
        });
        Ok(Self {
            architecture: architecture.clone(),
            encoder: Dense::new(architecture.encoder_layers(), architecture.activation, true),
            gru,
            head: Dense::new(architecture.head_layers(), architecture.activation, false),
        })
    }

    /// Takes over new parameters.
    pub fn refresh(&mut self, parameters: &[f32]) {
        for part in [&mut self.encoder, &mut self.head] {
            part.pack(parameters);
            part.pack_backward(parameters);
        }
        if let Some(gru) = &mut self.gru {
            gru.pack(parameters);
        }
    }

    /// Runs a network over blocks of inputs, `[blocks][inputs]` rows.
    ///
    /// With a recurrent core, block `t` is time `t` of 32 sequences that start from a zero state.
    /// The output is [`Pass::output`].
    pub fn forward(&self, input: &[Row], pass: &mut Pass) {
        self.encoder.forward(input, &mut pass.encoder);
        let features = if self.encoder.is_empty() { input } else { pass.encoder.output() };
        if let Some(gru) = &self.gru {
            gru.forward(features, &mut pass.gru);
            self.head.forward(&pass.gru.hidden[gru.layer.width..], &mut pass.head);
        } else {
            self.head.forward(features, &mut pass.head);
        }
    }

    /// Adds to `gradient` the gradient of the parameters, given that of the output in
    /// [`Pass::output_and_gradient`]. `input` is what the forward pass was given.
    pub fn backward(&self, input: &[Row], pass: &mut Pass, gradient: &mut [f32]) {
        let Pass { encoder, gru: tape, head, input_gradient } = pass;
        if let Some(gru) = &self.gru {
            let hidden = &tape.hidden[gru.layer.width..];
            tape.output_gradient.resize(hidden.len(), Row::ZERO);
            self.head.backward(hidden, head, Some(&mut tape.output_gradient), gradient);
            if self.encoder.is_empty() {
                gru.backward(input, tape, None, gradient);
            } else {
                let (features, input_gradient) = encoder.output_and_gradient();
                gru.backward(features, tape, Some(input_gradient), gradient);
            }
        } else if self.encoder.is_empty() {
            self.head.backward(input, head, None, gradient);
        } else {
            let features = encoder.output().to_vec();
            input_gradient.resize(features.len(), Row::ZERO);
            self.head.backward(&features, head, Some(input_gradient), gradient);
            encoder.output_and_gradient().1.copy_from_slice(input_gradient);
        }
        if !self.encoder.is_empty() {
            self.encoder.backward(input, encoder, None, gradient);
        }
    }

    /// The shape of the network.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }
}

impl Pass {
    /// Output rows of the last forward pass, `[blocks][outputs]`.
    #[must_use]
    pub fn output(&self) -> &[Row] {
        self.head.output()
    }

    /// Output rows and room for the gradient of a loss with respect to them.
    pub fn output_and_gradient(&mut self) -> (&[Row], &mut [Row]) {
        self.head.output_and_gradient()
    }
}

impl Gru {
    fn pack(&mut self, parameters: &[f32]) {
        let layer = &self.layer;
        let rows = layer.bias_ih.len();
        let (weight_ih, weight_hh) =
            (&parameters[layer.weight_ih.clone()], &parameters[layer.weight_hh.clone()]);
        self.from_input.pack(rows, layer.inputs, weight_ih, &parameters[layer.bias_ih.clone()]);
        self.from_state.pack(rows, layer.width, weight_hh, &parameters[layer.bias_hh.clone()]);
        self.to_input.pack_transposed(layer.inputs, rows, weight_ih);
        self.to_state.pack_transposed(layer.width, rows, weight_hh);
    }
}

impl Gru {
    /// Runs every time of a block of sequences from a zero state.
    fn forward(&self, input: &[Row], tape: &mut GruTape) {
        let width = self.layer.width;
        let times = input.len() / self.layer.inputs;
        tape.from_input.resize(times * 3 * width, Row::ZERO);
        tape.from_state.resize(times * 3 * width, Row::ZERO);
        tape.hidden.resize((times + 1) * width, Row::ZERO);
        tape.hidden[..width].fill(Row::ZERO);
        dispatch(Apply { packed: &self.from_input, x: input, y: &mut tape.from_input });
        dispatch(ThroughTime { gru: self, tape });
    }
}

struct ThroughTime<'a> {
    gru: &'a Gru,
    tape: &'a mut GruTape,
}

impl Kernel for ThroughTime<'_> {
    type Output = ();

    /// Replaces the gate sums by what the backward pass needs: `r, z, n` in `from_input` and
    /// `W_hn h + b_hn` in the last third of `from_state`.
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { gru, tape } = self;
        let width = gru.layer.width;
        let times = tape.hidden.len() / width - 1;
        for time in 0..times {
            let (before, after) = tape.hidden.split_at_mut((time + 1) * width);
            let before = &before[time * width..];
            let gates = &mut tape.from_input[time * 3 * width..][..3 * width];
            let sums = &mut tape.from_state[time * 3 * width..][..3 * width];
            gru.from_state.apply::<L>(before, sums);
            for unit in 0..width {
                for half in 0..HALVES {
                    let reset = (gates[unit].load::<L>(half) + sums[unit].load(half)).sigmoid();
                    let update =
                        (gates[width + unit].load::<L>(half) + sums[width + unit].load(half)).sigmoid();
                    let new = reset
                        .mul_add(sums[2 * width + unit].load(half), gates[2 * width + unit].load(half))
                        .tanh();
                    let state = before[unit].load::<L>(half);
                    gates[unit].store(half, reset);
                    gates[width + unit].store(half, update);
                    gates[2 * width + unit].store(half, new);
                    after[unit].store(half, update.mul_add(state - new, new));
                }
            }
        }
    }
}

impl Gru {
    /// Gradients of the layer's parameters and, if asked, of its input.
    fn backward(
        &self,
        input: &[Row],
        tape: &mut GruTape,
        input_gradient: Option<&mut [Row]>,
        gradient: &mut [f32],
    ) {
        // Dispatched one by one: inlined into one function, the compiler spills the tiles.
        dispatch(BackThroughTime { gru: self, tape });
        let (layer, width) = (&self.layer, self.layer.width);
        let before = &tape.hidden[..tape.hidden.len() - width];
        for (x, inputs, dy, weight, bias) in [
            (input, layer.inputs, &tape.from_input, &layer.weight_ih, &layer.bias_ih),
            (before, width, &tape.from_state, &layer.weight_hh, &layer.bias_hh),
        ] {
            let linear = Linear { inputs, outputs: 3 * width, weight: weight.clone(), bias: bias.clone() };
            dense::add_layer_gradient(&linear, dy, x, &mut tape.transposed, gradient);
        }
        if let Some(input_gradient) = input_gradient {
            dispatch(Apply { packed: &self.to_input, x: &tape.from_input, y: input_gradient });
        }
    }
}

/// The recurrence backwards: leaves gradients of the gate sums in the tape.
struct BackThroughTime<'a> {
    gru: &'a Gru,
    tape: &'a mut GruTape,
}

impl Kernel for BackThroughTime<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { gru, tape } = self;
        let width = gru.layer.width;
        let times = tape.hidden.len() / width - 1;
        tape.hidden_gradient.clear();
        tape.hidden_gradient.resize(2 * width, Row::ZERO);
        for time in (0..times).rev() {
            let (carried, passed) = tape.hidden_gradient.split_at_mut(width);
            let gates = &mut tape.from_input[time * 3 * width..][..3 * width];
            let sums = &mut tape.from_state[time * 3 * width..][..3 * width];
            let before = &tape.hidden[time * width..][..width];
            let from_head = &tape.output_gradient[time * width..][..width];
            for unit in 0..width {
                for half in 0..HALVES {
                    gru_cell_backward::<L>(unit, half, carried, from_head, before, gates, sums);
                }
            }
            gru.to_state.apply::<L>(sums, passed);
            for (carried, passed) in carried.iter_mut().zip(&*passed) {
                for half in 0..HALVES {
                    carried.store(half, carried.load::<L>(half) + passed.load(half));
                }
            }
        }
    }
}

/// Gradients of the gate sums of one unit, written over the gates; `carried` becomes the part of the
/// gradient of the previous state that does not pass through the gates.
#[inline(always)]
fn gru_cell_backward<L: Lanes>(
    unit: usize,
    half: usize,
    carried: &mut [Row],
    from_head: &[Row],
    before: &[Row],
    gates: &mut [Row],
    sums: &mut [Row],
) {
    let width = before.len();
    let one = L::splat(1.0);
    let reset = gates[unit].load::<L>(half);
    let update = gates[width + unit].load::<L>(half);
    let new = gates[2 * width + unit].load::<L>(half);
    let new_sum = sums[2 * width + unit].load::<L>(half);
    let hidden = carried[unit].load::<L>(half) + from_head[unit].load(half);
    let d_new = hidden * (one - update) * (-new).mul_add(new, one);
    let d_update = hidden * (before[unit].load::<L>(half) - new) * update * (one - update);
    let d_reset = d_new * new_sum * reset * (one - reset);
    for (gate, gradient) in [d_reset, d_update, d_new].into_iter().enumerate() {
        gates[gate * width + unit].store(half, gradient);
    }
    for (gate, gradient) in [d_reset, d_update, d_new * reset].into_iter().enumerate() {
        sums[gate * width + unit].store(half, gradient);
    }
    carried[unit].store(half, hidden * update);
}
