//! What goes into a firmware compiles against its interfaces, and commands what the policy does in the states it is in.

use std::fs;
use std::path::Path;
use std::process::Command;

use eyas_fly::{Executor, Rates};
use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, FormatError, LoadOptions};
use eyas_policy::{Activation, Architecture, Cell, Contract, Core, ObservationPart, Output, Policy};

use crate::c::compilers;
use crate::fixtures::{data, network, normalizer};

const CRAZYFLIE_ORDER: &str = "front right, back right, back left, front left";
const POINT_ORDER: &str = "front left, front right, back right, back left";

/// What `Eyas-Raptor-v0` and `Isaac-Quadcopter-Point-Ctrl-v0` observe: a part's name, width and frame.
const RAPTOR: [(&str, usize, &str); 5] = [
    ("position_error", 3, "world"),
    ("rotation_matrix", 9, "world_from_body"),
    ("velocity_error", 3, "world"),
    ("angular_velocity", 3, "body"),
    ("previous_action", 4, "motors"),
];
const POINT: [(&str, usize, &str); 5] = [
    ("position_error", 3, "body"),
    ("rotation_matrix", 9, "world_from_body"),
    ("velocity_error", 3, "body"),
    ("angular_velocity", 3, "body"),
    ("previous_set_point", 4, "motors"),
];

fn policy() -> Policy {
    let core = Some(Core { cell: Cell::Gru, width: 16, layers: 1 });
    let architecture = Architecture { core, ..Architecture::mlp(22, &[], 4, Activation::Elu) };
    Policy { normalizer: Some(normalizer(22)), network: network(architecture), output: Output::Tanh }
}

fn contract(policy: &Policy, parts: &[(&str, usize, &str)], order: &str) -> Contract {
    let mut contract = Contract::of(policy);
    let part = |(name, width, frame): &(&str, usize, &str)| ObservationPart {
        name: (*name).to_owned(),
        width: *width,
        frame: (*frame).to_owned(),
        unit: "1".to_owned(),
        meaning: "for a test".to_owned(),
    };
    contract.observation.parts = parts.iter().map(part).collect();
    contract.control_rate_hz = Some(100.0);
    contract.action.motor_order = Some(order.to_owned());
    contract
}

fn write(folder: &Path, kind: Kind, contract: &Contract) -> Result<convert::Written, FormatError> {
    let export = Export { policy: &policy(), contract, std: None, critic: None, iteration: 0 };
    convert::write(folder, kind, &export)
}

/// What a firmware knows of a vehicle, x forward, y left, z up, in one frame of the world for all.
#[derive(Clone, Copy)]
struct Instant {
    milliseconds: u32,
    target: [f64; 3],
    wanted: [f64; 3],
    yaw: f64,
    position: [f64; 3],
    velocity: [f64; 3],
    /// Roll, pitch and yaw about the axes x, y, z of this frame, yaw first.
    attitude: [f64; 3],
    angular_velocity: [f64; 3],
}

impl Instant {
    fn at(milliseconds: u32) -> Self {
        let wave =
            |place: f64, rate: f64, size: f64| size * (f64::from(milliseconds) * 1e-3 * rate + place).sin();
        let vector = |place: f64, size: f64| [0.0, 1.0, 2.0].map(|axis| wave(place + axis, 2.0 + axis, size));
        Self {
            milliseconds,
            target: vector(0.3, 0.2),
            wanted: [0.0; 3],
            yaw: 0.7,
            // Beyond the limits now and then.
            position: vector(1.0, 0.6),
            velocity: vector(2.0, 1.3),
            attitude: [wave(0.1, 3.0, 0.6), wave(0.2, 4.0, 0.5), wave(0.3, 1.0, 2.0)],
            angular_velocity: vector(3.0, 4.0),
        }
    }

    /// Row-major, z-y-x.
    fn world_from_body(&self) -> [[f64; 3]; 3] {
        let [[sr, cr], [sp, cp], [sy, cy]] = self.attitude.map(|angle| [angle.sin(), angle.cos()]);
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    }

    /// w, x, y, z.
    fn quaternion(&self) -> [f64; 4] {
        let [[sr, cr], [sp, cp], [sy, cy]] =
            self.attitude.map(|angle| [(angle / 2.0).sin(), (angle / 2.0).cos()]);
        [
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        ]
    }

    /// All but the last four features, which the executor fills in.
    fn observation(&self, is_body: bool) -> [f32; 22] {
        let (s, c) = self.yaw.sin_cos();
        let turned = |[x, y, z]: [f64; 3]| [c * x + s * y, c * y - s * x, z];
        let minus = |a: [f64; 3], b: [f64; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
        let columns = self.world_from_body();
        let rotation = {
            let column = |index: usize| turned([columns[0][index], columns[1][index], columns[2][index]]);
            let columns = [column(0), column(1), column(2)];
            [0, 1, 2].map(|row| [0, 1, 2].map(|index| columns[index][row]))
        };
        let seen = |error: [f64; 3], limit: f64| {
            let error = turned(error).map(|it| it.clamp(-limit, limit));
            let of_body = |axis: usize| (0..3).map(|row| rotation[row][axis] * error[row]).sum::<f64>();
            if is_body { [0, 1, 2].map(of_body) } else { error }
        };
        let mut features = seen(minus(self.position, self.target), 0.5).to_vec();
        features.extend(rotation.as_flattened());
        features.extend(seen(minus(self.velocity, self.wanted), 1.0));
        features.extend(self.angular_velocity);
        features.extend([0.0; 4]);
        let features: Vec<f32> = features.into_iter().map(|it| it as f32).collect();
        features.try_into().unwrap()
    }
}

/// Compiles all C files of a folder against the interface of a firmware, and feeds the program.
fn drive(
    compiler: &str,
    flags: &[&str],
    firmware: &str,
    sources: &Path,
    records: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let interface = data("firmware").join(firmware);
    let program = sources.join("drive");
    let strict = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wdouble-promotion", "-O2"];
    let mut objects = Vec::new();
    let files = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|it| it == "c"));
    for file in files.chain([interface.join("drive.c")]) {
        let object = sources.join(file.file_name().unwrap()).with_extension("o");
        let mut command = Command::new(compiler);
        command.args(strict).args(flags).arg("-I").arg(&interface).arg("-I").arg(sources);
        let output = command.arg("-c").arg(&file).arg("-o").arg(&object).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{compiler} {flags:?} {}: {said}", file.display());
        objects.push(object);
    }
    let output = Command::new(compiler).args(&objects).arg("-lm").arg("-o").arg(&program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for object in objects {
        fs::remove_file(object).unwrap();
    }
    let bytes: Vec<u8> = records.iter().flatten().flat_map(|it| it.to_ne_bytes()).collect();
    fs::write(sources.join("records"), bytes).unwrap();
    let input = fs::File::open(sources.join("records")).unwrap();
    let output = Command::new(program).stdin(input).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers = output.stdout.chunks_exact(4).map(|it| f32::from_ne_bytes(it.try_into().unwrap()));
    let numbers: Vec<f32> = numbers.collect();
    let out: Vec<Vec<f32>> = numbers.chunks(5).map(<[f32]>::to_vec).collect();
    assert_eq!(out.len(), records.len());
    out
}

/// `[fly, set-point is a position, thrust of the PID]` and an instant, as the program beside the Crazyflie's interface reads them.
fn crazyflie_record(instant: &Instant, [fly, is_position, thrust]: [f32; 3]) -> Vec<f32> {
    let mut record = vec![instant.milliseconds as f32, fly, is_position, thrust];
    let mut push = |numbers: &[f64]| record.extend(numbers.iter().map(|it| *it as f32));
    push(&instant.target);
    push(&instant.wanted);
    push(&[instant.yaw.to_degrees()]);
    push(&instant.position);
    push(&instant.velocity);
    push(&instant.quaternion());
    push(&instant.angular_velocity.map(f64::to_degrees));
    record
}

fn executor(first_action: f32, bytes: &[u8]) -> Executor<'_, 22, 4, 16, 140> {
    let rates = Rates {
        native_ns: 10_000_000,
        call_ns: 2_000_000,
        timeout_ns: 50_000_000,
        previous_action: Some(18),
        first_action,
    };
    Executor::new(eyas_fly::Policy::new(bytes).unwrap(), rates).unwrap()
}

/// The policy for `eyas-fly`, whose executor is the oracle here.
fn flash(policy: &Policy) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.bin");
    let contract = Contract::of(policy);
    let export = Export { policy, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(&path, Kind::Fly, &export).unwrap();
    fs::read(path).unwrap()
}

/// Sums in another order, and features whose sines and cosines are of single precision.
const TOLERANCE: f32 = 2e-5;

/// The executor's actions at 500 Hz from `start` to `end`, for each millisecond.
fn flown(first_action: f32, start: u32, end: u32) -> Vec<[f32; 4]> {
    let bytes = flash(&policy());
    let mut executor = executor(first_action, &bytes);
    let mut action = [0.0; 4];
    let step = |milliseconds: u32| {
        if milliseconds == start || milliseconds.is_multiple_of(2) {
            let observation = Instant::at(milliseconds).observation(false);
            action = executor.control(u64::from(milliseconds) * 1_000_000, &observation).unwrap().action;
        }
        action
    };
    (start..end).map(step).collect()
}

#[test]
fn a_crazyflies_controller_commands_what_the_policy_does() {
    let folder = tempfile::tempdir().unwrap();
    let written =
        write(folder.path(), Kind::Crazyflie, &contract(&policy(), &RAPTOR, CRAZYFLIE_ORDER)).unwrap();
    assert_eq!(written.beside.len(), 8);
    let sources = folder.path().join("src");
    // The PID on the ground; turning motors, then the policy from 601 ms on; another set-point, back in the air; a number
    // that is not finite, and switched on anew.
    let situation = |milliseconds: u32| match milliseconds {
        0..101 => [0.0, 1.0, 0.0],
        1500..1600 => [1.0, 0.0, 30_000.0],
        2300..2400 => [0.0, 1.0, 30_000.0],
        _ => [1.0, 1.0, 30_000.0],
    };
    let mut records: Vec<Vec<f32>> =
        (0..3000).map(|it| crazyflie_record(&Instant::at(it), situation(it))).collect();
    records[2200][11] = f32::NAN;
    let phases = [(601, 1500, 2.0_f32.mul_add(0.15, -1.0)), (1600, 2200, 0.0), (2400, 3000, 0.0)];
    for compiler in compilers() {
        for flags in [&[][..], &["-DCONFIG_ENABLE_THRUST_BAT_COMPENSATED"]] {
            let found = drive(compiler, flags, "crazyflie", &sources, &records);
            let pid = |thrust: f32| vec![0.0, thrust, 0.0, 0.0, 0.0];
            assert_eq!(found[100], pid(0.0));
            assert_eq!(found[101], [2.0, 0.15, 0.15, 0.15, 0.15]);
            assert_eq!(found[600], [2.0, 0.15, 0.15, 0.15, 0.15]);
            for milliseconds in (1500..1600).chain(2200..2400) {
                assert_eq!(found[milliseconds], pid(30_000.0), "{milliseconds}");
            }
            let curve = |u: f32| (0.003_525_26 + u * (0.014_373_13 + u * 0.092_230_48)) / 0.12;
            let force = |action: f32| {
                let u = 0.5 * (action + 1.0);
                if flags.is_empty() { u } else { curve(u).min(1.0) }
            };
            for (start, end, first) in phases {
                for (index, action) in flown(first, start, end).iter().enumerate() {
                    let at = start as usize + index;
                    for (found, action) in found[at][1..].iter().zip(action) {
                        let expected = force(*action);
                        assert!((found - expected).abs() < TOLERANCE, "{at} ms: {found} for {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_indiflights_controller_commands_what_the_policy_does_in_its_frames_and_order() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Kind::Betaflight, &contract(&policy(), &RAPTOR, CRAZYFLIE_ORDER)).unwrap();
    let down = |[x, y, z]: [f64; 3]| [x, -y, -z];
    let record = |instant: &Instant| {
        let mut record = vec![instant.milliseconds as f32];
        let mut push = |numbers: &[f64]| record.extend(numbers.iter().map(|it| *it as f32));
        push(&down(instant.target));
        push(&[-instant.yaw]);
        push(&down(instant.position));
        push(&down(instant.velocity));
        push(&down(instant.attitude));
        push(&down(instant.angular_velocity));
        push(&[1000.0; 4]);
        record
    };
    // Every 2 ms, over the end of a clock of 32 bits.
    let instants: Vec<Instant> = (0..1000).map(|it| Instant::at(2 * it)).collect();
    let mut records: Vec<Vec<f32>> = instants.iter().map(record).collect();
    records[999][6] = f32::INFINITY;
    let bytes = flash(&policy());
    let mut executor = executor(0.0, &bytes);
    let expected: Vec<[f32; 4]> = instants[..999]
        .iter()
        .map(|it| {
            let now = u64::from(it.milliseconds) * 1_000_000;
            executor.control(now, &it.observation(false)).unwrap().action
        })
        .collect();
    for compiler in compilers() {
        // As Betaflight itself is compiled; clang has no way back from it.
        let fast: &[&str] = if compiler.starts_with("gcc") { &["-ffast-math"] } else { &[] };
        let found = drive(compiler, fast, "indiflight", folder.path(), &records);
        for (step, (found, [front_right, back_right, back_left, front_left])) in
            found.iter().zip(&expected).enumerate()
        {
            assert_eq!(found[0].to_bits(), 0);
            let order = [back_right, front_right, back_left, front_left];
            for (found, action) in found[1..].iter().zip(order) {
                let expected = 0.5 * (action + 1.0);
                assert!((found - expected).abs() < TOLERANCE, "{step}: {found} for {expected}");
            }
        }
        assert_eq!(found[999][0].to_bits(), 1.0_f32.to_bits(), "it gives up at a number that is not finite");
    }
}

#[test]
fn errors_in_the_bodys_frame_and_another_order_of_motors_are_turned_into_the_firmwares() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Kind::Crazyflie, &contract(&policy(), &POINT, POINT_ORDER)).unwrap();
    let sources = folder.path().join("src");
    // The first step in the air: the action before is 0, and as a set-point 1/2.
    let instant = Instant::at(1234);
    let records = [crazyflie_record(&instant, [0.0, 1.0, 1.0]), crazyflie_record(&instant, [1.0, 1.0, 1.0])];
    let mut observation = instant.observation(true);
    observation[18..].fill(0.5);
    let expected = eyas_policy::Inference::new(&policy()).act_on_record(&observation, 1, 1);
    let [front_left, front_right, back_right, back_left] = expected.try_into().unwrap();
    for compiler in compilers() {
        let found = &drive(compiler, &[], "crazyflie", &sources, &records)[1];
        for (found, action) in found[1..].iter().zip([front_right, back_right, back_left, front_left]) {
            let expected = 0.5 * (action + 1.0);
            assert!((found - expected).abs() < TOLERANCE, "{found} for {expected}");
        }
    }
}

#[test]
fn what_is_written_is_read_back_and_what_a_firmware_cannot_feed_is_refused_before_anything_is_written() {
    let right = contract(&policy(), &RAPTOR, CRAZYFLIE_ORDER);
    for kind in [Kind::Crazyflie, Kind::Betaflight] {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("hover").with_extension(kind.extension());
        write(&target, kind, &right).unwrap();
        assert!(convert::read_back(&target, kind, &right).unwrap() == 0.0);
        let found = Checkpoint::read(&kind.artefact(&target)).unwrap();
        assert_eq!(found.policy(&LoadOptions::default()).unwrap().policy.network, policy().network);

        let mut no_order = right.clone();
        no_order.action.motor_order = None;
        let mut thrust = right.clone();
        thrust.action.motor_order = Some("thrust, roll, pitch, yaw".to_owned());
        let mut spin = right.clone();
        spin.action.spin = Some(["cw", "ccw", "cw", "ccw"].map(str::to_owned).to_vec());
        let rotor_speed = ("rotor_speed", 4, "motors");
        let teacher =
            contract(&policy(), &[RAPTOR[0], RAPTOR[1], RAPTOR[2], RAPTOR[3], rotor_speed], CRAZYFLIE_ORDER);
        for (wrong, what) in [
            (Contract { control_rate_hz: None, ..right.clone() }, "nothing states the rate"),
            (Contract { control_rate_hz: Some(9000.0), ..right.clone() }, "steps 9000 times a second"),
            (no_order, "nothing states the order of the motors"),
            (thrust, "actions that are thrust, roll, pitch, yaw"),
            (spin, "a rotor that turns cw where its own turns ccw, front right"),
            (teacher, "the feature `rotor_speed` (4 numbers, motors)"),
            (Contract::of(&policy()), "nothing states the observation"),
        ] {
            let target = folder.path().join("refused");
            let error = write(&target, kind, &wrong).unwrap_err();
            assert!(matches!(error, FormatError::Inexpressible { .. }), "{error}");
            assert!(error.to_string().contains(what), "{error}");
            assert!(!target.exists());
        }
    }
}
