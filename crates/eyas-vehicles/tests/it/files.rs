//! Vehicles are read and written as their documentation says, and what cannot be flown is refused by name.

use std::fs;
use std::path::Path;

use eyas_vehicles::{
    FleetVehicle, VehicleFile, fits_a_table, fleet_to_csv, fleet_to_json, read_fleet, survey_fleet, vehicles,
};
use serde_json::Value;

/// Written by RLtools' `sample_dynamics_parameters` (460bae06^, seed 0): `vehicle_7.json` with its six decimals,
/// `vehicles_f64.json` the first three in double precision; `x500_rltools.json` is its registry's X500.
fn data(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn ids(fleet: &[FleetVehicle]) -> Vec<&str> {
    fleet.iter().map(|it| it.id.as_str()).collect()
}

#[test]
fn a_file_of_rltools_is_written_again_with_its_fields_in_their_order() {
    let text = data("vehicle_7.json");
    let file = VehicleFile::parse(&text).unwrap();
    assert_eq!(file.warnings(), Vec::<String>::new());
    let (given, written): (Value, Value) =
        (serde_json::from_str(&text).unwrap(), serde_json::from_str(&file.to_json()).unwrap());
    assert_eq!(given, written);
    // `Value` compares maps without order.
    let keys = |text: &str| -> Vec<String> {
        text.split('"').skip(1).step_by(2).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(keys(&text), keys(&file.to_json()));
    let vehicle = file.fleet_vehicle("7");
    let number = |pointer| given.pointer(pointer).and_then(Value::as_f64);
    assert_eq!(vehicle.max_position, number("/mdp/init/max_position"));
    assert_eq!(vehicle.position_threshold, number("/mdp/termination/position_threshold"));
    assert_eq!(Some(vehicle.random_force_std), number("/disturbances/random_force/std"));
    assert_eq!(VehicleFile::from(&vehicle).fleet_vehicle("7"), vehicle);
}

#[test]
fn what_a_file_leaves_open_is_written_out() {
    let file = VehicleFile::from(&vehicles()[0].fleet_vehicle());
    let vehicle = file.fleet_vehicle("crazyflie");
    assert_eq!((vehicle.max_position, vehicle.position_threshold), (None, None));
    let again = VehicleFile::parse(&file.to_json()).unwrap().fleet_vehicle("crazyflie");
    let distance = vehicle.dynamics.rotor_distance();
    assert_eq!(
        (again.max_position, again.position_threshold),
        (Some(10.0 * distance), Some(20.0 * distance))
    );
}

#[test]
fn what_cannot_be_flown_is_refused_by_field_value_and_expectation() {
    let text = data("vehicle_7.json");
    let with = |pointer: &str, value: Value| {
        let mut json: Value = serde_json::from_str(&text).unwrap();
        *json.pointer_mut(pointer).unwrap() = value;
        VehicleFile::parse(&json.to_string()).unwrap_err().to_string()
    };
    for (pointer, value, message) in [
        ("/dynamics/mass", -1.0, "`mass` = -1 of a vehicle, expected a positive finite number"),
        ("/dynamics/rotor_time_constants_falling/2", 0.0, "`rotor_time_constants_falling` = 0 of a vehicle"),
        ("/dynamics/action_limit/max", -0.5, "`action_limit.max - action_limit.min` = -0.5 of a vehicle"),
        ("/dynamics/J/1/1", 0.0, "`J` = 0 of a vehicle, expected positive finite numbers on the diagonal"),
        ("/dynamics/J_inv/0/1", 1e6, "`J_inv` = 1000000 of a vehicle, expected a symmetric matrix"),
        (
            "/disturbances/random_force/mean",
            0.5,
            "`disturbances.random_force.mean` is 0.5, which this version",
        ),
        (
            "/disturbances/random_torque/std",
            0.5,
            "`disturbances.random_torque.std` is 0.5, which this version",
        ),
        (
            "/disturbances/random_force/std",
            -0.5,
            "`disturbances.random_force.std` is -0.5, expected a number",
        ),
        (
            "/mdp/observation_noise/position",
            0.1,
            "`mdp.observation_noise.position` is 0.1, which this version",
        ),
        (
            "/mdp/action_noise/normalized_rpm",
            0.1,
            "`mdp.action_noise.normalized_rpm` is 0.1, which this version",
        ),
        ("/domain_randomization/mass_max", 5.0, "`domain_randomization.mass_max` is 5, which this version"),
        ("/mdp/termination/position_threshold", 0.0, "`mdp.termination.position_threshold` is 0, expected"),
    ] {
        let found = with(pointer, value.into());
        assert!(found.contains(message), "no `{message}` in `{found}`");
    }
    let found = with("/observation_delay/angular_velocity", 2.into());
    assert!(found.contains("`observation_delay.angular_velocity` is 2, which this version"), "{found}");
    let misspelt = VehicleFile::parse(&text.replace("\"mass\"", "\"mas\"")).unwrap_err().to_string();
    assert!(misspelt.contains("unknown field `mas`") && misspelt.contains("`mass`"), "{misspelt}");
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json["dynamics"].as_object_mut().unwrap().remove("gravity");
    let missing = VehicleFile::parse(&json.to_string()).unwrap_err().to_string();
    assert!(missing.contains("missing field `gravity`"), "{missing}");
}

#[test]
fn an_inertia_that_no_body_has_is_refused() {
    let mut dynamics = vehicles()[0].parameters();
    // Symmetric with a positive diagonal, one eigenvalue is negative.
    (dynamics.inertia[0][1], dynamics.inertia[1][0]) = (1e-5, 1e-5);
    let message = dynamics.validate().unwrap_err().to_string();
    assert!(message.starts_with("`J` = ") && message.contains("positive definite"), "{message}");
}

#[test]
fn what_is_not_heeded_is_listed() {
    let warnings = VehicleFile::parse(&data("x500_rltools.json")).unwrap().warnings().join("\n");
    // RLtools' typo in J_xx.
    for part in
        ["`J` times `J_inv` is 6.855 away", "`J`_xx = 0.1705 is larger", "`domain_randomization` is not"]
    {
        assert!(warnings.contains(part), "no `{part}` in\n{warnings}");
    }
    let other = data("vehicle_7.json").replace("\"constant\": 1.500000", "\"constant\": 0.500000");
    assert_eq!(
        VehicleFile::parse(&other).unwrap().warnings(),
        ["`mdp.reward.constant` = 0.5 is not heeded: the task's configuration says it, 1.5 by default"]
    );
}

#[test]
fn a_directory_is_a_fleet_in_the_order_of_its_numbers() {
    let text = data("vehicle_7.json");
    let files = directory(&[
        ("10.json", &text),
        ("9.json", &text),
        ("b.json", &text),
        ("a.json", &text),
        ("notes.txt", "not a vehicle"),
    ]);
    assert_eq!(ids(&read_fleet(files.path()).unwrap()), ["9", "10", "a", "b"]);
    let one = read_fleet(&files.path().join("10.json")).unwrap();
    assert_eq!(ids(&one), ["10"]);
}

#[test]
fn a_list_of_vehicles_is_a_fleet_and_loses_nothing() {
    let files = directory(&[("fleet.json", &data("vehicles_f64.json"))]);
    let fleet = read_fleet(&files.path().join("fleet.json")).unwrap();
    assert_eq!(ids(&fleet), ["0", "1", "2"]);
    assert_eq!(fleet[0].dynamics.mass, 0.751_991_863_067_610_7);
    assert_eq!(fleet[0].position_threshold, Some(2.270_305_579_729_385));
    fs::write(files.path().join("again.json"), fleet_to_json(&fleet)).unwrap();
    assert_eq!(read_fleet(&files.path().join("again.json")).unwrap(), fleet);
}

#[test]
fn a_table_holds_the_vehicles_whose_shape_it_can_say() {
    let table = "id,mass,arm_length,Ixx,Iyy,Izz,twr,motor_tau,mean_rmse\n\
                 0,0.5,0.1,0.002,0.0021,0.0038,2.5,0.05,0.12\n\
                 7,1.0,0.2,0.01,0.011,0.02,3,0.06,0.1\n";
    let files = directory(&[("teacher_dynamics.csv", table)]);
    let fleet = read_fleet(files.path()).unwrap();
    assert_eq!(ids(&fleet), ["0", "7"]);
    let it = &fleet[0].dynamics;
    let close =
        |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    close(it.rotor_distance(), 0.1);
    close(it.thrust_to_weight(), 2.5);
    close(it.thrust(it.action_limit.max), 2.5 * 0.5 * 9.81);
    assert!(it.inertia_mismatch() < 1e-12);
    // The defining equation of hovering.
    close(it.thrust(it.hovering_throttle_relative), it.weight());
    assert_eq!((it.rotor_time_constants_rising, it.rotor_time_constants_falling), ([0.05; 4], [0.05; 4]));
    assert_eq!(it.rotor_torque_constants, vehicles()[0].parameters().rotor_torque_constants);

    let csv = fleet_to_csv(&fleet).unwrap();
    fs::write(files.path().join("again.csv"), &csv).unwrap();
    let again = read_fleet(&files.path().join("again.csv")).unwrap();
    assert!(fleet.iter().all(fits_a_table) && ids(&again) == ids(&fleet));
    assert_eq!(again[0].dynamics.inertia, fleet[0].dynamics.inertia);
    // Other rotors, and a force.
    assert!(vehicles().iter().all(|it| fits_a_table(&it.fleet_vehicle()) == (it.name == "crazyflie")));
}

#[test]
fn a_fleet_that_is_none_is_refused_by_file_and_field() {
    let text = data("vehicle_7.json");
    let refused = |name: &str, text: &str, parts: &[&str]| {
        let files = directory(&[(name, text)]);
        let message = read_fleet(&files.path().join(name)).unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
        for part in parts {
            assert!(message.contains(part), "no `{part}` in `{message}`");
        }
    };
    refused("fleet.yaml", "", &["not a fleet, expected a directory"]);
    refused("fleet.json", "{}", &["not a fleet"]);
    refused("fleet.json", "[]", &["not JSON of a vehicle or of a list", "expected an object"]);
    refused("fleet.json", "{", &["not JSON of a vehicle or of a list", "line 1"]);
    refused("fleet.json", r#"{"sampled": []}"#, &["no vehicles"]);
    refused("a,b.json", &text, &["vehicle `a,b` cannot stand in a table"]);
    refused("heavy.json", &text.replace("\"mass\": ", "\"mass\": -"), &["`mass` = -"]);
    let heavy = data("vehicles_f64.json").replacen("\"mass\":", "\"mass\":-", 1);
    refused("fleet.json", &heavy, &["vehicle `0`: `mass` = -0.7519918630676107"]);
    let header = "id,mass,arm_length,Ixx,Iyy,Izz,twr,motor_tau\n";
    let row = "0,1,0.2,0.01,0.011,0.02,3,0.06\n";
    refused("a.csv", header, &["no vehicles"]);
    refused("a.csv", &format!("{header}{row}{row}"), &["two vehicles are called `0`"]);
    refused(
        "a.csv",
        &(header.to_owned() + &row.replace(",3,", ",x,")),
        &["line 2: `twr` is `x`, expected a pos"],
    );
    refused("a.csv", &(header.to_owned() + "0,1\n"), &["line 2: 2 values, expected 8"]);
    refused("a.csv", &header.replace("mass", "weight"), &["line 1: unknown column `weight`", "mass"]);
    refused("a.csv", &header.replace(",Iyy", ""), &["line 1: column `Iyy` is missing"]);
    refused("a.csv", &header.replace("motor_tau", "motor_tau_up"), &["column `motor_tau`, or both"]);
    let empty = directory(&[]);
    let message = read_fleet(empty.path()).unwrap_err().to_string();
    assert!(message.contains("no vehicles, expected at least one `*.json`"), "{message}");
    let message = read_fleet(&empty.path().join("nowhere")).unwrap_err().to_string();
    assert!(message.contains("nowhere: cannot read it"), "{message}");
}

#[test]
fn a_survey_lists_every_problem() {
    let text = data("vehicle_7.json");
    let bad = text
        .replace("\"mass\": ", "\"mass\": -")
        .replace("\"normalized_rpm\": 0.0", "\"normalized_rpm\": 0.1");
    let files = directory(&[("0.json", &bad), ("1.json", &text), ("2.json", "{}"), ("3.json", "[")]);
    let survey = survey_fleet(files.path());
    let names: Vec<_> = survey.problems.iter().map(|it| it.path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["0.json", "0.json", "2.json", "3.json"]);
    assert_eq!(ids(&survey.vehicles), ["0", "1"]);
}
