//! Which rotor stands where and spins which way, beside the rotors that a policy commands.

use std::f64::consts::{FRAC_PI_4, FRAC_PI_6, TAU};
use std::fmt;

use eyas_sim::{Vector, VehicleParameters};

/// Where rotors stand and which way they spin, in the order in which a policy commands them.
#[derive(Clone, Debug, PartialEq)]
pub struct MotorLayout {
    /// Of each hub, body frame, m.
    pub positions: [Vector<f64>; 4],
    /// Whether each turns clockwise as seen from above: the air turns the vehicle the other way.
    pub is_clockwise: [bool; 4],
}

impl From<&VehicleParameters> for MotorLayout {
    fn from(vehicle: &VehicleParameters) -> Self {
        let is_clockwise = [0, 1, 2, 3]
            .map(|it| vehicle.rotor_torque_constants[it] * vehicle.rotor_torque_directions[it][2] > 0.0);
        Self { positions: vehicle.rotor_positions, is_clockwise }
    }
}

/// How the rotors of a vehicle differ from those that a policy has learned to command; rotors count from 0.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MotorMismatch {
    /// They are in another order: rotor `order[i]` of the vehicle is where the policy expects its rotor `i`.
    Order {
        /// A permutation.
        order: [usize; 4],
        /// Where the policy expects each of its rotors.
        places: [&'static str; 4],
    },
    /// Some spin the other way.
    Spin {
        /// As of [`MotorMismatch::Order`].
        order: [usize; 4],
        /// The rotors of the vehicle that do.
        rotors: Vec<usize>,
        /// Whether a mirror of left and right makes up for it.
        is_mirrored: bool,
    },
    /// A rotor stands where the policy expects none.
    Place {
        /// The rotor of the vehicle.
        rotor: usize,
        /// Where it stands.
        found: &'static str,
        /// Where the policy expects its rotors.
        places: [&'static str; 4],
    },
}

impl MotorMismatch {
    /// Compares the rotors that a policy was trained with, in the order of its actions, with those of a vehicle.
    #[must_use]
    pub fn between(trained: &MotorLayout, flown: &MotorLayout) -> Option<Self> {
        let places = trained.positions.map(place);
        let Some(order) = matching(&trained.positions, &flown.positions) else {
            let near = |rotor: usize| trained.positions.iter().any(|it| is_near(*it, flown.positions[rotor]));
            // Each may be near one of the policy's, but two of them near the same.
            let again = |rotor: usize| {
                (0..rotor).any(|other| is_near(flown.positions[other], flown.positions[rotor]))
            };
            let rotor =
                (0..4).find(|rotor| !near(*rotor)).or((0..4).find(|rotor| again(*rotor))).unwrap_or(0);
            return Some(Self::Place { rotor, found: place(flown.positions[rotor]), places });
        };
        let spins_alike = |order: &[usize; 4]| -> [bool; 4] {
            std::array::from_fn(|rotor| trained.is_clockwise[rotor] == flown.is_clockwise[order[rotor]])
        };
        let alike = spins_alike(&order);
        if alike.contains(&false) {
            let mirrored = flown.positions.map(|[x, y, z]| [x, -y, z]);
            let is_mirrored = order != [0, 1, 2, 3]
                && matching(&trained.positions, &mirrored)
                    .is_some_and(|it| !spins_alike(&it).contains(&false));
            let mut rotors: Vec<usize> =
                (0..4).filter(|rotor| !alike[*rotor]).map(|rotor| order[rotor]).collect();
            rotors.sort_unstable();
            return Some(Self::Spin { order, rotors, is_mirrored });
        }
        (order != [0, 1, 2, 3]).then_some(Self::Order { order, places })
    }
}

impl fmt::Display for MotorMismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order { order, places } => {
                let rotor = (0..4).find(|rotor| order[*rotor] != *rotor).unwrap_or(0);
                let own = (0..4).find(|place| order[*place] == rotor).unwrap_or(0);
                write!(
                    out,
                    "rotor {} is {}, expected {}: in the policy's order the rotors are {}",
                    rotor + 1,
                    places[own],
                    places[rotor],
                    motor_order(order)
                )
            }
            Self::Spin { rotors, is_mirrored, .. } => {
                let names: Vec<String> = rotors.iter().map(|rotor| (rotor + 1).to_string()).collect();
                let (noun, verb) = if names.len() == 1 { ("rotor", "spins") } else { ("rotors", "spin") };
                write!(out, "{noun} {} {verb} the other way than the policy's", names.join(", "))?;
                if *is_mirrored {
                    out.write_str(
                        "; was the file written for a y axis that points right? here it points left",
                    )?;
                }
                Ok(())
            }
            Self::Place { rotor, found, places } => {
                write!(out, "rotor {} is {found}; the policy's rotors are {}", rotor + 1, places.join(", "))
            }
        }
    }
}

/// An order of rotors as `--motor_order` takes it: counted from 1.
#[must_use]
pub fn motor_order(order: &[usize; 4]) -> String {
    order.map(|rotor| (rotor + 1).to_string()).join(",")
}

/// The same vehicle with its rotors in another order: rotor `i` is what rotor `order[i]` was.
#[must_use]
pub fn reordered(dynamics: &VehicleParameters, order: &[usize; 4]) -> VehicleParameters {
    fn taken<T: Copy>(values: &[T; 4], order: &[usize; 4]) -> [T; 4] {
        order.map(|rotor| values[rotor])
    }
    VehicleParameters {
        rotor_positions: taken(&dynamics.rotor_positions, order),
        rotor_thrust_directions: taken(&dynamics.rotor_thrust_directions, order),
        rotor_torque_directions: taken(&dynamics.rotor_torque_directions, order),
        rotor_thrust_coefficients: taken(&dynamics.rotor_thrust_coefficients, order),
        rotor_torque_constants: taken(&dynamics.rotor_torque_constants, order),
        rotor_time_constants_rising: taken(&dynamics.rotor_time_constants_rising, order),
        rotor_time_constants_falling: taken(&dynamics.rotor_time_constants_falling, order),
        ..dynamics.clone()
    }
}

/// For each of some rotors the one of others that is near it as seen from the centre, each once.
fn matching(rotors: &[Vector<f64>; 4], others: &[Vector<f64>; 4]) -> Option<[usize; 4]> {
    let mut order = [0; 4];
    for (place, rotor) in order.iter_mut().zip(rotors) {
        *place = (0..4).find(|other| is_near(*rotor, others[*other]))?;
    }
    let mut seen = order;
    seen.sort_unstable();
    (seen == [0, 1, 2, 3]).then_some(order)
}

/// Whether two rotors are in one direction to 30°: an X of unequal sides is one, a plus is not.
fn is_near(a: Vector<f64>, b: Vector<f64>) -> bool {
    let turn = libm::remainder(azimuth(a) - azimuth(b), TAU);
    turn.abs() < FRAC_PI_6
}

/// From x towards y, rad.
fn azimuth([x, y, _]: Vector<f64>) -> f64 {
    libm::atan2(y, x)
}

/// A direction in words.
fn place(position: Vector<f64>) -> &'static str {
    const PLACES: [&str; 8] =
        ["front", "front left", "left", "back left", "back", "back right", "right", "front right"];
    let sector = libm::round(azimuth(position) / FRAC_PI_4);
    PLACES[(sector as i64).rem_euclid(8) as usize]
}
