//! Env steps a second of each task on one thread: observe, step, reward, terminate, reset.

use divan::Bencher;
use divan::counter::ItemsCount;
use eyas_env::{FormationConfig, ManagerConfig, PointConfig, RaptorConfig, TaskConfig as _, VecEnv};
use eyas_lanes::Row;

fn main() {
    divan::main();
}

/// Random motor commands crash soon, so resets are part of the figure.
#[divan::bench(args = [32, 512, 4096])]
fn point(bencher: Bencher, num_envs: usize) {
    let action = [0.1, -0.2, 0.15, -0.1].map(|command| Row::splat(command - 0.3));
    fly(bencher, PointConfig::default().make(num_envs, 1), &action);
}

/// The point task made of terms: what a user's own file costs beside the task that is written out.
#[divan::bench(args = [32, 512, 4096])]
fn manager(bencher: Bencher, num_envs: usize) {
    let action = [0.1, -0.2, 0.15, -0.1].map(|command| Row::splat(command - 0.3));
    fly(bencher, ManagerConfig::shipped().make(num_envs, 1), &action);
}

/// The throttle that carries the weight, so that episodes are as long as those of a poor policy: resets are
/// part of the figure.
#[divan::bench(args = [32, 512, 4096])]
fn raptor(bencher: Bencher, num_envs: usize) {
    let config = RaptorConfig::default();
    let hover = 2.0 * config.fleet_vehicle().dynamics.hovering_throttle_relative - 1.0;
    fly(bencher, config.make(num_envs, 1), &[Row::splat(hover as f32); 4]);
}

/// Three vehicles that soon crash.
#[divan::bench(args = [32, 512, 4096])]
fn formation(bencher: Bencher, num_envs: usize) {
    let action = [0.1, -0.2, 0.15, -0.1].map(|command| Row::splat(command - 0.3));
    fly(bencher, FormationConfig::default().make(num_envs, 1), &[action; 3].concat());
}

/// Steps all envs with constant commands.
fn fly(bencher: Bencher, mut env: Box<dyn VecEnv>, action: &[Row]) {
    let mut observation = vec![Row::ZERO; env.spec().num_observations()];
    for block in env.blocks() {
        block.reset(u32::MAX);
    }
    bencher.counter(ItemsCount::new(env.num_envs())).bench_local(|| {
        for block in env.blocks() {
            block.observe(&mut observation);
            let step = block.step(action);
            block.reset(step.terminated | step.truncated);
        }
    });
}
