//! No path through a flight controller's calls leads to a panic, and none to a heap.
//!
//! A static library is built of all that a controller calls, with a panic handler that calls a function which nothing
//! defines, optimised across crates: the name is in the library if, and only if, the optimiser could not prove that no panic is
//! reached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const HANDLER: &str = "a_panic_can_be_reached";

/// Stands in the controller where a panic is planted.
const PLACE: &str = "    into.is_some()\n";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Builds the controller, and returns the library.
fn build(folder: &Path, controller: &str) -> Vec<u8> {
    fs::create_dir(folder.join("src")).unwrap();
    fs::write(folder.join("src/lib.rs"), controller).unwrap();
    let manifest = format!(
        "[package]\nname = \"controller\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\ncrate-type = \
         [\"staticlib\"]\n[dependencies]\neyas-fly = {{ path = '{}' }}\n[profile.release]\npanic = \"abort\"\nlto = \
         true\ncodegen-units = 1\n[workspace]\n",
        here("").display()
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The versions that the workspace has, without asking a registry.
    fs::copy(here("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let build = ["build", "--release", "--offline", "--quiet", "--target-dir", "target"];
    let output = Command::new(env!("CARGO"))
        .current_dir(folder)
        .args(build)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(folder.join("target/release/libcontroller.a")).unwrap()
}

fn names(library: &[u8], symbol: &str) -> bool {
    library.windows(symbol.len()).any(|it| it == symbol.as_bytes())
}

#[test]
fn no_call_of_a_controller_reaches_a_panic_or_a_heap() {
    let controller = fs::read_to_string(here("tests/no_panic/controller.rs")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let library = build(folder.path(), &controller);
    assert!(names(&library, "control"), "the library holds the controller");
    assert!(!names(&library, HANDLER), "a panic can be reached");
    assert!(!names(&library, "__rust_alloc") && !names(&library, "malloc"), "memory is allocated");

    // The same with one panic is found out.
    let planted = controller.replace(PLACE, "    usize::from(bytes[length]) < 1000 && into.is_some()\n");
    assert_ne!(planted, controller);
    let folder = tempfile::tempdir().unwrap();
    assert!(names(&build(folder.path(), &planted), HANDLER), "the planted panic");
}
