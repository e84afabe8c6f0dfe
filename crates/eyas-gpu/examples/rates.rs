//! What a second of a GPU computes of a task's formulas: from memory to memory, and many control steps in registers.
//!
//! `cargo run --release -p eyas-gpu --example rates`

#![expect(clippy::print_stdout, reason = "an example tells what it found")]

use std::time::Instant;

use eyas_env::{PointConfig, RaptorConfig, Recorded, TaskConfig};
use eyas_gpu::{Device, DeviceError, Feedback};
use eyas_lanes::{BLOCK, Row};
use eyas_trace::{Constants, Form, Functions, Program};

const NUM_BLOCKS: usize = 1 << 13;
const RUNS: u32 = 200;

/// Control steps of a rollout in registers.
const STEPS: u32 = 1000;

fn main() -> Result<(), DeviceError> {
    let device = Device::new(0)?;
    println!("{}: {} envs", device.name()?, NUM_BLOCKS * BLOCK);
    let form = Form { constants: Constants::Single, functions: Functions::Polynomials };
    for (task, formulas) in
        [("point", PointConfig::default().recorded(form)), ("RAPTOR", RaptorConfig::default().recorded(form))]
    {
        for Recorded { name, program } in formulas {
            let state = Feedback { output: "state", input: "state" };
            let rate = measure(&device, &program, &[], RUNS, 1)?;
            print!("{task:7} {name:36} {:5} operations {rate:9.3e} /s", program.counts().total());
            if name.starts_with("step, ") {
                print!(", in registers {:9.3e} /s", measure(&device, &program, &[state], 4, STEPS)?);
            }
            println!();
        }
    }
    Ok(())
}

/// Evaluations a second, of so many launches of so many steps.
fn measure(
    device: &Device,
    program: &Program,
    feedback: &[Feedback],
    launches: u32,
    steps: u32,
) -> Result<f64, DeviceError> {
    let kernel = device.load(program, feedback, 1)?;
    let inputs = device.upload(&vec![Row::splat(0.5); NUM_BLOCKS * program.num_inputs()])?;
    let counters = device.counters(&vec![[[0; BLOCK]; 2]; NUM_BLOCKS])?;
    let mut outputs = device.outputs_of(&kernel, NUM_BLOCKS)?;
    device.run(&kernel, &inputs, &counters, 0, steps, &mut outputs)?;
    device.wait()?;
    let began = Instant::now();
    for _ in 0..launches {
        device.run(&kernel, &inputs, &counters, 0, steps, &mut outputs)?;
    }
    device.wait()?;
    let count = f64::from(launches) * f64::from(steps) * (NUM_BLOCKS * BLOCK) as f64;
    Ok(count / began.elapsed().as_secs_f64())
}
