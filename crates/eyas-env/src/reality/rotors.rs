//! Rotors that are weak, fail, or fly near the ground.

use eyas_lanes::{BLOCK, Lanes, Row};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draw::{Draw, Span, is_zero};
use super::{NEVER, lanes_at};
use crate::check::{share, spans};
use crate::{visit_rows, visit_words};

/// One rotor, each as likely, that gets weak during an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotorFailureConfig {
    /// Share of the episodes in which it happens. In `[0, 1]`.
    pub probability: f64,
    /// From the episode's start to then, s. Ascending, at least 0.
    pub onset_s: [f64; 2],
    /// Thrust and reaction torque from then on, over what they would be. Ascending, at least 0, at most 1.
    pub efficiency: [f64; 2],
}

/// Lift that the ground adds to rotors near it (Cheeseman and Bennett, 1955): thrust over thrust far away is
/// `1 / (1 − (R / 4h)²)` at the height h of the vehicle above the ground.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GroundConfig {
    /// Radius R of a rotor, m; 0: no effect. Ascending, at least 0.
    pub rotor_radius_m: [f64; 2],
    /// How far the ground lies below the spawn point, m. The height counts as half a rotor radius below that, where the
    /// effect is one third. Ascending.
    pub below_spawn_m: [f64; 2],
}

impl Default for RotorFailureConfig {
    /// None; made to happen, one rotor stops within the first two seconds.
    fn default() -> Self {
        Self { probability: 0.0, onset_s: [0.0, 2.0], efficiency: [0.0; 2] }
    }
}

impl Default for GroundConfig {
    fn default() -> Self {
        Self { rotor_radius_m: [0.0; 2], below_spawn_m: [0.5; 2] }
    }
}

impl RotorFailureConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        share(&[("reality.rotor_failure.probability", self.probability)])?;
        spans(&[("reality.rotor_failure.onset_s", self.onset_s)], 0.0, f64::INFINITY)?;
        spans(&[("reality.rotor_failure.efficiency", self.efficiency)], 0.0, 1.0)
    }
}

impl GroundConfig {
    pub(super) fn is_off(&self) -> bool {
        is_zero(self.rotor_radius_m)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        spans(&[("reality.ground.rotor_radius_m", self.rotor_radius_m)], 0.0, f64::INFINITY)?;
        let anywhere = [("reality.ground.below_spawn_m", self.below_spawn_m)];
        spans(&anywhere, f64::NEG_INFINITY, f64::INFINITY)
    }
}

/// How strong the rotors of each lane are.
pub(super) struct Rotors {
    spread: Span,
    failure: RotorFailureConfig,
    period: f64,
    /// Thrust over the vehicle's own, of each rotor, from the start.
    efficiency: [Row; 4],
    /// The one that fails.
    failing: [u32; BLOCK],
    /// The control step in which it does; [`NEVER`] if it does not.
    onset: [u32; BLOCK],
    /// What is left of it.
    left: Row,
}

impl Rotors {
    pub(super) fn new(spread: Span, failure: &RotorFailureConfig, period: f64) -> Option<Self> {
        let is_off = spread[0] >= 1.0 && failure.probability <= 0.0;
        (!is_off).then(|| Self {
            spread,
            failure: failure.clone(),
            period,
            efficiency: [Row::splat(1.0); 4],
            failing: [0; BLOCK],
            onset: [NEVER; BLOCK],
            left: Row::splat(1.0),
        })
    }

    pub(super) fn reset(&mut self, lane: usize, draw: &mut Draw) {
        for row in &mut self.efficiency {
            row[lane] = draw.within(self.spread);
        }
        let fails = f64::from(draw.uniform()) < self.failure.probability;
        let onset = draw.step_within(self.failure.onset_s, self.period);
        self.failing[lane] = draw.integer_within([0, 3]);
        self.onset[lane] = if fails { onset } else { NEVER };
        self.left[lane] = draw.within(self.failure.efficiency);
    }

    /// Bits of the lanes in which a rotor fails in this step.
    pub(super) fn failing(&self, clock: &[u32; BLOCK]) -> u32 {
        lanes_at(&self.onset, clock)
    }

    /// Of each rotor of a lane at a time.
    pub(super) fn efficiency(&self, lane: usize, clock: u32) -> [f32; 4] {
        let mut efficiency = self.efficiency.each_ref().map(|row| row[lane]);
        if clock >= self.onset[lane] {
            efficiency[self.failing[lane] as usize] *= self.left[lane];
        }
        efficiency
    }

    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { spread: _, failure: _, period: _, efficiency, failing, onset, left } = self;
        visit_rows(efficiency.iter_mut().chain([left]), visit);
        visit_words(failing.iter_mut().chain(onset), visit);
    }
}

/// The ground below each lane.
pub(super) struct Ground {
    config: GroundConfig,
    radius: Row,
    below: Row,
}

impl Ground {
    pub(super) fn new(config: &GroundConfig) -> Option<Self> {
        (!config.is_off()).then(|| Self { config: config.clone(), radius: Row::ZERO, below: Row::ZERO })
    }

    pub(super) fn reset(&mut self, lane: usize, draw: &mut Draw) {
        self.radius[lane] = draw.within(self.config.rotor_radius_m);
        self.below[lane] = draw.within(self.config.below_spawn_m);
    }

    /// Thrust over that far from the ground, at a height above the spawn point.
    #[inline(always)]
    pub(super) fn lift<L: Lanes>(&self, half: usize, height: L) -> L {
        let radius = self.radius.load::<L>(half);
        // Where there is no rotor to speak of, the height must not be 0 either.
        let least = (L::splat(0.5) * radius).max(L::splat(f32::MIN_POSITIVE));
        let height = (height + self.below.load(half)).max(least);
        let ratio = L::splat(0.25) * radius / height;
        let one = L::splat(1.0);
        one / (one - ratio * ratio)
    }

    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        visit_rows([&mut self.radius, &mut self.below], visit);
    }
}
