//! Reverse mode over recorded steps and observations against the adjoints by hand, in double precision.

use eyas_lanes::{Fields as _, Real as _};
use eyas_sim::{Body, Disturbance, Langevin, State, Vehicle, VehicleParameters};
use eyas_trace::{Constants, Form, Program, Traced, record};

use super::{arranged, askew, direct, made, normal, numbers, point, raptor};
use crate::reality::under_voltage;
use crate::recorded::driver::{TracedDriver, TracedVerdict};
use crate::recorded::{Surroundings, TaskRecorder, flown, moment};
use crate::task::{Action, After, Flown, LimitsOf, Moment};
use crate::{
    Derivative, Differentiable, Direct, DirectSurrogate, FlownStep, Point, PointSurrogate, Raptor,
    RaptorSurrogate, TaskConfig as _,
};

/// Constants in double precision: in single precision those of a formula and of its adjoint, such as α and 1 − α, fit
/// together to seven digits only.
const FORM: Form = Form { constants: Constants::AsWritten, functions: eyas_trace::Functions::Whole };

const CASES: u32 = 200;

/// Errors over the largest slope.
const TOLERANCE: f64 = 1e-10;

/// A task, and who flies it.
struct Tested<'a, T: Differentiable> {
    task: T,
    surrogate: T::Surrogate,
    vehicle: &'a VehicleParameters,
    limits: Vec<f64>,
    /// Rotor speeds around which states are drawn, and how far from it.
    speeds: [f64; 2],
}

/// A random state near the limits of tasks, so that every barrier is at work.
fn state(case: u32, [middle, spread]: [f64; 2]) -> Vec<f64> {
    let mut state: Vec<f64> = (0..17)
        .map(|index| {
            let size = match index {
                3..7 => 1.0,
                7..10 => 2.0,
                10..13 => 15.0,
                _ => 0.8,
            };
            size * normal("state", case, index)
        })
        .collect();
    let norm = state[3..7].iter().map(|it| it * it).sum::<f64>().sqrt();
    state[3..7].iter_mut().for_each(|it| *it /= norm);
    state[13..].iter_mut().for_each(|it| *it = middle + spread * it.clamp(-1.0, 1.0));
    state
}

fn random(name: &str, case: u32, count: usize, size: f64) -> Vec<f64> {
    (0..count).map(|index| size * normal(name, case, index)).collect()
}

impl<T: Differentiable> Tested<'_, T> {
    fn num_memory() -> usize {
        numbers::<T::Memory, ()>(&T::Memory::splat(())).len()
    }

    /// The first numbers of memory are what observations and costs know of the last command.
    fn num_commands() -> usize {
        Self::num_memory().min(4)
    }

    /// The cost of a step, and what later costs depend on: state and command after it.
    fn forward<const ALIGNED: bool>(&self, surroundings: Surroundings) -> Program {
        record(FORM, |recorder| {
            let first = flown::<ALIGNED>(recorder, surroundings);
            let before = moment::<T>(recorder);
            let limits = recorder.input::<T::Limits>("limits");
            let action = recorder.input::<[(); 4]>("action");
            let reference_after = recorder.input::<[(); 3]>("reference_after");
            let (mut voltage, mut applied) = (None, None);
            if surroundings == Surroundings::Reality {
                let [share] = recorder.input::<[(); 1]>("voltage");
                (voltage, applied) = (Some(share), Some(action.map(|it| under_voltage(it, share))));
            }
            let action_of = Action { given: action, applied };
            let mut driver = TracedDriver::new(&self.task, recorder);
            let mut verdict = TracedVerdict::default();
            let After { state, memory } =
                self.task.step(&first, &before, &limits, &action_of, &mut driver, &mut verdict);
            let zero = Traced::zero();
            let mut derivative = Derivative { state: State::from_fields([zero; 17]), command: [zero; 4] };
            let again = Flown { vehicle: first.vehicle, disturbance: first.disturbance };
            let after = state.body;
            let step = FlownStep { flown: again, voltage, before, action, after, reference_after };
            let (cost, _) = self.task.pull_back_step(&self.surrogate, &step, &limits, &mut derivative);
            recorder.output::<[(); 1]>("cost", &[cost]);
            recorder.output::<State<()>>("state", &state);
            let memory = numbers::<T::Memory, Traced>(&memory);
            recorder.output_numbers("command", &memory[..Self::num_commands()]);
        })
    }

    fn moment(before: &[f64], memory: &[f64], reference: &[f64]) -> Moment<f64, T> {
        Moment {
            state: made::<State<()>>(before),
            memory: made::<T::Memory>(memory),
            reference: made::<Langevin<()>>(reference),
        }
    }

    /// The slope along the last command of slopes along the numbers of memory, in which it may stand twice.
    fn of_command(slopes: &[f64]) -> [f64; 4] {
        let mut command = [0.0; 4];
        for (index, slope) in slopes.iter().enumerate().take(8) {
            command[index % 4] += slope;
        }
        command
    }

    fn steps_agree<const ALIGNED: bool>(&self, surroundings: Surroundings) {
        let program = self.forward::<ALIGNED>(surroundings);
        let vehicle = Vehicle::new(self.vehicle).to_lanes::<f64, ALIGNED>();
        for case in 0..CASES {
            let before = state(case, self.speeds);
            let memory: Vec<f64> = random("memory", case, Self::num_memory(), 0.3);
            let reference = random("reference", case, 12, 0.3);
            let action = random("action", case, 4, 0.9);
            let (force, mut torque) = (random("force", case, 3, 0.05), vec![0.0; 3]);
            let mut voltage = None;
            if surroundings == Surroundings::Reality {
                torque = random("torque", case, 3, 1e-5);
                voltage = Some(0.8 + 0.05 * normal("voltage", case, 0).clamp(-1.0, 1.0));
            }
            let reference_after = random("reference after", case, 3, 0.3);
            let inputs = arranged(
                &program,
                &[
                    ("vehicle", vehicle.numbers().to_vec()),
                    ("force", force.clone()),
                    ("torque", torque.clone()),
                    ("state", before.clone()),
                    ("memory", memory.clone()),
                    ("reference", reference.clone()),
                    ("limits", self.limits.clone()),
                    ("action", action.clone()),
                    ("reference_after", reference_after.clone()),
                    ("voltage", vec![voltage.unwrap_or(1.0)]),
                ],
            );
            let replay = program.replay::<f64>(&inputs, |draw| unreachable!("{draw}"));
            let mut later = random("later", case, 17, 1.0);
            if T::ALWAYS_ALIGNED {
                // A rigid body has no rotors.
                later[13..].fill(0.0);
            }
            let of_command = random("later command", case, Self::num_commands(), 1.0);
            let seeds: Vec<f64> = [1.0].into_iter().chain(later.clone()).chain(of_command.clone()).collect();
            let slopes = replay.pull_back(&seeds);

            let three = |it: &[f64]| *it.first_chunk::<3>().expect("three numbers");
            let four = |it: &[f64]| *it.first_chunk::<4>().expect("four numbers");
            let after = replay.numbers("state");
            let disturbance = Disturbance { force_world: three(&force), torque_body: three(&torque) };
            let step = FlownStep {
                flown: Flown { vehicle, disturbance },
                voltage,
                before: Self::moment(&before, &memory, &reference),
                action: four(&action),
                after: made::<Body<()>>(&after[..13]),
                reference_after: three(&reference_after),
            };
            let mut command = [0.0; 4];
            command[..of_command.len()].copy_from_slice(&of_command);
            let later = State::from_fields(*later.first_chunk().expect("17 numbers"));
            let mut derivative = Derivative { state: later, command };
            let limits: LimitsOf<T, f64> = made::<T::Limits>(&self.limits);
            let (cost, of_action) =
                self.task.pull_back_step(&self.surrogate, &step, &limits, &mut derivative);
            assert!((cost - replay.numbers("cost")[0]).abs() < TOLERANCE * cost.abs().max(1.0));

            let of = |name: &str| &slopes[program.input(name)];
            let found: Vec<f64> = of("state")
                .iter()
                .copied()
                .chain(Self::of_command(of("memory")))
                .chain(four(of("action")))
                .collect();
            let mut expected: Vec<f64> = derivative.state.fields().into_iter().copied().collect();
            if Self::num_commands() > 0 {
                expected.extend(derivative.command);
            } else {
                expected.extend([0.0; 4]);
            }
            expected.extend(of_action);
            agree(case, &found, &expected);
        }
    }

    fn observations_agree(&self) {
        let program = TaskRecorder { task: &self.task, form: FORM }.observe();
        let vehicle = Vehicle::new(self.vehicle);
        let num_features = program.outputs()[0].len();
        for case in 0..CASES {
            let before = state(case, self.speeds);
            let memory: Vec<f64> = random("memory", case, Self::num_memory(), 0.3);
            let reference = random("reference", case, 12, 0.3);
            let seen = random("slopes", case, num_features, 1.0);
            let inputs = arranged(
                &program,
                &[
                    ("vehicle", vehicle.numbers().to_vec()),
                    ("state", before.clone()),
                    ("memory", memory.clone()),
                    ("reference", reference.clone()),
                ],
            );
            let slopes = program.replay::<f64>(&inputs, |draw| unreachable!("{draw}")).pull_back(&seen);
            let mut derivative = Derivative::default();
            let moment = Self::moment(&before, &memory, &reference);
            self.task.pull_back_observation(&vehicle, &moment, &seen.as_slice(), &mut derivative);
            let of = |name: &str| &slopes[program.input(name)];
            let found: Vec<f64> = of("state").iter().copied().chain(Self::of_command(of("memory"))).collect();
            let expected: Vec<f64> =
                derivative.state.fields().into_iter().copied().chain(derivative.command).collect();
            agree(case, &found, &expected);
        }
    }
}

fn agree(case: u32, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1.0_f64, |largest, it| largest.max(it.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= TOLERANCE * largest, "case {case}, number {index}: {found} against {expected}");
    }
}

#[test]
fn the_point_task() {
    let config = point();
    let limit = config.robot.action_limit;
    let tested = |vehicle| Tested {
        task: Point::new(&config),
        surrogate: PointSurrogate::default(),
        vehicle,
        limits: Vec::new(),
        speeds: [0.6 * limit.max, 0.2 * limit.max],
    };
    let straight = tested(&config.robot);
    straight.steps_agree::<true>(Surroundings::Push);
    straight.steps_agree::<true>(Surroundings::Reality);
    straight.observations_agree();
    let askew = askew(&config.robot);
    tested(&askew).steps_agree::<false>(Surroundings::Push);
    tested(&askew).steps_agree::<false>(Surroundings::Reality);
}

#[test]
fn the_raptor_environment() {
    let config = raptor();
    let limit = config.robot.action_limit;
    let tested = |vehicle| Tested {
        task: Raptor::new(&config),
        surrogate: RaptorSurrogate::default(),
        vehicle,
        // Start, end, force.
        limits: vec![0.2, 1.0, 0.02],
        speeds: [0.5 * (limit.max + limit.min), 0.3 * (limit.max - limit.min)],
    };
    let straight = tested(&config.robot);
    straight.steps_agree::<true>(Surroundings::Push);
    straight.steps_agree::<true>(Surroundings::Reality);
    straight.observations_agree();
    let askew = askew(&config.robot);
    tested(&askew).steps_agree::<false>(Surroundings::Push);
    tested(&askew).steps_agree::<false>(Surroundings::Reality);
}

#[test]
fn the_task_of_isaac_lab() {
    let config = direct();
    let tested = Tested {
        task: Direct::new(&config),
        surrogate: DirectSurrogate::default(),
        vehicle: config.vehicle(),
        limits: Vec::new(),
        speeds: [0.0, 0.0],
    };
    tested.steps_agree::<true>(Surroundings::Push);
    tested.observations_agree();
}
