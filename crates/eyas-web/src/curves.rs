//! Curves that grow without end in bounded memory.

use std::collections::HashMap;

use serde::Serialize;

/// Points kept of a curve: more than a page is pixels wide. Where they are reached, every other point goes.
const MOST_POINTS: usize = 2048;
/// Curves kept; more is a mistake of who feeds them.
const MOST_CURVES: usize = 1024;

/// One curve, thinned as it grows.
#[derive(Debug)]
pub struct Curve {
    /// Every so many points one is kept.
    stride: usize,
    seen: usize,
    /// How often it was thinned.
    revision: u32,
    steps: Vec<f64>,
    values: Vec<f64>,
}

impl Default for Curve {
    fn default() -> Self {
        Self { stride: 1, seen: 0, revision: 0, steps: Vec::new(), values: Vec::new() }
    }
}

impl Curve {
    /// The points that are kept, in order: steps and values.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + Clone {
        self.steps.iter().copied().zip(self.values.iter().copied())
    }

    /// Adds a point.
    pub fn push(&mut self, step: f64, value: f64) {
        let is_kept = self.seen.is_multiple_of(self.stride);
        self.seen += 1;
        if !is_kept {
            return;
        }
        if self.steps.len() == MOST_POINTS {
            for numbers in [&mut self.steps, &mut self.values] {
                let kept = numbers.iter().copied().step_by(2).collect();
                *numbers = kept;
            }
            self.stride *= 2;
            self.revision += 1;
        }
        self.steps.push(step);
        self.values.push(value);
    }
}

/// All curves.
#[derive(Debug, Default)]
pub(crate) struct Curves {
    curves: Vec<(String, Curve)>,
    places: HashMap<String, usize>,
}

/// What one viewer has of each curve: revision and points.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<(u32, usize)>);

/// New points of a curve.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Piece {
    tag: String,
    /// Whether it replaces all that the viewer has.
    anew: bool,
    steps: Vec<f64>,
    /// Null where it is not finite.
    values: Vec<f64>,
}

impl Curves {
    pub(crate) fn push(&mut self, tag: &str, step: u64, value: f64) {
        let place = match self.places.get(tag) {
            Some(place) => *place,
            None if self.curves.len() == MOST_CURVES => return,
            None => {
                self.places.insert(tag.to_owned(), self.curves.len());
                self.curves.push((tag.to_owned(), Curve::default()));
                self.curves.len() - 1
            }
        };
        self.curves[place].1.push(step as f64, value);
    }

    /// What is new since `seen`, which is brought up to date.
    pub(crate) fn news(&self, seen: &mut Seen) -> Vec<Piece> {
        seen.0.resize(self.curves.len(), (0, 0));
        let mut pieces = Vec::new();
        for ((tag, curve), (revision, count)) in self.curves.iter().zip(&mut seen.0) {
            let anew = *revision != curve.revision;
            let first = if anew { 0 } else { *count };
            if anew || first < curve.steps.len() {
                let (steps, values) = (curve.steps[first..].to_vec(), curve.values[first..].to_vec());
                pieces.push(Piece { tag: tag.clone(), anew, steps, values });
            }
            (*revision, *count) = (curve.revision, curve.steps.len());
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_gets_each_point_once_and_thinned_curves_anew() {
        let (mut curves, mut seen) = (Curves::default(), Seen::default());
        curves.push("loss", 0, 1.0);
        curves.push("loss", 1, 0.5);
        let [piece] = &curves.news(&mut seen)[..] else { panic!("one curve") };
        assert_eq!((&piece.steps[..], &piece.values[..]), (&[0.0, 1.0][..], &[1.0, 0.5][..]));
        assert_eq!(curves.news(&mut seen), []);
        for step in 2..=MOST_POINTS as u64 {
            curves.push("loss", step, 0.25);
        }
        let [piece] = &curves.news(&mut seen)[..] else { panic!("one curve") };
        assert!(piece.anew);
        assert_eq!(piece.steps[..3], [0.0, 2.0, 4.0]);
        assert_eq!(piece.steps.last(), Some(&(MOST_POINTS as f64)));
    }

    #[test]
    fn a_million_points_stay_in_bounds() {
        let mut curves = Curves::default();
        for step in 0..1_000_000 {
            curves.push("loss", step, 0.0);
        }
        let pieces = curves.news(&mut Seen::default());
        assert!((MOST_POINTS / 2..=MOST_POINTS).contains(&pieces[0].steps.len()));
        assert!(pieces[0].steps.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
