//! Formulas of the hand-written kernels are printed from those of the CPU.

use std::fmt::Write as _;
use std::path::Path;

use eyas_fly::formulas;
use eyas_learn::distill::squared_error;
use eyas_policy::{Activation, adam_step, gru_backward};
use eyas_trace::c::{CFunction, helpers};

const PREFIX: &str = "eyas";
const QUALIFIERS: &str = "static __device__ __forceinline__";

/// All functions of numbers that kernels call.
fn functions() -> Vec<CFunction> {
    let gates = ["input_r", "input_z", "input_n", "state_r", "state_z", "state_n", "state"];
    let gru = CFunction::record("gru", &gates, &["update", "fresh", "next"], |x| {
        let ([reset, update, new], next) = formulas::gru([x[0], x[1], x[2]], [x[3], x[4], x[5]], x[6]);
        vec![reset, update, new, next]
    });
    let kept = ["reset", "update", "fresh", "state_n", "before", "d_hidden"];
    let back = CFunction::record("gru_backward", &kept, &["d_r", "d_z", "d_n", "d_state_n"], |x| {
        let (through, slopes) = gru_backward([x[0], x[1], x[2], x[3]], x[4], x[5]);
        [through].into_iter().chain(slopes).collect()
    });
    let error =
        CFunction::record("squared_error", &["output", "label", "weight", "sum"], &["d_output"], |x| {
            let (sum, slope) = squared_error(x[0], x[1], x[2], x[3]);
            vec![sum, slope]
        });
    let taken = ["parameter", "gradient", "mean", "square", "step_size", "root_correction"];
    let adam = CFunction::record("adam", &taken, &["new_mean", "new_square"], |x| {
        let (value, moments) = adam_step(x[0], x[1], [x[2], x[3]], [x[4], x[5]]);
        [value].into_iter().chain(moments).collect()
    });
    let lstm = CFunction::record("lstm", &["i", "f", "g", "o", "cell"], &["next"], |x| {
        let (hidden, cell) = formulas::lstm([x[0], x[1], x[2], x[3]], x[4]);
        vec![hidden, cell]
    });
    let normalize = CFunction::record("normalize", &["x", "mean", "scale"], &[], |x| {
        vec![formulas::normalize(x[0], x[1], x[2])]
    });
    let clip = CFunction::record("clip", &["x", "limit"], &[], |x| vec![formulas::clip(x[0], x[1])]);
    let beta_mean =
        CFunction::record("beta_mean", &["alpha", "beta"], &[], |x| vec![formulas::beta_mean(x[0], x[1])]);
    vec![gru, back, error, adam, lstm, normalize, clip, beta_mean]
}

/// Activations that a network can be trained with, by the number that stands for each.
fn activations() -> Vec<(u32, &'static str, CFunction, CFunction)> {
    let each: [(Activation, [&'static str; 2]); 8] = [
        (Activation::Elu, ["elu", "elu_slope"]),
        (Activation::Selu, ["selu", "selu_slope"]),
        (Activation::Relu, ["relu", "relu_slope"]),
        (Activation::LeakyRelu, ["leaky_relu", "leaky_relu_slope"]),
        (Activation::Tanh, ["tanh", "tanh_slope"]),
        (Activation::Sigmoid, ["sigmoid", "sigmoid_slope"]),
        (Activation::Softplus, ["softplus", "softplus_slope"]),
        (Activation::Identity, ["identity", "identity_slope"]),
    ];
    let of = |(activation, [value, slope]): (Activation, [&'static str; 2])| {
        let slope_of = |y| activation.slope(y).expect("the slope follows from the value");
        (
            activation as u32,
            value,
            CFunction::record(value, &["x"], &[], |x| vec![activation.value(x[0])]),
            CFunction::record(slope, &["y"], &[], |y| vec![slope_of(y[0])]),
        )
    };
    each.into_iter().map(of).collect()
}

fn header() -> String {
    let (functions, activations) = (functions(), activations());
    let mut all = functions.clone();
    all.extend(activations.iter().flat_map(|(_, _, value, slope)| [value.clone(), slope.clone()]));
    let mut out = String::from(
        "/* Printed from the formulas of the CPU by crates/eyas-gpu/tests/it/formulas.rs; EYAS_ACCEPT=1 writes it anew. */\n\n\
         typedef unsigned int uint32_t;\ntypedef int int32_t;\n\n",
    );
    out.push_str(&helpers(QUALIFIERS, PREFIX, &all));
    for function in &all {
        out.push_str(&function.definition(QUALIFIERS, PREFIX));
    }
    let _ = writeln!(out, "constexpr uint32_t EYAS_IDENTITY = {};\n", Activation::Identity as u32);
    for (name, suffix, meaning) in [
        ("values", "", "Values of an activation, by its number"),
        ("slopes", "_slope", "Its derivatives where it takes the values x"),
    ] {
        let _ = write!(
            out,
            "/* {meaning}. */\ntemplate <uint32_t N> {QUALIFIERS} void {PREFIX}_{name}(uint32_t activation, float (&x)[N])\n{{\n    \
             switch (activation) {{\n"
        );
        for (number, function, ..) in &activations {
            if *number == Activation::Elu as u32 {
                // With its α of 1, CELU is the same function.
                let _ = writeln!(out, "    case {}:", Activation::Celu as u32);
            }
            let _ = writeln!(
                out,
                "    case {number}:\n        for (uint32_t i = 0; i < N; ++i)\n            x[i] = \
                 {PREFIX}_{function}{suffix}(x[i]);\n        break;"
            );
        }
        out.push_str("    }\n}\n\n");
    }
    out
}

#[test]
fn kernels_compute_with_the_formulas_of_the_cpu() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/formulas.cuh");
    let header = header();
    if std::env::var_os("EYAS_ACCEPT").is_some() {
        std::fs::write(&path, &header).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == header, "run with EYAS_ACCEPT=1, then crates/eyas-gpu/kernels/build.py");
}
