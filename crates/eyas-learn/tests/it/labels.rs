//! The student flies, and the teacher labels each state that it visits with its own action there.

use eyas_env::{PointConfig, TaskConfig};
use eyas_lanes::{BLOCK, Row, Stream, lanes_of};
use eyas_learn::distill::{
    Collected, Collector, Continue, Dataset, DistillConfig, Episode, EpochReport, FitError, Observer,
    Progress, Student, StudentKind, Teacher, distill, new_student,
};
use eyas_learn::{Actor, CpuEngine, Engine};
use eyas_policy::{Activation, Architecture, Inference, Init, Network, Normalizer, Output, Policy, Scratch};

use crate::flight::act;

const SEED: u64 = 5;
/// Episodes of an epoch: two in each env.
const EPISODES: u32 = 2 * BLOCK as u32;
/// Control steps after which an episode is cut.
const STEPS: u32 = 90;
const OBSERVATIONS: usize = 26;
const ACTIONS: usize = 4;

/// Half of the epochs are the teacher's.
fn config(kind: StudentKind) -> DistillConfig {
    let mut config = DistillConfig {
        n_epochs: 4,
        num_episodes: EPISODES,
        epoch_teacher_forcing: 2,
        episode_steps: STEPS,
        samples_per_epoch: Some(2000),
        eval_interval: 100,
        eval_episodes: 1,
        eval_steps: 1,
        ..DistillConfig::default()
    };
    config.student.kind = kind;
    config.student.hidden_dims = vec![16];
    config
}

/// A teacher that knows nothing, and asks for more than motors give.
fn teacher() -> Policy {
    let architecture = Architecture::mlp(OBSERVATIONS, &[12, 8], ACTIONS, Activation::Elu);
    let mut network = Network::new(architecture, Init::Torch, Stream::new(SEED, "teacher"));
    let last = network.parameters.len() - (8 + 1) * ACTIONS;
    network.parameters[last..].iter_mut().for_each(|it| *it *= 6.0);
    let mut normalizer = Normalizer::new(OBSERVATIONS);
    normalizer.update(1, &[0.125; OBSERVATIONS], &[0.25; OBSERVATIONS]);
    Policy { normalizer: Some(normalizer), network, output: Output::Identity }
}

/// Keeps the student of each epoch as it flew, and the episodes that it added.
struct Flights {
    student: Actor,
    epochs: Vec<(Actor, Vec<Episode>)>,
}

impl Observer for Flights {
    type Error = FitError;

    fn begin(&mut self, epoch: u32, beta: f64) -> Result<(), FitError> {
        assert_eq!(beta > 0.5, epoch < 2);
        Ok(())
    }

    fn collected(&mut self, collected: &Collected, _: [usize; 2]) -> Result<(), FitError> {
        assert_eq!(collected.episodes, EPISODES as usize);
        Ok(())
    }

    fn finish(
        &mut self,
        _: &EpochReport,
        student: &Student,
        dataset: &Dataset,
    ) -> Result<Continue, FitError> {
        let flown = dataset.episodes[self.epochs.len() * EPISODES as usize..].to_vec();
        self.epochs.push((std::mem::replace(&mut self.student, student.actor()), flown));
        Ok(Continue::Yes)
    }
}

/// Distils, and tells what each epoch flew.
fn flown(config: &DistillConfig) -> Vec<(Actor, Vec<Episode>)> {
    let task = PointConfig::default();
    let spec = task.spec();
    let features = spec.group(config.student.group(&spec)).unwrap().features.clone();
    let teachers = [Teacher::new(Actor::new(&teacher(), &spec).unwrap())];
    let engine = |num_envs, seed| -> Box<dyn Engine> {
        Box::new(CpuEngine::new(PointConfig::default().make(num_envs, seed)))
    };
    let make = Box::new(move || engine(1, SEED + 1));
    let mut collector = Collector::new(config, engine(BLOCK, SEED), 1, features.clone(), SEED, make);
    let student = Student::new(new_student(config, features.clone(), ACTIONS, SEED), features, SEED).unwrap();
    let mut flights = Flights { student: student.actor(), epochs: Vec::new() };
    let dataset = Dataset::new(config.max_memory, SEED);
    let mut progress = Progress { student, dataset, epoch: 0 };
    distill(config, &teachers, &mut collector, &mut progress, &mut flights).unwrap();
    flights.epochs
}

/// What a policy sees on its flights of an epoch: the observations of each episode, in the order of envs.
fn visited(actor: &Actor, epoch: u32) -> Vec<Vec<[f32; OBSERVATIONS]>> {
    let mut env = PointConfig::default().make(BLOCK, SEED);
    let block = env.blocks()[0].as_mut();
    let each = EPISODES / BLOCK as u32;
    (0..BLOCK).for_each(|lane| block.set_next_episode(lane, each * epoch));
    let mut done = vec![Vec::new(); BLOCK];
    let mut open = vec![Vec::new(); BLOCK];
    let (mut observation, mut action) = (vec![Row::ZERO; OBSERVATIONS], vec![Row::ZERO; ACTIONS]);
    let mut state = vec![Row::ZERO; actor.inference.state_width()];
    let mut scratch = Scratch::default();
    let mut flying = u32::MAX;
    block.reset(flying);
    while flying != 0 {
        block.observe(&mut observation);
        actor.inference.act(&observation[actor.features.clone()], &mut state, &mut scratch, &mut action);
        let outcome = block.step(&action);
        let mut ended = 0;
        for lane in lanes_of(flying) {
            open[lane].push(std::array::from_fn(|feature| observation[feature][lane]));
            let is_over = (outcome.terminated | outcome.truncated) >> lane & 1 == 1;
            if is_over || open[lane].len() == STEPS as usize {
                ended |= 1 << lane;
                done[lane].push(std::mem::take(&mut open[lane]));
                flying &= !(u32::from(done[lane].len() == each as usize) << lane);
            }
        }
        Inference::forget(&mut state, ended);
        block.reset(ended & flying);
    }
    done.into_iter().flatten().collect()
}

#[test]
fn the_teacher_labels_what_the_student_visits_with_its_own_actions() {
    let policy = teacher();
    let own = Actor::new(&policy, &PointConfig::default().spec()).unwrap();
    let parameters: Vec<f64> = policy.network.parameters.iter().copied().map(f64::from).collect();
    let (architecture, normalizer) = (&policy.network.architecture, policy.normalizer.as_ref().unwrap());
    for kind in [StudentKind::Mlp, StudentKind::Gru] {
        let config = config(kind);
        let (mut limited, mut crashed) = (0, 0);
        for (epoch, (student, episodes)) in (0..).zip(flown(&config)) {
            let flies = if epoch < config.epoch_teacher_forcing { &own } else { &student };
            let visited = visited(flies, epoch);
            assert_eq!(visited.len(), episodes.len());
            let width = student.features.len();
            for (place, (episode, visited)) in episodes.iter().zip(&visited).enumerate() {
                let what = format!("{kind:?}, epoch {epoch}, episode {place}");
                assert_eq!(
                    (episode.width, episode.num_samples()),
                    (width + ACTIONS, visited.len()),
                    "{what}"
                );
                crashed += u32::from(episode.crashed);
                for (record, seen) in episode.records.chunks(episode.width).zip(visited) {
                    let (observation, label) = record.split_at(width);
                    assert!(observation == &seen[student.features.clone()], "{what}: another flight");
                    let expected = act(architecture, normalizer, &parameters, &seen.map(f64::from));
                    for (label, expected) in label.iter().zip(expected) {
                        // A network of three layers in 32 bits, whose last has weights of up to 2.
                        let error = (f64::from(*label) - expected.clamp(-1.0, 1.0)).abs();
                        assert!(error < 1e-5, "{what}: label {label}, the teacher acts {expected}");
                        limited += u32::from(expected.abs() > 1.0);
                    }
                }
            }
        }
        assert!(limited > 100 && crashed > 10, "{limited} labels are limited, {crashed} episodes crashed");
    }
}
