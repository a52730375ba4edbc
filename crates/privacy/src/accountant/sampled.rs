//! What a release costs a member who takes part by a secret coin of bias `q`.

use crate::special::{log_add, log_binomial, log_exp_m1};

/// Below this noise multiplier the integral for an order that is no integer is not worth its price.
const LEAST_INTEGRATED: f64 = 0.2;

/// The Gaussian of noise multiplier `z`, sampled (Mironov, Talwar and Zhang 2019, "Rényi differential privacy of the
/// sampled Gaussian mechanism"): the divergence is `ln A_α / (α - 1)` with
///
/// ```text
/// A_α = E[(1 - q + q e^G)^α],    G = u/z - 1/2z²,    u standard normal
/// ```
pub(crate) fn gaussian(z: f64, q: f64, order: f64) -> f64 {
    if order.fract() > 0.0 && z >= LEAST_INTEGRATED {
        return log_add(0.0, excess_integrated(z, q, order)) / (order - 1.0);
    }
    // The divergence grows with the order, so the next integer's is a bound.
    let order = order.ceil();
    log_add(0.0, excess_integer(z, q, order as u32)) / (order - 1.0)
}

/// `ln(A_α - 1)` for an integer: `A_α = Σ_k C(α,k) (1-q)^(α-k) q^k exp((k² - k) / 2z²)`, and the weights sum to 1, so
/// that the ones can be left out of the exponentials and small rates keep their digits.
fn excess_integer(z: f64, q: f64, order: u32) -> f64 {
    let (log_q, log_rest) = (q.ln(), (-q).ln_1p());
    let term = |k: u32| {
        let gain = f64::from(k) * f64::from(k - 1) / (2.0 * z * z);
        log_binomial(order, k) + f64::from(k) * log_q + f64::from(order - k) * log_rest + log_exp_m1(gain)
    };
    (2..=order).map(term).fold(f64::NEG_INFINITY, log_add)
}

/// `ln(A_α - 1)` for any order, by the trapezoidal rule.
///
/// With `t = q (e^G - 1)`, whose mean is 0, `A_α - 1` is the mean of `(1 + t)^α - 1 - α t`, which is never negative. The
/// integrand is analytic within `πz` of the real axis and falls off as a Gaussian around 0 and `α/z`, so that the rule's
/// error at step `h` is of order `exp(-2π² min(z, 1/h) / h)`: below 10⁻³⁰ here. (The paper's series for this case
/// converges like `i^-(α+2)` only, and implementations of it stop early or sum magnitudes.)
fn excess_integrated(z: f64, q: f64, order: f64) -> f64 {
    const MARGIN: f64 = 12.0;
    let step = 0.25 * z.min(1.0);
    let points = ((order / z + 2.0 * MARGIN) / step).ceil() as u32;
    let log_weight = step.ln() - 0.5 * std::f64::consts::TAU.ln();
    let term = |point: u32| {
        let u = -MARGIN + f64::from(point) * step;
        let t = q * (u / z - 0.5 / (z * z)).exp_m1();
        log_weight - u * u / 2.0 + log_bernoulli_gap(t, order)
    };
    (0..=points).map(term).fold(f64::NEG_INFINITY, log_add)
}

/// `ln((1 + t)^α - 1 - α t)` for `t > -1`, `α > 1`.
fn log_bernoulli_gap(t: f64, order: f64) -> f64 {
    if t.abs() < 0.01 {
        // The binomial series from its third term on, whose ninth is below 10⁻¹⁷ of the first.
        let (mut term, mut sum) = (order * t, 0.0);
        for k in 2..12 {
            term *= (order + 1.0 - f64::from(k)) * t / f64::from(k);
            sum += term;
        }
        return sum.ln();
    }
    let power = order * t.ln_1p();
    if power < 1.0 {
        (power.exp_m1() - order * t).ln()
    } else {
        power + (-(1.0 + order * t) * (-power).exp()).ln_1p()
    }
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
