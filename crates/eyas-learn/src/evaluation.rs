//! Measuring a policy: every env flies one episode from a fixed start.

use std::ops::Range;

use eyas_env::{EnvBlock, Frame, Step};
use eyas_lanes::{BLOCK, Row, lanes_of};
use eyas_sim::{body_from_world, matrix_from_quaternion};
use serde::Serialize;

use crate::actor::Actor;
use crate::confidence::{Z95, clustered, num_independent, wilson95};
use crate::controller::{Controller, Steering};
use crate::engine::{AnyBlock, BlockPlan, Engine, EpisodePlan, FlownEpisode, Measures, Next, Rollout};
use crate::finite::NotFinite;

/// Control steps that a vehicle may take to reach its target before its position error counts; at most half
/// of an episode.
pub const SETTLE_STEPS: u32 = 500;

/// One episode of an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Outcome {
    /// Sum of rewards.
    pub episode_return: f32,
    /// Control steps flown.
    pub length: u32,
    /// Whether the flight of a vehicle ended before the time.
    pub crashed: bool,
    /// Whether its target moves.
    pub is_moving_target: bool,
    /// Sum of squared position errors after [`SETTLE_STEPS`], m².
    pub squared_error_sum: f64,
    /// Sum of the position errors after them, m, in the frame of [`EnvSpec::position_error`](eyas_env::EnvSpec::position_error), the world's
    /// in a task without one.
    pub error_sum: [f64; 3],
    /// Steps in that sum, of each vehicle.
    pub settled_steps: u32,
    /// Sum of squared differences to the teacher's action, over all motors and steps.
    pub squared_action_error_sum: f64,
}

impl Outcome {
    fn add_error(&mut self, error: [f64; 3]) {
        for (sum, value) in self.error_sum.iter_mut().zip(error) {
            *sum += value;
        }
        self.squared_error_sum += error.iter().map(|value| value.powi(2)).sum::<f64>();
        self.settled_steps += 1;
    }
}

/// All episodes of an evaluation, in the order of their envs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// One for each env.
    pub outcomes: Vec<Outcome>,
    /// Numbers of each action that a teacher was asked for; 0 if none was.
    pub num_labels: usize,
    /// Vehicles that the envs flew in turns; 0 or 1: all flew the same.
    pub num_vehicles: usize,
    /// Episodes that ended for a number that is not finite, where that resets an env; they count as crashed.
    pub num_lost: usize,
}

/// Mean, spread and confidence of the returns, and how well the target was held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Episodes.
    pub episodes: usize,
    /// Mean return.
    pub mean_return: f64,
    /// Standard deviation of the returns.
    pub std_return: f64,
    /// Half width of the 95 % confidence interval of the mean return.
    pub ci95_return: f64,
    /// Mean length, control steps.
    pub mean_length: f64,
    /// Share of crashed episodes, in `[0, 1]`.
    pub crash_rate: f64,
    /// Bounds of the 95 % confidence interval of that share (Wilson, 1927, doi:10.1080/01621459.1927.10502953).
    pub ci95_crash_rate: [f64; 2],
    /// Root mean square of the position error after [`SETTLE_STEPS`], m; not a number if none lasted.
    #[serde(rename = "position_rmse_m")]
    pub position_rmse: f64,
    /// Half width of its 95 % confidence interval, m, episodes being independent and steps of one not.
    #[serde(rename = "ci95_position_rmse_m")]
    pub ci95_position_rmse: f64,
    /// Root mean square of the difference to the teacher's action; not a number without a teacher.
    pub action_rmse: f64,
}

/// A block that has just taken a step.
pub struct Watched<'a> {
    /// The block.
    pub block: &'a dyn EnvBlock,
    /// The step, from 0.
    pub step: u32,
    /// Bits of the lanes that took it.
    pub live: u32,
    /// The policy's recurrent state, one row for each of its numbers.
    pub recurrent: &'a [Row],
}

/// Flies `actor` for one episode of at most `steps` control steps in every env; `labeller` is asked for its
/// action in every visited state.
pub fn evaluate(
    engine: &mut dyn Engine,
    controller: &dyn Controller,
    labeller: Option<&Actor>,
    steps: u32,
) -> Result<Evaluation, NotFinite> {
    if let Some(evaluation) = evaluate_at_once(engine, controller, labeller, steps) {
        return Ok(evaluation);
    }
    Ok(evaluate_watched(engine, controller, labeller, steps, |_, (): &mut ()| {})?.0)
}

/// The same by an engine that flies whole episodes.
fn evaluate_at_once(
    engine: &mut dyn Engine,
    controller: &dyn Controller,
    labeller: Option<&Actor>,
    steps: u32,
) -> Option<Evaluation> {
    let actor = controller.actor()?;
    let position_error = engine.spec().position_error().map(|(_, features)| features);
    let envs = engine.num_envs();
    let quota = |block: usize| std::array::from_fn(|lane| u32::from(block * BLOCK + lane < envs));
    let block = |index| BlockPlan { actor, labeller, first_episode: None, quota: quota(index) };
    let plan = EpisodePlan {
        blocks: (0..engine.num_blocks()).map(|it| Some(block(it))).collect(),
        episode_steps: steps,
        records: None,
        measures: Some(Measures { settle: settle_steps(steps), position_error }),
    };
    let flown = if steps > 0 { engine.fly_episodes(&plan)? } else { return None };
    let outcomes = flown.into_iter().flatten().map(Outcome::from).collect();
    Some(Evaluation { outcomes, num_labels: num_labels(labeller), num_vehicles: 0, num_lost: 0 })
}

fn settle_steps(steps: u32) -> u32 {
    SETTLE_STEPS.min(steps / 2)
}

fn num_labels(labeller: Option<&Actor>) -> usize {
    labeller.map_or(0, |it| it.inference.num_actions())
}

impl From<FlownEpisode> for Outcome {
    fn from(flown: FlownEpisode) -> Self {
        let FlownEpisode { length, episode_return, crashed, is_moving_target, measured, .. } = flown;
        Self {
            episode_return,
            length,
            crashed,
            is_moving_target,
            squared_error_sum: measured.squared_error,
            error_sum: measured.error,
            settled_steps: measured.settled_steps,
            squared_action_error_sum: measured.squared_action_error,
        }
    }
}

/// The same with `watch` taking notes at every step; returns those of each block of 32 envs.
pub fn evaluate_watched<N: Default + Send>(
    engine: &mut dyn Engine,
    controller: &dyn Controller,
    labeller: Option<&Actor>,
    steps: u32,
    watch: impl Fn(&Watched, &mut N) + Sync,
) -> Result<(Evaluation, Vec<N>), NotFinite> {
    let position_error = engine.spec().position_error().map(|(part, features)| (part.frame, features));
    let new = || Measured {
        steering: Steering::new(controller),
        steps,
        settle: settle_steps(steps),
        position_error: position_error.clone(),
        watch: &watch,
        notes: N::default(),
        outcomes: [Outcome::default(); BLOCK],
        used: 0,
        live: 0,
        lost: 0,
        step: 0,
        labeller: labeller.map(|actor| Labeller {
            steering: Steering::new(actor),
            label: vec![Row::ZERO; actor.num_actions()],
        }),
    };
    let mut flown: Vec<_> = (0..engine.num_blocks()).map(|_| new()).collect();
    engine.fly_all(&mut flown)?;
    let outcomes = flown.iter().flat_map(|it| it.outcomes).take(engine.num_envs()).collect();
    let num_lost = flown.iter().map(|it| (it.lost & it.used).count_ones() as usize).sum();
    let evaluation = Evaluation { outcomes, num_labels: num_labels(labeller), num_vehicles: 0, num_lost };
    Ok((evaluation, flown.into_iter().map(|it| it.notes).collect()))
}

/// A block that flies one episode in every env.
struct Measured<'a, W, N> {
    steering: Steering<'a>,
    labeller: Option<Labeller<'a>>,
    steps: u32,
    /// The step from which position errors count.
    settle: u32,
    /// Where the position error stands in what is observed, and in which frame.
    position_error: Option<(Frame, Range<usize>)>,
    watch: &'a W,
    notes: N,
    outcomes: [Outcome; BLOCK],
    used: u32,
    /// Bits of the lanes that fly still, and of those whose flight ended for a number that is not finite.
    live: u32,
    lost: u32,
    step: u32,
}

/// Who is asked for its action in every visited state.
struct Labeller<'a> {
    steering: Steering<'a>,
    label: Vec<Row>,
}

impl<W: Fn(&Watched, &mut N) + Sync, N: Send> Rollout for Measured<'_, W, N> {
    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        block.reset(u32::MAX);
        self.used = used;
        self.live = used & !block.ended();
        self.steps > 0 && self.live != 0
    }

    fn act(&mut self, block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
        self.steering.act(block, observation, action);
        if let Some(Labeller { steering, label }) = &mut self.labeller {
            steering.act(block, observation, label);
        }
        if self.step >= self.settle {
            // What counts is where a vehicle is, not where its sensors see it.
            match self.position_error.clone() {
                Some((_, features)) if block.senses_truly() => {
                    self.record_observed_errors(&observation[features]);
                }
                seen => self.record_errors(block, seen.is_some_and(|(frame, _)| frame == Frame::Body)),
            }
        }
    }

    /// It counts as a crash.
    fn lose(&mut self, lanes: u32) {
        self.lost |= lanes;
    }

    fn record(
        &mut self,
        block: &mut AnyBlock,
        _observation: &mut [Row],
        action: &[Row],
        step: &Step,
    ) -> Next {
        let labels = self.labeller.as_ref().map_or(&[][..], |it| &it.label);
        let fallen = (0..block.num_vehicles()).fold(step.terminated, |bits, it| bits | block.fallen(it));
        for lane in lanes_of(self.live) {
            let outcome = &mut self.outcomes[lane];
            outcome.episode_return += step.reward[lane];
            outcome.length += 1;
            outcome.crashed |= fallen >> lane & 1 == 1;
            for (action, label) in action.iter().zip(labels).filter(|_| self.lost >> lane & 1 == 0) {
                outcome.squared_action_error_sum += f64::from(action[lane] - label[lane]).powi(2);
            }
        }
        let moment = Watched { block, step: self.step, live: self.live, recurrent: &self.steering.state };
        (self.watch)(&moment, &mut self.notes);
        self.step += 1;
        self.live = self.used & !block.ended() & !self.lost;
        Next { reset: 0, is_last: self.step == self.steps || self.live == 0 }
    }

    fn end(&mut self, block: &mut AnyBlock, _observation: &mut [Row]) {
        for (lane, outcome) in self.outcomes.iter_mut().enumerate() {
            outcome.is_moving_target = block.telemetry(lane).is_moving_target;
        }
    }
}

impl<W, N> Measured<'_, W, N> {
    /// Counts the position error that was observed, its axes.
    fn record_observed_errors(&mut self, error: &[Row]) {
        for lane in lanes_of(self.live) {
            self.outcomes[lane].add_error([0, 1, 2].map(|axis| f64::from(error[axis][lane])));
        }
    }

    /// Counts how far each vehicle that flies is from where it should be, where nobody observes just that.
    fn record_errors(&mut self, block: &dyn EnvBlock, is_in_body: bool) {
        for vehicle in 0..block.num_vehicles() {
            for lane in lanes_of(self.live & !block.fallen(vehicle)) {
                let it = block.vehicle_telemetry(lane, vehicle);
                let error = [0, 1, 2].map(|axis| f64::from(it.position[axis] - it.desired_position[axis]));
                let matrix = matrix_from_quaternion(it.orientation.map(f64::from));
                let error = if is_in_body { body_from_world(&matrix, error) } else { error };
                self.outcomes[lane].add_error(error);
            }
        }
    }
}

impl Evaluation {
    /// Episodes that no teacher was asked about.
    #[must_use]
    pub fn unlabelled(outcomes: Vec<Outcome>) -> Self {
        Self { outcomes, ..Self::default() }
    }

    /// The same, of so many vehicles in turns: intervals are then those of the mean over such vehicles, of whose episodes
    /// none tells as much as one with another vehicle would.
    #[must_use]
    pub fn of_vehicles(self, num_vehicles: usize) -> Self {
        Self { num_vehicles, ..self }
    }

    /// Statistics of the episodes that `keep` holds for.
    #[must_use]
    pub fn summary_of(&self, keep: impl Fn(&Outcome) -> bool) -> Summary {
        let of_vehicle = |env: usize| env % self.num_vehicles.max(1);
        let (vehicles, kept): (Vec<usize>, Vec<&Outcome>) = self
            .outcomes
            .iter()
            .enumerate()
            .filter(|(_, it)| keep(it))
            .map(|(env, it)| (of_vehicle(env), it))
            .unzip();
        // Mean square of residuals, times what episodes of one vehicle have in common.
        let spread_of = |residual: &dyn Fn(&Outcome) -> f64| {
            clustered(vehicles.iter().copied().zip(kept.iter().map(|it| residual(it))), self.num_vehicles)
        };
        let count = kept.len().max(1) as f64;
        // From 0, not from the -0 that the sum of nothing is.
        let mean_of =
            |value: &dyn Fn(&Outcome) -> f64| kept.iter().fold(0.0, |sum, it| sum + value(it)) / count;
        let mean_return = mean_of(&|it| f64::from(it.episode_return));
        let variance = mean_of(&|it| (f64::from(it.episode_return) - mean_return).powi(2));
        let std_return = variance.sqrt();
        let mean_length = mean_of(&|it| f64::from(it.length));
        let settled = mean_of(&|it| f64::from(it.settled_steps));
        let crash_rate = mean_of(&|it| f64::from(u8::from(it.crashed)));
        let crash_spread = spread_of(&|it| f64::from(u8::from(it.crashed)) - crash_rate);
        let crash_count = num_independent(count, crash_rate, crash_spread, self.num_vehicles);
        // The mean square is a ratio of two sums over episodes: its variance is that of the residuals.
        let mean_square = mean_of(&|it| it.squared_error_sum) / settled;
        let residual = spread_of(&|it| it.squared_error_sum - mean_square * f64::from(it.settled_steps));
        let ci95_mean_square = Z95 * residual.sqrt() / (settled * count.sqrt());
        let position_rmse = mean_square.sqrt();
        Summary {
            episodes: kept.len(),
            mean_return,
            std_return,
            ci95_return: Z95 * spread_of(&|it| f64::from(it.episode_return) - mean_return).sqrt()
                / count.sqrt(),
            mean_length,
            crash_rate,
            ci95_crash_rate: wilson95(crash_rate, crash_count),
            position_rmse,
            ci95_position_rmse: 0.5 * ci95_mean_square / position_rmse,
            action_rmse: if self.num_labels > 0 {
                (mean_of(&|it| it.squared_action_error_sum) / (self.num_labels as f64 * mean_length)).sqrt()
            } else {
                f64::NAN
            },
        }
    }

    /// Where a policy comes to rest beside a target that rests: the mean position error after [`SETTLE_STEPS`]
    /// over the episodes that lasted, m, in the frame of [`EnvSpec::position_error`](eyas_env::EnvSpec::position_error), the
    /// world's in a task without one; 0 if none did.
    #[must_use]
    pub fn steady_state_offset(&self) -> [f64; 3] {
        let lasted = || self.outcomes.iter().filter(|it| !it.is_moving_target && !it.crashed);
        let steps = lasted().map(|it| it.settled_steps).sum::<u32>().max(1);
        [0, 1, 2].map(|axis| lasted().map(|it| it.error_sum[axis]).sum::<f64>() / f64::from(steps))
    }

    /// Statistics of all episodes.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.summary_of(|_| true)
    }

    /// Statistics of the episodes whose target rests.
    #[must_use]
    pub fn hover(&self) -> Summary {
        self.summary_of(|it| !it.is_moving_target)
    }

    /// Statistics of the episodes whose target moves.
    #[must_use]
    pub fn moving(&self) -> Summary {
        self.summary_of(|it| it.is_moving_target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_intervals_hold_what_was_found() {
        let flown = |squared_error_sum| Outcome {
            squared_error_sum,
            settled_steps: 4,
            length: 9,
            ..Outcome::default()
        };
        let same = Evaluation::unlabelled(vec![flown(1.0); 5]).summary();
        assert_eq!((same.position_rmse, same.ci95_position_rmse), (0.5, 0.0));
        // Mean squares of 0.16 and 0.36 m²: 0.26 ± 1.96 · 0.1 / √2, and half of that over the root.
        let two = Evaluation::unlabelled(vec![flown(0.64), flown(1.44)]).summary();
        assert!((two.ci95_position_rmse - 0.5 * 1.96 * 0.1 / 0.52_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn episodes_of_one_vehicle_are_no_independent_ones() {
        let flown =
            |episode_return: f32, crashed: bool| Outcome { episode_return, crashed, ..Outcome::default() };
        // Two vehicles in turns that always return 1 and 3: however many episodes, they are two vehicles.
        let of = |episodes: usize| {
            let outcomes = (0..episodes).map(|env| flown([1.0, 3.0][env % 2], env % 2 == 0)).collect();
            Evaluation::unlabelled(outcomes).of_vehicles(2).summary()
        };
        // The standard error of two values 1 and 3 is √2 / √2 = 1.
        for episodes in [2, 20, 2000] {
            assert!(
                (of(episodes).ci95_return - 1.96).abs() < 1e-12,
                "{episodes}: {}",
                of(episodes).ci95_return
            );
        }
        let [low, high] = of(2000).ci95_crash_rate;
        assert!(low < 0.1 && high > 0.9, "{low} {high}");
        // Where vehicles do not differ, episodes count, as they do where each has another vehicle.
        let mixed = |vehicles| {
            let outcomes = (0..2000).map(|env| flown([1.0, 3.0][env / 2 % 2], false)).collect();
            Evaluation::unlabelled(outcomes).of_vehicles(vehicles).summary().ci95_return
        };
        assert!(mixed(2) < 1e-9 && (mixed(2000) / mixed(1) - 1.0).abs() < 1e-3);
    }
}
