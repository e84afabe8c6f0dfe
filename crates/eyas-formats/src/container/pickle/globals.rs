//! The Python names a pickle may mention, and what calling each one yields.

use crate::DType;

use super::object::{Id, Node, StorageRef, TensorRef};

/// What stands in a pickle for a Python name. Each is data to this crate; none is ever run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Device,
    Storage(DType),
    Dtype(DType),
    NumpyScalar,
    NumpyDtype,
    /// Protocol 2 writes bytes as `_codecs.encode(text, "latin1")`.
    Encode,
    Set,
    /// `_reconstruct(ndarray, (0,), b"b")`: what the array holds is set afterwards.
    NumpyArray,
    /// A class of Stable-Baselines3 that holds nothing but data.
    Data,
}

/// Modules whose functions act on the machine. No object of a run comes from them: a file that names one was made
/// to be executed, and is refused as a whole although nothing here would run it.
const ACTING: [&str; 16] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "pty",
    "shutil",
    "socket",
    "ctypes",
    "importlib",
    "runpy",
    "webbrowser",
    "pickle",
    "_pickle",
    "code",
    "torch.hub",
];

/// What stands for the classes in `builtins`, as Python 2 and 3 call it.
const BUILTINS: [&str; 2] = ["builtins", "__builtin__"];

/// Types among the built-in names; the others are functions.
const TYPES: [&str; 10] =
    ["bytearray", "bytes", "complex", "dict", "float", "int", "list", "object", "slice", "tuple"];

/// Whether a name is there to be executed rather than to hold data.
pub(super) fn acts(module: &str, name: &str) -> bool {
    let top = module.split('.').next().unwrap_or(module);
    ACTING.contains(&module)
        || ACTING.contains(&top)
        || (BUILTINS.contains(&module) && !TYPES.contains(&name))
        || (module, name) == ("torch", "load")
}

impl Global {
    /// The meaning of `module.name`, or `None` for everything that is not on the list.
    pub(crate) fn lookup(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "Size") => Self::Size,
            ("torch", "device") => Self::Device,
            ("torch.storage", "UntypedStorage" | "_UntypedStorage") => Self::Storage(DType::U8),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::NumpyScalar,
            ("numpy", "dtype") => Self::NumpyDtype,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Self::NumpyArray,
            ("stable_baselines3.common.vec_env.vec_normalize", "VecNormalize")
            | ("stable_baselines3.common.running_mean_std", "RunningMeanStd") => Self::Data,
            ("_codecs", "encode") => Self::Encode,
            ("builtins" | "__builtin__", "set" | "frozenset") => Self::Set,
            ("torch" | "torch.cuda", storage) if storage.ends_with("Storage") => {
                Self::Storage(DType::from_storage_class(storage)?)
            }
            ("torch", dtype) => Self::Dtype(DType::from_torch_name(dtype)?),
            _ => return None,
        })
    }

    /// The object that `self(*arguments)` would be, built here.
    pub(crate) fn call(self, arguments: &[Id], nodes: &[Node]) -> Result<Node, String> {
        let argument = |index: usize| arguments.get(index).map(|&id| &nodes[id]);
        if self == Self::NumpyArray {
            return Ok(Node::Opaque("numpy.ndarray".to_owned()));
        }
        // What is made of something that is not understood is not understood.
        let opaque = arguments.iter().find_map(|&id| match &nodes[id] {
            Node::Opaque(name) => Some(name),
            _ => None,
        });
        if let Some(name) = opaque {
            return Ok(Node::Opaque(name.clone()));
        }
        let built = match (self, argument(0), argument(1)) {
            (Self::OrderedDict, None, None) => Some(Node::Dict { ordered: true, entries: Vec::new() }),
            (Self::OrderedDict, Some(Node::List(pairs)), None) => ordered_dict(pairs, nodes),
            (Self::RebuildTensor, Some(Node::Storage(storage)), Some(&Node::Int(offset))) => {
                tensor(storage, offset, argument(2), argument(3), nodes)
            }
            (Self::RebuildParameter, Some(tensor @ Node::Tensor(_)), _) => Some(tensor.clone()),
            (Self::Size, Some(Node::Tuple(sizes) | Node::List(sizes)), None) => {
                Some(Node::Tuple(sizes.clone()))
            }
            (Self::Device, Some(Node::Str(kind)), None) => Some(Node::Str(kind.clone())),
            (Self::Device, Some(Node::Str(kind)), Some(Node::Int(index))) => {
                Some(Node::Str(format!("{kind}:{index}")))
            }
            (Self::NumpyDtype, Some(Node::Str(name)), _) => Some(Node::NumpyDtype(name.clone())),
            (Self::NumpyScalar, Some(Node::NumpyDtype(dtype)), Some(Node::Bytes(bytes)))
                if ["f8", "f4", "i8", "i4", "b1"].contains(&dtype.as_str()) =>
            {
                numpy_scalar(dtype, bytes)
            }
            (Self::Encode, Some(Node::Str(text)), Some(Node::Str(codec))) if codec == "latin1" => {
                latin1(text)
            }
            (Self::Encode, Some(Node::Str(text)), None) if text.is_empty() => Some(Node::Bytes(Vec::new())),
            (Self::Set, Some(Node::List(items) | Node::Tuple(items)), None) => {
                Some(Node::List(items.clone()))
            }
            (Self::Data, None, None) => {
                Some(Node::Instance { class: "stable_baselines3".to_owned(), attributes: Vec::new() })
            }
            (Self::Set, None, None) => Some(Node::List(Vec::new())),
            // A number of a type that no checkpoint counts in, such as a structured one.
            (Self::NumpyScalar, Some(Node::NumpyDtype(dtype)), Some(Node::Bytes(_))) => {
                Some(Node::Opaque(format!("numpy.{dtype}")))
            }
            _ => None,
        };
        built.ok_or_else(|| format!("{self:?} is given arguments that torch and NumPy do not write"))
    }
}

/// The elements of a tuple or list of non-negative integers.
fn sizes(node: Option<&Node>, nodes: &[Node]) -> Option<Vec<usize>> {
    let (Node::Tuple(ids) | Node::List(ids)) = node? else { return None };
    ids.iter()
        .map(|&id| if let Node::Int(size) = nodes[id] { usize::try_from(size).ok() } else { None })
        .collect()
}

fn tensor(
    storage: &StorageRef,
    offset: i64,
    shape: Option<&Node>,
    strides: Option<&Node>,
    nodes: &[Node],
) -> Option<Node> {
    Some(Node::Tensor(TensorRef {
        storage: storage.clone(),
        offset: usize::try_from(offset).ok()?,
        shape: sizes(shape, nodes)?,
        strides: sizes(strides, nodes)?,
    }))
}

fn ordered_dict(pairs: &[Id], nodes: &[Node]) -> Option<Node> {
    let pair = |id: &Id| match &nodes[*id] {
        Node::Tuple(items) | Node::List(items) if items.len() == 2 => Some((items[0], items[1])),
        _ => None,
    };
    let entries = pairs.iter().map(pair).collect::<Option<Vec<_>>>()?;
    Some(Node::Dict { ordered: true, entries })
}

/// Bytes from the characters U+0000 to U+00FF that stand for them.
fn latin1(text: &str) -> Option<Node> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect::<Option<_>>()
        .map(Node::Bytes)
}

/// A little-endian NumPy scalar of the dtype that pickles as `f8`, `i4`, `b1` and so on.
fn numpy_scalar(dtype: &str, bytes: &[u8]) -> Option<Node> {
    Some(match dtype {
        "f8" => Node::Float(f64::from_le_bytes(bytes.try_into().ok()?)),
        "f4" => Node::Float(f64::from(f32::from_le_bytes(bytes.try_into().ok()?))),
        "i8" => Node::Int(i64::from_le_bytes(bytes.try_into().ok()?)),
        "i4" => Node::Int(i64::from(i32::from_le_bytes(bytes.try_into().ok()?))),
        "b1" => Node::Bool(*bytes.first()? != 0),
        _ => return None,
    })
}
