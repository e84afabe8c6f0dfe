//! Moving air: a mean, turbulence and gusts.

use std::f64::consts::PI;

use eyas_lanes::{Draws, Real, fields};
use eyas_sim::{Vector, add, scale};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effect;
use super::draw::{Draw, is_zero};
use crate::check::spans;

/// Velocity of the air, world frame, the same wherever the vehicle is: a mean, turbulence and gusts, summed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WindConfig {
    /// Horizontal speed of the mean, m/s. Ascending, at least 0.
    pub mean_m_s: [f64; 2],
    /// Where the mean blows to: angle from the world's x axis to its y axis, rad. Ascending.
    pub direction_rad: [f64; 2],
    /// Vertical speed of the mean, upwards, m/s. Ascending.
    pub vertical_m_s: [f64; 2],
    /// Random motion about the mean.
    pub turbulence: TurbulenceConfig,
    /// Gusts that come now and then.
    pub gust: GustConfig,
}

/// An Ornstein–Uhlenbeck process along each axis, `dw = −w dt / τ + σ √(2 / τ) dW`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TurbulenceConfig {
    /// Standard deviation σ along each axis, m/s. Ascending, at least 0.
    pub std_m_s: [f64; 2],
    /// Time constant τ, s. Ascending; where there is turbulence, positive.
    pub time_constant_s: [f64; 2],
}

/// Gusts that rise and fall as `½ A (1 − cos(2π t / T))` in a random horizontal direction, one at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GustConfig {
    /// Largest speed A, m/s; each gust draws its own. Ascending, at least 0.
    pub amplitude_m_s: [f64; 2],
    /// Length T, s; each gust draws its own. Ascending; where there are gusts, positive.
    pub duration_s: [f64; 2],
    /// Gusts that begin in a second of calm, on average, 1/s. Ascending, at least 0.
    pub rate_hz: [f64; 2],
}

impl Default for WindConfig {
    /// Calm; set to blow, anywhere.
    fn default() -> Self {
        Self {
            mean_m_s: [0.0; 2],
            direction_rad: [-PI, PI],
            vertical_m_s: [0.0; 2],
            turbulence: TurbulenceConfig::default(),
            gust: GustConfig::default(),
        }
    }
}

impl Default for TurbulenceConfig {
    fn default() -> Self {
        Self { std_m_s: [0.0; 2], time_constant_s: [1.0; 2] }
    }
}

impl Default for GustConfig {
    fn default() -> Self {
        Self { amplitude_m_s: [0.0; 2], duration_s: [0.5, 2.0], rate_hz: [0.2; 2] }
    }
}

impl WindConfig {
    pub(super) fn is_off(&self) -> bool {
        let speeds = [self.mean_m_s, self.vertical_m_s, self.turbulence.std_m_s, self.gust.amplitude_m_s];
        speeds.into_iter().all(is_zero)
    }

    /// Whether it blows any way as often as the other.
    pub(super) fn is_symmetric(&self) -> bool {
        let [low, high] = self.direction_rad;
        // A full turn that was written down with a few digits is one.
        is_zero(self.mean_m_s) || (high - low - 2.0 * PI).abs() < 1e-2
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let Self { turbulence, gust, .. } = self;
        spans(
            &[
                ("reality.wind.mean_m_s", self.mean_m_s),
                ("reality.wind.turbulence.std_m_s", turbulence.std_m_s),
                ("reality.wind.turbulence.time_constant_s", turbulence.time_constant_s),
                ("reality.wind.gust.amplitude_m_s", gust.amplitude_m_s),
                ("reality.wind.gust.duration_s", gust.duration_s),
                ("reality.wind.gust.rate_hz", gust.rate_hz),
            ],
            0.0,
            f64::INFINITY,
        )?;
        let anywhere = [
            ("reality.wind.direction_rad", self.direction_rad),
            ("reality.wind.vertical_m_s", self.vertical_m_s),
        ];
        spans(&anywhere, f64::NEG_INFINITY, f64::INFINITY)?;
        for (name, magnitude, [least, most]) in [
            ("turbulence.time_constant_s", turbulence.std_m_s, turbulence.time_constant_s),
            ("gust.duration_s", gust.amplitude_m_s, gust.duration_s),
        ] {
            if !is_zero(magnitude) && least <= 0.0 {
                return Err(format!(
                    "`env.reality.wind.{name}` = [{least}, {most}], expected positive numbers"
                ));
            }
        }
        Ok(())
    }
}

fields! {
    /// The air around a vehicle.
    pub(crate) struct Air {
        /// The mean, m/s.
        mean: 3,
        /// What turbulence adds to it, m/s.
        turbulence: 3,
        /// Velocity of the gust at its peak, m/s.
        peak: 3,
        /// `e^(−Δt / τ)`: what is left of turbulence after a step.
        kept: 1,
        /// Standard deviation of what each step adds to it, m/s.
        added: 1,
        /// Control steps since the gust began.
        age: 1,
        /// Its length, control steps; over where `age` is not below.
        duration: 1,
        /// Chance that a gust begins in a step of calm.
        chance: 1,
    }
}

/// Moving air.
pub(crate) struct Wind {
    config: WindConfig,
    period: f64,
}

impl Wind {
    pub(crate) fn new(config: &WindConfig, period: f64) -> Option<Self> {
        (!config.is_off()).then(|| Self { config: config.clone(), period })
    }

    /// Velocity of the air at the start of a step, m/s, and the air a step later; draws 0 and 1 of the step.
    #[inline(always)]
    pub(crate) fn blows<R: Real>(&self, air: &Air<R>, draws: &impl Draws<R>) -> (Vector<R>, Air<R>) {
        let mut next = *air;
        let mut velocity = add(air.mean, air.turbulence);
        let (zero, one) = (R::zero(), R::one());
        if !is_zero(self.config.gust.amplitude_m_s) {
            let ([age], [duration]) = (air.age, air.duration);
            let blows = age.less(duration);
            let (_, cosine) = (age / duration.max(one)).sin_cos_turns();
            let share = R::select(blows, R::constant(0.5) * (one - cosine), zero);
            velocity = add(velocity, scale(share, air.peak));

            let GustConfig { amplitude_m_s: [small, large], duration_s: [short, long], .. } =
                self.config.gust;
            let words = draws.words(0);
            let begins = R::uniform(words[0]).less(air.chance[0]);
            let size = R::uniform(words[1]).mul_add(R::constant(large - small), R::constant(small));
            let (short, long) = (short / self.period, long / self.period);
            let length = R::uniform(words[2]).mul_add(R::constant(long - short), R::constant(short));
            let (y, x) = R::uniform(words[3]).sin_cos_turns();
            // Only a calm is followed by a gust.
            for (peak, new) in next.peak.iter_mut().zip([size * x, size * y, zero]) {
                *peak = R::select(blows, *peak, R::select(begins, new, *peak));
            }
            next.duration = [R::select(blows, duration, R::select(begins, length, duration))];
            next.age = [R::select(blows, age + one, R::select(begins, zero, age))];
        }
        if !is_zero(self.config.turbulence.std_m_s) {
            let [x, y, z, _] = draws.normals(1);
            for (turbulence, normal) in next.turbulence.iter_mut().zip([x, y, z]) {
                *turbulence = turbulence.mul_add(air.kept[0], air.added[0] * normal);
            }
        }
        (velocity, next)
    }
}

impl Effect<0> for Wind {
    type Numbers = Air<()>;

    /// Turbulence starts as it is on average, gusts with a calm.
    fn draw(&self, draw: &mut Draw, air: &mut Air<f32>) -> [u32; 0] {
        let WindConfig { mean_m_s, direction_rad, vertical_m_s, turbulence, gust } = &self.config;
        let speed = f64::from(draw.within(*mean_m_s));
        let (y, x) = libm::sincos(f64::from(draw.within(*direction_rad)));
        let mean = [speed * x, speed * y, f64::from(draw.within(*vertical_m_s))];
        let std = f64::from(draw.within(turbulence.std_m_s));
        let time_constant = f64::from(draw.within(turbulence.time_constant_s));
        // Without turbulence the time constant may be 0; nothing is left then, of nothing.
        let kept = if time_constant > 0.0 { libm::exp(-self.period / time_constant) } else { 0.0 };
        let rate = f64::from(draw.within(gust.rate_hz));
        let start = draw.normals();
        let has_gusts = !is_zero(gust.amplitude_m_s);
        *air = Air {
            mean: mean.map(|it| it as f32),
            turbulence: start.map(|normal| std as f32 * normal),
            peak: air.peak,
            kept: [kept as f32],
            added: [(std * (1.0 - kept * kept).sqrt()) as f32],
            age: [0.0],
            duration: [0.0],
            chance: [if has_gusts { -libm::expm1(-rate * self.period) as f32 } else { 0.0 }],
        };
        []
    }
}
