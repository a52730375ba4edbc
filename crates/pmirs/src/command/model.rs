//! `pmirs model info|distill`.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use pmirs_encoder::pack::MANIFEST;
use pmirs_encoder::{Encoder, PackInfo, PackKind};
use serde::Serialize;

use super::distill;
use crate::cli::{Model, ModelInfo};
use crate::exit::Exit;
use crate::output::{Answer, BOLD, Output, plain};
use crate::report::Failure;

pub fn run(command: &Model, output: Output) -> Result<(), Failure> {
    match command {
        Model::Info(args) => info(args, output),
        Model::Distill(args) => distill::run(args, output),
    }
}

/// The pack in a folder, or the built-in one.
pub fn encoder(pack: Option<&Path>) -> Result<Arc<Encoder>, Failure> {
    let encoder = match pack {
        Some(folder) if !folder.join(MANIFEST).exists() => {
            let error = format!("{} is no model pack: it holds no {MANIFEST}", folder.display());
            let hint = "a pack is a folder with model.toml, weights and a tokenizer; without --model the built-in one is used";
            return Err(Failure::new(Exit::NotFound, error, hint));
        }
        Some(folder) => Encoder::open(folder)?,
        None => Encoder::compact_builtin()?,
    };
    Ok(Arc::new(encoder))
}

#[derive(Serialize)]
struct Info {
    name: String,
    version: String,
    kind: &'static str,
    dim: usize,
    image_size: [u32; 2],
    context_length: usize,
    licence: String,
    cutoffs: Cutoffs,
}

/// Scores below which items are no match.
#[derive(Serialize)]
struct Cutoffs {
    text_to_image: Option<f32>,
    text_to_text: Option<f32>,
    image_to_image: Option<f32>,
    image_to_text: Option<f32>,
}

impl From<&PackInfo> for Info {
    fn from(info: &PackInfo) -> Self {
        Self {
            name: info.name.clone(),
            version: info.version.clone(),
            kind: match info.kind {
                PackKind::Compact => "compact",
                PackKind::Onnx => "onnx",
            },
            dim: info.dim,
            image_size: info.image_size,
            context_length: info.context_length,
            licence: info.licence.clone(),
            cutoffs: Cutoffs {
                text_to_image: info.scores.text_to_image,
                text_to_text: info.scores.text_to_text,
                image_to_image: info.scores.image_to_image,
                image_to_text: info.scores.image_to_text,
            },
        }
    }
}

impl Answer for Info {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let [width, height] = self.image_size;
        writeln!(out, "{BOLD}{} {}{BOLD:#} ({})", plain(&self.name), plain(&self.version), self.kind)?;
        writeln!(out, "  embeddings  {} numbers", self.dim)?;
        writeln!(out, "  pictures    {width} x {height} pixels")?;
        writeln!(out, "  texts       up to {} tokens", self.context_length)?;
        writeln!(out, "  licence     {}", plain(&self.licence))?;
        let Cutoffs { text_to_image, text_to_text, image_to_image, image_to_text } = self.cutoffs;
        let cutoffs = [
            ("words to picture", text_to_image),
            ("words to text", text_to_text),
            ("picture to picture", image_to_image),
            ("picture to text", image_to_text),
        ];
        for (pair, cutoff) in cutoffs {
            let cutoff = cutoff.map_or_else(|| "not calibrated".to_owned(), |least| format!("{least:.3}"));
            writeln!(out, "  cutoff      {cutoff:<14} {pair}")?;
        }
        Ok(())
    }
}

fn info(args: &ModelInfo, output: Output) -> Result<(), Failure> {
    let encoder = encoder(args.model.as_deref())?;
    output.answer(&Info::from(encoder.info()))
}
