//! Each term is its formula, written out again in double precision.

use eyas_env::Manager;

use super::{ACTIONS, REWARDS, STATE, actions, anywhere, near, observed, started, task};

/// What terms see, in double precision.
struct Twin {
    position: [f64; 3],
    /// `w, x, y, z`.
    orientation: [f64; 4],
    velocity: [f64; 3],
    rate: [f64; 3],
    action: [f64; 4],
    last_action: [f64; 4],
    set_point: [f64; 4],
    last_set_point: [f64; 4],
    rotor_speed: [f64; 4],
}

/// The command of these tests, which holds.
const COMMAND: [f64; 3] = [0.4, -0.3, 0.2];
const COMMANDS: &str = "commands: {goal: {func: hold, params: {position: [0.4, -0.3, 0.2]}}}\n";

fn take<const N: usize>(values: &[f64], start: usize) -> [f64; N] {
    values[start..start + N].try_into().unwrap()
}

impl Twin {
    /// From the observation [`STATE`] after a step, and that before.
    fn new(now: &[f64], before: &[f64]) -> Self {
        Self {
            position: take(now, 0),
            orientation: take(now, 3),
            velocity: take(now, 7),
            rate: take(now, 10),
            action: take(now, 13),
            last_action: take(before, 13),
            set_point: take(now, 17),
            last_set_point: take(before, 17),
            rotor_speed: take(now, 21),
        }
    }

    /// `R v` by the quaternion.
    fn to_world(&self, v: [f64; 3]) -> [f64; 3] {
        let [w, x, y, z] = self.orientation;
        let rows = [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ];
        rows.map(|row| dot(row, v))
    }

    fn to_body(&self, v: [f64; 3]) -> [f64; 3] {
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| dot(self.to_world(axis), v))
    }

    fn error(&self) -> [f64; 3] {
        std::array::from_fn(|axis| self.position[axis] - COMMAND[axis])
    }

    fn cos_tilt(&self) -> f64 {
        self.to_world([0.0, 0.0, 1.0])[2]
    }
}

fn dot<const N: usize>(a: [f64; N], b: [f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn square<const N: usize>(a: [f64; N]) -> f64 {
    dot(a, a)
}

fn change(a: [f64; 4], b: [f64; 4]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Parameters and formula of a reward; the termination of these tests is a height below 0.
fn reward(name: &str) -> (&'static str, fn(&Twin) -> f64) {
    match name {
        "is_alive" => ("", |it| f64::from(it.position[2] >= 0.0)),
        "is_terminated" => ("", |it| f64::from(it.position[2] < 0.0)),
        "is_terminated_term" => ("term_keys: [low]", |it| f64::from(it.position[2] < 0.0)),
        "constant" => ("", |_| 1.0),
        "position_error" => ("", |it| square(it.error()).sqrt()),
        "position_error_l2" => ("", |it| square(it.error())),
        "position_error_tanh" => ("std: 0.7", |it| 1.0 - (square(it.error()).sqrt() / 0.7).tanh()),
        "position_error_exp" => ("std: 1.3", |it| (-square(it.error()) / 1.69).exp()),
        "velocity_error_l2" => ("", |it| square(it.velocity)),
        "velocity_error_exp" => ("std: 2", |it| (-square(it.velocity) / 4.0).exp()),
        "yaw_error" => ("", |it| (1.0 - it.orientation[3].abs()).acos()),
        "tilt_l2" => ("", |it| it.cos_tilt().acos().powi(2)),
        "flat_orientation_l2" => ("", |it| {
            let [x, y, _] = it.to_body([0.0, 0.0, -1.0]);
            square([x, y])
        }),
        "base_height_l2" => ("target_height: 0.5", |it| (it.position[2] - 0.5).powi(2)),
        "lin_vel_l2" => ("", |it| square(it.velocity)),
        "lin_vel_z_l2" => ("", |it| it.velocity[2].powi(2)),
        "ang_vel_l2" => ("", |it| square(it.rate)),
        "ang_vel_xy_l2" => ("", |it| square([it.rate[0], it.rate[1]])),
        "action_l2" => ("", |it| square(it.action)),
        "action_rate_l2" => ("", |it| change(it.action, it.last_action)),
        "set_point_change" => ("", |it| change(it.set_point, it.last_set_point).sqrt()),
        "set_point_l2" => ("target: 0.34", |it| square(it.set_point.map(|x| x - 0.34))),
        "goal_reached" => ("radius: 1.5", |it| f64::from(square(it.error()).sqrt() < 1.5)),
        other => panic!("reward `{other}` has no formula here"),
    }
}

#[test]
fn rewards_are_their_formulas() {
    for term in Manager::Rewards.terms() {
        let (params, formula) = reward(term.name);
        let yaml = format!(
            "scale_rewards_by_dt: false\n{ACTIONS}{COMMANDS}{STATE}
rewards: {{it: {{func: {}, weight: -2.0, params: {{{params}}}}}}}
terminations: {{low: {{func: root_height_below_minimum, params: {{minimum_height: 0.0}}}}}}",
            term.name
        );
        let mut env = started(&task(&yaml), 32, 1);
        let block = env.blocks()[0].as_mut();
        block.step(&actions(0));
        block.reset(block.ended());
        (0..32).for_each(|lane| block.put(lane, &anywhere(lane)));
        let before = observed(block, 25);
        let outcome = block.step(&actions(1));
        let now = observed(block, 25);
        for lane in 0..32 {
            let expected = -2.0 * formula(&Twin::new(&now[lane], &before[lane]));
            let found = f64::from(outcome.reward[lane]);
            near(found, expected, &format!("{}, lane {lane}", term.name));
        }
        let scaled = task(&yaml.replace("scale_rewards_by_dt: false", "scale_rewards_by_dt: true"));
        let mut other = started(&scaled, 32, 1);
        let other = other.blocks()[0].as_mut();
        other.step(&actions(0));
        other.reset(other.ended());
        (0..32).for_each(|lane| other.put(lane, &anywhere(lane)));
        let scaled = other.step(&actions(1));
        for lane in 0..32 {
            let expected = f64::from(outcome.reward[lane]) * 0.01;
            near(f64::from(scaled.reward[lane]), expected, &format!("{} by dt", term.name));
        }
    }
}

fn observation(name: &str) -> fn(&Twin) -> Vec<f64> {
    match name {
        "position_error_b" => |it| it.to_body(it.error()).to_vec(),
        "position_error_w" => |it| it.error().to_vec(),
        "velocity_error_b" | "base_lin_vel" => |it| it.to_body(it.velocity).to_vec(),
        "velocity_error_w" | "root_lin_vel_w" => |it| it.velocity.to_vec(),
        "generated_commands" => |_| [COMMAND, [0.0; 3]].concat(),
        "command_b" => |it| it.to_body(it.error()).map(|x| -x).to_vec(),
        "rotation_matrix" => |it| {
            let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| it.to_world(axis));
            (0..9).map(|entry| axes[entry % 3][entry / 3]).collect()
        },
        "root_quat_w" => |it| it.orientation.to_vec(),
        "projected_gravity" => |it| it.to_body([0.0, 0.0, -1.0]).to_vec(),
        "root_pos_w" => |it| it.position.to_vec(),
        "base_pos_z" => |it| vec![it.position[2]],
        "base_ang_vel" => |it| it.rate.to_vec(),
        "root_ang_vel_w" => |it| it.to_world(it.rate).to_vec(),
        "last_action" => |it| it.action.to_vec(),
        "last_processed_action" => |it| it.set_point.to_vec(),
        "rotor_speed" => |it| it.rotor_speed.to_vec(),
        "mass_factor" => |_| vec![1.0],
        "episode_time" => |_| vec![2.0],
        other => panic!("observation `{other}` has no formula here"),
    }
}

#[test]
fn observations_are_their_formulas_of_the_state() {
    for term in Manager::Observations.terms() {
        let formula = observation(term.name);
        let group = format!("  teacher: {{terms: {{it: {{func: {}}}}}}}\n", term.name);
        let yaml = format!("{ACTIONS}{COMMANDS}{REWARDS}{STATE}{group}");
        let task = task(&yaml);
        let mut env = started(&task, 32, 1);
        let spec = env.spec().clone();
        let features = spec.group("teacher").unwrap().features.clone();
        assert_eq!(features, 25..spec.num_observations(), "{}", term.name);
        let block = env.blocks()[0].as_mut();
        block.step(&actions(0));
        (0..32).for_each(|lane| block.put(lane, &anywhere(lane)));
        let before = observed(block, features.end);
        block.step(&actions(1));
        let now = observed(block, features.end);
        for lane in 0..32 {
            let expected = formula(&Twin::new(&now[lane], &before[lane]));
            assert_eq!(expected.len(), features.len(), "{}", term.name);
            for (feature, expected) in features.clone().zip(expected) {
                near(now[lane][feature], expected, &format!("{}, lane {lane}", term.name));
            }
        }
    }
}

/// The numbers that all formulas here rest on are those that the vehicles were given.
#[test]
fn the_state_is_observed_as_it_was_put() {
    let mut env = started(&task(&format!("{ACTIONS}{REWARDS}{STATE}")), 32, 1);
    let block = env.blocks()[0].as_mut();
    (0..32).for_each(|lane| block.put(lane, &anywhere(lane)));
    for (lane, seen) in observed(block, 25).iter().enumerate() {
        let body = anywhere(lane);
        let numbers = body.position.into_iter().chain(body.orientation);
        let numbers = numbers.chain(body.velocity).chain(body.angular_velocity);
        for (seen, number) in seen.iter().zip(numbers) {
            assert_eq!(*seen, f64::from(number), "lane {lane}");
        }
    }
    // One step of (M8) from rest: a sixth of the way to the set-point.
    let mut env = started(&task(&format!("{ACTIONS}{REWARDS}{STATE}")), 32, 1);
    let block = env.blocks()[0].as_mut();
    block.step(&actions(0));
    let rpm = std::f64::consts::TAU / 60.0;
    let (slowest, fastest) = (1200.0 * rpm, 24_000.0 * rpm);
    for (lane, seen) in observed(block, 25).iter().enumerate() {
        for motor in 0..4 {
            let action = f64::from(actions(0)[motor][lane]);
            let set_point = (0.5 * (action + 1.0)).clamp(0.0, 1.0);
            let speed = (slowest + set_point * (fastest - slowest)) / 6.0;
            near(seen[13 + motor], action, "raw action");
            near(seen[17 + motor], set_point, "set-point");
            near(seen[21 + motor], (speed - slowest) / (fastest - slowest), "rotor speed");
        }
    }
}

/// Whether a termination holds.
type Holds = fn(&Twin) -> bool;

/// Parameters of a termination and where it holds; none for the time limit, which has a test of its own.
fn termination(name: &str) -> Option<(&'static str, Holds)> {
    Some(match name {
        "time_out" => return None,
        "not_finite" => ("", |_| false),
        "position_limit" => ("limit: 1.5", |it| square(it.position).sqrt() > 1.5),
        "linear_velocity_limit" => ("limit: 1", |it| it.velocity.into_iter().any(|x| x.abs() > 1.0)),
        "angular_velocity_limit" => ("limit: 4", |it| it.rate.into_iter().any(|x| x.abs() > 4.0)),
        "bad_orientation" => ("limit_angle: 1.2", |it| it.cos_tilt().acos() > 1.2),
        "command_limit" => ("limit: 0.5", |_| square(COMMAND).sqrt() > 0.5),
        "position_error_limit" => ("limit: 1.5", |it| square(it.error()).sqrt() > 1.5),
        "root_height_below_minimum" => ("minimum_height: -0.2", |it| it.position[2] < -0.2),
        "root_height_above_maximum" => ("maximum_height: 0.6", |it| it.position[2] > 0.6),
        "out_of_bounds" => ("x: [-1, 1], y: [-0.5, 2], z: [-1, 0.5]", |it| {
            let [x, y, z] = it.position;
            !((-1.0..=1.0).contains(&x) && (-0.5..=2.0).contains(&y) && (-1.0..=0.5).contains(&z))
        }),
        "goal_reached" => ("radius: 1.5", |it| square(it.error()).sqrt() < 1.5),
        other => panic!("termination `{other}` has no condition here"),
    })
}

#[test]
fn terminations_hold_where_their_conditions_do() {
    for term in Manager::Terminations.terms() {
        let Some((params, condition)) = termination(term.name) else { continue };
        for time_out in [false, true] {
            let yaml = format!(
                "{ACTIONS}{COMMANDS}{REWARDS}{STATE}terminations: {{it: {{func: {}, time_out: {time_out}, \
                params: {{{params}}}}}}}",
                term.name
            );
            let mut env = started(&task(&yaml), 32, 1);
            let names: &[&str] = if time_out { &[] } else { &["it"] };
            assert_eq!(env.spec().terminations, names);
            let block = env.blocks()[0].as_mut();
            (0..32).for_each(|lane| block.put(lane, &anywhere(lane)));
            let outcome = block.step(&actions(0));
            let now = observed(block, 25);
            let mut held = 0;
            for lane in 0..32 {
                let holds = condition(&Twin::new(&now[lane], &now[lane]));
                held += u32::from(holds);
                let [ends, other] = if time_out {
                    [outcome.truncated, outcome.terminated]
                } else {
                    [outcome.terminated, outcome.truncated]
                };
                assert_eq!(ends >> lane & 1 == 1, holds, "{}, lane {lane}", term.name);
                assert_eq!(other, 0, "{}", term.name);
                assert_eq!(block.episode(lane).cause.is_terminated(), holds && !time_out, "{}", term.name);
            }
            let is_mixed = !matches!(term.name, "not_finite" | "command_limit");
            assert!(!is_mixed || (1..32).contains(&held), "{}: {held} of 32", term.name);
        }
    }
}

#[test]
fn a_number_that_is_none_ends_the_task() {
    let yaml = format!("{ACTIONS}{REWARDS}{STATE}terminations: {{nan: {{func: not_finite}}}}");
    let mut env = started(&task(&yaml), 32, 1);
    let block = env.blocks()[0].as_mut();
    let mut body = anywhere(3);
    body.velocity[1] = f32::NAN;
    block.put(3, &body);
    let outcome = block.step(&actions(0));
    assert_eq!(outcome.terminated, 1 << 3);
    assert!(observed(block, 25)[3].iter().all(|value| value.is_finite()), "what is no number is seen as 0");
    assert!(outcome.reward[3].is_finite());
}

#[test]
fn time_runs_out_when_the_file_says() {
    for (early, expected) in [(0, 5), (1, 4)] {
        let yaml = format!(
            "episode_length_s: 0.05\n{ACTIONS}{REWARDS}{STATE}terminations: {{time: {{func: time_out, \
            time_out: true, params: {{steps_early: {early}}}}}}}"
        );
        let mut env = started(&task(&yaml), 32, 1);
        let block = env.blocks()[0].as_mut();
        let steps = (1..20).find(|step| block.step(&actions(*step)).truncated != 0);
        assert_eq!(steps, Some(expected));
    }
    // Without the term, episodes do not end.
    let mut env = started(&task(&format!("episode_length_s: 0.05\n{ACTIONS}{REWARDS}{STATE}")), 32, 1);
    let block = env.blocks()[0].as_mut();
    assert!((0..50).all(|step| block.step(&actions(step)).truncated == 0));
}

#[test]
fn thrust_and_moments_act_at_once_and_rates_are_followed() {
    let weight = 0.0282 * 9.81;
    let yaml = |func: &str| format!("actions: {{it: {{func: {func}}}}}\n{REWARDS}{STATE}");
    let config = task(&yaml("thrust_and_moments"));
    let mut env = started(&config, 32, 1);
    let block = env.blocks()[0].as_mut();
    let action = [0.0, 0.02, -0.03, 0.01].map(eyas_lanes::Row::splat);
    block.step(&action);
    let seen = &observed(block, 25)[0];
    // Half of 1.9 times the weight, less the weight.
    near(seen[9], 0.01 * (0.95 * weight / 0.0282 - 9.81), "vertical velocity");
    for (axis, (action, inertia)) in
        [(0.02, 2.448_64e-5), (-0.03, 2.448_64e-5), (0.01, 3.615_04e-5)].into_iter().enumerate()
    {
        let expected: f64 = 0.01 * 0.01 * action / inertia;
        assert!((seen[10 + axis] - expected).abs() < 1e-2 * expected.abs(), "axis {axis}: {seen:?}");
    }

    let config = task(&yaml("thrust_and_body_rates"));
    let mut env = started(&config, 32, 1);
    let block = env.blocks()[0].as_mut();
    let action = [0.0, 0.5, -0.25, 1.0].map(eyas_lanes::Row::splat);
    for _ in 0..100 {
        block.step(&action);
    }
    let seen = &observed(block, 25)[0];
    for (axis, expected) in [3.0, -1.5, 3.0].into_iter().enumerate() {
        // What is left is the gyroscopic torque, which a proportional controller does not know.
        assert!((seen[10 + axis] - expected).abs() < 0.25, "axis {axis}: {} rad/s", seen[10 + axis]);
    }
}
