//! `eyas act`: a policy over recorded observations.

use std::process::ExitCode;

use eyas_formats::npy::{self, Array, Data};
use eyas_lanes::{BLOCK, Row};
use eyas_policy::{Inference, Scratch};

use crate::arguments::Act;
use crate::failure::Failure;
use crate::setup::load_policy;

pub(crate) fn run(arguments: &Act) -> Result<ExitCode, Failure> {
    let loaded = load_policy(&arguments.checkpoint, &arguments.teacher.load_options(arguments.side))?;
    for decision in &loaded.decisions {
        eprintln!("{decision}");
    }
    let inference = Inference::new(&loaded.policy);
    let observations = npy::read(&arguments.observations)?;
    let shape = observations.shape().to_vec();
    let width = inference.num_observations();
    let fits = matches!(shape.as_slice(), [_, last] | [_, _, last] if *last == width);
    if !fits {
        let recurrent = if inference.state_width() > 0 { "[T, B, O]" } else { "[B, O]" };
        return Err(Failure::new(format!(
            "observations of shape {shape:?}, expected {recurrent} with O = {width}"
        ))
        .at(&arguments.observations.display()));
    }
    let (times, batch) = match shape[..] {
        [times, batch, _] => (times, batch),
        _ => (1, shape[0]),
    };
    let actions = act(&inference, &observations.to_f32(), times, batch);
    let mut shape = shape;
    *shape.last_mut().expect("two or three axes") = inference.num_actions();
    npy::write(&arguments.output, &Array::new(&shape, Data::F32(actions)))?;
    Ok(ExitCode::SUCCESS)
}

/// Observations `[times][batch][O]` to actions `[times][batch][A]`, from a zero state.
fn act(inference: &Inference, observations: &[f32], times: usize, batch: usize) -> Vec<f32> {
    let (width, num_actions) = (inference.num_observations(), inference.num_actions());
    let mut actions = vec![0.0; times * batch * num_actions];
    let mut scratch = Scratch::default();
    let (mut observation, mut action) = (vec![Row::ZERO; width], vec![Row::ZERO; num_actions]);
    for first in (0..batch).step_by(BLOCK) {
        let mut state = vec![Row::ZERO; inference.state_width()];
        let lanes = BLOCK.min(batch - first);
        for time in 0..times {
            for lane in 0..lanes {
                let start = (time * batch + first + lane) * width;
                for (row, value) in observation.iter_mut().zip(&observations[start..start + width]) {
                    row[lane] = *value;
                }
            }
            inference.act(&observation, &mut state, &mut scratch, &mut action);
            for lane in 0..lanes {
                let start = (time * batch + first + lane) * num_actions;
                for (value, row) in actions[start..start + num_actions].iter_mut().zip(&action) {
                    *value = row[lane];
                }
            }
        }
    }
    actions
}
