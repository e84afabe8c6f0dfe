//! Vehicles are listed, described, drawn, converted and checked.

use std::fs;
use std::path::Path;

use crate::program::{Workspace, assert_in_order, files};

/// A file below the test data of `eyas-vehicles`.
fn data(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../eyas-vehicles/tests/data").join(name))
        .unwrap()
}

#[test]
fn those_of_the_program_are_listed_and_described() {
    let it = Workspace::empty();
    let list = it.eyas("vehicles list").succeed();
    assert_in_order(
        &list,
        &["name", "thrust/weight", "crazyflie", "0.0306", "1.467", "0.0396", "0.05545", "0.2494"],
    );
    assert_in_order(&list, &["x500 ", "which a typo in RLtools turned into 0.1705", "soft_rigid"]);
    let show = it.eyas("vehicles show x500").succeed();
    assert_in_order(
        &show,
        &[
            "x500: Holybro",
            "mass",
            "2 kg",
            "over weight",
            "3.24692\n",
            "rotor distance",
            "0.25 m",
            "0.021705 kg m²",
        ],
    );
}

#[test]
fn a_vehicle_is_written_as_a_parameter_file_that_reads_the_same() {
    let it = Workspace::empty();
    let json = it.eyas("vehicles show mrs --json").succeed();
    fs::write(it.path("mrs.json"), &json).unwrap();
    assert_eq!(it.eyas("vehicles show mrs.json --json").succeed(), json);
    assert!(json.contains("1.3298253500372892e-6") && json.contains("\"observation_delay\""), "{json}");
    it.eyas("vehicles show nothing.json").fail_with(&[
        "cannot read the vehicle",
        "--> nothing.json",
        "crazyflie",
    ]);
    fs::write(it.path("rltools.json"), data("x500_rltools.json")).unwrap();
    let ended = it.eyas("vehicles show rltools.json").run();
    assert_eq!(ended.code, Some(0));
    assert_in_order(&ended.stderr, &["warning: `J` times `J_inv` is 6.855 away from the identity"]);
}

#[test]
fn drawn_vehicles_are_the_same_every_time_and_not_written_over() {
    let it = Workspace::empty();
    let stdout = it.eyas("vehicles sample --num 12 --seed 5 --out fleet").succeed();
    assert_eq!(stdout, "");
    let names = files(&it.path("fleet"));
    assert_eq!((names.len(), names[11].as_str(), names[12].as_str()), (13, "0011.json", "vehicles.csv"));
    it.eyas("vehicles sample --num 3 --seed 5 --out few").succeed();
    for name in ["0000.json", "0002.json"] {
        assert_eq!(
            fs::read(it.path("fleet").join(name)).unwrap(),
            fs::read(it.path("few").join(name)).unwrap()
        );
    }
    assert_eq!(it.eyas("vehicles check fleet").succeed(), "12 vehicles can be flown\n");
    it.eyas("vehicles sample --num 3 --out few").fail_with(&[
        "not empty",
        "--> few",
        "`--force` writes over",
    ]);
    it.eyas("vehicles sample --num 3 --out few --force --protocol raptor mass_max=1").succeed();
    it.eyas("vehicles sample --num 2 --out few --force")
        .fail_with(&["1 other vehicles", "such as `0002.json`"]);
    it.eyas("vehicles sample --num 2 --out new mass_mx=1").fail_with(&["mass_mx", "mass_max"]);
    it.eyas("vehicles sample --num 2 --out new mass_max=0")
        .fail_with(&["`mass_max` = 0", "`mass_min` = 0.02"]);
    it.eyas("vehicles sample --num 2 --out new --protocol paper").fail_with(&["paper", "raptor"]);
    for num in ["0", "99999999999"] {
        let message = format!("`--num` is {num}, expected 1 to 1000000");
        it.eyas(&format!("vehicles sample --num {num} --out new")).fail_with(&[&message]);
    }
    assert!(!it.path("new").exists(), "something was written");
}

#[test]
fn a_fleet_goes_through_every_form_and_back() {
    let it = Workspace::empty();
    it.eyas("vehicles sample --num 5 --out fleet").succeed();
    it.eyas("vehicles convert fleet list.json.gz").succeed();
    it.eyas("vehicles convert list.json.gz list.json").succeed();
    it.eyas("vehicles convert list.json again").succeed();
    for name in files(&it.path("again")) {
        assert!(
            fs::read(it.path("fleet").join(&name)).unwrap()
                == fs::read(it.path("again").join(&name)).unwrap()
        );
    }
    let ended = it.eyas("vehicles convert fleet table.csv").run();
    assert_eq!(ended.code, Some(0));
    assert_in_order(&ended.stderr, &["does not say all of 5 of 5 vehicles", "5 vehicles in table.csv"]);
    assert_eq!(fs::read(it.path("table.csv")).unwrap(), fs::read(it.path("fleet/vehicles.csv")).unwrap());
    it.eyas("vehicles convert table.csv from_table").succeed();
    assert_eq!(files(&it.path("from_table")).len(), 5);
    it.eyas("vehicles convert fleet table.csv").fail_with(&["there already", "--> table.csv", "--force"]);
    it.eyas("vehicles convert fleet fleet.yaml").fail_with(&["cannot write a fleet as `fleet.yaml`", ".csv"]);
}

#[test]
fn a_check_names_every_problem() {
    let it = Workspace::empty();
    fs::create_dir(it.path("fleet")).unwrap();
    let good = data("vehicle_7.json");
    fs::write(it.path("fleet/0.json"), &good).unwrap();
    fs::write(it.path("fleet/1.json"), good.replace("\"mass\": ", "\"mass\": -")).unwrap();
    fs::write(it.path("fleet/2.json"), good.replace("\"gravity\"", "\"gravy\"")).unwrap();
    it.eyas("vehicles check fleet").fail_with(&[
        "2 problems",
        "fleet/1.json: `mass` = -",
        "expected a positive finite number",
        "fleet/2.json: not a parameter file of RLtools: unknown field `gravy`",
        "--> fleet",
    ]);
    it.eyas("vehicles convert fleet list.json").fail_with(&["2 problems"]);
    assert!(!it.path("list.json").exists(), "something was written");
    fs::create_dir(it.path("empty")).unwrap();
    it.eyas("vehicles check empty").fail_with(&["empty: no vehicles, expected at least one"]);
    it.eyas("vehicles check nowhere.csv").fail_with(&["nowhere.csv: cannot read it"]);
}

/// The parameter file of a vehicle of the program after a change of its JSON.
fn changed(it: &Workspace, name: &str, change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut json: serde_json::Value =
        serde_json::from_str(&it.eyas(&format!("vehicles show {name} --json")).succeed()).unwrap();
    change(&mut json["dynamics"]);
    json.to_string()
}

/// Its rotors in another order.
fn reorder(dynamics: &mut serde_json::Value, order: [usize; 4]) {
    for (field, value) in dynamics.as_object_mut().unwrap() {
        if field.starts_with("rotor_") {
            let rotors = value.as_array().unwrap().clone();
            *value = order.iter().map(|rotor| rotors[*rotor].clone()).collect();
        }
    }
}

#[test]
fn a_vehicle_that_cannot_fly_is_refused_by_every_command_before_anything_is_written() {
    let it = Workspace::empty();
    let ned = changed(&it, "x500", |it| it["gravity"][2] = 9.81.into());
    fs::write(it.path("ned.json"), ned).unwrap();
    let flight = "--task Eyas-Raptor-v0 --vehicle ned.json";
    for command in [
        "vehicles check ned.json".to_owned(),
        "vehicles show ned.json".to_owned(),
        format!("train {flight} --max_iterations 1"),
        format!("eval {flight} --checkpoint se3"),
        format!("play {flight} --checkpoint se3 --max_steps 1"),
    ] {
        it.eyas(&command).fail_with(&["`gravity` = [0.0, 0.0, 9.81] points up, expected down", "NED"]);
    }
    // A vehicle that no file describes is held to the same.
    let spins = "env.robot.rotor_torque_directions=[[0,0,1],[0,0,1],[0,0,1],[0,0,1]]";
    it.eyas(&format!("train --task Eyas-Raptor-v0 --max_iterations 1 {spins}"))
        .fail_with(&["`env.robot`: the rotors cannot turn the vehicle about z (yaw)", "spin the same way"]);
    assert!(!it.path("logs").exists(), "something was written");
}

#[test]
fn a_vehicle_that_looks_wrong_is_flown_with_a_warning() {
    let it = Workspace::empty();
    let rpm = changed(&it, "x500", |it| it["action_limit"]["max"] = 9.549_296_585_513_721.into());
    fs::write(it.path("rpm.json"), rpm).unwrap();
    let warning = ["warning: ", "full thrust is 296 times the weight", "is `action_limit` in rpm"];
    let flight = "--task Eyas-Raptor-v0 --vehicle rpm.json";
    for command in [
        "vehicles check rpm.json".to_owned(),
        format!("train {flight} --max_iterations 1 agent.algorithm.window_steps=2 --quiet"),
        format!("eval {flight} --checkpoint se3 --episodes 2 --steps 2 --quiet"),
        format!("play {flight} --checkpoint se3 --num_envs 1 --max_steps 2 --quiet"),
    ] {
        let ended = it.eyas(&command).run();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_in_order(&ended.stderr, &warning);
    }
}

#[test]
fn motors_in_another_order_than_a_policys_are_warned_of_and_mended() {
    let it = Workspace::empty();
    fs::create_dir(it.path("px4")).unwrap();
    let px4 = changed(&it, "x500", |dynamics| reorder(dynamics, [0, 2, 3, 1]));
    fs::write(it.path("px4/x500.json"), px4).unwrap();
    let ended = it.eyas("vehicles check px4/x500.json").run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mend = "vehicles convert px4/x500.json px4/x500_reordered --motor_order 1,4,2,3";
    assert_in_order(&ended.stderr, &["rotor 2 is back left, expected back right", mend]);

    let student = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/students/raptor.pt");
    let eval = |vehicle: &str, checkpoint: &str| {
        let flight = format!("--task Eyas-Raptor-v0 --vehicle {vehicle} --checkpoint {checkpoint} --quiet");
        let ended = it
            .eyas(&format!("eval {flight} --episodes 40 --trajectory hover --json env.protocol=raptor"))
            .run();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        (ended.stderr, json["all"]["crash_rate"].as_f64().unwrap())
    };
    let (stderr, crashed) = eval("px4/x500.json", student);
    assert_in_order(
        &stderr,
        &["warning: rotor 2 is back left", "of its file mends that with `--motor_order 1,4,2,3`"],
    );
    assert!(crashed > 0.9, "{crashed}");
    // The geometric controller knows the vehicle.
    let (stderr, crashed) = eval("px4/x500.json", "se3");
    assert!(!stderr.contains("rotor 2") && crashed < 0.1, "{stderr} {crashed}");

    it.eyas(mend).succeed();
    let (stderr, crashed) = eval("px4/x500_reordered/x500.json", student);
    assert!(!stderr.contains("warning") && crashed < 0.1, "{stderr} {crashed}");
    it.eyas("vehicles convert px4/x500.json other --motor_order 1,2,2,4")
        .fail_with(&["`--motor_order 1,2,2,4`, expected each of 1, 2, 3 and 4 once"]);
}
