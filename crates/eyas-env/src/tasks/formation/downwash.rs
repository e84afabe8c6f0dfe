//! The air that a vehicle pushes down on another below it.

use std::f64::consts::PI;

use eyas_lanes::Real;
use eyas_sim::{Vector, VehicleParameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check;

/// The rotors of a vehicle make a turbulent jet straight down, and whoever flies in it is dragged along.
///
/// Some vehicle sizes below a quadrotor, its air is such a jet: Bauersfeld, Muller, Ziegler, Coletti and Scaramuzza
/// (2024, arXiv:2403.13321). With the usual Gaussian profile of width σ that grows in proportion to the distance, and
/// the momentum of the jet being that of the thrust T at every distance,
///
/// ```text
/// U²(z, r) = T / (ρ π σ²) exp(−r² / σ²),   σ = r₀ + k z / √(2 ln 2)
/// F = ½ ρ C_d A U² = ½ C_d A T / (π σ²) exp(−r² / σ²) ≤ T
/// ```
///
/// where z is how far a vehicle is below and r how far aside, r₀ the distance of the rotors from the centre of the
/// vehicle above, and k the growth of the half-width of a round jet (Pope, 2000, Turbulent Flows, section 5.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DownwashConfig {
    /// Whether there is any.
    pub enabled: bool,
    /// Drag coefficient times area of a vehicle seen from above, m². At least 0.
    pub drag_area: f64,
    /// Growth of the half-width of the jet over the distance. At least 0.
    pub spread: f64,
}

impl Default for DownwashConfig {
    /// Off; a plate of 10 cm × 10 cm, and the jet of Pope's table 5.1.
    fn default() -> Self {
        Self { enabled: false, drag_area: 0.01, spread: 0.094 }
    }
}

impl DownwashConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        check::not_negative(&[("downwash.drag_area", self.drag_area), ("downwash.spread", self.spread)])
    }
}

/// The same, prepared for formulas.
pub(super) struct Downwash {
    /// `½ C_d A / π`, m².
    share: f64,
    /// Width of the jet at the rotors, m.
    source: f64,
    /// Growth of the width with the distance.
    growth: f64,
}

impl Downwash {
    /// That of the vehicles of a configuration, if there is any.
    pub(super) fn new(config: &DownwashConfig, vehicle: &VehicleParameters) -> Option<Self> {
        // From the half-width of a Gaussian profile to σ.
        let growth = config.spread / libm::sqrt(2.0 * std::f64::consts::LN_2);
        let share = 0.5 * config.drag_area / PI;
        config.enabled.then(|| Self { share, source: vehicle.rotor_distance(), growth })
    }

    /// What a thrust in N pushes a vehicle down with that is `below`, as a vector from the one above, N.
    #[inline(always)]
    pub(super) fn force<R: Real>(&self, thrust: R, below: Vector<R>) -> R {
        let [x, y, z] = below;
        let width = (-z).mul_add(R::constant(self.growth), R::constant(self.source));
        let square = (width * width).max(R::constant(f64::from(f32::MIN_POSITIVE)));
        let radius = x.mul_add(x, y * y);
        let share = (R::constant(self.share) / square * (-(radius / square)).exp()).min(R::one());
        R::select(z.less(R::zero()), thrust.max(R::zero()) * share, R::zero())
    }
}
