//! No committed file says that it is unfinished.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, Tally};

/// Written in two parts, so that this file passes its own check.
const FORBIDDEN: [&str; 8] = [
    concat!("to", "do"),
    concat!("fix", "me"),
    concat!("st", "ub"),
    concat!("st", "ubs"),
    concat!("place", "holder"),
    concat!("place", "holders"),
    concat!("simp", "lified"),
    concat!("for", " now"),
];

/// Files whose words are not ours: the lints that clippy names, hashes, recorded data and bundled libraries.
fn is_exempt(path: &Path) -> bool {
    path.ends_with("Cargo.lock")
        || path.ends_with("package-lock.json")
        || path == Path::new("Cargo.toml")
        || path.starts_with("crates/eyas-web/ui/dist")
}

pub(crate) fn check(root: &Path) -> Outcome {
    let mut problems = Vec::new();
    for path in committed_files(root)? {
        // Binary files hold no words.
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            problems
                .extend(found_in(line).map(|word| format!("{}:{}: `{word}`", path.display(), number + 1)));
        }
    }
    if problems.is_empty() { Ok(Tally::one()) } else { Err(format!("  {}", problems.join("\n  "))) }
}

fn committed_files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut command = std::process::Command::new("git");
    command.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let output = command.output().map_err(|error| format!("  cannot start git: {error}"))?;
    if !output.status.success() {
        return Err(format!("  git ls-files: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.lines().map(PathBuf::from).filter(|path| !is_exempt(path)).collect())
}

/// The forbidden words of a line, whatever their case, where no letter touches them.
fn found_in(line: &str) -> impl Iterator<Item = &'static str> {
    let lower = line.to_lowercase();
    let holds = move |word: &str| {
        lower.match_indices(word).any(|(start, _)| {
            let before = lower[..start].chars().next_back();
            let after = lower[start + word.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    };
    FORBIDDEN.into_iter().filter(move |word| holds(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whatever_their_case() {
        let line = format!("// {}: good {}", FORBIDDEN[0].to_uppercase(), FORBIDDEN[7]);
        assert_eq!(found_in(&line).collect::<Vec<_>>(), [FORBIDDEN[0], FORBIDDEN[7]]);
    }

    #[test]
    fn parts_of_words_are_not() {
        assert_eq!(found_in("stubborn mastodons").count(), 0);
    }
}
