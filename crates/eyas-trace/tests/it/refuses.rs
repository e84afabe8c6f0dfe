//! A traced value means something in the recording that made it, and nowhere else.

use std::panic::{UnwindSafe, catch_unwind};

use eyas_lanes::Real as _;
use eyas_trace::{Form, Program, Recorder, Traced, record};

/// What something panics with.
fn message_of<T: std::fmt::Debug>(work: impl FnOnce() -> T + UnwindSafe) -> String {
    let panic = catch_unwind(work).expect_err("it must be refused");
    let formatted = panic.downcast_ref::<String>().cloned();
    formatted.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).expect("a message")
}

/// What a recording panics with.
fn message(formula: impl FnOnce(&mut Recorder) + UnwindSafe) -> String {
    message_of(|| record(Form::default(), formula))
}

/// A number that outlives its recording.
fn leaked() -> Traced {
    let mut leaked = None;
    record(Form::default(), |recorder| leaked = Some(recorder.input::<[(); 1]>("number")[0]));
    leaked.expect("a number")
}

fn small() -> Program {
    record(Form::default(), |recorder| {
        let [x, y] = recorder.input::<[(); 2]>("numbers");
        recorder.output_numbers("all", &[x + y]);
    })
}

#[test]
fn values_of_another_recording_are_refused_wherever_they_stand() {
    let formulas: [fn(Traced, Traced) -> Traced; 6] = [
        |old, new| old + new,
        |old, new| new + old,
        |old, new| new.mul_add(new, old),
        |old, new| Traced::select(new.less(old), new, new),
        |old, new| Traced::select(new.less(Traced::zero()), new, old),
        |old, _| old.exp(),
    ];
    for (index, formula) in formulas.into_iter().enumerate() {
        let old = leaked();
        let message = message(move |recorder| {
            let [new] = recorder.input::<[(); 1]>("number");
            recorder.output_numbers("all", &[formula(old, new)]);
        });
        let says = message.contains("is used in recording") && message.ends_with("hand it over as an input");
        assert!(says, "formula {index}: {message}");
    }
    let old = leaked();
    let message = message(move |recorder| recorder.output_numbers("all", &[old]));
    assert!(message.contains("is used in recording"), "{message}");
}

#[test]
fn values_of_another_thread_are_refused() {
    let (sender, receiver) = std::sync::mpsc::channel();
    record(Form::default(), |recorder| {
        let [x] = recorder.input::<[(); 1]>("number");
        let result = std::thread::spawn(move || x + x).join();
        sender.send(result.is_err()).expect("the receiver waits");
    });
    assert!(receiver.recv().expect("a result"));
}

#[test]
fn numbers_outside_of_a_recording_are_refused() {
    let message = message_of(|| Traced::constant(1.0));
    assert!(message.starts_with("no recording is under way on this thread"), "{message}");
}

#[test]
fn a_recording_within_a_recording_is_refused_and_the_next_one_is_not() {
    let message = message(|_| drop(small()));
    assert!(message.starts_with("a recording is under way on this thread"), "{message}");
    assert_eq!(small().counts().total(), 1);
}

#[test]
fn a_formula_that_panics_leaves_no_recording_behind() {
    assert_eq!(
        message(|recorder| assert!(recorder.input::<[(); 1]>("number").is_empty(), "as planned")),
        "as planned"
    );
    assert_eq!(small().counts().total(), 1);
}

#[test]
fn a_name_stands_for_one_group() {
    let inputs = message(|recorder| {
        recorder.input::<[(); 1]>("x");
        recorder.input::<[(); 2]>("x");
    });
    assert_eq!(inputs, "two groups of inputs are called `x`");
    let outputs = message(|recorder| {
        recorder.output_numbers("y", &[]);
        recorder.output_masks("y", &[]);
    });
    assert_eq!(outputs, "two groups of outputs are called `y`");
}

#[test]
#[should_panic(expected = "3 inputs of 2")]
fn a_replay_takes_as_many_inputs_as_there_are() {
    small().replay::<f32>(&[0.0; 3], |_| 0);
}
