//! Tasks recorded as lists of operations.

pub(crate) mod reality;

use eyas_lanes::{Draws as _, Real as _};
use eyas_sim::{Body, Disturbance, Langevin, State, VEHICLE_NUMBERS, Vector, Vehicle};
use eyas_trace::{Form, Program, Recorder, Traced, record};

use self::reality::RealityRecorder;
use crate::block::REFERENCE_STREAM;
use crate::target::{Path, Target};
use crate::task::{Action, BlockRules, Flown, Judged, MemoryOf, Moment, Start, Task};
use crate::{Derivative, Differentiable, FlownStep};

/// A formula of a task, recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What it does.
    pub name: String,
    /// How.
    pub program: Program,
}

impl Recorded {
    fn new(name: &str, program: Program) -> Self {
        Self { name: name.to_owned(), program }
    }
}

/// What acts on a vehicle in a recorded step beside its rotors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surroundings {
    /// A force with which somebody [interferes](crate::Interference).
    Push,
    /// What [`RealityConfig`](crate::RealityConfig) adds: force and torque of the air, actions that come late or at the
    /// voltage of a battery.
    Reality,
}

/// Records the formulas of a task in a form.
pub struct TaskRecorder<'a, T> {
    /// The task.
    pub task: &'a T,
    /// The form of its programs.
    pub form: Form,
}

impl<T: Task> TaskRecorder<'_, T> {
    /// `vehicle`, `limits` → `state`, `memory`, `reference`, `max_speed`, `moving`.
    pub fn reset(&self) -> Program {
        let stream = self.task.rules().start_stream;
        record(self.form, |recorder| {
            let vehicle = vehicle(recorder);
            let limits = recorder.input::<T::Limits>("limits");
            let draws = recorder.draws(stream);
            let Start { state, memory, target } = self.task.reset(&vehicle, &limits, &draws);
            recorder.output::<State<()>>("state", &state);
            recorder.output::<T::Memory>("memory", &memory);
            let Target { reference, max_speed, moving } = target;
            recorder.output::<Langevin<()>>("reference", &reference);
            recorder.output::<[(); 1]>("max_speed", &[max_speed]);
            recorder.output::<[(); 1]>("moving", &[moving]);
        })
    }

    /// `reference`, `max_speed`, `moving` → `reference` a control step later, of one that moves at random. Others rest, or
    /// are where their course is at that time.
    pub fn reference(&self) -> Option<Program> {
        let rules = self.task.rules();
        let Path::Random(config) = &rules.motion.path else { return None };
        Some(record(self.form, |recorder| {
            let reference = recorder.input::<Langevin<()>>("reference");
            let [max_speed] = recorder.input::<[(); 1]>("max_speed");
            let [moving] = recorder.input::<[(); 1]>("moving");
            let [x, y, z, _] = recorder.draws(REFERENCE_STREAM).normals(0);
            let limit = rules.motion.max_speed.map(|_| max_speed);
            let mut next = reference.step(config, rules.period, [x, y, z], limit);
            let moves = Target::moves(moving);
            let mut rests = reference;
            for (next, rests) in next.fields_mut().zip(rests.fields_mut()) {
                *next = Traced::select(moves, *next, *rests);
            }
            recorder.output::<Langevin<()>>("reference", &next);
        }))
    }

    /// `vehicle`, `state`, `memory`, `reference` → `observation`.
    pub fn observe(&self) -> Program {
        record(self.form, |recorder| {
            let vehicle = vehicle(recorder);
            let moment = moment::<T>(recorder);
            let mut features: Vec<Traced> = Vec::new();
            self.task.observe(&vehicle, &moment, &mut features);
            recorder.output_numbers("observation", &features);
        })
    }

    /// `vehicle`, `force`, with reality `torque`, then `state`, `memory`, `reference`, `limits`, `action`, with reality
    /// `applied` → `state`, `memory`, `terms`, `causes`.
    pub fn step<const ALIGNED: bool>(&self, surroundings: Surroundings) -> Program {
        record(self.form, |recorder| {
            let flown = flown::<ALIGNED>(recorder, surroundings);
            let moment = moment::<T>(recorder);
            let limits = recorder.input::<T::Limits>("limits");
            let given = recorder.input::<[(); 4]>("action");
            let mut applied = None;
            if surroundings == Surroundings::Reality {
                applied = Some(recorder.input::<[(); 4]>("applied"));
            }
            let judged = self.task.step(&flown, &moment, &limits, &Action { given, applied });
            let Judged { state, memory, terms, causes } = judged;
            recorder.output::<State<()>>("state", &state);
            recorder.output::<T::Memory>("memory", &memory);
            recorder.output_numbers("terms", terms.as_ref());
            recorder.output_masks("causes", causes.as_ref());
        })
    }

    /// Reset, reference, observation, step, and what of reality is on.
    pub fn formulas(&self) -> Vec<Recorded> {
        let (push, reality) = (Surroundings::Push, Surroundings::Reality);
        let mut all = vec![Recorded::new("reset", self.reset())];
        all.extend(self.reference().map(|program| Recorded::new("reference", program)));
        all.push(Recorded::new("observe", self.observe()));
        all.push(Recorded::new("step, aligned vehicles", self.step::<true>(push)));
        all.push(Recorded::new("step with reality, aligned vehicles", self.step::<true>(reality)));
        if !T::ALWAYS_ALIGNED {
            all.push(Recorded::new("step, any vehicles", self.step::<false>(push)));
            all.push(Recorded::new("step with reality, any vehicles", self.step::<false>(reality)));
        }
        let BlockRules { reality: config, period, .. } = &self.task.rules();
        all.extend(RealityRecorder { config, period: *period, form: self.form }.formulas());
        all
    }
}

impl<T: Differentiable> TaskRecorder<'_, T> {
    /// Of [`Differentiable::pull_back_step`]: as [`step`](Self::step), with `voltage` in place of `applied`, then `after`,
    /// `reference_after`, `of_state`, `of_command` → `cost`, `of_state`, `of_command`, `of_action`.
    pub fn pull_back_step<const ALIGNED: bool>(
        &self,
        surrogate: &T::Surrogate,
        surroundings: Surroundings,
    ) -> Program {
        record(self.form, |recorder| {
            let flown = flown::<ALIGNED>(recorder, surroundings);
            let before = moment::<T>(recorder);
            let limits = recorder.input::<T::Limits>("limits");
            let action = recorder.input::<[(); 4]>("action");
            let mut voltage = None;
            if surroundings == Surroundings::Reality {
                let [share] = recorder.input::<[(); 1]>("voltage");
                voltage = Some(share);
            }
            let after = recorder.input::<Body<()>>("after");
            let reference_after = recorder.input::<[(); 3]>("reference_after");
            let mut derivative = derivative(recorder);
            let step = FlownStep { flown, voltage, before, action, after, reference_after };
            let (cost, of_action) = self.task.pull_back_step(surrogate, &step, &limits, &mut derivative);
            recorder.output::<[(); 1]>("cost", &[cost]);
            output_derivative(recorder, &derivative);
            recorder.output::<[(); 4]>("of_action", &of_action);
        })
    }

    /// Of [`Differentiable::pull_back_observation`]: as [`observe`](Self::observe), with `of_observation`, `of_state`,
    /// `of_command` → `of_state`, `of_command`.
    pub fn pull_back_observation(&self) -> Program {
        let num_features = self.num_features();
        record(self.form, |recorder| {
            let vehicle = vehicle(recorder);
            let moment = moment::<T>(recorder);
            let slopes = recorder.input_numbers("of_observation", num_features);
            let mut derivative = derivative(recorder);
            self.task.pull_back_observation(&vehicle, &moment, &slopes.as_slice(), &mut derivative);
            output_derivative(recorder, &derivative);
        })
    }

    /// Features of the observation.
    fn num_features(&self) -> usize {
        let numbers = self.observe();
        numbers.outputs().iter().map(eyas_trace::Output::len).sum()
    }

    /// What [`formulas`](Self::formulas) gives, and what a gradient goes back through.
    pub fn formulas_and_adjoints(&self, surrogate: &T::Surrogate) -> Vec<Recorded> {
        let push = Surroundings::Push;
        let mut all = self.formulas();
        all.push(Recorded::new(
            "pull back step, aligned vehicles",
            self.pull_back_step::<true>(surrogate, push),
        ));
        if !T::ALWAYS_ALIGNED {
            all.push(Recorded::new(
                "pull back step, any vehicles",
                self.pull_back_step::<false>(surrogate, push),
            ));
        }
        all.push(Recorded::new("pull back observation", self.pull_back_observation()));
        all
    }
}

/// The numbers of a vehicle.
fn vehicle<const ALIGNED: bool>(recorder: &mut Recorder) -> Vehicle<Traced, ALIGNED> {
    Vehicle::from_numbers(&recorder.input::<[(); VEHICLE_NUMBERS]>("vehicle"))
}

/// What a step is flown with.
fn flown<const ALIGNED: bool>(recorder: &mut Recorder, surroundings: Surroundings) -> Flown<Traced, ALIGNED> {
    let vehicle = vehicle(recorder);
    let force_world: Vector<Traced> = recorder.input::<[(); 3]>("force");
    let mut disturbance = Disturbance { force_world, ..Disturbance::none() };
    if surroundings == Surroundings::Reality {
        disturbance.torque_body = recorder.input::<[(); 3]>("torque");
    }
    Flown { vehicle, disturbance }
}

/// An env between two steps.
fn moment<T: Task>(recorder: &mut Recorder) -> Moment<Traced, T> {
    let state = recorder.input::<State<()>>("state");
    let memory: MemoryOf<T, Traced> = recorder.input::<T::Memory>("memory");
    Moment { state, memory, reference: recorder.input::<Langevin<()>>("reference") }
}

/// A derivative of what comes later.
fn derivative(recorder: &mut Recorder) -> Derivative<Traced> {
    let state = recorder.input::<State<()>>("of_state");
    Derivative { state, command: recorder.input::<[(); 4]>("of_command") }
}

fn output_derivative(recorder: &mut Recorder, derivative: &Derivative<Traced>) {
    recorder.output::<State<()>>("of_state", &derivative.state);
    recorder.output::<[(); 4]>("of_command", &derivative.command);
}

#[cfg(test)]
pub(crate) mod tests;
