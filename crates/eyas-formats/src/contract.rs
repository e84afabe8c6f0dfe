//! The policy contract as JSON, and where files keep it.

use std::path::Path;

use eyas_policy::{Contract, Output};
use serde_json::Value as Json;

use crate::{FORMAT_VERSION, FormatError, Value};

/// One line, for headers and metadata.
pub(crate) fn to_json(contract: &Contract) -> String {
    serde_json::to_string(contract).expect("a contract has string keys and finite numbers")
}

/// Many lines, for a file of its own.
pub(crate) fn to_json_pretty(contract: &Contract) -> String {
    serde_json::to_string_pretty(contract).expect("a contract has string keys and finite numbers") + "\n"
}

/// Reads a contract; one of a later version is refused by its writer's name.
pub(crate) fn parse(json: &str, path: &Path) -> Result<Contract, FormatError> {
    let invalid =
        |error: serde_json::Error| FormatError::Contract { path: path.to_owned(), source: Box::new(error) };
    let value: Json = serde_json::from_str(json).map_err(invalid)?;
    let (found, known) = (value["contract_version"].as_i64().unwrap_or(0), i64::from(Contract::VERSION));
    if found > known {
        let writer = value["writer"].as_str().unwrap_or("the version that wrote it").to_owned();
        return Err(FormatError::NewerFormat { path: path.to_owned(), found, known, writer });
    }
    serde_json::from_value(value).map_err(invalid)
}

/// What stands under Eyas' key of a checkpoint made of a file with this contract.
pub(crate) fn note(json: &str, path: &Path) -> Result<Value, FormatError> {
    let contract = parse(json, path)?;
    Ok(Value::dict([
        ("format_version", Value::from(FORMAT_VERSION)),
        ("writer", contract.writer.clone().into()),
        ("activation", contract.network.activation.to_string().into()),
        ("output", output_name(contract.action.squash).into()),
        ("contract", json.into()),
    ]))
}

/// The name of an output map in notes.
pub(crate) fn output_name(output: Output) -> &'static str {
    match output {
        Output::Identity => "identity",
        Output::Tanh => "tanh",
        Output::Beta => "beta",
    }
}
