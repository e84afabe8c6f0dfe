//! `checkpoint.h5` of RLtools.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::hdf5(bytes));
