//! From trained weights to a pack: input size, means, cutoffs, files, and a card with what was measured.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use rayon::prelude::*;

use super::corpus::Says;
use super::judge::{centre_of, centred, dot, quantile_above};
use super::session::Session;
use super::stages::{judge_validation, validation_images};
use super::{HeldOut, Judgement, Progress, Report, TrainError, card, held_out, write_whole};
use crate::compact::store;
use crate::pack::{
    FORMAT, ImageSpec, MANIFEST, PackKind, PackManifest, Padding, Pooling, Resample, ResizeMode, ScoreSpec,
    TextSpec, sha256_hex,
};
use crate::tokenizer::Clean;
use crate::{Encoder, Pack};

const IMAGE_WEIGHTS: &str = "image.safetensors";
const TEXT_WEIGHTS: &str = "text.safetensors";
const VOCABULARY: &str = "vocabulary.bpe";
/// Of the true best matches among validation pairs, the share whose score lies above a cutoff.
const KEPT_BY_CUTOFF: f64 = 0.95;
/// Photos and captions whose mean is the modality's centre.
const CENTRE_SAMPLE: usize = 1500;

/// Writes the pack, measures it and writes its card and the report.
pub(crate) fn publish(
    session: &Session,
    weights: &[f32],
    judgements: Vec<Judgement>,
    data: &Path,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Report, TrainError> {
    progress.stage("choose the input size", session.plan.image_sizes.len() as u64);
    let mut sizes = Vec::new();
    for (&size, done) in session.plan.image_sizes.iter().zip(1..) {
        let images = validation_images(session, weights, size);
        let score = judge_validation(session, weights, &images).score();
        progress.step(done, &format!("{size} px: {score:.4}"));
        sizes.push((size, score));
    }
    let best = sizes.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    let size = best.map_or(session.plan.photo_side, |(size, _)| size);

    let files = write_files(session, weights, out)?;
    let manifest = manifest(session, weights, size, files);
    write_whole(&out.join(MANIFEST), manifest.to_toml()?.as_bytes())?;
    let encoder = Encoder::open(out)?;
    let held_out: Option<HeldOut> = held_out::measure(&encoder, data, progress)?;
    let report = Report {
        photos: [session.train().count(), session.validate.len()],
        vocabulary: session.tokenizer.len(),
        parameters: [session.image.layout().len(), session.text.layout().len()],
        image_cost: session.architecture.trunk.cost(size),
        text_multiply_adds: session.text.multiply_adds(session.plan.network.context_length - 2),
        judgements,
        image_size: size,
        sizes,
        pack_bytes: Pack::open(out)?.bytes()?,
        held_out,
    };
    write_whole(&out.join("MODEL_CARD.md"), card::render(&report, &manifest).as_bytes())?;
    Ok(report)
}

/// Writes weights and vocabulary; returns each file's SHA-256.
fn write_files(
    session: &Session,
    weights: &[f32],
    out: &Path,
) -> Result<BTreeMap<String, String>, TrainError> {
    let tensors = |wanted: fn(&str) -> bool| {
        let all = session.layout.tensors().iter().filter(move |spec| wanted(&spec.name));
        all.map(|spec| {
            let values = weights.get(spec.range()).unwrap_or_default();
            (spec.name.as_str(), spec.shape.as_slice(), values)
        })
    };
    let image = |name: &str| name.starts_with("trunk.") || name.starts_with("head.");
    let text = |name: &str| name.starts_with("text.");
    let files = [
        (IMAGE_WEIGHTS, store::write(IMAGE_WEIGHTS, tensors(image))?),
        (TEXT_WEIGHTS, store::write(TEXT_WEIGHTS, tensors(text))?),
        (VOCABULARY, session.tokenizer.to_bpe().into_bytes()),
    ];
    let mut digests = BTreeMap::new();
    for (name, bytes) in files {
        write_whole(&out.join(name), &bytes)?;
        digests.insert(name.to_owned(), sha256_hex(&bytes));
    }
    Ok(digests)
}

fn manifest(
    session: &Session,
    weights: &[f32],
    size: usize,
    sha256: BTreeMap<String, String>,
) -> PackManifest {
    let sample = Sample::new(session, weights, size);
    let architecture = toml::Table::try_from(&session.architecture).unwrap_or_default();
    PackManifest {
        format: FORMAT,
        name: "compact".into(),
        version: session.plan.version.clone(),
        kind: PackKind::Compact,
        dim: session.plan.network.dim,
        licence: "Apache-2.0 (initial trunk weights: MobileNetV2, Apache-2.0); see MODEL_CARD.md".into(),
        origin: "trained by pmirs model train; see MODEL_CARD.md".into(),
        image: ImageSpec {
            weights: vec![IMAGE_WEIGHTS.into()],
            size: [size as u32; 2],
            resize: ResizeMode::Squash,
            resample: Resample::Bicubic,
            mean: [0.5; 3],
            std: [0.5; 3],
            centre: sample.image_centre.clone(),
        },
        text: TextSpec {
            weights: vec![TEXT_WEIGHTS.into()],
            tokenizer: vec![VOCABULARY.into()],
            context_length: session.plan.network.context_length,
            pad: 0,
            clean: Clean::None,
            pooling: Pooling::FirstEnd,
            padding: Padding::Full,
            centre: sample.text_centre.clone(),
        },
        scores: sample.scores(session, weights, size),
        cost: None,
        architecture,
        sha256,
    }
}

/// What the means are taken over: training photos, and a caption or a class phrase of each.
struct Sample {
    image_centre: Vec<f32>,
    text_centre: Vec<f32>,
}

impl Sample {
    fn new(session: &Session, weights: &[f32], size: usize) -> Self {
        let every = session.train().count().div_ceil(CENTRE_SAMPLE).max(1);
        let chosen: Vec<usize> = session.train().step_by(every).collect();
        let images: Vec<Vec<f32>> = chosen
            .par_iter()
            .flat_map_iter(|&photo| {
                let mut pixels = Vec::new();
                session.photos.whole(photo, size, false, &mut pixels);
                session.image.embed(weights, &pixels, size, 1)
            })
            .collect();
        let captions = chosen.iter().filter_map(|&photo| match &session.corpus.photos.get(photo)?.says {
            Says::Captions(captions) => captions.first().cloned(),
            Says::Class(class) => {
                session.corpus.classes.get(*class).map(|name| format!("a photo of a {name}"))
            }
        });
        let texts: Vec<Vec<f32>> = captions.map(|text| embed_text(session, weights, &text)).collect();
        Self { image_centre: centre_of(&images), text_centre: centre_of(&texts) }
    }

    /// Cutoffs from validation pairs: the score that most true best matches lie above.
    fn scores(&self, session: &Session, weights: &[f32], size: usize) -> ScoreSpec {
        let images = centred(&validation_images(session, weights, size), &self.image_centre);
        let (mut text_to_image, mut text_to_text, mut image_to_text) = (Vec::new(), Vec::new(), Vec::new());
        let mut classes: HashMap<usize, Vec<&Vec<f32>>> = HashMap::new();
        for (&photo, image) in session.validate.iter().zip(&images) {
            match session.corpus.photos.get(photo).map(|photo| &photo.says) {
                Some(Says::Captions(captions)) => {
                    let raw: Vec<_> =
                        captions.iter().map(|text| embed_text(session, weights, text)).collect();
                    let texts = centred(&raw, &self.text_centre);
                    let hits: Vec<f32> = texts.iter().map(|text| dot(text, image)).collect();
                    image_to_text.extend(hits.iter().copied().reduce(f32::max));
                    text_to_image.extend(hits);
                    text_to_text
                        .extend(texts.iter().enumerate().filter_map(|(at, text)| best(text, &texts, at)));
                }
                Some(Says::Class(class)) => classes.entry(*class).or_default().push(image),
                None => {}
            }
        }
        let image_to_image = classes.values().flat_map(|members| {
            members.iter().enumerate().filter_map(|(at, image)| best(image, members, at))
        });
        let cutoff = |scores: Vec<f32>| (!scores.is_empty()).then(|| quantile_above(scores, KEPT_BY_CUTOFF));
        ScoreSpec {
            logit_scale: weights.last().map(|log_scale| log_scale.exp()),
            text_to_image: cutoff(text_to_image),
            text_to_text: cutoff(text_to_text),
            image_to_image: cutoff(image_to_image.collect()),
            image_to_text: cutoff(image_to_text),
        }
    }
}

/// The best score of `row` among the others.
fn best<R: AsRef<[f32]>>(row: &[f32], rows: &[R], own: usize) -> Option<f32> {
    let others = rows.iter().enumerate().filter(|(at, _)| *at != own);
    others.map(|(_, other)| dot(row, other.as_ref())).reduce(f32::max)
}

fn embed_text(session: &Session, weights: &[f32], text: &str) -> Vec<f32> {
    let text_weights = weights.get(session.text_start()..).unwrap_or_default();
    session.text.embed(text_weights, &session.tokens(text)).unwrap_or_default()
}
