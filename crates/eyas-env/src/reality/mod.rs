//! What separates flying from simulating: delays, errors of sensors, moving air, drag, the ground, a battery, weak rotors,
//! payload. `docs/reality.md` has the formulas.
//!
//! A task offers it in four steps:
//!
//! 1. Its configuration has a field `reality: RealityConfig`, and calls [`RealityConfig::validate`] in `validate()`. A task
//!    without rotors calls [`RealityConfig::validate_without_rotors`] too; symmetries hold only if [`RealityConfig::is_symmetric`];
//!    vehicles count as aligned only if [`RealityConfig::keeps_alignment`].
//! 2. Its block owns what [`Reality::new`] returns, which is nothing where all is off, one for each vehicle of an env with a
//!    name of its own.
//! 3. A reset of the block ends with [`Reality::reset`]; whoever puts the vehicle elsewhere calls [`Reality::put`], whoever
//!    changes its parameters [`Reality::refit`]; `visit_state` ends with [`Reality::visit_state`].
//! 4. A control step begins with [`Reality::begin_step`], then flies [`Flown::vehicle`] under [`Flown::disturbance`] with
//!    [`Reality::action`], late and at the voltage of the battery, in place of the action that was given: that one is what
//!    rewards and observations know. An observation shows [`Reality::sense`] in place of the body.
//!
//! Forces and rotors are those of the start of the control step, and held through it, so that the integrators do not know
//! of them. Under a drag of `d` a speed decays by `1 − d Δt / m` in a step instead of `e^(−d Δt / m)`: for a Crazyflie with
//! 0.01 N s/m at 100 Hz that is a drag 0.2 % too strong. Where forces balance, they balance exactly.

mod battery;
mod config;
mod delay;
mod drag;
mod draw;
mod payload;
mod rotors;
mod sensors;
mod wind;

use eyas_lanes::{BLOCK, Fields, Kernel, Lanes, Real, Row, Stream, VECTORS, dispatch, lanes_of};
use eyas_sim::{Body, Disturbance, State, VEHICLE_NUMBERS, Vector, Vehicle, add};

pub use battery::BatteryConfig;
pub use config::RealityConfig;
pub use delay::DelayLine;
pub(crate) use delay::MAX_DELAY_STEPS;
pub use drag::DragConfig;
pub use payload::PayloadConfig;
pub use rotors::{GroundConfig, RotorFailureConfig};
pub use sensors::{SignalDelays, SignalErrors};
pub use wind::{GustConfig, TurbulenceConfig, WindConfig};

pub(crate) use battery::{Battery, Cell};
pub(crate) use drag::{Coefficients, Drag};
use draw::Draw;
pub(crate) use payload::{Load, Payload};
pub(crate) use rotors::{Below, Ground, Rotors, Strength};
pub(crate) use sensors::Errors;
use sensors::Sensors;
pub(crate) use wind::{Air, Wind};

use crate::episode::Episodes;
use crate::rows::load_vector;
use crate::task::Visit;
use crate::visit_words;

/// The name of the only vehicle of an env.
pub(crate) const VEHICLE: &str = "vehicle";

/// What moving air draws from in each step.
pub(crate) const AIR: &str = "air";

/// The control step that no episode reaches.
const NEVER: u32 = u32::MAX;

/// Name of the stream of what happens to a vehicle.
pub(crate) fn stream_name(vehicle: &str, what: &str) -> String {
    format!("reality/{vehicle}/{what}")
}

/// Something that happens to a vehicle, as configured: formulas of numbers, which are its driver's, and of `WORDS` whole
/// numbers.
trait Effect<const WORDS: usize> {
    /// What there is to know of a vehicle.
    type Numbers: Fields;

    /// Overwrites the numbers of a vehicle with those of an episode, and gives the whole ones.
    fn draw(&self, draw: &mut Draw, numbers: &mut <Self::Numbers as Fields>::Of<f32>) -> [u32; WORDS];
}

/// An effect on the vehicles of a block.
struct Live<E: Effect<WORDS>, const WORDS: usize = 0> {
    effect: E,
    /// Of what is drawn for an episode; each effect has its own, so that none shifts another.
    stream: Stream,
    rows: <E::Numbers as Fields>::Of<Row>,
    words: [[u32; BLOCK]; WORDS],
}

impl<E: Effect<WORDS>, const WORDS: usize> Live<E, WORDS> {
    /// Nothing where there is no effect.
    fn new(effect: Option<E>, stream: Stream) -> Option<Self> {
        let rows = E::Numbers::splat(Row::ZERO);
        effect.map(|effect| Self { effect, stream, rows, words: [[NEVER; BLOCK]; WORDS] })
    }

    fn reset(live: &mut Option<Self>, lane: usize, [env, episode]: [u32; 2]) {
        let Some(Self { effect, stream, rows, words }) = live else { return };
        let mut numbers = E::Numbers::lane(rows, lane);
        let drawn = effect.draw(&mut Draw::new(stream, env, episode), &mut numbers);
        E::Numbers::set_lane(rows, lane, &numbers);
        for (row, word) in words.iter_mut().zip(drawn) {
            row[lane] = word;
        }
    }

    /// One vector of lanes.
    #[inline(always)]
    fn load<L: Lanes>(&self, vector: usize) -> <E::Numbers as Fields>::Of<L> {
        E::Numbers::load(&self.rows, vector)
    }

    fn visit_state(live: &mut Option<Self>, visit: &mut dyn FnMut(&mut u32)) {
        let Some(Self { effect: _, stream: _, rows, words }) = live else { return };
        let visited = E::Numbers::map(rows, &mut Visit(visit));
        *rows = visited;
        visit_words(words.iter_mut().flatten(), visit);
    }
}

/// A vehicle with rotors as weak as they are, some of which may have failed, that may carry its load; and where the common
/// centre of gravity lies, body frame, from the vehicle's own, m.
#[inline(always)]
pub(crate) fn fitted<R: Real>(
    own: &Vehicle<R>,
    rotors: Option<(&Strength<R>, [R::Mask; 4])>,
    payload: Option<(&Load<R>, R::Mask)>,
) -> (Vehicle<R>, Vector<R>) {
    let (mut vehicle, mut centre) = (*own, [R::zero(); 3]);
    if let Some((strength, has_failed)) = rotors {
        vehicle = vehicle.altered(R::one(), &strength.efficiency(&has_failed));
    }
    if let Some((load, carries)) = payload {
        let (loaded, common) = vehicle.loaded(load.mass[0], load.offset);
        let mut numbers = vehicle.numbers();
        for (number, loaded) in numbers.iter_mut().zip(loaded.numbers()) {
            *number = R::select(carries, loaded, *number);
        }
        vehicle = Vehicle::from_numbers(&numbers);
        for (axis, value) in centre.iter_mut().enumerate() {
            *value = R::select(carries, common[axis], *value);
        }
    }
    (vehicle, centre)
}

/// Bits of the lanes whose clock shows their step.
fn lanes_at(step: &[u32; BLOCK], clock: &[u32; BLOCK]) -> u32 {
    let pairs = step.iter().zip(clock).enumerate();
    pairs.fold(0, |lanes, (lane, (step, clock))| lanes | (u32::from(step == clock) << lane))
}

/// What a control step is flown with; a gradient's record of it, too.
#[derive(Clone, Debug)]
pub(crate) struct Flown {
    /// [`Vehicle::numbers`] of each lane.
    pub(crate) vehicle: [Row; VEHICLE_NUMBERS],
    pub(crate) disturbance: Disturbance<Row>,
    /// Over that of the full battery.
    pub(crate) voltage: Row,
}

impl Flown {
    /// What acts on one vector of lanes.
    #[inline(always)]
    pub(crate) fn disturbance<L: Lanes>(&self, vector: usize) -> Disturbance<L> {
        let Disturbance { force_world, torque_body } = &self.disturbance;
        Disturbance {
            force_world: load_vector(force_world, vector),
            torque_body: load_vector(torque_body, vector),
        }
    }

    /// The voltage over that of the full battery, for [`under_voltage`].
    #[inline(always)]
    pub(crate) fn voltage<L: Lanes>(&self, vector: usize) -> L {
        self.voltage.load(vector)
    }
}

/// What a step is flown with in one vector of lanes: the vehicles `own` under a push, world frame, N, and a torque, body
/// frame, N m, if there is any, and what happens to them, if anything does.
#[inline(always)]
pub(crate) fn flight<L: Lanes, const ALIGNED: bool>(
    flown: Option<&Flown>,
    own: &[Row; VEHICLE_NUMBERS],
    (push, torque): (Vector<L>, Option<Vector<L>>),
    vector: usize,
) -> (Vehicle<L, ALIGNED>, Disturbance<L>) {
    let mut disturbance = Disturbance { force_world: push, ..Disturbance::none() };
    let mut vehicle = own;
    if let Some(flown) = flown {
        let more = flown.disturbance(vector);
        disturbance = Disturbance { force_world: add(push, more.force_world), ..more };
        vehicle = &flown.vehicle;
    }
    if let Some(torque) = torque {
        disturbance.torque_body = if flown.is_some() { add(torque, disturbance.torque_body) } else { torque };
    }
    (Vehicle::load(vehicle, vector), disturbance)
}

/// What an action amounts to at a voltage: −1 stays, 1 becomes `2 voltage − 1`.
#[inline(always)]
pub(crate) fn under_voltage<R: Real>(action: R, voltage: R) -> R {
    (action.clamp(-R::one(), R::one()) + R::one()).mul_add(voltage, -R::one())
}

/// Notes in a gradient's record what a step was flown with, if not with the vehicles alone; sensors, whose errors count as
/// given, pass all on.
pub(crate) fn note(reality: Option<&Reality>, record: &mut Option<Box<Flown>>) {
    match (reality.map(Reality::flown), record) {
        (Some(flown), Some(record)) => record.as_mut().clone_from(flown),
        (Some(flown), record) => *record = Some(Box::new(flown.clone())),
        (None, record) => *record = None,
    }
}

/// Actions on their way to the motors.
struct LateActions {
    span: [u32; 2],
    line: DelayLine,
    delay: [u32; BLOCK],
    /// Bits of the lanes whose episode has given no action yet.
    fresh: u32,
}

/// What happens to the vehicles of a block.
pub(crate) struct Reality {
    actions: Option<LateActions>,
    /// What the motors are told, if not what is given.
    told: Vec<Row>,
    sensors: Option<Sensors>,
    /// Of what is drawn for an episode of these.
    streams: [Stream; 2],
    drag: Option<Live<Drag>>,
    wind: Option<Live<Wind>>,
    /// Of what air does from step to step.
    air: Stream,
    ground: Option<Live<Ground>>,
    battery: Option<Live<Battery>>,
    rotors: Option<Live<Rotors, 2>>,
    payload: Option<Live<Payload, 1>>,
    /// The common centre of gravity of vehicle and payload, body frame, from the vehicle's own, m.
    centre: [Row; 3],
    /// The vehicles as they are loaded, with their rotors as weak as they are, far from the ground.
    fitted: Box<[Row; VEHICLE_NUMBERS]>,
    /// Bits of the lanes in which `fitted` is out of date.
    stale: u32,
    flown: Box<Flown>,
}

impl Reality {
    /// For a block whose actions are `num_actions` wide; nothing if nothing happens. `name` tells vehicles of one env apart.
    pub(crate) fn new(
        config: &RealityConfig,
        period: f64,
        num_actions: usize,
        seed: u64,
        name: &str,
    ) -> Option<Box<Self>> {
        if config.is_off() {
            return None;
        }
        let stream = |what: &str| Stream::new(seed, &stream_name(name, what));
        let [_, most] = config.action_delay_steps;
        let actions = (most > 0).then(|| LateActions {
            span: config.action_delay_steps,
            line: DelayLine::new(num_actions, most as usize + 1),
            delay: [0; BLOCK],
            fresh: u32::MAX,
        });
        let is_retold = actions.is_some() || !config.battery.is_off();
        let (noise, bias) = (&config.noise, &config.bias);
        let zero = [Row::ZERO; 3];
        let rotors = Rotors::new(config.rotor_efficiency, &config.rotor_failure, period);
        Some(Box::new(Self {
            told: if is_retold { vec![Row::ZERO; num_actions] } else { Vec::new() },
            actions,
            sensors: Sensors::new(&config.observation_delay, noise, bias, stream("noise")),
            streams: [stream("actions"), stream("sensors")],
            drag: Live::new(Drag::new(&config.drag, period), stream("drag")),
            wind: Live::new(Wind::new(&config.wind, period), stream("wind")),
            air: stream(AIR),
            ground: Live::new(Ground::new(&config.ground), stream("ground")),
            battery: Live::new(Battery::new(&config.battery, period), stream("battery")),
            rotors: Live::new(rotors, stream("rotors")),
            payload: Live::new(Payload::new(&config.payload, period), stream("payload")),
            centre: zero,
            fitted: Box::new([Row::ZERO; VEHICLE_NUMBERS]),
            stale: u32::MAX,
            flown: Box::new(Flown {
                vehicle: [Row::ZERO; VEHICLE_NUMBERS],
                disturbance: Disturbance { force_world: zero, torque_body: zero },
                voltage: Row::splat(1.0),
            }),
        }))
    }

    /// Draws what happens in the episodes that the ledger has just opened in the lanes of a mask, which start as `body`.
    pub(crate) fn reset(&mut self, mask: u32, episodes: &Episodes, body: &Body<Row>) {
        let Self { actions, sensors, streams, drag, wind, ground, battery, rotors, payload, .. } = self;
        let [of_actions, of_sensors] = &*streams;
        for lane in lanes_of(mask) {
            let place @ [env, episode] = [episodes.first_env + lane as u32, episodes.episode[lane]];
            if let Some(actions) = actions {
                actions.delay[lane] = Draw::new(of_actions, env, episode).integer_within(actions.span);
            }
            if let Some(sensors) = sensors {
                sensors.reset(lane, &mut Draw::new(of_sensors, env, episode), body);
            }
            Live::reset(drag, lane, place);
            Live::reset(wind, lane, place);
            Live::reset(ground, lane, place);
            Live::reset(battery, lane, place);
            Live::reset(rotors, lane, place);
            Live::reset(payload, lane, place);
        }
        if let Some(actions) = actions {
            actions.fresh |= mask;
        }
        self.stale |= mask;
    }

    /// A lane was put elsewhere: sensors know nothing of what was before.
    pub(crate) fn put(&mut self, lane: usize, body: &Body<Row>) {
        if let Some(sensors) = &mut self.sensors {
            sensors.restart(1 << lane, body);
        }
    }

    /// The vehicles that [`begin_step`](Self::begin_step) is told of have changed.
    pub(crate) fn refit(&mut self) {
        self.stale = u32::MAX;
    }

    /// A step begins in a state of the vehicles `own`, which are given an action.
    pub(crate) fn begin_step(
        &mut self,
        action: &[Row],
        episodes: &Episodes,
        state: &State<Row>,
        own: &[Row; VEHICLE_NUMBERS],
    ) {
        if let Some(LateActions { line, delay, fresh, .. }) = &mut self.actions {
            self.told.copy_from_slice(line.pass_held(action, delay, *fresh));
            *fresh = 0;
        } else if self.battery.is_some() {
            self.told.copy_from_slice(action);
        }
        if let Some(sensors) = &mut self.sensors {
            sensors.remember(&state.body);
        }
        let clock = &episodes.clock;
        self.stale |= self.rotors.as_ref().map_or(0, |it| lanes_at(&it.words[1], clock));
        self.stale |= self.payload.as_ref().map_or(0, |it| lanes_at(&it.words[0], clock));
        for lane in lanes_of(self.stale) {
            self.fit(lane, clock[lane], own);
        }
        if self.stale != 0 {
            self.flown.vehicle = *self.fitted;
            self.stale = 0;
        }
        if self.drag.is_some() || self.ground.is_some() || self.battery.is_some() {
            dispatch(Surround { reality: self, episodes, state, own });
        }
    }

    /// Brings `fitted` up to date in a lane.
    fn fit(&mut self, lane: usize, clock: u32, own: &[Row; VEHICLE_NUMBERS]) {
        let own = Vehicle::<f32>::from_numbers(&own.map(|row| row[lane]));
        let rotors = self.rotors.as_ref().map(|it| {
            let [failing, onset] = it.words.map(|row| row[lane]);
            let has_failed = [0, 1, 2, 3].map(|rotor| rotor == failing && clock >= onset);
            (<Strength<()>>::lane(&it.rows, lane), has_failed)
        });
        let payload = self.payload.as_ref().map(|it| {
            let carries = clock >= it.words[0][lane];
            (<Load<()>>::lane(&it.rows, lane), carries)
        });
        let rotors = rotors.as_ref().map(|(strength, has_failed)| (strength, *has_failed));
        let payload = payload.as_ref().map(|(load, carries)| (load, *carries));
        let (vehicle, centre) = fitted(&own, rotors, payload);
        for (row, number) in self.fitted.iter_mut().zip(vehicle.numbers()) {
            row[lane] = number;
        }
        for (row, value) in self.centre.iter_mut().zip(centre) {
            row[lane] = value;
        }
    }

    /// What this step is flown with.
    pub(crate) fn flown(&self) -> &Flown {
        &self.flown
    }

    /// What the motors are told in this step, in which `given` was given.
    pub(crate) fn action<'a>(&'a self, given: &'a [Row]) -> &'a [Row] {
        if self.told.is_empty() { given } else { &self.told }
    }

    /// The motion as sensors measure it, if they do not measure it as it is.
    pub(crate) fn sense(&self, episodes: &Episodes, body: &Body<Row>) -> Option<Body<Row>> {
        self.sensors.as_ref().map(|it| it.sense(episodes, body))
    }

    /// Whether what is measured is not the state itself.
    pub(crate) fn has_sensors(&self) -> bool {
        self.sensors.is_some()
    }

    /// [`EnvBlock::visit_state`](crate::EnvBlock::visit_state) of all that happens.
    pub(crate) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self {
            actions,
            told: _,
            sensors,
            streams: _,
            drag,
            wind,
            air: _,
            ground,
            battery,
            rotors,
            payload,
            centre: _,
            fitted: _,
            stale,
            flown: _,
        } = self;
        if let Some(LateActions { span: _, line, delay, fresh }) = actions {
            line.visit_state(visit);
            visit_words(delay.iter_mut().chain([fresh]), visit);
        }
        if let Some(sensors) = sensors {
            sensors.visit_state(visit);
        }
        Live::visit_state(drag, visit);
        Live::visit_state(wind, visit);
        Live::visit_state(ground, visit);
        Live::visit_state(battery, visit);
        Live::visit_state(rotors, visit);
        Live::visit_state(payload, visit);
        // What follows from these is made anew.
        *stale = u32::MAX;
    }
}

/// Where the thrust of each rotor stands in [`Vehicle::numbers`].
const THRUST: [usize; 4] = [6, 17, 28, 39];

/// Forces of the air, lift of the ground and voltage of the battery at the start of a step.
struct Surround<'a> {
    reality: &'a mut Reality,
    episodes: &'a Episodes,
    state: &'a State<Row>,
    own: &'a [Row; VEHICLE_NUMBERS],
}

impl Kernel for Surround<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { reality, episodes, state, own } = self;
        let Reality { told, drag, wind, air, ground, battery, centre, fitted, flown, .. } = reality;
        for vector in 0..VECTORS {
            let State { body, rotor_speed } = state.load::<L>(vector);
            let vehicle = Vehicle::<L>::load(fitted, vector);
            if let Some(drag) = drag {
                let mut velocity = [L::splat(0.0); 3];
                if let Some(wind) = wind {
                    let (blows, next) = wind.effect.blows(&wind.load(vector), &episodes.draws(air, vector));
                    <Air<()>>::store::<L>(&mut wind.rows, vector, &next);
                    velocity = blows;
                }
                let Disturbance { force_world, torque_body } = drag.effect.acts(
                    &drag.load(vector),
                    (vehicle.mass_inverse, load_vector(centre, vector)),
                    (body.orientation, body.velocity),
                    velocity,
                );
                let flown = &mut flown.disturbance;
                for axis in 0..3 {
                    flown.force_world[axis].store(vector, force_world[axis]);
                    flown.torque_body[axis].store(vector, torque_body[axis]);
                }
            }
            if let Some(ground) = ground {
                let lift = ground.load::<L>(vector).lift(body.position[2]);
                for (rotor, start) in vehicle.rotors.iter().zip(THRUST) {
                    for (offset, coefficient) in rotor.thrust.into_iter().enumerate() {
                        flown.vehicle[start + offset].store(vector, lift * coefficient);
                    }
                }
            }
            if let Some(battery) = battery {
                let own = Vehicle::load(own, vector);
                let (voltage, left) = battery.load::<L>(vector).drained(&own, &rotor_speed);
                <Cell<()>>::store::<L>(&mut battery.rows, vector, &left);
                flown.voltage.store(vector, voltage);
                for row in told.iter_mut() {
                    row.store(vector, under_voltage(row.load::<L>(vector), voltage));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
