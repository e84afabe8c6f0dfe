//! Moving air: a mean, turbulence and gusts.

use std::f64::consts::PI;

use eyas_lanes::{Lanes, Row, Stream};
use eyas_sim::{Vector, add, scale};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::draw::{Draw, is_zero};
use crate::check::spans;
use crate::episode::Moment;
use crate::rows::load_vector;
use crate::visit_rows;

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

/// The air of each lane.
pub(super) struct Wind {
    config: WindConfig,
    period: f64,
    stream: Stream,
    mean: [Row; 3],
    turbulence: [Row; 3],
    /// `e^(−Δt / τ)`: what is left of turbulence after a step.
    kept: Row,
    /// Standard deviation of what each step adds to it, m/s.
    added: Row,
    /// Velocity of the gust at its peak, m/s.
    peak: [Row; 3],
    /// Control steps since the gust began.
    age: Row,
    /// Its length, control steps; over where `age` is not below.
    duration: Row,
    /// Chance that a gust begins in a step of calm.
    chance: Row,
}

impl Wind {
    pub(super) fn new(config: &WindConfig, period: f64, stream: Stream) -> Option<Self> {
        let rest = [Row::ZERO; 3];
        (!config.is_off()).then(|| Self {
            config: config.clone(),
            period,
            stream,
            mean: rest,
            turbulence: rest,
            kept: Row::ZERO,
            added: Row::ZERO,
            peak: rest,
            age: Row::ZERO,
            duration: Row::ZERO,
            chance: Row::ZERO,
        })
    }

    /// Turbulence starts as it is on average, gusts with a calm.
    pub(super) fn reset(&mut self, lane: usize, draw: &mut Draw) {
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
        for axis in 0..3 {
            self.mean[axis][lane] = mean[axis] as f32;
            self.turbulence[axis][lane] = std as f32 * start[axis];
        }
        self.kept[lane] = kept as f32;
        self.added[lane] = (std * (1.0 - kept * kept).sqrt()) as f32;
        let has_gusts = !is_zero(gust.amplitude_m_s);
        self.chance[lane] = if has_gusts { -libm::expm1(-rate * self.period) as f32 } else { 0.0 };
        self.age[lane] = 0.0;
        self.duration[lane] = 0.0;
    }

    /// Velocity of the air at the start of the step, m/s; moves on by a step.
    #[inline(always)]
    pub(super) fn advance<L: Lanes>(&mut self, at: &Moment<'_>) -> Vector<L> {
        let Moment { half, first_env, episode, clock, period } = *at;
        let turbulence = load_vector::<L>(&self.turbulence, half);
        let mut velocity = add(load_vector(&self.mean, half), turbulence);
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        if !is_zero(self.config.gust.amplitude_m_s) {
            let (age, duration) = (self.age.load::<L>(half), self.duration.load::<L>(half));
            let blows = age.less(duration);
            let (_, cosine) = (age / duration.max(one)).sin_cos_turns();
            let share = L::select(blows, L::splat(0.5) * (one - cosine), zero);
            velocity = add(velocity, scale(share, load_vector(&self.peak, half)));

            let GustConfig { amplitude_m_s: [small, large], duration_s: [short, long], .. } =
                self.config.gust;
            let words = self.stream.lanes(first_env, episode, clock, 0);
            let begins = L::uniform(words[0]).less(self.chance.load(half));
            let size = L::uniform(words[1]).mul_add(L::constant(large - small), L::constant(small));
            let (short, long) = (short / period, long / period);
            let length = L::uniform(words[2]).mul_add(L::constant(long - short), L::constant(short));
            let (y, x) = L::uniform(words[3]).sin_cos_turns();
            // Only a calm is followed by a gust.
            for (row, new) in self.peak.iter_mut().zip([size * x, size * y, zero]) {
                let old = row.load(half);
                row.store(half, L::select(blows, old, L::select(begins, new, old)));
            }
            self.duration.store(half, L::select(blows, duration, L::select(begins, length, duration)));
            self.age.store(half, L::select(blows, age + one, L::select(begins, zero, age)));
        }
        if !is_zero(self.config.turbulence.std_m_s) {
            let [x, y, z, _] = L::normals(self.stream.lanes(first_env, episode, clock, 1));
            let (kept, added) = (self.kept.load::<L>(half), self.added.load::<L>(half));
            for (axis, normal) in [x, y, z].into_iter().enumerate() {
                self.turbulence[axis].store(half, turbulence[axis].mul_add(kept, added * normal));
            }
        }
        velocity
    }

    pub(super) fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self {
            config: _,
            period: _,
            stream: _,
            mean,
            turbulence,
            kept,
            added,
            peak,
            age,
            duration,
            chance,
        } = self;
        visit_rows(mean.iter_mut().chain(turbulence).chain(peak), visit);
        visit_rows([kept, added, age, duration, chance], visit);
    }
}
