//! What a linear map reads off features.

/// A linear map with an offset, fitted by ridge regression.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearProbe {
    /// What stands for features at their mean.
    offset: f64,
    /// Mean of each feature and its weight.
    weights: Vec<(f64, f64)>,
}

/// Features depend on each other linearly, and nothing decides between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the features depend on each other linearly; a positive ridge decides between them")]
pub struct Singular;

impl LinearProbe {
    /// Fits targets `[samples]` to features `[samples][width]` by least squares in double precision; `ridge` times the
    /// mean square of the features is added to the diagonal of their covariance (Hoerl and Kennard, 1970). The offset
    /// is not shrunk.
    ///
    /// # Panics
    ///
    /// If there is no sample, or the lengths do not fit.
    pub fn fit(features: &[f64], targets: &[f64], ridge: f64) -> Result<Self, Singular> {
        assert!(!targets.is_empty(), "a probe of no sample");
        assert_eq!(features.len() % targets.len(), 0, "features of {} samples", targets.len());
        let width = features.len() / targets.len();
        let count = targets.len() as f64;
        let rows = || features.chunks_exact(width.max(1));
        let mut means = vec![0.0; width];
        for row in rows() {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value / count);
        }
        let offset = targets.iter().sum::<f64>() / count;
        let mut covariance = vec![0.0; width * width];
        let mut right = vec![0.0; width];
        let mut centred = vec![0.0; width];
        for (row, target) in rows().zip(targets) {
            for ((it, value), mean) in centred.iter_mut().zip(row).zip(&means) {
                *it = value - mean;
            }
            for (i, a) in centred.iter().enumerate() {
                right[i] += a * (target - offset) / count;
                for (j, b) in centred[..=i].iter().enumerate() {
                    covariance[i * width + j] += a * b / count;
                }
            }
        }
        let trace = (0..width).map(|it| covariance[it * width + it]).sum::<f64>();
        for it in 0..width {
            covariance[it * width + it] += ridge * trace / width as f64;
        }
        solve(&mut covariance, &mut right)?;
        Ok(Self { offset, weights: means.into_iter().zip(right).collect() })
    }

    /// What it says of the features of one sample.
    #[must_use]
    pub fn predict(&self, features: &[f64]) -> f64 {
        let terms = self.weights.iter().zip(features).map(|((mean, weight), value)| weight * (value - mean));
        self.offset + terms.sum::<f64>()
    }
}

/// How well predictions `[samples]` meet targets: coefficient of determination, not a number where all targets are
/// the same, and mean squared error.
#[must_use]
pub fn score(predictions: &[f64], targets: &[f64]) -> [f64; 2] {
    let count = targets.len() as f64;
    let mean = targets.iter().sum::<f64>() / count;
    let error = predictions.iter().zip(targets).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let spread = targets.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>();
    [if spread > 0.0 { 1.0 - error / spread } else { f64::NAN }, error / count]
}

/// Solves `A x = b` for a positive definite `A`, of which the lower triangle is read, in place, by Cholesky's
/// decomposition.
fn solve(matrix: &mut [f64], right: &mut [f64]) -> Result<(), Singular> {
    let n = right.len();
    for i in 0..n {
        let scale = matrix[i * n + i];
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            matrix[i * n + j] = if i != j {
                rest / matrix[j * n + j]
            } else if rest > 1e-14 * scale {
                rest.sqrt()
            } else {
                return Err(Singular);
            };
        }
    }
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| matrix[i * n + k] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| matrix[k * n + i] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * n + i];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use eyas_lanes::Stream;

    use super::*;

    /// Features `[200][4]` far from 0, and a linear map of them.
    fn linear() -> (Vec<f64>, Vec<f64>) {
        let stream = Stream::new(3, "test/probe");
        let features: Vec<f64> =
            (0..200).flat_map(|it| stream.normals([it, 0, 0, 0]).map(|x| 5.0 + f64::from(x))).collect();
        let target = |row: &[f64]| 1.5 + 2.0 * row[0] - 0.25 * row[1] + 3.0 * row[3];
        let targets = features.chunks_exact(4).map(target).collect();
        (features, targets)
    }

    #[test]
    fn a_linear_relation_is_found_exactly() {
        let (features, targets) = linear();
        let probe = LinearProbe::fit(&features, &targets, 0.0).unwrap();
        for ((_, weight), expected) in probe.weights.iter().zip([2.0, -0.25, 0.0, 3.0]) {
            // Rounding of 200 products, times a condition number of about 2.
            assert!((weight - expected).abs() < 1e-12, "{weight} for {expected}");
        }
        assert!((probe.predict(&[0.0; 4]) - 1.5).abs() < 1e-11);
    }

    #[test]
    fn a_ridge_shrinks_weights_and_decides_between_twins() {
        let (features, targets) = linear();
        let free = LinearProbe::fit(&features, &targets, 0.0).unwrap();
        let bound = LinearProbe::fit(&features, &targets, 1.0).unwrap();
        assert!(bound.weights[3].1.abs() < 0.7 * free.weights[3].1.abs());
        let twins: Vec<f64> = features.chunks_exact(4).flat_map(|row| [row[0], row[0]]).collect();
        assert_eq!(LinearProbe::fit(&twins, &targets, 0.0), Err(Singular));
        let probe = LinearProbe::fit(&twins, &targets, 1e-3).unwrap();
        assert!((probe.weights[0].1 - probe.weights[1].1).abs() < 1e-9);
    }
}
