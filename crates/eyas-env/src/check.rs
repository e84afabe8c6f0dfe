//! Range checks of configurations of the group `env`.

use eyas_sim::{LangevinConfig, VehicleParameters};
use eyas_vehicles::unflyable;

/// Parameters of a vehicle that make sense.
pub(crate) fn parameters(robot: &VehicleParameters) -> Result<(), String> {
    robot.validate().map_err(|error| format!("`env.robot`: {error}"))
}

/// A vehicle that flies by its rotors.
pub(crate) fn vehicle(robot: &VehicleParameters) -> Result<(), String> {
    parameters(robot)?;
    unflyable(robot).first().map_or(Ok(()), |error| Err(format!("`env.robot`: {error}")))
}

fn check(name: &str, value: f64, holds: bool, range: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("`env.{name}` = {value}, expected {range}")) }
}

/// A random motion that steps of `period` seconds keep bounded.
pub(crate) fn langevin(key: &str, langevin: &LangevinConfig, period: f64) -> Result<(), String> {
    if langevin.is_stable_at(period) {
        return Ok(());
    }
    Err(format!(
        "`{key}` with gamma = {} and omega = {} is unstable at control steps of {period} s, expected gamma · dt + \
         (omega · dt)² / 2 below 2",
        langevin.gamma, langevin.omega
    ))
}

/// All positive and finite.
pub(crate) fn positive(values: &[(&str, f64)]) -> Result<(), String> {
    let holds = |value: f64| value > 0.0 && value.is_finite();
    values.iter().try_for_each(|(name, value)| check(name, *value, holds(*value), "a positive number"))
}

/// All at least 0 and finite.
pub(crate) fn not_negative(values: &[(&str, f64)]) -> Result<(), String> {
    let holds = |value: f64| value >= 0.0 && value.is_finite();
    values.iter().try_for_each(|(name, value)| check(name, *value, holds(*value), "a number of at least 0"))
}

/// All finite.
pub(crate) fn finite(values: &[(&str, f64)]) -> Result<(), String> {
    values.iter().try_for_each(|(name, value)| check(name, *value, value.is_finite(), "a finite number"))
}

/// All in `[0, 1]`.
pub(crate) fn share(values: &[(&str, f64)]) -> Result<(), String> {
    let holds = |value: f64| (0.0..=1.0).contains(&value);
    values.iter().try_for_each(|(name, value)| check(name, *value, holds(*value), "a share in [0, 1]"))
}

/// The least and the largest of numbers, all of them at least `least` and at most `most`.
pub(crate) fn spans(values: &[(&str, [f64; 2])], least: f64, most: f64) -> Result<(), String> {
    values.iter().try_for_each(|(name, [low, high])| {
        let expected = if !(low <= high && low.is_finite() && high.is_finite()) {
            "two numbers in ascending order".to_owned()
        } else if *low < least && most.is_infinite() {
            format!("numbers of at least {least}")
        } else if *low < least || *high > most {
            format!("numbers in [{least}, {most}]")
        } else {
            return Ok(());
        };
        Err(format!("`env.{name}` = [{low}, {high}], expected {expected}"))
    })
}

/// Each at least its limit.
pub(crate) fn at_least(values: &[(&str, f64, f64)]) -> Result<(), String> {
    values.iter().try_for_each(|(name, value, least)| {
        check(name, *value, value >= least, &format!("at least {least}"))
    })
}

/// Each at most its limit.
pub(crate) fn at_most(values: &[(&str, f64, f64)]) -> Result<(), String> {
    values
        .iter()
        .try_for_each(|(name, value, most)| check(name, *value, value <= most, &format!("at most {most}")))
}
