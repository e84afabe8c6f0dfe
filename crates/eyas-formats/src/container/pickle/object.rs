//! The object graph that a pickle describes, and its conversion to values.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::container::tensor::row_major;
use crate::torchscript::CLASS;
use crate::{DType, FormatError, Tensor, Value};

use super::globals::Global;

/// Place of an object in the graph.
pub(crate) type Id = usize;

/// A storage as a pickle names it; its bytes lie elsewhere in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StorageRef {
    pub(crate) key: String,
    pub(crate) dtype: DType,
    /// Elements, of `dtype`.
    pub(crate) elements: usize,
}

/// A view of a storage, not checked yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TensorRef {
    pub(crate) storage: StorageRef,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// An object; containers refer to their items, because Python shares and later fills them.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict {
        ordered: bool,
        entries: Vec<(Id, Id)>,
    },
    Global(Global),
    NumpyDtype(String),
    Storage(StorageRef),
    Tensor(TensorRef),
    /// An object of a class that holds nothing but data: its attributes.
    Instance {
        class: String,
        attributes: Vec<(Id, Id)>,
    },
    /// An array of NumPy, row-major.
    Array {
        dtype: DType,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    },
    /// A class that is not known, or an object of it, by its Python name.
    Opaque(String),
}

impl Node {
    /// Bytes that the object takes, here or as a value, without its items.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>().max(size_of::<Value>())
            + match self {
                Self::Str(text) | Self::NumpyDtype(text) | Self::Opaque(text) => text.len(),
                Self::Bytes(bytes) => bytes.len(),
                Self::List(items) | Self::Tuple(items) => size_of_val(&items[..]),
                Self::Dict { entries, .. } => size_of_val(&entries[..]),
                Self::Instance { class, attributes } => class.len() + size_of_val(&attributes[..]),
                Self::Array { shape, bytes, .. } => size_of_val(&shape[..]) + bytes.len(),
                Self::Tensor(tensor) => 2 * size_of_val(&tensor.shape[..]),
                _ => 0,
            }
    }
}

/// Where the bytes of storages come from.
pub(crate) trait Storages {
    /// The bytes of a storage; at least `elements` of its type.
    fn bytes(&mut self, storage: &StorageRef) -> Result<Arc<[u8]>, FormatError>;
}

/// A decoded pickle.
#[derive(Debug)]
pub(crate) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Id,
    /// Bytes up to and including the STOP opcode.
    pub(crate) length: usize,
}

/// Deeper nesting than any checkpoint has; keeps the recursion within a small stack.
const MAX_DEPTH: usize = 64;

/// Most bytes of objects without tensors, both while decoding and in the result. A pickle may share one
/// list many times at each of many levels, so a few bytes can stand for an astronomical tree.
pub(super) const MAX_WEIGHT: usize = 128 << 20;

impl Pickle {
    /// Every storage that a tensor refers to.
    pub(crate) fn storages(&self) -> impl Iterator<Item = &StorageRef> {
        self.nodes
            .iter()
            .filter_map(|node| if let Node::Storage(storage) = node { Some(storage) } else { None })
    }

    /// Whether it is an object of a class that holds nothing but data.
    pub(crate) fn is_instance(&self) -> bool {
        matches!(self.nodes[self.root], Node::Instance { .. })
    }

    /// The object as a tree of values.
    pub(crate) fn into_value(self, storages: &mut dyn Storages, path: &Path) -> Result<Value, FormatError> {
        let mut builder =
            Builder { nodes: &self.nodes, storages, path, weight: 0, stored: HashMap::new(), spread: 0 };
        let value = builder.value(self.root, 0)?;
        builder.check_spread()?;
        Ok(value)
    }
}

struct Builder<'a> {
    nodes: &'a [Node],
    storages: &'a mut dyn Storages,
    path: &'a Path,
    weight: usize,
    /// Bytes of each storage that a tensor refers to.
    stored: HashMap<String, u64>,
    /// Bytes of all tensors, were each stored by itself.
    spread: u64,
}

/// Many tensors may share a storage or repeat an element, which takes no memory until they are read. Tied layers, a
/// target network and views of one buffer stay well below this.
const MAX_SPREAD: u64 = 16;
/// What tensors may take whatever is stored: one element may fill a bias.
const FREE_SPREAD: u64 = 16 << 20;

impl Builder<'_> {
    fn value(&mut self, id: Id, depth: usize) -> Result<Value, FormatError> {
        if depth > MAX_DEPTH {
            return Err(FormatError::damaged(
                self.path,
                format!("its objects nest deeper than {MAX_DEPTH} levels"),
            ));
        }
        // A copy of the reference, so that the node does not keep `self` borrowed.
        let nodes = self.nodes;
        let node = &nodes[id];
        self.weigh(node)?;
        Ok(match node {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::Int(*value),
            Node::Float(value) => Value::Float(*value),
            Node::Str(text) => Value::Str(text.clone()),
            Node::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Node::List(items) => Value::List(self.values(items, depth)?),
            Node::Tuple(items) => Value::Tuple(self.values(items, depth)?),
            Node::Dict { ordered, entries } => self.dict(*ordered, entries, depth)?,
            Node::Instance { class, attributes } => {
                let Value::Dict(mut entries) = self.dict(false, attributes, depth)? else {
                    unreachable!("a dict was asked for")
                };
                entries.insert(0, (CLASS.into(), class.as_str().into()));
                Value::Dict(entries)
            }
            Node::Array { dtype, shape, bytes } => {
                let strides = row_major(shape);
                let view = Tensor::view(*dtype, shape.clone(), strides, 0, bytes.as_slice().into());
                Value::Tensor(view.map_err(|problem| FormatError::damaged(self.path, problem))?)
            }
            Node::Global(Global::Dtype(dtype)) => Value::Str(format!("torch.{dtype}")),
            Node::Global(global) => Value::Str(format!("{global:?}")),
            Node::NumpyDtype(name) => Value::Str(name.clone()),
            Node::Storage(storage) => self.storage(storage)?,
            Node::Tensor(tensor) => Value::Tensor(self.tensor(tensor)?),
            Node::Opaque(name) => Value::Opaque(name.clone()),
        })
    }

    fn values(&mut self, items: &[Id], depth: usize) -> Result<Vec<Value>, FormatError> {
        items.iter().map(|&item| self.value(item, depth + 1)).collect()
    }

    fn dict(&mut self, ordered: bool, entries: &[(Id, Id)], depth: usize) -> Result<Value, FormatError> {
        let mut values = Vec::with_capacity(entries.len());
        for &(key, value) in entries {
            values.push((self.value(key, depth + 1)?, self.value(value, depth + 1)?));
        }
        Ok(if ordered { Value::OrderedDict(values) } else { Value::Dict(values) })
    }

    fn storage(&mut self, storage: &StorageRef) -> Result<Value, FormatError> {
        let whole = TensorRef {
            storage: storage.clone(),
            offset: 0,
            shape: vec![storage.elements],
            strides: vec![1],
        };
        self.tensor(&whole).map(Value::Tensor)
    }

    fn tensor(&mut self, tensor: &TensorRef) -> Result<Tensor, FormatError> {
        let bytes = self.storages.bytes(&tensor.storage)?;
        self.stored.insert(tensor.storage.key.clone(), bytes.len() as u64);
        let (dtype, shape, strides) = (tensor.storage.dtype, tensor.shape.clone(), tensor.strides.clone());
        let view = Tensor::view(dtype, shape, strides, tensor.offset, bytes)
            .map_err(|problem| FormatError::damaged(self.path, problem))?;
        self.spread = self.spread.saturating_add((view.num_elements() * dtype.size()) as u64);
        Ok(view)
    }

    /// Refuses tensors that would take far more memory than what is stored of them.
    fn check_spread(&self) -> Result<(), FormatError> {
        let limit = FREE_SPREAD.saturating_add(self.stored.values().sum::<u64>().saturating_mul(MAX_SPREAD));
        if self.spread <= limit {
            return Ok(());
        }
        let part = "what its tensors repeat of their storages".to_owned();
        Err(FormatError::TooLarge { path: self.path.to_owned(), part, found: self.spread, limit })
    }

    /// Counts what the value will take before it is made.
    fn weigh(&mut self, node: &Node) -> Result<(), FormatError> {
        self.weight += node.weight();
        if self.weight > MAX_WEIGHT {
            return Err(FormatError::TooLarge {
                path: self.path.to_owned(),
                part: "its object tree".to_owned(),
                found: self.weight as u64,
                limit: MAX_WEIGHT as u64,
            });
        }
        Ok(())
    }
}
