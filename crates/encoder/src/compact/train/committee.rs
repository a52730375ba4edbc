//! Several heads with text towers of their own, trained apart on the same frozen features, folded into one.
//!
//! Networks trained apart err apart, so the sum of their scores ranks better than any of them. A member's text
//! tower is linear in its words' embeddings and its head has one hidden layer; so the members beside each other
//! *are* one network of the same kind, whose vectors are the members' vectors one after the other. Those are
//! then turned onto their principal axes, of which the first `dim` are kept: a linear map that folds into the
//! last layer of the head and into the word table. What is lost are the axes left out, and that a member's vectors
//! are brought to length one on average only, not each.

use std::sync::Arc;

use faer::{Accum, Mat};
use rand::RngExt as _;
use rand_core::Rng;
use rayon::prelude::*;

use super::TrainError;
use super::axes::Moments;
use super::batches::Source;
use super::features::Features;
use super::judge::dot;
use super::objective::{Objective, Rows};
use super::optimiser::State;
use super::recipe::{CommitteePlan, Recipe};
use super::rng::stream;
use super::runner::Learner;
use super::session::Session;
use super::standard::Standard;
use super::student::Student;
use crate::compact::image::Head;
use crate::compact::kernels::product;
use crate::compact::parameters::Layout;
use crate::compact::text::{TextShape, TextTower};

/// A committee while it trains.
pub(crate) struct Committee<'a> {
    pub session: &'a Session,
    pub plan: &'a CommitteePlan,
    pub features: &'a Features,
    pub standard: &'a Standard,
    /// The network whose trunk gave the features.
    pub student: &'a Student,
    /// What each member's batches are drawn from.
    pub sources: Vec<Source<'a>>,
    pub member: Member,
}

/// The sizes that all members share.
pub(crate) struct Member {
    head: Head,
    text: TextTower,
    text_start: usize,
    /// Head, text tower, logarithm of the inverse temperature.
    layout: Arc<Layout>,
}

impl Member {
    pub(crate) fn new(session: &Session, plan: &CommitteePlan, features: usize) -> Self {
        let Recipe { dim, .. } = session.recipe;
        let mut layout = Layout::default();
        let head = Head::push(&mut layout, features, plan.hidden, dim);
        let text_start = layout.len();
        let text =
            TextTower::new(TextShape { vocabulary: session.tokenizer.len(), width: dim, layers: 0, dim });
        for spec in text.layout().tensors() {
            layout.push(spec.name.clone(), &spec.shape);
        }
        layout.push("objective.log_scale", &[1]);
        Self { head, text, text_start, layout: Arc::new(layout) }
    }

    fn start(&self, rng: &mut impl Rng) -> Vec<f32> {
        let mut values = vec![0.0; self.layout.len()];
        for spec in self.layout.tensors() {
            let inputs = spec.shape.first().copied().unwrap_or(1) as f32;
            let deviation = match spec.name.as_str() {
                "text.embedding" => 0.05,
                _ if spec.shape.len() == 1 => 0.0,
                _ => inputs.sqrt().recip(),
            };
            if let Some(values) = values.get_mut(spec.range()) {
                values.fill_with(|| deviation * normal(rng));
            }
        }
        if let Some(log_scale) = values.last_mut() {
            *log_scale = (1.0_f32 / 0.07).ln();
        }
        values
    }

    fn sentence(&self, values: &[f32], tokens: &[u32]) -> Vec<f32> {
        self.text.embed(values.get(self.text_start..).unwrap_or_default(), tokens).unwrap_or_default()
    }
}

impl Learner for Committee<'_> {
    fn layout(&self) -> &Layout {
        &self.member.layout
    }

    fn start(&self) -> Vec<Vec<f32>> {
        let seed = self.session.recipe.seed;
        let draw = |source: &Source<'_>| {
            self.member.start(&mut stream(seed, &format!("initial weights {}", source.purpose), 0))
        };
        self.sources.iter().map(draw).collect()
    }

    /// Members learn side by side, each from batches of its own.
    fn slopes(&mut self, step: u64, states: &[State]) -> Result<Vec<(f32, Vec<f32>)>, TrainError> {
        let members = states.par_iter().zip(&self.sources);
        members.map(|(state, source)| self.slope(step, state, source)).collect()
    }

    fn network(&self, averages: &[&[f32]]) -> Result<(Student, Vec<Vec<f32>>), TrainError> {
        let folded = self.fold(averages)?;
        let whole = self.features.whole(self.session.validate.iter().copied());
        let images = folded.head().project(&folded.values, &whole);
        Ok((folded, images))
    }
}

impl Committee<'_> {
    fn slope(&self, step: u64, state: &State, source: &Source<'_>) -> Result<(f32, Vec<f32>), TrainError> {
        let (photos, captioned) = source.photos(step);
        let batch = source.batch(step, &photos, captioned);
        let purpose = format!("dropout {}", source.purpose);
        let mut rng = stream(self.session.recipe.seed, &purpose, step);
        let keep = 1.0 - self.plan.dropout;
        let mean = &self.standard.mean;
        let mut rows = Rows { values: Vec::with_capacity(photos.len() * mean.len()), width: mean.len() };
        for &photo in &photos {
            let view = rng.random_range(0..self.features.views());
            // A dropped feature is an average one.
            let row = self.features.row(photo, view).iter().zip(mean);
            rows.values.extend(row.map(|(value, mean)| {
                if rng.random::<f32>() < keep { mean + (value - mean) / keep } else { *mean }
            }));
        }
        let objective = Objective {
            head: &self.member.head,
            standard: self.standard,
            text: &self.member.text,
            text_start: self.member.text_start,
            log_scale: self.member.layout.len() - 1,
            terms: self.plan.train.terms,
            classifier: Rows::default(),
            classifier_bias: Vec::new(),
        };
        let mut gradient = vec![0.0; state.values.len()];
        let slope = objective.slope(&state.values, &rows, &batch, &mut gradient)?;
        Ok((slope.loss, gradient))
    }

    /// One network whose scores are nearly the sum of the members'.
    fn fold(&self, members: &[&[f32]]) -> Result<Student, TrainError> {
        let members: Vec<Vec<f32>> = members
            .iter()
            .map(|values| {
                let mut values = values.to_vec();
                self.standard.fold(&self.member.head, &mut values);
                values
            })
            .collect();
        let photos: Vec<usize> = self.session.train().collect();
        let whole = self.features.whole(photos.iter().copied());
        let sentences: Vec<Vec<u32>> =
            photos.iter().map(|&photo| self.session.tokens(&self.session.sentence(photo))).collect();
        let views: Vec<View> = members
            .par_iter()
            .map(|values| View {
                photos: Scaled::of(self.member.head.project(values, &whole)),
                words: Scaled::of(
                    sentences.iter().map(|tokens| self.member.sentence(values, tokens)).collect(),
                ),
            })
            .collect();
        let axes = principal_axes(&views, self.session.recipe.dim)?;
        Ok(self.assemble(&members, &views, &axes))
    }

    /// A network of these weights, laid out as [`Committee::fold`] lays it out.
    pub(crate) fn folded(&self, values: Vec<f32>) -> Student {
        Student { values, ..self.frame() }
    }

    /// Room for all members: the trunk as it is, heads and text towers to be filled in.
    fn frame(&self) -> Student {
        let dim = self.session.recipe.dim;
        let mut architecture = self.student.architecture.clone();
        architecture.head_hidden = self.plan.hidden * self.plan.members;
        architecture.text = TextShape { layers: 0, width: dim, dim, ..architecture.text };
        let mut frame = Student::new(architecture, self.student.size);
        frame.inherit(self.student);
        frame.kept.clone_from(&self.student.kept);
        frame
    }

    fn assemble(&self, members: &[Vec<f32>], views: &[View], axes: &Mat<f32>) -> Student {
        let dim = self.session.recipe.dim;
        let mut student = self.frame();
        let [features, hidden, _] = self.member.head.shape();
        let vocabulary = self.member.text.shape().vocabulary;
        let all_hidden = hidden * members.len();

        let mut direct = vec![0.0; features * dim];
        let (mut inner, mut inner_bias) = (vec![0.0; features * all_hidden], Vec::new());
        let (mut outer, mut bias) = (Vec::new(), vec![0.0; dim]);
        let (mut table, mut text_bias) = (vec![0.0; vocabulary * dim], vec![0.0; dim]);
        let mut log_scale = 0.0;
        let add = |rows: &[f32], matrix: &[f32], factor: f32, out: &mut [f32]| {
            product(rows, matrix, Accum::Add, factor, out.len() / dim, out);
        };
        for (number, (values, view)) in members.iter().zip(views).enumerate() {
            let of = |range: &std::ops::Range<usize>| values.get(range.clone()).unwrap_or_default();
            let text = values.get(self.member.text_start..).unwrap_or_default();
            let of_text = |range: &std::ops::Range<usize>| text.get(range.clone()).unwrap_or_default();
            let head = &self.member.head;
            // This member's rows of the axes, and how its two towers are brought to the same length.
            let turn: Vec<f32> = (0..dim)
                .flat_map(|row| (0..dim).map(move |column| axes[(number * dim + row, column)]))
                .collect();
            add(of(&head.direct), &turn, view.photos.scale, &mut direct);
            let mut part = vec![0.0; hidden * dim];
            add(of(&head.outer), &turn, view.photos.scale, &mut part);
            outer.extend(part);
            add(&less(of(&head.bias), &view.photos.mean), &turn, view.photos.scale, &mut bias);
            let place = |row: usize| row * all_hidden + number * hidden;
            for (row, line) in of(&head.inner).chunks_exact(hidden).enumerate() {
                if let Some(target) = inner.get_mut(place(row)..place(row) + hidden) {
                    target.copy_from_slice(line);
                }
            }
            inner_bias.extend_from_slice(of(&head.inner_bias));

            let mut last = vec![0.0; dim * dim];
            add(of_text(&self.member.text.out), &turn, view.words.scale, &mut last);
            add(of_text(&self.member.text.table), &last, 1.0, &mut table);
            let shift = less(of_text(&self.member.text.out_bias), &view.words.mean);
            add(&shift, &turn, view.words.scale, &mut text_bias);
            log_scale += values.last().copied().unwrap_or_default() / members.len() as f32;
        }
        let identity: Vec<f32> =
            (0..dim * dim).map(|at| if at / dim == at % dim { 1.0 } else { 0.0 }).collect();
        for (name, values) in [
            ("head.direct.weight", &direct),
            ("head.inner.weight", &inner),
            ("head.inner.bias", &inner_bias),
            ("head.outer.weight", &outer),
            ("head.outer.bias", &bias),
            ("text.embedding", &table),
            ("text.out.weight", &identity),
            ("text.out.bias", &text_bias),
            ("objective.log_scale", &vec![log_scale]),
        ] {
            student.set(name, values);
        }
        student
    }
}

/// A member's raw vectors of the training photos and of their sentences.
struct View {
    photos: Scaled,
    words: Scaled,
}

/// Vectors with their mean taken off, and the factor that brings them to length one on average.
struct Scaled {
    rows: Vec<Vec<f32>>,
    mean: Vec<f32>,
    scale: f32,
}

impl Scaled {
    fn of(mut rows: Vec<Vec<f32>>) -> Self {
        let count = rows.len().max(1) as f32;
        let mut mean = vec![0.0; rows.first().map_or(0, Vec::len)];
        for row in &rows {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value / count;
            }
        }
        let mut length = 0.0;
        for row in &mut rows {
            for (value, mean) in row.iter_mut().zip(&mean) {
                *value -= mean;
            }
            length += dot(row, row).sqrt() / count;
        }
        Self { rows, mean, scale: 1.0 / length.max(1e-6) }
    }
}

/// The first `dim` principal axes of all members' vectors beside each other, photos and words alike, as the
/// columns of a matrix of `members · width` rows.
fn principal_axes(views: &[View], dim: usize) -> Result<Mat<f32>, TrainError> {
    let width: usize = views.iter().map(|view| view.photos.mean.len()).sum();
    let mut moments = Moments::new(width);
    let towers: [fn(&View) -> &Scaled; 2] = [|view| &view.photos, |view| &view.words];
    for tower in towers {
        let count = views.first().map_or(0, |view| tower(view).rows.len());
        let mut rows = Vec::with_capacity(count * width);
        for at in 0..count {
            for view in views {
                let scaled = tower(view);
                let row = scaled.rows.get(at).map_or(&[][..], Vec::as_slice);
                rows.extend(row.iter().map(|value| value * scaled.scale));
            }
        }
        moments.add(&rows, 1.0 / count.max(1) as f32);
    }
    moments.axes(dim)
}

fn less(left: &[f32], right: &[f32]) -> Vec<f32> {
    left.iter().zip(right).map(|(left, right)| left - right).collect()
}

/// A standard normal number (Box and Muller).
pub(crate) fn normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}
