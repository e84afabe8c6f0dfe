//! What a file may not say is refused with its key, and with what would be right.

use eyas_env::{ManagerConfig, TaskConfig};

use super::{ACTIONS, REWARDS, STATE, parse};

/// Why a file is refused.
fn refused(yaml: &str) -> String {
    match parse(yaml) {
        Err(message) => message,
        Ok(task) => task.validate().expect_err(yaml),
    }
}

#[track_caller]
fn says(yaml: &str, parts: &[&str]) {
    let message = refused(yaml);
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn unknown_names_come_with_the_closest() {
    let rest = format!("{ACTIONS}{STATE}");
    says(
        &format!("{rest}rewards: {{mine: {{func: position_eror, weight: 1.0}}}}"),
        &["`env.rewards.mine.func` = \"position_eror\"", "perhaps position_error", "eyas task terms rewards"],
    );
    says(
        &format!("{rest}rewards: {{mine: {{func: position_error_tanh, weight: 1.0, params: {{sdt: 1}}}}}}"),
        &["`env.rewards.mine.params.sdt`", "perhaps std"],
    );
    says(
        &format!("{rest}rewards: {{mine: {{func: constant, weight: 1.0, params: {{x: 1}}}}}}"),
        &["`env.rewards.mine.params.x`", "takes none"],
    );
    says(
        &format!(
            "{rest}{REWARDS}commands: {{goal: {{func: hold}}}}\nterminations: {{far: {{func: command_limit, \
            params: {{command_name: gaol}}}}}}"
        ),
        &["`env.terminations.far.params.command_name` = \"gaol\"", "perhaps goal"],
    );
    says(
        &format!(
            "{rest}{REWARDS}curriculum: {{it: {{func: modify_reward_weight, params: {{term_name: alve}}}}}}"
        ),
        &["`env.curriculum.it.params.term_name`", "perhaps alive"],
    );
    says(
        &format!("{rest}rewards: {{mine: {{func: is_terminated_term, weight: 1.0}}}}"),
        &["`env.rewards.mine.params.term_keys` is missing", "terminations"],
    );
}

#[test]
fn values_of_the_wrong_type_or_range_name_both() {
    let rest = format!("{ACTIONS}{STATE}");
    let reward = |params: &str| {
        format!(
            "{rest}commands: {{goal: {{func: hold}}}}\n\
            rewards: {{mine: {{func: position_error_tanh, weight: 1.0, params: {{{params}}}}}}}"
        )
    };
    for (params, found) in [
        ("std: wide", "\"wide\""),
        ("std: -1", "-1"),
        ("std: 0.0", "0"),
        ("std: .nan", "NaN"),
        ("std: .inf", "inf"),
        ("std: [1, 2]", "[1, 2]"),
        ("std: true", "true"),
    ] {
        says(&reward(params), &["`env.rewards.mine.params.std`", found, "a number, positive"]);
    }
    says(&format!("{rest}rewards: {{mine: {{func: constant, weight: .nan}}}}"), &["env.rewards.mine.weight"]);
    let command = |params: &str| {
        format!("{rest}{REWARDS}commands: {{goal: {{func: uniform_position, params: {{{params}}}}}}}")
    };
    for params in ["x: [2, 1]", "x: [1]", "x: 1", "x: [1, .inf]", "x: [a, b]"] {
        says(&command(params), &["`env.commands.goal.params.x`", "[low, high], ascending"]);
    }
    says(
        &format!("{rest}{REWARDS}commands: {{goal: {{func: hold, resampling_time_range: [0, 1]}}}}"),
        &["env.commands.goal.resampling_time_range", "positive"],
    );
    says(
        &format!(
            "{rest}{REWARDS}commands: {{way: {{func: minimum_snap, params: {{waypoints: [[0, 0, 0]]}}}}}}"
        ),
        &["env.commands.way.params", "2 to 64 waypoints"],
    );
}

#[test]
fn a_task_has_an_action_a_policy_and_a_reward() {
    says("{}", &["`env.actions` has 0 terms", "exactly one"]);
    says(
        &format!(
            "actions: {{a: {{func: motor_set_points}}, b: {{func: motor_set_points}}}}\n{REWARDS}{STATE}"
        ),
        &["`env.actions` has 2 terms"],
    );
    says(&format!("{ACTIONS}{REWARDS}"), &["no group `policy`", "`teacher`"]);
    says(
        &format!("{ACTIONS}{REWARDS}observations: {{polcy: {{terms: {{z: {{func: base_pos_z}}}}}}}}"),
        &["no group `policy`", "perhaps polcy"],
    );
    says(&format!("{ACTIONS}{REWARDS}observations: {{policy: {{}}}}"), &["`env.observations.policy.terms`"]);
    says(&format!("{ACTIONS}{STATE}"), &["`env.rewards` has no term"]);
    // A policy finds its group by its width.
    says(
        &format!(
            "{ACTIONS}{REWARDS}observations: {{policy: {{terms: {{a: {{func: root_pos_w}}}}}}, teacher: \
            {{terms: {{b: {{func: base_ang_vel}}}}}}}}"
        ),
        &["`env.observations.teacher`", "3 features", "`policy`"],
    );
}

#[test]
fn events_happen_when_they_can() {
    let rest = format!("{ACTIONS}{REWARDS}{STATE}");
    for (event, parts) in [
        ("{func: wind, mode: interval}", ["`env.events.it.interval_range_s` is missing", "interval"]),
        ("{func: wind, interval_range_s: [1, 2]}", ["`env.events.it.interval_range_s`", "null"]),
        ("{func: reset_root_state_ball, mode: startup}", ["`env.events.it.mode` = \"startup\"", "reset"]),
        (
            "{func: wind, mode: interval, interval_range_s: [0, 2]}",
            ["env.events.it.interval_range_s", "positive"],
        ),
        (
            "{func: randomize_rigid_body_mass, params: {mass_distribution_params: [-1, 1]}}",
            ["`env.events.it.params.mass_distribution_params`", "positive"],
        ),
        (
            "{func: randomize_rigid_body_mass, params: {operation: add, mass_distribution_params: [-1, 1]}}",
            ["`env.events.it.params.mass_distribution_params`", "0.0282 kg"],
        ),
        (
            "{func: randomize_rigid_body_mass, params: {operation: twice}}",
            ["`env.events.it.params.operation` = \"twice\"", "one of scale, add, abs"],
        ),
    ] {
        says(&format!("{rest}events: {{it: {event}}}"), &parts);
    }
}

#[test]
fn numbers_that_no_memory_holds_are_refused() {
    let rest = format!("{ACTIONS}{REWARDS}");
    let observation = |more: &str| {
        format!("{rest}observations: {{policy: {{terms: {{it: {{func: base_pos_z, {more}}}}}}}}}")
    };
    says(
        &observation("history_length: 1000000"),
        &["`env.observations.policy.terms.it.history_length`", "64"],
    );
    says(&observation("delay: 65"), &["`env.observations.policy.terms.it.delay`", "64"]);
    says(&observation("clip: [1, 0]"), &["`env.observations.policy.terms.it.clip`", "ascending"]);
    says(&observation("noise: {std: -1}"), &["`env.observations.policy.terms.it.noise.std`", "at least 0"]);
    let terms: Vec<String> =
        (0..33).map(|index| format!("t{index}: {{func: constant, weight: 1.0}}")).collect();
    let terms = terms.join(", ");
    says(&format!("{ACTIONS}{STATE}rewards: {{{terms}}}"), &["`env.rewards` has 33 entries", "at most 32"]);
    says(&format!("decimation: 4000000000\n{rest}{STATE}"), &["`env.decimation`", "at most 1000"]);
    says(&format!("scene: {{num_envs: 99999999999}}\n{rest}{STATE}"), &["num_envs"]);
    says(&format!("sim: {{dt: .nan}}\n{rest}{STATE}"), &["`env.sim.dt`", "positive"]);
    says(&format!("episode_length_s: -1\n{rest}{STATE}"), &["`env.episode_length_s`", "positive"]);
}

#[test]
fn the_time_limit_is_no_end_of_the_task() {
    let rest = format!("{ACTIONS}{STATE}");
    says(
        &format!("{rest}{REWARDS}terminations: {{time: {{func: time_out}}}}"),
        &["`env.terminations.time.time_out` = false", "true"],
    );
    says(
        &format!(
            "{rest}terminations: {{time: {{func: time_out, time_out: true}}}}\nrewards: {{it: {{func: \
            is_terminated_term, weight: 1.0, params: {{term_keys: time}}}}}}"
        ),
        &["`env.rewards.it.params.term_keys` = \"time\"", "env.terminations"],
    );
}

#[test]
fn the_shipped_file_is_a_task() {
    let shipped = ManagerConfig::shipped();
    shipped.validate().unwrap();
    assert_eq!(shipped.spec().task, ManagerConfig::ID);
}
