//! The parameter files of RLtools.

use std::io::{self, Write};

use eyas_sim::{ParameterError, VehicleParameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::Formatter;

use crate::FleetVehicle;

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

/// Why a parameter file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum VehicleFileError {
    #[error("not a parameter file of RLtools: {0}")]
    Json(serde_json::Error),
    #[error(transparent)]
    Parameter(#[from] ParameterError),
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
        serde_json::from_str(json).map_err(VehicleFileError::Json)
    }

    /// Everything that makes no sense or cannot be simulated.
    pub(crate) fn problems(&self) -> Vec<VehicleFileError> {
        let Self { mdp, disturbances, .. } = self;
        let mut problems: Vec<_> = self.dynamics.problems().into_iter().map(Into::into).collect();
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

/// What looks wrong with a vehicle that can be flown.
pub(crate) fn vehicle_warnings(dynamics: &VehicleParameters) -> Vec<String> {
    let mut warnings = Vec::new();
    let mismatch = dynamics.inertia_mismatch();
    // Six decimals of a Crazyflie's inertia are 5 % off.
    if mismatch > 0.1 {
        warnings.push(format!("`J` times `J_inv` is {mismatch:.3} away from the identity"));
    }
    let diagonal = [0, 1, 2].map(|axis| dynamics.inertia[axis][axis]);
    let total: f64 = diagonal.iter().sum();
    for (axis, value) in ["xx", "yy", "zz"].into_iter().zip(diagonal) {
        if value > 0.5 * total * 1.1 {
            warnings.push(format!(
                "`J`_{axis} = {value} is larger than the other two together, which no body of mass has"
            ));
        }
    }
    if dynamics.hovering_throttle().is_none() {
        warnings.push(format!(
            "no rotor speed carries the weight: thrust to weight is {:.3}",
            dynamics.thrust_to_weight()
        ));
    }
    warnings
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
