//! Policies as the bytes that `eyas-fly` reads from flash; the layout stands in [`eyas_fly::blob`].

use std::path::Path;

use eyas_fly::blob::{self, Activation as Function, Cell as Kind, Facts, MAGIC, Normalization, Squash};
use eyas_policy::{
    Activation, Architecture, Cell, Contract, Core, Network, Normalizer, Output, Policy, TestVectors,
};

use crate::checkpoint::policy_entries;
use crate::contract::{self, note};
use crate::{EYAS_KEY, FormatError, Value};

/// The bytes of a policy and its contract.
pub(crate) fn to_bytes(policy: &Policy, contract: &Contract) -> Vec<u8> {
    let architecture = &policy.network.architecture;
    let own = if contract.test.observations.is_empty() { Some(TestVectors::of(policy)) } else { None };
    let test = own.as_ref().unwrap_or(&contract.test);
    let core = architecture.core;
    let facts = [
        architecture.inputs,
        architecture.outputs,
        architecture.encoder.len(),
        architecture.hidden.len(),
        place(&blob::CELLS, &core.map_or(Kind::None, |core| cell(core.cell))),
        core.map_or(0, |core| core.width),
        core.map_or(0, |core| core.layers),
        place(&blob::ACTIVATIONS, &function(architecture.activation)),
        place(&blob::SQUASHES, &squash(policy.output)),
        policy.normalizer.as_ref().map_or(0, |it| 1 + usize::from(it.clip.is_some())),
        test.observations.len(),
    ];
    let mut words: Vec<[u8; 4]> = facts.iter().map(|&fact| (fact as u32).to_le_bytes()).collect();
    let mut numbers = |values: &[f32]| words.extend(values.iter().map(|it| it.to_le_bytes()));
    numbers(&[test.tolerance]);
    let widths: Vec<f32> = architecture
        .encoder
        .iter()
        .chain(&architecture.hidden)
        .map(|&width| f32::from_bits(width as u32))
        .collect();
    numbers(&widths);
    if let Some(normalizer) = &policy.normalizer {
        numbers(&normalizer.mean);
        numbers(&normalizer.scale());
        numbers(normalizer.clip.as_slice());
    }
    numbers(&policy.network.parameters);
    numbers(&test.observations.concat());
    numbers(&test.actions.concat());
    let mut body = words.concat();
    let json = contract::to_json(&Contract { test: test.clone(), ..contract.clone() });
    body.extend(json.as_bytes());
    body.resize(body.len().next_multiple_of(4), b' ');
    // Magic and checksum stand before what the checksum is of.
    let count = (4 + body.len() / 4) as u32;
    let body = [&count.to_le_bytes()[..], &body].concat();
    [&MAGIC[..], &blob::crc32(&body).to_le_bytes(), &body].concat()
}

/// Whether a file begins as such bytes do.
pub(crate) fn is_fly(head: &[u8]) -> bool {
    head.starts_with(&MAGIC)
}

/// The networks as a state dict with Eyas' own names, and the contract.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let damaged = |problem: &str| FormatError::damaged(path, problem);
    let found = eyas_fly::Policy::new(bytes).map_err(|error| {
        damaged(match error {
            eyas_fly::Error::Checksum => "a bit changed since it was written",
            eyas_fly::Error::Fact => "it has a cell, activation, normaliser or squash of a later version",
            _ => "it is cut short",
        })
    })?;
    let sections = found.sections();
    let json = sections.rest.as_flattened();
    let json = str::from_utf8(json).map_err(|_| damaged("its contract is not UTF-8"))?.trim_end();
    let contract = contract::parse(json, path)?;
    let numbers = |words: &[[u8; 4]]| words.iter().map(|it| f32::from_le_bytes(*it)).collect::<Vec<f32>>();
    let network = Network {
        architecture: architecture(found.facts(), sections.widths),
        parameters: numbers(sections.parameters),
    };
    let normalizer = (found.facts().normalization != Normalization::None).then(|| {
        let [mean, scale] = sections.statistics.map(numbers);
        // The reciprocal of the deviation is stored, as it multiplies.
        let std: Vec<f32> = scale.iter().map(|scale| 1.0 / scale - Normalizer::EPSILON).collect();
        let var = std.iter().map(|std| std * std).collect();
        let count = contract.observation.normalizer.as_ref().map_or(0, |it| it.samples);
        Normalizer { mean, var, std, count, clip: numbers(sections.clip).first().copied() }
    });
    let output = match found.facts().squash {
        Squash::Identity => Output::Identity,
        Squash::Tanh => Output::Tanh,
        Squash::Beta => Output::Beta,
    };
    let mut entries = policy_entries(&Policy { normalizer, network, output }, None);
    entries.push((EYAS_KEY.to_owned(), note(json, path)?));
    Ok(Value::ordered_dict(entries))
}

fn architecture(facts: &Facts, widths: &[[u8; 4]]) -> Architecture {
    let widths: Vec<usize> = widths.iter().map(|it| u32::from_le_bytes(*it) as usize).collect();
    let (encoder, hidden) = widths.split_at(facts.encoder);
    let core = |cell| Core { cell, width: facts.width, layers: facts.layers };
    Architecture {
        inputs: facts.inputs,
        encoder: encoder.to_vec(),
        core: match facts.cell {
            Kind::None => None,
            Kind::Gru => Some(core(Cell::Gru)),
            Kind::Lstm => Some(core(Cell::Lstm)),
        },
        hidden: hidden.to_vec(),
        outputs: facts.outputs,
        activation: activation(facts.activation),
    }
}

fn place<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|it| it == one).expect("every one has a number")
}

fn cell(cell: Cell) -> Kind {
    match cell {
        Cell::Gru => Kind::Gru,
        Cell::Lstm => Kind::Lstm,
    }
}

fn squash(output: Output) -> Squash {
    match output {
        Output::Identity => Squash::Identity,
        Output::Tanh => Squash::Tanh,
        Output::Beta => Squash::Beta,
    }
}

fn function(activation: Activation) -> Function {
    match activation {
        Activation::Identity => Function::Identity,
        Activation::Elu | Activation::Celu => Function::Elu,
        Activation::Selu => Function::Selu,
        Activation::Relu => Function::Relu,
        Activation::LeakyRelu => Function::LeakyRelu,
        Activation::Tanh => Function::Tanh,
        Activation::Sigmoid => Function::Sigmoid,
        Activation::Softplus => Function::Softplus,
        Activation::Gelu => Function::Gelu,
        Activation::Silu => Function::Silu,
        Activation::Mish => Function::Mish,
    }
}

fn activation(function: Function) -> Activation {
    match function {
        Function::Identity => Activation::Identity,
        Function::Elu => Activation::Elu,
        Function::Selu => Activation::Selu,
        Function::Relu => Activation::Relu,
        Function::LeakyRelu => Activation::LeakyRelu,
        Function::Tanh => Activation::Tanh,
        Function::Sigmoid => Activation::Sigmoid,
        Function::Softplus => Activation::Softplus,
        Function::Gelu => Activation::Gelu,
        Function::Silu => Activation::Silu,
        Function::Mish => Activation::Mish,
    }
}
