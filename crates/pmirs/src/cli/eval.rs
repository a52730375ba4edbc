//! What can be measured about a model's quality.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};

use super::measure::between;

/// Measure how well a model finds things
#[derive(Debug, Subcommand)]
pub enum Eval {
    Captions(EvalCaptions),
    Folders(EvalFolders),
    Phrases(EvalPhrases),
    Sheet(EvalSheet),
}

/// Recall, median rank and nDCG between pictures and their captions
///
/// Each figure comes with a 95% interval: a bootstrap over pictures.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs eval captions flickr8k/dev.tsv\n  \
    pmirs eval captions flickr8k/dev.tsv --out results/captions\n\n\
    The file has the header `image<TAB>caption`; pictures are looked for beside it and in its folder `images`.")]
pub struct EvalCaptions {
    /// Tab-separated captions
    #[arg(value_name = "FILE.tsv", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Folder that receives the answer as JSON and a plot as SVG and PNG
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// Accuracy of naming pictures, with each folder's name as a class
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs eval folders flowers/")]
pub struct EvalFolders {
    /// Folder of class folders
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Only the quarter of each class that training the built-in model leaves out
    #[arg(long)]
    pub held_out: bool,
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// Which phrases are right for a picture: the paper's benchmark, plain and protected
///
/// Class names become phrases in ten wordings; repositories of 10 to 100 of them are drawn for each domain, and
/// pictures ask which are right. Decided by the paper's adaptive threshold on the softmax, the same on the softmax
/// over its largest value, both with fitted alpha and beta, and the best K without a threshold; in the clear, and
/// through a cloud on loopback at every protection level.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs eval phrases caltech101/ --domains docs/results/caltech101-domains.toml --held-out\n\n\
    The domains are a TOML file: tables [[domain]] with `name` and `classes` (folder names), and a table [words]\n\
    with what to call a class where its folder's name is not what a person would say (`Faces = \"a face\"`).\n\
    Folders with the same words count as one class.\n\n\
    Precision, recall and F1 are means over pictures; a picture for which no phrase passes has 0 in all three.\n\
    Half of the pictures, drawn with the seed, only fits alpha, beta and the \"no match\" cutoff; all figures are of\n\
    the other half. The time is from a picture's embedding to the answer.")]
pub struct EvalPhrases {
    /// Folder of class folders
    #[arg(value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Which classes belong to which domain
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub domains: PathBuf,
    /// Only the quarter of each class that training the built-in model leaves out
    #[arg(long)]
    pub held_out: bool,
    /// Folder that receives the answer as JSON and plots as SVG and PNG
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Classes in a repository
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "10,20,40,60,80,100", value_parser = between(2, 1000))]
    pub sizes: Vec<usize>,
    /// How often each repository is drawn
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = between(1, 100))]
    pub iterations: usize,
    /// Pictures of a class that ask one repository, at most
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = between(1, 1000))]
    pub per_class: usize,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// Contact sheet: the first pictures of each query, to look at
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs eval sheet ~/Pictures --out sheet.png\n  \
    pmirs eval sheet flickr8k/dev.tsv --query \"a dog on a beach\" --query \"a red car\" --out sheet.png")]
pub struct EvalSheet {
    /// Folder with pictures, or a table of captions whose pictures to take
    #[arg(value_name = "FOLDER|FILE.tsv", value_hint = ValueHint::AnyPath)]
    pub source: PathBuf,
    /// What to look for, once per row of the sheet
    #[arg(long = "query", value_name = "WORDS", default_values = ["dog on a beach", "child with a ball", "red car", "mountain lake"])]
    pub queries: Vec<String>,
    /// Pictures in a row
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = between(1, 20))]
    pub columns: usize,
    /// The sheet
    #[arg(long, value_name = "FILE.png", value_hint = ValueHint::FilePath, value_parser = PathBufValueParser::new().try_map(png))]
    pub out: PathBuf,
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// A file's ending says what is in it.
fn png(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.extension() {
        Some(ending) if ending.eq_ignore_ascii_case("png") => Ok(path),
        _ => Err("a sheet is a PNG, so the file's name ends in .png"),
    }
}
