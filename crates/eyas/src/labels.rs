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

/// What paths are called: each by as many of its last parts as tell it from the others, without last parts that all of those
/// share who have more than one; none where two are the same.
pub fn names_of(paths: &[PathBuf]) -> Option<Vec<String>> {
    let parts = |path: &PathBuf| path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let whole: Vec<Vec<String>> = paths.iter().map(parts).collect();
    let last = |path: &[String], count: usize| path[path.len().saturating_sub(count)..].to_vec();
    let own = |index: usize| {
        let path = &whole[index];
        let is_own = |count: &usize| {
            let others = whole.iter().enumerate().filter(|(other, _)| *other != index);
            others.into_iter().all(|(_, other)| last(other, *count) != last(path, *count))
        };
        let longest = whole.iter().map(Vec::len).max().unwrap_or(1);
        (1..=longest).find(is_own).map(|count| last(path, count))
    };
    let mut names = (0..whole.len()).map(own).collect::<Option<Vec<_>>>()?;
    // `a/best_student` and `b/best_student` are told apart by `a` and `b`, if nothing else is of `a` or `b`.
    loop {
        let mut long = names.iter().filter(|name| name.len() > 1);
        let Some(end) = long.next().and_then(|name| name.last()) else { break };
        let is_told = |(index, name): (usize, &Vec<String>)| {
            let left = &name[name.len().saturating_sub(2)];
            let is_elsewhere = |(other, path): (usize, &Vec<String>)| other != index && path.contains(left);
            name.len() == 1 || !whole.iter().enumerate().any(is_elsewhere)
        };
        if !long.all(|name| name.last() == Some(end)) || !names.iter().enumerate().all(is_told) {
            break;
        }
        for name in names.iter_mut().filter(|name| name.len() > 1) {
            name.pop();
        }
    }
    Some(names.iter().map(|name| name.join("/")).collect())
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
        assert_eq!(names(&["r1/best", "r1/final", "r2/best"]), ["r1/best", "final", "r2/best"]);
        assert_eq!(
            names(&["logs/r1/best_student", "logs/r2/best_student", "assets/point_ctrl"]),
            ["r1", "r2", "point_ctrl"]
        );
        assert_eq!(names(&["best", "r/best"]), ["best", "r"]);
        assert_eq!(names(&["se3", "a/se3/best", "b/se3/best"]), ["se3", "a/se3/best", "b/se3/best"]);
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
