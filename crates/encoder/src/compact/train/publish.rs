//! From trained weights to a pack: input size, means, cutoffs, files, and a card with what was measured.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::corpus::Says;
use super::features::Features;
use super::judge::{centre_of, centred, dot, quantile_above};
use super::recipe::PublishPlan;
use super::runner::judge;
use super::session::Session;
use super::steps::Folders;
use super::student::{IMAGE_WEIGHTS, Student, TEXT_WEIGHTS};
use super::tune::validation_images;
use super::{HeldOut, PackReport, Progress, Report, TrainError, card, held_out, write_whole};
use crate::pack::{
    FORMAT, ImageSpec, MANIFEST, PackKind, PackManifest, Padding, Pooling, Resample, ResizeMode, ScoreSpec,
    TextSpec, sha256_hex,
};
use crate::tokenizer::Clean;
use crate::{Encoder, Pack};

const VOCABULARY: &str = "vocabulary.bpe";
/// Of the true best matches among validation pairs, the share whose score lies above a cutoff.
const KEPT_BY_CUTOFF: f64 = 0.95;
/// Photos and captions whose mean is the modality's centre.
const CENTRE_SAMPLE: usize = 1500;

/// Chooses the input size, writes the pack, measures it and writes its card.
pub(crate) fn publish(
    session: &Session,
    student: &mut Student,
    plan: &PublishPlan,
    run: &Report,
    folders: Folders<'_>,
    progress: &mut dyn Progress,
) -> Result<PackReport, TrainError> {
    progress.stage(&format!("choose the input size of {}", plan.name), plan.sizes.len() as u64);
    let mut sizes = Vec::new();
    for (&size, done) in plan.sizes.iter().zip(1..) {
        if progress.stop() {
            return Err(TrainError::Stopped);
        }
        let images = validation_images(session, student, size);
        let score = judge(session, student, &images).score();
        progress.step(done, &format!("{size} px: {score:.4}"));
        sizes.push((size, score));
    }
    let best = sizes.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    student.size = best.map_or(student.size, |(size, _)| size);

    let out = folders.out.join(&plan.name);
    std::fs::create_dir_all(&out).map_err(|source| TrainError::Io { path: out.clone(), source })?;
    let files = write_files(session, student, &out)?;
    let manifest = manifest(session, student, plan, files);
    write_whole(&out.join(MANIFEST), manifest.to_toml()?.as_bytes())?;
    let encoder = Encoder::open(&out)?;
    let held_out: Option<HeldOut> = held_out::measure(&encoder, folders.data, progress)?;
    let pack = PackReport {
        name: plan.name.clone(),
        version: plan.version.clone(),
        sizes,
        size: student.measure(session.recipe.context_length)?,
        pack_bytes: Pack::open(&out)?.bytes()?,
        held_out,
    };
    write_whole(&out.join("MODEL_CARD.md"), card::render(&pack, run, &manifest, student).as_bytes())?;
    Ok(pack)
}

/// Writes weights and vocabulary; returns each file's SHA-256.
fn write_files(
    session: &Session,
    student: &Student,
    out: &Path,
) -> Result<BTreeMap<String, String>, TrainError> {
    let vocabulary = (VOCABULARY, session.tokenizer.to_bpe().into_bytes());
    let mut digests = BTreeMap::new();
    for (name, bytes) in student.files()?.into_iter().chain([vocabulary]) {
        write_whole(&out.join(name), &bytes)?;
        digests.insert(name.to_owned(), sha256_hex(&bytes));
    }
    Ok(digests)
}

fn manifest(
    session: &Session,
    student: &Student,
    plan: &PublishPlan,
    sha256: BTreeMap<String, String>,
) -> PackManifest {
    let sample = Sample::new(session, student);
    let architecture = toml::Table::try_from(&student.architecture).unwrap_or_default();
    PackManifest {
        format: FORMAT,
        name: plan.name.clone(),
        version: plan.version.clone(),
        kind: PackKind::Compact,
        dim: session.recipe.dim,
        licence: "Apache-2.0 (initial trunk weights: MobileNetV2, Apache-2.0); see MODEL_CARD.md".into(),
        origin: "trained by pmirs model distill; see MODEL_CARD.md".into(),
        image: ImageSpec {
            weights: vec![IMAGE_WEIGHTS.into()],
            size: [student.size as u32; 2],
            resize: ResizeMode::Squash,
            resample: Resample::Bicubic,
            mean: [0.5; 3],
            std: [0.5; 3],
            centre: sample.image_centre.clone(),
        },
        text: TextSpec {
            weights: vec![TEXT_WEIGHTS.into()],
            tokenizer: vec![VOCABULARY.into()],
            context_length: session.recipe.context_length,
            pad: 0,
            clean: Clean::None,
            pooling: Pooling::FirstEnd,
            padding: Padding::Full,
            centre: sample.text_centre.clone(),
        },
        scores: sample.scores(session, student),
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
    fn new(session: &Session, student: &Student) -> Self {
        let every = session.train().count().div_ceil(CENTRE_SAMPLE).max(1);
        let chosen: Vec<usize> = session.train().step_by(every).collect();
        let features = Features::of(session, &chosen, student.size, student.image.trunk(), &student.values);
        let images = student.head().project(&student.values, &features);
        let sentences = chosen.iter().map(|&photo| session.tokens(&session.sentence(photo)));
        let texts: Vec<Vec<f32>> = sentences.map(|tokens| student.embed_tokens(&tokens)).collect();
        Self { image_centre: centre_of(&images), text_centre: centre_of(&texts) }
    }

    /// Cutoffs from validation pairs: the score that most true best matches lie above.
    fn scores(&self, session: &Session, student: &Student) -> ScoreSpec {
        let images = centred(&validation_images(session, student, student.size), &self.image_centre);
        let (mut text_to_image, mut text_to_text, mut image_to_text) = (Vec::new(), Vec::new(), Vec::new());
        let mut classes: HashMap<usize, Vec<&Vec<f32>>> = HashMap::new();
        for (&photo, image) in session.validate.iter().zip(&images) {
            match session.corpus.photos.get(photo).map(|photo| &photo.says) {
                Some(Says::Captions(captions)) => {
                    let raw: Vec<_> =
                        captions.iter().map(|text| student.embed_tokens(&session.tokens(text))).collect();
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
            logit_scale: Some(student.log_scale().exp()),
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
