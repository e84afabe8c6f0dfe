//! What is written as C compiles without a warning and acts as the policy does, to the bit.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use eyas_formats::convert::{self, Export, Kind};
use eyas_formats::{Checkpoint, LoadOptions};
use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Inference, Normalizer, Output, Policy};
use eyas_testing::skip;

use crate::fixtures::{network, normalizer};

/// Reads observations from the standard input, writes actions; the first line says whether it took off.
const FLIGHT: &str = r#"
#include "my policy.h"
#include <stdio.h>

int main(void)
{
    static my_policy_state state;
    float observation[MY_POLICY_OBSERVATIONS], action[MY_POLICY_ACTIONS];
    int failed = my_policy_init(&state);
    fprintf(stderr, "%d %g\n", failed, (double)my_policy_self_test());
    while (fread(observation, sizeof observation, 1, stdin) == 1) {
        if (my_policy_control(&state, observation, action)) {
            return 3;
        }
        fwrite(action, sizeof action, 1, stdout);
    }
    return failed;
}
"#;

const STEPS: usize = 1000;

/// The compilers of this machine; the test is skipped where there is none.
#[track_caller]
pub(crate) fn compilers() -> Vec<&'static str> {
    let runs = |compiler: &&str| Command::new(compiler).arg("--version").output().is_ok();
    let found: Vec<_> = ["gcc", "clang", "clang-14", "cc"].into_iter().filter(runs).collect();
    if found.is_empty() {
        skip("a C compiler");
    }
    found
}

fn compile(compiler: &str, folder: &Path, flags: &[&str]) {
    let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-O2"];
    let files = ["flight.c", "my policy.c", "-o", "flight", "-lm"];
    let output =
        Command::new(compiler).current_dir(folder).args(strict).args(flags).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{compiler} {flags:?}: {said}");
}

/// Writes a policy and the program that flies it.
fn write(folder: &Path, policy: &Policy, contract: &Contract) {
    write_as(Kind::C, folder, policy, contract);
}

fn write_as(kind: Kind, folder: &Path, policy: &Policy, contract: &Contract) {
    let export = Export { policy, contract, std: None, critic: None, iteration: 0 };
    convert::write(&folder.join("my policy.c"), kind, &export).unwrap();
    fs::write(folder.join("flight.c"), FLIGHT).unwrap();
}

/// The actions of the compiled policy, `[steps][actions]`.
fn fly(folder: &Path, observations: &[f32]) -> Vec<f32> {
    let bytes: Vec<u8> = observations.iter().flat_map(|it| it.to_ne_bytes()).collect();
    fs::write(folder.join("observations"), bytes).unwrap();
    let input = fs::File::open(folder.join("observations")).unwrap();
    let output = Command::new(folder.join("flight")).stdin(input).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(said, "0 0\n", "the self-test finds no difference");
    output.stdout.chunks_exact(4).map(|it| f32::from_ne_bytes(it.try_into().unwrap())).collect()
}

fn policies() -> Vec<Policy> {
    let core = |cell, layers| Some(Core { cell, width: 6, layers });
    let mut policies: Vec<Policy> = [
        (None, Output::Identity, Activation::Elu),
        (core(Cell::Gru, 1), Output::Tanh, Activation::Elu),
        (core(Cell::Gru, 2), Output::Identity, Activation::Relu),
        (core(Cell::Lstm, 2), Output::Beta, Activation::Tanh),
        (None, Output::Tanh, Activation::Identity),
    ]
    .into_iter()
    .map(|(core, output, activation)| {
        let outputs = if output == Output::Beta { 4 } else { 2 };
        let architecture = Architecture { core, ..Architecture::mlp(5, &[7, 9], outputs, activation) };
        // One of them limits what its normaliser gives.
        let clip = (activation == Activation::Elu).then_some(1.5);
        let normalizer = Normalizer { clip, ..normalizer(5) };
        Policy { normalizer: Some(normalizer), network: network(architecture), output }
    })
    .collect();
    let network_of =
        |architecture| Policy { normalizer: None, network: network(architecture), output: Output::Identity };
    policies.push(network_of(Architecture::gru_student(22, 16, 4)));
    // A linear map: no layer has an activation.
    policies.push(network_of(Architecture::mlp(3, &[], 2, Activation::Mish)));
    let activations = Activation::names().map(|name| name.parse().unwrap());
    policies.extend(activations.map(|activation| network_of(Architecture::mlp(5, &[7], 2, activation))));
    policies
}

/// Numbers from far below to far above what the layers are used to, so that every branch of the activations is taken.
fn observations(width: usize) -> Vec<f32> {
    let sine =
        |index: usize| libm::sinf(index as f32 * 0.73) * libm::expf(libm::sinf(index as f32 * 0.011) * 4.0);
    (0..STEPS * width).map(sine).collect()
}

#[test]
fn c_gives_the_bits_of_every_policy_over_1000_steps() {
    let compilers = compilers();
    // What a compiler may fuse or reorder by default is a matter of the dialect and of the optimisation.
    let eager: &[&str] = &["-std=gnu11", "-O3", "-march=native"];
    for (index, policy) in policies().into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let task = Some("a /* task */ of \\ mine".to_owned());
        write(folder.path(), &policy, &Contract { task, ..Contract::of(&policy) });
        let observations = observations(policy.num_observations());
        let expected = Inference::new(&policy).act_on_record(&observations, STEPS, 1);
        for compiler in &compilers {
            for flags in [&["-std=c99"], eager].into_iter().take(if index < 4 { 2 } else { 1 }) {
                compile(compiler, folder.path(), flags);
                let found = fly(folder.path(), &observations);
                let bits = |numbers: &[f32]| numbers.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
                let shape = &policy.network.architecture;
                assert_eq!(bits(&found), bits(&expected), "{compiler} {flags:?}: {shape:?}");
            }
        }
    }
}

/// Each row of a matrix has its own scale; the nearest of 255 numbers is at most half of one away.
#[test]
fn weights_of_eight_bits_fly_as_they_are_read_and_are_near_the_policys() {
    let compilers = compilers();
    for policy in policies().into_iter().take(6) {
        let folder = tempfile::tempdir().unwrap();
        write_as(Kind::CInt8, folder.path(), &policy, &Contract::of(&policy));
        let path = folder.path().join("my policy.c");
        let read = Checkpoint::read(&path).unwrap();
        let found = read.policy(&LoadOptions::default()).unwrap().policy;
        assert_eq!(read.contract_for(&found).unwrap().unwrap().test.replay(&found).to_bits(), 0);
        for tensor in policy.network.architecture.tensors() {
            let [own, found] = [&policy, &found].map(|it| &it.network.parameters[tensor.range.clone()]);
            let [_, columns] = tensor.shape[..] else {
                assert_eq!(own, found, "{}", tensor.name);
                continue;
            };
            for (own, found) in own.chunks(columns).zip(found.chunks(columns)) {
                let step = own.iter().fold(0.0_f32, |most, it| most.max(it.abs())) / 127.0;
                let near = |(own, found): (&f32, &f32)| (own - found).abs() <= 0.5001 * step;
                assert!(own.iter().zip(found).all(near), "{}", tensor.name);
            }
        }
        let observations = observations(policy.num_observations());
        let expected = Inference::new(&found).act_on_record(&observations, STEPS, 1);
        for compiler in &compilers {
            compile(compiler, folder.path(), &["-std=c99"]);
            let flown = fly(folder.path(), &observations);
            assert!(
                flown.iter().map(|it| it.to_bits()).eq(expected.iter().map(|it| it.to_bits())),
                "{compiler}"
            );
        }
    }
}

#[test]
fn the_compiled_self_test_finds_a_weight_that_changed() {
    let Some(compiler) = compilers().pop() else { return };
    let good = policies().swap_remove(1);
    let mut bad = good.clone();
    bad.network.parameters[3] += 0.01;
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &bad, &Contract::of(&good));
    compile(compiler, folder.path(), &["-std=c99"]);
    let output = Command::new(folder.path().join("flight")).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let difference: f32 = said.trim().strip_prefix("1 ").unwrap().parse().unwrap();
    let replayed = Contract::of(&good).test.replay(&bad);
    assert!((difference - replayed).abs() <= 1e-5 * replayed, "{difference} for {replayed}");
}

#[test]
fn a_source_file_without_its_extension_is_refused_before_its_header_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let policy = policies().swap_remove(0);
    let contract = Contract::of(&policy);
    let export = Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
    let error = convert::write(&folder.path().join("policy.h"), Kind::C, &export).unwrap_err();
    assert!(error.to_string().contains("does not end in `.c`"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
