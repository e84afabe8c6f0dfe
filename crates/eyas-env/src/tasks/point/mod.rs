//! `Isaac-Quadcopter-Point-Ctrl-v0`: hover at a point or follow a moving one by motor set-points.

mod config;
mod gradient;
mod spec;

use eyas_lanes::{BLOCK, Real, fields};
use eyas_sim::{
    Langevin, SpeedLag, State, Vehicle, body_from_world, matrix_from_quaternion, norm, step_held, sub,
};

pub use config::{PointConfig, TrajectoryType};
pub use gradient::PointSurrogate;

use crate::block::Block;
use crate::episode::FOUNDATION_TERMINATIONS;
use crate::formulas::{self, StartLimits, set_points};
use crate::rows::{largest, not_finite};
use crate::target::{Motion, Path, Target};
use crate::task::{Action, After, BlockRules, Features, Flown, Moment, Start, Task, TaskBase, Verdict};
use crate::{Driver, DriverMut, Env, TaskConfig as _, Thresholds, VecEnv};

/// The formulas of the point task; positions are relative to each env's spawn point.
pub struct Point {
    config: PointConfig,
    lag: SpeedLag,
    start: StartLimits,
    motion: Motion,
}

/// Thirty-two episodes of the point task.
pub type PointBlock = Block<Point>;

fields! {
    /// What an env of the point task remembers.
    pub struct Memory {
        /// The last set-point, in `[0, 1]`; 0 after a reset.
        set_point: 4,
    }
}

impl Point {
    /// The task as configured.
    pub(crate) fn new(config: &PointConfig) -> Self {
        Self {
            lag: SpeedLag::new(config.control_period(), config.motor_tau),
            start: StartLimits {
                position: config.init_position_radius,
                linear_velocity: config.init_linear_velocity,
                angular_velocity: config.init_angular_velocity,
                // Roll and pitch within a quarter turn, yaw within half a turn.
                turns: [0.5, 0.5, 1.0],
                at_rest: if config.train_or_play { config.prob_perfect_start } else { 1.0 },
            },
            motion: Motion {
                path: Path::new(&config.flown_course(), config.langevin),
                at_rest: config.prob_null_trajectory,
                max_speed: Some(config.langevin_max_speed),
            },
            config: config.clone(),
        }
    }
}

impl TaskBase for Point {
    type State = State<()>;
    type Memory = Memory<()>;
    type Limits = ();

    fn rules(&self) -> BlockRules {
        let Self { config, motion, .. } = self;
        BlockRules {
            period: config.control_period(),
            // Isaac Lab's `episode_length_buf >= max_episode_length - 1`; never in play mode.
            time_limit: if config.train_or_play { config.max_episode_length() - 1 } else { u32::MAX },
            num_terms: spec::REWARD_TERMS.len(),
            motion: motion.clone(),
            reality: config.reality.clone(),
            start_stream: "env/start",
        }
    }

    #[inline(always)]
    fn reset<R: Real>(&self, _: &Vehicle<R>, (): &(), driver: &mut impl DriverMut<R>) -> Start<R, Self> {
        let [rest, speed, ..] = driver.words(0);
        let zero = R::zero();
        Start {
            state: State { body: formulas::draw_start(&self.start, driver), rotor_speed: [zero; 4] },
            memory: Memory { set_point: [zero; 4] },
            target: Target::start(&self.motion, [rest, speed]),
        }
    }
}

impl Task for Point {
    const REFERENCE_MOVES_FIRST: bool = true;

    #[inline(always)]
    fn observe<R: Real>(
        &self,
        _: &Vehicle<R>,
        moment: &Moment<R, Self>,
        _: &impl Driver<R>,
        out: &mut impl Features<R>,
    ) {
        let Moment { state: State { body, rotor_speed }, memory, reference } = moment;
        let limit = self.config.robot.action_limit;
        let least = R::constant(limit.min);
        let range_inverse = R::constant(1.0 / (limit.max - limit.min));
        let matrix = matrix_from_quaternion(body.orientation);
        out.put_all(body_from_world(&matrix, sub(body.position, reference.position)));
        for row in matrix {
            out.put_all(row);
        }
        out.put_all(body_from_world(&matrix, sub(body.velocity, reference.velocity)));
        out.put_all(body.angular_velocity);
        out.put_all(memory.set_point);
        let mut speeds = *rotor_speed;
        for speed in &mut speeds {
            *speed = (*speed - least) * range_inverse;
        }
        out.put_all(speeds);
    }

    /// Motors, physics, terminations and reward in Isaac Lab's order.
    #[inline(always)]
    fn step<R: Real, const ALIGNED: bool>(
        &self,
        Flown { vehicle, disturbance }: &Flown<R, ALIGNED>,
        moment: &Moment<R, Self>,
        (): &(),
        action: &Action<R>,
        _: &mut impl DriverMut<R>,
        verdict: &mut impl Verdict<R>,
    ) -> After<R, Self> {
        let config = &self.config;
        let Moment { mut state, memory, reference } = *moment;
        let set_point = set_points(&action.given);
        let mut applied = set_point;
        if let Some(action) = &action.applied {
            applied = set_points(action);
        }
        let range = vehicle.speed_max - vehicle.speed_min;
        for (speed, set_point) in state.rotor_speed.iter_mut().zip(applied) {
            *speed = self.lag.apply(*speed, set_point.mul_add(range, vehicle.speed_min));
        }
        let wrench = vehicle.wrench(&state.rotor_speed);
        for _ in 0..config.decimation {
            let (dt, substeps) = (config.sim.dt, config.sim.substeps);
            state.body = step_held(vehicle, &state.body, wrench, disturbance, dt, substeps);
        }

        let causes = causes(&config.thresholds, &state, &reference);
        let [position, velocity, rate, tilt, lost, _] = causes;
        // The reference's distance ends an episode without the penalty.
        let unstable = R::or(R::or(R::or(position, velocity), R::or(rate, tilt)), lost);
        let error = norm(sub(state.body.position, reference.position));
        let terms = [
            -R::constant(config.reward_coef_position_cost) * error,
            -R::constant(config.reward_coef_orientation_cost) * formulas::yaw_error(&state.body.orientation),
            -R::constant(config.reward_coef_d_action_cost) * formulas::change(&set_point, &memory.set_point),
            R::constant(config.reward_constant),
            R::select(unstable, R::constant(-config.reward_coef_termination_penalty), R::zero()),
        ];
        verdict.end(causes);
        verdict.earn(terms);
        After { state, memory: Memory { set_point } }
    }
}

/// The conditions of [`FOUNDATION_TERMINATIONS`].
#[inline(always)]
pub(crate) fn causes<R: Real>(
    thresholds: &Thresholds,
    state: &State<R>,
    target: &Langevin<R>,
) -> [R::Mask; FOUNDATION_TERMINATIONS.len()] {
    let body = &state.body;
    [
        R::constant(thresholds.position).less(norm(body.position)),
        R::constant(thresholds.linear_velocity).less(largest(body.velocity)),
        R::constant(thresholds.angular_velocity).less(largest(body.angular_velocity)),
        formulas::upright(&body.orientation).less(R::constant(thresholds.least_upright())),
        not_finite(state),
        R::constant(thresholds.position_langevin).less(norm(target.position)),
    ]
}

impl PointConfig {
    /// Blocks of 32 envs whose every draw is keyed by `seed`; all wait for a reset.
    fn blocks(&self, num_blocks: usize, seed: u64) -> Vec<PointBlock> {
        Block::alike(Point::new(self), &self.robot, (), num_blocks, seed)
    }

    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    fn env(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(Env::new(spec::spec(self), num_envs, self.blocks(num_envs.div_ceil(BLOCK), seed)))
    }
}
