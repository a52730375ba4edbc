//! From trained weights to a pack: input size, means, cutoffs, files, and a card with what was measured.

use std::collections::BTreeMap;
use std::path::Path;

use super::corpus::{PHRASES, Says};
use super::features::Features;
use super::judge::{centre_of, centred};
use super::no_match::{Known, NoMatch, calibrate};
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
/// Photos and captions whose mean is the modality's centre.
const CENTRE_SAMPLE: usize = 1500;
/// Phrases that a class is named in.
const PHRASES_ASKED: usize = 4;

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
    let sample = Sample::new(session, student);
    let no_match = calibrate(&sample.known(session, student));
    let manifest = manifest(session, student, plan, &sample, &no_match, files);
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
        no_match,
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
    sample: &Sample,
    no_match: &[NoMatch],
    sha256: BTreeMap<String, String>,
) -> PackManifest {
    let cutoff = |query: &str, item: &str| {
        no_match.iter().find(|pair| pair.query == query && pair.item == item).map(|pair| pair.cutoff)
    };
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
        scores: ScoreSpec {
            logit_scale: Some(student.log_scale().exp()),
            text_to_image: cutoff("text", "image"),
            text_to_text: cutoff("text", "text"),
            image_to_image: cutoff("image", "image"),
            image_to_text: cutoff("image", "text"),
        },
        cost: None,
        architecture,
        adapter: None,
        lineage: None,
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

    /// The validation photos, and what is said about them.
    fn known(&self, session: &Session, student: &Student) -> Vec<Known> {
        let images = centred(&validation_images(session, student, student.size), &self.image_centre);
        let photos = session.validate.iter().zip(images).filter_map(|(&photo, image)| {
            let (class, said) = match &session.corpus.photos.get(photo)?.says {
                Says::Captions(captions) => (None, captions.clone()),
                Says::Class(class) => {
                    let name = session.corpus.classes.get(*class)?;
                    let said = PHRASES.iter().take(PHRASES_ASKED).map(|phrase| phrase.replace("{}", name));
                    (Some(*class), said.collect())
                }
            };
            let raw: Vec<_> = said.iter().map(|text| student.embed_tokens(&session.tokens(text))).collect();
            Some(Known { class, image, texts: centred(&raw, &self.text_centre) })
        });
        photos.collect()
    }
}
