//! How many operations there are of each kind.

use crate::Operation;
use crate::operation::{Binary, Unary};

/// Operations that cost alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Sums and differences.
    Add,
    /// Products.
    Multiply,
    /// Products and sums that are rounded once.
    Fused,
    /// Quotients.
    Divide,
    /// Square roots.
    SquareRoot,
    /// Changes of a sign: negative and absolute values.
    Sign,
    /// Comparisons: masks, and the smaller or larger of two.
    Compare,
    /// Choices by a mask.
    Select,
    /// And, or, not of masks.
    Logic,
    /// Elementary functions; sine and cosine count one each.
    Function,
    /// What elementary functions do with exponents: rounding, powers of two, splitting.
    Exponent,
    /// Random words.
    Draw,
    /// Numbers made of them.
    Random,
}

impl Kind {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 13] = [
        Self::Add,
        Self::Multiply,
        Self::Fused,
        Self::Divide,
        Self::SquareRoot,
        Self::Sign,
        Self::Compare,
        Self::Select,
        Self::Logic,
        Self::Function,
        Self::Exponent,
        Self::Draw,
        Self::Random,
    ];

    /// The kind of an operation; none of inputs and constants, which nothing has to be done for.
    #[must_use]
    pub fn of(operation: Operation) -> Option<Self> {
        Some(match operation {
            Operation::Input(_) | Operation::Constant(_) | Operation::Truth(_) => return None,
            Operation::Unary(function, _) => match function {
                Unary::Negate | Unary::Absolute => Self::Sign,
                Unary::SquareRoot => Self::SquareRoot,
                Unary::Round | Unary::PowerOfTwo | Unary::Mantissa | Unary::Exponent => Self::Exponent,
                Unary::Exp
                | Unary::ExpMinusOne
                | Unary::Tanh
                | Unary::Sigmoid
                | Unary::Ln
                | Unary::SinTurns
                | Unary::CosTurns
                | Unary::SinWithinEighth
                | Unary::CosWithinEighth
                | Unary::AcosOneMinus => Self::Function,
            },
            Operation::Binary(function, ..) => match function {
                Binary::Add | Binary::Subtract => Self::Add,
                Binary::Multiply => Self::Multiply,
                Binary::Divide => Self::Divide,
                Binary::Minimum | Binary::Maximum => Self::Compare,
            },
            Operation::MultiplyAdd(..) => Self::Fused,
            Operation::Select(..) => Self::Select,
            Operation::OfWord(..) => Self::Random,
            Operation::Less(..) => Self::Compare,
            Operation::And(..) | Operation::Or(..) | Operation::Not(_) => Self::Logic,
            Operation::Draw(_) => Self::Draw,
        })
    }

    /// What a column of them is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Multiply => "multiply",
            Self::Fused => "fused",
            Self::Divide => "divide",
            Self::SquareRoot => "sqrt",
            Self::Sign => "sign",
            Self::Compare => "compare",
            Self::Select => "select",
            Self::Logic => "logic",
            Self::Function => "function",
            Self::Exponent => "exponent",
            Self::Draw => "draw",
            Self::Random => "random",
        }
    }
}

/// Operations of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; Kind::ALL.len()]);

impl Counts {
    /// Those of some operations.
    pub(crate) fn of(operations: &[Operation]) -> Self {
        let mut counts = Self::default();
        for kind in operations.iter().filter_map(|it| Kind::of(*it)) {
            counts.0[kind as usize] += 1;
        }
        counts
    }

    /// Those of a kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> usize {
        self.0[kind as usize]
    }

    /// All.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }
}
