//! What files and runs are called in tables and pictures.

use std::path::PathBuf;

use eyas_view::missing_glyph;

use crate::failure::Failure;

/// A label for each path: those of `--labels` if there are any, else as much of the paths as tells them apart. `things`
/// says what the paths are.
pub fn labels_of(given: &[String], paths: &[PathBuf], things: &str) -> Result<Vec<String>, Failure> {
    if given.is_empty() {
        return names_of(paths).ok_or_else(|| {
            let twice = (1..paths.len()).find(|it| paths[..*it].iter().any(|path| path == &paths[*it]));
            Failure::new(format!("one of the {things} is given twice"))
                .at(&paths[twice.unwrap_or_default()].display())
                .hint("leave it out once, or tell them apart with `--labels`")
        });
    }
    if given.len() != paths.len() {
        let message = format!("{} names in `--labels` for {} {things}", given.len(), paths.len());
        return Err(Failure::new(message).hint("give one for each, with commas between them"));
    }
    let repeated = (1..given.len()).find(|it| given[..*it].contains(&given[*it]));
    match repeated {
        Some(it) => Err(Failure::new(format!("`--labels` has `{}` twice", given[it]))),
        None => Ok(given.to_vec()),
    }
}

/// What paths are called: by as many of their last parts as tell them apart, without last parts that all of those share;
/// none where two are the same.
pub fn names_of(paths: &[PathBuf]) -> Option<Vec<String>> {
    let parts = |path: &PathBuf| path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let mut paths: Vec<Vec<String>> = paths.iter().map(parts).collect();
    let are_different = |paths: &[Vec<String>]| (1..paths.len()).all(|it| !paths[..it].contains(&paths[it]));
    let last = |count: usize| -> Vec<Vec<String>> {
        paths.iter().map(|path| path[path.len().saturating_sub(count)..].to_vec()).collect()
    };
    let longest = paths.iter().map(Vec::len).max().unwrap_or(1);
    paths = (1..=longest).map(last).find(|it| are_different(it))?;
    loop {
        // `a/best_student` and `b/best_student` are told apart by `a` and `b`.
        let mut long = paths.iter().filter(|path| path.len() > 1);
        let Some(end) = long.next().and_then(|path| path.last()) else { break };
        if !long.all(|path| path.last() == Some(end)) {
            break;
        }
        let mut shorter = paths.clone();
        for path in shorter.iter_mut().filter(|path| path.len() > 1) {
            path.pop();
        }
        if !are_different(&shorter) {
            break;
        }
        paths = shorter;
    }
    Some(paths.iter().map(|path| path.join("/")).collect())
}

/// Refuses a text that the font of pictures cannot write.
pub fn can_be_drawn(text: &str) -> Result<(), Failure> {
    match missing_glyph(text) {
        None => Ok(()),
        Some(missing) => Err(Failure::new(format!(
            "`{text}` cannot be written into a picture: its fonts have no U+{:04X}",
            u32::from(missing)
        ))
        .hint(
            "they have letters of Europe, Greek, Cyrillic and 3755 Chinese characters; flags such as `--labels` and \
            `--title` say it in other words",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn names_are_as_short_as_they_can_be() {
        let names = |it: &[&str]| names_of(&paths(it)).unwrap();
        assert_eq!(names(&["logs/a", "logs/b/"]), ["a", "b"]);
        assert_eq!(names(&["x/a/0", "x/b/0"]), ["a", "b"]);
        assert_eq!(names(&["run"]), ["run"]);
        assert_eq!(names(&["logs/r1/best_student", "logs/r2/best_student", "se3"]), ["r1", "r2", "se3"]);
        assert_eq!(names(&["r1/best", "r1/final", "r2/best"]), ["r1/best", "r1/final", "r2/best"]);
        assert_eq!(names(&["best", "r/best"]), ["best", "r"]);
        assert_eq!(names(&["se3", "a/se3/best", "b/se3/best"]), ["se3", "a", "b"]);
        assert_eq!(names_of(&paths(&["x/a", "x/a/"])), None);
    }

    #[test]
    fn labels_are_one_for_each_and_all_different() {
        let of = |given: &[&str], read: &[&str]| {
            labels_of(&given.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), &paths(read), "runs")
        };
        assert_eq!(of(&["x", "y"], &["a", "b"]).unwrap(), ["x", "y"]);
        assert_eq!(of(&["x", "y"], &["a", "a"]).unwrap(), ["x", "y"]);
        for (given, read) in [(&["x"][..], &["a", "b"][..]), (&["x", "x"], &["a", "b"]), (&[], &["a", "a"])] {
            assert!(of(given, read).is_err(), "{given:?} {read:?}");
        }
    }
}
