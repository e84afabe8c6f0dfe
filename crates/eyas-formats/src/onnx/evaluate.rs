//! What an ONNX graph computes, operator by operator, in double precision.
//!
//! Only operators that policies are made of. Meanings are those of the operator documentation of
//! github.com/onnx/onnx (`docs/Operators.md`), versions 11 to 20 of the operator set.

use std::collections::HashMap;

use super::model::{Attribute, Graph, MAX_COMPUTED, Node, Numbers};

/// A graph whose constants are computed.
pub(super) struct Program<'a> {
    graph: &'a Graph,
    constants: HashMap<&'a str, Numbers>,
}

/// Most numbers that one run makes: a policy makes some thousands.
const BUDGET: usize = 1 << 24;

impl<'a> Program<'a> {
    /// Computes what depends on no input.
    pub(super) fn new(graph: &'a Graph) -> Result<Self, String> {
        let constants: HashMap<&str, Numbers> =
            graph.initializers.iter().map(|(name, numbers)| (name.as_str(), numbers.clone())).collect();
        let mut program = Self { graph, constants };
        let mut spent = 0;
        for node in &graph.nodes {
            let known = node
                .inputs
                .iter()
                .all(|name| name.is_empty() || program.constants.contains_key(name.as_str()));
            if !known || (node.inputs.is_empty() && node.operator != "Constant") {
                continue;
            }
            let outputs = program.apply(node, &HashMap::new(), &mut spent)?;
            program.constants.extend(node.outputs.iter().map(String::as_str).zip(outputs));
        }
        Ok(program)
    }

    /// The value of that name, if it depends on no input.
    pub(super) fn constant(&self, name: &str) -> Option<&Numbers> {
        self.constants.get(name)
    }

    /// The values of the graph's outputs.
    pub(super) fn run(&self, inputs: &[(&str, Numbers)]) -> Result<HashMap<String, Numbers>, String> {
        let mut values: HashMap<&str, Numbers> = inputs.iter().cloned().collect();
        let mut spent = 0;
        for node in &self.graph.nodes {
            if node.outputs.iter().all(|name| self.constants.contains_key(name.as_str())) {
                continue;
            }
            let outputs = self.apply(node, &values, &mut spent)?;
            values.extend(
                node.outputs.iter().map(String::as_str).zip(outputs).filter(|(name, _)| !name.is_empty()),
            );
        }
        let ports = self.graph.outputs.iter();
        ports
            .map(|port| {
                let found = values.get(port.name.as_str()).or(self.constant(&port.name)).cloned();
                Ok((
                    port.name.clone(),
                    found.ok_or_else(|| format!("nothing computes its output `{}`", port.name))?,
                ))
            })
            .collect()
    }

    fn apply(
        &self,
        node: &Node,
        values: &HashMap<&str, Numbers>,
        spent: &mut usize,
    ) -> Result<Vec<Numbers>, String> {
        let here = |problem: String| format!("{} `{}`: {problem}", node.operator, node.name);
        let inputs = node.inputs.iter().map(|name| {
            if name.is_empty() {
                return Ok(None);
            }
            let found = values.get(name.as_str()).or_else(|| self.constants.get(name.as_str()));
            found.map(Some).ok_or_else(|| here(format!("its input `{name}` is not computed before it")))
        });
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        if !node.domain.is_empty() && node.domain != "ai.onnx" {
            return Err(here(format!("operators of `{}` are not known", node.domain)));
        }
        let outputs = Operation { node, inputs: &inputs }.outputs().map_err(here)?;
        *spent += outputs.iter().map(|numbers| numbers.values.len()).sum::<usize>();
        if *spent > BUDGET {
            return Err(here(format!("the graph makes more than {BUDGET} numbers")));
        }
        Ok(outputs)
    }
}

/// Most products of one operation: a layer of a policy makes some ten thousand for each env.
const MAX_PRODUCTS: usize = 1 << 30;

struct Operation<'a> {
    node: &'a Node,
    inputs: &'a [Option<&'a Numbers>],
}

impl Operation<'_> {
    fn input(&self, index: usize) -> Result<&Numbers, String> {
        self.given(index).ok_or_else(|| format!("input {index} is not given"))
    }

    fn given(&self, index: usize) -> Option<&Numbers> {
        self.inputs.get(index).copied().flatten()
    }

    fn outputs(&self) -> Result<Vec<Numbers>, String> {
        let node = self.node;
        if let Some(function) = unary(node) {
            let x = self.input(0)?;
            let values = x.values.iter().map(|&value| function(value)).collect();
            return Ok(vec![Numbers { shape: x.shape.clone(), values, integer: x.integer }]);
        }
        let one = match node.operator.as_str() {
            "Constant" => self.constant()?,
            "Identity" | "Dropout" => self.input(0)?.clone(),
            "Add" => self.binary(|a, b| a + b)?,
            "Sub" => self.binary(|a, b| a - b)?,
            "Mul" => self.binary(|a, b| a * b)?,
            "Div" => self.binary(|a, b| a / b)?,
            "Pow" => self.binary(libm::pow)?,
            "Min" => self.binary(f64::min)?,
            "Max" => self.binary(f64::max)?,
            "Clip" => self.clip()?,
            "Cast" => self.cast()?,
            "Gemm" => self.gemm()?,
            "MatMul" => self.matmul()?,
            "Concat" => self.concat()?,
            "Reshape" => self.reshape()?,
            "Flatten" => self.flatten()?,
            "Squeeze" => self.squeeze()?,
            "Unsqueeze" => self.unsqueeze()?,
            "Transpose" => self.transpose()?,
            "Slice" => self.slice()?,
            "Gather" => self.gather()?,
            "Expand" => self.expand()?,
            "Shape" => {
                Numbers::ints(&self.input(0)?.shape.iter().map(|&size| size as i64).collect::<Vec<_>>())
            }
            "ConstantOfShape" => self.constant_of_shape()?,
            "Split" => return self.split(),
            "GRU" | "LSTM" => return self.recurrent(),
            other => return Err(format!("the operator {other} is not one that policies are made of")),
        };
        Ok(vec![one])
    }

    fn constant(&self) -> Result<Numbers, String> {
        match self.node.attributes.first() {
            Some((name, Attribute::Tensor(numbers))) if name == "value" => Ok(numbers.clone()),
            Some((_, Attribute::Float(value))) => Ok(Numbers::f32(&[], &[*value])),
            Some((_, Attribute::Floats(values))) => Ok(Numbers::f32(&[values.len()], values)),
            Some((_, Attribute::Ints(values))) => Ok(Numbers::ints(values)),
            Some((_, Attribute::Int(value))) => {
                Ok(Numbers { shape: Vec::new(), values: vec![*value as f64], integer: true })
            }
            _ => Err("its value is no number".to_owned()),
        }
    }

    fn binary(&self, function: impl Fn(f64, f64) -> f64) -> Result<Numbers, String> {
        let (a, b) = (self.input(0)?, self.input(1)?);
        let shape = broadcast(&a.shape, &b.shape)?;
        let (from_a, from_b) = (Broadcast::new(&a.shape, &shape), Broadcast::new(&b.shape, &shape));
        let integer = a.integer && b.integer;
        let values = (0..elements(&shape)?).map(|index| {
            let value = function(a.values[from_a.at(index)], b.values[from_b.at(index)]);
            if integer { value.trunc() } else { value }
        });
        Ok(Numbers { values: values.collect(), shape, integer })
    }

    fn clip(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let bound =
            |index: usize, name: &str, default: f64| match (self.given(index), self.node.attribute(name)) {
                (Some(bound), _) => bound.single().unwrap_or(default),
                (None, Some(Attribute::Float(bound))) => f64::from(*bound),
                (None, _) => default,
            };
        let (low, high) = (bound(1, "min", f64::NEG_INFINITY), bound(2, "max", f64::INFINITY));
        let values = x.values.iter().map(|value| value.max(low).min(high)).collect();
        Ok(Numbers { values, ..x.clone() })
    }

    fn cast(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let integer = !matches!(self.node.int("to", 1), 1 | 10 | 11 | 16);
        let values = x.values.iter().map(|value| if integer { value.trunc() } else { *value }).collect();
        Ok(Numbers { shape: x.shape.clone(), values, integer })
    }

    /// `α A' B' + β C`.
    fn gemm(&self) -> Result<Numbers, String> {
        let node = self.node;
        let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
        let transposed = |name: &str| node.int(name, 0) == 1;
        let mut product = multiply(
            Matrix::new(self.input(0)?, transposed("transA"))?,
            Matrix::new(self.input(1)?, transposed("transB"))?,
        )?;
        let shape = product.shape.clone();
        let Some(c) = self.given(2) else {
            product.values.iter_mut().for_each(|value| *value *= alpha);
            return Ok(product);
        };
        if broadcast(&c.shape, &shape)? != shape {
            return Err(format!("a sum of shape {shape:?} takes no term of shape {:?}", c.shape));
        }
        let from = Broadcast::new(&c.shape, &shape);
        for (index, value) in product.values.iter_mut().enumerate() {
            *value = alpha * *value + beta * c.values[from.at(index)];
        }
        Ok(product)
    }

    /// Two matrices, or a stack of rows times a matrix.
    fn matmul(&self) -> Result<Numbers, String> {
        let (a, b) = (self.input(0)?, self.input(1)?);
        let Some((&columns, rows)) = a.shape.split_last() else {
            return Err("a scalar is no matrix".to_owned());
        };
        let flat = Numbers { shape: vec![elements(rows)?, columns], ..a.clone() };
        let product = multiply(Matrix::new(&flat, false)?, Matrix::new(b, false)?)?;
        let shape = rows.iter().copied().chain([product.shape[1]]).collect();
        Ok(Numbers { shape, ..product })
    }

    fn axis(&self, default: i64, rank: usize) -> Result<usize, String> {
        place(self.node.int("axis", default), rank)
    }

    fn concat(&self) -> Result<Numbers, String> {
        let first = self.input(0)?;
        let axis = self.axis(0, first.shape.len())?;
        let (mut shape, outer) = (first.shape.clone(), elements(&first.shape[..axis])?);
        let parts = (0..self.inputs.len()).map(|index| self.input(index)).collect::<Result<Vec<_>, _>>()?;
        let alike = |part: &&Numbers| {
            part.shape.len() == shape.len()
                && (0..shape.len()).all(|index| index == axis || part.shape[index] == shape[index])
        };
        if !parts.iter().all(alike) {
            return Err("its parts do not fit together".to_owned());
        }
        shape[axis] = parts.iter().map(|part| part.shape[axis]).sum();
        let mut values = Vec::with_capacity(elements(&shape)?);
        for block in 0..outer {
            for part in &parts {
                let size = part.values.len() / outer.max(1);
                values.extend_from_slice(&part.values[block * size..(block + 1) * size]);
            }
        }
        Ok(Numbers { shape, values, integer: first.integer })
    }

    fn reshape(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let sizes = self.input(1)?;
        let keep = self.node.int("allowzero", 0) == 0;
        let mut shape = Vec::with_capacity(sizes.values.len());
        for (index, &size) in sizes.values.iter().enumerate() {
            let kept = size == 0.0 && keep;
            let same =
                || x.shape.get(index).map(|&size| size as i64).ok_or("it keeps a size that is not there");
            shape.push(if kept { same()? } else { size as i64 });
        }
        let known: usize = elements(
            &shape.iter().filter(|&&size| size >= 0).map(|&size| size as usize).collect::<Vec<_>>(),
        )?;
        let rest = x.values.len().checked_div(known).unwrap_or(0);
        let shape: Vec<usize> =
            shape.iter().map(|&size| if size < 0 { rest } else { size as usize }).collect();
        reshaped(x, shape)
    }

    fn flatten(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let axis = place(self.node.int("axis", 1), x.shape.len() + 1)?;
        let rows = elements(&x.shape[..axis])?;
        reshaped(x, vec![rows, elements(&x.shape[axis..])?])
    }

    /// Axes as an input, or as an attribute before version 13.
    fn axes(&self) -> Option<Vec<i64>> {
        let given = self.given(1).map(|axes| axes.values.iter().map(|&axis| axis as i64).collect());
        given.or_else(|| self.node.ints("axes").map(<[i64]>::to_vec))
    }

    fn squeeze(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let rank = x.shape.len();
        let dropped = match self.axes() {
            Some(axes) => axes.into_iter().map(|axis| place(axis, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).filter(|&axis| x.shape[axis] == 1).collect(),
        };
        let shape = (0..rank).filter(|axis| !dropped.contains(axis)).map(|axis| x.shape[axis]).collect();
        reshaped(x, shape)
    }

    fn unsqueeze(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let axes = self.axes().ok_or("it names no axes")?;
        let rank = x.shape.len() + axes.len();
        let added = axes.into_iter().map(|axis| place(axis, rank)).collect::<Result<Vec<_>, _>>()?;
        let mut sizes = x.shape.iter();
        let shape =
            (0..rank).map(|axis| if added.contains(&axis) { 1 } else { sizes.next().copied().unwrap_or(1) });
        reshaped(x, shape.collect())
    }

    fn transpose(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let rank = x.shape.len();
        let reversed: Vec<i64> = (0..rank as i64).rev().collect();
        let order = self.node.ints("perm").unwrap_or(&reversed).iter().map(|&axis| place(axis, rank));
        let order = order.collect::<Result<Vec<_>, _>>()?;
        if (0..rank).any(|axis| !order.contains(&axis)) {
            return Err(format!("it permutes {rank} axes by {order:?}"));
        }
        Ok(picked(x, &order.iter().map(|&axis| x.shape[axis]).collect::<Vec<_>>(), |index, source| {
            for (to, &from) in order.iter().enumerate() {
                source[from] = index[to];
            }
        }))
    }

    fn slice(&self) -> Result<Numbers, String> {
        let x = self.input(0)?;
        let list = |index: usize, name: &str| -> Option<Vec<i64>> {
            let given = self.given(index).map(|list| list.values.iter().map(|&value| value as i64).collect());
            given.or_else(|| self.node.ints(name).map(<[i64]>::to_vec))
        };
        let (starts, ends) =
            (list(1, "starts").ok_or("it has no starts")?, list(2, "ends").ok_or("it has no ends")?);
        let axes = list(3, "axes").unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = list(4, "steps").unwrap_or_else(|| vec![1; starts.len()]);
        if starts.len() != ends.len() || starts.len() != axes.len() || starts.len() != steps.len() {
            return Err("it has not as many starts as ends, axes and steps".to_owned());
        }
        let (mut first, mut shape) = (vec![0; x.shape.len()], x.shape.clone());
        for (index, &axis) in axes.iter().enumerate() {
            let axis = place(axis, x.shape.len())?;
            let size = x.shape[axis] as i64;
            let clamped = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(0, size);
            let (start, end) = (clamped(starts[index]), clamped(ends[index]));
            if steps[index] != 1 {
                return Err(format!("it takes steps of {}", steps[index]));
            }
            first[axis] = start as usize;
            shape[axis] = (end - start).max(0) as usize;
        }
        Ok(picked(x, &shape, |index, source| {
            for axis in 0..index.len() {
                source[axis] = index[axis] + first[axis];
            }
        }))
    }

    fn gather(&self) -> Result<Numbers, String> {
        let (x, indices) = (self.input(0)?, self.input(1)?);
        let axis = self.axis(0, x.shape.len())?;
        let size = x.shape[axis];
        let places =
            indices.values.iter().map(|&at| place(at as i64, size)).collect::<Result<Vec<_>, _>>()?;
        let mut shape = x.shape[..axis].to_vec();
        shape.extend(&indices.shape);
        shape.extend(&x.shape[axis + 1..]);
        let (outer, inner) = (elements(&x.shape[..axis])?, elements(&x.shape[axis + 1..])?);
        let mut values = Vec::with_capacity(elements(&shape)?);
        for block in 0..outer {
            for &at in &places {
                let start = (block * size + at) * inner;
                values.extend_from_slice(&x.values[start..start + inner]);
            }
        }
        Ok(Numbers { shape, values, integer: x.integer })
    }

    fn expand(&self) -> Result<Numbers, String> {
        let (x, sizes) = (self.input(0)?, self.input(1)?);
        let target = sizes.values.iter().map(|&size| (size >= 0.0).then_some(size as usize));
        let target = target.collect::<Option<Vec<_>>>().ok_or("a size is negative")?;
        let shape = broadcast(&x.shape, &target)?;
        let from = Broadcast::new(&x.shape, &shape);
        let values = (0..elements(&shape)?).map(|index| x.values[from.at(index)]).collect();
        Ok(Numbers { shape, values, integer: x.integer })
    }

    fn constant_of_shape(&self) -> Result<Numbers, String> {
        let sizes = self.input(0)?.values.iter().map(|&size| (size >= 0.0).then_some(size as usize));
        let shape = sizes.collect::<Option<Vec<_>>>().ok_or("a size is negative")?;
        let (value, integer) = match self.node.attribute("value") {
            Some(Attribute::Tensor(numbers)) => (numbers.single().unwrap_or(0.0), numbers.integer),
            _ => (0.0, false),
        };
        Ok(Numbers { values: vec![value; elements(&shape)?], shape, integer })
    }

    fn split(&self) -> Result<Vec<Numbers>, String> {
        let x = self.input(0)?;
        let axis = self.axis(0, x.shape.len())?;
        let parts = self.node.outputs.len();
        let given =
            self.given(1).map(|sizes| sizes.values.iter().map(|&size| size as usize).collect::<Vec<_>>());
        let attribute =
            self.node.ints("split").map(|sizes| sizes.iter().map(|&size| size as usize).collect());
        let sizes = given.or(attribute).unwrap_or_else(|| vec![x.shape[axis] / parts.max(1); parts]);
        if sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size)) != Some(x.shape[axis]) {
            return Err(format!("{} elements are split into {sizes:?}", x.shape[axis]));
        }
        let mut first = 0;
        let cut = sizes.iter().map(|&size| {
            let mut shape = x.shape.clone();
            shape[axis] = size;
            let start = first;
            first += size;
            picked(x, &shape, |index, source| {
                source.copy_from_slice(index);
                source[axis] += start;
            })
        });
        Ok(cut.collect())
    }

    /// Attributes of a recurrent layer that change what it computes.
    fn refuse_unusual(&self, is_gru: bool) -> Result<(), String> {
        for unusual in ["activations", "clip", "input_forget"] {
            let usual = match self.node.attribute(unusual) {
                None | Some(Attribute::Int(0)) => true,
                Some(Attribute::Texts(names)) => {
                    let expected: &[&str] =
                        if is_gru { &["Sigmoid", "Tanh"] } else { &["Sigmoid", "Tanh", "Tanh"] };
                    names.iter().map(String::as_str).eq(expected.iter().copied())
                }
                _ => false,
            };
            if !usual {
                return Err(format!("its attribute `{unusual}` is not known"));
            }
        }
        Ok(())
    }

    /// `Y`, `Y_h` and for an LSTM `Y_c`, over all times of the input, one direction.
    fn recurrent(&self) -> Result<Vec<Numbers>, String> {
        let node = self.node;
        let is_gru = node.operator == "GRU";
        if node.text("direction", "forward") != "forward" || node.int("layout", 0) != 0 {
            return Err("only layers that go forward over time-major sequences are known".to_owned());
        }
        self.refuse_unusual(is_gru)?;
        let (x, weights, state_weights) = (self.input(0)?, self.input(1)?, self.input(2)?);
        let [times, batch, inputs] = x.shape[..] else { return Err("its input is not [T, B, I]".to_owned()) };
        let [1, rows, columns] = weights.shape[..] else {
            return Err("its weights are not [1, G·H, I]".to_owned());
        };
        let gates = if is_gru { 3 } else { 4 };
        let width = rows / gates;
        if columns != inputs || state_weights.shape != [1, rows, width] || rows % gates != 0 || width == 0 {
            return Err(format!("weights {:?} and {:?} do not fit", weights.shape, state_weights.shape));
        }
        let zeros = Numbers::new(vec![1, 2 * rows], vec![0.0; 2 * rows]);
        let bias = self.given(3).unwrap_or(&zeros);
        let initial = |index: usize| -> Result<Vec<f64>, String> {
            match self.given(index) {
                None => Ok(vec![0.0; batch * width]),
                Some(state) if state.shape == [1, batch, width] => Ok(state.values.clone()),
                Some(state) => Err(format!("its initial state has shape {:?}", state.shape)),
            }
        };
        if bias.values.len() != 2 * rows {
            return Err(format!("its bias has shape {:?}", bias.shape));
        }
        let cell = RecurrentCell {
            width,
            input: &weights.values,
            state: &state_weights.values,
            bias: &bias.values,
            reset_after: node.int("linear_before_reset", 0) == 1,
        };
        let (mut h, mut c) = (initial(5)?, if is_gru { Vec::new() } else { initial(6)? });
        let mut all = Vec::with_capacity(times.saturating_mul(batch * width).min(MAX_COMPUTED));
        for time in 0..times {
            for env in 0..batch {
                let x = &x.values[(time * batch + env) * inputs..][..inputs];
                let units = env * width..(env + 1) * width;
                if is_gru {
                    cell.gru(x, &mut h[units]);
                } else {
                    cell.lstm(x, &mut h[units.clone()], &mut c[units]);
                }
            }
            all.extend_from_slice(&h);
        }
        let mut outputs =
            vec![Numbers::new(vec![times, 1, batch, width], all), Numbers::new(vec![1, batch, width], h)];
        if !is_gru {
            outputs.push(Numbers::new(vec![1, batch, width], c));
        }
        Ok(outputs)
    }
}

/// Weights of a recurrent layer in ONNX' order of gates.
struct RecurrentCell<'a> {
    width: usize,
    input: &'a [f64],
    state: &'a [f64],
    /// Of the input, then of the state.
    bias: &'a [f64],
    /// `linear_before_reset`: the reset gate multiplies the hidden part with its bias, as PyTorch has it.
    reset_after: bool,
}

impl RecurrentCell<'_> {
    fn input_sum(&self, row: usize, x: &[f64]) -> f64 {
        dot(&self.input[row * x.len()..], x) + self.bias[row]
    }

    fn state_product(&self, row: usize, h: &[f64]) -> f64 {
        dot(&self.state[row * self.width..], h)
    }

    fn state_bias(&self, row: usize) -> f64 {
        self.bias[self.bias.len() / 2 + row]
    }

    fn state_sum(&self, row: usize, h: &[f64]) -> f64 {
        self.state_product(row, h) + self.state_bias(row)
    }

    /// Gates `z, r, h`.
    fn gru(&self, x: &[f64], h: &mut [f64]) {
        let (width, old) = (self.width, h.to_vec());
        let gate = |row: usize| sigmoid(self.input_sum(row, x) + self.state_sum(row, &old));
        let update: Vec<f64> = (0..width).map(gate).collect();
        let reset: Vec<f64> = (width..2 * width).map(gate).collect();
        let damped: Vec<f64> = reset.iter().zip(&old).map(|(r, h)| r * h).collect();
        for unit in 0..width {
            let row = 2 * width + unit;
            let hidden = if self.reset_after {
                reset[unit] * self.state_sum(row, &old)
            } else {
                self.state_product(row, &damped) + self.state_bias(row)
            };
            let new = libm::tanh(self.input_sum(row, x) + hidden);
            h[unit] = (1.0 - update[unit]) * new + update[unit] * old[unit];
        }
    }

    /// Gates `i, o, f, c`.
    fn lstm(&self, x: &[f64], h: &mut [f64], c: &mut [f64]) {
        let (width, old) = (self.width, h.to_vec());
        for unit in 0..width {
            let sum = |gate: usize| {
                let row = gate * width + unit;
                self.input_sum(row, x) + self.state_sum(row, &old)
            };
            c[unit] = sigmoid(sum(2)) * c[unit] + sigmoid(sum(0)) * libm::tanh(sum(3));
            h[unit] = sigmoid(sum(1)) * libm::tanh(c[unit]);
        }
    }
}

/// Operators of one number.
fn unary(node: &Node) -> Option<Box<dyn Fn(f64) -> f64>> {
    let alpha = |default: f32| node.float("alpha", default);
    Some(match node.operator.as_str() {
        "Relu" => Box::new(|x: f64| x.max(0.0)),
        "Tanh" => Box::new(libm::tanh),
        "Sigmoid" => Box::new(sigmoid),
        "Softplus" => Box::new(softplus),
        "Exp" => Box::new(libm::exp),
        "Log" => Box::new(libm::log),
        "Neg" => Box::new(|x: f64| -x),
        "Abs" => Box::new(f64::abs),
        "Sqrt" => Box::new(f64::sqrt),
        "Reciprocal" => Box::new(|x: f64| 1.0 / x),
        "Erf" => Box::new(libm::erf),
        "Elu" => {
            let alpha = alpha(1.0);
            Box::new(move |x: f64| if x > 0.0 { x } else { alpha * libm::expm1(x) })
        }
        "Celu" => {
            let alpha = alpha(1.0);
            Box::new(move |x: f64| x.max(0.0) + (alpha * libm::expm1(x / alpha)).min(0.0))
        }
        "Selu" => {
            let (alpha, gamma) = (alpha(1.673_263_2), node.float("gamma", 1.050_701));
            Box::new(move |x: f64| gamma * if x > 0.0 { x } else { alpha * libm::expm1(x) })
        }
        "LeakyRelu" => {
            let alpha = alpha(0.01);
            Box::new(move |x: f64| if x > 0.0 { x } else { alpha * x })
        }
        "Gelu" if node.text("approximate", "none") == "none" => {
            Box::new(|x: f64| 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)))
        }
        "Mish" => Box::new(|x: f64| x * libm::tanh(softplus(x))),
        _ => return None,
    })
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn elements(shape: &[usize]) -> Result<usize, String> {
    let count = shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
    count.filter(|&count| count <= MAX_COMPUTED).ok_or_else(|| format!("shape {shape:?} is too large"))
}

/// An axis or index, which may count from the end.
fn place(at: i64, size: usize) -> Result<usize, String> {
    let place = if at < 0 { at + size as i64 } else { at };
    usize::try_from(place)
        .ok()
        .filter(|&place| place < size)
        .ok_or_else(|| format!("{at} is outside of {size}"))
}

fn reshaped(x: &Numbers, shape: Vec<usize>) -> Result<Numbers, String> {
    if elements(&shape)? != x.values.len() {
        return Err(format!("{} elements take no shape {shape:?}", x.values.len()));
    }
    Ok(Numbers { shape, ..x.clone() })
}

/// A matrix, or its transpose without moving a number.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    values: &'a [f64],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    fn new(x: &'a Numbers, swap: bool) -> Result<Self, String> {
        let [rows, columns] = x.shape[..] else { return Err(format!("shape {:?} is no matrix", x.shape)) };
        let values = &x.values[..];
        Ok(if swap {
            Self { values, rows: columns, columns: rows, row_stride: 1, column_stride: columns }
        } else {
            Self { values, rows, columns, row_stride: columns, column_stride: 1 }
        })
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.values[row * self.row_stride + column * self.column_stride]
    }
}

fn multiply(a: Matrix<'_>, b: Matrix<'_>) -> Result<Numbers, String> {
    let (rows, inner, columns) = (a.rows, a.columns, b.columns);
    if inner != b.rows {
        return Err(format!("matrices of {rows} by {inner} and {} by {columns} have no product", b.rows));
    }
    if rows.saturating_mul(inner).saturating_mul(columns) > MAX_PRODUCTS {
        return Err(format!("a product of {rows} by {inner} by {columns} is larger than any policy's"));
    }
    let mut values = Vec::with_capacity(elements(&[rows, columns])?);
    for row in 0..rows {
        for column in 0..columns {
            values.push((0..inner).map(|index| a.at(row, index) * b.at(index, column)).sum());
        }
    }
    Ok(Numbers::new(vec![rows, columns], values))
}

/// The shape of what two shapes make together.
fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let size =
        |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |index| shape[index]);
    let sizes = (0..rank).map(|axis| match (size(a, axis), size(b, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    });
    sizes.collect::<Option<Vec<_>>>().ok_or_else(|| format!("shapes {a:?} and {b:?} do not fit together"))
}

/// Finds the element of a smaller shape that stands at a place of a larger one.
struct Broadcast {
    /// Stride in the larger shape, size there, stride in the smaller one (0 where it repeats).
    axes: Vec<(usize, usize, usize)>,
}

impl Broadcast {
    fn new(from: &[usize], to: &[usize]) -> Self {
        let (mut outer, mut inner) = (1, 1);
        let mut axes = Vec::with_capacity(to.len());
        for axis in (0..to.len()).rev() {
            let size = (axis + from.len()).checked_sub(to.len()).map_or(1, |index| from[index]);
            axes.push((outer, to[axis], if size == 1 { 0 } else { inner }));
            outer *= to[axis];
            inner *= size;
        }
        Self { axes }
    }

    fn at(&self, index: usize) -> usize {
        self.axes.iter().map(|&(outer, size, inner)| index / outer % size * inner).sum()
    }
}

/// Elements of `x` in another shape: `source` gives the place that each comes from.
fn picked(x: &Numbers, shape: &[usize], source: impl Fn(&[usize], &mut [usize])) -> Numbers {
    let count: usize = shape.iter().product();
    let (mut index, mut from) = (vec![0; shape.len()], vec![0; x.shape.len()]);
    let values = (0..count).map(|_| {
        source(&index, &mut from);
        let at = from.iter().zip(&x.shape).fold(0, |at, (&place, &size)| at * size + place);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
        x.values[at]
    });
    Numbers { shape: shape.to_vec(), values: values.collect(), integer: x.integer }
}
