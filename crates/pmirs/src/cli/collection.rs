//! Everyday work: collections, and adding, finding, fetching, removing and checking items.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// Make, list, show and delete collections
#[derive(Debug, Subcommand)]
pub enum Collection {
    New(CollectionNew),
    /// List your collections
    List,
    Show(CollectionShow),
    Forget(CollectionForget),
    Delete(CollectionDelete),
}

/// Make a collection
///
/// There is no default protection: choose who learns what.
#[derive(Debug, Args)]
#[command(after_help = collection_new_help())]
pub struct CollectionNew {
    /// Name of the collection; the cloud never sees it
    pub name: String,
    /// Who learns what: see below
    #[arg(long, value_name = "LEVEL")]
    pub protection: ProtectionArg,
}

fn collection_new_help() -> String {
    format!(
        "Levels:\n{}\n\n{}\n\nExamples:\n  pmirs collection new photos --protection sealed",
        crate::learns::SEALED,
        crate::learns::VEILED
    )
}

/// The protection levels that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtectionArg {
    /// Matching on this computer; the cloud only stores
    Sealed,
    /// Matching on the cloud, over obfuscated vectors
    Veiled,
}

/// Show one collection and its items
#[derive(Debug, Args)]
pub struct CollectionShow {
    /// Name of the collection
    pub name: String,
}

/// Forget what this computer remembers of a collection
///
/// A cloud that holds less than it once did is refused. When it was restored from a backup on purpose, this takes
/// what it holds now; `pmirs verify NAME` lists first what is missing.
#[derive(Debug, Args)]
pub struct CollectionForget {
    /// Name of the collection
    pub name: String,
}

/// Delete a collection and everything in it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs collection delete photos --yes")]
pub struct CollectionDelete {
    /// Name of the collection, or the identifier of a damaged one
    pub name: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Encrypt and add pictures and text files
///
/// Folders are walked. Running it again adds only what is missing; a file that cannot be read is reported and
/// skipped.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs add photos ~/Pictures\n  \
    pmirs add photos scans/ letter.txt --captions notes.tsv\n\n\
    Pictures: JPEG, PNG, WebP, GIF, BMP, TIFF. Texts: TXT, MD. Captions: lines of `file<TAB>note`, with the header \
    `image<TAB>caption`.")]
pub struct Add {
    /// Name of the collection
    pub collection: String,
    /// Files and folders
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Attach the notes of this tab-separated file
    #[arg(long, value_name = "FILE.tsv", value_hint = ValueHint::FilePath)]
    pub captions: Option<PathBuf>,
}

/// Find by meaning, with words or with a picture
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs search photos a dog running on the beach\n  \
    pmirs search photos --image holiday.jpg -k 5\n  \
    pmirs search photos 'birthday cake' --cutoff none --json\n\n\
    The cutoff hides what is probably not meant, so the answer may be empty: `auto` is calibrated for the model, \
    `none` shows the best k whatever they are, a number is the smallest score shown (scores run from -1 to 1).")]
pub struct Search {
    /// Name of the collection
    pub collection: String,
    /// What to look for
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    pub words: Vec<String>,
    /// Look for what resembles this picture
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub image: Option<PathBuf>,
    /// How many hits at most
    #[arg(short, value_name = "K", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub k: u16,
    /// Smallest score shown: auto, none or a number
    #[arg(long, value_name = "SCORE", default_value = "auto", allow_negative_numbers = true)]
    pub cutoff: CutoffArg,
}

/// Which hits are good enough to show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CutoffArg {
    Auto,
    None,
    Score(f32),
}

impl std::str::FromStr for CutoffArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            number => match number.parse() {
                Ok(score) if (-1.0..=1.0).contains(&score) => Ok(Self::Score(score)),
                _ => Err("it is `auto`, `none` or a number from -1 to 1".to_owned()),
            },
        }
    }
}

/// Fetch and decrypt one item
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs get photos 3f9a2c41d07be65588e1c2a94b60f7d2          # into its own name, in this folder\n  \
    pmirs get photos 3f9a2c41d07be65588e1c2a94b60f7d2 -o a.jpg\n\n\
    The item's identifier stands in the answer of `pmirs search` and `pmirs collection show`; its first characters \
    suffice if no other item shares them.")]
pub struct Get {
    /// Name of the collection
    pub collection: String,
    /// Identifier of the item, or its first characters
    pub item: String,
    /// Where to write it; `-` is standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Overwrite a file that exists
    #[arg(long)]
    pub force: bool,
}

/// Remove items from a collection, on the cloud too
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs rm photos 3f9a2c41 77b0de02")]
pub struct Rm {
    /// Name of the collection
    pub collection: String,
    /// Identifiers of the items, or their first characters
    #[arg(required = true)]
    pub items: Vec<String>,
}

/// Say where you stand: identity, cloud, collections, model
#[derive(Debug, Args)]
pub struct Status {}

/// Fetch everything and check that it is what was written
///
/// Names the item and the field of anything that was damaged, swapped or left out, and ends with code 6 then.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs verify photos")]
pub struct Verify {
    /// Name of the collection; without it, all of them
    pub collection: Option<String>,
}
