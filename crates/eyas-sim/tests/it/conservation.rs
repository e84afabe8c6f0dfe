//! Laws of mechanics.

use eyas_sim::{
    Body, Disturbance, State, Vector, Vehicle, matrix_from_quaternion, norm, step_held, step_lagged, sub,
};

use crate::vehicles::{asymmetric, body};

const STILL: (Vector<f64>, Vector<f64>) = ([0.0; 3], [0.0; 3]);

fn angular_momentum_world(body: &Body<f64>) -> Vector<f64> {
    let vehicle = asymmetric();
    let own =
        vehicle.inertia.map(|row| row.iter().zip(body.angular_velocity).map(|(a, b)| a * b).sum::<f64>());
    matrix_from_quaternion(body.orientation).map(|row| row.iter().zip(own).map(|(a, b)| a * b).sum::<f64>())
}

#[test]
fn free_rotation_conserves_angular_momentum() {
    let vehicle = asymmetric();
    for place in 0..20 {
        let mut state = body(place);
        let before = angular_momentum_world(&state);
        for _ in 0..200 {
            state = step_held(&vehicle, &state, STILL, &Disturbance::none(), 1e-3, 1);
        }
        let drift = norm(sub(angular_momentum_world(&state), before));
        // RK4 at 1 kHz over 0.2 s.
        assert!(drift < 1e-6 * norm(before), "drift {drift:e} of {:e}", norm(before));
    }
}

#[test]
fn free_fall_follows_the_parabola() {
    let start = body(7);
    let end = step_held(&asymmetric(), &start, STILL, &Disturbance::none(), 0.5, 50);
    for axis in 0..3 {
        let gravity = if axis == 2 { -9.81 } else { 0.0 };
        let expected = start.position[axis] + 0.5 * start.velocity[axis] + 0.125 * gravity;
        assert!((end.position[axis] - expected).abs() < 1e-12);
        assert!((end.velocity[axis] - start.velocity[axis] - 0.5 * gravity).abs() < 1e-12);
    }
}

#[test]
fn halving_the_step_shrinks_the_error_sixteenfold() {
    let vehicle = asymmetric();
    let wrench = ([0.3, -0.2, 5.0], [2e-3, -1e-3, 5e-4]);
    let fly = |substeps: u32| step_held(&vehicle, &body(3), wrench, &Disturbance::none(), 0.1, substeps);
    let exact = fly(2048);
    let error = |substeps: u32| norm(sub(fly(substeps).angular_velocity, exact.angular_velocity));
    let ratio = error(4) / error(8);
    assert!((12.0..20.0).contains(&ratio), "ratio {ratio} of errors, 16 for a fourth-order method");
}

#[test]
fn rotors_approach_their_set_point_exponentially_and_stay_in_range() {
    let vehicle = asymmetric();
    let mut state = State { body: Body::at_rest(), rotor_speed: [0.8, 0.2, 0.0, 1.0] };
    let start = state.rotor_speed;
    let set_point = [0.3, 0.9, 0.0, 1.0];
    for _ in 0..10 {
        state = step_lagged(&vehicle, &state, &set_point, &Disturbance::none(), 0.01, 1);
    }
    // Rotor 0 slows down, rotor 1 speeds up; the others are where they shall be.
    for (rotor, time_constant) in [(0, 0.2), (1, 0.06), (2, 0.055), (3, 0.19)] {
        let expected = set_point[rotor] + (start[rotor] - set_point[rotor]) * f64::exp(-0.1 / time_constant);
        assert!((state.rotor_speed[rotor] - expected).abs() < 1e-5, "rotor {rotor}");
    }
}

#[test]
fn a_heavier_vehicle_with_stronger_rotors_moves_alike() {
    let (vehicle, speeds) = (asymmetric(), [0.4, 0.5, 0.6, 0.7]);
    let heavier = vehicle.altered(3.0, &[3.0; 4]);
    let fly = |vehicle: &Vehicle<f64>| {
        step_held(vehicle, &body(5), vehicle.wrench(&speeds), &Disturbance::none(), 0.1, 10)
    };
    let (own, other) = (fly(&vehicle), fly(&heavier));
    // Both are some hundred operations in double precision away from the same numbers.
    assert!(norm(sub(own.velocity, other.velocity)) < 1e-12);
    assert!(norm(sub(own.angular_velocity, other.angular_velocity)) < 1e-10);
    let heavy = fly(&vehicle.altered(3.0, &[1.0; 4]));
    assert!(norm(sub(own.velocity, heavy.velocity)) > 1e-3);
}
