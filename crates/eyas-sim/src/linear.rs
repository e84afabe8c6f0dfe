//! Small systems of linear equations.

/// Solves `Σ columns[i] x[i] = right` by Gaussian elimination with partial pivoting; not finite where there is no
/// unique solution.
pub(crate) fn solve(columns: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let size = right.len();
    let mut rows: Vec<Vec<f64>> =
        (0..size).map(|row| columns.iter().map(|column| column[row]).chain([right[row]]).collect()).collect();
    for step in 0..size {
        let pivot = (step..size).max_by(|a, b| rows[*a][step].abs().total_cmp(&rows[*b][step].abs()));
        rows.swap(step, pivot.expect("a row is left"));
        let (done, rest) = rows.split_at_mut(step + 1);
        let pivot = &done[step];
        for row in rest {
            let factor = row[step] / pivot[step];
            for (value, pivot) in row[step..].iter_mut().zip(&pivot[step..]) {
                *value -= factor * pivot;
            }
        }
    }
    let mut solution = vec![0.0; size];
    for step in (0..size).rev() {
        let known: f64 = (step + 1..size).map(|index| rows[step][index] * solution[index]).sum();
        solution[step] = (rows[step][size] - known) / rows[step][step];
    }
    solution
}
