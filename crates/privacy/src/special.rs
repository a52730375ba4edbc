//! Functions whose values are too small or too large for floating point are kept as their logarithms.

use std::f64::consts::{LN_2, PI, SQRT_2};

/// `ln(e^a + e^b)`.
pub(crate) fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln(e^x - 1)` for `x > 0`.
pub(crate) fn log_exp_m1(x: f64) -> f64 {
    x + (-(-x).exp_m1()).ln()
}

/// `ln C(n, k)` for integers.
pub(crate) fn log_binomial(n: u32, k: u32) -> f64 {
    let log_factorial = |m: u32| libm::lgamma(f64::from(m) + 1.0);
    log_factorial(n) - log_factorial(k) - log_factorial(n - k)
}

/// `ln erfc(x)`. Beyond 20 the function itself would soon vanish, and five terms of its asymptotic series are exact to
/// 10⁻¹³ (Abramowitz and Stegun 7.1.23).
pub(crate) fn log_erfc(x: f64) -> f64 {
    if x <= 20.0 {
        return libm::erfc(x).ln();
    }
    let u = 1.0 / (2.0 * x * x);
    let series = -u * (1.0 - 3.0 * u * (1.0 - 5.0 * u * (1.0 - 7.0 * u)));
    -x * x - (x * PI.sqrt()).ln() + series.ln_1p()
}

/// `ln Φ(x)`, the standard normal distribution function.
pub(crate) fn log_normal_cdf(x: f64) -> f64 {
    log_erfc(-x / SQRT_2) - LN_2
}

/// The point where a monotone predicate turns true between `low` and `high`, by halving their ratio: returned from the
/// side where it is true. `high` must satisfy it.
pub(crate) fn bisect(mut low: f64, mut high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    while high / low > 1.0 + 1e-12 {
        let middle = (low * high).sqrt();
        if middle <= low || middle >= high {
            break;
        }
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance * expected.abs(), "{got}, not {expected}");
    }

    /// Values from mpmath with 50 digits: `log(erfc(x))`.
    #[test]
    fn log_erfc_far_out() {
        close(log_erfc(0.5), -0.735_011_129_837_084_4, 1e-14);
        close(log_erfc(19.9), -399.574_343_308_275, 1e-14);
        close(log_erfc(20.1), -407.584_318_545_200_4, 1e-13);
        close(log_erfc(50.0), -2_504.484_587_848_451_4, 1e-14);
        close(log_erfc(-30.0), LN_2, 1e-15);
    }

    #[test]
    fn logarithms_of_sums() {
        close(log_add(3_f64.ln(), 4_f64.ln()), 7_f64.ln(), 1e-15);
        close(log_add(f64::NEG_INFINITY, 2.0), 2.0, 0.0);
        close(log_exp_m1(1e-9), 1e-9_f64.ln(), 1e-9);
        close(log_exp_m1(800.0), 800.0, 1e-15);
        close(log_binomial(50, 25), 126_410_606_437_752_f64.ln(), 1e-14);
    }

    #[test]
    fn bisection_ends_on_the_true_side() {
        let root = bisect(1e-3, 1e3, |x| x * x >= 2.0);
        assert!(root * root >= 2.0);
        close(root, SQRT_2, 1e-11);
    }
}
