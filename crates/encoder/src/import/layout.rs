//! Which of the files that somebody names are what.
//!
//! Zoos publish the same parts under many names and in many folders, so the towers are told apart by what their
//! graphs take, not by what the files are called. Where two files could be the same part, both are listed and
//! nothing is chosen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rten_onnx::onnx::{DataType, GraphProto, ModelProto, NodeProto};

use super::ImportError;
use super::config::Json;

/// How deep below a named folder files are looked for: `onnx/`, `visual/` and `textual/` are in use.
const DEPTH: usize = 2;
/// More files than any model has.
const MAX_FILES: usize = 500;
const MAX_JSON_BYTES: u64 = 64 << 20;
const MAX_WEIGHTS_BYTES: u64 = 8 << 30;
/// Endings of names of the same model in fewer bits, which lie beside the full one.
const REDUCED: [&str; 9] =
    ["fp16", "f16", "int8", "uint8", "quantized", "q4", "q4f16", "bnb4", "merged_quantized"];

/// The parts of a model.
pub(super) struct Layout {
    pub(super) weights: Weights,
    /// `tokenizer.json`, or `vocab.json` and `merges.txt`.
    pub(super) tokenizer: Vec<PathBuf>,
    pub(super) preprocessing: Json,
    pub(super) config: Option<Json>,
    pub(super) tokenizer_config: Option<Json>,
}

pub(super) enum Weights {
    Onnx { image: OnnxFile, text: OnnxFile },
    Safetensors(PathBuf),
}

/// An ONNX file, and what its graph says about itself.
pub(super) struct OnnxFile {
    pub(super) path: PathBuf,
    /// Files beside it that hold weights, by the name under which the graph asks for them.
    pub(super) external: Vec<String>,
    /// Declared sizes of the first input that takes pixels or tokens; `None` where any size goes.
    pub(super) input: Vec<Option<usize>>,
    /// Whether it looks for a token's place.
    pub(super) seeks: bool,
    /// Whether it gives a vector for each token and leaves pooling to its caller.
    pub(super) per_token: bool,
    /// Declared length of its vectors.
    pub(super) dim: Option<usize>,
}

/// Finds the parts among `sources`: one folder, or files.
pub(super) fn find(sources: &[PathBuf]) -> Result<Layout, ImportError> {
    let mut files = Vec::new();
    for source in sources {
        list(source, DEPTH, &mut files)?;
    }
    files.sort();
    let named = |name: &str| -> Vec<&PathBuf> {
        files.iter().filter(|path| path.file_name().is_some_and(|own| own == name)).collect()
    };
    let json = |names: &[&str]| -> Result<Option<Json>, ImportError> {
        let Some((name, found)) =
            names.iter().map(|name| (name, named(name))).find(|(_, found)| !found.is_empty())
        else {
            return Ok(None);
        };
        Ok(Some(Json::parse(name, &read(only(name, &found)?, MAX_JSON_BYTES)?)?))
    };
    let preprocessing = ["preprocessor_config.json", "preprocess_cfg.json", "open_clip_config.json"];
    let preprocessing = json(&preprocessing)?.ok_or(ImportError::Missing {
        what: "preprocessing",
        expected: "preprocessor_config.json or preprocess_cfg.json",
    })?;
    let tokenizer = match (named("tokenizer.json"), named("vocab.json"), named("merges.txt")) {
        (found, ..) if !found.is_empty() => vec![only("tokenizer.json", &found)?.clone()],
        (_, vocab, merges) if !vocab.is_empty() && !merges.is_empty() => {
            vec![only("vocab.json", &vocab)?.clone(), only("merges.txt", &merges)?.clone()]
        }
        _ => {
            let expected = "tokenizer.json, or vocab.json with merges.txt";
            return Err(ImportError::Missing { what: "vocabulary", expected });
        }
    };
    Ok(Layout {
        weights: weights(&files)?,
        tokenizer,
        preprocessing,
        config: json(&["config.json", "open_clip_config.json"])?,
        tokenizer_config: json(&["tokenizer_config.json"])?,
    })
}

fn weights(files: &[PathBuf]) -> Result<Weights, ImportError> {
    let ending = |path: &Path, ending: &str| path.extension().is_some_and(|own| own == ending);
    let onnx: Vec<&PathBuf> = files.iter().filter(|path| ending(path, "onnx")).collect();
    let full: Vec<&PathBuf> = onnx.iter().filter(|path| !is_reduced(path)).copied().collect();
    let (mut images, mut texts) = (Vec::new(), Vec::new());
    for path in if full.is_empty() { onnx } else { full } {
        match inspect(path)? {
            Some((true, file)) => images.push(file),
            Some((false, file)) => texts.push(file),
            None => {}
        }
    }
    let safetensors: Vec<&PathBuf> = files.iter().filter(|path| ending(path, "safetensors")).collect();
    let paths = |files: &[OnnxFile]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    match (images.len(), texts.len(), safetensors.as_slice()) {
        (1, 1, _) => {
            let (Some(image), Some(text)) = (images.pop(), texts.pop()) else {
                return Err(missing_weights());
            };
            Ok(Weights::Onnx { image, text })
        }
        (0, 0, [path]) => Ok(Weights::Safetensors((*path).clone())),
        (0, 0, []) => Err(missing_weights()),
        (0, 0, [_, _, ..]) => Err(ImportError::Ambiguous {
            what: "weights in one file (a model in several parts has to be joined first)".into(),
            found: safetensors.into_iter().cloned().collect(),
        }),
        (2.., ..) => Err(ImportError::Ambiguous { what: "image tower".into(), found: paths(&images) }),
        (_, 2.., _) => Err(ImportError::Ambiguous { what: "text tower".into(), found: paths(&texts) }),
        (0, ..) => {
            Err(ImportError::Missing { what: "image tower", expected: "an ONNX file that takes pixels" })
        }
        _ => Err(ImportError::Missing { what: "text tower", expected: "an ONNX file that takes token ids" }),
    }
}

fn missing_weights() -> ImportError {
    let expected = "an ONNX file for pictures and one for texts, or model.safetensors with config.json";
    ImportError::Missing { what: "weights", expected }
}

fn is_reduced(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    stem.rsplit_once('_').is_some_and(|(_, ending)| REDUCED.contains(&ending))
}

/// What a graph is by its inputs: `true` for pixels (four sizes), `false` for token ids; `None` for another.
fn inspect(path: &Path) -> Result<Option<(bool, OnnxFile)>, ImportError> {
    let malformed = |reason: String| ImportError::Malformed { file: path.display().to_string(), reason };
    let bytes = read(path, MAX_WEIGHTS_BYTES)?;
    if !fields_fit(&bytes) {
        return Err(malformed("is no ONNX file, or cut off".into()));
    }
    let model = ModelProto::parse_buf(&bytes);
    let graph = model.map_err(|error| malformed(error.to_string()))?.graph;
    let graph = graph.ok_or_else(|| malformed("holds no graph".into()))?;
    let external = external(&graph);
    let inputs: Vec<_> = inputs(&graph).collect();
    let pixels = inputs.iter().find(|(_, kind, shape)| is_float(*kind) && shape.len() == 4);
    let tokens = inputs.iter().find(|(name, kind, shape)| {
        matches!(*kind, DataType::INT64 | DataType::INT32)
            && shape.len() == 2
            && !name.contains("mask")
            && !name.contains("position")
    });
    let (is_image, input) = match (pixels, tokens) {
        (Some((.., shape)), None) => (true, shape.clone()),
        (None, Some((.., shape))) => (false, shape.clone()),
        _ => return Ok(None),
    };
    let seeks = graph.node.iter().any(|node| is(node, "ArgMax"));
    let names = graph.output.iter().map(|output| output.name.as_deref().unwrap_or_default());
    let output = crate::clip::preferred_output(names).and_then(|at| graph.output.get(at));
    let shape = output.and_then(|output| output.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref());
    let dim = shape.and_then(|shape| usize::try_from(shape.dim.last()?.dim_value?).ok());
    let per_token = shape.is_some_and(|shape| shape.dim.len() == 3);
    // Room is made for these before the graph runs.
    if let Some(large) = input.iter().flatten().chain(&dim).find(|size| **size > MAX_SIDE) {
        return Err(malformed(format!("declares a dimension of {large}, expected at most {MAX_SIDE}")));
    }
    Ok(Some((is_image, OnnxFile { path: path.to_owned(), external, input, seeks, per_token, dim })))
}

/// Whether the lengths of the outermost fields stay within the file. The parser checks inner ones against outer
/// ones, but makes room for what an outermost one promises before it reads.
fn fields_fit(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((key, after)) = varint(rest) else { return false };
        let (length, after) = match key & 7 {
            0 => match varint(after) {
                Some((_, after)) => (0, after),
                None => return false,
            },
            1 => (8, after),
            2 => match varint(after) {
                Some(field) => field,
                None => return false,
            },
            5 => (4, after),
            _ => return false,
        };
        let Some((_, after)) = usize::try_from(length).ok().and_then(|length| after.split_at_checked(length))
        else {
            return false;
        };
        rest = after;
    }
    true
}

/// A number in protobuf's coding, seven bits a byte, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

fn is(node: &NodeProto, kind: &str) -> bool {
    node.op_type.as_deref() == Some(kind)
}

fn is_float(kind: DataType) -> bool {
    matches!(kind, DataType::FLOAT | DataType::FLOAT16)
}

/// Name, type and sizes of every input that is no weight.
fn inputs(graph: &GraphProto) -> impl Iterator<Item = (&str, DataType, Vec<Option<usize>>)> {
    graph.input.iter().filter_map(|input| {
        let name = input.name.as_deref().unwrap_or_default();
        if graph.initializer.iter().any(|weight| weight.name.as_deref() == Some(name)) {
            return None;
        }
        let tensor = input.r#type.as_ref()?.tensor_type.as_ref()?;
        let sizes = tensor.shape.as_ref()?.dim.iter();
        let sizes = sizes.map(|size| size.dim_value.and_then(|size| usize::try_from(size).ok()));
        Some((name, tensor.elem_type?, sizes.collect()))
    })
}

/// Longest declared dimension of an input, or of a vector.
const MAX_SIDE: usize = 8192;

/// The names of the files with weights that a graph asks for.
fn external(graph: &GraphProto) -> Vec<String> {
    let entries = graph.initializer.iter().flat_map(|weight| &weight.external_data);
    let locations = entries.filter(|entry| entry.key.as_deref() == Some("location"));
    let mut names: Vec<String> = locations.filter_map(|entry| entry.value.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// The bytes of a file, after its size was looked at.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>, ImportError> {
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(failed)?;
    // A pipe or a device has no size to look at, and may never end.
    if !about.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "is no plain file")));
    }
    if about.len() > most {
        return Err(ImportError::TooLarge { path: path.to_owned(), got: about.len(), limit: most });
    }
    fs::read(path).map_err(failed)
}

/// The bytes of a weights file.
pub(super) fn read_weights(path: &Path) -> Result<Vec<u8>, ImportError> {
    read(path, MAX_WEIGHTS_BYTES)
}

fn only<'a>(what: &str, found: &[&'a PathBuf]) -> Result<&'a PathBuf, ImportError> {
    if let [path] = found {
        return Ok(path);
    }
    Err(ImportError::Ambiguous {
        what: what.into(),
        found: found.iter().map(|path| (*path).clone()).collect(),
    })
}

fn list(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ImportError> {
    let failed = |source| ImportError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        let hidden = entry.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden || (entry.is_dir() && depth == 0) {
            continue;
        }
        list(&entry, depth.saturating_sub(1), files)?;
        if files.len() > MAX_FILES {
            return Err(ImportError::TooMany { path: path.to_owned(), limit: MAX_FILES });
        }
    }
    Ok(())
}
