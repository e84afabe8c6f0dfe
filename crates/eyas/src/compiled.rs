//! A policy as C, compiled by this machine's compiler and flown as it is: not what was read of it, but the code itself.

use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use eyas_env::EnvBlock;
use eyas_lanes::{BLOCK, Row};
use eyas_learn::{Actor, Controller};
use eyas_policy::Scratch;
use tempfile::TempDir;

use crate::failure::Failure;

/// Flies one step for each record of the standard input: a state and an observation in, an action and the state out. `@P@`
/// begins the names of functions, `@M@` those of macros.
const DRIVER: &str = r#"#include <stdio.h>
#include <string.h>
#include "@H@"

int main(void)
{
    @P@_state state;
    float observation[@M@_OBSERVATIONS], action[@M@_ACTIONS];
    if (@P@_init(&state)) {
        return 3;
    }
    while (fread(&state, sizeof state, 1, stdin) == 1 && fread(observation, sizeof observation, 1, stdin) == 1) {
        if (@P@_control(&state, observation, action)) {
            /* What is no number ends the flight. */
            memset(action, 0xff, sizeof action);
        }
        fwrite(action, sizeof action, 1, stdout);
        fwrite(&state, sizeof state, 1, stdout);
        fflush(stdout);
    }
    return 0;
}
"#;

/// Whether a file is C, by its name: what flies then is its code.
pub(crate) fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "c")
}

/// The compiled code of a policy, in a process of its own.
pub(crate) struct Compiled {
    process: Mutex<Process>,
    features: Range<usize>,
    num_actions: usize,
    state_width: usize,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    /// Where the program lies; it goes with the process.
    _folder: TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The machine has no compiler.
pub(crate) struct NoCompiler;

impl Compiled {
    /// Compiles a source file, of whose policy `actor` is what was read; the compiler is `$CC`, else `cc`.
    ///
    /// # Errors
    ///
    /// If it does not compile, or does not act as its test vectors say; inside, if there is no compiler.
    pub(crate) fn new(path: &Path, actor: &Actor) -> Result<Result<Self, NoCompiler>, Failure> {
        let failed = |what: String| Failure::new(what).at(&path.display());
        let header = path.with_extension("h");
        let declared = fs::read_to_string(&header)
            .map_err(|error| failed(format!("its header `{}` cannot be read: {error}", header.display())))?;
        let name = declared.split("_control(").next().and_then(|text| text.rsplit(' ').next());
        let name =
            name.filter(|it| !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric() || it == '_'));
        let name = name.ok_or_else(|| failed("its header declares no function `…_control`".to_owned()))?;
        let header = fs::canonicalize(&header).map_err(|error| failed(error.to_string()))?;
        let text = DRIVER
            .replace("@H@", &header.display().to_string())
            .replace("@P@", name)
            .replace("@M@", &name.to_ascii_uppercase());
        let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let [driver, program] = ["driver.c", "policy"].map(|name| folder.path().join(name));
        fs::write(&driver, text).map_err(|error| failed(error.to_string()))?;
        let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(&compiler);
        command.args(["-std=c99", "-O2", "-o"]).arg(&program).arg(&driver).arg(path).arg("-lm");
        let output = match command.output() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(NoCompiler)),
            output => output.map_err(|error| failed(format!("{}: {error}", compiler.display())))?,
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(format!("it does not compile: {}", said.lines().next().unwrap_or_default())));
        }
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(format!("its program does not start: {error}")))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.expect("both are pipes");
        let compiled = Self {
            process: Mutex::new(Process { child, input, output, _folder: folder }),
            features: actor.features.clone(),
            num_actions: actor.num_actions(),
            state_width: actor.state_width(),
        };
        // One step, so that a failed self-test is said before the flight.
        let (mut state, mut action) = (vec![0.0; compiled.state_width], vec![0.0; compiled.num_actions]);
        let observation = vec![0.0; compiled.features.len()];
        compiled.step(&mut state, &observation, &mut action).map_err(|_| {
            failed("the compiled code does not act as its test vectors say".to_owned())
                .hint("export the policy again, and compile without options that change its arithmetic")
        })?;
        Ok(Ok(compiled))
    }

    /// One step of one vehicle.
    fn step(&self, state: &mut [f32], observation: &[f32], action: &mut [f32]) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = state.iter().chain(observation).flat_map(|number| number.to_ne_bytes());
        // A policy without a memory has a state of one byte that says nothing.
        let unused = usize::from(state.is_empty());
        let record: Vec<u8> = std::iter::repeat_n(0, unused).chain(numbers).collect();
        process.input.write_all(&record)?;
        process.input.flush()?;
        let mut answer = vec![0; 4 * (action.len() + state.len()) + unused];
        process.output.read_exact(&mut answer)?;
        let numbers = answer.as_chunks::<4>().0.iter().map(|bytes| f32::from_ne_bytes(*bytes));
        for (to, from) in action.iter_mut().chain(state).zip(numbers) {
            *to = from;
        }
        Ok(())
    }

    /// One step of every vehicle of a block.
    fn step_all(&self, observation: &[Row], state: &mut [Row], action: &mut [Row]) {
        for lane in 0..BLOCK {
            let of = |rows: &[Row]| rows.iter().map(|row| row[lane]).collect::<Vec<_>>();
            let (mut own_state, mut own_action) = (of(state), vec![0.0; action.len()]);
            if self.step(&mut own_state, &of(&observation[self.features.clone()]), &mut own_action).is_err() {
                // The program ended: what is no number ends the flight, and is reported.
                own_action.fill(f32::NAN);
            }
            let rows = action.iter_mut().zip(own_action).chain(state.iter_mut().zip(own_state));
            rows.for_each(|(row, number)| row[lane] = number);
        }
    }
}

impl Controller for Compiled {
    fn num_actions(&self) -> usize {
        self.num_actions
    }

    fn state_width(&self) -> usize {
        self.state_width
    }

    fn act(
        &self,
        _block: &dyn EnvBlock,
        observation: &[Row],
        state: &mut [Row],
        _scratch: &mut Scratch,
        action: &mut [Row],
    ) {
        self.step_all(observation, state, action);
    }
}

#[cfg(test)]
mod tests {
    use eyas_formats::convert::{self, Export, Kind};
    use eyas_policy::{Activation, Architecture, Cell, Contract, Core, Inference, Network, Output, Policy};
    use eyas_testing::skip;

    use super::*;

    fn policy(core: Option<Core>) -> Policy {
        let architecture = Architecture { core, ..Architecture::mlp(22, &[8], 4, Activation::Elu) };
        let parameters =
            (0..architecture.num_parameters()).map(|it| libm::sinf(it as f32 * 0.7) * 0.4).collect();
        Policy { normalizer: None, network: Network { architecture, parameters }, output: Output::Tanh }
    }

    fn written(folder: &Path, policy: &Policy, contract: &Contract) -> std::path::PathBuf {
        let path = folder.join("my policy.c");
        let export = Export { policy, contract, std: None, critic: None, iteration: 0 };
        convert::write(&path, Kind::C, &export).unwrap();
        path
    }

    #[test]
    fn compiled_code_gives_every_vehicle_the_bits_of_the_policy() {
        for cell in [None, Some(Cell::Gru), Some(Cell::Lstm)] {
            let policy = policy(cell.map(|cell| Core { cell, width: 5, layers: 2 }));
            let folder = tempfile::tempdir().unwrap();
            let path = written(folder.path(), &policy, &Contract::of(&policy));
            // Behind two features that are not the policy's.
            let actor = Actor { inference: Inference::new(&policy), features: 2..24 };
            let Ok(compiled) = Compiled::new(&path, &actor).unwrap() else { return skip("a C compiler") };
            let mut states = [vec![Row::ZERO; actor.state_width()], vec![Row::ZERO; actor.state_width()]];
            let mut actions = [vec![Row::ZERO; 4], vec![Row::ZERO; 4]];
            let mut scratch = Scratch::default();
            for step in 0..20 {
                let number =
                    |feature: usize, lane: usize| libm::sinf((step * 900 + feature * 32 + lane) as f32);
                let row = |feature: usize| Row(std::array::from_fn(|lane| number(feature, lane)));
                let observation: Vec<Row> = (0..24).map(row).collect();
                actor.inference.act(&observation[2..], &mut states[0], &mut scratch, &mut actions[0]);
                compiled.step_all(&observation, &mut states[1], &mut actions[1]);
                assert_eq!(actions[0], actions[1], "{cell:?}, step {step}");
                let bits =
                    |rows: &[Row]| rows.iter().flat_map(|row| row.0.map(f32::to_bits)).collect::<Vec<_>>();
                assert_eq!(bits(&actions[0]), bits(&actions[1]), "{cell:?}, step {step}");
            }
        }
    }

    #[test]
    fn code_that_fails_its_self_test_is_refused_before_it_flies() {
        let (good, mut bad) = (policy(None), policy(None));
        bad.network.parameters[3] += 0.1;
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path(), &bad, &Contract::of(&good));
        let actor = Actor { inference: Inference::new(&bad), features: 0..22 };
        match Compiled::new(&path, &actor) {
            Ok(Err(NoCompiler)) => skip("a C compiler"),
            Ok(Ok(_)) => panic!("it flies"),
            Err(failure) => assert!(failure.to_string().contains("test vectors"), "{failure}"),
        }
    }
}
