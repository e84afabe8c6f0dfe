//! Fitting a student to labelled states.

use std::ops::Range;

use eyas_lanes::{BLOCK, Kernel, Lanes, Row, Stream, VECTORS, dispatch, transpose};
use eyas_policy::{Adam, Inference, Pass, Policy, Trainer, Untrainable, clip_gradient_norm};

use super::config::{DistillConfig, StudentKind};
use super::dataset::Dataset;
use crate::actor::Actor;
use crate::engine::sum_of_shards;
use crate::finite::NotFinite;

/// Blocks of samples that one forward and backward pass takes.
const SHARD_BLOCKS: usize = 4;

/// A student and its optimiser.
///
/// While it learns, each observation feature is divided by a power of two near its spread, so that weights of
/// all features are of one size, as Adam assumes. [`Student::stored`] moves these factors into the first layer:
/// multiplying by a power of two loses nothing, so a stored student is exactly the one that learned.
pub struct Student {
    policy: Policy,
    optimizer: Adam,
    /// Exponent `k` of each feature's factor `2⁻ᵏ`; empty before the first data.
    exponents: Vec<i8>,
    features: Range<usize>,
    trainer: Trainer,
    shards: Vec<Shard>,
    gradient: Vec<f32>,
    shuffle: Stream,
}

/// A student as it is written to a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The policy.
    pub policy: Policy,
    /// Adam over the network's parameters.
    pub optimizer: Adam,
    /// Exponents that the student learns with; empty before it has learned.
    pub exponents: Vec<i8>,
}

impl Stored {
    /// Moves the factors into the first layer (`sign` 1) or out of it (-1): weights by `2⁻ᵏ`, first moments
    /// by `2ᵏ`, second moments by `4ᵏ`.
    fn rescale(&mut self, sign: i8) {
        let first = self.policy.network.architecture.tensors().swap_remove(0).range;
        // Rows of the first weight, one number for each feature.
        for (index, exponent) in first.zip(self.exponents.iter().cycle()) {
            let factor = power_of_two(sign * exponent);
            self.policy.network.parameters[index] /= factor;
            self.optimizer.exp_avg[index] *= factor;
            self.optimizer.exp_avg_sq[index] *= factor * factor;
        }
    }
}

fn power_of_two(exponent: i8) -> f32 {
    f32::from_bits(((127 + i32::from(exponent)) as u32) << 23)
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

/// What an epoch trains on, in its order.
pub(super) struct Batches {
    sequences: Vec<Sequence>,
    /// Samples in all sequences.
    pub(super) samples: usize,
}

/// A run of samples of one episode.
#[derive(Clone, Copy)]
struct Sequence {
    episode: u32,
    first: u32,
    length: u32,
}

/// Everything in a dataset that could be trained on, numbered.
struct Places<'a> {
    dataset: &'a Dataset,
    /// Number of the first sample of each episode; empty for a recurrent student, which takes episodes.
    starts: Vec<u32>,
    max_length: Option<u32>,
    count: usize,
}

impl<'a> Places<'a> {
    fn new(dataset: &'a Dataset, max_length: Option<u32>) -> Self {
        if max_length.is_some() {
            return Self { dataset, starts: Vec::new(), max_length, count: dataset.episodes.len() };
        }
        let mut count = 0;
        let mut starts = Vec::with_capacity(dataset.episodes.len());
        for episode in &dataset.episodes {
            starts.push(count as u32);
            count += episode.num_samples();
        }
        Self { dataset, starts, max_length, count }
    }

    fn get(&self, index: u32) -> Sequence {
        if let Some(max_length) = self.max_length {
            let length = self.dataset.episodes[index as usize].num_samples() as u32;
            return Sequence { episode: index, first: 0, length: length.min(max_length) };
        }
        let episode = self.starts.partition_point(|start| *start <= index) - 1;
        Sequence { episode: episode as u32, first: index - self.starts[episode], length: 1 }
    }
}

impl Student {
    /// A fresh student that reads those features.
    pub fn new(policy: Policy, features: Range<usize>, seed: u64) -> Result<Self, Untrainable> {
        Ok(Self {
            trainer: Trainer::new(&policy.network.architecture)?,
            optimizer: Adam::new(policy.network.parameters.len()),
            policy,
            exponents: Vec::new(),
            features,
            shards: Vec::new(),
            gradient: Vec::new(),
            shuffle: Stream::new(seed, "distill/shuffle"),
        })
    }

    /// The student at the controls.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor { inference: Inference::new(&self.stored().policy), features: self.features.clone() }
    }

    /// Batches that it has learned from.
    #[must_use]
    pub fn num_updates(&self) -> u64 {
        self.optimizer.step
    }

    /// The student as it reads plain observations.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let mut stored = Stored {
            policy: self.policy.clone(),
            optimizer: self.optimizer.clone(),
            exponents: self.exponents.clone(),
        };
        stored.rescale(1);
        stored
    }

    /// Goes on from a stored student.
    pub fn restore(&mut self, mut stored: Stored) {
        stored.rescale(-1);
        (self.policy, self.optimizer, self.exponents) = (stored.policy, stored.optimizer, stored.exponents);
    }

    /// Chooses the features' factors by the spread of the first data.
    fn precondition(&mut self, dataset: &Dataset) {
        let inputs = self.policy.num_observations();
        self.exponents = vec![0; inputs];
        let samples = dataset.num_samples().max(1) as f64;
        let records = || dataset.episodes.iter().flat_map(|it| it.records.chunks_exact(it.width));
        for (feature, exponent) in self.exponents.iter_mut().enumerate() {
            let mean = records().map(|record| f64::from(record[feature])).sum::<f64>() / samples;
            let squares = records().map(|record| (f64::from(record[feature]) - mean).powi(2));
            let spread = (squares.sum::<f64>() / samples).sqrt();
            *exponent = libm::log2(spread.max(1e-3)).round().clamp(-10.0, 10.0) as i8;
        }
    }

    /// One epoch of gradient steps on batches of a batches; returns the loss of each.
    pub(super) fn fit(
        &mut self,
        dataset: &Dataset,
        batches: &Batches,
        config: &DistillConfig,
        epoch: u32,
    ) -> Result<Vec<f64>, NotFinite> {
        if self.exponents.is_empty() {
            self.precondition(dataset);
        }
        let learning_rate = config.learning_rate_of(epoch);
        let batches = batches.sequences.chunks(config.resolved().batch_size);
        batches.map(|it| self.step(dataset, it, learning_rate, config.max_grad_norm as f32)).collect()
    }

    /// What an epoch trains on: samples for an MLP, runs from the start of an episode for a recurrent student.
    /// A pass takes each once; a recurrent student makes as many passes as the bound on samples allows.
    pub(super) fn choose(&self, dataset: &Dataset, config: &DistillConfig, epoch: u32) -> Batches {
        let resolved = config.resolved();
        let is_recurrent = config.student.kind == StudentKind::Gru;
        let places = Places::new(dataset, is_recurrent.then_some(resolved.sequence_length as u32));
        let bound = resolved.samples_per_epoch;
        let mut batches = Batches { sequences: Vec::new(), samples: 0 };
        for pass in 0..config.passes_per_epoch.unwrap_or(u32::MAX) {
            let count = if is_recurrent { places.count } else { places.count.min(bound) };
            let order = if config.shuffle {
                self.shuffle.permutation(places.count, count, epoch, pass)
            } else {
                (0..count as u32).collect()
            };
            for index in order {
                if batches.samples >= bound {
                    return batches;
                }
                let sequence = places.get(index);
                batches.samples += sequence.length as usize;
                batches.sequences.push(sequence);
            }
            if !is_recurrent || places.count == 0 {
                break;
            }
        }
        batches
    }

    fn step(
        &mut self,
        dataset: &Dataset,
        batch: &[Sequence],
        learning_rate: f32,
        max_norm: f32,
    ) -> Result<f64, NotFinite> {
        self.trainer.refresh(&self.policy.network.parameters);
        let is_recurrent = self.policy.network.architecture.core.is_some();
        let actions = self.policy.num_actions();
        let samples: usize = batch.iter().map(|it| it.length as usize).sum();
        let scale = 1.0 / (samples * actions) as f32;
        let per_shard = if is_recurrent { BLOCK } else { SHARD_BLOCKS * BLOCK };
        let parts: Vec<&[Sequence]> = batch.chunks(per_shard).collect();
        if self.shards.len() < parts.len() {
            self.shards.resize_with(parts.len(), Shard::default);
        }
        let trainer = &self.trainer;
        let exponents = &self.exponents;
        let mut shards: Vec<_> = self.shards.iter_mut().zip(parts).collect();
        self.gradient.resize(self.policy.network.parameters.len(), 0.0);
        sum_of_shards(&mut shards, 1.0, &mut self.gradient, |(shard, part)| {
            shard.load(dataset, part, exponents, actions, is_recurrent);
            shard.differentiate(trainer, scale);
            &shard.gradient
        });
        let loss: f64 = shards.iter().map(|(shard, _)| shard.loss).sum();
        NotFinite::check("loss", &[loss as f32])?;
        NotFinite::check("norm of the gradient", &[clip_gradient_norm(&mut self.gradient, max_norm)])?;
        self.optimizer.update(&mut self.policy.network.parameters, &self.gradient, learning_rate);
        NotFinite::check("student's weights", &self.policy.network.parameters)?;
        Ok(loss)
    }
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
        let blocks = if is_recurrent {
            part.iter().map(|it| it.length as usize).max().unwrap_or(0)
        } else {
            part.len().div_ceil(BLOCK)
        };
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
                    let error = self.output[index].load::<L>(vector) - self.label[index].load(vector);
                    sum = (error * error).mul_add(weight, sum);
                    self.gradient[index].store(vector, (error + error) * weight);
                }
            }
            loss += f64::from(sum.to_array().iter().sum::<f32>());
        }
        loss
    }
}
