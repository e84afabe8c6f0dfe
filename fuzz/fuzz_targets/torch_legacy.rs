//! Torch's container of before 1.6.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::torch_legacy(bytes));
