//! The page that is embedded is the one that its sources make.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Files of the page.
const FILES: [&str; 3] = ["index.html", "index.js", "index.css"];

fn ui() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/ui"))
}

#[test]
fn building_the_page_anew_gives_the_same_bytes() {
    if !ui().join("node_modules/vite").is_dir() {
        eyas_testing::skip("npm, and `npm ci` in crates/eyas-web/ui");
        return;
    }
    let made = tempfile::tempdir().unwrap();
    let mut command = Command::new("node");
    command.args(["node_modules/vite/bin/vite.js", "build", "--emptyOutDir", "--outDir"]).arg(made.path());
    let Ok(output) = command.current_dir(ui()).output() else {
        eyas_testing::skip("node");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in FILES {
        let [old, new] = [&ui().join("dist"), made.path()].map(|folder| fs::read(folder.join(file)).unwrap());
        assert!(
            old == new,
            "dist/{file} is not what its sources make: run `npm run build` in crates/eyas-web/ui"
        );
    }
}

#[test]
fn the_page_is_small_and_names_no_other_site() {
    let size: u64 = FILES.iter().map(|file| fs::metadata(ui().join("dist").join(file)).unwrap().len()).sum();
    assert!(size < 1_000_000, "{size} bytes");
    assert_eq!(fs::read_dir(ui().join("dist")).unwrap().count(), FILES.len());
    let page = fs::read_to_string(ui().join("dist/index.html")).unwrap();
    assert!(!page.contains("://"), "{page}");
    // Packages come from whatever registry npm is set to.
    let lock = fs::read_to_string(ui().join("package-lock.json")).unwrap();
    assert!(!lock.contains("\"resolved\""));
}
