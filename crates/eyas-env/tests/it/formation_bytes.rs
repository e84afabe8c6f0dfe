//! Formations fly to the bit as they always have, on every instruction set.

use eyas_env::{
    DownwashConfig, FormationConfig, MultiAgentBlock, Perturbation, PlacesConfig, Shape, Step, Telemetry,
};
use eyas_lanes::{BLOCK, Isa, Row, Stream, force_isa};
use eyas_sim::{Body, CourseConfig, CourseKind};

/// FNV-1a over words.
struct Hash(u64);

impl Hash {
    fn word(&mut self, word: u32) {
        self.0 = (self.0 ^ u64::from(word)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn rows(&mut self, rows: &[Row]) {
        rows.iter().flat_map(|row| row.0).for_each(|value| self.word(value.to_bits()));
    }

    fn telemetry(&mut self, it: &Telemetry) {
        let shown = [it.position, it.velocity, it.angular_velocity, it.desired_position, it.desired_velocity];
        shown.iter().flatten().chain(&it.orientation).for_each(|value| self.word(value.to_bits()));
        self.word(u32::from(it.is_moving_target));
    }
}

/// What all that can be seen of a flight with resets comes to, and why episodes ended.
fn flown(config: &FormationConfig, steps: u32) -> (u64, u32) {
    let count = config.num_agents;
    let mut env = config.agents(2 * BLOCK, 23);
    let (mut hash, mut causes) = (Hash(0xcbf2_9ce4_8422_2325), 0);
    let mut observation = vec![Row::ZERO; env.spec().agents[0].num_observations()];
    let mut state = vec![Row::ZERO; 18 * count + 6];
    let mut outcomes = vec![Step::default(); count];
    let commands = Stream::new(4, "commands");
    let block = &mut env.blocks()[1];
    for step in 0..steps {
        // Resets that come late are as frequent as those at once.
        let waits = if step % 7 == 0 { 0x1234_5678 } else { 0 };
        block.reset(block.ended() & !waits);
        if step == steps / 4 {
            block.set_age(3, 40);
            let position = [0.1, -0.2, 0.3];
            block.put(5, &Body { position, ..Body::at_rest() });
            block.set_next_episode(6, 77);
        }
        if step == steps / 2 {
            let mut push = Perturbation::default();
            push.force_world[0] = Row::splat(0.02);
            push.force_world[2] = Row::splat(-0.01);
            push.mass_factor[7] = 1.2;
            push.rotor_efficiency[2][8] = 0.7;
            block.perturb(push);
        }
        for agent in 0..count {
            block.observe(agent, &mut observation);
            hash.rows(&observation);
            block.observe_privileged(agent, &mut observation[..4]);
            hash.rows(&observation[..4]);
        }
        block.observe_state(&mut state);
        hash.rows(&state);
        let mut actions = vec![[Row::ZERO; 4]; count];
        for (agent, rows) in actions.iter_mut().enumerate() {
            for lane in 0..BLOCK {
                let noise = commands.normals([lane as u32, agent as u32, step, 0]);
                for (row, noise) in rows.iter_mut().zip(noise) {
                    row[lane] = 0.25 * noise + 0.02 * lane as f32 - 0.3;
                }
            }
        }
        let slices: Vec<&[Row]> = actions.iter().map(|it| &it[..]).collect();
        block.step(&slices, &mut outcomes);
        for (agent, Step { reward, terminated, truncated }) in outcomes.iter().enumerate() {
            hash.rows(&[*reward]);
            for word in [*terminated, *truncated, block.fallen(agent), block.ended()] {
                hash.word(word);
            }
            hash.telemetry(&block.telemetry(step as usize % BLOCK, agent));
        }
        let ended = block.episode(step as usize % BLOCK);
        let numbers = [ended.episode_return, ended.final_speed, ended.final_distance];
        numbers.iter().chain(&ended.terms).for_each(|value| hash.word(value.to_bits()));
        for word in [ended.length, ended.cause.bits, ended.env] {
            hash.word(word);
        }
        causes |= ended.cause.bits;
        block.visit_state(&mut |word| hash.word(*word));
    }
    (hash.0, causes)
}

/// So many vehicles, crowded and on three floors.
fn crowd(num_agents: usize) -> FormationConfig {
    let place = |it: usize| [0.25 * (it % 2) as f64, 0.3 * (it / 2) as f64, 0.2 * (it % 3) as f64];
    let offsets = (0..num_agents).map(place).collect();
    FormationConfig {
        num_agents,
        state_space: 18 * num_agents as i32 + 6,
        formation: PlacesConfig { shape: Shape::Offsets, offsets, ..PlacesConfig::default() },
        init_position_radius: 0.05,
        collision_distance: 0.2,
        episode_length_s: 0.6,
        ..FormationConfig::default()
    }
}

fn flies_as_ever(config: &FormationConfig, expected: u64) {
    for isa in Isa::available() {
        force_isa(isa);
        let (hash, causes) = flown(config, 600);
        assert_eq!(format!("{hash:#018x}"), format!("{expected:#018x}"), "{isa}");
        assert!(causes >> 6 & 1 == 1, "no collision ended an episode: {causes:#b}");
    }
}

fn with(num_agents: usize, downwash: bool, end_on_collision: bool) -> FormationConfig {
    let downwash = DownwashConfig { enabled: downwash, ..DownwashConfig::default() };
    FormationConfig { downwash, end_on_collision, ..crowd(num_agents) }
}

#[test]
fn two_vehicles() {
    // The collision of two ends both, whatever is asked for.
    for end_on_collision in [false, true] {
        flies_as_ever(&with(2, false, end_on_collision), 0x0e81_4886_6f8c_6b75);
        flies_as_ever(&with(2, true, end_on_collision), 0xb580_3e17_299e_74a8);
    }
}

#[test]
fn three_vehicles() {
    flies_as_ever(&with(3, false, false), 0xb45b_b8ab_590a_18d7);
    flies_as_ever(&with(3, true, false), 0xde87_52b9_4ed4_919e);
    flies_as_ever(&with(3, false, true), 0x0fb6_2f75_fd04_16bf);
    flies_as_ever(&with(3, true, true), 0x640c_6e2d_3fee_3ffa);
}

#[test]
fn eight_vehicles() {
    flies_as_ever(&with(8, false, false), 0xe297_d062_ab50_bcbb);
    flies_as_ever(&with(8, true, false), 0xf0f0_1e6c_9e02_3fba);
    flies_as_ever(&with(8, false, true), 0xb1f9_fe93_96ad_90bb);
    flies_as_ever(&with(8, true, true), 0x06bf_2031_1907_4e6b);
}

/// Along a course, with rotors that push to the side, two simulation steps in a control step.
#[test]
fn askew_vehicles_along_a_course() {
    let mut config = FormationConfig {
        course: CourseConfig { kind: Some(CourseKind::Circle), ..CourseConfig::default() },
        prob_null_trajectory: 0.3,
        decimation: 2,
        ..with(4, true, false)
    };
    for (rotor, direction) in config.robot.rotor_thrust_directions.iter_mut().enumerate() {
        let tilt = 0.02 * (rotor as f64 + 1.0);
        *direction = [0.6 * tilt, -0.8 * tilt, (1.0 - tilt * tilt).sqrt()];
    }
    flies_as_ever(&config, 0x8d91_bed6_2e73_9dfd);
}
