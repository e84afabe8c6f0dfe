//! What sensors make of the motion: late, biased and noisy.

use eyas_lanes::{BLOCK, Draws, Fields as _, Kernel, Lanes, Real, Row, Stream, VECTORS, dispatch, fields};
use eyas_sim::{Body, add, turned_about_axes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::delay::{DelayLine, MAX_DELAY_STEPS};
use super::draw::{Draw, Span, is_zero};
use crate::check::spans;
use crate::episode::Episodes;
use crate::noise::errors;
use crate::{visit_rows, visit_words};

/// From a motion to its measurement, for each signal. Before that much has been flown, the start is measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignalDelays {
    /// Delay of the position, control steps. Ascending, at most 64.
    pub position_steps: [u32; 2],
    /// Delay of the velocity, control steps. Ascending, at most 64.
    pub velocity_steps: [u32; 2],
    /// Delay of the attitude, control steps. Ascending, at most 64.
    pub attitude_steps: [u32; 2],
    /// Delay of the angular velocity, control steps. Ascending, at most 64.
    pub angular_velocity_steps: [u32; 2],
}

/// Sizes of the errors of each signal, each axis on its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SignalErrors {
    /// Error of the position along each axis, m. Ascending, at least 0.
    pub position_m: [f64; 2],
    /// Error of the velocity along each axis, m/s. Ascending, at least 0.
    pub velocity_m_s: [f64; 2],
    /// Error of the attitude, as an angle about each body axis, rad. Ascending, at least 0.
    pub attitude_rad: [f64; 2],
    /// Error of the angular velocity about each body axis, rad/s. Ascending, at least 0.
    pub angular_velocity_rad_s: [f64; 2],
}

impl SignalDelays {
    fn spans(&self) -> [(&'static str, [u32; 2]); 4] {
        [
            ("reality.observation_delay.position_steps", self.position_steps),
            ("reality.observation_delay.velocity_steps", self.velocity_steps),
            ("reality.observation_delay.attitude_steps", self.attitude_steps),
            ("reality.observation_delay.angular_velocity_steps", self.angular_velocity_steps),
        ]
    }

    /// The first key that asks for a delay.
    pub(super) fn on(&self) -> Option<(&'static str, [u32; 2])> {
        self.spans().into_iter().find(|(_, span)| *span != [0; 2])
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let spans_in_f64 = self.spans().map(|(name, span)| (name, span.map(f64::from)));
        spans(&spans_in_f64, 0.0, f64::from(MAX_DELAY_STEPS))
    }
}

impl SignalErrors {
    fn spans(&self) -> [Span; 4] {
        [self.position_m, self.velocity_m_s, self.attitude_rad, self.angular_velocity_rad_s]
    }

    pub(crate) fn is_off(&self) -> bool {
        self.spans().iter().all(|span| is_zero(*span))
    }

    /// `names` are the full keys in the order of the fields.
    pub(super) fn validate(&self, names: [&str; 4]) -> Result<(), String> {
        let named: Vec<_> = names.into_iter().zip(self.spans()).collect();
        spans(&named, 0.0, f64::INFINITY)
    }
}

fields! {
    /// What the sensors of a vehicle err by.
    pub(crate) struct Errors {
        /// Standard deviation of the noise of each signal.
        std: 4,
        /// Error that stays, of each axis of each signal, one signal after the other.
        offset: 12,
    }
}

impl<R: Real> Errors<R> {
    /// A motion as it is measured; draws 0 to 2 of the step.
    #[inline(always)]
    pub(crate) fn measured(&self, body: &Body<R>, draws: &impl Draws<R>) -> Body<R> {
        let mut errors = errors(draws);
        for (signal, error) in errors.iter_mut().enumerate() {
            for (axis, value) in error.iter_mut().enumerate() {
                *value = value.mul_add(self.std[signal], self.offset[3 * signal + axis]);
            }
        }
        let [position, velocity, attitude, rate] = errors;
        Body {
            position: add(body.position, position),
            orientation: turned_about_axes(body.orientation, attitude),
            velocity: add(body.velocity, velocity),
            angular_velocity: add(body.angular_velocity, rate),
        }
    }
}

/// A signal of which every lane sees what was some steps ago.
struct LateSignal {
    span: [u32; 2],
    /// What it was in each of the last steps.
    line: DelayLine,
    delay: [u32; BLOCK],
}

/// The sensors of each lane. Signals: position, velocity, attitude, angular velocity.
pub(super) struct Sensors {
    noise: [Span; 4],
    bias: [Span; 4],
    stream: Stream,
    late: [Option<LateSignal>; 4],
    /// Whether there is any error at all.
    errs: bool,
    pub(super) errors: Errors<Row>,
}

impl Sensors {
    pub(super) fn new(
        delays: &SignalDelays,
        noise: &SignalErrors,
        bias: &SignalErrors,
        stream: Stream,
    ) -> Option<Self> {
        let errs = !noise.is_off() || !bias.is_off();
        if !errs && delays.on().is_none() {
            return None;
        }
        let spans = delays.spans().map(|(_, span)| span);
        let late = std::array::from_fn(|signal| {
            let span = spans[signal];
            let width = if signal == ATTITUDE { 4 } else { 3 };
            (span != [0; 2]).then(|| LateSignal {
                span,
                line: DelayLine::new(width, span[1] as usize),
                delay: [0; BLOCK],
            })
        });
        Some(Self {
            noise: noise.spans(),
            bias: bias.spans(),
            stream,
            late,
            errs,
            errors: <Errors<()>>::splat(Row::ZERO),
        })
    }

    pub(super) fn reset(&mut self, lane: usize, draw: &mut Draw, body: &Body<Row>) {
        for signal in 0..4 {
            self.errors.std[signal][lane] = draw.within(self.noise[signal]);
            for row in &mut self.errors.offset[3 * signal..][..3] {
                row[lane] = draw.signed_within(self.bias[signal]);
            }
            // Drawn in any case, so that no delay shifts another.
            let late = self.late[signal].as_mut();
            let delay = draw.integer_within(late.as_ref().map_or([0; 2], |it| it.span));
            if let Some(late) = late {
                late.delay[lane] = delay;
            }
        }
        self.restart(1 << lane, body);
    }

    /// Forgets what the lanes of a mask have flown.
    pub(super) fn restart(&mut self, mask: u32, body: &Body<Row>) {
        for (late, rows) in self.late.iter_mut().zip(signals(body)) {
            if let Some(late) = late {
                late.line.restart(mask, rows);
            }
        }
    }

    /// Remembers the motion before a step.
    pub(super) fn remember(&mut self, body: &Body<Row>) {
        for (late, rows) in self.late.iter_mut().zip(signals(body)) {
            if let Some(late) = late {
                late.line.push(rows);
            }
        }
    }

    /// The motion as it is measured.
    pub(super) fn sense(&self, episodes: &Episodes, body: &Body<Row>) -> Body<Row> {
        let mut sensed = *body;
        let Body { position, orientation, velocity, angular_velocity } = &mut sensed;
        let targets: [&mut [Row]; 4] = [position, velocity, orientation, angular_velocity];
        for (late, rows) in self.late.iter().zip(targets) {
            let Some(late) = late else { continue };
            for (lane, delay) in late.delay.iter().enumerate().filter(|(_, delay)| **delay > 0) {
                for (feature, row) in rows.iter_mut().enumerate() {
                    row[lane] = late.line.get(delay - 1, feature, lane);
                }
            }
        }
        if self.errs {
            dispatch(AddErrors { sensors: self, episodes, body: &mut sensed });
        }
        sensed
    }

    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self { noise: _, bias: _, stream: _, late, errs: _, errors } = self;
        for LateSignal { span: _, line, delay } in late.iter_mut().flatten() {
            line.visit_state(visit);
            visit_words(delay, visit);
        }
        visit_rows(errors.std.iter_mut().chain(&mut errors.offset), visit);
    }
}

const ATTITUDE: usize = 2;

/// The rows of each signal.
fn signals(body: &Body<Row>) -> [&[Row]; 4] {
    [&body.position, &body.velocity, &body.orientation, &body.angular_velocity]
}

/// Adds the errors of a step to what is measured.
struct AddErrors<'a> {
    sensors: &'a Sensors,
    episodes: &'a Episodes,
    body: &'a mut Body<Row>,
}

impl Kernel for AddErrors<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { sensors, episodes, body } = self;
        for vector in 0..VECTORS {
            let errors = <Errors<()>>::load::<L>(&sensors.errors, vector);
            let measured = errors.measured(&body.load::<L>(vector), &episodes.draws(&sensors.stream, vector));
            <Body<()>>::store::<L>(body, vector, &measured);
        }
    }
}
