//! `Eyas-Quadcopter-Formation-v0`: several vehicles hold a formation around a point that rests or moves.

mod config;
mod downwash;
mod spec;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use eyas_lanes::{BLOCK, Real};
use eyas_sim::{
    Body, Disturbance, Langevin, SpeedLag, State, Vector, Vehicle, add, body_from_world,
    matrix_from_quaternion, sub,
};

pub use config::{FormationConfig, PlacesConfig, Shape};
pub use downwash::DownwashConfig;

use self::downwash::Downwash;
use self::spec::{CAUSES, REWARD_TERMS, spec};
use crate::block::Block;
use crate::formulas::{StartLimits, choose, drawn};
use crate::multi_agent::{
    AgentVerdict, MAX_AGENTS, MultiAgentEnv, MultiAgentSpec, MultiAgentTask, VehicleNumbers, View,
};
use crate::rows::{holds, visit_flags};
use crate::target::{Motion, Path, Target};
use crate::task::{BlockRules, Extras, Features, Flown, SavedRows, Start, TaskBase};
use crate::{Driver, DriverMut, RealityConfig, TaskConfig as _, visit_rows};

/// The formulas of the formation task; positions are relative to where the centre starts.
pub struct Formation {
    config: FormationConfig,
    spec: MultiAgentSpec,
    /// Where each vehicle flies from the centre, world frame, m.
    places: Vec<Vector<f64>>,
    start: StartLimits,
    lag: SpeedLag,
    downwash: Option<Downwash>,
    motion: Motion,
}

/// Thirty-two episodes of the formation task.
pub type FormationBlock = Block<Formation>;

impl FormationConfig {
    /// `num_envs` envs whose every draw is keyed by `seed`, an agent for each vehicle; all wait for a reset.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    #[must_use]
    pub fn agents(&self, num_envs: usize, seed: u64) -> MultiAgentEnv<FormationBlock> {
        let task = Formation::new(self);
        let spec = Arc::new(task.spec.clone());
        MultiAgentEnv::new(
            spec,
            num_envs,
            Block::alike(task, &self.robot, (), num_envs.div_ceil(BLOCK), seed),
        )
    }
}

/// Numbers of a vehicle: its state, its last set-points in `[0, 1]`, which are 0 after a reset, and whether its flight has
/// ended. Those of all vehicles are followed by whether a flight has ended for each of the [causes](CAUSES).
const VEHICLE: usize = 22;
const VELOCITY: usize = 7;
const ROTOR_SPEED: usize = 13;
const SET_POINT: usize = 17;
const FALLEN: usize = 21;

/// Draws of one vehicle at a reset, beside the first that is for all.
const DRAWS: u32 = 5;

impl Formation {
    /// The task as configured.
    pub(super) fn new(config: &FormationConfig) -> Self {
        Self {
            spec: spec(config),
            places: config.formation.places(config.num_agents),
            start: StartLimits {
                position: config.init_position_radius,
                linear_velocity: config.init_linear_velocity,
                angular_velocity: config.init_angular_velocity,
                // ±`init_angle`, of a number in [0, 1).
                turns: [config.init_angle * std::f64::consts::FRAC_1_PI; 3],
                at_rest: config.prob_perfect_start,
            },
            lag: SpeedLag::new(config.control_period(), config.motor_tau),
            downwash: Downwash::new(&config.downwash, &config.robot),
            motion: Motion {
                path: Path::new(&config.course, config.langevin),
                at_rest: config.prob_null_trajectory,
                max_speed: Some(config.langevin_max_speed),
            },
            config: config.clone(),
        }
    }

    /// Where a vehicle flies from the centre, world frame, m.
    #[inline(always)]
    fn place<R: Real>(&self, vehicle: usize) -> Vector<R> {
        let [x, y, z] = self.places[vehicle];
        [R::constant(x), R::constant(y), R::constant(z)]
    }

    /// The numbers that the causes are.
    fn causes(&self) -> std::ops::Range<usize> {
        let first = VEHICLE * self.places.len();
        first..first + CAUSES
    }
}

impl TaskBase for Formation {
    type State = ();
    type Memory = ();
    type Limits = ();

    fn rules(&self) -> BlockRules {
        BlockRules {
            period: self.config.control_period(),
            // Isaac Lab's `episode_length_buf >= max_episode_length - 1`.
            time_limit: self.spec.max_episode_length - 1,
            num_terms: REWARD_TERMS.len(),
            motion: self.motion.clone(),
            reality: RealityConfig::default(),
            start_stream: "env/start",
        }
    }

    fn extras(&self) -> Extras {
        Extras { numbers: self.causes().end, ..Extras::default() }
    }

    fn start_up<R: Real>(&self, driver: &mut impl DriverMut<R>) {
        for vehicle in 0..self.places.len() {
            driver.store::<Body<()>>(VEHICLE * vehicle, &Body::at_rest());
        }
    }

    #[inline(always)]
    fn reset<R: Real>(&self, _: &Vehicle<R>, (): &(), driver: &mut impl DriverMut<R>) -> Start<R, Self> {
        let [rest, speed, start, _] = driver.words(0);
        let is_perfect = R::uniform(start).less(R::constant(self.start.at_rest));
        let zero = R::zero();
        for vehicle in 0..self.places.len() {
            let place = self.place(vehicle);
            let first = 1 + DRAWS * vehicle as u32;
            let [position, velocity, angular_velocity] =
                [driver.words(first), driver.words(first + 1), driver.words(first + 2)];
            let [attitude, radius] = [driver.words(first + 3), driver.words(first + 4)];
            let mut body = drawn(&self.start, attitude, [position, velocity, angular_velocity], radius);
            body.position = add(place, body.position);
            let body = choose(is_perfect, Body { position: place, ..Body::at_rest() }, body);
            let first = VEHICLE * vehicle;
            driver.store::<State<()>>(first, &State { body, rotor_speed: [zero; 4] });
            driver.store::<[(); 4]>(first + SET_POINT, &[zero; 4]);
            driver.set(first + FALLEN, zero);
        }
        for cause in self.causes() {
            driver.set(cause, zero);
        }
        Start { state: (), memory: (), target: Target::start(&self.motion, [rest, speed]) }
    }

    fn visit_state(rows: SavedRows<'_, Self>, visit: &mut dyn FnMut(&mut u32)) {
        rows.target.visit_state(visit);
        let (vehicles, causes) = rows.numbers.split_at_mut(rows.numbers.len() - CAUSES);
        for vehicle in vehicles.chunks_exact_mut(VEHICLE) {
            let (moves, fallen) = vehicle.split_at_mut(FALLEN);
            visit_rows(moves, visit);
            visit_flags(&mut fallen[0], visit);
        }
        for cause in causes {
            visit_flags(cause, visit);
        }
    }
}

impl MultiAgentTask for Formation {
    fn spec(&self) -> &MultiAgentSpec {
        &self.spec
    }

    fn vehicle(&self, vehicle: usize) -> VehicleNumbers {
        let body = VEHICLE * vehicle;
        VehicleNumbers { body, fallen: body + FALLEN, offset: self.places[vehicle] }
    }

    #[inline(always)]
    fn observe<R: Real>(
        &self,
        view: View,
        centre: &Langevin<R>,
        driver: &impl Driver<R>,
        out: &mut impl Features<R>,
    ) {
        match view {
            View::Observation(agent) => self.observe_agent(agent, centre, driver, out),
            View::Privileged(agent) => {
                let limit = self.config.robot.action_limit;
                let (least, range_inverse) =
                    (R::constant(limit.min), R::constant(1.0 / (limit.max - limit.min)));
                for speed in driver.numbers::<4>(VEHICLE * agent + ROTOR_SPEED) {
                    out.put((speed - least) * range_inverse);
                }
            }
            View::State => {
                for vehicle in 0..self.places.len() {
                    let body = driver.load::<Body<()>>(VEHICLE * vehicle);
                    out.put_all(body.position);
                    for row in matrix_from_quaternion(body.orientation) {
                        out.put_all(row);
                    }
                    out.put_all(body.velocity);
                    out.put_all(body.angular_velocity);
                }
                out.put_all(centre.position);
                out.put_all(centre.velocity);
            }
        }
    }

    #[inline(always)]
    fn step<R: Real, const ALIGNED: bool>(
        &self,
        Flown { vehicle, disturbance }: &Flown<R, ALIGNED>,
        centre: &Langevin<R>,
        actions: &[[R; 4]],
        driver: &mut impl DriverMut<R>,
        verdict: &mut impl AgentVerdict<R>,
    ) {
        let change = Self::command(actions, driver);
        let downwash = self.downwash(vehicle, driver);
        let mut lost = [R::never(); MAX_AGENTS];
        let [x, y, z] = disturbance.force_world;
        for (index, force) in downwash.into_iter().enumerate().take(actions.len()) {
            let disturbance = Disturbance { force_world: [x, y, z - force], ..*disturbance };
            lost[index] = self.fly(index, vehicle, &disturbance, driver);
        }
        self.judge((&change, &lost), centre, driver, verdict);
    }
}

impl Formation {
    /// What a vehicle observes of itself and of the others.
    #[inline(always)]
    fn observe_agent<R: Real>(
        &self,
        agent: usize,
        centre: &Langevin<R>,
        driver: &impl Driver<R>,
        out: &mut impl Features<R>,
    ) {
        let others = |it: &usize| *it != agent;
        let own = driver.load::<Body<()>>(VEHICLE * agent);
        let matrix = matrix_from_quaternion(own.orientation);
        let desired = add(centre.position, self.place(agent));
        out.put_all(body_from_world(&matrix, sub(own.position, desired)));
        for row in matrix {
            out.put_all(row);
        }
        out.put_all(body_from_world(&matrix, sub(own.velocity, centre.velocity)));
        out.put_all(own.angular_velocity);
        out.put_all(driver.numbers::<4>(VEHICLE * agent + SET_POINT));
        for other in (0..self.places.len()).filter(others) {
            let position = driver.numbers::<3>(VEHICLE * other);
            out.put_all(body_from_world(&matrix, sub(position, own.position)));
        }
        for other in (0..self.places.len()).filter(others) {
            let mut velocity = driver.numbers::<3>(VEHICLE * other + VELOCITY);
            let has_fallen = holds(driver.number(VEHICLE * other + FALLEN));
            for axis in &mut velocity {
                // What has fallen lies still.
                *axis = R::select(has_fallen, R::zero(), *axis);
            }
            out.put_all(body_from_world(&matrix, sub(velocity, own.velocity)));
        }
    }
}
