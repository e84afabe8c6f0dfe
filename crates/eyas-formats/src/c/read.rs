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

/// `NAME [sizes] */` and the numbers between the braces that follow; or `NAME [sizes]: … */` and between two pairs of
/// braces the scales of rows and the whole numbers that they scale.
fn array(part: &str) -> Result<(&str, Tensor), String> {
    let (head, rest) = part.split_once("*/").ok_or("the comment before an array does not end")?;
    let (name, shape) = head.trim().split_once(" [").ok_or("the comment before an array names no shape")?;
    let wrong = |what: &str| format!("tensor `{name}` {what}");
    let (shape, scaled) = shape.split_once(']').ok_or_else(|| wrong("has a shape that does not end"))?;
    let sizes = shape.split(',').map(|size| size.trim().parse::<usize>());
    let shape = sizes.collect::<Result<Vec<_>, _>>().map_err(|_| wrong("has a shape that is none"))?;
    let (values, rest) = numbers(name, rest)?;
    let values = match (scaled.is_empty(), &shape[..]) {
        (true, _) => values,
        (false, [rows, columns]) if *rows == values.len() => {
            let (numbers, _) = numbers(name, rest)?;
            let scale = |(index, number): (usize, f32)| number * values[index / (*columns).max(1)];
            if numbers.len() != rows * columns {
                return Err(wrong(&format!("has shape {shape:?} and {} numbers", numbers.len())));
            }
            numbers.into_iter().enumerate().map(scale).collect()
        }
        (false, _) => return Err(wrong(&format!("has shape {shape:?} and {} scales", values.len()))),
    };
    let elements = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    if elements != Some(values.len()) {
        return Err(wrong(&format!("has shape {shape:?} and {} numbers", values.len())));
    }
    Ok((name, Tensor::from_f32(&shape, &values)))
}

/// The numbers between the next braces, and what follows them.
fn numbers<'a>(name: &str, text: &'a str) -> Result<(Vec<f32>, &'a str), String> {
    let wrong = |what: &str| format!("tensor `{name}` {what}");
    let body = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let (body, rest) = body.ok_or_else(|| wrong("has no numbers"))?;
    let number = |text: &str| -> Result<f32, String> {
        let bare = text.trim_matches(['(', ')']);
        // Whole numbers of eight bits have no suffix.
        let value = match bare.strip_suffix('f') {
            Some(single) => single.parse().ok(),
            None => bare.parse::<i8>().ok().map(f32::from),
        };
        value.ok_or_else(|| wrong(&format!("holds `{}`, which is no number", bare.escape_default())))
    };
    let texts = body.split(',').map(str::trim).filter(|text| !text.is_empty());
    Ok((texts.map(number).collect::<Result<_, _>>()?, rest))
}

fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    let width = tensor.shape().last().copied().unwrap_or(1).max(1);
    tensor.to_f32().chunks(width).map(<[f32]>::to_vec).collect()
}
