//! What lies in flash acts as the policy does, to the bit, at the rate that it was trained at.

use std::fs;
use std::path::PathBuf;

use eyas_fly::{Error, Executor, Fault, Kind as StepKind, Rates};
use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, LoadOptions};
use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Inference, Normalizer, Output, Policy};

use crate::fixtures::{network, normalizer};

fn exported(policy: &Policy) -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.bin");
    let contract = Contract::of(policy);
    let export = Export { policy, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(&path, Kind::Fly, &export).unwrap();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

fn student() -> Policy {
    let network = network(Architecture::gru_student(22, 16, 4));
    Policy { normalizer: Some(normalizer(22)), network, output: Output::Identity }
}

fn policies() -> Vec<Policy> {
    let core = |cell, layers| Some(Core { cell, width: 6, layers });
    let shapes = [
        (core(Cell::Gru, 2), Output::Tanh, "elu"),
        (core(Cell::Lstm, 2), Output::Beta, "mish"),
        (core(Cell::Lstm, 1), Output::Identity, "tanh"),
    ];
    let mlps = Activation::names().map(|activation| (None, Output::Identity, activation));
    let policy = |(core, output, activation): (Option<Core>, Output, &str)| {
        let outputs = if output == Output::Beta { 4 } else { 2 };
        let activation = activation.parse().unwrap();
        let architecture = Architecture { core, ..Architecture::mlp(5, &[7, 9], outputs, activation) };
        // One of them limits what its normaliser gives.
        let clip = (activation == Activation::Elu).then_some(1.5);
        let normalizer = Normalizer { clip, ..normalizer(5) };
        Policy { normalizer: Some(normalizer), network: network(architecture), output }
    };
    shapes.into_iter().chain(mlps).map(policy).chain([student()]).collect()
}

/// Observations `[steps][width]` that reach every branch of the activations.
fn observations(steps: usize, width: usize) -> Vec<f32> {
    let sine =
        |index: usize| libm::sinf(index as f32 * 0.73) * libm::expf(3.0 * libm::sinf(index as f32 * 0.011));
    (0..steps * width).map(sine).collect()
}

#[test]
fn flash_gives_the_bits_of_every_policy_over_1000_steps() {
    for policy in policies() {
        let (_folder, path, bytes) = exported(&policy);
        let flown = eyas_fly::Policy::new(&bytes).unwrap();
        let (width, num_actions) = (policy.num_observations(), policy.num_actions());
        assert_eq!((flown.num_observations(), flown.num_actions()), (width, num_actions));
        let mut state = vec![0.0; flown.state_len()];
        let mut scratch = vec![0.0; flown.scratch_len()];
        let [mut observation, mut action] = [vec![0.0; width], vec![0.0; num_actions]];
        assert!(flown.self_test(&mut state, &mut scratch, &mut observation, &mut action).unwrap() == 0.0);

        let observations = observations(1000, width);
        let expected = Inference::new(&policy).act_on_record(&observations, 1000, 1);
        for (observation, expected) in observations.chunks(width).zip(expected.chunks(num_actions)) {
            flown.act(observation, &mut state, &mut scratch, &mut action).unwrap();
            let bits = |numbers: &[f32]| numbers.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&action), bits(expected), "{:?}", policy.network.architecture);
        }

        let found = Checkpoint::read(&path).unwrap().policy(&LoadOptions::default()).unwrap();
        assert!(Contract::of(&policy).test.replay(&found.policy) <= 1e-6);
    }
}

#[test]
fn bytes_that_are_no_policy_are_told_apart_and_none_ends_the_program() {
    let (_folder, path, good) = exported(&student());
    let found = |bytes: &[u8]| eyas_fly::Policy::new(bytes).err();
    assert_eq!(found(b"EYASFLY2 and more"), Some(Error::NoPolicy));
    assert_eq!(found(&[]), Some(Error::NoPolicy));
    for length in 8..good.len() {
        assert_eq!(found(&good[..length]), Some(Error::Length), "{length}");
    }
    // What lies behind it in flash does not matter.
    assert_eq!(found(&[&good[..], &[0xff; 33]].concat()), None);
    for place in (8..good.len()).step_by(5) {
        let mut bytes = good.clone();
        bytes[place] ^= 0x10;
        assert!(found(&bytes).is_some(), "byte {place}");
    }
    fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(Checkpoint::read(&path).unwrap_err().to_string().contains("cut short"));
}

const RATES: Rates = Rates {
    native_ns: 10_000_000,
    call_ns: 2_500_000,
    timeout_ns: 50_000_000,
    previous_action: None,
    first_action: 0.0,
};

type Student<'a> = Executor<'a, 22, 4, 16, 140>;

#[test]
fn at_the_trained_rate_every_step_is_native_and_at_four_times_it_every_fourth() {
    let (_folder, _path, bytes) = exported(&student());
    let policy = eyas_fly::Policy::new(&bytes).unwrap();
    let observations = observations(40, 22);
    let rows: Vec<&[f32; 22]> = observations.chunks(22).map(|it| it.try_into().unwrap()).collect();
    let expected = Inference::new(&student()).act_on_record(&observations, 40, 1);
    let expected: Vec<[f32; 4]> =
        expected.chunks(4).map(|it| [it[0], it[1], it[2], it[3]].map(|it| it.clamp(-1.0, 1.0))).collect();

    let mut slow = Student::new(policy, RATES).unwrap();
    for (step, (row, expected)) in rows.iter().zip(&expected).enumerate() {
        let found = slow.control(step as u64 * 10_000_000, row).unwrap();
        assert_eq!((found.kind, found.is_first), (StepKind::Native, step == 0));
        assert_eq!(found.action.map(f32::to_bits), expected.map(f32::to_bits));
    }
    // Calls between change nothing of the native ones, whatever they observe.
    let mut fast = Student::new(policy, RATES).unwrap();
    for (step, (row, expected)) in rows.iter().zip(&expected).enumerate() {
        for call in 0..4_u64 {
            let found = fast.control(step as u64 * 10_000_000 + call * 2_500_000, row).unwrap();
            assert_eq!(found.kind, if call == 0 { StepKind::Native } else { StepKind::Intermediate });
            if call == 0 {
                assert_eq!(found.action.map(f32::to_bits), expected.map(f32::to_bits));
            }
        }
    }
}

#[test]
fn jitter_does_not_lower_the_rate_of_native_steps_and_is_reported() {
    let (_folder, _path, bytes) = exported(&student());
    let mut executor = Student::new(eyas_fly::Policy::new(&bytes).unwrap(), RATES).unwrap();
    let mut natives = 0;
    // 3.2 ms do not divide 10 ms: a schedule that counts from the last native step would make it 12.8.
    let mut last = None;
    for call in 0..1000_u64 {
        let step = executor.control(call * 3_200_000, &[0.1; 22]).unwrap();
        natives += u32::from(step.kind == StepKind::Native);
        last = Some(step);
    }
    assert!((319..=321).contains(&natives), "{natives} native steps in 3.2 s");
    let calls = last.unwrap().calls.unwrap();
    assert!((calls.mean - 1.28).abs() < 1e-4 && calls.is_biased() && calls.jitters(), "{calls:?}");
    let native = last.unwrap().native.unwrap();
    assert!((native.mean - 1.0).abs() < 0.01 && !native.is_biased() && native.jitters(), "{native:?}");
}

#[test]
fn the_action_before_is_the_average_over_time_since_the_last_native_step() {
    // The policy's action is the action before that it observes: a linear map that picks it.
    let mut network = network(Architecture::mlp(22, &[], 4, Activation::Identity));
    network.parameters.fill(0.0);
    for action in 0..4 {
        network.parameters[action * 22 + 18 + action] = 1.0;
        // And feature 0 is added, so that the test says what flies.
        network.parameters[action * 22] = 1.0;
    }
    let policy = Policy { normalizer: None, network, output: Output::Identity };
    let (_folder, _path, bytes) = exported(&policy);
    let rates = Rates { previous_action: Some(18), first_action: 0.25, ..RATES };
    let policy = eyas_fly::Policy::new(&bytes).unwrap();
    let mut executor = Executor::<22, 4, 0, 44>::new(policy, rates).unwrap();
    let mut control = |now_ns: u64, feature: f32| {
        let mut observation = [9.0; 22];
        observation[0] = feature;
        executor.control(now_ns, &observation).unwrap().action[0]
    };
    // First: 0.25 + 0.25. Then 0.5 flew for 2 ms, and 0.1 for 8 ms.
    assert!((control(0, 0.25) - 0.5).abs() < 1e-6);
    assert!((control(2_000_000, -0.4) - 0.1).abs() < 1e-6);
    let mean = 0.2 * 0.5 + 0.8 * 0.1;
    assert!((control(10_000_000, 0.0) - mean).abs() < 1e-6);
    // The window begins anew: only what flew since counts.
    assert!((control(12_000_000, 0.0) - mean).abs() < 1e-6);
}

#[test]
fn faults_change_nothing_and_a_gap_begins_an_episode() {
    let (_folder, _path, bytes) = exported(&student());
    let policy = eyas_fly::Policy::new(&bytes).unwrap();
    let fly = |disturb: bool| {
        let mut executor = Student::new(policy, RATES).unwrap();
        let mut actions = Vec::new();
        for step in 0..20_u64 {
            let now = 1_000_000_000 + step * 10_000_000;
            if disturb && step == 7 {
                let mut broken = [0.1; 22];
                broken[3] = f32::NAN;
                let fault = executor.control(now, &broken).unwrap_err();
                assert_eq!(fault, Fault::Policy(Error::NotFinite));
                let back = executor.control(now - 500_000_000, &[0.1; 22]).unwrap_err();
                assert_eq!(back, Fault::TimeWentBack);
            }
            actions.push(executor.control(now, &[0.1 + step as f32 / 50.0; 22]).unwrap().action);
        }
        (executor, actions)
    };
    let ((mut executor, disturbed), (_, calm)) = (fly(true), fly(false));
    assert_eq!(disturbed, calm);
    let after = executor.control(9_000_000_000, &[0.1; 22]).unwrap();
    assert!(after.is_first && after.kind == StepKind::Native);
    assert_eq!(after.action.map(f32::to_bits), calm[0].map(f32::to_bits));
}

#[test]
fn too_little_memory_and_a_failed_self_test_are_refused() {
    let (_folder, _path, bytes) = exported(&student());
    let policy = eyas_fly::Policy::new(&bytes).unwrap();
    assert_eq!((policy.state_len(), policy.scratch_len()), (16, 140));
    assert_eq!(Executor::<22, 4, 15, 140>::new(policy, RATES).err(), Some(Error::Memory));
    assert_eq!(Executor::<22, 4, 16, 139>::new(policy, RATES).err(), Some(Error::Memory));
    assert_eq!(Executor::<23, 4, 16, 140>::new(policy, RATES).err(), Some(Error::Memory));
    let outside = Rates { previous_action: Some(19), ..RATES };
    assert_eq!(Student::new(policy, outside).err(), Some(Error::Memory));
    assert_eq!(Student::new(policy, Rates { call_ns: 0, ..RATES }).err(), Some(Error::Fact));
    // A contract of another policy: its actions are not this one's.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.bin");
    let contract = Contract::of(&student());
    let mut other = student();
    other.network.parameters[5] += 0.1;
    let export = Export { policy: &other, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(&path, Kind::Fly, &export).unwrap();
    let bytes = fs::read(&path).unwrap();
    let policy = eyas_fly::Policy::new(&bytes).unwrap();
    assert_eq!(Student::new(policy, RATES).err(), Some(Error::Fact));
}
