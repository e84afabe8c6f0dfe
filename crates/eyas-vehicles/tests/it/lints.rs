//! Vehicles that cannot fly are refused with the likely mistake, and those that look wrong are warned of.

use std::f64::consts::TAU;

use eyas_sim::VehicleParameters;
use eyas_vehicles::{
    DomainRandomization, FleetVehicle, NamedVehicle, SamplerConfig, SamplerProtocol, VehicleFile, crazyflie,
    find_vehicle, foundation_crazyflie, sample_fleet, step_warning, unflyable, vehicle_warnings, vehicles,
};
use serde_json::{Value, json};

/// 1 kg, arms of 0.24 m, thrust 5e-6 ω² of each rotor up to 1000 rad/s.
fn quadrotor() -> VehicleParameters {
    let diagonal = |[x, y, z]: [f64; 3]| [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z]];
    let corner = |x: f64, y: f64| [0.17 * x, 0.17 * y, 0.0];
    VehicleParameters {
        rotor_positions: [corner(1.0, -1.0), corner(-1.0, -1.0), corner(-1.0, 1.0), corner(1.0, 1.0)],
        rotor_thrust_coefficients: [[0.0, 0.0, 5e-6]; 4],
        rotor_torque_constants: [0.02; 4],
        rotor_time_constants_rising: [0.05; 4],
        rotor_time_constants_falling: [0.05; 4],
        mass: 1.0,
        inertia: diagonal([0.025, 0.025, 0.03]),
        inertia_inverse: diagonal([40.0, 40.0, 1.0 / 0.03]),
        action_limit: eyas_sim::ActionLimit { min: 0.0, max: 1000.0 },
        ..crazyflie()
    }
}

fn with(change: impl FnOnce(&mut VehicleParameters)) -> VehicleParameters {
    let mut vehicle = quadrotor();
    change(&mut vehicle);
    vehicle
}

/// What reading its parameter file says.
fn refusal(vehicle: &VehicleParameters) -> String {
    match VehicleFile::parse(&VehicleFile::of(vehicle).to_json()) {
        Ok(_) => panic!("it is not refused"),
        Err(error) => error.to_string(),
    }
}

fn scale_inertia(it: &mut VehicleParameters, factor: f64) {
    it.inertia = it.inertia.map(|row| row.map(|x| x * factor));
    it.inertia_inverse = it.inertia_inverse.map(|row| row.map(|x| x / factor));
}

/// Full thrust of two rotors, 2 × 5 N at 0.17 m over 0.025 kg m²: 68 rad/s², which turns by a quarter of a radian in 86 ms.
#[test]
fn control_steps_that_are_too_long_for_a_vehicle_are_said() {
    assert_eq!(step_warning(&quadrotor(), 0.085), None);
    let said = step_warning(&quadrotor(), 0.1).unwrap();
    assert!(said.contains("turns it by 0.340 rad in one") && said.contains("as of 0.0857 s"), "{said}");
    let drawn = SamplerConfig { protocol: SamplerProtocol::Raptor, ..SamplerConfig::default() };
    let drawn = sample_fleet(&drawn, 500, 7).into_iter().map(|it| it.dynamics);
    for vehicle in vehicles().iter().map(NamedVehicle::parameters).chain(drawn) {
        assert_eq!(step_warning(&vehicle, 0.01), None, "a vehicle that learns at 10 ms");
    }
}

#[test]
fn frames_and_rotors_with_which_nothing_flies_are_refused_with_the_likely_mistake() {
    let refused = |change: fn(&mut VehicleParameters), parts: &[&str]| {
        let found = refusal(&with(change));
        for part in parts {
            assert!(found.contains(part), "no `{part}` in `{found}`");
        }
    };
    refused(|it| it.gravity = [0.0, 0.0, 9.81], &["`gravity` = [0.0, 0.0, 9.81] points up", "NED"]);
    refused(|it| it.gravity = [0.0, -9.81, 0.0], &["points sideways", "another axis that points up"]);
    refused(|it| it.gravity = [0.0; 3], &["`gravity` is zero", "[0, 0, -9.81]"]);
    refused(
        |it| it.rotor_thrust_directions = [[0.0, 0.0, -1.0]; 4],
        &["the rotors push the vehicle down", "z up", "FRD"],
    );
    refused(
        |it| it.rotor_thrust_directions = [[0.0, 0.0, 2.0]; 4],
        &["`norm(rotor_thrust_directions)` = 2 of a vehicle, expected 1: a unit vector"],
    );
    refused(
        |it| it.rotor_torque_directions[1] = [0.0; 3],
        &["`norm(rotor_torque_directions)` = 0 of a vehicle"],
    );
    refused(
        |it| it.rotor_positions = [[0.1, 0.1, 0.0]; 4],
        &["cannot turn the vehicle about x (roll) and y (pitch)", "all rotors are at one place"],
    );
    refused(
        |it| it.rotor_torque_directions = [[0.0, 0.0, 1.0]; 4],
        &["cannot turn the vehicle about z (yaw)", "all rotors spin the same way, expected two each way"],
    );
    refused(
        |it| scale_inertia(it, 1e7),
        // √2 · 0.17 m · 5 N · √2 / 250,000 kg m² = 6.8e-6 rad/s².
        &["turns the vehicle about x by 6.8e-6 rad/s² only", "is `J` in g cm²?"],
    );
    refused(
        |it| it.rotor_time_constants_rising = [50.0; 4],
        &["`rotor_time_constants_rising` = 50 s, expected at most 3", "is it in ms?"],
    );
    // Without a slip: what is refused above is refused for its own sake.
    VehicleFile::parse(&VehicleFile::of(&quadrotor()).to_json()).unwrap();
}

#[test]
fn numbers_in_other_units_are_warned_of_by_the_unit() {
    let warned = |change: fn(&mut VehicleParameters), parts: &[&str]| {
        let vehicle = with(change);
        assert_eq!(unflyable(&vehicle), []);
        let found = vehicle_warnings(&vehicle).join("\n");
        for part in parts {
            assert!(found.contains(part), "no `{part}` in `{found}`");
        }
    };
    assert_eq!(vehicle_warnings(&quadrotor()), Vec::<String>::new());
    warned(
        |it| it.rotor_positions = it.rotor_positions.map(|r| r.map(|x| 1e3 * x)),
        &["a rotor is 240 m from the centre", "are lengths in mm?"],
    );
    // Limits in rpm beside a curve in rad/s: 2.04 (60 / 2π)² = 186.
    warned(
        |it| it.action_limit.max *= 60.0 / TAU,
        &["full thrust is 186 times the weight", "is `action_limit` in rpm, for a thrust curve in rad/s?"],
    );
    warned(
        |it| it.rotor_thrust_coefficients = [[0.0, 0.0, 5e-6 * 101.97]; 4],
        &["full thrust is 208 times", "gram-force"],
    );
    warned(|it| it.mass = 1000.0, &["thrust to weight is 0.002", "is `mass` in g?"]);
    warned(
        |it| it.rotor_thrust_coefficients = [[0.0, 0.0, 5e-6 * (TAU / 60.0) * (TAU / 60.0)]; 4],
        &["thrust to weight is 0.022", "is `action_limit` in rad/s, for a thrust curve in rpm?"],
    );
    warned(
        |it| scale_inertia(it, 120.0),
        // 0.025 kg m² is 2.16 times 0.2 m r².
        &["`J` is 260 times what mass and arms suggest, about 0.0116 kg m²", "is `J` in g m²?"],
    );
    warned(
        |it| it.rotor_time_constants_falling = [0.6; 4],
        &["`rotor_time_constants_falling` = 0.6 s is slower"],
    );
    warned(|it| it.rotor_torque_constants = [16.0; 4], &["`rotor_torque_constants` = 16 m", "in mm?"]);
    warned(|it| it.rotor_torque_constants = [1e-7; 4], &["its ratio to thrust?"]);
    warned(|it| it.gravity = [1.0, 0.0, -9.81], &["`gravity` = [1.0, 0.0, -9.81] m/s², expected about"]);
    // The centre of mass 5 mm behind the front rotors, which carry 0.335 / 0.34 of 10.8 N.
    warned(
        |it| {
            it.mass = 1.1;
            it.rotor_positions = it.rotor_positions.map(|[x, y, z]| [x - 0.165, y, z]);
        },
        &["hovering level takes 5.32 N of rotor 1, which gives at most 5.00"],
    );
}

#[test]
fn no_vehicle_of_the_program_and_none_that_is_drawn_is_complained_of() {
    let named = vehicles().iter().map(NamedVehicle::fleet_vehicle);
    let own = FleetVehicle { dynamics: foundation_crazyflie(), ..vehicles()[0].fleet_vehicle() };
    let drawn = [SamplerProtocol::Eyas, SamplerProtocol::Raptor]
        .map(|protocol| sample_fleet(&SamplerConfig { protocol, ..SamplerConfig::default() }, 5000, 2));
    for it in named.chain([own]).chain(drawn.into_iter().flatten()) {
        assert_eq!(unflyable(&it.dynamics), [], "{}", it.id);
        assert_eq!(vehicle_warnings(&it.dynamics), Vec::<String>::new(), "{}", it.id);
    }
}

#[test]
fn rotors_that_are_tilted_lift_less_and_have_to_turn_faster() {
    let x500 = find_vehicle("x500").unwrap().parameters();
    let mut tilted = x500.clone();
    let (sin, cos) = (15.0_f64.to_radians().sin(), 15.0_f64.to_radians().cos());
    for rotor in 0..4 {
        // Inwards.
        let [x, y, _] = x500.rotor_positions[rotor];
        let length = x.hypot(y);
        tilted.rotor_thrust_directions[rotor] = [-sin * x / length, -sin * y / length, cos];
    }
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 5e-6, "{found} {expected}");
    close(x500.thrust_to_weight(), 3.24692);
    close(x500.hovering_throttle().unwrap(), 0.554_964);
    // By hand: 3.24692 cos 15°, and 0.554964 / √(cos 15°) for a curve that goes with the square.
    close(tilted.thrust_to_weight(), 3.24692 * cos);
    close(tilted.hovering_throttle().unwrap(), 0.564_668);
    assert_eq!(unflyable(&tilted), []);
    // Nothing carries a vehicle against gravity that pulls up.
    assert_eq!(VehicleParameters { gravity: [0.0, 0.0, 9.81], ..x500 }.hovering_throttle(), None);
}

#[test]
fn other_numbers_of_rotors_than_four_are_refused_as_such() {
    let mut json: Value = serde_json::from_str(&VehicleFile::of(&quadrotor()).to_json()).unwrap();
    let fields = json["dynamics"].as_object_mut().unwrap();
    for (_, value) in fields.iter_mut().filter(|(field, _)| field.starts_with("rotor_")) {
        let rotors = value.as_array_mut().unwrap();
        rotors.extend_from_within(..2);
    }
    let message = VehicleFile::parse(&json.to_string()).unwrap_err().to_string();
    assert_eq!(message, "`rotor_positions` has 6 entries, expected 4: this program flies quadrotors");
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("fleet.json");
    let list = json!({ "sampled": [{ "id": 7, "dynamics": json["dynamics"] }] });
    std::fs::write(&path, list.to_string()).unwrap();
    let message = eyas_vehicles::read_fleet(&path).unwrap_err().to_string();
    assert!(message.ends_with(
        "vehicle `7`: `rotor_positions` has 6 entries, expected 4: this program flies quadrotors"
    ));
    // What is wrong otherwise is said as before.
    json["dynamics"] = json!({});
    let message = VehicleFile::parse(&json.to_string()).unwrap_err().to_string();
    assert!(message.contains("missing field `rotor_positions`"), "{message}");
}

#[test]
fn what_students_have_not_seen_is_said_by_quantity_and_range() {
    let ranges = DomainRandomization::rltools();
    for it in sample_fleet(&SamplerConfig::default(), 2000, 3) {
        assert_eq!(ranges.left_by(&it.dynamics), Vec::<String>::new(), "{}", it.id);
    }
    let fast = with(|it| {
        it.rotor_time_constants_rising[3] = 0.005;
        it.rotor_time_constants_falling = [0.01; 4];
        it.rotor_thrust_coefficients = [[0.0, 0.0, 2e-5]; 4];
    });
    assert_eq!(
        ranges.left_by(&fast),
        [
            "thrust to weight 8.15, drawn from 1.5 to 5",
            "rising time constant of a rotor 0.00500 s, drawn from 0.03 to 0.1",
            "falling time constant of a rotor 0.0100 s, drawn from 0.03 to 0.3",
        ]
    );
}
