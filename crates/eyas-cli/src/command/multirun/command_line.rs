//! The command line of a multirun's jobs: that of the multirun without what it takes care of itself.

use std::ffi::OsString;

use eyas::Failure;

use crate::hydra;

/// Flags that a multirun answers for, and whether a value follows.
const OWN: [(&str, Value); 7] = [
    ("--multirun", Value::None),
    ("-m", Value::None),
    ("--jobs", Value::One),
    ("--threads", Value::One),
    ("--run_dir", Value::One),
    ("--load_run", Value::One),
    ("--resume", Value::Maybe),
];

#[derive(Clone, Copy, PartialEq)]
enum Value {
    None,
    One,
    /// `true` or `false`, or the next argument is another one.
    Maybe,
}

/// Takes the multirun's own flags and all overrides out of its arguments.
pub(super) fn of_jobs(
    arguments: impl Iterator<Item = OsString>,
    overrides: &[String],
) -> Result<Vec<OsString>, Failure> {
    let mut kept = Vec::new();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let own = OWN.iter().find(|(flag, _)| text == *flag);
        match own.map(|(_, value)| value) {
            Some(Value::None) => {}
            Some(Value::One) => _ = arguments.next(),
            Some(Value::Maybe) => _ = arguments.next_if(|it| it == "true" || it == "false"),
            None => {
                let is_own = OWN.iter().any(|(flag, _)| {
                    text.strip_prefix(flag)
                        .is_some_and(|rest| flag.starts_with("--") && rest.starts_with('='))
                });
                let is_joined = text.starts_with('-') && !text.starts_with("--") && text[1..].contains('m');
                if is_joined {
                    return Err(Failure::new(format!("`{text}`: write the flags apart: `--multirun`")));
                }
                // The multirun has taken the folder that they name.
                let is_of_hydra = text.trim_start_matches('+').starts_with(hydra::PREFIX);
                if !is_own && !is_of_hydra && !overrides.iter().any(|it| *it == text) {
                    kept.push(argument);
                }
            }
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(line: &str, overrides: &[&str]) -> String {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        let kept = of_jobs(line.split(' ').map(OsString::from), &overrides).expect("flags stand apart");
        kept.join(&OsString::from(" ")).into_string().expect("the line is Unicode")
    }

    #[test]
    fn what_a_multirun_does_itself_is_left_out() {
        assert_eq!(
            kept(
                "--threads 2 distill --task T --multirun a=1,2 --jobs=3 -q b=4 --resume true",
                &["a=1,2", "b=4"]
            ),
            "distill --task T -q"
        );
        assert_eq!(
            kept("train --resume --load_run 2026 -m --run_dir=x --num_envs 8 a=1,2", &["a=1,2"]),
            "train --num_envs 8"
        );
        assert!(of_jobs(["-qm"].map(OsString::from).into_iter(), &[]).is_err());
    }
}
