//! The geometric controller gives what its law asks for.

use eyas_sim::{
    Axes, GeometricController, Tracking, Unsteerable, Vector, Vehicle, VehicleParameters, norm, sub,
};

use crate::vehicles::parameters;

const PERIOD: f64 = 0.01;
const LEVEL: Tracking = Tracking {
    position_error: [0.0; 3],
    velocity_error: [0.0; 3],
    acceleration: [0.0; 3],
    rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    angular_velocity: [0.0; 3],
};

/// Lift and torque of rotor speeds.
fn wrench(speeds: &[f64; 4]) -> (f64, Vector<f64>) {
    let (force, torque) = Vehicle::new(&parameters()).wrench(speeds);
    (force[2], torque)
}

fn controller() -> GeometricController {
    GeometricController::new(&parameters(), PERIOD).unwrap()
}

#[test]
fn without_errors_the_rotors_carry_the_weight_and_turn_nothing() {
    let (lift, torque) = wrench(&controller().rotor_speeds(&LEVEL));
    assert!((lift - parameters().weight()).abs() < 1e-9 * lift, "{lift}");
    assert!(norm(torque) < 1e-9 * lift, "{torque:?}");
}

#[test]
fn errors_are_answered_against_their_direction() {
    let controller = controller();
    let weight = parameters().weight();
    let lift_of = |tracking: &Tracking| wrench(&controller.rotor_speeds(tracking)).0;
    assert!(lift_of(&Tracking { position_error: [0.0, 0.0, 0.1], ..LEVEL }) < weight);
    assert!(lift_of(&Tracking { velocity_error: [0.0, 0.0, -0.1], ..LEVEL }) > weight);
    assert!(lift_of(&Tracking { acceleration: [0.0, 0.0, 0.5], ..LEVEL }) > weight);
    let torque_of = |tracking: &Tracking| wrench(&controller.rotor_speeds(tracking)).1;
    // Too far forward: pitch up, a negative turn about y; too far left: roll right, a positive one about x.
    assert!(torque_of(&Tracking { position_error: [0.1, 0.0, 0.0], ..LEVEL })[1] < 0.0);
    assert!(torque_of(&Tracking { position_error: [0.0, 0.1, 0.0], ..LEVEL })[0] > 0.0);
    for axis in 0..3 {
        let mut angular_velocity = [0.0; 3];
        angular_velocity[axis] = 0.1;
        let torque = torque_of(&Tracking { angular_velocity, ..LEVEL });
        assert!(torque[axis] < 0.0, "axis {axis}: {torque:?}");
    }
    // A yaw to the left by 0.1 rad is turned back.
    let (sine, cosine) = 0.1_f64.sin_cos();
    let rotation = [[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]];
    assert!(torque_of(&Tracking { rotation, ..LEVEL })[2] < 0.0);
}

#[test]
fn thrusts_stay_in_range_whatever_is_asked_for() {
    let controller = controller();
    let parameters = parameters();
    let limit = parameters.action_limit;
    for far in [1.0, -1.0, 1e3, -1e3] {
        let tracking = Tracking {
            position_error: [far, -far, far],
            velocity_error: [-far, far, far],
            acceleration: [far; 3],
            rotation: [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]],
            angular_velocity: [far, 0.3 * far, -far],
        };
        for speed in controller.rotor_speeds(&tracking) {
            assert!((limit.min..=limit.max).contains(&speed), "{speed}");
        }
    }
}

#[test]
fn an_overdriven_rotor_goes_where_it_is_thought_to_go() {
    let controller = controller();
    let parameters = parameters();
    let (min, max) = (parameters.action_limit.min, parameters.action_limit.max);
    let middle = 0.5 * (min + max);
    let wanted = [0.51, 0.49, 0.9, 0.5].map(|share| min + share * (max - min));
    let (set_points, next) = controller.overdriven(&[middle; 4], &wanted);
    for rotor in 0..4 {
        let falls = wanted[rotor] < middle;
        let times = if falls {
            parameters.rotor_time_constants_falling
        } else {
            parameters.rotor_time_constants_rising
        };
        let expected = set_points[rotor] + (middle - set_points[rotor]) * (-PERIOD / times[rotor]).exp();
        assert!((next[rotor] - expected).abs() < 1e-9 * max, "rotor {rotor}");
        assert!((min..=max).contains(&set_points[rotor]));
        // No slower than by itself, and not past what is wanted.
        let (way, wanted_way) = (next[rotor] - middle, wanted[rotor] - middle);
        assert!(way * wanted_way >= 0.0 && way.abs() <= wanted_way.abs() + 1e-12 * max);
    }
    let round_trip = controller.speed_of_action(controller.action_of(wanted[0]));
    assert!((round_trip - wanted[0]).abs() < 1e-12 * max);
}

#[test]
fn scaling_mass_inertia_and_thrust_alike_changes_no_action() {
    let light = parameters();
    let mut heavy = light.clone();
    heavy.mass *= 8.0;
    heavy.inertia = heavy.inertia.map(|row| row.map(|it| 8.0 * it));
    heavy.inertia_inverse = heavy.inertia_inverse.map(|row| row.map(|it| it / 8.0));
    heavy.rotor_thrust_coefficients = heavy.rotor_thrust_coefficients.map(|it| it.map(|c| 8.0 * c));
    let tracking = Tracking {
        position_error: [0.1, -0.2, 0.1],
        velocity_error: [0.0, 0.1, 0.2],
        angular_velocity: [0.2, -0.1, 0.3],
        ..LEVEL
    };
    let [light, heavy] =
        [light, heavy].map(|it| GeometricController::new(&it, PERIOD).unwrap().rotor_speeds(&tracking));
    for (light, heavy) in light.into_iter().zip(heavy) {
        assert!((light - heavy).abs() < 1e-9 * light, "{light} {heavy}");
    }
}

#[test]
fn vehicles_that_cannot_be_steered_are_refused_with_the_reason() {
    let refused = |change: fn(&mut VehicleParameters)| {
        let mut vehicle = parameters();
        vehicle.rotor_thrust_directions = [[0.0, 0.0, 1.0]; 4];
        change(&mut vehicle);
        GeometricController::new(&vehicle, PERIOD).unwrap_err()
    };
    let torque = |x, y, z| Unsteerable::NoTorque(Axes([x, y, z]));
    assert!(matches!(refused(|it| it.mass *= 1e3), Unsteerable::TooWeak(ratio) if ratio < 1e-2));
    // On the x axis only reaction torques differ, and roll takes a lever along y.
    let in_line = refused(|it| it.rotor_positions = it.rotor_positions.map(|r| sub(r, [0.0, r[1], 0.0])));
    assert_eq!(in_line, torque(true, false, false));
    let on_one_arm = refused(|it| it.rotor_positions = [[0.1, 0.1, 0.0]; 4]);
    assert_eq!(on_one_arm, torque(true, true, false));
    assert_eq!(on_one_arm.to_string().matches("x (roll) and y (pitch)").count(), 1);
    let of_one_spin = refused(|it| {
        it.rotor_torque_directions = [[0.0, 0.0, 1.0]; 4];
        it.rotor_torque_constants = [0.02; 4];
    });
    assert_eq!(of_one_spin, torque(false, false, true));
    assert_eq!(refused(|it| it.rotor_thrust_directions = [[0.0, 0.0, -1.0]; 4]), Unsteerable::Pulls(0));
    assert_eq!(refused(|it| it.rotor_thrust_directions = [[1.0, 0.0, 0.0]; 4]), Unsteerable::NoLift);
    // The centre of mass outside the rotors: those behind it would have to pull.
    let behind = refused(|it| it.rotor_positions = it.rotor_positions.map(|[x, y, z]| [x + 0.5, y, z]));
    assert!(matches!(behind, Unsteerable::Pulls(_)), "{behind}");
}
