//! A policy as TorchScript: one root module that calls its layers in order, and the classes of these.

use std::fmt::Write as _;

use eyas_policy::{Activation, Cell, Core, Normalizer, Output, Policy};

use crate::container::archive::ArchiveBuilder;
use crate::container::pickle::{Attribute, Module, encode_module};
use crate::{Tensor, Value, onnx};

/// The version of the operators: that of torch 1.8, which every later one reads.
const VERSION: &[u8] = b"4\n";

/// The bytes that `torch.jit.load` reads.
pub(crate) fn to_bytes(policy: &Policy, contract: &str) -> Vec<u8> {
    let mut script =
        Script { policy, classes: Vec::new(), attributes: Vec::new(), body: String::new(), x: 0 };
    script.policy();
    let root = Module { class: "__torch__.eyas.Policy".to_owned(), attributes: script.attributes };
    let (pickle, tensors) = encode_module(&root);
    let mut archive = ArchiveBuilder::new();
    archive.add("policy/data.pkl", &pickle);
    archive.add("policy/code/__torch__/eyas.py", script.classes.concat().as_bytes());
    archive.add("policy/constants.pkl", b"\x80\x02).");
    archive.add(&format!("policy/extra/{}", onnx::METADATA_KEY), contract.as_bytes());
    archive.add("policy/version", VERSION);
    for (key, tensor) in tensors.iter().enumerate() {
        archive.add(&format!("policy/data/{key}"), &tensor.to_bytes());
    }
    archive.into_bytes()
}

struct Script<'a> {
    policy: &'a Policy,
    /// Texts of the classes, those that others call first.
    classes: Vec<String>,
    attributes: Vec<(String, Attribute)>,
    /// Lines of `forward`.
    body: String,
    /// The number of the variable that the observation has become.
    x: usize,
}

impl Script<'_> {
    fn policy(&mut self) {
        let Policy { normalizer, network, output } = self.policy;
        let architecture = &network.architecture;
        let core = architecture.core;
        if let Some(core) = core {
            for name in states(core.cell) {
                let zeros = vec![0.0; core.layers * core.width];
                self.push(name, Value::from(Tensor::from_f32(&[core.layers, 1, core.width], &zeros)).into());
            }
        }
        if let Some(normalizer) = normalizer {
            self.normalizer(normalizer);
        }
        for (index, layer) in architecture.encoder_layers().into_iter().enumerate() {
            self.linear(&format!("encoder_{index}"), layer.outputs, layer.inputs, [layer.weight, layer.bias]);
            self.activate();
        }
        if let Some(core) = core {
            self.recurrent(core);
        }
        let head = architecture.head_layers();
        let last = head.len() - 1;
        for (index, layer) in head.into_iter().enumerate() {
            self.linear(&format!("head_{index}"), layer.outputs, layer.inputs, [layer.weight, layer.bias]);
            if index < last {
                self.activate();
            }
        }
        match output {
            Output::Identity => {}
            Output::Tanh => self.function("squash", "Tanh", "torch.tanh(x)"),
            Output::Beta => self.function("squash", "BetaMean", BETA),
        }
        self.root(core);
    }

    fn push(&mut self, name: &str, value: Attribute) {
        self.attributes.push((name.to_owned(), value));
    }

    /// Calls a module with the observation.
    fn call(&mut self, name: &str) {
        let x = self.variable();
        self.x += 1;
        let _ = write!(self.body, "    {name} = self.{name}\n    x{} = ({name}).forward({x}, )\n", self.x);
    }

    fn variable(&self) -> String {
        if self.x == 0 { "x".to_owned() } else { format!("x{}", self.x) }
    }

    fn class(&mut self, text: String) {
        if !self.classes.contains(&text) {
            self.classes.push(text);
        }
    }

    fn normalizer(&mut self, normalizer: &Normalizer) {
        let row = |values: &[f32]| Value::from(Tensor::from_f32(&[1, values.len()], values));
        let mut attributes: Vec<(String, Attribute)> = vec![
            ("_mean".to_owned(), row(&normalizer.mean).into()),
            ("_var".to_owned(), row(&normalizer.var).into()),
            ("_std".to_owned(), row(&normalizer.std).into()),
            (
                "count".to_owned(),
                Value::from(Tensor::from_i64(&[], &[normalizer.count.cast_signed()])).into(),
            ),
            ("eps".to_owned(), Value::Float(f64::from(Normalizer::EPSILON)).into()),
        ];
        attributes
            .extend(normalizer.clip.map(|clip| ("clip".to_owned(), Value::Float(f64::from(clip)).into())));
        let limited = normalizer.clip.is_some();
        let (field, end) = if limited {
            ("  clip : float\n", "    clip = self.clip\n    return torch.clamp(y, torch.neg(clip), clip)\n")
        } else {
            ("", "    return y\n")
        };
        self.class(format!(
            "class EmpiricalNormalization(Module):\n  __parameters__ = []\n  __buffers__ = [\"_mean\", \"_var\", \"_std\", \
             \"count\", ]\n  _mean : Tensor\n  _var : Tensor\n  _std : Tensor\n  count : Tensor\n{COMMON}  eps : \
             float\n{field}  def forward(self: __torch__.eyas.EmpiricalNormalization,\n    x: Tensor) -> Tensor:\n    _mean \
             = self._mean\n    _0 = torch.sub(x, _mean)\n    _std = self._std\n    eps = self.eps\n    y = torch.div(_0, \
             torch.add(_std, eps))\n{end}"
        ));
        self.module("obs_normalizer", "EmpiricalNormalization", attributes);
    }

    /// An attribute that is a module, called at once.
    fn module(&mut self, name: &str, class: &str, attributes: Vec<(String, Attribute)>) {
        self.attach(name, class, attributes);
        self.call(name);
    }

    fn attach(&mut self, name: &str, class: &str, mut attributes: Vec<(String, Attribute)>) {
        // After the tensors, as torch has them.
        attributes.push(("training".to_owned(), Value::Bool(false).into()));
        attributes.push(("_is_full_backward_hook".to_owned(), Value::None.into()));
        if self.attributes.iter().all(|(known, _)| known != name) {
            let class = format!("__torch__.eyas.{class}");
            self.push(name, Attribute::Module(Module { class, attributes }));
        }
    }

    fn parameter(&self, range: std::ops::Range<usize>, shape: &[usize]) -> Attribute {
        Value::from(Tensor::from_f32(shape, &self.policy.network.parameters[range])).into()
    }

    fn linear(
        &mut self,
        name: &str,
        outputs: usize,
        inputs: usize,
        [weight, bias]: [std::ops::Range<usize>; 2],
    ) {
        self.class(format!(
            "class Linear(Module):\n  __parameters__ = [\"weight\", \"bias\", ]\n  __buffers__ = []\n  weight : Tensor\n  bias \
             : Tensor\n{COMMON}  def forward(self: __torch__.eyas.Linear,\n    x: Tensor) -> Tensor:\n    weight = \
             self.weight\n    bias = self.bias\n    return torch.linear(x, weight, bias)\n"
        ));
        let attributes = vec![
            ("weight".to_owned(), self.parameter(weight, &[outputs, inputs])),
            ("bias".to_owned(), self.parameter(bias, &[outputs])),
        ];
        self.module(name, "Linear", attributes);
    }

    fn activate(&mut self) {
        let (class, text) = match self.policy.network.architecture.activation {
            Activation::Identity => return,
            Activation::Elu => ("ELU", "torch.elu(x)"),
            Activation::Selu => ("SELU", "torch.selu(x)"),
            Activation::Relu => ("ReLU", "torch.relu(x)"),
            Activation::Celu => ("CELU", "torch.celu(x)"),
            Activation::LeakyRelu => ("LeakyReLU", "torch.leaky_relu(x)"),
            Activation::Tanh => ("Tanh", "torch.tanh(x)"),
            Activation::Sigmoid => ("Sigmoid", "torch.sigmoid(x)"),
            Activation::Softplus => ("Softplus", "torch.softplus(x)"),
            Activation::Gelu => ("GELU", "torch.gelu(x)"),
            Activation::Silu => ("SiLU", "torch.silu(x)"),
            Activation::Mish => ("Mish", "torch.mish(x)"),
        };
        self.function("activation", class, text);
    }

    /// A module without tensors.
    fn function(&mut self, name: &str, class: &str, expression: &str) {
        let body = if expression.contains('\n') {
            expression.to_owned()
        } else {
            format!("    return {expression}\n")
        };
        self.class(format!(
            "class {class}(Module):\n  __parameters__ = []\n  __buffers__ = []\n{COMMON}  def forward(self: \
             __torch__.eyas.{class},\n    x: Tensor) -> Tensor:\n{body}"
        ));
        self.module(name, class, Vec::new());
    }

    fn recurrent(&mut self, core: Core) {
        let (mut attributes, mut names) = (Vec::new(), Vec::new());
        for (index, layer) in self.policy.network.architecture.core_layers().into_iter().enumerate() {
            let rows = layer.bias_ih.len();
            let parts = [
                ("weight_ih", layer.weight_ih, vec![rows, layer.inputs]),
                ("weight_hh", layer.weight_hh, vec![rows, layer.width]),
                ("bias_ih", layer.bias_ih, vec![rows]),
                ("bias_hh", layer.bias_hh, vec![rows]),
            ];
            for (part, range, shape) in parts {
                let name = format!("{part}_l{index}");
                attributes.push((name.clone(), self.parameter(range, &shape)));
                names.push(name);
            }
        }
        let is_lstm = core.cell == Cell::Lstm;
        let class = if is_lstm { "LSTM" } else { "GRU" };
        self.class(recurrent_class(class, &names, core));
        self.attach("rnn", class, attributes);
        let (x, next) = (self.variable(), self.x + 1);
        self.x = next;
        let width = core.width;
        // A state of one row serves as many as there are observations; later ones have as many.
        let _ = writeln!(self.body, "    sequence = torch.unsqueeze({x}, 0)\n    batch = torch.size({x}, 0)");
        for name in states(core.cell) {
            let _ = writeln!(
                self.body,
                "    {name} = self.{name}\n    {name}_in = torch.contiguous(torch.expand({name}, [{layers}, batch, {width}]))",
                layers = core.layers
            );
        }
        let (given, left) = if is_lstm {
            ("hidden_state_in, cell_state_in", "hidden_state_out, cell_state_out")
        } else {
            ("hidden_state_in", "hidden_state_out")
        };
        let _ = writeln!(
            self.body,
            "    rnn = self.rnn\n    stepped = (rnn).forward(sequence, {given}, )\n    rows, {left}, = stepped"
        );
        for name in states(core.cell) {
            let _ = writeln!(self.body, "    self.{name} = {name}_out");
        }
        let _ = writeln!(self.body, "    x{next} = torch.squeeze(rows, 0)");
    }

    fn root(&mut self, core: Option<Core>) {
        let buffers = core.map_or(&[][..], |core| states(core.cell));
        let mut fields = String::new();
        for (name, value) in &self.attributes {
            let kind = match value {
                Attribute::Module(module) => module.class.as_str(),
                Attribute::Value(_) => "Tensor",
            };
            let _ = writeln!(fields, "  {name} : {kind}");
        }
        let quoted = buffers.iter().fold(String::new(), |text, name| text + &format!("\"{name}\", "));
        let mut resets = String::new();
        for name in buffers {
            let _ = writeln!(
                resets,
                "    {name} = self.{name}\n    self.{name} = torch.zeros_like(torch.slice({name}, 1, 0, 1))",
            );
        }
        let last = self.variable();
        let text = format!(
            "class Policy(Module):\n  __parameters__ = []\n  __buffers__ = [{quoted}]\n{fields}{COMMON}  def forward(self: \
             __torch__.eyas.Policy,\n    x: Tensor) -> Tensor:\n{body}    return {last}\n  def reset(self: \
             __torch__.eyas.Policy) -> NoneType:\n{resets}    return None\n",
            body = self.body
        );
        self.classes.push(text);
        self.push("training", Value::Bool(false).into());
        self.push("_is_full_backward_hook", Value::None.into());
    }
}

/// Fields that every module of torch has.
const COMMON: &str = "  training : bool\n  _is_full_backward_hook : Optional[bool]\n";

/// The mean of a Beta distribution on `[-1, 1]`, as [`Output::Beta`] has it.
const BETA: &str = "    a, b, = torch.chunk(x, 2, -1)\n    alpha = torch.add(torch.softplus(a), 1.)\n    beta = \
                    torch.add(torch.softplus(b), 1.)\n    _0 = torch.div(torch.mul(alpha, 2.), torch.add(alpha, \
                    beta))\n    return torch.sub(_0, 1.)\n";

fn states(cell: Cell) -> &'static [&'static str] {
    match cell {
        Cell::Gru => &["hidden_state"],
        Cell::Lstm => &["hidden_state", "cell_state"],
    }
}

fn recurrent_class(class: &str, names: &[String], core: Core) -> String {
    let mut text = format!("class {class}(Module):\n  __parameters__ = [");
    for name in names {
        let _ = write!(text, "\"{name}\", ");
    }
    text.push_str("]\n  __buffers__ = []\n");
    for name in names {
        let _ = writeln!(text, "  {name} : Tensor");
    }
    text.push_str(COMMON);
    let (states, result) = if class == "LSTM" {
        (",\n    h: Tensor,\n    c: Tensor", "Tuple[Tensor, Tensor, Tensor]")
    } else {
        (",\n    h: Tensor", "Tuple[Tensor, Tensor]")
    };
    let _ =
        writeln!(text, "  def forward(self: __torch__.eyas.{class},\n    x: Tensor{states}) -> {result}:");
    for name in names {
        let _ = writeln!(text, "    {name} = self.{name}");
    }
    let flags = format!("True, {}, 0., False, False, False", core.layers);
    let list = names.join(", ");
    if class == "LSTM" {
        let _ = write!(
            text,
            "    y, h0, c0, = torch.lstm(x, [h, c], [{list}], {flags})\n    return (y, h0, c0)\n"
        );
    } else {
        let _ = write!(text, "    y, h0, = torch.gru(x, h, [{list}], {flags})\n    return (y, h0)\n");
    }
    text
}
