//! Policies as C: one header and one source file that need nothing else.
//!
//! The arithmetic is written from the formulas that fly here, operation by operation, so that every compiler that follows
//! IEEE 754 gives the bits of `eyas act`. `fmaf` alone is taken from the C library, and its result is defined to the last bit.

mod int8;
mod read;

use std::fmt::Write as _;
use std::path::Path;

use eyas_fly::formulas;
use eyas_lanes::Real as _;
use eyas_policy::{
    Activation, Cell, Contract, Core, Linear, Normalizer, Output, Policy, Tensor, TestVectors,
};
use eyas_trace::Traced;
use eyas_trace::c::{CFunction, helpers, literal};

use crate::checkpoint::chain;
use crate::contract;

pub(crate) use int8::quantized;
pub(crate) use read::{is_c, read};

use int8::Rows;

/// How every file begins, and the version of what follows.
const MAGIC: &str = "/* eyas policy, form 1";

/// How every file ends: one that was cut is found out.
const END: &str = "/* end of the policy */";

/// Stands before the contract, alone in its line.
const CONTRACT: &str = "/* eyas.contract";

/// The statistics of the normaliser among the tensors.
const MEAN: &str = "obs_normalizer._mean";
const DEVIATION: &str = "obs_normalizer._std";
const LIMIT: &str = "obs_normalizer.clip";

/// Observations and actions of the test vectors among the tensors.
const TEST: [&str; 2] = ["test.observations", "test.actions"];

/// What is written: the source and its header.
pub(crate) struct Files {
    pub(crate) source: String,
    pub(crate) header: String,
    /// Bytes of stack that a control step takes, about.
    pub(crate) stack: usize,
}

/// How weights are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// As they are.
    Single,
    /// As whole numbers of eight bits, of which the policy is that of [`quantized`].
    Int8,
}

/// A policy and its contract as C; identifiers begin with the name of the file.
pub(crate) fn write(path: &Path, policy: &Policy, contract: &Contract, weights: Weights) -> Files {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let header = path.with_extension("h");
    let header = header.file_name().unwrap_or_default().to_string_lossy();
    write_as((&identifier(&stem), &header), policy, contract, weights)
}

/// [`write`], with what identifiers begin with and the name of the header.
pub(crate) fn write_as(
    (name, header): (&str, &str),
    policy: &Policy,
    contract: &Contract,
    weights: Weights,
) -> Files {
    let mut contract = contract.clone();
    if contract.test.observations.is_empty() {
        contract.test = TestVectors::of(policy);
    }
    if weights == Weights::Int8 {
        // The self-test is of what flies, to the last bit; how far that is from the policy was said where it was written.
        contract.test.actions = TestVectors::actions_of(&quantized(policy), &contract.test.observations);
        contract.test.tolerance = Contract::TOLERANCE;
    }
    let writer = Writer { policy, contract: &contract, name: name.to_owned(), weights };
    Files { source: writer.source(header), header: writer.header(), stack: writer.stack() }
}

/// A file's name as the beginning of identifiers.
fn identifier(stem: &str) -> String {
    let allowed = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '_' };
    let name: String = stem.chars().map(allowed).collect();
    // Names that begin with a digit are none, and those with an underscore are the compiler's.
    if name.starts_with(|it: char| it.is_ascii_lowercase()) { name } else { format!("policy_{name}") }
}

struct Writer<'a> {
    policy: &'a Policy,
    contract: &'a Contract,
    name: String,
    weights: Weights,
}

impl Writer<'_> {
    fn core(&self) -> Option<Core> {
        self.policy.network.architecture.core
    }

    /// Whether some layer is followed by the activation.
    fn is_activated(&self) -> bool {
        let architecture = &self.policy.network.architecture;
        let layers = architecture.encoder.len() + architecture.hidden.len();
        layers > 0 && architecture.activation != Activation::Identity
    }

    fn header(&self) -> String {
        let (name, upper) = (&self.name, self.name.to_ascii_uppercase());
        let Contract { control_rate_hz, observation, action, test, .. } = self.contract;
        let mut out = format!(
            "/* A policy in C99, written by {writer}. What it observes and commands stands in the contract at the head\n \
             * of the source file; this is the short of it. */\n\
             #ifndef {upper}_H\n#define {upper}_H\n\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n",
            writer = comment(&self.contract.writer),
        );
        let _ = writeln!(out, "/* Features of an observation{}.", normalized(self.policy));
        let mut first = 0;
        for part in &observation.parts {
            let (end, unit) = (first + part.width, if part.unit == "1" { "" } else { &part.unit });
            let text = format!(
                "{first}..{end} {}, {}{}{}",
                part.name,
                part.frame,
                if unit.is_empty() { "" } else { ", " },
                unit
            );
            let _ = writeln!(out, " *   {}", comment(&text));
            first = end;
        }
        let _ = writeln!(out, " */\n#define {upper}_OBSERVATIONS {}\n", self.policy.num_observations());
        let stated = |what: &str, text: &Option<String>| {
            text.as_ref().map_or(String::new(), |text| format!("\n *   {what}: {}", comment(text)))
        };
        let _ = writeln!(
            out,
            "/* Numbers of an action.{}{}{} */\n#define {upper}_ACTIONS {}\n",
            stated("meaning", &action.meaning),
            stated("order", &action.motor_order),
            stated("spin", &action.spin.as_ref().map(|spin| spin.join(", "))),
            self.policy.num_actions()
        );
        if let Some([low, high]) = action.range {
            let clamp = if action.clamped == Some(true) { "; clamp what is outside" } else { "" };
            let _ = writeln!(
                out,
                "/* Least and greatest number that means something{clamp}. */\n#define {upper}_ACTION_MIN \
                 ({})\n#define {upper}_ACTION_MAX ({})\n",
                literal(low),
                literal(high)
            );
        }
        if let Some(rate) = control_rate_hz {
            let rate = literal(*rate as f32);
            let _ = writeln!(out, "/* Control steps a second. */\n#define {upper}_RATE_HZ {rate}\n");
        }
        let tolerance = literal(test.tolerance);
        let _ = writeln!(
            out,
            "/* Largest result of {name}_self_test that is no fault. */\n#define {upper}_TOLERANCE {tolerance}\n"
        );
        let _ = write!(
            out,
            "/* What is remembered from step to step; one for each vehicle. */\ntypedef struct {{\n{members}}} \
             {name}_state;\n\n\
             /* Begins the first episode, and replays the test vectors: 0 if the policy acts as it did where it was \
             exported,\n * else do not arm. */\n\
             int {name}_init({name}_state *state);\n\n\
             /* Begins an episode. */\n\
             void {name}_reset({name}_state *state);\n\n\
             /* One control step. Returns 0, or 1 if an action is not finite, as after an observation that was not:\n \
             * do not fly that action, and reset. */\n\
             int {name}_control({name}_state *state, const float observation[{upper}_OBSERVATIONS],\n                   \
             float action[{upper}_ACTIONS]);\n\n\
             /* Largest difference of an action over the {steps} steps of the test vectors. */\n\
             float {name}_self_test(void);\n\n\
             #ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
            members = self.state_members(),
            steps = test.observations.len(),
        );
        out
    }

    fn state_members(&self) -> String {
        let Some(Core { cell, width, layers }) = self.core() else {
            return "    char unused; /* this policy remembers nothing */\n".to_owned();
        };
        let cells = format!("    float cell[{layers}][{width}];\n");
        format!("    float hidden[{layers}][{width}];\n{}", if cell == Cell::Lstm { &cells } else { "" })
    }

    fn source(&self, header: &str) -> String {
        let mut facts = self.contract.clone();
        // The vectors stand in arrays.
        (facts.test.observations, facts.test.actions) = (Vec::new(), Vec::new());
        // `/` opens and closes comments; it stands within texts only, where JSON has another spelling.
        let json = contract::to_json(&facts).replace('/', "\\u002f");
        let formulas = self.formulas();
        let helpers = helpers("static", &self.name, &formulas);
        let mut out = self.preamble();
        let _ = write!(
            out,
            "{CONTRACT}\n{json}\n*/\n\n#include \"{header}\"\n\n#include <float.h>\n#include <math.h>\n#include \
             <stddef.h>\n{integers}#include \
             <string.h>\n\n{guards}",
            integers = if helpers.is_empty() && self.weights == Weights::Single {
                ""
            } else {
                "#include <stdint.h>\n"
            },
            guards = GUARDS,
        );
        self.write_tensors(&mut out);
        out.push_str(&helpers);
        for formula in &formulas {
            out.push_str(&formula.definition("static", &self.name));
        }
        self.write_functions(&mut out);
        let _ = writeln!(out, "\n{END}");
        out
    }

    /// What the file is, what it takes and what it needs.
    fn preamble(&self) -> String {
        let architecture = &self.policy.network.architecture;
        let normalizer = self
            .policy
            .normalizer
            .as_ref()
            .map_or(0, |it| 2 * architecture.inputs + usize::from(it.clip.is_some()));
        let test = &self.contract.test;
        let vectors: usize = test.observations.iter().chain(&test.actions).map(Vec::len).sum();
        format!(
            "{MAGIC}: {chain}, {activation}; written by {writer}.\n *\n \
             * C99 without anything else: no heap, no recursion, no state but the caller's. Read-only memory: {weights} \
             bytes of\n * weights and {vectors} of test vectors; state: {state} bytes; stack: about {stack}.\n *\n \
             * From the C library: memcpy, memset, and of <math.h> fabsf and fmaf, which are exact by definition. \
             Compiled by rules of\n * IEEE 754 (no -ffast-math) the actions are those of `eyas act` to the bit; a \
             processor without a fused\n * multiply-add spends most of its time in fmaf. */\n\n",
            chain = chain(architecture).replace('→', "->"),
            activation = architecture.activation,
            writer = comment(&self.contract.writer),
            weights = 4 * normalizer + self.parameter_bytes(),
            vectors = 4 * vectors,
            state = 4 * architecture.state_width().max(1),
            stack = self.stack(),
        )
    }

    /// Bytes of the network's parameters in read-only memory.
    fn parameter_bytes(&self) -> usize {
        let bytes = |tensor: &Tensor| match (self.weights, &tensor.shape[..]) {
            (Weights::Int8, [rows, columns]) => rows * (columns + 4),
            _ => 4 * tensor.range.len(),
        };
        self.policy.network.architecture.tensors().iter().map(bytes).sum()
    }

    /// Bytes of stack that a control step takes, about.
    fn stack(&self) -> usize {
        let [x, gates] = self.buffers();
        4 * (2 * x + 2 * gates) + 64
    }

    /// Numbers in each of the two buffers of layers, and in each of those of gates.
    fn buffers(&self) -> [usize; 2] {
        let architecture = &self.policy.network.architecture;
        let normalized = self.policy.normalizer.as_ref().map_or(0, |_| architecture.inputs);
        let widths = architecture.encoder.iter().chain(&architecture.hidden).copied();
        let layers = widths.chain([architecture.outputs, normalized]).max().unwrap_or(1);
        [layers, self.core().map_or(0, |core| core.cell.gates() * core.width)]
    }

    fn write_tensors(&self, out: &mut String) {
        let network = &self.policy.network;
        if let Some(normalizer) = &self.policy.normalizer {
            let shape = [1, normalizer.mean.len()];
            self.write_array(out, MEAN, &shape, &normalizer.mean);
            self.write_array(out, DEVIATION, &shape, &normalizer.std);
            if let Some(limit) = normalizer.clip {
                self.write_array(out, LIMIT, &[1], &[limit]);
            }
        }
        for tensor in network.architecture.tensors() {
            let values = &network.parameters[tensor.range.clone()];
            match (self.weights, &tensor.shape[..]) {
                (Weights::Int8, [_, columns]) => self.write_rows(out, &tensor, &Rows::of(values, *columns)),
                _ => self.write_array(out, &tensor.name, &tensor.shape, values),
            }
        }
        let test = &self.contract.test;
        for (name, rows) in TEST.into_iter().zip([&test.observations, &test.actions]) {
            let shape = [rows.len(), rows.first().map_or(0, Vec::len)];
            self.write_array(out, name, &shape, &rows.concat());
        }
    }

    /// The two arrays of a matrix in whole numbers.
    fn write_rows(&self, out: &mut String, Tensor { name, shape, .. }: &Tensor, rows: &Rows) {
        let array = self.array(name);
        let lines = |texts: Vec<String>, per_line: usize| {
            let lines = texts.chunks(per_line).map(|line| format!("\n    {},", line.join(", ")));
            lines.collect::<String>()
        };
        let _ = write!(
            out,
            "/* tensor {name} {shape:?}: scales of its rows, and the numbers that they scale */\nstatic const float \
             {array}_scale[{}] = {{{}\n}};\nstatic const int8_t {array}[{}] = {{{}\n}};\n\n",
            rows.scales.len(),
            lines(rows.scales.iter().map(|it| literal(*it)).collect(), 8),
            rows.numbers.len(),
            lines(rows.numbers.iter().map(i8::to_string).collect(), 20),
        );
    }

    /// The arrays of a matrix, as arguments.
    fn matrix(&self, tensor: &str) -> String {
        let array = self.array(tensor);
        match self.weights {
            Weights::Single => array,
            Weights::Int8 => format!("{array}, {array}_scale"),
        }
    }

    /// An array under the name of its tensor, which the comment before it spells, with its shape.
    fn write_array(&self, out: &mut String, tensor: &str, shape: &[usize], values: &[f32]) {
        let array = self.array(tensor);
        let _ =
            write!(out, "/* tensor {tensor} {shape:?} */\nstatic const float {array}[{}] = {{", values.len());
        for (index, value) in values.iter().enumerate() {
            out.push_str(if index % 8 == 0 { "\n    " } else { " " });
            let _ = write!(out, "{},", literal(*value));
        }
        out.push_str("\n};\n\n");
    }

    /// The array of a tensor.
    fn array(&self, tensor: &str) -> String {
        format!("{}_{}", self.name, tensor.replace("._", "_").replace('.', "_"))
    }

    /// The formulas that this policy is made of.
    fn formulas(&self) -> Vec<CFunction> {
        let architecture = &self.policy.network.architecture;
        let mut formulas = Vec::new();
        if self.is_activated() {
            let activation = architecture.activation;
            formulas.push(CFunction::record("activation", &["x"], &[], |x| vec![activate(activation, x[0])]));
        }
        match self.core().map(|core| core.cell) {
            None => {}
            Some(Cell::Gru) => {
                let inputs = ["i_r", "i_z", "i_n", "s_r", "s_z", "s_n", "h"];
                formulas.push(CFunction::record("unit", &inputs, &[], |x| {
                    vec![formulas::gru([x[0], x[1], x[2]], [x[3], x[4], x[5]], x[6]).1]
                }));
            }
            Some(Cell::Lstm) => {
                let inputs = ["i", "f", "g", "o", "c"];
                formulas.push(CFunction::record("unit", &inputs, &["cell"], |x| {
                    let (hidden, cell) = formulas::lstm([x[0], x[1], x[2], x[3]], x[4]);
                    vec![hidden, cell]
                }));
            }
        }
        match self.policy.output {
            Output::Identity => {}
            Output::Tanh => formulas.push(CFunction::record("squash", &["x"], &[], |x| vec![x[0].tanh()])),
            Output::Beta => formulas.push(CFunction::record("squash", &["alpha", "beta"], &[], |x| {
                vec![formulas::beta_mean(x[0], x[1])]
            })),
        }
        formulas
    }

    fn write_functions(&self, out: &mut String) {
        let (name, upper) = (&self.name, self.name.to_ascii_uppercase());
        let test = &self.contract.test;
        let reset = if self.core().is_some() {
            "    memset(state, 0, sizeof *state);\n"
        } else {
            "    state->unused = 0;\n"
        };
        let _ = write!(
            out,
            "/* y = W x + b */\nstatic void {name}_dense({matrix}, const float *bias, size_t rows, size_t \
             columns,\n                    const float *x, float *y)\n{{\n    for (size_t row = 0; row < rows; \
             row++) {{\n        float sum = bias[row];\n        for (size_t column = 0; column < columns; column++) \
             {{\n            sum = fmaf(x[column], {weight}, sum);\n        }}\n        y[row] = \
             sum;\n    }}\n}}\n\n\
             void {name}_reset({name}_state *state)\n{{\n{reset}}}\n\n\
             {control}\n\
             float {name}_self_test(void)\n{{\n    {name}_state state;\n    float action[{upper}_ACTIONS], largest = \
             0.0f;\n    {name}_reset(&state);\n    for (size_t step = 0; step < {steps}; step++) {{\n        \
             {name}_control(&state, {observations} + step * {upper}_OBSERVATIONS, action);\n        for (size_t index \
             = 0; index < {upper}_ACTIONS; index++) {{\n            const float difference = fabsf(action[index] - \
             {actions}[step * {upper}_ACTIONS + index]);\n            if (difference != difference) {{\n                \
             return difference;\n            }}\n            largest = difference > largest ? difference : \
             largest;\n        }}\n    }}\n    return largest;\n}}\n\n\
             int {name}_init({name}_state *state)\n{{\n    {name}_reset(state);\n    return {name}_self_test() <= \
             {upper}_TOLERANCE ? 0 : 1;\n}}\n",
            matrix = match self.weights {
                Weights::Single => "const float *weight",
                Weights::Int8 => "const int8_t *weight, const float *scale",
            },
            weight = match self.weights {
                Weights::Single => "weight[row * columns + column]",
                Weights::Int8 => "(float)weight[row * columns + column] * scale[row]",
            },
            control = self.control(),
            steps = test.observations.len(),
            observations = self.array(TEST[0]),
            actions = self.array(TEST[1]),
        );
    }

    fn control(&self) -> String {
        let (name, upper) = (&self.name, self.name.to_ascii_uppercase());
        let architecture = &self.policy.network.architecture;
        let [width, gates] = self.buffers();
        let mut body = String::new();
        let normalized = self.policy.normalizer.is_some();
        if normalized {
            let (mean, std) = (self.array(MEAN), self.array(DEVIATION));
            let epsilon = literal(Normalizer::EPSILON);
            let line = format!(
                "a[index] = (observation[index] - {mean}[index]) * (1.0f / ({std}[index] + {epsilon}));"
            );
            body.push_str(&each(&format!("{upper}_OBSERVATIONS"), &line));
            if self.policy.normalizer.as_ref().is_some_and(|it| it.clip.is_some()) {
                let limit = format!("{}[0]", self.array(LIMIT));
                let line = format!(
                    "a[index] = a[index] > {limit} ? {limit} : a[index] < -{limit} ? -{limit} : a[index];"
                );
                body.push_str(&each(&format!("{upper}_OBSERVATIONS"), &line));
            }
        }
        let mut x = if normalized { "a" } else { "observation" }.to_owned();
        for (index, layer) in architecture.encoder_layers().iter().enumerate() {
            x = self.dense(&mut body, &format!("encoder.{index}"), layer, &x, true);
        }
        for index in 0..self.core().map_or(0, |core| core.layers) {
            x = self.recurrent(&mut body, index, &x);
        }
        let head = architecture.head_layers();
        for (index, layer) in head.iter().enumerate() {
            x = self.dense(&mut body, &format!("head.{index}"), layer, &x, index + 1 < head.len());
        }
        let squash = match self.policy.output {
            Output::Identity => format!("action[index] = {x}[index];"),
            Output::Tanh => format!("action[index] = {name}_squash({x}[index]);"),
            Output::Beta => {
                format!("action[index] = {name}_squash({x}[index], {x}[index + {upper}_ACTIONS]);")
            }
        };
        body.push_str(&each(&format!("{upper}_ACTIONS"), &squash));
        // A policy of one layer fills one buffer.
        let second = if body.contains(", b);") { format!(", b[{width}]") } else { String::new() };
        let memory = if self.core().is_some() {
            format!("    float a[{width}]{second}, from_input[{gates}], from_state[{gates}];\n")
        } else {
            format!("    float a[{width}]{second};\n    (void)state;\n")
        };
        // An infinity or NaN less itself is no zero.
        let finite = "if (action[index] - action[index] != 0.0f) {\n            return 1;\n        }";
        body.push_str(&each(&format!("{upper}_ACTIONS"), finite));
        format!(
            "int {name}_control({name}_state *state, const float observation[{upper}_OBSERVATIONS],\n               \
             float action[{upper}_ACTIONS])\n{{\n{memory}{body}    return 0;\n}}\n"
        )
    }

    /// Appends a dense layer that reads `x`; the buffer that it fills.
    fn dense(&self, body: &mut String, tensor: &str, layer: &Linear, x: &str, activated: bool) -> String {
        let (name, y) = (&self.name, if x == "a" { "b" } else { "a" });
        let array = |part: &str| self.array(&format!("{tensor}.{part}"));
        let Linear { inputs, outputs, .. } = layer;
        let (weight, bias) = (self.matrix(&format!("{tensor}.weight")), array("bias"));
        let _ = writeln!(body, "    {name}_dense({weight}, {bias}, {outputs}, {inputs}, {x}, {y});");
        if activated && self.is_activated() {
            body.push_str(&each(
                &outputs.to_string(),
                &format!("{y}[index] = {name}_activation({y}[index]);"),
            ));
        }
        y.to_owned()
    }

    /// Appends a recurrent layer that reads `x`; its new hidden state.
    fn recurrent(&self, body: &mut String, layer: usize, x: &str) -> String {
        let name = &self.name;
        let architecture = &self.policy.network.architecture;
        let array = |part: &str| self.array(&format!("core.{part}_l{layer}"));
        let core = self.core().expect("a recurrent layer is one of a core");
        let (width, rows) = (core.width, core.cell.gates() * core.width);
        let inputs = architecture.core_layers()[layer].inputs;
        let hidden = format!("state->hidden[{layer}]");
        for (weight, bias, columns, x, y) in [
            ("weight_ih", "bias_ih", inputs, x, "from_input"),
            ("weight_hh", "bias_hh", width, hidden.as_str(), "from_state"),
        ] {
            let (weight, bias) = (self.matrix(&format!("core.{weight}_l{layer}")), array(bias));
            let _ = writeln!(body, "    {name}_dense({weight}, {bias}, {rows}, {columns}, {x}, {y});");
        }
        let at = |array: &str, gate: usize| match gate {
            0 => format!("{array}[index]"),
            _ => format!("{array}[index + {}]", gate * width),
        };
        let sum = |gate: usize| format!("{} + {}", at("from_input", gate), at("from_state", gate));
        let line = match core.cell {
            Cell::Gru => {
                let sums = ["from_input", "from_state"]
                    .map(|array| [0, 1, 2].map(|gate| at(array, gate)).join(", "));
                format!("{hidden}[index] = {name}_unit({}, {hidden}[index]);", sums.join(",\n            "))
            }
            Cell::Lstm => {
                let sums = [0, 1, 2, 3].map(sum).join(",\n            ");
                let cell = format!("state->cell[{layer}]");
                format!("{hidden}[index] = {name}_unit({sums},\n            {cell}[index], &{cell}[index]);")
            }
        };
        body.push_str(&each(&width.to_string(), &line));
        hidden
    }
}

/// A loop over `index`.
fn each(count: &str, line: &str) -> String {
    format!("    for (size_t index = 0; index < {count}; index++) {{\n        {line}\n    }}\n")
}

fn normalized(policy: &Policy) -> &'static str {
    if policy.normalizer.is_some() { "; the policy normalises them itself" } else { "" }
}

/// Text that ends no comment and begins none.
fn comment(text: &str) -> String {
    text.replace("*/", "* /").replace("/*", "/ *").replace(['\n', '\\'], " ")
}

fn activate(activation: Activation, x: Traced) -> Traced {
    match activation {
        Activation::Elu | Activation::Celu => formulas::elu(x),
        Activation::Selu => formulas::selu(x),
        Activation::Relu => formulas::relu(x),
        Activation::LeakyRelu => formulas::leaky_relu(x),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => x.sigmoid(),
        Activation::Softplus => formulas::softplus(x),
        Activation::Gelu => formulas::gelu(x),
        Activation::Silu => formulas::silu(x),
        Activation::Mish => formulas::mish(x),
        Activation::Identity => x,
    }
}

/// Arithmetic in another precision, in another order or fused where it is not written so gives other bits. gcc takes back
/// for a file what the command line allows, as of firmware that is compiled with `-ffast-math`.
const GUARDS: &str = "\
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize (\"no-fast-math\", \"fp-contract=off\")
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error \"float must be computed as float: with gcc on 32-bit x86 add -msse2 -mfpmath=sse\"
#endif
#ifdef __FAST_MATH__
#error \"compile this file without -ffast-math\"
#endif

";
