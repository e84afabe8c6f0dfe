//! Strided tensors over shared bytes, as torch stores them.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// The element types that torch checkpoints hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum DType {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

/// Type, torch's storage class, torch's dtype name, bytes of an element.
const DTYPES: [(DType, &str, &str, usize); 10] = [
    (DType::F64, "DoubleStorage", "float64", 8),
    (DType::F32, "FloatStorage", "float32", 4),
    (DType::F16, "HalfStorage", "float16", 2),
    (DType::Bf16, "BFloat16Storage", "bfloat16", 2),
    (DType::I64, "LongStorage", "int64", 8),
    (DType::I32, "IntStorage", "int32", 4),
    (DType::I16, "ShortStorage", "int16", 2),
    (DType::I8, "CharStorage", "int8", 1),
    (DType::U8, "ByteStorage", "uint8", 1),
    (DType::Bool, "BoolStorage", "bool", 1),
];

impl DType {
    fn row(self) -> (DType, &'static str, &'static str, usize) {
        DTYPES.into_iter().find(|row| row.0 == self).expect("every type has a row")
    }

    /// Bytes of one element.
    #[must_use]
    pub fn size(self) -> usize {
        self.row().3
    }

    pub(crate) fn storage_class(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn from_storage_class(name: &str) -> Option<Self> {
        DTYPES.into_iter().find(|row| row.1 == name).map(|row| row.0)
    }

    pub(crate) fn from_torch_name(name: &str) -> Option<Self> {
        DTYPES.into_iter().find(|row| row.2 == name).map(|row| row.0)
    }

    fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.row().2)
    }
}

/// A view of stored elements: tensors that share a storage share its bytes.
///
/// # Examples
///
/// ```
/// use eyas_formats::Tensor;
///
/// let weight = Tensor::from_f32(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// assert_eq!(weight.shape(), [2, 3]);
/// assert_eq!(Tensor::from_i64(&[], &[7]).to_i64(), Some(vec![7]));
/// ```
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    storage: Arc<[u8]>,
}

/// A view may repeat elements (stride 0) up to this many; more would let a few bytes ask for any memory.
const MAX_REPEATED_ELEMENTS: usize = 1 << 20;

impl Tensor {
    /// A tensor of `shape`, row-major; the empty shape is a scalar.
    ///
    /// # Panics
    ///
    /// If `values` does not fill the shape.
    #[must_use]
    pub fn from_f32(shape: &[usize], values: &[f32]) -> Self {
        Self::contiguous(DType::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A tensor of 64-bit integers, row-major.
    ///
    /// # Panics
    ///
    /// If `values` does not fill the shape.
    #[must_use]
    pub fn from_i64(shape: &[usize], values: &[i64]) -> Self {
        Self::contiguous(DType::I64, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// A tensor of bytes, row-major: the way to store binary data that every torch loads.
    ///
    /// # Panics
    ///
    /// If `values` does not fill the shape.
    #[must_use]
    pub fn from_u8(shape: &[usize], values: &[u8]) -> Self {
        Self::contiguous(DType::U8, shape, values.to_vec())
    }

    fn contiguous(dtype: DType, shape: &[usize], bytes: Vec<u8>) -> Self {
        let elements: usize = shape.iter().product();
        assert_eq!(elements * dtype.size(), bytes.len(), "the values fill the shape {shape:?}");
        Self { dtype, shape: shape.to_vec(), strides: row_major(shape), offset: 0, storage: bytes.into() }
    }

    /// A view as a file describes it, or what is wrong with it.
    pub(crate) fn view(
        dtype: DType,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        storage: Arc<[u8]>,
    ) -> Result<Self, String> {
        if shape.len() != strides.len() {
            return Err(format!("a tensor has {} sizes but {} strides", shape.len(), strides.len()));
        }
        let available = storage.len() / dtype.size();
        let tensor = Self { dtype, shape, strides, offset, storage };
        let (elements, end) = tensor
            .extent()
            .ok_or_else(|| format!("a tensor of shape {:?} is too large to address", tensor.shape))?;
        if end > available {
            return Err(format!(
                "a tensor of shape {:?} needs {end} elements of a storage that has {available}",
                tensor.shape
            ));
        }
        if elements > available.max(MAX_REPEATED_ELEMENTS) {
            return Err(format!("a tensor repeats {available} stored elements {elements} times"));
        }
        Ok(tensor)
    }

    /// Number of elements, and one past the highest storage index used.
    fn extent(&self) -> Option<(usize, usize)> {
        let elements = self.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))?;
        if elements == 0 {
            return Some((0, 0));
        }
        let last =
            self.shape.iter().zip(&self.strides).try_fold(self.offset, |index, (&size, &stride)| {
                index.checked_add((size - 1).checked_mul(stride)?)
            })?;
        Some((elements, last.checked_add(1)?))
    }

    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn num_elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Every element as `f32`, row-major; integers and `f64` are rounded.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self.dtype {
            DType::F32 => self.map(|bytes| f32::from_le_bytes(array(bytes))),
            _ => self.to_f64().into_iter().map(|value| value as f32).collect(),
        }
    }

    /// Every element as `f64`, row-major; 64-bit integers are rounded.
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        match self.dtype {
            DType::F64 => self.map(|bytes| f64::from_le_bytes(array(bytes))),
            DType::F32 => self.map(|bytes| f64::from(f32::from_le_bytes(array(bytes)))),
            DType::F16 => self.map(|bytes| f64::from(f16_to_f32(u16::from_le_bytes(array(bytes))))),
            DType::Bf16 => {
                self.map(|bytes| f64::from(f32::from_bits(u32::from(u16::from_le_bytes(array(bytes))) << 16)))
            }
            _ => self.map(|bytes| self.integer(bytes) as f64),
        }
    }

    /// Every element of an integer or boolean tensor, row-major; `None` for floats.
    #[must_use]
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        (!self.dtype.is_float()).then(|| self.map(|bytes| self.integer(bytes)))
    }

    /// Every element of a byte tensor, row-major; `None` for other types.
    #[must_use]
    pub fn to_u8(&self) -> Option<Vec<u8>> {
        (self.dtype == DType::U8).then(|| self.map(|bytes| bytes[0]))
    }

    /// The elements as little-endian bytes, row-major.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.num_elements() * self.dtype.size());
        self.each(|element| bytes.extend_from_slice(element));
        bytes
    }

    fn integer(&self, bytes: &[u8]) -> i64 {
        match self.dtype {
            DType::I64 => i64::from_le_bytes(array(bytes)),
            DType::I32 => i64::from(i32::from_le_bytes(array(bytes))),
            DType::I16 => i64::from(i16::from_le_bytes(array(bytes))),
            DType::I8 => i64::from(bytes[0].cast_signed()),
            _ => i64::from(bytes[0]),
        }
    }

    fn map<T>(&self, convert: impl Fn(&[u8]) -> T) -> Vec<T> {
        let mut values = Vec::with_capacity(self.num_elements());
        self.each(|element| values.push(convert(element)));
        values
    }

    /// Visits the elements row-major; `view` has checked that all lie in the storage.
    fn each(&self, mut visit: impl FnMut(&[u8])) {
        let size = self.dtype.size();
        let mut index = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..self.num_elements() {
            visit(&self.storage[at * size..(at + 1) * size]);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                at += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                at -= index[axis] * self.strides[axis];
                index[axis] = 0;
            }
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tensor({} {:?})", self.dtype, self.shape)
    }
}

impl PartialEq for Tensor {
    /// Equal type, shape and element bytes, whatever the layout in storage.
    fn eq(&self, other: &Self) -> bool {
        self.dtype == other.dtype && self.shape == other.shape && self.to_bytes() == other.to_bytes()
    }
}

/// Strides of a contiguous tensor, in elements.
pub(crate) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("an element has the size of its type")
}

/// IEEE 754 half precision; every step is exact in `f32`.
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    match exponent {
        0 => sign * fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1024.0 + fraction) * 2.0_f32.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_have_their_ieee_values() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ] {
            assert_eq!(f16_to_f32(bits).to_bits(), f32::to_bits(value), "{bits:#06x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn a_transposed_view_with_offset_reads_row_major() {
        let storage = Tensor::from_i64(&[7], &[9, 0, 1, 2, 3, 4, 5]).storage;
        let transposed = Tensor::view(DType::I64, vec![3, 2], vec![1, 3], 1, storage).unwrap();
        assert_eq!(transposed.to_i64(), Some(vec![0, 3, 1, 4, 2, 5]));
    }

    #[test]
    fn a_view_past_its_storage_is_refused() {
        let storage = Tensor::from_f32(&[4], &[0.0; 4]).storage;
        let view = |shape, strides, offset| Tensor::view(DType::F32, shape, strides, offset, storage.clone());
        assert!(view(vec![4], vec![1], 1).is_err());
        assert!(view(vec![usize::MAX, 2], vec![1, 1], 0).is_err());
        assert!(view(vec![1 << 40], vec![0], 0).is_err());
        assert!(view(vec![2], vec![usize::MAX], 2).is_err());
        assert!(view(vec![0, 5], vec![5, 1], 0).unwrap().to_f32().is_empty());
    }
}
