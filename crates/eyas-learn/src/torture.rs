//! Flights under disturbances: every controller from the same starts, with the same winds, pushes and errors.

use std::f64::consts::{FRAC_PI_2, PI, TAU};
use std::sync::Arc;

use eyas_env::{Actuation, DelayLine, EnvBlock, EnvSpec, Perturbation, SensorNoise, Step};
use eyas_lanes::{BLOCK, Row, Stream, lanes_of};
use eyas_sim::{Body, VehicleParameters};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::confidence::{Z95, clustered, num_independent, wilson95};
use crate::controller::{Controller, Steering};
use crate::engine::{AnyBlock, Engine, Next, Rollout};
use crate::finite::NotFinite;

/// How hard the disturbances are, and what a success is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TortureConfig {
    /// Length of a flight, s. Positive.
    pub duration_s: f64,
    /// Laps of the figure-8s, s, from slow to fast. Positive.
    pub figure8_laps_s: [f64; 3],
    /// Limit of each axis of the start position, m. At least 0.
    pub start_position_m: f64,
    /// Limit of each axis of the start velocity, m/s. At least 0.
    pub start_velocity_m_s: f64,
    /// Limit of the start's tilt, rad; of its difference to 90° and 180° under `tilted` and `inverted`. At least 0.
    pub start_tilt_rad: f64,
    /// The last part of a flight, s, whose error decides on success. Positive, at most `duration_s`.
    pub final_s: f64,
    /// Largest root mean square of the position error over it in a success, m. Positive.
    pub success_error_m: f64,
    /// When a push begins and a motor gets weak, s. At least 0.
    pub onset_s: f64,
    /// Force of the wind over the weight. At least 0.
    pub wind_to_weight: f64,
    /// Force of a push over the weight. At least 0.
    pub push_to_weight: f64,
    /// Length of a push, s. At least 0.
    pub push_s: f64,
    /// Mass of the payload over the vehicle's. At least 0.
    pub payload_to_mass: f64,
    /// Thrust of the weak motor over what it was. In `[0, 1]`.
    pub motor_efficiency: f64,
    /// From an action to its effect, s. At least 0, at most 1.
    pub delay_s: f64,
    /// Errors of the sensors.
    pub noise: SensorNoise,
}

impl Default for TortureConfig {
    fn default() -> Self {
        Self {
            duration_s: 15.0,
            figure8_laps_s: [10.0, 7.0, 5.0],
            start_position_m: 0.1,
            start_velocity_m_s: 0.1,
            start_tilt_rad: 0.17,
            final_s: 1.0,
            success_error_m: 0.3,
            onset_s: 3.0,
            wind_to_weight: 0.1,
            push_to_weight: 1.0,
            push_s: 0.1,
            payload_to_mass: 0.2,
            motor_efficiency: 0.8,
            delay_s: 0.02,
            noise: SensorNoise {
                position_m: 0.01,
                velocity_m_s: 0.05,
                attitude_rad: 0.02,
                angular_velocity_rad_s: 0.1,
            },
        }
    }
}

impl TortureConfig {
    /// Checks ranges; the message names key, value and range.
    pub fn validate(&self) -> Result<(), String> {
        let [slow, medium, fast] = self.figure8_laps_s;
        let positive = [
            ("duration_s", self.duration_s),
            ("figure8_laps_s", slow.min(medium).min(fast)),
            ("final_s", self.final_s),
            ("success_error_m", self.success_error_m),
        ];
        let not_negative = [
            ("start_position_m", self.start_position_m),
            ("start_velocity_m_s", self.start_velocity_m_s),
            ("start_tilt_rad", self.start_tilt_rad),
            ("onset_s", self.onset_s),
            ("wind_to_weight", self.wind_to_weight),
            ("push_to_weight", self.push_to_weight),
            ("push_s", self.push_s),
            ("payload_to_mass", self.payload_to_mass),
            ("noise.position_m", self.noise.position_m),
            ("noise.velocity_m_s", self.noise.velocity_m_s),
            ("noise.attitude_rad", self.noise.attitude_rad),
            ("noise.angular_velocity_rad_s", self.noise.angular_velocity_rad_s),
        ];
        let within = [
            ("final_s", self.final_s, self.duration_s, "at most `torture.duration_s`"),
            ("motor_efficiency", self.motor_efficiency, 1.0, "a share in [0, 1]"),
            ("delay_s", self.delay_s, 1.0, "at least 0 and at most 1"),
        ];
        let bad = |(name, value, expected): (&str, f64, &str)| {
            Err(format!("`torture.{name}` = {value}, expected {expected}"))
        };
        positive
            .into_iter()
            .find(|(_, value)| !(*value > 0.0 && value.is_finite()))
            .map(|(name, value)| (name, value, "a positive number"))
            .or_else(|| {
                let found = not_negative.into_iter().find(|(_, value)| !(*value >= 0.0 && value.is_finite()));
                found.map(|(name, value)| (name, value, "a number of at least 0"))
            })
            .or_else(|| {
                let found = within.into_iter().find(|(_, value, most, _)| !(0.0..=*most).contains(value));
                found.map(|(name, value, _, expected)| (name, value, expected))
            })
            .map_or(Ok(()), bad)
    }
}

/// What makes a flight hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// A horizontal force of random direction over the whole flight.
    Wind,
    /// A short horizontal force of random direction.
    Push,
    /// A mass at the centre of gravity over the whole flight.
    Payload,
    /// A random motor gets weak.
    MotorLoss,
    /// Actions take effect late.
    Delay,
    /// Sensors err.
    Noise,
    /// The start is tilted by about 90° about a random horizontal axis.
    Tilted,
    /// The start is upside down, about a random horizontal axis.
    Inverted,
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Wind,
        Self::Push,
        Self::Payload,
        Self::MotorLoss,
        Self::Delay,
        Self::Noise,
        Self::Tilted,
        Self::Inverted,
    ];

    /// Those that make sense of a vehicle: one without rotors has none to lose.
    pub fn of(actuation: Actuation) -> impl Iterator<Item = Self> {
        let has_rotors = actuation == Actuation::Rotors;
        Self::ALL.into_iter().filter(move |it| has_rotors || *it != Self::MotorLoss)
    }

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Wind => "wind",
            Self::Push => "push",
            Self::Payload => "payload",
            Self::MotorLoss => "motor_loss",
            Self::Delay => "delay",
            Self::Noise => "noise",
            Self::Tilted => "tilted",
            Self::Inverted => "inverted",
        }
    }
}

/// What one flight came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TortureFlight {
    /// Root mean square of the position error over the flight, m; after a termination the last error counts on.
    pub rmse_m: f64,
    /// Largest position error, m.
    pub max_error_m: f64,
    /// Whether it lasted and ended within [`TortureConfig::success_error_m`].
    pub is_success: bool,
    /// Whether it ended for a number that is not finite, where that resets an env.
    pub is_lost: bool,
}

/// Means of flights with 95 % confidence intervals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TortureSummary {
    /// Flights.
    pub flights: usize,
    /// Mean of [`TortureFlight::rmse_m`] and half width of its interval.
    pub rmse_m: [f64; 2],
    /// Mean of [`TortureFlight::max_error_m`] and half width of its interval.
    pub max_error_m: [f64; 2],
    /// Share of successes, and its interval after Wilson (1927).
    pub success: [f64; 3],
    /// Number of [`TortureFlight::is_lost`].
    pub num_lost: usize,
}

impl TortureSummary {
    /// Of at least one flight. Those of several vehicles are flown in turns: intervals are then those of the mean over such
    /// vehicles, of whose flights none tells as much as one of another vehicle would.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn of(flights: &[TortureFlight], num_vehicles: usize) -> Self {
        assert!(!flights.is_empty(), "a flight");
        let count = flights.len() as f64;
        let variance_of = |value: &dyn Fn(&TortureFlight) -> f64, mean: f64| {
            let residuals = flights.iter().map(|it| value(it) - mean);
            if num_vehicles > 1 {
                let of_vehicle = residuals.enumerate().map(|(env, it)| (env % num_vehicles, it));
                return clustered(of_vehicle, num_vehicles) / count;
            }
            residuals.map(|it| it.powi(2)).sum::<f64>() / (count - 1.0).max(1.0) / count
        };
        let mean = |value: fn(&TortureFlight) -> f64| {
            let mean = flights.iter().map(value).sum::<f64>() / count;
            [mean, Z95 * variance_of(&value, mean).sqrt()]
        };
        let succeeds = |it: &TortureFlight| f64::from(u8::from(it.is_success));
        let success = flights.iter().map(succeeds).sum::<f64>() / count;
        let spread = count * variance_of(&succeeds, success);
        let independent = num_independent(count, success, spread, num_vehicles);
        let [low, high] = wilson95(success, independent);
        Self {
            flights: flights.len(),
            rmse_m: mean(|it| it.rmse_m),
            max_error_m: mean(|it| it.max_error_m),
            success: [success, low, high],
            num_lost: flights.iter().filter(|it| it.is_lost).count(),
        }
    }
}

/// One disturbance, ready to fly. Draws depend on seed and env only, so every controller meets the same.
#[derive(Clone, Debug)]
pub struct Torture<'a> {
    /// How hard.
    pub config: &'a TortureConfig,
    /// What.
    pub disturbance: Disturbance,
    /// The vehicles that the envs fly in turns.
    pub vehicles: &'a [VehicleParameters],
    /// Of all draws.
    pub seed: u64,
}

/// A block that flies under a disturbance.
struct Tortured<'a> {
    torture: &'a Torture<'a>,
    steering: Steering<'a>,
    spec: &'a EnvSpec,
    noise: Stream,
    used: u32,
    /// Bits of the lanes that fly still, and of those whose flight ended for a number that is not finite.
    live: u32,
    lost: u32,
    step: u32,
    /// Of the whole flight, and the first of those whose error decides on success.
    steps: u32,
    final_step: u32,
    /// From when to when the block is interfered with.
    disturbed: [u32; 2],
    /// What is done to it at the moment.
    perturbation: Arc<Perturbation>,
    /// Control steps from an action to its effect.
    delay: u32,
    line: DelayLine,
    tallies: [Tally; BLOCK],
}

#[derive(Clone, Copy, Default)]
struct Tally {
    error: f64,
    squares: f64,
    final_squares: f64,
    largest: f64,
    has_ended: bool,
    is_lost: bool,
}

impl Torture<'_> {
    /// Flies a controller once in every env, whose episodes last long enough.
    pub fn fly(
        &self,
        engine: &mut dyn Engine,
        controller: &dyn Controller,
    ) -> Result<Vec<TortureFlight>, NotFinite> {
        let spec = engine.spec().clone();
        let config = self.config;
        let steps_in = |seconds: f64| (seconds * spec.control_rate_hz).round() as u32;
        let [steps, final_steps, onset] = [config.duration_s, config.final_s, config.onset_s].map(steps_in);
        let block = || Tortured {
            torture: self,
            steering: Steering::new(controller),
            spec: &spec,
            noise: Stream::new(self.seed, "torture/noise"),
            used: 0,
            live: 0,
            lost: 0,
            step: 0,
            steps,
            final_step: steps.saturating_sub(final_steps),
            disturbed: match self.disturbance {
                Disturbance::Push => [onset, steps_in(config.onset_s + config.push_s)],
                Disturbance::MotorLoss => [onset, steps],
                _ => [0, steps],
            },
            perturbation: Arc::default(),
            delay: if self.disturbance == Disturbance::Delay { steps_in(config.delay_s) } else { 0 },
            line: DelayLine::default(),
            tallies: [Tally::default(); BLOCK],
        };
        let mut flown: Vec<Tortured> = (0..engine.num_blocks()).map(|_| block()).collect();
        engine.fly_all(&mut flown)?;
        let tallies = flown.iter().flat_map(|it| it.tallies).take(engine.num_envs());
        Ok(tallies.map(|it| it.flight(steps, final_steps, config.success_error_m)).collect())
    }

    fn start(&self, env: u32) -> Body<f32> {
        let config = self.config;
        let stream = Stream::new(self.seed, "torture/start");
        let vector =
            |limit: f64, first: u32| [0, 1, 2].map(|axis| (limit * signed(stream, env, first + axis)) as f32);
        let about = PI * signed(stream, env, 6);
        let upright = match self.disturbance {
            Disturbance::Tilted => FRAC_PI_2,
            Disturbance::Inverted => PI,
            _ => 0.0,
        };
        let tilt = upright + config.start_tilt_rad * signed(stream, env, 7);
        let ((sine, cosine), (y, x)) = (libm::sincos(0.5 * tilt), libm::sincos(about));
        Body {
            position: vector(config.start_position_m, 0),
            orientation: [cosine, sine * x, sine * y, 0.0].map(|it| it as f32),
            velocity: vector(config.start_velocity_m_s, 3),
            angular_velocity: [0.0; 3],
        }
    }

    /// What is done to the vehicles of a block while it acts.
    fn perturbation(&self, first_env: u32) -> Perturbation {
        let mut perturbation = Perturbation::default();
        let stream = Stream::new(self.seed, "torture/disturbance");
        for lane in 0..BLOCK {
            let env = first_env + lane as u32;
            let vehicle = &self.vehicles[env as usize % self.vehicles.len()];
            let force = match self.disturbance {
                Disturbance::Wind => self.config.wind_to_weight,
                Disturbance::Push => self.config.push_to_weight,
                _ => 0.0,
            };
            let (y, x) = libm::sincos(TAU * f64::from(stream.uniform([env, 0, 0, 0])));
            let force = force * vehicle.weight();
            perturbation.force_world[0][lane] = (force * x) as f32;
            perturbation.force_world[1][lane] = (force * y) as f32;
            if self.disturbance == Disturbance::Payload {
                perturbation.payload[lane] = (self.config.payload_to_mass * vehicle.mass) as f32;
            }
            if self.disturbance == Disturbance::MotorLoss {
                let motor = stream.words([env, 0, 0, 1])[0] as usize % 4;
                perturbation.rotor_efficiency[motor][lane] = self.config.motor_efficiency as f32;
            }
        }
        perturbation
    }
}

impl Tortured<'_> {
    /// Interferes where a disturbance begins, and no more where it ends.
    fn perturb(&mut self, block: &mut dyn EnvBlock) {
        let [begin, end] = self.disturbed;
        let perturbation = if self.step == begin && begin < end {
            self.torture.perturbation(block.first_env())
        } else if self.step == end {
            Perturbation::default()
        } else {
            return;
        };
        self.perturbation = Arc::new(perturbation.clone());
        block.perturb(perturbation);
    }
}

impl Rollout for Tortured<'_> {
    fn perturbation(&self) -> Option<&Arc<Perturbation>> {
        Some(&self.perturbation)
    }

    fn begin(&mut self, block: &mut AnyBlock, used: u32) -> bool {
        self.used = used;
        block.reset(u32::MAX);
        for lane in 0..BLOCK {
            let body = self.torture.start(block.first_env() + lane as u32);
            block.put(lane, &body);
        }
        self.live = used & !block.ended();
        self.perturb(block);
        self.steps > 0
    }

    fn act(&mut self, block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
        if self.torture.disturbance == Disturbance::Noise {
            let place = [block.first_env(), 0, self.step];
            self.torture.config.noise.apply(self.spec, &self.noise, place, observation);
        }
        self.steering.act(block, observation, action);
        let fresh = if self.step == 0 { u32::MAX } else { 0 };
        let late = self.line.pass(action, &[self.delay; BLOCK], fresh);
        action.copy_from_slice(late);
    }

    /// It counts as terminated.
    fn lose(&mut self, lanes: u32) {
        self.lost |= lanes;
        self.live &= !lanes;
    }

    fn record(
        &mut self,
        block: &mut AnyBlock,
        _observation: &mut [Row],
        _action: &[Row],
        _step: &Step,
    ) -> Next {
        for lane in lanes_of(self.used) {
            let is_live = self.live >> lane & 1 == 1;
            self.tallies[lane].count(block, lane, is_live, self.step >= self.final_step);
        }
        self.live = self.used & !block.ended() & !self.lost;
        self.step += 1;
        let is_last = self.step == self.steps;
        if !is_last {
            self.perturb(block);
        }
        Next { reset: 0, is_last }
    }

    fn end(&mut self, block: &mut AnyBlock, _observation: &mut [Row]) {
        // The time of no episode runs out before, so those that have ended were terminated.
        for lane in lanes_of(self.used & (block.ended() | self.lost)) {
            self.tallies[lane].has_ended = true;
            self.tallies[lane].is_lost = self.lost >> lane & 1 == 1;
        }
    }
}

/// A number in `[-1, 1)` of an env.
fn signed(stream: Stream, env: u32, draw: u32) -> f64 {
    2.0 * f64::from(stream.uniform([env, 0, 0, draw])) - 1.0
}

impl Tally {
    fn count(&mut self, block: &dyn EnvBlock, lane: usize, is_live: bool, is_final: bool) {
        if is_live {
            let it = block.telemetry(lane);
            let axes = it.position.iter().zip(it.desired_position);
            let error = axes.map(|(at, to)| f64::from(at - to).powi(2)).sum::<f64>().sqrt();
            // The state that ends an episode may be no number.
            if error.is_finite() {
                self.error = error;
            }
        }
        let square = self.error * self.error;
        self.squares += square;
        self.final_squares += if is_final { square } else { 0.0 };
        self.largest = self.largest.max(self.error);
    }

    fn flight(&self, steps: u32, final_steps: u32, most: f64) -> TortureFlight {
        let rms = |squares: f64, steps: u32| (squares / f64::from(steps)).sqrt();
        TortureFlight {
            rmse_m: rms(self.squares, steps),
            max_error_m: self.largest,
            is_success: !self.has_ended && rms(self.final_squares, final_steps) <= most,
            is_lost: self.is_lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_mean() {
        let flight = |rmse_m: f64| TortureFlight {
            rmse_m,
            max_error_m: 1.0,
            is_success: rmse_m < 2.5,
            is_lost: rmse_m > 3.5,
        };
        let it = TortureSummary::of(&[1.0, 2.0, 3.0, 4.0].map(flight), 1);
        assert!((it.rmse_m[0] - 2.5).abs() < 1e-12);
        // s = √(5/3), n = 4
        assert!((it.rmse_m[1] - 1.96 * (5.0_f64 / 12.0).sqrt()).abs() < 1e-3);
        assert_eq!((it.max_error_m, it.success[0], it.num_lost), ([1.0, 0.0], 0.5, 1));
        // Two vehicles in turns, of which one always errs by 1 m and fails to do so by 3 m: the standard error is 1 m,
        // and however many flights there are, two vehicles tell little of others.
        let of = |count: usize| (0..count).map(|env| flight([1.0, 3.0][env % 2])).collect::<Vec<_>>();
        for count in [2, 200] {
            let it = TortureSummary::of(&of(count), 2);
            assert!((it.rmse_m[1] - 1.96).abs() < 1e-12, "{count}: {:?}", it.rmse_m);
            assert!(it.success[1] < 0.1 && it.success[2] > 0.9, "{count}: {:?}", it.success);
        }
    }
}
