//! Models, and what can be measured about them and about this machine.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::ProtectionArg;

/// Add, look at and choose model packs, and distil the built-in ones
#[derive(Debug, Subcommand)]
pub enum Model {
    Add(ModelAdd),
    /// List the models of this home, and which one is used
    List,
    Info(ModelInfo),
    Use(ModelUse),
    Remove(ModelRemove),
    Split(ModelSplit),
    Unsplit(ModelUnsplit),
    Distill(ModelDistill),
}

/// Add a model that somebody published
///
/// Takes an ONNX file for pictures and one for texts with tokenizer.json and preprocessor_config.json or
/// preprocess_cfg.json, or Hugging Face's CLIP as model.safetensors with config.json. What it does not understand
/// is refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs model add ~/models/clip-vit-base-patch32\n  \
    pmirs model add vision.onnx text.onnx tokenizer.json preprocess_cfg.json --name mobileclip\n\n\
    Vectors are measured from the mean of their kind. Without --calibrate, that of pictures is taken over pictures \
    that the program draws; some hundred of your own photographs are better.")]
pub struct ModelAdd {
    /// Folder of the model, or its files
    #[arg(required = true, value_name = "DIR|FILE", value_hint = ValueHint::AnyPath)]
    pub sources: Vec<PathBuf>,
    /// What to call it; without it, as the folder
    #[arg(long)]
    pub name: Option<String>,
    /// Folder of pictures like those that will be searched
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub calibrate: Option<PathBuf>,
    /// Licence of the weights, to be shown
    #[arg(long, default_value = "not stated")]
    pub licence: String,
}

/// Describe a model pack
#[derive(Debug, Args)]
pub struct ModelInfo {
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub pack: Option<PathBuf>,
    /// The same, as other commands take it
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath, conflicts_with = "pack")]
    pub model: Option<PathBuf>,
}

/// Use a model for new collections, or have collections that exist go over to it
///
/// Without --collection and --all it decides for new collections, and for commands that name no model. Collections that
/// exist go over where they are named: their owner signs it, and then every item is fetched, embedded by the new model and
/// sealed anew, in the background. That can be stopped at any moment, and given again it goes on; whoever may write and
/// has the pack can help. Meanwhile the collection is searched as ever, and ranks as it will afterwards. Members who lack
/// the pack are told which it is. The pack in a folder is copied into your home first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs model use mobileclip\n  \
    pmirs model use compact                          # the built-in one again\n  \
    pmirs model use trained/ --collection photos     # photos goes over; `pmirs jobs` shows how far it is\n  \
    pmirs model use trained/ --all                   # new collections, and all of yours\n\n\
    At `veiled` and `split` the new model must have as many numbers as the one before.")]
pub struct ModelUse {
    /// Name of a model or folder of a pack
    #[arg(value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub pack: PathBuf,
    /// Have this collection go over to it (repeatable); the choice for new ones stays
    #[arg(long, value_name = "NAME")]
    pub collection: Vec<String>,
    /// Use it for new collections, and have all those go over that you own
    #[arg(long, conflicts_with = "collection")]
    pub all: bool,
    /// Wait until every item is moved, instead of starting a job
    #[arg(long)]
    pub wait: bool,
}

/// Remove a model from this home
#[derive(Debug, Args)]
pub struct ModelRemove {
    /// Name of the model
    pub name: String,
}

/// Share a model's weights with three servers, so that others use it and nobody but you has it
///
/// Each of the three holds shares of the weights and learns none of them. With `--encoder remote`, you and whoever you lend
/// it to search and add without the model: pictures and words go to the three as shares, and the embedding comes back.
/// Stopped, it goes on where it was when it is run again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs model split compact-lite --parties parties.toml\n  \
    pmirs model split compact-lite --parties parties.toml --for ben --not-for eva\n  \
    pmirs search scans --image wrist.jpg --encoder remote    # ben, who has no model\n\n\
    Whoever may use a model can ask it often enough to train another one like it.")]
pub struct ModelSplit {
    /// Name of a compact model or folder of its pack
    #[arg(value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub model: PathBuf,
    /// The three servers, as `pmirs party describe` prints them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub parties: PathBuf,
    /// Lend it to this contact (repeatable)
    #[arg(long = "for", value_name = "NAME")]
    pub lend: Vec<String>,
    /// Lend it to this contact no longer (repeatable)
    #[arg(long, value_name = "NAME")]
    pub not_for: Vec<String>,
}

/// Have three servers erase their shares of a model
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs model unsplit compact-lite --parties parties.toml --yes")]
pub struct ModelUnsplit {
    /// Name of the model or folder of its pack; or its name and version, as `pmirs model split` prints them
    #[arg(value_name = "MODEL", value_hint = ValueHint::DirPath)]
    pub model: PathBuf,
    /// The three servers, as `pmirs party describe` prints them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub parties: PathBuf,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Distil the compact models by a recipe
///
/// Stops cleanly at Ctrl-C; the same command goes on from the last checkpoint. Writes each pack into a folder of
/// OUT, and report.json beside them: quality, weights, cost and speed after each step.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs model distill --recipe models/recipe.toml\n\n\
    DATA holds `flickr8k` and `caltech101`; MODELS holds `mobilenet_v2`, `clip_tokenizer` and, if there, \
    `clip_vit_b32_text_vectors`. The recipe says sizes, steps, rates and the seed: the same recipe on the same data \
    gives the same packs.")]
pub struct ModelDistill {
    /// What to train and how
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Folder with captions and class folders
    #[arg(long, value_name = "DATA", env = "PMIRS_DATA", default_value = "../shared/data", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Folder with the teacher and the tokenizer
    #[arg(long, value_name = "MODELS", env = "PMIRS_MODELS", default_value = "../shared/models", value_hint = ValueHint::DirPath)]
    pub models: PathBuf,
    /// Folder for caches and checkpoints
    #[arg(long, value_name = "DIR", default_value = "target/distill", value_hint = ValueHint::DirPath)]
    pub work: PathBuf,
    /// Folder that receives the packs
    #[arg(long, value_name = "OUT", default_value = "target/distill/packs", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
}

/// Measure speed on this machine
#[derive(Debug, Subcommand)]
pub enum Bench {
    Scan(BenchScan),
    Search(BenchSearch),
    Add(BenchAdd),
    Encode(BenchEncode),
    Veil(BenchVeil),
    Load(BenchLoad),
    Split(BenchSplit),
    SplitEncode(BenchSplitEncode),
    Tree(BenchTree),
    Aggregate(BenchAggregate),
}

/// A search by three parties over secret shares, all on this machine
///
/// Vectors are drawn. With `--link loopback` and `wan` the three are threads of one process, and the bytes that they scan are
/// read in the same run. With `--link tcp` they are three processes, as `pmirs party serve` runs them, whose memory is what the
/// system says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs bench split --rows 100000 --dim 512\n  \
    pmirs bench split --rows 10000 --link wan --json")]
pub struct BenchSplit {
    /// Vectors
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = between(1, 4_000_000))]
    pub rows: usize,
    /// Numbers per vector
    #[arg(long, value_name = "D", default_value_t = 512, value_parser = between(1, 4096))]
    pub dim: usize,
    /// Rows that each query gets
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = between(1, 1024))]
    pub k: usize,
    /// Queries at once
    #[arg(long, value_name = "Q", default_value_t = 1, value_parser = between(1, 64))]
    pub queries: usize,
    /// What lies between the three
    #[arg(long, value_name = "LINK", default_value = "loopback")]
    pub link: LinkArg,
}

/// Pictures and sentences through a model in shares, by three parties on this machine
///
/// Neither the pictures nor the weights are known to any one of the three. The result is compared with that of the model's
/// own encoder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs bench split-encode\n  \
    pmirs bench split-encode --model compact --pictures ~/Pictures --json")]
pub struct BenchSplitEncode {
    /// Name of a model or folder of a pack
    #[arg(long, value_name = "PACK", default_value = "compact-lite", value_hint = ValueHint::DirPath)]
    pub model: PathBuf,
    /// Folder with photographs; without it, pictures that the program draws
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub pictures: Option<PathBuf>,
    /// How many pictures
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = between(1, 10_000))]
    pub count: usize,
    /// What lies between the three
    #[arg(long, value_name = "LINK", default_value = "loopback")]
    pub link: LinkArg,
}

/// An index of a split collection on your own pictures: what it finds of what a scan finds, and what it takes
///
/// One picture in eleven is kept out of the index and looked for, as captions are. Three parties on this machine search through
/// the index and through all rows, side by side.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs bench tree ~/Pictures\n  \
    pmirs bench tree flickr8k/images caltech101 --captions flickr8k/dev.tsv --json")]
pub struct BenchTree {
    /// Folders of pictures
    #[arg(required = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folders: Vec<PathBuf>,
    /// Look for the captions of this tab-separated file, too
    #[arg(long, value_name = "FILE.tsv", value_hint = ValueHint::FilePath)]
    pub captions: Option<PathBuf>,
    /// Rows of a cell, on average
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = between(1, 65_536))]
    pub rows_per_cell: usize,
    /// The share of the cells that a search touches
    #[arg(long, value_name = "F", default_value_t = 0.15, value_parser = share)]
    pub share: f64,
    /// Model pack; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// What lies between three parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkArg {
    /// Memory
    Loopback,
    /// 20 ms and 100 Mbit/s, simulated
    Wan,
    /// TCP and TLS between three processes
    Tcp,
}

/// A round of secure aggregation, all of it on this machine
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs bench aggregate --clients 100 --weights 1000000 --dropouts 0.1")]
pub struct BenchAggregate {
    /// Members that take part
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = between(3, 2000))]
    pub clients: usize,
    /// Weights of the vector
    #[arg(long, value_name = "W", default_value_t = 1_000_000, value_parser = between(1, 10_000_000))]
    pub weights: usize,
    /// The share of members that vanish before they send their vector
    #[arg(long, value_name = "F", default_value_t = 0.1)]
    pub dropouts: f64,
    /// The share of members that may conspire with the server
    #[arg(long, value_name = "F", default_value_t = 0.1)]
    pub corrupt: f64,
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
    /// Name of a model or folder of a pack; without it, the one in use
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
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// One picture and one sentence through a model
#[derive(Debug, Args)]
pub struct BenchEncode {
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
    /// Threads; without it, as many as the machine runs at once
    #[arg(long, value_name = "T", value_parser = between(1, 1024))]
    pub threads: Option<usize>,
}

/// A server under many clients that search
///
/// Each client has a connection and a session of its own, over loopback, and one search at a time in a veiled
/// collection of drawn items.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pmirs bench load --clients 16 --seconds 20\n  pmirs bench load --scaling --json"
)]
pub struct BenchLoad {
    /// Clients
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = between(1, 512))]
    pub clients: usize,
    /// How long they search
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = between(1, 3_600))]
    pub seconds: usize,
    /// Items in the collection
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = between(1, 1_000_000))]
    pub items: usize,
    /// Also whether two scans of a million rows get in each other's way; takes some 2 GB and a minute more
    #[arg(long)]
    pub scaling: bool,
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
    /// Name of a model or folder of a pack; without it, the one in use
    #[arg(long, value_name = "PACK", requires = "folder", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
}

/// A share of a whole, more than nothing of it.
pub(super) fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("it is a number above 0 and at most 1".to_owned()),
    }
}
