//! Adam and gradient clipping follow PyTorch's documented formulas.

use eyas_policy::{Adam, clip_gradient_norm};

#[test]
fn adam_follows_its_formula_in_f64() {
    let mut parameters = vec![0.5_f32, -1.0, 2.0];
    let mut exact: Vec<f64> = parameters.iter().map(|x| f64::from(*x)).collect();
    let mut adam = Adam::new(3);
    let (mut m, mut v) = ([0.0_f64; 3], [0.0_f64; 3]);
    for step in 1..=200 {
        let gradient: Vec<f32> =
            (0..3).map(|i| ((step * (i + 1)) as f32 * 0.37).sin() * 10f32.powi(i - 1)).collect();
        adam.update(&mut parameters, &gradient, 1e-2);
        for i in 0..3 {
            let g = f64::from(gradient[i]);
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            let (m_hat, v_hat) = (m[i] / (1.0 - 0.9_f64.powi(step)), v[i] / (1.0 - 0.999_f64.powi(step)));
            exact[i] -= 1e-2 * m_hat / (v_hat.sqrt() + 1e-8);
            assert!((f64::from(parameters[i]) - exact[i]).abs() < 2e-5, "step {step}, parameter {i}");
        }
    }
}

#[test]
fn gradients_are_clipped_to_the_norm_only_when_longer() {
    let mut gradient = vec![3.0_f32, 4.0];
    assert!((clip_gradient_norm(&mut gradient, 1.0) - 5.0).abs() < 1e-6);
    assert!((gradient[0] - 0.6).abs() < 1e-6 && (gradient[1] - 0.8).abs() < 1e-6, "{gradient:?}");
    let before = gradient.clone();
    clip_gradient_norm(&mut gradient, 10.0);
    assert_eq!(gradient, before);
}
