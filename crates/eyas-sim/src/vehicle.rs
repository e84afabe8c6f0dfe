//! Physical parameters of a vehicle.

use eyas_lanes::{Lanes, Real, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Vector;
use crate::rotation::{rotate_add, rotate_z_add};
use crate::vector::{add, cross, dot, norm, scale, scale_add, transform};

/// Mass, inertia and rotors of a quadrotor, with the field names of RLtools' parameter files.
///
/// Rotor order is the file's; Crazyflie order there: front right, back right, back left, front left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VehicleParameters {
    /// Rotor hubs in the body frame, m.
    pub rotor_positions: [Vector<f64>; 4],
    /// Unit vectors of thrust in the body frame.
    pub rotor_thrust_directions: [Vector<f64>; 4],
    /// Unit vectors of the reaction torque in the body frame.
    pub rotor_torque_directions: [Vector<f64>; 4],
    /// Thrust `c0 + c1 ω + c2 ω²` in N, ω in the unit of `action_limit`.
    pub rotor_thrust_coefficients: [[f64; 3]; 4],
    /// Reaction torque over thrust, m.
    pub rotor_torque_constants: [f64; 4],
    /// Time constants of a rotor that speeds up, s.
    pub rotor_time_constants_rising: [f64; 4],
    /// Time constants of a rotor that slows down, s.
    pub rotor_time_constants_falling: [f64; 4],
    /// Take-off mass, kg.
    pub mass: f64,
    /// Acceleration of gravity in the world frame, m/s².
    pub gravity: Vector<f64>,
    /// Moment of inertia, body frame, kg m².
    #[serde(rename = "J")]
    pub inertia: [Vector<f64>; 3],
    /// Its inverse. Kept apart because files of the original carry both, rounded differently.
    #[serde(rename = "J_inv")]
    pub inertia_inverse: [Vector<f64>; 3],
    /// Throttle that carries the weight, as a share of the action range.
    pub hovering_throttle_relative: f64,
    /// Range of rotor speed that actions −1 and 1 command.
    pub action_limit: ActionLimit,
}

/// Range of rotor speed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionLimit {
    /// Rotor speed at action −1.
    pub min: f64,
    /// Rotor speed at action 1.
    pub max: f64,
}

/// A parameter makes no physical sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{field}` = {value} of a vehicle, expected {expected}")]
pub struct ParameterError {
    /// The field.
    pub field: &'static str,
    /// What it holds.
    pub value: f64,
    /// What would make sense.
    pub expected: &'static str,
}

impl VehicleParameters {
    /// Checks that masses, time constants and ranges are positive, directions of length 1, inertia positive definite
    /// and everything finite; the first of [`VehicleParameters::problems`].
    pub fn validate(&self) -> Result<(), ParameterError> {
        self.problems().into_iter().next().map_or(Ok(()), Err)
    }

    /// Whether every rotor pushes along the body's z axis with a direction of length 1, and the axes of the body are
    /// those of its moment of inertia.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        let is_zero = |value: &f64| *value == 0.0;
        let along_axes =
            |m: &[Vector<f64>; 3]| [m[0][1], m[0][2], m[1][0], m[1][2], m[2][0], m[2][1]].iter().all(is_zero);
        self.rotor_thrust_directions.iter().all(|it| it[..2].iter().all(is_zero) && is_zero(&(it[2] - 1.0)))
            && along_axes(&self.inertia)
            && along_axes(&self.inertia_inverse)
    }

    /// Everything that makes no physical sense.
    ///
    /// `J` times `J_inv` is not among it: RLtools writes six decimals, which moves the product of a small vehicle
    /// by more than a tenth.
    #[must_use]
    pub fn problems(&self) -> Vec<ParameterError> {
        let positive = [("mass", self.mass)]
            .into_iter()
            .chain(self.rotor_time_constants_rising.map(|value| ("rotor_time_constants_rising", value)))
            .chain(self.rotor_time_constants_falling.map(|value| ("rotor_time_constants_falling", value)))
            .chain([("action_limit.max - action_limit.min", self.action_limit.max - self.action_limit.min)])
            .filter(|(_, value)| !(*value > 0.0 && value.is_finite()))
            .map(|(field, value)| ParameterError { field, value, expected: "a positive finite number" });
        let vectors = [
            ("rotor_positions", &self.rotor_positions),
            ("rotor_thrust_directions", &self.rotor_thrust_directions),
            ("rotor_torque_directions", &self.rotor_torque_directions),
            ("rotor_thrust_coefficients", &self.rotor_thrust_coefficients),
        ];
        let finite = vectors
            .into_iter()
            .flat_map(|(field, vectors)| vectors.iter().flatten().map(move |value| (field, *value)))
            .chain(self.rotor_torque_constants.map(|value| ("rotor_torque_constants", value)))
            .chain(self.gravity.map(|value| ("gravity", value)))
            .chain([("hovering_throttle_relative", self.hovering_throttle_relative)])
            .filter(|(_, value)| !value.is_finite())
            .map(|(field, value)| ParameterError { field, value, expected: "a finite number" });
        // Rounding to two decimals moves a length by less.
        let units = [
            ("norm(rotor_thrust_directions)", &self.rotor_thrust_directions),
            ("norm(rotor_torque_directions)", &self.rotor_torque_directions),
        ]
        .into_iter()
        .flat_map(|(field, vectors)| vectors.iter().map(move |it| (field, norm(*it))))
        .filter(|(_, length)| length.is_finite() && (length - 1.0).abs() > 1e-2)
        .map(|(field, value)| ParameterError { field, value, expected: "1: a unit vector" });
        positive
            .chain(finite)
            .chain(units)
            .chain(inertia_problem("J", &self.inertia))
            .chain(inertia_problem("J_inv", &self.inertia_inverse))
            .collect()
    }
}

/// A moment of inertia and its inverse are symmetric and positive definite.
fn inertia_problem(field: &'static str, m: &[Vector<f64>; 3]) -> Option<ParameterError> {
    let problem = |value, expected| Some(ParameterError { field, value, expected });
    for axis in 0..3 {
        let value = m[axis][axis];
        if !(value > 0.0 && value.is_finite()) {
            return problem(value, "positive finite numbers on the diagonal");
        }
    }
    let size = m[0][0] + m[1][1] + m[2][2];
    for (row, column) in [(0, 1), (0, 2), (1, 2)] {
        let value = m[row][column];
        // What is left of inverting in double precision is far below a millionth.
        let difference = (value - m[column][row]).abs();
        if difference.is_nan() || difference > 1e-6 * size {
            return problem(value, "a symmetric matrix");
        }
    }
    // Sylvester's criterion.
    let minor = m[0][0] * m[1][1] - m[0][1] * m[1][0];
    let determinant = dot(m[0], cross(m[1], m[2]));
    [minor, determinant]
        .into_iter()
        .find(|it| it.is_nan() || *it <= 0.0)
        .and_then(|minor| problem(minor, "a positive definite matrix, whose leading minors are positive"))
}

/// One rotor as the dynamics need it.
#[derive(Clone, Copy, Debug)]
pub struct Rotor<R> {
    /// Body force for each newton of thrust.
    pub force: Vector<R>,
    /// Body torque for each newton of thrust, m.
    pub torque: Vector<R>,
    /// `c0, c1, c2` of (M1).
    pub thrust: [R; 3],
    /// 1 / time constant when speeding up, 1/s.
    pub rising_rate: R,
    /// 1 / time constant when slowing down, 1/s.
    pub falling_rate: R,
}

/// The rotors of a quadrotor.
pub type RotorSet<R> = [Rotor<R>; 4];

/// Parameters of a vehicle as the dynamics need them.
///
/// `ALIGNED` promises [`VehicleParameters::is_aligned`], and the dynamics leave out what is multiplied by zero: a third
/// of all operations. Results are the same numbers.
#[derive(Clone, Copy, Debug)]
pub struct Vehicle<R, const ALIGNED: bool = false> {
    /// The rotors.
    pub rotors: RotorSet<R>,
    /// 1 / mass, 1/kg.
    pub mass_inverse: R,
    /// World frame, m/s².
    pub gravity: Vector<R>,
    /// Body frame, kg m².
    pub inertia: [Vector<R>; 3],
    /// Its inverse.
    pub inertia_inverse: [Vector<R>; 3],
    /// Rotor speed at action −1.
    pub speed_min: R,
    /// Rotor speed at action 1.
    pub speed_max: R,
}

/// Numbers in a [`Vehicle`].
pub const VEHICLE_NUMBERS: usize = 4 * 11 + 24;

impl<R: Real, const ALIGNED: bool> Vehicle<R, ALIGNED> {
    /// Thrust of each rotor summed to a body wrench: (M1) `f = c0 + c1 ω + c2 ω²`,
    /// (M2) `F = Σ f d`, `τ = Σ f (r × d + c e)`.
    #[inline(always)]
    pub fn wrench(&self, rotor_speed: &[R; 4]) -> (Vector<R>, Vector<R>) {
        self.wrench_over(rotor_speed, [R::zero(); 3])
    }

    /// [`wrench`](Self::wrench) and a torque that acts already.
    #[inline(always)]
    pub(crate) fn wrench_over(&self, rotor_speed: &[R; 4], torque: Vector<R>) -> (Vector<R>, Vector<R>) {
        let (mut force, mut torque) = ([R::zero(); 3], torque);
        for (rotor, speed) in self.rotors.iter().zip(rotor_speed) {
            let [c0, c1, c2] = rotor.thrust;
            let thrust = c2.mul_add(*speed, c1).mul_add(*speed, c0);
            if ALIGNED {
                force[2] = force[2] + thrust;
            } else {
                force = scale_add(thrust, rotor.force, force);
            }
            torque = scale_add(thrust, rotor.torque, torque);
        }
        (force, torque)
    }

    /// (M3): what a body force adds to an acceleration of the world frame.
    #[inline(always)]
    pub(crate) fn accelerated(
        &self,
        orientation: [R; 4],
        force: Vector<R>,
        acceleration: Vector<R>,
    ) -> Vector<R> {
        if ALIGNED {
            rotate_z_add(orientation, self.mass_inverse * force[2], acceleration)
        } else {
            rotate_add(orientation, scale(self.mass_inverse, force), acceleration)
        }
    }

    /// A vector times the moment of inertia or its inverse.
    #[inline(always)]
    pub(crate) fn about_axes(matrix: &[Vector<R>; 3], v: Vector<R>) -> Vector<R> {
        if ALIGNED {
            [matrix[0][0] * v[0], matrix[1][1] * v[1], matrix[2][2] * v[2]]
        } else {
            transform(matrix, v)
        }
    }

    /// The same vehicle with its mass and its moment of inertia multiplied by `mass_factor`, and thrust and reaction
    /// torque of each rotor by its `efficiency`.
    #[inline(always)]
    #[must_use]
    pub fn altered(&self, mass_factor: R, efficiency: &[R; 4]) -> Self {
        let inverse = R::one() / mass_factor;
        let times = |matrix: &[Vector<R>; 3], factor: R| {
            [scale(factor, matrix[0]), scale(factor, matrix[1]), scale(factor, matrix[2])]
        };
        let mut rotors = self.rotors;
        for (rotor, efficiency) in rotors.iter_mut().zip(efficiency) {
            rotor.thrust = scale(*efficiency, rotor.thrust);
        }
        Self {
            rotors,
            mass_inverse: self.mass_inverse * inverse,
            inertia: times(&self.inertia, mass_factor),
            inertia_inverse: times(&self.inertia_inverse, inverse),
            ..*self
        }
    }

    /// The vehicle of all its numbers in the order of [`Vehicle::numbers`]; what it promises is the caller's word.
    #[inline(always)]
    pub fn from_numbers(numbers: &[R; VEHICLE_NUMBERS]) -> Self {
        Self::of(numbers)
    }

    /// All numbers: each rotor's, then mass, gravity, inertia, its inverse and the speed range.
    #[must_use]
    pub fn numbers(&self) -> [R; VEHICLE_NUMBERS] {
        let rotors = self.rotors.iter().flat_map(|rotor| {
            let vectors = [rotor.force, rotor.torque, rotor.thrust];
            vectors.into_iter().flatten().chain([rotor.rising_rate, rotor.falling_rate])
        });
        let rest = [self.mass_inverse].into_iter().chain(self.gravity);
        let matrices = self.inertia.into_iter().chain(self.inertia_inverse).flatten();
        let mut numbers = [R::zero(); VEHICLE_NUMBERS];
        let values = rotors.chain(rest).chain(matrices).chain([self.speed_min, self.speed_max]);
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = value;
        }
        numbers
    }

    #[inline(always)]
    fn of(numbers: &impl Numbers<R>) -> Self {
        Self {
            rotors: [rotor(numbers, 0), rotor(numbers, 11), rotor(numbers, 22), rotor(numbers, 33)],
            mass_inverse: numbers.get(44),
            gravity: vector(numbers, 45),
            inertia: matrix(numbers, 48),
            inertia_inverse: matrix(numbers, 57),
            speed_min: numbers.get(66),
            speed_max: numbers.get(67),
        }
    }
}

impl Vehicle<Row> {
    /// [`Vehicle::numbers`] of the vehicles of a block, a row for each number, as [`Vehicle::load`] reads them. Lanes
    /// past the last vehicle are 0.
    pub fn rows<'a>(
        vehicles: impl IntoIterator<Item = &'a VehicleParameters>,
    ) -> Box<[Row; VEHICLE_NUMBERS]> {
        let mut rows = Box::new([Row::ZERO; VEHICLE_NUMBERS]);
        for (lane, parameters) in vehicles.into_iter().enumerate() {
            for (row, number) in rows.iter_mut().zip(Vehicle::new(parameters).numbers()) {
                row[lane] = number as f32;
            }
        }
        rows
    }
}

impl<L: Lanes, const ALIGNED: bool> Vehicle<L, ALIGNED> {
    /// The vehicles of one vector of lanes of a block, whose [`Vehicle::numbers`] stand in rows.
    ///
    /// Without a copy of the numbers in between: there are more than registers, and each is best read from its
    /// row where it is used.
    #[inline(always)]
    pub fn load(rows: &[Row; VEHICLE_NUMBERS], half: usize) -> Self {
        Self::of(&Loaded { rows, half })
    }
}

/// Where the numbers of a vehicle come from. A trait with inlined methods, not closures, so that they are
/// compiled for the instruction set at hand.
trait Numbers<R> {
    fn get(&self, index: usize) -> R;
}

impl<R: Copy> Numbers<R> for [R; VEHICLE_NUMBERS] {
    #[inline(always)]
    fn get(&self, index: usize) -> R {
        self[index]
    }
}

/// One vector of lanes of rows.
struct Loaded<'a> {
    rows: &'a [Row; VEHICLE_NUMBERS],
    half: usize,
}

impl<L: Lanes> Numbers<L> for Loaded<'_> {
    #[inline(always)]
    fn get(&self, index: usize) -> L {
        self.rows[index].load(self.half)
    }
}

#[inline(always)]
fn vector<R: Real>(numbers: &impl Numbers<R>, start: usize) -> Vector<R> {
    [numbers.get(start), numbers.get(start + 1), numbers.get(start + 2)]
}

#[inline(always)]
fn matrix<R: Real>(numbers: &impl Numbers<R>, start: usize) -> [Vector<R>; 3] {
    [vector(numbers, start), vector(numbers, start + 3), vector(numbers, start + 6)]
}

#[inline(always)]
fn rotor<R: Real>(numbers: &impl Numbers<R>, start: usize) -> Rotor<R> {
    Rotor {
        force: vector(numbers, start),
        torque: vector(numbers, start + 3),
        thrust: vector(numbers, start + 6),
        rising_rate: numbers.get(start + 9),
        falling_rate: numbers.get(start + 10),
    }
}

impl Vehicle<f64> {
    /// Prepares parameters for the dynamics.
    #[must_use]
    pub fn new(parameters: &VehicleParameters) -> Self {
        let rotor = |index: usize| {
            let direction = parameters.rotor_thrust_directions[index];
            let reaction =
                scale(parameters.rotor_torque_constants[index], parameters.rotor_torque_directions[index]);
            Rotor {
                force: direction,
                torque: add(cross(parameters.rotor_positions[index], direction), reaction),
                thrust: parameters.rotor_thrust_coefficients[index],
                rising_rate: 1.0 / parameters.rotor_time_constants_rising[index],
                falling_rate: 1.0 / parameters.rotor_time_constants_falling[index],
            }
        };
        Self {
            rotors: [rotor(0), rotor(1), rotor(2), rotor(3)],
            mass_inverse: 1.0 / parameters.mass,
            gravity: parameters.gravity,
            inertia: parameters.inertia,
            inertia_inverse: parameters.inertia_inverse,
            speed_min: parameters.action_limit.min,
            speed_max: parameters.action_limit.max,
        }
    }

    /// The same parameters in every lane.
    #[inline(always)]
    pub fn to_lanes<R: Real, const ALIGNED: bool>(&self) -> Vehicle<R, ALIGNED> {
        let c = R::constant;
        let vector = |v: Vector<f64>| [c(v[0]), c(v[1]), c(v[2])];
        let matrix = |m: &[Vector<f64>; 3]| [vector(m[0]), vector(m[1]), vector(m[2])];
        let rotor = |it: &Rotor<f64>| Rotor {
            force: vector(it.force),
            torque: vector(it.torque),
            thrust: vector(it.thrust),
            rising_rate: c(it.rising_rate),
            falling_rate: c(it.falling_rate),
        };
        let [a, b, d, e] = &self.rotors;
        Vehicle {
            rotors: [rotor(a), rotor(b), rotor(d), rotor(e)],
            mass_inverse: c(self.mass_inverse),
            gravity: vector(self.gravity),
            inertia: matrix(&self.inertia),
            inertia_inverse: matrix(&self.inertia_inverse),
            speed_min: c(self.speed_min),
            speed_max: c(self.speed_max),
        }
    }
}
