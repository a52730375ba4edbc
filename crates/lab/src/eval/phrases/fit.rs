//! α and β fitted: those with the best mean F1 on the half of the pictures that is not judged.

use super::rule::{PAPER, Share, most, shares, threshold};

/// Values tried: the paper's α and around it in steps, and β up to where the threshold hardly depends on n.
const ALPHA_STEP: f64 = 0.01;
const ALPHA_STEPS: usize = 250;
const BETAS: [f64; 9] = [PAPER.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10_000.0];

/// What a threshold meets at one picture.
pub(super) struct Sample {
    n: usize,
    /// Shares of the best K, best first.
    shares: Vec<f64>,
    /// The place of the right phrase, if it is among them.
    truth: Option<usize>,
    /// Pictures of small repositories weigh as much together as those of large ones.
    weight: f64,
}

impl Sample {
    pub(super) fn new(share: Share, scores: &[f32], truth: usize, logit_scale: f32, weight: f64) -> Self {
        let n = scores.len();
        let mut shares = shares(share, scores, logit_scale);
        shares.truncate(most(n));
        let truth = (truth < shares.len()).then_some(truth);
        Self { n, shares, truth, weight }
    }

    /// F1 at a threshold: with m phrases passing, the right one among them, precision 1/m and recall 1 give
    /// 2/(m + 1).
    fn f1(&self, least: f64) -> f64 {
        let passed = self.shares.partition_point(|&share| share >= least);
        match self.truth {
            Some(place) if place < passed => 2.0 / (passed as f64 + 1.0),
            _ => 0.0,
        }
    }
}

/// The best α and β, and their mean F1. Among equals, the smallest α of the first β.
pub(super) fn fit(samples: &[Sample]) -> (f64, f64, f64) {
    let mut best = (PAPER.0, PAPER.1, mean_f1(samples, PAPER.0, PAPER.1));
    for beta in BETAS {
        for step in 1..=ALPHA_STEPS {
            let alpha = step as f64 * ALPHA_STEP;
            let f1 = mean_f1(samples, alpha, beta);
            if f1 > best.2 + 1e-12 {
                best = (alpha, beta, f1);
            }
        }
    }
    best
}

fn mean_f1(samples: &[Sample], alpha: f64, beta: f64) -> f64 {
    let weight: f64 = samples.iter().map(|sample| sample.weight).sum();
    let sum: f64 =
        samples.iter().map(|sample| sample.weight * sample.f1(threshold(alpha, beta, sample.n))).sum();
    if weight > 0.0 { sum / weight } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_depends_on_how_many_pass_and_on_the_right_one() {
        let sample = Sample { n: 15, shares: vec![0.6, 0.3, 0.1], truth: Some(1), weight: 1.0 };
        for (least, f1) in [(0.7, 0.0), (0.5, 0.0), (0.3, 2.0 / 3.0), (0.05, 0.5)] {
            assert!((sample.f1(least) - f1).abs() < 1e-12, "{least}");
        }
    }

    #[test]
    fn the_fit_finds_the_threshold_that_separates() {
        // Right phrases have shares of 0.4, wrong ones below them 0.3: a threshold between is best, and the
        // paper's lets nothing pass.
        let sample = || Sample { n: 50, shares: vec![0.4, 0.3, 0.1], truth: Some(0), weight: 1.0 };
        let samples: Vec<Sample> = (0..20).map(|_| sample()).collect();
        assert!(mean_f1(&samples, PAPER.0, PAPER.1) < 1e-12);
        let (alpha, beta, f1) = fit(&samples);
        let least = threshold(alpha, beta, 50);
        assert!((f1 - 1.0).abs() < 1e-12 && (0.3..=0.4).contains(&least), "{alpha} {beta} {least}");
    }

    #[test]
    fn nothing_to_fit_leaves_the_papers_values() {
        assert_eq!(fit(&[]), (PAPER.0, PAPER.1, 0.0));
    }
}
