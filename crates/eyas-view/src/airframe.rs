//! What a quadrotor looks like, from where its rotors are.

use eyas_sim::VehicleParameters;

use crate::backdrop::Shade;
use crate::frame::{Color, palette};
use crate::mesh::{Lathe, Material, Mesh, rounded};
use crate::space::{Pose, Vector, add, cross, dot, norm, rotate, scale, sub, unit};

/// A propeller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Propeller {
    /// Middle of the disc, body frame, m.
    pub(crate) center: Vector,
    /// Unit axis, body frame.
    pub(crate) axis: Vector,
    /// Radius, m.
    pub(crate) radius: f32,
    /// 1 if it turns counter-clockwise from above, else −1.
    pub(crate) sense: f32,
    pub(crate) color: Color,
}

/// A drawable quadrotor.
#[derive(Clone, Debug)]
pub struct Airframe {
    pub(crate) mesh: Mesh,
    pub(crate) propellers: [Propeller; 4],
    /// Radius of a sphere around all of it, m.
    pub(crate) reach: f32,
}

const CARBON: Material = Material { albedo: [0.045, 0.050, 0.058], gloss: 0.35 };
const SHELL: Material = Material { albedo: [0.60, 0.63, 0.66], gloss: 0.5 };
const METAL: Material = Material { albedo: [0.34, 0.36, 0.39], gloss: 0.9 };
const FRONT: Material = Material { albedo: [0.78, 0.32, 0.0], gloss: 0.4 };
const REAR: Material = Material { albedo: [0.05, 0.20, 0.45], gloss: 0.4 };

impl Airframe {
    /// Arms reach from the centre to the rotors of a vehicle; everything else scales with them.
    ///
    /// The two rotors furthest ahead (body x) are orange, the others blue, and a nose points ahead.
    #[must_use]
    pub fn new(vehicle: &VehicleParameters) -> Self {
        let rotors = vehicle.rotor_positions.map(|position| position.map(|value| value as f32));
        let axes = vehicle.rotor_thrust_directions.map(|axis| unit(axis.map(|value| value as f32)));
        let senses = vehicle.rotor_torque_directions.map(|axis| if axis[2] < 0.0 { 1.0 } else { -1.0 });
        let arm = (rotors.iter().map(|rotor| norm(*rotor)).sum::<f32>() / 4.0).max(1e-3);
        let radius = propeller_radius(&rotors, arm);
        let mut mesh = Mesh::default();
        add_body(&mut mesh, arm);
        let ahead = front(&rotors);
        for rotor in 0..4 {
            let trim = if ahead[rotor] { FRONT } else { REAR };
            add_arm(&mut mesh, rotors[rotor], axes[rotor], arm, trim);
        }
        let propellers = std::array::from_fn(|rotor| Propeller {
            center: add(rotors[rotor], scale(0.235 * arm, axes[rotor])),
            axis: axes[rotor],
            radius,
            sense: senses[rotor],
            color: if ahead[rotor] { palette::ACCENT } else { palette::REFERENCE },
        });
        let reach = rotors.iter().map(|rotor| norm(*rotor)).fold(arm, f32::max) + radius;
        Self { mesh, propellers, reach }
    }

    /// Its shadow on the ground, in the light of a high sun; longer and softer the higher it flies.
    pub(crate) fn shades(&self, pose: &Pose, size: f32, ground: f32) -> Vec<Shade> {
        let rows = pose.world_from_body();
        let cast = |body: Vector| {
            let point = add(pose.position, rotate(&rows, scale(size, body)));
            let height = (point[2] - ground).max(0.0);
            [point[0] - height * SUN[0] / SUN[2], point[1] - height * SUN[1] / SUN[2]]
        };
        let height = (pose.position[2] - ground).max(0.0) / (size * self.reach);
        let reach = size * self.reach;
        let fade = 1.0 / (1.0 + 0.02 * height * height);
        let softness = reach * (0.06 + 0.05 * height).min(1.0);
        let center = cast([0.0; 3]);
        let mut shades =
            vec![Shade { from: center, to: center, radius: 0.22 * reach, softness, strength: 0.45 * fade }];
        for propeller in &self.propellers {
            let hub = cast(propeller.center);
            let disc = size * propeller.radius;
            shades.push(Shade { from: hub, to: hub, radius: disc, softness, strength: 0.26 * fade });
            shades.push(Shade {
                from: center,
                to: hub,
                radius: 0.07 * reach,
                softness: softness * 0.8,
                strength: 0.36 * fade,
            });
        }
        shades
    }
}

/// Unit vector to the sun, world frame: high, so that shadows lie near what casts them.
pub(crate) const SUN: Vector = [-0.394_7, -0.155_0, 0.905_6];

/// As large as fits between neighbours with some air, at most as long as an arm.
fn propeller_radius(rotors: &[Vector; 4], arm: f32) -> f32 {
    let pairs = (0..4).flat_map(|i| (0..i).map(move |j| (i, j)));
    let nearest = pairs.map(|(i, j)| norm(sub(rotors[i], rotors[j]))).fold(f32::INFINITY, f32::min);
    (0.44 * nearest).clamp(0.2 * arm, arm)
}

/// Marks the two rotors furthest ahead.
fn front(rotors: &[Vector; 4]) -> [bool; 4] {
    let mut order = [0, 1, 2, 3];
    order.sort_by(|a, b| rotors[*b][0].total_cmp(&rotors[*a][0]));
    let mut marks = [false; 4];
    marks[order[0]] = true;
    marks[order[1]] = true;
    marks
}

fn add_body(mesh: &mut Mesh, arm: f32) {
    let up = [0.0, 0.0, 1.0];
    let plate = |z: f32, widths: [f32; 2]| Lathe {
        origin: [0.0, 0.0, z * arm],
        axis: up,
        across: [1.0, 0.0, 0.0],
        widths,
        exponent: 3.6,
        segments: 32,
    };
    let lower = rounded(0.34 * arm, -0.11 * arm, 0.05 * arm, 0.05 * arm);
    plate(0.0, [1.12, 0.92]).turn(mesh, &lower, CARBON);
    let upper = rounded(0.27 * arm, 0.05 * arm, 0.20 * arm, 0.055 * arm);
    plate(0.0, [1.16, 0.80]).turn(mesh, &upper, SHELL);
    // The nose: a cone that points ahead.
    let nose = Lathe { widths: [0.55, 1.0], ..Lathe::round([0.30 * arm, 0.0, 0.0], [1.0, 0.0, 0.0], 20) };
    let profile =
        [[0.0, 0.0], [0.15, 0.0], [0.15, 0.06], [0.13, 0.13], [0.08, 0.20], [0.03, 0.235], [0.0, 0.24]];
    nose.turn(mesh, &profile.map(|[radius, height]| [radius * arm, height * arm]), FRONT);
}

fn add_arm(mesh: &mut Mesh, rotor: Vector, axis: Vector, arm: f32, trim: Material) {
    let length = norm(rotor);
    let along = if length > 1e-6 { unit(rotor) } else { [1.0, 0.0, 0.0] };
    let side = cross(axis, along);
    let across = if dot(side, side) > 1e-6 { unit(cross(along, unit(side))) } else { axis };
    let tube =
        Lathe { origin: [0.0; 3], axis: along, across, widths: [0.75, 1.0], exponent: 2.6, segments: 14 };
    let share = |radius: f32, place: f32| [radius * arm, place * length];
    tube.turn(mesh, &[share(0.10, 0.12), share(0.062, 0.62), share(0.058, 1.0)], CARBON);
    let band = [share(0.064, 0.66), share(0.070, 0.67), share(0.070, 0.79), share(0.064, 0.80)];
    tube.turn(mesh, &band, trim);
    let pod = Lathe::round(rotor, axis, 22);
    pod.turn(mesh, &rounded(0.125 * arm, -0.15 * arm, 0.075 * arm, 0.035 * arm), CARBON);
    pod.turn(mesh, &rounded(0.098 * arm, 0.07 * arm, 0.175 * arm, 0.012 * arm), METAL);
    pod.turn(mesh, &rounded(0.045 * arm, 0.17 * arm, 0.275 * arm, 0.03 * arm), trim);
    pod.turn(mesh, &rounded(0.042 * arm, -0.30 * arm, -0.12 * arm, 0.03 * arm), SHELL);
}
