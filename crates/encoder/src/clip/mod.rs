//! Engine `rten`: CLIP-family pairs of ONNX files, one for the image tower and one for the text tower, as the
//! common model zoos export them.
//!
//! Names of inputs and outputs differ between exporters, so they are recognised; what is not recognised is an
//! error that lists what the file has. Nothing is guessed at run time and no weight is ever made up.

mod graph;

use std::sync::OnceLock;

use rten_tensor::Tensor;

use crate::encoder::get_or_try_init;
use crate::pack::TextSpec;
use crate::{EncoderError, Pack, PackError, Prepared, Tokenizer, Towers};
use graph::{Output, TowerGraph};

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
    /// Where pooling happens when the graph leaves it to us.
    end_of_text: u32,
    /// Fills a sequence up to the context length.
    filler: u32,
}

impl RtenTowers {
    /// Takes note of the pack; loads nothing yet.
    pub fn open(pack: &Pack) -> Self {
        Self { pack: pack.clone(), image: OnceLock::new(), text: OnceLock::new() }
    }

    fn image_tower(&self) -> Result<&TowerGraph, PackError> {
        get_or_try_init(&self.image, || TowerGraph::image(&self.pack))
    }

    fn text_tower(&self) -> Result<&TextTower, EncoderError> {
        get_or_try_init(&self.text, || {
            let tokenizer = Tokenizer::open(&self.pack)?;
            let graph = TowerGraph::text(&self.pack)?;
            let spec = &self.pack.manifest().text;
            let (start, end_of_text) = (tokenizer.start(), tokenizer.end());
            let filler = if spec.pad == end_of_text { other_filler(&graph, spec, start)? } else { spec.pad };
            Ok(TextTower { graph, end_of_text, filler })
        })
    }
}

/// Models that pad with their end token find the first one by `ArgMax` over ties, and rten 0.27 takes the
/// *last* of equals where ONNX says the first (`select_max_index` uses `Iterator::max_by`). A causal tower
/// does not see what follows the end, so any other token may fill its place. Whether the tower is causal is
/// tried out; if it is not, the model is refused, because its vectors would be wrong.
fn other_filler(graph: &TowerGraph, spec: &TextSpec, start: u32) -> Result<u32, EncoderError> {
    let end = spec.pad;
    let fillers: Vec<u32> = (0..).filter(|&token| token != end && token != start).take(2).collect();
    let mut vectors = Vec::new();
    for &filler in &fillers {
        let sentence = vec![start, end];
        let (ids, mask) = pad(std::slice::from_ref(&sentence), spec, filler)?;
        let output = graph.run_text(1, spec.context_length, ids, mask)?;
        vectors.extend(pooled(output, &[sentence], end)?);
    }
    let differ = |a: f32, b: f32| (a - b).abs() > 1e-3 * (1.0 + a.abs());
    match (fillers.as_slice(), vectors.as_slice()) {
        ([filler, _], [one, other]) if !one.iter().zip(other).any(|(a, b)| differ(*a, *b)) => Ok(*filler),
        _ => Err(PackError::Field {
            field: "text.pad".into(),
            problem: format!(
                "is the end token {end}, but this text tower is not causal: its pooling would go astray"
            ),
        }
        .into()),
    }
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
            let (ids, mask) = pad(batch, spec, tower.filler)?;
            let output = tower.graph.run_text(batch.len(), spec.context_length, ids, mask)?;
            vectors.extend(pooled(output, batch, tower.end_of_text)?);
        }
        Ok(vectors)
    }
}

/// Fills every sentence up to the context length (exports keep a positional table of that length), and marks
/// the real tokens.
fn pad(sentences: &[Vec<u32>], spec: &TextSpec, filler: u32) -> Result<(Vec<i32>, Vec<i32>), EncoderError> {
    let length = spec.context_length;
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
fn pooled(output: Output, sentences: &[Vec<u32>], end_of_text: u32) -> Result<Vec<Vec<f32>>, EncoderError> {
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
    end_of_text: u32,
) -> Result<Vec<f32>, EncoderError> {
    let position = sentence.iter().position(|&id| id == end_of_text);
    position.and_then(|position| tokens.into_iter().nth(position)).ok_or_else(|| EncoderError::Input {
        what: "a token sequence",
        got: "without an end-of-text token".into(),
        expected: format!("one that holds token {end_of_text}"),
    })
}
