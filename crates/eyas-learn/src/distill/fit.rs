//! Where a student is fitted: gradient steps on batches of what was visited.

use std::fmt;

use eyas_lanes::{BLOCK, Kernel, Lanes, Real, Row, VECTORS, dispatch, transpose};
use eyas_policy::{Adam, Architecture, Network, Pass, Trainer, Untrainable, clip_gradient_norm};

use super::dataset::Dataset;
use crate::engine::sum_of_shards;
use crate::finite::NotFinite;

/// A run of samples of one episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Place of the episode in the dataset.
    pub episode: u32,
    /// Its first sample.
    pub first: u32,
    /// Samples, at least 1.
    pub length: u32,
}

/// What is learned from, in an epoch.
pub struct EpochData<'a> {
    /// What was visited.
    pub dataset: &'a Dataset,
    /// Exponent `k` of the factor `2⁻ᵏ` of each feature.
    pub exponents: &'a [i8],
    /// The sequences of each batch; a feed-forward network learns from sequences of one sample.
    pub batches: Vec<&'a [Sequence]>,
    /// Adam's η.
    pub learning_rate: f32,
    /// Most that the norm of a gradient may be.
    pub max_grad_norm: f32,
}

/// Where a student is fitted. Whatever it is, the same numbers come out: a batch is cut into [shards](shards_of), and sums run
/// in the order of its samples within four blocks, of these fours, of the shards.
pub trait Fitter: Send {
    /// Takes a step of Adam on the mean squared error of each batch, in their order, and gives that error.
    ///
    /// # Errors
    ///
    /// If a loss, the norm of a gradient or a weight is not finite, or what computes cannot go on.
    fn fit(
        &mut self,
        network: &mut Network,
        optimizer: &mut Adam,
        data: &EpochData,
    ) -> Result<Vec<f64>, FitError>;
}

/// Why fitting ends early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// For a number that means nothing.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// For a device that cannot go on.
    #[error("{message}")]
    Device {
        /// What happened.
        message: String,
        /// What helps.
        hint: String,
    },
}

/// The parts of a batch whose gradients are found on their own: 32 sequences of a recurrent network, 128 samples of another.
pub fn shards_of(batch: &[Sequence], is_recurrent: bool) -> impl Iterator<Item = &[Sequence]> {
    batch.chunks(if is_recurrent { BLOCK } else { SHARD_BLOCKS * BLOCK })
}

/// Blocks of a shard: its times, or its samples by 32.
#[must_use]
pub fn blocks_of(shard: &[Sequence], is_recurrent: bool) -> usize {
    if is_recurrent {
        shard.iter().map(|it| it.length as usize).max().unwrap_or(0)
    } else {
        shard.len().div_ceil(BLOCK)
    }
}

/// What the squared errors of a batch are multiplied by, so that their sum is the mean over samples and actions.
#[must_use]
pub fn scale_of(batch: &[Sequence], num_actions: usize) -> f32 {
    let samples: usize = batch.iter().map(|it| it.length as usize).sum();
    1.0 / (samples * num_actions) as f32
}

/// The factor `2ᵏ`.
#[must_use]
pub fn power_of_two(exponent: i8) -> f32 {
    f32::from_bits(((127 + i32::from(exponent)) as u32) << 23)
}

/// Blocks of samples that one forward and backward pass takes.
pub const SHARD_BLOCKS: usize = 4;

/// The cores of this machine.
pub struct CpuFitter {
    trainer: Trainer,
    shards: Vec<Shard>,
    gradient: Vec<f32>,
}

impl fmt::Debug for CpuFitter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CpuFitter").finish_non_exhaustive()
    }
}

impl CpuFitter {
    /// Prepares to fit a network of that shape.
    ///
    /// # Errors
    ///
    /// If a part of it has no backward pass.
    pub fn new(architecture: &Architecture) -> Result<Self, Untrainable> {
        Ok(Self { trainer: Trainer::new(architecture)?, shards: Vec::new(), gradient: Vec::new() })
    }

    fn step(
        &mut self,
        network: &mut Network,
        optimizer: &mut Adam,
        data: &EpochData,
        batch: &[Sequence],
    ) -> Result<f64, NotFinite> {
        let EpochData { dataset, exponents, learning_rate, max_grad_norm, .. } = data;
        self.trainer.refresh(&network.parameters);
        let is_recurrent = network.architecture.core.is_some();
        let actions = network.architecture.outputs;
        let scale = scale_of(batch, actions);
        let parts: Vec<&[Sequence]> = shards_of(batch, is_recurrent).collect();
        if self.shards.len() < parts.len() {
            self.shards.resize_with(parts.len(), Shard::default);
        }
        let trainer = &self.trainer;
        let mut shards: Vec<_> = self.shards.iter_mut().zip(parts).collect();
        self.gradient.resize(network.parameters.len(), 0.0);
        sum_of_shards(&mut shards, 1.0, &mut self.gradient, |(shard, part)| {
            shard.load(dataset, part, exponents, actions, is_recurrent);
            shard.differentiate(trainer, scale);
            &shard.gradient
        });
        let loss: f64 = shards.iter().map(|(shard, _)| shard.loss).sum();
        NotFinite::check("loss", &[loss as f32])?;
        NotFinite::check("norm of the gradient", &[clip_gradient_norm(&mut self.gradient, *max_grad_norm)])?;
        optimizer.update(&mut network.parameters, &self.gradient, *learning_rate);
        NotFinite::check("student's weights", &network.parameters)?;
        Ok(loss)
    }
}

impl Fitter for CpuFitter {
    fn fit(
        &mut self,
        network: &mut Network,
        optimizer: &mut Adam,
        data: &EpochData,
    ) -> Result<Vec<f64>, FitError> {
        data.batches.iter().map(|batch| Ok(self.step(network, optimizer, data, batch)?)).collect()
    }
}

#[derive(Default)]
struct Shard {
    input: Vec<Row>,
    label: Vec<Row>,
    weight: Vec<Row>,
    pass: Pass,
    gradient: Vec<f32>,
    loss: f64,
}

impl Shard {
    /// Gathers samples into blocks: 32 samples each, or step `t` of 32 sequences in block `t`.
    fn load(
        &mut self,
        dataset: &Dataset,
        part: &[Sequence],
        exponents: &[i8],
        actions: usize,
        is_recurrent: bool,
    ) {
        let inputs = exponents.len();
        let blocks = blocks_of(part, is_recurrent);
        self.input.resize(blocks * inputs, Row::ZERO);
        self.label.resize(blocks * actions, Row::ZERO);
        self.weight.resize(blocks, Row::ZERO);
        for block in 0..blocks {
            let mut records: [Option<&[f32]>; BLOCK] = [None; BLOCK];
            for (lane, record) in records.iter_mut().enumerate() {
                let (index, time) = if is_recurrent { (lane, block) } else { (block * BLOCK + lane, 0) };
                *record = part.get(index).filter(|it| time < it.length as usize).map(|it| {
                    let episode = &dataset.episodes[it.episode as usize];
                    let place = it.first as usize + time;
                    &episode.records[place * episode.width..][..episode.width]
                });
                self.weight[block][lane] = if record.is_some() { 1.0 } else { 0.0 };
            }
            let input = &mut self.input[block * inputs..][..inputs];
            gather(&records, 0, input);
            for (row, exponent) in input.iter_mut().zip(exponents) {
                let factor = power_of_two(-exponent);
                for value in &mut row.0 {
                    *value *= factor;
                }
            }
            gather(&records, inputs, &mut self.label[block * actions..][..actions]);
        }
    }

    fn differentiate(&mut self, trainer: &Trainer, scale: f32) {
        self.gradient.clear();
        self.gradient.resize(trainer.architecture().num_parameters(), 0.0);
        trainer.forward(&self.input, &mut self.pass);
        let (output, gradient) = self.pass.output_and_gradient();
        let (label, weight) = (&self.label, &self.weight);
        self.loss = dispatch(SquaredError { output, label, weight, gradient, scale });
        trainer.backward(&self.input, &mut self.pass, &mut self.gradient);
    }
}

/// Features `first ..` of up to 32 records, feature-major; missing records are zero.
fn gather(records: &[Option<&[f32]>; BLOCK], first: usize, target: &mut [Row]) {
    let mut samples = [Row::ZERO; BLOCK];
    for (chunk, target) in target.chunks_mut(BLOCK).enumerate() {
        let start = first + chunk * BLOCK;
        for (sample, record) in samples.iter_mut().zip(records) {
            *sample = Row::ZERO;
            if let Some(record) = record {
                sample.0[..target.len()].copy_from_slice(&record[start..start + target.len()]);
            }
        }
        dispatch(Transpose { samples: &samples, target });
    }
}

struct Transpose<'a> {
    samples: &'a [Row; BLOCK],
    target: &'a mut [Row],
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut features = [Row::ZERO; BLOCK];
        transpose::<L>(self.samples, &mut features);
        self.target.copy_from_slice(&features[..self.target.len()]);
    }
}

/// `sum + w (y − label)²`, and the derivative with respect to `y`.
#[inline(always)]
pub fn squared_error<R: Real>(output: R, label: R, weight: R, sum: R) -> (R, R) {
    let error = output - label;
    ((error * error).mul_add(weight, sum), (error + error) * weight)
}

/// `scale · Σ w (y − label)²`, and its gradient with respect to `y`.
struct SquaredError<'a> {
    output: &'a [Row],
    label: &'a [Row],
    weight: &'a [Row],
    gradient: &'a mut [Row],
    scale: f32,
}

impl Kernel for SquaredError<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes>(self) -> f64 {
        let actions = self.output.len() / self.weight.len();
        let mut loss = 0.0;
        for (block, weight) in self.weight.iter().enumerate() {
            let mut sum = L::splat(0.0);
            for index in block * actions..(block + 1) * actions {
                for vector in 0..VECTORS {
                    let weight = weight.load::<L>(vector) * L::splat(self.scale);
                    let (output, label) = (self.output[index].load(vector), self.label[index].load(vector));
                    let (with_this, of_output) = squared_error(output, label, weight, sum);
                    sum = with_this;
                    self.gradient[index].store(vector, of_output);
                }
            }
            loss += f64::from(sum.to_array().iter().sum::<f32>());
        }
        loss
    }
}
