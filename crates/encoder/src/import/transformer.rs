//! Hugging Face's CLIP (`model.safetensors` + `config.json`) as a pair of ONNX graphs.
//!
//! The weights are converted once, when the model is added, and then run by the same engine as every other pair:
//! less code than a forward pass of our own, one place where speed is worked on, and one form of pack to check,
//! pin and measure. The graph is written for that engine: the scale of attention is folded into the query's
//! weights, the three projections are one product, and the text tower takes sentences of any length.
//!
//! ```text
//! image   patches -> [class; patches] + positions -> LN -> blocks -> first -> LN -> projection
//! text    tokens + positions -> blocks, causal -> LN -> projection          (pooled by the engine)
//! block   x + out(softmax(q k' / sqrt(d)) v);  x + fc2(act(fc1(LN x)))
//! ```

use rten_onnx::onnx::DataType;

use super::config::{Activation, ClipConfig, TowerConfig};
use super::graph::{Attribute, GraphWriter, Name};
use super::tensors::Tensors;
use crate::PackError;

/// The two files of a tower: graph and weights.
pub(super) type TowerFiles = (Vec<u8>, Vec<u8>);

/// Writes the image tower; `weights_file` is the name that its weights will have.
pub(super) fn image_tower(
    tensors: &Tensors<'_>,
    config: &ClipConfig,
    weights_file: &str,
) -> Result<TowerFiles, PackError> {
    let tower = &config.vision;
    let (width, side, patch) = (tower.hidden_size, config.vision.image_size, config.vision.patch_size);
    let across = side / patch;
    let mut build = Builder { graph: GraphWriter::new(weights_file), tensors };
    let pixels =
        build.graph.input("pixel_values", DataType::FLOAT, &[Err("batch"), Ok(3), Ok(side), Ok(side)]);

    let patches =
        build.weight("vision_model.embeddings.patch_embedding.weight", &[width, 3, patch, patch])?;
    let sides = [patch as i64, patch as i64];
    let x = build.graph.op(
        "Conv",
        &[&pixels, &patches],
        &[
            ("kernel_shape", Attribute::Ints(&sides)),
            ("strides", Attribute::Ints(&sides)),
            ("dilations", Attribute::Ints(&[1, 1])),
            ("pads", Attribute::Ints(&[0; 4])),
        ],
    );
    let flat = build.graph.integers(&[3], &[0, width as i64, (across * across) as i64]);
    let x = build.graph.op("Reshape", &[&x, &flat], &[]);
    let x = build.transpose(&x, &[0, 2, 1]);

    let class = build.weight("vision_model.embeddings.class_embedding", &[width])?;
    let class = build.repeated(&class, &x, width);
    let x = build.graph.op("Concat", &[&class, &x], &[("axis", Attribute::Int(1))]);
    let positions =
        build.weight("vision_model.embeddings.position_embedding.weight", &[across * across + 1, width])?;
    let x = build.graph.op("Add", &[&x, &positions], &[]);
    // The reference's own spelling
    let x = build.norm(&x, "vision_model.pre_layrnorm", tower)?;
    let x = build.blocks(x, "vision_model", tower, None)?;
    let zero = build.graph.integers(&[], &[0]);
    let first = build.graph.op("Gather", &[&x, &zero], &[("axis", Attribute::Int(1))]);
    let first = build.norm(&first, "vision_model.post_layernorm", tower)?;
    let projected = build.projection(&first, "visual_projection.weight", width, config.dim)?;
    build.graph.output(&projected, "image_embeds", &[Err("batch"), Ok(config.dim)]);
    build.finish(weights_file)
}

/// Writes the text tower: one projected vector per token, of which the engine takes the first end token's.
pub(super) fn text_tower(
    tensors: &Tensors<'_>,
    config: &ClipConfig,
    weights_file: &str,
) -> Result<TowerFiles, PackError> {
    let tower = &config.text;
    let width = tower.hidden_size;
    let mut build = Builder { graph: GraphWriter::new(weights_file), tensors };
    let shape = [Err("batch"), Err("sequence")];
    let ids = build.graph.input("input_ids", DataType::INT64, &shape);
    let position_ids = build.graph.input("position_ids", DataType::INT64, &shape);

    let table = build.weight("text_model.embeddings.token_embedding.weight", &[tower.vocab_size, width])?;
    let positions = build
        .weight("text_model.embeddings.position_embedding.weight", &[tower.max_position_embeddings, width])?;
    let tokens = build.graph.op("Gather", &[&table, &ids], &[("axis", Attribute::Int(0))]);
    let places = build.graph.op("Gather", &[&positions, &position_ids], &[("axis", Attribute::Int(0))]);
    let x = build.graph.op("Add", &[&tokens, &places], &[]);
    let mask = build.causal_mask(&position_ids);
    let x = build.blocks(x, "text_model", tower, Some(&mask))?;
    let x = build.norm(&x, "text_model.final_layer_norm", tower)?;
    let projected = build.projection(&x, "text_projection.weight", width, config.dim)?;
    build.graph.output(&projected, "last_hidden_state", &[Err("batch"), Err("sequence"), Ok(config.dim)]);
    build.finish(weights_file)
}

struct Builder<'a> {
    graph: GraphWriter,
    tensors: &'a Tensors<'a>,
}

impl Builder<'_> {
    fn weight(&mut self, name: &str, shape: &[usize]) -> Result<Name, PackError> {
        let values = self.tensors.read(name, shape)?;
        Ok(self.graph.weight(name, shape, &values))
    }

    fn norm(&mut self, x: &Name, prefix: &str, tower: &TowerConfig) -> Result<Name, PackError> {
        let gain = self.weight(&format!("{prefix}.weight"), &[tower.hidden_size])?;
        let bias = self.weight(&format!("{prefix}.bias"), &[tower.hidden_size])?;
        let attributes = [("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(tower.layer_norm_eps))];
        Ok(self.graph.op("LayerNormalization", &[x, &gain, &bias], &attributes))
    }

    fn transpose(&mut self, x: &Name, order: &[i64]) -> Name {
        self.graph.op("Transpose", &[x], &[("perm", Attribute::Ints(order))])
    }

    /// A linear layer without bias: the file keeps `outputs x inputs`, a product takes the other way round.
    fn projection(&mut self, x: &Name, name: &str, inputs: usize, outputs: usize) -> Result<Name, PackError> {
        let values = transposed(&self.tensors.read(name, &[outputs, inputs])?, outputs, inputs);
        let weight = self.graph.weight(name, &[inputs, outputs], &values);
        Ok(self.graph.op("MatMul", &[x, &weight], &[]))
    }

    fn linear(&mut self, x: &Name, prefix: &str, inputs: usize, outputs: usize) -> Result<Name, PackError> {
        let product = self.projection(x, &format!("{prefix}.weight"), inputs, outputs)?;
        let bias = self.weight(&format!("{prefix}.bias"), &[outputs])?;
        Ok(self.graph.op("Add", &[&product, &bias], &[]))
    }

    /// The class token, once for each image of the batch of `like`.
    fn repeated(&mut self, class: &Name, like: &Name, width: usize) -> Name {
        let shape = self.graph.op("Shape", &[like], &[]);
        let (from, to) = (self.graph.integers(&[1], &[0]), self.graph.integers(&[1], &[1]));
        let batch = self.graph.op("Slice", &[&shape, &from, &to], &[]);
        let rest = self.graph.integers(&[2], &[1, width as i64]);
        let shape = self.graph.op("Concat", &[&batch, &rest], &[("axis", Attribute::Int(0))]);
        self.graph.op("Expand", &[class, &shape], &[])
    }

    /// Shape batch x 1 x places x places: 0 where a place may be looked at, very little where it lies ahead.
    fn causal_mask(&mut self, position_ids: &Name) -> Name {
        let (one, two) = (self.graph.integers(&[1], &[1]), self.graph.integers(&[1], &[2]));
        let keys = self.graph.op("Unsqueeze", &[position_ids, &one], &[]);
        let queries = self.graph.op("Unsqueeze", &[position_ids, &two], &[]);
        let ahead = self.graph.op("Greater", &[&keys, &queries], &[]);
        let (hidden, shown) = (self.graph.number(-1e9), self.graph.number(0.0));
        let mask = self.graph.op("Where", &[&ahead, &hidden, &shown], &[]);
        self.graph.op("Unsqueeze", &[&mask, &one], &[])
    }

    fn blocks(
        &mut self,
        mut x: Name,
        model: &str,
        tower: &TowerConfig,
        mask: Option<&Name>,
    ) -> Result<Name, PackError> {
        for layer in 0..tower.num_hidden_layers {
            let prefix = format!("{model}.encoder.layers.{layer}");
            let normed = self.norm(&x, &format!("{prefix}.layer_norm1"), tower)?;
            let mixed = self.attention(&normed, &format!("{prefix}.self_attn"), tower, mask)?;
            x = self.graph.op("Add", &[&x, &mixed], &[]);
            let normed = self.norm(&x, &format!("{prefix}.layer_norm2"), tower)?;
            let inner = (tower.hidden_size, tower.intermediate_size);
            let hidden = self.linear(&normed, &format!("{prefix}.mlp.fc1"), inner.0, inner.1)?;
            let hidden = self.activation(&hidden, tower.hidden_act);
            let out = self.linear(&hidden, &format!("{prefix}.mlp.fc2"), inner.1, inner.0)?;
            x = self.graph.op("Add", &[&x, &out], &[]);
        }
        Ok(x)
    }

    fn attention(
        &mut self,
        x: &Name,
        prefix: &str,
        tower: &TowerConfig,
        mask: Option<&Name>,
    ) -> Result<Name, PackError> {
        let (width, heads) = (tower.hidden_size, tower.num_attention_heads);
        let [q, k, v] = self.projections(x, prefix, width, heads)?;
        let split = self.graph.integers(&[4], &[0, 0, heads as i64, (width / heads) as i64]);
        let mut by_head = |name: &Name, order: &[i64]| {
            let name = self.graph.op("Reshape", &[name, &split], &[]);
            self.transpose(&name, order)
        };
        let q = by_head(&q, &[0, 2, 1, 3]);
        let k = by_head(&k, &[0, 2, 3, 1]);
        let v = by_head(&v, &[0, 2, 1, 3]);
        let mut scores = self.graph.op("MatMul", &[&q, &k], &[]);
        if let Some(mask) = mask {
            scores = self.graph.op("Add", &[&scores, mask], &[]);
        }
        let weights = self.graph.op("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let mixed = self.graph.op("MatMul", &[&weights, &v], &[]);
        let mixed = self.transpose(&mixed, &[0, 2, 1, 3]);
        let joined = self.graph.integers(&[3], &[0, 0, width as i64]);
        let mixed = self.graph.op("Reshape", &[&mixed, &joined], &[]);
        self.linear(&mixed, &format!("{prefix}.out_proj"), width, width)
    }

    /// Queries, keys and values by one product; queries come out divided by the root of a head's width.
    fn projections(
        &mut self,
        x: &Name,
        prefix: &str,
        width: usize,
        heads: usize,
    ) -> Result<[Name; 3], PackError> {
        let scale = 1.0 / ((width / heads) as f32).sqrt();
        let (mut rows, mut bias) = (Vec::new(), Vec::new());
        for (part, scale) in [("q", scale), ("k", 1.0), ("v", 1.0)] {
            let prefix = format!("{prefix}.{part}_proj");
            let weight = self.tensors.read(&format!("{prefix}.weight"), &[width, width])?;
            rows.extend(weight.into_iter().map(|value| value * scale));
            let part = self.tensors.read(&format!("{prefix}.bias"), &[width])?;
            bias.extend(part.into_iter().map(|value| value * scale));
        }
        let weight = transposed(&rows, 3 * width, width);
        let weight = self.graph.weight(&format!("{prefix}.qkv.weight"), &[width, 3 * width], &weight);
        let bias = self.graph.weight(&format!("{prefix}.qkv.bias"), &[3 * width], &bias);
        let product = self.graph.op("MatMul", &[x, &weight], &[]);
        let all = self.graph.op("Add", &[&product, &bias], &[]);
        Ok(self.graph.split3(&all, -1, width))
    }

    fn activation(&mut self, x: &Name, kind: Activation) -> Name {
        match kind {
            Activation::QuickGelu => {
                let slope = self.graph.number(1.702);
                let scaled = self.graph.op("Mul", &[x, &slope], &[]);
                let gate = self.graph.op("Sigmoid", &[&scaled], &[]);
                self.graph.op("Mul", &[x, &gate], &[])
            }
            Activation::Gelu => self.graph.op("Gelu", &[x], &[("approximate", Attribute::Text("none"))]),
            Activation::GeluTanh => self.graph.op("Gelu", &[x], &[("approximate", Attribute::Text("tanh"))]),
        }
    }

    fn finish(self, file: &str) -> Result<TowerFiles, PackError> {
        self.graph.finish().map_err(|reason| PackError::Weights { file: file.into(), reason })
    }
}

/// `rows x columns` values, columns first.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let column = |at: usize| values.iter().skip(at).step_by(columns).take(rows);
    (0..columns).flat_map(column).copied().collect()
}
