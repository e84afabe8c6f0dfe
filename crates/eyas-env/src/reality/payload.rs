//! A mass that rides along.

use eyas_lanes::fields;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effect;
use super::draw::{Draw, is_zero};
use crate::check::spans;

/// A point mass that is fixed to the vehicle, at an offset from its centre of gravity.
///
/// With it the state is that of the common centre of gravity, about which the vehicle then turns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PayloadConfig {
    /// Its mass, kg. Ascending, at least 0.
    pub mass_kg: [f64; 2],
    /// Offset along the body's x axis, m. Ascending.
    pub offset_x_m: [f64; 2],
    /// Offset along the body's y axis, m. Ascending.
    pub offset_y_m: [f64; 2],
    /// Offset along the body's z axis, m. Ascending.
    pub offset_z_m: [f64; 2],
    /// From the episode's start to its being taken up, s; it then moves as the vehicle does. Ascending, at least 0.
    pub attach_s: [f64; 2],
}

impl PayloadConfig {
    pub(super) fn is_off(&self) -> bool {
        is_zero(self.mass_kg)
    }

    fn offsets(&self) -> [[f64; 2]; 3] {
        [self.offset_x_m, self.offset_y_m, self.offset_z_m]
    }

    /// Whether it rides at the centre of gravity, so that only the mass changes.
    pub(super) fn is_central(&self) -> bool {
        self.is_off() || self.offsets().into_iter().all(is_zero)
    }

    /// Whether it rides on either side as often as on the other.
    pub(super) fn is_symmetric(&self) -> bool {
        let is_even = |[low, high]: [f64; 2]| (low + high).abs() <= 1e-9 * (high - low);
        self.is_off() || (is_even(self.offset_x_m) && is_even(self.offset_y_m))
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let [x, y, z] = self.offsets();
        spans(
            &[("reality.payload.mass_kg", self.mass_kg), ("reality.payload.attach_s", self.attach_s)],
            0.0,
            f64::INFINITY,
        )?;
        spans(
            &[
                ("reality.payload.offset_x_m", x),
                ("reality.payload.offset_y_m", y),
                ("reality.payload.offset_z_m", z),
            ],
            f64::NEG_INFINITY,
            f64::INFINITY,
        )
    }
}

fields! {
    /// The payload of a vehicle.
    pub(crate) struct Load {
        /// Where it rides from the vehicle's centre of gravity, body frame, m.
        offset: 3,
        /// Its mass, kg.
        mass: 1,
    }
}

/// Payloads that are taken up.
pub(crate) struct Payload {
    config: PayloadConfig,
    period: f64,
}

impl Payload {
    pub(crate) fn new(config: &PayloadConfig, period: f64) -> Option<Self> {
        (!config.is_off()).then(|| Self { config: config.clone(), period })
    }
}

/// Of the control step in which it is taken up.
impl Effect<1> for Payload {
    type Numbers = Load<()>;

    fn draw(&self, draw: &mut Draw, load: &mut Load<f32>) -> [u32; 1] {
        let mass = [draw.within(self.config.mass_kg)];
        *load = Load { offset: self.config.offsets().map(|span| draw.within(span)), mass };
        [draw.step_within(self.config.attach_s, self.period)]
    }
}
