//! The description of a LEAPP bundle whose graph is whole.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::leapp(bytes));
