//! Curricula change tasks while policies learn, before episodes are reset.

use eyas_env::EnvBlock;

use super::{ACTIONS, STATE, actions, near, observed, started, task};

/// The reward of a step at a time, every episode being reset before it.
fn rewards(curriculum: &str, steps: &[u32]) -> Vec<f32> {
    let yaml = format!(
        "scale_rewards_by_dt: false\n{ACTIONS}{STATE}rewards: {{it: {{func: constant, weight: 2.0}}}}\n\
        curriculum: {{it: {curriculum}}}"
    );
    let mut env = started(&task(&yaml), 32, 1);
    let block = env.blocks()[0].as_mut();
    let mut found = Vec::new();
    for step in 0..=steps[steps.len() - 1] {
        block.reset(1);
        let reward = block.step(&actions(step)).reward[0];
        if steps.contains(&step) {
            found.push(reward);
        }
    }
    found
}

#[test]
fn weights_change_at_once_or_little_by_little() {
    let found = rewards(
        "{func: modify_reward_weight, params: {term_name: it, weight: -1.0, num_steps: 20}}",
        &[0, 19, 20, 50],
    );
    assert_eq!(found, [2.0, 2.0, -1.0, -1.0]);
    let found = rewards(
        "{func: ramp_reward_weight, params: {term_name: it, weight: 6.0, start_steps: 10, num_steps: 30}}",
        &[0, 10, 15, 20, 30, 50],
    );
    assert_eq!(found, [2.0, 2.0, 3.0, 4.0, 6.0, 6.0]);
}

#[test]
fn a_curriculum_waits_for_a_reset() {
    let yaml = format!(
        "scale_rewards_by_dt: false\n{ACTIONS}{STATE}rewards: {{it: {{func: constant, weight: 2.0}}}}\n\
        curriculum: {{it: {{func: modify_reward_weight, params: {{term_name: it, weight: 5.0, num_steps: 3}}}}}}"
    );
    let mut env = started(&task(&yaml), 32, 1);
    let block = env.blocks()[0].as_mut();
    let weights: Vec<f32> = (0..6).map(|step| block.step(&actions(step)).reward[4]).collect();
    assert_eq!(weights, [2.0; 6]);
    block.reset(1);
    assert_eq!(block.step(&actions(6)).reward[4], 5.0, "for all episodes of the block");
}

#[test]
fn events_grow_from_their_centres() {
    let yaml = format!(
        "{ACTIONS}{STATE}rewards: {{it: {{func: constant, weight: 2.0}}}}\n\
        events: {{start: {{func: reset_root_state_uniform, params: {{x: [1, 3]}}}}}}\n\
        curriculum: {{it: {{func: ramp_event_strength, params: {{term_name: start, num_steps: 100}}}}}}"
    );
    let mut env = started(&task(&yaml), 32, 1);
    let block = env.blocks()[0].as_mut();
    let widest =
        |block: &dyn EnvBlock| observed(block, 25).iter().map(|it| (it[0] - 2.0).abs()).fold(0.0, f64::max);
    near(widest(block), 0.0, "at first");
    for step in 0..50 {
        block.step(&actions(step));
    }
    block.reset(u32::MAX);
    assert!((0.4..=0.5).contains(&widest(block)), "half way: {}", widest(block));
    for step in 50..100 {
        block.step(&actions(step));
    }
    block.reset(u32::MAX);
    assert!((0.8..=1.0).contains(&widest(block)), "at the end: {}", widest(block));
}
