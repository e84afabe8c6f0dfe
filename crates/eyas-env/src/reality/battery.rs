//! A battery whose voltage sags.

use eyas_lanes::{Lanes, Row};
use eyas_sim::{Vehicle, norm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draw::{Draw, is_zero};
use crate::check::spans;
use crate::visit_rows;

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

/// The battery of each lane.
pub(super) struct Battery {
    config: BatteryConfig,
    period: f64,
    charge: Row,
    slope: Row,
    resistance: Row,
    /// Charge that a current of 1 uses in a step.
    used: Row,
}

impl Battery {
    pub(super) fn new(config: &BatteryConfig, period: f64) -> Option<Self> {
        let zero = Row::ZERO;
        (!config.is_off()).then(|| Self {
            config: config.clone(),
            period,
            charge: zero,
            slope: zero,
            resistance: zero,
            used: zero,
        })
    }

    pub(super) fn reset(&mut self, lane: usize, draw: &mut Draw) {
        let endurance = f64::from(draw.within(self.config.hover_endurance_s));
        self.used[lane] = (self.period / endurance) as f32;
        self.charge[lane] = draw.within(self.config.charge);
        self.slope[lane] = draw.within(self.config.voltage_slope);
        self.resistance[lane] = draw.within(self.config.resistance);
    }

    /// Voltage under the load of these rotor speeds, over that of the full battery; uses the charge of a step.
    #[inline(always)]
    pub(super) fn drain<L: Lanes>(&mut self, half: usize, own: &Vehicle<L>, speeds: &[L; 4]) -> L {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        // A quarter of the weight carries a power of 1/4.
        let per_weight =
            L::splat(4.0) * own.mass_inverse / norm(own.gravity).max(L::splat(f32::MIN_POSITIVE));
        let mut power = zero;
        for (rotor, speed) in own.rotors.iter().zip(speeds) {
            let [c0, c1, c2] = rotor.thrust;
            let thrust = c2.mul_add(*speed, c1).mul_add(*speed, c0);
            let share = (thrust * per_weight).max(zero);
            power = (L::splat(0.25) * share).mul_add(share.sqrt(), power);
        }
        let charge = self.charge.load::<L>(half);
        let open = one - self.slope.load::<L>(half) * (one - charge);
        // u² − u₀ u + r p = 0; past the most power that the battery can give, half its voltage is left.
        let resistance = self.resistance.load::<L>(half);
        let root = open.mul_add(open, -(L::splat(4.0) * resistance * power)).max(zero).sqrt();
        let voltage = L::splat(0.5) * (open + root);
        let left = charge - power / voltage * self.used.load(half);
        self.charge.store(half, left.max(zero));
        voltage
    }

    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { config: _, period: _, charge, slope, resistance, used } = self;
        visit_rows([charge, slope, resistance, used], visit);
    }
}
