//! The pickle of an archive of torch that is else whole.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::pickle(bytes));
