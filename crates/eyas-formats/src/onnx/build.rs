//! A policy as an ONNX graph: normaliser, network and squash in it, with the names of Isaac Lab and rsl_rl.

use eyas_policy::{Activation, Cell, Core, Linear, Normalizer, Output, Policy, Recurrent};

use super::model::{Attribute, Graph, Model, Node, Numbers, Port, Size};

/// Version of the operators: what Isaac Lab's exporter writes, and what every runtime of the last four years reads.
pub(super) const OPSET: i64 = 17;

/// The version of the format that came with it.
const IR_VERSION: i64 = 8;

/// The name of the free size: how many vehicles are flown at once.
const BATCH: &str = "batch";

/// The model of a policy.
pub(super) fn model(policy: &Policy, metadata: Vec<(String, String)>) -> Model {
    let mut builder =
        Builder { policy, graph: Graph { name: "policy".to_owned(), ..Graph::default() }, fresh: 0 };
    builder.policy();
    Model {
        ir_version: IR_VERSION,
        producer: "eyas".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        opset: OPSET,
        graph: builder.graph,
        metadata,
        functions: 0,
    }
}

struct Builder<'a> {
    policy: &'a Policy,
    graph: Graph,
    fresh: usize,
}

impl Builder<'_> {
    fn policy(&mut self) {
        let policy = self.policy;
        let architecture = &policy.network.architecture;
        let port = |name: &str, shape: &[Option<usize>]| Port {
            name: name.to_owned(),
            shape: shape.iter().map(|size| size.map_or(Size::Free(BATCH.to_owned()), Size::Fixed)).collect(),
        };
        self.graph.inputs.push(port("obs", &[None, Some(policy.num_observations())]));
        self.graph.outputs.push(port("actions", &[None, Some(policy.num_actions())]));
        let mut features = "obs".to_owned();
        if let Some(normalizer) = &policy.normalizer {
            features = self.normalize(&features, normalizer);
        }
        for (index, layer) in architecture.encoder_layers().iter().enumerate() {
            features = self.linear(&features, &format!("encoder.{index}"), layer);
            features = self.activate(&features, architecture.activation);
        }
        if let Some(core) = architecture.core {
            for (input, output) in [("h_in", "h_out"), ("c_in", "c_out")].into_iter().take(states(core)) {
                let shape = [Some(core.layers), None, Some(core.width)];
                self.graph.inputs.push(port(input, &shape));
                self.graph.outputs.push(port(output, &shape));
            }
            features = self.recurrent(&features, core, &architecture.core_layers());
        }
        let head = architecture.head_layers();
        for (index, layer) in head.iter().enumerate() {
            features = self.linear(&features, &format!("head.{index}"), layer);
            if index + 1 < head.len() {
                features = self.activate(&features, architecture.activation);
            }
        }
        self.squash(&features);
    }

    /// `(x − mean) / (std + ε)` as rsl_rl computes it; runtimes fold the constant sum.
    fn normalize(&mut self, features: &str, normalizer: &Normalizer) -> String {
        let row = |values: &[f32]| Numbers::f32(&[1, values.len()], values);
        let mean = self.constant("obs_normalizer._mean", row(&normalizer.mean));
        let std = self.constant("obs_normalizer._std", row(&normalizer.std));
        let epsilon = self.constant("obs_normalizer.eps", Numbers::f32(&[], &[Normalizer::EPSILON]));
        let centred = self.op("Sub", &[features, &mean]);
        let divisor = self.op("Add", &[&std, &epsilon]);
        let scaled = self.op("Div", &[&centred, &divisor]);
        let Some(limit) = normalizer.clip else { return scaled };
        let least = self.constant("obs_normalizer.min", Numbers::f32(&[], &[-limit]));
        let most = self.constant("obs_normalizer.max", Numbers::f32(&[], &[limit]));
        self.op("Clip", &[&scaled, &least, &most])
    }

    fn linear(&mut self, features: &str, stem: &str, layer: &Linear) -> String {
        let parameters = &self.policy.network.parameters;
        let weight = Numbers::f32(&[layer.outputs, layer.inputs], &parameters[layer.weight.clone()]);
        let bias = Numbers::f32(&[layer.outputs], &parameters[layer.bias.clone()]);
        let weight = self.constant(&format!("{stem}.weight"), weight);
        let bias = self.constant(&format!("{stem}.bias"), bias);
        self.op_with("Gemm", &[features, &weight, &bias], &[("transB", Attribute::Int(1))])
    }

    fn activate(&mut self, x: &str, activation: Activation) -> String {
        let float = |name: &'static str, value: f32| [(name, Attribute::Float(value))];
        match activation {
            Activation::Elu => self.op_with("Elu", &[x], &float("alpha", 1.0)),
            Activation::Celu => self.op_with("Celu", &[x], &float("alpha", 1.0)),
            Activation::LeakyRelu => self.op_with("LeakyRelu", &[x], &float("alpha", 0.01)),
            Activation::Selu => self.op("Selu", &[x]),
            Activation::Relu => self.op("Relu", &[x]),
            Activation::Tanh => self.op("Tanh", &[x]),
            Activation::Sigmoid => self.op("Sigmoid", &[x]),
            Activation::Softplus => self.op("Softplus", &[x]),
            Activation::Identity => x.to_owned(),
            Activation::Silu => {
                let gate = self.op("Sigmoid", &[x]);
                self.op("Mul", &[x, &gate])
            }
            // Operators of their own came with opset 18 and 20.
            Activation::Mish => {
                let soft = self.op("Softplus", &[x]);
                let gate = self.op("Tanh", &[&soft]);
                self.op("Mul", &[x, &gate])
            }
            Activation::Gelu => {
                let root = self.constant("sqrt_2", Numbers::f32(&[], &[std::f32::consts::SQRT_2]));
                let one = self.constant("one", Numbers::f32(&[], &[1.0]));
                let half = self.constant("half", Numbers::f32(&[], &[0.5]));
                let scaled = self.op("Div", &[x, &root]);
                let error = self.op("Erf", &[&scaled]);
                let sum = self.op("Add", &[&error, &one]);
                let product = self.op("Mul", &[x, &sum]);
                self.op("Mul", &[&product, &half])
            }
        }
    }

    /// The layers over one step; the state goes in as `h_in` (and `c_in`) and comes out as `h_out` (and `c_out`).
    fn recurrent(&mut self, features: &str, core: Core, layers: &[Recurrent]) -> String {
        let zero = self.constant("axis", Numbers::ints(&[0]));
        let mut input = features.to_owned();
        let mut last: [Vec<String>; 2] = [Vec::new(), Vec::new()];
        for (index, layer) in layers.iter().enumerate() {
            let step = self.op("Unsqueeze", &[&input, &zero]);
            let weights = self.gates(index, core.cell, layer);
            let initial: Vec<String> = ["h_in", "c_in"]
                .into_iter()
                .take(states(core))
                .map(|state| if core.layers == 1 { state.to_owned() } else { self.layer_of(state, index) })
                .collect();
            let mut inputs: Vec<&str> = vec![&step, &weights[0], &weights[1], &weights[2], ""];
            inputs.extend(initial.iter().map(String::as_str));
            let mut attributes = vec![("hidden_size", Attribute::Int(core.width as i64))];
            if core.cell == Cell::Gru {
                // PyTorch multiplies the reset gate with the hidden part after its bias; ONNX does not unless asked.
                attributes.push(("linear_before_reset", Attribute::Int(1)));
            }
            let outputs: Vec<String> = (0..states(core)).map(|_| self.name()).collect();
            let operator = if core.cell == Cell::Gru { "GRU" } else { "LSTM" };
            self.node(
                operator,
                &inputs,
                [String::new()].into_iter().chain(outputs.clone()).collect(),
                &attributes,
            );
            input = self.op("Squeeze", &[&outputs[0], &zero]);
            last.iter_mut().zip(outputs).for_each(|(states, output)| states.push(output));
        }
        for (name, states) in ["h_out", "c_out"].into_iter().zip(last).take(states(core)) {
            let inputs: Vec<&str> = states.iter().map(String::as_str).collect();
            self.node("Concat", &inputs, vec![name.to_owned()], &[("axis", Attribute::Int(0))]);
        }
        input
    }

    /// Weights of the input, of the state, and both biases, in ONNX' order of gates.
    fn gates(&mut self, index: usize, cell: Cell, layer: &Recurrent) -> [String; 3] {
        let parameters = &self.policy.network.parameters;
        let ordered = |range: &std::ops::Range<usize>, columns: usize| {
            reordered(&parameters[range.clone()], order(cell), layer.width * columns)
        };
        let rows = layer.bias_ih.len();
        let input = Numbers::f32(&[1, rows, layer.inputs], &ordered(&layer.weight_ih, layer.inputs));
        let state = Numbers::f32(&[1, rows, layer.width], &ordered(&layer.weight_hh, layer.width));
        let bias = [ordered(&layer.bias_ih, 1), ordered(&layer.bias_hh, 1)].concat();
        [("W", input), ("R", state), ("B", Numbers::f32(&[1, 2 * rows], &bias))]
            .map(|(name, numbers)| self.constant(&format!("core.{index}.{name}"), numbers))
    }

    /// The state of one of several layers.
    fn layer_of(&mut self, state: &str, index: usize) -> String {
        let index = index as i64;
        let start = self.constant(&format!("layer.{index}"), Numbers::ints(&[index]));
        let end = self.constant(&format!("layer.{}", index + 1), Numbers::ints(&[index + 1]));
        let axis = self.constant("axis", Numbers::ints(&[0]));
        self.op("Slice", &[state, &start, &end, &axis])
    }

    fn squash(&mut self, raw: &str) {
        let outputs = vec!["actions".to_owned()];
        match self.policy.output {
            Output::Identity => self.node("Identity", &[raw], outputs, &[]),
            Output::Tanh => self.node("Tanh", &[raw], outputs, &[]),
            Output::Beta => {
                let one = self.constant("one", Numbers::f32(&[], &[1.0]));
                let two = self.constant("two", Numbers::f32(&[], &[2.0]));
                let halves = [self.name(), self.name()];
                self.node("Split", &[raw], halves.to_vec(), &[("axis", Attribute::Int(1))]);
                let [alpha, beta] = halves.map(|half| {
                    let soft = self.op("Softplus", &[&half]);
                    self.op("Add", &[&soft, &one])
                });
                let sum = self.op("Add", &[&alpha, &beta]);
                let mean = self.op("Div", &[&alpha, &sum]);
                let spread = self.op("Mul", &[&mean, &two]);
                self.node("Sub", &[&spread, &one], outputs, &[]);
            }
        }
    }

    fn constant(&mut self, name: &str, numbers: Numbers) -> String {
        if self.graph.initializer(name).is_none() {
            self.graph.initializers.push((name.to_owned(), numbers));
        }
        name.to_owned()
    }

    fn name(&mut self) -> String {
        self.fresh += 1;
        format!("v{}", self.fresh)
    }

    fn op(&mut self, operator: &str, inputs: &[&str]) -> String {
        self.op_with(operator, inputs, &[])
    }

    fn op_with(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let output = self.name();
        self.node(operator, inputs, vec![output.clone()], attributes);
        output
    }

    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: Vec<String>,
        attributes: &[(&str, Attribute)],
    ) {
        self.graph.nodes.push(Node {
            name: format!("n{}", self.graph.nodes.len()),
            operator: operator.to_owned(),
            domain: String::new(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs,
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        });
    }
}

/// State vectors of a cell.
fn states(core: Core) -> usize {
    if core.cell == Cell::Lstm { 2 } else { 1 }
}

/// Place among PyTorch's gates of each of ONNX': `z, r, h` of `r, z, n`, and `i, o, f, c` of `i, f, g, o`.
pub(super) fn order(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::Gru => &[1, 0, 2],
        Cell::Lstm => &[0, 3, 1, 2],
    }
}

/// Blocks of `values`, each of `size`, in another order: block `i` of the result is block `order[i]`.
pub(super) fn reordered(values: &[f32], order: &[usize], size: usize) -> Vec<f32> {
    order.iter().flat_map(|&block| &values[block * size..(block + 1) * size]).copied().collect()
}
