//! The matrix products that everything here is made of.
//!
//! Activations of a block are feature-major: one [`Row`] of 32 vehicles for each feature. A layer is then
//! a product of a small weight matrix with a wide one, whose register tiles need one broadcast of a
//! weight for two vectors of vehicles. Sums run over the inner index in ascending order on every
//! instruction set, whatever the shape of its tiles, so results are the same bytes on each.

use eyas_lanes::{BLOCK, Kernel, LANES, Lanes, Row, VECTORS, transposed_rows};

/// Rows of a weight matrix that are packed side by side: one tile of an instruction set with 32 registers,
/// two of one with 16. Two vectors of 6 rows keep twelve sums under way, which covers the latency of a
/// multiply-add (4 cycles, two a cycle) and leaves registers for their factors.
const TILE: usize = 12;

/// `W x + b`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Numbers in `x`.
    pub inputs: usize,
    /// Numbers in `b`.
    pub outputs: usize,
    /// `W`, row-major `[outputs, inputs]`.
    pub weight: Vec<f32>,
    /// `b`.
    pub bias: Vec<f32>,
}

/// A weight matrix in the order the tiles read it, with its bias.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packed {
    rows: usize,
    columns: usize,
    /// `[⌈rows / TILE⌉][columns][TILE]`, missing rows zero.
    weights: Vec<[f32; TILE]>,
    /// Padded to whole tiles.
    bias: Vec<[f32; TILE]>,
}

impl Packed {
    /// Packs a row-major `[rows, columns]` matrix.
    pub(crate) fn pack(&mut self, rows: usize, columns: usize, weight: &[f32], bias: &[f32]) {
        self.resize(rows, columns);
        self.bias.as_flattened_mut()[..rows].copy_from_slice(bias);
        for (tile, source) in self.weights.chunks_exact_mut(columns).zip(weight.chunks(columns * TILE)) {
            // Rows that are missing repeat the first here, and are not stored by the products.
            let row = |index: usize| source.chunks_exact(columns).nth(index).unwrap_or(&source[..columns]);
            let sources: [&[f32]; TILE] = std::array::from_fn(row);
            for (column, target) in tile.iter_mut().enumerate() {
                for (value, source) in target.iter_mut().zip(sources) {
                    *value = source[column];
                }
            }
        }
    }

    /// Packs the transpose of a row-major `[columns, rows]` matrix, without bias.
    pub(crate) fn pack_transposed(&mut self, rows: usize, columns: usize, weight: &[f32]) {
        self.resize(rows, columns);
        for (index, tile) in self.weights.chunks_exact_mut(columns).enumerate() {
            for (target, source) in tile.iter_mut().zip(weight.chunks_exact(rows)) {
                let source = &source[index * TILE..];
                match source.first_chunk() {
                    Some(whole) => *target = *whole,
                    None => target[..source.len()].copy_from_slice(source),
                }
            }
        }
    }

    /// The matrix as it was packed.
    pub(crate) fn matrix(&self) -> Matrix {
        let Self { rows, columns, weights, bias } = self;
        let weight = |row: usize, column: usize| weights[row / TILE * columns + column][row % TILE];
        Matrix {
            inputs: *columns,
            outputs: *rows,
            weight: (0..*rows).flat_map(|row| (0..*columns).map(move |column| weight(row, column))).collect(),
            bias: bias.as_flattened()[..*rows].to_vec(),
        }
    }

    fn resize(&mut self, rows: usize, columns: usize) {
        let tiles = rows.div_ceil(TILE);
        if (self.rows, self.columns) != (rows, columns) {
            *self = Self {
                rows,
                columns,
                weights: vec![[0.0; TILE]; tiles * columns],
                bias: vec![[0.0; TILE]; tiles],
            };
        }
    }

    /// `y = W x + b` for each block in `x`.
    #[inline(always)]
    pub(crate) fn apply<L: Lanes>(&self, x: &[Row], y: &mut [Row]) {
        L::call(Product { packed: self, x, y });
    }
}

struct Product<'a> {
    packed: &'a Packed,
    x: &'a [Row],
    y: &'a mut [Row],
}

impl Kernel for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Packed { rows, columns, weights, bias } = self.packed;
        debug_assert_eq!(self.x.len() / columns, self.y.len() / rows, "as many blocks in as out");
        for (x, y) in self.x.chunks_exact(*columns).zip(self.y.chunks_exact_mut(*rows)) {
            // One half after the other: a half of 256 features fills half of the first-level cache.
            for vector in (0..VECTORS).step_by(if L::REGISTERS >= 32 { 2 } else { 1 }) {
                let tiles = weights.chunks_exact(*columns).zip(bias);
                for ((weights, bias), out) in tiles.zip(y.chunks_mut(TILE)) {
                    tiles_of_panel::<L>(weights, bias, x, vector, out);
                }
            }
        }
    }
}

/// Up to [`TILE`] rows, in as few tiles as they need.
#[inline(always)]
fn tiles_of_panel<L: Lanes>(
    weights: &[[f32; TILE]],
    bias: &[f32; TILE],
    x: &[Row],
    vector: usize,
    out: &mut [Row],
) {
    if L::REGISTERS >= 32 {
        match out.len() {
            0..=4 => tile::<L, 4, 2>(weights, bias, x, 0, vector, out),
            5..=8 => tile::<L, 8, 2>(weights, bias, x, 0, vector, out),
            _ => tile::<L, 12, 2>(weights, bias, x, 0, vector, out),
        }
        return;
    }
    let mut first = 0;
    while first < out.len() {
        first += match out.len() - first {
            0..=4 | 7..=8 => {
                tile::<L, 4, 1>(weights, bias, x, first, vector, out);
                4
            }
            _ => {
                tile::<L, 6, 1>(weights, bias, x, first, vector, out);
                6
            }
        };
    }
}

/// Rows `first ..` of one packed tile times `H` vectors of vehicles.
#[inline(always)]
fn tile<L: Lanes, const R: usize, const H: usize>(
    weights: &[[f32; TILE]],
    bias: &[f32; TILE],
    x: &[Row],
    first: usize,
    vector: usize,
    out: &mut [Row],
) {
    let mut sum = [[L::splat(0.0); H]; R];
    for (row, sum) in sum.iter_mut().enumerate() {
        *sum = [L::splat(bias[first + row]); H];
    }
    for (weights, x) in weights.iter().zip(x) {
        let weights: &[f32; R] = weights[first..].first_chunk().expect("a tile lies within its panel");
        let mut lanes = [L::splat(0.0); H];
        for (h, lanes) in lanes.iter_mut().enumerate() {
            *lanes = x.load(vector + h);
        }
        for row in 0..R {
            let weight = L::splat(weights[row]);
            for h in 0..H {
                sum[row][h] = lanes[h].mul_add(weight, sum[row][h]);
            }
        }
    }
    for (row, sum) in sum.into_iter().enumerate() {
        if let Some(out) = out.get_mut(first + row) {
            for (h, lanes) in sum.into_iter().enumerate() {
                out.store(vector + h, lanes);
            }
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
    L::call(WeightGradient { dy, outputs, x, inputs, gradient });
}

struct WeightGradient<'a> {
    dy: &'a [Row],
    outputs: usize,
    x: &'a [Row],
    inputs: usize,
    gradient: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let mut column = 0;
        while column < self.inputs {
            column += if L::REGISTERS >= 32 && self.inputs - column > LANES {
                self.panel::<L, 12, 2>(column)
            } else if L::REGISTERS >= 32 {
                self.panel::<L, 12, 1>(column)
            } else {
                self.panel::<L, 6, 1>(column)
            };
        }
    }
}

impl WeightGradient<'_> {
    /// `H` vectors of columns, in tiles of `R` outputs and smaller ones for the rest; returns the columns.
    #[inline(always)]
    fn panel<L: Lanes, const R: usize, const H: usize>(&mut self, column: usize) -> usize {
        let mut row = 0;
        while row < self.outputs {
            row += match self.outputs - row {
                rest if rest >= R => self.tile::<L, R, H>(row, column),
                6.. => self.tile::<L, 6, H>(row, column),
                4.. => self.tile::<L, 4, H>(row, column),
                _ => self.tile::<L, 1, H>(row, column),
            };
        }
        H * LANES
    }

    /// The tile of `R` outputs and `H` vectors of inputs; returns `R`.
    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const H: usize>(&mut self, row: usize, column: usize) -> usize {
        let (pair, vector) = (column / BLOCK, column % BLOCK / LANES);
        let mut sum = [[L::splat(0.0); H]; R];
        let blocks =
            self.dy.chunks_exact(self.outputs).zip(self.x.chunks_exact(transposed_rows(self.inputs)));
        for (dy, x) in blocks {
            let dy: &[Row; R] = dy[row..].first_chunk().expect("the tile lies within the outputs");
            let x: &[Row; BLOCK] = x[pair * BLOCK..].first_chunk().expect("transposed blocks are whole");
            for sample in 0..BLOCK {
                let mut lanes = [L::splat(0.0); H];
                for (h, lanes) in lanes.iter_mut().enumerate() {
                    *lanes = x[sample].load(vector + h);
                }
                for row in 0..R {
                    let slope = L::splat(dy[row].0[sample]);
                    for h in 0..H {
                        sum[row][h] = lanes[h].mul_add(slope, sum[row][h]);
                    }
                }
            }
        }
        for (index, sum) in sum.into_iter().enumerate() {
            let row = &mut self.gradient[(row + index) * self.inputs..][..self.inputs];
            for (target, sum) in row[column..].chunks_mut(LANES).zip(sum) {
                if let Some(target) = target.first_chunk_mut() {
                    *target = (L::from_array(target) + sum).to_array();
                } else {
                    for (target, value) in target.iter_mut().zip(sum.to_array()) {
                        *target += value;
                    }
                }
            }
        }
        R
    }
}

/// `gradient[o] += Σ_samples dy[o]` over all blocks.
#[inline(always)]
pub(crate) fn add_bias_gradient<L: Lanes>(dy: &[Row], outputs: usize, gradient: &mut [f32]) {
    L::call(BiasGradient { dy, outputs, gradient });
}

struct BiasGradient<'a> {
    dy: &'a [Row],
    outputs: usize,
    gradient: &'a mut [f32],
}

impl Kernel for BiasGradient<'_> {
    type Output = ();

    /// Sixteen outputs at once, since their vectors of partial sums are folded together.
    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (index, target) in self.gradient.chunks_mut(LANES).enumerate() {
            let mut partial = [L::splat(0.0); LANES];
            for block in self.dy.chunks_exact(self.outputs) {
                let rows = &block[index * LANES..];
                for (output, sum) in partial.iter_mut().enumerate() {
                    // The last row stands for those that are missing, so that all sums stay in registers.
                    let row = &rows[output.min(rows.len() - 1)];
                    *sum = *sum + (row.load::<L>(0) + row.load(1));
                }
            }
            let sum = L::sums_of_lanes(partial);
            for (target, value) in target.iter_mut().zip(sum.to_array()) {
                *target += value;
            }
        }
    }
}
