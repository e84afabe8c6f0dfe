//! Sixteen `f32` side by side, and their memory.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

use crate::float::{QuarterTurn, uniform};
use crate::{Kernel, Real, Row};

/// Number of virtual lanes on every target.
pub const LANES: usize = 16;

/// Sixteen `f32`, each treated alike: what drivers need beside the arithmetic of [`Real`], which is memory.
pub trait Lanes: Real<Word = [u32; LANES]> + Sized {
    /// Vectors of sixteen that fit into the registers of the instruction set.
    const REGISTERS: usize;

    /// Runs a kernel on these lanes as a function of its own.
    ///
    /// Inlined into one function, several register tiles compete for its registers and are spilled.
    fn call<K: Kernel>(kernel: K) -> K::Output;

    /// From memory.
    fn from_array(values: &[f32; LANES]) -> Self;
    /// To memory.
    fn to_array(self) -> [f32; LANES];
    /// The same value in each lane.
    fn splat(value: f32) -> Self;
    /// One bit for each lane, lane 0 lowest.
    fn bits(mask: Self::Mask) -> u32;
    /// The mask with those bits.
    fn mask(bits: u32) -> Self::Mask;

    /// Transposes a 16 × 16 matrix given by its rows.
    fn transpose(rows: [Self; LANES]) -> [Self; LANES];

    /// The sum of the lanes of each of sixteen vectors: upper halves are added to lower ones until one lane is left.
    #[inline(always)]
    #[must_use]
    fn sums_of_lanes(rows: [Self; LANES]) -> Self {
        let mut columns = Self::transpose(rows);
        for width in [8, 4, 2, 1] {
            for lane in 0..width {
                columns[lane] = columns[lane] + columns[lane + width];
            }
        }
        columns[0]
    }

    /// Transposes vector `from` of one to sixteen rows into vector `to` of sixteen rows.
    #[inline(always)]
    fn transpose_rows(rows: &[Row], from: usize, columns: &mut [Row], to: usize) {
        let mut vectors = [Self::splat(0.0); LANES];
        for (index, vector) in vectors.iter_mut().enumerate() {
            // The last row stands for those that are missing: a loop of unknown length would go through memory.
            *vector = rows[index.min(rows.len() - 1)].load(from);
        }
        for (column, values) in columns.iter_mut().zip(Self::transpose(vectors)) {
            column.store(to, values);
        }
    }
}

/// [`Real::uniform`] of lanes whose words lie in memory.
#[inline(always)]
fn uniforms<L: Lanes>(words: &[u32; LANES]) -> L {
    let mut values = [0.0; LANES];
    for (value, word) in values.iter_mut().zip(words) {
        *value = uniform(*word);
    }
    L::from_array(&values)
}

/// [`Real::quarter_turn`] of lanes whose words lie in memory.
#[inline(always)]
fn quarter_turns<L: Lanes>(words: &[u32; LANES]) -> QuarterTurn<L> {
    let [mut rest, mut swap, mut sine, mut cosine] = [[0.0; LANES]; 4];
    for (lane, word) in words.iter().enumerate() {
        let turn = QuarterTurn::of(*word);
        (rest[lane], swap[lane], sine[lane], cosine[lane]) = (turn.rest, turn.swap, turn.sine, turn.cosine);
    }
    QuarterTurn {
        rest: L::from_array(&rest),
        swap: L::from_array(&swap),
        sine: L::from_array(&sine),
        cosine: L::from_array(&cosine),
    }
}
