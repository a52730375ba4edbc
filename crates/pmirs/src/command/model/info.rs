//! `pmirs model info`.

use std::io::{self, Write};

use pmirs_encoder::pack::LineageSpec;
use pmirs_encoder::{Encoder, EncoderError, PackInfo, PackKind, cost};
use serde::Serialize;

use crate::cli::ModelInfo;
use crate::output::{Answer, BOLD, Output, bytes, plain};
use crate::report::Failure;

pub fn info(args: &ModelInfo, output: Output) -> Result<(), Failure> {
    let named = args.pack.as_deref().or(args.model.as_deref());
    output.answer(&Info::of(&*super::encoder(named)?)?)
}

#[derive(Serialize)]
pub(super) struct Info {
    name: String,
    version: String,
    kind: &'static str,
    dim: usize,
    image_size: [u32; 2],
    context_length: usize,
    licence: String,
    cutoffs: Cutoffs,
    /// The model that this one was trained from by members of a federation, and what trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    lineage: Option<LineageSpec>,
    /// Rank of the adapter on top of the towers.
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter_rank: Option<usize>,
    /// Weights of both towers.
    parameters: u64,
    /// Of one picture; `null` where the graph could not be followed.
    multiply_adds: Option<u64>,
    /// Of one sentence that fills the context.
    text_multiply_adds: Option<u64>,
    /// Of one picture.
    relus: Option<u64>,
    bytes: u64,
}

/// Scores below which items are no match.
#[derive(Serialize)]
struct Cutoffs {
    text_to_image: Option<f32>,
    text_to_text: Option<f32>,
    image_to_image: Option<f32>,
    image_to_text: Option<f32>,
}

impl Info {
    /// Everything about a model, its cost included.
    pub(super) fn of(encoder: &Encoder) -> Result<Self, Failure> {
        let info: &PackInfo = encoder.info();
        let cost = cost(encoder.pack()).map_err(EncoderError::from)?;
        Ok(Self {
            name: info.name.clone(),
            version: info.version.clone(),
            kind: kind(info.kind),
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
            lineage: encoder.pack().manifest().lineage.clone(),
            adapter_rank: encoder.pack().manifest().adapter.as_ref().map(|adapter| adapter.rank),
            parameters: cost.parameters,
            multiply_adds: cost.image_multiply_adds,
            text_multiply_adds: cost.text_multiply_adds,
            relus: cost.relus,
            bytes: encoder.pack().bytes().map_err(EncoderError::from)?,
        })
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
        writeln!(out, "  size        {}, {} parameters", bytes(self.bytes), short(self.parameters))?;
        if let Some(rank) = self.adapter_rank {
            writeln!(out, "  adapter     rank {rank} on top of both towers")?;
        }
        if let Some(lineage) = &self.lineage {
            writeln!(
                out,
                "  trained     together from {} ({})",
                plain(&lineage.parent),
                plain(&lineage.part)
            )?;
        }
        for (each, work) in [
            ("multiply-adds for a picture", self.multiply_adds),
            ("multiply-adds for a full text", self.text_multiply_adds),
            ("ReLU evaluations for a picture", self.relus),
        ] {
            let work = work.map_or_else(|| "not counted".to_owned(), short);
            writeln!(out, "  work        {work:<14} {each}")?;
        }
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

/// The kind of a pack in a word.
pub(super) fn kind(kind: PackKind) -> &'static str {
    match kind {
        PackKind::Compact => "compact",
        PackKind::Onnx => "onnx",
    }
}

/// A large number as people say it: `4.4 G`.
fn short(number: u64) -> String {
    let scales = [(1e9, " G"), (1e6, " M"), (1e3, " k")];
    let scale = scales.into_iter().find(|(least, _)| number as f64 >= *least);
    scale.map_or_else(|| number.to_string(), |(scale, unit)| format!("{:.1}{unit}", number as f64 / scale))
}
