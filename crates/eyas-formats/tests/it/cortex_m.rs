//! A policy on a Cortex-M4F, which QEMU simulates: the bits of `eyas act`, and what a step costs there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use eyas_formats::LoadOptions;
use eyas_formats::convert::{self, Export, Kind};
use eyas_policy::{Contract, Inference, Policy};
use eyas_testing::skip;

use crate::fixtures::{data, load};

const TARGET: &str = "thumbv7em-none-eabihf";

/// QEMU counts 2^10 ns for an instruction, and the board's timer a tick for 40 ns.
const TICKS_OF_AN_INSTRUCTION: f64 = 1024.0 / 40.0;

const STEPS: usize = 1000;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cortex_m").join(path)
}

fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// RAPTOR's released student, 22 → 16 → GRU 16 → 4.
fn student() -> Policy {
    load(&data("rltools_released_student.h5"), &LoadOptions::default()).policy
}

fn write(folder: &Path, kind: Kind, name: &str) {
    let policy = student();
    let contract = Contract::of(&policy);
    let export = Export { policy: &policy, contract: &contract, std: None, critic: None, iteration: 0 };
    convert::write(&folder.join(name), kind, &export).unwrap();
    let bytes: Vec<u8> = observations().iter().flat_map(|it| it.to_le_bytes()).collect();
    fs::write(folder.join("observations.bin"), bytes).unwrap();
}

fn observations() -> Vec<f32> {
    (0..STEPS * 22).map(|index| libm::sinf(index as f32 * 0.73) * 0.8).collect()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a program said that it costs.
struct Costs {
    code_bytes: u32,
    policy_bytes: u32,
    state_bytes: u32,
    stack_bytes: u32,
    instructions: f64,
}

/// Runs a program in the simulator: the actions, and the costs.
fn fly(folder: &Path, program: &Path) -> (Vec<f32>, Costs) {
    let machine = ["-M", "mps2-an386", "-nographic", "-icount", "shift=10", "-semihosting-config"];
    let mut command = Command::new("qemu-system-arm");
    command.args(machine).args(["enable=on,target=native", "-monitor", "none", "-serial", "none", "-kernel"]);
    run(command.arg(program).current_dir(folder).stdin(Stdio::null()));
    let words = |name: &str| -> Vec<u32> {
        let bytes = fs::read(folder.join(name)).unwrap();
        bytes.chunks_exact(4).map(|it| u32::from_le_bytes(it.try_into().unwrap())).collect()
    };
    let [code_bytes, policy_bytes, state_bytes, stack_bytes, ticks] = words("costs.bin").try_into().unwrap();
    let instructions = f64::from(ticks) / TICKS_OF_AN_INSTRUCTION;
    let costs = Costs { code_bytes, policy_bytes, state_bytes, stack_bytes, instructions };
    (words("actions.bin").into_iter().map(f32::from_bits).collect(), costs)
}

/// The row of the document that states these costs is no cheaper than what was found; compilers differ by a quarter.
fn check_costs(what: &str, costs: &Costs) {
    let Costs { code_bytes, policy_bytes, state_bytes, stack_bytes, instructions } = costs;
    eprintln!(
        "{what}: code {code_bytes} bytes, policy {policy_bytes}, state {state_bytes}, stack {stack_bytes}, \
         {instructions:.0} instructions at most in a step"
    );
    let document = here("../../../../docs/formats.md");
    let text = fs::read_to_string(document).unwrap();
    let row = text.lines().find(|line| line.starts_with(&format!("| {what} |"))).expect("a row of the costs");
    let stated: Vec<f64> =
        row.split('|').skip(2).filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect();
    let found = [*code_bytes, *policy_bytes, *state_bytes, *stack_bytes].map(f64::from);
    for (stated, found) in stated.iter().zip(found.iter().chain([instructions])) {
        assert!(*found <= 1.25 * stated, "{what}: {found} where docs/formats.md states {stated}");
    }
    assert_eq!(stated.len(), 5, "{row}");
}

/// Builds the program that flies `eyas-fly`; `None` if it cannot be linked.
fn build(folder: &Path, source: &str) -> Option<PathBuf> {
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("src/main.rs"), source).unwrap();
    for file in ["policy.bin", "observations.bin"] {
        fs::copy(folder.join(file), folder.join("src").join(file)).unwrap();
    }
    fs::copy(here("start.s"), folder.join("src/start.s")).unwrap();
    let manifest = format!(
        "[package]\nname = \"flight\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\neyas-fly = {{ path = \
         '{}', features = [\"vfma\"] }}\n[profile.release]\npanic = \"abort\"\nlto = true\ncodegen-units = \
         1\n[workspace]\n",
        here("../../../eyas-fly").display()
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The versions that the workspace has, without asking a registry.
    fs::copy(here("../../../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args([
        "rustc",
        "--release",
        "--offline",
        "--quiet",
        "--target",
        TARGET,
        "--target-dir",
        "target",
    ]);
    command.args(["--", "-C", &format!("link-arg=-T{}", here("cortex_m.ld").display())]);
    command.current_dir(folder).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let is_panic = said.contains("undefined symbol: a_panic_can_be_reached");
    assert!(output.status.success() || is_panic, "{said}");
    output.status.success().then(|| folder.join("target").join(TARGET).join("release/flight"))
}

fn has_target() -> bool {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let folder = output.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default();
    Path::new(&folder).read_dir().is_ok_and(|mut entries| entries.next().is_some())
}

#[test]
fn eyas_fly_gives_the_bits_of_the_host_on_a_cortex_m4f_and_can_reach_no_panic() {
    if !has_target() {
        return skip("core for thumbv7em-none-eabihf (`rustup target add thumbv7em-none-eabihf`)");
    }
    if !has("qemu-system-arm") {
        return skip("qemu-system-arm");
    }
    let source = fs::read_to_string(here("flight.rs")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), Kind::Fly, "policy.bin");
    let program = build(folder.path(), &source).expect("no panic can be reached");
    let (found, costs) = fly(folder.path(), &program);
    let expected = Inference::new(&student()).act_on_record(&observations(), STEPS, 1);
    let expected = expected.iter().map(|it| it.clamp(-1.0, 1.0).to_bits());
    assert!(found.iter().map(|it| it.to_bits()).eq(expected), "bits differ");
    check_costs("`eyas-fly`", &costs);

    let planted = source.replace(
        "        now += NATIVE_NS;\n",
        "        now += NATIVE_NS + u64::from(row[took as usize]);\n",
    );
    assert_ne!(planted, source);
    assert!(build(folder.path(), &planted).is_none(), "a planted panic is found");
}

#[test]
fn c_gives_the_bits_of_the_host_on_a_cortex_m4f() {
    if !has("arm-none-eabi-gcc") {
        return skip("arm-none-eabi-gcc (Debian: gcc-arm-none-eabi, libnewlib-arm-none-eabi)");
    }
    if !has("qemu-system-arm") {
        return skip("qemu-system-arm");
    }
    for (kind, what) in [(Kind::C, "C"), (Kind::CInt8, "C, weights of 8 bits")] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), kind, "policy.c");
        let flown = load(&folder.path().join("policy.c"), &LoadOptions::default()).policy;
        let (found, costs) = compile_and_fly(folder.path());
        let expected = Inference::new(&flown).act_on_record(&observations(), STEPS, 1);
        let bits = expected.iter().map(|it| it.to_bits());
        assert!(found.iter().map(|it| it.to_bits()).eq(bits), "{what}: bits differ");
        check_costs(what, &costs);
    }
}

fn compile_and_fly(folder: &Path) -> (Vec<f32>, Costs) {
    let input = ".section .input, \"a\"\n.global observations, observations_end\n.balign 4\nobservations:\n.incbin \
                 \"observations.bin\"\nobservations_end:\n";
    fs::write(folder.join("input.s"), input).unwrap();
    for file in ["start.s", "flight.c"] {
        fs::copy(here(file), folder.join(file)).unwrap();
    }
    let processor =
        ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2", "-ffunction-sections"];
    let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"];
    for (source, dialect) in [("policy.c", "-std=c99"), ("flight.c", "-std=gnu11")] {
        let mut command = Command::new("arm-none-eabi-gcc");
        run(command.args(processor).args(strict).args([dialect, "-c", source]).current_dir(folder));
    }
    let mut command = Command::new("arm-none-eabi-gcc");
    command.args(processor).args(["-nostartfiles", "--specs=nosys.specs", "-Wl,--gc-sections", "-T"]);
    command
        .arg(here("cortex_m.ld"))
        .args(["start.s", "input.s", "flight.o", "policy.o", "-lm", "-o", "flight"]);
    run(command.current_dir(folder));
    fly(folder, &folder.join("flight"))
}
