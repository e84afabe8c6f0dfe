//! Evaluations as people read them: tables, sentences, lengths.

use std::borrow::Cow;
use std::fmt::Display;

use eyas_learn::{Evaluation, SETTLE_STEPS, Summary};
use unicode_width::UnicodeWidthStr as _;

/// A word of a command line, quoted where a shell would not read it as it is.
pub fn shell_word(word: impl Display) -> String {
    let word = word.to_string();
    let is_plain = |it: char| it.is_alphanumeric() || "-_./:=,+@%".contains(it);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A text as a terminal may show it. Names in files that somebody else wrote may hold characters that move the cursor, set
/// the window's title or turn the direction of writing: they are escaped, but for the ends of lines and tabs.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_hidden = |it: char| {
        let turns_direction = matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (it.is_control() && it != '\n' && it != '\t') || turns_direction
    };
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::new(), |mut escaped, it| {
        if is_hidden(it) {
            escaped.extend(it.escape_default());
        } else {
            escaped.push(it);
        }
        escaped
    });
    Cow::Owned(escaped)
}

/// The first `most` characters of a text, and how many more there are.
pub fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => Cow::Borrowed(text),
        Some((end, _)) => {
            Cow::Owned(format!("{}… ({} more characters)", &text[..end], text[end..].chars().count()))
        }
    }
}

/// Rows as columns two places apart: the first `left` of them start at the left, numbers end at the right. Wide characters,
/// as those of Chinese, take two places.
pub fn aligned(left: usize, rows: &[impl AsRef<[String]>]) -> String {
    let rows = || rows.iter().map(AsRef::as_ref);
    let widest = |column: usize| rows().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows().next().map_or(0, <[_]>::len)).map(widest).collect();
    let mut text = String::new();
    for row in rows() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let room = " ".repeat(width - cell.width());
            if column < left { format!("{cell}{room}") } else { format!("{room}{cell}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// One line for each policy and kind of target.
pub fn comparison(rows: &[(&str, &Evaluation)]) -> String {
    let mut lines =
        vec![["", "episodes", "return", "length", "crashed", "position", "action"].map(str::to_owned)];
    let mut reasons = String::new();
    for (name, evaluation) in rows {
        for (kind, summary) in
            [("all", evaluation.summary()), ("hover", evaluation.hover()), ("moving", evaluation.moving())]
        {
            if summary.episodes > 0 {
                lines.push(line(format!("{name}, {kind}"), &summary));
                if summary.position_rmse.is_nan() {
                    reasons = format!("position –: {NONE_LASTED}\n");
                }
            }
        }
    }
    if rows.iter().any(|(_, evaluation)| evaluation.num_labels == 0) {
        reasons += "action –: no teacher to compare with\n";
    }
    aligned(1, &lines) + &reasons
}

fn line(name: String, it: &Summary) -> [String; 7] {
    [
        name,
        it.episodes.to_string(),
        format!("{:.1} ± {:.1}", it.mean_return, it.ci95_return),
        format!("{:.1}", it.mean_length),
        format!("{:.2} %", 100.0 * it.crash_rate),
        metres(it.position_rmse),
        if it.action_rmse.is_nan() { "–".to_owned() } else { format!("{:.4}", it.action_rmse) },
    ]
}

/// Why an evaluation has no position error.
const NONE_LASTED: &str = "no episode lasted until errors count";

/// A length, or a dash where there is none.
pub fn metres(length: f64) -> String {
    if length.is_nan() { "–".to_owned() } else { format!("{length:.4} m") }
}

/// The position error of an evaluation, or why there is none.
pub fn position(it: &Summary) -> String {
    if it.position_rmse.is_nan() { format!("– ({NONE_LASTED})") } else { metres(it.position_rmse) }
}

/// How far a student came, by the mean returns of student and teacher. A share means something only where the
/// teacher's return is positive and the student's not negative.
pub fn share_of_teacher([student, teacher]: [f64; 2]) -> String {
    if teacher > 0.0 && student >= 0.0 {
        format!("The best student reaches {:.1} % of the teacher's return", 100.0 * student / teacher)
    } else {
        format!(
            "The best student reaches a return of {student:.1}, the teacher {teacher:.1}: no share can be given"
        )
    }
}

/// How a student flew a named vehicle.
pub fn on_named_vehicle(vehicle: &str, it: &Summary) -> String {
    format!(
        "Test - {vehicle}: return {:.1}, length {:.1}, {:.1} % terminated",
        it.mean_return,
        it.mean_length,
        100.0 * it.crash_rate
    )
}

/// How often envs were reset for a number that is not finite, now and in all.
pub(crate) fn resets_told(now: u64, in_all: u64) -> String {
    format!("{now} env resets for a number that is not finite, {in_all} in all")
}

/// How many flights ended for a number that is not finite, where that resets an env; nothing if none did.
pub fn lost_told(num_lost: usize, flights: usize) -> Option<String> {
    let fate = match num_lost {
        0 => return None,
        1 => "its env was reset, and it counts as crashed",
        _ => "their envs were reset, and they count as crashed",
    };
    Some(format!("[WARNING] {num_lost} of {flights} flights ended with a number that is not finite: {fate}"))
}

/// What the columns of [`comparison`] mean, for episodes of at most so many control steps of `period` s.
pub fn legend(steps: u32, period: f64) -> String {
    // To the millisecond, without the digits that a product of decimals has beyond.
    let seconds = |steps: u32| (f64::from(steps) * period * 1e3).round() / 1e3;
    format!(
        "episodes of at most {steps} steps ({} s); return: mean ± 95 % confidence; position: RMSE after {} s; action: RMSE to the teacher's",
        seconds(steps),
        seconds(SETTLE_STEPS.min(steps / 2))
    )
}

/// Warnings that are told before a flight; the rest is counted.
const MOST_WARNINGS: usize = 5;

/// Warnings as lines, the first of them where there are many; `whole` says of what the rest is.
pub fn warnings_told(warnings: &[String], whole: &str) -> Vec<String> {
    let first = warnings.iter().take(MOST_WARNINGS).map(|warning| format!("warning: {warning}"));
    let left = warnings.len().saturating_sub(MOST_WARNINGS);
    first.chain((left > 0).then(|| format!("warning: {left} more of {whole}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stay_columns_whatever_they_hold() {
        let row = |name: &str, number: &str| [name.to_owned(), number.to_owned()];
        let rows = [
            row("", "return"),
            row("学生", "1.5"),
            row("a name beyond all columns", "-169359620.5 ± 285189498.2"),
        ];
        let text = aligned(1, &rows);
        assert!(text.lines().all(|line| line.width() == 53), "{text}");
        assert!(text.starts_with(&" ".repeat(47)) && text.contains("\n学生  "), "{text}");
    }

    #[test]
    fn a_shell_reads_words_as_they_were() {
        for (word, shown) in [
            ("logs/a-1/best_model.pt", "logs/a-1/best_model.pt"),
            ("seed=1", "seed=1"),
            ("飞/x.pt", "飞/x.pt"),
            ("my run/x.pt", "'my run/x.pt'"),
            ("it's", r"'it'\''s'"),
            ("a=[1,2]", "'a=[1,2]'"),
            ("~env.rewards", "'~env.rewards'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(word), shown);
        }
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        // The title of a window in the two forms of OSC, a colour, a bell, and letters written backwards.
        let text = "a\u{1b}]0;PWNED\u{7}\u{9d}0;x\u{9c}\u{1b}[31m\u{202e}\r\u{7f}\tä\n";
        let shown = printable(text);
        assert_eq!(shown, "a\\u{1b}]0;PWNED\\u{7}\\u{9d}0;x\\u{9c}\\u{1b}[31m\\u{202e}\\r\\u{7f}\tä\n");
        assert!(matches!(printable("飞 → 4 µ\n"), Cow::Borrowed(_)));
        assert_eq!(cut("ääää", 2), "ää… (2 more characters)");
        assert_eq!(cut("ää", 2), "ää");
    }

    #[test]
    fn a_share_is_given_only_of_a_positive_return() {
        assert_eq!(
            share_of_teacher([50.0, 200.0]),
            "The best student reaches 25.0 % of the teacher's return"
        );
        for returns in [[-50.0, 200.0], [50.0, 0.0], [-100.0, -50.0], [50.0, -50.0]] {
            let text = share_of_teacher(returns);
            assert!(text.ends_with("no share can be given") && !text.contains('%'), "{text}");
        }
    }

    #[test]
    fn a_missing_number_is_a_dash_with_its_reason() {
        let mut evaluation = Evaluation::unlabelled(vec![eyas_learn::Outcome::default()]);
        evaluation.outcomes[0].length = 20;
        let table = comparison(&[("policy", &evaluation)]);
        assert!(
            !table.contains("NaN") && table.contains("position –: no episode lasted until errors count"),
            "{table}"
        );
        assert!(table.contains("action –: no teacher to compare with"), "{table}");
        assert_eq!(position(&evaluation.summary()), "– (no episode lasted until errors count)");
    }
}
