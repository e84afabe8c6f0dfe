//! Tasks recorded as lists of operations.

mod driver;
mod flight;
pub(crate) mod reality;

use eyas_lanes::Draws as _;
use eyas_sim::{Body, Disturbance, Langevin, State, VEHICLE_NUMBERS, Vector, Vehicle, add};
use eyas_trace::{Form, Program, Recorder, Traced, record};

use self::driver::{TracedAgentVerdict, TracedDriver, TracedVerdict, settled};
use self::reality::RealityRecorder;
use crate::block::REFERENCE_STREAM;
use crate::multi_agent::{AgentSpec, MultiAgentSpec, MultiAgentTask, StateSpace, View};
use crate::target::{Path, Target};
use crate::task::{Action, After, BlockRules, Extras, Flown, MemoryOf, Moment, Start, Task, TaskBase};
use crate::{Derivative, Differentiable, FlownStep};

pub use self::flight::{FlightFormulas, FlightRows};

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
    /// A force with which somebody [perturbs](crate::Perturbation).
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

impl<T: TaskBase> TaskRecorder<'_, T> {
    /// Whether envs remember more than [`TaskBase::Memory`]. All formulas of such a task have the inputs `numbers` and `steps`
    /// of the episode, those that change numbers the output `numbers`.
    fn has_numbers(&self) -> bool {
        self.task.extras().numbers > 0
    }

    /// `vehicle`, `limits` → `state`, `memory`, `reference`, `max_speed`, `moving`.
    pub fn reset(&self) -> Program {
        record(self.form, |recorder| {
            let vehicle = vehicle(recorder);
            let limits = recorder.input::<T::Limits>("limits");
            let mut driver = TracedDriver::new(self.task, recorder);
            let Start { state, memory, target } = self.task.reset(&vehicle, &limits, &mut driver);
            driver.output();
            recorder.output::<T::State>("state", &state);
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
            let next = reference.step(config, rules.period, [x, y, z], limit);
            let next = settled(moving, &reference, next);
            recorder.output::<Langevin<()>>("reference", &next);
        }))
    }

    /// Of [`TaskBase::start_up`].
    pub fn start_up(&self) -> Program {
        record(self.form, |recorder| {
            let mut driver = TracedDriver::new(self.task, recorder);
            self.task.start_up(&mut driver);
            driver.output();
        })
    }

    /// Reset, and the reference if it moves at random.
    fn starts(&self) -> Vec<Recorded> {
        let mut all = vec![Recorded::new("reset", self.reset())];
        all.extend(self.reference().map(|program| Recorded::new("reference", program)));
        all
    }
}

impl<T: Task> TaskRecorder<'_, T> {
    /// `vehicle`, `state`, `memory`, `reference` → `observation`.
    pub fn observe(&self) -> Program {
        record(self.form, |recorder| {
            let vehicle = vehicle(recorder);
            let moment = moment::<T>(recorder);
            let driver = TracedDriver::new(self.task, recorder);
            let mut features: Vec<Traced> = Vec::new();
            self.task.observe(&vehicle, &moment, &driver, &mut features);
            recorder.output_numbers("observation", &features);
        })
    }

    /// `vehicle`, `force`, with reality `torque`, then `state`, `memory`, `reference`, `limits`, `action`, with reality
    /// `applied` → `state`, `memory`, `terms`, `causes`. Where envs have `numbers`, `force` is what somebody pushes with,
    /// and that of reality is `air`.
    pub fn step<const ALIGNED: bool>(&self, surroundings: Surroundings) -> Program {
        record(self.form, |recorder| {
            let mut flown = flown::<ALIGNED>(recorder, surroundings);
            let moment = moment::<T>(recorder);
            let limits = recorder.input::<T::Limits>("limits");
            let given = recorder.input::<[(); 4]>("action");
            let mut applied = None;
            if surroundings == Surroundings::Reality {
                applied = Some(recorder.input::<[(); 4]>("applied"));
            }
            let mut air = None;
            if surroundings == Surroundings::Reality && self.has_numbers() {
                air = Some(recorder.input::<[(); 3]>("air"));
            }
            let mut driver = TracedDriver::new(self.task, recorder);
            let Disturbance { force_world, torque_body } = &mut flown.disturbance;
            let (pushed, torque) = self.task.pushed(*force_world, &moment, &driver);
            *force_world = air.map_or(pushed, |air| add(pushed, air));
            if let Some(torque) = torque {
                *torque_body = air.map_or(torque, |_| add(torque, *torque_body));
            }
            let action = Action { given, applied };
            let mut verdict = TracedVerdict::default();
            let after = self.task.step(&flown, &moment, &limits, &action, &mut driver, &mut verdict);
            driver.output();
            let After { state, memory } = after;
            let TracedVerdict { causes, terms } = verdict;
            recorder.output::<State<()>>("state", &state);
            recorder.output::<T::Memory>("memory", &memory);
            recorder.output_numbers("terms", &terms);
            recorder.output_masks("causes", &causes);
        })
    }

    /// Of [`Task::follow`]: `state` → `state`, `changed`.
    pub fn follow(&self) -> Program {
        record(self.form, |recorder| {
            let mut state = recorder.input::<State<()>>("state");
            let mut driver = TracedDriver::new(self.task, recorder);
            let changed = self.task.follow(&mut state, &mut driver);
            driver.output();
            recorder.output::<State<()>>("state", &state);
            recorder.output_masks("changed", &[changed]);
        })
    }

    /// Of [`Task::note`]: `state` as it is seen, `again` and `anew`, 1 where they hold.
    pub fn note(&self) -> Program {
        record(self.form, |recorder| {
            let state = recorder.input::<State<()>>("state");
            let masks = reality::flags::<2>(recorder, "again and anew");
            let mut driver = TracedDriver::new(self.task, recorder);
            self.task.note(&state, &mut driver, masks);
            driver.output();
        })
    }

    /// Reset, reference, observation, step, what else the task does, and what of reality is on.
    pub fn formulas(&self) -> Vec<Recorded> {
        let (push, reality) = (Surroundings::Push, Surroundings::Reality);
        let mut all = self.starts();
        all.push(Recorded::new("observe", self.observe()));
        all.push(Recorded::new("step, aligned vehicles", self.step::<true>(push)));
        all.push(Recorded::new("step with reality, aligned vehicles", self.step::<true>(reality)));
        if !T::ALWAYS_ALIGNED {
            all.push(Recorded::new("step, any vehicles", self.step::<false>(push)));
            all.push(Recorded::new("step with reality, any vehicles", self.step::<false>(reality)));
        }
        let Extras { numbers, follows, takes_notes, .. } = self.task.extras();
        all.extend((numbers > 0).then(|| Recorded::new("start up", self.start_up())));
        all.extend(follows.then(|| Recorded::new("follow", self.follow())));
        all.extend(takes_notes.then(|| Recorded::new("note", self.note())));
        let BlockRules { reality: config, period, .. } = &self.task.rules();
        all.extend(RealityRecorder { config, period: *period, form: self.form }.formulas());
        all
    }
}

impl<T: MultiAgentTask> TaskRecorder<'_, T> {
    /// `reference`, `numbers`, `steps` → `observation` of what is seen of an env.
    pub fn view(&self, view: View) -> Program {
        record(self.form, |recorder| {
            let reference = recorder.input::<Langevin<()>>("reference");
            let driver = TracedDriver::new(self.task, recorder);
            let mut features: Vec<Traced> = Vec::new();
            self.task.observe(view, &reference, &driver, &mut features);
            recorder.output_numbers("observation", &features);
        })
    }

    /// `vehicle`, `force`, `reference`, `actions`, `numbers`, `steps` → `numbers`, `terms` of all agents in turn, `fallen`
    /// agents, `causes`.
    pub fn step_of_agents<const ALIGNED: bool>(&self) -> Program {
        record(self.form, |recorder| {
            let flown = flown::<ALIGNED>(recorder, Surroundings::Push);
            let reference = recorder.input::<Langevin<()>>("reference");
            let actions = recorder.input_numbers("actions", 4 * self.task.spec().agents.len());
            let (actions, _) = actions.as_chunks::<4>();
            let mut driver = TracedDriver::new(self.task, recorder);
            let mut verdict = TracedAgentVerdict::default();
            self.task.step(&flown, &reference, actions, &mut driver, &mut verdict);
            driver.output();
            let TracedAgentVerdict { env: TracedVerdict { causes, terms }, fallen } = verdict;
            recorder.output_numbers("terms", &terms);
            recorder.output_masks("fallen", &fallen);
            recorder.output_masks("causes", &causes);
        })
    }

    /// Reset, reference, what is observed of each agent and of the env as a whole, step.
    pub fn formulas_of_agents(&self) -> Vec<Recorded> {
        let MultiAgentSpec { agents, state, .. } = self.task.spec();
        let mut all = self.starts();
        for (agent, AgentSpec { name, .. }) in agents.iter().enumerate() {
            let (own, more) = (View::Observation(agent), View::Privileged(agent));
            all.push(Recorded::new(&format!("observe {name}"), self.view(own)));
            all.push(Recorded::new(&format!("observe {name}, privileged"), self.view(more)));
        }
        if let StateSpace::Custom(_) = state {
            all.push(Recorded::new("observe state", self.view(View::State)));
        }
        all.push(Recorded::new("step, aligned vehicles", self.step_of_agents::<true>()));
        all.push(Recorded::new("step, any vehicles", self.step_of_agents::<false>()));
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
