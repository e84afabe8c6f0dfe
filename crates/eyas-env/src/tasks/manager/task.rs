//! A manager-based task as formulas.

use eyas_lanes::{BLOCK, Fields as _, Real, Row, fields};
use eyas_sim::{
    Body, Langevin, SpeedLag, State, Vector, Vehicle, add, matrix_from_quaternion, scale, step_held, sub,
};

use super::action::{ActionTerm, turn_rotors};
use super::command::is_up;
use super::config::{CommandUpdate, EventMode, ManagerConfig};
use super::event::{Change, Circumstances};
use super::observation::{Value, rotor_range};
use super::program::{NOISE_STREAM, Program, command_stream};
use super::scene::{Actions, EnvScene, Places, Unjudged};
use crate::block::Block;
use crate::rows::{lane_of, replace_where};
use crate::target::{Motion, Path, Target};
use crate::task::{
    Action, After, BlockRules, Extras, Features, Flown, Moment, SavedRows, Start, Task, TaskBase, Verdict,
};
use crate::{Driver, DriverMut, Env, TaskConfig as _, visit_rows};

/// The formulas of a task that is made of terms; positions are relative to each env's spawn point.
pub struct ManagerTask {
    config: ManagerConfig,
    pub(super) program: Program,
    rotor_range: [f64; 2],
    /// Whether air acts on the vehicles.
    has_wind: bool,
}

/// Thirty-two episodes of a manager-based task.
pub type ManagerBlock = Block<ManagerTask>;

fields! {
    /// Share of the set-point in each rotor's next speed.
    pub struct Lag {
        /// Of one that becomes faster.
        rising: 4,
        /// Of one that becomes slower.
        falling: 4,
    }
}

impl Lag<f32> {
    /// Of rotors whose time constants are those of the configured vehicle times a factor each.
    pub(super) fn of(config: &ManagerConfig, factors: [f32; 4]) -> Self {
        let robot = &config.robot;
        let constants = [robot.rotor_time_constants_rising, robot.rotor_time_constants_falling];
        let [rising, falling] = constants.map(|constants| {
            std::array::from_fn(|rotor| {
                let time_constant = constants[rotor] * f64::from(factors[rotor]);
                SpeedLag::new(config.control_period(), time_constant).alpha as f32
            })
        });
        Self { rising, falling }
    }
}

impl ManagerTask {
    /// The task as configured.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    pub(crate) fn new(config: &ManagerConfig) -> Self {
        let program = Program::new(config).expect("configurations are validated before envs are made");
        Self {
            rotor_range: rotor_range(&config.robot),
            has_wind: program.has_wind(),
            config: config.clone(),
            program,
        }
    }

    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    pub(super) fn env(config: &ManagerConfig, num_envs: usize, seed: u64) -> Env {
        let task = Self::new(config);
        let (spec, lag) = (task.program.spec.clone(), Lag::of(config, [1.0; 4]));
        let blocks = Block::alike(task, &config.robot, lag, num_envs.div_ceil(BLOCK), seed);
        Env::new(spec, num_envs, blocks)
    }

    #[inline(always)]
    fn advance_commands<R: Real>(&self, driver: &mut impl DriverMut<R>) {
        let period = self.config.control_period();
        for (index, command) in self.program.commands.iter().enumerate() {
            command.advance([Places::command(index), command_stream(index)], period, driver);
        }
    }

    #[inline(always)]
    fn scene<'a, R: Real, D: Driver<R>, V>(
        &self,
        state: &'a State<R>,
        driver: &'a D,
        verdict: &'a mut V,
    ) -> EnvScene<'a, R, D, V> {
        let matrix = matrix_from_quaternion(state.body.orientation);
        let mass_factor = self.program.places.circumstances;
        EnvScene { state, matrix, driver, mass_factor, rotor_range: self.rotor_range, verdict }
    }

    /// Lets an event happen.
    #[inline(always)]
    fn happens<R: Real>(
        &self,
        index: usize,
        (state, circumstances): (&mut State<R>, &mut Circumstances<R>),
        driver: &impl Driver<R>,
    ) {
        let change = &mut Change {
            state,
            circumstances,
            robot: &self.config.robot,
            draws: driver.draws(self.program.event_stream(index)),
            strength: driver.setting(self.program.rewards.len() + index),
        };
        self.program.events[index].term.apply(change);
    }
}

impl TaskBase for ManagerTask {
    type State = State<()>;
    type Memory = ();
    type Limits = Lag<()>;

    fn rules(&self) -> BlockRules {
        BlockRules {
            period: self.config.control_period(),
            time_limit: self.program.limit,
            num_terms: self.program.rewards.len(),
            // Commands are numbers of the task's own.
            motion: Motion { path: Path::Rest, at_rest: 1.0, max_speed: None },
            reality: self.config.reality.clone(),
            start_stream: "env/start",
        }
    }

    fn extras(&self) -> Extras {
        let program = &self.program;
        Extras {
            streams: program.streams(),
            numbers: program.places.len,
            settings: program.rewards.len() + program.events.len(),
            settings_change: !program.curriculum.is_empty(),
            cuts: program.cuts.len(),
            follows: self.config.command_update == CommandUpdate::AfterReset
                || program.events.iter().any(super::event::Event::is_interval),
            takes_notes: program.observations.iter().any(|it| it.kept() > 0),
            changes_vehicles: program.changes_vehicles(),
            distorts: true,
        }
    }

    fn set(&self, step: u32, settings: &mut [f32]) {
        self.program.settings_at(step, settings);
    }

    /// Events of startup.
    fn start_up<R: Real>(&self, driver: &mut impl DriverMut<R>) {
        let (mut circumstances, mut state) = (Circumstances::plain(), at_rest());
        for (index, event) in self.program.events.iter().enumerate() {
            if event.happens_in(EventMode::Startup) {
                self.happens(index, (&mut state, &mut circumstances), driver);
            }
        }
        let Places { circumstances: now, startup, .. } = self.program.places;
        driver.store::<Circumstances<()>>(startup, &circumstances);
        driver.store::<Circumstances<()>>(now, &circumstances);
    }

    #[inline(always)]
    fn reset<R: Real>(&self, _: &Vehicle<R>, _: &Lag<R>, driver: &mut impl DriverMut<R>) -> Start<R, Self> {
        let Program { places, events, commands, .. } = &self.program;
        let mut state = at_rest();
        let mut circumstances = driver.load::<Circumstances<()>>(places.startup);
        for (index, event) in events.iter().enumerate() {
            if event.happens_in(EventMode::Reset) {
                self.happens(index, (&mut state, &mut circumstances), driver);
            } else if event.is_interval() {
                let time = event.interval(&driver.draws(self.program.event_stream(index)));
                driver.set(places.time_left + index, time);
            }
        }
        driver.store::<Circumstances<()>>(places.circumstances, &circumstances);
        let none = <Actions<()>>::splat(R::zero());
        driver.store::<Actions<()>>(Places::ACTIONS, &none);
        for (index, command) in commands.iter().enumerate() {
            let place = [Places::command(index), command_stream(index)];
            command.reset(place, driver);
        }
        if self.config.command_update == CommandUpdate::AfterReset {
            self.advance_commands(driver);
        }
        let (reference, zero) = (Langevin::at_rest(), R::zero());
        Start { state, memory: (), target: Target { reference, max_speed: zero, moving: zero } }
    }

    fn changed(&self, own: &Vehicle<f32>, numbers: &[Row], lane: usize) -> Option<(Vehicle<f32>, Lag<f32>)> {
        let circumstances = lane_of::<Circumstances<()>>(&numbers[self.program.places.circumstances..], lane);
        Some((circumstances.alter(own), Lag::of(&self.config, circumstances.lag)))
    }

    fn visit_state(rows: SavedRows<'_, Self>, visit: &mut dyn FnMut(&mut u32)) {
        let SavedRows { state, memory: (), target: _, numbers } = rows;
        visit_rows(state.fields_mut(), visit);
        // What startup made is made anew.
        let saved = numbers.len() - super::event::CIRCUMSTANCES;
        visit_rows(&mut numbers[..saved], visit);
    }
}

impl Task for ManagerTask {
    const REFERENCE_MOVES_FIRST: bool = true;

    #[inline(always)]
    fn observe<R: Real>(
        &self,
        _: &Vehicle<R>,
        moment: &Moment<R, Self>,
        driver: &impl Driver<R>,
        out: &mut impl Features<R>,
    ) {
        let mut unjudged = Unjudged;
        let scene = self.scene(&moment.state, driver, &mut unjudged);
        let draws = driver.draws(NOISE_STREAM);
        for observed in &self.program.observations {
            if observed.kept() == 0 {
                observed.sample(&scene, &draws, out);
            } else {
                // The newest that is shown is as many steps old as the term is late.
                let first = self.program.places.kept + observed.first_kept;
                for place in first..first + observed.features() {
                    out.put(driver.number(place));
                }
            }
        }
    }

    /// What somebody pushes with, then events.
    #[inline(always)]
    fn pushed<R: Real>(
        &self,
        push: Vector<R>,
        moment: &Moment<R, Self>,
        driver: &impl Driver<R>,
    ) -> (Vector<R>, Option<Vector<R>>) {
        let Circumstances { force, torque, wind, drag, .. } =
            driver.load::<Circumstances<()>>(self.program.places.circumstances);
        let mut pushed = add(push, force);
        if self.has_wind {
            pushed = add(pushed, scale(drag[0], sub(wind, moment.state.body.velocity)));
        }
        (pushed, Some(torque))
    }

    /// Commands if they go first, action, physics, terminations, rewards.
    #[inline(always)]
    fn step<R: Real, const ALIGNED: bool>(
        &self,
        Flown { vehicle, disturbance }: &Flown<R, ALIGNED>,
        moment: &Moment<R, Self>,
        Lag { rising, falling }: &Lag<R>,
        action: &Action<R>,
        driver: &mut impl DriverMut<R>,
        verdict: &mut impl Verdict<R>,
    ) -> After<R, Self> {
        let (program, config) = (&self.program, &self.config);
        if config.command_update == CommandUpdate::BeforePhysics {
            self.advance_commands(driver);
        }
        let last_raw = driver.numbers(Places::ACTIONS);
        let last_processed = driver.numbers(Places::ACTIONS + 4);
        let mut processed = program.action.processed(&action.given);
        let actions = Actions { raw: action.given, processed, last_raw, last_processed };
        driver.store::<Actions<()>>(Places::ACTIONS, &actions);
        // Observations and rewards know of the action that was given, motors of what reaches them.
        if let Some(applied) = &action.applied {
            processed = program.action.processed(applied);
        }
        let mut state = moment.state;
        let mut wrench = if program.action.term == ActionTerm::MotorSetPoints {
            state.rotor_speed = turn_rotors(vehicle, &state.rotor_speed, &processed, rising, falling);
            vehicle.wrench(&state.rotor_speed)
        } else {
            program.action.term.wrench(&processed, &state.body)
        };
        for step in 0..config.decimation {
            if step > 0 && matches!(program.action.term, ActionTerm::ThrustAndBodyRates { .. }) {
                wrench = program.action.term.wrench(&processed, &state.body);
            }
            let (dt, substeps) = (config.sim.dt, config.sim.substeps);
            state.body = step_held(vehicle, &state.body, wrench, disturbance, dt, substeps);
        }

        let scene = self.scene(&state, &*driver, verdict);
        for term in &program.terminations {
            let cause = term.holds(&scene);
            scene.verdict.end([cause]);
        }
        for term in &program.cuts {
            let cut = term.holds(&scene);
            scene.verdict.end([cut]);
        }
        for (index, term) in program.rewards.iter().enumerate() {
            let weight = R::constant(f64::from(driver.setting(index)));
            let value = term.value(&scene);
            scene.verdict.earn([weight * value]);
        }
        After { state, memory: () }
    }

    /// Commands and events of mode `interval`.
    #[inline(always)]
    fn follow<R: Real>(&self, state: &mut State<R>, driver: &mut impl DriverMut<R>) -> R::Mask {
        if self.config.command_update == CommandUpdate::AfterReset {
            self.advance_commands(driver);
        }
        let Program { places, events, .. } = &self.program;
        let mut changed = R::never();
        for (index, event) in events.iter().enumerate().filter(|(_, event)| event.is_interval()) {
            let place = places.time_left + index;
            let left = driver.number(place) - R::constant(self.config.control_period());
            let due = is_up(left);
            driver.set(place, left);
            if driver.any(due) {
                let mut circumstances = driver.load::<Circumstances<()>>(places.circumstances);
                let (mut next, mut changes) = (*state, circumstances);
                self.happens(index, (&mut next, &mut changes), driver);
                let time = event.interval(&driver.draws(self.program.event_stream(index)));
                replace_where::<State<()>, R>(state, due, &next);
                replace_where::<Circumstances<()>, R>(&mut circumstances, due, &changes);
                driver.store::<Circumstances<()>>(places.circumstances, &circumstances);
                driver.set(place, R::select(due, time, left));
                if event.term.changes_vehicles() {
                    changed = R::or(changed, due);
                }
            }
        }
        changed
    }

    /// The present values of terms with delay or history.
    #[inline(always)]
    fn note<R: Real>(&self, seen: &State<R>, driver: &mut impl DriverMut<R>, [again, anew]: [R::Mask; 2]) {
        for observed in self.program.observations.iter().filter(|it| it.kept() > 0) {
            let (first, width) = (self.program.places.kept + observed.first_kept, observed.width());
            let mut present = Value::new();
            observed.sample(
                &self.scene(seen, &*driver, &mut Unjudged),
                &driver.draws(NOISE_STREAM),
                &mut present,
            );
            let len = observed.kept();
            for place in 0..len {
                let newest = present.features[place % width];
                let next = if place + width < len { driver.number(first + place + width) } else { newest };
                let value = R::select(again, next, driver.number(first + place));
                driver.set(first + place, R::select(anew, newest, value));
            }
        }
    }

    /// The first command.
    fn shown(&self, numbers: &[Row], lane: usize) -> Option<Target<f32>> {
        let command = &numbers[Places::command(0)..];
        let is_any = !self.program.commands.is_empty();
        is_any.then(|| Target {
            reference: lane_of::<Langevin<()>>(command, lane),
            max_speed: command[12][lane],
            moving: command[13][lane],
        })
    }
}

fn at_rest<R: Real>() -> State<R> {
    State { body: Body::at_rest(), rotor_speed: [R::zero(); 4] }
}
