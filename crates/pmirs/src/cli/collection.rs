//! Everyday work: collections, and adding, finding, fetching, removing and checking items.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use crate::moment::Moment;

/// Make, list, show and delete collections, and take part in those of others
#[derive(Debug, Subcommand)]
pub enum Collection {
    New(CollectionNew),
    /// List your collections, and those that others offer to you
    List,
    Show(CollectionShow),
    Index(CollectionIndex),
    Accept(CollectionAccept),
    Decline(CollectionDecline),
    Leave(CollectionLeave),
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
    /// The three servers of a split collection, as `pmirs party describe` prints them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_if_eq("protection", "split"))]
    pub parties: Option<PathBuf>,
}

fn collection_new_help() -> String {
    format!(
        "Levels:\n{}\n\n{}\n\n{}\n\nExamples:\n  pmirs collection new photos --protection sealed\n  \
         pmirs collection new scans --protection split --parties parties.toml",
        crate::learns::SEALED,
        crate::learns::VEILED,
        crate::learns::SPLIT
    )
}

/// The protection levels that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProtectionArg {
    /// Matching on this computer; the cloud only stores
    Sealed,
    /// Matching on the cloud, over obfuscated vectors
    Veiled,
    /// Matching on three servers of different operators, over secret shares
    Split,
}

/// Show one collection, its members and its items
#[derive(Debug, Args)]
pub struct CollectionShow {
    /// Name of the collection
    pub name: String,
}

/// Make an index of a split collection, so that a search need not look at every item
///
/// Items that lie close together go into cells of equal size, in shares: the three servers learn neither what a cell holds nor
/// which item lies in which. `pmirs search --index tree` looks at the cells nearest to the query, and at every item that came
/// later. The three then see which slots of a shuffled table a search touches, and whether two searches touch the same;
/// after --shuffle-after searches all cells get other slots. The scan of every item stays the default.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs collection index scans             # makes it, or makes it anew after many changes\n  \
    pmirs search scans --index tree a fracture of the wrist\n  \
    pmirs collection index scans --show      # how many items came and went since\n  \
    pmirs collection index scans --drop\n\n\
    `pmirs bench tree` measures on your own pictures what an index finds.")]
pub struct CollectionIndex {
    /// Name of the collection
    pub name: String,
    /// Items of a cell, on average
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = super::measure::between(1, 65_536))]
    pub rows_per_cell: usize,
    /// The share of the cells that a search touches
    #[arg(long, value_name = "F", default_value_t = 0.15, value_parser = super::measure::share)]
    pub share: f64,
    /// Searches until the cells get other slots
    #[arg(long, value_name = "N", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub shuffle_after: u32,
    /// Show the index that is there
    #[arg(long, conflicts_with = "drop")]
    pub show: bool,
    /// Have the three servers erase it
    #[arg(long)]
    pub drop: bool,
}

/// Take what a contact shared with you
///
/// Only from a contact: a collection that a stranger shares could be named like one of yours.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs collection list             # shows what is offered to you\n  \
    pmirs collection accept photos")]
pub struct CollectionAccept {
    /// Name of the collection, or its identifier
    pub name: String,
}

/// Turn down what somebody shared with you
#[derive(Debug, Args)]
pub struct CollectionDecline {
    /// Name of the collection, or its identifier
    pub name: String,
}

/// Give up your part in a collection
///
/// The others go on without you. They keep the key that you know, too: `pmirs rekey --full` changes it. The last
/// owner makes somebody else an owner first, or deletes the collection.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs collection leave photos --yes")]
pub struct CollectionLeave {
    /// Name of the collection
    pub name: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
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
    #[command(flatten)]
    pub encoder: EncoderArgs,
}

/// Who encodes.
#[derive(Debug, Args)]
pub struct EncoderArgs {
    /// Where pictures and words become embeddings
    #[arg(long, value_name = "WHERE", default_value = "local")]
    pub encoder: EncoderArg,
    /// With `--encoder remote`: three servers that hold the model, where others than the collection's do
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub parties: Option<PathBuf>,
}

/// Places where embeddings are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EncoderArg {
    /// On this computer, with a model of its own
    Local,
    /// At three servers, which get shares of the pictures and words, by a model that was shared with `pmirs model split`
    Remote,
}

/// Find by meaning, with words or with a picture
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs search photos a dog running on the beach\n  \
    pmirs search photos --image holiday.jpg -k 5\n  \
    pmirs search photos 'birthday cake' --cutoff none --json\n  \
    pmirs search --all a dog running on the beach\n  \
    pmirs search scans --image wrist.jpg --encoder remote    # at three servers; no model is needed here\n  \
    pmirs search photos a red car --type image --after 2026-01-01 --before 2026-07-01\n\n\
    The cutoff hides what is probably not meant, so the answer may be empty: `auto` is calibrated for the model, \
    `none` shows the best k whatever they are, a number is the smallest score shown (scores run from -1 to 1).")]
pub struct Search {
    /// Name of the collection; with --all, the first word
    #[arg(required_unless_present = "all")]
    pub collection: Option<String>,
    /// What to look for
    #[arg(required_unless_present_any = ["image", "all"], conflicts_with = "image")]
    pub words: Vec<String>,
    /// Search every collection that you can read, and merge what is found by score
    #[arg(long)]
    pub all: bool,
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
    /// Check that the cloud left out no item at all, not only a few at random
    ///
    /// At `veiled` this fetches every record that is not on this computer yet. At `sealed` it changes nothing: there
    /// the matching happens here.
    #[arg(long)]
    pub verify: bool,
    /// What the three servers of a split collection look at
    #[arg(long, value_name = "INDEX", default_value = "scan")]
    pub index: IndexArg,
    #[command(flatten)]
    pub filter: FilterArgs,
    #[command(flatten)]
    pub encoder: EncoderArgs,
}

/// What three servers look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IndexArg {
    /// Every item: exact, and the servers learn nothing of the query
    Scan,
    /// The nearest cells of `pmirs collection index`: faster, approximate, and the servers see which slots are touched
    Tree,
}

/// What may be found at all.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// Only items with this tag (repeatable: with all of them)
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Only items of this kind
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<KindArg>,
    /// Only items from this moment on
    ///
    /// A day such as 2026-01-31, which begins at midnight UTC, or a moment such as 2026-01-31T14:00:00+02:00. An
    /// item's date is when it was taken, as far as its file says, or else when it was added.
    #[arg(long, value_name = "DATE")]
    pub after: Option<Moment>,
    /// Only items from before this moment
    #[arg(long, value_name = "DATE")]
    pub before: Option<Moment>,
}

/// Kinds of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    Image,
    Text,
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
/// Names the item and the field of anything that was damaged, swapped or left out, and ends with code 6 then. Checks the
/// signed history from its first entry on, and shows twelve words that stand for all of it.
///
/// A cloud can show each of you a history of your own, and nothing on your own computer tells. So compare these words with
/// another member now and then, in person or on the telephone: --head says whether theirs belong to your history.
#[derive(Debug, Args)]
#[command(
    override_usage = "pmirs verify [OPTIONS] [COLLECTION]\n       pmirs verify [OPTIONS] <COLLECTION> --head <WORDS>..."
)]
#[command(after_help = "Examples:\n  \
    pmirs verify photos\n  \
    pmirs verify photos --head about ten more words that ben reads to you    # fetches no item\n\n\
    Ends with code 6 when the cloud showed the two of you different histories.")]
pub struct Verify {
    /// Name of the collection; without it, all of them
    pub collection: Option<String>,
    /// Compare with the words that `pmirs verify` shows to another member
    #[arg(long, value_name = "WORDS", num_args = 1.., requires = "collection")]
    pub head: Vec<String>,
}
