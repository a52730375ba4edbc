//! The paper's benchmark, on any folders of pictures: which of a repository's phrases are right for a picture?
//!
//! A repository holds n phrases: n labels, each in a wording drawn from ten. Every picture of one of its labels asks
//! which phrases are right for it; its own label's is. Repositories of 10 to 100 labels are drawn several times for
//! each domain, filled from the other domains where one has too few, and asked at each protection level. One half of
//! the pictures fits α, β and the "no match" cutoff; every figure in the rows is of the other half.

mod domains;
mod figures;
mod fit;
mod levels;
mod no_match;
mod report;
mod repository;
mod rule;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pmirs_encoder::Encoder;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use self::domains::Labels;
use self::fit::Sample;
use self::levels::{Answered, Embedded, LEVELS, Level, Ranked};
use self::repository::{Halves, Repository, TEMPLATES};
use self::rule::{Judgement, PAPER, Rule, Threshold};
use super::{EvalError, Selection, Step, Watch, model_name, pictures};
use crate::world::World;

pub use no_match::{Cutoff, NoMatch};
pub use report::{Fitted, PhraseReport, PhraseRow, SummaryRow};
pub use rule::Share;

/// The inverse temperature of a pack that names none: CLIP's, as it ends training.
const LOGIT_SCALE: f32 = 100.0;

/// How to run the benchmark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhraseOptions {
    /// Which pictures may be used.
    pub selection: Selection,
    /// Labels in a repository; more than there are become all there are.
    pub sizes: Vec<usize>,
    /// Draws of each repository.
    pub iterations: usize,
    /// Pictures of one label that ask one repository, at most.
    pub per_class: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

/// The paper's sizes and iterations.
impl Default for PhraseOptions {
    fn default() -> Self {
        Self {
            selection: Selection::All,
            sizes: vec![10, 20, 40, 60, 80, 100],
            iterations: 6,
            per_class: 5,
            seed: 1,
        }
    }
}

/// Runs the benchmark on the class folders in `root`, whose domains the file `domains` describes.
///
/// # Errors
/// When the description or a picture is not what it should be, an option is out of range, or any part of the system
/// fails.
pub fn phrases(
    encoder: &Arc<Encoder>,
    root: &Path,
    domains: &Path,
    options: &PhraseOptions,
    watch: Watch<'_>,
) -> Result<PhraseReport, EvalError> {
    check(options)?;
    let labels = Labels::read(domains, root, options.selection)?;
    let begun = Instant::now();
    let embedded = embed(encoder, &labels, watch)?;
    let encode_ms = begun.elapsed().as_secs_f64() * 1e3 / embedded.pictures.len().max(1) as f64;
    let logit_scale = encoder.info().scores.logit_scale.unwrap_or(LOGIT_SCALE);

    let halves = Halves::of(&labels, options.seed);
    let repositories = draw(&labels, &halves, options);
    let thresholds = fit_thresholds(&embedded, &repositories, logit_scale);
    let rules = rules(&thresholds);
    let rows = judge(encoder, &embedded, &labels, &repositories, &rules, logit_scale, watch)?;

    let summary: Vec<SummaryRow> = LEVELS
        .iter()
        .flat_map(|level| rules.iter().map(|rule| SummaryRow::of(&rows, level.name(), rule.name)))
        .collect();
    let fitted = thresholds.map(|(rule, share, (alpha, beta, f1_fitted_half))| {
        let judged = summary.iter().find(|row| row.rule == rule).map_or(0.0, |row| row.f1);
        Fitted { rule, share, alpha, beta, f1_fitted_half, f1_judged_half: judged }
    });
    let (images_fitted, images_judged) = halves.counts();
    let no_match = no_match::calibrate(
        &embedded.pictures,
        &embedded.phrases,
        [&halves.fitting, &halves.judged],
        encoder.info().scores.text_to_image,
    );
    Ok(PhraseReport {
        model: model_name(encoder),
        logit_scale,
        labels: labels.labels.len(),
        images_fitted,
        images_judged,
        iterations: options.iterations,
        seed: options.seed,
        encode_ms,
        rows,
        summary,
        fitted: fitted.into(),
        no_match,
    })
}

fn check(options: &PhraseOptions) -> Result<(), EvalError> {
    EvalError::unless_within("the number of sizes", options.sizes.len(), 1..=20)?;
    for &size in &options.sizes {
        EvalError::unless_within("a repository's size", size, 2..=1000)?;
    }
    EvalError::unless_within("the number of iterations", options.iterations, 1..=100)?;
    EvalError::unless_within("the number of pictures per class", options.per_class, 1..=1000)
}

fn embed(encoder: &Encoder, labels: &Labels, watch: Watch<'_>) -> Result<Embedded, EvalError> {
    let paths: Vec<PathBuf> = labels.labels.iter().flat_map(|label| label.pictures.iter().cloned()).collect();
    let pictures = pictures::embed(encoder, &paths, watch)?;
    let mut phrases = Vec::with_capacity(labels.labels.len());
    for label in &labels.labels {
        let wordings = TEMPLATES.map(|template| template.replace("{}", &label.words));
        phrases.push(encoder.embed_texts(&wordings.each_ref().map(String::as_str))?);
    }
    Ok(Embedded { pictures, phrases })
}

/// The repositories of every iteration: one list per domain and size, domain by domain.
fn draw(labels: &Labels, halves: &Halves, options: &PhraseOptions) -> Vec<Vec<Repository>> {
    let sizes = repository::sizes(&options.sizes, labels.labels.len());
    let mut rng = ChaCha20Rng::seed_from_u64(options.seed);
    let mut repositories = Vec::new();
    for domain in 0..labels.domains.len() {
        let mut by_size: Vec<Vec<Repository>> = sizes.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.iterations {
            let drawn = repository::draw(labels, halves, domain, &sizes, options.per_class, &mut rng);
            for (list, repository) in by_size.iter_mut().zip(drawn) {
                list.push(repository);
            }
        }
        repositories.extend(by_size);
    }
    repositories
}

/// A fitted rule's name, what it looks at, and α, β and the mean F1 on the fitting half.
type FittedThreshold = (&'static str, Share, (f64, f64, f64));

fn fit_thresholds(
    embedded: &Embedded,
    repositories: &[Vec<Repository>],
    logit_scale: f32,
) -> [FittedThreshold; 2] {
    let asked: Vec<Vec<Answered>> = repositories
        .iter()
        .flatten()
        .map(|repository| embedded.ask(repository, &repository.fitting))
        .collect();
    [("fitted", Share::Softmax), ("fitted/max", Share::OfLargest)].map(|(rule, share)| {
        let samples: Vec<Sample> = asked
            .iter()
            .flat_map(|answers| answers.iter().map(|answer| (answer, 1.0 / answers.len() as f64)))
            .map(|(answer, weight)| {
                let place = place_of(&answer.all, answer.truth).unwrap_or(usize::MAX);
                Sample::new(share, &scores(&answer.all), place, logit_scale, weight)
            })
            .collect();
        (rule, share, fit::fit(&samples))
    })
}

fn rules(fitted: &[FittedThreshold; 2]) -> Vec<Rule> {
    let (alpha, beta) = PAPER;
    let papers = [("threshold", Share::Softmax), ("threshold/max", Share::OfLargest)]
        .map(|(name, share)| Rule { name, threshold: Some(Threshold { share, alpha, beta }) });
    let fitted = fitted.map(|(name, share, (alpha, beta, _))| Rule {
        name,
        threshold: Some(Threshold { share, alpha, beta }),
    });
    let fixed = Rule { name: "fixed", threshold: None };
    std::iter::once(fixed).chain(papers).chain(fitted).collect()
}

fn judge(
    encoder: &Arc<Encoder>,
    embedded: &Embedded,
    labels: &Labels,
    repositories: &[Vec<Repository>],
    rules: &[Rule],
    logit_scale: f32,
    watch: Watch<'_>,
) -> Result<Vec<PhraseRow>, EvalError> {
    let world = World::new(encoder)?;
    let total = LEVELS.len() * repositories.iter().map(Vec::len).sum::<usize>();
    let mut done = 0;
    let mut rows = Vec::new();
    for iterations in repositories {
        for level in LEVELS {
            let mut asked = Vec::with_capacity(iterations.len());
            for repository in iterations {
                asked.push(match level {
                    Level::Plaintext => embedded.ask(repository, &repository.judged),
                    Level::Protected(protection) => {
                        embedded.ask_through(&world, protection, repository, &repository.judged)?
                    }
                });
                done += 1;
                watch(Step { what: "searching repositories", done, total });
            }
            let Some(first) = iterations.first() else { continue };
            let domain = labels.domains.get(first.domain).cloned().unwrap_or_default();
            let classes = first.phrases.len();
            rows.extend(rules.iter().map(|rule| row(&domain, classes, level, rule, &asked, logit_scale)));
        }
    }
    Ok(rows)
}

/// One row of the table, from the answers of each iteration.
fn row(
    domain: &str,
    classes: usize,
    level: Level,
    rule: &Rule,
    asked: &[Vec<Answered>],
    logit_scale: f32,
) -> PhraseRow {
    let mut judged = Vec::with_capacity(asked.len());
    let mut times = Vec::with_capacity(asked.len());
    for answers in asked {
        let judgements: Vec<Judgement> =
            answers.iter().map(|answer| judgement(rule, answer, logit_scale)).collect();
        judged.push(Judgement::mean(&judgements));
        let ranked =
            |answer: &Answered| if rule.threshold.is_some() { answer.all.ms } else { answer.best.ms };
        times.push(median(answers.iter().map(ranked).collect()));
    }
    let Judgement { precision, recall, f1, answered } = Judgement::mean(&judged);
    let count = judged.len() as f64;
    // Over a sample, so one less than the count; a single iteration has no deviation.
    let variance = judged.iter().map(|it| (it.f1 - f1).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    PhraseRow {
        domain: domain.to_owned(),
        classes,
        protection: level.name(),
        rule: rule.name,
        precision,
        recall,
        f1,
        f1_std: variance.sqrt(),
        answered,
        ms: times.iter().sum::<f64>() / count.max(1.0),
    }
}

fn judgement(rule: &Rule, answer: &Answered, logit_scale: f32) -> Judgement {
    let Answered { truth, best, all } = answer;
    let (ranked, passed) = match rule.threshold {
        None => (best, best.phrases.len()),
        Some(_) => (all, rule.passed(&scores(all), logit_scale)),
    };
    let hits = usize::from(place_of(ranked, *truth).is_some_and(|place| place < passed));
    Judgement::of(passed, hits, 1)
}

fn scores(ranked: &Ranked) -> Vec<f32> {
    ranked.phrases.iter().map(|&(_, score)| score).collect()
}

fn place_of(ranked: &Ranked, phrase: usize) -> Option<usize> {
    ranked.phrases.iter().position(|&(at, _)| at == phrase)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
