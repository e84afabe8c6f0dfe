//! `policy.tar` of PX4's `mc_raptor`: what it takes, and its loader's checks; what `mc_nn_control` makes of an action.
//!
//! Source: `src/modules/mc_raptor/mc_raptor.{cpp,hpp}` and `RescaleActions` in
//! `src/modules/mc_nn_control/mc_nn_control.cpp` in github.com/PX4/PX4-Autopilot (v1.18), and the reader in
//! `persist/backends/tar/operations_{generic,posix}.h` of github.com/rl-tools/rl-tools.

use std::fmt::{self, Write as _};
use std::path::Path;

use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Inference, Network, Output, Policy};

use crate::convert::fold;
use crate::rltools::BATCH;
use crate::{FormatError, container::tar};

/// The one shape that the module is compiled for.
const OBSERVATIONS: usize = 22;
const WIDTH: usize = 16;
const ACTIONS: usize = 4;

/// Steps of the example that the module replays, for each of two environments.
const TEST_STEPS: usize = 5;

/// The mean difference over the example must be below it.
const TEST_TOLERANCE: f32 = 1e-5;

/// Bytes of `actor/meta`, and of a tensor's `meta`, that the loader has room for.
const ACTOR_META: usize = 256;
const TENSOR_META: usize = 100;

/// Control steps a second that the recurrent state is advanced at.
const RATE_HZ: f64 = 100.0;

/// What the module feeds: name's beginning and width of each part.
const OBSERVATION: [(&str, usize); 5] = [
    ("position", 3),
    ("rotation_matrix", 9),
    ("velocity", 3),
    ("angular_velocity", 3),
    ("previous_action", 4),
];

/// The order of the motors that the module maps to PX4's, which is Crazyflie's.
const MOTOR_ORDER: &str = "front right, back right, back left, front left";

fn architecture() -> Architecture {
    Architecture::gru_student(OBSERVATIONS, WIDTH, ACTIONS)
}

/// The policy in the shape that the module flies, which acts the same; what was done to it goes into the remarks.
pub(crate) fn fitted(
    path: &Path,
    policy: &Policy,
    contract: &Contract,
    remarks: &mut Vec<String>,
) -> Result<Policy, FormatError> {
    let refuse = |what: String| {
        let layout = "`mc_raptor` of PX4";
        Err(FormatError::Inexpressible { path: path.to_owned(), layout, what })
    };
    let found = &policy.network.architecture;
    let shape = "it flies 22 → 16 ReLU → GRU 16 → 4 without squash";
    let narrow = matches!(found.encoder[..], [width] if width <= WIDTH)
        && found.core.is_some_and(|core| core.cell == Cell::Gru && core.layers == 1 && core.width <= WIDTH)
        && (found.inputs, found.outputs) == (OBSERVATIONS, ACTIONS)
        && found.hidden.is_empty();
    if !narrow || policy.output != Output::Identity {
        let squash = if policy.output == Output::Identity { "" } else { " with a squash" };
        return refuse(format!("the network {}{squash}: {shape}", crate::checkpoint::chain(found)));
    }
    if found.activation != Activation::Relu {
        return refuse(format!("the activation {}: {shape}", found.activation));
    }
    if let Some(rate) = contract.control_rate_hz.filter(|rate| (rate - RATE_HZ).abs() > 0.01 * RATE_HZ) {
        return refuse(format!(
            "a policy that steps {rate} times a second: it advances the state at {RATE_HZ} Hz"
        ));
    }
    let parts = &contract.observation.parts;
    let fits = |((name, width), part): (&(&str, usize), &eyas_policy::ObservationPart)| {
        part.name.starts_with(name) && part.width == *width
    };
    let are_fed = parts.len() == OBSERVATION.len() && OBSERVATION.iter().zip(parts).all(fits);
    if !are_fed && !parts.is_empty() {
        let found: Vec<String> = parts.iter().map(|part| format!("{} {}", part.name, part.width)).collect();
        let known = OBSERVATION.map(|(name, width)| format!("{name} {width}")).join(", ");
        return refuse(format!("a policy that observes {}: it feeds {known}", found.join(", ")));
    }
    if let Some(order) = contract.action.motor_order.as_ref().filter(|order| *order != MOTOR_ORDER) {
        return refuse(format!("motors in the order {order}: it takes {MOTOR_ORDER}"));
    }
    if parts.is_empty() || contract.action.motor_order.is_none() || contract.control_rate_hz.is_none() {
        remarks.push(format!(
            "nothing states the observation, rate or motors of this policy: mc_raptor feeds position and velocity \
             errors (0.5 m and 1 m/s at most) in the yaw-aligned frame of the target, x forward, y left, z up, at \
             {RATE_HZ} Hz, and takes motors as {MOTOR_ORDER}"
        ));
    }
    if policy.normalizer.is_some() {
        remarks.push("the normaliser was folded into the first layer: mc_raptor has none".to_owned());
    }
    let padded = padded(&fold(policy).network);
    if padded.architecture != *found {
        remarks.push(format!(
            "layers narrower than {WIDTH} were filled with units of weight 0, which change nothing"
        ));
    }
    Ok(Policy { normalizer: None, network: padded, output: Output::Identity })
}

/// The network with units of weight zero up to the module's widths: they stay at 0 from the state's zeros on.
fn padded(network: &Network) -> Network {
    let (target, source) = (architecture(), &network.architecture);
    let mut parameters = vec![0.0; target.num_parameters()];
    let rows_of_gate = |name: &str, rows: usize, width: usize| match name {
        _ if name.starts_with("core.") => (rows / Cell::Gru.gates(), width),
        _ => (rows, rows),
    };
    let gate_width = [source, &target].map(|it| it.core.map_or(1, |Core { width, .. }| width));
    for (from, to) in source.tensors().iter().zip(target.tensors()) {
        let columns = [from, &to].map(|tensor| tensor.shape.get(1).copied().unwrap_or(1));
        let (gate, wide) = rows_of_gate(&from.name, from.shape[0], gate_width[1]);
        for (row, values) in network.parameters[from.range.clone()].chunks(columns[0]).enumerate() {
            let place = to.range.start + (row / gate * wide + row % gate) * columns[1];
            parameters[place..place + columns[0]].copy_from_slice(values);
        }
    }
    Network { architecture: target, parameters }
}

/// What PX4's loader would say of an archive.
#[derive(Clone, Debug)]
pub struct Examination {
    /// Each check in the loader's order: what it is of, and what was found or what is wrong.
    pub checks: Vec<(&'static str, Result<String, String>)>,
}

impl Examination {
    /// Whether the module would take off with it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.checks.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

impl fmt::Display for Examination {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, outcome) in &self.checks {
            match outcome {
                Ok(found) => writeln!(formatter, "  mc_raptor, {what}: {found}")?,
                Err(problem) => writeln!(formatter, "  mc_raptor, {what}: refused: {problem}")?,
            }
        }
        Ok(())
    }
}

/// Goes through the checks of `mc_raptor` in its order; each that fails would end its start.
///
/// # Errors
///
/// [`FormatError::Damaged`] and [`FormatError::Truncated`] if it is no archive.
pub(crate) fn examine(path: &Path, bytes: &[u8]) -> Result<Examination, FormatError> {
    let archive = Archive(tar::read(path, bytes)?);
    let actor = actor(&archive);
    let mut checks = vec![
        ("architecture", actor.as_ref().map(|_| "22 → 16 → gru 16 → 4".to_owned()).map_err(Clone::clone)),
        ("checkpoint name", checkpoint_name(&archive)),
    ];
    if let Ok(policy) = &actor {
        checks.push(("self-test", self_test(&archive, policy)));
    }
    Ok(Examination { checks })
}

/// The parameters by which `mc_nn_control` turns actions into commands of motors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NnControl {
    /// `MC_NN_THRST_COEF`: thrust of a rotor over the square of its revolutions a second, 1e-5 N s².
    pub thrust_coefficient: f32,
    /// `MC_NN_MIN_RPM`.
    pub min_rpm: f32,
    /// `MC_NN_MAX_RPM`.
    pub max_rpm: f32,
}

impl Default for NnControl {
    /// Those that the module comes with.
    fn default() -> Self {
        Self { thrust_coefficient: 1.2, min_rpm: 1000.0, max_rpm: 22_000.0 }
    }
}

impl NnControl {
    /// What the motor is told for an action: below 0 it is disarmed, above 1 it turns as at 1.
    ///
    /// ```text
    /// rpm = 60 √((a + 1) / (10⁻⁵ k))    x = (rpm − min) / (max − min)    command = 0.8 x² + 0.2 x
    /// ```
    #[must_use]
    pub fn command(&self, action: f32) -> f32 {
        let Self { thrust_coefficient, min_rpm, max_rpm } = self;
        let revolutions = (action.clamp(-1.0, 1.0) + 1.0) / (thrust_coefficient * 1e-5);
        let x = (60.0 * libm::sqrtf(revolutions) - min_rpm) / (max_rpm - min_rpm);
        x * (0.8 * x + 0.2)
    }

    /// The action at which a rotor turns so fast; outside of the range of actions it never does.
    fn action_of(&self, rpm: f32) -> f32 {
        self.thrust_coefficient * 1e-5 * (rpm / 60.0) * (rpm / 60.0) - 1.0
    }

    /// How many of some actions disarm and saturate a motor.
    #[must_use]
    pub fn lost(&self, actions: impl Iterator<Item = f32>) -> Lost {
        let mut lost = Lost::default();
        for command in actions.map(|action| self.command(action)) {
            lost.commands += 1;
            lost.disarming += usize::from(command < 0.0);
            lost.saturating += usize::from(command > 1.0);
        }
        lost
    }

    /// What becomes of the range of actions, and of those of a flight.
    #[must_use]
    pub fn report(&self, flown: &[Vec<f32>]) -> String {
        let Self { thrust_coefficient, min_rpm, max_rpm } = self;
        let range = self.lost((0..=RANGE_STEPS).map(|it| 2.0 * it as f32 / RANGE_STEPS as f32 - 1.0));
        let flight = self.lost(flown.iter().flatten().copied());
        let share = |count: usize| 100.0 * count as f32 / range.commands as f32;
        let [least, most] = [min_rpm, max_rpm].map(|rpm| self.action_of(*rpm));
        let mut text = format!(
            "at MC_NN_THRST_COEF {thrust_coefficient}, MC_NN_MIN_RPM {min_rpm} and MC_NN_MAX_RPM {max_rpm} actions from {least:.3} \
             to {most:.3} are told apart: {:.1} % of [-1, 1] saturates a motor, {:.1} % disarms one; of {} commands of the test \
             vectors {} saturate, {} disarm",
            share(range.saturating),
            share(range.disarming),
            flight.commands,
            flight.saturating,
            flight.disarming
        );
        if range.saturating > 0 {
            let needed = 60.0 * libm::sqrtf(2.0 / (thrust_coefficient * 1e-5));
            let _ = write!(text, "; an MC_NN_MAX_RPM of {needed:.0} saturates none");
        }
        text
    }
}

/// Parts of the range of actions that are looked at.
const RANGE_STEPS: usize = 2000;

/// Commands, and those of them that a motor does not follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// All.
    pub commands: usize,
    /// Below the least: the motor stops.
    pub disarming: usize,
    /// Above the most.
    pub saturating: usize,
}

struct Archive<'a>(Vec<(String, &'a [u8])>);

impl<'a> Archive<'a> {
    fn get(&self, name: &str) -> Result<&'a [u8], String> {
        let entry = self.0.iter().find(|(found, _)| found == name);
        entry.map(|(_, bytes)| *bytes).ok_or_else(|| format!("there is no entry `{name}`"))
    }

    /// The value of a line `key: value` of a `meta`, which must be found within `room` bytes.
    fn value(&self, name: &str, key: &str, room: usize) -> Result<String, String> {
        let meta = self.get(name)?;
        if meta.len() > room {
            return Err(format!("`{name}` has {} bytes, there is room for {room}", meta.len()));
        }
        let text = String::from_utf8_lossy(meta);
        let mut values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        values.next().map(str::to_owned).ok_or_else(|| format!("`{name}` has no line `{key}: …`"))
    }

    /// The numbers of a tensor, whose sizes must be those that the module is compiled for; 0 stands for any.
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let meta = format!("{name}/meta");
        let value = |key: &str| self.value(&meta, key, TENSOR_META - 1);
        let kind = value("type")?;
        if !kind.starts_with("tensor") {
            return Err(format!("`{name}` is a {kind}, not a tensor"));
        }
        for (index, size) in shape.iter().enumerate() {
            let found = value(&format!("dim_{index}"))?;
            if *size != 0 && found.parse() != Ok(*size) {
                return Err(format!("`{name}` has size {found} in dimension {index}, not {size}"));
            }
        }
        let data = self.get(&format!("{name}/data"))?;
        let elements: usize = shape.iter().product();
        if elements != 0 && data.len() != 4 * elements {
            return Err(format!("`{name}` has {} bytes, not those of {elements} numbers", data.len()));
        }
        let numbers = data.chunks_exact(4).map(|it| f32::from_le_bytes([it[0], it[1], it[2], it[3]]));
        Ok(numbers.collect())
    }
}

/// The policy that the loader would put together.
fn actor(archive: &Archive<'_>) -> Result<Policy, String> {
    let rows = Cell::Gru.gates() * WIDTH;
    let dense = |layer: usize, inputs: usize, outputs: usize| {
        [(layer, "weights", vec![outputs, inputs]), (layer, "biases", vec![outputs])]
    };
    let gru = [
        (1, "weights_input", vec![rows, WIDTH]),
        (1, "weights_hidden", vec![rows, WIDTH]),
        (1, "biases_input", vec![rows]),
        (1, "biases_hidden", vec![rows]),
    ];
    let mut parameters = Vec::new();
    for (layer, name, shape) in
        dense(0, OBSERVATIONS, WIDTH).into_iter().chain(gru).chain(dense(2, WIDTH, ACTIONS))
    {
        parameters.extend(archive.tensor(&format!("actor/layers/{layer}/{name}/parameters"), &shape)?);
    }
    let initial = archive.tensor("actor/layers/1/initial_hidden_state/parameters", &[WIDTH])?;
    if initial.iter().any(|&value| value != 0.0) {
        return Err("it begins an episode with a learnt state, which is not replayed here".to_owned());
    }
    let network = Network { architecture: architecture(), parameters };
    Ok(Policy { normalizer: None, network, output: Output::Identity })
}

fn checkpoint_name(archive: &Archive<'_>) -> Result<String, String> {
    archive.value("actor/meta", "checkpoint_name", ACTOR_META)
}

/// The mean difference over the first steps of the example, whose strides the module was compiled with.
fn self_test(archive: &Archive<'_>, policy: &Policy) -> Result<String, String> {
    let input = archive.tensor("example/input", &[0, BATCH, OBSERVATIONS])?;
    let output = archive.tensor("example/output", &[0, BATCH, ACTIONS])?;
    let [inputs, outputs] = [OBSERVATIONS, ACTIONS].map(|width| TEST_STEPS * BATCH * width);
    let (Some(input), Some(output)) = (input.get(..inputs), output.get(..outputs)) else {
        return Err(format!("the example is shorter than {TEST_STEPS} steps"));
    };
    if input.iter().any(|value| value.is_nan()) {
        return Err("the example observes what is no number, at which the module stops".to_owned());
    }
    let found = Inference::new(policy).act_on_record(input, TEST_STEPS, BATCH);
    let sum: f32 = found.iter().zip(output).map(|(a, b)| (a - b).abs()).sum();
    let mean = sum / outputs as f32;
    if mean < TEST_TOLERANCE {
        Ok(format!("mean difference {mean:.1e} of {TEST_TOLERANCE:.0e}"))
    } else {
        Err(format!("mean difference {mean:.1e}, {TEST_TOLERANCE:.0e} is allowed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of PX4 issue 28417, which the module's own function printed.
    #[test]
    fn actions_become_the_commands_that_the_module_gives() {
        let module = NnControl::default();
        for (action, command) in [(-1.0, -0.0077), (0.0, 0.6386), (1.0, 1.2251)] {
            assert!((module.command(action) - command).abs() < 5e-5, "{action}: {}", module.command(action));
        }
        let lost = module.lost([-1.0, -0.999, 0.0, 0.61, 0.62, 1.0, 7.0].into_iter());
        assert_eq!(lost, Lost { commands: 7, disarming: 2, saturating: 3 });
        let report = module.report(&[vec![0.7, 0.0], vec![-1.0, 0.1]]);
        for part in [
            "from -0.997 to 0.613",
            "19.3 % of [-1, 1]",
            "0.2 % disarms",
            "of 4 commands",
            "1 saturate, 1 disarm",
            "24495",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }
        let enough = NnControl { max_rpm: 24_500.0, min_rpm: 0.0, ..module };
        assert_eq!(enough.lost([-1.0, 1.0].into_iter()), Lost { commands: 2, ..Lost::default() });
    }

    #[test]
    fn a_narrow_student_acts_the_same_in_the_width_of_the_module() {
        let narrow = Architecture {
            encoder: vec![7],
            core: Some(Core { cell: Cell::Gru, width: 5, layers: 1 }),
            ..architecture()
        };
        let parameters = (0..narrow.num_parameters()).map(|it| libm::sinf(it as f32 * 0.7)).collect();
        let network = Network { architecture: narrow, parameters };
        let policy = |network| Policy { normalizer: None, network, output: Output::Identity };
        let wide = policy(padded(&network));
        let vectors = eyas_policy::TestVectors::of(&policy(network));
        assert_eq!(wide.network.architecture, architecture());
        assert!(vectors.replay(&wide) <= 1e-6, "{}", vectors.replay(&wide));
    }
}
