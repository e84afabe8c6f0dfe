//! Env steps a second of the RAPTOR environment on one thread: observe, step, reward, terminate, reset.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_env::{RaptorConfig, RaptorEnv, VecEnv};
use eyas_lanes::Row;

fn main() {
    divan::main();
}

/// The throttle that carries the weight, so that episodes are as long as those of a poor policy: resets are
/// part of the figure.
#[divan::bench(args = [32, 512, 4096])]
fn full_step(bencher: Bencher, num_envs: usize) {
    let config = RaptorConfig::default();
    let hover = 2.0 * config.craft().dynamics.hovering_throttle_relative - 1.0;
    let mut env = RaptorEnv::new(&config, num_envs, 1);
    let mut observation = vec![Row::ZERO; env.spec().num_observations()];
    let action = [Row::splat(hover as f32); 4];
    for block in env.blocks() {
        block.reset(u32::MAX);
    }
    bencher.counter(ItemsCount::new(num_envs)).bench_local(|| {
        for block in env.blocks() {
            block.observe(&mut observation);
            let step = block.step(&action);
            block.reset(step.terminated | step.truncated);
        }
    });
}
