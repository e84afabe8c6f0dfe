//! Files as RLtools writes them with the library's defaults: superblock 0, object headers 1, groups as symbol tables,
//! contiguous datasets, and texts as attributes.

use crate::{DType, Tensor};

/// A group or a dataset.
pub(crate) enum Node {
    /// Attributes, and members by name.
    Group(Vec<(String, String)>, Vec<(String, Node)>),
    /// Attributes, and numbers of type `f32` or `u8`.
    Dataset(Vec<(String, String)>, Tensor),
}

/// Members of a leaf of a group's tree, and leaves of a group, as the superblock says.
const LEAF: usize = 8;
const LEAVES: usize = 32;

/// Members that a group can have.
pub(crate) const MAX_MEMBERS: usize = LEAF * LEAVES;

const UNDEFINED: u64 = u64::MAX;

/// The bytes of a file; equal content gives equal bytes.
///
/// # Panics
///
/// If a group has more than [`MAX_MEMBERS`] members, or all of them more than 65,535 attributes.
pub(crate) fn to_bytes(root: &Node) -> Vec<u8> {
    let mut file = vec![0; 96];
    let mut texts = Texts { heap: 96, next: 1 };
    file.extend(texts_of(root));
    let header = write_node(&mut file, root, &mut texts);
    let end = file.len() as u64;
    let mut superblock = super::SIGNATURE.to_vec();
    // Versions; sizes of addresses and lengths; half the sizes of leaves and of nodes.
    superblock.extend([0, 0, 0, 0, 0, 8, 8, 0]);
    superblock.extend([(LEAF / 2) as u8, 0, (LEAVES / 2) as u8, 0, 0, 0, 0, 0]);
    superblock.extend([0, UNDEFINED, end, UNDEFINED].iter().flat_map(|it| it.to_le_bytes()));
    superblock.extend(entry(0, header));
    file[..96].copy_from_slice(&superblock);
    file
}

/// A line of a symbol table: place of the name, address of the object, nothing cached.
fn entry(name: u64, header: u64) -> Vec<u8> {
    [name, header, 0, 0, 0].iter().flat_map(|it| it.to_le_bytes()).collect()
}

/// The global heap, and the texts in it that are spoken for. Attributes take theirs in the order in which nodes are written.
struct Texts {
    heap: u64,
    next: u32,
}

/// The global heap with the texts of all attributes (section III.E).
fn texts_of(root: &Node) -> Vec<u8> {
    let mut objects = Vec::new();
    collect(root, &mut objects);
    let mut body = Vec::new();
    assert!(objects.len() < usize::from(u16::MAX), "{} attributes", objects.len());
    for (index, text) in (1_u16..).zip(objects) {
        body.extend([index, 0, 0, 0].iter().flat_map(|it| it.to_le_bytes()));
        body.extend((text.len() as u64).to_le_bytes());
        body.extend(text.as_bytes());
        body.resize(body.len().next_multiple_of(8), 0);
    }
    // What is left is object 0, which has a head of its own; the library makes no heap below a page.
    let size = (16 + body.len() + 16).next_multiple_of(4096);
    let mut heap = b"GCOL\x01\0\0\0".to_vec();
    heap.extend((size as u64).to_le_bytes());
    heap.extend(body);
    let left = (size - heap.len()) as u64;
    heap.extend([0, left].iter().flat_map(|it: &u64| it.to_le_bytes()));
    heap.resize(size, 0);
    heap
}

/// Texts of attributes in the order in which [`write_node`] comes to them.
fn collect<'a>(node: &'a Node, texts: &mut Vec<&'a str>) {
    let attributes = match node {
        Node::Group(attributes, members) => {
            for (_, node) in members {
                collect(node, texts);
            }
            attributes
        }
        Node::Dataset(attributes, _) => attributes,
    };
    texts.extend(attributes.iter().map(|(_, text)| text.as_str()));
}

/// Appends bytes at a multiple of eight; their address.
fn append(file: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    file.resize(file.len().next_multiple_of(8), 0);
    let address = file.len() as u64;
    file.extend(bytes);
    address
}

/// Appends an object and all below it; the address of its header.
fn write_node(file: &mut Vec<u8>, node: &Node, texts: &mut Texts) -> u64 {
    let mut messages = Vec::new();
    let attributes = match node {
        Node::Group(attributes, members) => {
            let mut members: Vec<(&str, u64)> =
                members.iter().map(|(name, node)| (name.as_str(), write_node(file, node, texts))).collect();
            members.sort_unstable();
            messages.push((super::object::SYMBOL_TABLE, symbol_table(file, &members)));
            attributes
        }
        Node::Dataset(attributes, tensor) => {
            let bytes = tensor.to_bytes();
            let address = append(file, &bytes);
            messages.push((super::object::DATASPACE, dataspace(tensor.shape())));
            messages.push((super::object::DATATYPE, datatype(tensor.dtype())));
            messages.push((FILL_VALUE, vec![2, 1, 2, 1, 0, 0, 0, 0]));
            let mut layout = vec![3, 1];
            layout.extend([address, bytes.len() as u64].iter().flat_map(|it| it.to_le_bytes()));
            messages.push((super::object::LAYOUT, layout));
            attributes
        }
    };
    for (name, text) in attributes {
        messages.push((super::object::ATTRIBUTE, attribute(name, text, texts)));
    }
    let mut body = Vec::new();
    for (kind, message) in &messages {
        let size = message.len().next_multiple_of(8);
        body.extend(kind.to_le_bytes());
        body.extend((size as u16).to_le_bytes());
        body.extend([0; 4]);
        body.extend(message);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let mut header = vec![1, 0];
    header.extend((messages.len() as u16).to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend((body.len() as u32).to_le_bytes());
    header.extend([0; 4]);
    header.extend(body);
    append(file, &header)
}

/// Section IV.A.2.f: early allocation, the default value, written if set.
const FILL_VALUE: u16 = 0x05;

/// Heap of names, leaves and tree of a group, whose members stand in the order of their names.
fn symbol_table(file: &mut Vec<u8>, members: &[(&str, u64)]) -> Vec<u8> {
    assert!(members.len() <= MAX_MEMBERS, "{} members of a group", members.len());
    // The empty name stands first.
    let (mut names, mut places) = (vec![0; 8], Vec::new());
    for (name, _) in members {
        places.push(names.len() as u64);
        names.extend(name.as_bytes());
        names.push(0);
        names.resize(names.len().next_multiple_of(8), 0);
    }
    let segment = append(file, &names);
    let mut heap = b"HEAP\0\0\0\0".to_vec();
    // 1: nothing in it is free.
    heap.extend([names.len() as u64, 1, segment].iter().flat_map(|it| it.to_le_bytes()));
    let heap = append(file, &heap);

    let (mut keys, leaves) = (vec![0_u64], members.chunks(LEAF).zip(places.chunks(LEAF)));
    let leaves: Vec<u64> = leaves
        .map(|(members, places)| {
            let mut leaf = b"SNOD\x01\0".to_vec();
            leaf.extend((members.len() as u16).to_le_bytes());
            leaf.extend(places.iter().zip(members).flat_map(|(&place, &(_, header))| entry(place, header)));
            leaf.resize(8 + LEAF * 40, 0);
            keys.extend(places.last());
            append(file, &leaf)
        })
        .collect();
    let mut tree = b"TREE\0\0".to_vec();
    tree.extend((leaves.len() as u16).to_le_bytes());
    tree.extend([UNDEFINED; 2].iter().flat_map(|it| it.to_le_bytes()));
    for (key, leaf) in keys.iter().zip(&leaves) {
        tree.extend([*key, *leaf].iter().flat_map(|it| it.to_le_bytes()));
    }
    tree.extend(keys[leaves.len()].to_le_bytes());
    tree.resize(24 + LEAVES * 16 + 8, 0);
    let tree = append(file, &tree);
    [tree, heap].iter().flat_map(|it| it.to_le_bytes()).collect()
}

fn dataspace(shape: &[usize]) -> Vec<u8> {
    let mut message = vec![1, shape.len() as u8, 0, 0, 0, 0, 0, 0];
    message.extend(shape.iter().flat_map(|&size| (size as u64).to_le_bytes()));
    message
}

fn datatype(dtype: DType) -> Vec<u8> {
    match dtype {
        // Little-endian: sign in bit 31, exponent of 8 bits at 23 with bias 127, mantissa of 23 bits whose first is implied.
        DType::F32 => vec![0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0],
        DType::U8 => vec![0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0],
        _ => unreachable!("numbers of other types are not written"),
    }
}

/// A text of UTF-8 of any length: its length, and its place in the global heap.
fn attribute(name: &str, text: &str, texts: &mut Texts) -> Vec<u8> {
    let mut message = vec![1, 0];
    message.extend([name.len() as u16 + 1, 20, 8].iter().flat_map(|it| it.to_le_bytes()));
    message.extend(name.as_bytes());
    message.push(0);
    message.resize(message.len().next_multiple_of(8), 0);
    // A sequence of variable length that is a text, made of single characters.
    message.extend([0x19, 1, 1, 0, 16, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 8, 0]);
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend(dataspace(&[]));
    message.extend((text.len() as u32).to_le_bytes());
    message.extend(texts.heap.to_le_bytes());
    message.extend(texts.next.to_le_bytes());
    texts.next += 1;
    message
}
