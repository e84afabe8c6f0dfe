//! Running a program on numbers.

use eyas_lanes::Real;

use crate::operation::{Draw, Operation};
use crate::program::{Output, Program};

/// All that a program computed.
#[derive(Debug)]
pub struct Replay<'a, R: Real> {
    pub(crate) program: &'a Program,
    /// By [`NumberId`](crate::NumberId).
    pub(crate) numbers: Vec<R>,
    /// By [`MaskId`](crate::MaskId).
    pub(crate) masks: Vec<R::Mask>,
}

impl Program {
    /// Runs it on inputs in the order of [`inputs`](Self::inputs), with the words that its draws give.
    ///
    /// Each operation is [`Real`]'s own: on `f32` and on lanes the results have the bits of the formula that was recorded.
    ///
    /// # Panics
    ///
    /// If there are more or fewer inputs.
    #[inline(always)]
    pub fn replay<R: Real>(&self, inputs: &[R], mut draw: impl FnMut(&Draw) -> R::Word) -> Replay<'_, R> {
        assert!(inputs.len() == self.num_inputs(), "{} inputs of {}", inputs.len(), self.num_inputs());
        let mut numbers: Vec<R> = Vec::with_capacity(self.operations().len());
        let (mut masks, mut words): (Vec<R::Mask>, Vec<R::Word>) = (Vec::new(), Vec::new());
        for operation in self.operations() {
            match *operation {
                Operation::Input(place) => numbers.push(inputs[place as usize]),
                Operation::Constant(bits) => numbers.push(R::constant(f64::from_bits(bits))),
                Operation::Unary(function, x) => numbers.push(function.apply(numbers[x.index()])),
                Operation::Binary(function, x, y) => {
                    numbers.push(function.apply(numbers[x.index()], numbers[y.index()]));
                }
                Operation::MultiplyAdd(x, y, z) => {
                    numbers.push(numbers[x.index()].mul_add(numbers[y.index()], numbers[z.index()]));
                }
                Operation::Select(mask, x, y) => {
                    numbers.push(R::select(masks[mask.index()], numbers[x.index()], numbers[y.index()]));
                }
                Operation::OfWord(function, word) => numbers.push(function.apply(words[word.index()])),
                Operation::Less(x, y) => masks.push(numbers[x.index()].less(numbers[y.index()])),
                Operation::Truth(holds) => {
                    let never = R::never();
                    masks.push(if holds { R::not(never) } else { never });
                }
                Operation::And(x, y) => masks.push(R::and(masks[x.index()], masks[y.index()])),
                Operation::Or(x, y) => masks.push(R::or(masks[x.index()], masks[y.index()])),
                Operation::Not(x) => masks.push(R::not(masks[x.index()])),
                Operation::Draw(place) => words.push(draw(&self.draws()[place as usize])),
            }
        }
        Replay { program: self, numbers, masks }
    }
}

impl<R: Real> Replay<'_, R> {
    /// The numbers of an output.
    ///
    /// # Panics
    ///
    /// If no output of numbers has that name.
    #[must_use]
    pub fn numbers(&self, output: &str) -> Vec<R> {
        match self.output(output) {
            Output::Numbers { ids, .. } => ids.iter().map(|it| self.numbers[it.index()]).collect(),
            Output::Masks { .. } => panic!("the outputs called `{output}` are masks"),
        }
    }

    /// The masks of an output.
    ///
    /// # Panics
    ///
    /// If no output of masks has that name.
    #[must_use]
    pub fn masks(&self, output: &str) -> Vec<R::Mask> {
        match self.output(output) {
            Output::Masks { ids, .. } => ids.iter().map(|it| self.masks[it.index()]).collect(),
            Output::Numbers { .. } => panic!("the outputs called `{output}` are numbers"),
        }
    }

    fn output(&self, name: &str) -> &Output {
        let output = self.program.outputs().iter().find(|it| it.name() == name);
        output.unwrap_or_else(|| panic!("no group of outputs is called `{name}`"))
    }
}
