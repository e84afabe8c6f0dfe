//! What is measured. Names and sizes are those that the programs in `peers` know.

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use eyas_env::{Env, PointConfig, RaptorConfig, Step, TaskConfig, VecEnv};
use eyas_lanes::{BLOCK, Row, Stream};
use eyas_learn::distill::{
    Collected, Collector, Continue, Dataset, DistillConfig, Episode, EpochData, EpochReport, FitError,
    Observer, Progress, Sequence, Student, StudentKind, Teacher, distill, new_student,
};
use eyas_learn::ppo::{Ppo, RunnerConfig};
use eyas_learn::{Actor, AnyBlock, CpuEngine, Engine, Next, Rollout, evaluate};
use eyas_policy::{Activation, Adam, Architecture, Inference, Init, Network, Pass, Scratch, Trainer};
use eyas_vehicles::{FleetVehicle, SamplerConfig, sample_fleet};

use super::dynamics::Swarm;
use eyas::Failure;
use eyas::device::{ComputeDevice, EpisodeDevice};
use eyas::learner::{ApgConfig, TrainerConfig};
use eyas::tasks::AnyTask as _;

/// Envs, vehicles and rows of the works that fly without learning.
const NUM_ENVS: usize = 4096;

/// Does some of a work and returns how many units that was.
pub(super) type Repeat = Box<dyn FnMut() -> f64>;

/// Something that can be done over and over.
pub(super) struct Work {
    pub(super) name: &'static str,
    /// The work of other programs that it is compared with: most often their own of that name.
    pub(super) beside: &'static str,
    /// What is counted, plural.
    pub(super) unit: &'static str,
    /// What it is, for `--help` and the reader of the table.
    pub(super) about: &'static str,
    /// Floating-point operations of the network for each unit, where that is most of the work.
    pub(super) flops: Option<f64>,
    /// Makes what the work needs.
    pub(super) prepare: Box<dyn Fn() -> Result<Repeat, Failure> + Sync>,
}

/// All works, in the order of the table.
pub(super) fn all() -> Vec<Work> {
    let small = forward_flops(26, &[64; 3], 4);
    let large = forward_flops(26, &[256; 3], 4);
    vec![
        work(
            "dynamics",
            "steps",
            "RK4 with four general rotors and their lag, 4,096 vehicles",
            None,
            dynamics,
        ),
        work(
            "env_step",
            "env steps",
            "Eyas-Raptor-v0: observe, step, reward, terminate, reset",
            None,
            env_step,
        ),
        work("gru_rollout", "env steps", "the same flown by the GRU student 22-16-16-4", None, gru_rollout),
        work("mlp_inference_64", "rows", "26-64-64-64-4 alone", Some(small), || mlp_inference(64)),
        work("mlp_inference_256", "rows", "26-256-256-256-4 alone", Some(large), || mlp_inference(256)),
        Work {
            beside: "mlp_inference_64",
            ..work(
                "mlp_rollout_64",
                "env steps",
                "Eyas-Raptor-v0 flown by 26-64-64-64-4; others: the network alone",
                Some(small),
                || mlp_rollout(64),
            )
        },
        Work {
            beside: "mlp_inference_256",
            ..work(
                "mlp_rollout_256",
                "env steps",
                "Eyas-Raptor-v0 flown by 26-256-256-256-4; others: the network alone",
                Some(large),
                || mlp_rollout(256),
            )
        },
        work(
            "gru_update",
            "sequences",
            "the GRU student through 64 sequences of 500 steps and back, Adam",
            Some(500.0 * 3.0 * gru_flops()),
            gru_update,
        ),
        work(
            "mlp_update",
            "samples",
            "26-256-256-256-4, batches of 256, Adam",
            Some(3.0 * large),
            mlp_update,
        ),
        work(
            "gradient",
            "env steps",
            "26-64-64-4 through 32 steps of the physics and back, Adam",
            Some(3.0 * forward_flops(26, &[64; 2], 4)),
            gradient,
        ),
        work(
            "ppo",
            "env steps",
            "PPO on the point task: 2,048 envs × 32 steps, 3 × 8 mini-batches",
            None,
            ppo,
        ),
        work(
            "distillation",
            "env steps",
            "DAgger on the point task: 512 envs, student 256³, 2 passes over each sample",
            None,
            distillation,
        ),
        work(
            "raptor_epoch",
            "epochs",
            "9,984 episodes × 500 steps of 312 of 1,000 teachers: fly, label, 156 updates",
            None,
            raptor_epoch,
        ),
    ]
}

fn work(
    name: &'static str,
    unit: &'static str,
    about: &'static str,
    flops: Option<f64>,
    prepare: impl Fn() -> Repeat + Sync + 'static,
) -> Work {
    Work { name, beside: name, unit, about, flops, prepare: Box::new(move || Ok(prepare())) }
}

/// The works that a GPU has a part in.
pub(super) fn all_on(device: ComputeDevice) -> Vec<Work> {
    let on = |name, unit, about, prepare: fn(ComputeDevice) -> Result<Repeat, Failure>| Work {
        name,
        beside: name,
        unit,
        about,
        flops: None,
        prepare: Box::new(move || prepare(device)),
    };
    vec![
        on(
            "gru_update_512",
            "sequences",
            "the GRU student 22-16-16-4 through 512 sequences of 500 steps and back, Adam",
            |device| fit(&Architecture::gru_student(22, 16, 4), [512, 500], 10, device),
        ),
        on("mlp_update", "samples", "26-256-256-256-4, batches of 256, Adam", |device| {
            fit(&mlp(256).architecture, [256, 1], 200, device)
        }),
        on("mlp_update_16384", "samples", "the same, batches of 16,384", |device| {
            fit(&mlp(256).architecture, [16_384, 1], 20, device)
        }),
        on(
            "distillation",
            "env steps",
            "DAgger on the point task: 512 envs, student 256³, 2 passes over each sample",
            distillation_on,
        ),
        on(
            "raptor_epoch",
            "epochs",
            "9,984 episodes × 500 steps of 312 of 1,000 teachers: fly, label, 156 updates",
            raptor_epoch_on,
        ),
        on(
            "raptor_flights",
            "env steps",
            "131,072 episodes × 500 steps of as many vehicles, flown by the GRU student 22-16-16-4",
            raptor_flights_on,
        ),
    ]
}

/// Measures a student over whole episodes.
fn raptor_flights_on(device: ComputeDevice) -> Result<Repeat, Failure> {
    const EPISODES: usize = 131_072;
    const STEPS: u32 = 500;
    let (vehicles, fleet) = ((0..EPISODES).map(|it| it % NUM_ENVS).collect::<Vec<_>>(), fleet(NUM_ENVS));
    let env = whole_episodes().env_of_fleet(&fleet, &vehicles, 1);
    let features = env.spec().group("policy").expect("the task has it").features.clone();
    let student = network(Architecture::gru_student(22, 16, 4));
    let actor = Actor { inference: Inference::of_network(&student), features };
    let mut engine = CpuEngine::new(Box::new(env));
    EpisodeDevice::new(device)?.lend(&mut engine);
    Ok(Box::new(move || {
        let flown = evaluate(&mut engine, &actor, None, STEPS).expect("an untrained policy flies");
        flown.outcomes.iter().map(|it| f64::from(it.length)).sum()
    }))
}

/// So many gradient steps on batches of so many sequences of so many steps, a sequence being a unit.
fn fit(
    architecture: &Architecture,
    [sequences, steps]: [usize; 2],
    updates: usize,
    device: ComputeDevice,
) -> Result<Repeat, Failure> {
    let mut fitter = device.fitter(architecture)?;
    let width = architecture.inputs + architecture.outputs;
    let stream = Stream::new(1, "bench/input");
    let episode = |index: usize| {
        let number = |place: usize| 2.0 * stream.uniform([index as u32, place as u32, 0, 0]) - 1.0;
        Episode { records: (0..steps * width).map(number).collect(), width, ..Episode::default() }
    };
    let mut dataset = Dataset::new(u64::MAX, 1);
    dataset.restore((0..sequences).map(episode).collect(), vec![0; sequences], 0);
    let sequence = |episode: usize| Sequence { episode: episode as u32, first: 0, length: steps as u32 };
    let batch: Vec<Sequence> = (0..sequences).map(sequence).collect();
    let exponents = vec![0; architecture.inputs];
    let mut network = network(architecture.clone());
    let mut optimizer = Adam::new(network.parameters.len());
    Ok(Box::new(move || {
        let data = EpochData {
            dataset: &dataset,
            exponents: &exponents,
            batches: vec![&batch; updates],
            learning_rate: 1e-3,
            max_grad_norm: 1.0,
        };
        fitter.fit(&mut network, &mut optimizer, &data).expect("random labels do not diverge");
        (updates * sequences) as f64
    }))
}

/// Two for each weight.
fn forward_flops(inputs: usize, hidden: &[usize], outputs: usize) -> f64 {
    let widths: Vec<usize> = [&[inputs], hidden, &[outputs]].concat();
    2.0 * widths.windows(2).map(|pair| (pair[0] * pair[1]) as f64).sum::<f64>()
}

/// Input layer, the three gates' two products, output layer.
fn gru_flops() -> f64 {
    2.0 * (22.0 * 16.0 + 2.0 * 3.0 * 16.0 * 16.0 + 16.0 * 4.0)
}

fn dynamics() -> Repeat {
    let mut swarm = Swarm::new(&fleet(NUM_ENVS));
    Box::new(move || swarm.fly(100) as f64)
}

fn fleet(vehicles: usize) -> Vec<FleetVehicle> {
    sample_fleet(&SamplerConfig::default(), vehicles, 1)
}

fn raptor_env() -> Env {
    let vehicles: Vec<usize> = (0..NUM_ENVS).collect();
    whole_episodes().env_of_fleet(&fleet(NUM_ENVS), &vehicles, 1)
}

/// The task with episodes of 500 steps, as a policy that can fly makes them, whatever the motors do.
fn whole_episodes() -> RaptorConfig {
    let mut task = RaptorConfig::default();
    task.termination.position_threshold = Some(1e9);
    task.termination.linear_velocity_threshold = 1e9;
    task.termination.angular_velocity_threshold = 1e9;
    task
}

fn env_step() -> Repeat {
    fly(raptor_env(), 0..26, None)
}

fn gru_rollout() -> Repeat {
    fly(raptor_env(), 0..22, Some(network(Architecture::gru_student(22, 16, 4))))
}

fn mlp_rollout(width: usize) -> Repeat {
    fly(raptor_env(), 0..26, Some(mlp(width)))
}

/// Flies every env for many steps, by a network or with motors held at half of their range. Episodes end at different
/// times and begin anew.
fn fly(env: impl VecEnv + 'static, features: Range<usize>, network: Option<Network>) -> Repeat {
    const STEPS: usize = 100;
    struct Flown {
        network: Option<Arc<(Inference, Range<usize>)>>,
        state: Vec<Row>,
        scratch: Scratch,
        length: u32,
        has_begun: bool,
        step: usize,
    }
    impl Rollout for Flown {
        fn begin(&mut self, block: &mut AnyBlock, _used: u32) -> bool {
            if !self.has_begun {
                self.has_begun = true;
                block.reset(u32::MAX);
                let ages = Stream::new(1, "bench/age");
                for lane in 0..BLOCK {
                    let share = ages.uniform([block.first_env(), lane as u32, 0, 0]);
                    block.set_age(lane, (share * self.length as f32) as u32);
                }
            }
            self.step = 0;
            true
        }

        fn act(&mut self, _block: &AnyBlock, observation: &mut [Row], action: &mut [Row]) {
            match self.network.as_deref() {
                Some((inference, features)) => {
                    inference.act(&observation[features.clone()], &mut self.state, &mut self.scratch, action);
                }
                // They are held from the first step on.
                None if self.step == 0 => action.fill(Row::ZERO),
                None => {}
            }
        }

        fn record(&mut self, _: &mut AnyBlock, _: &mut [Row], _: &[Row], step: &Step) -> Next {
            let reset = step.terminated | step.truncated;
            Inference::forget(&mut self.state, reset);
            self.step += 1;
            Next { reset, is_last: self.step == STEPS }
        }
    }
    let mut engine: Box<dyn Engine> = Box::new(CpuEngine::new(Box::new(env)));
    let network = network.map(|it| Arc::new((Inference::of_network(&it), features)));
    let (num_envs, length) = (engine.num_envs(), engine.spec().max_episode_length);
    let new = |_| Flown {
        state: vec![Row::ZERO; network.as_ref().map_or(0, |it| it.0.state_width())],
        network: network.clone(),
        scratch: Scratch::default(),
        length,
        has_begun: false,
        step: 0,
    };
    let mut blocks: Vec<Flown> = (0..engine.num_blocks()).map(new).collect();
    Box::new(move || {
        engine.fly_all(&mut blocks).expect("an untrained policy flies");
        (STEPS * num_envs) as f64
    })
}

fn network(architecture: Architecture) -> Network {
    Network::new(architecture, Init::Torch, Stream::new(1, "bench"))
}

fn mlp(width: usize) -> Network {
    network(Architecture::mlp(26, &[width; 3], 4, Activation::Elu))
}

fn mlp_inference(width: usize) -> Repeat {
    let inference = Inference::of_network(&mlp(width));
    let input = numbers(NUM_ENVS / BLOCK * 26);
    let mut scratch = Scratch::default();
    let mut output = vec![Row::ZERO; 4];
    Box::new(move || {
        for observation in input.chunks_exact(26) {
            inference.act(observation, &mut [], &mut scratch, &mut output);
            black_box(&output);
        }
        NUM_ENVS as f64
    })
}

/// Numbers in [-1, 1).
fn numbers(rows: usize) -> Vec<Row> {
    let stream = Stream::new(1, "bench/input");
    (0..rows)
        .map(|row| {
            let mut numbers = Row::ZERO;
            for (lane, number) in numbers.0.iter_mut().enumerate() {
                *number = 2.0 * stream.uniform([row as u32, lane as u32, 0, 0]) - 1.0;
            }
            numbers
        })
        .collect()
}

fn gru_update() -> Repeat {
    update(network(Architecture::gru_student(22, 16, 4)), 64 / BLOCK, 500, 22, 64.0)
}

fn mlp_update() -> Repeat {
    update(mlp(256), 1, 256 / BLOCK, 26, 256.0)
}

/// Forward, mean squared error, backward and Adam on `shards` of `rows` blocks each.
fn update(mut network: Network, shards: usize, rows: usize, inputs: usize, units: f64) -> Repeat {
    let mut trainer = Trainer::new(&network.architecture).expect("students can be trained");
    let mut adam = Adam::new(network.parameters.len());
    let mut gradient = vec![0.0; network.parameters.len()];
    let (input, label) = (numbers(shards * rows * inputs), numbers(shards * rows * 4));
    let mut pass = Pass::default();
    let scale = 2.0 / (shards * rows * BLOCK * 4) as f32;
    Box::new(move || {
        trainer.refresh(&network.parameters);
        gradient.fill(0.0);
        for (input, label) in input.chunks_exact(rows * inputs).zip(label.chunks_exact(rows * 4)) {
            trainer.forward(input, &mut pass);
            let (output, derivative) = pass.output_and_gradient();
            for ((derivative, output), label) in derivative.iter_mut().zip(output).zip(label) {
                for lane in 0..BLOCK {
                    derivative[lane] = scale * (output[lane] - label[lane]);
                }
            }
            trainer.backward(input, &mut pass, &mut gradient);
        }
        adam.update(&mut network.parameters, &gradient, 1e-3);
        units
    })
}

fn gradient() -> Repeat {
    // The target of the peer's flights rests.
    let mut task = RaptorConfig { prob_null_trajectory: 1.0, ..RaptorConfig::default() };
    task.scene.num_envs = 512;
    let mut config = ApgConfig::<RaptorConfig>::default();
    config.actor.hidden_dims = vec![64; 2];
    config.algorithm.window_steps = 32;
    let trainer = TrainerConfig::Apg(Box::new(config));
    let mut learner = task.learner(&trainer, 1).expect("the network can be trained");
    Box::new(move || learner.iterate().expect("one update does not diverge").env_steps as f64)
}

fn ppo() -> Repeat {
    let mut engine = CpuEngine::new(TaskConfig::make(&PointConfig::default(), 2048, 1));
    let mut config = RunnerConfig { num_steps_per_env: 32, ..RunnerConfig::default() };
    config.algorithm.num_learning_epochs = 3;
    config.algorithm.num_mini_batches = 8;
    let mut ppo = Ppo::new(&config, &mut engine, 1).expect("the networks can be trained");
    Box::new(move || ppo.iterate(&mut engine).expect("one update does not diverge").env_steps as f64)
}

fn distillation() -> Repeat {
    distillation_on(ComputeDevice::Cpu).expect("a student can be fitted on a CPU")
}

fn distillation_on(device: ComputeDevice) -> Result<Repeat, Failure> {
    const EPISODES: u32 = 512;
    let config = DistillConfig {
        num_episodes: EPISODES,
        episode_steps: 100,
        samples_per_epoch: Some(2 * EPISODES as usize * 100),
        on_policy: true,
        ..without_end()
    };
    // Nothing ends an episode early, so that the samples of an epoch are known.
    let env = TaskConfig::make(&TaskConfig::untimed(&PointConfig::default()), EPISODES as usize, 1);
    let group = env.spec().group("teacher").expect("the task has it").features.clone();
    let teacher = Teacher::new(Actor { inference: Inference::of_network(&mlp(64)), features: group.clone() });
    repeat(config, env, vec![teacher], group, device, |report| report.collected.samples as f64)
}

fn raptor_epoch() -> Repeat {
    raptor_epoch_on(ComputeDevice::Cpu).expect("a student can be fitted on a CPU")
}

fn raptor_epoch_on(device: ComputeDevice) -> Result<Repeat, Failure> {
    const TEACHERS: usize = 1000;
    let mut config = DistillConfig {
        num_episodes: BLOCK as u32,
        episode_steps: 500,
        batch_size: Some(64),
        sequence_length: Some(500),
        samples_per_epoch: Some(156 * 64 * 500),
        on_policy: true,
        ..without_end()
    };
    config.student.kind = StudentKind::Gru;
    config.teachers.vehicles_per_epoch = Some(312);
    let vehicles: Vec<usize> = (0..TEACHERS).flat_map(|it| std::iter::repeat_n(it, BLOCK)).collect();
    let env = whole_episodes().env_of_fleet(&fleet(TEACHERS), &vehicles, 1);
    let features = |name: &str| env.spec().group(name).expect("the task has it").features.clone();
    let (student, teacher) = (features("policy"), features("teacher"));
    let network = |index: usize| {
        let architecture = Architecture::mlp(26, &[64; 2], 4, Activation::Elu);
        Network::new(architecture, Init::Torch, Stream::new(index as u64, "bench/teacher"))
    };
    let teachers = (0..TEACHERS)
        .map(|it| {
            Teacher::new(Actor { inference: Inference::of_network(&network(it)), features: teacher.clone() })
        })
        .collect();
    repeat(config, Box::new(env), teachers, student, device, |_| 1.0)
}

/// A distillation that flies the student in every epoch but the first, and measures it never.
fn without_end() -> DistillConfig {
    DistillConfig {
        n_epochs: u32::MAX,
        epoch_teacher_forcing: 0,
        eval_interval: u32::MAX,
        ..DistillConfig::default()
    }
}

/// Runs an epoch after the other, with the student of the one before.
fn repeat(
    config: DistillConfig,
    env: Box<dyn VecEnv>,
    teachers: Vec<Teacher>,
    features: Range<usize>,
    device: ComputeDevice,
    units: fn(&EpochReport) -> f64,
) -> Result<Repeat, Failure> {
    struct Count(fn(&EpochReport) -> f64, f64);
    impl Observer for Count {
        type Error = FitError;
        fn begin(&mut self, _: u32, _: f64) -> Result<(), Self::Error> {
            Ok(())
        }
        fn collected(&mut self, _: &Collected, _: [usize; 2]) -> Result<(), Self::Error> {
            Ok(())
        }
        fn finish(
            &mut self,
            report: &EpochReport,
            _: &Student,
            _: &Dataset,
        ) -> Result<Continue, Self::Error> {
            self.1 = (self.0)(report);
            Ok(Continue::No)
        }
    }
    let policy = new_student(&config, features.clone(), 4, 1);
    let fitter = device.fitter(&policy.network.architecture)?;
    let student = Student::new(policy, features.clone(), 1)?.fitted_by(fitter);
    let dataset = Dataset::new(config.max_memory, 1);
    let mut progress = Progress { student, dataset, epoch: 1 };
    let evaluation = Box::new(|| unreachable!("only the first epoch of these is measured"));
    let mut engine = CpuEngine::new(env);
    EpisodeDevice::new(device)?.lend(&mut engine);
    let mut collector = Collector::new(&config, Box::new(engine), teachers.len(), features, 1, evaluation);
    Ok(Box::new(move || {
        let mut count = Count(units, 0.0);
        distill(&config, &teachers, &mut collector, &mut progress, &mut count)
            .expect("one epoch does not diverge");
        count.1
    }))
}
