//! Intervals that hold a value with 95 % confidence.

/// Standard deviations of a normal distribution on either side of its mean that hold 95 % of it.
pub(crate) const Z95: f64 = 1.96;

/// The score interval of a share of `count` that was found (Wilson, 1927, doi:10.1080/01621459.1927.10502953).
pub(crate) fn wilson95(share: f64, count: f64) -> [f64; 2] {
    const Z2: f64 = Z95 * Z95;
    let middle = share + Z2 / (2.0 * count);
    let half = Z95 * (share * (1.0 - share) / count + Z2 / (4.0 * count * count)).sqrt();
    let [low, high] = [middle - half, middle + half].map(|bound| bound / (1.0 + Z2 / count));
    // Rounding may leave the bound that is the share itself, 0 or 1, beside it.
    [low.max(0.0).min(share), high.min(1.0).max(share)]
}

/// Mean square of residuals of episodes, each with its vehicle. With several vehicles those of one are added before they are
/// squared: the variance of a mean over clusters (Liang and Zeger, 1986, doi:10.1093/biomet/73.1.13), times their number.
pub(crate) fn clustered(residuals: impl Iterator<Item = (usize, f64)>, num_vehicles: usize) -> f64 {
    let mut sums = vec![(0.0, 0_u32); num_vehicles.max(1)];
    let (mut squares, mut count) = (0.0, 0.0);
    for (vehicle, residual) in residuals {
        squares += residual.powi(2);
        count += 1.0;
        sums[vehicle].0 += residual;
        sums[vehicle].1 += 1;
    }
    let clusters = sums.iter().filter(|(_, episodes)| *episodes > 0).count() as f64;
    let count = f64::max(count, 1.0);
    if clusters < 2.0 {
        return squares / count;
    }
    sums.iter().map(|(sum, _): &(f64, u32)| sum.powi(2)).sum::<f64>() * clusters / (clusters - 1.0) / count
}

/// As many independent episodes as would leave a share with that spread; where none shows, as there are vehicles.
pub(crate) fn num_independent(count: f64, share: f64, spread: f64, num_vehicles: usize) -> f64 {
    match (num_vehicles, spread > 0.0) {
        (0 | 1, _) => count,
        (_, true) => (count * share * (1.0 - share) / spread).min(count),
        (vehicles, false) => count.min(vehicles as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilsons_interval_is_the_published_one() {
        // Newcombe (1998), table I: 81 of 263 and 0 of 20.
        for ((successes, count), expected) in
            [((81, 263), [0.2553, 0.3662]), ((0, 20), [0.0, 0.1611]), ((1, 29), [0.0061, 0.1718])]
        {
            let share = f64::from(successes) / f64::from(count);
            for (found, expected) in wilson95(share, f64::from(count)).into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-4, "{successes} of {count}: {found}");
            }
        }
        // 1 in 10 is 0.018 to 0.404 in every textbook's table.
        let [low, high] = wilson95(0.1, 10.0);
        assert!((low - 0.018).abs() < 5e-4 && (high - 0.404).abs() < 5e-4, "{low} {high}");
        for count in [1.0, 3.0, 50.0, 10_000.0] {
            assert_eq!((wilson95(0.0, count)[0], wilson95(1.0, count)[1]), (0.0, 1.0), "{count}");
        }
    }
}
