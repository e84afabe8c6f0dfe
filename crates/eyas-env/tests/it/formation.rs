//! The formation task does what its documentation says.

use eyas_env::{
    Cause, EnvBlock, FormationBlock, FormationConfig, MultiAgentBlock, PlacesConfig, Shape, Step, TaskConfig,
};
use eyas_lanes::{BLOCK, Row, Stream};

/// Every vehicle starts at rest in its place, which stays, and no time runs out.
pub(super) fn at_rest() -> FormationConfig {
    FormationConfig {
        prob_null_trajectory: 1.0,
        prob_perfect_start: 1.0,
        init_position_radius: 0.0,
        episode_length_s: 1e6,
        ..FormationConfig::default()
    }
}

/// Rotors that carry the weight at any speed: commands change nothing and nothing moves.
pub(super) fn afloat() -> FormationConfig {
    let mut config = at_rest();
    let lift = 0.25 * config.robot.mass * 9.81;
    config.robot.rotor_thrust_coefficients = [[lift, 0.0, 0.0]; 4];
    config
}

pub(super) fn started(config: &FormationConfig, seed: u64) -> FormationBlock {
    config.validate().unwrap();
    let mut block = config.agents(BLOCK, seed).into_blocks().remove(0);
    block.reset(u32::MAX);
    block
}

/// One control step, in which each vehicle gets the same command for its four motors.
pub(super) fn fly(block: &mut FormationBlock, commands: &[f32]) -> Vec<Step> {
    let rows: Vec<[Row; 4]> = commands.iter().map(|command| [Row::splat(*command); 4]).collect();
    let actions: Vec<&[Row]> = rows.iter().map(|it| &it[..]).collect();
    let mut outcomes = vec![Step::default(); commands.len()];
    block.step(&actions, &mut outcomes);
    outcomes
}

fn observe(block: &FormationBlock, agent: usize) -> Vec<Row> {
    let mut observation = vec![Row::ZERO; block.spec().agents[agent].num_observations()];
    block.observe(agent, &mut observation);
    observation
}

fn offsets(places: &[[f64; 3]]) -> PlacesConfig {
    PlacesConfig { shape: Shape::Offsets, offsets: places.to_vec(), ..PlacesConfig::default() }
}

#[test]
fn places_are_those_of_the_shape() {
    let distance =
        |a: &[f64; 3], b: &[f64; 3]| (0..3).map(|axis| (a[axis] - b[axis]).powi(2)).sum::<f64>().sqrt();
    for count in 2..=8 {
        let polygon = PlacesConfig { spacing: 0.7, ..PlacesConfig::default() }.places(count);
        assert!(polygon[0][0] > 0.0 && polygon[0][1].abs() < 1e-12, "the first flies in front");
        for index in 0..count {
            let apart = distance(&polygon[index], &polygon[(index + 1) % count]);
            assert!((apart - 0.7).abs() < 1e-12, "{count}: {apart}");
        }
        let line = PlacesConfig { shape: Shape::Line, ..PlacesConfig::default() }.places(count);
        assert!(line.windows(2).all(|it| (it[0][1] - it[1][1] - 0.8).abs() < 1e-12), "{line:?}");
        for places in [polygon, line] {
            let centre = [0, 1, 2].map(|axis| places.iter().map(|it| it[axis]).sum::<f64>());
            assert!(distance(&centre, &[0.0; 3]) < 1e-12, "{count}: {centre:?}");
        }
    }
}

/// The command that carries the weight.
fn hover(config: &FormationConfig) -> f32 {
    (2.0 * config.robot.hovering_throttle().unwrap() - 1.0) as f32
}

#[test]
fn a_vehicle_that_falls_ends_alone_and_lies_still_until_all_have_ended() {
    let config = at_rest();
    let hover = hover(&config);
    let mut block = started(&config, 0);
    let falls = |block: &mut FormationBlock, commands: [f32; 3], agent: usize| {
        (0..200).find_map(|_| {
            let outcomes = fly(block, &commands);
            (outcomes[agent].terminated != 0).then_some(outcomes)
        })
    };
    let outcomes = falls(&mut block, [-1.0, hover, hover], 0).expect("it falls at more than 4 m/s");
    assert_eq!([0, 1, 2].map(|it| outcomes[it].terminated), [u32::MAX, 0, 0]);
    assert!(outcomes[0].reward[3] < -90.0 && outcomes[1].reward[3] > 0.0, "{outcomes:?}");
    assert_eq!([0, 1, 2].map(|it| block.fallen(it)), [u32::MAX, 0, 0]);
    assert_eq!((block.ended(), block.episode(3).cause.bits), (0, 0), "the episode goes on");

    let before = (block.telemetry(3, 0), observe(&block, 0)[12][3]);
    let outcomes = fly(&mut block, &[1.0, hover, hover]);
    assert_eq!((outcomes[0].reward, outcomes[0].terminated), (Row::ZERO, u32::MAX), "its flag stays");
    assert!(outcomes[1].reward[3] > 0.0);
    assert_eq!((block.telemetry(3, 0), observe(&block, 0)[12][3]), before);
    // To the others it lies still: a level vehicle sees its own velocity the other way round.
    let (seen, own) = (observe(&block, 1), block.telemetry(3, 1).velocity);
    for axis in 0..3 {
        assert!((seen[28 + axis][3] + own[axis]).abs() < 1e-6, "{own:?}");
    }

    falls(&mut block, [0.0, -1.0, hover], 1).unwrap();
    let outcomes = falls(&mut block, [0.0, 0.0, -1.0], 2).unwrap();
    assert!(outcomes.iter().all(|it| it.terminated == u32::MAX), "{outcomes:?}");
    assert_eq!((block.ended(), block.episode(3).cause), (u32::MAX, Cause { bits: 1 << 1 }));
    let outcomes = fly(&mut block, &[0.0; 3]);
    assert!(outcomes.iter().all(|it| *it == Step::default()), "{outcomes:?}");
    block.reset(1 << 4);
    assert_eq!([0, 1, 2].map(|it| block.fallen(it) >> 4 & 1), [0, 0, 0]);
}

#[test]
fn time_runs_out_for_all_at_once_even_for_the_fallen() {
    let config = FormationConfig { episode_length_s: 1.0, ..at_rest() };
    let hover = hover(&config);
    let mut block = started(&config, 0);
    let outcomes: Vec<Vec<Step>> = (0..99).map(|_| fly(&mut block, &[-1.0, hover, hover])).collect();
    assert!(outcomes[..98].iter().flatten().all(|it| it.truncated == 0));
    let last = &outcomes[98];
    assert_eq!([0, 1, 2].map(|it| last[it].truncated), [u32::MAX; 3]);
    assert_eq!([0, 1, 2].map(|it| last[it].terminated), [u32::MAX, 0, 0]);
    assert_eq!((block.ended(), block.episode(0).cause), (u32::MAX, Cause { bits: Cause::TIME_OUT }));
    assert_eq!(block.episode(0).length, 99);
}

/// The first falls on the second; the third is far away.
#[test]
fn a_collision_ends_both_and_all_if_asked_for() {
    let mut config = FormationConfig {
        formation: offsets(&[[0.0, 0.0, 0.5], [0.0, 0.0, 0.0], [3.0, 0.0, 0.0]]),
        ..at_rest()
    };
    let collision = 1 << 6;
    let hover = hover(&config);
    for end_on_collision in [false, true] {
        config.end_on_collision = end_on_collision;
        let mut block = started(&config, 0);
        let mut nearness = Vec::new();
        let (outcomes, apart) = (0..100)
            .find_map(|_| {
                let outcomes = fly(&mut block, &[-1.0, hover, hover]);
                let [a, b] = [0, 1].map(|it| block.telemetry(9, it).position[2]);
                nearness.push((a - b, outcomes[1].reward[9]));
                (outcomes[0].terminated != 0).then_some((outcomes, a - b))
            })
            .unwrap();
        assert!(apart < 0.15 && apart > 0.1, "{apart} m");
        let third = if end_on_collision { u32::MAX } else { 0 };
        assert_eq!([0, 1, 2].map(|it| outcomes[it].terminated), [u32::MAX, u32::MAX, third]);
        let penalties = [0, 1, 2].map(|it| outcomes[it].reward[9] < -90.0);
        assert_eq!(penalties, [true, true, false], "who was not there is not to blame");
        assert_eq!(block.ended(), third);
        if end_on_collision {
            assert_eq!(block.episode(9).cause, Cause { bits: collision });
        } else {
            let outcomes = fly(&mut block, &[-1.0, hover, hover]);
            assert!(outcomes[2].reward[9] > 0.0);
            // The third alone is left, and what it falls past is no obstacle.
            (0..200).find(|_| fly(&mut block, &[0.0, 0.0, -1.0])[2].terminated != 0).unwrap();
            assert_eq!(block.episode(9).cause, Cause { bits: collision | 1 << 1 });
        }
        // Nearer than 0.4 m costs up to 1 a step; beyond, nothing but the way to the own place.
        let cost = |from: f32, to: f32| {
            let inside = nearness.iter().filter(|(apart, _)| (from..to).contains(apart));
            inside.map(|(_, reward)| *reward).fold(f32::NEG_INFINITY, f32::max)
        };
        assert!(cost(0.15, 0.2) < cost(0.4, 0.5) - 0.5, "{nearness:?}");
    }
}

#[test]
fn starts_lie_in_their_documented_ranges() {
    let config = FormationConfig::default();
    let places = config.formation.places(3);
    let (mut rest, mut moving) = (0, 0);
    let mut env = config.agents(4096, 11);
    for block in env.blocks() {
        block.reset(u32::MAX);
        for lane in 0..BLOCK {
            let mut resting = 0;
            for (agent, place) in places.iter().enumerate() {
                let it = block.telemetry(lane, agent);
                let norm = |v: [f32; 3]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
                let offset = [0, 1, 2].map(|axis| it.position[axis] - place[axis] as f32);
                assert!(norm(offset) <= 0.200_1 && norm(it.velocity) <= 0.500_1, "{it:?}");
                let [_, x, y, _] = it.orientation;
                // Roll and pitch of 0.5 rad each at most.
                assert!(1.0 - 2.0 * (x * x + y * y) >= 0.5_f32.cos().powi(2) - 1e-5, "{it:?}");
                resting += u32::from(norm(it.velocity) == 0.0);
            }
            assert!(resting == 0 || resting == 3, "all of an env or none");
            rest += u32::from(resting == 3);
            moving += u32::from(block.telemetry(lane, 0).is_moving_target);
        }
    }
    // Five standard deviations of binomial counts with shares 0.1 and 0.5.
    assert!((rest as f32 - 409.6).abs() < 96.0, "{rest} of 4096 start at rest");
    assert!((moving as f32 - 2048.0).abs() < 160.0, "{moving} of 4096 centres move");
}

#[test]
fn a_reset_leaves_other_envs_untouched_and_neighbours_change_nothing() {
    let mut block = started(&FormationConfig::default(), 5);
    (0..3).for_each(|_| drop(fly(&mut block, &[-0.3; 3])));
    let all = |block: &FormationBlock| (0..3).flat_map(|agent| observe(block, agent)).collect::<Vec<_>>();
    let before = all(&block);
    block.reset(1 << 7);
    let after = all(&block);
    for (before, after) in before.iter().zip(&after) {
        for lane in (0..BLOCK).filter(|lane| *lane != 7) {
            assert_eq!(before[lane].to_bits(), after[lane].to_bits());
        }
    }
    assert!(before.iter().zip(&after).any(|(before, after)| before[7].to_bits() != after[7].to_bits()));

    let second = |num_envs: usize| {
        let mut block = FormationConfig::default().agents(num_envs, 9).into_blocks().remove(1);
        block.reset(u32::MAX);
        (0..50).for_each(|_| drop(fly(&mut block, &[-0.3; 3])));
        all(&block)
    };
    assert_eq!(second(64), second(1000));
}

/// Whatever has happened to a block, its saved state makes another one fly on like it, to the bit.
#[test]
fn a_saved_state_is_all_that_a_block_goes_on_from() {
    let config = FormationConfig { episode_length_s: 0.6, ..FormationConfig::default() };
    let commands = Stream::new(9, "commands");
    let step = |block: &mut dyn EnvBlock, step: u32| {
        let draws = [0, 1, 2].map(|draw| commands.normals([step, 0, 0, draw]));
        let action: Vec<Row> = draws.iter().flatten().map(|it| Row::splat(0.9 * it)).collect();
        let outcome = block.step(&action);
        // Some ended episodes wait for a while.
        block.reset((outcome.terminated | outcome.truncated) & 0x5555_5555);
        let mut seen = vec![Row::ZERO; 114];
        block.observe(&mut seen);
        (outcome, seen)
    };
    let (mut env, mut other) = (config.make(BLOCK, 3), config.make(BLOCK, 3));
    let block = env.blocks()[0].as_mut();
    block.reset(u32::MAX);
    block.set_age(7, 20);
    (0..83).for_each(|it| drop(step(block, it)));
    let mut state = Vec::new();
    block.visit_state(&mut |word| state.push(*word));
    assert_ne!(block.ended(), 0, "an ended episode is part of what is saved");
    let partly = block.fallen(0) ^ block.fallen(1) | block.fallen(0) ^ block.fallen(2);
    assert_ne!(partly, 0, "so is an episode that goes on without some of its vehicles");

    let other = other.blocks()[0].as_mut();
    let mut words = state.iter();
    other.visit_state(&mut |word| *word = *words.next().unwrap());
    assert_eq!(words.len(), 0);
    for it in 83..170 {
        assert_eq!(step(block, it), step(other, it), "step {it}");
    }
    for lane in 0..BLOCK {
        assert_eq!(block.episode(lane), other.episode(lane));
        for vehicle in 0..3 {
            assert_eq!(block.vehicle_telemetry(lane, vehicle), other.vehicle_telemetry(lane, vehicle));
        }
    }
}

#[test]
fn bad_settings_are_refused_by_name() {
    let refused = |change: fn(&mut FormationConfig), expected: &[&str]| {
        let mut config = FormationConfig::default();
        change(&mut config);
        let message = config.validate().expect_err(expected[0]);
        assert!(expected.iter().all(|it| message.contains(it)), "{message}");
    };
    refused(|it| it.num_agents = 1, &["env.num_agents", "at least 2"]);
    refused(|it| it.num_agents = 9, &["env.num_agents", "at most 8"]);
    refused(|it| it.formation.shape = Shape::Offsets, &["env.formation.offsets", "expected 3"]);
    refused(|it| it.formation.spacing = 0.5, &["env.init_position_radius", "0.5 m"]);
    refused(|it| it.state_space = 59, &["env.state_space", "60"]);
    refused(
        |it| (it.state_space, it.state_as_observation) = (0, true),
        &["env.state_as_observation", "env.state_space"],
    );
    refused(|it| it.downwash.drag_area = -1.0, &["env.downwash.drag_area"]);
    let own = FormationConfig { state_space: 60, state_as_observation: true, ..FormationConfig::default() };
    own.validate().unwrap();
    assert_eq!(own.spec().group("policy").unwrap().features.len(), 60);
    assert_eq!(own.spec().num_observations(), 60 + 12);
}
