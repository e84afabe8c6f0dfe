//! `eyas act`: a policy over recorded observations.

use std::process::ExitCode;

use eyas::Failure;
use eyas_formats::npy::{self, Array, Data};
use eyas_policy::Inference;

use crate::arguments::Act;
use crate::flags::load_explained;

pub(crate) fn run(arguments: &Act) -> Result<ExitCode, Failure> {
    let loaded = load_explained(&arguments.checkpoint, &arguments.teacher.load_options(arguments.side))?;
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
    let observations = observations.to_f32();
    if let Some(place) = observations.iter().position(|it| !it.is_finite()) {
        let (row, feature) = (place / width, place % width);
        let message = format!("observation {row}, feature {feature} is {}, not finite", observations[place]);
        return Err(Failure::new(message).at(&arguments.observations.display()));
    }
    let actions = inference.act_on_record(&observations, times, batch);
    let mut shape = shape;
    *shape.last_mut().expect("two or three axes") = inference.num_actions();
    npy::write(&arguments.output, &Array::new(&shape, Data::F32(actions)))?;
    Ok(ExitCode::SUCCESS)
}
