//! More than one person: invites, contacts, sharing, revocation, history.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// Make an invite for one more person; for administrators of the cloud
///
/// Whoever logs in with it gets an account at this cloud, and nothing else: no collection of anybody.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs invite --out ben.txt    # hand ben.txt to Ben, and to nobody else\n  \
    pmirs invite\n\n\
    The first account of a cloud is its administrator. An invite is good once.")]
pub struct Invite {
    /// Write it into FILE, readable by you alone, instead of printing it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// Know other people by their keys: add, list, verify and remove contacts
#[derive(Debug, Subcommand)]
pub enum Contact {
    Add(ContactAdd),
    /// List your contacts, and whether you verified them
    List,
    Verify(ContactVerify),
    Remove(ContactRemove),
}

/// Find a person at this cloud and pin their key
///
/// The cloud says whose key it is, and is not believed: compare the words that are shown, then run `pmirs contact
/// verify`. When the cloud shows another key later, everything that would use it is refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs contact add ben\n  pmirs contact add ben@cloud.example.org")]
pub struct ContactAdd {
    /// The name that they took with `pmirs login --name`
    #[arg(value_name = "NAME[@server]")]
    pub name: String,
}

/// Compare a contact's words, and call the contact verified
///
/// Twelve words stand for the key. Read them to each other in person or on the telephone, not through this cloud: who
/// could exchange a key there could exchange them too. The other person sees theirs with `pmirs status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs contact verify ben                          # shows the words and asks\n  \
    pmirs contact verify ben --words-file from-ben    # compares them with a file that Ben gave you\n\n\
    Ends with code 6 when the words are not those of the key that the cloud shows.")]
pub struct ContactVerify {
    /// Name of the contact
    pub name: String,
    /// Compare with the words in FILE, which the other person gave you
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "yes")]
    pub words_file: Option<PathBuf>,
    /// The words that `contact add` showed were compared; a key that changed since is still refused
    #[arg(long)]
    pub yes: bool,
}

/// Forget a contact and the pinned key
///
/// What was shared with them stays shared: `pmirs revoke` ends that.
#[derive(Debug, Args)]
pub struct ContactRemove {
    /// Name of the contact
    pub name: String,
}

/// Share a collection with a contact, or give them another role
///
/// Hands on the collection's keys, sealed to the contact's pinned key; the cloud passes on what it cannot open. They
/// see it in `pmirs collection list` and take it with `pmirs collection accept`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs share photos ben                  # ben may search and read\n  \
    pmirs share photos ben --role writer    # also add and remove items\n  \
    pmirs share photos ben --role owner     # also share, revoke and delete")]
pub struct Share {
    /// Name of the collection
    pub collection: String,
    /// Name of the contact
    pub name: String,
    /// What they may do
    #[arg(long, value_name = "ROLE", default_value = "reader")]
    pub role: RoleArg,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Search and read
    Reader,
    /// Also add and remove items
    Writer,
    /// Also share, revoke and delete
    Owner,
}

/// End somebody's membership, now
///
/// The cloud stops answering them, on open connections too, and the collection goes on under a new key that they were
/// never given. What they saw or fetched before is theirs; `pmirs rekey` puts older items under the new key as well.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs revoke photos ben && pmirs rekey photos\n\n\
    Somebody who is no contact is named by the beginning of their account's identifier, as `pmirs collection show` \
    prints it.")]
pub struct Revoke {
    /// Name of the collection
    pub collection: String,
    /// Name of the member, or the first characters of their account's identifier
    pub name: String,
}

/// Seal and veil older items anew, under the latest key
///
/// Can be interrupted at any moment and run again; the collection can be searched meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs rekey photos           # after `pmirs revoke`: moves what is under earlier keys\n  \
    pmirs rekey photos --full    # starts a new key first, and moves everything to it\n  \
    pmirs rekey photos --background")]
pub struct Rekey {
    /// Name of the collection
    pub collection: String,
    /// Start a new key first, so that every item is sealed anew
    #[arg(long)]
    pub full: bool,
    /// Start it as a job, and do not wait for it; `pmirs jobs` shows how far it is
    #[arg(long)]
    pub background: bool,
}

/// Say who changed a collection, how and when
///
/// Reads the collection's whole log and checks every signature in it. The times are by the clocks of those who
/// signed. Newest last.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs log photos\n  pmirs log photos --json | jq '.entries[-1]'")]
pub struct Log {
    /// Name of the collection
    pub collection: String,
}
