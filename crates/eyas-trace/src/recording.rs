//! The list that grows while a formula runs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::operation::{Binary, Draw, MaskId, NumberId, Operation, Unary, WordId};
use crate::program::{Group, Output, Program};

/// What becomes of numbers that are known while recording, and of elementary functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Constants.
    pub constants: Constants,
    /// Elementary functions.
    pub functions: Functions,
}

/// What becomes of numbers that are known while recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Constants {
    /// Rounded to `f32`, as lanes round them, and what follows from them alone is computed while recording, in `f32`. The
    /// program gives the bits of the lanes where it is replayed on `f32` or lanes.
    #[default]
    Single,
    /// Kept in double precision, and nothing is computed: a replay on any number is what the formula gives on it.
    AsWritten,
}

/// What becomes of elementary functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Functions {
    /// Each is an operation: `f64` takes it from `libm`, and reverse mode knows its derivative.
    #[default]
    Whole,
    /// The polynomials of [`eyas_lanes::elementary`], for machines that know no other way.
    Polynomials,
}

/// What has been recorded so far.
pub(crate) struct Recording {
    pub(crate) id: u32,
    pub(crate) form: Form,
    operations: Vec<Operation>,
    /// The operation that each number comes from.
    numbers: Vec<Operation>,
    /// The operation that each mask comes from.
    masks: Vec<Operation>,
    num_words: u32,
    /// The place of what an operation gives among those of its kind.
    known: HashMap<Operation, u32>,
    draws: Vec<Draw>,
    inputs: Vec<Group>,
    num_inputs: usize,
    outputs: Vec<Output>,
}

thread_local! {
    static CURRENT: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

/// So that no two recordings of a process have the same.
static NEXT_ID: AtomicU32 = AtomicU32::new(0);

/// A recording on this thread, from beginning to end; dropped where a formula panics.
pub(crate) struct Session {
    id: u32,
}

impl Session {
    /// # Panics
    ///
    /// If one is under way.
    pub(crate) fn begin(form: Form) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        CURRENT.with_borrow_mut(|current| {
            assert!(
                current.is_none(),
                "a recording is under way on this thread: a formula that is recorded cannot record another"
            );
            *current = Some(Recording::new(id, form));
        });
        Self { id }
    }

    pub(crate) fn end(self) -> Program {
        let recording = CURRENT.take().expect("a session lasts as long as its recording");
        recording.check(self.id);
        let Recording { operations, draws, inputs, outputs, .. } = recording;
        Program::new(operations, draws, inputs, outputs)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Goes on with the recording of this thread.
///
/// # Panics
///
/// If there is none.
pub(crate) fn current<T>(then: impl FnOnce(&mut Recording) -> T) -> T {
    CURRENT.with_borrow_mut(|current| {
        let recording = current.as_mut();
        then(recording.expect(
            "no recording is under way on this thread: traced numbers exist only in the formula that is given to `record`",
        ))
    })
}

/// Goes on with the recording that a value belongs to.
///
/// # Panics
///
/// If that is not the recording of this thread.
pub(crate) fn recording_of<T>(id: u32, then: impl FnOnce(&mut Recording) -> T) -> T {
    current(|recording| {
        recording.check(id);
        then(recording)
    })
}

impl Recording {
    fn new(id: u32, form: Form) -> Self {
        Self {
            id,
            form,
            operations: Vec::new(),
            numbers: Vec::new(),
            masks: Vec::new(),
            num_words: 0,
            known: HashMap::new(),
            draws: Vec::new(),
            inputs: Vec::new(),
            num_inputs: 0,
            outputs: Vec::new(),
        }
    }

    /// Checks that a value belongs to this recording.
    pub(crate) fn check(&self, id: u32) {
        assert!(
            id == self.id,
            "a value of recording {id} is used in recording {}: hand it over as an input",
            self.id
        );
    }

    /// The inputs that follow are a group of this name.
    pub(crate) fn begin_input(&mut self, name: &str) {
        assert!(self.inputs.iter().all(|it| it.name != name), "two groups of inputs are called `{name}`");
        self.inputs.push(Group { name: name.to_owned(), range: self.num_inputs..self.num_inputs });
    }

    /// One more input of the last group.
    pub(crate) fn input(&mut self) -> NumberId {
        let group = self.inputs.last_mut().expect("inputs are numbers of a group");
        let place = self.num_inputs as u32;
        self.num_inputs += 1;
        group.range.end = self.num_inputs;
        self.number(Operation::Input(place))
    }

    pub(crate) fn output(&mut self, output: Output) {
        let name = output.name();
        assert!(self.outputs.iter().all(|it| it.name() != name), "two groups of outputs are called `{name}`");
        self.outputs.push(output);
    }

    pub(crate) fn constant(&mut self, value: f64) -> NumberId {
        let value = match self.form.constants {
            Constants::Single => f64::from(value as f32),
            Constants::AsWritten => value,
        };
        self.number(Operation::Constant(value.to_bits()))
    }

    pub(crate) fn word(&mut self, draw: Draw) -> WordId {
        let place = self.draws.iter().position(|it| *it == draw).unwrap_or(self.draws.len());
        if place == self.draws.len() {
            self.draws.push(draw);
        }
        let operation = Operation::Draw(place as u32);
        let next = self.num_words;
        let id = *self.known.entry(operation).or_insert(next);
        if id == next {
            self.num_words += 1;
            self.operations.push(operation);
        }
        WordId(id)
    }

    /// What an operation gives: known already, known in a simpler way, or new.
    pub(crate) fn number(&mut self, operation: Operation) -> NumberId {
        let operation = match self.simpler_number(in_order(operation)) {
            Simpler::Known(id) => return id,
            Simpler::Operation(operation) => in_order(operation),
        };
        if let Some(id) = self.known.get(&operation) {
            return NumberId(*id);
        }
        let id = self.numbers.len() as u32;
        self.known.insert(operation, id);
        self.numbers.push(operation);
        self.operations.push(operation);
        NumberId(id)
    }

    /// The same of operations that give a mask.
    pub(crate) fn mask(&mut self, operation: Operation) -> MaskId {
        let operation = match self.simpler_mask(in_order(operation)) {
            Simpler::Known(id) => return id,
            Simpler::Operation(operation) => operation,
        };
        if let Some(id) = self.known.get(&operation) {
            return MaskId(*id);
        }
        let id = self.masks.len() as u32;
        self.known.insert(operation, id);
        self.masks.push(operation);
        self.operations.push(operation);
        MaskId(id)
    }

    /// A constant's value.
    fn value(&self, id: NumberId) -> Option<f64> {
        match self.numbers[id.index()] {
            Operation::Constant(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// A constant's value, where constants are computed with.
    fn single(&self, id: NumberId) -> Option<f32> {
        self.value(id).filter(|_| self.form.constants == Constants::Single).map(|it| it as f32)
    }

    /// Whether a number is this constant, to the bit.
    fn is(&self, id: NumberId, value: f64) -> bool {
        self.value(id).is_some_and(|it| it.to_bits() == value.to_bits())
    }

    fn truth(&self, id: MaskId) -> Option<bool> {
        match self.masks[id.index()] {
            Operation::Truth(holds) => Some(holds),
            _ => None,
        }
    }

    /// Only what keeps every bit of every number: `0 x` is not 0 for all x, and `x + 0` is not −0 where x is.
    fn simpler_number(&self, operation: Operation) -> Simpler<NumberId> {
        use Simpler::{Known, Operation as Other};
        let constant = |value: f32| Other(Operation::Constant(f64::from(value).to_bits()));
        match operation {
            Operation::Unary(function, x) => match (self.single(x), function, self.numbers[x.index()]) {
                (Some(x), ..) => constant(function.apply(x)),
                (None, Unary::Negate, Operation::Unary(Unary::Negate, y)) => Known(y),
                _ => Other(operation),
            },
            Operation::Binary(function, x, y) => match (self.single(x), self.single(y)) {
                (Some(x), Some(y)) => constant(function.apply(x, y)),
                _ => match function {
                    Binary::Add if self.is(x, -0.0) => Known(y),
                    Binary::Add if self.is(y, -0.0) => Known(x),
                    Binary::Subtract if self.is(y, 0.0) => Known(x),
                    Binary::Multiply if self.is(x, 1.0) => Known(y),
                    Binary::Multiply | Binary::Divide if self.is(y, 1.0) => Known(x),
                    _ => Other(operation),
                },
            },
            Operation::MultiplyAdd(x, y, z) => match (self.single(x), self.single(y), self.single(z)) {
                (Some(x), Some(y), Some(z)) => constant(x.mul_add(y, z)),
                _ if self.is(x, 1.0) => Other(Operation::Binary(Binary::Add, y, z)),
                _ if self.is(y, 1.0) => Other(Operation::Binary(Binary::Add, x, z)),
                _ => Other(operation),
            },
            Operation::Select(mask, yes, no) => match self.truth(mask) {
                Some(holds) => Known(if holds { yes } else { no }),
                None if yes == no => Known(yes),
                None => Other(operation),
            },
            _ => Other(operation),
        }
    }

    fn simpler_mask(&self, operation: Operation) -> Simpler<MaskId> {
        use Simpler::{Known, Operation as Other};
        let truth = |holds| Other(Operation::Truth(holds));
        match operation {
            Operation::Less(x, y) if x == y => truth(false),
            Operation::Less(x, y) => match (self.single(x), self.single(y)) {
                (Some(x), Some(y)) => truth(x < y),
                _ => Other(operation),
            },
            Operation::And(x, y) => match (self.truth(x), self.truth(y)) {
                (Some(true), _) => Known(y),
                (_, Some(true)) => Known(x),
                (Some(false), _) | (_, Some(false)) => truth(false),
                _ if x == y => Known(x),
                _ => Other(operation),
            },
            Operation::Or(x, y) => match (self.truth(x), self.truth(y)) {
                (Some(false), _) => Known(y),
                (_, Some(false)) => Known(x),
                (Some(true), _) | (_, Some(true)) => truth(true),
                _ if x == y => Known(x),
                _ => Other(operation),
            },
            Operation::Not(x) => match (self.truth(x), self.masks[x.index()]) {
                (Some(holds), _) => truth(!holds),
                (None, Operation::Not(y)) => Known(y),
                _ => Other(operation),
            },
            _ => Other(operation),
        }
    }
}

/// What stands for an operation.
enum Simpler<Id> {
    /// What has been computed.
    Known(Id),
    /// An operation, perhaps the same.
    Operation(Operation),
}

/// Operands in the order of their ids where their order does not matter, so that `a + b` and `b + a` are one.
fn in_order(operation: Operation) -> Operation {
    match operation {
        Operation::Binary(function, x, y) if function.is_commutative() => {
            Operation::Binary(function, x.min(y), x.max(y))
        }
        Operation::MultiplyAdd(x, y, z) => Operation::MultiplyAdd(x.min(y), x.max(y), z),
        Operation::And(x, y) => Operation::And(x.min(y), x.max(y)),
        Operation::Or(x, y) => Operation::Or(x.min(y), x.max(y)),
        _ => operation,
    }
}
