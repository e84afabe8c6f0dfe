//! The messages of an ONNX file, as far as a policy has them.
//!
//! Source: `onnx.proto` of github.com/onnx/onnx; numbers of fields are its.

use crate::container::protobuf::{Field, Message, each_field};

/// A file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) ir_version: i64,
    pub(crate) producer: String,
    pub(crate) producer_version: String,
    /// Version of the operators without a domain.
    pub(crate) opset: i64,
    pub(crate) graph: Graph,
    pub(crate) metadata: Vec<(String, String)>,
    /// Functions of its own, which are not read.
    pub(crate) functions: usize,
}

/// Operations in an order in which they can be computed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Graph {
    pub(crate) name: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initializers: Vec<(String, Numbers)>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

/// An operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) operator: String,
    pub(crate) domain: String,
    /// Empty: an optional input that is not given.
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) attributes: Vec<(String, Attribute)>,
}

/// An attribute of an operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Numbers),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    /// A graph within, or what a later version adds.
    Other,
}

/// An input or output of the graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Port {
    pub(crate) name: String,
    /// Sizes; a name where the size is free, `?` where nothing is said.
    pub(crate) shape: Vec<Size>,
}

/// A size of a port.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Size {
    Fixed(usize),
    Free(String),
}

/// Numbers of any type: integers and floats of every width are exact as `f64` up to 2⁵³, beyond any shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Numbers {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f64>,
    /// Division of integers truncates.
    pub(crate) integer: bool,
}

/// A tensor's numbers in another file: name, offset, bytes.
pub(crate) type External<'a> = (&'a str, u64, Option<u64>);

/// Most elements of one tensor that a file holds.
const MAX_ELEMENTS: usize = 1 << 26;

/// Most elements that one operation makes: a GRU of a thousand units has three million weights. A few bytes can ask for
/// any number of zeros.
pub(crate) const MAX_COMPUTED: usize = 1 << 22;

const FLOAT: i64 = 1;
const INT64: i64 = 7;

impl Numbers {
    pub(crate) fn new(shape: Vec<usize>, values: Vec<f64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        Self { shape, values, integer: false }
    }

    pub(crate) fn f32(shape: &[usize], values: &[f32]) -> Self {
        Self::new(shape.to_vec(), values.iter().map(|&value| f64::from(value)).collect())
    }

    pub(crate) fn ints(values: &[i64]) -> Self {
        let numbers = values.iter().map(|&value| value as f64).collect();
        Self { shape: vec![values.len()], values: numbers, integer: true }
    }

    pub(crate) fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }

    /// The only element.
    pub(crate) fn single(&self) -> Option<f64> {
        if let [value] = self.values[..] { Some(value) } else { None }
    }
}

impl Node {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        if let Some(Attribute::Int(value)) = self.attribute(name) { *value } else { default }
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> f64 {
        f64::from(if let Some(Attribute::Float(value)) = self.attribute(name) { *value } else { default })
    }

    pub(crate) fn text(&self, name: &str, default: &'static str) -> &str {
        if let Some(Attribute::Text(value)) = self.attribute(name) { value } else { default }
    }

    pub(crate) fn ints(&self, name: &str) -> Option<&[i64]> {
        if let Some(Attribute::Ints(values)) = self.attribute(name) { Some(values) } else { None }
    }

    /// An input that is given.
    pub(crate) fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }
}

impl Graph {
    pub(crate) fn initializer(&self, name: &str) -> Option<&Numbers> {
        self.initializers.iter().find(|(known, _)| known == name).map(|(_, numbers)| numbers)
    }

    pub(crate) fn producer(&self, value: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.outputs.iter().any(|output| output == value))
    }
}

impl Model {
    /// Decodes a file; `external` gives the bytes of tensors that lie in other files.
    pub(crate) fn decode(
        bytes: &[u8],
        external: &mut dyn FnMut(External<'_>) -> Result<Vec<u8>, String>,
    ) -> Result<Self, String> {
        let mut model = Self::default();
        each_field(bytes, |number, field| {
            match number {
                1 => model.ir_version = field.int()?,
                2 => model.producer = field.text()?,
                3 => model.producer_version = field.text()?,
                7 => model.graph = graph(field.bytes()?, external)?,
                8 => {
                    let (mut domain, mut version) = (String::new(), 0);
                    each_field(field.bytes()?, |number, field| {
                        match number {
                            1 => domain = field.text()?,
                            2 => version = field.int()?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    if domain.is_empty() || domain == "ai.onnx" {
                        model.opset = version;
                    }
                }
                14 => model.metadata.push(pair(field.bytes()?)?),
                25 => model.functions += 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(model)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut message = Message::default();
        message.int(1, self.ir_version).text(2, &self.producer).text(3, &self.producer_version);
        message.message(7, &self.graph.encode());
        let mut opset = Message::default();
        opset.text(1, "").int(2, self.opset);
        message.message(8, &opset);
        for (key, value) in &self.metadata {
            let mut pair = Message::default();
            pair.text(1, key).text(2, value);
            message.message(14, &pair);
        }
        message.into_bytes()
    }
}

fn pair(message: &[u8]) -> Result<(String, String), String> {
    let mut pair = (String::new(), String::new());
    each_field(message, |number, field| {
        match number {
            1 => pair.0 = field.text()?,
            2 => pair.1 = field.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(pair)
}

fn graph(
    message: &[u8],
    external: &mut dyn FnMut(External<'_>) -> Result<Vec<u8>, String>,
) -> Result<Graph, String> {
    let mut graph = Graph::default();
    each_field(message, |number, field| {
        match number {
            1 => graph.nodes.push(node(field.bytes()?, external)?),
            2 => graph.name = field.text()?,
            5 => graph.initializers.push(tensor(field.bytes()?, external)?),
            11 => graph.inputs.push(port(field.bytes()?)?),
            12 => graph.outputs.push(port(field.bytes()?)?),
            15 => return Err("it holds sparse tensors".to_owned()),
            _ => {}
        }
        Ok(())
    })?;
    // Before version 4 of the format, what is initialised is an input too.
    let initialized: Vec<String> = graph.initializers.iter().map(|(name, _)| name.clone()).collect();
    graph.inputs.retain(|input| !initialized.contains(&input.name));
    Ok(graph)
}

fn node(
    message: &[u8],
    external: &mut dyn FnMut(External<'_>) -> Result<Vec<u8>, String>,
) -> Result<Node, String> {
    let mut node = Node::default();
    each_field(message, |number, field| {
        match number {
            1 => node.inputs.push(field.text()?),
            2 => node.outputs.push(field.text()?),
            3 => node.name = field.text()?,
            4 => node.operator = field.text()?,
            5 => node.attributes.push(attribute(field.bytes()?, external)?),
            7 => node.domain = field.text()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(node)
}

fn attribute(
    message: &[u8],
    external: &mut dyn FnMut(External<'_>) -> Result<Vec<u8>, String>,
) -> Result<(String, Attribute), String> {
    let (mut name, mut kind, mut values) = (String::new(), 0, Attribute::Other);
    let (mut floats, mut ints, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    each_field(message, |number, field| {
        match (number, field) {
            (1, _) => name = field.text()?,
            (2, Field::Fixed32(bytes)) => values = Attribute::Float(f32::from_le_bytes(bytes)),
            (3, _) => values = Attribute::Int(field.int()?),
            (4, _) => values = Attribute::Text(String::from_utf8_lossy(field.bytes()?).into_owned()),
            (5, _) => values = Attribute::Tensor(tensor(field.bytes()?, external)?.1),
            (7, _) => field.floats(&mut floats)?,
            (8, _) => field.ints(&mut ints)?,
            (9, _) => texts.push(String::from_utf8_lossy(field.bytes()?).into_owned()),
            (20, _) => kind = field.int()?,
            _ => {}
        }
        Ok(())
    })?;
    let value = match kind {
        // A value of zero is not written.
        1 if values == Attribute::Other => Attribute::Float(0.0),
        2 if values == Attribute::Other => Attribute::Int(0),
        3 if values == Attribute::Other => Attribute::Text(String::new()),
        6 => Attribute::Floats(floats),
        7 => Attribute::Ints(ints),
        8 => Attribute::Texts(texts),
        _ => values,
    };
    Ok((name, value))
}

fn port(message: &[u8]) -> Result<Port, String> {
    let mut port = Port::default();
    each_field(message, |number, field| {
        match number {
            1 => port.name = field.text()?,
            // The type, in it the tensor type, in it the shape, in it the sizes.
            2 => each_field(field.bytes()?, |number, field| match number {
                1 => each_field(field.bytes()?, |number, field| match number {
                    2 => each_field(field.bytes()?, |number, field| {
                        if number == 1 {
                            port.shape.push(size(field.bytes()?)?);
                        }
                        Ok(())
                    }),
                    _ => Ok(()),
                }),
                _ => Ok(()),
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(port)
}

fn size(message: &[u8]) -> Result<Size, String> {
    let mut size = Size::Free("?".to_owned());
    each_field(message, |number, field| {
        match number {
            1 => size = Size::Fixed(usize::try_from(field.int()?).map_err(|_| "a size is negative")?),
            2 => size = Size::Free(field.text()?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(size)
}

/// A tensor as it stands in the file.
#[derive(Default)]
struct Stored<'a> {
    name: String,
    dims: Vec<i64>,
    kind: i64,
    raw: Option<&'a [u8]>,
    numbers: Vec<f64>,
    location: Vec<(String, String)>,
    elsewhere: bool,
}

fn tensor(
    message: &[u8],
    external: &mut dyn FnMut(External<'_>) -> Result<Vec<u8>, String>,
) -> Result<(String, Numbers), String> {
    let mut stored = Stored::default();
    each_field(message, |number, field| {
        match number {
            1 => field.ints(&mut stored.dims)?,
            2 => stored.kind = field.int()?,
            4 => {
                let mut floats = Vec::new();
                field.floats(&mut floats)?;
                stored.numbers.extend(floats.into_iter().map(f64::from));
            }
            5 | 7 | 11 => {
                let mut ints = Vec::new();
                field.ints(&mut ints)?;
                stored.numbers.extend(ints.into_iter().map(|value| value as f64));
            }
            8 => stored.name = field.text()?,
            9 => stored.raw = Some(field.bytes()?),
            10 => field.doubles(&mut stored.numbers)?,
            13 => stored.location.push(pair(field.bytes()?)?),
            14 => stored.elsewhere = field.int()? == 1,
            _ => {}
        }
        Ok(())
    })?;
    let name = stored.name.clone();
    let numbers = stored.numbers(external).map_err(|problem| format!("tensor `{name}` {problem}"))?;
    Ok((name, numbers))
}

impl Stored<'_> {
    fn numbers(
        self,
        external: &mut dyn FnMut(External<'_>) -> Result<Vec<u8>, String>,
    ) -> Result<Numbers, String> {
        let sizes = self.dims.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<Vec<_>>>();
        let shape = sizes.ok_or("has a negative size")?;
        let elements = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        let elements = elements
            .filter(|&count| count <= MAX_ELEMENTS)
            .ok_or_else(|| format!("has shape {shape:?}, more than {MAX_ELEMENTS} elements"))?;
        let width = width(self.kind).ok_or_else(|| format!("is of type {}, not a number", self.kind))?;
        let values = if self.elsewhere {
            let part =
                |key: &str| self.location.iter().find(|(known, _)| known == key).map(|(_, value)| value);
            let file = part("location").ok_or("lies in another file that is not named")?.as_str();
            let number = |key: &str| part(key).map(|text| text.parse::<u64>()).transpose();
            let offset = number("offset").map_err(|_| "has an offset that is no number")?.unwrap_or(0);
            let length = number("length").map_err(|_| "has a length that is no number")?;
            from_raw(self.kind, width, &external((file, offset, length.or(Some((elements * width) as u64))))?)
        } else if let Some(raw) = self.raw {
            from_raw(self.kind, width, raw)
        } else {
            match self.kind {
                10 | 16 => self.numbers.iter().map(|&bits| half(self.kind, bits as u16)).collect(),
                _ => self.numbers,
            }
        };
        if values.len() != elements {
            return Err(format!("has shape {shape:?} and {} elements", values.len()));
        }
        Ok(Numbers { shape, values, integer: !matches!(self.kind, FLOAT | 10 | 11 | 16) })
    }
}

/// Bytes of an element of that type.
fn width(kind: i64) -> Option<usize> {
    Some(match kind {
        2 | 3 | 9 => 1,
        4 | 5 | 10 | 16 => 2,
        FLOAT | 6 | 12 => 4,
        INT64 | 11 | 13 => 8,
        _ => return None,
    })
}

fn from_raw(kind: i64, width: usize, raw: &[u8]) -> Vec<f64> {
    fn all<const N: usize>(raw: &[u8], convert: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.as_chunks().0.iter().map(|chunk| convert(*chunk)).collect()
    }
    match (kind, width) {
        (FLOAT, _) => all(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
        (11, _) => all(raw, f64::from_le_bytes),
        (10 | 16, _) => all(raw, |bytes| half(kind, u16::from_le_bytes(bytes))),
        (3, _) => all(raw, |bytes| f64::from(i8::from_le_bytes(bytes))),
        (5, _) => all(raw, |bytes| f64::from(i16::from_le_bytes(bytes))),
        (4, _) => all(raw, |bytes| f64::from(u16::from_le_bytes(bytes))),
        (6, _) => all(raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
        (12, _) => all(raw, |bytes| f64::from(u32::from_le_bytes(bytes))),
        (INT64, _) => all(raw, |bytes| i64::from_le_bytes(bytes) as f64),
        (13, _) => all(raw, |bytes| u64::from_le_bytes(bytes) as f64),
        _ => all(raw, |[byte]| f64::from(byte)),
    }
}

/// IEEE half precision, or bfloat16.
fn half(kind: i64, bits: u16) -> f64 {
    if kind == 16 {
        f64::from(f32::from_bits(u32::from(bits) << 16))
    } else {
        f64::from(crate::container::tensor::f16_to_f32(bits))
    }
}

impl Graph {
    fn encode(&self) -> Message {
        let mut message = Message::default();
        for node in &self.nodes {
            message.message(1, &node.encode());
        }
        message.text(2, &self.name);
        for (name, numbers) in &self.initializers {
            message.message(5, &numbers.encode(name));
        }
        for (field, ports) in [(11, &self.inputs), (12, &self.outputs)] {
            for port in ports {
                message.message(field, &port.encode());
            }
        }
        message
    }
}

impl Node {
    fn encode(&self) -> Message {
        let mut message = Message::default();
        for input in &self.inputs {
            message.text(1, input);
        }
        for output in &self.outputs {
            message.text(2, output);
        }
        message.text(3, &self.name).text(4, &self.operator);
        for (name, attribute) in &self.attributes {
            message.message(5, &attribute.encode(name));
        }
        message
    }
}

impl Attribute {
    fn encode(&self, name: &str) -> Message {
        let mut message = Message::default();
        message.text(1, name);
        let kind = match self {
            Self::Float(value) => {
                message.float(2, *value);
                1
            }
            Self::Int(value) => {
                message.int(3, *value);
                2
            }
            Self::Text(value) => {
                message.text(4, value);
                3
            }
            Self::Tensor(numbers) => {
                message.message(5, &numbers.encode(""));
                4
            }
            Self::Floats(values) => {
                for &value in values {
                    message.float(7, value);
                }
                6
            }
            Self::Ints(values) => {
                for &value in values {
                    message.int(8, value);
                }
                7
            }
            Self::Texts(values) => {
                for value in values {
                    message.text(9, value);
                }
                8
            }
            Self::Other => 0,
        };
        message.int(20, kind);
        message
    }
}

impl Port {
    fn encode(&self) -> Message {
        let (mut shape, mut tensor, mut kind, mut port) =
            (Message::default(), Message::default(), Message::default(), Message::default());
        for size in &self.shape {
            let mut dimension = Message::default();
            match size {
                Size::Fixed(size) => dimension.int(1, *size as i64),
                Size::Free(name) => dimension.text(2, name),
            };
            shape.message(1, &dimension);
        }
        tensor.int(1, FLOAT).message(2, &shape);
        kind.message(1, &tensor);
        port.text(1, &self.name).message(2, &kind);
        port
    }
}

impl Numbers {
    fn encode(&self, name: &str) -> Message {
        let mut message = Message::default();
        for &size in &self.shape {
            message.int(1, size as i64);
        }
        message.int(2, if self.integer { INT64 } else { FLOAT });
        message.text(8, name);
        let raw: Vec<u8> = if self.integer {
            self.values.iter().flat_map(|&value| (value as i64).to_le_bytes()).collect()
        } else {
            self.values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect()
        };
        message.bytes(9, &raw);
        message
    }
}
