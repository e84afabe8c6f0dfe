//! `Eyas-Raptor-v0`: any quadrotor holds a point or follows a slow reference, by motor set-points.

mod config;
mod formulas;
mod gradient;
mod replay;
mod spec;

use std::sync::Arc;

use eyas_lanes::{BLOCK, Real, fields};
use eyas_sim::{Body, Disturbance, Langevin, State, Vector, Vehicle, add, norm, scale};

pub use config::{
    DisturbancesConfig, InitConfig, Observation, ObservationDelayConfig, Protocol, RandomForce, RaptorConfig,
    RewardConfig, TerminationConfig,
};
use eyas_vehicles::FleetVehicle;
pub use gradient::RaptorSurrogate;
pub use replay::{FlatParameters, Quantity, RecordedState, Replay, ReplayError, Transition};

use crate::block::{Block, Shared, Vehicles};
use crate::formulas::choose;
use crate::rows::not_finite;
use crate::symmetry::mirrors;
use crate::target::{Motion, Path, Target};
use crate::task::{
    Action, After, BlockRules, Features, Flown, Moment, SavedRows, Start, Task, TaskBase, Verdict,
};
use crate::{Driver, DriverMut, Env, TaskConfig as _, VecEnv, visit_rows};

use config::{RAPTOR_MAX_ANGLE, RAPTOR_MAX_POSITION};

/// The formulas of the RAPTOR environment.
pub struct Raptor {
    config: RaptorConfig,
    motion: Motion,
}

/// Thirty-two episodes of the RAPTOR environment.
pub type RaptorBlock = Block<Raptor>;

fields! {
    /// What an env of the RAPTOR environment remembers.
    pub struct Memory {
        /// What a policy sees of its last action; after a reset the rotor speeds.
        history: 4,
        /// What the reward compares an action with; 0 after a reset.
        last_action: 4,
        /// External force, world frame, N.
        force: 3,
    }
}

fields! {
    /// What the size of a vehicle implies.
    pub struct Limits {
        /// Largest distance from the origin at the start along each axis, m.
        start_position: 1,
        /// The same that ends an episode, m.
        position: 1,
        /// Standard deviation of the external force along each axis, N.
        force_std: 1,
    }
}

impl Limits<f32> {
    /// Those of a vehicle.
    fn of(config: &RaptorConfig, vehicle: &FleetVehicle) -> Self {
        Self {
            start_position: [config.max_start_position(vehicle) as f32],
            position: [config.position_threshold(vehicle) as f32],
            force_std: [vehicle.random_force_std as f32],
        }
    }
}

impl Raptor {
    /// The task as configured.
    pub(crate) fn new(config: &RaptorConfig) -> Self {
        Self {
            motion: Motion {
                path: Path::new(&config.course, config.langevin),
                at_rest: config.prob_null_trajectory,
                max_speed: None,
            },
            config: config.clone(),
        }
    }
}

impl TaskBase for Raptor {
    type State = State<()>;
    type Memory = Memory<()>;
    type Limits = Limits<()>;

    fn rules(&self) -> BlockRules {
        let Self { config, motion } = self;
        BlockRules {
            period: config.control_period(),
            time_limit: config.max_episode_length(),
            num_terms: spec::REWARD_TERMS.len(),
            motion: motion.clone(),
            reality: config.flown_reality(),
            start_stream: "env/start",
        }
    }

    #[inline(always)]
    fn reset<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        limits: &Limits<R>,
        driver: &mut impl DriverMut<R>,
    ) -> Start<R, Self> {
        let config = &self.config;
        let (kind, place, rotor) = (driver.words(0), driver.words(1), driver.words(5));
        let (linear, angular) = (driver.words(2), driver.words(3));
        let [x, y, z, _] = R::normals(driver.words(4));
        let [push_x, push_y, push_z, _] = R::normals(driver.words(6));

        let is_raptor = R::uniform(kind[2]).less(R::constant(config.init.raptor_share));
        let max_position = R::select(is_raptor, R::constant(RAPTOR_MAX_POSITION), limits.start_position[0]);
        let own = R::constant(config.max_start_angle());
        let max_angle = R::select(is_raptor, R::constant(RAPTOR_MAX_ANGLE), own);
        let max_velocity = R::constant(config.init.max_linear_velocity);
        let max_rate = R::constant(config.init.max_angular_velocity);
        let angle = R::uniform(place[3]) * max_angle;
        let drawn = Body {
            position: scale(max_position, signed_vector(place)),
            orientation: about_axis([x, y, z], angle),
            velocity: scale(max_velocity, signed_vector(linear)),
            angular_velocity: scale(max_rate, signed_vector(angular)),
        };
        let is_guided = R::uniform(kind[0]).less(R::constant(config.init.guidance));
        let body = choose(is_guided, Body::at_rest(), drawn);

        let range = vehicle.speed_max - vehicle.speed_min;
        // Relative speeds lie in [−1, 1].
        let lowest = R::constant(0.5 * (config.init.min_rpm + 1.0));
        let spread = R::constant(0.5 * (config.init.max_rpm - config.init.min_rpm));
        let (mut rotor_speed, mut history) = ([R::zero(); 4], [R::zero(); 4]);
        for motor in 0..4 {
            let share = R::uniform(rotor[motor]).mul_add(spread, lowest);
            rotor_speed[motor] = share.mul_add(range, vehicle.speed_min);
            history[motor] = formulas::relative_speed(vehicle, rotor_speed[motor]);
        }
        Start {
            state: State { body, rotor_speed },
            memory: Memory {
                history,
                last_action: [R::zero(); 4],
                force: scale(limits.force_std[0], [push_x, push_y, push_z]),
            },
            // The second word is for a limit of the speed, of which there is none.
            target: Target::start(&self.motion, [kind[1]; 2]),
        }
    }

    /// No reference has a limit of its speed.
    fn visit_state(rows: SavedRows<'_, Self>, visit: &mut dyn FnMut(&mut u32)) {
        let SavedRows { state, memory: Memory { history, last_action, force }, target, numbers: _ } = rows;
        let Target { reference, max_speed: _, moving } = target;
        visit_rows(state.fields_mut(), visit);
        visit_rows(reference.fields_mut(), visit);
        visit_rows(history.iter_mut().chain(last_action).chain(force).chain([moving]), visit);
    }
}

impl Task for Raptor {
    const REFERENCE_MOVES_FIRST: bool = false;

    #[inline(always)]
    fn observe<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        moment: &Moment<R, Self>,
        _: &impl Driver<R>,
        out: &mut impl Features<R>,
    ) {
        let Moment { state, memory, reference } = moment;
        if self.config.observation == Observation::Absolute {
            let values = formulas::observe(vehicle, state, &Langevin::at_rest(), &memory.history);
            let (shown, _) =
                values.split_first_chunk::<{ formulas::POLICY_OBSERVATIONS }>().expect("it is shorter");
            out.put_all(*shown);
        }
        out.put_all(formulas::observe(vehicle, state, reference, &memory.history));
    }

    /// Physics, terminations and reward in RLtools' order: the reward is that of the state before the step.
    #[inline(always)]
    fn step<R: Real, const ALIGNED: bool>(
        &self,
        Flown { vehicle, disturbance }: &Flown<R, ALIGNED>,
        moment: &Moment<R, Self>,
        limits: &Limits<R>,
        action: &Action<R>,
        _: &mut impl DriverMut<R>,
        verdict: &mut impl Verdict<R>,
    ) -> After<R, Self> {
        let config = &self.config;
        let Moment { state, memory, reference } = moment;
        let given = action.given;
        let running =
            formulas::running_reward(&config.reward, &state.body, reference, &given, &memory.last_action);
        let disturbance = pushed(disturbance, memory.force);
        let next = formulas::step(config, vehicle, state, &action.applied(), &disturbance);

        let [position, velocity, rate] =
            formulas::causes(&config.termination, &next.body, limits.position[0]);
        let lost = not_finite(&next);
        let never = R::never();
        let ends = R::or(R::or(position, velocity), R::or(rate, lost));
        let zero = R::zero();
        let [error, orientation, change, constant] = running;
        let penalty = R::constant(config.reward.termination_penalty);
        let terms = [
            R::select(ends, zero, error),
            R::select(ends, zero, orientation),
            R::select(ends, zero, change),
            R::select(ends, zero, constant),
            R::select(ends, penalty, zero),
        ];
        let memory = Memory { history: given, last_action: given, force: memory.force };
        verdict.end([position, velocity, rate, never, lost]);
        verdict.earn(terms);
        After { state: next, memory }
    }
}

/// A disturbance and one more force, world frame.
#[inline(always)]
fn pushed<R: Real>(disturbance: &Disturbance<R>, force: Vector<R>) -> Disturbance<R> {
    Disturbance { force_world: add(force, disturbance.force_world), ..*disturbance }
}

/// Three numbers uniform in `[−1, 1)`.
#[inline(always)]
fn signed_vector<R: Real>(words: [R::Word; 4]) -> Vector<R> {
    // Loops, not closures: those that the compiler does not inline are compiled for no instruction set.
    let mut vector = [R::zero(); 3];
    for (value, word) in vector.iter_mut().zip(words) {
        *value = R::uniform(word).mul_add(R::constant(2.0), R::constant(-1.0));
    }
    vector
}

/// A turn by `angle` rad about a direction that need not be of length 1.
#[inline(always)]
fn about_axis<R: Real>(direction: Vector<R>, angle: R) -> [R; 4] {
    let length = norm(direction).max(R::constant(f64::from(1e-9_f32)));
    let (sine, cosine) = (angle * R::constant(0.25 / std::f64::consts::PI)).sin_cos_turns();
    let [x, y, z] = scale(sine / length, direction);
    [cosine, x, y, z]
}

impl RaptorConfig {
    /// Blocks of as many envs as there are `members`, in their order; lanes past the last fly as it does. Every draw is
    /// keyed by `seed`, and all wait for a reset.
    fn blocks(&self, fleet: &[FleetVehicle], members: &[usize], seed: u64) -> Vec<RaptorBlock> {
        let shared: Arc<Shared<Raptor>> = Shared::new(Raptor::new(&self.settled(fleet)), seed);
        let blocks = members.chunks(BLOCK).enumerate().map(|(block, members)| {
            let lanes: [&FleetVehicle; BLOCK] =
                std::array::from_fn(|lane| &fleet[members[lane.min(members.len() - 1)]]);
            let vehicles = Vehicles::new(&shared.rules, &lanes.map(|it| &it.dynamics), |lane| {
                Limits::of(self, lanes[lane])
            });
            Block::new(Arc::clone(&shared), (block * BLOCK) as u32, vehicles)
        });
        blocks.collect()
    }

    /// `num_envs` envs of the configured vehicle whose every draw is keyed by `seed`; all wait for a reset.
    fn env(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        let mut env = self.env_of_fleet(&[self.fleet_vehicle()], &vec![0; num_envs], seed);
        if self.reality.is_symmetric() {
            env.spec.symmetries = mirrors(&self.robot);
        }
        Box::new(env)
    }

    /// One env for each of `members`, which are indices into `fleet`.
    #[must_use]
    pub fn env_of_fleet(&self, fleet: &[FleetVehicle], members: &[usize], seed: u64) -> Env {
        Env::new(spec::spec(self), members.len(), self.blocks(fleet, members, seed))
    }
}
