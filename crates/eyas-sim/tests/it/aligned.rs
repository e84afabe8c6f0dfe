//! What is left out for a vehicle whose rotors push along its z axis changes no number.

#![expect(clippy::float_cmp, reason = "the same numbers are promised")]

use eyas_sim::{
    Disturbance, HeldStep, LaggedStep, State, Vehicle, VehicleParameters, step_held, step_lagged,
};

use crate::vehicles::{body, normals, parameters};

const DT: f64 = 0.01;

/// No two rotors or axes alike, but all aligned.
fn aligned_parameters() -> VehicleParameters {
    let diagonal = |a: f64, b: f64, c: f64| [[a, 0.0, 0.0], [0.0, b, 0.0], [0.0, 0.0, c]];
    VehicleParameters {
        rotor_thrust_directions: [[0.0, 0.0, 1.0]; 4],
        inertia: diagonal(2.0e-3, 2.5e-3, 4.0e-3),
        inertia_inverse: diagonal(500.0, 400.0, 250.0),
        ..parameters()
    }
}

fn aligned() -> Vehicle<f64> {
    Vehicle::new(&aligned_parameters())
}

fn known_as_aligned() -> Vehicle<f64, true> {
    Vehicle::from_numbers(&aligned().numbers())
}

struct Case {
    state: State<f64>,
    set_point: [f64; 4],
    disturbance: Disturbance<f64>,
}

fn cases() -> impl Iterator<Item = Case> {
    (0..50).map(|place| {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = normals(1000 + place);
        let share = |normal: f64| (0.5 + 0.2 * normal).clamp(0.0, 1.0);
        Case {
            state: State { body: body(place), rotor_speed: [a, b, c, d].map(share) },
            set_point: [e, f, g, h].map(share),
            disturbance: Disturbance { force_world: [i, j, k], torque_body: [1e-3 * l, 1e-3 * m, 1e-3 * n] },
        }
    })
}

#[test]
fn is_told_from_others() {
    assert!(aligned_parameters().is_aligned());
    assert!(!parameters().is_aligned());
    let mut tilted = aligned_parameters();
    tilted.inertia[0][2] = 1e-9;
    assert!(!tilted.is_aligned());
}

#[test]
fn steps_are_the_same() {
    let (vehicle, known) = (aligned(), known_as_aligned());
    for Case { state, set_point, disturbance } in cases() {
        let general = step_lagged(&vehicle, &state, &set_point, &disturbance, DT, 2);
        assert_eq!(step_lagged(&known, &state, &set_point, &disturbance, DT, 2), general);
        let wrench = vehicle.wrench(&state.rotor_speed);
        assert_eq!(known.wrench(&state.rotor_speed), wrench);
        let general = step_held(&vehicle, &state.body, wrench, &disturbance, DT, 2);
        assert_eq!(step_held(&known, &state.body, wrench, &disturbance, DT, 2), general);
    }
}

#[test]
fn derivatives_are_the_same() {
    let (vehicle, known) = (aligned(), known_as_aligned());
    for (case, Case { state, set_point, disturbance }) in cases().enumerate() {
        let after = State::from_fields(normals(case as u32));
        let (set_point, disturbance, dt, substeps) = (&set_point, &disturbance, DT, 2);
        let general = LaggedStep { vehicle: &vehicle, state: &state, set_point, disturbance, dt, substeps };
        let aligned = LaggedStep { vehicle: &known, state: &state, set_point, disturbance, dt, substeps };
        assert_eq!(aligned.pull_back(&after), general.pull_back(&after));

        let (body, wrench) = (&state.body, vehicle.wrench(&state.rotor_speed));
        let general = HeldStep { vehicle: &vehicle, body, wrench, disturbance, dt, substeps };
        let general = general.pull_back(&after.body);
        let aligned = HeldStep { vehicle: &known, body, wrench, disturbance, dt, substeps };
        let aligned = aligned.pull_back(&after.body);
        assert_eq!(aligned.body, general.body);
        assert_eq!(aligned.torque, general.torque);
        // Only the thrust's own axis is anyone's concern.
        assert_eq!(aligned.force[2], general.force[2]);
    }
}
