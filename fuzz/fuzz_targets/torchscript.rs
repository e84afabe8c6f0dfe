//! The code of a TorchScript archive that is else whole.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::torchscript(bytes));
