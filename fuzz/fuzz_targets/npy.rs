//! An array of NumPy, alone and in an archive.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::npy(bytes));
