//! What the benchmark found.

use serde::Serialize;

use super::no_match::NoMatch;
use super::rule::Share;

/// The benchmark's result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhraseReport {
    /// The model pack, name and version.
    pub model: String,
    /// What multiplies a cosine before the softmax: the pack's own, or 100 where it names none.
    pub logit_scale: f32,
    /// Labels: classes with words of their own.
    pub labels: usize,
    /// Pictures on which α, β and the cutoff were fitted.
    pub images_fitted: usize,
    /// Pictures from which the judged ones were drawn.
    pub images_judged: usize,
    /// Draws of each repository.
    pub iterations: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Milliseconds to read, decode, resize and embed a picture, all cores at work; not part of any row's `ms`.
    pub encode_ms: f64,
    /// One row per domain, size, protection level and rule.
    pub rows: Vec<PhraseRow>,
    /// The rows' mean over domains and sizes, per protection level and rule.
    pub summary: Vec<SummaryRow>,
    /// What was fitted.
    pub fitted: Vec<Fitted>,
    /// "No match" as an answer to a search for pictures.
    pub no_match: NoMatch,
}

/// Quality and speed at one place: the mean over iterations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhraseRow {
    /// The domain whose labels come first.
    pub domain: String,
    /// Phrases in the repository.
    pub classes: usize,
    /// `plaintext`, `veiled` or `sealed`.
    pub protection: &'static str,
    /// `fixed`, `threshold`, `threshold/max`, `fitted` or `fitted/max`.
    pub rule: &'static str,
    /// Mean over pictures of the share of passing phrases that are right; 0 for a picture for which none passes.
    pub precision: f64,
    /// Mean over pictures of the share of right phrases that pass.
    pub recall: f64,
    /// Mean over pictures of the harmonic mean of both; 0 for a picture for which none passes.
    pub f1: f64,
    /// Standard deviation of `f1` over the iterations.
    pub f1_std: f64,
    /// Share of pictures for which a phrase passes.
    pub answered: f64,
    /// Median milliseconds from the picture's embedding to the answer, mean over iterations.
    pub ms: f64,
}

/// Means over domains and sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryRow {
    /// As in [`PhraseRow`].
    pub protection: &'static str,
    /// As in [`PhraseRow`].
    pub rule: &'static str,
    /// Mean of the rows.
    pub precision: f64,
    /// Mean of the rows.
    pub recall: f64,
    /// Mean of the rows.
    pub f1: f64,
    /// Mean of the rows.
    pub answered: f64,
    /// How much larger `f1` is than that of `fixed` at the same level: 0.0767 is the paper's gain.
    pub f1_over_fixed: f64,
    /// The largest difference of any row's precision, recall or F1 to the same row at `plaintext`.
    pub largest_difference: f64,
}

/// α and β with the best mean F1 on the fitting half.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fitted {
    /// The rule that uses them.
    pub rule: &'static str,
    /// What is held against the threshold.
    pub share: Share,
    /// α.
    pub alpha: f64,
    /// β.
    pub beta: f64,
    /// Mean F1 on the half it was fitted on.
    pub f1_fitted_half: f64,
    /// Mean F1 on the judged half, in plaintext: the summary's.
    pub f1_judged_half: f64,
}

impl SummaryRow {
    /// The mean of all rows of a protection level and rule.
    pub(super) fn of(rows: &[PhraseRow], protection: &'static str, rule: &'static str) -> Self {
        let at = |level: &str, rule: &str| -> Vec<&PhraseRow> {
            rows.iter().filter(|row| row.protection == level && row.rule == rule).collect()
        };
        let own = at(protection, rule);
        let mean = |rows: &[&PhraseRow], part: fn(&PhraseRow) -> f64| {
            rows.iter().map(|row| part(row)).sum::<f64>() / rows.len().max(1) as f64
        };
        let fixed = mean(&at(protection, "fixed"), |row| row.f1);
        let f1 = mean(&own, |row| row.f1);
        let difference = |(a, b): (&&PhraseRow, &&PhraseRow)| {
            let parts = [a.precision - b.precision, a.recall - b.recall, a.f1 - b.f1];
            parts.into_iter().map(f64::abs).fold(0.0, f64::max)
        };
        Self {
            protection,
            rule,
            precision: mean(&own, |row| row.precision),
            recall: mean(&own, |row| row.recall),
            f1,
            answered: mean(&own, |row| row.answered),
            f1_over_fixed: if fixed > 0.0 { f1 / fixed - 1.0 } else { 0.0 },
            // Rows of every level stand in one order of domains and sizes.
            largest_difference: own.iter().zip(&at("plaintext", rule)).map(difference).fold(0.0, f64::max),
        }
    }
}
