//! Vehicles drawn at random, as RAPTOR's pre-training draws the vehicles of its teachers.

use eyas_lanes::Stream;
use eyas_sim::VehicleParameters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named::crazyflie;
use crate::{DomainRandomization, FleetVehicle};

/// What vehicles are drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SamplerConfig {
    /// Which description of the pre-training the draws follow, see `docs/vehicles.md`.
    pub protocol: SamplerProtocol,
    /// Ranges, those of RLtools by default.
    pub domain_randomization: DomainRandomization,
}

/// Where RAPTOR's C++ system and its paper differ in what they draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SamplerProtocol {
    /// As the paper says: sizes spread evenly around what the mass says, forces up to a tenth of the surplus thrust.
    Eyas,
    /// As the C++ system draws: sizes normally distributed around nine tenths of it, weaker forces.
    Raptor,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self { protocol: SamplerProtocol::Eyas, domain_randomization: DomainRandomization::rltools() }
    }
}

impl SamplerConfig {
    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        let it = &self.domain_randomization;
        let limits = [
            ("thrust_to_weight", it.thrust_to_weight_min, it.thrust_to_weight_max),
            ("torque_to_inertia", it.torque_to_inertia_min, it.torque_to_inertia_max),
            ("mass", it.mass_min, it.mass_max),
            (
                "rotor_time_constant_rising",
                it.rotor_time_constant_rising_min,
                it.rotor_time_constant_rising_max,
            ),
            (
                "rotor_time_constant_falling",
                it.rotor_time_constant_falling_min,
                it.rotor_time_constant_falling_max,
            ),
            ("rotor_torque_constant", it.rotor_torque_constant_min, it.rotor_torque_constant_max),
        ];
        for (name, min, max) in limits {
            if !(min > 0.0 && min.is_finite()) {
                return Err(format!("`{name}_min` = {min}, expected a positive number"));
            }
            if !(max >= min && max.is_finite()) {
                return Err(format!(
                    "`{name}_max` = {max}, expected a number of at least `{name}_min` = {min}"
                ));
            }
        }
        for (name, value, holds, expected) in [
            ("thrust_to_weight_min", it.thrust_to_weight_min, it.thrust_to_weight_min > 1.0, "more than 1"),
            (
                "mass_size_deviation",
                it.mass_size_deviation,
                (0.0..1.0).contains(&it.mass_size_deviation),
                "a share in [0, 1)",
            ),
            (
                "disturbance_force_max",
                it.disturbance_force_max,
                it.disturbance_force_max >= 0.0 && it.disturbance_force_max.is_finite(),
                "a number of at least 0",
            ),
            (
                "orientation_offset_angle_max",
                it.orientation_offset_angle_max,
                it.orientation_offset_angle_max == 0.0,
                "0: this version simulates none",
            ),
        ] {
            if !holds {
                return Err(format!("`{name}` = {value}, expected {expected}"));
            }
        }
        Ok(())
    }
}

/// Draws vehicles called `0000`, `0001`, …; vehicle `i` is a function of `config`, `seed` and `i` only.
#[must_use]
pub fn sample_fleet(config: &SamplerConfig, num: usize, seed: u64) -> Vec<FleetVehicle> {
    (0..num)
        .map(|index| Traits::draw(config, seed, index).vehicle(config.protocol, format!("{index:04}")))
        .collect()
}

/// What is drawn for a vehicle; all else follows.
struct Traits {
    thrust_to_weight: f64,
    /// kg.
    mass: f64,
    /// rad/s².
    torque_to_inertia: f64,
    /// Size over what the mass says.
    size_factor: f64,
    /// m.
    torque_constant: f64,
    /// Three standard deviations of the force over the weight.
    force: f64,
    /// s.
    rising: f64,
    /// s.
    falling: f64,
}

impl Traits {
    fn draw(config: &SamplerConfig, seed: u64, index: usize) -> Self {
        let it = &config.domain_randomization;
        let units = |quantity: &str| {
            let words = Stream::new(seed, &format!("vehicles/{quantity}")).words([index as u32, 0, 0, 0]);
            [unit(words[0], words[1]), unit(words[2], words[3])]
        };
        let uniform = |quantity, min, max| min + (max - min) * units(quantity)[0];
        let thrust_to_weight = uniform("thrust_to_weight", it.thrust_to_weight_min, it.thrust_to_weight_max);
        let size = uniform("size", libm::cbrt(it.mass_min), libm::cbrt(it.mass_max));
        let range = it.mass_size_deviation;
        let deviation = match config.protocol {
            SamplerProtocol::Eyas => uniform("size_deviation", -range, range),
            // The C++ hands the two ends of the range to a normal distribution, as mean and deviation.
            SamplerProtocol::Raptor => range * (normal(units("size_deviation")) - 1.0),
        };
        Self {
            thrust_to_weight,
            mass: (size * size * size).clamp(it.mass_min, it.mass_max),
            torque_to_inertia: uniform(
                "torque_to_inertia",
                it.torque_to_inertia_min,
                it.torque_to_inertia_max,
            ),
            size_factor: if deviation < 0.0 { 1.0 / (1.0 - deviation) } else { 1.0 + deviation },
            torque_constant: uniform(
                "rotor_torque_constant",
                it.rotor_torque_constant_min,
                it.rotor_torque_constant_max,
            ),
            force: uniform("disturbance_force", 0.0, (thrust_to_weight - 1.0) * it.disturbance_force_max),
            rising: uniform("rising", it.rotor_time_constant_rising_min, it.rotor_time_constant_rising_max),
            falling: uniform(
                "falling",
                it.rotor_time_constant_falling_min,
                it.rotor_time_constant_falling_max,
            ),
        }
    }

    /// The Crazyflie grown to these traits.
    fn vehicle(&self, protocol: SamplerProtocol, id: String) -> FleetVehicle {
        let base = crazyflie();
        let thrust = self.thrust_to_weight / base.thrust_to_weight() * (self.mass / base.mass);
        let length = libm::cbrt(self.mass / base.mass) * self.size_factor;
        // Inertia over the base's, so that the grown lever and thrust give the torque over inertia that was drawn.
        let inertia = thrust * length * base.torque_to_inertia() / self.torque_to_inertia;
        let mut dynamics = VehicleParameters {
            rotor_positions: base.rotor_positions.map(|it| it.map(|x| x * length)),
            rotor_thrust_coefficients: base.rotor_thrust_coefficients.map(|it| it.map(|c| c * thrust)),
            rotor_torque_constants: [self.torque_constant; 4],
            rotor_time_constants_rising: [self.rising; 4],
            rotor_time_constants_falling: [self.falling; 4],
            mass: self.mass,
            inertia: base.inertia.map(|row| row.map(|x| x * inertia)),
            inertia_inverse: base.inertia_inverse.map(|row| row.map(|x| x / inertia)),
            ..base
        };
        let random_force_std = match protocol {
            SamplerProtocol::Eyas => {
                if let Some(throttle) = dynamics.hovering_throttle() {
                    dynamics.hovering_throttle_relative = throttle;
                }
                self.force * dynamics.weight() / 3.0
            }
            // The C++ has thrust over weight where the acceleration of gravity was meant.
            SamplerProtocol::Raptor => self.force * self.thrust_to_weight * self.mass / 3.0,
        };
        let distance = dynamics.rotor_distance();
        FleetVehicle {
            id,
            dynamics,
            random_force_std,
            max_position: Some(10.0 * distance),
            position_threshold: Some(20.0 * distance),
        }
    }
}

/// 53 bits as a number in `[0, 1)`.
fn unit(high: u32, low: u32) -> f64 {
    let word = u64::from(high) << 32 | u64::from(low);
    (word >> 11) as f64 * (0.5 / (1_u64 << 52) as f64)
}

/// Standard normal (Box and Muller, 1958).
fn normal([a, b]: [f64; 2]) -> f64 {
    (-2.0 * libm::log(1.0 - a)).sqrt() * libm::cos(std::f64::consts::TAU * b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traits_of_vehicles_of_rltools_give_their_parameters_again() {
        // Vehicles 0 to 2 that `sample_dynamics_parameters` (460bae06^) draws, in double precision.
        let text = include_str!("../tests/data/vehicles_f64.json");
        let list: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let base = crazyflie();
        for entry in list["sampled"].as_array().expect("a list") {
            let it: VehicleParameters = serde_json::from_value(entry["dynamics"].clone()).expect("a vehicle");
            let force = entry["random_force_std"].as_f64().expect("a number");
            let scale = libm::cbrt(it.mass / base.mass);
            let traits = Traits {
                thrust_to_weight: it.thrust_to_weight(),
                mass: it.mass,
                torque_to_inertia: it.torque_to_inertia(),
                size_factor: it.rotor_distance() / base.rotor_distance() / scale,
                torque_constant: it.rotor_torque_constants[0],
                force: 3.0 * force / (it.thrust_to_weight() * it.mass),
                rising: it.rotor_time_constants_rising[0],
                falling: it.rotor_time_constants_falling[0],
            };
            let vehicle = traits.vehicle(SamplerProtocol::Raptor, String::new());
            let numbers = |it: &VehicleParameters| eyas_sim::Vehicle::new(it).numbers();
            for (found, expected) in numbers(&vehicle.dynamics).into_iter().zip(numbers(&it)) {
                // Two dozen roundings of double precision.
                assert!((found - expected).abs() <= 5e-15 * expected.abs(), "{found} {expected}");
            }
            assert!((vehicle.random_force_std / force - 1.0).abs() < 5e-15);
            for (limit, key) in [
                (vehicle.max_position, "init_max_position"),
                (vehicle.position_threshold, "termination_position_threshold"),
            ] {
                let (limit, expected) = (limit.expect("a limit"), entry[key].as_f64().expect("a number"));
                assert!((limit / expected - 1.0).abs() < 5e-15, "{key}: {limit} {expected}");
            }
        }
    }
}
