//! What others reported of other tools, or of this one when strangers tried it, each case as small as it can be. Right values
//! are in closed form, of libraries, or of another integrator; `tests/data/README.md` says where inputs come from.

use std::path::{Path, PathBuf};

use crate::program::{Ended, TINY, Workspace, assert_in_order, files};

const RAPTOR: &str = "--task Eyas-Raptor-v0";

fn vehicle(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vehicles").join(name)
}

/// `eyas vehicles check` of a file.
fn checked(name: &str) -> Ended {
    Workspace::empty().eyas("vehicles check").arg(vehicle(name)).run()
}

/// The line of an evaluation for all episodes: return, and the share that crashed, %.
fn evaluated(name: &str, more: &str) -> (f64, f64) {
    let line = format!("eval -q {RAPTOR} --trajectory hover --json {more} --vehicle");
    let text = Workspace::empty().eyas(&line).arg(vehicle(name)).succeed();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let number = |key: &str| json["all"][key].as_f64().unwrap();
    (number("mean_return"), 100.0 * number("crash_rate"))
}

/// Rotors from rest to half of their speed, whatever the vehicle does: 1 kg, gone up after a second with
/// `4k/m (A² t + 2AB T (1 − e) + B² T/2 (1 − e²)) − g t`.
#[test]
fn a_lag_shorter_than_a_step_moves_as_in_closed_form() {
    for (lag, right) in [("0.005", 1.356), ("0.003", 1.389), ("0.002", 1.406), ("0.0001", 1.438)] {
        let file = format!("lag_{lag}.json");
        let flight = format!(
            "play -q {RAPTOR} --teacher_activation relu --num_envs 1 --max_steps 100 --trajectory hover \
             env.init.guidance=1 env.init.min_rpm=-1 env.init.max_rpm=-1 \
             env.termination.angular_velocity_threshold=1e6 env.termination.linear_velocity_threshold=1e6 \
             env.termination.position_threshold=1e6 --vehicle"
        );
        let it = Workspace::empty();
        let text = it.eyas(&flight).arg(vehicle(&file)).arg("--checkpoint").arg(vehicle("half.pt")).succeed();
        let of_velocity = text.split("Velocity error").nth(1).unwrap();
        let most = of_velocity.lines().find_map(|line| line.trim().strip_prefix("max ")).unwrap();
        let most: f64 = most.trim().parse().unwrap();
        // A step of two time constants, 5 ms, is stable and 4 % off; it stays as it was.
        let tolerance = if lag == "0.005" { 0.06 } else { 0.015 };
        assert!((most - right).abs() < tolerance, "lag {lag} s: {most} m/s, expected {right}");
    }
    let said = checked("lag_0.002.json");
    assert_in_order(&said.stderr, &["warning: ", "`rotor_time_constants_rising` = 0.002 s is faster than"]);
    let (_, crashed) =
        evaluated("quad_0.66kg_2ms.json", "--checkpoint se3 --episodes 32 env.init.guidance=1");
    assert!(crashed < 1e-9, "{crashed} % of a controller that knows the vehicle crashed");
}

#[test]
fn near_duplicate_waypoints_are_refused() {
    for waypoints in [
        "[[0,0,0],[0.3,0,0],[0.30000000000000004,0,0],[1,0,0]]",
        "[[0,0,0],[1,0,0],[1.000001,0,0],[2,1,0]]",
        "[[0,0,0],[1,0,0],[1.0001,0,0],[2,1,0]]",
        "[[0,0,0],[3,4,0],[0.1,0,0],[0.10000000000000002,0,0],[1,0,0]]",
    ] {
        let flight = format!("play -q {RAPTOR} --vehicle x500 --checkpoint se3 --trajectory minimum_snap");
        let course = format!("env.course.minimum_snap.waypoints_m={waypoints}");
        Workspace::empty().eyas(&flight).arg(course).fail_with(&["error: ", "waypoints_m"]);
    }
}

#[test]
fn another_order_spin_or_frame_of_motors_is_said() {
    for (name, parts) in [
        ("x500_px4_order.json", ["rotor 2 is back left, expected back right", "--motor_order"]),
        ("x500_y_right.json", ["spin the other way than the policy's", "points right"]),
        ("crazyflie_plus.json", ["rotor 1 is front", "front right, back right, back left, front left"]),
    ] {
        let said = checked(name);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert_in_order(&said.stderr, &parts);
    }
}

#[test]
fn every_command_that_flies_names_the_rotor_and_the_order_that_mends_it() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let student = format!("--checkpoint {}", assets.join("students/raptor.pt").display());
    let teacher = assets.join("teachers/raptor/teacher_0003/best_model.pt").display().to_string();
    let short = "--algorithm ppo --num_envs 32 --max_iterations 1 agent.num_steps_per_env=8 \
                 agent.algorithm.num_mini_batches=1";
    for command in [
        format!("play --max_steps 2 --trajectory hover {student}"),
        format!("eval --episodes 2 {student}"),
        format!("eval --suite torture --episodes 1 torture.duration_s=0.1 torture.final_s=0.1 {student}"),
        format!("train {short}"),
        format!("distill {TINY} --teacher_checkpoint {teacher}"),
    ] {
        let it = Workspace::empty();
        let said =
            it.eyas(&format!("{command} -q {RAPTOR} --vehicle")).arg(vehicle("x500_px4_order.json")).run();
        assert_eq!(said.code, Some(0), "{command}: {}", said.stderr);
        let parts = [
            "warning: ",
            "rotor 2 is back left, expected back right: in the policy's order the rotors are 1,4,2,3",
            "eyas vehicles convert",
            "--motor_order 1,4,2,3",
        ];
        assert_in_order(&said.stderr, &parts);
    }
    // What it offers mends the file.
    let it = Workspace::empty();
    let convert = it.eyas("vehicles convert").arg(vehicle("x500_px4_order.json"));
    convert.and("mended --motor_order 1,4,2,3").succeed();
    let said = it.eyas("vehicles check mended").run();
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
}

/// Away from its run, a policy used to be taken for one of the task's own vehicle.
#[test]
fn the_rotors_that_a_policy_learned_go_with_its_file() {
    let it = Workspace::empty();
    let train = format!(
        "train {RAPTOR} --algorithm ppo --num_envs 32 --max_iterations 1 --run_dir run -q agent.num_steps_per_env=8 \
         agent.algorithm.num_mini_batches=1 --vehicle"
    );
    it.eyas(&train).arg(vehicle("x500_px4_order.json")).succeed();
    it.eyas("export run/best_model.pt --to onnx --output alone.onnx").succeed();
    let inspected = it.eyas("inspect alone.onnx").succeed();
    assert_in_order(&inspected, &["rotors at, m: [0.1", " ccw, [-0.1", " ccw, ", " cw, ", " cw"]);
    for checkpoint in ["run/best_model.pt", "alone.onnx"] {
        let flown = |command: &str, by: &str| {
            let line = format!("{command} -q {RAPTOR} --checkpoint {checkpoint} {by}");
            let ended = it.eyas(&line).run();
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            ended.stderr
        };
        let own = vehicle("x500_px4_order.json").display().to_string();
        for command in ["eval --episodes 2", "play --max_steps 2 --trajectory hover"] {
            let told = flown(command, &format!("--vehicle {own}"));
            assert!(!told.contains("rotor "), "{told}");
            let told = flown(command, "--vehicle x500");
            let order =
                "rotor 2 is back right, expected back left: in the policy's order the rotors are 1,3,4,2";
            assert_in_order(&told, &["warning: ", order, "--motor_order 1,3,4,2"]);
        }
        let told = flown("play --max_steps 2 --trajectory hover", &format!("--vehicles crazyflie,{own}"));
        assert_in_order(&told, &["vehicle 0: rotor 2 is back right, expected back left"]);
        assert!(!told.contains("vehicle 1: "), "{told}");
    }
}

#[test]
fn other_units_and_frames_are_refused_with_the_likely_mistake() {
    for (name, part) in [
        ("gravity_ned.json", "points up, expected down"),
        ("gravity_zero.json", "`gravity` is zero"),
        ("thrust_down.json", "the rotors push the vehicle down"),
        ("thrust_twice_unit.json", "expected 1: a unit vector"),
        ("all_rotors_on_one_arm.json", "all rotors are at one place"),
        ("inertia_in_g_cm2.json", "is `J` in g cm²?"),
        ("lag_in_ms.json", "is it in ms?"),
        ("six_rotors.json", "`rotor_positions` has 6 entries, expected 4: this program flies quadrotors"),
    ] {
        let said = checked(name);
        assert_eq!(said.code, Some(2), "{name}: {}", said.stdout);
        assert!(said.stderr.contains(part), "{name}: {}", said.stderr);
        let it = Workspace::empty();
        let flown = it.eyas(&format!("eval -q {RAPTOR} --checkpoint se3 --episodes 2 --vehicle"));
        assert_eq!(flown.arg(vehicle(name)).run().code, Some(2), "{name} is flown");
    }
}

/// 3.24692 cos 15° and 0.554964 / √(cos 15°).
#[test]
fn tilted_rotors_lift_less() {
    let text = Workspace::empty().eyas("vehicles show").arg(vehicle("x500_tilt15.json")).succeed();
    let number = |name: &str| -> f64 {
        let line = text.lines().find(|line| line.contains(name)).unwrap();
        line.split_whitespace().last().unwrap().parse().unwrap()
    };
    assert!((number("full thrust over weight") - 3.13629).abs() < 2e-5);
    assert!((number("throttle that hovers") - 0.564_668).abs() < 2e-6);
}

#[test]
fn a_vehicle_that_a_student_has_not_seen_is_warned_of() {
    let student = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/students/raptor.pt");
    let it = Workspace::empty();
    let flight =
        it.eyas(&format!("eval -q {RAPTOR} --episodes 2 --vehicle")).arg(vehicle("hummingbird.json"));
    let said = flight.arg("--checkpoint").arg(student).run();
    assert_eq!(said.code, Some(0));
    let parts =
        ["thrust to weight 10.2, drawn from 1.5 to 5", "time constant of a rotor 0.00500 s, drawn from 0.03"];
    assert_in_order(&said.stderr, &parts);
}

#[test]
fn an_evaluation_takes_its_episodes_and_their_length_as_overrides_too() {
    let it = Workspace::empty();
    let eval = |more: &str| {
        let line =
            format!("eval -q {RAPTOR} --vehicle x500 --checkpoint se3 --json env.init.guidance=1 {more}");
        let json: serde_json::Value = serde_json::from_str(&it.eyas(&line).succeed()).unwrap();
        [&json["all"]["episodes"], &json["all"]["mean_length"]].map(|it| it.as_f64().unwrap().round() as u64)
    };
    assert_eq!(eval("--episodes 5 env.episode_length_s=1"), [5, 100]);
    assert_eq!(eval("--steps 50 env.scene.num_envs=7"), [7, 50]);
    let both = "--episodes 5 --steps 50 env.scene.num_envs=7";
    let line = format!("eval -q {RAPTOR} --vehicle x500 --checkpoint se3 {both}");
    it.eyas(&line).fail_with(&["`env.scene.num_envs` is given twice"]);
}

#[test]
fn a_reference_that_is_twice_there_or_not_finite_is_refused() {
    let it = Workspace::empty();
    let flight =
        format!("play -q {RAPTOR} --vehicle x500 --checkpoint se3 --num_envs 1 --max_steps 300 --trajectory");
    it.eyas(&flight).arg(vehicle("twice.csv")).fail_with(&["column `x_m` stands there twice", "twice.csv"]);
    it.eyas(&flight)
        .and("circle env.course.circle.radius_m=1e39")
        .fail_with(&["`env.course.circle.radius_m`"]);
    it.eyas(&flight).and("langevin env.langevin.gamma=1000").fail_with(&["`env.langevin`", "unstable"]);
}

#[test]
fn every_job_of_a_sweep_is_checked_before_the_first_runs() {
    let it = Workspace::empty();
    let train = format!("train {RAPTOR} -m --jobs 1 --max_iterations 2 --num_envs 32 hydra.sweep.dir=mr");
    let sweep = format!("{train} --vehicle x500");
    let parts =
        ["error: job 1, env.reality.payload.mass_kg=[0.2,0.1]: ", "expected two numbers in ascending order"];
    it.eyas(&sweep).arg("env.reality.payload.mass_kg=[0,0.1],[0.2,0.1]").fail_with(&parts);
    assert!(!it.path("mr").exists(), "a folder is left behind");

    let told = it.eyas(&format!("{train} vehicle=x500,crazyflie")).run();
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert_in_order(&told.stdout, &["vehicle", "2 of 2 jobs"]);
    let masses =
        ["0", "1"].map(|job| std::fs::read_to_string(it.path(&format!("mr/{job}/params/env.yaml"))).unwrap());
    let [first, second] =
        masses.each_ref().map(|text| text.lines().find(|line| line.trim().starts_with("mass: ")));
    assert!(first.is_some() && second.is_some() && first != second, "{first:?} {second:?}");
    it.eyas(&format!("{train} vehicle=x500,kite")).fail_with(&["job 1, vehicle=kite", "kite"]);
}

#[test]
fn a_checkpoint_beyond_what_is_asked_for_leaves_no_run_behind() {
    let it = Workspace::empty();
    let train = "train --task Isaac-Quadcopter-Direct-v0 --algorithm ppo --num_envs 32 -q";
    it.eyas(&format!("{train} --max_iterations 4 --run_dir first agent.num_steps_per_env=8")).succeed();
    let parts = ["the checkpoint has done 4 iterations, and `agent.max_iterations` = 3 counts them all"];
    it.eyas(&format!("{train} --checkpoint first/model_4.pt --run_dir new --max_iterations 3"))
        .fail_with(&parts);
    assert!(!it.path("new").exists());
    assert!(files(&it.path("first")).contains(&"model_4.pt".to_owned()));
}
