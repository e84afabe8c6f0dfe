//! A policy that was written as C, read back from the arrays and the contract in its source.

use std::path::Path;

use eyas_policy::Contract;

use crate::contract::{self, note};
use crate::{EYAS_KEY, FormatError, Tensor, Value};

use super::{CONTRACT, END, MAGIC, MEAN, TEST};

/// Whether a file begins as those that are written here.
pub(crate) fn is_c(head: &[u8]) -> bool {
    let known = &MAGIC.as_bytes()[..head.len().min(MAGIC.len())];
    head.len() >= 14 && head.starts_with(known)
}

/// The networks of a source file as a state dict with Eyas' own names, and its contract.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Value, FormatError> {
    let damaged = |problem: String| FormatError::damaged(path, problem);
    let text = str::from_utf8(bytes).map_err(|_| damaged("it is no UTF-8 text".to_owned()))?;
    if !text.starts_with(MAGIC) {
        return Err(damaged(format!("it does not begin with `{MAGIC}`, the form that is known here")));
    }
    if !text.trim_end().ends_with(END) {
        return Err(damaged(format!("it does not end with `{END}`")));
    }
    let json = text
        .split_once(CONTRACT)
        .and_then(|(_, rest)| Some(rest.split_once("*/")?.0.trim()))
        .ok_or_else(|| damaged("its contract is missing".to_owned()))?;
    let mut contract = contract::parse(json, path)?;
    let (mut entries, mut test) = (Vec::new(), [None, None]);
    for part in text.split("/* tensor ").skip(1) {
        let (name, tensor) = array(part).map_err(damaged)?;
        match TEST.iter().position(|known| *known == name) {
            Some(index) => test[index] = Some(rows(&tensor)),
            None => entries.push((name.to_owned(), Value::from(tensor))),
        }
    }
    let [Some(observations), Some(actions)] = test else {
        return Err(damaged("its test vectors are missing".to_owned()));
    };
    (contract.test.observations, contract.test.actions) = (observations, actions);
    entries.extend(samples(&contract));
    entries.push((EYAS_KEY.to_owned(), note(&contract::to_json(&contract), path)?));
    Ok(Value::ordered_dict(entries))
}

/// How many samples the normaliser has seen, which no array says.
fn samples(contract: &Contract) -> Option<(String, Value)> {
    let normalizer = contract.observation.normalizer.as_ref()?;
    let key = MEAN.replace("_mean", "count");
    Some((key, Tensor::from_i64(&[], &[normalizer.samples.cast_signed()]).into()))
}

/// `NAME [sizes] */` and the numbers between the braces that follow.
fn array(part: &str) -> Result<(&str, Tensor), String> {
    let (head, rest) = part.split_once("*/").ok_or("the comment before an array does not end")?;
    let (name, shape) = head.trim().split_once(" [").ok_or("the comment before an array names no shape")?;
    let wrong = |what: &str| format!("tensor `{name}` {what}");
    let sizes = shape.trim_end_matches(']').split(',').map(|size| size.trim().parse::<usize>());
    let shape = sizes.collect::<Result<Vec<_>, _>>().map_err(|_| wrong("has a shape that is none"))?;
    let body = rest.split_once('{').and_then(|(_, rest)| Some(rest.split_once('}')?.0));
    let numbers = body.ok_or_else(|| wrong("has no numbers"))?.split(',').map(str::trim);
    let number = |text: &str| -> Result<f32, String> {
        let text = text.trim_matches(['(', ')']);
        let value = text.strip_suffix('f').and_then(|text| text.parse().ok());
        value.ok_or_else(|| wrong(&format!("holds `{}`, which is no number", text.escape_default())))
    };
    let values = numbers.filter(|text| !text.is_empty()).map(number).collect::<Result<Vec<_>, _>>()?;
    let elements = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    if elements != Some(values.len()) {
        return Err(wrong(&format!("has shape {shape:?} and {} numbers", values.len())));
    }
    Ok((name, Tensor::from_f32(&shape, &values)))
}

fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    let width = tensor.shape().last().copied().unwrap_or(1).max(1);
    tensor.to_f32().chunks(width).map(<[f32]>::to_vec).collect()
}
