//! The writer: protocol 2, as `torch.save` writes it, without memo.

use crate::container::tensor::row_major;
use crate::{Tensor, Value};

/// Encodes `value`; returns the pickle and the tensors in the order of their storage keys `0`, `1`, ….
///
/// Strings and classes are written out each time: the memo that Python keeps saves a few kilobytes
/// and no reader needs it.
pub(crate) fn encode(value: &Value) -> (Vec<u8>, Vec<Tensor>) {
    let mut writer = Writer { bytes: vec![0x80, 2], tensors: Vec::new() };
    writer.value(value);
    writer.bytes.push(b'.');
    (writer.bytes, writer.tensors)
}

/// A module of TorchScript, as an object of a class whose code lies elsewhere.
pub(crate) struct Module {
    pub(crate) class: String,
    pub(crate) attributes: Vec<(String, Attribute)>,
}

/// What a module holds.
pub(crate) enum Attribute {
    Value(Value),
    Module(Module),
}

impl From<Value> for Attribute {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

/// Encodes the modules as `torch.jit.save` does; tensors as [`encode`].
pub(crate) fn encode_module(module: &Module) -> (Vec<u8>, Vec<Tensor>) {
    let mut writer = Writer { bytes: vec![0x80, 2], tensors: Vec::new() };
    writer.module(module);
    writer.bytes.push(b'.');
    (writer.bytes, writer.tensors)
}

struct Writer {
    bytes: Vec<u8>,
    tensors: Vec<Tensor>,
}

impl Writer {
    fn value(&mut self, value: &Value) {
        match value {
            Value::None => self.bytes.push(b'N'),
            Value::Bool(value) => self.bytes.push(if *value { 0x88 } else { 0x89 }),
            Value::Int(value) => self.int(*value),
            Value::Float(value) => {
                self.bytes.push(b'G');
                self.bytes.extend(value.to_be_bytes());
            }
            Value::Str(text) | Value::Opaque(text) => self.text(text),
            Value::Bytes(bytes) => self.latin1(bytes),
            Value::List(items) => {
                self.bytes.extend(b"](");
                self.values(items);
                self.bytes.push(b'e');
            }
            Value::Tuple(items) => self.tuple(items),
            Value::Dict(entries) => {
                self.bytes.push(b'}');
                self.entries(entries);
            }
            Value::OrderedDict(entries) => {
                self.empty_ordered_dict();
                self.entries(entries);
            }
            Value::Tensor(tensor) => self.tensor(tensor),
        }
    }

    fn module(&mut self, module: &Module) {
        let (package, name) = module.class.rsplit_once('.').unwrap_or(("__torch__", &module.class));
        self.bytes.extend(format!("c{package}\n{name}\n)").bytes());
        // NEWOBJ, and a dict of attributes that BUILD sets.
        self.bytes.extend([0x81, b'}', b'(']);
        for (name, attribute) in &module.attributes {
            self.text(name);
            match attribute {
                Attribute::Value(value) => self.value(value),
                Attribute::Module(module) => self.module(module),
            }
        }
        self.bytes.extend(b"ub");
    }

    fn int(&mut self, value: i64) {
        if let Ok(byte) = u8::try_from(value) {
            self.bytes.extend([b'K', byte]);
        } else if let Ok(short) = i32::try_from(value) {
            self.bytes.push(b'J');
            self.bytes.extend(short.to_le_bytes());
        } else {
            self.bytes.extend([0x8a, 8]);
            self.bytes.extend(value.to_le_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        let length = u32::try_from(text.len()).expect("text in a checkpoint is shorter than 4 GiB");
        self.bytes.push(b'X');
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    /// Protocol 2 has no bytes; Python writes a call that encodes a string.
    fn latin1(&mut self, bytes: &[u8]) {
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        self.bytes.extend(b"c_codecs\nencode\n(");
        self.text(&text);
        self.text("latin1");
        self.bytes.extend(b"tR");
    }

    fn tuple(&mut self, items: &[Value]) {
        if items.is_empty() {
            self.bytes.push(b')');
            return;
        }
        self.bytes.push(b'(');
        self.values(items);
        self.bytes.push(b't');
    }

    fn values(&mut self, items: &[Value]) {
        for item in items {
            self.value(item);
        }
    }

    fn entries(&mut self, entries: &[(Value, Value)]) {
        self.bytes.push(b'(');
        for (key, value) in entries {
            self.value(key);
            self.value(value);
        }
        self.bytes.push(b'u');
    }

    fn empty_ordered_dict(&mut self) {
        self.bytes.extend(b"ccollections\nOrderedDict\n)R");
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks)`.
    fn tensor(&mut self, tensor: &Tensor) {
        self.bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage");
        self.bytes.extend(format!("ctorch\n{}\n", tensor.dtype().storage_class()).bytes());
        self.text(&self.tensors.len().to_string());
        self.text("cpu");
        self.int(tensor.num_elements() as i64);
        self.bytes.extend(b"tQ");
        self.int(0);
        self.sizes(tensor.shape());
        self.sizes(&row_major(tensor.shape()));
        self.bytes.push(0x89);
        self.empty_ordered_dict();
        self.bytes.extend(b"tR");
        self.tensors.push(tensor.clone());
    }

    fn sizes(&mut self, sizes: &[usize]) {
        let sizes: Vec<Value> = sizes.iter().map(|&size| Value::Int(size as i64)).collect();
        self.tuple(&sizes);
    }
}
