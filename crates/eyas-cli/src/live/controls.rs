//! What a viewer may do to vehicles, and what it means to the simulator.

use std::collections::BTreeMap;

use eyas::tasks::AnyTask;
use eyas_env::Perturbation;
use eyas_lanes::Row;
use eyas_web::Control;

/// A push accelerates by the weight for so long, s: about 1 m/s.
const PUSH_S: f64 = 0.1;
/// Longest delay of actions, control steps.
const MOST_DELAY: f64 = 10.0;

const FORCE: &str = "force";
const DIRECTION: &str = "direction";
const MASS: &str = "mass";
const DELAY: &str = "delay";
/// Before the number of a motor.
const LOSS: &str = "loss_";

/// How the sliders stand, and what is left of a push.
pub(crate) struct Disturbances {
    period_s: f64,
    /// N
    weight: f64,
    controls: Vec<Control>,
    values: BTreeMap<String, f64>,
    push_steps: u32,
}

impl Disturbances {
    /// All sliders where they change nothing, one for each motor among them.
    pub(crate) fn new(env: &dyn AnyTask, motors: &[String]) -> Self {
        let vehicle = env.vehicle();
        let period_s = env.control_period();
        let controls = controls(period_s, motors);
        let values = controls.iter().map(|it| (it.name.clone(), it.neutral)).collect();
        let weight = vehicle.mass * vehicle.gravity.iter().map(|it| it * it).sum::<f64>().sqrt();
        Self { period_s, weight, controls, values, push_steps: 0 }
    }

    pub(crate) fn controls(&self) -> &[Control] {
        &self.controls
    }

    pub(crate) fn values(&self) -> &BTreeMap<String, f64> {
        &self.values
    }

    pub(crate) fn set(&mut self, control: &str, value: f64) {
        self.values.insert(control.to_owned(), value);
    }

    pub(crate) fn push(&mut self) {
        self.push_steps = (PUSH_S / self.period_s).round().max(1.0) as u32;
    }

    /// Counts a step; whether a push has ended with it.
    pub(crate) fn advance(&mut self) -> bool {
        let was_pushed = self.push_steps > 0;
        self.push_steps = self.push_steps.saturating_sub(1);
        was_pushed && self.push_steps == 0
    }

    /// What acts now, and the delay of actions in control steps.
    pub(crate) fn now(&self) -> (Perturbation, u32) {
        let value = |name: &str| self.values[name];
        let share = 0.01 * value(FORCE) + f64::from(u8::from(self.push_steps > 0));
        let (y, x) = libm::sincos(value(DIRECTION).to_radians());
        let force = share * self.weight;
        let perturbation = Perturbation {
            force_world: [force * x, force * y, 0.0].map(everywhere),
            mass_factor: everywhere(value(MASS)),
            rotor_efficiency: [0, 1, 2, 3].map(|motor| {
                let loss = self.values.get(&format!("{LOSS}{motor}"));
                everywhere(1.0 - 0.01 * loss.copied().unwrap_or_default())
            }),
            ..Perturbation::default()
        };
        (perturbation, (0.001 * value(DELAY) / self.period_s).round() as u32)
    }
}

/// The same for each vehicle of a block.
fn everywhere(value: f64) -> Row {
    Row::splat(value as f32)
}

fn controls(period_s: f64, motors: &[String]) -> Vec<Control> {
    let control = |name: &str, label: &str, unit: &str, [min, max, step, neutral]: [f64; 4]| Control {
        name: name.into(),
        label: label.into(),
        unit: unit.into(),
        min,
        max,
        step,
        neutral,
    };
    let period_ms = 1000.0 * period_s;
    let mut controls = vec![
        control(FORCE, "Wind ÷ weight", "%", [0.0, 100.0, 1.0, 0.0]),
        control(DIRECTION, "Wind direction", "°", [0.0, 360.0, 5.0, 0.0]),
        control(MASS, "Mass", "×", [0.5, 2.0, 0.05, 1.0]),
        control(DELAY, "Action delay", "ms", [0.0, MOST_DELAY * period_ms, period_ms, 0.0]),
    ];
    for (motor, name) in motors.iter().enumerate() {
        let label = format!("Thrust loss {name}");
        controls.push(control(&format!("{LOSS}{motor}"), &label, "%", [0.0, 100.0, 1.0, 0.0]));
    }
    controls
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_env::PointConfig;

    #[test]
    fn sliders_are_forces_factors_and_steps() {
        let env = PointConfig::default();
        let mut it = Disturbances::new(&env, &["FL", "FR", "BR", "BL"].map(String::from));
        assert_eq!(it.now(), (Perturbation::default(), 0));
        for (control, value) in
            [("force", 50.0), ("direction", 90.0), ("mass", 1.5), ("delay", 30.0), ("loss_2", 25.0)]
        {
            assert!(it.controls().iter().any(|it| it.name == control), "{control}");
            it.set(control, value);
        }
        let (now, delay) = it.now();
        let half_weight = 0.5 * 0.0282 * 9.81;
        let force = now.force_world.map(|row| f64::from(row[9]));
        assert!(force[0].abs() < 1e-8 && (force[1] - half_weight).abs() < 1e-8);
        let efficiency = now.rotor_efficiency.map(|row| row[9]);
        assert_eq!((now.mass_factor[9], efficiency, delay), (1.5, [1.0, 1.0, 0.75, 1.0], 3));
    }

    #[test]
    fn a_push_ends() {
        let env = PointConfig::default();
        let mut it = Disturbances::new(&env, &[const { String::new() }; 4]);
        it.push();
        let ends: Vec<bool> = (0..12).map(|_| it.advance()).collect();
        assert_eq!(ends.iter().position(|it| *it), Some(9));
        assert_eq!(it.now().0, Perturbation::default());
    }
}
