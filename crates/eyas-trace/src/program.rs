//! What was recorded, to be replayed, gone back through and counted.

use std::fmt;
use std::ops::Range;

use crate::counts::Counts;
use crate::operation::{Draw, MaskId, NumberId, Operation, Renumbering, Value, WordId};

/// Inputs that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What they are.
    pub name: String,
    /// Their places among all inputs.
    pub range: Range<usize>,
}

/// Outputs that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Numbers.
    Numbers {
        /// What they are.
        name: String,
        /// In their order.
        ids: Vec<NumberId>,
    },
    /// Masks.
    Masks {
        /// What they are.
        name: String,
        /// In their order.
        ids: Vec<MaskId>,
    },
}

impl Output {
    /// What they are.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Numbers { name, .. } | Self::Masks { name, .. } => name,
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers { ids, .. } => ids.len(),
            Self::Masks { ids, .. } => ids.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn values(&self) -> Vec<Value> {
        match self {
            Self::Numbers { ids, .. } => ids.iter().copied().map(Value::Number).collect(),
            Self::Masks { ids, .. } => ids.iter().copied().map(Value::Mask).collect(),
        }
    }
}

/// A formula as a list of operations, each of which takes what those before it gave.
///
/// Equal operations stand once, and each is needed by some output. Numbers, masks and words are counted apart: the n-th
/// operation that gives a number gives number n.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    operations: Vec<Operation>,
    draws: Vec<Draw>,
    inputs: Vec<Group>,
    outputs: Vec<Output>,
}

impl Program {
    /// Of all that was recorded; what no output needs is dropped.
    pub(crate) fn new(
        operations: Vec<Operation>,
        draws: Vec<Draw>,
        inputs: Vec<Group>,
        outputs: Vec<Output>,
    ) -> Self {
        Self { operations, draws, inputs, outputs }.without_dead()
    }

    /// All, in an order in which they may be computed.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Its operations and what each gives.
    pub fn listing(&self) -> impl Iterator<Item = (Value, Operation)> {
        let mut next = Next::default();
        self.operations.iter().map(move |it| (next.of(*it), *it))
    }

    /// Where its random words come from.
    #[must_use]
    pub fn draws(&self) -> &[Draw] {
        &self.draws
    }

    /// Its inputs in their order, with those that no output needs.
    #[must_use]
    pub fn inputs(&self) -> &[Group] {
        &self.inputs
    }

    /// Numbers that go in.
    #[must_use]
    pub fn num_inputs(&self) -> usize {
        self.inputs.last().map_or(0, |it| it.range.end)
    }

    /// Places of a group among all inputs.
    ///
    /// # Panics
    ///
    /// If there is none of that name.
    #[must_use]
    pub fn input(&self, name: &str) -> Range<usize> {
        let group = self.inputs.iter().find(|it| it.name == name);
        group.unwrap_or_else(|| panic!("no group of inputs is called `{name}`")).range.clone()
    }

    /// Its outputs in their order.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// How many operations of each kind there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(&self.operations)
    }

    fn without_dead(self) -> Self {
        let Self { operations, draws, inputs, outputs } = self;
        let places = operations.iter().enumerate();
        let mut next = Next::default();
        let mut origins = [Vec::new(), Vec::new(), Vec::new()];
        for (place, operation) in places {
            origins[kind(next.of(*operation)).0].push(place);
        }
        let origin = |value: Value| {
            let (kind, index) = kind(value);
            origins[kind][index]
        };
        let mut is_needed = vec![false; operations.len()];
        for value in outputs.iter().flat_map(Output::values) {
            is_needed[origin(value)] = true;
        }
        for (place, operation) in operations.iter().enumerate().rev() {
            if is_needed[place] {
                operation.operands().for_each(|value| is_needed[origin(value)] = true);
            }
        }

        // Places of what is dropped are never asked for.
        let mut to = Renumbering { draws: vec![u32::MAX; draws.len()], ..Renumbering::default() };
        let (mut next, mut kept, mut kept_draws) = (Next::default(), Vec::new(), Vec::new());
        for (operation, is_needed) in operations.into_iter().zip(is_needed) {
            if is_needed {
                if let Operation::Draw(draw) = operation {
                    to.draws[draw as usize] = kept_draws.len() as u32;
                    kept_draws.push(draws[draw as usize].clone());
                }
                kept.push(operation.renumbered(&to));
            }
            let given = if is_needed { next.of(operation) } else { next.peek(operation) };
            match given {
                Value::Number(id) => to.numbers.push(id),
                Value::Mask(id) => to.masks.push(id),
                Value::Word(id) => to.words.push(id),
            }
        }
        let outputs = outputs.into_iter().map(|output| match output {
            Output::Numbers { name, ids } => {
                Output::Numbers { name, ids: ids.iter().map(|it| to.numbers[it.index()]).collect() }
            }
            Output::Masks { name, ids } => {
                Output::Masks { name, ids: ids.iter().map(|it| to.masks[it.index()]).collect() }
            }
        });
        Self { operations: kept, draws: kept_draws, inputs, outputs: outputs.collect() }
    }
}

/// Which of three lists a value stands in, and where.
fn kind(value: Value) -> (usize, usize) {
    match value {
        Value::Number(id) => (0, id.index()),
        Value::Mask(id) => (1, id.index()),
        Value::Word(id) => (2, id.index()),
    }
}

/// Counts what operations give.
#[derive(Default)]
struct Next {
    numbers: u32,
    masks: u32,
    words: u32,
}

impl Next {
    /// What the next operation gives, if it is this one.
    fn peek(&self, operation: Operation) -> Value {
        match operation {
            Operation::Input(_)
            | Operation::Constant(_)
            | Operation::Unary(..)
            | Operation::Binary(..)
            | Operation::MultiplyAdd(..)
            | Operation::Select(..)
            | Operation::OfWord(..) => Value::Number(NumberId(self.numbers)),
            Operation::Less(..)
            | Operation::Truth(_)
            | Operation::And(..)
            | Operation::Or(..)
            | Operation::Not(_) => Value::Mask(MaskId(self.masks)),
            Operation::Draw(_) => Value::Word(WordId(self.words)),
        }
    }

    /// What the next operation, which is this one, gives.
    fn of(&mut self, operation: Operation) -> Value {
        let value = self.peek(operation);
        match value {
            Value::Number(_) => self.numbers += 1,
            Value::Mask(_) => self.masks += 1,
            Value::Word(_) => self.words += 1,
        }
        value
    }
}

/// A line for each group of inputs, each operation and each group of outputs.
impl fmt::Display for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Group { name, range } in &self.inputs {
            writeln!(formatter, "input {}..{}: {name}", range.start, range.end)?;
        }
        for (value, operation) in self.listing() {
            match operation {
                Operation::Draw(draw) => writeln!(formatter, "{value} = {}", self.draws[draw as usize])?,
                _ => writeln!(formatter, "{value} = {operation}")?,
            }
        }
        for output in &self.outputs {
            let values: Vec<String> = output.values().iter().map(ToString::to_string).collect();
            writeln!(formatter, "{}: {}", output.name(), values.join(" "))?;
        }
        Ok(())
    }
}
