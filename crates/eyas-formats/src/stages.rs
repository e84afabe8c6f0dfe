//! The layers that a graph or a script applies one after another, and the network that they are.

use eyas_policy::{Activation, Architecture, Cell, Core, Network, Output};

/// A stage of the way.
pub(crate) enum Stage {
    /// Rows and columns of the weight, the weight as `[outputs, inputs]`, the bias.
    Dense([usize; 2], Vec<f32>, Vec<f32>),
    Activation(Activation),
    Recurrent(Layer),
}

/// A recurrent layer in PyTorch's order of gates.
pub(crate) struct Layer {
    pub(crate) cell: Cell,
    pub(crate) inputs: usize,
    pub(crate) width: usize,
    /// In the order of [`Architecture::tensors`].
    pub(crate) parameters: Vec<f32>,
}

/// The stages as encoder, core and head; the squash; whether the activation shows.
pub(crate) fn network(stages: &[Stage]) -> Result<(Network, Output, bool), String> {
    let (stages, output) = match stages {
        [rest @ .., Stage::Activation(Activation::Tanh)] => (rest, Output::Tanh),
        all => (all, Output::Identity),
    };
    let first_core = stages.iter().position(|stage| matches!(stage, Stage::Recurrent(_)));
    let last_core = stages.iter().rposition(|stage| matches!(stage, Stage::Recurrent(_)));
    let (encoder, cores, head) = match (first_core, last_core) {
        (Some(first), Some(last)) => (&stages[..first], &stages[first..=last], &stages[last + 1..]),
        _ => (&[][..], &[][..], stages),
    };
    let mut activations = Vec::new();
    collect(encoder, true, &mut activations)?;
    collect(head, false, &mut activations)?;
    let activation = activations.first().copied().unwrap_or_default();
    if activations.iter().any(|&other| other != activation) {
        return Err("its layers have different activations".to_owned());
    }
    let widths = |part: &[Stage]| {
        let sizes = part
            .iter()
            .filter_map(|stage| if let Stage::Dense(shape, ..) = stage { Some(shape[0]) } else { None });
        sizes.collect::<Vec<_>>()
    };
    let core = core(cores)?;
    let mut hidden = widths(head);
    let outputs = hidden.pop().ok_or("no linear layer ends it")?;
    let inputs = stages.iter().find_map(|stage| match stage {
        Stage::Dense([_, inputs], ..) => Some(*inputs),
        Stage::Recurrent(layer) => Some(layer.inputs),
        Stage::Activation(_) => None,
    });
    let parameters: Vec<f32> = stages
        .iter()
        .flat_map(|stage| match stage {
            Stage::Dense(_, weight, bias) => [weight.as_slice(), bias].concat(),
            Stage::Recurrent(layer) => layer.parameters.clone(),
            Stage::Activation(_) => Vec::new(),
        })
        .collect();
    let architecture = Architecture {
        inputs: inputs.unwrap_or(0),
        encoder: widths(encoder),
        core,
        hidden,
        outputs,
        activation,
    };
    if parameters.len() != architecture.num_parameters() {
        return Err("the widths of its layers do not follow from each other".to_owned());
    }
    if parameters.iter().any(|value| !value.is_finite()) {
        return Err("its weights are not finite".to_owned());
    }
    Ok((Network { architecture, parameters }, output, !activations.is_empty()))
}

/// The recurrent layers, which must be of one kind and width.
fn core(stages: &[Stage]) -> Result<Option<Core>, String> {
    let mut layers = Vec::new();
    for stage in stages {
        let Stage::Recurrent(layer) = stage else {
            return Err("something stands between its recurrent layers".to_owned());
        };
        layers.push((layer.cell, layer.width));
    }
    let Some(&(cell, width)) = layers.first() else { return Ok(None) };
    if layers.iter().any(|&layer| layer != (cell, width)) {
        return Err("its recurrent layers have different widths or kinds".to_owned());
    }
    Ok(Some(Core { cell, width, layers: layers.len() }))
}

/// The activation after each layer of a part; the last layer of a head has none.
fn collect(part: &[Stage], is_encoder: bool, activations: &mut Vec<Activation>) -> Result<(), String> {
    let mut stages = part.iter().peekable();
    while let Some(stage) = stages.next() {
        if !matches!(stage, Stage::Dense(..)) {
            return Err("an activation follows no linear layer".to_owned());
        }
        let is_last = stages.peek().is_none() && !is_encoder;
        match stages.next_if(|stage| matches!(stage, Stage::Activation(_))) {
            Some(Stage::Activation(activation)) => activations.push(*activation),
            _ if is_last => return Ok(()),
            _ => activations.push(Activation::Identity),
        }
        if stages.peek().is_none() && !is_encoder {
            return Err("its last layer ends in an activation other than tanh".to_owned());
        }
    }
    Ok(())
}
