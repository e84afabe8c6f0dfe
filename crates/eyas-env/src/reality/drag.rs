//! Drag of rotors and body.

use eyas_lanes::{Real, fields};
use eyas_sim::{
    Disturbance, Vector, body_from_world, cross, matrix_from_quaternion, norm, scale, sub, world_from_body,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effect;
use super::draw::{Draw, Span, is_zero};
use crate::check::spans;

/// Drag on the motion through the air, `F = −R diag(d) Rᵀ (v − w) − c ‖v − w‖ (v − w)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DragConfig {
    /// Force of the rotors' drag for each m/s along the body's x axis, N s/m. Ascending, at least 0.
    pub linear_x_n_s_m: [f64; 2],
    /// The same along its y axis, N s/m. Ascending, at least 0.
    pub linear_y_n_s_m: [f64; 2],
    /// The same along its z axis, N s/m. Ascending, at least 0.
    pub linear_z_n_s_m: [f64; 2],
    /// `½ ρ C_d A` of the body, N s²/m². Ascending, at least 0.
    pub quadratic_n_s2_m2: [f64; 2],
}

impl DragConfig {
    fn spans(&self) -> [(&'static str, Span); 4] {
        [
            ("reality.drag.linear_x_n_s_m", self.linear_x_n_s_m),
            ("reality.drag.linear_y_n_s_m", self.linear_y_n_s_m),
            ("reality.drag.linear_z_n_s_m", self.linear_z_n_s_m),
            ("reality.drag.quadratic_n_s2_m2", self.quadratic_n_s2_m2),
        ]
    }

    pub(super) fn is_off(&self) -> bool {
        self.spans().iter().all(|(_, span)| is_zero(*span))
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        spans(&self.spans(), 0.0, f64::INFINITY)
    }
}

fields! {
    /// Coefficients of a vehicle.
    pub(crate) struct Coefficients {
        /// `d_x, d_y, d_z`, N s/m.
        linear: 3,
        /// `c`, N s²/m².
        quadratic: 1,
    }
}

/// Drag of rotors and body.
pub(crate) struct Drag {
    config: DragConfig,
    period: f64,
}

impl Drag {
    pub(crate) fn new(config: &DragConfig, period: f64) -> Option<Self> {
        (!config.is_off()).then(|| Self { config: config.clone(), period })
    }

    /// What it does to a vehicle whose centre of gravity and that of its load lie at `centre` from its own, body frame, m,
    /// in wind of the world frame, m/s.
    ///
    /// Held through a step, a force of more than `m / Δt` for each m/s would turn the motion round: it is limited to what
    /// stops it.
    #[inline(always)]
    pub(crate) fn acts<R: Real>(
        &self,
        coefficients: &Coefficients<R>,
        (mass_inverse, centre): (R, Vector<R>),
        (orientation, velocity): ([R; 4], Vector<R>),
        wind: Vector<R>,
    ) -> Disturbance<R> {
        let most = R::constant(1.0 / self.period) / mass_inverse;
        let matrix = matrix_from_quaternion(orientation);
        let air = sub(velocity, wind);
        let quadratic = coefficients.quadratic[0] * norm(air);
        let mut force = scale(-R::one(), body_from_world(&matrix, air));
        for (value, linear) in force.iter_mut().zip(coefficients.linear) {
            *value = *value * (linear + quadratic).min(most);
        }
        // It acts on the vehicle, beside the common centre of gravity.
        let torque_body = scale(-R::one(), cross(centre, force));
        Disturbance { force_world: world_from_body(&matrix, force), torque_body }
    }
}

impl Effect<0> for Drag {
    type Numbers = Coefficients<()>;

    fn draw(&self, draw: &mut Draw, coefficients: &mut Coefficients<f32>) -> [u32; 0] {
        let [x, y, z, quadratic] = self.config.spans().map(|(_, span)| draw.within(span));
        *coefficients = Coefficients { linear: [x, y, z], quadratic: [quadratic] };
        []
    }
}
