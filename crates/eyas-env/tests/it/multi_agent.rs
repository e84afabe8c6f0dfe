//! Several agents become one by the rules of Isaac Lab's `multi_agent_to_single_agent`.

use std::sync::Arc;

use eyas_env::{
    Actuation, AgentSpec, Ended, EnvBlock, FormationConfig, Frame, MultiAgentBlock, MultiAgentEnv,
    MultiAgentSpec, NoState, Part, Perturbation, StateSpace, Step, TaskConfig, Telemetry, VecEnv,
    multi_agent_to_single_agent, multi_agent_with_one_agent,
};
use eyas_lanes::Row;
use eyas_sim::Body;

fn part(name: &'static str, width: usize) -> Part {
    Part { name, width, frame: Frame::World, unit: "1", meaning: "a number" }
}

fn parts(joint: &[Part]) -> Vec<(&str, usize)> {
    joint.iter().map(|it| (it.name, it.width)).collect()
}

/// Two unlike agents whose flags follow a script.
fn spec(state: StateSpace) -> MultiAgentSpec {
    let agent =
        |name, observation, privileged, num_actions| AgentSpec { name, observation, privileged, num_actions };
    MultiAgentSpec {
        task: "Numbers-v0",
        agents: vec![
            agent("cart", vec![part("place", 1), part("speed", 1)], vec![part("mass", 1)], 1),
            agent("pendulum", vec![part("angle", 3)], vec![part("length", 2)], 2),
        ],
        state,
        action: "numbers",
        actuation: Actuation::Rotors,
        motor_order: "none",
        control_rate_hz: 10.0,
        max_episode_length: 100,
        reward_terms: vec!["all"],
        terminations: vec!["script"],
    }
}

struct NumbersBlock {
    spec: Arc<MultiAgentSpec>,
    steps: usize,
    /// The actions of the last step, as each agent was given them.
    seen: Vec<Vec<f32>>,
}

/// Flags of cart and pendulum in each step.
const TERMINATED: [[u32; 2]; 4] = [[0b0001, 0b0010], [0b0011, 0b0110], [0b1011, 0b0110], [0b1111, 0b1111]];
const TIME_OUTS: [[u32; 2]; 4] = [[0, 0], [0b1000, 0b0100], [0b1100, 0b0100], [0, 0]];

impl MultiAgentBlock for NumbersBlock {
    fn spec(&self) -> &MultiAgentSpec {
        &self.spec
    }

    fn first_env(&self) -> u32 {
        0
    }

    fn set_first_env(&mut self, _first_env: u32) {}

    fn reset(&mut self, _mask: u32) {
        self.steps = 0;
    }

    fn set_next_episode(&mut self, _lane: usize, _episode: u32) {}

    fn observe(&self, agent: usize, observation: &mut [Row]) {
        assert_eq!(observation.len(), [2, 3][agent]);
        for (index, row) in observation.iter_mut().enumerate() {
            *row = Row::splat((10 * (agent + 1) + index) as f32);
        }
    }

    fn observe_privileged(&self, agent: usize, observation: &mut [Row]) {
        assert_eq!(observation.len(), [1, 2][agent]);
        observation.fill(Row::splat((100 * (agent + 1)) as f32));
    }

    fn observe_state(&self, state: &mut [Row]) {
        assert_eq!(state.len(), 4);
        state.fill(Row::splat(-7.0));
    }

    fn step(&mut self, actions: &[&[Row]], outcomes: &mut [Step]) {
        self.seen = actions.iter().map(|rows| rows.iter().map(|row| row[5]).collect()).collect();
        for (agent, outcome) in outcomes.iter_mut().enumerate() {
            let reward: f32 = self.seen[agent].iter().sum();
            *outcome = Step {
                reward: Row::splat((agent + 1) as f32 * reward),
                terminated: TERMINATED[self.steps][agent],
                truncated: TIME_OUTS[self.steps][agent],
            };
        }
        self.steps += 1;
    }

    fn ended(&self) -> u32 {
        0
    }

    fn episode(&self, _lane: usize) -> Ended {
        unreachable!("nobody asks")
    }

    fn num_vehicles(&self) -> usize {
        2
    }

    fn telemetry(&self, _lane: usize, vehicle: usize) -> Telemetry {
        Telemetry { position: [vehicle as f32; 3], ..Telemetry::default() }
    }

    fn fallen(&self, vehicle: usize) -> u32 {
        1 << vehicle
    }

    fn set_age(&mut self, _lane: usize, _steps: u32) {}

    fn put(&mut self, _lane: usize, _body: &Body<f32>) {}

    fn perturb(&mut self, _interference: Perturbation) {}

    fn visit_state(&mut self, _visit: &mut dyn FnMut(&mut u32)) {}
}

fn numbers_env(state: StateSpace) -> MultiAgentEnv<NumbersBlock> {
    let spec = Arc::new(spec(state));
    let block = NumbersBlock { spec: Arc::clone(&spec), steps: 0, seen: Vec::new() };
    MultiAgentEnv::new(spec, 20, vec![block])
}

fn seen(block: &dyn EnvBlock, width: usize) -> Vec<f32> {
    let mut observation = vec![Row::splat(f32::NAN); width];
    block.observe(&mut observation);
    observation.iter().map(|row| row[31]).collect()
}

#[test]
fn observations_are_concatenated_in_the_order_of_the_agents() {
    let mut env = multi_agent_to_single_agent(numbers_env(StateSpace::Observations), false).unwrap();
    let spec = env.spec();
    assert_eq!((spec.num_actions, spec.task), (3, "Numbers-v0"));
    assert_eq!(
        parts(&spec.parts),
        [
            ("cart/place", 1),
            ("cart/speed", 1),
            ("pendulum/angle", 3),
            ("cart/mass", 1),
            ("pendulum/length", 2)
        ]
    );
    assert_eq!((env.spec().group("policy").unwrap().features.clone()), 0..5);
    assert_eq!((env.spec().group("teacher").unwrap().features.clone()), 0..8);
    assert_eq!((env.num_envs(), env.blocks().len(), env.used_lanes(0)), (20, 1, 0xf_ffff));
    let block = env.blocks()[0].as_ref();
    assert_eq!(seen(block, 8), [10.0, 11.0, 20.0, 21.0, 22.0, 100.0, 200.0, 200.0]);
    assert_eq!(block.num_vehicles(), 2);
    assert_eq!([0, 1].map(|it| block.vehicle_telemetry(3, it).position[0]), [0.0, 1.0]);
    assert_eq!([0, 1].map(|it| block.fallen(it)), [1, 2]);
}

#[test]
fn actions_are_cut_rewards_summed_and_flags_anded() {
    let mut env = multi_agent_to_single_agent(numbers_env(StateSpace::None), false).unwrap();
    let block = &mut env.blocks()[0];
    let flown: Vec<Step> = (0..4).map(|_| block.step(&[0.5, -2.0, 4.0].map(Row::splat))).collect();
    // 1 · 0.5 of the cart and 2 · (4 − 2) of the pendulum, only if each got its own.
    assert!(flown.iter().all(|it| it.reward == Row::splat(4.5)), "{flown:?}");
    assert_eq!([0, 1, 2, 3].map(|it| flown[it].terminated), [0, 0b0010, 0b0010, 0b1111]);
    assert_eq!([0, 1, 2, 3].map(|it| flown[it].truncated), [0, 0, 0b0100, 0]);
}

#[test]
fn the_state_can_be_the_observation_where_there_is_one() {
    let custom = || StateSpace::Custom(vec![part("all", 4)]);
    let mut env = multi_agent_to_single_agent(numbers_env(custom()), true).unwrap();
    assert_eq!(parts(&env.spec().parts), [("all", 4), ("cart/mass", 1), ("pendulum/length", 2)]);
    assert_eq!(env.spec().group("policy").unwrap().features, 0..4);
    assert_eq!(seen(env.blocks()[0].as_ref(), 7), [-7.0, -7.0, -7.0, -7.0, 100.0, 200.0, 200.0]);

    // The state of −1 is the observations.
    let mut env = multi_agent_to_single_agent(numbers_env(StateSpace::Observations), true).unwrap();
    assert_eq!(seen(env.blocks()[0].as_ref(), 8)[..5], [10.0, 11.0, 20.0, 21.0, 22.0]);

    let error = multi_agent_to_single_agent(numbers_env(StateSpace::None), true).err();
    assert_eq!(error, Some(NoState));
    assert!(NoState.to_string().contains("width of the state space is 0"), "{NoState}");
    let widths = [StateSpace::Observations, StateSpace::None, custom()].map(|it| spec(it).num_states());
    assert_eq!(widths, [5, 0, 4]);
}

#[test]
fn one_agent_stands_for_all_in_dictionaries_too() {
    let env = numbers_env(StateSpace::Custom(vec![part("all", 4)]));
    let mut env = multi_agent_with_one_agent(env, false).unwrap();
    let [agent] = &env.spec().agents[..] else { panic!("{:?}", env.spec().agents) };
    assert_eq!((agent.name, agent.num_observations(), agent.num_privileged()), ("single-agent", 5, 3));
    assert_eq!((agent.num_actions, env.spec().num_states(), env.num_envs()), (3, 4, 20));
    let block = &mut env.blocks()[0];
    let (mut observation, mut privileged) = (vec![Row::ZERO; 5], vec![Row::ZERO; 3]);
    block.observe(0, &mut observation);
    block.observe_privileged(0, &mut privileged);
    let numbers: Vec<f32> = observation.iter().chain(&privileged).map(|row| row[0]).collect();
    assert_eq!(numbers, [10.0, 11.0, 20.0, 21.0, 22.0, 100.0, 200.0, 200.0]);
    let mut outcomes = [Step::default()];
    block.step(&[&[0.5, -2.0, 4.0].map(Row::splat)], &mut outcomes);
    assert_eq!(outcomes[0].reward, Row::splat(4.5));
    let refused = multi_agent_with_one_agent(numbers_env(StateSpace::None), true).err();
    assert_eq!(refused, Some(NoState));
}

#[test]
fn a_formation_flies_as_one_as_its_vehicles_fly_alone() {
    let config = FormationConfig { num_agents: 4, ..FormationConfig::default() };
    let (mut apart, mut joint) = (config.agents(32, 5), config.make(32, 5));
    let (own, all) = (apart.spec().clone(), joint.spec().clone());
    assert_eq!((own.agents.len(), all.num_actions, all.num_observations()), (4, 16, 4 * (22 + 18 + 4)));
    let (block, one) = (&mut apart.blocks()[0], &mut joint.blocks()[0]);
    block.reset(u32::MAX);
    one.reset(u32::MAX);
    for step in 0..30 {
        let mut expected = vec![Row::ZERO; all.num_observations()];
        let mut seen = expected.clone();
        one.observe(&mut seen);
        for agent in 0..4 {
            block.observe(agent, &mut expected[40 * agent..][..40]);
            block.observe_privileged(agent, &mut expected[160 + 4 * agent..][..4]);
        }
        assert_eq!(seen, expected, "step {step}");
        let action: Vec<Row> = (0..16).map(|it| Row::splat(0.05 * (it % 5) as f32 - 0.4)).collect();
        let split: Vec<&[Row]> = action.chunks(4).collect();
        let mut outcomes = [Step::default(); 4];
        block.step(&split, &mut outcomes);
        let outcome = one.step(&action);
        for lane in 0..32 {
            let sum: f32 = outcomes.iter().map(|it| it.reward[lane]).sum();
            assert!((outcome.reward[lane] - sum).abs() < 1e-5, "step {step}");
        }
        let and = |flags: fn(&Step) -> u32| outcomes.iter().map(flags).fold(u32::MAX, |a, b| a & b);
        assert_eq!(
            (outcome.terminated, outcome.truncated),
            (and(|it| it.terminated), and(|it| it.truncated))
        );
    }
}
