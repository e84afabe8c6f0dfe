//! Env steps a second of the point task on one thread: observe, step, reward, terminate, reset.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_env::{PointConfig, PointEnv, VecEnv};
use eyas_lanes::Row;

fn main() {
    divan::main();
}

/// Random motor commands crash soon, so resets are part of the figure.
#[divan::bench(args = [32, 512, 4096])]
fn full_step(bencher: Bencher, num_envs: usize) {
    let mut env = PointEnv::new(&PointConfig::default(), num_envs, 1);
    let mut observation = vec![Row::ZERO; 26];
    let action = [0.1, -0.2, 0.15, -0.1].map(|command| Row::splat(command - 0.3));
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
