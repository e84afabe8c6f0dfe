//! A policy in flash, evaluated in memory of the caller's.

use eyas_lanes::Real;

use crate::blob::{
    ACTIVATIONS, Activation, CELLS, Cell, Facts, MAGIC, NORMALIZATIONS, NUM_FACTS, Normalization, SQUASHES,
    Squash, Word, crc32,
};
use crate::formulas;

/// Why bytes are no policy, or why it cannot act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// They do not begin as a policy of this version does.
    NoPolicy,
    /// They are cut short, or have other than whole words.
    Length,
    /// A bit changed since they were written.
    Checksum,
    /// A fact that has no meaning: a cell, activation or squash of a later version, or sizes that do not fit.
    Fact,
    /// The memory that was given is smaller than the policy asks for, or an observation or action has another width.
    Memory,
    /// A number of an observation or action is not finite. The state is as before.
    NotFinite,
}

/// A policy that lies in bytes, usually in flash; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    facts: Facts,
    widths: &'a [Word],
    /// Mean and scale of the normaliser; empty without one.
    statistics: [&'a [Word]; 2],
    /// What the normaliser limits its results to; empty where it does not.
    clip: &'a [Word],
    parameters: &'a [Word],
    tests: [&'a [Word]; 2],
    rest: &'a [Word],
}

/// The parts of a policy's bytes, for programs that read them for other ends.
#[derive(Clone, Copy, Debug)]
pub struct Sections<'a> {
    /// Widths of the dense layers before and after the core.
    pub widths: &'a [Word],
    /// Mean and scale of the normaliser; empty without one.
    pub statistics: [&'a [Word]; 2],
    /// What the normaliser limits its results to; empty where it does not.
    pub clip: &'a [Word],
    /// The parameters.
    pub parameters: &'a [Word],
    /// Observations and actions of the test vectors.
    pub tests: [&'a [Word]; 2],
    /// The contract as JSON, filled with spaces.
    pub rest: &'a [Word],
}

fn number(word: Word) -> f32 {
    f32::from_le_bytes(word)
}

fn size(word: Word) -> usize {
    u32::from_le_bytes(word) as usize
}

/// Takes words off the front.
fn take<'a>(rest: &mut &'a [Word], count: usize) -> Option<&'a [Word]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}

impl<'a> Policy<'a> {
    /// Reads the facts, and checks that all is there and unchanged.
    ///
    /// # Errors
    ///
    /// [`Error::NoPolicy`], [`Error::Length`], [`Error::Checksum`] and [`Error::Fact`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or(Error::NoPolicy)?;
        let (words, _) = rest.as_chunks::<4>();
        let [checksum, count, ..] = words else { return Err(Error::Length) };
        // Two words are the magic; flash goes on behind a blob.
        let length = size(*count).checked_mul(4).ok_or(Error::Length)?;
        let bytes = bytes.get(..length).ok_or(Error::Length)?;
        let body = bytes.get(12..).ok_or(Error::Length)?;
        if crc32(body) != u32::from_le_bytes(*checksum) {
            return Err(Error::Checksum);
        }
        let (mut rest, _) = body.as_chunks::<4>();
        take(&mut rest, 1).ok_or(Error::Length)?;
        let facts = facts(take(&mut rest, NUM_FACTS).ok_or(Error::Length)?).ok_or(Error::Fact)?;
        Self::lay_out(facts, rest).ok_or(Error::Length)
    }

    fn lay_out(facts: Facts, mut rest: &'a [Word]) -> Option<Self> {
        let widths = take(&mut rest, facts.encoder.checked_add(facts.hidden)?)?;
        let statistics = if facts.normalization == Normalization::None { 0 } else { facts.inputs };
        let statistics = [take(&mut rest, statistics)?, take(&mut rest, statistics)?];
        let clip = take(&mut rest, usize::from(facts.normalization == Normalization::Clipped))?;
        let mut policy =
            Self { facts, widths, statistics, clip, parameters: &[], tests: [&[]; 2], rest: &[] };
        policy.parameters = take(&mut rest, policy.num_parameters()?)?;
        let observations = facts.test_steps.checked_mul(facts.inputs)?;
        let actions = facts.test_steps.checked_mul(policy.num_actions())?;
        policy.tests = [take(&mut rest, observations)?, take(&mut rest, actions)?];
        policy.rest = rest;
        Some(policy)
    }

    fn num_parameters(&self) -> Option<usize> {
        let Facts { inputs, encoder, width, layers, .. } = self.facts;
        let dense =
            |total: usize, from: usize, to: usize| total.checked_add(from.checked_add(1)?.checked_mul(to)?);
        let (mut total, mut from) = (0, inputs);
        let (before, after) = self.widths.split_at_checked(encoder)?;
        for &to in before {
            total = dense(total, from, size(to))?;
            from = size(to);
        }
        if let Some(gates) = self.gates() {
            let rows = gates.checked_mul(width)?;
            for _ in 0..layers {
                total = dense(total, from, rows)?;
                total = dense(total, width, rows)?;
                from = width;
            }
        }
        for &to in after {
            total = dense(total, from, size(to))?;
            from = size(to);
        }
        dense(total, from, self.facts.outputs)
    }

    fn gates(&self) -> Option<usize> {
        match self.facts.cell {
            Cell::None => None,
            Cell::Gru => Some(3),
            Cell::Lstm => Some(4),
        }
    }

    /// Its parts as they are stored.
    #[must_use]
    pub fn sections(&self) -> Sections<'a> {
        let Self { widths, statistics, clip, parameters, tests, rest, .. } = *self;
        Sections { widths, statistics, clip, parameters, tests, rest }
    }

    /// What is known of it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Features of an observation.
    #[must_use]
    pub fn num_observations(&self) -> usize {
        self.facts.inputs
    }

    /// Numbers of an action.
    #[must_use]
    pub fn num_actions(&self) -> usize {
        if self.facts.squash == Squash::Beta { self.facts.outputs / 2 } else { self.facts.outputs }
    }

    /// Numbers of its state: `h` of every layer, and of an LSTM then `c` of every layer. Zeros begin an episode.
    #[must_use]
    pub fn state_len(&self) -> usize {
        let vectors = match self.facts.cell {
            Cell::None => 0,
            Cell::Gru => 1,
            Cell::Lstm => 2,
        };
        vectors * self.facts.layers * self.facts.width
    }

    /// Numbers of the working memory that [`act`](Self::act) wants.
    #[must_use]
    pub fn scratch_len(&self) -> usize {
        2 * (self.layer_len() + self.gate_len())
    }

    /// The widest layer.
    fn layer_len(&self) -> usize {
        let Facts { inputs, outputs, width, .. } = self.facts;
        self.widths.iter().copied().map(size).fold(inputs.max(outputs).max(width), usize::max)
    }

    fn gate_len(&self) -> usize {
        self.gates().unwrap_or(0) * self.facts.width
    }

    /// One control step: an action for an observation, and the state advanced.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] if a slice is shorter than the policy asks for; [`Error::NotFinite`].
    pub fn act(
        &self,
        observation: &[f32],
        state: &mut [f32],
        scratch: &mut [f32],
        action: &mut [f32],
    ) -> Result<(), Error> {
        if observation.len() != self.facts.inputs || action.len() != self.num_actions() {
            return Err(Error::Memory);
        }
        // A number that is not finite would stay in the state for good.
        if !observation.iter().all(|it| it.is_finite()) {
            return Err(Error::NotFinite);
        }
        self.evaluate(observation, state, scratch, action).ok_or(Error::Memory)?;
        if action.iter().all(|it| it.is_finite()) { Ok(()) } else { Err(Error::NotFinite) }
    }

    fn evaluate(
        &self,
        observation: &[f32],
        state: &mut [f32],
        scratch: &mut [f32],
        action: &mut [f32],
    ) -> Option<()> {
        let Facts { inputs, outputs, encoder, width, layers, activation, .. } = self.facts;
        let (mut x, scratch) = scratch.split_at_mut_checked(self.layer_len())?;
        let (mut y, scratch) = scratch.split_at_mut_checked(self.layer_len())?;
        let (from_input, scratch) = scratch.split_at_mut_checked(self.gate_len())?;
        let from_state = scratch.get_mut(..self.gate_len())?;
        x.get_mut(..inputs)?.copy_from(observation);
        if self.facts.normalization != Normalization::None {
            let [mean, scale] = self.statistics;
            for ((x, mean), scale) in x.iter_mut().zip(mean).zip(scale) {
                *x = formulas::normalize(*x, number(*mean), number(*scale));
            }
        }
        if let [limit] = self.clip {
            for x in x.get_mut(..inputs)? {
                *x = formulas::clip(*x, number(*limit));
            }
        }
        let (mut parameters, mut from) = (self.parameters, inputs);
        let (before, after) = self.widths.split_at_checked(encoder)?;
        for &to in before {
            dense(&mut parameters, x.get(..from)?, y.get_mut(..size(to))?)?;
            activate(activation, y.get_mut(..size(to))?);
            (x, y) = (y, x);
            from = size(to);
        }
        if self.facts.cell != Cell::None {
            let (hidden, cells) = state.split_at_mut_checked(layers.checked_mul(width)?)?;
            let mut cells = cells.chunks_mut(width.max(1));
            for hidden in hidden.chunks_mut(width.max(1)) {
                recurrent_sums(&mut parameters, [x.get(..from)?, hidden], [from_input, from_state])?;
                if self.facts.cell == Cell::Gru {
                    gru(from_input, from_state, hidden)?;
                } else {
                    lstm(from_input, from_state, hidden, cells.next()?)?;
                }
                x.get_mut(..width)?.copy_from(hidden);
                from = width;
            }
        }
        for &to in after {
            dense(&mut parameters, x.get(..from)?, y.get_mut(..size(to))?)?;
            activate(activation, y.get_mut(..size(to))?);
            (x, y) = (y, x);
            from = size(to);
        }
        let y = y.get_mut(..outputs)?;
        dense(&mut parameters, x.get(..from)?, y)?;
        match self.facts.squash {
            Squash::Identity => action.copy_from(y),
            Squash::Tanh => {
                for (action, y) in action.iter_mut().zip(y) {
                    *action = Real::tanh(*y);
                }
            }
            Squash::Beta => {
                let (alphas, betas) = y.split_at_checked(outputs / 2)?;
                for ((action, alpha), beta) in action.iter_mut().zip(alphas).zip(betas) {
                    *action = formulas::beta_mean(*alpha, *beta);
                }
            }
        }
        Some(())
    }

    /// The largest difference to the actions of the test vectors; the state ends at the beginning of an episode.
    ///
    /// `action` has room for one.
    ///
    /// # Errors
    ///
    /// As [`act`](Self::act); `observation` has room for one as well.
    pub fn self_test(
        &self,
        state: &mut [f32],
        scratch: &mut [f32],
        observation: &mut [f32],
        action: &mut [f32],
    ) -> Result<f32, Error> {
        let state = state.get_mut(..self.state_len()).ok_or(Error::Memory)?;
        let observation = observation.get_mut(..self.facts.inputs).ok_or(Error::Memory)?;
        let action = action.get_mut(..self.num_actions()).ok_or(Error::Memory)?;
        let [observations, actions] = self.tests;
        state.fill(0.0);
        let steps = observations.chunks(observation.len().max(1)).zip(actions.chunks(action.len().max(1)));
        let mut largest = 0.0;
        for (stored, expected) in steps {
            for (feature, word) in observation.iter_mut().zip(stored) {
                *feature = number(*word);
            }
            self.act(observation, state, scratch, action)?;
            for (found, expected) in action.iter().zip(expected) {
                // Both are finite, or the step would have failed; NaN in flash is a difference.
                let difference = Real::abs(*found - number(*expected));
                largest = if difference <= largest { largest } else { difference };
            }
        }
        state.fill(0.0);
        Ok(largest)
    }
}

fn facts(words: &[Word]) -> Option<Facts> {
    let words: [Word; NUM_FACTS] = words.try_into().ok()?;
    let [
        inputs,
        outputs,
        encoder,
        hidden,
        cell,
        width,
        layers,
        activation,
        squash,
        normalized,
        steps,
        tolerance,
    ] = words;
    let facts = Facts {
        inputs: size(inputs),
        outputs: size(outputs),
        encoder: size(encoder),
        hidden: size(hidden),
        cell: *CELLS.get(size(cell))?,
        width: size(width),
        layers: size(layers),
        activation: *ACTIVATIONS.get(size(activation))?,
        squash: *SQUASHES.get(size(squash))?,
        normalization: *NORMALIZATIONS.get(size(normalized))?,
        test_steps: size(steps),
        tolerance: number(tolerance),
    };
    let is_recurrent = facts.cell != Cell::None;
    let has_core = facts.width > 0 && facts.layers > 0;
    (facts.inputs > 0 && facts.outputs > 0 && is_recurrent == has_core).then_some(facts)
}

/// Copies as far as both go; the slices' own method ends the program where lengths differ.
trait CopyFrom {
    fn copy_from(&mut self, other: &Self);
}

impl CopyFrom for [f32] {
    fn copy_from(&mut self, other: &Self) {
        for (number, other) in self.iter_mut().zip(other) {
            *number = *other;
        }
    }
}

/// `y = W x + b`, with weight and bias off the front of the parameters; sums in the order of the inputs.
fn dense(parameters: &mut &[Word], x: &[f32], y: &mut [f32]) -> Option<()> {
    let weight = take(parameters, x.len().checked_mul(y.len())?)?;
    let bias = take(parameters, y.len())?;
    product(weight, bias, x, y);
    Some(())
}

fn product(weight: &[Word], bias: &[Word], x: &[f32], y: &mut [f32]) {
    for ((y, bias), row) in y.iter_mut().zip(bias).zip(weight.chunks(x.len().max(1))) {
        let products = x.iter().zip(row);
        *y = products.fold(number(*bias), |sum, (x, weight)| Real::mul_add(*x, number(*weight), sum));
    }
}

/// The sums of the gates from input and state; weights of both stand before their biases.
fn recurrent_sums(
    parameters: &mut &[Word],
    [x, hidden]: [&[f32]; 2],
    [from_input, from_state]: [&mut [f32]; 2],
) -> Option<()> {
    let rows = from_input.len();
    let weight_ih = take(parameters, rows.checked_mul(x.len())?)?;
    let weight_hh = take(parameters, rows.checked_mul(hidden.len())?)?;
    let bias_ih = take(parameters, rows)?;
    let bias_hh = take(parameters, rows)?;
    product(weight_ih, bias_ih, x, from_input);
    product(weight_hh, bias_hh, hidden, from_state);
    Some(())
}

/// The numbers of one gate after the other.
fn gate(sums: &[f32], width: usize, index: usize) -> Option<&[f32]> {
    let start = index.checked_mul(width)?;
    sums.get(start..start.checked_add(width)?)
}

fn gru(from_input: &[f32], from_state: &[f32], hidden: &mut [f32]) -> Option<()> {
    let width = hidden.len();
    let of_input = [gate(from_input, width, 0)?, gate(from_input, width, 1)?, gate(from_input, width, 2)?];
    let of_state = [gate(from_state, width, 0)?, gate(from_state, width, 1)?, gate(from_state, width, 2)?];
    let input = of_input[0].iter().zip(of_input[1]).zip(of_input[2]);
    let state = of_state[0].iter().zip(of_state[1]).zip(of_state[2]);
    for ((h, ((i_r, i_z), i_n)), ((s_r, s_z), s_n)) in hidden.iter_mut().zip(input).zip(state) {
        (_, *h) = formulas::gru([*i_r, *i_z, *i_n], [*s_r, *s_z, *s_n], *h);
    }
    Some(())
}

fn lstm(from_input: &mut [f32], from_state: &[f32], hidden: &mut [f32], cells: &mut [f32]) -> Option<()> {
    let width = hidden.len();
    for (sum, state) in from_input.iter_mut().zip(from_state) {
        *sum += state;
    }
    let sums = [
        gate(from_input, width, 0)?,
        gate(from_input, width, 1)?,
        gate(from_input, width, 2)?,
        gate(from_input, width, 3)?,
    ];
    let sums = sums[0].iter().zip(sums[1]).zip(sums[2]).zip(sums[3]);
    for ((h, c), (((i, f), g), o)) in hidden.iter_mut().zip(cells).zip(sums) {
        (*h, *c) = formulas::lstm([*i, *f, *g, *o], *c);
    }
    Some(())
}

fn activate(activation: Activation, values: &mut [f32]) {
    let function: fn(f32) -> f32 = match activation {
        Activation::Identity => return,
        Activation::Elu => formulas::elu,
        Activation::Selu => formulas::selu,
        Activation::Relu => formulas::relu,
        Activation::LeakyRelu => formulas::leaky_relu,
        Activation::Tanh => Real::tanh,
        Activation::Sigmoid => Real::sigmoid,
        Activation::Softplus => formulas::softplus,
        Activation::Gelu => formulas::gelu,
        Activation::Silu => formulas::silu,
        Activation::Mish => formulas::mish,
    };
    for value in values {
        *value = function(*value);
    }
}
