//! Fitting a student to labelled states.

use std::ops::Range;

use eyas_lanes::Stream;
use eyas_policy::{Adam, Inference, Policy, Untrainable};

use super::config::{DistillConfig, StudentKind};
use super::dataset::Dataset;
use super::fit::{CpuFitter, EpochData, FitError, Fitter, Sequence, power_of_two};
use crate::actor::Actor;

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
    fitter: Box<dyn Fitter>,
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

/// What an epoch trains on, in its order.
pub(super) struct Batches {
    sequences: Vec<Sequence>,
    /// Samples in all sequences.
    pub(super) samples: usize,
}

/// Everything in a dataset that could be trained on, numbered.
struct SampleIndex<'a> {
    dataset: &'a Dataset,
    /// Number of the first sample of each episode; empty for a recurrent student, which takes episodes.
    starts: Vec<u32>,
    max_length: Option<u32>,
    count: usize,
}

impl<'a> SampleIndex<'a> {
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
            fitter: Box::new(CpuFitter::new(&policy.network.architecture)?),
            optimizer: Adam::new(policy.network.parameters.len()),
            policy,
            exponents: Vec::new(),
            features,
            shuffle: Stream::new(seed, "distill/shuffle"),
        })
    }

    /// The same student, fitted elsewhere.
    #[must_use]
    pub fn fitted_by(self, fitter: Box<dyn Fitter>) -> Self {
        Self { fitter, ..self }
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
    ) -> Result<Vec<f64>, FitError> {
        if self.exponents.is_empty() {
            self.precondition(dataset);
        }
        let data = EpochData {
            dataset,
            exponents: &self.exponents,
            batches: batches.sequences.chunks(config.resolved().batch_size).collect(),
            learning_rate: config.learning_rate_of(epoch),
            max_grad_norm: config.max_grad_norm as f32,
        };
        self.fitter.fit(&mut self.policy.network, &mut self.optimizer, &data)
    }

    /// What an epoch trains on: samples for an MLP, runs from the start of an episode for a recurrent student.
    /// A pass takes each once; a recurrent student makes as many passes as the bound on samples allows.
    pub(super) fn choose(&self, dataset: &Dataset, config: &DistillConfig, epoch: u32) -> Batches {
        let resolved = config.resolved();
        let is_recurrent = config.student.kind == StudentKind::Gru;
        let samples = SampleIndex::new(dataset, is_recurrent.then_some(resolved.sequence_length as u32));
        let bound = resolved.samples_per_epoch;
        let mut batches = Batches { sequences: Vec::new(), samples: 0 };
        for pass in 0..config.passes_per_epoch.unwrap_or(u32::MAX) {
            let count = if is_recurrent { samples.count } else { samples.count.min(bound) };
            let order = if config.shuffle {
                self.shuffle.permutation(samples.count, count, epoch, pass)
            } else {
                (0..count as u32).collect()
            };
            for index in order {
                if batches.samples >= bound {
                    return batches;
                }
                let sequence = samples.get(index);
                batches.samples += sequence.length as usize;
                batches.sequences.push(sequence);
            }
            if !is_recurrent || samples.count == 0 {
                break;
            }
        }
        batches
    }
}
