//! The plain Python objects a checkpoint is made of.

use crate::Tensor;

/// A Python object as a checkpoint holds it: data only, never code.
///
/// # Examples
///
/// ```
/// use eyas_formats::{Tensor, Value};
///
/// let weights = Value::ordered_dict([("0.bias", Tensor::from_f32(&[1], &[0.5]))]);
/// let root = Value::dict([("epoch", Value::from(3)), ("model_state_dict", weights)]);
/// assert_eq!(root.get("epoch").and_then(Value::as_i64), Some(3));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float; NumPy's scalars too.
    Float(f64),
    /// A string; torch's devices and types too.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list; sets, frozen or not, too.
    List(Vec<Value>),
    /// A tuple; `torch.Size` too.
    Tuple(Vec<Value>),
    /// A dict in insertion order.
    Dict(Vec<(Value, Value)>),
    /// A `collections.OrderedDict`, which torch uses for state dicts.
    OrderedDict(Vec<(Value, Value)>),
    /// A tensor.
    Tensor(Tensor),
    /// An object of a class that is not known here, by its Python name: its content was not looked at. Writing it
    /// writes the name.
    Opaque(String),
}

impl Value {
    /// As Python's `pickle` writes it, protocol 2; `None` if it holds a tensor, whose numbers lie in another file.
    #[must_use]
    pub fn to_pickle(&self) -> Option<Vec<u8>> {
        let (bytes, tensors) = super::pickle::encode(self);
        tensors.is_empty().then_some(bytes)
    }

    /// A dict with string keys.
    pub fn dict<K: Into<String>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Dict(string_keys(entries))
    }

    /// An `OrderedDict` with string keys, which is what torch writes for a state dict.
    pub fn ordered_dict<K: Into<String>, V: Into<Value>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::OrderedDict(string_keys(entries))
    }

    /// The value under a string key of a dict.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.entries()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The pairs of a dict of either kind.
    #[must_use]
    pub fn entries(&self) -> Option<&[(Value, Value)]> {
        match self {
            Self::Dict(entries) | Self::OrderedDict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    #[must_use]
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// An integer, also from an integer tensor with one element.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Tensor(tensor) if tensor.num_elements() == 1 => tensor.to_i64().map(|values| values[0]),
            _ => None,
        }
    }

    /// A number, also from a tensor with one element.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Int(value) => Some(*value as f64),
            Self::Tensor(tensor) if tensor.num_elements() == 1 => Some(tensor.to_f64()[0]),
            _ => None,
        }
    }

    /// A string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// A tensor.
    #[must_use]
    pub fn as_tensor(&self) -> Option<&Tensor> {
        if let Self::Tensor(tensor) = self { Some(tensor) } else { None }
    }

    /// What Python calls the type, with its article.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "an int",
            Self::Float(_) => "a float",
            Self::Str(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dict",
            Self::OrderedDict(_) => "an OrderedDict",
            Self::Tensor(_) => "a tensor",
            Self::Opaque(_) => "an object",
        }
    }
}

fn string_keys<K: Into<String>, V: Into<Value>>(
    entries: impl IntoIterator<Item = (K, V)>,
) -> Vec<(Value, Value)> {
    entries.into_iter().map(|(key, value)| (Value::Str(key.into()), value.into())).collect()
}

macro_rules! value_from {
    ($($source:ty => $variant:ident),* $(,)?) => {
        $(impl From<$source> for Value {
            fn from(value: $source) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

value_from! {
    bool => Bool,
    i32 => Int,
    u32 => Int,
    i64 => Int,
    f32 => Float,
    f64 => Float,
    &str => Str,
    String => Str,
    Vec<Value> => List,
    Tensor => Tensor,
}
