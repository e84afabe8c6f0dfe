//! Lanes of AVX2 and AVX-512.

// The intrinsics are sound to call because vectors of an instruction set are only made by code that
// `dispatch` entered after it found that instruction set.
#![allow(unsafe_code, reason = "SIMD intrinsics")]
// Clippy lets wildcards pass in test builds.
#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "fifty intrinsics of one prefix"))]

use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{LANES, Lanes, quarter_turns, uniforms};
use crate::float::{QuarterTurn, ROOT_HALF};
use crate::{Kernel, Real, Row};

/// One AVX-512 register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

macro_rules! avx512_binary {
    ($($operator:ident $method:ident $intrinsic:ident),*) => {$(
        impl $operator for Avx512 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the head of this file.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}
avx512_binary!(Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps, Div div _mm512_div_ps);

impl Neg for Avx512 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: see the head of this file.
        Self(unsafe { _mm512_xor_ps(self.0, _mm512_set1_ps(-0.0)) })
    }
}

// SAFETY of every block below: see the head of this file.
impl Real for Avx512 {
    type Mask = __mmask16;
    type Word = [u32; LANES];

    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self::splat(value as f32)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm512_abs_ps(self.0) })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    fn less(self, other: Self) -> __mmask16 {
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        Self(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }
    #[inline(always)]
    fn round(self) -> Self {
        Self(unsafe { _mm512_roundscale_ps::<_MM_FROUND_TO_NEAREST_INT>(self.0) })
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        })
    }
    #[inline(always)]
    fn split_exponent(self) -> (Self, Self) {
        unsafe {
            let bits = _mm512_castps_si512(self.0);
            let above = _mm512_sub_epi32(bits, _mm512_set1_epi32(ROOT_HALF));
            let power = _mm512_srai_epi32::<23>(above);
            let mantissa = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(power));
            (Self(_mm512_castsi512_ps(mantissa)), Self(_mm512_cvtepi32_ps(power)))
        }
    }
    #[inline(always)]
    fn and(left: __mmask16, right: __mmask16) -> __mmask16 {
        left & right
    }
    #[inline(always)]
    fn or(left: __mmask16, right: __mmask16) -> __mmask16 {
        left | right
    }
    #[inline(always)]
    fn not(mask: __mmask16) -> __mmask16 {
        !mask
    }
    #[inline(always)]
    fn uniform(word: [u32; LANES]) -> Self {
        uniforms(&word)
    }
    #[inline(always)]
    fn quarter_turn(word: [u32; LANES]) -> QuarterTurn<Self> {
        quarter_turns(&word)
    }
}

impl Lanes for Avx512 {
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        unsafe { crate::dispatch::avx512(kernel) }
    }
    #[inline(always)]
    fn from_array(values: &[f32; LANES]) -> Self {
        Self(unsafe { _mm512_loadu_ps(values.as_ptr()) })
    }
    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut values = [0.0; LANES];
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), self.0) };
        values
    }
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    fn bits(mask: __mmask16) -> u32 {
        u32::from(mask)
    }
    #[inline(always)]
    fn mask(bits: u32) -> __mmask16 {
        bits as __mmask16
    }
    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        unsafe {
            // Within each 4 × 4 block of 128-bit quarters, then of the quarters themselves.
            let mut blocks = [_mm512_setzero_ps(); LANES];
            for group in 0..4 {
                let [a, b, c, d] = [0, 1, 2, 3].map(|row| rows[4 * group + row].0);
                let ab_low = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let cd_low = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                blocks[4 * group] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_low, cd_low));
                blocks[4 * group + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_low, cd_low));
                blocks[4 * group + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
                blocks[4 * group + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
            }
            let mut columns = rows;
            for offset in 0..4 {
                let [a, b, c, d] = [0, 1, 2, 3].map(|group| blocks[4 * group + offset]);
                let ab_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                let ab_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
                let cd_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d);
                let cd_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d);
                columns[offset] = Self(_mm512_shuffle_f32x4::<0b10_00_10_00>(ab_even, cd_even));
                columns[4 + offset] = Self(_mm512_shuffle_f32x4::<0b10_00_10_00>(ab_odd, cd_odd));
                columns[8 + offset] = Self(_mm512_shuffle_f32x4::<0b11_01_11_01>(ab_even, cd_even));
                columns[12 + offset] = Self(_mm512_shuffle_f32x4::<0b11_01_11_01>(ab_odd, cd_odd));
            }
            columns
        }
    }
    #[inline(always)]
    fn sums_of_lanes(rows: [Self; LANES]) -> Self {
        unsafe {
            // A fold adds the two halves of what is left of each vector, and puts two such sums side by side: of
            // 256-bit halves, of 128-bit quarters, then within the quarters, whose order the last step restores.
            let mut halves = [_mm512_setzero_ps(); 8];
            for pair in 0..8 {
                let (a, b) = (rows[2 * pair].0, rows[2 * pair + 1].0);
                let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
                halves[pair] = _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b));
            }
            let mut quarters = [_mm512_setzero_ps(); 4];
            for four in 0..4 {
                let (a, b) = (halves[2 * four], halves[2 * four + 1]);
                let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                quarters[four] = _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
            }
            let mut pairs = [_mm512_setzero_ps(); 2];
            for eight in 0..2 {
                let (a, b) = (quarters[2 * eight], quarters[2 * eight + 1]);
                let low = _mm512_shuffle_ps::<0b01_00_01_00>(a, b);
                pairs[eight] = _mm512_add_ps(low, _mm512_shuffle_ps::<0b11_10_11_10>(a, b));
            }
            let [a, b] = pairs;
            let low = _mm512_shuffle_ps::<0b10_00_10_00>(a, b);
            let sums = _mm512_add_ps(low, _mm512_shuffle_ps::<0b11_01_11_01>(a, b));
            let order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
            Self(_mm512_permutexvar_ps(order, sums))
        }
    }
}

/// Two AVX2 registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256, __m256);

macro_rules! avx2_binary {
    ($($operator:ident $method:ident $intrinsic:ident),*) => {$(
        impl $operator for Avx2 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the head of this file.
                unsafe { Self($intrinsic(self.0, other.0), $intrinsic(self.1, other.1)) }
            }
        }
    )*};
}
avx2_binary!(Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps);

impl Avx2 {
    #[inline(always)]
    fn map(self, function: impl Fn(__m256) -> __m256) -> Self {
        Self(function(self.0), function(self.1))
    }
}

impl Neg for Avx2 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: see the head of this file.
        self.map(|x| unsafe { _mm256_xor_ps(x, _mm256_set1_ps(-0.0)) })
    }
}

// SAFETY of every block below: see the head of this file.
impl Real for Avx2 {
    type Mask = (__m256, __m256);
    type Word = [u32; LANES];

    #[inline(always)]
    fn constant(value: f64) -> Self {
        Self::splat(value as f32)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe {
            Self(_mm256_fmadd_ps(self.0, factor.0, addend.0), _mm256_fmadd_ps(self.1, factor.1, addend.1))
        }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(|x| unsafe { _mm256_sqrt_ps(x) })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.map(|x| unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), x) })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }
    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        unsafe {
            (_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0), _mm256_cmp_ps::<_CMP_LT_OQ>(self.1, other.1))
        }
    }
    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        unsafe { Self(_mm256_blendv_ps(no.0, yes.0, mask.0), _mm256_blendv_ps(no.1, yes.1, mask.1)) }
    }
    #[inline(always)]
    fn round(self) -> Self {
        self.map(|x| unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) })
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        self.map(|x| unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        })
    }
    #[inline(always)]
    fn split_exponent(self) -> (Self, Self) {
        let power = |x: __m256| unsafe {
            let above = _mm256_sub_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(ROOT_HALF));
            _mm256_srai_epi32::<23>(above)
        };
        let mantissa = self.map(|x| unsafe {
            let raised = _mm256_slli_epi32::<23>(power(x));
            _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(x), raised))
        });
        (mantissa, self.map(|x| unsafe { _mm256_cvtepi32_ps(power(x)) }))
    }
    #[inline(always)]
    fn and(left: Self::Mask, right: Self::Mask) -> Self::Mask {
        unsafe { (_mm256_and_ps(left.0, right.0), _mm256_and_ps(left.1, right.1)) }
    }
    #[inline(always)]
    fn or(left: Self::Mask, right: Self::Mask) -> Self::Mask {
        unsafe { (_mm256_or_ps(left.0, right.0), _mm256_or_ps(left.1, right.1)) }
    }
    #[inline(always)]
    fn not(mask: Self::Mask) -> Self::Mask {
        unsafe {
            let all = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
            (_mm256_xor_ps(mask.0, all), _mm256_xor_ps(mask.1, all))
        }
    }
    #[inline(always)]
    fn uniform(word: [u32; LANES]) -> Self {
        uniforms(&word)
    }
    #[inline(always)]
    fn quarter_turn(word: [u32; LANES]) -> QuarterTurn<Self> {
        quarter_turns(&word)
    }
}

impl Lanes for Avx2 {
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn call<K: Kernel>(kernel: K) -> K::Output {
        unsafe { crate::dispatch::avx2(kernel) }
    }
    #[inline(always)]
    fn from_array(values: &[f32; LANES]) -> Self {
        unsafe { Self(_mm256_loadu_ps(values.as_ptr()), _mm256_loadu_ps(values.as_ptr().add(8))) }
    }
    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut values = [0.0; LANES];
        unsafe {
            _mm256_storeu_ps(values.as_mut_ptr(), self.0);
            _mm256_storeu_ps(values.as_mut_ptr().add(8), self.1);
        }
        values
    }
    #[inline(always)]
    fn splat(value: f32) -> Self {
        let vector = unsafe { _mm256_set1_ps(value) };
        Self(vector, vector)
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        unsafe { (_mm256_movemask_ps(mask.0) | _mm256_movemask_ps(mask.1) << 8) as u32 }
    }
    #[inline(always)]
    fn mask(bits: u32) -> Self::Mask {
        unsafe {
            let lane_bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let expand = |byte: u32| {
                let chosen = _mm256_and_si256(_mm256_set1_epi32(byte as i32), lane_bits);
                _mm256_castsi256_ps(_mm256_cmpeq_epi32(chosen, lane_bits))
            };
            (expand(bits & 0xff), expand(bits >> 8 & 0xff))
        }
    }
    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        // Four 8 × 8 blocks; the two off the diagonal change places.
        let mut low = [rows[0].0; LANES];
        let mut high = [rows[0].0; LANES];
        for row in 0..8 {
            low[row] = rows[row].0;
            low[8 + row] = rows[row].1;
            high[row] = rows[8 + row].0;
            high[8 + row] = rows[8 + row].1;
        }
        for blocks in [&mut low, &mut high] {
            for block in blocks.as_chunks_mut().0 {
                unsafe { transpose8(block) };
            }
        }
        let mut columns = rows;
        for (column, (low, high)) in columns.iter_mut().zip(low.into_iter().zip(high)) {
            *column = Self(low, high);
        }
        columns
    }
    #[inline(always)]
    fn sums_of_lanes(rows: [Self; LANES]) -> Self {
        unsafe {
            // Folds as above; a register begins with rows that are four apart, which then end in order.
            let mut sums = [_mm256_setzero_ps(); 2];
            for (half, sums) in sums.iter_mut().enumerate() {
                let mut quarters = [_mm256_setzero_ps(); 4];
                for (index, quarters) in quarters.iter_mut().enumerate() {
                    let (a, b) = (rows[8 * half + index], rows[8 * half + 4 + index]);
                    let (a, b) = (_mm256_add_ps(a.0, a.1), _mm256_add_ps(b.0, b.1));
                    let low = _mm256_permute2f128_ps::<0x20>(a, b);
                    *quarters = _mm256_add_ps(low, _mm256_permute2f128_ps::<0x31>(a, b));
                }
                let [a, b, c, d] = quarters;
                let low = _mm256_shuffle_ps::<0b01_00_01_00>(a, b);
                let ab = _mm256_add_ps(low, _mm256_shuffle_ps::<0b11_10_11_10>(a, b));
                let low = _mm256_shuffle_ps::<0b01_00_01_00>(c, d);
                let cd = _mm256_add_ps(low, _mm256_shuffle_ps::<0b11_10_11_10>(c, d));
                let low = _mm256_shuffle_ps::<0b10_00_10_00>(ab, cd);
                *sums = _mm256_add_ps(low, _mm256_shuffle_ps::<0b11_01_11_01>(ab, cd));
            }
            Self(sums[0], sums[1])
        }
    }
    /// In blocks of 8 × 8, each of which fits into the registers.
    #[inline(always)]
    fn transpose_rows(rows: &[Row], from: usize, columns: &mut [Row], to: usize) {
        for (block_row, rows) in rows.chunks(8).enumerate() {
            for (block_column, columns) in columns.chunks_exact_mut(8).enumerate() {
                let place = from * LANES + 8 * block_column;
                let mut block = [unsafe { _mm256_setzero_ps() }; 8];
                for (index, vector) in block.iter_mut().enumerate() {
                    let row = &rows[index.min(rows.len() - 1)];
                    *vector = unsafe { _mm256_loadu_ps(row.0[place..place + 8].as_ptr()) };
                }
                unsafe { transpose8(&mut block) };
                let place = to * LANES + 8 * block_row;
                for (column, vector) in columns.iter_mut().zip(block) {
                    unsafe { _mm256_storeu_ps(column.0[place..place + 8].as_mut_ptr(), vector) };
                }
            }
        }
    }
}

/// # Safety
///
/// The machine has AVX2.
#[inline(always)]
unsafe fn transpose8(rows: &mut [__m256; 8]) {
    unsafe {
        let mut blocks = [_mm256_setzero_ps(); 8];
        for group in 0..2 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|row| rows[4 * group + row]);
            let ab_low = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
            let ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
            let cd_low = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
            let cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
            blocks[4 * group] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_low, cd_low));
            blocks[4 * group + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_low, cd_low));
            blocks[4 * group + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high));
            blocks[4 * group + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high));
        }
        for offset in 0..4 {
            rows[offset] = _mm256_permute2f128_ps::<0x20>(blocks[offset], blocks[4 + offset]);
            rows[4 + offset] = _mm256_permute2f128_ps::<0x31>(blocks[offset], blocks[4 + offset]);
        }
    }
}
