//! Isaac Lab's quadcopter task does what its documentation says.

use eyas_env::{Cause, DirectConfig, EnvBlock, HeightConfig, TaskConfig as _, VecEnv};
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_sim::{Body, CourseConfig, CourseKind};

fn started(config: &DirectConfig, num_envs: usize, seed: u64) -> Box<dyn VecEnv> {
    let mut env = config.make(num_envs, seed);
    for block in env.blocks() {
        block.reset(u32::MAX);
    }
    env
}

fn observe(block: &dyn EnvBlock) -> Vec<Row> {
    let mut observation = vec![Row::ZERO; 12];
    block.observe(&mut observation);
    observation
}

type V3 = [f64; 3];

fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// The task written from Isaac Lab's formulas with matrices, one env at a time, and integrated in steps so small that
/// their order does not matter.
#[derive(Clone, Copy)]
struct Twin {
    position: V3,
    velocity: V3,
    /// From body to world, row by row.
    rotation: [V3; 3],
    rate: V3,
    /// Above the ground.
    goal: V3,
}

const MASS: f64 = 0.0282;
const INERTIA: V3 = [2.448_64e-5, 2.448_64e-5, 3.615_04e-5];
const SUBSTEPS: u32 = 2000;

impl Twin {
    fn in_body(&self, v: V3) -> V3 {
        [0, 1, 2].map(|axis| (0..3).map(|row| self.rotation[row][axis] * v[row]).sum())
    }

    fn observe(&self) -> [f64; 12] {
        let to_goal = [0, 1, 2].map(|axis| self.goal[axis] - self.position[axis]);
        let parts =
            [self.in_body(self.velocity), self.rate, self.in_body([0.0, 0.0, -1.0]), self.in_body(to_goal)];
        std::array::from_fn(|feature| parts[feature / 3][feature % 3])
    }

    /// Reward and whether it died.
    fn step(&mut self, action: [f64; 4]) -> (f64, bool) {
        let [thrust, x, y, z] = action.map(|it| it.clamp(-1.0, 1.0));
        let lift = 1.9 * MASS * 9.81 * (thrust + 1.0) / 2.0;
        let moment = [0.01 * x, 0.01 * y, 0.01 * z];
        let dt = 0.02 / f64::from(SUBSTEPS);
        for _ in 0..SUBSTEPS {
            // The midpoint rule, for what turns; the rest follows.
            let spin = |rate: V3| {
                let momentum = [0, 1, 2].map(|axis| INERTIA[axis] * rate[axis]);
                let gyroscopic = cross(rate, momentum);
                [0, 1, 2].map(|axis| (moment[axis] - gyroscopic[axis]) / INERTIA[axis])
            };
            let first = spin(self.rate);
            let middle = [0, 1, 2].map(|axis| self.rate[axis] + 0.5 * dt * first[axis]);
            let second = spin(middle);
            let turned = self.rotation.map(|row| {
                let change = cross(row, middle);
                [0, 1, 2].map(|column| row[column] + 0.5 * dt * change[column])
            });
            for row in 0..3 {
                let pull = if row == 2 { -9.81 } else { 0.0 };
                let acceleration = lift / MASS * turned[row][2] + pull;
                self.position[row] += dt * (self.velocity[row] + 0.5 * dt * acceleration);
                self.velocity[row] += dt * acceleration;
                let change = cross(turned[row], middle);
                for column in 0..3 {
                    self.rotation[row][column] += dt * change[column];
                }
                self.rate[row] += dt * second[row];
            }
        }
        let square = |v: V3| v.iter().map(|it| it * it).sum::<f64>();
        let distance = square([0, 1, 2].map(|axis| self.goal[axis] - self.position[axis])).sqrt();
        let nearness = 1.0 - (distance / 0.8).tanh();
        let reward = -0.05 * square(self.velocity) - 0.01 * square(self.rate) + 15.0 * nearness;
        (0.02 * reward, self.position[2] < 0.1 || self.position[2] > 2.0)
    }
}

#[test]
fn a_flight_is_that_of_the_written_formulas() {
    let mut env = started(&DirectConfig::default(), BLOCK, 3);
    let block = &mut env.blocks()[0];
    let mut twins: Vec<Twin> = (0..BLOCK)
        .map(|lane| {
            let goal = block.telemetry(lane).desired_position.map(f64::from);
            Twin {
                position: [0.0, 0.0, 0.5],
                velocity: [0.0; 3],
                rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
                rate: [0.0; 3],
                goal: [goal[0], goal[1], goal[2] + 0.5],
            }
        })
        .collect();
    let commands = Stream::new(8, "commands");
    let mut deaths = [0, 0];
    for step in 0..60 {
        let mut action = [Row::ZERO; 4];
        let live = !block.ended();
        for lane in 0..BLOCK {
            let noise = commands.normals([lane as u32, step, 0, 0]);
            let lift = commands.normals([lane as u32, 0, 1, 0])[0];
            // Each lane rises or falls; moments keep away from long turns, thrust leaves [-1, 1] now and then.
            action[0][lane] = 0.05 + 0.5 * noise[0] + 0.6 * lift;
            (1..4).for_each(|axis| action[axis][lane] = 0.05 * noise[axis]);
        }
        let seen = observe(block.as_ref());
        let outcome = block.step(&action);
        for lane in (0..BLOCK).filter(|lane| live >> lane & 1 == 1) {
            for (feature, expected) in twins[lane].observe().into_iter().enumerate() {
                let found = f64::from(seen[feature][lane]);
                let close = (found - expected).abs() < 2e-4 * expected.abs().max(1.0);
                assert!(close, "step {step}, lane {lane}, feature {feature}: {found} against {expected}");
            }
            let (reward, died) = twins[lane].step(action.map(|row| f64::from(row[lane])));
            let found = f64::from(outcome.reward[lane]);
            assert!((found - reward).abs() < 1e-4, "step {step}, lane {lane}: {found} against {reward}");
            assert_eq!(outcome.terminated >> lane & 1 == 1, died, "step {step}, lane {lane}");
            if died {
                deaths[usize::from(twins[lane].position[2] > 1.0)] += 1;
                assert_eq!(block.episode(lane).cause, Cause { bits: 1 });
            }
        }
    }
    assert!(deaths[0] > 0 && deaths[1] > 0, "{deaths:?} hit the ground and flew off");
}

#[test]
fn the_sums_of_an_episode_are_those_of_its_rewards_and_its_distance_the_last_one() {
    let mut env = started(&DirectConfig::default(), BLOCK, 5);
    let block = &mut env.blocks()[0];
    let mut sum = 0.0;
    while block.ended() & 1 == 0 {
        sum += block.step(&[Row::splat(0.3), Row::splat(0.01), Row::ZERO, Row::ZERO]).reward[0];
    }
    let (episode, last) = (block.episode(0), block.telemetry(0));
    assert!((episode.episode_return - sum).abs() < 1e-4);
    assert!(episode.terms[0] < 0.0 && episode.terms[1] < 0.0 && episode.terms[2] > 0.0);
    let axes = last.position.iter().zip(last.desired_position);
    let distance = axes.map(|(at, to)| (at - to).powi(2)).sum::<f32>().sqrt();
    assert!((episode.final_distance - distance).abs() < 1e-6 && distance > 0.0);
}

#[test]
fn starts_are_at_rest_and_goals_lie_evenly_in_their_documented_ranges() {
    let mut env = started(&DirectConfig::default(), 8192, 11);
    let mut quarters = [[0_u32; 4]; 3];
    let mut goals = Vec::new();
    for block in env.blocks() {
        for lane in 0..BLOCK {
            let it = block.telemetry(lane);
            assert_eq!((it.position, it.velocity), ([0.0; 3], [0.0; 3]));
            assert_eq!(it.orientation, [1.0, 0.0, 0.0, 0.0]);
            // Relative to a spawn point half a metre above the ground.
            let [x, y, z] = it.desired_position;
            let shares = [(x + 2.0) / 4.0, (y + 2.0) / 4.0, z];
            for (count, share) in quarters.iter_mut().zip(shares) {
                assert!((0.0..1.0).contains(&share), "{shares:?}");
                count[(4.0 * share) as usize] += 1;
            }
            goals.push(it.desired_position.map(f32::to_bits));
        }
    }
    // Five standard deviations of a binomial count of share 1/4.
    for count in quarters.iter().flatten() {
        assert!((f64::from(*count) - 2048.0).abs() < 196.0, "{quarters:?}");
    }
    goals.sort_unstable();
    goals.dedup();
    assert_eq!(goals.len(), 8192);
}

#[test]
fn time_runs_out_one_step_before_the_length_and_is_no_termination() {
    let config = DirectConfig { episode_length_s: 0.1, ..DirectConfig::default() };
    let mut env = started(&config, 1, 3);
    assert_eq!(env.spec().max_episode_length, 5);
    let block = &mut env.blocks()[0];
    let hover = [Row::splat(0.05), Row::ZERO, Row::ZERO, Row::ZERO];
    let truncated: Vec<u32> = (0..6).map(|_| block.step(&hover).truncated & 1).collect();
    assert_eq!(truncated, [0, 0, 0, 1, 0, 0]);
    assert_eq!(block.episode(0).cause, Cause { bits: Cause::TIME_OUT });
}

#[test]
fn a_number_that_is_not_finite_ends_an_episode() {
    let mut env = started(&DirectConfig::default(), BLOCK, 3);
    let block = &mut env.blocks()[0];
    let body = Body { velocity: [f32::INFINITY, 0.0, 0.0], ..Body::at_rest() };
    block.put(4, &body);
    let outcome = block.step(&[Row::ZERO; 4]);
    assert_eq!(outcome.terminated, 1 << 4);
    assert!(outcome.reward.0.iter().all(|it| it.is_finite()));
    assert!(observe(block.as_ref()).iter().all(|row| row.0.iter().all(|it| it.is_finite())));
}

#[test]
fn mirrored_actions_fly_mirrored_flights() {
    let config = DirectConfig {
        course: CourseConfig { kind: Some(CourseKind::Step), ..CourseConfig::default() },
        ..DirectConfig::default()
    };
    let commands = Stream::new(4, "commands");
    let spec = config.spec();
    assert_eq!(spec.symmetries.len(), 3);
    for symmetry in &spec.symmetries {
        let (mut plain, mut mirrored) = (started(&config, 1, 0), started(&config, 1, 0));
        // Before the step both see a goal at the spawn point, so that only the vehicles differ.
        for step in 0..40 {
            let noise = commands.normals([step, 0, 0, 0]);
            let sizes = [0.1, 0.05, 0.05, 0.05];
            let action: Vec<Row> = noise.iter().zip(sizes).map(|(it, size)| Row::splat(size * it)).collect();
            let other: Vec<Row> =
                symmetry.action.iter().map(|(source, sign)| Row::splat(sign * action[*source][0])).collect();
            let left = plain.blocks()[0].step(&action);
            let right = mirrored.blocks()[0].step(&other);
            assert!((left.reward[0] - right.reward[0]).abs() < 1e-4, "step {step}");
            let (left, right) = (observe(plain.blocks()[0].as_ref()), observe(mirrored.blocks()[0].as_ref()));
            for (feature, (source, sign)) in symmetry.observation.iter().enumerate() {
                let (expected, found) = (sign * left[*source][0], right[feature][0]);
                assert!((expected - found).abs() < 1e-4, "step {step}, {feature}: {found}, {expected}");
            }
        }
    }
}

#[test]
fn a_goal_on_a_course_starts_at_the_spawn_point_and_is_where_the_course_is() {
    let course = CourseConfig { kind: Some(CourseKind::Circle), rest_s: 0.0, ..CourseConfig::default() };
    let config = DirectConfig { course: course.clone(), ..DirectConfig::default() };
    let mut env = started(&config, 1, 3);
    let block = &mut env.blocks()[0];
    assert_eq!(block.telemetry(0).desired_position, [0.0; 3]);
    let hover = [Row::splat(2.0 / 1.9 - 1.0), Row::ZERO, Row::ZERO, Row::ZERO];
    for _ in 0..100 {
        block.step(&hover);
    }
    let (it, path) = (block.telemetry(0), eyas_sim::Course::new(&course).unwrap().unwrap());
    let (position, velocity) = path.at(2.0);
    assert_eq!(
        (it.desired_position, it.desired_velocity),
        (position.map(|x| x as f32), velocity.map(|x| x as f32))
    );
    assert!(it.is_moving_target && it.desired_position != [0.0; 3]);
}

/// Whatever has happened to a block, its saved state makes another one fly on like it, to the bit.
#[test]
fn a_saved_state_is_all_that_a_block_goes_on_from() {
    let config = DirectConfig { episode_length_s: 0.8, ..DirectConfig::default() };
    let commands = Stream::new(9, "commands");
    let fly = |block: &mut dyn EnvBlock, step: u32| {
        let action = commands.normals([step, 0, 0, 0]).map(|it| Row::splat(0.3 * it));
        let outcome = block.step(&action);
        // Some ended episodes wait for a while.
        block.reset((outcome.terminated | outcome.truncated) & 0x5555_5555);
        outcome
    };
    let mut env = started(&config, BLOCK, 3);
    let block = env.blocks()[0].as_mut();
    block.set_age(7, 20);
    for step in 0..70 {
        fly(block, step);
    }
    let mut state = Vec::new();
    block.visit_state(&mut |word| state.push(*word));
    assert_ne!(block.ended(), 0, "an ended episode is part of what is saved");

    let mut other = started(&config, BLOCK, 3);
    let other = other.blocks()[0].as_mut();
    let mut words = state.iter();
    other.visit_state(&mut |word| *word = *words.next().unwrap());
    assert_eq!(words.len(), 0);
    for step in 70..140 {
        assert_eq!(fly(block, step), fly(other, step), "step {step}");
        assert_eq!(observe(block), observe(other), "step {step}");
    }
    for lane in 0..BLOCK {
        assert_eq!(block.episode(lane), other.episode(lane));
        assert_eq!(block.telemetry(lane), other.telemetry(lane));
    }
}

#[test]
fn an_env_flies_alike_whatever_its_number_of_neighbours() {
    let fly = |num_envs: usize| -> Vec<u32> {
        let mut env = started(&DirectConfig::default(), num_envs, 9);
        let block = &mut env.blocks()[1];
        (0..100)
            .flat_map(|_| {
                let outcome = block.step(&[Row::splat(-0.3); 4]);
                block.reset(outcome.terminated | outcome.truncated);
                observe(block.as_ref()).iter().map(|row| row[3].to_bits()).collect::<Vec<_>>()
            })
            .collect()
    };
    assert_eq!(fly(64), fly(1000));
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    type Change = fn(&mut DirectConfig);
    let refused = |change: Change| {
        let mut config = DirectConfig::default();
        change(&mut config);
        config.validate().unwrap_err()
    };
    let cases: [(Change, &str); 6] = [
        (|it| it.thrust_to_weight = 0.0, "env.thrust_to_weight"),
        (|it| it.moment_scale = f64::NAN, "env.moment_scale"),
        (|it| it.goal.pos_x = [1.0, 0.0], "env.goal.pos_x"),
        (|it| it.height = HeightConfig { minimum: 0.6, maximum: 2.0 }, "height.minimum"),
        (|it| it.lin_vel_reward_scale = f64::INFINITY, "env.lin_vel_reward_scale"),
        (|it| it.decimation = 0, "env.decimation"),
    ];
    for (change, name) in cases {
        let message = refused(change);
        assert!(message.contains(name), "{message}");
    }
}
