//! The JSON files that zoos put beside weights, and what they say about a model.
//!
//! Files of strangers: parsed into the few fields that matter, every number bounded before anything of its size is
//! made. Unknown fields are ignored, since every release of the exporters adds some; a known field with an unknown
//! value is an error that names it.

use serde::Deserialize;
use serde_json::Value;

use super::ImportError;
use crate::pack::{Resample, ResizeMode};

/// Bounds on numbers that decide how much memory a model may claim.
const MAX_WIDTH: usize = 16_384;
const MAX_LAYERS: usize = 256;
const MAX_VOCABULARY: usize = 1 << 20;
pub(super) const MAX_CONTEXT: usize = 1024;
pub(super) const MAX_SIDE: usize = 1024;

/// How a picture becomes an image tower's input.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImageSettings {
    pub(super) size: [u32; 2],
    pub(super) resize: ResizeMode,
    pub(super) resample: Resample,
    pub(super) mean: [f32; 3],
    pub(super) std: [f32; 3],
}

/// A JSON file by its name, and typed looks into it.
#[derive(Clone, Debug)]
pub(super) struct Json {
    file: String,
    value: Value,
}

impl Json {
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Self, ImportError> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| ImportError::Malformed { file: file.into(), reason: error.to_string() })?;
        if !value.is_object() {
            return Err(ImportError::Malformed { file: file.into(), reason: "is no JSON object".into() });
        }
        Ok(Self { file: file.into(), value })
    }

    /// The value at a dotted path; `null` counts as absent.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let found = path.split('.').try_fold(&self.value, |value, key| value.get(key));
        found.filter(|value| !value.is_null())
    }

    /// Words; anything else in their place is odd.
    pub(super) fn text(&self, path: &str) -> Result<Option<&str>, ImportError> {
        let Some(value) = self.get(path) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| self.odd(path, value, "words in quotes"))
    }

    /// A positive whole number of at most `most`.
    pub(super) fn number(&self, path: &str, most: usize) -> Result<Option<usize>, ImportError> {
        let Some(value) = self.get(path) else { return Ok(None) };
        let number = value.as_u64().filter(|number| (1..=most as u64).contains(number));
        let number = number.ok_or_else(|| self.odd(path, value, &format!("a number from 1 to {most}")))?;
        Ok(Some(number as usize))
    }

    fn three(&self, path: &str) -> Result<Option<[f32; 3]>, ImportError> {
        let Some(value) = self.get(path) else { return Ok(None) };
        let numbers: Option<Vec<f32>> = value
            .as_array()
            .and_then(|list| list.iter().map(|number| number.as_f64().map(|number| number as f32)).collect());
        let three = numbers.and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
        three.map(Some).ok_or_else(|| self.odd(path, value, "three numbers"))
    }

    pub(super) fn odd(&self, field: &str, got: &Value, expected: &str) -> ImportError {
        let mut got = got.to_string();
        if got.len() > 200 {
            got = "something long".into();
        }
        ImportError::Field { file: self.file.clone(), field: field.into(), got, expected: expected.into() }
    }

    pub(super) fn absent(&self, field: &str, expected: &str) -> ImportError {
        let (file, field) = (self.file.clone(), field.into());
        ImportError::Field { file, field, got: "absent".into(), expected: expected.into() }
    }
}

/// Reads `preprocessor_config.json` (Hugging Face) or `preprocess_cfg.json` (open_clip), whichever it is.
pub(super) fn image_settings(json: &Json) -> Result<ImageSettings, ImportError> {
    if json.get("image_mean").is_some() || json.get("do_resize").is_some() {
        hugging_face(json)
    } else {
        open_clip(json)
    }
}

fn hugging_face(json: &Json) -> Result<ImageSettings, ImportError> {
    let flag = |path: &str, default: bool| {
        json.get(path).map_or(Ok(default), |value| {
            value.as_bool().ok_or_else(|| json.odd(path, value, "true or false"))
        })
    };
    for required in ["do_resize", "do_rescale"] {
        if !flag(required, true)? {
            return Err(json.odd(required, &Value::Bool(false), "true"));
        }
    }
    if let Some(factor) = json.get("rescale_factor")
        && factor.as_f64().is_none_or(|factor| (factor * 255.0 - 1.0).abs() > 1e-4)
    {
        return Err(json.odd("rescale_factor", factor, "1/255"));
    }
    let crop = flag("do_center_crop", json.get("crop_size").is_some())?;
    let (size, resize) = if crop {
        let cut = sides(json, "crop_size")?.ok_or_else(|| json.absent("crop_size", "a size"))?;
        let shortest = match json.get("size.shortest_edge") {
            Some(_) => json.number("size.shortest_edge", MAX_SIDE)?.map(|side| side as u32),
            None if json.get("size").is_some_and(Value::is_number) => {
                json.number("size", MAX_SIDE)?.map(|side| side as u32)
            }
            // Both sides are given: stretched first, so the cut must take all of it.
            None => match sides(json, "size")? {
                Some(size) if size == cut => None,
                _ => return Err(size_unlike_crop(json)),
            },
        };
        match shortest {
            None => (cut, ResizeMode::Squash),
            Some(shortest) if [shortest; 2] == cut => (cut, ResizeMode::CentreCropDown),
            Some(_) => return Err(size_unlike_crop(json)),
        }
    } else if json.get("size.shortest_edge").is_some() {
        let size = json.get("size").unwrap_or(&Value::Null);
        return Err(json.odd("size", size, "height and width, where nothing is cut out"));
    } else {
        (sides(json, "size")?.ok_or_else(|| json.absent("size", "a size"))?, ResizeMode::Squash)
    };
    let resample = match json.get("resample").map(Value::as_u64) {
        Some(Some(2)) => Resample::Bilinear,
        Some(Some(3)) => Resample::Bicubic,
        Some(Some(4)) => Resample::Area,
        None => return Err(json.absent("resample", "2 (bilinear), 3 (bicubic) or 4 (box)")),
        _ => {
            let got = json.get("resample").unwrap_or(&Value::Null);
            return Err(json.odd("resample", got, "2 (bilinear), 3 (bicubic) or 4 (box)"));
        }
    };
    let (mean, std) = if flag("do_normalize", true)? {
        let required = |path: &str| json.three(path)?.ok_or_else(|| json.absent(path, "three numbers"));
        (required("image_mean")?, required("image_std")?)
    } else {
        ([0.0; 3], [1.0; 3])
    };
    Ok(ImageSettings { size, resize, resample, mean, std })
}

fn size_unlike_crop(json: &Json) -> ImportError {
    let size = json.get("size").unwrap_or(&Value::Null);
    json.odd("size", size, "the same size as crop_size")
}

fn open_clip(json: &Json) -> Result<ImageSettings, ImportError> {
    let prefix = if json.get("preprocess_cfg").is_some() { "preprocess_cfg." } else { "" };
    let field = |name: &str| format!("{prefix}{name}");
    let size = match sides(json, &field("size"))? {
        Some(size) => size,
        None => sides(json, "model_cfg.vision_cfg.image_size")?
            .ok_or_else(|| json.absent(&field("size"), "a size"))?,
    };
    if json.text(&field("mode"))?.is_some_and(|mode| mode != "RGB") {
        return Err(json.odd(&field("mode"), json.get(&field("mode")).unwrap_or(&Value::Null), "RGB"));
    }
    let resample = match json.text(&field("interpolation"))? {
        Some("bicubic") | None => Resample::Bicubic,
        Some("bilinear") => Resample::Bilinear,
        Some(other) => {
            return Err(json.odd(&field("interpolation"), &other.into(), "bicubic or bilinear"));
        }
    };
    let resize = match json.text(&field("resize_mode"))? {
        Some("shortest") | None => ResizeMode::CentreCrop,
        Some("squash") => ResizeMode::Squash,
        Some(other) => return Err(json.odd(&field("resize_mode"), &other.into(), "shortest or squash")),
    };
    let required = |path: &str| json.three(path)?.ok_or_else(|| json.absent(path, "three numbers"));
    let (mean, std) = (required(&field("mean"))?, required(&field("std"))?);
    Ok(ImageSettings { size, resize, resample, mean, std })
}

/// Width and height from a number, `[height, width]`, or an object with both.
fn sides(json: &Json, path: &str) -> Result<Option<[u32; 2]>, ImportError> {
    let Some(value) = json.get(path) else { return Ok(None) };
    let pair = match value {
        Value::Number(_) => [value.as_u64(), value.as_u64()],
        Value::Array(list) => match list.as_slice() {
            [height, width] => [width.as_u64(), height.as_u64()],
            _ => [None, None],
        },
        _ => ["width", "height"].map(|side| value.get(side).and_then(Value::as_u64)),
    };
    let bounded = |side: Option<u64>| side.filter(|side| (1..=MAX_SIDE as u64).contains(side));
    match pair.map(bounded) {
        [Some(width), Some(height)] => Ok(Some([width as u32, height as u32])),
        _ => Err(json.odd(path, value, &format!("sides of 1 to {MAX_SIDE}"))),
    }
}

/// `config.json` of a Hugging Face CLIP.
#[derive(Clone, Debug)]
pub(super) struct ClipConfig {
    pub(super) dim: usize,
    pub(super) text: TowerConfig,
    pub(super) vision: TowerConfig,
}

/// One tower. Hugging Face leaves out what equals its defaults, so those are repeated here; a wrong size cannot
/// pass, since every tensor's shape is compared.
#[derive(Clone, Debug)]
pub(super) struct TowerConfig {
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) hidden_act: Activation,
    pub(super) layer_norm_eps: f32,
    /// Text only.
    pub(super) vocab_size: usize,
    /// Text only.
    pub(super) max_position_embeddings: usize,
    /// Text only; 2 in old files, where it means the highest token of a sentence.
    pub(super) eos_token_id: u32,
    /// Vision only.
    pub(super) image_size: usize,
    /// Vision only.
    pub(super) patch_size: usize,
}

/// The non-linearity between a block's two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Activation {
    #[serde(rename = "quick_gelu")]
    QuickGelu,
    #[serde(rename = "gelu")]
    Gelu,
    #[serde(rename = "gelu_pytorch_tanh", alias = "gelu_new")]
    GeluTanh,
}

impl ClipConfig {
    pub(super) fn read(json: &Json) -> Result<Self, ImportError> {
        match json.get("model_type") {
            Some(kind) if kind.as_str() == Some("clip") => {}
            Some(other) => {
                let expected = "clip; for other families add the ONNX files of both towers";
                return Err(json.odd("model_type", other, expected));
            }
            None => return Err(json.absent("model_type", "clip")),
        }
        let dim = json.number("projection_dim", MAX_WIDTH)?.unwrap_or(512);
        let text = TowerConfig::read(json, "text_config", [512, 2048, 8])?;
        let vision = TowerConfig::read(json, "vision_config", [768, 3072, 12])?;
        if !vision.image_size.is_multiple_of(vision.patch_size) {
            let got = vision.image_size.into();
            return Err(json.odd("vision_config.image_size", &got, "a multiple of patch_size"));
        }
        if let Some(channels) = json.get("vision_config.num_channels")
            && channels.as_u64() != Some(3)
        {
            return Err(json.odd("vision_config.num_channels", channels, "3"));
        }
        Ok(Self { dim, text, vision })
    }
}

impl TowerConfig {
    fn read(json: &Json, tower: &str, [width, inner, heads]: [usize; 3]) -> Result<Self, ImportError> {
        let number = |field: &str, most: usize, default: usize| -> Result<usize, ImportError> {
            Ok(json.number(&format!("{tower}.{field}"), most)?.unwrap_or(default))
        };
        let act = format!("{tower}.hidden_act");
        let hidden_act = match json.get(&act) {
            None => Activation::QuickGelu,
            Some(value) => Activation::deserialize(value)
                .map_err(|_| json.odd(&act, value, "quick_gelu, gelu or gelu_pytorch_tanh"))?,
        };
        let eps_field = format!("{tower}.layer_norm_eps");
        let layer_norm_eps = match json.get(&eps_field) {
            None => 1e-5,
            Some(value) => value
                .as_f64()
                .filter(|eps| (0.0..1.0).contains(eps))
                .ok_or_else(|| json.odd(&eps_field, value, "a small number"))?
                as f32,
        };
        let config = Self {
            hidden_size: number("hidden_size", MAX_WIDTH, width)?,
            intermediate_size: number("intermediate_size", 8 * MAX_WIDTH, inner)?,
            num_hidden_layers: number("num_hidden_layers", MAX_LAYERS, 12)?,
            num_attention_heads: number("num_attention_heads", MAX_WIDTH, heads)?,
            hidden_act,
            layer_norm_eps,
            vocab_size: number("vocab_size", MAX_VOCABULARY, 49_408)?,
            max_position_embeddings: number("max_position_embeddings", MAX_CONTEXT, 77)?,
            eos_token_id: number("eos_token_id", MAX_VOCABULARY, 49_407)? as u32,
            image_size: number("image_size", MAX_SIDE, 224)?,
            patch_size: number("patch_size", MAX_SIDE, 32)?,
        };
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            let got = config.num_attention_heads.into();
            return Err(json.odd(&format!("{tower}.num_attention_heads"), &got, "a divisor of hidden_size"));
        }
        Ok(config)
    }
}
