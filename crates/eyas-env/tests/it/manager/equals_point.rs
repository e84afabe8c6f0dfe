//! The point task made of terms is the point task, to the bit.

use eyas_env::{EnvBlock, ManagerConfig, PointConfig, RealityConfig, TaskConfig as _};
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_sim::Body;

/// Flies both with the same actions for `steps` control steps and compares all that a learner sees.
fn compare(point: &PointConfig, manager: &ManagerConfig, num_envs: usize, steps: u32) -> [u32; 2] {
    let (mut point, mut manager) = (point.make(num_envs, 7), manager.make(num_envs, 7));
    let (left, right) = (point.spec().clone(), manager.spec().clone());
    assert_eq!(left.groups, right.groups);
    assert_eq!(left.reward_terms, right.reward_terms);
    assert_eq!(left.terminations, right.terminations);
    assert_eq!(left.max_episode_length, right.max_episode_length);
    let shapes = |spec: &eyas_env::EnvSpec| -> Vec<_> {
        spec.parts.iter().map(|it| (it.name, it.width, it.frame, it.unit)).collect()
    };
    assert_eq!(shapes(&left), shapes(&right));
    let width = left.num_observations();
    let actions = Stream::new(3, "actions");
    let (mut terminated, mut truncated) = (0, 0);
    for (point, manager) in point.blocks().iter_mut().zip(manager.blocks()) {
        for block in [point, manager] {
            block.reset(u32::MAX);
            block.set_age(5, 30);
        }
    }
    for step in 0..steps {
        for (point, manager) in point.blocks().iter_mut().zip(manager.blocks()) {
            let [seen, also_seen] = [point.as_ref(), manager.as_ref()].map(|block| observed(block, width));
            assert_eq!(seen, also_seen, "step {step}");
            let action = std::array::from_fn::<Row, 4, _>(|motor| {
                let mut row = Row::ZERO;
                for lane in 0..BLOCK {
                    let env = point.first_env() + lane as u32;
                    // Near the throttle that hovers for most, anything for some.
                    let spread = if lane % 4 == 0 { 1.2 } else { 0.05 };
                    row[lane] = spread * actions.normals([env, 0, step, 0])[motor] - 0.3216;
                }
                row
            });
            if step == 20 {
                let body = Body { position: [f32::NAN; 3], ..Body::at_rest() };
                point.put(3, &body);
                manager.put(3, &body);
            }
            let (left, right) = (point.step(&action), manager.step(&action));
            assert_eq!(bits(&[left.reward]), bits(&[right.reward]), "step {step}");
            assert_eq!([left.terminated, left.truncated], [right.terminated, right.truncated], "step {step}");
            terminated += left.terminated.count_ones();
            truncated += left.truncated.count_ones();
            for lane in 0..BLOCK {
                // Printed, so that a number that is none equals itself.
                let show =
                    |block: &dyn EnvBlock| format!("{:?} {:?}", block.episode(lane), block.telemetry(lane));
                assert_eq!(show(point.as_ref()), show(manager.as_ref()), "step {step}");
            }
            // Some ended episodes wait for a while.
            let resets = point.ended() & if step % 7 == 0 { u32::MAX } else { 0x5555_5555 };
            point.reset(resets);
            manager.reset(resets);
        }
    }
    [terminated, truncated]
}

fn observed(block: &dyn EnvBlock, width: usize) -> Vec<u32> {
    let mut observation = vec![Row::ZERO; width];
    block.observe(&mut observation);
    bits(&observation)
}

fn bits(rows: &[Row]) -> Vec<u32> {
    rows.iter().flat_map(|row| row.0.map(f32::to_bits)).collect()
}

#[test]
fn the_shipped_file_is_the_point_task_to_the_bit() {
    let [terminated, _] = compare(&PointConfig::default(), &ManagerConfig::shipped(), 64, 600);
    assert!(terminated > 100, "{terminated} episodes ended by a condition");
}

#[test]
fn short_episodes_are_cut_in_the_same_step() {
    let point = PointConfig { episode_length_s: 0.6, ..PointConfig::default() };
    let manager = ManagerConfig { episode_length_s: 0.6, ..ManagerConfig::shipped() };
    let [_, truncated] = compare(&point, &manager, 40, 300);
    assert!(truncated > 100, "{truncated} episodes were cut");
}

#[test]
fn in_play_both_start_at_rest_and_never_time_out() {
    let point = PointConfig { train_or_play: false, episode_length_s: 0.6, ..PointConfig::default() };
    let manager = ManagerConfig { train_or_play: false, episode_length_s: 0.6, ..ManagerConfig::shipped() };
    let [_, truncated] = compare(&point, &manager, 32, 200);
    assert_eq!(truncated, 0);
}

#[test]
fn a_vehicle_that_is_not_aligned_and_several_simulation_steps_make_no_difference() {
    let mut point = PointConfig { decimation: 2, ..PointConfig::default() };
    point.robot.inertia[0][1] = 1e-6;
    point.robot.inertia[1][0] = 1e-6;
    let manager = ManagerConfig { decimation: 2, robot: point.robot.clone(), ..ManagerConfig::shipped() };
    let [terminated, _] = compare(&point, &manager, 32, 200);
    assert!(terminated > 20, "{terminated} episodes ended by a condition");
}

#[test]
fn both_fly_in_the_same_reality() {
    let mut reality = RealityConfig { action_delay_steps: [0, 3], ..RealityConfig::default() };
    reality.noise.position_m = [0.01, 0.02];
    reality.observation_delay.velocity_steps = [1, 2];
    reality.drag.linear_x_n_s_m = [0.01, 0.02];
    reality.wind.mean_m_s = [0.0, 2.0];
    reality.battery.hover_endurance_s = [20.0, 60.0];
    reality.rotor_efficiency = [0.9, 1.0];
    reality.payload.mass_kg = [0.0, 0.005];
    reality.payload.offset_x_m = [0.0, 0.01];
    let point = PointConfig { reality: reality.clone(), ..PointConfig::default() };
    point.validate().unwrap();
    let manager = ManagerConfig { reality, ..ManagerConfig::shipped() };
    manager.validate().unwrap();
    let [terminated, _] = compare(&point, &manager, 32, 200);
    assert!(terminated > 20, "{terminated} episodes ended by a condition");
}
