//! References that move at random, in m and m/s, relative to the spawn point.

use eyas_lanes::{Fields, Lanes, Real, Row, fields};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Vector;
use crate::vector::{norm, scale, scale_add};

/// Constants of the second-order Langevin process of [`Langevin`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LangevinConfig {
    /// Friction γ, 1/s. At least 0.
    pub gamma: f64,
    /// Stiffness: angular frequency ω of the restoring force, rad/s. At least 0.
    pub omega: f64,
    /// Intensity σ of the noise, m/s per √s. At least 0.
    pub sigma: f64,
    /// Share α of the raw velocity in the smoothed one at each step. In `(0, 1]`.
    pub alpha: f64,
}

impl LangevinConfig {
    /// Whether steps of `dt` seconds keep the motion bounded: both eigenvalues of (M9) without noise lie within the unit
    /// circle, whose limit is `γ dt + ½ (ω dt)² = 2`.
    #[must_use]
    pub fn is_stable_at(&self, dt: f64) -> bool {
        let stiffness = self.omega * dt;
        self.gamma * dt + 0.5 * stiffness * stiffness < 2.0
    }
}

fields! {
    /// A randomly moving reference and the smoothed reference that follows it.
    #[derive(Default)]
    pub struct Langevin {
        /// Raw position.
        raw_position: 3,
        /// Raw velocity.
        raw_velocity: 3,
        /// Smoothed position: what a vehicle tracks.
        position: 3,
        /// Smoothed velocity.
        velocity: 3,
    }
}

impl<R: Real> Langevin<R> {
    /// At the origin, not moving.
    #[inline(always)]
    pub fn at_rest() -> Self {
        let zero = [R::zero(); 3];
        Self { raw_position: zero, raw_velocity: zero, position: zero, velocity: zero }
    }

    /// One step of `dt` seconds (M9), given standard normal noise:
    ///
    /// ```text
    /// v ← v + (−γ v − ω² x) dt + σ √dt n     limited to max_speed
    /// x ← x + v dt
    /// v_s ← α v + (1 − α) v_s
    /// x_s ← x_s + v_s dt
    /// ```
    ///
    /// The smoothed position integrates the smoothed velocity on its own, so it may drift from `x`.
    #[inline(always)]
    pub fn step(&self, config: &LangevinConfig, dt: f64, noise: Vector<R>, max_speed: Option<R>) -> Self {
        let c = R::constant;
        let decay = c(1.0 - config.gamma * dt);
        let stiffness = c(-config.omega * config.omega * dt);
        let mut raw_velocity = scale_add(stiffness, self.raw_position, scale(decay, self.raw_velocity));
        raw_velocity = scale_add(c(config.sigma * dt.sqrt()), noise, raw_velocity);
        if let Some(max_speed) = max_speed {
            let factor = max_speed / (norm(raw_velocity) + c(1e-6));
            raw_velocity = scale(factor.min(R::one()), raw_velocity);
        }
        let velocity = scale_add(c(config.alpha), raw_velocity, scale(c(1.0 - config.alpha), self.velocity));
        Self {
            raw_position: scale_add(c(dt), raw_velocity, self.raw_position),
            raw_velocity,
            position: scale_add(c(dt), velocity, self.position),
            velocity,
        }
    }
}

impl<R> Langevin<R> {
    /// The 12 numbers in the order of the fields.
    pub fn fields_mut(&mut self) -> impl Iterator<Item = &mut R> {
        let Self { raw_position, raw_velocity, position, velocity } = self;
        [raw_position, raw_velocity, position, velocity].into_iter().flatten()
    }
}

impl Langevin<Row> {
    /// One vector of lanes of a block.
    #[inline(always)]
    pub fn load<L: Lanes>(&self, half: usize) -> Langevin<L> {
        <Langevin<()> as Fields>::load(self, half)
    }

    /// Overwrites the lanes of one vector that a mask holds for.
    #[inline(always)]
    pub fn store_where<L: Lanes>(&mut self, half: usize, mask: L::Mask, values: &Langevin<L>) {
        <Langevin<()> as Fields>::store_where::<L>(self, half, mask, values);
    }
}
