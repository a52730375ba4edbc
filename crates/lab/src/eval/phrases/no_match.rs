//! When is "no match" the answer? A cutoff on the cosine of the best picture for a phrase, and how often it errs.
//!
//! Each label is asked for in each wording, once with its pictures there and once without them. A cutoff errs when
//! it hides the best of a label's own pictures (false negative), and when without them another picture passes
//! (false positive). It is chosen on one half of the pictures, where the two shares together are smallest, and
//! judged on the other half.

use pmirs_encoder::Embedding;
use rayon::prelude::*;
use serde::Serialize;

use super::super::dot;

/// Points that a curve keeps.
const CURVE: usize = 101;

/// A cutoff for search, and how it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NoMatch {
    /// The cutoff chosen here.
    pub calibrated: Cutoff,
    /// The model pack's own for words and pictures, if it has one.
    pub pack: Option<Cutoff>,
    /// Queries judged with their pictures there, and as many without.
    pub queries: usize,
    /// Pictures searched.
    pub images: usize,
    /// False-positive share and true-positive share of growing cutoffs on the judged half, from (1, 1) down.
    pub roc: Vec<[f64; 2]>,
}

/// A cutoff and its errors on the judged half.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cutoff {
    /// Smallest cosine that counts as a match.
    pub cosine: f64,
    /// Share of queries without a right picture that find one all the same.
    pub false_positive_rate: f64,
    /// Share of queries whose best right picture is hidden.
    pub false_negative_rate: f64,
}

/// The best scores of many queries, each list ascending.
struct Scores {
    present: Vec<f32>,
    absent: Vec<f32>,
}

/// Calibrates on the pictures of `fitting` and judges on those of `judged`: per label, places in `pictures`.
pub(super) fn calibrate(
    pictures: &[Embedding],
    phrases: &[Vec<Embedding>],
    [fitting, judged]: [&[Vec<usize>]; 2],
    pack: Option<f32>,
) -> NoMatch {
    let fitted = Scores::of(pictures, phrases, fitting);
    let judged_scores = Scores::of(pictures, phrases, judged);
    let judge = |cosine: f32| {
        let (false_positive_rate, false_negative_rate) = judged_scores.errors(cosine);
        Cutoff { cosine: f64::from(cosine), false_positive_rate, false_negative_rate }
    };
    NoMatch {
        calibrated: judge(fitted.best_cutoff()),
        pack: pack.map(judge),
        queries: judged_scores.present.len(),
        images: judged.iter().map(Vec::len).sum(),
        roc: judged_scores.curve(),
    }
}

impl Scores {
    fn of(pictures: &[Embedding], phrases: &[Vec<Embedding>], half: &[Vec<usize>]) -> Self {
        let asked: Vec<(usize, &Embedding)> = phrases
            .iter()
            .enumerate()
            .filter(|(label, _)| half.get(*label).is_some_and(|own| !own.is_empty()))
            .flat_map(|(label, phrases)| phrases.iter().map(move |phrase| (label, phrase)))
            .collect();
        let best: Vec<(f32, f32)> = asked
            .par_iter()
            .map(|&(label, phrase)| {
                let score = |at: &usize| {
                    pictures.get(*at).map_or(-1.0, |picture| dot(phrase.as_slice(), picture.as_slice()))
                };
                let best = |own: bool| {
                    half.iter()
                        .enumerate()
                        .filter(|(other, _)| (*other == label) == own)
                        .flat_map(|(_, pictures)| pictures.iter().map(score))
                        .fold(-1.0, f32::max)
                };
                (best(true), best(false))
            })
            .collect();
        let (mut present, mut absent): (Vec<f32>, Vec<f32>) = best.into_iter().unzip();
        present.sort_by(f32::total_cmp);
        absent.sort_by(f32::total_cmp);
        Self { present, absent }
    }

    /// False-positive and false-negative shares of a cutoff.
    fn errors(&self, cutoff: f32) -> (f64, f64) {
        let hidden = self.present.partition_point(|&score| score < cutoff);
        let passing = self.absent.len() - self.absent.partition_point(|&score| score < cutoff);
        let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
        (share(passing, self.absent.len()), share(hidden, self.present.len()))
    }

    /// The seen score with the fewest errors of both kinds together; among equals the smallest.
    fn best_cutoff(&self) -> f32 {
        let mut best = (f64::INFINITY, 0.0);
        for &score in self.present.iter().chain(&self.absent) {
            let (positive, negative) = self.errors(score);
            let sum = positive + negative;
            if sum < best.0 - 1e-12 || (sum < best.0 + 1e-12 && score < best.1) {
                best = (sum, score);
            }
        }
        best.1
    }

    fn curve(&self) -> Vec<[f64; 2]> {
        let mut scores: Vec<f32> = self.present.iter().chain(&self.absent).copied().collect();
        scores.sort_by(f32::total_cmp);
        let last = scores.len().saturating_sub(1);
        let at = |step: usize| scores.get(step * last / (CURVE - 1)).copied();
        let mut curve: Vec<[f64; 2]> = (0..CURVE)
            .filter_map(at)
            .map(|cutoff| {
                let (positive, negative) = self.errors(cutoff);
                [positive, 1.0 - negative]
            })
            .collect();
        curve.push([0.0, 0.0]);
        curve.dedup();
        curve
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_the_best_cutoff_by_hand() {
        let scores = Scores { present: vec![0.2, 0.4, 0.6, 0.8], absent: vec![0.1, 0.1, 0.3, 0.5] };
        assert_eq!(scores.errors(0.4), (0.25, 0.25));
        assert_eq!(scores.errors(0.0), (1.0, 0.0));
        assert_eq!(scores.errors(0.9), (0.0, 1.0));
        // 0.4 errs by 1/4 + 1/4, 0.6 by 0 + 1/2 as well, 0.2 by 1/2: the smallest of the equals.
        assert!((scores.best_cutoff() - 0.2).abs() < 1e-6, "{}", scores.best_cutoff());
        let curve = scores.curve();
        assert_eq!((curve.first(), curve.last()), (Some(&[1.0, 1.0]), Some(&[0.0, 0.0])));
        assert!(curve.windows(2).all(|pair| pair[0][0] >= pair[1][0] && pair[0][1] >= pair[1][1]));
    }

    #[test]
    fn a_label_is_asked_with_its_pictures_and_without() {
        let along = |x: f32, y: f32| Embedding::from_values(vec![x, y]).unwrap();
        let pictures = [along(1.0, 0.0), along(0.0, 1.0), along(1.0, 0.0), along(0.0, 1.0)];
        let phrases = [vec![along(1.0, 0.0)], vec![along(0.0, 1.0)]];
        let (fitting, judged) = ([vec![0], vec![1]], [vec![2], vec![3]]);
        let found = calibrate(&pictures, &phrases, [&fitting, &judged], Some(-0.5));
        assert_eq!((found.queries, found.images), (2, 4 / 2));
        let Cutoff { cosine, false_positive_rate, false_negative_rate } = found.calibrated;
        assert!(cosine > 0.5 && false_positive_rate + false_negative_rate < 1e-9, "{found:?}");
        assert!(found.pack.is_some_and(|pack| (pack.false_positive_rate - 1.0).abs() < 1e-9));
    }
}
