//! What a checkpoint holds beside what the settings ask for.

use std::fmt::Debug;
use std::path::Path;

use eyas_policy::{Architecture, Cell};

use crate::failure::Failure;

/// A network as a checkpoint holds it, or as the settings make it.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) architecture: &'a Architecture,
    /// Whether its input is normalised; none where no setting says so.
    pub(crate) is_normalized: Option<bool>,
}

/// The keys of the settings of a network.
pub(crate) struct Keys {
    /// What the network is called, and the table of its settings.
    pub(crate) group: &'static str,
    pub(crate) normalization: &'static str,
    pub(crate) cell: &'static str,
    pub(crate) width: &'static str,
}

/// Refuses a network that is not as the settings say, and names each setting that says otherwise.
pub(crate) fn require_same(keys: &Keys, found: Shape, wanted: Shape, path: &Path) -> Result<(), Failure> {
    let Keys { group, normalization, cell, width } = keys;
    let (of_file, of_settings) = (found.architecture, wanted.architecture);
    let mut differences = Vec::new();
    let mut compare = |key: &str, of_file: String, of_settings: String| {
        if of_file != of_settings {
            differences.push(format!("`{group}.{key}` = {of_settings}, the file has {of_file}"));
        }
    };
    let told = |value: &dyn Debug| format!("{value:?}").to_lowercase();
    compare("activation", told(&of_file.activation), told(&of_settings.activation));
    let cell_of = |it: &Architecture| match it.core.map(|core| core.cell) {
        None => "mlp",
        Some(Cell::Gru) => "gru",
        Some(Cell::Lstm) => "lstm",
    };
    compare(cell, cell_of(of_file).into(), cell_of(of_settings).into());
    if let (Some(a), Some(b)) = (of_file.core, of_settings.core) {
        compare(width, told(&[a.width, a.layers]), told(&[b.width, b.layers]));
    }
    compare(
        "hidden_dims",
        told(&[&of_file.encoder[..], &of_file.hidden].concat()),
        told(&[&of_settings.encoder[..], &of_settings.hidden].concat()),
    );
    if let (Some(a), Some(b)) = (found.is_normalized, wanted.is_normalized) {
        compare(normalization, told(&a), told(&b));
    }
    for (what, a, b) in
        [("reads", of_file.inputs, of_settings.inputs), ("gives", of_file.outputs, of_settings.outputs)]
    {
        if a != b {
            differences.push(format!("it {what} {a} numbers, `{group}` here {b}"));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("the checkpoint is not of these settings: {}", differences.join("; ")))
        .at(&path.display())
        .hint("set these keys as the file has them; `eyas inspect FILE` shows all of it"))
}
