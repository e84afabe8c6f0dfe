//! What the rotors of a vehicle can do to it.

use std::fmt;

use crate::linear::solve;
use crate::{Vehicle, VehicleParameters};

/// Sine of the angle between what a command takes and what the other commands take, below which the two are one command:
/// six decimals of a parameter file are far above it.
const LEAST_ANGLE: f64 = 1e-6;

/// Thrusts of the rotors for a lift and torques about the body's axes, which each can be given apart from the others:
///
/// ```text
/// [F_z, τ_x, τ_y, τ_z]ᵀ = A f        column i of A: (d_z, r × d + c e) of rotor i, (M2)
/// ```
#[derive(Clone, Debug)]
pub struct Allocation {
    /// `A⁻¹`: row `i` is the thrust of rotor `i`, N, for each N of lift and each N m about x, y and z.
    pub inverse: [[f64; 4]; 4],
}

/// The rotors of a vehicle cannot lift it and turn it about each axis apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsteerable {
    /// No rotor pushes along the body's z axis.
    #[error("no rotor pushes along the body's z axis, so nothing lifts the vehicle")]
    NoLift,
    /// Some torques come with the lift or with other torques only.
    #[error("the rotors cannot turn the vehicle about {0} apart from its lift and its other axes")]
    NoTorque(Axes),
    /// A rotor has to pull so that the others lift without turning the vehicle.
    #[error("rotor {} would have to push the other way so that the vehicle is lifted level", .0 + 1)]
    Pulls(usize),
    /// Full thrust does not carry the weight.
    #[error("full thrust is {0:.3} times the weight, so the rotors cannot carry the vehicle")]
    TooWeak(f64),
}

/// Axes of the body: x, y, z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axes(pub [bool; 3]);

impl fmt::Display for Axes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["x (roll)", "y (pitch)", "z (yaw)"].into_iter().zip(self.0);
        let names: Vec<&str> = names.filter(|(_, is_meant)| *is_meant).map(|(name, _)| name).collect();
        out.write_str(&names.join(" and "))
    }
}

impl Allocation {
    /// Inverts what the rotors of a vehicle do, its weight left aside.
    ///
    /// # Errors
    ///
    /// All of [`Unsteerable`] but [`Unsteerable::TooWeak`].
    pub fn new(parameters: &VehicleParameters) -> Result<Self, Unsteerable> {
        let columns: Vec<Vec<f64>> = Vehicle::new(parameters)
            .rotors
            .iter()
            .map(|it| vec![it.force[2], it.torque[0], it.torque[1], it.torque[2]])
            .collect();
        let row = |command: usize| -> [f64; 4] { std::array::from_fn(|rotor| columns[rotor][command]) };
        let rows = [row(0), row(1), row(2), row(3)];
        if rows[0].iter().all(|it| *it == 0.0) {
            return Err(Unsteerable::NoLift);
        }
        let alone = [1, 2, 3].map(|command| is_independent(&rows, command));
        if alone.contains(&false) {
            return Err(Unsteerable::NoTorque(Axes(alone.map(|it| !it))));
        }
        let mut inverse = [[0.0; 4]; 4];
        for cause in 0..4 {
            let mut unit = [0.0; 4];
            unit[cause] = 1.0;
            for (row, thrust) in inverse.iter_mut().zip(solve(&columns, &unit)) {
                row[cause] = thrust;
            }
        }
        match inverse.iter().position(|row| row[0].is_nan() || row[0] <= 0.0) {
            Some(rotor) => Err(Unsteerable::Pulls(rotor)),
            None => Ok(Self { inverse }),
        }
    }
}

/// Whether a row is no sum of the others: what is left of it beside them, by Gram and Schmidt.
fn is_independent(rows: &[[f64; 4]; 4], command: usize) -> bool {
    let dot = |a: &[f64; 4], b: &[f64; 4]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let norm = |a: &[f64; 4]| dot(a, a).sqrt();
    let mut basis: Vec<[f64; 4]> = Vec::new();
    let beside = |row: &[f64; 4], basis: &[[f64; 4]]| {
        let mut rest = *row;
        // Twice is enough (Kahan and Parlett), since the first pass cancels.
        for unit in basis.iter().chain(basis) {
            let along = dot(&rest, unit);
            rest = std::array::from_fn(|place| rest[place] - along * unit[place]);
        }
        rest
    };
    for (_, row) in rows.iter().enumerate().filter(|(other, _)| *other != command) {
        let rest = beside(row, &basis);
        let length = norm(&rest);
        if length > LEAST_ANGLE * norm(row) {
            basis.push(rest.map(|it| it / length));
        }
    }
    norm(&beside(&rows[command], &basis)) > LEAST_ANGLE * norm(&rows[command])
}
