//! Noise, limits, scale, delay and history, in this order.

use super::{ACTIONS, REWARDS, actions, near, observed, started, task};

fn file(term: &str) -> String {
    format!(
        "{ACTIONS}{REWARDS}observations: {{policy: {{terms: {{z: {{func: base_pos_z}}, it: {term}}}}}}}\n"
    )
}

#[test]
fn limits_come_before_the_scale_and_after_the_noise() {
    let term = "{func: base_pos_z, noise: {func: constant, mean: 5.0}, clip: [0, 2], scale: 10}";
    let mut env = started(&task(&file(term)), 32, 1);
    let block = env.blocks()[0].as_mut();
    assert_eq!(observed(block, 2)[7], [0.0, 20.0]);
    let term =
        "{func: base_pos_z, noise: {func: constant, operation: abs, mean: -0.5}, clip: [-1, 2], scale: 3}";
    let mut env = started(&task(&file(term)), 32, 1);
    assert_eq!(observed(env.blocks()[0].as_ref(), 2)[7], [0.0, -1.5]);
    // Play is not corrupted, nor is a group that says so.
    for more in ["train_or_play: false\n", ""] {
        let yaml = file(term).replace("{policy: {", "{policy: {enable_corruption: false, ");
        let yaml = if more.is_empty() { yaml } else { file(term) + more };
        assert_eq!(observed(started(&task(&yaml), 32, 1).blocks()[0].as_ref(), 2)[7], [0.0, 0.0]);
    }
}

#[test]
fn noise_has_the_moments_that_the_file_says() {
    for (noise, mean, std, limits) in [
        ("{func: gaussian, mean: 1.0, std: 0.2}", 1.0, 0.2, 5.0),
        ("{func: uniform, n_min: -1.0, n_max: 3.0}", 1.0, 4.0 / 12.0_f64.sqrt(), 2.0),
    ] {
        let yaml = file(&format!("{{func: root_quat_w, noise: {noise}}}"));
        let mut env = started(&task(&yaml), 2048, 1);
        let mut values = Vec::new();
        for block in env.blocks() {
            for seen in observed(block.as_ref(), 5) {
                // At rest: w = 1, x = y = z = 0.
                values.extend([seen[1] - 1.0, seen[2], seen[3], seen[4]]);
            }
        }
        let count = values.len() as f64;
        let found = values.iter().sum::<f64>() / count;
        let deviation = (values.iter().map(|it| (it - found).powi(2)).sum::<f64>() / count).sqrt();
        // Five standard errors.
        assert!((found - mean).abs() < 5.0 * std / count.sqrt(), "{noise}: mean {found}");
        assert!((deviation - std).abs() < 5.0 * std / (2.0 * count).sqrt(), "{noise}: deviation {deviation}");
        assert!(values.iter().all(|it| (it - mean).abs() <= limits * std.max(1.0)), "{noise}");
    }
}

#[test]
fn noise_is_drawn_anew_in_each_step_and_the_same_when_asked_twice() {
    let term = "{func: base_pos_z, noise: {func: gaussian, std: 1.0}}";
    let mut env = started(&task(&file(term)), 32, 1);
    let block = env.blocks()[0].as_mut();
    let first = observed(block, 2);
    assert_eq!(first, observed(block, 2));
    block.step(&actions(0));
    let next = observed(block, 2);
    assert!((0..32).all(|lane| first[lane][1] != next[lane][1]));
}

#[test]
fn delay_and_history_show_earlier_values_the_oldest_first() {
    let term = "{func: base_pos_z, scale: 2.0, delay: 2, history_length: 3}";
    let mut env = started(&task(&file(term)), 32, 1);
    let spec = env.spec().clone();
    assert_eq!(spec.features_of("it"), Some(1..4));
    let block = env.blocks()[0].as_mut();
    let mut heights = vec![observed(block, 4)[9][0]];
    for step in 0..12 {
        let seen = &observed(block, 4)[9];
        let at = |steps_ago: usize| heights[heights.len().saturating_sub(1 + steps_ago)];
        for (place, steps_ago) in [4, 3, 2].into_iter().enumerate() {
            // Before the first value, the first.
            near(seen[1 + place], 2.0 * at(steps_ago), &format!("step {step}, {steps_ago} steps ago"));
        }
        block.step(&actions(step));
        heights.push(observed(block, 4)[9][0]);
    }
    // A reset fills the history with the new episode's first value, in that lane alone.
    let others = observed(block, 4);
    block.reset(1 << 9);
    assert_eq!(observed(block, 4)[9], [0.0; 4]);
    assert_eq!(observed(block, 4)[8], others[8]);
}

#[test]
fn an_ended_episode_keeps_its_history() {
    let yaml = file("{func: base_pos_z, history_length: 4}")
        + "terminations: {low: {func: root_height_below_minimum, params: {minimum_height: -0.02}}}\n";
    let mut env = started(&task(&yaml), 32, 1);
    let block = env.blocks()[0].as_mut();
    let low = [eyas_lanes::Row::splat(-1.0); 4];
    let ends = (0..30).find(|_| block.step(&low).terminated & 1 == 1);
    assert!(ends.is_some());
    let last = observed(block, 5);
    for _ in 0..5 {
        block.step(&low);
    }
    assert_eq!(observed(block, 5)[0], last[0]);
}
