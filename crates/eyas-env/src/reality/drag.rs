//! Drag of rotors and body.

use eyas_lanes::{Lanes, Row};
use eyas_sim::{Vector, body_from_world, matrix_from_quaternion, norm, scale, sub, world_from_body};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draw::{Draw, Span, is_zero};
use crate::check::spans;
use crate::rows::load_vector;
use crate::visit_rows;

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

/// Coefficients of each lane.
pub(super) struct Drag {
    spans: [Span; 4],
    /// `d_x, d_y, d_z` in N s/m, then `c` in N s²/m².
    coefficients: [Row; 4],
}

impl Drag {
    pub(super) fn new(config: &DragConfig) -> Option<Self> {
        let spans = config.spans().map(|(_, span)| span);
        (!config.is_off()).then_some(Self { spans, coefficients: [Row::ZERO; 4] })
    }

    pub(super) fn reset(&mut self, lane: usize, draw: &mut Draw) {
        for (row, span) in self.coefficients.iter_mut().zip(self.spans) {
            row[lane] = draw.within(span);
        }
    }

    /// The force on vehicles of that mass in wind, in the body and in the world frame, N.
    ///
    /// Held through a step, a force of more than `m / Δt` for each m/s would turn the motion round: it is limited to what
    /// stops it.
    #[inline(always)]
    pub(super) fn force<L: Lanes>(
        &self,
        half: usize,
        (orientation, velocity): ([L; 4], Vector<L>),
        wind: Vector<L>,
        most: L,
    ) -> [Vector<L>; 2] {
        let matrix = matrix_from_quaternion(orientation);
        let air = sub(velocity, wind);
        let quadratic = self.coefficients[3].load::<L>(half) * norm(air);
        let linear = load_vector::<L>(&self.coefficients, half);
        let mut force = scale(L::splat(-1.0), body_from_world(&matrix, air));
        for (axis, value) in force.iter_mut().enumerate() {
            *value = *value * (linear[axis] + quadratic).min(most);
        }
        [force, world_from_body(&matrix, force)]
    }

    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        visit_rows(&mut self.coefficients, visit);
    }
}
