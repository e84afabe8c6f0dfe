//! What flies on a GPU has the bits of what flies on the CPU.

use eyas_env::{DirectConfig, EnvSpec, PointConfig, RaptorConfig, TaskConfig, VecEnv};
use eyas_gpu::Flights;
use eyas_lanes::Stream;
use eyas_learn::distill::{
    Collected, Collector, Continue, Dataset, DistillConfig, EpochReport, FitError, Observer, Progress,
    Student, Teacher, distill, new_student,
};
use eyas_learn::{
    Actor, CpuEngine, Engine, EpisodeFlyer, EpisodePlan, FlownEpisode, NotFinite, OnNan, Rollout, evaluate,
};
use eyas_policy::{Activation, Architecture, Cell, Core, Init, Network, Normalizer, Output, Policy};

use crate::device;

const SEED: u64 = 11;
/// The last block has lanes that are no envs. Of few blocks the kernel takes quarters.
const NUM_ENVS: usize = 75;
/// So many that whole blocks fly, on any card with less than 258 multiprocessors.
const MORE_ENVS: usize = 32 * 129;
/// So many that each block has a warp of its own, of up to 150 multiprocessors.
const MANY_ENVS: usize = 32 * 1200;

/// A GPU that flies all that it is asked for by itself, or what is asked for is a failure.
struct Alone(CpuEngine);

impl Alone {
    fn new(env: Box<dyn VecEnv>, flights: &Flights) -> Self {
        let mut engine = CpuEngine::new(env);
        engine.set_episode_flyer(Box::new(flights.flyer()));
        Self(engine)
    }
}

impl Engine for Alone {
    fn spec(&self) -> &EnvSpec {
        self.0.spec()
    }

    fn num_envs(&self) -> usize {
        self.0.num_envs()
    }

    fn num_vehicles(&self) -> usize {
        self.0.num_vehicles()
    }

    fn fly(&mut self, _: &mut [&mut dyn Rollout]) -> Result<(), NotFinite> {
        panic!("this was to fly on a GPU")
    }

    fn set_episode_flyer(&mut self, _: Box<dyn EpisodeFlyer>) {
        unreachable!("it has one")
    }

    fn fly_episodes(&mut self, plan: &EpisodePlan) -> Option<Vec<Vec<FlownEpisode>>> {
        self.0.fly_episodes(plan)
    }

    fn visit_state(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        self.0.visit_state(visit);
    }

    fn set_steps_flown(&mut self, steps: u32) {
        self.0.set_steps_flown(steps);
    }

    fn set_on_nan(&mut self, on_nan: OnNan) {
        self.0.set_on_nan(on_nan);
    }

    fn num_lost(&self) -> u64 {
        self.0.num_lost()
    }
}

fn flights() -> Option<Flights> {
    Some(Flights::new(&device()?, |why| panic!("{why}")).unwrap())
}

/// Makes the same envs every time.
type Make = Box<dyn Fn() -> Box<dyn VecEnv>>;

pub(crate) fn tasks(num_envs: usize) -> Vec<(&'static str, Make)> {
    fn task<T: TaskConfig>(config: T, num_envs: usize) -> Make {
        Box::new(move || config.make(num_envs, SEED))
    }
    vec![
        ("point", task(PointConfig::default(), num_envs)),
        ("direct", task(DirectConfig::default(), num_envs)),
        ("raptor", task(RaptorConfig::default(), num_envs)),
    ]
}

fn recurrent(cell: Cell, layers: usize, width: usize, encoder: &[usize], hidden: &[usize]) -> Architecture {
    Architecture {
        inputs: 0,
        encoder: encoder.to_vec(),
        core: Some(Core { cell, width, layers }),
        hidden: hidden.to_vec(),
        outputs: 4,
        activation: Activation::Elu,
    }
}

/// Networks of every kind, whose actions are small enough for long flights and large enough for crashes.
fn policies(spec: &EnvSpec) -> Vec<Actor> {
    let features = spec.groups[0].features.clone();
    let inputs = features.len();
    let shapes = [
        (Architecture::mlp(inputs, &[64, 70], 4, Activation::Elu), Output::Identity, 0.1),
        (Architecture::mlp(inputs, &[256, 128], 4, Activation::Relu), Output::Tanh, 1.0),
        (Architecture::gru_student(inputs, 16, 4), Output::Identity, 0.3),
        (recurrent(Cell::Gru, 2, 20, &[], &[24]), Output::Tanh, 1.0),
        (recurrent(Cell::Lstm, 2, 33, &[17], &[]), Output::Identity, 0.5),
        (
            Architecture { outputs: 8, ..Architecture::mlp(inputs, &[40], 4, Activation::Softplus) },
            Output::Beta,
            1.0,
        ),
    ];
    let policy = |(index, (shape, output, scale)): (usize, (Architecture, Output, f32))| {
        let mut network = Network::new(
            Architecture { inputs, ..shape },
            Init::Torch,
            Stream::new(index as u64, "test/fly"),
        );
        network.parameters.iter_mut().for_each(|it| *it *= scale);
        let normalizer = (index % 2 == 1).then(|| {
            let mut normalizer = Normalizer::new(inputs);
            normalizer.mean.iter_mut().enumerate().for_each(|(place, it)| *it = 0.01 * place as f32);
            normalizer.clip = (index == 3).then_some(0.7);
            normalizer
        });
        let policy = Policy { normalizer, network, output };
        Actor { inference: eyas_policy::Inference::new(&policy), features: features.clone() }
    };
    shapes.into_iter().enumerate().map(policy).collect()
}

#[test]
fn a_gpu_measures_every_kind_of_policy_in_every_task_with_the_bits_of_the_cpu() {
    let Some(flights) = flights() else { return };
    let mut settled = 0;
    for (name, make) in tasks(NUM_ENVS).into_iter().chain(tasks(MORE_ENVS)) {
        let mut cpu = CpuEngine::new(make());
        let mut gpu = Alone::new(make(), &flights);
        let actors = policies(cpu.spec());
        for (index, actor) in actors.iter().enumerate() {
            let labeller = (index > 0).then(|| &actors[index - 1]);
            let right = evaluate(&mut cpu, actor, labeller, 130).unwrap();
            let found = evaluate(&mut gpu, actor, labeller, 130).unwrap();
            let differ = right.outcomes.iter().zip(&found.outcomes).position(|(a, b)| a != b);
            assert_eq!(
                differ.map(|env| (env, right.outcomes[env], found.outcomes[env])),
                None,
                "{name}, policy {index}"
            );
            assert_eq!((right.outcomes.len(), right.num_labels), (found.outcomes.len(), found.num_labels));
            settled += right.outcomes.iter().map(|it| it.settled_steps).sum::<u32>();
        }
    }
    assert!(settled > 300, "hardly an episode lasted: {settled}");
}

#[test]
fn a_gpu_flies_many_envs_with_the_bits_of_the_cpu() {
    let Some(flights) = flights() else { return };
    for (name, make) in tasks(MANY_ENVS) {
        let mut cpu = CpuEngine::new(make());
        let mut gpu = Alone::new(make(), &flights);
        let actors = policies(cpu.spec());
        // Of up to 64 rows: a GRU of 16 units, asked beside a Beta policy.
        let (actor, labeller) = (&actors[2], &actors[5]);
        for _ in 0..2 {
            let right = evaluate(&mut cpu, actor, Some(labeller), 40).unwrap();
            let found = evaluate(&mut gpu, actor, Some(labeller), 40).unwrap();
            assert!(right == found, "{name}");
        }
    }
}

/// Takes note of what a distillation reports.
#[derive(Default)]
struct Notes(Vec<(Collected, Vec<f64>, Option<eyas_learn::Evaluation>)>);

#[derive(Debug)]
struct Failed;

impl From<NotFinite> for Failed {
    fn from(_: NotFinite) -> Self {
        Self
    }
}

impl From<FitError> for Failed {
    fn from(_: FitError) -> Self {
        Self
    }
}

impl Observer for Notes {
    type Error = Failed;

    fn begin(&mut self, _: u32, _: f64) -> Result<(), Failed> {
        Ok(())
    }

    fn collected(&mut self, _: &Collected, _: [usize; 2]) -> Result<(), Failed> {
        Ok(())
    }

    fn finish(&mut self, report: &EpochReport, _: &Student, _: &Dataset) -> Result<Continue, Failed> {
        self.0.push((report.collected.clone(), report.losses.clone(), report.evaluation.clone()));
        Ok(Continue::Yes)
    }
}

#[test]
fn a_gpu_collects_what_the_cpu_collects() {
    let Some(flights) = flights() else { return };
    for (name, make) in tasks(NUM_ENVS).into_iter().chain(tasks(MORE_ENVS)) {
        let spec = CpuEngine::new(make()).spec().clone();
        let features = spec.groups[0].features.clone();
        let teachers: Vec<Teacher> = policies(&spec)
            .into_iter()
            .take(3)
            .enumerate()
            .map(|(index, actor)| Teacher {
                label_std: (index == 1).then(|| vec![0.1, 0.2, 0.3, 0.4]),
                ..Teacher::new(actor)
            })
            .collect();
        let config = DistillConfig {
            n_epochs: 4,
            epoch_teacher_forcing: 2,
            num_episodes: 61,
            episode_steps: 90,
            clamp_labels: true,
            ..DistillConfig::default()
        };
        let run = |engine: &dyn Fn(usize) -> Box<dyn Engine>,
                   evaluation: Box<dyn Fn() -> Box<dyn Engine>>| {
            let student = new_student(&config, features.clone(), 4, SEED);
            let student = Student::new(student, features.clone(), SEED).unwrap();
            let dataset = Dataset::new(u64::MAX, SEED);
            let mut progress = Progress { student, dataset, epoch: 0 };
            let mut collector =
                Collector::new(&config, engine(0), teachers.len(), features.clone(), SEED, evaluation);
            let mut notes = Notes::default();
            distill(&config, &teachers, &mut collector, &mut progress, &mut notes).unwrap();
            (progress.dataset.episodes, notes.0, progress.student.stored().policy.network.parameters)
        };
        let make: std::sync::Arc<dyn Fn() -> Box<dyn VecEnv>> = make.into();
        let on_cpu = {
            let make = make.clone();
            move || Box::new(CpuEngine::new(make())) as Box<dyn Engine>
        };
        let on_gpu = {
            let (make, flights) = (make.clone(), flights.clone());
            move || Box::new(Alone::new(make(), &flights)) as Box<dyn Engine>
        };
        let right = run(&|_| on_cpu(), Box::new(on_cpu.clone()));
        let found = run(&|_| on_gpu(), Box::new(on_gpu.clone()));
        let differ = right.0.iter().zip(&found.0).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{name}: an episode differs");
        assert_eq!(right.0.len(), found.0.len(), "{name}");
        assert!(right.1 == found.1, "{name}: {:?}, not {:?}", found.1, right.1);
        assert!(right.2 == found.2, "{name}: other students");
    }
}
