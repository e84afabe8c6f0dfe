//! The promises of the learners, one module each.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]
#![allow(clippy::unwrap_used, reason = "tests say what failed by panicking")]

mod apg;
mod engine;
mod flight;
mod geometric;
mod labels;
#[path = "../../examples/landing.rs"]
#[expect(dead_code, reason = "its `main` is for people")]
mod landing;

#[test]
fn the_task_of_the_example_is_learned() {
    assert!(landing::soft_share(&landing::train(0)) < 0.2, "it lands softly without having learned");
    assert!(landing::soft_share(&landing::train(60)) > 0.8, "it does not land softly after training");
}
