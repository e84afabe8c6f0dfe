//! The parameter files of RLtools.

use std::io::{self, Write};

use eyas_sim::{ParameterError, VehicleParameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::Formatter;

use crate::lint::rounded;
use crate::{FleetVehicle, Unflyable, unflyable, vehicle_warnings};

/// A parameter file of RLtools at 460bae06^ (`rl/environments/l2f`), every field, in the order the C++ writes them.
///
/// Blocks and fields other than `dynamics` may be missing and then are what `src/foundation_policy/pre_training`
/// has; `init.max_position` and `termination.position_threshold` are then ten and twenty rotor distances.
/// Rewards, limits and starts are the task's: [`VehicleFile::warnings`] says where a file has others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VehicleFile {
    /// The vehicle.
    pub dynamics: VehicleParameters,
    #[serde(default)]
    integration: Integration,
    #[serde(default)]
    mdp: Mdp,
    #[serde(default)]
    disturbances: Disturbances,
    #[serde(default)]
    domain_randomization: DomainRandomization,
    #[serde(default)]
    trajectory: Trajectory,
    #[serde(default)]
    observation_delay: ObservationDelay,
}

/// A block of the file with the values that stand where the file has none.
macro_rules! block {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty = $default:expr,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct $name {
            $($field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

block! { Integration { dt: f64 = 0.01, } }
block! { Mdp {
    init: Init = Init::default(),
    reward: Reward = Reward::default(),
    observation_noise: ObservationNoise = ObservationNoise::default(),
    action_noise: ActionNoise = ActionNoise::default(),
    termination: Termination = Termination::default(),
} }
block! { Init {
    guidance: f64 = 0.1,
    max_position: Option<f64> = None,
    max_angle: f64 = std::f64::consts::FRAC_PI_2,
    max_linear_velocity: f64 = 1.0,
    max_angular_velocity: f64 = 1.0,
    relative_rpm: bool = true,
    min_rpm: f64 = -1.0,
    max_rpm: f64 = 0.0,
} }
block! { Reward {
    non_negative: bool = false,
    scale: f64 = 1.0,
    constant: f64 = 1.5,
    termination_penalty: f64 = -100.0,
    position: f64 = 1.0,
    position_clip: f64 = 0.0,
    orientation: f64 = 0.1,
    linear_velocity: f64 = 0.0,
    angular_velocity: f64 = 0.0,
    linear_acceleration: f64 = 0.0,
    angular_acceleration: f64 = 0.0,
    action: f64 = 0.0,
    d_action: f64 = 1.0,
    position_error_integral: f64 = 0.0,
} }
block! { #[derive(Copy)] ObservationNoise {
    position: f64 = 0.0,
    orientation: f64 = 0.0,
    linear_velocity: f64 = 0.0,
    angular_velocity: f64 = 0.0,
    imu_acceleration: f64 = 0.0,
} }
block! { ActionNoise { normalized_rpm: f64 = 0.0, } }
block! { Termination {
    enabled: bool = true,
    position_threshold: Option<f64> = None,
    linear_velocity_threshold: f64 = 2.0,
    angular_velocity_threshold: f64 = 35.0,
    position_integral_threshold: f64 = 10_000.0,
    orientation_integral_threshold: f64 = 50_000.0,
} }
block! { Disturbances { random_force: Disturbance = Disturbance::default(), random_torque: Disturbance = Disturbance::default(), } }
block! { Disturbance { mean: f64 = 0.0, std: f64 = 0.0, } }
block! {
    #[expect(non_snake_case, reason = "the name is the file's")]
    Trajectory {
        MIXTURE_N: usize = 2,
        mixture: [f64; 2] = [0.5, 0.5],
        langevin: Langevin = Langevin::default(),
    }
}
block! { Langevin { gamma: f64 = 1.0, omega: f64 = 2.0, sigma: f64 = 0.5, alpha: f64 = 0.01, } }
block! { ObservationDelay { linear_velocity: u32 = 0, angular_velocity: u32 = 0, } }

/// Ranges that vehicles are drawn from, the block `domain_randomization` of a file; all 0: none are drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DomainRandomization {
    /// Least full thrust over weight.
    pub thrust_to_weight_min: f64,
    /// Largest full thrust over weight.
    pub thrust_to_weight_max: f64,
    /// Least torque over inertia as [`VehicleParameters::torque_to_inertia`] has it, rad/s².
    pub torque_to_inertia_min: f64,
    /// Largest torque over inertia, rad/s².
    pub torque_to_inertia_max: f64,
    /// Least mass, kg.
    pub mass_min: f64,
    /// Largest mass, kg.
    pub mass_max: f64,
    /// How far the size of a vehicle is from what its mass says, as a share.
    pub mass_size_deviation: f64,
    /// Least time constant of a rotor that speeds up, s.
    pub rotor_time_constant_rising_min: f64,
    /// Largest time constant of a rotor that speeds up, s.
    pub rotor_time_constant_rising_max: f64,
    /// Least time constant of a rotor that slows down, s.
    pub rotor_time_constant_falling_min: f64,
    /// Largest time constant of a rotor that slows down, s.
    pub rotor_time_constant_falling_max: f64,
    /// Least reaction torque over thrust, m.
    pub rotor_torque_constant_min: f64,
    /// Largest reaction torque over thrust, m.
    pub rotor_torque_constant_max: f64,
    /// Largest turn of the body frame, rad. This version simulates none.
    pub orientation_offset_angle_max: f64,
    /// Largest disturbing force, three standard deviations, as a share of the thrust that hovering leaves.
    pub disturbance_force_max: f64,
}

impl DomainRandomization {
    /// The ranges of RLtools' pre-training (`sample_dynamics_parameters.cpp`).
    #[must_use]
    pub fn rltools() -> Self {
        Self {
            thrust_to_weight_min: 1.5,
            thrust_to_weight_max: 5.0,
            torque_to_inertia_min: 40.0,
            torque_to_inertia_max: 1200.0,
            mass_min: 0.02,
            mass_max: 5.0,
            mass_size_deviation: 0.1,
            rotor_time_constant_rising_min: 0.03,
            rotor_time_constant_rising_max: 0.1,
            rotor_time_constant_falling_min: 0.03,
            rotor_time_constant_falling_max: 0.3,
            rotor_torque_constant_min: 0.005,
            rotor_torque_constant_max: 0.05,
            orientation_offset_angle_max: 0.0,
            disturbance_force_max: 0.3,
        }
    }
}

impl DomainRandomization {
    /// How a vehicle differs from all that are drawn from the ranges by more than a quarter, in what decides whether a
    /// policy that has learned on those flies it.
    #[must_use]
    pub fn left_by(&self, dynamics: &VehicleParameters) -> Vec<String> {
        const MARGIN: f64 = 1.25;
        let slowest = |values: [f64; 4]| values.into_iter().fold(0.0, f64::max);
        let fastest = |values: [f64; 4]| values.into_iter().fold(f64::INFINITY, f64::min);
        let [rising, falling] = [dynamics.rotor_time_constants_rising, dynamics.rotor_time_constants_falling];
        let torque = dynamics.torque_to_inertia();
        let [rising_range, falling_range] = [
            [self.rotor_time_constant_rising_min, self.rotor_time_constant_rising_max],
            [self.rotor_time_constant_falling_min, self.rotor_time_constant_falling_max],
        ];
        [
            (
                "thrust to weight",
                [dynamics.thrust_to_weight(); 2],
                [self.thrust_to_weight_min, self.thrust_to_weight_max],
                "",
            ),
            (
                "torque over inertia",
                [torque; 2],
                [self.torque_to_inertia_min, self.torque_to_inertia_max],
                " rad/s²",
            ),
            ("mass", [dynamics.mass; 2], [self.mass_min, self.mass_max], " kg"),
            ("rising time constant of a rotor", [fastest(rising), slowest(rising)], rising_range, " s"),
            ("falling time constant of a rotor", [fastest(falling), slowest(falling)], falling_range, " s"),
        ]
        .into_iter()
        .filter_map(|(name, [low, high], [min, max], unit)| {
            let value = if low < min / MARGIN {
                low
            } else if high > max * MARGIN {
                high
            } else {
                return None;
            };
            Some(format!("{name} {}{unit}, drawn from {min} to {max}", rounded(value)))
        })
        .collect()
    }
}

/// Why a parameter file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum VehicleFileError {
    #[error("not a parameter file of RLtools: {0}")]
    Json(serde_json::Error),
    #[error("`{field}` has {found} entries, expected 4: this program flies quadrotors")]
    Rotors { field: String, found: usize },
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error(transparent)]
    Unflyable(#[from] Unflyable),
    #[error("`{field}` is {value}, which this version does not simulate, expected 0")]
    NotSimulated { field: String, value: f64 },
    #[error("`{field}` is {value}, expected {expected}")]
    Range { field: &'static str, value: f64, expected: &'static str },
}

impl VehicleFile {
    /// Reads the JSON text of a parameter file.
    pub fn parse(json: &str) -> Result<Self, VehicleFileError> {
        let file = Self::parse_unchecked(json)?;
        file.problems().into_iter().next().map_or(Ok(file), Err)
    }

    /// Reads what may have [`VehicleFile::problems`].
    pub(crate) fn parse_unchecked(json: &str) -> Result<Self, VehicleFileError> {
        serde_json::from_str(json).map_err(|error| {
            let value = serde_json::from_str::<Value>(json).ok();
            value.and_then(|it| other_rotors(it.get("dynamics")?)).unwrap_or(VehicleFileError::Json(error))
        })
    }

    /// Everything that makes no sense, cannot fly or cannot be simulated.
    pub(crate) fn problems(&self) -> Vec<VehicleFileError> {
        let Self { mdp, disturbances, .. } = self;
        let mut problems: Vec<VehicleFileError> =
            self.dynamics.problems().into_iter().map(Into::into).collect();
        // What follows from parameters follows from those that make sense.
        if problems.is_empty() {
            problems.extend(unflyable(&self.dynamics).into_iter().map(Into::into));
        }
        let mut range = |field, value: f64, holds: bool, expected| {
            if !(holds && value.is_finite()) {
                problems.push(VehicleFileError::Range { field, value, expected });
            }
        };
        let std = disturbances.random_force.std;
        range("disturbances.random_force.std", std, std >= 0.0, "a number of at least 0");
        if let Some(limit) = mdp.init.max_position {
            range("mdp.init.max_position", limit, limit >= 0.0, "a number of at least 0");
        }
        if let Some(limit) = mdp.termination.position_threshold {
            range("mdp.termination.position_threshold", limit, limit > 0.0, "a positive number");
        }
        problems.extend(
            self.not_simulated()
                .into_iter()
                .filter(|(_, value)| *value != 0.0)
                .map(|(field, value)| VehicleFileError::NotSimulated { field, value }),
        );
        problems
    }

    /// What has to be 0.
    fn not_simulated(&self) -> Vec<(String, f64)> {
        let mut blocks = vec![
            ("mdp.observation_noise", leaves(&self.mdp.observation_noise)),
            ("mdp.action_noise", leaves(&self.mdp.action_noise)),
            ("observation_delay", leaves(&self.observation_delay)),
            ("disturbances.random_torque", leaves(&self.disturbances.random_torque)),
        ];
        // The exports of RLtools' registry carry its ranges, but neither it nor Eyas draws from them there.
        if self.domain_randomization != DomainRandomization::rltools() {
            blocks.push(("domain_randomization", leaves(&self.domain_randomization)));
        }
        let named = blocks.into_iter().flat_map(|(block, leaves)| {
            leaves.into_iter().map(move |(field, value)| (format!("{block}.{field}"), value.as_f64()))
        });
        let mean = ("disturbances.random_force.mean".to_owned(), Some(self.disturbances.random_force.mean));
        named.chain([mean]).filter_map(|(field, value)| Some((field, value?))).collect()
    }

    /// What the file says that a flight does not heed, and what looks wrong but can be flown.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = vehicle_warnings(&self.dynamics);
        if self.domain_randomization == DomainRandomization::rltools() {
            warnings.push("`domain_randomization` is not heeded: the vehicle flies as it is".into());
        }
        let usual = Self { dynamics: self.dynamics.clone(), ..Self::of(&self.dynamics) };
        let here = |file: &Self| {
            [
                ("integration", leaves(&file.integration)),
                ("mdp.init", leaves(&Init { max_position: None, ..file.mdp.init.clone() })),
                ("mdp.reward", leaves(&file.mdp.reward)),
                (
                    "mdp.termination",
                    leaves(&Termination { position_threshold: None, ..file.mdp.termination.clone() }),
                ),
                ("trajectory", leaves(&file.trajectory)),
            ]
        };
        for ((block, found), (_, usual)) in here(self).into_iter().zip(here(&usual)) {
            for ((field, found), (_, usual)) in found.into_iter().zip(usual) {
                // The C++ writes six decimals.
                let is_usual = match (found.as_f64(), usual.as_f64()) {
                    (Some(found), Some(usual)) => (found - usual).abs() <= 5e-7,
                    _ => found == usual,
                };
                if !is_usual {
                    warnings.push(format!(
                        "`{block}.{field}` = {found} is not heeded: the task's configuration says it, {usual} by \
                         default"
                    ));
                }
            }
        }
        warnings
    }

    /// Standard deviation of each axis of the force that pushes the vehicle for an episode, N.
    #[must_use]
    pub fn random_force_std(&self) -> f64 {
        self.disturbances.random_force.std
    }

    /// A vehicle that nothing pushes, in RLtools' environment.
    #[must_use]
    pub fn of(dynamics: &VehicleParameters) -> Self {
        Self {
            dynamics: dynamics.clone(),
            integration: Integration::default(),
            mdp: Mdp::default(),
            disturbances: Disturbances::default(),
            domain_randomization: DomainRandomization::default(),
            trajectory: Trajectory::default(),
            observation_delay: ObservationDelay::default(),
        }
    }

    /// The vehicle of the file under a name.
    #[must_use]
    pub fn fleet_vehicle(&self, id: impl Into<String>) -> FleetVehicle {
        FleetVehicle {
            id: id.into(),
            dynamics: self.dynamics.clone(),
            random_force_std: self.random_force_std(),
            max_position: self.mdp.init.max_position,
            position_threshold: self.mdp.termination.position_threshold,
        }
    }

    /// The file as JSON text: every field, in the order of the C++, each number with as many digits as it takes to
    /// read the same one again. What the file left open is written out.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut file = self.clone();
        let distance = self.dynamics.rotor_distance();
        file.mdp.init.max_position.get_or_insert(10.0 * distance);
        file.mdp.termination.position_threshold.get_or_insert(20.0 * distance);
        to_lines(&file)
    }
}

impl From<&FleetVehicle> for VehicleFile {
    fn from(vehicle: &FleetVehicle) -> Self {
        let mut file = Self::of(&vehicle.dynamics);
        file.disturbances.random_force.std = vehicle.random_force_std;
        file.mdp.init.max_position = vehicle.max_position;
        file.mdp.termination.position_threshold = vehicle.position_threshold;
        file
    }
}

/// The field of a vehicle that says of other than four rotors, if there is one.
pub(crate) fn other_rotors(dynamics: &Value) -> Option<VehicleFileError> {
    let fields = dynamics.as_object()?.iter().filter(|(field, _)| field.starts_with("rotor_"));
    fields
        .filter_map(|(field, value)| Some((field, value.as_array()?.len())))
        .find(|(_, found)| *found != 4)
        .map(|(field, found)| VehicleFileError::Rotors { field: field.clone(), found })
}

/// Dotted names and values of what a block holds, in its order.
fn leaves(block: &impl Serialize) -> Vec<(String, Value)> {
    fn visit(name: &str, value: Value, out: &mut Vec<(String, Value)>) {
        let below = |field: &str| if name.is_empty() { field.to_owned() } else { format!("{name}.{field}") };
        match value {
            Value::Object(fields) => {
                fields.into_iter().for_each(|(field, it)| visit(&below(&field), it, out));
            }
            Value::Array(items) => {
                items
                    .into_iter()
                    .enumerate()
                    .for_each(|(index, it)| visit(&format!("{name}[{index}]"), it, out));
            }
            value => out.push((name.to_owned(), value)),
        }
    }
    let mut out = Vec::new();
    visit("", serde_json::to_value(block).unwrap_or_default(), &mut out);
    out
}

/// JSON with one field a line and arrays within a line.
pub(crate) fn to_lines(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Lines { depth: 0 });
    value.serialize(&mut serializer).expect("writing plain data to memory does not fail");
    text.push(b'\n');
    String::from_utf8(text).expect("serde_json writes UTF-8")
}

struct Lines {
    depth: usize,
}

impl Lines {
    fn new_line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        write!(writer, "\n{:1$}", "", 2 * self.depth)
    }
}

impl Formatter for Lines {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth += 1;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        self.new_line(writer)?;
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.new_line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VEHICLE_7: &str = include_str!("../tests/data/vehicle_7.json");

    /// Puts `next()` in place of every number below these blocks.
    fn randomize(value: &mut Value, next: &mut impl FnMut() -> f64) {
        match value {
            Value::Number(number) if number.is_f64() => *value = next().into(),
            Value::Array(items) => items.iter_mut().for_each(|it| randomize(it, next)),
            Value::Object(fields) => fields.values_mut().for_each(|it| randomize(it, next)),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_numbers(numbers in prop::collection::vec(1e-12..1e9_f64, 128)) {
            let mut json: Value = serde_json::from_str(VEHICLE_7).unwrap();
            let mut numbers = numbers.into_iter().cycle();
            let mut next = || numbers.next().unwrap();
            for pointer in ["/dynamics", "/integration", "/mdp/init", "/mdp/reward", "/mdp/termination", "/trajectory"] {
                let block = json.pointer_mut(pointer).unwrap();
                randomize(block, &mut next);
            }
            json["disturbances"]["random_force"]["std"] = next().into();
            let file = VehicleFile::parse_unchecked(&json.to_string()).unwrap();
            let written = file.to_json();
            prop_assert_eq!(&serde_json::from_str::<Value>(&written).unwrap(), &json);
            prop_assert_eq!(VehicleFile::parse_unchecked(&written).unwrap(), file);
        }
    }
}
