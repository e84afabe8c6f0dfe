//! What a GPU fits has the bits of what the CPU fits.

use eyas_gpu::GpuFitter;
use eyas_lanes::Stream;
use eyas_learn::NotFinite;
use eyas_learn::distill::{CpuFitter, Dataset, Episode, EpochData, FitError, Fitter, Sequence};
use eyas_policy::{Activation, Adam, Architecture, Cell, Core, Init, Network};

use crate::device;

const STREAM: &str = "test/fit";

/// Episodes of various lengths, whose records hold observation and label.
fn dataset(architecture: &Architecture, episodes: usize, steps: usize) -> Dataset {
    let width = architecture.inputs + architecture.outputs;
    let stream = Stream::new(7, STREAM);
    let episode = |index: usize| {
        let length = 1 + (index * 7919) % steps;
        let number = |place: usize| 2.0 * stream.uniform([index as u32, place as u32, 0, 0]) - 1.0;
        Episode { records: (0..length * width).map(number).collect(), width, ..Episode::default() }
    };
    let mut dataset = Dataset::new(u64::MAX, 1);
    let episodes: Vec<Episode> = (0..episodes).map(episode).collect();
    let keys = vec![0; episodes.len()];
    dataset.restore(episodes, keys, 0);
    dataset
}

/// Batches of whole episodes for a recurrent network, of single samples for another.
fn sequences(dataset: &Dataset, is_recurrent: bool) -> Vec<Sequence> {
    let episodes = dataset.episodes.iter().enumerate();
    let of = |(index, episode): (usize, &Episode)| {
        let (episode, length) = (index as u32, episode.num_samples() as u32);
        let samples = if is_recurrent { 0..1 } else { 0..length };
        samples.map(move |first| Sequence { episode, first, length: if is_recurrent { length } else { 1 } })
    };
    episodes.flat_map(of).collect()
}

/// The network after two epochs of some batches, its optimiser, and all losses.
fn fitted(
    fitter: &mut dyn Fitter,
    architecture: &Architecture,
    dataset: &Dataset,
    batch_size: usize,
    max_grad_norm: f32,
) -> Result<(Network, Adam, Vec<f64>), FitError> {
    let mut network = Network::new(architecture.clone(), Init::Torch, Stream::new(3, STREAM));
    let mut optimizer = Adam::new(network.parameters.len());
    let exponents: Vec<i8> = (0..architecture.inputs).map(|it| (it % 5) as i8 - 2).collect();
    let sequences = sequences(dataset, architecture.core.is_some());
    let mut losses = Vec::new();
    for learning_rate in [1e-2, 3e-3] {
        let data = EpochData {
            dataset,
            exponents: &exponents,
            batches: sequences.chunks(batch_size).take(4).collect(),
            learning_rate,
            max_grad_norm,
        };
        losses.extend(fitter.fit(&mut network, &mut optimizer, &data)?);
    }
    Ok((network, optimizer, losses))
}

fn gru(width: usize, hidden: &[usize], encoder: &[usize], activation: Activation) -> Architecture {
    Architecture {
        inputs: 22,
        encoder: encoder.to_vec(),
        core: Some(Core { cell: Cell::Gru, width, layers: 1 }),
        hidden: hidden.to_vec(),
        outputs: 4,
        activation,
    }
}

/// The tensors in which two networks have other bits.
fn differing(one: &Network, other: &Network) -> Vec<String> {
    let bits = |it: &f32| it.to_bits();
    let mut tensors = one.architecture.tensors();
    tensors.retain(|tensor| {
        let [one, other] = [one, other].map(|it| it.parameters[tensor.range.clone()].iter().map(bits));
        one.ne(other)
    });
    tensors.into_iter().map(|it| it.name).collect()
}

#[test]
fn a_gpu_fits_every_kind_of_network_to_the_bits_of_the_cpu() {
    let Some(device) = device() else { return };
    let activations = [
        Activation::Elu,
        Activation::Selu,
        Activation::Relu,
        Activation::Celu,
        Activation::LeakyRelu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softplus,
        Activation::Identity,
    ];
    // Shape, episodes, most steps of one, batch.
    let mut cases = vec![
        (Architecture::gru_student(22, 16, 4), 150, 61, 70),
        (gru(32, &[8], &[20], Activation::Relu), 50, 40, 37),
        (gru(64, &[], &[64], Activation::Elu), 90, 30, 64),
        (gru(40, &[24, 9], &[33, 17], Activation::Tanh), 40, 20, 40),
        (gru(7, &[], &[], Activation::Elu), 33, 9, 33),
        (gru(160, &[], &[160], Activation::Relu), 64, 6, 64),
        (Architecture::mlp(26, &[256, 256, 256], 4, Activation::Elu), 30, 90, 256),
        (Architecture::mlp(3, &[1], 2, Activation::Elu), 9, 40, 31),
    ];
    cases.extend(activations.map(|it| (Architecture::mlp(26, &[64, 70], 4, it), 40, 50, 300)));
    let mut wrong = Vec::new();
    for (architecture, episodes, steps, batch) in cases {
        let dataset = dataset(&architecture, episodes, steps);
        let mut cpu = CpuFitter::new(&architecture).unwrap();
        let mut gpu = GpuFitter::new(&device, &architecture).unwrap();
        for max_grad_norm in [0.05, 1e6] {
            let (right, adam, losses) =
                fitted(&mut cpu, &architecture, &dataset, batch, max_grad_norm).unwrap();
            let (found, found_adam, found_losses) =
                fitted(&mut gpu, &architecture, &dataset, batch, max_grad_norm).unwrap();
            let tensors = differing(&found, &right);
            if !(tensors.is_empty() && found_losses == losses && found_adam == adam) {
                wrong.push(format!("{architecture:?}: {tensors:?}, losses {found_losses:?}, not {losses:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_gpu_follows_a_dataset_that_grows_and_forgets() {
    let Some(device) = device() else { return };
    let architecture = Architecture::gru_student(22, 16, 4);
    let mut gpu = GpuFitter::new(&device, &architecture).unwrap();
    let mut data = dataset(&architecture, 40, 30);
    let all = data.episodes.clone();
    for kept in [0..40, 5..33, 0..3, 0..40] {
        // New numbers under the places of the old.
        data.restore(all[kept.clone()].to_vec(), vec![0; kept.len()], 0);
        let mut cpu = CpuFitter::new(&architecture).unwrap();
        let (right, ..) = fitted(&mut cpu, &architecture, &data, 16, 1.0).unwrap();
        let (found, ..) = fitted(&mut gpu, &architecture, &data, 16, 1.0).unwrap();
        assert_eq!(differing(&found, &right), [""; 0], "episodes {kept:?}");
    }
}

#[test]
fn a_gpu_stops_where_the_cpu_stops() {
    let Some(device) = device() else { return };
    let architecture = Architecture::gru_student(22, 16, 4);
    let mut data = dataset(&architecture, 40, 30);
    let mut episodes = data.episodes.clone();
    if let Some(last) = episodes[9].records.last_mut() {
        *last = f32::INFINITY;
    }
    data.restore(episodes, vec![0; 40], 0);
    let stopped = |fitter: &mut dyn Fitter| fitted(fitter, &architecture, &data, 16, 1.0).unwrap_err();
    let errors = [
        stopped(&mut CpuFitter::new(&architecture).unwrap()),
        stopped(&mut GpuFitter::new(&device, &architecture).unwrap()),
    ];
    for error in errors {
        assert!(matches!(error, FitError::NotFinite(NotFinite::Learned("loss"))), "{error}");
    }
}
