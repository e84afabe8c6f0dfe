//! The air below a vehicle pushes others down as a jet with the momentum of its thrust would.

use std::f64::consts::PI;

use eyas_env::{DownwashConfig, FormationConfig, MultiAgentBlock, PlacesConfig, Shape};

use crate::formation::{afloat, fly, started};

const MASS: f64 = 0.0282;
const WEIGHT: f64 = MASS * 9.81;

/// Force on the second of two vehicles that float, for where it is as seen from the first, N downwards; and what acts
/// on the first.
fn forces(aside: f64, above: f64, downwash: &DownwashConfig) -> [f64; 2] {
    let places = vec![[0.0; 3], [aside, 0.0, above]];
    let formation = PlacesConfig { shape: Shape::Offsets, offsets: places, ..PlacesConfig::default() };
    let config = FormationConfig {
        num_agents: 2,
        formation,
        downwash: downwash.clone(),
        collision_distance: 0.0,
        ..afloat()
    };
    let mut block = started(&config, 0);
    fly(&mut block, &[0.0; 2]);
    [1, 0].map(|it| -f64::from(block.telemetry(0, it).velocity[2]) * MASS / 0.01)
}

fn on() -> DownwashConfig {
    DownwashConfig { enabled: true, ..DownwashConfig::default() }
}

/// f32 keeps 0.01 g of a step's velocity to 1e-7 of the weight's.
const ROUNDING: f64 = 2e-6 * WEIGHT;

#[test]
fn there_is_none_unless_asked_for_and_none_above_or_beside() {
    assert!(forces(0.0, -0.5, &DownwashConfig::default())[0].abs() < ROUNDING);
    let [below, above] = forces(0.0, -0.5, &on());
    assert!(below > 0.05 * WEIGHT && above.abs() < ROUNDING, "{below} N, {above} N");
    assert!(forces(0.5, 0.0, &on())[0].abs() < ROUNDING);
    let [upper, lower] = forces(0.0, 0.5, &on());
    assert!(upper.abs() < ROUNDING && (lower - below).abs() < ROUNDING, "{upper} N, {lower} N");
}

/// `F = ½ C_d A T / (π σ²) exp(−r² / σ²)`, written down once more.
#[test]
fn the_force_is_that_of_the_written_formula() {
    let jet = on();
    for (aside, below) in [(0.0, 0.3), (0.05, 0.3), (0.1, 1.0), (0.3, 1.0), (0.0, 4.0), (0.5, 4.0)] {
        // Rotors are 43.84 mm from the centre.
        let width = 0.043_84 + 0.094 * below / (2.0 * 2.0_f64.ln()).sqrt();
        let share = 0.5 * 0.01 / (PI * width * width) * (-(aside / width).powi(2)).exp();
        let expected = WEIGHT * share.min(1.0);
        let [found, _] = forces(aside, -below, &jet);
        assert!((found - expected).abs() < ROUNDING, "{aside} m, {below} m: {found} N, {expected} N");
    }
}

/// What flows through a plane has the momentum of the thrust at every height, `∫ ρ U² dA = T`: a small plate feels
/// `½ ρ C_d A U²` of it. And it never pushes harder than the thrust that makes it.
#[test]
fn the_jet_carries_the_momentum_of_the_thrust() {
    let drag_area = 1e-3;
    let plate = DownwashConfig { drag_area, ..on() };
    for below in [0.2, 0.5, 1.5] {
        let width = 0.043_84 + 0.08 * below;
        let step = 0.1 * width;
        // Midpoints of rings, out to where a Gaussian has nothing left.
        let through: f64 = (0..40)
            .map(|ring| (f64::from(ring) + 0.5) * step)
            .map(|radius| forces(radius, -below, &plate)[0] * 2.0 / drag_area * 2.0 * PI * radius * step)
            .sum();
        assert!((through / WEIGHT - 1.0).abs() < 0.005, "{below} m below: {through} N of {WEIGHT} N");
    }
    let barn = DownwashConfig { drag_area: 1.0, ..on() };
    for below in [0.01, 0.1, 0.5] {
        let [found, _] = forces(0.0, -below, &barn);
        assert!(found < WEIGHT + ROUNDING, "{found} N");
    }
}
