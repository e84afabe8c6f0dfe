//! Every path that a document names exists.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, Tally};

/// Folders and files at the root that a word between backticks may start with to count as a path.
const ROOTS: [&str; 6] = ["crates/", "docs/", "xtask/", "assets/", ".ci/", ".cargo/"];

pub(crate) fn check(root: &Path) -> Outcome {
    let mut missing = Vec::new();
    let mut named = 0;
    for document in documents(root)? {
        let text = fs::read_to_string(&document)
            .map_err(|error| format!("  cannot read {}: {error}", document.display()))?;
        let folder = document.parent().unwrap_or(root);
        for (number, line) in text.lines().enumerate() {
            let links = links(line).map(|link| (link, folder));
            let words = words(line).map(|word| (word, root));
            for (path, base) in links.chain(words) {
                named += 1;
                if !base.join(path).exists() {
                    let document = document.strip_prefix(root).unwrap_or(&document).display();
                    missing.push(format!("{document}:{}: `{path}` does not exist", number + 1));
                }
            }
        }
    }
    if missing.is_empty() {
        eprintln!("   {named} paths");
        return Ok(Tally::one());
    }
    Err(format!("  {}", missing.join("\n  ")))
}

/// Markdown files at the root and below `docs`.
fn documents(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned(), root.join("docs")];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).map_err(|error| format!("  cannot list {}: {error}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            } else if path.is_dir() && folder != root {
                folders.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Targets of links to files: `[text](path#part)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        let is_file = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
        is_file.then_some(target)
    })
}

/// Words between backticks that start as a path of this repository; patterns and examples are not paths.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).filter_map(|word| {
        let path = word.split(':').next()?;
        let is_path = ROOTS.iter().any(|root| path.starts_with(root));
        (is_path && !path.contains(['*', '<', '{', ' ', '…'])).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found_and_addresses_are_not() {
        let line = "[a](docs/model.md#m1), [b](https://example.org/x), [c](#part), ![d](e.png)";
        assert_eq!(links(line).collect::<Vec<_>>(), ["docs/model.md", "e.png"]);
    }

    #[test]
    fn words_that_start_as_a_path_are_found() {
        let line = "`crates/eyas/src/main.rs:12`, `logs/x`, `crates/*/src`, `crates/eyas`";
        assert_eq!(words(line).collect::<Vec<_>>(), ["crates/eyas/src/main.rs", "crates/eyas"]);
    }
}
