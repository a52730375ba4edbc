//! The teacher: MobileNetV2's weights in our layout, its opinion of each photo, and its classes as features.
#![expect(clippy::indexing_slicing, reason = "shapes are checked when the teacher is read")]

use std::path::Path;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use safetensors::SafeTensors;

use super::TrainError;
use super::objective::Rows;
use crate::PackError;
use crate::compact::kernels::product;
use crate::compact::trunk::{Architecture, Trunk};
use crate::pack::sha256_hex;

/// The teacher's trunk and classifier.
pub(crate) struct Teacher {
    pub trunk: Trunk,
    /// In the trunk's layout.
    pub weights: Vec<f32>,
    /// `features x classes`, the background class left out.
    pub classifier: Vec<f32>,
    pub classifier_bias: Vec<f32>,
    pub classes: usize,
    /// SHA-256 of its file.
    pub digest: String,
}

impl Teacher {
    /// Reads `mobilenet_v2/model.safetensors` below `models`.
    pub(crate) fn read(models: &Path, architecture: &Architecture) -> Result<Self, TrainError> {
        const FILE: &str = "model.safetensors";
        let path = models.join("mobilenet_v2").join(FILE);
        let bytes = std::fs::read(&path).map_err(|source| TrainError::Io { path, source })?;
        let archive = SafeTensors::deserialize(&bytes)
            .map_err(|error| PackError::Weights { file: FILE.into(), reason: error.to_string() })?;
        let tensor = |name: &str| -> Result<Vec<f32>, TrainError> {
            let view = archive.tensor(name).map_err(|_| missing(FILE, name))?;
            let numbers = view.data().chunks_exact(4).filter_map(|bytes| bytes.try_into().ok());
            Ok(numbers.map(f32::from_le_bytes).collect())
        };
        let trunk = Trunk::new(architecture);
        let mut weights = vec![0.0; trunk.layout().len()];
        for spec in trunk.layout().tensors() {
            let name = teacher_name(&spec.name);
            let values = tensor(&name)?;
            if values.len() != spec.len() {
                return Err(missing(FILE, &name));
            }
            let bias_or_depthwise = spec.shape.len() == 1 || spec.name.contains(".depthwise.");
            let outputs = if bias_or_depthwise { 1 } else { spec.shape.last().copied().unwrap_or(1) };
            weights[spec.range()].copy_from_slice(&outputs_last(&values, outputs));
        }
        let rows = tensor("top.Conv2d_1x1_output.weight")?;
        let features = trunk.features();
        let bias = tensor("top.Conv2d_1x1_output.bias")?;
        if bias.len() < 2 || rows.len() != bias.len() * features {
            return Err(missing(FILE, "top.Conv2d_1x1_output.weight"));
        }
        let classifier_bias = bias[1..].to_vec();
        let classes = classifier_bias.len();
        let classifier = outputs_last(&rows[features..], classes);
        let digest = sha256_hex(&bytes);
        Ok(Self { trunk, weights, classifier, classifier_bias, classes, digest })
    }

    /// Logits of features, `rows x classes`.
    pub(crate) fn logits(&self, features: &[f32]) -> Vec<f32> {
        let width = self.trunk.features();
        let rows = features.len() / width;
        let mut logits = self.classifier_bias.repeat(rows);
        product(features, &self.classifier, Accum::Add, 1.0, rows, &mut logits);
        logits
    }

    /// The classifier over some of the features.
    pub(crate) fn classifier_of(&self, kept: &[usize]) -> Rows {
        let row = |&feature: &usize| &self.classifier[feature * self.classes..][..self.classes];
        Rows { values: kept.iter().flat_map(row).copied().collect(), width: self.classes }
    }
}

/// Each teacher class as the features that its photos would have on average.
///
/// A softmax classifier over classes that share a covariance Σ has rows w_c = Σ⁻¹(μ_c - μ) up to a common vector
/// (Fisher's discriminant), so μ_c = μ + Σ(w_c - w̄) = μ + mean of (x - μ)(s_c(x) - s̄(x)), s being the teacher's
/// logits. So x need not be the teacher's own features: any network's view of the same photos will do.
///
/// `features` and `logits` have a row per photo, in the same order.
pub(crate) fn prototypes(features: &Rows, logits: &Rows) -> Rows {
    let (rows, width, classes) = (features.count(), features.width, logits.width);
    let centred = less_mean(features);
    // Per photo, against the average class; then against the average photo.
    let mut scores = logits.clone();
    for row in scores.values.chunks_exact_mut(classes) {
        let average = row.iter().sum::<f32>() / classes as f32;
        for value in row {
            *value -= average;
        }
    }
    let scores = less_mean(&scores);
    let mut values = mean_of(features).repeat(classes);
    matmul(
        MatMut::from_row_major_slice_mut(&mut values, classes, width),
        Accum::Add,
        MatRef::from_row_major_slice(&scores.values, rows, classes).transpose(),
        MatRef::from_row_major_slice(&centred.values, rows, width),
        1.0 / rows.max(1) as f32,
        Par::Seq,
    );
    for value in &mut values {
        *value = value.max(0.0);
    }
    Rows { values, width }
}

fn mean_of(rows: &Rows) -> Vec<f32> {
    let mut mean = vec![0.0_f32; rows.width];
    for row in rows.values.chunks_exact(rows.width) {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += value / rows.count() as f32;
        }
    }
    mean
}

fn less_mean(rows: &Rows) -> Rows {
    let mean = mean_of(rows);
    let mut rows = rows.clone();
    for row in rows.values.chunks_exact_mut(rows.width) {
        for (value, mean) in row.iter_mut().zip(&mean) {
            *value -= mean;
        }
    }
    rows
}

/// `trunk.block_03.expand.weight` is the teacher's `expanded_conv_3.expand.weight`.
fn teacher_name(ours: &str) -> String {
    let ours = ours.trim_start_matches("trunk.");
    match ours.strip_prefix("block_") {
        Some(block) => {
            let (number, rest) = block.split_once('.').unwrap_or((block, ""));
            format!("expanded_conv_{}.{rest}", number.trim_start_matches('0'))
        }
        None => ours.replace("stem", "Conv2d_0_0").replace("last", "Conv2d_18_1"),
    }
}

/// Output-major to output-last: the teacher stores a row per output, we store a column.
fn outputs_last(values: &[f32], outputs: usize) -> Vec<f32> {
    let inputs = values.len() / outputs;
    (0..inputs).flat_map(|input| (0..outputs).map(move |output| values[output * inputs + input])).collect()
}

fn missing(file: &str, tensor: &str) -> TrainError {
    PackError::Tensor { file: file.into(), tensor: tensor.into(), problem: "is missing or misshapen".into() }
        .into()
}
