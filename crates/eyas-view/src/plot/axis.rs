//! Ranges, ticks and their labels.

use libm::{exp10, floor, log10};

/// Numbers beyond this are drawn as gaps: differences of them would not be finite.
const LARGEST: f64 = 1e300;

/// Numbers below this have no place on a logarithmic axis: those that margins lead to would be denormal, or zero.
const SMALLEST: f64 = 1e-300;

/// What is shown along an axis.
#[derive(Clone, Debug, Default)]
pub(crate) struct Axis {
    pub(crate) label: String,
    /// Empty or `1` where there is none.
    pub(crate) unit: String,
    pub(crate) is_log: bool,
    pub(crate) limits: Option<[f64; 2]>,
}

impl Axis {
    /// The label with its unit, the numbers being multiples of `10^exponent`.
    pub(crate) fn title(&self, exponent: i32) -> String {
        let unit = if self.unit == "1" { "" } else { self.unit.as_str() };
        let factor = if exponent == 0 { String::new() } else { power(exponent) };
        match [factor.as_str(), unit] {
            ["", ""] => self.label.clone(),
            ["", part] | [part, ""] => format!("{} ({part})", self.label),
            [factor, unit] => format!("{} ({factor} {unit})", self.label),
        }
    }
}

/// Maps numbers to shares of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

/// A place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// From the start of the axis, in `[0, 1]`.
    pub(crate) share: f64,
    /// Empty for a mark between the numbers of a logarithmic axis.
    pub(crate) label: String,
}

/// The places marked on an axis; labels are multiples of `10^exponent`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ticks {
    pub(crate) marks: Vec<Tick>,
    pub(crate) exponent: i32,
}

impl Scale {
    /// The limits of an axis, else a range that holds what can be shown of `values` and `slack` of its length at
    /// both ends.
    pub(crate) fn new(axis: &Axis, values: impl Iterator<Item = f64>, slack: f64) -> Self {
        let is_log = axis.is_log;
        if let Some([low, high]) = axis.limits {
            let low = if is_log { low.max(SMALLEST) } else { low };
            return Self { low, high: if is_log && high <= low { 10.0 * low } else { high }, is_log };
        }
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| Self::has_place(*value, is_log)) {
            (low, high) = (low.min(value), high.max(value));
        }
        match (low <= high, is_log) {
            (false, true) => Self { low: 1.0, high: 10.0, is_log },
            (false, false) => Self { low: 0.0, high: 1.0, is_log },
            (true, true) => Self::log(low, high, slack),
            (true, false) => Self::linear(low, high, slack),
        }
    }

    fn linear(low: f64, high: f64, slack: f64) -> Self {
        // Ticks need steps that are not lost in the numbers.
        let least = 1e-9 * low.abs().max(high.abs());
        if high - low <= least.max(1e-290) {
            let half = if low == 0.0 { 1.0 } else { 0.1 * low.abs().max(1e-280) };
            return Self { low: low - half, high: high + half, is_log: false };
        }
        let margin = slack * (high - low);
        // Numbers of one sign stay on their side of zero.
        let padded_low = if low >= 0.0 { (low - margin).max(0.0) } else { low - margin };
        let padded_high = if high <= 0.0 { (high + margin).min(0.0) } else { high + margin };
        Self { low: padded_low, high: padded_high, is_log: false }
    }

    fn log(low: f64, high: f64, slack: f64) -> Self {
        let length = log10(high) - log10(low);
        let margin = exp10(if length < 1e-6 { 0.5 } else { slack * length });
        // Both ends stay numbers whose logarithm is finite.
        let [low, high] = [low / margin, high * margin].map(|end| end.clamp(1e-305, 1e305));
        Self { low, high, is_log: true }
    }

    /// The least and the greatest number.
    pub(crate) fn ends(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// Whether a number can be shown at all.
    pub(crate) fn has_place(value: f64, is_log: bool) -> bool {
        value.abs() < LARGEST && (!is_log || value >= SMALLEST)
    }

    /// Where a number lies: 0 at the start, 1 at the end; nowhere if it cannot be shown.
    pub(crate) fn share(&self, value: f64) -> Option<f64> {
        if !Self::has_place(value, self.is_log) {
            return None;
        }
        let [value, low, high] =
            [value, self.low, self.high].map(|it| if self.is_log { log10(it) } else { it });
        Some((value - low) / (high - low))
    }

    /// At most `most` numbers, and at least three where `most` allows it.
    pub(crate) fn ticks(&self, most: usize) -> Ticks {
        if self.is_log { self.log_ticks(most) } else { self.round_ticks(most) }
    }

    /// Powers of ten, else parts of them, else round numbers where the range holds less than three of them.
    fn log_ticks(&self, most: usize) -> Ticks {
        let decades = self.decades(most);
        if decades.iter().filter(|tick| !tick.label.is_empty()).count() >= 3 {
            return Ticks { marks: decades, exponent: 0 };
        }
        let choices = [&[1, 2, 5][..], &[1, 3]].map(|mantissas| self.parts_of_decades(mantissas));
        let [finer, coarser] = &choices;
        let numbers = if finer.len() > most && coarser.len() >= 3 { coarser } else { finer };
        if numbers.len() < 3 {
            return self.round_ticks(most);
        }
        let mut marks: Vec<Tick> =
            numbers.iter().map(|(value, label)| self.tick(*value, label.clone())).collect();
        marks.extend(self.between());
        Ticks { marks, exponent: 0 }
    }

    fn tick(&self, value: f64, label: String) -> Tick {
        // Rounding may leave the ends by an ulp.
        Tick { share: self.share(value).unwrap_or_default().clamp(0.0, 1.0), label }
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn round_ticks(&self, most: usize) -> Ticks {
        let step = self.step(most);
        let (first, last) = step.range(self.low, self.high);
        let values: Vec<f64> = (first..=last).map(|index| step.times(index)).collect();
        let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let exponent = if largest > 0.0 && !(1e-3..1e5).contains(&largest) {
            3 * (floor(log10(largest) + 1e-9) as i32).div_euclid(3)
        } else {
            0
        };
        let decimals = (exponent - step.exponent).max(0) as usize;
        let factor = Step { mantissa: 1, exponent: -exponent };
        let label = |value: f64| minus(&format!("{:.decimals$}", factor.of(value)));
        Ticks { marks: values.iter().map(|value| self.tick(*value, label(*value))).collect(), exponent }
    }

    fn step(&self, most: usize) -> Step {
        let most = most.clamp(3, 10) as i64;
        let mut step =
            Step { mantissa: 1, exponent: floor(log10((self.high - self.low) / most as f64)) as i32 - 1 };
        let count = |step: Step| {
            let (first, last) = step.range(self.low, self.high);
            last - first + 1
        };
        let mut finer = step;
        while count(step) > most {
            finer = step;
            step = step.next();
        }
        // The next finer one has less than 2.5 times as many and two more at most: no more than 8.
        if count(step) < 3 { finer } else { step }
    }

    /// Powers of ten, and marks between them where every one of them has a number.
    fn decades(&self, most: usize) -> Vec<Tick> {
        let one = Step { mantissa: 1, exponent: 0 };
        let (first, last) = one.range(log10(self.low) - 1e-12, log10(self.high) + 1e-12);
        let count = |stride: i64| last.div_euclid(stride) - (first - 1).div_euclid(stride);
        let fitting = (1..=last.abs_diff(first) as i64 + 1)
            .find(|stride| count(*stride) <= most.max(3) as i64)
            .unwrap_or(1);
        let stride = if count(fitting) < 3 { (fitting - 1).max(1) } else { fitting };
        let are_plain = first >= -3 && last <= 4;
        let mut marks = Vec::new();
        for exponent in (first..=last).filter(|exponent| exponent.rem_euclid(stride) == 0) {
            let label = if are_plain { plain(1, exponent as i32) } else { power(exponent as i32) };
            marks.push(self.tick(exp10(exponent as f64), label));
        }
        if stride == 1 {
            marks.extend(self.between());
        }
        marks
    }

    /// Marks without numbers between powers of ten.
    fn between(&self) -> impl Iterator<Item = Tick> {
        let parts = self.parts_of_decades(&[2, 3, 4, 5, 6, 7, 8, 9]);
        parts.into_iter().map(|(value, _)| self.tick(value, String::new()))
    }

    /// Multiples of powers of ten in the range, with their labels.
    fn parts_of_decades(&self, mantissas: &[u32]) -> Vec<(f64, String)> {
        let first = floor(log10(self.low)) as i32;
        let last = floor(log10(self.high)) as i32;
        let mut found = Vec::new();
        for exponent in first..=last {
            for mantissa in mantissas {
                let value = Step { mantissa: i64::from(*mantissa), exponent }.times(1);
                if (self.low..=self.high).contains(&value) {
                    let label = if (-3..=4).contains(&exponent) {
                        plain(*mantissa, exponent)
                    } else {
                        format!("{mantissa}×{}", power(exponent))
                    };
                    found.push((value, label));
                }
            }
        }
        found
    }
}

/// `mantissa · 10^exponent`.
#[derive(Clone, Copy)]
struct Step {
    mantissa: i64,
    exponent: i32,
}

impl Step {
    /// The nearest larger one of 1, 2 and 5 times a power of ten.
    fn next(self) -> Self {
        match self.mantissa {
            1 => Self { mantissa: 2, ..self },
            2 => Self { mantissa: 5, ..self },
            _ => Self { mantissa: 1, exponent: self.exponent + 1 },
        }
    }

    fn of(self, value: f64) -> f64 {
        let product = value * self.mantissa as f64;
        // Positive powers of ten are exact: 3 / 10 is the number that `0.3` is read as.
        if self.exponent < 0 {
            product / exp10(f64::from(-self.exponent))
        } else {
            product * exp10(f64::from(self.exponent))
        }
    }

    fn times(self, count: i64) -> f64 {
        self.of(count as f64)
    }

    /// The first and the last multiple in a range.
    fn range(self, low: f64, high: f64) -> (i64, i64) {
        let size = self.times(1);
        let (mut first, mut last) = (floor(low / size) as i64 - 1, floor(high / size) as i64 + 1);
        while self.times(first) < low {
            first += 1;
        }
        while self.times(last) > high {
            last -= 1;
        }
        (first, last)
    }
}

/// A number with a true minus sign and without a negative zero.
pub(crate) fn minus(number: &str) -> String {
    match number.strip_prefix('-') {
        Some(rest) if rest.chars().all(|character| matches!(character, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => number.to_owned(),
    }
}

/// A few digits and a moderate power of ten without an exponent.
fn plain(mantissa: u32, exponent: i32) -> String {
    let value = Step { mantissa: 1, exponent }.of(f64::from(mantissa));
    format!("{value:.*}", (-exponent).max(0) as usize)
}

/// `10³`.
fn power(exponent: i32) -> String {
    let raised = |character| match character {
        '-' => '⁻',
        digit => "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize - '0' as usize).unwrap_or(digit),
    };
    format!("10{}", exponent.to_string().chars().map(raised).collect::<String>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(axis: &Axis, values: [f64; 2], most: usize) -> (Vec<String>, i32) {
        let ticks = Scale::new(axis, values.into_iter(), 0.0).ticks(most);
        (
            ticks.marks.into_iter().map(|tick| tick.label).filter(|label| !label.is_empty()).collect(),
            ticks.exponent,
        )
    }

    proptest! {
        #[test]
        fn three_to_ten_numbers_lie_within_the_range(
            start in -1e6..1e6_f64, exponent in -12..12_i32, most in 3_usize..=10, is_log in any::<bool>(),
        ) {
            let length = exp10(f64::from(exponent)) * (1.0 + start.abs() / 1e6);
            let values = if is_log { [length, length * (1.0 + start.abs())] } else { [start, start + length] };
            let axis = Axis { is_log, ..Axis::default() };
            let scale = Scale::new(&axis, values.into_iter(), 0.04);
            let ticks = scale.ticks(most);
            let numbers = ticks.marks.iter().filter(|tick| !tick.label.is_empty()).count();
            prop_assert!((3..=10).contains(&numbers), "{numbers} ticks: {ticks:?}");
            prop_assert!(ticks.marks.iter().all(|tick| (0.0..=1.0).contains(&tick.share)), "{ticks:?}");
            prop_assert!(values.iter().all(|value| (0.0..=1.0).contains(&scale.share(*value).unwrap())));
        }
    }

    /// Denormals used to lead to a range from zero, and to ticks without end.
    #[test]
    fn a_logarithmic_axis_ends_whatever_it_shows() {
        let log = |limits| Axis { is_log: true, limits, ..Axis::default() };
        for values in [[1e-320, 2e-320], [5e-324, 1.0], [1e-300, 1e299], [1e-300, 1e-300], [0.0, -1.0]] {
            for limits in [None, Some([5e-324, 1.0]), Some([1e-320, 2e-320])] {
                let scale = Scale::new(&log(limits), values.into_iter(), 0.04);
                assert!(scale.ends().iter().all(|it| it.is_normal()), "{values:?} {limits:?}: {scale:?}");
                let marks = scale.ticks(6).marks;
                assert!((1..100).contains(&marks.len()), "{values:?} {limits:?}: {marks:?}");
                assert_eq!(scale.share(5e-324), None);
            }
        }
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        let linear = Axis::default();
        assert_eq!(
            labels(&linear, [0.0, 0.5], 6),
            (["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"].map(Into::into).to_vec(), 0)
        );
        assert_eq!(
            labels(&linear, [-200.0, 400.0], 4),
            (["−200", "0", "200", "400"].map(Into::into).to_vec(), 0)
        );
        assert_eq!(labels(&linear, [0.0, 3e6], 4), (["0", "1", "2", "3"].map(Into::into).to_vec(), 6));
        assert_eq!(
            labels(&linear, [0.0, 2e-5], 5),
            (["0", "5", "10", "15", "20"].map(Into::into).to_vec(), -6)
        );
    }

    #[test]
    fn a_logarithmic_axis_has_powers_of_ten() {
        let log = Axis { is_log: true, ..Axis::default() };
        assert_eq!(labels(&log, [0.01, 10.0], 8).0, ["0.01", "0.1", "1", "10"]);
        assert_eq!(labels(&log, [1e3, 1e6], 8).0, ["10³", "10⁴", "10⁵", "10⁶"]);
        assert_eq!(labels(&log, [0.05, 120.0], 3).0, ["0.1", "1", "10", "100"]);
        assert_eq!(labels(&log, [2.0, 30.0], 8).0, ["2", "5", "10", "20"]);
        assert_eq!(labels(&log, [2.0, 50.0], 4).0, ["3", "10", "30"]);
        assert_eq!(labels(&log, [3.0, 4.0], 6).0, ["3.0", "3.2", "3.4", "3.6", "3.8", "4.0"]);
    }

    #[test]
    fn a_title_shows_factor_and_unit() {
        let axis = |unit: &str| Axis { label: "time".into(), unit: unit.into(), ..Axis::default() };
        let titles = [axis("s").title(0), axis("s").title(-6), axis("1").title(0), axis("").title(3)];
        assert_eq!(titles, ["time (s)", "time (10⁻⁶ s)", "time", "time (10³)"]);
    }

    #[test]
    fn what_cannot_be_shown_has_no_place() {
        let scale = |is_log| Scale { low: 1.0, high: 100.0, is_log };
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!((scale(false).share(value), scale(true).share(value)), (None, None));
        }
        assert_eq!(scale(true).share(-1.0), None);
        assert_eq!(scale(true).share(10.0), Some(0.5));
    }
}
