//! `Isaac-Quadcopter-Direct-v0`: fly a rigid body to a goal by thrust and moments.

mod config;
mod gradient;
mod spec;

use eyas_lanes::{BLOCK, Real};
use eyas_sim::{
    Body, Langevin, State, Vector, Vehicle, body_from_world, dot, matrix_from_quaternion, norm, step_held,
    sub,
};

pub use config::{DirectConfig, GoalConfig, HeightConfig, InitState, RigidBodyConfig};
pub use gradient::DirectSurrogate;

use crate::block::Block;
use crate::course;
use crate::formulas;
use crate::rows::{body_rows, not_finite};
use crate::target::{Motion, Path, Target};
use crate::task::{
    Action, After, BlockRules, Features, Flown, Moment, SavedRows, Start, Task, TaskBase, Verdict,
};
use crate::{Driver, DriverMut, Env, TaskConfig as _, VecEnv, visit_rows};

/// The formulas of Isaac Lab's quadcopter task; positions are relative to each env's spawn point.
pub struct Direct {
    config: DirectConfig,
    motion: Motion,
    /// N
    full_thrust: f64,
}

/// Thirty-two episodes of Isaac Lab's quadcopter task.
pub type DirectBlock = Block<Direct>;

impl Direct {
    /// The task as configured.
    pub(crate) fn new(config: &DirectConfig) -> Self {
        // A goal that follows no course stays where it was drawn.
        let (path, at_rest) = match course::chosen(&config.course) {
            Some(course) => (Path::Course(Box::new(course)), 0.0),
            None => (Path::Rest, 1.0),
        };
        Self {
            motion: Motion { path, at_rest, max_speed: None },
            full_thrust: config.full_thrust(),
            config: config.clone(),
        }
    }

    /// Force and torque of an action, body frame.
    #[inline(always)]
    fn wrench<R: Real>(&self, action: &[R; 4]) -> (Vector<R>, Vector<R>) {
        let one = R::one();
        let mut limited = *action;
        for value in &mut limited {
            *value = value.clamp(-one, one);
        }
        formulas::thrust_and_moments(self.full_thrust, self.config.moment_scale, limited)
    }
}

impl TaskBase for Direct {
    type State = State<()>;
    type Memory = ();
    type Limits = ();

    /// Axes of a rigid body's moment of inertia are its own.
    const ALWAYS_ALIGNED: bool = true;

    fn rules(&self) -> BlockRules {
        let Self { config, motion, .. } = self;
        BlockRules {
            period: config.control_period(),
            // Isaac Lab's `episode_length_buf >= max_episode_length - 1`.
            time_limit: config.max_episode_length() - 1,
            num_terms: spec::REWARD_TERMS.len(),
            motion: motion.clone(),
            reality: config.reality.clone(),
            start_stream: "env/goal",
        }
    }

    #[inline(always)]
    fn reset<R: Real>(&self, _: &Vehicle<R>, (): &(), driver: &mut impl DriverMut<R>) -> Start<R, Self> {
        let words = driver.words(0);
        let mut target = Target::start(&self.motion, [words[3]; 2]);
        // A course begins at the spawn point.
        if let Path::Rest = self.motion.path {
            let GoalConfig { pos_x, pos_y, pos_z } = &self.config.goal;
            let spawn = self.config.robot.init_state.pos;
            let mut position = [R::zero(); 3];
            for (axis, [low, high]) in [*pos_x, *pos_y, *pos_z].into_iter().enumerate() {
                let least = R::constant(low - spawn[axis]);
                position[axis] = R::uniform(words[axis]).mul_add(R::constant(high - low), least);
            }
            target.reference = Langevin { position, ..Langevin::at_rest() };
        }
        Start { state: State { body: Body::at_rest(), rotor_speed: [R::zero(); 4] }, memory: (), target }
    }

    /// There are no rotors, and a goal is where it is.
    fn visit_state(rows: SavedRows<'_, Self>, visit: &mut dyn FnMut(&mut u32)) {
        let Langevin { position, velocity, .. } = &mut rows.target.reference;
        visit_rows(body_rows(&mut rows.state.body).chain(position).chain(velocity), visit);
    }
}

impl Task for Direct {
    const REFERENCE_MOVES_FIRST: bool = true;

    #[inline(always)]
    fn observe<R: Real>(
        &self,
        _: &Vehicle<R>,
        moment: &Moment<R, Self>,
        _: &impl Driver<R>,
        out: &mut impl Features<R>,
    ) {
        let Moment { state: State { body, .. }, reference, .. } = moment;
        let matrix = matrix_from_quaternion(body.orientation);
        let [x, y, z] = matrix[2];
        out.put_all(body_from_world(&matrix, body.velocity));
        out.put_all(body.angular_velocity);
        out.put_all([-x, -y, -z]);
        out.put_all(body_from_world(&matrix, sub(reference.position, body.position)));
    }

    /// Physics, termination and reward in Isaac Lab's order.
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
        let Moment { mut state, reference, .. } = *moment;
        let wrench = self.wrench(&action.applied());
        for _ in 0..config.decimation {
            let (dt, substeps) = (config.sim.dt, config.sim.substeps);
            state.body = step_held(vehicle, &state.body, wrench, disturbance, dt, substeps);
        }

        let body = &state.body;
        let spawn = config.robot.init_state.pos[2];
        let low = body.position[2].less(R::constant(config.height.minimum - spawn));
        let high = R::constant(config.height.maximum - spawn).less(body.position[2]);
        let died = R::or(R::or(low, high), not_finite(&state));
        let distance = norm(sub(reference.position, body.position));
        let nearness = R::one() - (distance * R::constant(1.0 / config.distance_to_goal_std)).tanh();
        let per_step = |scale: f64| R::constant(scale * config.control_period());
        let terms = [
            per_step(config.lin_vel_reward_scale) * dot(body.velocity, body.velocity),
            per_step(config.ang_vel_reward_scale) * dot(body.angular_velocity, body.angular_velocity),
            per_step(config.distance_to_goal_reward_scale) * nearness,
        ];
        verdict.end([died]);
        verdict.earn(terms);
        After { state, memory: () }
    }
}

impl DirectConfig {
    /// Blocks of 32 envs whose every draw is keyed by `seed`; all wait for a reset.
    fn blocks(&self, num_blocks: usize, seed: u64) -> Vec<DirectBlock> {
        Block::alike(Direct::new(self), self.robot.vehicle(), (), num_blocks, seed)
    }

    /// `num_envs` envs whose every draw is keyed by `seed`; all wait for a reset.
    fn env(&self, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
        Box::new(Env::new(spec::spec(self), num_envs, self.blocks(num_envs.div_ceil(BLOCK), seed)))
    }
}
