//! Engine `rten`: CLIP-family pairs of ONNX files, one for the image tower and one for the text tower, as the
//! common model zoos export them.
//!
//! Names of inputs and outputs differ between exporters, so they are recognised; what is not recognised is an
//! error that lists what the file has. Nothing is guessed at run time and no weight is ever made up.

mod graph;

use std::sync::{Arc, OnceLock};

use rten::ThreadPool;
use rten_tensor::Tensor;

use crate::encoder::get_or_try_init;
use crate::pack::{Padding, Pooling, TextSpec};
use crate::{EncoderError, Pack, PackError, Prepared, Towers, Vocabulary};
use graph::{Output, TowerGraph};

pub(crate) use graph::{external_file, preferred_output};

/// Most inputs that run at once: enough to fill the cores, little enough to bound memory.
const BATCH: usize = 16;

/// The two towers of an ONNX pair, each loaded on its first use.
pub struct RtenTowers {
    pack: Pack,
    image: OnceLock<TowerGraph>,
    text: OnceLock<TextTower>,
}

struct TextTower {
    graph: TowerGraph,
    /// Where pooling happens when the graph leaves it to us; `None` where no token decides it.
    end_of_text: Option<u32>,
    /// Fills a sequence up to the context length.
    filler: u32,
}

impl RtenTowers {
    /// Takes note of the pack; loads nothing yet.
    pub fn open(pack: &Pack) -> Self {
        Self { pack: pack.clone(), image: OnceLock::new(), text: OnceLock::new() }
    }

    fn image_tower(&self) -> Result<&TowerGraph, PackError> {
        get_or_try_init(&self.image, || TowerGraph::image(&self.pack, threads()))
    }

    fn text_tower(&self) -> Result<&TextTower, EncoderError> {
        get_or_try_init(&self.text, || {
            let graph = TowerGraph::text(&self.pack, threads())?;
            let spec = &self.pack.manifest().text;
            if spec.pooling == Pooling::Fixed {
                return Ok(TextTower { graph, end_of_text: None, filler: spec.pad });
            }
            let vocabulary = Vocabulary::open(&self.pack)?;
            let end = vocabulary.end().ok_or_else(|| PackError::Field {
                field: "text.pooling".into(),
                problem: "is first-end, but the vocabulary has no end token".into(),
            })?;
            let sentence = vocabulary.encode("a", spec.context_length);
            let filler = if spec.pad == end { other_filler(&graph, spec, &sentence)? } else { spec.pad };
            Ok(TextTower { graph, end_of_text: Some(end), filler })
        })
    }
}

/// As many threads as the caller's pool has; `rten` on its own takes one per physical core, which on a virtual
/// machine may be half of what it has.
fn threads() -> Arc<ThreadPool> {
    Arc::new(ThreadPool::with_num_threads(rayon::current_num_threads()))
}

/// Models that pad with their end token find the first one by `ArgMax` over ties, and rten 0.27 takes the
/// *last* of equals where ONNX says the first (`select_max_index` uses `Iterator::max_by`). A causal tower
/// does not see what follows the end, so any other token may fill its place. Whether the tower is causal is
/// tried out; if it is not, the model is refused, because its vectors would be wrong.
fn other_filler(graph: &TowerGraph, spec: &TextSpec, sentence: &[u32]) -> Result<u32, EncoderError> {
    let end = spec.pad;
    let fillers: Vec<u32> =
        (0..).filter(|token| *token != end && !sentence.contains(token)).take(2).collect();
    let mut vectors = Vec::new();
    for &filler in &fillers {
        let sentence = sentence.to_vec();
        let (ids, mask) = pad(std::slice::from_ref(&sentence), spec.context_length, filler)?;
        let output = graph.run_text(1, spec.context_length, ids, mask)?;
        vectors.extend(pooled(output, &[sentence], Some(end))?);
    }
    match (fillers.as_slice(), vectors.as_slice()) {
        ([filler, _], [one, other]) if alike(one, other) => Ok(*filler),
        _ => Err(PackError::Field {
            field: "text.pad".into(),
            problem: format!(
                "is the end token {end}, but this text tower is not causal: its pooling would go astray"
            ),
        }
        .into()),
    }
}

/// Whether two vectors are the same but for rounding.
pub(crate) fn alike(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && !one.iter().zip(other).any(|(a, b)| (a - b).abs() > 1e-3 * (1.0 + a.abs()))
}

impl Towers for RtenTowers {
    fn image(&self, images: &[Prepared]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let tower = self.image_tower()?;
        let [width, height] = self.pack.manifest().image.size.map(|side| side as usize);
        for image in images {
            if image.shape() != [3, height, width] {
                return Err(EncoderError::Input {
                    what: "the shape of a prepared image",
                    got: format!("{:?}", image.shape()),
                    expected: format!("{:?}", [3, height, width]),
                });
            }
        }
        let mut vectors = Vec::with_capacity(images.len());
        for batch in images.chunks(tower.batch(BATCH)) {
            let pixels: Vec<f32> = batch.iter().flat_map(Prepared::values).copied().collect();
            let pixels = Tensor::from_data(&[batch.len(), 3, height, width], pixels);
            match tower.run_image(pixels)? {
                Output::Pooled(pooled) => vectors.extend(pooled),
                Output::PerToken { .. } => return Err(tower.not_pooled().into()),
            }
        }
        Ok(vectors)
    }

    fn text(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let tower = self.text_tower()?;
        let spec = &self.pack.manifest().text;
        let mut vectors = Vec::with_capacity(sentences.len());
        for batch in sentences.chunks(tower.graph.batch(BATCH)) {
            let longest = batch.iter().map(Vec::len).max().unwrap_or(0).min(spec.context_length);
            let length = if spec.padding == Padding::Longest { longest } else { spec.context_length };
            let (ids, mask) = pad(batch, length, tower.filler)?;
            let output = tower.graph.run_text(batch.len(), length, ids, mask)?;
            vectors.extend(pooled(output, batch, tower.end_of_text)?);
        }
        Ok(vectors)
    }
}

/// Fills every sentence up to `length`, and marks the real tokens.
fn pad(sentences: &[Vec<u32>], length: usize, filler: u32) -> Result<(Vec<i32>, Vec<i32>), EncoderError> {
    let mut ids = Vec::with_capacity(sentences.len() * length);
    let mut mask = Vec::with_capacity(sentences.len() * length);
    for sentence in sentences {
        if sentence.len() > length {
            return Err(EncoderError::Input {
                what: "the length of a token sequence",
                got: sentence.len().to_string(),
                expected: format!("at most {length}"),
            });
        }
        let filling = length - sentence.len();
        ids.extend(sentence.iter().map(|&id| id as i32));
        ids.extend(std::iter::repeat_n(filler as i32, filling));
        mask.extend(std::iter::repeat_n(1, sentence.len()));
        mask.extend(std::iter::repeat_n(0, filling));
    }
    Ok((ids, mask))
}

/// One vector per sentence: the graph's own pooling, or CLIP's.
fn pooled(
    output: Output,
    sentences: &[Vec<u32>],
    end_of_text: Option<u32>,
) -> Result<Vec<Vec<f32>>, EncoderError> {
    match output {
        Output::Pooled(vectors) => Ok(vectors),
        Output::PerToken { tokens } => {
            let rows = sentences.iter().zip(tokens);
            rows.map(|(sentence, tokens)| first_end_of_text(sentence, tokens, end_of_text)).collect()
        }
    }
}

/// CLIP's pooling: the vector at the *first* end-of-text token. Padding may use the same token, so the last
/// one, or any arg-max over ids, would be wrong in general.
fn first_end_of_text(
    sentence: &[u32],
    tokens: Vec<Vec<f32>>,
    end_of_text: Option<u32>,
) -> Result<Vec<f32>, EncoderError> {
    let position = sentence.iter().position(|&id| Some(id) == end_of_text);
    position.and_then(|position| tokens.into_iter().nth(position)).ok_or_else(|| EncoderError::Input {
        what: "a token sequence",
        got: "without an end-of-text token".into(),
        expected: "one that holds the end token".into(),
    })
}
