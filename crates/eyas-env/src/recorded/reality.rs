//! What separates flying from simulating as lists of operations.

use eyas_lanes::Fields;
use eyas_sim::{Body, Disturbance, VEHICLE_NUMBERS, Vehicle};
use eyas_trace::{Form, Program, Recorder, Traced, TracedMask, record};

use super::{Recorded, vehicle};
use crate::RealityConfig;
use crate::reality::{
    AIR, Air, Battery, Below, Cell, Coefficients, Drag, Errors, Ground, Load, Payload, Rotors, Strength,
    VEHICLE, Wind, fitted, stream_name, under_voltage,
};
use crate::rows::holds;

/// Records what happens in a control step of `period` seconds, an option at a time: the forces of the air, what rotors are
/// worth, what sensors measure. What is drawn for an episode is an input; delays are memory, and no formula.
pub(crate) struct RealityRecorder<'a> {
    pub(crate) config: &'a RealityConfig,
    pub(crate) period: f64,
    pub(crate) form: Form,
}

impl RealityRecorder<'_> {
    /// `air` → `velocity` of the air, `air` a step later.
    pub(crate) fn wind(&self) -> Option<Program> {
        let wind = Wind::new(&self.config.wind, self.period)?;
        Some(record(self.form, |recorder| {
            let air = recorder.input::<Air<()>>("air");
            let (velocity, next) = wind.blows(&air, &recorder.draws(&stream_name(VEHICLE, AIR)));
            recorder.output::<[(); 3]>("velocity", &velocity);
            recorder.output::<Air<()>>("air", &next);
        }))
    }

    /// `drag`, `mass_inverse`, `centre`, `orientation`, `velocity`, `wind` → `force`, `torque`.
    pub(crate) fn drag(&self) -> Option<Program> {
        let drag = Drag::new(&self.config.drag, self.period)?;
        Some(record(self.form, |recorder| {
            let coefficients = recorder.input::<Coefficients<()>>("drag");
            let [mass_inverse] = recorder.input::<[(); 1]>("mass_inverse");
            let centre = recorder.input::<[(); 3]>("centre");
            let orientation = recorder.input::<[(); 4]>("orientation");
            let velocity = recorder.input::<[(); 3]>("velocity");
            let wind = recorder.input::<[(); 3]>("wind");
            let Disturbance { force_world, torque_body } =
                drag.acts(&coefficients, (mass_inverse, centre), (orientation, velocity), wind);
            recorder.output::<[(); 3]>("force", &force_world);
            recorder.output::<[(); 3]>("torque", &torque_body);
        }))
    }

    /// `ground`, `height` → `lift`, which thrusts are multiplied by.
    pub(crate) fn ground(&self) -> Option<Program> {
        Ground::new(&self.config.ground)?;
        Some(record(self.form, |recorder| {
            let below = recorder.input::<Below<()>>("ground");
            let [height] = recorder.input::<[(); 1]>("height");
            recorder.output::<[(); 1]>("lift", &[below.lift(height)]);
        }))
    }

    /// `battery`, `vehicle`, `rotor_speed`, `action` → `voltage`, `battery`, `action` as motors are told it.
    pub(crate) fn battery(&self) -> Option<Program> {
        Battery::new(&self.config.battery, self.period)?;
        Some(record(self.form, |recorder| {
            let charge = recorder.input::<Cell<()>>("battery");
            let vehicle = vehicle(recorder);
            let speeds = recorder.input::<[(); 4]>("rotor_speed");
            let mut action = recorder.input::<[(); 4]>("action");
            let (voltage, left) = charge.drained(&vehicle, &speeds);
            for value in &mut action {
                *value = under_voltage(*value, voltage);
            }
            recorder.output::<[(); 1]>("voltage", &[voltage]);
            recorder.output::<Cell<()>>("battery", &left);
            recorder.output::<[(); 4]>("action", &action);
        }))
    }

    /// `vehicle`, of weak rotors `rotors` and `has_failed`, of a payload `payload` and `carries` → `vehicle`, `centre` of
    /// gravity.
    pub(crate) fn fitted(&self) -> Option<Program> {
        let rotors = Rotors::new(self.config.rotor_efficiency, &self.config.rotor_failure, self.period);
        let payload = Payload::new(&self.config.payload, self.period);
        (rotors.is_some() || payload.is_some()).then(|| {
            record(self.form, |recorder| {
                let own: Vehicle<Traced> = vehicle(recorder);
                let rotors = rotors.map(|_| {
                    let strength = recorder.input::<Strength<()>>("rotors");
                    (strength, flags::<4>(recorder, "has_failed"))
                });
                let payload = payload.map(|_| {
                    let load = recorder.input::<Load<()>>("payload");
                    let [carries] = flags(recorder, "carries");
                    (load, carries)
                });
                let rotors = rotors.as_ref().map(|(strength, has_failed)| (strength, *has_failed));
                let payload = payload.as_ref().map(|(load, carries)| (load, *carries));
                let (vehicle, centre) = fitted(&own, rotors, payload);
                recorder.output::<[(); VEHICLE_NUMBERS]>("vehicle", &vehicle.numbers());
                recorder.output::<[(); 3]>("centre", &centre);
            })
        })
    }

    /// `sensors`, `body` → `body` as it is measured.
    pub(crate) fn sensors(&self) -> Option<Program> {
        let errs = !self.config.noise.is_off() || !self.config.bias.is_off();
        errs.then(|| {
            record(self.form, |recorder| {
                let errors = recorder.input::<Errors<()>>("sensors");
                let body = recorder.input::<Body<()>>("body");
                let stream = stream_name(VEHICLE, "noise");
                let measured = errors.measured(&body, &recorder.draws(&stream));
                recorder.output::<Body<()>>("body", &measured);
            })
        })
    }

    /// All that is on.
    pub(crate) fn formulas(&self) -> Vec<Recorded> {
        let all = [
            ("reality: wind", self.wind()),
            ("reality: drag", self.drag()),
            ("reality: ground", self.ground()),
            ("reality: battery", self.battery()),
            ("reality: rotors and payload", self.fitted()),
            ("reality: sensors", self.sensors()),
        ];
        all.into_iter().filter_map(|(name, program)| Some(Recorded::new(name, program?))).collect()
    }
}

/// Masks that are given as numbers, 1 where they hold.
pub(super) fn flags<const N: usize>(recorder: &mut Recorder, name: &str) -> [TracedMask; N]
where
    [(); N]: Fields<Of<Traced> = [Traced; N]>,
{
    recorder.input::<[(); N]>(name).map(holds)
}
