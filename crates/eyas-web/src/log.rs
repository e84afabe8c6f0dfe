//! The last lines that were printed.

use std::collections::VecDeque;

/// Lines kept.
const MOST_LINES: usize = 2000;
/// Characters kept of a line.
const LONGEST: usize = 2000;

/// The last lines, each with its number.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<String>,
    /// Lines that there were in all.
    count: usize,
}

impl Log {
    pub(crate) fn push(&mut self, text: &str) {
        for line in text.lines() {
            if self.lines.len() == MOST_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(line.chars().take(LONGEST).collect());
            self.count += 1;
        }
    }

    /// Lines that a viewer has not seen, given how many there were when it looked last.
    pub(crate) fn news(&self, seen: &mut usize) -> Vec<String> {
        let new = (self.count - *seen).min(self.lines.len());
        *seen = self.count;
        self.lines.iter().skip(self.lines.len() - new).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept() {
        let (mut log, mut seen) = (Log::default(), 0);
        log.push("first\nsecond");
        assert_eq!(log.news(&mut seen), ["first", "second"]);
        for number in 0..MOST_LINES + 5 {
            log.push(&number.to_string());
        }
        let news = log.news(&mut seen);
        assert_eq!((news.len(), news[0].as_str()), (MOST_LINES, "5"));
        assert!(log.news(&mut seen).is_empty());
    }
}
