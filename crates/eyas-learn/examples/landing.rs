//! A task of one's own in one file: land softly. `docs/adding_a_task.md` walks through it.
//!
//! `cargo run --release -p eyas-learn --example landing`

#![expect(clippy::print_stdout, reason = "an example tells what it found")]

use eyas_env::{
    Action, Actuation, After, Block, BlockRules, Driver, DriverMut, Env, EnvSpec, EpisodeScalar, Features,
    Flown, Frame, Group, Moment, Motion, Part, Path, RealityConfig, Start, Target, Task, TaskBase, Verdict,
};
use eyas_lanes::{BLOCK, Real, fields, lanes_of};
use eyas_learn::ppo::{Ppo, RunnerConfig};
use eyas_learn::{Actor, CpuEngine, Engine as _, Watched, evaluate_watched};
use eyas_sim::{Body, SpeedLag, State, Vehicle, body_from_world, matrix_from_quaternion, norm, step_held};

/// Control period, s.
const PERIOD_S: f64 = 0.01;
/// Control steps in which the vehicle has to be down.
const TIME_LIMIT: u32 = 400;
/// A touchdown counts as soft below this speed, m/s.
const SOFT_M_S: f64 = 0.6;

const REWARD_TERMS: [&str; 3] = ["descent", "upright", "landed"];
const TERMINATIONS: [&str; 2] = ["touchdown", "lost"];

fields! {
    /// What an env remembers.
    pub(crate) struct Memory {
        /// The last set-points of the motors, in `[0, 1]`.
        set_point: 4,
    }
}

/// Land softly on the ground, which lies at height 0 below the spawn point.
pub(crate) struct Landing {
    lag: SpeedLag,
    /// The set-point that carries the weight, in `[0, 1]`.
    hover: f64,
}

impl TaskBase for Landing {
    type State = State<()>;
    type Memory = Memory<()>;
    type Limits = ();

    fn rules(&self) -> BlockRules {
        BlockRules {
            period: PERIOD_S,
            time_limit: TIME_LIMIT,
            num_terms: REWARD_TERMS.len(),
            motion: Motion { path: Path::Rest, at_rest: 1.0, max_speed: None },
            reality: RealityConfig::default(),
            start_stream: "landing/start",
        }
    }

    /// At rest, half a metre to one and a half metres above the ground.
    fn reset<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        (): &(),
        driver: &mut impl DriverMut<R>,
    ) -> Start<R, Self> {
        let words = driver.words(0);
        let mut body = Body::at_rest();
        body.position[2] = R::uniform(words[0]) + R::constant(0.5);
        let range = vehicle.speed_max - vehicle.speed_min;
        let hover_speed = range.mul_add(R::constant(self.hover), vehicle.speed_min);
        Start {
            state: State { body, rotor_speed: [hover_speed; 4] },
            memory: Memory { set_point: [R::constant(self.hover); 4] },
            target: Target::start(&self.rules().motion, [words[1], words[2]]),
        }
    }
}

impl Task for Landing {
    const REFERENCE_MOVES_FIRST: bool = true;

    fn observe<R: Real>(
        &self,
        vehicle: &Vehicle<R>,
        moment: &Moment<R, Self>,
        _: &impl Driver<R>,
        out: &mut impl Features<R>,
    ) {
        let State { body, rotor_speed } = &moment.state;
        let matrix = matrix_from_quaternion(body.orientation);
        out.put(body.position[2]);
        out.put_all(body_from_world(&matrix, body.velocity));
        out.put_all(matrix[2]);
        out.put_all(body.angular_velocity);
        for speed in rotor_speed {
            out.put(*speed / vehicle.speed_max);
        }
    }

    fn step<R: Real, const ALIGNED: bool>(
        &self,
        Flown { vehicle, disturbance }: &Flown<R, ALIGNED>,
        moment: &Moment<R, Self>,
        (): &(),
        action: &Action<R>,
        _: &mut impl DriverMut<R>,
        verdict: &mut impl Verdict<R>,
    ) -> After<R, Self> {
        let (zero, one) = (R::zero(), R::one());
        let mut state = moment.state;
        let mut set_point = action.applied();
        let range = vehicle.speed_max - vehicle.speed_min;
        for (value, speed) in set_point.iter_mut().zip(&mut state.rotor_speed) {
            *value = value.clamp(-one, one).mul_add(R::constant(0.2), R::constant(self.hover));
            *speed = self.lag.apply(*speed, value.mul_add(range, vehicle.speed_min));
        }
        let wrench = vehicle.wrench(&state.rotor_speed);
        state.body = step_held(vehicle, &state.body, wrench, disturbance, PERIOD_S, 1);

        let body = &state.body;
        let (height, upright) = (body.position[2], matrix_from_quaternion(body.orientation)[2][2]);
        let touches = height.less(zero);
        let is_lost = R::or(upright.less(R::constant(0.7)), R::not(height.less(R::constant(3.0))));
        let is_soft =
            R::and(touches, R::and(R::not(is_lost), norm(body.velocity).less(R::constant(SOFT_M_S))));
        // The lower it is, the slower it is to sink.
        let wanted = height.max(zero).mul_add(R::constant(-0.8), R::constant(-0.3));
        verdict.end([touches, is_lost]);
        verdict.earn([
            R::constant(-0.02) * (body.velocity[2] - wanted).abs(),
            R::constant(-0.02) * (one - upright),
            R::select(is_soft, R::constant(5.0), R::select(R::or(touches, is_lost), R::constant(-5.0), zero)),
        ]);
        After { state, memory: Memory { set_point } }
    }
}

fn spec() -> EnvSpec {
    let part = |name, width, frame, unit, meaning| Part { name, width, frame, unit, meaning };
    EnvSpec {
        task: "Landing",
        parts: vec![
            part("height", 1, Frame::World, "m", "height above the ground"),
            part("velocity", 3, Frame::Body, "m/s", "velocity"),
            part("up", 3, Frame::Body, "1", "the world's z axis"),
            part("angular_velocity", 3, Frame::Body, "rad/s", "angular velocity"),
            part("rotor_speed", 4, Frame::Motors, "1", "rotor speed over the largest"),
        ],
        groups: vec![Group { name: "policy", features: 0..14 }],
        num_actions: 4,
        action: "change of the motors' set-points in [-1, 1], clamped outside; 0 hovers",
        actuation: Actuation::Rotors,
        motor_order: "front left, front right, back right, back left",
        control_rate_hz: 1.0 / PERIOD_S,
        max_episode_length: TIME_LIMIT,
        reward_terms: REWARD_TERMS.to_vec(),
        terminations: TERMINATIONS.to_vec(),
        episode_log: EpisodeScalar::foundation(&REWARD_TERMS, &TERMINATIONS),
        symmetries: Vec::new(),
    }
}

/// Envs whose every draw is keyed by `seed`.
pub(crate) fn landings(num_envs: usize, seed: u64) -> Env {
    let vehicle = eyas_vehicles::foundation_crazyflie();
    let task = Landing { lag: SpeedLag::new(PERIOD_S, 0.05), hover: vehicle.hovering_throttle_relative };
    Env::new(spec(), num_envs, Block::alike(task, &vehicle, (), num_envs.div_ceil(BLOCK), seed))
}

/// Share of 64 landings that are soft.
pub(crate) fn soft_share(ppo: &Ppo) -> f64 {
    let mut engine = CpuEngine::new(Box::new(landings(64, 7)));
    let actor = Actor::new(&ppo.actor, engine.spec()).expect("it was trained in such an env");
    let note = |moment: &Watched, soft: &mut u32| {
        let landed = |lane: &usize| moment.block.episode(*lane).terms[2] > 0.0;
        *soft += lanes_of(moment.live & moment.block.ended()).filter(landed).count() as u32;
    };
    let (_, soft) =
        evaluate_watched(&mut engine, &actor, None, TIME_LIMIT, note).expect("all numbers are finite");
    f64::from(soft.iter().sum::<u32>()) / 64.0
}

/// A landing policy by PPO, after so many iterations.
pub(crate) fn train(iterations: usize) -> Ppo {
    let mut engine = CpuEngine::new(Box::new(landings(512, 1)));
    let mut config = RunnerConfig { num_steps_per_env: 64, ..RunnerConfig::default() };
    config.actor.distribution_cfg.init_std = 0.5;
    let mut ppo = Ppo::new(&config, &mut engine, 1).expect("the networks can be trained");
    for _ in 0..iterations {
        ppo.iterate(&mut engine).expect("it does not diverge");
    }
    ppo
}

fn main() {
    for iterations in [0, 20, 60] {
        println!("{iterations:3} iterations: {:3.0} % land softly", 100.0 * soft_share(&train(iterations)));
    }
}
