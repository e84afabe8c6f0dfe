//! Events: what happens to vehicles at the start, at resets and at intervals.

use eyas_lanes::{Draws, Real, fields};
use eyas_sim::{State, Vehicle, VehicleParameters};

use super::arguments::{Arguments, Names, terms};
use super::config::{EventConfig, EventMode};
use super::event_terms::{
    ApplyExternalForceTorque, PushBySettingVelocity, RandomizeInertia, RandomizeMass, RandomizeMotorLag,
    RandomizeThrust, ResetRootStateBall, ResetRootStateUniform, ResetRotorSpeeds, Wind,
};
use super::registry::{Manager, TermInfo};
use super::terms::{Param, Terms};

terms! {
    /// The terms of events.
    EventTerm of Events {
        ResetRootStateBall, ResetRootStateUniform, ResetRotorSpeeds, RandomizeMass, RandomizeInertia,
        RandomizeThrust, RandomizeMotorLag, PushBySettingVelocity, ApplyExternalForceTorque, Wind,
    }
    [fn apply<R: Real>(&self, change: &mut Change<'_, R, impl Draws<R>>)] self => apply(change)
}

fields! {
    /// What events change of a vehicle.
    pub(super) struct Circumstances {
        /// Mass over the vehicle's.
        mass: 1,
        /// Drag for each m/s of airspeed, N.
        drag: 1,
        /// Principal moments of inertia over the vehicle's.
        inertia: 3,
        /// Thrust of each rotor over the vehicle's.
        thrust: 4,
        /// Time constant of each rotor over the vehicle's.
        lag: 4,
        /// Force, world frame, N.
        force: 3,
        /// Torque, body frame, N m.
        torque: 3,
        /// Velocity of the air, world frame, m/s.
        wind: 3,
    }
}

/// How many they are.
pub(super) const CIRCUMSTANCES: usize = 22;

impl<R: Real> Circumstances<R> {
    /// The vehicle as it is configured, in still air without drag.
    pub(super) fn plain() -> Self {
        let (zero, one) = (R::zero(), R::one());
        Self {
            mass: [one],
            drag: [zero],
            inertia: [one; 3],
            thrust: [one; 4],
            lag: [one; 4],
            force: [zero; 3],
            torque: [zero; 3],
            wind: [zero; 3],
        }
    }

    /// The vehicle under these circumstances.
    pub(super) fn alter(&self, own: &Vehicle<R>) -> Vehicle<R> {
        let mut vehicle = own.altered(R::one(), &self.thrust);
        vehicle.mass_inverse = vehicle.mass_inverse / self.mass[0];
        // √f J √f of the factors f of the axes keeps any moment of inertia symmetric and positive definite.
        let root = self.inertia.map(R::sqrt);
        for row in 0..3 {
            for column in 0..3 {
                let factor = root[row] * root[column];
                vehicle.inertia[row][column] = vehicle.inertia[row][column] * factor;
                vehicle.inertia_inverse[row][column] = vehicle.inertia_inverse[row][column] / factor;
            }
        }
        vehicle
    }
}

/// What an event may change, and its draws.
pub(super) struct Change<'a, R, D> {
    pub(super) state: &'a mut State<R>,
    pub(super) circumstances: &'a mut Circumstances<R>,
    pub(super) robot: &'a VehicleParameters,
    pub(super) draws: D,
    /// How much of each range about its centre is drawn from, in `[0, 1]`: what a curriculum changes.
    pub(super) strength: f32,
}

impl<R: Real, D: Draws<R>> Change<'_, R, D> {
    /// Numbers uniform in ranges, up to four.
    #[inline(always)]
    pub(super) fn draw(&self, index: u32, ranges: &[[f64; 2]]) -> [R; 4] {
        let words = self.draws.words(index);
        let mut drawn = [R::zero(); 4];
        for ((drawn, word), [low, high]) in drawn.iter_mut().zip(words).zip(ranges) {
            let (centre, width) = (0.5 * (low + high), high - low);
            let centred = R::uniform(word) - R::constant(0.5);
            let reach = R::constant(width) * R::constant(f64::from(self.strength));
            *drawn = centred.mul_add(reach, R::constant(centre));
        }
        drawn
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

    /// Name of the stream that it draws from.
    pub(super) fn stream(&self) -> String {
        format!("{}/start", self.stream)
    }

    /// Time until it happens, s.
    #[inline(always)]
    pub(super) fn interval<R: Real>(&self, draws: &impl Draws<R>) -> R {
        let [low, high] = self.interval_range_s;
        R::uniform(draws.words(8)[0]).mul_add(R::constant(high - low), R::constant(low))
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
