//! Vehicles that cannot fly, and numbers that look like a slip of units or frames.

use std::f64::consts::TAU;

use eyas_sim::{Allocation, Unsteerable, Vector, Vehicle, VehicleParameters, norm, sub};

/// Moment of inertia about x or y over mass and squared rotor distance, of a usual quadrotor: 0.15 to 0.4 of the vehicles
/// that come with the program, 0.012 to 10 of those that RLtools' ranges allow.
const USUAL_INERTIA: f64 = 0.2;
/// Ratios of full thrust to weight that aircraft have.
const USUAL_THRUST_TO_WEIGHT: std::ops::Range<f64> = 1.2..20.0;
/// Rotor distances that quadrotors have, m.
const USUAL_DISTANCE: std::ops::Range<f64> = 0.01..3.0;
/// The slowest rotors of quadrotors, s.
const SLOW_ROTOR: f64 = 0.5;
/// Rotors as slow as this balance nothing, s.
const SLOWEST_ROTOR: f64 = 3.0;
/// Angular acceleration below which a vehicle falls faster than it turns, rad/s²; RLtools draws 40 to 1200.
const LEAST_TURN: f64 = 0.5;

/// Why a vehicle cannot fly, with the likely mistake.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Unflyable {
    #[error("`gravity` is zero, expected a vector that points down, such as [0, 0, -9.81]")]
    NoGravity,
    #[error(
        "`gravity` = {0:?} points up, expected down, such as [0, 0, -9.81]: the world's z axis points up here; was the \
         file written for a z axis that points down (NED)?"
    )]
    GravityUp(Vector<f64>),
    #[error(
        "`gravity` = {0:?} points sideways, expected down, such as [0, 0, -9.81]: the world's z axis points up here; \
         was the file written for another axis that points up?"
    )]
    GravitySideways(Vector<f64>),
    #[error(
        "the rotors push the vehicle down: the body's axes are x forward, y left, z up; was the file written for a z \
         axis that points down (FRD)?"
    )]
    PushesDown,
    #[error("{error}{mistake}")]
    Unsteerable { error: Unsteerable, mistake: &'static str },
    #[error(
        "full thrust turns the vehicle about {axis} by {} rad/s² only, expected at least {LEAST_TURN}{mistake}",
        rounded(*acceleration)
    )]
    Sluggish { axis: &'static str, acceleration: f64, mistake: String },
    #[error(
        "`{field}` = {value} s, expected at most {SLOWEST_ROTOR}: rotors as slow balance nothing{mistake}"
    )]
    SlowRotors { field: &'static str, value: f64, mistake: &'static str },
}

/// Everything that keeps a vehicle whose parameters make [sense](VehicleParameters::problems) from flying.
#[must_use]
pub fn unflyable(dynamics: &VehicleParameters) -> Vec<Unflyable> {
    let mut found: Vec<Unflyable> = gravity(dynamics.gravity).into_iter().collect();
    if dynamics.lift(dynamics.action_limit.max) < 0.0 {
        found.push(Unflyable::PushesDown);
    } else {
        match Allocation::new(dynamics) {
            Err(error) => found.push(Unflyable::Unsteerable { error, mistake: mistaken_rotors(dynamics) }),
            Ok(_) => found.extend(sluggish(dynamics)),
        }
    }
    for (field, values) in rotor_lags(dynamics) {
        if let Some(value) = values.into_iter().find(|it| *it > SLOWEST_ROTOR) {
            found.push(Unflyable::SlowRotors { field, value, mistake: mistaken_lag(value) });
        }
    }
    found
}

/// Time constant below which a Runge–Kutta step of 10 ms is longer than two of them, s.
const FAST_ROTOR: f64 = 0.005;

/// What looks wrong with a vehicle that can be flown.
#[must_use]
pub fn vehicle_warnings(dynamics: &VehicleParameters) -> Vec<String> {
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
    warnings.extend(gravity_warning(dynamics.gravity));
    warnings.extend(distance_warning(dynamics));
    warnings.extend(inertia_warning(dynamics));
    warnings.extend(thrust_warning(dynamics));
    warnings.extend(trim_warning(dynamics));
    for (field, values) in rotor_lags(dynamics) {
        if let Some(value) = values.into_iter().find(|it| *it > SLOW_ROTOR) {
            let mistake = mistaken_lag(value);
            warnings.push(format!("`{field}` = {value} s is slower than any quadrotor's rotor{mistake}"));
        }
        if let Some(value) = values.into_iter().find(|it| *it < FAST_ROTOR) {
            warnings.push(format!(
                "`{field}` = {value} s is faster than a control step of 10 ms can follow: `Eyas-Raptor-v0` cuts \
                 its steps into parts no longer than that"
            ));
        }
    }
    warnings.extend(reaction_warning(dynamics));
    warnings
}

/// Turn in a control step, rad, beyond which a policy only hears of what is over.
const LARGEST_TURN: f64 = 0.25;

/// What looks wrong with control steps of so many seconds for a vehicle that can be flown: full thrust on one side, from rest,
/// turns it about x or y by `½ α Δt²` in the first.
#[must_use]
pub fn step_warning(dynamics: &VehicleParameters, period_s: f64) -> Option<String> {
    let fastest = turns(dynamics).into_iter().fold(0.0, f64::max);
    let turn = 0.5 * fastest * period_s * period_s;
    (turn > LARGEST_TURN).then(|| {
        format!(
            "a control step of {period_s} s is too long for the vehicle: full thrust on one side turns it by {} rad in one, \
             expected at most {LARGEST_TURN}, as of {} s",
            rounded(turn),
            rounded((2.0 * LARGEST_TURN / fastest).sqrt())
        )
    })
}

fn gravity(gravity: Vector<f64>) -> Option<Unflyable> {
    let [x, y, z] = gravity;
    let sideways = x.abs().max(y.abs());
    if norm(gravity) == 0.0 {
        Some(Unflyable::NoGravity)
    } else if sideways > z.abs() {
        Some(Unflyable::GravitySideways(gravity))
    } else {
        (z > 0.0).then_some(Unflyable::GravityUp(gravity))
    }
}

fn gravity_warning(gravity: Vector<f64>) -> Option<String> {
    let [x, y, z] = gravity;
    // A degree, and from the Moon's to Jupiter's.
    let is_usual = norm([x, y, 0.0]) < 0.0175 * z.abs() && (1.0..30.0).contains(&norm(gravity));
    (!is_usual).then(|| format!("`gravity` = {gravity:?} m/s², expected about [0, 0, -9.81]"))
}

fn rotor_lags(dynamics: &VehicleParameters) -> [(&'static str, [f64; 4]); 2] {
    [
        ("rotor_time_constants_rising", dynamics.rotor_time_constants_rising),
        ("rotor_time_constants_falling", dynamics.rotor_time_constants_falling),
    ]
}

fn mistaken_lag(value: f64) -> &'static str {
    if value >= 3.0 { "; is it in ms?" } else { "" }
}

/// What may have gone wrong with rotors that cannot steer.
fn mistaken_rotors(dynamics: &VehicleParameters) -> &'static str {
    let positions = &dynamics.rotor_positions;
    let spins = Vehicle::new(dynamics).rotors.map(|it| it.torque[2]);
    if positions.iter().all(|it| norm(sub(*it, positions[0])) == 0.0) {
        "; all rotors are at one place"
    } else if spins.iter().all(|it| *it > 0.0) || spins.iter().all(|it| *it < 0.0) {
        "; all rotors spin the same way, expected two each way"
    } else {
        ""
    }
}

/// Angular accelerations about x and y, rad/s², when half of what turns the vehicle gives all and the rest nothing.
fn turns(dynamics: &VehicleParameters) -> [f64; 2] {
    let rotors = Vehicle::new(dynamics).rotors;
    let speed = dynamics.action_limit.max;
    [0, 1].map(|axis| {
        let torque: f64 = rotors
            .iter()
            .map(|it| {
                let [a, b, c] = it.thrust;
                ((a + speed * (b + speed * c)) * it.torque[axis]).abs()
            })
            .sum();
        0.5 * torque / dynamics.inertia[axis][axis]
    })
}

fn sluggish(dynamics: &VehicleParameters) -> Option<Unflyable> {
    let slow = |(axis, acceleration): (&'static str, f64)| {
        (acceleration < LEAST_TURN).then(|| Unflyable::Sluggish {
            axis,
            acceleration,
            mistake: mistaken_inertia(inertia_ratio(dynamics)),
        })
    };
    ["x", "y"].into_iter().zip(turns(dynamics)).find_map(slow)
}

/// The larger moment of inertia about x and y over mass and squared rotor distance.
fn inertia_ratio(dynamics: &VehicleParameters) -> f64 {
    let inertia = dynamics.inertia[0][0].max(dynamics.inertia[1][1]);
    inertia / (dynamics.mass * dynamics.rotor_distance() * dynamics.rotor_distance())
}

/// The unit that a moment of inertia may be in, which is so many times what one in kg m² would be.
fn mistaken_inertia(ratio: f64) -> String {
    const UNITS: [(f64, &str); 5] =
        [(1e3, "g m²"), (1e4, "kg cm²"), (1e6, "kg mm²"), (1e7, "g cm²"), (1e9, "g mm²")];
    let excess = ratio / USUAL_INERTIA;
    let is_near = |factor: f64| (0.25..4.0).contains(&(excess / factor));
    let unit = UNITS.iter().find(|(factor, _)| is_near(*factor));
    unit.map_or_else(String::new, |(_, unit)| format!("; is `J` in {unit}?"))
}

fn inertia_warning(dynamics: &VehicleParameters) -> Option<String> {
    let ratio = inertia_ratio(dynamics);
    if (2e-3..50.0).contains(&ratio) || !USUAL_DISTANCE.contains(&dynamics.rotor_distance()) {
        return None;
    }
    let distance = dynamics.rotor_distance();
    Some(format!(
        "`J` is {} times what mass and arms suggest, about {} kg m²{}",
        rounded(ratio / USUAL_INERTIA),
        rounded(USUAL_INERTIA * dynamics.mass * distance * distance),
        if ratio < 1.0 { "; is `mass` in g?".to_owned() } else { mistaken_inertia(ratio) }
    ))
}

fn distance_warning(dynamics: &VehicleParameters) -> Option<String> {
    let distance = dynamics.rotor_distance();
    if USUAL_DISTANCE.contains(&distance) {
        return None;
    }
    let is_in = |factor: f64| (0.02..1.0).contains(&(distance / factor));
    let mistake = match (is_in(1e2), is_in(1e3)) {
        (true, true) => "; are lengths in cm or mm?",
        (true, false) => "; are lengths in cm?",
        (false, true) => "; are lengths in mm?",
        (false, false) => "",
    };
    Some(format!("a rotor is {} m from the centre, which no quadrotor has{mistake}", rounded(distance)))
}

fn thrust_warning(dynamics: &VehicleParameters) -> Option<String> {
    /// Gram-force in a newton.
    const GRAM_FORCE: f64 = 1000.0 / 9.806_65;
    let ratio = dynamics.thrust_to_weight();
    let is_weak = dynamics.hovering_throttle().is_none();
    if !is_weak && ratio < USUAL_THRUST_TO_WEIGHT.end {
        return None;
    }
    let at = |speed: f64| dynamics.lift(speed) / dynamics.weight();
    let usual = |value: f64| USUAL_THRUST_TO_WEIGHT.contains(&value);
    let max = dynamics.action_limit.max;
    let mistakes: Vec<&str> = if is_weak {
        [
            (usual(ratio * 1e3), "is `mass` in g?"),
            (usual(at(max * 60.0 / TAU)), "is `action_limit` in rad/s, for a thrust curve in rpm?"),
        ]
    } else {
        [
            (usual(at(max * TAU / 60.0)), "is `action_limit` in rpm, for a thrust curve in rad/s?"),
            (usual(ratio / GRAM_FORCE), "is thrust in gram-force?"),
        ]
    }
    .into_iter()
    .filter_map(|(holds, mistake)| holds.then_some(mistake))
    .collect();
    let mistakes = if mistakes.is_empty() { String::new() } else { format!("; {}", mistakes.join(" or ")) };
    Some(if is_weak {
        format!("no rotor speed carries the weight: thrust to weight is {ratio:.3}{mistakes}")
    } else {
        format!("full thrust is {} times the weight, which no multirotor has{mistakes}", rounded(ratio))
    })
}

/// A rotor that would have to give more than it can to hover.
fn trim_warning(dynamics: &VehicleParameters) -> Option<String> {
    dynamics.hovering_throttle()?;
    let allocation = Allocation::new(dynamics).ok()?;
    let speed = dynamics.action_limit.max;
    (0..4).find_map(|rotor| {
        let needed = allocation.inverse[rotor][0] * dynamics.weight();
        let [a, b, c] = dynamics.rotor_thrust_coefficients[rotor];
        let most = a + speed * (b + speed * c);
        (needed > most).then(|| {
            format!(
                "hovering level takes {} N of rotor {}, which gives at most {}",
                rounded(needed),
                rotor + 1,
                rounded(most)
            )
        })
    })
}

fn reaction_warning(dynamics: &VehicleParameters) -> Option<String> {
    let value = dynamics.rotor_torque_constants.map(f64::abs).into_iter().fold(0.0, f64::max);
    let mistake = if value > 1.0 {
        "is it in mm?"
    } else if value > 0.0 && value < 1e-4 {
        "is it the torque coefficient, not its ratio to thrust?"
    } else {
        return None;
    };
    Some(format!("`rotor_torque_constants` = {value} m, expected some 0.005 to 0.1; {mistake}"))
}

/// Three significant digits.
pub(crate) fn rounded(value: f64) -> String {
    if !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.1e}");
    }
    let digits = (2.0 - libm::floor(libm::log10(value.abs()))).max(0.0) as usize;
    format!("{value:.digits$}")
}
