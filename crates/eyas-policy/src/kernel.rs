//! The matrix products that everything here is made of.
//!
//! Activations of a block are feature-major: one [`Row`] of 32 vehicles for each feature. A layer is then
//! a product of a small weight matrix with a wide one, whose register tiles need one broadcast of a
//! weight for two vectors of vehicles. Sums run over the inner index in ascending order on every
//! instruction set, so results are the same bytes on each.

use eyas_lanes::{BLOCK, HALVES, LANES, Lanes, Row, transposed_rows};

/// Rows of a weight matrix that are packed side by side.
const TILE: usize = 8;

/// A weight matrix in the order the tiles read it, with its bias.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    rows: usize,
    columns: usize,
    /// `[⌈rows / TILE⌉][columns][TILE]`, missing rows zero.
    weights: Vec<f32>,
    /// Padded to whole tiles.
    bias: Vec<f32>,
}

impl Packed {
    /// Packs a row-major `[rows, columns]` matrix.
    pub(crate) fn pack(&mut self, rows: usize, columns: usize, weight: &[f32], bias: &[f32]) {
        self.resize(rows, columns);
        self.bias[..rows].copy_from_slice(bias);
        let tiles = self.weights.chunks_exact_mut(columns * TILE);
        for (tile, source) in tiles.zip(weight.chunks(columns * TILE)) {
            for (row, values) in source.chunks_exact(columns).enumerate() {
                for (column, value) in values.iter().enumerate() {
                    tile[column * TILE + row] = *value;
                }
            }
        }
    }

    /// Packs the transpose of a row-major `[columns, rows]` matrix, without bias.
    pub(crate) fn pack_transposed(&mut self, rows: usize, columns: usize, weight: &[f32]) {
        self.resize(rows, columns);
        for (index, tile) in self.weights.chunks_exact_mut(columns * TILE).enumerate() {
            let first = index * TILE;
            let length = TILE.min(rows - first);
            for (target, source) in tile.chunks_exact_mut(TILE).zip(weight.chunks_exact(rows)) {
                target[..length].copy_from_slice(&source[first..first + length]);
            }
        }
    }

    fn resize(&mut self, rows: usize, columns: usize) {
        let tiles = rows.div_ceil(TILE);
        if (self.rows, self.columns) != (rows, columns) {
            *self = Self {
                rows,
                columns,
                weights: vec![0.0; tiles * columns * TILE],
                bias: vec![0.0; tiles * TILE],
            };
        }
    }

    /// `y = W x + b` for each block in `x`.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &[Row], y: &mut [Row]) {
        debug_assert_eq!(x.len() / self.columns, y.len() / self.rows, "as many blocks in as out");
        for (x, y) in x.chunks_exact(self.columns).zip(y.chunks_exact_mut(self.rows)) {
            let tiles = self.weights.chunks_exact(self.columns * TILE).zip(self.bias.chunks_exact(TILE));
            for ((weights, bias), out) in tiles.zip(y.chunks_mut(TILE)) {
                if L::REGISTERS >= 32 {
                    tile::<L, 8, 2>(weights, bias, x, 0, 0, out);
                } else {
                    for half in 0..HALVES {
                        tile::<L, 4, 1>(weights, bias, x, 0, half, out);
                        if out.len() > 4 {
                            tile::<L, 4, 1>(weights, bias, x, 4, half, out);
                        }
                    }
                }
            }
        }
    }
}

/// Rows `first ..` of one packed tile times `H` vectors of vehicles.
#[inline(always)]
fn tile<L: Lanes, const R: usize, const H: usize>(
    weights: &[f32],
    bias: &[f32],
    x: &[Row],
    first: usize,
    half: usize,
    out: &mut [Row],
) {
    let mut sum = [[L::splat(0.0); H]; R];
    for (row, sum) in sum.iter_mut().enumerate() {
        *sum = [L::splat(bias[first + row]); H];
    }
    for (weights, x) in weights.as_chunks::<TILE>().0.iter().zip(x) {
        let mut lanes = [L::splat(0.0); H];
        for (h, lanes) in lanes.iter_mut().enumerate() {
            *lanes = x.load(half + h);
        }
        for row in 0..R {
            let weight = L::splat(weights[first + row]);
            for h in 0..H {
                sum[row][h] = lanes[h].mul_add(weight, sum[row][h]);
            }
        }
    }
    for (out, sum) in out[first..].iter_mut().zip(&sum) {
        for (h, lanes) in sum.iter().enumerate() {
            out.store(half + h, *lanes);
        }
    }
}

/// `gradient[o][i] += Σ_samples dy[o] · x[i]` over all blocks.
///
/// `dy` is feature-major with `outputs` rows a block, `x` sample-major as [`eyas_lanes::transpose`] leaves it.
#[inline(always)]
pub(crate) fn add_weight_gradient<L: Lanes>(
    dy: &[Row],
    outputs: usize,
    x: &[Row],
    inputs: usize,
    gradient: &mut [f32],
) {
    for (pair, first_column) in (0..inputs).step_by(BLOCK).enumerate() {
        let wide = inputs - first_column > LANES;
        let mut row = 0;
        while row < outputs {
            let place = Place { outputs, inputs, row, pair, half: 0 };
            row += if L::REGISTERS >= 32 && outputs - row >= 8 {
                if wide {
                    outer::<L, 8, 2>(dy, x, place, gradient);
                } else {
                    outer::<L, 8, 1>(dy, x, place, gradient);
                }
                8
            } else if outputs - row >= 4 {
                outer::<L, 4, 1>(dy, x, place, gradient);
                if wide {
                    outer::<L, 4, 1>(dy, x, Place { half: 1, ..place }, gradient);
                }
                4
            } else {
                outer::<L, 1, 1>(dy, x, place, gradient);
                if wide {
                    outer::<L, 1, 1>(dy, x, Place { half: 1, ..place }, gradient);
                }
                1
            };
        }
    }
}

/// Which tile of a weight gradient: its first row, and which half of which 32 columns.
#[derive(Clone, Copy)]
struct Place {
    outputs: usize,
    inputs: usize,
    row: usize,
    pair: usize,
    half: usize,
}

#[inline(always)]
fn outer<L: Lanes, const R: usize, const H: usize>(
    dy: &[Row],
    x: &[Row],
    place: Place,
    gradient: &mut [f32],
) {
    let mut sum = [[L::splat(0.0); H]; R];
    let blocks = dy.chunks_exact(place.outputs).zip(x.chunks_exact(transposed_rows(place.inputs)));
    for (dy, x) in blocks {
        let dy: &[Row; R] = dy[place.row..].first_chunk().expect("the tile lies within the outputs");
        let x: &[Row; BLOCK] = x[place.pair * BLOCK..].first_chunk().expect("transposed blocks are whole");
        for sample in 0..BLOCK {
            let mut lanes = [L::splat(0.0); H];
            for (h, lanes) in lanes.iter_mut().enumerate() {
                *lanes = x[sample].load(place.half + h);
            }
            for row in 0..R {
                let factor = L::splat(dy[row].0[sample]);
                for h in 0..H {
                    sum[row][h] = lanes[h].mul_add(factor, sum[row][h]);
                }
            }
        }
    }
    let first_column = place.pair * BLOCK + place.half * LANES;
    for (row, sum) in sum.iter().enumerate() {
        let start = (place.row + row) * place.inputs;
        let target = &mut gradient[start + first_column..start + place.inputs];
        for (target, lanes) in target.chunks_mut(LANES).zip(sum) {
            for (target, value) in target.iter_mut().zip(lanes.to_array()) {
                *target += value;
            }
        }
    }
}

/// `gradient[o] += Σ_samples dy[o]` over all blocks.
#[inline(always)]
pub(crate) fn add_bias_gradient<L: Lanes>(dy: &[Row], outputs: usize, gradient: &mut [f32]) {
    for (output, target) in gradient.iter_mut().enumerate() {
        let mut sum = L::splat(0.0);
        for block in dy.chunks_exact(outputs) {
            sum = sum + (block[output].load::<L>(0) + block[output].load(1));
        }
        *target += sum.to_array().iter().sum::<f32>();
    }
}
