//! Public behaviour of `eyas-formats`; each module is named after what it promises.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod acts_as_the_library;
mod arrays;
mod c;
mod containers;
mod converts;
mod cortex_m;
mod decisions;
mod executes_nothing;
mod firmware;
mod fixtures;
mod fly;
mod foreign;
mod fuzz_corpus;
mod leapp;
mod malformed;
mod matrix;
mod messages;
mod originals;
mod px4;
mod python;
mod reference;
mod reported;
mod resume;
mod rltools;
mod survives_damage;
mod tflite;
mod torchscript;
mod writes_whole_files;
