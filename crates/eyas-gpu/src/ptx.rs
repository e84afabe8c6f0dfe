//! Programs written as PTX, the assembly that NVIDIA's driver takes.
//!
//! A thread computes one env, a warp a block of 32, so that a [`Row`](eyas_lanes::Row) is one coalesced line and memory of
//! the device is rows. Every operation is rounded to nearest, nothing is contracted, subnormal numbers stay: the results
//! have the bits that the program has on `f32` and on lanes, but for the payloads of what is not a number.

use std::fmt::Write as _;

use eyas_lanes::{QuarterTurn, ROOT_HALF, philox};
use eyas_trace::{Binary, Draw, FromWord, Operation, Output, Program, Unary, Value};

/// What a program cannot be written with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no operation of a GPU: record the program with `Functions::Polynomials`")]
pub struct Unwritable(String);

/// An output that becomes an input of the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    /// Name of the group of outputs.
    pub output: &'a str,
    /// Name of the group of inputs, of the same width.
    pub input: &'a str,
}

/// The purposes of the streams that a program draws from, in the order in which a kernel takes their keys.
#[must_use]
pub fn purposes(program: &Program) -> Vec<&str> {
    let mut purposes: Vec<&str> = Vec::new();
    for Draw { purpose, .. } in program.draws() {
        if !purposes.contains(&purpose.as_str()) {
            purposes.push(purpose);
        }
    }
    purposes
}

/// Rows that a program gives: its numbers, and its masks as 1 and 0, in the order of its outputs.
#[must_use]
pub fn num_outputs(program: &Program) -> usize {
    program.outputs().iter().map(Output::len).sum()
}

/// A program as the text of a kernel called `entry`, which computes it `steps` times: what `feedback` names goes from an
/// output to an input of the next time, in registers. It takes
///
/// | parameter | type | what |
/// |---|---|---|
/// | `inputs` | `.u64` | `[block][input]` rows of 32 `f32` |
/// | `outputs` | `.u64` | `[block][output]` rows of 32 `f32` |
/// | `counters` | `.u64` | `[block][2]` rows of 32 `u32`: episode and step of each env, which draws are keyed by |
/// | `keys` | `.u64` | two `u32` for each of the [`purposes`] |
/// | `first_env` | `.u32` | global index of the first env |
/// | `num_envs` | `.u32` | envs, whole blocks |
/// | `steps` | `.u32` | how many times, at least 1; the step that draws are keyed by goes up by 1 each time |
///
/// # Errors
///
/// [`Unwritable`] if an elementary function was recorded whole.
///
/// # Panics
///
/// If there is no group of inputs or outputs of a name in `feedback`, or it is of masks or has another width.
pub fn kernel(program: &Program, entry: &str, feedback: &[Feedback]) -> Result<String, Unwritable> {
    let mut writer = Writer::new(program, "global", &|place| format!("%inputs+{}", 128 * place));
    let (inputs, rest) = inputs_and_rest(program);
    for (value, operation) in &inputs {
        writer.operation(*value, *operation)?;
    }
    writer.body.push_str("again:\n");
    for (value, operation) in rest {
        writer.operation(value, operation)?;
    }
    writer.line("sub.u32 %left, %left, 1");
    writer.line("setp.eq.u32 %past, %left, 0");
    writer.line("@%past bra done");
    writer.feed_back(&inputs, feedback);
    writer.line("add.u32 %step, %step, 1");
    writer.line("bra again");
    writer.body.push_str("done:\n");
    writer.outputs(&|place| format!("%outputs+{}", 128 * place), "");
    let registers = writer.registers();
    let Writer { body, drawn, .. } = writer;
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        ".version 7.0\n.target sm_80\n.address_size 64\n\n\
         .visible .entry {entry}(\n\
         \t.param .u64 inputs, .param .u64 outputs, .param .u64 counters, .param .u64 keys,\n\
         \t.param .u32 first_env, .param .u32 num_envs, .param .u32 steps\n)\n{{\n\
         {registers}\t.reg .b32 %count, %lane, %block, %left;\n\
         \t.reg .b64 %inputs, %outputs, %counters, %at;\n\n\
         \tmov.u32 %block, %ctaid.x;\n\tmov.u32 %lane, %ntid.x;\n\tmov.u32 %env, %tid.x;\n\
         \tmad.lo.u32 %env, %block, %lane, %env;\n\
         \tld.param.u32 %count, [num_envs];\n\tsetp.ge.u32 %past, %env, %count;\n\t@%past ret;\n\
         \tand.b32 %lane, %env, 31;\n\tshr.u32 %block, %env, 5;\n\
         \tld.param.u32 %count, [first_env];\n\tadd.u32 %env, %env, %count;\n\
         \tld.param.u32 %left, [steps];\n\
         {}{}{}{body}\tret;\n}}\n",
        address("inputs", program.num_inputs()),
        address("outputs", num_outputs(program)),
        if drawn.is_empty() { String::new() } else { prologue_of_draws() },
    );
    Ok(text)
}

/// A program as the text of a function `name` that a kernel calls for an env, which lies in shared memory: `inputs` and
/// `outputs` say in which row of so many `f32` each number does. It takes
///
/// | parameter | type | what |
/// |---|---|---|
/// | 0 | `.b32` | where the env's lane of the first row is in shared memory |
/// | 1 | `.b64` | two `u32` for each of the [`purposes`] |
/// | 2 to 4 | `.b32` | env, episode and step, which draws are keyed by |
/// | 5 | `.b32` | whether outputs are written, not 0 |
///
/// # Errors
///
/// [`Unwritable`] if an elementary function was recorded whole.
pub(crate) fn function(
    program: &Program,
    name: &str,
    lanes: usize,
    [inputs, outputs]: [&[usize]; 2],
) -> Result<String, Unwritable> {
    let address = |row: usize| format!("%frame+{}", size_of::<f32>() * lanes * row);
    let of_input = |place: usize| address(inputs[place]);
    let mut writer = Writer::new(program, "shared", &of_input);
    let (read, rest) = inputs_and_rest(program);
    for (value, operation) in read.into_iter().chain(rest) {
        writer.operation(value, operation)?;
    }
    writer.outputs(&|place| address(outputs[place]), "@%stores ");
    let registers = writer.registers();
    let Writer { body, .. } = writer;
    let parameter = |place: usize| format!("{name}_param_{place}");
    let declared: Vec<String> = (0..6)
        .map(|place| format!("\t.param .b{} {}", if place == 1 { 64 } else { 32 }, parameter(place)))
        .collect();
    Ok(format!(
        ".func {name}\n(\n{}\n)\n{{\n{registers}\t.reg .b32 %frame, %asked;\n\t.reg .pred %stores;\n\n\
         \tld.param.b32 %frame, [{}];\n\tld.param.b64 %keys, [{}];\n\tld.param.b32 %env, [{}];\n\
         \tld.param.b32 %episode, [{}];\n\tld.param.b32 %step, [{}];\n\tld.param.b32 %asked, [{}];\n\
         \tcvta.to.global.u64 %keys, %keys;\n\tsetp.ne.u32 %stores, %asked, 0;\n{body}\tret;\n}}\n",
        declared.join(",\n"),
        parameter(0),
        parameter(1),
        parameter(2),
        parameter(3),
        parameter(4),
        parameter(5),
    ))
}

/// Operations and what each gives.
type Listing = Vec<(Value, Operation)>;

/// What reads inputs, and all else.
fn inputs_and_rest(program: &Program) -> (Listing, Listing) {
    program.listing().partition(|(_, operation)| matches!(operation, Operation::Input(_)))
}

/// Registers of each kind.
fn counts(program: &Program) -> [usize; 3] {
    let mut counts = [0; 3];
    for (value, _) in program.listing() {
        match value {
            Value::Number(_) => counts[0] += 1,
            Value::Mask(_) => counts[1] += 1,
            Value::Word(_) => counts[2] += 1,
        }
    }
    counts
}

/// Lets the register of a parameter point to this thread's lane of the first of so many rows of its block.
fn address(parameter: &str, rows: usize) -> String {
    format!(
        "\tld.param.u64 %{parameter}, [{parameter}];\n\tcvta.to.global.u64 %{parameter}, %{parameter};\n\
         \tmul.wide.u32 %at, %block, {};\n\tadd.s64 %{parameter}, %{parameter}, %at;\n\
         \tmul.wide.u32 %at, %lane, 4;\n\tadd.s64 %{parameter}, %{parameter}, %at;\n",
        128 * rows
    )
}

fn prologue_of_draws() -> String {
    let mut text = address("counters", 2);
    text.push_str(
        "\tld.global.u32 %episode, [%counters];\n\tld.global.u32 %step, [%counters+128];\n\
         \tld.param.u64 %keys, [keys];\n\tcvta.to.global.u64 %keys, %keys;\n",
    );
    text
}

struct Writer<'a> {
    program: &'a Program,
    /// The space in which numbers lie, and where in it each input does.
    space: &'static str,
    address: &'a dyn Fn(usize) -> String,
    body: String,
    /// Purposes and numbers of the draws that stand in registers `%d`, four words each.
    drawn: Vec<(&'a str, u32)>,
    /// Registers that hold a number for an operation or two.
    scratch: usize,
}

impl<'a> Writer<'a> {
    fn new(program: &'a Program, space: &'static str, address: &'a dyn Fn(usize) -> String) -> Self {
        Self { program, space, address, body: String::new(), drawn: Vec::new(), scratch: 0 }
    }

    /// Declares what the body uses, and where and when an env draws.
    fn registers(&self) -> String {
        let [numbers, masks, words] = counts(self.program).map(|count| count.max(1));
        format!(
            "\t.reg .f32 %n<{numbers}>;\n\t.reg .pred %m<{masks}>;\n\t.reg .b32 %w<{words}>;\n\
             \t.reg .b32 %d<{}>;\n\t.reg .b32 %t<{}>;\n\t.reg .f32 %one;\n\t.reg .pred %past;\n\
             \t.reg .b32 %env, %episode, %step, %k<2>, %hi<2>, %lo<2>;\n\t.reg .b64 %keys;\n",
            (4 * self.drawn.len()).max(1),
            self.scratch.max(1),
        )
    }

    fn line(&mut self, text: &str) {
        self.body.push('\t');
        self.body.push_str(text);
        self.body.push_str(";\n");
    }

    fn scratch(&mut self) -> String {
        self.scratch += 1;
        format!("%t{}", self.scratch - 1)
    }

    fn operation(&mut self, value: Value, operation: Operation) -> Result<(), Unwritable> {
        let to = format!("%{value}");
        let line = match operation {
            Operation::Input(place) => {
                format!("ld.{}.f32 {to}, [{}]", self.space, (self.address)(place as usize))
            }
            Operation::Constant(bits) => format!("mov.f32 {to}, {}", single(f64::from_bits(bits) as f32)),
            Operation::Unary(function, x) => return self.unary(&to, function, &format!("%{x}"), operation),
            Operation::Binary(Binary::Minimum, x, y) => {
                self.line(&format!("setp.lt.f32 %past, %{x}, %{y}"));
                format!("selp.f32 {to}, %{x}, %{y}, %past")
            }
            Operation::Binary(Binary::Maximum, x, y) => {
                self.line(&format!("setp.gt.f32 %past, %{x}, %{y}"));
                format!("selp.f32 {to}, %{x}, %{y}, %past")
            }
            Operation::Binary(Binary::Add, x, y) => format!("add.rn.f32 {to}, %{x}, %{y}"),
            Operation::Binary(Binary::Subtract, x, y) => format!("sub.rn.f32 {to}, %{x}, %{y}"),
            Operation::Binary(Binary::Multiply, x, y) => format!("mul.rn.f32 {to}, %{x}, %{y}"),
            Operation::Binary(Binary::Divide, x, y) => format!("div.rn.f32 {to}, %{x}, %{y}"),
            Operation::MultiplyAdd(x, y, z) => format!("fma.rn.f32 {to}, %{x}, %{y}, %{z}"),
            Operation::Select(mask, x, y) => format!("selp.f32 {to}, %{x}, %{y}, %{mask}"),
            Operation::OfWord(function, word) => {
                self.of_word(&to, function, &format!("%{word}"));
                return Ok(());
            }
            Operation::Less(x, y) => format!("setp.lt.f32 {to}, %{x}, %{y}"),
            Operation::Truth(holds) => format!("setp.{}.u32 {to}, 0, 0", if holds { "eq" } else { "ne" }),
            Operation::And(x, y) => format!("and.pred {to}, %{x}, %{y}"),
            Operation::Or(x, y) => format!("or.pred {to}, %{x}, %{y}"),
            Operation::Not(x) => format!("not.pred {to}, %{x}"),
            Operation::Draw(place) => {
                let Draw { purpose, draw, word } = &self.program.draws()[place as usize];
                let group = self.draw(purpose, *draw);
                format!("mov.b32 {to}, %d{}", 4 * group + usize::from(*word))
            }
        };
        self.line(&line);
        Ok(())
    }

    fn unary(&mut self, to: &str, function: Unary, x: &str, operation: Operation) -> Result<(), Unwritable> {
        match function {
            Unary::Negate => self.line(&format!("neg.f32 {to}, {x}")),
            Unary::SquareRoot => self.line(&format!("sqrt.rn.f32 {to}, {x}")),
            Unary::Absolute => self.line(&format!("abs.f32 {to}, {x}")),
            Unary::Round => self.line(&format!("cvt.rni.f32.f32 {to}, {x}")),
            Unary::PowerOfTwo => {
                let bits = self.scratch();
                self.line(&format!("cvt.rzi.s32.f32 {bits}, {x}"));
                self.line(&format!("add.s32 {bits}, {bits}, 127"));
                self.line(&format!("shl.b32 {bits}, {bits}, 23"));
                self.line(&format!("mov.b32 {to}, {bits}"));
            }
            Unary::Mantissa | Unary::Exponent => {
                let (bits, power) = (self.scratch(), self.scratch());
                self.line(&format!("mov.b32 {bits}, {x}"));
                self.line(&format!("sub.s32 {power}, {bits}, {ROOT_HALF}"));
                self.line(&format!("shr.s32 {power}, {power}, 23"));
                if function == Unary::Exponent {
                    self.line(&format!("cvt.rn.f32.s32 {to}, {power}"));
                } else {
                    self.line(&format!("shl.b32 {power}, {power}, 23"));
                    self.line(&format!("sub.s32 {bits}, {bits}, {power}"));
                    self.line(&format!("mov.b32 {to}, {bits}"));
                }
            }
            _ => return Err(Unwritable(operation.to_string())),
        }
        Ok(())
    }

    /// As [`Real::uniform`](eyas_lanes::Real::uniform) and [`QuarterTurn`](eyas_lanes::QuarterTurn) of `f32`.
    fn of_word(&mut self, to: &str, function: FromWord, word: &str) {
        const EIGHTH: u32 = QuarterTurn::<f32>::EIGHTH;
        const QUARTER: u32 = QuarterTurn::<f32>::QUARTER;
        let bits = self.scratch();
        match function {
            FromWord::Uniform => {
                self.line(&format!("shr.u32 {bits}, {word}, 8"));
                self.line(&format!("cvt.rn.f32.u32 {to}, {bits}"));
                self.line(&format!("mul.rn.f32 {to}, {to}, {}", single(1.0 / 16_777_216.0)));
                return;
            }
            FromWord::TurnRest => {
                self.line(&format!("add.u32 {bits}, {word}, {EIGHTH}"));
                self.line(&format!("and.b32 {bits}, {bits}, {}", QUARTER - 1));
                self.line(&format!("sub.s32 {bits}, {bits}, {EIGHTH}"));
                self.line(&format!("cvt.rn.f32.s32 {to}, {bits}"));
                return;
            }
            FromWord::TurnSine => self.line(&format!("add.u32 {bits}, {word}, {EIGHTH}")),
            FromWord::TurnCosine => self.line(&format!("add.u32 {bits}, {word}, {}", EIGHTH + QUARTER)),
            FromWord::TurnSwap => {
                self.line(&format!("add.u32 {bits}, {word}, {EIGHTH}"));
                self.line(&format!("shl.b32 {bits}, {bits}, 1"));
            }
        }
        self.line(&format!("and.b32 {bits}, {bits}, 0x80000000"));
        self.line(&format!("or.b32 {bits}, {bits}, {}", 1.0_f32.to_bits()));
        self.line(&format!("mov.b32 {to}, {bits}"));
    }

    /// Ten rounds of Philox unless these words are there already; returns their place.
    fn draw(&mut self, purpose: &'a str, draw: u32) -> usize {
        if let Some(place) = self.drawn.iter().position(|it| *it == (purpose, draw)) {
            return place;
        }
        let place = self.drawn.len();
        self.drawn.push((purpose, draw));
        let key = purposes(self.program).iter().position(|it| *it == purpose).unwrap_or(0);
        let word = |index: usize| format!("%d{}", 4 * place + index);
        self.line(&format!("ld.global.u32 %k0, [%keys+{}]", 8 * key));
        self.line(&format!("ld.global.u32 %k1, [%keys+{}]", 8 * key + 4));
        for (index, counter) in ["%env", "%episode", "%step", &draw.to_string()].into_iter().enumerate() {
            self.line(&format!("mov.b32 {}, {counter}", word(index)));
        }
        for round in 0..philox::ROUNDS {
            for half in 0..2 {
                let (word, factor) = (word(2 * half), philox::FACTORS[half]);
                self.line(&format!("mul.hi.u32 %hi{half}, {word}, {factor}"));
                self.line(&format!("mul.lo.u32 %lo{half}, {word}, {factor}"));
            }
            for half in 0..2 {
                let (even, odd) = (word(2 * half), word(2 * half + 1));
                self.line(&format!("xor.b32 {even}, %hi{}, {odd}", 1 - half));
                self.line(&format!("xor.b32 {even}, {even}, %k{half}"));
                self.line(&format!("mov.b32 {odd}, %lo{}", 1 - half));
            }
            if round + 1 < philox::ROUNDS {
                for (index, step) in philox::KEY_STEPS.iter().enumerate() {
                    self.line(&format!("add.u32 %k{index}, %k{index}, {step}"));
                }
            }
        }
        place
    }

    /// Moves outputs to the inputs that they become; all are read before any is written.
    fn feed_back(&mut self, inputs: &[(Value, Operation)], feedback: &[Feedback]) {
        let mut moves = Vec::new();
        for Feedback { output, input } in feedback {
            let found = self.program.outputs().iter().find(|it| it.name() == *output);
            let Some(Output::Numbers { ids, .. }) = found else {
                panic!("no numbers are given that are called `{output}`")
            };
            let places = self.program.input(input);
            assert!(ids.len() == places.len(), "`{output}` and `{input}` have other widths");
            for (id, place) in ids.iter().zip(places) {
                // An input that nothing reads has no register.
                let register = inputs.iter().find(|(_, it)| *it == Operation::Input(place as u32));
                moves.extend(register.map(|(value, _)| (self.scratch(), format!("%{value}"), id)));
            }
        }
        for (bits, _, id) in &moves {
            self.line(&format!("mov.b32 {bits}, %{id}"));
        }
        for (bits, register, _) in &moves {
            self.line(&format!("mov.b32 {register}, {bits}"));
        }
    }

    /// Writes the outputs where their places lie, under a guard.
    fn outputs(&mut self, address: &dyn Fn(usize) -> String, guard: &str) {
        let mut values: Vec<(String, bool)> = Vec::new();
        for output in self.program.outputs() {
            match output {
                Output::Numbers { ids, .. } => values.extend(ids.iter().map(|id| (format!("%{id}"), false))),
                Output::Masks { ids, .. } => values.extend(ids.iter().map(|id| (format!("%{id}"), true))),
            }
        }
        for (place, (register, is_mask)) in values.into_iter().enumerate() {
            if is_mask {
                self.line(&format!("selp.f32 %one, {}, {}, {register}", single(1.0), single(0.0)));
            }
            let register = if is_mask { "%one" } else { &register };
            self.line(&format!("{guard}st.{}.f32 [{}], {register}", self.space, address(place)));
        }
    }
}

/// A number by its bits.
fn single(value: f32) -> String {
    format!("0f{:08X}", value.to_bits())
}
