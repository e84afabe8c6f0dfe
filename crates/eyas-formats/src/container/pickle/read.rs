//! The interpreter of pickle opcodes.

use std::collections::HashMap;
use std::path::Path;

use crate::{DType, FormatError};

use super::Pickle;
use super::globals::{Global, acts};
use super::object::{Id, MAX_WEIGHT, Node, StorageRef};

/// Decodes the pickle at the start of `bytes`; what follows its STOP opcode is not looked at.
///
/// Understands the binary opcodes of protocols 2 to 5. Nothing is imported, called or constructed but the data types
/// of this crate: objects of other classes become their names, and a name that is there to be executed ends the
/// decoding.
pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Pickle, FormatError> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        nodes: Vec::new(),
        weight: 0,
    };
    loop {
        let start = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Pickle { nodes: machine.nodes, root, length: machine.at }),
            Err(Problem::Forbidden { module, name }) => {
                return Err(FormatError::ForbiddenGlobal { path: path.to_owned(), module, name });
            }
            Err(Problem::Malformed(problem)) => {
                return Err(FormatError::Pickle { path: path.to_owned(), offset: start, problem });
            }
        }
    }
}

/// An entry of the memo, with the room that a hash table keeps free: one byte of a pickle makes one.
const MEMO_WEIGHT: usize = 48;

enum Problem {
    Forbidden { module: String, name: String },
    Malformed(String),
}

impl From<String> for Problem {
    fn from(problem: String) -> Self {
        Self::Malformed(problem)
    }
}

impl From<&str> for Problem {
    fn from(problem: &str) -> Self {
        Self::Malformed(problem.to_owned())
    }
}

/// Python's pickle machine.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Id>,
    /// Stack heights at the open MARKs.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
    nodes: Vec<Node>,
    /// Bytes of all that was made: a call may copy a long list that the memo repeats.
    weight: usize,
}

impl<'a> Machine<'a> {
    /// Executes one opcode; the root once STOP is met.
    fn step(&mut self) -> Result<Option<Id>, Problem> {
        match self.byte()? {
            // PROTO, FRAME: versions differ only in opcodes, frames only in buffering.
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'.' => return self.pop().map(Some),
            b'(' => {
                self.weigh(size_of::<usize>())?;
                self.marks.push(self.stack.len());
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            opcode @ (b'J' | b'K' | b'M' | 0x8a | 0x8b | b'G') => self.number(opcode)?,
            opcode @ (b'X' | 0x8c | 0x8d | b'B' | b'C' | 0x8e) => self.text(opcode)?,
            opcode @ (b'q' | b'r' | 0x94 | b'h' | b'j') => self.memoize(opcode)?,
            opcode @ (b'}' | b']' | b')' | 0x8f | 0x91 | b't' | 0x85..=0x87) => self.container(opcode)?,
            opcode @ (b's' | b'u' | b'a' | b'e' | 0x90) => self.fill(opcode)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop_str()?, self.pop_str()?);
                self.global(module, name)?;
            }
            b'Q' => self.persistent()?,
            // NEWOBJ is `class(*arguments)` too, as far as data types go.
            b'R' | 0x81 => self.reduce()?,
            // NEWOBJ_EX: keyword arguments, which no data type here has.
            0x92 => {
                self.pop()?;
                self.reduce()?;
            }
            b'b' => self.build()?,
            opcode => return Err(format!("opcode {opcode:#04x} is not one that torch.save writes").into()),
        }
        Ok(None)
    }

    fn number(&mut self, opcode: u8) -> Result<(), Problem> {
        let node = match opcode {
            b'J' => Node::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'K' => Node::Int(i64::from(self.byte()?)),
            b'M' => Node::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'G' => Node::Float(f64::from_be_bytes(self.array()?)),
            _ => {
                let length = if opcode == 0x8a {
                    usize::from(self.byte()?)
                } else {
                    u32::from_le_bytes(self.array()?) as usize
                };
                // The state of a bit generator has 128 bits.
                signed(self.take(length)?).map_or_else(|| Node::Opaque("int".to_owned()), Node::Int)
            }
        };
        self.push(node)
    }

    fn text(&mut self, opcode: u8) -> Result<(), Problem> {
        let length = match opcode {
            0x8c | b'C' => usize::from(self.byte()?),
            b'X' | b'B' => u32::from_le_bytes(self.array()?) as usize,
            _ => usize::try_from(u64::from_le_bytes(self.array()?))
                .map_err(|_| "a string exceeds the memory")?,
        };
        let bytes = self.take(length)?;
        let node = if matches!(opcode, b'B' | b'C' | 0x8e) {
            Node::Bytes(bytes.to_vec())
        } else {
            Node::Str(str::from_utf8(bytes).map_err(|_| "a string is not UTF-8")?.to_owned())
        };
        self.push(node)
    }

    fn memoize(&mut self, opcode: u8) -> Result<(), Problem> {
        let index = match opcode {
            b'q' | b'h' => usize::from(self.byte()?),
            b'r' | b'j' => u32::from_le_bytes(self.array()?) as usize,
            _ => self.memo.len(),
        };
        if matches!(opcode, b'h' | b'j') {
            let id = *self.memo.get(&index).ok_or_else(|| format!("memo {index} was never stored"))?;
            self.weigh(size_of::<Id>())?;
            self.stack.push(id);
        } else {
            let top = *self.stack.last().ok_or("the stack is empty")?;
            self.weigh(MEMO_WEIGHT)?;
            self.memo.insert(index, top);
        }
        Ok(())
    }

    fn container(&mut self, opcode: u8) -> Result<(), Problem> {
        let node = match opcode {
            b'}' => Node::Dict { ordered: false, entries: Vec::new() },
            b']' | 0x8f => Node::List(Vec::new()),
            b')' => Node::Tuple(Vec::new()),
            b't' => Node::Tuple(self.pop_mark()?),
            0x91 => Node::List(self.pop_mark()?),
            _ => Node::Tuple(self.pop_many(usize::from(opcode - 0x84))?),
        };
        self.push(node)
    }

    /// SETITEM, SETITEMS, APPEND, APPENDS, ADDITEMS.
    fn fill(&mut self, opcode: u8) -> Result<(), Problem> {
        let items = match opcode {
            b's' => self.pop_many(2)?,
            b'a' => self.pop_many(1)?,
            _ => self.pop_mark()?,
        };
        let container = *self.stack.last().ok_or("the stack is empty")?;
        match (&mut self.nodes[container], opcode) {
            (Node::Dict { entries, .. }, b's' | b'u') if items.len() % 2 == 0 => {
                entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
            }
            (Node::List(list), b'a' | b'e' | 0x90) => list.extend(items),
            (Node::Opaque(_), _) => {}
            _ => return Err("items are added to something that is no fitting container".into()),
        }
        Ok(())
    }

    fn global(&mut self, module: String, name: String) -> Result<(), Problem> {
        match Global::lookup(&module, &name) {
            Some(global) => self.push(Node::Global(global)),
            None if acts(&module, &name) => Err(Problem::Forbidden { module, name }),
            None => self.push(Node::Opaque(format!("{module}.{name}"))),
        }
    }

    /// A storage: `("storage", class, key, device, elements)`; files before torch 1.6 add a view.
    fn persistent(&mut self) -> Result<(), Problem> {
        let id = self.pop()?;
        if let Some(class) = self.unknown_storage(id) {
            return self.push(Node::Opaque(class));
        }
        let storage = self.storage(id).ok_or("a persistent id is not one that torch.save writes")?;
        self.push(Node::Storage(storage))
    }

    /// The class of a storage whose elements are of a type that is not known here.
    fn unknown_storage(&self, id: Id) -> Option<String> {
        let Node::Tuple(parts) = &self.nodes[id] else { return None };
        match &self.nodes[*parts.get(1)?] {
            Node::Opaque(class) => Some(class.clone()),
            _ => None,
        }
    }

    fn storage(&self, id: Id) -> Option<StorageRef> {
        let Node::Tuple(parts) = &self.nodes[id] else { return None };
        let part = |index: usize| parts.get(index).map(|&part| &self.nodes[part]);
        if !matches!(part(5), None | Some(Node::None)) {
            return None; // a view into another storage; torch has not written one since 0.4
        }
        match (part(0)?, part(1)?, part(2)?, part(4)?) {
            (Node::Str(tag), Node::Global(Global::Storage(dtype)), Node::Str(key), &Node::Int(elements))
                if tag == "storage" =>
            {
                let elements = usize::try_from(elements).ok()?;
                Some(StorageRef { key: key.clone(), dtype: *dtype, elements })
            }
            _ => None,
        }
    }

    fn reduce(&mut self) -> Result<(), Problem> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let node = match (&self.nodes[callable], &self.nodes[arguments]) {
            (Node::Global(global), Node::Tuple(arguments)) => global.call(arguments, &self.nodes)?,
            // A module of TorchScript: its attributes follow.
            (Node::Opaque(name), Node::Tuple(_)) if name.starts_with("__torch__.") => {
                Node::Instance { class: name.clone(), attributes: Vec::new() }
            }
            (Node::Opaque(name), Node::Tuple(arguments)) => Node::Opaque(self.class_of(name, arguments)),
            _ => return Err("something that is no known function is called".into()),
        };
        self.push(node)
    }

    /// The class of what `name(*arguments)` makes: functions that rebuild an object take its class first.
    fn class_of(&self, name: &str, arguments: &[Id]) -> String {
        let rebuilds = name.rsplit('.').next().is_some_and(|function| function.starts_with('_'));
        match arguments.first().map(|&first| &self.nodes[first]) {
            Some(Node::Opaque(class)) if rebuilds => class.clone(),
            _ => name.to_owned(),
        }
    }

    /// Attributes: torch's `_metadata` of a state dict is of no use here, NumPy's byte order is.
    fn build(&mut self) -> Result<(), Problem> {
        let state = self.pop()?;
        let object = *self.stack.last().ok_or("the stack is empty")?;
        match (&self.nodes[object], &self.nodes[state]) {
            (Node::Opaque(class), Node::Tuple(state)) if class == "numpy.ndarray" => {
                if let Some(array) = array(state, &self.nodes) {
                    self.weigh(array.weight())?;
                    self.nodes[object] = array;
                }
                Ok(())
            }
            (Node::Instance { class, .. }, Node::Dict { entries, .. }) => {
                let (class, attributes) = (class.clone(), entries.clone());
                self.weigh(class.len() + size_of_val(&attributes[..]))?;
                self.nodes[object] = Node::Instance { class, attributes };
                Ok(())
            }
            (Node::Dict { ordered: true, .. } | Node::Tensor(_) | Node::Opaque(_), _) => Ok(()),
            (Node::NumpyDtype(_), Node::Tuple(state)) => {
                let order = state.get(1).map(|&order| &self.nodes[order]);
                if !matches!(order, Some(Node::Str(order)) if order != ">") {
                    self.nodes[object] = Node::Opaque("numpy.dtype".to_owned());
                }
                Ok(())
            }
            _ => Err("attributes are set on something that has none".into()),
        }
    }

    /// Counts bytes before they are taken.
    fn weigh(&mut self, bytes: usize) -> Result<(), Problem> {
        self.weight += bytes;
        if self.weight > MAX_WEIGHT {
            return Err(format!("its objects take more than {MAX_WEIGHT} bytes").into());
        }
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), Problem> {
        self.weigh(node.weight())?;
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
        Ok(())
    }

    /// Objects below the last MARK belong to an outer construct and cannot be popped.
    fn pop(&mut self) -> Result<Id, Problem> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("the stack is empty".into());
        }
        Ok(self.stack.pop().expect("the stack is above its floor"))
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, Problem> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= floor);
        Ok(self.stack.split_off(start.ok_or("the stack is empty")?))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Problem> {
        let mark = self.marks.pop().ok_or("no MARK is open")?;
        Ok(self.stack.split_off(mark))
    }

    fn pop_str(&mut self) -> Result<String, Problem> {
        let id = self.pop()?;
        if let Node::Str(text) = &self.nodes[id] {
            Ok(text.clone())
        } else {
            Err("a name is not a string".into())
        }
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        let rest = &self.bytes[self.at..];
        let taken =
            rest.get(..count).ok_or_else(|| format!("{count} bytes are needed, {} are left", rest.len()))?;
        self.at += count;
        Ok(taken)
    }

    fn line(&mut self) -> Result<String, Problem> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n').ok_or("a name has no end")?;
        let line = str::from_utf8(self.take(length + 1)?).map_err(|_| "a name is not UTF-8")?;
        Ok(line.trim_end_matches('\n').to_owned())
    }
}

/// The array of `(version, shape, dtype, is_fortran, bytes)`, if its numbers are ones that tensors have here.
fn array(state: &[Id], nodes: &[Node]) -> Option<Node> {
    let part = |index: usize| state.get(index).map(|&id| &nodes[id]);
    let (Node::Tuple(sizes), Node::NumpyDtype(name), Node::Bool(false), Node::Bytes(bytes)) =
        (part(1)?, part(2)?, part(3)?, part(4)?)
    else {
        return None;
    };
    let dtype = match name.as_str() {
        "f8" => DType::F64,
        "f4" => DType::F32,
        "i8" => DType::I64,
        "i4" => DType::I32,
        "u1" => DType::U8,
        "b1" => DType::Bool,
        _ => return None,
    };
    let size = |id: &Id| if let Node::Int(size) = nodes[*id] { usize::try_from(size).ok() } else { None };
    let shape = sizes.iter().map(size).collect::<Option<Vec<_>>>()?;
    let elements = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    let fits = elements.checked_mul(dtype.size()) == Some(bytes.len());
    fits.then(|| Node::Array { dtype, shape, bytes: bytes.clone() })
}

/// A little-endian two's complement integer of up to eight bytes.
fn signed(bytes: &[u8]) -> Option<i64> {
    let filler = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
    let mut extended = [filler; 8];
    extended.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(i64::from_le_bytes(extended))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte of a pickle used to take fifty of memory.
    #[test]
    fn small_opcodes_count() {
        for (begin, repeated) in [(&b"\x80\x04N"[..], b'\x94'), (b"\x80\x04N", b'(')] {
            let mut bytes = begin.to_vec();
            bytes.resize(bytes.len() + (20 << 20), repeated);
            bytes.push(b'.');
            let error = decode(&bytes, Path::new("bomb.pt")).unwrap_err();
            assert!(error.to_string().contains("take more than"), "{error}");
        }
    }
}
