//! Formulas as C functions, one statement for each operation that they are made of: for every compiler that follows IEEE 754
//! and contracts nothing, those of GPUs too.

use std::fmt::Write as _;

use crate::{Binary, Constants, Form, Functions, Operation, Output, Program, Traced, Unary, Value, record};

/// A C function of numbers.
#[derive(Clone, Debug)]
pub struct CFunction {
    name: &'static str,
    inputs: Vec<&'static str>,
    /// Where results after the first go.
    more: Vec<&'static str>,
    program: Program,
}

impl CFunction {
    /// Records a formula; its first result is what the function returns, `more` names the others.
    ///
    /// # Panics
    ///
    /// If the formula has not as many results.
    pub fn record(
        name: &'static str,
        inputs: &[&'static str],
        more: &[&'static str],
        formula: impl FnOnce(&[Traced]) -> Vec<Traced>,
    ) -> Self {
        let form = Form { constants: Constants::Single, functions: Functions::Polynomials };
        let program = record(form, |recorder| {
            let numbers = recorder.input_numbers("inputs", inputs.len());
            let results = formula(&numbers);
            assert_eq!(results.len(), 1 + more.len(), "results of `{name}`");
            recorder.output_numbers("results", &results);
        });
        Self { name, inputs: inputs.to_vec(), more: more.to_vec(), program }
    }

    /// The function, whose identifiers begin with `prefix`, after `qualifiers` such as `static`.
    #[must_use]
    pub fn definition(&self, qualifiers: &str, prefix: &str) -> String {
        let mut parameters: Vec<String> = self.inputs.iter().map(|input| format!("float {input}")).collect();
        parameters.extend(self.more.iter().map(|result| format!("float *{result}")));
        let mut out = format!("{qualifiers} float {prefix}_{}({})\n{{\n", self.name, parameters.join(", "));
        // Inputs and constants are spelled where they are used.
        let mut numbers: Vec<String> = Vec::new();
        for (value, operation) in self.program.listing() {
            match (value, operation) {
                (Value::Number(_), Operation::Input(place)) => {
                    numbers.push(self.inputs[place as usize].to_owned());
                }
                (Value::Number(_), Operation::Constant(bits)) => {
                    numbers.push(literal(f64::from_bits(bits) as f32));
                }
                (Value::Number(id), _) => {
                    let _ =
                        writeln!(out, "    const float {id} = {};", expression(operation, &numbers, prefix));
                    numbers.push(id.to_string());
                }
                (Value::Mask(id), _) => {
                    let _ =
                        writeln!(out, "    const int {id} = {};", expression(operation, &numbers, prefix));
                }
                (Value::Word(_), _) => unreachable!("a function of numbers draws nothing"),
            }
        }
        let mut results = self.program.outputs().iter().flat_map(|output| match output {
            Output::Numbers { ids, .. } => ids.iter().map(|id| numbers[id.index()].as_str()).collect(),
            Output::Masks { .. } => Vec::new(),
        });
        // What a formula is recorded with has a first result.
        let first = results.next().unwrap_or_default();
        for (target, result) in self.more.iter().zip(results) {
            let _ = writeln!(out, "    *{target} = {result};");
        }
        let _ = writeln!(out, "    return {first};\n}}\n");
        out
    }

    fn uses(&self, function: Unary) -> bool {
        self.program
            .operations()
            .iter()
            .any(|it| matches!(it, Operation::Unary(found, _) if *found == function))
    }
}

/// An operation on numbers that have names already.
fn expression(operation: Operation, numbers: &[String], prefix: &str) -> String {
    let number = |id: crate::NumberId| numbers[id.index()].as_str();
    match operation {
        Operation::Unary(Unary::Negate, x) => format!("-{}", number(x)),
        Operation::Unary(Unary::Absolute, x) => format!("fabsf({})", number(x)),
        Operation::Unary(Unary::SquareRoot, x) => format!("sqrtf({})", number(x)),
        Operation::Unary(function, x) => {
            let (name, ..) = helper(function).expect("polynomials stand for all other functions");
            format!("{prefix}_{name}({})", number(x))
        }
        Operation::Binary(function, x, y) => {
            let (x, y) = (number(x), number(y));
            match function {
                Binary::Add => format!("{x} + {y}"),
                Binary::Subtract => format!("{x} - {y}"),
                Binary::Multiply => format!("{x} * {y}"),
                Binary::Divide => format!("{x} / {y}"),
                Binary::Minimum => format!("{x} < {y} ? {x} : {y}"),
                Binary::Maximum => format!("{y} < {x} ? {x} : {y}"),
            }
        }
        Operation::MultiplyAdd(x, y, z) => format!("fmaf({}, {}, {})", number(x), number(y), number(z)),
        Operation::Select(mask, x, y) => format!("{mask} ? {} : {}", number(x), number(y)),
        Operation::Less(x, y) => format!("{} < {}", number(x), number(y)),
        Operation::Truth(holds) => i32::from(holds).to_string(),
        Operation::And(x, y) => format!("{x} && {y}"),
        Operation::Or(x, y) => format!("{x} || {y}"),
        Operation::Not(x) => format!("!{x}"),
        Operation::Input(_) | Operation::Constant(_) | Operation::OfWord(..) | Operation::Draw(_) => {
            unreachable!("spelled where they are used, and a function of numbers draws nothing")
        }
    }
}

/// The shortest decimal that every compiler reads as this very number.
#[must_use]
pub fn literal(value: f32) -> String {
    let text = format!("{value:?}f");
    if value.is_sign_negative() { format!("({text})") } else { text }
}

/// Name, meaning and body of what C has no operator for.
fn helper(function: Unary) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match function {
        Unary::Round => (
            "round",
            "The nearest whole number, ties to even, of magnitudes below 2^22",
            "    return (x + 12582912.0f) - 12582912.0f;\n",
        ),
        Unary::PowerOfTwo => (
            "power_of_two",
            "2 to the power of a whole number from -126 to 127",
            "    const uint32_t bits = (uint32_t)((int32_t)x + 127) << 23;\n    float power;\n    memcpy(&power, &bits, \
             sizeof power);\n    return power;\n",
        ),
        Unary::Mantissa => (
            "mantissa",
            "m of x = m 2^e with m from the root of 1/2 to that of 2",
            "    uint32_t bits;\n    memcpy(&bits, &x, sizeof bits);\n    bits -= (bits - 0x3f3504f3u) & \
             0xff800000u;\n    memcpy(&x, &bits, sizeof x);\n    return x;\n",
        ),
        Unary::Exponent => (
            "exponent",
            "e of x = m 2^e with m from the root of 1/2 to that of 2",
            "    uint32_t bits;\n    memcpy(&bits, &x, sizeof bits);\n    bits = (bits - 0x3f3504f3u) >> 23;\n    \
             return (float)((int32_t)bits - (bits > 255u ? 512 : 0));\n",
        ),
        _ => return None,
    })
}

/// Definitions of the helpers that some function uses, after `qualifiers` such as `static`.
#[must_use]
pub fn helpers(qualifiers: &str, prefix: &str, functions: &[CFunction]) -> String {
    let all = [Unary::Round, Unary::PowerOfTwo, Unary::Mantissa, Unary::Exponent];
    let used = all.into_iter().filter(|helper| functions.iter().any(|function| function.uses(*helper)));
    let definition = |(name, meaning, body)| {
        format!("/* {meaning}. */\n{qualifiers} float {prefix}_{name}(float x)\n{{\n{body}}}\n\n")
    };
    used.filter_map(helper).map(definition).collect()
}
