//! Hand-written vector–Jacobian products agree with central differences of what they differentiate.

use eyas_lanes::{Isa, Kernel, LANES, Lanes, Real, Stream, dispatch_on};
use eyas_sim::{
    Body, Disturbance, HeldStep, LaggedStep, SpeedLag, State, VEHICLE_NUMBERS, Vehicle,
    matrix_from_quaternion, pull_back_matrix, step_held, step_lagged,
};

/// Control period of the tasks, s.
const DT: f64 = 0.01;
/// Numbers of a body, then force and torque.
const INPUTS: usize = 19;

/// Typical sizes of what goes into a step: m, 1, m/s, rad/s, N, N m.
const SIZES: [f64; INPUTS] =
    [3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 12.0, 12.0, 12.0, 0.3, 0.3, 0.6, 2e-3, 2e-3, 1e-3];

/// Normal numbers of a named place.
fn normal(stream: Stream, case: u32, index: usize) -> f64 {
    f64::from(stream.normals([index as u32, case, 0, 0])[0])
}

/// A vehicle that no symmetry protects: full inertia, tilted rotors, all rotors different.
fn vehicle(case: u32) -> Vehicle<f64> {
    let stream = Stream::new(3, "vehicle");
    let mut numbers = [0.0; VEHICLE_NUMBERS];
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = normal(stream, case, index);
    }
    for rotor in numbers[..44].chunks_exact_mut(11) {
        rotor[2] += 3.0;
        rotor[3..6].iter_mut().for_each(|torque| *torque *= 0.03);
        rotor[6] *= 5e-3;
        rotor[7] *= 2e-5;
        rotor[8] = 1e-7 * (2.0 + rotor[8].abs());
    }
    numbers[44] += 30.0;
    numbers[47] = -9.81;
    for (start, size) in [(48, 2.5e-5), (57, 4e4)] {
        for (entry, number) in numbers[start..start + 9].iter_mut().enumerate() {
            let diagonal = if entry % 4 == 0 { 1.0 } else { 0.0 };
            *number = size * (diagonal + 0.15 * *number);
        }
    }
    Vehicle::from_numbers(&numbers)
}

/// A random unit quaternion among random numbers of typical size.
fn inputs(case: u32) -> [f64; INPUTS] {
    let stream = Stream::new(5, "state");
    let mut values = [0.0; INPUTS];
    for (index, value) in values.iter_mut().enumerate() {
        *value = SIZES[index] * normal(stream, case, index);
    }
    let norm = values[3..7].iter().map(|q| q * q).sum::<f64>().sqrt();
    values[3..7].iter_mut().for_each(|q| *q /= norm);
    values
}

/// Derivative with respect to the body after the step, each entry of the size of 1 / its number.
fn covector(case: u32) -> [f64; 13] {
    let stream = Stream::new(7, "covector");
    std::array::from_fn(|index| normal(stream, case, index) / SIZES[index])
}

fn body<R: Real>(numbers: &[R]) -> Body<R> {
    Body {
        position: [numbers[0], numbers[1], numbers[2]],
        orientation: [numbers[3], numbers[4], numbers[5], numbers[6]],
        velocity: [numbers[7], numbers[8], numbers[9]],
        angular_velocity: [numbers[10], numbers[11], numbers[12]],
    }
}

fn numbers<R: Real>(body: &Body<R>) -> [R; 13] {
    let Body { position: p, orientation: q, velocity: v, angular_velocity: w } = body;
    [p[0], p[1], p[2], q[0], q[1], q[2], q[3], v[0], v[1], v[2], w[0], w[1], w[2]]
}

fn disturbance() -> Disturbance<f64> {
    Disturbance { force_world: [0.02, -0.03, 0.01], torque_body: [1e-4, 2e-4, -1e-4] }
}

fn step(vehicle: &Vehicle<f64>, inputs: &[f64; INPUTS], substeps: u32) -> [f64; 13] {
    let wrench = ([inputs[13], inputs[14], inputs[15]], [inputs[16], inputs[17], inputs[18]]);
    numbers(&step_held(vehicle, &body(inputs), wrench, &disturbance(), DT, substeps))
}

#[inline(always)]
fn pull_back<R: Real>(
    vehicle: &Vehicle<R>,
    disturbance: &Disturbance<R>,
    inputs: &[R; INPUTS],
    after: &[R; 13],
    substeps: u32,
) -> [R; INPUTS] {
    let held = HeldStep {
        vehicle,
        body: &body(inputs),
        wrench: ([inputs[13], inputs[14], inputs[15]], [inputs[16], inputs[17], inputs[18]]),
        disturbance,
        dt: DT,
        substeps,
    };
    let derivative = held.pull_back(&body(after));
    let mut out = [R::zero(); INPUTS];
    out[..13].copy_from_slice(&numbers(&derivative.body));
    out[13..16].copy_from_slice(&derivative.force);
    out[16..].copy_from_slice(&derivative.torque);
    out
}

/// `(f(x + h e) − f(x − h e)) / 2h` of a weighted sum of outputs.
fn central<const N: usize>(
    inputs: &[f64; N],
    index: usize,
    change: f64,
    value: impl Fn(&[f64; N]) -> f64,
) -> f64 {
    let (mut up, mut down) = (*inputs, *inputs);
    up[index] += change;
    down[index] -= change;
    (value(&up) - value(&down)) / (up[index] - down[index])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn a_held_step_pulls_back_what_central_differences_show() {
    for case in 0..40 {
        let (vehicle, inputs, after) = (vehicle(case), inputs(case), covector(case));
        let substeps = 1 + case % 3;
        let analytic = pull_back(&vehicle, &disturbance(), &inputs, &after, substeps);
        let scale = (0..INPUTS).map(|index| (analytic[index] * SIZES[index]).abs()).fold(0.0, f64::max);
        for index in 0..INPUTS {
            // The quotient's error falls with h² until rounding, 1e-16 / h, takes over.
            let numeric =
                central(&inputs, index, 1e-5 * SIZES[index], |x| dot(&step(&vehicle, x, substeps), &after));
            let error = (analytic[index] - numeric).abs() * SIZES[index];
            assert!(
                error < 1e-6 * scale,
                "case {case}, input {index}: {} against {numeric}",
                analytic[index]
            );
        }
    }
}

/// Numbers of a body and its rotor speeds, then set-points.
const LAGGED_INPUTS: usize = 21;
/// Typical size of a rotor speed, rad/s.
const SPEED: f64 = 1000.0;

/// A vehicle that time constants of 0.03 s to 0.3 s lag behind, and rotors that rise and fall.
fn lagged_case(case: u32) -> (Vehicle<f64>, [f64; LAGGED_INPUTS]) {
    let mut vehicle = vehicle(case);
    let stream = Stream::new(13, "lag");
    let unit = |index: u32| f64::from(stream.uniform([index, case, 0, 0]));
    (vehicle.speed_min, vehicle.speed_max) = (0.0, 2.0 * SPEED);
    for (index, rotor) in (0..).zip(&mut vehicle.rotors) {
        rotor.rising_rate = 1.0 / (0.03 + 0.1 * unit(index));
        rotor.falling_rate = 1.0 / (0.03 + 0.3 * unit(4 + index));
    }
    let mut numbers = [0.0; LAGGED_INPUTS];
    numbers[..13].copy_from_slice(&inputs(case)[..13]);
    for (index, speed) in (8..).zip(&mut numbers[13..]) {
        *speed = SPEED * (0.2 + 1.6 * unit(index));
    }
    (vehicle, numbers)
}

fn lagged_size(index: usize) -> f64 {
    if index < 13 { SIZES[index] } else { SPEED }
}

fn state(inputs: &[f64]) -> State<f64> {
    State::from_fields(*inputs.first_chunk().expect("17 numbers or more"))
}

fn lagged_step(vehicle: &Vehicle<f64>, inputs: &[f64; LAGGED_INPUTS], substeps: u32) -> [f64; 17] {
    let set_point = inputs.last_chunk().expect("four set-points");
    step_lagged(vehicle, &state(inputs), set_point, &disturbance(), DT, substeps).fields().map(|it| *it)
}

fn lagged_pull_back(
    vehicle: &Vehicle<f64>,
    inputs: &[f64; LAGGED_INPUTS],
    after: &[f64; 17],
    substeps: u32,
) -> Vec<f64> {
    let step = LaggedStep {
        vehicle,
        state: &state(inputs),
        set_point: inputs.last_chunk().expect("four set-points"),
        disturbance: &disturbance(),
        dt: DT,
        substeps,
    };
    let (before, of_set_point) = step.pull_back(&State::from_fields(*after));
    before.fields().into_iter().copied().chain(of_set_point).collect()
}

fn lagged_covector(case: u32) -> [f64; 17] {
    let stream = Stream::new(15, "covector");
    std::array::from_fn(|index| normal(stream, case, index) / lagged_size(index))
}

#[test]
fn a_lagged_step_pulls_back_what_central_differences_show() {
    for case in 0..40 {
        let (vehicle, inputs) = lagged_case(case);
        let after = lagged_covector(case);
        let substeps = 1 + case % 3;
        let analytic = lagged_pull_back(&vehicle, &inputs, &after, substeps);
        let scale = (0..LAGGED_INPUTS).map(|it| (analytic[it] * lagged_size(it)).abs()).fold(0.0, f64::max);
        for index in 0..LAGGED_INPUTS {
            let size = lagged_size(index);
            let numeric =
                central(&inputs, index, 1e-5 * size, |x| dot(&lagged_step(&vehicle, x, substeps), &after));
            let error = (analytic[index] - numeric).abs() * size;
            assert!(
                error < 1e-6 * scale,
                "case {case}, input {index}: {} against {numeric}",
                analytic[index]
            );
        }
    }
}

#[test]
fn what_a_lagged_step_clips_passes_nothing_back() {
    let (vehicle, mut inputs) = lagged_case(0);
    let after = lagged_covector(0);
    // Rotor 2 starts so far above its range that it is still outside after the step.
    inputs[15] = 10.0 * SPEED;
    // Position x is beyond what a state may hold.
    inputs[0] = 2e5;
    let end = lagged_step(&vehicle, &inputs, 1);
    assert_eq!((end[0], end[15]), (1e5, vehicle.speed_max));
    let analytic = lagged_pull_back(&vehicle, &inputs, &after, 1);
    assert!(analytic[0].abs() < f64::MIN_POSITIVE, "{}", analytic[0]);
    // Thrust during the step still matters; the speed itself no longer does.
    let mut only_speed = [0.0; 17];
    only_speed[15] = after[15];
    assert!(
        lagged_pull_back(&vehicle, &inputs, &only_speed, 1)
            .iter()
            .all(|value| value.abs() < f64::MIN_POSITIVE)
    );
    for index in [13, 15, 19] {
        let numeric = central(&inputs, index, 1e-3, |x| dot(&lagged_step(&vehicle, x, 1), &after));
        assert!((analytic[index] - numeric).abs() < 1e-5 * numeric.abs().max(1e-4), "input {index}");
    }
}

#[test]
fn where_a_rotor_has_reached_its_set_point_the_step_pulls_back_a_one_sided_slope() {
    let (vehicle, mut inputs) = lagged_case(1);
    // At the kink between the two time constants; without a rate there is nothing to compare on either side.
    inputs[17] = inputs[13];
    let mut after = [0.0; 17];
    after[13] = 1.0;
    let analytic = lagged_pull_back(&vehicle, &inputs, &after, 1);
    let value = |change: f64| {
        let mut moved = inputs;
        moved[17] += change;
        lagged_step(&vehicle, &moved, 1)[13]
    };
    let [rising, falling] = [1e-3, -1e-3].map(|change| (value(change) - value(0.0)) / change);
    assert!((rising - falling).abs() > 1e-2, "the two slopes must differ for the case to say anything");
    assert!((analytic[17] - rising).abs() < 1e-8, "{} against {rising}", analytic[17]);
}

#[test]
fn a_wrench_pulls_back_what_central_differences_show() {
    for case in 0..20 {
        let vehicle = vehicle(case);
        let stream = Stream::new(9, "speeds");
        let speeds: [f64; 4] = std::array::from_fn(|rotor| 1000.0 + 400.0 * normal(stream, case, rotor));
        let weights: [f64; 6] = std::array::from_fn(|index| normal(stream, case, 10 + index));
        let [a, b, c, d, e, f] = weights;
        let analytic = vehicle.pull_back_wrench(&speeds, [a, b, c], [d, e, f]);
        for rotor in 0..4 {
            let numeric = central(&speeds, rotor, 1e-2, |speeds| {
                let (force, torque) = vehicle.wrench(speeds);
                dot(&[force, torque].concat(), &weights)
            });
            // A parabola: only rounding is left.
            let error = (analytic[rotor] - numeric).abs();
            assert!(error < 1e-8 * analytic[rotor].abs().max(1e-4), "{} against {numeric}", analytic[rotor]);
        }
    }
}

#[test]
fn a_lag_and_a_rotation_matrix_pull_back_what_central_differences_show() {
    let lag = SpeedLag::new(DT, 0.05);
    let (of_speed, of_set_point) = lag.pull_back(3.0);
    let numeric = [0, 1].map(|index| central(&[700.0, 1300.0], index, 1.0, |x| 3.0 * lag.apply(x[0], x[1])));
    assert!((of_speed - numeric[0]).abs() < 1e-9 && (of_set_point - numeric[1]).abs() < 1e-9);

    for case in 0..10 {
        let stream = Stream::new(11, "matrix");
        let quaternion: [f64; 4] = std::array::from_fn(|index| normal(stream, case, index));
        let weights: [f64; 9] = std::array::from_fn(|index| normal(stream, case, 10 + index));
        let rows = [0, 3, 6].map(|start| [weights[start], weights[start + 1], weights[start + 2]]);
        let analytic = pull_back_matrix(quaternion, &rows);
        for index in 0..4 {
            let numeric =
                central(&quaternion, index, 1e-3, |q| dot(&matrix_from_quaternion(*q).concat(), &weights));
            assert!((analytic[index] - numeric).abs() < 1e-9, "{} against {numeric}", analytic[index]);
        }
    }
}

/// The same random case in every lane, one case for each lane.
struct OnLanes;

impl Kernel for OnLanes {
    type Output = [[f32; LANES]; INPUTS];

    #[inline(always)]
    fn run<L: Lanes>(self) -> Self::Output {
        let (mut inputs_of, mut after_of) = ([[0.0; LANES]; INPUTS], [[0.0; LANES]; 13]);
        for lane in 0..LANES {
            for (values, value) in inputs_of.iter_mut().zip(inputs(lane as u32)) {
                values[lane] = value as f32;
            }
            for (values, value) in after_of.iter_mut().zip(covector(lane as u32)) {
                values[lane] = value as f32;
            }
        }
        let vehicle = vehicle(0).to_lanes::<L, false>();
        let still = disturbance();
        let disturbance = Disturbance {
            force_world: still.force_world.map(L::constant),
            torque_body: still.torque_body.map(L::constant),
        };
        let inputs = inputs_of.map(|values| L::from_array(&values));
        let after = after_of.map(|values| L::from_array(&values));
        pull_back(&vehicle, &disturbance, &inputs, &after, 2).map(L::to_array)
    }
}

#[test]
fn lanes_pull_back_what_f64_does_and_the_same_bytes_on_every_instruction_set() {
    let reference = dispatch_on(Isa::Portable, OnLanes);
    for isa in Isa::available() {
        let found = dispatch_on(isa, OnLanes);
        assert!(
            found
                .as_flattened()
                .iter()
                .zip(reference.as_flattened())
                .all(|(a, b)| a.to_bits() == b.to_bits()),
            "{isa} differs"
        );
    }
    for lane in 0..LANES {
        let case = lane as u32;
        let exact = pull_back(&vehicle(0), &disturbance(), &inputs(case), &covector(case), 2);
        let scale = (0..INPUTS).map(|index| (exact[index] * SIZES[index]).abs()).fold(0.0, f64::max);
        for index in 0..INPUTS {
            let error = (f64::from(reference[index][lane]) - exact[index]).abs() * SIZES[index];
            // A few hundred roundings of 6e-8.
            assert!(error < 1e-5 * scale, "lane {lane}, input {index}: {error:e} of {scale:e}");
        }
    }
}
