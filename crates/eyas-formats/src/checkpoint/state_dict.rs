//! A state dict: named tensors, read with their shapes checked.

use std::borrow::Cow;
use std::path::Path;

use crate::{FormatError, Tensor, Value};

/// The tensors of a dict with string keys; other entries are left out.
#[derive(Clone, Debug)]
pub(crate) struct StateDict<'a> {
    pub(crate) path: &'a Path,
    /// The key of the dict in the file; empty for the file's root.
    pub(crate) name: &'static str,
    /// What a wrapper of the model put before every key, which the keys here are without.
    pub(crate) wrapper: Option<Wrapper>,
    tensors: Vec<(Cow<'a, str>, &'a Tensor)>,
}

/// A module around the model, whose name stands before every key of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrapper {
    /// What stands before the keys.
    pub(crate) prefix: &'static str,
    /// Who puts it there.
    pub(crate) by: &'static str,
}

const WRAPPERS: [Wrapper; 2] = [
    Wrapper { prefix: "_orig_mod.", by: "torch.compile" },
    Wrapper { prefix: "module.", by: "torch's DataParallel" },
];

impl<'a> StateDict<'a> {
    pub(crate) fn new(path: &'a Path, name: &'static str, dict: &'a Value) -> Self {
        let mut tensors: Vec<(Cow<'a, str>, &'a Tensor)> = dict
            .entries()
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, value)| Some((key.as_str()?.into(), value.as_tensor()?)))
            .collect();
        let wrapper = unwrap(&mut tensors);
        Self { path, name, wrapper, tensors }
    }

    /// The tensors of dicts within dicts, their keys joined by `/`.
    pub(crate) fn nested(path: &'a Path, name: &'static str, dict: &'a Value) -> Self {
        let mut tensors = Vec::new();
        flatten(dict, "", &mut tensors);
        Self { path, name, wrapper: None, tensors }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(key, _)| key.as_ref())
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.keys().any(|known| known == key)
    }

    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.keys().any(|key| key.starts_with(prefix))
    }

    pub(crate) fn get(&self, key: &str) -> Result<&'a Tensor, FormatError> {
        self.tensors.iter().find(|(known, _)| known == key).map(|(_, tensor)| *tensor).ok_or_else(|| {
            FormatError::MissingKey {
                path: self.path.to_owned(),
                key: self.full_name(key),
                present: summary(self.keys()),
            }
        })
    }

    /// The values of a tensor of this shape, all finite.
    pub(crate) fn values(&self, key: &str, shape: &[usize]) -> Result<Vec<f32>, FormatError> {
        let tensor = self.get(key)?;
        if tensor.shape() != shape {
            return Err(self.shape_mismatch(key, tensor, format!("{shape:?}")));
        }
        self.finite(key, tensor)
    }

    /// The values of a vector, whatever leading sizes of 1 it has.
    pub(crate) fn vector(&self, key: &str, width: usize) -> Result<Vec<f32>, FormatError> {
        let tensor = self.get(key)?;
        if tensor.num_elements() != width || tensor.shape().iter().rev().skip(1).any(|&size| size != 1) {
            return Err(self.shape_mismatch(key, tensor, format!("[{width}] or [1, {width}]")));
        }
        self.finite(key, tensor)
    }

    /// The sizes of a matrix, none of them 0.
    pub(crate) fn matrix(&self, key: &str) -> Result<[usize; 2], FormatError> {
        let tensor = self.get(key)?;
        match *tensor.shape() {
            [rows, columns] if rows > 0 && columns > 0 => Ok([rows, columns]),
            _ => Err(self.shape_mismatch(key, tensor, "[outputs, inputs]".to_owned())),
        }
    }

    pub(crate) fn shape_mismatch(&self, key: &str, tensor: &Tensor, expected: String) -> FormatError {
        FormatError::ShapeMismatch {
            path: self.path.to_owned(),
            key: self.full_name(key),
            found: tensor.shape().to_vec(),
            expected,
        }
    }

    fn finite(&self, key: &str, tensor: &Tensor) -> Result<Vec<f32>, FormatError> {
        let values = tensor.to_f32();
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(FormatError::NonFinite {
                path: self.path.to_owned(),
                key: self.full_name(key),
                index,
                value: f64::from(values[index]),
            }),
        }
    }

    pub(crate) fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}/{key}", self.name) }
    }
}

/// Takes what a wrapper put before every key from the keys.
fn unwrap<'a>(tensors: &mut [(Cow<'a, str>, &'a Tensor)]) -> Option<Wrapper> {
    let wraps = |wrapper: &Wrapper| tensors.iter().all(|(key, _)| key.starts_with(wrapper.prefix));
    let wrapper = WRAPPERS.into_iter().find(|wrapper| !tensors.is_empty() && wraps(wrapper))?;
    for (key, _) in tensors {
        *key = key[wrapper.prefix.len()..].to_owned().into();
    }
    Some(wrapper)
}

fn flatten<'a>(dict: &'a Value, prefix: &str, tensors: &mut Vec<(Cow<'a, str>, &'a Tensor)>) {
    for (key, value) in dict.entries().unwrap_or_default() {
        let Some(key) = key.as_str() else { continue };
        match value {
            Value::Tensor(tensor) => tensors.push((format!("{prefix}{key}").into(), tensor)),
            _ => flatten(value, &format!("{prefix}{key}/"), tensors),
        }
    }
}

/// The first few of many keys.
pub(crate) fn summary<'a>(keys: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<String> = keys.map(|key| format!("`{key}`")).collect();
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    let shown = names.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
