//! Reverse mode against central differences and known slopes.

use eyas_lanes::Real;
use eyas_trace::{Constants, Form, Functions, Program, Traced, record};

/// A formula of two numbers by its name.
type Formula = (&'static str, fn(Traced, Traced) -> Traced);

/// Every operation that has a derivative, and a formula of all kinds.
const FORMULAS: [Formula; 23] = [
    ("add", |x, y| x + y),
    ("subtract", |x, y| x - y),
    ("multiply", |x, y| x * y),
    ("divide", |x, y| x / y),
    ("negate", |x, y| -x * y),
    ("fused", |x, y| x.mul_add(y, x)),
    ("square", |x, _| x * x),
    ("sqrt", |x, y| (x * x + y * y).sqrt()),
    ("abs", |x, y| (x - y).abs()),
    ("min", |x, y| x.min(y)),
    ("max", |x, y| x.max(y)),
    ("clamp", |x, y| x.clamp(Traced::constant(-0.5), Traced::constant(0.5)) * y),
    ("select", |x, y| Traced::select(x.less(y), x * x, y * x)),
    ("exp", |x, y| (x * y).exp()),
    ("exp_minus_one", |x, y| (-(x * x) - y * y).exp_minus_one()),
    ("tanh", |x, y| (x + y).tanh()),
    ("sigmoid", |x, y| (x * y).sigmoid()),
    ("ln", |x, y| (x * x + y * y).ln()),
    ("sin_cos_turns", |x, y| {
        let (sine, cosine) = (x * y).sin_cos_turns();
        sine + sine + cosine
    }),
    ("sin_cos_within_eighth", |x, y| {
        let (sine, cosine) = (x * y * Traced::constant(0.2)).sin_cos_within_eighth();
        sine + sine + cosine
    }),
    ("acos_one_minus", |x, y| (x * x * y * y * Traced::constant(0.05)).acos_one_minus()),
    ("mantissa", |x, y| (x * x + Traced::constant(1.1)).split_exponent().0 * y),
    ("shared", |x, y| {
        let z = x * y;
        z * z.tanh() + z.exp() / (z + Traced::constant(20.0))
    }),
];

fn recorded(form: Form, formula: fn(Traced, Traced) -> Traced) -> Program {
    record(form, |recorder| {
        let [x, y] = recorder.input::<[(); 2]>("numbers");
        recorder.output_numbers("value", &[formula(x, y)]);
    })
}

/// Points that no kink is near.
const POINTS: [[f64; 2]; 5] = [[0.7, 1.3], [-1.1, 0.4], [0.3, -0.9], [-0.2, -1.6], [1.7, 0.8]];

#[test]
fn every_operation_passes_on_what_central_differences_show() {
    let form = Form { constants: Constants::AsWritten, ..Form::default() };
    for (name, formula) in FORMULAS {
        let program = recorded(form, formula);
        let value = |point: [f64; 2]| program.replay::<f64>(&point, |_| 0).numbers("value")[0];
        for point in POINTS {
            let slopes = program.replay::<f64>(&point, |_| 0).pull_back(&[1.0]);
            for axis in 0..2 {
                let shifted = |by: f64| {
                    let mut moved = point;
                    moved[axis] += by;
                    value(moved)
                };
                let expected = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
                let error = (slopes[axis] - expected).abs();
                assert!(
                    error < 1e-8 * expected.abs().max(1.0),
                    "{name} at {point:?}, {axis}: {slopes:?}, {expected}"
                );
            }
        }
    }
}

#[test]
fn functions_and_their_polynomials_have_the_same_slopes() {
    for (name, formula) in FORMULAS {
        let polynomials = Form { functions: Functions::Polynomials, ..Form::default() };
        let [whole, made] = [Form::default(), polynomials].map(|form| recorded(form, formula));
        for point in POINTS {
            let slopes = |program: &Program| program.replay::<f64>(&point, |_| 0).pull_back(&[1.0]);
            for (whole, made) in slopes(&whole).into_iter().zip(slopes(&made)) {
                // The polynomials' errors of up to 4.5e-7 wave over intervals of about 1; their slopes' are larger.
                assert!(
                    (whole - made).abs() < 2e-5 * whole.abs().max(1.0),
                    "{name} at {point:?}: {whole}, {made}"
                );
            }
        }
    }
}

/// The slopes of a formula at a point.
fn slopes(formula: fn(Traced, Traced) -> Traced, point: [f32; 2]) -> Vec<f32> {
    recorded(Form::default(), formula).replay::<f32>(&point, |_| 0).pull_back(&[1.0])
}

#[test]
fn kinks_pass_on_what_adjoints_by_hand_do() {
    let limited: fn(Traced, Traced) -> Traced = |x, _| x.clamp(-Traced::one(), Traced::one());
    for (x, expected) in [(-1.5, 0.0), (-1.0, 1.0), (0.0, 1.0), (1.0, 1.0), (1.5, 0.0)] {
        assert_eq!(slopes(limited, [x, 0.0]), [expected, 0.0], "clamp at {x}");
    }
    assert_eq!(slopes(Traced::min, [2.0, 2.0]), [1.0, 0.0]);
    assert_eq!(slopes(Traced::max, [2.0, 2.0]), [1.0, 0.0]);
    assert_eq!(slopes(|x, _| x.abs(), [0.0, 0.0]), [1.0, 0.0]);
    assert_eq!(slopes(|x, y| (x * x + y * y).sqrt(), [0.0, 0.0]), [0.0, 0.0]);
    assert_eq!(slopes(|x, _| x.acos_one_minus(), [0.0, 0.0]), [0.0, 0.0]);
}

#[test]
fn rounding_and_exponents_pass_on_nothing() {
    assert_eq!(slopes(|x, y| x.round() * y, [2.4, 3.0]), [0.0, 2.0]);
    assert_eq!(slopes(|x, y| x.round().power_of_two() * y, [2.4, 3.0]), [0.0, 4.0]);
    assert_eq!(slopes(|x, y| x.split_exponent().1 * y, [5.0, 3.0]), [0.0, 2.0]);
}

#[test]
fn outputs_that_are_inputs_or_stand_twice_pass_on_both_slopes() {
    let program = record(Form::default(), |recorder| {
        let [x, y] = recorder.input::<[(); 2]>("numbers");
        recorder.output_numbers("first", &[x, x * y]);
        recorder.output_masks("masks", &[x.less(y)]);
        recorder.output_numbers("second", &[x * y]);
    });
    let replay = program.replay::<f64>(&[3.0, 5.0], |_| 0);
    assert_eq!(replay.pull_back(&[1.0, 10.0, 100.0]), [1.0 + 110.0 * 5.0, 110.0 * 3.0]);
    assert_eq!(replay.masks("masks"), [true]);
}

#[test]
fn going_back_can_be_recorded_itself() {
    let (_, formula) = FORMULAS[22];
    let forward = recorded(Form::default(), formula);
    let back = record(Form::default(), |recorder| {
        let point = recorder.input::<[(); 2]>("numbers");
        let replay = forward.replay::<Traced>(&point, |draw| unreachable!("{draw}"));
        let slopes = replay.pull_back(&[Traced::one()]);
        recorder.output_numbers("slopes", &slopes);
    });
    for point in [[0.7_f32, 1.3], [-1.1, 0.4]] {
        let expected = forward.replay::<f32>(&point, |_| 0).pull_back(&[1.0]);
        let found = back.replay::<f32>(&point, |_| 0).numbers("slopes");
        assert_eq!(found, expected);
    }
}
