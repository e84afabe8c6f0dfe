//! One number for each vehicle of a block.

use std::ops::{Index, IndexMut};

use crate::{LANES, Lanes};

/// Vehicles in a block: what one pass through observation, network and physics handles at a time.
///
/// Two vectors of lanes, because a register tile of 12 outputs × 2 vectors keeps the multiply-add units
/// busy while the activations of a 64-wide layer (8 KiB) stay in the first-level cache.
pub const BLOCK: usize = VECTORS * LANES;

/// Vectors of lanes in a [`Row`].
pub const VECTORS: usize = 2;

/// One value for each vehicle of a block, aligned to a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Row(pub [f32; BLOCK]);

impl Row {
    /// All zero.
    pub const ZERO: Self = Self([0.0; BLOCK]);

    /// The same value everywhere.
    #[must_use]
    pub const fn splat(value: f32) -> Self {
        Self([value; BLOCK])
    }

    /// Lanes `half * LANES ..`.
    ///
    /// # Panics
    ///
    /// If `half` is not below [`VECTORS`].
    #[inline(always)]
    #[must_use]
    pub fn load<L: Lanes>(&self, vector: usize) -> L {
        L::from_array(self.0[vector * LANES..].first_chunk().expect("a row holds two vectors"))
    }

    /// Overwrites lanes `half * LANES ..`.
    ///
    /// # Panics
    ///
    /// If `half` is not below [`VECTORS`].
    #[inline(always)]
    pub fn store<L: Lanes>(&mut self, vector: usize, value: L) {
        *self.0[vector * LANES..].first_chunk_mut().expect("a row holds two vectors") = value.to_array();
    }

    /// Overwrites those of lanes `half * LANES ..` that a mask holds for.
    ///
    /// # Panics
    ///
    /// If `half` is not below [`VECTORS`].
    #[inline(always)]
    pub fn store_where<L: Lanes>(&mut self, vector: usize, mask: L::Mask, value: L) {
        self.store(vector, L::select(mask, value, self.load(vector)));
    }
}

impl Default for Row {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Index<usize> for Row {
    type Output = f32;

    #[inline(always)]
    fn index(&self, lane: usize) -> &f32 {
        &self.0[lane]
    }
}

impl IndexMut<usize> for Row {
    #[inline(always)]
    fn index_mut(&mut self, lane: usize) -> &mut f32 {
        &mut self.0[lane]
    }
}

/// The vehicles of a block whose bits are set.
#[inline(always)]
pub fn lanes_of(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        lane
    })
}

/// Asks for rows that will soon be read, so that they are near the processor by then. Results do not depend on it.
#[inline(always)]
#[allow(unsafe_code, reason = "a hint of the instruction set")]
pub fn prefetch(rows: &[Row]) {
    #[cfg(target_arch = "x86_64")]
    for line in rows.iter().flat_map(|row| row.0.chunks_exact(LANES)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and it reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = rows;
}

/// Turns a feature-major block into a sample-major one: `[⌈features / 32⌉][32 samples]` rows of 32 features.
///
/// What stands past the last feature of a row is unspecified.
#[inline(always)]
pub fn transpose<L: Lanes>(features: &[Row], samples: &mut [Row]) {
    for (features, samples) in features.chunks(BLOCK).zip(samples.chunks_exact_mut(BLOCK)) {
        for (vector, features) in features.chunks(LANES).enumerate() {
            for (sample_half, samples) in samples.chunks_exact_mut(LANES).enumerate() {
                L::transpose_rows(features, sample_half, samples, vector);
            }
        }
    }
}

/// Rows that [`transpose`] writes for a block of that many features.
#[must_use]
pub const fn transposed_rows(features: usize) -> usize {
    features.div_ceil(BLOCK) * BLOCK
}
