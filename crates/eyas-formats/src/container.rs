//! What files are made of, whatever they hold: archives, pickles, arrays, tensors.

pub(crate) mod archive;
pub(crate) mod hdf5;
pub mod npy;
pub(crate) mod pickle;
pub(crate) mod protobuf;
pub(crate) mod safetensors;
mod sniff;
pub(crate) mod tar;
pub(crate) mod tensor;
pub mod torch;
pub(crate) mod value;
