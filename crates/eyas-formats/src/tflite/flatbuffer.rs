//! Flatbuffers, written and read: tables whose fields lie where a table of offsets says.

/// What a flatbuffer is made of.
pub(super) enum Node {
    /// Fields by their numbers.
    Table(Vec<(usize, Field)>),
    /// A vector of tables.
    List(Vec<Node>),
    /// A vector of integers.
    Ints(Vec<i32>),
    /// A vector of bytes, aligned to 16 as TFLite wants its buffers.
    Bytes(Vec<u8>),
    /// A text.
    Text(String),
}

/// A field of a table.
pub(super) enum Field {
    Byte(u8),
    Int(i32),
    Ref(Node),
}

/// The bytes of a root table, the identifier after its offset.
pub(super) fn to_bytes(root: &Node, identifier: [u8; 4]) -> Vec<u8> {
    let mut bytes = [[0; 4], identifier].concat();
    let place = write(&mut bytes, root);
    bytes[..4].copy_from_slice(&(place as u32).to_le_bytes());
    align(&mut bytes, 16, 0);
    bytes
}

/// Fills up until `ahead` bytes further a multiple of `to` is met.
fn align(bytes: &mut Vec<u8>, to: usize, ahead: usize) {
    let length = (bytes.len() + ahead).next_multiple_of(to) - ahead;
    bytes.resize(length, 0);
}

/// Writes a node and what it refers to, which stands behind it as offsets want; its place.
fn write(bytes: &mut Vec<u8>, node: &Node) -> usize {
    match node {
        Node::Table(fields) => table(bytes, fields),
        Node::List(nodes) => {
            align(bytes, 4, 0);
            let place = bytes.len();
            bytes.extend((nodes.len() as u32).to_le_bytes());
            bytes.resize(bytes.len() + 4 * nodes.len(), 0);
            for (index, node) in nodes.iter().enumerate() {
                refer(bytes, place + 4 + 4 * index, node);
            }
            place
        }
        Node::Ints(values) => {
            align(bytes, 4, 0);
            let place = bytes.len();
            bytes.extend((values.len() as u32).to_le_bytes());
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            place
        }
        Node::Bytes(values) => {
            align(bytes, 16, 4);
            let place = bytes.len();
            bytes.extend((values.len() as u32).to_le_bytes());
            bytes.extend(values);
            place
        }
        Node::Text(text) => {
            align(bytes, 4, 0);
            let place = bytes.len();
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
            bytes.push(0);
            place
        }
    }
}

/// The offsets of the fields, then the table: every field takes four bytes here.
fn table(bytes: &mut Vec<u8>, fields: &[(usize, Field)]) -> usize {
    let slots = fields.iter().map(|(slot, _)| slot + 1).max().unwrap_or(0);
    align(bytes, 4, 0);
    let offsets = bytes.len();
    let mut head = vec![(4 + 2 * slots) as u16, (4 + 4 * fields.len()) as u16];
    head.resize(2 + slots, 0);
    for (index, (slot, _)) in fields.iter().enumerate() {
        head[2 + slot] = (4 + 4 * index) as u16;
    }
    bytes.extend(head.iter().flat_map(|value| value.to_le_bytes()));
    align(bytes, 4, 0);
    let place = bytes.len();
    bytes.extend(((place - offsets) as i32).to_le_bytes());
    for (_, field) in fields {
        match field {
            Field::Byte(value) => bytes.extend([*value, 0, 0, 0]),
            Field::Int(value) => bytes.extend(value.to_le_bytes()),
            Field::Ref(_) => bytes.extend([0; 4]),
        }
    }
    for (index, (_, field)) in fields.iter().enumerate() {
        if let Field::Ref(node) = field {
            refer(bytes, place + 4 + 4 * index, node);
        }
    }
    place
}

/// Writes a node, and how far it is from the place that refers to it.
fn refer(bytes: &mut Vec<u8>, from: usize, node: &Node) {
    let place = write(bytes, node);
    bytes[from..from + 4].copy_from_slice(&((place - from) as u32).to_le_bytes());
}

/// The bytes of a flatbuffer; whatever leads out of them is `None`.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn root(self) -> Option<Table<'a>> {
        self.table(self.refer(0)?)
    }

    fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn refer(self, at: usize) -> Option<usize> {
        at.checked_add(u32::from_le_bytes(self.array(at)?) as usize)
    }

    fn table(self, place: usize) -> Option<Table<'a>> {
        let back = i64::from(i32::from_le_bytes(self.array(place)?));
        let offsets = usize::try_from(i64::try_from(place).ok()? - back).ok()?;
        let size = usize::from(u16::from_le_bytes(self.array(offsets)?));
        Some(Table { reader: self, place, offsets: self.0.get(offsets..offsets.checked_add(size)?)? })
    }

    /// Where the elements of a vector begin, and how many of `size` bytes there are.
    fn vector(self, at: usize, size: usize) -> Option<(usize, usize)> {
        let count = u32::from_le_bytes(self.array(at)?) as usize;
        let start = at + 4;
        let end = start.checked_add(count.checked_mul(size)?)?;
        (end <= self.0.len()).then_some((start, count))
    }
}

/// A table within a flatbuffer.
pub(super) struct Table<'a> {
    reader: Reader<'a>,
    place: usize,
    offsets: &'a [u8],
}

impl<'a> Table<'a> {
    /// Where a field lies, if it is there.
    fn field(&self, slot: usize) -> Option<usize> {
        let offset = self.offsets.get(4 + 2 * slot..6 + 2 * slot)?;
        let offset = usize::from(u16::from_le_bytes(offset.try_into().ok()?));
        (offset != 0).then_some(self.place + offset)
    }

    pub(super) fn byte(&self, slot: usize, default: u8) -> Option<u8> {
        self.field(slot).map_or(Some(default), |at| self.reader.0.get(at).copied())
    }

    pub(super) fn int(&self, slot: usize, default: i32) -> Option<i32> {
        self.field(slot).map_or(Some(default), |at| Some(i32::from_le_bytes(self.reader.array(at)?)))
    }

    /// A table below; `Some(None)` if it is left out.
    #[expect(clippy::option_option, reason = "what leads out of the file is the outer one")]
    pub(super) fn table(&self, slot: usize) -> Option<Option<Table<'a>>> {
        let Some(at) = self.field(slot) else { return Some(None) };
        self.reader.table(self.reader.refer(at)?).map(Some)
    }

    pub(super) fn tables(&self, slot: usize) -> Option<Vec<Table<'a>>> {
        let Some(at) = self.field(slot) else { return Some(Vec::new()) };
        let (start, count) = self.reader.vector(self.reader.refer(at)?, 4)?;
        (0..count).map(|index| self.reader.table(self.reader.refer(start + 4 * index)?)).collect()
    }

    pub(super) fn ints(&self, slot: usize) -> Option<Vec<i32>> {
        let Some(at) = self.field(slot) else { return Some(Vec::new()) };
        let (start, count) = self.reader.vector(self.reader.refer(at)?, 4)?;
        (0..count).map(|index| Some(i32::from_le_bytes(self.reader.array(start + 4 * index)?))).collect()
    }

    pub(super) fn bytes(&self, slot: usize) -> Option<&'a [u8]> {
        let Some(at) = self.field(slot) else { return Some(&[]) };
        let (start, count) = self.reader.vector(self.reader.refer(at)?, 1)?;
        self.reader.0.get(start..start + count)
    }
}
