//! The formation task once more, one vehicle at a time in double precision.

use eyas_env::{DownwashConfig, FormationBlock, FormationConfig, MultiAgentBlock, PlacesConfig, Shape, Step};
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_sim::{Body, Disturbance, SpeedLag, Vehicle, matrix_from_quaternion, step_held};

use crate::formation::started;

type Vector = [f64; 3];

fn sub(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn norm(a: Vector) -> f64 {
    a.iter().map(|it| it * it).sum::<f64>().sqrt()
}

struct Quad {
    body: Body<f64>,
    rotor_speed: [f64; 4],
    set_point: [f64; 4],
    is_down: bool,
}

/// One env.
struct Twin<'a> {
    config: &'a FormationConfig,
    vehicle: Vehicle<f64>,
    places: Vec<Vector>,
    quads: Vec<Quad>,
}

/// What a vehicle earned, and whether it has terminated.
type Earned = (f64, bool);

impl<'a> Twin<'a> {
    /// The start of one env of a block.
    fn new(config: &'a FormationConfig, block: &FormationBlock, lane: usize) -> Self {
        let quad = |agent: usize| {
            let it = block.telemetry(lane, agent);
            let mut seen = vec![Row::ZERO; block.spec().agents[agent].num_observations()];
            block.observe(agent, &mut seen);
            Quad {
                body: Body {
                    position: it.position.map(f64::from),
                    orientation: it.orientation.map(f64::from),
                    velocity: it.velocity.map(f64::from),
                    angular_velocity: [15, 16, 17].map(|feature| f64::from(seen[feature][lane])),
                },
                rotor_speed: [0.0; 4],
                set_point: [0.0; 4],
                is_down: false,
            }
        };
        Self {
            config,
            vehicle: Vehicle::new(&config.robot),
            places: config.formation.places(config.num_agents),
            quads: (0..config.num_agents).map(quad).collect(),
        }
    }

    /// The force of the air on one vehicle, N downwards, given the thrust of each.
    fn downwash(&self, below: usize, thrusts: &[f64]) -> f64 {
        let mut force = 0.0;
        for above in (0..self.quads.len()).filter(|it| *it != below && !self.quads[*it].is_down) {
            let [x, y, z] = sub(self.quads[below].body.position, self.quads[above].body.position);
            if z < 0.0 {
                let width = self.config.robot.rotor_distance()
                    - z * self.config.downwash.spread / (2.0 * 2.0_f64.ln()).sqrt();
                let share = 0.5 * self.config.downwash.drag_area / (std::f64::consts::PI * width * width);
                let share = share * (-(x * x + y * y) / (width * width)).exp();
                force += thrusts[above].max(0.0) * share.min(1.0);
            }
        }
        force
    }

    /// A control step, given where the centre is after it.
    fn step(&mut self, actions: &[[f64; 4]], centre: Vector) -> Vec<Earned> {
        let config = self.config;
        let lag = SpeedLag::new(0.01, config.motor_tau);
        let flying: Vec<bool> = self.quads.iter().map(|it| !it.is_down).collect();
        let mut changes = vec![0.0; self.quads.len()];
        let mut wrenches = Vec::new();
        for (agent, quad) in self.quads.iter_mut().enumerate() {
            if flying[agent] {
                let set_point = actions[agent].map(|it| 0.5 * (it.clamp(-1.0, 1.0) + 1.0));
                for motor in 0..4 {
                    changes[agent] += (set_point[motor] - quad.set_point[motor]).powi(2);
                    let limit = config.robot.action_limit;
                    let goal = limit.min + set_point[motor] * (limit.max - limit.min);
                    quad.rotor_speed[motor] = lag.apply(quad.rotor_speed[motor], goal);
                }
                quad.set_point = set_point;
            }
            wrenches.push(self.vehicle.wrench(&quad.rotor_speed));
        }
        let thrusts: Vec<f64> = wrenches.iter().map(|it| norm(it.0)).collect();
        let air: Vec<f64> = (0..self.quads.len()).map(|it| self.downwash(it, &thrusts)).collect();
        for (agent, quad) in self.quads.iter_mut().enumerate().filter(|(agent, _)| flying[*agent]) {
            let disturbance = Disturbance { force_world: [0.0, 0.0, -air[agent]], ..Disturbance::none() };
            quad.body = step_held(&self.vehicle, &quad.body, wrenches[agent], &disturbance, 0.01, 1);
        }
        let mut earned = Vec::new();
        for agent in 0..self.quads.len() {
            if !flying[agent] {
                earned.push((0.0, true));
                continue;
            }
            let body = self.quads[agent].body;
            let distances = (0..self.quads.len())
                .filter(|other| *other != agent && flying[*other])
                .map(|other| norm(sub(body.position, self.quads[other].body.position)));
            let (mut collides, mut nearness) = (false, 0.0);
            for distance in distances {
                collides |= distance < config.collision_distance;
                nearness += (1.0 - distance / config.proximity_distance).max(0.0);
            }
            let own = sub(body.position, self.places[agent]);
            let [_, x, y, z] = body.orientation;
            let crashes = norm(own) > 15.0
                || body.velocity.iter().any(|it| it.abs() > 4.0)
                || body.angular_velocity.iter().any(|it| it.abs() > 35.0)
                || 1.0 - 2.0 * (x * x + y * y) < 0.0
                || collides;
            let reward = 1.5
                - norm(sub(own, centre))
                - 0.2 * (1.0 - z.abs().min(1.0)).acos()
                - changes[agent].sqrt()
                - nearness
                - if crashes { 100.0 } else { 0.0 };
            earned.push((reward, crashes));
        }
        for (quad, (_, is_down)) in self.quads.iter_mut().zip(&earned) {
            quad.is_down = *is_down;
        }
        earned
    }

    fn observe(&self, agent: usize, centre: Vector, centre_velocity: Vector) -> Vec<f64> {
        let quad = &self.quads[agent];
        let matrix = matrix_from_quaternion(quad.body.orientation);
        let turned = |v: Vector| [0, 1, 2].map(|column| (0..3).map(|row| matrix[row][column] * v[row]).sum());
        let mut seen = Vec::new();
        seen.extend::<Vector>(turned(sub(sub(quad.body.position, self.places[agent]), centre)));
        seen.extend(matrix.iter().flatten());
        seen.extend::<Vector>(turned(sub(quad.body.velocity, centre_velocity)));
        seen.extend(quad.body.angular_velocity);
        seen.extend(quad.set_point);
        let others = || self.quads.iter().enumerate().filter(|(other, _)| *other != agent);
        for (_, other) in others() {
            seen.extend::<Vector>(turned(sub(other.body.position, quad.body.position)));
        }
        for (_, other) in others() {
            let velocity = if other.is_down { [0.0; 3] } else { other.body.velocity };
            seen.extend::<Vector>(turned(sub(velocity, quad.body.velocity)));
        }
        seen
    }
}

/// Three vehicles, one above another, under commands at random: some collide, some tip over, some fall.
#[test]
fn a_step_is_that_of_the_scalar_twin() {
    let places = vec![[0.0, 0.0, 0.0], [0.1, 0.0, 0.5], [0.5, 0.0, 0.1]];
    let config = FormationConfig {
        formation: PlacesConfig { shape: Shape::Offsets, offsets: places, ..PlacesConfig::default() },
        init_position_radius: 0.1,
        collision_distance: 0.3,
        downwash: DownwashConfig { enabled: true, ..DownwashConfig::default() },
        ..FormationConfig::default()
    };
    let mut block = started(&config, 21);
    let mut twins: Vec<Twin> = (0..BLOCK).map(|lane| Twin::new(&config, &block, lane)).collect();
    let commands = Stream::new(4, "commands");
    let command = |lane: usize, agent: usize, step: u32| {
        commands.normals([lane as u32, agent as u32, step, 0]).map(|it| 0.25 * it - 0.3)
    };
    let (mut ends, mut collisions) = (0, 0);
    for step in 0..100 {
        let mut actions = vec![[Row::ZERO; 4]; 3];
        for (agent, rows) in actions.iter_mut().enumerate() {
            for lane in 0..BLOCK {
                for (row, value) in rows.iter_mut().zip(command(lane, agent, step)) {
                    row[lane] = value;
                }
            }
        }
        let mut outcomes = [Step::default(); 3];
        let slices: Vec<&[Row]> = actions.iter().map(|it| &it[..]).collect();
        let before = block.ended();
        block.step(&slices, &mut outcomes);
        for (lane, twin) in twins.iter_mut().enumerate().filter(|(lane, _)| before >> lane & 1 == 0) {
            let first = block.telemetry(lane, 0);
            let centre = first.desired_position.map(f64::from);
            let centre_velocity = first.desired_velocity.map(f64::from);
            let own: Vec<[f64; 4]> = (0..3).map(|it| command(lane, it, step).map(f64::from)).collect();
            let was_down: Vec<bool> = twin.quads.iter().map(|it| it.is_down).collect();
            let earned = twin.step(&own, centre);
            for (agent, (reward, is_down)) in earned.into_iter().enumerate() {
                let found = f64::from(outcomes[agent].reward[lane]);
                let place = format!("step {step}, env {lane}, agent {agent}");
                assert!((found - reward).abs() < 2e-3, "{place}: reward {found}, expected {reward}");
                assert_eq!(outcomes[agent].terminated >> lane & 1 == 1, is_down, "{place}");
                ends += u32::from(is_down && !was_down[agent]);
            }
            for agent in 0..3 {
                let mut seen = vec![Row::ZERO; 34];
                block.observe(agent, &mut seen);
                let expected = twin.observe(agent, centre, centre_velocity);
                assert_eq!(expected.len(), seen.len());
                for (feature, (found, expected)) in seen.iter().zip(expected).enumerate() {
                    let found = f64::from(found[lane]);
                    // Angular velocities grow to 35 rad/s.
                    assert!(
                        (found - expected).abs() < 1e-3 * expected.abs().max(1.0),
                        "step {step}, env {lane}, agent {agent}, feature {feature}: {found}, expected {expected}"
                    );
                }
            }
        }
    }
    for lane in 0..BLOCK {
        collisions += block.episode(lane).cause.bits >> 6 & 1;
    }
    assert!(ends > 60 && collisions > 5, "{ends} of 96 vehicles ended, {collisions} envs by collisions too");
}
