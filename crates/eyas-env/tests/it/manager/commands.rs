//! Commands move as they are told.

use eyas_env::Manager;
use eyas_sim::{Course, CourseConfig, CourseKind};

use super::{ACTIONS, REWARDS, actions, near, observed, started, task};

const SEEN: &str = "observations: {policy: {terms: {it: {func: generated_commands}}}}\n";

fn file(command: &str, more: &str) -> String {
    format!("commands: {{it: {command}}}\n{ACTIONS}{REWARDS}{SEEN}{more}")
}

#[test]
fn courses_are_those_of_the_simulator() {
    let kinds = [
        ("figure8", CourseKind::Figure8),
        ("circle", CourseKind::Circle),
        ("lissajous", CourseKind::Lissajous),
        ("step", CourseKind::Step),
        ("zigzag", CourseKind::Zigzag),
        ("minimum_snap", CourseKind::MinimumSnap),
    ];
    for (name, kind) in kinds {
        let course = Course::new(&CourseConfig { kind: Some(kind), ..CourseConfig::default() });
        let course = course.unwrap().unwrap();
        // Isaac Lab moves commands once before the first observation, direct tasks after it.
        for (update, ahead) in [("after_reset", 1), ("before_physics", 0)] {
            let task = task(&file(&format!("{{func: {name}}}"), &format!("command_update: {update}\n")));
            let mut env = started(&task, 32, 1);
            let block = env.blocks()[0].as_mut();
            for step in 0..400 {
                if step > 0 || ahead == 1 {
                    let (position, velocity) = course.at(0.01 * f64::from(step + ahead));
                    for seen in [&observed(block, 6)[0], &observed(block, 6)[31]] {
                        for axis in 0..3 {
                            near(seen[axis], position[axis], name);
                            near(seen[3 + axis], velocity[axis], name);
                        }
                    }
                }
                block.step(&actions(step));
            }
        }
    }
    let courses = Manager::Commands.terms().iter().map(|term| term.name);
    let others = courses.filter(|name| kinds.iter().all(|(known, _)| known != name)).collect::<Vec<_>>();
    assert_eq!(others, ["hold", "uniform_position", "langevin"], "every course is compared");
}

#[test]
fn a_drawn_point_stays_until_its_time_is_up() {
    let command = "{func: uniform_position, resampling_time_range: [0.2, 0.3], \
        params: {x: [-1, 1], y: [2, 3], z: [0.5, 0.5]}}";
    let mut env = started(&task(&file(command, "")), 32, 1);
    let block = env.blocks()[0].as_mut();
    let mut last: Vec<_> = observed(block, 6);
    let mut since = [1; 32];
    let mut changes = 0;
    for step in 0..300 {
        block.step(&actions(step));
        let now = observed(block, 6);
        for lane in 0..32 {
            let [x, y, z, ..] = now[lane][..] else { panic!() };
            assert!((-1.0..=1.0).contains(&x) && (2.0..=3.0).contains(&y), "{x} {y}");
            near(z, 0.5, "a range of no width");
            since[lane] += 1;
            if now[lane] != last[lane] {
                // The first time begins with the reset, one step before the first observation.
                assert!((20..=31).contains(&since[lane]), "after {} steps", since[lane]);
                since[lane] = 0;
                changes += 1;
            }
        }
        last = now;
    }
    // 3 s over 0.25 s, for each of 32.
    assert!((300..450).contains(&changes), "{changes}");
}

#[test]
fn play_can_put_the_first_command_at_rest_or_on_a_course() {
    let langevin = "{func: langevin, params: {prob_null_trajectory: 0.0}}";
    let mut env = started(&task(&file(langevin, "command_at_rest: true\n")), 32, 1);
    let block = env.blocks()[0].as_mut();
    for step in 0..50 {
        block.step(&actions(step));
    }
    assert!(observed(block, 6).iter().flatten().all(|value| *value == 0.0));
    assert!(!block.telemetry(0).is_moving_target);

    let course = "course: {kind: circle, rest_s: 0.0, ramp_s: 0.0}\n";
    let mut env = started(&task(&file(langevin, course)), 32, 1);
    let block = env.blocks()[0].as_mut();
    block.step(&actions(0));
    let seen = &observed(block, 6)[5];
    let phase = std::f64::consts::TAU / 6.0 * 0.02;
    near(seen[0], 0.5 * phase.sin(), "x");
    near(seen[1], 0.5 * (1.0 - phase.cos()), "y");
    assert!(block.telemetry(5).is_moving_target);
}

#[test]
fn terms_are_about_the_command_that_they_name() {
    let yaml = format!(
        "commands: {{near: {{func: hold, params: {{position: [1, 0, 0]}}}}, far: {{func: hold, params: \
        {{position: [9, 0, 0]}}}}}}\n{ACTIONS}{SEEN}scale_rewards_by_dt: false\n\
        rewards: {{first: {{func: position_error, weight: 1.0}}, second: {{func: position_error, weight: 1.0, \
        params: {{command_name: far}}}}}}"
    );
    let mut env = started(&task(&yaml), 32, 1);
    let block = env.blocks()[0].as_mut();
    block.step(&actions(0));
    let terms = block.episode(0).terms;
    assert!((terms[0] - 1.0).abs() < 1e-3 && (terms[1] - 9.0).abs() < 1e-3, "{terms:?}");
}
