//! Going back through the steps of Isaac Lab's quadcopter task.

use eyas_lanes::Real;
use eyas_sim::{
    Body, HeldStep, State, Vehicle, add, dot, matrix_from_quaternion, pull_back_matrix, scale, sub,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::DirectConfig;
use super::spec::OBSERVATIONS;
use super::{Direct, DirectBlock};
use crate::differentiable::{check_surrogate, outside, rounded_distance};
use crate::task::{Flown, Moment};
use crate::{
    Barrier, Derivative, Differentiable, DifferentiableTask, FlownStep, Slopes, Surrogate, TaskConfig as _,
};

/// Settings of the smooth cost of Isaac Lab's quadcopter task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DirectSurrogate {
    /// Below this distance the cost of the distance to the goal is rounded off, m. Positive.
    pub position_rounding_m: f64,
    /// Cost of each m of distance in a step, for goals so far away that the reward hardly changes. At least 0.
    pub distance_weight: f64,
    /// Before the limits of the height; measured in m.
    pub height_barrier: Barrier,
    /// Weight of the square by which an action leaves `[-1, 1]`, where it has no effect. At least 0.
    pub saturation_weight: f64,
}

impl Default for DirectSurrogate {
    fn default() -> Self {
        Self {
            position_rounding_m: 1e-2,
            distance_weight: 0.05,
            height_barrier: Barrier { reach: 0.2, weight: 20.0 },
            saturation_weight: 0.02,
        }
    }
}

impl Surrogate for DirectSurrogate {
    fn validate(&self) -> Result<(), String> {
        check_surrogate(
            &[("position_rounding_m", self.position_rounding_m)],
            &[("height_barrier", self.height_barrier)],
            &[("distance_weight", self.distance_weight), ("saturation_weight", self.saturation_weight)],
        )
    }
}

impl Differentiable for Direct {
    type Surrogate = DirectSurrogate;

    /// Costs and slopes, then back through physics and wrench.
    #[inline(always)]
    fn pull_back_step<R: Real, const ALIGNED: bool>(
        &self,
        surrogate: &DirectSurrogate,
        step: &FlownStep<R, Self, ALIGNED>,
        (): &(),
        derivative: &mut Derivative<R>,
    ) -> (R, [R; 4]) {
        let config = &self.config;
        let FlownStep { flown: Flown { vehicle, disturbance }, before, action, .. } = step;
        let mut after = derivative.state.body;
        let mut cost = self.state_cost(surrogate, step, &mut after);

        let held = HeldStep {
            vehicle,
            body: &before.state.body,
            wrench: self.wrench(action),
            disturbance,
            dt: config.control_period(),
            substeps: config.sim.substeps * config.decimation,
        };
        let held = held.pull_back(&after);
        let lift = R::constant(0.5 * self.full_thrust);
        let moment = R::constant(config.moment_scale);
        let [x, y, z] = held.torque;
        let mut of_action = [lift * held.force[2], moment * x, moment * y, moment * z];
        let saturation = R::constant(surrogate.saturation_weight);
        for (slope, action) in of_action.iter_mut().zip(action) {
            let (outside, inside) = outside(*action);
            cost = saturation.mul_add(outside * outside, cost);
            let free = R::select(inside, *slope, R::zero());
            *slope = (saturation + saturation).mul_add(outside, free);
        }
        derivative.state = State { body: held.body, rotor_speed: [R::zero(); 4] };
        (cost, of_action)
    }

    /// Of `Rᵀ v`, ω, `−Rᵀ e₃` and `Rᵀ (p* − p)`.
    #[inline(always)]
    fn pull_back_observation<R: Real>(
        &self,
        _: &Vehicle<R>,
        moment: &Moment<R, Self>,
        slopes: &impl Slopes<R>,
        derivative: &mut Derivative<R>,
    ) {
        let Moment { state: State { body, .. }, reference, .. } = moment;
        let matrix = matrix_from_quaternion(body.orientation);
        let to_goal = sub(reference.position, body.position);
        let of_velocity = slopes.along_all(0);
        let of_gravity = slopes.along_all(6);
        let of_goal = slopes.along_all(9);
        let mut of_matrix = [[R::zero(); 3]; 3];
        for row in 0..3 {
            for column in 0..3 {
                let sum = to_goal[row] * of_goal[column];
                of_matrix[row][column] = body.velocity[row].mul_add(of_velocity[column], sum);
            }
        }
        of_matrix[2] = sub(of_matrix[2], of_gravity);
        let of_quaternion = pull_back_matrix(body.orientation, &of_matrix);
        let of_body = &mut derivative.state.body;
        for row in 0..3 {
            of_body.position[row] = of_body.position[row] - dot(matrix[row], of_goal);
            of_body.velocity[row] = of_body.velocity[row] + dot(matrix[row], of_velocity);
            of_body.angular_velocity[row] = of_body.angular_velocity[row] + slopes.along(3 + row);
        }
        for (sum, value) in of_body.orientation.iter_mut().zip(of_quaternion) {
            *sum = *sum + value;
        }
    }
}

impl Direct {
    /// Costs of the state after the step; their slopes are added to `derivative`.
    #[inline(always)]
    fn state_cost<R: Real, const ALIGNED: bool>(
        &self,
        surrogate: &DirectSurrogate,
        step: &FlownStep<R, Self, ALIGNED>,
        derivative: &mut Body<R>,
    ) -> R {
        let config = &self.config;
        let body = &step.after;
        let cost_of = |scale: f64| R::constant(-scale * config.control_period());
        let (one, two) = (R::constant(1.0), R::constant(2.0));

        let weight = cost_of(config.lin_vel_reward_scale);
        let mut cost = weight * dot(body.velocity, body.velocity);
        derivative.velocity = add(derivative.velocity, scale(two * weight, body.velocity));
        let weight = cost_of(config.ang_vel_reward_scale);
        let rate = body.angular_velocity;
        cost = weight.mul_add(dot(rate, rate), cost);
        derivative.angular_velocity = add(derivative.angular_velocity, scale(two * weight, rate));

        let error = sub(body.position, step.reference_after);
        let (distance, direction) = rounded_distance(1.0, surrogate.position_rounding_m, error);
        let inverse = R::constant(1.0 / config.distance_to_goal_std);
        let farness = (distance * inverse).tanh();
        let (near, far) =
            (-cost_of(config.distance_to_goal_reward_scale), R::constant(surrogate.distance_weight));
        cost = near.mul_add(farness, far.mul_add(distance, cost));
        let slope = (near * inverse).mul_add((-farness).mul_add(farness, one), far);
        derivative.position = add(derivative.position, scale(slope, direction));

        let spawn = config.robot.init_state.pos[2];
        let (low, high) = (spawn - config.height.minimum, config.height.maximum - spawn);
        let barrier = surrogate.height_barrier;
        let height = body.position[2];
        let (below, fall) = barrier.at(R::constant(low), -height);
        let (above, rise) = barrier.at(R::constant(high), height);
        derivative.position[2] = derivative.position[2] + (rise - fall);
        cost + (below + above)
    }
}

impl DifferentiableTask for DirectConfig {
    type Block = DirectBlock;

    fn differentiable_blocks(&self, num_blocks: usize, seed: u64) -> Vec<DirectBlock> {
        self.blocks(num_blocks, seed)
    }

    /// Rounded from flights of trained policies.
    fn typical_observation(&self) -> Vec<(f32, f32)> {
        let mut typical = vec![(0.0, 0.7); OBSERVATIONS];
        typical[3..6].fill((0.0, 2.0));
        typical[6..8].fill((0.0, 0.3));
        typical[8] = (-0.9, 0.2);
        typical[9..].fill((0.0, 0.8));
        typical
    }

    fn hover_action(&self) -> Vec<f32> {
        vec![(2.0 / self.thrust_to_weight - 1.0) as f32, 0.0, 0.0, 0.0]
    }

    fn validate_gradient(&self) -> Result<(), String> {
        self.reality.validate_gradient()
    }
}

#[cfg(test)]
mod tests;
