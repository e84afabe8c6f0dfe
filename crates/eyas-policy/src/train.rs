//! Forward and backward passes for training, through dense layers and through time.

use std::ops::Range;

use eyas_lanes::{Row, prefetch};

use crate::dense::{Dense, Tape};
use crate::gru::{Gru, GruTape};
use crate::{Activation, Architecture, Cell};

/// Why a network cannot be trained here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untrainable {
    /// The slope of the activation does not follow from its output.
    #[error("networks with activation `{0}` can fly but not be trained here")]
    Activation(Activation),
    /// Only a single GRU layer has a backward pass.
    #[error("of recurrent networks only those with one GRU layer can be trained here")]
    Core,
    /// The gradient through a limit is zero beyond it.
    #[error("a network behind a normaliser that clips observations can fly but not be trained here")]
    Clip,
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

/// Working memory of one forward and backward pass.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    encoder: Tape,
    gru: GruTape,
    head: Tape,
    output_gradient: Vec<Row>,
    /// Gradients of what the head and the core read, of the blocks that are gone through together.
    core_gradient: Vec<Row>,
    feature_gradient: Vec<Row>,
}

/// Blocks, or times of a block of sequences, that go through all layers before the next ones do.
///
/// Few enough that what a 16-wide GRU passes from layer to layer stays near the processor, enough to spread
/// the cost of adding a tile of weight gradients to its sum.
const CHUNK: usize = 4;

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
        Ok(Self {
            architecture: architecture.clone(),
            encoder: Dense::new(architecture.encoder_layers(), architecture.activation, true),
            gru: architecture.core_layers().first().map(Gru::new),
            head: Dense::new(architecture.head_layers(), architecture.activation, false),
        })
    }

    /// Takes over new parameters.
    pub fn refresh(&mut self, parameters: &[f32]) {
        for part in [&mut self.encoder, &mut self.head] {
            part.pack_both(parameters);
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
        let blocks = input.len() / self.architecture.inputs;
        self.encoder.prepare(blocks, &mut pass.encoder);
        self.head.prepare(blocks, &mut pass.head);
        if let Some(gru) = &self.gru {
            gru.prepare(blocks, &mut pass.gru);
        }
        for chunk in chunks(blocks) {
            let first = chunk.start;
            self.encoder.forward(rows(input, &chunk, self.architecture.inputs), first, &mut pass.encoder);
            let features = self.features(input, &chunk, &pass.encoder);
            if let Some(gru) = &self.gru {
                gru.forward(features, first, &mut pass.gru);
                self.head.forward(gru.output(chunk, &pass.gru), first, &mut pass.head);
            } else {
                self.head.forward(features, first, &mut pass.head);
            }
        }
    }

    /// Adds to `gradient` the gradient of the parameters, given that of the output in
    /// [`Pass::output_and_gradient`], which is used up. `input` is what the forward pass was given.
    pub fn backward(&self, input: &[Row], pass: &mut Pass, gradient: &mut [f32]) {
        let Pass { encoder, gru: tape, head, output_gradient, core_gradient, feature_gradient } = pass;
        let Architecture { inputs, outputs, .. } = self.architecture;
        if let Some(gru) = &self.gru {
            gru.prepare_backward(tape);
        }
        for chunk in chunks(input.len() / inputs).rev() {
            let (first, blocks) = (chunk.start, chunk.len());
            let input_part = rows(input, &chunk, inputs);
            let features = self.features(input, &chunk, encoder);
            prefetch(input_part);
            prefetch(features);
            feature_gradient.resize(features.len(), Row::ZERO);
            let to_features = (!self.encoder.is_empty()).then_some(&mut feature_gradient[..]);
            let dy = &mut output_gradient[first * outputs..(first + blocks) * outputs];
            if let Some(gru) = &self.gru {
                core_gradient.resize(blocks * gru.width(), Row::ZERO);
                let states = gru.output(chunk, tape);
                self.head.backward(states, first, head, dy, Some(core_gradient), gradient);
                gru.backward(features, first, tape, core_gradient, to_features, gradient);
            } else {
                self.head.backward(features, first, head, dy, to_features, gradient);
            }
            self.encoder.backward(input_part, first, encoder, feature_gradient, None, gradient);
        }
    }

    /// What the core, or without one the head, reads in some blocks.
    fn features<'a>(&self, input: &'a [Row], blocks: &Range<usize>, encoder: &'a Tape) -> &'a [Row] {
        match self.architecture.encoder.last() {
            Some(width) => rows(encoder.output(), blocks, *width),
            None => rows(input, blocks, self.architecture.inputs),
        }
    }

    /// The shape of the network.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }
}

/// Ranges of [`CHUNK`] blocks; the last may be shorter.
fn chunks(blocks: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    (0..blocks.div_ceil(CHUNK)).map(move |chunk| chunk * CHUNK..blocks.min((chunk + 1) * CHUNK))
}

/// The rows of some blocks of `width` rows each.
fn rows<'a>(all: &'a [Row], blocks: &Range<usize>, width: usize) -> &'a [Row] {
    &all[blocks.start * width..blocks.end * width]
}

impl Pass {
    /// Output rows of the last forward pass, `[blocks][outputs]`.
    #[must_use]
    pub fn output(&self) -> &[Row] {
        self.head.output()
    }

    /// Output rows and room for the gradient of a loss with respect to them.
    pub fn output_and_gradient(&mut self) -> (&[Row], &mut [Row]) {
        let output = self.head.output();
        self.output_gradient.resize(output.len(), Row::ZERO);
        (output, &mut self.output_gradient)
    }
}
