//! Env steps a second of a GRU student in the RAPTOR environment on one thread: observe, act, step, reset.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_env::{RaptorConfig, RaptorEnv, VecEnv};
use eyas_lanes::{Row, Stream};
use eyas_policy::{Architecture, Inference, Init, Network, Scratch};

fn main() {
    divan::main();
}

/// An untrained student, which crashes often: resets are part of the figure.
#[divan::bench(args = [32, 512, 4096])]
fn gru_rollout(bencher: Bencher, num_envs: usize) {
    let mut env = RaptorEnv::new(&RaptorConfig::default(), num_envs, 1);
    let network = Network::new(Architecture::gru_student(22, 16, 4), Init::Torch, Stream::new(1, "bench"));
    let student = Inference::of_network(&network);
    let mut observation = vec![Row::ZERO; env.spec().num_observations()];
    let mut action = [Row::ZERO; 4];
    let mut scratch = Scratch::default();
    let mut states = vec![vec![Row::ZERO; student.state_width()]; env.blocks().len()];
    for block in env.blocks() {
        block.reset(u32::MAX);
    }
    bencher.counter(ItemsCount::new(num_envs)).bench_local(|| {
        for (block, state) in env.blocks().iter_mut().zip(&mut states) {
            block.observe(&mut observation);
            student.act(&observation[..22], state, &mut scratch, &mut action);
            let step = block.step(&action);
            let ended = step.terminated | step.truncated;
            block.reset(ended);
            Inference::forget(state, ended);
        }
    });
}
