//! Equal operations stand once, those that nothing needs not at all, and no bit changes by it.

use eyas_lanes::{Draws as _, Real as _};
use eyas_trace::{Constants, Form, Kind, Program, Traced, record};

/// The program of a formula of three numbers.
fn program(formula: impl FnOnce([Traced; 3]) -> Vec<Traced>) -> Program {
    record(Form::default(), |recorder| {
        let inputs = recorder.input::<[(); 3]>("numbers");
        recorder.output_numbers("all", &formula(inputs));
    })
}

fn total(formula: impl FnOnce([Traced; 3]) -> Vec<Traced>) -> usize {
    program(formula).counts().total()
}

#[test]
fn equal_operations_stand_once() {
    assert_eq!(total(|[x, y, z]| vec![(x + y) * z, (x + y) / z, x + y]), 3);
    assert_eq!(total(|[x, y, z]| vec![x + y, y + x, x * z, z * x, x.mul_add(y, z), y.mul_add(x, z)]), 3);
    assert_eq!(total(|[x, y, _]| vec![x - y, y - x, x.min(y), y.min(x), x / y, y / x]), 6);
    let masks = |[x, y, z]: [Traced; 3]| {
        let (a, b) = (x.less(y), y.less(z));
        let [both, both_again] = [Traced::and(a, b), Traced::and(b, a)];
        vec![Traced::select(both, x, y), Traced::select(both_again, x, y)]
    };
    assert_eq!(total(masks), 4);
}

#[test]
fn equal_draws_stand_once() {
    let program = record(Form::default(), |recorder| {
        let (first, second) = (recorder.draws("first"), recorder.draws("second"));
        let [a, b, ..] = first.words(0);
        let numbers = [a, first.words(0)[0], b, first.words(1)[0], second.words(0)[0]].map(Traced::uniform);
        recorder.output_numbers("all", &numbers);
    });
    let draws: Vec<String> = program.draws().iter().map(ToString::to_string).collect();
    let expected =
        ["word 0 of draw 0 of `first`", "word 1 of draw 0 of `first`", "word 0 of draw 1 of `first`"];
    assert_eq!(draws[..3], expected);
    assert_eq!(draws[3..], ["word 0 of draw 0 of `second`"]);
    assert_eq!(program.counts().get(Kind::Draw), 4);
}

#[test]
fn what_no_output_needs_is_dropped() {
    let program = program(|[x, y, z]| {
        let dropped = (y / z).exp().less(x);
        let _ = Traced::select(dropped, x, y);
        vec![x * z]
    });
    assert_eq!(
        program.to_string(),
        "input 0..3: numbers\nn0 = input 0\nn1 = input 2\nn2 = n0 * n1\nall: n2\n"
    );
}

#[test]
fn zeros_of_both_signs_and_numbers_that_are_none_stay_apart() {
    let kept = program(|[x, _, _]| {
        let constants = [0.0, -0.0, f64::NAN, f64::NAN];
        constants.into_iter().map(|it| x * Traced::constant(it)).collect()
    });
    assert_eq!(kept.counts().get(Kind::Multiply), 3);
    let found = kept.replay::<f32>(&[2.0, 0.0, 0.0], |_| 0).numbers("all");
    assert_eq!(found[..2].iter().map(|it| it.to_bits()).collect::<Vec<_>>(), [0, 1 << 31]);
    assert!(found[2].is_nan());
}

#[test]
fn only_what_keeps_every_bit_is_left_out() {
    let (zero, one) = (|| Traced::constant(0.0), || Traced::constant(1.0));
    let negative_zero = || Traced::constant(-0.0);
    let kept: [fn(Traced) -> Traced; 5] = [
        |x| x + Traced::constant(0.0),
        |x| x * Traced::constant(0.0),
        |x| x - x,
        |x| Traced::constant(0.0) - x,
        |x| x.mul_add(Traced::constant(3.0), Traced::constant(0.0)),
    ];
    for (index, formula) in kept.into_iter().enumerate() {
        assert_eq!(total(|[x, ..]| vec![formula(x)]), 1, "formula {index}");
    }
    assert_eq!(
        total(|[x, ..]| vec![
            x * one(),
            one() * x,
            x / one(),
            x - zero(),
            x + negative_zero(),
            negative_zero() + x,
            -(-x),
            Traced::select(x.less(zero()), x, x),
        ]),
        0
    );
    assert_eq!(total(|[x, y, _]| vec![one().mul_add(x, y), x.mul_add(one(), y), x + y]), 1);
    // −0 of a sum with 0 is 0.
    let sum = program(|[x, ..]| vec![x + zero(), x + negative_zero(), x - zero()]);
    let found = sum.replay::<f32>(&[-0.0, 0.0, 0.0], |_| 0).numbers("all");
    assert_eq!(found.iter().map(|it| it.to_bits()).collect::<Vec<_>>(), [0, 1 << 31, 1 << 31]);
}

#[test]
fn constants_are_rounded_once_or_kept_as_they_are_written() {
    let of = |constants| {
        let program = record(Form { constants, ..Form::default() }, |recorder| {
            let third = Traced::constant(1.0 / 3.0);
            recorder.output_numbers("all", &[third, third + third]);
        });
        program.replay::<f64>(&[], |_| 0).numbers("all")
    };
    let single = 1.0_f32 / 3.0;
    assert_eq!(of(Constants::Single), [f64::from(single), f64::from(single + single)]);
    assert_eq!(of(Constants::AsWritten), [1.0 / 3.0, 2.0 / 3.0]);
}

#[test]
fn counts_are_those_of_the_list() {
    let program = program(|[x, y, z]| {
        let mask = Traced::not(x.less(y));
        let (sine, cosine) = z.sin_cos_turns();
        vec![
            x + y - z,
            x * y,
            x.mul_add(y, z),
            x / y,
            x.sqrt(),
            -x.abs(),
            Traced::select(mask, sine, cosine),
            z.round(),
            x.max(z),
        ]
    });
    let counts = program.counts();
    let found: Vec<(&str, usize)> = Kind::ALL.iter().map(|it| (it.name(), counts.get(*it))).collect();
    let expected = [
        ("add", 2),
        ("multiply", 1),
        ("fused", 1),
        ("divide", 1),
        ("sqrt", 1),
        ("sign", 2),
        ("compare", 2),
        ("select", 1),
        ("logic", 1),
        ("function", 2),
        ("exponent", 1),
        ("draw", 0),
        ("random", 0),
    ];
    assert_eq!(found, expected);
    assert_eq!(counts.total(), 15);
}
