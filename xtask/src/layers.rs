//! Dependencies between the crates run one way, as the table in ARCHITECTURE.md reads.

use std::fs;
use std::path::Path;

use crate::{Outcome, Tally};

/// A row of the table.
#[derive(Debug, PartialEq)]
struct Layer {
    name: String,
    uses: Vec<String>,
}

/// The sections of a `Cargo.toml` that name other crates of the workspace.
#[derive(Debug, Default, PartialEq)]
struct Dependencies {
    normal: Vec<String>,
    development: Vec<String>,
}

pub(crate) fn check(root: &Path) -> Outcome {
    let text = read(&root.join("ARCHITECTURE.md"))?;
    let layers = table(&text);
    let mut problems = rows_use_rows_above(&layers);
    for directory in crate_directories(root)? {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let manifest = read(&directory.join("Cargo.toml"))?;
        match layers.iter().position(|layer| layer.name == name) {
            Some(place) => problems.extend(compare(&layers, place, &dependencies(&manifest))),
            None => problems.push(format!("`{name}` is not in the table of crates in ARCHITECTURE.md")),
        }
    }
    if problems.is_empty() { Ok(Tally::one()) } else { Err(format!("  {}", problems.join("\n  "))) }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("  cannot read {}: {error}", path.display()))
}

fn crate_directories(root: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    let crates = root.join("crates");
    let entries =
        fs::read_dir(&crates).map_err(|error| format!("  cannot list {}: {error}", crates.display()))?;
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.join("Cargo.toml").is_file());
    found.push(root.join("xtask"));
    found.sort();
    Ok(found)
}

/// Rows of the first table whose header is `crate | … | uses`.
fn table(text: &str) -> Vec<Layer> {
    let rows = text.lines().skip_while(|line| !is_header(line)).skip(2);
    rows.map_while(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let name = quoted(cells.first()?).next()?;
        let uses = quoted(cells.get(2)?).collect();
        Some(Layer { name, uses })
    })
    .collect()
}

fn is_header(line: &str) -> bool {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    matches!(cells[..], [_, "crate", _, "uses", ..])
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn rows_use_rows_above(layers: &[Layer]) -> Vec<String> {
    let mut problems = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        for used in &layer.uses {
            if !layers[..place].iter().any(|above| above.name == *used) {
                problems.push(format!(
                    "ARCHITECTURE.md: `{}` uses `{used}`, which is no row above it",
                    layer.name
                ));
            }
        }
    }
    problems
}

/// The row and the manifest name the same crates; tests may also use any row above.
fn compare(layers: &[Layer], place: usize, found: &Dependencies) -> Vec<String> {
    let layer = &layers[place];
    let mut problems = Vec::new();
    for name in found.normal.iter().filter(|name| !layer.uses.contains(name)) {
        problems.push(format!("`{}` depends on `{name}`, which ARCHITECTURE.md does not say", layer.name));
    }
    for name in layer.uses.iter().filter(|name| !found.normal.contains(name)) {
        problems.push(format!(
            "ARCHITECTURE.md says that `{}` uses `{name}`, its Cargo.toml does not",
            layer.name
        ));
    }
    for name in &found.development {
        if !layers[..place].iter().any(|above| above.name == *name) {
            problems.push(format!("tests of `{}` use `{name}`, which is no row above it", layer.name));
        }
    }
    problems
}

/// Crates of this workspace in the dependency sections of a manifest.
fn dependencies(manifest: &str) -> Dependencies {
    let mut found = Dependencies::default();
    let mut section = String::new();
    for line in manifest.lines().map(str::trim) {
        let name = if let Some(header) = line.strip_prefix('[') {
            header.trim_end_matches(']').clone_into(&mut section);
            // `[dependencies.eyas-sim]`
            section.split_once("dependencies.").map(|(_, name)| name.to_owned())
        } else if section.ends_with("dependencies") {
            line.split(['.', '=', ' ']).next().map(str::to_owned)
        } else {
            None
        };
        let list =
            if section.contains("dev-dependencies") { &mut found.development } else { &mut found.normal };
        list.extend(name.filter(|name| name.starts_with("eyas")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "text\n\n| crate | purpose | uses |\n|---|---|---|\n| `eyas-a` | one `word` | – |\n\
                         | `eyas-b` | two | `eyas-a` |\n\nmore\n";

    fn layer(name: &str, uses: &[&str]) -> Layer {
        Layer { name: name.into(), uses: uses.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn the_table_is_read_row_by_row() {
        assert_eq!(table(TABLE), [layer("eyas-a", &[]), layer("eyas-b", &["eyas-a"])]);
    }

    #[test]
    fn every_spelling_of_a_dependency_is_found() {
        let manifest = "[package]\nname = \"eyas-x\"\n[dependencies]\neyas-a.workspace = true\n\
                        eyas-b = { path = \"../b\" }\nserde = \"1\"\n[target.'cfg(unix)'.dependencies]\neyas-c = \"1\"\n\
                        [dependencies.eyas-d]\npath = \"../d\"\n[dev-dependencies]\neyas-e.workspace = true\n";
        let found = dependencies(manifest);
        assert_eq!(found.normal, ["eyas-a", "eyas-b", "eyas-c", "eyas-d"]);
        assert_eq!(found.development, ["eyas-e"]);
    }

    #[test]
    fn an_arrow_that_points_up_is_a_problem() {
        let layers = [layer("eyas-a", &["eyas-b"]), layer("eyas-b", &[])];
        assert_eq!(rows_use_rows_above(&layers).len(), 1);
    }

    #[test]
    fn row_and_manifest_must_agree() {
        let layers = table(TABLE);
        let with = |normal: &[&str], development: &[&str]| Dependencies {
            normal: normal.iter().map(ToString::to_string).collect(),
            development: development.iter().map(ToString::to_string).collect(),
        };
        assert!(compare(&layers, 1, &with(&["eyas-a"], &["eyas-a"])).is_empty());
        assert_eq!(compare(&layers, 1, &with(&[], &[])).len(), 1);
        assert_eq!(compare(&layers, 0, &with(&["eyas-b"], &["eyas-b"])).len(), 2);
    }
}
