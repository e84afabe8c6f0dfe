//! What an update of a student takes on a GPU.
//!
//! `cargo run --release -p eyas-gpu --example fit_rates`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "an example tells what it found")]

use std::time::Instant;

use eyas_gpu::{Device, GpuFitter};
use eyas_lanes::Stream;
use eyas_learn::distill::{CpuFitter, Dataset, Episode, Fitter, Learned, Lessons, Sequence};
use eyas_policy::{Activation, Adam, Architecture, Init, Network};

fn main() {
    let device = Device::new(0).unwrap();
    println!("{}", device.name().unwrap());
    let shapes = [
        ("GRU 22-16-16-4, 512 sequences of 500 steps", Architecture::gru_student(22, 16, 4), 512, 500, 40),
        ("MLP 26-64-64-4, batch of 256", Architecture::mlp(26, &[64, 64], 4, Activation::Elu), 256, 1, 1000),
        (
            "MLP 26-256-256-256-4, batch of 256",
            Architecture::mlp(26, &[256; 3], 4, Activation::Elu),
            256,
            1,
            1000,
        ),
        (
            "MLP 26-256-256-256-4, batch of 16,384",
            Architecture::mlp(26, &[256; 3], 4, Activation::Elu),
            16_384,
            1,
            100,
        ),
    ];
    for (name, architecture, count, length, updates) in shapes {
        let width = architecture.inputs + architecture.outputs;
        let stream = Stream::new(1, "example");
        let episode = |index: usize| {
            let number = |place: usize| stream.uniform([index as u32, place as u32, 0, 0]);
            Episode { records: (0..length * width).map(number).collect(), width, ..Episode::default() }
        };
        let mut dataset = Dataset::new(u64::MAX, 1);
        dataset.restore((0..count).map(episode).collect(), vec![0; count], 0);
        let sequence = |episode: usize| Sequence { episode: episode as u32, first: 0, length: length as u32 };
        let sequences: Vec<Sequence> = (0..count).map(sequence).collect();
        let exponents = vec![0; architecture.inputs];
        let mut results = Vec::new();
        let mut gpu = GpuFitter::new(&device, &architecture).unwrap();
        let mut cpu = CpuFitter::new(&architecture).unwrap();
        let fitters: [(&str, &mut dyn Fitter, usize); 2] =
            [("GPU", &mut gpu, updates), ("CPU", &mut cpu, updates / 10)];
        for (engine, fitter, updates) in fitters {
            let mut network = Network::new(architecture.clone(), Init::Torch, stream);
            let mut optimizer = Adam::new(network.parameters.len());
            let mut took = 0.0;
            for _ in 0..3 {
                let batches = vec![&sequences[..]; updates];
                let lessons = Lessons {
                    dataset: &dataset,
                    exponents: &exponents,
                    batches,
                    learning_rate: 1e-3,
                    max_grad_norm: 1.0,
                };
                let began = Instant::now();
                fitter.fit(Learned { network: &mut network, optimizer: &mut optimizer }, &lessons).unwrap();
                took = began.elapsed().as_secs_f64() / updates as f64;
            }
            results.push(took);
            print!("{engine} {:9.4} ms  ", took * 1e3);
        }
        println!("{:7.1}x  {name}", results[1] / results[0]);
    }
}
