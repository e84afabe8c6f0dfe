//! Rotors that are weak, fail, or fly near the ground.

use eyas_lanes::{Real, fields};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draw::{Draw, Span, is_zero};
use super::{Effect, NEVER};
use crate::check::{share, spans};

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

fields! {
    /// How strong the rotors of a vehicle are.
    pub(crate) struct Strength {
        /// Thrust over the vehicle's own, of each rotor, from the start.
        efficiency: 4,
        /// What is left of the one that fails.
        left: 1,
    }
}

impl<R: Real> Strength<R> {
    /// Of each rotor, of which some have failed.
    #[inline(always)]
    pub(crate) fn efficiency(&self, has_failed: &[R::Mask; 4]) -> [R; 4] {
        let mut efficiency = self.efficiency;
        for (value, has_failed) in efficiency.iter_mut().zip(has_failed) {
            *value = R::select(*has_failed, *value * self.left[0], *value);
        }
        efficiency
    }
}

/// Rotors that are weak, or get so.
pub(crate) struct Rotors {
    spread: Span,
    failure: RotorFailureConfig,
    period: f64,
}

impl Rotors {
    pub(crate) fn new(spread: Span, failure: &RotorFailureConfig, period: f64) -> Option<Self> {
        let is_off = spread[0] >= 1.0 && failure.probability <= 0.0;
        (!is_off).then(|| Self { spread, failure: failure.clone(), period })
    }
}

/// Of the rotor that fails, and of the control step in which it does; [`NEVER`] if it does not.
impl Effect<2> for Rotors {
    type Numbers = Strength<()>;

    fn draw(&self, draw: &mut Draw, strength: &mut Strength<f32>) -> [u32; 2] {
        let efficiency = [(); 4].map(|()| draw.within(self.spread));
        let fails = f64::from(draw.uniform()) < self.failure.probability;
        let onset = draw.step_within(self.failure.onset_s, self.period);
        let failing = draw.integer_within([0, 3]);
        *strength = Strength { efficiency, left: [draw.within(self.failure.efficiency)] };
        [failing, if fails { onset } else { NEVER }]
    }
}

fields! {
    /// The ground below a vehicle.
    pub(crate) struct Below {
        /// Radius of a rotor, m.
        radius: 1,
        /// How far it lies below the spawn point, m.
        below: 1,
    }
}

impl<R: Real> Below<R> {
    /// Thrust over that far from the ground, at a height above the spawn point, m.
    #[inline(always)]
    pub(crate) fn lift(&self, height: R) -> R {
        let Self { radius: [radius], below: [below] } = *self;
        // Where there is no rotor to speak of, the height must not be 0 either.
        let least = (R::constant(0.5) * radius).max(R::constant(f64::from(f32::MIN_POSITIVE)));
        let height = (height + below).max(least);
        let ratio = R::constant(0.25) * radius / height;
        R::one() / (R::one() - ratio * ratio)
    }
}

/// Ground near enough to lift.
pub(crate) struct Ground {
    config: GroundConfig,
}

impl Ground {
    pub(crate) fn new(config: &GroundConfig) -> Option<Self> {
        (!config.is_off()).then(|| Self { config: config.clone() })
    }
}

impl Effect<0> for Ground {
    type Numbers = Below<()>;

    fn draw(&self, draw: &mut Draw, below: &mut Below<f32>) -> [u32; 0] {
        let radius = [draw.within(self.config.rotor_radius_m)];
        *below = Below { radius, below: [draw.within(self.config.below_spawn_m)] };
        []
    }
}
