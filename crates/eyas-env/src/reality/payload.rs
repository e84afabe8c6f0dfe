//! A mass that rides along.

use eyas_lanes::{BLOCK, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draw::{Draw, is_zero};
use super::{NEVER, lanes_at};
use crate::check::spans;
use crate::{visit_rows, visit_words};

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

/// The payload of each lane.
pub(super) struct Payload {
    config: PayloadConfig,
    period: f64,
    mass: Row,
    offset: [Row; 3],
    /// The control step in which it is taken up.
    attached: [u32; BLOCK],
}

impl Payload {
    pub(super) fn new(config: &PayloadConfig, period: f64) -> Option<Self> {
        (!config.is_off()).then(|| Self {
            config: config.clone(),
            period,
            mass: Row::ZERO,
            offset: [Row::ZERO; 3],
            attached: [NEVER; BLOCK],
        })
    }

    pub(super) fn reset(&mut self, lane: usize, draw: &mut Draw) {
        self.mass[lane] = draw.within(self.config.mass_kg);
        for (row, span) in self.offset.iter_mut().zip(self.config.offsets()) {
            row[lane] = draw.within(span);
        }
        self.attached[lane] = draw.step_within(self.config.attach_s, self.period);
    }

    /// Bits of the lanes that take it up in this step.
    pub(super) fn attaching(&self, clock: &[u32; BLOCK]) -> u32 {
        lanes_at(&self.attached, clock)
    }

    /// Mass in kg and offset in m of what a lane carries at a time.
    pub(super) fn load(&self, lane: usize, clock: u32) -> Option<(f32, [f32; 3])> {
        (clock >= self.attached[lane]).then(|| (self.mass[lane], self.offset.each_ref().map(|row| row[lane])))
    }

    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { config: _, period: _, mass, offset, attached } = self;
        visit_rows(offset.iter_mut().chain([mass]), visit);
        visit_words(attached, visit);
    }
}
