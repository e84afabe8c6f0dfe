//! The operations that a recording is made of.

use std::fmt;

use eyas_lanes::{QuarterTurn, Real};

macro_rules! id {
    ($(#[$about:meta])* $name:ident $letter:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// Its place among those of its kind, in the order in which a program computes them.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}{}", $letter, self.0)
            }
        }
    };
}

id!(
    /// A number that a program computes.
    NumberId 'n'
);
id!(
    /// A mask that a program computes.
    MaskId 'm'
);
id!(
    /// Random bits that a program draws.
    WordId 'w'
);

/// What an operation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A number.
    Number(NumberId),
    /// A mask.
    Mask(MaskId),
    /// Random bits.
    Word(WordId),
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => id.fmt(formatter),
            Self::Mask(id) => id.fmt(formatter),
            Self::Word(id) => id.fmt(formatter),
        }
    }
}

/// One operation. Each is one of [`Real`]'s, and gives one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Number of that place among all inputs.
    Input(u32),
    /// [`Real::constant`] of the `f64` with these bits.
    Constant(u64),
    /// A function of one number.
    Unary(Unary, NumberId),
    /// A function of two numbers.
    Binary(Binary, NumberId, NumberId),
    /// [`Real::mul_add`]: the first times the second plus the third, rounded once.
    MultiplyAdd(NumberId, NumberId, NumberId),
    /// [`Real::select`]: the first number where the mask holds, else the second.
    Select(MaskId, NumberId, NumberId),
    /// A number made of random bits.
    OfWord(FromWord, WordId),
    /// [`Real::less`].
    Less(NumberId, NumberId),
    /// A mask that always or never holds.
    Truth(bool),
    /// [`Real::and`].
    And(MaskId, MaskId),
    /// [`Real::or`].
    Or(MaskId, MaskId),
    /// [`Real::not`].
    Not(MaskId),
    /// The draw of that place in [`Program::draws`](crate::Program::draws).
    Draw(u32),
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the method of `Real` that its name spells")]
pub enum Unary {
    Negate,
    SquareRoot,
    Absolute,
    Round,
    PowerOfTwo,
    /// The first of [`Real::split_exponent`].
    Mantissa,
    /// The second of [`Real::split_exponent`].
    Exponent,
    Exp,
    ExpMinusOne,
    Tanh,
    Sigmoid,
    Ln,
    /// The first of [`Real::sin_cos_turns`].
    SinTurns,
    /// The second of [`Real::sin_cos_turns`].
    CosTurns,
    /// The first of [`Real::sin_cos_within_eighth`].
    SinWithinEighth,
    /// The second of [`Real::sin_cos_within_eighth`].
    CosWithinEighth,
    AcosOneMinus,
}

impl Unary {
    /// What it is of a number.
    #[inline(always)]
    pub fn apply<R: Real>(self, x: R) -> R {
        match self {
            Self::Negate => -x,
            Self::SquareRoot => x.sqrt(),
            Self::Absolute => x.abs(),
            Self::Round => x.round(),
            Self::PowerOfTwo => x.power_of_two(),
            Self::Mantissa => x.split_exponent().0,
            Self::Exponent => x.split_exponent().1,
            Self::Exp => x.exp(),
            Self::ExpMinusOne => x.exp_minus_one(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => x.sigmoid(),
            Self::Ln => x.ln(),
            Self::SinTurns => x.sin_cos_turns().0,
            Self::CosTurns => x.sin_cos_turns().1,
            Self::SinWithinEighth => x.sin_cos_within_eighth().0,
            Self::CosWithinEighth => x.sin_cos_within_eighth().1,
            Self::AcosOneMinus => x.acos_one_minus(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Negate => "negate",
            Self::SquareRoot => "sqrt",
            Self::Absolute => "abs",
            Self::Round => "round",
            Self::PowerOfTwo => "power_of_two",
            Self::Mantissa => "mantissa",
            Self::Exponent => "exponent",
            Self::Exp => "exp",
            Self::ExpMinusOne => "exp_minus_one",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Ln => "ln",
            Self::SinTurns => "sin_turns",
            Self::CosTurns => "cos_turns",
            Self::SinWithinEighth => "sin_within_eighth",
            Self::CosWithinEighth => "cos_within_eighth",
            Self::AcosOneMinus => "acos_one_minus",
        }
    }
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the operator or the method of `Real` that its name spells")]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    /// [`Real::min`]: the first where it is below the second, else the second.
    Minimum,
    /// [`Real::max`]: the first where the second is below it, else the second.
    Maximum,
}

impl Binary {
    /// What it is of two numbers.
    #[inline(always)]
    pub fn apply<R: Real>(self, left: R, right: R) -> R {
        match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Minimum => left.min(right),
            Self::Maximum => left.max(right),
        }
    }

    /// Whether the order of the two numbers does not matter, to the bit. Of two that are not numbers, it may say which
    /// payload the result has.
    pub(crate) fn is_commutative(self) -> bool {
        matches!(self, Self::Add | Self::Multiply)
    }
}

/// Numbers made of random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FromWord {
    /// [`Real::uniform`].
    Uniform,
    /// `rest` of [`Real::quarter_turn`].
    TurnRest,
    /// `swap` of [`Real::quarter_turn`].
    TurnSwap,
    /// `sine` of [`Real::quarter_turn`].
    TurnSine,
    /// `cosine` of [`Real::quarter_turn`].
    TurnCosine,
}

impl FromWord {
    /// What it is of a word.
    #[inline(always)]
    pub fn apply<R: Real>(self, word: R::Word) -> R {
        let QuarterTurn { rest, swap, sine, cosine } = match self {
            Self::Uniform => return R::uniform(word),
            _ => R::quarter_turn(word),
        };
        match self {
            Self::Uniform | Self::TurnRest => rest,
            Self::TurnSwap => swap,
            Self::TurnSine => sine,
            Self::TurnCosine => cosine,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::TurnRest => "turn_rest",
            Self::TurnSwap => "turn_swap",
            Self::TurnSine => "turn_sine",
            Self::TurnCosine => "turn_cosine",
        }
    }
}

/// Where random bits come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// Purpose of the [`Stream`](eyas_lanes::Stream).
    pub purpose: String,
    /// Number of the draw within the step.
    pub draw: u32,
    /// Which of its four words.
    pub word: u8,
}

impl fmt::Display for Draw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, draw, word } = self;
        write!(formatter, "word {word} of draw {draw} of `{purpose}`")
    }
}

impl Operation {
    /// What it takes.
    pub fn operands(self) -> impl Iterator<Item = Value> {
        let (number, mask) = (Value::Number, Value::Mask);
        let operands = match self {
            Self::Input(_) | Self::Constant(_) | Self::Truth(_) | Self::Draw(_) => [None; 3],
            Self::Unary(_, x) => [Some(number(x)), None, None],
            Self::Binary(_, x, y) | Self::Less(x, y) => [Some(number(x)), Some(number(y)), None],
            Self::MultiplyAdd(x, y, z) => [Some(number(x)), Some(number(y)), Some(number(z))],
            Self::Select(m, x, y) => [Some(mask(m)), Some(number(x)), Some(number(y))],
            Self::OfWord(_, word) => [Some(Value::Word(word)), None, None],
            Self::And(x, y) | Self::Or(x, y) => [Some(mask(x)), Some(mask(y)), None],
            Self::Not(x) => [Some(mask(x)), None, None],
        };
        operands.into_iter().flatten()
    }

    /// The same of other operands.
    pub(crate) fn renumbered(self, to: &Renumbering) -> Self {
        let (number, mask) = (|id: NumberId| to.numbers[id.index()], |id: MaskId| to.masks[id.index()]);
        match self {
            Self::Input(_) | Self::Constant(_) | Self::Truth(_) => self,
            Self::Draw(draw) => Self::Draw(to.draws[draw as usize]),
            Self::Unary(function, x) => Self::Unary(function, number(x)),
            Self::Binary(function, x, y) => Self::Binary(function, number(x), number(y)),
            Self::MultiplyAdd(x, y, z) => Self::MultiplyAdd(number(x), number(y), number(z)),
            Self::Select(m, x, y) => Self::Select(mask(m), number(x), number(y)),
            Self::OfWord(function, word) => Self::OfWord(function, to.words[word.index()]),
            Self::Less(x, y) => Self::Less(number(x), number(y)),
            Self::And(x, y) => Self::And(mask(x), mask(y)),
            Self::Or(x, y) => Self::Or(mask(x), mask(y)),
            Self::Not(x) => Self::Not(mask(x)),
        }
    }
}

/// New places of what is kept.
#[derive(Debug, Default)]
pub(crate) struct Renumbering {
    pub(crate) numbers: Vec<NumberId>,
    pub(crate) masks: Vec<MaskId>,
    pub(crate) words: Vec<WordId>,
    pub(crate) draws: Vec<u32>,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(place) => write!(formatter, "input {place}"),
            Self::Constant(bits) => write!(formatter, "{:?}", f64::from_bits(*bits)),
            Self::Unary(function, x) => write!(formatter, "{} {x}", function.name()),
            Self::Binary(Binary::Add, x, y) => write!(formatter, "{x} + {y}"),
            Self::Binary(Binary::Subtract, x, y) => write!(formatter, "{x} - {y}"),
            Self::Binary(Binary::Multiply, x, y) => write!(formatter, "{x} * {y}"),
            Self::Binary(Binary::Divide, x, y) => write!(formatter, "{x} / {y}"),
            Self::Binary(Binary::Minimum, x, y) => write!(formatter, "min {x} {y}"),
            Self::Binary(Binary::Maximum, x, y) => write!(formatter, "max {x} {y}"),
            Self::MultiplyAdd(x, y, z) => write!(formatter, "{x} * {y} + {z}"),
            Self::Select(m, x, y) => write!(formatter, "select {m} {x} {y}"),
            Self::OfWord(function, word) => write!(formatter, "{} {word}", function.name()),
            Self::Less(x, y) => write!(formatter, "{x} < {y}"),
            Self::Truth(holds) => write!(formatter, "{holds}"),
            Self::And(x, y) => write!(formatter, "{x} and {y}"),
            Self::Or(x, y) => write!(formatter, "{x} or {y}"),
            Self::Not(x) => write!(formatter, "not {x}"),
            Self::Draw(draw) => write!(formatter, "draw {draw}"),
        }
    }
}
