//! Numbers that write down what is done with them.

use std::ops::{Add, Div, Mul, Neg, Sub};

use eyas_lanes::{QuarterTurn, Real, elementary};

use crate::operation::{Binary, FromWord, MaskId, NumberId, Operation, Unary, WordId};
use crate::recording::{Functions, Recording, current, recording_of};

macro_rules! traced {
    ($(#[$about:meta])* $name:ident $id:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name {
            recording: u32,
            id: $id,
        }

        impl $name {
            pub(crate) fn new(recording: u32, id: $id) -> Self {
                Self { recording, id }
            }

            /// Its id in the recording that it belongs to.
            pub(crate) fn id(self, recording: &Recording) -> $id {
                recording.check(self.recording);
                self.id
            }
        }
    };
}

traced!(
    /// A number of the recording under way: the operation that gives it.
    Traced NumberId
);
traced!(
    /// The outcome of a comparison that is recorded.
    TracedMask MaskId
);
traced!(
    /// Random bits whose draw is recorded.
    TracedWord WordId
);

impl Traced {
    fn unary(self, function: Unary) -> Self {
        self.then(|_, x| Operation::Unary(function, x))
    }

    fn binary(self, function: Binary, other: Self) -> Self {
        self.then(|recording, x| Operation::Binary(function, x, other.id(recording)))
    }

    fn then(self, operation: impl FnOnce(&Recording, NumberId) -> Operation) -> Self {
        recording_of(self.recording, |recording| {
            let operation = operation(recording, self.id);
            Self::new(recording.id, recording.number(operation))
        })
    }

    /// An elementary function: an operation of its own, or what it is made of.
    fn function(self, whole: Unary, polynomials: fn(Self) -> Self) -> Self {
        match self.functions() {
            Functions::Whole => self.unary(whole),
            Functions::Polynomials => polynomials(self),
        }
    }

    /// The same of two functions that are made together.
    fn functions_of(self, whole: [Unary; 2], polynomials: fn(Self) -> (Self, Self)) -> (Self, Self) {
        match self.functions() {
            Functions::Whole => (self.unary(whole[0]), self.unary(whole[1])),
            Functions::Polynomials => polynomials(self),
        }
    }

    fn functions(self) -> Functions {
        recording_of(self.recording, |recording| recording.form.functions)
    }

    fn of_word(function: FromWord, word: TracedWord) -> Self {
        current(|recording| {
            let operation = Operation::OfWord(function, word.id(recording));
            Self::new(recording.id, recording.number(operation))
        })
    }
}

impl TracedMask {
    fn then(self, operation: impl FnOnce(&Recording, MaskId) -> Operation) -> Self {
        recording_of(self.recording, |recording| {
            let operation = operation(recording, self.id);
            Self::new(recording.id, recording.mask(operation))
        })
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident $function:ident),*) => {$(
        impl $operator for Traced {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                self.binary(Binary::$function, other)
            }
        }
    )*};
}
operators!(Add add Add, Sub sub Subtract, Mul mul Multiply, Div div Divide);

impl Neg for Traced {
    type Output = Self;
    fn neg(self) -> Self {
        self.unary(Unary::Negate)
    }
}

impl Real for Traced {
    type Mask = TracedMask;
    type Word = TracedWord;

    fn constant(value: f64) -> Self {
        current(|recording| Self::new(recording.id, recording.constant(value)))
    }
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.then(|recording, x| Operation::MultiplyAdd(x, factor.id(recording), addend.id(recording)))
    }
    fn sqrt(self) -> Self {
        self.unary(Unary::SquareRoot)
    }
    fn abs(self) -> Self {
        self.unary(Unary::Absolute)
    }
    fn min(self, other: Self) -> Self {
        self.binary(Binary::Minimum, other)
    }
    fn max(self, other: Self) -> Self {
        self.binary(Binary::Maximum, other)
    }
    fn round(self) -> Self {
        self.unary(Unary::Round)
    }
    fn power_of_two(self) -> Self {
        self.unary(Unary::PowerOfTwo)
    }
    fn split_exponent(self) -> (Self, Self) {
        (self.unary(Unary::Mantissa), self.unary(Unary::Exponent))
    }
    fn less(self, other: Self) -> TracedMask {
        recording_of(self.recording, |recording| {
            let operation = Operation::Less(self.id, other.id(recording));
            TracedMask::new(recording.id, recording.mask(operation))
        })
    }
    fn select(mask: TracedMask, yes: Self, no: Self) -> Self {
        yes.then(|recording, yes| Operation::Select(mask.id(recording), yes, no.id(recording)))
    }
    fn and(left: TracedMask, right: TracedMask) -> TracedMask {
        left.then(|recording, left| Operation::And(left, right.id(recording)))
    }
    fn or(left: TracedMask, right: TracedMask) -> TracedMask {
        left.then(|recording, left| Operation::Or(left, right.id(recording)))
    }
    fn not(mask: TracedMask) -> TracedMask {
        mask.then(|_, mask| Operation::Not(mask))
    }
    fn uniform(word: TracedWord) -> Self {
        Self::of_word(FromWord::Uniform, word)
    }
    fn quarter_turn(word: TracedWord) -> QuarterTurn<Self> {
        QuarterTurn {
            rest: Self::of_word(FromWord::TurnRest, word),
            swap: Self::of_word(FromWord::TurnSwap, word),
            sine: Self::of_word(FromWord::TurnSine, word),
            cosine: Self::of_word(FromWord::TurnCosine, word),
        }
    }

    fn exp(self) -> Self {
        self.function(Unary::Exp, elementary::exp)
    }
    fn exp_minus_one(self) -> Self {
        self.function(Unary::ExpMinusOne, elementary::exp_minus_one)
    }
    fn tanh(self) -> Self {
        self.function(Unary::Tanh, elementary::tanh)
    }
    fn sigmoid(self) -> Self {
        self.function(Unary::Sigmoid, elementary::sigmoid)
    }
    fn ln(self) -> Self {
        self.function(Unary::Ln, elementary::ln)
    }
    fn sin_cos_turns(self) -> (Self, Self) {
        self.functions_of([Unary::SinTurns, Unary::CosTurns], elementary::sin_cos_turns)
    }
    fn sin_cos_within_eighth(self) -> (Self, Self) {
        let whole = [Unary::SinWithinEighth, Unary::CosWithinEighth];
        self.functions_of(whole, elementary::sin_cos_within_eighth)
    }
    fn acos_one_minus(self) -> Self {
        self.function(Unary::AcosOneMinus, elementary::acos_one_minus)
    }
}
