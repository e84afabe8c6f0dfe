//! Fleets as tables, with the columns of Foundation's `teacher_dynamics.csv`.

use std::fmt::Write as _;

use eyas_sim::VehicleParameters;

use super::{FleetProblem, is_cell};
use crate::FleetVehicle;
use crate::named::crazyflie;

/// Columns of a table. Units: kg, m, kg m², s; `kappa` is reaction torque over thrust in m.
const COLUMNS: [&str; 11] = [
    "id",
    "mass",
    "arm_length",
    "Ixx",
    "Iyy",
    "Izz",
    "thrust_to_weight",
    "motor_tau",
    "motor_tau_up",
    "motor_tau_down",
    "kappa",
];

/// A fleet as a table with the columns of Foundation's `teacher_dynamics.csv`, each number with as many digits as
/// it takes to read the same one again; `motor_tau` is the mean of the two that follow it.
///
/// A table holds no more than its columns: [`fits_a_table`] says of which vehicle that is all there is.
pub fn fleet_to_csv(fleet: &[FleetVehicle]) -> Result<String, FleetProblem> {
    let mut text = COLUMNS.join(",") + "\n";
    for vehicle in fleet {
        if !is_cell(&vehicle.id) {
            return Err(FleetProblem::Name { id: vehicle.id.clone() });
        }
        let row = Row::from(vehicle);
        let [x, y, z] = row.inertia;
        let mean = 0.5 * (row.rising + row.falling);
        let numbers =
            [row.mass, row.arm_length, x, y, z, row.thrust_to_weight, mean, row.rising, row.falling];
        text.push_str(&vehicle.id);
        for number in numbers.into_iter().chain([row.torque_constant]) {
            // Writing to a string does not fail.
            let _ = write!(text, ",{number:?}");
        }
        text.push('\n');
    }
    Ok(text)
}

/// Whether reading a vehicle's row of [`fleet_to_csv`] gives the same vehicle again, to 1e-9 of each number.
#[must_use]
pub fn fits_a_table(vehicle: &FleetVehicle) -> bool {
    let numbers = |it: &FleetVehicle| {
        let mut numbers = eyas_sim::Vehicle::new(&it.dynamics).numbers().to_vec();
        let limits = [it.max_position, it.position_threshold].map(|limit| limit.unwrap_or(-1.0));
        numbers.extend(limits.into_iter().chain([it.random_force_std]));
        numbers
    };
    let (kept, given) = (numbers(&Row::from(vehicle).vehicle()), numbers(vehicle));
    kept.iter().zip(&given).all(|(kept, given)| (kept - given).abs() <= 1e-9 * given.abs())
}

/// One line of a table.
pub(super) struct Row {
    id: String,
    mass: f64,
    arm_length: f64,
    inertia: [f64; 3],
    thrust_to_weight: f64,
    rising: f64,
    falling: f64,
    torque_constant: f64,
}

impl From<&FleetVehicle> for Row {
    fn from(vehicle: &FleetVehicle) -> Self {
        let it = &vehicle.dynamics;
        Self {
            id: vehicle.id.clone(),
            mass: it.mass,
            arm_length: it.rotor_distance(),
            inertia: [0, 1, 2].map(|axis| it.inertia[axis][axis]),
            thrust_to_weight: it.thrust_to_weight(),
            rising: it.rotor_time_constants_rising[0],
            falling: it.rotor_time_constants_falling[0],
            torque_constant: it.rotor_torque_constants[0],
        }
    }
}

impl Row {
    /// The vehicle: rotors at the corners of a square whose half diagonal is the arm, thrust along z with the
    /// shape of the Crazyflie's curve, nothing that pushes it.
    pub(super) fn vehicle(&self) -> FleetVehicle {
        let base = crazyflie();
        let offset = self.arm_length * std::f64::consts::FRAC_1_SQRT_2;
        let thrust = self.thrust_to_weight * self.mass / (base.thrust_to_weight() * base.mass);
        let diagonal = |values: [f64; 3]| {
            std::array::from_fn(|row| {
                std::array::from_fn(|column| if row == column { values[row] } else { 0.0 })
            })
        };
        let mut dynamics = VehicleParameters {
            rotor_positions: base
                .rotor_positions
                .map(|it| it.map(|x| if x == 0.0 { 0.0 } else { offset.copysign(x) })),
            rotor_thrust_coefficients: base.rotor_thrust_coefficients.map(|it| it.map(|c| c * thrust)),
            rotor_torque_constants: [self.torque_constant; 4],
            rotor_time_constants_rising: [self.rising; 4],
            rotor_time_constants_falling: [self.falling; 4],
            mass: self.mass,
            inertia: diagonal(self.inertia),
            inertia_inverse: diagonal(self.inertia.map(|it| 1.0 / it)),
            ..base
        };
        if let Some(throttle) = dynamics.hovering_throttle() {
            dynamics.hovering_throttle_relative = throttle;
        }
        FleetVehicle {
            id: self.id.clone(),
            dynamics,
            random_force_std: 0.0,
            max_position: None,
            position_threshold: None,
        }
    }
}

/// Where each quantity stands in a table.
pub(super) struct Columns {
    names: Vec<String>,
}

impl Columns {
    pub(super) fn parse(header: &str) -> Result<Self, String> {
        let names: Vec<_> = header.split(',').map(|it| it.trim().to_owned()).collect();
        for (index, name) in names.iter().enumerate() {
            // Alias, and what was measured of a teacher.
            if !COLUMNS.contains(&name.as_str()) && !["twr", "mean_rmse"].contains(&name.as_str()) {
                return Err(format!(
                    "unknown column `{name}`, expected some of {}, twr, mean_rmse",
                    COLUMNS.join(", ")
                ));
            }
            if names[..index].contains(name) {
                return Err(format!("column `{name}` stands there twice"));
            }
        }
        let columns = Self { names };
        let one_of = |choices: &[&[&str]], text: &str| {
            let has = |names: &&[&str]| names.iter().all(|name| columns.place(name).is_some());
            if choices.iter().any(has) { Ok(()) } else { Err(format!("column {text} is missing")) }
        };
        for name in &COLUMNS[..6] {
            one_of(&[&[name]], &format!("`{name}`"))?;
        }
        one_of(&[&["thrust_to_weight"], &["twr"]], "`thrust_to_weight` (or `twr`)")?;
        one_of(
            &[&["motor_tau"], &["motor_tau_up", "motor_tau_down"]],
            "`motor_tau`, or both `motor_tau_up` and `motor_tau_down`,",
        )?;
        Ok(columns)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|it| it == name)
    }

    pub(super) fn row(&self, line: &str) -> Result<Row, String> {
        let cells: Vec<_> = line.split(',').map(str::trim).collect();
        if cells.len() != self.names.len() {
            return Err(format!("{} values, expected {}", cells.len(), self.names.len()));
        }
        // The first of several columns that the table has; all values are positive.
        let number = |names: &[&str]| -> Result<Option<f64>, String> {
            let Some((name, place)) = names.iter().find_map(|name| Some((name, self.place(name)?))) else {
                return Ok(None);
            };
            let text = cells[place];
            let value = text.parse::<f64>().ok().filter(|it| *it > 0.0 && it.is_finite());
            value.map(Some).ok_or_else(|| format!("`{name}` is `{text}`, expected a positive number"))
        };
        let given = |names: &[&str]| number(names).map(|it| it.expect("the header was checked"));
        let id = cells[self.place("id").expect("the header was checked")];
        if id.is_empty() {
            return Err("`id` is empty, expected a name".into());
        }
        Ok(Row {
            id: id.to_owned(),
            mass: given(&["mass"])?,
            arm_length: given(&["arm_length"])?,
            inertia: [given(&["Ixx"])?, given(&["Iyy"])?, given(&["Izz"])?],
            thrust_to_weight: given(&["thrust_to_weight", "twr"])?,
            rising: given(&["motor_tau_up", "motor_tau"])?,
            falling: given(&["motor_tau_down", "motor_tau"])?,
            torque_constant: number(&["kappa"])?.unwrap_or(crazyflie().rotor_torque_constants[0]),
        })
    }
}
