//! Reverse mode: what a cost's derivative with respect to the outputs says about the inputs.

use std::f64::consts::TAU;

use eyas_lanes::Real;

use crate::operation::{Binary, Operation, Unary};
use crate::program::Output;
use crate::replay::Replay;

/// Derivatives with respect to the numbers of a program. What no output depends on has none: zeros would be computed with.
struct Slopes<R>(Vec<Option<R>>);

impl<R: Real> Slopes<R> {
    #[inline(always)]
    fn add(&mut self, place: usize, slope: R) {
        self.0[place] = Some(match self.0[place] {
            Some(sum) => sum + slope,
            None => slope,
        });
    }

    /// Adds `left · right`, rounded once.
    #[inline(always)]
    fn add_product(&mut self, place: usize, left: R, right: R) {
        self.0[place] = Some(match self.0[place] {
            Some(sum) => left.mul_add(right, sum),
            None => left * right,
        });
    }
}

impl<R: Real> Replay<'_, R> {
    /// The derivative of a cost with respect to each input, given that with respect to each number of the outputs, in
    /// their order.
    ///
    /// Masks, words, rounded numbers and exponents have no derivative. A choice passes all to the one that was taken; of
    /// equal numbers, `min` and `max` pass all to the first, so that a clamped number passes on what it gets as long as it
    /// is not outside. `|x|` at 0 goes up. `√0` and `acos 1`, whose slopes are infinite, pass nothing: as a distance
    /// from here to here has no direction.
    ///
    /// # Panics
    ///
    /// If there are more or fewer slopes than numbers of the outputs.
    #[inline(always)]
    pub fn pull_back(&self, outputs: &[R]) -> Vec<R> {
        let mut slopes = Slopes(vec![None; self.numbers.len()]);
        let mut given = outputs.iter();
        for output in self.program.outputs() {
            if let Output::Numbers { ids, .. } = output {
                for id in ids {
                    slopes.add(id.index(), *given.next().expect("a slope for each number of the outputs"));
                }
            }
        }
        assert!(given.next().is_none(), "{} slopes are more than numbers of the outputs", outputs.len());

        let mut inputs = vec![R::zero(); self.program.num_inputs()];
        let mut number = self.numbers.len();
        for operation in self.program.operations().iter().rev() {
            let is_number = !matches!(
                operation,
                Operation::Less(..)
                    | Operation::Truth(_)
                    | Operation::And(..)
                    | Operation::Or(..)
                    | Operation::Not(_)
                    | Operation::Draw(_)
            );
            if is_number {
                number -= 1;
                match (*operation, slopes.0[number]) {
                    (_, None) => {}
                    (Operation::Input(place), Some(slope)) => inputs[place as usize] = slope,
                    (operation, Some(slope)) => self.pass(operation, number, slope, &mut slopes),
                }
            }
        }
        inputs
    }

    /// Passes the slope of what an operation gave to what it took.
    #[inline(always)]
    fn pass(&self, operation: Operation, given: usize, slope: R, slopes: &mut Slopes<R>) {
        match operation {
            Operation::Unary(function, x) => {
                let factor = function.slope(self.numbers[x.index()], self.numbers[given], slope);
                if let Some(slope) = factor {
                    slopes.add(x.index(), slope);
                }
            }
            Operation::Binary(function, x, y) => {
                self.pass_two(function, [x.index(), y.index()], given, slope, slopes);
            }
            Operation::MultiplyAdd(x, y, z) => {
                slopes.add_product(x.index(), slope, self.numbers[y.index()]);
                slopes.add_product(y.index(), slope, self.numbers[x.index()]);
                slopes.add(z.index(), slope);
            }
            Operation::Select(mask, x, y) => {
                let mask = self.masks[mask.index()];
                slopes.add(x.index(), R::select(mask, slope, R::zero()));
                slopes.add(y.index(), R::select(mask, R::zero(), slope));
            }
            Operation::Input(_)
            | Operation::Constant(_)
            | Operation::OfWord(..)
            | Operation::Less(..)
            | Operation::Truth(_)
            | Operation::And(..)
            | Operation::Or(..)
            | Operation::Not(_)
            | Operation::Draw(_) => {}
        }
    }

    #[inline(always)]
    fn pass_two(&self, function: Binary, [x, y]: [usize; 2], given: usize, slope: R, slopes: &mut Slopes<R>) {
        let (left, right) = (self.numbers[x], self.numbers[y]);
        match function {
            Binary::Add => {
                slopes.add(x, slope);
                slopes.add(y, slope);
            }
            Binary::Subtract => {
                slopes.add(x, slope);
                slopes.add(y, -slope);
            }
            Binary::Multiply => {
                slopes.add_product(x, slope, right);
                slopes.add_product(y, slope, left);
            }
            Binary::Divide => {
                let of_left = slope / right;
                slopes.add(x, of_left);
                slopes.add_product(y, -self.numbers[given], of_left);
            }
            Binary::Minimum | Binary::Maximum => {
                let is_right = if function == Binary::Minimum { right.less(left) } else { left.less(right) };
                slopes.add(x, R::select(is_right, R::zero(), slope));
                slopes.add(y, R::select(is_right, slope, R::zero()));
            }
        }
    }
}

impl Unary {
    /// The slope that it passes on at `x`, where it gave `y`, if any.
    #[inline(always)]
    fn slope<R: Real>(self, x: R, y: R, slope: R) -> Option<R> {
        let (zero, one) = (R::zero(), R::one());
        let turns = |it: R| R::constant(TAU) * it;
        Some(match self {
            Self::Negate => -slope,
            Self::SquareRoot => R::select(zero.less(y), R::constant(0.5) * slope / y, zero),
            Self::Absolute => R::select(x.less(zero), -slope, slope),
            // It grows with x within one power of two.
            Self::Mantissa => slope * y / x,
            Self::Round | Self::PowerOfTwo | Self::Exponent => return None,
            Self::Exp => slope * y,
            Self::ExpMinusOne => slope * (y + one),
            Self::Tanh => slope * (-y).mul_add(y, one),
            Self::Sigmoid => slope * (y * (one - y)),
            Self::Ln => slope / x,
            Self::SinTurns => slope * turns(x.sin_cos_turns().1),
            Self::CosTurns => -(slope * turns(x.sin_cos_turns().0)),
            Self::SinWithinEighth => slope * x.sin_cos_within_eighth().1,
            Self::CosWithinEighth => -(slope * x.sin_cos_within_eighth().0),
            // d acos(1 − x) / dx = 1 / √(2 x − x²)
            Self::AcosOneMinus => {
                let root = (x * (R::constant(2.0) - x)).sqrt();
                R::select(zero.less(root), slope / root, zero)
            }
        })
    }
}
