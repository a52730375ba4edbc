//! How good weights are on pictures that were not trained on.

use serde::{Deserialize, Serialize};

use super::error::LocalError;
use super::examples::Examples;
use super::task::Task;
use crate::compact::train::Recall;
use crate::compact::train::judge::{dot, recall};

/// Pictures whose captions are told apart for the loss: as many as a batch has.
const AMONG: usize = 64;

/// Loss and recall on held-out pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Mean negative log-likelihood of the right picture among 64, for the first caption of each: natural logarithm.
    pub loss: f64,
    /// Each caption among all held-out pictures.
    pub text_to_image: Recall,
    /// Pictures, and captions.
    pub counts: [usize; 2],
}

pub(super) fn judge(
    task: &dyn Task,
    values: &[f32],
    examples: &Examples,
    pictures: &[usize],
) -> Result<Judgement, LocalError> {
    let pictures: Vec<usize> =
        pictures.iter().copied().filter(|picture| examples.captions(*picture) > 0).collect();
    if pictures.len() < 2 {
        return Err(LocalError::TooFew { expected: 2, got: pictures.len() });
    }
    let captions = examples.all_captions(&pictures);
    let (seen, said) = task.vectors(values, examples, &pictures, &captions);
    let place = |picture: usize| pictures.iter().position(|it| *it == picture).unwrap_or_default();
    let mut answers: Vec<Vec<usize>> = Vec::with_capacity(captions.len());
    let mut firsts = Vec::with_capacity(pictures.len());
    let mut last = (usize::MAX, 0);
    for ((picture, number), vector) in captions.iter().zip(&said) {
        if last.0 != *picture {
            last = (*picture, place(*picture));
        }
        answers.push(vec![last.1]);
        if *number == 0 {
            firsts.push(vector);
        }
    }
    let scale = task.sharpness(values);
    let (mut loss, mut count) = (0.0, 0);
    for (seen, firsts) in seen.chunks(AMONG).zip(firsts.chunks(AMONG)) {
        for (at, first) in firsts.iter().enumerate() {
            let scores: Vec<f64> = seen.iter().map(|seen| f64::from(scale * dot(first, seen))).collect();
            let most = scores.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = scores.iter().map(|score| (score - most).exp()).sum();
            loss += most + sum.ln() - scores.get(at).copied().unwrap_or(most);
            count += 1;
        }
    }
    Ok(Judgement {
        loss: loss / f64::from(count.max(1)),
        text_to_image: recall(&said, &seen, &answers),
        counts: [pictures.len(), captions.len()],
    })
}
