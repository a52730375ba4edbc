//! One ONNX graph: which of its inputs and outputs are which, and running it.

use std::sync::Arc;

use rten::{Dimension, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{Tensor, TensorView};

use crate::engine::guarded;
use crate::{EncoderError, Pack, PackError};

/// Output names that hold the pooled, projected vector, best first. `last_hidden_state` is pooled here.
const OUTPUTS: [&str; 14] = [
    "image_embeds",
    "text_embeds",
    "image_features",
    "text_features",
    "image_embedding",
    "text_embedding",
    "embeds",
    "features",
    "embedding",
    "embeddings",
    "sentence_embedding",
    "pooled_output",
    "pooler_output",
    "last_hidden_state",
];

/// One loaded tower.
pub(super) struct TowerGraph {
    model: Model,
    file: String,
    tower: &'static str,
    dim: usize,
    /// Pixels, or token ids.
    main: NodeId,
    attention_mask: Option<NodeId>,
    position_ids: Option<NodeId>,
    output: NodeId,
    output_name: String,
    /// The export allows one input at a time only.
    single: bool,
    threads: Arc<ThreadPool>,
}

/// What a tower gives for a batch.
pub(super) enum Output {
    /// One vector per input.
    Pooled(Vec<Vec<f32>>),
    /// One vector per token of each input.
    PerToken {
        /// Inputs, tokens, numbers.
        tokens: Vec<Vec<Vec<f32>>>,
    },
}

impl TowerGraph {
    /// Loads the image tower.
    pub(super) fn image(pack: &Pack, threads: Arc<ThreadPool>) -> Result<Self, PackError> {
        let [width, height] = pack.manifest().image.size.map(|side| side as usize);
        let tower = Self::load(pack, &pack.manifest().image.weights, "image", threads)?;
        if tower.model.input_ids().len() != 1 {
            return Err(tower.unrecognised_inputs("one input that takes pixels"));
        }
        tower.check_shape(tower.main, &[None, Some(3), Some(height), Some(width)])?;
        Ok(tower)
    }

    /// Loads the text tower.
    pub(super) fn text(pack: &Pack, threads: Arc<ThreadPool>) -> Result<Self, PackError> {
        let mut tower = Self::load(pack, &pack.manifest().text.weights, "text", threads)?;
        tower.recognise_text_inputs()?;
        tower.check_shape(tower.main, &[None, Some(pack.manifest().text.context_length)])?;
        Ok(tower)
    }

    fn load(
        pack: &Pack,
        files: &[String],
        tower: &'static str,
        threads: Arc<ThreadPool>,
    ) -> Result<Self, PackError> {
        let Some((file, external)) = files.split_first() else {
            return Err(PackError::Field {
                field: format!("{tower}.weights"),
                problem: "names no file".into(),
            });
        };
        let mut options = ModelOptions::with_all_ops();
        // Repacked once, at the price of about one run and the memory: without, every run repacks them, and takes
        // 1.3 to 1.4 times as long at the size of ViT-B/32.
        options.prepack_weights(true);
        for name in external {
            let bytes = pack.read(name)?.into_owned();
            options.external_data(name.strip_prefix(&external_file(tower, "")).unwrap_or(name), bytes);
        }
        let bytes = pack.read(file)?.into_owned();
        let model = guarded(|| options.load(bytes))
            .map_err(|reason| PackError::Weights { file: file.clone(), reason })?;
        let dim = pack.manifest().dim;
        let Some(&main) = model.input_ids().first() else {
            return Err(PackError::Tensor {
                file: file.clone(),
                tensor: "input".into(),
                problem: "is missing".into(),
            });
        };
        let (output, output_name) = find_output(&model, file, dim)?;
        let batch =
            model.node_info(main).and_then(|info| info.shape()).and_then(|shape| shape.into_iter().next());
        let single = match batch {
            Some(Dimension::Fixed(1)) => true,
            Some(Dimension::Fixed(other)) => {
                return Err(PackError::Tensor {
                    file: file.clone(),
                    tensor: name_of(&model, main),
                    problem: format!("takes batches of exactly {other}, expected 1 or any number"),
                });
            }
            Some(Dimension::Symbolic(_)) | None => false,
        };
        let file = file.clone();
        Ok(Self {
            model,
            file,
            tower,
            dim,
            main,
            attention_mask: None,
            position_ids: None,
            output,
            output_name,
            single,
            threads,
        })
    }

    fn recognise_text_inputs(&mut self) -> Result<(), PackError> {
        let mut main = None;
        for &id in self.model.input_ids() {
            let name = name_of(&self.model, id);
            if name.contains("mask") {
                self.attention_mask = Some(id);
            } else if name.contains("position") {
                self.position_ids = Some(id);
            } else if main.is_none() {
                main = Some(id);
            } else {
                return Err(self.unrecognised_inputs("token ids, an attention mask, position ids"));
            }
        }
        self.main = main.ok_or_else(|| self.unrecognised_inputs("token ids"))?;
        Ok(())
    }

    /// Compares the declared shape of an input; a dimension that either side leaves open fits.
    fn check_shape(&self, id: NodeId, expected: &[Option<usize>]) -> Result<(), PackError> {
        let Some(shape) = self.model.node_info(id).and_then(|info| info.shape()) else { return Ok(()) };
        let fits = shape.len() == expected.len()
            && shape.iter().zip(expected).all(|(declared, expected)| match (declared, expected) {
                (Dimension::Fixed(declared), Some(expected)) => declared == expected,
                _ => true,
            });
        if fits {
            return Ok(());
        }
        let expected: Vec<_> =
            expected.iter().map(|size| size.map_or("any".into(), |size| size.to_string())).collect();
        Err(PackError::Tensor {
            file: self.file.clone(),
            tensor: name_of(&self.model, id),
            problem: format!("has shape {}, model.toml expects [{}]", describe(&shape), expected.join(", ")),
        })
    }

    /// How many inputs to run at once, at most `most`.
    pub(super) fn batch(&self, most: usize) -> usize {
        if self.single { 1 } else { most }
    }

    /// Runs the image tower on pixels of shape batch x 3 x height x width.
    pub(super) fn run_image(&self, pixels: Tensor<f32>) -> Result<Output, EncoderError> {
        self.run(vec![(self.main, pixels.into())])
    }

    /// Runs the text tower on `batch` x `length` ids, and the mask of real tokens where the graph takes one.
    pub(super) fn run_text(
        &self,
        batch: usize,
        length: usize,
        ids: Vec<i32>,
        mask: Vec<i32>,
    ) -> Result<Output, EncoderError> {
        let shape = [batch, length];
        let mut inputs: Vec<(NodeId, ValueOrView)> = vec![(self.main, Tensor::from_data(&shape, ids).into())];
        if let Some(id) = self.attention_mask {
            inputs.push((id, Tensor::from_data(&shape, mask).into()));
        }
        if let Some(id) = self.position_ids {
            let positions: Vec<i32> = (0..batch).flat_map(|_| 0..length as i32).collect();
            inputs.push((id, Tensor::from_data(&shape, positions).into()));
        }
        self.run(inputs)
    }

    fn run(&self, inputs: Vec<(NodeId, ValueOrView)>) -> Result<Output, EncoderError> {
        let failed = |reason: String| EncoderError::Engine { tower: self.tower, reason };
        let outputs = guarded(|| self.model.run(inputs, &[self.output], Some(self.options())));
        let value = outputs.map_err(failed)?.into_iter().next();
        let value = value.ok_or_else(|| failed("no output came out".into()))?;
        self.read(&value)
    }

    fn options(&self) -> RunOptions {
        let mut options = RunOptions::default();
        options.thread_pool = Some(self.threads.clone());
        options
    }

    fn read(&self, value: &Value) -> Result<Output, EncoderError> {
        let wrong = |problem: String| {
            EncoderError::Pack(PackError::Tensor {
                file: self.file.clone(),
                tensor: self.output_name.clone(),
                problem,
            })
        };
        let tensor: TensorView<'_, f32> =
            value.as_tensor_view().ok_or_else(|| wrong(format!("is {}, expected f32", value.dtype())))?;
        let shape = tensor.shape().to_vec();
        if shape.last() != Some(&self.dim) {
            return Err(wrong(format!("has shape {shape:?}, expected {} numbers last", self.dim)));
        }
        let values = tensor.to_vec();
        let rows = || values.chunks_exact(self.dim).map(<[f32]>::to_vec);
        match shape.as_slice() {
            [_, _] => Ok(Output::Pooled(rows().collect())),
            [batch, length, _] => {
                let mut rows = rows();
                let tokens = (0..*batch).map(|_| rows.by_ref().take(*length).collect()).collect();
                Ok(Output::PerToken { tokens })
            }
            _ => Err(wrong(format!("has shape {shape:?}, expected batch x {}", self.dim))),
        }
    }

    /// The error for an image tower that leaves pooling to its caller: which pooling is a guess.
    pub(super) fn not_pooled(&self) -> PackError {
        PackError::Tensor {
            file: self.file.clone(),
            tensor: self.output_name.clone(),
            problem: "has one vector per patch, expected one pooled vector per image".into(),
        }
    }

    fn unrecognised_inputs(&self, expected: &str) -> PackError {
        let names: Vec<_> = self.model.input_ids().iter().map(|&id| name_of(&self.model, id)).collect();
        PackError::Tensor {
            file: self.file.clone(),
            tensor: names.join(", "),
            problem: format!("is not what a {} tower takes: {expected}", self.tower),
        }
    }
}

/// The name in a pack of a file with weights that the graph of `tower` calls `location`: both towers may call
/// theirs the same.
pub(crate) fn external_file(tower: &str, location: &str) -> String {
    format!("{tower}--{location}")
}

/// The place among `names` of the output with the pooled vector: a known name, or the only one.
pub(crate) fn preferred_output<'a>(names: impl Iterator<Item = &'a str>) -> Option<usize> {
    let names: Vec<&str> = names.collect();
    let known = OUTPUTS.iter().find_map(|known| names.iter().position(|name| name == known));
    known.or_else(|| (names.len() == 1).then_some(0))
}

/// The output with the pooled vector: by name, or the only one there is.
fn find_output(model: &Model, file: &str, dim: usize) -> Result<(NodeId, String), PackError> {
    let outputs: Vec<_> = model.output_ids().iter().map(|&id| (id, name_of(model, id))).collect();
    let known = OUTPUTS.iter().find_map(|known| outputs.iter().find(|(_, name)| name == known));
    let (id, name) = match (known, outputs.as_slice()) {
        (Some(output), _) | (None, [output]) => output.clone(),
        _ => {
            let names: Vec<_> = outputs.into_iter().map(|(_, name)| name).collect();
            return Err(PackError::Tensor {
                file: file.into(),
                tensor: "output".into(),
                problem: format!("is none of {OUTPUTS:?}, and there is not exactly one: {names:?}"),
            });
        }
    };
    if let Some(shape) = model.node_info(id).and_then(|info| info.shape())
        && let Some(Dimension::Fixed(last)) = shape.last()
        && *last != dim
    {
        let problem = format!("has shape {}, but model.toml says dim = {dim}", describe(&shape));
        return Err(PackError::Tensor { file: file.into(), tensor: name, problem });
    }
    Ok((id, name))
}

fn name_of(model: &Model, id: NodeId) -> String {
    model.node_info(id).and_then(|info| info.name()).unwrap_or("(unnamed)").into()
}

fn describe(shape: &[Dimension]) -> String {
    let sizes: Vec<_> = shape
        .iter()
        .map(|dimension| match dimension {
            Dimension::Fixed(size) => size.to_string(),
            Dimension::Symbolic(name) => name.clone(),
        })
        .collect();
    format!("[{}]", sizes.join(", "))
}
