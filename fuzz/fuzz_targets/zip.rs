//! An archive: torch, TorchScript, NumPy, Stable-Baselines3.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eyas_fuzz::zip(bytes));
