//! Lanes agree with each other to the bit and with the standard library to stated bounds.

#![expect(clippy::disallowed_methods, reason = "expected values may differ in the last bit")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::needless_for_each,
    reason = "tests say what failed by panicking"
)]

use eyas_lanes::{Draws as _, Isa, Kernel, LANES, Lanes, Real, Stream, dispatch_on};

/// Everything that a formula may do with a number, once: what a lane and a scalar have to agree on.
fn elementary<R: Real>(x: R) -> [R; 14] {
    let c = R::constant;
    let positive = x.abs() + c(1e-3);
    let (sine, cosine) = (x * c(0.02)).sin_cos_turns();
    let unit = x.abs().min(R::one());
    let mask = x.less(positive.sqrt());
    let not_large = R::not(c(1.0).less(x.abs()));
    let (mantissa, exponent) = positive.split_exponent();
    [
        x.exp(),
        x.tanh(),
        x.sigmoid(),
        positive.ln(),
        sine,
        cosine,
        unit.acos_one_minus(),
        (-x.abs()).exp_minus_one(),
        R::select(mask, x / positive, -x),
        R::select(R::and(mask, not_large), x.mul_add(x, positive), x.round()),
        R::select(R::or(mask, not_large), x.clamp(c(-0.5), c(2.0)), x - positive),
        mantissa,
        exponent.power_of_two(),
        R::select((x / R::zero()).is_finite(), R::zero(), R::one()),
    ]
}

struct Elementary<'a>(&'a [f32; LANES]);

impl Kernel for Elementary<'_> {
    type Output = [[f32; LANES]; 14];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let mut values = [[0.0; LANES]; 14];
        for (values, lanes) in values.iter_mut().zip(elementary(L::from_array(self.0))) {
            *values = lanes.to_array();
        }
        values
    }
}

fn sweep() -> impl Iterator<Item = [f32; LANES]> {
    (0..20_000).map(|block| {
        std::array::from_fn(|lane| {
            let place = (block * LANES + lane) as f32 / (20_000.0 * LANES as f32);
            (2.0 * place - 1.0) * if block % 2 == 0 { 80.0 } else { 3.0 }
        })
    })
}

#[test]
fn every_instruction_set_gives_the_bytes_of_a_scalar() {
    for values in sweep() {
        for isa in Isa::available() {
            let result = dispatch_on(isa, Elementary(&values));
            for lane in 0..LANES {
                for (index, scalar) in elementary(values[lane]).into_iter().enumerate() {
                    let ours = result[index][lane];
                    assert_eq!(
                        ours.to_bits(),
                        scalar.to_bits(),
                        "{isa}, function {index}: {ours} against {scalar} for {}",
                        values[lane]
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_no_number_is_treated_alike_by_lanes_and_scalars() {
    struct Special<'a>(&'a [f32; LANES], &'a [f32; LANES]);
    impl Kernel for Special<'_> {
        type Output = [[f32; LANES]; 5];
        #[inline(always)]
        fn run<L: Lanes>(self) -> Self::Output {
            let mut out = [[0.0; LANES]; 5];
            for (out, lanes) in out.iter_mut().zip(special(L::from_array(self.0), L::from_array(self.1))) {
                *out = lanes.to_array();
            }
            out
        }
    }
    fn special<R: Real>(a: R, b: R) -> [R; 5] {
        let as_number = |mask| R::select(mask, R::one(), R::zero());
        [a.min(b), a.max(b), a.clamp(b, R::one()), as_number(a.less(b)), as_number(R::not(a.is_finite()))]
    }
    let numbers = [f32::NAN, 0.0, -0.0, 1.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, 1e-42];
    for second in numbers {
        let first = std::array::from_fn(|lane| numbers[lane % numbers.len()]);
        for isa in Isa::available() {
            let lanes = dispatch_on(isa, Special(&first, &[second; LANES]));
            for lane in 0..LANES {
                for (index, scalar) in special(first[lane], second).into_iter().enumerate() {
                    let ours = lanes[index][lane];
                    let same = ours.to_bits() == scalar.to_bits() || ours.is_nan() && scalar.is_nan();
                    assert!(same, "{isa}, {index} of {} and {second}: {ours} against {scalar}", first[lane]);
                }
            }
        }
    }
}

#[test]
fn elementary_functions_stay_within_their_stated_bounds() {
    let mut worst = [0.0_f64; 8];
    for values in sweep() {
        let result = dispatch_on(*Isa::available().last().unwrap(), Elementary(&values));
        for lane in 0..LANES {
            let x = f64::from(values[lane]);
            let positive = f64::from(values[lane].abs() + 1e-3);
            let turns = f64::from(values[lane] * 0.02) * std::f64::consts::TAU;
            let unit = f64::from(values[lane].abs().min(1.0));
            let exact = [
                x.exp(),
                x.tanh(),
                1.0 / (1.0 + (-x).exp()),
                positive.ln(),
                turns.sin(),
                turns.cos(),
                2.0 * (0.5 * unit).sqrt().asin(),
                (-x.abs()).exp_m1(),
            ];
            for (index, exact) in exact.into_iter().enumerate() {
                let error = (f64::from(result[index][lane]) - exact).abs();
                let scale =
                    if matches!(index, 0 | 3) { exact.abs().max(0.1 * f64::from(index == 3)) } else { 1.0 };
                worst[index] = worst[index].max(error / scale);
            }
        }
    }
    for (name, (worst, bound)) in ["exp", "tanh", "sigmoid", "ln", "sin", "cos", "acos(1 - x)", "exp(x) - 1"]
        .iter()
        .zip(worst.iter().zip([2.5e-7, 4.5e-7, 3e-7, 3e-7, 4e-7, 4e-7, 5e-7, 2e-7]))
    {
        assert!(*worst < bound, "{name}: error {worst:e} above {bound:e}");
    }
}

#[test]
fn functions_of_double_precision_agree_with_those_of_single_precision() {
    for values in sweep().step_by(16) {
        for x in values {
            let single = elementary(x);
            // Choices may differ where a comparison is decided by the last bit; the functions may not.
            for (index, exact) in elementary(f64::from(x)).into_iter().enumerate().take(8) {
                let error = (f64::from(single[index]) - exact).abs();
                let scale = if matches!(index, 0 | 3) { exact.abs().max(0.1) } else { 1.0 };
                // The widest of the stated bounds, and the rounding of the argument, which is of 1.6 turns at most.
                assert!(error < 1.2e-6 * scale, "function {index} of {x}: {} against {exact}", single[index]);
            }
        }
    }
}

struct Noise(Stream, u32);

impl Kernel for Noise {
    type Output = [[f32; LANES]; 4];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let normals: [L; 4] = self.0.at_lanes(32, &[3; LANES], &[self.1; LANES]).normals(2);
        normals.map(Lanes::to_array)
    }
}

#[test]
fn every_instruction_set_draws_the_normal_numbers_of_single_envs() {
    let stream = Stream::new(7, "test");
    for step in 0..500 {
        for isa in Isa::available() {
            let draws = dispatch_on(isa, Noise(stream, step));
            for lane in 0..LANES {
                let single = stream.normals([32 + lane as u32, 3, step, 2]);
                assert_eq!(
                    draws.map(|it| it[lane].to_bits()),
                    single.map(f32::to_bits),
                    "{isa}, lane {lane}"
                );
            }
        }
    }
}

struct Transpose;

impl Kernel for Transpose {
    type Output = [[f32; LANES]; LANES];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let mut rows = [L::splat(0.0); LANES];
        for (row, lanes) in rows.iter_mut().enumerate() {
            *lanes = L::from_array(&std::array::from_fn(|column| (100 * row + column) as f32));
        }
        L::transpose(rows).map(Lanes::to_array)
    }
}

#[test]
fn transposition_swaps_rows_and_columns() {
    for isa in Isa::available() {
        let columns = dispatch_on(isa, Transpose);
        for (column, values) in columns.iter().enumerate() {
            for (row, value) in values.iter().enumerate() {
                assert!(
                    (*value - (100 * row + column) as f32).abs() < 0.5,
                    "{isa}: row {row}, column {column}"
                );
            }
        }
    }
}

struct SumsOfLanes<'a>(&'a [[f32; LANES]; LANES]);

impl Kernel for SumsOfLanes<'_> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        L::sums_of_lanes(self.0.each_ref().map(L::from_array)).to_array()
    }
}

#[test]
fn lanes_are_summed_by_folding_halves_on_every_instruction_set() {
    let stream = Stream::new(1, "sums");
    let rows = std::array::from_fn(|row| {
        std::array::from_fn(|lane| stream.normals([row as u32, lane as u32, 0, 0])[0])
    });
    for isa in Isa::available() {
        let sums = dispatch_on(isa, SumsOfLanes(&rows));
        for (row, sum) in rows.into_iter().zip(sums) {
            let mut folded = row.to_vec();
            while folded.len() > 1 {
                let (low, high) = folded.split_at(folded.len() / 2);
                folded = low.iter().zip(high).map(|(a, b)| a + b).collect();
            }
            assert_eq!(sum.to_bits(), folded[0].to_bits(), "{isa}: {row:?}");
        }
    }
}
