//! Flying a policy: one block of vehicles at a time.

use eyas_fly::formulas;
use eyas_lanes::{BLOCK, Kernel, Lanes, Row, VECTORS, dispatch, lanes_of};

use crate::dense::{Dense, Tape};
use crate::kernel::Packed;
use crate::{Activation, Cell, Core, Matrix, Network, Output, Policy, elementwise, gru};

/// A policy with its weights packed, ready to fly.
///
/// Immutable and shared between threads; each block of vehicles brings its own recurrent state and
/// [`Scratch`].
#[derive(Clone, Debug)]
pub struct Inference {
    num_observations: usize,
    num_actions: usize,
    /// Mean and factor for each feature.
    normalizer: Option<Vec<(f32, f32)>>,
    /// Limit of what the normaliser gives.
    clip: Option<f32>,
    encoder: Dense,
    core: Option<Core>,
    gates: Vec<(Packed, Packed)>,
    head: Dense,
    output: Output,
    state_width: usize,
}

/// Working memory of [`Inference::act`], kept between calls so that none is allocated in flight.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    input: Vec<Row>,
    encoder: Tape,
    head: Tape,
    gates: [Vec<Row>; 2],
}

impl Inference {
    /// Packs the weights of a policy.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let normalizer = policy.normalizer.as_ref();
        let pairs = normalizer.map(|it| it.mean.iter().copied().zip(it.scale()).collect());
        Self {
            output: policy.output,
            num_actions: policy.num_actions(),
            normalizer: pairs,
            clip: normalizer.and_then(|it| it.clip),
            ..Self::of_network(&policy.network)
        }
    }

    /// Packs the weights of a bare network: raw inputs, raw outputs.
    #[must_use]
    pub fn of_network(network: &Network) -> Self {
        let architecture = &network.architecture;
        let parameters = &network.parameters;
        let mut encoder = Dense::new(architecture.encoder_layers(), architecture.activation, true);
        encoder.pack(parameters);
        let mut head = Dense::new(architecture.head_layers(), architecture.activation, false);
        head.pack(parameters);
        let gates = architecture
            .core_layers()
            .iter()
            .map(|layer| {
                let rows = layer.bias_ih.len();
                let mut pair = (Packed::default(), Packed::default());
                let (weight, bias) =
                    (&parameters[layer.weight_ih.clone()], &parameters[layer.bias_ih.clone()]);
                pair.0.pack(rows, layer.inputs, weight, bias);
                let (weight, bias) =
                    (&parameters[layer.weight_hh.clone()], &parameters[layer.bias_hh.clone()]);
                pair.1.pack(rows, layer.width, weight, bias);
                pair
            })
            .collect();
        Self {
            num_observations: architecture.inputs,
            num_actions: architecture.outputs,
            normalizer: None,
            clip: None,
            encoder,
            core: architecture.core,
            gates,
            head,
            output: Output::Identity,
            state_width: architecture.state_width(),
        }
    }

    /// Rows of an observation.
    #[must_use]
    pub fn num_observations(&self) -> usize {
        self.num_observations
    }

    /// Rows of an action.
    #[must_use]
    pub fn num_actions(&self) -> usize {
        self.num_actions
    }

    /// Rows of the recurrent state; zero rows are the state at the start of an episode.
    #[must_use]
    pub fn state_width(&self) -> usize {
        self.state_width
    }

    /// Puts a recurrent state back to the start of an episode in the lanes of a block whose bits are set.
    pub fn forget(state: &mut [Row], bits: u32) {
        for lane in lanes_of(bits) {
            for row in &mut *state {
                row[lane] = 0.0;
            }
        }
    }

    /// Maps observations `[num_observations]` to actions `[num_actions]` for a block of vehicles and
    /// advances the recurrent state `[state_width]`.
    ///
    /// # Panics
    ///
    /// If a slice does not have that length.
    pub fn act(&self, observation: &[Row], state: &mut [Row], scratch: &mut Scratch, action: &mut [Row]) {
        assert_eq!(observation.len(), self.num_observations, "observation rows");
        assert_eq!(action.len(), self.num_actions, "action rows");
        assert_eq!(state.len(), self.state_width, "state rows");
        let Scratch { input, encoder, head, gates } = scratch;
        // Each part is dispatched on its own: inlined into one function, the compiler spills the tiles.
        let mut features = observation;
        if let Some(normalizer) = &self.normalizer {
            input.clear();
            input.extend_from_slice(observation);
            dispatch(Normalize { normalizer, rows: input });
            if let Some(limit) = self.clip {
                dispatch(Clip { limit, rows: input });
            }
            features = input;
        }
        if !self.encoder.is_empty() {
            self.encoder.prepare(1, encoder);
            self.encoder.forward(features, 0, encoder);
            features = encoder.output();
        }
        if let Some(core) = self.core {
            dispatch(Advance { inference: self, core, features, state, gates });
            features = &state[(core.layers - 1) * core.width..core.layers * core.width];
        }
        self.head.prepare(1, head);
        self.head.forward(features, 0, head);
        dispatch(Squash { output: self.output, raw: head.output(), action });
    }
}

/// One of the parts that [`Inference::act`] computes, for whoever computes it elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// The features of the observation.
    Normalize {
        /// Mean and factor for each.
        normalizer: Vec<(f32, f32)>,
        /// Limit of what comes out, if there is one.
        clip: Option<f32>,
    },
    /// A layer.
    Dense(Matrix, Activation),
    /// A recurrent layer: what its input and its state add to the gates.
    Recurrent(Cell, [Matrix; 2]),
    /// From what the network gives to the action.
    Squash(Output),
}

impl Inference {
    /// Its parts in their order. Sums run over the inner index in ascending order, from the bias on.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        if let Some(normalizer) = self.normalizer.clone() {
            parts.push(Part::Normalize { normalizer, clip: self.clip });
        }
        let dense =
            |it: &Dense| it.matrices().map(|(matrix, activation)| Part::Dense(matrix, activation)).collect();
        let encoder: Vec<Part> = dense(&self.encoder);
        parts.extend(encoder);
        if let Some(Core { cell, .. }) = self.core {
            let matrices = self.gates.iter().map(|(input, state)| [input.matrix(), state.matrix()]);
            parts.extend(matrices.map(|it| Part::Recurrent(cell, it)));
        }
        let head: Vec<Part> = dense(&self.head);
        parts.extend(head);
        parts.push(Part::Squash(self.output));
        parts
    }

    /// Actions `[times][batch][num_actions]` for recorded observations `[times][batch][num_observations]`,
    /// the recurrent state being zero before the first.
    ///
    /// # Panics
    ///
    /// If `observations` is not of that length.
    #[must_use]
    pub fn act_on_record(&self, observations: &[f32], times: usize, batch: usize) -> Vec<f32> {
        let (width, num_actions) = (self.num_observations, self.num_actions);
        assert_eq!(observations.len(), times * batch * width, "observations of a record");
        let mut actions = vec![0.0; times * batch * num_actions];
        let mut scratch = Scratch::default();
        let (mut observation, mut action) = (vec![Row::ZERO; width], vec![Row::ZERO; num_actions]);
        for first in (0..batch).step_by(BLOCK) {
            let mut state = vec![Row::ZERO; self.state_width];
            let lanes = BLOCK.min(batch - first);
            for time in 0..times {
                for lane in 0..lanes {
                    let start = (time * batch + first + lane) * width;
                    for (row, value) in observation.iter_mut().zip(&observations[start..start + width]) {
                        row[lane] = *value;
                    }
                }
                self.act(&observation, &mut state, &mut scratch, &mut action);
                for lane in 0..lanes {
                    let start = (time * batch + first + lane) * num_actions;
                    for (value, row) in actions[start..start + num_actions].iter_mut().zip(&action) {
                        *value = row[lane];
                    }
                }
            }
        }
        actions
    }
}

struct Normalize<'a> {
    normalizer: &'a [(f32, f32)],
    rows: &'a mut [Row],
}

impl Kernel for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (row, (mean, scale)) in self.rows.iter_mut().zip(self.normalizer) {
            for vector in 0..VECTORS {
                let value = formulas::normalize(row.load::<L>(vector), L::splat(*mean), L::splat(*scale));
                row.store(vector, value);
            }
        }
    }
}

struct Clip<'a> {
    limit: f32,
    rows: &'a mut [Row],
}

impl Kernel for Clip<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let limit = L::splat(self.limit);
        for row in self.rows {
            for vector in 0..VECTORS {
                row.store(vector, formulas::clip(row.load::<L>(vector), limit));
            }
        }
    }
}

/// Steps every recurrent layer.
struct Advance<'a> {
    inference: &'a Inference,
    core: Core,
    features: &'a [Row],
    state: &'a mut [Row],
    gates: &'a mut [Vec<Row>; 2],
}

impl Kernel for Advance<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { inference, core, features, state, gates: [from_input, from_state] } = self;
        let rows = core.cell.gates() * core.width;
        from_input.resize(rows, Row::ZERO);
        from_state.resize(rows, Row::ZERO);
        let (hidden, cells) = state.split_at_mut(core.layers * core.width);
        for (index, (input_gates, state_gates)) in inference.gates.iter().enumerate() {
            let place = index * core.width..(index + 1) * core.width;
            let (before, hidden) = hidden.split_at_mut(place.start);
            let hidden = &mut hidden[..core.width];
            // The layer below has stepped already.
            let input = if index == 0 { features } else { &before[place.start - core.width..] };
            input_gates.apply::<L>(input, from_input);
            state_gates.apply::<L>(hidden, from_state);
            match core.cell {
                Cell::Gru => gru_cell::<L>(from_input, from_state, hidden),
                Cell::Lstm => lstm_cell::<L>(from_input, from_state, hidden, &mut cells[place]),
            }
        }
    }
}

struct Squash<'a> {
    output: Output,
    raw: &'a [Row],
    action: &'a mut [Row],
}

impl Kernel for Squash<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { output, raw, action } = self;
        match output {
            Output::Identity => action.copy_from_slice(raw),
            Output::Tanh => {
                action.copy_from_slice(raw);
                elementwise::activate::<L>(Activation::Tanh, action);
            }
            Output::Beta => {
                let (alphas, betas) = raw.split_at(action.len());
                for ((row, alpha), beta) in action.iter_mut().zip(alphas).zip(betas) {
                    for vector in 0..VECTORS {
                        row.store(vector, formulas::beta_mean::<L>(alpha.load(vector), beta.load(vector)));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn gru_cell<L: Lanes>(from_input: &[Row], from_state: &[Row], hidden: &mut [Row]) {
    for (unit, h) in hidden.iter_mut().enumerate() {
        for vector in 0..VECTORS {
            let sums = |rows| gru::load_gates(rows, unit, vector);
            let (_, state) = formulas::gru::<L>(sums(from_input), sums(from_state), h.load(vector));
            h.store(vector, state);
        }
    }
}

/// Gates are stacked `i, f, g, o`.
#[inline(always)]
fn lstm_cell<L: Lanes>(from_input: &[Row], from_state: &[Row], hidden: &mut [Row], cells: &mut [Row]) {
    let width = hidden.len();
    for (unit, (h, c)) in hidden.iter_mut().zip(cells).enumerate() {
        for vector in 0..VECTORS {
            let gate = |g: usize| {
                from_input[g * width + unit].load::<L>(vector)
                    + from_state[g * width + unit].load::<L>(vector)
            };
            let (hidden, cell) = formulas::lstm::<L>([gate(0), gate(1), gate(2), gate(3)], c.load(vector));
            c.store(vector, cell);
            h.store(vector, hidden);
        }
    }
}
