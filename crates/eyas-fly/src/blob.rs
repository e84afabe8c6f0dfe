//! The bytes of a policy: what `eyas export --to eyas-fly` writes, and flash holds.
//!
//! Little-endian 32-bit words, in this order:
//!
//! | words | |
//! |---|---|
//! | 2 | [`MAGIC`] |
//! | 1 | CRC-32 (IEEE 802.3) of all that follows |
//! | 1 | words in all |
//! | [`NUM_FACTS`] | the facts of [`Facts`], in the order of its fields |
//! | encoder, hidden | widths of the dense layers before and after the core |
//! | inputs, twice | mean and scale of the normaliser, if there is one |
//! | 1 | what the normaliser limits its results to, if it does |
//! | parameters | in the order of `eyas_policy::Architecture::tensors` |
//! | test | observations, then actions, step by step |
//! | rest | the contract as JSON, filled with spaces; not read here |

/// The first bytes, with the version of what follows.
pub const MAGIC: [u8; 8] = *b"EYASFLY1";

/// Number of [`Facts`].
pub const NUM_FACTS: usize = 12;

/// A number as it is stored.
pub type Word = [u8; 4];

/// The recurrent core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// None: the policy remembers nothing.
    None,
    /// Gated recurrent units.
    Gru,
    /// Long short-term memory.
    Lstm,
}

/// Activations by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the function of `formulas` of that name")]
pub enum Activation {
    Identity,
    Elu,
    Selu,
    Relu,
    LeakyRelu,
    Tanh,
    Sigmoid,
    Softplus,
    Gelu,
    Silu,
    Mish,
}

/// What becomes of an observation first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Nothing.
    None,
    /// `(x − mean) · scale`.
    Scaled,
    /// The same, limited on both sides.
    Clipped,
}

/// What follows the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Squash {
    /// Nothing.
    Identity,
    /// `tanh`.
    Tanh,
    /// The mean of a Beta distribution.
    Beta,
}

/// Every activation, at the place of its number.
pub const ACTIVATIONS: [Activation; 11] = [
    Activation::Identity,
    Activation::Elu,
    Activation::Selu,
    Activation::Relu,
    Activation::LeakyRelu,
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Softplus,
    Activation::Gelu,
    Activation::Silu,
    Activation::Mish,
];

/// Every cell and every squash, at the place of its number.
pub const CELLS: [Cell; 3] = [Cell::None, Cell::Gru, Cell::Lstm];
/// Every squash, at the place of its number.
pub const SQUASHES: [Squash; 3] = [Squash::Identity, Squash::Tanh, Squash::Beta];

/// Every normalisation, at the place of its number.
pub const NORMALIZATIONS: [Normalization; 3] =
    [Normalization::None, Normalization::Scaled, Normalization::Clipped];

/// What is known of a policy before its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Features of an observation.
    pub inputs: usize,
    /// Numbers of the last layer.
    pub outputs: usize,
    /// Dense layers before the core.
    pub encoder: usize,
    /// Dense layers after it, less the last.
    pub hidden: usize,
    /// The core, its width and its layers.
    pub cell: Cell,
    /// Units of each recurrent layer.
    pub width: usize,
    /// Recurrent layers.
    pub layers: usize,
    /// After every dense layer but the last.
    pub activation: Activation,
    /// After the last.
    pub squash: Squash,
    /// Whether observations are normalised.
    pub normalization: Normalization,
    /// Steps of the test vectors.
    pub test_steps: usize,
    /// Largest difference over them that is no fault.
    pub tolerance: f32,
}

/// CRC-32 of IEEE 802.3, bit by bit: read once, when a vehicle starts.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}
