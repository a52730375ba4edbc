//! The steps of a recipe in order: from the teacher to the packs.

use std::path::Path;

use super::batches::Source;
use super::committee::{Committee, Member};
use super::features::Features;
use super::guide::Guide;
use super::objective::Rows;
use super::photos::Views;
use super::prune::{Scores, narrow_text, prune};
use super::recipe::{CommitteePlan, PrunePlan, Recipe, Step, TunePlan};
use super::runner::{Place, judge};
use super::session::Session;
use super::standard::Standard;
use super::student::Student;
use super::teacher::prototypes;
use super::tune::{TrunkPass, Tune, objective, validation_images, with_text_layers};
use super::{
    Judgement, Progress, REPORT_FORMAT, Report, StagePlan, StepReport, Terms, TrainError, publish,
    write_whole,
};
use crate::pack::sha256_hex;

/// The run's report, in the output folder.
const REPORT: &str = "report.json";
/// Photos whose features say how features are spread.
const SAMPLE: usize = 2048;
/// Views of each photo that a tuned teacher's affinities are taken over.
const GUIDE_VIEWS: usize = 2;

/// Where a run reads and writes.
#[derive(Clone, Copy)]
pub(crate) struct Folders<'a> {
    pub work: &'a Path,
    pub data: &'a Path,
    pub out: &'a Path,
}

/// The network on its way through the recipe, and what it learns from.
pub(crate) struct Run<'a> {
    session: &'a Session,
    folders: Folders<'a>,
    student: Student,
    /// Digest of everything that shaped the network so far.
    identity: String,
    guide: Option<Guide>,
    /// The teacher's logits of each whole photo.
    opinions: Rows,
    report: Report,
}

impl<'a> Run<'a> {
    pub(crate) fn new(session: &'a Session, folders: Folders<'a>) -> Self {
        let Recipe { seed, photo_side, teacher, .. } = &session.recipe;
        let shared = format!("v3 {seed} {photo_side} {teacher:?} {}", session.seen_digest);
        let report = Report {
            format: REPORT_FORMAT,
            photos: [session.train().count(), session.validate.len()],
            vocabulary: session.tokenizer.len(),
            steps: Vec::new(),
            judgements: Vec::new(),
            packs: Vec::new(),
        };
        Self {
            session,
            folders,
            student: session.wordless(),
            identity: sha256_hex(shared.as_bytes()),
            guide: None,
            opinions: Rows::default(),
            report,
        }
    }

    /// Takes every step, writing the report after each.
    pub(crate) fn all(mut self, progress: &mut dyn Progress) -> Result<Report, TrainError> {
        for (number, step) in self.session.recipe.steps.iter().enumerate() {
            let name =
                format!("{:02}-{}", number + 1, step.name().replace(|c: char| !c.is_alphanumeric(), "-"));
            match step {
                Step::Publish(plan) => {
                    let pack = publish::publish(
                        self.session,
                        &mut self.student,
                        plan,
                        &self.report,
                        self.folders,
                        progress,
                    )?;
                    self.report.packs.push(pack);
                }
                Step::Committee(plan) => self.committee(plan, &name, progress)?,
                Step::Prune(plan) => self.prune(plan, &name, progress)?,
                Step::Tune(plan) => self.tune(plan, &name, progress)?,
            }
            if !matches!(step, Step::Publish(_)) {
                self.account(step.name())?;
            }
            let report = serde_json::to_vec_pretty(&self.report).unwrap_or_default();
            write_whole(&self.folders.out.join(REPORT), &report)?;
        }
        Ok(self.report)
    }

    /// Adds the network as it stands to the report.
    fn account(&mut self, step: &str) -> Result<(), TrainError> {
        let images = validation_images(self.session, &self.student, self.student.size);
        let Judgement { text_to_image, accuracy, .. } = judge(self.session, &self.student, &images);
        let size = self.student.measure(self.session.recipe.context_length)?;
        self.report.steps.push(StepReport { step: step.into(), text_to_image, accuracy, size });
        Ok(())
    }

    /// Draws a step into the identity, and says where its state is kept.
    ///
    /// The plan counts as a recipe would write it: an option that a recipe does not use changes nothing.
    fn place(&mut self, name: &str, plan: &impl serde::Serialize) -> Place<'a> {
        let plan = serde_json::to_string(plan).unwrap_or_default();
        let Recipe { dim, context_length, common_words, .. } = self.session.recipe;
        let shaped = format!(
            "{} {plan} {dim} {context_length} {common_words} {} {}",
            self.identity, self.session.words_digest, self.student.size
        );
        self.identity = sha256_hex(shaped.as_bytes());
        Place {
            session: self.session,
            work: self.folders.work,
            name: name.to_owned(),
            identity: self.identity.clone(),
        }
    }

    fn features(
        &self,
        views: usize,
        size: usize,
        progress: &mut dyn Progress,
    ) -> Result<Features, TrainError> {
        let key: String = self.identity.chars().take(12).collect();
        let key = format!("{key}-{size}-{views}");
        Features::open(self.session, &self.student, (views, size), self.folders.work, &key, progress)
    }

    fn committee(
        &mut self,
        plan: &CommitteePlan,
        name: &str,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let session = self.session;
        let features = self.features(plan.views, plan.size, progress)?;
        let width = self.student.image.trunk().features();
        let first = self.opinions.values.is_empty();
        if first {
            let whole = features.whole(0..session.corpus.photos.len());
            self.opinions = Rows { values: session.teacher.logits(&whole), width: session.teacher.classes };
        }
        let train: Vec<usize> = session.train().collect();
        let whole = Rows { values: features.whole(train.iter().copied()), width };
        let standard = Standard::of(&whole.values, width);
        let prototypes = prototypes(&whole, &self.opinions_of(&train));
        let place = self.place(name, plan);
        let guide = self.guide.take();
        let source = |member: usize| Source {
            session,
            plan: &plan.train,
            purpose: format!("{name} {member}"),
            prototypes: &prototypes,
            guide: guide.as_ref(),
            neighbours: 0,
        };
        let student = self.student.clone();
        let mut committee = Committee {
            session,
            plan,
            features: &features,
            standard: &standard,
            student: &student,
            sources: (0..plan.members).map(source).collect(),
            member: Member::new(session, plan, width),
        };
        let values = place.run(&mut committee, &plan.train, &mut self.report.judgements, progress)?;
        self.student = committee.folded(values);
        self.student.size = plan.size;
        self.guide = Some(match guide {
            Some(guide) => guide,
            None => Guide::new(session, self.student.clone(), &features),
        });
        Ok(())
    }

    fn prune(&mut self, plan: &PrunePlan, name: &str, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let session = self.session;
        self.place(name, plan);
        // Gates are on the features as they are: taking one out leaves 0, not its mean.
        let width = self.student.image.trunk().features();
        let as_they_are = Standard::none(width);
        let nothing = Rows { values: Vec::new(), width };
        let score = StagePlan { batch: plan.batch, ..scoring() };
        let source = Source {
            session,
            plan: &score,
            purpose: name.to_owned(),
            prototypes: &nothing,
            guide: self.guide.as_ref(),
            neighbours: 0,
        };
        let look = Views { least_area: 0.5, jitter: 0.0 };
        let mut scores = Scores::new(&self.student);
        let mut pass = TrunkPass::default();
        let batches = plan.photos.div_ceil(plan.batch) as u64;
        progress.stage(name, batches);
        let values = &self.student.values;
        for step in 0..batches {
            if progress.stop() {
                return Err(TrainError::Stopped);
            }
            let (photos, captioned) = source.photos(step);
            let batch = source.batch(step, &photos, captioned);
            let rows = pass.forward(session, &self.student, values, &photos, (plan.size, look), (name, step));
            let mut gradient = vec![0.0; values.len()];
            let objective = objective(session, &self.student, &as_they_are, score.terms);
            let slope = objective.slope(values, &rows, &batch, &mut gradient)?;
            pass.backward(self.student.image.trunk(), values, &slope.features, &mut gradient);
            scores.add(&self.student, values, &gradient);
            progress.step(step + 1, &format!("loss {:.3}", slope.loss));
        }
        self.student = prune(&self.student, &scores, plan).ok_or_else(|| {
            let PrunePlan { multiply_adds, relus, parameters, .. } = plan;
            TrainError::Recipe(format!(
                "step \"{name}\": no network of this kind has {multiply_adds} multiply-adds, {relus} ReLUs and \
                 {parameters} weights or fewer"
            ))
        })?;
        if let Some(width) = plan.text_width.filter(|&width| width < self.student.architecture.text.width) {
            self.student = narrow_text(&self.student, width)?;
        }
        Ok(())
    }

    fn tune(&mut self, plan: &TunePlan, name: &str, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let session = self.session;
        let place = self.place(name, plan);
        let sample = self.sample(plan.size);
        let prototypes = prototypes(&sample.features, &self.opinions_of(&sample.photos));
        let mut tune = Tune {
            session,
            plan,
            source: Source {
                session,
                plan: &plan.train,
                purpose: name.to_owned(),
                prototypes: &prototypes,
                guide: self.guide.as_ref(),
                neighbours: plan.neighbours,
            },
            student: with_text_layers(session, &self.student, plan.text_layers),
            standard: &sample.standard,
            opinions: self.opinions.clone(),
            trunk: TrunkPass::default(),
        };
        let values = place.run(&mut tune, &plan.train, &mut self.report.judgements, progress)?;
        let mut student = tune.student;
        student.values = values;
        self.student = student;
        if plan.teaches {
            let features = self.features(GUIDE_VIEWS, self.student.size, progress)?;
            self.guide = Some(Guide::new(session, self.student.clone(), &features));
        }
        Ok(())
    }

    fn opinions_of(&self, photos: &[usize]) -> Rows {
        let values = photos.iter().flat_map(|&photo| self.opinions.row(photo)).copied().collect();
        Rows { values, width: self.opinions.width }
    }

    /// What the network sees in some of the training photos.
    fn sample(&self, size: usize) -> Sample {
        let every = self.session.train().count().div_ceil(SAMPLE).max(1);
        let photos: Vec<usize> = self.session.train().step_by(every).collect();
        let trunk = self.student.image.trunk();
        let values = Features::of(self.session, &photos, size, trunk, &self.student.values);
        let features = Rows { values, width: trunk.features() };
        let standard = Standard::of(&features.values, features.width);
        Sample { photos, features, standard }
    }
}

struct Sample {
    photos: Vec<usize>,
    features: Rows,
    standard: Standard,
}

/// What channels are scored by: photos against captions and class names, and affinities.
fn scoring() -> StagePlan {
    StagePlan {
        batch: 0,
        class_photos: 16,
        prototypes: 0,
        names: 0,
        glossary: 0,
        plurals: 0.0,
        judge_every: 1,
        save_every: 1,
        terms: Terms {
            photos: 1.0,
            captions: 0.0,
            classes: 0.4,
            prototypes: 0.0,
            names: 0.0,
            glossary: 0.0,
            opinion: 0.0,
            affinity: 1.0,
            smoothing: 0.02,
        },
        rates: super::Rates { trunk: 0.0, rest: 0.0, decay: 0.0, warmup: 0, steps: 0, average: 0.0 },
    }
}
