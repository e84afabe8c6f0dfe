//! Typed defaults to a tree of nodes.

use indexmap::IndexMap;
use serde::ser::{self, Error as _, Serialize};

use super::node::{Form, Node};
use super::origin::Origin;
use super::value::Value;

/// Why defaults cannot become a configuration tree.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SerializeError(String);

impl ser::Error for SerializeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Serialises `value`, marking options as optional and maps as open.
pub(crate) fn to_node(value: &(impl Serialize + ?Sized)) -> Result<Node, SerializeError> {
    value.serialize(NodeSerializer)
}

#[derive(Clone, Copy)]
struct NodeSerializer;

fn leaf(value: impl Into<Value>) -> Node {
    let mut node = Node::leaf(value.into(), Origin::Default);
    node.optional = false;
    node
}

fn null() -> Node {
    Node::leaf(Value::Null, Origin::Default)
}

macro_rules! leaves {
    ($($method:ident: $scalar:ty),* $(,)?) => {$(
        fn $method(self, value: $scalar) -> Result<Node, SerializeError> {
            Ok(leaf(value))
        }
    )*};
}

impl ser::Serializer for NodeSerializer {
    type Ok = Node;
    type Error = SerializeError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    leaves! {
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_f32: f32, serialize_f64: f64, serialize_str: &str,
    }

    fn serialize_char(self, value: char) -> Result<Node, SerializeError> {
        Ok(leaf(value.to_string()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Node, SerializeError> {
        Ok(leaf(value.to_vec()))
    }

    fn serialize_none(self) -> Result<Node, SerializeError> {
        Ok(null())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Node, SerializeError> {
        let mut node = to_node(value)?;
        node.optional = true;
        Ok(node)
    }

    fn serialize_unit(self) -> Result<Node, SerializeError> {
        Ok(null())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Node, SerializeError> {
        Ok(null())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Node, SerializeError> {
        Ok(Node::choice(variant.into(), Origin::Default))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Node, SerializeError> {
        to_node(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Node, SerializeError> {
        Ok(variant_table(variant, to_node(value)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, SerializeError> {
        Ok(Items::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, SerializeError> {
        Ok(Items::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, SerializeError> {
        Ok(Items::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, SerializeError> {
        Ok(Items { variant: Some(variant), ..Items::default() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, SerializeError> {
        Ok(Entries { open: true, ..Entries::default() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, SerializeError> {
        Ok(Entries::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, SerializeError> {
        Ok(Entries { variant: Some(variant), ..Entries::default() })
    }
}

fn variant_table(variant: &str, content: Node) -> Node {
    Node::table(IndexMap::from([(variant.to_owned(), content)]), Form::Choice, Origin::Default)
}

#[derive(Default)]
struct Items {
    variant: Option<&'static str>,
    values: Vec<Value>,
}

impl Items {
    fn push(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), SerializeError> {
        self.values.push(to_node(value)?.to_value());
        Ok(())
    }

    fn finish(self) -> Node {
        let list = leaf(self.values);
        match self.variant {
            Some(variant) => variant_table(variant, list),
            None => list,
        }
    }
}

#[derive(Default)]
struct Entries {
    variant: Option<&'static str>,
    open: bool,
    key: Option<String>,
    nodes: IndexMap<String, Node>,
}

impl Entries {
    fn push(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), SerializeError> {
        // A dot inside a key could never be addressed by an override.
        if key.contains('.') {
            return Err(SerializeError(format!("key `{key}` contains a dot")));
        }
        self.nodes.insert(key.to_owned(), to_node(value)?);
        Ok(())
    }

    fn finish(self) -> Node {
        let form = if self.open { Form::Open } else { Form::Closed };
        let table = Node::table(self.nodes, form, Origin::Default);
        match self.variant {
            Some(variant) => variant_table(variant, table),
            None => table,
        }
    }
}

macro_rules! sequences {
    ($($compound:ident::$method:ident),* $(,)?) => {$(
        impl ser::$compound for Items {
            type Ok = Node;
            type Error = SerializeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
                self.push(value)
            }

            fn end(self) -> Result<Node, SerializeError> {
                Ok(self.finish())
            }
        }
    )*};
}

sequences! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! structs {
    ($($compound:ident),* $(,)?) => {$(
        impl ser::$compound for Entries {
            type Ok = Node;
            type Error = SerializeError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), SerializeError> {
                self.push(key, value)
            }

            fn end(self) -> Result<Node, SerializeError> {
                Ok(self.finish())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Entries {
    type Ok = Node;
    type Error = SerializeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerializeError> {
        self.key = Some(match to_node(key)?.to_value() {
            Value::String(text) => text,
            Value::Int(int) => int.to_string(),
            other => return Err(SerializeError(format!("a map key is {}", other.describe()))),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        let key = self.key.take().ok_or_else(|| SerializeError::custom("a map value without a key"))?;
        self.push(&key, value)
    }

    fn end(self) -> Result<Node, SerializeError> {
        Ok(self.finish())
    }
}

impl Serialize for Value {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => serializer.serialize_i64(value),
                (_, Ok(value)) => serializer.serialize_u64(value),
                _ => Err(S::Error::custom(format!("integer {value} has more than 64 bits"))),
            },
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Table(table) => serializer.collect_map(table),
        }
    }
}
