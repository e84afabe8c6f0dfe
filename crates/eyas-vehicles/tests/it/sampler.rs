//! Vehicles are drawn from the documented distributions.

use eyas_vehicles::{
    DomainRandomization, FleetVehicle, SamplerConfig, SamplerProtocol, sample_fleet, vehicles,
};

const COUNT: usize = 20_000;
/// Vehicles that RLtools' table was taken from.
const TABLE_COUNT: f64 = 1000.0;

type Measure = fn(&FleetVehicle) -> f64;

fn surplus(it: &FleetVehicle) -> f64 {
    it.dynamics.weight() * (it.dynamics.thrust_to_weight() - 1.0)
}

fn raptor() -> SamplerConfig {
    SamplerConfig { protocol: SamplerProtocol::Raptor, ..SamplerConfig::default() }
}

/// Mean, deviation, 5 %, median, 95 % of the 1,000 vehicles that RLtools 460bae06^ draws, regenerated in double
/// precision, and the rounding of each.
const TABLE: [(&str, Measure, [f64; 5], [f64; 5]); 10] = [
    ("mass", |it| it.dynamics.mass, [1.51, 1.44, 0.0446, 1.006, 4.47], [5e-3, 5e-3, 5e-5, 5e-4, 5e-3]),
    (
        "thrust to weight",
        |it| it.dynamics.thrust_to_weight(),
        [3.31, 0.99, 1.705, 3.32, 4.83],
        [5e-3, 5e-3, 5e-4, 5e-3, 5e-3],
    ),
    (
        "torque to inertia",
        |it| it.dynamics.torque_to_inertia(),
        [627.0, 329.0, 109.0, 624.0, 1142.0],
        [0.5; 5],
    ),
    ("d_max", |it| it.dynamics.rotor_distance(), [0.116, 0.05, 0.041, 0.115, 0.197], [5e-4; 5]),
    (
        "J_inv",
        |it| it.dynamics.inertia_inverse[0][0],
        [7784.0, 22730.0, 40.0, 620.0, 4.5e4],
        [0.5, 5.0, 0.5, 5.0, 500.0],
    ),
    (
        "rising",
        |it| it.dynamics.rotor_time_constants_rising[0],
        [0.065, 0.0206, 0.033, 0.0646, 0.0965],
        [5e-5, 5e-5, 5e-4, 5e-5, 5e-5],
    ),
    (
        "falling",
        |it| it.dynamics.rotor_time_constants_falling[0],
        [0.169, 0.077, 0.045, 0.169, 0.288],
        [5e-4; 5],
    ),
    (
        "torque constant",
        |it| it.dynamics.rotor_torque_constants[0],
        [0.0279, 0.0134, 0.0068, 0.0287, 0.048],
        [5e-5; 5],
    ),
    ("force", |it| it.random_force_std, [0.623, 1.02, 0.004, 0.208, 2.76], [5e-4, 5e-3, 5e-4, 5e-4, 5e-3]),
    (
        "force over surplus thrust",
        |it| it.random_force_std / surplus(it),
        [0.0163, 0.0116, 0.0011, 0.0145, 0.039],
        [5e-5, 5e-5, 5e-5, 5e-5, 5e-4],
    ),
];

#[test]
fn the_protocol_raptor_draws_what_the_original_draws() {
    let fleet = sample_fleet(&raptor(), COUNT, 0);
    let count = COUNT as f64;
    // Five standard errors of the difference of two samples, one of each size.
    let errors = 5.0 * (1.0 / TABLE_COUNT + 1.0 / count).sqrt();
    for (name, measure, expected, rounding) in TABLE {
        let values: Vec<f64> = fleet.iter().map(measure).collect();
        let moment = |power, centre: f64| -> f64 {
            values.iter().map(|it| (it - centre).powi(power)).sum::<f64>() / count
        };
        let mean = moment(1, 0.0);
        let std = moment(2, mean).sqrt();
        let kurtosis = moment(4, mean) / std.powi(4);
        let share = |limit: f64| values.iter().filter(|it| **it <= limit).count() as f64 / count;
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let quantile = |share: f64| sorted[(share * count) as usize];
        println!(
            "{name}: mean {mean:.4}, std {std:.4}, 5 % {:.4}, median {:.4}, 95 % {:.4}; expected {expected:?}",
            quantile(0.05),
            quantile(0.5),
            quantile(0.95)
        );
        assert!((mean - expected[0]).abs() < errors * std + rounding[0], "{name}: mean {mean}");
        let error_of_std = errors * std * (0.25 * (kurtosis - 1.0)).sqrt();
        assert!((std - expected[1]).abs() < error_of_std + rounding[1], "{name}: std {std}");
        for (place, part) in [(2, 0.05), (3, 0.5), (4, 0.95_f64)] {
            let tolerance = errors * (part * (1.0 - part)).sqrt();
            let (low, high) =
                (share(expected[place] - rounding[place]), share(expected[place] + rounding[place]));
            assert!(low - tolerance < part && part < high + tolerance, "{name}: {part} in {low}..{high}");
        }
    }
}

#[test]
fn the_protocol_eyas_draws_sizes_evenly_and_forces_up_to_a_tenth_of_the_surplus() {
    let fleet = sample_fleet(&SamplerConfig::default(), COUNT, 0);

    let crazyflie = vehicles()[0].parameters();
    let nominal = crazyflie.rotor_distance() / crazyflie.mass.cbrt();
    let (mut larger, mut shares, mut widest) = (0, 0.0, 0.0_f64);
    for it in &fleet {
        let size = it.dynamics.rotor_distance() / it.dynamics.mass.cbrt() / nominal;
        assert!((1.0 / 1.1 - 1e-12..=1.1 + 1e-12).contains(&size), "{size}");
        larger += u32::from(size > 1.0);
        let share = it.random_force_std / surplus(it);
        shares += share;
        widest = widest.max(share);
        let throttle = it.dynamics.hovering_throttle_relative;
        assert!((it.dynamics.thrust(throttle) / it.dynamics.weight() - 1.0).abs() < 1e-12);
    }
    let count = COUNT as f64;
    // Five standard errors of a share of a half, and of the mean of numbers spread evenly over 0 to 0.1.
    assert!((f64::from(larger) / count - 0.5).abs() < 2.5 / count.sqrt(), "{larger}");
    assert!((shares / count - 0.05).abs() < 0.5 / (12.0 * count).sqrt(), "{shares}");
    assert!(widest < 0.1 + 1e-12 && widest > 0.0999, "{widest}");
}

#[test]
fn every_vehicle_holds_together() {
    for protocol in [SamplerProtocol::Eyas, SamplerProtocol::Raptor] {
        let config = SamplerConfig { protocol, ..SamplerConfig::default() };
        let ranges = DomainRandomization::rltools();
        for it in sample_fleet(&config, 2000, 7) {
            let vehicle = &it.dynamics;
            vehicle.validate().unwrap();
            assert!(vehicle.inertia_mismatch() < 1e-14, "{}", vehicle.inertia_mismatch());
            // The defining equation with J itself.
            let torque = std::f64::consts::SQRT_2 * vehicle.rotor_positions[0][0] * vehicle.thrust(1.0) / 4.0;
            assert!((torque / vehicle.inertia[0][0] / vehicle.torque_to_inertia() - 1.0).abs() < 1e-13);
            let distance = vehicle.rotor_distance();
            assert_eq!(
                (it.max_position, it.position_threshold),
                (Some(10.0 * distance), Some(20.0 * distance))
            );
            for (value, min, max) in [
                (vehicle.mass, ranges.mass_min, ranges.mass_max),
                (vehicle.thrust_to_weight(), ranges.thrust_to_weight_min, ranges.thrust_to_weight_max),
                (vehicle.torque_to_inertia(), ranges.torque_to_inertia_min, ranges.torque_to_inertia_max),
            ] {
                assert!((min - 1e-12 * min..=max + 1e-12 * max).contains(&value), "{min} {value} {max}");
            }
        }
    }
}

#[test]
fn a_vehicle_depends_on_its_number_and_seed_alone() {
    let fleet = sample_fleet(&raptor(), 40, 3);
    assert_eq!(sample_fleet(&raptor(), 10, 3), fleet[..10]);
    let other = sample_fleet(&raptor(), 40, 4);
    assert!(fleet.iter().zip(&other).all(|(a, b)| a.dynamics.mass != b.dynamics.mass));
    assert_eq!(fleet[7].id, "0007");
}

#[test]
fn ranges_that_make_no_sense_are_refused_by_name() {
    let refused = |change: fn(&mut DomainRandomization), message: &str| {
        let mut config = SamplerConfig::default();
        change(&mut config.domain_randomization);
        let found = config.validate().unwrap_err();
        assert!(found.contains(message), "no `{message}` in `{found}`");
    };
    refused(|it| it.mass_min = 0.0, "`mass_min` = 0, expected a positive number");
    refused(|it| it.mass_max = 0.01, "`mass_max` = 0.01, expected a number of at least `mass_min` = 0.02");
    refused(|it| it.thrust_to_weight_min = 0.9, "`thrust_to_weight_min` = 0.9, expected more than 1");
    refused(|it| it.mass_size_deviation = 1.0, "`mass_size_deviation` = 1, expected a share");
    refused(|it| it.disturbance_force_max = f64::NAN, "`disturbance_force_max` = NaN");
    refused(|it| it.orientation_offset_angle_max = 0.1, "this version simulates none");
    SamplerConfig::default().validate().unwrap();
}
