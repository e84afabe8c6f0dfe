//! A GRU layer: its step, and its passes through time for training.

use std::ops::Range;

use eyas_fly::formulas;
use eyas_lanes::{Kernel, Lanes, Real, Row, VECTORS, dispatch, prefetch};

use crate::dense::LayerGradient;
use crate::kernel::Packed;
use crate::{Linear, Recurrent};

/// The numbers of one unit in gates that are stacked.
#[inline(always)]
pub(crate) fn load_gates<L: Lanes, const N: usize>(gates: &[Row], unit: usize, vector: usize) -> [L; N] {
    let width = gates.len() / N;
    let mut values = [L::splat(0.0); N];
    for (gate, value) in values.iter_mut().enumerate() {
        *value = gates[gate * width + unit].load(vector);
    }
    values
}

#[inline(always)]
fn store_gates<L: Lanes, const N: usize>(gates: &mut [Row], unit: usize, vector: usize, values: [L; N]) {
    let width = gates.len() / N;
    for (gate, value) in values.into_iter().enumerate() {
        gates[gate * width + unit].store(vector, value);
    }
}

/// A layer with its weights packed for both directions.
#[derive(Clone, Debug)]
pub(crate) struct Gru {
    /// Input and recurrent weights as dense layers of `3 · width` outputs.
    input: Linear,
    state: Linear,
    width: usize,
    from_input: Packed,
    from_state: Packed,
    to_input: Packed,
    to_state: Packed,
}

/// What the forward pass leaves for the backward pass, and its working memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct GruTape {
    /// `r, z, n, s_n` of each time, stacked.
    gates: Vec<Row>,
    /// `h` before each step and after the last.
    hidden: Vec<Row>,
    /// `i` and `s` of one time.
    sums: [Vec<Row>; 2],
    /// Gradients of `i` and `s` at the times that are gone through together.
    sum_gradients: [Vec<Row>; 2],
    /// Gradient of `h` on its way back in time, in two parts.
    state_gradient: [Vec<Row>; 2],
    transposed: Vec<Row>,
}

impl Gru {
    pub(crate) fn new(layer: &Recurrent) -> Self {
        let linear = |inputs, weight: &Range<usize>, bias: &Range<usize>| Linear {
            inputs,
            outputs: 3 * layer.width,
            weight: weight.clone(),
            bias: bias.clone(),
        };
        Self {
            input: linear(layer.inputs, &layer.weight_ih, &layer.bias_ih),
            state: linear(layer.width, &layer.weight_hh, &layer.bias_hh),
            width: layer.width,
            from_input: Packed::default(),
            from_state: Packed::default(),
            to_input: Packed::default(),
            to_state: Packed::default(),
        }
    }

    /// Takes over new parameters.
    pub(crate) fn pack(&mut self, parameters: &[f32]) {
        for (layer, forward, backward) in [
            (&self.input, &mut self.from_input, &mut self.to_input),
            (&self.state, &mut self.from_state, &mut self.to_state),
        ] {
            let (weight, bias) = (&parameters[layer.weight.clone()], &parameters[layer.bias.clone()]);
            forward.pack(layer.outputs, layer.inputs, weight, bias);
            backward.pack_transposed(layer.inputs, layer.outputs, weight);
        }
    }

    /// Makes room for that many times and starts from a zero state.
    pub(crate) fn prepare(&self, times: usize, tape: &mut GruTape) {
        tape.gates.resize(times * 4 * self.width, Row::ZERO);
        tape.hidden.resize((times + 1) * self.width, Row::ZERO);
        tape.hidden[..self.width].fill(Row::ZERO);
        for rows in &mut tape.sums {
            rows.resize(3 * self.width, Row::ZERO);
        }
    }

    /// Runs the times of `input`, of which the first is time `first` of the tape.
    pub(crate) fn forward(&self, input: &[Row], first: usize, tape: &mut GruTape) {
        dispatch(ThroughTime { gru: self, input, first, tape });
    }

    /// States after some times.
    pub(crate) fn output<'a>(&self, times: Range<usize>, tape: &'a GruTape) -> &'a [Row] {
        &tape.hidden[(times.start + 1) * self.width..(times.end + 1) * self.width]
    }

    /// Rows of the state.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Forgets the gradient of the state after the last time.
    pub(crate) fn prepare_backward(&self, tape: &mut GruTape) {
        for rows in &mut tape.state_gradient {
            rows.clear();
            rows.resize(self.width, Row::ZERO);
        }
    }

    /// Goes back through the times of `input`, of which the first is time `first` of the tape, given the
    /// gradient of the states after them. Later times come first.
    ///
    /// Adds the gradient of the parameters, and writes that of the input if asked.
    pub(crate) fn backward(
        &self,
        input: &[Row],
        first: usize,
        tape: &mut GruTape,
        output_gradient: &[Row],
        input_gradient: Option<&mut [Row]>,
        gradient: &mut [f32],
    ) {
        dispatch(BackThroughTime {
            gru: self,
            input,
            first,
            tape,
            output_gradient,
            input_gradient,
            gradient,
        });
    }
}

struct ThroughTime<'a> {
    gru: &'a Gru,
    input: &'a [Row],
    first: usize,
    tape: &'a mut GruTape,
}

impl Kernel for ThroughTime<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { gru, input, first, tape } = self;
        let width = gru.width;
        let [from_input, from_state] = &mut tape.sums;
        for (time, x) in input.chunks_exact(gru.input.inputs).enumerate() {
            let time = first + time;
            if let Some(next) = tape.gates.get((time + 1) * 4 * width..(time + 2) * 4 * width) {
                prefetch(next);
            }
            let (before, after) = tape.hidden.split_at_mut((time + 1) * width);
            let (before, after) = (&before[time * width..], &mut after[..width]);
            gru.from_input.apply::<L>(x, from_input);
            gru.from_state.apply::<L>(before, from_state);
            let gates = &mut tape.gates[time * 4 * width..][..4 * width];
            L::call(Step { from_input, from_state, before, gates, after });
        }
    }
}

/// One step of a block, which keeps what the way back needs.
struct Step<'a> {
    from_input: &'a [Row],
    from_state: &'a [Row],
    before: &'a [Row],
    gates: &'a mut [Row],
    after: &'a mut [Row],
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { from_input, from_state, before, gates, after } = self;
        for (unit, (before, after)) in before.iter().zip(after).enumerate() {
            for vector in 0..VECTORS {
                let sums = load_gates::<L, 3>(from_state, unit, vector);
                let ([reset, update, new], state) =
                    formulas::gru(load_gates(from_input, unit, vector), sums, before.load(vector));
                store_gates(gates, unit, vector, [reset, update, new, sums[2]]);
                after.store(vector, state);
            }
        }
    }
}

struct BackThroughTime<'a> {
    gru: &'a Gru,
    input: &'a [Row],
    first: usize,
    tape: &'a mut GruTape,
    output_gradient: &'a [Row],
    input_gradient: Option<&'a mut [Row]>,
    gradient: &'a mut [f32],
}

impl Kernel for BackThroughTime<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { gru, input, first, tape, output_gradient, input_gradient, gradient } = self;
        let width = gru.width;
        let times = output_gradient.len() / width;
        let hidden = &tape.hidden[first * width..(first + times) * width];
        let [carried, passed] = &mut tape.state_gradient;
        let [d_input, d_state] = &mut tape.sum_gradients;
        d_input.resize(times * 3 * width, Row::ZERO);
        d_state.resize(times * 3 * width, Row::ZERO);
        for time in (0..times).rev() {
            // The tape of a long flight is far away, and hardware does not foresee a walk back.
            let earlier = (first + time).saturating_sub(1);
            prefetch(&tape.gates[earlier * 4 * width..][..4 * width]);
            prefetch(&tape.hidden[earlier * width..][..width]);
            let d_state = &mut d_state[time * 3 * width..][..3 * width];
            L::call(StepBack {
                gates: &tape.gates[(first + time) * 4 * width..][..4 * width],
                before: &hidden[time * width..][..width],
                output_gradient: &output_gradient[time * width..][..width],
                carried,
                passed,
                d_input: &mut d_input[time * 3 * width..][..3 * width],
                d_state,
            });
            gru.to_state.apply::<L>(d_state, passed);
        }
        for (layer, x, dy) in [(&gru.input, input, &d_input), (&gru.state, hidden, &d_state)] {
            LayerGradient { layer, dy, x, transposed: &mut tape.transposed, gradient }.run::<L>();
        }
        if let Some(input_gradient) = input_gradient {
            gru.to_input.apply::<L>(d_input, input_gradient);
        }
    }
}

/// [`Step`] backwards: gradients of the sums, given that of the state, which arrives from the output, past
/// the gates (`carried`) and through the sums (`passed`).
struct StepBack<'a> {
    gates: &'a [Row],
    before: &'a [Row],
    output_gradient: &'a [Row],
    carried: &'a mut [Row],
    passed: &'a [Row],
    d_input: &'a mut [Row],
    d_state: &'a mut [Row],
}

impl Kernel for StepBack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { gates, before, output_gradient, carried, passed, d_input, d_state } = self;
        for unit in 0..before.len() {
            for vector in 0..VECTORS {
                let gates = load_gates::<L, 4>(gates, unit, vector);
                let arrived = carried[unit].load::<L>(vector) + passed[unit].load(vector);
                let d_hidden = arrived + output_gradient[unit].load(vector);
                let (through, [d_reset, d_update, d_new, d_new_sum]) =
                    gru_backward(gates, before[unit].load(vector), d_hidden);
                carried[unit].store(vector, through);
                store_gates(d_input, unit, vector, [d_reset, d_update, d_new]);
                store_gates(d_state, unit, vector, [d_reset, d_update, d_new_sum]);
            }
        }
    }
}

/// [`formulas::gru`] backwards, given its gates `r, z, n` and the sum `s_n`, the state before it and the gradient of the state
/// after it: what passes the gates to the state before, and the gradients of `i_r` (and `s_r`), `i_z` (and `s_z`), `i_n` and
/// `s_n`.
#[inline(always)]
pub fn gru_backward<R: Real>([reset, update, new, new_sum]: [R; 4], before: R, d_hidden: R) -> (R, [R; 4]) {
    let through = d_hidden * update;
    let d_new = (d_hidden - through) * (-new).mul_add(new, R::one());
    let d_update = through * (before - new) * (R::one() - update);
    let d_new_sum = d_new * reset;
    let d_reset = d_new_sum * new_sum * (R::one() - reset);
    (through, [d_reset, d_update, d_new, d_new_sum])
}
