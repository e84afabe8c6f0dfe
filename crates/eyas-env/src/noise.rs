//! Errors of a vehicle's sensors.

use eyas_lanes::{Draws, LANES, Lanes, Portable, Real, Row, Stream, VECTORS};
use eyas_sim::{Vector, matrix_from_quaternion};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::EnvSpec;

/// Standard deviations of normally distributed errors of what a vehicle measures, each axis on its own, independent from
/// step to step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SensorNoise {
    /// Of the position, m. At least 0.
    pub position_m: f64,
    /// Of the velocity, m/s. At least 0.
    pub velocity_m_s: f64,
    /// Of the attitude: angles about the body axes, rad. At least 0.
    pub attitude_rad: f64,
    /// Of the angular velocity, rad/s. At least 0.
    pub angular_velocity_rad_s: f64,
}

impl SensorNoise {
    /// Adds errors to the full observation `[num_observations]` of a block whose first env is `first_env`, drawn for an
    /// episode's step. All features that show the same quantity have the same error.
    pub fn apply(
        &self,
        spec: &EnvSpec,
        stream: &Stream,
        [first_env, episode, step]: [u32; 3],
        observation: &mut [Row],
    ) {
        if *self == Self::default() {
            return;
        }
        for vector in 0..VECTORS {
            let first = first_env + (vector * LANES) as u32;
            let [position, velocity, attitude, rate] =
                errors::<Portable>(&stream.at_lanes(first, &[episode; LANES], &[step; LANES]));
            let mut start = 0;
            for part in &spec.parts {
                let rows = &mut observation[start..start + part.width];
                match part.name {
                    "position" | "position_error" | "desired_pos_b" => {
                        added(rows, vector, position, self.position_m);
                    }
                    "velocity" | "velocity_error" | "root_lin_vel_b" => {
                        added(rows, vector, velocity, self.velocity_m_s);
                    }
                    "angular_velocity" | "root_ang_vel_b" => {
                        added(rows, vector, rate, self.angular_velocity_rad_s);
                    }
                    "rotation_matrix" | "projected_gravity_b" => {
                        turned(rows, vector, attitude, self.attitude_rad);
                    }
                    _ => {}
                }
                start += part.width;
            }
        }
    }
}

/// Standard normal errors of a step: of position, velocity, attitude and angular velocity; draws 0 to 2.
#[inline(always)]
pub(crate) fn errors<R: Real>(draws: &impl Draws<R>) -> [Vector<R>; 4] {
    let [a, b, c] = [draws.normals(0), draws.normals(1), draws.normals(2)];
    [[a[0], a[1], a[2]], [b[0], b[1], b[2]], [c[0], c[1], c[2]], [a[3], b[3], c[3]]]
}

/// Isotropic, so that the frame does not matter.
fn added(rows: &mut [Row], vector: usize, normal: [Portable; 3], deviation: f64) {
    for (row, normal) in rows.iter_mut().zip(normal) {
        row.store(vector, normal.mul_add(Portable::constant(deviation), row.load(vector)));
    }
}

/// Rows of the matrix turned about the body axes.
fn turned(rows: &mut [Row], vector: usize, normal: [Portable; 3], deviation: f64) {
    let [x, y, z] = normal.map(|it| it * Portable::constant(0.5 * deviation));
    let one = Portable::splat(1.0);
    let length = z.mul_add(z, y.mul_add(y, x.mul_add(x, one))).sqrt();
    let turn = matrix_from_quaternion([one / length, x / length, y / length, z / length]);
    for rows in rows.chunks_exact_mut(3) {
        let row: [Portable; 3] = [rows[0].load(vector), rows[1].load(vector), rows[2].load(vector)];
        for (column, target) in rows.iter_mut().enumerate() {
            let sum =
                row[2].mul_add(turn[2][column], row[1].mul_add(turn[1][column], row[0] * turn[0][column]));
            target.store(vector, sum);
        }
    }
}
