//! The policy that an ONNX graph computes, found by following the observation through it.

use eyas_policy::{Activation, Cell, Normalizer, Output, Policy};

use super::build::order;
use super::evaluate::Program;
use super::model::{Graph, Node, Numbers};
use crate::stages::{Layer, Stage, network};

/// A policy, and what of the graph is not as the policy's program would have it.
pub(super) struct Found {
    pub(super) policy: Policy,
    /// The input with observations.
    pub(super) observation: String,
    /// The output with actions.
    pub(super) action: String,
    /// Inputs and outputs of the state that belong together.
    pub(super) states: Vec<(String, String)>,
    /// A GRU whose reset gate acts before the product with the hidden weights.
    pub(super) resets_before_product: bool,
    /// Why the state of a recurrent layer does not go from step to step, where it does not.
    pub(super) state_is_lost: Option<String>,
    /// The activation is one that the graph shows: there is a hidden layer.
    pub(super) shows_activation: bool,
}

/// What may follow the last layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Nothing, or tanh.
    Plain,
    /// The contract beside the graph says that two outputs for each action parametrise a Beta distribution.
    MayBeBeta,
    /// They do.
    Beta,
}

struct Walk<'a> {
    graph: &'a Graph,
    program: &'a Program<'a>,
    current: &'a str,
    action: &'a str,
    tail: Tail,
    stages: Vec<Stage>,
    mean: Option<Vec<f64>>,
    /// What the centred observation is divided by, and the deviation of which that is a sum where the graph shows it.
    divisor: Option<(Vec<f64>, Option<Vec<f32>>)>,
    /// What the normaliser limits its results to.
    clip: Option<f32>,
    /// A product whose bias may come next.
    open_product: bool,
    initial_states: Vec<&'a str>,
    resets_before_product: bool,
}

/// Follows the observation; the error says at which operator the way ends.
pub(super) fn policy(graph: &Graph, program: &Program<'_>, may_be_beta: bool) -> Result<Found, String> {
    let is_state = |name: &str| {
        name != "obs" && (name.starts_with("h_") || name.starts_with("c_") || name.contains("hidden"))
    };
    let observation = graph.inputs.iter().find(|port| port.name == "obs" || !is_state(&port.name));
    let observation = observation.ok_or("it has no input for observations")?.name.clone();
    let action = graph.outputs.iter().find(|port| port.name == "actions" || !is_state(&port.name));
    let action = action.ok_or("it has no output for actions")?.name.clone();
    let mut walk = Walk {
        graph,
        program,
        current: &observation,
        action: &action,
        tail: if may_be_beta { Tail::MayBeBeta } else { Tail::Plain },
        stages: Vec::new(),
        mean: None,
        divisor: None,
        clip: None,
        open_product: false,
        initial_states: Vec::new(),
        resets_before_product: false,
    };
    // Each step goes on to a later node, so the way ends.
    for _ in 0..=graph.nodes.len() {
        if walk.current == action {
            break;
        }
        walk.step()?;
    }
    let states = walk.state_ports(&observation, &action);
    let state_is_lost = walk.state_is_lost(&states);
    let (network, output, shows_activation) = network(&walk.stages)?;
    let output = if walk.tail == Tail::Beta { Output::Beta } else { output };
    let normalizer = walk.normalizer(network.architecture.inputs)?;
    let resets_before_product = walk.resets_before_product;
    let policy = Policy { normalizer, network, output };
    Ok(Found { policy, observation, action, states, resets_before_product, state_is_lost, shows_activation })
}

impl<'a> Walk<'a> {
    fn step(&mut self) -> Result<(), String> {
        let graph = self.graph;
        let current = self.current;
        // Not on the way: sizes that are asked for, and states that leave the graph.
        let leaves = |node: &Node| {
            let is_state = |output: &String| {
                *output != self.action && graph.outputs.iter().any(|port| port.name == *output)
            };
            node.outputs.iter().all(is_state)
        };
        let consumers: Vec<&Node> = graph
            .nodes
            .iter()
            .filter(|node| node.inputs.iter().any(|input| input == current))
            .filter(|node| node.operator != "Shape" && !leaves(node))
            .collect();
        match consumers[..] {
            [node] if node.operator == "Split" && self.tail == Tail::MayBeBeta => {
                self.tail = Tail::Beta;
                self.current = self.action;
                Ok(())
            }
            [node] => self.one(node),
            [] => Err(format!("`{current}` leads to no output for actions")),
            _ => self.gated(&consumers),
        }
    }

    fn one(&mut self, node: &'a Node) -> Result<(), String> {
        let here = |problem: &str| format!("{} `{}` {problem}", node.operator, node.name);
        let first = node.input(0) == Some(self.current);
        match node.operator.as_str() {
            "Identity" | "Dropout" | "Unsqueeze" | "Squeeze" | "Reshape" | "Flatten" | "Transpose"
            | "Cast" | "Expand" | "Slice" | "Gather"
                if first => {}
            "Add" | "Sub" | "Mul" | "Div" => self.arithmetic(node, first)?,
            "Gemm" if first => self.gemm(node)?,
            "MatMul" if first => self.matmul(node)?,
            "GRU" | "LSTM" if first => self.recurrent(node)?,
            "Clip" if first && self.stages.is_empty() && self.divisor.is_some() && self.clip.is_none() => {
                self.clip =
                    Some(self.limit(node).ok_or_else(|| here("limits to a range that is not [-c, c]"))?);
            }
            "Clip" => {
                return Err(here(
                    "clamps what it is given, which a policy here has no place for: \
                                 clamp the observation before, or the action after",
                ));
            }
            _ => {
                let activation = activation(node)
                    .filter(|_| first)
                    .ok_or_else(|| here("is not a part that policies here have"))?;
                self.open_product = false;
                self.stages.push(Stage::Activation(activation));
            }
        }
        self.go_on(node)
    }

    fn go_on(&mut self, node: &'a Node) -> Result<(), String> {
        // Of a recurrent layer the second output, its last state, is the same where there is one step.
        let output = node.outputs.iter().find(|output| {
            !output.is_empty()
                && (*output == self.action
                    || self
                        .graph
                        .nodes
                        .iter()
                        .any(|other| other.inputs.contains(output) && other.operator != "Concat"))
        });
        let output = output.or(node.outputs.first().filter(|name| !name.is_empty()));
        self.current = output.ok_or_else(|| format!("{} `{}` has no output", node.operator, node.name))?;
        Ok(())
    }

    /// A normaliser before the first layer, a bias after a product.
    fn arithmetic(&mut self, node: &'a Node, first: bool) -> Result<(), String> {
        let here = |problem: &str| format!("{} `{}` {problem}", node.operator, node.name);
        let other = node.input(usize::from(first)).unwrap_or_default();
        let constant =
            self.program.constant(other).ok_or_else(|| here("combines two values that are no constants"))?;
        if self.open_product && node.operator == "Add" {
            let Some(Stage::Dense([outputs, _], _, bias)) = self.stages.last_mut() else {
                unreachable!("a product is open")
            };
            if constant.values.len() != *outputs {
                return Err(here("adds a bias of another width"));
            }
            *bias = constant.to_f32();
            self.open_product = false;
            return Ok(());
        }
        if !self.stages.is_empty() {
            return Err(here("scales or shifts what a layer computes: fold it into the layer"));
        }
        if self.clip.is_some() {
            return Err(here("follows a limit, after which a policy here has only its layers"));
        }
        match (node.operator.as_str(), first) {
            ("Sub", true) if self.mean.is_none() && self.divisor.is_none() => {
                self.mean = Some(constant.values.clone());
            }
            ("Add", _) if self.mean.is_none() && self.divisor.is_none() => {
                self.mean = Some(constant.values.iter().map(|value| -value).collect());
            }
            ("Div", true) if self.divisor.is_none() => {
                self.divisor = Some((constant.values.clone(), self.deviation(other)));
            }
            ("Mul", _) if self.divisor.is_none() => {
                self.divisor = Some((constant.values.iter().map(|value| 1.0 / value).collect(), None));
            }
            _ => return Err(here("is no part of a normaliser `(x - mean) / (std + eps)`")),
        }
        Ok(())
    }

    /// The deviation of a divisor that is its sum with rsl_rl's ε.
    fn deviation(&self, divisor: &str) -> Option<Vec<f32>> {
        let node = self.graph.producer(divisor).filter(|node| node.operator == "Add")?;
        let constants = [0, 1].map(|index| self.program.constant(node.input(index).unwrap_or_default()));
        let is_epsilon = |numbers: &Numbers| {
            numbers.single().is_some_and(|value| (value as f32).to_bits() == Normalizer::EPSILON.to_bits())
        };
        match constants {
            [Some(std), Some(epsilon)] if is_epsilon(epsilon) => Some(std.to_f32()),
            [Some(epsilon), Some(std)] if is_epsilon(epsilon) => Some(std.to_f32()),
            _ => None,
        }
    }

    /// `c` of a `Clip` to `[−c, c]`: inputs, or attributes before version 11.
    fn limit(&self, node: &Node) -> Option<f32> {
        let [least, most] = [(1, "min"), (2, "max")].map(|(index, name)| {
            let given = node.input(index).and_then(|name| self.program.constant(name)?.single());
            given.or_else(|| node.attribute(name).map(|_| node.float(name, f32::INFINITY)))
        });
        let limit = most? as f32;
        (limit > 0.0 && limit.is_finite() && (least? as f32).to_bits() == (-limit).to_bits()).then_some(limit)
    }

    fn normalizer(&self, width: usize) -> Result<Option<Normalizer>, String> {
        if self.mean.is_none() && self.divisor.is_none() {
            return Ok(None);
        }
        let spread = |values: &[f64]| -> Result<Vec<f32>, String> {
            match values {
                [value] => Ok(vec![*value as f32; width]),
                values if values.len() == width => Ok(values.iter().map(|&value| value as f32).collect()),
                values => Err(format!("its normaliser has {} features for {width}", values.len())),
            }
        };
        let mean = spread(self.mean.as_deref().unwrap_or(&[0.0]))?;
        let std = match &self.divisor {
            Some((_, Some(std))) if std.len() == width => std.clone(),
            Some((divisor, _)) => {
                spread(divisor)?.into_iter().map(|value| value - Normalizer::EPSILON).collect()
            }
            None => vec![1.0 - Normalizer::EPSILON; width],
        };
        if mean.iter().chain(&std).any(|value| !value.is_finite()) {
            return Err("its normaliser is not finite".to_owned());
        }
        let var = std.iter().map(|std| std * std).collect();
        Ok(Some(Normalizer { var, mean, std, count: 0, clip: self.clip }))
    }

    fn gemm(&mut self, node: &Node) -> Result<(), String> {
        let here = |problem: &str| format!("Gemm `{}` {problem}", node.name);
        let is_one = |name: &str| node.float(name, 1.0).to_bits() == 1.0_f64.to_bits();
        let scaled = !is_one("alpha") || !is_one("beta") || node.int("transA", 0) != 0;
        if scaled {
            return Err(here("scales or transposes its input"));
        }
        let weight = self.program.constant(node.input(1).unwrap_or_default());
        let weight = weight.ok_or_else(|| here("has weights that are computed from its inputs"))?;
        self.dense(weight, node.int("transB", 0) == 1).map_err(|problem| here(&problem))?;
        if let Some(name) = node.input(2) {
            let constant = self.program.constant(name).ok_or_else(|| here("has a bias that is computed"))?;
            let Some(Stage::Dense([outputs, _], _, bias)) = self.stages.last_mut() else {
                unreachable!("just pushed")
            };
            if constant.values.len() != *outputs {
                return Err(here("has a bias of another width"));
            }
            *bias = constant.to_f32();
            self.open_product = false;
        }
        Ok(())
    }

    fn matmul(&mut self, node: &Node) -> Result<(), String> {
        let here = |problem: &str| format!("MatMul `{}` {problem}", node.name);
        let weight = self.program.constant(node.input(1).unwrap_or_default());
        let weight = weight.ok_or_else(|| here("has weights that are computed from its inputs"))?;
        self.dense(weight, false).map_err(|problem| here(&problem))
    }

    fn dense(&mut self, weight: &Numbers, is_transposed: bool) -> Result<(), String> {
        let [rows, columns] = weight.shape[..] else {
            return Err(format!("has weights of shape {:?}", weight.shape));
        };
        let values = weight.to_f32();
        let (shape, values) = if is_transposed {
            ([rows, columns], values)
        } else {
            let swapped = (0..columns).flat_map(|column| (0..rows).map(move |row| row * columns + column));
            ([columns, rows], swapped.map(|at| values[at]).collect())
        };
        self.stages.push(Stage::Dense(shape, values, vec![0.0; shape[0]]));
        self.open_product = true;
        Ok(())
    }

    fn recurrent(&mut self, node: &'a Node) -> Result<(), String> {
        let here = |problem: &str| format!("{} `{}` {problem}", node.operator, node.name);
        let constant = |index: usize| {
            let found = self.program.constant(node.input(index).unwrap_or_default());
            found.ok_or_else(|| here("has weights that are computed from its inputs"))
        };
        let (input, state) = (constant(1)?, constant(2)?);
        let cell = if node.operator == "GRU" { Cell::Gru } else { Cell::Lstm };
        let [1, rows, inputs] = input.shape[..] else { return Err(here("goes in two directions")) };
        let width = rows / cell.gates();
        if width == 0 || rows % cell.gates() != 0 || state.shape != [1, rows, width] {
            return Err(here("has weights that do not fit together"));
        }
        let bias = if node.input(3).is_some() { constant(3)?.to_f32() } else { vec![0.0; 2 * rows] };
        if bias.len() != 2 * rows {
            return Err(here("has a bias of another width"));
        }
        let of_torch = |values: &[f32], columns: usize| {
            let size = width * columns;
            let mut ordered = vec![0.0; values.len()];
            for (block, &gate) in order(cell).iter().enumerate() {
                ordered[gate * size..(gate + 1) * size]
                    .copy_from_slice(&values[block * size..(block + 1) * size]);
            }
            ordered
        };
        let parameters = [
            of_torch(&input.to_f32(), inputs),
            of_torch(&state.to_f32(), width),
            of_torch(&bias[..rows], 1),
            of_torch(&bias[rows..], 1),
        ];
        self.resets_before_product |= cell == Cell::Gru && node.int("linear_before_reset", 0) == 0;
        let states = if cell == Cell::Gru { 5..6 } else { 5..7 };
        self.initial_states.extend(states.map(|index| node.input(index).unwrap_or_default()));
        self.stages.push(Stage::Recurrent(Layer { cell, inputs, width, parameters: parameters.concat() }));
        Ok(())
    }

    /// `x · f(x)`: SiLU, Mish, and GELU as `x · (1 + erf(x / √2)) / 2`.
    fn gated(&mut self, consumers: &[&'a Node]) -> Result<(), String> {
        let fails = || format!("`{}` goes several ways that are no activation known here", self.current);
        let is_product = |node: &&&Node| {
            node.operator == "Mul" && node.inputs.iter().all(|input| self.program.constant(input).is_none())
        };
        let product = consumers.iter().find(is_product).copied().ok_or_else(fails)?;
        let other = product.inputs.iter().find(|input| *input != self.current).ok_or_else(fails)?;
        let mut chain = Vec::new();
        let mut value = other.as_str();
        while value != self.current {
            let node = self.graph.producer(value).ok_or_else(fails)?;
            let variable =
                node.inputs.iter().find(|input| self.program.constant(input).is_none()).ok_or_else(fails)?;
            chain.push(node.operator.as_str());
            value = variable;
            if chain.len() > 3 {
                return Err(fails());
            }
        }
        let activation = match chain[..] {
            ["Sigmoid"] => Activation::Silu,
            ["Tanh", "Softplus"] => Activation::Mish,
            ["Add", "Erf", "Div" | "Mul"] => Activation::Gelu,
            _ => return Err(fails()),
        };
        self.open_product = false;
        self.stages.push(Stage::Activation(activation));
        self.go_on(product)?;
        if activation == Activation::Gelu {
            let half =
                self.graph.nodes.iter().find(|node| node.inputs.iter().any(|input| input == self.current));
            self.go_on(
                half.filter(|node| node.operator == "Mul")
                    .ok_or_else(|| "its GELU lacks the factor one half after the product".to_owned())?,
            )?;
        }
        Ok(())
    }

    /// Inputs and outputs besides observation and action, paired by name, else by order.
    fn state_ports(&self, observation: &str, action: &str) -> Vec<(String, String)> {
        let inputs =
            self.graph.inputs.iter().map(|port| port.name.as_str()).filter(|name| *name != observation);
        let outputs: Vec<&str> =
            self.graph.outputs.iter().map(|port| port.name.as_str()).filter(|name| *name != action).collect();
        let pair = |(index, input): (usize, &str)| {
            let named = input.replace("_in", "_out");
            let output = outputs.iter().copied().find(|output| *output == named && named != input);
            Some((input.to_owned(), output.or(outputs.get(index).copied())?.to_owned()))
        };
        inputs.enumerate().filter_map(pair).collect()
    }

    /// Why the state of the recurrent layers does not go from step to step.
    fn state_is_lost(&self, states: &[(String, String)]) -> Option<String> {
        for initial in &self.initial_states {
            if initial.is_empty() || self.program.constant(initial).is_some() {
                return Some("a recurrent layer starts from zeros at every step".to_owned());
            }
            let comes_in = self.ancestors(initial);
            if !states.iter().any(|(input, _)| comes_in.contains(&input.as_str())) {
                return Some(
                    "a recurrent layer's state is no input of the graph that an output belongs to".to_owned(),
                );
            }
        }
        let is_recurrent = |value: &&str| {
            self.graph.producer(value).is_some_and(|node| ["GRU", "LSTM"].contains(&node.operator.as_str()))
        };
        let lost = states.iter().find(|(_, output)| !self.ancestors(output).iter().any(is_recurrent));
        lost.filter(|_| !self.initial_states.is_empty()).map(|(_, output)| {
            format!("its output `{output}` is not the state that a recurrent layer leaves")
        })
    }

    /// A value and all that it is computed from.
    fn ancestors<'b>(&'b self, value: &'b str) -> Vec<&'b str> {
        let (mut found, mut next) = (vec![value], 0);
        while next < found.len() {
            let inputs = self.graph.producer(found[next]).map_or(&[][..], |node| &node.inputs[..]);
            for input in inputs {
                if !found.contains(&input.as_str()) {
                    found.push(input);
                }
            }
            next += 1;
        }
        found
    }
}

fn activation(node: &Node) -> Option<Activation> {
    let alpha_is =
        |value: f32, default: f32| (node.float("alpha", default) as f32).to_bits() == value.to_bits();
    Some(match node.operator.as_str() {
        "Elu" if alpha_is(1.0, 1.0) => Activation::Elu,
        "Celu" if alpha_is(1.0, 1.0) => Activation::Celu,
        "LeakyRelu" if alpha_is(0.01, 0.01) => Activation::LeakyRelu,
        "Selu" => Activation::Selu,
        "Relu" => Activation::Relu,
        "Tanh" => Activation::Tanh,
        "Sigmoid" => Activation::Sigmoid,
        "Softplus" => Activation::Softplus,
        "Mish" => Activation::Mish,
        "Gelu" if node.text("approximate", "none") == "none" => Activation::Gelu,
        _ => return None,
    })
}
