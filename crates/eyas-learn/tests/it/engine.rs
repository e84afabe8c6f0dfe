//! Algorithms find the same whatever flies their envs: here the engine of the program beside one that takes all envs a step
//! further at a time, as a simulator that is somebody else's does.

use eyas_env::{EnvSpec, PointConfig, RaptorConfig, TaskConfig, VecEnv};
use eyas_lanes::{Row, Stream};
use eyas_learn::distill::{
    Collected, Collector, Continue, Dataset, DistillConfig, EpochReport, FitError, Observer, Progress,
    Student, StudentKind, Teacher, distill, new_student,
};
use eyas_learn::ppo::{Ppo, RunnerConfig};
use eyas_learn::{
    Actor, CpuEngine, Disturbance, Engine, EpisodeFlyer, EpisodePlan, Evaluation, FlownEpisode, NotFinite,
    OnNan, Rollout, Torture, TortureConfig, evaluate,
};
use eyas_policy::{Architecture, Init, Network, Output, Policy};

const SEED: u64 = 11;
/// The last block has lanes to spare.
const NUM_ENVS: usize = 75;

/// Observes all envs, then lets all act, then steps them, then tells what came of it.
struct Lockstep(Box<dyn VecEnv>);

impl Engine for Lockstep {
    fn spec(&self) -> &EnvSpec {
        self.0.spec()
    }

    fn num_envs(&self) -> usize {
        self.0.num_envs()
    }

    fn num_vehicles(&self) -> usize {
        1
    }

    fn set_episode_flyer(&mut self, _: Box<dyn EpisodeFlyer>) {}

    fn fly_episodes(&mut self, _: &EpisodePlan) -> Option<Vec<Vec<FlownEpisode>>> {
        None
    }

    fn fly(&mut self, rollouts: &mut [&mut dyn Rollout]) -> Result<(), NotFinite> {
        let used: Vec<u32> = (0..rollouts.len()).map(|block| self.0.used_lanes(block)).collect();
        let [observations, actions] = [self.0.spec().num_observations(), self.0.spec().num_actions];
        let mut rows = vec![(vec![Row::ZERO; observations], vec![Row::ZERO; actions]); rollouts.len()];
        let blocks = self.0.blocks();
        let mut flying: Vec<usize> =
            (0..rollouts.len()).filter(|it| rollouts[*it].begin(blocks[*it].as_mut(), used[*it])).collect();
        while !flying.is_empty() {
            for index in &flying {
                blocks[*index].observe(&mut rows[*index].0);
            }
            for index in &flying {
                let (observation, action) = &mut rows[*index];
                rollouts[*index].act(blocks[*index].as_ref(), observation, action);
            }
            let steps: Vec<_> = flying
                .iter()
                .map(|index| rollouts[*index].step(blocks[*index].as_mut(), &rows[*index].1))
                .collect();
            let mut go_on = Vec::new();
            for (index, step) in flying.into_iter().zip(steps) {
                let (observation, action) = &mut rows[index];
                let block = blocks[index].as_mut();
                let next = rollouts[index].record(block, observation, action, &step);
                block.reset(next.reset);
                if next.is_last {
                    rollouts[index].end(block, observation);
                } else {
                    go_on.push(index);
                }
            }
            flying = go_on;
        }
        Ok(())
    }

    /// It looks at no number.
    fn set_on_nan(&mut self, _: OnNan) {}

    fn num_lost(&self) -> u64 {
        0
    }

    fn set_steps_flown(&mut self, steps: u32) {
        self.0.blocks().iter_mut().for_each(|block| block.set_steps_flown(steps));
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.0.blocks().iter_mut().for_each(|block| block.visit_state(visit));
    }
}

/// Both engines of the same envs.
fn engines(make: impl Fn() -> Box<dyn VecEnv>) -> [Box<dyn Engine>; 2] {
    [Box::new(CpuEngine::new(make())), Box::new(Lockstep(make()))]
}

fn untrained(architecture: Architecture) -> Policy {
    let network = Network::new(architecture, Init::Torch, Stream::new(SEED, "engine"));
    Policy { normalizer: None, network, output: Output::Identity }
}

fn student(spec: &EnvSpec) -> Actor {
    Actor::new(&untrained(Architecture::gru_student(22, 16, 4)), spec).unwrap()
}

#[test]
fn an_evaluation_is_the_same() {
    let [here, there] = engines(|| RaptorConfig::default().make(NUM_ENVS, SEED)).map(|mut engine| {
        let actor = student(engine.spec());
        evaluate(engine.as_mut(), &actor, Some(&actor), 300).unwrap()
    });
    assert_eq!(here, there);
    let lengths: Vec<u32> = here.outcomes.iter().map(|it| it.length).collect();
    assert!(lengths.iter().max() > lengths.iter().min(), "all episodes end together: {lengths:?}");
}

#[test]
fn a_flight_under_a_disturbance_is_the_same() {
    let config = RaptorConfig { episode_length_s: 20.0, ..RaptorConfig::default() };
    let vehicles = [config.robot.clone()];
    let settings = TortureConfig { duration_s: 4.0, ..TortureConfig::default() };
    for disturbance in [Disturbance::Push, Disturbance::Delay, Disturbance::Noise] {
        let torture = Torture { config: &settings, disturbance, vehicles: &vehicles, seed: SEED };
        let [here, there] = engines(|| config.make(NUM_ENVS, SEED)).map(|mut engine| {
            let actor = student(engine.spec());
            torture.fly(engine.as_mut(), &actor).unwrap()
        });
        assert_eq!(here, there, "{}", disturbance.name());
    }
}

#[test]
fn ppo_learns_the_same() {
    let [here, there] = engines(|| PointConfig::default().make(NUM_ENVS, SEED)).map(|mut engine| {
        let config = RunnerConfig { num_steps_per_env: 24, ..RunnerConfig::default() };
        let mut ppo = Ppo::new(&config, engine.as_mut(), SEED).unwrap();
        for _ in 0..3 {
            ppo.iterate(engine.as_mut()).unwrap();
        }
        let mut envs = Vec::new();
        engine.visit_state(&mut |word| envs.push(*word));
        (ppo.actor.network.parameters, envs)
    });
    assert!(here == there);
}

/// Keeps what the epochs measured.
#[derive(Default)]
struct Epochs(Vec<(Collected, Vec<f64>, Option<Evaluation>)>);

impl Observer for Epochs {
    type Error = FitError;

    fn begin(&mut self, _: u32, _: f64) -> Result<(), Self::Error> {
        Ok(())
    }

    fn collected(&mut self, _: &Collected, _: [usize; 2]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn finish(&mut self, report: &EpochReport, _: &Student, _: &Dataset) -> Result<Continue, Self::Error> {
        self.0.push((report.collected.clone(), report.losses.clone(), report.evaluation.clone()));
        Ok(Continue::Yes)
    }
}

#[test]
fn a_distillation_is_the_same() {
    let mut config = DistillConfig {
        n_epochs: 3,
        num_episodes: 90,
        epoch_teacher_forcing: 1,
        episode_steps: 60,
        samples_per_epoch: Some(4000),
        eval_steps: 50,
        eval_interval: 1,
        ..DistillConfig::default()
    };
    config.student.kind = StudentKind::Gru;
    let task = PointConfig::default();
    let spec = task.spec();
    let features = spec.group(config.student.group(&spec)).unwrap().features.clone();
    let teacher = untrained(Architecture::mlp(26, &[16], 4, eyas_policy::Activation::Elu));
    let teachers = [Teacher::new(Actor::new(&teacher, &spec).unwrap())];
    let run = |is_lockstep: bool| {
        let engine = move |num_envs, seed| -> Box<dyn Engine> {
            let env = PointConfig::default().make(num_envs, seed);
            if is_lockstep { Box::new(Lockstep(env)) } else { Box::new(CpuEngine::new(env)) }
        };
        let evaluation = Box::new(move || engine(40, SEED + 1));
        let mut collector =
            Collector::new(&config, engine(NUM_ENVS, SEED), 1, features.clone(), SEED, evaluation);
        let policy = new_student(&config, features.clone(), spec.num_actions, SEED);
        let student = Student::new(policy, features.clone(), SEED).unwrap();
        let mut progress = Progress { student, dataset: Dataset::new(config.max_memory, SEED), epoch: 0 };
        let mut epochs = Epochs::default();
        distill(&config, &teachers, &mut collector, &mut progress, &mut epochs).unwrap();
        (epochs.0, progress.student.stored().policy.network.parameters)
    };
    let ((here, of_here), (there, of_there)) = (run(false), run(true));
    assert_eq!(here, there);
    assert!(of_here == of_there);
    assert!(here.iter().all(|(collected, ..)| collected.episodes == 90));
}

#[test]
fn a_policy_that_gives_no_numbers_ends_a_flight_with_the_first_env() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut engine = CpuEngine::new(RaptorConfig::default().make(NUM_ENVS, SEED));
        let mut policy = untrained(Architecture::gru_student(22, 16, 4));
        *policy.network.parameters.last_mut().unwrap() = bad;
        let actor = Actor::new(&policy, engine.spec()).unwrap();
        match evaluate(&mut engine, &actor, None, 100) {
            Err(NotFinite::Flown { quantity, env: 0, step: 0, .. }) => assert_eq!(quantity, "action 3"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn learning_that_diverges_ends_with_what_was_not_finite_first() {
    let mut engine = CpuEngine::new(PointConfig::default().make(64, SEED));
    let mut config = RunnerConfig { num_steps_per_env: 8, ..RunnerConfig::default() };
    config.algorithm.schedule = eyas_learn::ppo::Schedule::Fixed;
    config.algorithm.learning_rate = 1e20;
    let mut ppo = Ppo::new(&config, &mut engine, SEED).unwrap();
    let mut first = (0..10).find_map(|_| ppo.iterate(&mut engine).err());
    assert!(matches!(first, Some(NotFinite::Learned(_))), "{first:?}");

    config.algorithm.learning_rate = 1e-3;
    config.algorithm.reward_scale = 1e25;
    config.algorithm.max_grad_norm = 1e30;
    let mut ppo = Ppo::new(&config, &mut engine, SEED).unwrap();
    first = ppo.iterate(&mut engine).err();
    assert!(matches!(first, Some(NotFinite::Learned("value loss"))), "{first:?}");

    let task = PointConfig::default();
    let mut config = eyas_learn::apg::RunnerConfig::default();
    config.algorithm.learning_rate = 1e30;
    let mut apg = eyas_learn::apg::Apg::new(&config, &task, 64, SEED).unwrap();
    assert!((0..10).find_map(|_| apg.iterate().err()).is_some());
}

/// Its reward is beyond `f32` where an episode crashes away from the target, and a number of ordinary size once it is scaled.
fn overflowing() -> (PointConfig, RunnerConfig) {
    let task = PointConfig {
        reward_coef_position_cost: 1e38,
        reward_coef_termination_penalty: 3.3e38,
        ..PointConfig::default()
    };
    let mut config = RunnerConfig { num_steps_per_env: 24, ..RunnerConfig::default() };
    config.algorithm.reward_scale = 1e-38;
    (task, config)
}

#[test]
fn an_env_that_is_not_finite_ends_a_training_or_is_reset_and_counted() {
    let (task, mut config) = overflowing();
    let learn = |config: &RunnerConfig| {
        let mut engine = CpuEngine::new(task.make(NUM_ENVS, SEED));
        let mut ppo = Ppo::new(config, &mut engine, SEED).unwrap();
        let reports: Result<Vec<_>, _> = (0..20).map(|_| ppo.iterate(&mut engine)).collect();
        (reports, ppo, engine.num_lost())
    };
    match learn(&config).0 {
        Err(NotFinite::Flown { quantity, black_box: Some(it), .. }) => {
            assert_eq!(quantity, "the reward");
            assert!(!it.is_empty());
        }
        other => panic!("{other:?}"),
    }
    config.on_nan = OnNan::Reset;
    let (reports, ppo, lost) = learn(&config);
    let counted: u64 = reports.unwrap().iter().map(|it| it.num_lost).sum();
    assert!(lost > 0 && counted == lost, "{counted} of {lost}");
    assert!(ppo.actor.network.parameters.iter().all(|it| it.is_finite()));
}

#[test]
fn an_evaluation_that_may_reset_counts_an_env_that_is_not_finite_as_crashed() {
    let mut policy = untrained(Architecture::gru_student(22, 16, 4));
    *policy.network.parameters.last_mut().unwrap() = f32::NAN;
    let mut engine = CpuEngine::new(RaptorConfig::default().make(NUM_ENVS, SEED));
    engine.set_on_nan(OnNan::Reset);
    let actor = Actor::new(&policy, engine.spec()).unwrap();
    let evaluation = evaluate(&mut engine, &actor, None, 100).unwrap();
    assert!(evaluation.outcomes.iter().all(|it| it.crashed && it.length == 1 && it.episode_return == 0.0));
}
