//! What a GPU computes is what the program says, to the bit.

#![allow(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod fit;
mod fly;
mod formulas;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use eyas_env::{DirectConfig, PointConfig, RaptorConfig, Recorded, TaskConfig};
use eyas_gpu::{Device, DeviceError, Feedback, kernel, num_outputs, purposes};
use eyas_lanes::{BLOCK, Draws as _, Real as _, Row, Stream};
use eyas_trace::{Constants, Form, Functions, Output, Program, Traced, record};

const SEED: u64 = 42;
const FIRST_ENV: u32 = 96;
const NUM_BLOCKS: usize = 5;

/// Every formula of the tasks that are recorded, without functions that a GPU does not have.
fn formulas() -> Vec<Recorded> {
    let form = Form { constants: Constants::Single, functions: Functions::Polynomials };
    let tasks = [
        PointConfig::default().recorded(form),
        DirectConfig::default().recorded(form),
        RaptorConfig::default().recorded(form),
    ];
    tasks.into_iter().flatten().collect()
}

/// Numbers in [0.05, 0.95) for every env: masses, inertias and the like among them are positive.
fn inputs(program: &Program) -> Vec<Row> {
    let stream = Stream::new(SEED, "test/inputs");
    let number = |block: usize, input: usize, lane: usize| {
        0.05 + 0.9 * stream.uniform([(block * BLOCK + lane) as u32, input as u32, 0, 0])
    };
    let rows = (0..NUM_BLOCKS).flat_map(|block| (0..program.num_inputs()).map(move |input| (block, input)));
    rows.map(|(block, input)| Row(std::array::from_fn(|lane| number(block, input, lane)))).collect()
}

fn counters() -> Vec<[[u32; BLOCK]; 2]> {
    let counter = |block: usize, step: usize| {
        std::array::from_fn(|lane| (7 * block + 3 * lane + 11 * step * lane) as u32)
    };
    (0..NUM_BLOCKS).map(|block| [counter(block, 0), counter(block, 1)]).collect()
}

/// What the program gives on `f32`, row for row.
fn replayed(program: &Program, inputs: &[Row], counters: &[[[u32; BLOCK]; 2]]) -> Vec<Row> {
    let width = num_outputs(program);
    let mut rows = vec![Row::ZERO; NUM_BLOCKS * width];
    for env in 0..NUM_BLOCKS * BLOCK {
        let (block, lane) = (env / BLOCK, env % BLOCK);
        let own: Vec<f32> = inputs[block * program.num_inputs()..][..program.num_inputs()]
            .iter()
            .map(|row| row[lane])
            .collect();
        let [episode, step] = counters[block].map(|row| row[lane]);
        let replay = program.replay(&own, |draw| {
            let place = [FIRST_ENV + env as u32, episode, step, draw.draw];
            Stream::new(SEED, &draw.purpose).words(place)[usize::from(draw.word)]
        });
        let values = program.outputs().iter().flat_map(|output| match output {
            Output::Numbers { name, .. } => replay.numbers(name),
            Output::Masks { name, .. } => {
                replay.masks(name).into_iter().map(|holds| f32::from(u8::from(holds))).collect()
            }
        });
        for (row, value) in rows[block * width..].iter_mut().zip(values) {
            row[lane] = value;
        }
    }
    rows
}

/// The bits, which of what is not a number say nothing.
fn bits(rows: &[Row]) -> Vec<u32> {
    rows.iter().flat_map(|row| row.0).map(|it| if it.is_nan() { u32::MAX } else { it.to_bits() }).collect()
}

/// The first GPU, where there is one.
fn device() -> Option<Device> {
    match Device::new(0) {
        Ok(device) => Some(device),
        Err(DeviceError::NoDriver | DeviceError::NoDevice { .. }) => {
            eyas_testing::skip("a CUDA device");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn every_formula_of_every_recorded_task_has_its_bits_on_a_gpu() {
    let Some(device) = device() else { return };
    for Recorded { name, program } in formulas() {
        let kernel = device.load(&program, &[], SEED).unwrap();
        let (inputs, counters) = (inputs(&program), counters());
        let expected = replayed(&program, &inputs, &counters);
        let mut outputs = device.outputs_of(&kernel, NUM_BLOCKS).unwrap();
        let (inputs, counters) = (device.upload(&inputs).unwrap(), device.counters(&counters).unwrap());
        device.run(&kernel, &inputs, &counters, FIRST_ENV, 1, &mut outputs).unwrap();
        let given = device.download(&outputs).unwrap();
        let differ = bits(&given).iter().zip(bits(&expected)).filter(|(a, b)| **a != *b).count();
        assert!(differ == 0, "{name}: {differ} of {} numbers differ", 32 * given.len());
        let numbers = bits(&expected).into_iter().filter(|it| *it != u32::MAX).count();
        assert!(numbers > 24 * expected.len(), "{name}: most of what is compared is not a number");
    }
}

/// What a vehicle is after `steps` control steps under the same action, on `f32`.
fn flown(program: &Program, mut inputs: Vec<Row>, steps: u32) -> Vec<Row> {
    let width = num_outputs(program);
    let state = program.input("state");
    let mut outputs = Vec::new();
    for _ in 0..steps {
        outputs = replayed(program, &inputs, &counters());
        for block in 0..NUM_BLOCKS {
            for place in state.clone() {
                // The state is the first output.
                inputs[block * program.num_inputs() + place] = outputs[block * width + place - state.start];
            }
        }
    }
    outputs
}

#[test]
fn a_rollout_in_registers_has_the_bits_of_steps_one_by_one() {
    let Some(device) = device() else { return };
    let steps = formulas().into_iter().filter(|it| it.name.starts_with("step, "));
    for Recorded { name, program } in steps {
        let feedback = [Feedback { output: "state", input: "state" }];
        let kernel = device.load(&program, &feedback, SEED).unwrap();
        let mut outputs = device.outputs_of(&kernel, NUM_BLOCKS).unwrap();
        let expected = flown(&program, inputs(&program), 50);
        let (inputs, counters) =
            (device.upload(&inputs(&program)).unwrap(), device.counters(&counters()).unwrap());
        device.run(&kernel, &inputs, &counters, FIRST_ENV, 50, &mut outputs).unwrap();
        assert!(bits(&device.download(&outputs).unwrap()) == bits(&expected), "{name}");
    }
}

#[test]
fn every_formula_is_text_that_the_assembler_of_each_card_takes() {
    let Some(assembler) = std::env::var_os("EYAS_PTXAS") else {
        return eyas_testing::skip("`ptxas`, named by EYAS_PTXAS");
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("formula.ptx");
    for Recorded { name, program } in formulas() {
        std::fs::write(&path, kernel(&program, "formula", &[]).unwrap()).unwrap();
        assemble(&assembler, &path, &name, &["--warn-on-spills"]);
    }
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/fit.ptx");
    assemble(&assembler, &kernels, "the kernels that fit a student", &["--warn-on-spills"]);
    for (name, make) in fly::tasks(1) {
        let texts = eyas_gpu::flight_kernels(make().blocks()[0].as_ref()).unwrap();
        assert_eq!(texts.len(), 3, "{name}");
        for text in texts {
            std::fs::write(&path, text).unwrap();
            // Functions keep what their caller needs in memory.
            assemble(&assembler, &path, &format!("the kernel that flies {name}"), &[]);
        }
    }
}

fn assemble(assembler: &OsStr, path: &Path, name: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for card in ["sm_80", "sm_90", "sm_120"] {
        let assembled = Command::new(assembler)
            .arg(format!("-arch={card}"))
            .args(more)
            .args(["-Werror", "-o"])
            .arg(folder.path().join("formula.cubin"))
            .arg(path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&assembled.stderr);
        assert!(assembled.status.success(), "{name} for {card}: {said}");
    }
}

#[test]
fn checked_in_kernels_are_those_of_their_source() {
    let Some(python) = eyas_testing::python_with("nvidia.cuda_nvrtc") else { return };
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/build.py");
    let checked = Command::new(python).arg(build).arg("--check").output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn functions_that_a_gpu_does_not_have_are_refused() {
    let whole = PointConfig::default().recorded(Form::default());
    let refused = whole.iter().filter_map(|it| kernel(&it.program, "formula", &[]).err());
    assert!(refused.into_iter().all(|it| it.to_string().contains("Functions::Polynomials")));
    assert!(whole.iter().any(|it| kernel(&it.program, "formula", &[]).is_err()), "no task uses a function");
}

#[test]
fn keys_are_in_the_order_in_which_streams_are_drawn_from() {
    let form = Form { constants: Constants::Single, functions: Functions::Polynomials };
    let program = record(form, |recorder| {
        let draw = |purpose: &str, draw: u32| Traced::uniform(recorder.draws(purpose).words(draw)[1]);
        let drawn = [draw("wind", 0), draw("start", 0), draw("wind", 3)];
        recorder.output_numbers("drawn", &drawn);
    });
    assert_eq!(purposes(&program), ["wind", "start"]);
    let text = kernel(&program, "formula", &[]).unwrap();
    // Three draws of ten rounds, of which the second has the second key.
    assert_eq!(text.matches("mul.hi.u32").count(), 3 * 10 * 2);
    let keys: Vec<&str> = text.lines().filter_map(|line| line.split("[%keys+").nth(1)).collect();
    assert_eq!(keys, ["0];", "4];", "8];", "12];", "0];", "4];"]);
}
