//! Events: what happens to vehicles at the start, at resets and at intervals.

use eyas_lanes::{Lanes, Row, Stream, lanes_of};
use eyas_sim::{State, VEHICLE_NUMBERS, Vehicle, VehicleParameters};

use super::arguments::{Arguments, Names, terms};
use super::config::{EventConfig, EventMode};
use super::event_terms::{
    ApplyExternalForceTorque, PushBySettingVelocity, RandomizeInertia, RandomizeMass, RandomizeMotorLag,
    RandomizeThrust, ResetRootStateBall, ResetRootStateUniform, ResetRotorSpeeds, Wind,
};
use super::registry::{Manager, TermInfo};
use super::terms::{Param, Terms};
use crate::episode::Moment;

terms! {
    /// The terms of events.
    EventTerm of Events {
        ResetRootStateBall, ResetRootStateUniform, ResetRotorSpeeds, RandomizeMass, RandomizeInertia,
        RandomizeThrust, RandomizeMotorLag, PushBySettingVelocity, ApplyExternalForceTorque, Wind,
    }
    [fn apply<L: Lanes>(&self, change: &mut Change<'_, L>)] self => apply(change)
}

/// What events change of the vehicles of a block.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Circumstances {
    /// Mass over the vehicle's.
    pub(super) mass: Row,
    /// Principal moments of inertia over the vehicle's.
    pub(super) inertia: [Row; 3],
    /// Thrust of each rotor over the vehicle's.
    pub(super) thrust: [Row; 4],
    /// Time constant of each rotor over the vehicle's.
    pub(super) lag: [Row; 4],
    /// Force, world frame, N.
    pub(super) force: [Row; 3],
    /// Torque, body frame, N m.
    pub(super) torque: [Row; 3],
    /// Velocity of the air, world frame, m/s.
    pub(super) wind: [Row; 3],
    /// Drag for each m/s of airspeed, N.
    pub(super) drag: Row,
}

impl Circumstances {
    /// The vehicles as they are configured, in still air without drag.
    pub(super) const PLAIN: Self = {
        let (zero, one) = (Row::ZERO, Row::splat(1.0));
        Self {
            mass: one,
            inertia: [one; 3],
            thrust: [one; 4],
            lag: [one; 4],
            force: [zero; 3],
            torque: [zero; 3],
            wind: [zero; 3],
            drag: zero,
        }
    };

    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Row> {
        let Self { mass, inertia, thrust, lag, force, torque, wind, drag } = self;
        let own = [mass, drag].into_iter().chain(inertia).chain(thrust).chain(lag);
        own.chain(force).chain(torque).chain(wind)
    }

    /// The vehicles of some lanes under these circumstances.
    pub(super) fn alter(
        &self,
        own: &[Row; VEHICLE_NUMBERS],
        altered: &mut [Row; VEHICLE_NUMBERS],
        mask: u32,
    ) {
        for lane in lanes_of(mask) {
            let own = Vehicle::<f32>::from_numbers(&own.map(|row| row[lane]));
            let mut vehicle = own.altered(1.0, &self.thrust.map(|row| row[lane]));
            vehicle.mass_inverse /= self.mass[lane];
            // √f J √f of the factors f of the axes keeps any moment of inertia symmetric and positive definite.
            let root = self.inertia.map(|row| row[lane].sqrt());
            for row in 0..3 {
                for column in 0..3 {
                    let factor = root[row] * root[column];
                    vehicle.inertia[row][column] *= factor;
                    vehicle.inertia_inverse[row][column] /= factor;
                }
            }
            for (row, number) in altered.iter_mut().zip(vehicle.numbers()) {
                row[lane] = number;
            }
        }
    }
}

/// What an event may change, and its draws.
pub(super) struct Change<'a, L: Lanes> {
    pub(super) state: &'a mut State<Row>,
    pub(super) circumstances: &'a mut Circumstances,
    pub(super) robot: &'a VehicleParameters,
    pub(super) stream: &'a Stream,
    pub(super) at: &'a Moment<'a>,
    /// The lanes that it happens to.
    pub(super) mask: L::Mask,
    /// How much of each range about its centre is drawn from, in `[0, 1]`: what a curriculum changes.
    pub(super) strength: f32,
}

impl<L: Lanes> Change<'_, L> {
    /// Numbers uniform in ranges, up to four, at a draw of the moment.
    #[inline(always)]
    pub(super) fn draw(&self, index: u32, ranges: &[[f64; 2]]) -> [L; 4] {
        let at = self.at;
        let words = self.stream.lanes(at.first_env, at.episode, at.clock, index);
        let mut drawn = [L::splat(0.0); 4];
        for ((drawn, words), [low, high]) in drawn.iter_mut().zip(&words).zip(ranges) {
            let (centre, width) = (0.5 * (low + high), high - low);
            let centred = L::uniform(*words) - L::splat(0.5);
            let reach = L::constant(width) * L::splat(self.strength);
            *drawn = centred.mul_add(reach, L::constant(centre));
        }
        drawn
    }
}

/// Overwrites the lanes of a mask.
#[inline(always)]
pub(super) fn set<L: Lanes>(rows: &mut [Row], half: usize, mask: L::Mask, values: &[L]) {
    for (row, value) in rows.iter_mut().zip(values) {
        row.store_where(half, mask, *value);
    }
}

/// An event as a task has it.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) term: EventTerm,
    pub(super) mode: EventMode,
    pub(super) interval_range_s: [f64; 2],
    /// Prefix of its streams.
    stream: String,
    /// Whether it happens at all.
    is_enabled: bool,
}

impl Event {
    /// The event of a file.
    pub(super) fn new(
        name: &str,
        key: &str,
        config: &EventConfig,
        names: &Names<'_>,
        robot: &VehicleParameters,
    ) -> Result<Self, String> {
        let term = EventTerm::new(key, &config.func, &config.params, names)?;
        super::program::check_times(key, "interval_range_s", config.interval_range_s)?;
        let interval_range_s = match (config.mode, config.interval_range_s) {
            (EventMode::Interval, None) => {
                return Err(format!("`{key}.interval_range_s` is missing, which mode `interval` needs"));
            }
            (EventMode::Startup | EventMode::Reset, Some(_)) => {
                return Err(format!("`{key}.interval_range_s` is for mode `interval`, expected null"));
            }
            (_, range) => range.unwrap_or([f64::INFINITY; 2]),
        };
        if let EventTerm::RandomizeMass(it) = &term {
            it.check(key, robot)?;
        }
        if let Some(modes) = term.modes().filter(|modes| !modes.contains(&config.mode)) {
            let modes: Vec<String> = modes.iter().map(|mode| format!("{mode:?}").to_lowercase()).collect();
            let found = format!("{:?}", config.mode).to_lowercase();
            let func = &config.func;
            return Err(format!(
                "`{key}.mode` = \"{found}\", expected {}: that is when {func} happens",
                modes.join(" or ")
            ));
        }
        let stream = config.stream.clone().unwrap_or_else(|| format!("env/events/{name}"));
        Ok(Self { term, mode: config.mode, interval_range_s, stream, is_enabled: true })
    }

    /// Lets it never happen.
    pub(super) fn disable(&mut self) {
        self.is_enabled = false;
    }

    pub(super) fn happens_in(&self, mode: EventMode) -> bool {
        self.is_enabled && self.mode == mode
    }

    pub(super) fn is_interval(&self) -> bool {
        self.happens_in(EventMode::Interval)
    }

    /// What it draws from.
    pub(super) fn stream(&self, seed: u64) -> Stream {
        Stream::new(seed, &format!("{}/start", self.stream))
    }
}

impl EventTerm {
    /// The modes that it makes sense in; none: all.
    fn modes(&self) -> Option<&'static [EventMode]> {
        match self {
            Self::ResetRootStateBall(_) | Self::ResetRootStateUniform(_) | Self::ResetRotorSpeeds(_) => {
                Some(&[EventMode::Reset])
            }
            Self::PushBySettingVelocity(_) => Some(&[EventMode::Reset, EventMode::Interval]),
            _ => None,
        }
    }

    /// Whether it changes numbers of the vehicle that the dynamics read.
    pub(super) fn changes_vehicles(&self) -> bool {
        matches!(
            self,
            Self::RandomizeMass(_)
                | Self::RandomizeInertia(_)
                | Self::RandomizeThrust(_)
                | Self::RandomizeMotorLag(_)
        )
    }

    /// Whether it makes air act on the vehicle.
    pub(super) fn is_wind(&self) -> bool {
        matches!(self, Self::Wind(_))
    }
}
