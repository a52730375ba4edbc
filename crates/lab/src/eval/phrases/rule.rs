//! Which of a repository's phrases are said to be right for a picture, and how right that is.
//!
//! The paper's rule: of n phrases the best K = max(1, round(0.2 n)) at most, and of those the ones whose share in
//! the softmax over all n, at the model's own temperature, reaches α/√ln(n + β) with α = 1.2 and β = 0.1. Up to
//! n = 100 that is above one half, so at most one phrase passes. Beside it stand the same rule on the softmax over
//! its largest value, and the best K without a threshold.

use serde::Serialize;

/// The paper's α and β.
pub(super) const PAPER: (f64, f64) = (1.2, 0.1);

/// What is held against the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// The softmax.
    Softmax,
    /// The softmax over its largest value: 1 for the best phrase.
    OfLargest,
}

/// One way to decide.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// Without one, the best K pass.
    pub(super) threshold: Option<Threshold>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Threshold {
    pub(super) share: Share,
    pub(super) alpha: f64,
    pub(super) beta: f64,
}

/// The most phrases that pass of `n`: max(1, round(0.2 n)).
pub(super) fn most(n: usize) -> usize {
    ((0.2 * n as f64).round() as usize).max(1)
}

/// α/√ln(n + β).
pub(super) fn threshold(alpha: f64, beta: f64, n: usize) -> f64 {
    alpha / (n as f64 + beta).ln().sqrt()
}

/// The share of each score, best first, as the scores are.
pub(super) fn shares(share: Share, scores: &[f32], logit_scale: f32) -> Vec<f64> {
    let best = scores.first().copied().unwrap_or_default();
    let mut shares: Vec<f64> =
        scores.iter().map(|score| (f64::from(logit_scale) * f64::from(score - best)).exp()).collect();
    if share == Share::Softmax {
        let sum: f64 = shares.iter().sum();
        for value in &mut shares {
            *value /= sum;
        }
    }
    shares
}

impl Rule {
    /// How many of the best pass, given the scores of all n phrases, best first.
    pub(super) fn passed(&self, scores: &[f32], logit_scale: f32) -> usize {
        let n = scores.len();
        let Some(Threshold { share, alpha, beta }) = self.threshold else { return most(n).min(n) };
        let least = threshold(alpha, beta, n);
        let passing = shares(share, scores, logit_scale).into_iter().take_while(|&value| value >= least);
        passing.take(most(n)).count()
    }
}

/// How right an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Judgement {
    pub(super) precision: f64,
    pub(super) recall: f64,
    pub(super) f1: f64,
    /// 1 when anything passed.
    pub(super) answered: f64,
}

impl Judgement {
    /// Of an answer with `passed` phrases of which `hits` are among the `right` ones. Where nothing passed, nothing
    /// right was said: precision, recall and F1 are 0.
    pub(super) fn of(passed: usize, hits: usize, right: usize) -> Self {
        let share = |of: usize| if of == 0 { 0.0 } else { hits as f64 / of as f64 };
        let (precision, recall) = (share(passed), share(right));
        let f1 = if hits == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        Self { precision, recall, f1, answered: f64::from(u8::from(passed > 0)) }
    }

    /// The mean over answers; all 0 without any.
    pub(super) fn mean(judgements: &[Self]) -> Self {
        let count = judgements.len().max(1) as f64;
        let mean = |part: fn(&Self) -> f64| judgements.iter().map(part).sum::<f64>() / count;
        Self {
            precision: mean(|it| it.precision),
            recall: mean(|it| it.recall),
            f1: mean(|it| it.f1),
            answered: mean(|it| it.answered),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_papers_numbers() {
        assert_eq!([10, 20, 40, 60, 80, 100].map(most), [2, 4, 8, 12, 16, 20]);
        assert_eq!([1, 2, 3, 7, 8].map(most), [1, 1, 1, 1, 2]);
        let (alpha, beta) = PAPER;
        // ln 10.1 = 2.312535..., whose root is 1.520702...
        assert!((threshold(alpha, beta, 10) - 0.789_109).abs() < 1e-6, "{}", threshold(alpha, beta, 10));
        assert!(close(threshold(alpha, beta, 100), 1.2 / 100.1_f64.ln().sqrt()));
        assert!(threshold(alpha, beta, 100) > 0.5 && threshold(alpha, beta, 10) > threshold(alpha, beta, 20));
    }

    #[test]
    fn shares_by_hand() {
        // With scale ln 2 a step of 1 halves the share.
        let scores = [2.0, 1.0, 1.0];
        let half = std::f32::consts::LN_2;
        let softmax = shares(Share::Softmax, &scores, half);
        assert!(softmax.iter().zip([0.5, 0.25, 0.25]).all(|(&a, b)| (a - b).abs() < 1e-6), "{softmax:?}");
        let relative = shares(Share::OfLargest, &scores, half);
        assert!(relative.iter().zip([1.0, 0.5, 0.5]).all(|(&a, b)| (a - b).abs() < 1e-6));
        assert!(shares(Share::Softmax, &[1.0, -1.0], 1e6).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn the_threshold_decides_within_the_best_k() {
        let with = |share, alpha| Rule { name: "", threshold: Some(Threshold { share, alpha, beta: 0.1 }) };
        let half = std::f32::consts::LN_2;
        let mut scores = [0.0_f32; 10];
        (scores[0], scores[1]) = (2.0, 2.0);
        // Two shares of 4/16 each, the others 1/16: below 0.79 none passes, at 0.2 both do.
        let (alpha, _) = PAPER;
        assert_eq!(with(Share::Softmax, alpha).passed(&scores, half), 0);
        assert_eq!(with(Share::Softmax, 0.3).passed(&scores, half), 2);
        assert_eq!(with(Share::OfLargest, alpha).passed(&scores, half), 2);
        assert_eq!(with(Share::Softmax, 0.0).passed(&scores, half), 2, "K ends it");
        assert_eq!(Rule { name: "", threshold: None }.passed(&scores, half), 2);
        assert_eq!(with(Share::OfLargest, alpha).passed(&[], half), 0);
    }

    #[test]
    fn judgements_by_hand() {
        assert_eq!(Judgement::of(0, 0, 1), Judgement::default());
        let two = Judgement::of(2, 1, 1);
        assert!(close(two.precision, 0.5) && close(two.recall, 1.0) && close(two.f1, 2.0 / 3.0));
        let partial = Judgement::of(1, 1, 2);
        assert!(close(partial.precision, 1.0) && close(partial.recall, 0.5) && close(partial.f1, 2.0 / 3.0));
        let wrong = Judgement::of(1, 0, 1);
        assert!(close(wrong.f1, 0.0) && close(wrong.answered, 1.0));
        let mean = Judgement::mean(&[two, wrong, Judgement::default()]);
        assert!(close(mean.f1, 2.0 / 9.0) && close(mean.answered, 2.0 / 3.0));
    }
}
