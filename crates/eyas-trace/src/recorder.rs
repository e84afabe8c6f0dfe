//! Recording a formula.

use std::marker::PhantomData;

use eyas_lanes::{Draws, Fields, Map};

use crate::operation::Draw;
use crate::program::{Output, Program};
use crate::recording::{Form, Session, current};
use crate::traced::{Traced, TracedMask, TracedWord};

/// Records a formula: what it does with the inputs that it asks the recorder for, until it has handed over its outputs.
///
/// # Panics
///
/// If a recording is under way on this thread, and where the formula does: traced values of another recording are refused.
pub fn record(form: Form, formula: impl FnOnce(&mut Recorder)) -> Program {
    let session = Session::begin(form);
    formula(&mut Recorder { stays_on_its_thread: PhantomData });
    session.end()
}

/// Inputs and outputs of the formula that is being recorded.
pub struct Recorder {
    stays_on_its_thread: PhantomData<*const ()>,
}

impl Recorder {
    /// Inputs under a name of their own.
    ///
    /// # Panics
    ///
    /// If there are some of that name.
    pub fn input<F: Fields>(&mut self, name: &str) -> F::Of<Traced> {
        current(|recording| recording.begin_input(name));
        F::map(&F::splat(()), &mut Inputs)
    }

    /// As many inputs as that, under a name of their own.
    ///
    /// # Panics
    ///
    /// If there are some of that name.
    pub fn input_numbers(&mut self, name: &str, count: usize) -> Vec<Traced> {
        current(|recording| recording.begin_input(name));
        (0..count).map(|_| Inputs.one(&())).collect()
    }

    /// What a formula draws from the stream of that purpose, at its place.
    pub fn draws<'a>(&self, purpose: &'a str) -> TracedDraws<'a> {
        TracedDraws { purpose }
    }

    /// Outputs under a name of their own.
    ///
    /// # Panics
    ///
    /// If there are some of that name.
    pub fn output<F: Fields>(&mut self, name: &str, values: &F::Of<Traced>) {
        let mut numbers = Outputs(Vec::new());
        F::map(values, &mut numbers);
        self.output_numbers(name, &numbers.0);
    }

    /// As many outputs as there are.
    ///
    /// # Panics
    ///
    /// If there are some of that name.
    pub fn output_numbers(&mut self, name: &str, values: &[Traced]) {
        current(|recording| {
            let ids = values.iter().map(|it| it.id(recording)).collect();
            recording.output(Output::Numbers { name: name.to_owned(), ids });
        });
    }

    /// Masks under a name of their own.
    ///
    /// # Panics
    ///
    /// If there are some of that name.
    pub fn output_masks(&mut self, name: &str, masks: &[TracedMask]) {
        current(|recording| {
            let ids = masks.iter().map(|it| it.id(recording)).collect();
            recording.output(Output::Masks { name: name.to_owned(), ids });
        });
    }
}

struct Inputs;

impl Map<(), Traced> for Inputs {
    fn one(&mut self, (): &()) -> Traced {
        current(|recording| Traced::new(recording.id, recording.input()))
    }
}

struct Outputs(Vec<Traced>);

impl Map<Traced, ()> for Outputs {
    fn one(&mut self, value: &Traced) {
        self.0.push(*value);
    }
}

/// Random words that are recorded.
#[derive(Clone, Copy, Debug)]
pub struct TracedDraws<'a> {
    purpose: &'a str,
}

impl Draws<Traced> for TracedDraws<'_> {
    fn words(&self, draw: u32) -> [TracedWord; 4] {
        std::array::from_fn(|word| {
            let draw = Draw { purpose: self.purpose.to_owned(), draw, word: word as u8 };
            current(|recording| TracedWord::new(recording.id, recording.word(draw)))
        })
    }
}
