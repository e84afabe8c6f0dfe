//! Courses pass where they should, smoothly.

use eyas_sim::{
    Course, CourseConfig, CourseKind, Langevin, LangevinConfig, MinimumSnap, MinimumSnapConfig,
    SamplesConfig, Vector, norm, sub,
};

const WAYPOINTS: [Vector<f64>; 5] =
    [[0.0, 0.0, 0.0], [1.0, 0.5, 0.3], [0.5, 1.2, 0.6], [-0.5, 0.8, 0.2], [0.1, -0.2, 0.0]];
const TIMES: [f64; 5] = [0.0, 1.5, 2.2, 4.0, 5.0];

fn course(config: &CourseConfig) -> Course {
    Course::new(config).unwrap().unwrap()
}

fn of_kind(kind: CourseKind) -> CourseConfig {
    let samples = SamplesConfig {
        times_s: vec![3.0, 3.5, 5.0, 6.0],
        positions_m: WAYPOINTS[..4].to_vec(),
        velocities_m_s: Vec::new(),
    };
    CourseConfig { kind: Some(kind), samples, ..CourseConfig::default() }
}

const KINDS: [CourseKind; 7] = [
    CourseKind::Figure8,
    CourseKind::Circle,
    CourseKind::Lissajous,
    CourseKind::Step,
    CourseKind::Zigzag,
    CourseKind::MinimumSnap,
    CourseKind::Samples,
];

fn distance(a: Vector<f64>, b: Vector<f64>) -> f64 {
    norm(sub(a, b))
}

#[test]
fn every_course_rests_at_the_spawn_point_first() {
    for kind in KINDS {
        let course = course(&CourseConfig { rest_s: 0.75, ..of_kind(kind) });
        for time in [0.0, 0.5, 0.7499] {
            assert_eq!(course.at(time), ([0.0; 3], [0.0; 3]), "{kind:?}");
        }
        let jumps = kind == CourseKind::Step;
        assert!(jumps || norm(course.at(0.75).0) < 1e-12, "{kind:?}");
        let farthest = (0..2000).map(|step| norm(course.at(0.01 * f64::from(step)).0)).fold(0.0, f64::max);
        assert!(farthest > 0.4, "{kind:?} stays within {farthest} m");
    }
}

#[test]
fn the_velocity_is_the_rate_of_the_position() {
    for kind in KINDS {
        let course = course(&of_kind(kind));
        let mut odd = 0;
        for step in 0..1500 {
            // Off the corners of the zigzag and the ends of the others by irrational steps.
            let (time, h) = (0.013_713 * f64::from(step), 1e-5);
            let [(before, _), (_, velocity), (after, _)] =
                [time - h, time, time + h].map(|time| course.at(time));
            let rate = sub(after, before).map(|it| it / (2.0 * h));
            odd += usize::from(distance(rate, velocity) > 1e-6);
        }
        // A jump or a sharp turn that falls between two looks.
        assert!(odd <= 1, "{kind:?}: {odd}");
    }
}

#[test]
fn laps_come_up_to_speed_smoothly_and_repeat() {
    for kind in [CourseKind::Figure8, CourseKind::Circle, CourseKind::Lissajous] {
        let config = of_kind(kind);
        let lap = match kind {
            CourseKind::Figure8 => config.figure8.lap_s,
            CourseKind::Circle => config.circle.lap_s,
            _ => config.lissajous.lap_s,
        };
        let course = course(&config);
        let start = config.rest_s + config.ramp_s;
        for step in 0..100 {
            let time = start + 0.137 * f64::from(step);
            let ((here, speed), (later, later_speed)) = (course.at(time), course.at(time + lap));
            assert!(distance(here, later) < 1e-9 && distance(speed, later_speed) < 1e-9, "{kind:?}");
        }
        let largest_change = (0..4000)
            .map(|step| 0.001 * f64::from(step))
            .map(|time| distance(course.at(time).1, course.at(time + 0.001).1))
            .fold(0.0, f64::max);
        // Far below what a start at speed would be: a metre or so a second.
        assert!(largest_change < 0.01, "{kind:?}: {largest_change}");
    }
}

#[test]
fn without_rest_and_ramp_a_figure_eight_is_that_of_the_point_task() {
    let config = CourseConfig { rest_s: 5.0, ramp_s: 0.0, ..of_kind(CourseKind::Figure8) };
    let course = course(&config);
    let omega = std::f64::consts::TAU / 10.0;
    for time in [5.0, 6.3, 9.9, 31.0] {
        let phase = omega * (time - 5.0);
        let (position, velocity) = course.at(time);
        assert!(distance(position, [phase.sin(), 0.5 * (2.0 * phase).sin(), 0.0]) < 1e-12);
        let expected = [omega * phase.cos(), omega * (2.0 * phase).cos(), 0.0];
        assert!(distance(velocity, expected) < 1e-12);
    }
}

#[test]
fn a_zigzag_flies_its_legs_at_its_speed_there_and_back() {
    let config = CourseConfig { rest_s: 0.0, ..of_kind(CourseKind::Zigzag) };
    let (course, it) = (course(&config), &config.zigzag);
    let [x, y] = it.leg_m;
    let leg_s = norm([x, y, 0.0]) / it.speed_m_s;
    for (legs, corner) in
        [(0.0, [0.0, 0.0]), (1.0, [x, y]), (2.0, [2.0 * x, 0.0]), (4.0, [4.0 * x, 0.0]), (5.0, [3.0 * x, y])]
    {
        let (position, velocity) = course.at(legs * leg_s + 1e-9);
        assert!(distance(position, [corner[0], corner[1], 0.0]) < 1e-6, "{legs}: {position:?}");
        assert!((norm(velocity) - it.speed_m_s).abs() < 1e-12);
    }
}

#[test]
fn minimum_snap_passes_its_waypoints_and_ends_at_rest() {
    let way = MinimumSnap::new(&WAYPOINTS, &TIMES);
    for (waypoint, time) in WAYPOINTS.iter().zip(TIMES) {
        assert!(distance(way.at(time).0, *waypoint) < 1e-9);
    }
    for order in 1..=3 {
        for time in [0.0, 5.0] {
            assert!(norm(way.derivative(time, order)) < 1e-7, "derivative {order} at {time} s");
        }
    }
    assert!(distance(way.at(7.0).0, WAYPOINTS[4]) < 1e-9);
    assert!(norm(way.at(7.0).1) < f64::MIN_POSITIVE);
}

#[test]
fn minimum_snap_is_continuous_up_to_the_sixth_derivative() {
    let way = MinimumSnap::new(&WAYPOINTS, &TIMES);
    for time in &TIMES[1..4] {
        for order in 0..=6 {
            let (before, after) = (way.derivative(time - 1e-9, order), way.derivative(*time, order));
            // The next derivative over a nanosecond, and rounding.
            let tolerance = 1e-9 * (1.0 + norm(way.derivative(time - 1e-9, order + 1))) + 1e-9 * norm(after);
            assert!(
                distance(before, after) < 2.0 * tolerance,
                "derivative {order} at {time} s: {before:?}, {after:?}"
            );
        }
    }
}

/// Positions and velocities of the quadratic program in the coefficients of all polynomials, solved with NumPy by its
/// KKT system: snap squared as the cost; waypoints, rest at both ends and continuity up to jerk as constraints.
const QUADRATIC_PROGRAM: [(f64, Vector<f64>, Vector<f64>); 5] = [
    (
        0.4,
        [0.030_465_416_1, 0.010_171_290_0, 0.004_767_686_6],
        [0.266_614_493_8, 0.089_507_688_7, 0.043_235_148_5],
    ),
    (
        1.1,
        [0.627_144_731_0, 0.238_806_048_5, 0.135_179_194_0],
        [1.202_171_960_9, 0.557_223_454_0, 0.346_616_565_6],
    ),
    (
        1.9,
        [0.914_988_969_8, 0.850_460_865_4, 0.482_963_218_7],
        [-0.925_893_199_4, 1.031_888_371_4, 0.435_156_799_5],
    ),
    (
        3.0,
        [-0.936_711_380_6, 2.097_181_499_0, 0.668_028_856_2],
        [-1.105_591_427_5, 0.396_502_371_0, -0.209_879_465_8],
    ),
    (
        4.7,
        [0.085_834_128_7, -0.176_385_074_7, 0.004_127_819_8],
        [0.169_889_576_9, -0.282_824_727_8, -0.050_000_930_0],
    ),
];

#[test]
fn minimum_snap_solves_the_quadratic_program() {
    let way = MinimumSnap::new(&WAYPOINTS, &TIMES);
    for (time, position, velocity) in QUADRATIC_PROGRAM {
        let found = way.at(time);
        assert!(distance(found.0, position) < 1e-8, "{time} s: {:?}", found.0);
        assert!(distance(found.1, velocity) < 1e-8, "{time} s: {:?}", found.1);
    }
}

#[test]
fn many_waypoints_at_uneven_times_stay_accurate() {
    let place = |index: usize| {
        let it = index as f64;
        [(1.3 * it).sin(), (0.7 * it).cos(), 0.1 * (2.9 * it).sin()]
    };
    let waypoints: Vec<_> = (0..MinimumSnapConfig::MOST).map(place).collect();
    let mut times = vec![10.0];
    for index in 1..waypoints.len() {
        times.push(times[index - 1] + [0.2, 1.5, 0.6][index % 3]);
    }
    let way = MinimumSnap::new(&waypoints, &times);
    for (waypoint, time) in waypoints.iter().zip(&times) {
        let (position, _) = way.at(time - 10.0);
        assert!(distance(position, *waypoint) < 1e-9);
        let jump = distance(way.derivative(time - 10.0 - 1e-9, 4), way.derivative(time - 10.0, 4));
        assert!(jump < 1e-6 * (1.0 + norm(way.derivative(time - 10.0, 4))), "{jump} at {time} s");
    }
}

#[test]
fn samples_are_met_with_their_velocities() {
    let velocities_m_s = vec![[0.0; 3], [0.4, 0.0, -0.1], [0.0, 0.3, 0.0], [0.1, 0.1, 0.1]];
    let samples = SamplesConfig {
        times_s: vec![2.0, 2.5, 4.0, 5.0],
        positions_m: vec![[1.0, 1.0, 1.0], [1.5, 1.0, 1.0], [2.0, 1.5, 0.5], [2.0, 2.0, 0.5]],
        velocities_m_s: velocities_m_s.clone(),
    };
    let config = CourseConfig { rest_s: 0.0, samples, ..of_kind(CourseKind::Samples) };
    let course = course(&config);
    for index in 0..3 {
        let (position, velocity) = course.at(config.samples.times_s[index] - 2.0);
        let expected = sub(config.samples.positions_m[index], [1.0; 3]);
        assert!(distance(position, expected) < 1e-12 && distance(velocity, velocities_m_s[index]) < 1e-12);
    }
    assert_eq!(course.at(99.0), ([1.0, 1.0, -0.5], [0.0; 3]));
}

#[test]
fn waypoints_that_nearly_coincide_are_refused_where_rounding_would_tell() {
    let way = |twin: Vector<f64>| {
        let mut config = of_kind(CourseKind::MinimumSnap);
        config.minimum_snap.waypoints_m = vec![[0.0; 3], [1.0, 0.0, 0.0], twin, [2.0, 1.0, 0.0]];
        Course::new(&config)
    };
    for apart in [f64::EPSILON, 1e-9, 1e-6, 1e-4, 1e-3, 5e-3] {
        let error = way([1.0 + apart, 0.0, 0.0]).unwrap_err().to_string();
        assert!(error.contains("`minimum_snap.waypoints_m` = "), "{error}");
    }
    // With 120 digits the way stays within 2.0 m in every coordinate.
    let near = way([1.01, 0.0, 0.0]).unwrap().unwrap();
    for step in 0..1000 {
        let (position, _) = near.at(0.01 * f64::from(step));
        assert!(position.iter().all(|it| it.abs() < 2.01), "{position:?}");
    }
    // A last step by one rounding once made times that did not ascend.
    let mut config = of_kind(CourseKind::MinimumSnap);
    let (a, b) = (0.1, 0.100_000_000_000_000_02);
    config.minimum_snap.waypoints_m =
        vec![[0.0; 3], [3.0, 4.0, 0.0], [a, 0.0, 0.0], [b, 0.0, 0.0], [1.0, 0.0, 0.0]];
    Course::new(&config).unwrap_err();
    config.minimum_snap.times_s = vec![0.0, 1.0, 2.0, 2.001, 3.0];
    let error = Course::new(&config).unwrap_err().to_string();
    assert!(error.contains("`minimum_snap.times_s` = 0.00"), "{error}");
}

#[test]
fn references_that_single_precision_does_not_hold_are_refused() {
    type Change = fn(&mut CourseConfig);
    let cases: [(Change, &str); 9] = [
        (|it| it.circle.radius_m = 1e39, "`circle.radius_m` = 1"),
        (|it| it.circle.lap_s = 1e-300, "`circle.lap_s` = 0.0"),
        (|it| it.figure8.size_m[1] = -1e7, "`figure8.size_m` = -10000000, expected numbers of at most"),
        (|it| it.lissajous.cycles = [u32::MAX; 3], "`lissajous.lap_s` = 16"),
        (|it| it.step.to_m[2] = f64::INFINITY, "`step.to_m` = inf"),
        (|it| it.zigzag.legs = u32::MAX, "`zigzag.legs` = 4294967295"),
        (|it| it.minimum_snap.speed_m_s = 1e-300, "`minimum_snap.speed_m_s` = 0.0"),
        (
            |it| it.minimum_snap.times_s = [0.0, 1.0, 2.0, 3.0, 4.0].map(|it| 1e-200 * it).into(),
            "1e-6 s to 1e9",
        ),
        (
            |it| it.minimum_snap.times_s = [0.0, 1.0, 2.0, 3.0, 4.0].map(|it| 1e9 * it + it).into(),
            "1e-6 s to 1e9",
        ),
    ];
    for (change, message) in cases {
        let mut config = of_kind(CourseKind::Step);
        change(&mut config);
        let error = Course::new(&config).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let mut config = of_kind(CourseKind::Samples);
    config.samples.times_s = [0.0, 1.0, 2.0, 3.0].map(|it| 1e-9 * it).into();
    let error = Course::new(&config).unwrap_err().to_string();
    assert!(error.contains("samples that ask for at most 1000000 m/s"), "{error}");
}

#[test]
fn a_langevin_motion_is_stable_where_its_steps_without_noise_die_away() {
    let farthest = |gamma: f64, omega: f64| {
        let config = LangevinConfig { gamma, omega, sigma: 0.0, alpha: 1.0 };
        let mut it =
            Langevin::<f64> { raw_position: [1.0; 3], raw_velocity: [1.0; 3], ..Langevin::at_rest() };
        for _ in 0..20_000 {
            it = it.step(&config, 0.01, [0.0; 3], None);
        }
        (norm(it.raw_velocity), config.is_stable_at(0.01))
    };
    for (gamma, omega) in [(1.0, 2.0), (0.5, 1.5), (199.0, 1.0), (1.0, 198.0), (100.0, 140.0), (50.0, 170.0)]
    {
        let (speed, is_stable) = farthest(gamma, omega);
        assert!(is_stable && speed < 10.0, "{gamma} {omega}: {speed}");
    }
    for (gamma, omega) in [(201.0, 1.0), (1000.0, 2.0), (1.0, 201.0), (100.0, 143.0), (50.0, 174.0)] {
        let (speed, is_stable) = farthest(gamma, omega);
        assert!(!is_stable && (speed.is_nan() || speed > 1e3), "{gamma} {omega}: {speed}");
    }
}

#[test]
fn parameters_out_of_range_are_named() {
    type Change = fn(&mut CourseConfig);
    let cases: [(CourseKind, Change, &str); 9] = [
        (CourseKind::Figure8, |it| it.figure8.lap_s = 0.0, "`figure8.lap_s` = 0, expected a positive"),
        (CourseKind::Circle, |it| it.rest_s = -1.0, "`rest_s` = -1, expected a number of at least 0"),
        (CourseKind::Lissajous, |it| it.lissajous.size_m[1] = f64::NAN, "`lissajous.size_m` = NaN"),
        (CourseKind::Zigzag, |it| it.zigzag.leg_m = [0.0; 2], "`zigzag.leg_m` = 0, expected a leg"),
        (CourseKind::MinimumSnap, |it| it.minimum_snap.waypoints_m.truncate(1), "= 1 entries, expected 2 to"),
        (CourseKind::MinimumSnap, |it| it.minimum_snap.times_s = vec![0.0; 5], "`minimum_snap.times_s` = 0"),
        (
            CourseKind::MinimumSnap,
            |it| it.minimum_snap.waypoints_m[1] = [0.0; 3],
            "= 0, expected neighbours that are apart by at least",
        ),
        (CourseKind::Samples, |it| it.samples.times_s[2] = 3.4, "`samples.times_s` = 3.4, expected times"),
        (CourseKind::Samples, |it| it.samples.velocities_m_s = vec![[0.0; 3]], "one for each time, or none"),
    ];
    for (kind, change, message) in cases {
        let mut config = of_kind(kind);
        change(&mut config);
        let error = Course::new(&config).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        // Whether or not it is flown; samples need be there only where they are.
        let other = CourseConfig { kind: Some(CourseKind::Step), ..config };
        assert_eq!(Course::new(&other).is_ok(), kind == CourseKind::Samples);
    }
}
