//! A feed-forward policy flown step by step, with a tape to go back through the flight.

use eyas_lanes::{Kernel, Lanes, Row, VECTORS, dispatch};

use crate::dense::LayerGradient;
use crate::kernel::Packed;
use crate::{Activation, Architecture, Linear, Normalizer, Untrainable, elementwise};

/// Times whose share of the parameters' gradient is summed at once: few enough that their derivatives stay in the
/// second-level cache, enough to spread the cost of adding a tile of weight gradients to its sum.
const CHUNK: usize = 16;

/// Weights of a feed-forward network packed for both directions, behind an observation normaliser.
///
/// Unlike [`Trainer`](crate::Trainer) it handles one time of a block of envs per call, because in flight the
/// input of a step depends on the output of the one before. Only the gradient of the parameters, which
/// can wait, is summed over many times at once.
///
/// Immutable during a flight and shared between threads; each thread brings its own [`UnrollTape`].
#[derive(Clone, Debug)]
pub struct Unroll {
    layers: Vec<Linear>,
    forward: Vec<Packed>,
    backward: Vec<Packed>,
    activation: Activation,
    /// Mean and factor of each feature.
    normalizer: Vec<(f32, f32)>,
}

/// What a flight leaves for the way back.
#[derive(Clone, Debug, Default)]
pub struct UnrollTape {
    /// The normalised observation, then the output of each layer; index `time * width + feature`.
    activations: Vec<Vec<Row>>,
    /// Derivative with respect to each layer's sums, of the times of one chunk.
    derivatives: Vec<Vec<Row>>,
    transposed: Vec<Row>,
}

impl Unroll {
    /// Prepares a network of this shape; call [`refresh`](Self::refresh) before the first flight.
    ///
    /// # Errors
    ///
    /// [`Untrainable`] if it is recurrent, its normaliser limits what it gives, or its activation has no backward pass.
    pub fn new(architecture: &Architecture, normalizer: Option<&Normalizer>) -> Result<Self, Untrainable> {
        if !architecture.activation.is_trainable() {
            return Err(Untrainable::Activation(architecture.activation));
        }
        if architecture.core.is_some() || !architecture.encoder.is_empty() {
            return Err(Untrainable::Core);
        }
        if normalizer.is_some_and(|it| it.clip.is_some()) {
            return Err(Untrainable::Clip);
        }
        let layers = architecture.head_layers();
        let normalizer = normalizer.map_or_else(
            || vec![(0.0, 1.0); architecture.inputs],
            |it| it.mean.iter().copied().zip(it.scale()).collect(),
        );
        Ok(Self {
            forward: vec![Packed::default(); layers.len()],
            backward: vec![Packed::default(); layers.len()],
            activation: architecture.activation,
            layers,
            normalizer,
        })
    }

    /// Takes over new parameters.
    pub fn refresh(&mut self, parameters: &[f32]) {
        let packed = self.forward.iter_mut().zip(&mut self.backward);
        for (layer, (forward, backward)) in self.layers.iter().zip(packed) {
            let (weight, bias) = (&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]);
            forward.pack(layer.outputs, layer.inputs, weight, bias);
            backward.pack_transposed(layer.inputs, layer.outputs, weight);
        }
    }

    /// Makes room for that many times.
    pub fn prepare(&self, times: usize, tape: &mut UnrollTape) {
        tape.activations.resize(self.layers.len() + 1, Vec::new());
        tape.derivatives.resize(self.layers.len(), Vec::new());
        tape.activations[0].resize(times * self.layers[0].inputs, Row::ZERO);
        for (index, layer) in self.layers.iter().enumerate() {
            tape.activations[index + 1].resize(times * layer.outputs, Row::ZERO);
            tape.derivatives[index].resize(times.min(CHUNK) * layer.outputs, Row::ZERO);
        }
    }

    /// The normalised observation that the forward pass left at a time.
    #[must_use]
    pub fn input<'a>(&self, time: usize, tape: &'a UnrollTape) -> &'a [Row] {
        &tape.inputs()[time * self.layers[0].inputs..][..self.layers[0].inputs]
    }

    /// Output at a time, given the observation, for which there is [room](Self::prepare).
    pub fn forward<'a>(&self, time: usize, observation: &[Row], tape: &'a mut UnrollTape) -> &'a [Row] {
        dispatch(Forward { unroll: self, time, observation, activations: &mut tape.activations });
        let outputs = self.layers.last().map_or(0, |layer| layer.outputs);
        &tape.activations[self.layers.len()][time * outputs..][..outputs]
    }

    /// Derivative of a cost with respect to the observation at a time, given that with respect to the output.
    pub fn backward(&self, time: usize, output: &[Row], tape: &mut UnrollTape, observation: &mut [Row]) {
        let (last, width) = (self.layers.len() - 1, output.len());
        tape.derivatives[last][time % CHUNK * width..][..width].copy_from_slice(output);
        dispatch(Backward { unroll: self, time, tape, observation });
    }

    /// Adds the gradient of the parameters where the backward pass, which begins at the last time, is through with a
    /// chunk of times; to be called after each time.
    pub fn add_gradient(&self, time: usize, tape: &mut UnrollTape, gradient: &mut [f32]) {
        if !time.is_multiple_of(CHUNK) {
            return;
        }
        let times = tape.activations[0].len() / self.layers[0].inputs;
        let end = times.min(time + CHUNK);
        for (index, layer) in self.layers.iter().enumerate() {
            let x = &tape.activations[index][time * layer.inputs..end * layer.inputs];
            let dy = &tape.derivatives[index][..(end - time) * layer.outputs];
            dispatch(LayerGradient { layer, dy, x, transposed: &mut tape.transposed, gradient });
        }
    }
}

impl UnrollTape {
    /// The normalised observations of all times.
    #[must_use]
    pub fn inputs(&self) -> &[Row] {
        &self.activations[0]
    }
}

struct Forward<'a> {
    unroll: &'a Unroll,
    time: usize,
    observation: &'a [Row],
    activations: &'a mut [Vec<Row>],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { unroll, time, observation, activations } = self;
        let inputs = unroll.layers[0].inputs;
        let input = &mut activations[0][time * inputs..][..inputs];
        for ((row, observed), (mean, factor)) in input.iter_mut().zip(observation).zip(&unroll.normalizer) {
            for vector in 0..VECTORS {
                row.store(vector, (observed.load::<L>(vector) - L::splat(*mean)) * L::splat(*factor));
            }
        }
        for (index, layer) in unroll.layers.iter().enumerate() {
            let (before, rest) = activations.split_at_mut(index + 1);
            let x = &before[index][time * layer.inputs..][..layer.inputs];
            let y = &mut rest[0][time * layer.outputs..][..layer.outputs];
            unroll.forward[index].apply::<L>(x, y);
            if index + 1 < unroll.layers.len() {
                elementwise::activate::<L>(unroll.activation, y);
            }
        }
    }
}

struct Backward<'a> {
    unroll: &'a Unroll,
    time: usize,
    tape: &'a mut UnrollTape,
    observation: &'a mut [Row],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { unroll, time, tape, observation } = self;
        let slot = time % CHUNK;
        for (index, layer) in unroll.layers.iter().enumerate().rev() {
            let (before, rest) = tape.derivatives.split_at_mut(index);
            let dy = &rest[0][slot * layer.outputs..][..layer.outputs];
            if let Some(before) = before.last_mut() {
                let dx = &mut before[slot * layer.inputs..][..layer.inputs];
                unroll.backward[index].apply::<L>(dy, dx);
                let x = &tape.activations[index][time * layer.inputs..][..layer.inputs];
                elementwise::activate_backward::<L>(unroll.activation, x, dx);
            } else {
                unroll.backward[index].apply::<L>(dy, observation);
            }
        }
        for (row, (_, factor)) in observation.iter_mut().zip(&unroll.normalizer) {
            for vector in 0..VECTORS {
                row.store(vector, row.load::<L>(vector) * L::splat(*factor));
            }
        }
    }
}
