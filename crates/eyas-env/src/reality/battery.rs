//! A battery whose voltage sags.

use eyas_lanes::{Real, fields};
use eyas_sim::{Vehicle, norm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effect;
use super::draw::{Draw, is_zero};
use crate::check::spans;

/// A battery of constant internal resistance whose open-circuit voltage falls linearly with the charge used. The range of
/// rotor speed that actions command shrinks with the voltage.
///
/// In units of the full battery's voltage, and of the current with which it would carry the vehicle's weight: power
/// `p = ¼ Σ (fᵢ / ¼ m g)^1.5`, open-circuit voltage `u₀ = 1 − s (1 − charge)`, voltage `u = u₀ − r i`, current `i = p / u`,
/// and `i` over the endurance is the charge used in a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatteryConfig {
    /// How long the full battery would carry the weight at its full voltage, s; 0: it never sags. Ascending, at least 0.
    pub hover_endurance_s: [f64; 2],
    /// Charge at the start of an episode over the full. Ascending, at least 0, at most 1.
    pub charge: [f64; 2],
    /// Share s of the voltage that is gone when the battery is empty. Ascending, at least 0, at most 0.9.
    pub voltage_slope: [f64; 2],
    /// Share r of the voltage that the internal resistance takes at the current that carries the weight. Ascending, at
    /// least 0, at most 1.
    pub resistance: [f64; 2],
}

impl Default for BatteryConfig {
    /// None; switched on, a lithium-polymer cell from 4.2 V to 3.3 V that starts anywhere above a fifth of its charge.
    fn default() -> Self {
        Self {
            hover_endurance_s: [0.0; 2],
            charge: [0.2, 1.0],
            voltage_slope: [0.2; 2],
            resistance: [0.05; 2],
        }
    }
}

impl BatteryConfig {
    pub(super) fn is_off(&self) -> bool {
        is_zero(self.hover_endurance_s)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let [least, most] = self.hover_endurance_s;
        spans(&[("reality.battery.hover_endurance_s", [least, most])], 0.0, f64::INFINITY)?;
        if !self.is_off() && least <= 0.0 {
            return Err(format!(
                "`env.reality.battery.hover_endurance_s` = [{least}, {most}], expected positive numbers, or [0, 0] for \
                 no battery"
            ));
        }
        spans(&[("reality.battery.charge", self.charge)], 0.0, 1.0)?;
        spans(&[("reality.battery.voltage_slope", self.voltage_slope)], 0.0, 0.9)?;
        spans(&[("reality.battery.resistance", self.resistance)], 0.0, 1.0)
    }
}

fields! {
    /// The battery of a vehicle.
    pub(crate) struct Cell {
        /// Charge over the full.
        charge: 1,
        /// Share of the voltage that is gone when it is empty.
        slope: 1,
        /// Share of the voltage that a current of 1 takes.
        resistance: 1,
        /// Charge that a current of 1 uses in a step.
        used: 1,
    }
}

impl<R: Real> Cell<R> {
    /// Voltage under the load of these rotor speeds, over that of the full battery, and the battery after a step of it.
    #[inline(always)]
    pub(crate) fn drained(&self, own: &Vehicle<R>, speeds: &[R; 4]) -> (R, Self) {
        let Self { charge: [charge], slope: [slope], resistance: [resistance], used: [used] } = *self;
        let (zero, one) = (R::zero(), R::one());
        // A quarter of the weight carries a power of 1/4.
        let least = R::constant(f64::from(f32::MIN_POSITIVE));
        let per_weight = R::constant(4.0) * own.mass_inverse / norm(own.gravity).max(least);
        let mut power = zero;
        for (rotor, speed) in own.rotors.iter().zip(speeds) {
            let [c0, c1, c2] = rotor.thrust;
            let thrust = c2.mul_add(*speed, c1).mul_add(*speed, c0);
            let share = (thrust * per_weight).max(zero);
            power = (R::constant(0.25) * share).mul_add(share.sqrt(), power);
        }
        let open = one - slope * (one - charge);
        // u² − u₀ u + r p = 0; past the most power that the battery can give, half its voltage is left.
        let root = open.mul_add(open, -(R::constant(4.0) * resistance * power)).max(zero).sqrt();
        let voltage = R::constant(0.5) * (open + root);
        let left = charge - power / voltage * used;
        (voltage, Self { charge: [left.max(zero)], ..*self })
    }
}

/// Batteries whose voltage sags.
pub(crate) struct Battery {
    config: BatteryConfig,
    period: f64,
}

impl Battery {
    pub(crate) fn new(config: &BatteryConfig, period: f64) -> Option<Self> {
        (!config.is_off()).then(|| Self { config: config.clone(), period })
    }
}

impl Effect<0> for Battery {
    type Numbers = Cell<()>;

    fn draw(&self, draw: &mut Draw, battery: &mut Cell<f32>) -> [u32; 0] {
        let endurance = f64::from(draw.within(self.config.hover_endurance_s));
        let used = [(self.period / endurance) as f32];
        let [charge, slope, resistance] =
            [self.config.charge, self.config.voltage_slope, self.config.resistance]
                .map(|span| [draw.within(span)]);
        *battery = Cell { charge, slope, resistance, used };
        []
    }
}
