//! The bytes of `eyas-fly`, whose checksum is right.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::flash(bytes));
