//! The two stages: heads over cached features, then every layer.

use std::path::Path;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use rayon::prelude::*;

use super::checkpoint::Checkpoint;
use super::corpus::{PHRASES, Says};
use super::judge::{accuracy, centre_of, centred, recall};
use super::objective::{Batch, Objective, Rows};
use super::optimiser::State;
use super::photos::Views;
use super::rng::stream;
use super::session::Session;
use super::standard::Standard;
use super::{FinePlan, HeadsPlan, Judgement, Progress, StagePlan, TrainError, words, write_whole};
use crate::compact::trunk::Tape;
use crate::pack::sha256_hex;

/// Images that go through the trunk together.
const SHARD: usize = 4;
/// Partial sums of the trunk's gradient; fixed, so that threads do not change the order of additions.
const SUMS: usize = 4;

/// Runs both stages and returns the best weights with all judgements.
pub(crate) fn train(
    session: &Session,
    work: &Path,
    progress: &mut dyn Progress,
) -> Result<(Vec<f32>, Vec<Judgement>), TrainError> {
    let plan = &session.plan;
    let features = Features::open(session, &plan.heads, work, progress)?;
    let width = session.teacher.trunk.features();
    let whole = features.whole_train(session);
    let prototypes = session.teacher.prototypes(&whole);
    let standard = Standard::of(&whole, width);
    let common = Common { session, prototypes, clip: session.clip_rows(), standard: &standard };

    let mut judgements = Vec::new();
    let mut heads =
        HeadsStage { seed: plan.seed, features: &features, plan: &plan.heads, standard: &standard };
    let runner = Runner { name: "heads", common: &common, plan: &plan.heads.common, work };
    let fresh = || State::new(session.initial());
    let mut best = runner.run(&mut heads, fresh, &mut judgements, progress)?;
    if let Some(fine) = &plan.fine {
        let opinions = Opinions::new(session, &features);
        let mut stage = FineStage { plan: fine, opinions, width, session };
        let runner = Runner { name: "fine", common: &common, plan: &fine.common, work };
        let start = || State::new(best.clone());
        best = runner.run(&mut stage, start, &mut judgements, progress)?;
    }
    Ok((standard.fold(&session.image, &best), judgements))
}

/// What both stages draw batches from.
struct Common<'a> {
    session: &'a Session,
    prototypes: Vec<f32>,
    clip: Vec<Vec<f32>>,
    standard: &'a Standard,
}

impl Common<'_> {
    /// The photos of a step, captioned ones first.
    fn photos(&self, plan: &StagePlan, stage: &str, step: u64) -> Vec<usize> {
        let Session { captioned, classed, .. } = self.session;
        let mut photos = self.draw(captioned, plan.batch, &format!("order {stage}"), step);
        photos.extend(self.draw(classed, plan.class_photos, &format!("class order {stage}"), step));
        photos
    }

    /// Consecutive places of endless shuffled epochs.
    fn draw(&self, all: &[usize], count: usize, purpose: &str, step: u64) -> Vec<usize> {
        let mut chosen = Vec::with_capacity(count);
        let mut epoch = (u64::MAX, Vec::new());
        let (count, length) = (count as u64, all.len().max(1) as u64);
        for place in step * count..(step + 1) * count {
            let number = place / length;
            if epoch.0 != number {
                let mut order = all.to_vec();
                order.shuffle(&mut stream(self.session.plan.seed, purpose, number));
                epoch = (number, order);
            }
            chosen.extend(epoch.1.get((place % length) as usize));
        }
        chosen
    }

    /// Words, prototypes and names of a step.
    fn batch(&self, plan: &StagePlan, stage: &str, step: u64, photos: &[usize]) -> Batch {
        let session = self.session;
        let mut rng = stream(session.plan.seed, &format!("words {stage}"), step);
        let mut batch = Batch::default();
        let (captioned, classed) = photos.split_at(plan.batch.min(photos.len()));
        for &photo in captioned {
            let [caption, other] = session.captions(photo, &mut rng);
            batch.captions.push(caption);
            batch.other_captions.push(other);
        }
        for &photo in classed {
            let (class, phrase) = session.class(photo, &mut rng);
            batch.classes.push(class);
            batch.class_phrases.push(phrase);
        }
        let width = session.teacher.trunk.features();
        batch.prototypes.width = width;
        let prototypes = plan.prototypes.min(session.teacher.classes);
        for class in rand::seq::index::sample(&mut rng, session.teacher.classes, prototypes) {
            let row = self.prototypes.get(class * width..(class + 1) * width).unwrap_or_default();
            batch.prototypes.values.extend(row);
            let names = session.corpus.labels.get(class).map(Vec::as_slice).unwrap_or_default();
            let name = names.get(rng.random_range(0..names.len().clamp(1, 2)));
            let phrase = words::phrase(name.map_or("", String::as_str), &mut rng);
            batch.prototype_names.push(session.tokens(&phrase));
        }
        let names = plan.names.min(self.clip.len());
        for name in rand::seq::index::sample(&mut rng, self.clip.len(), names) {
            if let (Some((text, _)), Some(row)) = (session.corpus.names.get(name), self.clip.get(name)) {
                batch.clip.width = row.len();
                batch.clip.values.extend(row);
                batch.names.push(session.tokens(&words::phrase(text, &mut rng)));
            }
        }
        batch
    }
}

/// What differs between the stages.
trait Stage {
    /// Loss at `values` and its gradient over the whole flat vector.
    fn slope(
        &mut self,
        step: u64,
        photos: &[usize],
        values: &[f32],
        batch: Batch,
        objective: &Objective<'_>,
    ) -> Result<(f32, Vec<f32>), TrainError>;

    /// Raw vectors of the validation photos.
    fn validation_images(&self, session: &Session, values: &[f32]) -> Vec<Vec<f32>>;
}

/// Runs one stage from its checkpoint or its start.
struct Runner<'a> {
    name: &'static str,
    common: &'a Common<'a>,
    plan: &'a StagePlan,
    work: &'a Path,
}

impl Runner<'_> {
    fn run(
        &self,
        stage: &mut dyn Stage,
        start: impl FnOnce() -> State,
        judgements: &mut Vec<Judgement>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<f32>, TrainError> {
        let session = self.common.session;
        let path = self.work.join(format!("{}.safetensors", self.name));
        let log = self.work.join(format!("{}.json", self.name));
        let identity = self.identity();
        let objective = session.objective(self.plan.terms, self.common.standard);
        let resumed = Checkpoint::read(&path, &identity)?;
        let mut checkpoint = match resumed {
            Some(checkpoint) => {
                judgements.extend(read_log(&log, checkpoint.state.step));
                checkpoint
            }
            None => Checkpoint { state: start(), best_score: f64::NEG_INFINITY, ..Checkpoint::default() },
        };
        let before = judgements.iter().filter(|judgement| judgement.stage != self.name).count();
        progress.stage(self.name, self.plan.rates.steps);
        while checkpoint.state.step < self.plan.rates.steps {
            let step = checkpoint.state.step;
            if progress.stop() {
                checkpoint.write(&path, &identity)?;
                return Err(TrainError::Stopped);
            }
            let photos = self.common.photos(self.plan, self.name, step);
            let batch = self.common.batch(self.plan, self.name, step, &photos);
            let (loss, gradient) = stage.slope(step, &photos, &checkpoint.state.values, batch, &objective)?;
            if !loss.is_finite() {
                return Err(TrainError::Diverged(loss, step));
            }
            checkpoint.state.update(&session.layout, &gradient, &self.plan.rates);
            checkpoint.losses = (checkpoint.losses.0 + f64::from(loss), checkpoint.losses.1 + 1);
            let done = step + 1;
            if done % self.plan.judge_every == 0 || done == self.plan.rates.steps {
                let judgement = self.judge(stage, &mut checkpoint);
                progress.step(done, &note(&judgement));
                judgements.push(judgement);
                let own = judgements.get(before..).unwrap_or_default();
                write_whole(&log, &serde_json::to_vec(own).unwrap_or_default())?;
            } else {
                progress.step(done, &format!("loss {loss:.3}"));
            }
            if done % self.plan.save_every == 0 || done == self.plan.rates.steps {
                checkpoint.write(&path, &identity)?;
            }
        }
        Ok(checkpoint.best)
    }

    fn judge(&self, stage: &dyn Stage, checkpoint: &mut Checkpoint) -> Judgement {
        let session = self.common.session;
        let values = &checkpoint.state.average;
        let images = stage.validation_images(session, &self.common.standard.fold(&session.image, values));
        let (sum, count) = std::mem::take(&mut checkpoint.losses);
        let judgement = Judgement {
            stage: self.name.into(),
            step: checkpoint.state.step,
            loss: sum / count.max(1) as f64,
            ..judge_validation(session, values, &images)
        };
        if judgement.score() > checkpoint.best_score {
            checkpoint.best_score = judgement.score();
            checkpoint.best.clone_from(values);
        }
        judgement
    }

    /// Everything that shapes this stage's numbers.
    fn identity(&self) -> String {
        let plan = &self.common.session.plan;
        let heads = (plan.seed, &plan.network, plan.photo_side, &plan.heads);
        let fine = (self.name == "fine").then_some(&plan.fine);
        let shaped = format!("v2 {heads:?} {fine:?} {:?}", self.common.session.architecture);
        sha256_hex(shaped.as_bytes())
    }
}

/// Judges raw vectors of the validation photos against captions and class names.
pub(crate) fn judge_validation(session: &Session, values: &[f32], images: &[Vec<f32>]) -> Judgement {
    let text = values.get(session.text_start()..).unwrap_or_default();
    let embed = |sentence: &str| session.text.embed(text, &session.tokens(sentence)).unwrap_or_default();
    let (mut queries, mut answers, mut captioned) = (Vec::new(), Vec::new(), Vec::new());
    let (mut classed, mut truth) = (Vec::new(), Vec::new());
    for (&photo, image) in session.validate.iter().zip(images) {
        match session.corpus.photos.get(photo).map(|photo| &photo.says) {
            Some(Says::Captions(captions)) => {
                queries.extend(captions.iter().map(|caption| embed(caption)));
                answers.extend(captions.iter().map(|_| vec![captioned.len()]));
                captioned.push(image.clone());
            }
            Some(Says::Class(class)) => {
                classed.push(image.clone());
                truth.push(*class);
            }
            None => {}
        }
    }
    let all_images: Vec<Vec<f32>> = captioned.iter().chain(&classed).cloned().collect();
    let image_centre = centre_of(&all_images);
    let text_centre = centre_of(&queries);
    let classes: Vec<Vec<f32>> = session
        .corpus
        .classes
        .iter()
        .map(|class| {
            let phrases: Vec<_> =
                PHRASES.iter().take(4).map(|phrase| embed(&phrase.replace("{}", class))).collect();
            centre_of(&centred(&phrases, &text_centre))
        })
        .collect();
    Judgement {
        stage: String::new(),
        step: 0,
        loss: 0.0,
        text_to_image: recall(
            &centred(&queries, &text_centre),
            &centred(&captioned, &image_centre),
            &answers,
        ),
        accuracy: accuracy(&centred(&classed, &image_centre), &classes, &truth),
    }
}

fn note(judgement: &Judgement) -> String {
    let recall = judgement.text_to_image;
    format!(
        "loss {:.3}, validation: R@1 {:.3} R@5 {:.3} R@10 {:.3}, classes {:.3}",
        judgement.loss, recall.r1, recall.r5, recall.r10, judgement.accuracy
    )
}

fn read_log(path: &Path, until: u64) -> Vec<Judgement> {
    let known: Option<Vec<Judgement>> =
        std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    known.unwrap_or_default().into_iter().filter(|judgement| judgement.step <= until).collect()
}

/// The frozen trunk's features of each photo's views, computed once.
struct Features {
    /// `photos x views x features`.
    values: Vec<f32>,
    views: usize,
    width: usize,
}

impl Features {
    fn open(
        session: &Session,
        plan: &HeadsPlan,
        work: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let width = session.teacher.trunk.features();
        let photos = session.corpus.photos.len();
        let views = Views { least_area: 0.5, jitter: 0.1 };
        let path = work.join(format!("features-{}-{}-{}.bin", plan.size, plan.views, session.plan.seed));
        let values = cached(&path, photos * plan.views * width, "features", progress, |photo| {
            let mut pixels = Vec::new();
            session.photos.whole(photo, plan.size, false, &mut pixels);
            let mut rng = stream(session.plan.seed, "views", photo as u64);
            for _ in 1..plan.views {
                session.photos.random(photo, plan.size, views, &mut rng, &mut pixels);
            }
            session.teacher.trunk.features_of(&session.teacher.weights, &pixels, plan.size, SHARD)
        })?;
        Ok(Self { values, views: plan.views, width })
    }

    fn row(&self, photo: usize, view: usize) -> &[f32] {
        let row = photo * self.views + view;
        self.values.get(row * self.width..(row + 1) * self.width).unwrap_or_default()
    }

    fn whole_train(&self, session: &Session) -> Vec<f32> {
        session.train().flat_map(|photo| self.row(photo, 0)).copied().collect()
    }
}

/// The teacher's logits for each whole photo: its features are those that the heads learned from.
struct Opinions(Vec<f32>, usize);

impl Opinions {
    fn new(session: &Session, features: &Features) -> Self {
        let photos = 0..session.corpus.photos.len();
        let whole: Vec<f32> = photos.flat_map(|photo| features.row(photo, 0)).copied().collect();
        Self(session.teacher.logits(&whole), session.teacher.classes)
    }

    fn of(&self, photos: &[usize]) -> Rows {
        let rows = photos.iter().filter_map(|photo| self.0.get(photo * self.1..(photo + 1) * self.1));
        Rows { values: rows.flatten().copied().collect(), width: self.1 }
    }
}

/// Numbers per photo from a file of the work folder, or computed and written there.
fn cached(
    path: &Path,
    expected: usize,
    name: &str,
    progress: &mut dyn Progress,
    of: impl Fn(usize) -> Vec<f32> + Sync,
) -> Result<Vec<f32>, TrainError> {
    if let Ok(bytes) = std::fs::read(path)
        && bytes.len() == expected * 4
    {
        let numbers = bytes.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok());
        return Ok(numbers.map(f32::from_le_bytes).collect());
    }
    let mut values: Vec<f32> = Vec::with_capacity(expected);
    let first = of(0);
    let photos = expected / first.len().max(1);
    progress.stage(name, photos as u64);
    for start in (0..photos).step_by(64) {
        let rows: Vec<Vec<f32>> = (start..photos.min(start + 64)).into_par_iter().map(&of).collect();
        values.extend(rows.into_iter().flatten());
        progress.step((values.len() / first.len().max(1)) as u64, "");
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    write_whole(path, &bytes)?;
    Ok(values)
}

struct HeadsStage<'a> {
    seed: u64,
    features: &'a Features,
    plan: &'a HeadsPlan,
    standard: &'a Standard,
}

impl Stage for HeadsStage<'_> {
    fn slope(
        &mut self,
        step: u64,
        photos: &[usize],
        values: &[f32],
        batch: Batch,
        objective: &Objective<'_>,
    ) -> Result<(f32, Vec<f32>), TrainError> {
        let mut rng = stream(self.seed, "dropout", step);
        let keep = 1.0 - self.plan.dropout;
        let mean = &self.standard.mean;
        let mut rows = Rows { values: Vec::with_capacity(photos.len() * mean.len()), width: mean.len() };
        for &photo in photos {
            let view = rng.random_range(0..self.features.views);
            // A dropped feature is an average one.
            let row = self.features.row(photo, view).iter().zip(mean);
            rows.values.extend(row.map(|(value, mean)| {
                if rng.random::<f32>() < keep { mean + (value - mean) / keep } else { *mean }
            }));
        }
        let mut gradient = vec![0.0; values.len()];
        let slope = objective.slope(values, &rows, &batch, &mut gradient)?;
        Ok((slope.loss, gradient))
    }

    fn validation_images(&self, session: &Session, values: &[f32]) -> Vec<Vec<f32>> {
        let rows: Vec<f32> =
            session.validate.iter().flat_map(|&photo| self.features.row(photo, 0)).copied().collect();
        session.image.project(values, &rows)
    }
}

struct FineStage<'a> {
    plan: &'a FinePlan,
    opinions: Opinions,
    width: usize,
    session: &'a Session,
}

impl Stage for FineStage<'_> {
    fn slope(
        &mut self,
        step: u64,
        photos: &[usize],
        values: &[f32],
        mut batch: Batch,
        objective: &Objective<'_>,
    ) -> Result<(f32, Vec<f32>), TrainError> {
        let (session, size) = (self.session, self.plan.size);
        let trunk = session.image.trunk();
        let views = Views { least_area: self.plan.least_area, jitter: self.plan.jitter };
        let tapes: Vec<Tape> = photos
            .par_chunks(SHARD)
            .enumerate()
            .map(|(shard, photos)| {
                let place = step * (1 << 16) + shard as u64;
                let mut rng = stream(session.plan.seed, "fine views", place);
                let mut pixels = Vec::with_capacity(photos.len() * size * size * 3);
                for &photo in photos {
                    session.photos.random(photo, size, views, &mut rng, &mut pixels);
                }
                trunk.forward(values, pixels, size)
            })
            .collect();
        let features = tapes.iter().flat_map(|tape| tape.features.iter().copied()).collect();
        if self.plan.common.terms.opinion > 0.0 {
            batch.opinions = self.opinions.of(photos);
        }
        let mut gradient = vec![0.0; values.len()];
        let rows = Rows { values: features, width: self.width };
        let slope = objective.slope(values, &rows, &batch, &mut gradient)?;
        let shards: Vec<(&Tape, &[f32])> =
            tapes.iter().zip(slope.features.chunks(SHARD * self.width)).collect();
        let sums: Vec<Vec<f32>> = shards
            .par_chunks(shards.len().div_ceil(SUMS).max(1))
            .map(|shards| {
                let mut sum = vec![0.0; trunk.layout().len()];
                for (tape, feature_grad) in shards {
                    trunk.backward(values, tape, feature_grad, &mut sum);
                }
                sum
            })
            .collect();
        for sum in sums {
            for (total, value) in gradient.iter_mut().zip(sum) {
                *total += value;
            }
        }
        Ok((slope.loss, gradient))
    }

    fn validation_images(&self, session: &Session, values: &[f32]) -> Vec<Vec<f32>> {
        validation_images(session, values, self.plan.judge_size)
    }
}

/// Raw vectors of the whole validation photos at `size`.
pub(crate) fn validation_images(session: &Session, values: &[f32], size: usize) -> Vec<Vec<f32>> {
    let shards: Vec<Vec<Vec<f32>>> = session
        .validate
        .par_chunks(SHARD)
        .map(|photos| {
            let mut pixels = Vec::new();
            for &photo in photos {
                session.photos.whole(photo, size, false, &mut pixels);
            }
            session.image.embed(values, &pixels, size, SHARD)
        })
        .collect();
    shards.into_iter().flatten().collect()
}
