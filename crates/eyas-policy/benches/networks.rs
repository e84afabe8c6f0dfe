//! Rows a second through the networks that students and teachers are, forward and backward, on one thread.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_policy::{Activation, Adam, Architecture, Inference, Init, Network, Pass, Scratch, Trainer};

fn main() {
    divan::main();
}

fn mlp(width: usize) -> Network {
    let architecture = Architecture::mlp(26, &[width; 3], 4, Activation::Elu);
    Network::new(architecture, Init::Torch, Stream::new(1, "bench"))
}

#[divan::bench(args = [64, 256])]
fn mlp_inference(bencher: Bencher, width: usize) {
    let inference = Inference::of_network(&mlp(width));
    let observation = vec![Row::splat(0.3); 26];
    let mut action = vec![Row::ZERO; 4];
    let mut scratch = Scratch::default();
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| {
        inference.act(&observation, &mut [], &mut scratch, &mut action);
    });
}

/// Forward, backward, optimiser and packing on a batch of 256.
#[divan::bench(args = [64, 256])]
fn mlp_update(bencher: Bencher, width: usize) {
    let mut network = mlp(width);
    let mut trainer = Trainer::new(&network.architecture).expect("an ELU network trains");
    let mut adam = Adam::new(network.parameters.len());
    let mut gradient = vec![0.0; network.parameters.len()];
    let mut pass = Pass::default();
    let input = vec![Row::splat(0.3); 8 * 26];
    bencher.counter(ItemsCount::new(8 * BLOCK)).bench_local(|| {
        trainer.refresh(&network.parameters);
        trainer.forward(&input, &mut pass);
        pass.output_and_gradient().1.fill(Row::splat(1e-3));
        gradient.fill(0.0);
        trainer.backward(&input, &mut pass, &mut gradient);
        adam.update(&mut network.parameters, &gradient, 1e-4);
    });
}

/// An update by 64 sequences of 500 steps: forward, back through time, optimiser and packing.
#[divan::bench]
fn gru_update(bencher: Bencher) {
    let mut network =
        Network::new(Architecture::gru_student(22, 16, 4), Init::Torch, Stream::new(1, "bench"));
    let mut trainer = Trainer::new(&network.architecture).expect("a GRU trains");
    let mut adam = Adam::new(network.parameters.len());
    let mut gradient = vec![0.0; network.parameters.len()];
    let input: Vec<Row> = (0..500 * 22).map(|row| Row::splat((row % 7) as f32 * 0.1 - 0.3)).collect();
    let mut passes = [Pass::default(), Pass::default()];
    bencher.counter(ItemsCount::new(2 * 500 * BLOCK)).bench_local(|| {
        trainer.refresh(&network.parameters);
        gradient.fill(0.0);
        for pass in &mut passes {
            trainer.forward(&input, pass);
            pass.output_and_gradient().1.fill(Row::splat(1e-3));
            trainer.backward(&input, pass, &mut gradient);
        }
        adam.update(&mut network.parameters, &gradient, 1e-4);
    });
}

#[divan::bench]
fn gru_inference(bencher: Bencher) {
    let network = Network::new(Architecture::gru_student(22, 16, 4), Init::Torch, Stream::new(1, "bench"));
    let inference = Inference::of_network(&network);
    let observation = vec![Row::splat(0.3); 22];
    let (mut state, mut action) = (vec![Row::ZERO; 16], vec![Row::ZERO; 4]);
    let mut scratch = Scratch::default();
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| {
        inference.act(&observation, &mut state, &mut scratch, &mut action);
    });
}
