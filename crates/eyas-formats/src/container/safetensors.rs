//! safetensors: a JSON header with names, types and places, then the numbers.
//!
//! Source: github.com/huggingface/safetensors, README, "Format".

use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::container::tensor::row_major;
use crate::{DType, FormatError, Tensor};

/// Named tensors in the order of the header, and the texts that stand beside them.
pub(crate) type Content = (Vec<(String, Tensor)>, Vec<(String, String)>);

/// Key of the texts in the header.
const METADATA: &str = "__metadata__";

/// Longest header read, the limit of the reference implementation.
const MAX_HEADER_BYTES: u64 = 100_000_000;

const DTYPES: [(DType, &str); 10] = [
    (DType::F64, "F64"),
    (DType::F32, "F32"),
    (DType::F16, "F16"),
    (DType::Bf16, "BF16"),
    (DType::I64, "I64"),
    (DType::I32, "I32"),
    (DType::I16, "I16"),
    (DType::I8, "I8"),
    (DType::U8, "U8"),
    (DType::Bool, "BOOL"),
];

/// Whether a file's first bytes are those of a safetensors file: the length of the header, and its first key.
pub(crate) fn is_safetensors(head: &[u8]) -> bool {
    matches!(head, [_, _, _, _, _, 0, 0, 0, b'{', b'"' | b'}' | b' ', ..])
}

/// Reads a whole file.
pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Content, FormatError> {
    let damaged = |problem: String| FormatError::damaged(path, problem);
    let (length, rest) =
        bytes.split_first_chunk::<8>().ok_or_else(|| damaged("its header is cut".to_owned()))?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES.min(rest.len() as u64) {
        return Err(FormatError::Truncated {
            path: path.to_owned(),
            part: "its header".to_owned(),
            found: bytes.len() as u64,
            expected: length.saturating_add(8),
        });
    }
    let (header, data) = rest.split_at(length as usize);
    let header: Map<String, Json> = serde_json::from_slice(header)
        .map_err(|error| damaged(format!("its header is no JSON object: {error}")))?;
    let (mut tensors, mut metadata) = (Vec::new(), Vec::new());
    for (name, entry) in &header {
        if name == METADATA {
            let texts = entry.as_object().into_iter().flatten();
            metadata.extend(texts.filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned()))));
            continue;
        }
        let tensor = tensor(entry, data).map_err(|problem| damaged(format!("tensor `{name}` {problem}")))?;
        tensors.push((name.clone(), tensor));
    }
    Ok((tensors, metadata))
}

fn tensor(entry: &Json, data: &[u8]) -> Result<Tensor, String> {
    let name = entry["dtype"].as_str().ok_or("has no dtype")?;
    let found = DTYPES.into_iter().find(|(_, known)| *known == name);
    let (dtype, _) = found.ok_or_else(|| format!("is of type {name}, which no policy has"))?;
    let numbers = |key: &str| -> Result<Vec<usize>, String> {
        let list = entry[key].as_array().ok_or_else(|| format!("has no {key}"))?;
        let sizes = list.iter().map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok()));
        sizes.collect::<Option<Vec<_>>>().ok_or_else(|| format!("has {key} that are no sizes"))
    };
    let shape = numbers("shape")?;
    let [start, end] = numbers("data_offsets")?[..] else { return Err("has no two data_offsets".to_owned()) };
    let bytes =
        data.get(start..end).ok_or_else(|| format!("lies at {start}..{end} of {} bytes", data.len()))?;
    let elements = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
    if elements.and_then(|count| count.checked_mul(dtype.size())) != Some(bytes.len()) {
        return Err(format!("has shape {shape:?} of {name} and {} bytes", bytes.len()));
    }
    let strides = row_major(&shape);
    Tensor::view(dtype, shape, strides, 0, bytes.into())
}

/// The bytes of a file; equal content gives equal bytes.
pub(crate) fn to_bytes(tensors: &[(String, Tensor)], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut header = Map::new();
    let texts: Map<String, Json> =
        metadata.iter().map(|(key, text)| ((*key).to_owned(), Json::from(*text))).collect();
    header.insert(METADATA.to_owned(), texts.into());
    let mut data = Vec::new();
    for (name, tensor) in tensors {
        let start = data.len();
        data.extend(tensor.to_bytes());
        let (_, dtype) =
            DTYPES.into_iter().find(|(known, _)| *known == tensor.dtype()).expect("every type has a row");
        let entry =
            serde_json::json!({"dtype": dtype, "shape": tensor.shape(), "data_offsets": [start, data.len()]});
        header.insert(name.clone(), entry);
    }
    let mut header = Json::from(header).to_string().into_bytes();
    // The numbers begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}
