//! Training a compact network: its head and text tower on the features of its frozen trunk, or all of it.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use super::Part;
use super::batches::Batch;
use super::error::LocalError;
use super::examples::{Examples, Said, Seen};
use super::objective::{self, centred};
use super::scale;
use super::task::{Slope, Task, Vectors, Written};
use crate::compact::image::Head;
use crate::compact::parameters::Layout;
use crate::compact::store;
use crate::compact::train::TrainError;
use crate::compact::train::judge::centred as centred_rows;
use crate::compact::train::objective::{HeadTensors, Leaves, Rows, TextTensors, numbers};
use crate::compact::train::standard::Standard;
use crate::compact::train::student::Student;
use crate::compact::train::tune::TrunkPass;
use crate::compact::{CompactArchitecture, interleave};
use crate::{Encoder, EncoderError, Pack, PackKind, Picture};

/// Pictures that go through the trunk together.
const SHARD: usize = 4;
/// Temperature of a model that states none.
const DEFAULT_SCALE: f32 = 1.0 / 0.07;

pub(super) struct Network {
    encoder: Encoder,
    /// The network that training began from; in the flat vector of all layers.
    student: Student,
    /// Where what trains begins in that vector: behind the trunk, or at 0.
    start: usize,
    layout: Arc<Layout>,
    /// The head within what trains.
    head: Head,
    text_start: usize,
    standard: Standard,
    /// Memory for the trunk's passes.
    pass: Mutex<TrunkPass>,
}

impl Network {
    pub(super) fn open(pack: &Pack, part: Part) -> Result<Self, LocalError> {
        let manifest = pack.manifest();
        let unfit = |reason: &str| LocalError::Unfit {
            model: manifest.name.clone(),
            part,
            reason: reason.to_owned(),
        };
        if manifest.kind != PackKind::Compact {
            return Err(unfit("its layers are an ONNX file's; it can train an adapter"));
        }
        if manifest.adapter.is_some() {
            return Err(unfit("it has an adapter on top, which can train further"));
        }
        let encoder = Encoder::from_opened(pack)?;
        let architecture = CompactArchitecture::of(manifest)?;
        let [width, _] = manifest.image.size;
        let mut student = Student::new(architecture, width as usize);
        student.fill(pack)?;
        let scale = manifest.scores.logit_scale.unwrap_or(DEFAULT_SCALE);
        if let Some(last) = student.values.last_mut() {
            *last = scale.max(1.0).ln();
        }

        let trunk = student.image.trunk().layout().len();
        let mut layout = Layout::default();
        let start = if part == Part::All { 0 } else { trunk };
        for spec in student.layout.tensors().iter().filter(|spec| spec.start >= start) {
            layout.push(spec.name.clone(), &spec.shape);
        }
        let head = student.head().moved_back(start);
        let trained = student.values.get(start..).unwrap_or_default();
        let standard = scale::of(&head, trained);
        let text_start = student.text_start() - start;
        let layout = Arc::new(layout);
        let pass = Mutex::default();
        Ok(Self { encoder, student, start, layout, head, text_start, standard, pass })
    }

    fn trains_trunk(&self) -> bool {
        self.start == 0
    }

    fn centres(&self) -> [&[f32]; 2] {
        let manifest = self.encoder.pack().manifest();
        [&manifest.image.centre, &manifest.text.centre]
    }

    /// The whole network with these weights, the head over features as they are.
    fn network(&self, values: &[f32]) -> Vec<f32> {
        let mut trained = values.to_vec();
        self.standard.fold(&self.head, &mut trained);
        let mut all = self.student.values.get(..self.start).unwrap_or_default().to_vec();
        all.append(&mut trained);
        all
    }
}

impl Task for Network {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn initial(&self) -> Vec<f32> {
        let mut values = self.student.values.get(self.start..).unwrap_or_default().to_vec();
        self.standard.unfold(&self.head, &mut values);
        values
    }

    fn reduce(&self, pairs: &[(Picture, Vec<String>)]) -> Result<Examples, EncoderError> {
        let size = self.student.size;
        let trunk = self.student.image.trunk();
        let weights = self.student.values.get(..trunk.layout().len()).unwrap_or_default();
        let look = |pairs: &[(Picture, Vec<String>)]| {
            let mut pixels = Vec::with_capacity(pairs.len() * size * size * 3);
            for (picture, _) in pairs {
                interleave(self.encoder.preprocess(picture)?.values(), &mut pixels);
            }
            if self.trains_trunk() {
                let byte = |value: &f32| ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
                let squares = pixels.chunks_exact((size * size * 3).max(1));
                return Ok(squares.map(|square| Seen::Pixels(square.iter().map(byte).collect())).collect());
            }
            let features = trunk.features_of(weights, &pixels, size, SHARD);
            let rows = features.chunks_exact(trunk.features().max(1));
            Ok(rows.map(|row| Seen::Vector(row.to_vec())).collect())
        };
        let seen: Vec<Vec<Seen>> =
            pairs.par_chunks(SHARD).map(look).collect::<Result<Vec<Vec<Seen>>, EncoderError>>()?;
        let tokenizer = self.encoder.tokenizer()?;
        let context = self.encoder.info().context_length;
        let tokens = |caption: &String| {
            let tokens = tokenizer.encode(caption, context);
            Said::Tokens(tokens.get(1..tokens.len().saturating_sub(1)).unwrap_or_default().to_vec())
        };
        let said = pairs.iter().map(|(_, said)| said.iter().map(tokens).collect()).collect();
        Ok(Examples { seen: seen.concat(), said })
    }

    fn slope(
        &self,
        values: &[f32],
        examples: &Examples,
        batch: &Batch,
        drop: &mut dyn FnMut() -> f32,
    ) -> Result<Slope, TrainError> {
        let trunk = self.student.image.trunk();
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        let mut features = if self.trains_trunk() {
            let fill = |_: usize, pictures: &[usize], pixels: &mut Vec<f32>| fill(examples, pictures, pixels);
            pass.features(trunk, values, self.student.size, &batch.pictures, fill)
        } else {
            examples.rows(&batch.pictures)
        };
        let factors: Vec<f32> = features.values.iter().map(|_| drop()).collect();
        features.values.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);

        let mut leaves = Leaves { values, start: 0, found: Vec::new() };
        let seen = features.tensor().require_grad();
        let head = HeadTensors::new(&self.head, &self.standard, &mut leaves);
        leaves.start = self.text_start;
        let text = TextTensors::new(&self.student.text, &mut leaves);
        leaves.start = 0;
        let last = values.len().saturating_sub(1);
        let scale = leaves.leaf(last..last + 1, 1, 1).exp();
        let [image_centre, text_centre] = self.centres();
        let say = |captions: &[(usize, usize)]| centred(text.embed(&examples.tokens(captions)), text_centre);
        let vectors = objective::Vectors {
            pictures: centred(head.project(seen.clone()), image_centre),
            captions: say(&batch.captions),
            others: say(&batch.others),
        };
        let loss = objective::loss(vectors, scale);
        let number = numbers(loss.clone().inner())?.first().copied().unwrap_or(f32::NAN);
        let mut gradient = vec![0.0; values.len()];
        let found = loss.backward();
        leaves.collect(&found, &mut gradient)?;
        if self.trains_trunk() {
            let mut slope = seen.grad(&found).map(numbers).transpose()?.unwrap_or_default();
            slope.iter_mut().zip(&factors).for_each(|(slope, factor)| *slope *= factor);
            pass.backward(trunk, values, &slope, &mut gradient);
        }
        Ok(Slope { loss: number, gradient })
    }

    fn vectors(
        &self,
        values: &[f32],
        examples: &Examples,
        pictures: &[usize],
        captions: &[(usize, usize)],
    ) -> (Vectors, Vectors) {
        let all = self.network(values);
        let features = if self.trains_trunk() {
            let look = |pictures: &[usize]| {
                let mut pixels = Vec::new();
                fill(examples, pictures, &mut pixels);
                self.student.image.trunk().features_of(&all, &pixels, self.student.size, SHARD)
            };
            pictures.par_chunks(SHARD).map(look).collect::<Vec<_>>().concat()
        } else {
            let Rows { values, .. } = examples.rows(pictures);
            values
        };
        let [image_centre, text_centre] = self.centres();
        let seen = self.student.head().project(&all, &features);
        let text = all.get(self.student.text_start()..).unwrap_or_default();
        let tokens = examples.tokens(captions);
        let said: Vectors = tokens
            .par_iter()
            .map(|tokens| self.student.text.embed(text, tokens).unwrap_or_default())
            .collect();
        (centred_rows(&seen, image_centre), centred_rows(&said, text_centre))
    }

    fn sharpness(&self, values: &[f32]) -> f32 {
        values.last().copied().unwrap_or_default().exp()
    }

    fn files(&self, pack: &Pack, values: &[f32]) -> Result<Written, LocalError> {
        let mut student = self.student.clone();
        student.values = self.network(values);
        let manifest = pack.manifest();
        let name = |files: &[String]| files.first().cloned().unwrap_or_default();
        let [image, text] = [name(&manifest.image.weights), name(&manifest.text.weights)];
        let tensors = |text: bool| {
            let towers = student.layout.tensors().iter().filter(|spec| !spec.name.starts_with("objective."));
            towers
                .filter(move |spec| spec.name.starts_with("text.") == text)
                .map(|spec| (spec, student.values.get(spec.range()).unwrap_or_default()))
        };
        let image_bytes = store::write_exact(&image, tensors(false))?;
        let text_bytes = store::write_exact(&text, tensors(true))?;
        Ok(Written {
            files: vec![(image, image_bytes), (text, text_bytes)],
            adapter: None,
            logit_scale: Some(self.sharpness(values).clamp(1.0, 100.0)),
        })
    }
}

/// Appends the pixels of these pictures as the trunk takes them, values in [-1, 1].
fn fill(examples: &Examples, pictures: &[usize], pixels: &mut Vec<f32>) {
    for &picture in pictures {
        pixels.extend(examples.pixels(picture).iter().map(|byte| f32::from(*byte) / 127.5 - 1.0));
    }
}
