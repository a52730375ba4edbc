//! Every layer learns, from random views of the photos.

use rayon::prelude::*;

use super::TrainError;
use super::batches::Source;
use super::committee::normal;
use super::features::{Features, SHARD};
use super::objective::{Objective, Rows};
use super::optimiser::State;
use super::photos::Views;
use super::recipe::TunePlan;
use super::rng::stream;
use super::runner::Learner;
use super::session::Session;
use super::standard::Standard;
use super::student::Student;
use crate::compact::parameters::Layout;
use crate::compact::text::TextShape;
use crate::compact::trunk::{Tape, Trunk};

/// Partial sums of the trunk's gradient; fixed, so that threads do not change the order of additions.
const SUMS: usize = 4;

/// A network while every layer of it trains.
pub(crate) struct Tune<'a> {
    pub session: &'a Session,
    pub plan: &'a TunePlan,
    pub source: Source<'a>,
    /// The network as it was, with the text tower of the plan.
    pub student: Student,
    pub standard: &'a Standard,
    /// The teacher's logits of each photo.
    pub opinions: Rows,
    pub trunk: TrunkPass,
}

/// The trunk's passes over a batch; memory is kept from step to step, so that it is asked for once.
#[derive(Default)]
pub(crate) struct TrunkPass {
    tapes: Vec<Tape>,
    rooms: Vec<Vec<Vec<f32>>>,
}

impl TrunkPass {
    /// Features of random views of `photos`; `place` addresses their draws.
    pub(crate) fn forward(
        &mut self,
        session: &Session,
        student: &Student,
        values: &[f32],
        photos: &[usize],
        (size, look): (usize, Views),
        (purpose, place): (&str, u64),
    ) -> Rows {
        self.features(student.image.trunk(), values, size, photos, |shard, photos, pixels| {
            let mut rng = stream(session.recipe.seed, purpose, place * (1 << 16) + shard as u64);
            for &photo in photos {
                session.photos.random(photo, size, look, &mut rng, pixels);
            }
        })
    }

    /// Features of `photos`, of which `fill` appends the pixels, a shard at a time.
    pub(crate) fn features(
        &mut self,
        trunk: &Trunk,
        values: &[f32],
        size: usize,
        photos: &[usize],
        fill: impl Fn(usize, &[usize], &mut Vec<f32>) + Sync,
    ) -> Rows {
        self.tapes.resize_with(photos.len().div_ceil(SHARD), Tape::default);
        self.tapes.par_iter_mut().zip(photos.par_chunks(SHARD)).enumerate().for_each(
            |(shard, (tape, photos))| {
                fill(shard, photos, tape.pixels());
                trunk.forward(values, size, tape);
            },
        );
        let values = self.tapes.iter().flat_map(|tape| tape.features.iter().copied()).collect();
        Rows { values, width: trunk.features() }
    }

    /// Adds the trunk's gradient for the features' gradient of the last forward pass.
    pub(crate) fn backward(&mut self, trunk: &Trunk, values: &[f32], slope: &[f32], gradient: &mut [f32]) {
        let shards: Vec<(&Tape, &[f32])> =
            self.tapes.iter().zip(slope.chunks(SHARD * trunk.features())).collect();
        let parts: Vec<_> = shards.chunks(shards.len().div_ceil(SUMS).max(1)).collect();
        self.rooms.resize_with(parts.len(), Vec::new);
        let sums: Vec<Vec<f32>> = self
            .rooms
            .par_iter_mut()
            .zip(parts)
            .map(|(room, shards)| {
                let mut sum = vec![0.0; trunk.layout().len()];
                for (tape, slope) in shards {
                    trunk.backward(values, tape, slope, room, &mut sum);
                }
                sum
            })
            .collect();
        for sum in sums {
            for (total, value) in gradient.iter_mut().zip(sum) {
                *total += value;
            }
        }
    }
}

/// The objective over all of a network.
pub(crate) fn objective<'a>(
    session: &Session,
    student: &'a Student,
    standard: &'a Standard,
    terms: super::Terms,
) -> Objective<'a> {
    Objective {
        head: student.head(),
        standard,
        text: &student.text,
        text_start: student.text_start(),
        log_scale: student.layout.len() - 1,
        terms,
        classifier: session.teacher.classifier_of(&student.kept),
        classifier_bias: session.teacher.classifier_bias.clone(),
    }
}

/// The network with `layers` convolutions in its text tower; new ones begin close to nothing.
pub(crate) fn with_text_layers(session: &Session, student: &Student, layers: usize) -> Student {
    let mut architecture = student.architecture.clone();
    architecture.text = TextShape { layers, ..architecture.text };
    let mut grown = Student::new(architecture, student.size);
    grown.kept.clone_from(&student.kept);
    for layer in student.architecture.text.layers + 1..=layers {
        let name = format!("text.conv_{layer}.weight");
        let Some(spec) = grown.spec(&name) else { continue };
        let deviation = 0.2 / (spec.shape.first().copied().unwrap_or(1) as f32).sqrt();
        let mut rng = stream(session.recipe.seed, &name, 0);
        let values: Vec<f32> = (0..spec.len()).map(|_| deviation * normal(&mut rng)).collect();
        grown.set(&name, &values);
    }
    grown.inherit(student);
    grown
}

impl Tune<'_> {
    fn opinions_of(&self, photos: &[usize]) -> Rows {
        let values = photos.iter().flat_map(|&photo| self.opinions.row(photo)).copied().collect();
        Rows { values, width: self.opinions.width }
    }
}

impl Learner for Tune<'_> {
    fn layout(&self) -> &Layout {
        &self.student.layout
    }

    fn start(&self) -> Vec<Vec<f32>> {
        vec![self.student.standardised(self.standard)]
    }

    fn slopes(&mut self, step: u64, states: &[State]) -> Result<Vec<(f32, Vec<f32>)>, TrainError> {
        let (session, plan) = (self.session, self.plan);
        let look = Views { least_area: plan.least_area, jitter: plan.jitter };
        let (photos, captioned) = self.source.photos(step);
        let mut batch = self.source.batch(step, &photos, captioned);
        if plan.train.terms.opinion > 0.0 {
            batch.opinions = self.opinions_of(&photos);
        }
        let mut slopes = Vec::new();
        for state in states {
            let values = &state.values;
            let draws = (format!("views {}", self.source.purpose), step);
            let rows = self.trunk.forward(
                session,
                &self.student,
                values,
                &photos,
                (plan.size, look),
                (&draws.0, draws.1),
            );
            let mut gradient = vec![0.0; values.len()];
            let slope = objective(session, &self.student, self.standard, plan.train.terms).slope(
                values,
                &rows,
                &batch,
                &mut gradient,
            )?;
            self.trunk.backward(self.student.image.trunk(), values, &slope.features, &mut gradient);
            slopes.push((slope.loss, gradient));
        }
        Ok(slopes)
    }

    fn network(&self, averages: &[&[f32]]) -> Result<(Student, Vec<Vec<f32>>), TrainError> {
        let mut student = self.student.clone();
        student.values = averages.first().map_or(Vec::new(), |values| values.to_vec());
        self.standard.fold(self.student.head(), &mut student.values);
        let images = validation_images(self.session, &student, student.size);
        Ok((student, images))
    }
}

/// Raw vectors of the whole validation photos at `size`.
pub(crate) fn validation_images(session: &Session, student: &Student, size: usize) -> Vec<Vec<f32>> {
    let features = Features::of(session, &session.validate, size, student.image.trunk(), &student.values);
    student.head().project(&student.values, &features)
}
