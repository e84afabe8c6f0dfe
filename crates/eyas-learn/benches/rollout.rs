//! Env steps a second in the RAPTOR environment on one thread: of a rollout, and of the analytic policy gradient.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_env::{RaptorConfig, TaskConfig as _};
use eyas_lanes::{Row, Stream};
use eyas_learn::apg::{Apg, RunnerConfig};
use eyas_policy::{Architecture, Inference, Init, Network, Scratch};

fn main() {
    divan::main();
}

/// An untrained student, which crashes often: resets are part of the figure.
#[divan::bench(args = [32, 512, 4096])]
fn gru_rollout(bencher: Bencher, num_envs: usize) {
    let mut env = RaptorConfig::default().make(num_envs, 1);
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

/// Updates of a policy 26-64-64-4 by windows of that many control steps: there and back, and Adam. Run with
/// `RAYON_NUM_THREADS=1`.
#[divan::bench(args = [8, 32, 150], consts = [32, 512])]
fn gradient<const ENVS: usize>(bencher: Bencher, window_steps: usize) {
    let mut config = RunnerConfig::default();
    config.actor.hidden_dims = vec![64; 2];
    config.algorithm.window_steps = window_steps;
    let mut apg = Apg::new(&config, &RaptorConfig::default(), ENVS, 1).expect("the network can be trained");
    bencher
        .counter(ItemsCount::new(ENVS * window_steps))
        .bench_local(|| apg.iterate().expect("it does not diverge").cost);
}
