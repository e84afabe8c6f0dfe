//! Mirrors that a vehicle looks the same in.

use eyas_sim::{Vector, VehicleParameters};

use crate::Symmetry;

/// Left and right, front and back, and both, as signs of the body axes.
const MIRRORS: [Vector<f64>; 3] = [[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0], [-1.0, -1.0, 1.0]];

/// Mirrors of a task whose observation is position error, rotation matrix, velocity error, angular velocity
/// and two numbers for each motor, and whose reward does not know one side from the other: all that map the
/// vehicle's rotors onto each other.
pub(crate) fn mirrors(vehicle: &VehicleParameters) -> Vec<Symmetry> {
    MIRRORS.iter().filter_map(|axes| Some(symmetry(axes, mirrored_rotors(vehicle, axes)?))).collect()
}

/// Mirrors of Isaac Lab's quadcopter task, whose vehicle is a body that looks the same in all of them: it observes
/// velocity, angular velocity, gravity and goal, and takes thrust and moments.
pub(crate) fn wrench_mirrors() -> Vec<Symmetry> {
    let mirror = |axes: &Vector<f64>| {
        let axes = axes.map(|sign| sign as f32);
        let handedness: f32 = axes.iter().product();
        let vector = |start: usize| (0..3).map(move |axis| (start + axis, axes[axis]));
        let pseudovector = |start: usize| (0..3).map(move |axis| (start + axis, handedness * axes[axis]));
        Symmetry {
            observation: vector(0).chain(pseudovector(3)).chain(vector(6)).chain(vector(9)).collect(),
            action: std::iter::once((0, 1.0)).chain(pseudovector(1)).collect(),
        }
    };
    MIRRORS.iter().map(mirror).collect()
}

/// The rotor that takes each rotor's place in a mirror, if one does and the body looks the same.
fn mirrored_rotors(vehicle: &VehicleParameters, axes: &Vector<f64>) -> Option<[usize; 4]> {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (a.abs() + b.abs());
    let mirrored = |v: &Vector<f64>| [axes[0] * v[0], axes[1] * v[1], axes[2] * v[2]];
    // A torque is a pseudovector: a mirror along one axis flips the other two.
    let handedness: f64 = axes.iter().product();
    let mirrored_torque = |v: &Vector<f64>| mirrored(v).map(|value| handedness * value);
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| near(*a, *b));
    let takes_the_place_of = |other: usize, rotor: usize| {
        let it = vehicle;
        same(&it.rotor_positions[other], &mirrored(&it.rotor_positions[rotor]))
            && same(&it.rotor_thrust_directions[other], &mirrored(&it.rotor_thrust_directions[rotor]))
            && same(&it.rotor_torque_directions[other], &mirrored_torque(&it.rotor_torque_directions[rotor]))
            && same(&it.rotor_thrust_coefficients[other], &it.rotor_thrust_coefficients[rotor])
            && near(it.rotor_torque_constants[other], it.rotor_torque_constants[rotor])
            && near(it.rotor_time_constants_rising[other], it.rotor_time_constants_rising[rotor])
            && near(it.rotor_time_constants_falling[other], it.rotor_time_constants_falling[rotor])
    };
    let inertia_is_mirrored = [&vehicle.inertia, &vehicle.inertia_inverse].into_iter().all(|matrix| {
        (0..9).all(|entry| {
            let value = matrix[entry / 3][entry % 3];
            near(value, axes[entry / 3] * axes[entry % 3] * value)
        })
    });
    if !inertia_is_mirrored {
        return None;
    }
    let mut rotors = [0; 4];
    for (rotor, place) in rotors.iter_mut().enumerate() {
        *place = (0..4).find(|other| takes_the_place_of(*other, rotor))?;
    }
    Some(rotors)
}

fn symmetry(axes: &Vector<f64>, rotors: [usize; 4]) -> Symmetry {
    let axes = axes.map(|sign| sign as f32);
    let handedness: f32 = axes.iter().product();
    let vector = |start: usize| (0..3).map(move |axis| (start + axis, axes[axis]));
    let matrix = (0..9).map(|entry| (3 + entry, axes[entry / 3] * axes[entry % 3]));
    let rate = (0..3).map(|axis| (15 + axis, handedness * axes[axis]));
    let per_motor = |start: usize| rotors.map(|rotor| (start + rotor, 1.0));
    Symmetry {
        observation: vector(0)
            .chain(matrix)
            .chain(vector(12))
            .chain(rate)
            .chain(per_motor(18))
            .chain(per_motor(22))
            .collect(),
        action: per_motor(0).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PointConfig;

    #[test]
    fn an_x_configuration_mirrors_its_rotors_and_a_lopsided_one_does_not() {
        let robot = PointConfig::default().robot;
        let rotors: Vec<Vec<usize>> =
            mirrors(&robot).iter().map(|it| it.action.iter().map(|(motor, _)| *motor).collect()).collect();
        assert_eq!(rotors, [[1, 0, 3, 2], [3, 2, 1, 0], [2, 3, 0, 1]]);

        let mut weak = robot.clone();
        weak.rotor_thrust_coefficients[0][2] *= 0.9;
        assert_eq!(mirrors(&weak), []);
        // Heavier on the left, twisted: only the half turn is left.
        let mut twisted = robot;
        twisted.inertia[0][1] = 1e-6;
        twisted.inertia[1][0] = 1e-6;
        assert_eq!(mirrors(&twisted).len(), 1);
    }
}
