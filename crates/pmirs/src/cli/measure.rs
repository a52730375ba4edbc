//! Models, and what can be measured about them and about this machine.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::ProtectionArg;

/// Look at model packs and train the built-in one
#[derive(Debug, Subcommand)]
pub enum Model {
    Info(ModelInfo),
    Train(ModelTrain),
}

/// Describe a model pack
#[derive(Debug, Args)]
pub struct ModelInfo {
    /// Folder of the pack; without it, the built-in one
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// Train the compact model by a plan
///
/// Stops cleanly at Ctrl-C; the same command goes on from the last checkpoint.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs model train --data ../shared/data --models ../shared/models --work target/training\n\n\
    DATA holds `flickr8k` and `caltech101`; MODELS holds `mobilenet_v2` and `clip_tokenizer`. The plan says sizes, \
    steps, rates and the seed: the same plan on the same data gives the same pack.")]
pub struct ModelTrain {
    /// What to train and how
    #[arg(long, value_name = "FILE", default_value = "models/compact/plan.toml")]
    pub plan: PathBuf,
    /// Folder with captions and class folders
    #[arg(long, value_name = "DATA", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Folder with the teacher and the tokenizer
    #[arg(long, value_name = "MODELS", value_hint = ValueHint::DirPath)]
    pub models: PathBuf,
    /// Folder for caches and checkpoints
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub work: PathBuf,
    /// Folder that receives the pack
    #[arg(long, value_name = "DIR", default_value = "models/compact", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

/// Measure speed on this machine
#[derive(Debug, Subcommand)]
pub enum Bench {
    Scan(BenchScan),
    Search(BenchSearch),
    Add(BenchAdd),
    Veil(BenchVeil),
}

/// One query over many int8 vectors, beside the memory's own speed
#[derive(Debug, Args)]
pub struct BenchScan {
    /// Vectors
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = between(1, 100_000_000))]
    pub rows: usize,
    /// Numbers per vector
    #[arg(long, value_name = "D", default_value_t = 512, value_parser = between(8, 65_536))]
    pub dim: usize,
    /// Threads
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = between(1, 1024))]
    pub threads: usize,
}

/// A whole search on loopback, from typed text to decrypted results
#[derive(Debug, Args)]
pub struct BenchSearch {
    /// Folder with photographs to embed; without it, embeddings are drawn at random
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    /// Items in the collection
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = between(1, 10_000_000))]
    pub items: usize,
    /// Protection of the collection
    #[arg(long, value_name = "LEVEL")]
    pub protection: ProtectionArg,
    /// Folder of a model pack; without it, the built-in one
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// Adding pictures, beside decoding, resizing and encoding alone
#[derive(Debug, Args)]
pub struct BenchAdd {
    /// Folder with pictures; without it, pictures that the program draws
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    /// Protection of the collection
    #[arg(long, value_name = "LEVEL", default_value = "veiled")]
    pub protection: ProtectionArg,
    /// Folder of a model pack; without it, the built-in one
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// Veiling one vector
#[derive(Debug, Args)]
pub struct BenchVeil {
    /// Numbers per vector
    #[arg(long, value_name = "D", default_value_t = 256, value_parser = between(8, 4096))]
    pub dim: usize,
}

/// A number within limits, refused before anything of that size is made.
pub(super) fn between(
    least: usize,
    most: usize,
) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    move |text| match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("expected a number from {least} to {most}")),
    }
}

/// Attack the veil with what a cloud could know, and say what it gets
///
/// With FOLDER, on the embeddings of its pictures, under the veil that `veiled` collections have. Without, on
/// drawn embeddings, as a table over several veils and growing material. Nothing leaves this computer.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pmirs audit ~/Pictures\n  pmirs audit --full    # the table of SECURITY.md; takes minutes"
)]
pub struct Audit {
    /// Folder with pictures
    #[arg(value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,
    /// The whole table instead of the quick one
    #[arg(long, conflicts_with = "folder")]
    pub full: bool,
    /// How much jitter the ranking of these pictures bears, instead of the attacks
    #[arg(long, requires = "folder")]
    pub jitter: bool,
    /// Folder of a model pack; without it, the built-in one
    #[arg(long, value_name = "PACK", requires = "folder", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}
