//! A number that is not finite leaves a black box, which flies again bit for bit and tells where the number comes from.

use std::path::Path;

use eyas::black_box::{BLACK_BOX, Recording};
use eyas::{AnyTask, tasks};
use eyas_env::{EnvBlock, Step};
use eyas_lanes::Row;
use eyas_learn::{
    AnyBlock, BLACK_BOX_STEPS, Controller, Disturbance, Engine, Next, NotFinite, Rollout, Torture,
    TortureConfig,
};
use eyas_policy::Scratch;
use eyas_vehicles::find_vehicle;

const SEED: u64 = 5;
/// An env of the second block.
const ENV: u32 = 32 + 7;

/// Near hover with a wobble of its own for each env, until an action of one env is no number.
struct Wobble {
    step: u32,
    /// Steps of this flight that are still to fly.
    left: u32,
    breaks_at: u32,
}

impl Rollout for Wobble {
    fn goes_on(&self) -> bool {
        self.step > 0
    }

    fn is_continued(&self) -> bool {
        true
    }

    fn begin(&mut self, block: &mut AnyBlock, _used: u32) -> bool {
        if self.step == 0 {
            block.reset(u32::MAX);
        }
        true
    }

    fn act(&mut self, block: &AnyBlock, _observation: &mut [Row], action: &mut [Row]) {
        for (motor, row) in action.iter_mut().enumerate() {
            for (lane, value) in row.0.iter_mut().enumerate() {
                let phase = (self.step as usize * (motor + 2) + lane) as f32;
                *value = 0.3 * libm::sinf(phase * 0.37);
            }
        }
        if self.step == self.breaks_at && block.first_env() == 32 {
            action[1][7] = f32::NAN;
        }
    }

    fn record(&mut self, _: &mut AnyBlock, _: &mut [Row], _: &[Row], step: &Step) -> Next {
        self.step += 1;
        self.left -= 1;
        Next { reset: step.terminated | step.truncated, is_last: self.left == 0 }
    }
}

/// Flies in parts, as the rollouts of an algorithm are, until a number is not finite.
fn break_it(engine: &mut dyn Engine, breaks_at: u32) -> NotFinite {
    let mut rollouts: Vec<Wobble> =
        (0..engine.num_blocks()).map(|_| Wobble { step: 0, left: 0, breaks_at }).collect();
    loop {
        for rollout in &mut rollouts {
            rollout.left = 24;
        }
        if let Err(error) = engine.fly_all(&mut rollouts) {
            return error;
        }
    }
}

#[track_caller]
fn replays(task: &dyn AnyTask, engine: &mut dyn Engine, breaks_at: u32, folder: &Path) {
    let error = break_it(engine, breaks_at);
    let NotFinite::Flown { quantity, env, black_box: Some(it), .. } = &error else { panic!("{error}") };
    assert_eq!((quantity.as_str(), *env), ("action 1", ENV), "{}", task.id());
    let steps = BLACK_BOX_STEPS.min(breaks_at as usize + 1);
    assert_eq!((it.len(), it.states.len()), (steps, steps + 1), "{}", task.id());
    let path = folder.join(BLACK_BOX);
    let said = eyas::black_box::keep(&error, &path).unwrap();
    assert!(said.contains(&format!("`eyas replay {}`", path.display())), "{said}");

    let replay = Recording::read(&path).unwrap().fly().unwrap();
    let text = replay.text();
    assert!(replay.is_same(), "{}: {text}", task.id());
    let found = [
        format!("all {steps} steps are reproduced bit for bit"),
        format!("first number that is not finite: action 1 in step {steps}"),
        "it comes from the policy".into(),
    ];
    assert!(found.iter().all(|part| text.contains(part)), "{}: {text}", task.id());
}

#[test]
fn the_last_steps_of_every_task_fly_again_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    for task in tasks::defaults().into_iter().map(|it| tasks::find(it.id()).unwrap()) {
        // More than is kept, so that the first of the steps is in the middle of a flight; and less.
        for breaks_at in [333, 60] {
            replays(task.as_ref(), task.make(70, SEED).as_mut(), breaks_at, folder.path());
        }
    }
}

#[test]
fn a_vehicle_of_a_fleet_flies_again_too() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = ["x500", "crazyflie"].map(|name| find_vehicle(name).unwrap().fleet_vehicle());
    let task = tasks::find("raptor").unwrap();
    let turns: Vec<usize> = (0..70).map(|env| env % 2).collect();
    replays(task.as_ref(), task.make_fleet(&fleet, &turns, SEED).as_mut(), 250, folder.path());
}

#[test]
fn what_was_changed_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(BLACK_BOX);
    let task = tasks::find("raptor").unwrap();
    let error = break_it(task.make(70, SEED).as_mut(), 100);
    eyas::black_box::keep(&error, &path).unwrap();

    let arrays = eyas_formats::npy::read_npz(&path).unwrap();
    let write = |of: &str, change: fn(&mut f32)| {
        let mut arrays = arrays.clone();
        let (_, array) = arrays.iter_mut().find(|(name, _)| name == of).unwrap();
        let mut values = array.to_f32();
        change(&mut values[40]);
        *array = eyas_formats::npy::Array::new(array.shape(), eyas_formats::npy::Data::F32(values));
        let all: Vec<(&str, &eyas_formats::npy::Array)> =
            arrays.iter().map(|(name, array)| (name.as_str(), array)).collect();
        eyas_formats::npy::write_npz(&path, &all).unwrap();
        Recording::read(&path).unwrap().fly().unwrap()
    };
    // An action of step 11 has its effect in the state that step 12 begins with.
    let replay = write("action", |it| *it += 1e-3);
    assert!(!replay.is_same() && replay.text().contains("the state of step 12 differs"), "{}", replay.text());
    let replay = write("observation", |it| *it = f32::from_bits(it.to_bits() ^ 1));
    assert!(!replay.is_same() && replay.text().contains("the observation of step"), "{}", replay.text());

    // A state that is not one of whole vehicles.
    let mut cut = arrays.clone();
    let (_, states) = cut.iter_mut().find(|(name, _)| name == "state").unwrap();
    let moments = states.shape()[0];
    let few = states.to_f32()[..5 * moments].to_vec();
    *states = eyas_formats::npy::Array::new(&[moments, 5], eyas_formats::npy::Data::F32(few));
    let all: Vec<(&str, &eyas_formats::npy::Array)> =
        cut.iter().map(|(name, array)| (name.as_str(), array)).collect();
    eyas_formats::npy::write_npz(&path, &all).unwrap();
    let said = Recording::read(&path).err().unwrap().to_string();
    assert!(said.contains("a damaged black box"), "{said}");

    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Recording::read(&path).err().unwrap().to_string()
    };
    assert!(!read(b"no archive").is_empty());
    eyas_formats::npy::write_npz(&path, &[("state", &arrays[0].1)]).unwrap();
    assert!(read(&std::fs::read(&path).unwrap()).contains("it holds no array `about`"));
}

/// An env used to be made with all that come before it: one of 4 × 10⁹ takes 10¹² bytes.
#[test]
fn an_env_is_made_alone_whatever_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(BLACK_BOX);
    let task = tasks::find("raptor").unwrap();
    let error = break_it(task.make(70, SEED).as_mut(), 100);
    eyas::black_box::keep(&error, &path).unwrap();
    let mut arrays = eyas_formats::npy::read_npz(&path).unwrap();
    let (_, about) = arrays.iter_mut().find(|(name, _)| name == "about").unwrap();
    let eyas_formats::npy::Data::U8(text) = about.data() else { panic!("`about` is a text") };
    let text = String::from_utf8(text.clone()).unwrap();
    let far = text.replace(&format!("\"env\":{ENV},"), "\"env\":4000000007,");
    assert_ne!(text, far);
    *about = eyas_formats::npy::Array::new(&[far.len()], eyas_formats::npy::Data::U8(far.into()));
    let all: Vec<(&str, &eyas_formats::npy::Array)> =
        arrays.iter().map(|(name, array)| (name.as_str(), array)).collect();
    eyas_formats::npy::write_npz(&path, &all).unwrap();
    let text = Recording::read(&path).unwrap().fly().unwrap().text();
    assert!(text.contains("env 4000000007"), "{text}");
}

/// As [`Wobble`], of whoever flies the suite: what it remembers is the step.
struct WobblyController {
    num_actions: usize,
    breaks_at: u32,
}

impl Controller for WobblyController {
    fn num_actions(&self) -> usize {
        self.num_actions
    }

    fn state_width(&self) -> usize {
        1
    }

    fn act(
        &self,
        block: &dyn EnvBlock,
        _observation: &[Row],
        state: &mut [Row],
        _scratch: &mut Scratch,
        action: &mut [Row],
    ) {
        let step = state[0][0];
        for (motor, row) in action.iter_mut().enumerate() {
            for (lane, value) in row.0.iter_mut().enumerate() {
                let wave = |faster: f32| libm::sinf((step * faster + lane as f32) * 0.37);
                // Motors differ by so little that nothing tumbles.
                *value = 0.3 * wave(2.0) + 0.002 * wave(motor as f32 + 3.0);
            }
        }
        if step as u32 == self.breaks_at && block.first_env() == 32 {
            action[1][7] = f32::NAN;
        }
        state[0] = Row::splat(step + 1.0);
    }
}

#[test]
fn flights_of_the_torture_suite_fly_again_with_what_disturbed_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(BLACK_BOX);
    // A vehicle that falls for so long that more is flown than is kept, and two that do not.
    let far = ["position", "linear_velocity", "angular_velocity"]
        .map(|limit| format!("env.termination.{limit}_threshold=1e6"));
    let far = far.each_ref().map(String::as_str);
    for (name, limits, onset_s) in [
        ("raptor", &far[..], 2.9),
        ("point_ctrl_single_dense", &[], 0.5),
        ("Isaac-Quadcopter-Direct-v0", &[], 0.5),
    ] {
        let base = tasks::find(name).unwrap();
        let mut layers = eyas_run::Layers::of_groups([("env", base.layers().unwrap())]);
        for (key, value) in base.torture().unwrap() {
            layers.set(key, value, eyas_run::Origin::Preset("torture".into())).unwrap();
        }
        layers.overrides(limits).unwrap();
        let task = base.read(&layers).unwrap().untimed();
        let spec = task.spec();
        let vehicles = [task.vehicle().clone()];
        let config = TortureConfig { duration_s: 8.0, onset_s, ..TortureConfig::default() };
        for disturbance in Disturbance::of(spec.actuation) {
            // In the middle of a push.
            let breaks_at = ((onset_s + 0.05) * spec.control_rate_hz).round() as u32;
            let controller = WobblyController { num_actions: spec.num_actions, breaks_at };
            let torture = Torture { config: &config, disturbance, vehicles: &vehicles, seed: SEED };
            let error = torture.fly(task.make(70, SEED).as_mut(), &controller).unwrap_err();
            let NotFinite::Flown { quantity, env, black_box: Some(it), .. } = &error else {
                panic!("{error}")
            };
            let case = format!("{name}, {disturbance:?}");
            assert_eq!((quantity.as_str(), *env), ("action 1", ENV), "{case}");
            let is_disturbed =
                |numbers: &[f32; 9]| numbers[..3] != [0.0; 3] || numbers[4..] != [0.0, 1.0, 1.0, 1.0, 1.0];
            let disturbed = it.perturbations.iter().filter(|it| is_disturbed(it)).count();
            match disturbance {
                Disturbance::Wind | Disturbance::Payload => assert_eq!(disturbed, it.len(), "{case}"),
                Disturbance::Push | Disturbance::MotorLoss => {
                    assert!((1..it.len()).contains(&disturbed), "{case}");
                }
                _ => assert_eq!(disturbed, 0, "{case}"),
            }
            eyas::black_box::keep(&error, &path).unwrap();
            let replay = Recording::read(&path).unwrap().fly().unwrap();
            assert!(replay.is_same(), "{case}: {}", replay.text());
            assert!(replay.text().contains("it comes from the policy"), "{case}: {}", replay.text());
        }
    }
}
