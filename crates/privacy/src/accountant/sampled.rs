//! What a release costs a member who takes part by a secret coin of bias `q`.

use crate::special::{log_add, log_binomial, log_erfc, log_exp_m1, log_sub};

/// The Gaussian of noise multiplier `z`, sampled: exact for integer orders, and the series of section 3.3 for others
/// (Mironov, Talwar and Zhang 2019, "Rényi differential privacy of the sampled Gaussian mechanism").
pub(crate) fn gaussian(z: f64, q: f64, order: f64) -> f64 {
    if order.fract() == 0.0 {
        return gaussian_integer(z, q, order as u32);
    }
    let fractional = gaussian_fractional(z, q, order);
    if fractional.is_finite() && fractional >= 0.0 {
        fractional
    } else {
        // The divergence grows with the order, so the next integer's is a bound.
        gaussian_integer(z, q, order.ceil() as u32)
    }
}

/// `A_α = Σ_k C(α,k) (1-q)^(α-k) q^k exp((k² - k) / 2z²)`, and the divergence is `ln A_α / (α - 1)`.
///
/// The weights sum to 1, so `A_α - 1 = Σ_{k≥2} C(α,k) (1-q)^(α-k) q^k (exp(...) - 1)`: small rates keep their digits.
fn gaussian_integer(z: f64, q: f64, order: u32) -> f64 {
    let (log_q, log_rest) = (q.ln(), (-q).ln_1p());
    let term = |k: u32| {
        let gain = f64::from(k) * f64::from(k - 1) / (2.0 * z * z);
        log_binomial(order, k) + f64::from(k) * log_q + f64::from(order - k) * log_rest + log_exp_m1(gain)
    };
    let log_excess = (2..=order).map(term).fold(f64::NEG_INFINITY, log_add);
    log_add(0.0, log_excess) / f64::from(order - 1)
}

/// Two series for the integral on either side of `z₀`, where sampled and unsampled densities meet.
fn gaussian_fractional(z: f64, q: f64, order: f64) -> f64 {
    const MOST_TERMS: u32 = 10_000;
    let (log_q, log_rest) = (q.ln(), (-q).ln_1p());
    let middle = z * z * (1.0 / q - 1.0).ln() + 0.5;
    let half_erfc = |x: f64| log_erfc(x / (std::f64::consts::SQRT_2 * z)) - std::f64::consts::LN_2;
    // Positive and negative terms apart: generalised binomial coefficients change their sign.
    let (mut positive, mut negative) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    let (mut log_coefficient, mut is_positive) = (0.0, true);
    let mut before = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for step in 0..MOST_TERMS {
        let i = f64::from(step);
        let j = order - i;
        let left = log_coefficient + i * log_q + j * log_rest + (i * i - i) / (2.0 * z * z) + half_erfc(i - middle);
        let right = log_coefficient + j * log_q + i * log_rest + (j * j - j) / (2.0 * z * z) + half_erfc(middle - j);
        let side = if is_positive { &mut positive } else { &mut negative };
        *side = log_add(*side, log_add(left, right));
        if left < before.0 && right < before.1 && left.max(right) < positive - 40.0 {
            return log_sub(positive, negative) / (order - 1.0);
        }
        before = (left, right);
        is_positive ^= j < 0.0;
        log_coefficient += j.abs().ln() - (i + 1.0).ln();
    }
    f64::INFINITY
}

/// Any mechanism, sampled, by its divergences at the integer orders: never more than unsampled (Zhu and Wang 2019,
/// "Poisson subsampled Rényi differential privacy", theorem 5).
///
/// ```text
/// (α-1) ε' = ln( (1-q)^(α-1) (αq - q + 1) + C(α,2) q² (1-q)^(α-2) e^ε(2) + 3 Σ_{l≥3} C(α,l) (1-q)^(α-l) q^l e^((l-1) ε(l)) )
/// ```
///
/// Orders that are no integers take the next integer's bound, since divergences grow with the order.
pub(crate) fn any(divergence: impl Fn(f64) -> f64, q: f64, order: f64) -> f64 {
    let alpha = order.ceil() as u32;
    let (log_q, log_rest) = (q.ln(), (-q).ln_1p());
    let alone = f64::from(alpha - 1) * log_rest + (f64::from(alpha) * q - q).ln_1p();
    let term = |l: u32| {
        let factor = if l == 2 { 0.0 } else { 3_f64.ln() };
        let weight = log_binomial(alpha, l) + f64::from(alpha - l) * log_rest + f64::from(l) * log_q;
        factor + weight + f64::from(l - 1) * divergence(f64::from(l))
    };
    let sampled = (2..=alpha).map(term).fold(alone, log_add) / f64::from(alpha - 1);
    sampled.max(0.0).min(divergence(order))
}
