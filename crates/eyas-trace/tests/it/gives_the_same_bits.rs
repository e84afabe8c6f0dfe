//! A replay on any number is what the formula gives on it.

use eyas_lanes::{Isa, Kernel, LANES, Lanes, Real, Stream, dispatch_on};
use eyas_trace::{Constants, Draw, Form, Functions, Operation, Program, Traced, record};

use crate::{SPECIAL, everything, same};

const FORMS: [Form; 4] = [
    Form { constants: Constants::Single, functions: Functions::Whole },
    Form { constants: Constants::Single, functions: Functions::Polynomials },
    Form { constants: Constants::AsWritten, functions: Functions::Whole },
    Form { constants: Constants::AsWritten, functions: Functions::Polynomials },
];

fn recorded(form: Form) -> Program {
    record(form, |recorder| {
        let [x, y] = recorder.input::<[(); 2]>("numbers");
        let draws = recorder.draws("test");
        recorder.output_numbers("all", &everything(x, y, &draws));
    })
}

fn place(index: usize) -> [u32; 3] {
    [index as u32, 7, 2]
}

fn word(stream: &Stream, [env, episode, step]: [u32; 3], draw: &Draw) -> u32 {
    assert_eq!(draw.purpose, "test");
    stream.words([env, episode, step, draw.draw])[usize::from(draw.word)]
}

#[test]
fn on_single_precision_to_the_bit_in_every_form() {
    let stream = Stream::new(3, "test");
    for form in FORMS {
        let program = recorded(form);
        for (index, (x, y)) in pairs().enumerate() {
            let [env, episode, step] = place(index);
            let expected = everything(x, y, &stream.at(env, episode, step));
            let replay = program.replay::<f32>(&[x, y], |draw| word(&stream, place(index), draw));
            for (output, (found, expected)) in replay.numbers("all").into_iter().zip(expected).enumerate() {
                assert!(
                    same(found, expected),
                    "{form:?}, output {output} of {x}, {y}: {found} against {expected}"
                );
            }
        }
    }
}

#[test]
fn on_double_precision_to_the_bit_as_written() {
    let stream = Stream::new(3, "test");
    let program = recorded(Form { constants: Constants::AsWritten, functions: Functions::Whole });
    for (index, (x, y)) in pairs().enumerate() {
        let (x, y) = (f64::from(x) * 1.000_000_01, f64::from(y));
        let [env, episode, step] = place(index);
        let expected = everything(x, y, &stream.at(env, episode, step));
        let replay = program.replay::<f64>(&[x, y], |draw| word(&stream, place(index), draw));
        for (output, (found, expected)) in replay.numbers("all").into_iter().zip(expected).enumerate() {
            let is_same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(is_same, "output {output} of {x}, {y}: {found} against {expected}");
        }
    }
}

/// Replays sixteen pairs at a time.
struct OnLanes<'a> {
    program: &'a Program,
    stream: &'a Stream,
    pairs: [[f32; LANES]; 2],
}

impl Kernel for OnLanes<'_> {
    type Output = Vec<[f32; LANES]>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<[f32; LANES]> {
        let Self { program, stream, pairs: [x, y] } = self;
        let inputs = [L::from_array(&x), L::from_array(&y)];
        let replay = program.replay::<L>(&inputs, |draw| {
            stream.lanes(0, &[7; LANES], &[2; LANES], draw.draw)[usize::from(draw.word)]
        });
        replay.numbers("all").into_iter().map(L::to_array).collect()
    }
}

#[test]
fn on_the_lanes_of_every_instruction_set_to_the_bit() {
    let stream = Stream::new(3, "test");
    let program = recorded(Form::default());
    // Lanes round numbers below 2²² only.
    let plain: Vec<f32> = SPECIAL.into_iter().filter(|it| it.is_nan() || it.abs() < 10.0).collect();
    let one_of = |index: usize| plain[index % plain.len()];
    let pairs: Vec<(f32, f32)> = (0..LANES).map(|lane| (one_of(lane), one_of(5 * lane + 3))).collect();
    let lanes = [std::array::from_fn(|lane| pairs[lane].0), std::array::from_fn(|lane| pairs[lane].1)];
    for isa in Isa::available() {
        let found = dispatch_on(isa, OnLanes { program: &program, stream: &stream, pairs: lanes });
        for (lane, (x, y)) in pairs.iter().enumerate() {
            let expected = everything(*x, *y, &stream.at(lane as u32, 7, 2));
            for (output, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert!(same(found[lane], expected), "{isa}, output {output} of {x}, {y}");
            }
        }
    }
}

/// Replays a program on the recorder itself.
fn again(program: &Program, form: Form) -> Program {
    record(form, |recorder| {
        let [x, y] = recorder.input::<[(); 2]>("numbers");
        let draws = recorder.draws("test");
        let replay = program.replay::<Traced>(&[x, y], |draw| {
            eyas_lanes::Draws::words(&draws, draw.draw)[usize::from(draw.word)]
        });
        recorder.output_numbers("all", &replay.numbers("all"));
    })
}

#[test]
fn on_the_recorder_it_is_the_same_program() {
    for form in FORMS {
        let program = recorded(form);
        assert_eq!(again(&program, form), program, "{form:?}");
    }
}

#[test]
fn on_the_recorder_functions_become_polynomials() {
    let polynomials = Form { functions: Functions::Polynomials, ..Form::default() };
    assert_eq!(again(&recorded(Form::default()), polynomials).counts(), recorded(polynomials).counts());
}

#[test]
fn known_numbers_are_computed_while_recording() {
    let stream = Stream::new(3, "test");
    let (x, y) = (0.7, -1.9);
    let program = record(Form::default(), |recorder| {
        let draws = recorder.draws("test");
        let all = everything(Traced::constant(x), Traced::constant(y), &draws);
        recorder.output_numbers("all", &all[..26]);
    });
    assert!(program.operations().iter().all(|it| matches!(it, Operation::Constant(_))), "{program}");
    let replay = program.replay::<f32>(&[], |draw| unreachable!("{draw}"));
    let expected = everything(x as f32, y as f32, &stream.at(0, 0, 0));
    for (output, (found, expected)) in replay.numbers("all").into_iter().zip(expected).enumerate() {
        assert_eq!(found.to_bits(), expected.to_bits(), "output {output}");
    }
}

/// Pairs of numbers of all sorts.
fn pairs() -> impl Iterator<Item = (f32, f32)> {
    SPECIAL.into_iter().flat_map(|x| SPECIAL.into_iter().map(move |y| (x, y)))
}
