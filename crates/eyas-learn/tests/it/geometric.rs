//! The geometric controller flies what it was made for.

use eyas_env::{PointConfig, RaptorConfig, TaskConfig, TerminationConfig};
use eyas_learn::{
    CpuEngine, Disturbance, Engine as _, Se3Actor, Torture, TortureConfig, TortureFlight, TortureSummary,
};
use eyas_sim::{CourseConfig, CourseKind};
use eyas_vehicles::vehicles;

const SEED: u64 = 9;

fn far() -> TerminationConfig {
    TerminationConfig {
        position_threshold: Some(10.0),
        linear_velocity_threshold: 20.0,
        angular_velocity_threshold: 100.0,
    }
}

/// Flights of a task's own vehicle under a disturbance.
fn fly<T: TaskConfig>(config: &T, disturbance: Disturbance, flights: usize) -> Vec<TortureFlight> {
    let vehicles = [config.vehicle().clone()];
    let mut engine = CpuEngine::new(config.make(flights, SEED));
    let actor = Se3Actor::new(&vehicles, engine.spec()).unwrap();
    let torture = TortureConfig::default();
    Torture { config: &torture, disturbance, vehicles: &vehicles, seed: SEED }
        .fly(&mut engine, &actor)
        .unwrap()
}

/// The RAPTOR environment of a named vehicle along a course, or with a reference that rests.
fn raptor(name: &str, course: Option<CourseKind>) -> RaptorConfig {
    let vehicle = vehicles().iter().find(|it| it.name == name).unwrap();
    let mut config = RaptorConfig {
        prob_null_trajectory: f64::from(u8::from(course.is_none())),
        course: CourseConfig { kind: course, ..CourseConfig::default() },
        robot: vehicle.parameters(),
        termination: far(),
        episode_length_s: 60.0,
        ..RaptorConfig::default()
    };
    config.init.guidance = 1.0;
    config
}

#[test]
fn every_named_vehicle_hovers_and_flies_a_figure_eight() {
    for name in vehicles().iter().map(|it| it.name) {
        // The weakest falls half a metre until its rotors, slow to fall and between rest and half speed at the start, carry it.
        for (course, most_rmse_m) in [(None, 0.12), (Some(CourseKind::Figure8), 0.15)] {
            let it = TortureSummary::of(&fly(&raptor(name, course), Disturbance::None, 16), 1);
            assert!(it.success[0] >= 1.0 && it.rmse_m[0] < most_rmse_m, "{name}, {course:?}: {it:?}");
        }
    }
}

#[test]
fn the_point_task_is_flown_too() {
    // Its errors stand in the body frame, its motors in another order.
    for (share, most_rmse_m) in [(1.0, 0.1), (0.0, 0.15)] {
        let config = PointConfig {
            train_or_play: false,
            prob_null_trajectory: share,
            course: CourseConfig { kind: Some(CourseKind::Figure8), ..CourseConfig::default() },
            ..PointConfig::default()
        };
        let it = TortureSummary::of(&fly(&config, Disturbance::None, 16), 1);
        assert!(it.success[0] >= 1.0 && it.rmse_m[0] < most_rmse_m, "{share}: {it:?}");
    }
}

#[test]
fn disturbances_cost_what_they_should() {
    let config = raptor("x500", None);
    let mean = |disturbance| TortureSummary::of(&fly(&config, disturbance, 16), 1).rmse_m[0];
    let calm = mean(Disturbance::None);
    for disturbance in Disturbance::ALL.into_iter().skip(1) {
        let rmse = mean(disturbance);
        // Delay costs damping, of which the controller has enough: the flight is another one, but no worse.
        let costs = disturbance != Disturbance::Delay;
        let is_felt = if costs { rmse > calm } else { (rmse - calm).abs() > 1e-5 };
        assert!(is_felt, "{}: {rmse} beside {calm}", disturbance.name());
    }
}

#[test]
fn a_flight_does_not_depend_on_who_flies_beside_it() {
    let config = raptor("crazyflie", Some(CourseKind::Step));
    for disturbance in [Disturbance::Wind, Disturbance::MotorLoss, Disturbance::Noise, Disturbance::Inverted]
    {
        let (few, many) = (fly(&config, disturbance, 3), fly(&config, disturbance, 40));
        assert_eq!(few, many[..3], "{}", disturbance.name());
        assert!(many[0] != many[1] && many[1] != many[35]);
    }
}

#[test]
fn what_is_not_there_cannot_disturb() {
    let config = raptor("crazyflie", None);
    let vehicles = [config.robot.clone()];
    let none = TortureConfig {
        wind_to_weight: 0.0,
        push_to_weight: 0.0,
        payload_to_mass: 0.0,
        motor_efficiency: 1.0,
        delay_s: 0.0,
        noise: eyas_env::SensorNoise::default(),
        ..TortureConfig::default()
    };
    let fly = |disturbance| {
        let mut engine = CpuEngine::new(config.make(4, SEED));
        let actor = Se3Actor::new(&vehicles, engine.spec()).unwrap();
        Torture { config: &none, disturbance, vehicles: &vehicles, seed: SEED }
            .fly(&mut engine, &actor)
            .unwrap()
    };
    let calm = fly(Disturbance::None);
    for disturbance in &Disturbance::ALL[1..7] {
        assert_eq!(fly(*disturbance), calm, "{}", disturbance.name());
    }
}
