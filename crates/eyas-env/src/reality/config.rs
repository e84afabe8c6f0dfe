//! Configuration of what separates flying from simulating.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::battery::BatteryConfig;
use super::delay::MAX_DELAY_STEPS;
use super::drag::DragConfig;
use super::payload::PayloadConfig;
use super::rotors::{GroundConfig, RotorFailureConfig};
use super::sensors::{SignalDelays, SignalErrors};
use super::wind::WindConfig;
use crate::check::spans;

/// What separates flying from simulating; all of it is off.
///
/// Two numbers are the least and the largest value of a magnitude: each episode draws its own, uniformly. Two equal numbers
/// fix it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RealityConfig {
    /// From an action to its effect, control steps. Before that much has been flown, the first action acts. Ascending, at
    /// most 64.
    pub action_delay_steps: [u32; 2],
    /// From a motion to its measurement.
    pub observation_delay: SignalDelays,
    /// Standard deviations of normally distributed errors of what is measured, independent from step to step.
    pub noise: SignalErrors,
    /// Errors of what is measured that stay for an episode: each axis draws a size and a sign.
    pub bias: SignalErrors,
    /// Drag of rotors and body.
    pub drag: DragConfig,
    /// Moving air, which acts through the drag.
    pub wind: WindConfig,
    /// Lift that the ground adds to rotors near it.
    pub ground: GroundConfig,
    /// A battery whose voltage sags.
    pub battery: BatteryConfig,
    /// Thrust and reaction torque over the vehicle's own; each rotor draws its own. Ascending, at least 0, at most 1.
    pub rotor_efficiency: [f64; 2],
    /// One rotor that gets weak during an episode.
    pub rotor_failure: RotorFailureConfig,
    /// A mass that rides along.
    pub payload: PayloadConfig,
}

impl Default for RealityConfig {
    fn default() -> Self {
        Self {
            action_delay_steps: [0; 2],
            observation_delay: SignalDelays::default(),
            noise: SignalErrors::default(),
            bias: SignalErrors::default(),
            drag: DragConfig::default(),
            wind: WindConfig::default(),
            ground: GroundConfig::default(),
            battery: BatteryConfig::default(),
            rotor_efficiency: [1.0; 2],
            rotor_failure: RotorFailureConfig::default(),
            payload: PayloadConfig::default(),
        }
    }
}

impl RealityConfig {
    /// Whether nothing of it happens.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.action_delay_steps == [0; 2]
            && self.observation_delay.on().is_none()
            && self.noise.is_off()
            && self.bias.is_off()
            && self.moves_nothing()
            && self.acts_on_rotors().is_none()
    }

    /// Whether neither air nor payload moves the vehicle.
    fn moves_nothing(&self) -> bool {
        self.drag.is_off() && self.payload.is_off()
    }

    /// The key of an effect on rotors, if one is on.
    fn acts_on_rotors(&self) -> Option<&'static str> {
        let effects = [
            ("ground.rotor_radius_m", !self.ground.is_off()),
            ("battery.hover_endurance_s", !self.battery.is_off()),
            ("rotor_efficiency", self.rotor_efficiency != [1.0; 2]),
            ("rotor_failure.probability", self.rotor_failure.probability != 0.0),
        ];
        effects.into_iter().find(|(_, is_on)| *is_on).map(|(key, _)| key)
    }

    /// Checks for what a vehicle cannot have whose actions are a force and torques about its centre of gravity.
    pub fn validate_without_rotors(&self) -> Result<(), String> {
        let beside = (!self.payload.is_central()).then_some("payload.offset_*_m");
        self.acts_on_rotors().or(beside).map_or(Ok(()), |key| {
            Err(format!(
                "`env.reality.{key}` is set, expected its default: the vehicle of this task is one rigid body without \
                 rotors, which forces act on at its centre of gravity"
            ))
        })
    }

    /// Whether a flight and its mirror image are as likely as each other, which a wind from one side or a payload on one
    /// side forbids.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.wind.is_symmetric() && self.payload.is_symmetric()
    }

    /// Whether [aligned](eyas_sim::VehicleParameters::is_aligned) vehicles stay so.
    #[must_use]
    pub fn keeps_alignment(&self) -> bool {
        self.payload.is_central()
    }

    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        let most = f64::from(MAX_DELAY_STEPS);
        spans(&[("reality.action_delay_steps", self.action_delay_steps.map(f64::from))], 0.0, most)?;
        self.observation_delay.validate()?;
        self.noise.validate([
            "reality.noise.position_m",
            "reality.noise.velocity_m_s",
            "reality.noise.attitude_rad",
            "reality.noise.angular_velocity_rad_s",
        ])?;
        self.bias.validate([
            "reality.bias.position_m",
            "reality.bias.velocity_m_s",
            "reality.bias.attitude_rad",
            "reality.bias.angular_velocity_rad_s",
        ])?;
        self.drag.validate()?;
        self.wind.validate()?;
        if !self.wind.is_off() && self.drag.is_off() {
            return Err(
                "`env.reality.wind` blows without `env.reality.drag`, expected a drag, which wind acts through; such as \
                 `env.reality.drag.linear_x_n_s_m=[0.01,0.01]` and the same for y"
                    .to_owned(),
            );
        }
        self.ground.validate()?;
        self.battery.validate()?;
        spans(&[("reality.rotor_efficiency", self.rotor_efficiency)], 0.0, 1.0)?;
        self.rotor_failure.validate()?;
        self.payload.validate()
    }

    /// Checks for what the simulator's gradient does not go through; the message names key, value and range.
    pub fn validate_gradient(&self) -> Result<(), String> {
        let action = ("reality.action_delay_steps", self.action_delay_steps);
        let late = if action.1 == [0; 2] { self.observation_delay.on() } else { Some(action) };
        late.map_or(Ok(()), |(key, [least, most])| {
            Err(format!(
                "`env.{key}` = [{least}, {most}], expected [0, 0]: the simulator's gradient does not go through a delay; \
                 `--algorithm ppo` trains with one"
            ))
        })
    }
}
