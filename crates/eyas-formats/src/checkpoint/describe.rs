//! What a checkpoint holds, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use eyas_policy::{Architecture, Network, Normalizer, VehicleRange};
use serde::Serialize;

use crate::container::hdf5;
use crate::container::torch::Container;
use crate::{Checkpoint, DType, Decision, FormatError, Layout, LoadOptions, Role, Side, Tensor, Value};

/// What a checkpoint holds.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub num_bytes: u64,
    /// How its objects are packed.
    pub container: Container,
    /// How its networks are arranged.
    pub layout: Layout,
    /// The same in words, with the version that wrote it as far as the keys tell.
    pub layout_description: String,
    /// The training iteration of PPO.
    pub iteration: Option<u64>,
    /// The epoch of a student.
    pub epoch: Option<u64>,
    /// The best evaluation of a student's run.
    pub best_return: Option<f64>,
    /// Whether the optimiser's state is there.
    pub has_optimizer: bool,
    /// Attributes of an HDF5 file's groups, each name after its group.
    pub attributes: BTreeMap<String, String>,
    /// The networks, each with what had to be decided to load it.
    pub networks: Vec<NetworkSummary>,
    /// What the file says of the policy's task, rate and motors.
    pub contract: Option<ContractSummary>,
    /// Every tensor.
    pub tensors: Vec<TensorSummary>,
    /// Every object that was not looked into, because its class is not known here.
    pub opaque: Vec<OpaqueSummary>,
}

/// The contract in a file, without its test vectors.
#[derive(Clone, Debug, Serialize)]
pub struct ContractSummary {
    /// The task that the policy was trained on.
    pub task: Option<String>,
    /// Control steps a second, Hz.
    pub control_rate_hz: Option<f64>,
    /// Names of the parts of the observation, in order.
    pub observation: Vec<String>,
    /// Which motor each element of the action moves.
    pub motor_order: Option<String>,
    /// Which way each turns, seen from above.
    pub spin: Option<Vec<String>>,
    /// Where each stands, body frame, m.
    pub rotor_positions_m: Option<Vec<[f64; 3]>>,
    /// The vehicles that it was trained on.
    pub vehicles: Option<VehicleRange>,
    /// Steps of the test vectors.
    pub test_steps: usize,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// An object whose class is not known here; it was neither made nor read.
#[derive(Clone, Debug, Serialize)]
pub struct OpaqueSummary {
    /// Its keys from the root, joined by `/`.
    pub key: String,
    /// Python's name of its class.
    pub class: String,
}

/// One network of a checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkSummary {
    /// Which network.
    pub role: Role,
    /// Its shape, or `None` if it cannot be loaded.
    pub architecture: Option<Architecture>,
    /// Width of the action; `None` for a critic.
    pub num_actions: Option<usize>,
    /// Samples that its normaliser has seen, if it has one.
    pub normalizer_count: Option<u64>,
    /// Standard deviation of the exploration noise.
    pub std: Option<Vec<f32>>,
    /// What had to be decided.
    pub decisions: Vec<Decision>,
    /// Largest difference to the actions that the file gives as an example.
    pub example_difference: Option<f32>,
    /// Why it cannot be loaded.
    pub problem: Option<String>,
}

/// One tensor of a checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct TensorSummary {
    /// Its keys from the root, joined by `/`.
    pub key: String,
    /// Sizes.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
    /// Smallest element; `None` if there is none, NaN if all are.
    pub min: Option<f64>,
    /// Largest element, the same.
    pub max: Option<f64>,
    /// Mean of the elements; NaN if one is.
    pub mean: Option<f64>,
}

impl Checkpoint {
    /// Describes everything in the file; a network that cannot be loaded is described by the reason.
    #[must_use]
    pub fn describe(&self, options: &LoadOptions) -> Description {
        let (mut tensors, mut opaque) = (Vec::new(), Vec::new());
        walk(self.root(), "", &mut |key, value| match value {
            Value::Tensor(tensor) => tensors.push(TensorSummary::new(key, tensor)),
            Value::Opaque(class) => opaque.push(OpaqueSummary { key: key.to_owned(), class: class.clone() }),
            _ => {}
        });
        let mut attributes = BTreeMap::new();
        collect_attributes(self.root(), "", &mut attributes);
        Description {
            path: self.path().to_owned(),
            num_bytes: self.num_bytes(),
            container: self.container(),
            layout: self.kind(),
            layout_description: self.description(),
            iteration: self.iteration(),
            epoch: self.epoch(),
            best_return: self.best_return(),
            has_optimizer: self.has_optimizer(),
            attributes,
            contract: self.contract_summary(),
            networks: self.roles().into_iter().map(|role| self.network_summary(role, options)).collect(),
            tensors,
            opaque,
        }
    }

    fn contract_summary(&self) -> Option<ContractSummary> {
        let empty = ContractSummary {
            task: None,
            control_rate_hz: None,
            observation: Vec::new(),
            motor_order: None,
            spin: None,
            rotor_positions_m: None,
            vehicles: None,
            test_steps: 0,
            problem: None,
        };
        Some(match self.contract() {
            Ok(None) => return None,
            Err(error) => ContractSummary { problem: Some(error.to_string()), ..empty },
            Ok(Some(contract)) => ContractSummary {
                task: contract.task,
                control_rate_hz: contract.control_rate_hz,
                observation: contract.observation.parts.into_iter().map(|part| part.name).collect(),
                motor_order: contract.action.motor_order,
                spin: contract.action.spin,
                rotor_positions_m: contract.action.rotor_positions_m,
                vehicles: contract.vehicles,
                test_steps: contract.test.observations.len(),
                problem: None,
            },
        })
    }

    fn network_summary(&self, role: Role, options: &LoadOptions) -> NetworkSummary {
        let side = if role == Role::Teacher { Side::Teacher } else { Side::Auto };
        let options = LoadOptions { side, ..options.clone() };
        let loaded = if role == Role::Critic {
            self.critic(&options).map(|critic| NetworkSummary {
                decisions: critic.decisions,
                ..NetworkSummary::new(role, &critic.network, critic.normalizer.as_ref())
            })
        } else {
            self.policy(&options).map(|loaded| NetworkSummary {
                num_actions: Some(loaded.policy.num_actions()),
                std: loaded.std,
                decisions: loaded.decisions,
                example_difference: loaded.example_difference,
                ..NetworkSummary::new(role, &loaded.policy.network, loaded.policy.normalizer.as_ref())
            })
        };
        loaded.unwrap_or_else(|error| NetworkSummary::broken(role, &error))
    }
}

impl NetworkSummary {
    fn new(role: Role, network: &Network, normalizer: Option<&Normalizer>) -> Self {
        Self {
            role,
            architecture: Some(network.architecture.clone()),
            num_actions: None,
            normalizer_count: normalizer.map(|normalizer| normalizer.count),
            std: None,
            decisions: Vec::new(),
            example_difference: None,
            problem: None,
        }
    }

    fn broken(role: Role, error: &FormatError) -> Self {
        Self {
            role,
            architecture: None,
            num_actions: None,
            normalizer_count: None,
            std: None,
            decisions: Vec::new(),
            example_difference: None,
            problem: Some(error.to_string()),
        }
    }
}

impl TensorSummary {
    fn new(key: &str, tensor: &Tensor) -> Self {
        let values = tensor.to_f64();
        Self {
            key: key.to_owned(),
            shape: tensor.shape().to_vec(),
            dtype: tensor.dtype(),
            min: values.iter().copied().reduce(f64::min),
            max: values.iter().copied().reduce(f64::max),
            mean: (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
        }
    }
}

/// Visits every value, each with its keys from the root joined by `/`.
fn walk(value: &Value, key: &str, visit: &mut impl FnMut(&str, &Value)) {
    let below = |name: String| if key.is_empty() { name } else { format!("{key}/{name}") };
    visit(key, value);
    for (name, value) in value.entries().unwrap_or_default() {
        let name = name
            .as_str()
            .map_or_else(|| name.as_i64().map_or("?".to_owned(), |n| n.to_string()), str::to_owned);
        walk(value, &below(name), visit);
    }
    for (index, value) in value.items().unwrap_or_default().iter().enumerate() {
        walk(value, &below(index.to_string()), visit);
    }
}

/// Attributes of groups: the entries that [`hdf5`] marked.
fn collect_attributes(value: &Value, group: &str, attributes: &mut BTreeMap<String, String>) {
    for (name, value) in value.entries().unwrap_or_default() {
        let Some(name) = name.as_str() else { continue };
        let Some(attribute) = name.strip_prefix(hdf5::ATTRIBUTE) else {
            collect_attributes(value, &format!("{group}{name}/"), attributes);
            continue;
        };
        let text = match value {
            Value::Str(text) => text.clone(),
            number => number.as_f64().map(|number| number.to_string()).unwrap_or_default(),
        };
        attributes.insert(format!("{group}{attribute}"), text);
    }
}

impl fmt::Display for Description {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}: {}", self.path.display(), self.layout_description)?;
        write!(formatter, "  {} bytes, {}", self.num_bytes, self.container)?;
        let counts = [("iteration", self.iteration), ("epoch", self.epoch)];
        for (name, count) in counts.into_iter().filter_map(|(name, count)| Some((name, count?))) {
            write!(formatter, ", {name} {count}")?;
        }
        if let Some(best_return) = self.best_return {
            write!(formatter, ", best return {best_return:.4}")?;
        }
        writeln!(formatter, ", {} optimiser state", if self.has_optimizer { "with" } else { "without" })?;
        for network in &self.networks {
            write!(formatter, "{network}")?;
        }
        if let Some(contract) = &self.contract {
            write!(formatter, "{contract}")?;
        }
        if !self.attributes.is_empty() {
            writeln!(formatter, "attributes")?;
        }
        let names: Vec<String> = self.attributes.keys().map(|name| shown(name)).collect();
        let width = width_of(&names);
        for (name, text) in names.iter().zip(self.attributes.values()) {
            writeln!(formatter, "  {name:width$}  {}", shown(text))?;
        }
        self.write_tensors(formatter)?;
        if !self.opaque.is_empty() {
            writeln!(formatter, "objects of other programs, not read")?;
        }
        let keys: Vec<String> = self.opaque.iter().map(|object| shown(&object.key)).collect();
        let width = width_of(&keys);
        keys.iter()
            .zip(&self.opaque)
            .try_for_each(|(key, object)| writeln!(formatter, "  {key:width$}  {}", shown(&object.class)))
    }
}

/// A name of a file on one line: its end is left out where it is longer than any that a program gives.
fn shown(name: &str) -> String {
    escaped(name, 200)
}

/// At most so many characters of a text on one line, those that would move a terminal's cursor escaped.
fn escaped(text: &str, most: usize) -> String {
    let escape = |it: char| if it.is_control() { it.escape_default().to_string() } else { it.into() };
    let mut escaped: String = text.chars().take(most).map(escape).collect();
    if text.chars().nth(most).is_some() {
        escaped.push('…');
    }
    escaped
}

fn width_of(names: &[String]) -> usize {
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0)
}

impl fmt::Display for ContractSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(problem) = &self.problem {
            return writeln!(formatter, "contract: cannot be read: {}", escaped(problem, 2000));
        }
        write!(formatter, "contract: {}", self.task.as_deref().unwrap_or("no stated task"))?;
        if let Some(rate) = self.control_rate_hz {
            write!(formatter, ", {rate} Hz")?;
        }
        writeln!(formatter, ", {} steps of test vectors", self.test_steps)?;
        if !self.observation.is_empty() {
            writeln!(formatter, "  observation: {}", self.observation.join(", "))?;
        }
        self.motor_order.iter().try_for_each(|order| writeln!(formatter, "  motors: {order}"))?;
        if let (Some(places), Some(spin)) = (&self.rotor_positions_m, &self.spin) {
            let rotor = |(place, spin): (&[f64; 3], &String)| format!("{place:?} {}", escaped(spin, 20));
            let rotors: Vec<String> = places.iter().zip(spin).map(rotor).collect();
            writeln!(formatter, "  rotors at, m: {}", rotors.join(", "))?;
        }
        let Some(VehicleRange { count, mass_kg, thrust_to_weight, rotor_distance_m }) = &self.vehicles else {
            return Ok(());
        };
        let range = |[least, most]: &[f64; 2]| {
            let [least, most] = [least, most].map(|it| format!("{it:.3}"));
            if least == most { least } else { format!("{least} to {most}") }
        };
        writeln!(
            formatter,
            "  trained on {count} vehicle{}: mass {} kg, thrust to weight {}, rotors at {} m",
            if *count == 1 { "" } else { "s" },
            range(mass_kg),
            range(thrust_to_weight),
            range(rotor_distance_m)
        )
    }
}

impl Description {
    fn write_tensors(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two moments and a step for each parameter would bury the rest.
        let is_moment = |tensor: &&TensorSummary| tensor.key.starts_with("optimizer_state_dict/");
        writeln!(formatter, "tensors")?;
        let told: Vec<_> = self.tensors.iter().filter(|tensor| !is_moment(tensor)).collect();
        let keys: Vec<String> = told.iter().map(|tensor| shown(&tensor.key)).collect();
        let width = width_of(&keys);
        for (key, tensor) in keys.iter().zip(told) {
            writeln!(formatter, "  {key:width$}  {tensor}")?;
        }
        match self.tensors.iter().filter(is_moment).count() {
            0 => Ok(()),
            moments => writeln!(formatter, "  optimizer_state_dict/… {moments} tensors"),
        }
    }
}

impl fmt::Display for TensorSummary {
    /// Shape, type and range; the key stands before, aligned by the caller.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:12} {:8}", format!("{:?}", self.shape), self.dtype.to_string())?;
        match (self.min, self.max, self.mean) {
            (Some(value), ..) if self.shape.is_empty() => write!(formatter, " {value}"),
            (Some(min), Some(max), Some(mean)) => {
                write!(formatter, " min {min:>11.4e}  max {max:>11.4e}  mean {mean:>11.4e}")
            }
            _ => write!(formatter, " empty"),
        }
    }
}

impl fmt::Display for NetworkSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.role)?;
        if let Some(problem) = &self.problem {
            return writeln!(formatter, "cannot be loaded: {}", escaped(problem, 2000));
        }
        if let Some(architecture) = &self.architecture {
            formatter.write_str(&chain(architecture))?;
        }
        match self.num_actions {
            Some(actions) => write!(formatter, ", {actions} actions")?,
            None => write!(formatter, ", values")?,
        }
        match self.normalizer_count {
            // RLtools does not store it.
            Some(0) => write!(formatter, ", normalised")?,
            Some(count) => write!(formatter, ", normalised by {count} samples")?,
            None => {}
        }
        if let Some(std) = &self.std {
            let std: Vec<String> = std.iter().map(|std| format!("{std:.3}")).collect();
            write!(formatter, ", deviation {}", std.join(" "))?;
        }
        writeln!(formatter)?;
        self.decisions.iter().try_for_each(|decision| writeln!(formatter, "  {decision}"))
    }
}

/// `26 → 64 → gru 16 → 4`, the widths from observation to output.
pub(crate) fn chain(architecture: &Architecture) -> String {
    let dense = |widths: &[usize]| widths.iter().map(usize::to_string).collect::<Vec<_>>();
    let core = architecture.core.map_or_else(Vec::new, |core| {
        vec![format!("{} {}", format!("{:?}", core.cell).to_lowercase(), core.width); core.layers]
    });
    let ends = [dense(&[architecture.inputs]), dense(&[architecture.outputs])];
    let [first, last] = ends;
    [first, dense(&architecture.encoder), core, dense(&architecture.hidden), last].concat().join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A width beyond 65,535 is a panic of the formatter.
    #[test]
    fn names_are_cut_and_escaped() {
        assert_eq!(shown("network.0.bias\n\u{1b}]0;PWNED\u{7}"), "network.0.bias\\n\\u{1b}]0;PWNED\\u{7}");
        let long = shown(&"ä".repeat(70_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (201, true));
        assert_eq!(width_of(&[long, "飞".into()]), 201);
    }

    #[test]
    fn ranges_are_those_of_the_numbers_among_the_elements() {
        let range = |values: &[f32]| {
            let TensorSummary { min, max, mean, .. } =
                TensorSummary::new("key", &Tensor::from_f32(&[values.len()], values));
            format!("{min:?} {max:?} {mean:?}")
        };
        assert_eq!(range(&[1.0, -2.0, 4.0]), "Some(-2.0) Some(4.0) Some(1.0)");
        assert_eq!(range(&[f32::NAN, -2.0, 4.0]), "Some(-2.0) Some(4.0) Some(NaN)");
        assert_eq!(range(&[f32::NAN; 2]), "Some(NaN) Some(NaN) Some(NaN)");
        assert_eq!(range(&[]), "None None None");
    }
}
