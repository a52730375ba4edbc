//! What training minimises, in `burn`: head, text tower and losses, with gradients by its autodiff.
//!
//! 1. photos against their captions: symmetric InfoNCE over the batch;
//! 2. captions against other captions of the same photos, likewise;
//! 3. photos of class folders against the class's name, likewise; photos of one class share their words;
//! 4. class prototypes of the teacher against the class's names, likewise, among themselves;
//! 5. names against names: affinities as CLIP's text vectors have them;
//! 6. words of a glossary against descriptions of what they show, likewise;
//! 7. the teacher's opinion of each photo, as its classifier reads it from the student's features;
//! 8. affinities between photos and words, among photos and among words, as the guide has them.

use std::ops::Range;

use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::tensor::activation::{log_softmax, relu, softmax};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Int, Tensor, TensorData};

use super::TrainError;
use super::standard::Standard;
use crate::compact::image::Head;
use crate::compact::text::TextTower;

pub(crate) type Engine = Autodiff<Flex>;
pub(crate) type Matrix = Tensor<Engine, 2>;
pub(crate) type Gradients = <Engine as AutodiffBackend>::Gradients;

/// Inverse temperature of name affinities, on both sides.
const AFFINITY_SHARPNESS: f32 = 10.0;
/// Temperature at which the teacher's opinion is compared.
const OPINION_TEMPERATURE: f32 = 2.0;

/// Weights of the terms.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Captions against other captions of the same photos.
    pub captions: f32,
    /// Photos against their captions.
    pub photos: f32,
    /// Photos of class folders against the class's name.
    pub classes: f32,
    /// Teacher's class prototypes against class names.
    pub prototypes: f32,
    /// Affinities among names, after CLIP's text vectors.
    pub names: f32,
    /// Glossary words against their descriptions.
    #[serde(default)]
    pub glossary: f32,
    /// The teacher's opinion of each photo.
    #[serde(default)]
    pub opinion: f32,
    /// Affinities after the guide.
    #[serde(default)]
    pub affinity: f32,
    /// Share of each target spread over the whole batch.
    pub smoothing: f32,
}

/// Rows of a matrix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub values: Vec<f32>,
    pub width: usize,
}

impl Rows {
    pub(crate) fn row(&self, at: usize) -> &[f32] {
        self.values.get(at * self.width..(at + 1) * self.width).unwrap_or_default()
    }

    pub(crate) fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    pub(crate) fn tensor(&self) -> Matrix {
        matrix(self.values.clone(), self.count(), self.width)
    }
}

/// One step's inputs, features aside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// Two captions of each captioned photo, as tokens without start and end. These photos come first.
    pub captions: Vec<Vec<u32>>,
    pub other_captions: Vec<Vec<u32>>,
    /// The class of each other photo, and a phrase that names it.
    pub classes: Vec<u64>,
    pub class_phrases: Vec<Vec<u32>>,
    /// Per photo, the teacher's logits; empty to leave the term out.
    pub opinions: Rows,
    /// The teacher's classes as features, and a name of each.
    pub prototypes: Rows,
    pub prototype_names: Vec<Vec<u32>>,
    /// Names with CLIP's vectors, centred and of unit length.
    pub names: Vec<Vec<u32>>,
    pub clip: Rows,
    /// Glossary words, and a description of each.
    pub entries: Vec<Vec<u32>>,
    pub descriptions: Vec<Vec<u32>>,
    pub affinity: Option<Affinity>,
}

/// The guide's vectors of a batch, of unit length.
#[derive(Clone, Debug)]
pub(crate) struct Affinity {
    pub photos: Rows,
    /// Captions, then class phrases: one per photo.
    pub words: Rows,
    pub other_words: Rows,
    /// The guide's inverse temperature.
    pub sharpness: f32,
}

/// The differentiable part above the features.
pub(crate) struct Objective<'a> {
    pub head: &'a Head,
    /// The head takes features as this makes them.
    pub standard: &'a Standard,
    pub text: &'a TextTower,
    /// Where the text tower's tensors start in the flat vector; the head's ranges count from 0.
    pub text_start: usize,
    /// Place of the logarithm of the inverse temperature.
    pub log_scale: usize,
    pub terms: Terms,
    /// The teacher's classifier, `features x classes`, and its bias.
    pub classifier: Rows,
    pub classifier_bias: Vec<f32>,
}

/// A loss, its gradient for the flat vector (zero for the trunk) and for the features.
pub(crate) struct Slope {
    pub loss: f32,
    pub features: Vec<f32>,
}

/// A tensor that trains, and its place in the flat vector.
pub(crate) struct Leaf {
    range: Range<usize>,
    tensor: Matrix,
}

impl Objective<'_> {
    /// Evaluates the loss and adds its gradient to `gradient`.
    pub(crate) fn slope(
        &self,
        values: &[f32],
        features: &Rows,
        batch: &Batch,
        gradient: &mut [f32],
    ) -> Result<Slope, TrainError> {
        let mut leaves = Leaves { values, start: 0, found: Vec::new() };
        let features_leaf = features.tensor().require_grad();
        let head = HeadTensors::new(self.head, self.standard, &mut leaves);
        leaves.start = self.text_start;
        let text = TextTensors::new(self.text, &mut leaves);
        leaves.start = 0;
        let log_scale = leaves.leaf(self.log_scale..self.log_scale + 1, 1, 1);

        let scale = log_scale.exp();
        let photos = unit(head.project(features_leaf.clone()));
        let embed = |sentences: &[Vec<u32>]| unit(text.embed(sentences));
        let apart = |count: usize| shared_words(&(0..count as u64).collect::<Vec<_>>(), self.terms.smoothing);

        let captioned = batch.captions.len();
        // Two captions of each captioned photo; a recipe may do without.
        let said = (captioned > 0).then(|| (embed(&batch.captions), embed(&batch.other_captions)));
        let mut words: Vec<Matrix> = said.iter().map(|(captions, _)| captions.clone()).collect();
        let mut loss = Tensor::<Engine, 1>::zeros([1], &FlexDevice);
        if let Some((captions, others)) = &said {
            let shown = photos.clone().narrow(0, 0, captioned);
            loss = contrast(shown, captions.clone(), scale.clone(), apart(captioned))
                .mul_scalar(self.terms.photos)
                + contrast(captions.clone(), others.clone(), scale.clone(), apart(captioned))
                    .mul_scalar(self.terms.captions);
        }
        if !batch.classes.is_empty() {
            let shown = photos.clone().narrow(0, captioned, batch.classes.len());
            let phrases = embed(&batch.class_phrases);
            words.push(phrases.clone());
            let targets = shared_words(&batch.classes, self.terms.smoothing);
            let term = contrast(shown, phrases, scale.clone(), targets);
            loss = loss + term.mul_scalar(self.terms.classes);
        }
        if let Some(guide) = &batch.affinity {
            let (seen, all_words) = (guide.photos.tensor(), guide.words.tensor());
            let mimic = |left: Matrix, right: Matrix, guides: (&Matrix, &Matrix)| {
                mimic(left, right, scale.clone(), guides, guide.sharpness)
            };
            let mut term = mimic(photos.clone(), Tensor::cat(words, 0), (&seen, &all_words))
                + mimic_among(photos, scale.clone(), &seen, guide.sharpness);
            if let Some((captions, others)) = said {
                let guides = (&all_words.narrow(0, 0, captioned), &guide.other_words.tensor());
                term = term + mimic(captions, others, guides).mul_scalar(self.terms.captions);
            }
            loss = loss + term.mul_scalar(self.terms.affinity);
        }
        if !batch.prototype_names.is_empty() {
            let classes = unit(head.project(batch.prototypes.tensor()));
            let targets = apart(batch.prototype_names.len());
            let term = contrast(classes, embed(&batch.prototype_names), scale.clone(), targets);
            loss = loss + term.mul_scalar(self.terms.prototypes);
        }
        if !batch.entries.is_empty() {
            let targets = apart(batch.entries.len());
            let term = contrast(embed(&batch.entries), embed(&batch.descriptions), scale, targets);
            loss = loss + term.mul_scalar(self.terms.glossary);
        }
        if !batch.names.is_empty() {
            let term = affinity(embed(&batch.names), batch.clip.tensor());
            loss = loss + term.mul_scalar(self.terms.names);
        }
        if batch.opinions.count() > 0 {
            loss = loss + self.opinion(features_leaf.clone(), &batch.opinions).mul_scalar(self.terms.opinion);
        }

        let number = numbers(loss.clone().inner())?.first().copied().unwrap_or(f32::NAN);
        let gradients = loss.backward();
        leaves.collect(&gradients, gradient)?;
        let features = features_leaf.grad(&gradients).map(numbers).transpose()?.unwrap_or_default();
        Ok(Slope { loss: number, features })
    }

    fn opinion(&self, features: Matrix, opinions: &Rows) -> Tensor<Engine, 1> {
        let bias = matrix(self.classifier_bias.clone(), 1, self.classifier_bias.len());
        let student = features.matmul(self.classifier.tensor()) + bias;
        let soften = |logits: Matrix| logits.div_scalar(OPINION_TEMPERATURE);
        let target = softmax(soften(opinions.tensor()), 1);
        -(target * log_softmax(soften(student), 1)).sum_dim(1).mean()
    }
}

/// Collects the tensors that train.
pub(crate) struct Leaves<'a> {
    pub values: &'a [f32],
    pub start: usize,
    pub found: Vec<Leaf>,
}

impl Leaves<'_> {
    pub(crate) fn leaf(&mut self, range: Range<usize>, rows: usize, columns: usize) -> Matrix {
        let range = range.start + self.start..range.end + self.start;
        let values = self.values.get(range.clone()).unwrap_or_default().to_vec();
        let tensor = matrix(values, rows, columns).require_grad();
        self.found.push(Leaf { range, tensor: tensor.clone() });
        tensor
    }

    /// Adds what was found out about each tensor to the flat gradient.
    pub(crate) fn collect(&self, found: &Gradients, gradient: &mut [f32]) -> Result<(), TrainError> {
        for leaf in &self.found {
            if let (Some(slope), Some(target)) =
                (leaf.tensor.grad(found), gradient.get_mut(leaf.range.clone()))
            {
                for (sum, value) in target.iter_mut().zip(numbers(slope)?) {
                    *sum += value;
                }
            }
        }
        Ok(())
    }
}

pub(crate) struct HeadTensors {
    mean: Matrix,
    deviation: Matrix,
    direct: Matrix,
    inner: Matrix,
    inner_bias: Matrix,
    outer: Matrix,
    bias: Matrix,
}

impl HeadTensors {
    pub(crate) fn new(head: &Head, standard: &Standard, leaves: &mut Leaves<'_>) -> Self {
        let [features, hidden, dim] = head.shape();
        Self {
            mean: matrix(standard.mean.clone(), 1, features),
            deviation: matrix(standard.deviation.clone(), 1, features),
            direct: leaves.leaf(head.direct.clone(), features, dim),
            inner: leaves.leaf(head.inner.clone(), features, hidden),
            inner_bias: leaves.leaf(head.inner_bias.clone(), 1, hidden),
            outer: leaves.leaf(head.outer.clone(), hidden, dim),
            bias: leaves.leaf(head.bias.clone(), 1, dim),
        }
    }

    pub(crate) fn project(&self, features: Matrix) -> Matrix {
        let features = (features - self.mean.clone()) / self.deviation.clone();
        let inner = relu(features.clone().matmul(self.inner.clone()) + self.inner_bias.clone());
        features.matmul(self.direct.clone()) + inner.matmul(self.outer.clone()) + self.bias.clone()
    }
}

pub(crate) struct TextTensors {
    table: Matrix,
    convolutions: Vec<(Matrix, Matrix)>,
    out: Matrix,
    out_bias: Matrix,
    width: usize,
}

impl TextTensors {
    pub(crate) fn new(tower: &TextTower, leaves: &mut Leaves<'_>) -> Self {
        let shape = tower.shape();
        let taps = crate::compact::text::TAPS * shape.width;
        Self {
            table: leaves.leaf(tower.table.clone(), shape.vocabulary, shape.width),
            convolutions: tower
                .convolutions
                .iter()
                .map(|(weight, bias)| {
                    let weight = leaves.leaf(weight.clone(), taps, shape.width);
                    (weight, leaves.leaf(bias.clone(), 1, shape.width))
                })
                .collect(),
            out: leaves.leaf(tower.out.clone(), shape.width, shape.dim),
            out_bias: leaves.leaf(tower.out_bias.clone(), 1, shape.dim),
            width: shape.width,
        }
    }

    /// The tower of [`TextTower::embed`] over padded sentences; padding is zero before every convolution.
    pub(crate) fn embed(&self, sentences: &[Vec<u32>]) -> Matrix {
        let count = sentences.len();
        let length = sentences.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let (mut ids, mut mask, mut share) = (Vec::new(), Vec::new(), Vec::new());
        for sentence in sentences {
            for place in 0..length {
                ids.push(sentence.get(place).map_or(0, |&token| token as i32));
                mask.push(if place < sentence.len() { 1.0_f32 } else { 0.0 });
            }
            share.push(1.0 / sentence.len().max(1) as f32);
        }
        let device = FlexDevice;
        let ids = Tensor::<Engine, 1, Int>::from_data(TensorData::new(ids, [count * length]), &device);
        let mask = matrix(mask, count * length, 1);
        let mut x = self.table.clone().select(0, ids) * mask.clone();
        for (weight, bias) in &self.convolutions {
            let change = relu(self.windows(x.clone(), count, length).matmul(weight.clone()) + bias.clone());
            x = x + change * mask.clone();
        }
        let sum = x.reshape([count, length, self.width]).sum_dim(1).reshape([count, self.width]);
        (sum * matrix(share, count, 1)).matmul(self.out.clone()) + self.out_bias.clone()
    }

    /// Each row beside the one before and the one after it, zeros at both ends of a sentence.
    fn windows(&self, x: Matrix, count: usize, length: usize) -> Matrix {
        let x = x.reshape([count, length, self.width]);
        let zeros = Tensor::<Engine, 3>::zeros([count, 1, self.width], &FlexDevice);
        let before = Tensor::cat(vec![zeros.clone(), x.clone().narrow(1, 0, length - 1)], 1);
        let after = Tensor::cat(vec![x.clone().narrow(1, 1, length - 1), zeros], 1);
        Tensor::cat(vec![before, x, after], 2).reshape([count * length, 3 * self.width])
    }
}

/// Symmetric InfoNCE with given targets (rows sum to one, symmetric).
pub(crate) fn contrast(left: Matrix, right: Matrix, scale: Matrix, targets: Matrix) -> Tensor<Engine, 1> {
    let logits = left.matmul(right.transpose()) * scale;
    let forwards = (log_softmax(logits.clone(), 1) * targets.clone()).sum_dim(1).mean();
    let backwards = (log_softmax(logits.transpose(), 1) * targets).sum_dim(1).mean();
    -(forwards + backwards).mul_scalar(0.5)
}

/// Symmetric cross-entropy of the student's affinities between two lists after the guide's.
fn mimic(
    left: Matrix,
    right: Matrix,
    scale: Matrix,
    guides: (&Matrix, &Matrix),
    sharpness: f32,
) -> Tensor<Engine, 1> {
    let own = left.matmul(right.transpose()) * scale;
    let wanted = guides.0.clone().matmul(guides.1.clone().transpose()).mul_scalar(sharpness);
    (follow(own.clone(), wanted.clone()) + follow(own.transpose(), wanted.transpose())).mul_scalar(0.5)
}

/// The same among photos, each one's affinity with itself left out.
fn mimic_among(photos: Matrix, scale: Matrix, guide: &Matrix, sharpness: f32) -> Tensor<Engine, 1> {
    let count = photos.dims()[0];
    let itself = Tensor::<Engine, 2>::eye(count, &FlexDevice).mul_scalar(-1e4);
    let own = photos.clone().matmul(photos.transpose()) * scale + itself.clone();
    let wanted = guide.clone().matmul(guide.clone().transpose()).mul_scalar(sharpness) + itself;
    follow(own, wanted)
}

fn follow(own: Matrix, wanted: Matrix) -> Tensor<Engine, 1> {
    -(softmax(wanted, 1) * log_softmax(own, 1)).sum_dim(1).mean()
}

/// Divergence of the students' affinities among names from those of CLIP's vectors.
fn affinity(student: Matrix, clip: Matrix) -> Tensor<Engine, 1> {
    let among = |rows: Matrix| rows.clone().matmul(rows.transpose()).mul_scalar(AFFINITY_SHARPNESS);
    follow(among(student), among(clip))
}

pub(crate) fn shared_words(groups: &[u64], smoothing: f32) -> Matrix {
    let count = groups.len();
    let mut targets = Vec::with_capacity(count * count);
    for group in groups {
        let shared = groups.iter().filter(|other| *other == group).count() as f32;
        let hit = (1.0 - smoothing) / shared;
        let spread = smoothing / count as f32;
        targets.extend(groups.iter().map(|other| if other == group { hit + spread } else { spread }));
    }
    matrix(targets, count, count)
}

pub(crate) fn unit(rows: Matrix) -> Matrix {
    let norm = rows.clone().powi_scalar(2).sum_dim(1).add_scalar(1e-12).sqrt();
    rows / norm
}

pub(crate) fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> Matrix {
    Tensor::from_data(TensorData::new(values, [rows, columns]), &FlexDevice)
}

pub(crate) fn numbers<const D: usize>(tensor: Tensor<Flex, D>) -> Result<Vec<f32>, TrainError> {
    tensor.into_data().to_vec().map_err(|error| TrainError::Engine(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::parameters::Layout;
    use crate::compact::text::TextShape;

    fn noise(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    #[test]
    fn the_lean_text_tower_is_the_trained_one() {
        let tower = TextTower::new(TextShape { vocabulary: 30, width: 8, layers: 2, dim: 6 });
        let weights = noise(tower.layout().len());
        let sentences = vec![vec![1, 2, 3, 4, 5], vec![7], vec![29, 0, 11], Vec::new()];
        let mut leaves = Leaves { values: &weights, start: 0, found: Vec::new() };
        let trained = TextTensors::new(&tower, &mut leaves).embed(&sentences);
        let trained = numbers(trained.inner()).unwrap();
        for (sentence, trained) in sentences.iter().zip(trained.chunks(6)) {
            let lean = tower.embed(&weights, sentence).unwrap();
            for (a, b) in lean.iter().zip(trained) {
                assert!((a - b).abs() < 1e-5, "{sentence:?}: {a} and {b}");
            }
        }
        assert!(tower.embed(&weights, &[30]).is_none(), "a token beyond the table");
    }

    #[test]
    fn the_lean_head_is_the_trained_one() {
        let mut layout = Layout::default();
        let head = Head::push(&mut layout, 9, 5, 6);
        let mut weights = noise(layout.len());
        let features = Rows { values: noise(27), width: 9 };
        let mut leaves = Leaves { values: &weights, start: 0, found: Vec::new() };
        let standard = Standard::of(&features.values, features.width);
        let trained = HeadTensors::new(&head, &standard, &mut leaves).project(features.tensor());
        let trained = numbers(trained.inner()).unwrap();
        standard.fold(&head, &mut weights);
        let lean: Vec<f32> = head.project(&weights, &features.values).concat();
        for (a, b) in lean.iter().zip(trained) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
    }

    #[test]
    fn mimicry_is_least_where_the_guide_is_met() {
        let rows = |seed: usize| {
            let values: Vec<f32> =
                (0..40).map(|i| ((i * 7919 + seed * 31 + 13) % 1009) as f32 / 1009.0 - 0.5).collect();
            unit(matrix(values, 8, 5))
        };
        let scale = || matrix(vec![10.0], 1, 1);
        let loss = |left: Matrix, right: Matrix| {
            let met = mimic(left.clone(), right, scale(), (&rows(1), &rows(2)), 10.0)
                + mimic_among(left, scale(), &rows(1), 10.0);
            numbers(met.inner()).unwrap()[0]
        };
        let met = loss(rows(1), rows(2));
        assert!(met + 0.1 < loss(rows(1), rows(3)) && met + 0.1 < loss(rows(4), rows(2)));
    }

    #[test]
    fn words_shared_by_two_photos_are_right_for_both() {
        let targets = numbers(shared_words(&[4, 9, 4], 0.0).inner()).unwrap();
        assert_eq!(targets, [0.5, 0.0, 0.5, 0.0, 1.0, 0.0, 0.5, 0.0, 0.5]);
    }
}
